//! A template of CloudFormation, and the list of what it is to import.
//!
//! Every resource is retained: the stack can let go of it without deleting it. There are no outputs, which an import
//! refuses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use crate::address::Address;
use crate::inert::json_guarded;
use crate::spec::counterpart::{Kind, Tool};
use crate::spec::types::pieces;
use crate::value::Tree;

use super::place::{self, Placed, spelled};
use super::taken::Taken;
use super::{
    ExportError, File, Instance, Item, Leaf, Omission, Part, Reference, Subject, Written, layout, readme, references,
};

/// The most bytes of a template that a command line may hand over as they are.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
pub const LONGEST_BODY: usize = 51_200;

/// The most resources that one import takes.
pub const MOST_IMPORTED: usize = 200;

/// The template without spaces.
pub const SHORT: &str = "template.min.json";

/// How the template gets to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// As it is.
    Template,
    /// Without spaces.
    Short,
    /// By way of a bucket.
    Bucket,
}

/// What is exported, before it is text.
#[derive(Clone, Debug)]
pub struct Export {
    pub template: Json,
    pub imports: Json,
    pub omissions: Vec<Omission>,
    /// The attributes that are in it, by type.
    pub attributes: BTreeSet<(String, String)>,
}

/// The files of an export.
///
/// # Errors
///
/// As [`Instance::new`].
pub fn files(subject: &Subject<'_>) -> Result<Vec<File>, ExportError> {
    let instance = Instance::new(subject, Tool::CloudFormation)?;
    let export = export(&instance);
    let template = layout::json(&export.template);
    let short = json_guarded(&export.template.to_string());
    let body = match (template.len(), short.len()) {
        (..=LONGEST_BODY, _) => Body::Template,
        (_, ..=LONGEST_BODY) => Body::Short,
        _ => Body::Bucket,
    };
    let readme = readme::cloudformation(&instance, &export, body);
    let mut files = vec![
        File { name: "template.json", text: template },
        File { name: "resources-to-import.json", text: layout::json(&export.imports) },
        File { name: "README.md", text: readme },
    ];
    if body == Body::Short {
        files.insert(1, File { name: SHORT, text: short });
    }
    Ok(files)
}

/// The name of a resource in the template: `rds.cluster.database` is `RdsClusterDatabase`.
pub fn logical_name(address: &Address) -> String {
    let whole = address.to_string();
    let words = whole.split(|letter: char| !letter.is_ascii_alphanumeric());
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{}{rest}", first.to_uppercase())
    };
    words.map(capital).collect()
}

/// A name for each resource, unlike all others.
fn names(instance: &Instance<'_>) -> BTreeMap<Address, String> {
    let mut taken = Taken::new("");
    instance.items.keys().map(|address| (address.clone(), taken.unlike(logical_name(address)))).collect()
}

/// The whole of an instance as a template.
pub fn export(instance: &Instance<'_>) -> Export {
    let writer = Writer { instance, names: names(instance) };
    let mut omissions = instance.omissions();
    let mut attributes = BTreeSet::new();
    let mut placed: BTreeMap<&Address, (&str, Placed)> = BTreeMap::new();
    let mut inside = Vec::new();
    for (address, item) in &instance.items {
        let omit = |why: &str| Omission { what: address.to_string(), why: why.to_owned() };
        if item.region != instance.state.region {
            omissions.push(omit(&format!("It is in {}, and a stack is of one region.", item.region)));
            continue;
        }
        if let Kind::Inside { attribute, path, value } = &item.resource_type.cfn.kind {
            inside.push((address, attribute, path, value));
            continue;
        }
        match item.resource_type.cfn.name(|name| item.text(name)) {
            Some(name) => drop(placed.insert(address, (name, place::placed(item, Tool::CloudFormation)))),
            None => omissions.push(omit("CloudFormation has no such thing.")),
        }
    }
    for (address, attribute, path, value) in inside {
        let Some(item) = instance.items.get(address) else { continue };
        let holder = instance.items.iter().find(|(holder, found)| {
            let refers_to = item.resource_type.attributes.get(attribute).and_then(|found| found.refers_to.as_ref());
            refers_to == Some(&holder.type_name) && item.text(attribute).as_deref() == Some(found.identity.as_str())
        });
        let place = holder.and_then(|(holder, _)| placed.get_mut(holder));
        match (place, item.attributes.get(value)) {
            (Some((_, placed)), Some(entry)) => {
                place::put(&mut placed.main, &path.segments, entry.clone());
                let type_name = item.resource_type.name.to_string();
                attributes.extend([attribute, value].map(|name| (type_name.clone(), name.clone())));
            }
            _ => {
                let why = format!("CloudFormation has it within its {attribute}, which is not this instance's.");
                omissions.push(Omission { what: address.to_string(), why });
            }
        }
    }
    let (mut resources, mut imports) = (Map::new(), Vec::new());
    for (address, (type_name, placed)) in placed {
        let Some(item) = instance.items.get(address) else { continue };
        let logical = writer.names.get(address).cloned().unwrap_or_default();
        let ours = item.resource_type.name.to_string();
        attributes.extend(placed.attributes.iter().map(|path| (ours.clone(), path.clone())));
        omissions.extend(
            placed.left_out.iter().map(|(path, why)| Omission { what: format!("{address}.{path}"), why: why.clone() }),
        );
        for (name, value) in item.attributes.as_map().into_iter().flatten() {
            let is_left_out = item.resource_type.attributes.get(name).is_some_and(|found| found.left_out.is_some());
            if matches!(value, Tree::Leaf(Leaf::Secret(_))) && !is_left_out && writer.json(value).is_none() {
                let why = "It is a secret that CloudFormation cannot read from where it is.".to_owned();
                omissions.push(Omission { what: format!("{address}.{name}"), why });
            }
        }
        let properties = writer.json(&placed.main).unwrap_or_else(|| json!({}));
        imports.push(json!({
            "ResourceType": type_name,
            "LogicalResourceId": logical,
            "ResourceIdentifier": identifier(item),
        }));
        resources.insert(
            logical,
            json!({
                "Type": type_name,
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": properties,
            }),
        );
    }
    let description = format!("What mastoform ran as {} in {}", instance.state.instance, instance.state.region);
    let template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": description,
        "Resources": resources,
    });
    omissions.sort();
    Export { template, imports: Json::Array(imports), omissions, attributes }
}

