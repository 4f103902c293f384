//! `ecs.cluster`: a name that groups services.
//!
//! AWS answers the creation of a cluster that exists as if it had made it, so `create` looks first: a cluster of
//! somebody else is not taken. A deleted cluster stays visible for a while as `INACTIVE` and counts as gone.

use async_trait::async_trait;
use aws_sdk_ecs::types::{Cluster as Found, ClusterField, ClusterSetting, ClusterSettingName};

use super::{present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, missing, unanswered};
use crate::provider::aws::handler::{Handler, by_identity, created, identities, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "ecs:CreateCluster";
const DELETE: &str = "ecs:DeleteCluster";
const DESCRIBE: &str = "ecs:DescribeClusters";
const PUT_PROVIDERS: &str = "ecs:PutClusterCapacityProviders";
const UPDATE: &str = "ecs:UpdateCluster";

/// How many clusters one call describes.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeClusters.html>
const BATCH: usize = 100;

const DELETED: &str = "INACTIVE";
const DELETING: &str = "DEPROVISIONING";

pub struct Cluster;

#[async_trait]
impl Handler for Cluster {
    fn type_name(&self) -> &'static str {
        "ecs.cluster"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let clusters = describe(clients, &identities(targets)).await;
        by_identity(targets, clusters.map(|clusters| clusters.iter().map(report).collect()))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, DESCRIBE).text("name")?;
        let found = describe(clients, &[name.to_owned()]).await?;
        let own = found.iter().filter(|cluster| is_own(creation, cluster));
        Ok(own.filter_map(|cluster| cluster.cluster_name()).map(Identity::new).collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let cluster = match describe(clients, &[name.to_owned()]).await?.pop() {
            Some(cluster) if !is_own(creation, &cluster) => {
                let message = format!("there is a cluster {name} already, and it was not made for this instance");
                return Err(ProviderError::new(ErrorKind::Conflict, CREATE, message));
            }
            Some(cluster) if cluster.status() == Some(DELETING) => {
                let message = format!("the former cluster {name} is still being deleted");
                return Err(ProviderError::new(ErrorKind::NotYet, CREATE, message));
            }
            Some(cluster) => cluster,
            None => {
                let request = clients
                    .ecs()
                    .create_cluster()
                    .cluster_name(name)
                    .set_capacity_providers(wanted.optional_texts("capacity_providers")?)
                    .set_settings(wanted.optional_text("container_insights")?.map(|value| vec![insights(value)]))
                    .set_tags(Some(super::listed(&creation.tags)));
                let answer = request.send().await.map_err(failed(CREATE))?;
                answer.cluster.ok_or_else(|| unanswered(CREATE, "cluster"))?
            }
        };
        Ok(created(name, Report::new().set("arn", cluster.cluster_arn()).set_if("status", cluster.status())))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let name = update.target.identity.as_str();
        let desired = desired(update, UPDATE);
        if update.changed("capacity_providers").is_some() {
            let providers = desired.texts("capacity_providers")?;
            // AWS wants the default strategy in the same call. It is not ours: what is there stays.
            let found = describe(clients, &[name.to_owned()]).await?.pop();
            let strategy = found.and_then(|cluster| cluster.default_capacity_provider_strategy).unwrap_or_default();
            let strategy = strategy.into_iter().filter(|item| providers.contains(&item.capacity_provider)).collect();
            let request = clients.ecs().put_cluster_capacity_providers().cluster(name);
            let request = request.set_default_capacity_provider_strategy(Some(strategy));
            request.set_capacity_providers(Some(providers)).send().await.map_err(failed(PUT_PROVIDERS))?;
        }
        // Without a value the account's own setting holds, and it holds at creation only.
        if update.changed("container_insights").is_some()
            && let Some(value) = desired.optional_text("container_insights")?
        {
            let request = clients.ecs().update_cluster().cluster(name).settings(insights(value));
            request.send().await.map_err(failed(UPDATE))?;
        }
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let name = target.identity.as_str();
        let found = describe(clients, &[name.to_owned()]).await?.pop().and_then(|cluster| cluster.cluster_arn);
        tag(clients, &found.ok_or_else(|| missing(DESCRIBE, "cluster", name))?, tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.ecs().delete_cluster().cluster(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

fn insights(value: &str) -> ClusterSetting {
    ClusterSetting::builder().name(ClusterSettingName::ContainerInsights).value(value).build()
}

fn is_own(creation: &Creation, cluster: &Found) -> bool {
    tags::has_all(&creation.tags, present(cluster.tags()))
}

/// Reads clusters by name, without deleted ones. A name that does not exist is passed over.
async fn describe(clients: &Clients, names: &[String]) -> Result<Vec<Found>, ProviderError> {
    let batch = async |names: &[String]| {
        let request = clients.ecs().describe_clusters().set_clusters(Some(names.to_vec()));
        let request = request.include(ClusterField::Settings).include(ClusterField::Tags);
        request.send().await.map_err(failed(DESCRIBE))
    };
    let answers = try_wave(names.chunks(BATCH).map(batch).collect()).await?;
    let found = answers.into_iter().flat_map(|answer| answer.clusters.unwrap_or_default());
    Ok(found.filter(|cluster| cluster.status() != Some(DELETED)).collect())
}

fn report(cluster: &Found) -> Observed {
    let insights =
        cluster.settings().iter().find(|setting| setting.name() == Some(&ClusterSettingName::ContainerInsights));
    let report = Report::new()
        .set("name", cluster.cluster_name())
        .set("capacity_providers", cluster.capacity_providers().to_vec())
        .set_if("container_insights", insights.and_then(|setting| setting.value()))
        .set("arn", cluster.cluster_arn())
        .set("status", cluster.status());
    tagged(observed(cluster.cluster_name().unwrap_or_default(), report), present(cluster.tags()))
}
