//! The graph of resources, as a picture and as text for drawing programs.
//!
//! Arrows go in the direction of the work, from what is needed to what needs it. Resources stand together by topic: by
//! the file of the specs that describes them. Unless everything is asked for, arrows that follow from others are left
//! out, and the resources of one `each` are one node. A plan colours what it changes and marks the chain of steps that
//! takes longest.

pub mod svg;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use petgraph::algo::toposort;
use petgraph::algo::tred::{dag_to_toposorted_adjacency_list, dag_transitive_reduction_closure};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::IntoNeighbors;

use super::outline::verb;
use super::style::fill_of;
use crate::address::{self, Address, TypeName};
use crate::inert::printable;
use crate::plan::{Action, Change, Graph, Plan};
use crate::spec::blueprint::{Resource, ResourceName};

/// The topic of what the specs do not describe any more.
const UNWANTED: &str = "no longer wanted";

/// A resource, or all of one `each`.
#[derive(Clone, Debug)]
pub struct Node {
    pub type_name: TypeName,
    pub name: String,
    /// The resources it stands for; at least one.
    pub addresses: Vec<Address>,
    pub topic: String,
    /// What the plan does to it; the weightiest, if it stands for several.
    pub action: Option<Action>,
    /// It is in the chain of steps that takes longest.
    pub is_critical: bool,
}

impl Node {
    /// Its name, and how many it stands for.
    pub fn label(&self) -> String {
        match self.addresses.as_slice() {
            [address] => {
                address.key.as_ref().map_or(self.name.clone(), |key| format!("{}[{}]", self.name, address::quoted(key)))
            }
            several => format!("{} ×{}", self.name, several.len()),
        }
    }

    /// Its address; of several resources, what their addresses have in common.
    pub fn title(&self) -> String {
        match self.addresses.as_slice() {
            [address] => address.to_string(),
            several => format!("{}.{} ×{}", self.type_name, self.name, several.len()),
        }
    }
}

/// What is needed, and by whom: places in [`Drawing::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    pub is_critical: bool,
}

/// A graph to be drawn.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// Everything comes after what it needs.
    pub nodes: Vec<Node>,
    /// In order.
    pub edges: Vec<Edge>,
}

