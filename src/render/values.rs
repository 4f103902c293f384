//! Values as a plan shows them.
//!
//! What is not known yet is told by where it will come from; a name that AWS gives is shortened to what tells it apart.

use std::sync::Arc;

use similar::{ChangeTag, TextDiff};

use super::documents::Content;
use super::layout::{cut_start, prefix, width};
use super::style::{Role, Signs, paint, paint_difference};
use crate::address::quoted;
use crate::inert::{is_unseen, printable, printable_lines};
use crate::plan::diff::marker_template;
use crate::spec::Types;
use crate::value::{Missing, Planned, Tree, Unknown};

/// Columns of an unchanged run of text between two changes that are shown before it is shortened.
const RUN: usize = 40;
/// Unchanged lines that are shown around changed ones.
const CONTEXT: usize = 3;

/// Columns of a present value that may not be cut any further.
const NOW: usize = 20;

/// What stands for a secret.
pub const SECRET: &str = "(secret)";
/// What stands for nothing.
pub const UNSET: &str = "(unset)";

/// A text with its meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub role: Option<Role>,
    pub text: String,
}

impl Piece {
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role: Some(role), text: text.into() }
    }

    pub fn plain(text: impl Into<String>) -> Self {
        Self { role: None, text: text.into() }
    }

    pub fn paint(&self) -> String {
        self.role.map_or_else(|| self.text.clone(), |role| paint(role, &self.text))
    }
}

/// Columns of all pieces together.
pub fn total(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| width(&piece.text)).sum()
}

/// Puts values into words.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    pub types: &'a Types,
    pub signs: &'static Signs,
}

