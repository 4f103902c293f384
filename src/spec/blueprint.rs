//! The blueprint: inputs, resources and outputs, as `specs/mastodon/*.toml` describes them.
//!
//! Reading checks the form of what is written; whether the names in it exist is [`super::lint`]'s question.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::Limits;
use super::news::News;
use super::pricing::{self, Item};
use super::probe::Probe;
use super::reader::Reader;
use super::types::Order;
use crate::address::{Address, TypeName};
use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::document::{Content, Entry, Node};
use crate::expr::{Template, TemplateTree};
use crate::value::{AttributePath, Tree, Value};

/// All files of the blueprint as one document.
#[derive(Clone, Debug, Default)]
pub struct Blueprint {
    pub instance: BTreeMap<String, TemplateTree>,
    /// By path joined with dots; in the order of the files for `init` and the documentation.
    pub inputs: Vec<Input>,
    pub locals: BTreeMap<String, Local>,
    pub resources: BTreeMap<ResourceName, Arc<Resource>>,
    pub checks: Vec<Check>,
    pub outputs: Vec<Output>,
    /// What an instance costs beside its resources.
    pub expenses: Vec<Item>,
    /// Other settings whose cost is worth knowing.
    pub choices: Vec<Choice>,
    /// What can be run beside what is kept, by the name of the command.
    pub commands: BTreeMap<String, Tool>,
    /// Sessions that can be opened beside what is kept, by the name of the command.
    pub doors: BTreeMap<String, Door>,
    /// Jobs that find something out, by name: probes ask them.
    pub inquiries: BTreeMap<String, Inquiry>,
    /// What does not work in a simulated cloud, as it would not in the real one.
    pub laws: Vec<Law>,
    /// What a running instance answers if it works; in the order of the files.
    pub probes: Vec<Probe>,
    /// What a plan says besides its changes; in the order of the files.
    pub notes: Vec<Note>,
    /// What somebody else publishes and is asked while a plan is made.
    pub news: Vec<News>,
}

/// Something that a plan says, where it applies.
#[derive(Clone, Debug)]
pub struct Note {
    pub name: String,
    pub when: Option<Arc<Template>>,
    pub text: TemplateTree,
    pub location: Location,
}

/// A job that runs what a person asks for.
#[derive(Clone, Debug)]
pub struct Tool {
    /// What the job is made of, but for what is asked for.
    pub resource: Resource,
    /// The list that holds what is asked for, word by word.
    pub takes: String,
    /// The attribute in which the cloud says what the program ended with.
    pub exit_code: String,
    /// Words that take the instance's name beside them.
    pub dangers: Vec<String>,
}

/// A job that does nothing but wait while a person works in it.
#[derive(Clone, Debug)]
pub struct Door {
    /// What the job is made of. Its program must end by itself: nobody else may be there to stop it.
    pub resource: Resource,
    /// What the person works with.
    pub opens: String,
}

/// A job that finds something out, and prints it as a line of JSON.
#[derive(Clone, Debug)]
pub struct Inquiry {
    pub resource: Resource,
    /// The attribute in which the cloud says what the program ended with.
    pub exit_code: String,
    /// What it prints in a simulated cloud, in which nothing runs.
    pub prints: Vec<String>,
}

/// Something that fails as long as something else has not been done: a program whose database has no tables.
#[derive(Clone, Debug)]
pub struct Law {
    /// What fails.
    pub resource: ResourceName,
    /// The job that must have ended well.
    pub without: ResourceName,
    /// What the cloud says then.
    pub reason: String,
    pub location: Location,
}

/// Settings that somebody may choose instead of the present ones, to see what that would cost.
#[derive(Clone, Debug)]
pub struct Choice {
    pub name: String,
    /// Paths of settings, joined by dots, with their values.
    pub set: Vec<(String, Value)>,
    /// What it means for people.
    pub doc: String,
    pub location: Location,
}

/// Type and name of a resource: its address without the key of an `each`.
pub type ResourceName = (TypeName, String);

