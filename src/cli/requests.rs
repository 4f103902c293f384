//! What is asked of people, as a table: the rows of types with a `request`, such as DNS records.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{CommandError, output};
use crate::address::Address;
use crate::inert::printable;
use crate::render::layout::{pad, width};
use crate::render::style::{Role, paint};
use crate::spec::Types;
use crate::spec::types::{Request, ResourceType, pieces};
use crate::state::State;
use crate::value::Value;

/// The version of the JSON form.
const FORMAT: u64 = 1;
/// Between columns.
const GAP: &str = "  ";

/// What is asked under one name.
pub struct Requests<'a> {
    request: &'a Request,
    rows: Vec<(&'a Address, Row)>,
}

/// One thing that is asked.
struct Row {
    /// By the columns of its type's request.
    cells: BTreeMap<String, Value>,
    line: String,
    /// The name and the value of an attribute that does not fit into the line.
    unfit: Option<(String, String)>,
}

/// The rows of a resource: one, or as many as a column has values.
fn rows(request: &Request, resource_type: &ResourceType, attributes: &Value) -> Vec<Row> {
    let cell = |column: &String| match request.cells.get(column).map(String::as_str) {
        None => attributes.get(column).cloned().unwrap_or_default(),
        Some(text) => match alone(text).and_then(|name| attributes.get(name)) {
            Some(value) => value.clone(),
            None => Value::Text(resource_type.advice(text, attributes, "")),
        },
    };
    let cells: BTreeMap<String, Value> = request.columns.iter().map(|column| (column.clone(), cell(column))).collect();
    let several = cells.iter().find_map(|(column, value)| Some((column.clone(), value.as_list()?.to_vec())));
    let all = match several {
        None => vec![cells],
        Some((column, items)) => {
            let with = |item| cells.clone().into_iter().chain([(column.clone(), item)]).collect();
            items.into_iter().map(with).collect()
        }
    };
    let row = |cells: BTreeMap<String, Value>| {
        let mut told = attributes.clone();
        for (column, value) in &cells {
            told.set(&[column], value.clone());
        }
        let line = request.line(attributes);
        Row { unfit: unfit(line, &told), line: resource_type.advice(line, &told, ""), cells }
    };
    all.into_iter().map(row).collect()
}

/// The attribute that a text consists of.
fn alone(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}').filter(|name| !name.contains(['{', '}']))
}

impl<'a> Requests<'a> {
    /// What the state knows to be asked of people, a table for each name, among the addresses that `is_wanted`.
    pub fn of(state: &'a State, types: &'a Types, is_wanted: &dyn Fn(&Address) -> bool) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (address, row) in state.rows.iter().filter(|(address, row)| row.identity.is_some() && is_wanted(address)) {
            let Some(resource_type) = types.get(&address.type_name) else { continue };
            let Some(request) = &resource_type.request else { continue };
            let rows = rows(request, resource_type, &row.recorded()).into_iter().map(|row| (address, row));
            match all.iter_mut().find(|requests| requests.request.name == request.name) {
                Some(requests) => requests.rows.extend(rows),
                None => all.push(Self { request, rows: rows.collect() }),
            }
        }
        all
    }

    /// The names under which something may be asked.
    pub fn names(types: &Types) -> Vec<&str> {
        types.values().filter_map(|found| Some(found.request.as_ref()?.name.as_str())).collect()
    }

    pub fn name(&self) -> &str {
        &self.request.name
    }

    pub fn title(&self) -> &str {
        &self.request.title
    }

    /// A table for people. Nothing is cut, so that everything can be copied. Without a newline at the end.
    pub fn table(&self) -> String {
        let cell = |row: &Row, column: &String| printable(&text(row.cells.get(column))).into_owned();
        let columns = &self.request.columns;
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|(_, row)| columns.iter().map(|column| cell(row, column)).collect()).collect();
        let widths: Vec<usize> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| rows.iter().map(|row| width(&row[at])).chain([width(column)]).max().unwrap_or_default())
            .collect();
        let line = |cells: &[String]| {
            let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, columns)| pad(cell, *columns)).collect();
            padded.join(GAP).trim_end().to_owned()
        };
        let mut lines = vec![paint(Role::Heading, &line(columns))];
        lines.extend(rows.iter().map(|row| line(row)));
        lines.join("\n")
    }

    /// A line of each, for another program.
    ///
    /// # Errors
    ///
    /// A value would be something else in a line than the word that it stands for.
    pub fn lines(&self) -> Result<String, CommandError> {
        let line = |(address, row): &(&Address, Row)| match &row.unfit {
            Some((name, value)) => Err(CommandError::failure(format!(
                "{address}: a line of another program cannot hold the {name} {}",
                printable(value)
            ))
            .hint("`mastoform drift` and `mastoform plan` say what it should be")),
            None => Ok(printable(&row.line).into_owned()),
        };
        Ok(self.rows.iter().map(line).collect::<Result<Vec<_>, _>>()?.join("\n"))
    }

    pub fn to_json(&self) -> Json {
        let row = |(address, row): &(&Address, Row)| {
            let mut json = json!({"address": address});
            for column in &self.request.columns {
                json[column] = row.cells.get(column).map_or(Json::Null, Value::to_json);
            }
            json
        };
        json!({"format": FORMAT, "requests": self.rows.iter().map(row).collect::<Vec<_>>()})
    }
}

