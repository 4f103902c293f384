//! The table at the end of a run over a fleet: a line per instance, and one for all of them.

use crate::cost::Money;
use crate::plan::Plan;
use crate::plan::change::{Counts, Widening};
use crate::render::duration::about;
use crate::render::layout::{cut, fill, pad, width};
use crate::render::style::{Role, paint};
use crate::spec::types::Impact;

/// Between columns.
const GAP: &str = "  ";
/// Columns of a name that are shown at most.
const NAME: usize = 40;

/// What a plan of an instance comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Planned {
    /// `cost`: what it adds to the bill of a month.
    Plan {
        counts: Counts,
        unchanged: usize,
        note: String,
        refused: bool,
        cost: Money,
    },
    Failed,
}

impl Planned {
    pub fn of(plan: &Plan) -> Self {
        let refused = !plan.refusals.is_empty();
        let mut notes = Vec::new();
        if !plan.is_empty() {
            notes.push(about(plan.expected_seconds));
        }
        if plan.impact() > Impact::None {
            notes.push(plan.impact().words().to_owned());
        }
        if plan.security() != Widening::Nothing {
            notes.push("security".to_owned());
        }
        let cost = plan.cost.as_ref().map_or(Money::NOTHING, |cost| cost.difference().typical);
        let gaps = plan.cost.as_ref().map_or(0, |cost| cost.gaps.len());
        match (cost.is_nothing(), gaps) {
            (true, 0) => {}
            (false, 0) => notes.push(format!("{} a month", cost.signed())),
            (_, gaps) => notes.push(format!("{} a month without {gaps} that have no price", cost.signed())),
        }
        if refused {
            notes.push("refused".to_owned());
        }
        Self::Plan { counts: plan.counts(), unchanged: plan.unchanged, note: notes.join(", "), refused, cost }
    }
}

/// Plans of a fleet. Without a newline at the end.
pub fn plans(rows: &[(String, Planned)]) -> String {
    let heads = ["create", "update", "replace", "delete", "run", "adopt", "forget", "unchanged"];
    let numbers = |counts: &Counts, unchanged: usize| {
        let Counts { create, update, replace, delete, run, adopt, .. } = *counts;
        [create, update, replace, delete, run, adopt, counts.forget, unchanged]
    };
    let mut sums = [0; 8];
    let (mut failed, mut refusals, mut bill) = (0, 0, Money::NOTHING);
    for (_, row) in rows {
        match row {
            Planned::Plan { counts, unchanged, refused, cost, .. } => {
                bill = bill + *cost;
                sums.iter_mut().zip(numbers(counts, *unchanged)).for_each(|(sum, number)| *sum += number);
                refusals += usize::from(*refused);
            }
            Planned::Failed => failed += 1,
        }
    }
    let shown: Vec<usize> = (0..heads.len())
        .filter(|index| !matches!(heads[*index], "run" | "adopt" | "forget") || sums[*index] > 0)
        .collect();
    let names = name_columns(rows.iter().map(|(name, _)| name.as_str())).max(width("instance"));
    let columns = |index: usize| width(heads[index]).max(sums[index].to_string().len());
    let right = |text: &str, columns: usize| format!("{}{text}", fill(width(text), columns));
    let mut lines = Vec::with_capacity(rows.len() + 2);
    let mut head = pad("instance", names);
    for index in &shown {
        head.push_str(GAP);
        head.push_str(&right(heads[*index], columns(*index)));
    }
    lines.push(paint(Role::Quiet, &head));
    for (name, row) in rows {
        let mut line = pad(&cut(name, names, "~"), names);
        match row {
            Planned::Plan { counts, unchanged, note, refused, .. } => {
                let numbers = numbers(counts, *unchanged);
                for index in &shown {
                    line.push_str(GAP);
                    line.push_str(&right(&numbers[*index].to_string(), columns(*index)));
                }
                if !note.is_empty() {
                    line.push_str(GAP);
                    line.push_str(&if *refused { paint(Role::Error, note) } else { note.clone() });
                }
            }
            Planned::Failed => {
                line.push_str(GAP);
                line.push_str(&paint(Role::Error, "failed"));
            }
        }
        lines.push(line);
    }
    let mut total = format!(
        "{}: {} to create, {} to update, {} to replace, {} to delete",
        counted(rows.len()),
        sums[0],
        sums[1],
        sums[2],
        sums[3]
    );
    for (number, word) in [(sums[4], "run"), (sums[5], "adopt"), (sums[6], "forget")] {
        if number > 0 {
            total.push_str(&format!(", {number} to {word}"));
        }
    }
    total.push_str(&format!("; {} unchanged", sums[7]));
    for (number, word) in [(refusals, "refused"), (failed, "failed")] {
        if number > 0 {
            total.push_str(&format!("; {number} {word}"));
        }
    }
    if !bill.is_nothing() {
        total.push_str(&format!("; {} a month", bill.signed()));
    }
    total.push('.');
    lines.push(String::new());
    lines.push(total);
    lines.join("\n")
}

/// A line per instance: its name, a word, and more about it. Without a newline at the end.
pub fn results(rows: &[(String, Role, &'static str, String)]) -> String {
    let names = name_columns(rows.iter().map(|(name, ..)| name.as_str()));
    let words = rows.iter().map(|(_, _, word, _)| width(word)).max().unwrap_or(0);
    let mut lines = Vec::with_capacity(rows.len());
    for (name, role, word, note) in rows {
        let mut line = format!("{}{GAP}{}", pad(&cut(name, names, "~"), names), paint(*role, word));
        if !note.is_empty() {
            line.push_str(&fill(width(word), words));
            line.push_str(GAP);
            line.push_str(note);
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// `3 instances`
pub fn counted(number: usize) -> String {
    format!("{number} instance{}", if number == 1 { "" } else { "s" })
}

fn name_columns<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(width).max().unwrap_or(0).min(NAME)
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn every_instance_has_a_line_and_all_together_one() {
        let counts = |create, update| Counts { create, update, ..Counts::default() };
        let plan = |counts, unchanged, note: &str, refused| {
            let cost = Money::cents(1230);
            Planned::Plan { counts, unchanged, note: note.into(), refused, cost }
        };
        let rows = [
            ("alpha".to_owned(), plan(counts(56, 0), 0, "about 12 min", false)),
            ("a-longer-name".to_owned(), plan(counts(0, 1), 55, "about 3 min, outage, refused", true)),
            ("gamma".to_owned(), Planned::Failed),
        ];
        assert_eq!(
            strip_str(&plans(&rows)).to_string(),
            "instance       create  update  replace  delete  unchanged\n\
             alpha              56       0        0       0          0  about 12 min\n\
             a-longer-name       0       1        0       0         55  about 3 min, outage, refused\n\
             gamma          failed\n\
             \n\
             3 instances: 56 to create, 1 to update, 0 to replace, 0 to delete; 55 unchanged; 1 refused; 1 failed; \
             + $24.60 a month."
        );
    }
}
