//! Which steps may start: no clock, no calls, only counting.

use std::collections::{BTreeSet, BinaryHeap};

use crate::plan::order::Steps;
use crate::spec::types::Milestone;

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Waiting,
    Running,
    /// Its `created` milestone is reached.
    Created,
    Done,
    Failed,
    /// Not tried: the step with this number failed.
    Skipped(usize),
}

/// The steps of a plan and how far each has come.
pub struct Queue<'steps> {
    steps: &'steps Steps,
    stages: Vec<Stage>,
    /// Milestones each waiting step still waits for.
    unmet: Vec<usize>,
    /// Steps that may start, the longest remaining path first.
    ready: BinaryHeap<(u64, std::cmp::Reverse<usize>)>,
}

impl<'steps> Queue<'steps> {
    pub fn new(steps: &'steps Steps) -> Self {
        let unmet: Vec<usize> = (0..steps.len()).map(|index| steps.needs(index).count()).collect();
        let ready = (0..steps.len())
            .filter(|index| unmet[*index] == 0)
            .map(|index| (steps.step(index).priority, std::cmp::Reverse(index)))
            .collect();
        Self { steps, stages: vec![Stage::Waiting; steps.len()], unmet, ready }
    }

    /// Takes the step that should start next.
    pub fn take(&mut self) -> Option<usize> {
        while let Some((_, std::cmp::Reverse(index))) = self.ready.pop() {
            if self.stages[index] == Stage::Waiting {
                self.stages[index] = Stage::Running;
                return Some(index);
            }
        }
        None
    }

    /// Notes that a step that was taken did not begin after all.
    pub fn put_back(&mut self, index: usize) {
        self.stages[index] = Stage::Waiting;
        self.ready.push((self.steps.step(index).priority, std::cmp::Reverse(index)));
    }

    /// Notes that a step has reached a milestone. Reaching `ready` includes `created`.
    pub fn reach(&mut self, index: usize, milestone: Milestone) {
        let before = self.stages[index];
        let newly: &[Milestone] = match (before, milestone) {
            (Stage::Running, Milestone::Created) => &[Milestone::Created],
            (Stage::Running, Milestone::Ready) => &[Milestone::Created, Milestone::Ready],
            (Stage::Created, Milestone::Ready) => &[Milestone::Ready],
            _ => &[],
        };
        for reached in newly {
            let followers: Vec<usize> = self
                .steps
                .followers(index)
                .filter(|(_, wanted)| wanted == reached)
                .map(|(follower, _)| follower)
                .collect();
            for follower in followers {
                self.unmet[follower] -= 1;
                if self.unmet[follower] == 0 && self.stages[follower] == Stage::Waiting {
                    self.ready.push((self.steps.step(follower).priority, std::cmp::Reverse(follower)));
                }
            }
        }
        if !newly.is_empty() {
            self.stages[index] = if milestone == Milestone::Ready { Stage::Done } else { Stage::Created };
        }
    }

    /// Notes that a step failed, and skips everything that needs it. Returns what is skipped.
    pub fn fail(&mut self, index: usize) -> Vec<usize> {
        self.stages[index] = Stage::Failed;
        let mut skipped = BTreeSet::new();
        let mut open = vec![index];
        while let Some(failed) = open.pop() {
            for (follower, _) in self.steps.followers(failed) {
                if self.stages[follower] == Stage::Waiting && self.still_needs(follower) {
                    self.stages[follower] = Stage::Skipped(index);
                    skipped.insert(follower);
                    open.push(follower);
                }
            }
        }
        skipped.into_iter().collect()
    }

    fn still_needs(&self, index: usize) -> bool {
        self.unmet[index] > 0
    }

    pub fn stage(&self, index: usize) -> Stage {
        self.stages[index]
    }

    /// Steps that were never started.
    pub fn waiting(&self) -> impl Iterator<Item = usize> {
        self.stages.iter().enumerate().filter(|(_, stage)| **stage == Stage::Waiting).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::plan::{Action, Cause, Change, Plan, Purpose};
    use crate::spec::Types;
    use crate::spec::types::Impact;
    use crate::state::State;

    fn plan(edges: &[(&str, &[(&str, Milestone)])]) -> Plan {
        let address = |name: &str| format!("x.y.{name}").parse::<Address>().expect("address");
        Plan {
            purpose: Purpose::Apply,
            instance: String::new(),
            title: String::new(),
            region: String::new(),
            file: "mastodon.toml".to_owned(),
            made_from: Default::default(),
            changes: edges
                .iter()
                .map(|(name, needs)| Change {
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
                })
                .collect(),
            unchanged: 0,
            refusals: Vec::new(),
            expected_seconds: 0,
            critical_path: Vec::new(),
            cost: None,
            raised: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn steps(plan: &Plan) -> Steps {
        Steps::of(plan, &State::new("l", "i", "r"), &Types::new()).expect("no cycle")
    }

    fn taken(queue: &mut Queue<'_>, steps: &Steps) -> Vec<String> {
        let mut names: Vec<String> =
            std::iter::from_fn(|| queue.take()).map(|index| steps.step(index).address.name.clone()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_edge_waits_only_for_its_milestone() {
        let plan = plan(&[
            ("cluster", &[]),
            ("instance", &[("cluster", Milestone::Created)]),
            ("service", &[("cluster", Milestone::Ready)]),
        ]);
        let steps = steps(&plan);
        let mut queue = Queue::new(&steps);
        assert_eq!(taken(&mut queue, &steps), ["cluster"]);
        queue.reach(0, Milestone::Created);
        assert_eq!(taken(&mut queue, &steps), ["instance"]);
        queue.reach(0, Milestone::Ready);
        assert_eq!(taken(&mut queue, &steps), ["service"]);
    }

    #[test]
    fn the_longest_remaining_path_starts_first() {
        let plan = plan(&[("a_short", &[]), ("b_long", &[]), ("c_after_long", &[("b_long", Milestone::Ready)])]);
        let steps = steps(&plan);
        let first = Queue::new(&steps).take().expect("one is ready");
        assert_eq!(steps.step(first).address.name, "b_long");
    }

    #[test]
    fn a_failure_skips_only_what_needs_it() {
        let plan = plan(&[
            ("bad", &[]),
            ("needs_bad", &[("bad", Milestone::Created)]),
            ("needs_both", &[("needs_bad", Milestone::Ready), ("good", Milestone::Ready)]),
            ("good", &[]),
        ]);
        let steps = steps(&plan);
        let mut queue = Queue::new(&steps);
        assert_eq!(taken(&mut queue, &steps), ["bad", "good"]);
        assert_eq!(queue.fail(0), [1, 2]);
        queue.reach(3, Milestone::Ready);
        assert_eq!(queue.take(), None);
        assert_eq!(queue.stage(2), Stage::Skipped(0));
        assert_eq!(queue.stage(3), Stage::Done);
    }
}
