//! Route 53: zones, and records in them.

pub mod record;
mod text;
pub mod zone;

use super::limits::class;
use super::service::{Second, Service};
use crate::provider::ErrorKind;
/// The service.
pub static SERVICE: Service = Service {
    id: "Route 53",
    prefix: "route53",
    is_global: true,
    limits: &[class(&[""], 5.0, 4.0)],
    makes: &[("ChangeResourceRecordSets", Second::SameName), ("CreateHostedZone", Second::Token)],
    errors: &[
        // AWS has too few name servers left for zones of this name.
        ("CreateHostedZone", "DelegationSetNotAvailable", ErrorKind::Quota),
        ("DeleteHostedZone", "HostedZoneNotEmpty", ErrorKind::Invalid),
    ],
    handlers: &[&record::Record, &zone::Zone],
};
