//! Drift as text and JSON: what somebody changed, what AWS changed by itself, what waits to be applied.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::layout::{pad, width};
use super::style::{Role, paint};
use super::values::{UNSET, Words};
use super::{Options, paths};
use crate::address::Address;
use crate::inert::printable;
use crate::plan::drift::{Drift, Edit, Finding, LeftOver, What, by_address};
use crate::provider::Announcement;
use crate::spec::Types;
use crate::value::Value;

/// The version of the JSON form.
pub const FORMAT: u64 = 1;

/// Everything, with headings, without a newline at the end. `title` says whose drift it is.
pub fn drift(drift: &Drift, title: &str, types: &Types, options: &Options) -> String {
    let mut text = format!("{}\n", paint(Role::Heading, title));
    for (heading, findings) in [
        ("Not in order, as AWS reports it:", &drift.failing),
        ("Somebody changed, outside of mastoform:", &drift.somebody),
        ("AWS changed by itself:", &drift.aws),
    ] {
        if !findings.is_empty() {
            text.push_str(&format!("\n{heading}\n"));
            text.push_str(&found(findings, types, options));
        }
    }
    if !drift.announced.is_empty() {
        text.push_str("\nAWS has announced:\n");
        text.push_str(&announced(&drift.announced, types, options));
    }
    if !drift.yours.is_empty() {
        text.push_str("\nYou have edited, and not applied yet:\n");
        text.push_str(&edited(&drift.yours, types));
    }
    if !drift.left_over.is_empty() {
        text.push_str("\nLeft over, with the tags of this instance and in no state:\n");
        for thing @ LeftOver { name, address, .. } in &drift.left_over {
            let made = address.as_ref().map(|address| format!("made as {}, ", printable(address))).unwrap_or_default();
            let more = paint(Role::Quiet, &format!("  ({made}{})", cost(thing)));
            text.push_str(&format!("  {}{more}\n", printable(name)));
        }
    }
    text.push_str(&format!("\n{}", summary(drift)));
    text
}

/// What something left over costs, in words that go on a sentence.
pub fn cost(thing: &LeftOver) -> String {
    match thing.usd_a_month {
        Some(0.0) => "costs nothing".to_owned(),
        Some(usd) => format!("costs about ${usd:.2} a month"),
        None => "what it costs is not known".to_owned(),
    }
}

/// The last line.
pub fn summary(drift: &Drift) -> String {
    match (numbers(drift), drift.is_present()) {
        (none, _) if none.is_empty() => "No drift: everything is as it was applied.".to_owned(),
        (numbers, true) => format!("Drift: {numbers}."),
        (numbers, false) => format!("No drift, {numbers}."),
    }
}

/// `1 change by somebody, 2 changes by AWS, 1 edit of yours waits`, as far as there are any.
pub fn numbers(drift: &Drift) -> String {
    let count = |number: usize, one: &str, many: &str| {
        if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
    };
    let mut parts = Vec::new();
    if !drift.failing.is_empty() {
        parts.push(format!("{} not in order", drift.failing.len()));
    }
    for (findings, whose) in [(&drift.somebody, "somebody"), (&drift.aws, "AWS")] {
        if !findings.is_empty() {
            parts.push(format!("{} by {whose}", count(findings.len(), "change", "changes")));
        }
    }
    if !drift.announced.is_empty() {
        parts.push(format!("{} by AWS", count(drift.announced.len(), "announcement", "announcements")));
    }
    if !drift.yours.is_empty() {
        parts.push(count(drift.yours.len(), "edit of yours waits", "edits of yours wait"));
    }
    if !drift.left_over.is_empty() {
        parts.push(format!("{} left over", drift.left_over.len()));
    }
    parts.join(", ")
}

fn found(findings: &[Finding], types: &Types, options: &Options) -> String {
    let words = Words { types, signs: options.signs() };
    let mut text = String::new();
    for (address, all) in by_address(findings) {
        let resource_type = types.get(&address.type_name).map(Arc::as_ref);
        let heading = paint(Role::Heading, &address.to_string());
        let mut rows: Vec<(String, &Value, &Value)> = Vec::new();
        for what in all {
            match what {
                What::Gone => text.push_str(&format!("  {heading} is gone\n")),
                What::Foreign { identity } => {
                    text.push_str(&format!(
                        "  {heading} is recorded as {}, which is not this instance's\n",
                        printable(identity.as_str())
                    ));
                }
                What::Busy { status } => {
                    text.push_str(&format!("  {heading} is {}: a change is going on there\n", printable(status)));
                }
                What::Reported { status, advice } => {
                    text.push_str(&format!("  {heading} is {}\n", printable(status)));
                    if let Some(advice) = advice {
                        text.push_str(&format!("      {}\n", printable(advice)));
                    }
                }
                What::Attribute { path, recorded, observed } => {
                    rows.push((paths::display(path, resource_type), recorded, observed));
                }
            }
        }
        if rows.is_empty() {
            continue;
        }
        text.push_str(&format!("  {heading}\n"));
        let columns = rows.iter().map(|(path, ..)| width(path)).max().unwrap_or(0);
        for (path, recorded, observed) in rows {
            let (before, after) = (shown(recorded, words), shown(observed, words));
            text.push_str(&format!("      {}  {before} {} {after}\n", pad(&path, columns), words.signs.arrow));
        }
    }
    text
}

