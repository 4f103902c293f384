//! What an instance costs, as text and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::cost::{amounts_json, gap, gaps_json};
use super::layout::{fill, pad, width, wrap};
use super::style::{Role, paint};
use crate::cost::{Amounts, Estimate, Gap, Line, Money};
use crate::spec::prices::{self, Per, Row, Table, Trust};
use crate::value::Value;

/// The version of the JSON form.
pub const FORMAT: u64 = 1;
/// Columns of an amount.
const AMOUNT: usize = 11;
/// Columns of a label.
const LABEL: usize = 38;

/// Something assumed of a month: a setting of `[cost]`.
#[derive(Clone, Debug)]
pub struct Assumption {
    pub setting: String,
    pub value: Value,
    /// The file says it; otherwise it is a default.
    pub is_written: bool,
    pub doc: String,
}

/// What other settings would cost.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// As it was asked for: `database.max_capacity=2`.
    pub name: String,
    /// What it means for people; empty if nobody says.
    pub doc: String,
    pub total: Amounts,
    /// How many things have no price with these settings.
    pub gaps: usize,
}

/// Everything that there is to say of an instance's cost.
pub struct Bill<'a> {
    pub instance: &'a str,
    pub title: &'a str,
    pub region: &'a str,
    pub estimate: &'a Estimate,
    pub table: &'a Table,
    pub assumptions: &'a [Assumption],
    pub alternatives: &'a [Alternative],
    /// Year, month and day: prices are old from some day on.
    pub today: &'a str,
}

/// How a bill should look.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub columns: usize,
    /// Explain every line.
    pub verbose: bool,
    pub ascii: bool,
}

/// The bill as text, without a newline at the end.
pub fn text(bill: &Bill<'_>, form: Form) -> String {
    let dot = if form.ascii { " - " } else { " · " };
    let head = [bill.instance, bill.title, bill.region, "what it costs a month"].join(dot);
    let mut parts = vec![paint(Role::Heading, &head)];
    if !bill.alternatives.is_empty() && !form.verbose {
        parts.push(alternatives(bill, form));
        parts.push(paint(Role::Quiet, "-v says where the money goes, too."));
        return parts.join("\n\n");
    }
    let mut lines = vec![paint(Role::Quiet, &columns("", ["low", "typical", "high"]))];
    for (name, title) in &bill.table.groups {
        let of_group: Vec<&Line> = bill.estimate.lines.iter().filter(|line| line.group == *name).collect();
        let shown = merged(&of_group).into_iter().filter(|some| form.verbose || says_something(some));
        let mut shown: Vec<Vec<&Line>> = shown.collect();
        if shown.is_empty() {
            continue;
        }
        // What costs most comes first.
        shown.sort_by_key(|some| std::cmp::Reverse(sum(some).typical));
        lines.push(paint(Role::Heading, &row(title, bill.estimate.of_group(name))));
        for some in shown {
            lines.push(row(&format!("  {}", label(&some)), sum(&some)) + remark(&some));
            if form.verbose {
                lines.extend(explained(&some, form));
            }
        }
    }
    let total = if bill.estimate.gaps.is_empty() { "Total" } else { "Total of what has a price" };
    lines.push(paint(Role::Heading, &row(total, bill.estimate.total())));
    parts.push(lines.join("\n"));
    parts.extend(notes(bill, form));
    if !bill.alternatives.is_empty() {
        parts.push(alternatives(bill, form));
    }
    parts.push(assumptions(bill, form));
    if !form.verbose {
        parts.push(paint(Role::Quiet, "-v explains each line."));
    }
    parts.join("\n\n")
}

fn row(label: &str, amounts: Amounts) -> String {
    columns(label, amounts.each().map(ToString::to_string).each_ref().map(String::as_str))
}

fn columns(label: &str, amounts: [&str; 3]) -> String {
    let mut text = pad(label, LABEL);
    for amount in amounts {
        text.push_str(&fill(width(amount), AMOUNT));
        text.push_str(amount);
    }
    text
}

