//! One instance on a simulated cloud, driven through the library as the program drives it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mastoform::address::{Address, Identity};
use mastoform::apply::{self, Outcome, Progress, Run, Silent, Stop};
use mastoform::config::{self, Config};
use mastoform::diagnostic::{Diagnostics, SourceFile};
use mastoform::expr::Evaluator;
use mastoform::plan::resolve::{World, resolve};
use mastoform::plan::{Plan, owner};
use mastoform::provider::sim::{Options, Person, Sim};
use mastoform::provider::{Attempt, Creation, Provider, read_only};
use mastoform::render::graph::Drawing;
use mastoform::session::{self, Gathered, SessionError};
use mastoform::spec::{OverlayFile, Specs};
use mastoform::state::{Paths, State, Watch};
use mastoform::value::{Tree, Value};
use tokio::sync::watch;

/// The example of this repository.
pub const EXAMPLE: &str = include_str!("../../mastodon.toml");

/// A simulated cloud with a state folder.
pub struct Instance {
    pub sim: Arc<Sim>,
    pub folder: tempfile::TempDir,
    /// Steps that may have a call in flight at once.
    pub at_once: usize,
    /// How long an apply waits for a person.
    pub wait: Duration,
    /// The lineage of a state that is made here.
    pub lineage: &'static str,
    /// It was chosen for the run.
    pub lineage_is_new: bool,
    /// Who is told how an apply goes.
    pub progress: Arc<dyn Progress + Send + Sync>,
}

/// A `mastodon.toml` that was read and understood, with the specs it was read against.
pub struct Script {
    pub specs: Specs,
    pub config: Config,
    pub evaluator: Evaluator,
}

impl Script {
    /// With specs of one's own over the built-in ones.
    pub fn read(overlay: &[OverlayFile], text: &str) -> Result<Self, Diagnostics> {
        let mut specs = Specs::read(overlay)?;
        let evaluator = Evaluator::new();
        let source = SourceFile::new("mastodon.toml", text);
        let (config, _) = config::read(&source, &mut specs.blueprint, &evaluator)?;
        let problems = specs.lint();
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self { specs, config, evaluator })
    }
}

/// The example with some of its lines replaced.
pub fn example(changes: &[(&str, &str)]) -> String {
    let mut text = EXAMPLE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from:?}");
        text = text.replace(from, to);
    }
    text
}

/// How long an apply of the tests waits for a person, in the cloud's time.
const PERSON: Duration = Duration::from_secs(3600);

/// A temporary folder in memory where the system has one: every milestone flushes to the disk.
pub fn fast_folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
}

impl Instance {
    /// In a world so fast that nobody waits.
    pub fn new() -> Self {
        Self::at(10_000.0, Duration::ZERO)
    }

    /// In a world where everything takes as long as at AWS: for tests that pause tokio's clock.
    pub fn on_virtual_time() -> Self {
        Self::at(1.0, Duration::from_millis(20))
    }

    /// The same, where the person does what is asked in this time.
    pub fn with_a_person(person: Person) -> Self {
        Self::made_of(Options { speed: 1.0, latency: Duration::from_millis(20), person, ..Options::default() })
    }

    fn at(speed: f64, latency: Duration) -> Self {
        Self::made_of(Options { speed, latency, ..Options::default() })
    }

    fn made_of(options: Options) -> Self {
        let specs = Specs::read(&[]).unwrap_or_else(|problems| panic!("{problems}"));
        let options = Options { laws: specs.blueprint.laws.clone(), ..options };
        Self::with(Sim::open(Arc::clone(&specs.types), None, options).expect("a cloud"))
    }

    /// With a cloud that is there already.
    pub fn with(sim: Sim) -> Self {
        let progress = Arc::new(Silent);
        Self {
            sim: Arc::new(sim),
            folder: fast_folder(),
            at_once: 16,
            wait: PERSON,
            lineage: "lineage",
            lineage_is_new: false,
            progress,
        }
    }

