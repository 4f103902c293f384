//! Paths of attributes as people write them: `serverless_v2.max`, `containers["web"].image`, `listeners[443]`. And
//! what must not be shown at them.

use std::fmt::Write;

use crate::address::quoted;
use crate::inert::printable;
use crate::spec::types::{Attribute, ResourceType, Shape};
use crate::value::{Planned, Tree};

/// The path in words, parted: the element of a list, by the `names` of all elements it is about, and the rest. Without
/// names the rest is the whole.
pub fn parted(path: &[String], names: &[String], resource_type: Option<&ResourceType>) -> (String, String) {
    let whole = display(path, resource_type);
    if names.is_empty() {
        return (String::new(), whole);
    }
    let element = display(&path[..path.len().min(2)], resource_type);
    let rest = whole.strip_prefix(&element).unwrap_or_default().to_owned();
    let list = path.first().map_or("", String::as_str);
    let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
    let head = if let [_] = names.as_slice() { element } else { format!("{list}[{}]", names.join(", ")) };
    (head, rest)
}

/// The path in words. Keys of maps, and of lists whose elements have names, stand in brackets.
pub fn display(path: &[String], resource_type: Option<&ResourceType>) -> String {
    let mut text = String::new();
    let mut attribute: Option<&Attribute> = None;
    for (index, key) in path.iter().enumerate() {
        if index == 0 {
            text.push_str(&printable(key));
            attribute = resource_type.and_then(|found| found.attributes.get(key));
            continue;
        }
        match attribute.map(|parent| &parent.shape) {
            Some(Shape::List(_)) if key.bytes().all(|byte| byte.is_ascii_digit()) => {
                let _ = write!(text, "[{key}]");
            }
            Some(Shape::List(_) | Shape::Map(_)) => {
                let _ = write!(text, "[{}]", quoted(key));
            }
            Some(Shape::Json) | None if !is_word(key) => {
                let _ = write!(text, "[{}]", quoted(key));
            }
            _ => {
                let _ = write!(text, ".{}", printable(key));
            }
        }
        attribute = attribute.and_then(|parent| parent.child(key));
    }
    text
}

fn is_word(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether something on the way to `path`, or at it, is secret.
pub fn is_sensitive(path: &[String], resource_type: Option<&ResourceType>) -> bool {
    (1..=path.len()).any(|length| {
        resource_type.and_then(|found| found.attribute(&path[..length])).is_some_and(|attribute| attribute.sensitive)
    })
}

/// The value, with `stand_in` for everything sensitive within it.
pub fn redacted(value: &Planned, attribute: Option<&Attribute>, stand_in: &Planned) -> Planned {
    let Some(attribute) = attribute else { return value.clone() };
    if attribute.sensitive {
        return stand_in.clone();
    }
    match (&attribute.shape, value) {
        (Shape::Object(_) | Shape::Map(_), Tree::Map(entries)) => Tree::Map(
            entries.iter().map(|(key, entry)| (key.clone(), redacted(entry, attribute.child(key), stand_in))).collect(),
        ),
        (Shape::List(element), Tree::List(items)) => {
            Tree::List(items.iter().map(|item| redacted(item, Some(element), stand_in)).collect())
        }
        _ => value.clone(),
    }
}
