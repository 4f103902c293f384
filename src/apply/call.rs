//! Single calls to a provider, with as many tries as make sense.
//!
//! A creation whose answer was lost is looked for before it is tried again, so that nothing is made twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep};

use crate::address::{Address, Identity};
use crate::provider::{
    Attempt, Created, Creation, Deletion, ErrorKind, Observation, Observations, Printed, Provider, ProviderError, Tags,
    Target, Update,
};
use crate::secret::SecretText;
use crate::value::{AttributePath, Known, Value};

/// What a task brings back to the loop.
#[derive(Debug)]
pub enum Answer {
    Revealed {
        step: usize,
        secrets: Vec<((Address, AttributePath), SecretText)>,
    },
    Created {
        step: usize,
        created: Created,
        /// The cloud has made it now; it was not found.
        is_fresh: bool,
    },
    Updated {
        step: usize,
    },
    Deleting {
        step: usize,
        deletion: Deletion,
    },
    /// A deletion is refused for now; it is tried again with the next poll.
    DeleteLater {
        step: usize,
        error: ProviderError,
    },
    Failed {
        step: usize,
        error: ProviderError,
    },
    Observed {
        steps: Vec<usize>,
        observations: Observations,
    },
    /// What a program has printed; `None` if nobody can read it.
    Printed {
        step: usize,
        printed: Option<Printed>,
    },
}

/// News of a call before its answer.
#[derive(Debug)]
pub enum News {
    /// The call is tried again.
    Again(Again),
    /// The resource exists; its creation goes on.
    Exists { step: usize, created: Created },
}

/// Why a call is tried again.
#[derive(Debug)]
pub struct Again {
    pub step: usize,
    /// The refusal without the number of its answer: the same text for the same refusal.
    pub why: String,
    pub reason: String,
    pub after: Duration,
}

/// How often a call that may succeed later is made at least, and one that the cloud itself fails in at most.
const FEWEST_TRIES: u32 = 5;

/// Waits between tries: about 1, 2, 4, 8, 15, 15, ... seconds of the cloud's time, until its patience ends.
struct Tries<'a> {
    provider: &'a dyn Provider,
    started: Instant,
    next: Duration,
    /// How long it tries what the cloud refuses for now.
    patience: Duration,
    /// Tries that failed. A few are always made, however slow the machine.
    failed: u32,
    /// Errors of any other kind since the last refusal for now: when the first one came, and how many there are.
    trouble: Option<(Instant, u32)>,
    step: usize,
    tell: &'a UnboundedSender<News>,
}

impl<'a> Tries<'a> {
    fn new(
        provider: &'a dyn Provider,
        step: usize,
        patience: Option<Duration>,
        tell: &'a UnboundedSender<News>,
    ) -> Self {
        let patience = patience.unwrap_or_default().max(provider.patience());
        Self {
            provider,
            started: Instant::now(),
            next: Duration::from_secs(1),
            patience,
            failed: 0,
            trouble: None,
            step,
            tell,
        }
    }

    /// Waits for the next try, or gives the error back.
    async fn wait(&mut self, error: ProviderError) -> Result<(), ProviderError> {
        let lapse = self.provider.time_lapse();
        self.failed += 1;
        let within = |since: Instant, patience: Duration| since.elapsed() < patience.div_f64(lapse);
        let may_pass = match error.kind {
            ErrorKind::NotYet => {
                self.trouble = None;
                self.failed < FEWEST_TRIES || within(self.started, self.patience)
            }
            kind if kind.is_transient() || kind == ErrorKind::Unknown => {
                let (since, times) = self.trouble.get_or_insert_with(|| (Instant::now(), 0));
                *times += 1;
                // A fault of the cloud mostly passes within seconds. One that stays is not worth the whole patience.
                *times < FEWEST_TRIES || (kind != ErrorKind::Unknown && within(*since, self.provider.patience()))
            }
            _ => false,
        };
        if !may_pass {
            return Err(error);
        }
        let pause = self.next.div_f64(lapse).mul_f64(spread(self.step, self.failed));
        // Nobody listening means the loop has left; the task will be dropped with it.
        let (why, reason) = (error.without_number(), error.to_string());
        let again = Again { step: self.step, why, reason, after: pause };
        let _ = self.tell.send(News::Again(again));
        sleep(pause).await;
        self.next = (self.next * 2).min(Duration::from_secs(15));
        Ok(())
    }
}

