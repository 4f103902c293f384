//! The loop of an apply: starts steps, takes answers, polls, records.
//!
//! # Guarantees
//!
//! - The loop goes by turns: it takes all answers there are, starts what may start then, brings everything it recorded
//!   meanwhile to the disk in one flush, and only then makes the calls of what it has started. So no call is made before
//!   its intent is in the journal, and nothing starts before the `did` of what it needs is.
//! - The state is saved in every turn that reached a milestone; see [`crate::state::Ledger`] for when that is a write.
//! - A journal or state file that cannot be written stops everything that has not begun; the report has what is not
//!   saved. Credentials that have run out do the same, and leave what AWS goes on with to the next run.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::call::{self, Answer, Circumstances, News};
use super::event::Event;
use super::flights::Flights;
use super::late::{self, Existing, Revealed};
use super::listen::Ears;
use super::queue::Queue;
use super::{Done, Failure, Outcome, Report, Run, Stop, Unsaved};
use crate::address::{Address, Identity};
use crate::plan::order::{Steps, Verb};
use crate::plan::{self, Action, Cause, Change};
use crate::provider::{Attempt, Creation, Herald, Target, Update};
use crate::spec::types::{Order, ResourceType};
use crate::state::{self, Dependents, Intent, LedgerError, Record, Row};
use crate::value::{AttributePath, Known, Planned};

/// A call that is made once its intent is on the disk.
type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

pub(super) struct Engine<'a> {
    pub(super) run: Run<'a>,
    pub(super) steps: &'a Steps,
    pub(super) queue: Queue<'a>,
    pub(super) changes: BTreeMap<&'a Address, &'a Change>,
    pub(super) flights: Flights,
    pub(super) tasks: JoinSet<Answer>,
    /// Calls of this turn, by step.
    calls: Vec<(usize, Call)>,
    /// The state has reached a milestone in this turn.
    unsettled: bool,
    pub(super) tell: UnboundedSender<News>,
    told: UnboundedReceiver<News>,
    pub(super) done: Vec<Done>,
    pub(super) failed: Vec<Failure>,
    pub(super) skipped: Vec<(Address, Address)>,
    /// Why the journal or the state file could not be written.
    unsaved: Option<String>,
    /// Kept up to date with what rows depend on.
    pub(super) dependents: Dependents,
    /// What this run has made anew, not found.
    pub(super) fresh: BTreeSet<Address>,
    /// Creations that found what they were to make, and have not compared it yet.
    pub(super) found: BTreeSet<usize>,
    /// Creations that made nothing new.
    pub(super) taken: BTreeSet<usize>,
    /// The credentials are not good any more: nothing can be asked.
    pub(super) locked_out: bool,
    /// Since when nothing is left but what waits for a person.
    idle_since: Option<Instant>,
    /// How often each job was taken away before its end and begun once more.
    pub(super) taken_away: BTreeMap<Address, u32>,
    /// What programs have printed so far.
    pub(super) ears: Ears,
}

impl<'a> Engine<'a> {
    pub(super) fn new(run: Run<'a>, steps: &'a Steps) -> Self {
        let (tell, told) = unbounded_channel();
        let plan = run.plan;
        Self {
            dependents: Dependents::of(&run.state),
            queue: Queue::new(steps),
            changes: plan.changes.iter().map(|change| (&change.address, change)).collect(),
            run,
            steps,
            flights: Flights::default(),
            tasks: JoinSet::new(),
            calls: Vec::new(),
            unsettled: false,
            tell,
            told,
            done: Vec::new(),
            failed: Vec::new(),
            skipped: Vec::new(),
            unsaved: None,
            fresh: BTreeSet::new(),
            found: BTreeSet::new(),
            taken: BTreeSet::new(),
            locked_out: false,
            idle_since: None,
            taken_away: BTreeMap::new(),
            ears: Ears::default(),
        }
    }

