//! Probes: questions that a running instance answers if it works, as `[probe.NAME]` of the blueprint describes them.
//!
//! A kind of probe is one entry of [`KINDS`]: what it has to be told, and what its answer holds. Whoever adds one teaches
//! the clouds to answer it, too: `provider::network` the real one; the simulated one answers what the blueprint says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::blueprint::{Blueprint, Resource, ResourceName};
use super::reader::Reader;
use super::types::Types;
use crate::address::Address;
use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::document::{Content, Entry, Node};
use crate::expr::{Template, TemplateTree};
use crate::value::Tree;

/// How long an answer may take unless the blueprint says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The most seconds that the blueprint may give an answer.
const LONGEST: i64 = 30;

/// A kind of question.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    /// What it is told, and whether it must be.
    pub asks: &'static [(&'static str, bool)],
    /// What its answer holds, at the top.
    pub answers: &'static [&'static str],
}

/// A request, and the whole answer.
pub static HTTP: Kind =
    Kind { name: "http", asks: &[("url", true), ("follow", false)], answers: &["status", "headers", "text", "json"] };

/// A request for a WebSocket, and what becomes of it.
pub static WEBSOCKET: Kind =
    Kind { name: "websocket", asks: &[("url", true), ("protocol", false)], answers: &["status", "headers"] };

/// The certificate that a host shows.
pub static CERTIFICATE: Kind = Kind { name: "certificate", asks: &[("host", true)], answers: &["days", "not_after"] };

/// Something that the cloud knows, as a lookup of the blueprint asks it.
pub static LOOKUP: Kind = Kind { name: "lookup", asks: &[("of", true)], answers: &["found"] };

/// A job of the blueprint that finds something out. It takes a while and some money, so it runs only if somebody asks.
pub static JOB: Kind = Kind { name: "job", asks: &[("command", true)], answers: &["exit_code", "json"] };

/// All kinds of questions.
pub static KINDS: [&Kind; 5] = [&HTTP, &WEBSOCKET, &CERTIFICATE, &LOOKUP, &JOB];

/// How an expected value is compared with the one in the answer.
pub static MATCHES: [&str; 5] = ["begins", "contains", "least", "most", "version"];

/// A question to a running instance.
#[derive(Clone, Debug)]
pub struct Probe {
    pub name: String,
    pub kind: &'static Kind,
    pub when: Option<Arc<Template>>,
    /// What the question is made of.
    pub asks: BTreeMap<String, TemplateTree>,
    /// What the answer must hold, by paths joined with dots.
    pub expect: BTreeMap<String, TemplateTree>,
    /// What is said of a good answer. `{path}` stands for a value of it.
    pub says: String,
    /// What to do about a bad one.
    pub hint: TemplateTree,
    pub patience: Duration,
    pub doc: String,
    pub rehearsal: Rehearsal,
    pub location: Location,
}

/// How a simulated cloud answers. What the cloud itself knows and runs, a simulated one knows and runs, too.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    /// What must be there and work. What the settings leave out need not.
    pub needs: Vec<(ResourceName, Location)>,
    /// The answer, which may read the settings of the last apply: those are what runs.
    pub answer: TemplateTree,
}

impl Kind {
    /// The cloud answers, not the instance: so a simulated cloud needs no answer from the blueprint.
    fn is_of_the_cloud(&self) -> bool {
        [&LOOKUP, &JOB].contains(&self)
    }
}

