//! `ses.smtp_user`: the user who sends mail, its only access key, and the secret that holds name and password.
//!
//! AWS shows the secret half of a key once, in the answer to its creation. It becomes the SMTP password here and goes
//! into Secrets Manager at once; both are forgotten then.
//!
//! # Guarantees
//!
//! - The version of the secret is named after the key that it holds, so whoever looks can tell which key that is without
//!   reading the secret.
//! - A key that the secret does not hold is of no use to anybody: it is deleted before another one is made, and when one
//!   cannot be stored. So there are never two keys for longer than an answer of AWS is late, and what an interrupted run
//!   has left is gone after the next one.
//! - The secret is deleted before its user, and the user comes last: as long as there is anything, it is found.
//! - Neither key nor password is part of an observation or of an error, also when AWS repeats what it was sent.
//!
//! A user is global, its secret stands in the region of the resource.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_iam::types::{AccessKeyMetadata, StatusType, User};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use sha2::{Digest, Sha256};

use super::smtp_password::smtp_password;
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, decoded_structure, desired, recorded, wanted};
use crate::provider::aws::error::{OrAbsent, failed, missing, unanswered};
use crate::provider::aws::handler::{Handler, Standing, adopt, created, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::try_wave;
use crate::provider::aws::{iam, secretsmanager};
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observed, ProviderError, Target, Update};
use crate::secret::SecretText;
use crate::value::Value;

const CREATE_KEY: &str = "iam:CreateAccessKey";
const CREATE_SECRET: &str = "secretsmanager:CreateSecret";
const CREATE_USER: &str = "iam:CreateUser";
const DELETE_KEY: &str = "iam:DeleteAccessKey";
const DELETE_POLICY: &str = "iam:DeleteUserPolicy";
const DELETE_SECRET: &str = "secretsmanager:DeleteSecret";
const DELETE_USER: &str = "iam:DeleteUser";
const DESCRIBE_SECRET: &str = "secretsmanager:DescribeSecret";
const GET_POLICY: &str = "iam:GetUserPolicy";
const GET_USER: &str = "iam:GetUser";
const LIST_KEYS: &str = "iam:ListAccessKeys";
const LIST_POLICIES: &str = "iam:ListUserPolicies";
const PUT_BOUNDARY: &str = "iam:PutUserPermissionsBoundary";
const PUT_POLICY: &str = "iam:PutUserPolicy";
const PUT_SECRET: &str = "secretsmanager:PutSecretValue";
const RESTORE_SECRET: &str = "secretsmanager:RestoreSecret";
const TAG_SECRET: &str = "secretsmanager:TagResource";
const TAG_USER: &str = "iam:TagUser";
const UPDATE_SECRET: &str = "secretsmanager:UpdateSecret";

/// The tag of the user that says where its password is, for whoever has lost the state.
const SECRET_TAG: &str = "mastoform:secret";

/// The label of the version that is in use.
const CURRENT: &str = "AWSCURRENT";

/// The user has one key, and the secret holds it.
const READY: &str = "ready";
/// The secret holds no key that the user has.
const WITHOUT: &str = "without its key";
/// The user has the key that the secret holds, and another one.
const TOO_MANY: &str = "with a key too many";

pub struct SmtpUser;

