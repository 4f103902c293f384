//! CloudFront: distributions and how they reach their origins. Global: the region plays no part.

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[];