impl Probe {
    /// Reads `[probe.NAME]`.
    pub(super) fn read(entry: &Entry, diagnostics: &mut Diagnostics) -> Option<Self> {
        let table = &entry.node;
        let used = vec!["hint", "expect", "seconds", "sandbox"];
        let mut reader = Reader { diagnostics, table, what: "probe", used };
        let (kind, doc, says) = (reader.text("kind"), reader.text("doc"), reader.text("says"));
        let when = reader.text("when");
        let Some(kind) = KINDS.into_iter().find(|known| Some(known.name) == kind.as_deref()) else {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            reader.wrong("kind", &format!("one of {}", names.join(", ")));
            return None;
        };
        reader.used.extend(kind.asks.iter().map(|(name, _)| *name));
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
        let mut trees = |node: Option<&Node>| -> BTreeMap<String, TemplateTree> {
            let entries = node.map(Node::entries).unwrap_or_default().iter();
            entries.map(|item| (item.key.clone(), Template::read_tree(&item.node, &mut diagnostics.0))).collect()
        };
        let expect = trees(table.get("expect"));
        let mut asks = trees(Some(table));
        asks.retain(|name, _| kind.asks.iter().any(|(known, _)| known == name));
        let hint = table.get("hint").map(|node| Template::read_tree(node, &mut diagnostics.0));
        let rehearsal = match table.get("sandbox") {
            None if kind.is_of_the_cloud() => Some(Rehearsal::default()),
            node => node.and_then(|node| Rehearsal::read(node, diagnostics)),
        };
        let is_complete = kind.asks.iter().all(|(name, required)| !required || asks.contains_key(*name));
        match (doc, says, hint, rehearsal) {
            (Some(doc), Some(says), Some(hint), Some(rehearsal)) if is_complete && !expect.is_empty() => Some(Self {
                name: entry.key.clone(),
                kind,
                when: when.map(Arc::new),
                asks,
                expect,
                says,
                hint,
                patience,
                doc,
                rehearsal,
                location: entry.key_location.clone(),
            }),
            _ => {
                let asked: Vec<String> =
                    kind.asks.iter().filter(|(_, required)| *required).map(|(name, _)| format!("`{name}`")).collect();
                let last = if kind.is_of_the_cloud() { "`hint` and `doc`" } else { "`hint`, `doc` and `sandbox`" };
                let message =
                    format!("a probe of kind {} needs {}, `expect`, `says`, {last}", kind.name, asked.join(", "));
                diagnostics.push(Diagnostic::error("blueprint", message).at(&entry.key_location, ""));
                None
            }
        }
    }

    /// Everything in the probe that is evaluated.
    pub fn trees(&self) -> impl Iterator<Item = &TemplateTree> {
        self.asks.values().chain(self.expect.values()).chain([&self.hint])
    }

    /// The lookup that a probe of kind [`LOOKUP`] is made of, if there is one.
    pub fn lookup<'a>(&self, blueprint: &'a Blueprint) -> Option<&'a Resource> {
        let address: Address = self.asks.get("of").and_then(address)?.parse().ok()?;
        let found = blueprint.resources.get(&(address.type_name, address.name))?;
        found.lookup.is_some().then_some(&**found)
    }

    /// The job that a probe of kind [`JOB`] asks, by its name in the blueprint.
    pub fn job(&self) -> Option<&str> {
        if *self.kind == JOB { self.asks.get("command").and_then(address) } else { None }
    }

    /// What is wrong with its form, as far as no template hides it.
    pub(super) fn lint(&self, blueprint: &Blueprint, types: &Types, problems: &mut Diagnostics) {
        let mut complain = |message: String, hint: String| {
            problems.push(Diagnostic::error("blueprint", message).at(&self.location, "").hint(hint));
        };
        let says = super::types::placeholders(&self.says);
        for path in self.expect.keys().map(String::as_str).chain(says) {
            let top = path.split('.').next().unwrap_or_default();
            if !self.kind.answers.contains(&top) {
                complain(
                    format!("the answer to probe `{}` has no `{path}`", self.name),
                    format!("an answer of kind {} has {}", self.kind.name, self.kind.answers.join(", ")),
                );
            }
        }
        let found = self.lookup(blueprint).and_then(|resource| types.get(&resource.type_name));
        if *self.kind == LOOKUP && found.is_none() {
            complain(
                format!("probe `{}` is of nothing that is looked up", self.name),
                "`of` names a resource with `lookup`".to_owned(),
            );
        }
        for path in self.expect.keys().map(String::as_str).chain(super::types::placeholders(&self.says)) {
            let Some((resource_type, name)) = found.zip(path.strip_prefix("found.")) else { continue };
            if resource_type.attribute(&name.split('.').collect::<Vec<_>>()).is_none() {
                complain(
                    format!("the answer to probe `{}` has no `{path}`", self.name),
                    format!("type `{}` has no attribute `{name}`", resource_type.name),
                );
            }
        }
        if *self.kind == JOB && !self.job().is_some_and(|job| blueprint.inquiries.contains_key(job)) {
            complain(
                format!("probe `{}` asks no job that finds something out", self.name),
                "`command` names a [command...] with `exit_code` and `prints`, and without `takes`".to_owned(),
            );
        }
        for (path, wanted) in &self.expect {
            let Tree::Map(entries) = wanted else { continue };
            let is_known = |name: &String| MATCHES.contains(&name.as_str());
            if entries.len() != 1 || !entries.keys().all(is_known) {
                complain(
                    format!("probe `{}` does not say how `{path}` is compared", self.name),
                    format!("it is a value, a list of values, or a table with one of {}", MATCHES.join(", ")),
                );
            }
        }
        let url = self.asks.get("url").and_then(address);
        if let Some(url) = url.filter(|url| !is_web_address(url)) {
            complain(
                format!("probe `{}` cannot ask {url}", self.name),
                "the address begins with https:// or http://; a WebSocket begins as such a request".to_owned(),
            );
        }
    }
}

