//! Behind the stage: what tests and demonstrations do to a cloud that no program may.
//!
//! Changes made here are not saved by themselves; the next call that changes something saves them too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use super::cloud::{Cloud, Object, Phase, Stage};
use super::effects::{blank, forge};
use super::faults::Rule;
use super::{Call, Clock, Entry, Options, Sim, World};
use crate::address::{Identity, TypeName};
use crate::provider::Announcement;
use crate::value::{Tree, Value};

impl Sim {
    /// Adds a rule of what goes wrong.
    pub fn add_fault(&self, rule: Rule) {
        self.world().faults.add(rule);
    }

    /// From now on everything works.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
    }

    /// Resolves when a [`Fault::Crash`] has struck. Whoever waits drops the calls that will never be answered.
    pub async fn crashed(&self) {
        // The sender lives as long as this cloud.
        let _ = self.crashed.subscribe().wait_for(|crashed| *crashed).await;
    }

    /// Answers calls again after a crash.
    pub fn revive(&self) {
        self.crashed.send_replace(false);
    }

    /// Another cloud in which everything is as it is here now, without faults. It lives in memory, and its time goes on
    /// from this moment when it is first asked something.
    pub fn copy(&self) -> Self {
        let (then, clock, resumed) = (self.now(), Arc::clone(&self.options.clock), OnceLock::new());
        let clock: Clock = Arc::new(move || {
            let now = clock();
            then + (now - *resumed.get_or_init(|| now))
        });
        let world = World { cloud: self.world().cloud.clone(), ..World::default() };
        Self {
            types: Arc::clone(&self.types),
            options: Options { clock, ..self.options.clone() },
            world: Mutex::new(world),
            crashed: watch::Sender::new(false),
            opened: self.opened,
        }
    }

    /// The cloud as its file holds it.
    pub fn saved(&self) -> String {
        serde_json::to_string_pretty(&self.world().cloud).unwrap_or_default()
    }

    /// Every call that reached the cloud, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.world().calls.clone()
    }

    /// Lets the program at an address print lines. Here nothing runs that could.
    pub fn print(&self, address: &str, lines: &[&str]) {
        let lines = lines.iter().map(|line| (*line).to_owned());
        self.world().printed.entry(address.to_owned()).or_default().extend(lines);
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.world().calls.clear();
    }

    /// Puts something into the cloud that nobody created, and gives its identity. Nothing is checked; defaults and
    /// computed attributes are added where `attributes` has none.
    pub fn put(
        &self,
        type_name: &TypeName,
        region: &str,
        attributes: Value,
        tags: BTreeMap<String, String>,
    ) -> Identity {
        let now = self.now();
        let mut guard = self.world();
        let world = &mut *guard;
        let mut object = Object { region: region.to_owned(), tags, attributes: attributes.clone(), ..blank(now) };
        let subject = format!("{type_name} {attributes}");
        let identity = match self.types.get(type_name) {
            Some(resource_type) => {
                forge(&mut world.cloud, resource_type, region, &subject, &subject, attributes, &mut object)
            }
            None => Identity::new(subject),
        };
        world.cloud.insert(type_name, identity.clone(), object);
        identity
    }

    /// Changes an attribute as a person at the console would. `name` is an address or an identity; null removes the
    /// attribute. Says whether there is such an object.
    pub fn change_behind_our_back(&self, name: &str, path: &[&str], value: Value) -> bool {
        let mut world = self.world();
        let Some((type_name, identity, region)) = named(&world.cloud, name) else { return false };
        let Some(object) = world.cloud.get_mut(&type_name, &identity, Some(&region)) else { return false };
        match (path, value, &mut object.attributes) {
            ([top], Tree::Null, Tree::Map(entries)) => {
                entries.remove(*top);
            }
            (path, value, attributes) => attributes.set(path, value),
        }
        true
    }

    /// Announces something for an object. Says whether there is such an object, by its address.
    pub fn announce(&self, announcement: Announcement) -> bool {
        let mut world = self.world();
        let named = named(&world.cloud, &announcement.address.to_string());
        let Some((type_name, identity, region)) = named else { return false };
        let Some(object) = world.cloud.get_mut(&type_name, &identity, Some(&region)) else { return false };
        object.announced.push(announcement);
        true
    }

    /// Removes an object as if it had never been. `name` is an address or an identity. Says whether there was one.
    pub fn remove_behind_our_back(&self, name: &str) -> bool {
        let mut world = self.world();
        let Some((type_name, identity, region)) = named(&world.cloud, name) else { return false };
        world.cloud.remove(&type_name, &identity, &region)
    }

    /// Forgets every job that has ended, as AWS does after a while. What one has left stays.
    pub fn forget_what_has_ended(&self) {
        let now = self.now();
        let mut world = self.world();
        let is_over = |type_name: &TypeName, object: &Object| {
            self.types.get(type_name).is_some_and(|found| found.leaves.is_none() && object.has_ended(found, now))
        };
        let over = world.cloud.iter().filter(|(type_name, _, object)| is_over(type_name, object));
        let over: Vec<(TypeName, Identity, String)> = over
            .map(|(type_name, identity, object)| (type_name.clone(), identity.clone(), object.region.clone()))
            .collect();
        for (type_name, identity, region) in over {
            world.cloud.remove(&type_name, &identity, &region);
        }
    }

    /// Everything that exists now, except for what only lookups brought into being, and jobs that have ended.
    pub fn objects(&self) -> Vec<Entry> {
        let now = self.now();
        let mut world = self.world();
        world.cloud.sweep(now);
        let has_ended = |type_name: &TypeName, object: &Object| {
            self.types.get(type_name).is_some_and(|found| object.has_ended(found, now))
        };
        let objects = world.cloud.iter().filter(|(_, _, object)| !object.outside);
        let objects = objects.filter(|(type_name, _, object)| !has_ended(type_name, object));
        let entries = objects.map(|(type_name, identity, object)| Entry {
            type_name: type_name.clone(),
            identity: identity.clone(),
            object: object.clone(),
            shown: self.shown(type_name, object, now),
        });
        entries.collect()
    }

    /// What exists now as canonical JSON without instants, for comparing worlds. With `names_only`, what the cloud made up
    /// is left out, and where it is used `<address.attribute>` stands instead.
    pub fn snapshot(&self, names_only: bool) -> String {
        let entries = self.objects();
        let now = self.now();
        let mut made_up: Vec<(String, String)> = Vec::new();
        for entry in entries.iter().filter(|_| names_only) {
            let (Some(resource_type), Some(address)) = (self.types.get(&entry.type_name), &entry.object.address) else {
                continue;
            };
            for (name, _) in resource_type.attributes.iter().filter(|(_, attribute)| attribute.computed) {
                let text = entry.object.attributes.get(name).and_then(Tree::as_text);
                if let Some(text) = text.filter(|text| !text.is_empty()) {
                    made_up.push((text.to_owned(), format!("<{address}.{name}>")));
                }
            }
        }
        // Longer ones first, so that no text is replaced inside another.
        made_up.sort_by_key(|(text, label)| (std::cmp::Reverse(text.len()), label.clone()));
        let mut rows: Vec<Value> = entries.iter().map(|entry| self.row(entry, names_only, &made_up, now)).collect();
        rows.sort_by_cached_key(ToString::to_string);
        serde_json::to_string_pretty(&Value::List(rows)).unwrap_or_default() + "\n"
    }

    fn row(&self, entry: &Entry, names_only: bool, made_up: &[(String, String)], now: Duration) -> Value {
        let mut attributes = entry.shown.clone();
        if let (true, Tree::Map(entries), Some(resource_type)) =
            (names_only, &mut attributes, self.types.get(&entry.type_name))
        {
            entries.retain(|name, _| resource_type.attributes.get(name).is_none_or(|attribute| !attribute.computed));
        }
        let stage = match entry.object.stage(now) {
            Stage::Changing(_) => "changing",
            Stage::Waiting => "waiting",
            Stage::Ready => "ready",
            Stage::Failed => "failed",
            Stage::Stuck(_) => "stuck",
            Stage::Gone => "gone",
        };
        let address = entry.object.address.as_ref().map(ToString::to_string);
        let tags = entry.object.tags.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
        let row = Tree::Map(BTreeMap::from([
            ("address".to_owned(), address.into()),
            ("attributes".to_owned(), attributes),
            ("identity".to_owned(), entry.identity.as_str().into()),
            ("region".to_owned(), entry.object.region.as_str().into()),
            ("stage".to_owned(), stage.into()),
            ("tags".to_owned(), Tree::Map(tags.collect())),
            ("type".to_owned(), entry.type_name.to_string().into()),
        ]));
        renamed(&row, made_up)
    }
}

/// The object with an address or an identity, and its region: of several with one address, the youngest.
fn named(cloud: &Cloud, name: &str) -> Option<(TypeName, Identity, String)> {
    let matching = cloud.iter().filter(|(_, identity, object)| {
        identity.as_str() == name || object.address.as_ref().is_some_and(|address| address.to_string() == name)
    });
    matching
        .max_by_key(|(_, _, object)| (object.phase != Phase::Deleting, object.created_at))
        .map(|(type_name, identity, object)| (type_name.clone(), identity.clone(), object.region.clone()))
}

fn renamed(value: &Value, made_up: &[(String, String)]) -> Value {
    match value {
        Tree::Text(text) => {
            // Most texts are shorter than what was made up.
            let replace = |text: String, (from, to): &(String, String)| match from.len() <= text.len() {
                true => text.replace(from, to),
                false => text,
            };
            Tree::Text(made_up.iter().fold(text.clone(), replace))
        }
        Tree::List(items) => Tree::List(items.iter().map(|item| renamed(item, made_up)).collect()),
        Tree::Map(entries) => {
            Tree::Map(entries.iter().map(|(key, entry)| (key.clone(), renamed(entry, made_up))).collect())
        }
        other => other.clone(),
    }
}
