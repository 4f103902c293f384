//! STS: whose credentials are at work.

pub mod caller;

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&caller::Caller];
