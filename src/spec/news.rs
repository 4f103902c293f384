//! News: what somebody else publishes and a plan should not be made without, such as newer releases. `[news.NAME]` of the
//! blueprint says where it is, and what of the answer may be shown.
//!
//! An answer may come from anybody. What is shown of it are values that have the form, or are one of the words, that the
//! blueprint allows; an entry with any other value is passed over as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::limits::{NoPattern, Pattern};
use super::probe::{address, is_web_address};
use super::reader::Reader;
use super::types::placeholders;
use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::document::{Content, Entry, Node};
use crate::expr::{Template, TemplateTree};

/// How long an answer may take unless the blueprint says otherwise: nobody waits for news.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most seconds that the blueprint may give an answer.
const LONGEST: i64 = 5;

/// Where news are, and what of them is said.
#[derive(Clone, Debug)]
pub struct News {
    pub name: String,
    pub when: Option<Arc<Template>>,
    /// Read by a plain request.
    pub url: TemplateTree,
    pub patience: Duration,
    /// The path of the list of entries in the answer.
    pub list: Vec<String>,
    /// What is read of an entry, by the name that `says` has for it.
    pub fields: BTreeMap<String, Field>,
    /// The field with a version, of which only a higher one than this is news.
    pub newer: Option<(String, TemplateTree)>,
    /// What is said of an entry. `{field}` stands for what was read.
    pub says: String,
    pub doc: String,
    pub location: Location,
}

/// What is read of an entry.
#[derive(Clone, Debug)]
pub struct Field {
    pub from: String,
    pub allows: Allowed,
}

/// What a value may be.
#[derive(Clone, Debug)]
pub enum Allowed {
    /// It has this form as a whole.
    Form(Pattern),
    /// It is one of these, and said in other words.
    Words(BTreeMap<String, String>),
}

impl News {
    /// Reads `[news.NAME]`.
    pub(super) fn read(entry: &Entry, diagnostics: &mut Diagnostics) -> Option<Self> {
        let table = &entry.node;
        let used = vec!["url", "seconds", "fields", "newer"];
        let mut reader = Reader { diagnostics, table, what: "news", used };
        let (when, list, says, doc) =
            (reader.text("when"), reader.text("list"), reader.text("says"), reader.text("doc"));
        reader.refuse_others();
        let patience = match table.get("seconds").map(|node| &node.content) {
            None => PATIENCE,
            Some(Content::Integer(seconds @ 1..=LONGEST)) => Duration::from_secs(seconds.unsigned_abs()),
            Some(_) => {
                reader.wrong("seconds", &format!("a number from 1 to {LONGEST}"));
                PATIENCE
            }
        };
        let when = when.zip(table.get("when")).and_then(|(text, node)| {
            Template::bare(&text, &node.location).map_err(|problem| diagnostics.push(problem)).ok()
        });
        let url = table.get("url").map(|node| Template::read_tree(node, &mut diagnostics.0));
        let fields = table.get("fields").map(Node::entries).unwrap_or_default();
        let fields: BTreeMap<String, Field> =
            fields.iter().filter_map(|field| Some((field.key.clone(), Field::read(field, diagnostics)?))).collect();
        let newer = table.get("newer").and_then(|node| {
            let mut reader = Reader { diagnostics, table: node, what: "`newer`", used: vec!["than"] };
            let field = reader.text("field");
            reader.refuse_others();
            let than = node.get("than").map(|node| Template::read_tree(node, &mut diagnostics.0));
            field.zip(than)
        });
        match (url, list, says, doc) {
            (Some(url), Some(list), Some(says), Some(doc)) if !fields.is_empty() => Some(Self {
                name: entry.key.clone(),
                when: when.map(Arc::new),
                url,
                patience,
                list: list.split('.').map(str::to_owned).collect(),
                fields,
                newer,
                says,
                doc,
                location: entry.key_location.clone(),
            }),
            _ => {
                let message = "news need `url`, `list`, `fields`, `says` and `doc`";
                diagnostics.push(Diagnostic::error("blueprint", message).at(&entry.key_location, ""));
                None
            }
        }
    }

    /// Everything in it that is evaluated, but for `when`.
    pub fn trees(&self) -> impl Iterator<Item = &TemplateTree> {
        [&self.url].into_iter().chain(self.newer.as_ref().map(|(_, than)| than))
    }