/// A setting of `mastodon.toml`.
#[derive(Clone, Debug)]
pub struct Input {
    /// `["database", "min_capacity"]`
    pub path: Vec<String>,
    pub shape: InputShape,
    pub values: Vec<Value>,
    pub limits: Limits,
    /// May read other inputs.
    pub default: Option<TemplateTree>,
    pub required: bool,
    /// It can never be changed after the first apply.
    pub frozen: bool,
    /// The value that an instance has that was made before there was this setting, as long as its file says nothing.
    pub before: Option<Value>,
    /// Defaults of earlier versions: nobody has edited a setting that had one of these and has the default of today.
    pub was: Vec<Value>,
    /// Values that are known to exist. Another one is warned of, with the most similar one.
    pub known: Vec<String>,
    /// It is an ARN, or a table or list of them, of the account that the instance is in.
    pub own_account: bool,
    /// No two instances have the same.
    pub unique: bool,
    pub doc: String,
    pub example: Option<Value>,
    pub deprecated: Option<String>,
    pub location: Location,
}

impl Input {
    /// `database.min_capacity`
    pub fn name(&self) -> String {
        self.path.join(".")
    }
}

/// What an input may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputShape {
    Text,
    Integer,
    Number,
    Bool,
    Enum,
    /// A number, or three of them that do not fall: low, typical, high.
    Spread,
    List(Box<InputShape>),
    Map(Box<InputShape>),
}

impl InputShape {
    pub fn words(&self) -> &'static str {
        match self {
            Self::Text | Self::Enum => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Spread => "a number, or three that do not fall: [low, typical, high]",
            Self::List(_) => "a list",
            Self::Map(_) => "a table",
        }
    }
}

/// A named value.
#[derive(Clone, Debug)]
pub struct Local {
    pub tree: TemplateTree,
    pub location: Location,
}

/// A resource, or a family of them (`each`), as written.
#[derive(Clone, Debug)]
pub struct Resource {
    pub type_name: TypeName,
    pub name: String,
    pub attributes: BTreeMap<String, TemplateTree>,
    pub when: Option<Arc<Template>>,
    pub each: Option<TemplateTree>,
    /// The templates in `each`, every spelling once.
    pub each_templates: Vec<Arc<Template>>,
    pub after: Vec<After>,
    pub region: Option<TemplateTree>,
    pub protect: Option<TemplateTree>,
    pub replace: Option<Order>,
    /// Attributes whose drift and changes are not acted on.
    pub ignore: Vec<String>,
    /// Attributes of which an existing resource keeps the recorded value when the blueprint now makes another one.
    pub keep: Vec<String>,
    pub lookup: Option<TemplateTree>,
    /// When one that is done, not kept, counts as done without being run.
    pub first: Option<First>,
    /// What `mastodon.toml` changes in it.
    pub patches: Vec<Arc<Patch>>,
    pub node: Node,
    pub location: Location,
}

/// A resource that another one waits for although it reads nothing of it.
#[derive(Clone, Debug)]
pub struct After {
    pub name: ResourceName,
    /// An attribute: it is enough that this one can be read. None: everything has to be done.
    pub path: Vec<String>,
    pub location: Location,
}

/// When a resource that the state does not know counts as done without being run: if any of these holds.
#[derive(Clone, Debug, Default)]
pub struct First {
    /// Always.
    pub skip: bool,
    /// The same plan runs one of these, or it was run just as it would be now: it does as much.
    pub skip_with: Vec<(ResourceName, Location)>,
    /// The state has one of these, in order: whoever made it has done this, too.
    pub skip_beside: Vec<(ResourceName, Location)>,
    /// The state has one of these, and the plan does not make another one.
    pub skip_if_kept: Vec<(ResourceName, Location)>,
}

impl First {
    /// Every resource that is named.
    pub fn names(&self) -> impl Iterator<Item = &(ResourceName, Location)> {
        self.skip_with.iter().chain(&self.skip_beside).chain(&self.skip_if_kept)
    }
}

/// A change of a resource's attributes from `mastodon.toml`.
#[derive(Clone, Debug)]
pub struct Patch {
    /// Only this one of an `each`.
    pub key: Option<String>,
    pub attributes: BTreeMap<String, TemplateTree>,
    pub node: Node,
}

/// Something that must be true before anything is planned.
#[derive(Clone, Debug)]
pub struct Check {
    pub name: String,
    pub assert: Arc<Template>,
    pub message: TemplateTree,
    /// The settings that it speaks of.
    pub points_at: Vec<AttributePath>,
    pub is_warning: bool,
    pub location: Location,
}

