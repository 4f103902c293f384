//! `elb.target_group`: who answers requests.
//!
//! The deregistration delay is what AWS calls an attribute: key and value, set by a second call and read by one of its
//! own per target group.
//!
//! A replacement is made before its predecessor goes. Both have the same tags, so a target group found by its name is
//! the wanted one only if all that cannot be changed is the same, too.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, ProtocolEnum, TargetGroup as Group, TargetGroupAttribute, TargetTypeEnum,
};

use super::{TAGS, carries, describe_existing, tag, tags_of, taken, told};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
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

const DEREGISTRATION_DELAY: &str = "deregistration_delay.timeout_seconds";

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
                let check = HealthCheck::of(&wanted)?;
                let request = clients
                    .elb()
                    .create_target_group()
                    .name(name)
                    .target_type(TargetTypeEnum::from(wanted.text("target_type")?))
                    .protocol(ProtocolEnum::from(wanted.text("protocol")?))
                    .port(wanted.integer("port")?)
                    .vpc_id(wanted.text("vpc_id")?)
                    .health_check_path(check.path)
                    .matcher(check.matcher)
                    .health_check_interval_seconds(check.interval)
                    .health_check_timeout_seconds(check.timeout)
                    .healthy_threshold_count(check.healthy_threshold)
                    .unhealthy_threshold_count(check.unhealthy_threshold)
                    .set_tags(Some(super::listed(&creation.tags)));
                let answer = request.send().await.map_err(failed(CREATE))?;
                let made = answer.target_groups.into_iter().flatten().next();
                made.ok_or_else(|| unanswered(CREATE, "target group"))?
            }
        };
        let arn = group.target_group_arn.ok_or_else(|| unanswered(CREATE, "arn"))?;
        modify_delay(clients, &arn, wanted.integer("deregistration_delay_seconds")?).await?;
        Ok(created(arn.clone(), Report::new().set("arn", arn)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let arn = update.target.identity.as_str();
        let desired = desired(update, MODIFY);
        if update.changed("health_check").is_some() {
            let check = HealthCheck::of(&desired)?;
            let request = clients
                .elb()
                .modify_target_group()
                .target_group_arn(arn)
                .health_check_path(check.path)
                .matcher(check.matcher)
                .health_check_interval_seconds(check.interval)
                .health_check_timeout_seconds(check.timeout)
                .healthy_threshold_count(check.healthy_threshold)
                .unhealthy_threshold_count(check.unhealthy_threshold);
            request.send().await.map_err(failed(MODIFY))?;
        }
        if update.changed("deregistration_delay_seconds").is_some() {
            modify_delay(clients, arn, desired.integer("deregistration_delay_seconds")?).await?;
        }
        Ok(())
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

/// How the health of targets is asked. All of it is always sent: AWS's own defaults depend on the protocol.
struct HealthCheck {
    path: String,
    matcher: Matcher,
    interval: i32,
    timeout: i32,
    healthy_threshold: i32,
    unhealthy_threshold: i32,
}

impl HealthCheck {
    fn of(attributes: &Attributes<'_>) -> Result<Self, ProviderError> {
        let check = attributes.table("health_check")?;
        Ok(Self {
            path: check.text("path")?.to_owned(),
            matcher: Matcher::builder().http_code(check.text("matcher")?).build(),
            interval: check.integer("interval")?,
            timeout: check.integer("timeout")?,
            healthy_threshold: check.integer("healthy_threshold")?,
            unhealthy_threshold: check.integer("unhealthy_threshold")?,
        })
    }
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
    let (groups, delays) = tokio::join!(
        describe_existing(arns, |arns| describe(clients, arns)),
        try_wave(arns.iter().map(|arn| describe_delay(clients, arn)).collect()),
    );
    let delays: BTreeMap<&String, Option<i64>> = arns.iter().zip(delays?).collect();
    let observe = |group: Group| {
        let arn = group.target_group_arn.clone().unwrap_or_default();
        let delay = delays.get(&arn).copied().flatten();
        observed(arn, report(&group).set_if("deregistration_delay_seconds", delay))
    };
    Ok(groups?.into_iter().map(observe).collect())
}

async fn describe(clients: &Clients, arns: Vec<String>) -> Result<Vec<Group>, ProviderError> {
    let request = clients.elb().describe_target_groups().set_target_group_arns(Some(arns));
    Ok(request.send().await.map_err(failed(DESCRIBE))?.target_groups.unwrap_or_default())
}

/// The deregistration delay; none for a target group that is gone.
async fn describe_delay(clients: &Clients, arn: &str) -> Result<Option<i64>, ProviderError> {
    let request = clients.elb().describe_target_group_attributes().target_group_arn(arn);
    let answer = request.send().await.map_err(failed(DESCRIBE_ATTRIBUTES)).or_absent()?;
    let mut settings = answer.and_then(|answer| answer.attributes).into_iter().flatten();
    let delay = settings.find(|setting| setting.key() == Some(DEREGISTRATION_DELAY)).and_then(|setting| setting.value);
    Ok(delay.and_then(|text| text.parse().ok()))
}

async fn modify_delay(clients: &Clients, arn: &str, seconds: i32) -> Result<(), ProviderError> {
    let delay = TargetGroupAttribute::builder().key(DEREGISTRATION_DELAY).value(seconds.to_string()).build();
    let request = clients.elb().modify_target_group_attributes().target_group_arn(arn).attributes(delay);
    request.send().await.map_err(failed(MODIFY_ATTRIBUTES))?;
    Ok(())
}

fn report(group: &Group) -> Report {
    let check = Report::new()
        .set("path", group.health_check_path())
        .set("matcher", group.matcher().and_then(|matcher| matcher.http_code()))
        .set("interval", group.health_check_interval_seconds())
        .set("timeout", group.health_check_timeout_seconds())
        .set("healthy_threshold", group.healthy_threshold_count())
        .set("unhealthy_threshold", group.unhealthy_threshold_count());
    Report::new()
        .set("name", group.target_group_name())
        .set("target_type", group.target_type().map(|kind| kind.as_str()))
        .set("protocol", group.protocol().map(|protocol| protocol.as_str()))
        .set("port", group.port())
        .set("vpc_id", group.vpc_id())
        .set("health_check", check)
        .set("arn", group.target_group_arn())
}
