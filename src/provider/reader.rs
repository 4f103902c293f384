//! The part of a cloud that only reads.
//!
//! A command that must not change anything is handed a [`Reader`]: there is nothing on it that could, and no way from it
//! back to the [`Provider`] behind it. The compiler proves it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Account, Announced, Belonging, Creation, Lookup, Observations, Provider, ProviderError, Question, Registration,
    Silence, Tags, Target,
};
use crate::address::Identity;
use crate::value::Value;

/// What can be asked of a cloud. Each question is the one of the same name in [`Provider`].
#[async_trait]
pub trait Reader: Send + Sync {
    async fn account(&self) -> Result<Account, ProviderError>;
    async fn lookup(&self, lookup: &Lookup) -> Result<Value, ProviderError>;
    async fn observe(&self, targets: &[Target]) -> Observations;
    async fn observe_each(&self, instances: &[Vec<Target>]) -> Vec<Observations> {
        let mut answers = Vec::new();
        for targets in instances {
            answers.push(self.observe(targets).await);
        }
        answers
    }
    async fn announced(&self, targets: &[Target]) -> Announced;
    async fn find(&self, creation: &Creation) -> Result<Vec<Identity>, ProviderError>;
    async fn census(&self, region: &str, tags: &Tags) -> Result<Vec<Belonging>, ProviderError>;
    async fn registration(&self, region: &str, instance: &str) -> Result<Option<Registration>, ProviderError>;
    async fn ask(&self, question: &Question) -> Result<Value, Silence>;
    fn time_lapse(&self) -> f64;
    fn patience(&self) -> Duration;
}

/// The cloud, for reading.
pub fn read_only(provider: &Arc<dyn Provider>) -> Arc<dyn Reader> {
    Arc::new(ReadOnly(Arc::clone(provider)))
}

struct ReadOnly(Arc<dyn Provider>);

#[async_trait]
impl Reader for ReadOnly {
    async fn account(&self) -> Result<Account, ProviderError> {
        self.0.account().await
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Value, ProviderError> {
        self.0.lookup(lookup).await
    }

    async fn observe(&self, targets: &[Target]) -> Observations {
        self.0.observe(targets).await
    }

    async fn observe_each(&self, instances: &[Vec<Target>]) -> Vec<Observations> {
        self.0.observe_each(instances).await
    }

    async fn announced(&self, targets: &[Target]) -> Announced {
        self.0.announced(targets).await
    }

    async fn find(&self, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        self.0.find(creation).await
    }

    async fn census(&self, region: &str, tags: &Tags) -> Result<Vec<Belonging>, ProviderError> {
        self.0.census(region, tags).await
    }

    async fn registration(&self, region: &str, instance: &str) -> Result<Option<Registration>, ProviderError> {
        self.0.registration(region, instance).await
    }

    async fn ask(&self, question: &Question) -> Result<Value, Silence> {
        self.0.ask(question).await
    }

    fn time_lapse(&self) -> f64 {
        self.0.time_lapse()
    }

    fn patience(&self) -> Duration {
        self.0.patience()
    }
}