/// What will happen, and what will have which value then.
fn announced(announcements: &[Announcement], types: &Types, options: &Options) -> String {
    let words = Words { types, signs: options.signs() };
    let mut text = String::new();
    for Announcement { address, what, when, attributes } in announcements {
        let heading = paint(Role::Heading, &address.to_string());
        let when = when.as_ref().map(|when| format!(", {}", printable(when))).unwrap_or_default();
        text.push_str(&format!("  {heading}: {}{when}\n", printable(what)));
        let columns = attributes.keys().map(|name| width(name)).max().unwrap_or(0);
        for (name, value) in attributes {
            text.push_str(&format!(
                "      {}  {} {}\n",
                pad(&printable(name), columns),
                words.signs.arrow,
                shown(value, words)
            ));
        }
    }
    text
}

fn shown(value: &Value, words: Words<'_>) -> String {
    if value.is_null() { UNSET.to_owned() } else { words.line(&value.lift()) }
}

fn edited(edits: &[Edit], types: &Types) -> String {
    let mut text = String::new();
    let mut last: Option<&Address> = None;
    for edit in edits {
        if last != Some(&edit.address) {
            let heading = paint(Role::Heading, &edit.address.to_string());
            text.push_str(&format!("  {heading} ({})\n", edit.action));
        }
        last = Some(&edit.address);
        let resource_type = types.get(&edit.address.type_name).map(Arc::as_ref);
        if let Some(path) = &edit.path {
            let place = edit.location.as_ref().map(|location| format!("  {location}")).unwrap_or_default();
            text.push_str(&format!("      {}{}\n", paths::display(path, resource_type), paint(Role::Quiet, &place)));
        }
    }
    text
}

/// As [`drift`], for programs.
pub fn drift_json(drift: &Drift, instance: &str, region: &str, serial: u64) -> Json {
    json!({
        "format": FORMAT,
        "instance": instance,
        "region": region,
        "serial": serial,
        "somebody": drift.somebody,
        "aws": drift.aws,
        "failing": drift.failing,
        "announced": drift.announced,
        "yours": drift.yours,
        "left_over": drift.left_over,
    })
}

#[cfg(test)]
mod tests {
    use super::super::stripped;
    use super::*;

    fn everything() -> Drift {
        let address: Address = "rds.cluster.database".parse().expect("an address");
        let finding = |what: What| Finding { address: address.clone(), what };
        let edit = |path: Option<Vec<String>>, location: Option<String>| Edit {
            address: address.clone(),
            action: "update",
            path,
            location,
        };
        let (recorded, observed) = (Value::Null, Value::Integer(10));
        let path = vec!["port".to_owned()];
        Drift {
            somebody: vec![finding(What::Gone), finding(What::Attribute { path: path.clone(), recorded, observed })],
            aws: vec![finding(What::Busy { status: "upgrading".to_owned() })],
            failing: vec![
                finding(What::Reported { status: "stopped".to_owned(), advice: Some("start it".to_owned()) }),
                finding(What::Reported { status: "FAILED: no image".to_owned(), advice: None }),
            ],
            announced: vec![Announcement {
                address: address.clone(),
                what: "a modification waits".to_owned(),
                when: None,
                attributes: [("port".to_owned(), Value::Integer(11))].into(),
            }],
            yours: vec![edit(Some(path), Some("mastodon.toml:3".to_owned())), edit(None, None)],
            left_over: vec![LeftOver {
                name: "arn:aws:s3:::old".to_owned(),
                address: Some("s3.bucket.old".to_owned()),
                usd_a_month: Some(1.16),
            }],
        }
    }

    #[test]
    fn everything_is_told_in_words() {
        assert_eq!(
            stripped(&drift(&everything(), "social", &Types::new(), &Options { ascii: true, ..Options::default() })),
            "social\n\n\
             Not in order, as AWS reports it:\n\
             \x20 rds.cluster.database is stopped\n\
             \x20     start it\n\
             \x20 rds.cluster.database is FAILED: no image\n\n\
             Somebody changed, outside of mastoform:\n\
             \x20 rds.cluster.database is gone\n\
             \x20 rds.cluster.database\n\
             \x20     port  (unset) -> 10\n\n\
             AWS changed by itself:\n\
             \x20 rds.cluster.database is upgrading: a change is going on there\n\n\
             AWS has announced:\n\
             \x20 rds.cluster.database: a modification waits\n\
             \x20     port  -> 11\n\n\
             You have edited, and not applied yet:\n\
             \x20 rds.cluster.database (update)\n\
             \x20     port  mastodon.toml:3\n\n\
             Left over, with the tags of this instance and in no state:\n\
             \x20 arn:aws:s3:::old  (made as s3.bucket.old, costs about $1.16 a month)\n\n\
             Drift: 2 not in order, 2 changes by somebody, 1 change by AWS, 1 announcement by AWS, 2 edits of yours wait, 1 left over."
        );
        let calm = Drift { somebody: Vec::new(), failing: Vec::new(), left_over: Vec::new(), ..everything() };
        assert_eq!(summary(&calm), "No drift, 1 change by AWS, 1 announcement by AWS, 2 edits of yours wait.");
        assert_eq!(summary(&Drift::default()), "No drift: everything is as it was applied.");
    }

    #[test]
    fn everything_is_as_the_schema_says() {
        let schema: Json = serde_json::from_str(include_str!("../../docs/schemas/drift.schema.json")).expect("JSON");
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
        let json = drift_json(&everything(), "social", "eu-central-1", 41);
        validator.validate(&json).unwrap_or_else(|error| panic!("{error} in {json}"));
    }
}
