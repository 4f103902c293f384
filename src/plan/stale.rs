//! Whether a plan still holds, and what has changed since it was made.
//!
//! Planning is pure, so a plan holds exactly as long as planning again gives the same plan. [`stale`] compares the two,
//! and says what has changed between them in the words of whoever has to find out why. It serves plans that were kept in
//! a file, and plans that wait for an answer.
//!
//! # Guarantees
//!
//! - Empty exactly if the state, the file and the specs are the same and the plan would be: what nobody set may change
//!   in the cloud, what the plan compares or hands on may not.
//! - Lines of files and durations do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::change::{Cause, Change, Fingerprint, Plan};
use super::diff;
use super::saved::Basis;
use crate::address::Address;
use crate::config::Config;
use crate::diagnostic::Location;
use crate::spec::Types;
use crate::spec::types::{Attribute, ResourceType, Shape};
use crate::state::State;
use crate::value::{Tree, Value};

/// Characters of a value in a sentence.
const SHOWN: usize = 60;
/// Changes that are told at most.
const TOLD: usize = 20;

/// One thing that has changed since a plan was made.
#[derive(Clone, Debug, PartialEq)]
pub enum Staleness {
    /// The plan, or another one made from the same state, was applied.
    Applied {
        serial: u64,
    },
    Serial {
        then: u64,
        now: u64,
    },
    /// There was a state, and now there is none.
    NoState {
        then: u64,
    },
    /// The state is that of another instance's life.
    Lineage,
    /// The state is another one although its serial is the same.
    State {
        serial: u64,
    },
    Account {
        then: Option<String>,
        now: Option<String>,
    },
    /// A setting has another value; where the file says so now.
    Setting {
        name: String,
        then: Option<Value>,
        now: Option<Value>,
        location: Option<Location>,
    },
    /// The file has other words, but no other settings. The first line that differs, if the old text is known.
    File {
        name: String,
        location: Option<Location>,
    },
    /// A file of the specs is another one, new, or gone.
    Specs {
        name: String,
    },
    /// A lookup has another answer.
    Lookup {
        address: Address,
        path: Vec<String>,
        then: Option<Value>,
        now: Option<Value>,
    },
    /// An attribute was changed in the cloud.
    Attribute {
        address: Address,
        path: Vec<String>,
        then: Option<Value>,
        now: Option<Value>,
    },
    /// It was deleted in the cloud.
    Gone {
        address: Address,
    },
    /// It was gone and is there again.
    Back {
        address: Address,
    },
    /// The plan would be another one, and nothing else tells why.
    Plan {
        address: Address,
        is_new: bool,
    },
    /// The plan would be another one in something that is not a change: its refusals, what is unchanged.
    Otherwise,
}

impl fmt::Display for Staleness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied { serial } => {
                write!(formatter, "a plan made from the same state was applied; that made it state {serial}")
            }
            Self::Serial { then: 0, now } => write!(formatter, "there was no state yet, and now it is at {now}"),
            Self::Serial { then, now } => write!(formatter, "the state was at {then} and is at {now} now"),
            Self::NoState { then } => write!(formatter, "the state was at {then}, and now there is none"),
            Self::Lineage => formatter.write_str("the state belongs to another life of the instance (its lineage)"),
            Self::State { serial } => write!(formatter, "the state has other content, still with serial {serial}"),
            Self::Account { then, now } => {
                let name = |account: &Option<String>| account.clone().unwrap_or_else(|| "none".to_owned());
                write!(formatter, "the account was {} and is {} now", name(then), name(now))
            }
            Self::Setting { name, then, now, location } => {
                let place = location.as_ref().map(|location| format!(" ({location})")).unwrap_or_default();
                write!(formatter, "{name} was {} and is {} now{place}", shown(then.as_ref()), shown(now.as_ref()))
            }
            Self::File { location: Some(location), .. } => write!(formatter, "{location} is not what it was"),
            Self::File { name, location: None } => {
                write!(formatter, "{name} is not what it was, though every setting is: a patch or a comment")
            }
            Self::Specs { name } => write!(formatter, "{name} is not what it was"),
            Self::Lookup { address, path, then, now } | Self::Attribute { address, path, then, now } => {
                let path = if path.is_empty() { "its answer".to_owned() } else { path.join(".") };
                write!(formatter, "{address}: {path} was {} and is {} now", shown(then.as_ref()), shown(now.as_ref()))
            }
            Self::Gone { address } => write!(formatter, "{address} is gone"),
            Self::Back { address } => write!(formatter, "{address} was gone and is there again"),
            Self::Otherwise => formatter.write_str("planning again does not give the same plan"),
            Self::Plan { address, is_new: true } => write!(formatter, "{address} would be changed now, too"),
            Self::Plan { address, is_new: false } => write!(formatter, "{address} would be changed otherwise now"),
        }
    }
}

