//! A plan as Markdown, for a comment on a pull request.
//!
//! Totals first, then each change folded, so that a long plan is a short comment. Values stand in code blocks only, and
//! everything else has passed [`markdown`]: nothing in them can become a link, a mention or markup. Whatever would make
//! the comment too long for GitHub is counted instead.

use super::documents::Content;
use super::outline::{Entry, Outline, counts, nothing, time_and_impact, verb};
use super::style::UNICODE;
use super::values::{Line, SECRET, Sign, UNSET, Words};
use crate::inert::{markdown, markdown_code, printable};
use crate::plan::{Action, Change, Plan};
use crate::spec::Types;
use crate::spec::types::Impact;
use crate::value::Planned;

/// Bytes of details; GitHub refuses comments of more than 65,536 characters.
const LIMIT: usize = 60_000;
/// Lines of one value.
const LINES: usize = 40;

/// The whole plan.
pub fn plan_markdown(plan: &Plan, types: &Types) -> String {
    let outline = Outline::new(plan, types);
    let words = Words { types, signs: &UNICODE };
    let header = outline.header();
    let mut text = format!("### Plan for {}\n\n", header.first().map(|name| markdown(name)).unwrap_or_default());
    text.push_str(&markdown(&header[1..].join(" · ")));
    text.push_str("\n\n");
    if plan.is_empty() {
        text.push_str(&format!("**{}**\n", markdown(&nothing(plan))));
        return text;
    }
    text.push_str(&format!("**Plan: {}.** {}.\n", counts(plan), time_and_impact(plan)));
    let notices = outline.notices();
    if !notices.is_empty() {
        text.push_str(&format!("\n> **What people notice:** {}\n", markdown(&notices.join(" "))));
    }
    if !plan.refusals.is_empty() {
        text.push_str("\n**Refused, nothing will be done:**\n\n<ul>\n");
        for refusal in &plan.refusals {
            text.push_str(&format!("<li>{}; {}</li>\n", markdown(&refusal.reason), markdown(&refusal.hint)));
        }
        text.push_str("</ul>\n");
    }
    let mut left_out = 0;
    for (group, changes) in outline.groups() {
        if text.len() >= LIMIT {
            left_out += changes.len();
            continue;
        }
        text.push_str(&format!("\n#### {}\n\n", group.title()));
        for (index, change) in changes.iter().enumerate() {
            let part = change_text(change, &outline, &words);
            if text.len() + part.len() > LIMIT {
                left_out += changes.len() - index;
                break;
            }
            text.push_str(&part);
        }
    }
    if left_out > 0 {
        text.push_str(&format!("\n{left_out} more changes would make this too long: `mastoform plan` shows them.\n"));
    }
    text
}

fn change_text(change: &Change, outline: &Outline<'_>, words: &Words<'_>) -> String {
    let details: Vec<String> = outline.details(change).into_iter().map(|detail| detail.text).collect();
    let colon = if details.is_empty() { "" } else { ": " };
    let headline = format!(
        "{} <code>{}</code> <b>{}</b>{colon}{}",
        UNICODE.of(&change.action),
        markdown_code(&change.address.to_string()),
        verb(&change.action),
        markdown(&details.join(", "))
    );
    let is_new = matches!(change.action, Action::Create);
    let entries = if is_new { Vec::new() } else { outline.entries(change) };
    let mut lines = Vec::new();
    for entry in &entries {
        lines.extend(entry_lines(entry, words).iter().map(|line| printable(line).into_owned()));
    }
    let notes = outline.notes(change, !entries.is_empty());
    let notice = outline.notice(change).filter(|_| change.impact >= Impact::Brief);
    if lines.is_empty() && notes.is_empty() && notice.is_none() {
        return format!("{headline}<br>\n");
    }
    let mut text = format!("<details><summary>{headline}</summary>\n");
    if let Some(notice) = notice {
        text.push_str(&format!("\n{}\n", markdown(notice)));
    }
    if !lines.is_empty() {
        let fence = "`".repeat(longest_run(&lines, '`').max(2) + 1);
        text.push_str(&format!("\n{fence}diff\n{}\n{fence}\n", lines.join("\n")));
    }
    if !notes.is_empty() {
        text.push_str(&format!("\n{}\n", markdown(&notes.join("; "))));
    }
    text.push_str("\n</details>\n\n");
    text
}

/// Where, and below it what goes and what comes.
fn entry_lines(entry: &Entry, words: &Words<'_>) -> Vec<String> {
    let cause = if entry.cause.is_empty() { String::new() } else { format!(" {}", entry.cause) };
    let mut lines = vec![format!("@@ {}{} @@{cause}", entry.head, entry.path)];
    let plain = |line: &Line| {
        let sign = match line.sign {
            Sign::Gone => "-",
            Sign::Come => "+",
            Sign::Same | Sign::Skipped => " ",
        };
        let whole: String = line.runs.iter().map(|(_, run)| run.as_str()).collect();
        format!("{sign} {whole}").trim_end().to_owned()
    };
    match &entry.content {
        Content::Secret => lines.extend([format!("- {SECRET}"), format!("+ {SECRET}")]),
        Content::Given(Planned::Null) => lines.push(format!("+ {UNSET}")),
        content => {
            let all = words.many_lines(content);
            lines.extend(all.iter().take(LINES).map(plain));
            if all.len() > LINES {
                lines.push(format!("  {} {} more lines", UNICODE.ellipsis, all.len() - LINES));
            }
        }
    }
    lines
}

/// How often the character stands beside itself, at most.
fn longest_run(lines: &[String], wanted: char) -> usize {
    let mut longest = 0;
    for line in lines {
        let mut run = 0;
        for character in line.chars() {
            run = if character == wanted { run + 1 } else { 0 };
            longest = longest.max(run);
        }
    }
    longest
}
