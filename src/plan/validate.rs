//! What AWS would refuse, and what the program refuses by itself, found before anything is asked.

use super::resolve::Desired;
use crate::address::TypeName;
use crate::diagnostic::Diagnostic;
use crate::expr::{Expression, Root, TemplateTree};
use crate::spec::types::{Attribute, Proof, Shape};
use crate::value::{Planned, Tree};

/// What is wrong with the attributes of a resource, as far as they are known.
pub(super) fn validate(desired: &Desired, attributes: &Planned) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (name, attribute) in &desired.resource_type.attributes {
        let mut path = vec![name.clone()];
        match attributes.get(name) {
            Some(value) => validate_value(desired, attribute, value, &mut path, &mut problems),
            None if attribute.required => problems.push(
                Diagnostic::error("missing-attribute", format!("`{name}` of {} has no value", desired.address))
                    .at(desired.resource.location_of(&path), "is null"),
            ),
            None => {}
        }
    }
    problems.extend(outsiders(desired));
    problems
}

/// Attributes that would make the resource a part of something that is not the instance's.
fn outsiders(desired: &Desired) -> Vec<Diagnostic> {
    let templates = desired.templates();
    let parts = desired.resource_type.attributes.iter().filter_map(|(name, one)| {
        // The parent that proves a resource ours must itself be ours.
        let proves = matches!(&desired.resource_type.proof, Proof::Parent { attribute } if attribute == name);
        Some((name, one.part_of.as_ref().or(one.refers_to.as_ref().filter(|_| proves))?))
    });
    let wrong = parts.filter(|(name, parent)| templates.get(*name).is_some_and(|tree| !is_of(tree, parent)));
    wrong
        .map(|(name, parent)| {
            let example = format!("`${{{parent}.NAME...}}`");
            Diagnostic::error(
                "outsider",
                format!("`{name}` of {} must come from this instance's own, as {example}", desired.address),
            )
            .at(desired.resource.location_of(std::slice::from_ref(name)), "may name something of others")
            .hint("nothing is made inside what is not this instance's: give it a resource of its own")
        })
        .collect()
}

/// Whether a value is an attribute of a resource of this type, and nothing else.
fn is_of(tree: &TemplateTree, parent: &TypeName) -> bool {
    let Tree::Leaf(template) = tree else { return tree.is_null() };
    let reference = template.whole().and_then(Expression::as_reference);
    matches!(reference.map(|reference| &reference.root), Some(Root::Resource { type_name, .. }) if type_name == parent)
}

fn validate_value(
    desired: &Desired,
    attribute: &Attribute,
    value: &Planned,
    path: &mut Vec<String>,
    problems: &mut Vec<Diagnostic>,
) {
    if matches!(value, Tree::Leaf(_) | Tree::Null) {
        return;
    }
    let mut complain = |text: String| {
        problems.push(
            Diagnostic::error("invalid-value", format!("`{}` of {} {text}", path.join("."), desired.address))
                .at(desired.resource.location_of(path.as_slice()), ""),
        );
    };
    match (&attribute.shape, value) {
        (Shape::Json, _) => {}
        (Shape::Object(attributes), Tree::Map(entries)) => {
            for (name, child) in attributes {
                path.push(name.clone());
                match entries.get(name) {
                    Some(entry) => validate_value(desired, child, entry, path, problems),
                    None if child.required => problems.push(
                        Diagnostic::error(
                            "missing-attribute",
                            format!("`{}` of {} has no value", path.join("."), desired.address),
                        )
                        .at(desired.resource.location_of(path.as_slice()), "is null"),
                    ),
                    None => {}
                }
                path.pop();
            }
            if let Some(unknown) = entries.keys().find(|key| !attributes.contains_key(*key)) {
                path.push(unknown.clone());
                problems.push(
                    Diagnostic::error("invalid-value", format!("{} has no `{}`", desired.address, path.join(".")))
                        .at(desired.resource.location_of(path.as_slice()), ""),
                );
                path.pop();
            }
        }
        (Shape::Map(element), Tree::Map(entries)) => {
            for (key, entry) in entries {
                path.push(key.clone());
                validate_value(desired, element, entry, path, problems);
                path.pop();
            }
        }
        (Shape::List(element), Tree::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                validate_value(desired, element, item, path, problems);
                path.pop();
            }
        }
        (Shape::Text, Tree::Text(_))
        | (Shape::Integer, Tree::Integer(_))
        | (Shape::Number, Tree::Integer(_) | Tree::Number(_))
        | (Shape::Bool, Tree::Bool(_)) => {
            let plain = value.plain().unwrap_or_default();
            if !attribute.values.is_empty() && !attribute.values.contains(&plain) {
                let known: Vec<String> = attribute.values.iter().map(ToString::to_string).collect();
                complain(format!("must be one of {}, not {plain}", known.join(", ")));
            } else if let Some(complaint) = attribute.limits.complaint(&plain) {
                complain(if attribute.sensitive { complaint } else { format!("{complaint}: {plain}") });
            }
        }
        (shape, _) => complain(format!("must be {}, not {}", shape.words(), value.kind())),
    }
}
