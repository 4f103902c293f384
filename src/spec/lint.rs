//! Whether the specs make sense: every name exists, every input is used, nothing waits for itself.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::blueprint::{Blueprint, First, InputShape, Inquiry, Resource, ResourceName, Tool};
use super::news::News;
use super::probe::Probe;
use super::types::{Attribute, ResourceType, Shape, Types};
use crate::address::TypeName;
use crate::diagnostic::{Diagnostic, Diagnostics, Location, MANY};
use crate::document::{Content, Entry, Node};
use crate::expr::{LIMIT, Reference, Root, Template, TemplateTree};
use crate::value::Tree;

/// The most choices: each takes a plan of its own to say what it costs.
const MOST_CHOICES: usize = 50;

/// Checks types and blueprint against each other.
pub fn lint(types: &Types, blueprint: &Blueprint) -> Diagnostics {
    let mut linter =
        Linter { types, blueprint, used_inputs: BTreeSet::new(), problems: Diagnostics::default(), looks_back: false };
    linter.instance();
    for resource in blueprint.resources.values() {
        linter.resource(resource);
    }
    for local in blueprint.locals.values() {
        linter.tree(&local.tree, None);
    }
    for input in &blueprint.inputs {
        if let Some(default) = &input.default {
            linter.tree(default, None);
            linter.only_config(default, "the default of an input");
        }
    }
    for check in &blueprint.checks {
        linter.looks_back = true;
        linter.template(&check.assert, None);
        linter.tree(&check.message, None);
        linter.looks_back = false;
        for path in &check.points_at {
            if linter.input(path).is_none() {
                linter.problems.push(
                    Diagnostic::error(
                        "unknown-reference",
                        format!("check `{}` points at `{path}`, which is no input", check.name),
                    )
                    .at(&check.location, ""),
                );
            }
        }
    }
    for output in &blueprint.outputs {
        linter.tree(&output.value, None);
        output.value.each_leaf(&mut |template| linter.refuse_secret(template, "outputs are shown"));
    }
    for tool in blueprint.commands.values() {
        linter.resource(&tool.resource);
        linter.tool(tool);
    }
    for door in blueprint.doors.values() {
        linter.resource(&door.resource);
        if types.get(&door.resource.type_name).is_some_and(|found| !found.once) {
            let message = format!("`{}` is kept, so nobody can work in it for a while", door.resource.type_name);
            linter.problems.push(Diagnostic::error("blueprint", message).at(&door.resource.location, ""));
        }
    }
    for inquiry in blueprint.inquiries.values() {
        linter.resource(&inquiry.resource);
        linter.inquiry(inquiry);
    }
    for law in &blueprint.laws {
        for name in [&law.resource, &law.without] {
            if !blueprint.resources.contains_key(name) {
                linter.problems.push(unknown_resource(blueprint, name, &law.location));
            }
        }
    }
    for probe in &blueprint.probes {
        linter.probe(probe);
    }
    for note in &blueprint.notes {
        linter.looks_back = true;
        if let Some(when) = &note.when {
            linter.template(when, None);
        }
        linter.tree(&note.text, None);
        linter.looks_back = false;
        note.text.each_leaf(&mut |template| linter.refuse_secret(template, "notes are shown"));
    }
    for news in &blueprint.news {
        linter.news(news);
    }
    if let Some(choice) = blueprint.choices.get(MOST_CHOICES) {
        linter.problems.push(
            Diagnostic::error(LIMIT, format!("these are more choices than the {MOST_CHOICES} that there may be"))
                .at(&choice.location, "one more")
                .hint(format!("leave some out; `mastoform explain {LIMIT}` has the limits")),
        );
    }
    for choice in blueprint.choices.iter().take(MOST_CHOICES) {
        for (name, _) in &choice.set {
            if !blueprint.inputs.iter().any(|input| input.name() == *name) {
                let message = format!("choice `{}` sets `{name}`, which is no input", choice.name);
                linter.problems.push(Diagnostic::error("unknown-reference", message).at(&choice.location, ""));
            }
        }
    }
    linter.unused_inputs();
    linter.local_cycles();
    linter.cycles();
    linter.refers_to();
    super::counterpart::lint(types, &mut linter.problems);
    super::permissions::lint(types, &mut linter.problems);
    super::price_lint::silent(types, &mut linter.problems);
    super::ready::lint(types, &mut linter.problems);
    linter.problems
}

struct Linter<'specs> {
    types: &'specs Types,
    blueprint: &'specs Blueprint,
    used_inputs: BTreeSet<Vec<String>>,
    problems: Diagnostics,
    /// What is looked at may read the settings of the last apply.
    looks_back: bool,
}

impl<'specs> Linter<'specs> {
    /// What a person asks for goes into a list of a job, and the cloud says what became of it.
    fn tool(&mut self, tool: &Tool) {
        let Some(resource_type) = self.types.get(&tool.resource.type_name) else { return };
        let takes = resource_type.attributes.get(&tool.takes);
        let is_list = takes.is_some_and(|found| !found.computed && matches!(found.shape, Shape::List(_)));
        let ends = resource_type.attributes.get(&tool.exit_code);
        let is_number = ends.is_some_and(|found| found.computed && matches!(found.shape, Shape::Integer));
        if !resource_type.once || !is_list || !is_number {
            let message = format!("`{}` cannot run what a person asks for", resource_type.name);
            self.problems.push(Diagnostic::error("blueprint", message).at(&tool.resource.location, "").hint(
                "it takes a type that is `once`, with a list for `takes` and a computed integer for `exit_code`",
            ));
        }
    }