/// An address as it is written, placeholders and all.
pub(super) fn address(url: &TemplateTree) -> Option<&str> {
    match url {
        Tree::Text(text) => Some(text),
        Tree::Leaf(template) => Some(&template.source),
        _ => None,
    }
}

/// Whether an address is one that HTTP can ask.
pub(super) fn is_web_address(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

impl Rehearsal {
    fn read(node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut reader = Reader { diagnostics, table: node, what: "`sandbox`", used: vec!["answer", "needs"] };
        reader.refuse_others();
        let needs = super::blueprint::addresses(node, "needs", diagnostics);
        let answer = node.get("answer").map(|node| Template::read_tree(node, &mut diagnostics.0));
        match answer {
            Some(answer) if !needs.is_empty() => Some(Self { needs, answer }),
            _ => {
                let message = "the sandbox must know what an answer `needs`, and the `answer`";
                diagnostics.push(Diagnostic::error("blueprint", message).at(&node.location, ""));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::{OverlayFile, Specs};

    /// What is wrong with the blueprint and one more probe.
    fn problems(probe: &str) -> Vec<String> {
        let file = OverlayFile { name: "own.toml".into(), types_of: None, text: probe.to_owned() };
        let (Ok(found) | Err(found)) = Specs::read(&[file]).map(|specs| specs.lint());
        found.0.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect()
    }

    const SOUND: &str = r#"
[probe.own]
kind = "http"
url = "https://${config.domain}/"
says = "it answers with {status}"
hint = "look"
doc = "It answers."
expect = { status = 200, "json.version" = { version = "${config.version}" } }
sandbox = { needs = ["ecs.service.mastodon"], answer = { status = 200, json = { version = "${previous.version}" } } }
"#;

    #[test]
    fn a_probe_is_checked_before_anything_is_asked() {
        assert_eq!(problems(SOUND), [""; 0]);
        let with = |from: &str, to: &str| {
            assert!(SOUND.contains(from), "{from}");
            problems(&SOUND.replace(from, to))
        };
        for (from, to, wrong) in [
            (
                "kind = \"http\"",
                "kind = \"ftp\"",
                "wrong-type: `kind` must be one of http, websocket, certificate, lookup, job",
            ),
            ("https://$", "ftp://$", "blueprint: probe `own` cannot ask ftp://${config.domain}/"),
            ("{status}", "{days}", "blueprint: the answer to probe `own` has no `days`"),
            ("\"json.version\"", "\"jsno.version\"", "blueprint: the answer to probe `own` has no `jsno.version`"),
            (
                "{ version = \"$",
                "{ verison = \"$",
                "blueprint: probe `own` does not say how `json.version` is compared",
            ),
            ("hint =", "seconds = 60\nhint =", "wrong-type: `seconds` must be a number from 1 to 30"),
            ("hint =", "host = \"a\"\nhint =", "unknown-key: unknown key `host` in probe"),
            (
                "hint = \"look\"\n",
                "",
                "blueprint: a probe of kind http needs `url`, `expect`, `says`, `hint`, `doc` and `sandbox`",
            ),
            (
                "needs = [\"ecs.service.mastodon\"]",
                "needs = []",
                "blueprint: the sandbox must know what an answer `needs`, and the `answer`",
            ),
            ("ecs.service.mastodon", "ecs.service.none", "unknown-reference: there is no resource `ecs.service.none`"),
            ("${config.domain}", "${config.domian}", "unknown-reference: there is no input `domian`"),
            (
                "${config.domain}",
                "${secretsmanager.secret.database.values.password}",
                "secret-leak: a secret would become readable here",
            ),
        ] {
            assert_eq!(with(from, to).first().map(String::as_str), Some(wrong), "{to}");
        }
        // What is expected of what runs now cannot be what ran before.
        let early = with("version = \"${config", "version = \"${previous");
        assert!(early.first().is_some_and(|problem| problem.contains("previous")), "{early:?}");
        let twice = problems(&SOUND.replace("probe.own", "probe.api"));
        assert_eq!(twice.first().map(String::as_str), Some("duplicate: probe `api` is written twice"));
    }
}
