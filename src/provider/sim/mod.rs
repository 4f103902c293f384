//! A simulated cloud, interpreted from `specs/types`.
//!
//! [`Sim`] knows no service: what it accepts, refuses, adds and takes time for follows from the resource types it is
//! given. It is the cloud behind `--sandbox` (kept in a file, living faster than the wall clock) and the double in
//! tests (seeded, on a virtual clock, with faults on command).
//!
//! # How it behaves
//!
//! - A type with `ready` takes `expect` (divided by the speed) for what happens to it, shows an in-between status
//!   meanwhile, and shows computed attributes that are `known = "ready"` only then. Any other type is done at once.
//! - Names are unique in a region, and where a type is `global` in all of them: a second creation with the same identity,
//!   or with the same attributes in the format of its identity, is a conflict. Where there is no such name, a second creation with the same token is the first one.
//! - What an attribute `refers_to` must exist, and cannot be deleted while something that refers to it lives.
//! - A job (a type that is `once`) ends after its time; it is never made twice at once, and nothing lives on of it.
//! - What waits for a person goes on when the simulated person has acted, or when what it `awaits` is there.
//! - What a law of the [`Options`] says fails as long as the job that it names has not ended well.
//! - An instance answers as long as everything that a [`Question`] needs is there and has a good status.
//! - Whatever a lookup asks for exists, unless a fault says otherwise, and is the same every time. A part of a question
//!   brings nothing into being, so a first plan asks once more.
//! - Secrets are neither kept nor observed. A revealed one is made from the seed, the identity and the path.
//!
//! # Time
//!
//! Instants come from the [`Clock`] in the [`Options`], latency is slept on tokio's clock. The file holds instants, so
//! that the time between two runs of the program passes in the cloud too.

mod backstage;
mod check;
mod cloud;
mod effects;
mod faults;
mod store;
mod synthesis;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

pub use self::cloud::{Ending, Object, Phase, Stage};
pub use self::faults::{CrashPoint, Fault, Faults, Operation, Rule, Subject};
pub use self::synthesis::SECRET_MARK;

use self::check::Complaint;
use self::cloud::Cloud;
use self::store::Store;
use crate::address::{Address, Identity, TypeName};
use crate::provider::trace::{self, Calls};
use crate::provider::{
    Account, Announced, Belonging, Created, Creation, Deletion, ErrorKind, Lookup, Observation, Observations, Printed,
    Provider, ProviderError, Question, Registration, Silence, Tags, Target, Update,
};
use crate::secret::SecretText;
use crate::spec::blueprint::{Law, ResourceName};
use crate::spec::types::{ResourceType, Types};
use crate::value::Value;

/// The only account there is.
pub const ACCOUNT: &str = super::NOBODYS_ACCOUNT;

/// What tokio's clock counts in.
const TICK: Duration = Duration::from_millis(1);

/// The time since some epoch.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Tokio's clock, which tests can pause, from now on.
pub fn tokio_clock() -> Clock {
    let start = tokio::time::Instant::now();
    Arc::new(move || start.elapsed())
}

/// How a simulated cloud lives.
#[derive(Clone)]
pub struct Options {
    /// Decides everything that looks random. A cloud that is loaded keeps its own.
    pub seed: u64,
    /// How much faster than the clock resources become ready; more than 0.
    pub speed: f64,
    /// How long each call takes, on tokio's clock.
    pub latency: Duration,
    pub clock: Clock,
    /// What fails as long as something else has not been done.
    pub laws: Vec<Law>,
    /// What jobs print, by their types and names.
    pub prints: BTreeMap<ResourceName, Vec<String>>,
    /// How long the simulated person takes for what waits for one, in the cloud's time.
    pub person: Person,
    /// Where calls are counted as AWS would count them: one read for all targets of a type and region.
    pub trace: Calls,
}

impl Default for Options {
    /// Real speed on tokio's clock, 20 ms of latency.
    fn default() -> Self {
        Self {
            seed: 1,
            speed: 1.0,
            latency: Duration::from_millis(20),
            clock: tokio_clock(),
            laws: Vec::new(),
            prints: BTreeMap::new(),
            person: Person::default(),
            trace: Calls::new(),
        }
    }
}

