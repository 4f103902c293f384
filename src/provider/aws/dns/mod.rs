//! DNS at providers that cannot be asked to make records: what name servers say.

mod look;
pub mod record;

use super::service::Service;
pub use look::{Dns, Finding, Found};

/// A name as people write it: answers end it with the dot of the root.
pub fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The service.
pub static SERVICE: Service = Service { prefix: "dns", handlers: &[&record::Record], ..Service::OTHER };
