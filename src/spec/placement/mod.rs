//! Where a tool keeps what a resource is: from our attributes to its properties, and back.
//!
//! [`placed`] writes a resource in a tool's words, as `cfn` and `terraform` in `specs/types` say. [`changed`] writes some
//! of its attributes into what is there already, and [`reported`] reads what is there in our words.

mod back;

use std::collections::{BTreeMap, BTreeSet};

pub use back::{changed, named, read, reported};

use super::counterpart::{Counterpart, Element, Path, Paths, Place, Segment, Tool, pascal};
use super::types::{Attribute, ResourceType, Shape};
use crate::value::{Tree, Value};

/// A resource that is to be placed.
pub struct Subject<'a, L> {
    pub resource_type: &'a ResourceType,
    /// The attributes that somebody sets, by our names.
    pub attributes: &'a Tree<L>,
    /// All of its attributes, as plain values.
    pub values: &'a Value,
    /// Its tags, beside those that an attribute holds; `None`: they stay as they are.
    pub tags: Option<&'a BTreeMap<String, String>>,
    /// Whether an attribute that nobody sets is written with its default.
    pub writes_defaults: bool,
    /// Makes one text of a document.
    pub document: fn(Tree<L>) -> Tree<L>,
}

/// A resource in a tool's words.
#[derive(Clone, Debug)]
pub struct Placed<L> {
    pub main: Tree<L>,
    /// Resources of their own that hold a part.
    pub parts: Vec<PlacedPart<L>>,
    /// Arguments that hold a secret, and are left out.
    pub secrets: Vec<String>,
    /// Attributes that are left out, and why.
    pub left_out: Vec<(String, String)>,
    /// The attributes that are written, with their paths as [`leaves`](super::counterpart::leaves) has them.
    pub attributes: BTreeSet<String>,
}

/// A part of a resource that is one of its own there.
#[derive(Clone, Debug)]
pub struct PlacedPart<L> {
    pub type_name: String,
    /// The entry or the element it stands for.
    pub star: Option<String>,
    pub main: Tree<L>,
}

/// Puts the attributes of a resource where the tool keeps them.
pub fn placed<L: Clone>(subject: &Subject<'_, L>, tool: Tool) -> Placed<L> {
    placed_into(subject, tool, Tree::Map(BTreeMap::new()), &|_| true)
}

