//! `secretsmanager.secret`: a secret that is generated while it is stored, or composed of others.
//!
//! # Guarantees
//!
//! - A generated value is written once, into a secret that has none. Whatever happens afterwards (a repeated creation,
//!   an adoption, an update) leaves it alone: with it people would lose what it protects.
//! - A secret that waits for its deletion counts as gone. A creation of the same name takes it back, with its value,
//!   if it is ours.
//! - No value is ever part of an observation or of an error, also when AWS repeats what it was sent.
//! - Several secrets of an owner are read off one list of what carries its lineage. AWS's list may be five minutes behind,
//!   so it is believed only about a secret that it shows with the owner's tags and as it is remembered. Every other one is
//!   read by itself. So no old answer makes a difference, a stranger or a gap; what somebody has changed by hand, or
//!   deleted, may show some minutes later.
//!   <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry, Tag};

use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, recorded, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, created, observation, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::{try_wave, wave};
use crate::provider::generate::{OsEntropy, generate};
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observation, Observed, ProviderError, Target, Update};
use crate::secret::SecretText;
use crate::value::Tree;

const CREATE: &str = "secretsmanager:CreateSecret";
const DELETE: &str = "secretsmanager:DeleteSecret";
pub(super) const DESCRIBE: &str = "secretsmanager:DescribeSecret";
const GET: &str = "secretsmanager:GetSecretValue";
const LIST: &str = "secretsmanager:ListSecrets";
const PUT: &str = "secretsmanager:PutSecretValue";
const RESTORE: &str = "secretsmanager:RestoreSecret";
const TAG: &str = "secretsmanager:TagResource";
const UPDATE: &str = "secretsmanager:UpdateSecret";

/// The label of the version that is in use.
pub(super) const CURRENT: &str = "AWSCURRENT";

/// How many values one filter of the list takes, and how many secrets one page has.
/// <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html>
const FILTER_VALUES: usize = 10;
const PAGE: i32 = 100;

pub struct Secret;