impl Words<'_> {
    /// A value on one line. Texts stand without quotes where they cannot be mistaken for anything else.
    pub fn line(&self, value: &Planned) -> String {
        match value {
            Tree::Text(text) if is_clear(text) => text.clone(),
            other => self.json(other),
        }
    }

    /// What an unknown value will be.
    pub fn unknown(&self, unknown: &Unknown) -> String {
        if unknown.sensitive {
            return SECRET.to_owned();
        }
        let references: Vec<String> = unknown.references.iter().map(|missing| self.missing(missing)).collect();
        let whole = unknown.template.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        match (whole, unknown.references.as_slice()) {
            (Some(inner), [one]) if inner == one.to_string() => format!("new {}", references.join("")),
            // An expression around it: what it is made of says more than how.
            (Some(inner), [_, ..]) if inner.contains(|character: char| " ?{('".contains(character)) => {
                format!("from {}", references.join(", "))
            }
            (Some(inner), _) => format!("new {}", printable(inner)),
            (None, _) => printable(&format!("{:?}", unknown.template)).into_owned(),
        }
    }

    /// What is not known yet. A resource's name in AWS is the resource itself, for a reader.
    fn missing(&self, missing: &Missing) -> String {
        let resource_type = self.types.get(&missing.address.type_name).map(Arc::as_ref);
        let is_name = resource_type.is_some_and(|found| {
            let [name] = &missing.attribute[..] else { return false };
            let attribute = found.attributes.get(name);
            let is_arn = attribute.and_then(|attribute| attribute.format.as_deref());
            found.identity == [name.as_str()] || is_arn.is_some_and(|format| format.starts_with("arn:"))
        });
        if is_name { missing.address.to_string() } else { missing.to_string() }
    }

    /// A value as JSON on one line, with words for what is not known.
    fn json(&self, value: &Planned) -> String {
        match value {
            Tree::Leaf(missing) => self.unknown(missing),
            Tree::List(items) => {
                format!("[{}]", items.iter().map(|item| self.json(item)).collect::<Vec<_>>().join(", "))
            }
            Tree::Map(entries) => {
                if let Some(template) = value.plain().as_ref().and_then(marker_template) {
                    return format!("(secret from {})", printable(template));
                }
                let entries: Vec<String> =
                    entries.iter().map(|(key, entry)| format!("{}: {}", key_text(key), self.json(entry))).collect();
                format!("{{{}}}", entries.join(", "))
            }
            scalar => printable(&scalar.plain().unwrap_or_default().to_string()).into_owned(),
        }
    }

    /// A value over as many lines as it needs.
    pub fn lines(&self, value: &Planned) -> String {
        let mut text = String::new();
        match value {
            Tree::Text(whole) if whole.contains('\n') => text.push_str(&printable_lines(whole)),
            other => self.write_lines(other, 0, &mut text),
        }
        text
    }

    fn write_lines(&self, value: &Planned, depth: usize, text: &mut String) {
        let inner = "  ".repeat(depth + 1);
        let outer = "  ".repeat(depth);
        let is_secret = value.plain().as_ref().and_then(marker_template).is_some();
        match value {
            secret if is_secret => text.push_str(&self.json(secret)),
            Tree::List(items) if !items.is_empty() && !self.is_short(value) => {
                text.push('[');
                for item in items {
                    text.push('\n');
                    text.push_str(&inner);
                    self.write_lines(item, depth + 1, text);
                }
                text.push('\n');
                text.push_str(&outer);
                text.push(']');
            }
            Tree::Map(entries) if !entries.is_empty() && !self.is_short(value) => {
                text.push('{');
                for (key, entry) in entries {
                    text.push('\n');
                    text.push_str(&inner);
                    text.push_str(&key_text(key));
                    text.push_str(": ");
                    self.write_lines(entry, depth + 1, text);
                }
                text.push('\n');
                text.push_str(&outer);
                text.push('}');
            }
            other => text.push_str(&if depth == 0 { self.line(other) } else { self.json(other) }),
        }
    }

    /// Whether a structure reads better on one line.
    fn is_short(&self, value: &Planned) -> bool {
        let is_flat = match value {
            Tree::List(items) => items.iter().all(|item| !matches!(item, Tree::List(_) | Tree::Map(_))),
            Tree::Map(entries) => entries.len() <= 2 && entries.values().all(|entry| !matches!(entry, Tree::Map(_))),
            _ => true,
        };
        is_flat && width(&self.json(value)) <= 60
    }

    /// `before → after` on one line, in at most `columns`; `None` if it needs more.
    pub fn arrow(&self, before: Option<&Planned>, after: Option<&Planned>, columns: usize) -> Option<Vec<Piece>> {
        let arrow = self.signs.arrow;
        if let (Some(before), Some(Tree::Leaf(missing))) = (before, after) {
            let mut pieces =
                vec![Piece::new(Role::Quiet, format!("{arrow} ")), Piece::new(Role::After, self.unknown(missing))];
            let now = self.line(before);
            let now = short_name(&now).unwrap_or(&now);
            if before.as_text() == Some("") {
                return Some(pieces);
            }
            let room = columns.saturating_sub(total(&pieces) + width(" (now )"));
            if room < width(now).min(NOW) {
                return None;
            }
            pieces.push(Piece::new(Role::Quiet, format!(" (now {})", cut_start(now, room, self.signs.ellipsis))));
            return Some(pieces);
        }
        let has_lines = |value: Option<&Planned>| value.and_then(Tree::as_text).is_some_and(|text| text.contains('\n'));
        let was = before.map_or_else(|| UNSET.to_owned(), |value| self.line(value));
        let will_be = after.map_or_else(|| UNSET.to_owned(), |value| self.line(value));
        let pieces = vec![
            Piece::new(Role::Before, was),
            Piece::new(Role::Quiet, format!(" {arrow} ")),
            Piece::new(Role::After, will_be),
        ];
        (!has_lines(before) && !has_lines(after) && total(&pieces) <= columns).then_some(pieces)
    }

    /// The content on one line of at most `room` columns, if it can be.
    pub fn one_line(&self, content: &Content, room: usize) -> Option<Vec<Piece>> {
        let whole = |value: &Planned| {
            let is_text_of_lines = value.as_text().is_some_and(|text| text.contains('\n'));
            (!is_text_of_lines).then(|| self.line(value))
        };
        let pieces = match content {
            Content::Secret => vec![Piece::new(Role::Secret, format!("{SECRET} {} {SECRET}", self.signs.arrow))],
            Content::Given(Planned::Leaf(missing)) if missing.sensitive => vec![Piece::new(Role::Secret, SECRET)],
            Content::Given(Planned::Null) => vec![Piece::plain(UNSET)],
            Content::Given(value) => vec![Piece::plain(whole(value)?)],
            Content::Values { before, after } => self.arrow(before.as_ref(), after.as_ref(), room)?,
            Content::Elements(elements) => match elements.as_slice() {
                [(true, value)] => vec![Piece::new(Role::After, format!("+ {}", whole(value)?))],
                [(false, value)] => vec![Piece::new(Role::Before, format!("- {}", whole(value)?))],
                _ => return None,
            },
        };
        (total(&pieces) <= room).then_some(pieces)
    }

    /// The content over as many lines as it needs.
    pub fn many_lines(&self, content: &Content) -> Vec<Line> {
        let sign = |comes: bool| if comes { Sign::Come } else { Sign::Gone };
        match content {
            Content::Values { before: Some(before), after: Some(Planned::Leaf(missing)) } => {
                let new = Line { sign: Sign::Come, runs: vec![(false, self.unknown(missing))] };
                [self.one_sided(before, Sign::Gone), vec![new]].concat()
            }
            Content::Values { before: Some(before), after: Some(after) } => self.difference(before, after),
            Content::Values { before, after } => {
                let value = after.as_ref().or(before.as_ref()).cloned().unwrap_or_default();
                self.one_sided(&value, sign(after.is_some()))
            }
            Content::Elements(elements) => {
                elements.iter().flat_map(|(comes, value)| self.one_sided(value, sign(*comes))).collect()
            }
            Content::Given(value) => self.one_sided(value, Sign::Same),
            Content::Secret => vec![Line { sign: Sign::Same, runs: vec![(false, SECRET.to_owned())] }],
        }
    }

    /// Two long values, line by line and word by word, with some unchanged lines around what differs.
    fn difference(&self, before: &Planned, after: &Planned) -> Vec<Line> {
        // Two texts need no quotes to be told apart.
        let whole = |value: &Planned| value.as_text().map_or_else(|| self.lines(value), str::to_owned);
        let (before, after) = (whole(before), whole(after));
        let comparison = TextDiff::from_lines(before.as_str(), after.as_str());
        let mut all = Vec::new();
        for (index, group) in comparison.grouped_ops(CONTEXT).iter().enumerate() {
            if index > 0 {
                all.push(Line { sign: Sign::Skipped, runs: vec![(false, self.signs.ellipsis.to_owned())] });
            }
            for operation in group {
                for change in comparison.iter_inline_changes(operation) {
                    let sign = match change.tag() {
                        ChangeTag::Delete => Sign::Gone,
                        ChangeTag::Insert => Sign::Come,
                        ChangeTag::Equal => Sign::Same,
                    };
                    let mut runs: Vec<(bool, String)> = change
                        .iter_strings_lossy()
                        .map(|(differs, text)| (differs, printable_lines(text.trim_end_matches('\n'))))
                        .collect();
                    // A line that differs as a whole needs no marks within it.
                    if runs.iter().all(|(differs, _)| *differs) {
                        runs.iter_mut().for_each(|(differs, _)| *differs = false);
                    }
                    all.push(Line { sign, runs });
                }
            }
        }
        all
    }

    /// A value that comes or goes as a whole.
    fn one_sided(&self, value: &Planned, sign: Sign) -> Vec<Line> {
        self.lines(value).lines().map(|line| Line { sign, runs: vec![(false, printable_lines(line))] }).collect()
    }
}

