//! Handing an instance over: what it consists of, as files of CloudFormation or Terraform.
//!
//! [`Instance`] is everything the state knows of, with the values that the cloud reports and with references instead of
//! one another's names. [`placement`] puts these values where a tool keeps them, as `cfn` and `terraform` in `specs/types` say;
//! [`cloudformation`] and [`terraform`] write the files. All of it is pure: no cloud, no file, no clock.
//!
//! # Guarantees
//!
//! - No secret is in any file: the state has none, and what stands for one in it becomes a reference to where it is kept,
//!   or is left out.
//! - A value is what the cloud reports now, where it reports one; without observations, what the state has recorded.
//! - The same state and the same observations give the same bytes.
//!
//! # Assumptions
//!
//! - Nothing is under way: [`Instance::new`] refuses a state with unfinished resources.

pub mod cloudformation;
mod hcl;
mod layout;
pub mod place;
mod readme;
pub mod references;
mod taken;
pub mod terraform;

use std::collections::BTreeMap;

use crate::address::{Address, Identity};
use crate::plan::diff;
use crate::plan::owner;
use crate::plan::walk::merged;
use crate::provider::ownership::{RESERVED, Tags};
use crate::provider::{Observation, Observations};
use crate::spec::Types;
use crate::spec::counterpart::Tool;
use crate::spec::placement;
use crate::spec::types::{Attribute, Compare, ResourceType, Shape, pieces};
use crate::state::{Row, State, Status};
use crate::value::{Tree, Value};

pub use references::{Part, Reference};

/// A value of an export.
pub type Written = Tree<Leaf>;

/// What values of an export may hold besides plain ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Leaf {
    /// A text with references in it.
    Text(Vec<Part>),
    /// A text with secrets in it, each named by where it is kept.
    Secret(Vec<Part>),
    /// A document that the tool takes as one text.
    Document(Box<Written>),
}

/// A file of an export: its name, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: &'static str,
    pub text: String,
}

/// Something that is not in an export, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Omission {
    pub what: String,
    pub why: String,
}

/// Why there is no export.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("{address} is not finished")]
    Unfinished { address: Address },
    #[error("{address} is gone")]
    Gone { address: Address },
    #[error("{address} is not this instance's: {identity} carries other tags")]
    Foreign { address: Address, identity: Identity },
    #[error("no specs describe the type of {address}")]
    UnknownType { address: Address },
    #[error("{address}.{attribute} holds {found}, and {} would put something else in its place", .tool.title())]
    Obeyed { address: Address, attribute: String, found: &'static str, tool: Tool },
    #[error("there is nothing to hand over")]
    Nothing,
}

impl ExportError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unfinished { .. } => "`mastoform apply` finishes what was begun; export after that",
            Self::Gone { .. } => "`mastoform drift` says what else differs, and `mastoform apply` makes it again",
            Self::Foreign { .. } => "`mastoform drift` says what it carries",
            Self::UnknownType { .. } => "give the folder that describes it with `--specs`",
            Self::Obeyed { .. } => {
                "the tool has no way to write such a text down as it is: change it, apply that, and export then; or export to \
                 another tool"
            }
            Self::Nothing => "the state knows of no resource: it is written by the first `mastoform apply`",
        }
    }
}

/// What an export is made from.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub state: &'a State,
    /// `None`: offline.
    pub observations: Option<&'a Observations>,
    pub types: &'a Types,
}

/// A resource as it is handed over.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    pub resource_type: &'a ResourceType,
    pub identity: &'a Identity,
    pub region: &'a str,
    /// The attributes that somebody sets, by our names.
    pub attributes: Written,
    /// All of its attributes, as plain values.
    pub values: Value,
    pub tags: Tags,
}