#[async_trait]
impl Handler for SmtpUser {
    fn type_name(&self) -> &'static str {
        "ses.smtp_user"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let name = target.identity.as_str();
        let remembered = recorded(target, DESCRIBE_SECRET).optional_text("secret")?;
        let parts = async { tokio::try_join!(user(clients, name), keys(clients, name), policies(clients, name)) };
        let (parts, secret) = tokio::join!(parts, alive(clients, remembered));
        let (parts, mut secret) = (parts.or_absent()?, secret?);
        let Some((user, keys, policies)) = parts else {
            // Somebody has deleted the user, and the secret tells whose it was.
            let owned = owned(target, None);
            let left = secret.filter(|secret| is_own_secret(secret, &owned));
            return Ok(left.map(|secret| {
                let report = told(Report::new(), &[], Some(&secret), remembered);
                let report = report.set("name", name).set("permissions_boundary", Value::Null);
                tagged(observed(name, report.set("policies", Value::Null)), tags::pairs(&owned))
            }));
        };
        let place = remembered.or_else(|| present(&user).find(|(key, _)| *key == SECRET_TAG).map(|(_, name)| name));
        if remembered.is_none() {
            secret = alive(clients, place).await?;
        }
        // A state can name any secret: nothing of one of somebody else is told.
        let owned = owned(target, Some(&user));
        let secret = secret.filter(|secret| is_own_secret(secret, &owned));
        let report = told(Report::new(), &keys, secret.as_ref(), place)
            .set("name", user.user_name())
            .set("permissions_boundary", boundary(&user))
            .set("policies", Value::Map(policies))
            .set("arn", user.arn());
        Ok(Some(tagged(observed(name, report), present(&user))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, GET_USER).text("name")?;
        let own = own_user(clients, name, &creation.tags).await?;
        Ok(own.map(|user| Identity::new(user.user_name)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE_USER);
        let name = wanted.text("name")?;
        let answer = make_user(clients, &wanted, &creation.tags).await;
        let look = || async { own_user(clients, name, &creation.tags).await.map(Standing::of) };
        let user = adopt(creation, answer, look).await?;
        put_policies(clients, name, &wanted.table("policies")?).await?;
        let stored = store(clients, name, &wanted, &creation.tags).await?;
        let report = Report::new().set("arn", user.arn()).set("secret_arn", stored.arn).set("version", stored.version);
        Ok(created(name, report.set("status", READY)))
    }

    /// Whatever changes: a key that is missing or too many is put right.
    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let name = update.target.identity.as_str();
        let desired = desired(update, PUT_POLICY);
        let present = user(clients, name).await.or_absent()?;
        let owned = owned(&update.target, present.as_ref());
        if present.is_none() {
            make_user(clients, &desired, &owned).await?;
        }
        // First of all: whoever may give users rights only within their boundary may do the rest only then.
        if update.changed("permissions_boundary").is_some()
            && let Some(boundary) = desired.optional_text("permissions_boundary")?
        {
            let request = clients.iam().put_user_permissions_boundary().user_name(name);
            request.permissions_boundary(boundary).send().await.map_err(failed(PUT_BOUNDARY))?;
        }
        if update.changed("policies").is_some() {
            let policies = desired.table("policies")?;
            put_policies(clients, name, &policies).await?;
            let kept: BTreeSet<&str> = policies.names().into_iter().collect();
            let mut others = policy_names(clients, name).await?;
            others.retain(|name| !kept.contains(name.as_str()));
            delete_policies(clients, name, others).await?;
        }
        let stored = store(clients, name, &desired, &owned).await?;
        if update.changed("description").is_some() {
            let description = desired.optional_text("description")?.unwrap_or_default();
            let request = clients.secretsmanager().update_secret().secret_id(stored.arn).description(description);
            request.send().await.map_err(failed(UPDATE_SECRET))?;
        }
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let request = clients.iam().tag_user().user_name(target.identity.as_str());
        request.set_tags(Some(iam::listed(tags)?)).send().await.map_err(failed(TAG_USER))?;
        let Some(place) = recorded(target, TAG_SECRET).optional_text("secret")? else { return Ok(()) };
        let mut unmarked = tags.clone();
        unmarked.remove(tags::LINEAGE);
        if describe(clients, place).await?.is_some_and(|secret| is_own_secret(&secret, &unmarked)) {
            let request = clients.secretsmanager().tag_resource().secret_id(place);
            let request = request.set_tags(Some(secretsmanager::listed(tags)));
            request.send().await.map_err(failed(TAG_SECRET)).or_absent()?;
        }
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let name = target.identity.as_str();
        let owned = owned(target, user(clients, name).await.or_absent()?.as_ref());
        let known = recorded(target, DELETE_SECRET).optional_text("secret")?;
        if let Some(secret) = known
            && let Some(found) = describe(clients, secret).await?
            && is_own_secret(&found, &owned)
        {
            // Without its key the password is worth nothing.
            let request =
                clients.secretsmanager().delete_secret().secret_id(secret).force_delete_without_recovery(true);
            request.send().await.map_err(failed(DELETE_SECRET)).or_absent()?;
        }
        let parts = async { tokio::try_join!(keys(clients, name), policy_names(clients, name)) };
        if let Some((keys, policies)) = parts.await.or_absent()? {
            for key in &keys {
                delete_key(clients, name, &key.id).await?;
            }
            delete_policies(clients, name, policies).await?;
            clients.iam().delete_user().user_name(name).send().await.map_err(failed(DELETE_USER)).or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

/// The tags of whoever it is asked for; where nobody says, those that the user carries.
fn owned(target: &Target, user: Option<&User>) -> Tags {
    let carried = || {
        let tags = user.into_iter().flat_map(present);
        tags::collected(tags.filter(|(key, _)| key.starts_with("mastoform:") && *key != SECRET_TAG))
    };
    target.owner.as_ref().map_or_else(carried, |owner| owner.tags(&target.address))
}

/// Makes the user.
async fn make_user(
    clients: &Clients,
    attributes: &Attributes<'_, SecretText>,
    owned: &Tags,
) -> Result<User, ProviderError> {
    let (name, secret) = (attributes.text("name")?, attributes.text("secret")?);
    let mut all = owned.clone();
    all.insert(SECRET_TAG.to_owned(), secret.to_owned());
    let request = clients
        .iam()
        .create_user()
        .user_name(name)
        .set_permissions_boundary(attributes.owned_text("permissions_boundary")?)
        .set_tags(Some(iam::listed(&all)?));
    let answer = request.send().await.map_err(failed(CREATE_USER))?;
    answer.user.ok_or_else(|| unanswered(CREATE_USER, "user"))
}

/// What keys and secret tell together.
fn told(report: Report, keys: &[Key], secret: Option<&DescribeSecretOutput>, place: Option<&str>) -> Report {
    report
        .set("secret", place)
        .set("description", secret.and_then(|secret| secret.description()).filter(|text| !text.is_empty()))
        .set("status", status(keys, secret))
        .set_if("version", secret.and_then(version))
        .set_if("secret_arn", secret.and_then(|secret| secret.arn()))
}

/// An access key, as far as AWS shows it.
struct Key {
    id: String,
    is_active: bool,
}

/// Where name and password are.
struct Stored {
    arn: String,
    version: String,
}

/// The name that the version of a secret has which holds this key: 64 hexadecimal characters, the most AWS takes.
fn version_of(key_id: &str) -> String {
    base16ct::lower::encode_string(&Sha256::digest(key_id.as_bytes()))
}

fn status(keys: &[Key], secret: Option<&DescribeSecretOutput>) -> &'static str {
    match (holding(keys, secret), keys) {
        (None, _) => WITHOUT,
        (Some(_), [_]) => READY,
        (Some(_), _) => TOO_MANY,
    }
}

/// The key that the secret holds, if it works.
fn holding<'keys>(keys: &'keys [Key], secret: Option<&DescribeSecretOutput>) -> Option<&'keys Key> {
    let version = secret.and_then(version)?;
    keys.iter().find(|key| key.is_active && version_of(&key.id) == version)
}

