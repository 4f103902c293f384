//! Which values name other objects: those of attributes with `refers_to`.

use std::collections::BTreeMap;

use super::types::{Attribute, Shape};
use crate::address::TypeName;
use crate::value::{Tree, Value};

/// A value that names another object.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// The top-level attribute it stands in.
    pub top: &'a str,
    /// The attribute itself.
    pub attribute: &'a Attribute,
    /// The type of what it names.
    pub type_name: &'a TypeName,
    /// The identity of what it names.
    pub identity: &'a str,
}

/// Calls `visit` with every reference in `attributes`.
pub fn references(described: &BTreeMap<String, Attribute>, attributes: &Value, visit: &mut impl FnMut(Naming<'_>)) {
    for (top, attribute) in described {
        if let Some(value) = attributes.get(top) {
            inside(attribute, value, &mut |attribute, type_name, identity| {
                visit(Naming { top, attribute, type_name, identity });
            });
        }
    }
}

fn inside(attribute: &Attribute, value: &Value, visit: &mut dyn FnMut(&Attribute, &TypeName, &str)) {
    if let Some(type_name) = &attribute.refers_to {
        texts(value, &mut |identity| visit(attribute, type_name, identity));
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
