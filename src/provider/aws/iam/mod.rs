//! IAM: roles, policies and groups. Global: the region plays no part.
//!
//! IAM answers with documents encoded as parts of an address; they are reported as structure.

pub mod group;
pub mod group_policy_attachment;
pub mod policy;
pub mod role;

use super::limits::class;
use super::service::{Second, Service};
use super::tags::{self, Tags, tag_list};
use crate::provider::ErrorKind;

/// The service.
pub static SERVICE: Service = Service {
    id: "IAM",
    prefix: "iam",
    is_global: true,
    // Enough for ten instances at once, each of which has three roles: AWS reads every part of a role by itself.
    limits: &[class(&["Get", "List"], 150.0, 15.0), class(&[""], 30.0, 5.0)],
    makes: &[
        ("CreateAccessKey", Second::LookedUp),
        ("CreateGroup", Second::SameName),
        ("CreatePolicy", Second::SameName),
        ("CreatePolicyVersion", Second::LookedUp),
        ("CreateRole", Second::SameName),
        ("CreateUser", Second::SameName),
    ],
    errors: &[
        ("Add*", "NoSuchEntity", ErrorKind::NotYet),
        ("Attach*", "NoSuchEntity", ErrorKind::NotYet),
        // The user was made a moment ago.
        ("CreateAccessKey", "NoSuchEntity", ErrorKind::NotYet),
        ("PutUserPolicy", "NoSuchEntity", ErrorKind::NotYet),
    ],
    handlers: &[&group::Group, &group_policy_attachment::GroupPolicyAttachment, &policy::Policy, &role::Role],
};

tag_list!(pub(super) aws_sdk_iam::types::Tag, "iam:TagRole");

/// Whether `tags` holds every ownership tag of `wanted`.
fn is_own(wanted: &Tags, tags: &[aws_sdk_iam::types::Tag]) -> bool {
    tags::has_all(wanted, present(tags))
}

fn present(tags: &[aws_sdk_iam::types::Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|tag| (tag.key(), tag.value()))
}
