//! AWS: the real cloud, through its SDK.
//!
//! Owns the way from a resource type's name to the calls it needs. [`Aws`] implements [`Provider`] by finding the type's
//! handler among those of all [`SERVICES`]; each handler is one small file, `<service>/<kind>.rs`, listed in its service.
//!
//! | file | holds |
//! | --- | --- |
//! | `service.rs` | the table of services |
//! | `session.rs` | configuration, one client per service and region |
//! | `connections.rs` | the way out: one pool for all clients |
//! | `limits.rs` | how fast AWS may be asked |
//! | `trace.rs` | what becomes of each call |
//! | `error.rs` | what AWS's error codes mean |
//! | `attributes.rs` | reading desired attributes, reporting observed ones |
//! | `tags.rs` | tags in each service's type |
//! | `wave.rs` | several calls at once, and one call for several |
//! | `index.rs` | what carries certain tags, whatever its type |
//! | `registration.rs` | what is registered about an instance |
//! | `handler.rs` | what a handler is |
//! | `cloudcontrol/` | the handler for types that none is written for |
//!
//! # Guarantees
//!
//! - Those of [`Provider`].
//! - A wave of observations, which may be about several instances, makes one batch per type and region, and all batches
//!   run at once. Beside them the index of tags, one call per region, and ELB, by ARN, are asked about all types whose
//!   answers have no tags; only what these do not have takes a second round.
//! - A resource whose tags cannot be read is [`Observation::Failed`]: it is never shown on trust.
//!
//! # Assumptions
//!
//! Runs inside tokio: observing spawns tasks, which are aborted when their wave is dropped.

pub mod attributes;
pub mod error;
pub mod handler;
pub mod index;
pub mod limits;
pub mod registration;
pub mod service;
pub mod session;
pub mod tags;
pub mod trace;
pub mod wave;

mod acm;
mod announcement;
mod cloudcontrol;
mod cloudfront;
mod connections;
pub mod dns;
mod ec2;
mod ecs;
mod elasticache;
mod elb;
mod flat;
mod iam;
mod kms;
mod logs;
mod rds;
mod route53;
mod s3;
mod secretsmanager;
mod ses;
mod ssm;
mod sts;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use aws_config::SdkConfig;
use tokio::task::JoinSet;

use self::cloudcontrol::CloudControl;
use self::handler::{Handler, TagSource, Told, arn_of};
use self::index::{GLOBAL_REGION, Index};
use self::service::SERVICES;
use self::session::{Clients, Session};
use self::trace::Calls;
use self::wave::{Together, wave};
use super::network::Network;
use super::{
    Account, Announced, Belonging, Created, Creation, Deletion, ErrorKind, Lookup, Observation, Observations, Observed,
    Opener, Owner, Printed, Provider, ProviderError, Question, Registration, Silence, Tags, Target, Update,
};
use crate::address::{Address, Identity, TypeName};
use crate::secret::SecretText;
use crate::spec::Types;
use crate::spec::types::ResourceType;
use crate::value::{Tree, Value};

/// Whether resources of a type can be read, made, changed and deleted.
pub fn supports(resource_type: &ResourceType) -> bool {
    handler(&resource_type.name).is_ok() || resource_type.is_generic()
}

/// Who knows how to ask AWS for a type.
#[derive(Clone)]
enum Carrier {
    /// A handler that is written for it.
    Own(&'static dyn Handler),
    /// The one for everything that CloudFormation knows.
    Generic(Arc<CloudControl>),
}

impl Deref for Carrier {
    type Target = dyn Handler;

