//! DNS at providers that cannot be asked to make records: what name servers say.

mod look;
pub mod record;

pub use look::{Dns, Finding, Found};

use super::handler::Handler;

/// A name as people write it: answers end it with the dot of the root.
pub fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&record::Record];
