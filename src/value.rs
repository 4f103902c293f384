//! Values in their stages: one shape, several kinds of leaf.
//!
//! A [`Tree`] is what TOML and JSON can say, plus one more kind of leaf, `L`, that says how far the value has come:
//!
//! | stage | type | the extra leaf |
//! | --- | --- | --- |
//! | as written in the specs | `Template` (see [`crate::expr`]) | an expression |
//! | as far as a plan can know it | [`Planned`] | an [`Unknown`]: known only after apply, or a secret |
//! | complete, for a provider | [`Known`] | a [`SecretText`] |
//! | complete and free of secrets, for files | [`Value`] | none ([`Never`]) |
//!
//! A provider takes only [`Known`] and the state file only [`Value`], so that "apply never sees an unknown" and
//! "a secret is never stored" are types, not promises.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::Address;
use crate::secret::SecretText;

/// A tree of values whose extra leaf is `L`. Maps are ordered by key, so that equal trees print equal bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Tree<L> {
    #[default]
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<Tree<L>>),
    Map(BTreeMap<String, Tree<L>>),
    Leaf(L),
}

/// A leaf that cannot exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Never {}

/// A complete value without secrets: configuration, observations, the state file.
pub type Value = Tree<Never>;

/// A value as far as a plan can know it.
pub type Planned = Tree<Unknown>;

/// A complete value for a provider; secrets stay wrapped.
pub type Known = Tree<SecretText>;

/// What a plan does not know: a value that depends on something made later, or on a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// The template as written, for example `${ecs.task_definition.mastodon.arn}`.
    pub template: String,
    /// What is not known.
    pub references: Vec<Missing>,
    /// Whether the value is a secret: it is read while applying and never shown.
    pub sensitive: bool,
}

/// The way to a part of a table: names, each below the one before. As text the names are joined with dots; one that has a
/// dot itself stands in quotes, as in TOML.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct AttributePath(Vec<String>);

impl AttributePath {
    /// The path that a text says. A quote that is never closed is part of a name.
    pub fn parse(text: &str) -> Self {
        let mut names = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let quoted = rest.strip_prefix('"').and_then(|inside| inside.split_once('"'));
            let (name, after) = match quoted {
                Some((name, after)) if after.is_empty() || after.starts_with('.') => (name, after),
                _ => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            names.push(name.to_owned());
            rest = after.strip_prefix('.').unwrap_or(after);
        }
        Self(names)
    }
}

impl Deref for AttributePath {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl Borrow<[String]> for AttributePath {
    fn borrow(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for AttributePath {
    fn from(names: Vec<String>) -> Self {
        Self(names)
    }
}

impl From<&[String]> for AttributePath {
    fn from(names: &[String]) -> Self {
        Self(names.to_vec())
    }
}

impl From<String> for AttributePath {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<AttributePath> for String {
    fn from(path: AttributePath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match name.contains('.') {
                true => write!(formatter, "{dot}\"{name}\"")?,
                false => write!(formatter, "{dot}{name}")?,
            }
        }
        Ok(())
    }
}

/// An attribute of a resource that is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    pub address: Address,
    pub attribute: AttributePath,
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.address, self.attribute)
    }
}

