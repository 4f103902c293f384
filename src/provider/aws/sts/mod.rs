//! STS: whose credentials are at work.

pub mod caller;

use super::limits::class;
use super::service::Service;
/// The service.
pub static SERVICE: Service = Service {
    id: "STS",
    prefix: "sts",
    limits: &[class(&[""], 50.0, 50.0)],
    handlers: &[&caller::Caller],
    ..Service::OTHER
};
