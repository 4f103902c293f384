//! What is done, not kept: jobs that run to an end.
//!
//! A type with `once` has no objects that live on. One runs when the state does not know it, when one of its immutable
//! attributes changes (its triggers), and again after it failed. What has been done is remembered in the state and never
//! looked at in the cloud again: that it is gone there is no drift.
//!
//! # Guarantees
//!
//! - Two of one address never run at once: what may be running is waited for, and another one is refused for as long.
//! - What was started and whose end nobody knows any more runs again. So every job is safe to repeat.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cause::attribute_change;
use super::change::{Action, Cause, Change, Refusal};
use super::diff::{self, Difference, Sides};
use super::gates::Rights;
use super::resolve::{Desired, World};
use super::walk::{Computed, Settled, Situation, Walked, begun, created};
use crate::provider::Observation;
use crate::spec::blueprint::ResourceName;
use crate::spec::types::{Condition, ResourceType};
use crate::state::{Row, Status};
use crate::value::Planned;

/// Whether there is nothing in the cloud any more of something that was done, or has failed. Of what is asked of people
/// there never was.
pub(super) fn is_over(resource_type: &ResourceType, row: &Row, observation: Option<&Observation>) -> bool {
    if resource_type.is_asked_for() {
        return true;
    }
    if !resource_type.once {
        return false;
    }
    match (row.status, observation) {
        (Status::Ready, _) => true,
        (_, Some(Observation::Found(observed))) => {
            resource_type.condition(&observed.attributes).is_some_and(Condition::is_final)
        }
        (_, Some(Observation::Gone | Observation::Foreign(_))) => true,
        (_, Some(Observation::Failed(_)) | None) => false,
    }
}

/// What becomes of something that is done, not kept.
pub(super) fn settle<'a>(
    world: &World<'_>,
    desired: &'a Desired,
    attributes: &Arc<Planned>,
    situation: &Situation<'a>,
    walked: &Walked<'a>,
) -> (Settled<'a>, Option<Change>) {
    let (address, resource_type) = (&desired.address, &*desired.resource_type);
    let settings = &situation.state.settings;
    let row = situation.state.rows.get(address);
    let anew = |has_run| Settled { has_run, ..Settled::new(resource_type, attributes) };
    let Some(row) = row.filter(|row| row.identity.is_some()) else {
        let mut change = created(begun(desired, attributes, row), attributes, resource_type, Cause::New);
        if counts_as_done(world, desired, situation, walked) {
            change.action = Action::Skip;
            change.expected_seconds = 0;
            change.attributes.clear();
            return (anew(false), Some(change));
        }
        change.action = Action::Run;
        if !situation.state.rows.is_empty() {
            change.causes.extend(walked.existence_cause(world, address, settings));
        }
        return (anew(true), Some(change));
    };
    let known = |has_run| Settled {
        facts: Computed::Recorded(row),
        is_new: false,
        is_changed: false,
        ..anew(has_run && !row.is_skipped())
    };
    let observation = situation.observations.and_then(|all| all.get(address));
    if matches!(observation, Some(Observation::Foreign(_))) {
        return (known(false), None);
    }
    let sides = Sides { desired: attributes, recorded: &row.inputs, observed: None, is_settled: false };
    let mut triggers = diff::diff(resource_type, &sides, &desired.resource.ignore, &|value| walked.is_changing(value));
    let is_as_recorded = triggers.is_empty();
    // Other changes take effect with the run. Those that widen rights are shown.
    let beside: Vec<Difference> = triggers.extract_if(.., |difference| !difference.immutable).collect();
    let rights = Rights::of(world.specs, desired);
    let beside = beside.into_iter().filter(|difference| rights.widens(difference));
    let mut change = begun(desired, attributes, Some(row));
    let total = attributes.as_map().map_or(0, BTreeMap::len);
    change.unchanged_attributes = total.saturating_sub(triggers.len());
    let add = |change: &mut Change, difference| {
        let mut attribute = attribute_change(world, desired, difference, walked, settings);
        attribute.forces_replacement = false;
        if !change.causes.contains(&attribute.cause) {
            change.causes.push(attribute.cause.clone());
        }
        change.attributes.push(attribute);
    };
    triggers.into_iter().for_each(|difference| add(&mut change, difference));
    change.causes.sort();
    if row.status == Status::Ready {
        if change.attributes.is_empty() {
            return (known(is_as_recorded), None);
        }
        change.action = Action::Run;
        beside.for_each(|difference| add(&mut change, difference));
        return (anew(true), Some(change));
    }
    change.causes.push(Cause::Interrupted);
    let condition = match observation {
        Some(Observation::Found(observed)) => resource_type.condition(&observed.attributes),
        _ => None,
    };
    let is_gone = matches!(observation, Some(Observation::Gone));
    // Offline, the state alone tells.
    let has_failed = match condition {
        Some(condition) => matches!(condition, Condition::Failed(_)),
        None => row.status == Status::Failed,
    };
    // It ended well, and not with what triggers it now.
    let is_outdated = condition == Some(Condition::Good) && !change.attributes.is_empty();
    if is_gone || has_failed || is_outdated {
        change.action = Action::Run;
        beside.for_each(|difference| add(&mut change, difference));
        return (anew(true), Some(change));
    }
    change.action = Action::Adopt;
    (Settled { is_changed: true, ..known(is_as_recorded) }, Some(change))
}