/// What a line of a difference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Gone,
    Come,
    Same,
    /// Unchanged lines are left out here.
    Skipped,
}

/// A line of a difference: pieces of text, those that differ from the other side marked with true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub sign: Sign,
    pub runs: Vec<(bool, String)>,
}

impl Line {
    /// What stands before the line, and what it means.
    pub fn look(&self) -> (&'static str, Role) {
        match self.sign {
            Sign::Gone => ("- ", Role::Before),
            Sign::Come => ("+ ", Role::After),
            Sign::Same | Sign::Skipped => ("  ", Role::Quiet),
        }
    }

    /// The line in colours, over as many lines of at most `columns` as it needs. Long runs of what is the same on both
    /// sides are shortened.
    pub fn paint(&self, columns: usize, signs: &Signs) -> Vec<String> {
        let (mark, role) = self.look();
        if role == Role::Quiet && self.runs.iter().all(|(_, run)| run.is_empty()) {
            return vec![String::new()];
        }
        let is_mixed = self.runs.iter().any(|(differs, _)| *differs);
        let mut all = Vec::new();
        let mut line = paint(role, mark);
        let mut used = width(mark);
        for (differs, run) in &self.runs {
            let shortened = if is_mixed && !differs { shorten(run, signs) } else { run.clone() };
            let mut rest = shortened.as_str();
            while !rest.is_empty() {
                let piece = prefix(rest, columns.saturating_sub(used));
                let piece = if piece.is_empty() && used <= width(mark) { rest } else { piece };
                // Between two words, if one ends in the second half of the line.
                let space = piece.rfind(' ').map(|at| at + 1).filter(|at| used + at > columns / 2);
                let piece = if piece.len() < rest.len() { &piece[..space.unwrap_or(piece.len())] } else { piece };
                let shown = if piece.len() < rest.len() { piece.trim_end_matches(' ') } else { piece };
                line.push_str(&if *differs { paint_difference(role, shown) } else { paint(role, shown) });
                used += width(piece);
                rest = &rest[piece.len()..];
                if !rest.is_empty() {
                    all.push(std::mem::replace(&mut line, "  ".to_owned()));
                    used = 2;
                }
            }
        }
        all.push(line);
        all
    }
}