    pub(super) async fn run(mut self) -> Outcome {
        let mut stop = self.run.stop.clone();
        let mut asked = *stop.borrow_and_update();
        let mut listening = true;
        loop {
            if asked == Stop::No && self.unsaved.is_none() && !self.locked_out {
                self.start_ready();
            }
            self.settle();
            self.poll_due();
            if self.flights.is_empty() && self.tasks.is_empty() {
                break;
            }
            let patience = self.patience_with_people();
            // A stop ends the wait for a person too.
            let wants_to_stop = asked != Stop::No && patience.is_some();
            if wants_to_stop || patience.is_some_and(|until| until <= Instant::now()) {
                break;
            }
            let wake = self.next_wake().into_iter().chain(patience).min();
            tokio::select! {
                Some(joined) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    self.joined(joined);
                    while let Some(joined) = self.tasks.try_join_next() {
                        self.joined(joined);
                    }
                }
                Some(news) = self.told.recv() => self.hear(news),
                changed = stop.changed(), if listening => {
                    listening = changed.is_ok();
                    let wish = *stop.borrow_and_update();
                    if wish > asked {
                        asked = wish;
                        self.tell(Event::Stopping { now: wish == Stop::Now });
                    }
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => self.run.progress.tick(),
            }
            if asked == Stop::Now || (self.locked_out && self.flights.calls() == 0) {
                break;
            }
        }
        self.finish(asked)
    }

    /// Until when the run waits for a person, if nothing else is left to do.
    fn patience_with_people(&mut self) -> Option<Instant> {
        if !self.flights.all_wait() {
            self.idle_since = None;
            return None;
        }
        // A cloud that lives fast has people who do, too, and a slow machine takes its time all the same.
        let fast = self.run.wait.div_f64(self.run.provider.time_lapse()).max(Duration::from_secs(20));
        Some(*self.idle_since.get_or_insert_with(Instant::now) + fast.min(self.run.wait))
    }

    fn joined(&mut self, joined: Result<Answer, JoinError>) {
        // News come before the answer that followed them.
        while let Ok(news) = self.told.try_recv() {
            self.hear(news);
        }
        match joined {
            Ok(answer) => self.take(answer),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }

    pub(super) fn tell(&self, event: Event) {
        self.run.progress.event(&event);
    }

    fn finish(mut self, asked: Stop) -> Outcome {
        self.tasks.abort_all();
        let pending: Vec<Address> = self.flights.steps().map(|index| self.steps.step(index).address.clone()).collect();
        let not_started: Vec<Address> =
            self.queue.waiting().map(|index| self.steps.step(index).address.clone()).collect();
        if self.failed.is_empty() && pending.is_empty() && not_started.is_empty() {
            self.run.state.settings = self.run.settings.clone();
            // Everything was seen and, where its lineage was missing, marked.
            self.run.state.marked = true;
        }
        // Whoever could not write a moment ago tries once more: the disk may have room again.
        let unsaved = match (self.run.ledger.close(&self.run.state), self.unsaved) {
            (Ok(()), because) => because.map(|because| Unsaved { because, content: None }),
            (Err(error), because) => Some(Unsaved {
                because: because.unwrap_or_else(|| error.to_string()),
                content: Some(self.run.state.text()),
            }),
        };
        let waiting: Vec<(Address, String)> = self
            .flights
            .waiting()
            .map(|(index, advice)| (self.steps.step(index).address.clone(), advice.to_owned()))
            .collect();
        let stopped = asked != Stop::No && (!not_started.is_empty() || !pending.is_empty());
        let report = Report {
            state: self.run.state,
            done: self.done,
            failed: self.failed,
            skipped: self.skipped,
            pending,
            waiting,
            not_started,
            unsaved,
        };
        if !report.failed.is_empty() || report.unsaved.is_some() {
            Outcome::Halted(report)
        } else if stopped {
            Outcome::Interrupted(report)
        } else if !report.waiting.is_empty() {
            Outcome::Waiting(report)
        } else {
            Outcome::Completed(report)
        }
    }

    // Starting ------------------------------------------------------------------------------------------------------

    fn start_ready(&mut self) {
        while self.flights.calls() < self.run.at_once.max(1) && self.unsaved.is_none() {
            let Some(index) = self.queue.take() else { break };
            self.start(index);
        }
    }

    pub(super) fn verb_word(&self, index: usize) -> &'static str {
        let step = self.steps.step(index);
        let action = self.changes.get(&step.address).map(|change| &change.action);
        match &step.verb {
            Verb::Create if matches!(action, Some(Action::Replace { .. })) => "replace",
            Verb::Create if matches!(action, Some(Action::Run)) => "run",
            Verb::Create if self.taken.contains(&index) => "find",
            Verb::Adopt if self.is_found(index) => "find",
            Verb::Create => "create",
            Verb::Update { .. } => "update",
            Verb::Delete { .. } => "delete",
            Verb::Adopt => "adopt",
            Verb::Forget => "forget",
            Verb::Skip => "skip",
        }
    }