/// How long the simulated person takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Person {
    /// As long as the type says in `expect`.
    #[default]
    Usual,
    Takes(Duration),
    /// The person does nothing.
    Never,
}

/// A call that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub operation: Operation,
    pub address: Address,
    pub at: Duration,
}

/// An object with its names, for tests.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub type_name: TypeName,
    pub identity: Identity,
    pub object: Object,
    /// What an observation would show.
    pub shown: Value,
}

/// A simulated cloud.
pub struct Sim {
    types: Arc<Types>,
    options: Options,
    opened: Duration,
    world: Mutex<World>,
    crashed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct World {
    cloud: Cloud,
    /// Where it is kept; `None`: nowhere.
    store: Option<Store>,
    faults: Faults,
    calls: Vec<Call>,
    /// What programs have printed, by their addresses.
    printed: BTreeMap<String, Vec<String>>,
}

/// The world while no other process changes it.
struct Turn<'sim>(MutexGuard<'sim, World>);

impl Deref for Turn<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl DerefMut for Turn<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.0
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(store) = &mut self.0.store {
            store.release();
        }
    }
}

type Outcome<T> = Result<T, ProviderError>;

/// Whether the file at `path` holds a simulated cloud. It is left as it is.
pub fn is_kept_in(path: &Path) -> bool {
    Store::open(path, 0, Duration::ZERO).is_ok()
}

impl Sim {
    /// Opens the cloud kept in the file at `path`, or an empty one that is kept there after each change. Without a path
    /// it lives in memory.
    pub fn open(types: Arc<Types>, path: Option<PathBuf>, options: Options) -> io::Result<Self> {
        let opened = (options.clock)();
        let (store, mut cloud) = match &path {
            Some(path) => Store::open(path, options.seed, opened).map(|(store, cloud)| (Some(store), cloud))?,
            None => (None, Cloud::new(options.seed)),
        };
        effects::grow(&mut cloud, &types);
        let world = Mutex::new(World { cloud, store, ..World::default() });
        Ok(Self { types, options, opened, world, crashed: watch::Sender::new(false) })
    }

    fn now(&self) -> Duration {
        (self.options.clock)()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resource_type(&self, operation: Operation, type_name: &TypeName) -> Outcome<&ResourceType> {
        let unknown = || {
            let message = format!("{type_name} is not a resource type");
            refusal(operation, type_name, ErrorKind::Invalid, "InvalidAction", message)
        };
        self.types.get(type_name).map(Arc::as_ref).ok_or_else(unknown)
    }

    /// How long something that usually takes `expected` takes here.
    fn takes(&self, resource_type: &ResourceType, expected: Duration) -> Duration {
        if resource_type.ready.is_none() {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(expected.as_secs_f64() / self.options.speed).unwrap_or_default()
    }

    /// The world with everything that other processes have changed in it, to look at.
    fn news(&self, operation: Operation, type_name: &TypeName) -> Outcome<MutexGuard<'_, World>> {
        let mut guard = self.world();
        let World { cloud, store, .. } = &mut *guard;
        if let Some(Err(error)) = store.as_mut().map(|store| store.refresh(cloud, self.now())) {
            return Err(unkept(operation, type_name, &error));
        }
        self.go_on(cloud);
        Ok(guard)
    }

    /// The same, to change it. Other processes wait meanwhile.
    fn turn(&self, operation: Operation, type_name: &TypeName) -> Outcome<Turn<'_>> {
        let mut guard = self.world();
        let World { cloud, store, .. } = &mut *guard;
        if let Some(Err(error)) = store.as_mut().map(|store| store.turn(cloud, self.now())) {
            return Err(unkept(operation, type_name, &error));
        }
        self.go_on(cloud);
        Ok(Turn(guard))
    }

