//! `route53.record`: a record in a zone.
//!
//! Route 53 has no tags for records. A TXT record beside each holds them: it is made, changed and deleted in the same
//! change, which AWS carries out as a whole or not at all, so neither is ever there alone. A record without it is
//! somebody else's.
//!
//! A record is made by `CREATE`, which AWS refuses where there is one already, and deleted by naming all that it holds,
//! which AWS refuses where that has changed meanwhile. So nothing of somebody else's is ever overwritten.
//!
//! One that `yields` leaves a record of somebody else in its place and counts as made. That one is shown as what is wanted,
//! and never touched. Once it is gone, the next apply makes ours.
//!
//! The records of a zone are read all together, 300 in a call.

use async_trait::async_trait;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};

use super::text;
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::dns::without_dot;
use crate::provider::aws::error::{OrAbsent, failed, incomplete};
use crate::provider::aws::handler::{Handler, by_group, created, observation, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::ownership::{self, Care};
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observation, Observed, ProviderError, Target, Update};
use crate::secret::SecretText;
use crate::value::{Tree, Value};

const CHANGE: &str = "route53:ChangeResourceRecordSets";
const LIST: &str = "route53:ListResourceRecordSets";

/// How long whoever asks for the TXT record may keep the answer. Nobody needs it but this program.
const OWNER_TTL: i64 = 300;

/// The longest name that DNS allows, without the dot at its end.
const LONGEST: usize = 253;

pub struct Record;

/// The name of a record: zone, name and kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    zone: String,
    name: String,
    kind: String,
}

impl Key {
    fn of(identity: &Identity) -> Result<Self, ProviderError> {
        match identity.as_str().split('|').collect::<Vec<_>>()[..] {
            [zone, name, kind] => Ok(Self { zone: zone.to_owned(), name: name.to_owned(), kind: kind.to_owned() }),
            _ => Err(ProviderError::new(
                ErrorKind::Invalid,
                LIST,
                format!("{identity} is not a zone, a name and a kind, parted by |"),
            )),
        }
    }

    fn identity(&self) -> Identity {
        Identity::new(format!("{}|{}|{}", self.zone, self.name, self.kind))
    }

    fn missing(&self) -> ProviderError {
        ProviderError::new(ErrorKind::NotFound, CHANGE, format!("{} is not there", self.name))
    }

    /// The name of the TXT record that says whose it is.
    fn owner_name(&self) -> String {
        format!("_mastoform-{}.{}", self.kind.to_ascii_lowercase(), self.name)
    }
}

/// A record, and what says whose it is.
struct Pair {
    record: ResourceRecordSet,
    owner: Option<ResourceRecordSet>,
}

impl Pair {
    /// Whether nothing says that a record is of this program.
    fn is_of_nobody(&self) -> bool {
        !self.tags().contains_key(tags::INSTANCE)
    }

    /// Refuses to change a record that is not this target's owner's, whatever a state says of it.
    fn must_be_ours(&self, key: &Key, target: &Target) -> Result<(), ProviderError> {
        let present = self.tags();
        let is_owners = target.owner.as_ref().is_none_or(|owner| {
            !matches!(ownership::judge_tags(owner, &target.address, Some(&present)), Care::Foreign(_))
        });
        if !self.is_of_nobody() && is_owners {
            return Ok(());
        }
        let message = format!(
            "the record {} {}, {}, is somebody else's: delete it, or keep it and take this one out of the file",
            key.name,
            key.kind,
            in_words(&self.record)
        );
        Err(ProviderError::new(ErrorKind::Conflict, CHANGE, message))
    }

    fn tags(&self) -> Tags {
        let values = self.owner.iter().flat_map(ResourceRecordSet::resource_records);
        values.flat_map(|value| text::to_tags(value.value())).collect()
    }
}

