//! `ec2.vpc`: a network, looked up and never changed.

use async_trait::async_trait;

use super::filter;
use crate::inert::shell;
use crate::provider::aws::attributes::{Report, filters};
use crate::provider::aws::error::failed;
use crate::provider::aws::handler::Handler;
use crate::provider::aws::session::Clients;
use crate::provider::{ErrorKind, Lookup, ProviderError};
use crate::value::Value;

const DESCRIBE: &str = "ec2:DescribeVpcs";

pub struct Vpc;

#[async_trait]
impl Handler for Vpc {
    fn type_name(&self) -> &'static str {
        "ec2.vpc"
    }

    async fn lookup(&self, clients: &Clients, lookup: &Lookup) -> Result<Value, ProviderError> {
        let wanted = filters(lookup, DESCRIBE);
        let mut request = clients.ec2().describe_vpcs();
        if let Some(is_default) = wanted.optional_flag("is_default")? {
            request = request.filters(filter("is-default", [is_default.to_string()]));
        }
        for (attribute, name) in [("id", "vpc-id"), ("cidr_block", "cidr")] {
            if let Some(text) = wanted.optional_text(attribute)? {
                request = request.filters(filter(name, [text]));
            }
        }
        let vpcs: Vec<_> =
            request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(DESCRIBE))?;
        match &vpcs[..] {
            [vpc] => {
                if let Some(id) = vpc.vpc_id() {
                    clients.networks.note(id, !vpc.ipv6_cidr_block_association_set().is_empty());
                }
                Ok(Report::new()
                    .set("is_default", vpc.is_default())
                    .set("id", vpc.vpc_id())
                    .set("cidr_block", vpc.cidr_block())
                    .value())
            }
            [] => {
                let region = shell(&lookup.region);
                let message = match wanted.optional_flag("is_default")? {
                    Some(true) => format!(
                        "{region} has no default network, which `aws ec2 create-default-vpc --region {region}` makes"
                    ),
                    _ => format!("no network in {region} is like {}", lookup.filters),
                };
                Err(ProviderError::new(ErrorKind::NotFound, DESCRIBE, message))
            }
            several => {
                let message = format!("{} networks in {} are like {}", several.len(), lookup.region, lookup.filters);
                Err(ProviderError::new(ErrorKind::Invalid, DESCRIBE, message))
            }
        }
    }
}
