//! `elasticache.cluster`: a single Redis node, without encryption and without a token.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_elasticache::operation::create_cache_cluster::builders::CreateCacheClusterFluentBuilder;
use aws_sdk_elasticache::operation::modify_cache_cluster::builders::ModifyCacheClusterFluentBuilder;
use aws_sdk_elasticache::types::CacheCluster;

use super::{
    DELETING, DESCRIBE_CLUSTERS, INDEXED_UNDER, describe_cluster, describe_clusters, endpoint, is_tagged,
    parameter_group, patch, security_groups, still_ours, tag, told, updates, waiting_for,
};
use crate::address::Identity;
use crate::provider::aws::announcement;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::flat::flat;
use crate::provider::aws::handler::{
    Handler, Standing, TagSource, Told, adopt, by_identity, created, identities, observed,
};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{
    Announced, Announcement, Created, Creation, Deletion, ErrorKind, Observation, Observed, ProviderError, Target,
    Update,
};

const CREATE: &str = "elasticache:CreateCacheCluster";
const DELETE: &str = "elasticache:DeleteCacheCluster";
const MODIFY: &str = "elasticache:ModifyCacheCluster";

flat! {
    creation: CreateCacheClusterFluentBuilder;
    update: ModifyCacheClusterFluentBuilder;
    shown: |cluster: &CacheCluster|;
    (identifier, needed_text, set_cache_cluster_id, -, cluster.cache_cluster_id()),
    (engine, needed_text, set_engine, -, cluster.engine()),
    (engine_version, text, set_engine_version, =, cluster.engine_version()),
    (node_type, needed_text, set_cache_node_type, =, cluster.cache_node_type()),
    (nodes, needed_integer, set_num_cache_nodes, -, cluster.num_cache_nodes()),
    (parameter_group, text, set_cache_parameter_group_name, =, parameter_group(cluster)),
    (port, integer, set_port, -, endpoint(cluster).and_then(|endpoint| endpoint.port())),
    (security_groups, texts, set_security_group_ids, =, Some(security_groups(cluster))),
    (subnet_group, text, set_cache_subnet_group_name, -, cluster.cache_subnet_group_name()),
    (snapshot_retention_days, integer, set_snapshot_retention_limit, =, cluster.snapshot_retention_limit()),
    (auto_minor_version_upgrade, flag, set_auto_minor_version_upgrade, =, cluster.auto_minor_version_upgrade()),
    (maintenance_window, text, set_preferred_maintenance_window, =, cluster.preferred_maintenance_window()),
    (arn, -, -, -, cluster.arn()),
    (endpoint, -, -, -, endpoint(cluster).and_then(|endpoint| endpoint.address())),
    (status, -, -, -, cluster.cache_cluster_status()),
}

pub struct Cluster;

