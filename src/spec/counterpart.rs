//! What other tools call a type and its attributes: CloudFormation (`cfn`) and Terraform (`terraform`).
//!
//! A [`Counterpart`] stands on a type and says which resource of the tool it is, and how that is named to it. A
//! [`Place`] stands on an attribute and says where the tool keeps its value. Both are read by `export`, which changes
//! nothing, and by whoever asks AWS in the words of CloudFormation, for types that nothing else is written for.
//!
//! # Paths
//!
//! A [`Path`] is names with dots between them, from the resource or from the entry of a list inwards. A name may be
//! followed by:
//!
//! | | means |
//! | --- | --- |
//! | `[]` | a list of one element |
//! | `[Key=idle_timeout]` | the element of a list that has this, and others of the kind beside it. What it has is a path, too |
//! | `[Name=*]` | an element per entry of our map; the key goes into `Name` |
//! | `[+]` | an element of its own |
//! | `[*]` | an element per element of our list |
//! | `[0]` | the element of this number, of a value that is only read |
//! | `{Status=Enabled}` | a table that has this besides |
//! | `?` | the table is written into only if something else has made it |

use std::collections::BTreeMap;
use std::fmt;

use super::reader::Reader;
use super::types::{Attribute, ResourceType, Shape, Types, placeholders};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::{Content, Node};
use crate::value::Value;

/// A tool that infrastructure can be handed over to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    CloudFormation,
    Terraform,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::CloudFormation, Self::Terraform];

    /// The key of the specs.
    pub fn key(self) -> &'static str {
        match self {
            Self::CloudFormation => "cfn",
            Self::Terraform => "terraform",
        }
    }

    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::CloudFormation => "CloudFormation",
            Self::Terraform => "Terraform",
        }
    }
}

/// What a tool has for a type.
#[derive(Clone, Debug, Default)]
pub struct Counterpart {
    pub kind: Kind,
    /// What names a resource to the tool when it is imported: a template by property. One template without a name
    /// stands under the empty one. Empty: the identity does.
    pub identifier: BTreeMap<String, String>,
    /// Where its tags are; `None` if the tool has none for it.
    pub tags: Option<Path>,
    /// Resources of the tool that hold a part of ours, by their type.
    pub parts: BTreeMap<String, Part>,
    /// What whoever goes on there has to know, in a sentence or two.
    pub note: Option<String>,
}

/// Which resource of a tool a type is.
#[derive(Clone, Debug, Default)]
pub enum Kind {
    /// The specs do not say it, which lint refuses.
    #[default]
    Unsaid,
    /// The tool has no such thing.
    None,
    One(String),
    /// It depends on the value of an attribute.
    By {
        attribute: String,
        names: BTreeMap<String, String>,
    },
    /// It is an entry of the resource that `attribute` names: its attribute `value`, at `path`.
    Inside {
        attribute: String,
        path: Path,
        value: String,
    },
}

impl Counterpart {
    /// The tool's name of a resource with these attributes, or of the type if it has only one.
    pub fn name(&self, attribute: impl Fn(&str) -> Option<String>) -> Option<&str> {
        match &self.kind {
            Kind::One(name) => Some(name),
            Kind::By { attribute: decides, names } => names.get(&attribute(decides)?).map(String::as_str),
            Kind::Unsaid | Kind::None | Kind::Inside { .. } => None,
        }
    }

    /// Every name that the tool has for the type.
    pub fn names(&self) -> Vec<&str> {
        match &self.kind {
            Kind::One(name) => vec![name],
            Kind::By { names, .. } => names.values().map(String::as_str).collect(),
            Kind::Unsaid | Kind::None | Kind::Inside { .. } => Vec::new(),
        }
    }
}

/// A resource of the tool that holds a part of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name when it is imported: a template. `{*}` is the key or the element that it stands for.
    pub identifier: String,
    /// What else it is told: a template by argument.
    pub arguments: BTreeMap<String, String>,
}

