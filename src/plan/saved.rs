//! Saved plans: a plan in a file, with what it was made from, and whether it still holds.
//!
//! # Guarantees
//!
//! - Canonical: the same plan is the same bytes. The digest in the header is taken over all the rest, so a file that
//!   was edited, cut off or merged is refused, and so is one of a newer format.
//! - No secret is in the file: the types of a plan cannot hold one, and observed values of sensitive attributes are
//!   left out of what is kept beside it.
//! - Planning is pure, so a plan holds exactly as long as planning anew gives the same plan. [`stale`] compares the two
//!   and says what has changed between them, in the words of whoever has to find out why.
//!
//! # Assumptions
//!
//! - What a plan could not know is completed while applying, from the same `mastodon.toml`: its fingerprint is compared
//!   before anything is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::change::{Cause, Change, Fingerprint, Plan};
use super::diff;
use super::resolve::Graph;
use crate::address::Address;
use crate::config::Config;
use crate::diagnostic::Location;
use crate::provider::{Observation, Observations};
use crate::spec::types::{Attribute, ResourceType, Shape};
use crate::spec::{Specs, Types};
use crate::state::{State, sha256};
use crate::value::{Tree, Value};

/// The version of the format this program writes, and the only one it reads.
pub const FORMAT: u64 = 1;

/// Characters of a value in a sentence.
const SHOWN: usize = 60;

/// What a plan was made from, as far as it is needed to say what has changed since.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// The account, once it is known.
    pub account: Option<String>,
    /// SHA-256 of every file of the specs, by name.
    pub specs: BTreeMap<String, String>,
    /// The settings of `mastodon.toml`, complete; null for a destroy.
    pub settings: Value,
    pub lookups: BTreeMap<Address, Value>,
    /// What was seen of the attributes that are ours or that others read, by address; `None` for what is gone.
    pub observed: BTreeMap<Address, Option<Value>>,
}

impl Basis {
    /// What a plan was made from. `graph` is what the file wants; `None` for a destroy.
    pub fn of(
        specs: &Specs,
        desired: Option<(&Config, &Graph<'_>)>,
        state: &State,
        lookups: &BTreeMap<Address, Value>,
        observations: Option<&Observations>,
    ) -> Self {
        let mut observed = BTreeMap::new();
        for (address, observation) in observations.into_iter().flatten() {
            let seen = match observation {
                Observation::Found(found) => Some(relevant(address, &found.attributes, specs, desired, state)),
                Observation::Gone => None,
                Observation::Failed(_) => continue,
            };
            observed.insert(address.clone(), seen);
        }
        Self {
            account: state.account.clone(),
            specs: specs.files.iter().map(|file| (file.name.clone(), sha256(file.text.as_bytes()))).collect(),
            settings: desired.map(|(config, _)| config.values.clone()).unwrap_or_default(),
            lookups: lookups.clone(),
            observed,
        }
    }
}

/// The attributes that a plan compares or hands on: those we set or want to set, and the facts others read. A status
/// counts only while it is not one of those that mean "ready".
fn relevant(
    address: &Address,
    attributes: &Value,
    specs: &Specs,
    desired: Option<(&Config, &Graph<'_>)>,
    state: &State,
) -> Value {
    let Some(resource_type) = specs.types.get(&address.type_name) else { return Value::Null };
    let mut names: BTreeSet<&String> = BTreeSet::new();
    if let Some(row) = state.rows.get(address) {
        names.extend([&row.inputs, &row.facts].into_iter().filter_map(Tree::as_map).flat_map(BTreeMap::keys));
    }
    if let Some(wanted) = desired.and_then(|(_, graph)| graph.nodes.get(address)) {
        names.extend(wanted.resource.attributes.keys());
        names.extend(wanted.resource.patches.iter().flat_map(|patch| patch.attributes.keys()));
    }
    let mut kept = BTreeMap::new();
    for name in names {
        let is_ours =
            resource_type.attributes.get(name).is_some_and(|attribute| !attribute.sensitive && !attribute.write_only);
        if let Some(value) = attributes.get(name).filter(|value| is_ours && !value.is_null()) {
            kept.insert(name.clone(), value.clone());
        }
    }
    if let Some(ready) = &resource_type.ready
        && let Some(status) = attributes.get(&ready.attribute).and_then(Tree::as_text)
        && !ready.values.iter().any(|value| value == status)
    {
        kept.insert(ready.attribute.clone(), status.into());
    }
    Tree::Map(kept)
}

/// A plan as it stands in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// The version of the program that made it.
    pub program: String,
    /// Where it is to be applied: `aws`, or `sandbox`.
    pub cloud: String,
    pub basis: Basis,
    pub plan: Plan,
}

/// The file as it is written. The digest is taken with `digest` left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    program: String,
    cloud: String,
    made_from: Basis,
    plan: Plan,
}

/// The first look at a file: only what says which kind of file it is.
#[derive(Deserialize)]
struct Gate {
    format: u64,
    plan: serde::de::IgnoredAny,
}

