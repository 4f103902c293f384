//! One command's work on one instance, without a terminal: gather what is known, plan, apply, tell the outputs.
//!
//! Everything a command learns about the world is in [`Gathered`]; from there on planning is pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub mod errand;
pub mod neighbours;
pub mod news;
pub mod status;

pub use neighbours::Living;

use crate::address::{Address, Identity};
use crate::apply::late::{Existing, Revealed};
use crate::apply::recover::{self, Note, RecoverError};
use crate::config::{self, Config};
use crate::cost::{self, Estimate, Market};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expr::{Late, Root};
use crate::inert::printable;
use crate::plan::change::Fingerprint;
use crate::plan::resolve::{Graph, NoFacts, ResourceScope, World};
use crate::plan::walk::{self, Situation};
use crate::plan::{self, Cause, Plan, check};
use crate::provider::{Account, NOBODYS_ACCOUNT, Observation, Observations, ProviderError, Reader, Target, ownership};
use crate::refresh::{self, RefreshError, Stranger};
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
    #[error("{0}")]
    Living(Box<Living>),
    #[error("several instances {instance:?} live in {region}: {}", printable(&.resources.join(", ")))]
    Several { instance: String, region: String, resources: Vec<String> },
    #[error("looking for instances that live already failed")]
    Census(#[source] ProviderError),
    #[error("looking for {address} failed")]
    Find {
        address: Address,
        #[source]
        source: ProviderError,
    },
    #[error("{address} is not there")]
    Missing { address: Address },
    #[error("{address} is not this instance's: {identity} {holder}")]
    NotOurs { address: Address, identity: Identity, holder: String },
    #[error("{instance} was handed over, so it is not changed from here any more")]
    HandedOver { instance: String },
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
    /// What the state called left over from replacements and is not the instance's. It is no longer in the state.
    pub strangers: Vec<Stranger>,
    /// What was found in the cloud and stood in no state.
    pub found: BTreeSet<Address>,
    pub lookups: BTreeMap<Address, Value>,
    /// `None`: offline.
    pub observations: Option<Observations>,
    /// The account that AWS has named; offline, the one that the state knows; none of a simulated cloud.
    pub account: Option<String>,
}