    /// Whether the plan has found in the cloud what no state had.
    fn is_found(&self, index: usize) -> bool {
        let change = self.changes.get(&self.steps.step(index).address);
        change.is_some_and(|change| change.causes.contains(&Cause::Found))
    }

    fn start(&mut self, index: usize) {
        let step = self.steps.step(index);
        let expected = Duration::from_secs(step.expected_seconds).div_f64(self.run.provider.time_lapse());
        self.flights.begin(index, Instant::now());
        let (address, object) = (step.address.clone(), step.object().cloned());
        self.tell(Event::Started { address, verb: self.verb_word(index), object, expected });
        match step.verb.clone() {
            Verb::Create => self.reveal_or_go(index, &|_| true),
            Verb::Update { attributes } if attributes.is_empty() && !self.marks(index) => {
                self.set_protection(&step.address.clone());
                self.finish_step(index);
            }
            Verb::Update { attributes } => {
                self.reveal_or_go(index, &|name| attributes.iter().any(|attribute| attribute == name));
            }
            Verb::Delete { identity } => self.start_delete(index, identity),
            // What an interrupted creation has not done yet, the plan has seen, and makes an update of it.
            Verb::Adopt => {
                self.set_protection(&step.address.clone());
                self.poll_now(index);
            }
            Verb::Forget => {
                self.dependents.forget(&mut self.run.state, &step.address);
                self.finish_step(index);
            }
            Verb::Skip => self.skip(index),
        }
    }

    /// Remembers something as done that was not run. The journal says nothing of it: after a crash the next plan decides
    /// anew.
    fn skip(&mut self, index: usize) {
        let address = self.steps.step(index).address.clone();
        let (Some(change), Some((inputs, depends_on))) = (self.changes.get(&address), self.adopted(&address)) else {
            self.fail(index, "BUG: the plan does not say what counts as done".to_owned(), false);
            return;
        };
        let row = Row::skipped(&address, change.region.clone(), inputs, depends_on);
        self.dependents.note(&address, &row.depends_on);
        self.run.state.rows.insert(address, row);
        self.finish_step(index);
    }

    /// Whether a step puts the tags on a resource that say whose it is.
    fn marks(&self, index: usize) -> bool {
        self.changes.get(&self.steps.step(index).address).is_some_and(|change| change.marks)
    }

    fn set_protection(&mut self, address: &Address) {
        if let (Some(change), Some(row)) = (self.changes.get(address), self.run.state.rows.get_mut(address)) {
            row.protect = change.protect;
        }
    }