/// Why a file is not a plan that can be used. [`SavedError::hint`] says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    #[error("{name} is not a saved plan: {problem}")]
    NotPlan { name: String, problem: String },
    #[error("{name} was written by a newer mastoform: format {format}, this one knows formats up to {FORMAT}")]
    Newer { name: String, format: u64 },
    #[error("{name} was edited: its content is {found}, its header says {expected}")]
    Edited { name: String, expected: String, found: String },
}

impl SavedError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotPlan { .. } => "`mastoform plan --out FILE` writes one",
            Self::Newer { .. } => "use the version of mastoform that wrote it, or plan again",
            Self::Edited { .. } => "a plan is applied as it was made or not at all: plan again",
        }
    }
}

impl Saved {
    /// The canonical text: the exact content of the file.
    pub fn text(&self) -> String {
        let digest = digest(&self.text_with(None));
        self.text_with(Some(digest))
    }

    /// What identifies it: `sha256:` and a digest of its content.
    pub fn digest(&self) -> String {
        digest(&self.text_with(None))
    }

    fn text_with(&self, digest: Option<String>) -> String {
        let file = File {
            format: FORMAT,
            digest,
            program: self.program.clone(),
            cloud: self.cloud.clone(),
            made_from: self.basis.clone(),
            plan: self.plan.clone(),
        };
        #[expect(clippy::expect_used, reason = "keys are texts and nothing in a plan can fail to serialize")]
        let mut text = serde_json::to_string_pretty(&file).expect("a plan serializes");
        text.push('\n');
        text
    }

    /// Reads a file back; `name` is its name in errors.
    ///
    /// # Errors
    ///
    /// Whatever is not, to the letter, a file that [`Saved::text`] has written.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, SavedError> {
        let not_plan = |problem: String| SavedError::NotPlan { name: name.to_owned(), problem };
        let text = std::str::from_utf8(bytes).map_err(|error| not_plan(error.to_string()))?;
        let gate: Gate = serde_json::from_str(text).map_err(|error| not_plan(error.to_string()))?;
        let serde::de::IgnoredAny = gate.plan;
        if gate.format > FORMAT {
            return Err(SavedError::Newer { name: name.to_owned(), format: gate.format });
        }
        let file: File = serde_json::from_str(text).map_err(|error| not_plan(error.to_string()))?;
        let saved = Self { program: file.program, cloud: file.cloud, basis: file.made_from, plan: file.plan };
        let (expected, found) = (file.digest.unwrap_or_default(), saved.digest());
        // The digest is over the content; the comparison finds what has no meaning and yet was not written by us.
        if expected != found || file.format != FORMAT || text.replace("\r\n", "\n") != saved.text() {
            return Err(SavedError::Edited { name: name.to_owned(), expected, found });
        }
        Ok(saved)
    }
}

