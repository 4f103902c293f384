//! `elb.listener`: a port of a load balancer.

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{Certificate, Listener as Port, ProtocolEnum};

use super::{TAGS, action, carries, describe_existing, tag, tags_of, told};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{
    Handler, TagSource, Told, adopt, by_identity, created, identities, observed, standing,
};
use crate::provider::aws::index::Index;
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "elasticloadbalancing:CreateListener";
const DELETE: &str = "elasticloadbalancing:DeleteListener";
const DESCRIBE: &str = "elasticloadbalancing:DescribeListeners";
const MODIFY: &str = "elasticloadbalancing:ModifyListener";

pub struct Listener;

#[async_trait]
impl Handler for Listener {
    fn type_name(&self) -> &'static str {
        "elb.listener"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let listeners = describe_existing(&identities(targets), |arns| describe(clients, arns)).await;
        by_identity(targets, listeners.map(|listeners| listeners.iter().map(report).collect()))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let wanted = wanted(creation, DESCRIBE);
        let port = wanted.integer("port")?;
        let request = clients.elb().describe_listeners().load_balancer_arn(wanted.text("load_balancer_arn")?);
        let listeners = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let listeners = listeners.map_err(failed(DESCRIBE)).or_absent()?.unwrap_or_default();
        let mut found = Vec::new();
        for listener in listeners.into_iter().filter(|listener| listener.port() == Some(port)) {
            let arn = listener.listener_arn.unwrap_or_default();
            if carries(clients, &arn, &creation.tags).await? {
                found.push(Identity::new(arn));
            }
        }
        Ok(found)
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let request = clients
            .elb()
            .create_listener()
            .load_balancer_arn(wanted.text("load_balancer_arn")?)
            .port(wanted.integer("port")?)
            .protocol(ProtocolEnum::from(wanted.text("protocol")?))
            .set_ssl_policy(wanted.owned_text("ssl_policy")?)
            .set_certificates(certificates(&wanted)?)
            .default_actions(action::wanted(&wanted.table("default_action")?)?)
            .set_tags(Some(super::listed(&creation.tags)));
        let answer = request.send().await.map_err(failed(CREATE)).and_then(|answer| {
            let made = answer.listeners.into_iter().flatten().next();
            made.and_then(|listener| listener.listener_arn).map(Identity::new).ok_or_else(|| unanswered(CREATE, "arn"))
        });
        let arn = adopt(creation, answer, || standing(self, clients, creation)).await?.0;
        Ok(created(arn.clone(), Report::new().set("arn", arn)))
    }

    /// AWS forgets security policy and certificate when a listener becomes one for HTTP, and wants both when it becomes
    /// one for HTTPS.
    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let desired = desired(update, MODIFY);
        let changes = |names: &[&str]| names.iter().any(|name| update.changed(name).is_some());
        if !changes(&["port", "protocol", "ssl_policy", "certificate_arn", "default_action"]) {
            return Ok(());
        }
        let protocol = ProtocolEnum::from(desired.text("protocol")?);
        let is_encrypted = protocol == ProtocolEnum::Https;
        let mut request = clients.elb().modify_listener().listener_arn(update.target.identity.as_str());
        if changes(&["port"]) {
            request = request.port(desired.integer("port")?);
        }
        if changes(&["protocol"]) {
            request = request.protocol(protocol);
        }
        if is_encrypted && changes(&["protocol", "ssl_policy"]) {
            request = request.set_ssl_policy(desired.owned_text("ssl_policy")?);
        }
        if is_encrypted && changes(&["protocol", "certificate_arn"]) {
            request = request.set_certificates(certificates(&desired)?);
        }
        if changes(&["default_action"]) {
            request = request.default_actions(action::wanted(&desired.table("default_action")?)?);
        }
        request.send().await.map_err(failed(MODIFY))?;
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
        let request = clients.elb().delete_listener().listener_arn(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

/// The certificate as the list that AWS wants, which always has one entry.
fn certificates(attributes: &Attributes<'_>) -> Result<Option<Vec<Certificate>>, ProviderError> {
    let certificate = |arn| vec![Certificate::builder().certificate_arn(arn).build()];
    Ok(attributes.optional_text("certificate_arn")?.map(certificate))
}

async fn describe(clients: &Clients, arns: Vec<String>) -> Result<Vec<Port>, ProviderError> {
    let request = clients.elb().describe_listeners().set_listener_arns(Some(arns));
    Ok(request.send().await.map_err(failed(DESCRIBE))?.listeners.unwrap_or_default())
}

fn report(listener: &Port) -> Observed {
    let first = action::first(listener.default_actions());
    let report = Report::new()
        .set("load_balancer_arn", listener.load_balancer_arn())
        .set("port", listener.port())
        .set("protocol", listener.protocol().map(|protocol| protocol.as_str()))
        .set("ssl_policy", listener.ssl_policy())
        .set("certificate_arn", listener.certificates().first().and_then(|certificate| certificate.certificate_arn()))
        .set("default_action", action::report(first))
        .set("arn", listener.listener_arn());
    observed(listener.listener_arn().unwrap_or_default(), report)
}
