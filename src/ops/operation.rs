//! One change of one instance: lock, gather, plan, consent, look again, apply, remember.
//!
//! `apply`, `apply FILE`, `destroy` and every instance of a fleet go this way. Between [`Operation::offer`] and
//! [`Operation::carry_out`] the caller shows the plan and asks; who may have waited looks again.
//!
//! # Guarantees
//!
//! - The lock is held from before the plan is made until everything is remembered.
//! - What was said yes to is what is done: [`Operation::again`] names everything that has changed since.
//! - What is carried out is the graph that the plan was made from, or that of the second look: none is made here.
//! - Nothing here knows a terminal: what is to be said comes back as values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::proposal::Offer;
use super::{OpsError, Project, Source};
use crate::apply::{self, Outcome, Progress, Report, Run, Stop};
use crate::diagnostic::Diagnostics;
use crate::plan::order::Steps;
use crate::plan::{Plan, Purpose};
use crate::provider::{Provider, Reader, Registration};
use crate::session::{self, Gathered, Output};
use crate::spec::Specs;
use crate::state::{Holder, Lock, Paths, State, history};
use crate::value::Value;

/// What is done with an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It becomes what its file says. `adopts_own`: one that lives without a state is taken over.
    Apply { adopts_own: bool },
    /// It is taken down.
    Destroy,
}

impl Deed {
    /// As it is typed, and as the history has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Apply { .. } => "apply",
            Self::Destroy => history::DESTROY,
        }
    }
}

/// An instance that nobody else can change.
pub struct Operation<S> {
    deed: Deed,
    paths: Paths,
    specs: Arc<Specs>,
    source: S,
    _lock: Lock,
}

/// What looks on while a plan is carried out.
pub trait Audience {
    /// Somebody who is told of the steps as they go.
    fn watch<'a>(&'a self, steps: &'a Steps, lapse: f64) -> Box<dyn Progress + 'a>;
}

/// How a plan is carried out.
pub struct Pace {
    /// Stops it.
    pub stop: watch::Receiver<Stop>,
    /// Steps in flight at once.
    pub at_once: usize,
    /// How long to wait for a person when nothing else is left to do.
    pub wait: Duration,
}

/// What the history says of it, besides what happened.
#[derive(Clone, Debug, Default)]
pub struct Credits {
    /// Who is at work.
    pub who: Option<String>,
    /// The digest of the file that the plan was kept in.
    pub plan: Option<String>,
}

/// What came of a plan.
pub struct Ran {
    pub outcome: Outcome,
    pub elapsed: Duration,
    /// How long it should have taken.
    pub expected: Duration,
    /// What the instance tells of itself, if all of the plan was done.
    pub outputs: Result<Vec<Output>, Diagnostics>,
    /// What could not be remembered. Nothing that was done is lost by it.
    pub warnings: Vec<String>,
}

impl<S: Source> Operation<S> {
    /// Locks an instance; `None` if it is to be taken down and has no state. `specs` are those that it is taken down by.
    ///
    /// # Errors
    ///
    /// Somebody else is at work on it, it was handed over, or a state that should be there is not.
    pub fn begin(deed: Deed, paths: &Paths, specs: &Arc<Specs>, source: S) -> Result<Option<Self>, OpsError> {
        match deed {
            Deed::Apply { .. } => paths.make_folder()?,
            Deed::Destroy if State::read(&paths.state())?.is_none() => {
                paths.refuse_lost()?;
                return Ok(None);
            }
            Deed::Destroy => {}
        }
        let lock = Lock::acquire(&paths.lock(), &holder(&format!("mastoform {}", deed.word())))?;
        if let Some(state) = State::read(&paths.state())? {
            session::refuse_handed_over(&state)?;
        }
        Ok(Some(Self { deed, paths: paths.clone(), specs: Arc::clone(specs), source, _lock: lock }))
    }