/// A value told after apply.
#[derive(Clone, Debug)]
pub struct Output {
    pub name: String,
    pub value: TemplateTree,
    pub doc: String,
    pub location: Location,
}

impl Resource {
    /// Everything in the resource that can hold references.
    pub fn trees(&self) -> impl Iterator<Item = &TemplateTree> {
        self.attributes
            .values()
            .chain(self.each.iter())
            .chain(self.region.iter())
            .chain(self.protect.iter())
            .chain(self.lookup.iter())
            .chain(self.patches.iter().flat_map(|patch| patch.attributes.values()))
    }

    /// Every template in the resource, `when` included.
    pub fn templates(&self) -> Vec<&Arc<Template>> {
        let mut templates: Vec<&Arc<Template>> = self.when.iter().collect();
        self.trees().for_each(|tree| tree.each_leaf(&mut |template| templates.push(template)));
        templates
    }

    /// Where the attribute at `path` is written: in a patch, in the blueprint, or at least the resource's header.
    pub fn location_of<S: AsRef<str>>(&self, path: &[S]) -> &Location {
        fn deepest<'node, S: AsRef<str>>(node: &'node Node, path: &[S]) -> Option<&'node Location> {
            let entry = node.entries().iter().find(|entry| entry.key == path.first().map_or("", AsRef::as_ref))?;
            Some(deepest(&entry.node, &path[1..]).unwrap_or(&entry.key_location))
        }
        let patched = self.patches.iter().rev().find_map(|patch| deepest(&patch.node, path));
        patched.or_else(|| deepest(&self.node, path)).unwrap_or(&self.location)
    }
}

/// Reads one file of the blueprint into `blueprint`.
pub fn read(document: Node, blueprint: &mut Blueprint, diagnostics: &mut Diagnostics) {
    for entry in document.into_entries() {
        match entry.key.as_str() {
            "instance" => {
                for item in entry.node.entries() {
                    let tree = Template::read_tree(&item.node, &mut diagnostics.0);
                    blueprint.instance.insert(item.key.clone(), tree);
                }
            }
            "input" => read_inputs(&entry.node, &mut Vec::new(), blueprint, diagnostics),
            "local" => {
                for item in entry.node.entries() {
                    let local = Local {
                        tree: Template::read_tree(&item.node, &mut diagnostics.0),
                        location: item.key_location.clone(),
                    };
                    if let Some(earlier) = blueprint.locals.insert(item.key.clone(), local) {
                        diagnostics.push(twice("local", item, &earlier.location));
                    }
                }
            }
            "check" => entry.node.entries().iter().for_each(|item| read_check(item, blueprint, diagnostics)),
            "expense" => {
                for item in entry.node.entries() {
                    if let Some(earlier) = blueprint.expenses.iter().find(|earlier| earlier.name == item.key) {
                        diagnostics.push(twice("expense", item, &earlier.location));
                    }
                    blueprint.expenses.extend(pricing::item(item, diagnostics));
                }
            }
            "command" => entry.node.entries().iter().for_each(|item| read_tool(item, blueprint, diagnostics)),
            "sandbox" => entry.node.entries().iter().for_each(|item| read_law(item, blueprint, diagnostics)),
            "probe" => {
                for item in entry.node.entries() {
                    if let Some(earlier) = blueprint.probes.iter().find(|earlier| earlier.name == item.key) {
                        diagnostics.push(twice("probe", item, &earlier.location));
                    }
                    blueprint.probes.extend(Probe::read(item, diagnostics));
                }
            }
            "note" => {
                for item in entry.node.entries() {
                    if let Some(earlier) = blueprint.notes.iter().find(|earlier| earlier.name == item.key) {
                        diagnostics.push(twice("note", item, &earlier.location));
                    }
                    blueprint.notes.extend(read_note(item, diagnostics));
                }
            }
            "news" => {
                for item in entry.node.entries() {
                    if let Some(earlier) = blueprint.news.iter().find(|earlier| earlier.name == item.key) {
                        diagnostics.push(twice("news", item, &earlier.location));
                    }
                    blueprint.news.extend(News::read(item, diagnostics));
                }
            }
            "choice" => entry.node.entries().iter().for_each(|item| read_choice(item, blueprint, diagnostics)),
            "output" => entry.node.entries().iter().for_each(|item| read_output(item, blueprint, diagnostics)),
            service => {
                let service = service.to_owned();
                for kind in entry.node.into_entries() {
                    for item in kind.node.into_entries() {
                        if !item.node.is_table() {
                            diagnostics.push(
                                Diagnostic::error("blueprint", "a resource is a table `[service.kind.name]`")
                                    .at(&item.key_location, ""),
                            );
                            continue;
                        }
                        let type_name = TypeName::new(service.as_str(), kind.key.as_str());
                        let name = (type_name.clone(), item.key.clone());
                        if let Some(earlier) = blueprint.resources.get(&name) {
                            diagnostics.push(twice("resource", &item, &earlier.location));
                        }
                        let resource = read_resource(type_name, item, diagnostics);
                        blueprint.resources.insert(name, Arc::new(resource));
                    }
                }
            }
        }
    }
}