    /// The cloud says what became of a job that finds something out.
    fn inquiry(&mut self, inquiry: &Inquiry) {
        let Some(resource_type) = self.types.get(&inquiry.resource.type_name) else { return };
        let ends = resource_type.attributes.get(&inquiry.exit_code);
        if !resource_type.once || !ends.is_some_and(|found| found.computed && matches!(found.shape, Shape::Integer)) {
            let message = format!("`{}` does not come to an end that says something", resource_type.name);
            self.problems.push(
                Diagnostic::error("blueprint", message)
                    .at(&inquiry.resource.location, "")
                    .hint("it takes a type that is `once`, with a computed integer for `exit_code`"),
            );
        }
    }

    /// What a probe asks is sent and shown, so it holds no secret. What runs is what the last apply has made, so only the
    /// answer of the sandbox may read its settings.
    fn probe(&mut self, probe: &'specs Probe) {
        if let Some(when) = &probe.when {
            self.template(when, None);
        }
        for tree in probe.trees() {
            self.tree(tree, None);
        }
        self.looks_back = true;
        self.tree(&probe.rehearsal.answer, None);
        self.looks_back = false;
        for tree in probe.trees().chain([&probe.rehearsal.answer]) {
            tree.each_leaf(&mut |template| self.refuse_secret(template, "probes are sent and shown"));
        }
        for (name, location) in &probe.rehearsal.needs {
            if !self.blueprint.resources.contains_key(name) {
                self.problems.push(unknown_resource(self.blueprint, name, location));
            }
        }
        probe.lint(self.blueprint, self.types, &mut self.problems);
    }

    /// News are asked while a plan is made, so what they are asked with is known before, and holds no secret.
    fn news(&mut self, news: &'specs News) {
        if let Some(when) = &news.when {
            self.template(when, None);
        }
        for tree in news.trees() {
            self.tree(tree, None);
            self.only_early(tree, "news");
            tree.each_leaf(&mut |template| self.refuse_secret(template, "it is sent"));
        }
        news.lint(&mut self.problems);
    }

    /// What counts as done is something that is done, and it stands in the order of a plan after what it is skipped for.
    fn first(&mut self, resource: &Resource, resource_type: &ResourceType) {
        let Some(first) = &resource.first else { return };
        if !resource_type.once {
            let message = format!("`first` is for what is done, and `{}` is kept", resource.type_name);
            self.problems.push(Diagnostic::error("blueprint", message).at(&resource.location, ""));
        }
        let decides = |name: &ResourceName| self.types.get(&name.0).is_none_or(|other| other.once);
        let with = first.skip_with.iter().map(|(name, location)| (name, location, decides(name)));
        let kept = first.skip_if_kept.iter().map(|(name, location)| (name, location, true));
        for (name, location, is_fit) in with.chain(kept).collect::<Vec<_>>() {
            let is_after = resource.after.iter().any(|after| after.name == *name && after.path.is_empty());
            if !is_fit || !is_after {
                let message = format!("a job cannot be skipped because of {}.{}", name.0, name.1);
                self.problems.push(Diagnostic::error("blueprint", message).at(location, "").hint(
                    "`skip_with` names other jobs, and both it and `skip_if_kept` what stands in `after` as a whole",
                ));
            }
        }
    }

    fn instance(&mut self) {
        for key in ["name", "region", "title"] {
            match self.blueprint.instance.get(key) {
                Some(tree) => {
                    self.tree(tree, None);
                    self.only_config(tree, "[instance]");
                }
                None => self.problems.push(Diagnostic::error("blueprint", format!("`[instance]` needs `{key}`"))),
            }
        }
    }