    /// Reads the secrets a step needs, if it needs any, and goes on.
    pub(super) fn reveal_or_go(&mut self, index: usize, wanted: &dyn Fn(&str) -> bool) {
        let address = &self.steps.step(index).address;
        let planned = self.changes.get(address).and_then(|change| change.desired.as_ref());
        let secrets: Vec<(Address, AttributePath)> = match (planned, self.run.desired) {
            (Some(planned), Some((_, graph))) => late::secrets_to_read(graph, planned, wanted),
            _ => Vec::new(),
        };
        if secrets.is_empty() {
            self.go(index, &Revealed::new());
            return;
        }
        let mut targets = Vec::new();
        for (address, path) in secrets {
            match self.target(&address) {
                Some(target) => targets.push((target, path)),
                None => {
                    self.fail(index, format!("the secret of {address} does not exist"), false);
                    return;
                }
            }
        }
        self.tasks.spawn(call::reveal(Arc::clone(&self.run.provider), index, targets, self.tell.clone()));
    }

    /// What is recorded under an address, as a target.
    pub(super) fn target(&self, address: &Address) -> Option<Target> {
        self.target_of(address, self.run.state.rows.get(address)?.identity.clone()?)
    }

    /// An object that is, or was, recorded under an address.
    pub(super) fn target_of(&self, address: &Address, identity: Identity) -> Option<Target> {
        let row = self.run.state.rows.get(address)?;
        let (region, recorded) = (row.region.clone(), row.recorded());
        Some(Target { address: address.clone(), region, identity, recorded, owner: None })
    }

    /// An object that is deleted, with the attributes that decide how it is done as the plan says them.
    pub(super) fn doomed(&self, address: &Address, identity: Identity) -> Option<Target> {
        let mut target = self.target_of(address, identity)?;
        let decided = self.changes.get(address).map(|change| &change.deletion).filter(|decided| !decided.is_null());
        let attributes = self.run.types.get(&address.type_name).map(|found| &found.attributes);
        if let (Some(decided), Some(attributes)) = (decided, attributes) {
            for (name, _) in attributes.iter().filter(|(_, attribute)| attribute.deletion.is_some()) {
                target.recorded.set(&[name], decided.get(name).cloned().unwrap_or_default());
            }
        }
        Some(target)
    }

    /// Completes the attributes of a creation or an update, records the intent and makes the call.
    pub(super) fn go(&mut self, index: usize, revealed: &Revealed) {
        let step = self.steps.step(index);
        let address = step.address.clone();
        let (Some(change), Some((world, graph))) = (self.changes.get(&address).copied(), self.run.desired) else {
            self.fail(index, "BUG: there is nothing to make it from".to_owned(), false);
            return;
        };
        let (Some(desired), Some(planned)) = (graph.nodes.get(&address), change.desired.as_ref()) else {
            self.fail(index, "BUG: the plan does not say what to make".to_owned(), false);
            return;
        };
        let changed: Option<Vec<String>> = match &step.verb {
            Verb::Update { attributes } => Some(attributes.clone()),
            _ => None,
        };
        let existing = Existing { state: &self.run.state, graph, revealed };
        let wanted = |name: &str| changed.as_ref().is_none_or(|changed| changed.iter().any(|one| one == name));
        let known = match late::complete(world, desired, planned, &existing, &wanted) {
            Ok(known) => known,
            Err(error) => {
                self.fail(index, error.to_string(), false);
                return;
            }
        };
        match changed {
            None => self.call_create(index, change, planned, known),
            Some(changed) => self.call_update(index, change, planned, known, changed),
        }
    }

    pub(super) fn depends_on(&self, change: &Change) -> BTreeSet<Address> {
        change.depends_on.keys().filter(|needed| self.run.state.rows.contains_key(*needed)).cloned().collect()
    }