fn twice(what: &str, entry: &Entry, earlier: &Location) -> Diagnostic {
    Diagnostic::error("duplicate", format!("{what} `{}` is written twice", entry.key))
        .at(&entry.key_location, "again here")
        .at(earlier, "first here")
        .hint("change an existing resource with a patch instead")
}

fn read_inputs(table: &Node, path: &mut Vec<String>, blueprint: &mut Blueprint, diagnostics: &mut Diagnostics) {
    for entry in table.entries() {
        path.push(entry.key.clone());
        if entry.node.get("type").and_then(Node::text).is_some() {
            let input = read_input(path.clone(), entry, diagnostics);
            if let Some(earlier) = blueprint.inputs.iter().find(|earlier| earlier.path == input.path) {
                diagnostics.push(twice("input", entry, &earlier.location));
            }
            blueprint.inputs.push(input);
        } else if entry.node.is_table() {
            read_inputs(&entry.node, path, blueprint, diagnostics);
        } else {
            diagnostics
                .push(Diagnostic::error("blueprint", "an input is a table with a `type`").at(&entry.key_location, ""));
        }
        path.pop();
    }
}

fn read_input(path: Vec<String>, entry: &Entry, diagnostics: &mut Diagnostics) -> Input {
    let mut reader = Reader { diagnostics, table: &entry.node, what: "input", used: vec!["of"] };
    let type_name = reader.text("type").unwrap_or_default();
    let of = reader.text("of");
    let shape = input_shape(&type_name, of.as_deref());
    if shape.is_none() {
        reader.wrong("type", "string, integer, number, bool, enum, spread, list or map");
    }
    let doc = reader.text("doc").unwrap_or_default();
    let deprecated = reader.text("deprecated");
    let required = reader.flag("required", false);
    let optional = reader.flag("optional", false);
    let frozen = reader.flag("frozen", false);
    let own_account = reader.flag("own_account", false);
    let unique = reader.flag("unique", false);
    let known = reader.texts("known");
    let limits = Limits::read(&mut reader);
    reader.used.extend(["default", "before", "values", "example", "was"]);
    reader.refuse_others();
    let default = entry.node.get("default").map(|node| Template::read_tree(node, &mut diagnostics.0));
    if doc.is_empty() {
        diagnostics.push(
            Diagnostic::error("missing-doc", format!("input `{}` has no doc", path.join(".")))
                .at(&entry.key_location, ""),
        );
    }
    if entry.node.get("before").is_some() && default.is_none() {
        diagnostics.push(
            Diagnostic::error("blueprint", "`before` stands beside `default`")
                .at(&entry.key_location, "what a new instance has instead"),
        );
    }
    if usize::from(required) + usize::from(optional) + usize::from(default.is_some()) != 1 {
        diagnostics.push(
            Diagnostic::error("blueprint", "an input has a `default`, or is `required`, or is `optional`")
                .at(&entry.key_location, "exactly one of the three"),
        );
    }
    let values = match entry.node.get("values").map(Node::value) {
        Some(Tree::List(values)) => values,
        _ => Vec::new(),
    };
    Input {
        path,
        shape: shape.unwrap_or(InputShape::Text),
        values,
        limits,
        default,
        required,
        frozen,
        before: entry.node.get("before").map(Node::value),
        was: match entry.node.get("was").map(Node::value) {
            Some(Tree::List(values)) => values,
            _ => Vec::new(),
        },
        known,
        own_account,
        unique,
        doc,
        example: entry.node.get("example").map(Node::value),
        deprecated,
        location: entry.key_location.clone(),
    }
}

