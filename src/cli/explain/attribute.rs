//! Explaining a resource and its attributes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Subject, consequences, offline};
use crate::address::Address;
use crate::cli::error::CommandError;
use crate::diagnostic::{Diagnostic, Location};
use crate::expr::{Root, TemplateTree};
use crate::inert::shell;
use crate::plan::Action;
use crate::plan::resolve::{Desired, deciding_inputs};
use crate::render::duration::about;
use crate::render::explain::{Sheet, columns};
use crate::spec::limits::Limits;
use crate::spec::types::{Attribute, ResourceType, Security, Shape};
use crate::value::{Planned, Tree, Value};

/// Characters of a value on one line.
const SHOWN: usize = 70;

/// What a resource is, where it stands, what it needs and what needs it.
pub fn resource(subject: &Subject<'_>, address: &Address) -> Sheet {
    let Some(desired) = subject.graph.nodes.get(address) else { return Sheet::default() };
    let resource_type = &*desired.resource_type;
    let mut sheet = Sheet::new(address.to_string(), resource_type.doc.clone());
    if let [cfn, ..] = resource_type.cfn.names()[..] {
        sheet.line("in AWS", cfn.to_owned());
    }
    let row = subject.state.rows.get(address);
    let identity = row.and_then(|row| row.identity.as_ref()).map(ToString::to_string);
    sheet.line("identity", identity.unwrap_or_else(|| "(not made yet)".to_owned()));
    sheet.line("region", desired.region.clone());
    sheet.line("written in", desired.resource.location.to_string());
    if desired.protect {
        sheet.line("protected", "it is neither deleted nor replaced while that is so");
    }
    let expect = resource_type.expect;
    let elsewhere = subject.project.nature.types.get(&address.type_name).map(|found| found.expect);
    let measured = if elsewhere == Some(expect) { "" } else { ", as measured here" };
    sheet.line(
        "takes",
        format!(
            "{} to create, {} to update, {} to delete{measured}",
            about(expect.create.as_secs()),
            about(expect.update.as_secs()),
            about(expect.delete.as_secs())
        ),
    );
    let names = |addresses: &mut dyn Iterator<Item = &Address>| addresses.map(ToString::to_string).collect();
    sheet.lines("needs", names(&mut desired.depends_on.keys()));
    let needed_by = subject.graph.nodes.values().filter(|other| other.depends_on.contains_key(address));
    sheet.lines("needed by", names(&mut needed_by.map(|other| &other.address)));
    let templates = desired.templates();
    let rows: Vec<(String, String)> = resource_type
        .attributes
        .iter()
        .map(|(name, attribute)| {
            let mut words = if templates.contains_key(name) {
                vec!["set here"]
            } else if attribute.computed {
                vec!["set by AWS"]
            } else {
                vec!["at AWS's default"]
            };
            if attribute.immutable && !attribute.computed {
                words.push("replaces it when it changes");
            }
            if desired.resource.keep.contains(name) {
                words.push("kept while it exists");
            }
            (name.clone(), words.join(", "))
        })
        .collect();
    sheet.lines("attributes", columns(&rows));
    sheet
}

