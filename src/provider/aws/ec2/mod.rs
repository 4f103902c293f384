//! EC2: the network. What exists already is looked up; security groups and their rules are ours.

pub mod security_group;
pub mod security_group_rule;
pub mod subnets;
pub mod vpc;

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] =
    &[&security_group::SecurityGroup, &security_group_rule::SecurityGroupRule, &subnets::Subnets, &vpc::Vpc];

/// How many values one filter of EC2 takes.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html>
const FILTER_VALUES: usize = 200;

fn filter(name: &str, values: impl IntoIterator<Item = impl Into<String>>) -> aws_sdk_ec2::types::Filter {
    let values = values.into_iter().map(Into::into).collect();
    aws_sdk_ec2::types::Filter::builder().name(name).set_values(Some(values)).build()
}
