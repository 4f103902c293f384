//! RDS: Aurora clusters and their instances.

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[];
