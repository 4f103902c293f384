//! CloudWatch Logs: log groups.

pub mod log_group;

use super::limits::class;
use super::service::{Second, Service};
use crate::provider::ErrorKind;
/// The service.
pub static SERVICE: Service = Service {
    id: "CloudWatch Logs",
    prefix: "logs",
    limits: &[class(&["Describe", "List"], 8.0, 8.0), class(&[""], 4.0, 4.0)],
    makes: &[("CreateLogGroup", Second::SameName)],
    errors: &[
        // Names are checked before; what is left is a key that CloudWatch does not see yet, or whose policy it does not see.
        ("AssociateKmsKey", "InvalidParameterException", ErrorKind::NotYet),
        ("CreateLogGroup", "InvalidParameterException", ErrorKind::NotYet),
        ("PutRetentionPolicy", "ResourceNotFoundException", ErrorKind::NotYet),
    ],
    handlers: &[&log_group::LogGroup],
    ..Service::OTHER
};
