//! `ec2.security_group_rule`: one allowed direction, port range and other side.
//!
//! AWS itself refuses a second rule that allows the same. An equal rule of somebody else is not taken over, although it
//! does what ours would do: whoever made it may take it away.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, ResourceType, SecurityGroupRule as Rule, SecurityGroupRuleRequest,
    SecurityGroupRuleUpdate, UserIdGroupPair,
};

use super::{FILTER_VALUES, filter, present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, recorded, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, Standing, adopt, by_identity, created, identities, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{Tags, has_all};
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observation, ProviderError, Target, Update};
use crate::value::Tree;

const AUTHORIZE_EGRESS: &str = "ec2:AuthorizeSecurityGroupEgress";
const AUTHORIZE_INGRESS: &str = "ec2:AuthorizeSecurityGroupIngress";
const DESCRIBE: &str = "ec2:DescribeSecurityGroupRules";
const MODIFY: &str = "ec2:ModifySecurityGroupRules";
const REVOKE_EGRESS: &str = "ec2:RevokeSecurityGroupEgress";
const REVOKE_INGRESS: &str = "ec2:RevokeSecurityGroupIngress";

pub struct SecurityGroupRule;

#[async_trait]
impl Handler for SecurityGroupRule {
    fn type_name(&self) -> &'static str {
        "ec2.security_group_rule"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        // A plan asks for the rules of all groups as well, so the question is the same.
        let groups: Option<BTreeSet<String>> = targets
            .iter()
            .map(|target| target.recorded.get("group_id").and_then(Tree::as_text).map(str::to_owned))
            .collect();
        let rules = match groups {
            Some(groups) => of_groups(clients, groups).await,
            None => {
                let ids = identities(targets);
                let batches = ids.chunks(FILTER_VALUES).map(|ids| describe(clients, "security-group-rule-id", ids));
                try_wave(batches.collect()).await.map(|rules| rules.concat())
            }
        };
        let reports = rules.map(|rules| {
            let ids: BTreeSet<&str> = targets.iter().map(|target| target.identity.as_str()).collect();
            let wanted = rules.iter().filter(|rule| rule.security_group_rule_id().is_some_and(|id| ids.contains(id)));
            wanted.map(report).collect()
        });
        by_identity(targets, reports)
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let own = equal(clients, creation).await?.into_iter().filter(|rule| is_own(creation, rule));
        Ok(own.filter_map(|rule| rule.security_group_rule_id).map(Identity::new).collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let egress = wanted(creation, AUTHORIZE_INGRESS).text("direction")? == "egress";
        let operation = if egress { AUTHORIZE_EGRESS } else { AUTHORIZE_INGRESS };
        let wanted = wanted(creation, operation);
        let group_id = wanted.text("group_id")?;
        let permission = permission(&wanted)?;
        let tags = super::specification(ResourceType::SecurityGroupRule, &creation.tags);
        let answer = if egress {
            let request = clients.ec2().authorize_security_group_egress().group_id(group_id);
            let answer = request.ip_permissions(permission).tag_specifications(tags).send().await;
            answer.map(|answer| answer.security_group_rules).map_err(failed(AUTHORIZE_EGRESS))
        } else {
            let request = clients.ec2().authorize_security_group_ingress().group_id(group_id);
            let answer = request.ip_permissions(permission).tag_specifications(tags).send().await;
            answer.map(|answer| answer.security_group_rules).map_err(failed(AUTHORIZE_INGRESS))
        };
        let answer =
            answer.and_then(|rules| rules.into_iter().flatten().next().ok_or_else(|| unanswered(operation, "rule")));
        let rule = adopt(creation, answer, || namesake(clients, creation)).await?;
        let id = rule.security_group_rule_id.ok_or_else(|| unanswered(operation, "rule id"))?;
        Ok(created(id.clone(), Report::new().set("id", id)))
    }

    /// AWS wants the whole rule again, whatever changes of it.
    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let desired = desired(update, MODIFY);
        let rule = SecurityGroupRuleRequest::builder()
            .ip_protocol(desired.text("protocol")?)
            .set_from_port(desired.optional_integer("from_port")?)
            .set_to_port(desired.optional_integer("to_port")?)
            .set_cidr_ipv4(desired.owned_text("cidr_ipv4")?)
            .set_cidr_ipv6(desired.owned_text("cidr_ipv6")?)
            .set_referenced_group_id(desired.owned_text("referenced_group_id")?)
            .set_description(desired.owned_text("description")?)
            .build();
        let change = SecurityGroupRuleUpdate::builder()
            .security_group_rule_id(update.target.identity.as_str())
            .security_group_rule(rule)
            .build();
        let request = clients.ec2().modify_security_group_rules().group_id(desired.text("group_id")?);
        request.security_group_rules(change).send().await.map_err(failed(MODIFY))?;
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        tag(clients, target.identity.as_str(), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let recorded = recorded(target, DESCRIBE);
        let id = target.identity.as_str();
        let known = recorded.owned_text("group_id")?.zip(recorded.optional_text("direction")?.map(is_egress));
        let known = match known {
            Some(known) => Some(known),
            None => {
                let rules = describe(clients, "security-group-rule-id", &[id.to_owned()]).await?;
                rules.into_iter().next().and_then(|rule| rule.group_id.zip(rule.is_egress))
            }
        };
        match known {
            Some((group_id, true)) => {
                let request = clients.ec2().revoke_security_group_egress().group_id(group_id);
                request.security_group_rule_ids(id).send().await.map_err(failed(REVOKE_EGRESS)).or_absent()?;
            }
            Some((group_id, false)) => {
                let request = clients.ec2().revoke_security_group_ingress().group_id(group_id);
                request.security_group_rule_ids(id).send().await.map_err(failed(REVOKE_INGRESS)).or_absent()?;
            }
            None => {}
        }
        Ok(Deletion::Accepted)
    }
}