fn sum(lines: &[&Line]) -> Amounts {
    lines.iter().map(|line| line.amount).sum()
}

/// Whether there is anything of it, or would be without a free allowance.
fn says_something(lines: &[&Line]) -> bool {
    lines.iter().any(|line| line.quantity != crate::spec::pricing::Spread::default())
}

/// Why it costs nothing.
fn remark(lines: &[&Line]) -> &'static str {
    let is_free = lines.iter().any(|line| line.free.as_ref().is_some_and(|(_, taken)| *taken != Amounts::default()));
    if is_free && sum(lines).typical.is_nothing() { "  free allowance" } else { "" }
}

/// Lines that say the same of several resources, as one.
fn merged<'a>(lines: &[&'a Line]) -> Vec<Vec<&'a Line>> {
    let mut all: Vec<Vec<&Line>> = Vec::new();
    for line in lines {
        let kind = |line: &Line| (line.label.clone(), line.address.as_ref().map(|address| address.type_name.clone()));
        match all.iter_mut().find(|some| some.first().is_some_and(|first| kind(first) == kind(line))) {
            Some(some) => some.push(line),
            None => all.push(vec![line]),
        }
    }
    all
}

fn label(lines: &[&Line]) -> String {
    let first = lines.first().map_or("", |line| line.label.as_str());
    if lines.len() > 1 { format!("{first} x{}", lines.len()) } else { first.to_owned() }
}

/// Of what, how much, at which price, and what that is. Resources with the same calculation share a paragraph.
fn explained(lines: &[&Line], form: Form) -> Vec<String> {
    let mut paragraphs: Vec<(String, String, Vec<String>)> = Vec::new();
    for line in lines {
        let assumed = if line.assumed { " (assumed, until AWS is asked)" } else { "" };
        let (amount, about) = (calculation(line), format!("{assumed}. {}{}", line.doc, allowance(line)));
        let name = line.address.iter().map(ToString::to_string);
        match paragraphs.iter_mut().find(|(same, also, _)| *same == amount && *also == about) {
            Some((.., names)) => names.extend(name),
            None => paragraphs.push((amount, about, name.collect())),
        }
    }
    let paragraph = |(amount, about, names): &(String, String, Vec<String>)| {
        let whose = if names.is_empty() { String::new() } else { format!("{}: ", names.join(", ")) };
        let each = if names.len() > 1 { " each" } else { "" };
        wrap(&format!("{whose}{amount}{each}{about}"), form.columns.saturating_sub(4))
    };
    let wrapped = paragraphs.iter().flat_map(paragraph);
    wrapped.map(|line| format!("    {}", paint(Role::Quiet, &line))).collect()
}

/// The part of a line that costs nothing.
fn allowance(line: &Line) -> String {
    let nothing = Amounts::default();
    match &line.free {
        Some((_, taken)) if *taken == nothing => String::new(),
        Some(_) if line.amount == nothing => " Within the free allowance.".to_owned(),
        Some((_, taken)) => {
            format!(" The free allowance takes off {}.", spread(&taken.each().map(ToString::to_string)))
        }
        None => String::new(),
    }
}

/// `0.5 / 0.75 / 1 x 730 h at $0.12 per ACU-hour`
fn calculation(line: &Line) -> String {
    let quantity = spread(&line.quantity.each().map(|quantity| number(*quantity)));
    let price = spread(&line.rows.each().map(price));
    let times = match line.per {
        Per::Hour => format!("{quantity}, every hour,"),
        Per::Number(_) => quantity,
    };
    // What follows a comma is for those who keep the table.
    let unit = line.unit.split(", ").next().unwrap_or_default();
    format!("{times} at {price} per {unit}")
}

/// The three, or the one that they are.
fn spread(three: &[String; 3]) -> String {
    if three[0] == three[1] && three[1] == three[2] { three[0].clone() } else { three.join(" / ") }
}

/// A number as people read it: `500,000`, `0.75`.
fn number(number: f64) -> String {
    let rounded = (number * 1000.0).round() / 1000.0;
    let whole = rounded.trunc().abs().to_string();
    let mut text = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    match rounded.to_string().split_once('.') {
        Some((_, fraction)) => format!("{text}.{fraction}"),
        None => text,
    }
}

