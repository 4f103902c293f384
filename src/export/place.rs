//! A resource of an export in a tool's words.

use super::{Item, Leaf, Part, Written};
use crate::spec::counterpart::Tool;
use crate::spec::placement::{self, Subject};
use crate::value::Tree;

pub use crate::spec::placement::put;

/// A resource as it is written.
pub type Placed = placement::Placed<Leaf>;

/// Puts the attributes of a resource where the tool keeps them.
pub fn placed(item: &Item<'_>, tool: Tool) -> Placed {
    let subject = Subject {
        resource_type: item.resource_type,
        attributes: &item.attributes,
        values: &item.values,
        tags: Some(&item.tags),
        writes_defaults: true,
        document: |document: Written| Tree::Leaf(Leaf::Document(Box::new(document))),
    };
    placement::placed(&subject, tool)
}

/// A text with references, in one spelling per reference.
pub fn spelled(
    parts: &[Part],
    literal: impl Fn(&str) -> String,
    reference: impl Fn(&super::Reference) -> Option<String>,
) -> Option<String> {
    let pieces = parts.iter().map(|part| match part {
        Part::Literal(text) => Some(literal(text)),
        Part::Reference(found) => reference(found),
    });
    pieces.collect()
}