/// Whether a text can do without quotes.
fn is_clear(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|character: char| character.is_whitespace() || is_unseen(character) || character == '"')
        && !text.starts_with(['(', '[', '{', ':'])
        && !text.contains("##")
        && serde_json::from_str::<serde_json::Value>(text).is_err()
}

/// A key of a map: without quotes if it cannot be mistaken for anything else.
fn key_text(key: &str) -> String {
    let is_odd = |character: char| character.is_whitespace() || is_unseen(character) || character == '"';
    let is_clear = !key.is_empty() && !key.contains(is_odd) && !key.starts_with(':') && !key.contains("##");
    if is_clear { key.to_owned() } else { quoted(key) }
}

/// What tells an ARN apart from others of its kind: `social:41` of
/// `arn:aws:ecs:eu-central-1:123456789012:task-definition/social:41`.
fn short_name(text: &str) -> Option<&str> {
    let resource = text.strip_prefix("arn:")?.splitn(5, ':').nth(4)?;
    let name = resource.split_once(['/', ':']).map_or(resource, |(_, name)| name);
    (!name.is_empty()).then_some(name)
}

/// The ends of a long run of unchanged text.
fn shorten(run: &str, signs: &Signs) -> String {
    if width(run) <= RUN {
        return run.to_owned();
    }
    let half = RUN / 2;
    format!("{}{}{}", prefix(run, half), signs.ellipsis, cut_start(run, half, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_shortened_to_its_own_name() {
        assert_eq!(short_name("arn:aws:ecs:eu-central-1:123456789012:task-definition/social:41"), Some("social:41"));
        assert_eq!(short_name("arn:aws:iam::123456789012:role/social-tasks"), Some("social-tasks"));
        assert_eq!(short_name("arn:aws:s3:::social-media"), Some("social-media"));
        assert_eq!(short_name("social.example.org"), None);
    }
}
