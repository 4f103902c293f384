//! Evaluating the rules of a price: what they may read, and what becomes of what is not known.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::{Market, Resource, Resources, default_of};
use crate::address::{Address, TypeName};
use crate::diagnostic::Diagnostic;
use crate::expr::{Late, Reference, Root, Scope};
use crate::spec::pricing::{Parsed, Rule, Spread};
use crate::value::{Planned, Tree};

/// The rules of one resource, or of an expense of the instance.
pub struct Rules<'a> {
    pub market: &'a Market<'a>,
    pub resources: &'a Resources<'a>,
    pub owner: Option<(&'a Address, &'a Resource<'a>)>,
    pub needs: &'a BTreeMap<String, TypeName>,
}

/// What a rule came to.
enum Outcome {
    Known(Tree<Late>),
    /// Something it reads is known only after apply: what.
    Open(String),
}

/// Which of low, typical and high.
const TYPICAL: usize = 1;

impl Rules<'_> {
    /// Whether a line is there. The error is why nobody knows.
    pub fn holds(&self, when: Option<&Rule>) -> Result<bool, String> {
        let Some(rule) = when else { return Ok(true) };
        match self.run(rule, TYPICAL)? {
            Outcome::Known(Tree::Bool(flag)) => Ok(flag),
            Outcome::Known(_) => Err(format!("`{}` is neither true nor false", rule.text)),
            Outcome::Open(what) => Err(after_apply(&what)),
        }
    }

    /// Three texts. The error is why there are none.
    pub fn texts(&self, rules: &Spread<Rule>) -> Result<Spread<String>, String> {
        let text = |index: usize, rule: &Rule| match self.run(rule, index)? {
            Outcome::Known(Tree::Text(text)) => Ok(text),
            Outcome::Known(_) => Err(format!("`{}` is no key of a price", rule.text)),
            Outcome::Open(what) => Err(after_apply(&what)),
        };
        if is_one(rules) {
            return text(TYPICAL, &rules.typical).map(Spread::all);
        }
        Ok(Spread { low: text(0, &rules.low)?, typical: text(1, &rules.typical)?, high: text(2, &rules.high)? })
    }

    /// Three quantities, and whether they are assumed instead of known.
    pub fn quantities(&self, rules: &Spread<Rule>, otherwise: Option<&Rule>) -> Result<([f64; 3], bool), String> {
        let mut assumed = false;
        let mut quantities = [0.0; 3];
        for (index, (rule, place)) in rules.each().into_iter().zip(&mut quantities).enumerate() {
            let outcome = match (self.run(rule, index)?, otherwise) {
                (Outcome::Open(_), Some(otherwise)) => {
                    assumed = true;
                    self.run(otherwise, index)?
                }
                (outcome, _) => outcome,
            };
            *place = match outcome {
                Outcome::Known(value) => value.as_number().ok_or_else(|| format!("`{}` is no number", rule.text))?,
                Outcome::Open(what) => return Err(after_apply(&what)),
            };
            // What is assumed may differ.
            if index == 0 && is_one(rules) && !assumed {
                return Ok(([quantities[0]; 3], assumed));
            }
        }
        Ok((quantities, assumed))
    }

    fn run(&self, rule: &Rule, scenario: usize) -> Result<Outcome, String> {
        let parsed = rule.parsed().map_err(|problem| problem.message)?;
        let template = match &*parsed {
            Parsed::Text(text) => return Ok(Outcome::Known(Tree::Text(text.clone()))),
            Parsed::Template(template) => template,
        };
        let scope = RuleScope { rules: self, scenario };
        match self.market.evaluator.template(template, &scope) {
            Ok(Tree::Leaf(Late::Unknown(unknown))) => {
                Ok(Outcome::Open(unknown.references.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
            }
            Ok(value) => Ok(Outcome::Known(value)),
            Err(problem) => Err(problem.message),
        }
    }

    /// The one resource that rules call `alias`.
    fn needed(&self, alias: &str) -> Result<(&Address, &Resource<'_>), String> {
        let Some(type_name) = self.needs.get(alias) else { return Err(format!("nobody says what `{alias}` is")) };
        let needs = self.owner.map(|(_, resource)| resource.needs.as_slice()).unwrap_or_default();
        let mut found = needs
            .iter()
            .filter(|address| address.type_name == *type_name)
            .filter_map(|address| self.resources.get_key_value(*address));
        match (found.next(), found.next()) {
            (Some((address, resource)), None) => Ok((address, resource)),
            (None, _) => Err(format!("it depends on a {type_name} that is not among the resources")),
            (Some(_), Some(_)) => Err(format!("it depends on more than one {type_name}")),
        }
    }

    fn attribute(&self, address: &Address, resource: &Resource<'_>, path: &[String]) -> Tree<Late> {
        let set = resource.attributes.at(path);
        set.unwrap_or_else(|| {
            self.market.types.get(&address.type_name).map_or(Tree::Null, |found| default_of(found, path))
        })
    }
}

/// Whether the three are one rule that comes to the same for all three.
fn is_one(rules: &Spread<Rule>) -> bool {
    let text = &rules.low.text;
    *text == rules.typical.text && *text == rules.high.text && !text.contains("usage.")
}

fn after_apply(what: &str) -> String {
    format!("it depends on {what}, which is known only after apply")
}

/// What a rule reads.
struct RuleScope<'a> {
    rules: &'a Rules<'a>,
    scenario: usize,
}

impl Scope for RuleScope<'_> {
    fn value(&self, reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
        let rules = self.rules;
        let path = reference.path.as_slice();
        let value = match (&reference.root, path.split_first()) {
            (Root::Given("resource"), _) => {
                rules.owner.map(|(address, resource)| rules.attribute(address, resource, path)).unwrap_or_default()
            }
            (Root::Given("needs"), Some((alias, rest))) => {
                let (address, resource) = rules
                    .needed(alias)
                    .map_err(|why| Diagnostic::error("price-rule", why).at(&reference.location, ""))?;
                rules.attribute(address, resource, rest)
            }
            (Root::Given("usage"), _) => match rules.market.usage(path) {
                // Three for low, typical and high, or one for all.
                Some(Tree::List(three)) => three.get(self.scenario).map(|one| one.lift()).unwrap_or_default(),
                Some(one) => one.lift(),
                None => Tree::Null,
            },
            (Root::Config, _) => rules.market.settings.at(path).map(|value| value.lift()).unwrap_or_default(),
            _ => Tree::Null,
        };
        Ok(in_fractions(value))
    }
}

/// A value whose numbers are all fractions: expressions do not mix the two kinds.
fn in_fractions(value: Tree<Late>) -> Tree<Late> {
    match value {
        Tree::Integer(number) => Tree::Number(number as f64),
        Tree::List(items) => Tree::List(items.into_iter().map(in_fractions).collect()),
        Tree::Map(entries) => Tree::Map(entries.into_iter().map(|(key, entry)| (key, in_fractions(entry))).collect()),
        other => other,
    }
}

/// A planned value where values are being evaluated.
pub fn late(value: &Planned) -> Tree<Late> {
    match value.try_map(&mut |unknown| Ok::<_, Infallible>(Tree::Leaf(Late::Unknown(unknown.clone())))) {
        Ok(tree) => tree,
        Err(never) => match never {},
    }
}
