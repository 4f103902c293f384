//! RDS: Aurora clusters and their instances.
//!
//! Both are named by their owner, and both names stay taken while what they name is being deleted. So nothing that is
//! being deleted is ever adopted: a creation that meets it is told to try again.

pub mod cluster;
pub mod instance;

use super::handler::Handler;
use super::tags::{self, Tags};
use crate::provider::{ErrorKind, ProviderError, Update};
use crate::value::{Known, Value};

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&cluster::Cluster, &instance::Instance];

/// How many values one filter is given. RDS does not say how many it takes.
const FILTER_VALUES: usize = 50;

const DELETING: &str = "deleting";

fn filter(name: &str, values: &[String]) -> aws_sdk_rds::types::Filter {
    aws_sdk_rds::types::Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

/// Whether something has all tags of a creation.
fn is_tagged(wanted: &Tags, present: &[aws_sdk_rds::types::Tag]) -> bool {
    tags::has_all(wanted, present.iter().filter_map(|tag| tag.key().zip(tag.value())))
}

/// The groups that something has or is getting, but not those it is losing.
fn security_groups(memberships: &[aws_sdk_rds::types::VpcSecurityGroupMembership]) -> Vec<String> {
    let staying = memberships.iter().filter(|membership| membership.status() != Some("removing"));
    staying.filter_map(|membership| membership.vpc_security_group_id()).map(str::to_owned).collect()
}

/// Only what changes. Where an attribute is taken away, AWS's default stands in; where AWS has none, nothing does.
fn patch(update: &Update, defaults: &Value) -> Known {
    let wanted = |name: &String| match update.changed(name) {
        Some(wanted) if !wanted.is_null() => wanted.clone(),
        _ => defaults.get(name).map(Value::lift).unwrap_or_default(),
    };
    Known::Map(update.changed.iter().map(|name| (name.clone(), wanted(name))).collect())
}

/// The same failure, as one that may pass.
fn not_yet(error: ProviderError) -> ProviderError {
    ProviderError { kind: ErrorKind::NotYet, ..error }
}