    fn deref(&self) -> &(dyn Handler + 'static) {
        match self {
            Self::Own(handler) => *handler,
            Self::Generic(handler) => &**handler,
        }
    }
}

/// How to get the program that AWS makes for sessions.
const PLUGIN: &str = "install AWS's Session Manager plugin: https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html";

/// AWS, as one account and any of its regions.
pub struct Aws {
    session: Session,
    /// Several may look up the same at once.
    lookups: Together<Value>,
    /// From where the instance itself is asked, once somebody does.
    network: OnceLock<Network>,
    /// The specs of its types: what AWS takes for an attribute that is unset.
    types: Arc<Types>,
    /// Types that no handler is written for.
    generic: BTreeMap<TypeName, Arc<CloudControl>>,
    /// The lineages that are registered, by region and instance, as far as it was read or written.
    registered: Mutex<BTreeMap<(String, String), String>>,
}

impl Aws {
    /// Reads the configuration as the AWS command line does, with `profile` in place of `AWS_PROFILE`. Makes no call:
    /// missing credentials show at the first one, for example [`Provider::account`].
    pub async fn connect(profile: Option<String>, region: String, calls: Calls) -> Self {
        Self::of(Session::load(profile, region, calls).await)
    }

    /// AWS over a given configuration, for tests and other programs.
    pub fn with_config(config: SdkConfig, calls: Calls) -> Self {
        Self::of(Session::new(config, calls))
    }

    fn of(session: Session) -> Self {
        Self {
            session,
            lookups: Together::default(),
            network: OnceLock::new(),
            types: Arc::default(),
            generic: BTreeMap::new(),
            registered: Mutex::default(),
        }
    }

    /// With the specs of its types, among them those of the user's own that no handler is written for.
    #[must_use]
    pub fn with_types(mut self, types: &Arc<Types>) -> Self {
        let generic = types.values().filter(|found| handler(&found.name).is_err() && found.is_generic());
        let carrier = |found: &ResourceType| Arc::new(CloudControl::new(found.clone()));
        self.generic = generic.map(|found| (found.name.clone(), carrier(found))).collect();
        self.types = Arc::clone(types);
        self
    }

    /// Attributes with AWS's defaults where they are unset, as handlers want them. What is sent in CloudFormation's words
    /// needs none: an attribute that is not sent has its default.
    fn filled<L: Clone>(&self, type_name: &TypeName, attributes: &Tree<L>) -> Tree<L> {
        let mut attributes = attributes.clone();
        if let Some(found) = self.types.get(type_name).filter(|_| !self.generic.contains_key(type_name)) {
            found.fill_defaults(&mut attributes);
        }
        attributes
    }

    /// A creation with AWS's defaults.
    fn complete_creation(&self, creation: &Creation) -> Creation {
        let attributes = self.filled(&creation.address.type_name, &creation.attributes);
        Creation { attributes, ..creation.clone() }
    }

    fn carrier(&self, type_name: &TypeName) -> Result<Carrier, ProviderError> {
        match self.generic.get(type_name) {
            Some(generic) => Ok(Carrier::Generic(Arc::clone(generic))),
            None => handler(type_name).map(Carrier::Own),
        }
    }

    /// Other addresses than AWS's own that calls go to: worth a warning.
    pub fn endpoint_overrides(&self) -> BTreeSet<String> {
        self.session.endpoint_overrides()
    }

    /// The log of calls made so far.
    pub fn calls(&self) -> &Calls {
        self.session.calls()
    }

    /// The clients of a region.
    pub fn clients(&self, region: &str) -> Arc<Clients> {
        self.session.clients(region)
    }

    /// Remembers which lineage is registered, if any; answers which one was before, as far as it was known.
    fn note_registered(&self, region: &str, instance: &str, lineage: Option<&str>) -> Option<String> {
        let mut registered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        let one = (region.to_owned(), instance.to_owned());
        match lineage {
            Some(lineage) => registered.insert(one, lineage.to_owned()),
            None => registered.remove(&one),
        }
    }

    fn at(&self, address: &Address, region: &str) -> Result<(Carrier, Arc<Clients>), ProviderError> {
        Ok((self.carrier(&address.type_name)?, self.clients(region)))
    }

