//! The simulated world as data: its objects, and what changed since they were last kept.
//!
//! What an object is at some instant is a function of its fields and that instant: nothing ticks. Instants are
//! durations since the epoch of the clock the simulation was given.
//!
//! No secret is ever part of it: what is sensitive or write-only is dropped before an object is made.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Identity, TypeName};
use crate::provider::{Announcement, Registration};
use crate::spec::references::references;
use crate::spec::types::{ResourceType, Types};
use crate::value::{Tree, Value};

/// What is being done to an object, or was last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Creating,
    Updating,
    Deleting,
}

/// How the phase will end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Well,
    Failed,
    /// As soon as a person, or something else, has acted.
    Waiting,
    /// Never: it shows this status.
    Stuck(String),
}

/// What an object is at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage<'object> {
    Changing(Phase),
    Waiting,
    Ready,
    Failed,
    Stuck(&'object str),
    Gone,
}

/// Something in the cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    pub region: String,
    /// The address it was created for; nothing for what a test or a lookup put here.
    pub address: Option<Address>,
    pub tags: BTreeMap<String, String>,
    /// Everything but its status, secrets and what cannot be read back.
    pub attributes: Value,
    pub token: String,
    pub created_at: Duration,
    pub changed_at: Duration,
    pub phase: Phase,
    pub settles_at: Duration,
    pub ending: Ending,
    /// How many looks at it still miss it.
    pub hidden: u32,
    /// It came into being because a lookup asked for it.
    pub outside: bool,
    /// What is announced for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announced: Vec<Announcement>,
    /// Why it failed, where that is not what the type usually says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

impl Object {
    /// What it is at `now`.
    pub fn stage(&self, now: Duration) -> Stage<'_> {
        match (&self.ending, self.phase) {
            (Ending::Stuck(status), _) => Stage::Stuck(status),
            (Ending::Waiting, _) => Stage::Waiting,
            (_, phase) if now < self.settles_at => Stage::Changing(phase),
            (Ending::Failed, _) => Stage::Failed,
            (Ending::Well, Phase::Deleting) => Stage::Gone,
            (Ending::Well, _) => Stage::Ready,
        }
    }

    /// Starts a phase that takes `duration`.
    pub fn begin(&mut self, phase: Phase, now: Duration, duration: Duration) {
        self.phase = phase;
        self.changed_at = now;
        self.settles_at = now.saturating_add(duration);
        self.ending = Ending::Well;
        self.said = None;
    }

    /// Whether it is a job that has come to its end: nothing of it lives on.
    pub fn has_ended(&self, resource_type: &ResourceType, now: Duration) -> bool {
        let is_final =
            |status: &str| resource_type.ready.as_ref().is_some_and(|ready| ready.condition(status).is_final());
        resource_type.once
            && match self.stage(now) {
                Stage::Ready | Stage::Failed => true,
                Stage::Stuck(status) => is_final(status),
                Stage::Gone | Stage::Waiting | Stage::Changing(_) => false,
            }
    }

    /// Makes everything that happens to it happen so much earlier, but not before the epoch.
    fn move_back(&mut self, by: Duration) {
        for instant in [&mut self.created_at, &mut self.changed_at, &mut self.settles_at] {
            *instant = instant.saturating_sub(by);
        }
    }

    /// Looks at it once: whether it can be seen.
    fn look(&mut self) -> bool {
        let visible = self.hidden == 0;
        self.hidden = self.hidden.saturating_sub(1);
        visible
    }
}

/// What tells the objects of a type apart. Most names are given anew in each region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub identity: Identity,
    pub region: String,
}

/// Objects by type and key.
pub type Objects = BTreeMap<TypeName, BTreeMap<Key, Object>>;

/// All there is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cloud {
    /// Decides everything that looks random.
    pub seed: u64,
    /// When it was last saved.
    pub saved_at: Duration,
    /// How many objects were made, by address.
    births: BTreeMap<String, u64>,
    /// The last revision, by type and natural name.
    revisions: BTreeMap<String, i64>,
    /// What is registered, by region and instance.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    registrations: BTreeMap<String, Registration>,
    #[serde(with = "whole")]
    objects: Objects,
    /// Before this instant nothing that is being deleted is gone; `None`: nothing is being deleted.
    #[serde(skip)]
    next_gone: Option<Duration>,
    #[serde(skip)]
    changed: Changed,
}

