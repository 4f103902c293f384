//! CloudFront: a distribution, and how it proves itself to its bucket.
//!
//! CloudFront keeps each thing under a version, the ETag. Whoever changes or deletes it names the version they have
//! read, and is refused if somebody else has changed it meanwhile: that is an error of kind `NotYet`, and the next try
//! reads again. A change sends the whole configuration, so everything that is not ours goes back as it was read.

pub mod cache_policy;
pub mod distribution;
pub mod origin_access_control;
pub mod origin_access_identity;
pub mod response_headers_policy;

use super::limits::class;
use super::service::{Second, Service};
use super::tags::tag_list;
use crate::provider::ErrorKind;
/// The service.
pub static SERVICE: Service = Service {
    id: "CloudFront",
    prefix: "cloudfront",
    is_global: true,
    limits: &[class(&["Get", "List"], 20.0, 8.0), class(&[""], 10.0, 2.0)],
    makes: &[
        ("CreateCachePolicy", Second::SameName),
        ("CreateCloudFrontOriginAccessIdentity", Second::Token),
        ("CreateDistribution", Second::Token),
        ("CreateOriginAccessControl", Second::SameName),
        ("CreateResponseHeadersPolicy", Second::SameName),
    ],
    errors: &[
        ("*", "PreconditionFailed", ErrorKind::NotYet),
        ("*", "InvalidIfMatchVersion", ErrorKind::NotYet),
        // The certificate was issued a moment ago.
        ("*Distribution*", "InvalidViewerCertificate", ErrorKind::NotYet),
    ],
    handlers: &[
        &cache_policy::CachePolicy,
        &distribution::Distribution,
        &origin_access_control::OriginAccessControl,
        &origin_access_identity::OriginAccessIdentity,
        &response_headers_policy::ResponseHeadersPolicy,
    ],
};

tag_list!(aws_sdk_cloudfront::types::Tag, "cloudfront:TagResource");

/// How many items a list has, which CloudFront wants to be told beside the list.
fn quantity<T>(items: &[T]) -> i32 {
    i32::try_from(items.len()).unwrap_or(i32::MAX)
}
