//! ElastiCache: Redis and Valkey.

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[];
