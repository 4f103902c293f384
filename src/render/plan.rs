//! A plan as text.
//!
//! One line per resource: what happens to it, why, how bad that is, how long it takes. Below it, what people who use
//! the instance will notice, and each attribute that changes, from what to what, and who says so. What needs a decision
//! comes first: replacements and deletions, then changes, then what is new; what somebody changed in AWS stands apart.
//! No line is wider than asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::documents::Content;
use super::layout::{cut, fill, pad, prefix, width, wrap};
use super::outline::{Entry, Fold, Group, Outline, counts, nothing, remarks, security, time_and_impact, verb};
use super::style::{Role, Signs, paint, role_of, role_of_impact};
use super::values::{Line, Piece, Words, total};
use super::{Options, cost};
use crate::address::Address;
use crate::inert::printable;
use crate::plan::{Action, Change, Plan};
use crate::spec::Types;
use crate::spec::types::Impact;

/// Where attributes begin.
const INDENT: usize = 6;
/// Between columns.
const GAP: usize = 2;
/// Columns the longest verb takes.
const VERB: usize = 7;
/// Columns that details need beside an address; with fewer they stand below it.
const BESIDE: usize = 30;
/// Lines of a value that comes or goes as a whole; the rest is counted.
const LINES: usize = 12;

/// The whole plan, without a newline at the end.
pub fn plan(plan: &Plan, types: &Types, options: &Options) -> String {
    let signs = options.signs();
    let outline = Outline::new(plan, types);
    let words = Words { types, signs };
    Renderer { outline, words, options: *options, signs, columns: options.columns() }.text()
}

struct Renderer<'a> {
    outline: Outline<'a>,
    words: Words<'a>,
    options: Options,
    signs: &'static Signs,
    columns: usize,
}

impl<'a> Renderer<'a> {
    fn text(&self) -> String {
        let plan = self.outline.plan;
        let mut parts = vec![self.header()];
        if plan.is_empty() {
            parts.push(nothing(plan));
            parts.extend(remarks(plan).iter().map(|sentence| wrap(sentence, self.columns).join("\n")));
            return parts.join("\n\n");
        }
        // One width for all addresses, unless a few long ones would push everything to the right.
        let folds = if self.options.verbose { Vec::new() } else { self.outline.folded() };
        let mut folded: BTreeMap<&Address, Option<&Fold<'_>>> = BTreeMap::new();
        for fold in &folds {
            // It stands where the first of it would.
            let places = [Some(fold)].into_iter().chain(std::iter::repeat(None));
            folded.extend(fold.changes.iter().map(|change| &change.address).zip(places));
        }
        let lengths = plan.changes.iter().filter(|change| !folded.contains_key(&change.address));
        let lengths = lengths.map(|change| change.address.to_string()).chain(folds.iter().map(|fold| self.title(fold)));
        let longest = lengths.map(|title| width(&title)).max().unwrap_or(0);
        let address_columns = longest.min(self.columns * 3 / 5);
        let mut said = BTreeSet::new();
        for (group, changes) in self.outline.groups() {
            let mut lines = Vec::new();
            if group == Group::Drifted {
                let heading = wrap(&format!("{}:", group.title(self.outline.plan)), self.columns);
                lines.extend(heading.iter().map(|line| paint(Role::Heading, line)));
            }
            for change in changes {
                match folded.get(&change.address) {
                    Some(Some(fold)) => self.fold(fold, address_columns, &mut lines),
                    Some(None) => {}
                    None => self.change(change, address_columns, &mut said, &mut lines),
                }
            }
            let is_here = |fold: &Fold<'_>| fold.changes.first().is_some_and(|change| Group::of(change) == group);
            if folds.iter().any(is_here) {
                let note = "Where there are many of a kind, they are only counted; -v names each.";
                let wrapped = wrap(note, self.columns - INDENT);
                lines.extend(wrapped.iter().map(|line| format!("{}{}", " ".repeat(INDENT), paint(Role::Quiet, line))));
            }
            parts.push(lines.join("\n"));
        }
        if !plan.refusals.is_empty() {
            parts.push(self.refusals());
        }
        let totals = self.totals();
        parts.push(totals.clone());
        let text = parts.join("\n\n");
        match self.options.height {
            Some(height) if text.lines().count() > height => {
                parts.insert(1, totals);
                parts.join("\n\n")
            }
            _ => text,
        }
    }