/// What the file does not make: something looked up, or something that the state still knows.
pub fn elsewhere(subject: &Subject<'_>, address: &Address) -> Option<Sheet> {
    let types = &subject.project.specs.types;
    let doc = types.get(&address.type_name).map(|found| found.doc.clone()).unwrap_or_default();
    let mut sheet = Sheet::new(address.to_string(), doc);
    let name = (address.type_name.clone(), address.name.clone());
    let resource = subject.project.specs.blueprint.resources.get(&name);
    if let Some((resource, lookup)) = resource.and_then(|resource| Some((resource, resource.lookup.as_ref()?))) {
        sheet.line("looked up", "it exists outside of mastoform, which reads it and never changes it");
        sheet.line("written in", resource.location.to_string());
        let filters = lookup.as_map().into_iter().flatten().map(|(name, tree)| match tree {
            Tree::Leaf(template) => (name.clone(), template.source.clone()),
            other => (name.clone(), other.plain().map(|plain| plain.to_string()).unwrap_or_default()),
        });
        sheet.lines("by", columns(&filters.collect::<Vec<_>>()));
        let found = subject.state.lookups.get(address).and_then(Tree::as_map).into_iter().flatten();
        let found: Vec<(String, String)> = found.map(|(name, value)| (name.clone(), shown(&value.lift()))).collect();
        sheet.lines("found", columns(&found));
        return Some(sheet);
    }
    let row = subject.state.rows.get(address)?;
    sheet.lines("identity", row.identity.iter().map(ToString::to_string).collect());
    let next = if row.protect {
        "it is protected, so an apply that deletes it is refused"
    } else {
        "the next apply deletes it"
    };
    sheet.line("not wanted", format!("the file does not ask for it any more; {next}"));
    Some(sheet)
}

/// Where the value of an attribute comes from, and what would happen if it changed.
pub fn sheet(subject: &Subject<'_>, address: &Address, path: &[String]) -> Result<Sheet, CommandError> {
    let Some(desired) = subject.graph.nodes.get(address) else { return Ok(Sheet::default()) };
    let resource_type = &*desired.resource_type;
    let Some(attribute) = resource_type.attribute(path) else {
        let names: Vec<String> = resource_type.attributes.keys().map(|name| format!("{address}.{name}")).collect();
        let whole = format!("{address}.{}", path.join("."));
        let word = shell(&address.to_string());
        return Err(Diagnostic::error(
            "unknown-attribute",
            format!("`{}` has no `{}`", resource_type.name, path.join(".")),
        )
        .suggest(&whole, names.iter().map(String::as_str))
        .hint(format!("`mastoform explain {word}` lists all of them"))
        .into());
    };
    let mut sheet = Sheet::new(format!("{address}.{}", path.join(".")), attribute.doc.clone());
    sheet.line("type", kind(attribute));
    if let Some(cfn) = attribute.cfn.plain().filter(|cfn| !cfn.is_empty()) {
        sheet.line("in AWS", cfn);
    }
    if path.first().is_some_and(|name| desired.resource.keep.contains(name)) {
        sheet.line("kept", "what exists keeps its value when a newer version of mastoform makes another one");
    }
    let top = path.first().and_then(|name| resource_type.attributes.get(name));
    let is_secret = attribute.sensitive || top.is_some_and(|top| top.sensitive);
    let planned = subject.plan().and_then(|plan| plan.changes.iter().find(|change| change.address == *address));
    let wanted = planned.and_then(|change| change.desired.as_ref()).and_then(|desired| at(desired, path));
    let row = subject.state.rows.get(address);
    let recorded = row.map(|row| row.recorded()).and_then(|recorded| at(&recorded, path).cloned());
    if is_secret {
        sheet.line("value", "(secret)");
    } else if let Some(wanted) = wanted {
        sheet.line("value", shown(wanted));
        if let Some(recorded) = recorded.as_ref().filter(|recorded| wanted.plain().as_ref() != Some(recorded)) {
            sheet.line("applied", shown(&recorded.lift()));
        }
    } else if let Some(recorded) = &recorded {
        sheet.line("value", shown(&recorded.lift()));
    }
    sheet.lines("comes from", sources(subject, desired, path, attribute));
    sheet.lines("if it changes", change(subject, desired, path, attribute));
    if let Some(mark) = mark(resource_type, path) {
        sheet.line("security", mark);
    }
    if let Some(manner) = &attribute.deletion {
        let by_value = manner.how.iter().map(|(value, phrase)| (value.clone(), phrase.clone()));
        sheet.line("decides", "how the resource is deleted; the file's value counts, not the one remembered");
        sheet.lines("by value", columns(&by_value.collect::<Vec<_>>()));
    }
    Ok(sheet)
}

