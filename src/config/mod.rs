//! `mastodon.toml`, read against the blueprint's inputs.
//!
//! A file may name another one in its folder, whose settings hold as long as it says nothing itself:
//! `shared = "shared.toml"`. So the files of a fleet need not repeat each other.
//!
//! All problems of a file are found at once, each with its line: unknown keys, wrong types, values out of bounds,
//! missing settings, failed checks, patches of what does not exist.

pub mod edit;
pub mod init;
mod meant;
pub mod schema;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::address::Address;
use crate::diagnostic::{Diagnostic, Diagnostics, Location, MANY, SourceFile, Why};
use crate::document::{self, Content, Node};
use crate::expr::{Evaluator, Late, Limits, Reference, Root, Scope, Template, TemplateTree};
use crate::spec::blueprint::{Check, Input, InputShape, Patch};
use crate::spec::{Blueprint, Specs};
use crate::value::{AttributePath, Tree, Value};

/// Where a file says something, by path.
pub type Origins = BTreeMap<AttributePath, Location>;

/// The settings of one instance, complete: what the file does not say has its default.
#[derive(Clone, Debug)]
pub struct Config {
    pub values: Value,
    /// Where the file says something, by the path of the input, or of a key of a map in it.
    pub origins: Origins,
    /// Where the file has a table of settings.
    pub sections: Origins,
    pub source: Arc<SourceFile>,
    /// The file with the settings that others share.
    pub shared: Option<Arc<SourceFile>>,
    /// Name of the instance: its state file, its tags.
    pub name: String,
    pub region: String,
    pub title: String,
}

impl Config {
    /// Bytes of the file, and of the one that it shares with others.
    pub fn own_bytes(&self) -> usize {
        self.source.text.len() + self.shared.as_ref().map_or(0, |shared| shared.text.len())
    }

    /// Where the file sets the input at `path`, or something it is part of, or something in it.
    pub fn origin(&self, path: &[String]) -> Option<&Location> {
        let whole = (1..=path.len()).rev().find_map(|length| self.origins.get(&path[..length]));
        whole.or_else(|| {
            let mut from = self.origins.range::<[String], _>((Bound::Included(path), Bound::Unbounded));
            from.next().filter(|(key, _)| key.starts_with(path)).map(|(_, at)| at)
        })
    }
}

/// The setting that names the file with shared settings.
const SHARED: &str = "shared";

/// The file with shared settings that a file names, and where it does; `None` if it names none, or not in the form of
/// TOML.
pub fn shared_file(source: &Arc<SourceFile>) -> Option<(String, Location)> {
    let document = document::parse(source).ok()?;
    let node = document.get(SHARED)?;
    Some((node.text()?.to_owned(), node.location.clone()))
}

/// The document of a file over that of its shared settings: tables are merged, and everything else is the file's own
/// where it says it.
fn document_of(source: &Arc<SourceFile>, shared: Option<&Arc<SourceFile>>) -> Result<Node, Diagnostics> {
    let own = document::parse(source)?;
    let Some(shared) = shared else { return Ok(own) };
    let below = document::parse(shared)?;
    if let Some(again) = below.get(SHARED) {
        let problem = Diagnostic::error("shared-settings", "shared settings cannot name further ones");
        return Err(Diagnostics(vec![problem.at(&again.location, "")]));
    }
    Ok(over(own, below))
}

fn over(own: Node, below: Node) -> Node {
    let Node { location, content: Content::Table(mut entries) } = own else { return own };
    for entry in below.into_entries() {
        match entries.iter_mut().find(|own| own.key == entry.key) {
            None => entries.push(entry),
            Some(own) if own.node.is_table() && entry.node.is_table() => {
                let empty = Node { location: own.node.location.clone(), content: Content::Table(Vec::new()) };
                own.node = over(std::mem::replace(&mut own.node, empty), entry.node);
            }
            Some(_) => {}
        }
    }
    Node { location, content: Content::Table(entries) }
}

