//! `iam.role`: permissions that a service takes on, with the policies that live and die with it.
//!
//! A role is made first and gets its policies then, so a creation that stopped between can be repeated: it finds its
//! own role by name and tags, and writes all policies again. Each role is read by itself: lists of all roles of an account
//! are none of our business.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_iam::types::Role as Answer;

use super::{is_own, present};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, decoded_structure, desired, recorded, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, Standing, adopt, created, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};
use crate::value::Value;

const ATTACH: &str = "iam:AttachRolePolicy";
const CREATE: &str = "iam:CreateRole";
const DELETE: &str = "iam:DeleteRole";
const DELETE_BOUNDARY: &str = "iam:DeleteRolePermissionsBoundary";
const DELETE_INLINE: &str = "iam:DeleteRolePolicy";
const DETACH: &str = "iam:DetachRolePolicy";
const GET: &str = "iam:GetRole";
const GET_INLINE: &str = "iam:GetRolePolicy";
const LIST_ATTACHED: &str = "iam:ListAttachedRolePolicies";
const LIST_INLINE: &str = "iam:ListRolePolicies";
const PUT_BOUNDARY: &str = "iam:PutRolePermissionsBoundary";
const PUT_INLINE: &str = "iam:PutRolePolicy";
const TAG: &str = "iam:TagRole";
const UPDATE: &str = "iam:UpdateRole";
const UPDATE_TRUST: &str = "iam:UpdateAssumeRolePolicy";

pub struct Role;

