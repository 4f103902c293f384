//! What the cloud adds to what it was given: defaults, and computed attributes made from their `format`.
//!
//! A format is text with placeholders: `{region}`, `{account}`, `{revision}`, `{hex8}` (any number of digits), `{index}`
//! (a letter, in lists) and `{attribute}` or `{attribute.part}` for other attributes of the same object. What looks
//! random is a hash of the seed, of the name of the object and of how many objects had that name before, so that it does
//! not depend on the order of calls.

use std::collections::BTreeMap;
use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::ACCOUNT;
use super::cloud::scalar_text;
use crate::secret::SecretText;
use crate::spec::types::{Attribute, Compare, ResourceType, Shape, placeholders};
use crate::value::{Known, Tree, Value};

/// The start of every secret of a simulated cloud, so that tests can look for leaks.
pub const SECRET_MARK: &str = "fakesecret";

/// Lists of what already exists have three entries.
const INDICES: [char; 3] = ['a', 'b', 'c'];

/// Hexadecimal digits that depend on nothing but `parts`.
pub fn hex(parts: &[&str], digits: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let mut text = String::new();
    for byte in hash.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.truncate(digits);
    text
}

/// The secret under `path` of an object: 32 letters and digits.
pub fn secret(seed: u64, identity: &str, path: &[String]) -> SecretText {
    let digits = hex(&["secret", &seed.to_string(), identity, &path.join("/")], 32 - SECRET_MARK.len());
    SecretText::new(format!("{SECRET_MARK}{digits}"))
}

/// What the cloud keeps of a value it was given: no secrets, nothing write-only, and its own spelling. Nothing at all
/// for what it never shows.
pub fn storable(attribute: &Attribute, given: &Known) -> Option<Option<Value>> {
    if attribute.sensitive || attribute.write_only {
        return None;
    }
    let kept = match (&attribute.shape, given) {
        (_, Tree::Null | Tree::Leaf(_)) => return Some(None),
        (Shape::Object(children), Tree::Map(entries)) => Tree::Map(
            entries
                .iter()
                .filter_map(|(key, entry)| Some((key.clone(), storable(children.get(key)?, entry)??)))
                .collect(),
        ),
        (Shape::Map(element), Tree::Map(entries)) => Tree::Map(
            entries.iter().filter_map(|(key, entry)| Some((key.clone(), storable(element, entry)??))).collect(),
        ),
        (Shape::List(element), Tree::List(items)) => {
            let mut items: Vec<Value> = items.iter().filter_map(|item| storable(element, item)?).collect();
            if attribute.unordered {
                items.sort_by_key(ToString::to_string);
            }
            Tree::List(items)
        }
        (_, given) => without_secrets(given),
    };
    Some(Some(match (attribute.compare, kept) {
        (Some(Compare::VersionPrefix), Tree::Text(version)) if !version.contains('.') => Tree::Text(version + ".1"),
        (Some(Compare::CaseInsensitive), Tree::Text(text)) => Tree::Text(text.to_lowercase()),
        (_, kept) => kept,
    }))
}

fn without_secrets(given: &Known) -> Value {
    given.try_map::<_, ()>(&mut |_| Ok(Tree::Null)).unwrap_or_default()
}

/// The attributes the cloud keeps of a creation.
pub fn stored(resource_type: &ResourceType, given: &Known) -> Value {
    let entries = given.as_map().into_iter().flatten();
    let kept = entries
        .filter_map(|(name, value)| Some((name.clone(), storable(resource_type.attributes.get(name)?, value)??)));
    Tree::Map(kept.collect())
}

/// A value with the defaults of what is missing in it; nothing if there is none.
pub fn filled(attribute: &Attribute, given: Option<Value>) -> Option<Value> {
    if attribute.computed || attribute.sensitive || attribute.write_only {
        return None;
    }
    match (&attribute.shape, given) {
        (Shape::Object(children), None | Some(Tree::Null)) => {
            let entries = if children.values().any(|child| child.required) {
                BTreeMap::new()
            } else {
                filled_fields(children, BTreeMap::new())
            };
            (!entries.is_empty()).then_some(Tree::Map(entries))
        }
        (Shape::Object(children), Some(Tree::Map(entries))) => Some(Tree::Map(filled_fields(children, entries))),
        (Shape::List(element), Some(Tree::List(items))) => {
            Some(Tree::List(items.into_iter().filter_map(|item| filled(element, Some(item))).collect()))
        }
        (_, None | Some(Tree::Null)) => attribute.default.clone(),
        (_, given) => given,
    }
}

/// [`filled`] for all attributes of a table. What is given and not described stays.
pub fn filled_fields(
    described: &BTreeMap<String, Attribute>,
    mut given: BTreeMap<String, Value>,
) -> BTreeMap<String, Value> {
    for (key, attribute) in described {
        let before = given.remove(key);
        let settled = if attribute.computed { before } else { filled(attribute, before) };
        if let Some(value) = settled {
            given.insert(key.clone(), value);
        }
    }
    given
}

/// Makes the attributes of one object.
pub struct Forge<'a> {
    pub resource_type: &'a ResourceType,
    pub region: &'a str,
    pub seed: u64,
    /// The name of what is being made, and how many had that name before.
    pub subject: &'a str,
    pub birth: u64,
    pub revision: i64,
}

