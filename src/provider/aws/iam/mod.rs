//! IAM: roles, policies and groups. Global: the region plays no part.
//!
//! IAM answers with documents encoded as parts of an address; they are reported as structure.

pub mod group;
pub mod group_policy_attachment;
pub mod policy;
pub mod role;

use super::handler::Handler;
use super::tags::{self, Tags};

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] =
    &[&group::Group, &group_policy_attachment::GroupPolicyAttachment, &policy::Policy, &role::Role];

/// Whether `tags` holds every ownership tag of `wanted`.
fn is_own(wanted: &Tags, tags: &[aws_sdk_iam::types::Tag]) -> bool {
    tags::has_all(wanted, present(tags))
}

fn present(tags: &[aws_sdk_iam::types::Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|tag| (tag.key(), tag.value()))
}