/// Reads `mastodon.toml`. Patches are attached to the resources of `blueprint`. The warnings are those of checks.
pub fn read(
    source: &Arc<SourceFile>,
    blueprint: &mut Blueprint,
    evaluator: &Evaluator,
) -> Result<(Config, Diagnostics), Diagnostics> {
    let document = document::parse(source)?;
    let mut problems = Diagnostics::default();
    read_patches(&document, blueprint, &mut problems);
    read_settings(&document, source, blueprint, evaluator, problems)
}

/// As [`read`], for one of many files over the same specs, which are copied only for a file with patches. `shared`: what
/// [`shared_file`] names.
pub fn read_over(
    source: &Arc<SourceFile>,
    shared: Option<&Arc<SourceFile>>,
    specs: &mut Arc<Specs>,
    evaluator: &Evaluator,
) -> Result<(Config, Diagnostics), Diagnostics> {
    let document = document_of(source, shared)?;
    let mut problems = Diagnostics::default();
    if document.get("patch").is_some() {
        read_patches(&document, &mut Arc::make_mut(specs).blueprint, &mut problems);
    }
    let (config, warnings) = read_settings(&document, source, &specs.blueprint, evaluator, problems)?;
    Ok((Config { shared: shared.cloned(), ..config }, warnings))
}