/// A value in a sentence.
fn shown(value: Option<&Value>) -> String {
    let Some(value) = value.filter(|value| !value.is_null()) else { return "(unset)".to_owned() };
    let text = value.to_string();
    if text.chars().count() <= SHOWN {
        return text;
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start}...")
}

/// A plan does not hold any more: everything that has changed since it was made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("this plan is stale: something has changed since it was made{}", told(.0))]
pub struct StalePlan(pub Vec<Staleness>);

impl StalePlan {
    /// A stable word for the kind of problem.
    pub const CODE: &str = "plan-stale";

    /// What to do about it.
    pub const HINT: &str = "nothing was done; plan again and read the new plan";
}

fn told(changes: &[Staleness]) -> String {
    let mut text: String = changes.iter().take(TOLD).map(|change| format!("\n  - {change}")).collect();
    if changes.len() > TOLD {
        text.push_str(&format!("\n  and {} more", changes.len() - TOLD));
    }
    text
}

/// A plan with what it was made from.
#[derive(Clone, Copy)]
pub struct Proposal<'a> {
    pub plan: &'a Plan,
    pub basis: &'a Basis,
}

/// The file as it is now, and its text when the plan was made, if that is known.
#[derive(Clone, Copy)]
pub struct FileNow<'a> {
    pub config: &'a Config,
    pub text_then: Option<&'a str>,
}

/// What has changed between a plan and the one that would be made now, from the state that exists now. Empty: the plan
/// still holds. `file` is `None` for a destroy, which does not read it.
pub fn stale(
    then: Proposal<'_>,
    now: Proposal<'_>,
    state: &State,
    file: Option<FileNow<'_>>,
    types: &Types,
) -> Vec<Staleness> {
    let mut found = Vec::new();
    state_changes(&then.plan.made_from, &now.plan.made_from, state, &mut found);
    if then.basis.account != now.basis.account {
        found.push(Staleness::Account { then: then.basis.account.clone(), now: now.basis.account.clone() });
    }
    if let Some(file) = file.filter(|_| then.plan.made_from.file != now.plan.made_from.file) {
        file_changes(then.basis, file, &mut found);
    }
    if then.plan.made_from.specs != now.plan.made_from.specs {
        spec_changes(then.basis, now.basis, &mut found);
    }
    if essence(then.plan) == essence(now.plan) {
        return found;
    }
    for address in then.basis.lookups.keys().chain(now.basis.lookups.keys()).collect::<BTreeSet<_>>() {
        let (before, after) = (then.basis.lookups.get(address), now.basis.lookups.get(address));
        let attribute = types.get(&address.type_name).map(|found| whole(found));
        changed_leaves(before, after, attribute.as_ref(), &mut Vec::new(), &mut |path, then, now| {
            found.push(Staleness::Lookup { address: address.clone(), path, then, now });
        });
    }
    for address in then.basis.observed.keys().chain(now.basis.observed.keys()).collect::<BTreeSet<_>>() {
        match (then.basis.observed.get(address), now.basis.observed.get(address)) {
            (Some(Some(_)), Some(None)) => found.push(Staleness::Gone { address: address.clone() }),
            (Some(None), Some(Some(_))) => found.push(Staleness::Back { address: address.clone() }),
            (Some(Some(before)), Some(Some(after))) => {
                let attribute = types.get(&address.type_name).map(|found| whole(found));
                let (before, after) = (Some(before), Some(after));
                changed_leaves(before, after, attribute.as_ref(), &mut Vec::new(), &mut |path, then, now| {
                    found.push(Staleness::Attribute { address: address.clone(), path, then, now });
                });
            }
            _ => {}
        }
    }
    if found.is_empty() {
        plan_changes(then.plan, now.plan, &mut found);
    }
    if found.is_empty() {
        found.push(Staleness::Otherwise);
    }
    found
}

