//! Coming back after an interruption: what the journal knows and the state file does not.
//!
//! Nobody is asked to look at the AWS console: an intent without an answer is looked up by its natural name and
//! ownership tags, and either adopted or known never to have happened. All such looks go out at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use crate::address::{Address, Identity};
use crate::plan::{self, diff::marker_template};
use crate::provider::{Attempt, Creation, Observation, ProviderError, Reader, Target, ownership};
use crate::state::journal::{self, Entry, IllegalTransition, Made};
use crate::state::{Intent, State, Status, Verb};
use crate::value::{Known, Tree, Value};

/// Something that was found out about an interrupted run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub address: Address,
    pub text: String,
}

/// Why an interrupted run could not be folded.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error("the journal contradicts itself")]
    Journal(#[from] IllegalTransition),
    #[error("looking for what an interrupted creation of {address} made failed")]
    Find {
        address: Address,
        #[source]
        source: ProviderError,
    },
    #[error("an interrupted creation of {address} made more than one: {found}")]
    Several { address: Address, found: String },
}

/// Folds what the journal holds into the state. Changes nothing in the cloud and no file.
///
/// The state holds the first `held` entries already.
pub async fn fold(
    state: &mut State,
    entries: &[Entry],
    held: usize,
    reader: &dyn Reader,
) -> Result<Vec<Note>, RecoverError> {
    let mut notes = Vec::new();
    let folded = journal::fold(entries, held)?;
    let mut found = look_for_all(state, &folded, reader).await;
    for (address, operations) in folded {
        for progress in operations {
            let note = settle(state, &address, progress, reader, &mut found).await?;
            notes.extend(note.map(|text| Note { address: address.clone(), text }));
        }
    }
    // What never came to be, or is gone, has no row to depend on.
    let known: BTreeSet<Address> = state.rows.keys().chain(state.lookups.keys()).cloned().collect();
    for row in state.rows.values_mut() {
        row.depends_on.retain(|needed| known.contains(needed));
    }
    Ok(notes)
}

/// What was found of creations without an answer, by address.
type Found = BTreeMap<Address, Result<Vec<Identity>, ProviderError>>;

/// Looks at the same time for everything that an unanswered creation may have made.
async fn look_for_all(state: &State, folded: &BTreeMap<Address, Vec<journal::Progress>>, reader: &dyn Reader) -> Found {
    let unanswered = folded.iter().flat_map(|(address, operations)| {
        operations.iter().filter_map(move |progress| match progress {
            journal::Progress::Intended { intent } if intent.action == Verb::Create => Some((address, intent)),
            _ => None,
        })
    });
    let looks = unanswered.map(|(address, intent)| async move {
        let creation = creation(state, address, intent);
        (address.clone(), look(reader, &creation).await)
    });
    join_all(looks).await.into_iter().collect()
}

/// Brings the state up to one operation. One that is still open was interrupted, which only this run knows.
async fn settle(
    state: &mut State,
    address: &Address,
    progress: journal::Progress,
    reader: &dyn Reader,
    found: &mut Found,
) -> Result<Option<String>, RecoverError> {
    use journal::Progress;
    state.follow(address, &progress);
    let intent = match &progress {
        Progress::Intended { intent } | Progress::Done { intent, .. } => intent,
        Progress::Idle | Progress::Ready { .. } | Progress::Failed { .. } | Progress::Gone { .. } => return Ok(None),
    };
    let was_accepted = matches!(progress, Progress::Done { .. });
    let note = match (intent.action, was_accepted) {
        (Verb::Create, false) => return find(state, address, intent, reader, found.remove(address)).await,
        (Verb::Create, true) => "its creation goes on",
        (Verb::Update, true) => "its change goes on",
        // The next comparison with the cloud shows how far it came.
        (Verb::Update, false) => {
            return Ok(mark(state, address, Status::Updating, "its change was interrupted"));
        }
        (Verb::Delete, true) => "its deletion goes on",
        (Verb::Delete, false) => return Ok(None),
    };
    Ok(state.rows.contains_key(address).then(|| note.to_owned()))
}

fn mark(state: &mut State, address: &Address, status: Status, note: &str) -> Option<String> {
    let row = state.rows.get_mut(address)?;
    row.status = status;
    Some(note.to_owned())
}

/// The creation that an intent spoke of, as far as it is needed to find what it has made.
fn creation(state: &State, address: &Address, intent: &Intent) -> Creation {
    Creation {
        address: address.clone(),
        region: intent.region.clone(),
        attributes: without_markers(&intent.natural),
        tags: plan::owner(state).tags(address),
        token: intent.token.clone(),
        attempt: Attempt::default(),
    }
}