    /// Keeps what has changed. It is on the disk after [`Sim::settle`].
    fn save(&self, world: &mut World, operation: Operation, type_name: &TypeName) -> Outcome<()> {
        let World { cloud, store, .. } = world;
        match store {
            Some(store) => store.append(cloud, self.now()).map_err(|error| unkept(operation, type_name, &error)),
            None => {
                cloud.is_kept();
                Ok(())
            }
        }
    }

    /// Before anybody hears of a change, it is on the disk.
    fn settle(&self, operation: Operation, type_name: &TypeName) -> Outcome<()> {
        let flushed = self.world().store.as_mut().map_or(Ok(()), Store::flush);
        flushed.map_err(|error| unkept(operation, type_name, &error))
    }

    /// Registers an instance, or takes that back. What another lineage has registered stays.
    fn note_registration(&self, registration: &Registration, is_there: bool) -> Outcome<()> {
        let about = TypeName::new("account", "registration");
        let key = registered_as(&registration.region, &registration.instance);
        {
            let mut turn = self.turn(Operation::Mark, &about)?;
            let held = turn.cloud.registration(&key).map(|held| held.lineage == registration.lineage);
            match held {
                Some(false) => {
                    let message =
                        format!("the registration {key} is not of this instance's lineage and stays as it is");
                    return Err(refusal(Operation::Mark, &about, ErrorKind::Conflict, "AlreadyExists", message));
                }
                None if !is_there => return Ok(()),
                _ => turn.cloud.register(key, is_there.then(|| registration.clone())),
            }
            self.save(&mut turn, Operation::Mark, &about)?;
        }
        self.settle(Operation::Mark, &about)
    }

    /// A call: its way to the cloud, what happens there, and the way of the answer back.
    async fn call<T>(
        &self,
        operation: Operation,
        address: &Address,
        region: &str,
        happen: impl FnOnce(Option<&Fault>) -> Outcome<T>,
    ) -> Outcome<T> {
        let start = self.now();
        let outcome = match self.arrive(operation, address).await {
            Ok(struck) => {
                let outcome = happen(struck.as_ref());
                self.answer(operation, address, struck, outcome).await
            }
            Err(error) => Err(error),
        };
        self.traced(called(operation, &address.type_name), region, start, outcome)
    }

    /// The way of a call to the cloud. Gives the fault that is to go with its effect.
    async fn arrive(&self, operation: Operation, address: &Address) -> Outcome<Option<Fault>> {
        self.travel().await;
        let struck = self.strike(&mut self.world(), operation, address);
        if struck == Some(Fault::Crash(CrashPoint::BeforeTheEffect)) {
            self.crash().await;
        }
        if struck == Some(Fault::NeverAnswer) {
            std::future::pending::<()>().await;
        }
        match struck.as_ref().and_then(|fault| refused(operation, address, fault)) {
            Some(error) => Err(error),
            None => Ok(struck),
        }
    }

    /// The way of an answer back.
    async fn answer<T>(
        &self,
        operation: Operation,
        address: &Address,
        struck: Option<Fault>,
        outcome: Outcome<T>,
    ) -> Outcome<T> {
        match struck {
            Some(Fault::Crash(_)) => self.crash().await,
            Some(Fault::LoseResponse) => {
                self.travel().await;
                return Err(lost(operation, address));
            }
            _ => {}
        }
        self.travel().await;
        self.settle(operation, &address.type_name)?;
        outcome
    }

    async fn travel(&self) {
        let way = self.options.latency / 2;
        if way >= TICK {
            tokio::time::sleep(way).await;
        } else if !way.is_zero() {
            // Too short to be slept, but all who are on their way arrive before the first is answered.
            tokio::task::yield_now().await;
        }
        if *self.crashed.borrow() {
            std::future::pending::<()>().await;
        }
    }

    async fn crash(&self) {
        self.crashed.send_replace(true);
        std::future::pending::<()>().await;
    }

    /// Counts a call that began at `start`, and gives its outcome.
    fn traced<T>(&self, operation: String, region: &str, start: Duration, outcome: Outcome<T>) -> Outcome<T> {
        let error = outcome.as_ref().err();
        self.options.trace.push(trace::Call {
            operation,
            region: region.to_owned(),
            start: start.saturating_sub(self.opened),
            duration: self.now().saturating_sub(start),
            waited: Duration::ZERO,
            attempts: 1,
            succeeded: error.is_none(),
            code: error.and_then(|error| error.code.clone()),
            status: None,
            request_id: None,
        });
        outcome
    }