fn state_changes(then: &Fingerprint, now: &Fingerprint, state: &State, found: &mut Vec<Staleness>) {
    if now.serial == 0 && then.serial != 0 {
        found.push(Staleness::NoState { then: then.serial });
        return;
    }
    if then.lineage != now.lineage && then.serial != 0 {
        found.push(Staleness::Lineage);
    }
    if then.serial != now.serial {
        if state.parent.as_ref() == Some(&then.state) {
            found.push(Staleness::Applied { serial: now.serial });
        } else {
            found.push(Staleness::Serial { then: then.serial, now: now.serial });
        }
    } else if then.state != now.state && found.is_empty() {
        found.push(Staleness::State { serial: now.serial });
    }
}

fn file_changes(then: &Basis, file: FileNow<'_>, found: &mut Vec<Staleness>) {
    let before = found.len();
    changed_leaves(Some(&then.settings), Some(&file.config.values), None, &mut Vec::new(), &mut |path, then, now| {
        let location = file.config.origin(&path).cloned();
        found.push(Staleness::Setting { name: path.join("."), then, now, location });
    });
    if found.len() == before {
        let location = file.text_then.and_then(|text| first_difference(text, file.config));
        found.push(Staleness::File { name: file.config.source.name.clone(), location });
    }
}

/// The first line of the file that is not what it was.
fn first_difference(then: &str, config: &Config) -> Option<Location> {
    let text = &config.source.text;
    let mut start = 0;
    let mut old = then.split_inclusive('\n');
    for line in text.split_inclusive('\n') {
        if old.next() != Some(line) {
            break;
        }
        start += line.len();
    }
    Some(Location::new(&config.source, start.min(text.len())..text.len()))
}

fn spec_changes(then: &Basis, now: &Basis, found: &mut Vec<Staleness>) {
    let names: BTreeSet<&String> = then.specs.keys().chain(now.specs.keys()).collect();
    for name in names {
        if then.specs.get(name) != now.specs.get(name) {
            found.push(Staleness::Specs { name: name.clone() });
        }
    }
    // The same files in another order, one of which lies over the other.
    if then.specs == now.specs {
        found.push(Staleness::Specs { name: "the order of the specs".to_owned() });
    }
}

fn plan_changes(then: &Plan, now: &Plan, found: &mut Vec<Staleness>) {
    let (then, now) = (essence(then), essence(now));
    let old: BTreeMap<&Address, &Change> = then.changes.iter().map(|change| (&change.address, change)).collect();
    let new: BTreeMap<&Address, &Change> = now.changes.iter().map(|change| (&change.address, change)).collect();
    for address in old.keys().chain(new.keys()).copied().collect::<BTreeSet<_>>() {
        if old.get(address) != new.get(address) {
            found.push(Staleness::Plan { address: address.clone(), is_new: !old.contains_key(address) });
        }
    }
}

/// A plan without what does not decide what is done: lines of files, durations, what it was made from, and whether a
/// person has acted already.
fn essence(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.made_from = Fingerprint::default();
    plan.title.clear();
    plan.expected_seconds = 0;
    plan.cost = None;
    let unplaced = |cause: &mut Cause| match cause {
        Cause::Written { location } => location.clear(),
        Cause::Waits { .. } => *cause = Cause::Interrupted,
        _ => {}
    };
    for change in &mut plan.changes {
        change.expected_seconds = 0;
        change.causes.iter_mut().for_each(unplaced);
        change.causes.dedup();
        change.attributes.iter_mut().for_each(|attribute| unplaced(&mut attribute.cause));
    }
    plan
}

/// A type's attributes as one.
fn whole(resource_type: &ResourceType) -> Attribute {
    Attribute::object(resource_type.attributes.clone(), &resource_type.location)
}

type Visit<'a> = dyn FnMut(Vec<String>, Option<Value>, Option<Value>) + 'a;

