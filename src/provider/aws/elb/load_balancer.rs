//! `elb.load_balancer`: the public address.
//!
//! Idle timeout, deletion protection and the handling of headers are what AWS calls attributes: key and value, set by a
//! second call and read by one of its own per load balancer. A creation that stopped before the second call finds its load balancer by name
//! and tags and goes on.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{
    IpAddressType, LoadBalancer as Balancer, LoadBalancerAttribute, LoadBalancerSchemeEnum, LoadBalancerTypeEnum,
};

use super::{Setting, TAGS, carries, describe_existing, tag, tags_of, taken, texts, told, with_settings};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, TagSource, Told, by_identity, created, identities, observed};
use crate::provider::aws::index::Index;
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "elasticloadbalancing:CreateLoadBalancer";
const DELETE: &str = "elasticloadbalancing:DeleteLoadBalancer";
const DESCRIBE: &str = "elasticloadbalancing:DescribeLoadBalancers";
const DESCRIBE_ATTRIBUTES: &str = "elasticloadbalancing:DescribeLoadBalancerAttributes";
const MODIFY_ATTRIBUTES: &str = "elasticloadbalancing:ModifyLoadBalancerAttributes";
const SET_ADDRESS_TYPE: &str = "elasticloadbalancing:SetIpAddressType";
const SET_SECURITY_GROUPS: &str = "elasticloadbalancing:SetSecurityGroups";
const SET_SUBNETS: &str = "elasticloadbalancing:SetSubnets";

const SETTINGS: &[Setting] = &[
    Setting { attribute: "idle_timeout_seconds", key: "idle_timeout.timeout_seconds" },
    Setting { attribute: "deletion_protection", key: "deletion_protection.enabled" },
    Setting { attribute: "drop_invalid_header_fields", key: "routing.http.drop_invalid_header_fields.enabled" },
];

pub struct LoadBalancer;

#[async_trait]
impl Handler for LoadBalancer {
    fn type_name(&self) -> &'static str {
        "elb.load_balancer"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        by_identity(targets, observe_balancers(clients, &identities(targets)).await)
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let arn =
            named(clients, wanted(creation, DESCRIBE).text("name")?).await?.and_then(|found| found.load_balancer_arn);
        match arn {
            Some(arn) if carries(clients, &arn, &creation.tags).await? => Ok(vec![Identity::new(arn)]),
            _ => Ok(Vec::new()),
        }
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let balancer = match named(clients, name).await? {
            Some(found) if carries(clients, found.load_balancer_arn().unwrap_or_default(), &creation.tags).await? => {
                found
            }
            Some(_) => return Err(taken(CREATE, "load balancer", name)),
            None => {
                let request = clients
                    .elb()
                    .create_load_balancer()
                    .name(name)
                    .set_type(wanted.optional_text("kind")?.map(LoadBalancerTypeEnum::from))
                    .set_scheme(wanted.optional_text("scheme")?.map(LoadBalancerSchemeEnum::from))
                    .set_ip_address_type(wanted.optional_text("ip_address_type")?.map(IpAddressType::from))
                    .set_subnets(Some(wanted.texts("subnets")?))
                    .set_security_groups(wanted.optional_texts("security_groups")?)
                    .set_tags(Some(super::listed(&creation.tags)));
                let answer = request.send().await.map_err(failed(CREATE))?;
                let made = answer.load_balancers.into_iter().flatten().next();
                let made = made.ok_or_else(|| unanswered(CREATE, "load balancer"))?;
                // Of another kind AWS does not know all settings, and nothing would show that one was refused.
                if made.r#type() == Some(&LoadBalancerTypeEnum::Application) {
                    creation.attempt.herald.tell(&outcome(&made)?);
                }
                made
            }
        };
        let created = outcome(&balancer)?;
        let texts = texts(SETTINGS, &wanted, |attribute| wanted.get(attribute).is_some())?;
        modify_settings(clients, created.identity.as_str(), texts).await?;
        Ok(created)
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let arn = update.target.identity.as_str();
        let desired = desired(update, SET_SUBNETS);
        let address_type = match update.changed("ip_address_type") {
            Some(_) => Some(IpAddressType::from(desired.text("ip_address_type")?)),
            None => None,
        };
        if update.changed("subnets").is_some() {
            // Both in one call: subnets must have the addresses that the load balancer shall have.
            let request =
                clients.elb().set_subnets().load_balancer_arn(arn).set_subnets(Some(desired.texts("subnets")?));
            request.set_ip_address_type(address_type).send().await.map_err(failed(SET_SUBNETS))?;
        } else if let Some(address_type) = address_type {
            let request = clients.elb().set_ip_address_type().load_balancer_arn(arn).ip_address_type(address_type);
            request.send().await.map_err(failed(SET_ADDRESS_TYPE))?;
        }
        if update.changed("security_groups").is_some()
            && let Some(groups) = desired.optional_texts("security_groups")?
        {
            let request = clients.elb().set_security_groups().load_balancer_arn(arn).set_security_groups(Some(groups));
            request.send().await.map_err(failed(SET_SECURITY_GROUPS))?;
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
        let request = clients.elb().delete_load_balancer().load_balancer_arn(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

/// A load balancer that was made, with everything that the answer tells.
fn outcome(balancer: &Balancer) -> Result<Created, ProviderError> {
    let arn = balancer.load_balancer_arn().ok_or_else(|| unanswered(CREATE, "arn"))?;
    let report = Report::new()
        .set("arn", arn)
        .set_if("dns_name", balancer.dns_name())
        .set_if("hosted_zone_id", balancer.canonical_hosted_zone_id());
    Ok(created(arn, report))
}

/// The load balancer of that name, whoever's it is.
async fn named(clients: &Clients, name: &str) -> Result<Option<Balancer>, ProviderError> {
    let request = clients.elb().describe_load_balancers().names(name);
    let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.load_balancers).into_iter().flatten().next())
}

