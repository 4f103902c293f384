//! Steps of a plan, and what each waits for.
//!
//! A change becomes one step, a replacement two. A step reaches two milestones, `created` (AWS has accepted it) and
//! `ready`; an edge waits only for the one it needs. Steps carry their priority: the seconds from their start to the
//! end of the longest chain that follows, so that the slowest chain starts first.

use std::collections::BTreeSet;

use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::change::{Action, Plan, Refusal, Why};
use crate::address::{Address, Identity};
use crate::spec::types::{Milestone, Order, Types};
use crate::state::State;

/// Seconds a call takes that nobody waits for.
const CALL_SECONDS: u64 = 1;

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    Create,
    Update {
        attributes: Vec<String>,
    },
    /// Deletes this object.
    Delete {
        identity: Identity,
    },
    /// Waits for what an interrupted run began.
    Adopt,
    /// Takes a row out of the state.
    Forget,
    /// Puts a row into the state of something that counts as done.
    Skip,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    pub address: Address,
    pub verb: Verb,
    /// It deletes the object that a replacement has made superfluous; the row stays.
    pub is_old: bool,
    pub expected_seconds: u64,
    /// Seconds from its start to the end of the longest chain that follows.
    pub priority: u64,
}

impl Step {
    /// What it deletes.
    pub fn object(&self) -> Option<&Identity> {
        match &self.verb {
            Verb::Delete { identity } => Some(identity),
            Verb::Create | Verb::Update { .. } | Verb::Adopt | Verb::Forget | Verb::Skip => None,
        }
    }
}

/// Steps and their dependencies.
#[derive(Debug, Default)]
pub struct Steps {
    graph: DiGraph<Step, Milestone>,
}