/// Calls `visit` with every leaf that means something else than before.
fn changed_leaves(
    then: Option<&Value>,
    now: Option<&Value>,
    attribute: Option<&Attribute>,
    path: &mut Vec<String>,
    visit: &mut Visit<'_>,
) {
    let null = Value::Null;
    let (before, after) = (then.unwrap_or(&null), now.unwrap_or(&null));
    let is_same = match attribute {
        Some(attribute) => diff::same(before, after, attribute) && diff::same(after, before, attribute),
        None => before == after,
    };
    if is_same {
        return;
    }
    let key = attribute.and_then(|attribute| attribute.keyed_by.as_deref());
    match (before, after, key) {
        (Tree::Map(old), Tree::Map(new), _) => {
            for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                path.push(key.clone());
                let child = attribute.and_then(|attribute| attribute.child(key));
                changed_leaves(old.get(key), new.get(key), child, path, visit);
                path.pop();
            }
        }
        (Tree::List(_), Tree::List(_), Some(key)) => {
            let (old, new) = (diff::by_key(before, key), diff::by_key(after, key));
            let element = match attribute.map(|attribute| &attribute.shape) {
                Some(Shape::List(element)) => Some(&**element),
                _ => None,
            };
            for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                path.push(key.clone());
                changed_leaves(old.get(key).copied(), new.get(key).copied(), element, path, visit);
                path.pop();
            }
        }
        _ => visit(path.clone(), then.cloned(), now.cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::saved::Saved;
    use crate::plan::saved::tests::{address, saved, value};

    fn words(then: &Saved, now: &Saved, state: &State) -> Vec<String> {
        let (then, now) =
            (Proposal { plan: &then.plan, basis: &then.basis }, Proposal { plan: &now.plan, basis: &now.basis });
        stale(then, now, state, None, &Types::new()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn it_is_said_what_has_changed() {
        let then = saved();
        let state = State::new("l", "social", "eu-central-1");
        assert_eq!(words(&then, &then, &state), Vec::<String>::new());

        let mut now = then.clone();
        now.plan.made_from.serial = 42;
        assert_eq!(words(&then, &now, &state), ["the state was at 41 and is at 42 now"]);
        now.plan.made_from.lineage = "another".to_owned();
        now.plan.made_from.serial = 41;
        assert_eq!(words(&then, &now, &state), ["the state belongs to another life of the instance (its lineage)"]);
        now.plan.made_from.serial = 0;
        assert_eq!(words(&then, &now, &state), ["the state was at 41, and now there is none"]);
        now.plan.made_from = Fingerprint { serial: 42, ..then.plan.made_from.clone() };
        let mut successor = state.clone();
        successor.parent = Some("sha256:1".to_owned());
        assert_eq!(
            words(&then, &now, &successor),
            ["a plan made from the same state was applied; that made it state 42"]
        );

        let mut now = then.clone();
        now.basis.observed.insert(address(), Some(value(serde_json::json!({"port": 5433, "max": 4}))));
        assert_eq!(words(&then, &now, &state), Vec::<String>::new(), "nothing in the plan depends on it");
        now.plan.changes[7].attributes[0].before = None;
        let attribute = "rds.cluster.database: port was 5432 and is 5433 now".to_owned();
        let number = "rds.cluster.database: max was 4.0 and is 4 now".to_owned();
        assert_eq!(words(&then, &now, &state), [number, attribute], "without types numbers are compared as written");
        now.basis.observed.insert(address(), None);
        assert_eq!(words(&then, &now, &state), ["rds.cluster.database is gone"]);
        now.basis = then.basis.clone();
        assert_eq!(words(&then, &now, &state), ["rds.cluster.database would be changed otherwise now"]);
        now.plan = Plan { unchanged: 4, ..then.plan.clone() };
        assert_eq!(words(&then, &now, &state), ["planning again does not give the same plan"]);
    }

    #[test]
    fn a_person_who_has_acted_makes_no_plan_stale() {
        let mut then = saved();
        then.plan.changes[0].causes = vec![Cause::Waits { advice: "sign".to_owned() }];
        let mut now = then.clone();
        now.plan.changes[0].causes = vec![Cause::Interrupted];
        assert_eq!(words(&then, &now, &State::new("l", "social", "eu-central-1")), Vec::<String>::new());
    }

    #[test]
    fn lines_and_durations_do_not_make_a_plan_stale() {
        let then = saved();
        let mut now = then.clone();
        now.plan.expected_seconds = 1;
        now.plan.cost = None;
        now.plan.changes[0].expected_seconds = 1;
        now.plan.changes[0].causes[1] = Cause::Written { location: "x/mastodon.toml:3".to_owned() };
        assert_eq!(words(&then, &now, &State::new("l", "social", "eu-central-1")), Vec::<String>::new());
    }
}
