//! Resource types: what `specs/types/*.toml` says of AWS's resources.
//!
//! One table per type, one line per attribute. Everything the engine does with an attribute (validate, compare,
//! replace, redact, simulate) it reads from here. `types/read.rs` makes it from TOML.

mod read;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use regex::RegexBuilder;

use super::counterpart::{Counterpart, Place, Tool};
use super::limits::Limits;
use super::permissions::Permissions;
use super::pricing::Pricing;
pub use super::ready::{Condition, Ready, Remedy};
use crate::address::{Identity, TypeName};
use crate::diagnostic::Location;
use crate::value::{Planned, Tree, Value};
pub use read::read;

/// Keys the engine reads itself on a resource; no attribute may have such a name.
pub const RESERVED: [&str; 8] = ["when", "each", "after", "first", "region", "lifecycle", "lookup", "doc"];

/// The key of an impact by value that stands for no value: what is set, or an entry of it, is taken away.
pub const UNSET: &str = "unset";

/// All resource types by name.
pub type Types = BTreeMap<TypeName, Arc<ResourceType>>;

/// A resource type.
#[derive(Clone, Debug)]
pub struct ResourceType {
    pub name: TypeName,
    pub doc: String,
    /// What CloudFormation has for it.
    pub cfn: Counterpart,
    /// What Terraform has for it.
    pub terraform: Counterpart,
    /// Attributes whose values, joined by `|`, identify a resource for AWS.
    pub identity: Vec<String>,
    /// Attributes that no two resources have all alike: the cloud refuses the second one.
    pub unique: Vec<String>,
    /// Its names are the same in all regions: no two resources have one name, wherever they are.
    pub global: bool,
    /// Never created, only looked up.
    pub lookup_only: bool,
    /// One is done, not kept: it runs to an end. Its immutable attributes are what makes it run again when they change;
    /// all others are used when it runs.
    pub once: bool,
    /// What is in the cloud after one was done: a snapshot. `{}` is its identity.
    pub leaves: Option<String>,
    pub taggable: bool,
    /// How a resource of the type is known to be this instance's.
    pub proof: Proof,
    /// Deleting it loses what users stored.
    pub data_bearing: bool,
    /// What it does to people when a resource is replaced by deleting it first, and when it is deleted.
    pub impact: Upheaval,
    /// What people who use the instance notice, a sentence by impact.
    pub notice: BTreeMap<Impact, String>,
    /// How long AWS usually takes.
    pub expect: Durations,
    /// When to give up waiting.
    pub timeout: Durations,
    pub ready: Option<Ready>,
    /// What must be there before a new one goes on, in the simulated cloud. Without it, a type that waits for a person
    /// waits until the simulated person has acted.
    pub awaits: Option<Awaits>,
    pub replace: Order,
    /// The IAM actions that its objects take.
    pub permissions: Permissions,
    /// How it is asked of people, if it is.
    pub request: Option<Request>,
    /// What one costs; `None` where the type does not say, which lint refuses.
    pub pricing: Option<Pricing>,
    pub attributes: BTreeMap<String, Attribute>,
    /// It is not one of the program's own: an overlay has it.
    pub is_added: bool,
    pub location: Location,
}

/// A resource that must be there, and be in order, before another one goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaits {
    /// It is of one of these types.
    pub types: Vec<TypeName>,
    /// The attribute of it that must have a value.
    pub attribute: String,
    /// The path of the attribute that holds this value.
    pub value: Vec<String>,
}

/// How resources of a type are asked of people: as a table, and as lines that a program of theirs reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The name of the table: `mastoform output NAME`.
    pub name: String,
    pub title: String,
    /// The attributes that are its columns.
    pub columns: Vec<String>,
    /// What stands in columns that are no attributes of the type, with attributes in braces.
    pub cells: BTreeMap<String, String>,
    /// A line, with attributes in braces.
    pub line: String,
    /// Other lines for some values of attributes: by the attribute, and then by its value.
    pub lines: BTreeMap<String, BTreeMap<String, String>>,
}

