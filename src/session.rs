//! One command's work on one instance, without a terminal: gather what is known, plan, apply, tell the outputs.
//!
//! Everything a command learns about the world is in [`Gathered`]; from there on planning is pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::apply::late::{Existing, Revealed};
use crate::apply::recover::{self, Note, RecoverError};
use crate::config::{self, Config};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expr::Late;
use crate::plan::change::Fingerprint;
use crate::plan::resolve::{Graph, NoFacts, ResourceScope, World};
use crate::plan::walk::{self, Situation};
use crate::plan::{Plan, check};
use crate::provider::{Account, Observations, Provider, ProviderError, Reader, Target, read_only};
use crate::refresh::{self, RefreshError};
use crate::spec::types::Durations;
use crate::spec::{self, Specs, Types};
use crate::state::journal::{self, Entry, Record};
use crate::state::{Journal, JournalError, Ledger, LedgerError, Paths, State, StateError, Watch, history};
use crate::value::{Tree, Value};

/// Why a command could not learn what it needs.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Recover(#[from] RecoverError),
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    #[error("asking whose account this is failed")]
    Account(#[source] ProviderError),
    #[error("the state belongs to account {expected}, and these credentials to account {found}")]
    OtherAccount { expected: String, found: String },
    #[error("the state belongs to region {expected}, and mastodon.toml says {found}")]
    OtherRegion { expected: String, found: String },
    #[error("the state belongs to the instance {expected:?}, and mastodon.toml says {found:?}")]
    OtherInstance { expected: String, found: String },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("{0}")]
    Diagnostics(Diagnostics),
}

impl From<Diagnostics> for SessionError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Diagnostics(diagnostics)
    }
}

/// What a command has learned about the world.
#[derive(Debug)]
pub struct Gathered {
    /// With everything an interrupted run left behind folded in.
    pub state: State,
    /// The digest of the state file; `None` if there is none yet.
    pub on_disk: Option<String>,
    /// Whether the state is what the file says, without anything learned since.
    pub is_as_read: bool,
    /// Whether a journal was folded in that the state file does not hold.
    pub is_folded: bool,
    pub notes: Vec<Note>,
    pub lookups: BTreeMap<Address, Value>,
    /// `None`: offline.
    pub observations: Option<Observations>,
}

impl Gathered {
    /// What a state alone tells, as if there were no file of it.
    pub fn offline(state: State) -> Self {
        let lookups = state.lookups.clone();
        Self {
            state,
            on_disk: None,
            is_as_read: true,
            is_folded: false,
            notes: Vec::new(),
            lookups,
            observations: None,
        }
    }
}

/// What is remembered of an instance: the state file and the journal beside it.
#[derive(Debug)]
pub struct Remembered {
    pub state: State,
    /// The digest of the state file; `None` if there is none yet.
    pub on_disk: Option<String>,
    /// The journal of a command that did not come to its end.
    pub entries: Vec<Entry>,
    /// How many of the entries the state holds.
    pub held: usize,
}

impl Remembered {
    /// Without the journal, when that is the one of a command at work right now: it is not to be folded by anybody else.
    #[must_use]
    pub fn without_journal(self) -> Self {
        Self { entries: Vec::new(), held: 0, ..self }
    }
}

/// Reads what is remembered. A state that does not exist yet is made with the lineage given.
///
/// # Errors
///
/// `State` or `Journal`, also for two files that do not fit together. Both are left as they are.
pub fn read_state(paths: &Paths, instance: &str, region: &str, lineage: &str) -> Result<Remembered, SessionError> {
    let (found, on_disk) = State::read_with_digest(&paths.state())?.unzip();
    if found.is_none() {
        paths.refuse_lost()?;
    }
    let entries = Journal::read(&paths.journal())?.entries;
    let state = found.unwrap_or_else(|| {
        // A first apply that was interrupted before there was a state file has chosen a lineage already.
        let begun = entries.first().and_then(|entry| match &entry.record {
            Record::Begin { lineage, base: None, .. } => Some(lineage.as_str()),
            _ => None,
        });
        State::new(begun.unwrap_or(lineage), instance, region)
    });
    let held = journal::held(&entries, &state.lineage, state.serial, on_disk.as_deref())
        .map_err(|problem| JournalError::OtherState { path: paths.journal(), problem })?;
    Ok(Remembered { state, on_disk, entries, held })
}

