//! A configuration of Terraform, and an import block for each resource.
//!
//! OpenTofu reads the same. Passwords are neither written nor changed: Terraform would keep them in its state.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::Address;
use crate::spec::counterpart::{Paths, Tool, leaves};
use crate::value::Tree;

use super::hcl::{Block, Body, Expression, Piece};
use super::place::{self, Placed};
use super::taken::Taken;
use super::{ExportError, File, Instance, Item, Leaf, Omission, Part, Reference, Subject, Written, readme, references};

/// The versions of the provider whose names are written. `tests/specs/terraform.toml` holds what one of them has.
pub const PROVIDER: &str = "~> 6.0";

/// The oldest version of Terraform, and of OpenTofu, that has import blocks.
pub const OLDEST: &str = ">= 1.6";

/// What is exported, before it is text.
#[derive(Clone, Debug)]
pub struct Export {
    resources: Vec<Block>,
    imports: Vec<Block>,
    /// Regions other than the instance's, in which resources are.
    regions: BTreeSet<String>,
    /// The id by which each resource is imported, by its address in Terraform.
    pub identifiers: BTreeMap<String, String>,
    pub omissions: Vec<Omission>,
    /// The attributes that are in it, by type.
    pub attributes: BTreeSet<(String, String)>,
    /// Arguments that AWS never tells, by the address of the resource: the first plan shows them.
    pub untold: BTreeMap<String, Vec<String>>,
}

/// The files of an export.
///
/// # Errors
///
/// As [`Instance::new`].
pub fn files(subject: &Subject<'_>) -> Result<Vec<File>, ExportError> {
    let instance = Instance::new(subject, Tool::Terraform)?;
    let export = export(&instance);
    let text = |blocks: &[Block]| blocks.iter().map(|block| block.text(0)).collect::<Vec<_>>().join("\n");
    let main = [head(&instance, &export), export.resources.clone()].concat();
    let readme = readme::terraform(&instance, &export);
    Ok(vec![
        File { name: "main.tf", text: text(&main) },
        File { name: "imports.tf", text: text(&export.imports) },
        File { name: "README.md", text: readme },
    ])
}

/// Which provider, and where.
fn head(instance: &Instance<'_>, export: &Export) -> Vec<Block> {
    let set = |name: &str, value: Expression| (name.to_owned(), value);
    let source = Expression::Object(vec![
        set("source", Expression::text("hashicorp/aws")),
        set("version", Expression::text(PROVIDER)),
    ]);
    let required = block("required_providers", &[], Body { attributes: vec![set("aws", source)], blocks: Vec::new() });
    let version = set("required_version", Expression::text(OLDEST));
    let mut head = vec![block("terraform", &[], Body { attributes: vec![version], blocks: vec![required] })];
    let accounts: Vec<Expression> =
        instance.state.account.iter().map(|account| Expression::text(account.as_str())).collect();
    let provider = |region: &str, alias: Option<String>| {
        let mut attributes = Vec::new();
        attributes.extend(alias.map(|alias| set("alias", Expression::text(alias))));
        attributes.push(set("region", Expression::text(region)));
        if !accounts.is_empty() {
            attributes.push(set("allowed_account_ids", Expression::List(accounts.clone())));
        }
        block("provider", &["aws"], Body { attributes, blocks: Vec::new() })
    };
    head.push(provider(&instance.state.region, None));
    head.extend(export.regions.iter().map(|region| provider(region, Some(label(region)))));
    head
}