impl Request {
    /// The line for a resource with these attributes.
    pub fn line<'a>(&'a self, attributes: &Value) -> &'a str {
        let other = |(name, lines): (&String, &'a BTreeMap<String, String>)| {
            lines.get(attributes.get(name)?.as_text()?).map(String::as_str)
        };
        self.lines.iter().find_map(other).unwrap_or(&self.line)
    }

    /// Every text with attributes in braces that there is.
    pub fn all_texts(&self) -> impl Iterator<Item = &str> {
        let lines = [&self.line].into_iter().chain(self.lines.values().flat_map(BTreeMap::values));
        lines.chain(self.cells.values()).map(String::as_str)
    }
}

/// How a resource is known to be this instance's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By its tags.
    Tags,
    /// By an attribute that is named after the instance, for types that cannot carry tags.
    Name { attribute: String },
    /// By the resource it is part of, which this attribute names by its identity.
    Parent { attribute: String },
    /// There is nothing in the cloud that could be somebody else's: it is asked of a person.
    Nothing,
}

impl ResourceType {
    /// The names of the attributes that its creator chose and that make its identity, or are part of the format of it.
    pub fn naming(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for (name, attribute) in self.identity.iter().filter_map(|name| self.attributes.get_key_value(name)) {
            if !attribute.computed {
                names.push(name.as_str());
                continue;
            }
            for placeholder in placeholders(attribute.format.as_deref().unwrap_or_default()) {
                let chosen = |described: &&Attribute| !described.computed && described.refers_to.is_none();
                if self.attributes.get(placeholder).as_ref().is_some_and(chosen) {
                    names.push(placeholder);
                }
            }
        }
        names
    }

    /// The identity in a full name, as the cloud's index of tags writes it: an ARN. `None` if the name is none of this
    /// type.
    pub fn identity_in(&self, full_name: &str) -> Option<Identity> {
        let format = self.attributes.get("arn").and_then(|attribute| attribute.format.as_deref());
        match (&self.identity[..], format) {
            ([only], _) if only == "arn" => Some(Identity::new(full_name)),
            (_, Some(format)) => {
                let parts = parsed(format, full_name)?;
                let values: Option<Vec<&str>> =
                    self.identity.iter().map(|name| parts.get(name.as_str()).map(String::as_str)).collect();
                Some(Identity::new(values?.join("|")))
            }
            // The last part is the id.
            ([_], None) => full_name.rsplit_once('/').map(|(_, id)| Identity::new(id)),
            _ => None,
        }
    }

    /// The identity that the attributes of an answer tell. `None` where the answer does not have all that it is made of.
    pub fn identity_told(&self, observed: &Value) -> Option<Identity> {
        let parts: Option<Vec<&str>> =
            self.identity.iter().map(|name| observed.get(name).and_then(Tree::as_text)).collect();
        parts.filter(|parts| !parts.is_empty()).map(|parts| Identity::new(parts.join("|")))
    }

    /// Whether two of these with the same names cannot exist at once. What is done has been done many times.
    pub fn is_named(&self) -> bool {
        let formats = self.identity.iter().filter_map(|name| self.attributes.get(name)?.format.as_deref());
        let is_revised = formats.flat_map(placeholders).any(|placeholder| placeholder == "revision");
        !self.once && !is_revised && !self.naming().is_empty()
    }
}

/// Bytes of a compiled format. One that is larger becomes no text.
const FORMAT_SIZE: usize = 1 << 18;

