//! `rds.cluster_snapshot`: a copy of a cluster's data as it was at one moment.
//!
//! Its name ends with the beginning of the token of its creation, so that each has a name of its own and a repeated
//! creation meets the first one.

use async_trait::async_trait;
use aws_sdk_rds::types::DbClusterSnapshot;

use super::{FILTER_VALUES, filter, is_tagged, present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, wanted};
use crate::provider::aws::error::{OrAbsent, failed};
use crate::provider::aws::handler::{Handler, adopt, by_identity, created, identities, observed, standing, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "rds:CreateDBClusterSnapshot";
const DESCRIBE: &str = "rds:DescribeDBClusterSnapshots";

/// Characters of the token in a name.
const OF_TOKEN: usize = 12;

pub struct ClusterSnapshot;

#[async_trait]
impl Handler for ClusterSnapshot {
    fn type_name(&self) -> &'static str {
        "rds.cluster_snapshot"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let names = identities(targets);
        let batches = names.chunks(FILTER_VALUES).map(|names| describe(clients, names)).collect();
        let answers = try_wave(batches).await;
        by_identity(targets, answers.map(|snapshots| snapshots.iter().flatten().filter_map(report).collect()))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = name(creation)?;
        let snapshots = describe(clients, std::slice::from_ref(&name)).await?;
        let own = snapshots.iter().filter(|snapshot| is_tagged(&creation.tags, snapshot.tag_list()));
        Ok(own.map(|_| Identity::new(name.as_str())).collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let name = name(creation)?;
        let request = clients
            .rds()
            .create_db_cluster_snapshot()
            .db_cluster_identifier(wanted(creation, CREATE).text("cluster")?)
            .db_cluster_snapshot_identifier(&name)
            .set_tags(Some(super::listed(&creation.tags)));
        let answer = request.send().await.map_err(failed(CREATE)).map(|_| Identity::new(&name));
        adopt(creation, answer, || standing(self, clients, creation)).await?;
        Ok(created(name.clone(), Report::new().set("identifier", name)))
    }

    /// What was copied stays as it was.
    async fn update(&self, _: &Clients, _: &Update) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let names = [target.identity.as_str().to_owned()];
        let found = describe(clients, &names).await?.pop();
        tag(clients, target, found.and_then(|snapshot| snapshot.db_cluster_snapshot_arn), tags).await
    }

    /// A snapshot is never taken back: people may need it.
    async fn delete(&self, _: &Clients, _: &Target) -> Result<Deletion, ProviderError> {
        Ok(Deletion::Accepted)
    }
}

fn name(creation: &Creation) -> Result<String, ProviderError> {
    let token: String = creation.token.chars().take(OF_TOKEN).collect();
    Ok(format!("{}-{token}", wanted(creation, CREATE).text("prefix")?))
}

/// Reads snapshots by name. What does not exist is passed over.
async fn describe(clients: &Clients, names: &[String]) -> Result<Vec<DbClusterSnapshot>, ProviderError> {
    let request = clients.rds().describe_db_cluster_snapshots().filters(filter("db-cluster-snapshot-id", names));
    let pages = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
    Ok(pages.await.map_err(failed(DESCRIBE)).or_absent()?.unwrap_or_default())
}

fn report(snapshot: &DbClusterSnapshot) -> Option<Observed> {
    let name = snapshot.db_cluster_snapshot_identifier()?;
    let report = Report::new().set("identifier", name).set_if("status", snapshot.status());
    Some(tagged(observed(name, report), present(snapshot.tag_list())))
}
