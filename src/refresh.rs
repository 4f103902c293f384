//! Reading the cloud: lookups and everything the state knows of. Nothing here changes anything.
//!
//! Whose a resource is, is decided here, before anything else sees an answer: see [`crate::provider::ownership`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::address::{Address, Identity, TypeName};
use crate::diagnostic::Diagnostics;
use crate::plan::owner;
use crate::plan::resolve::{World, early_lookups, wanted_lookups};
use crate::provider::ownership::{self, Care};
use crate::provider::{Holder, Lookup, Observation, Observations, Observed, Owner, ProviderError, Reader, Target};
use crate::spec::types::{Proof, ResourceType, Types};
use crate::state::{Row, State, Status};
use crate::value::{Tree, Value};

/// How long to wait before looking again for what seems to be gone.
const SECOND_LOOK: Duration = Duration::from_millis(700);

/// Why the cloud could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error("looking up {address} failed")]
    Lookup {
        address: Address,
        #[source]
        source: ProviderError,
    },
    #[error("reading {address} failed")]
    Observe {
        address: Address,
        #[source]
        source: ProviderError,
    },
    #[error("{0}")]
    Specs(Diagnostics),
}

/// Asks everything that is looked up, in one round wherever that is possible.
///
/// A lookup may read the answer of another one. Such a question is guessed from `remembered`, the answers of an earlier
/// run, or asked without the filters that are not known yet, beside the first. When the first answers, the second question
/// is known for certain: if the guess was right, or all that was found has the missing filters, its answer is there already;
/// if not, the right question is asked now, and the answer to the wrong one is forgotten. So a guess saves a round trip and
/// decides nothing.
pub async fn look_up(
    reader: &Arc<dyn Reader>,
    world: &World<'_>,
    remembered: &BTreeMap<Address, Value>,
) -> Result<BTreeMap<Address, Value>, RefreshError> {
    let mut answers = BTreeMap::new();
    let mut heard: Vec<(Lookup, Result<Value, ProviderError>)> = Vec::new();
    let mut guesses = guessed_lookups(world, remembered);
    loop {
        let round = World { lookups: &answers, ..*world };
        let mut wanted = wanted_lookups(&round).map_err(RefreshError::Specs)?;
        if wanted.is_empty() {
            return Ok(answers);
        }
        // What was guessed right has its answer.
        let mut settled = Vec::new();
        wanted.retain(|lookup| match heard.iter().position(|(guess, answer)| guess.settles(lookup, answer)) {
            Some(position) => {
                let (_, answer) = heard.swap_remove(position);
                settled.push((lookup.clone(), answer));
                false
            }
            None => true,
        });
        let certain = wanted.len();
        let all = settled.len() + certain;
        for guess in std::mem::take(&mut guesses) {
            if !wanted.contains(&guess) {
                wanted.push(guess);
            }
        }
        let mut asking = JoinSet::new();
        for (number, lookup) in wanted.into_iter().enumerate() {
            let reader = Arc::clone(reader);
            asking.spawn(async move {
                let answer = reader.lookup(&lookup).await;
                (number < certain, lookup, answer)
            });
        }
        while let Some(joined) = asking.join_next().await {
            match joined {
                Ok((true, lookup, answer)) => settled.push((lookup, answer)),
                Ok((false, guess, answer)) => heard.push((guess, answer)),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
            // Nobody waits for a guess when something has failed.
            if settled.len() == all && settled.iter().any(|(_, answer)| answer.is_err()) {
                break;
            }
        }
        let mut failures = BTreeMap::new();
        for (lookup, answer) in settled {
            match answer {
                Ok(value) => {
                    let lasting = lasting(&world.specs.types, &lookup, value);
                    answers.insert(lookup.address, lasting);
                }
                Err(source) => {
                    failures.insert(lookup.address, source);
                }
            }
        }
        if let Some((address, source)) = failures.pop_first() {
            return Err(RefreshError::Lookup { address, source });
        }
    }
}

/// An answer without what changes by itself, unless it was asked for by that: what is made of an answer must not be another
/// with every look.
fn lasting(types: &Types, lookup: &Lookup, answer: Value) -> Value {
    let Some(resource_type) = types.get(&lookup.address.type_name) else { return answer };
    let stays = |name: &String| {
        let is_volatile = resource_type.attributes.get(name).is_some_and(|attribute| attribute.volatile);
        !is_volatile || lookup.filters.get(name).is_some()
    };
    match answer {
        Value::Map(entries) => Value::Map(entries.into_iter().filter(|(name, _)| stays(name)).collect()),
        answer => answer,
    }
}

/// The lookups that depend on others, as they would be asked if those still had the answers remembered of them; where
/// even those leave a filter open, without that filter.
fn guessed_lookups(world: &World<'_>, remembered: &BTreeMap<Address, Value>) -> Vec<Lookup> {
    let mut supposed = BTreeMap::new();
    let mut guesses: Vec<Lookup> = Vec::new();
    loop {
        let round = World { lookups: &supposed, ..*world };
        // What is wrong with the specs shows when they are evaluated for certain.
        let Ok(wanted) = wanted_lookups(&round) else { return guesses };
        let answers: Vec<_> = wanted
            .iter()
            .filter_map(|lookup| Some((lookup.address.clone(), remembered.get(&lookup.address)?.clone())))
            .collect();
        for lookup in wanted {
            if !guesses.contains(&lookup) {
                guesses.push(lookup);
            }
        }
        if answers.is_empty() {
            guesses.extend(early_lookups(&round));
            return guesses;
        }
        supposed.extend(answers);
    }
}

/// What the state knows of, as targets of an observation. What has been done is not looked at again.
pub fn targets(types: &Types, state: &State) -> Vec<Target> {
    let owner = owner(state);
    let is_done = |address: &Address, row: &Row| {
        row.status == Status::Ready && types.get(&address.type_name).is_some_and(|found| found.once)
    };
    let rows = state.rows.iter().filter(|(address, row)| !is_done(address, row));
    rows.filter_map(|(address, row)| Some(target(&owner, address, row, row.identity.clone()?))).collect()
}

/// What a row of the state names, as a target of an observation.
pub fn target(owner: &Arc<Owner>, address: &Address, row: &Row, identity: Identity) -> Target {
    Target {
        address: address.clone(),
        region: row.region.clone(),
        identity,
        recorded: row.recorded(),
        owner: Some(Arc::clone(owner)),
    }
}

/// Reads targets, all at once, and [parts](part_foreign) what is not their owner's.
///
/// Resources that are proven by what they are part of must be among the targets together with it.
///
/// # Errors
///
/// As [`look_at`].
pub async fn observe(reader: &dyn Reader, types: &Types, targets: &[Target]) -> Result<Observations, RefreshError> {
    let mut observations = look_at(reader, targets).await?;
    part_foreign(types, targets, &mut observations);
    Ok(observations)
}

/// Reads targets, all at once. Whose they are is not decided yet: [`part_foreign`] does.
///
/// # Errors
///
/// One resource that cannot be read fails the whole: a plan over a hole would be a guess.
pub async fn look_at(reader: &dyn Reader, targets: &[Target]) -> Result<Observations, RefreshError> {
    let observations = look(reader, targets).await;
    for (address, observation) in &observations {
        refuse_unread(address, observation)?;
    }
    Ok(observations)
}

fn refuse_unread(address: &Address, observation: &Observation) -> Result<(), RefreshError> {
    match observation {
        Observation::Failed(source) => Err(RefreshError::Observe { address: address.clone(), source: source.clone() }),
        _ => Ok(()),
    }
}

/// As [`look_at`], for whoever can do without some: one that cannot be read is [`Observation::Failed`].
pub async fn look(reader: &dyn Reader, targets: &[Target]) -> Observations {
    look_each(reader, &[targets.to_vec()]).await.pop().unwrap_or_default()
}

/// As [`look`], for several groups at once: answers go by address, and an address has one target in each group.
async fn look_each(reader: &dyn Reader, groups: &[Vec<Target>]) -> Vec<Observations> {
    let mut observations = ask_each(reader, groups).await;
    // What was made a moment ago may not be visible everywhere yet, and taking it for gone would make it twice. So what
    // seems to be gone gets a second and a third look.
    for _ in 0..2 {
        let seemingly_gone = |(group, answers): (&Vec<Target>, &Observations)| -> Vec<Target> {
            let gone = |target: &&Target| matches!(answers.get(&target.address), Some(Observation::Gone));
            group.iter().filter(gone).cloned().collect()
        };
        let again: Vec<Vec<Target>> = groups.iter().zip(&observations).map(seemingly_gone).collect();
        if again.iter().all(Vec::is_empty) {
            break;
        }
        sleep(SECOND_LOOK.div_f64(reader.time_lapse())).await;
        for (answers, later) in observations.iter_mut().zip(ask_each(reader, &again).await) {
            answers.extend(later);
        }
    }
    observations
}

/// One wave of questions. Nobody is asked for nothing.
async fn ask_each(reader: &dyn Reader, groups: &[Vec<Target>]) -> Vec<Observations> {
    match groups {
        _ if groups.iter().all(Vec::is_empty) => vec![Observations::new(); groups.len()],
        // Only such a question may join those of other instances.
        [only] => vec![reader.observe(only).await],
        several => reader.observe_each(several).await,
    }
}

/// Makes [`Observation::Foreign`] of every answer about a resource that is not its target's owner's: nothing else of it is
/// passed on.
pub fn part_foreign(types: &Types, targets: &[Target], observations: &mut Observations) {
    part_foreign_each(types, &mut [(targets, observations)]);
}

/// As [`part_foreign`], for several groups: what a resource is part of may be in another one.
fn part_foreign_each(types: &Types, groups: &mut [(&[Target], &mut Observations)]) {
    let mut cares: BTreeMap<(usize, &Address), Care> = BTreeMap::new();
    let targets: Vec<(usize, &Target)> = groups
        .iter()
        .enumerate()
        .flat_map(|(number, (targets, _))| targets.iter().map(move |target| (number, target)))
        .collect();
    let is_part = |(_, target): &(usize, &Target)| {
        let resource_type = types.get(&target.address.type_name).map(Arc::as_ref);
        matches!(resource_type.map(|found| &found.proof), Some(Proof::Parent { .. }))
    };
    let (parts, wholes): (Vec<_>, Vec<_>) = targets.iter().copied().partition(is_part);
    let by_identity: BTreeMap<(&TypeName, &str), (usize, &Address)> = targets
        .iter()
        .rev()
        .map(|(number, target)| ((&target.address.type_name, target.identity.as_str()), (*number, &target.address)))
        .collect();
    for (number, target) in wholes.iter().chain(&parts).copied() {
        let Some(owner) = &target.owner else { continue };
        let Some(Observation::Found(observed)) = groups[number].1.get(&target.address) else { continue };
        let resource_type = types.get(&target.address.type_name).map(Arc::as_ref);
        let parent = resource_type.and_then(|resource_type| parent_of(resource_type, observed));
        let parent = parent.and_then(|parent| cares.get(by_identity.get(&parent)?));
        // Under another spelling one object could be two: what is used, and a leftover that goes.
        let told = resource_type.and_then(|found| found.identity_told(&observed.attributes));
        let is_asked_for = |identity: &Identity| *identity == target.identity;
        let care = match is_asked_for(&observed.identity) && told.as_ref().is_none_or(is_asked_for) {
            true => ownership::judge(owner, &target.address, resource_type, observed, parent),
            false => Care::Foreign(observed.tags.as_ref().map(Holder::of).unwrap_or_default()),
        };
        cares.insert((number, &target.address), care);
    }
    for ((number, address), care) in cares {
        if let Care::Foreign(holder) = care {
            groups[number].1.insert(address.clone(), Observation::Foreign(holder));
        }
    }
}

/// The type and the name of what a resource is part of, if its type is proven by that.
fn parent_of<'a>(resource_type: &'a ResourceType, observed: &'a Observed) -> Option<(&'a TypeName, &'a str)> {
    let Proof::Parent { attribute } = &resource_type.proof else { return None };
    let parent_type = resource_type.attributes.get(attribute)?.refers_to.as_ref()?;
    Some((parent_type, observed.attributes.get(attribute).and_then(Tree::as_text)?))
}

