//! What a plan does to the bill: in a sentence, as JSON, and as a chart for a page.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::markup::escaped;
use crate::cost::{Amounts, Gap};
use crate::inert::printable;
use crate::plan::cost::{Cost, Share};
use crate::plan::{Plan, Purpose};

/// `+ $12.30 a month, then $154.29 (estimate, prices of 2026-10)`; `None` if the plan does not say it.
pub fn sentence(plan: &Plan) -> Option<String> {
    let cost = plan.cost.as_ref()?;
    let nothing = Amounts::default();
    let (difference, then) = (cost.difference(), cost.after.typical);
    let sides = on_other_sides(difference);
    let source = format!("(estimate, prices of {})", printable(&cost.collected));
    if cost.before == nothing && cost.after == nothing && !cost.gaps.is_empty() {
        let number = cost.gaps.len();
        return Some(format!(
            "not known: {number} things have no price here (prices of {})",
            printable(&cost.collected)
        ));
    }
    let text = if cost.before == nothing && cost.after == nothing {
        format!("nothing a month {source}")
    } else if cost.before == nothing {
        let (low, high) = (cost.after.low, cost.after.high);
        format!("{then} a month, {low} to {high} {source}")
    } else if cost.after == nothing {
        format!("{} a month, then nothing {source}", difference.typical.signed())
    } else if difference.typical.is_nothing() {
        format!("as before, {then} a month{sides} {source}")
    } else {
        let of_what = if plan.purpose == Purpose::Destroy { " for what stays" } else { "" };
        format!("{} a month{sides}, then {then}{of_what} {source}", difference.typical.signed())
    };
    let gaps = match cost.gaps.len() {
        0 => String::new(),
        1 => ", without one thing that has no price here".to_owned(),
        number => format!(", without {number} things that have no price here"),
    };
    Some(format!("{text}{gaps}"))
}

/// `, on the high side + $9.00`, where that is another amount than the typical one. The low side is said where the typical
/// amount and the high one hide that anything changes.
fn on_other_sides(difference: Amounts) -> String {
    let Amounts { low, typical, high } = difference;
    if high != typical {
        format!(", on the high side {}", high.signed())
    } else if typical.is_nothing() && !low.is_nothing() {
        format!(", on the low side {}", low.signed())
    } else {
        String::new()
    }
}

/// A line per resource whose cost changes: its name, with the high side where that differs, and by how much.
pub fn by_resource(cost: &Cost) -> Vec<(String, String)> {
    let line = |share: &Share| {
        let name =
            if share.name.is_empty() { "beside the resources".to_owned() } else { printable(&share.name).into_owned() };
        let difference = share.after - share.before;
        (format!("{name}{}", on_other_sides(difference)), difference.typical.signed())
    };
    cost.resources.iter().map(line).collect()
}

/// What has no price: `rds.cluster.database, backups: there is no price of it`.
pub fn gap(gap: &Gap) -> String {
    let address = gap.address.as_ref().map(|address| format!("{address}, ")).unwrap_or_default();
    printable(&format!("{address}{}: {}", gap.label, gap.why)).into_owned()
}

/// In dollars.
pub fn amounts_json(amounts: Amounts) -> Json {
    json!({
        "low": amounts.low.dollars(),
        "typical": amounts.typical.dollars(),
        "high": amounts.high.dollars(),
    })
}

/// What a plan does to the bill; null if the plan does not say it.
pub fn cost_json(plan: &Plan) -> Json {
    let Some(cost) = &plan.cost else { return Json::Null };
    let share = |share: &Share| {
        json!({
            "name": share.name,
            "before": amounts_json(share.before),
            "after": amounts_json(share.after),
            "difference": amounts_json(share.after - share.before),
        })
    };
    json!({
        "prices_of": cost.collected,
        "before": amounts_json(cost.before),
        "after": amounts_json(cost.after),
        "difference": amounts_json(cost.difference()),
        "groups": cost.groups.iter().filter(|share| share.before != share.after).map(share).collect::<Vec<_>>(),
        "resources": cost.resources.iter().map(share).collect::<Vec<_>>(),
        "gaps": gaps_json(&cost.gaps),
    })
}

/// What has no price.
pub fn gaps_json(gaps: &[Gap]) -> Json {
    let gaps = gaps.iter().map(|gap| json!({ "address": gap.address, "label": gap.label, "why": gap.why }));
    gaps.collect::<Vec<_>>().into()
}