/// An error as it may be said and written down: the cloud may repeat what it was sent, and some of that is secret.
fn discreet(error: ProviderError, sent: &Known) -> ProviderError {
    let mut secrets = Vec::new();
    sent.each_leaf(&mut |secret| secrets.push(secret));
    error.without(&secrets)
}

/// Between three and five quarters: so that steps which were refused together do not come back together. The same for
/// the same step and try.
fn spread(step: usize, failed: u32) -> f64 {
    // The golden ratio scatters whatever it multiplies.
    let scattered = (step as f64).mul_add(7.0, f64::from(failed)) * 0.618_033_988_749_895;
    0.75 + scattered.fract() / 2.0
}

/// Reads secrets.
pub async fn reveal(
    provider: Arc<dyn Provider>,
    step: usize,
    wanted: Vec<(Target, AttributePath)>,
    tell: UnboundedSender<News>,
) -> Answer {
    let mut tries = Tries::new(&*provider, step, None, &tell);
    let mut secrets = Vec::new();
    for (target, path) in wanted {
        loop {
            match provider.reveal(&target, &path).await {
                Ok(secret) => {
                    secrets.push(((target.address.clone(), path), secret));
                    break;
                }
                Err(error) => {
                    if let Err(error) = tries.wait(error).await {
                        return Answer::Failed { step, error };
                    }
                }
            }
        }
    }
    Answer::Revealed { step, secrets }
}

/// What else is known of a creation.
#[derive(Debug, Default)]
pub struct Circumstances {
    /// Something was recorded here that reads do not show: what they do not show yet must not be made a second time.
    pub look_first: bool,
    /// The object that it takes the place of and that carries the same tags.
    pub current: Option<Identity>,
    /// Objects that earlier replacements left behind, with the same tags.
    pub leftovers: Vec<Identity>,
    /// How long a refusal for now may last, where that is longer than the provider's own patience.
    pub patience: Option<Duration>,
}

impl Circumstances {
    /// The one object among those found that is none of those known before.
    fn new_one(&self, mut found: Vec<Identity>) -> Option<Identity> {
        found.retain(|identity| Some(identity) != self.current.as_ref() && !self.leftovers.contains(identity));
        if found.len() == 1 { found.pop() } else { None }
    }

    /// The one leftover among those found.
    fn leftover(&self, mut found: Vec<Identity>) -> Option<Identity> {
        found.retain(|identity| self.leftovers.contains(identity));
        if found.len() == 1 { found.pop() } else { None }
    }
}

/// Creates a resource, or finds the one that an earlier try has made.
pub async fn create(
    provider: Arc<dyn Provider>,
    step: usize,
    mut creation: Creation,
    circumstances: Circumstances,
    tell: UnboundedSender<News>,
) -> Answer {
    let mut tries = Tries::new(&*provider, step, circumstances.patience, &tell);
    let mut look = circumstances.look_first;
    let mut lost = 0;
    loop {
        let error = if look {
            look = false;
            None
        } else {
            match provider.create(&creation).await {
                Ok(created) => return Answer::Created { step, created, is_fresh: true },
                Err(error) => {
                    creation.attempt = Attempt::default();
                    Some(discreet(error, &creation.attributes))
                }
            }
        };
        // After a lost answer, or a fault of the cloud, the same request is made again: the provider finds what the first
        // one made and completes it. Only if this goes on is what exists taken as it is.
        let is_unclear = error.as_ref().is_none_or(|error| match error.kind {
            ErrorKind::Conflict => true,
            ErrorKind::Network | ErrorKind::Unknown => {
                lost += 1;
                lost > 1
            }
            _ => false,
        });
        if is_unclear {
            match provider.find(&creation).await {
                Ok(found) => {
                    let is_taken = error.as_ref().is_some_and(|error| error.kind == ErrorKind::Conflict);
                    let identity = match circumstances.new_one(found) {
                        // Whoever has the name is asked for by the name alone: it may be a leftover that is wanted again.
                        None if is_taken && !circumstances.leftovers.is_empty() => {
                            let named = Creation { tags: BTreeMap::new(), ..creation.clone() };
                            let found = provider.find(&named).await.unwrap_or_default();
                            circumstances.leftover(found)
                        }
                        other => other,
                    };
                    if let Some(identity) = identity {
                        let created = Created { identity, attributes: Value::Null };
                        return Answer::Created { step, created, is_fresh: false };
                    }
                }
                Err(finding) if finding.kind.is_transient() => {}
                Err(finding) => return Answer::Failed { step, error: discreet(finding, &creation.attributes) },
            }
        }
        if let Some(error) = error
            && let Err(error) = tries.wait(error).await
        {
            return Answer::Failed { step, error };
        }
    }
}

