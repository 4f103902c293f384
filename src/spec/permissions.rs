//! `[type.permissions]`: the IAM actions a type takes, on which objects, and under which conditions.
//!
//! An action is granted by all the grants that name it. One that no grant names stands on the names of the type's own
//! objects, or on everything if the type has no names for them.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::Reader;
use super::types::{ResourceType, Types};
use crate::address::TypeName;
use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::document::{Content, Node};

/// Operators, the keys each compares, and the values each allows.
pub type Condition = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// The tag that says which instance an object belongs to, as conditions spell it.
const RESOURCE_TAG: &str = "aws:ResourceTag/mastoform:instance";
const REQUEST_TAG: &str = "aws:RequestTag/mastoform:instance";

/// Words in braces that are no attributes.
pub const BUILT_IN: [&str; 3] = ["account", "instance", "region"];

/// What a type's objects take.
#[derive(Clone, Debug, Default)]
pub struct Permissions {
    /// IAM actions by verb: create, read, update, delete.
    pub verbs: BTreeMap<String, Vec<String>>,
    /// How AWS names the objects, with `{attribute}`, `{region}`, `{account}` and `{instance}`: what the actions are
    /// allowed on.
    pub scope: Vec<String>,
    /// The type whose attributes the names are made of, if it is another one.
    pub names_of: Option<TypeName>,
    /// The region AWS is asked in, whatever the region of the object.
    pub region: Option<String>,
    /// Actions that AWS allows only on everything.
    pub unscoped: BTreeSet<String>,
    /// Actions that no daily policy holds: with them whoever has the policy could give away more than they have.
    pub bootstrap: BTreeSet<String>,
    /// Actions that no policy holds at all. They are for people with rights of their own.
    pub withheld: BTreeSet<String>,
    pub grants: Vec<Grant>,
    pub location: Option<Location>,
}

/// Actions, on which objects, and when.
#[derive(Clone, Debug)]
pub struct Grant {
    pub actions: Vec<String>,
    /// The type's own scope if it is not said.
    pub scope: Option<Vec<String>>,
    pub names_of: Option<TypeName>,
    pub condition: Condition,
    /// Attributes whose values count in the condition only where they name what the instance itself makes.
    pub own: Vec<String>,
    /// Only in the policy of `--bootstrap`.
    pub bootstrap: bool,
}

impl Permissions {
    /// Every action of every verb.
    pub fn actions(&self) -> BTreeSet<&str> {
        self.verbs.values().flatten().map(String::as_str).collect()
    }

    /// Whether only the policy of `--bootstrap` has an action.
    pub fn is_kept_apart(&self, action: &str) -> bool {
        let mut grants = self.grants_of(action).peekable();
        self.bootstrap.contains(action) || (grants.peek().is_some() && grants.all(|grant| grant.bootstrap))
    }

    /// The grants that name an action.
    pub fn grants_of<'a>(&'a self, action: &'a str) -> impl Iterator<Item = &'a Grant> {
        self.grants.iter().filter(move |grant| grant.actions.iter().any(|other| other == action))
    }
}

/// Reads the table.
pub(super) fn read(node: &Node, diagnostics: &mut Diagnostics) -> Permissions {
    let mut reader = Reader { diagnostics, table: node, what: "`permissions`", used: Vec::new() };
    let mut verbs = BTreeMap::new();
    for verb in ["create", "read", "update", "delete"] {
        if node.get(verb).is_some() {
            verbs.insert(verb.to_owned(), reader.texts(verb));
        }
    }
    let mut grants = Vec::new();
    let short = [
        ("tagging", "StringEquals", REQUEST_TAG),
        ("tagged", "StringEquals", RESOURCE_TAG),
        ("untaken", "StringEqualsIfExists", RESOURCE_TAG),
    ];
    for (key, operator, tag) in short {
        let actions = reader.texts(key);
        if !actions.is_empty() {
            let values = BTreeMap::from([(tag.to_owned(), vec!["{instance}".to_owned()])]);
            let condition = BTreeMap::from([(operator.to_owned(), values)]);
            grants.push(Grant { actions, scope: None, names_of: None, condition, own: Vec::new(), bootstrap: false });
        }
    }
    let scope = reader.texts("scope");
    let names_of = type_name(&mut reader);
    let region = reader.text("region");
    let unscoped = reader.texts("unscoped").into_iter().collect();
    let bootstrap = reader.texts("bootstrap").into_iter().collect();
    let withheld = reader.texts("withheld").into_iter().collect();
    reader.used.push("grants");
    match node.get("grants").map(|node| &node.content) {
        None => {}
        Some(Content::List(items)) => grants.extend(items.iter().map(|item| grant(item, &mut *reader.diagnostics))),
        Some(_) => reader.wrong("grants", "a list of tables"),
    }
    reader.refuse_others();
    let location = Some(node.location.clone());
    Permissions { verbs, scope, names_of, region, unscoped, bootstrap, withheld, grants, location }
}