/// A section of a page: a bar for each group before and after the plan. Every bar has its amount beside it, and the two kinds
/// differ in form: an outline, and a filled one.
pub fn chart(plan: &Plan, text: &mut String) {
    let Some(cost) = plan.cost.as_ref().filter(|cost| !cost.groups.is_empty()) else { return };
    let was_there = cost.before != Amounts::default();
    let all = cost.groups.iter().flat_map(|share| [share.before.typical, share.after.typical]);
    let most = all.max().map_or(1.0, |most| most.dollars().max(0.01));
    let before = if was_there { "<th scope=\"col\">Now</th>" } else { "" };
    let _ = write!(
        text,
        "<section aria-labelledby=\"cost\">\n<h2 id=\"cost\">Cost</h2>\n<p>{}.</p>\n<table class=\"cost\">\n\
         <caption>What it costs a month, by group</caption>\n<thead><tr><th scope=\"col\">Group</th>{before}\
         <th scope=\"col\">After this plan</th><th scope=\"col\">From, to</th></tr></thead>\n<tbody>\n",
        escaped(&capitalized(&sentence(plan).unwrap_or_default())),
    );
    let bar = |amount: crate::cost::Money, class: &str| {
        let percent = (amount.dollars() / most * 100.0).clamp(0.0, 100.0);
        format!("<td><span class=\"bar {class}\" style=\"width: {percent:.1}%\"></span> {amount}</td>")
    };
    for Share { name, before, after } in &cost.groups {
        let was = if was_there { bar(before.typical, "was") } else { String::new() };
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\">{}</th>{was}{}<td>{} to {}</td></tr>",
            escaped(name),
            bar(after.typical, "will"),
            after.low,
            after.high
        );
    }
    let was = if was_there { format!("<td>{}</td>", cost.before.typical) } else { String::new() };
    let _ = writeln!(
        text,
        "</tbody>\n<tfoot><tr><th scope=\"row\">Total</th>{was}<td>{}</td><td>{} to {}</td></tr></tfoot>\n</table>",
        cost.after.typical, cost.after.low, cost.after.high
    );
    if was_there {
        text.push_str(
            "<p class=\"quiet\">An outline is what it costs now, a filled bar what it costs after this plan.</p>\n",
        );
    }
    if !cost.gaps.is_empty() {
        text.push_str("<p>Without a price here:</p>\n<ul>\n");
        for missing in &cost.gaps {
            let _ = writeln!(text, "<li>{}</li>", escaped(&gap(missing)));
        }
        text.push_str("</ul>\n");
    }
    text.push_str("</section>\n");
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Money;
    use crate::plan::change::Fingerprint;

    fn plan(before: i64, after: i64) -> Plan {
        let amounts = |cents| Amounts::all(Money::cents(cents));
        let share = |name: &str| Share { name: name.into(), before: amounts(before), after: amounts(after) };
        let cost = Cost {
            collected: "2026-10".into(),
            before: amounts(before),
            after: amounts(after),
            groups: vec![share("Database & more")],
            resources: vec![share("rds.instance.database"), share("")],
            gaps: Vec::new(),
        };
        Plan {
            purpose: Purpose::Apply,
            instance: "social".into(),
            title: "social.example.org".into(),
            region: "eu-central-1".into(),
            file: "mastodon.toml".to_owned(),
            made_from: Fingerprint::default(),
            changes: Vec::new(),
            unchanged: 0,
            refusals: Vec::new(),
            expected_seconds: 0,
            critical_path: Vec::new(),
            raised: Vec::new(),
            notes: Vec::new(),
            cost: Some(cost),
        }
    }

    #[test]
    fn a_sentence_says_what_becomes_of_the_bill() {
        let said = |before, after| sentence(&plan(before, after)).expect("a cost");
        assert_eq!(said(0, 14_199), "$141.99 a month, $141.99 to $141.99 (estimate, prices of 2026-10)");
        assert_eq!(said(14_199, 15_429), "+ $12.30 a month, then $154.29 (estimate, prices of 2026-10)");
        assert_eq!(said(15_429, 14_199), "- $12.30 a month, then $141.99 (estimate, prices of 2026-10)");
        assert_eq!(said(14_199, 14_199), "as before, $141.99 a month (estimate, prices of 2026-10)");
        assert_eq!(said(14_199, 0), "- $141.99 a month, then nothing (estimate, prices of 2026-10)");
        let destroyed = Plan { purpose: Purpose::Destroy, ..plan(14_199, 140) };
        let told = sentence(&destroyed).expect("a cost");
        assert_eq!(told, "- $140.59 a month, then $1.40 for what stays (estimate, prices of 2026-10)");
        let mut only_high = plan(100, 100);
        let cost = only_high.cost.as_mut().expect("a cost");
        cost.after.high = Money::cents(300);
        cost.gaps = vec![Gap { address: None, label: "x".into(), why: "y".into() }];
        assert_eq!(
            sentence(&only_high).expect("a cost"),
            "as before, $1.00 a month, on the high side + $2.00 (estimate, prices of 2026-10), without one thing that \
             has no price here"
        );
        let mut only_low = plan(100, 100);
        only_low.cost.as_mut().expect("a cost").after.low = Money::cents(50);
        assert_eq!(
            sentence(&only_low).expect("a cost"),
            "as before, $1.00 a month, on the low side - $0.50 (estimate, prices of 2026-10)"
        );
        let mut unknown = plan(0, 0);
        let gaps = only_high.cost.take().expect("a cost").gaps;
        unknown.cost.as_mut().expect("a cost").gaps = [gaps.clone(), gaps].concat();
        assert_eq!(sentence(&unknown).expect("a cost"), "not known: 2 things have no price here (prices of 2026-10)");
        assert_eq!(sentence(&only_high), None, "a plan of before");
    }

    #[test]
    fn a_chart_can_be_read_without_colours_and_without_seeing_it() {
        let mut text = String::new();
        chart(&plan(5_000, 10_000), &mut text);
        roxmltree::Document::parse(&text).expect("well-formed");
        assert!(text.contains("<span class=\"bar was\" style=\"width: 50.0%\"></span> $50.00"), "{text}");
        assert!(text.contains("<span class=\"bar will\" style=\"width: 100.0%\"></span> $100.00"), "{text}");
        assert!(text.contains("Database &amp; more"), "{text}");
        let mut first = String::new();
        chart(&plan(0, 10_000), &mut first);
        assert!(!first.contains("bar was") && first.contains("bar will"), "{first}");
    }

    #[test]
    fn resources_are_told_one_by_one() {
        let told = by_resource(plan(100, 250).cost.as_ref().expect("a cost"));
        let expected = [("rds.instance.database", "+ $1.50"), ("beside the resources", "+ $1.50")];
        assert_eq!(told, expected.map(|(name, amount)| (name.to_owned(), amount.to_owned())));
    }
}