#[async_trait]
impl Handler for Record {
    fn type_name(&self) -> &'static str {
        "route53.record"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        by_group(targets, usize::MAX, zone_of, |zone, targets| async move {
            let records = list(clients, zone).await;
            let answer = |target: &Target| {
                let key = Key::of(&target.identity)?;
                let records = records.clone()?;
                let found = records.as_deref().and_then(|records| pair(records, &key));
                Ok(found.map(|found| stranger(target, &found).unwrap_or_else(|| shown(&key, &found))))
            };
            targets.into_iter().map(|target| observation(answer(target))).collect()
        })
        .await
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let key = key(&wanted(creation, LIST))?;
        let found = read(clients, &key).await?.filter(|found| {
            let present = found.tags();
            tags::has_all(&creation.tags, tags::pairs(&present))
        });
        Ok(found.map(|_| key.identity()).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CHANGE);
        let key = key(&wanted)?;
        let record = record(&key, &wanted)?;
        let changes = vec![
            change(ChangeAction::Create, record)?,
            change(ChangeAction::Create, owner_record(&key, &creation.tags)?)?,
        ];
        match send(clients, &key.zone, changes).await {
            Ok(()) => Ok(created(key.identity().0, Report::new())),
            // AWS says so, too, of a record that is there already. One form of the answer has no code that the SDK knows.
            Err(error) if is_refused(&error) => match read(clients, &key).await? {
                None => Err(error),
                Some(_) if !self.find(clients, creation).await?.is_empty() => {
                    Ok(created(key.identity().0, Report::new()))
                }
                Some(found) if is_yielding(&wanted)? && found.is_of_nobody() => {
                    Ok(created(key.identity().0, Report::new()))
                }
                Some(found) => {
                    let message = format!(
                        "the zone has a record {} {} already, {}: delete it, or keep it and write the records yourself",
                        key.name,
                        key.kind,
                        in_words(&found.record)
                    );
                    Err(ProviderError::new(ErrorKind::Conflict, CHANGE, message))
                }
            },
            Err(error) => Err(error),
        }
    }

    /// The old record is deleted and the new one made in one change, which AWS refuses if the old one is not as it was
    /// read.
    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let key = Key::of(&update.target.identity)?;
        let found = read(clients, &key).await?.ok_or_else(|| key.missing())?;
        let desired = desired(update, CHANGE);
        if found.is_of_nobody() && is_yielding(&desired)? {
            return Ok(());
        }
        found.must_be_ours(&key, &update.target)?;
        let record = record(&key, &desired)?;
        let changes = vec![change(ChangeAction::Delete, found.record)?, change(ChangeAction::Create, record)?];
        send(clients, &key.zone, changes).await
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let key = Key::of(&target.identity)?;
        let found = read(clients, &key).await?.filter(|found| !found.is_of_nobody());
        let found = found.ok_or_else(|| key.missing())?;
        let all = found.tags().into_iter().chain(tags.clone()).collect();
        send(clients, &key.zone, vec![change(ChangeAction::Upsert, owner_record(&key, &all)?)?]).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let key = Key::of(&target.identity)?;
        let found = read(clients, &key).await?;
        // One of somebody else, to which ours has yielded, stays.
        if let Some(found) = found.filter(|found| !found.is_of_nobody()) {
            found.must_be_ours(&key, target)?;
            let sets = [found.record].into_iter().chain(found.owner);
            let changes = sets.map(|set| change(ChangeAction::Delete, set)).collect::<Result<Vec<_>, _>>()?;
            send(clients, &key.zone, changes).await?;
        }
        Ok(Deletion::Accepted)
    }
}

/// The zone of a record, by its identity.
fn zone_of(target: &Target) -> &str {
    target.identity.as_str().split('|').next().unwrap_or_default()
}

fn key(attributes: &Attributes<'_, SecretText>) -> Result<Key, ProviderError> {
    Ok(Key {
        zone: attributes.text("zone_id")?.to_owned(),
        name: attributes.text("name")?.to_owned(),
        kind: attributes.text("kind")?.to_owned(),
    })
}

/// The records of a zone; `None` if there is no such zone.
pub(super) async fn list(clients: &Clients, zone: &str) -> Result<Option<Vec<ResourceRecordSet>>, ProviderError> {
    let mut records = Vec::new();
    let (mut name, mut kind, mut identifier) = (None, None, None);
    loop {
        let request = clients
            .route53()
            .list_resource_record_sets()
            .hosted_zone_id(zone)
            .set_start_record_name(name)
            .set_start_record_type(kind)
            .set_start_record_identifier(identifier);
        let Some(answer) = request.send().await.map_err(failed(LIST)).or_absent()? else { return Ok(None) };
        records.extend(answer.resource_record_sets);
        if !answer.is_truncated {
            return Ok(Some(records));
        }
        (name, kind, identifier) = (answer.next_record_name, answer.next_record_type, answer.next_record_identifier);
    }
}

async fn read(clients: &Clients, key: &Key) -> Result<Option<Pair>, ProviderError> {
    Ok(list(clients, &key.zone).await?.and_then(|records| pair(&records, key)))
}