/// The names of what is different since the cloud was last kept.
#[derive(Clone, Debug, Default)]
struct Changed {
    births: BTreeSet<String>,
    revisions: BTreeSet<String>,
    registrations: BTreeSet<String>,
    objects: BTreeSet<(TypeName, Key)>,
}

/// What is different since the cloud was last kept: the part of it that is new. Where nothing stands in the place of an
/// entry, the entry is gone.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Change {
    pub saved_at: Duration,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    births: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    revisions: BTreeMap<String, i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    registrations: BTreeMap<String, Option<Registration>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", with = "partial")]
    objects: BTreeMap<TypeName, BTreeMap<Key, Option<Object>>>,
}

impl Cloud {
    /// An empty one.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Makes everything in it happen so much earlier, but not before the epoch.
    pub fn move_back(&mut self, by: Duration) {
        self.objects.values_mut().flat_map(BTreeMap::values_mut).for_each(|object| object.move_back(by));
        self.next_gone = Some(Duration::ZERO);
    }

    /// What is different since [`Cloud::is_kept`].
    pub fn change(&self) -> Change {
        let Changed { births, revisions, registrations, objects } = &self.changed;
        let mut change = Change { saved_at: self.saved_at, ..Change::default() };
        change.births.extend(births.iter().filter_map(|key| Some((key.clone(), *self.births.get(key)?))));
        change.revisions.extend(revisions.iter().filter_map(|key| Some((key.clone(), *self.revisions.get(key)?))));
        let registered = |key: &String| (key.clone(), self.registrations.get(key).cloned());
        change.registrations.extend(registrations.iter().map(registered));
        for (type_name, key) in objects {
            let object = self.objects.get(type_name).and_then(|objects| objects.get(key)).cloned();
            change.objects.entry(type_name.clone()).or_default().insert(key.clone(), object);
        }
        change
    }

    /// From now on nothing is different.
    pub fn is_kept(&mut self) {
        self.changed = Changed::default();
    }

    /// Makes a change that somebody else has kept, by a clock that is so far ahead.
    pub fn follow(&mut self, change: Change, ahead: Duration) {
        self.saved_at = change.saved_at;
        self.births.extend(change.births);
        self.revisions.extend(change.revisions);
        for (key, registration) in change.registrations {
            match registration {
                Some(registration) => _ = self.registrations.insert(key, registration),
                None => _ = self.registrations.remove(&key),
            }
        }
        for (type_name, objects) in change.objects {
            let ours = self.objects.entry(type_name).or_default();
            for (key, object) in objects {
                match object {
                    Some(mut object) => {
                        object.move_back(ahead);
                        ours.insert(key, object);
                    }
                    // An earlier version did not say of which region.
                    None if key.region.is_empty() => ours.retain(|other, _| other.identity != key.identity),
                    None => _ = ours.remove(&key),
                }
            }
        }
        self.objects.retain(|_, objects| !objects.is_empty());
        self.next_gone = Some(Duration::ZERO);
    }

    /// Counts one more object of an address: how many there were before.
    pub fn bear(&mut self, address: &str) -> u64 {
        self.changed.births.insert(address.to_owned());
        *self.births.entry(address.to_owned()).and_modify(|count| *count += 1).or_insert(0)
    }

    /// The next revision of a type and natural name; the first is 1.
    pub fn revise(&mut self, family: &str) -> i64 {
        self.changed.revisions.insert(family.to_owned());
        *self.revisions.entry(family.to_owned()).and_modify(|last| *last += 1).or_insert(1)
    }

    /// What is registered under a key.
    pub fn registration(&self, key: &str) -> Option<&Registration> {
        self.registrations.get(key)
    }

    /// Registers something under a key, or nothing.
    pub fn register(&mut self, key: String, registration: Option<Registration>) {
        match registration {
            Some(registration) => _ = self.registrations.insert(key.clone(), registration),
            None => _ = self.registrations.remove(&key),
        }
        self.changed.registrations.insert(key);
    }