/// Reads everything but patches. `problems` are those found until now.
fn read_settings(
    document: &Node,
    source: &Arc<SourceFile>,
    blueprint: &Blueprint,
    evaluator: &Evaluator,
    mut problems: Diagnostics,
) -> Result<(Config, Diagnostics), Diagnostics> {
    evaluator.begin();
    let mut reader = InputReader {
        blueprint,
        written: BTreeMap::new(),
        origins: BTreeMap::new(),
        sections: BTreeMap::new(),
        poisoned: BTreeSet::new(),
        unknown: Unknown::default(),
        problems: &mut problems,
    };
    reader.table(document, &mut Vec::new());
    let InputReader { written, origins, sections, mut poisoned, unknown, .. } = reader;
    problems.extend(unknown.more());

    let defaults = Defaults {
        blueprint,
        evaluator,
        written,
        origins: &origins,
        resolved: RefCell::default(),
        open: RefCell::default(),
    };
    let mut values = Value::Map(BTreeMap::new());
    for input in &blueprint.inputs {
        if poisoned.contains(&input.path) {
            continue;
        }
        match defaults.value(input) {
            Ok(value) => {
                if input.required && value.is_null() {
                    problems.push(missing(input, source));
                    poisoned.insert(input.path.clone());
                }
                if !value.is_null() {
                    values.set(&input.path, value);
                }
            }
            Err(problem) => {
                poisoned.insert(input.path.clone());
                // Whatever reads a default meets the same problem with it.
                if problem.why != Why::Consequence && !problems.0.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
    }
    let scope = ConfigScope { values: &values, blueprint, evaluator };
    for check in &blueprint.checks {
        // A check of a setting that is wrong already would only repeat it.
        let is_sound =
            |path: &Vec<String>| !poisoned.iter().any(|wrong| path.starts_with(wrong) || wrong.starts_with(path));
        if inputs_read(check, blueprint).is_some_and(|inputs| inputs.iter().all(is_sound)) {
            let places = Places { origin: &|path| origins.get(path).cloned(), sections: &sections, source };
            problems.extend(run_check(check, &scope, evaluator, &places));
        }
    }
    let mut instance = |key: &str| {
        let tree = blueprint.instance.get(key)?;
        match evaluator.tree(tree, &scope).map(|value| value.plain()) {
            Ok(Some(Tree::Text(text))) => Some(text),
            _ => {
                if poisoned.is_empty() {
                    problems.push(Diagnostic::error("instance", format!("`[instance]` {key} is not a string")));
                }
                None
            }
        }
    };
    let (name, region, title) = (instance("name"), instance("region"), instance("title"));
    let config = Config {
        name: name.unwrap_or_default(),
        region: region.unwrap_or_default(),
        title: title.unwrap_or_default(),
        values,
        origins,
        sections,
        source: Arc::clone(source),
        shared: None,
    };
    problems.0.sort_by_key(|problem| {
        let position = problem.labels.first().map_or(usize::MAX, |label| label.location.span.start);
        (problem.severity, position)
    });
    problems.finish(config)
}

fn missing(input: &Input, source: &Arc<SourceFile>) -> Diagnostic {
    let key = input.name();
    let example = input.example.as_ref().map_or_else(|| "...".to_owned(), ToString::to_string);
    Diagnostic::error("missing-setting", format!("`{key}` is missing"))
        .at(&first_line(source), "in this file")
        .hint(format!("{} Write for example: {key} = {example}", input.doc))
}

fn read_patches(document: &Node, blueprint: &mut Blueprint, problems: &mut Diagnostics) {
    let Some(patches) = document.get("patch") else { return };
    let names: Vec<String> = blueprint.resources.keys().map(|(kind, name)| format!("{kind}.{name}")).collect();
    for (number, entry) in patches.entries().iter().enumerate() {
        if problems.0.len() >= MANY {
            let more = patches.entries().len() - number;
            problems.push(
                Diagnostic::error("unknown-patch", format!("and {more} more patches, which have not been looked at"))
                    .at(&entry.key_location, "from here on"),
            );
            return;
        }
        let Ok(address) = entry.key.parse::<Address>() else {
            problems.push(not_an_address(&entry.key, &names).at(&entry.key_location, ""));
            continue;
        };
        let name = (address.type_name.clone(), address.name.clone());
        match blueprint.resources.get_mut(&name) {
            Some(resource) if resource.lookup.is_none() => Arc::make_mut(resource).patches.push(Arc::new(Patch {
                key: address.key,
                attributes: entry
                    .node
                    .entries()
                    .iter()
                    .map(|item| {
                        (item.key.clone(), Template::read_tree_within(&Limits::INSTANCE, &item.node, &mut problems.0))
                    })
                    .collect(),
                node: entry.node.clone(),
            })),
            Some(_) => problems.push(
                Diagnostic::error("unknown-patch", format!("`{}` is looked up, not made", entry.key))
                    .at(&entry.key_location, "cannot be patched"),
            ),
            None => {
                problems.push(
                    Diagnostic::error("unknown-patch", format!("there is no resource `{}` to patch", entry.key))
                        .at(&entry.key_location, "")
                        .suggest(&entry.key, names.iter().map(String::as_str)),
                );
            }
        }
    }
}

/// A patch of something that is no address: a type, or an address without its quotes.
fn not_an_address(key: &str, names: &[String]) -> Diagnostic {
    let problem = Diagnostic::error("unknown-patch", format!("`{key}` is not an address"));
    let below: Vec<String> =
        names.iter().filter(|name| name.starts_with(&format!("{key}."))).map(|name| format!("`{name}`")).collect();
    match (key.contains('.'), &below[..]) {
        (false, _) => problem.hint("write [patch.\"rds.cluster.database\"], with the quotes"),
        (true, []) => problem.suggest(key, names.iter().map(String::as_str)),
        (true, below) => problem.hint(format!("an address has a name behind the type: {}", below.join(", "))),
    }
}

/// Reads what the file says.
struct InputReader<'reading> {
    blueprint: &'reading Blueprint,
    written: BTreeMap<String, Value>,
    origins: Origins,
    sections: Origins,
    /// Inputs about which something is wrong already.
    poisoned: BTreeSet<Vec<String>>,
    unknown: Unknown,
    problems: &'reading mut Diagnostics,
}

/// Keys that nobody knows. Only the first are told.
#[derive(Default)]
struct Unknown {
    count: usize,
    /// The first that is not told.
    first: Option<Location>,
}

impl Unknown {
    /// Whether one more is told.
    fn is_told(&mut self, location: &Location) -> bool {
        self.count += 1;
        if self.count > MANY {
            self.first.get_or_insert_with(|| location.clone());
        }
        self.count <= MANY
    }

    fn more(self) -> Option<Diagnostic> {
        let more = self.count.saturating_sub(MANY);
        let first = self.first?;
        Some(Diagnostic::error("unknown-key", format!("and {more} more unknown keys")).at(&first, "from here on"))
    }
}

impl InputReader<'_> {
    fn table(&mut self, table: &Node, path: &mut Vec<String>) {
        for entry in table.entries() {
            if path.is_empty() && (entry.key == "patch" || entry.key == SHARED) {
                if entry.key == SHARED && entry.node.text().is_none() {
                    let problem = Diagnostic::error("wrong-type", format!("`{SHARED}` must be the name of a file"));
                    self.problems.push(problem.at(&entry.node.location, format!("found {}", entry.node.kind())));
                }
                continue;
            }
            path.push(entry.key.clone());
            let blueprint = self.blueprint;
            if let Some(input) = blueprint.inputs.iter().find(|input| input.path == *path) {
                self.input(input, &entry.node);
            } else if blueprint.inputs.iter().any(|input| input.path.starts_with(path)) {
                if entry.node.is_table() {
                    self.sections.insert(path.as_slice().into(), entry.key_location.clone());
                    self.table(&entry.node, path);
                } else {
                    self.problems.push(
                        Diagnostic::error("wrong-type", format!("`{}` is a section", path.join(".")))
                            .at(&entry.node.location, format!("expected a table, found {}", entry.node.kind())),
                    );
                }
            } else if self.unknown.is_told(&entry.key_location) {
                let parent = &path[..path.len() - 1];
                let siblings: BTreeSet<&str> = blueprint
                    .inputs
                    .iter()
                    .filter(|input| input.path.starts_with(parent))
                    .filter_map(|input| input.path.get(parent.len()).map(String::as_str))
                    .collect();
                let mut problem = Diagnostic::error("unknown-key", format!("unknown key `{}`", path.join(".")))
                    .at(&entry.key_location, "")
                    .suggest(&entry.key, siblings.iter().copied());
                if problem.hints.is_empty() {
                    let known: Vec<&str> = siblings.into_iter().collect();
                    problem = problem.hint(format!("known here: {}", known.join(", ")));
                }
                self.problems.push(problem);
            }
            path.pop();
        }
    }

    fn input(&mut self, input: &Input, node: &Node) {
        let name = input.name();
        self.origins.insert(input.path.as_slice().into(), node.location.clone());
        for entry in node.entries() {
            let below: Vec<String> = input.path.iter().chain([&entry.key]).cloned().collect();
            self.origins.insert(below.into(), entry.node.location.clone());
        }
        if let Some(reason) = &input.deprecated {
            self.problems.push(
                Diagnostic::warning("deprecated", format!("`{name}` is deprecated"))
                    .at(&node.location, reason.as_str()),
            );
        }
        if self.check_shape(input, &input.shape, node, &name) {
            self.written.insert(name, node.value());
        } else {
            self.poisoned.insert(input.path.clone());
        }
    }

    /// `name` is that of the input, with the key of an entry or the number of an item.
    fn check_shape(&mut self, input: &Input, shape: &InputShape, node: &Node, name: &str) -> bool {
        let fits = match (shape, &node.content) {
            (InputShape::Text | InputShape::Enum, Content::Text(_))
            | (InputShape::Integer, Content::Integer(_))
            | (InputShape::Number, Content::Integer(_) | Content::Number(_))
            | (InputShape::Bool, Content::Bool(_))
            | (InputShape::Spread, Content::Integer(_) | Content::Number(_)) => true,
            (InputShape::Spread, Content::List(items)) if do_not_fall(items) => {
                let wrong = items.iter().filter(|item| !self.check_shape(input, shape, item, name)).count();
                return wrong == 0;
            }
            (InputShape::List(element), Content::List(items)) => {
                // Every item is checked, so that every problem shows.
                let mut numbered = items.iter().enumerate();
                let wrong = numbered
                    .by_ref()
                    .filter(|(number, item)| !self.check_shape(input, element, item, &format!("{name}.{number}")))
                    .count();
                return wrong == 0;
            }
            (InputShape::Map(element), Content::Table(entries)) => {
                let wrong = entries
                    .iter()
                    .filter(|entry| !self.check_shape(input, element, &entry.node, &format!("{name}.{}", entry.key)))
                    .count();
                return wrong == 0;
            }
            _ => false,
        };
        if !fits {
            self.problems.push(
                Diagnostic::error("wrong-type", format!("`{name}` must be {}", shape.words()))
                    .at(&node.location, format!("found {}", node.kind()))
                    .hint(input.doc.clone()),
            );
            return false;
        }
        let value = node.value();
        if !input.values.is_empty() && !input.values.contains(&value) {
            let known: Vec<String> = input.values.iter().map(ToString::to_string).collect();
            self.problems.push(
                Diagnostic::error("out-of-range", format!("`{name}` must be one of {}", known.join(", ")))
                    .at(&node.location, "")
                    .suggest(value.as_text().unwrap_or_default(), input.values.iter().filter_map(Tree::as_text)),
            );
            return false;
        }
        // An entry of a table may be empty, such as a variable.
        if value.as_text() == Some("") && matches!(input.shape, InputShape::Text) {
            let text = format!("`{name}` must not be empty");
            let hint =
                if input.required { input.doc.clone() } else { "leave the line out to have the default".to_owned() };
            self.problems.push(Diagnostic::error("out-of-range", text).at(&node.location, "").hint(hint));
            return false;
        }
        if let Some(complaint) = input.limits.complaint(&value) {
            let mut problem = Diagnostic::error("out-of-range", format!("`{name}` {complaint}")).at(&node.location, "");
            if let Some(meant) = value.as_text().and_then(|text| meant::meant(text, &input.limits)) {
                problem = problem.hint(format!("did you mean `{meant}`?"));
            }
            self.problems.push(problem.hint(input.doc.clone()));
            return false;
        }
        if let Some(text) =
            value.as_text().filter(|text| !input.known.is_empty() && !input.known.iter().any(|known| known == text))
        {
            self.problems.push(
                Diagnostic::warning("out-of-range", format!("no `{name}` called `{text}` is known"))
                    .at(&node.location, "it is either new or misspelled")
                    .suggest(text, input.known.iter().map(String::as_str)),
            );
        }
        true
    }
}

