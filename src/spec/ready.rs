//! What the statuses of a type mean: `[type.ready]`.
//!
//! A resource type lists the statuses that its cloud can report in `values` of the status attribute, and says of each
//! what kind it is. The linter refuses a list that leaves one out.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::Reader;
use super::types::{Attribute, ResourceType, Shape, Types, pieces, placeholders};
use crate::address::TypeName;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::Node;
use crate::inert::shell;
use crate::value::{Tree, Value};

/// When a resource counts as ready, and what its other statuses mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// The attribute that holds the status.
    pub attribute: String,
    /// It can be used.
    pub good: Vec<String>,
    /// It ends by itself: a change, a backup, maintenance.
    pub passing: Vec<String>,
    /// It does not end by itself, and the status is about the resource.
    pub failed: Vec<(String, Remedy)>,
    /// It goes on by itself as soon as a person has acted; with what to do.
    pub waits: BTreeMap<String, String>,
    /// The flag among the attributes that says whether anybody is waited for.
    pub waits_if: Option<String>,
    /// Somebody has to act before the cloud takes any change; with what to do.
    pub stopped: BTreeMap<String, String>,
    /// It is being deleted.
    pub going: Vec<String>,
    /// Those of `going` that cannot be called off and need not be waited for.
    pub gone: Vec<String>,
    /// The attribute in which the cloud says why it failed.
    pub reason: Option<String>,
}

/// What helps against a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// To ask for the same once more.
    Again,
    /// The same, at once: it was taken away, which says nothing of what it does.
    AtOnce,
    /// Nothing but another resource in its place.
    Anew,
    /// What a person has to do.
    Tell(String),
}

/// What a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition<'a> {
    Good,
    /// Also what nobody has classified: a new word of the cloud is no reason to act.
    Passing,
    Failed(&'a Remedy),
    /// It goes on by itself as soon as a person has done this.
    Waits(&'a str),
    /// With what a person has to do.
    Stopped(&'a str),
    Going,
}

impl<'a> Condition<'a> {
    /// Whether it is an end, good or bad: nothing more happens by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Good | Self::Failed(_))
    }

    /// What a person has to do, if it takes one.
    pub fn advice(self) -> Option<&'a str> {
        match self {
            Self::Failed(Remedy::Tell(advice)) => Some(advice),
            Self::Waits(advice) | Self::Stopped(advice) => Some(advice),
            Self::Good | Self::Passing | Self::Going | Self::Failed(Remedy::Again | Remedy::AtOnce | Remedy::Anew) => {
                None
            }
        }
    }
}

impl Ready {
    /// Reads the table `ready` of a type.
    pub(super) fn read(node: &Node, diagnostics: &mut Diagnostics) -> Self {
        let mut reader = Reader { diagnostics, table: node, what: "`ready`", used: vec!["failed"] };
        let mut result = Self {
            attribute: reader.text("attribute").unwrap_or_default(),
            good: reader.texts("good"),
            passing: reader.texts("passing"),
            failed: Vec::new(),
            waits: advice(&mut reader, "waits"),
            waits_if: reader.text("waits_if"),
            stopped: advice(&mut reader, "stopped"),
            going: reader.texts("going"),
            gone: reader.texts("gone"),
            reason: reader.text("reason"),
        };
        reader.refuse_others();
        if let Some(failed) = node.get("failed") {
            let mut remedies =
                Reader { diagnostics: &mut *reader.diagnostics, table: failed, what: "`failed`", used: Vec::new() };
            let again = remedies.texts("again").into_iter().map(|status| (status, Remedy::Again));
            let at_once = remedies.texts("at_once").into_iter().map(|status| (status, Remedy::AtOnce));
            let anew = remedies.texts("anew").into_iter().map(|status| (status, Remedy::Anew));
            let told = advice(&mut remedies, "tell").into_iter().map(|(status, what)| (status, Remedy::Tell(what)));
            result.failed.extend(again.chain(at_once).chain(anew).chain(told));
            remedies.refuse_others();
        }
        result
    }