    fn resource(&mut self, resource: &'specs Resource) {
        let Some(resource_type) = self.types.get(&resource.type_name) else {
            let names: Vec<String> = self.types.keys().map(TypeName::to_string).collect();
            self.problems.push(
                Diagnostic::error("unknown-type", format!("there is no resource type `{}`", resource.type_name))
                    .at(&resource.location, "")
                    .suggest(&resource.type_name.to_string(), names.iter().map(String::as_str)),
            );
            return;
        };
        if let Some(when) = &resource.when {
            self.looks_back = true;
            self.template(when, Some(resource));
            self.looks_back = false;
        }
        let whens = resource.when.iter().count();
        for template in resource.templates().into_iter().skip(whens) {
            self.template(template, Some(resource));
        }
        if resource_type.lookup_only && resource.lookup.is_none() {
            self.problems.push(
                Diagnostic::error("blueprint", format!("`{}` can only be looked up", resource.type_name))
                    .at(&resource.location, "needs `lookup = { ... }`"),
            );
        }
        let first = resource.first.iter().flat_map(First::names).map(|(name, location)| (name, location));
        let after = resource.after.iter().map(|after| (&after.name, &after.location));
        for (name, location) in after.chain(first) {
            if !self.blueprint.resources.contains_key(name) {
                self.problems.push(unknown_resource(self.blueprint, name, location));
            }
        }
        for after in resource.after.iter().filter(|after| !after.path.is_empty()) {
            if let Some(target) = self.types.get(&after.name.0)
                && target.attribute(&after.path).is_none()
            {
                self.problems.push(unknown_attribute(&after.path.join("."), &after.location, target));
            }
        }
        self.first(resource, resource_type);
        match resource.node.get("lookup") {
            Some(filters) => {
                self.attributes(filters.entries(), resource_type, true);
                for entry in written(&resource.node) {
                    self.problems.push(
                        Diagnostic::error("blueprint", "what is looked up has no attributes of its own")
                            .at(&entry.key_location, "belongs in `lookup`, or nowhere"),
                    );
                }
            }
            None => {
                let entries: Vec<&Entry> = written(&resource.node).collect();
                self.attributes(entries.iter().copied(), resource_type, false);
                for (name, attribute) in &resource_type.attributes {
                    if attribute.required && !resource.attributes.contains_key(name) {
                        self.problems.push(
                            Diagnostic::error("missing-attribute", format!("`{name}` is required"))
                                .at(&resource.location, format!("a {} needs it", resource.type_name)),
                        );
                    }
                }
            }
        }
        for patch in &resource.patches {
            self.attributes(patch.node.entries(), resource_type, false);
        }
        let written = resource.attributes.iter().chain(resource.patches.iter().flat_map(|patch| &patch.attributes));
        for (name, tree) in written {
            if let Some(attribute) = resource_type.attributes.get(name) {
                self.leaks(tree, attribute);
            }
        }
        for name in &resource.ignore {
            if !resource_type.attributes.contains_key(name) {
                self.problems.push(unknown_attribute(name, &resource.location, resource_type));
            }
        }
        for name in &resource.keep {
            self.kept(name, resource, resource_type);
        }
        for tree in resource.each.iter() {
            self.only_early(tree, "each");
        }
        for tree in resource.lookup.iter() {
            self.only_early(tree, "lookup");
        }
        if let Some(when) = &resource.when {
            for reference in when.references() {
                self.early(reference, "when");
            }
        }
    }

    /// Only a name is kept, or a part of what cannot be changed: a setting that is kept would never reach an existing
    /// resource.
    fn kept(&mut self, path: &str, resource: &Resource, resource_type: &ResourceType) {
        let (name, part) = path.split_once('.').map_or((path, None), |(name, part)| (name, Some(part)));
        let Some(attribute) = resource_type.attributes.get(name) else {
            self.problems.push(unknown_attribute(name, &resource.location, resource_type));
            return;
        };
        let is_name =
            attribute.immutable || resource_type.identity.iter().any(|part| part == name) || attribute.required;
        let is_part = |part: &str| match &attribute.shape {
            Shape::List(element) => matches!(&element.shape, Shape::Object(parts) if parts.contains_key(part)),
            _ => false,
        };
        let complaint = if resource.lookup.is_some() {
            "of what is looked up nothing is kept".to_owned()
        } else if !resource.attributes.contains_key(name) {
            format!("`{name}` is not set here, so there is nothing to keep")
        } else if attribute.sensitive || attribute.write_only {
            format!("`{name}` is never recorded, so it cannot be kept")
        } else if let Some(part) = part {
            if attribute.keyed_by.is_some() && attribute.immutable && is_part(part) {
                return;
            }
            format!("`{path}` is no part of the elements of a list that cannot be changed in place")
        } else if !is_name || !matches!(attribute.shape, Shape::Text) {
            format!("`{name}` can be changed in place, so it must not be kept")
        } else {
            return;
        };
        self.problems.push(Diagnostic::error("blueprint", complaint).at(&resource.location, "`lifecycle.keep`"));
    }

