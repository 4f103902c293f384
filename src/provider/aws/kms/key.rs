//! `kms.key`: a key that other services encrypt with.
//!
//! A key has no name that AWS would refuse to give twice, and creating one takes no client token. So a creation first looks
//! through the tags of all keys, unless nothing can carry its tags yet: what an earlier try has made is completed, and what
//! is there at the first try is a conflict, which the engine settles. The tags come with the key, its policy and its
//! rotation are calls of their own, which may be repeated.
//!
//! # Guarantees
//!
//! - No key is deleted at once: AWS waits for days, and the key cannot be used meanwhile. One that waits counts as gone.
//! - A creation takes back the key of the same address that waits for its deletion, rather than make a second one: what
//!   is encrypted with it can be read again.
//!
//! # Assumptions
//!
//! A key is made with the policy that AWS gives every key, and gets its own in the next call. Given one at once, AWS would
//! ask whether the caller may change that policy later, before the key has the tags on which the caller's rights depend.

use async_trait::async_trait;
use aws_sdk_kms::types::{KeyMetadata, KeyState};

use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, recorded, structure, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete, unanswered};
use crate::provider::aws::handler::{Handler, TagSource, Told, created, observed};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observed, ProviderError, Target, Update};

const CANCEL_DELETION: &str = "kms:CancelKeyDeletion";
const CREATE: &str = "kms:CreateKey";
const DELETE: &str = "kms:ScheduleKeyDeletion";
const DESCRIBE: &str = "kms:DescribeKey";
const DISABLE_ROTATION: &str = "kms:DisableKeyRotation";
const ENABLE: &str = "kms:EnableKey";
const ENABLE_ROTATION: &str = "kms:EnableKeyRotation";
const GET_POLICY: &str = "kms:GetKeyPolicy";
const GET_ROTATION: &str = "kms:GetKeyRotationStatus";
const LIST: &str = "kms:ListKeys";
const LIST_TAGS: &str = "kms:ListResourceTags";
const PUT_POLICY: &str = "kms:PutKeyPolicy";
const TAG: &str = "kms:TagResource";
const UPDATE_DESCRIPTION: &str = "kms:UpdateKeyDescription";

/// The only name that a policy of a key can have.
const POLICY: &str = "default";

pub struct Key;

