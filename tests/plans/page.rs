//! What every page of a plan must be: well-formed, complete, in need of nothing, and usable by everybody.

use std::collections::BTreeSet;

use mastoform::plan::Plan;
use roxmltree::{Document, Node};

/// Elements of HTML that have no end tag.
const VOID: [&str; 4] = ["meta", "br", "hr", "img"];

#[track_caller]
pub fn check(plan: &Plan, page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("it is HTML");
    // Scripts and styles are text for HTML and markup for XML: they must be neither.
    let document = Document::parse(body).unwrap_or_else(|error| panic!("not well-formed: {error}"));
    let elements: Vec<Node<'_, '_>> = document.descendants().filter(Node::is_element).collect();
    let named = |name: &str| elements.iter().filter(|node| node.tag_name().name() == name).copied().collect::<Vec<_>>();

    // Nothing is asked for from anywhere.
    for node in &elements {
        for attribute in node.attributes() {
            let value = attribute.value();
            assert!(!value.contains("://"), "{value}");
            assert!(!attribute.name().starts_with("on"), "a script in an attribute: {value}");
            if matches!(attribute.name(), "href" | "src" | "action" | "data") {
                assert!(value.starts_with('#'), "{value}");
            }
        }
        assert!(!["link", "iframe", "object", "img", "base"].contains(&node.tag_name().name()));
        // HTML knows no other empty elements than these, outside of pictures.
        let in_picture = node.ancestors().any(|node| node.tag_name().name() == "svg");
        let is_closed_at_once = body[node.range()].ends_with("/>");
        assert!(in_picture || !is_closed_at_once || VOID.contains(&node.tag_name().name()), "{:?}", node.tag_name());
    }
    assert!(!page.contains("@import") && !page.contains("url("));

    // Everything that changes is there, once, and links lead somewhere.
    let ids: Vec<&str> = elements.iter().filter_map(|node| node.attribute("id")).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id twice");
    let changes: Vec<String> = elements
        .iter()
        .filter(|node| node.attribute("class").is_some_and(|class| class.starts_with("change ")))
        .filter_map(|node| node.descendants().find(|node| node.has_tag_name(("http://www.w3.org/1999/xhtml", "code"))))
        .filter_map(|code| code.text().map(str::to_owned))
        .collect();
    assert_eq!(changes.len(), plan.changes.len());
    for change in &plan.changes {
        assert!(changes.contains(&change.address.to_string()), "{} is missing", change.address);
    }
    for link in named("a") {
        let target = link.attribute("href").and_then(|href| href.strip_prefix('#')).expect("a place on the page");
        assert!(unique.contains(target), "{target} is nowhere");
    }

    // Basics of accessibility.
    assert!(document.root_element().attribute("lang").is_some());
    assert_eq!(named("main").len(), 1);
    assert_eq!(named("h1").len(), 1);
    let titles = named("title");
    assert!(titles.iter().all(|title| title.text().is_some_and(|text| !text.is_empty())));
    let levels: Vec<u32> = elements
        .iter()
        .filter_map(|node| node.tag_name().name().strip_prefix('h').and_then(|level| level.parse().ok()))
        .collect();
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "a level of headings is skipped: {levels:?}");
    for details in named("details") {
        let first = details.children().find(Node::is_element).map(|node| node.tag_name().name());
        assert_eq!(first, Some("summary"), "what opens it by keyboard");
    }
    for table in named("table") {
        assert!(table.children().any(|node| node.tag_name().name() == "caption"));
    }
    for header in named("th") {
        assert!(header.attribute("scope").is_some());
    }
    for picture in named("svg") {
        assert_eq!(picture.attribute("role"), Some("img"));
        let labels = picture.attribute("aria-labelledby").expect("what the picture is");
        assert!(labels.split(' ').all(|label| unique.contains(label)));
    }
}
