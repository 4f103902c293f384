//! S3: buckets and their policies.

pub mod bucket;
pub mod bucket_policy;

use super::handler::Handler;
use crate::provider::ProviderError;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&bucket::Bucket, &bucket_policy::BucketPolicy];

/// The bucket itself does not exist; other codes of "not found" speak of one of its settings.
const NO_BUCKET: &str = "NoSuchBucket";

fn is(error: &ProviderError, code: &str) -> bool {
    error.code.as_deref() == Some(code)
}