    /// Asks the handlers of all types at once, each about its own targets in one region. Their answers with the targets they
    /// are about, and the targets of types that nobody handles.
    async fn ask_all<T, F>(
        &self,
        targets: &[&Target],
        ask: impl Fn(Carrier, Arc<Clients>, Vec<Target>) -> F,
    ) -> (Vec<(Vec<usize>, T)>, Vec<(Vec<usize>, ProviderError)>)
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let mut batches = JoinSet::new();
        let mut unknown = Vec::new();
        for ((type_name, region), positions) in grouped(targets) {
            match self.carrier(type_name) {
                Ok(handler) => {
                    let group = positions.iter().map(|position| targets[*position].clone()).collect();
                    let answer = ask(handler, self.clients(region), group);
                    batches.spawn(async move { (positions, answer.await) });
                }
                Err(error) => unknown.push((positions, error)),
            }
        }
        let mut answers = Vec::new();
        while let Some(answer) = batches.join_next().await {
            answers.extend(answer);
        }
        (answers, unknown)
    }

    /// Reads targets, which may be those of several instances: an answer for each, in their order.
    async fn read(&self, targets: &[&Target]) -> Vec<Observation> {
        let asked = self.ask_all(targets, |handler, clients, group| async move {
            let group: Vec<&Target> = group.iter().collect();
            handler.observe_all(&clients, &group).await
        });
        let ((batches, unknown), indices) = tokio::join!(asked, self.indexed(targets));
        let mut answers: Vec<Option<Observation>> = vec![None; targets.len()];
        for (positions, batch) in batches {
            for (position, answer) in positions.into_iter().zip(batch) {
                answers[position] = Some(answer);
            }
        }
        for (positions, error) in unknown {
            for position in positions {
                answers[position] = Some(Observation::Failed(error.clone()));
            }
        }
        let nothing = |target: &Target| {
            let message = "its batch gave no answer";
            Observation::Failed(ProviderError::new(ErrorKind::Unknown, target.address.type_name.to_string(), message))
        };
        let answers = answers.into_iter().zip(targets);
        let mut answers: Vec<Observation> =
            answers.map(|(answer, target)| answer.unwrap_or_else(|| nothing(target))).collect();
        self.complete(targets, &indices, &mut answers).await;
        answers
    }

    /// What is told of the tags of these targets beside them, for types whose answers have no tags, by region: by the index
    /// of tags, or by ARN. Where that cannot be read there is nothing: then everything is asked for itself.
    async fn indexed(&self, targets: &[&Target]) -> BTreeMap<String, Index> {
        let mut shelves: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&'static str>)> = BTreeMap::new();
        let mut named: BTreeMap<(&'static str, &str), (&'static dyn Handler, BTreeSet<String>)> = BTreeMap::new();
        for target in targets {
            let Some(owner) = target.owner.as_ref().filter(|owner| !owner.lineage.is_empty()) else { continue };
            let Ok(handler) = handler(&target.address.type_name) else { continue };
            match handler.tag_source() {
                TagSource::Answers => {}
                TagSource::Index(service) => {
                    let (lineages, services) = shelves.entry(shelf(target, service)).or_default();
                    lineages.insert(&owner.lineage);
                    services.insert(service);
                }
                TagSource::Arns(service) => {
                    let (_, arns) =
                        named.entry((service, &target.region)).or_insert_with(|| (handler, BTreeSet::new()));
                    arns.insert(target.identity.0.clone());
                }
            }
        }
        let of_owners = shelves.into_iter().map(|(region, (lineages, services))| async move {
            let index = index::with_one_of(&self.clients(region), tags::LINEAGE, &lineages, &services).await;
            (region, index)
        });
        let by_arn = named.into_iter().map(|((_, region), (handler, arns))| async move {
            let arns: Vec<String> = arns.into_iter().collect();
            (region, handler.tags_by_arn(&self.clients(region), &arns).await)
        });
        let (of_owners, by_arn) = tokio::join!(wave(of_owners.collect()), wave(by_arn.collect()));
        let mut told: BTreeMap<String, Index> = BTreeMap::new();
        for (region, index) in of_owners.into_iter().chain(by_arn) {
            match index {
                Ok(index) => told.entry(region.to_owned()).or_default().extend(index),
                Err(error) => tracing::debug!(region, %error, "tags are not told beside"),
            }
        }
        told
    }