    /// Whether something may be there already that a creation would make a second time: something was recorded here
    /// that reads do not show, or a journal was lost. Then everything it was made from is older than this run.
    fn may_exist(&self, index: usize, change: &Change) -> bool {
        // Of these the cloud itself says that there is one.
        if self.run.provider.refuses_second(&change.address.type_name) {
            return false;
        }
        let is_named = self.resource_type(index).is_some_and(|found| found.is_named());
        let is_recorded = self.run.state.rows.contains_key(&change.address);
        matches!(change.action, Action::Create)
            && !self.run.lineage_is_new
            && (is_recorded || (!is_named && !change.depends_on.keys().any(|needed| self.fresh.contains(needed))))
    }

    fn call_create(&mut self, index: usize, change: &Change, planned: &Planned, known: Known) {
        let address = change.address.clone();
        let circumstances = Circumstances {
            look_first: self.may_exist(index, change),
            current: match change.action {
                Action::Replace { .. } => change.identity.clone(),
                _ => None,
            },
            leftovers: self.run.state.rows.get(&address).map(|row| row.replaced.clone()).unwrap_or_default(),
            patience: self.patience(index),
        };
        let natural = late::stored(planned, Some(&known));
        let token = self.token(&address);
        let is_recorded = self.run.state.rows.get(&address).is_some_and(|row| row.identity.is_some());
        let intent = Intent {
            action: state::Verb::Create,
            region: change.region.clone(),
            token: token.clone(),
            identity: None,
            natural,
            protect: change.protect,
            depends_on: self.depends_on(change),
            makes_room: false,
            old_is_gone: is_recorded && !matches!(change.action, Action::Replace { order: Order::CreateFirst, .. }),
        };
        if !self.record(Record::Intent { address: address.clone(), intent }) {
            self.put_back(index);
            return;
        }
        let tags = plan::owner(&self.run.state).tags(&address);
        let region = change.region.clone();
        // One that begins once more may have left an earlier one behind.
        let tags_are_new = self.run.lineage_is_new && !self.taken_away.contains_key(&address);
        let tell = self.tell.clone();
        // Nobody listening means the loop has left.
        let herald = Herald::new(move |created| drop(tell.send(News::Exists { step: index, created })));
        let attempt = Attempt { is_first: true, tags_are_new, herald };
        let creation = Creation { address, region, attributes: known, tags, token, attempt };
        let provider = Arc::clone(&self.run.provider);
        self.call(index, call::create(provider, index, creation, circumstances, self.tell.clone()));
    }

    fn call_update(&mut self, index: usize, change: &Change, planned: &Planned, known: Known, changed: Vec<String>) {
        let address = change.address.clone();
        let Some(target) = self.target(&address) else {
            self.fail(index, "BUG: it is changed but was never made".to_owned(), false);
            return;
        };
        let intent = Intent {
            action: state::Verb::Update,
            region: change.region.clone(),
            token: self.token(&address),
            identity: Some(target.identity.clone()),
            natural: late::stored(planned, Some(&known)),
            protect: change.protect,
            depends_on: self.depends_on(change),
            makes_room: false,
            old_is_gone: false,
        };
        if !self.record(Record::Intent { address, intent }) {
            self.put_back(index);
            return;
        }
        let mark = change.marks.then(|| plan::owner(&self.run.state).tags(&change.address));
        let target = Target { owner: Some(plan::owner(&self.run.state)), ..target };
        let update = Update { target, desired: known, changed };
        let patience = self.patience(index);
        let provider = Arc::clone(&self.run.provider);
        self.call(index, call::update(provider, index, update, mark, patience, self.tell.clone()));
    }

    /// Whether a deletion makes room for the object that is going to be made at the same address.
    fn makes_room(&self, index: usize) -> bool {
        let step = self.steps.step(index);
        let replaces =
            self.changes.get(&step.address).is_some_and(|change| matches!(change.action, Action::Replace { .. }));
        replaces && !step.is_old
    }

