//! Values as a plan shows them.

use similar::{ChangeTag, TextDiff};

use super::layout::{cut, cut_start, prefix, width};
use super::style::{Role, Signs, paint, paint_difference};
use crate::plan::diff::marker_template;
use crate::value::{Planned, Tree, Unknown};

/// Columns of an unchanged run of text between two changes that are shown before it is shortened.
const RUN: usize = 40;
/// Unchanged lines that are shown around changed ones.
const CONTEXT: usize = 1;

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

/// A value on one line. Texts stand without quotes where they cannot be mistaken for anything else.
pub fn line(value: &Planned) -> String {
    match value {
        Tree::Text(text) if is_clear(text) => text.clone(),
        other => json(other),
    }
}

/// What an unknown value will be.
pub fn unknown(unknown: &Unknown) -> String {
    if unknown.sensitive {
        return SECRET.to_owned();
    }
    let references: Vec<String> = unknown.references.iter().map(ToString::to_string).collect();
    let whole = unknown.template.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    match (whole, references.as_slice()) {
        (Some(inner), [one]) if inner == one => format!("new {one}"),
        // An expression around it: what it is made of says more than how.
        (Some(inner), [_, ..]) if inner.contains(|character: char| " ?{('".contains(character)) => {
            format!("from {}", references.join(", "))
        }
        (Some(inner), _) => format!("new {inner}"),
        (None, _) => format!("{:?}", unknown.template),
    }
}

/// Whether a text can do without quotes.
fn is_clear(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|character: char| character.is_whitespace() || character.is_control() || character == '"')
        && !text.starts_with(['(', '[', '{'])
        && serde_json::from_str::<serde_json::Value>(text).is_err()
}

