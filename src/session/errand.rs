//! The attributes of a command's own task: the blueprint's templates over what the cloud shows now.
//!
//! A state says where something is, and not whose. So everything that the templates name is looked at first. What is not
//! this instance's is an error, and what the state says of the rest gives way to what the cloud shows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use super::{SessionError, check_identity};
use crate::address::Address;
use crate::apply::late::{Existing, Revealed};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expr::{Late, Reference};
use crate::plan;
use crate::plan::resolve::{Facts, Graph, ResourceScope, World, resolve};
use crate::provider::{Observation, Reader, Target};
use crate::refresh;
use crate::spec::blueprint::{Resource, ResourceName};
use crate::spec::types::Types;
use crate::state::{Row, State};
use crate::value::{Known, Tree, Value};

/// The attributes of a resource that a command makes, with null for what is secret.
///
/// # Errors
///
/// Credentials of another account; something that the templates name and that is not there, cannot be read, or is not this
/// instance's.
pub async fn attributes(
    reader: &Arc<dyn Reader>,
    world: &World<'_>,
    state: &State,
    resource: &Resource,
) -> Result<Known, SessionError> {
    let types = &world.specs.types;
    let world = World { previous: &state.settings, ..*world };
    let (account, lookups) = tokio::join!(reader.account(), refresh::look_up(reader, &world, &state.lookups));
    check_identity(state, None, Some(&account.map_err(SessionError::Account)?))?;
    let lookups = lookups?;
    let world = World { lookups: &lookups, ..world };
    let graph = resolve(&world)?;

    let (_, named) = evaluated(&world, &graph, state, resource)?;
    let owner = plan::owner(state);
    let mut targets: Vec<Target> = Vec::new();
    for address in &named {
        let row = state.rows.get(address);
        let known = row.and_then(|row| Some(refresh::target(&owner, address, row, row.identity.clone()?)));
        targets.push(known.ok_or_else(|| SessionError::Missing { address: address.clone() })?);
    }
    let observations = refresh::observe(&**reader, types, &targets).await?;
    let mut seen = state.clone();
    for Target { address, identity, .. } in targets {
        match observations.get(&address) {
            Some(Observation::Found(observed)) => {
                if let Some(row) = seen.rows.get_mut(&address) {
                    show(row, types, &address, &observed.attributes);
                }
            }
            Some(Observation::Foreign(holder)) => {
                let holder = holder.words(&owner);
                return Err(SessionError::NotOurs { address, identity, holder });
            }
            _ => return Err(SessionError::Missing { address }),
        }
    }
    Ok(evaluated(&world, &graph, &seen, resource)?.0)
}

/// Replaces the values of a row by those that the cloud shows.
fn show(row: &mut Row, types: &Types, address: &Address, observed: &Value) {
    let Some(resource_type) = types.get(&address.type_name) else { return };
    for (name, value) in observed.as_map().into_iter().flatten() {
        match resource_type.attributes.get(name) {
            Some(attribute) if attribute.computed => row.facts.set(&[name], value.clone()),
            _ => row.inputs.set(&[name], value.clone()),
        }
    }
}

/// The attributes over a state, and the resources that they name.
fn evaluated(
    world: &World<'_>,
    graph: &Graph,
    state: &State,
    resource: &Resource,
) -> Result<(Known, BTreeSet<Address>), SessionError> {
    world.evaluator.begin();
    let revealed = Revealed::new();
    let existing = Existing { state, graph, revealed: &revealed };
    let named = Named { facts: &existing, addresses: RefCell::default() };
    let scope = ResourceScope { world, each: None, facts: &named };
    let entries = world.evaluator.entries(&resource.attributes, &scope).map_err(Diagnostics::from)?;
    let mut missing = None;
    let known = Tree::Map(entries).try_convert(&mut |late| match late {
        Late::Unknown(unknown) => {
            missing = unknown.references.first().map(|reference| reference.address.clone());
            Ok::<Known, Infallible>(Tree::Null)
        }
        Late::Secret(_) => Ok(Tree::Null),
    });
    match (missing, known) {
        (Some(address), _) => Err(SessionError::Missing { address }),
        (None, Ok(known)) => Ok((known, named.addresses.into_inner())),
        (None, Err(never)) => match never {},
    }
}

/// Facts that take down whose they are.
struct Named<'a> {
    facts: &'a dyn Facts,
    addresses: RefCell<BTreeSet<Address>>,
}

impl Facts for Named<'_> {
    fn value(&self, address: &Address, path: &[String], reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
        self.addresses.borrow_mut().insert(address.clone());
        self.facts.value(address, path, reference)
    }

    fn instances(&self, name: &ResourceName) -> Vec<Address> {
        self.facts.instances(name)
    }

    fn locals(&self) -> Option<&RefCell<BTreeMap<String, Tree<Late>>>> {
        // A remembered local would not say whose it is made of.
        None
    }
}
