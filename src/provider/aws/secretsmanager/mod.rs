//! Secrets Manager: secrets.

pub mod secret;
pub mod versions;

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&secret::Secret, &versions::Versions];
