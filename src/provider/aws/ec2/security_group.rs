//! `ec2.security_group`: a set of rules, which are nodes of their own.
//!
//! AWS gives every new group a rule that lets everything out, and in a network with IPv6 addresses a second one. `create`
//! removes each in a call of its own. Such a rule, and
//! every other that carries no instance's tags, is reported as one of the group's `unlisted_rules`. So a plan
//! sees what a creation that was interrupted has left open, and what somebody else has added.

use async_trait::async_trait;
use aws_sdk_ec2::types::builders::IpPermissionBuilder;
use aws_sdk_ec2::types::{Filter, IpPermission, IpRange, Ipv6Range, ResourceType, SecurityGroupRule as Rule};

use super::{FILTER_VALUES, filter, present, security_group_rule, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, adopt, by_identity, created, identities, observed, standing, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};
use crate::value::{Tree, Value};

const CREATE: &str = "ec2:CreateSecurityGroup";
const DELETE: &str = "ec2:DeleteSecurityGroup";
const DESCRIBE: &str = "ec2:DescribeSecurityGroups";
const REVOKE_EGRESS: &str = "ec2:RevokeSecurityGroupEgress";
const REVOKE_INGRESS: &str = "ec2:RevokeSecurityGroupIngress";

const ALL_IPV4: &str = "0.0.0.0/0";
const ALL_IPV6: &str = "::/0";
const ALL_PROTOCOLS: &str = "-1";

pub struct SecurityGroup;

#[async_trait]
impl Handler for SecurityGroup {
    fn type_name(&self) -> &'static str {
        "ec2.security_group"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let ids = identities(targets);
        let rules = security_group_rule::of_groups(clients, ids.iter().cloned().collect());
        let read = async { tokio::try_join!(observe_groups(clients, &ids), rules) }.await;
        by_identity(targets, read.map(|(groups, rules)| with_rules(groups, &rules)))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let wanted = wanted(creation, DESCRIBE);
        let mut filters = super::filters(&creation.tags);
        filters.push(filter("group-name", [wanted.text("group_name")?]));
        filters.push(filter("vpc-id", [wanted.text("vpc_id")?]));
        Ok(describe(clients, filters).await?.into_iter().map(|observed| observed.identity).collect())
    }

    fn refuses_second(&self) -> bool {
        true
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let request = clients
            .ec2()
            .create_security_group()
            .group_name(wanted.text("group_name")?)
            .description(wanted.text("description")?)
            .vpc_id(wanted.text("vpc_id")?)
            .tag_specifications(super::specification(ResourceType::SecurityGroup, &creation.tags));
        let answer = request
            .send()
            .await
            .map_err(failed(CREATE))
            .and_then(|answer| answer.group_id.map(Identity::new).ok_or_else(|| unanswered(CREATE, "group id")));
        let id = adopt(creation, answer, || standing(self, clients, creation)).await?.0;
        let mut everywhere = vec![IpPermission::builder().ip_ranges(IpRange::builder().cidr_ip(ALL_IPV4).build())];
        if clients.networks.may_have_ipv6(wanted.text("vpc_id")?) {
            everywhere.push(IpPermission::builder().ipv6_ranges(Ipv6Range::builder().cidr_ipv6(ALL_IPV6).build()));
        }
        let revoke = |permission: IpPermissionBuilder| {
            let request = clients.ec2().revoke_security_group_egress().group_id(&id);
            let request = request.ip_permissions(permission.ip_protocol(ALL_PROTOCOLS).build());
            async { request.send().await.map_err(failed(REVOKE_EGRESS)).or_absent() }
        };
        try_wave(everywhere.into_iter().map(revoke).collect()).await?;
        Ok(created(id.clone(), Report::new().set("id", id)))
    }

    /// Removes what is not listed. Rules with tags of an instance, also of another one, are left to it.
    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        if update.changed("unlisted_rules").is_none() {
            return Ok(());
        }
        let kept = desired(update, REVOKE_EGRESS).texts("unlisted_rules")?;
        let id = update.target.identity.as_str();
        let rules = security_group_rule::of_groups(clients, [id.to_owned()].into()).await?;
        let goes = |rule: &&Rule| is_unlisted(rule) && !kept.contains(&described(rule));
        let (egress, ingress): (Vec<&Rule>, Vec<&Rule>) =
            rules.iter().filter(goes).partition(|rule| rule.is_egress() == Some(true));
        let ids_of = |rules: Vec<&Rule>| -> Vec<String> {
            rules.into_iter().filter_map(|rule| rule.security_group_rule_id.clone()).collect()
        };
        let (egress, ingress) = (ids_of(egress), ids_of(ingress));
        if !egress.is_empty() {
            let request = clients.ec2().revoke_security_group_egress().group_id(id);
            let request = request.set_security_group_rule_ids(Some(egress));
            request.send().await.map_err(failed(REVOKE_EGRESS)).or_absent()?;
        }
        if !ingress.is_empty() {
            let request = clients.ec2().revoke_security_group_ingress().group_id(id);
            let request = request.set_security_group_rule_ids(Some(ingress));
            request.send().await.map_err(failed(REVOKE_INGRESS)).or_absent()?;
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

/// Groups with what else they allow.
fn with_rules(mut groups: Vec<Observed>, rules: &[Rule]) -> Vec<Observed> {
    for group in &mut groups {
        let own = rules.iter().filter(|rule| rule.group_id() == Some(group.identity.as_str()));
        let mut unlisted: Vec<Value> =
            own.filter(|rule| is_unlisted(rule)).map(|rule| Tree::Text(described(rule))).collect();
        unlisted.sort_by(|left, right| left.as_text().cmp(&right.as_text()));
        group.attributes.set(&["unlisted_rules"], Tree::List(unlisted));
    }
    groups
}

/// Whether a rule is no resource of an instance. What carries the tags of another instance is that one's.
fn is_unlisted(rule: &Rule) -> bool {
    !present(rule.tags()).any(|(key, _)| key == tags::ADDRESS)
}

/// A rule in a few words: `ingress tcp 443 0.0.0.0/0`.
fn described(rule: &Rule) -> String {
    let direction = if rule.is_egress() == Some(true) { "egress" } else { "ingress" };
    let protocol = rule.ip_protocol().filter(|protocol| *protocol != ALL_PROTOCOLS).unwrap_or("all");
    let ports = match (rule.from_port(), rule.to_port()) {
        (Some(from), Some(to)) if from >= 0 && from == to => format!(" {from}"),
        (Some(from), Some(to)) if from >= 0 => format!(" {from}-{to}"),
        _ => String::new(),
    };
    let group = rule.referenced_group_info().and_then(|group| group.group_id());
    let side = rule.cidr_ipv4().or(rule.cidr_ipv6()).or(rule.prefix_list_id()).or(group).unwrap_or("nobody");
    format!("{direction} {protocol}{ports} {side}")
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
