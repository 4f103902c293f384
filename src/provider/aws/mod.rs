//! AWS: the real cloud, through its SDK.
//!
//! Owns the way from a resource type's name to the calls it needs. [`Aws`] implements [`Provider`] by finding the type's
//! handler in [`HANDLERS`]; each handler is one small file, `<service>/<kind>.rs`, listed in its service's `HANDLERS`.
//!
//! | file | holds |
//! | --- | --- |
//! | `session.rs` | configuration, one client per service and region |
//! | `connections.rs` | the way out: one pool for all clients |
//! | `limits.rs` | how fast AWS may be asked |
//! | `trace.rs` | what becomes of each call |
//! | `error.rs` | what AWS's error codes mean |
//! | `attributes.rs` | reading desired attributes, reporting observed ones |
//! | `tags.rs` | tags in each service's type |
//! | `wave.rs` | several calls at once, and one call for several |
//! | `handler.rs` | what a handler is |
//!
//! # Guarantees
//!
//! Those of [`Provider`]. A wave of observations makes one batch per type and region, and all batches run at once.
//!
//! # Assumptions
//!
//! Runs inside tokio: observing spawns tasks, which are aborted when their wave is dropped.

pub mod attributes;
pub mod error;
pub mod handler;
pub mod limits;
pub mod session;
pub mod tags;
pub mod trace;
pub mod wave;

mod acm;
mod announcement;
mod cloudfront;
mod connections;
mod ec2;
mod ecs;
mod elasticache;
mod elb;
mod iam;
mod logs;
mod rds;
mod s3;
mod secretsmanager;
mod ssm;
mod sts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use tokio::task::JoinSet;

use self::handler::Handler;
use self::session::{Clients, Session};
use self::trace::Calls;
use self::wave::Together;
use super::{
    Account, Announced, Created, Creation, Deletion, ErrorKind, Lookup, Observation, Observations, Provider,
    ProviderError, Target, Update,
};
use crate::address::{Address, Identity, TypeName};
use crate::secret::SecretText;
use crate::value::Value;

/// Every resource type this provider knows, by service.
pub static HANDLERS: &[&[&dyn Handler]] = &[
    acm::HANDLERS,
    cloudfront::HANDLERS,
    ec2::HANDLERS,
    ecs::HANDLERS,
    elasticache::HANDLERS,
    elb::HANDLERS,
    iam::HANDLERS,
    logs::HANDLERS,
    rds::HANDLERS,
    s3::HANDLERS,
    secretsmanager::HANDLERS,
    ssm::HANDLERS,
    sts::HANDLERS,
];

/// AWS, as one account and any of its regions.
pub struct Aws {
    session: Session,
    /// Several may look up the same at once.
    lookups: Together<Value>,
}

impl Aws {
    /// Reads the configuration as the AWS command line does, with `profile` in place of `AWS_PROFILE`. Makes no call:
    /// missing credentials show at the first one, for example [`Provider::account`].
    pub async fn connect(profile: Option<String>, region: String, calls: Calls) -> Self {
        Self { session: Session::load(profile, region, calls).await, lookups: Together::default() }
    }

    /// AWS over a given configuration, for tests and other programs.
    pub fn with_config(config: SdkConfig, calls: Calls) -> Self {
        Self { session: Session::new(config, calls), lookups: Together::default() }
    }

    /// Other addresses than AWS's own that calls go to: worth a warning.
    pub fn endpoint_overrides(&self) -> BTreeSet<String> {
        self.session.endpoint_overrides()
    }

    /// The log of calls made so far.
    pub fn calls(&self) -> &Calls {
        self.session.calls()
    }

    /// The clients of a region.
    pub fn clients(&self, region: &str) -> Arc<Clients> {
        self.session.clients(region)
    }

    fn at(&self, address: &Address, region: &str) -> Result<(&'static dyn Handler, Arc<Clients>), ProviderError> {
        Ok((handler(&address.type_name)?, self.clients(region)))
    }

