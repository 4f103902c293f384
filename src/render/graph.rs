//! The graph of resources as text for drawing programs: Mermaid and Graphviz.
//!
//! Arrows go in the direction of the work, from what is needed to what needs it. Arrows that follow from others are
//! left out. Resources of one AWS service stand together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use petgraph::algo::tred::{dag_to_toposorted_adjacency_list, dag_transitive_reduction_closure};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::IntoNeighbors;

use crate::address::Address;
use crate::plan::Graph;
use crate::spec::types::Milestone;

/// Resources and what each needs.
type Needs<'a> = BTreeMap<&'a Address, &'a BTreeMap<Address, Milestone>>;

/// A Mermaid flowchart.
pub fn mermaid(graph: &Graph<'_>) -> String {
    mermaid_of(&needs(graph), &graph.order)
}

/// A Graphviz digraph.
pub fn dot(graph: &Graph<'_>) -> String {
    dot_of(&needs(graph), &graph.order)
}

fn needs<'a>(graph: &'a Graph<'_>) -> Needs<'a> {
    graph.nodes.iter().map(|(address, desired)| (address, &desired.depends_on)).collect()
}

fn mermaid_of(needs: &Needs<'_>, order: &[Address]) -> String {
    let mut text = String::from("flowchart LR\n");
    for (service, addresses) in by_service(needs) {
        let _ = writeln!(text, "  subgraph {service}");
        for address in addresses {
            let label = short(address).replace('"', "#quot;");
            let _ = writeln!(text, "    {}[\"{label}\"]", identifier(address));
        }
        text.push_str("  end\n");
    }
    for (needed, user) in edges(needs, order) {
        let _ = writeln!(text, "  {} --> {}", identifier(needed), identifier(user));
    }
    text
}

fn dot_of(needs: &Needs<'_>, order: &[Address]) -> String {
    let mut text = String::from("digraph mastoform {\n  rankdir = LR;\n  node [shape = box];\n");
    for (service, addresses) in by_service(needs) {
        let _ = writeln!(text, "  subgraph \"cluster_{service}\" {{\n    label = \"{service}\";");
        for address in addresses {
            let _ = writeln!(text, "    {} [label = {}];", quoted(&address.to_string()), quoted(&short(address)));
        }
        text.push_str("  }\n");
    }
    for (needed, user) in edges(needs, order) {
        let _ = writeln!(text, "  {} -> {};", quoted(&needed.to_string()), quoted(&user.to_string()));
    }
    text.push_str("}\n");
    text
}

fn by_service<'a>(needs: &Needs<'a>) -> BTreeMap<&'a str, Vec<&'a Address>> {
    let mut services: BTreeMap<&str, Vec<&Address>> = BTreeMap::new();
    for address in needs.keys() {
        services.entry(address.type_name.service.as_str()).or_default().push(address);
    }
    services
}

/// The address without the service, which its group says.
fn short(address: &Address) -> String {
    let whole = address.to_string();
    whole.split_once('.').map_or(whole.clone(), |(_, rest)| rest.to_owned())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The address in letters, digits and underscores; other characters by their number, so that no two are the same.
fn identifier(address: &Address) -> String {
    let mut text = String::new();
    for character in address.to_string().chars() {
        match character {
            '.' => text.push_str("__"),
            '[' | ']' => text.push('_'),
            '"' => {}
            character if character.is_ascii_alphanumeric() || character == '_' => text.push(character),
            other => {
                let _ = write!(text, "_{:x}_", u32::from(other));
            }
        }
    }
    text
}

/// What is needed, and by whom, without what follows from the rest.
fn edges<'a>(needs: &Needs<'a>, order: &[Address]) -> BTreeSet<(&'a Address, &'a Address)> {
    let mut graph: DiGraph<&Address, ()> = DiGraph::new();
    let mut indices: BTreeMap<&Address, NodeIndex> = BTreeMap::new();
    for address in order {
        if let Some((address, _)) = needs.get_key_value(address) {
            indices.insert(address, graph.add_node(address));
        }
    }
    for (address, needed) in needs {
        for other in needed.keys() {
            if let (Some(from), Some(to)) = (indices.get(other), indices.get(address)) {
                graph.add_edge(*from, *to, ());
            }
        }
    }
    // Nodes were added in an order in which everything comes after what it needs.
    let sorted: Vec<NodeIndex> = graph.node_indices().collect();
    let (list, _) = dag_to_toposorted_adjacency_list::<_, u32>(&graph, &sorted);
    let (reduced, _) = dag_transitive_reduction_closure(&list);
    let mut kept = BTreeSet::new();
    for from in 0..sorted.len() {
        let from = NodeIndex::<u32>::new(from);
        for to in reduced.neighbors(from.index() as u32) {
            kept.insert((graph[from], graph[NodeIndex::new(to as usize)]));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    fn small() -> (BTreeMap<Address, BTreeMap<Address, Milestone>>, Vec<Address>) {
        let group = address("ec2.security_group.tasks");
        let rule = address(r#"ec2.security_group_rule.egress["smtp"]"#);
        let service = address("ecs.service.web");
        let on = |needed: &[&Address]| needed.iter().map(|one| ((*one).clone(), Milestone::Ready)).collect();
        let nodes = BTreeMap::from([
            (group.clone(), BTreeMap::new()),
            (rule.clone(), on(&[&group])),
            (service.clone(), on(&[&group, &rule])),
        ]);
        (nodes, vec![group, rule, service])
    }

    #[test]
    fn mermaid_leaves_out_what_follows() {
        let (nodes, order) = small();
        let needs = nodes.iter().collect();
        assert_eq!(
            mermaid_of(&needs, &order),
            r#"flowchart LR
  subgraph ec2
    ec2__security_group__tasks["security_group.tasks"]
    ec2__security_group_rule__egress_smtp_["security_group_rule.egress[#quot;smtp#quot;]"]
  end
  subgraph ecs
    ecs__service__web["service.web"]
  end
  ec2__security_group__tasks --> ec2__security_group_rule__egress_smtp_
  ec2__security_group_rule__egress_smtp_ --> ecs__service__web
"#
        );
    }

    #[test]
    fn dot_quotes_addresses() {
        let (nodes, order) = small();
        let needs = nodes.iter().collect();
        assert_eq!(
            dot_of(&needs, &order),
            r#"digraph mastoform {
  rankdir = LR;
  node [shape = box];
  subgraph "cluster_ec2" {
    label = "ec2";
    "ec2.security_group.tasks" [label = "security_group.tasks"];
    "ec2.security_group_rule.egress[\"smtp\"]" [label = "security_group_rule.egress[\"smtp\"]"];
  }
  subgraph "cluster_ecs" {
    label = "ecs";
    "ecs.service.web" [label = "service.web"];
  }
  "ec2.security_group.tasks" -> "ec2.security_group_rule.egress[\"smtp\"]";
  "ec2.security_group_rule.egress[\"smtp\"]" -> "ecs.service.web";
}
"#
        );
    }
}
