//! A plan as data: what would change, why, and what it would mean.
//!
//! A plan can be written to a file and read back ([`super::saved`]). Reading is strict: a field nobody knows is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::cost::Cost;
use super::diff::Difference;
use crate::address::{Address, Identity};
use crate::alphabet;
use crate::spec::types::{Impact, Milestone, Order, Types};
use crate::value::{Planned, Value};

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    Apply,
    Destroy,
}

/// The file of an instance, unless another one is named. Plans of before speak of no other.
const USUAL_FILE: &str = "mastodon.toml";

/// The name of that file.
pub fn usual_file() -> String {
    USUAL_FILE.to_owned()
}

fn is_usual(file: &str) -> bool {
    file == USUAL_FILE
}

/// Everything one apply would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub purpose: Purpose,
    #[serde(deserialize_with = "alphabet::instance")]
    pub instance: String,
    pub title: String,
    #[serde(deserialize_with = "alphabet::region")]
    pub region: String,
    /// The file that it speaks of, as the user named it.
    #[serde(default = "usual_file", skip_serializing_if = "is_usual")]
    pub file: String,
    /// What the plan was made from.
    pub made_from: Fingerprint,
    /// In an order in which everything comes after what it needs.
    pub changes: Vec<Change>,
    #[serde(deserialize_with = "alphabet::count")]
    pub unchanged: usize,
    /// Why this plan may not be applied; empty if it may.
    pub refusals: Vec<Refusal>,
    /// Seconds along the longest chain of steps.
    #[serde(deserialize_with = "alphabet::seconds")]
    pub expected_seconds: u64,
    /// The resources of that chain, in its order.
    pub critical_path: Vec<Address>,
    /// What it does to the bill. Plans of before do not say it, nor does one that changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What AWS has raised by itself beyond the file, and what stays so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raised: Vec<Raised>,
    /// What the blueprint says of it besides, a sentence each. Plans of before have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A version that AWS has raised by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raised {
    pub address: Address,
    pub path: Vec<String>,
    pub wanted: Value,
    pub is: Value,
}

impl Raised {
    pub(super) fn of(address: &Address, difference: &Difference) -> Option<Self> {
        let (wanted, is) = (difference.after.as_ref()?.plain()?, difference.before.clone()?);
        Some(Self { address: address.clone(), path: difference.path.clone(), wanted, is })
    }
}

impl Plan {
    /// Whether there is nothing to do, and nothing in the way.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.refusals.is_empty()
    }

    /// How many changes there are of each kind, and how many objects go.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for change in &self.changes {
            match change.action {
                Action::Create => counts.create += 1,
                Action::Update { .. } => counts.update += 1,
                Action::Adopt => counts.adopt += 1,
                Action::Replace { .. } => counts.replace += 1,
                Action::Run => counts.run += 1,
                Action::Skip => counts.skip += 1,
                Action::Delete => {}
                Action::Forget => counts.forget += 1,
            }
            for deletion in change.deletions() {
                counts.delete += 1;
                match deletion.why {
                    Why::Unwanted => {}
                    Why::Replaced => counts.replaced += 1,
                    Why::LeftOver => counts.left_over += 1,
                }
            }
        }
        counts
    }

    /// Every object that is deleted.
    pub fn deletions(&self) -> impl Iterator<Item = Deletion<'_>> {
        self.changes.iter().flat_map(Change::deletions)
    }

    /// The deletions that lose what people have stored.
    pub fn losses(&self, types: &Types) -> impl Iterator<Item = Deletion<'_>> {
        self.deletions()
            .filter(|deletion| types.get(&deletion.address.type_name).is_some_and(|found| found.loses_data()))
    }

    /// What of it widens rights, or may.
    pub fn security(&self) -> Widening<'_> {
        let is_first = self.purpose == Purpose::Apply && self.unchanged == 0 && !self.is_empty();
        if is_first && self.changes.iter().all(Change::is_first) {
            return Widening::Everything;
        }
        let marked: Vec<&Change> = self.changes.iter().filter(|change| !change.security.is_empty()).collect();
        if marked.is_empty() { Widening::Nothing } else { Widening::Changes(marked) }
    }

    /// The worst impact of all changes.
    pub fn impact(&self) -> Impact {
        self.changes.iter().map(|change| change.impact).max().unwrap_or_default()
    }
}

/// Numbers of changes by kind, and of the objects that are deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub create: usize,
    pub update: usize,
    pub adopt: usize,
    pub replace: usize,
    /// Every object that goes: those not wanted any more, those replaced, and those left over.
    pub delete: usize,
    pub forget: usize,
    /// What is done, and not kept.
    pub run: usize,
    /// What counts as done from now on.
    pub skip: usize,
    /// How many of the deleted objects are replaced by others.
    pub replaced: usize,
    /// How many of them an interrupted replacement had left behind.
    pub left_over: usize,
}

/// An object of the cloud that a plan deletes. Counts, gates, steps and lists are all made of these.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deletion<'a> {
    pub address: &'a Address,
    pub region: &'a str,
    pub identity: &'a Identity,
    pub why: Why,
    /// The attributes that decide how it is done.
    pub decided: &'a Value,
}

/// Why an object is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its address is not wanted any more.
    Unwanted,
    /// Another one takes its place.
    Replaced,
    /// An interrupted replacement left it behind.
    LeftOver,
}

/// What of a plan widens rights, or may.
#[derive(Clone, Debug, PartialEq)]
pub enum Widening<'a> {
    Nothing,
    /// It is the first apply: all rights are new.
    Everything,
    Changes(Vec<&'a Change>),
}

