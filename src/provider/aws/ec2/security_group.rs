//! `ec2.security_group`: a set of rules, which are nodes of their own.
//!
//! AWS gives every new group a rule that lets everything out. `create` removes it in a second call. If it stopped
//! between the two, a second `create` finds its own group and goes on, and so does `update`, which tells AWS's rule from
//! ours by its lack of tags.

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, IpPermission, IpRange, Ipv6Range, ResourceType};

use super::{FILTER_VALUES, filter, present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, by_identity, created, identities, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observations, Observed, ProviderError, Target, Update};

const CREATE: &str = "ec2:CreateSecurityGroup";
const DELETE: &str = "ec2:DeleteSecurityGroup";
const DESCRIBE: &str = "ec2:DescribeSecurityGroups";
const DESCRIBE_RULES: &str = "ec2:DescribeSecurityGroupRules";
const REVOKE: &str = "ec2:RevokeSecurityGroupEgress";

const ALL_IPV4: &str = "0.0.0.0/0";
const ALL_IPV6: &str = "::/0";
const ALL_PROTOCOLS: &str = "-1";

pub struct SecurityGroup;

#[async_trait]
impl Handler for SecurityGroup {
    fn type_name(&self) -> &'static str {
        "ec2.security_group"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Observations {
        by_identity(targets, observe_groups(clients, &identities(targets)).await)
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let wanted = wanted(creation, DESCRIBE);
        let mut filters = tags::ec2_filters(&creation.tags);
        filters.push(filter("group-name", [wanted.text("group_name")?]));
        filters.push(filter("vpc-id", [wanted.text("vpc_id")?]));
        Ok(describe(clients, filters).await?.into_iter().map(|observed| observed.identity).collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let request = clients
            .ec2()
            .create_security_group()
            .group_name(wanted.text("group_name")?)
            .description(wanted.text("description")?)
            .vpc_id(wanted.text("vpc_id")?)
            .tag_specifications(tags::ec2_specification(ResourceType::SecurityGroup, &creation.tags));
        let id = match request.send().await.map_err(failed(CREATE)) {
            Ok(answer) => answer.group_id.ok_or_else(|| unanswered(CREATE, "group id"))?,
            Err(error) if error.kind == ErrorKind::Conflict => match &self.find(clients, creation).await?[..] {
                [own] => own.0.clone(),
                _ => return Err(error),
            },
            Err(error) => return Err(error),
        };
        let everywhere = [
            IpPermission::builder().ip_ranges(IpRange::builder().cidr_ip(ALL_IPV4).build()),
            // Only there if the network has IPv6 addresses.
            IpPermission::builder().ipv6_ranges(Ipv6Range::builder().cidr_ipv6(ALL_IPV6).build()),
        ];
        for permission in everywhere {
            let request = clients.ec2().revoke_security_group_egress().group_id(&id);
            let request = request.ip_permissions(permission.ip_protocol(ALL_PROTOCOLS).build());
            request.send().await.map_err(failed(REVOKE)).or_absent().map(drop)?;
        }
        Ok(created(id.clone(), Report::new().set("id", id)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let id = update.target.identity.as_str();
        let rules = clients.ec2().describe_security_group_rules().filters(filter("group-id", [id]));
        let rules: Vec<_> =
            rules.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(DESCRIBE_RULES))?;
        let of_aws = rules
            .into_iter()
            .filter(|rule| rule.is_egress() == Some(true) && rule.ip_protocol() == Some(ALL_PROTOCOLS))
            .filter(|rule| rule.cidr_ipv4() == Some(ALL_IPV4) || rule.cidr_ipv6() == Some(ALL_IPV6))
            .filter(|rule| !rule.tags().iter().any(|tag| tag.key() == Some(tags::ADDRESS)))
            .filter_map(|rule| rule.security_group_rule_id);
        let of_aws: Vec<String> = of_aws.collect();
        if !of_aws.is_empty() {
            let request = clients.ec2().revoke_security_group_egress().group_id(id);
            let request = request.set_security_group_rule_ids(Some(of_aws));
            request.send().await.map_err(failed(REVOKE)).or_absent()?;
        }
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        tag(clients, target.identity.as_str(), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.ec2().delete_security_group().group_id(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

/// Reads groups through a filter: a filter passes over ids that do not exist, where a list of ids would fail.
async fn observe_groups(clients: &Clients, ids: &[String]) -> Result<Vec<Observed>, ProviderError> {
    let batches = ids.chunks(FILTER_VALUES).map(|ids| describe(clients, vec![filter("group-id", ids)]));
    Ok(try_wave(batches.collect()).await?.concat())
}

async fn describe(clients: &Clients, filters: Vec<Filter>) -> Result<Vec<Observed>, ProviderError> {
    let request = clients.ec2().describe_security_groups().set_filters(Some(filters));
    let groups: Vec<_> =
        request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(DESCRIBE))?;
    let report = |group: aws_sdk_ec2::types::SecurityGroup| {
        let report = Report::new()
            .set("group_name", group.group_name())
            .set("description", group.description())
            .set("vpc_id", group.vpc_id())
            .set("id", group.group_id());
        let tags = group.tags.unwrap_or_default();
        tagged(observed(group.group_id.unwrap_or_default(), report), present(&tags))
    };
    Ok(groups.into_iter().map(report).collect())
}
