//! Why a plan is not carried out, as it shows while the graph is walked: a person has to act first.

use std::collections::BTreeMap;

use super::change::{Action, Cause, Change, Refusal};
use super::condition::{self, Intent};
use super::diff::Difference;
use super::resolve::World;
use super::ties;
use super::walk::Situation;
use crate::address::Address;
use crate::expr::Root;
use crate::provider::{Holder, Observation, Owner, ownership};
use crate::spec::types::{Order, Proof, ResourceType};
use crate::state::{Row, State};
use crate::value::Value;

/// What cannot be deleted first because this resource stays and names it.
pub(super) fn held_back(
    address: &Address,
    resource_type: &ResourceType,
    state: &State,
    orders: &BTreeMap<Address, Order>,
) -> Vec<Refusal> {
    let Some(row) = state.rows.get(address) else { return Vec::new() };
    ties::ties(resource_type, row, orders, state).iter().map(|tie| ties::refusal(address, tie)).collect()
}

/// What the cloud shows of a resource.
fn observed<'a>(address: &Address, situation: &Situation<'a>) -> Option<&'a Value> {
    match situation.observations?.get(address)? {
        Observation::Found(observed) => Some(&observed.attributes),
        _ => None,
    }
}

/// Why a person has to act before the plan of a resource can be carried out.
pub(super) fn troubled(
    address: &Address,
    resource_type: &ResourceType,
    situation: &Situation<'_>,
    change: Option<&Change>,
) -> Option<Refusal> {
    let row = situation.state.rows.get(address)?;
    let intent = match change.map(|change| &change.action) {
        Some(Action::Update { attributes }) if !attributes.is_empty() => Intent::Change,
        Some(Action::Replace { .. }) => Intent::Remove,
        Some(
            Action::Create
            | Action::Delete
            | Action::Adopt
            | Action::Forget
            | Action::Run
            | Action::Skip
            | Action::Update { .. },
        )
        | None => Intent::Keep,
    };
    condition::refusal(address, resource_type, row, observed(address, situation), intent)
}

/// Why a version cannot be lowered. What is made anew may have any.
pub(super) fn lowered(change: &Change, lowered: &[Difference]) -> Option<Refusal> {
    if !matches!(change.action, Action::Update { .. }) {
        return None;
    }
    let difference = lowered.first()?;
    let spelled = |value: &Value| value.as_text().map_or_else(|| value.to_string(), str::to_owned);
    let (is, wanted) = (difference.before.as_ref()?, difference.after.as_ref()?.plain()?);
    let (is, wanted, name) = (spelled(is), spelled(&wanted), difference.path.join("."));
    let written = change.attributes.iter().find(|attribute| attribute.path == difference.path);
    let place = written.and_then(|attribute| match &attribute.cause {
        Cause::Written { location } => Some(format!(" in {location}")),
        _ => None,
    });
    Some(Refusal {
        address: change.address.clone(),
        reason: format!("{} has {name} {is}, and AWS never lowers it to {wanted}", change.address),
        hint: format!("say {is} or more{}", place.unwrap_or_default()),
        otherwise: None,
    })
}

/// Why a person has to act before something can be deleted.
pub(super) fn undeletable(
    change: &Change,
    resource_type: Option<&ResourceType>,
    row: &Row,
    situation: &Situation<'_>,
) -> Option<Refusal> {
    change.deletions().next()?;
    condition::refusal(&change.address, resource_type?, row, observed(&change.address, situation), Intent::Remove)
}

/// Why a resource that the state names and the file wants cannot be planned for: it is not this instance's.
pub(super) fn foreign(address: &Address, situation: &Situation<'_>, owner: &Owner) -> Option<Refusal> {
    let Observation::Foreign(holder) = situation.observations?.get(address)? else { return None };
    let identity = situation.state.rows.get(address)?.identity.as_ref()?;
    let is_stripped = *holder == Holder { lineage: None, ..Holder::of(&owner.tags(address)) };
    let hint = if is_stripped {
        format!("if it is yours, give it back its tag {}={}", ownership::LINEAGE, owner.lineage)
    } else {
        "the state names something of others: take back a state that is this instance's, with `mastoform state restore`"
            .to_owned()
    };
    Some(Refusal {
        address: address.clone(),
        reason: format!("{identity}, recorded as {address}, is not this instance's: it {}", holder.words(owner)),
        hint,
        otherwise: None,
    })
}

/// Why something may not get the name it should have: nothing but that name says whose it is, and this one does not say it.
pub(super) fn unproven(change: &Change, resource_type: &ResourceType, owner: &Owner) -> Option<Refusal> {
    let Proof::Name { attribute } = &resource_type.proof else { return None };
    let is_named_now = match &change.action {
        Action::Create | Action::Replace { .. } => true,
        Action::Update { attributes } => attributes.contains(attribute),
        _ => false,
    };
    let name = change.desired.as_ref()?.get(attribute)?.plain().filter(|_| is_named_now)?;
    let name = name.as_text().filter(|name| !ownership::is_named_after(name, owner))?;
    Some(Refusal {
        address: change.address.clone(),
        reason: format!("nothing but `{attribute}` says whose {} is, and {name:?} does not", change.address),
        hint: format!("let a word of it begin with {}-{}", owner.instance, owner.region),
        otherwise: None,
    })
}

/// Where the protection of a resource is turned off.
pub(super) fn protection_hint(world: &World<'_>, address: &Address) -> String {
    let inputs = protection_inputs(world, address);
    let origin = inputs.iter().find_map(|input| world.config.origin(input));
    origin.map_or_else(|| world.config.source.name.clone(), |location| location.to_string())
}

/// The settings that decide whether a resource is protected.
pub(super) fn protection_inputs(world: &World<'_>, address: &Address) -> Vec<Vec<String>> {
    let name = (address.type_name.clone(), address.name.clone());
    let protect = world.specs.blueprint.resources.get(&name).and_then(|resource| resource.protect.as_ref());
    let mut inputs = Vec::new();
    if let Some(protect) = protect {
        protect.each_leaf(&mut |template| {
            let read = template.references().filter(|reference| reference.root == Root::Config);
            inputs.extend(read.map(|reference| reference.path.clone()));
        });
    }
    inputs
}