impl Gathered {
    /// What a state alone tells, as if there were no file of it.
    pub fn offline(state: State) -> Self {
        let lookups = state.lookups.clone();
        let account = state.account.clone().filter(|account| account != NOBODYS_ACCOUNT);
        Self {
            state,
            on_disk: None,
            is_as_read: true,
            is_folded: false,
            notes: Vec::new(),
            strangers: Vec::new(),
            found: BTreeSet::new(),
            lookups,
            observations: None,
            account,
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
    /// An instance that lives without a state is taken over instead of refused.
    takes_over: bool,
    /// There was a state, and it is gone: only what lives can be gone on with.
    lost: Option<StateError>,
}

impl Remembered {
    /// Without the journal, when that is the one of a command at work right now: it is not to be folded by anybody else.
    #[must_use]
    pub fn without_journal(self) -> Self {
        Self { entries: Vec::new(), held: 0, ..self }
    }

    /// Whether nothing was ever applied from here.
    fn is_first(&self) -> bool {
        self.on_disk.is_none() && self.entries.is_empty() && self.state.rows.is_empty()
    }
}

/// Reads what is remembered. A state that does not exist yet is made with the lineage given.
///
/// # Errors
///
/// `State` or `Journal`, also for two files that do not fit together. Both are left as they are.
pub fn read_state(paths: &Paths, instance: &str, region: &str, lineage: &str) -> Result<Remembered, SessionError> {
    recall(paths, instance, region, lineage, false)
}

/// The same for a plan. `takes_over`: an instance of this name that lives in the cloud and of which there is no state is
/// taken over, also where there was one: whoever says that it is lost need not bring it back.
///
/// # Errors
///
/// As [`read_state`].
pub fn read_state_for_plan(
    paths: &Paths,
    config: &Config,
    lineage: &str,
    takes_over: bool,
) -> Result<Remembered, SessionError> {
    recall(paths, &config.name, &config.region, lineage, takes_over)
}

fn recall(
    paths: &Paths,
    instance: &str,
    region: &str,
    lineage: &str,
    takes_over: bool,
) -> Result<Remembered, SessionError> {
    let (found, on_disk) = State::read_with_digest(&paths.state())?.unzip();
    let lost = match (&found, paths.refuse_lost()) {
        (None, Err(lost @ StateError::Lost { .. })) if takes_over => Some(lost),
        (None, refused) => {
            refused?;
            None
        }
        (Some(_), _) => None,
    };
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
    Ok(Remembered { state, on_disk, entries, held, takes_over, lost })
}

/// Refuses a state of another instance, account or region.
///
/// # Errors
///
/// Which of them is another one. What is not given is not compared.
pub fn check_identity(state: &State, config: Option<&Config>, account: Option<&Account>) -> Result<(), SessionError> {
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
    reader: &Arc<dyn Reader>,
    types: &Types,
    world: Option<&World<'_>>,
    remembered: Remembered,
) -> Result<Gathered, SessionError> {
    let is_first = remembered.is_first();
    let Remembered { mut state, on_disk, entries, held, takes_over, lost } = remembered;
    let lost = match lost {
        Some(lost) if !is_first => return Err(lost.into()),
        lost => lost,
    };
    check_identity(&state, world.map(|world| world.config), None)?;
    let lookups = async {
        match world {
            Some(world) => {
                let world = World { previous: &state.settings, ..*world };
                refresh::look_up(reader, &world, &state.lookups).await
            }
            None => Ok(state.lookups.clone()),
        }
    };
    // What the journal speaks of may change by folding it, so it waits.
    let journaled: BTreeSet<&Address> = entries.iter().filter_map(|entry| entry.record.address()).collect();
    let split = |state: &State| -> (Vec<Target>, Vec<Target>) {
        refresh::targets(types, state).into_iter().partition(|target| journaled.contains(&target.address))
    };
    let (_, early) = split(&state);
    let living = async { if is_first { neighbours::living(&**reader, types, &state).await } else { Ok(None) } };
    let (account, lookups, observed, living) =
        tokio::join!(reader.account(), lookups, refresh::look_at(&**reader, &early), living);
    let account = account.map_err(SessionError::Account)?;
    check_identity(&state, None, Some(&account))?;
    let lookups = lookups?;
    let mut observations = observed?;
    let mut found = BTreeSet::new();
    match (living?, world) {
        (Some(living), Some(world)) if takes_over => {
            found = take_over(reader, world, &lookups, living, &mut state).await?;
            observations = refresh::look_at(&**reader, &refresh::targets(types, &state)).await?;
        }
        (Some(living), _) => return Err(SessionError::Living(Box::new(living))),
        // Nothing lives that could be taken over, or it does not show yet.
        (None, _) => lost.map_or(Ok(()), Err)?,
    }
    let notes = recover::fold(&mut state, &entries, held, &**reader).await?;
    let (late, _) = split(&state);
    observations.extend(refresh::look_at(&**reader, &late).await?);
    refresh::part_foreign(types, &refresh::targets(types, &state), &mut observations);
    let leftovers = |state: &State| state.rows.values().map(|row| row.replaced.len()).sum::<usize>();
    let left = leftovers(&state);
    let strangers = refresh::part_foreign_leftovers(&**reader, types, &mut state).await?;
    learn(&mut state, types, &observations);
    let is_folded = !entries.is_empty();
    let is_as_read = !is_folded && leftovers(&state) == left && state.account.as_ref() == Some(&account.id);
    state.account = Some(account.id.clone());
    state.marked |= is_marked(&observations);
    let account = (!account.is_simulated).then_some(account.id);
    let observations = Some(observations);
    Ok(Gathered { state, on_disk, is_as_read, is_folded, notes, strangers, found, lookups, observations, account })
}

/// Puts into the state what the cloud shows of resources and no earlier version has recorded. What is recorded stays: if
/// that differs, it is drift.
fn learn(state: &mut State, types: &Types, observations: &Observations) {
    for (address, row) in &mut state.rows {
        let (Some(Observation::Found(observed)), Some(resource_type)) =
            (observations.get(address), types.get(&address.type_name))
        else {
            continue;
        };
        for (name, attribute) in &resource_type.attributes {
            let is_lasting = attribute.computed && !attribute.volatile && !attribute.sensitive;
            let shown = observed.attributes.get(name).filter(|value| is_lasting && !value.is_null());
            if let Some(value) = shown.filter(|_| row.facts.get(name).is_none()) {
                row.facts.set(&[name], value.clone());
            }
        }
    }
}

/// Goes on as the instance that lives.
async fn take_over(
    reader: &Arc<dyn Reader>,
    world: &World<'_>,
    lookups: &BTreeMap<Address, Value>,
    living: Living,
    state: &mut State,
) -> Result<BTreeSet<Address>, SessionError> {
    match living.lineage {
        Some(lineage) => state.lineage = lineage,
        // Made before there was one: what is found is marked with a new one.
        None => state.marked = false,
    }
    state.serial = living.registration.map_or(0, |known| known.serial);
    state.lookups = lookups.clone();
    neighbours::adopt(reader, &World { lookups, ..*world }, state).await
}

/// Whether nothing lacks the tag with the lineage.
fn is_marked(observations: &Observations) -> bool {
    observations.values().all(|observation| match observation {
        Observation::Found(observed) => observed.tags.as_ref().is_none_or(|tags| !ownership::is_unmarked(tags)),
        _ => true,
    })
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
    let types = &world.specs.types;
    let targets = refresh::targets(types, &state);
    let world = World { previous: &state.settings, ..*world };
    let lookups = refresh::look_up(reader, &world, &state.lookups);
    let (account, lookups, observed) =
        tokio::join!(reader.account(), lookups, refresh::observe(&**reader, types, &targets));
    let account = account.map_err(SessionError::Account)?;
    check_identity(&state, None, Some(&account))?;
    let (lookups, observed) = (lookups?, observed?);
    state.marked |= is_marked(&observed);
    let observations = Some(observed);
    let is_as_read = state.account.as_ref() == Some(&account.id);
    state.account = Some(account.id.clone());
    let account = (!account.is_simulated).then_some(account.id);
    Ok(Gathered { on_disk, is_as_read, lookups, observations, account, ..Gathered::offline(state) })
}

/// Learns what the cloud shows of everything the state knows of, and nothing else: no lookup is asked, and what an
/// interrupted run left in the journal is not folded.
///
/// # Errors
///
/// Credentials of another account; a resource that cannot be read.
pub async fn inspect(reader: &Arc<dyn Reader>, types: &Types, state: &State) -> Result<Observations, SessionError> {
    let targets = refresh::targets(types, state);
    let (account, observed) = tokio::join!(reader.account(), refresh::observe(&**reader, types, &targets));
    check_identity(state, None, Some(&account.map_err(SessionError::Account)?))?;
    Ok(observed?)
}

/// Learns what can be learned without a network: the state alone, and the last answers of lookups.
pub fn gather_offline(config: Option<&Config>, remembered: Remembered) -> Result<Gathered, SessionError> {
    let Remembered { state, on_disk, lost, .. } = remembered;
    lost.map_or(Ok(()), Err)?;
    check_identity(&state, config, None)?;
    Ok(Gathered { on_disk, ..Gathered::offline(state) })
}

/// Refuses to change what was handed over.
///
/// # Errors
///
/// `HandedOver`.
pub fn refuse_handed_over(state: &State) -> Result<(), SessionError> {
    match state.handed_over {
        true => Err(SessionError::HandedOver { instance: state.instance.clone() }),
        false => Ok(()),
    }
}

/// Makes ready for an apply: keeps a copy of the state file, makes the state the successor of itself, writes what was
/// folded from an old journal, and opens a new one. The caller holds the lock. `watch` is for tests.
pub fn begin(paths: &Paths, gathered: &mut Gathered, watch: Option<Watch>) -> Result<Ledger, SessionError> {
    refuse_handed_over(&gathered.state)?;
    gathered.state.lookups = gathered.lookups.clone();
    Ok(Ledger::begin(paths, &mut gathered.state, gathered.on_disk.as_deref(), watch)?)
}

/// The digest of a file, with that of the settings it shares with others.
fn digest_of(config: &Config) -> String {
    let shared = config.shared.iter().map(|shared| shared.text.as_str());
    spec::digest(std::iter::once(config.source.text.as_str()).chain(shared))
}

/// What a plan is made from.
fn fingerprint(config: Option<&Config>, specs: &Specs, gathered: &Gathered) -> Fingerprint {
    let state = &gathered.state;
    let known = gathered.on_disk.clone().filter(|_| gathered.is_as_read);
    Fingerprint {
        file: config.map(digest_of).unwrap_or_default(),
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
        let origin = |path: &[String]| world.config.origin(path).cloned();
        let places = config::Places { origin: &origin, sections: &world.config.sections, source: &world.config.source };
        let problem = config::run_check(check, &scope, world.evaluator, &places);
        // Offline, a lookup that was never answered leaves its checks open.
        problems.extend(problem.filter(|problem| !problem.is_open()));
    }
    problems
}

/// Refuses changes of settings that can never change once something was applied.
fn frozen(world: &World<'_>, state: &State) -> Diagnostics {
    let mut problems = Diagnostics::default();
    let is_changed =
        |path: &[String]| state.settings.at(path).is_some_and(|before| Some(before) != world.config.values.at(path));
    for input in world.specs.blueprint.inputs.iter().filter(|input| input.frozen) {
        let Some(before) = state.settings.at(&input.path) else { continue };
        if is_changed(&input.path) {
            // What follows another one by its default changes with it, and is nobody's own mistake.
            let mut follows = false;
            if let Some(default) = input.default.as_ref().filter(|_| world.config.origin(&input.path).is_none()) {
                default.each_leaf(&mut |template| {
                    follows |= template.references().any(|read| read.root == Root::Config && is_changed(&read.path));
                });
            }
            if follows {
                continue;
            }
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

/// Refuses settings that name an object of another account, where the specs say it must be the instance's own. As long as
/// nobody knows which account that is, all of them must be in one.
fn foreign(world: &World<'_>, account: Option<&str>) -> Diagnostics {
    let mut problems = Diagnostics::default();
    let mut known = account.map(str::to_owned);
    for input in world.specs.blueprint.inputs.iter().filter(|input| input.own_account) {
        let Some(value) = world.config.values.at(&input.path) else { continue };
        let texts: Vec<(Option<&String>, &Value)> = match value {
            Tree::Map(entries) => entries.iter().map(|(key, entry)| (Some(key), entry)).collect(),
            Tree::List(items) => items.iter().map(|item| (None, item)).collect(),
            one => vec![(None, one)],
        };
        for (key, text) in texts {
            let Some(owner) = text.as_text().and_then(|text| text.split(':').nth(4)) else { continue };
            let expected = known.get_or_insert_with(|| owner.to_owned());
            if owner == expected {
                continue;
            }
            let path: Vec<String> = input.path.iter().chain(key).cloned().collect();
            let whose = if account.is_some() { "the instance is" } else { "others of its settings are" };
            let message = format!("`{}` is in account {owner}, and {whose} in {expected}", path.join("."));
            let mut problem = Diagnostic::error("out-of-range", message);
            if let Some(location) = world.config.origin(&path) {
                problem = problem.at(location, "another account's");
            }
            problems.push(problem.hint(input.doc.clone()));
        }
    }
    problems
}

/// Patches of resources that this file does not ask for.
fn idle_patches(world: &World<'_>, graph: &Graph) -> Diagnostics {
    let mut problems = Diagnostics::default();
    for (name, resource) in &world.specs.blueprint.resources {
        for patch in &resource.patches {
            let is_patched = |address: &Address| {
                address.is_named(name) && patch.key.as_ref().is_none_or(|key| address.key.as_ref() == Some(key))
            };
            if !graph.nodes.keys().any(is_patched) {
                let message = format!("this patch has no effect: no {}.{} is made with these settings", name.0, name.1);
                problems.push(Diagnostic::warning("unknown-patch", message).at(&patch.node.location, ""));
            }
        }
    }
    problems
}

/// A warning about resources of the state that no file of the specs describes, as when a folder of specs is forgotten.
fn undescribed(world: &World<'_>, graph: &Graph, state: &State) -> Option<Diagnostic> {
    let is_known = |address: &Address| {
        let name = (address.type_name.clone(), address.name.clone());
        graph.nodes.contains_key(address) || world.specs.blueprint.resources.contains_key(&name)
    };
    let names: Vec<String> = state.rows.keys().filter(|address| !is_known(address)).map(ToString::to_string).collect();
    let all = "no file of the specs describes what the state has, so it would be deleted";
    (!names.is_empty()).then(|| {
        Diagnostic::warning("unknown-resource", format!("{all}: {}", names.join(", ")))
            .hint("if it came with a folder of specs, name that folder again with --specs")
    })
}

/// Makes the plan of an apply. Warnings of checks come with it.
pub fn plan(world: &World<'_>, graph: &Graph, gathered: &Gathered) -> Result<(Plan, Diagnostics), Diagnostics> {
    let mut checks = late_checks(world);
    checks.extend(frozen(world, &gathered.state).0);
    checks.extend(foreign(world, gathered.account.as_deref()).0);
    checks.extend(idle_patches(world, graph).0);
    checks.extend(undescribed(world, graph, &gathered.state));
    let situation = Situation {
        state: &gathered.state,
        observations: gathered.observations.as_ref(),
        made_from: fingerprint(Some(world.config), world.specs, gathered),
    };
    let planned = walk::plan(world, graph, &situation);
    let (_, warnings) = checks.finish(())?;
    let mut plan = planned?;
    for change in plan.changes.iter_mut().filter(|change| gathered.found.contains(&change.address)) {
        change.causes.retain(|cause| *cause != Cause::Interrupted);
        change.causes.insert(0, Cause::Found);
    }
    plan.notes = notes(world)?;
    sound(&plan, &gathered.state, &world.specs.types)?;
    Ok((plan, warnings))
}

/// What the blueprint says of a plan. What reads something that is not known yet is not said.
fn notes(world: &World<'_>) -> Result<Vec<String>, Diagnostics> {
    let scope = ResourceScope { world, each: None, facts: &NoFacts };
    let mut said = Vec::new();
    for note in &world.specs.blueprint.notes {
        let applies = match &note.when {
            Some(when) => world.evaluator.condition(when, &scope).map_err(Diagnostics::from)?,
            None => true,
        };
        if applies {
            let text = world.evaluator.tree(&note.text, &scope).map_err(Diagnostics::from)?;
            said.extend(text.plain().as_ref().and_then(Tree::as_text).map(str::to_owned));
        }
    }
    Ok(said)
}

/// Makes the plan that takes everything down. `world` is the file, if it can be read.
pub fn plan_destroy(
    specs: &Specs,
    gathered: &Gathered,
    title: &str,
    world: Option<&World<'_>>,
) -> Result<Plan, Diagnostics> {
    let situation = Situation {
        state: &gathered.state,
        observations: gathered.observations.as_ref(),
        made_from: fingerprint(None, specs, gathered),
    };
    let plan = walk::destroy(&specs.types, &situation, title, world);
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
        let known = Durations {
            create: usual(if resource_type.once { "run" } else { "create" }, expect.create),
            update: usual("update", expect.update),
            delete: usual("delete", expect.delete),
        };
        if known != expect {
            Arc::make_mut(resource_type).expect = known;
        }
    }
    Arc::new(learned)
}

/// What the instance costs a month that the file describes, whatever exists already.
///
/// # Errors
///
/// What a plan of its first apply would say is wrong.
pub fn cost(world: &World<'_>, graph: &Graph) -> Result<Estimate, Diagnostics> {
    let config = world.config;
    let nothing = State::new("", config.name.as_str(), config.region.as_str());
    let situation = Situation { state: &nothing, observations: None, made_from: Fingerprint::default() };
    let plan = walk::plan(world, graph, &situation)?;
    let attributes = plan.changes.iter().filter_map(|change| Some((&change.address, change.desired.as_deref()?)));
    let market = Market::of(world.specs, world.evaluator, &config.values, &config.region)?;
    Ok(cost::estimate(&market, &plan::cost::desired(graph, attributes)))
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
pub fn outputs(world: &World<'_>, graph: &Graph, state: &State) -> Result<Vec<Output>, Diagnostics> {
    world.evaluator.begin();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::diagnostic::SourceFile;
    use crate::expr::Evaluator;

    #[test]
    fn secrets_of_another_account_are_refused_once_the_account_is_known() {
        let text = "name = 'social'\ndomain = 'social.example.org'\nregion = 'eu-central-1'\n\
            mail.credentials = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:social/mail-AbCdEf'\n\
            [extra_secrets]\n\
            X = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:social/x-AbCdEf'\n\
            Y = 'arn:aws:secretsmanager:eu-central-1:210987654321:secret:prod/y-AbCdEf'\n";
        let mut specs = Specs::read(&[]).expect("specs");
        let evaluator = Evaluator::new();
        let source = SourceFile::new("mastodon.toml", text);
        let (config, _) = config::read(&source, &mut specs.blueprint, &evaluator).expect("valid by itself");
        let lookups = BTreeMap::new();
        let world =
            World { specs: &specs, config: &config, lookups: &lookups, previous: &Value::Null, evaluator: &evaluator };
        let told = |account: Option<&str>| foreign(&world, account).to_string();
        // As long as nobody knows which account it is, they are not in one.
        assert_eq!(
            told(None),
            "mastodon.toml:7:5: `extra_secrets.Y` is in account 210987654321, and others of its settings are in \
             123456789012"
        );
        assert_eq!(
            told(Some("123456789012")),
            "mastodon.toml:7:5: `extra_secrets.Y` is in account 210987654321, and the instance is in 123456789012"
        );
        assert_eq!(told(Some("210987654321")).lines().count(), 2);
        let gathered = Gathered {
            account: Some("210987654321".to_owned()),
            ..Gathered::offline(State::new("l", "social", "eu-central-1"))
        };
        let graph = crate::plan::resolve::resolve(&world).expect("a graph");
        assert!(plan(&world, &graph, &gathered).is_err(), "and there is no plan");
    }
}