impl Item<'_> {
    /// The value of an attribute as a text.
    pub fn text(&self, name: &str) -> Option<String> {
        placement::text(&self.values, name)
    }

    /// A template of the specs with the values of the attributes it names; `star` stands for `{*}`.
    pub fn filled(&self, template: &str, star: Option<&str>) -> Option<String> {
        let mut text = String::new();
        let (pieces, rest) = pieces(template);
        for (literal, name) in pieces {
            text.push_str(literal);
            match name {
                "*" => text.push_str(star?),
                name => text.push_str(&self.text(name)?),
            }
        }
        (!rest.contains('{')).then(|| text + rest)
    }
}

/// Everything that is handed over.
#[derive(Clone, Debug)]
pub struct Instance<'a> {
    pub state: &'a State,
    pub items: BTreeMap<Address, Item<'a>>,
    /// What is done, of which nothing is kept.
    done: Vec<Address>,
    /// Whether the cloud was asked.
    pub is_observed: bool,
}

impl<'a> Instance<'a> {
    /// Everything the state knows of, as `tool` is to see it.
    ///
    /// # Errors
    ///
    /// Something is under way, gone, or not the instance's; the state is empty, or knows of a type that nobody describes.
    pub fn new(subject: &Subject<'a>, tool: Tool) -> Result<Self, ExportError> {
        let Subject { state, observations, types } = *subject;
        if state.rows.is_empty() {
            return Err(ExportError::Nothing);
        }
        let owner = owner(state);
        let (mut items, mut done) = (BTreeMap::new(), Vec::new());
        for (address, row) in &state.rows {
            let resource_type =
                types.get(&address.type_name).ok_or_else(|| ExportError::UnknownType { address: address.clone() })?;
            let unfinished = || ExportError::Unfinished { address: address.clone() };
            if !resource_type.is_handed_over() && row.status == Status::Ready {
                done.push(address.clone());
                continue;
            }
            let identity = row.identity.as_ref().ok_or_else(unfinished)?;
            if row.status != Status::Ready || !row.replaced.is_empty() {
                return Err(unfinished());
            }
            let observed = match observations.map(|all| all.get(address)) {
                None => None,
                Some(Some(Observation::Found(observed))) => Some(observed),
                Some(Some(Observation::Foreign(_))) => {
                    return Err(ExportError::Foreign { address: address.clone(), identity: identity.clone() });
                }
                Some(_) => return Err(ExportError::Gone { address: address.clone() }),
            };
            let values = values(resource_type, row, observed.map(|observed| &observed.attributes));
            if tool == Tool::CloudFormation {
                refuse_obeyed(address, resource_type, &values, observed.and_then(|observed| observed.tags.as_ref()))?;
            }
            let mut tags = observed.and_then(|observed| observed.tags.clone()).unwrap_or_else(|| owner.tags(address));
            tags.retain(|key, _| !key.starts_with(RESERVED));
            let region = row.region.as_str();
            let attributes = Tree::Null;
            items.insert(address.clone(), Item { resource_type, identity, region, attributes, values, tags });
        }
        // A stack is of one region: what stands in another is called by its value.
        let can_refer = |needed: &Item<'_>| matches!(tool, Tool::Terraform) || needed.region == state.region;
        let written: Vec<(Address, Written)> = items
            .iter()
            .map(|(address, item)| {
                let needed = state.rows.get(address).into_iter().flat_map(|row| &row.depends_on);
                let needed = needed.filter_map(|needed| items.get_key_value(needed));
                let needed: Vec<_> = needed.filter(|(_, needed)| can_refer(needed)).collect();
                (address.clone(), references::written(item, &needed, tool))
            })
            .collect();
        for (address, attributes) in written {
            if let Some(item) = items.get_mut(&address) {
                item.attributes = attributes;
            }
        }
        Ok(Self { state, items, done, is_observed: observations.is_some() })
    }
}