/// The whole of an instance as a configuration.
pub fn export(instance: &Instance<'_>) -> Export {
    let mut labels = Labels::default();
    let writer = Writer { instance, names: names(instance, &mut labels) };
    let mut export = Export {
        resources: Vec::new(),
        imports: Vec::new(),
        regions: BTreeSet::new(),
        identifiers: BTreeMap::new(),
        omissions: instance.omissions(),
        attributes: BTreeSet::new(),
        untold: BTreeMap::new(),
    };
    for (address, item) in &instance.items {
        let Some((type_name, name)) = writer.names.get(address) else {
            let why = "Terraform has no such thing.".to_owned();
            export.omissions.push(Omission { what: address.to_string(), why });
            continue;
        };
        let placed = place::placed(item, Tool::Terraform);
        let own = format!("{type_name}.{name}");
        let untold = untold(item, &placed);
        if !untold.is_empty() {
            export.untold.insert(own.clone(), untold);
        }
        let ours = item.resource_type.name.to_string();
        export.attributes.extend(placed.attributes.iter().map(|path| (ours.clone(), path.clone())));
        for (path, why) in &placed.left_out {
            export.omissions.push(Omission { what: format!("{address}.{path}"), why: why.clone() });
        }
        for argument in &placed.secrets {
            let why = "Terraform would keep it in its state. It is neither written nor changed.".to_owned();
            export.omissions.push(Omission { what: format!("{own}.{argument}"), why });
        }
        let counterpart = &item.resource_type.terraform;
        let mut resources = vec![(own, type_name.clone(), name.clone(), placed.main.clone(), identifier(item))];
        for part in &placed.parts {
            let Some(described) = counterpart.parts.get(&part.type_name) else { continue };
            let star = part.star.as_deref();
            let name = star.map_or_else(|| name.clone(), |star| format!("{name}_{}", label(star)));
            let name = labels.unlike(&part.type_name, name);
            let mut main = part.main.clone();
            for (argument, template) in &described.arguments {
                main.set(&[argument], told(address, item, template, star));
            }
            let id = item.filled(&described.identifier, star).unwrap_or_default();
            let own = format!("{}.{name}", part.type_name);
            resources.push((own, part.type_name.clone(), name, main, id));
        }
        for (index, (own, type_name, name, main, id)) in resources.into_iter().enumerate() {
            let mut body = writer.body(&main);
            if item.region != instance.state.region {
                export.regions.insert(item.region.to_owned());
                let provider = Expression::Bare(format!("aws.{}", label(item.region)));
                body.attributes.insert(0, ("provider".to_owned(), provider));
            }
            if index == 0 && !placed.secrets.is_empty() {
                let ignored = placed.secrets.iter().map(|argument| Expression::Bare(argument.clone())).collect();
                let attributes = vec![("ignore_changes".to_owned(), Expression::List(ignored))];
                body.blocks.push(block("lifecycle", &[], Body { attributes, blocks: Vec::new() }));
            }
            export.resources.push(block("resource", &[&type_name, &name], body));
            let attributes = vec![
                ("to".to_owned(), Expression::Bare(own.clone())),
                ("id".to_owned(), Expression::text(id.as_str())),
            ];
            export.imports.push(block("import", &[], Body { attributes, blocks: Vec::new() }));
            export.identifiers.insert(own, id);
        }
    }
    export.omissions.sort();
    export
}

fn block(name: &str, labels: &[&str], body: Body) -> Block {
    Block { name: name.to_owned(), labels: labels.iter().map(|label| (*label).to_owned()).collect(), body }
}

/// A name that Terraform takes: letters, digits, `_` and `-`.
fn label(text: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let label: String = text.chars().map(letter).collect();
    let label = label.trim_matches('_');
    let begins = label.starts_with(|letter: char| letter.is_ascii_alphabetic());
    if begins { label.to_owned() } else { format!("_{label}") }
}

/// The labels of an export, by type: only two resources of one type need two.
#[derive(Debug, Default)]
struct Labels(BTreeMap<String, Taken>);

impl Labels {
    fn unlike(&mut self, type_name: &str, label: String) -> String {
        self.0.entry(type_name.to_owned()).or_insert_with(|| Taken::new("_")).unlike(label)
    }
}

/// The type and the label of each resource, unlike all others.
fn names(instance: &Instance<'_>, labels: &mut Labels) -> BTreeMap<Address, (String, String)> {
    let mut names = BTreeMap::new();
    for (address, item) in &instance.items {
        let Some(type_name) = item.resource_type.terraform.name(|name| item.text(name)) else { continue };
        let whole = match &address.key {
            Some(key) => format!("{}_{}", label(&address.name), label(key).trim_start_matches('_')),
            None => label(&address.name),
        };
        names.insert(address.clone(), (type_name.to_owned(), labels.unlike(type_name, whole)));
    }
    names
}

