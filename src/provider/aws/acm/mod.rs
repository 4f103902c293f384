//! ACM: certificates.

pub mod certificate;

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&certificate::Certificate];
