//! What whoever runs this program must be allowed to do, for one file: an IAM policy, read off the types.
//!
//! An action stands on the resources of this instance where its type says how they are named (`permissions.scope`), and
//! on everything otherwise: whatever AWS lets nobody narrow down, and whatever nobody has tried. What the state knows and
//! the file does not want any more counts too, for it is still to be deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::resolve::Graph;
use crate::address::{Address, TypeName};
use crate::spec::Types;
use crate::spec::types::ResourceType;
use crate::state::State;
use crate::value::{Planned, Tree, Value};

/// Characters of a managed policy that AWS takes, white space apart.
pub const LONGEST: usize = 6144;

/// Names of one pattern beyond which what they have in common is named instead.
const NAMED: usize = 3;

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    pub version: &'static str,
    pub statement: Vec<Statement>,
}

/// Actions that are allowed on the same resources.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    pub effect: &'static str,
    pub action: Vec<String>,
    pub resource: Vec<String>,
}

impl Policy {
    fn of(statement: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement }
    }

    /// Its size as AWS counts it.
    pub fn size(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.chars().count())
    }
}

/// Where the instance is.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub region: &'a str,
    /// Any, while it is not known.
    pub account: Option<&'a str>,
}

/// What is allowed: everything that applying and destroying takes, or reading alone.
pub fn statements(
    graph: &Graph<'_>,
    desired: &BTreeMap<Address, Arc<Planned>>,
    state: &State,
    types: &Types,
    looked_up: &BTreeSet<TypeName>,
    place: Place<'_>,
    only_read: bool,
) -> Vec<Statement> {
    let mut used: BTreeMap<&TypeName, Vec<(String, Value)>> = BTreeMap::new();
    for type_name in looked_up {
        used.entry(type_name).or_default();
    }
    for (address, node) in &graph.nodes {
        let known = desired.get(address).map(|planned| known(planned)).unwrap_or_default();
        used.entry(&address.type_name).or_default().push((node.region.clone(), known));
    }
    for (address, row) in &state.rows {
        used.entry(&address.type_name).or_default().push((row.region.clone(), row.recorded()));
    }
    let scopes: BTreeMap<&TypeName, BTreeSet<String>> =
        used.iter().filter_map(|(name, objects)| Some((*name, scope(types.get(*name)?, objects, place)))).collect();
    let mut resources: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for name in used.keys() {
        let Some(resource_type) = types.get(*name) else { continue };
        let verbs = resource_type.permissions.iter().filter(|(verb, _)| !only_read || *verb == "read");
        for action in verbs.flat_map(|(_, actions)| actions) {
            let narrowed = match resource_type.scoped_as.get(action) {
                Some(other) => scopes.get(other),
                None if resource_type.unscoped.contains(action) || !is_own(action, resource_type) => None,
                None => scopes.get(name),
            };
            let entry = resources.entry(action.as_str()).or_default();
            match narrowed {
                Some(scope) if !scope.is_empty() => entry.extend(scope.iter().cloned()),
                _ => {
                    entry.insert("*".to_owned());
                }
            }
        }
    }
    let place_of_note = named(REGISTRATION, "", &Value::Null, place) + &state.instance;
    for (action, everywhere, reads) in OWN_ACTIONS {
        if *reads || !only_read {
            let resource = if *everywhere { "*" } else { &place_of_note };
            resources.entry(action).or_default().insert(resource.to_owned());
        }
    }
    let mut grouped: BTreeMap<BTreeSet<String>, BTreeSet<&str>> = BTreeMap::new();
    for (action, resources) in resources {
        let everything = BTreeSet::from(["*".to_owned()]);
        let resources = if resources.contains("*") { everything } else { resources };
        grouped.entry(resources).or_default().insert(action);
    }
    let mut statements: Vec<Statement> = grouped
        .into_iter()
        .map(|(resources, actions)| Statement {
            effect: "Allow",
            action: actions.into_iter().map(str::to_owned).collect(),
            resource: resources.into_iter().collect(),
        })
        .collect();
    statements.sort();
    statements
}

/// Whether an action is one of the service the type belongs to, whatever AWS calls it there.
fn is_own(action: &str, resource_type: &ResourceType) -> bool {
    let service = |action: &str| action.split(':').next().unwrap_or_default().to_owned();
    let reads = resource_type.permissions.get("read").into_iter().flatten();
    reads.map(|read| service(read)).any(|own| own == service(action))
}

/// As many policies as it takes for each to be short enough. A statement that is too long for one is cut in two.
pub fn policies(statements: Vec<Statement>) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    let mut left: Vec<Statement> = statements.into_iter().rev().collect();
    while let Some(statement) = left.pop() {
        if Policy::of(vec![statement.clone()]).size() > LONGEST && statement.action.len() > 1 {
            let (first, second) = statement.action.split_at(statement.action.len() / 2);
            left.push(Statement { action: second.to_vec(), ..statement.clone() });
            left.push(Statement { action: first.to_vec(), ..statement });
            continue;
        }
        if let Some(last) = policies.last_mut() {
            last.statement.push(statement);
            if last.size() <= LONGEST {
                continue;
            }
            let statement = last.statement.pop();
            policies.extend(statement.map(|statement| Policy::of(vec![statement])));
        } else {
            policies.push(Policy::of(vec![statement]));
        }
    }
    policies
}