/// Makes sure that the user has one key and that the secret holds it.
async fn store(
    clients: &Clients,
    user: &str,
    attributes: &Attributes<'_, SecretText>,
    owned: &Tags,
) -> Result<Stored, ProviderError> {
    let place = attributes.text("secret")?;
    let (mut present, secret) = tokio::try_join!(keys(clients, user), describe(clients, place))?;
    let secret = own_secret(clients, place, secret, owned).await?;
    let held = holding(&present, secret.as_ref()).map(|key| key.id.clone());
    present.retain(|key| Some(&key.id) != held.as_ref());
    for key in &present {
        delete_key(clients, user, &key.id).await?;
    }
    if let (Some(held), Some(secret)) = (&held, &secret) {
        let arn = secret.arn().ok_or_else(|| unanswered(DESCRIBE_SECRET, "ARN"))?;
        return Ok(Stored { arn: arn.to_owned(), version: version_of(held) });
    }
    let answer = clients.iam().create_access_key().user_name(user).send().await.map_err(failed(CREATE_KEY))?;
    let key = answer.access_key.ok_or_else(|| unanswered(CREATE_KEY, "key"))?;
    let id = key.access_key_id;
    let hidden = SecretText::new(key.secret_access_key);
    let password = smtp_password(&hidden, clients.region());
    match put(clients, place, secret.as_ref(), &id, &password, attributes, owned).await {
        Ok(stored) => Ok(stored),
        Err(error) => {
            // If this fails too, the next run finds it.
            if let Err(left) = delete_key(clients, user, &id).await {
                tracing::debug!(user, error = %left, "a key that could not be stored is still there");
            }
            Err(error.without(&[&hidden, &password]))
        }
    }
}