impl<L> Tree<L> {
    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The whole number, if this is one (`4.0` counts).
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(*number as i64),
            _ => None,
        }
    }

    /// The number, if this is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The list, if this is one.
    pub fn as_list(&self) -> Option<&[Tree<L>]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The map, if this is one.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Tree<L>>> {
        match self {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entry `key` of a map; `None` for anything else.
    pub fn get(&self, key: &str) -> Option<&Tree<L>> {
        self.as_map()?.get(key)
    }

    /// The value at a path of map keys, for example `["serverless_v2", "min"]`.
    pub fn at<S: AsRef<str>>(&self, path: &[S]) -> Option<&Tree<L>> {
        path.iter().try_fold(self, |tree, key| tree.get(key.as_ref()))
    }

    /// Sets the value at a path of map keys, making the maps on the way. Replaces what is not a map.
    pub fn set<S: AsRef<str>>(&mut self, path: &[S], value: Tree<L>) {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(BTreeMap::new());
        }
        if let Self::Map(entries) = self {
            entries.entry(key.as_ref().to_owned()).or_default().set(rest, value);
        }
    }

    /// Rebuilds the tree with every extra leaf replaced by a whole tree of another stage.
    pub fn try_map<M, E>(&self, leaf: &mut impl FnMut(&L) -> Result<Tree<M>, E>) -> Result<Tree<M>, E> {
        Ok(match self {
            Self::Null => Tree::Null,
            Self::Bool(flag) => Tree::Bool(*flag),
            Self::Integer(number) => Tree::Integer(*number),
            Self::Number(number) => Tree::Number(*number),
            Self::Text(text) => Tree::Text(text.clone()),
            Self::List(items) => Tree::List(items.iter().map(|item| item.try_map(leaf)).collect::<Result<_, _>>()?),
            Self::Map(entries) => Tree::Map(
                entries.iter().map(|(key, entry)| Ok((key.clone(), entry.try_map(leaf)?))).collect::<Result<_, _>>()?,
            ),
            Self::Leaf(extra) => leaf(extra)?,
        })
    }

    /// As [`Tree::try_map`], for a tree that nobody needs any more: texts are moved, not copied.
    pub fn try_convert<M, E>(self, leaf: &mut impl FnMut(L) -> Result<Tree<M>, E>) -> Result<Tree<M>, E> {
        Ok(match self {
            Self::Null => Tree::Null,
            Self::Bool(flag) => Tree::Bool(flag),
            Self::Integer(number) => Tree::Integer(number),
            Self::Number(number) => Tree::Number(number),
            Self::Text(text) => Tree::Text(text),
            Self::List(items) => {
                Tree::List(items.into_iter().map(|item| item.try_convert(leaf)).collect::<Result<_, _>>()?)
            }
            Self::Map(entries) => Tree::Map(
                entries
                    .into_iter()
                    .map(|(key, entry)| Ok((key, entry.try_convert(leaf)?)))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Leaf(extra) => leaf(extra)?,
        })
    }

    /// Calls `visit` with every extra leaf.
    pub fn each_leaf<'tree>(&'tree self, visit: &mut impl FnMut(&'tree L)) {
        match self {
            Self::List(items) => items.iter().for_each(|item| item.each_leaf(visit)),
            Self::Map(entries) => entries.values().for_each(|entry| entry.each_leaf(visit)),
            Self::Leaf(extra) => visit(extra),
            _ => {}
        }
    }

    /// This tree without its extra leaves, or `None` if it has one.
    pub fn plain(&self) -> Option<Value> {
        self.try_map(&mut |_| Err(())).ok()
    }

    /// As [`Tree::plain`], for a tree that nobody needs any more.
    pub fn into_plain(self) -> Option<Value> {
        self.try_convert(&mut |_| Err(())).ok()
    }

    /// Whether this tree is, without any extra leaf, `value`: what `plain` would say, without a copy.
    pub fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Tree::Null) => true,
            (Self::Bool(this), Tree::Bool(other)) => this == other,
            (Self::Integer(this), Tree::Integer(other)) => this == other,
            (Self::Number(this), Tree::Number(other)) => this == other,
            (Self::Text(this), Tree::Text(other)) => this == other,
            (Self::List(these), Tree::List(others)) => {
                these.len() == others.len() && these.iter().zip(others).all(|(this, other)| this.is(other))
            }
            (Self::Map(these), Tree::Map(others)) => {
                these.len() == others.len()
                    && these.iter().zip(others).all(|((key, this), (name, other))| key == name && this.is(other))
            }
            _ => false,
        }
    }

    /// A one-word name of the kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a table",
            Self::Leaf(_) => "not known yet",
        }
    }
}

impl Value {
    /// The same value at a later stage.
    pub fn lift<L>(&self) -> Tree<L> {
        match self.try_map::<L, Never>(&mut |never| match *never {}) {
            Ok(tree) => tree,
            Err(never) => match never {},
        }
    }

    /// As [`Tree::lift`], for a value that nobody needs any more.
    pub fn into_lifted<L>(self) -> Tree<L> {
        match self.try_convert::<L, Never>(&mut |never| match never {}) {
            Ok(tree) => tree,
            Err(never) => match never {},
        }
    }

    /// This value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(flag) => (*flag).into(),
            Self::Integer(number) => (*number).into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(entries) => {
                serde_json::Value::Object(entries.iter().map(|(key, entry)| (key.clone(), entry.to_json())).collect())
            }
            Self::Leaf(never) => match *never {},
        }
    }

    /// A value from JSON. Numbers without a fraction become integers where they fit.
    pub fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(flag) => Self::Bool(*flag),
            serde_json::Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Number(number.as_f64().unwrap_or(f64::NAN)), Self::Integer)
            }
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(entries) => {
                Self::Map(entries.iter().map(|(key, entry)| (key.clone(), Self::from_json(entry))).collect())
            }
        }
    }
}

impl Known {
    /// This value for a provider that needs the text of a string attribute, secret or not.
    pub fn reveal(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Leaf(secret) => Some(secret.reveal()),
            _ => None,
        }
    }
}

impl<L> From<&str> for Tree<L> {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<L> From<String> for Tree<L> {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<L> From<bool> for Tree<L> {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl<L> From<i64> for Tree<L> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl<L> From<i32> for Tree<L> {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl<L> From<f64> for Tree<L> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl<L, T: Into<Tree<L>>> From<Vec<T>> for Tree<L> {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<L, T: Into<Tree<L>>> From<Option<T>> for Tree<L> {
    fn from(item: Option<T>) -> Self {
        item.map_or(Self::Null, Into::into)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => serializer.collect_map(entries),
            Self::Leaf(never) => match *never {},
        }
    }
}

/// Read as it comes, without a tree of JSON in between.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    /// Numbers without a fraction become integers where they fit.
    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Number(number as f64), Value::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((key, entry)) = entries.next_entry()? {
            map.insert(key, entry);
        }
        Ok(Value::Map(map))
    }
}

/// The one key of an unknown in JSON.
const UNKNOWN: &str = "$unknown";

/// A planned value as JSON: an unknown is `{"$unknown": {...}}`.
impl Serialize for Planned {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => serializer.collect_map(entries),
            Self::Leaf(unknown) => serializer.collect_map([(UNKNOWN, unknown)]),
        }
    }
}