    fn attributes<'node>(
        &mut self,
        entries: impl IntoIterator<Item = &'node Entry>,
        resource_type: &ResourceType,
        computed_too: bool,
    ) {
        for entry in entries {
            if self.is_enough() {
                return;
            }
            match resource_type.attributes.get(&entry.key) {
                None => self.problems.push(unknown_attribute(&entry.key, &entry.key_location, resource_type)),
                Some(attribute) if attribute.computed && !computed_too => self.problems.push(
                    Diagnostic::error("computed-attribute", format!("only AWS sets `{}`", entry.key))
                        .at(&entry.key_location, ""),
                ),
                Some(attribute) => self.shape(&entry.node, attribute),
            }
        }
    }

    /// Whether there are more problems than anybody reads: whoever wrote them would only wait for the rest.
    fn is_enough(&self) -> bool {
        self.problems.0.len() >= 4 * MANY
    }

    /// Checks keys of nested tables, and the kinds of what is not a template.
    fn shape(&mut self, node: &Node, attribute: &Attribute) {
        match (&attribute.shape, &node.content) {
            (_, Content::Text(text)) if text.contains("${") => {}
            (_, Content::Text(_)) if attribute.sensitive => self.problems.push(bare_secret(&node.location)),
            (Shape::Json, _) => {}
            (Shape::Object(attributes), Content::Table(entries)) => {
                for entry in entries.iter().filter(|entry| entry.key != "when") {
                    if self.is_enough() {
                        return;
                    }
                    match attributes.get(&entry.key) {
                        Some(attribute) => self.shape(&entry.node, attribute),
                        None => self.problems.push(
                            Diagnostic::error("unknown-attribute", format!("unknown attribute `{}`", entry.key))
                                .at(&entry.key_location, "")
                                .suggest(&entry.key, attributes.keys().map(String::as_str)),
                        ),
                    }
                }
            }
            (Shape::Map(element), Content::Table(entries)) => {
                entries.iter().for_each(|entry| self.shape(&entry.node, element));
            }
            (Shape::List(element), Content::List(items)) => {
                items.iter().for_each(|item| self.shape(item, element));
            }
            (Shape::Text, Content::Text(_))
            | (Shape::Integer, Content::Integer(_))
            | (Shape::Number, Content::Integer(_) | Content::Number(_))
            | (Shape::Bool, Content::Bool(_)) => {}
            (shape, _) => self.problems.push(
                Diagnostic::error("wrong-type", format!("expected {}, found {}", shape.words(), node.kind()))
                    .at(&node.location, ""),
            ),
        }
    }

    /// A secret may go only where it is treated as one: elsewhere it would be stored and shown.
    fn leaks(&mut self, tree: &TemplateTree, attribute: &Attribute) {
        if attribute.sensitive {
            tree.each_leaf(&mut |template| {
                let is_bare = |reference: &Reference| matches!(reference.root, Root::Config | Root::Each);
                if template.references().all(is_bare) {
                    self.problems.push(bare_secret(&template.location));
                }
            });
            return;
        }
        match tree {
            Tree::Map(entries) => {
                for (key, entry) in entries {
                    if let Some(child) = attribute.child(key) {
                        self.leaks(entry, child);
                    }
                }
            }
            Tree::List(items) => {
                for item in items {
                    self.leaks(item, attribute.child("").unwrap_or(attribute));
                }
            }
            Tree::Leaf(template) => self.refuse_secret(template, "this attribute is not sensitive"),
            _ => {}
        }
    }

    fn refuse_secret(&mut self, template: &Template, why: &str) {
        if let Some(location) = self.secret_in(template, &mut BTreeSet::new()) {
            self.problems.push(
                Diagnostic::error("secret-leak", "a secret would become readable here")
                    .at(&template.location, why)
                    .at(&location, "the secret")
                    .hint("hand over where the secret is, its ARN, instead of the secret itself"),
            );
        }
    }

    /// Where a template reads a secret, directly or through locals.
    fn secret_in<'a>(&'a self, template: &'a Template, seen: &mut BTreeSet<&'a str>) -> Option<Location> {
        template.references().find_map(|reference| match &reference.root {
            Root::Resource { type_name, .. } => {
                let attribute = self.types.get(type_name)?.attribute(&reference.path)?;
                let whole = self.types.get(type_name)?.attributes.get(reference.path.first()?)?;
                (attribute.sensitive || whole.sensitive).then(|| reference.location.clone())
            }
            Root::Local => {
                let name = reference.path.first()?;
                let local = self.blueprint.locals.get(name)?;
                if !seen.insert(name) {
                    return None;
                }
                let mut templates = Vec::new();
                local.tree.each_leaf(&mut |template| templates.push(template));
                templates.into_iter().find_map(|template| self.secret_in(template, seen))
            }
            Root::Config | Root::Previous | Root::Each | Root::Given(_) => None,
        })
    }

    fn tree(&mut self, tree: &TemplateTree, resource: Option<&'specs Resource>) {
        tree.each_leaf(&mut |template| self.template(template, resource));
    }

    fn template(&mut self, template: &Template, resource: Option<&'specs Resource>) {
        for reference in template.references() {
            self.reference(reference, resource);
        }
    }

    fn reference(&mut self, reference: &Reference, resource: Option<&'specs Resource>) {
        let problem = match &reference.root {
            Root::Config => match self.input(&reference.path) {
                Some(used) => {
                    self.used_inputs.extend(used);
                    None
                }
                None => {
                    let names: Vec<String> = self.blueprint.inputs.iter().map(|input| input.name()).collect();
                    Some(
                        Diagnostic::error(
                            "unknown-reference",
                            format!("there is no input `{}`", reference.path.join(".")),
                        )
                        .at(&reference.location, "")
                        .suggest(&reference.path.join("."), names.iter().map(String::as_str)),
                    )
                }
            },
            Root::Previous if !self.looks_back => Some(
                Diagnostic::error("unknown-reference", "`previous` is for checks, for notes and for `when`")
                    .at(&reference.location, "what it was made of would change with every apply"),
            ),
            Root::Previous => self.input(&reference.path).is_none().then(|| {
                Diagnostic::error("unknown-reference", format!("there is no input `{}`", reference.path.join(".")))
                    .at(&reference.location, "")
            }),
            Root::Local => match reference.path.first() {
                Some(name) if self.blueprint.locals.contains_key(name) => None,
                name => Some(
                    Diagnostic::error(
                        "unknown-reference",
                        format!("there is no local `{}`", name.map_or("", String::as_str)),
                    )
                    .at(&reference.location, "")
                    .suggest(name.map_or("", String::as_str), self.blueprint.locals.keys().map(String::as_str)),
                ),
            },
            Root::Each => {
                let inside = resource.is_some_and(|resource| resource.each.is_some());
                let known = matches!(reference.path.first().map(String::as_str), Some("key" | "value"));
                (!inside || !known).then(|| {
                    Diagnostic::error("unknown-reference", "only `each.key` and `each.value` exist, beside an `each`")
                        .at(&reference.location, "")
                })
            }
            Root::Given(word) => Some(
                Diagnostic::error("unknown-reference", format!("`{word}` is a word of rules of prices"))
                    .at(&reference.location, "not known here"),
            ),
            Root::Resource { type_name, name, key } => {
                self.resource_reference(reference, type_name, name, key.as_deref())
            }
        };
        self.problems.extend(problem);
    }

    fn resource_reference(
        &self,
        reference: &Reference,
        type_name: &TypeName,
        name: &str,
        key: Option<&str>,
    ) -> Option<Diagnostic> {
        let resource_name = (type_name.clone(), name.to_owned());
        let Some(resource) = self.blueprint.resources.get(&resource_name) else {
            return Some(unknown_resource(self.blueprint, &resource_name, &reference.location));
        };
        let resource_type = self.types.get(type_name)?;
        match (&resource.each, key) {
            (None, Some(_)) => {
                return Some(
                    Diagnostic::error("unknown-reference", format!("`{type_name}.{name}` has no `each`"))
                        .at(&reference.location, "there is only one of it"),
                );
            }
            (Some(_), None) if !reference.path.is_empty() => {
                return Some(
                    Diagnostic::error(
                        "unknown-reference",
                        format!("`{type_name}.{name}` stands for several resources"),
                    )
                    .at(&reference.location, format!("write {type_name}.{name}[\"...\"]")),
                );
            }
            _ => {}
        }
        if reference.path.is_empty() {
            return None;
        }
        if resource_type.attribute(&reference.path).is_none() {
            let mut problem = unknown_attribute(&reference.path.join("."), &reference.location, resource_type);
            problem.code = "unknown-reference";
            return Some(problem);
        }
        None
    }

    /// The inputs a path means: one, one inside which it points, or all under it.
    fn input(&self, path: &[String]) -> Option<Vec<Vec<String>>> {
        for input in &self.blueprint.inputs {
            if path == input.path {
                return Some(vec![input.path.clone()]);
            }
            if path.starts_with(&input.path) && matches!(input.shape, InputShape::Map(_) | InputShape::List(_)) {
                return Some(vec![input.path.clone()]);
            }
        }
        let under: Vec<Vec<String>> = self
            .blueprint
            .inputs
            .iter()
            .filter(|input| input.path.starts_with(path) && !path.is_empty())
            .map(|input| input.path.clone())
            .collect();
        (!under.is_empty()).then_some(under)
    }

    fn only_config(&mut self, tree: &TemplateTree, what: &str) {
        tree.each_leaf(&mut |template| {
            for reference in template.references().filter(|reference| reference.root != Root::Config) {
                self.problems.push(
                    Diagnostic::error("blueprint", format!("{what} may read only `config`"))
                        .at(&reference.location, ""),
                );
            }
        });
    }

    fn only_early(&mut self, tree: &TemplateTree, what: &str) {
        tree.each_leaf(&mut |template| template.references().for_each(|reference| self.early(reference, what)));
    }

    /// The set of nodes may not depend on anything known only after apply.
    fn early(&mut self, reference: &Reference, what: &str) {
        if let Root::Resource { type_name, name, .. } = &reference.root
            && let Some(resource) = self.blueprint.resources.get(&(type_name.clone(), name.clone()))
            && resource.lookup.is_none()
        {
            self.problems.push(
                Diagnostic::error(
                    "blueprint",
                    format!(
                        "`{what}` may read only config, local and lookups: which resources exist is known before apply"
                    ),
                )
                .at(&reference.location, "known only after apply"),
            );
        }
    }

    fn unused_inputs(&mut self) {
        for input in &self.blueprint.inputs {
            let is_used = self.used_inputs.contains(&input.path);
            if !is_used && !super::price_lint::is_read(self.types, self.blueprint, &input.path) {
                self.problems.push(
                    Diagnostic::error("unused-input", format!("input `{}` is used nowhere", input.name()))
                        .at(&input.location, ""),
                );
            }
        }
    }

    fn local_cycles(&mut self) {
        let mut edges: BTreeMap<&str, Vec<(&str, &Location)>> = BTreeMap::new();
        for (name, local) in &self.blueprint.locals {
            let mut targets = Vec::new();
            local.tree.each_leaf(&mut |template| {
                targets.extend(
                    template
                        .references()
                        .filter(|reference| reference.root == Root::Local)
                        .filter_map(|reference| Some((reference.path.first()?.as_str(), &reference.location))),
                );
            });
            edges.insert(name, targets);
        }
        self.ring("locals", |name| format!("local.{name}"), &edges);
    }

    fn cycles(&mut self) {
        let names: BTreeMap<&ResourceName, String> =
            self.blueprint.resources.keys().map(|name| (name, format!("{}.{}", name.0, name.1))).collect();
        let mut edges: BTreeMap<&str, Vec<(&str, &Location)>> = BTreeMap::new();
        for (name, resource) in &self.blueprint.resources {
            let mut targets: Vec<(&str, &Location)> = Vec::new();
            for template in resource.templates() {
                collect_resources(self.blueprint, template, &mut BTreeSet::new(), &mut |target, location| {
                    targets.extend(names.get(target).map(|text| (text.as_str(), location)));
                });
            }
            for after in &resource.after {
                targets.extend(names.get(&after.name).map(|text| (text.as_str(), &after.location)));
            }
            edges.insert(&names[name], targets);
        }
        self.ring("resources", str::to_owned, &edges);
    }

    fn ring(&mut self, what: &str, spell: impl Fn(&str) -> String, edges: &BTreeMap<&str, Vec<(&str, &Location)>>) {
        let mut graph: DiGraph<&str, &Location> = DiGraph::new();
        let nodes: BTreeMap<&str, NodeIndex> = edges.keys().map(|name| (*name, graph.add_node(name))).collect();
        for (name, targets) in edges {
            for (target, location) in targets {
                if let Some(index) = nodes.get(target) {
                    graph.add_edge(nodes[name], *index, location);
                }
            }
        }
        for component in tarjan_scc(&graph) {
            let looped = component.len() > 1 || component.first().is_some_and(|node| graph.contains_edge(*node, *node));
            if !looped {
                continue;
            }
            let ring: Vec<String> = one_ring(&graph, &component).into_iter().map(|node| spell(graph[node])).collect();
            let mut problem = Diagnostic::error("cycle", format!("these {what} need each other: {}", ring.join(" → ")));
            for edge in graph.edge_indices() {
                if let Some((from, to)) = graph.edge_endpoints(edge)
                    && component.contains(&from)
                    && component.contains(&to)
                {
                    let text = format!("{} needs {}", spell(graph[from]), spell(graph[to]));
                    problem = problem.at(graph[edge], text);
                }
            }
            self.problems.push(problem);
        }
    }

    fn refers_to(&mut self) {
        type Named<'types> = (&'static str, &'types TypeName, &'types Location);
        fn walk<'types>(attribute: &'types Attribute, found: &mut Vec<Named<'types>>) {
            found.extend(attribute.refers_to.iter().map(|target| ("refers_to", target, &attribute.location)));
            found.extend(attribute.part_of.iter().map(|target| ("part_of", target, &attribute.location)));
            match &attribute.shape {
                Shape::Object(attributes) => attributes.values().for_each(|child| walk(child, found)),
                Shape::List(child) | Shape::Map(child) => walk(child, found),
                _ => {}
            }
        }
        let mut found = Vec::new();
        for resource_type in self.types.values() {
            resource_type.attributes.values().for_each(|attribute| walk(attribute, &mut found));
        }
        for (key, target, location) in found {
            if !self.types.contains_key(target) {
                self.problems.push(
                    Diagnostic::error("unknown-type", format!("`{key}` names `{target}`, which is no type"))
                        .at(location, ""),
                );
            }
        }
    }
}