/// Changes a resource in place, after putting on it the tags that say whose it is, if they are given.
pub async fn update(
    provider: Arc<dyn Provider>,
    step: usize,
    update: Update,
    mark: Option<Tags>,
    patience: Option<Duration>,
    tell: UnboundedSender<News>,
) -> Answer {
    let mut tries = Tries::new(&*provider, step, patience, &tell);
    if let Some(tags) = mark {
        while let Err(error) = provider.mark(&update.target, &tags).await {
            if let Err(error) = tries.wait(error).await {
                return Answer::Failed { step, error };
            }
        }
        if update.changed.is_empty() {
            return Answer::Updated { step };
        }
    }
    loop {
        match provider.update(&update).await {
            Ok(()) => return Answer::Updated { step },
            Err(error) => {
                if let Err(error) = tries.wait(discreet(error, &update.desired)).await {
                    return Answer::Failed { step, error };
                }
            }
        }
    }
}

/// Deletes a resource. What is only refused for now goes back to the loop, which tries again while it waits.
pub async fn delete(provider: Arc<dyn Provider>, step: usize, target: Target) -> Answer {
    match provider.delete(&target).await {
        Ok(deletion) => Answer::Deleting { step, deletion },
        Err(error) if error.kind == ErrorKind::NotFound => Answer::Deleting { step, deletion: Deletion::Accepted },
        Err(error) if error.kind.is_transient() => Answer::DeleteLater { step, error },
        Err(error) => Answer::Failed { step, error },
    }
}

/// Reads resources that are waited for, all of one type in one call.
pub async fn observe(provider: Arc<dyn Provider>, steps: Vec<usize>, targets: Vec<Target>) -> Answer {
    let mut observations = provider.observe(&targets).await;
    for target in &targets {
        observations.entry(target.address.clone()).or_insert(Observation::Gone);
    }
    Answer::Observed { steps, observations }
}

/// Reads what a program has printed, after a while. What cannot be read now is asked for with the next look.
pub async fn printed(
    provider: Arc<dyn Provider>,
    step: usize,
    target: Target,
    from: Option<String>,
    after: Duration,
) -> Answer {
    if !after.is_zero() {
        sleep(after).await;
    }
    let printed = match provider.printed(&target, from.as_deref()).await {
        Ok(printed) => Some(printed),
        Err(error) => error.kind.is_transient().then(|| Printed { lines: Vec::new(), next: from }),
    };
    Answer::Printed { step, printed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Tree;

    #[test]
    fn steps_refused_together_do_not_come_back_together() {
        let pauses: Vec<f64> = (0..16).map(|step| spread(step, 1)).collect();
        assert!(pauses.iter().all(|pause| (0.75..1.25).contains(pause)), "{pauses:?}");
        let mut sorted = pauses.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] > 0.005), "{sorted:?}");
    }

    #[test]
    fn the_same_refusal_is_the_same_whatever_number_its_answer_has() {
        let refusal = |number: &str| {
            let error = ProviderError::new(ErrorKind::NotYet, "rds:ModifyDBCluster", "it is busy").code("InvalidState");
            ProviderError { request_id: Some(number.to_owned()), ..error }
        };
        assert_ne!(refusal("1").to_string(), refusal("2").to_string());
        assert_eq!(refusal("1").without_number(), refusal("2").without_number());
        let another = ProviderError { message: "it is gone".to_owned(), ..refusal("1") };
        assert_ne!(another.without_number(), refusal("1").without_number());
    }

    #[test]
    fn what_the_cloud_repeats_of_a_secret_is_not_said() {
        let mut sent: Known = Value::from_json(&serde_json::json!({"name": "social"})).lift();
        sent.set(&["password"], Tree::Leaf(SecretText::new("correct horse")));
        let error = ProviderError::new(ErrorKind::Invalid, "rds:CreateDBCluster", "social: correct horse is too long");
        assert_eq!(discreet(error, &sent).message, "social: *** is too long");
    }
}
