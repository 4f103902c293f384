//! What calls do to the world, and what the world shows: no waiting and no faults but those that stay with an object.

use std::collections::BTreeMap;
use std::time::Duration;

use super::check;
use super::cloud::{self, Cloud, Ending, Object, Phase, Stage};
use super::faults::{Fault, Operation};
use super::synthesis::{self, Forge};
use super::{ACCOUNT, Outcome, Person, Sim, World, complained, lost, refusal, refused};
use crate::address::{Identity, TypeName};
use crate::provider::ownership;
use crate::provider::probe::Asks;
use crate::provider::{
    Belonging, Created, Creation, Deletion, ErrorKind, Lookup, Observation, Observed, ProviderError, Question, Silence,
    Tags, Target, Update,
};
use crate::secret::SecretText;
use crate::spec::blueprint::Law;
use crate::spec::references::references;
use crate::spec::types::{Attribute, Condition, Milestone, Ready, ResourceType, Shape, Types, placeholders};
use crate::value::{Tree, Value};

/// Where something of a type is looked for by its name: in a region, or anywhere.
fn place<'a>(resource_type: &ResourceType, region: &'a str) -> Option<&'a str> {
    (!resource_type.global).then_some(region)
}

impl Sim {
    /// The same for a type that the specs may not know.
    fn place_of<'a>(&self, type_name: &TypeName, region: &'a str) -> Option<&'a str> {
        self.types.get(type_name).map_or(Some(region), |resource_type| place(resource_type, region))
    }

    /// The object of a target.
    pub(super) fn object<'a>(&self, cloud: &'a Cloud, target: &Target) -> Option<&'a Object> {
        let type_name = &target.address.type_name;
        let found = cloud.get(type_name, &target.identity, self.place_of(type_name, &target.region));
        found.map(|(_, object)| object)
    }

    /// The same, to change it.
    fn object_mut<'a>(&self, cloud: &'a mut Cloud, target: &Target) -> Option<&'a mut Object> {
        let type_name = &target.address.type_name;
        cloud.get_mut(type_name, &target.identity, self.place_of(type_name, &target.region))
    }

    /// What an object shows at `now`.
    pub(super) fn shown(&self, type_name: &TypeName, object: &Object, now: Duration) -> Value {
        let mut shown = object.attributes.clone();
        let Some(resource_type) = self.types.get(type_name) else { return shown };
        let stage = object.stage(now);
        let unready = object.phase == Phase::Creating && !matches!(stage, Stage::Ready);
        if let (true, Tree::Map(entries)) = (unready && resource_type.ready.is_some(), &mut shown) {
            hide_unready(&resource_type.attributes, &resource_type.identity, entries);
        }
        if let Some(status) = status(resource_type, stage)
            && let Some(ready) = &resource_type.ready
            && (stage != Stage::Ready || shown.get(&ready.attribute).is_none())
        {
            let shape = resource_type.attributes.get(&ready.attribute).map(|attribute| &attribute.shape);
            let value = if matches!(shape, Some(Shape::Bool)) { (status == "true").into() } else { status.into() };
            shown.set(&[&ready.attribute], value);
            let reason = ready.reason.as_ref().filter(|_| stage == Stage::Failed);
            let usual = |name: &String| Some(resource_type.attributes.get(name)?.format.as_deref()?.into());
            let spoken =
                reason.and_then(|name| Some((name, object.said.clone().map(Value::from).or_else(|| usual(name))?)));
            if let Some((reason, words)) = spoken {
                shown.set(&[reason], words);
            }
        }
        shown
    }

    /// Whether everything that `attributes` refer to exists.
    fn resolve(
        &self,
        world: &mut World,
        operation: Operation,
        resource_type: &ResourceType,
        region: &str,
        attributes: &Value,
    ) -> Outcome<()> {
        let mut wanted = Vec::new();
        references(&resource_type.attributes, attributes, &mut |naming| {
            let identity = Identity::new(naming.identity);
            wanted.push((naming.top.to_owned(), naming.type_name.clone(), identity, naming.attribute.outside));
        });
        for (attribute, type_name, identity, may_be_outside) in wanted {
            let Some(referred) = self.types.get(&type_name) else { continue };
            if referred.lookup_only || is_foreign(referred, identity.as_str()) {
                continue;
            }
            // What is one for all regions names things of any.
            let place = place(referred, region).filter(|_| !resource_type.global);
            if !world.cloud.look(&type_name, &identity, place) && !may_be_outside {
                let message = format!("{type_name} {identity} does not exist");
                let error = refusal(operation, &resource_type.name, ErrorKind::NotYet, "DependencyNotFound", message);
                return Err(ProviderError { attribute: Some(attribute), ..error });
            }
        }
        Ok(())
    }

    fn created(&self, resource_type: &ResourceType, identity: &Identity, object: &Object, now: Duration) -> Created {
        let told = |name: &String| {
            let attribute = resource_type.attributes.get(name);
            attribute.is_some_and(|attribute| attribute.computed && !attribute.volatile)
        };
        let Tree::Map(mut attributes) = self.shown(&resource_type.name, object, now) else {
            return Created { identity: identity.clone(), attributes: Tree::Null };
        };
        attributes.retain(|name, _| told(name));
        Created { identity: identity.clone(), attributes: Tree::Map(attributes) }
    }

    pub(super) fn create_now(&self, creation: &Creation, struck: Option<&Fault>) -> Outcome<Created> {
        let type_name = &creation.address.type_name;
        let refuse = |kind, code, message| Err(refusal(Operation::Create, type_name, kind, code, message));
        let resource_type = self.resource_type(Operation::Create, type_name)?;
        if resource_type.lookup_only {
            return refuse(ErrorKind::Invalid, "InvalidAction", format!("{type_name} can only be looked up"));
        }
        check::creation(resource_type, &creation.attributes)
            .map_err(|complaint| complained(Operation::Create, type_name, complaint))?;
        let stored = synthesis::stored(resource_type, &creation.attributes);
        let now = self.now();
        let mut guard = self.turn(Operation::Create, type_name)?;
        let world = &mut *guard;
        world.cloud.sweep(now);
        let natural = synthesis::natural_name(resource_type, &stored);
        // Where the names are the identity, nothing has to be searched for.
        let by_identity = cloud::identity(resource_type, &stored);
        let place = place(resource_type, &creation.region);
        let is_near = |object: &Object| place.is_none_or(|region| object.region == region);
        let candidates: Vec<(&Identity, &Object)> = match &by_identity {
            Some(identity) => world.cloud.get(type_name, identity, place).into_iter().collect(),
            None => world.cloud.of_type(type_name).filter(|(_, object)| is_near(object)).collect(),
        };
        let same = candidates.into_iter().find(|(_, object)| match &natural {
            Some(_) => synthesis::natural_name(resource_type, &object.attributes) == natural,
            None => {
                let again = !creation.token.is_empty() && object.token == creation.token;
                again && object.phase != Phase::Deleting
            }
        });
        // What a person has entered stays where it is. Asked for again, it is there, or has to be changed.
        let is_entered = |object: &Object| {
            stored.as_map().into_iter().flatten().all(|(name, value)| object.attributes.get(name) == Some(value))
        };
        let same = same.filter(|(_, object)| !resource_type.is_asked_for() || is_entered(object));
        if let Some((identity, object)) = same {
            if resource_type.is_asked_for() {
                return Ok(self.created(resource_type, identity, object, now));
            }
            return match natural {
                // The name is free when it is gone.
                Some(name) if object.phase == Phase::Deleting => {
                    refuse(ErrorKind::NotYet, "AlreadyExists", format!("{type_name} {name} is still being deleted"))
                }
                Some(name) => {
                    refuse(ErrorKind::Conflict, "AlreadyExists", format!("{type_name} {name} already exists"))
                }
                None => Ok(self.created(resource_type, identity, object, now)),
            };
        }
        let is_alike = |object: &Object| {
            let same = |name: &String| object.attributes.get(name) == stored.get(name);
            is_near(object) && object.phase != Phase::Deleting && resource_type.unique.iter().all(same)
        };
        if !resource_type.unique.is_empty() && world.cloud.of_type(type_name).any(|(_, object)| is_alike(object)) {
            return refuse(ErrorKind::Conflict, "Duplicate", format!("another {type_name} has the same values"));
        }
        let is_at_work = |object: &Object| {
            object.region == creation.region && object.tags == creation.tags && !object.has_ended(resource_type, now)
        };
        if resource_type.once && world.cloud.of_type(type_name).any(|(_, object)| is_at_work(object)) {
            return refuse(ErrorKind::NotYet, "AlreadyRunning", format!("another {} is at work", creation.address));
        }
        self.resolve(world, Operation::Create, resource_type, &creation.region, &stored)?;
        let subject = creation.address.to_string();
        let family = format!("{type_name} {} {}", creation.region, synthesis::named_by(resource_type, &stored));
        let mut object = Object {
            region: creation.region.clone(),
            address: Some(creation.address.clone()),
            tags: if resource_type.taggable { creation.tags.clone() } else { BTreeMap::new() },
            token: creation.token.clone(),
            ..blank(now)
        };
        object.begin(Phase::Creating, now, self.takes(resource_type, resource_type.expect.create));
        await_others(resource_type, &stored, &mut object);
        afflict(resource_type, &mut object, struck);
        if resource_type.once && object.ending == Ending::Failed {
            object.said = last_words(resource_type, world.printed.get(&subject));
        }
        let identity = forge(&mut world.cloud, resource_type, &creation.region, &subject, &family, stored, &mut object);
        self.judge(&world.cloud, &mut object, now);
        let created = self.created(resource_type, &identity, &object, now);
        world.cloud.insert(type_name, identity, object);
        self.save(world, Operation::Create, type_name)?;
        Ok(created)
    }

    pub(super) fn update_now(&self, update: &Update, struck: Option<&Fault>) -> Outcome<()> {
        let type_name = &update.target.address.type_name;
        let refuse = |kind, code, message: &str| {
            let message = format!("{type_name} {} {message}", update.target.identity);
            Err(refusal(Operation::Update, type_name, kind, code, message))
        };
        let resource_type = self.resource_type(Operation::Update, type_name)?;
        let now = self.now();
        let mut guard = self.turn(Operation::Update, type_name)?;
        let world = &mut *guard;
        world.cloud.sweep(now);
        let Some(object) = self.object_mut(&mut world.cloud, &update.target) else {
            return refuse(ErrorKind::NotFound, "NotFound", "does not exist");
        };
        match (object.stage(now), object.phase) {
            (Stage::Ready, _) | (Stage::Failed, Phase::Updating) => {}
            // A person may be asked for something else.
            (Stage::Waiting, _) => {}
            (Stage::Failed, _) if resource_type.takes_changes_when_failed() => {}
            (Stage::Failed, _) => return refuse(ErrorKind::Invalid, "InvalidState", "has failed"),
            _ => return refuse(ErrorKind::NotYet, "InvalidState", "is busy"),
        }
        check::change(resource_type, &object.attributes, &update.changed, &update.desired)
            .map_err(|complaint| complained(Operation::Update, type_name, complaint))?;
        let mut attributes = object.attributes.clone();
        let mut patch = Value::default();
        for name in &update.changed {
            let Some(attribute) = resource_type.attributes.get(name) else { continue };
            let wanted = update.changed(name).unwrap_or(&Tree::Null);
            let Some(stored) = synthesis::storable(attribute, wanted) else { continue };
            let kept = computed_parts(attribute, attributes.get(name));
            match merged(synthesis::filled(attribute, stored), kept) {
                Some(value) => {
                    patch.set(&[name], value.clone());
                    attributes.set(&[name], value);
                }
                None => {
                    if let Tree::Map(entries) = &mut attributes {
                        entries.remove(name);
                    }
                }
            }
        }
        self.resolve(world, Operation::Update, resource_type, &update.target.region, &patch)?;
        if let Some(object) = self.object_mut(&mut world.cloud, &update.target) {
            object.attributes = attributes;
            let (was_failed, was_ready) = (object.stage(now) == Stage::Failed, object.stage(now) == Stage::Ready);
            object.begin(Phase::Updating, now, self.takes(resource_type, resource_type.expect.update));
            // What a person has done stays done, unless something else is asked now.
            if !was_ready || asks_anew(resource_type, &update.changed) {
                await_others(resource_type, &object.attributes.clone(), object);
            }
            afflict(resource_type, object, struck);
            // What works goes on working.
            if was_failed {
                let mut judged = object.clone();
                self.judge(&world.cloud, &mut judged, now);
                world.cloud.insert(type_name, update.target.identity.clone(), judged);
            }
        }
        self.save(world, Operation::Update, type_name)
    }

    /// Lets go on what waits for something that is there now. When that is depends on what was done alone, not on when
    /// somebody looks.
    pub(super) fn go_on(&self, cloud: &mut Cloud) {
        for resource_type in self.types.values().filter(|found| found.waits_for_somebody()) {
            let now = self.now();
            let waiting = cloud.of_type(&resource_type.name).filter(|(_, object)| object.ending == Ending::Waiting);
            let able: Vec<(Identity, String, Duration)> = waiting
                .filter_map(|(identity, object)| {
                    let settles_at = self.goes_on_at(cloud, resource_type, object, now)?;
                    Some((identity.clone(), object.region.clone(), settles_at))
                })
                .collect();
            for (identity, region, settles_at) in able {
                if let Some(object) = cloud.get_mut(&resource_type.name, &identity, Some(&region)) {
                    object.ending = Ending::Well;
                    object.settles_at = settles_at;
                }
            }
        }
    }

    /// When something that waits is ready; `None` as long as nobody knows.
    fn goes_on_at(
        &self,
        cloud: &Cloud,
        resource_type: &ResourceType,
        object: &Object,
        now: Duration,
    ) -> Option<Duration> {
        let usual = match object.phase {
            Phase::Updating => resource_type.expect.update,
            Phase::Creating | Phase::Deleting => resource_type.expect.create,
        };
        let (since, takes) = match &resource_type.awaits {
            None => match self.options.person {
                Person::Usual => (object.changed_at, usual),
                Person::Takes(time) => (object.changed_at, time),
                Person::Never => return None,
            },
            Some(awaits) => {
                let wanted = object.attributes.at(&awaits.value)?;
                let there = awaits.types.iter().filter_map(|name| self.types.get(name));
                let mut there =
                    there.flat_map(|found| cloud.of_type(&found.name).map(move |(_, other)| (found, other)));
                let found = there.find_map(|(other_type, other)| {
                    let is_it = other.attributes.get(&awaits.attribute) == Some(wanted);
                    let since = self.works_since(cloud, other_type, other, now).filter(|_| is_it)?;
                    (other.stage(now) == Stage::Ready).then_some(since)
                })?;
                (object.changed_at.max(found), usual)
            }
        };
        Some(since.saturating_add(self.takes(resource_type, takes)))
    }

    /// Since when something does its work: it may stand in something that waits for a person, as a record in its zone.
    /// `None` as long as that waits.
    fn works_since(
        &self,
        cloud: &Cloud,
        resource_type: &ResourceType,
        object: &Object,
        now: Duration,
    ) -> Option<Duration> {
        let mut since = object.settles_at;
        for (name, attribute) in &resource_type.attributes {
            let Some(holder) = attribute.refers_to.as_ref().and_then(|name| self.types.get(name)) else { continue };
            let identity = object.attributes.get(name).and_then(Tree::as_text).map(Identity::new);
            let found = identity.and_then(|identity| cloud.get(&holder.name, &identity, None));
            if let Some((_, held)) = found.filter(|_| holder.waits_for_somebody()) {
                if held.stage(now) != Stage::Ready {
                    return None;
                }
                since = since.max(held.settles_at);
            }
        }
        Some(since)
    }

    /// Lets an object fail that a law forbids to work yet.
    fn judge(&self, cloud: &Cloud, object: &mut Object, now: Duration) {
        let Some(address) = &object.address else { return };
        let is_kept = |law: &Law| {
            let mut done = cloud.of_type(&law.without.0).filter(|(_, job)| {
                let is_own = |tag: &str| job.tags.get(tag) == object.tags.get(tag);
                job.region == object.region && is_own(ownership::INSTANCE) && is_own(ownership::LINEAGE)
            });
            done.any(|(_, job)| {
                job.stage(now) == Stage::Ready && job.address.as_ref().is_some_and(|job| job.is_named(&law.without))
            })
        };
        let mut laws = self.options.laws.iter().filter(|law| address.is_named(&law.resource));
        let Some(broken) = laws.find(|law| !is_kept(law)) else { return };
        object.ending = Ending::Failed;
        object.said = Some(broken.reason.clone());
    }

    pub(super) fn delete_now(&self, target: &Target, struck: Option<&Fault>) -> Outcome<Deletion> {
        let type_name = &target.address.type_name;
        let resource_type = self.resource_type(Operation::Delete, type_name)?;
        let now = self.now();
        let mut guard = self.turn(Operation::Delete, type_name)?;
        let world = &mut *guard;
        world.cloud.sweep(now);
        // What a person has entered is theirs to remove.
        if resource_type.is_asked_for() {
            return Ok(Deletion::Accepted);
        }
        let Some(object) = self.object(&world.cloud, target) else { return Ok(Deletion::Accepted) };
        let region = object.region.clone();
        if object.phase == Phase::Deleting && !matches!(object.stage(now), Stage::Failed) {
            return Ok(Deletion::Accepted);
        }
        let is_stopped = resource_type.condition(&self.shown(type_name, object, now));
        if matches!(is_stopped, Some(Condition::Stopped(_))) {
            let message = format!("{type_name} {} is not available", target.identity);
            return Err(refusal(Operation::Delete, type_name, ErrorKind::NotYet, "InvalidState", message));
        }
        if let Some((by_type, by)) = world.cloud.dependent(&self.types, resource_type, (&target.identity, &region), now)
        {
            let message = format!("{type_name} {} is in use by {by_type} {by}", target.identity);
            return Err(refusal(Operation::Delete, type_name, ErrorKind::NotYet, "DependencyViolation", message));
        }
        if let Some(object) = self.object_mut(&mut world.cloud, target) {
            object.begin(Phase::Deleting, now, self.takes(resource_type, resource_type.expect.delete));
            afflict(resource_type, object, struck);
            let settles_at = object.settles_at;
            world.cloud.leaves_at(settles_at);
        }
        world.cloud.sweep(now);
        self.save(world, Operation::Delete, type_name)?;
        Ok(Deletion::Accepted)
    }

    pub(super) fn lookup_now(&self, lookup: &Lookup) -> Outcome<Value> {
        let type_name = &lookup.address.type_name;
        let refuse = |kind, code, message| Err(refusal(Operation::Lookup, type_name, kind, code, message));
        let resource_type = self.resource_type(Operation::Lookup, type_name)?;
        let filters = lookup.filters.as_map().into_iter().flatten();
        for (name, _) in filters.clone() {
            if !resource_type.attributes.contains_key(name) {
                return refuse(ErrorKind::Invalid, "UnknownParameter", format!("{name} is not known"));
            }
        }
        // Attributes that no answer tells cannot be compared.
        let is_told = |name: &String| resource_type.attributes.get(name).is_some_and(|found| !found.write_only);
        let filters = filters.filter(|(name, _)| is_told(name)).map(|(name, value)| (name.clone(), value.clone()));
        let filters = Value::Map(filters.collect());
        let now = self.now();
        let mut guard = self.turn(Operation::Lookup, type_name)?;
        let world = &mut *guard;
        world.cloud.sweep(now);
        let matching = world.cloud.of_type(type_name).filter(|(_, object)| {
            let alive = object.region == lookup.region && object.phase != Phase::Deleting;
            alive && contains(&self.shown(type_name, object, now), &filters)
        });
        let (outside, inside): (Vec<_>, Vec<_>) = matching.partition(|(_, object)| object.outside);
        let candidates = if inside.is_empty() { outside } else { inside };
        match candidates[..] {
            [(_, object)] => return Ok(self.shown(type_name, object, now)),
            [] if lookup.is_part => return Ok(Value::Map(BTreeMap::new())),
            [] => {}
            _ => {
                let message = format!("{} match, and one is wanted", candidates.len());
                return refuse(ErrorKind::Invalid, "AmbiguousLookup", message);
            }
        }
        let subject = filters.to_string();
        let forge = Forge {
            resource_type,
            region: &lookup.region,
            seed: world.cloud.seed,
            subject: &subject,
            birth: 0,
            revision: 1,
        };
        let attributes = forge.invent(&filters);
        let identity = cloud::identity(resource_type, &attributes).unwrap_or_else(|| Identity::new(&subject));
        let object = Object { region: lookup.region.clone(), attributes, outside: true, ..blank(now) };
        let shown = self.shown(type_name, &object, now);
        world.cloud.insert(type_name, identity, object);
        self.save(world, Operation::Lookup, type_name)?;
        Ok(shown)
    }

    pub(super) fn find_now(&self, creation: &Creation) -> Outcome<Vec<Identity>> {
        let type_name = &creation.address.type_name;
        let resource_type = self.resource_type(Operation::Find, type_name)?;
        let stored = synthesis::stored(resource_type, &creation.attributes);
        let natural = synthesis::natural_name(resource_type, &stored);
        let now = self.now();
        let mut world = self.news(Operation::Find, type_name)?;
        world.cloud.sweep(now);
        let ours = |object: &Object| {
            let named = || synthesis::natural_name(resource_type, &object.attributes) == natural;
            // Whatever was done before carries the same tags.
            if resource_type.once && !creation.token.is_empty() {
                return object.token == creation.token;
            }
            if resource_type.taggable {
                // A name alone proves nothing: without tags to look for, only the holder of the name is asked for.
                let tagged = creation.tags.iter().all(|(key, value)| object.tags.get(key) == Some(value));
                return tagged && (!creation.tags.is_empty() || (natural.is_some() && named()));
            }
            // Types without tags are known by their name, or by all they are.
            if natural.is_some() { named() } else { contains(&object.attributes, &stored) }
        };
        let place = place(resource_type, &creation.region);
        let is_near = |object: &Object| place.is_none_or(|region| object.region == region);
        let alive = |object: &Object| is_near(object) && object.phase != Phase::Deleting && !object.outside;
        let found = world.cloud.of_type(type_name).filter(|(_, object)| alive(object) && ours(object));
        Ok(found.map(|(identity, _)| identity.clone()).collect())
    }

    pub(super) fn mark_now(&self, target: &Target, tags: &Tags) -> Outcome<()> {
        let type_name = &target.address.type_name;
        let resource_type = self.resource_type(Operation::Mark, type_name)?;
        let refuse = |kind, code, message: &str| {
            let message = format!("{type_name} {} {message}", target.identity);
            Err(refusal(Operation::Mark, type_name, kind, code, message))
        };
        if !resource_type.taggable {
            return refuse(ErrorKind::Invalid, "InvalidAction", "cannot carry tags");
        }
        let mut guard = self.turn(Operation::Mark, type_name)?;
        let world = &mut *guard;
        match self.object_mut(&mut world.cloud, target) {
            Some(object) => object.tags.extend(tags.clone()),
            None => return refuse(ErrorKind::NotFound, "NotFound", "does not exist"),
        }
        self.save(world, Operation::Mark, type_name)
    }

    pub(super) fn census_now(&self, region: &str, tags: &Tags) -> Outcome<Vec<Belonging>> {
        let now = self.now();
        let mut world = self.news(Operation::Find, &TypeName::new("tag", "resources"))?;
        world.cloud.sweep(now);
        let carries =
            |object: &Object| tags.iter().all(|(key, value)| object.tags.get(key) == Some(value)) && !object.outside;
        let found = world.cloud.iter().filter(|(_, _, object)| object.region == region && carries(object));
        let belonging = found.map(|(type_name, identity, object)| Belonging {
            name: Self::full_name(type_name, identity, object),
            region: region.to_owned(),
            tags: object.tags.clone(),
        });
        Ok(belonging.collect())
    }

    /// The ARN of an object; one made of its type and identity, if it shows none.
    fn full_name(type_name: &TypeName, identity: &Identity, object: &Object) -> String {
        let arn = object.attributes.get("arn").and_then(Tree::as_text).map(str::to_owned);
        arn.unwrap_or_else(|| {
            format!("arn:aws:{}:{}:{ACCOUNT}:{}/{identity}", type_name.service, object.region, type_name.kind)
        })
    }

    pub(super) fn reveal_now(&self, target: &Target, path: &[String]) -> Outcome<SecretText> {
        let type_name = &target.address.type_name;
        let refuse = |kind, code, message| Err(refusal(Operation::Reveal, type_name, kind, code, message));
        let resource_type = self.resource_type(Operation::Reveal, type_name)?;
        let name = path.join(".");
        if !path.first().and_then(|first| resource_type.attributes.get(first)).is_some_and(|found| found.sensitive) {
            return refuse(ErrorKind::Invalid, "InvalidParameterValue", format!("{name} is not a secret"));
        }
        let now = self.now();
        let mut world = self.news(Operation::Reveal, type_name)?;
        world.cloud.sweep(now);
        let seed = world.cloud.seed;
        match self.object(&world.cloud, target) {
            Some(_) => Ok(synthesis::secret(seed, target.identity.as_str(), path)),
            None => refuse(ErrorKind::NotFound, "NotFound", format!("{type_name} {} does not exist", target.identity)),
        }
    }

    pub(super) fn observe_now(&self, target: &Target, struck: Option<&Fault>, world: &mut World) -> Observation {
        if let Some(fault) = struck
            && let Some(error) = refused(Operation::Observe, &target.address, fault)
        {
            return Observation::Failed(error);
        }
        if struck == Some(&Fault::LoseResponse) {
            return Observation::Failed(lost(Operation::Observe, &target.address));
        }
        let now = self.now();
        world.cloud.sweep(now);
        let type_name = &target.address.type_name;
        if let (Some(resource_type), Some(_)) = (self.types.get(type_name), struck)
            && let Some(object) = self.object_mut(&mut world.cloud, target)
        {
            afflict(resource_type, object, struck);
        }
        if !world.cloud.look(type_name, &target.identity, self.place_of(type_name, &target.region)) {
            return Observation::Gone;
        }
        let Some(object) = self.object(&world.cloud, target) else { return Observation::Gone };
        let attributes = self.shown(type_name, object, now);
        let object_tags = object.tags.clone();
        let is_taggable = self.types.get(type_name).is_some_and(|resource_type| resource_type.taggable);
        let tags = (is_taggable && target.owner.is_some()).then_some(object_tags);
        Observation::Found(Observed { identity: target.identity.clone(), attributes, tags })
    }
}

