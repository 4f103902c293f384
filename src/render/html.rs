//! A plan as one page for a browser: totals, every change with its differences, and the graph as a picture.
//!
//! # Guarantees
//!
//! - The page needs nothing but itself, and its policy forbids it to ask for anything else.
//! - It is well-formed XML as well as HTML, and every text from outside is escaped.
//! - Headings, landmarks, text for whatever is a colour or a picture; everything can be reached by keyboard.

use std::fmt::Write;

use super::cost;
use super::documents::Content;
use super::graph::{Drawing, Node, svg};
use super::markup::escaped;
use super::outline::{Entry, Outline, counts, nothing, remarks, remedy, security, time_and_impact, verb};
use super::style::{Role, UNICODE};
use super::values::{Line, Piece, Sign, Words};
use crate::plan::{Action, Change, Plan};
use crate::spec::Types;
use crate::spec::types::Impact;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Columns within which a difference is one line.
const COLUMNS: usize = 110;
/// Changes that are shown unfolded at first.
const OPEN: usize = 12;

/// What a page says about where it comes from.
const GENERATOR: &str = "<meta name=\"generator\" content=\"mastoform\"/>";

/// Whether a text begins as a page of [`plan_html`].
pub fn is_page(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.starts_with("<!DOCTYPE html>") && text.split("<title>").next().is_some_and(|head| head.contains(GENERATOR))
}

/// The whole plan.
pub fn plan_html(plan: &Plan, types: &Types, drawing: &Drawing) -> String {
    let page = Page { outline: Outline::new(plan, types), words: Words { types, signs: &UNICODE } };
    page.text(drawing)
}

struct Page<'a> {
    outline: Outline<'a>,
    words: Words<'a>,
}

