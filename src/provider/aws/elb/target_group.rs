//! `elb.target_group`: who answers requests.
//!
//! The deregistration delay is what AWS calls an attribute: key and value, set by a second call and read by one of its
//! own per target group.
//!
//! A replacement is made before its predecessor goes. Both have the same tags, so a target group found by its name is
//! the wanted one only if all that cannot be changed is the same, too.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::operation::create_target_group::builders::CreateTargetGroupFluentBuilder;
use aws_sdk_elasticloadbalancingv2::operation::modify_target_group::builders::ModifyTargetGroupFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, ProtocolEnum, TargetGroup as Group, TargetGroupAttribute, TargetTypeEnum,
};

use super::{Setting, TAGS, carries, describe_existing, tag, tags_of, taken, texts, told, with_settings};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::flat::flat;
use crate::provider::aws::handler::{Handler, TagSource, Told, by_identity, created, identities, observed};
use crate::provider::aws::index::Index;
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "elasticloadbalancing:CreateTargetGroup";
const DELETE: &str = "elasticloadbalancing:DeleteTargetGroup";
const DESCRIBE: &str = "elasticloadbalancing:DescribeTargetGroups";
const DESCRIBE_ATTRIBUTES: &str = "elasticloadbalancing:DescribeTargetGroupAttributes";
const MODIFY: &str = "elasticloadbalancing:ModifyTargetGroup";
const MODIFY_ATTRIBUTES: &str = "elasticloadbalancing:ModifyTargetGroupAttributes";

const SETTINGS: &[Setting] =
    &[Setting { attribute: "deregistration_delay_seconds", key: "deregistration_delay.timeout_seconds" }];

// How the health of targets is asked. All of it is always sent: AWS's own defaults depend on the protocol.
flat! {
    creation: CreateTargetGroupFluentBuilder;
    update: ModifyTargetGroupFluentBuilder;
    shown: |group: &Group|;
    (path, needed_text, set_health_check_path, =, group.health_check_path()),
    (matcher, matcher, set_matcher, =, group.matcher().and_then(|matcher| matcher.http_code())),
    (interval, needed_integer, set_health_check_interval_seconds, =, group.health_check_interval_seconds()),
    (timeout, needed_integer, set_health_check_timeout_seconds, =, group.health_check_timeout_seconds()),
    (healthy_threshold, needed_integer, set_healthy_threshold_count, =, group.healthy_threshold_count()),
    (unhealthy_threshold, needed_integer, set_unhealthy_threshold_count, =, group.unhealthy_threshold_count()),
}

pub struct TargetGroup;