/// Puts name and password into the secret, which is made if there is none.
async fn put(
    clients: &Clients,
    place: &str,
    secret: Option<&DescribeSecretOutput>,
    id: &str,
    password: &SecretText,
    attributes: &Attributes<'_, SecretText>,
    owned: &Tags,
) -> Result<Stored, ProviderError> {
    let content = BTreeMap::from([("login", id), ("password", password.reveal())]);
    let content = serde_json::to_string(&content).map(SecretText::new);
    let content = content
        .map_err(|_| ProviderError::new(ErrorKind::Unknown, PUT_SECRET, "the password does not fit into JSON"))?;
    let version = version_of(id);
    let arn = match secret {
        Some(_) => {
            let request = clients.secretsmanager().put_secret_value().secret_id(place);
            let request = request.client_request_token(&version).secret_string(content.reveal());
            request.send().await.map_err(failed(PUT_SECRET))?.arn
        }
        None => {
            let request = clients
                .secretsmanager()
                .create_secret()
                .name(place)
                .set_description(attributes.owned_text("description")?)
                .client_request_token(&version)
                .secret_string(content.reveal())
                .set_tags(Some(secretsmanager::listed(owned)));
            request.send().await.map_err(failed(CREATE_SECRET))?.arn
        }
    };
    Ok(Stored { arn: arn.ok_or_else(|| unanswered(PUT_SECRET, "ARN"))?, version })
}

/// The secret of this name, taken back if it waits for its deletion; an error if it is somebody else's.
async fn own_secret(
    clients: &Clients,
    place: &str,
    secret: Option<DescribeSecretOutput>,
    owned: &Tags,
) -> Result<Option<DescribeSecretOutput>, ProviderError> {
    let Some(found) = secret else { return Ok(None) };
    if !is_own_secret(&found, owned) {
        let message = format!("there is a secret {place} already, and it was not made for this instance");
        return Err(ProviderError::new(ErrorKind::Conflict, CREATE_SECRET, message));
    }
    if is_deleted(&found) {
        let request = clients.secretsmanager().restore_secret().secret_id(place);
        request.send().await.map_err(failed(RESTORE_SECRET))?;
        return describe(clients, place).await;
    }
    Ok(Some(found))
}

fn is_own_secret(secret: &DescribeSecretOutput, owned: &Tags) -> bool {
    let present = secret.tags().iter().filter_map(|tag| tag.key().zip(tag.value()));
    !owned.is_empty() && tags::has_all(owned, present)
}

/// Whether it waits for its deletion.
fn is_deleted(secret: &DescribeSecretOutput) -> bool {
    secret.deleted_date().is_some()
}

/// The name of the version in use.
fn version(secret: &DescribeSecretOutput) -> Option<&str> {
    let mut versions = secret.version_ids_to_stages()?.iter();
    let current = versions.find(|(_, stages)| stages.iter().any(|stage| stage == CURRENT));
    current.map(|(version, _)| version.as_str())
}

/// The secret of this name, unless it waits for its deletion.
async fn alive(clients: &Clients, name: Option<&str>) -> Result<Option<DescribeSecretOutput>, ProviderError> {
    let Some(name) = name else { return Ok(None) };
    Ok(describe(clients, name).await?.filter(|secret| !is_deleted(secret)))
}

/// Reads everything of a secret but what it holds.
async fn describe(clients: &Clients, name: &str) -> Result<Option<DescribeSecretOutput>, ProviderError> {
    let request = clients.secretsmanager().describe_secret().secret_id(name);
    request.send().await.map_err(failed(DESCRIBE_SECRET)).or_absent()
}