    /// What a status means.
    pub fn condition(&self, status: &str) -> Condition<'_> {
        if self.good.iter().any(|good| good == status) {
            Condition::Good
        } else if let Some((_, remedy)) = self.failed.iter().find(|(failed, _)| failed == status) {
            Condition::Failed(remedy)
        } else if let Some(advice) = self.waits.get(status) {
            Condition::Waits(advice)
        } else if let Some(advice) = self.stopped.get(status) {
            Condition::Stopped(advice)
        } else if self.going.iter().any(|going| going == status) {
            Condition::Going
        } else {
            Condition::Passing
        }
    }

    /// The status that a resource with these attributes shows.
    pub fn status<'a>(&self, attributes: &'a Value) -> Option<&'a str> {
        attributes.get(&self.attribute)?.as_text()
    }

    /// How the cloud reports a resource with these attributes: its status, and the reason if it gives one.
    pub fn report(&self, attributes: &Value) -> Option<String> {
        let status = self.status(attributes)?;
        let reason = self.reason.as_ref().and_then(|name| attributes.get(name)).and_then(Tree::as_text);
        Some(match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
            Some(reason) => format!("{status}: {}", reason.trim_end_matches('.')),
            None => status.to_owned(),
        })
    }

    /// Every status with a meaning.
    pub fn classified(&self) -> impl Iterator<Item = &String> {
        let lists = self.good.iter().chain(&self.passing).chain(&self.going);
        lists.chain(self.failed.iter().map(|(status, _)| status)).chain(self.waits.keys()).chain(self.stopped.keys())
    }
}

impl ResourceType {
    /// What a resource with these attributes is in; `None` if its type has no status, or none is shown.
    pub fn condition(&self, attributes: &Value) -> Option<Condition<'_>> {
        let ready = self.ready.as_ref()?;
        Some(ready.condition(ready.status(attributes)?))
    }

    /// Whether a new one waits for a person, or for something that a person or another resource does.
    pub fn waits_for_somebody(&self) -> bool {
        self.ready.as_ref().is_some_and(|ready| !ready.waits.is_empty())
    }

    /// Whether one that failed takes a change: something else than another one in its place helps.
    pub fn takes_changes_when_failed(&self) -> bool {
        let failed = self.ready.as_ref().and_then(|ready| ready.failed.first());
        failed.is_some_and(|(_, remedy)| *remedy != Remedy::Anew)
    }

    /// An advice with its placeholders filled: attributes of the type, and `{region}`. What stands in backquotes is a command
    /// for a shell, in which each value is one word.
    pub fn advice(&self, advice: &str, attributes: &Value, region: &str) -> String {
        let value = |name: &str| match name {
            "region" => region.to_owned(),
            name => attributes.at(&name.split('.').collect::<Vec<_>>()).map_or_else(String::new, in_words),
        };
        let mut text = String::with_capacity(advice.len());
        let mut is_command = false;
        let (pieces, rest) = pieces(advice);
        for (before, name) in pieces {
            is_command ^= before.matches('`').count() % 2 == 1;
            text.push_str(before);
            text.push_str(&if is_command { shell(&value(name)) } else { value(name) });
        }
        text + rest
    }
}

/// A value as people write it: texts as they are, those of a list one after the other.
fn in_words(value: &Value) -> String {
    match (value.as_text(), value.as_list()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(items)) => items.iter().map(in_words).collect::<Vec<_>>().join(", "),
        (None, None) => value.to_string(),
    }
}

/// A table of statuses, each with what a person has to do.
fn advice(reader: &mut Reader<'_>, key: &'static str) -> BTreeMap<String, String> {
    reader.used.push(key);
    let Some(node) = reader.table.get(key) else { return BTreeMap::new() };
    let entries = node.entries().iter();
    let found: Option<BTreeMap<String, String>> =
        entries.map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned()))).collect();
    found.filter(|found| !found.is_empty()).unwrap_or_else(|| {
        reader.wrong(key, "a table that says for each status what to do");
        BTreeMap::new()
    })
}

