//! What an apply tells while it runs.

use std::time::Duration;

use crate::address::{Address, Identity};

/// Something happened to a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call is being made. `verb` is `create`, `update`, `replace`, `delete`, `adopt` or `forget`.
    Started {
        address: Address,
        verb: &'static str,
        /// What is deleted, if that is what happens.
        object: Option<Identity>,
        expected: Duration,
    },
    /// AWS reports this status.
    Status {
        address: Address,
        status: String,
    },
    /// It goes on by itself as soon as a person has done this.
    Waits {
        address: Address,
        advice: String,
    },
    /// AWS has accepted it; what waits only for that goes on.
    Created {
        address: Address,
    },
    /// A program has printed a line.
    Printed {
        address: Address,
        line: String,
    },
    /// The step is done.
    Finished {
        address: Address,
        verb: &'static str,
        object: Option<Identity>,
        elapsed: Duration,
    },
    /// The call is tried again, from now on for this reason.
    Retrying {
        address: Address,
        reason: String,
        after: Duration,
    },
    Failed {
        address: Address,
        message: String,
    },
    /// The step is not tried, because of another one's failure.
    Skipped {
        address: Address,
        because: Address,
    },
    /// Someone asked to stop.
    Stopping {
        now: bool,
    },
}

/// Whoever wants to know.
pub trait Progress {
    fn event(&self, event: &Event);

    /// Whether it wants to hear what programs print.
    fn listens(&self) -> bool {
        false
    }

    /// How often it wants to be told that time passes; `None`: never.
    fn interval(&self) -> Option<Duration> {
        None
    }

    /// Time has passed.
    fn tick(&self) {}
}

/// Nobody.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &Event) {}
}
