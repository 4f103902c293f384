//! TOML documents as trees whose every key and value knows where it stands.
//!
//! Both `specs/` and `mastodon.toml` are read through here, so that anything that turns out to be wrong later can
//! point at its line. Order of keys is kept.

pub mod prepared;

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Diagnostics, Location, MANY, SourceFile};
use crate::value::{Tree, Value};

/// The code of every diagnostic about a limit.
pub const LIMIT_CODE: &str = "expression-limit";

/// The most values of a document, lists and tables among them: each takes some hundred bytes of memory.
pub const MOST_VALUES: usize = 250_000;

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
        let message = error.message();
        let key = file.text.get(span.clone()).unwrap_or_default();
        let location = Location::new(file, span.clone());
        diagnostics.push(if message == DUPLICATE && !key.is_empty() {
            let problem =
                Diagnostic::error("syntax", format!("the key `{key}` stands here twice")).at(&location, "again");
            match last_before(table.get_ref(), key.trim_matches(['"', '\'']), span.start) {
                Some(first) => problem.at(&Location::new(file, first), "first here"),
                None => problem,
            }
        } else {
            Diagnostic::error("syntax", message.to_owned()).at(&location, "not valid TOML")
        });
    }
    if more > 0 {
        diagnostics.push(Diagnostic::error("syntax", format!("and {more} more places that are not valid TOML")));
    }
    let mut left = MOST_VALUES;
    if let Err(span) = count_table(table.get_ref(), &mut left) {
        let message = format!("this file has more than {MOST_VALUES} values");
        diagnostics.push(
            Diagnostic::error(LIMIT_CODE, message)
                .at(&Location::new(file, widen(&file.text, span)), "one more")
                .hint(format!("write fewer; `mastoform explain {LIMIT_CODE}` has the limits")),
        );
        return Err(diagnostics);
    }
    let node = Node {
        location: Location::new(file, table.span()),
        content: table_content(file, table.get_ref(), &mut diagnostics),
    };
    diagnostics.finish(node).map(|(node, _)| node)
}

/// What the parser says of a key that stands in a table twice.
const DUPLICATE: &str = "duplicate key";

/// Where a key of this name stands last before an offset.
fn last_before(table: &DeTable<'_>, name: &str, offset: usize) -> Option<Range<usize>> {
    let of_entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        let own = (key.get_ref() == name && key.span().start < offset).then(|| key.span());
        let inner = match value.get_ref() {
            DeValue::Table(table) => last_before(table, name, offset),
            _ => None,
        };
        own.into_iter().chain(inner).max_by_key(|span| span.start)
    };
    table.iter().filter_map(of_entry).max_by_key(|span| span.start)
}

/// Takes the values of a table from those that are left. The first one too many is an error.
fn count_table(table: &DeTable<'_>, left: &mut usize) -> Result<(), Range<usize>> {
    table.iter().try_for_each(|(_, value)| count(value, left))
}

fn count(value: &Spanned<DeValue<'_>>, left: &mut usize) -> Result<(), Range<usize>> {
    *left = left.checked_sub(1).ok_or_else(|| value.span())?;
    match value.get_ref() {
        DeValue::Array(items) => items.iter().try_for_each(|item| count(item, left)),
        DeValue::Table(table) => count_table(table, left),
        _ => Ok(()),
    }
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
    fn a_key_that_stands_twice_is_named_with_both_places() {
        for (text, key, again, first) in [
            ("name = 1\nother = 2\nname = 3\n", "name", 3, 1),
            ("[a]\nport = 1\n[b]\nport = 1\nport = 2\n", "port", 5, 4),
        ] {
            let problems = parse(&SourceFile::new("x.toml", text)).expect_err("twice");
            assert_eq!(problems.0[0].message, format!("the key `{key}` stands here twice"));
            let lines: Vec<usize> = problems.0[0].labels.iter().map(|label| label.location.line_column().0).collect();
            assert_eq!(lines, [again, first], "{text}");
        }
    }

    #[test]
    fn a_file_has_so_many_values_and_no_more() {
        let list = |count: usize| SourceFile::new("a.toml", format!("a = 1\nb = [\n{}]\n", "0,\n".repeat(count)));
        assert!(parse(&list(MOST_VALUES - 2)).is_ok());
        let problems = parse(&list(MOST_VALUES - 1)).expect_err("one too many");
        assert_eq!(problems.0.len(), 1);
        assert_eq!(
            (problems.0[0].code, problems.0[0].labels[0].location.line_column()),
            (LIMIT_CODE, (MOST_VALUES + 1, 1))
        );
        let tables = format!("x = [{}]\n", "{a={b=1}},".repeat(MOST_VALUES / 3 + 1));
        assert!(parse(&SourceFile::new("a.toml", tables)).is_err(), "tables count");
    }

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