/// The file that describes a resource.
fn topic_of(resource: &Resource) -> String {
    Path::new(&resource.location.file.name).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What is drawn: resources with their topics and what each needs.
type Parts = BTreeMap<Address, (String, BTreeSet<Address>)>;

impl Drawing {
    /// The graph that is wanted, and what the plan takes away from it. `everything`: every resource and every arrow.
    pub fn new(graph: &Graph, plan: Option<&Plan>, everything: bool) -> Self {
        let mut parts: Parts = graph
            .nodes
            .iter()
            .map(|(address, desired)| {
                (address.clone(), (topic_of(&desired.resource), desired.depends_on.keys().cloned().collect()))
            })
            .collect();
        for change in plan.iter().flat_map(|plan| &plan.changes) {
            let needs = || change.depends_on.keys().cloned().collect();
            parts.entry(change.address.clone()).or_insert_with(|| (UNWANTED.to_owned(), needs()));
        }
        Self::of(&parts, plan, everything)
    }

    /// What a plan changes, and nothing beside it: where a plan is all there is. `resources` tell the topics.
    pub fn of_plan(plan: &Plan, resources: &BTreeMap<ResourceName, Arc<Resource>>) -> Self {
        let topic = |change: &Change| {
            let Address { type_name, name, .. } = &change.address;
            match (resources.get(&(type_name.clone(), name.clone())), &change.action) {
                (Some(resource), _) => topic_of(resource),
                (None, Action::Delete | Action::Forget) => UNWANTED.to_owned(),
                // Of specs that are not at hand.
                (None, _) => type_name.service.to_string(),
            }
        };
        let changes = plan.changes.iter();
        let parts = changes
            .map(|change| (change.address.clone(), (topic(change), change.depends_on.keys().cloned().collect())));
        Self::of(&parts.collect(), Some(plan), false)
    }

    fn of(parts: &Parts, plan: Option<&Plan>, everything: bool) -> Self {
        let together = if everything { None } else { Self::arranged(parts, false) };
        // What belongs to one `each` cannot always be one node: another resource may stand between two of them.
        let mut drawing = together.or_else(|| Self::arranged(parts, true)).unwrap_or_default();
        let critical = plan.map(|plan| drawing.mark(plan)).unwrap_or_default();
        if !everything {
            drawing.reduce(&critical);
        }
        drawing
    }

    /// Nodes in an order in which everything comes after what it needs, and all edges. `None` if there is none.
    fn arranged(parts: &Parts, one_by_one: bool) -> Option<Self> {
        let mut graph: DiGraph<Node, ()> = DiGraph::new();
        let mut indices: BTreeMap<&Address, NodeIndex> = BTreeMap::new();
        let mut by_name: BTreeMap<(&TypeName, &str), NodeIndex> = BTreeMap::new();
        for (address, (topic, _)) in parts {
            let name = (&address.type_name, address.name.as_str());
            let index = match by_name.get(&name) {
                Some(index) if !one_by_one => *index,
                _ => graph.add_node(Node {
                    type_name: address.type_name.clone(),
                    name: address.name.clone(),
                    addresses: Vec::new(),
                    topic: topic.clone(),
                    action: None,
                    is_critical: false,
                }),
            };
            by_name.insert(name, index);
            graph[index].addresses.push(address.clone());
            indices.insert(address, index);
        }
        let mut edges: BTreeSet<(NodeIndex, NodeIndex)> = BTreeSet::new();
        for (address, (_, needs)) in parts {
            let to = indices.get(address);
            let pairs = needs.iter().filter_map(|needed| Some((*indices.get(needed)?, *to?)));
            edges.extend(pairs.filter(|(from, to)| from != to));
        }
        for (from, to) in &edges {
            graph.add_edge(*from, *to, ());
        }
        let sorted = toposort(&graph, None).ok()?;
        let places: BTreeMap<NodeIndex, usize> =
            sorted.iter().enumerate().map(|(place, index)| (*index, place)).collect();
        let mut edges: Vec<Edge> = edges
            .iter()
            .filter_map(|(from, to)| Some(Edge { from: *places.get(from)?, to: *places.get(to)?, is_critical: false }))
            .collect();
        edges.sort();
        Some(Self { nodes: sorted.iter().map(|index| graph[*index].clone()).collect(), edges })
    }

    /// Marks what the plan changes, and the chain that takes longest. Gives the arrows of that chain.
    fn mark(&mut self, plan: &Plan) -> BTreeSet<(usize, usize)> {
        let mut places: BTreeMap<Address, usize> = BTreeMap::new();
        for (place, node) in self.nodes.iter().enumerate() {
            places.extend(node.addresses.iter().map(|address| (address.clone(), place)));
        }
        for change in &plan.changes {
            if let Some(place) = places.get(&change.address) {
                let action = &mut self.nodes[*place].action;
                if action.as_ref().is_none_or(|other| weight(other) < weight(&change.action)) {
                    *action = Some(change.action.clone());
                }
            }
        }
        // A chain of one step is no chain.
        let path: Vec<usize> = plan.critical_path.iter().filter_map(|address| places.get(address).copied()).collect();
        let pairs: BTreeSet<(usize, usize)> =
            path.windows(2).map(|pair| (pair[0].min(pair[1]), pair[0].max(pair[1]))).collect();
        if path.len() > 1 {
            path.iter().for_each(|place| self.nodes[*place].is_critical = true);
        }
        for edge in &mut self.edges {
            edge.is_critical = pairs.contains(&(edge.from, edge.to));
        }
        pairs
    }

    /// Takes away the arrows that follow from others, but none of these.
    fn reduce(&mut self, kept: &BTreeSet<(usize, usize)>) {
        let mut graph: DiGraph<(), ()> = DiGraph::new();
        let indices: Vec<NodeIndex> = self.nodes.iter().map(|_| graph.add_node(())).collect();
        for edge in &self.edges {
            graph.add_edge(indices[edge.from], indices[edge.to], ());
        }
        let (list, _) = dag_to_toposorted_adjacency_list::<_, u32>(&graph, &indices);
        let (reduced, _) = dag_transitive_reduction_closure(&list);
        let mut needed: BTreeSet<(usize, usize)> = kept.clone();
        for from in 0..self.nodes.len() {
            needed.extend(reduced.neighbors(from as u32).map(|to| (from, to as usize)));
        }
        self.edges.retain(|edge| needed.contains(&(edge.from, edge.to)));
    }

    /// A column for each node: right of everything it needs. What needs nothing stands beside what needs it first.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = vec![0; self.nodes.len()];
        let mut has_needs = vec![false; self.nodes.len()];
        // Arrows are in the order of what they begin at, and nothing comes before what it needs.
        for edge in &self.edges {
            columns[edge.to] = columns[edge.to].max(columns[edge.from] + 1);
            has_needs[edge.to] = true;
        }
        let mut first_users: BTreeMap<usize, usize> = BTreeMap::new();
        for edge in self.edges.iter().filter(|edge| !has_needs[edge.from]) {
            let first = first_users.entry(edge.from).or_insert(usize::MAX);
            *first = (*first).min(columns[edge.to]);
        }
        for (node, first) in first_users {
            columns[node] = first.saturating_sub(1);
        }
        columns
    }

    /// The topics with their nodes: first those whose work comes first.
    pub fn topics(&self) -> Vec<(&str, Vec<usize>)> {
        let mut topics: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, node) in self.nodes.iter().enumerate() {
            topics.entry(&node.topic).or_default().push(place);
        }
        let mut topics: Vec<(&str, Vec<usize>)> = topics.into_iter().collect();
        // By the middle of their columns, in whole numbers.
        let columns = self.columns();
        topics.sort_by_key(|(_, places)| {
            places.iter().map(|place| columns[*place] * 1000).sum::<usize>() / places.len().max(1)
        });
        topics
    }

    /// A Mermaid flowchart.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for (number, (topic, places)) in self.topics().into_iter().enumerate() {
            let _ = writeln!(text, "  subgraph topic{number}[\"{}\"]", escaped(topic));
            for place in places {
                let node = &self.nodes[place];
                let class = node.action.as_ref().map_or(String::new(), |action| format!(":::{}", verb(action)));
                let label = escaped(&format!("{}.{}", node.type_name, node.label()));
                let _ = writeln!(text, "    n{place}[\"{label}\"]{class}");
            }
            text.push_str("  end\n");
        }
        for edge in &self.edges {
            let arrow = if edge.is_critical { "==>" } else { "-->" };
            let _ = writeln!(text, "  n{} {arrow} n{}", edge.from, edge.to);
        }
        let actions: BTreeMap<&str, &Action> =
            self.nodes.iter().filter_map(|node| node.action.as_ref()).map(|action| (verb(action), action)).collect();
        for (verb, action) in actions {
            let (fill, ink) = fill_of(action);
            let _ = writeln!(text, "  classDef {verb} fill:{fill},stroke:{fill},color:{ink}");
        }
        text
    }

    /// A Graphviz digraph.
    pub fn dot(&self) -> String {
        let mut text = String::from("digraph mastoform {\n  rankdir = LR;\n  node [shape = box];\n");
        for (topic, places) in self.topics() {
            let name = quoted(&format!("cluster_{topic}"));
            let _ = writeln!(text, "  subgraph {name} {{\n    label = {};", quoted(topic));
            for place in places {
                let node = &self.nodes[place];
                let colours = node.action.as_ref().map_or(String::new(), |action| {
                    let (fill, ink) = fill_of(action);
                    format!(", style = filled, fillcolor = {}, fontcolor = {}", quoted(fill), quoted(ink))
                });
                let label = quoted(&format!("{}.{}", node.type_name, node.label()));
                let _ = writeln!(text, "    {} [label = {label}{colours}];", quoted(&node.title()));
            }
            text.push_str("  }\n");
        }
        for edge in &self.edges {
            let (from, to) = (quoted(&self.nodes[edge.from].title()), quoted(&self.nodes[edge.to].title()));
            let width = if edge.is_critical { " [penwidth = 3]" } else { "" };
            let _ = writeln!(text, "  {from} -> {to}{width};");
        }
        text.push_str("}\n");
        text
    }
}

