//! The answers of calls: each moves a step on to existing, complete, ready, gone or failed.
//!
//! # Guarantees
//!
//! - Whatever an answer says is recorded before a step moves on because of it.
//! - What a creation has found instead of making is compared, and completed in the same run, before it counts as done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::blame;
use super::call::{self, Answer, News};
use super::engine::Engine;
use super::event::Event;
use super::late::{self, Existing, LateError, Revealed};
use super::queue::Stage;
use super::{Done, Failure};
use crate::address::{Address, Identity};
use crate::diagnostic::Location;
use crate::plan::diff::{self, Course, Sides};
use crate::plan::order::Verb;
use crate::plan::resolve::Desired;
use crate::provider::{Created, Deletion, ProviderError, Update};
use crate::spec::types::Milestone;
use crate::state::{Progress, Record, Status};
use crate::value::{Known, Planned, Tree, Value};

/// How often a job that was taken away is begun once more in one run.
const ONCE_MORE: u32 = 3;

/// The wish of a change for a resource that exists: as the file has it, as the plan has it, and complete.
struct Wanted<'a> {
    desired: &'a Desired,
    planned: &'a Planned,
    known: Known,
}

impl<'a> Engine<'a> {
    pub(super) fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Revealed { step, secrets } => self.go(step, &secrets.into_iter().collect()),
            Answer::Created { step, created, is_fresh } => self.created(step, created, is_fresh),
            Answer::Updated { step } => self.updated(step),
            Answer::Deleting { step, deletion } => self.deleting(step, deletion),
            Answer::DeleteLater { step, error } => self.delete_later(step, &error),
            Answer::Failed { step, error } => {
                self.locked_out |= error.kind.locks_out();
                let location = self.blamed(step, &error);
                self.fail_at(step, error.to_string(), error.kind.locks_out(), location);
            }
            Answer::Observed { steps, observations } => self.observed(&steps, observations),
            Answer::Printed { step, printed } => self.heard(step, printed),
        }
    }

    /// Takes news of a call.
    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Again(again) => self.retrying(again.step, &again.why, again.reason, again.after),
            News::Exists { step, created } => self.exists(step, created),
        }
    }

    /// The resource of a creation exists, and the creation goes on: others that need no more than that may start.
    fn exists(&mut self, index: usize, created: Created) {
        // The answer may have been faster.
        if !self.flights.is_called(index) || self.queue.stage(index) != Stage::Running {
            return;
        }
        let address = self.steps.step(index).address.clone();
        self.fresh.insert(address);
        self.made(index, created.identity, &created.attributes);
        if self.is_told(index, Milestone::Created) {
            self.reach_created(index);
        }
    }

    /// Records what the cloud has made, and has the state saved.
    fn made(&mut self, index: usize, identity: Identity, attributes: &Value) {
        let address = self.steps.step(index).address.clone();
        let facts = self.facts(index, &Value::Null, attributes);
        self.happened(Record::Did { address, identity, facts });
        self.save();
    }

    fn created(&mut self, index: usize, created: Created, is_fresh: bool) {
        let address = self.steps.step(index).address.clone();
        if is_fresh {
            self.fresh.insert(address.clone());
        } else {
            self.found.insert(index);
            self.taken.insert(index);
        }
        if let Progress::Done { made, .. } = self.run.ledger.progress(&address)
            && made.identity != created.identity
        {
            let message = format!("{} disappeared while it was made, and {} is there", made.identity, created.identity);
            self.fail(index, message, false);
            return;
        }
        self.made(index, created.identity, &created.attributes);
        if self.found.contains(&index) {
            // It may differ from what was to be made.
            self.poll_now(index);
        } else {
            self.after_call(index, &created.attributes);
        }
    }

    /// Completes the wish of this resource's change; none if it wants nothing.
    fn wanted(&self, address: &Address) -> Option<Result<Wanted<'a>, LateError>> {
        let (world, graph) = self.run.desired?;
        let (desired, change) = (graph.nodes.get(address)?, *self.changes.get(address)?);
        let planned = change.desired.as_ref()?;
        let revealed = Revealed::new();
        let existing = Existing { state: &self.run.state, graph, revealed: &revealed };
        let known = late::complete(world, desired, planned, &existing, &|_| false);
        Some(known.map(|known| Wanted { desired, planned, known }))
    }

    /// Completes what a creation has found instead of making: whatever differs from what was to be made is changed.
    /// Returns whether a change was begun or the step has failed.
    pub(super) fn complete_found(&mut self, index: usize, observed: &Value) -> bool {
        if !self.found.remove(&index) {
            return false;
        }
        let Some(resource_type) = self.resource_type(index) else { return false };
        let address = self.steps.step(index).address.clone();
        let (Some(wanted), Some(target)) = (self.wanted(&address), self.target(&address)) else { return false };
        let Wanted { desired, planned, known } = match wanted {
            Ok(wanted) => wanted,
            Err(error) => {
                self.fail(index, error.to_string(), false);
                return true;
            }
        };
        let comparable = late::comparable(planned, Some(&known));
        let inputs = self.run.state.rows.get(&address).map(|row| row.inputs.clone()).unwrap_or_default();
        let sides = Sides { desired: &comparable, recorded: &inputs, observed: Some(observed), is_settled: false };
        let differences = diff::diff(resource_type, &sides, &desired.resource.ignore, &|_| false);
        let to_change =
            differences.iter().filter(|difference| !difference.sensitive && difference.course == Course::Change);
        let (fixed, changed): (Vec<_>, Vec<_>) = to_change.partition(|difference| difference.immutable);
        if let Some(difference) = fixed.first() {
            let path = difference.path.join(".");
            let identity = &target.identity;
            let message = format!("{identity} exists already, and its {path} differs and cannot be changed in place");
            self.fail(index, message, false);
            return true;
        }
        let changed: BTreeSet<String> =
            changed.into_iter().filter_map(|difference| difference.path.first().cloned()).collect();
        if changed.is_empty() {
            return false;
        }
        let update = Update { target, desired: known, changed: changed.into_iter().collect() };
        let (patience, provider) = (self.patience(index), Arc::clone(&self.run.provider));
        self.flights.call(index);
        self.call(index, call::update(provider, index, update, None, patience, self.tell.clone()));
        true
    }

    fn updated(&mut self, index: usize) {
        let address = self.steps.step(index).address.clone();
        if let Some(identity) = self.run.state.rows.get(&address).and_then(|row| row.identity.clone()) {
            self.happened(Record::Did { address, identity, facts: Value::Null });
        }
        self.save();
        self.after_call(index, &Value::Null);
    }

    /// After a creation or an update was accepted with this answer: what can be told at once, and what must be read.
    fn after_call(&mut self, index: usize, answer: &Value) {
        let Some(resource_type) = self.resource_type(index) else { return };
        let is_created = self.is_told(index, Milestone::Created);
        let is_good = resource_type.ready.as_ref().is_none_or(|ready| {
            let status = answer.get(&ready.attribute).and_then(Tree::as_text);
            status.is_some_and(|status| ready.good.iter().any(|good| good == status))
        });
        if is_good && self.is_told(index, Milestone::Ready) {
            self.ready(index);
            return;
        }
        if is_created {
            self.reach_created(index);
        }
        // Some resources are ready at once.
        self.poll_now(index);
    }

    /// Tells whether every fact is known that can be read at this milestone.
    pub(super) fn is_told(&self, index: usize, milestone: Milestone) -> bool {
        let Some(resource_type) = self.resource_type(index) else { return true };
        let row = self.run.state.rows.get(&self.steps.step(index).address);
        resource_type.attributes.iter().all(|(name, attribute)| {
            let is_due =
                attribute.computed && !attribute.sensitive && !attribute.volatile && attribute.known <= milestone;
            !is_due || row.is_some_and(|row| row.facts.get(name).is_some())
        })
    }

    /// The attributes and needs to record of something that an interrupted run made or changed: the plan found no
    /// difference to what it should be, though the state may still have what it was before.
    pub(super) fn adopted(&self, address: &Address) -> Option<(Value, BTreeSet<Address>)> {
        let Wanted { planned, known, .. } = self.wanted(address)?.ok()?;
        Some((late::stored(planned, Some(&known)), self.depends_on(self.changes.get(address)?)))
    }

    pub(super) fn reach_created(&mut self, index: usize) {
        if self.queue.stage(index) == Stage::Running {
            self.queue.reach(index, Milestone::Created);
            self.tell(Event::Created { address: self.steps.step(index).address.clone() });
        }
    }

    pub(super) fn ready(&mut self, index: usize) {
        let address = self.steps.step(index).address.clone();
        if self.run.ledger.progress(&address).is_open() {
            let facts = self.run.state.rows.get(&address).map(|row| row.facts.clone()).unwrap_or_default();
            self.happened(Record::Ready { address, facts });
        } else {
            self.adopt(index, &address);
        }
        self.finish_step(index);
    }

    /// Records the end of an adoption. It has no intent in the journal: after a crash the next run makes it again.
    fn adopt(&mut self, index: usize, address: &Address) {
        // A job that is over ran with the recorded attributes.
        let is_kept = self.resource_type(index).is_some_and(|found| !found.once);
        let is_adopted = is_kept && matches!(self.steps.step(index).verb, Verb::Adopt);
        let adopted = is_adopted.then(|| self.adopted(address)).flatten();
        let Some(row) = self.run.state.rows.get_mut(address) else { return };
        row.status = Status::Ready;
        row.problem = None;
        if let Some((inputs, depends_on)) = adopted {
            row.inputs = inputs;
            row.depends_on = depends_on;
            self.dependents.note(address, &row.depends_on);
        }
    }

    fn deleting(&mut self, index: usize, deletion: Deletion) {
        let Some(resource_type) = self.resource_type(index) else { return };
        let address = self.steps.step(index).address.clone();
        // A deletion that is asked for again was accepted before.
        if let Progress::Intended { intent } = self.run.ledger.progress(&address)
            && let Some(identity) = intent.identity.clone()
        {
            self.happened(Record::Did { address, identity, facts: Value::Null });
            self.save();
        }
        match deletion {
            // Nothing that is asked of people is in the cloud.
            Deletion::Accepted if resource_type.ready.is_none() || resource_type.is_asked_for() => self.gone(index),
            Deletion::Accepted => self.poll_later(index),
            Deletion::Again => self.poll_after_pause(index, true),
        }
    }

    fn delete_later(&mut self, index: usize, error: &ProviderError) {
        if self.is_over(index) {
            self.fail(index, error.to_string(), false);
            return;
        }
        let after = self.pause_of_refused(index);
        self.retrying(index, &error.without_number(), error.to_string(), after);
        self.poll_after_pause(index, true);
    }

    /// Says that a call is tried again, once for each reason.
    fn retrying(&mut self, index: usize, why: &str, reason: String, after: Duration) {
        if self.flights.refused(index, why) {
            let address = self.steps.step(index).address.clone();
            self.tell(Event::Retrying { address, reason, after });
        }
    }

    pub(super) fn gone(&mut self, index: usize) {
        self.happened(Record::Gone { address: self.steps.step(index).address.clone() });
        self.finish_step(index);
    }

    pub(super) fn finish_step(&mut self, index: usize) {
        let step = self.steps.step(index);
        let elapsed = self.flights.end(index).map_or(Duration::ZERO, |flight| flight.since.elapsed());
        self.listen_to_the_end(index);
        let verb = self.verb_word(index);
        self.save();
        self.queue.reach(index, Milestone::Ready);
        self.tell(Event::Finished { address: step.address.clone(), verb, object: step.object().cloned(), elapsed });
        self.done.push(Done { address: step.address.clone(), verb, elapsed });
    }

    /// Begins a job once more that was taken away before its end, a few times. Whether it does.
    pub(super) fn begin_once_more(&mut self, index: usize, report: &str) -> bool {
        let address = self.steps.step(index).address.clone();
        let times = self.taken_away.entry(address.clone()).or_default();
        if *times >= ONCE_MORE {
            return false;
        }
        *times += 1;
        // The next one has its own intent: a crash from here on knows that this one has ended.
        if self.run.ledger.progress(&address).is_open() {
            self.happened(Record::Failed { address: address.clone(), error: report.to_owned() });
        }
        self.tell(Event::Retrying { address, reason: report.to_owned(), after: Duration::ZERO });
        self.ears.forget(index);
        self.flights.begin(index, Instant::now());
        self.reveal_or_go(index, &|_| true);
        true
    }

    /// Stops asking anything, because the credentials are not good any more. What is under way stays so.
    pub(super) fn lock_out(&mut self, index: usize, error: &ProviderError) {
        if !self.locked_out {
            let address = self.steps.step(index).address.clone();
            self.failed.push(Failure { address, message: error.to_string(), credentials: true, location: None });
        }
        self.locked_out = true;
        self.poll_later(index);
    }

    /// The place of the file that decides what the cloud has refused.
    fn blamed(&self, index: usize, error: &ProviderError) -> Option<Location> {
        let step = self.steps.step(index);
        let (world, graph) = self.run.desired?;
        let changed = match &step.verb {
            Verb::Update { attributes } => Some(attributes.as_slice()),
            _ => None,
        };
        let desired = graph.nodes.get(&step.address)?;
        blame::place(error, desired, changed, world)
    }

    pub(super) fn fail(&mut self, index: usize, message: String, credentials: bool) {
        self.fail_at(index, message, credentials, None);
    }

    fn fail_at(&mut self, index: usize, message: String, credentials: bool, location: Option<Location>) {
        let address = self.steps.step(index).address.clone();
        self.flights.end(index);
        self.listen_to_the_end(index);
        if self.run.ledger.progress(&address).is_open() {
            self.happened(Record::Failed { address: address.clone(), error: message.clone() });
        } else if let Some(row) = self.run.state.rows.get_mut(&address)
            && row.status == Status::Creating
        {
            // An adoption has no intent in the journal.
            row.status = Status::Failed;
            row.problem = Some(message.clone());
        }
        self.save();
        self.tell(Event::Failed { address: address.clone(), message: message.clone() });
        self.failed.push(Failure { address: address.clone(), message, credentials, location });
        for skipped in self.queue.fail(index) {
            let skipped = self.steps.step(skipped).address.clone();
            self.tell(Event::Skipped { address: skipped.clone(), because: address.clone() });
            self.skipped.push((skipped, address.clone()));
        }
    }
}