/// Whether these are three numbers, low, typical and high.
fn do_not_fall(items: &[Node]) -> bool {
    let numbers: Option<Vec<f64>> = items.iter().map(|item| item.value().as_number()).collect();
    numbers.is_some_and(|numbers| numbers.len() == 3 && numbers.is_sorted())
}

/// Values of inputs, with defaults that may read other inputs.
struct Defaults<'reading> {
    blueprint: &'reading Blueprint,
    evaluator: &'reading Evaluator,
    written: BTreeMap<String, Value>,
    origins: &'reading Origins,
    resolved: RefCell<BTreeMap<String, Value>>,
    open: RefCell<Vec<String>>,
}

impl Defaults<'_> {
    /// Where the file sets what a default reads, or what the defaults that it reads read.
    fn made_of(&self, default: &TemplateTree, seen: &mut Vec<Vec<String>>) -> Option<&Location> {
        let mut paths = Vec::new();
        default.each_leaf(&mut |template| {
            paths.extend(template.references().map(|reference| reference.path.to_vec()));
        });
        for path in paths {
            if seen.contains(&path) {
                continue;
            }
            seen.push(path.clone());
            if let Some(location) = self.origins.get(&path[..]) {
                return Some(location);
            }
            let input = self.blueprint.inputs.iter().find(|input| input.path[..] == path[..]);
            if let Some(default) = input.and_then(|input| input.default.as_ref())
                && let Some(location) = self.made_of(default, seen)
            {
                return Some(location);
            }
        }
        None
    }

    fn value(&self, input: &Input) -> Result<Value, Diagnostic> {
        let name = input.name();
        if let Some(value) = self.written.get(&name) {
            return Ok(value.clone());
        }
        if let Some(value) = self.resolved.borrow().get(&name) {
            return Ok(value.clone());
        }
        let Some(default) = &input.default else { return Ok(Value::Null) };
        if self.open.borrow().contains(&name) {
            return Err(
                Diagnostic::error("cycle", format!("the default of `{name}` needs itself")).at(&input.location, "")
            );
        }
        self.open.borrow_mut().push(name.clone());
        let value = self.evaluator.tree(default, self);
        self.open.borrow_mut().pop();
        let value = value?.plain().unwrap_or_default();
        if !value.is_null()
            && let Some(complaint) = input.limits.complaint(&value)
        {
            // The setting that the default is made of is in the file; where the default is declared is of no use to anybody.
            let location = self.made_of(default, &mut Vec::new());
            let problem = Diagnostic::error("out-of-range", format!("the default of `{name}` {complaint}: {value}"))
                .at(location.unwrap_or(&input.location), "it is made of this");
            return Err(problem.hint(format!("set `{name}` yourself")));
        }
        self.resolved.borrow_mut().insert(name, value.clone());
        Ok(value)
    }
}