/// Whether every status has one meaning, and every name in `ready` is an attribute. What is done once ends in a status.
pub(super) fn lint(types: &Types, problems: &mut Diagnostics) {
    for resource_type in types.values() {
        if resource_type.once
            && !resource_type.ready.as_ref().is_some_and(|ready| !ready.good.is_empty() && !ready.failed.is_empty())
        {
            let message = format!("type `{}` is done once, and nothing says how it ends", resource_type.name);
            problems.push(
                Diagnostic::error("blueprint", message)
                    .at(&resource_type.location, "needs `ready` with `good` and `failed`"),
            );
        }
        if let Some(awaits) = &resource_type.awaits {
            let has =
                |name: &TypeName| types.get(name).is_some_and(|found| found.attributes.contains_key(&awaits.attribute));
            if !resource_type.waits_for_somebody()
                || resource_type.attribute(&awaits.value).is_none()
                || !awaits.types.iter().all(has)
            {
                let message = format!("type `{}` awaits what is not there", resource_type.name);
                problems.push(
                    Diagnostic::error("blueprint", message)
                        .at(&resource_type.location, "needs `ready.waits`, and types and attributes that exist"),
                );
            }
        }
        let Some(ready) = &resource_type.ready else { continue };
        let mut complain = |message: String, label: &str| {
            problems.push(Diagnostic::error("blueprint", message).at(&resource_type.location, label));
        };
        let name = &resource_type.name;
        let is_text = |attribute: &&Attribute| attribute.computed && matches!(attribute.shape, Shape::Text);
        if let Some(reason) = &ready.reason
            && resource_type.attributes.get(reason).filter(is_text).is_none()
        {
            complain(
                format!("type `{name}` has no attribute `{reason}` that the cloud sets and that is a string"),
                "`ready.reason` names it",
            );
        }
        let is_flag = |attribute: &&Attribute| matches!(attribute.shape, Shape::Bool);
        if let Some(flag) = &ready.waits_if
            && (ready.waits.is_empty() || resource_type.attributes.get(flag).filter(is_flag).is_none())
        {
            complain(
                format!("type `{name}` has no flag `{flag}` that says whether it waits"),
                "`ready.waits_if` names it",
            );
        }
        let told = ready.waits.values().chain(ready.stopped.values());
        let unknown = told.chain(ready.failed.iter().filter_map(|(_, remedy)| match remedy {
            Remedy::Tell(advice) => Some(advice),
            Remedy::Again | Remedy::AtOnce | Remedy::Anew => None,
        }));
        let is_known =
            |name: &&str| *name == "region" || resource_type.attribute(&name.split('.').collect::<Vec<_>>()).is_some();
        if let Some(request) = &resource_type.request {
            let columns = request.columns.iter().filter(|column| !request.cells.contains_key(*column));
            let in_texts = request.all_texts().flat_map(placeholders).filter(|name| !request.cells.contains_key(*name));
            let by = request.lines.keys().map(String::as_str);
            for column in columns.map(String::as_str).chain(in_texts).chain(by).filter(|name| !is_known(name)) {
                complain(format!("type `{name}` has no attribute `{column}`"), "its `request` names it");
            }
            for cell in request.cells.keys().filter(|cell| !request.columns.contains(cell)) {
                complain(format!("the request of type `{name}` has no column `{cell}`"), "its `cells` name it");
            }
        }
        for placeholder in unknown.flat_map(|advice| placeholders(advice)).filter(|name| !is_known(name)) {
            complain(format!("type `{name}` has no attribute `{placeholder}`"), "an advice in `ready` names it");
        }
        let Some(attribute) = resource_type.attributes.get(&ready.attribute) else { continue };
        if matches!(attribute.shape, Shape::Bool) {
            continue;
        }
        let listed: BTreeSet<&str> = attribute.values.iter().filter_map(Tree::as_text).collect();
        let mut classified = BTreeSet::new();
        for status in ready.classified() {
            if !classified.insert(status.as_str()) {
                complain(format!("the status `{status}` of `{name}` has two meanings"), "in its `ready`");
            } else if !listed.contains(status.as_str()) {
                let values = format!("`values` of `{}`", ready.attribute);
                complain(format!("the status `{status}` of `{name}` is not among the {values}"), "in its `ready`");
            }
        }
        for status in listed.difference(&classified) {
            let meanings = "it is good, passing, waits, failed, stopped or going";
            complain(format!("`ready` of `{name}` does not say what the status `{status}` means"), meanings);
        }
        if let Some(status) = ready.gone.iter().find(|status| !ready.going.contains(status)) {
            complain(format!("`ready.gone` of `{name}` has `{status}`, which is not `going`"), "");
        }
        if ready.good.is_empty() {
            complain(format!("`ready` of `{name}` says of no status that it is good"), "");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::{OverlayFile, Specs};

    /// What is wrong with a type that has these statuses, and says this of them.
    fn problems(values: &str, ready: &str) -> String {
        let text = format!(
            "[thing]\ndoc = \"A thing.\"\nidentity = [\"name\"]\ncfn = false\nterraform = false\n[thing.price]\nfree = \"It is not real.\"\n[thing.ready]\nattribute = \"status\"\n{ready}\n\
             [thing.attributes]\nname = {{ type = \"string\", doc = \"Its name.\" }}\n\
             why = {{ type = \"string\", computed = true, doc = \"Why.\" }}\n\
             status = {{ type = \"string\", computed = true, doc = \"How it is.\", values = {values} }}\n"
        );
        let overlay = OverlayFile { name: "specs/types/a.toml".into(), types_of: Some("a".into()), text };
        Specs::read(&[overlay]).map_or_else(|problems| problems.to_string(), |specs| specs.lint().to_string())
    }

    #[test]
    fn every_status_has_one_meaning() {
        let good = "good = [\"up\"]\n";
        assert_eq!(problems(r#"["up"]"#, good), "");
        let all = format!(
            "{good}passing = [\"rising\"]\nfailed.again = [\"bad\"]\nfailed.anew = [\"dead\"]\n\
             failed.tell.ill = \"look at {{name}} in {{region}}\"\nstopped.off = \"switch it on\"\nwaits.open = \"close {{name}}\"\n\
             going = [\"leaving\"]\ngone = [\"leaving\"]\nreason = \"why\""
        );
        assert_eq!(problems(r#"["up", "rising", "bad", "dead", "ill", "off", "open", "leaving"]"#, &all), "");
        for (values, ready, expected) in [
            (r#"["up", "ill"]"#, good.to_owned(), "does not say what the status `ill` means"),
            (r#"["up"]"#, format!("{good}going = [\"away\"]"), "`away` of `a.thing` is not among the `values`"),
            (r#"["up"]"#, format!("{good}passing = [\"up\"]"), "the status `up` of `a.thing` has two meanings"),
            (r#"["up"]"#, format!("{good}gone = [\"up\"]"), "has `up`, which is not `going`"),
            (r#"["up"]"#, "passing = [\"up\"]".to_owned(), "says of no status that it is good"),
            (r#"["up"]"#, format!("{good}reason = \"because\""), "has no attribute `because` that the cloud sets"),
            (r#"["up"]"#, format!("{good}reason = \"name\""), "has no attribute `name` that the cloud sets"),
            (r#"["up", "off"]"#, format!("{good}stopped.off = \"ask {{whom}}\""), "has no attribute `whom`"),
            (r#"["up", "off"]"#, format!("{good}waits.off = \"ask {{whom}}\""), "has no attribute `whom`"),
            (r#"["up", "off"]"#, format!("{good}stopped = [\"off\"]"), "a table that says for each status what to do"),
        ] {
            let said = problems(values, &ready);
            assert!(said.contains(expected), "{ready}: {said}");
        }
    }
}
