//! How long an apply still takes: the longest chain of what is running and what waits for it.
//!
//! Knows no clock: times are those since the apply started, and they are told. Fed with the events of the apply.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::event::Event;
use crate::address::Address;
use crate::plan::order::{Steps, Verb};
use crate::spec::types::Milestone;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Running {
        since: Duration,
    },
    /// Done, failed or skipped.
    Over,
}

/// The steps of an apply and how far each has come, as its events tell.
pub struct Forecast<'steps> {
    steps: &'steps Steps,
    /// How much faster than its estimates this cloud lives.
    lapse: f64,
    stages: Vec<Stage>,
    /// The steps of each address, in their order.
    numbers: BTreeMap<&'steps Address, Vec<usize>>,
    /// Steps that wait, by the time of the longest chain that they begin.
    waiting: BTreeSet<(u64, usize)>,
    running: BTreeSet<usize>,
}

impl<'steps> Forecast<'steps> {
    pub fn new(steps: &'steps Steps, lapse: f64) -> Self {
        let mut numbers: BTreeMap<&Address, Vec<usize>> = BTreeMap::new();
        for index in 0..steps.len() {
            numbers.entry(&steps.step(index).address).or_default().push(index);
        }
        let waiting = (0..steps.len()).map(|index| (steps.step(index).priority, index)).collect();
        let stages = vec![Stage::Waiting; steps.len()];
        Self { steps, lapse, stages, numbers, waiting, running: BTreeSet::new() }
    }

    fn enter(&mut self, index: usize, stage: Stage) {
        self.waiting.remove(&(self.steps.step(index).priority, index));
        self.running.remove(&index);
        match stage {
            Stage::Waiting => _ = self.waiting.insert((self.steps.step(index).priority, index)),
            Stage::Running { .. } => _ = self.running.insert(index),
            Stage::Over => {}
        }
        self.stages[index] = stage;
    }

    /// Takes an event into account that happened `now`.
    pub fn take(&mut self, event: &Event, now: Duration) {
        match event {
            Event::Started { address, verb, .. } => {
                let found = self.find(address, |stage| stage == Stage::Waiting, Some(*verb));
                if let Some(index) = found {
                    self.enter(index, Stage::Running { since: now });
                }
            }
            Event::Finished { address, verb, .. } => {
                let is_running = |stage| matches!(stage, Stage::Running { .. });
                if let Some(index) = self.find(address, is_running, Some(*verb)) {
                    self.enter(index, Stage::Over);
                }
            }
            Event::Failed { address, .. } => {
                if let Some(index) = self.find(address, |stage| stage != Stage::Over, None) {
                    self.enter(index, Stage::Over);
                }
            }
            Event::Skipped { address, .. } => {
                while let Some(index) = self.find(address, |stage| stage == Stage::Waiting, None) {
                    self.enter(index, Stage::Over);
                }
            }
            Event::Status { .. }
            | Event::Waits { .. }
            | Event::Printed { .. }
            | Event::Created { .. }
            | Event::Retrying { .. }
            | Event::Stopping { .. } => {}
        }
    }

    fn find(&self, address: &Address, wanted: impl Fn(Stage) -> bool, verb: Option<&str>) -> Option<usize> {
        let mut numbers = self.numbers.get(address)?.iter().copied();
        numbers.find(|index| {
            wanted(self.stages[*index]) && verb.is_none_or(|verb| does(&self.steps.step(*index).verb, verb))
        })
    }

    /// How long it still takes if everything takes as long as expected. What is late counts as about to be done.
    pub fn remaining(&self, now: Duration) -> Duration {
        let running = self.running.iter().map(|index| {
            let Stage::Running { since } = self.stages[*index] else { return 0.0 };
            let own = self.lived(self.steps.step(*index).expected_seconds);
            let left = (own - now.saturating_sub(since).as_secs_f64()).max(0.0);
            let after = self.waiting_after(*index).filter(|(_, milestone)| *milestone == Milestone::Ready);
            left + after.map(|(next, _)| self.lived(self.steps.step(next).priority)).fold(0.0, f64::max)
        });
        let waiting = self.waiting.last().map(|(priority, _)| self.lived(*priority));
        Duration::from_secs_f64(running.chain(waiting).fold(0.0, f64::max))
    }

    /// Seconds of the clock that so many expected ones take.
    fn lived(&self, seconds: u64) -> f64 {
        seconds as f64 / self.lapse
    }

    fn waiting_after(&self, index: usize) -> impl Iterator<Item = (usize, Milestone)> {
        self.steps.followers(index).filter(|(next, _)| self.stages[*next] == Stage::Waiting)
    }

