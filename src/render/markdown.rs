//! A plan as Markdown, for a comment on a pull request.
//!
//! Totals first, then each change folded, so that a long plan is a short comment. Values stand in code blocks only, and
//! everything else has passed [`markdown`]: nothing in them can become a link, a mention or markup. Whatever would make
//! the comment too long for GitHub is counted instead.

use super::cost;
use super::documents::Content;
use super::outline::{Entry, Outline, counts, nothing, remarks, remedy, security, time_and_impact, verb};
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
        text.extend(remarks(plan).iter().map(|sentence| format!("\n{}\n", markdown(sentence))));
        return text;
    }
    text.push_str(&format!("**Plan: {}.** {}.\n", counts(plan), time_and_impact(plan)));
    if let Some(sentence) = security(plan) {
        text.push_str(&format!("\n**{}**\n", markdown(&format!("Security: {sentence}."))));
    }
    if let Some(sentence) = cost::sentence(plan) {
        text.push_str(&format!("\nCost: {}.\n", markdown(&sentence)));
    }
    text.extend(remarks(plan).iter().map(|sentence| format!("\n{}\n", markdown(sentence))));
    let notices = outline.notices();
    if !notices.is_empty() {
        text.push_str(&format!("\n> **What people notice:** {}\n", markdown(&notices.join(" "))));
    }
    if !plan.refusals.is_empty() {
        text.push_str("\n**Refused, nothing will be done:**\n\n<ul>\n");
        for refusal in &plan.refusals {
            text.push_str(&format!("<li>{}; {}</li>\n", markdown(&refusal.reason), markdown(&remedy(refusal))));
        }
        text.push_str("</ul>\n");
    }
    let mut left_out = 0;
    for (group, changes) in outline.groups() {
        if text.len() >= LIMIT {
            left_out += changes.len();
            continue;
        }
        text.push_str(&format!("\n#### {}\n\n", markdown(&group.title(plan))));
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
    let is_new = matches!(change.action, Action::Create | Action::Run);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;
    use crate::address::{Address, Identity, TypeName};
    use crate::inert::is_unseen;
    use crate::plan::change::{Fingerprint, Reasons};
    use crate::plan::{AttributeChange, Cause, Purpose, Refusal};
    use crate::spec::types::{Milestone, Order};
    use crate::value::{Missing, Tree, Unknown};

    const PIECES: [&str; 44] = [
        "a",
        " ",
        "@org/team",
        "@x",
        "<img src=x>",
        "</code>",
        "</details>",
        "</summary>",
        "<!--",
        "-->",
        "[x](https://e.example)",
        "![x](y)",
        "https://e.example/x",
        "www.e.example",
        "mailto:x@e.example",
        "x@e.example",
        "`",
        "```",
        "~~~",
        "\n",
        "\n\n",
        "    ",
        "# ",
        "#12",
        "* ",
        "- ",
        "1. ",
        "> ",
        "| a | b |",
        "\n|---|---|\n",
        "_x_",
        "**x**",
        "\\",
        "&#64;org",
        "&lt;",
        "::error::x",
        "##[x]",
        "\u{202e}",
        "\u{1b}[1A",
        "[x]: https://e.example",
        "[^1]",
        "$x$",
        "==",
        "<https://e.example>",
    ];

    fn foreign() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(&PIECES[..]), 0..7).prop_map(|pieces| pieces.concat())
    }

    /// A plan whose every free text is foreign, each another.
    fn plan_of(texts: &[String]) -> Plan {
        let mut next = texts.iter().cycle().cloned();
        let mut text = || next.next().unwrap_or_default();
        let kind = TypeName::new("ssm", "parameter");
        let address = |key: String| Address::new(TypeName::new("ssm", "parameter"), "x", Some(key));
        let actions = |text: &mut dyn FnMut() -> String| {
            vec![
                Action::Create,
                Action::Update { attributes: vec!["value".to_owned()] },
                Action::Replace { because: Reasons::new(text(), [text()]), order: Order::CreateFirst },
                Action::Delete,
                Action::Adopt,
                Action::Forget,
                Action::Run,
                Action::Skip,
            ]
        };
        let unknown = |text: &mut dyn FnMut() -> String| {
            Tree::Leaf(Unknown {
                template: format!("${{{}}}{}", text(), text()),
                references: vec![Missing { address: address(text()), attribute: text().into() }],
                sensitive: false,
            })
        };
        let changes = actions(&mut text).into_iter().map(|action| {
            let attribute =
                |before: Option<String>, after: Option<Planned>, path: Vec<String>, cause: Cause| AttributeChange {
                    path,
                    before: before.map(|text| Tree::Map(BTreeMap::from([(text.clone(), Tree::Text(text))]))),
                    after,
                    cause,
                    also_drifted: true,
                    forces_replacement: true,
                    sensitive: false,
                    impact: Impact::Outage,
                    security: true,
                };
            Change {
                address: address(text()),
                region: "eu-central-1".to_owned(),
                action,
                causes: vec![Cause::Drift, Cause::Written { location: text() }],
                attributes: vec![
                    attribute(
                        Some(text()),
                        Some(Tree::Text(text())),
                        vec![text(), text()],
                        Cause::Written { location: text() },
                    ),
                    attribute(
                        Some(text()),
                        Some(unknown(&mut text)),
                        vec!["value".to_owned()],
                        Cause::Cascade { address: Box::new(address(text())) },
                    ),
                ],
                unchanged_attributes: 3,
                impact: Impact::Outage,
                expected_seconds: 60,
                protect: true,
                was_protected: false,
                identity: Some(Identity::new(text())),
                leftovers: vec![Identity::new(text()), Identity::new(text())],
                marks: true,
                deletion: Tree::Null,
                security: vec![text()],
                desired: Some(Arc::new(Tree::Null)),
                depends_on: BTreeMap::from([(address(text()), Milestone::Ready)]),
            }
        });
        let changes = changes.collect();
        Plan {
            purpose: Purpose::Apply,
            instance: text(),
            title: text(),
            region: text(),
            file: "mastodon.toml".to_owned(),
            made_from: Fingerprint::default(),
            changes,
            unchanged: 5,
            refusals: vec![Refusal {
                address: Address::new(kind, "x", None),
                reason: text(),
                hint: text(),
                otherwise: Some(text()),
            }],
            expected_seconds: 60,
            critical_path: Vec::new(),
            cost: None,
            raised: Vec::new(),
            notes: Vec::new(),
        }
    }

    const TAGS: [&str; 12] = [
        "<details>",
        "</details>",
        "<summary>",
        "</summary>",
        "<code>",
        "</code>",
        "<b>",
        "</b>",
        "<br>",
        "<ul>",
        "</ul>",
        "<li>",
    ];

    /// Fails if the HTML has a tag that is not ours. Gives its text outside of `<code>`.
    fn outside_of_code(html: &str, in_code: &mut bool) -> String {
        let mut text = String::new();
        let mut rest = html;
        while let Some((before, after)) = rest.split_once('<') {
            if !*in_code {
                text.push_str(before);
            }
            let end = after.find('>').unwrap_or_else(|| panic!("an open tag: {html:?}"));
            let tag = format!("<{}>", &after[..end]);
            assert!(TAGS.contains(&tag.as_str()) || tag == "</li>", "{tag:?} in {html:?}");
            *in_code = match tag.as_str() {
                "<code>" => true,
                "</code>" => false,
                _ => *in_code,
            };
            rest = &after[end + 1..];
        }
        if !*in_code {
            text.push_str(rest);
        }
        decoded(&text)
    }

    /// The text that a reader sees.
    fn decoded(html: &str) -> String {
        let mut text = String::new();
        let mut rest = html;
        while let Some((before, after)) = rest.split_once("&#") {
            text.push_str(before);
            let (number, after) = after.split_once(';').expect("an end");
            text.push(number.parse().ok().and_then(char::from_u32).expect("a character"));
            rest = after;
        }
        text.push_str(rest);
        text
    }

    /// Fails if anything is a link, a picture, a tag that is not ours, or a mention.
    fn assert_plain(markdown: &str) {
        let mut in_code = false;
        let mut in_block = false;
        for event in Parser::new_ext(markdown, Options::all()) {
            let text = match event {
                Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::Table(_) | Tag::FootnoteDefinition(_)) => {
                    panic!("{event:?} in {markdown}")
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    assert!(
                        matches!(&kind, pulldown_cmark::CodeBlockKind::Fenced(word) if &**word == "diff"),
                        "{markdown}"
                    );
                    in_block = true;
                    continue;
                }
                Event::End(pulldown_cmark::TagEnd::CodeBlock) => {
                    in_block = false;
                    continue;
                }
                Event::Html(html) | Event::InlineHtml(html) => outside_of_code(&html, &mut in_code),
                Event::Text(text) if !in_block && !in_code => text.to_string(),
                Event::Code(_) | Event::InlineMath(_) | Event::DisplayMath(_) | Event::FootnoteReference(_) => {
                    panic!("{event:?} in {markdown}")
                }
                _ => continue,
            };
            for sign in ['@', '#'] {
                let follows = |rest: &str| rest.starts_with(|next: char| next.is_alphanumeric());
                assert!(!text.split(sign).skip(1).any(follows), "{text:?} in {markdown}");
            }
            assert!(!text.contains("://") && !text.contains("www.e"), "{text:?} in {markdown}");
        }
        assert!(!in_code && !in_block, "{markdown}");
        assert!(!markdown.contains(|character| is_unseen(character) && character != '\n'), "{markdown:?}");
        let commands = markdown.lines().filter(|line| line.trim_start().starts_with("::"));
        assert_eq!(commands.count(), 0, "{markdown}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn foreign_text_is_text_wherever_it_stands(texts in prop::collection::vec(foreign(), 1..40)) {
            assert_plain(&plan_markdown(&plan_of(&texts), &Types::new()));
        }
    }

    #[test]
    fn each_piece_of_markup_is_text() {
        for piece in PIECES {
            let text = plan_markdown(&plan_of(&[piece.to_owned()]), &Types::new());
            assert_plain(&text);
            let page = super::super::plan_html(
                &plan_of(&[piece.to_owned()]),
                &Types::new(),
                &super::super::graph::Drawing::default(),
            );
            assert!(
                !page.contains("<img src=x>") && !page.contains(|one| is_unseen(one) && one != '\n' && one != '\t'),
                "{piece:?}"
            );
        }
    }
}
