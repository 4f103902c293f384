//! Names that stay: an existing resource keeps what it is called when the blueprint calls it differently now.
//!
//! `lifecycle.keep` names the attributes. AWS cannot rename most things, so without it a better name in the blueprint
//! would replace the resource in every instance that exists. An attribute that it goes without it goes on without. A
//! resource that is made anew, for whatever other reason, takes the new name. A name that the user's own file decides, by a
//! patch or by an edited setting, is never kept.
//!
//! A dotted name, `containers.labels`, is a part of each element of a list. Of it only the presence is kept: an element
//! that has none gets none, one that has one loses none. A value that changes does change.

use std::sync::Arc;

use super::cause::written_at;
use super::resolve::{Desired, World, deciding_inputs};
use crate::spec::types::Attribute;
use crate::state::{Row, State};
use crate::value::{Planned, Tree, Value};

/// The attributes with the recorded values of those that are kept; `None` if that changes nothing.
pub fn kept(world: &World<'_>, desired: &Desired, wanted: &Planned, state: &State) -> Option<Arc<Planned>> {
    let row = state.rows.get(&desired.address).filter(|row| row.identity.is_some())?;
    let mut kept: Option<Planned> = None;
    for path in &desired.resource.keep {
        let (name, part) = path.split_once('.').map_or((path.as_str(), None), |(name, part)| (name, Some(part)));
        let now = kept.as_ref().unwrap_or(wanted).get(name);
        let before = match part {
            Some(part) => {
                let attribute = desired.resource_type.attributes.get(name);
                attribute
                    .zip(now)
                    .and_then(|(attribute, now)| with_presence(attribute, part, now, row.inputs.get(name)))
            }
            None => {
                let is_required = desired.resource_type.attributes.get(name).is_none_or(|found| found.required);
                whole(row, name, now).filter(|before| !is_required || !before.is_null())
            }
        };
        if let Some(before) = before
            && !is_decided_by_the_file(world, desired, name, &state.settings)
        {
            kept.get_or_insert_with(|| wanted.clone()).set(&[name], before);
        }
    }
    kept.map(Arc::new)
}

/// The recorded value of an attribute, or none, where another one is wanted now.
fn whole(row: &Row, name: &str, wanted: Option<&Planned>) -> Option<Planned> {
    let wanted = wanted.filter(|wanted| !wanted.is_null())?;
    match row.inputs.get(name).filter(|recorded| !recorded.is_null()) {
        Some(recorded) if wanted.plain().as_ref() == Some(recorded) => None,
        Some(recorded) => Some(recorded.lift()),
        None => Some(Tree::Null),
    }
}

/// A list whose elements have a part exactly where the recorded ones of the same key have it; `None` if they do already.
fn with_presence(attribute: &Attribute, part: &str, wanted: &Planned, recorded: Option<&Value>) -> Option<Planned> {
    let key = attribute.keyed_by.as_deref()?;
    let (Tree::List(items), Some(Tree::List(before))) = (wanted, recorded) else { return None };
    let mut items = items.clone();
    let mut changes = false;
    for item in &mut items {
        let name = item.get(key).and_then(Tree::plain);
        let Some(old) = before.iter().find(|old| name.is_some() && old.get(key) == name.as_ref()) else { continue };
        let was = old.get(part).filter(|value| !value.is_null());
        let is = item.get(part).is_some_and(|value| !value.is_null());
        if let Tree::Map(entries) = item
            && was.is_some() != is
        {
            changes = true;
            match was {
                Some(was) => entries.insert(part.to_owned(), was.lift()),
                None => entries.remove(part),
            };
        }
    }
    changes.then_some(Tree::List(items))
}

/// Whether the user patches an attribute, or wrote another value for a setting it is made of.
fn is_decided_by_the_file(world: &World<'_>, desired: &Desired, name: &str, settings: &Value) -> bool {
    let is_edited = |input: &Vec<String>| {
        // A setting that did not exist at the last apply says nothing about the name from then.
        let was = settings.at(input);
        was.is_some() && was != world.setting(input) && written_at(world, input, settings).is_some()
    };
    desired.patches.iter().any(|patch| patch.attributes.contains_key(name))
        || deciding_inputs(desired, &world.specs.blueprint, &[name.to_owned()]).iter().any(is_edited)
}