/// How an attribute, or one that it is part of, is marked in the specs.
fn mark(resource_type: &ResourceType, path: &[String]) -> Option<&'static str> {
    let mut ways = (1..=path.len()).filter_map(|end| resource_type.attribute(path.get(..end)?));
    let security = ways.find_map(|attribute| (attribute.security != Security::No).then_some(attribute.security))?;
    Some(match security {
        Security::Patched => "a plan marks a change of it by a patch or an overlay as one that widens rights, or may",
        _ => "a plan marks a change of it as one that widens rights, or may",
    })
}

/// What an attribute may hold, in words.
fn kind(attribute: &Attribute) -> String {
    let mut text = attribute.shape.words().to_owned();
    if let Shape::List(element) = &attribute.shape {
        text.push_str(&format!(" of {}", element.shape.words().trim_start_matches("a ").trim_start_matches("an ")));
        if attribute.unordered {
            text.push_str(" in any order");
        }
    }
    text.push_str(&bounds(&attribute.values, &attribute.limits));
    for (flag, words) in [
        (attribute.required, "required"),
        (attribute.sensitive, "a secret: never shown, never stored"),
        (attribute.write_only, "AWS does not tell it back"),
    ] {
        if flag {
            text.push_str(&format!("; {words}"));
        }
    }
    text
}

/// `, one of "a", "b"`, `, 0 to 256 in steps of 0.5`.
pub fn bounds(values: &[Value], limits: &Limits) -> String {
    let mut text = String::new();
    if !values.is_empty() {
        let words: Vec<String> = values.iter().map(ToString::to_string).collect();
        text.push_str(&format!(", one of {}", words.join(", ")));
    }
    if let Some((low, high)) = limits.range {
        text.push_str(&format!(", {low} to {high}"));
    }
    if let Some(step) = limits.step {
        text.push_str(&format!(" in steps of {step}"));
    }
    if let Some((low, high)) = limits.length {
        text.push_str(&format!(", {low} to {high} characters"));
    }
    if let Some(pattern) = &limits.pattern {
        text.push_str(&format!(", matching {pattern}"));
    }
    text
}

pub fn shown(value: &Planned) -> String {
    let text = match value {
        Tree::Leaf(unknown) => format!("(known after apply: {})", unknown.template),
        other => other.plain().map_or_else(|| "(in part known after apply)".to_owned(), |plain| plain.to_string()),
    };
    if text.chars().count() <= SHOWN { text } else { format!("{}...", text.chars().take(SHOWN).collect::<String>()) }
}

/// The way of a value, from where it is written to the settings it is made of.
fn sources(subject: &Subject<'_>, desired: &Desired, path: &[String], attribute: &Attribute) -> Vec<String> {
    let blueprint = &subject.project.specs.blueprint;
    let config = &subject.project.config;
    let templates = Tree::Map(desired.templates().into_owned());
    let Some(tree) = written(&templates, path) else {
        return vec![match (&attribute.default, attribute.computed) {
            (_, true) => "AWS sets it".to_owned(),
            (Some(default), false) => format!("AWS's default, {default}; nothing here sets it"),
            (None, false) => "AWS's default; nothing here sets it".to_owned(),
        }];
    };
    let mut rows: Vec<(String, String)> = Vec::new();
    let location = desired.resource.location_of(path);
    let text = match tree {
        Tree::Leaf(template) => template.source.clone(),
        other => other.plain().map(|plain| shown(&plain.lift())).unwrap_or_default(),
    };
    rows.push((location.to_string(), text));
    let mut locals: BTreeMap<String, Location> = BTreeMap::new();
    let mut resources: BTreeSet<String> = BTreeSet::new();
    references(subject, tree, &mut locals, &mut resources);
    rows.extend(locals.into_iter().map(|(name, location)| (location.to_string(), format!("local.{name}"))));
    for input in deciding_inputs(desired, blueprint, path) {
        let value = config.values.at(&input).cloned().unwrap_or_default();
        let place = match config.origin(&input) {
            Some(location) => location.to_string(),
            None => {
                let declared = blueprint.inputs.iter().find(|known| input.starts_with(&known.path));
                declared.map(|known| format!("default in {}", known.location)).unwrap_or_default()
            }
        };
        rows.push((place, format!("{} = {}", input.join("."), shown(&value.lift()))));
    }
    rows.extend(resources.into_iter().map(|name| (String::new(), format!("reads {name}"))));
    columns(&rows)
}