    fn header(&self) -> String {
        let dot = format!(" {} ", paint(Role::Quiet, self.signs.dot));
        let parts = self.outline.header();
        let mut painted: Vec<String> = parts.iter().take(1).map(|name| paint(Role::Heading, name)).collect();
        painted.extend(parts.iter().skip(1).cloned());
        painted.join(&dot)
    }

    /// Numbers, time, worst impact, and what people notice.
    fn totals(&self) -> String {
        let plan = self.outline.plan;
        let (counts, rest) = (format!("Plan: {}.", counts(plan)), format!("{}.", time_and_impact(plan)));
        let fits = width(&counts) + 1 + width(&rest) <= self.columns;
        let counts = wrap(&counts, self.columns).join("\n");
        let mut text = format!("{counts}{}{}", if fits { " " } else { "\n" }, self.with_impact(&rest));
        if self.options.verbose && plan.critical_path.len() > 1 {
            let chain: Vec<String> = plan.critical_path.iter().map(ToString::to_string).collect();
            let sentence = format!("What takes longest, one after the other: {}.", chain.join(", "));
            text.push('\n');
            text.push_str(&wrap(&sentence, self.columns).join("\n"));
        }
        if let Some(sentence) = security(plan) {
            text.push('\n');
            let lines = wrap(&format!("Security: {sentence}."), self.columns);
            text.push_str(&lines.iter().map(|line| paint(Role::Warning, line)).collect::<Vec<_>>().join("\n"));
        }
        text.push_str(&self.cost());
        for sentence in remarks(plan) {
            text.push('\n');
            text.push_str(&wrap(&sentence, self.columns).join("\n"));
        }
        let notices = self.outline.notices();
        if !notices.is_empty() {
            let sentence = format!("What people notice: {}", notices.join(" "));
            text.push('\n');
            text.push_str(&wrap(&sentence, self.columns).join("\n"));
        }
        text
    }

    /// What it does to the bill, after a newline; with -v also resource by resource.
    fn cost(&self) -> String {
        let plan = self.outline.plan;
        let Some(sentence) = cost::sentence(plan) else { return String::new() };
        let mut lines = wrap(&format!("Cost: {sentence}."), self.columns);
        if let Some(cost) = plan.cost.as_ref().filter(|_| self.options.verbose) {
            let rows = cost::by_resource(cost);
            let amounts = rows.iter().map(|(_, amount)| width(amount)).max().unwrap_or(0);
            for (name, amount) in rows {
                let mut path = wrap_path(&name, self.columns.saturating_sub(INDENT + amounts + GAP)).into_iter();
                let gap = fill(width(&amount), amounts);
                lines.push(format!(
                    "{}{gap}{amount}{}{}",
                    fill(0, INDENT),
                    fill(0, GAP),
                    path.next().unwrap_or_default()
                ));
                lines.extend(path.map(|part| format!("{}{part}", fill(0, INDENT + amounts + GAP))));
            }
            for missing in &cost.gaps {
                let wrapped = wrap(&format!("no price: {}", cost::gap(missing)), self.columns - INDENT);
                lines.extend(wrapped.iter().map(|line| format!("{}{line}", fill(0, INDENT))));
            }
        }
        lines.iter().map(|line| format!("\n{line}")).collect()
    }

    /// The words for the plan's impact in their colour.
    fn with_impact(&self, text: &str) -> String {
        let impact = self.outline.plan.impact();
        match (role_of_impact(impact), text.rfind(impact.words())) {
            (Some(role), Some(at)) => {
                let (before, rest) = text.split_at(at);
                let (words, after) = rest.split_at(impact.words().len());
                format!("{before}{}{after}", paint(role, words))
            }
            _ => text.to_owned(),
        }
    }