/// Where a tool keeps the value of an attribute.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Where exactly; `None` if the attribute is where its name says.
    pub paths: Option<Paths>,
    /// The tool has no such thing.
    pub is_absent: bool,
    /// The tool's value by ours, as it is printed. Others are not written.
    pub values: BTreeMap<String, Value>,
    /// Numbers and flags are written as text.
    pub as_text: bool,
    /// It is one text of JSON, with the names of CloudFormation beginning in lower case.
    pub as_document: bool,
    /// In an entry of a list it is written even if nobody sets it, with its default.
    pub is_always: bool,
    /// Instead of its identity, this attribute of what it names is written.
    pub reference: Option<String>,
}

/// One or more paths.
#[derive(Clone, Debug)]
pub enum Paths {
    All(Vec<Path>),
    /// It depends on the value of another attribute of the resource.
    By {
        attribute: String,
        paths: BTreeMap<String, Path>,
    },
}

impl Place {
    /// Every path the specs give.
    pub fn paths(&self) -> Vec<&Path> {
        match &self.paths {
            None => Vec::new(),
            Some(Paths::All(paths)) => paths.iter().collect(),
            Some(Paths::By { paths, .. }) => paths.values().collect(),
        }
    }

    /// Whether another attribute decides where it is.
    pub fn is_decided(&self) -> bool {
        matches!(self.paths, Some(Paths::By { .. }))
    }

    /// The first path in names alone.
    pub fn plain(&self) -> Option<String> {
        self.paths().first().map(|path| path.plain())
    }
}

/// A way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// As it is written.
    pub text: String,
    pub segments: Vec<Segment>,
}

/// One name of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub name: String,
    pub element: Element,
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// A table, or the value.
    Plain,
    /// A table, if there is one already.
    Present,
    /// A table with these beside.
    With(Vec<(Path, String)>),
    /// The element of a list that has all of these.
    One(Vec<(Path, String)>),
    /// An element of its own, whatever else there is.
    New,
    /// An element per entry of a map; the key goes here.
    EachEntry(String),
    /// An element per element of a list.
    EachItem,
    /// An element by its number, of what is only read.
    Nth(usize),
}

impl Path {
    /// Reads a path. `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let end = rest.find(['.', '[', '{', '?']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() {
                return None;
            }
            let (element, after) = element(after)?;
            segments.push(Segment { name: name.to_owned(), element });
            match after.strip_prefix('.') {
                Some(more) => rest = more,
                None if after.is_empty() => break,
                None => return None,
            }
        }
        Some(Self { text: text.to_owned(), segments })
    }

    /// The names alone: `LoadBalancerAttributes.Value`.
    pub fn plain(&self) -> String {
        self.segments.iter().map(|segment| segment.name.as_str()).collect::<Vec<_>>().join(".")
    }
}

impl fmt::Display for Path {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn element(text: &str) -> Option<(Element, &str)> {
    if let Some(after) = text.strip_prefix('?') {
        return Some((Element::Present, after));
    }
    if text.starts_with('{') {
        let (inner, after) = enclosed(text)?;
        return Some((Element::With(constants(inner)?), after));
    }
    if !text.starts_with('[') {
        return Some((Element::Plain, text));
    }
    let (inner, after) = enclosed(text)?;
    let element = match inner {
        "*" => Element::EachItem,
        "+" => Element::New,
        _ if inner.parse::<usize>().is_ok() => Element::Nth(inner.parse().ok()?),
        _ => match inner.strip_suffix("=*") {
            Some(key) => Element::EachEntry(key.to_owned()),
            None => Element::One(constants(inner)?),
        },
    };
    Some((element, after))
}

/// What stands between the bracket that a text begins with and its counterpart, and what follows.
fn enclosed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (index, letter) in text.char_indices() {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some((text.get(1..index)?, text.get(index + 1..)?));
        }
    }
    None
}

/// `Id=a,Filter[].Prefix=`: paths, each with a text.
fn constants(inner: &str) -> Option<Vec<(Path, String)>> {
    let pairs = inner.split(',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (path, value) = pair.split_once('=')?;
            Some((Path::parse(path)?, value.to_owned()))
        })
        .collect()
}

