//! A plan as text.
//!
//! One line per resource: what happens to it, how bad that is, how long it takes, or because of whom it happens. Below
//! it each attribute that changes, from what to what, and who says so. What needs a decision comes first: replacements
//! and deletions, then changes, then what is new; what somebody changed in AWS stands apart.

use std::collections::BTreeMap;

use super::Options;
use super::duration::about;
use super::layout::{cut, fill, pad, width, wrap};
use super::paths;
use super::style::{Role, Signs, paint, role_of, role_of_impact};
use super::values::{self, Piece, SECRET, total};
use crate::address::Address;
use crate::plan::{Action, AttributeChange, Cause, Change, Plan, Purpose};
use crate::spec::Types;
use crate::spec::types::{Impact, Order, ResourceType};
use crate::value::{Planned, Tree, Unknown};

/// Where attributes begin.
const INDENT: usize = 6;
/// Between columns.
const GAP: usize = 2;
/// Columns of a value that a cause beside it must leave.
const ROOM: usize = 24;
/// Columns the longest verb takes.
const VERB: usize = 7;

/// The whole plan, without a newline at the end.
pub fn plan(plan: &Plan, types: &Types, options: &Options) -> String {
    let actions = plan.changes.iter().rev().map(|change| (&change.address, &change.action)).collect();
    let renderer =
        Renderer { plan, actions, types, options: *options, signs: options.signs(), columns: options.columns() };
    renderer.text()
}

/// The last line of a plan: numbers, time, worst impact. Without colours.
pub fn summary(plan: &Plan) -> String {
    if plan.is_empty() {
        return nothing(plan);
    }
    let counts = plan.counts();
    let mut text = format!(
        "Plan: {} to create, {} to update, {} to replace, {} to delete",
        counts.create, counts.update, counts.replace, counts.delete
    );
    if counts.forget > 0 {
        text.push_str(&format!(", {} to forget", counts.forget));
    }
    if plan.purpose == Purpose::Apply {
        text.push_str(&format!("; {} unchanged", plan.unchanged));
    }
    text.push_str(". ");
    text.push_str(&capitalized(&about(plan.expected_seconds)));
    let touches = plan.changes.iter().any(|change| !matches!(change.action, Action::Create | Action::Forget));
    if touches {
        match plan.impact() {
            Impact::None => text.push_str(", no interruption"),
            impact => text.push_str(&format!(", worst: {}", impact.words())),
        }
    }
    text.push('.');
    text
}

fn nothing(plan: &Plan) -> String {
    match plan.purpose {
        Purpose::Destroy => format!("Nothing to destroy: {} has no resources.", plan.instance),
        Purpose::Apply => {
            let plural = if plan.unchanged == 1 { "" } else { "s" };
            format!(
                "Nothing to do: {} is as mastodon.toml says; {} resource{plural} unchanged.",
                plan.instance, plan.unchanged
            )
        }
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// Which part of the text a change stands in, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Gone,
    Updated,
    Created,
    Recorded,
    Drifted,
}

fn group(change: &Change) -> Group {
    let is_drift = !change.causes.is_empty() && change.causes.iter().all(|cause| *cause == Cause::Drift);
    match change.action {
        Action::Replace { .. } | Action::Delete => Group::Gone,
        Action::Create | Action::Update { .. } if is_drift => Group::Drifted,
        Action::Update { .. } => Group::Updated,
        Action::Create => Group::Created,
        Action::Adopt | Action::Forget => Group::Recorded,
    }
}

fn verb(action: &Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update { .. } => "update",
        Action::Replace { .. } => "replace",
        Action::Delete => "delete",
        Action::Adopt => "adopt",
        Action::Forget => "forget",
    }
}

struct Renderer<'a> {
    plan: &'a Plan,
    /// What happens to each address.
    actions: BTreeMap<&'a Address, &'a Action>,
    types: &'a Types,
    options: Options,
    signs: &'static Signs,
    columns: usize,
}

/// A line below a change: a path, what becomes of it, and why.
struct Row {
    path: String,
    content: Content,
    cause: String,
}

/// What the rows of a change have in common.
struct Place<'a> {
    resource_type: Option<&'a ResourceType>,
    path_columns: usize,
    /// Every attribute forces the replacement; that is said once.
    none_in_place: bool,
}