impl Steps {
    /// The steps of a plan.
    pub fn of(plan: &Plan, state: &State, types: &Types) -> Result<Self, CycleError> {
        let mut numbers: Vec<(&Address, usize)> =
            plan.changes.iter().enumerate().map(|(number, change)| (&change.address, number)).collect();
        numbers.sort();
        let parts = plan.changes.iter().map(|_| Parts::default()).collect();
        Builder { graph: DiGraph::new(), numbers, parts, types }.build(plan, state)
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// The step with this number, `0..len()`.
    pub fn step(&self, index: usize) -> &Step {
        &self.graph[NodeIndex::new(index)]
    }

    /// What a step waits for: other steps and the milestone each must reach.
    pub fn needs(&self, index: usize) -> impl Iterator<Item = (usize, Milestone)> {
        self.graph
            .edges_directed(NodeIndex::new(index), petgraph::Direction::Incoming)
            .map(|edge| (edge.source().index(), *edge.weight()))
    }

    /// The steps that wait for this one.
    pub fn followers(&self, index: usize) -> impl Iterator<Item = (usize, Milestone)> {
        self.graph
            .edges_directed(NodeIndex::new(index), petgraph::Direction::Outgoing)
            .map(|edge| (edge.target().index(), *edge.weight()))
    }

    /// The resources of the longest chain, each once.
    pub fn critical_path(&self) -> Vec<Address> {
        let mut path: Vec<Address> = Vec::new();
        let mut seen: BTreeSet<&Address> = BTreeSet::new();
        // Among equals the first one, so that the same plan gives the same chain.
        let mut next = self
            .graph
            .node_indices()
            .rev()
            .max_by_key(|index| self.graph[*index].priority)
            .filter(|_| !self.is_empty());
        while let Some(index) = next {
            let step = &self.graph[index];
            if seen.insert(&step.address) {
                path.push(step.address.clone());
            }
            next = self
                .graph
                .edges_directed(index, petgraph::Direction::Outgoing)
                .filter(|edge| {
                    until(step, *edge.weight()).saturating_add(self.graph[edge.target()].priority) == step.priority
                })
                .map(|edge| edge.target())
                .min();
        }
        path
    }

    /// Seconds along the longest chain.
    pub fn duration(&self) -> u64 {
        self.graph.node_weights().map(|step| step.priority).max().unwrap_or(0)
    }
}

/// Seconds until what waits for this milestone of a step can start.
fn until(step: &Step, milestone: Milestone) -> u64 {
    match milestone {
        Milestone::Created => step.expected_seconds.min(CALL_SECONDS),
        Milestone::Ready => step.expected_seconds,
    }
}

/// Two steps wait for each other: a bug of the planner, never of the file.
#[derive(Debug, thiserror::Error)]
#[error("BUG: the steps of this plan wait for each other at {0}")]
pub struct CycleError(pub Address);

/// The plan with its expected duration. One whose steps wait for each other, because something has to go before its
/// successor is made, is refused.
pub fn with_duration(mut plan: Plan, state: &State, types: &Types) -> Plan {
    match Steps::of(&plan, state, types) {
        Ok(steps) => {
            plan.expected_seconds = steps.duration();
            plan.critical_path = steps.critical_path();
        }
        Err(CycleError(address)) => plan.refusals.extend(deadlock(&plan, &address)),
    }
    plan
}

/// Why steps wait for each other: one of the cycle, or else any, is deleted before its successor is made.
fn deadlock(plan: &Plan, within: &Address) -> Option<Refusal> {
    let mut first = plan
        .changes
        .iter()
        .filter(|change| matches!(change.action, Action::Replace { order: Order::DeleteFirst, .. }))
        .map(|change| &change.address)
        .peekable();
    let any = first.peek().copied();
    let address = first.find(|address| *address == within).or(any)?.clone();
    Some(Refusal {
        reason: format!(
            "{address} would be deleted before its successor is made, and what uses it goes only after that"
        ),
        hint: "give it another name, so that the new one can be made first, or make these changes one after the other"
            .to_owned(),
        address,
        otherwise: None,
    })
}

/// The steps a change becomes.
#[derive(Default)]
struct Parts {
    /// Creates, updates or adopts.
    making: Option<NodeIndex>,
    deleting: Option<NodeIndex>,
    leftovers: Vec<NodeIndex>,
    /// If it is a replacement.
    order: Option<Order>,
}

struct Builder<'a> {
    graph: DiGraph<Step, Milestone>,
    /// Numbers of changes by address, sorted.
    numbers: Vec<(&'a Address, usize)>,
    /// By the number of the change.
    parts: Vec<Parts>,
    types: &'a Types,
}

impl Builder<'_> {
    fn build(mut self, plan: &Plan, state: &State) -> Result<Steps, CycleError> {
        for (number, change) in plan.changes.iter().enumerate() {
            let address = &change.address;
            let expect = self.types.get(&address.type_name).map(|found| found.expect);
            let seconds = |pick: fn(&crate::spec::types::Durations) -> std::time::Duration| {
                expect.as_ref().map_or(CALL_SECONDS, |durations| pick(durations).as_secs().max(CALL_SECONDS))
            };
            match &change.action {
                Action::Create | Action::Run => self.make(number, address, Verb::Create, seconds(|d| d.create)),
                Action::Skip => self.make(number, address, Verb::Skip, 0),
                Action::Update { attributes } if attributes.is_empty() => {
                    let seconds = if change.marks { CALL_SECONDS } else { 0 };
                    self.make(number, address, Verb::Update { attributes: Vec::new() }, seconds);
                }
                Action::Update { attributes } => {
                    let verb = Verb::Update { attributes: attributes.clone() };
                    self.make(number, address, verb, seconds(|d| d.update));
                }
                Action::Adopt => self.make(number, address, Verb::Adopt, seconds(|d| d.update)),
                Action::Forget => self.make(number, address, Verb::Forget, 0),
                Action::Delete => {}
                Action::Replace { order, .. } => {
                    self.parts[number].order = Some(*order);
                    self.make(number, address, Verb::Create, seconds(|d| d.create));
                }
            }
            for deletion in change.deletions() {
                let creates_first = self.parts[number].order == Some(Order::CreateFirst);
                let is_old = deletion.why == Why::LeftOver || creates_first;
                let verb = Verb::Delete { identity: deletion.identity.clone() };
                let step = self.add(address, verb, is_old, seconds(|d| d.delete));
                let parts = &mut self.parts[number];
                match (deletion.why, parts.making) {
                    (Why::Unwanted | Why::Replaced, making) => {
                        parts.deleting = Some(step);
                        if let Some(making) = making {
                            let (from, to) = if is_old { (making, step) } else { (step, making) };
                            self.graph.add_edge(from, to, Milestone::Ready);
                        }
                    }
                    // Several deletions of one address go one after another.
                    (Why::LeftOver, making) => {
                        for earlier in parts.deleting.into_iter().chain(making).chain(parts.leftovers.last().copied()) {
                            self.graph.add_edge(earlier, step, Milestone::Ready);
                        }
                        parts.leftovers.push(step);
                    }
                }
            }
        }
        for (number, change) in plan.changes.iter().enumerate() {
            // Only what is left over of it is deleted: its row goes afterwards.
            let parts = &self.parts[number];
            if matches!(change.action, Action::Delete) && parts.deleting.is_none() {
                let leftovers = parts.leftovers.clone();
                let forget = self.add(&change.address, Verb::Forget, false, 0);
                for leftover in leftovers {
                    self.graph.add_edge(leftover, forget, Milestone::Ready);
                }
            }
        }
        for (number, change) in plan.changes.iter().enumerate() {
            let Some(step) = self.parts[number].making else { continue };
            if matches!(change.action, Action::Forget) {
                continue;
            }
            for (needed, milestone) in &change.depends_on {
                if let Some(needed) = self.of(needed).and_then(|parts| parts.making) {
                    self.graph.add_edge(needed, step, *milestone);
                }
            }
        }
        // What is deleted waits for everything that still uses it to be gone, or to use something else.
        let mut edges = Vec::new();
        for (user, row) in &state.rows {
            let Some(user) = self.of(user) else { continue };
            for used in &row.depends_on {
                let Some(used) = self.of(used) else { continue };
                // What is left over is superfluous only when everything has moved on to its successor.
                for leftover in &used.leftovers {
                    edges.extend(user.making.into_iter().chain(user.deleting).map(|step| (step, *leftover)));
                }
                let Some(deletion) = used.deleting else { continue };
                edges.extend(user.deleting.map(|other| (other, deletion)));
                // What is deleted before its successor exists cannot wait for its users to move to the successor.
                if used.order == Some(Order::DeleteFirst) || user.order == Some(Order::DeleteFirst) {
                    continue;
                }
                edges.extend(user.making.filter(|making| *making != deletion).map(|making| (making, deletion)));
            }
        }
        for (from, to) in edges {
            self.graph.add_edge(from, to, Milestone::Ready);
        }
        let sorted =
            toposort(&self.graph, None).map_err(|cycle| CycleError(self.graph[cycle.node_id()].address.clone()))?;
        for index in sorted.into_iter().rev() {
            let own = self.graph[index].expected_seconds;
            let longest = self
                .graph
                .edges_directed(index, petgraph::Direction::Outgoing)
                .map(|edge| {
                    until(&self.graph[index], *edge.weight()).saturating_add(self.graph[edge.target()].priority)
                })
                .max()
                .unwrap_or(0);
            self.graph[index].priority = own.max(longest);
        }
        Ok(Steps { graph: self.graph })
    }

    fn add(&mut self, address: &Address, verb: Verb, is_old: bool, expected_seconds: u64) -> NodeIndex {
        self.graph.add_node(Step { address: address.clone(), verb, is_old, expected_seconds, priority: 0 })
    }

    fn make(&mut self, number: usize, address: &Address, verb: Verb, seconds: u64) {
        self.parts[number].making = Some(self.add(address, verb, false, seconds));
    }

    /// The steps of the change of an address, if it has one.
    fn of(&self, address: &Address) -> Option<&Parts> {
        let found = self.numbers.binary_search_by(|(other, _)| (*other).cmp(address)).ok()?;
        self.parts.get(self.numbers.get(found)?.1)
    }
}