    fn start_delete(&mut self, index: usize, identity: Identity) {
        let address = self.steps.step(index).address.clone();
        let Some(row) = self.run.state.rows.get(&address) else {
            self.fail(index, "BUG: it is deleted but was never recorded".to_owned(), false);
            return;
        };
        if self.steps.step(index).is_old && row.identity.as_ref() == Some(&identity) {
            // A creation has found it by its name and taken it over, so it is superfluous no more.
            self.finish_step(index);
            return;
        }
        let Some(target) = self.doomed(&address, identity) else { return };
        let target = Target { owner: Some(plan::owner(&self.run.state)), ..target };
        let intent = Intent {
            action: state::Verb::Delete,
            region: row.region.clone(),
            token: self.token(&address),
            identity: Some(target.identity.clone()),
            natural: row.inputs.clone(),
            protect: row.protect,
            depends_on: row.depends_on.clone(),
            makes_room: self.makes_room(index),
            old_is_gone: false,
        };
        if !self.record(Record::Intent { address, intent }) {
            self.put_back(index);
            return;
        }
        self.call(index, call::delete(Arc::clone(&self.run.provider), index, target));
    }

    /// Makes a call at the end of this turn.
    pub(super) fn call(&mut self, index: usize, call: impl Future<Output = Answer> + Send + 'static) {
        self.calls.push((index, Box::pin(call)));
    }

    /// Ends a turn: what happened in it comes to the disk, then its calls are made.
    fn settle(&mut self) {
        let flushed = self.run.ledger.flush().map_err(LedgerError::from);
        let is_recorded = self.note_unsaved(flushed);
        for (index, call) in std::mem::take(&mut self.calls) {
            if is_recorded {
                self.tasks.spawn(call);
            } else {
                self.put_back(index);
            }
        }
        if std::mem::take(&mut self.unsettled) && self.unsaved.is_none() {
            let written = self.run.ledger.save(&self.run.state);
            self.note_unsaved(written);
        }
    }

    /// A step whose intent could not be recorded never began.
    fn put_back(&mut self, index: usize) {
        self.flights.end(index);
        self.queue.put_back(index);
    }

    /// The same for every try at one creation in this run: AWS recognises a repeated request by it. A job that is begun
    /// once more is another creation.
    fn token(&self, address: &Address) -> String {
        let mut text = format!("{} {} {address}", self.run.state.lineage, self.run.state.serial);
        if let Some(times) = self.taken_away.get(address) {
            text.push_str(&format!(" {times}"));
        }
        let mut token = state::sha256(text.as_bytes());
        token.truncate(32);
        token
    }

    pub(super) fn resource_type(&self, index: usize) -> Option<&'a ResourceType> {
        self.run.types.get(&self.steps.step(index).address.type_name).map(Arc::as_ref)
    }

    // Recording -----------------------------------------------------------------------------------------------------

    /// Adds a record to those of this turn; after a failure nothing new is started.
    pub(super) fn record(&mut self, record: Record) -> bool {
        let written = self.run.ledger.record(record);
        self.note_unsaved(written.map_err(LedgerError::from))
    }

    /// Records what has happened to a resource, and lets the state follow. The state follows also where nothing can be
    /// recorded any more: it is what the report has then.
    pub(super) fn happened(&mut self, record: Record) {
        let Some(address) = record.address().cloned() else { return };
        self.record(record);
        self.run.state.follow(&address, self.run.ledger.progress(&address));
        match self.run.state.rows.get(&address) {
            Some(row) => self.dependents.note(&address, &row.depends_on),
            None => self.dependents.forgotten(&mut self.run.state, &address),
        }
    }

    /// Has the state saved at the end of this turn.
    pub(super) fn save(&mut self) {
        self.unsettled = true;
    }

    fn note_unsaved(&mut self, written: Result<(), LedgerError>) -> bool {
        let Err(error) = written else { return true };
        self.unsaved.get_or_insert_with(|| with_causes(&error));
        false
    }
}

/// An error with what caused it: that a disk is full stands in the last one.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(current) = cause {
        let said = current.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = current.source();
    }
    text
}
