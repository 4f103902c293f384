//! KMS: keys that other services encrypt with.

pub mod key;

use super::error::incomplete;
use super::limits::class;
use super::service::{Second, Service};
use super::tags::Tags;
use crate::provider::{ErrorKind, ProviderError};

/// The service.
/// <https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html>
pub static SERVICE: Service = Service {
    id: "KMS",
    prefix: "kms",
    limits: &[class(&["Describe", "Get", "List"], 100.0, 50.0), class(&[""], 4.0, 4.0)],
    makes: &[("CreateKey", Second::LookedUp)],
    errors: &[
        // A key that was made a moment ago is not known everywhere yet.
        ("EnableKeyRotation", "NotFoundException", ErrorKind::NotYet),
        ("PutKeyPolicy", "NotFoundException", ErrorKind::NotYet),
        ("*", "KMSInvalidStateException", ErrorKind::NotYet),
        ("*", "MalformedPolicyDocumentException", ErrorKind::Invalid),
    ],
    handlers: &[&key::Key],
    ..Service::OTHER
};

/// Tags as this service takes them: it calls the halves by other names.
fn listed(tags: &Tags) -> Result<Vec<aws_sdk_kms::types::Tag>, ProviderError> {
    let tag = |(key, value): (&String, &String)| {
        aws_sdk_kms::types::Tag::builder().tag_key(key).tag_value(value).build().map_err(incomplete("kms:TagResource"))
    };
    tags.iter().map(tag).collect()
}