    fn change(&self, change: &Change, address_columns: usize, said: &mut BTreeSet<&'a str>, lines: &mut Vec<String>) {
        self.headline(change, address_columns, lines);
        let indent = " ".repeat(INDENT);
        // The same sentence is not said twice.
        if change.impact >= Impact::Brief
            && let Some(notice) = self.outline.notice(change)
            && said.insert(notice)
        {
            lines.extend(wrap(notice, self.columns - INDENT).iter().map(|line| format!("{indent}{line}")));
        }
        let is_shown = !matches!(change.action, Action::Create | Action::Run) || self.options.verbose;
        let entries = if is_shown { self.outline.entries(change) } else { Vec::new() };
        self.entries(&entries, lines);
        for note in self.outline.notes(change, !entries.is_empty()) {
            let wrapped = wrap(&note, self.columns - INDENT);
            lines.extend(wrapped.iter().map(|line| format!("{indent}{}", paint(Role::Quiet, line))));
        }
    }

    /// Many changes of a kind as one line.
    fn fold(&self, fold: &Fold<'_>, address_columns: usize, lines: &mut Vec<String>) {
        if let Some(change) = fold.changes.first() {
            self.line(&self.title(fold), change, address_columns, lines);
        }
    }

    fn title(&self, fold: &Fold<'_>) -> String {
        format!("{} {}{}", fold.title(), self.signs.times, fold.changes.len())
    }

    /// What happens to which resource, why, how bad, how long.
    fn headline(&self, change: &Change, address_columns: usize, lines: &mut Vec<String>) {
        self.line(&change.address.to_string(), change, address_columns, lines);
    }

