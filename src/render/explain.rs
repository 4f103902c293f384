//! Explanations: a heading, sentences, and facts with names.

use super::layout::{pad, width, wrap};
use super::style::{Role, paint};

/// What is told about one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    pub title: String,
    pub doc: String,
    /// Names with their lines. A name without lines is left out.
    pub facts: Vec<(String, Vec<String>)>,
}

impl Sheet {
    pub fn new(title: impl Into<String>, doc: impl Into<String>) -> Self {
        Self { title: title.into(), doc: doc.into(), facts: Vec::new() }
    }

    /// Adds a fact of one line.
    pub fn line(&mut self, name: &str, line: impl Into<String>) {
        self.lines(name, vec![line.into()]);
    }

    /// Adds a fact of several lines.
    pub fn lines(&mut self, name: &str, lines: Vec<String>) {
        if !lines.is_empty() {
            self.facts.push((name.to_owned(), lines));
        }
    }
}

/// A sheet in lines of about `columns`, without a newline at the end.
pub fn sheet(sheet: &Sheet, columns: usize) -> String {
    let mut lines = vec![paint(Role::Heading, &sheet.title)];
    lines.extend(wrap(&sheet.doc, columns.saturating_sub(2)).iter().map(|line| format!("  {line}")));
    let names = sheet.facts.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    if !sheet.facts.is_empty() {
        lines.push(String::new());
    }
    for (name, facts) in &sheet.facts {
        for (index, fact) in facts.iter().enumerate() {
            let name = if index == 0 { paint(Role::Quiet, &pad(name, names)) } else { pad("", names) };
            lines.push(format!("  {name}  {fact}").trim_end().to_owned());
        }
    }
    lines.join("\n")
}

/// Two columns: left ones padded to the longest.
pub fn columns(rows: &[(String, String)]) -> Vec<String> {
    let left = rows.iter().map(|(left, _)| width(left)).max().unwrap_or(0);
    rows.iter().map(|(name, text)| format!("{}  {text}", pad(name, left)).trim_end().to_owned()).collect()
}
