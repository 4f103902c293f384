//! All integration tests, in one binary: linking it is the slowest part of a test run.

mod architecture;
#[cfg(feature = "aws")]
mod aws;
mod engine;
mod specs;
mod support;