/// Why something cannot run yet: the same with other triggers may still be at work.
pub(super) fn refusal(change: &Change, resource_type: &ResourceType) -> Option<Refusal> {
    if !resource_type.once || change.action != Action::Adopt {
        return None;
    }
    let other = change.attributes.first()?;
    Some(Refusal {
        address: change.address.clone(),
        reason: format!(
            "{} is still running since an apply that was interrupted, with another {}",
            change.address,
            other.path.join(".")
        ),
        hint: "wait until it has ended, then plan again".to_owned(),
        otherwise: None,
    })
}

/// Whether something that the state does not know counts as done.
fn counts_as_done(world: &World<'_>, desired: &Desired, situation: &Situation<'_>, walked: &Walked<'_>) -> bool {
    let Some(first) = &desired.resource.first else { return false };
    first.skip
        || first.skip_with.iter().any(|(name, _)| has_run(name, walked))
        || first.skip_if_kept.iter().any(|(name, _)| is_kept(name, walked))
        || first.skip_beside.iter().any(|(name, _)| is_in_order(name, world, situation))
}

/// Whether one of this name exists, and is not made anew by this plan.
fn is_kept(name: &ResourceName, walked: &Walked<'_>) -> bool {
    named(name, walked).any(|settled| !settled.is_new)
}

fn named<'a>(name: &'a ResourceName, walked: &'a Walked<'_>) -> impl Iterator<Item = &'a Settled<'a>> {
    let all = walked.settled.iter();
    all.filter(move |(address, _)| address.is_named(name)).map(|(_, settled)| settled)
}

/// Whether one of this name is run by this plan, or was run just as it would be now.
fn has_run(name: &ResourceName, walked: &Walked<'_>) -> bool {
    named(name, walked).any(|settled| settled.has_run)
}

/// Whether the state has a resource of this name, and neither it nor the cloud says that it has failed.
fn is_in_order(name: &ResourceName, world: &World<'_>, situation: &Situation<'_>) -> bool {
    let Some(resource_type) = world.specs.types.get(&name.0) else { return false };
    let rows = situation.state.rows.iter();
    let mut named = rows.filter(|(address, _)| address.is_named(name));
    named.any(|(address, row)| {
        let is_well = match situation.observations.and_then(|all| all.get(address)) {
            Some(Observation::Found(observed)) => {
                !matches!(resource_type.condition(&observed.attributes), Some(Condition::Failed(_)))
            }
            Some(Observation::Gone | Observation::Foreign(_) | Observation::Failed(_)) => false,
            None => row.status == Status::Ready,
        };
        row.identity.is_some() && is_well
    })
}