/// A name in capitals at the start of each word: `engine_version` is `EngineVersion`.
pub fn pascal(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_uppercase())
    };
    name.split('_').map(capital).collect()
}

/// What a message says a path must be.
const PATH: &str = "a path such as `Actions[].Type`";

fn path(reader: &mut Reader<'_>, key: &str, node: &Node) -> Option<Path> {
    let path = node.text().and_then(Path::parse);
    if path.is_none() {
        reader.wrong(key, PATH);
    }
    path
}

/// `cfn` or `terraform` of a type.
pub fn read_counterpart(reader: &mut Reader<'_>, tool: Tool) -> Counterpart {
    let key = tool.key();
    reader.used.push(key);
    let tags = Path::parse(match tool {
        Tool::CloudFormation => "Tags[Key=*].Value",
        Tool::Terraform => "tags",
    });
    let mut result = Counterpart { tags, ..Counterpart::default() };
    let Some(node) = reader.table.get(key) else { return result };
    match &node.content {
        Content::Text(name) => result.kind = Kind::One(name.clone()),
        Content::Bool(false) => result.kind = Kind::None,
        Content::Table(_) => {
            let used = vec!["type", "id", "tags", "parts", "inside", "path", "value"];
            let mut table = Reader { diagnostics: &mut *reader.diagnostics, table: node, what: "a counterpart", used };
            result.kind = kind(&mut table);
            result.note = table.text("note");
            result.identifier = match node.get("id").map(|id| &id.content) {
                None => BTreeMap::new(),
                Some(Content::Text(text)) => BTreeMap::from([(String::new(), text.clone())]),
                Some(_) => templates(&mut table, "id"),
            };
            match node.get("tags").map(|tags| &tags.content) {
                None => {}
                Some(Content::Bool(false)) => result.tags = None,
                Some(_) => result.tags = node.get("tags").and_then(|tags| path(&mut table, "tags", tags)),
            }
            for entry in node.get("parts").map(Node::entries).unwrap_or_default() {
                let arguments = entry.node.entries().iter();
                let mut arguments: BTreeMap<String, String> = arguments
                    .filter_map(|argument| Some((argument.key.clone(), argument.node.text()?.to_owned())))
                    .collect();
                match arguments.remove("id") {
                    Some(identifier) => {
                        result.parts.insert(entry.key.clone(), Part { identifier, arguments });
                    }
                    None => table.wrong("parts", "a table of resources, each with the `id` it is imported by"),
                }
            }
            table.refuse_others();
        }
        _ => reader.wrong(key, "the name of a type, a table, or false"),
    }
    result
}

fn kind(table: &mut Reader<'_>) -> Kind {
    let node = table.table;
    let named = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
    if let Some(attribute) = named("inside") {
        let path = node.get("path").and_then(Node::text).and_then(Path::parse);
        return match (path, named("value")) {
            (Some(path), Some(value)) => Kind::Inside { attribute, path, value },
            _ => {
                table.wrong("inside", "beside the `path` and the attribute whose `value` stands there");
                Kind::None
            }
        };
    }
    match node.get("type") {
        Some(kind) if kind.text().is_some() => Kind::One(kind.text().unwrap_or_default().to_owned()),
        Some(kind) if kind.get("by").and_then(Node::text).is_some() => {
            let attribute = kind.get("by").and_then(Node::text).unwrap_or_default().to_owned();
            let names = kind.entries().iter().filter(|entry| entry.key != "by");
            let names = names.filter_map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned()))).collect();
            Kind::By { attribute, names }
        }
        _ => {
            table.wrong("type", "the name of a type, or names by the value of an attribute");
            Kind::None
        }
    }
}

fn templates(reader: &mut Reader<'_>, key: &str) -> BTreeMap<String, String> {
    let node = reader.table.get(key);
    let entries = node.map(Node::entries).unwrap_or_default().iter();
    let found: Option<BTreeMap<String, String>> =
        entries.map(|entry| Some((entry.key.clone(), entry.node.text()?.to_owned()))).collect();
    found.filter(|found| !found.is_empty()).unwrap_or_else(|| {
        reader.wrong(key, "a text, or a table of texts");
        BTreeMap::new()
    })
}