    /// Another instance in the same cloud, with a state of its own.
    pub fn beside(&self, lineage: &'static str) -> Self {
        Self { sim: Arc::clone(&self.sim), folder: fast_folder(), lineage, progress: Arc::new(Silent), ..*self }
    }

    /// The same state in a copy of the cloud: whatever happens there, nothing happens here.
    pub fn copy(&self) -> Self {
        let (sim, progress) = (Arc::new(self.sim.copy()), Arc::new(Silent));
        let copy = Self { sim, folder: fast_folder(), progress, ..*self };
        for entry in fs_err::read_dir(self.folder.path()).expect("a folder") {
            let entry = entry.expect("an entry");
            fs_err::copy(entry.path(), copy.folder.path().join(entry.file_name())).expect("copied");
        }
        copy
    }

    /// Learns everything, as a plan does; with `takes_over`, an instance that lives without a state is taken over.
    pub async fn gather(&self, text: &str, takes_over: bool) -> Result<Gathered, SessionError> {
        let Script { specs, config, evaluator } = &Script::read(&[], text).expect("a valid file");
        let nothing = BTreeMap::new();
        let world = World { specs, config, lookups: &nothing, previous: &Value::Null, evaluator };
        let read = session::read_state_for_plan(&self.paths(), config, self.lineage, takes_over)?;
        let provider: Arc<dyn Provider> = self.sim.clone();
        session::gather(&read_only(&provider), &specs.types, Some(&world), read).await
    }

    /// Takes over the instance that lives without a state, and applies what differs.
    pub async fn take_over(&self, text: &str) -> (Plan, Outcome) {
        let Script { specs, config, evaluator } = &Script::read(&[], text).expect("a valid file");
        let mut gathered = self.gather(text, true).await.unwrap_or_else(|error| panic!("{error}"));
        let lookups = gathered.lookups.clone();
        let world = World { specs, config, lookups: &lookups, previous: &Value::Null, evaluator };
        let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
        let (plan, _) = session::plan(&world, &graph, &gathered).unwrap_or_else(|problems| panic!("{problems}"));
        let desired = Some((&world, &graph));
        let outcome = self.apply(self.sim.clone(), specs, &plan, desired, &mut gathered, None).await;
        (plan, outcome)
    }

    pub fn paths(&self) -> Paths {
        Paths::new(PathBuf::from(self.folder.path()), "social")
    }

    pub fn state(&self) -> Option<State> {
        State::read(&self.paths().state()).expect("a state")
    }

    /// Plans `text`, and applies the plan if `apply` and nothing forbids it.
    pub async fn go(&self, text: &str, apply: bool) -> Result<(Plan, Option<Outcome>), Diagnostics> {
        self.go_with(self.sim.clone(), text, apply, None).await
    }

    /// The same by way of another provider, with every write watched.
    pub async fn go_with(
        &self,
        provider: Arc<dyn Provider>,
        text: &str,
        apply: bool,
        watch: Option<Watch>,
    ) -> Result<(Plan, Option<Outcome>), Diagnostics> {
        self.go_by(provider, &Script::read(&[], text)?, apply, watch).await.map(|(plan, outcome, _)| (plan, outcome))
    }

    /// The same with a file that was read before; and with the graph, coloured by the plan.
    pub async fn go_by(
        &self,
        provider: Arc<dyn Provider>,
        script: &Script,
        apply: bool,
        watch: Option<Watch>,
    ) -> Result<(Plan, Option<Outcome>, Drawing), Diagnostics> {
        let Script { specs, config, evaluator } = script;
        let nothing = BTreeMap::new();
        let early = World { specs, config, lookups: &nothing, previous: &Value::Null, evaluator };
        let read = session::read_state(&self.paths(), &config.name, &config.region, self.lineage).expect("a state");
        let mut gathered = session::gather(&read_only(&provider), &specs.types, Some(&early), read)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let lookups = gathered.lookups.clone();
        let previous = gathered.state.settings.clone();
        let world = World { lookups: &lookups, previous: &previous, ..early };
        let graph = resolve(&world)?;
        let (plan, _) = session::plan(&world, &graph, &gathered)?;
        let drawing = Drawing::new(&graph, Some(&plan), false);
        if !apply || !plan.refusals.is_empty() {
            return Ok((plan, None, drawing));
        }
        let desired = Some((&world, &graph));
        let outcome = self.apply(provider, specs, &plan, desired, &mut gathered, watch).await;
        Ok((plan, Some(outcome), drawing))
    }