    /// What waits for a running step of this resource, the slowest chain first.
    pub fn waiting_for(&self, address: &Address) -> Vec<&'steps Address> {
        let Some(index) = self.find(address, |stage| matches!(stage, Stage::Running { .. }), None) else {
            return Vec::new();
        };
        let mut waiting: Vec<usize> = self.waiting_after(index).map(|(next, _)| next).collect();
        waiting.sort_by_key(|next| (std::cmp::Reverse(self.steps.step(*next).priority), *next));
        waiting.dedup();
        waiting.into_iter().map(|next| &self.steps.step(next).address).collect()
    }

    /// How many steps there are.
    pub fn total(&self) -> usize {
        self.stages.len()
    }

    /// How many steps wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

/// Whether the word of an event means this step.
fn does(verb: &Verb, word: &str) -> bool {
    match verb {
        Verb::Create => matches!(word, "create" | "replace" | "run"),
        Verb::Update { .. } => word == "update",
        Verb::Delete { .. } => word == "delete",
        Verb::Adopt => word == "adopt" || word == "find",
        Verb::Forget => word == "forget",
        Verb::Skip => word == "skip",
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::plan::{Action, Cause, Change, Plan, Purpose};
    use crate::spec::types::{Impact, Types};
    use crate::state::State;

    /// Steps that create things, each with what it needs. The types say how long they take.
    pub fn creations(types: &Types, needs: &[(&str, &[(&str, Milestone)])]) -> Steps {
        let address = |name: &str| name.parse::<Address>().expect("an address");
        let change = |(name, needs): &(&str, &[(&str, Milestone)])| Change {
            address: address(name),
            region: String::new(),
            action: Action::Create,
            causes: vec![Cause::New],
            attributes: Vec::new(),
            unchanged_attributes: 0,
            impact: Impact::None,
            expected_seconds: 0,
            protect: false,
            was_protected: false,
            identity: None,
            leftovers: Vec::new(),
            marks: false,
            desired: None,
            depends_on: needs.iter().map(|(name, milestone)| (address(name), *milestone)).collect(),
            deletion: crate::value::Value::Null,
            security: Vec::new(),
        };
        let plan = Plan {
            purpose: Purpose::Apply,
            instance: String::new(),
            title: String::new(),
            region: String::new(),
            file: "mastodon.toml".to_owned(),
            made_from: Default::default(),
            changes: needs.iter().map(change).collect(),
            unchanged: 0,
            refusals: Vec::new(),
            expected_seconds: 0,
            critical_path: Vec::new(),
            cost: None,
            raised: Vec::new(),
            notes: Vec::new(),
        };
        Steps::of(&plan, &State::new("l", "i", "r"), types).expect("no cycle")
    }

    #[test]
    fn what_remains_is_the_longest_chain() {
        let types = crate::spec::Specs::read(&[]).expect("valid specs").types;
        let steps = creations(
            &types,
            &[
                ("rds.cluster.database", &[]),
                ("rds.instance.database", &[("rds.cluster.database", Milestone::Ready)]),
                ("ec2.security_group.tasks", &[]),
            ],
        );
        let (cluster, instance) = (4 * 60, 7 * 60);
        for lapse in [1.0, 60.0] {
            let at = |seconds: u64| Duration::from_secs(seconds).div_f64(lapse);
            let mut forecast = Forecast::new(&steps, lapse);
            assert_eq!(forecast.remaining(at(0)), at(cluster + instance));
            let address: Address = "rds.cluster.database".parse().expect("an address");
            let started =
                Event::Started { address: address.clone(), verb: "create", object: None, expected: at(cluster) };
            forecast.take(&started, at(0));
            assert_eq!(forecast.remaining(at(60)), at(cluster - 60 + instance));
            assert_eq!(forecast.remaining(at(cluster + 600)), at(instance), "what is late is about to be done");
            let waiting: Vec<String> = forecast.waiting_for(&address).iter().map(ToString::to_string).collect();
            assert_eq!(waiting, ["rds.instance.database"]);
            let finished = Event::Finished { address: address.clone(), verb: "create", object: None, elapsed: at(300) };
            forecast.take(&finished, at(300));
            assert_eq!((forecast.remaining(at(300)), forecast.waiting()), (at(instance), 2));
            let instance: Address = "rds.instance.database".parse().expect("an address");
            forecast.take(&Event::Skipped { address: instance, because: address }, at(300));
            assert!(forecast.remaining(at(300)) <= at(5));
        }
    }
}