/// The rules of the group that allow what a creation wants to allow, whoever's they are.
async fn equal(clients: &Clients, creation: &Creation) -> Result<Vec<Rule>, ProviderError> {
    let wanted = wanted(creation, DESCRIBE);
    let signature = Signature::of_attributes(&wanted)?;
    let mut rules = describe(clients, "group-id", &[wanted.text("group_id")?.to_owned()]).await?;
    rules.retain(|rule| Signature::of_rule(rule) == signature);
    Ok(rules)
}

fn is_own(creation: &Creation, rule: &Rule) -> bool {
    has_all(&creation.tags, present(rule.tags()))
}

/// Whose the equal rule is because of which AWS refused to make one.
async fn namesake(clients: &Clients, creation: &Creation) -> Result<Standing<Rule>, ProviderError> {
    let mut others = Vec::new();
    for rule in equal(clients, creation).await? {
        if is_own(creation, &rule) {
            return Ok(Standing::Ours(rule));
        }
        others.extend(rule.security_group_rule_id);
    }
    let told = |id: &String| format!("an equal rule, {id}, exists in the group and is not this instance's");
    Ok(Standing::Taken(others.first().map(told)))
}

fn is_egress(direction: &str) -> bool {
    direction == "egress"
}

/// What makes two rules of a group the same for AWS: everything but the description.
#[derive(PartialEq, Eq)]
struct Signature {
    egress: bool,
    protocol: String,
    ports: (i32, i32),
    other_side: [Option<String>; 3],
}

impl Signature {
    fn of_attributes(attributes: &Attributes<'_>) -> Result<Self, ProviderError> {
        Ok(Self {
            egress: is_egress(attributes.text("direction")?),
            protocol: attributes.text("protocol")?.to_owned(),
            ports: (
                attributes.optional_integer("from_port")?.unwrap_or(-1),
                attributes.optional_integer("to_port")?.unwrap_or(-1),
            ),
            other_side: [
                attributes.owned_text("cidr_ipv4")?,
                attributes.owned_text("cidr_ipv6")?,
                attributes.owned_text("referenced_group_id")?,
            ],
        })
    }

    fn of_rule(rule: &Rule) -> Self {
        let group = rule.referenced_group_info().and_then(|group| group.group_id());
        Self {
            egress: rule.is_egress().unwrap_or_default(),
            protocol: rule.ip_protocol().unwrap_or_default().to_owned(),
            ports: (rule.from_port().unwrap_or(-1), rule.to_port().unwrap_or(-1)),
            other_side: [rule.cidr_ipv4(), rule.cidr_ipv6(), group].map(|side| side.map(str::to_owned)),
        }
    }
}

fn permission(wanted: &Attributes<'_>) -> Result<IpPermission, ProviderError> {
    let description = wanted.owned_text("description")?;
    let mut permission = IpPermission::builder()
        .ip_protocol(wanted.text("protocol")?)
        .set_from_port(wanted.optional_integer("from_port")?)
        .set_to_port(wanted.optional_integer("to_port")?);
    if let Some(cidr) = wanted.optional_text("cidr_ipv4")? {
        permission =
            permission.ip_ranges(IpRange::builder().cidr_ip(cidr).set_description(description.clone()).build());
    }
    if let Some(cidr) = wanted.optional_text("cidr_ipv6")? {
        permission =
            permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr).set_description(description.clone()).build());
    }
    if let Some(group) = wanted.optional_text("referenced_group_id")? {
        let pair = UserIdGroupPair::builder().group_id(group).set_description(description).build();
        permission = permission.user_id_group_pairs(pair);
    }
    Ok(permission.build())
}

/// All rules of these groups, whoever's they are. Somebody else's question that is on its way is not asked again.
pub(super) async fn of_groups(clients: &Clients, groups: BTreeSet<String>) -> Result<Vec<Rule>, ProviderError> {
    let groups: Vec<String> = groups.into_iter().collect();
    let ask = || async {
        let batches = groups.chunks(FILTER_VALUES).map(|groups| describe(clients, "group-id", groups));
        Ok(try_wave(batches.collect()).await?.concat())
    };
    clients.rules.ask(&groups.join(" "), ask).await
}

async fn describe(clients: &Clients, filter_name: &str, values: &[String]) -> Result<Vec<Rule>, ProviderError> {
    let request = clients.ec2().describe_security_group_rules().filters(filter(filter_name, values));
    request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(DESCRIBE))
}

fn report(rule: &Rule) -> crate::provider::Observed {
    let id = rule.security_group_rule_id().unwrap_or_default();
    let direction = rule.is_egress().map(|egress| if egress { "egress" } else { "ingress" });
    let report = Report::new()
        .set("group_id", rule.group_id())
        .set("direction", direction)
        .set("protocol", rule.ip_protocol())
        .set("from_port", rule.from_port())
        .set("to_port", rule.to_port())
        .set("cidr_ipv4", rule.cidr_ipv4())
        .set("cidr_ipv6", rule.cidr_ipv6())
        .set("referenced_group_id", rule.referenced_group_info().and_then(|group| group.group_id()))
        // A rule without one and an answer without one look the same; a lost description harms nobody.
        .set_if("description", rule.description())
        .set("id", id);
    tagged(observed(id, report), present(rule.tags()))
}