/// `cfn` or `terraform` of an attribute.
pub fn read_place(reader: &mut Reader<'_>, tool: Tool) -> Place {
    let key = tool.key();
    reader.used.push(key);
    let mut place = Place::default();
    let Some(node) = reader.table.get(key) else { return place };
    match &node.content {
        Content::Bool(false) => place.is_absent = true,
        // Where a secret can be read by whoever needs it.
        Content::Text(text) if text.starts_with("{{") => {
            let segments = Vec::new();
            place.paths = Some(Paths::All(vec![Path { text: text.clone(), segments }]));
        }
        Content::Text(_) => place.paths = path(reader, key, node).map(|path| Paths::All(vec![path])),
        Content::List(items) => {
            let paths = items.iter().filter_map(|item| path(reader, key, item)).collect();
            place.paths = Some(Paths::All(paths));
        }
        Content::Table(entries) if node.get("by").is_some() => {
            let attribute = node.get("by").and_then(Node::text).unwrap_or_default().to_owned();
            let entries = entries.iter().filter(|entry| entry.key != "by");
            let paths =
                entries.filter_map(|entry| Some((entry.key.clone(), path(reader, key, &entry.node)?))).collect();
            place.paths = Some(Paths::By { attribute, paths });
        }
        Content::Table(_) => {
            let what = "a counterpart";
            let mut table = Reader { diagnostics: &mut *reader.diagnostics, table: node, what, used: vec!["values"] };
            let text = table.text("path");
            place.as_text = table.flag("text", false);
            place.as_document = table.flag("document", false);
            place.is_always = table.flag("always", false);
            place.reference = table.text("reference");
            let values = node.get("values").map(Node::entries).unwrap_or_default().iter();
            place.values = values.map(|entry| (entry.key.clone(), entry.node.value())).collect();
            if let Some(text) = text {
                let path = Path::parse(&text);
                if path.is_none() {
                    table.wrong("path", PATH);
                }
                place.paths = path.map(|path| Paths::All(vec![path]));
            }
            table.refuse_others();
        }
        _ => reader.wrong(key, "a path, a list of paths, a table, or false"),
    }
    place
}

/// Types that do not say what the tools have for them, and counterparts that name what is not there.
pub fn lint(types: &Types, problems: &mut Diagnostics) {
    for resource_type in types.values().filter(|resource_type| resource_type.is_handed_over()) {
        for tool in Tool::ALL {
            let counterpart = resource_type.counterpart(tool);
            let (name, key) = (&resource_type.name, tool.key());
            if matches!(counterpart.kind, Kind::Unsaid) {
                let message = format!("type `{name}` does not say what it is in {}", tool.title());
                problems.push(
                    Diagnostic::error("missing-counterpart", message)
                        .at(&resource_type.location, "")
                        .hint(format!("write `{key}` with its name there, or `{key} = false` if it has none")),
                );
            }
            for wanted in named(counterpart) {
                if !resource_type.attributes.contains_key(wanted) {
                    let message = format!("type `{name}` has no attribute `{wanted}`");
                    problems.push(
                        Diagnostic::error("unknown-attribute", message)
                            .at(&resource_type.location, format!("its `{key}` names it")),
                    );
                }
            }
            if let Some(wrong) = unnamed(resource_type, tool) {
                let message = format!("`{key}` of `{name}` {wrong}");
                problems.push(Diagnostic::error("wrong-type", message).at(&resource_type.location, ""));
            }
            for (path, attribute) in leaves(resource_type) {
                if let Some(wrong) = complaint(resource_type, tool, attribute) {
                    let message = format!("`{key}` of `{name}.{path}` {wrong}");
                    problems.push(Diagnostic::error("wrong-type", message).at(&attribute.location, ""));
                }
            }
        }
    }
}