/// The values of the placeholders with which `format` becomes `text`; `None` if it cannot. Values are as short as they can
/// be; those of hexadecimal and region placeholders hold no separator.
fn parsed(format: &str, text: &str) -> Option<BTreeMap<String, String>> {
    let mut pattern = "^".to_owned();
    let (pieces, rest) = pieces(format);
    if rest.contains('{') {
        return None;
    }
    for (literal, name) in &pieces {
        pattern.push_str(&regex::escape(literal));
        let is_plain = matches!(*name, "region" | "account" | "revision") || name.starts_with("hex");
        pattern.push_str(if is_plain { "([A-Za-z0-9-]*)" } else { "(.+?)" });
    }
    pattern.push_str(&regex::escape(rest));
    // The ARN of a log group may end with an asterisk for its streams.
    pattern.push_str(r"(?::\*)?$");
    let found = RegexBuilder::new(&pattern).size_limit(FORMAT_SIZE).build().ok()?.captures(text)?;
    let values = pieces.iter().enumerate();
    Some(
        values
            .filter_map(|(index, (_, name))| Some(((*name).to_owned(), found.get(index + 1)?.as_str().to_owned())))
            .collect(),
    )
}

/// The pieces of a format: each name between braces with what stands before it, and what stands behind the last.
pub fn pieces(format: &str) -> (Vec<(&str, &str)>, &str) {
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{')
        && let Some((name, after)) = after.split_once('}')
    {
        pieces.push((before, name));
        rest = after;
    }
    (pieces, rest)
}

/// The names between braces in a format.
pub fn placeholders(format: &str) -> impl Iterator<Item = &str> {
    format.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

/// A duration per kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    pub create: Duration,
    pub update: Duration,
    pub delete: Duration,
}

/// What it does to people when a resource goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upheaval {
    /// The old one goes before the new one is there; `None` where the type does not say.
    pub replace: Option<Impact>,
    pub delete: Loss,
}

/// What a deletion does to people: the same whatever is deleted, or by the value of an attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// The path of the attribute that decides; empty if none does.
    pub by: Vec<String>,
    pub by_value: BTreeMap<String, Impact>,
    /// With any other value.
    pub otherwise: Impact,
}

impl Loss {
    /// What the deletion of a resource with these attributes does.
    pub fn of(&self, attributes: &Value) -> Impact {
        let value = attributes.at(&self.by).and_then(Value::as_text);
        value.and_then(|value| self.by_value.get(value)).copied().unwrap_or(self.otherwise)
    }

    /// All that a deletion can do.
    pub fn possible(&self) -> impl Iterator<Item = Impact> {
        self.by_value.values().copied().chain([self.otherwise])
    }
}

/// Which comes first when a resource is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    CreateFirst,
    DeleteFirst,
}

/// The earliest moment a computed attribute can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    Created,
    Ready,
}

/// How bad a change is for the people who use the instance. Ordered from harmless to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    #[default]
    None,
    Rolling,
    Brief,
    Outage,
    /// An outage that no time ends, but another change.
    Lasting,
    DataLoss,
}

impl Impact {
    /// All, from harmless to worst.
    pub const ALL: [Self; 6] = [Self::None, Self::Rolling, Self::Brief, Self::Outage, Self::Lasting, Self::DataLoss];

    /// As the specs and JSON spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rolling => "rolling",
            Self::Brief => "brief",
            Self::Outage => "outage",
            Self::Lasting => "lasting",
            Self::DataLoss => "data_loss",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|impact| impact.name() == name)
    }

    /// As a plan prints it.
    pub fn words(self) -> &'static str {
        match self {
            Self::None => "no interruption",
            Self::Rolling => "rolling, no interruption",
            Self::Brief => "brief interruption",
            Self::Outage => "outage",
            Self::Lasting => "outage until it is undone",
            Self::DataLoss => "data loss",
        }
    }
}

/// When two different spellings mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `17` and `17.5` are the same wish.
    VersionPrefix,
    /// IAM documents: one string and a list of one string are the same, lists have no order.
    Policy,
    CaseInsensitive,
}

/// The shape of an attribute.
#[derive(Clone, Debug)]
pub enum Shape {
    Text,
    Integer,
    Number,
    Bool,
    List(Box<Attribute>),
    Map(Box<Attribute>),
    Object(BTreeMap<String, Attribute>),
    /// Any document, kept as structure.
    Json,
}

