//! Drift: what is not as it was recorded, and whose doing that is.
//!
//! A plan says what an apply would do; this sorts the same differences by who made them. What somebody changed in AWS is
//! drift. What AWS changes by itself is not: versions it raises in maintenance windows (`changed_by_aws` in the types),
//! facts it sets, a change of its own that is going on. What AWS reports as failed, stopped or being deleted stands apart:
//! nobody may have changed it, and yet it is not as it was applied. No drift either is what AWS has announced: maintenance, and changes that wait
//! for its window. And what was edited in the file is waiting, not drifting.
//!
//! Read off a plan, the state and the observations it was made from; nothing is asked, and nothing can be changed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::change::{Action, Cause, Change, Plan, Raised};
use super::condition::{self, Verdict};
use super::walk::merged;
use crate::address::{Address, Identity};
use crate::provider::{Announcement, Observation, Observations};
use crate::spec::Types;
use crate::spec::types::{Condition, ResourceType};
use crate::state::{Row, State, Status};
use crate::value::{Tree, Value};

/// Everything that is not as recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Drift {
    /// What somebody changed outside of this program.
    pub somebody: Vec<Finding>,
    /// What AWS changed by itself.
    pub aws: Vec<Finding>,
    /// What AWS reports as failed, stopped or being deleted.
    pub failing: Vec<Finding>,
    /// What will happen by itself, and when.
    pub announced: Vec<Announcement>,
    /// What the file says otherwise and was not applied yet.
    pub yours: Vec<Edit>,
    /// Resources with this instance's tags that no state has.
    pub left_over: Vec<LeftOver>,
}

/// Something in the cloud that carries the tags of an instance, and stands in no row of its state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LeftOver {
    /// The cloud's full name of it: an ARN.
    pub name: String,
    /// The address it was made for, as its tag says.
    pub address: Option<String>,
    /// What it costs a month, in dollars; `None` where nobody knows. A price that depends on what is in it is that of the
    /// resource which has the address now.
    pub usd_a_month: Option<f64>,
}

impl Drift {
    /// Whether somebody changed anything, something is not in order, or something exists that nobody knows of.
    pub fn is_present(&self) -> bool {
        !self.somebody.is_empty() || !self.failing.is_empty() || !self.left_over.is_empty()
    }
}

/// A difference between what was recorded and what is there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub address: Address,
    #[serde(flatten)]
    pub what: What,
}

/// What is different.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum What {
    /// An attribute has another value. `recorded` is what it was at the last apply, null where it was not set.
    Attribute { path: Vec<String>, recorded: Value, observed: Value },
    /// It does not exist any more.
    Gone,
    /// The object that the state names is not this instance's. Nothing of it is shown but its identity.
    Foreign { identity: Identity },
    /// A change that nobody here began is going on.
    Busy { status: String },
    /// It is not in order: its status with the reason, and what a person has to do, if it takes one.
    Reported {
        status: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        advice: Option<String>,
    },
}

/// Something the file wants otherwise than it was applied.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edit {
    pub address: Address,
    /// What an apply would do with the resource: `create`, `update`, `replace`, `delete`, `run`.
    pub action: &'static str,
    /// The attribute; `None` where the whole resource comes or goes.
    pub path: Option<Vec<String>>,
    /// Where that is written: `file:line`.
    pub location: Option<String>,
}

/// Sorts the differences of a plan, and puts what is announced beside them. A value that is still the old one because the
/// change that was recorded waits for its moment is nobody's drift.
pub fn drift(
    plan: &Plan,
    state: &State,
    observations: &Observations,
    announcements: &[Announcement],
    types: &Types,
) -> Drift {
    // What is announced for others is not for here.
    let is_foreign =
        |announcement: &&Announcement| matches!(observations.get(&announcement.address), Some(Observation::Foreign(_)));
    let announced = announcements.iter().filter(|announcement| !is_foreign(announcement)).cloned().collect();
    let mut drift = Drift { announced, ..Drift::default() };
    for change in &plan.changes {
        sort(change, state, types, &mut drift);
    }
    for Raised { address, path, wanted, is } in &plan.raised {
        let what = What::Attribute { path: path.clone(), recorded: wanted.clone(), observed: is.clone() };
        drift.aws.push(Finding { address: address.clone(), what });
    }
    for (address, row) in &state.rows {
        if let (Some(Observation::Foreign(_)), Some(identity)) = (observations.get(address), row.identity.clone()) {
            drift.somebody.push(Finding { address: address.clone(), what: What::Foreign { identity } });
        }
        let Some(Observation::Found(observed)) = observations.get(address) else { continue };
        let Some(resource_type) = types.get(&address.type_name) else { continue };
        if row.status == Status::Ready
            && let Some(status) = busy(resource_type, &observed.attributes)
        {
            drift.aws.push(Finding { address: address.clone(), what: What::Busy { status } });
        }
        let finding = |what: What| Finding { address: address.clone(), what };
        drift.failing.extend(reported(resource_type, row, &observed.attributes).map(finding));
        let facts = merged(&row.facts, &observed.attributes, resource_type);
        for (name, recorded) in row.facts.as_map().into_iter().flatten() {
            let is_fact = resource_type
                .attributes
                .get(name)
                .is_some_and(|attribute| attribute.computed && !attribute.volatile && !attribute.sensitive);
            let observed = facts.get(name).cloned().unwrap_or_default();
            if is_fact && observed != *recorded {
                let what = What::Attribute { path: vec![name.clone()], recorded: recorded.clone(), observed };
                drift.aws.push(Finding { address: address.clone(), what });
            }
        }
    }
    drift.somebody.retain(|finding| !awaits(finding, announcements));
    drift.somebody.sort_by(|left, right| left.address.cmp(&right.address));
    drift.failing.sort_by(|left, right| left.address.cmp(&right.address));
    drift.aws.sort_by(|left, right| left.address.cmp(&right.address));
    drift.announced.sort_by(|left, right| left.address.cmp(&right.address));
    drift.yours.sort_by(|left, right| left.address.cmp(&right.address));
    drift
}