/// The attributes that a counterpart of a type names.
fn named(counterpart: &Counterpart) -> Vec<&str> {
    let by = match &counterpart.kind {
        Kind::By { attribute, .. } => vec![attribute.as_str()],
        Kind::Inside { attribute, value, .. } => vec![attribute.as_str(), value.as_str()],
        Kind::Unsaid | Kind::None | Kind::One(_) => Vec::new(),
    };
    let parts = counterpart.parts.values();
    let templates = parts.flat_map(|part| part.arguments.values().chain([&part.identifier]));
    let templates = templates.chain(counterpart.identifier.values());
    templates.flat_map(|template| placeholders(template)).filter(|name| *name != "*").chain(by).collect()
}

/// What is wrong with the name of a type in a tool.
fn unnamed(resource_type: &ResourceType, tool: Tool) -> Option<String> {
    match &resource_type.counterpart(tool).kind {
        Kind::By { attribute, names } => {
            let values = resource_type.attributes.get(attribute).map(|attribute| &attribute.values)?;
            let missing = values.iter().filter_map(Value::as_text).find(|value| !names.contains_key(*value))?;
            Some(format!("has no name for `{attribute}` {missing}"))
        }
        Kind::Inside { .. } if tool == Tool::Terraform => Some("cannot be inside of another resource".to_owned()),
        _ => None,
    }
}

fn complaint(resource_type: &ResourceType, tool: Tool, attribute: &Attribute) -> Option<String> {
    let place = attribute.place(tool);
    if let Some(Paths::By { attribute: decides, .. }) = &place.paths
        && !resource_type.attributes.contains_key(decides)
    {
        return Some(format!("depends on `{decides}`, which is no attribute"));
    }
    let is_list = matches!(attribute.shape, Shape::List(_));
    let is_map = matches!(attribute.shape, Shape::Map(_));
    for segment in place.paths().iter().flat_map(|path| &path.segments) {
        match segment.element {
            Element::EachItem if !is_list => return Some("has an element per element, and is no list".to_owned()),
            Element::Nth(_) if !attribute.computed => return Some("has a number, and is not only read".to_owned()),
            Element::EachEntry(_) if !is_map => return Some("has an element per entry, and is no map".to_owned()),
            _ => {}
        }
    }
    if place.reference.is_some() && attribute.refers_to.is_none() {
        return Some("has a `reference`, and the attribute does not say what it refers to".to_owned());
    }
    None
}

