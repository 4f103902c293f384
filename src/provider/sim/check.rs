//! What the cloud refuses: attributes against their type.
//!
//! The first complaint wins, as it does at AWS. No message holds a value, because a value may be a secret.

use std::collections::BTreeMap;

use super::synthesis::{filled, storable};
use crate::spec::types::{Attribute, ResourceType, Shape};
use crate::value::{Known, Tree, Value};

/// Why a request is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    pub code: &'static str,
    /// The attribute's path, joined by dots.
    pub attribute: String,
    pub message: String,
}

fn complain<T>(code: &'static str, attribute: &str, message: impl Into<String>) -> Result<T, Complaint> {
    Err(Complaint { code, attribute: attribute.to_owned(), message: format!("{attribute} {}", message.into()) })
}

/// Checks the attributes of something new.
pub fn creation(resource_type: &ResourceType, attributes: &Known) -> Result<(), Complaint> {
    match attributes {
        Tree::Map(entries) => fields("", &resource_type.attributes, entries),
        Tree::Null => fields("", &resource_type.attributes, &BTreeMap::new()),
        other => complain("MalformedRequest", "request", format!("must be a table and is {}", other.kind())),
    }
}

/// Checks the `changed` attributes of something that has the attributes `before`.
pub fn change(
    resource_type: &ResourceType,
    before: &Value,
    changed: &[String],
    desired: &Known,
) -> Result<(), Complaint> {
    for name in changed {
        let Some(described) = resource_type.attributes.get(name) else {
            return complain("UnknownParameter", name, "is not known");
        };
        let wanted = desired.get(name).unwrap_or(&Tree::Null);
        if wanted.is_null() && described.required {
            return complain("MissingParameter", name, "is required");
        }
        if !wanted.is_null() {
            field(name, described, wanted)?;
        }
        frozen(name, described, before.get(name), wanted)?;
        let is = before.get(name).unwrap_or(&Tree::Null);
        if wanted.plain().is_some_and(|plain| described.is_raised(&plain, is)) {
            return complain("InvalidParameterCombination", name, "can only be raised");
        }
    }
    Ok(())
}

fn fields(
    path: &str,
    described: &BTreeMap<String, Attribute>,
    given: &BTreeMap<String, Known>,
) -> Result<(), Complaint> {
    for (key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        match described.get(key) {
            Some(attribute) => field(&joined(path, key), attribute, value)?,
            None => return complain("UnknownParameter", &joined(path, key), "is not known"),
        }
    }
    for (key, attribute) in described {
        if attribute.required && given.get(key).is_none_or(Tree::is_null) {
            return complain("MissingParameter", &joined(path, key), "is required");
        }
    }
    Ok(())
}

fn field(path: &str, attribute: &Attribute, value: &Known) -> Result<(), Complaint> {
    if attribute.computed {
        return complain("InvalidParameterCombination", path, "is chosen by the cloud");
    }
    match (&attribute.shape, value) {
        (Shape::Text, Tree::Text(_) | Tree::Leaf(_)) | (Shape::Bool, Tree::Bool(_)) | (Shape::Json, _) => {}
        (Shape::Integer, number) if number.as_integer().is_some() => {}
        (Shape::Number, number) if number.as_number().is_some() => {}
        (Shape::List(element), Tree::List(items)) => {
            for (index, item) in items.iter().enumerate() {
                field(&format!("{path}[{index}]"), element, item)?;
            }
        }
        (Shape::Map(element), Tree::Map(entries)) => {
            for (key, entry) in entries {
                field(&joined(path, key), element, entry)?;
            }
        }
        (Shape::Object(children), Tree::Map(entries)) => fields(path, children, entries)?,
        (shape, other) => {
            let message = format!("must be {} and is {}", shape.words(), other.kind());
            return complain("InvalidParameterType", path, message);
        }
    }
    // A secret leaf has no plain form: what it holds is nobody's business here.
    let Some(plain) = value.plain() else { return Ok(()) };
    let listed = |value: &Value| attribute.values.iter().any(|allowed| same_scalar(allowed, value));
    let fits = match &plain {
        Tree::List(items) => items.iter().all(listed),
        scalar => listed(scalar),
    };
    if !attribute.values.is_empty() && !fits {
        let allowed: Vec<String> = attribute.values.iter().map(ToString::to_string).collect();
        return complain("InvalidParameterValue", path, format!("must be one of {}", allowed.join(", ")));
    }
    match attribute.limits.complaint(&plain) {
        Some(message) => complain("InvalidParameterValue", path, message),
        None => Ok(()),
    }
}

fn frozen(path: &str, attribute: &Attribute, before: Option<&Value>, wanted: &Known) -> Result<(), Complaint> {
    if attribute.immutable {
        let never_read = attribute.write_only || attribute.sensitive;
        if never_read || !unchanged(attribute, before, wanted) {
            return complain("NotUpdatable", path, "can only be chosen when the resource is created");
        }
    }
    if let Shape::Object(children) = &attribute.shape {
        for (key, child) in children.iter().filter(|(_, child)| !child.computed) {
            let before = before.and_then(|before| before.get(key));
            frozen(&joined(path, key), child, before, wanted.get(key).unwrap_or(&Tree::Null))?;
        }
    }
    Ok(())
}

fn unchanged(attribute: &Attribute, before: Option<&Value>, wanted: &Known) -> bool {
    let Some(stored) = storable(attribute, wanted) else { return true };
    match (before, filled(attribute, stored)) {
        (None | Some(Tree::Null), _) if wanted.is_null() => true,
        (Some(before), Some(after)) => same_scalar(before, &after),
        // What the cloud chose by itself may stay so.
        (Some(_), None) => attribute.default_from_aws,
        _ => false,
    }
}

/// Equality in which `4` and `4.0` are the same.
fn same_scalar(left: &Value, right: &Value) -> bool {
    match (left.as_number(), right.as_number()) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
