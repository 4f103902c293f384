//! DNS at providers that cannot be asked to make records: what name servers say.

mod look;
pub mod record;

use std::time::Duration;

use super::service::Service;
pub use look::{Dns, Finding, Found};

/// How long DNS is asked for everything of a kind together.
pub const LONGEST: Duration = Duration::from_secs(20);

/// A name as people write it: answers end it with the dot of the root.
pub fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The service.
pub static SERVICE: Service = Service { prefix: "dns", handlers: &[&record::Record], ..Service::OTHER };
