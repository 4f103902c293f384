//! What somebody who wrote a value in another form has probably meant.
//!
//! A value that does not have the form of its setting is tried in a few others: without spaces around it, without what an
//! address has around a host name, in lower case, with letters of other alphabets in punycode, with the `v` of a version.
//! The first one that is valid is told.

use crate::spec::limits::Limits;
use crate::value::Value;

/// Bytes of a text for which another form is tried.
const LONGEST: usize = 256;

/// The form of `text` that keeps the limits, if one of those above does.
pub fn meant(text: &str, limits: &Limits) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let trimmed = text.trim();
    let bare = without_address(trimmed);
    let lower = bare.to_lowercase();
    let punycode = idna::domain_to_ascii(bare).ok();
    let candidates = [
        Some(trimmed.to_owned()),
        Some(trimmed.to_lowercase()),
        Some(bare.to_owned()),
        Some(lower),
        punycode,
        Some(format!("v{trimmed}")),
        Some(trimmed.to_uppercase()),
    ];
    let keeps = |candidate: &String| {
        !candidate.is_empty() && candidate != text && limits.complaint(&Value::Text(candidate.clone())).is_none()
    };
    candidates.into_iter().flatten().find(keeps)
}

/// A host name without what an address has before and behind it.
fn without_address(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    rest.trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::limits::Pattern;

    fn limits(pattern: &str) -> Limits {
        Limits { pattern: Pattern::new(pattern.to_owned()).ok(), length: Some((2, 30)), ..Limits::default() }
    }

    #[test]
    fn the_form_that_was_meant_is_found() {
        let host = limits(r"^[a-z0-9-]+(\.[a-z0-9-]+)+$");
        for (written, expected) in [
            ("Example.ORG", "example.org"),
            ("https://a.example/", "a.example"),
            ("HTTPS://A.Example/about?x#y", "a.example"),
            (" a.example ", "a.example"),
            ("a.example.", "a.example"),
            ("münchen.example", "xn--mnchen-3ya.example"),
            ("https://Bücher.example/", "xn--bcher-kva.example"),
        ] {
            assert_eq!(meant(written, &host).as_deref(), Some(expected), "{written}");
        }
        let version = limits(r"^v[0-9]+\.[0-9]+\.[0-9]+$");
        assert_eq!(meant("4.8.0", &version).as_deref(), Some("v4.8.0"));
        assert_eq!(meant("V4.8.0", &version).as_deref(), Some("v4.8.0"));
        let word = limits("^[a-z]+$");
        assert_eq!(meant("Social", &word).as_deref(), Some("social"));
    }

    #[test]
    fn what_no_other_form_mends_is_left_to_its_writer() {
        let host = limits(r"^[a-z0-9-]+(\.[a-z0-9-]+)+$");
        for written in [
            "",
            "localhost",
            "a b.example",
            "https://",
            "x",
            &"a.".repeat(1000),
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaa.Example",
        ] {
            assert_eq!(meant(written, &host), None, "{written}");
        }
    }
}
