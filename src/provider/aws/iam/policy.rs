//! `iam.policy`: a policy that exists by itself.
//!
//! AWS keeps five versions of its document. A change makes a new version and the default of it; the oldest one goes if
//! there is no room.

use async_trait::async_trait;
use aws_sdk_iam::types::{Policy as Answer, PolicyVersion};

use super::{is_own, present};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, decoded_structure, desired, structure, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, created, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};

const CREATE: &str = "iam:CreatePolicy";
const CREATE_VERSION: &str = "iam:CreatePolicyVersion";
const DELETE: &str = "iam:DeletePolicy";
const DELETE_VERSION: &str = "iam:DeletePolicyVersion";
const GET: &str = "iam:GetPolicy";
const GET_VERSION: &str = "iam:GetPolicyVersion";
const LIST_VERSIONS: &str = "iam:ListPolicyVersions";
const TAG: &str = "iam:TagPolicy";

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MOST_VERSIONS: usize = 5;

/// The name of the version a policy is made with.
const FIRST_VERSION: &str = "v1";

pub struct Policy;

#[async_trait]
impl Handler for Policy {
    fn type_name(&self) -> &'static str {
        "iam.policy"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let arn = target.identity.as_str();
        // Most policies are never changed.
        let (policy, first) = tokio::join!(get(clients, arn), get_version(clients, arn, FIRST_VERSION));
        let Some(policy) = policy.or_absent()? else { return Ok(None) };
        let version = policy.default_version_id().ok_or_else(|| unanswered(GET, "default version"))?;
        let version = if version == FIRST_VERSION { first } else { get_version(clients, arn, version).await };
        let Some(version) = version.or_absent()? else { return Ok(None) };
        let document = version.document();
        let report = Report::new()
            .set("name", policy.policy_name())
            .set("path", policy.path())
            .set("description", policy.description())
            .set("policy", document.map(decoded_structure))
            .set("arn", policy.arn());
        Ok(Some(tagged(observed(arn, report), present(policy.tags()))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let wanted = wanted(creation, GET);
        let caller = clients.caller().await?;
        let (path, name) = (wanted.text("path")?, wanted.text("name")?);
        let arn = format!("arn:{}:iam::{}:policy{path}{name}", caller.partition, caller.account);
        let policy = get(clients, &arn).await.or_absent()?;
        let own = policy.filter(|policy| is_own(&creation.tags, policy.tags()));
        Ok(own.map(|_| Identity::new(arn)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let request = clients
            .iam()
            .create_policy()
            .policy_name(wanted.text("name")?)
            .set_path(wanted.owned_text("path")?)
            .set_description(wanted.owned_text("description")?)
            .policy_document(wanted.document("policy")?)
            .set_tags(Some(super::listed(&creation.tags)?));
        let answer = request.send().await.map_err(failed(CREATE))?;
        let arn = answer.policy.and_then(|policy| policy.arn).ok_or_else(|| unanswered(CREATE, "ARN"))?;
        Ok(created(arn.clone(), Report::new().set("arn", arn)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        if update.changed("policy").is_none() {
            return Ok(());
        }
        let arn = update.target.identity.as_str();
        let document = desired(update, CREATE_VERSION).document("policy")?;
        // Every request makes one more version, so a repeated one must find what the first has made.
        let current = get(clients, arn).await?;
        let current = current.default_version_id().ok_or_else(|| unanswered(GET, "default version"))?;
        let current = get_version(clients, arn, current).await?;
        if current.document().map(decoded_structure) == Some(structure(&document)) {
            return Ok(());
        }
        let mut others = other_versions(clients, arn).await?;
        if others.len() + 1 >= MOST_VERSIONS {
            others.sort_by_key(|version| version.create_date().map(|date| (date.secs(), date.subsec_nanos())));
            others.truncate(1);
            delete_versions(clients, arn, others).await?;
        }
        let request = clients.iam().create_policy_version().policy_arn(arn).policy_document(document);
        request.set_as_default(true).send().await.map_err(failed(CREATE_VERSION))?;
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let request = clients.iam().tag_policy().policy_arn(target.identity.as_str());
        request.set_tags(Some(super::listed(tags)?)).send().await.map_err(failed(TAG))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let arn = target.identity.as_str();
        if let Some(others) = other_versions(clients, arn).await.or_absent()? {
            delete_versions(clients, arn, others).await?;
            clients.iam().delete_policy().policy_arn(arn).send().await.map_err(failed(DELETE)).or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

async fn get_version(clients: &Clients, arn: &str, version: &str) -> Result<PolicyVersion, ProviderError> {
    let request = clients.iam().get_policy_version().policy_arn(arn).version_id(version);
    let answer = request.send().await.map_err(failed(GET_VERSION))?;
    answer.policy_version.ok_or_else(|| unanswered(GET_VERSION, "version"))
}

async fn get(clients: &Clients, arn: &str) -> Result<Answer, ProviderError> {
    let answer = clients.iam().get_policy().policy_arn(arn).send().await.map_err(failed(GET))?;
    answer.policy.ok_or_else(|| unanswered(GET, "policy"))
}

/// All versions but the default one.
async fn other_versions(clients: &Clients, arn: &str) -> Result<Vec<PolicyVersion>, ProviderError> {
    let versions = clients.iam().list_policy_versions().policy_arn(arn).into_paginator().items().send();
    let mut versions: Vec<_> = versions.collect::<Result<_, _>>().await.map_err(failed(LIST_VERSIONS))?;
    versions.retain(|version| !version.is_default_version());
    Ok(versions)
}

async fn delete_versions(clients: &Clients, arn: &str, versions: Vec<PolicyVersion>) -> Result<(), ProviderError> {
    for version in versions {
        let request = clients.iam().delete_policy_version().policy_arn(arn).set_version_id(version.version_id);
        request.send().await.map_err(failed(DELETE_VERSION)).or_absent()?;
    }
    Ok(())
}