    /// Adds tags to the answers that have none, for targets with an owner.
    async fn complete(&self, targets: &[&Target], indices: &BTreeMap<String, Index>, answers: &mut [Observation]) {
        let mut untold: BTreeMap<(&str, &str), Vec<Untold<'_>>> = BTreeMap::new();
        for (position, target) in targets.iter().enumerate() {
            let (Some(owner), Some(service)) = (&target.owner, tagged_by(target)) else { continue };
            let Some(Observation::Found(observed)) = answers.get_mut(position) else { continue };
            let index = indices.get(shelf(target, service));
            observed.tags = arn_of(observed).and_then(|arn| index?.get(arn)).cloned();
            if observed.tags.is_none() {
                let missing = Untold { position, target, owner, observed: observed.clone() };
                untold.entry((service, &target.region)).or_default().push(missing);
            }
        }
        // The types of a service have their tags from the same call.
        let ask = untold.into_iter().map(|((_, region), group)| async move {
            let seen: Vec<&Observed> = group.iter().map(|missing| &missing.observed).collect();
            let told = match group.first().map(|missing| handler(&missing.target.address.type_name)) {
                Some(Ok(handler)) => handler.tags_of_all(&self.clients(region), &seen).await,
                Some(Err(error)) => vec![Err(error); seen.len()],
                None => Vec::new(),
            };
            let answers = group.into_iter().zip(told);
            answers.map(|(missing, told)| (missing.position, missing.with_tags(told))).collect::<Vec<_>>()
        });
        for (position, answer) in wave(ask.collect()).await.into_iter().flatten() {
            answers[position] = answer;
        }
    }
}

/// A target with its owner, and what was seen of it without its tags.
struct Untold<'a> {
    /// Among the targets.
    position: usize,
    target: &'a Target,
    owner: &'a Arc<Owner>,
    observed: Observed,
}

impl Untold<'_> {
    /// With what was told of its tags.
    fn with_tags(self, told: Result<Told, ProviderError>) -> Observation {
        let Self { target, owner, observed, .. } = self;
        match told {
            Ok(Told::Tags(tags)) => Observation::Found(Observed { tags: Some(tags), ..observed }),
            Ok(Told::Gone) => Observation::Gone,
            Ok(Told::Nothing { shown }) => {
                let tags = Some(owner.tags(&target.address));
                Observation::Found(Observed { attributes: shown, tags, ..observed })
            }
            Err(error) => Observation::Failed(error),
        }
    }
}

/// The region whose index of tags has a target.
fn shelf<'target>(target: &'target Target, service: &str) -> &'target str {
    if service::of(service).is_some_and(|service| service.is_global) { GLOBAL_REGION } else { &target.region }
}

/// The service that tells a target's tags, if its type's own answers have none.
fn tagged_by(target: &Target) -> Option<&'static str> {
    handler(&target.address.type_name).ok()?.tag_source().service()
}

/// The handler of a type.
fn handler(type_name: &TypeName) -> Result<&'static dyn Handler, ProviderError> {
    let name = type_name.to_string();
    let handlers = SERVICES.iter().flat_map(|service| service.handlers);
    let found = handlers.copied().find(|handler| handler.type_name() == name);
    found.ok_or_else(|| ProviderError::new(ErrorKind::Invalid, &name, format!("there is no type {name} in AWS")))
}

/// The regions that every account has from the beginning. Each one that came after March 2019 has to be enabled:
/// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html>
const EVERYBODYS_REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// What AWS answers to credentials that it does not know in a region, be they wrong or the region not enabled.
const UNKNOWN_CREDENTIALS: [&str; 3] = ["AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException"];