impl Scope for Defaults<'_> {
    fn value(&self, reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
        let mut found = Value::Null;
        for input in &self.blueprint.inputs {
            if reference.path.starts_with(&input.path) {
                let value = Defaults::value(self, input)?;
                if input.required && value.is_null() {
                    return Err(Diagnostic::consequence("poisoned", "an input it reads is wrong"));
                }
                found = value.at(&reference.path[input.path.len()..]).cloned().unwrap_or_default();
            } else if input.path.starts_with(&reference.path) {
                let value = Defaults::value(self, input)?;
                found.set(&input.path[reference.path.len()..], value);
            }
        }
        Ok(found.lift())
    }
}

/// The settings, and locals that read nothing else.
pub struct ConfigScope<'reading> {
    pub values: &'reading Value,
    pub blueprint: &'reading Blueprint,
    pub evaluator: &'reading Evaluator,
}

impl Scope for ConfigScope<'_> {
    fn value(&self, reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
        match (&reference.root, reference.path.split_first()) {
            (Root::Config, _) => Ok(self.values.at(&reference.path).cloned().unwrap_or_default().lift()),
            (Root::Local, Some((name, rest))) if self.blueprint.locals.contains_key(name) => {
                let value = self.evaluator.tree(&self.blueprint.locals[name].tree, self)?;
                Ok(value.at(rest).cloned().unwrap_or_default())
            }
            _ => Err(Diagnostic::error("expression", format!("`{reference}` cannot be read here"))
                .at(&reference.location, "only `config` can")),
        }
    }
}

