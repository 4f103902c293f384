//! One instance on a simulated cloud, driven through the library as the program drives it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use mastoform::apply::{self, Outcome, Run, Silent, Stop};
use mastoform::config;
use mastoform::diagnostic::{Diagnostics, SourceFile};
use mastoform::expr::Evaluator;
use mastoform::plan::Plan;
use mastoform::plan::resolve::{World, resolve};
use mastoform::provider::Provider;
use mastoform::provider::sim::{Options, Sim};
use mastoform::session::{self, Gathered};
use mastoform::spec::Specs;
use mastoform::state::{Paths, State};
use mastoform::value::Value;
use tokio::sync::watch;

/// The example of this repository.
pub const EXAMPLE: &str = include_str!("../../mastodon.toml");

/// A simulated cloud with a state folder.
pub struct Instance {
    pub sim: Arc<Sim>,
    pub folder: tempfile::TempDir,
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

/// A temporary folder in memory where the system has one: every milestone flushes to the disk.
pub fn fast_folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
}

impl Instance {
    pub fn new() -> Self {
        let specs = Specs::read(&[]).unwrap_or_else(|problems| panic!("{problems}"));
        let options = Options { speed: 10_000.0, latency: std::time::Duration::ZERO, ..Options::default() };
        let sim = Sim::open(Arc::clone(&specs.types), None, options).expect("a cloud");
        Self { sim: Arc::new(sim), folder: fast_folder() }
    }

    pub fn paths(&self) -> Paths {
        Paths::new(PathBuf::from(self.folder.path()), "social")
    }

    pub fn state(&self) -> Option<State> {
        State::read(&self.paths().state()).expect("a state")
    }

    /// Plans `text`, and applies the plan if `apply`.
    pub async fn go(&self, text: &str, apply: bool) -> Result<(Plan, Option<Outcome>), Diagnostics> {
        self.run(text, apply.then_some(16)).await
    }

    /// Plans `text` and applies the plan with so many steps at once.
    pub async fn go_at(&self, text: &str, at_once: usize) -> Result<(Plan, Option<Outcome>), Diagnostics> {
        self.run(text, Some(at_once)).await
    }

    async fn run(&self, text: &str, apply: Option<usize>) -> Result<(Plan, Option<Outcome>), Diagnostics> {
        let mut specs = Specs::read(&[]).expect("valid specs");
        let evaluator = Evaluator::new();
        let source = SourceFile::new("mastodon.toml", text);
        let (config, _) = config::read(&source, &mut specs.blueprint, &evaluator)?;
        let problems = specs.lint();
        if problems.has_errors() {
            return Err(problems);
        }
        let nothing = BTreeMap::new();
        let provider: Arc<dyn Provider> = self.sim.clone();
        let early = World { specs: &specs, config: &config, lookups: &nothing, evaluator: &evaluator };
        let read = session::read_state(&self.paths(), &config.name, &config.region, "lineage").expect("a state");
        let mut gathered =
            session::gather(&provider, Some(&early), read).await.unwrap_or_else(|error| panic!("{error}"));
        let lookups = gathered.lookups.clone();
        let world = World { lookups: &lookups, ..early };
        let graph = resolve(&world, &specs)?;
        let (plan, _) = session::plan(&world, &graph, &gathered)?;
        let outcome = match apply {
            Some(at_once) => Some(self.apply(&specs, &plan, Some((&world, &graph)), &mut gathered, at_once).await),
            None => None,
        };
        Ok((plan, outcome))
    }

    /// The plan that would take everything down.
    pub async fn plan_destroy(&self) -> Plan {
        let specs = Specs::read(&[]).expect("valid specs");
        let provider: Arc<dyn Provider> = self.sim.clone();
        let read = session::read_state(&self.paths(), "social", "eu-central-1", "lineage").expect("a state");
        let gathered = session::gather(&provider, None, read).await.unwrap_or_else(|error| panic!("{error}"));
        session::plan_destroy(&specs, &gathered, "social").unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Takes everything down.
    pub async fn destroy(&self) -> (Plan, Outcome) {
        let specs = Specs::read(&[]).expect("valid specs");
        let provider: Arc<dyn Provider> = self.sim.clone();
        let read = session::read_state(&self.paths(), "social", "eu-central-1", "lineage").expect("a state");
        let mut gathered = session::gather(&provider, None, read).await.unwrap_or_else(|error| panic!("{error}"));
        let plan = session::plan_destroy(&specs, &gathered, "social").unwrap_or_else(|problems| panic!("{problems}"));
        let outcome = self.apply(&specs, &plan, None, &mut gathered, 16).await;
        (plan, outcome)
    }

    async fn apply<'a>(
        &self,
        specs: &Specs,
        plan: &Plan,
        desired: Option<(&'a World<'a>, &'a mastoform::plan::Graph<'a>)>,
        gathered: &mut Gathered,
        at_once: usize,
    ) -> Outcome {
        let journal = session::begin(&self.paths(), gathered).unwrap_or_else(|error| panic!("{error}"));
        let (_keep, stop) = watch::channel(Stop::No);
        let run = Run {
            provider: self.sim.clone(),
            types: &specs.types,
            plan,
            desired,
            state: gathered.state.clone(),
            settings: desired.map_or(Value::Null, |(world, _)| world.config.values.clone()),
            paths: &self.paths(),
            journal,
            progress: &Silent,
            stop,
            at_once,
        };
        apply::run(run).await
    }
}