#[async_trait]
impl Handler for Cluster {
    fn type_name(&self) -> &'static str {
        "elasticache.cluster"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let clusters = look(clients, &identities(targets)).await;
        by_identity(targets, clusters.map(|clusters| clusters.values().map(report).collect()))
    }

    async fn announced(&self, clients: &Clients, targets: &[&Target]) -> Announced {
        let names = identities(targets);
        let request = clients.elasticache().describe_update_actions().set_cache_cluster_ids(Some(names.clone()));
        let (clusters, updates) = tokio::join!(look(clients, &names), updates(request, targets));
        let mut announced = Announced::default();
        announced.add(clusters.map(|clusters| modifications(&clusters, targets)));
        announced.add(updates);
        announced
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let identifier = wanted(creation, DESCRIBE_CLUSTERS).text("identifier")?;
        let cluster = describe_cluster(clients, identifier).await?;
        match cluster.filter(|cluster| cluster.cache_cluster_status() != Some(DELETING)) {
            Some(cluster) if is_tagged(clients, cluster.arn(), &creation.tags).await? => {
                Ok(vec![Identity::new(identifier)])
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let identifier = wanted.text("identifier")?;
        let request = fill_creation(clients.elasticache().create_cache_cluster(), &wanted)?;
        let request = request.set_tags(Some(super::listed(&creation.tags)));
        let answer = request.send().await.map_err(failed(CREATE));
        let answer = answer.and_then(|answer| answer.cache_cluster.ok_or_else(|| unanswered(CREATE, "cluster")));
        let look = || async {
            let Some(cluster) = describe_cluster(clients, identifier).await? else { return Ok(Standing::Leaving) };
            if cluster.cache_cluster_status() == Some(DELETING) {
                return Ok(Standing::Leaving);
            }
            let is_ours = is_tagged(clients, cluster.arn(), &creation.tags).await?;
            Ok(Standing::of(is_ours.then_some(cluster)))
        };
        let cluster = adopt(creation, answer, look).await?;
        Ok(created(identifier, Report::new().set_if("arn", cluster.arn())))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let found = describe_cluster(clients, update.target.identity.as_str()).await?;
        if let Some(cluster) = &found {
            still_ours(clients, &update.target, cluster.arn()).await?;
        }
        let shown = found.as_ref().map(|cluster| report(cluster).attributes);
        let patch = patch(update, &shown.unwrap_or_default());
        let nothing = clients.elasticache().modify_cache_cluster().cache_cluster_id(update.target.identity.as_str());
        let request = fill_update(nothing.clone(), &Attributes::new(&patch, MODIFY))?;
        if request.as_input() == nothing.as_input() {
            return Ok(());
        }
        let request = request.apply_immediately(desired(update, MODIFY).flag("apply_immediately")?);
        request.send().await.map_err(failed(MODIFY))?;
        Ok(())
    }

    fn tag_source(&self) -> TagSource {
        TagSource::Index(INDEXED_UNDER)
    }

    async fn tags(&self, clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
        told(clients, observed).await
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let found = describe_cluster(clients, target.identity.as_str()).await?;
        tag(clients, target, found.and_then(|cluster| cluster.arn), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let identifier = target.identity.as_str();
        match describe_cluster(clients, identifier).await? {
            Some(cluster) if cluster.cache_cluster_status() != Some(DELETING) => {
                still_ours(clients, target, cluster.arn()).await?;
            }
            _ => return Ok(Deletion::Accepted),
        }
        let request = clients.elasticache().delete_cache_cluster().cache_cluster_id(identifier);
        match request.send().await.map_err(failed(DELETE)) {
            // It is busy, perhaps with an earlier call of the same.
            Err(error) if error.kind == ErrorKind::NotYet => match describe_cluster(clients, identifier).await? {
                Some(cluster) if cluster.cache_cluster_status() != Some(DELETING) => Err(error),
                _ => Ok(Deletion::Accepted),
            },
            answer => answer.or_absent().map(|_| Deletion::Accepted),
        }
    }
}

fn report(cluster: &CacheCluster) -> Observed {
    observed(cluster.cache_cluster_id().unwrap_or_default(), show(cluster))
}

/// Reads clusters, by name. Who wants the same at the same time gets the same answer: a look at what is there, and one at
/// what AWS has announced.
async fn look(clients: &Clients, identifiers: &[String]) -> Result<BTreeMap<String, CacheCluster>, ProviderError> {
    let ask = || async move {
        match identifiers {
            [one] => {
                let cluster = describe_cluster(clients, one).await?;
                Ok::<_, ProviderError>(cluster.map(|cluster| (one.clone(), cluster)).into_iter().collect())
            }
            _ => describe_clusters(clients).await,
        }
    };
    clients.cache_clusters.ask(&identifiers.join(" "), ask).await
}

/// What waits to be done to clusters.
fn modifications(clusters: &BTreeMap<String, CacheCluster>, targets: &[&Target]) -> Vec<Announcement> {
    let waiting = |target: &&Target| {
        let cluster = clusters.get(target.identity.as_str())?;
        let (attributes, _) = waiting_for(cluster.pending_modified_values());
        let (status, window) = (cluster.cache_cluster_status(), cluster.preferred_maintenance_window());
        announcement::waiting(target, status, window, attributes, &[])
    };
    targets.iter().filter_map(waiting).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticache::types::PendingModifiedValues;

    use super::super::super::announcement::tests::target;
    use super::*;

    #[test]
    fn what_waits_for_the_maintenance_window_is_announced() {
        let pending = PendingModifiedValues::builder().engine_version("7.1").cache_node_type("cache.t4g.small");
        let cluster =
            CacheCluster::builder().cache_cluster_status("available").pending_modified_values(pending.build());
        let clusters = BTreeMap::from([("social".to_owned(), cluster.build())]);
        let target = target("elasticache.cluster.cache", "social");
        let found = modifications(&clusters, &[&target]);
        let expected =
            [("engine_version".to_owned(), "7.1".into()), ("node_type".to_owned(), "cache.t4g.small".into())];
        assert_eq!(found[0].attributes, expected.into());
        let clusters = BTreeMap::from([("social".to_owned(), CacheCluster::builder().build())]);
        assert_eq!(modifications(&clusters, &[&target]), []);
    }
}