impl Page<'_> {
    fn text(&self, drawing: &Drawing) -> String {
        let plan = self.outline.plan;
        let title = format!("Plan for {}", plan.instance);
        let header = self.outline.header();
        let mut text = format!(
            "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n\
             <meta charset=\"utf-8\"/>\n{GENERATOR}\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta name=\"color-scheme\" content=\"light dark\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"/>\n\
             <title>{}</title>\n<style>\n{STYLE}\n{}</style>\n</head>\n<body>\n\
             <header>\n<h1>{}</h1>\n<p>{}</p>\n</header>\n<main>\n",
            escaped(&title),
            svg::STYLE,
            escaped(&title),
            escaped(&header[1..].join(" · "))
        );
        self.summary(&mut text);
        if !plan.is_empty() {
            self.changes(&mut text);
            cost::chart(plan, &mut text);
        }
        self.picture(drawing, &mut text);
        let _ = write!(text, "</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n");
        text
    }

    fn remarks(&self, text: &mut String) {
        for sentence in remarks(self.outline.plan) {
            let _ = writeln!(text, "<p>{}</p>", escaped(&sentence));
        }
    }

    fn summary(&self, text: &mut String) {
        let plan = self.outline.plan;
        text.push_str("<section aria-labelledby=\"summary\">\n<h2 id=\"summary\">Summary</h2>\n");
        if plan.is_empty() {
            let _ = writeln!(text, "<p>{}</p>", escaped(&nothing(plan)));
            self.remarks(text);
            text.push_str("</section>\n");
            return;
        }
        let _ = writeln!(text, "<p><strong>{}.</strong></p>", escaped(&counts(plan)));
        let _ = writeln!(text, "<p class=\"{}\">{}.</p>", impact_class(plan.impact()), escaped(&time_and_impact(plan)));
        if let Some(sentence) = security(plan) {
            let _ = writeln!(text, "<p class=\"brief\">Security: {}.</p>", escaped(&sentence));
        }
        if let Some(sentence) = cost::sentence(plan) {
            let _ = writeln!(text, "<p>Cost: {}.</p>", escaped(&sentence));
        }
        self.remarks(text);
        let notices = self.outline.notices();
        if !notices.is_empty() {
            let _ = writeln!(text, "<p>What people notice: {}</p>", escaped(&notices.join(" ")));
        }
        if plan.critical_path.len() > 1 {
            text.push_str("<p>What takes longest, one after the other:</p>\n<ol>\n");
            for address in &plan.critical_path {
                let _ = writeln!(text, "<li><code>{}</code></li>", escaped(&address.to_string()));
            }
            text.push_str("</ol>\n");
        }
        if !plan.refusals.is_empty() {
            text.push_str("<div class=\"refused\">\n<p><strong>Refused, nothing will be done:</strong></p>\n<ul>\n");
            for refusal in &plan.refusals {
                let _ = writeln!(text, "<li>{}; {}</li>", escaped(&refusal.reason), escaped(&remedy(refusal)));
            }
            text.push_str("</ul>\n</div>\n");
        }
        text.push_str("</section>\n");
    }

    fn changes(&self, text: &mut String) {
        text.push_str(
            "<section aria-labelledby=\"changes\">\n<h2 id=\"changes\">Changes</h2>\n\
             <p class=\"buttons\" hidden=\"hidden\"><button type=\"button\" id=\"open-all\">Open all</button> \
             <button type=\"button\" id=\"close-all\">Close all</button></p>\n",
        );
        let mut shown = 0;
        for (group, changes) in self.outline.groups() {
            let _ = writeln!(text, "<h3>{}</h3>", escaped(&group.title(self.outline.plan)));
            for change in changes {
                let is_new = matches!(change.action, Action::Create | Action::Run);
                self.change(change, !is_new && shown < OPEN, text);
                shown += usize::from(!is_new);
            }
        }
        text.push_str("</section>\n");
    }

    fn change(&self, change: &Change, is_open: bool, text: &mut String) {
        let details: Vec<String> = self.outline.details(change).iter().map(|detail| span(detail, "span")).collect();
        let headline = format!(
            "<span class=\"sign\" aria-hidden=\"true\">{}</span> <code>{}</code> <span class=\"verb\">{}</span> {}",
            UNICODE.of(&change.action),
            escaped(&change.address.to_string()),
            verb(&change.action),
            details.join(", ")
        );
        let entries = self.outline.entries(change);
        let notes = self.outline.notes(change, !entries.is_empty());
        let notice = self.outline.notice(change).filter(|_| change.impact >= Impact::Brief);
        let (id, class) = (anchor(&change.address.to_string()), verb(&change.action));
        if entries.is_empty() && notes.is_empty() && notice.is_none() {
            let _ = writeln!(text, "<div class=\"change {class}\" id=\"{id}\">{headline}</div>");
            return;
        }
        let open = if is_open { " open=\"open\"" } else { "" };
        let _ = writeln!(text, "<details class=\"change {class}\" id=\"{id}\"{open}>\n<summary>{headline}</summary>");
        if let Some(notice) = notice {
            let _ = writeln!(text, "<p class=\"notice\">{}</p>", escaped(notice));
        }
        if !entries.is_empty() {
            // Where the headline says why, a column for it would be empty.
            let has_causes = entries.iter().any(|entry| !entry.cause.is_empty());
            let why = if has_causes { "<th scope=\"col\" class=\"why\">Why</th>" } else { "" };
            let _ = writeln!(
                text,
                "<table>\n<caption>What differs in {}</caption>\n<thead><tr><th scope=\"col\">Attribute</th>\
                 <th scope=\"col\">Value</th>{why}</tr></thead>\n<tbody>",
                escaped(&change.address.to_string())
            );
            for entry in &entries {
                self.entry(entry, has_causes, text);
            }
            text.push_str("</tbody>\n</table>\n");
        }
        for note in notes {
            let _ = writeln!(text, "<p class=\"quiet\">{}</p>", escaped(&note));
        }
        text.push_str("</details>\n");
    }

    fn entry(&self, entry: &Entry, has_causes: bool, text: &mut String) {
        let content = match self.words.one_line(&entry.content, COLUMNS) {
            Some(pieces) => {
                let pieces: Vec<String> = pieces.iter().map(|piece| span(piece, "span")).collect();
                format!("<code>{}</code>", pieces.concat())
            }
            None => self.lines(&entry.content),
        };
        let why = if has_causes { format!("<td>{}</td>", escaped(&entry.cause)) } else { String::new() };
        let _ = writeln!(
            text,
            "<tr><th scope=\"row\"><code>{}{}</code></th><td>{content}</td>{why}</tr>",
            escaped(&entry.head),
            escaped(&entry.path),
        );
    }

    fn lines(&self, content: &Content) -> String {
        let mut text = String::from("<pre>");
        for line in self.words.many_lines(content) {
            let Line { sign, runs } = &line;
            let (mark, element) = match sign {
                Sign::Gone => ("- ", "del"),
                Sign::Come => ("+ ", "ins"),
                Sign::Same | Sign::Skipped => ("  ", "span"),
            };
            let _ = write!(text, "<{element}>{mark}");
            for (differs, run) in runs {
                let run = escaped(run);
                let _ = if *differs { write!(text, "<mark>{run}</mark>") } else { write!(text, "{run}") };
            }
            let _ = writeln!(text, "</{element}>");
        }
        text.push_str("</pre>");
        text
    }

    fn picture(&self, drawing: &Drawing, text: &mut String) {
        let changed: Vec<&Node> = drawing.nodes.iter().filter(|node| node.action.is_some()).collect();
        let description = format!(
            "{} resources, from left to right in the order of the work, in bands by topic. {} of them change.",
            drawing.nodes.len(),
            changed.len()
        );
        // A node leads to its first change.
        let link = |node: &Node| {
            let address = node.addresses.iter().find(|address| self.outline.changes(address))?;
            Some(format!("#{}", anchor(&address.to_string())))
        };
        let title = format!("The resources of {}", self.outline.plan.instance);
        let _ = writeln!(
            text,
            "<section aria-labelledby=\"graph\">\n<h2 id=\"graph\">Resources</h2>\n<figure>\n\
             <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n{}</div>",
            escaped(&title),
            svg::inline(drawing, &title, &description, &link)
        );
        text.push_str("<figcaption>");
        text.push_str("Arrows lead from what is needed to what needs it. Frames:");
        let mut verbs: Vec<&str> = changed.iter().filter_map(|node| node.action.as_ref().map(verb)).collect();
        verbs.sort_unstable();
        verbs.dedup();
        for verb in verbs {
            let _ = write!(text, " <span class=\"key {verb}\">{verb}</span>");
        }
        text.push_str(" <span class=\"key\">unchanged</span>.");
        if changed.iter().any(|node| node.is_critical) {
            text.push_str(" Bold: what takes longest, one after the other.");
        }
        text.push_str("</figcaption>\n</figure>\n</section>\n");
    }
}