    /// Learns everything and plans. `project` is the file as it was read a moment ago. `None` if the instance is to be
    /// taken down and its state has gone.
    ///
    /// # Errors
    ///
    /// Everything that keeps a plan from being made.
    pub async fn offer(&self, project: Option<Project>, reader: &Arc<dyn Reader>) -> Result<Option<Offer>, S::Error> {
        let Deed::Apply { adopts_own } = self.deed else {
            let Some(recorded) = State::read(&self.paths.state()).map_err(OpsError::from)? else { return Ok(None) };
            let State { instance, region, lineage, .. } = &recorded;
            let read = session::read_state(&self.paths, instance, region, lineage).map_err(OpsError::from)?;
            // A file about another instance decides nothing here.
            let project = project.filter(|project| project.config.name == *instance);
            return Ok(Some(Offer::destroy(&self.specs, project, read, reader).await?));
        };
        let project = match project {
            Some(project) => project,
            None => self.source.read()?,
        };
        Ok(Some(Offer::apply(project, reader, adopts_own).await?))
    }

    /// Looks once more, with nothing remembered: whoever was asked may have taken an hour over it. `None` as with
    /// [`Operation::offer`].
    ///
    /// # Errors
    ///
    /// As [`Operation::offer`]; and everything that has changed since `then`.
    pub async fn again(&self, then: &Offer, reader: &Arc<dyn Reader>) -> Result<Option<Offer>, S::Error> {
        let project = match self.deed {
            Deed::Apply { .. } => Some(self.source.read()?),
            Deed::Destroy => self.source.read().ok(),
        };
        let Some(now) = self.offer(project, reader).await? else { return Ok(None) };
        let text = then.project.as_ref().map(|project| project.config.source.text.as_str());
        now.must_confirm(then.parts(), text).map_err(OpsError::from)?;
        Ok(Some(Offer { plan: then.plan.clone(), ..now }))
    }

    /// Without anything to do, what an interrupted run left in the journal still belongs in the state.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn keep_what_was_folded(self, mut offer: Offer) -> Result<(), OpsError> {
        if offer.gathered.is_folded {
            give_lineage(&mut offer.gathered)?;
            let ledger = session::begin(&self.paths, &mut offer.gathered, None)?;
            ledger.close(&offer.gathered.state)?;
        }
        Ok(())
    }

    /// Carries a plan out, adds a line to the history, and leaves a note in the cloud.
    ///
    /// # Errors
    ///
    /// Nothing was begun. What goes wrong later is part of the outcome.
    pub async fn carry_out(
        self,
        offer: Offer,
        provider: &Arc<dyn Provider>,
        audience: &dyn Audience,
        pace: Pace,
        credits: Credits,
    ) -> Result<Ran, OpsError> {
        let Offer { specs, project, mut gathered, graph, plan, newer, .. } = offer;
        let lineage_is_new = give_lineage(&mut gathered)?;
        if let Some(newer) = newer {
            // Whoever has the newer state is told in turn.
            gathered.state.serial = gathered.state.serial.max(newer.serial);
        }
        let steps = Steps::of(&plan, &gathered.state, &specs.types)?;
        let (lookups, previous) = (gathered.lookups.clone(), gathered.state.settings.clone());
        let wanted = project.as_ref().zip(graph.as_ref());
        let wanted = wanted.map(|(project, graph)| (project.world(&lookups, &previous), graph));
        let desired = wanted.as_ref().map(|(world, graph)| (world, *graph));
        let ledger = session::begin(&self.paths, &mut gathered, None)?;
        let lapse = provider.time_lapse();
        let progress = audience.watch(&steps, lapse);
        let (when, started) = (jiff::Timestamp::now(), Instant::now());
        let run = Run {
            provider: Arc::clone(provider),
            types: &specs.types,
            plan: &plan,
            desired,
            state: gathered.state.clone(),
            lineage_is_new,
            settings: desired.map_or(Value::Null, |(world, _)| world.settings()),
            ledger,
            progress: &*progress,
            stop: pace.stop,
            at_once: pace.at_once,
            wait: pace.wait,
        };
        let outcome = apply::run(run).await;
        drop(progress);
        let elapsed = started.elapsed();
        let expected = Duration::from_secs(plan.expected_seconds).div_f64(lapse);
        let report = outcome.report();
        let episode = history::Entry {
            format: history::FORMAT,
            when: second(when),
            command: self.deed.word().to_owned(),
            serial: report.state.serial,
            who: credits.who,
            plan: credits.plan,
            outcome: outcome.word().to_owned(),
            counts: counts(report),
            seconds: elapsed.as_secs(),
            expected_seconds: expected.as_secs(),
            durations: if lapse == 1.0 { durations(report) } else { BTreeMap::new() },
        };
        let mut warnings = Vec::new();
        if let Err(error) = history::append(&self.paths, &episode) {
            warnings.push(format!("the history could not be written: {error}"));
        }
        warnings.extend(register(&**provider, &plan, &outcome, when).await);
        let outputs = match (desired, &outcome) {
            (Some((world, graph)), Outcome::Completed(report)) => session::outputs(world, graph, &report.state),
            _ => Ok(Vec::new()),
        };
        Ok(Ran { outcome, elapsed, expected, outputs, warnings })
    }
}

