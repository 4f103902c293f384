//! CloudWatch Logs: log groups.

pub mod log_group;

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&log_group::LogGroup];