/// The record of a key among those of its zone.
fn pair(records: &[ResourceRecordSet], key: &Key) -> Option<Pair> {
    let find = |name: &str, kind: &str| {
        let fits = |set: &&ResourceRecordSet| {
            without_dot(set.name()).eq_ignore_ascii_case(name) && set.r#type().as_str() == kind
        };
        records.iter().find(fits).cloned()
    };
    let owner = find(&key.owner_name(), "TXT");
    find(&key.name, &key.kind).map(|record| Pair { record, owner })
}

fn shown(key: &Key, found: &Pair) -> Observed {
    let record = &found.record;
    let values: Vec<Value> =
        record.resource_records().iter().map(|value| Value::from(without_dot(value.value()))).collect();
    let alias = record.alias_target().map(|target| {
        Report::new()
            .set("name", without_dot(target.dns_name()).to_ascii_lowercase())
            .set("zone_id", target.hosted_zone_id())
            .set("evaluate", target.evaluate_target_health())
            .value()
    });
    let values = if values.is_empty() { Tree::Null } else { Tree::List(values) };
    let report = Report::new()
        .set("zone_id", key.zone.rsplit('/').next())
        .set("name", without_dot(record.name()))
        .set("kind", record.r#type().as_str())
        .set("ttl", record.ttl())
        .set("values", values)
        .set("alias", alias.unwrap_or_default());
    let present = found.tags();
    tagged(observed(key.identity().0, report), tags::pairs(&present))
}

/// A record of somebody else that stands where one of ours would, which yields to it: as the one that is wanted. `None`
/// for any other.
fn stranger(target: &Target, found: &Pair) -> Option<Observed> {
    let yields = target.recorded.get("yields").and_then(Tree::as_bool) == Some(true);
    let owner = target.owner.as_ref().filter(|_| yields && found.is_of_nobody())?;
    let owned = owner.tags(&target.address);
    Some(tagged(observed(target.identity.as_str(), target.recorded.clone()), tags::pairs(&owned)))
}

fn is_yielding(attributes: &Attributes<'_, SecretText>) -> Result<bool, ProviderError> {
    attributes.flag("yields")
}

/// What a record holds, for a message.
fn in_words(record: &ResourceRecordSet) -> String {
    match record.alias_target() {
        Some(target) => format!("an alias of {}", without_dot(target.dns_name())),
        None => record.resource_records().iter().map(ResourceRecord::value).collect::<Vec<_>>().join(", "),
    }
}

fn record(key: &Key, attributes: &Attributes<'_, SecretText>) -> Result<ResourceRecordSet, ProviderError> {
    let mut set = ResourceRecordSet::builder()
        .name(&key.name)
        .r#type(RrType::from(key.kind.as_str()))
        .set_ttl(attributes.optional_long("ttl")?);
    for value in attributes.optional_texts("values")?.unwrap_or_default() {
        set = set.resource_records(ResourceRecord::builder().value(value).build().map_err(incomplete(CHANGE))?);
    }
    let alias = attributes.table("alias")?;
    if alias.is_present() {
        let target = AliasTarget::builder()
            .dns_name(alias.text("name")?)
            .hosted_zone_id(alias.text("zone_id")?)
            .evaluate_target_health(alias.optional_flag("evaluate")?.unwrap_or(false));
        set = set.alias_target(target.build().map_err(incomplete(CHANGE))?);
    }
    set.build().map_err(incomplete(CHANGE))
}

/// The TXT record that says whose a record is.
fn owner_record(key: &Key, tags: &Tags) -> Result<ResourceRecordSet, ProviderError> {
    let name = key.owner_name();
    let value = text::of_tags(tags).filter(|_| name.len() <= LONGEST);
    let too_long = || ProviderError::new(ErrorKind::Invalid, CHANGE, format!("{name} is too long to say whose it is"));
    let value = ResourceRecord::builder().value(value.ok_or_else(too_long)?).build().map_err(incomplete(CHANGE))?;
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::Txt).ttl(OWNER_TTL).resource_records(value);
    set.build().map_err(incomplete(CHANGE))
}

fn change(action: ChangeAction, set: ResourceRecordSet) -> Result<Change, ProviderError> {
    Change::builder().action(action).resource_record_set(set).build().map_err(incomplete(CHANGE))
}

fn is_refused(error: &ProviderError) -> bool {
    !error.kind.is_transient() && matches!(error.code.as_deref(), None | Some("InvalidChangeBatch"))
}

async fn send(clients: &Clients, zone: &str, changes: Vec<Change>) -> Result<(), ProviderError> {
    let batch = ChangeBatch::builder().set_changes(Some(changes)).build().map_err(incomplete(CHANGE))?;
    let request = clients.route53().change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
    request.send().await.map_err(failed(CHANGE))?;
    Ok(())
}
