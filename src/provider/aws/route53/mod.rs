//! Route 53: zones that exist, and records in them.

pub mod record;
mod text;
pub mod zone;

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&record::Record, &zone::Zone];
