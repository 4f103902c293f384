//! S3: buckets and their policies.

pub mod bucket;
pub mod bucket_policy;

use super::limits::class;
use super::service::{Second, Service};
use super::session::Clients;
use super::tags::tag_list;
use crate::provider::ErrorKind;
use crate::provider::{ProviderError, Target};

/// The service.
pub static SERVICE: Service = Service {
    id: "S3",
    prefix: "s3",
    limits: &[class(&["Get", "Head", "List"], 100.0, 50.0), class(&[""], 30.0, 10.0)],
    makes: &[("CreateBucket", Second::SameName)],
    errors: &[
        ("*", "BucketNotEmpty", ErrorKind::NotYet),
        // The bucket, or somebody whom its policy names, was made a moment ago.
        ("PutBucketPolicy", "NoSuchBucket", ErrorKind::NotYet),
        ("PutBucketPolicy", "MalformedPolicy", ErrorKind::NotYet),
    ],
    handlers: &[&bucket::Bucket, &bucket_policy::BucketPolicy],
    ..Service::OTHER
};

tag_list!(aws_sdk_s3::types::Tag, "s3:PutBucketTagging");

/// The bucket itself does not exist; other codes of "not found" speak of one of its settings.
const NO_BUCKET: &str = "NoSuchBucket";

fn is(error: &ProviderError, code: &str) -> bool {
    error.code.as_deref() == Some(code)
}

/// A bucket, and the account that must own it. Names of buckets are the world's: without the owner in every call,
/// somebody else's bucket of that name, opened to this account, would pass for ours.
#[derive(Clone, Copy)]
struct Place<'a> {
    clients: &'a Clients,
    bucket: &'a str,
    owner: &'a str,
}

impl<'a> Place<'a> {
    /// A bucket of the account that calls.
    async fn of(clients: &'a Clients, bucket: &'a str) -> Result<Self, ProviderError> {
        Ok(Self { clients, bucket, owner: &clients.caller().await?.account })
    }

    /// The bucket of a target, of the account that its owner is known to have. So a plan waits for no other answer.
    async fn of_target(clients: &'a Clients, target: &'a Target) -> Result<Self, ProviderError> {
        match target.owner.as_ref().and_then(|owner| owner.account.as_deref()) {
            Some(owner) => Ok(Self { clients, bucket: target.identity.as_str(), owner }),
            None => Self::of(clients, target.identity.as_str()).await,
        }
    }

    /// Whether it is a name, and no ARN of a way to a bucket, which S3 takes, too.
    fn is_named(self) -> bool {
        self.bucket.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-'))
    }

    fn s3(self) -> &'a aws_sdk_s3::Client {
        self.clients.s3()
    }
}