/// Whether an attribute will by itself become what was recorded.
fn awaits(finding: &Finding, announcements: &[Announcement]) -> bool {
    let What::Attribute { path, recorded, .. } = &finding.what else { return false };
    let [name] = &path[..] else { return false };
    announcements.iter().any(|announcement| {
        announcement.address == finding.address && announcement.attributes.get(name) == Some(recorded)
    })
}

/// The status of something that was ready and is passing through something that ends by itself.
fn busy(resource_type: &ResourceType, observed: &Value) -> Option<String> {
    let status = resource_type.ready.as_ref()?.status(observed)?;
    (resource_type.condition(observed) == Some(Condition::Passing)).then(|| status.to_owned())
}

/// What the cloud reports of something that is not in order.
fn reported(resource_type: &ResourceType, row: &Row, observed: &Value) -> Option<What> {
    let verdict = condition::verdict(resource_type, row, Some(observed));
    if verdict == Verdict::Fine {
        return None;
    }
    let status = resource_type.ready.as_ref()?.report(observed)?;
    Some(What::Reported { status, advice: condition::advice(verdict) })
}

fn sort(change: &Change, state: &State, types: &Types, drift: &mut Drift) {
    let address = &change.address;
    let row = state.rows.get(address);
    let is_missing = matches!(change.action, Action::Create | Action::Forget) && change.causes.contains(&Cause::Drift);
    if is_missing && row.is_some() {
        drift.somebody.push(Finding { address: address.clone(), what: What::Gone });
        return;
    }
    let action = match &change.action {
        Action::Create => "create",
        Action::Update { .. } => "update",
        Action::Replace { .. } => "replace",
        Action::Delete => "delete",
        Action::Run => "run",
        // Nobody's edit: a run was interrupted, or the state alone changes.
        Action::Adopt | Action::Forget | Action::Skip => return,
    };
    let whole = |location: Option<String>| Edit { address: address.clone(), action, path: None, location };
    if matches!(change.action, Action::Create | Action::Delete | Action::Run) {
        if !change.causes.contains(&Cause::Interrupted) {
            drift.yours.push(whole(None));
        }
        return;
    }
    for attribute in &change.attributes {
        let observed = attribute.before.clone().unwrap_or_default();
        if attribute.cause == Cause::Drift || attribute.also_drifted {
            let recorded = match (&attribute.cause, row) {
                (Cause::Drift, _) => attribute.after.as_ref().and_then(Tree::plain).unwrap_or_default(),
                (_, Some(row)) => row.inputs.at(&attribute.path).cloned().unwrap_or_default(),
                (_, None) => Value::Null,
            };
            let what = What::Attribute { path: attribute.path.clone(), recorded, observed };
            let finding = Finding { address: address.clone(), what };
            let described = types.get(&address.type_name).and_then(|found| found.attribute(&attribute.path));
            let is_raised = match (&finding.what, described) {
                (What::Attribute { recorded, observed, .. }, Some(described)) => {
                    described.is_raised(recorded, observed)
                }
                _ => false,
            };
            if is_raised { drift.aws.push(finding) } else { drift.somebody.push(finding) }
        }
        if let Cause::Written { location } = &attribute.cause {
            let path = Some(attribute.path.clone());
            drift.yours.push(Edit { path, ..whole(Some(location.clone())) });
        }
    }
    if change.attributes.is_empty() && change.protect != change.was_protected {
        drift.yours.push(whole(None));
    }
}

/// The findings of each resource together, in the order of addresses.
pub fn by_address(findings: &[Finding]) -> BTreeMap<&Address, Vec<&What>> {
    let mut all: BTreeMap<&Address, Vec<&What>> = BTreeMap::new();
    for finding in findings {
        all.entry(&finding.address).or_default().push(&finding.what);
    }
    all
}
