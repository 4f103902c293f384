//! `cloudfront.origin_access_control`: how CloudFront signs its requests to a bucket.
//!
//! It has no tags, but its name is unique in the account: one of that name is ours.

use async_trait::async_trait;
use aws_sdk_cloudfront::types::{
    OriginAccessControlConfig, OriginAccessControlOriginTypes, OriginAccessControlSigningBehaviors,
    OriginAccessControlSigningProtocols, OriginAccessControlSummary,
};

use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete, unanswered};
use crate::provider::aws::handler::{Handler, adopt, created, observed, one_or_listed, standing};
use crate::provider::aws::session::Clients;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "cloudfront:CreateOriginAccessControl";
const DELETE: &str = "cloudfront:DeleteOriginAccessControl";
const GET: &str = "cloudfront:GetOriginAccessControl";
const LIST: &str = "cloudfront:ListOriginAccessControls";
const UPDATE: &str = "cloudfront:UpdateOriginAccessControl";

pub struct OriginAccessControl;

#[async_trait]
impl Handler for OriginAccessControl {
    fn type_name(&self) -> &'static str {
        "cloudfront.origin_access_control"
    }

    /// Several come from the list, which tells everything.
    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let all = async {
            let all = clients.cloudfront().list_origin_access_controls().into_paginator().items().send();
            let all = all.try_collect().await.map_err(failed(LIST))?;
            Ok(all.iter().map(|control| observed(control.id(), summary(control))).collect())
        };
        one_or_listed(self, clients, targets, all).await
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let id = target.identity.as_str();
        let found = get(clients, id).await.or_absent()?;
        Ok(found.map(|found| observed(id, report(&found.id, &found.config))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, LIST).text("name")?;
        let all = clients.cloudfront().list_origin_access_controls().into_paginator().items().send();
        let all = all.try_collect().await.map_err(failed(LIST))?;
        Ok(all.into_iter().filter(|control| control.name() == name).map(|control| Identity::new(control.id)).collect())
    }

    fn refuses_second(&self) -> bool {
        true
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let config = OriginAccessControlConfig::builder()
            .name(wanted.text("name")?)
            .description(wanted.text("description")?)
            .origin_access_control_origin_type(OriginAccessControlOriginTypes::from(wanted.text("origin_kind")?))
            .signing_behavior(OriginAccessControlSigningBehaviors::from(wanted.text("signing_behavior")?))
            .signing_protocol(OriginAccessControlSigningProtocols::from(wanted.text("signing_protocol")?))
            .build()
            .map_err(incomplete(CREATE))?;
        let request = clients.cloudfront().create_origin_access_control().origin_access_control_config(config);
        let answer = request.send().await.map_err(failed(CREATE)).and_then(|answer| {
            let made = answer.origin_access_control.ok_or_else(|| unanswered(CREATE, "origin access control"))?;
            Ok(Identity::new(made.id))
        });
        let id = adopt(creation, answer, || standing(self, clients, creation)).await?.0;
        Ok(created(id.clone(), Report::new().set("id", id)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let id = update.target.identity.as_str();
        let Found { mut config, version, .. } = get(clients, id).await?;
        let desired = desired(update, UPDATE);
        for name in &update.changed {
            match name.as_str() {
                "name" => config.name = desired.text(name)?.to_owned(),
                "description" => config.description = Some(desired.owned_text(name)?.unwrap_or_default()),
                "origin_kind" => config.origin_access_control_origin_type = desired.text(name)?.into(),
                "signing_behavior" => config.signing_behavior = desired.text(name)?.into(),
                "signing_protocol" => config.signing_protocol = desired.text(name)?.into(),
                _ => {}
            }
        }
        let request = clients.cloudfront().update_origin_access_control().id(id).set_if_match(version);
        request.origin_access_control_config(config).send().await.map_err(failed(UPDATE))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let id = target.identity.as_str();
        if let Some(found) = get(clients, id).await.or_absent()? {
            let request = clients.cloudfront().delete_origin_access_control().id(id).set_if_match(found.version);
            request.send().await.map_err(failed(DELETE)).or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

/// An origin access control as AWS tells it.
struct Found {
    id: String,
    config: OriginAccessControlConfig,
    version: Option<String>,
}

async fn get(clients: &Clients, id: &str) -> Result<Found, ProviderError> {
    let answer = clients.cloudfront().get_origin_access_control().id(id).send().await.map_err(failed(GET))?;
    let control = answer.origin_access_control.ok_or_else(|| unanswered(GET, "origin access control"))?;
    let config = control.origin_access_control_config.ok_or_else(|| unanswered(GET, "configuration"))?;
    Ok(Found { id: control.id, config, version: answer.e_tag })
}

fn summary(control: &OriginAccessControlSummary) -> Report {
    Report::new()
        .set("name", control.name())
        .set("description", control.description())
        .set("origin_kind", control.origin_access_control_origin_type().as_str())
        .set("signing_behavior", control.signing_behavior().as_str())
        .set("signing_protocol", control.signing_protocol().as_str())
        .set("id", control.id())
}

fn report(id: &str, config: &OriginAccessControlConfig) -> Report {
    Report::new()
        .set("name", config.name())
        .set("description", config.description().unwrap_or_default())
        .set("origin_kind", config.origin_access_control_origin_type().as_str())
        .set("signing_behavior", config.signing_behavior().as_str())
        .set("signing_protocol", config.signing_protocol().as_str())
        .set("id", id)
}
