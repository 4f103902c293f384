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

/// Whether `present` holds every ownership tag of `wanted`.
fn is_own(wanted: &Tags, present: &[aws_sdk_iam::types::Tag]) -> bool {
    tags::has_all(wanted, present.iter().map(|tag| (tag.key(), tag.value())))
}
