//! DNS at providers that cannot be asked to make records: what name servers say.

mod look;
pub mod record;

pub use look::{Dns, Finding, Found};

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&record::Record];