/// A piece of text with its meaning.
fn span(piece: &Piece, element: &str) -> String {
    let text = escaped(&piece.text);
    match piece.role {
        Some(Role::Before) => format!("<del>{text}</del>"),
        Some(Role::After) => format!("<ins>{text}</ins>"),
        Some(Role::Secret) => format!("<em>{text}</em>"),
        Some(Role::Warning) => format!("<{element} class=\"brief\">{text}</{element}>"),
        Some(Role::Error) => format!("<{element} class=\"bad\">{text}</{element}>"),
        Some(Role::Quiet) => format!("<{element} class=\"quiet\">{text}</{element}>"),
        _ => text,
    }
}

fn impact_class(impact: Impact) -> &'static str {
    match impact {
        Impact::None | Impact::Rolling => "good",
        Impact::Brief => "brief",
        Impact::Outage | Impact::Lasting | Impact::DataLoss => "bad",
    }
}

/// The name of a place on the page: letters, digits, `-`, `_` and dots; other characters by their number.
fn anchor(address: &str) -> String {
    let mut text = String::from("change-");
    for character in address.chars() {
        match character {
            character if character.is_ascii_alphanumeric() || matches!(character, '.' | '_') => text.push(character),
            other => {
                let _ = write!(text, "-{:x}-", u32::from(other));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Relative luminance of `#rrggbb`, as WCAG 2 defines it.
    fn luminance(colour: &str) -> f64 {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour")) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// The colours of light and of dark, by name.
    fn themes(style: &str) -> [BTreeMap<String, String>; 2] {
        let (light, dark) = style.split_once("@media (prefers-color-scheme: dark)").expect("a dark theme");
        [light, dark.split_once("}\n}").expect("an end").0].map(|text| {
            let pairs =
                text.split(';').filter_map(|part| part.rsplit_once("--").and_then(|(_, rest)| rest.split_once(": ")));
            pairs
                .filter(|(_, value)| value.starts_with('#'))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        })
    }

    #[test]
    fn every_text_can_be_read_in_light_and_in_dark() {
        let tones = ["create", "update", "replace", "delete", "adopt", "forget", "run", "ink", "quiet"];
        let on_page = tones.into_iter().flat_map(|tone| [(tone, "paper"), (tone, "card")]);
        let marks = [("gone", "gone-paper"), ("gone", "gone-mark"), ("come", "come-paper"), ("come", "come-mark")];
        let in_picture = tones.into_iter().flat_map(|tone| [(tone, "box")]).chain([("quiet", "band")]);
        let pages = themes(STYLE).map(|theme| (theme, on_page.clone().chain(marks).collect::<Vec<_>>()));
        let pictures = themes(svg::STYLE).map(|theme| (theme, in_picture.clone().collect::<Vec<_>>()));
        for (theme, pairs) in pages.iter().chain(&pictures) {
            for (ink, paper) in pairs {
                let ratio = contrast(&theme[*ink], &theme[*paper]);
                assert!(ratio >= 4.5, "{ink} on {paper}: {ratio:.2}");
            }
        }
    }

    #[test]
    fn places_on_the_page_are_one_for_each_address() {
        assert_eq!(anchor("rds.cluster.database"), "change-rds.cluster.database");
        assert_ne!(anchor(r#"a.b.c["x-y"]"#), anchor(r#"a.b.c["x_y"]"#));
    }
}