/// The same for some attributes, beside what is there.
fn placed_into<L: Clone>(
    subject: &Subject<'_, L>,
    tool: Tool,
    mut main: Tree<L>,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Placed<L> {
    let counterpart = subject.resource_type.counterpart(tool);
    let placed = Placed {
        main: Tree::Null,
        parts: Vec::new(),
        secrets: Vec::new(),
        left_out: Vec::new(),
        attributes: BTreeSet::new(),
    };
    let mut placer = Placer { subject, tool, counterpart, placed };
    let top = Level { words: Words::Own, is_entry: false, ours: String::new(), theirs: String::new() };
    let attributes = subject.resource_type.attributes.iter().filter(|(name, _)| is_wanted(name));
    placer.level(attributes, subject.attributes, &top, &mut main);
    if let (Some(path), Some(tags)) = (&counterpart.tags, subject.tags)
        && subject.resource_type.taggable
    {
        let mut all = match read(&main, &path.segments) {
            Some(Tree::Map(present)) => present,
            _ => BTreeMap::new(),
        };
        all.extend(tags.iter().map(|(key, value)| (key.clone(), Tree::Text(value.clone()))));
        put(&mut main, &path.segments, Tree::Map(all));
    }
    placer.placed.main = main;
    placer.placed
}

/// The value of an attribute as a text.
pub fn text(values: &Value, name: &str) -> Option<String> {
    match values.get(name)? {
        Tree::Null => None,
        Tree::Text(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Which names are in use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// The tool's own.
    Own,
    /// Those of a document: CloudFormation's, beginning in lower case.
    Document,
}

/// Attributes that stand together.
struct Level {
    words: Words,
    /// They are an entry of a list, of which only what is set is written: AWS keeps no defaults there.
    is_entry: bool,
    /// Our path to them: `containers[].log`.
    ours: String,
    /// The tool's, where the specs do not say it: `HealthCheck` or `health_check[]`.
    theirs: String,
}

struct Placer<'a, L> {
    subject: &'a Subject<'a, L>,
    tool: Tool,
    counterpart: &'a Counterpart,
    placed: Placed<L>,
}

impl<L: Clone> Placer<'_, L> {
    fn level<'a>(
        &mut self,
        attributes: impl Iterator<Item = (&'a String, &'a Attribute)>,
        values: &Tree<L>,
        level: &Level,
        root: &mut Tree<L>,
    ) {
        // What goes beside others comes after them.
        let (late, early): (Vec<_>, Vec<_>) = attributes.partition(|(_, attribute)| {
            let paths = attribute.place(self.tool).paths();
            paths.iter().flat_map(|path| &path.segments).any(|segment| segment.element == Element::Present)
        });
        for (name, attribute) in early.into_iter().chain(late) {
            let value = values.get(name).filter(|value| !value.is_null());
            self.attribute(name, attribute, value, level, root);
        }
    }

    fn attribute(
        &mut self,
        name: &str,
        attribute: &Attribute,
        value: Option<&Tree<L>>,
        level: &Level,
        root: &mut Tree<L>,
    ) {
        if attribute.computed {
            return;
        }
        let ours = join(&level.ours, ".", name);
        let theirs = match (self.tool, level.words) {
            (Tool::CloudFormation, _) | (_, Words::Document) => join(&level.theirs, ".", &pascal(name)),
            (Tool::Terraform, Words::Own) => join(&level.theirs, "[].", name),
        };
        if let Shape::Object(children) = &attribute.shape {
            if value.is_some() || self.writes_default(level) && attribute.has_default() {
                let level = Level { ours, theirs, ..*level };
                self.level(children.iter(), value.unwrap_or(&Tree::Null), &level, root);
            }
            return;
        }
        let is_always = level.is_entry && attribute.place(self.tool).is_always;
        let default = attribute.default.as_ref().filter(|_| is_always || self.writes_default(level));
        let Some(value) = value.cloned().or(default.map(Value::lift)) else { return };
        if let Some(why) = &attribute.left_out {
            self.placed.left_out.push((ours, why.clone()));
            return;
        }
        let tool = if level.words == Words::Document { Tool::CloudFormation } else { self.tool };
        let place = attribute.place(tool);
        if place.is_absent {
            return;
        }
        let paths = self.paths(place, &theirs);
        if attribute.sensitive && self.tool == Tool::Terraform {
            self.placed.secrets.extend(paths.iter().map(Path::plain));
            self.placed.attributes.insert(ours);
            return;
        }
        let Some(value) = self.converted(&value, attribute, place, level.words, &ours) else { return };
        for path in paths {
            let segments = if level.words == Words::Document { lowered(&path.segments) } else { path.segments };
            self.write(root, &segments, &value, &ours);
        }
        self.placed.attributes.insert(ours);
    }

    /// Whether what nobody sets is written with its default.
    fn writes_default(&self, level: &Level) -> bool {
        self.subject.writes_defaults && !level.is_entry
    }

    /// Where the value goes.
    fn paths(&self, place: &Place, default: &str) -> Vec<Path> {
        paths(place, default, self.subject.values)
    }

    /// The value as the tool has it; `None` if it has none for it.
    fn converted(
        &mut self,
        value: &Tree<L>,
        attribute: &Attribute,
        place: &Place,
        words: Words,
        ours: &str,
    ) -> Option<Tree<L>> {
        let printed = value.plain().map(|plain| plain.as_text().map_or_else(|| plain.to_string(), str::to_owned));
        if !place.values.is_empty() {
            return place.values.get(&printed?).map(Value::lift);
        }
        if place.as_text && !matches!(value, Tree::Text(_) | Tree::Leaf(_)) {
            return printed.map(Tree::Text);
        }
        let document = self.subject.document;
        let is_document =
            |attribute: &Attribute| self.tool == Tool::Terraform && matches!(attribute.shape, Shape::Json);
        Some(match (value, &attribute.shape) {
            (Tree::List(items), Shape::List(element)) => {
                let words = if place.as_document { Words::Document } else { words };
                let items = items.iter().map(|item| match &element.shape {
                    Shape::Object(children) => {
                        let (ours, theirs) = (format!("{ours}[]"), String::new());
                        let level = Level { words, is_entry: true, ours, theirs };
                        let mut root = Tree::Map(BTreeMap::new());
                        self.level(children.iter(), item, &level, &mut root);
                        root
                    }
                    _ => item.clone(),
                });
                let items: Vec<Tree<L>> = items.collect();
                // Of blocks there is none, not a list without one.
                let is_blocks = self.tool == Tool::Terraform && matches!(element.shape, Shape::Object(_));
                if items.is_empty() && is_blocks && !place.as_document {
                    return None;
                }
                let list = Tree::List(items);
                if place.as_document { document(list) } else { list }
            }
            (Tree::Map(entries), Shape::Map(element)) if is_document(element) => {
                Tree::Map(entries.iter().map(|(key, value)| (key.clone(), document(value.clone()))).collect())
            }
            (value, _) if is_document(attribute) => document(value.clone()),
            (value, _) => value.clone(),
        })
    }

    /// Writes a value into the resource, or into the parts that hold it.
    fn write(&mut self, root: &mut Tree<L>, segments: &[Segment], value: &Tree<L>, ours: &str) {
        let Some((first, rest)) = segments.split_first() else { return };
        if !self.counterpart.parts.contains_key(&first.name) {
            put(root, segments, value.clone());
            return;
        }
        let mut add = |star: Option<&str>, before: Option<(&str, Tree<L>)>, rest: &[Segment], value: Tree<L>| {
            let parts = &mut self.placed.parts;
            let is_it = |part: &PlacedPart<L>| part.type_name == first.name && part.star.as_deref() == star;
            let at = parts.iter().position(is_it).unwrap_or_else(|| {
                let (type_name, star) = (first.name.clone(), star.map(str::to_owned));
                parts.push(PlacedPart { type_name, star, main: Tree::Map(BTreeMap::new()) });
                parts.len() - 1
            });
            let Some(part) = parts.get_mut(at) else { return };
            if let Some((key, value)) = before {
                part.main.set(&[key], value);
            }
            put(&mut part.main, rest, value);
        };
        match (&first.element, value) {
            (Element::EachEntry(key), Tree::Map(entries)) => {
                for (name, value) in entries {
                    add(Some(name), Some((key, Tree::Text(name.clone()))), rest, value.clone());
                }
            }
            (Element::EachItem, Tree::List(items)) => {
                // An element is called what it is, also where a reference is written for it.
                let plain = self.subject.values.get(ours).and_then(Tree::as_list).unwrap_or_default();
                for (item, plain) in items.iter().zip(plain) {
                    add(plain.as_text(), None, rest, item.clone());
                }
            }
            (_, value) => add(None, None, rest, value.clone()),
        }
    }
}