    /// What is wrong with its form.
    pub(super) fn lint(&self, problems: &mut Diagnostics) {
        let mut complain = |message: String| {
            problems.push(Diagnostic::error("blueprint", message).at(&self.location, ""));
        };
        for name in placeholders(&self.says).chain(self.newer.iter().map(|(field, _)| field.as_str())) {
            if !self.fields.contains_key(name) {
                complain(format!("news `{}` have no field `{name}`", self.name));
            }
        }
        if !address(&self.url).is_some_and(is_web_address) {
            complain(format!("news `{}` have no address that begins with https:// or http://", self.name));
        }
    }
}

impl Field {
    fn read(entry: &Entry, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut reader = Reader { diagnostics, table: &entry.node, what: "field of news", used: vec!["words"] };
        let (from, form) = (reader.text("from"), reader.text("form"));
        reader.refuse_others();
        let words = entry.node.get("words").map(Node::entries).unwrap_or_default();
        let words: Option<BTreeMap<String, String>> =
            words.iter().map(|word| Some((word.key.clone(), word.node.text()?.to_owned()))).collect();
        let location = entry.node.get("form").map_or(&entry.key_location, |node| &node.location);
        // All of a value has the form, not a part of it.
        let form = form.map(|form| Pattern::of_file(format!("^(?:{form})$"), location));
        if let Some(Err(wrong @ (NoPattern::TooLarge | NoPattern::TooMany))) = form {
            diagnostics.push(wrong.at(location, ""));
            return None;
        }
        let allows = match (form, words.filter(|words| !words.is_empty())) {
            (Some(Ok(form)), None) => Some(Allowed::Form(form)),
            (None, Some(words)) => Some(Allowed::Words(words)),
            _ => None,
        };
        let field = from.zip(allows).map(|(from, allows)| Self { from, allows });
        if field.is_none() {
            let message = format!("field `{}` needs `from`, and either `form`, a pattern, or `words`", entry.key);
            diagnostics.push(Diagnostic::error("blueprint", message).at(&entry.key_location, ""));
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::{OverlayFile, Specs};

    /// What is wrong with the blueprint and these lines.
    fn problems(lines: &str) -> Vec<String> {
        let file = OverlayFile { name: "own.toml".into(), types_of: None, text: lines.to_owned() };
        let (Ok(found) | Err(found)) = Specs::read(&[file]).map(|specs| specs.lint());
        found.0.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect()
    }

    const SOUND: &str = r#"
[news.own]
when = "config.upgrade.check"
url = "https://example.org/${config.domain}"
list = "json.all"
newer = { field = "version", than = "${config.version}" }
says = "there is {version}"
doc = "News."
fields.version = { from = "version", form = "[0-9.]+" }
"#;

    #[test]
    fn news_are_checked_before_anything_is_asked() {
        assert_eq!(problems(SOUND), [""; 0]);
        for (from, to, wrong) in [
            ("https://e", "ftp://e", "blueprint: news `own` have no address that begins with https:// or http://"),
            ("{version}", "{verison}", "blueprint: news `own` have no field `verison`"),
            ("field = \"version\"", "field = \"number\"", "blueprint: news `own` have no field `number`"),
            ("list = \"json.all\"\n", "", "blueprint: news need `url`, `list`, `fields`, `says` and `doc`"),
            ("doc =", "seconds = 60\ndoc =", "wrong-type: `seconds` must be a number from 1 to 5"),
            ("doc =", "follow = 1\ndoc =", "unknown-key: unknown key `follow` in news"),
            ("${config.domain}", "${config.domian}", "unknown-reference: there is no input `domian`"),
            (
                "form = \"[0-9.]+\"",
                "form = \"[0-9\"",
                "blueprint: field `version` needs `from`, and either `form`, a pattern, or `words`",
            ),
            (
                ", form = \"[0-9.]+\"",
                "",
                "blueprint: field `version` needs `from`, and either `form`, a pattern, or `words`",
            ),
            (
                "${config.domain}",
                "${secretsmanager.secret.database.values.password}",
                "blueprint: `news` may read only config, local and lookups: which resources exist is known before apply",
            ),
            (
                "than = \"${config",
                "than = \"${previous",
                "unknown-reference: `previous` is for checks, for notes and for `when`",
            ),
        ] {
            assert!(SOUND.contains(from), "{from}");
            let found = problems(&SOUND.replace(from, to));
            assert_eq!(found.first().map(String::as_str), Some(wrong), "{to}: {found:?}");
        }
        let twice = problems(&SOUND.replace("news.own", "news.releases"));
        assert_eq!(twice.first().map(String::as_str), Some("duplicate: news `releases` is written twice"));
    }
}
