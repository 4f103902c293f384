//! Reading the cloud: lookups and everything the state knows of. Nothing here changes anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::address::Address;
use crate::diagnostic::Diagnostics;
use crate::plan::resolve::{World, wanted_lookups};
use crate::provider::{Observation, Observations, ProviderError, Reader, Target};
use crate::state::State;
use crate::value::Value;

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

/// Asks everything that is looked up, in as few rounds as lookups depend on one another.
pub async fn look_up(reader: &Arc<dyn Reader>, world: &World<'_>) -> Result<BTreeMap<Address, Value>, RefreshError> {
    let mut answers = BTreeMap::new();
    loop {
        let round = World { lookups: &answers, ..*world };
        let wanted = wanted_lookups(&round).map_err(RefreshError::Specs)?;
        if wanted.is_empty() {
            return Ok(answers);
        }
        let mut asking = JoinSet::new();
        for lookup in wanted {
            let reader = Arc::clone(reader);
            asking.spawn(async move {
                let answer = reader.lookup(&lookup).await;
                (lookup.address, answer)
            });
        }
        let mut failures = BTreeMap::new();
        while let Some(joined) = asking.join_next().await {
            let Ok((address, answer)) = joined else { continue };
            match answer {
                Ok(value) => {
                    answers.insert(address, value);
                }
                Err(source) => {
                    failures.insert(address, source);
                }
            }
        }
        if let Some((address, source)) = failures.pop_first() {
            return Err(RefreshError::Lookup { address, source });
        }
    }
}

/// What the state knows of, as targets of an observation.
pub fn targets(state: &State) -> Vec<Target> {
    state
        .rows
        .iter()
        .filter_map(|(address, row)| {
            Some(Target {
                address: address.clone(),
                region: row.region.clone(),
                identity: row.identity.clone()?,
                recorded: row.recorded(),
            })
        })
        .collect()
}

/// Reads everything the state knows of, at once. One resource that cannot be read fails the whole: a plan over a hole
/// would be a guess.
pub async fn observe(reader: &dyn Reader, state: &State) -> Result<Observations, RefreshError> {
    let targets = targets(state);
    if targets.is_empty() {
        return Ok(Observations::new());
    }
    let mut observations = reader.observe(&targets).await;
    // What was made a moment ago may not be visible everywhere yet, and taking it for gone would make it twice. So what
    // seems to be gone gets a second and a third look.
    for _ in 0..2 {
        let gone = |target: &&Target| matches!(observations.get(&target.address), Some(Observation::Gone));
        let again: Vec<Target> = targets.iter().filter(gone).cloned().collect();
        if again.is_empty() {
            break;
        }
        sleep(SECOND_LOOK.div_f64(reader.time_lapse())).await;
        observations.extend(reader.observe(&again).await);
    }
    for (address, observation) in &observations {
        if let Observation::Failed(source) = observation {
            return Err(RefreshError::Observe { address: address.clone(), source: source.clone() });
        }
    }
    Ok(observations)
}