    /// Forgets what is gone.
    pub fn sweep(&mut self, now: Duration) {
        if self.next_gone.is_none_or(|next| now < next) {
            return;
        }
        for objects in self.objects.values_mut() {
            objects.retain(|_, object| object.stage(now) != Stage::Gone);
        }
        self.objects.retain(|_, objects| !objects.is_empty());
        let leaving = self.iter().filter(|(_, _, object)| object.phase == Phase::Deleting);
        self.next_gone = leaving.map(|(_, _, object)| object.settles_at).min();
    }

    /// Notes that something is gone at `settles_at`.
    pub fn leaves_at(&mut self, settles_at: Duration) {
        self.next_gone = Some(self.next_gone.map_or(settles_at, |next| next.min(settles_at)));
    }

    /// The key of an object in a region; with none, of the first one that has the identity anywhere.
    fn key(&self, type_name: &TypeName, identity: &Identity, region: Option<&str>) -> Option<Key> {
        let key = Key { identity: identity.clone(), region: region.unwrap_or_default().to_owned() };
        let objects = self.objects.get(type_name)?;
        match region {
            Some(_) => objects.contains_key(&key).then_some(key),
            None => {
                let (found, _) = objects.range(key..).next()?;
                (found.identity == *identity).then(|| found.clone())
            }
        }
    }

    /// An object in a region; with none, the first one that has the identity anywhere. Its identity is as it is kept.
    pub fn get(&self, type_name: &TypeName, identity: &Identity, region: Option<&str>) -> Option<(&Identity, &Object)> {
        let key = self.key(type_name, identity, region)?;
        self.objects.get(type_name)?.get_key_value(&key).map(|(key, object)| (&key.identity, object))
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, type_name: &TypeName, identity: &Identity, region: Option<&str>) -> Option<&mut Object> {
        let key = self.key(type_name, identity, region)?;
        let object = self.objects.get_mut(type_name)?.get_mut(&key)?;
        self.changed.objects.insert((type_name.clone(), key));
        Some(object)
    }

    /// Looks at an object once: whether it is there and can be seen.
    pub fn look(&mut self, type_name: &TypeName, identity: &Identity, region: Option<&str>) -> bool {
        match self.get(type_name, identity, region) {
            // Only a look at something hidden changes it.
            Some((_, object)) if object.hidden == 0 => true,
            Some(_) => self.get_mut(type_name, identity, region).is_some_and(Object::look),
            None => false,
        }
    }

    /// Puts an object into its region.
    pub fn insert(&mut self, type_name: &TypeName, identity: Identity, object: Object) {
        let key = Key { identity, region: object.region.clone() };
        self.changed.objects.insert((type_name.clone(), key.clone()));
        self.objects.entry(type_name.clone()).or_default().insert(key, object);
    }

    /// Takes an object away. Says whether there was one.
    pub fn remove(&mut self, type_name: &TypeName, identity: &Identity, region: &str) -> bool {
        let Some(key) = self.key(type_name, identity, Some(region)) else { return false };
        let removed = self.objects.get_mut(type_name).is_some_and(|objects| objects.remove(&key).is_some());
        self.changed.objects.insert((type_name.clone(), key));
        removed
    }

    /// Every object with its type and identity.
    pub fn iter(&self) -> impl Iterator<Item = (&TypeName, &Identity, &Object)> {
        self.objects.iter().flat_map(|(type_name, objects)| {
            objects.iter().map(move |(key, object)| (type_name, &key.identity, object))
        })
    }

    /// The objects of one type.
    pub fn of_type(&self, type_name: &TypeName) -> impl Iterator<Item = (&Identity, &Object)> {
        self.objects.get(type_name).into_iter().flatten().map(|(key, object)| (&key.identity, object))
    }

    /// The first object that refers to the one named, other than itself and jobs that have ended.
    pub fn dependent(
        &self,
        types: &Types,
        resource_type: &ResourceType,
        target: (&Identity, &str),
        now: Duration,
    ) -> Option<(TypeName, Identity)> {
        let (identity, region) = target;
        let mut found = None;
        for (other_name, other, object) in self.iter() {
            let Some(other_type) = types.get(other_name) else { continue };
            let is_within_reach = resource_type.global || other_type.global || object.region == region;
            let is_itself = (other_name, other, object.region.as_str()) == (&resource_type.name, identity, region);
            if is_itself || !is_within_reach || found.is_some() || object.has_ended(other_type, now) {
                continue;
            }
            references(&other_type.attributes, &object.attributes, &mut |naming| {
                if *naming.type_name == resource_type.name && naming.identity == identity.as_str() {
                    found = Some((other_name.clone(), other.clone()));
                }
            });
        }
        found
    }
}