/// What is known of attributes.
fn known(planned: &Planned) -> Value {
    let entries = planned.as_map().into_iter().flatten();
    Tree::Map(entries.filter_map(|(name, value)| Some((name.clone(), value.plain()?))).collect())
}

/// The names of all objects of a type, as its patterns spell them.
fn scope(resource_type: &ResourceType, objects: &[(String, Value)], place: Place<'_>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for pattern in &resource_type.scope {
        let names: BTreeSet<String> =
            objects.iter().map(|(region, attributes)| named(pattern, region, attributes, place)).collect();
        if names.len() > NAMED {
            all.insert(common(&names, fixed(pattern, place)));
        } else {
            all.extend(names);
        }
    }
    all
}

/// A pattern with what is known in the place of `{...}`, and `*` for what is not.
fn named(pattern: &str, region: &str, attributes: &Value, place: Place<'_>) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        text.push_str(match name {
            "region" if region.is_empty() => place.region,
            "region" => region,
            "account" => place.account.unwrap_or("*"),
            name => attributes.get(name).and_then(Tree::as_text).unwrap_or("*"),
        });
        rest = after;
    }
    text + rest
}

/// The part of a pattern's names that is the same for whatever account and name: no star may stand before its end.
fn fixed(pattern: &str, place: Place<'_>) -> usize {
    let start = pattern.find("{account}").map_or(0, |at| at + "{account}".len());
    named(&pattern[..start], "", &Value::Null, place).len()
}

/// What names have in common, up to the last sign that divides them, and a star.
fn common(names: &BTreeSet<String>, least: usize) -> String {
    let mut shared = names.first().cloned().unwrap_or_default();
    for name in names {
        let length = shared.bytes().zip(name.bytes()).take_while(|(left, right)| left == right).count();
        shared.truncate(length);
    }
    let end = shared.rfind(['/', ':', '-']).map_or(0, |at| at + 1);
    shared.truncate(end.max(least.min(shared.len())));
    shared + "*"
}

/// Where the note about an instance is kept that lives in a region; its name follows.
const REGISTRATION: &str = "arn:aws:ssm:{region}:{account}:parameter/mastoform/";

/// What the program asks for on its own behalf, whatever the types: the action, whether AWS allows it on everything only
/// (otherwise it is about the registration of the instance), and whether it only reads.
///
/// The index of tags answers about everything in a region at once, so that it cannot be narrowed down.
const OWN_ACTIONS: &[(&str, bool, bool)] = &[
    ("tag:GetResources", true, true),
    ("ssm:GetParameter", false, true),
    ("ssm:PutParameter", false, false),
    ("ssm:AddTagsToResource", false, false),
    ("ssm:DeleteParameter", false, false),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place<'static> {
        Place { region: "eu-central-1", account: Some("123456789012") }
    }

    #[test]
    fn names_are_spelled_out_as_far_as_they_are_known() {
        let attributes = Value::from_json(&serde_json::json!({"name": "/social/db"}));
        let pattern = "arn:aws:ssm:{region}:{account}:parameter{name}";
        let spelled = named(pattern, "us-east-1", &attributes, place());
        assert_eq!(spelled, "arn:aws:ssm:us-east-1:123456789012:parameter/social/db");
        let nobody = Place { account: None, ..place() };
        assert_eq!(named(pattern, "", &Value::Null, nobody), "arn:aws:ssm:eu-central-1:*:parameter*");
    }

    #[test]
    fn many_names_become_what_they_have_in_common() {
        let names = |all: &[&str]| all.iter().map(|name| format!("arn:aws:x:r:1:p/{name}")).collect::<BTreeSet<_>>();
        assert_eq!(common(&names(&["social/a", "social/b", "social/bc"]), 0), "arn:aws:x:r:1:p/social/*");
        assert_eq!(common(&names(&["social-a", "social-b"]), 0), "arn:aws:x:r:1:p/social-*");
        assert_eq!(common(&names(&["a", "b"]), 0), "arn:aws:x:r:1:p/*");
    }

    #[test]
    fn what_is_too_long_for_one_policy_becomes_several() {
        let statement = |resource: &str, count: usize| Statement {
            effect: "Allow",
            action: (0..count).map(|number| format!("service:SomeRatherLongAction{number:04}")).collect(),
            resource: vec![resource.to_owned()],
        };
        let statements = vec![statement("*", 300), statement("arn:aws:s3:::x", 10), statement("arn:aws:s3:::y", 100)];
        let mut wanted: Vec<(String, String)> = Vec::new();
        for statement in &statements {
            wanted.extend(statement.action.iter().map(|action| (action.clone(), statement.resource[0].clone())));
        }
        let policies = policies(statements);
        assert!(policies.len() > 1);
        let mut found: Vec<(String, String)> = Vec::new();
        for policy in &policies {
            assert!(policy.size() <= LONGEST, "{}", policy.size());
            for statement in &policy.statement {
                found.extend(statement.action.iter().map(|action| (action.clone(), statement.resource[0].clone())));
            }
        }
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
    }
}
