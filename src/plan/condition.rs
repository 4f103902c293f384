//! What the cloud reports of a resource, and what follows from it for a plan.
//!
//! A plan and [`super::drift`] both ask here, so they never contradict each other: what a plan has no step for and no
//! refusal against is in order, or is passing through something that ends by itself.

use super::change::Refusal;
use crate::address::Address;
use crate::spec::types::{Condition, Remedy, ResourceType};
use crate::state::{Row, Status};
use crate::value::Value;

/// What a plan does about the condition of a resource.
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
    /// A person has to do this before the cloud takes any change.
    Blocked(String),
}

/// What follows from the status that a resource shows.
pub fn verdict(resource_type: &ResourceType, row: &Row, observed: Option<&Value>) -> Verdict {
    let Some(observed) = observed else { return Verdict::Fine };
    let Some(condition) = resource_type.condition(observed) else { return Verdict::Fine };
    let told = |advice: &str| resource_type.advice(advice, &row.recorded(), &row.region);
    match condition {
        Condition::Good | Condition::Passing => Verdict::Fine,
        Condition::Stopped(advice) => Verdict::Blocked(told(advice)),
        // An earlier run deletes it, and the next one goes on with that.
        Condition::Going if matches!(row.status, Status::Deleting | Status::Replacing) => Verdict::Fine,
        Condition::Going => Verdict::Blocked("wait until it is gone; then the next apply makes another one".to_owned()),
        Condition::Failed(Remedy::Again) => Verdict::Again,
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

/// How the cloud reports it, in words: `AWS reports it as stopped`.
pub fn report(resource_type: &ResourceType, observed: Option<&Value>) -> String {
    let report = resource_type.ready.as_ref().zip(observed).and_then(|(ready, observed)| ready.report(observed));
    format!("AWS reports it as {}", report.unwrap_or_default())
}

/// Why nothing can be planned before a person has acted. `is_changed`: the plan changes the resource anyway, which may
/// help.
pub fn refusal(
    address: &Address,
    resource_type: &ResourceType,
    row: &Row,
    observed: Option<&Value>,
    is_changed: bool,
) -> Option<Refusal> {
    let hint = match verdict(resource_type, row, observed) {
        Verdict::Blocked(advice) => advice,
        Verdict::Tell(advice) if !is_changed => advice,
        _ => return None,
    };
    let report = resource_type.ready.as_ref().zip(observed).and_then(|(ready, observed)| ready.report(observed))?;
    let reason = format!("AWS reports {address} as {report}");
    Some(Refusal { address: address.clone(), reason, hint, otherwise: None })
}

/// Why something cannot be deleted before a person has acted.
pub fn held(address: &Address, resource_type: &ResourceType, row: &Row, observed: Option<&Value>) -> Option<Refusal> {
    let is_stopped =
        observed.is_some_and(|observed| matches!(resource_type.condition(observed), Some(Condition::Stopped(_))));
    refusal(address, resource_type, row, observed, true).filter(|_| is_stopped)
}
