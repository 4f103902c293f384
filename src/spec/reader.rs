//! Reading one table of the specs, key by key.

use std::time::Duration;

use super::types::Durations;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::{Content, Node};

/// The longest that anything may be said to take; sums of it are far from the end of their numbers.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Reads the keys of one table and complains about the others.
pub struct Reader<'document> {
    pub diagnostics: &'document mut Diagnostics,
    pub table: &'document Node,
    /// What the table describes, for messages.
    pub what: &'static str,
    pub used: Vec<&'static str>,
}

impl Reader<'_> {
    /// Complains that `key` is not what it should be.
    pub fn wrong(&mut self, key: &str, expected: &str) {
        let location = self.table.get(key).map_or(&self.table.location, |node| &node.location);
        self.diagnostics.push(Diagnostic::error("wrong-type", format!("`{key}` must be {expected}")).at(location, ""));
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.used.push(key);
        match &self.table.get(key)?.content {
            Content::Text(text) => Some(text.clone()),
            _ => {
                self.wrong(key, "a string");
                None
            }
        }
    }

    pub fn flag(&mut self, key: &'static str, default: bool) -> bool {
        self.used.push(key);
        match self.table.get(key).map(|node| &node.content) {
            None => default,
            Some(Content::Bool(flag)) => *flag,
            Some(_) => {
                self.wrong(key, "true or false");
                default
            }
        }
    }

    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.used.push(key);
        let Some(node) = self.table.get(key) else { return Vec::new() };
        let texts = match &node.content {
            Content::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            _ => None,
        };
        texts.unwrap_or_else(|| {
            self.wrong(key, "a list of strings");
            Vec::new()
        })
    }

    pub fn numbers(&mut self, key: &'static str) -> Option<Vec<f64>> {
        self.used.push(key);
        let node = self.table.get(key)?;
        let numbers = match &node.content {
            Content::List(items) => items.iter().map(|item| item.value().as_number()).collect(),
            _ => None,
        };
        if numbers.is_none() {
            self.wrong(key, "a list of numbers");
        }
        numbers
    }

    /// A table of durations such as `{ create = "4m" }`; what is missing is `default`.
    pub fn durations(&mut self, key: &'static str, default: Duration) -> Durations {
        self.used.push(key);
        let mut durations = Durations { create: default, update: default, delete: default };
        let entries = self.table.get(key).map(Node::entries).unwrap_or_default();
        for entry in entries {
            let parsed = entry
                .node
                .text()
                .and_then(|text| text.parse::<jiff::SignedDuration>().ok())
                .and_then(|duration| Duration::try_from(duration).ok())
                .filter(|duration| *duration <= LONGEST);
            match (entry.key.as_str(), parsed) {
                ("create", Some(duration)) => durations.create = duration,
                ("update", Some(duration)) => durations.update = duration,
                ("delete", Some(duration)) => durations.delete = duration,
                _ => self.diagnostics.push(
                    Diagnostic::error("wrong-type", "durations are written `{ create = \"4m\", update = \"90s\" }`")
                        .at(&entry.key_location, ""),
                ),
            }
        }
        durations
    }

    /// Complains about every key nobody has read.
    pub fn refuse_others(&mut self) {
        for entry in self.table.entries() {
            if !self.used.contains(&entry.key.as_str()) {
                self.diagnostics.push(
                    Diagnostic::error("unknown-key", format!("unknown key `{}` in {}", entry.key, self.what))
                        .at(&entry.key_location, "")
                        .suggest(&entry.key, self.used.iter().copied()),
                );
            }
        }
    }
}
