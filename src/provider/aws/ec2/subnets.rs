//! `ec2.subnets`: all subnets that match, as one node.

use async_trait::async_trait;

use super::filter;
use crate::inert::shell;
use crate::provider::aws::attributes::{Report, filters};
use crate::provider::aws::error::failed;
use crate::provider::aws::handler::Handler;
use crate::provider::aws::session::Clients;
use crate::provider::{ErrorKind, Lookup, ProviderError};
use crate::value::Value;

const DESCRIBE: &str = "ec2:DescribeSubnets";

pub struct Subnets;

#[async_trait]
impl Handler for Subnets {
    fn type_name(&self) -> &'static str {
        "ec2.subnets"
    }

    async fn lookup(&self, clients: &Clients, lookup: &Lookup) -> Result<Value, ProviderError> {
        let wanted = filters(lookup, DESCRIBE);
        let mut request = clients.ec2().describe_subnets();
        if let Some(vpc_id) = wanted.optional_text("vpc_id")? {
            request = request.filters(filter("vpc-id", [vpc_id]));
        }
        if let Some(default_for_az) = wanted.optional_flag("default_for_az")? {
            request = request.filters(filter("default-for-az", [default_for_az.to_string()]));
        }
        let mut subnets: Vec<_> =
            request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(DESCRIBE))?;
        let without = wanted.texts("without_zones")?;
        subnets.retain(|subnet| !subnet.availability_zone_id().is_some_and(|zone| without.iter().any(|it| it == zone)));
        if subnets.is_empty() {
            let region = shell(&lookup.region);
            let message = match wanted.optional_flag("default_for_az")? {
                Some(true) => format!(
                    "the network has no default subnets, which `aws ec2 create-default-subnet --region {region} \
                     --availability-zone ZONE` makes, one for each zone"
                ),
                _ => format!("no subnet in {region} is like {}", lookup.filters),
            };
            return Err(ProviderError::new(ErrorKind::NotFound, DESCRIBE, message));
        }
        subnets.sort_by(|left, right| {
            (left.availability_zone(), left.subnet_id()).cmp(&(right.availability_zone(), right.subnet_id()))
        });
        let texts = |read: fn(&aws_sdk_ec2::types::Subnet) -> Option<&str>| -> Vec<&str> {
            subnets.iter().filter_map(read).collect()
        };
        // All are of the network that was asked for. Without such a filter they may happen to be of one.
        let network = subnets.first().and_then(|subnet| subnet.vpc_id());
        let network = network.filter(|_| subnets.iter().all(|subnet| subnet.vpc_id() == network));
        Ok(Report::new()
            .set_if("vpc_id", network)
            .set_if("default_for_az", wanted.optional_flag("default_for_az")?)
            .set_if("without_zones", (!without.is_empty()).then_some(without))
            .set("ids", texts(|subnet| subnet.subnet_id()))
            .set("availability_zones", texts(|subnet| subnet.availability_zone()))
            .value())
    }
}
