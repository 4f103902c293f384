//! Tags, in each service's own type.
//!
//! Every service has its own `Tag`. The functions here make them of a map; those of services whose tags can be
//! incomplete return a `Result` that is never an error here, since both halves are always set.

use std::collections::BTreeMap;

use super::error::incomplete;
use crate::provider::ProviderError;

pub use crate::provider::ownership::{ADDRESS, INSTANCE, LINEAGE, Tags};

macro_rules! tag_lists {
    ($($(#[$attribute:meta])* $name:ident: $tag:path;)*) => {
        $(
            $(#[$attribute])*
            pub fn $name(tags: &Tags) -> Vec<$tag> {
                tags.iter().map(|(key, value)| <$tag>::builder().key(key).value(value).build()).collect()
            }
        )*
    };
}

macro_rules! checked_tag_lists {
    ($($name:ident: $tag:path, $operation:literal;)*) => {
        $(
            pub fn $name(tags: &Tags) -> Result<Vec<$tag>, ProviderError> {
                tags.iter()
                    .map(|(key, value)| <$tag>::builder().key(key).value(value).build().map_err(incomplete($operation)))
                    .collect()
            }
        )*
    };
}

tag_lists! {
    ec2: aws_sdk_ec2::types::Tag;
    ecs: aws_sdk_ecs::types::Tag;
    elasticache: aws_sdk_elasticache::types::Tag;
    elb: aws_sdk_elasticloadbalancingv2::types::Tag;
    rds: aws_sdk_rds::types::Tag;
    secretsmanager: aws_sdk_secretsmanager::types::Tag;
}

checked_tag_lists! {
    acm: aws_sdk_acm::types::Tag, "acm:AddTagsToCertificate";
    cloudfront: aws_sdk_cloudfront::types::Tag, "cloudfront:TagResource";
    iam: aws_sdk_iam::types::Tag, "iam:TagRole";
    s3: aws_sdk_s3::types::Tag, "s3:PutBucketTagging";
    ssm: aws_sdk_ssm::types::Tag, "ssm:AddTagsToResource";
}

/// Tags to put on an EC2 resource in the call that makes it.
pub fn ec2_specification(
    resource_type: aws_sdk_ec2::types::ResourceType,
    tags: &Tags,
) -> aws_sdk_ec2::types::TagSpecification {
    aws_sdk_ec2::types::TagSpecification::builder().resource_type(resource_type).set_tags(Some(ec2(tags))).build()
}

/// Filters that let through only EC2 resources with all these tags.
pub fn ec2_filters(tags: &Tags) -> Vec<aws_sdk_ec2::types::Filter> {
    tags.iter()
        .map(|(key, value)| aws_sdk_ec2::types::Filter::builder().name(format!("tag:{key}")).values(value).build())
        .collect()
}

/// Tags of an answer, by key.
pub fn collected<'tag>(present: impl IntoIterator<Item = (&'tag str, &'tag str)>) -> Tags {
    present.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Tags that are in a map already, as pairs.
pub fn pairs<'tag>(
    present: impl IntoIterator<Item = (&'tag String, &'tag String)>,
) -> impl Iterator<Item = (&'tag str, &'tag str)> {
    present.into_iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

/// Whether `present` holds every one of `wanted`: for services that cannot filter by tag.
pub fn has_all<'tag>(wanted: &Tags, present: impl IntoIterator<Item = (&'tag str, &'tag str)>) -> bool {
    let present: BTreeMap<&str, &str> = present.into_iter().collect();
    wanted.iter().all(|(key, value)| present.get(key.as_str()) == Some(&value.as_str()))
}
