//! `dns.record`: a record that a person is asked for. Nothing of it is in AWS: making, changing and deleting it here
//! does nothing, and a look asks DNS.

use async_trait::async_trait;
use tokio::time::{Instant, timeout_at};

use super::{Finding, LONGEST};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, wanted};
use crate::provider::aws::handler::{Handler, created, observation, observed};
use crate::provider::aws::session::Clients;
use crate::provider::aws::wave::wave;
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observation, Observed, ProviderError, Target, Update};
use crate::value::Tree;

const LOOK: &str = "a look at DNS";

pub struct Record;

#[async_trait]
impl Handler for Record {
    fn type_name(&self) -> &'static str {
        "dns.record"
    }

    /// Whoever is not answered in time is unchecked, however many there are.
    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let deadline = Instant::now() + LONGEST;
        let looks = targets.iter().map(|target| look(clients, target, deadline));
        wave(looks.collect()).await.into_iter().map(observation).collect()
    }

    /// Nothing can be left of a creation that makes nothing.
    async fn find(&self, _: &Clients, _: &Creation) -> Result<Vec<Identity>, ProviderError> {
        Ok(Vec::new())
    }

    async fn create(&self, _: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, LOOK);
        Ok(created(format!("{}|{}", wanted.text("name")?, wanted.text("kind")?), Report::new()))
    }

    async fn update(&self, _: &Clients, _: &Update) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn delete(&self, _: &Clients, _: &Target) -> Result<Deletion, ProviderError> {
        Ok(Deletion::Accepted)
    }
}

async fn look(clients: &Clients, target: &Target, deadline: Instant) -> Result<Option<Observed>, ProviderError> {
    let Some((name, kind)) = target.identity.as_str().split_once('|') else {
        let message = format!("{} is not a name and a kind", target.identity);
        return Err(ProviderError::new(ErrorKind::Invalid, LOOK, message));
    };
    let value = target.recorded.get("value").and_then(Tree::as_text).unwrap_or_default();
    let accepts = target.recorded.get("accepts").and_then(Tree::as_text);
    let finding = match target.recorded.get("check") {
        Some(Tree::Bool(false)) => Finding::Unknown,
        _ => timeout_at(deadline, clients.dns().look(name, kind, value, accepts))
            .await
            .unwrap_or_else(|_| Finding::late()),
    };
    let (status, found, place) = match finding {
        Finding::Present => ("present", None, None),
        Finding::Missing(place) => ("missing", None, Some(place)),
        Finding::Wrong(what) => ("wrong", Some(what), None),
        Finding::Silent(what) => ("unchecked", Some(what), None),
        Finding::Unknown => ("unchecked", None, None),
    };
    let report = Report::new().set("name", name).set("kind", kind).set("status", status);
    let report = report.set_if("found", found).set_if("place", place);
    Ok(Some(observed(target.identity.as_str(), report)))
}