/// The values of the type's identity attributes joined by `|`, if all are there.
pub fn identity(resource_type: &ResourceType, attributes: &Value) -> Option<Identity> {
    let parts = resource_type.identity.iter().map(|name| attributes.get(name).and_then(scalar_text));
    let parts: Vec<String> = parts.collect::<Option<_>>()?;
    (!parts.is_empty()).then(|| Identity::new(parts.join("|")))
}

/// A scalar as part of a name.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Tree::Text(text) => Some(text.clone()),
        Tree::Bool(_) | Tree::Integer(_) | Tree::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Objects in the file of a cloud: by type as `service.kind`, then by identity. Where that is not enough, by
/// `IDENTITY in REGION`.
mod whole {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{BTreeMap, Identity, Key, Object, Objects, spelled, type_named};

    pub fn serialize<S: Serializer>(objects: &Objects, serializer: S) -> Result<S::Ok, S::Error> {
        let named: BTreeMap<String, BTreeMap<String, &Object>> = objects
            .iter()
            .map(|(name, objects)| {
                let is_same = |one: Option<&Key>, key: &Key| one.is_some_and(|one| one.identity == key.identity);
                let keys: Vec<&Key> = objects.keys().collect();
                let entries = objects.iter().enumerate().map(|(at, (key, object))| {
                    let before = at.checked_sub(1).and_then(|before| keys.get(before).copied());
                    let is_ambiguous = is_same(before, key) || is_same(keys.get(at + 1).copied(), key);
                    let looks_spelled = key.identity.as_str().ends_with(&format!(" in {}", key.region));
                    let text = if is_ambiguous || looks_spelled { spelled(key) } else { key.identity.to_string() };
                    (text, object)
                });
                (name.to_string(), entries.collect())
            })
            .collect();
        named.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Objects, D::Error> {
        let named: BTreeMap<String, BTreeMap<String, Object>> = BTreeMap::deserialize(deserializer)?;
        let parsed = named.into_iter().map(|(name, objects)| {
            let keyed = objects.into_iter().map(|(text, object)| {
                let identity = text.strip_suffix(&format!(" in {}", object.region)).unwrap_or(&text);
                (Key { identity: Identity::new(identity), region: object.region.clone() }, object)
            });
            Ok((type_named(&name)?, keyed.collect()))
        });
        parsed.collect()
    }
}

/// The same for a part of the cloud, in which nothing may stand in the place of an object: always with the region.
mod partial {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{BTreeMap, Identity, Key, Object, TypeName, spelled, type_named};

    type Objects = BTreeMap<TypeName, BTreeMap<Key, Option<Object>>>;

    pub fn serialize<S: Serializer>(objects: &Objects, serializer: S) -> Result<S::Ok, S::Error> {
        let spelled = |objects: &BTreeMap<Key, Option<Object>>| -> BTreeMap<String, Option<Object>> {
            objects.iter().map(|(key, object)| (spelled(key), object.clone())).collect()
        };
        let named: BTreeMap<String, _> = objects.iter().map(|(name, all)| (name.to_string(), spelled(all))).collect();
        named.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Objects, D::Error> {
        let named: BTreeMap<String, BTreeMap<String, Option<Object>>> = BTreeMap::deserialize(deserializer)?;
        let parsed = named.into_iter().map(|(name, objects)| {
            let keyed = objects.into_iter().map(|(text, object)| {
                let (identity, region) = text.rsplit_once(" in ").unwrap_or((&text, ""));
                let region = object.as_ref().map_or(region, |object| &object.region).to_owned();
                (Key { identity: Identity::new(identity), region }, object)
            });
            Ok((type_named(&name)?, keyed.collect()))
        });
        parsed.collect()
    }
}

fn spelled(key: &Key) -> String {
    if key.region.is_empty() { key.identity.to_string() } else { format!("{} in {}", key.identity, key.region) }
}

fn type_named<E: serde::de::Error>(name: &str) -> Result<TypeName, E> {
    match name.split_once('.') {
        Some((service, kind)) => Ok(TypeName::new(service, kind)),
        None => Err(E::custom(format!("{name:?} is not the name of a type"))),
    }
}
