//! The simulated world as data: its objects, and the file they are kept in.
//!
//! What an object is at some instant is a function of its fields and that instant: nothing ticks. Instants are
//! durations since the epoch of the clock the simulation was given. A file that was saved by a clock ahead of the
//! present one (a virtual clock that started anew) is moved back on loading, so that what was still to come stays so.
//!
//! No secret is ever part of it: what is sensitive or write-only is dropped before an object is made.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::{Address, Identity, TypeName};
use crate::file;
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
    /// Never: it shows this status.
    Stuck(String),
}

/// What an object is at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage<'object> {
    Changing(Phase),
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
        resource_type.once && matches!(self.stage(now), Stage::Ready | Stage::Failed)
    }

    /// Looks at it once: whether it can be seen.
    pub fn look(&mut self) -> bool {
        let visible = self.hidden == 0;
        self.hidden = self.hidden.saturating_sub(1);
        visible
    }
}

/// Objects by type and identity.
pub type Objects = BTreeMap<TypeName, BTreeMap<Identity, Object>>;

/// All there is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cloud {
    /// Decides everything that looks random.
    pub seed: u64,
    /// When it was last saved.
    pub saved_at: Duration,
    /// How many objects were made, by address.
    pub births: BTreeMap<String, u64>,
    /// The last revision, by type and natural name.
    pub revisions: BTreeMap<String, i64>,
    /// What is registered, by region and instance.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registrations: BTreeMap<String, Registration>,
    #[serde(with = "by_type")]
    pub objects: Objects,
    /// Before this instant nothing that is being deleted is gone; `None`: nothing is being deleted.
    #[serde(skip)]
    pub(super) next_gone: Option<Duration>,
}

impl Cloud {
    /// Reads the file at `path`, or makes an empty world if there is none.
    pub fn load(path: &Path, seed: u64, now: Duration) -> io::Result<Self> {
        let text = match file::read_text(path, file::RECORDS) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { seed, ..Self::default() }),
            Err(error) => return Err(error),
        };
        let mut cloud: Self = serde_json::from_str(&text).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} is not a simulated cloud: {error}", path.display()))
        })?;
        cloud.next_gone = Some(Duration::ZERO);
        let ahead = cloud.saved_at.saturating_sub(now);
        for object in cloud.objects.values_mut().flat_map(BTreeMap::values_mut) {
            for instant in [&mut object.created_at, &mut object.changed_at, &mut object.settles_at] {
                *instant = instant.saturating_sub(ahead);
            }
        }
        Ok(cloud)
    }

    /// Replaces the file at `path` in one step.
    pub fn save(&mut self, path: &Path, now: Duration) -> io::Result<()> {
        self.saved_at = now;
        fs_err::create_dir_all(file::folder_of(path))?;
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        file::replace(path, &text)
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

    /// An object, with its identity as it is kept.
    pub fn get(&self, type_name: &TypeName, identity: &Identity) -> Option<(&Identity, &Object)> {
        self.objects.get(type_name)?.get_key_value(identity)
    }

    pub fn get_mut(&mut self, type_name: &TypeName, identity: &Identity) -> Option<&mut Object> {
        self.objects.get_mut(type_name)?.get_mut(identity)
    }

    pub fn insert(&mut self, type_name: &TypeName, identity: Identity, object: Object) {
        self.objects.entry(type_name.clone()).or_default().insert(identity, object);
    }

    /// Every object with its type and identity.
    pub fn iter(&self) -> impl Iterator<Item = (&TypeName, &Identity, &Object)> {
        self.objects.iter().flat_map(|(type_name, objects)| {
            objects.iter().map(move |(identity, object)| (type_name, identity, object))
        })
    }

    /// The objects of one type.
    pub fn of_type(&self, type_name: &TypeName) -> impl Iterator<Item = (&Identity, &Object)> {
        self.objects.get(type_name).into_iter().flatten()
    }

    /// The first object that refers to the one named, other than itself and jobs that have ended.
    pub fn dependent(
        &self,
        types: &Types,
        type_name: &TypeName,
        identity: &Identity,
        now: Duration,
    ) -> Option<(TypeName, Identity)> {
        let mut found = None;
        for (other_type, other, object) in self.iter() {
            let Some(resource_type) = types.get(other_type) else { continue };
            if (other_type, other) == (type_name, identity) || found.is_some() || object.has_ended(resource_type, now) {
                continue;
            }
            references(&resource_type.attributes, &object.attributes, &mut |naming| {
                if naming.type_name == type_name && naming.identity == identity.as_str() {
                    found = Some((other_type.clone(), other.clone()));
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

/// [`Objects`] in a file: types as `service.kind`.
mod by_type {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{BTreeMap, Identity, Object, Objects, TypeName};

    pub fn serialize<S: Serializer>(objects: &Objects, serializer: S) -> Result<S::Ok, S::Error> {
        let named: BTreeMap<String, _> = objects.iter().map(|(name, objects)| (name.to_string(), objects)).collect();
        named.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Objects, D::Error> {
        let named: BTreeMap<String, BTreeMap<Identity, Object>> = BTreeMap::deserialize(deserializer)?;
        let parsed = named.into_iter().map(|(name, objects)| match name.split_once('.') {
            Some((service, kind)) => Ok((TypeName::new(service, kind), objects)),
            None => Err(D::Error::custom(format!("{name:?} is not the name of a type"))),
        });
        parsed.collect()
    }
}