#[async_trait]
impl Handler for Secret {
    fn type_name(&self) -> &'static str {
        "secretsmanager.secret"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let listed = listed(clients, targets).await;
        let read = async |target: &Target| match listed.get(&target.identity) {
            Some(secret) if is_as_remembered(target, secret) => Ok(Some(secret.clone())),
            _ => self.observe(clients, target).await,
        };
        let answers = wave(targets.iter().map(|target| read(target)).collect()).await;
        answers.into_iter().map(observation).collect()
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let arn = target.identity.as_str();
        let found = describe(clients, arn).await?.filter(|secret| !is_deleted(secret));
        let report = |secret: DescribeSecretOutput| {
            let key = key_of(arn, secret.kms_key_id());
            report(arn, secret.name(), secret.description(), key, secret.arn(), secret.tags())
        };
        Ok(found.map(report))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let found = describe(clients, wanted(creation, DESCRIBE).text("name")?).await?;
        let own = found.filter(|secret| is_own(creation, secret) && !is_deleted(secret));
        Ok(own.and_then(|secret| secret.arn).map(Identity::new).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let content = Content::of(&wanted)?;
        let arn = store(clients, creation, name, &content).await.map_err(|error| content.hidden_in(error))?;
        Ok(created(arn.clone(), Report::new().set("arn", arn)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let arn = update.target.identity.as_str();
        let desired_text = |name: &str| match update.changed(name) {
            // An empty text is AWS's default.
            Some(_) => {
                desired(update, UPDATE).optional_text(name).map(|text| Some(text.unwrap_or_default().to_owned()))
            }
            None => Ok(None),
        };
        let (description, key) = (desired_text("description")?, desired_text("kms_key_id")?);
        if description.is_some() || key.is_some() {
            let request = clients.secretsmanager().update_secret().secret_id(arn).set_description(description);
            request.set_kms_key_id(key).send().await.map_err(failed(UPDATE))?;
        }
        if update.changed("value").is_some()
            && let Some(value) = desired(update, PUT).secret("value")?
        {
            put(clients, arn, value).await?;
        }
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let request = clients.secretsmanager().tag_resource().secret_id(target.identity.as_str());
        request.set_tags(Some(super::listed(tags))).send().await.map_err(failed(TAG))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let arn = target.identity.as_str();
        let found = describe(clients, arn).await?;
        if found.is_none_or(|secret| is_deleted(&secret)) {
            return Ok(Deletion::Accepted);
        }
        clients.stored.forget(arn);
        let request = clients.secretsmanager().delete_secret().secret_id(arn);
        let request = match recorded(target, DELETE).integer("recovery_window_days")? {
            0 => request.force_delete_without_recovery(true),
            days => request.recovery_window_in_days(days.into()),
        };
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }

    async fn reveal(&self, clients: &Clients, target: &Target, path: &[String]) -> Result<SecretText, ProviderError> {
        let arn = target.identity.as_str();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path[..] {
            ["value"] => stored(clients, arn).await,
            ["values", key] => {
                let value = stored(clients, arn).await?;
                entries(&value).remove(key).ok_or_else(|| {
                    let message = format!("the secret {arn} has no key {key:?} with a text");
                    ProviderError::new(ErrorKind::Invalid, GET, message)
                })
            }
            _ => {
                let message = format!("a secret has no sensitive attribute {}", path.join("."));
                Err(ProviderError::new(ErrorKind::Invalid, GET, message))
            }
        }
    }
}

/// What is to be stored.
enum Content<'text> {
    /// Made a moment ago, by key.
    Generated(BTreeMap<String, SecretText>),
    Given(&'text str),
}

impl<'text> Content<'text> {
    fn of(wanted: &Attributes<'text>) -> Result<Self, ProviderError> {
        match (wanted.get("generate"), wanted.secret("value")?) {
            (Some(_), None) => generate(&wanted.map_of_texts("generate")?, &mut OsEntropy)
                .map(Content::Generated)
                .map_err(|error| wanted.wrong("generate", &format!("cannot be made: {error}"))),
            (None, Some(value)) => Ok(Content::Given(value)),
            (None, None) => Err(wanted.wrong("generate", "or `value` must be given")),
            (Some(_), Some(_)) => Err(wanted.wrong("generate", "and `value` cannot both be given")),
        }
    }

    /// An error without what was generated, which nobody but this file knows. Given values are the caller's to hide.
    fn hidden_in(&self, error: ProviderError) -> ProviderError {
        match self {
            Self::Given(_) => error,
            Self::Generated(secrets) => error.without(&secrets.values().collect::<Vec<_>>()),
        }
    }

    /// The text to store; generated secrets as one JSON object.
    fn text(&self) -> Result<SecretText, ProviderError> {
        match self {
            Self::Given(text) => Ok(SecretText::new(*text)),
            Self::Generated(secrets) => {
                let revealed: BTreeMap<&str, &str> =
                    secrets.iter().map(|(key, secret)| (key.as_str(), secret.reveal())).collect();
                serde_json::to_string(&revealed)
                    .map(SecretText::new)
                    .map_err(|_| ProviderError::new(ErrorKind::Unknown, CREATE, "the secrets do not fit into JSON"))
            }
        }
    }
}

/// Makes the secret, or goes on with the one that has its name; answers its ARN.
async fn store(
    clients: &Clients,
    creation: &Creation,
    name: &str,
    content: &Content<'_>,
) -> Result<String, ProviderError> {
    let value = content.text()?;
    let wanted = wanted(creation, CREATE);
    let request = clients
        .secretsmanager()
        .create_secret()
        .name(name)
        .set_description(wanted.owned_text("description")?)
        .set_kms_key_id(wanted.owned_text("kms_key_id")?)
        .client_request_token(&creation.token)
        .secret_string(value.reveal())
        .set_tags(Some(super::listed(&creation.tags)));
    match request.send().await.map_err(failed(CREATE)) {
        Ok(answer) => {
            let arn = answer.arn.ok_or_else(|| unanswered(CREATE, "ARN"))?;
            clients.stored.keep(&arn, value);
            Ok(arn)
        }
        Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotYet) => {
            take_over(clients, creation, name, content, error).await
        }
        Err(error) => Err(error),
    }
}

fn is_own(creation: &Creation, secret: &DescribeSecretOutput) -> bool {
    tags::has_all(&creation.tags, present(secret.tags()))
}

fn present(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| tag.key().zip(tag.value()))
}

fn report(
    identity: &str,
    name: Option<&str>,
    description: Option<&str>,
    key: Option<String>,
    arn: Option<&str>,
    tags: &[Tag],
) -> Observed {
    let report = Report::new()
        .set("name", name)
        .set("description", description.filter(|text| !text.is_empty()))
        .set("kms_key_id", key)
        .set("arn", arn);
    tagged(observed(identity, report), present(tags))
}