/// The way back from the JSON form of a planned value.
impl<'de> Deserialize<'de> for Planned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?;
        planned_from_json(&json).map_err(serde::de::Error::custom)
    }
}

fn planned_from_json(json: &serde_json::Value) -> Result<Planned, serde_json::Error> {
    Ok(match json {
        serde_json::Value::Array(items) => Tree::List(items.iter().map(planned_from_json).collect::<Result<_, _>>()?),
        serde_json::Value::Object(entries) => match entries.get(UNKNOWN) {
            Some(unknown) if entries.len() == 1 => Tree::Leaf(Unknown::deserialize(unknown)?),
            _ => Tree::Map(
                entries
                    .iter()
                    .map(|(key, entry)| Ok((key.clone(), planned_from_json(entry)?)))
                    .collect::<Result<_, serde_json::Error>>()?,
            ),
        },
        scalar => Value::from_json(scalar).lift(),
    })
}

/// JSON on one line with spaces, as people write it: `{"a": [1, 2]}`.
impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(items) => {
                formatter.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(formatter, "{comma}{item}")?;
                }
                formatter.write_str("]")
            }
            Self::Map(entries) => {
                formatter.write_str("{")?;
                for (index, (key, entry)) in entries.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(formatter, "{comma}{}: {entry}", serde_json::Value::from(key.as_str()))?;
                }
                formatter.write_str("}")
            }
            scalar => write!(formatter, "{}", scalar.to_json()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_one_its_text_says() {
        for (names, text) in [
            (&["values", "password"][..], "values.password"),
            (&["values", "a.b", "c"], "values.\"a.b\".c"),
            (&["one"], "one"),
        ] {
            let path = AttributePath::from(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            assert_eq!(path.to_string(), text);
            assert_eq!(AttributePath::parse(text), path);
            assert_eq!(serde_json::to_string(&path).expect("JSON"), serde_json::to_string(text).expect("JSON"));
        }
        assert_eq!(AttributePath::parse("a.\"b").to_string(), "a.\"b", "a quote that is never closed");
    }

    #[test]
    fn set_makes_the_maps_on_the_way() {
        let mut value = Value::Null;
        value.set(&["serverless_v2", "min"], Value::Number(0.5));
        assert_eq!(value.to_string(), r#"{"serverless_v2": {"min": 0.5}}"#);
        assert_eq!(value.at(&["serverless_v2", "min"]).and_then(Tree::as_number), Some(0.5));
    }

    #[test]
    fn json_round_trips() {
        let json = serde_json::json!({"a": [1, 2.5, "x", null, true], "b": {"c": {}}});
        assert_eq!(Value::from_json(&json).to_json(), json);
    }

    #[test]
    fn planned_values_round_trip_with_what_is_not_known() {
        let unknown = Unknown {
            template: "${a.b.c.arn}".to_owned(),
            references: vec![Missing {
                address: "a.b.c".parse().expect("an address"),
                attribute: AttributePath::parse("arn"),
            }],
            sensitive: false,
        };
        let planned = Planned::List(vec![Tree::Leaf(unknown), Tree::Number(4.0), Tree::Integer(4), Tree::Null]);
        let json = serde_json::to_string(&planned).expect("JSON");
        assert_eq!(serde_json::from_str::<Planned>(&json).expect("a value"), planned);
        assert!(serde_json::from_str::<Planned>(r#"{"$unknown": 1}"#).is_err());
    }

    #[test]
    fn values_are_read_and_written_as_a_tree_of_json_would_be() {
        let text = r#"{"a":[1,2.5,-3,1.0,18446744073709551615],"b":{"c":"é\n","d":null},"e":true}"#;
        let value: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(value, Value::from_json(&serde_json::from_str(text).expect("JSON")));
        assert_eq!(serde_json::to_string(&value).expect("JSON"), value.to_json().to_string());
        assert_eq!(serde_json::to_string(&value.lift::<Unknown>()).expect("JSON"), value.to_json().to_string());
    }

    #[test]
    fn a_tree_is_a_value_if_nothing_in_it_is_another() {
        let value = Value::from_json(&serde_json::json!({"a": [1, "x"], "b": {"c": true}}));
        let mut planned: Planned = value.lift();
        assert!(planned.is(&value));
        planned.set(&["b", "c"], Tree::Bool(false));
        assert!(!planned.is(&value));
        planned.set(&["b", "c"], Tree::Leaf(Unknown { template: String::new(), references: vec![], sensitive: true }));
        assert!(!planned.is(&value));
    }

    #[test]
    fn a_tree_with_a_secret_has_no_plain_form() {
        let known = Known::List(vec![Tree::Integer(1), Tree::Leaf(SecretText::new("s"))]);
        assert_eq!(known.plain(), None);
        assert!(!format!("{known:?}").contains("\"s\""));
    }
}