    fn strike(&self, world: &mut World, operation: Operation, address: &Address) -> Option<Fault> {
        world.calls.push(Call { operation, address: address.clone(), at: self.now() });
        world.faults.strike(operation, address)
    }
}

impl Sim {
    /// Shows several groups of targets, all in one journey.
    async fn observe_groups(&self, groups: &[&[Target]]) -> Vec<Observations> {
        let start = self.now();
        self.travel().await;
        let mut answers = Vec::new();
        for targets in groups {
            let mut observations = Observations::new();
            for target in *targets {
                let (struck, observation) = match self.news(Operation::Observe, &target.address.type_name) {
                    Ok(mut world) => {
                        let struck = self.strike(&mut world, Operation::Observe, &target.address);
                        let observation = self.observe_now(target, struck.as_ref(), &mut world);
                        (struck, observation)
                    }
                    Err(error) => (None, Observation::Failed(error)),
                };
                observations.insert(target.address.clone(), observation);
                match struck {
                    Some(Fault::Crash(_)) => self.crash().await,
                    Some(Fault::NeverAnswer) => std::future::pending().await,
                    _ => {}
                }
            }
            answers.push(observations);
        }
        self.travel().await;
        let batches: BTreeSet<(&TypeName, &str)> = groups
            .iter()
            .copied()
            .flatten()
            .map(|target| (&target.address.type_name, target.region.as_str()))
            .collect();
        for (type_name, region) in batches {
            let _ = self.traced(called(Operation::Observe, type_name), region, start, Ok(()));
        }
        answers
    }
}

#[async_trait]
impl Provider for Sim {
    async fn account(&self) -> Outcome<Account> {
        let start = self.now();
        self.travel().await;
        self.travel().await;
        let account = Account { id: ACCOUNT.to_owned(), is_simulated: true };
        self.traced("account:Describe".to_owned(), "", start, Ok(account))
    }

    async fn lookup(&self, lookup: &Lookup) -> Outcome<Value> {
        self.call(Operation::Lookup, &lookup.address, &lookup.region, |_| self.lookup_now(lookup)).await
    }

    async fn observe(&self, targets: &[Target]) -> Observations {
        self.observe_groups(&[targets]).await.pop().unwrap_or_default()
    }

    async fn observe_each(&self, instances: &[Vec<Target>]) -> Vec<Observations> {
        let groups: Vec<&[Target]> = instances.iter().map(Vec::as_slice).collect();
        self.observe_groups(&groups).await
    }

    async fn announced(&self, targets: &[Target]) -> Announced {
        self.travel().await;
        let announcements = {
            let world = self.world();
            let objects = targets
                .iter()
                .filter_map(|target| self.object(&world.cloud, target).map(|object| object.announced.clone()));
            objects.flatten().collect()
        };
        self.travel().await;
        Announced { announcements, failures: Vec::new() }
    }

    async fn find(&self, creation: &Creation) -> Outcome<Vec<Identity>> {
        self.call(Operation::Find, &creation.address, &creation.region, |_| self.find_now(creation)).await
    }

    async fn create(&self, creation: &Creation) -> Outcome<Created> {
        let create = |struck: Option<&Fault>| self.create_now(creation, struck);
        self.call(Operation::Create, &creation.address, &creation.region, create).await
    }

    async fn update(&self, update: &Update) -> Outcome<()> {
        let target = &update.target;
        let change = |struck: Option<&Fault>| self.update_now(update, struck);
        self.call(Operation::Update, &target.address, &target.region, change).await
    }

    async fn mark(&self, target: &Target, tags: &Tags) -> Outcome<()> {
        self.call(Operation::Mark, &target.address, &target.region, |_| self.mark_now(target, tags)).await
    }