fn grant(node: &Node, diagnostics: &mut Diagnostics) -> Grant {
    let mut reader = Reader { diagnostics, table: node, what: "a grant", used: vec!["condition"] };
    let actions = reader.texts("actions");
    let scope = node.get("scope").is_some().then(|| reader.texts("scope"));
    let names_of = type_name(&mut reader);
    let own = reader.texts("own");
    let bootstrap = reader.flag("bootstrap", false);
    let mut condition = Condition::new();
    for operator in node.get("condition").map(Node::entries).unwrap_or_default() {
        for key in operator.node.entries() {
            let values = match &key.node.content {
                Content::Text(text) => Some(vec![text.clone()]),
                Content::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
                _ => None,
            };
            match values {
                Some(values) => {
                    condition.entry(operator.key.clone()).or_default().insert(key.key.clone(), values);
                }
                None => reader.wrong("condition", "a table of operators, of keys, of strings or lists of strings"),
            }
        }
    }
    reader.refuse_others();
    Grant { actions, scope, names_of, condition, own, bootstrap }
}

fn type_name(reader: &mut Reader<'_>) -> Option<TypeName> {
    let name = reader.text("names_of")?;
    let split = name.split_once('.').map(|(service, kind)| TypeName::new(service, kind));
    if split.is_none() {
        reader.wrong("names_of", "the name of a type");
    }
    split
}

/// Checks that every grant names actions and attributes that exist.
pub(super) fn lint(types: &Types, problems: &mut Diagnostics) {
    for resource_type in types.values() {
        let permissions = &resource_type.permissions;
        let Some(location) = &permissions.location else { continue };
        let mut complain = |message: String| {
            problems.push(Diagnostic::error("permissions", message).at(location, ""));
        };
        let name = &resource_type.name;
        let actions = permissions.actions();
        let named = permissions.grants.iter().flat_map(|grant| &grant.actions);
        for action in named.chain(&permissions.unscoped).chain(&permissions.bootstrap).chain(&permissions.withheld) {
            if !actions.contains(action.as_str()) {
                complain(format!("no verb of type `{name}` takes `{action}`"));
            }
        }
        let own = permissions.names_of.as_ref();
        let mut patterns: Vec<(&str, Option<&TypeName>)> =
            permissions.scope.iter().map(|pattern| (pattern.as_str(), own)).collect();
        for grant in &permissions.grants {
            let of = grant.names_of.as_ref().or(own);
            patterns.extend(grant.scope.iter().flatten().map(|pattern| (pattern.as_str(), of)));
            let values = grant.condition.values().flat_map(BTreeMap::values).flatten();
            patterns.extend(values.map(|value| (value.as_str(), None)));
        }
        for attribute in permissions.grants.iter().flat_map(|grant| &grant.own) {
            if resource_type.attributes.get(attribute).is_none_or(|described| described.refers_to.is_none()) {
                complain(format!("type `{name}` has no attribute `{attribute}` that refers to a type"));
            }
        }
        for (pattern, of) in patterns {
            let Some(named) = of.map_or(Some(resource_type), |of| types.get(of)) else {
                complain(format!("the names of type `{name}` are those of `{}`, which is none", of.unwrap_or(name)));
                continue;
            };
            for placeholder in super::types::placeholders(pattern) {
                if !BUILT_IN.contains(&placeholder) && !has(named, placeholder) {
                    complain(format!("type `{}` has no attribute `{placeholder}`", named.name));
                }
            }
        }
    }
}

fn has(resource_type: &ResourceType, attribute: &str) -> bool {
    resource_type.attributes.contains_key(attribute)
}
