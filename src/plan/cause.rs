//! Why an attribute changes: what somebody did in the cloud, an edit of the file, or another change.

use std::collections::BTreeSet;

use super::change::{AttributeChange, Cause};
use super::diff::Difference;
use super::resolve::{Desired, World, deciding_inputs, read_resources};
use super::walk::Walked;
use crate::expr::Root;
use crate::value::Value;

pub(super) fn attribute_change(
    world: &World<'_>,
    desired: &Desired,
    difference: Difference,
    walked: &Walked<'_>,
    settings: &Value,
) -> AttributeChange {
    AttributeChange {
        cause: cause(world, desired, &difference, walked, settings),
        path: difference.path,
        before: difference.before,
        after: difference.after,
        also_drifted: difference.also_drifted,
        forces_replacement: difference.immutable,
        sensitive: difference.sensitive,
        impact: difference.impact,
        security: false,
    }
}

fn cause(
    world: &World<'_>,
    desired: &Desired,
    difference: &Difference,
    walked: &Walked<'_>,
    settings: &Value,
) -> Cause {
    if difference.is_drift {
        return Cause::Drift;
    }
    let mut origin = None;
    if let Some(after) = &difference.after {
        after.each_leaf(&mut |missing| {
            let newcomer = missing
                .references
                .iter()
                .find(|missing| walked.settled.get(&missing.address).is_some_and(|settled| settled.is_changed));
            if let Some(missing) = newcomer {
                origin.get_or_insert_with(|| missing.address.clone());
            }
        });
    }
    if let Some(address) = origin {
        return Cause::Cascade { address: Box::new(address) };
    }
    let name = difference.path.first();
    let patched = desired.patches.iter().any(|patch| name.is_some_and(|name| patch.attributes.contains_key(name)));
    if !patched {
        // Only what was edited since the last apply can be the cause.
        let mut inputs = deciding_inputs(desired, &world.specs.blueprint, &difference.path);
        inputs.retain(|path| is_edited(world, path, settings));
        if let Some(location) = inputs.iter().find_map(|input| written_at(world, input, settings)) {
            return Cause::Written { location };
        }
        if let Some(name) = name {
            let read = read_resources(desired, &world.specs.blueprint, name);
            // Names have the same order as the addresses they are part of, so this is the first of all addresses.
            if let Some(address) = read.iter().find_map(|name| walked.changed.get(name)) {
                return Cause::Cascade { address: Box::new(address.clone()) };
            }
        }
        if let Some(input) = inputs.first() {
            return at_its_default(world, input);
        }
    }
    Cause::Written { location: desired.resource.location_of(&difference.path).to_string() }
}

/// Whether a setting has another value than at the last apply. One that the specs did not have then is edited if the
/// file sets it: its default is nobody's edit.
fn is_edited(world: &World<'_>, input: &[String], settings: &Value) -> bool {
    let is = world.setting(input);
    let is_silent = world.config.origin(input).is_none();
    let described = || world.specs.blueprint.inputs.iter().find(|described| described.path == input);
    match settings.at(input) {
        // Another version has another default.
        Some(was) if is_silent && described().is_some_and(|described| described.was.contains(was)) => false,
        Some(was) => is != Some(was),
        None => settings.is_null() || (is.is_some() && world.config.origin(input).is_some()),
    }
}

/// The cause of what is so because a setting is no longer in the file.
fn at_its_default(world: &World<'_>, input: &[String]) -> Cause {
    Cause::Written { location: format!("{}, {} at its default", world.config.source.name, input.join(".")) }
}

/// The setting among these that was edited since the last apply.
pub(super) fn edited_setting(world: &World<'_>, inputs: &[Vec<String>], settings: &Value) -> Option<Cause> {
    let mut edited = inputs.iter().filter(|input| !settings.is_null() && is_edited(world, input, settings)).peekable();
    let first = *edited.peek()?;
    let written = edited.find_map(|input| written_at(world, input, settings));
    Some(written.map_or_else(|| at_its_default(world, first), |location| Cause::Written { location }))
}

/// Where the file says what a setting is: in its own line, or in that of an edited setting which its default is made of.
pub(super) fn written_at(world: &World<'_>, input: &[String], settings: &Value) -> Option<String> {
    let mut open = vec![input.to_vec()];
    let mut seen = BTreeSet::from([input.to_vec()]);
    while let Some(path) = open.pop() {
        if let Some(location) = world.config.origin(&path) {
            return Some(location.to_string());
        }
        let declared = world.specs.blueprint.inputs.iter().find(|input| input.path == path);
        if let Some(default) = declared.and_then(|input| input.default.as_ref()) {
            default.each_leaf(&mut |template| {
                let read = template.references().filter(|reference| reference.root == Root::Config);
                open.extend(
                    read.map(|reference| reference.path.clone())
                        .filter(|path| is_edited(world, path, settings) && seen.insert(path.clone())),
                );
            });
        }
    }
    None
}