/// A name below another one.
fn join(above: &str, dot: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}{dot}{name}") }
}

/// Where a value stands in a resource with these values; `default` is where its name says.
fn paths(place: &Place, default: &str, values: &Value) -> Vec<Path> {
    match &place.paths {
        None => Path::parse(default).into_iter().collect(),
        Some(Paths::All(paths)) => paths.clone(),
        Some(Paths::By { attribute, paths }) => {
            let path = text(values, attribute).and_then(|value| paths.get(&value));
            path.cloned().into_iter().collect()
        }
    }
}

/// Names that begin in lower case.
fn lowered(segments: &[Segment]) -> Vec<Segment> {
    let lower = |name: &str| {
        let (first, rest) = name.split_at(name.len().min(1));
        format!("{}{rest}", first.to_lowercase())
    };
    let lower_keys = |constants: &[(Path, String)]| {
        let lowered = constants.iter().map(|(path, value)| {
            let segments = lowered(&path.segments);
            (Path { segments, ..path.clone() }, value.clone())
        });
        lowered.collect::<Vec<_>>()
    };
    let element = |element: &Element| match element {
        Element::With(constants) => Element::With(lower_keys(constants)),
        Element::One(constants) => Element::One(lower_keys(constants)),
        Element::EachEntry(key) => Element::EachEntry(lower(key)),
        other => other.clone(),
    };
    segments.iter().map(|segment| Segment { name: lower(&segment.name), element: element(&segment.element) }).collect()
}