/// The error, which may mean something else in a region that has to be enabled.
fn in_region(region: &str, error: ProviderError) -> ProviderError {
    let is_unknown = error.code.as_deref().is_some_and(|code| UNKNOWN_CREDENTIALS.contains(&code));
    if error.kind != ErrorKind::Credentials || !is_unknown || EVERYBODYS_REGIONS.contains(&region) {
        return error;
    }
    let message = format!("{} ({region} is a region that an account has to enable)", error.message);
    ProviderError { kind: ErrorKind::Region, message, ..error }
}

/// The positions of targets by type and region.
fn grouped<'target>(targets: &[&'target Target]) -> BTreeMap<(&'target TypeName, &'target str), Vec<usize>> {
    let mut groups: BTreeMap<(&TypeName, &str), Vec<usize>> = BTreeMap::new();
    for (position, target) in targets.iter().enumerate() {
        groups.entry((&target.address.type_name, &target.region)).or_default().push(position);
    }
    groups
}

#[async_trait]
impl Provider for Aws {
    async fn account(&self) -> Result<Account, ProviderError> {
        let region = self.session.region();
        let caller = self.clients(region).caller().await.map_err(|error| in_region(region, error))?.clone();
        Ok(Account { id: caller.account, is_simulated: false })
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Value, ProviderError> {
        let (handler, clients) = self.at(&lookup.address, &lookup.region)?;
        let question = format!("{} {} {}", lookup.address.type_name, lookup.region, lookup.filters.to_json());
        let answer = self.lookups.ask(&question, || handler.lookup(&clients, lookup)).await;
        answer.map_err(|error| in_region(&lookup.region, error))
    }

    async fn observe(&self, targets: &[Target]) -> Observations {
        let targets: Vec<&Target> = targets.iter().collect();
        let answers = self.read(&targets).await;
        targets.into_iter().map(|target| target.address.clone()).zip(answers).collect()
    }

    async fn observe_each(&self, instances: &[Vec<Target>]) -> Vec<Observations> {
        let all: Vec<&Target> = instances.iter().flatten().collect();
        let mut answers = self.read(&all).await.into_iter();
        let addresses = |targets: &Vec<Target>| targets.iter().map(|target| target.address.clone()).collect::<Vec<_>>();
        instances.iter().map(|targets| addresses(targets).into_iter().zip(answers.by_ref()).collect()).collect()
    }

    async fn announced(&self, targets: &[Target]) -> Announced {
        let targets: Vec<&Target> = targets.iter().collect();
        let (batches, unknown) = self
            .ask_all(&targets, |handler, clients, group| async move {
                let group: Vec<&Target> = group.iter().collect();
                handler.announced(&clients, &group).await
            })
            .await;
        let mut announced = Announced::default();
        for (_, batch) in batches {
            announced.announcements.extend(batch.announcements);
            announced.failures.extend(batch.failures);
        }
        announced.failures.extend(unknown.into_iter().map(|(_, error)| error));
        announced
    }

    async fn find(&self, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let (handler, clients) = self.at(&creation.address, &creation.region)?;
        handler.find(&clients, &self.complete_creation(creation)).await
    }

    fn refuses_second(&self, type_name: &TypeName) -> bool {
        handler(type_name).is_ok_and(|handler| handler.refuses_second())
    }

    async fn create(&self, creation: &Creation) -> Result<Created, ProviderError> {
        let (handler, clients) = self.at(&creation.address, &creation.region)?;
        handler.create(&clients, &self.complete_creation(creation)).await
    }

    async fn update(&self, update: &Update) -> Result<(), ProviderError> {
        let (handler, clients) = self.at(&update.target.address, &update.target.region)?;
        let desired = self.filled(&update.target.address.type_name, &update.desired);
        handler.update(&clients, &Update { desired, ..update.clone() }).await
    }

    async fn mark(&self, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let (handler, clients) = self.at(&target.address, &target.region)?;
        handler.mark(&clients, target, tags).await
    }

    async fn census(&self, region: &str, tags: &Tags) -> Result<Vec<Belonging>, ProviderError> {
        let carrying = async |asked: &str| {
            let found = index::carrying(&self.clients(asked), tags).await?;
            let belonging = |(name, tags)| Belonging { name, region: region.to_owned(), tags };
            Ok::<Vec<_>, ProviderError>(found.into_iter().map(belonging).collect())
        };
        if region == GLOBAL_REGION {
            return carrying(region).await;
        }
        // What stands in no region is in the index of one.
        let (mut found, global) = tokio::try_join!(carrying(region), carrying(GLOBAL_REGION))?;
        // Names of buckets have no region, though they stand in one.
        let known: BTreeSet<String> = found.iter().map(|one| one.name.clone()).collect();
        found.extend(global.into_iter().filter(|one| one.place().is_empty() && !known.contains(&one.name)));
        Ok(found)
    }

    async fn registration(&self, region: &str, instance: &str) -> Result<Option<Registration>, ProviderError> {
        let found = registration::read(&self.clients(region), instance).await?;
        self.note_registered(region, instance, found.as_ref().map(|found| found.lineage.as_str()));
        Ok(found)
    }

    async fn register(&self, registration: &Registration) -> Result<(), ProviderError> {
        let Registration { region, instance, lineage, .. } = registration;
        let clients = self.clients(region);
        // Until it is written again, nothing is known.
        let is_ours = self.note_registered(region, instance, None).is_some_and(|held| held == *lineage);
        if is_ours {
            registration::write(&clients, registration).await?;
        } else {
            registration::write_first(&clients, registration).await?;
        }
        self.note_registered(region, instance, Some(lineage));
        Ok(())
    }

    async fn unregister(&self, registration: &Registration) -> Result<(), ProviderError> {
        self.note_registered(&registration.region, &registration.instance, None);
        registration::withdraw(&self.clients(&registration.region), registration).await
    }

    async fn delete(&self, target: &Target) -> Result<Deletion, ProviderError> {
        let (handler, clients) = self.at(&target.address, &target.region)?;
        let recorded = self.filled(&target.address.type_name, &target.recorded);
        handler.delete(&clients, &Target { recorded, ..target.clone() }).await
    }

    async fn printed(&self, target: &Target, from: Option<&str>) -> Result<Printed, ProviderError> {
        let (handler, clients) = self.at(&target.address, &target.region)?;
        handler.printed(&clients, target, from).await
    }

    async fn reveal(&self, target: &Target, path: &[String]) -> Result<SecretText, ProviderError> {
        let (handler, clients) = self.at(&target.address, &target.region)?;
        handler.reveal(&clients, target, path).await
    }

    fn opener(&self) -> Option<Opener> {
        Some(Opener { program: "session-manager-plugin", advice: PLUGIN })
    }

    async fn open(&self, target: &Target, command: &str) -> Result<Vec<SecretText>, ProviderError> {
        let (handler, clients) = self.at(&target.address, &target.region)?;
        handler.open(&clients, target, command).await
    }

    async fn ask(&self, question: &Question) -> Result<Value, Silence> {
        self.network.get_or_init(Network::public).ask(question).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_that_a_region_does_not_know_may_mean_the_region() {
        let answered = |region: &str, code: &str| {
            let error = ProviderError::new(ErrorKind::Credentials, "sts:GetCallerIdentity", "invalid").code(code);
            in_region(region, error)
        };
        for code in UNKNOWN_CREDENTIALS {
            assert_eq!(answered("il-central-1", code).kind, ErrorKind::Region, "{code}");
            assert_eq!(answered("eu-central-1", code).kind, ErrorKind::Credentials, "{code}");
        }
        assert_eq!(answered("il-central-1", "ExpiredToken").kind, ErrorKind::Credentials);
        assert!(answered("il-central-1", "AuthFailure").message.contains("il-central-1 is a region that"));
    }
}