/// A price with as many digits as it has.
fn price(row: &Row) -> String {
    let text = format!("{}.{:09}", row.nanos / 1_000_000_000, row.nanos % 1_000_000_000);
    let short = text.trim_end_matches('0');
    let cents = short.find('.').map_or(0, |dot| dot + 3);
    format!("${}", if short.len() < cents { &text[..cents] } else { short })
}

/// What must be known to judge the numbers.
fn notes(bill: &Bill<'_>, form: Form) -> Vec<String> {
    let collected = &bill.table.collected;
    let mut notes = vec![format!("An estimate with list prices of {collected}: before tax, credits and discounts.")];
    notes.extend(age(bill));
    let mut floating: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in &bill.estimate.lines {
        if let Some(word) = &line.floats {
            floating.entry(word).or_default().insert(&line.label);
        }
    }
    for (word, labels) in floating {
        let labels: Vec<&str> = labels.into_iter().collect();
        notes.push(format!(
            "The prices of {} go up and down ({word}): what was read once stands here, and on the high side the price on \
             demand.",
            labels.join(" and ")
        ));
    }
    let free = free(bill.estimate);
    if free != Amounts::default() {
        notes.push(format!(
            "Free allowances have been taken off: {}, up to {}. AWS gives them once to an account, so whatever else is \
             in yours shares them.",
            free.typical, free.high
        ));
    }
    let mut paragraphs: Vec<String> = notes.iter().map(|note| wrap(note, form.columns).join("\n")).collect();
    if !bill.estimate.gaps.is_empty() {
        let mut lines = vec!["Not in the total, because it has no price here:".to_owned()];
        let mut told: Vec<(&str, &str, Vec<&Gap>)> = Vec::new();
        for missing in &bill.estimate.gaps {
            match told.iter_mut().find(|(label, why, _)| *label == missing.label && *why == missing.why) {
                Some((.., same)) => same.push(missing),
                None => told.push((&missing.label, &missing.why, vec![missing])),
            }
        }
        for (label, why, same) in told {
            let text = match same.as_slice() {
                [one] => gap(one),
                several => format!("{label} x{}: {why}", several.len()),
            };
            let wrapped = wrap(&text, form.columns.saturating_sub(2));
            lines.extend(wrapped.iter().map(|line| format!("  {line}")));
        }
        paragraphs.push(lines.join("\n"));
    }
    paragraphs
}

/// What free allowances take off.
pub fn free(estimate: &Estimate) -> Amounts {
    estimate.lines.iter().filter_map(|line| line.free.as_ref()).map(|(_, taken)| *taken).sum()
}

/// Which prices were last read long ago.
fn age(bill: &Bill<'_>) -> Option<String> {
    let dates = dates(bill.estimate);
    let old: Vec<&&str> = dates.iter().filter(|at| prices::is_old(at, bill.today)).collect();
    let oldest = old.iter().min().copied().copied().unwrap_or_default();
    let (number, all) = (old.len(), dates.len());
    (number > 0).then(|| format!("{number} of these {all} prices are older than a year, the oldest of {oldest}."))
}

/// The date of every price that is used, each price once.
fn dates(estimate: &Estimate) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let rows = estimate.lines.iter().flat_map(|line| line.prices.each().into_iter().zip(line.rows.each()));
    rows.filter(|(name, _)| seen.insert(name.as_str())).map(|(_, row)| row.at.as_str()).collect()
}