    /// Asks the handlers of all types at once, each about its own targets in one region. Their answers, and the targets of
    /// types that nobody handles.
    async fn ask_all<T, F>(
        &self,
        targets: &[Target],
        ask: impl Fn(&'static dyn Handler, Arc<Clients>, Vec<Target>) -> F,
    ) -> (Vec<T>, Vec<(Vec<Target>, ProviderError)>)
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let mut batches = JoinSet::new();
        let mut unknown = Vec::new();
        for ((type_name, region), group) in grouped(targets) {
            match handler(type_name) {
                Ok(handler) => {
                    batches.spawn(ask(handler, self.clients(region), group));
                }
                Err(error) => unknown.push((group, error)),
            }
        }
        let mut answers = Vec::new();
        while let Some(answer) = batches.join_next().await {
            answers.extend(answer);
        }
        (answers, unknown)
    }
}

/// The handler of a type.
fn handler(type_name: &TypeName) -> Result<&'static dyn Handler, ProviderError> {
    let name = type_name.to_string();
    let found = HANDLERS.iter().copied().flatten().copied().find(|handler| handler.type_name() == name);
    found.ok_or_else(|| ProviderError::new(ErrorKind::Invalid, &name, format!("there is no type {name} in AWS")))
}

/// Targets by type and region.
fn grouped(targets: &[Target]) -> BTreeMap<(&TypeName, &str), Vec<Target>> {
    let mut groups: BTreeMap<(&TypeName, &str), Vec<Target>> = BTreeMap::new();
    for target in targets {
        groups.entry((&target.address.type_name, &target.region)).or_default().push(target.clone());
    }
    groups
}

#[async_trait]
impl Provider for Aws {
    async fn account(&self) -> Result<Account, ProviderError> {
        let caller = self.clients(self.session.region()).caller().await?.clone();
        Ok(Account { id: caller.account, is_simulated: false })
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Value, ProviderError> {
        let (handler, clients) = self.at(&lookup.address, &lookup.region)?;
        let question = format!("{} {} {}", lookup.address.type_name, lookup.region, lookup.filters.to_json());
        self.lookups.ask(&question, || handler.lookup(&clients, lookup)).await
    }

    async fn observe(&self, targets: &[Target]) -> Observations {
        let (batches, unknown) = self
            .ask_all(targets, |handler, clients, group| async move {
                let group: Vec<&Target> = group.iter().collect();
                handler.observe_all(&clients, &group).await
            })
            .await;
        let mut observations: Observations = batches.into_iter().flatten().collect();
        for (group, error) in unknown {
            observations.extend(group.into_iter().map(|target| (target.address, Observation::Failed(error.clone()))));
        }
        for target in targets {
            observations.entry(target.address.clone()).or_insert_with(|| {
                let message = "its batch gave no answer";
                Observation::Failed(ProviderError::new(
                    ErrorKind::Unknown,
                    target.address.type_name.to_string(),
                    message,
                ))
            });
        }
        observations
    }

    async fn announced(&self, targets: &[Target]) -> Announced {
        let (batches, unknown) = self
            .ask_all(targets, |handler, clients, group| async move {
                let group: Vec<&Target> = group.iter().collect();
                handler.announced(&clients, &group).await
            })
            .await;
        let mut announced = Announced::default();
        for batch in batches {
            announced.announcements.extend(batch.announcements);
            announced.failures.extend(batch.failures);
        }
        announced.failures.extend(unknown.into_iter().map(|(_, error)| error));
        announced
    }

    async fn find(&self, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let (handler, clients) = self.at(&creation.address, &creation.region)?;
        handler.find(&clients, creation).await
    }

    async fn create(&self, creation: &Creation) -> Result<Created, ProviderError> {
        let (handler, clients) = self.at(&creation.address, &creation.region)?;
        handler.create(&clients, creation).await
    }

    async fn update(&self, update: &Update) -> Result<(), ProviderError> {
        let (handler, clients) = self.at(&update.target.address, &update.target.region)?;
        handler.update(&clients, update).await
    }

    async fn delete(&self, target: &Target) -> Result<Deletion, ProviderError> {
        let (handler, clients) = self.at(&target.address, &target.region)?;
        handler.delete(&clients, target).await
    }

    async fn reveal(&self, target: &Target, path: &[String]) -> Result<SecretText, ProviderError> {
        let (handler, clients) = self.at(&target.address, &target.region)?;
        handler.reveal(&clients, target, path).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_are_sorted_and_unique() {
        let names: Vec<_> = HANDLERS.iter().copied().flatten().map(|handler| handler.type_name()).collect();
        assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
    }
}
