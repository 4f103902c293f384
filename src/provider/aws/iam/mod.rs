//! IAM: roles, policies and groups. Global: the region plays no part.

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[];
