//! Attributes on their way in and out: reading desired ones, reporting observed ones.
//!
//! # Guarantees
//!
//! - A missing attribute or one of the wrong shape is an error of kind [`ErrorKind::Invalid`] that names the attribute
//!   by its path: `containers[0].name`.
//! - Null counts as missing.
//! - A secret is read only where [`Attributes::secret`] asks for one.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::provider::{Creation, ErrorKind, Lookup, ProviderError, Target, Update};
use crate::secret::SecretText;
use crate::value::{Known, Tree, Value};

/// A table of attributes to read, for one operation. The table may be missing: then all its attributes are.
#[derive(Clone, Debug)]
pub struct Attributes<'tree, L = SecretText> {
    tree: Option<&'tree Tree<L>>,
    operation: &'static str,
    /// The path of the table itself; empty for a resource's own attributes.
    path: String,
}

/// What a creation wants.
pub fn wanted<'tree>(creation: &'tree Creation, operation: &'static str) -> Attributes<'tree> {
    Attributes::new(&creation.attributes, operation)
}

/// Everything an updated resource shall have: for neighbours of what changes.
pub fn desired<'tree>(update: &'tree Update, operation: &'static str) -> Attributes<'tree> {
    Attributes::new(&update.desired, operation)
}

/// Only what changes. What is taken away has AWS's default already; where AWS has none, it is not sent.
pub fn changed(update: &Update) -> Known {
    let wanted = |name: &String| Some((name.clone(), update.changed(name)?.clone()));
    Known::Map(update.changed.iter().filter_map(wanted).collect())
}

/// What the state remembers of a resource.
pub fn recorded<'tree>(target: &'tree Target, operation: &'static str) -> Attributes<'tree, crate::value::Never> {
    Attributes::new(&target.recorded, operation)
}

/// What a looked-up thing must have.
pub fn filters<'tree>(lookup: &'tree Lookup, operation: &'static str) -> Attributes<'tree, crate::value::Never> {
    Attributes::new(&lookup.filters, operation)
}

impl<'tree, L> Attributes<'tree, L> {
    /// The attributes of `tree`.
    pub fn new(tree: &'tree Tree<L>, operation: &'static str) -> Self {
        Self { tree: Some(tree), operation, path: String::new() }
    }