impl Forge<'_> {
    /// `given` with defaults and computed attributes, but without the status and its reason.
    pub fn complete(&self, given: Value) -> Value {
        let Tree::Map(given) = given else { return self.complete(Tree::Map(BTreeMap::new())) };
        let mut result = Tree::Map(filled_fields(&self.resource_type.attributes, given));
        let mut pending = Vec::new();
        computed_paths(&self.resource_type.attributes, &mut Vec::new(), &mut pending);
        let ready = self.resource_type.ready.as_ref();
        let status = ready.map(|ready| ready.attribute.as_str());
        let reason = ready.and_then(|ready| ready.reason.as_deref());
        pending.retain(|(path, attribute)| {
            let name = path.first().map(String::as_str);
            let is_status = path.len() == 1 && (name == status || name == reason);
            !attribute.sensitive && !is_status && result.at(path).is_none()
        });
        // Formats may name other computed attributes: each round makes those that need nothing more.
        while !pending.is_empty() {
            let open: Vec<String> = pending.iter().map(|(path, _)| path.join(".")).collect();
            let (able, rest): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(path, attribute)| {
                let own = path.join(".");
                !placeholders(&self.format(path, attribute)).any(|name| name != own && open.iter().any(|o| o == name))
            });
            // Formats in a circle are made with empty parts.
            let (able, rest) = if able.is_empty() { (rest, able) } else { (able, rest) };
            for (path, attribute) in &able {
                let value = self.computed(path, attribute, &result);
                result.set(path, value);
            }
            pending = rest;
        }
        result
    }

    /// Something that existed before anybody looked: `filters` with all that belongs to it.
    pub fn invent(&self, filters: &Value) -> Value {
        let mut given = filters.clone();
        for (name, attribute) in &self.resource_type.attributes {
            let first = attribute.default.as_ref().or(attribute.values.first());
            if let (None, Some(first), false) = (filters.get(name), first, attribute.computed) {
                given.set(&[name], first.clone());
            }
        }
        if let Some(ready) = &self.resource_type.ready
            && given.get(&ready.attribute).is_none()
            && let Some(first) = ready.good.first()
        {
            given.set(&[&ready.attribute], first.as_str().into());
        }
        self.complete(given)
    }

    fn format(&self, path: &[String], attribute: &Attribute) -> String {
        match &attribute.format {
            Some(format) => format.clone(),
            None if path == ["revision"] => "{revision}".to_owned(),
            None => format!("{}-{}-{{hex8}}", self.resource_type.name.service, self.resource_type.name.kind),
        }
    }

    fn computed(&self, path: &[String], attribute: &Attribute, result: &Value) -> Value {
        let format = self.format(path, attribute);
        let text = |index| self.expand(&format, &path.join("."), index, result);
        let plain = attribute.default.as_ref().or(attribute.values.first());
        if let (None, Some(value)) = (&attribute.format, plain) {
            return value.clone();
        }
        match &attribute.shape {
            Shape::Text => Tree::Text(text('a')),
            Shape::Integer => Tree::Integer(text('a').parse().unwrap_or(1)),
            Shape::Number => Tree::Number(text('a').parse().unwrap_or(1.0)),
            Shape::Bool => Tree::Bool(text('a') == "true"),
            Shape::List(_) if attribute.format.is_some() => {
                INDICES.map(|index| Value::Text(text(index))).to_vec().into()
            }
            Shape::List(_) => Tree::List(Vec::new()),
            Shape::Map(_) | Shape::Object(_) => Tree::Map(BTreeMap::new()),
            Shape::Json => Tree::Null,
        }
    }

    fn expand(&self, format: &str, path: &str, index: char, result: &Value) -> String {
        let mut text = String::new();
        let mut rest = format;
        let mut ordinal = 0;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            text.push_str(before);
            rest = after;
            if let Some(digits) = name.strip_prefix("hex").and_then(|digits| digits.parse().ok()) {
                ordinal += 1;
                let numbers = [self.seed.to_string(), self.birth.to_string(), ordinal.to_string(), index.to_string()];
                let [seed, birth, ordinal, index] = numbers.each_ref().map(String::as_str);
                let type_name = self.resource_type.name.to_string();
                text += &hex(&[seed, &type_name, self.region, self.subject, birth, path, ordinal, index], digits);
                continue;
            }
            match name {
                "region" => text.push_str(self.region),
                "account" => text.push_str(ACCOUNT),
                "revision" => text += &self.revision.to_string(),
                "index" => text.push(index),
                attribute => {
                    let keys: Vec<&str> = attribute.split('.').collect();
                    text += &result.at(&keys).and_then(scalar_text).unwrap_or_default();
                }
            }
        }
        text + rest
    }
}

fn computed_paths<'a>(
    described: &'a BTreeMap<String, Attribute>,
    path: &mut Vec<String>,
    found: &mut Vec<(Vec<String>, &'a Attribute)>,
) {
    for (key, attribute) in described {
        path.push(key.clone());
        match &attribute.shape {
            Shape::Object(children) if !attribute.sensitive => computed_paths(children, path, found),
            _ if attribute.computed => found.push((path.clone(), attribute)),
            _ => {}
        }
        path.pop();
    }
}

/// What makes an object unique among those of its type: the attributes that name it. Nothing if there are none, or if
/// every revision has the same.
pub fn natural_name(resource_type: &ResourceType, attributes: &Value) -> Option<String> {
    let name = named_by(resource_type, attributes);
    (resource_type.is_named() && !name.is_empty()).then_some(name)
}

/// The same, even if it is not unique.
pub fn named_by(resource_type: &ResourceType, attributes: &Value) -> String {
    let parts = resource_type.naming().into_iter().filter_map(|name| attributes.get(name).and_then(scalar_text));
    parts.collect::<Vec<_>>().join("|")
}