impl Shape {
    /// As a message names it.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Bool => "a boolean",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Object(_) => "a table",
            Self::Json => "a document",
        }
    }
}

/// An attribute of a type.
#[derive(Clone, Debug)]
pub struct Attribute {
    pub doc: String,
    pub shape: Shape,
    pub required: bool,
    pub immutable: bool,
    pub computed: bool,
    pub sensitive: bool,
    pub write_only: bool,
    pub known: Milestone,
    pub unordered: bool,
    pub keyed_by: Option<String>,
    pub compare: Option<Compare>,
    pub default_from_aws: bool,
    pub volatile: bool,
    /// A version that AWS raises by itself, in a maintenance window, and never lowers.
    pub changed_by_aws: bool,
    /// It is compared also where nobody sets it: what is there without being asked for is a difference.
    pub watched: bool,
    /// What a change does to people, whatever the new value.
    pub impact: Impact,
    /// What a change does to people that leads to one of these values. [`UNSET`]: to none.
    pub impact_by_value: BTreeMap<String, Impact>,
    /// AWS's own default, which an attribute removed from the file goes back to.
    pub default: Option<Value>,
    pub values: Vec<Value>,
    pub limits: Limits,
    /// The value is the identity of a resource of this type.
    pub refers_to: Option<TypeName>,
    /// The type of the resource that this one is a part of: its value must come from one of the instance's, so that
    /// nothing is ever made inside what is not ours.
    pub part_of: Option<TypeName>,
    /// What it refers to may be of somebody else's making, whom nobody here knows.
    pub outside: bool,
    /// Where CloudFormation keeps it.
    pub cfn: Place,
    /// Where Terraform keeps it.
    pub terraform: Place,
    /// Why it is in no export.
    pub left_out: Option<String>,
    /// What a computed value looks like, with placeholders.
    pub format: Option<String>,
    /// It decides how a resource is deleted.
    pub deletion: Option<Manner>,
    /// When a change of it counts as one that widens rights.
    pub security: Security,
    /// Entries of a map that count as [`Security::Changed`], whoever sets them.
    pub security_entries: Vec<String>,
    pub location: Location,
}

impl Attribute {
    /// Whether it has a value if nobody sets it: a table, if all its attributes do.
    pub fn has_default(&self) -> bool {
        match &self.shape {
            Shape::Object(children) => children.values().all(Self::has_default),
            _ => self.default.is_some(),
        }
    }
}

fn fill_defaults<L>(known: &BTreeMap<String, Attribute>, attributes: &mut Tree<L>) {
    if attributes.is_null() {
        *attributes = Tree::Map(BTreeMap::new());
    }
    let Tree::Map(entries) = attributes else { return };
    for (name, attribute) in known.iter().filter(|(_, attribute)| !attribute.computed) {
        let is_unset = entries.get(name).is_none_or(Tree::is_null);
        match (&attribute.shape, &attribute.default) {
            (_, Some(default)) if is_unset => {
                entries.insert(name.clone(), default.lift());
            }
            (Shape::Object(children), _) if !is_unset || attribute.has_default() => {
                fill_defaults(children, entries.entry(name.clone()).or_default());
            }
            _ => {}
        }
    }
}

/// What an attribute that decides how a resource is deleted has to say of it.
///
/// Phrases stand by value, as it is printed; `*` is for every other value. In a phrase `{}` is the value, and `{name}`
/// another attribute of the type that decides deletions; one without a value is the identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// How it goes: `without a final snapshot`.
    pub how: BTreeMap<String, String>,
    /// What is there afterwards: `the snapshot social-final`.
    pub stays: BTreeMap<String, String>,
}

/// When a plan marks a change as one that widens rights, or may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// Never.
    #[default]
    No,
    /// When its value changes, or something is made with it.
    Changed,
    /// The same, where a patch or an overlay says the value. What the blueprint writes there follows from settings.
    Patched,
    /// The same, and whenever anything in the same resource changes.
    Whole,
}