#[async_trait]
impl Handler for Key {
    fn type_name(&self) -> &'static str {
        "kms.key"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let id = target.identity.as_str();
        let (metadata, rotation, policy) =
            tokio::join!(describe(clients, id), rotates(clients, id), policy(clients, id));
        // Of a key that goes, not everything is told.
        match metadata?.filter(|metadata| !is_going(metadata)) {
            None => Ok(None),
            Some(metadata) => {
                let report = names(&metadata)
                    .set("description", metadata.description().filter(|text| !text.is_empty()))
                    .set("rotation", rotation?)
                    .set("policy", policy?.as_deref().map(structure));
                Ok(Some(observed(id, report)))
            }
        }
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let own = own(clients, &creation.tags).await?;
        let alive = own.into_iter().filter(|metadata| !is_going(metadata));
        Ok(alive.map(|metadata| Identity::new(metadata.key_id)).collect())
    }

    /// The look of a creation, which takes a key back, sees a living one, too.
    fn refuses_second(&self) -> bool {
        true
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let own = if creation.attempt.tags_are_new { Vec::new() } else { own(clients, &creation.tags).await? };
        if creation.attempt.is_first
            && let Some(living) = own.iter().find(|key| !is_going(key))
        {
            let message = format!("{} is there already", living.key_id());
            return Err(ProviderError::new(ErrorKind::Conflict, CREATE, message));
        }
        // One that can be used, or else the one that was in use last.
        let metadata =
            match own.into_iter().max_by_key(|key| (!is_going(key), key.deletion_date().map(|date| date.secs()))) {
                Some(metadata) => {
                    take_back(clients, &metadata).await?;
                    put_description(clients, metadata.key_id(), &wanted).await?;
                    metadata
                }
                None => make(clients, &wanted, &creation.tags).await?,
            };
        let (id, attributes) = (metadata.key_id(), &creation.attributes);
        let policy = Attributes::new(attributes, PUT_POLICY);
        tokio::try_join!(put_policy(clients, id, &policy), put_rotation(clients, id, &wanted))?;
        let metadata = KeyMetadata::builder()
            .key_id(id)
            .set_arn(metadata.arn.clone())
            .key_state(KeyState::Enabled)
            .build()
            .map_err(incomplete(CREATE))?;
        Ok(created(id, names(&metadata)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let id = update.target.identity.as_str();
        if update.changed("description").is_some() {
            put_description(clients, id, &desired(update, UPDATE_DESCRIPTION)).await?;
        }
        if update.changed("policy").is_some() {
            put_policy(clients, id, &desired(update, PUT_POLICY)).await?;
        }
        if update.changed("rotation").is_some() {
            let desired = desired(update, ENABLE_ROTATION);
            match desired.flag("rotation")? {
                true => put_rotation(clients, id, &desired).await?,
                false => {
                    let request = clients.kms().disable_key_rotation().key_id(id);
                    request.send().await.map_err(failed(DISABLE_ROTATION))?;
                }
            }
        }
        Ok(())
    }

    fn tag_source(&self) -> TagSource {
        TagSource::Index("kms")
    }

    async fn tags(&self, clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
        Ok(list_tags(clients, observed.identity.as_str()).await.or_absent()?.map_or(Told::Gone, Told::Tags))
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let request = clients.kms().tag_resource().key_id(target.identity.as_str());
        request.set_tags(Some(super::listed(tags)?)).send().await.map_err(failed(TAG))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let id = target.identity.as_str();
        if describe(clients, id).await?.is_some_and(|metadata| !is_going(&metadata)) {
            let days = recorded(target, DELETE).integer("deletion_window_days")?;
            let request = clients.kms().schedule_key_deletion().key_id(id);
            let request = request.pending_window_in_days(days);
            request.send().await.map_err(failed(DELETE)).or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

/// Whether AWS was asked to delete it.
fn is_going(metadata: &KeyMetadata) -> bool {
    matches!(metadata.key_state(), Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
}

/// What others call it, and whether it can be used.
fn names(metadata: &KeyMetadata) -> Report {
    Report::new()
        .set("id", metadata.key_id())
        .set("arn", metadata.arn())
        .set("status", metadata.key_state().map(KeyState::as_str))
}

async fn describe(clients: &Clients, id: &str) -> Result<Option<KeyMetadata>, ProviderError> {
    let answer = clients.kms().describe_key().key_id(id).send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.key_metadata))
}

async fn rotates(clients: &Clients, id: &str) -> Result<bool, ProviderError> {
    let answer = clients.kms().get_key_rotation_status().key_id(id).send().await.map_err(failed(GET_ROTATION))?;
    Ok(answer.key_rotation_enabled)
}

async fn policy(clients: &Clients, id: &str) -> Result<Option<String>, ProviderError> {
    let request = clients.kms().get_key_policy().key_id(id).policy_name(POLICY);
    Ok(request.send().await.map_err(failed(GET_POLICY))?.policy)
}

async fn list_tags(clients: &Clients, id: &str) -> Result<Tags, ProviderError> {
    let tags = clients.kms().list_resource_tags().key_id(id).into_paginator().items().send();
    let tags: Vec<_> = tags.collect::<Result<_, _>>().await.map_err(failed(LIST_TAGS))?;
    Ok(tags::collected(tags.iter().map(|tag| (tag.tag_key(), tag.tag_value()))))
}

/// The keys that carry all of these tags, those that wait for their deletion included.
async fn own(clients: &Clients, wanted: &Tags) -> Result<Vec<KeyMetadata>, ProviderError> {
    let keys = clients.kms().list_keys().into_paginator().items().send();
    let keys: Vec<_> = keys.collect::<Result<_, _>>().await.map_err(failed(LIST))?;
    let look = async |id: String| match list_tags(clients, &id).await {
        Ok(present) if tags::has_all(wanted, tags::pairs(&present)) => describe(clients, &id).await,
        Ok(_) => Ok(None),
        // It went meanwhile, or its policy keeps it from us, as that of none of ours does.
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Denied) => Ok(None),
        Err(error) => Err(error),
    };
    let looks = keys.into_iter().filter_map(|key| key.key_id).map(look).collect();
    Ok(try_wave(looks).await?.into_iter().flatten().collect())
}

async fn make(clients: &Clients, wanted: &Attributes<'_>, tags: &Tags) -> Result<KeyMetadata, ProviderError> {
    let request = clients.kms().create_key().set_description(wanted.owned_text("description")?);
    let answer = request.set_tags(Some(super::listed(tags)?)).send().await.map_err(failed(CREATE))?;
    answer.key_metadata.ok_or_else(|| unanswered(CREATE, "key"))
}

/// Makes a key usable again that waits for its deletion. AWS leaves such a key disabled.
async fn take_back(clients: &Clients, metadata: &KeyMetadata) -> Result<(), ProviderError> {
    let id = metadata.key_id();
    if is_going(metadata) {
        clients.kms().cancel_key_deletion().key_id(id).send().await.map_err(failed(CANCEL_DELETION))?;
    }
    if is_going(metadata) || metadata.key_state() == Some(&KeyState::Disabled) {
        clients.kms().enable_key().key_id(id).send().await.map_err(failed(ENABLE))?;
    }
    Ok(())
}

async fn put_description(clients: &Clients, id: &str, attributes: &Attributes<'_>) -> Result<(), ProviderError> {
    let description = attributes.optional_text("description")?.unwrap_or_default();
    let request = clients.kms().update_key_description().key_id(id).description(description);
    request.send().await.map_err(failed(UPDATE_DESCRIPTION))?;
    Ok(())
}

async fn put_policy(clients: &Clients, id: &str, attributes: &Attributes<'_>) -> Result<(), ProviderError> {
    let request = clients.kms().put_key_policy().key_id(id).policy_name(POLICY);
    let request = request.policy(attributes.document("policy")?);
    request.send().await.map_err(failed(PUT_POLICY))?;
    Ok(())
}

/// Turns the rotation on, if it is wanted.
async fn put_rotation(clients: &Clients, id: &str, attributes: &Attributes<'_>) -> Result<(), ProviderError> {
    if attributes.flag("rotation")? {
        clients.kms().enable_key_rotation().key_id(id).send().await.map_err(failed(ENABLE_ROTATION))?;
    }
    Ok(())
}
