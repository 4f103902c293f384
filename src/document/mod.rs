//! TOML documents as trees whose every key and value knows where it stands.
//!
//! Both `specs/` and `mastodon.toml` are read through here, so that anything that turns out to be wrong later can
//! point at its line. Order of keys is kept.

pub mod prepared;

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics, Location, MANY, SourceFile};
use crate::value::{Tree, Value};

/// A value in a document.
#[derive(Clone, Debug)]
pub struct Node {
    pub location: Location,
    pub content: Content,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug)]
pub enum Content {
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_location: Location,
    pub node: Node,
}

impl Node {
    /// The entries of a table; empty for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.content {
            Content::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The same, for whoever keeps them.
    pub fn into_entries(self) -> Vec<Entry> {
        match self.content {
            Content::Table(entries) => entries,
            _ => Vec::new(),
        }
    }

    /// The value of `key` in a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether this is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.content, Content::Table(_))
    }

    /// What stands here, in a word, for messages.
    pub fn kind(&self) -> &'static str {
        match self.content {
            Content::Bool(_) => "a boolean",
            Content::Integer(_) => "an integer",
            Content::Number(_) => "a number",
            Content::Text(_) => "a string",
            Content::List(_) => "a list",
            Content::Table(_) => "a table",
        }
    }

    /// The value without its places.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Bool(flag) => Tree::Bool(*flag),
            Content::Integer(number) => Tree::Integer(*number),
            Content::Number(number) => Tree::Number(*number),
            Content::Text(text) => Tree::Text(text.clone()),
            Content::List(items) => Tree::List(items.iter().map(Node::value).collect()),
            Content::Table(entries) => {
                Tree::Map(entries.iter().map(|entry| (entry.key.clone(), entry.node.value())).collect())
            }
        }
    }
}

/// Reads a TOML document. All syntax errors are reported at once.
pub fn parse(file: &Arc<SourceFile>) -> Result<Node, Diagnostics> {
    let (table, errors) = DeTable::parse_recoverable(&file.text);
    let mut diagnostics = Diagnostics::default();
    let more = errors.len().saturating_sub(MANY);
    for error in errors.into_iter().take(MANY) {
        let span = error.span().unwrap_or(0..0);
        diagnostics.push(
            Diagnostic::error("syntax", error.message().to_owned()).at(&Location::new(file, span), "not valid TOML"),
        );
    }
    if more > 0 {
        diagnostics.push(Diagnostic::error("syntax", format!("and {more} more places that are not valid TOML")));
    }
    let node = Node {
        location: Location::new(file, table.span()),
        content: table_content(file, table.get_ref(), &mut diagnostics),
    };
    diagnostics.finish(node).map(|(node, _)| node)
}

fn table_content(file: &Arc<SourceFile>, table: &DeTable<'_>, diagnostics: &mut Diagnostics) -> Content {
    Content::Table(
        table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                key_location: Location::new(file, key.span()),
                node: node(file, value, diagnostics),
            })
            .collect(),
    )
}

fn node(file: &Arc<SourceFile>, value: &Spanned<DeValue<'_>>, diagnostics: &mut Diagnostics) -> Node {
    let location = Location::new(file, widen(&file.text, value.span()));
    let content = match value.get_ref() {
        DeValue::String(text) => Content::Text(text.to_string()),
        DeValue::Boolean(flag) => Content::Bool(*flag),
        DeValue::Integer(number) => match i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()) {
            Ok(number) => Content::Integer(number),
            Err(_) => {
                diagnostics
                    .push(Diagnostic::error("syntax", "integer does not fit in 64 bits").at(&location, "too large"));
                Content::Integer(0)
            }
        },
        DeValue::Float(number) => Content::Number(number.as_str().replace('_', "").parse().unwrap_or(f64::NAN)),
        DeValue::Datetime(_) => {
            diagnostics.push(
                Diagnostic::error("syntax", "dates are not used here").at(&location, "a date").hint("put it in quotes"),
            );
            Content::Text(String::new())
        }
        DeValue::Array(items) => Content::List(items.iter().map(|item| node(file, item, diagnostics)).collect()),
        DeValue::Table(table) => table_content(file, table, diagnostics),
    };
    Node { location, content }
}

/// Spans of values may be empty in recovered documents; a caret needs one character.
fn widen(text: &str, span: Range<usize>) -> Range<usize> {
    if span.is_empty() && span.end < text.len() { span.start..span.end + 1 } else { span }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_know_their_places() {
        let file = SourceFile::new("a.toml", "[a]\nb = [1, 'two']\n");
        let document = parse(&file).expect("valid");
        let list = document.get("a").and_then(|table| table.get("b")).expect("there");
        assert_eq!(list.location.line_column(), (2, 5));
        assert_eq!(list.value().to_string(), r#"[1, "two"]"#);
    }

    #[test]
    fn all_syntax_errors_come_at_once() {
        let file = SourceFile::new("a.toml", "a = \nb = 1\nc = 'x\n");
        let problems = parse(&file).expect_err("invalid");
        assert!(problems.0.len() >= 2, "{problems}");
    }
}