impl Sim {
    /// What the instance answers: nothing, unless all that it takes works.
    pub(super) fn answer_now(&self, question: &Question) -> Result<Value, Silence> {
        let nothing = || Silence::new("nobody answers");
        if question.rehearsal.lacks {
            return Err(nothing());
        }
        for target in &question.rehearsal.needs {
            let type_name = &target.address.type_name;
            let mut world =
                self.news(Operation::Observe, type_name).map_err(|error| Silence::new(error.to_string()))?;
            let Observation::Found(observed) = self.observe_now(target, None, &mut world) else {
                return Err(nothing());
            };
            let condition = self.types.get(type_name).and_then(|found| found.condition(&observed.attributes));
            if !matches!(condition, None | Some(Condition::Good)) {
                return Err(nothing());
            }
        }
        let mut answer = question.rehearsal.answer.clone();
        if let (Asks::Certificate { .. }, Some(days)) = (&question.asks, answer.get("days").and_then(Tree::as_number)) {
            answer.set(&["not_after"], Value::Text(day_in(days)));
        }
        Ok(answer)
    }
}

/// The day after so many more.
fn day_in(days: f64) -> String {
    let days = jiff::SignedDuration::from_hours(24 * days.clamp(0.0, 100_000.0) as i64);
    let then = jiff::Timestamp::now().saturating_add(days);
    then.map(|then| then.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// A fresh object without a name.
pub(super) fn blank(now: Duration) -> Object {
    Object {
        region: String::new(),
        address: None,
        tags: BTreeMap::new(),
        attributes: Tree::Null,
        token: String::new(),
        created_at: now,
        changed_at: now,
        phase: Phase::Creating,
        settles_at: now,
        ending: Ending::Well,
        hidden: 0,
        outside: false,
        announced: Vec::new(),
        said: None,
    }
}

/// Completes the attributes of `object`, and gives its identity.
pub(super) fn forge(
    cloud: &mut Cloud,
    resource_type: &ResourceType,
    region: &str,
    subject: &str,
    family: &str,
    given: Value,
    object: &mut Object,
) -> Identity {
    let birth = cloud.bear(subject);
    let revision = cloud.revise(family);
    let forge = Forge { resource_type, region, seed: cloud.seed, subject, birth, revision };
    object.attributes = forge.complete(given);
    cloud::identity(resource_type, &object.attributes).unwrap_or_else(|| Identity::new(format!("{subject}#{birth}")))
}

/// Gives objects that an earlier version has made the attributes that the cloud sets and that were not known then.
pub(super) fn grow(cloud: &mut Cloud, types: &Types) {
    let mut grown = Vec::new();
    for (type_name, identity, object) in cloud.iter().filter(|(_, _, object)| !object.outside) {
        let Some(resource_type) = types.get(type_name) else { continue };
        let is_missing = |(name, attribute): &(&String, &Attribute)| {
            let is_lasting = attribute.computed && !attribute.sensitive && !attribute.volatile;
            is_lasting && attribute.format.is_some() && object.attributes.get(name).is_none()
        };
        let missing: Vec<&String> = resource_type.attributes.iter().filter(is_missing).map(|(name, _)| name).collect();
        if missing.is_empty() {
            continue;
        }
        let (region, subject) = (object.region.as_str(), identity.as_str());
        let forge = Forge { resource_type, region, seed: cloud.seed, subject, birth: 0, revision: 1 };
        let complete = forge.complete(object.attributes.clone());
        let mut attributes = object.attributes.clone();
        for (name, value) in missing.into_iter().filter_map(|name| Some((name, complete.get(name)?))) {
            attributes.set(&[name], value.clone());
        }
        grown.push((type_name.clone(), identity.clone(), object.region.clone(), attributes));
    }
    for (type_name, identity, region, attributes) in grown {
        if let Some(object) = cloud.get_mut(&type_name, &identity, Some(&region)) {
            object.attributes = attributes;
        }
    }
}

/// Why a job has failed: as its type says, and with the last lines that its program has printed.
fn last_words(resource_type: &ResourceType, printed: Option<&Vec<String>>) -> Option<String> {
    const LAST_LINES: usize = 30;
    let reason = resource_type.ready.as_ref()?.reason.as_ref()?;
    let mut lines = vec![resource_type.attributes.get(reason)?.format.clone()?];
    lines.extend(printed?.iter().skip(printed?.len().saturating_sub(LAST_LINES)).cloned());
    Some(lines.join("\n"))
}

/// Whether a change of these attributes is something that a person has to act upon.
fn asks_anew(resource_type: &ResourceType, changed: &[String]) -> bool {
    let waits = resource_type.ready.iter().flat_map(|ready| ready.waits.values());
    let mut named = waits.flat_map(|advice| placeholders(advice)).map(|name| name.split('.').next().unwrap_or(name));
    named.any(|name| changed.iter().any(|changed| changed == name))
}

/// A type that waits for somebody is ready only once that has acted.
fn await_others(resource_type: &ResourceType, attributes: &Value, object: &mut Object) {
    let Some(ready) = resource_type.ready.as_ref().filter(|ready| !ready.waits.is_empty()) else { return };
    let flag = ready.waits_if.as_ref().and_then(|name| attributes.get(name));
    if flag == Some(&Tree::Bool(false)) {
        object.settles_at = object.changed_at;
    } else {
        object.ending = Ending::Waiting;
    }
}

/// Gives an object the fault that came with a call. A type without `ready` has no status to get stuck in, and one without
/// failed statuses never fails. Where a status counts as gone, nothing stops a deletion that has begun.
fn afflict(resource_type: &ResourceType, object: &mut Object, struck: Option<&Fault>) {
    let irrevocable = |ready: &Ready| object.phase == Phase::Deleting && !ready.gone.is_empty();
    let ready = resource_type.ready.as_ref().filter(|ready| !irrevocable(ready));
    match struck {
        Some(Fault::HideFor(looks)) => object.hidden = *looks,
        Some(Fault::StickIn(status)) if ready.is_some() => object.ending = Ending::Stuck(status.clone()),
        Some(Fault::FailLater) if ready.is_some_and(|ready| !ready.failed.is_empty()) => object.ending = Ending::Failed,
        _ => {}
    }
}

/// The status a type with `ready` shows.
fn status<'a>(resource_type: &'a ResourceType, stage: Stage<'a>) -> Option<&'a str> {
    let ready = resource_type.ready.as_ref()?;
    let first = |list: &'a [String]| list.first().map(String::as_str);
    let waits = ready.waits.keys().next().map(String::as_str);
    if let (Some(waits), Stage::Waiting | Stage::Changing(Phase::Creating | Phase::Updating)) = (waits, stage) {
        return Some(waits);
    }
    let (words, list): (&[&str], _) = match stage {
        Stage::Ready => return first(&ready.good),
        Stage::Failed => return Some(ready.failed.first().map_or("failed", |(status, _)| status)),
        Stage::Stuck(status) => return Some(status),
        Stage::Gone | Stage::Waiting => return None,
        Stage::Changing(Phase::Creating) => (&["creating"], &ready.passing),
        Stage::Changing(Phase::Updating) => (&["updating", "modifying"], &ready.passing),
        Stage::Changing(Phase::Deleting) => (&["deleting"], &ready.going),
    };
    let fits = |status: &&String| words.contains(&status.to_ascii_lowercase().as_str());
    let fitting = list.iter().find(fits).map(String::as_str);
    fitting.or_else(|| first(list)).or_else(|| first(&ready.passing)).or_else(|| words.first().copied())
}

/// Removes computed attributes that cannot be read before their object is ready.
fn hide_unready(described: &BTreeMap<String, Attribute>, identity: &[String], entries: &mut BTreeMap<String, Value>) {
    entries.retain(|name, value| match (described.get(name), value) {
        (Some(Attribute { shape: Shape::Object(children), .. }), Tree::Map(inner)) => {
            hide_unready(children, &[], inner);
            true
        }
        (Some(attribute), _) => !attribute.computed || attribute.known == Milestone::Created || identity.contains(name),
        (None, _) => true,
    });
}

/// The parts of an object-shaped attribute that only the cloud sets.
fn computed_parts(attribute: &Attribute, before: Option<&Value>) -> BTreeMap<String, Value> {
    let (Shape::Object(children), Some(Tree::Map(entries))) = (&attribute.shape, before) else {
        return BTreeMap::new();
    };
    let computed = entries.iter().filter(|(key, _)| children.get(*key).is_some_and(|child| child.computed));
    computed.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn merged(value: Option<Value>, kept: BTreeMap<String, Value>) -> Option<Value> {
    match value {
        Some(Tree::Map(mut entries)) => {
            entries.extend(kept);
            Some(Tree::Map(entries))
        }
        None if !kept.is_empty() => Some(Tree::Map(kept)),
        value => value,
    }
}

/// Whether an identity says by itself that it belongs to another account, such as that of the cloud's own objects.
fn is_foreign(resource_type: &ResourceType, identity: &str) -> bool {
    let formats = resource_type.identity.iter().filter_map(|name| resource_type.attributes.get(name)?.format.as_ref());
    let mut accounted = formats.filter(|format| format.contains("{account}"));
    accounted.any(|format| {
        let start = format.split('{').next().unwrap_or_default();
        identity.starts_with(start) && !identity.contains(ACCOUNT)
    })
}

/// Whether `value` has everything `wanted` has.
fn contains(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (_, Tree::Null) => true,
        (Tree::Map(entries), Tree::Map(wanted)) => {
            wanted.iter().all(|(key, wanted)| entries.get(key).is_some_and(|entry| contains(entry, wanted)))
        }
        _ => value == wanted,
    }
}
