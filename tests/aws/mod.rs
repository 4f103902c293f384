//! Every resource type's life against an emulator: create, read, change, drift, delete, delete again.
//!
//! A test is a story told with [`Life`]:
//!
//! ```ignore
//! let moto = moto::start();
//! let aws = moto.aws();
//! let mut group = Life::of("iam.group").create(&aws, json!({ "name": "admins" })).await;
//! group.update(json!({ "path": "/people/" })).await;      // only what changes
//! ..                                                       // somebody changes it by hand, through the SDK
//! group.shows(json!({ "path": "/by-hand/" })).await;
//! group.end().await;
//! ```

mod acm;
mod bad_days;
mod calls;
mod cloudcontrol;
mod cloudfront;
mod dns;
mod ec2;
mod ecs;
mod elasticache;
mod elb;
mod iam;
mod kill;
mod kms;
mod life;
mod logs;
mod network;
mod ownership;
mod permissions;
mod rds;
mod route53;
mod s3;
mod secrecy;
mod secretsmanager;
mod ses;
mod session;
mod ssm;
mod stack;
mod wave;
pub mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mastoform::address::{Address, Identity, TypeName};
use mastoform::provider::aws::Aws;
use mastoform::provider::ownership::{Care, judge};
use mastoform::provider::{
    Attempt, Creation, Deletion, ErrorKind, Holder, Lookup, Observation, Observed, Owner, Provider, ProviderError,
    Tags, Target, Update,
};
use mastoform::spec::Specs;
use mastoform::spec::types::{Proof, ResourceType};
use mastoform::value::Value;

use crate::support::emulator::REGION;

/// The lineage of the instance that owns what [`creation`] makes.
pub const LINEAGE: &str = "lineage-of-test";

/// How long an emulator may take to show something.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the life of a type is tested.
pub struct Story {
    type_name: TypeName,
    region: String,
    gaps: BTreeSet<String>,
    repeats: bool,
}

/// One resource in an emulator.
pub struct Life<'aws> {
    story: Story,
    aws: &'aws Aws,
    creation: Creation,
    identity: Identity,
}

impl Life<'_> {
    pub fn of(type_name: &str) -> Story {
        Story { type_name: type_of(type_name), region: REGION.to_owned(), gaps: BTreeSet::new(), repeats: false }
    }
}

impl Story {
    /// The emulator does not show `attribute` (a path: `encryption.algorithm`) as AWS would; say why beside the call.
    pub fn gap(mut self, attribute: &str) -> Self {
        self.gaps.insert(attribute.to_owned());
        self
    }

    pub fn region(mut self, region: &str) -> Self {
        self.region = region.to_owned();
        self
    }

    /// A second `create` of the same finds the first one's resource, as after a crash between its calls.
    pub fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }

    /// Creates the resource and waits until it shows what was asked for.
    pub async fn create<'aws>(self, aws: &'aws Aws, attributes: serde_json::Value) -> Life<'aws> {
        let creation = creation(&self.type_name, &self.region, attributes);
        let created = aws.create(&creation).await.unwrap_or_else(|error| panic!("create: {error}"));
        if self.repeats {
            let again = aws.create(&creation).await.unwrap_or_else(|error| panic!("create again: {error}"));
            assert_eq!(again.identity, created.identity, "a repeated creation made a second resource");
        }
        let found = aws.find(&creation).await.unwrap_or_else(|error| panic!("find: {error}"));
        assert_eq!(found, std::slice::from_ref(&created.identity), "`find` finds exactly what was made");
        let life = Life { story: self, aws, creation, identity: created.identity };
        let observed = life.shows_wanted().await;
        life.check_names(&observed.attributes);
        life.check_ownership().await;
        life.check_spellings(&observed).await;
        for (name, value) in created.attributes.as_map().into_iter().flatten() {
            life.compare(name, value, observed.attributes.get(name)).unwrap_or_else(|complaint| {
                panic!("the creation's answer told another value than a read: {complaint}");
            });
        }
        life
    }
}

