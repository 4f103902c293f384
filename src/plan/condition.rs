//! The condition of a resource as the cloud reports it, and its consequence for a plan.
//!
//! A plan and [`super::drift`] both ask here, so they never contradict each other: what a plan has no step for and no
//! refusal against is in order, or is passing through something that ends by itself.

use super::change::Refusal;
use crate::address::Address;
use crate::spec::types::{Condition, Remedy, ResourceType};
use crate::state::{Row, Status};
use crate::value::Value;

/// The answer of a plan to the condition of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is in order, or on its way.
    Fine,
    /// It asks for the same once more.
    Again,
    /// It makes another one in its place.
    Anew,
    /// A person has to do this. A change that the file wants may be just that.
    Tell(String),
    /// It goes on by itself as soon as a person has done this.
    Waits(String),
    /// A person has to do this before the cloud takes any change.
    Blocked(String),
    /// It is being deleted, and no recorded run began that. Only a plan that wants it gone can go on.
    Leaving,
}

/// The verdict on the status that a resource shows.
pub fn verdict(resource_type: &ResourceType, row: &Row, observed: Option<&Value>) -> Verdict {
    let Some(observed) = observed else { return Verdict::Fine };
    let Some(condition) = resource_type.condition(observed) else { return Verdict::Fine };
    let told = |advice: &str| resource_type.advice(advice, &row.shown(observed), &row.region);
    match condition {
        Condition::Good | Condition::Passing => Verdict::Fine,
        Condition::Waits(advice) => Verdict::Waits(told(advice)),
        Condition::Stopped(advice) => Verdict::Blocked(told(advice)),
        // An earlier run deletes it, and the next one goes on with that.
        Condition::Going if matches!(row.status, Status::Deleting | Status::Replacing) => Verdict::Fine,
        Condition::Going => Verdict::Leaving,
        Condition::Failed(Remedy::Again | Remedy::AtOnce) => Verdict::Again,
        Condition::Failed(Remedy::Tell(advice)) => Verdict::Tell(told(advice)),
        Condition::Failed(Remedy::Anew) => match row.status {
            Status::Creating | Status::Failed => Verdict::Anew,
            // A failed change of something that lives is no reason to take it away.
            Status::Updating | Status::Replacing | Status::Deleting => Verdict::Again,
            Status::Ready if resource_type.loses_data() => Verdict::Tell(
                "only another one in its place would help, and what is stored in it would be lost: look at its events in AWS"
                    .to_owned(),
            ),
            Status::Ready => Verdict::Anew,
        },
    }
}

/// The report of the cloud in words: `AWS reports it as stopped`.
pub fn report(resource_type: &ResourceType, observed: Option<&Value>) -> String {
    let report = resource_type.ready.as_ref().zip(observed).and_then(|(ready, observed)| ready.report(observed));
    format!("AWS reports it as {}", report.unwrap_or_default())
}

/// The advice to a person that a verdict takes, if any.
pub fn advice(verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Fine | Verdict::Again | Verdict::Anew => None,
        Verdict::Tell(advice) | Verdict::Waits(advice) | Verdict::Blocked(advice) => Some(advice),
        Verdict::Leaving => Some("wait until it is gone; then the next apply makes another one".to_owned()),
    }
}

/// The way a plan treats a resource, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It stays as it is.
    Keep,
    /// It is changed in place, which may be what helps.
    Change,
    /// It goes, with or without another one in its place.
    Remove,
}

/// Why nothing can be planned before a person has acted.
pub fn refusal(
    address: &Address,
    resource_type: &ResourceType,
    row: &Row,
    observed: Option<&Value>,
    intent: Intent,
) -> Option<Refusal> {
    let verdict = verdict(resource_type, row, observed);
    let is_in_the_way = match &verdict {
        Verdict::Fine | Verdict::Again | Verdict::Anew | Verdict::Waits(_) => false,
        Verdict::Tell(_) => intent == Intent::Keep,
        Verdict::Leaving => intent != Intent::Remove,
        Verdict::Blocked(_) => true,
    };
    let hint = advice(verdict).filter(|_| is_in_the_way)?;
    let report = resource_type.ready.as_ref().zip(observed).and_then(|(ready, observed)| ready.report(observed))?;
    let reason = format!("AWS reports {address} as {report}");
    Some(Refusal { address: address.clone(), reason, hint, otherwise: None })
}