/// What names a resource to an import.
fn identifier(item: &Item<'_>) -> Json {
    let counterpart = &item.resource_type.cfn;
    let by_template = counterpart.identifier.iter();
    let mut found: Map<String, Json> = by_template
        .filter_map(|(property, template)| Some((property.clone(), item.filled(template, None)?.into())))
        .collect();
    if found.is_empty() {
        for name in &item.resource_type.identity {
            let place = item.resource_type.attributes.get(name).map(|attribute| &attribute.cfn);
            let property =
                place.and_then(|place| place.plain()).unwrap_or_else(|| crate::spec::counterpart::pascal(name));
            found.insert(property, item.text(name).into());
        }
    }
    Json::Object(found)
}

struct Writer<'a> {
    instance: &'a Instance<'a>,
    names: BTreeMap<Address, String>,
}

impl Writer<'_> {
    /// A value as the template has it; `None` if it is not to be written.
    fn json(&self, value: &Written) -> Option<Json> {
        Some(match value {
            Tree::Null => return None,
            Tree::Bool(flag) => (*flag).into(),
            Tree::Integer(number) => (*number).into(),
            Tree::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => (*number as i64).into(),
            Tree::Number(number) => (*number).into(),
            Tree::Text(text) => text.clone().into(),
            Tree::List(items) => items.iter().filter_map(|item| self.json(item)).collect(),
            Tree::Map(entries) => {
                Json::Object(entries.iter().filter_map(|(key, entry)| Some((key.clone(), self.json(entry)?))).collect())
            }
            Tree::Leaf(Leaf::Document(document)) => return self.json(document),
            Tree::Leaf(Leaf::Text(parts)) => self.text(parts)?,
            Tree::Leaf(Leaf::Secret(parts)) => {
                let secret = spelled(parts, substituted, |reference| self.secret(reference))?;
                if secret.is_empty() {
                    return None;
                }
                json!({ "Fn::Sub": secret })
            }
        })
    }

    fn text(&self, parts: &[Part]) -> Option<Json> {
        if let [Part::Reference(reference)] = parts {
            let (name, attribute) = self.read(reference)?;
            return Some(match attribute {
                None => json!({ "Ref": name }),
                Some(attribute) => json!({ "Fn::GetAtt": [name, attribute] }),
            });
        }
        let text = spelled(parts, substituted, |reference| self.placeholder(reference))?;
        Some(json!({ "Fn::Sub": text }))
    }

    /// A reference within a text: `${Database.Endpoint.Address}`.
    fn placeholder(&self, reference: &Reference) -> Option<String> {
        Some(match self.read(reference)? {
            (name, None) => format!("${{{name}}}"),
            (name, Some(attribute)) => format!("${{{name}.{attribute}}}"),
        })
    }

    /// The logical name that a reference is about, and the attribute; none where the name itself stands for it.
    fn read(&self, reference: &Reference) -> Option<(String, Option<String>)> {
        let item = self.instance.items.get(&reference.address)?;
        let name = self.names.get(&reference.address)?.clone();
        let attribute = references::attribute(item.resource_type, reference)?;
        let own = reference.path.first()?;
        let path = attribute.cfn.plain().unwrap_or_else(|| crate::spec::counterpart::pascal(own));
        Some((name, attribute.computed.then_some(path)))
    }

    /// Where CloudFormation finds a secret itself.
    fn secret(&self, reference: &Reference) -> Option<String> {
        let item = self.instance.items.get(&reference.address)?;
        let attribute = references::attribute(item.resource_type, reference)?;
        let template = attribute.cfn.paths().first()?.text.strip_prefix("{{")?.strip_suffix("}}")?.to_owned();
        let mut text = "{{".to_owned();
        let (pieces, rest) = pieces(&template);
        for (literal, name) in pieces {
            text.push_str(literal);
            match name {
                "*" => text.push_str(reference.path.get(1)?),
                name => {
                    let path = vec![name.to_owned()];
                    text.push_str(&self.placeholder(&Reference { address: reference.address.clone(), path })?);
                }
            }
        }
        (!rest.contains('{')).then(|| text + rest + "}}")
    }
}

/// A literal part of a text with placeholders.
fn substituted(text: &str) -> String {
    text.replace("${", "${!")
}