async fn user(clients: &Clients, name: &str) -> Result<User, ProviderError> {
    let answer = clients.iam().get_user().user_name(name).send().await.map_err(failed(GET_USER))?;
    answer.user.ok_or_else(|| missing(GET_USER, "user", name))
}

/// The user of this name, if it carries these tags.
async fn own_user(clients: &Clients, name: &str, wanted: &Tags) -> Result<Option<User>, ProviderError> {
    let user = user(clients, name).await.or_absent()?;
    Ok(user.filter(|user| tags::has_all(wanted, present(user))))
}

fn present(user: &User) -> impl Iterator<Item = (&str, &str)> {
    user.tags().iter().map(|tag| (tag.key(), tag.value()))
}

fn boundary(user: &User) -> Option<&str> {
    user.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn())
}

async fn keys(clients: &Clients, user: &str) -> Result<Vec<Key>, ProviderError> {
    let keys = clients.iam().list_access_keys().user_name(user).into_paginator().items().send();
    let keys: Vec<AccessKeyMetadata> = keys.collect::<Result<_, _>>().await.map_err(failed(LIST_KEYS))?;
    let shown = keys.into_iter().filter_map(|key| {
        let is_active = key.status() == Some(&StatusType::Active);
        Some(Key { id: key.access_key_id?, is_active })
    });
    Ok(shown.collect())
}

async fn delete_key(clients: &Clients, user: &str, id: &str) -> Result<(), ProviderError> {
    let request = clients.iam().delete_access_key().user_name(user).access_key_id(id);
    request.send().await.map_err(failed(DELETE_KEY)).or_absent()?;
    Ok(())
}

async fn policy_names(clients: &Clients, user: &str) -> Result<Vec<String>, ProviderError> {
    let names = clients.iam().list_user_policies().user_name(user).into_paginator().items().send();
    names.collect::<Result<_, _>>().await.map_err(failed(LIST_POLICIES))
}

async fn policies(clients: &Clients, user: &str) -> Result<BTreeMap<String, Value>, ProviderError> {
    let read = async |name: String| {
        let request = clients.iam().get_user_policy().user_name(user).policy_name(&name);
        let answer = request.send().await.map_err(failed(GET_POLICY)).or_absent()?;
        Ok::<_, ProviderError>(answer.map(|answer| (name, decoded_structure(&answer.policy_document))))
    };
    let names = policy_names(clients, user).await?;
    Ok(try_wave(names.into_iter().map(read).collect()).await?.into_iter().flatten().collect())
}

async fn put_policies(clients: &Clients, user: &str, policies: &Attributes<'_>) -> Result<(), ProviderError> {
    for name in policies.names() {
        let request = clients.iam().put_user_policy().user_name(user).policy_name(name);
        request.policy_document(policies.document(name)?).send().await.map_err(failed(PUT_POLICY))?;
    }
    Ok(())
}

async fn delete_policies(clients: &Clients, user: &str, names: Vec<String>) -> Result<(), ProviderError> {
    for name in names {
        let request = clients.iam().delete_user_policy().user_name(user).policy_name(name);
        request.send().await.map_err(failed(DELETE_POLICY)).or_absent()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(version: &str) -> DescribeSecretOutput {
        DescribeSecretOutput::builder().version_ids_to_stages(version, vec![CURRENT.to_owned()]).build()
    }

    fn key(id: &str, is_active: bool) -> Key {
        Key { id: id.to_owned(), is_active }
    }

    #[test]
    fn the_key_that_the_secret_holds_is_known_by_the_name_of_its_version() {
        let (one, two) = ("AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE");
        let holds_one = secret(&version_of(one));
        assert_eq!(version_of(one).len(), 64);
        let said = |keys: &[Key], secret: Option<&DescribeSecretOutput>| status(keys, secret);
        assert_eq!(said(&[key(one, true)], Some(&holds_one)), READY);
        assert_eq!(said(&[key(one, true), key(two, true)], Some(&holds_one)), TOO_MANY);
        assert_eq!(said(&[key(two, true)], Some(&holds_one)), WITHOUT);
        assert_eq!(said(&[key(one, false)], Some(&holds_one)), WITHOUT);
        assert_eq!(said(&[key(one, true)], None), WITHOUT);
        assert_eq!(said(&[], Some(&holds_one)), WITHOUT);
    }
}