/// A way from the first node of a component, by name, back to itself.
fn one_ring(graph: &DiGraph<&str, &Location>, component: &[NodeIndex]) -> Vec<NodeIndex> {
    let Some(start) = component.iter().copied().min_by_key(|node| graph[*node]) else { return Vec::new() };
    // The shortest way, breadth first, with neighbours in the order of their names.
    let mut came_from: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start]);
    while let Some(node) = open.pop_front() {
        let mut neighbours: Vec<NodeIndex> =
            graph.neighbors(node).filter(|neighbour| component.contains(neighbour)).collect();
        neighbours.sort_by_key(|neighbour| graph[*neighbour]);
        for neighbour in neighbours {
            if neighbour == start {
                let mut ring = vec![start];
                let mut step = node;
                while step != start {
                    ring.push(step);
                    step = came_from[&step];
                }
                ring.push(start);
                ring.reverse();
                return ring;
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = came_from.entry(neighbour) {
                entry.insert(node);
                open.push_back(neighbour);
            }
        }
    }
    vec![start]
}

/// The entries of a resource that are attributes.
fn written(node: &Node) -> impl Iterator<Item = &Entry> {
    node.entries().iter().filter(|entry| !super::types::RESERVED.contains(&entry.key.as_str()))
}

/// Calls `visit` for every resource a template reads, directly or through locals.
pub fn collect_resources<'specs>(
    blueprint: &'specs Blueprint,
    template: &'specs Template,
    seen: &mut BTreeSet<&'specs str>,
    visit: &mut impl FnMut(&ResourceName, &'specs Location),
) {
    for reference in template.references() {
        match &reference.root {
            Root::Resource { type_name, name, .. } => visit(&(type_name.clone(), name.clone()), &reference.location),
            Root::Local => {
                if let Some(name) = reference.path.first()
                    && seen.insert(name)
                    && let Some(local) = blueprint.locals.get(name)
                {
                    let mut templates = Vec::new();
                    local.tree.each_leaf(&mut |template| templates.push(template));
                    for template in templates {
                        collect_resources(blueprint, template, seen, visit);
                    }
                }
            }
            Root::Config | Root::Previous | Root::Each | Root::Given(_) => {}
        }
    }
}

