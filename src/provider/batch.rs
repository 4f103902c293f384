//! One wave for all instances of a fleet: what several read at the same time is read at once.
//!
//! # Guarantees
//!
//! - Everybody gets the answers to what they asked, in full, and of no other instance.
//! - What is wrong with one instance is no failure of another: who gets a failure that may be somebody else's asks alone.
//! - Nobody waits for whoever does not ask at the same time: what has been asked goes out as soon as all that can run have
//!   run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::{
    Account, Announced, Belonging, Creation, ErrorKind, Lookup, Observation, Observations, ProviderError, Question,
    Reader, Registration, Silence, Tags, Target,
};
use crate::address::Identity;
use crate::value::Value;

/// A reader for several to share.
pub fn batched(reader: Arc<dyn Reader>) -> Arc<dyn Reader> {
    Arc::new(Batched { reader, asked: Mutex::default() })
}

/// What one instance has asked, and where its answers go.
type Asked = (Vec<Target>, oneshot::Sender<Answers>);

struct Answers {
    observations: Observations,
    /// Others asked at the same time.
    are_shared: bool,
}

impl Answers {
    /// Whether one of them is a failure that another instance may have brought about: a call for several fails as a whole
    /// because of one wrong name. Credentials, permissions and the network are everybody's.
    fn may_be_anothers(&self) -> bool {
        let everybodys = [ErrorKind::Credentials, ErrorKind::Denied, ErrorKind::Network, ErrorKind::Throttled];
        let is_doubtful = |answer: &Observation| match answer {
            Observation::Failed(error) => !everybodys.contains(&error.kind),
            _ => false,
        };
        self.are_shared && self.observations.values().any(is_doubtful)
    }
}

struct Batched {
    reader: Arc<dyn Reader>,
    /// What has not gone out yet.
    asked: Mutex<Vec<Asked>>,
}

impl Batched {
    fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a question; answers whether it is the first of its batch.
    fn add(&self, question: Asked) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(question);
        asked.len() == 1
    }
}

/// Who asks for all that come with it. If it leaves before, the others are told so.
struct Lead<'a> {
    batched: &'a Batched,
    is_over: bool,
}

impl Lead<'_> {
    fn end(&mut self) -> Vec<Asked> {
        self.is_over = true;
        self.batched.take()
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.batched.take();
        }
    }
}

