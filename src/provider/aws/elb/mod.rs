//! Elastic Load Balancing: load balancers, listeners, their rules, target groups.

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[];