/// What an import calls a resource.
fn identifier(item: &Item<'_>) -> String {
    let template = item.resource_type.terraform.identifier.values().next();
    let filled = template.and_then(|template| item.filled(template, None));
    filled.unwrap_or_else(|| {
        let parts = item.resource_type.identity.iter().filter_map(|name| item.text(name));
        parts.collect::<Vec<_>>().join("/")
    })
}

/// What a part is told: a value of what it is part of, by reference.
fn told(address: &Address, item: &Item<'_>, template: &str, star: Option<&str>) -> Written {
    let only = template.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    match only.filter(|name| *name != "*" && !name.contains('{')) {
        Some(name) => {
            let reference = Reference { address: address.clone(), path: vec![name.to_owned()] };
            Tree::Leaf(Leaf::Text(vec![Part::Reference(reference)]))
        }
        None => Tree::Text(item.filled(template, star).unwrap_or_default()),
    }
}

/// The arguments of a resource that AWS never tells, so that the first plan shows them as changes.
fn untold(item: &Item<'_>, placed: &Placed) -> Vec<String> {
    let untold = leaves(item.resource_type)
        .into_iter()
        .filter(|(path, attribute)| attribute.write_only && !attribute.sensitive && placed.attributes.contains(path));
    let name = |(path, attribute): (String, &crate::spec::types::Attribute)| match &attribute.terraform.paths {
        Some(Paths::All(paths)) => paths.first().map_or(path, |found| found.plain()),
        _ => path,
    };
    untold.map(name).collect()
}

struct Writer<'a> {
    instance: &'a Instance<'a>,
    names: BTreeMap<Address, (String, String)>,
}

impl Writer<'_> {
    /// A table as what stands between the braces of a block.
    fn body(&self, table: &Written) -> Body {
        let mut body = Body::default();
        for (key, value) in table.as_map().into_iter().flatten() {
            match value {
                Tree::List(items) if !items.is_empty() && items.iter().all(|item| matches!(item, Tree::Map(_))) => {
                    body.blocks.extend(items.iter().map(|item| block(key, &[], self.body(item))));
                }
                value => body.attributes.extend(self.expression(value).map(|value| (key.clone(), value))),
            }
        }
        body
    }

    /// A value; `None` if it is not to be written.
    fn expression(&self, value: &Written) -> Option<Expression> {
        Some(match value {
            Tree::Null | Tree::Leaf(Leaf::Secret(_)) => return None,
            Tree::Bool(flag) => Expression::Bool(*flag),
            Tree::Integer(number) => Expression::Number(number.to_string()),
            Tree::Number(number) => Expression::Number(number.to_string()),
            Tree::Text(text) => Expression::text(text.as_str()),
            Tree::List(items) => Expression::List(items.iter().filter_map(|item| self.expression(item)).collect()),
            Tree::Map(entries) => Expression::Object(
                entries.iter().filter_map(|(key, entry)| Some((key.clone(), self.expression(entry)?))).collect(),
            ),
            Tree::Leaf(Leaf::Document(document)) => {
                Expression::Call("jsonencode", Box::new(self.expression(document)?))
            }
            Tree::Leaf(Leaf::Text(parts)) => match &parts[..] {
                [Part::Reference(reference)] => Expression::Bare(self.reference(reference)?),
                parts => Expression::Text(
                    parts
                        .iter()
                        .map(|part| match part {
                            Part::Literal(text) => Some(Piece::Literal(text.clone())),
                            Part::Reference(reference) => Some(Piece::Reference(self.reference(reference)?)),
                        })
                        .collect::<Option<_>>()?,
                ),
            },
        })
    }

    /// A reference: `aws_rds_cluster.database.endpoint`.
    fn reference(&self, reference: &Reference) -> Option<String> {
        let item = self.instance.items.get(&reference.address)?;
        let (type_name, name) = self.names.get(&reference.address)?;
        let attribute = references::attribute(item.resource_type, reference)?;
        let own = reference.path.first()?;
        let path = attribute.terraform.paths().first().map_or_else(|| own.clone(), |path| path.text.clone());
        Some(format!("{type_name}.{name}.{path}"))
    }
}
