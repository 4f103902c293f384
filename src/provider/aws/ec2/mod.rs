//! EC2: the network. What exists already is looked up; security groups and their rules are ours.

pub mod security_group;
pub mod security_group_rule;
pub mod subnets;
pub mod vpc;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::error::failed;
use super::limits::class;
use super::service::{Second, Service};
use super::session::Clients;
use super::tags::{Tags, tag_list};
use crate::provider::{ErrorKind, ProviderError};

/// The service.
pub static SERVICE: Service = Service {
    id: "EC2",
    prefix: "ec2",
    limits: &[class(&["Describe"], 80.0, 16.0), class(&[""], 40.0, 4.0)],
    makes: &[
        ("AuthorizeSecurityGroupEgress", Second::SameName),
        ("AuthorizeSecurityGroupIngress", Second::SameName),
        ("CreateSecurityGroup", Second::SameName),
    ],
    errors: &[
        ("Authorize*", "InvalidGroup.NotFound", ErrorKind::NotYet),
        ("Create*", "InvalidGroup.NotFound", ErrorKind::NotYet),
        // A group that was made a moment ago: its rules are still there.
        ("RevokeSecurityGroup*", "InvalidGroup.NotFound", ErrorKind::NotYet),
    ],
    handlers: &[&security_group::SecurityGroup, &security_group_rule::SecurityGroupRule, &subnets::Subnets, &vpc::Vpc],
    ..Service::OTHER
};

tag_list!(aws_sdk_ec2::types::Tag);

/// Tags to put on a resource in the call that makes it.
fn specification(resource_type: aws_sdk_ec2::types::ResourceType, tags: &Tags) -> aws_sdk_ec2::types::TagSpecification {
    aws_sdk_ec2::types::TagSpecification::builder().resource_type(resource_type).set_tags(Some(listed(tags))).build()
}

/// Filters that let through only resources with all these tags.
fn filters(tags: &Tags) -> Vec<aws_sdk_ec2::types::Filter> {
    tags.iter().map(|(key, value)| filter(&format!("tag:{key}"), [value])).collect()
}

/// How many values one filter of EC2 takes.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html>
const FILTER_VALUES: usize = 200;

/// Networks that have no IPv6 addresses, as far as they were looked up.
#[derive(Debug, Default)]
pub(super) struct Networks(Mutex<BTreeSet<String>>);

impl Networks {
    /// Remembers what was seen of a network.
    fn note(&self, id: &str, has_ipv6: bool) {
        let mut without = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if has_ipv6 {
            without.remove(id);
        } else {
            without.insert(id.to_owned());
        }
    }

    /// Whether a network may have IPv6 addresses: whatever was not looked up may.
    fn may_have_ipv6(&self, id: &str) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

const CREATE_TAGS: &str = "ec2:CreateTags";

/// Puts tags on anything of EC2, by its id.
async fn tag(clients: &Clients, id: &str, tags: &Tags) -> Result<(), ProviderError> {
    let request = clients.ec2().create_tags().resources(id).set_tags(Some(listed(tags)));
    request.send().await.map_err(failed(CREATE_TAGS))?;
    Ok(())
}

fn present(tags: &[aws_sdk_ec2::types::Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| tag.key().zip(tag.value()))
}

fn filter(name: &str, values: impl IntoIterator<Item = impl Into<String>>) -> aws_sdk_ec2::types::Filter {
    let values = values.into_iter().map(Into::into).collect();
    aws_sdk_ec2::types::Filter::builder().name(name).set_values(Some(values)).build()
}
