//! The pages on codes, `docs/errors/<code>.md`, as a part of the binary.

macro_rules! pages {
    ($($code:literal,)*) => {
        &[$(($code, include_str!(concat!("../../../docs/errors/", $code, ".md")))),*]
    };
}

/// Every code with its page.
pub const PAGES: &[(&str, &str)] = pages![
    "bare-secret",
    "blueprint",
    "computed-attribute",
    "condition",
    "condition-unknown",
    "cycle",
    "deprecated",
    "duplicate",
    "duplicate-type",
    "expression",
    "expression-limit",
    "failed-check",
    "file-refused",
    "frozen",
    "instance",
    "invalid-value",
    "missing-attribute",
    "missing-counterpart",
    "missing-doc",
    "missing-key",
    "missing-price",
    "missing-setting",
    "out-of-range",
    "outsider",
    "permissions",
    "plan-check",
    "plan-edited",
    "plan-malformed",
    "plan-newer",
    "plan-stale",
    "price-rule",
    "price-table",
    "refused",
    "reserved-attribute",
    "secret-leak",
    "shared-settings",
    "state-conflict",
    "state-edited",
    "state-file",
    "state-inconsistent",
    "state-journal",
    "state-lock",
    "state-lost",
    "state-malformed",
    "state-newer",
    "state-tracked",
    "state-truncated",
    "state-unfaithful",
    "syntax",
    "twin",
    "twin-resources",
    "unknown-attribute",
    "unknown-key",
    "unknown-output",
    "unknown-patch",
    "unknown-reference",
    "unknown-resource",
    "unknown-subject",
    "unknown-type",
    "unsupported-type",
    "unused-input",
    "wrong-type",
];

/// The page on a code.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(name, _)| *name == code).map(|(_, text)| *text)
}

/// A page for somebody who has the program and not its repository: without what leads into that.
pub fn told(page: &str) -> String {
    let is_here = |paragraph: &&str| !paragraph.starts_with("An example");
    let paragraphs: Vec<&str> = page.trim_start_matches("# ").split("\n\n").filter(is_here).collect();
    without_links(&paragraphs.join("\n\n").replace("\n## ", "\n"))
}

/// The words of links, without where they lead.
fn without_links(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        told.push_str(before);
        match link.split_once("](").and_then(|(words, target)| Some((words, target.split_once(')')?.1))) {
            Some((words, after)) if !words.contains('[') => {
                told.push_str(words);
                rest = after;
            }
            _ => {
                told.push('[');
                rest = link;
            }
        }
    }
    told + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use regex::Regex;

    use super::*;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs_err::read_dir(folder).expect("src") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { sources(&path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn what_is_told_leads_nowhere_that_an_installed_program_has_not() {
        for (code, page) in PAGES {
            let told = told(page);
            assert!(told.starts_with(&format!("{code}: ")) && told.contains("\n\nWhat to do\n\n"), "{told}");
            assert!(!told.contains("](") && !told.contains("## "), "{told}");
            let advice = told.split("What to do").nth(1).unwrap_or_default();
            assert!(!advice.trim().is_empty(), "{code} has no advice left: {told}");
        }
    }

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        sources(&root.join("src"), &mut files);
        let patterns = [
            r#"Diagnostic::(?:error|warning|open)\(\s*"([a-z-]+)""#,
            r#"=> "((?:state|plan)-[a-z]+)""#,
            r#"CODE: &str = "([a-z-]+)""#,
        ]
        .map(|pattern| Regex::new(pattern).expect("a pattern"));
        let mut used = BTreeSet::new();
        for path in files {
            let text = fs_err::read_to_string(path).expect("a file");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for pattern in &patterns {
                used.extend(pattern.captures_iter(text).map(|found| found[1].to_owned()));
            }
        }
        let listed: BTreeSet<String> = PAGES.iter().map(|(code, _)| (*code).to_owned()).collect();
        assert_eq!(used, listed);
        let in_folder: BTreeSet<String> = fs_err::read_dir(root.join("docs/errors"))
            .expect("pages")
            .map(|entry| entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned())
            .filter(|name| name != "README")
            .collect();
        assert_eq!(in_folder, listed);
        let index = fs_err::read_to_string(root.join("docs/errors/README.md")).expect("the index");
        for (code, text) in PAGES {
            assert!(text.starts_with(&format!("# {code}: ")) && text.contains("\n## What to do\n"), "{code}");
            assert!(index.contains(&format!("[{code}]({code}.md)")), "{code} is not in the index");
            for link in text.split("](../../").skip(1).filter_map(|rest| rest.split(')').next()) {
                assert!(root.join(link).exists(), "{code}: {link}");
            }
        }
    }
}