/// The first value of a line that would break out of its place: one that ends the quotes it stands in, or, outside of
/// quotes, one with a sign that a program may obey. Only the last of a line has several words.
fn unfit(line: &str, values: &Value) -> Option<(String, String)> {
    let (pieces, _) = pieces(line);
    let mut is_quoted = false;
    for (number, (before, name)) in pieces.iter().enumerate() {
        is_quoted ^= before.matches('"').count() % 2 == 1;
        let value = text(values.at(&name.split('.').collect::<Vec<_>>()));
        let is_last = number + 1 == pieces.len();
        let fits = |letter: char| match letter {
            '"' | '\\' => false,
            ' ' => is_quoted || is_last,
            _ if is_quoted => letter == ' ' || letter.is_ascii_graphic(),
            _ => letter.is_ascii_alphanumeric() || "._-:*/+=@".contains(letter),
        };
        let is_one = is_quoted || value.split(' ').all(|word| !word.is_empty());
        if !is_one || !value.chars().all(fits) {
            return Some(((*name).to_owned(), value));
        }
    }
    None
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(value) => output::text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_in_its_place_in_a_line() {
        let plain = "{name}. 300 IN {kind} {value}.";
        let quoted = r#"{name}. 300 IN TXT "{value}""#;
        let of = |line: &str, name: &str, value: &str| {
            let json = json!({"name": name, "kind": "CNAME", "value": value});
            unfit(line, &Value::from_json(&json)).map(|(name, _)| name)
        };
        for (name, value) in [("_a.b.example.org", "x.example.net"), ("*.example.org", "10 mail.example.org")] {
            assert_eq!(of(plain, name, value), None);
        }
        assert_eq!(of(quoted, "_dmarc.example.org", "v=DMARC1; p=none; rua=mailto:a@b.c"), None);
        for name in ["a IN A 6.6.6.6\nb", "a 300 IN A 6.6.6.6 ;", "a b", "$INCLUDE", "a\tb", ""] {
            assert_eq!(of(plain, name, "x").as_deref(), Some("name"), "{name:?}");
            assert_eq!(of(quoted, name, "x").as_deref(), Some("name"), "{name:?}");
        }
        for value in ["x (", "x;y", "a\nb", "a  b", "\"a\"", "a\\"] {
            assert_eq!(of(plain, "a", value).as_deref(), Some("value"), "{value:?}");
        }
        for value in ["a\" \"b", "a\\", "a\nb", "a\u{202e}"] {
            assert_eq!(of(quoted, "a", value).as_deref(), Some("value"), "{value:?}");
        }
    }
}