/// What is written at a path, or above it.
fn written<'a>(templates: &'a TemplateTree, path: &[String]) -> Option<&'a TemplateTree> {
    (1..=path.len()).rev().find_map(|length| at(templates, &path[..length]))
}

/// What stands at a path. The key of an element of a list is its place, or the name it carries.
fn at<'a, L>(tree: &'a Tree<L>, path: &[String]) -> Option<&'a Tree<L>> {
    path.iter().try_fold(tree, |tree, key| match tree {
        Tree::List(items) => items.iter().enumerate().find_map(|(index, item)| {
            let carries = |entry: &Tree<L>| match entry {
                Tree::Text(text) => text == key,
                Tree::Integer(number) => number.to_string() == *key,
                _ => false,
            };
            let is_it = index.to_string() == *key || item.as_map().is_some_and(|map| map.values().any(carries));
            is_it.then_some(item)
        }),
        other => other.get(key),
    })
}

fn references(
    subject: &Subject<'_>,
    tree: &TemplateTree,
    locals: &mut BTreeMap<String, Location>,
    resources: &mut BTreeSet<String>,
) {
    let mut inner = Vec::new();
    tree.each_leaf(&mut |template| {
        for reference in template.references() {
            match &reference.root {
                Root::Resource { .. } => {
                    resources.insert(reference.to_string());
                }
                Root::Local => inner.extend(reference.path.first().cloned()),
                Root::Config | Root::Previous | Root::Each | Root::Given(_) => {}
            }
        }
    });
    for name in inner {
        if let Some(local) = subject.project.specs.blueprint.locals.get(&name)
            && locals.insert(name, local.location.clone()).is_none()
        {
            references(subject, &local.tree, locals, resources);
        }
    }
}

/// What would happen if the attribute were another: planned, if it was applied once; else what the type says.
fn change(subject: &Subject<'_>, desired: &Desired, path: &[String], attribute: &Attribute) -> Vec<String> {
    if attribute.computed {
        return vec!["whatever reads it follows at the next apply".to_owned()];
    }
    let mut other = subject.state.clone();
    let applied = subject.plan().filter(|plan| {
        // Something that would be made anyway tells nothing.
        !plan.changes.iter().any(|change| change.address == desired.address && change.action == Action::Create)
    });
    if let Some(before) = applied
        && let Some(row) = other.rows.get_mut(&desired.address)
    {
        row.inputs.set(path, another(row.inputs.at(path), attribute));
        if let Some(after) = offline(subject.project, subject.graph, &other) {
            let lines = consequences(before, &after);
            if !lines.is_empty() {
                return lines;
            }
        }
    }
    let top = path.first().and_then(|name| desired.resource_type.attributes.get(name));
    let verb = if attribute.immutable || top.is_some_and(|top| top.immutable) {
        "it is replaced".to_owned()
    } else {
        format!("it is updated in place: {}", attribute.impact.words())
    };
    vec![verb]
}

/// Some other value of an attribute: what it was before, as it were.
fn another(value: Option<&Value>, attribute: &Attribute) -> Value {
    match (value, &attribute.shape) {
        (Some(Tree::Bool(flag)), _) => Tree::Bool(!flag),
        (Some(Tree::Integer(number)), _) => Tree::Integer(number + 1),
        (Some(Tree::Number(number)), _) => Tree::Number(number + 1.0),
        (_, Shape::Bool) => Tree::Bool(attribute.default != Some(Tree::Bool(true))),
        (_, Shape::Integer | Shape::Number) => Tree::Integer(-1),
        (_, Shape::List(_)) => Tree::List(vec!["another".into()]),
        _ => "another".into(),
    }
}
