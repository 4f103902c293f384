//! One command's work on one instance, without a terminal: gather what is known, plan, apply, tell the outputs.
//!
//! Everything a command learns about the world is in [`Gathered`]; from there on planning is pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

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
use crate::provider::{Account, Observations, Provider, ProviderError, Target};
use crate::refresh::{self, RefreshError};
use crate::spec::{Specs, Types};
use crate::state::journal::Entry;
use crate::state::{Journal, JournalError, Paths, State, StateError};
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
    #[error("making the state folder failed")]
    Folder(#[source] std::io::Error),
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
    /// Whether there was no state file yet.
    pub is_new: bool,
    pub notes: Vec<Note>,
    pub lookups: BTreeMap<Address, Value>,
    /// `None`: offline.
    pub observations: Option<Observations>,
}

/// The state as its file and journal tell it, and the journal's entries. A state that does not exist yet is made with
/// the lineage given.
pub fn read_state(
    paths: &Paths,
    instance: &str,
    region: &str,
    lineage: &str,
) -> Result<(State, bool, Vec<Entry>), SessionError> {
    let (state, is_new) = match State::read(&paths.state())? {
        Some(state) => (state, false),
        None => (State::new(lineage, instance, region), true),
    };
    let entries = Journal::read(&paths.journal())?.entries;
    Ok((state, is_new, entries))
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
    read: (State, bool, Vec<Entry>),
) -> Result<Gathered, SessionError> {
    let (mut state, is_new, entries) = read;
    check_identity(&state, world.map(|world| world.config), None)?;
    let lookups = async {
        match world {
            Some(world) => refresh::look_up(provider, world, &state.lookups).await,
            None => Ok(state.lookups.clone()),
        }
    };
    // What the journal speaks of may change by folding it, so it waits.
    let journaled: BTreeSet<&Address> = entries.iter().filter_map(|entry| entry.record.address()).collect();
    let split = |state: &State| -> (Vec<Target>, Vec<Target>) {
        refresh::targets(state).into_iter().partition(|target| journaled.contains(&target.address))
    };
    let (_, early) = split(&state);
    let (account, lookups, observed) = tokio::join!(provider.account(), lookups, refresh::observe(&**provider, &early));
    let account = account.map_err(SessionError::Account)?;
    check_identity(&state, None, Some(&account))?;
    let lookups = lookups?;
    let mut observations = observed?;
    let notes = recover::fold(&mut state, &entries, &**provider).await?;
    let (late, _) = split(&state);
    observations.extend(refresh::observe(&**provider, &late).await?);
    state.account = Some(account.id);
    Ok(Gathered { state, is_new, notes, lookups, observations: Some(observations) })
}

/// Learns what can be learned without a network: the state alone, and the last answers of lookups.
pub fn gather_offline(config: Option<&Config>, read: (State, bool, Vec<Entry>)) -> Result<Gathered, SessionError> {
    let (state, is_new, _) = read;
    check_identity(&state, config, None)?;
    Ok(Gathered { lookups: state.lookups.clone(), state, is_new, notes: Vec::new(), observations: None })
}

/// Makes ready for an apply: keeps a copy of the state file, makes the state the successor of itself, writes what was
/// folded from an old journal, and opens a new one. The caller holds the lock.
pub fn begin(paths: &Paths, gathered: &mut Gathered) -> Result<Journal, SessionError> {
    paths.make_folder().map_err(SessionError::Folder)?;
    State::back_up(&paths.state(), &paths.backup())?;
    gathered.state.advance();
    gathered.state.lookups = gathered.lookups.clone();
    let (old, reading) = Journal::open(&paths.journal())?;
    if reading.entries.is_empty() {
        return Ok(old);
    }
    // Only when the state file holds everything the journal knew may the journal go.
    gathered.state.write(&paths.state())?;
    old.remove()?;
    Ok(Journal::open(&paths.journal())?.0)
}

/// What a plan is made from.
pub fn fingerprint(config: Option<&Config>, specs: &Specs, state: &State) -> Fingerprint {
    let hash = |texts: &mut dyn Iterator<Item = &str>| {
        let mut hasher = Sha256::new();
        for text in texts {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    Fingerprint {
        file: config.map(|config| hash(&mut std::iter::once(config.source.text.as_str()))).unwrap_or_default(),
        specs: hash(&mut specs.files.iter().map(|file| file.text.as_str())),
        lineage: state.lineage.clone(),
        serial: state.serial,
        state: state.digest(),
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
        made_from: fingerprint(Some(world.config), world.specs, &gathered.state),
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
        made_from: fingerprint(None, specs, &gathered.state),
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
