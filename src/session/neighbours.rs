//! What lives in the cloud under this instance's name and stands in no state of it.
//!
//! # Guarantees
//!
//! - A first apply that meets a living instance of its name is told whose it is, and goes no further.
//! - Taking over is asked for: then the lineage of what lives is continued, everything is looked for under the address it
//!   carries, and only what differs is planned.
//! - A resource counts as living only if the cloud shows it now: an index of tags lags behind.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::SessionError;
use crate::address::{Address, Identity};
use crate::apply::late::{Existing, Revealed};
use crate::diagnostic::Diagnostics;
use crate::expr::Late;
use crate::inert::printable;
use crate::plan::drift::LeftOver;
use crate::plan::resolve::{Desired, Graph, ResourceScope, World, resolve};
use crate::plan::walk::merged;
use crate::plan::{diff, owner};
use crate::provider::ownership::{self, INSTANCE, LINEAGE};
use crate::provider::{
    Attempt, Belonging, Creation, Observation, Observed, ProviderError, Reader, Registration, Tags, Target,
};
use crate::spec::Types;
use crate::spec::types::ResourceType;
use crate::state::{Row, State, Status};
use crate::value::{Known, Tree, Value};

/// An instance of the same name that lives in the cloud, and of which this is not the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Living {
    pub instance: String,
    pub region: String,
    /// `None`: what lives was made before resources carried one.
    pub lineage: Option<String>,
    /// What is registered about it, if anything is.
    pub registration: Option<Registration>,
    /// What was seen of it: full names, sorted.
    pub resources: Vec<String>,
}

impl fmt::Display for Living {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an instance {:?} lives in {} already", self.instance, self.region)?;
        match &self.registration {
            Some(known) => {
                let (title, applied) = (printable(&known.title), printable(&known.applied));
                write!(formatter, ": {title}, last applied {applied}")?;
            }
            None => write!(formatter, ": {} resources, such as {}", self.resources.len(), printable(self.example()))?,
        }
        match &self.lineage {
            Some(lineage) => write!(formatter, ", lineage {}", printable(lineage)),
            None => write!(formatter, ", made by an earlier version of mastoform"),
        }
    }
}

impl Living {
    fn example(&self) -> &str {
        self.resources.first().map_or("none that is known", String::as_str)
    }
}

/// Looks for a living instance of the state's name. `None`: there is none.
///
/// # Errors
///
/// `Several` for resources of more than one lineage; `Census` if the cloud could not be asked.
pub async fn living(reader: &dyn Reader, types: &Types, state: &State) -> Result<Option<Living>, SessionError> {
    let named = Tags::from([(INSTANCE.to_owned(), state.instance.clone())]);
    let (registration, belongings) =
        tokio::join!(reader.registration(&state.region, &state.instance), reader.census(&state.region, &named));
    let registration = registration.map_err(SessionError::Census)?;
    let registration = registration.filter(|known| known.lineage != state.lineage);
    let others = belongings.map_err(SessionError::Census)?;
    // Resources that stand in no region may be those of an instance of this name elsewhere.
    let is_other = |found: &Belonging| found.tags.get(LINEAGE) != Some(&state.lineage) && found.place() == state.region;
    let others = others.into_iter().filter(is_other).collect();
    let others = existing(reader, types, others).await;
    let mut lineages: BTreeSet<Option<String>> = others.iter().map(|found| found.tags.get(LINEAGE).cloned()).collect();
    lineages.extend(registration.iter().map(|known| Some(known.lineage.clone())));
    if lineages.len() > 1 {
        // What was made before there was a lineage belongs to the instance that has marked the rest.
        lineages.remove(&None);
    }
    let mut resources: Vec<String> = others.into_iter().map(|found| found.name).collect();
    resources.sort();
    let (instance, region) = (state.instance.clone(), state.region.clone());
    match lineages.pop_first() {
        None => Ok(None),
        Some(_) if !lineages.is_empty() => Err(SessionError::Several { instance, region, resources }),
        Some(lineage) => Ok(Some(Living { instance, region, lineage, registration, resources })),
    }
}

