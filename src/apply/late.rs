//! Completing at apply time what the plan could not know.
//!
//! The same templates are evaluated again, now over what exists. What the plan did know must come out the same: an
//! apply never does what its plan did not say.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::expr::{Late, Reference};
use crate::plan::diff::secret_marker;
use crate::plan::resolve::{Desired, Facts, Graph, ResourceScope, World, unknown};
use crate::secret::SecretText;
use crate::spec::blueprint::ResourceName;
use crate::state::State;
use crate::value::{AttributePath, Known, Planned, Tree, Unknown, Value};

/// Secrets read for one step, by address and path joined with dots.
pub type Revealed = BTreeMap<(Address, AttributePath), SecretText>;

/// What exists now: the rows of the state, and the secrets read for this step.
pub struct Existing<'a> {
    pub state: &'a State,
    pub graph: &'a Graph,
    pub revealed: &'a Revealed,
}

impl Facts for Existing<'_> {
    fn value(&self, address: &Address, path: &[String], reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
        let Some(desired) = self.graph.nodes.get(address) else { return Ok(Tree::Null) };
        let Some(row) = self.state.rows.get(address) else { return Ok(unknown(address, path, reference, false)) };
        let Some((name, _)) = path.split_first() else { return Ok(row.inputs.lift()) };
        let attribute = desired.resource_type.attributes.get(name);
        if attribute.is_some_and(|attribute| attribute.sensitive) {
            return Ok(match self.revealed.get(&(address.clone(), path.into())) {
                Some(secret) => Tree::Leaf(Late::Secret(secret.clone())),
                None => unknown(address, path, reference, true),
            });
        }
        if attribute.is_some_and(|attribute| attribute.computed) {
            return Ok(match row.facts.at(path) {
                Some(fact) => fact.lift(),
                None => unknown(address, path, reference, false),
            });
        }
        Ok(match row.inputs.at(path) {
            Some(value) => value.lift(),
            None => attribute.and_then(|attribute| attribute.default.as_ref()).map(Value::lift).unwrap_or_default(),
        })
    }

    fn instances(&self, name: &ResourceName) -> Vec<Address> {
        // Instances of one resource are neighbours, and the one without a key, if there is one, is the first.
        let first = Address::new(name.0.clone(), name.1.clone(), None);
        let from_first = self.graph.nodes.range(first..).map(|(address, _)| address);
        from_first.take_while(|address| address.is_named(name)).cloned().collect()
    }

    fn locals(&self) -> Option<&RefCell<BTreeMap<String, Tree<Late>>>> {
        None
    }
}

/// Why a step's attributes could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum LateError {
    #[error("{0}")]
    Expression(Diagnostic),
    #[error("{0} is still not known")]
    Unknown(String),
    #[error("BUG: `{path}` has come out differently than the plan said")]
    Promise { path: String },
}

/// The complete attributes of a resource. Secrets of attributes for which `wanted` is false may be missing; they are
/// left out.
pub fn complete(
    world: &World<'_>,
    desired: &Desired,
    planned: &Planned,
    existing: &Existing<'_>,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Known, LateError> {
    world.evaluator.begin();
    let scope = ResourceScope { world, each: desired.each.as_ref(), facts: existing };
    let mut complete = BTreeMap::new();
    for (name, template) in desired.templates().iter() {
        // The plan has decided between the recorded and the blueprint's value.
        let may_be_kept = desired.resource.keep.iter().any(|kept| kept.split('.').next() == Some(name.as_str()));
        let decided = planned.get(name).filter(|_| may_be_kept).and_then(Tree::plain);
        if let Some(value) = decided {
            if !value.is_null() {
                complete.insert(name.clone(), value.lift());
            }
            continue;
        }
        let tree = world.evaluator.tree(template, &scope).map_err(LateError::Expression)?;
        if tree.is_null() {
            continue;
        }
        let known = tree.try_map(&mut |late| match late {
            Late::Secret(secret) => Ok(Tree::Leaf(secret.clone())),
            Late::Unknown(missing) => Err(missing.clone()),
        });
        match known {
            Ok(known) => {
                if let Some(promised) = planned.get(name) {
                    keeps(promised, &known, &mut vec![name.clone()])?;
                }
                complete.insert(name.clone(), known);
            }
            Err(missing) if missing.sensitive && !wanted(name) => {}
            Err(missing) => {
                let what = missing.references.first().map_or_else(|| missing.template.clone(), ToString::to_string);
                return Err(LateError::Unknown(what));
            }
        }
    }
    Ok(Tree::Map(complete))
}

/// Whether everything the plan knew has come true.
fn keeps(planned: &Planned, known: &Known, path: &mut Vec<String>) -> Result<(), LateError> {
    let broken = |path: &[String]| Err(LateError::Promise { path: path.join(".") });
    match (planned, known) {
        (Tree::Leaf(_), _) => Ok(()),
        (Tree::Map(planned), Tree::Map(known)) => {
            if known.keys().any(|key| !planned.contains_key(key)) {
                return broken(path);
            }
            for (key, promised) in planned {
                path.push(key.clone());
                match known.get(key) {
                    Some(value) => keeps(promised, value, path)?,
                    // An unknown may come out as null, and null entries are left out.
                    None if matches!(promised, Tree::Leaf(_)) => {}
                    None => return broken(path),
                }
                path.pop();
            }
            Ok(())
        }
        (Tree::List(planned), Tree::List(known)) if planned.len() == known.len() => {
            for (index, (promised, value)) in planned.iter().zip(known).enumerate() {
                path.push(index.to_string());
                keeps(promised, value, path)?;
                path.pop();
            }
            Ok(())
        }
        (planned, known) if planned.plain().is_some() && planned.plain() == known.plain() => Ok(()),
        _ => broken(path),
    }
}

