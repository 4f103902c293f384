//! All integration tests, in one binary.

mod engine;
mod support;

#[cfg(feature = "aws")]
mod aws;