    /// A headline with these words for what it is about.
    fn line(&self, address: &str, change: &Change, address_columns: usize, lines: &mut Vec<String>) {
        let role = role_of(&change.action);
        let sign = paint(role, &pad(self.signs.of(&change.action), self.signs.width()));
        let start = 3 + self.signs.width();
        let mut address_gap = address_columns.max(width(address)) + GAP;
        if start + address_gap + VERB > self.columns {
            address_gap = width(address) + GAP;
        }
        let mut path = wrap_path(address, self.columns - start);
        let last = path.pop().unwrap_or_default();
        let mut line = format!("  {sign} ");
        for part in path {
            lines.push(format!("{line}{}", paint(Role::Heading, &part)));
            line = " ".repeat(start);
        }
        line.push_str(&paint(Role::Heading, &last));
        if start + address_gap + VERB > self.columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(INDENT)));
        } else {
            line.push_str(&fill(width(&last), address_gap));
        }
        line.push_str(&paint(role, verb(&change.action)));
        let details = self.outline.details(change);
        let beside = start + address_gap + VERB + GAP;
        let lengths = || details.iter().map(|detail| width(&detail.text) + 2);
        let room = self.columns.saturating_sub(beside);
        // Beside the verb in one line, or in a few that are not too narrow.
        let fits = lengths().sum::<usize>() <= room + 2
            || (room >= BESIDE && lengths().all(|length| length <= room + 1) && lengths().sum::<usize>() < room * 2);
        let column = if fits { beside } else { INDENT };
        if !details.is_empty() && column == beside {
            line.push_str(&fill(width(verb(&change.action)), VERB + GAP));
        } else if !details.is_empty() {
            lines.push(std::mem::replace(&mut line, " ".repeat(column)));
        }
        let mut used = column;
        for (index, detail) in details.iter().enumerate() {
            let comma = usize::from(index + 1 < details.len());
            if index > 0 && used + 1 + width(&detail.text) + comma > self.columns {
                lines.push(std::mem::replace(&mut line, " ".repeat(column)));
                used = column;
            } else if index > 0 {
                line.push(' ');
                used += 1;
            }
            let wrapped = wrap(&detail.text, self.columns.saturating_sub(used + comma));
            for (part, text) in wrapped.iter().enumerate() {
                if part > 0 {
                    lines.push(std::mem::replace(&mut line, " ".repeat(column)));
                    used = column;
                }
                line.push_str(&Piece { role: detail.role, text: text.clone() }.paint());
                used += width(text);
            }
            if comma > 0 {
                line.push(',');
                used += 1;
            }
        }
        lines.push(line);
    }

    /// What differs. Several differences in one element of a list stand below its name.
    fn entries(&self, entries: &[Entry], lines: &mut Vec<String>) {
        let limit = self.columns * 2 / 5;
        let mut block: Vec<(String, &Entry)> = Vec::new();
        for run in entries.chunk_by(|one, other| !one.head.is_empty() && one.head == other.head) {
            let is_inline = run.iter().all(|entry| {
                entry.head.is_empty() || (run.len() == 1 && width(&entry.head) + width(&entry.path) <= limit)
            });
            if is_inline {
                block.extend(run.iter().map(|entry| (format!("{}{}", entry.head, entry.path), entry)));
                continue;
            }
            self.block(&std::mem::take(&mut block), INDENT, lines);
            let indent = " ".repeat(INDENT);
            lines.extend(wrap_path(&run[0].head, self.columns - INDENT).iter().map(|line| format!("{indent}{line}")));
            let rows: Vec<(String, &Entry)> =
                run.iter().map(|entry| (entry.path.trim_start_matches('.').to_owned(), entry)).collect();
            self.block(&rows, INDENT + GAP, lines);
        }
        self.block(&block, INDENT, lines);
    }

    /// Rows whose columns are one below the other.
    fn block(&self, rows: &[(String, &Entry)], indent: usize, lines: &mut Vec<String>) {
        let paths = rows.iter().map(|(path, _)| width(path)).filter(|path| *path <= self.columns * 2 / 5);
        let path_columns = paths.max().unwrap_or(0);
        let placed: Vec<(usize, Option<Vec<Piece>>)> = rows
            .iter()
            .map(|(path, entry)| {
                let column = indent + width(path).max(path_columns) + GAP;
                let room = self.columns.saturating_sub(column);
                (column, self.words.one_line(&entry.content, room))
            })
            .collect();
        // Causes stand below one another too, unless that pushes one of them off the line.
        let cause_column = rows
            .iter()
            .zip(&placed)
            .filter_map(|((_, entry), (column, pieces))| {
                let end = column + total(pieces.as_ref()?) + GAP;
                (!entry.cause.is_empty() && end + width(&entry.cause) <= self.columns).then_some(end)
            })
            .max()
            .unwrap_or(0);
        for ((path, entry), (column, pieces)) in rows.iter().zip(placed) {
            match pieces {
                Some(pieces) => self.row(path, entry, (indent, column, cause_column), &pieces, lines),
                None => self.tall_row(path, entry, (indent, column), lines),
            }
        }
    }

    /// Path, content and cause on one line; the cause below if it does not fit.
    fn row(
        &self,
        path: &str,
        entry: &Entry,
        (indent, column, cause_column): (usize, usize, usize),
        pieces: &[Piece],
        lines: &mut Vec<String>,
    ) {
        let text: String = pieces.iter().map(Piece::paint).collect();
        let line = format!("{}{}{text}", " ".repeat(indent), pad(path, column - indent));
        let end = column + total(pieces);
        let cause = width(&entry.cause);
        let gap = [cause_column, end + GAP].into_iter().find(|at| *at >= end + GAP && at + cause <= self.columns);
        match gap {
            _ if cause == 0 => lines.push(line),
            Some(at) => lines.push(format!("{line}{}{}", " ".repeat(at - end), paint(Role::Quiet, &entry.cause))),
            None => {
                lines.push(line);
                self.cause_below(
                    &entry.cause,
                    if self.columns - column >= BESIDE { column } else { indent + GAP },
                    lines,
                );
            }
        }
    }

    fn cause_below(&self, cause: &str, column: usize, lines: &mut Vec<String>) {
        for part in wrap(cause, self.columns.saturating_sub(column)) {
            lines.push(format!("{}{}", " ".repeat(column), paint(Role::Quiet, &part)));
        }
    }

    /// Path and cause on a line, and the content below.
    fn tall_row(&self, path: &str, entry: &Entry, (indent, column): (usize, usize), lines: &mut Vec<String>) {
        let cause = width(&entry.cause);
        let inner = indent + GAP;
        let room = self.columns - inner;
        let one_line = self.words.one_line(&entry.content, room);
        let beside = column + cause <= self.columns;
        let mut path_lines = wrap_path(path, self.columns - indent);
        if beside && cause > 0 {
            let last = path_lines.pop().unwrap_or_default();
            path_lines.push(format!("{}{}", pad(&last, column - indent), paint(Role::Quiet, &entry.cause)));
        }
        lines.extend(path_lines.iter().map(|line| format!("{}{line}", " ".repeat(indent))));
        // A cause below a long content would be too far from what it is the cause of.
        if !beside && one_line.is_none() {
            self.cause_below(&entry.cause, inner, lines);
        }
        let has_one_line = one_line.is_some();
        let content = match one_line {
            Some(pieces) => vec![pieces.iter().map(Piece::paint).collect()],
            None => self.many_lines(&entry.content, room),
        };
        let indented =
            |line: &String| if line.is_empty() { String::new() } else { format!("{}{line}", " ".repeat(inner)) };
        lines.extend(content.iter().map(indented));
        if !beside && has_one_line {
            self.cause_below(&entry.cause, inner, lines);
        }
    }

    /// The content over as many lines as it needs; what comes or goes as a whole is cut after some.
    fn many_lines(&self, content: &Content, room: usize) -> Vec<String> {
        let lines = self.words.many_lines(content);
        if let Content::Given(_) = content {
            let whole = |line: Line| line.runs.into_iter().map(|(_, run)| run).collect::<String>();
            return lines.into_iter().map(|line| cut(&whole(line), room, self.signs.ellipsis)).collect();
        }
        let mut painted: Vec<String> = lines.iter().flat_map(|line| line.paint(room, self.signs)).collect();
        let is_one_sided =
            matches!(content, Content::Values { before: None, .. } | Content::Values { after: None, .. });
        if is_one_sided && !self.options.verbose && painted.len() > LINES + 1 {
            let more = format!("  {} {} more lines, with -v", self.signs.ellipsis, painted.len() - LINES);
            painted.truncate(LINES);
            painted.push(paint(Role::Quiet, &more));
        }
        painted
    }

    fn refusals(&self) -> String {
        let mut text = paint(Role::Error, "Refused, nothing will be done:");
        let mut hints: Vec<&str> = Vec::new();
        for refusal in &self.outline.plan.refusals {
            text.push_str("\n  ");
            text.push_str(&wrap(&printable(&refusal.reason), self.columns - GAP).join("\n  "));
        }
        // To keep what is there comes before to let it go.
        let refusals = || self.outline.plan.refusals.iter();
        for hint in refusals().map(|refusal| &refusal.hint).chain(refusals().filter_map(|it| it.otherwise.as_ref())) {
            if !hints.contains(&hint.as_str()) {
                hints.push(hint);
            }
        }
        text.push('\n');
        for hint in hints {
            let hint = wrap(&format!("hint: {hint}"), self.columns).join("\n");
            text.push_str(&format!("\n{}{}", paint(Role::Hint, "hint"), hint.trim_start_matches("hint")));
        }
        text
    }
}

/// A path over as many lines as it needs.
fn wrap_path(path: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = path;
    while width(rest) > columns {
        let line = prefix(rest, columns);
        if line.is_empty() {
            break;
        }
        // Between two steps, if there are any.
        let end = line.rfind(['.', '[']).filter(|at| *at > columns / 2).unwrap_or(line.len());
        lines.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    lines.push(rest.to_owned());
    lines
}

#[cfg(test)]
mod any;
#[cfg(test)]
mod tests;