/// Refuses texts that CloudFormation would obey instead of writing them down. It looks for references to secrets and
/// parameters when all functions of a template have been evaluated, so that no function hides one from it, and there is
/// no escape. A table with the name of a function as a key is a call of it.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html>
fn refuse_obeyed(
    address: &Address,
    resource_type: &ResourceType,
    values: &Value,
    tags: Option<&Tags>,
) -> Result<(), ExportError> {
    let refuse = |attribute: &str, found: Option<&'static str>| match found {
        Some(found) => Err(ExportError::Obeyed {
            address: address.clone(),
            attribute: attribute.to_owned(),
            found,
            tool: Tool::CloudFormation,
        }),
        None => Ok(()),
    };
    for (name, value) in values.as_map().into_iter().flatten() {
        let is_written = resource_type.attributes.get(name).is_some_and(|attribute| !attribute.computed);
        refuse(name, Some(value).filter(|_| is_written).and_then(obeyed))?;
    }
    let tags = tags.into_iter().flatten().flat_map(|(key, value)| [key, value]);
    refuse("tags", tags.map(String::as_str).find_map(obeyed_text))
}

/// The part of a value that CloudFormation would obey.
fn obeyed(value: &Value) -> Option<&'static str> {
    match value {
        Tree::Text(text) => obeyed_text(text),
        Tree::List(items) => items.iter().find_map(obeyed),
        Tree::Map(entries) => entries.iter().find_map(|(key, entry)| {
            let is_function = key.starts_with("Fn::") || key == "Ref";
            if is_function { Some("a key `Ref` or `Fn::`") } else { obeyed_text(key).or_else(|| obeyed(entry)) }
        }),
        _ => None,
    }
}

fn obeyed_text(text: &str) -> Option<&'static str> {
    text.contains("{{resolve:").then_some("the text `{{resolve:`")
}

impl Instance<'_> {
    /// What no tool gets.
    fn omissions(&self) -> Vec<Omission> {
        let why = "It is done, and nothing of it is kept.";
        self.done.iter().map(|address| Omission { what: address.to_string(), why: why.to_owned() }).collect()
    }
}

/// All attributes of a resource. Those that somebody sets are what the cloud reports, in our spelling where that means
/// the same; a secret is what stands for it in the state.
fn values(resource_type: &ResourceType, row: &Row, observed: Option<&Value>) -> Value {
    let mut values = merged(&row.facts, observed.unwrap_or(&Value::Null), resource_type);
    for (name, attribute) in &resource_type.attributes {
        if attribute.computed {
            continue;
        }
        let recorded = row.inputs.get(name).filter(|value| !value.is_null());
        let value = match observed {
            Some(observed) => reported(attribute, recorded, observed.get(name)),
            None => recorded.cloned().unwrap_or_default(),
        };
        if !value.is_null() {
            values.set(&[name], value);
        }
    }
    values
}

/// What the cloud reports of an attribute, and what is recorded where it never tells.
fn reported(attribute: &Attribute, recorded: Option<&Value>, observed: Option<&Value>) -> Value {
    let is_told = !attribute.sensitive && !attribute.write_only;
    match (&attribute.shape, recorded, observed.filter(|value| !value.is_null())) {
        (_, recorded, _) if !is_told => recorded.cloned().unwrap_or_default(),
        (Shape::Object(children), recorded, observed) => {
            let part = |whole: Option<&Value>, name: &str| whole.and_then(|whole| whole.get(name)).cloned();
            let parts = children.iter().filter_map(|(name, child)| {
                let (recorded, observed) = (part(recorded, name), part(observed, name));
                let value = reported(child, recorded.as_ref(), observed.as_ref());
                (!value.is_null()).then(|| (name.clone(), value))
            });
            let parts: BTreeMap<String, Value> = parts.collect();
            if parts.is_empty() { Value::Null } else { Tree::Map(parts) }
        }
        (_, _, None) => Value::Null,
        (_, Some(recorded), Some(observed)) => {
            // A version stays the exact one: with less of it, the tool would lower what AWS has raised.
            let is_version = attribute.compare == Some(Compare::VersionPrefix);
            if !is_version && diff::same(recorded, observed, attribute) { recorded.clone() } else { observed.clone() }
        }
        (_, None, Some(observed)) => observed.clone(),
    }
}

#[cfg(test)]
mod tests;