#[async_trait]
impl Handler for Role {
    fn type_name(&self) -> &'static str {
        "iam.role"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let name = target.identity.as_str();
        // Policies of the role's own take most of the calls: where none was ever set, they are not asked for. What others
        // have attached is: a role with more rights than anybody asked for must not go unseen.
        let policies = async {
            match was_set(target, "policies") {
                true => inline_policies(clients, name, &remembered(target)?).await.map(Some),
                false => Ok(None),
            }
        };
        let read = async { tokio::try_join!(get(clients, name), policies, attached(clients, name)) };
        let Some((role, policies, arns)) = read.await.or_absent()? else { return Ok(None) };
        let report = report(&role)
            .set("managed_policy_arns", arns.into_iter().collect::<Vec<_>>())
            .set_if("policies", policies.map(Value::Map));
        Ok(Some(tagged(observed(name, report), present(role.tags()))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let role = own(clients, creation).await?;
        Ok(role.map(|role| Identity::new(role.role_name)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let request = clients
            .iam()
            .create_role()
            .role_name(name)
            .set_path(wanted.owned_text("path")?)
            .set_description(wanted.owned_text("description")?)
            .set_max_session_duration(wanted.optional_integer("max_session_duration")?)
            .assume_role_policy_document(wanted.document("assume_role_policy")?)
            .set_permissions_boundary(wanted.owned_text("permissions_boundary")?)
            .set_tags(Some(super::listed(&creation.tags)?));
        let answer = request.send().await.map_err(failed(CREATE));
        let answer = answer.and_then(|answer| answer.role.ok_or_else(|| unanswered(CREATE, "role")));
        let look = || async { own(clients, creation).await.map(Standing::of) };
        let role = adopt(creation, answer, look).await?;
        let (policies, arns) = (wanted.table("policies")?, wanted.texts("managed_policy_arns")?);
        tokio::try_join!(put_policies(clients, name, &policies), attach(clients, name, arns))?;
        Ok(created(name, Report::new().set("arn", role.arn)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let name = update.target.identity.as_str();
        let desired = desired(update, UPDATE);
        // First of all: whoever may give roles rights only within their boundary may do the rest only then.
        if update.changed("permissions_boundary").is_some() {
            bound(clients, name, desired.optional_text("permissions_boundary")?).await?;
        }
        if update.changed("description").is_some() || update.changed("max_session_duration").is_some() {
            // A duration that is not said becomes AWS's default again, so it is always said.
            let duration = desired.integer("max_session_duration")?;
            let mut request = clients.iam().update_role().role_name(name).max_session_duration(duration);
            if update.changed("description").is_some() {
                request = request.description(desired.text("description")?);
            }
            request.send().await.map_err(failed(UPDATE))?;
        }
        if update.changed("assume_role_policy").is_some() {
            let request = clients.iam().update_assume_role_policy().role_name(name);
            let request = request.policy_document(desired.document("assume_role_policy")?);
            request.send().await.map_err(failed(UPDATE_TRUST))?;
        }
        if update.changed("policies").is_some() {
            let policies = desired.table("policies")?;
            put_policies(clients, name, &policies).await?;
            let kept: BTreeSet<&str> = policies.names().into_iter().collect();
            let mut others = inline_names(clients, name).await?;
            others.retain(|name| !kept.contains(name.as_str()));
            delete_policies(clients, name, others).await?;
        }
        if update.changed("managed_policy_arns").is_some() {
            let kept: BTreeSet<String> = desired.texts("managed_policy_arns")?.into_iter().collect();
            let present = attached(clients, name).await?;
            attach(clients, name, kept.difference(&present).cloned().collect()).await?;
            detach(clients, name, present.difference(&kept).cloned().collect()).await?;
        }
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let request = clients.iam().tag_role().role_name(target.identity.as_str());
        request.set_tags(Some(super::listed(tags)?)).send().await.map_err(failed(TAG))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let name = target.identity.as_str();
        let policies = async { tokio::try_join!(inline_names(clients, name), attached(clients, name)) };
        if let Some((names, arns)) = policies.await.or_absent()? {
            delete_policies(clients, name, names).await?;
            detach(clients, name, arns.into_iter().collect()).await?;
            clients.iam().delete_role().role_name(name).send().await.map_err(failed(DELETE)).or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

/// What the role itself tells; its policies come from elsewhere.
fn report(role: &Answer) -> Report {
    Report::new()
        .set("name", role.role_name())
        .set("path", role.path())
        .set("description", role.description().unwrap_or_default())
        .set("assume_role_policy", role.assume_role_policy_document().map(decoded_structure))
        .set("max_session_duration", role.max_session_duration())
        .set(
            "permissions_boundary",
            role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn()),
        )
        .set("arn", role.arn())
}

/// Whether an attribute is remembered; where nothing is, everything may have been set.
fn was_set(target: &Target, name: &str) -> bool {
    target.recorded.as_map().is_none_or(|attributes| attributes.is_empty() || attributes.contains_key(name))
}

/// The names of the role's own policies, as far as they are remembered.
fn remembered(target: &Target) -> Result<Vec<&str>, ProviderError> {
    Ok(recorded(target, GET_INLINE).table("policies")?.names())
}

async fn get(clients: &Clients, name: &str) -> Result<Answer, ProviderError> {
    let answer = clients.iam().get_role().role_name(name).send().await.map_err(failed(GET))?;
    answer.role.ok_or_else(|| unanswered(GET, "role"))
}

/// Says what a role may do at most.
async fn bound(clients: &Clients, role: &str, boundary: Option<&str>) -> Result<(), ProviderError> {
    let Some(boundary) = boundary else {
        let request = clients.iam().delete_role_permissions_boundary().role_name(role);
        return request.send().await.map_err(failed(DELETE_BOUNDARY)).or_absent().map(|_| ());
    };
    let request = clients.iam().put_role_permissions_boundary().role_name(role).permissions_boundary(boundary);
    request.send().await.map_err(failed(PUT_BOUNDARY))?;
    Ok(())
}

/// The role of a creation's name, if it carries the creation's tags.
async fn own(clients: &Clients, creation: &Creation) -> Result<Option<Answer>, ProviderError> {
    let role = get(clients, wanted(creation, GET).text("name")?).await.or_absent()?;
    Ok(role.filter(|role| is_own(&creation.tags, role.tags())))
}

async fn inline_names(clients: &Clients, role: &str) -> Result<Vec<String>, ProviderError> {
    let names = clients.iam().list_role_policies().role_name(role).into_paginator().items().send();
    names.collect::<Result<_, _>>().await.map_err(failed(LIST_INLINE))
}

/// The role's own policies. Those whose names are remembered are read beside the list of names, the others after it.
async fn inline_policies(
    clients: &Clients,
    role: &str,
    remembered: &[&str],
) -> Result<BTreeMap<String, Value>, ProviderError> {
    let read = async |name: String| {
        let request = clients.iam().get_role_policy().role_name(role).policy_name(&name);
        let answer = request.send().await.map_err(failed(GET_INLINE)).or_absent()?;
        Ok::<_, ProviderError>(answer.map(|answer| (name, decoded_structure(&answer.policy_document))))
    };
    let guesses = try_wave(remembered.iter().map(|name| read((*name).to_owned())).collect());
    let (mut names, guesses) = tokio::try_join!(inline_names(clients, role), guesses)?;
    names.retain(|name| !remembered.contains(&name.as_str()));
    let others = try_wave(names.into_iter().map(read).collect()).await?;
    Ok(guesses.into_iter().chain(others).flatten().collect())
}

async fn attached(clients: &Clients, role: &str) -> Result<BTreeSet<String>, ProviderError> {
    let policies = clients.iam().list_attached_role_policies().role_name(role).into_paginator().items().send();
    let policies: Vec<_> = policies.collect::<Result<_, _>>().await.map_err(failed(LIST_ATTACHED))?;
    Ok(policies.into_iter().filter_map(|policy| policy.policy_arn).collect())
}

async fn put_policies(clients: &Clients, role: &str, policies: &Attributes<'_>) -> Result<(), ProviderError> {
    let put = async |name: &str| {
        let request = clients.iam().put_role_policy().role_name(role).policy_name(name);
        request.policy_document(policies.document(name)?).send().await.map_err(failed(PUT_INLINE))
    };
    try_wave(policies.names().into_iter().map(put).collect()).await?;
    Ok(())
}

async fn delete_policies(clients: &Clients, role: &str, names: Vec<String>) -> Result<(), ProviderError> {
    for name in names {
        let request = clients.iam().delete_role_policy().role_name(role).policy_name(name);
        request.send().await.map_err(failed(DELETE_INLINE)).or_absent()?;
    }
    Ok(())
}

async fn attach(clients: &Clients, role: &str, arns: Vec<String>) -> Result<(), ProviderError> {
    let attach = async |arn: String| {
        let request = clients.iam().attach_role_policy().role_name(role).policy_arn(arn);
        request.send().await.map_err(failed(ATTACH))
    };
    try_wave(arns.into_iter().map(attach).collect()).await?;
    Ok(())
}

async fn detach(clients: &Clients, role: &str, arns: Vec<String>) -> Result<(), ProviderError> {
    for arn in arns {
        let request = clients.iam().detach_role_policy().role_name(role).policy_arn(arn);
        request.send().await.map_err(failed(DETACH)).or_absent()?;
    }
    Ok(())
}