    async fn census(&self, region: &str, tags: &Tags) -> Outcome<Vec<Belonging>> {
        let start = self.now();
        self.travel().await;
        let found = self.census_now(region, tags);
        self.travel().await;
        self.traced("tag:GetResources".to_owned(), region, start, found)
    }

    async fn registration(&self, region: &str, instance: &str) -> Outcome<Option<Registration>> {
        self.travel().await;
        let found = self
            .news(Operation::Find, &TypeName::new("account", "registration"))
            .map(|world| world.cloud.registration(&registered_as(region, instance)).cloned());
        self.travel().await;
        found
    }

    async fn register(&self, registration: &Registration) -> Outcome<()> {
        self.travel().await;
        self.note_registration(registration, true)
    }

    async fn unregister(&self, registration: &Registration) -> Outcome<()> {
        self.travel().await;
        self.note_registration(registration, false)
    }

    async fn delete(&self, target: &Target) -> Outcome<Deletion> {
        let delete = |struck: Option<&Fault>| self.delete_now(target, struck);
        self.call(Operation::Delete, &target.address, &target.region, delete).await
    }

    async fn reveal(&self, target: &Target, path: &[String]) -> Outcome<SecretText> {
        self.call(Operation::Reveal, &target.address, &target.region, |_| self.reveal_now(target, path)).await
    }

    async fn printed(&self, target: &Target, from: Option<&str>) -> Result<Printed, ProviderError> {
        self.travel().await;
        let from: usize = from.and_then(|from| from.parse().ok()).unwrap_or(0);
        let world = self.world();
        let usual =
            || self.options.prints.iter().find(|(name, _)| target.address.is_named(name)).map(|(_, lines)| lines);
        let lines = world.printed.get(&target.address.to_string()).or_else(usual);
        let lines = lines.map(|lines| lines[from.min(lines.len())..].to_vec()).unwrap_or_default();
        Ok(Printed { next: Some((from + lines.len()).to_string()), lines })
    }

    async fn ask(&self, question: &Question) -> Result<Value, Silence> {
        self.travel().await;
        let answer = self.answer_now(question);
        self.travel().await;
        answer
    }

    fn time_lapse(&self) -> f64 {
        self.options.speed
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let World { cloud, store, .. } = self.world.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = store {
            store.fold(cloud);
        }
    }
}

/// The file of the cloud cannot be read or written.
fn unkept(operation: Operation, type_name: &TypeName, error: &io::Error) -> ProviderError {
    let message = format!("the simulated cloud cannot be read or kept: {error}");
    refusal(operation, type_name, ErrorKind::Unknown, "InternalFailure", message)
}

/// The key of a registration.
fn registered_as(region: &str, instance: &str) -> String {
    format!("{region} {instance}")
}

/// The error of a fault that keeps a call from having its effect.
fn refused(operation: Operation, address: &Address, fault: &Fault) -> Option<ProviderError> {
    let (kind, code, message) = match fault {
        Fault::Throttle => (ErrorKind::Throttled, "Throttling", "rate exceeded"),
        Fault::Refuse { code, kind } => (*kind, code.as_str(), "refused by the simulation"),
        _ => return None,
    };
    Some(refusal(operation, &address.type_name, kind, code, message.to_owned()))
}

fn lost(operation: Operation, address: &Address) -> ProviderError {
    let message = "the connection was closed before an answer arrived".to_owned();
    refusal(operation, &address.type_name, ErrorKind::Network, "ConnectionClosed", message)
}

fn complained(operation: Operation, type_name: &TypeName, complaint: Complaint) -> ProviderError {
    let error = refusal(operation, type_name, ErrorKind::Invalid, complaint.code, complaint.message);
    ProviderError { attribute: Some(complaint.attribute), ..error }
}

/// An error as the cloud would put it.
fn refusal(operation: Operation, type_name: &TypeName, kind: ErrorKind, code: &str, message: String) -> ProviderError {
    ProviderError::new(kind, called(operation, type_name), message).code(code)
}

/// The name of a call: `service:DescribeSomeKind`.
fn called(operation: Operation, type_name: &TypeName) -> String {
    let mut name = format!("{}:{}", type_name.service, operation.words());
    for word in type_name.kind.split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}