async fn observe_balancers(clients: &Clients, arns: &[String]) -> Result<Vec<Observed>, ProviderError> {
    let (balancers, settings) = tokio::join!(
        describe_existing(arns, |arns| describe(clients, arns)),
        try_wave(arns.iter().map(|arn| describe_settings(clients, arn)).collect()),
    );
    let settings: BTreeMap<&String, BTreeMap<String, String>> = arns.iter().zip(settings?).collect();
    let observe = |balancer: Balancer| {
        let arn = balancer.load_balancer_arn.clone().unwrap_or_default();
        let report = with_settings(report(&balancer), SETTINGS, settings.get(&arn));
        observed(arn, report)
    };
    Ok(balancers?.into_iter().map(observe).collect())
}

async fn describe(clients: &Clients, arns: Vec<String>) -> Result<Vec<Balancer>, ProviderError> {
    let request = clients.elb().describe_load_balancers().set_load_balancer_arns(Some(arns));
    Ok(request.send().await.map_err(failed(DESCRIBE))?.load_balancers.unwrap_or_default())
}

/// What AWS calls attributes, by key; nothing for a load balancer that is gone.
async fn describe_settings(clients: &Clients, arn: &str) -> Result<BTreeMap<String, String>, ProviderError> {
    let request = clients.elb().describe_load_balancer_attributes().load_balancer_arn(arn);
    let answer = request.send().await.map_err(failed(DESCRIBE_ATTRIBUTES)).or_absent()?;
    let settings = answer.and_then(|answer| answer.attributes).into_iter().flatten();
    Ok(settings.filter_map(|setting| setting.key.zip(setting.value)).collect())
}

async fn modify_settings(clients: &Clients, arn: &str, texts: Vec<(&str, String)>) -> Result<(), ProviderError> {
    if !texts.is_empty() {
        let request = clients.elb().modify_load_balancer_attributes().load_balancer_arn(arn);
        let setting = |(key, value): (&str, String)| LoadBalancerAttribute::builder().key(key).value(value).build();
        request
            .set_attributes(Some(texts.into_iter().map(setting).collect()))
            .send()
            .await
            .map_err(failed(MODIFY_ATTRIBUTES))?;
    }
    Ok(())
}

fn report(balancer: &Balancer) -> Report {
    let subnets = balancer.availability_zones().iter().filter_map(|zone| zone.subnet_id());
    Report::new()
        .set("name", balancer.load_balancer_name())
        .set("kind", balancer.r#type().map(|kind| kind.as_str()))
        .set("scheme", balancer.scheme().map(|scheme| scheme.as_str()))
        .set("ip_address_type", balancer.ip_address_type().map(|kind| kind.as_str()))
        .set("subnets", subnets.collect::<Vec<_>>())
        .set("security_groups", balancer.security_groups().iter().map(String::as_str).collect::<Vec<_>>())
        .set("arn", balancer.load_balancer_arn())
        .set("dns_name", balancer.dns_name())
        .set("hosted_zone_id", balancer.canonical_hosted_zone_id())
        .set("status", balancer.state().and_then(|state| state.code()).map(|code| code.as_str()))
}