/// A state that is about to be written for the first time gets a name of its own. Whether it did.
fn give_lineage(gathered: &mut Gathered) -> Result<bool, OpsError> {
    let is_new = gathered.on_disk.is_none() && gathered.state.lineage.is_empty();
    if is_new {
        gathered.state.lineage = new_lineage()?;
    }
    Ok(is_new)
}

/// A random name for a new state: two states with the same instance name are still told apart.
///
/// # Errors
///
/// The system has no randomness.
pub fn new_lineage() -> Result<String, OpsError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(OpsError::Random)?;
    Ok(base16ct::lower::encode_string(&bytes))
}

/// Who holds a lock.
pub fn holder(command: &str) -> Holder {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Holder {
        pid: std::process::id(),
        host: if host.is_empty() { "this machine".to_owned() } else { host },
        command: command.to_owned(),
        started: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// A time as RFC 3339 in UTC, to the second.
fn second(when: jiff::Timestamp) -> String {
    when.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Leaves a note in the cloud of what was applied, for whoever has no state: or takes it back when nothing is left. A
/// warning if that cannot be done.
async fn register(provider: &dyn Provider, plan: &Plan, outcome: &Outcome, when: jiff::Timestamp) -> Option<String> {
    let state = &outcome.report().state;
    let registration = Registration {
        instance: state.instance.clone(),
        title: plan.title.clone(),
        region: state.region.clone(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        applied: second(when),
    };
    let noted = match plan.purpose {
        _ if outcome.report().failed.iter().any(|failure| failure.credentials) => return None,
        Purpose::Apply if !state.rows.is_empty() => provider.register(&registration).await,
        Purpose::Destroy if state.rows.is_empty() => provider.unregister(&registration).await,
        Purpose::Apply | Purpose::Destroy => return None,
    };
    noted.err().map(|error| format!("the note about this instance in AWS could not be written: {error}"))
}

/// How many steps of each kind were done, and what became of the others.
fn counts(report: &Report) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for done in &report.done {
        *counts.entry(done.verb.to_owned()).or_default() += 1;
    }
    for (word, number) in [("failed", report.failed.len()), ("skipped", report.skipped.len())] {
        if number > 0 {
            counts.insert(word.to_owned(), number);
        }
    }
    counts
}

/// How long each type took, by what was done with it. What took no time was no call.
fn durations(report: &Report) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut all: BTreeMap<(String, &str), Vec<u64>> = BTreeMap::new();
    for done in report.done.iter().filter(|done| done.elapsed >= Duration::from_millis(50)) {
        let verb = match done.verb {
            "create" | "replace" => "create",
            verb @ ("update" | "delete") => verb,
            _ => continue,
        };
        let seconds = (done.elapsed.as_secs_f64().round() as u64).max(1);
        all.entry((done.address.type_name.to_string(), verb)).or_default().push(seconds);
    }
    let mut durations: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for ((name, verb), seconds) in all {
        if let Some(seconds) = history::median(seconds) {
            durations.entry(name).or_default().insert(verb.to_owned(), seconds);
        }
    }
    durations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::tests::report;

    #[test]
    fn only_what_took_its_whole_time_is_remembered() {
        let durations = durations(&report());
        let cluster = BTreeMap::from([("create".to_owned(), 250), ("delete".to_owned(), 60)]);
        assert_eq!(durations, BTreeMap::from([("rds.cluster".to_owned(), cluster)]));
        assert_eq!(counts(&report())["failed"], 1);
    }
}
