//! `cloudfront.origin_access_identity`: a user of its own for CloudFront, the older way to read a private bucket.
//!
//! It has neither tags nor a name. What tells ours from others is the reference its creation was called with, which is
//! the creation's token. Creating it again with the same reference answers the same identity.

use async_trait::async_trait;
use aws_sdk_cloudfront::types::{
    CloudFrontOriginAccessIdentity as Answer, CloudFrontOriginAccessIdentityConfig as Config,
};

use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete, unanswered};
use crate::provider::aws::handler::{Handler, Standing, adopt, created, observed, standing};
use crate::provider::aws::session::Clients;
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};

const CREATE: &str = "cloudfront:CreateCloudFrontOriginAccessIdentity";
const DELETE: &str = "cloudfront:DeleteCloudFrontOriginAccessIdentity";
const GET: &str = "cloudfront:GetCloudFrontOriginAccessIdentity";
const LIST: &str = "cloudfront:ListCloudFrontOriginAccessIdentities";
const UPDATE: &str = "cloudfront:UpdateCloudFrontOriginAccessIdentity";

pub struct OriginAccessIdentity;

#[async_trait]
impl Handler for OriginAccessIdentity {
    fn type_name(&self) -> &'static str {
        "cloudfront.origin_access_identity"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let Some((identity, _)) = get(clients, target.identity.as_str()).await.or_absent()? else { return Ok(None) };
        let comment = config(&identity, GET)?.comment();
        Ok(Some(observed(identity.id(), names(clients, &identity).await?.set("comment", comment))))
    }

    /// The list does not tell references, so those with our comment are asked one by one.
    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let comment = wanted(creation, LIST).text("comment")?;
        let all = clients.cloudfront().list_cloud_front_origin_access_identities().into_paginator().items().send();
        let all = all.try_collect().await.map_err(failed(LIST))?;
        let candidates = all.iter().filter(|summary| summary.comment() == comment);
        let identity = |id| async move { get(clients, id).await.or_absent() };
        let found = try_wave(candidates.map(|summary| identity(summary.id())).collect()).await?;
        let ours = found.into_iter().flatten().map(|(identity, _)| identity).filter(|identity| {
            let config = identity.cloud_front_origin_access_identity_config();
            config.is_some_and(|config| config.caller_reference() == creation.token)
        });
        Ok(ours.map(|identity| Identity::new(identity.id)).collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let config = Config::builder()
            .caller_reference(&creation.token)
            .comment(wanted(creation, CREATE).text("comment")?)
            .build()
            .map_err(incomplete(CREATE))?;
        let request = clients.cloudfront().create_cloud_front_origin_access_identity();
        let request = request.cloud_front_origin_access_identity_config(config);
        let answer =
            request.send().await.map_err(failed(CREATE)).and_then(|answer| {
                answer.cloud_front_origin_access_identity.ok_or_else(|| unanswered(CREATE, "identity"))
            });
        let look = || async {
            Ok(match standing(self, clients, creation).await? {
                Standing::Ours(own) => Standing::Ours(get(clients, own.as_str()).await?.0),
                Standing::Leaving => Standing::Leaving,
                Standing::Taken(words) => Standing::Taken(words),
            })
        };
        let identity = adopt(creation, answer, look).await?;
        Ok(created(identity.id(), names(clients, &identity).await?))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        if update.changed("comment").is_none() {
            return Ok(());
        }
        let id = update.target.identity.as_str();
        let (identity, version) = get(clients, id).await?;
        let mut config = config(&identity, GET)?.clone();
        config.comment = desired(update, UPDATE).text("comment")?.to_owned();
        let request = clients.cloudfront().update_cloud_front_origin_access_identity().id(id).set_if_match(version);
        request.cloud_front_origin_access_identity_config(config).send().await.map_err(failed(UPDATE))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let id = target.identity.as_str();
        if let Some((_, version)) = get(clients, id).await.or_absent()? {
            let request = clients.cloudfront().delete_cloud_front_origin_access_identity().id(id);
            request.set_if_match(version).send().await.map_err(failed(DELETE)).or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

/// The identity and its version.
async fn get(clients: &Clients, id: &str) -> Result<(Answer, Option<String>), ProviderError> {
    let request = clients.cloudfront().get_cloud_front_origin_access_identity().id(id);
    let answer = request.send().await.map_err(failed(GET))?;
    Ok((answer.cloud_front_origin_access_identity.ok_or_else(|| unanswered(GET, "identity"))?, answer.e_tag))
}

fn config<'answer>(identity: &'answer Answer, operation: &'static str) -> Result<&'answer Config, ProviderError> {
    let config = identity.cloud_front_origin_access_identity_config();
    config.ok_or_else(|| unanswered(operation, "configuration"))
}

/// What others call the identity.
async fn names(clients: &Clients, identity: &Answer) -> Result<Report, ProviderError> {
    let partition = &clients.caller().await?.partition;
    let id = identity.id();
    Ok(Report::new()
        .set("id", id)
        .set("iam_arn", format!("arn:{partition}:iam::cloudfront:user/CloudFront Origin Access Identity {id}"))
        .set("s3_canonical_user_id", identity.s3_canonical_user_id())
        .set("path", format!("origin-access-identity/cloudfront/{id}")))
}