/// Refuses a state of another instance, account or region.
fn check_identity(state: &State, config: Option<&Config>, account: Option<&Account>) -> Result<(), SessionError> {
    if let (Some(expected), Some(found)) = (&state.account, account)
        && *expected != found.id
    {
        return Err(SessionError::OtherAccount { expected: expected.clone(), found: found.id.clone() });
    }
    if let Some(config) = config {
        if state.region != config.region {
            return Err(SessionError::OtherRegion { expected: state.region.clone(), found: config.region.clone() });
        }
        if state.instance != config.name {
            return Err(SessionError::OtherInstance { expected: state.instance.clone(), found: config.name.clone() });
        }
    }
    Ok(())
}

/// Learns everything, in one wave: whose account this is, the lookups, and everything the state knows of are asked at
/// once. What the journal of an interrupted run adds or changes is asked when it is folded; nothing is asked twice.
pub async fn gather(
    provider: &Arc<dyn Provider>,
    world: Option<&World<'_>>,
    remembered: Remembered,
) -> Result<Gathered, SessionError> {
    let Remembered { mut state, on_disk, entries, held } = remembered;
    check_identity(&state, world.map(|world| world.config), None)?;
    let reader = read_only(provider);
    let lookups = async {
        match world {
            Some(world) => refresh::look_up(&reader, world, &state.lookups).await,
            None => Ok(state.lookups.clone()),
        }
    };
    // What the journal speaks of may change by folding it, so it waits.
    let journaled: BTreeSet<&Address> = entries.iter().filter_map(|entry| entry.record.address()).collect();
    let split = |state: &State| -> (Vec<Target>, Vec<Target>) {
        refresh::targets(state).into_iter().partition(|target| journaled.contains(&target.address))
    };
    let (_, early) = split(&state);
    let (account, lookups, observed) = tokio::join!(provider.account(), lookups, refresh::observe(&*reader, &early));
    let account = account.map_err(SessionError::Account)?;
    check_identity(&state, None, Some(&account))?;
    let lookups = lookups?;
    let mut observations = observed?;
    let notes = recover::fold(&mut state, &entries, held, &**provider).await?;
    let (late, _) = split(&state);
    observations.extend(refresh::observe(&*reader, &late).await?);
    let is_folded = !entries.is_empty();
    let is_as_read = !is_folded && state.account.as_ref() == Some(&account.id);
    state.account = Some(account.id);
    Ok(Gathered { state, on_disk, is_as_read, is_folded, notes, lookups, observations: Some(observations) })
}

/// Learns everything without being able to change anything: what an interrupted run left in the journal is not folded,
/// for that takes looking for things by their tags.
pub async fn survey(
    reader: &Arc<dyn Reader>,
    world: &World<'_>,
    remembered: Remembered,
) -> Result<Gathered, SessionError> {
    let Remembered { mut state, on_disk, .. } = remembered;
    check_identity(&state, Some(world.config), None)?;
    let targets = refresh::targets(&state);
    let lookups = refresh::look_up(reader, world, &state.lookups);
    let (account, lookups, observed) = tokio::join!(reader.account(), lookups, refresh::observe(&**reader, &targets));
    let account = account.map_err(SessionError::Account)?;
    check_identity(&state, None, Some(&account))?;
    let (lookups, observations) = (lookups?, Some(observed?));
    let is_as_read = state.account.as_ref() == Some(&account.id);
    state.account = Some(account.id);
    Ok(Gathered { on_disk, is_as_read, lookups, observations, ..Gathered::offline(state) })
}

/// Learns what can be learned without a network: the state alone, and the last answers of lookups.
pub fn gather_offline(config: Option<&Config>, remembered: Remembered) -> Result<Gathered, SessionError> {
    let Remembered { state, on_disk, .. } = remembered;
    check_identity(&state, config, None)?;
    Ok(Gathered { on_disk, ..Gathered::offline(state) })
}

/// Makes ready for an apply: keeps a copy of the state file, makes the state the successor of itself, writes what was
/// folded from an old journal, and opens a new one. The caller holds the lock. `watch` is for tests.
pub fn begin(paths: &Paths, gathered: &mut Gathered, watch: Option<Watch>) -> Result<Ledger, SessionError> {
    gathered.state.lookups = gathered.lookups.clone();
    Ok(Ledger::begin(paths, &mut gathered.state, gathered.on_disk.as_deref(), watch)?)
}