fn alternatives(bill: &Bill<'_>, form: Form) -> String {
    let total = bill.estimate.total();
    let mut lines = vec![
        paint(Role::Quiet, &columns("", ["low", "typical", "high"])),
        paint(Role::Heading, &row("As the file says", total)),
    ];
    for Alternative { name, doc, total: other, gaps } in bill.alternatives {
        let difference = *other - total;
        let said = match (*gaps, bill.estimate.gaps.len()) {
            (0, 0) => None,
            // Amounts that leave out different things cannot be compared.
            (0, _) => Some("not to be compared: not everything has a price now".to_owned()),
            (1, _) => Some("without 1 thing that has no price".to_owned()),
            (many, _) => Some(format!("without {many} things that have no price")),
        };
        let said = said.unwrap_or_else(|| {
            let [low, typical, high] = difference.each().map(|amount| amount.is_nothing());
            match (low, typical, high) {
                (_, false, _) => difference.typical.signed(),
                (true, _, true) => "as now".to_owned(),
                (true, _, false) => format!("at most {}", difference.high.signed()),
                (false, ..) => format!("{} on the low side", difference.low.signed()),
            }
        });
        lines.push(row(name, *other) + &format!("  {said}"));
        let doc = (!doc.is_empty()).then(|| wrap(doc, form.columns.saturating_sub(2)));
        lines.extend(doc.into_iter().flatten().map(|line| format!("  {}", paint(Role::Quiet, &line))));
    }
    lines.join("\n")
}

fn assumptions(bill: &Bill<'_>, form: Form) -> String {
    let intro = "Assumed of a month, as no file can know it. Your own numbers belong in [cost] of mastodon.toml; one \
                 number, or [low, typical, high]:";
    let mut lines = wrap(intro, form.columns);
    let settings: Vec<String> = bill.assumptions.iter().map(|one| format!("{} = {}", one.setting, one.value)).collect();
    let column = settings.iter().map(|setting| width(setting)).max().unwrap_or(0) + 4;
    for (one, setting) in bill.assumptions.iter().zip(&settings) {
        let yours = if one.is_written { "Yours. " } else { "" };
        let doc = wrap(&format!("{yours}{}", one.doc), form.columns.saturating_sub(column).max(30));
        for (index, part) in doc.iter().enumerate() {
            let start = if index == 0 { format!("  {setting}") } else { String::new() };
            lines.push(format!("{}{}", pad(&start, column), paint(Role::Quiet, part)));
        }
    }
    lines.join("\n")
}

/// The bill for programs.
pub fn json(bill: &Bill<'_>) -> Json {
    let groups = bill.table.groups.iter().map(|(name, title)| {
        let lines = bill.estimate.lines.iter().filter(|line| line.group == *name);
        json!({
            "name": name,
            "title": title,
            "total": amounts_json(bill.estimate.of_group(name)),
            "lines": lines.map(line_json).collect::<Vec<_>>(),
        })
    });
    let dates = dates(bill.estimate);
    let total = bill.estimate.total();
    let alternatives = bill.alternatives.iter().map(|other| {
        json!({
            "name": other.name,
            "doc": other.doc,
            "total": amounts_json(other.total),
            "difference": amounts_json(other.total - total),
            "gaps": other.gaps,
        })
    });
    let assumptions = bill.assumptions.iter().map(|one| {
        json!({ "setting": one.setting, "value": one.value.to_json(), "written": one.is_written, "doc": one.doc })
    });
    json!({
        "format": FORMAT,
        "instance": bill.instance,
        "title": bill.title,
        "region": bill.region,
        "currency": "USD",
        "prices": {
            "collected": bill.table.collected,
            "used": dates.len(),
            "old": dates.iter().filter(|at| prices::is_old(at, bill.today)).count(),
            "oldest": dates.iter().min(),
        },
        "total": amounts_json(total),
        "free_allowances": amounts_json(free(bill.estimate)),
        "groups": groups.collect::<Vec<_>>(),
        "gaps": gaps_json(&bill.estimate.gaps),
        "assumptions": assumptions.collect::<Vec<_>>(),
        "alternatives": alternatives.collect::<Vec<_>>(),
    })
}