fn digest(text: &str) -> String {
    format!("sha256:{}", sha256(text.as_bytes()))
}

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
        let attribute = types.get(&address.type_name).map(whole);
        changed_leaves(before, after, attribute.as_ref(), &mut Vec::new(), &mut |path, then, now| {
            found.push(Staleness::Lookup { address: address.clone(), path, then, now });
        });
    }
    for address in then.basis.observed.keys().chain(now.basis.observed.keys()).collect::<BTreeSet<_>>() {
        match (then.basis.observed.get(address), now.basis.observed.get(address)) {
            (Some(Some(_)), Some(None)) => found.push(Staleness::Gone { address: address.clone() }),
            (Some(None), Some(Some(_))) => found.push(Staleness::Back { address: address.clone() }),
            (Some(Some(before)), Some(Some(after))) => {
                let attribute = types.get(&address.type_name).map(whole);
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

/// A plan without what does not decide what is done: lines of files, durations, what it was made from.
fn essence(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    plan.made_from = Fingerprint::default();
    plan.title.clear();
    plan.expected_seconds = 0;
    let unplaced = |cause: &mut Cause| {
        if let Cause::Written { location } = cause {
            location.clear();
        }
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
    use crate::plan::change::{Action, AttributeChange, Purpose, Reasons};
    use crate::spec::types::{Impact, Milestone, Order};
    use crate::value::{Missing, Unknown};

    fn value(json: serde_json::Value) -> Value {
        Value::from_json(&json)
    }

    fn address() -> Address {
        "rds.cluster.database".parse().expect("an address")
    }

    /// A plan with one of everything.
    fn saved() -> Saved {
        let unknown = Unknown {
            template: "${secretsmanager.secret.database.values.password}".to_owned(),
            references: vec![Missing { address: address(), attribute: "values.password".to_owned() }],
            sensitive: true,
        };
        let change = |action: Action| Change {
            address: address(),
            region: "eu-central-1".to_owned(),
            action,
            causes: vec![Cause::New, Cause::Written { location: "mastodon.toml:3".to_owned() }, Cause::Drift],
            attributes: vec![AttributeChange {
                path: vec!["serverless_v2".to_owned(), "max".to_owned()],
                before: Some(value(serde_json::json!(1))),
                after: Some(Tree::Leaf(unknown.clone())),
                cause: Cause::Cascade { address: address() },
                also_drifted: true,
                forces_replacement: false,
                sensitive: true,
                impact: Impact::Brief,
            }],
            unchanged_attributes: 3,
            impact: Impact::Outage,
            expected_seconds: 60,
            protect: true,
            was_protected: false,
            identity: Some(crate::address::Identity::new("social")),
            leftovers: vec![crate::address::Identity::new("old")],
            desired: Some(Tree::Map(BTreeMap::from([("port".to_owned(), Tree::Integer(5432))]))),
            depends_on: BTreeMap::from([(address(), Milestone::Created)]),
        };
        let because = Reasons::new("engine".to_owned(), ["port".to_owned()]);
        let actions = [
            Action::Create,
            Action::Update { attributes: vec!["port".to_owned()] },
            Action::Replace { because, order: Order::CreateFirst },
            Action::Delete,
            Action::Adopt,
            Action::Forget,
        ];
        let plan = Plan {
            purpose: Purpose::Apply,
            instance: "social".to_owned(),
            title: "social".to_owned(),
            region: "eu-central-1".to_owned(),
            made_from: Fingerprint { serial: 41, state: "sha256:1".to_owned(), ..Fingerprint::default() },
            changes: actions.map(change).to_vec(),
            unchanged: 5,
            refusals: Vec::new(),
            expected_seconds: 60,
        };
        let basis = Basis {
            account: Some("123456789012".to_owned()),
            specs: BTreeMap::from([("specs/types/rds.toml".to_owned(), "1".to_owned())]),
            settings: value(serde_json::json!({"name": "social"})),
            lookups: BTreeMap::new(),
            observed: BTreeMap::from([(address(), Some(value(serde_json::json!({"port": 5432, "max": 4.0}))))]),
        };
        Saved { program: "0.1.0".to_owned(), cloud: "sandbox".to_owned(), basis, plan }
    }

    #[test]
    fn a_saved_plan_reads_back_to_the_letter() {
        let saved = saved();
        let text = saved.text();
        let read = Saved::parse("plan.json", text.as_bytes()).expect("a plan");
        assert_eq!(read, saved);
        assert_eq!(read.text(), text);
        assert!(Saved::parse("plan.json", text.replace('\n', "\r\n").as_bytes()).is_ok(), "line ends do no harm");
    }

    #[test]
    fn whatever_was_edited_is_refused() {
        let text = saved().text();
        let edits = [
            text.replacen("5432", "5433", 1),
            text.replacen("\"rds.cluster.database\"", "\"rds.cluster.other\"", 1),
            text.replacen("  \"format\": 1,", "  \"format\": 1, ", 1),
            text.replacen("\"serial\": 41", "\"serial\": 42", 1),
            format!("{text}\n"),
        ];
        for edited in edits {
            assert_ne!(edited, text);
            let error = Saved::parse("plan.json", edited.as_bytes()).expect_err("edited");
            assert!(matches!(error, SavedError::Edited { .. }), "{error}");
        }
        for cut in 0..text.len() - 1 {
            assert!(Saved::parse("plan.json", &text.as_bytes()[..cut]).is_err(), "cut at {cut}");
        }
        let newer = text.replacen("\"format\": 1,", "\"format\": 2,", 1);
        let error = Saved::parse("plan.json", newer.as_bytes()).expect_err("newer");
        assert!(error.to_string().contains("format 2"), "{error}");
        let extra = text.replacen("\"unchanged\": 5,", "\"unchanged\": 5,\n    \"surplus\": 1,", 1);
        let error = Saved::parse("plan.json", extra.as_bytes()).expect_err("a field nobody knows");
        assert!(error.to_string().contains("surplus"), "{error}");
        let other = Saved::parse("state.json", b"{\"format\": 1}").expect_err("not a plan");
        assert!(matches!(other, SavedError::NotPlan { .. }), "{other}");
    }

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
        let mut successor = state.clone();
        successor.parent = Some("sha256:1".to_owned());
        assert_eq!(
            words(&then, &now, &successor),
            ["a plan made from the same state was applied; that made it state 42"]
        );

        let mut now = then.clone();
        now.basis.observed.insert(address(), Some(value(serde_json::json!({"port": 5433, "max": 4}))));
        assert_eq!(words(&then, &now, &state), Vec::<String>::new(), "nothing in the plan depends on it");
        now.plan.changes[5].attributes[0].before = None;
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
    fn lines_and_durations_do_not_make_a_plan_stale() {
        let then = saved();
        let mut now = then.clone();
        now.plan.expected_seconds = 1;
        now.plan.changes[0].expected_seconds = 1;
        now.plan.changes[0].causes[1] = Cause::Written { location: "x/mastodon.toml:3".to_owned() };
        assert_eq!(words(&then, &now, &State::new("l", "social", "eu-central-1")), Vec::<String>::new());
    }
}