/// A value as JSON on one line, with words for what is not known.
fn json(value: &Planned) -> String {
    match value {
        Tree::Leaf(missing) => unknown(missing),
        Tree::List(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Tree::Map(entries) => {
            if let Some(template) = value.plain().as_ref().and_then(marker_template) {
                return format!("(secret from {template})");
            }
            let entries: Vec<String> = entries.iter().map(|(key, entry)| format!("{key}: {}", json(entry))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => scalar.plain().unwrap_or_default().to_string(),
    }
}

/// A value over as many lines as it needs.
pub fn lines(value: &Planned) -> String {
    let mut text = String::new();
    match value {
        Tree::Text(whole) if whole.contains('\n') => text.push_str(whole),
        other => write_lines(other, 0, &mut text),
    }
    text
}

fn write_lines(value: &Planned, depth: usize, text: &mut String) {
    let inner = "  ".repeat(depth + 1);
    let outer = "  ".repeat(depth);
    let is_secret = value.plain().as_ref().and_then(marker_template).is_some();
    match value {
        secret if is_secret => text.push_str(&json(secret)),
        Tree::List(items) if !items.is_empty() && !is_short(value) => {
            text.push('[');
            for item in items {
                text.push('\n');
                text.push_str(&inner);
                write_lines(item, depth + 1, text);
            }
            text.push('\n');
            text.push_str(&outer);
            text.push(']');
        }
        Tree::Map(entries) if !entries.is_empty() && !is_short(value) => {
            text.push('{');
            for (key, entry) in entries {
                text.push('\n');
                text.push_str(&inner);
                text.push_str(key);
                text.push_str(": ");
                write_lines(entry, depth + 1, text);
            }
            text.push('\n');
            text.push_str(&outer);
            text.push('}');
        }
        other => text.push_str(&if depth == 0 { line(other) } else { json(other) }),
    }
}

/// Whether a structure reads better on one line.
fn is_short(value: &Planned) -> bool {
    let is_flat = match value {
        Tree::List(items) => items.iter().all(|item| !matches!(item, Tree::List(_) | Tree::Map(_))),
        Tree::Map(entries) => entries.len() <= 2 && entries.values().all(|entry| !matches!(entry, Tree::Map(_))),
        _ => true,
    };
    is_flat && width(&json(value)) <= 60
}

/// `before → after` on one line, in at most `columns`; `None` if it needs more.
pub fn arrow(before: Option<&Planned>, after: Option<&Planned>, columns: usize, signs: &Signs) -> Option<Vec<Piece>> {
    let arrow = Piece::new(Role::Quiet, format!("{} ", signs.arrow));
    if let (Some(before), Some(Tree::Leaf(missing))) = (before, after) {
        let mut pieces = vec![arrow, Piece::new(Role::After, unknown(missing))];
        let room = columns.saturating_sub(total(&pieces) + width(" (now )")).max(12);
        let now = cut_start(&line(before), room, signs.ellipsis);
        pieces.push(Piece::new(Role::Quiet, format!(" (now {now})")));
        return Some(pieces);
    }
    let has_lines = |text: &str| text.contains('\n');
    let was = before.map_or_else(|| UNSET.to_owned(), line);
    let will_be = after.map_or_else(|| UNSET.to_owned(), line);
    let is_text_with_lines =
        before.and_then(Tree::as_text).is_some_and(has_lines) || after.and_then(Tree::as_text).is_some_and(has_lines);
    let pieces = vec![Piece::new(Role::Before, format!("{was} ")), arrow, Piece::new(Role::After, will_be)];
    (!is_text_with_lines && total(&pieces) <= columns).then_some(pieces)
}

/// As [`arrow`], for a side that is absent: the other one is cut to what fits.
pub fn arrow_cut(before: Option<&Planned>, after: Option<&Planned>, columns: usize, signs: &Signs) -> Vec<Piece> {
    let room = columns.saturating_sub(width(UNSET) + width(signs.arrow) + 2);
    let side = |value: Option<String>| value.map_or_else(|| UNSET.to_owned(), |text| cut(&text, room, signs.ellipsis));
    vec![
        Piece::new(Role::Before, format!("{} ", side(before.map(line)))),
        Piece::new(Role::Quiet, format!("{} ", signs.arrow)),
        Piece::new(Role::After, side(after.map(line))),
    ]
}

/// Two long values, line by line and word by word. Each line starts with `-`, `+` or a space and takes at most
/// `columns`.
pub fn difference(before: &Planned, after: &Planned, columns: usize, signs: &Signs) -> Vec<String> {
    // Two texts need no quotes to be told apart.
    let whole = |value: &Planned| value.as_text().map_or_else(|| lines(value), str::to_owned);
    let (before, after) = (whole(before), whole(after));
    let comparison = TextDiff::from_lines(before.as_str(), after.as_str());
    let mut all = Vec::new();
    for (index, group) in comparison.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            all.push(paint(Role::Quiet, signs.ellipsis));
        }
        for operation in group {
            for change in comparison.iter_inline_changes(operation) {
                let (sign, role) = match change.tag() {
                    ChangeTag::Delete => ("- ", Role::Before),
                    ChangeTag::Insert => ("+ ", Role::After),
                    ChangeTag::Equal => ("  ", Role::Quiet),
                };
                let runs: Vec<(bool, String)> = change
                    .iter_strings_lossy()
                    .map(|(differs, text)| (differs, text.trim_end_matches('\n').to_owned()))
                    .collect();
                // A line that differs as a whole needs no marks within it.
                let is_mixed = runs.iter().any(|(differs, _)| *differs) && runs.iter().any(|(differs, _)| !*differs);
                wrapped(sign, role, &runs, is_mixed, columns, signs, &mut all);
            }
        }
    }
    all
}

fn wrapped(
    sign: &str,
    role: Role,
    runs: &[(bool, String)],
    is_mixed: bool,
    columns: usize,
    signs: &Signs,
    all: &mut Vec<String>,
) {
    let mut line = paint(role, sign);
    let mut used = width(sign);
    for (differs, run) in runs {
        let shortened = if is_mixed && !differs { shorten(run, signs) } else { run.clone() };
        let mut rest = shortened.as_str();
        while !rest.is_empty() {
            let piece = prefix(rest, columns.saturating_sub(used));
            let piece = if piece.is_empty() && used <= width(sign) { rest } else { piece };
            if *differs && is_mixed {
                line.push_str(&paint_difference(role, piece));
            } else {
                line.push_str(&paint(role, piece));
            }
            used += width(piece);
            rest = &rest[piece.len()..];
            if !rest.is_empty() {
                all.push(std::mem::replace(&mut line, "  ".to_owned()));
                used = 2;
            }
        }
    }
    all.push(line);
}

/// The ends of a long run of unchanged text.
fn shorten(run: &str, signs: &Signs) -> String {
    if width(run) <= RUN {
        return run.to_owned();
    }
    let half = RUN / 2;
    format!("{}{}{}", prefix(run, half), signs.ellipsis, cut_start(run, half, ""))
}
