//! ACM: certificates.

pub mod certificate;

use super::limits::class;
use super::service::{Second, Service};
use super::tags::tag_list;
/// The service.
pub static SERVICE: Service = Service {
    id: "ACM",
    prefix: "acm",
    limits: &[class(&["DescribeCertificate"], 10.0, 6.0), class(&[""], 8.0, 6.0)],
    makes: &[("RequestCertificate", Second::Token)],
    handlers: &[&certificate::Certificate],
    ..Service::OTHER
};

tag_list!(aws_sdk_acm::types::Tag, "acm:AddTagsToCertificate");