/// A resource that a state names and that is not the instance's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    pub address: Address,
    pub identity: Identity,
    pub holder: Holder,
}

/// Takes out of the state whatever it calls left over from replacements and that was not found, or is not the instance's:
/// only what was seen and judged is ever deleted. Asks nothing when nothing is left over. Gives what is not the instance's;
/// what is gone needs no word.
pub async fn part_foreign_leftovers(
    reader: &dyn Reader,
    types: &Types,
    state: &mut State,
) -> Result<Vec<Stranger>, RefreshError> {
    let owner = owner(state);
    let most = state.rows.values().map(|row| row.replaced.len()).max().unwrap_or_default();
    // Answers go by address, so of several leftovers of one address each is in a group of its own. All are asked at once.
    let groups: Vec<Vec<Target>> = (0..most)
        .map(|number| {
            let rows = state.rows.iter();
            rows.filter_map(|(address, row)| Some(target(&owner, address, row, row.replaced.get(number)?.clone())))
                .collect()
        })
        .collect();
    let mut answers = look_each(reader, &groups).await;
    for (address, observation) in answers.iter().flatten() {
        refuse_unread(address, observation)?;
    }
    let mut parted: Vec<(&[Target], &mut Observations)> = groups.iter().map(Vec::as_slice).zip(&mut answers).collect();
    part_foreign_each(types, &mut parted);
    let mut strangers = Vec::new();
    for (group, mut answers) in groups.into_iter().zip(answers) {
        for leftover in group {
            let answer = answers.remove(&leftover.address);
            if matches!(answer, Some(Observation::Found(_))) {
                continue;
            }
            let (address, identity) = (leftover.address, leftover.identity);
            if let Some(row) = state.rows.get_mut(&address) {
                row.replaced.retain(|left| *left != identity);
            }
            if let Some(Observation::Foreign(holder)) = answer {
                strangers.push(Stranger { address, identity, holder });
            }
        }
    }
    Ok(strangers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Specs;

    fn target(address: &Address, identity: &str, owner: &Arc<Owner>) -> Target {
        Target {
            address: address.clone(),
            region: "eu-central-1".to_owned(),
            identity: Identity::new(identity),
            recorded: Value::Null,
            owner: Some(Arc::clone(owner)),
        }
    }

    /// A state that names one object under two spellings would have one of them deleted.
    #[test]
    fn what_answers_under_another_identity_is_not_ours() {
        let types = Specs::read(&[]).expect("valid specs").types;
        let owner = owner(&State::new("l1", "social", "eu-central-1"));
        let address: Address = "rds.cluster.database".parse().expect("an address");
        for (asked, is_ours) in [("social-database", true), ("SOCIAL-DATABASE", false), ("arn:social-database", false)]
        {
            let target = target(&address, asked, &owner);
            let found = Observed {
                identity: Identity::new("social-database"),
                attributes: Value::Null,
                tags: Some(owner.tags(&address)),
            };
            let mut observations = Observations::from([(address.clone(), Observation::Found(found))]);
            part_foreign(&types, std::slice::from_ref(&target), &mut observations);
            let is_found = matches!(observations[&address], Observation::Found(_));
            assert_eq!(is_found, is_ours, "{asked}: {observations:?}");
        }
    }
    /// A handler may give back the identity that it was asked for: its attributes tell the true one.
    #[test]
    fn what_tells_another_identity_by_its_attributes_is_not_ours() {
        let types = Specs::read(&[]).expect("valid specs").types;
        let owner = owner(&State::new("l1", "social", "eu-central-1"));
        for (address, told, asked, is_ours) in [
            ("kms.key.own", serde_json::json!({ "id": "k-1" }), "k-1", true),
            ("kms.key.own", serde_json::json!({ "id": "k-1" }), "arn:aws:kms:eu-central-1:1:key/k-1", false),
            ("ecs.service.web", serde_json::json!({ "cluster": "c", "name": "web" }), "c|web", true),
            ("ecs.service.web", serde_json::json!({ "cluster": "c", "name": "web" }), "arn:c|web", false),
            ("ecs.service.web", serde_json::json!({ "name": "web" }), "c|web", true),
        ] {
            let address: Address = address.parse().expect("an address");
            let target = target(&address, asked, &owner);
            let found = Observed {
                identity: target.identity.clone(),
                attributes: Value::from_json(&told),
                tags: Some(owner.tags(&address)),
            };
            let mut observations = Observations::from([(address.clone(), Observation::Found(found))]);
            part_foreign(&types, std::slice::from_ref(&target), &mut observations);
            assert_eq!(matches!(observations[&address], Observation::Found(_)), is_ours, "{asked}: {observations:?}");
        }
    }
}
