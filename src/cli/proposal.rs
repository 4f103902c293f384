//! Plans in files, and what a proposal is drawn and written as.

use std::path::Path;
use std::sync::Arc;

use super::Ui;
use super::error::{CommandError, Exit};
use super::files::Written;
use crate::file::{self, Kind};
use crate::inert::shell_path;
pub use crate::ops::Proposal;
use crate::ops::{Cloud, Settings, Source};
use crate::plan::saved::{Saved, SavedError};
use crate::provider::Reader;
use crate::render::graph::Drawing;

impl Proposal {
    /// Plans with nothing remembered: the file, the specs and the state are read again, the cloud is asked again.
    pub async fn again(options: &Settings, reader: &Arc<dyn Reader>, takes_over: bool) -> Result<Self, CommandError> {
        Ok(Self::make(Written(options).read()?, reader, takes_over).await?)
    }

    /// The graph, coloured by the plan.
    pub fn drawing(&self, all: bool) -> Drawing {
        Drawing::new(&self.graph, Some(&self.plan), all)
    }

    /// As it is written to a file.
    pub fn saved(&self, options: &Settings) -> Saved {
        Saved {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            cloud: options.cloud.word().to_owned(),
            basis: self.basis.clone(),
            plan: self.plan.clone(),
        }
    }
}

/// A file with a plan.
const PLAN: Kind = Kind { name: "a saved plan", option: "--out", telling: file::RECORDS, is_ours: is_plan };

fn is_plan(bytes: &[u8]) -> bool {
    match Saved::parse("", bytes) {
        Ok(_) | Err(SavedError::Newer { .. } | SavedError::Edited { .. }) => true,
        Err(SavedError::NotPlan { .. }) => false,
    }
}

/// Writes a plan to a file. Nothing but an older plan is written over.
///
/// # Errors
///
/// If the file cannot be written, or is something else than a plan.
pub fn write(ui: &Ui, options: &Settings, path: &Path, saved: &Saved) -> Result<(), CommandError> {
    let name = shell_path(path);
    file::write_own(path, &PLAN, saved.text().as_bytes())?;
    let sandbox = if options.cloud == Cloud::Aws { "" } else { " --sandbox" };
    ui.say(&format!(
        "\nSaved. `mastoform{sandbox} apply {name}` does exactly this, as long as nothing has changed until then."
    ));
    Ok(())
}