/// Puts a value at the end of a path, and makes what is on the way.
pub fn put<L: Clone>(root: &mut Tree<L>, segments: &[Segment], value: Tree<L>) {
    let Some((first, rest)) = segments.split_first() else {
        *root = value;
        return;
    };
    if !matches!(root, Tree::Map(_)) {
        *root = Tree::Map(BTreeMap::new());
    }
    let Tree::Map(entries) = root else { return };
    let made = |constants: &[(Path, String)]| {
        let mut table = Tree::<L>::Map(BTreeMap::new());
        for (path, value) in constants {
            put(&mut table, &path.segments, Tree::Text(value.clone()));
        }
        table
    };
    match &first.element {
        // Only a value that is read has a number.
        Element::Nth(_) => {}
        Element::Plain => put(entries.entry(first.name.clone()).or_default(), rest, value),
        Element::Present => match entries.get_mut(&first.name) {
            Some(Tree::List(items)) => items.iter_mut().for_each(|item| put(item, rest, value.clone())),
            Some(table) => put(table, rest, value),
            None => {}
        },
        Element::With(constants) => {
            let table = entries.entry(first.name.clone()).or_insert_with(|| made(constants));
            put(table, rest, value);
        }
        Element::One(constants) => {
            let list = entries.entry(first.name.clone()).or_insert_with(|| Tree::List(Vec::new()));
            let Tree::List(items) = list else { return };
            let has_all = |item: &Tree<L>| {
                let plain = |path: &Path| path.segments.first().filter(|_| path.segments.len() == 1).cloned();
                let mut plain = constants.iter().filter_map(|(path, value)| Some((plain(path)?, value)));
                plain.all(|(key, value)| item.get(&key.name).and_then(Tree::as_text) == Some(value))
            };
            let at = items.iter().position(|item| !rest.is_empty() && has_all(item)).unwrap_or_else(|| {
                items.push(made(constants));
                items.len() - 1
            });
            if let Some(item) = items.get_mut(at) {
                put(item, rest, value);
            }
        }
        Element::New => {
            let list = entries.entry(first.name.clone()).or_insert_with(|| Tree::List(Vec::new()));
            let Tree::List(items) = list else { return };
            let mut item = Tree::Map(BTreeMap::new());
            put(&mut item, rest, value);
            items.push(item);
        }
        Element::EachEntry(key) => {
            let Tree::Map(values) = value else { return };
            let items = values.into_iter().map(|(name, value)| {
                let mut item = Tree::Map(BTreeMap::from([(key.clone(), Tree::Text(name))]));
                put(&mut item, rest, value);
                item
            });
            entries.insert(first.name.clone(), Tree::List(items.collect()));
        }
        Element::EachItem => {
            let Tree::List(values) = value else { return };
            let items = values.into_iter().map(|value| {
                let mut item = Tree::Map(BTreeMap::new());
                put(&mut item, rest, value);
                item
            });
            entries.insert(first.name.clone(), Tree::List(items.collect()));
        }
    }
}