impl ResourceType {
    /// Writes AWS's default wherever an attribute is unset, so that whoever sends them needs to know no default. A table
    /// without a value is one of defaults only if all its attributes have one. Elements of lists and maps stay as they
    /// are.
    pub fn fill_defaults<L>(&self, attributes: &mut Tree<L>) {
        fill_defaults(&self.attributes, attributes);
    }

    /// Whether its resources stay, so that they can be handed over: those that are only looked up are not ours, and of
    /// what is done nothing is kept.
    pub fn is_handed_over(&self) -> bool {
        !self.lookup_only && !self.once
    }

    /// Whether its resources are asked of a person, and nothing of them is in the cloud.
    pub fn is_asked_for(&self) -> bool {
        self.proof == Proof::Nothing
    }

    /// Whether the program has nothing for it but its table, and CloudFormation knows it: then AWS is asked for it in
    /// CloudFormation's words. Where tags prove whose a resource is, CloudFormation must have them.
    pub fn is_generic(&self) -> bool {
        let names = self.cfn.names();
        let is_known = !names.is_empty() && names.iter().all(|name| name.contains("::"));
        let can_be_proven = self.lookup_only || self.proof != Proof::Tags || self.cfn.tags.is_some();
        self.is_added && !self.once && is_known && can_be_proven
    }

    /// What a tool has for it.
    pub fn counterpart(&self, tool: Tool) -> &Counterpart {
        match tool {
            Tool::CloudFormation => &self.cfn,
            Tool::Terraform => &self.terraform,
        }
    }

    /// The attribute at a path of keys. Keys of maps and of keyed lists, and anything inside a document, lead to the
    /// attribute that describes the elements.
    pub fn attribute<S: AsRef<str>>(&self, path: &[S]) -> Option<&Attribute> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.attributes.get(first.as_ref())?, |attribute, key| attribute.child(key.as_ref()))
    }

    /// What people who use the instance notice of a change with this impact; `None` if it is nothing.
    pub fn notice(&self, impact: Impact) -> Option<&str> {
        let said = self.notice.get(&impact).map(String::as_str);
        said.or(match impact {
            Impact::None | Impact::Rolling => None,
            Impact::Brief => Some("Some requests may fail for a moment."),
            Impact::Outage => Some("A part of the instance does not work for some minutes."),
            Impact::Lasting => Some("A part of the instance does not work until this is undone."),
            Impact::DataLoss => Some("What is stored there is lost."),
        })
    }

    /// Whether deleting one loses what people have stored.
    pub fn loses_data(&self) -> bool {
        self.data_bearing || self.impact.delete.possible().any(|impact| impact == Impact::DataLoss)
    }

    /// The attributes that decide how a resource is deleted, each with its value: what `value` gives, or the type's
    /// default, which is the one that loses least.
    pub fn deletion(&self, value: &dyn Fn(&str) -> Option<Value>) -> Value {
        let deciding = self.attributes.iter().filter(|(_, attribute)| attribute.deletion.is_some());
        let decided = deciding.filter_map(|(name, attribute)| {
            let given = value(name).filter(|value| !value.is_null());
            Some((name.clone(), given.or_else(|| attribute.default.clone())?))
        });
        let decided: BTreeMap<String, Value> = decided.collect();
        if decided.is_empty() { Value::Null } else { Value::Map(decided) }
    }

    /// How a resource is deleted whose deletion is decided by these values, in phrases.
    pub fn manner(&self, deletion: &Value, identity: &str) -> Vec<String> {
        self.phrases(deletion, identity, |manner| &manner.how)
    }

    /// What is there after such a deletion, in phrases.
    pub fn stays(&self, deletion: &Value, identity: &str) -> Vec<String> {
        self.phrases(deletion, identity, |manner| &manner.stays)
    }

    fn phrases(&self, deletion: &Value, identity: &str, pick: fn(&Manner) -> &BTreeMap<String, String>) -> Vec<String> {
        let spelled = |value: &Value| value.as_text().map_or_else(|| value.to_string(), str::to_owned);
        let mut phrases = Vec::new();
        for (name, attribute) in &self.attributes {
            let Some(manner) = &attribute.deletion else { continue };
            let Some(value) = deletion.get(name).or(attribute.default.as_ref()).map(&spelled) else { continue };
            let Some(phrase) = pick(manner).get(&value).or_else(|| pick(manner).get("*")) else { continue };
            let mut text = phrase.replace("{}", &value);
            for placeholder in placeholders(phrase).filter(|placeholder| !placeholder.is_empty()) {
                let other = deletion.get(placeholder).map_or_else(|| identity.to_owned(), &spelled);
                text = text.replace(&format!("{{{placeholder}}}"), &other);
            }
            if !text.is_empty() {
                phrases.push(text);
            }
        }
        phrases
    }

    /// Whether any part of the attribute at `path` is set by AWS alone.
    pub fn is_computed<S: AsRef<str>>(&self, path: &[S]) -> bool {
        path.first().and_then(|name| self.attributes.get(name.as_ref())).is_some_and(|attribute| attribute.computed)
    }
}