/// What the state keeps of attributes: secrets as markers that say where they come from.
pub fn stored(planned: &Planned, known: Option<&Known>) -> Value {
    match (planned, known) {
        (Tree::Leaf(missing), _) if missing.sensitive => secret_marker(&missing.template),
        (_, Some(Tree::Leaf(_))) => secret_marker(""),
        (Tree::Map(planned), Some(Tree::Map(known))) => Tree::Map(
            planned
                .iter()
                .filter(|(key, promised)| known.contains_key(*key) || is_secret(promised))
                .map(|(key, promised)| (key.clone(), stored(promised, known.get(key))))
                .collect(),
        ),
        (Tree::List(planned), Some(Tree::List(known))) => {
            Tree::List(planned.iter().zip(known).map(|(promised, value)| stored(promised, Some(value))).collect())
        }
        (_, Some(known)) => known.try_map(&mut |_| Ok::<_, ()>(secret_marker(""))).unwrap_or_default(),
        (promised, None) => promised.plain().unwrap_or_default(),
    }
}

/// Attributes as they can be compared with what the cloud shows: all that is known of them, and a secret where one is.
pub fn comparable(planned: &Planned, known: Option<&Known>) -> Planned {
    let secret = || Tree::Leaf(Unknown { template: String::new(), references: Vec::new(), sensitive: true });
    match (planned, known) {
        (Tree::Leaf(missing), _) if missing.sensitive => planned.clone(),
        (_, Some(Tree::Leaf(_))) => secret(),
        (Tree::Map(planned), Some(Tree::Map(known))) => Tree::Map(
            planned
                .iter()
                .filter(|(key, promised)| known.contains_key(*key) || is_secret(promised))
                .map(|(key, promised)| (key.clone(), comparable(promised, known.get(key))))
                .collect(),
        ),
        (Tree::List(planned), Some(Tree::List(known))) => {
            Tree::List(planned.iter().zip(known).map(|(promised, value)| comparable(promised, Some(value))).collect())
        }
        (_, Some(known)) => known.try_map(&mut |_| Ok::<_, ()>(secret())).unwrap_or_default(),
        (promised, None) => promised.clone(),
    }
}

fn is_secret(planned: &Planned) -> bool {
    matches!(planned, Tree::Leaf(missing) if missing.sensitive)
}

/// The secrets a step has to read: those its attributes refer to, of the attributes that are sent.
pub fn secrets_to_read(
    graph: &Graph,
    planned: &Planned,
    wanted: &dyn Fn(&str) -> bool,
) -> Vec<(Address, AttributePath)> {
    let mut found = Vec::new();
    for (name, value) in planned.as_map().into_iter().flatten() {
        if !wanted(name) {
            continue;
        }
        value.each_leaf(&mut |missing| {
            for reference in missing.references.iter().filter(|_| missing.sensitive) {
                let path = reference.attribute.clone();
                let sensitive = graph
                    .nodes
                    .get(&reference.address)
                    .and_then(|desired| desired.resource_type.attributes.get(path.first()?))
                    .is_some_and(|attribute| attribute.sensitive);
                let entry = (reference.address.clone(), path);
                if sensitive && !found.contains(&entry) {
                    found.push(entry);
                }
            }
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Unknown;

    fn value<L>(json: serde_json::Value) -> Tree<L> {
        Value::from_json(&json).lift()
    }

    fn secret() -> Unknown {
        Unknown { template: "${a.b.c.value}".to_owned(), references: Vec::new(), sensitive: true }
    }

    #[test]
    fn what_the_plan_knew_must_come_true() {
        let planned: Planned = value(serde_json::json!({"a": 1, "b": {"c": "x"}}));
        let same: Known = value(serde_json::json!({"a": 1, "b": {"c": "x"}}));
        assert!(keeps(&planned, &same, &mut Vec::new()).is_ok());
        let other: Known = value(serde_json::json!({"a": 1, "b": {"c": "y"}}));
        let error = keeps(&planned, &other, &mut Vec::new()).expect_err("broken");
        assert_eq!(error.to_string(), "BUG: `b.c` has come out differently than the plan said");
    }

    #[test]
    fn secrets_are_stored_as_markers() {
        let mut planned: Planned = value(serde_json::json!({"name": "x"}));
        planned.set(&["password"], Tree::Leaf(secret()));
        let mut known: Known = value(serde_json::json!({"name": "x"}));
        known.set(&["password"], Tree::Leaf(SecretText::new("hunter2")));
        let kept = stored(&planned, Some(&known)).to_string();
        assert_eq!(kept, r#"{"name": "x", "password": {"secret": "${a.b.c.value}"}}"#);
    }
}