/// A secret that stands in a file: it would be planned, stored and shown like anything else.
fn bare_secret(location: &Location) -> Diagnostic {
    Diagnostic::error("bare-secret", "a secret must not stand in a file")
        .at(location, "this attribute is a secret")
        .hint("let it come from a secret: `${secretsmanager.secret.NAME.values.KEY}`")
}

fn unknown_attribute(name: &str, location: &Location, resource_type: &ResourceType) -> Diagnostic {
    Diagnostic::error("unknown-attribute", format!("`{}` has no attribute `{name}`", resource_type.name))
        .at(location, "")
        .suggest(name, resource_type.attributes.keys().map(String::as_str))
}

fn unknown_resource(blueprint: &Blueprint, name: &ResourceName, location: &Location) -> Diagnostic {
    let spelled = format!("{}.{}", name.0, name.1);
    let names: Vec<String> = blueprint.resources.keys().map(|(kind, name)| format!("{kind}.{name}")).collect();
    Diagnostic::error("unknown-reference", format!("there is no resource `{spelled}`"))
        .at(location, "")
        .suggest(&spelled, names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use crate::spec::{OverlayFile, Specs};

    const TYPES: &str = r#"
[thing]
doc = "A thing."
identity = ["name"]
cfn = false
terraform = false
price.free = "It is nothing."
[thing.attributes]
name = { type = "string", required = true }
note = { type = "string" }
password = { type = "string", sensitive = true, write_only = true }
id = { type = "string", computed = true }
values = { type = "map", of = "string", computed = true, sensitive = true }
options.size = { type = "integer" }
[job]
doc = "Work that is done once."
identity = ["id"]
once = true
cfn = false
terraform = false
price.free = "It is nothing."
[job.ready]
attribute = "outcome"
good = ["DONE"]
passing = ["RUNNING"]
failed.again = ["FAILED"]
[job.attributes]
id = { type = "string", computed = true }
outcome = { type = "string", computed = true, values = ["DONE", "RUNNING", "FAILED"] }
"#;

    const HEAD: &str = r#"
[instance]
name = "${config.name}"
region = "r"
title = "t"
[input.name]
type = "string"
doc = "Name."
default = "x"
"#;

    fn codes(blueprint: &str) -> Vec<String> {
        let files = [
            OverlayFile { name: "specs/types/a.toml".into(), types_of: Some("a".into()), text: TYPES.into() },
            OverlayFile { name: "specs/b.toml".into(), types_of: None, text: format!("{HEAD}{blueprint}") },
        ];
        match Specs::from_files(files) {
            Ok(specs) => {
                specs.lint().0.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect()
            }
            Err(problems) => {
                problems.0.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect()
            }
        }
    }

    #[test]
    fn a_sound_blueprint_has_no_problems() {
        assert_eq!(codes("[a.thing.one]\nname = 'n'\n[a.thing.two]\nname = '${a.thing.one.id}'\n"), [""; 0]);
    }

    #[test]
    fn names_that_do_not_exist_are_refused() {
        assert_eq!(
            codes("[a.thing.one]\nname = 'n'\nnoet = 'x'\n"),
            ["unknown-attribute: `a.thing` has no attribute `noet`"]
        );
        assert_eq!(
            codes("[a.thing.one]\nname = 'n'\noptions = { sise = 1 }\n"),
            ["unknown-attribute: unknown attribute `sise`"]
        );
        assert_eq!(
            codes("[a.thing.one]\nname = '${a.thing.tow.id}'\n"),
            ["unknown-reference: there is no resource `a.thing.tow`"]
        );
        assert_eq!(codes("[a.thing.one]\nname = '${config.nam}'\n"), ["unknown-reference: there is no input `nam`"]);
        assert_eq!(codes("[a.thign.one]\nname = 'n'\n"), ["unknown-type: there is no resource type `a.thign`"]);
        assert_eq!(codes("[a.thing.one]\nname = 'n'\nid = 'x'\n"), ["computed-attribute: only AWS sets `id`"]);
        assert_eq!(codes("[a.thing.one]\nnote = 'n'\n"), ["missing-attribute: `name` is required"]);
    }

    #[test]
    fn a_job_is_skipped_only_for_what_it_waits_for_as_a_whole() {
        let skipped = |after: &str| {
            codes(&format!("[a.job.one]\n[a.job.two]\nafter = ['{after}']\nfirst = {{ skip_with = ['a.job.one'] }}\n"))
        };
        assert_eq!(skipped("a.job.one"), [""; 0]);
        assert_eq!(skipped("a.job.one.id"), ["blueprint: a job cannot be skipped because of a.job.one"]);
    }

    #[test]
    fn what_it_waits_for_has_to_exist() {
        let after = |waits: &str| {
            codes(&format!("[a.thing.one]\nname = 'n'\n[a.thing.two]\nname = 'm'\nafter = ['{waits}']\n"))
        };
        for waits in ["a.thing.one", "a.thing.one.id", "a.thing.one.options.size"] {
            assert_eq!(after(waits), [""; 0], "{waits}");
        }
        let how =
            "`after` names resources as `service.kind.name`, or attributes of them as `service.kind.name.attribute`";
        for waits in ["a.thing", "a thing.one.id", ""] {
            assert_eq!(after(waits), [format!("wrong-type: {how}")], "{waits}");
        }
        for waits in ["a.thing.three", "a.thing.three.id"] {
            assert_eq!(after(waits), ["unknown-reference: there is no resource `a.thing.three`"], "{waits}");
        }
        for waits in ["a.thing.one[\"x\"].id", "a.thing.one[\"x.y\"].id"] {
            assert_eq!(after(waits), [format!("wrong-type: {how}")], "{waits}");
        }
        for path in ["it", "id.of", "options.sise", ""] {
            let said = format!("unknown-attribute: `a.thing` has no attribute `{path}`");
            assert_eq!(after(&format!("a.thing.one.{path}")), [said]);
        }
        assert_eq!(after("a.thing.two.id"), ["cycle: these resources need each other: a.thing.two → a.thing.two"]);
    }

    #[test]
    fn what_nobody_uses_or_explains_is_refused() {
        assert_eq!(
            codes("[input.idle]\ntype = 'bool'\ndoc = 'd'\ndefault = true\n"),
            ["unused-input: input `idle` is used nowhere"]
        );
        let silent = codes("[input.silent]\ntype = 'bool'\ndefault = true\n[local.x]\ny = '${config.silent}'\n");
        assert_eq!(silent, ["missing-doc: input `silent` has no doc"]);
    }

    #[test]
    fn a_ring_is_named_in_the_order_of_need() {
        let ring = codes(
            "[a.thing.one]\nname = '${a.thing.two.id}'\n[a.thing.two]\nname = '${a.thing.three.id}'\n[a.thing.three]\nname = '${a.thing.one.id}'\n",
        );
        assert_eq!(
            ring,
            ["cycle: these resources need each other: a.thing.one → a.thing.two → a.thing.three → a.thing.one"]
        );
    }

    #[test]
    fn which_resources_exist_does_not_depend_on_what_is_made() {
        let late = codes("[a.thing.one]\nname = 'n'\n[a.thing.two]\nname = 'm'\nwhen = \"a.thing.one.id == 'x'\"\n");
        assert!(late[0].starts_with("blueprint: `when` may read only config, local and lookups"), "{late:?}");
        let late = codes("[a.thing.one]\nname = 'n'\n[a.thing.two]\nlookup = { name = '${a.thing.one.id}' }\n");
        assert!(late[0].starts_with("blueprint: `lookup` may read only config, local and lookups"), "{late:?}");
    }

    #[test]
    fn a_secret_goes_only_where_it_is_treated_as_one() {
        let fine =
            codes("[a.thing.one]\nname = 'n'\n[a.thing.two]\nname = 'm'\npassword = 'p${a.thing.one.values.x}'\n");
        assert_eq!(fine, [""; 0]);
        for bare in ["hunter2", "${config.name}"] {
            let bare = codes(&format!("[a.thing.one]\nname = 'n'\npassword = '{bare}'\n"));
            assert_eq!(bare, ["bare-secret: a secret must not stand in a file"]);
        }
        let leak = codes(
            "[a.thing.one]\nname = 'n'\n[a.thing.two]\nname = 'm'\nnote = '${local.s}'\n[local]\ns = '${a.thing.one.values.x}'\n",
        );
        assert_eq!(leak, ["secret-leak: a secret would become readable here"]);
        let output = codes("[a.thing.one]\nname = 'n'\n[output.o]\ndoc = 'd'\nvalue = '${a.thing.one.values.x}'\n");
        assert_eq!(output, ["secret-leak: a secret would become readable here"]);
    }

    #[test]
    fn only_names_are_kept() {
        let keep = |names: &str| codes(&format!("[a.thing.one]\nname = 'n'\nlifecycle.keep = {names}\n"));
        assert_eq!(keep("['name']"), [""; 0]);
        assert_eq!(keep("['nmae']"), ["unknown-attribute: `a.thing` has no attribute `nmae`"]);
        assert_eq!(keep("['note']"), ["blueprint: `note` is not set here, so there is nothing to keep"]);
        let set = |line: &str, name: &str| {
            codes(&format!("[a.thing.one]\nname = 'n'\n{line}\nlifecycle.keep = ['{name}']\n"))
        };
        assert_eq!(set("note = 'x'", "note"), ["blueprint: `note` can be changed in place, so it must not be kept"]);
        assert_eq!(
            set("note = 'x'", "note.part"),
            ["blueprint: `note.part` is no part of the elements of a list that cannot be changed in place"]
        );
        let secret = set("password = '${a.thing.one.values.x}'", "password");
        assert_eq!(
            secret.first().map(String::as_str),
            Some("blueprint: `password` is never recorded, so it cannot be kept")
        );
    }
}