impl Attribute {
    /// Where a tool keeps it.
    pub fn place(&self, tool: Tool) -> &Place {
        match tool {
            Tool::CloudFormation => &self.cfn,
            Tool::Terraform => &self.terraform,
        }
    }

    /// Whether anything inside of it decides deletions.
    fn is_decided_below(&self) -> bool {
        let decides = |inner: &Attribute| inner.deletion.is_some() || inner.is_decided_below();
        match &self.shape {
            Shape::Object(attributes) => attributes.values().any(decides),
            Shape::List(element) | Shape::Map(element) => decides(element),
            _ => false,
        }
    }

    /// What a change to this value does to people.
    pub fn impact_of(&self, value: Option<&Planned>) -> Option<Impact> {
        let key = match value {
            None | Some(Tree::Null) => UNSET.to_owned(),
            Some(value) => match value.plain()? {
                Tree::Text(text) => text,
                plain => plain.to_string(),
            },
        };
        self.impact_by_value.get(&key).copied()
    }

    /// Whether `is` is a higher version than `wanted`, and the cloud lowers it never: `17.10` for `17.9`, not for `17`.
    pub fn is_raised(&self, wanted: &Value, is: &Value) -> bool {
        let parts = |value: &Value| -> Option<Vec<u64>> {
            value.as_text()?.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()
        };
        let beyond = |(wanted, is): (Vec<u64>, Vec<u64>)| is > wanted && !is.starts_with(&wanted);
        self.changed_by_aws && parts(wanted).zip(parts(is)).is_some_and(beyond)
    }

    /// The attribute of what stands under `key` in this one.
    pub fn child(&self, key: &str) -> Option<&Attribute> {
        match &self.shape {
            Shape::Object(attributes) => attributes.get(key),
            Shape::Map(element) | Shape::List(element) => Some(element),
            Shape::Json => Some(self),
            _ => None,
        }
    }
}

impl Attribute {
    /// Attributes as one that holds them all.
    pub fn object(attributes: BTreeMap<String, Attribute>, location: &Location) -> Self {
        Self { shape: Shape::Object(attributes), ..Self::plain(Shape::Json, location) }
    }

