//! What must not slip through a plan: how objects are deleted, what that loses, what is protected, what widens rights.
//!
//! The walk finds differences; here each change gets what people and gates look at. Which objects go is
//! [`Change::deletions`], and nothing else.
//!
//! # Guarantees
//!
//! - How something is deleted comes from the file and the specs while these can be read. What they do not know is deleted
//!   in the way that loses least: by the defaults of its type. Only where no file can be read, the state decides.
//! - A state cannot take a protection away that the file gives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::change::{Action, Cause, Change, Refusal, Why};
use super::diff::Difference;
use super::resolve::{self, Desired, NoFacts, ResourceScope, World};
use crate::address::Address;
use crate::expr::TemplateTree;
use crate::spec::Specs;
use crate::spec::blueprint::Patch;
use crate::spec::types::{Attribute, Impact, ResourceType, Security, Shape};
use crate::state::Row;
use crate::value::{Planned, Tree, Value};

/// What the file says of resources, also of those that it leaves out now.
pub struct Wishes<'a> {
    /// `None`: no file can be read.
    world: Option<&'a World<'a>>,
    imagined: BTreeMap<Address, Desired>,
}

impl<'a> Wishes<'a> {
    /// What is said of these addresses.
    pub fn of<'b>(world: Option<&'a World<'a>>, addresses: impl Iterator<Item = &'b Address>) -> Self {
        let names: BTreeSet<_> = addresses.map(|address| (address.type_name.clone(), address.name.clone())).collect();
        let imagined = world.map(|world| resolve::imagined(world, &names)).unwrap_or_default();
        Self { world, imagined }
    }

    /// Whether the file protects it.
    pub fn protects(&self, address: &Address) -> bool {
        self.imagined.get(address).is_some_and(|desired| desired.protect)
    }

    /// How it is deleted.
    pub fn deletion(&self, address: &Address, row: &Row, resource_type: &ResourceType) -> Value {
        let Some(world) = self.world else {
            let recorded = row.recorded();
            return resource_type.deletion(&|name| recorded.get(name).cloned());
        };
        let Some(desired) = self.imagined.get(address) else { return resource_type.deletion(&|_| None) };
        let templates = desired.templates();
        let scope = ResourceScope { world, each: desired.each.as_ref(), facts: &NoFacts };
        resource_type.deletion(&|name| {
            let value = world.evaluator.tree(templates.get(name)?, &scope).ok()?;
            value.into_plain()
        })
    }
}

/// Completes the change of something that the file wants.
pub(super) fn complete(change: &mut Change, rights: &Rights<'_>, is_first_apply: bool) {
    let resource_type = rights.resource_type;
    let desired = change.desired.clone();
    let wanted = |name: &str| desired.as_ref()?.get(name)?.plain();
    decide(change, resource_type, &|_| resource_type.deletion(&wanted));
    if !is_first_apply {
        rights.mark(change);
    }
}

/// Completes the change of something that the file does not want.
pub fn complete_removal(change: &mut Change, row: &Row, resource_type: Option<&ResourceType>, wishes: &Wishes<'_>) {
    change.protect |= wishes.protects(&change.address);
    if let Some(resource_type) = resource_type {
        decide(change, resource_type, &|address| wishes.deletion(address, row, resource_type));
    }
}

fn decide(change: &mut Change, resource_type: &ResourceType, deletion: &dyn Fn(&Address) -> Value) {
    if change.deletions().next().is_none() {
        return;
    }
    change.deletion = deletion(&change.address);
    if resource_type.loses_data() {
        change.impact = Impact::DataLoss;
    }
    // The state alone says that nobody uses a leftover any more. If that is not so, its deletion does what one does.
    if change.deletions().any(|deletion| deletion.why == Why::LeftOver) {
        change.impact = change.impact.max(resource_type.impact.delete.of(&Value::Null));
    }
}

/// A resource as its changes are judged: its type, and the authors of its values.
pub(super) struct Rights<'a> {
    resource_type: &'a ResourceType,
    patches: &'a [Arc<Patch>],
    /// The program brings the resource along; otherwise an overlay does.
    is_built_in: bool,
}

impl<'a> Rights<'a> {
    pub(super) fn of(specs: &Specs, desired: &'a Desired) -> Self {
        let is_built_in = specs.is_built_in(&desired.resource.location);
        Self { resource_type: &desired.resource_type, patches: &desired.patches, is_built_in }
    }

    /// Tells whether a difference widens rights, or may.
    pub(super) fn widens(&self, difference: &Difference) -> bool {
        !self.marks(&difference.path, difference.after.as_ref()).is_empty()
    }

