//! Which values name other objects: those of attributes with `refers_to`.

use std::collections::BTreeMap;

use crate::address::TypeName;
use crate::spec::types::{Attribute, Shape};
use crate::value::{Tree, Value};

/// Calls `visit` with every reference in `attributes`: the top-level attribute it stands in, the type it names, and
/// the identity.
pub fn references(
    described: &BTreeMap<String, Attribute>,
    attributes: &Value,
    visit: &mut impl FnMut(&str, &TypeName, &str),
) {
    for (name, attribute) in described {
        if let Some(value) = attributes.get(name) {
            inside(attribute, value, &mut |type_name, identity| visit(name, type_name, identity));
        }
    }
}

fn inside(attribute: &Attribute, value: &Value, visit: &mut dyn FnMut(&TypeName, &str)) {
    if let Some(type_name) = &attribute.refers_to {
        texts(value, &mut |identity| visit(type_name, identity));
        return;
    }
    match (&attribute.shape, value) {
        (Shape::Object(children), Tree::Map(entries)) => {
            for (key, entry) in entries {
                if let Some(child) = children.get(key) {
                    inside(child, entry, visit);
                }
            }
        }
        (Shape::Map(element), Tree::Map(entries)) => entries.values().for_each(|entry| inside(element, entry, visit)),
        (Shape::List(element), Tree::List(items)) => items.iter().for_each(|item| inside(element, item, visit)),
        _ => {}
    }
}

fn texts(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Tree::Text(text) => visit(text),
        Tree::List(items) => items.iter().for_each(|item| texts(item, visit)),
        Tree::Map(entries) => entries.values().for_each(|entry| texts(entry, visit)),
        _ => {}
    }
}
