//! `iam.group_policy_attachment`: gives a group the permissions of a policy. Its identity is `group|policy_arn`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::address::Identity;
use crate::provider::aws::attributes::{Report, wanted};
use crate::provider::aws::error::{OrAbsent, failed};
use crate::provider::aws::handler::{Handler, created, observation, observed};
use crate::provider::aws::session::Clients;
use crate::provider::aws::wave::wave;
use crate::provider::{Created, Creation, Deletion, Observation, ProviderError, Target, Update};
use crate::value::Value;

const ATTACH: &str = "iam:AttachGroupPolicy";
const DETACH: &str = "iam:DetachGroupPolicy";
const LIST: &str = "iam:ListAttachedGroupPolicies";

pub struct GroupPolicyAttachment;

#[async_trait]
impl Handler for GroupPolicyAttachment {
    fn type_name(&self) -> &'static str {
        "iam.group_policy_attachment"
    }

    /// One call per group.
    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let groups: BTreeSet<&str> = targets.iter().map(|target| target.identity.pair().0).collect();
        let answers = wave(groups.iter().map(|group| attached(clients, group)).collect()).await;
        let attached: BTreeMap<_, _> = groups.into_iter().zip(answers).collect();
        let answer = |target: &Target| {
            let (group, arn) = target.identity.pair();
            let arns = attached.get(group).cloned().unwrap_or_else(|| Ok(BTreeSet::new()))?;
            Ok(arns
                .contains(arn)
                .then(|| observed(target.identity.as_str(), Report::new().set("group", group).set("policy_arn", arn))))
        };
        targets.iter().map(|target| observation(answer(target))).collect()
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let wanted = wanted(creation, LIST);
        let (group, arn) = (wanted.text("group")?, wanted.text("policy_arn")?);
        let is_attached = attached(clients, group).await?.contains(arn);
        Ok(is_attached.then(|| Identity::new(format!("{group}|{arn}"))).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, ATTACH);
        let (group, arn) = (wanted.text("group")?, wanted.text("policy_arn")?);
        let request = clients.iam().attach_group_policy().group_name(group).policy_arn(arn);
        request.send().await.map_err(failed(ATTACH))?;
        Ok(created(format!("{group}|{arn}"), Value::Map(BTreeMap::new())))
    }

    /// Nothing of an attachment can change.
    async fn update(&self, _: &Clients, _: &Update) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let (group, arn) = target.identity.pair();
        let request = clients.iam().detach_group_policy().group_name(group).policy_arn(arn);
        request.send().await.map_err(failed(DETACH)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

/// The ARNs of a group's policies; none if there is no such group.
async fn attached(clients: &Clients, group: &str) -> Result<BTreeSet<String>, ProviderError> {
    let policies = clients.iam().list_attached_group_policies().group_name(group).into_paginator().items().send();
    let policies: Option<Vec<_>> = policies.collect::<Result<_, _>>().await.map_err(failed(LIST)).or_absent()?;
    Ok(policies.unwrap_or_default().into_iter().filter_map(|policy| policy.policy_arn).collect())
}
