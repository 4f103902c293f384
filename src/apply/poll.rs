//! Looking at what is under way: when, for how long, and what the looks mean.
//!
//! A look asks for everything of one type and region that is waited for, in one call. Nothing here makes a change by
//! itself; what is seen moves steps on, by way of [`Engine`].

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::call;
use super::engine::Engine;
use super::event::Event;
use super::queue::Stage;
use crate::address::Address;
use crate::plan::order::Verb;
use crate::provider::{Observation, Observations, ProviderError, Target};
use crate::spec::types::{Condition, Milestone, Remedy, ResourceType};
use crate::state::{Record, Status};
use crate::value::{Tree, Value};

/// The least time between two looks, in the cloud's time. The first one comes as soon as the call is accepted.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// The time between two looks at what does not get ready at once, and the least before a refused call is repeated.
const USUAL_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How long until the next look at what has been under way for `elapsed` and usually takes `expected`, in the cloud's time.
/// At first half of what has passed, since much is ready within a second; up to the usual pause; a tenth for what takes
/// minutes; but no longer than until the expected end.
fn pause_after(elapsed: Duration, expected: Duration) -> Duration {
    let pause = (elapsed / 2).clamp(SHORTEST_PAUSE, USUAL_PAUSE).max((elapsed / 10).min(LONGEST_PAUSE));
    match expected.saturating_sub(elapsed) {
        Duration::ZERO => pause,
        left => pause.min(left.max(SHORTEST_PAUSE)),
    }
}

/// The same while a person has to act.
fn pause_for_person(elapsed: Duration) -> Duration {
    (elapsed / 10).clamp(Duration::from_secs(15), Duration::from_secs(60))
}

