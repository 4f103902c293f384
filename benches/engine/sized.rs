//! Instances of any size: the example, and beside it as many resources as it takes.
//!
//! Half of those stand for the entries of one table (`each`), half are written one by one and read one another.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use mastoform::address::{Address, Identity};
use mastoform::config::{self, Config};
use mastoform::diagnostic::SourceFile;
use mastoform::expr::Evaluator;
use mastoform::plan::diff::secret_marker;
use mastoform::plan::resolve::{World, resolve};
use mastoform::plan::{Graph, Plan};
use mastoform::provider::sim::{Options, Sim};
use mastoform::provider::{Provider, read_only};
use mastoform::refresh;
use mastoform::session::{self, Gathered};
use mastoform::spec::{OverlayFile, Specs};
use mastoform::state::{Row, State, Status};
use mastoform::value::{Planned, Tree, Value};

/// The example of this repository.
const EXAMPLE: &str = include_str!("../../mastodon.toml");

/// More than the longest chain of resources.
const ROUNDS: usize = 20;

/// An instance of a chosen size.
pub struct Sized {
    pub specs: Specs,
    config: Config,
    evaluator: Evaluator,
    lookups: BTreeMap<Address, Value>,
}

impl Sized {
    /// An instance with at least so many resources: the example has some by itself.
    pub fn new(resources: usize) -> Self {
        let small = Self::with("");
        let more = resources.saturating_sub(small.graph().nodes.len());
        if more == 0 { small } else { Self::with(&overlay(more)) }
    }

    fn with(overlay: &str) -> Self {
        let overlay = OverlayFile { name: "sized.toml".to_owned(), types_of: None, text: overlay.to_owned() };
        let mut specs = Specs::read(&[overlay]).expect("valid specs");
        let evaluator = Evaluator::new();
        let source = SourceFile::new("mastodon.toml", EXAMPLE);
        let (config, _) = config::read(&source, &mut specs.blueprint, &evaluator).expect("a valid file");
        assert!(!specs.lint().has_errors(), "sound specs");
        let mut instance = Self { specs, config, evaluator, lookups: BTreeMap::new() };
        instance.lookups = instance.look_up();
        instance
    }

    /// What the simulated cloud answers to lookups.
    fn look_up(&self) -> BTreeMap<Address, Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let options = Options { latency: Duration::ZERO, ..Options::default() };
            let sim = Sim::open(Arc::clone(&self.specs.types), None, options).expect("a cloud");
            let provider: Arc<dyn Provider> = Arc::new(sim);
            refresh::look_up(&read_only(&provider), &self.world(), &BTreeMap::new()).await.expect("answers")
        })
    }

    fn world(&self) -> World<'_> {
        World {
            specs: &self.specs,
            config: &self.config,
            lookups: &self.lookups,
            previous: &Value::Null,
            evaluator: &self.evaluator,
        }
    }

    pub fn graph(&self) -> Graph {
        resolve(&self.world()).expect("resolves")
    }

    /// The plan from a state, without a cloud.
    pub fn plan(&self, graph: &Graph, gathered: &Gathered) -> Plan {
        session::plan(&self.world(), graph, gathered).unwrap_or_else(|problems| panic!("{problems}")).0
    }

    /// What is known before the first apply.
    pub fn nothing(&self) -> Gathered {
        gathered(State::new("lineage", self.config.name.as_str(), self.config.region.as_str()))
    }

    /// What is known once everything is made.
    pub fn complete(&self) -> Gathered {
        let graph = self.graph();
        let mut known = self.nothing();
        known.state.settings = self.config.values.clone();
        // Each round knows the facts of one resource more along every chain.
        for _ in 0..ROUNDS {
            let plan = self.plan(&graph, &known);
            if plan.is_empty() {
                return known;
            }
            for change in plan.changes {
                let desired = &graph.nodes[&change.address];
                let computed = desired.resource_type.attributes.iter().filter(|(_, attribute)| attribute.computed);
                let facts = computed
                    .filter(|(_, attribute)| !attribute.sensitive && !attribute.volatile)
                    .map(|(name, _)| (name.clone(), Tree::Text(format!("{name} of {}", change.address))))
                    .collect();
                let row = Row {
                    status: Status::Ready,
                    identity: Some(Identity::new(change.address.to_string())),
                    replaced: Vec::new(),
                    region: change.region.clone(),
                    protect: change.protect,
                    problem: None,
                    inputs: change.desired.as_deref().map(recorded).unwrap_or_default(),
                    facts: Tree::Map(facts),
                    depends_on: change.depends_on.keys().cloned().collect(),
                };
                known.state.rows.insert(change.address, row);
            }
        }
        let left: Vec<String> =
            self.plan(&graph, &known).changes.iter().map(|change| change.address.to_string()).collect();
        panic!("there is still something to do: {left:?}");
    }
}

/// The same with another value recorded in everything beside the example, so that a plan changes it back.
pub fn edited(complete: &Gathered) -> Gathered {
    let mut state = complete.state.clone();
    for (address, row) in &mut state.rows {
        if address.name.starts_with("sized") {
            row.inputs.set(&["description"], Tree::Text("as somebody had it".to_owned()));
        }
    }
    gathered(state)
}

fn gathered(state: State) -> Gathered {
    Gathered { lookups: BTreeMap::new(), ..Gathered::offline(state) }
}

/// What a state keeps of attributes that were sent.
fn recorded(planned: &Planned) -> Value {
    let kept = planned.try_map(&mut |missing| {
        let value = if missing.sensitive { secret_marker(&missing.template) } else { Tree::Null };
        Ok::<_, std::convert::Infallible>(value)
    });
    match kept {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

fn overlay(resources: usize) -> String {
    let mut text = String::from(
        "[ssm.parameter.sized]\nname = \"/${config.name}/sized/${each.key}\"\nvalue = \"${each.value} of ${config.domain}\"\n\
         description = \"one of many\"\n[ssm.parameter.sized.each]\n",
    );
    let (entries, single) = (resources - resources / 2, resources / 2);
    for number in 0..entries {
        let _ = writeln!(text, "entry_{number:06} = \"number {number}\"");
    }
    for number in 0..single {
        let _ = writeln!(text, "[ssm.parameter.sized_{number:06}]\nname = \"/${{config.name}}/single/{number}\"");
        let _ = writeln!(text, "description = \"one by itself\"");
        // Some hang on one another, in trees of moderate depth.
        let value = match number.checked_sub(1).filter(|_| number % 4 != 0) {
            Some(before) => format!("after ${{ssm.parameter.sized_{before:06}.arn}}"),
            None => "the first".to_owned(),
        };
        let _ = writeln!(text, "value = \"{value}\"");
    }
    text
}
