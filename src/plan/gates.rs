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

use super::change::{Action, Cause, Change, Refusal, Why};
use super::diff::Difference;
use super::resolve::{self, Desired, NoFacts, ResourceScope, World};
use crate::address::Address;
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
pub fn complete(change: &mut Change, resource_type: &ResourceType, is_first_apply: bool) {
    let desired = change.desired.clone();
    let wanted = |name: &str| desired.as_ref()?.get(name)?.plain();
    decide(change, resource_type, &|_| resource_type.deletion(&wanted));
    if !is_first_apply {
        mark(change, resource_type);
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

/// Whether a difference widens rights, or may.
pub(super) fn widens(resource_type: &ResourceType, difference: &Difference) -> bool {
    !marks(resource_type, &difference.path, difference.after.as_ref()).is_empty()
}

/// Marks what widens rights, or may.
fn mark(change: &mut Change, resource_type: &ResourceType) {
    if !matches!(change.action, Action::Create | Action::Run | Action::Update { .. } | Action::Replace { .. }) {
        return;
    }
    let mut names = BTreeSet::new();
    for attribute in &mut change.attributes {
        let found = marks(resource_type, &attribute.path, attribute.after.as_ref());
        attribute.security = !found.is_empty();
        names.extend(found);
    }
    if !change.attributes.is_empty() {
        let is_set =
            |name: &String| change.desired.as_ref().and_then(|all| all.get(name)).is_some_and(|it| !it.is_null());
        let whole = resource_type.attributes.iter().filter(|(_, attribute)| attribute.security == Security::Whole);
        names.extend(whole.map(|(name, _)| name).filter(|name| is_set(name)).cloned());
    }
    change.security = names.into_iter().collect();
}

/// The marked attributes that lie on the way to a changed one, or in what comes there.
fn marks(resource_type: &ResourceType, path: &[String], after: Option<&Planned>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Some((first, rest)) = path.split_first() else { return found };
    let Some(mut attribute) = resource_type.attributes.get(first) else { return found };
    let mut name = first.clone();
    for key in rest {
        if attribute.security != Security::No {
            // An entry that goes takes something away, unless it is part of a document: that may have forbidden something.
            let is_entry = matches!(&attribute.shape, Shape::Map(element) if !matches!(element.shape, Shape::Json));
            if is_entry && after.is_none() {
                return found;
            }
            break;
        }
        if let (Shape::Object(_), Some(_)) = (&attribute.shape, attribute.child(key)) {
            name = format!("{name}.{key}");
        }
        let Some(child) = attribute.child(key) else { break };
        attribute = child;
    }
    below(attribute, &name, after, &mut found);
    found
}

fn below(attribute: &Attribute, name: &str, value: Option<&Planned>, found: &mut BTreeSet<String>) {
    if attribute.security != Security::No {
        found.insert(name.to_owned());
        return;
    }
    match (&attribute.shape, value) {
        (Shape::Object(attributes), Some(Tree::Map(entries))) => {
            for (key, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
                if let Some(child) = attributes.get(key) {
                    below(child, &format!("{name}.{key}"), Some(value), found);
                }
            }
        }
        (Shape::Map(element), Some(Tree::Map(entries))) => {
            entries.values().for_each(|value| below(element, name, Some(value), found));
        }
        (Shape::List(element), Some(Tree::List(items))) => {
            items.iter().for_each(|value| below(element, name, Some(value), found));
        }
        _ => {}
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