fn line_json(line: &Line) -> Json {
    let three = |three: [Json; 3]| {
        let [low, typical, high] = three;
        json!({ "low": low, "typical": typical, "high": high })
    };
    let trust: Option<Trust> = line.rows.each().into_iter().map(|row| row.trust).max();
    let per: Json = match line.per {
        Per::Hour => "hour".into(),
        Per::Number(number) => number.into(),
    };
    json!({
        "address": line.address,
        "item": line.item,
        "label": line.label,
        "doc": line.doc,
        "quantity": three(line.quantity.each().map(|quantity| (*quantity).into())),
        "unit": line.unit,
        "per": per,
        "price": three(line.prices.each().map(|name| name.as_str().into())),
        "usd": three(line.rows.each().map(|row| (row.nanos as f64 / 1e9).into())),
        "price_seen": line.rows.each().map(|row| row.at.as_str()).iter().min(),
        "trust": trust.map(Trust::name),
        "floats": line.floats.is_some(),
        "assumed": line.assumed,
        "amount": amounts_json(line.amount),
        "free": line.free.as_ref().map(|(name, taken)| json!({ "allowance": name, "amount": amounts_json(*taken) })),
    })
}

/// What an instance comes to, in a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    pub total: Amounts,
    /// What free allowances took off.
    pub free: Amounts,
    /// How many things have no price.
    pub gaps: usize,
}

impl Sum {
    pub fn of(estimate: &Estimate) -> Self {
        Self { total: estimate.total(), free: free(estimate), gaps: estimate.gaps.len() }
    }
}

/// What several instances cost, a line for each. Without a newline at the end.
pub fn fleet(rows: &[(String, Option<Sum>)], columns_wide: usize) -> String {
    let mut lines = vec![paint(Role::Quiet, &columns("instance", ["low", "typical", "high"]))];
    let (mut sum, mut shared, mut known) = (Amounts::default(), Vec::new(), 0);
    for (name, cost) in rows {
        match cost {
            Some(Sum { total, free, gaps }) => {
                sum = sum + *total;
                shared.push(free.high);
                known += 1;
                let gaps = if *gaps > 0 { format!("  without {gaps} that have no price") } else { String::new() };
                lines.push(row(name, *total) + &gaps);
            }
            None => lines.push(format!("{}{}", pad(name, LABEL), paint(Role::Error, "failed"))),
        }
    }
    lines.push(paint(Role::Heading, &row(&format!("Total of {known}"), sum)));
    // The largest use of an allowance is free; what the others have used of it may not be.
    let most = shared.iter().copied().sum::<Money>() - shared.iter().copied().max().unwrap_or_default();
    if !most.is_nothing() {
        let note = format!(
            "Free allowances were taken off for each. AWS gives them once to an account: where these instances share \
             one, the total is up to {most} higher."
        );
        lines.push(String::new());
        lines.extend(wrap(&note, columns_wide));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(cents: i64) -> Amounts {
        Amounts::all(Money::cents(cents))
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!([0.5, 1.0, 500_000.0, 0.1 + 0.2, 1234.5].map(number), ["0.5", "1", "500,000", "0.3", "1,234.5"]);
        let row = |nanos| Row { nanos, at: "2026".into(), trust: Trust::Single, from: "A".into() };
        let prices = [12_885_610, 400_000_000, 5_000_000_000, 120_000_000].map(|nanos| price(&row(nanos)));
        assert_eq!(prices, ["$0.01288561", "$0.40", "$5.00", "$0.12"]);
    }

    #[test]
    fn a_fleet_has_a_total_and_shares_what_is_free() {
        let rows = [
            ("alpha".to_owned(), Some(Sum { total: cents(14_199), free: cents(300), gaps: 0 })),
            ("beta".to_owned(), Some(Sum { total: cents(10_000), free: cents(200), gaps: 2 })),
            ("gamma".to_owned(), None),
        ];
        assert_eq!(
            super::super::stripped(&fleet(&rows, 80)),
            "instance                                      low    typical       high\n\
             alpha                                     $141.99    $141.99    $141.99\n\
             beta                                      $100.00    $100.00    $100.00  without 2 that have no price\n\
             gamma                                 failed\n\
             Total of 2                                $241.99    $241.99    $241.99\n\n\
             Free allowances were taken off for each. AWS gives them once to an account:\n\
             where these instances share one, the total is up to $2.00 higher."
        );
    }
}