/// The settings a check reads, directly or through locals; `None` if it reads anything else, so that it can run only
/// when lookups are answered.
fn inputs_read(check: &Check, blueprint: &Blueprint) -> Option<BTreeSet<Vec<String>>> {
    fn walk<'a>(
        template: &'a Template,
        blueprint: &'a Blueprint,
        seen: &mut BTreeSet<&'a str>,
        inputs: &mut BTreeSet<Vec<String>>,
    ) -> bool {
        template.references().all(|reference| match (&reference.root, reference.path.first()) {
            (Root::Config, _) => {
                inputs.insert(reference.path.clone());
                true
            }
            (Root::Local, Some(name)) => {
                let Some(local) = blueprint.locals.get(name) else { return true };
                let mut only = true;
                if seen.insert(name) {
                    let mut templates = Vec::new();
                    local.tree.each_leaf(&mut |template| templates.push(template));
                    for template in templates {
                        only &= walk(template, blueprint, seen, inputs);
                    }
                }
                only
            }
            _ => false,
        })
    }
    let (mut seen, mut inputs) = (BTreeSet::new(), BTreeSet::new());
    let mut only = walk(&check.assert, blueprint, &mut seen, &mut inputs);
    let mut templates = Vec::new();
    check.message.each_leaf(&mut |template| templates.push(template));
    for template in templates {
        only &= walk(template, blueprint, &mut seen, &mut inputs);
    }
    only.then_some(inputs)
}

/// Whether a check reads nothing but settings, so that it has run when the file was read.
pub fn only_config(check: &Check, blueprint: &Blueprint) -> bool {
    inputs_read(check, blueprint).is_some()
}

/// Where a file says what.
pub struct Places<'file> {
    /// Finds where it sets an input.
    pub origin: &'file dyn Fn(&[String]) -> Option<Location>,
    pub sections: &'file Origins,
    pub source: &'file Arc<SourceFile>,
}

impl Places<'_> {
    /// Where a setting would stand that the file leaves to its default: in its section, if there is one.
    fn of_default(&self, path: &[String]) -> Location {
        let section = (1..path.len()).rev().find_map(|length| self.sections.get(&path[..length]));
        section.cloned().unwrap_or_else(|| first_line(self.source))
    }
}