#[async_trait]
impl Handler for TargetGroup {
    fn type_name(&self) -> &'static str {
        "elb.target_group"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        by_identity(targets, observe_groups(clients, &identities(targets)).await)
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let wanted = wanted(creation, DESCRIBE);
        match named(clients, wanted.text("name")?).await? {
            Some(found) if is_own(clients, creation, &wanted, &found).await? => {
                Ok(found.target_group_arn.into_iter().map(Identity::new).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let group = match named(clients, name).await? {
            Some(found) if is_own(clients, creation, &wanted, &found).await? => found,
            Some(_) => return Err(taken(CREATE, "target group", name)),
            None => {
                let request = clients
                    .elb()
                    .create_target_group()
                    .name(name)
                    .target_type(TargetTypeEnum::from(wanted.text("target_type")?))
                    .protocol(ProtocolEnum::from(wanted.text("protocol")?))
                    .port(wanted.integer("port")?)
                    .vpc_id(wanted.text("vpc_id")?)
                    .set_tags(Some(super::listed(&creation.tags)));
                let request = fill_creation(request, &wanted.table("health_check")?)?;
                let answer = request.send().await.map_err(failed(CREATE))?;
                let made = answer.target_groups.into_iter().flatten().next();
                let made = made.ok_or_else(|| unanswered(CREATE, "target group"))?;
                // Of another kind AWS does not know all settings, and nothing would show that one was refused.
                if matches!(made.target_type(), Some(TargetTypeEnum::Ip | TargetTypeEnum::Instance)) {
                    creation.attempt.herald.tell(&outcome(&made)?);
                }
                made
            }
        };
        let created = outcome(&group)?;
        modify_settings(clients, created.identity.as_str(), texts(SETTINGS, &wanted, |_| true)?).await?;
        Ok(created)
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let arn = update.target.identity.as_str();
        let desired = desired(update, MODIFY);
        if update.changed("health_check").is_some() {
            let request = clients.elb().modify_target_group().target_group_arn(arn);
            let request = fill_update(request, &desired.table("health_check")?)?;
            request.send().await.map_err(failed(MODIFY))?;
        }
        modify_settings(clients, arn, texts(SETTINGS, &desired, |attribute| update.changed(attribute).is_some())?).await
    }

    fn tag_source(&self) -> TagSource {
        TAGS
    }

    async fn tags_by_arn(&self, clients: &Clients, arns: &[String]) -> Result<Index, ProviderError> {
        tags_of(clients, arns).await
    }

    async fn tags_of_all(&self, clients: &Clients, observed: &[&Observed]) -> Vec<Result<Told, ProviderError>> {
        told(clients, observed).await
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        tag(clients, target, tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.elb().delete_target_group().target_group_arn(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

fn matcher(check: &Attributes<'_>) -> Result<Option<Matcher>, ProviderError> {
    Ok(Some(Matcher::builder().http_code(check.text("matcher")?).build()))
}

/// A target group that was made, with everything that the answer tells.
fn outcome(group: &Group) -> Result<Created, ProviderError> {
    let arn = group.target_group_arn().ok_or_else(|| unanswered(CREATE, "arn"))?;
    Ok(created(arn, Report::new().set("arn", arn)))
}

/// The target group of that name, whoever's it is.
async fn named(clients: &Clients, name: &str) -> Result<Option<Group>, ProviderError> {
    let request = clients.elb().describe_target_groups().names(name);
    let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.target_groups).into_iter().flatten().next())
}

/// Whether a target group is what `creation` may have made.
async fn is_own(
    clients: &Clients,
    creation: &Creation,
    wanted: &Attributes<'_>,
    group: &Group,
) -> Result<bool, ProviderError> {
    let target_type = wanted.text("target_type")?;
    let is_same = group.target_type().map(|kind| kind.as_str()) == Some(target_type)
        && group.protocol().map(|protocol| protocol.as_str()) == Some(wanted.text("protocol")?)
        && group.port() == Some(wanted.integer("port")?)
        && group.vpc_id() == Some(wanted.text("vpc_id")?);
    Ok(is_same && carries(clients, group.target_group_arn().unwrap_or_default(), &creation.tags).await?)
}

async fn observe_groups(clients: &Clients, arns: &[String]) -> Result<Vec<Observed>, ProviderError> {
    let (groups, settings) = tokio::join!(
        describe_existing(arns, |arns| describe(clients, arns)),
        try_wave(arns.iter().map(|arn| describe_settings(clients, arn)).collect()),
    );
    let settings: BTreeMap<&String, BTreeMap<String, String>> = arns.iter().zip(settings?).collect();
    let observe = |group: Group| {
        let arn = group.target_group_arn.clone().unwrap_or_default();
        let report = with_settings(report(&group), SETTINGS, settings.get(&arn));
        observed(arn, report)
    };
    Ok(groups?.into_iter().map(observe).collect())
}

async fn describe(clients: &Clients, arns: Vec<String>) -> Result<Vec<Group>, ProviderError> {
    let request = clients.elb().describe_target_groups().set_target_group_arns(Some(arns));
    Ok(request.send().await.map_err(failed(DESCRIBE))?.target_groups.unwrap_or_default())
}

/// The settings by key; empty for a target group that is gone.
async fn describe_settings(clients: &Clients, arn: &str) -> Result<BTreeMap<String, String>, ProviderError> {
    let request = clients.elb().describe_target_group_attributes().target_group_arn(arn);
    let answer = request.send().await.map_err(failed(DESCRIBE_ATTRIBUTES)).or_absent()?;
    let settings = answer.and_then(|answer| answer.attributes).into_iter().flatten();
    Ok(settings.filter_map(|setting| setting.key.zip(setting.value)).collect())
}

async fn modify_settings(clients: &Clients, arn: &str, texts: Vec<(&str, String)>) -> Result<(), ProviderError> {
    if !texts.is_empty() {
        let request = clients.elb().modify_target_group_attributes().target_group_arn(arn);
        let setting = |(key, value): (&str, String)| TargetGroupAttribute::builder().key(key).value(value).build();
        let request = request.set_attributes(Some(texts.into_iter().map(setting).collect()));
        request.send().await.map_err(failed(MODIFY_ATTRIBUTES))?;
    }
    Ok(())
}

fn report(group: &Group) -> Report {
    Report::new()
        .set("name", group.target_group_name())
        .set("target_type", group.target_type().map(|kind| kind.as_str()))
        .set("protocol", group.protocol().map(|protocol| protocol.as_str()))
        .set("port", group.port())
        .set("vpc_id", group.vpc_id())
        .set("health_check", show(group))
        .set("arn", group.target_group_arn())
}