/// The key of a secret, by its ARN: AWS tells it as it was given, which may be by its id alone. `None` for AWS's own, of
/// which AWS may say nothing.
fn key_of(secret: &str, key: Option<&str>) -> Option<String> {
    let key = key.filter(|key| !key.is_empty() && !key.ends_with("alias/aws/secretsmanager"))?;
    match secret.split(':').collect::<Vec<_>>()[..] {
        [_, partition, _, region, account, ..] if !key.contains([':', '/']) => {
            Some(format!("arn:{partition}:kms:{region}:{account}:key/{key}"))
        }
        _ => Some(key.to_owned()),
    }
}

/// What the list has of several secrets. One that cannot be read has nothing, and a single secret is not worth it.
async fn listed(clients: &Clients, targets: &[&Target]) -> BTreeMap<Identity, Observed> {
    let owned = targets.iter().filter_map(|target| target.owner.as_deref()).filter(|owner| !owner.lineage.is_empty());
    let lineages: Vec<&str> = owned.map(|owner| owner.lineage.as_str()).collect();
    if lineages.len() < 2 {
        return BTreeMap::new();
    }
    let lineages: Vec<&str> = lineages.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    let found = try_wave(lineages.chunks(FILTER_VALUES).map(|lineages| list(clients, lineages)).collect()).await;
    let found = found.unwrap_or_else(|error| {
        tracing::debug!(region = clients.region(), %error, "there is no list of secrets");
        Vec::new()
    });
    found.into_iter().flatten().map(|secret| (secret.identity.clone(), secret)).collect()
}

/// The secrets with a tag that begins with one of these values. Those that wait for their deletion are not among them.
async fn list(clients: &Clients, values: &[&str]) -> Result<Vec<Observed>, ProviderError> {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    let filter = Filter::builder().key(FilterNameStringType::TagValue).set_values(Some(values)).build();
    let request = clients.secretsmanager().list_secrets().filters(filter).max_results(PAGE);
    let pages = request.into_paginator().send().collect::<Result<Vec<_>, _>>().await.map_err(failed(LIST))?;
    let found = pages.into_iter().flat_map(|page| page.secret_list.unwrap_or_default());
    let alive = found.filter(|secret| secret.deleted_date.is_none());
    let entry = |secret: SecretListEntry| {
        let arn = secret.arn()?;
        let key = key_of(arn, secret.kms_key_id());
        Some(report(arn, secret.name(), secret.description(), key, Some(arn), secret.tags()))
    };
    Ok(alive.filter_map(entry).collect())
}

/// Whether a secret carries the tags of the target's owner and shows what is remembered of it.
fn is_as_remembered(target: &Target, secret: &Observed) -> bool {
    let Some(owner) = &target.owner else { return false };
    let is_own =
        secret.tags.as_ref().is_some_and(|present| tags::has_all(&owner.tags(&target.address), tags::pairs(present)));
    let shown = |name: &str| secret.attributes.get(name).and_then(Tree::as_text);
    let remembered = |name: &str| target.recorded.get(name).and_then(Tree::as_text).filter(|text| !text.is_empty());
    is_own && ["name", "description", "kms_key_id"].iter().all(|name| shown(name) == remembered(name))
}

/// Whether it waits for its deletion.
fn is_deleted(secret: &DescribeSecretOutput) -> bool {
    secret.deleted_date().is_some()
}

/// Reads everything but the value. `id` is an ARN or a name.
async fn describe(clients: &Clients, id: &str) -> Result<Option<DescribeSecretOutput>, ProviderError> {
    let request = clients.secretsmanager().describe_secret().secret_id(id);
    request.send().await.map_err(failed(DESCRIBE)).or_absent()
}

