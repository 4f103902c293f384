//! Saved plans: a plan in a file, with what it was made from. Whether it still holds is the question of [`super::stale`].
//!
//! # Guarantees
//!
//! - Canonical: the same plan is the same bytes. The digest in the header is taken over all the rest, so a file that
//!   was edited, cut off or merged is refused, and so is one of a newer format.
//! - No secret is in the file: the types of a plan cannot hold one, and observed values of sensitive attributes are
//!   left out of what is kept beside it.
//!
//! # Assumptions
//!
//! - What a plan could not know is completed while applying, from the same `mastodon.toml`: its fingerprint is compared
//!   before anything is done.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::change::Plan;
use super::resolve::Graph;
use crate::address::Address;
use crate::config::Config;
use crate::provider::{Observation, Observations};
use crate::spec::Specs;
use crate::spec::types::{Attribute, Condition, Shape};
use crate::state::{State, sha256};
use crate::value::{Tree, Value};

/// The version of the format this program writes, and the only one it reads.
pub const FORMAT: u64 = 1;

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
        desired: Option<(&Config, &Graph)>,
        state: &State,
        lookups: &BTreeMap<Address, Value>,
        observations: Option<&Observations>,
    ) -> Self {
        let mut observed = BTreeMap::new();
        for (address, observation) in observations.into_iter().flatten() {
            let seen = match observation {
                Observation::Found(found) => Some(relevant(address, &found.attributes, specs, desired, state)),
                Observation::Gone => None,
                Observation::Foreign(_) | Observation::Failed(_) => continue,
            };
            observed.insert(address.clone(), seen);
        }
        Self {
            account: state.account.clone(),
            specs: specs.digests().map(|(name, sha256)| (name.to_owned(), sha256)).collect(),
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
    desired: Option<(&Config, &Graph)>,
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
        if let (Some(attribute), Some(value)) = (resource_type.attributes.get(name), attributes.get(name))
            && let Some(value) = without_secrets(value, attribute).filter(|value| !value.is_null())
        {
            kept.insert(name.clone(), value);
        }
    }
    if let Some(ready) = &resource_type.ready
        && let Some(status) = ready.status(attributes)
        // What ends by itself may have ended by the time of the apply, and a person may have acted.
        && !matches!(ready.condition(status), Condition::Good | Condition::Passing | Condition::Waits(_))
    {
        kept.insert(ready.attribute.clone(), status.into());
    }
    Tree::Map(kept)
}

/// A value without whatever in it is a secret, or could be one: what a cloud does not tell back it does not tell.
fn without_secrets(value: &Value, attribute: &Attribute) -> Option<Value> {
    if attribute.sensitive || attribute.write_only {
        return None;
    }
    Some(match (&attribute.shape, value) {
        (Shape::Object(_) | Shape::Map(_), Tree::Map(entries)) => {
            let kept = entries
                .iter()
                .filter_map(|(key, entry)| Some((key.clone(), without_secrets(entry, attribute.child(key)?)?)));
            Tree::Map(kept.collect())
        }
        (Shape::List(element), Tree::List(items)) => {
            Tree::List(items.iter().filter_map(|item| without_secrets(item, element)).collect())
        }
        (_, value) => value.clone(),
    })
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
    /// A stable word for the kind of problem.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotPlan { .. } => "plan-malformed",
            Self::Newer { .. } => "plan-newer",
            Self::Edited { .. } => "plan-edited",
        }
    }

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

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cost::{Amounts, Gap, Money};
    use crate::plan::change::{Action, AttributeChange, Cause, Change, Fingerprint, Purpose, Reasons};
    use crate::plan::cost::{Cost, Share};
    use crate::spec::types::{Impact, Milestone, Order};
    use crate::value::{AttributePath, Missing, Unknown};

    pub fn value(json: serde_json::Value) -> Value {
        Value::from_json(&json)
    }

    pub fn address() -> Address {
        "rds.cluster.database".parse().expect("an address")
    }

    fn cost() -> Cost {
        let amounts = |cents| Amounts::all(Money::cents(cents));
        let share = |name: &str| Share { name: name.to_owned(), before: amounts(100), after: amounts(250) };
        let why = "there is no price of it".to_owned();
        Cost {
            collected: "2026-10".to_owned(),
            before: amounts(100),
            after: amounts(250),
            groups: vec![share("Database")],
            resources: vec![share("rds.cluster.database")],
            gaps: vec![Gap { address: Some(address()), label: "storage".to_owned(), why }],
        }
    }

    /// A plan with one of everything.
    pub fn saved() -> Saved {
        let unknown = Unknown {
            template: "${secretsmanager.secret.database.values.password}".to_owned(),
            references: vec![Missing { address: address(), attribute: AttributePath::parse("values.password") }],
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
                cause: Cause::Cascade { address: Box::new(address()) },
                also_drifted: true,
                forces_replacement: false,
                sensitive: true,
                impact: Impact::Brief,
                security: true,
            }],
            unchanged_attributes: 3,
            impact: Impact::Outage,
            expected_seconds: 60,
            protect: true,
            was_protected: false,
            identity: Some(crate::address::Identity::new("social")),
            leftovers: vec![crate::address::Identity::new("old")],
            marks: false,
            desired: Some(Arc::new(Tree::Map(BTreeMap::from([("port".to_owned(), Tree::Integer(5432))])))),
            depends_on: BTreeMap::from([(address(), Milestone::Created)]),
            deletion: value(serde_json::json!({"skip_final_snapshot": false})),
            security: vec!["engine".to_owned()],
        };
        let because = Reasons::new("engine".to_owned(), ["port".to_owned()]);
        let actions = [
            Action::Create,
            Action::Update { attributes: vec!["port".to_owned()] },
            Action::Replace { because, order: Order::CreateFirst },
            Action::Delete,
            Action::Adopt,
            Action::Forget,
            Action::Run,
            Action::Skip,
        ];
        let plan = Plan {
            purpose: Purpose::Apply,
            instance: "social".to_owned(),
            title: "social".to_owned(),
            region: "eu-central-1".to_owned(),
            file: "mastodon.toml".to_owned(),
            made_from: Fingerprint { serial: 41, state: "sha256:1".to_owned(), ..Fingerprint::default() },
            changes: actions.map(change).to_vec(),
            unchanged: 5,
            refusals: Vec::new(),
            expected_seconds: 60,
            critical_path: Vec::new(),
            cost: Some(cost()),
            raised: Vec::new(),
            notes: Vec::new(),
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

    /// Plans of before know none of these fields, and one without them looks as it did.
    #[test]
    fn a_plan_without_deletions_marks_and_costs_is_as_it_always_was() {
        let mut saved = saved();
        saved.plan.cost = None;
        for change in &mut saved.plan.changes {
            change.deletion = Value::Null;
            change.security.clear();
            change.attributes.iter_mut().for_each(|attribute| attribute.security = false);
        }
        let text = saved.text();
        assert!(!["deletion", "security", "cost"].iter().any(|field| text.contains(&format!("\"{field}\""))), "{text}");
        assert_eq!(Saved::parse("plan.json", text.as_bytes()).expect("a plan"), saved);
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
}
