//! `elasticache.replication_group`: Redis or Valkey with encryption, a token, and possibly replicas.
//!
//! AWS keeps half of a group's attributes only with its nodes, so the first of them is described beside the group. AWS
//! has named it after the group, so it is asked for at the same time; where the first one is another by now, that one is
//! asked for after the group.
//!
//! # The token
//!
//! A changed token is a call of its own, applied at once whatever `apply_immediately` says, with the strategy `ROTATE`:
//! the new token is accepted beside the one before it, so that what still runs with the old one keeps working until it
//! is started again. AWS's second step, `SET`, would shut the old token out, and must not be made before everybody has
//! the new one. The old token stays valid until the next change: to shut out one that leaked, change it twice. A token
//! cannot be taken away, since AWS does that only in exchange for user groups.
//!
//! Other changes go first. They keep a group busy for a while, in which AWS refuses the token: the update is then not
//! done yet, and its repetition sends only the token. AWS refuses the token that a group has already as a request
//! without modifications, which has the code of any wrong combination. With one token as the only wish and a group that
//! asks for tokens there is nothing else to combine, so this code counts as done.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_elasticache::operation::create_replication_group::builders::CreateReplicationGroupFluentBuilder;
use aws_sdk_elasticache::operation::modify_replication_group::builders::ModifyReplicationGroupFluentBuilder;
use aws_sdk_elasticache::types::{
    AuthTokenUpdateStrategyType, AutomaticFailoverStatus, CacheCluster, Endpoint, PendingAutomaticFailoverStatus,
    ReplicationGroup as Group,
};

