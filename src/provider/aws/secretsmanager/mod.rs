//! Secrets Manager: secrets.

pub mod secret;

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&secret::Secret];