    /// Marks what widens rights, or may.
    fn mark(&self, change: &mut Change) {
        if !matches!(change.action, Action::Create | Action::Run | Action::Update { .. } | Action::Replace { .. }) {
            return;
        }
        let mut names = BTreeSet::new();
        for attribute in &mut change.attributes {
            let found = self.marks(&attribute.path, attribute.after.as_ref());
            attribute.security = !found.is_empty();
            names.extend(found);
        }
        if !change.attributes.is_empty() {
            let is_set =
                |name: &String| change.desired.as_ref().and_then(|all| all.get(name)).is_some_and(|it| !it.is_null());
            let all = self.resource_type.attributes.iter();
            let whole = all.filter(|(_, attribute)| attribute.security == Security::Whole);
            names.extend(whole.map(|(name, _)| name).filter(|name| is_set(name)).cloned());
        }
        change.security = names.into_iter().collect();
    }

    /// Tells whether a change at a path is marked because of this attribute.
    fn counts(&self, attribute: &Attribute, path: &[String]) -> bool {
        match attribute.security {
            Security::No => false,
            Security::Changed | Security::Whole => true,
            Security::Patched => !self.is_built_in || self.patches.iter().any(|patch| says(&patch.attributes, path)),
        }
    }

    /// The marked attributes that lie on the way to a changed one, or in what comes there.
    fn marks(&self, path: &[String], after: Option<&Planned>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let Some((first, rest)) = path.split_first() else { return found };
        let Some(mut attribute) = self.resource_type.attributes.get(first) else { return found };
        let mut name = first.clone();
        for (at, key) in rest.iter().enumerate() {
            if self.counts(attribute, path) {
                // An entry that goes takes something away, unless it is part of a document: that may have forbidden
                // something.
                let is_entry = matches!(&attribute.shape, Shape::Map(element) if !matches!(element.shape, Shape::Json));
                if is_entry && after.is_none() {
                    return found;
                }
                found.insert(name);
                return found;
            }
            if attribute.security_entries.contains(key) {
                found.extend(after.map(|_| name));
                return found;
            }
            if let (Shape::Object(_), Some(_)) = (&attribute.shape, attribute.child(key)) {
                name = format!("{name}.{key}");
            }
            let Some(child) = attribute.child(key) else {
                self.below(attribute, &name, after, &mut path[..=at].to_vec(), &mut found);
                return found;
            };
            attribute = child;
        }
        self.below(attribute, &name, after, &mut path.to_vec(), &mut found);
        found
    }

    fn below(
        &self,
        attribute: &Attribute,
        name: &str,
        value: Option<&Planned>,
        path: &mut Vec<String>,
        found: &mut BTreeSet<String>,
    ) {
        if self.counts(attribute, path) {
            found.insert(name.to_owned());
            return;
        }
        match (&attribute.shape, value) {
            (Shape::Object(attributes), Some(Tree::Map(entries))) => {
                for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
                    if let Some(child) = attributes.get(key) {
                        path.push(key.clone());
                        self.below(child, &format!("{name}.{key}"), Some(value), path, found);
                        path.pop();
                    }
                }
            }
            (Shape::Map(element), Some(Tree::Map(entries))) => {
                if attribute.security_entries.iter().any(|key| entries.get(key).is_some_and(|value| !value.is_null())) {
                    found.insert(name.to_owned());
                }
                for (key, value) in entries {
                    path.push(key.clone());
                    self.below(element, name, Some(value), path, found);
                    path.pop();
                }
            }
            (Shape::List(element), Some(Tree::List(items))) => {
                for (index, value) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.below(element, name, Some(value), path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}

/// Tells whether a patch has a value at a path, above it or below it. Tables are merged; everything else is replaced whole.
fn says(patch: &BTreeMap<String, TemplateTree>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return !patch.is_empty() };
    match patch.get(first) {
        None => false,
        Some(Tree::Map(entries)) => says(entries, rest),
        Some(_) => true,
    }
}

/// Why a change is refused that deletes something protected; `place` is where its protection is turned off.
pub fn refusal(change: &Change, place: &str) -> Option<Refusal> {
    let deletion = change.deletions().next()?;
    let address = &change.address;
    let reason = match deletion.why {
        Why::Unwanted => format!("{address} is protected and would be deleted"),
        Why::Replaced => format!("{address} is protected and would be replaced"),
        Why::LeftOver => {
            let identity = deletion.identity;
            format!("{address} is protected, and {identity}, which the state calls a leftover of it, would be deleted")
        }
    };
    let off = format!("take the protection off in {place} and apply that first");
    let undo = culprit(change).map(|location| format!("to keep it, undo this change: {location}"));
    Some(match undo {
        Some(hint) => Refusal { address: address.clone(), reason, hint, otherwise: Some(off) },
        None => Refusal { address: address.clone(), reason, hint: off, otherwise: None },
    })
}

/// The line because of which something goes: of a replacement, the one that forces it.
fn culprit(change: &Change) -> Option<&String> {
    let forcing = change.attributes.iter().filter(|attribute| attribute.forces_replacement);
    let causes = forcing
        .map(|attribute| &attribute.cause)
        .chain(matches!(change.action, Action::Delete).then_some(&change.causes).into_iter().flatten());
    causes.into_iter().find_map(|cause| match cause {
        Cause::Written { location } => Some(location),
        _ => None,
    })
}