/// What carries the instance's tags and stands in no row of its state, as far as the cloud could be asked.
#[derive(Debug, Default)]
pub struct LeftOvers {
    pub found: Vec<LeftOver>,
    /// Why a region's index of tags could not be read. What is left over there is not known.
    pub failures: Vec<ProviderError>,
}

/// Looks for what carries the instance's tags and stands in no row of its state.
pub async fn left_over(reader: &dyn Reader, types: &Types, state: &State) -> LeftOvers {
    let ours = Tags::from([(INSTANCE.to_owned(), state.instance.clone()), (LINEAGE.to_owned(), state.lineage.clone())]);
    let regions: BTreeSet<&str> =
        state.rows.values().map(|row| row.region.as_str()).chain([state.region.as_str()]).collect();
    let (mut belongings, mut failures) = (Vec::new(), Vec::new());
    for region in regions {
        match reader.census(region, &ours).await {
            Ok(found) => belongings.extend(found),
            Err(failure) => failures.push(failure),
        }
    }
    belongings.retain(|found| !is_recorded(types, state, found));
    let mut found: Vec<LeftOver> = existing(reader, types, belongings)
        .await
        .into_iter()
        .map(|found| LeftOver {
            address: found.tags.get(ownership::ADDRESS).cloned(),
            name: found.name,
            usd_a_month: None,
        })
        .collect();
    found.sort_by(|left, right| left.name.cmp(&right.name));
    found.dedup();
    LeftOvers { found, failures }
}

/// Whether something was made for the address it carries, to be kept. Snapshots carry the tags of what they are of, and a
/// job that has ended may show its own for a while.
fn is_made(types: &Types, found: &Belonging) -> bool {
    let Some(address) = address_of(found) else { return false };
    let found_type = types.get(&address.type_name);
    found_type.is_none_or(|found_type| !found_type.once && found_type.identity_in(&found.name).is_some())
}

/// The address that a resource carries.
fn address_of(found: &Belonging) -> Option<Address> {
    found.tags.get(ownership::ADDRESS)?.parse().ok()
}

/// The address and the identity of what an index of tags names; `None` if it names nothing that was made for an address.
fn parts_of(types: &Types, found: &Belonging) -> Option<(Address, Identity)> {
    let address = address_of(found)?;
    let identity = types.get(&address.type_name)?.identity_in(&found.name)?;
    Some((address, identity))
}

fn is_recorded(types: &Types, state: &State, found: &Belonging) -> bool {
    // The note about the instance carries no address.
    let Some(address) = address_of(found) else { return true };
    let Some(row) = state.rows.get(&address) else { return false };
    match parts_of(types, found) {
        Some((_, identity)) => row.identity.iter().chain(&row.replaced).any(|known| *known == identity),
        // A type that the specs do not know has nothing to compare.
        None => true,
    }
}

/// Those that the cloud shows now.
async fn existing(reader: &dyn Reader, types: &Types, belongings: Vec<Belonging>) -> Vec<Belonging> {
    let mut asked: BTreeMap<Address, Vec<(usize, Target)>> = BTreeMap::new();
    for (index, found) in belongings.iter().enumerate() {
        if let Some((address, identity)) = parts_of(types, found) {
            let (region, recorded) = (found.region.clone(), Value::Null);
            let target = Target { address: address.clone(), region, identity, recorded, owner: None };
            asked.entry(address).or_default().push((index, target));
        }
    }
    let mut gone: BTreeSet<usize> = BTreeSet::new();
    // Answers go by address, so of several under one address each is in a group of its own. All are asked at once.
    let most = asked.values().map(Vec::len).max().unwrap_or_default();
    let groups = (0..most).map(|number| {
        let these = asked.values().filter_map(move |targets| targets.get(number).cloned());
        these.unzip::<usize, Target, Vec<usize>, Vec<Target>>()
    });
    let (indices, groups): (Vec<Vec<usize>>, Vec<Vec<Target>>) = groups.unzip();
    if !groups.is_empty() {
        let answers = reader.observe_each(&groups).await;
        for ((indices, group), answers) in indices.iter().zip(&groups).zip(answers) {
            let missing = |target: &Target| matches!(answers.get(&target.address), Some(Observation::Gone));
            gone.extend(indices.iter().zip(group).filter(|(_, target)| missing(target)).map(|(index, _)| *index));
        }
    }
    let belongings = belongings.into_iter().enumerate();
    belongings.filter(|(index, found)| !gone.contains(index) && is_made(types, found)).map(|(_, found)| found).collect()
}

