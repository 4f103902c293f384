//! Route 53: zones that exist, and records in them.

pub mod record;
mod text;
pub mod zone;

use super::limits::class;
use super::service::{Second, Service};
/// The service.
pub static SERVICE: Service = Service {
    id: "Route 53",
    prefix: "route53",
    is_global: true,
    limits: &[class(&[""], 5.0, 4.0)],
    makes: &[("ChangeResourceRecordSets", Second::SameName)],
    handlers: &[&record::Record, &zone::Zone],
    ..Service::OTHER
};