/// Every attribute of a type that holds a value, and every list of them, with its path.
pub fn leaves(resource_type: &ResourceType) -> Vec<(String, &Attribute)> {
    fn visit<'a>(path: &str, attribute: &'a Attribute, found: &mut Vec<(String, &'a Attribute)>) {
        let below =
            |suffix: &str, children: &'a BTreeMap<String, Attribute>, found: &mut Vec<(String, &'a Attribute)>| {
                for (name, child) in children {
                    visit(&format!("{path}{suffix}.{name}"), child, found);
                }
            };
        match &attribute.shape {
            Shape::Object(children) => below("", children, found),
            Shape::List(element) => {
                found.push((path.to_owned(), attribute));
                if let Shape::Object(children) = &element.shape {
                    below("[]", children, found);
                }
            }
            _ => found.push((path.to_owned(), attribute)),
        }
    }
    let mut found = Vec::new();
    for (name, attribute) in &resource_type.attributes {
        visit(name, attribute, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{OverlayFile, Specs};

    #[test]
    fn a_path_says_what_stands_behind_each_name() {
        let path = Path::parse("Rules[Id=a.b,Status=Enabled].Days").expect("a path");
        assert_eq!(path.plain(), "Rules.Days");
        let plain = |name: &str| Path::parse(name).expect("a path");
        let one = [("Id", "a.b"), ("Status", "Enabled")].map(|(key, value)| (plain(key), value.to_owned()));
        assert_eq!(path.segments[0].element, Element::One(one.into()));
        assert_eq!(path.segments[1].element, Element::Plain);
        let element = |text: &str| Path::parse(text).map(|path| path.segments[0].element.clone());
        assert_eq!(element("a[].b"), Some(Element::One(Vec::new())));
        assert_eq!(element("a[*].b"), Some(Element::EachItem));
        assert_eq!(element("a[+].b"), Some(Element::New));
        assert_eq!(element("a[name=*].b"), Some(Element::EachEntry("name".to_owned())));
        assert_eq!(element("a?.b"), Some(Element::Present));
        assert_eq!(element("a[0].b"), Some(Element::Nth(0)));
        assert_eq!(element("a{x=y}.b"), Some(Element::With(vec![(plain("x"), "y".to_owned())])));
        assert_eq!(element("a[x[].y=z].b"), Some(Element::One(vec![(plain("x[].y"), "z".to_owned())])));
        for wrong in ["", "a.", ".a", "a[", "a[]b", "a[b]"] {
            assert_eq!(Path::parse(wrong), None, "{wrong}");
        }
    }

    /// What is wrong with a type that says this of itself and has this one attribute besides its name.
    fn problems(of_type: &str, attribute: &str) -> String {
        let text = format!(
            "[thing]\ndoc = \"A thing.\"\nidentity = [\"name\"]\nprice.free = \"It is air.\"\n{of_type}\n\
             [thing.attributes]\nname = {{ type = \"string\", doc = \"Its name.\" }}\nit = {attribute}\n"
        );
        let overlay = OverlayFile { name: "specs/types/a.toml".into(), types_of: Some("a".into()), text };
        match Specs::read(&[overlay]) {
            Ok(specs) => specs.lint().to_string(),
            Err(problems) => problems.to_string(),
        }
    }

    #[test]
    fn every_type_says_what_the_tools_have_for_it() {
        let plain = "{ type = \"string\", doc = \"It.\" }";
        let none = "cfn = false\nterraform = false";
        assert_eq!(problems(none, plain), "");
        assert!(problems("cfn = false", plain).contains("`a.thing` does not say what it is in Terraform"));
        assert!(problems("terraform = false", plain).contains("`a.thing` does not say what it is in CloudFormation"));
        for (of_type, attribute, expected) in [
            ("cfn = 1\nterraform = false", plain, "`cfn` must be the name of a type, a table, or false"),
            ("cfn = { type = \"A\", id = { Id = \"{ide}\" } }\nterraform = false", plain, "has no attribute `ide`"),
            ("cfn = { inside = \"it\" }\nterraform = false", plain, "beside the `path` and the attribute"),
            ("cfn = { kind = \"A\" }\nterraform = false", plain, "unknown key `kind`"),
            ("cfn = false\nterraform = { type = \"a\", parts = { b = { c = \"d\" } } }", plain, "each with the `id`"),
            (
                "cfn = { type = { by = \"it\", a = \"A\" } }\nterraform = false",
                "{ type = \"string\", values = [\"a\", \"b\"], doc = \"It.\" }",
                "has no name for `it` b",
            ),
            (
                "cfn = false\nterraform = { inside = \"it\", path = \"a\", value = \"name\" }",
                plain,
                "cannot be inside of another resource",
            ),
            (none, "{ type = \"string\", cfn = \"A[\", doc = \"It.\" }", "a path such as"),
            (none, "{ type = \"string\", cfn = \"A[*].B\", doc = \"It.\" }", "and is no list"),
            (none, "{ type = \"string\", terraform = \"a[b=*].c\", doc = \"It.\" }", "and is no map"),
            (none, "{ type = \"string\", cfn = \"A[0].B\", doc = \"It.\" }", "and is not only read"),
            (none, "{ type = \"string\", cfn = { by = \"that\", a = \"B\" }, doc = \"It.\" }", "depends on `that`"),
            (none, "{ type = \"string\", terraform = { reference = \"arn\" }, doc = \"It.\" }", "what it refers to"),
            (none, "{ type = \"string\", cfn = { pth = \"A\" }, doc = \"It.\" }", "unknown key `pth`"),
        ] {
            let said = problems(of_type, attribute);
            assert!(said.contains(expected), "{of_type} {attribute}: {said}");
        }
    }
}