#[async_trait]
impl Reader for Batched {
    async fn account(&self) -> Result<Account, ProviderError> {
        self.reader.account().await
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Value, ProviderError> {
        self.reader.lookup(lookup).await
    }

    /// Whoever comes first asks for all that come with it.
    async fn observe(&self, targets: &[Target]) -> Observations {
        let (sender, answers) = oneshot::channel();
        if self.add((targets.to_vec(), sender)) {
            let mut lead = Lead { batched: self, is_over: false };
            yield_now().await;
            let (instances, senders): (Vec<Vec<Target>>, Vec<_>) = lead.end().into_iter().unzip();
            let are_shared = instances.len() > 1;
            for (sender, observations) in senders.into_iter().zip(self.reader.observe_each(&instances).await) {
                // Who has gone away wants no answer.
                let _ = sender.send(Answers { observations, are_shared });
            }
        }
        match answers.await {
            Ok(answers) if !answers.may_be_anothers() => answers.observations,
            // Or who asked for all has gone away.
            _ => self.reader.observe(targets).await,
        }
    }

    async fn observe_each(&self, instances: &[Vec<Target>]) -> Vec<Observations> {
        self.reader.observe_each(instances).await
    }

    async fn announced(&self, targets: &[Target]) -> Announced {
        self.reader.announced(targets).await
    }

    async fn find(&self, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        self.reader.find(creation).await
    }

    async fn census(&self, region: &str, tags: &Tags) -> Result<Vec<Belonging>, ProviderError> {
        self.reader.census(region, tags).await
    }

    async fn registration(&self, region: &str, instance: &str) -> Result<Option<Registration>, ProviderError> {
        self.reader.registration(region, instance).await
    }

    async fn ask(&self, question: &Question) -> Result<Value, Silence> {
        self.reader.ask(question).await
    }

    fn time_lapse(&self) -> f64 {
        self.reader.time_lapse()
    }

    fn patience(&self) -> Duration {
        self.reader.patience()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::Observed;
    use super::*;
    use crate::address::Address;

    /// A cloud in which everything is there, and which counts the waves that come in.
    #[derive(Default)]
    struct Shore {
        waves: AtomicUsize,
        alone: AtomicUsize,
    }

    fn nothing<T>() -> Result<T, ProviderError> {
        Err(ProviderError::new(ErrorKind::Unknown, "test", "nobody asks for it here"))
    }

    #[async_trait]
    impl Reader for Shore {
        async fn account(&self) -> Result<Account, ProviderError> {
            nothing()
        }

        async fn lookup(&self, _: &Lookup) -> Result<Value, ProviderError> {
            nothing()
        }

        async fn observe(&self, targets: &[Target]) -> Observations {
            self.alone.fetch_add(1, Ordering::Relaxed);
            targets.iter().map(|target| (target.address.clone(), found(target))).collect()
        }

        async fn observe_each(&self, instances: &[Vec<Target>]) -> Vec<Observations> {
            self.waves.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
            let failure = instances.iter().flatten().find_map(|target| match target.identity.as_str() {
                "wrong" => Some(ErrorKind::Invalid),
                "denied" => Some(ErrorKind::Denied),
                _ => None,
            });
            let answer = |target: &Target| match failure {
                Some(kind) => Observation::Failed(ProviderError::new(kind, "test", "refused")),
                None => found(target),
            };
            let answers =
                |targets: &Vec<Target>| targets.iter().map(|target| (target.address.clone(), answer(target))).collect();
            instances.iter().map(answers).collect()
        }

        async fn announced(&self, _: &[Target]) -> Announced {
            Announced::default()
        }

        async fn find(&self, _: &Creation) -> Result<Vec<Identity>, ProviderError> {
            nothing()
        }

        async fn census(&self, _: &str, _: &Tags) -> Result<Vec<Belonging>, ProviderError> {
            nothing()
        }

        async fn registration(&self, _: &str, _: &str) -> Result<Option<Registration>, ProviderError> {
            nothing()
        }

        async fn ask(&self, _: &Question) -> Result<Value, Silence> {
            Ok(Value::Null)
        }

        fn time_lapse(&self) -> f64 {
            1.0
        }

        fn patience(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn found(target: &Target) -> Observation {
        Observation::Found(Observed { identity: target.identity.clone(), attributes: Value::Null, tags: None })
    }

    /// What an instance has: something of the same address as all others.
    fn of(instance: &str) -> Vec<Target> {
        vec![Target {
            address: address(),
            region: "eu-central-1".to_owned(),
            identity: Identity::new(instance),
            recorded: Value::Null,
            owner: None,
        }]
    }

    fn address() -> Address {
        "rds.cluster.database".parse().expect("an address")
    }

    fn whose(answers: &Observations) -> &str {
        match &answers[&address()] {
            Observation::Found(observed) => observed.identity.as_str(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_is_asked_at_once_is_one_wave_and_everybody_gets_their_own() {
        let shore = Arc::new(Shore::default());
        let reader = batched(Arc::clone(&shore) as Arc<dyn Reader>);
        let (one, two, three) = (of("one"), of("two"), of("three"));
        let answers = tokio::join!(reader.observe(&one), reader.observe(&two), reader.observe(&three));
        assert_eq!([whose(&answers.0), whose(&answers.1), whose(&answers.2)], ["one", "two", "three"]);
        assert_eq!(shore.waves.load(Ordering::Relaxed), 1);
        assert_eq!(whose(&reader.observe(&two).await), "two");
        assert_eq!(shore.waves.load(Ordering::Relaxed), 2, "who asks later asks anew");
    }

    #[tokio::test]
    async fn what_is_wrong_with_one_fails_nobody_else() {
        for (other, alone) in [("wrong", 2), ("denied", 0)] {
            let shore = Arc::new(Shore::default());
            let reader = batched(Arc::clone(&shore) as Arc<dyn Reader>);
            let (one, two) = (of("one"), of(other));
            let (answers, _) = tokio::join!(reader.observe(&one), reader.observe(&two));
            let is_found = matches!(answers[&address()], Observation::Found(_));
            assert_eq!((is_found, shore.alone.load(Ordering::Relaxed)), (alone > 0, alone), "{other}");
            assert_eq!(shore.waves.load(Ordering::Relaxed), 1);
        }
    }

    #[tokio::test]
    async fn who_was_to_be_asked_for_by_somebody_who_has_left_asks_alone() {
        // Before the question goes out, and while the answer is on its way.
        for (turns, waves) in [(1, 0), (2, 1)] {
            let shore = Arc::new(Shore::default());
            let reader = batched(Arc::clone(&shore) as Arc<dyn Reader>);
            let (one, two) = (of("one"), of("two"));
            let patience = async {
                for _ in 0..turns {
                    yield_now().await;
                }
            };
            let leaves = async {
                tokio::select! {
                    biased;
                    () = patience => {}
                    _ = reader.observe(&one) => {}
                }
            };
            let ((), answers) = tokio::join!(leaves, reader.observe(&two));
            assert_eq!(whose(&answers), "two");
            assert_eq!(shore.waves.load(Ordering::Relaxed), waves);
            assert_eq!(shore.alone.load(Ordering::Relaxed), 1);
            assert_eq!(whose(&reader.observe(&one).await), "one");
        }
    }
}