/// Reads a plan from a file.
///
/// # Errors
///
/// If it is not one, or is not as it was written.
pub fn read(path: &Path) -> Result<Saved, CommandError> {
    let name = path.display().to_string();
    Saved::parse(&name, &file::read(path, file::RECORDS)?).map_err(|error| CommandError::caused(Exit::Failure, error))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;
    use std::io::{self, BufReader, Read};
    use std::time::Duration;

    use super::*;
    use tokio::sync::watch;

    use crate::apply::{Progress, Silent, Stop};
    use crate::cli::apply;
    use crate::cli::files::tests::{fast_sandbox, options};
    use crate::cli::ui::captured::{ui, ui_reading};
    use crate::cli::{ApplyArguments, DestroyArguments, PlanArguments, ShowArguments, cloud, destroy, plan, show};
    use crate::ops::{Audience, Cloud, Credits, Deed, Offer, Operation, Pace, Project};
    use crate::plan::change::Action;
    use crate::plan::order::Steps;
    use crate::plan::resolve::resolve;
    use crate::plan::saved::Basis;
    use crate::plan::stale::{self, Staleness};
    use crate::provider::sim::{Options, Sim};
    use crate::provider::{Observation, Provider, read_only};
    use crate::session;
    use crate::state::State;
    use crate::value::Value;

    const EXAMPLE: &str = include_str!("../../mastodon.toml");
    const CANARY: &str = "canary-that-must-not-sing";

    struct Nobody;

    impl Audience for Nobody {
        fn watch<'a>(&'a self, _: &'a Steps, _: f64) -> Box<dyn Progress + 'a> {
            Box::new(Silent)
        }
    }

    /// An instance in a folder, on a simulated cloud that the test can reach.
    pub struct Bench {
        _folder: tempfile::TempDir,
        pub options: Settings,
        pub sim: Arc<Sim>,
        pub provider: Arc<dyn Provider>,
    }

    impl Bench {
        pub fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let options = options(folder.path());
            fs_err::write(&options.file, EXAMPLE).expect("written");
            let (project, _) = Project::read(&options).unwrap_or_else(|error| panic!("{error}"));
            let life = Options { speed: 10_000.0, latency: Duration::ZERO, ..Options::default() };
            let sim = Arc::new(Sim::open(Arc::clone(&project.specs.types), None, life).expect("a cloud"));
            let provider: Arc<dyn Provider> = sim.clone();
            Self { _folder: folder, options, sim, provider }
        }

        pub fn edit(&self, from: &str, to: &str) {
            let text = fs_err::read_to_string(&self.options.file).expect("a file");
            assert!(text.contains(from), "{from}");
            fs_err::write(&self.options.file, text.replacen(from, to, 1)).expect("written");
        }

        pub async fn propose(&self) -> Proposal {
            Proposal::again(&self.options, &read_only(&self.provider), false)
                .await
                .unwrap_or_else(|error| panic!("{error}"))
        }

        pub async fn apply(&self) {
            let (operation, offer) = self.offered().await;
            self.carry_out(operation, offer).await;
        }

        /// An apply that has begun, with its plan.
        async fn offered(&self) -> (Operation<Written<'_>>, Offer) {
            let project = Written(&self.options).read().unwrap_or_else(|error| panic!("{error}"));
            let deed = Deed::Apply { adopts_own: false };
            let begun = Operation::begin(deed, &project.paths, &project.specs, Written(&self.options));
            let operation = begun.unwrap_or_else(|error| panic!("{error}")).expect("it can be applied");
            let offer = operation.offer(Some(project), &read_only(&self.provider)).await;
            (operation, offer.unwrap_or_else(|error| panic!("{error}")).expect("a plan"))
        }

        async fn carry_out(&self, operation: Operation<Written<'_>>, offer: Offer) {
            let pace = Pace { stop: watch::channel(Stop::No).1, at_once: cloud::AT_ONCE, wait: apply::WAIT };
            let ran = operation.carry_out(offer, &self.provider, &Nobody, pace, Credits::default()).await;
            let outcome = ran.unwrap_or_else(|error| panic!("{error}")).outcome;
            assert!(outcome.report().failed.is_empty(), "{:?}", outcome.report().failed);
        }

        /// What is said when a plan of before is to be applied now.
        async fn complaint(&self, then: &Proposal) -> String {
            let now = self.propose().await;
            let complaint = now.must_confirm(then.parts(), Some(&then.project.config.source.text));
            complaint.map_or_else(
                |error| {
                    let error = CommandError::from(error);
                    assert_eq!(error.exit(), Exit::Stale);
                    error.to_string()
                },
                |()| String::new(),
            )
        }
    }

    /// Expressions are evaluated in passes: one makes the graph, one the plan, and each step of an apply takes one.
    #[tokio::test]
    async fn a_graph_is_made_once_from_the_plan_to_its_end() {
        let bench = Bench::new();
        bench.apply().await;
        bench.edit("max_capacity = 1", "max_capacity = 4");
        let Proposal { project, gathered, .. } = bench.propose().await;
        let evaluator = Arc::clone(&project.evaluator);
        let begun = evaluator.passes();
        let world = project.world(&gathered.lookups, &gathered.state.settings);
        let graph = resolve(&world).expect("a graph");
        assert_eq!(evaluator.passes(), begun + 1);
        session::plan(&world, &graph, &gathered).expect("a plan");
        let needed = evaluator.passes() - begun;
        Proposal::of(project, gathered).unwrap_or_else(|error| panic!("{error}")).drawing(true);
        assert_eq!(evaluator.passes(), begun + 2 * needed, "a proposal is a graph and a plan of it, also when drawn");

        let (operation, first) = bench.offered().await;
        let offer = operation.again(&first, &read_only(&bench.provider)).await;
        let offer = offer.unwrap_or_else(|error| panic!("{error}")).expect("a plan");
        let [first, again] =
            [&first, &offer].map(|offer| Arc::clone(&offer.project.as_ref().expect("a file").evaluator));
        assert_eq!(first.passes(), again.passes(), "the second look is one look");
        let (begun, steps) = (again.passes(), offer.plan.changes.len() as u64);
        bench.carry_out(operation, offer).await;
        assert_eq!(again.passes(), begun + steps + 1, "each step completes its attributes, then the outputs are told");
        assert_eq!(first.passes(), begun, "what was looked at first is not gone back to");
    }

    #[tokio::test]
    async fn a_plan_holds_until_something_it_was_made_from_changes() {
        let bench = Bench::new();
        bench.apply().await;
        bench.edit("max_capacity = 1", "max_capacity = 4");
        let then = bench.propose().await;
        assert_eq!(then.plan.changes.len(), 1);
        assert_eq!(bench.complaint(&then).await, "");

        // Somebody else does the same thing differently at the console.
        let database = "rds.cluster.database";
        assert!(bench.sim.change_behind_our_back(database, &["serverless_v2", "max"], Value::Number(2.0)));
        let said = bench.complaint(&then).await;
        assert!(said.contains("\n  - rds.cluster.database: serverless_v2.max was 1 and is 2.0 now\n"), "{said}");
        assert_eq!(said.matches("\n  - ").count(), 1, "{said}");
        bench.sim.change_behind_our_back(database, &["serverless_v2", "max"], Value::Integer(1));
        assert_eq!(bench.complaint(&then).await, "");

        // What the plan never touched, but would now.
        let target = "elb.target_group.web";
        assert!(bench.sim.change_behind_our_back(target, &["health_check", "interval"], Value::Integer(10)));
        let said = bench.complaint(&then).await;
        assert!(said.contains("elb.target_group.web: health_check.interval was 15 and is 10 now"), "{said}");
        bench.sim.change_behind_our_back(target, &["health_check", "interval"], Value::Integer(15));

        assert!(bench.sim.remove_behind_our_back("elb.listener_rule.streaming"));
        let said = bench.complaint(&then).await;
        assert!(said.contains("elb.listener_rule.streaming is gone"), "{said}");
    }

    #[tokio::test]
    async fn what_nobody_set_may_change_without_a_word() {
        let bench = Bench::new();
        bench.apply().await;
        bench.edit("max_capacity = 1", "max_capacity = 4");
        let then = bench.propose().await;
        let elsewhere = "elsewhere.example".into();
        assert!(bench.sim.change_behind_our_back("rds.cluster.database", &["reader_endpoint"], elsewhere));
        assert_eq!(bench.complaint(&then).await, "");
    }

    /// Every leaf of a value with its path of keys; lists count as leaves.
    fn leaves(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        match value {
            Value::Map(entries) if !entries.is_empty() => {
                for (key, entry) in entries {
                    path.push(key.clone());
                    leaves(entry, path, found);
                    path.pop();
                }
            }
            _ => found.push(path.clone()),
        }
    }

    /// One after the other, every attribute that is ours is changed behind our back, once for each type.
    #[tokio::test]
    async fn whatever_is_ours_makes_a_plan_stale_and_is_named() {
        let bench = Bench::new();
        bench.apply().await;
        bench.edit("max_capacity = 1", "max_capacity = 4");
        let then = bench.propose().await;
        let Proposal { project, mut gathered, graph, .. } = bench.propose().await;
        let (lookups, previous) = (gathered.lookups.clone(), gathered.state.settings.clone());
        let world = project.world(&lookups, &previous);
        let types = &project.specs.types;
        let (mut tried, mut silent) = (BTreeSet::new(), Vec::new());
        for (address, seen) in &then.basis.observed {
            let mut paths = Vec::new();
            leaves(seen.as_ref().expect("it is there"), &mut Vec::new(), &mut paths);
            let mut all = gathered.observations.clone().expect("asked");
            let Some(Observation::Found(before)) = all.remove(address) else { panic!("{address} is not there") };
            paths.retain(|path| tried.insert((address.type_name.clone(), path.clone())));
            for path in paths {
                let mut other = before.clone();
                other.attributes.set(&path, "another".into());
                let observations = gathered.observations.as_mut().expect("asked");
                observations.insert(address.clone(), Observation::Found(other));
                let (plan, _) = session::plan(&world, &graph, &gathered).expect("a plan");
                let observations = gathered.observations.as_ref();
                let desired = Some((&project.config, &graph));
                let basis = Basis::of(&project.specs, desired, &gathered.state, &gathered.lookups, observations);
                let now = stale::Proposal { plan: &plan, basis: &basis };
                let found = stale::stale(then.parts(), now, &gathered.state, None, types);
                match found.as_slice() {
                    [Staleness::Attribute { address: named, path: at, .. }] => {
                        assert_eq!(named, address);
                        assert!(path.starts_with(at) || at.starts_with(&path), "{address}: {path:?} is told as {at:?}");
                    }
                    [] => silent.push((address.clone(), path)),
                    more => panic!("{address}: {path:?}: {more:?}"),
                }
            }
            let observations = gathered.observations.as_mut().expect("asked");
            observations.insert(address.clone(), Observation::Found(before));
        }
        assert!(tried.len() > 100, "{}", tried.len());
        // What may change without a word: facts that no other resource of this instance reads, parts that nobody set, and
        // what the specs ignore.
        let loud: Vec<_> = silent
            .iter()
            .filter(|(address, path)| {
                let is_fact = types[&address.type_name].is_computed(path);
                let ignored = graph.nodes.get(address).is_some_and(|node| node.resource.ignore.contains(&path[0]));
                let is_set = gathered.state.rows[address].inputs.at(path).is_some();
                is_set && !is_fact && !ignored
            })
            .collect();
        assert!(loud.is_empty(), "{} tried, these change nothing: {loud:?}", tried.len());
    }

    #[tokio::test]
    async fn a_changed_file_is_named_with_its_line() {
        let bench = Bench::new();
        bench.apply().await;
        bench.edit("max_capacity = 1", "max_capacity = 4");
        let then = bench.propose().await;
        bench.edit("max_capacity = 4", "max_capacity = 6");
        let said = bench.complaint(&then).await;
        assert!(said.contains("\n  - database.max_capacity was 4 and is 6 now ("), "{said}");
        bench.edit("max_capacity = 6", "max_capacity = 4 # enough");
        let said = bench.complaint(&then).await;
        let line = EXAMPLE.lines().position(|line| line.starts_with("max_capacity")).expect("a line") + 1;
        assert!(said.contains(&format!("mastodon.toml:{line} is not what it was")), "{said}");
    }

    #[tokio::test]
    async fn a_newer_state_and_newer_specs_are_named() {
        let bench = Bench::new();
        bench.apply().await;
        bench.edit("max_capacity = 1", "max_capacity = 4");
        let then = bench.propose().await;
        bench.apply().await;
        let said = bench.complaint(&then).await;
        assert!(said.contains("a plan made from the same state was applied; that made it state 2"), "{said}");

        let mut then = bench.propose().await;
        then.plan.made_from.specs.clear();
        then.basis.specs.insert("specs/mastodon/database.toml".to_owned(), "another".to_owned());
        let said = bench.complaint(&then).await;
        assert!(said.contains("\n  - specs/mastodon/database.toml is not what it was"), "{said}");
    }

    /// Even if a cloud showed its secrets, a plan would not keep them.
    #[tokio::test]
    async fn no_secret_is_kept_in_a_plan_full_of_changes() {
        let bench = Bench::new();
        let first = bench.propose().await;
        bench.apply().await;
        bench.edit("run_mode = \"production\"", "run_mode = \"maintenance\"");
        bench.edit("max_capacity = 1", "max_capacity = 4\n[redis]\nengine = \"redis\"");
        bench.sim.change_behind_our_back("elb.target_group.web", &["port"], Value::Integer(1));
        bench.sim.remove_behind_our_back("logs.log_group.mastodon");
        let Proposal { project, mut gathered, .. } = bench.propose().await;
        let types = Arc::clone(&project.specs.types);
        let mut planted = 0;
        for (address, observation) in gathered.observations.iter_mut().flatten() {
            let Observation::Found(observed) = observation else { continue };
            for (name, attribute) in &types[&address.type_name].attributes {
                if attribute.sensitive || attribute.write_only {
                    observed.attributes.set(&[name], Value::Text(CANARY.to_owned()));
                    planted += 1;
                }
            }
        }
        assert!(planted > 10, "{planted}");
        let proposal = Proposal::of(project, gathered).unwrap_or_else(|error| panic!("{error}"));
        let kinds = |wanted: fn(&Action) -> bool| proposal.plan.changes.iter().any(|change| wanted(&change.action));
        assert!(kinds(|action| matches!(action, Action::Create)));
        assert!(kinds(|action| matches!(action, Action::Update { .. })));
        assert!(kinds(|action| matches!(action, Action::Replace { .. })));
        assert!(kinds(|action| matches!(action, Action::Delete)));
        for proposal in [first, proposal] {
            let text = proposal.saved(&bench.options).text();
            assert!(text.contains("\"sensitive\": true"), "secrets are referred to");
            assert!(!text.contains(CANARY) && !text.contains(crate::provider::sim::SECRET_MARK), "{text}");
            assert_eq!(Saved::parse("x", text.as_bytes()).expect("a plan").plan, proposal.plan);
        }
    }

    /// Someone who does something while the question waits, and then answers it.
    struct Meanwhile<F>(Option<F>, io::Cursor<&'static [u8]>);

    impl<F: FnOnce()> Read for Meanwhile<F> {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            if let Some(act) = self.0.take() {
                act();
            }
            self.1.read(bytes)
        }
    }

    /// Input that does something before it answers.
    pub fn meanwhile(answer: &'static str, act: impl FnOnce() + Send + 'static) -> impl io::BufRead + Send {
        BufReader::new(Meanwhile(Some(act), io::Cursor::new(answer.as_bytes())))
    }

    fn sandbox(folder: &tempfile::TempDir) -> Settings {
        let options = Settings { cloud: fast_sandbox(), ..options(folder.path()) };
        fs_err::write(&options.file, EXAMPLE).expect("written");
        options
    }

    #[test]
    fn what_changes_while_the_question_waits_stops_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = sandbox(&folder);
        let file = options.file.clone();
        let edited =
            move || fs_err::write(&file, EXAMPLE.replace("max_capacity = 1", "max_capacity = 2")).expect("written");
        let ask = ApplyArguments::default();
        let (ui, ..) = ui_reading(true, meanwhile("yes\n", edited));
        let error = apply::run(&ui, &options, &ask).expect_err("stale");
        assert_eq!(error.exit(), Exit::Stale);
        assert!(error.to_string().contains("database.max_capacity was 1 and is 2 now"), "{error}");
        let state = folder.path().join("state/sandbox/social.json");
        assert!(!state.exists(), "nothing was done");

        let (ui, ..) = ui_reading(true, meanwhile("yes\n", || {}));
        let exit = apply::run(&ui, &options, &ask).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(exit, Exit::Done);
        assert!(state.exists());

        let file = options.file.clone();
        fs_err::write(&file, EXAMPLE).expect("written");
        let broken = move || fs_err::write(&file, "name = ").expect("written");
        let (ui, ..) = ui_reading(true, meanwhile("yes\n", broken));
        assert_eq!(apply::run(&ui, &options, &ask).expect_err("stale").exit(), Exit::Stale);

        // Somebody takes another state out of git while a destroy waits.
        fs_err::write(&options.file, EXAMPLE.replace("max_capacity = 1", "max_capacity = 3")).expect("written");
        let older = fs_err::read(&state).expect("a state");
        let go = ApplyArguments { yes: true, ..ApplyArguments::default() };
        assert_eq!(apply::run(&ui, &options, &go).unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let path = state.clone();
        let (ui, ..) = ui_reading(true, meanwhile("social\n", move || fs_err::write(&path, older).expect("written")));
        let error = destroy::run(&ui, &options, &DestroyArguments::default()).expect_err("stale");
        assert_eq!(error.exit(), Exit::Stale);
        assert!(error.to_string().contains("the state was at 2 and is at 1 now"), "{error}");
        let (ui, ..) = ui_reading(true, meanwhile("social\n", || {}));
        let exit = destroy::run(&ui, &options, &DestroyArguments::default());
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
    }

    #[test]
    fn a_stale_checkout_is_told_from_vandalism() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = sandbox(&folder);
        let go = ApplyArguments { yes: true, ..ApplyArguments::default() };
        let (ui, _, err) = ui(false, "");
        assert_eq!(apply::run(&ui, &options, &go).unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let state = folder.path().join("state/sandbox/social.json");
        let older = fs_err::read(&state).expect("a state");
        fs_err::write(&options.file, EXAMPLE.replace("max_capacity = 1", "max_capacity = 3")).expect("written");
        assert_eq!(apply::run(&ui, &options, &go).unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        assert!(!err.take().contains("pull the newest"), "it is the newest");
        // Somebody who has not pulled looks at it.
        fs_err::write(&state, older).expect("written");
        fs_err::write(&options.file, EXAMPLE).expect("written");
        plan::run(&ui, &options, &PlanArguments::default()).unwrap_or_else(|error| panic!("{error}"));
        let said = err.take();
        assert!(said.contains("this is state 1 of social, and state 2 was applied at "), "{said}");
        // If they go on all the same, whoever has the other state is told in turn.
        fs_err::write(&options.file, EXAMPLE.replace("max_capacity = 1", "max_capacity = 5")).expect("written");
        assert_eq!(apply::run(&ui, &options, &go).unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let serial = |path: &Path| State::read(path).expect("a state").expect("there").serial;
        assert_eq!(serial(&state), 3, "it is above both");
    }

    #[test]
    fn a_saved_plan_is_shown_applied_once_and_never_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = sandbox(&folder);
        let out = folder.path().join("first.plan");
        let keep = PlanArguments { out: Some(out.clone()), ..PlanArguments::default() };
        let (ui, printed, _) = ui(false, "");
        plan::run(&ui, &options, &keep).unwrap_or_else(|error| panic!("{error}"));
        let planned = printed.take();

        // Neither the file, nor a state, nor a cloud is needed to show it.
        let elsewhere = tempfile::tempdir().expect("a folder");
        let bare = crate::cli::files::tests::options(elsewhere.path());
        let look = |html| ShowArguments { plan: out.clone(), json: false, markdown: false, html, fail_on: Vec::new() };
        show::run(&ui, &bare, &look(None)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(printed.take(), planned);
        assert_eq!(fs_err::read_dir(elsewhere.path()).expect("a folder").count(), 0);
        // Its page knows the topics: they are in the specs.
        let path = elsewhere.path().join("page.html");
        show::run(&ui, &bare, &look(Some(path.clone()))).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(printed.take(), planned);
        let page = fs_err::read_to_string(&path).expect("a page");
        assert!(page.contains(">database</text>") && page.contains(">compute</text>"), "{page}");
        assert!(!page.contains("no longer wanted"));

        let go = ApplyArguments { yes: true, plan: Some(out.clone()), ..ApplyArguments::default() };
        let exit = apply::run(&ui, &options, &go).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(exit, Exit::Done);
        let error = apply::run(&ui, &options, &go).expect_err("once");
        assert_eq!(error.exit(), Exit::Stale);
        assert!(error.to_string().contains("there was no state yet, and now it is at 1"), "{error}");

        let error = plan::run(&ui, &options, &PlanArguments { out: Some(options.file.clone()), ..keep });
        assert!(error.expect_err("not over something else").to_string().contains("is not a saved plan"));
        assert_eq!(fs_err::read_to_string(&options.file).expect("a file"), EXAMPLE);
        let aws = Settings { cloud: Cloud::Aws, ..options };
        let error = apply::run(&ui, &aws, &go).expect_err("another cloud");
        assert!(error.to_string().contains("this plan is for sandbox, not for aws"), "{error}");
    }
}