/// Looks for everything the file wants, and puts what is there into the state: with what the cloud shows as what was
/// last applied. Returns what was found.
///
/// # Errors
///
/// `Find` if the cloud could not be asked, `Several` if an address has several objects.
pub async fn adopt(
    reader: &Arc<dyn Reader>,
    world: &World<'_>,
    state: &mut State,
) -> Result<BTreeSet<Address>, SessionError> {
    let graph = resolve(world)?;
    let mut found = BTreeSet::new();
    for level in levels(&graph) {
        let mut looking = JoinSet::new();
        // What was done is not there to be found.
        for desired in level.into_iter().filter(|desired| !desired.resource_type.once) {
            let creation = wanted(world, &graph, desired, state)?;
            let (reader, address) = (Arc::clone(reader), desired.address.clone());
            looking.spawn(async move { (address, look(&*reader, creation).await) });
        }
        let mut answers: BTreeMap<Address, Result<Vec<Identity>, ProviderError>> = BTreeMap::new();
        while let Some(joined) = looking.join_next().await {
            match joined {
                Ok((address, answer)) => drop(answers.insert(address, answer)),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
        let mut targets = Vec::new();
        for (address, answer) in answers {
            let identities = answer.map_err(|source| SessionError::Find { address: address.clone(), source })?;
            let Some(desired) = graph.nodes.get(&address) else { continue };
            match &identities[..] {
                [] => {}
                [identity] => targets.push(Target {
                    address,
                    region: desired.region.clone(),
                    identity: identity.clone(),
                    recorded: Value::Null,
                    owner: None,
                }),
                several => {
                    let resources = several.iter().map(ToString::to_string).collect();
                    let (instance, region) = (state.instance.clone(), desired.region.clone());
                    return Err(SessionError::Several { instance, region, resources });
                }
            }
        }
        for (address, observation) in reader.observe(&targets).await {
            let (Some(desired), Observation::Found(observed)) = (graph.nodes.get(&address), observation) else {
                continue;
            };
            let row = row(world, &graph, desired, state, observed)?;
            state.rows.insert(address.clone(), row);
            found.insert(address);
        }
    }
    // A row may name only what is there.
    let known: BTreeSet<Address> = state.rows.keys().chain(world.lookups.keys()).cloned().collect();
    for row in state.rows.values_mut() {
        row.depends_on.retain(|needed| known.contains(needed));
    }
    Ok(found)
}

/// Looks for what a creation would make; with the tags of earlier versions, if nothing carries today's.
async fn look(reader: &dyn Reader, wanted: Option<(Creation, Option<Tags>)>) -> Result<Vec<Identity>, ProviderError> {
    let Some((creation, unmarked)) = wanted else { return Ok(Vec::new()) };
    let found = reader.find(&creation).await?;
    match unmarked {
        Some(tags) if found.is_empty() => reader.find(&Creation { tags, ..creation }).await,
        _ => Ok(found),
    }
}

/// The resources of a graph, each level after those it needs.
fn levels(graph: &Graph) -> Vec<Vec<&Desired>> {
    let mut depths: BTreeMap<&Address, usize> = BTreeMap::new();
    let mut levels: Vec<Vec<&Desired>> = Vec::new();
    for desired in graph.order.iter().filter_map(|address| graph.nodes.get(address)) {
        let below = desired.depends_on.keys().filter_map(|needed| depths.get(needed)).max();
        let depth = below.map_or(0, |below| below + 1);
        depths.insert(&desired.address, depth);
        if levels.len() <= depth {
            levels.resize_with(depth + 1, Vec::new);
        }
        levels[depth].push(desired);
    }
    levels
}

/// The attributes of a resource as far as they are known from what was found until now.
fn evaluated(
    world: &World<'_>,
    graph: &Graph,
    desired: &Desired,
    state: &State,
) -> Result<BTreeMap<String, Tree<Late>>, Diagnostics> {
    let revealed = Revealed::new();
    let existing = Existing { state, graph, revealed: &revealed };
    let scope = ResourceScope { world, each: desired.each.as_ref(), facts: &existing };
    Ok(world.evaluator.entries(&desired.templates(), &scope)?)
}

/// An attribute as a state keeps it: with a marker for each secret.
fn remembered(value: Tree<Late>) -> Value {
    let kept = value.try_convert(&mut |late| match late {
        Late::Unknown(missing) if missing.sensitive => Ok::<_, Infallible>(diff::secret_marker(&missing.template)),
        Late::Unknown(_) => Ok(Tree::Null),
        Late::Secret(_) => Ok(diff::secret_marker("")),
    });
    match kept {
        Ok(kept) => kept,
        Err(never) => match never {},
    }
}

/// The attributes as a provider is asked about them: without secrets, and without what is not known.
fn attributes(world: &World<'_>, graph: &Graph, desired: &Desired, state: &State) -> Result<Known, Diagnostics> {
    let known = Tree::Map(evaluated(world, graph, desired, state)?).try_convert(&mut |late| match late {
        Late::Unknown(_) | Late::Secret(_) => Ok::<Known, Infallible>(Tree::Null),
    });
    match known {
        Ok(known) => Ok(known),
        Err(never) => match never {},
    }
}

/// How to ask for a resource; `None` if what it is known by is not known, because what that is read from is not there.
fn wanted(
    world: &World<'_>,
    graph: &Graph,
    desired: &Desired,
    state: &State,
) -> Result<Option<(Creation, Option<Tags>)>, SessionError> {
    if desired.depends_on.keys().any(|needed| graph.nodes.contains_key(needed) && !state.rows.contains_key(needed)) {
        let attributes = attributes(world, graph, desired, state)?;
        let is_missing = |name: &&str| attributes.get(name).is_none_or(Tree::is_null);
        if desired.resource_type.naming().iter().any(is_missing) || desired.resource_type.naming().is_empty() {
            return Ok(None);
        }
    }
    let owner = owner(state);
    let creation = Creation {
        address: desired.address.clone(),
        region: desired.region.clone(),
        attributes: attributes(world, graph, desired, state)?,
        tags: owner.tags(&desired.address),
        token: String::new(),
        attempt: Attempt::default(),
    };
    let unmarked = owner.accepts_unmarked.then(|| owner.unmarked_tags(&desired.address));
    Ok(Some((creation, unmarked)))
}

/// What to remember of something that was found: the cloud's word for everything it shows, ours for the rest.
fn row(
    world: &World<'_>,
    graph: &Graph,
    desired: &Desired,
    state: &State,
    observed: Observed,
) -> Result<Row, SessionError> {
    let resource_type = &*desired.resource_type;
    let mut inputs = BTreeMap::new();
    for (name, wanted) in evaluated(world, graph, desired, state)? {
        let Some(attribute) = resource_type.attributes.get(&name) else { continue };
        let shown = observed.attributes.get(&name).filter(|_| !attribute.sensitive);
        match shown {
            Some(shown) => drop(inputs.insert(name, shown.clone())),
            // Nobody can see what it is, and nothing says that it is not what it should be.
            None if attribute.sensitive || attribute.write_only => drop(inputs.insert(name, remembered(wanted))),
            None => {}
        }
    }
    Ok(Row {
        status: Status::Creating,
        identity: Some(observed.identity),
        replaced: Vec::new(),
        region: desired.region.clone(),
        protect: desired.protect,
        problem: None,
        inputs: Tree::Map(inputs),
        facts: lasting(merged(&Value::Null, &observed.attributes, resource_type), resource_type),
        depends_on: desired.depends_on.keys().cloned().collect(),
    })
}

/// Facts worth remembering: neither secret nor volatile.
fn lasting(facts: Value, resource_type: &ResourceType) -> Value {
    let Tree::Map(mut entries) = facts else { return facts };
    entries.retain(|name, _| {
        let attribute = resource_type.attributes.get(name);
        attribute.is_some_and(|attribute| !attribute.sensitive && !attribute.volatile)
    });
    Tree::Map(entries)
}