impl Place<'_> {
    /// Columns that are left beside a path.
    fn beside(&self, path: &str, columns: usize) -> usize {
        columns.saturating_sub(INDENT + width(path).max(self.path_columns) + GAP)
    }

    fn is_secret(&self, attribute: &AttributeChange) -> bool {
        attribute.sensitive || paths::is_sensitive(&attribute.path, self.resource_type)
    }

    /// A side of a change as it may be shown.
    fn shown(&self, attribute: &AttributeChange, value: &Planned) -> Planned {
        let secret = Tree::Leaf(Unknown { template: String::new(), references: Vec::new(), sensitive: true });
        let declared = self.resource_type.and_then(|found| found.attribute(&attribute.path));
        paths::redacted(value, declared, &secret)
    }
}

enum Content {
    Line(Vec<Piece>),
    /// A heading of its own, and the differing lines below it.
    Block(Vec<String>),
}

impl Renderer<'_> {
    fn text(&self) -> String {
        let mut parts = vec![self.header()];
        if self.plan.is_empty() {
            parts.push(nothing(self.plan));
            return parts.join("\n\n");
        }
        let mut groups: BTreeMap<Group, Vec<&Change>> = BTreeMap::new();
        for change in &self.plan.changes {
            groups.entry(group(change)).or_default().push(change);
        }
        // One width for all addresses, unless a few long ones would push everything to the right.
        let longest = self.plan.changes.iter().map(|change| width(&change.address.to_string())).max().unwrap_or(0);
        let address_columns = longest.min(self.columns * 3 / 5);
        for (group, changes) in groups {
            let mut lines = Vec::new();
            if group == Group::Drifted {
                lines.push(paint(Role::Heading, "Changed in AWS since the last apply, and set back:"));
            }
            for change in changes {
                self.change(change, address_columns, &mut lines);
            }
            parts.push(lines.join("\n"));
        }
        if !self.plan.refusals.is_empty() {
            parts.push(self.refusals());
        }
        let summary = self.painted_summary();
        parts.push(summary.clone());
        let text = parts.join("\n\n");
        match self.options.height {
            Some(height) if text.lines().count() > height => {
                parts.insert(1, summary);
                parts.join("\n\n")
            }
            _ => text,
        }
    }

    fn header(&self) -> String {
        let plan = self.plan;
        let state = if plan.made_from.serial == 0 {
            "no state yet".to_owned()
        } else {
            format!("state {}", plan.made_from.serial)
        };
        let dot = paint(Role::Quiet, self.signs.dot);
        let heading = paint(Role::Heading, &plan.instance);
        // A destroy does not read the file, and knows no other title than the name.
        let title = if plan.title == plan.instance { String::new() } else { format!("{} {dot} ", plan.title) };
        format!("{heading} {dot} {title}{} {dot} {state}", plan.region)
    }

    fn painted_summary(&self) -> String {
        let text = summary(self.plan);
        let impact = self.plan.impact();
        match (role_of_impact(impact), text.rfind(impact.words())) {
            (Some(role), Some(at)) => {
                let (before, rest) = text.split_at(at);
                let (words, after) = rest.split_at(impact.words().len());
                format!("{before}{}{after}", paint(role, words))
            }
            _ => text,
        }
    }

    fn change(&self, change: &Change, address_columns: usize, lines: &mut Vec<String>) {
        let resource_type = self.types.get(&change.address.type_name);
        let role = role_of(&change.action);
        let address = change.address.to_string();
        let common = common_cascade(change);
        let mut line = format!(
            "  {} {}",
            paint(role, &pad(self.signs.of(&change.action), self.signs.width())),
            paint(Role::Heading, &address)
        );
        let address_gap = address_columns.max(width(&address)) + GAP;
        line.push_str(&fill(width(&address), address_gap));
        line.push_str(&paint(role, verb(&change.action)));
        let details = self.details(change, common);
        if !details.is_empty() {
            line.push_str(&fill(width(verb(&change.action)), VERB + GAP));
        }
        let column = 3 + self.signs.width() + address_gap + VERB + GAP;
        let mut used = column;
        for (index, detail) in details.iter().enumerate() {
            if index > 0 {
                line.push(',');
                if used + 2 + width(&detail.text) > self.columns {
                    lines.push(std::mem::replace(&mut line, " ".repeat(column)));
                    used = column;
                } else {
                    line.push(' ');
                    used += 2;
                }
            }
            line.push_str(&detail.paint());
            used += width(&detail.text);
        }
        lines.push(line);
        let paths = change.attributes.iter().map(|attribute| width(&paths::display(&attribute.path, resource_type)));
        let path_columns = paths.max().unwrap_or(0).min(self.columns * 2 / 5);
        let rows = self.rows(change, common, resource_type, path_columns);
        let content_columns = rows
            .iter()
            .filter_map(|row| match &row.content {
                Content::Line(pieces) if !row.cause.is_empty() => Some(total(pieces)),
                _ => None,
            })
            .filter(|columns| INDENT + path_columns + GAP + columns + GAP + ROOM <= self.columns)
            .max()
            .unwrap_or(0);
        for row in &rows {
            self.row(row, path_columns, content_columns, lines);
        }
        let note = |text: &str| format!("{}{}", " ".repeat(INDENT), paint(Role::Quiet, text));
        if let Action::Replace { because, .. } = &change.action {
            let paths: Vec<String> = change.attributes.iter().map(|attribute| attribute.path.join(".")).collect();
            lines.extend(because.all().iter().filter(|reason| !paths.contains(reason)).map(|reason| note(reason)));
        }
        for leftover in &change.leftovers {
            lines.push(note(&format!("deletes {leftover} too, which an interrupted replacement left behind")));
        }
        let is_changed = matches!(change.action, Action::Update { .. } | Action::Replace { .. });
        if none_in_place(change) {
            lines.push(note("none of this can be changed in place"));
        }
        if is_changed && change.unchanged_attributes > 0 && !rows.is_empty() {
            let plural = if change.unchanged_attributes == 1 { "" } else { "s" };
            lines.push(note(&format!("({} unchanged attribute{plural})", change.unchanged_attributes)));
        }
    }

    /// What stands beside the verb: why, how bad, how long.
    fn details(&self, change: &Change, common: Option<&Address>) -> Vec<Piece> {
        let mut details = Vec::new();
        let impact = |least: Impact| {
            (change.impact >= least)
                .then(|| Piece { role: role_of_impact(change.impact), text: change.impact.words().to_owned() })
        };
        let time = || (change.expected_seconds >= 60).then(|| Piece::plain(about(change.expected_seconds)));
        match &change.action {
            Action::Create => {
                match change.causes.first() {
                    Some(Cause::Drift) => details.push(Piece::plain("it was deleted in AWS")),
                    Some(Cause::Interrupted) => details.push(Piece::plain("an earlier run did not come to its end")),
                    _ => {}
                }
                details.extend(time());
            }
            Action::Update { attributes } if attributes.is_empty() => {
                details.push(Piece::plain("only the state file changes"));
            }
            Action::Update { .. } => match common {
                Some(address) => {
                    details.push(Piece::plain(self.because(address)));
                    details.extend(impact(Impact::Rolling));
                    details.extend(time());
                }
                None => {
                    details.extend(impact(Impact::None));
                    details.push(Piece::plain(about(change.expected_seconds)));
                }
            },
            Action::Replace { order, .. } => {
                if let Some(address) = common {
                    details.push(Piece::plain(self.because(address)));
                }
                details.push(Piece::plain(match order {
                    Order::CreateFirst => "new one first, then the old one goes",
                    Order::DeleteFirst => "old one goes first",
                }));
                details.extend(impact(Impact::Rolling));
                details.extend(time());
            }
            Action::Delete => {
                if change.causes.contains(&Cause::Orphan) {
                    details.push(Piece::plain("mastodon.toml no longer wants it"));
                }
                details.extend(impact(Impact::Rolling));
                details.extend(time());
            }
            Action::Adopt => details.push(Piece::plain("waits for what an earlier run began, and records it")),
            Action::Forget if change.identity.is_none() => details.push(Piece::plain("it was never made")),
            Action::Forget => details.push(Piece::plain("it is gone from AWS")),
        }
        details
    }

    /// `because elb.target_group.web is replaced`
    fn because(&self, address: &Address) -> String {
        let done = match self.actions.get(address) {
            Some(Action::Create) => "is created",
            Some(Action::Replace { .. }) => "is replaced",
            Some(Action::Delete | Action::Forget) => "is deleted",
            Some(Action::Update { .. } | Action::Adopt) | None => "is updated",
        };
        format!("because {address} {done}")
    }

    fn rows(
        &self,
        change: &Change,
        common: Option<&Address>,
        resource_type: Option<&ResourceType>,
        path_columns: usize,
    ) -> Vec<Row> {
        let place = Place { resource_type, path_columns, none_in_place: none_in_place(change) };
        let mut rows = Vec::new();
        match change.action {
            Action::Create if self.options.verbose => {
                rows.extend(change.attributes.iter().map(|attribute| self.new_row(attribute, &place)));
            }
            Action::Create | Action::Delete | Action::Adopt | Action::Forget => return rows,
            Action::Update { .. } | Action::Replace { .. } => {
                // What forces the replacement is what one wants to see first.
                let mut attributes: Vec<&AttributeChange> = change.attributes.iter().collect();
                attributes.sort_by_key(|attribute| !attribute.forces_replacement);
                rows.extend(attributes.into_iter().map(|attribute| self.changed_row(attribute, common, &place)));
            }
        }
        if change.protect != change.was_protected && !matches!(change.action, Action::Create) {
            let (before, after) = (Planned::Bool(change.was_protected), Planned::Bool(change.protect));
            let cause = match change.causes.as_slice() {
                [Cause::Written { location }] => location.clone(),
                _ => String::new(),
            };
            let pieces = values::arrow(Some(&before), Some(&after), self.columns, self.signs);
            rows.push(Row {
                path: "lifecycle.protect".to_owned(),
                content: Content::Line(pieces.unwrap_or_default()),
                cause,
            });
        }
        rows
    }

    /// An attribute of something new.
    fn new_row(&self, attribute: &AttributeChange, place: &Place<'_>) -> Row {
        let path = paths::display(&attribute.path, place.resource_type);
        let content = match &attribute.after {
            _ if place.is_secret(attribute) => Content::Line(vec![Piece::new(Role::Secret, SECRET)]),
            None => Content::Line(vec![Piece::plain(values::UNSET)]),
            Some(after) => {
                let after = place.shown(attribute, after);
                let line = values::line(&after);
                if width(&line) <= place.beside(&path, self.columns) {
                    Content::Line(vec![Piece::plain(line)])
                } else {
                    let columns = self.columns.saturating_sub(INDENT + GAP);
                    let lines = values::lines(&after);
                    Content::Block(lines.lines().map(|line| cut(line, columns, self.signs.ellipsis)).collect())
                }
            }
        };
        Row { path, content, cause: String::new() }
    }

    fn changed_row(&self, attribute: &AttributeChange, common: Option<&Address>, place: &Place<'_>) -> Row {
        let path = paths::display(&attribute.path, place.resource_type);
        let mut cause = match &attribute.cause {
            Cause::Cascade { address } if common == Some(address) => String::new(),
            Cause::Cascade { address } => self.because(address),
            Cause::Written { location } => location.clone(),
            Cause::Drift => "changed in AWS".to_owned(),
            Cause::New => "new".to_owned(),
            Cause::Orphan => "not wanted any more".to_owned(),
            Cause::Interrupted => "left by an interrupted run".to_owned(),
            Cause::Destroy => String::new(),
        };
        if attribute.also_drifted {
            cause.push_str(", changed in AWS too");
        }
        if attribute.forces_replacement && !place.none_in_place {
            let comma = if cause.is_empty() { "" } else { ", " };
            cause.push_str(comma);
            cause.push_str("cannot be changed in place");
        }
        let content = self.changed_content(attribute, place, &path, &cause);
        Row { path, content, cause }
    }

    fn changed_content(&self, attribute: &AttributeChange, place: &Place<'_>, path: &str, cause: &str) -> Content {
        if place.is_secret(attribute) {
            return Content::Line(vec![Piece::new(Role::Secret, format!("{SECRET} {} {SECRET}", self.signs.arrow))]);
        }
        let below = place.beside(path, self.columns);
        let beside = below.saturating_sub(if cause.is_empty() { 0 } else { width(cause) + GAP });
        let room = if beside >= ROOM { beside } else { below };
        let before = attribute.before.as_ref().map(|before| place.shown(attribute, &before.lift()));
        let after = attribute.after.as_ref().map(|after| place.shown(attribute, after));
        let (before, after) = (before.as_ref(), after.as_ref());
        if let Some(pieces) = values::arrow(before, after, room, self.signs) {
            return Content::Line(pieces);
        }
        // What does not fit beside its cause may fit above it.
        if let Some(pieces) = values::arrow(before, after, below, self.signs) {
            return Content::Line(pieces);
        }
        let columns = self.columns.saturating_sub(INDENT + GAP);
        match (before, after) {
            (Some(before), Some(after)) => Content::Block(values::difference(before, after, columns, self.signs)),
            (before, after) if self.options.verbose => {
                let (sign, role) = if after.is_some() { ("+", Role::After) } else { ("-", Role::Before) };
                let text = match (before, after) {
                    (_, Some(after)) => values::lines(after),
                    (Some(before), None) => values::lines(before),
                    (None, None) => String::new(),
                };
                let line = |line: &str| paint(role, &cut(&format!("{sign} {line}"), columns, self.signs.ellipsis));
                Content::Block(text.lines().map(line).collect())
            }
            (before, after) => Content::Line(values::arrow_cut(before, after, room, self.signs)),
        }
    }

    fn row(&self, row: &Row, path_columns: usize, content_columns: usize, lines: &mut Vec<String>) {
        let indent = " ".repeat(INDENT);
        let path = pad(&row.path, path_columns);
        match &row.content {
            Content::Line(pieces) => {
                let text: String = pieces.iter().map(Piece::paint).collect();
                let used = INDENT + width(&path) + GAP + total(pieces);
                let padding = content_columns.saturating_sub(total(pieces));
                let line = format!("{indent}{path}{}{text}", " ".repeat(GAP));
                if row.cause.is_empty() {
                    lines.push(line);
                } else if used + padding + GAP + width(&row.cause) <= self.columns {
                    let gap = " ".repeat(padding + GAP);
                    lines.push(format!("{line}{gap}{}", paint(Role::Quiet, &row.cause)));
                } else if used + GAP + width(&row.cause) <= self.columns {
                    lines.push(format!("{line}{}{}", " ".repeat(GAP), paint(Role::Quiet, &row.cause)));
                } else {
                    lines.push(line);
                    let inner = " ".repeat(INDENT + path_columns + GAP);
                    for part in wrap(&row.cause, self.columns.saturating_sub(inner.len())) {
                        lines.push(format!("{inner}{}", paint(Role::Quiet, &part)));
                    }
                }
            }
            Content::Block(block) => {
                let heading = if row.cause.is_empty() {
                    format!("{indent}{}", row.path)
                } else {
                    format!("{indent}{path}{}{}", " ".repeat(GAP), paint(Role::Quiet, &row.cause))
                };
                lines.push(heading);
                let inner = " ".repeat(INDENT + GAP);
                lines.extend(block.iter().map(|line| format!("{inner}{line}")));
            }
        }
    }

    fn refusals(&self) -> String {
        let mut text = paint(Role::Error, "Refused, nothing will be done:");
        let mut hints: Vec<&str> = Vec::new();
        for refusal in &self.plan.refusals {
            text.push_str("\n  ");
            text.push_str(&refusal.reason);
            if !hints.contains(&refusal.hint.as_str()) {
                hints.push(&refusal.hint);
            }
        }
        text.push('\n');
        for hint in hints {
            text.push_str(&format!("\n{}: {hint}", paint(Role::Hint, "hint")));
        }
        text
    }
}

/// Whether there are several attributes and each of them forces the replacement.
fn none_in_place(change: &Change) -> bool {
    change.attributes.len() > 1 && change.attributes.iter().all(|attribute| attribute.forces_replacement)
}

/// The one change that all attributes of this one change because of.
fn common_cascade(change: &Change) -> Option<&Address> {
    match change.causes.as_slice() {
        [Cause::Cascade { address }] => Some(address),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
