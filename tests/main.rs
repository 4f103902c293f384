//! All integration tests, in one binary.

mod support;

#[cfg(feature = "aws")]
mod aws;