/// Adopts what an unanswered creation has made, if there is something. It was looked for already, unless nothing is `found`.
async fn find(
    state: &mut State,
    address: &Address,
    intent: &Intent,
    reader: &dyn Reader,
    found: Option<Result<Vec<Identity>, ProviderError>>,
) -> Result<Option<String>, RecoverError> {
    let owner = plan::owner(state);
    let creation = creation(state, address, intent);
    let failed = |source| RecoverError::Find { address: address.clone(), source };
    let found = match found {
        Some(found) => found,
        None => look(reader, &creation).await,
    };
    let mut found = found.map_err(failed)?;
    if found.is_empty() && owner.accepts_unmarked {
        // The creation may be one of a version that put no lineage on what it made.
        let unmarked = Creation { tags: owner.unmarked_tags(address), ..creation };
        found = without_lineage(reader, &unmarked, look(reader, &unmarked).await.map_err(failed)?).await;
    }
    // During a replacement the old object answers to the same tags.
    let old: Vec<_> =
        state.rows.get(address).into_iter().flat_map(|row| row.replaced.iter().chain(&row.identity).cloned()).collect();
    // What takes the place of something that was gone may have its name, and so its identity.
    let is_again = intent.old_is_gone
        && state.rows.get(address).and_then(|row| row.identity.as_ref()).is_some_and(|old| found.contains(old));
    if is_again {
        return Ok(mark(state, address, Status::Updating, "an interrupted run had made it again; it is adopted"));
    }
    let mut new: Vec<_> = found.into_iter().filter(|identity| !old.contains(identity)).collect();
    match (new.pop(), new.is_empty()) {
        (None, _) => Ok(None),
        (Some(identity), true) => {
            let made = Made { identity, facts: Value::Null };
            state.follow(address, &journal::Progress::Done { intent: intent.clone(), made });
            Ok(Some("an interrupted run had made it; it is adopted".to_owned()))
        }
        (Some(identity), false) => {
            new.push(identity);
            let found = new.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            Err(RecoverError::Several { address: address.clone(), found })
        }
    }
}

/// Looks for it, as often as the provider has patience: what was just made may not show its tags yet.
async fn look(reader: &dyn Reader, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
    let lapse = reader.time_lapse();
    let started = Instant::now();
    loop {
        match reader.find(creation).await {
            Err(error) if error.kind.is_transient() && started.elapsed() < reader.patience().div_f64(lapse) => {
                sleep(Duration::from_secs(5).div_f64(lapse)).await;
            }
            other => return other,
        }
    }
}

/// Those of the resources found that carry no lineage at all.
async fn without_lineage(reader: &dyn Reader, creation: &Creation, found: Vec<Identity>) -> Vec<Identity> {
    let owner = std::sync::Arc::new(ownership::Owner {
        instance: String::new(),
        region: String::new(),
        lineage: String::new(),
        account: None,
        accepts_unmarked: false,
    });
    let mut unmarked = Vec::new();
    for identity in found {
        let target = Target {
            address: creation.address.clone(),
            region: creation.region.clone(),
            identity: identity.clone(),
            recorded: Value::Null,
            owner: Some(std::sync::Arc::clone(&owner)),
        };
        let answer = reader.observe(&[target]).await.remove(&creation.address);
        let tags = match answer {
            Some(Observation::Found(observed)) => observed.tags,
            _ => None,
        };
        if tags.is_none_or(|tags| ownership::is_unmarked(&tags)) {
            unmarked.push(identity);
        }
    }
    unmarked
}

/// Recorded attributes as a provider may see them: without the markers of secrets.
fn without_markers(value: &Value) -> Known {
    match value {
        Tree::Map(_) if marker_template(value).is_some() => Tree::Null,
        Tree::Map(entries) => {
            Tree::Map(entries.iter().map(|(key, entry)| (key.clone(), without_markers(entry))).collect())
        }
        Tree::List(items) => Tree::List(items.iter().map(without_markers).collect()),
        other => other.lift(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::provider::sim::{Options, Sim};
    use crate::provider::{Provider, read_only};
    use crate::spec::Specs;
    use crate::state::journal::Record;

    fn intended(number: u64) -> Entry {
        let address: Address = format!("logs.log_group.number{number}").parse().expect("an address");
        let natural = Value::Map([("name".to_owned(), Value::from(format!("/social/{number}")))].into());
        let intent = Intent {
            action: Verb::Create,
            region: "eu-central-1".to_owned(),
            token: format!("{number:032}"),
            identity: None,
            natural,
            protect: false,
            depends_on: BTreeSet::new(),
            makes_room: false,
            old_is_gone: false,
        };
        Entry { seq: number + 1, record: Record::Intent { address, intent } }
    }

    #[tokio::test(start_paused = true)]
    async fn everything_that_may_have_been_made_is_looked_for_at_once() {
        let types = Arc::clone(&Specs::read(&[]).expect("valid specs").types);
        let options = Options { latency: Duration::from_millis(200), ..Options::default() };
        let sim = Arc::new(Sim::open(types, None, options).expect("a cloud"));
        let reader = read_only(&(sim as Arc<dyn Provider>));
        let mut state = State::new("lineage", "social", "eu-central-1");
        let entries: Vec<Entry> = (0..10).map(intended).collect();
        let started = Instant::now();
        let notes = fold(&mut state, &entries, 0, &*reader).await.expect("nothing was made");
        assert_eq!(notes, []);
        assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
    }
}
