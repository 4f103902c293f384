//! Applying a plan: exactly its steps, as many at once as their dependencies allow.
//!
//! [`queue`] counts which steps may start, [`call`] makes the calls, [`late`] completes what the plan could not know,
//! [`poll`] watches what is under way ([`flights`]), [`engine`] is the loop between them: it records each intent before its call and
//! each milestone in the state when it is reached. [`forecast`] says how long it still takes. [`recover`] folds what an
//! interrupted run left behind.
//!
//! The result is an [`Outcome`], not a `Result`: whatever happens, the report says what was built.

mod answers;
mod blame;
mod call;
mod engine;
pub mod event;
mod flights;
pub mod forecast;
pub mod late;
mod listen;
mod poll;
mod queue;
pub mod recover;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use event::{Event, Progress, Silent};

use crate::address::Address;
use crate::diagnostic::Location;
use crate::plan::resolve::{Graph, World};
use crate::plan::{Plan, order::Steps};
use crate::provider::Provider;
use crate::spec::Types;
use crate::state::{Ledger, State, history};
use crate::value::Value;

/// What the user asks of a running apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    #[default]
    No,
    /// Start nothing new; let what runs come to its end.
    Gently,
    /// Save and leave; AWS goes on by itself.
    Now,
}

/// Everything an apply needs.
pub struct Run<'a> {
    pub provider: Arc<dyn Provider>,
    pub types: &'a Types,
    pub plan: &'a Plan,
    /// Where values come from that the plan could not know. `None` when everything is destroyed.
    pub desired: Option<(&'a World<'a>, &'a Graph)>,
    pub state: State,
    /// The lineage was chosen for this run: nothing in the cloud carries it.
    pub lineage_is_new: bool,
    /// Recorded when everything is done.
    pub settings: Value,
    pub ledger: Ledger,
    pub progress: &'a dyn Progress,
    pub stop: watch::Receiver<Stop>,
    /// How many steps may have a call in flight at once.
    pub at_once: usize,
    /// How long to wait for a person when nothing else is left to do, in the cloud's time.
    pub wait: Duration,
}

/// How an apply ended.
#[derive(Debug)]
#[must_use = "an outcome says what was built and what was not"]
pub enum Outcome {
    /// Every step was done.
    Completed(Report),
    /// Some step failed; what did not need it was done.
    Halted(Report),
    /// What is left waits for a person.
    Waiting(Report),
    /// The user stopped it.
    Interrupted(Report),
}

impl Outcome {
    /// In a word, as histories and streams of JSON have it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Completed(_) => history::COMPLETED,
            Self::Halted(_) => "halted",
            Self::Waiting(_) => "waiting",
            Self::Interrupted(_) => "interrupted",
        }
    }

    pub fn report(&self) -> &Report {
        match self {
            Self::Completed(report) | Self::Halted(report) | Self::Waiting(report) | Self::Interrupted(report) => {
                report
            }
        }
    }
}

/// What an apply did.
#[derive(Debug)]
pub struct Report {
    pub state: State,
    pub done: Vec<Done>,
    pub failed: Vec<Failure>,
    /// Not tried, and because of which failure.
    pub skipped: Vec<(Address, Address)>,
    /// Begun and not finished: AWS goes on with it, and the next run resumes.
    pub pending: Vec<Address>,
    /// Those of `pending` that wait for a person, each with what to do.
    pub waiting: Vec<(Address, String)>,
    /// Never begun.
    pub not_started: Vec<Address>,
    /// The state file or the journal could not be written at some time.
    pub unsaved: Option<Unsaved>,
}

impl Report {
    /// The report of an apply that has done nothing.
    pub fn of(state: State) -> Self {
        Self {
            state,
            done: Vec::new(),
            failed: Vec::new(),
            skipped: Vec::new(),
            pending: Vec::new(),
            waiting: Vec::new(),
            not_started: Vec::new(),
            unsaved: None,
        }
    }
}

/// A state that could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaved {
    pub because: String,
    /// What should be in the state file; `None` if it was written in the end.
    pub content: Option<String>,
}

/// A step that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub address: Address,
    pub verb: &'static str,
    pub elapsed: Duration,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub address: Address,
    pub message: String,
    /// The credentials must be renewed.
    pub credentials: bool,
    /// The place of the file that decides what was refused, where that is known.
    pub location: Option<Location>,
}

/// Applies a plan.
pub async fn run(run: Run<'_>) -> Outcome {
    let steps = match Steps::of(run.plan, &run.state, run.types) {
        Ok(steps) => steps,
        Err(error) => {
            let failure =
                Failure { address: error.0.clone(), message: error.to_string(), credentials: false, location: None };
            return Outcome::Halted(Report { failed: vec![failure], ..Report::of(run.state) });
        }
    };
    engine::Engine::new(run, &steps).run().await
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The report of an apply with one step of every kind and one failure.
    pub(crate) fn report() -> Report {
        let address = |text: &str| text.parse().expect("an address");
        let done =
            |name: &str, verb, seconds| Done { address: address(name), verb, elapsed: Duration::from_secs(seconds) };
        Report {
            done: vec![
                done("rds.cluster.database", "create", 250),
                done("rds.cluster.other", "replace", 200),
                done("rds.cluster.third", "create", 900),
                done("rds.cluster.old", "delete", 60),
                done("ecs.service.web", "adopt", 60),
                Done { elapsed: Duration::from_millis(2), ..done("rds.cluster.protected", "update", 0) },
            ],
            failed: vec![Failure {
                address: address("elb.listener.https"),
                message: "elasticloadbalancing:CreateListener: TooManyListeners: the limit is 50".to_owned(),
                credentials: false,
                location: None,
            }],
            skipped: vec![(address("ecs.service.mastodon"), address("elb.listener.https"))],
            ..Report::of(State::new("l", "social", "eu-central-1"))
        }
    }
}
