//! Steps of a plan, and what each waits for.
//!
//! A change becomes one step, a replacement two. A step reaches two milestones, `created` (AWS has accepted it) and
//! `ready`; an edge waits only for the one it needs. Steps carry their priority: the seconds from their start to the
//! end of the longest chain that follows, so that the slowest chain starts first.

use std::collections::BTreeMap;

use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::change::{Action, Plan};
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

/// Steps and their dependencies.
#[derive(Debug, Default)]
pub struct Steps {
    graph: DiGraph<Step, Milestone>,
}

impl Steps {
    /// The steps of a plan.
    pub fn of(plan: &Plan, state: &State, types: &Types) -> Result<Self, CycleError> {
        Builder {
            graph: DiGraph::new(),
            making: BTreeMap::new(),
            deleting: BTreeMap::new(),
            leftovers: BTreeMap::new(),
            types,
        }
        .build(plan, state)
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

    /// Seconds along the longest chain.
    pub fn duration(&self) -> u64 {
        self.graph.node_weights().map(|step| step.priority).max().unwrap_or(0)
    }
}

/// Two steps wait for each other: a bug of the planner, never of the file.
#[derive(Debug, thiserror::Error)]
#[error("BUG: the steps of this plan wait for each other at {0}")]
pub struct CycleError(pub Address);

/// The plan with its expected duration.
pub fn with_duration(mut plan: Plan, state: &State, types: &Types) -> Plan {
    if let Ok(steps) = Steps::of(&plan, state, types) {
        plan.expected_seconds = steps.duration();
    }
    plan
}

struct Builder<'a> {
    graph: DiGraph<Step, Milestone>,
    /// Steps that create, update or adopt.
    making: BTreeMap<&'a Address, NodeIndex>,
    deleting: BTreeMap<&'a Address, NodeIndex>,
    leftovers: BTreeMap<&'a Address, Vec<NodeIndex>>,
    types: &'a Types,
}

impl<'a> Builder<'a> {
    fn build(mut self, plan: &'a Plan, state: &State) -> Result<Steps, CycleError> {
        let mut orders: BTreeMap<&Address, Order> = BTreeMap::new();
        for change in &plan.changes {
            let address = &change.address;
            let expect = self.types.get(&address.type_name).map(|found| found.expect);
            let seconds = |pick: fn(&crate::spec::types::Durations) -> std::time::Duration| {
                expect.as_ref().map_or(CALL_SECONDS, |durations| pick(durations).as_secs().max(CALL_SECONDS))
            };
            match &change.action {
                Action::Create => self.make(address, Verb::Create, seconds(|d| d.create)),
                Action::Update { attributes } if attributes.is_empty() => {
                    self.make(address, Verb::Update { attributes: Vec::new() }, 0);
                }
                Action::Update { attributes } => {
                    self.make(address, Verb::Update { attributes: attributes.clone() }, seconds(|d| d.update));
                }
                Action::Adopt => self.make(address, Verb::Adopt, seconds(|d| d.update)),
                Action::Forget => self.make(address, Verb::Forget, 0),
                Action::Delete => {
                    if let Some(identity) = &change.identity {
                        self.delete(address, identity.clone(), false, seconds(|d| d.delete));
                    }
                }
                Action::Replace { order, .. } => {
                    orders.insert(address, *order);
                    self.make(address, Verb::Create, seconds(|d| d.create));
                    if let Some(identity) = &change.identity {
                        let is_old = *order == Order::CreateFirst;
                        self.delete(address, identity.clone(), is_old, seconds(|d| d.delete));
                        if let (Some(new), Some(old)) = (self.making.get(address), self.deleting.get(address)) {
                            let (from, to) = if is_old { (*new, *old) } else { (*old, *new) };
                            self.graph.add_edge(from, to, Milestone::Ready);
                        }
                    }
                }
            }
            for leftover in &change.leftovers {
                let step = self.add(address, Verb::Delete { identity: leftover.clone() }, true, seconds(|d| d.delete));
                // Several deletions of one address go one after another.
                if let Some(earlier) = self.deleting.get(address) {
                    self.graph.add_edge(*earlier, step, Milestone::Ready);
                }
                if let Some(new) = self.making.get(address) {
                    self.graph.add_edge(*new, step, Milestone::Ready);
                }
                self.leftovers.entry(address).or_default().push(step);
            }
        }
        for change in &plan.changes {
            let Some(step) = self.making.get(&change.address).copied() else { continue };
            if matches!(change.action, Action::Forget) {
                continue;
            }
            for (needed, milestone) in &change.depends_on {
                if let Some(needed) = self.making.get(needed) {
                    self.graph.add_edge(*needed, step, *milestone);
                }
            }
        }
        // What is deleted waits for everything that still uses it to be gone, or to use something else.
        for (user, row) in &state.rows {
            for used in &row.depends_on {
                // What is left over is superfluous only when everything has moved on to its successor.
                for leftover in self.leftovers.get(used).into_iter().flatten() {
                    for step in self.making.get(user).into_iter().chain(self.deleting.get(user)) {
                        self.graph.add_edge(*step, *leftover, Milestone::Ready);
                    }
                }
                let Some(deletion) = self.deleting.get(used).copied() else { continue };
                if let Some(other) = self.deleting.get(user) {
                    self.graph.add_edge(*other, deletion, Milestone::Ready);
                }
                // What is deleted before its successor exists cannot wait for its users to move to the successor.
                if orders.get(used) == Some(&Order::DeleteFirst) {
                    continue;
                }
                let deletes_first = orders.get(user) == Some(&Order::DeleteFirst);
                if let Some(making) = self.making.get(user)
                    && !deletes_first
                    && *making != deletion
                {
                    self.graph.add_edge(*making, deletion, Milestone::Ready);
                }
            }
        }
        let sorted =
            toposort(&self.graph, None).map_err(|cycle| CycleError(self.graph[cycle.node_id()].address.clone()))?;
        for index in sorted.into_iter().rev() {
            let own = self.graph[index].expected_seconds;
            let longest = self
                .graph
                .edges_directed(index, petgraph::Direction::Outgoing)
                .map(|edge| {
                    let until = if *edge.weight() == Milestone::Created { own.min(CALL_SECONDS) } else { own };
                    until + self.graph[edge.target()].priority
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

    fn make(&mut self, address: &'a Address, verb: Verb, seconds: u64) {
        let step = self.add(address, verb, false, seconds);
        self.making.insert(address, step);
    }

    fn delete(&mut self, address: &'a Address, identity: Identity, is_old: bool, seconds: u64) {
        let step = self.add(address, Verb::Delete { identity }, is_old, seconds);
        self.deleting.insert(address, step);
    }
}