/// The first line with a setting; the first of all, if there is none.
fn first_line(source: &Arc<SourceFile>) -> Location {
    let mut start = 0;
    for line in source.text.split_inclusive('\n') {
        let text = line.trim();
        if !text.is_empty() && !text.starts_with('#') {
            return Location::new(source, start..start + line.trim_end().len());
        }
        start += line.len();
    }
    Location::new(source, 0..source.text.find('\n').unwrap_or(source.text.len()))
}

/// Runs one check.
pub fn run_check(check: &Check, scope: &dyn Scope, evaluator: &Evaluator, places: &Places<'_>) -> Option<Diagnostic> {
    match evaluator.condition(&check.assert, scope) {
        Ok(true) => None,
        Ok(false) => {
            let message = evaluator
                .tree(&check.message, scope)
                .ok()
                .and_then(|message| message.plain())
                .and_then(|message| message.as_text().map(str::to_owned))
                .unwrap_or_else(|| check.name.clone());
            let mut problem = if check.is_warning {
                Diagnostic::warning("failed-check", message)
            } else {
                Diagnostic::error("failed-check", message)
            };
            for path in &check.points_at {
                if let Some(location) = (places.origin)(path) {
                    problem = problem.at(&location, "");
                }
            }
            if problem.labels.is_empty() {
                let defaults: Vec<String> = check.points_at.iter().map(ToString::to_string).collect();
                let place = places.of_default(check.points_at.first().map_or(&[], |path| &path[..]));
                problem = problem.at(&place, format!("{}: the default", defaults.join(", ")));
            }
            Some(problem)
        }
        Err(problem) => Some(problem.at(&check.location, format!("in check `{}`", check.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{OverlayFile, Specs};

    const BLUEPRINT: &str = r#"
[instance]
name = "${config.name}"
region = "eu"
title = "${config.domain}"
[input.name]
type = "string"
doc = "Name."
default = "${slug(config.domain)}"
pattern = "^[a-z-]+$"
[input.domain]
type = "string"
doc = "Domain."
required = true
[input.mode]
type = "enum"
values = ["production", "debug"]
default = "production"
doc = "Mode."
[input.database.min]
type = "number"
range = [0, 256]
default = 0.5
doc = "Least."
[input.database.max]
type = "number"
range = [1, 256]
default = 1
doc = "Most."
[input.extra]
type = "map"
of = "string"
default = {}
doc = "More."
[check.capacity]
assert = "config.database.min <= config.database.max"
message = "database.min must not exceed database.max (${config.database.max})"
points_at = ["database.min", "database.max"]
"#;

    fn read_text(text: &str) -> Result<(Config, Diagnostics), Diagnostics> {
        let file = OverlayFile { name: "specs/x.toml".into(), types_of: None, text: BLUEPRINT.into() };
        let mut specs = Specs::from_files([file]).expect("valid specs");
        read(&SourceFile::new("mastodon.toml", text), &mut specs.blueprint, &Evaluator::new())
    }

    #[test]
    fn defaults_fill_what_the_file_leaves_out() {
        let (config, _) =
            read_text("name = 'social'\ndomain = 'social.example.org'\nextra = { A = '1' }\n").expect("valid");
        assert_eq!(config.values.at(&["database", "min"]).and_then(Tree::as_number), Some(0.5));
        assert_eq!(config.name, "social");
        assert_eq!(config.origin(&["domain".into()]).map(ToString::to_string).as_deref(), Some("mastodon.toml:2"));
        assert_eq!(config.origin(&["extra".into(), "A".into()]).map(|at| at.line_column()), Some((3, 15)));
        assert_eq!(config.origin(&["mode".into()]), None);
    }

    #[test]
    fn all_problems_of_a_file_come_at_once() {
        let problems = read_text(
            "name = 'social'\ndomain = 5\nmod = 'debug'\n[database]\nmin = 3.0\nmax = 2\n[patch.'rds.cluster.x']\na = 1\n[extra]\nX = 5\n",
        )
        .expect_err("wrong");
        let codes: Vec<&str> = problems.0.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, ["wrong-type", "unknown-key", "failed-check", "unknown-patch", "wrong-type"]);
        assert!(problems.0.iter().all(|problem| !problem.labels.is_empty()));
        assert!(problems.to_string().contains("mastodon.toml:5:7: database.min must not exceed database.max (2)"));
    }

    #[test]
    fn a_check_of_defaults_points_at_their_section_and_else_at_the_first_setting() {
        let at = |text: &str| {
            let (config, _) =
                read_text(&format!("# A file.\n\nname = 'social'\ndomain = 'a.org'\n{text}")).expect("valid");
            let (sections, source) = (&config.sections, &config.source);
            let places = Places { origin: &|_| None, sections, source };
            places.of_default(&["database".to_owned(), "min".to_owned()]).line_column().0
        };
        assert_eq!(at("mode = 'debug'\n[database]\nmax = 2\n"), 6);
        assert_eq!(at(""), 3);
    }

    #[test]
    fn a_default_that_does_not_fit_is_told_once_and_at_what_it_is_made_of() {
        let problems = read_text("domain = '5'\n").expect_err("wrong");
        let [problem] = &problems.0[..] else { panic!("{problems}") };
        assert!(problem.message.starts_with("the default of `name` must match"), "{problem:?}");
        assert_eq!(problem.labels[0].location.line_column(), (1, 10));
    }

    #[test]
    fn shared_settings_hold_where_a_file_says_nothing_and_are_found_at_their_lines() {
        let file = OverlayFile { name: "specs/x.toml".into(), types_of: None, text: BLUEPRINT.into() };
        let specs = Arc::new(Specs::from_files([file]).expect("valid specs"));
        let read = |own: &str, shared: &str| {
            let own = SourceFile::new("eu.toml", own);
            assert_eq!(
                shared_file(&own).map(|(path, at)| (path, at.to_string())),
                Some(("s.toml".into(), "eu.toml:1".into()))
            );
            let shared = SourceFile::new("s.toml", shared);
            read_over(&own, Some(&shared), &mut Arc::clone(&specs), &Evaluator::new())
        };
        let own = "shared = 's.toml'\nname = 'social'\ndomain = 'a.org'\n[database]\nmin = 2\n[extra]\nA = 'own'\n";
        let shared = "mode = 'debug'\n[database]\nmin = 1\nmax = 4\n[extra]\nA = 'shared'\nB = 'shared'\n";
        let (config, _) = read(own, shared).unwrap_or_else(|problems| panic!("{problems}"));
        let at = |path: &[&str]| config.values.at(path).map(ToString::to_string).unwrap_or_default();
        let found = (at(&["mode"]), at(&["database", "min"]), at(&["database", "max"]));
        assert_eq!(found, ("\"debug\"".to_owned(), "2".to_owned(), "4".to_owned()));
        assert_eq!(at(&["extra"]), r#"{"A": "own", "B": "shared"}"#);
        let origin = |path: &[&str]| {
            let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
            config.origin(&path).map(ToString::to_string)
        };
        assert_eq!(origin(&["database", "min"]).as_deref(), Some("eu.toml:5"));
        assert_eq!(origin(&["database", "max"]).as_deref(), Some("s.toml:4"));
        // A mistake is reported where it is, and nothing leads on to a third file.
        let problems = read(own, "mod = 'debug'\n").expect_err("unknown").to_string();
        assert!(problems.contains("s.toml:1") && problems.contains("unknown key `mod`"), "{problems}");
        let problems = read(own, "shared = 'more.toml'\n").expect_err("a chain").to_string();
        assert!(problems.contains("shared settings cannot name further ones"), "{problems}");
    }

    #[test]
    fn a_value_of_another_form_is_asked_back() {
        let problems = read_text("name = 'Social'\ndomain = 'a.org'\n").expect_err("wrong");
        assert_eq!(problems.0[0].hints[0], "did you mean `social`?");
    }

    #[test]
    fn a_missing_setting_says_how_to_write_it() {
        let problems = read_text("name = 'social'\n").expect_err("incomplete");
        assert_eq!(problems.0[0].message, "`domain` is missing");
    }
}
