//! Resources that would be one for the cloud: it knows them by what they are, and refuses the second one.

use std::collections::BTreeMap;

use super::resolve::Graph;
use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::spec::types::ResourceType;
use crate::value::Planned;

/// What is wrong with resources that have all the attributes alike which their type calls `unique`.
pub fn twins<'a>(
    graph: &Graph,
    settled: impl Iterator<Item = (&'a Address, &'a ResourceType, &'a Planned)>,
) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<String, &Address> = BTreeMap::new();
    let mut problems = Vec::new();
    for (address, resource_type, desired) in settled.filter(|(_, resource_type, _)| !resource_type.unique.is_empty()) {
        let Some(node) = graph.nodes.get(address) else { continue };
        let values = resource_type.unique.iter().map(|name| desired.get(name).filter(|value| !value.is_null()));
        let key = format!("{} {} {:?}", resource_type.name, node.region, values.collect::<Vec<_>>());
        let Some(first) = seen.insert(key, address) else { continue };
        let message =
            format!("{first} and {address} would be one for AWS: they have the same {}", listed(resource_type));
        let location = node.resource.location_of(resource_type.unique.get(..1).unwrap_or_default());
        problems.push(Diagnostic::error("twin-resources", message).at(location, "").hint("leave one of them out"));
    }
    problems
}

fn listed(resource_type: &ResourceType) -> String {
    resource_type.unique.join(", ")
}
