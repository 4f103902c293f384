//! Where a tool keeps what a resource is: from our attributes to its properties.

use std::collections::{BTreeMap, BTreeSet};

use crate::spec::counterpart::{Counterpart, Element, Path, Paths, Place, Segment, Tool, pascal};
use crate::spec::types::{Attribute, Shape};
use crate::value::{Tree, Value};

use super::{Item, Leaf, Part, Written};

/// A resource in a tool's words.
#[derive(Clone, Debug, Default)]
pub struct Placed {
    pub main: Written,
    /// Resources of their own that hold a part.
    pub parts: Vec<PlacedPart>,
    /// Arguments that hold a secret, and are left out.
    pub secrets: Vec<String>,
    /// Attributes that are left out, and why.
    pub left_out: Vec<(String, String)>,
    /// The attributes that are written, with their paths as [`leaves`](crate::spec::counterpart::leaves) has them.
    pub attributes: BTreeSet<String>,
}

/// A part of a resource that is one of its own there.
#[derive(Clone, Debug)]
pub struct PlacedPart {
    pub type_name: String,
    /// The entry or the element it stands for.
    pub star: Option<String>,
    pub main: Written,
}

/// Puts the attributes of a resource where the tool keeps them.
pub fn placed(item: &Item<'_>, tool: Tool) -> Placed {
    let counterpart = item.resource_type.counterpart(tool);
    let mut placer = Placer { item, tool, counterpart, placed: Placed::default() };
    let mut main = Tree::Map(BTreeMap::new());
    let top = Level { words: Words::Own, is_entry: false, ours: String::new(), theirs: String::new() };
    placer.level(&item.resource_type.attributes, &item.attributes, &top, &mut main);
    if let Some(path) = &counterpart.tags
        && item.resource_type.taggable
    {
        let tags = item.tags.iter().map(|(key, value)| (key.clone(), Tree::Text(value.clone()))).collect();
        put(&mut main, &path.segments, Tree::Map(tags));
    }
    placer.placed.main = main;
    placer.placed
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

struct Placer<'a> {
    item: &'a Item<'a>,
    tool: Tool,
    counterpart: &'a Counterpart,
    placed: Placed,
}

impl Placer<'_> {
    fn level(&mut self, attributes: &BTreeMap<String, Attribute>, values: &Written, level: &Level, root: &mut Written) {
        // What goes beside others comes after them.
        let (late, early): (Vec<_>, Vec<_>) = attributes.iter().partition(|(_, attribute)| {
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
        value: Option<&Written>,
        level: &Level,
        root: &mut Written,
    ) {
        if attribute.computed {
            return;
        }
        let join = |above: &str, dot: &str, name: &str| {
            if above.is_empty() { name.to_owned() } else { format!("{above}{dot}{name}") }
        };
        let ours = join(&level.ours, ".", name);
        let theirs = match (self.tool, level.words) {
            (Tool::CloudFormation, _) | (_, Words::Document) => join(&level.theirs, ".", &pascal(name)),
            (Tool::Terraform, Words::Own) => join(&level.theirs, "[].", name),
        };
        if let Shape::Object(children) = &attribute.shape {
            if value.is_some() || !level.is_entry && children.values().all(has_default) {
                let level = Level { ours, theirs, ..*level };
                self.level(children, value.unwrap_or(&Tree::Null), &level, root);
            }
            return;
        }
        let default = attribute.default.as_ref().filter(|_| !level.is_entry || attribute.place(self.tool).is_always);
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

    /// Where the value goes.
    fn paths(&self, place: &Place, default: &str) -> Vec<Path> {
        match &place.paths {
            None => Path::parse(default).into_iter().collect(),
            Some(Paths::All(paths)) => paths.clone(),
            Some(Paths::By { attribute, paths }) => {
                let path = self.item.text(attribute).and_then(|value| paths.get(&value));
                path.cloned().into_iter().collect()
            }
        }
    }

    /// The value as the tool has it; `None` if it has none for it.
    fn converted(
        &mut self,
        value: &Written,
        attribute: &Attribute,
        place: &Place,
        words: Words,
        ours: &str,
    ) -> Option<Written> {
        let printed = value.plain().map(|plain| plain.as_text().map_or_else(|| plain.to_string(), str::to_owned));
        if !place.values.is_empty() {
            return place.values.get(&printed?).map(Value::lift);
        }
        if place.as_text && !matches!(value, Tree::Text(_) | Tree::Leaf(_)) {
            return printed.map(Tree::Text);
        }
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
                        self.level(children, item, &level, &mut root);
                        root
                    }
                    _ => item.clone(),
                });
                let items: Vec<Written> = items.collect();
                // Of blocks there is none, not a list without one.
                let is_blocks = self.tool == Tool::Terraform && matches!(element.shape, Shape::Object(_));
                if items.is_empty() && is_blocks && !place.as_document {
                    return None;
                }
                let list = Tree::List(items);
                if place.as_document { Tree::Leaf(Leaf::Document(Box::new(list))) } else { list }
            }
            (Tree::Map(entries), Shape::Map(element)) if is_document(element) => {
                let document = |value: &Written| Tree::Leaf(Leaf::Document(Box::new(value.clone())));
                Tree::Map(entries.iter().map(|(key, value)| (key.clone(), document(value))).collect())
            }
            (value, _) if is_document(attribute) => Tree::Leaf(Leaf::Document(Box::new(value.clone()))),
            (value, _) => value.clone(),
        })
    }

    /// Writes a value into the resource, or into the parts that hold it.
    fn write(&mut self, root: &mut Written, segments: &[Segment], value: &Written, ours: &str) {
        let Some((first, rest)) = segments.split_first() else { return };
        if !self.counterpart.parts.contains_key(&first.name) {
            put(root, segments, value.clone());
            return;
        }
        let mut add = |star: Option<&str>, before: Option<(&str, Written)>, rest: &[Segment], value: Written| {
            let parts = &mut self.placed.parts;
            let is_it = |part: &PlacedPart| part.type_name == first.name && part.star.as_deref() == star;
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
                let plain = self.item.values.get(ours).and_then(Tree::as_list).unwrap_or_default();
                for (item, plain) in items.iter().zip(plain) {
                    add(plain.as_text(), None, rest, item.clone());
                }
            }
            (_, value) => add(None, None, rest, value.clone()),
        }
    }
}

fn has_default(attribute: &Attribute) -> bool {
    match &attribute.shape {
        Shape::Object(children) => children.values().all(has_default),
        _ => attribute.default.is_some(),
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
pub fn put(root: &mut Written, segments: &[Segment], value: Written) {
    let Some((first, rest)) = segments.split_first() else {
        *root = value;
        return;
    };
    if !matches!(root, Tree::Map(_)) {
        *root = Tree::Map(BTreeMap::new());
    }
    let Tree::Map(entries) = root else { return };
    let made = |constants: &[(Path, String)]| {
        let mut table = Tree::Map(BTreeMap::new());
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
            let has_all = |item: &Written| {
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

/// A text with references, in one spelling per reference.
pub fn spelled(
    parts: &[Part],
    literal: impl Fn(&str) -> String,
    reference: impl Fn(&super::Reference) -> Option<String>,
) -> Option<String> {
    let pieces = parts.iter().map(|part| match part {
        Part::Literal(text) => Some(literal(text)),
        Part::Reference(found) => reference(found),
    });
    pieces.collect()
}