    /// The plan that would take everything down.
    pub async fn plan_destroy(&self) -> Plan {
        let specs = Specs::read(&[]).expect("valid specs");
        let provider: Arc<dyn Provider> = self.sim.clone();
        let read = session::read_state(&self.paths(), "social", "eu-central-1", self.lineage).expect("a state");
        let gathered = session::gather(&read_only(&provider), &specs.types, None, read)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        session::plan_destroy(&specs, &gathered, "social", None).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Takes everything down.
    pub async fn destroy(&self) -> (Plan, Outcome) {
        let specs = Specs::read(&[]).expect("valid specs");
        self.destroy_by(self.sim.clone(), &specs, None).await
    }

    /// The same by way of another provider, with every write watched.
    pub async fn destroy_by(
        &self,
        provider: Arc<dyn Provider>,
        specs: &Specs,
        watch: Option<Watch>,
    ) -> (Plan, Outcome) {
        let read = session::read_state(&self.paths(), "social", "eu-central-1", self.lineage).expect("a state");
        let mut gathered = session::gather(&read_only(&provider), &specs.types, None, read)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let plan =
            session::plan_destroy(specs, &gathered, "social", None).unwrap_or_else(|problems| panic!("{problems}"));
        let outcome = self.apply(provider, specs, &plan, None, &mut gathered, watch).await;
        (plan, outcome)
    }

    async fn apply<'a>(
        &self,
        provider: Arc<dyn Provider>,
        specs: &Specs,
        plan: &Plan,
        desired: Option<(&'a World<'a>, &'a mastoform::plan::Graph)>,
        gathered: &mut Gathered,
        watch: Option<Watch>,
    ) -> Outcome {
        let ledger = session::begin(&self.paths(), gathered, watch).unwrap_or_else(|error| panic!("{error}"));
        let (_keep, stop) = watch::channel(Stop::No);
        let run = Run {
            provider,
            types: &specs.types,
            plan,
            desired,
            state: gathered.state.clone(),
            lineage_is_new: self.lineage_is_new,
            settings: desired.map_or(Value::Null, |(world, _)| world.settings()),
            ledger,
            progress: &*self.progress,
            stop,
            at_once: self.at_once,
            wait: self.wait,
        };
        apply::run(run).await
    }
}

/// Puts a second object of an address into the cloud, as an interrupted replacement leaves one, under another name.
pub async fn leave_over(sim: &Sim, state: &State, address: &str, name: Option<(&str, &str)>) -> Identity {
    let address: Address = address.parse().expect("an address");
    let mut attributes = state.rows[&address].inputs.lift();
    // A state has no secrets.
    let resource_type = Arc::clone(&Specs::read(&[]).expect("valid specs").types[&address.type_name]);
    let secrets = resource_type.attributes.iter().filter(|(_, attribute)| attribute.sensitive && !attribute.computed);
    let secrets = secrets.map(|(attribute, _)| (attribute.as_str(), "a-secret-of-the-tests"));
    for (attribute, text) in secrets.chain(name) {
        attributes.set(&[attribute], Tree::Text(text.to_owned()));
    }
    let (tags, region) = (owner(state).tags(&address), state.region.clone());
    let token = "0123456789abcdef0123456789abcdef".to_owned();
    let attempt = Attempt { is_first: true, ..Attempt::default() };
    let creation = Creation { address, region, attributes, tags, token, attempt };
    sim.create(&creation).await.unwrap_or_else(|error| panic!("{error}")).identity
}