    fn plain(shape: Shape, location: &Location) -> Self {
        Self {
            doc: String::new(),
            shape,
            required: false,
            immutable: false,
            computed: false,
            sensitive: false,
            write_only: false,
            known: Milestone::Ready,
            unordered: false,
            keyed_by: None,
            compare: None,
            default_from_aws: false,
            volatile: false,
            changed_by_aws: false,
            watched: false,
            impact: Impact::None,
            impact_by_value: BTreeMap::new(),
            default: None,
            values: Vec::new(),
            limits: Limits::default(),
            refers_to: None,
            part_of: None,
            outside: false,
            cfn: Place::default(),
            terraform: Place::default(),
            left_out: None,
            format: None,
            deletion: None,
            security: Security::No,
            security_entries: Vec::new(),
            location: location.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::{OverlayFile, Specs};

    /// What is wrong with a type that has this one attribute besides its name.
    fn problems(attribute: &str) -> String {
        let text = format!(
            "[thing]\ndoc = \"A thing.\"\nidentity = [\"name\"]\n[thing.attributes]\n\
             name = {{ type = \"string\", doc = \"Its name.\" }}\nit = {attribute}\n"
        );
        let overlay = OverlayFile { name: "specs/types/a.toml".into(), types_of: Some("a".into()), text };
        Specs::read(&[overlay]).map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn an_attribute_that_decides_deletions_says_all_of_it() {
        let flag = "decides_deletion = { true = \"at once\", false = \"with a copy\" }";
        assert_eq!(problems(&format!("{{ type = \"bool\", default = false, {flag} }}")), "");
        assert_eq!(problems("{ type = \"string\", decides_deletion = true }"), "");
        for (wrong, expected) in [
            (format!("{{ type = \"bool\", {flag} }}"), "with a default, the value that loses least"),
            (format!("{{ type = \"bool\", computed = true, default = false, {flag} }}"), "that we set"),
            (
                "{ type = \"bool\", default = false, decides_deletion = { true = \"at once\" } }".to_owned(),
                "a phrase for true and one for false",
            ),
            ("{ type = \"bool\", decides_deletion = \"yes\" }".to_owned(), "a table of phrases by value"),
            ("{ type = \"bool\", stays = { true = \"it\" } }".to_owned(), "beside `decides_deletion`"),
            ("{ type = \"bool\", security = \"much\" }".to_owned(), "true, \"patch\" or \"whole\""),
            ("{ type = \"bool\", impact = \"bad\" }".to_owned(), "or a table of these by value"),
            ("{ type = \"bool\", impact = { false = \"outage\" } }".to_owned(), "with `*` for any other"),
            ("{ type = \"string\", changed_by_aws = true }".to_owned(), "with `compare = \"version_prefix\"`"),
            ("{ type = \"bool\", watched = true }".to_owned(), "needs a `default` to be compared with"),
            (
                format!("{{ part = {{ type = \"bool\", default = false, {flag} }} }}"),
                "cannot decide a deletion with a part of it",
            ),
        ] {
            let said = problems(&wrong);
            assert!(said.contains(expected), "{wrong}: {said}");
        }
    }

    #[test]
    fn what_is_unset_has_the_default_and_what_is_set_stays() {
        let types = Specs::read(&[]).expect("valid specs").types;
        let filled = |service: &str, kind: &str, given: serde_json::Value| {
            let mut attributes: Value = Value::from_json(&given);
            types[&TypeName::new(service, kind)].fill_defaults(&mut attributes);
            attributes.to_json()
        };
        let group = filled("elb", "target_group", json!({ "health_check": { "path": "/health", "interval": null } }));
        assert_eq!(group["health_check"]["path"], "/health");
        assert_eq!(group["health_check"]["interval"], 30, "AWS's, as no value is none");
        assert_eq!(group["deregistration_delay_seconds"], 300);
        // A table of defaults alone is there without being asked for; one that lacks something is not.
        let distribution = filled("cloudfront", "distribution", json!({}));
        assert_eq!(distribution["geo_restriction"]["kind"], "none");
        assert_eq!(distribution.get("default_cache_behavior"), None);
        assert_eq!(distribution.get("arn"), None, "nobody sets what is computed");
    }

    #[test]
    fn what_a_deletion_does_to_people_may_depend_on_what_is_deleted() {
        let types = Specs::read(&[]).expect("valid specs").types;
        let rule = &types[&TypeName::new("elb", "listener_rule")].impact.delete;
        let of = |kind: &str| rule.of(&Value::from_json(&serde_json::json!({ "action": { "kind": kind } })));
        assert_eq!((of("forward"), of("fixed-response")), (Impact::Outage, Impact::None));
        assert_eq!(rule.of(&Value::Null), Impact::Outage, "of whatever nobody knows, the worse");
        let with = |impact: &str| {
            let text = format!(
                "[thing]\ndoc = \"A thing.\"\nidentity = [\"name\"]\nimpact = {{ delete = {impact} }}\n\
                 [thing.attributes]\nname = {{ type = \"string\", doc = \"Its name.\" }}\n"
            );
            let overlay = OverlayFile { name: "specs/types/a.toml".into(), types_of: Some("a".into()), text };
            Specs::read(&[overlay]).map_or_else(|problems| problems.to_string(), |_| String::new())
        };
        assert_eq!(with(r#"{ by = "name", web = "outage", "*" = "none" }"#), "");
        for wrong in [r#""bad""#, r#"{ by = "name", web = "outage" }"#, r#"{ web = "outage", "*" = "none" }"#] {
            assert!(with(wrong).contains("by the value of the attribute `by`"), "{wrong}: {}", with(wrong));
        }
        let unknown = with(r#"{ by = "kind", "*" = "none" }"#);
        assert!(unknown.contains("has no attribute `kind`"), "{unknown}");
    }

    #[test]
    fn a_text_stands_in_quotes_in_the_line_of_a_record() {
        let types = Specs::read(&[]).expect("valid specs").types;
        let record = &types[&TypeName::new("dns", "record")];
        let line = |kind: &str, value: &str| {
            let attributes = Value::from_json(&json!({ "name": "a.example.org", "kind": kind, "value": value }));
            let request = record.request.as_ref().expect("it is asked for");
            record.advice(request.line(&attributes), &attributes, "")
        };
        assert_eq!(line("TXT", "v=spf1 ~all"), "a.example.org. 300 IN TXT \"v=spf1 ~all\"");
        assert_eq!(line("MX", "10 mail.example.org"), "a.example.org. 300 IN MX 10 mail.example.org.");
    }

    #[test]
    fn a_value_is_one_word_of_the_command_in_an_advice() {
        let types = Specs::read(&[]).expect("valid specs").types;
        let cluster = &types[&TypeName::new("rds", "cluster")];
        let advice = "see {identifier}, run `aws x --region {region} --id {identifier}`, see {identifier}";
        let told =
            |name: &str| cluster.advice(advice, &Value::from_json(&json!({ "identifier": name })), "eu-central-1");
        assert_eq!(told("a"), "see a, run `aws x --region eu-central-1 --id a`, see a");
        assert_eq!(
            told("{region}; $(x)"),
            "see {region}; $(x), run `aws x --region eu-central-1 --id '{region}; $(x)'`, see {region}; $(x)"
        );
    }

    #[test]
    fn what_a_file_does_not_decide_the_default_does() {
        let types = Specs::read(&[]).expect("valid specs").types;
        let cluster = &types[&TypeName::new("rds", "cluster")];
        let deletion = cluster.deletion(&|_| None);
        assert_eq!(deletion.to_string(), r#"{"skip_final_snapshot": false}"#);
        assert_eq!(cluster.manner(&deletion, "social"), ["with a final snapshot, social-TIME"]);
        assert_eq!(cluster.stays(&deletion, "social"), ["the snapshot social-TIME, with all data"]);
        let skip = cluster.deletion(&|name| (name == "skip_final_snapshot").then_some(Value::Bool(true)));
        assert_eq!(cluster.manner(&skip, "social"), ["without a final snapshot"]);
        assert_eq!(cluster.stays(&skip, "social"), Vec::<String>::new());
        let secret = &types[&TypeName::new("secretsmanager", "secret")];
        assert_eq!(secret.manner(&secret.deletion(&|_| None), "arn"), ["recoverable for 30 days"]);
        assert_eq!(secret.stays(&secret.deletion(&|_| Some(Value::Integer(0))), "arn"), Vec::<String>::new());
        assert!(types[&TypeName::new("ecs", "cluster")].deletion(&|_| None).is_null());
    }
}