impl Life<'_> {
    /// AWS's name of it.
    pub fn identity(&self) -> &str {
        self.identity.as_str()
    }

    /// It as the engine would name it.
    pub fn target(&self) -> Target {
        Target {
            address: self.creation.address.clone(),
            region: self.creation.region.clone(),
            identity: self.identity.clone(),
            recorded: self.creation.attributes.plain().unwrap_or_default(),
            owner: None,
        }
    }

    /// Its tags as AWS tells them, and whose it is to an instance of this lineage.
    async fn seen_by(&self, lineage: &str) -> (Tags, Care) {
        let (instance, region, lineage) = ("test".to_owned(), REGION.to_owned(), lineage.to_owned());
        let owner = Owner { instance, region, lineage, account: None, accepts_unmarked: true };
        let target = Target { owner: Some(Arc::new(owner.clone())), ..self.target() };
        let types = Specs::read(&[]).expect("valid specs").types;
        match self.aws.observe(std::slice::from_ref(&target)).await.remove(&target.address) {
            Some(Observation::Found(observed)) => {
                let care =
                    judge(&owner, &target.address, types.get(&self.story.type_name).map(Arc::as_ref), &observed, None);
                (observed.tags.expect("its tags were asked for"), care)
            }
            other => panic!("{} is not there: {other:?}", target.address),
        }
    }

    /// Types with tags: its tags are told to whoever asks for them, it is nobody else's, and more tags can be put beside
    /// those it has.
    async fn check_ownership(&self) {
        let types = Specs::read(&[]).expect("valid specs").types;
        let resource_type = types.get(&self.story.type_name).expect("a type");
        if !resource_type.taggable {
            self.check_proof(resource_type).await;
            return;
        }
        let has = |present: &Tags, wanted: &Tags| wanted.iter().all(|(key, value)| present.get(key) == Some(value));
        let (present, care) = self.seen_by(LINEAGE).await;
        assert!(has(&present, &self.creation.tags), "{present:?}");
        assert_eq!(care, Care::Ours);
        match self.seen_by("lineage-of-others").await.1 {
            Care::Foreign(holder) => assert_eq!(holder.lineage.as_deref(), Some(LINEAGE)),
            other => panic!("it is of another lineage, and yet: {other:?}"),
        }
        let more = Tags::from([("team".to_owned(), "operations".to_owned())]);
        for _ in 0..2 {
            self.aws.mark(&self.target(), &more).await.unwrap_or_else(|error| panic!("mark: {error}"));
        }
        let (marked, care) = self.seen_by(LINEAGE).await;
        assert!(has(&marked, &more) && has(&marked, &present), "{marked:?}");
        assert_eq!(care, Care::Ours);
    }

    /// Answers tell the true identity. So a state that spells it in another way, which AWS may take as well, does not make a
    /// second object of it.
    async fn check_spellings(&self, observed: &Observed) {
        let types = Specs::read(&[]).expect("valid specs").types;
        let resource_type = types.get(&self.story.type_name).expect("a type");
        assert_eq!(resource_type.identity_told(&observed.attributes).as_ref(), Some(&self.identity));
        let own = self.identity.as_str();
        let arn = observed.attributes.get("arn").and_then(Value::as_text).unwrap_or(own);
        let spellings = [own.to_uppercase(), own.to_lowercase(), arn.to_owned(), format!("/{own}")];
        for other in spellings.iter().filter(|other| *other != own) {
            let target = Target { identity: Identity::new(other.as_str()), ..self.target() };
            let answer = self.aws.observe(std::slice::from_ref(&target)).await.remove(&target.address);
            if let Some(Observation::Found(seen)) = answer {
                let told = resource_type.identity_told(&seen.attributes);
                let is_other = |identity: &Identity| *identity != target.identity;
                assert!(is_other(&seen.identity) || told.as_ref().is_some_and(is_other), "{other} is taken for {own}");
            }
        }
    }

    /// Types without tags: AWS tells what proves whose it is, and it proves it to nobody else.
    async fn check_proof(&self, resource_type: &ResourceType) {
        let observed = self.observe().await;
        let owner = |instance: &str| Owner {
            instance: instance.to_owned(),
            region: REGION.to_owned(),
            lineage: LINEAGE.to_owned(),
            account: None,
            accepts_unmarked: true,
        };
        let told = |attribute: &str| match observed.attributes.get(attribute).and_then(Value::as_text) {
            Some(text) => text.to_owned(),
            None => panic!("{attribute} is not told: {:?}", observed.attributes),
        };
        let address = &self.creation.address;
        let judged =
            |owner: &Owner, parent: Option<&Care>| judge(owner, address, Some(resource_type), &observed, parent);
        match &resource_type.proof {
            Proof::Name { attribute } => {
                let name = told(attribute);
                let instance = name.rsplit(' ').next().and_then(|word| word.split('-').next()).expect("a word");
                assert_eq!(judged(&owner(instance), None), Care::Ours, "{name}");
                let beginning = owner(&instance[..instance.len() - 1]);
                for other in [&beginning, &owner("other")] {
                    assert!(matches!(judged(other, None), Care::Foreign(_)), "{name} is not of {}", other.instance);
                }
            }
            Proof::Parent { attribute } => {
                told(attribute);
                let foreign = Care::Foreign(Holder::default());
                assert_eq!(judged(&owner("test"), Some(&Care::Ours)), Care::Ours);
                for parent in [Some(&foreign), None] {
                    assert!(matches!(judged(&owner("test"), parent), Care::Foreign(_)));
                }
            }
            other => panic!("{other:?}"),
        }
    }

    /// Changes some attributes and waits until it shows them. Null sets an attribute back.
    pub async fn update(&mut self, changed: serde_json::Value) -> Observed {
        let target = self.target();
        let changed = Value::from_json(&changed);
        let names: Vec<String> = changed.as_map().expect("changes are a table").keys().cloned().collect();
        for name in &names {
            self.creation.attributes.set(&[name], changed.get(name).unwrap().lift());
        }
        let update = Update { target, desired: self.creation.attributes.clone(), changed: names };
        self.aws.update(&update).await.unwrap_or_else(|error| panic!("update: {error}"));
        self.shows_wanted().await
    }

    /// Reads it once.
    pub async fn observe(&self) -> Observed {
        match self.observation().await {
            Observation::Found(observed) => observed,
            other => panic!("{} is not there: {other:?}", self.creation.address),
        }
    }

    /// Waits until it shows these attributes, among others.
    pub async fn shows(&self, expected: serde_json::Value) -> Observed {
        self.wait_for(&Value::from_json(&expected)).await
    }

    /// Deletes it, waits until it is gone, and deletes it again.
    pub async fn end(self) {
        let target = self.target();
        self.delete().await;
        let started = Instant::now();
        loop {
            match self.observation().await {
                Observation::Gone => break,
                other => assert!(started.elapsed() < PATIENCE, "it does not go away: {other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let again = self.aws.delete(&target).await;
        assert_eq!(again, Ok(Deletion::Accepted), "a second deletion is a success");
    }

    /// Deletes it without a look at what becomes of it.
    pub async fn delete(&self) {
        let target = self.target();
        let started = Instant::now();
        loop {
            match self.aws.delete(&target).await {
                Ok(Deletion::Accepted) => return,
                Ok(Deletion::Again) => {}
                Err(error) => assert!(error.kind.is_transient(), "delete: {error}"),
            }
            assert!(started.elapsed() < PATIENCE, "it cannot be deleted");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn observation(&self) -> Observation {
        let target = self.target();
        let mut observations = self.aws.observe(std::slice::from_ref(&target)).await;
        assert_eq!(observations.len(), 1);
        observations.remove(&target.address).expect("an answer for the target")
    }

    async fn shows_wanted(&self) -> Observed {
        self.wait_for(&self.creation.attributes.plain().expect("tests have no secrets")).await
    }

    async fn wait_for(&self, expected: &Value) -> Observed {
        let started = Instant::now();
        loop {
            let observation = self.observation().await;
            let complaint = match observation {
                Observation::Found(observed) => {
                    let complaints: Vec<String> = expected
                        .as_map()
                        .expect("attributes are a table")
                        .iter()
                        .filter_map(|(name, value)| self.compare(name, value, observed.attributes.get(name)).err())
                        .collect();
                    if complaints.is_empty() {
                        return observed;
                    }
                    complaints.join("\n")
                }
                Observation::Gone => "it is gone".to_owned(),
                Observation::Failed(error) => panic!("observe: {error}"),
                Observation::Foreign(holder) => panic!("nobody asked whose it is: {holder:?}"),
            };
            assert!(
                started.elapsed() < PATIENCE,
                "{} does not show what it should:\n{complaint}",
                self.creation.address
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether `observed` holds everything of `expected`: tables may have more entries, lists any order. What the
    /// type calls `write_only` or `sensitive`, and what was set to null, is not compared.
    fn compare(&self, path: &str, expected: &Value, observed: Option<&Value>) -> Result<(), String> {
        if self.story.gaps.contains(path) || self.is_hidden(path) || expected.is_null() {
            return Ok(());
        }
        let complaint = || {
            let observed = observed.map_or_else(|| "nothing".to_owned(), Value::to_string);
            Err(format!("{path}: expected {expected}, observed {observed}"))
        };
        match (expected, observed) {
            (Value::Map(expected), Some(Value::Map(observed))) => expected
                .iter()
                .try_for_each(|(key, value)| self.compare(&format!("{path}.{key}"), value, observed.get(key))),
            (Value::List(expected), Some(Value::List(observed))) if expected.len() == observed.len() => {
                let has_match = |wanted: &Value| {
                    observed.iter().any(|candidate| self.compare(path, wanted, Some(candidate)).is_ok())
                };
                if expected.iter().all(has_match) { Ok(()) } else { complaint() }
            }
            (expected, Some(observed)) if expected == observed => Ok(()),
            (expected, Some(observed))
                if expected.as_number().is_some() && expected.as_number() == observed.as_number() =>
            {
                Ok(())
            }
            _ => complaint(),
        }
    }

    /// Every observed attribute is one of the type's; every one known when created was observed.
    fn check_names(&self, observed: &Value) {
        let types = type_attributes(&self.story.type_name);
        for name in observed.as_map().expect("attributes are a table").keys() {
            assert!(types.contains_key(name), "{} has no attribute `{name}`", self.story.type_name);
        }
        for (name, attribute) in &types {
            let early = attribute.get("known").is_some_and(|known| known.as_str() == Some("created"));
            if early && attribute.get("sensitive").is_none() && !self.story.gaps.contains(name) {
                let value = observed.get(name).unwrap_or(&Value::Null);
                assert!(!value.is_null(), "`{name}` is known as soon as it is created, but was not observed");
            }
        }
    }

    fn is_hidden(&self, path: &str) -> bool {
        let mut attributes = toml::Value::Table(type_attributes(&self.story.type_name));
        for key in path.split('.') {
            match attributes.get(key).or_else(|| attributes.get("of").and_then(|of| of.get(key))) {
                Some(attribute) => attributes = attribute.clone(),
                None => return false,
            }
        }
        let says = |flag| attributes.get(flag).and_then(toml::Value::as_bool) == Some(true);
        says("write_only") || says("sensitive")
    }
}

/// Reads something that exists already.
pub async fn look_up(aws: &Aws, type_name: &str, filters: serde_json::Value) -> Result<Value, ProviderError> {
    look_up_in(aws, REGION, type_name, filters).await
}

/// Reads something that exists already in a region.
pub async fn look_up_in(
    aws: &Aws,
    region: &str,
    type_name: &str,
    filters: serde_json::Value,
) -> Result<Value, ProviderError> {
    let address = Address::new(type_of(type_name), "wanted", None);
    let filters = Value::from_json(&filters);
    aws.lookup(&Lookup { address, region: region.to_owned(), filters, is_part: false }).await
}

/// The default network of an emulator.
pub async fn default_vpc(aws: &Aws) -> String {
    text(&look_up(aws, "ec2.vpc", serde_json::json!({ "is_default": true })).await.unwrap(), "id")
}

/// The subnets of the default network.
pub async fn default_subnets(aws: &Aws) -> Vec<String> {
    let filters = serde_json::json!({ "vpc_id": default_vpc(aws).await, "default_for_az": true });
    let subnets = look_up(aws, "ec2.subnets", filters).await.unwrap();
    let ids = subnets.get("ids").and_then(Value::as_list).expect("a list of ids");
    ids.iter().map(|id| id.as_text().expect("an id").to_owned()).collect()
}

/// A text among observed attributes.
pub fn text(attributes: &Value, name: &str) -> String {
    attributes.get(name).and_then(Value::as_text).unwrap_or_else(|| panic!("no {name} in {attributes}")).to_owned()
}

/// Makes a resource that a test needs beside the one it is about; answers its identity.
pub async fn make(aws: &Aws, type_name: &str, attributes: serde_json::Value) -> String {
    let creation = creation(&type_of(type_name), REGION, attributes);
    aws.create(&creation).await.unwrap_or_else(|error| panic!("create {type_name}: {error}")).identity.0
}

/// A creation as the engine would ask for it.
pub fn creation(type_name: &TypeName, region: &str, attributes: serde_json::Value) -> Creation {
    let address = Address::new(type_name.clone(), "subject", None);
    let tags = BTreeMap::from([
        ("mastoform:instance".to_owned(), "test".to_owned()),
        ("mastoform:address".to_owned(), address.to_string()),
        ("mastoform:lineage".to_owned(), LINEAGE.to_owned()),
    ]);
    Creation {
        address,
        region: region.to_owned(),
        attributes: Value::from_json(&attributes).lift(),
        tags,
        token: "0123456789abcdef0123456789abcdef".to_owned(),
        attempt: Attempt::default(),
    }
}

pub fn type_of(name: &str) -> TypeName {
    let (service, kind) = name.split_once('.').expect("a type is called service.kind");
    TypeName::new(service, kind)
}

fn type_attributes(name: &TypeName) -> toml::Table {
    let path = format!("{}/specs/types/{}.toml", env!("CARGO_MANIFEST_DIR"), name.service);
    let file: toml::Table = fs_err::read_to_string(path).unwrap().parse().unwrap();
    let attributes = file.get(&*name.kind).and_then(|kind| kind.get("attributes")).and_then(toml::Value::as_table);
    attributes.unwrap_or_else(|| panic!("specs/types has no {name}")).clone()
}

/// That an error is of a kind and names its operation.
pub fn assert_error<T: std::fmt::Debug>(answer: Result<T, ProviderError>, kind: ErrorKind, operation: &str) {
    let error = answer.expect_err("this should fail");
    assert_eq!((error.kind, error.operation.as_str()), (kind, operation), "{error}");
}

/// A target is its owner's, and to another lineage of the same name it is foreign.
pub async fn is_its_owners_alone(aws: &Aws, target: &Target) {
    for (lineage, is_owner) in [(LINEAGE, true), ("lineage-of-others", false)] {
        let owner = Owner {
            instance: "test".to_owned(),
            region: REGION.to_owned(),
            lineage: lineage.to_owned(),
            account: None,
            accepts_unmarked: true,
        };
        let care = care_of(aws, &Target { owner: Some(Arc::new(owner)), ..target.clone() }).await;
        assert_eq!(care == Care::Ours, is_owner, "{}: {care:?}", target.address);
    }
}

/// Whose a target is to its owner.
pub async fn care_of(aws: &Aws, target: &Target) -> Care {
    let types = Specs::read(&[]).expect("valid specs").types;
    let answer = aws.observe(std::slice::from_ref(target)).await.remove(&target.address);
    let Some(Observation::Found(observed)) = answer else { panic!("{}: {answer:?}", target.address) };
    let owner = target.owner.as_ref().expect("an owner");
    judge(owner, &target.address, types.get(&target.address.type_name).map(Arc::as_ref), &observed, None)
}