/// What a plan was made from: if any of it has changed, the plan is stale.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// SHA-256 of `mastodon.toml`; empty for a destroy, which does not read it.
    pub file: String,
    /// SHA-256 of all specs.
    pub specs: String,
    #[serde(deserialize_with = "alphabet::token")]
    pub lineage: String,
    #[serde(deserialize_with = "alphabet::serial")]
    pub serial: u64,
    /// Digest of the state file's content.
    pub state: String,
}

/// What happens to one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Action {
    Create,
    Update {
        /// Top-level attributes that are sent. Empty: only the state file changes.
        attributes: Vec<String>,
    },
    Replace {
        because: Reasons,
        order: Order,
    },
    Delete,
    /// It exists and an interrupted run left it half known: wait for it and record it.
    Adopt,
    /// It is gone from AWS, or was done and is not wanted any more; the state forgets it.
    Forget,
    /// It is done, and not kept: it runs to its end.
    Run,
    /// It counts as done without being run; the state remembers that.
    Skip,
}

/// Why something is replaced: at least one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Reasons(Vec<String>);

impl Reasons {
    pub fn new(first: String, others: impl IntoIterator<Item = String>) -> Self {
        let mut all = vec![first];
        all.extend(others);
        Self(all)
    }

    /// From a list, if it is not empty.
    pub fn from_list(list: Vec<String>) -> Option<Self> {
        (!list.is_empty()).then_some(Self(list))
    }

    pub fn all(&self) -> &[String] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Reasons {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(deserializer)?;
        Self::from_list(list).ok_or_else(|| serde::de::Error::custom("a replacement without a reason"))
    }
}

/// Why something changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Cause {
    /// It is new in the file or the specs.
    New,
    /// The file, or the specs, say something else than at the last apply. `location` is `file:line`.
    Written { location: String },
    /// Somebody changed it in AWS.
    Drift,
    /// Another resource's change makes it necessary. It stands apart, so that the causes of all attributes stay small.
    Cascade { address: Box<Address> },
    /// The file does not want it any more.
    Orphan,
    /// An earlier run was interrupted or failed here.
    Interrupted,
    /// The cloud reports that it failed by itself: the status, and the reason if it gives one.
    Reported { status: String },
    /// It goes on by itself as soon as a person has done this.
    Waits { advice: String },
    /// It was found in the cloud, with the tags of this instance, and no state had it.
    Found,
    /// It was made by a version that did not put the lineage on it.
    Unmarked,
    /// It is not this instance's, whatever the state says.
    Foreign,
    /// The instance is being destroyed.
    Destroy,
}

/// One changed attribute, or one leaf of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeChange {
    pub path: Vec<String>,
    pub before: Option<Value>,
    pub after: Option<Planned>,
    pub cause: Cause,
    /// Somebody changed it in AWS too since it was recorded.
    pub also_drifted: bool,
    /// The change cannot be made in place.
    pub forces_replacement: bool,
    /// Neither side may be shown.
    pub sensitive: bool,
    pub impact: Impact,
    /// It widens rights, or may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub security: bool,
}

/// One resource's part of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub address: Address,
    #[serde(deserialize_with = "alphabet::region")]
    pub region: String,
    pub action: Action,
    /// Without duplicates, most telling first. What is new or not wanted any more has its reason in the file after it,
    /// if there is one.
    pub causes: Vec<Cause>,
    pub attributes: Vec<AttributeChange>,
    #[serde(deserialize_with = "alphabet::count")]
    pub unchanged_attributes: usize,
    pub impact: Impact,
    /// Seconds AWS usually takes.
    #[serde(deserialize_with = "alphabet::seconds")]
    pub expected_seconds: u64,
    /// The guard against deletion after this change, and before it where that differs.
    pub protect: bool,
    pub was_protected: bool,
    /// What is changed, replaced or deleted.
    pub identity: Option<Identity>,
    /// Older objects that interrupted replacements left behind and that are deleted too.
    pub leftovers: Vec<Identity>,
    /// It gets the tags that say whose it is, beside whatever else changes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marks: bool,
    /// The complete attributes to be; absent for deletions.
    pub desired: Option<Arc<Planned>>,
    pub depends_on: BTreeMap<Address, Milestone>,
    /// The attributes that decide how its objects are deleted, if it deletes any. Null: what the state remembers of them.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub deletion: Value,
    /// The attributes by which it widens rights, or may, as the type names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<String>,
}

impl Change {
    /// Every object it deletes, its present one first.
    pub fn deletions(&self) -> impl Iterator<Item = Deletion<'_>> {
        let why = match self.action {
            Action::Delete => Some(Why::Unwanted),
            Action::Replace { .. } => Some(Why::Replaced),
            Action::Create | Action::Update { .. } | Action::Adopt | Action::Forget | Action::Run | Action::Skip => {
                None
            }
        };
        // What is not ours is named, and stays.
        let why = why.filter(|_| !self.causes.contains(&Cause::Foreign));
        let present = why.and_then(|why| Some((self.identity.as_ref()?, why)));
        let left_over = self.leftovers.iter().map(|identity| (identity, Why::LeftOver));
        present.into_iter().chain(left_over).map(|(identity, why)| Deletion {
            address: &self.address,
            region: &self.region,
            identity,
            why,
            decided: &self.deletion,
        })
    }

    /// Whether it makes something of which nothing was there.
    fn is_first(&self) -> bool {
        let makes = matches!(self.action, Action::Create | Action::Run | Action::Skip);
        makes && self.causes.first() == Some(&Cause::New)
    }
}

/// Why a plan may not be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    pub address: Address,
    pub reason: String,
    /// What to do about it.
    pub hint: String,
    /// What else to do, if it is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
}