fn input_shape(name: &str, of: Option<&str>) -> Option<InputShape> {
    let element = || input_shape(of.unwrap_or("string"), None).map(Box::new);
    Some(match name {
        "string" => InputShape::Text,
        "integer" => InputShape::Integer,
        "number" => InputShape::Number,
        "bool" => InputShape::Bool,
        "enum" => InputShape::Enum,
        "spread" => InputShape::Spread,
        "list" => InputShape::List(element()?),
        "map" => InputShape::Map(element()?),
        _ => return None,
    })
}

fn read_check(entry: &Entry, blueprint: &mut Blueprint, diagnostics: &mut Diagnostics) {
    let mut reader = Reader { diagnostics, table: &entry.node, what: "check", used: vec!["message", "doc"] };
    let assert = reader.text("assert");
    let points_at = reader.texts("points_at").iter().map(|path| AttributePath::parse(path)).collect();
    let is_warning = match reader.text("severity").as_deref() {
        Some("warning") => true,
        Some("error") | None => false,
        Some(_) => {
            reader.wrong("severity", "`error` or `warning`");
            false
        }
    };
    reader.refuse_others();
    let (Some(assert), Some(assert_node), Some(message)) =
        (assert, entry.node.get("assert"), entry.node.get("message"))
    else {
        diagnostics
            .push(Diagnostic::error("blueprint", "a check needs `assert` and `message`").at(&entry.key_location, ""));
        return;
    };
    match Template::bare(&assert, &assert_node.location) {
        Ok(template) => blueprint.checks.push(Check {
            name: entry.key.clone(),
            assert: Arc::new(template),
            message: Template::read_tree(message, &mut diagnostics.0),
            points_at,
            is_warning,
            location: entry.key_location.clone(),
        }),
        Err(problem) => diagnostics.push(problem),
    }
}

fn read_note(entry: &Entry, diagnostics: &mut Diagnostics) -> Option<Note> {
    let mut reader = Reader { diagnostics, table: &entry.node, what: "note", used: vec!["text"] };
    let when = reader.text("when");
    reader.refuse_others();
    let Some(text) = entry.node.get("text") else {
        diagnostics.push(Diagnostic::error("blueprint", "a note needs `text`").at(&entry.key_location, ""));
        return None;
    };
    let when = when.zip(entry.node.get("when")).and_then(|(text, node)| {
        Template::bare(&text, &node.location).map_err(|problem| diagnostics.push(problem)).ok()
    });
    Some(Note {
        name: entry.key.clone(),
        when: when.map(Arc::new),
        text: Template::read_tree(text, &mut diagnostics.0),
        location: entry.key_location.clone(),
    })
}

fn read_choice(entry: &Entry, blueprint: &mut Blueprint, diagnostics: &mut Diagnostics) {
    let mut reader = Reader { diagnostics, table: &entry.node, what: "choice", used: vec!["set"] };
    let doc = reader.text("doc").unwrap_or_default();
    reader.refuse_others();
    let set = entry.node.get("set").map(Node::entries).unwrap_or_default();
    let set: Vec<(String, Value)> = set.iter().map(|one| (one.key.clone(), one.node.value())).collect();
    if doc.is_empty() || set.is_empty() {
        diagnostics.push(
            Diagnostic::error("blueprint", "a choice needs `set` and `doc`")
                .at(&entry.key_location, "")
                .hint("set = { \"task.spot\" = false }"),
        );
        return;
    }
    blueprint.choices.push(Choice { name: entry.key.clone(), set, doc, location: entry.key_location.clone() });
}