/// What a plan is made from.
fn fingerprint(config: Option<&Config>, specs: &Specs, gathered: &Gathered) -> Fingerprint {
    let state = &gathered.state;
    let known = gathered.on_disk.clone().filter(|_| gathered.is_as_read);
    Fingerprint {
        file: config.map(|config| spec::digest([config.source.text.as_str()])).unwrap_or_default(),
        specs: specs.digest().to_owned(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        // What was read from a file and not touched has the digest it was read with.
        state: known.unwrap_or_else(|| state.digest()),
    }
}

/// Runs the checks that read lookups; the others ran when the file was read.
fn late_checks(world: &World<'_>) -> Diagnostics {
    let mut problems = Diagnostics::default();
    let scope = ResourceScope { world, each: None, facts: &NoFacts };
    for check in world.specs.blueprint.checks.iter().filter(|check| !config::only_config(check, &world.specs.blueprint))
    {
        let origin = |path: &str| {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            world.config.origin(&path).cloned()
        };
        let problem = config::run_check(check, &scope, world.evaluator, origin, &world.config.source);
        // Offline, a lookup that was never answered leaves its checks open.
        problems.extend(problem.filter(|problem| problem.code != "condition-unknown"));
    }
    problems
}

/// Refuses changes of settings that can never change once something was applied.
fn frozen(world: &World<'_>, state: &State) -> Diagnostics {
    let mut problems = Diagnostics::default();
    for input in world.specs.blueprint.inputs.iter().filter(|input| input.frozen) {
        let (Some(before), now) = (state.settings.at(&input.path), world.config.values.at(&input.path)) else {
            continue;
        };
        if Some(before) != now {
            let name = input.name();
            let mut problem = Diagnostic::error("frozen", format!("`{name}` can never be changed"));
            if let Some(location) = world.config.origin(&input.path) {
                problem = problem.at(location, format!("it was {before} at the last apply"));
            }
            problems.push(problem.hint(input.doc.clone()));
        }
    }
    problems
}

/// Makes the plan of an apply. Warnings of checks come with it.
pub fn plan(world: &World<'_>, graph: &Graph<'_>, gathered: &Gathered) -> Result<(Plan, Diagnostics), Diagnostics> {
    let mut checks = late_checks(world);
    checks.extend(frozen(world, &gathered.state).0);
    let situation = Situation {
        state: &gathered.state,
        observations: gathered.observations.as_ref(),
        made_from: fingerprint(Some(world.config), world.specs, gathered),
    };
    let planned = walk::plan(world, graph, &situation);
    let (_, warnings) = checks.finish(())?;
    let plan = planned?;
    sound(&plan, &gathered.state, &world.specs.types)?;
    Ok((plan, warnings))
}

/// Makes the plan that takes everything down.
pub fn plan_destroy(specs: &Specs, gathered: &Gathered, title: &str) -> Result<Plan, Diagnostics> {
    let situation = Situation {
        state: &gathered.state,
        observations: gathered.observations.as_ref(),
        made_from: fingerprint(None, specs, gathered),
    };
    let plan = walk::destroy(&specs.types, &situation, title);
    sound(&plan, &gathered.state, &specs.types)?;
    Ok(plan)
}

fn sound(plan: &Plan, state: &State, types: &Types) -> Result<(), Diagnostics> {
    let wrong = check::check(plan, state, types);
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Diagnostics(
        wrong.into_iter().map(|message| Diagnostic::error("plan-check", format!("BUG: {message}"))).collect(),
    ))
}

/// The types with the times this instance has really taken, where its history knows them.
pub fn learned(types: &Arc<Types>, history: &[history::Entry]) -> Arc<Types> {
    if history.iter().all(|entry| entry.durations.is_empty()) {
        return Arc::clone(types);
    }
    let mut learned = Types::clone(types);
    for (name, resource_type) in &mut learned {
        let usual = |verb: &str, expected: Duration| history::usual(history, name, verb).unwrap_or(expected);
        let expect = resource_type.expect;
        resource_type.expect = Durations {
            create: usual("create", expect.create),
            update: usual("update", expect.update),
            delete: usual("delete", expect.delete),
        };
    }
    Arc::new(learned)
}

/// An output with what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub name: String,
    pub doc: String,
    /// `None`: not known before the next apply.
    pub value: Option<Value>,
}

/// The outputs as the state knows them.
pub fn outputs(world: &World<'_>, graph: &Graph<'_>, state: &State) -> Result<Vec<Output>, Diagnostics> {
    let revealed = Revealed::new();
    let existing = Existing { state, graph, revealed: &revealed };
    let scope = ResourceScope { world, each: None, facts: &existing };
    let mut outputs = Vec::new();
    for output in &world.specs.blueprint.outputs {
        let tree = world.evaluator.tree(&output.value, &scope).map_err(Diagnostics::from)?;
        let value = tree.try_map(&mut |late| match late {
            Late::Unknown(_) | Late::Secret(_) => Err(()),
        });
        let value: Option<Value> = value.ok();
        if value.as_ref() != Some(&Tree::Null) {
            outputs.push(Output { name: output.name.clone(), doc: output.doc.clone(), value });
        }
    }
    Ok(outputs)
}