/// Which action is shown of several in one node.
fn weight(action: &Action) -> u8 {
    match action {
        Action::Forget | Action::Skip => 0,
        Action::Adopt => 1,
        Action::Create => 2,
        Action::Run => 3,
        Action::Update { .. } => 4,
        Action::Replace { .. } => 5,
        Action::Delete => 6,
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text).replace('\\', "\\\\").replace('"', "\\\""))
}

/// A text between quotes of Mermaid.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '#' => safe.push_str("#35;"),
            '"' => safe.push_str("#quot;"),
            // Mermaid reads HTML and Markdown between its quotes.
            '<' | '>' | '&' | '`' | '*' | '@' => safe.push_str(&format!("#{};", u32::from(character))),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    fn small() -> Parts {
        let part = |topic: &str, needs: &[&str]| (topic.to_owned(), needs.iter().map(|name| address(name)).collect());
        let (http, smtp) = (r#"ec2.security_group_rule.egress["http"]"#, r#"ec2.security_group_rule.egress["smtp"]"#);
        BTreeMap::from([
            (address("ec2.security_group.tasks"), part("network", &[])),
            (address(http), part("network", &["ec2.security_group.tasks"])),
            (address(smtp), part("network", &["ec2.security_group.tasks"])),
            (address("ecs.service.web"), part("compute", &["ec2.security_group.tasks", http, smtp])),
        ])
    }

    #[test]
    fn mermaid_leaves_out_what_follows_and_draws_an_each_once() {
        assert_eq!(
            Drawing::of(&small(), None, false).mermaid(),
            r#"flowchart LR
  subgraph topic0["network"]
    n0["ec2.security_group.tasks"]
    n1["ec2.security_group_rule.egress ×2"]
  end
  subgraph topic1["compute"]
    n2["ecs.service.web"]
  end
  n0 --> n1
  n1 --> n2
"#
        );
    }

    #[test]
    fn everything_is_every_resource_and_every_arrow() {
        assert_eq!(
            Drawing::of(&small(), None, true).dot(),
            r#"digraph mastoform {
  rankdir = LR;
  node [shape = box];
  subgraph "cluster_network" {
    label = "network";
    "ec2.security_group.tasks" [label = "ec2.security_group.tasks"];
    "ec2.security_group_rule.egress[\"smtp\"]" [label = "ec2.security_group_rule.egress[\"smtp\"]"];
    "ec2.security_group_rule.egress[\"http\"]" [label = "ec2.security_group_rule.egress[\"http\"]"];
  }
  subgraph "cluster_compute" {
    label = "compute";
    "ecs.service.web" [label = "ecs.service.web"];
  }
  "ec2.security_group.tasks" -> "ec2.security_group_rule.egress[\"smtp\"]";
  "ec2.security_group.tasks" -> "ec2.security_group_rule.egress[\"http\"]";
  "ec2.security_group.tasks" -> "ecs.service.web";
  "ec2.security_group_rule.egress[\"smtp\"]" -> "ecs.service.web";
  "ec2.security_group_rule.egress[\"http\"]" -> "ecs.service.web";
}
"#
        );
    }

    #[test]
    fn an_each_with_something_in_between_is_drawn_one_by_one() {
        let part = |needs: &[&str]| ("t".to_owned(), needs.iter().map(|name| address(name)).collect());
        let parts = BTreeMap::from([
            (address(r#"a.b.c["1"]"#), part(&[])),
            (address("a.b.between"), part(&[r#"a.b.c["1"]"#])),
            (address(r#"a.b.c["2"]"#), part(&["a.b.between"])),
        ]);
        let labels: Vec<String> = Drawing::of(&parts, None, false).nodes.iter().map(Node::label).collect();
        assert_eq!(labels, [r#"c["1"]"#, "between", r#"c["2"]"#]);
    }
}