fn read_tool(entry: &Entry, blueprint: &mut Blueprint, diagnostics: &mut Diagnostics) {
    let mut reader = Reader { diagnostics, table: &entry.node, what: "`command`", used: vec!["attributes"] };
    let kind = reader.text("type").and_then(|text| text.split_once('.').map(|(a, b)| TypeName::new(a, b)));
    let (takes, exit_code, doc) = (reader.text("takes"), reader.text("exit_code"), reader.text("doc"));
    let dangers = reader.texts("dangers");
    let opens = reader.text("opens");
    let prints = reader.texts("prints");
    reader.refuse_others();
    let attributes = entry.node.entries().iter().find(|item| item.key == "attributes");
    let (Some(kind), Some(_), Some(attributes)) = (kind, doc, attributes) else {
        diagnostics.push(
            Diagnostic::error("blueprint", "a command needs `type`, `doc` and `attributes`")
                .at(&entry.key_location, ""),
        );
        return;
    };
    let resource = Resource { name: entry.key.clone(), ..read_resource(kind, attributes.clone(), diagnostics) };
    match (takes, exit_code, opens) {
        (None, Some(exit_code), None) if dangers.is_empty() && !prints.is_empty() => {
            blueprint.inquiries.insert(entry.key.clone(), Inquiry { resource, exit_code, prints });
        }
        (Some(takes), Some(exit_code), None) if prints.is_empty() => {
            blueprint.commands.insert(entry.key.clone(), Tool { resource, takes, exit_code, dangers });
        }
        (None, None, Some(opens)) if dangers.is_empty() && prints.is_empty() => {
            blueprint.doors.insert(entry.key.clone(), Door { resource, opens });
        }
        _ => diagnostics.push(
            Diagnostic::error(
                "blueprint",
                "a command runs what a person asks for, opens a session, or finds something out",
            )
            .at(&entry.key_location, "")
            .hint("the first has `takes` and `exit_code`, the second `opens`, the third `exit_code` and `prints`"),
        ),
    }
}

fn read_law(entry: &Entry, blueprint: &mut Blueprint, diagnostics: &mut Diagnostics) {
    let mut reader = Reader { diagnostics, table: &entry.node, what: "`sandbox`", used: Vec::new() };
    let mut name = |key| reader.text(key).and_then(|text| text.parse::<Address>().ok());
    let (resource, without) = (name("resource"), name("without"));
    let reason = reader.text("reason");
    reader.refuse_others();
    match (resource, without, reason) {
        (Some(resource), Some(without), Some(reason)) => blueprint.laws.push(Law {
            resource: (resource.type_name, resource.name),
            without: (without.type_name, without.name),
            reason,
            location: entry.key_location.clone(),
        }),
        _ => diagnostics.push(
            Diagnostic::error("blueprint", "a law of the sandbox needs `resource`, `without` and `reason`")
                .at(&entry.key_location, ""),
        ),
    }
}

fn read_output(entry: &Entry, blueprint: &mut Blueprint, diagnostics: &mut Diagnostics) {
    let mut reader = Reader { diagnostics, table: &entry.node, what: "output", used: vec!["value"] };
    let doc = reader.text("doc").unwrap_or_default();
    reader.refuse_others();
    if doc.is_empty() {
        diagnostics.push(
            Diagnostic::error("missing-doc", format!("output `{}` has no doc", entry.key)).at(&entry.key_location, ""),
        );
    }
    match entry.node.get("value") {
        Some(value) => blueprint.outputs.push(Output {
            name: entry.key.clone(),
            value: Template::read_tree(value, &mut diagnostics.0),
            doc,
            location: entry.key_location.clone(),
        }),
        None => {
            diagnostics.push(Diagnostic::error("blueprint", "an output needs a `value`").at(&entry.key_location, ""))
        }
    }
}