/// Goes on with the secret that has the name already, which is why `refusal` came; answers its ARN.
async fn take_over(
    clients: &Clients,
    creation: &Creation,
    name: &str,
    content: &Content<'_>,
    refusal: ProviderError,
) -> Result<String, ProviderError> {
    let Some(secret) = describe(clients, name).await? else { return Err(refusal) };
    let conflict = |message: String| ProviderError { kind: ErrorKind::Conflict, message, ..refusal.clone() };
    let arn = secret.arn().ok_or_else(|| unanswered(DESCRIBE, "ARN"))?.to_owned();
    match (is_own(creation, &secret), is_deleted(&secret)) {
        (true, false) => {}
        (true, true) => match clients.secretsmanager().restore_secret().secret_id(&arn).send().await {
            Ok(_) => {}
            Err(error) => {
                let error = failed(RESTORE)(error);
                // It is beyond recovery, and its name will be free in a moment.
                let is_lost = matches!(error.kind, ErrorKind::Invalid | ErrorKind::NotFound);
                return Err(if is_lost { refusal } else { error });
            }
        },
        (false, true) => {
            return Err(conflict(format!(
                "a secret {name} that was not made for this instance still waits for its deletion: \
                 choose another name, or delete it for good"
            )));
        }
        (false, false) => {
            return Err(conflict(format!("there is a secret {name} already, and it was not made for this instance")));
        }
    }
    // A secret of before may have another key.
    let key = wanted(creation, UPDATE).owned_text("kms_key_id")?;
    if key != key_of(&arn, secret.kms_key_id()) {
        let request = clients.secretsmanager().update_secret().secret_id(&arn).kms_key_id(key.unwrap_or_default());
        request.send().await.map_err(failed(UPDATE))?;
    }
    let stages = secret.version_ids_to_stages().into_iter().flat_map(|versions| versions.values().flatten());
    if !stages.into_iter().any(|stage| stage == CURRENT) {
        put(clients, &arn, content.text()?.reveal()).await?;
        return Ok(arn);
    }
    let stored = current(clients, &arn).await?;
    match content {
        Content::Generated(wanted) => {
            let stored = entries(&stored);
            match wanted.keys().find(|key| !stored.contains_key(*key)) {
                None => Ok(arn),
                Some(key) => Err(conflict(format!(
                    "there is a secret {name} of this instance already, but its value has no key {key:?}: \
                     add it, or delete the secret for good if nobody needs it any more"
                ))),
            }
        }
        Content::Given(value) if stored.reveal() == *value => Ok(arn),
        Content::Given(value) => put(clients, &arn, value).await.map(|()| arn),
    }
}

async fn put(clients: &Clients, arn: &str, value: &str) -> Result<(), ProviderError> {
    clients.stored.forget(arn);
    let request = clients.secretsmanager().put_secret_value().secret_id(arn).secret_string(value);
    request.send().await.map_err(failed(PUT)).map(drop)
}

/// The value that this session has stored, or else the one in use.
async fn stored(clients: &Clients, arn: &str) -> Result<SecretText, ProviderError> {
    match clients.stored.value(arn) {
        Some(value) => Ok(value),
        None => current(clients, arn).await,
    }
}

/// The value in use.
async fn current(clients: &Clients, arn: &str) -> Result<SecretText, ProviderError> {
    let answer = clients.secretsmanager().get_secret_value().secret_id(arn).send().await.map_err(failed(GET))?;
    answer.secret_string.map(SecretText::new).ok_or_else(|| {
        ProviderError::new(ErrorKind::Invalid, GET, format!("the secret {arn} holds bytes, and no text"))
    })
}

/// The texts of a JSON object; none if it is something else.
fn entries(value: &SecretText) -> BTreeMap<String, SecretText> {
    let object: BTreeMap<String, serde_json::Value> = serde_json::from_str(value.reveal()).unwrap_or_default();
    let text = |(key, value)| match value {
        serde_json::Value::String(text) => Some((key, SecretText::new(text))),
        _ => None,
    };
    object.into_iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_by_its_arn_however_aws_tells_it() {
        let secret = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:social/rails-AbCdEf";
        let arn = "arn:aws-cn:kms:cn-north-1:123456789012:key/1234abcd";
        assert_eq!(key_of(secret, Some("1234abcd")).as_deref(), Some(arn));
        assert_eq!(key_of(secret, Some(arn)).as_deref(), Some(arn));
        assert_eq!(key_of(secret, Some("alias/own")).as_deref(), Some("alias/own"));
        for own in [None, Some(""), Some("alias/aws/secretsmanager"), Some("arn:aws:kms:a:1:alias/aws/secretsmanager")]
        {
            assert_eq!(key_of(secret, own), None, "{own:?}");
        }
    }

    #[test]
    fn what_was_generated_is_not_in_an_error_that_repeats_it() {
        let wanted = BTreeMap::from([("password".to_owned(), "alphanumeric32".to_owned())]);
        let content = Content::Generated(generate(&wanted, &mut OsEntropy).expect("made"));
        let sent = content.text().expect("JSON");
        let error = ProviderError::new(ErrorKind::Unknown, CREATE, format!("cannot store {}", sent.reveal()));
        assert_eq!(content.hidden_in(error).message, "cannot store {\"password\":\"***\"}");
    }
}