    /// The value of an attribute; `None` if it is missing or null.
    pub fn get(&self, name: &str) -> Option<&'tree Tree<L>> {
        self.tree?.get(name).filter(|tree| !tree.is_null())
    }

    pub fn text(&self, name: &str) -> Result<&'tree str, ProviderError> {
        self.required(name, self.optional_text(name)?)
    }

    pub fn optional_text(&self, name: &str) -> Result<Option<&'tree str>, ProviderError> {
        self.read(name, "a string", Tree::as_text)
    }

    /// An optional text as the SDK's `set_` functions want it.
    pub fn owned_text(&self, name: &str) -> Result<Option<String>, ProviderError> {
        Ok(self.optional_text(name)?.map(str::to_owned))
    }

    pub fn flag(&self, name: &str) -> Result<bool, ProviderError> {
        self.required(name, self.optional_flag(name)?)
    }

    pub fn optional_flag(&self, name: &str) -> Result<Option<bool>, ProviderError> {
        self.read(name, "a boolean", Tree::as_bool)
    }

    pub fn integer(&self, name: &str) -> Result<i32, ProviderError> {
        self.required(name, self.optional_integer(name)?)
    }

    /// A whole number of 32 bits, as most of the SDK wants them.
    pub fn optional_integer(&self, name: &str) -> Result<Option<i32>, ProviderError> {
        self.read(name, "an integer of 32 bits", |tree| tree.as_integer().and_then(|number| number.try_into().ok()))
    }

    /// A whole number of 64 bits.
    pub fn optional_long(&self, name: &str) -> Result<Option<i64>, ProviderError> {
        self.read(name, "an integer", Tree::as_integer)
    }

    pub fn optional_number(&self, name: &str) -> Result<Option<f64>, ProviderError> {
        self.read(name, "a number", Tree::as_number)
    }

    /// A list of texts; a missing one is empty.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, ProviderError> {
        Ok(self.optional_texts(name)?.unwrap_or_default())
    }

    /// A list of texts as the SDK's `set_` functions want it.
    pub fn optional_texts(&self, name: &str) -> Result<Option<Vec<String>>, ProviderError> {
        self.read(name, "a list of strings", |tree| {
            tree.as_list()?.iter().map(|item| item.as_text().map(str::to_owned)).collect()
        })
    }

    /// A map of texts; a missing one is empty.
    pub fn map_of_texts(&self, name: &str) -> Result<BTreeMap<String, String>, ProviderError> {
        let map = self.read(name, "a table of strings", |tree| {
            tree.as_map()?.iter().map(|(key, entry)| Some((key.clone(), entry.as_text()?.to_owned()))).collect()
        })?;
        Ok(map.unwrap_or_default())
    }

    /// The table under `name`. If it is missing, so is everything in it.
    pub fn table(&self, name: &str) -> Result<Attributes<'tree, L>, ProviderError> {
        let tree = self.read(name, "a table", |tree| tree.as_map().map(|_| tree))?;
        Ok(self.child(tree, self.path_of(name)))
    }

    /// Whether there is a table at all.
    pub fn is_present(&self) -> bool {
        self.tree.is_some_and(|tree| !tree.is_null())
    }

    /// The tables of a list; a missing list is empty.
    pub fn tables(&self, name: &str) -> Result<Vec<Attributes<'tree, L>>, ProviderError> {
        let list = self.read(name, "a list of tables", Tree::as_list)?.unwrap_or_default();
        Ok((0..)
            .zip(list)
            .map(|(index, item)| self.child(Some(item), format!("{}[{index}]", self.path_of(name))))
            .collect())
    }

    /// The names of a table's entries.
    pub fn names(&self) -> Vec<&'tree str> {
        let entries = self.tree.and_then(Tree::as_map);
        entries.map(|entries| entries.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// A document (a policy, for example) as JSON text. What is written as a string goes through as it is.
    pub fn document(&self, name: &str) -> Result<String, ProviderError> {
        self.required(name, self.optional_document(name)?)
    }

    /// A document as JSON text, if there is one.
    pub fn optional_document(&self, name: &str) -> Result<Option<String>, ProviderError> {
        self.read(name, "a document without secrets", |tree| match tree {
            Tree::Text(text) => Some(text.clone()),
            tree => tree.plain().map(|value| value.to_json().to_string()),
        })
    }

    /// An error about one attribute.
    pub fn wrong(&self, name: &str, complaint: &str) -> ProviderError {
        let path = self.path_of(name);
        let message = format!("attribute `{path}` {complaint}");
        ProviderError { attribute: Some(path), ..ProviderError::new(ErrorKind::Invalid, self.operation, message) }
    }

    fn read<T>(
        &self,
        name: &str,
        shape: &str,
        read: impl FnOnce(&'tree Tree<L>) -> Option<T>,
    ) -> Result<Option<T>, ProviderError> {
        let Some(tree) = self.get(name) else { return Ok(None) };
        read(tree).map(Some).ok_or_else(|| self.wrong(name, &format!("must be {shape}, and is {}", tree.kind())))
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, ProviderError> {
        value.ok_or_else(|| self.wrong(name, "is missing"))
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn child(&self, tree: Option<&'tree Tree<L>>, path: String) -> Attributes<'tree, L> {
        Attributes { tree, operation: self.operation, path }
    }
}

impl<'tree> Attributes<'tree, SecretText> {
    /// A text that may be a secret, for the call that hands it to AWS.
    pub fn secret(&self, name: &str) -> Result<Option<&'tree str>, ProviderError> {
        self.read(name, "a string", Tree::reveal)
    }
}

/// Builds what was observed, attribute by attribute.
#[derive(Clone, Debug, Default)]
pub struct Report(BTreeMap<String, Value>);

impl Report {
    pub fn new() -> Self {
        Self::default()
    }

    /// An attribute AWS reports. `None` is null: AWS says that it is unset.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// An attribute AWS may report or not. `None` leaves it out: nothing is known of it.
    #[must_use]
    pub fn set_if(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// The attributes as a value.
    pub fn value(self) -> Value {
        Value::Map(self.0)
    }
}

impl From<Report> for Value {
    fn from(report: Report) -> Self {
        report.value()
    }
}

/// A JSON document AWS returned, as structure; as text if it is no JSON.
pub fn structure(text: &str) -> Value {
    serde_json::from_str(text).map_or_else(|_| text.into(), |json: serde_json::Value| Value::from_json(&json))
}

/// A document that IAM returned, as structure. IAM encodes documents as if they were parts of an address: `%7B%22`.
pub fn decoded_structure(text: &str) -> Value {
    structure(&percent_decode_str(text).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Known {
        let json = serde_json::json!({
            "name": "web",
            "unset": null,
            "port": 3000,
            "containers": [{"name": "a"}, {"name": 4}],
            "policy": {"Statement": []},
        });
        let mut known: Known = Value::from_json(&json).lift();
        known.set(&["password"], Tree::Leaf(SecretText::new("hunter2")));
        known
    }

    #[test]
    fn attributes_are_read_by_shape() {
        let known = sample();
        let attributes = Attributes::new(&known, "ecs:CreateService");
        assert_eq!(attributes.text("name"), Ok("web"));
        assert_eq!(attributes.optional_text("unset"), Ok(None));
        assert_eq!(attributes.integer("port"), Ok(3000));
        assert_eq!(attributes.document("policy"), Ok(r#"{"Statement":[]}"#.to_owned()));
        assert_eq!(attributes.secret("password"), Ok(Some("hunter2")));
        assert_eq!(attributes.table("nothing").unwrap().optional_text("inside"), Ok(None));
    }

    #[test]
    fn a_wrong_attribute_is_named_by_its_path() {
        let known = sample();
        let attributes = Attributes::new(&known, "ecs:CreateService");
        let wrong = attributes.tables("containers").unwrap()[1].text("name").unwrap_err();
        assert_eq!(wrong.attribute.as_deref(), Some("containers[1].name"));
        assert_eq!(wrong.kind, ErrorKind::Invalid);
        let missing = attributes.text("image").unwrap_err();
        assert_eq!(missing.to_string(), "ecs:CreateService: attribute `image` is missing");
        assert!(!attributes.text("password").unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn documents_of_iam_are_decoded() {
        let decoded = decoded_structure("%7B%22a%22%3A%20%5B%22x%2Fy%C3%A9%22%5D%7D");
        assert_eq!(decoded.to_string(), r#"{"a": ["x/yé"]}"#);
        assert_eq!(decoded_structure(r#"{"a":1}"#).to_string(), r#"{"a": 1}"#);
    }
}
