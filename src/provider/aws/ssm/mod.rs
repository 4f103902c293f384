//! SSM: parameters of Parameter Store.

pub mod parameter;

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&parameter::Parameter];