fn read_resource(type_name: TypeName, entry: Entry, diagnostics: &mut Diagnostics) -> Resource {
    let table = &entry.node;
    let when = table.get("when").and_then(|node| {
        let parsed = match node.text() {
            Some(text) => Template::bare(text, &node.location),
            None => {
                Err(Diagnostic::error("wrong-type", "`when` is a string with a CEL expression").at(&node.location, ""))
            }
        };
        parsed.map(Arc::new).map_err(|problem| diagnostics.push(problem)).ok()
    });
    let mut tree = |key: &str| table.get(key).map(|node| Template::read_tree(node, &mut diagnostics.0));
    let each = tree("each");
    let region = tree("region");
    let lookup = tree("lookup");
    let after = read_after(table, diagnostics);
    let first = table.get("first").and_then(|node| read_first(node, diagnostics));
    let (mut protect, mut replace, mut ignore, mut keep) = (None, None, Vec::new(), Vec::new());
    if let Some(lifecycle) = table.get("lifecycle") {
        let mut reader =
            Reader { diagnostics: &mut *diagnostics, table: lifecycle, what: "`lifecycle`", used: vec!["protect"] };
        ignore = reader.texts("ignore");
        keep = reader.texts("keep");
        replace = match reader.text("replace").as_deref() {
            Some("create_first") => Some(Order::CreateFirst),
            Some("delete_first") => Some(Order::DeleteFirst),
            None => None,
            Some(_) => {
                reader.wrong("replace", "`create_first` or `delete_first`");
                None
            }
        };
        reader.refuse_others();
        protect = lifecycle.get("protect").map(|node| Template::read_tree(node, &mut diagnostics.0));
    }
    let attributes = table
        .entries()
        .iter()
        .filter(|item| !super::types::RESERVED.contains(&item.key.as_str()))
        .map(|item| (item.key.clone(), Template::read_tree(&item.node, &mut diagnostics.0)))
        .collect();
    let mut spellings: BTreeMap<&str, &Arc<Template>> = BTreeMap::new();
    each.iter().for_each(|tree| {
        tree.each_leaf(&mut |template| {
            spellings.entry(&template.source).or_insert(template);
        });
    });
    let each_templates = spellings.into_values().cloned().collect();
    Resource {
        type_name,
        name: entry.key,
        attributes,
        when,
        each,
        each_templates,
        after,
        region,
        protect,
        replace,
        ignore,
        keep,
        lookup,
        first,
        patches: Vec::new(),
        node: entry.node,
        location: entry.key_location,
    }
}

fn read_first(node: &Node, diagnostics: &mut Diagnostics) -> Option<First> {
    let used = vec!["skip_with", "skip_beside", "skip_if_kept"];
    let mut reader = Reader { diagnostics, table: node, what: "`first`", used };
    if node.text() == Some("skip") {
        return Some(First { skip: true, ..First::default() });
    }
    if !node.is_table() {
        diagnostics.push(
            Diagnostic::error(
                "wrong-type",
                "`first` is \"skip\", or a table of `skip_with`, `skip_beside` and `skip_if_kept`",
            )
            .at(&node.location, ""),
        );
        return None;
    }
    reader.refuse_others();
    Some(First {
        skip: false,
        skip_with: addresses(node, "skip_with", diagnostics),
        skip_beside: addresses(node, "skip_beside", diagnostics),
        skip_if_kept: addresses(node, "skip_if_kept", diagnostics),
    })
}

/// What `after` names: resources, or attributes of resources.
fn read_after(table: &Node, diagnostics: &mut Diagnostics) -> Vec<After> {
    let read = |text: &str| {
        if let Ok(address) = text.parse::<Address>() {
            return Some((address, Vec::new()));
        }
        let (third_dot, _) = text.match_indices('.').nth(2)?;
        let address = text[..third_dot].parse::<Address>().ok().filter(|address| address.key.is_none())?;
        Some((address, text[third_dot + 1..].split('.').map(str::to_owned).collect()))
    };
    let how = "`after` names resources as `service.kind.name`, or attributes of them as `service.kind.name.attribute`";
    let after = |((address, path), location): ((Address, _), _)| After { name: named(address), path, location };
    list(table, "after", how, read, diagnostics).into_iter().map(after).collect()
}

/// The resources that a list names.
pub(super) fn addresses(table: &Node, key: &str, diagnostics: &mut Diagnostics) -> Vec<(ResourceName, Location)> {
    let how = format!("`{key}` names resources as `service.kind.name`");
    let found = list(table, key, &how, |text| text.parse::<Address>().ok(), diagnostics);
    found.into_iter().map(|(address, location)| (named(address), location)).collect()
}

fn named(address: Address) -> ResourceName {
    (address.type_name, address.name)
}

/// The entries of a list of addresses, as `read` understands them; `how` says how they are written.
fn list<T>(
    table: &Node,
    key: &str,
    how: &str,
    read: impl Fn(&str) -> Option<T>,
    diagnostics: &mut Diagnostics,
) -> Vec<(T, Location)> {
    let Some(node) = table.get(key) else { return Vec::new() };
    let Content::List(items) = &node.content else {
        diagnostics
            .push(Diagnostic::error("wrong-type", format!("`{key}` is a list of addresses")).at(&node.location, ""));
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items {
        match item.text().and_then(&read) {
            Some(entry) => found.push((entry, item.location.clone())),
            None => diagnostics.push(Diagnostic::error("wrong-type", how).at(&item.location, "")),
        }
    }
    found
}