impl Engine<'_> {
    /// How long until the next look at a step.
    pub(super) fn pause(&self, index: usize) -> Duration {
        let lapse = self.run.provider.time_lapse();
        let flight = self.flights.get(index);
        let elapsed = flight.map_or(Duration::ZERO, |flight| flight.since.elapsed()).mul_f64(lapse);
        let pause = match flight.is_some_and(|flight| flight.advice.is_some()) {
            true => pause_for_person(elapsed),
            false => pause_after(elapsed, Duration::from_secs(self.steps.step(index).expected_seconds)),
        };
        pause.div_f64(lapse)
    }

    /// How long until a refused call is repeated.
    pub(super) fn pause_of_refused(&self, index: usize) -> Duration {
        self.pause(index).max(USUAL_PAUSE.div_f64(self.run.provider.time_lapse()))
    }

    fn poll_at(&mut self, index: usize, due: Instant, delete_again: bool) {
        let address = &self.steps.step(index).address;
        let region = self.run.state.rows.get(address).map(|row| row.region.clone()).unwrap_or_default();
        self.flights.pause(index, (address.type_name.clone(), region), due, delete_again);
    }

    pub(super) fn poll_now(&mut self, index: usize) {
        self.poll_at(index, Instant::now(), false);
    }

    /// Looks after the usual pause.
    pub(super) fn poll_later(&mut self, index: usize) {
        self.poll_after_pause(index, false);
    }

    pub(super) fn poll_after_pause(&mut self, index: usize, delete_again: bool) {
        let pause = if delete_again { self.pause_of_refused(index) } else { self.pause(index) };
        self.poll_at(index, Instant::now() + pause, delete_again);
    }

    /// When there is something to look at, or time to show; `None` while only answers are waited for.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let tick = self.run.progress.interval().map(|interval| Instant::now() + interval);
        self.flights.next_due().into_iter().chain(tick).min()
    }

    /// Asks for everything that is due, and with it for everything of the same type that will be due soon: one call.
    pub(super) fn poll_due(&mut self) {
        for kind in self.flights.due(Instant::now()) {
            let (mut steps, mut targets) = (Vec::new(), Vec::new());
            for index in kind {
                match self.poll_target(index) {
                    Some(target) => {
                        steps.push(index);
                        targets.push(target);
                    }
                    None => self.fail(index, "BUG: it is waited for and not recorded".to_owned(), false),
                }
            }
            if !targets.is_empty() {
                self.tasks.spawn(call::observe(Arc::clone(&self.run.provider), steps, targets));
            }
        }
    }

    pub(super) fn poll_target(&self, index: usize) -> Option<Target> {
        let step = self.steps.step(index);
        match &step.verb {
            Verb::Delete { identity } => self.doomed(&step.address, identity.clone()),
            _ => self.target(&step.address),
        }
    }

    /// How long the cloud may refuse a call for now. Types that count as gone while AWS still deletes them keep their name
    /// busy for as long, and their changes one another. A resource that AWS still makes takes no change before that is over.
    pub(super) fn patience(&self, index: usize) -> Option<Duration> {
        let resource_type = self.resource_type(index)?;
        let ready = resource_type.ready.as_ref()?;
        let lingers = (!ready.gone.is_empty()).then_some(resource_type.timeout.delete);
        lingers.max(self.completes(index).then_some(resource_type.timeout.create))
    }

    /// Says whether a step changes a resource that an interrupted run was making.
    fn completes(&self, index: usize) -> bool {
        let step = self.steps.step(index);
        let row = self.run.state.rows.get(&step.address);
        matches!(step.verb, Verb::Update { .. }) && row.is_some_and(|row| row.status == Status::Creating)
    }

    /// How long a step may take in all, in the cloud's time.
    fn limit(&self, index: usize, resource_type: &ResourceType) -> Duration {
        let timeout = &resource_type.timeout;
        match self.steps.step(index).verb {
            Verb::Create | Verb::Adopt => timeout.create,
            Verb::Update { .. } if self.completes(index) => timeout.create + timeout.update,
            Verb::Update { .. } => timeout.update,
            Verb::Delete { .. } | Verb::Forget | Verb::Skip => timeout.delete,
        }
    }

    pub(super) fn is_over(&self, index: usize) -> bool {
        let Some((flight, resource_type)) = self.flights.get(index).zip(self.resource_type(index)) else {
            return false;
        };
        let limit = self.limit(index, resource_type);
        flight.since.elapsed() > limit.div_f64(self.run.provider.time_lapse()).max(Duration::from_secs(20))
    }

    pub(super) fn observed(&mut self, steps: &[usize], mut observations: Observations) {
        for index in steps {
            let address = self.steps.step(*index).address.clone();
            let Some(observation) = observations.remove(&address) else { continue };
            if self.flights.get(*index).is_none() {
                continue;
            }
            if matches!(self.steps.step(*index).verb, Verb::Delete { .. }) {
                self.observed_deletion(*index, observation);
            } else {
                self.observed_making(*index, observation);
            }
        }
    }

    fn tell_status(&mut self, index: usize, status: &str) {
        if self.flights.tell(index, status) {
            let address = self.steps.step(index).address.clone();
            self.tell(Event::Status { address, status: status.to_owned() });
        }
    }

    /// An advice to a person, with what is recorded of a step and what the cloud shows of it now.
    fn advice(&self, index: usize, advice: &str, attributes: &Value) -> String {
        let address = &self.steps.step(index).address;
        let (Some(resource_type), Some(row)) = (self.resource_type(index), self.run.state.rows.get(address)) else {
            return advice.to_owned();
        };
        resource_type.advice(advice, &row.shown(attributes), &row.region)
    }

    fn tell_advice(&mut self, index: usize, advice: Option<String>) {
        if self.flights.wait(index, advice.clone())
            && let Some(advice) = advice
        {
            let address = self.steps.step(index).address.clone();
            self.tell(Event::Waits { address, advice });
        }
    }

    fn observed_deletion(&mut self, index: usize, observation: Observation) {
        let Some(resource_type) = self.resource_type(index) else { return };
        let attributes = match observation {
            // A resource of somebody else under the same name: ours is gone.
            Observation::Gone | Observation::Foreign(_) => {
                self.gone(index);
                return;
            }
            Observation::Found(observed) => observed.attributes,
            Observation::Failed(error) => {
                self.poll_failed(index, &error);
                return;
            }
        };
        if let Some(ready) = &resource_type.ready
            && let Some(status) = attributes.get(&ready.attribute).and_then(Tree::as_text)
        {
            self.tell_status(index, status);
            // What is done, not kept, is gone at its end.
            let has_ended = ready.condition(status).is_final();
            if ready.gone.iter().any(|gone| gone == status) || (resource_type.once && has_ended) {
                self.gone(index);
                return;
            }
        }
        match self.poll_target(index) {
            // Also when its time is over: the answer says what is in the way.
            Some(target) if self.flights.must_delete_again(index) => {
                self.flights.call(index);
                self.tasks.spawn(call::delete(Arc::clone(&self.run.provider), index, target));
            }
            _ if self.is_over(index) => self.fail(index, "it was not gone in time".to_owned(), false),
            _ => self.poll_later(index),
        }
    }

    fn poll_failed(&mut self, index: usize, error: &ProviderError) {
        if error.kind.locks_out() {
            // Nothing is wrong with the resource: the next run looks again.
            self.lock_out(index, error);
        } else if error.kind.is_transient() && !self.is_over(index) {
            self.poll_later(index);
        } else {
            self.fail(index, error.to_string(), false);
        }
    }

    fn observed_making(&mut self, index: usize, observation: Observation) {
        let Some(resource_type) = self.resource_type(index) else { return };
        let attributes = match observation {
            Observation::Found(observed) => observed.attributes,
            // What was just made may not be visible yet.
            Observation::Gone if self.is_over(index) => {
                self.fail(index, "it disappeared while it was waited for".to_owned(), false);
                return;
            }
            Observation::Foreign(_) => {
                self.fail(index, "it is not this instance's".to_owned(), false);
                return;
            }
            Observation::Gone => {
                self.poll_later(index);
                return;
            }
            Observation::Failed(error) => {
                self.poll_failed(index, &error);
                return;
            }
        };
        self.listen(index);
        let address = self.steps.step(index).address.clone();
        let facts = {
            let before = self.run.state.rows.get(&address).map(|row| row.facts.clone()).unwrap_or_default();
            self.facts(index, &before, &attributes)
        };
        self.learned(&address, facts);
        let status = resource_type
            .ready
            .as_ref()
            .and_then(|ready| attributes.get(&ready.attribute))
            .and_then(Tree::as_text)
            .map(str::to_owned);
        if let (Some(ready), Some(status)) = (&resource_type.ready, &status) {
            self.tell_status(index, status);
            let condition = ready.condition(status);
            let advice = match condition {
                Condition::Waits(advice) => Some(self.advice(index, advice, &attributes)),
                _ => None,
            };
            self.tell_advice(index, advice);
            let is_over = match condition {
                Condition::Failed(_) | Condition::Stopped(_) => ready.report(&attributes),
                Condition::Good | Condition::Passing | Condition::Waits(_) | Condition::Going => None,
            };
            if let (Some(report), Condition::Failed(Remedy::AtOnce), true) = (&is_over, condition, resource_type.once)
                && self.begin_once_more(index, &format!("AWS reports it as {report}"))
            {
                return;
            }
            if let Some(report) = is_over {
                let region = self.run.state.rows.get(&address).map(|row| row.region.as_str()).unwrap_or_default();
                let told = |advice| format!("; {}", resource_type.advice(advice, &attributes, region));
                let advice = condition.advice().map(told).unwrap_or_default();
                self.fail(index, format!("AWS reports it as {report}{advice}"), false);
                return;
            }
        }
        let is_ready = match (&resource_type.ready, &status) {
            (None, _) => true,
            (Some(ready), Some(status)) => ready.good.contains(status),
            (Some(_), None) => false,
        };
        if is_ready {
            if !self.complete_found(index, &attributes) {
                self.ready(index);
            }
            return;
        }
        if self.queue.stage(index) == Stage::Running && self.is_told(index, Milestone::Created) {
            self.save();
            self.reach_created(index);
        }
        // Nobody knows how long a person takes.
        let waits = self.flights.get(index).is_some_and(|flight| flight.advice.is_some());
        if !waits && self.is_over(index) {
            let status = status.map_or_else(String::new, |status| format!("; AWS reports it as {status}"));
            self.fail(index, format!("it was not ready in time{status}"), false);
            return;
        }
        self.poll_later(index);
    }

    /// Remembers the facts of a look, and records them if they are news about something that is under way.
    fn learned(&mut self, address: &Address, facts: Value) {
        let Some(row) = self.run.state.rows.get_mut(address) else { return };
        if row.facts == facts {
            return;
        }
        match row.identity.clone() {
            Some(identity) if self.run.ledger.progress(address).is_open() => {
                self.happened(Record::Did { address: address.clone(), identity, facts });
            }
            _ => row.facts = facts,
        }
    }

    /// Computed attributes worth remembering: neither secret nor volatile.
    pub(super) fn facts(&self, index: usize, before: &Value, observed: &Value) -> Value {
        let mut facts = before.as_map().cloned().unwrap_or_default();
        let Some(resource_type) = self.resource_type(index) else { return Tree::Map(facts) };
        for (name, value) in observed.as_map().into_iter().flatten() {
            let worth = resource_type
                .attributes
                .get(name)
                .is_some_and(|attribute| attribute.computed && !attribute.sensitive && !attribute.volatile);
            if worth && !value.is_null() {
                facts.insert(name.clone(), value.clone());
            }
        }
        Tree::Map(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_early_at_first_and_then_as_often_as_the_wait_deserves() {
        let pause = |milliseconds| pause_after(Duration::from_millis(milliseconds), Duration::ZERO).as_millis();
        assert_eq!([0, 400, 1000, 4000, 20_000].map(pause), [100, 200, 500, 2000, 2000]);
        assert_eq!([60_000, 600_000].map(pause), [6000, 15_000]);
        let looks_within = |seconds: u64| {
            let (mut elapsed, mut looks) = (SHORTEST_PAUSE, 0);
            while elapsed <= Duration::from_secs(seconds) {
                elapsed += pause_after(elapsed, Duration::ZERO);
                looks += 1;
            }
            looks
        };
        assert_eq!([1, 2, 4, 60].map(looks_within), [5, 7, 9, 28]);
        assert_eq!(
            [0, 300, 6000].map(|seconds| pause_for_person(Duration::from_secs(seconds)).as_secs()),
            [15, 30, 60]
        );
    }

    #[test]
    fn a_look_comes_at_the_expected_end() {
        let pause =
            |milliseconds| pause_after(Duration::from_millis(milliseconds), Duration::from_secs(600)).as_millis();
        assert_eq!([300_000, 590_000, 599_990, 600_000].map(pause), [15_000, 10_000, 100, 15_000]);
    }
}