use super::{
    DELETING, INDEXED_UNDER, describe_cluster, describe_clusters, endpoint, is_tagged, parameter_group, patch,
    security_groups, still_ours, tag, told, updates, waiting_for,
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

const CREATE: &str = "elasticache:CreateReplicationGroup";
const DECREASE: &str = "elasticache:DecreaseReplicaCount";
const DELETE: &str = "elasticache:DeleteReplicationGroup";
const DESCRIBE: &str = "elasticache:DescribeReplicationGroups";
const INCREASE: &str = "elasticache:IncreaseReplicaCount";
const MODIFY: &str = "elasticache:ModifyReplicationGroup";

const NOTHING_TO_MODIFY: &str = "InvalidParameterCombination";

// Half of it is told of the nodes alone: `member` is the first.
flat! {
    creation: CreateReplicationGroupFluentBuilder;
    update: ModifyReplicationGroupFluentBuilder;
    shown: |group: &Group, member: Option<&CacheCluster>|;
    (identifier, needed_text, set_replication_group_id, -, group.replication_group_id()),
    (description, needed_text, set_replication_group_description, =, group.description()),
    (engine, needed_text, set_engine, =, group.engine().or_else(|| member?.engine())),
    (engine_version, text, set_engine_version, *, member.and_then(CacheCluster::engine_version)),
    (node_type, needed_text, set_cache_node_type, =, group.cache_node_type()),
    // Without a number of any kind AWS takes the group for one around an existing cluster.
    (nodes, needed_integer, set_num_cache_clusters, *, Some(nodes(group)).filter(|number| *number > 0)),
    (automatic_failover, flag, set_automatic_failover_enabled, =, automatic_failover(group)),
    (parameter_group, text, set_cache_parameter_group_name, =, member.and_then(parameter_group)),
    (port, integer, set_port, -, port(group, member)),
    (security_groups, texts, set_security_group_ids, =, member.map(security_groups)),
    (subnet_group, text, set_cache_subnet_group_name, -, member.and_then(CacheCluster::cache_subnet_group_name)),
    // Valkey wants it stated.
    (transit_encryption, needed_flag, set_transit_encryption_enabled, -, group.transit_encryption_enabled()),
    (at_rest_encryption, flag, set_at_rest_encryption_enabled, -, group.at_rest_encryption_enabled()),
    (auth_token, secret, set_auth_token, *, -),
    (snapshot_retention_days, integer, set_snapshot_retention_limit, =, group.snapshot_retention_limit()),
    (auto_minor_version_upgrade, flag, set_auto_minor_version_upgrade, =, group.auto_minor_version_upgrade()),
    (maintenance_window, text, set_preferred_maintenance_window, =,
        member.and_then(CacheCluster::preferred_maintenance_window)),
    (arn, -, -, -, group.arn()),
    (primary_endpoint, -, -, -, primary(group).and_then(|endpoint| endpoint.address())),
    (reader_endpoint, -, -, -, reader(group).and_then(|endpoint| endpoint.address())),
    (status, -, -, -, group.status()),
}

pub struct ReplicationGroup;

#[async_trait]
impl Handler for ReplicationGroup {
    fn type_name(&self) -> &'static str {
        "elasticache.replication_group"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let report_all = |seen: Seen| {
            let first = |group: &Group| group.member_clusters().first().and_then(|member| seen.members.get(member));
            seen.groups.iter().map(|group| report(group, first(group))).collect()
        };
        by_identity(targets, look(clients, &identities(targets)).await.map(report_all))
    }

    async fn announced(&self, clients: &Clients, targets: &[&Target]) -> Announced {
        let names = identities(targets);
        let request = clients.elasticache().describe_update_actions().set_replication_group_ids(Some(names.clone()));
        let (seen, updates) = tokio::join!(look(clients, &names), updates(request, targets));
        let mut announced = Announced::default();
        announced.add(seen.map(|seen| modifications(&seen.groups, &seen.members, targets)));
        announced.add(updates);
        announced
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let identifier = wanted(creation, DESCRIBE).text("identifier")?;
        let group = describe(clients, identifier).await?;
        match group.filter(|group| group.status() != Some(DELETING)) {
            Some(group) if is_tagged(clients, group.arn(), &creation.tags).await? => {
                Ok(vec![Identity::new(identifier)])
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let identifier = wanted.text("identifier")?;
        let request = fill_creation(clients.elasticache().create_replication_group(), &wanted)?;
        let request = request.set_tags(Some(super::listed(&creation.tags)));
        let answer = request
            .send()
            .await
            .map_err(failed(CREATE))
            .and_then(|answer| answer.replication_group.ok_or_else(|| unanswered(CREATE, "replication group")));
        let look = || async {
            let Some(group) = describe(clients, identifier).await? else { return Ok(Standing::Leaving) };
            if group.status() == Some(DELETING) {
                return Ok(Standing::Leaving);
            }
            let is_ours = is_tagged(clients, group.arn(), &creation.tags).await?;
            Ok(Standing::of(is_ours.then_some(group)))
        };
        let group = adopt(creation, answer, look).await?;
        Ok(created(identifier, Report::new().set_if("arn", group.arn())))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let desired = desired(update, MODIFY);
        let identifier = update.target.identity.as_str();
        let token = match (update.changed("auth_token"), desired.secret("auth_token")?) {
            (None, _) => None,
            (Some(_), Some(token)) => Some(token),
            (Some(_), None) => {
                let complaint = "cannot be taken away: AWS does that only in exchange for user groups";
                return Err(desired.wrong("auth_token", complaint));
            }
        };
        let group = describe(clients, identifier).await?;
        if let Some(group) = &group {
            still_ours(clients, &update.target, group.arn()).await?;
        }
        let group = group.unwrap_or_else(|| Group::builder().build());
        let member = first_member(clients, &group).await?;
        let shown = report(&group, member.as_ref()).attributes;
        let patch = patch(update, &shown);
        let patch = Attributes::new(&patch, MODIFY);
        // Another engine needs to be told with its version.
        let engine_version = match patch.get("engine") {
            Some(_) => desired.owned_text("engine_version")?,
            None => patch.owned_text("engine_version")?,
        };
        let apply_now = desired.flag("apply_immediately")?;
        // A replica takes over only where there is one: those that come are there before it may, those that go afterwards.
        let (there, wanted) = (nodes(&group), patch.optional_integer("nodes")?);
        if let Some(replicas) = wanted.filter(|wanted| *wanted > there).map(|wanted| wanted - 1) {
            increase(clients, identifier, replicas).await?;
        }
        let nothing = clients.elasticache().modify_replication_group().replication_group_id(identifier);
        let request = fill_update(nothing.clone(), &patch)?.set_engine_version(engine_version);
        if request.as_input() != nothing.as_input() {
            request.apply_immediately(apply_now).send().await.map_err(failed(MODIFY))?;
        }
        if let Some(replicas) = wanted.filter(|wanted| *wanted < there).map(|wanted| wanted - 1) {
            decrease(clients, identifier, replicas).await?;
        }
        let Some(token) = token else { return Ok(()) };
        let request = nothing
            .auth_token(token)
            .auth_token_update_strategy(AuthTokenUpdateStrategyType::Rotate)
            .apply_immediately(true);
        match request.send().await.map_err(failed(MODIFY)) {
            Err(error)
                if error.code.as_deref() == Some(NOTHING_TO_MODIFY) && group.auth_token_enabled() == Some(true) =>
            {
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    fn tag_source(&self) -> TagSource {
        TagSource::Index(INDEXED_UNDER)
    }

    async fn tags(&self, clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
        told(clients, observed).await
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let found = describe(clients, target.identity.as_str()).await?;
        tag(clients, target, found.and_then(|group| group.arn), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let identifier = target.identity.as_str();
        match describe(clients, identifier).await? {
            Some(group) if group.status() != Some(DELETING) => still_ours(clients, target, group.arn()).await?,
            _ => return Ok(Deletion::Accepted),
        }
        let request = clients.elasticache().delete_replication_group().replication_group_id(identifier);
        match request.send().await.map_err(failed(DELETE)) {
            // It is busy, perhaps with an earlier call of the same.
            Err(error) if error.kind == ErrorKind::NotYet => match describe(clients, identifier).await? {
                Some(group) if group.status() != Some(DELETING) => Err(error),
                _ => Ok(Deletion::Accepted),
            },
            answer => answer.or_absent().map(|_| Deletion::Accepted),
        }
    }
}

/// Groups, and the clusters that are their members.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    groups: Vec<Group>,
    members: BTreeMap<String, CacheCluster>,
}

/// Reads groups with their first members at least. Who wants the same at the same time gets the same answer: a look at what
/// is there, and one at what AWS has announced.
async fn look(clients: &Clients, identifiers: &[String]) -> Result<Seen, ProviderError> {
    let ask = || async move {
        match identifiers {
            [one] => look_at(clients, one).await,
            _ => {
                let (groups, members) = tokio::try_join!(describe_all(clients), describe_clusters(clients))?;
                Ok::<_, ProviderError>(Seen { groups, members })
            }
        }
    };
    clients.replication_groups.ask(&identifiers.join(" "), ask).await
}

/// Reads one group, and beside it the member that it most likely has.
async fn look_at(clients: &Clients, identifier: &str) -> Result<Seen, ProviderError> {
    let likely = format!("{identifier}-001");
    let (group, guess) = tokio::join!(describe(clients, identifier), describe_cluster(clients, &likely));
    let Some(group) = group? else { return Ok(Seen::default()) };
    let member = match group.member_clusters().first() {
        Some(first) if *first == likely => guess?,
        _ => first_member(clients, &group).await?,
    };
    let members = member.into_iter().filter_map(|member| Some((member.cache_cluster_id()?.to_owned(), member)));
    Ok(Seen { members: members.collect(), groups: vec![group] })
}

async fn describe(clients: &Clients, identifier: &str) -> Result<Option<Group>, ProviderError> {
    let request = clients.elasticache().describe_replication_groups().replication_group_id(identifier);
    let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.replication_groups).into_iter().flatten().next())
}

async fn describe_all(clients: &Clients) -> Result<Vec<Group>, ProviderError> {
    let request = clients.elasticache().describe_replication_groups();
    request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(DESCRIBE))
}

/// How many nodes a group has.
fn nodes(group: &Group) -> i32 {
    i32::try_from(group.member_clusters().len()).unwrap_or(i32::MAX)
}

/// Adds replicas. AWS does that at once or not at all.
async fn increase(clients: &Clients, identifier: &str, replicas: i32) -> Result<(), ProviderError> {
    let request = clients.elasticache().increase_replica_count().replication_group_id(identifier);
    request.new_replica_count(replicas).apply_immediately(true).send().await.map_err(failed(INCREASE))?;
    Ok(())
}

/// Takes replicas away; AWS chooses which. It does that at once or not at all.
async fn decrease(clients: &Clients, identifier: &str, replicas: i32) -> Result<(), ProviderError> {
    let request = clients.elasticache().decrease_replica_count().replication_group_id(identifier);
    request.new_replica_count(replicas).apply_immediately(true).send().await.map_err(failed(DECREASE))?;
    Ok(())
}

/// The first node's cluster, if there is one yet.
async fn first_member(clients: &Clients, group: &Group) -> Result<Option<CacheCluster>, ProviderError> {
    match group.member_clusters().first() {
        Some(member) => describe_cluster(clients, member).await,
        None => Ok(None),
    }
}

/// Where the primary listens.
fn primary(group: &Group) -> Option<&Endpoint> {
    group.node_groups().first()?.primary_endpoint()
}

/// Where the replicas listen.
fn reader(group: &Group) -> Option<&Endpoint> {
    group.node_groups().first()?.reader_endpoint()
}

fn port(group: &Group, member: Option<&CacheCluster>) -> Option<i32> {
    let port = |found: Option<&Endpoint>| found.and_then(Endpoint::port);
    port(primary(group)).or_else(|| port(member.and_then(endpoint)))
}

fn automatic_failover(group: &Group) -> Option<bool> {
    match group.automatic_failover()? {
        AutomaticFailoverStatus::Enabled | AutomaticFailoverStatus::Enabling => Some(true),
        AutomaticFailoverStatus::Disabled | AutomaticFailoverStatus::Disabling => Some(false),
        _ => None,
    }
}

fn report(group: &Group, member: Option<&CacheCluster>) -> Observed {
    observed(group.replication_group_id().unwrap_or_default(), show(group, member))
}

/// What waits to be done to groups and to the first of their nodes.
fn modifications(
    groups: &[Group],
    clusters: &BTreeMap<String, CacheCluster>,
    targets: &[&Target],
) -> Vec<Announcement> {
    let mut announcements = Vec::new();
    for group in groups {
        let target = targets.iter().find(|target| group.replication_group_id() == Some(target.identity.as_str()));
        let Some(target) = target else { continue };
        let member = group.member_clusters().first().and_then(|member| clusters.get(member));
        let (attributes, token) = waiting_for(member.and_then(CacheCluster::pending_modified_values));
        let pending = group.pending_modified_values();
        let failover = pending.and_then(|pending| pending.automatic_failover_status());
        let attributes = attributes
            .set_if("automatic_failover", failover.map(|status| *status == PendingAutomaticFailoverStatus::Enabled))
            .set_if("transit_encryption", pending.and_then(|pending| pending.transit_encryption_enabled()));
        let others = [
            ("the token", token || pending.is_some_and(|pending| pending.auth_token_status().is_some())),
            ("the shards", pending.is_some_and(|pending| pending.resharding().is_some())),
            ("the primary node", pending.is_some_and(|pending| pending.primary_cluster_id().is_some())),
        ];
        let window = member.and_then(CacheCluster::preferred_maintenance_window);
        announcements.extend(announcement::waiting(target, group.status(), window, attributes, &others));
    }
    announcements
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticache::types::{
        AuthTokenUpdateStatus, PendingModifiedValues, ReplicationGroupPendingModifiedValues,
    };

    use super::super::super::announcement::tests::target;
    use super::*;

    #[test]
    fn what_waits_for_a_group_and_for_its_nodes_is_announced() {
        let pending = ReplicationGroupPendingModifiedValues::builder()
            .automatic_failover_status(PendingAutomaticFailoverStatus::Enabled)
            .auth_token_status(AuthTokenUpdateStatus::Rotating);
        let group =
            || Group::builder().replication_group_id("social").status("available").member_clusters("social-001");
        let member = CacheCluster::builder()
            .preferred_maintenance_window("sun:03:00-sun:04:00")
            .pending_modified_values(PendingModifiedValues::builder().cache_node_type("cache.t4g.small").build());
        let clusters = BTreeMap::from([("social-001".to_owned(), member.build())]);
        let target = target("elasticache.replication_group.cache", "social");
        let found = modifications(&[group().pending_modified_values(pending.build()).build()], &clusters, &[&target]);
        assert_eq!(
            found,
            [Announcement {
                address: target.address.clone(),
                what: "a modification of the token waits".to_owned(),
                when: Some("in the maintenance window, sun:03:00-sun:04:00".to_owned()),
                attributes: [
                    ("automatic_failover".to_owned(), true.into()),
                    ("node_type".to_owned(), "cache.t4g.small".into())
                ]
                .into(),
            }]
        );
        assert_eq!(modifications(&[group().build()], &BTreeMap::new(), &[&target]), []);
    }
}
