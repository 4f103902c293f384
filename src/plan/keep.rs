//! Names that stay: an existing resource keeps what it is called when the blueprint calls it differently now.
//!
//! `lifecycle.keep` names the attributes. AWS cannot rename most things, so without it a better name in the blueprint
//! would replace the resource in every instance that exists. A resource that is made anew, for whatever other reason,
//! takes the new name. A name that the user's own file decides, by a patch or by an edited setting, is never kept.

use std::sync::Arc;

use super::resolve::{Desired, World, deciding_inputs};
use super::walk::written_at;
use crate::state::State;
use crate::value::{Planned, Value};

/// The attributes with the recorded values of those that are kept; `None` if that changes nothing.
pub fn kept(world: &World<'_>, desired: &Desired<'_>, wanted: &Planned, state: &State) -> Option<Arc<Planned>> {
    let row = state.rows.get(&desired.address).filter(|row| row.identity.is_some())?;
    let mut kept: Option<Planned> = None;
    for name in &desired.resource.keep {
        let Some(recorded) = row.inputs.get(name).filter(|recorded| !recorded.is_null()) else { continue };
        let differs = wanted.get(name).is_some_and(|wanted| wanted.plain().as_ref() != Some(recorded));
        if differs && !is_decided_by_the_file(world, desired, name, &state.settings) {
            kept.get_or_insert_with(|| wanted.clone()).set(&[name.as_str()], recorded.lift());
        }
    }
    kept.map(Arc::new)
}

/// Whether the user patches an attribute, or wrote another value for a setting it is made of.
fn is_decided_by_the_file(world: &World<'_>, desired: &Desired<'_>, name: &str, settings: &Value) -> bool {
    let is_edited = |input: &Vec<String>| {
        // A setting that did not exist at the last apply says nothing about the name from then.
        let was = settings.at(input);
        was.is_some() && was != world.setting(input) && written_at(world, input, settings).is_some()
    };
    desired.patches.iter().any(|patch| patch.attributes.contains_key(name))
        || deciding_inputs(desired, &world.specs.blueprint, &[name.to_owned()]).iter().any(is_edited)
}
