//! SSM: parameters of Parameter Store.

pub mod parameter;

use super::limits::class;
use super::service::Service;
use super::tags::tag_list;
use crate::provider::ErrorKind;
/// The service.
pub static SERVICE: Service = Service {
    id: "SSM",
    prefix: "ssm",
    limits: &[class(&["GetParameters"], 30.0, 30.0), class(&["Describe", "List"], 10.0, 5.0), class(&[""], 10.0, 2.5)],
    errors: &[
        ("AddTagsToResource", "InvalidResourceId", ErrorKind::NotFound),
        ("ListTagsForResource", "InvalidResourceId", ErrorKind::NotFound),
        ("PutParameter", "TooManyUpdates", ErrorKind::Throttled),
    ],
    handlers: &[&parameter::Parameter],
    ..Service::OTHER
};

tag_list!(pub(super) aws_sdk_ssm::types::Tag, "ssm:AddTagsToResource");
