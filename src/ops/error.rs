//! Why nothing was begun.

use std::io;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::plan::order::CycleError;
use crate::plan::stale::StalePlan;
use crate::session::SessionError;
use crate::state::{LedgerError, LockError, StateError};

/// Why an operation could not go on.
#[derive(Debug, thiserror::Error)]
pub enum OpsError {
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What was shown is not what would be done.
    #[error(transparent)]
    Stale(#[from] StalePlan),
    #[error(transparent)]
    Cycle(#[from] CycleError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
    #[error("{0}")]
    Diagnostics(Diagnostics),
}

impl From<Diagnostics> for OpsError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Diagnostics(diagnostics)
    }
}

impl From<Diagnostic> for OpsError {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics::from(diagnostic).into()
    }
}
