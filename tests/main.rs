//! All integration tests, in one binary: linking it is the slowest part of a test run.

mod architecture;
#[cfg(feature = "aws")]
mod aws;
mod checkout;
mod engine;
mod errors;
mod export;
mod hostile;
mod plans;
mod privilege;
mod program;
mod sessions;
mod specs;
mod support;
mod survival;
