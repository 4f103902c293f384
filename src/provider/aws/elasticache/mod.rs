//! ElastiCache: Redis and Valkey.
//!
//! What AWS does here that shapes the handlers:
//!
//! - Descriptions have no tags, and tags cannot be listed until a resource is available. Until then nobody can tell
//!   whose it is: `find`, and a creation that meets its own name, answer "not yet". An observation then shows nothing
//!   but the status, and passes for the owner's: an apply that was interrupted finds its own group in creation, and
//!   must not take it for a stranger. The limit of this: a state that was made to name somebody else's group passes,
//!   too, while that group is being made. Nothing of it is shown, and nothing happens to it: AWS refuses to change or
//!   delete it until it is available, and a change or deletion looks at the tags once more before it is made.
//! - A name stays taken while what it names is being deleted; such a resource is never adopted.
//! - A modification that would change nothing is refused as a wrong request. So an update, which may be a repetition,
//!   reads first and sends only what differs.
//! - There is no filter: a description takes one name, or none and then tells of everything. So one resource is
//!   described by its name, and several together, whatever else there is.

pub mod cluster;
pub mod parameter_group;
pub mod replication_group;
pub mod subnet_group;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticache::operation::describe_update_actions::builders::DescribeUpdateActionsFluentBuilder;
use aws_sdk_elasticache::types::{CacheCluster, Endpoint, PendingModifiedValues, UpdateAction, UpdateActionStatus};

use super::announcement;
use super::attributes::{Report, changed};
use super::error::{OrAbsent, failed, missing, not_yet, unanswered};
use super::handler::{Told, observed, required_arn};
use super::limits::class;
use super::service::{Second, Service};
use super::session::Clients;
use super::tags::{self, Tags, tag_list};
use crate::provider::ownership::{Care, judge};
use crate::provider::{Announcement, ErrorKind, Observed, Owner, ProviderError, Target, Update};
use crate::value::{Known, Tree, Value};

/// The service.
pub static SERVICE: Service = Service {
    id: "ElastiCache",
    prefix: "elasticache",
    limits: &[class(&["Describe", "List"], 20.0, 8.0), class(&[""], 10.0, 2.0)],
    makes: &[
        ("CreateCacheCluster", Second::SameName),
        ("CreateCacheParameterGroup", Second::SameName),
        ("CreateCacheSubnetGroup", Second::SameName),
        ("CreateReplicationGroup", Second::SameName),
    ],
    errors: &[
        // The first cache of an account makes the role that ElastiCache works with.
        ("Create*", "ServiceLinkedRoleNotFoundFault", ErrorKind::NotYet),
        // No waiting takes a node out of the subnet that it runs in.
        ("ModifyCacheSubnetGroup", "SubnetInUse", ErrorKind::Invalid),
        ("*", "*Quota*Exceeded", ErrorKind::Quota),
    ],
    handlers: &[
        &cluster::Cluster,
        &parameter_group::ParameterGroup,
        &replication_group::ReplicationGroup,
        &subnet_group::SubnetGroup,
    ],
    ..Service::OTHER
};

tag_list!(aws_sdk_elasticache::types::Tag);

const DESCRIBE_CLUSTERS: &str = "elasticache:DescribeCacheClusters";
const ADD_TAGS: &str = "elasticache:AddTagsToResource";
const LIST_TAGS: &str = "elasticache:ListTagsForResource";

const UPDATES: &str = "elasticache:DescribeUpdateActions";

/// What an update that is not done yet may be.
const UNDONE: &[UpdateActionStatus] = &[
    UpdateActionStatus::NotApplied,
    UpdateActionStatus::WaitingToStart,
    UpdateActionStatus::InProgress,
    UpdateActionStatus::Scheduling,
    UpdateActionStatus::Scheduled,
];

const CREATING: &str = "creating";
const DELETING: &str = "deleting";

/// The service under which the index of tags has all types of this one.
const INDEXED_UNDER: &str = "elasticache";

/// The tags of a resource, known to exist; an error of kind "not yet" while AWS keeps them to itself.
async fn list_tags(clients: &Clients, arn: &str) -> Result<Tags, ProviderError> {
    let request = clients.elasticache().list_tags_for_resource().resource_name(arn);
    match request.send().await.map_err(failed(LIST_TAGS)) {
        Ok(answer) => Ok(tags::collected(answer.tag_list().iter().filter_map(|tag| tag.key().zip(tag.value())))),
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::NotYet) => {
            let message = format!("{arn} is not available, and until it is AWS does not tell its tags");
            Err(ProviderError { message, ..not_yet(error) })
        }
        Err(error) => Err(error),
    }
}

/// Whether a resource, known to exist, has all tags of a creation.
async fn is_tagged(clients: &Clients, arn: Option<&str>, wanted: &Tags) -> Result<bool, ProviderError> {
    let present = list_tags(clients, arn.ok_or_else(|| unanswered(LIST_TAGS, "arn"))?).await?;
    Ok(tags::has_all(wanted, tags::pairs(&present)))
}

/// The tags of what was just read. While it is being made or deleted AWS does not tell them, and nothing but its status
/// is shown.
async fn told(clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
    let status = observed.attributes.get("status").and_then(Tree::as_text);
    match list_tags(clients, required_arn(observed, LIST_TAGS)?).await {
        Ok(tags) => Ok(Told::Tags(tags)),
        Err(error) if error.kind == ErrorKind::NotYet && matches!(status, Some(CREATING | DELETING)) => {
            Ok(Told::Nothing { shown: Report::new().set("status", status).value() })
        }
        Err(error) => Err(error),
    }
}

/// Refuses to change or delete what turns out to be somebody else's, now that AWS tells its tags; an error of kind "not
/// yet" while AWS does not.
async fn still_ours(clients: &Clients, target: &Target, arn: Option<&str>) -> Result<(), ProviderError> {
    let Some(owner) = &target.owner else { return Ok(()) };
    let tags = list_tags(clients, arn.ok_or_else(|| unanswered(LIST_TAGS, "arn"))?).await?;
    // Whether it may still lack the lineage has been decided when it was observed.
    let owner = Owner { accepts_unmarked: true, ..(**owner).clone() };
    let observed = Observed { tags: Some(tags), ..observed(target.identity.as_str(), Report::new()) };
    match judge(&owner, &target.address, None, &observed, None) {
        Care::Ours | Care::Unmarked => Ok(()),
        Care::Foreign(holder) => {
            let message = format!("{} is not this instance's: it {}", target.identity.as_str(), holder.words(&owner));
            Err(ProviderError::new(ErrorKind::Invalid, LIST_TAGS, message))
        }
    }
}

/// Puts tags on anything of this service, by its ARN, which a description of it has just told.
async fn tag(clients: &Clients, target: &Target, arn: Option<String>, tags: &Tags) -> Result<(), ProviderError> {
    let arn = arn.ok_or_else(|| missing(ADD_TAGS, "resource", target.identity.as_str()))?;
    let request = clients.elasticache().add_tags_to_resource().resource_name(arn);
    request.set_tags(Some(listed(tags))).send().await.map_err(failed(ADD_TAGS))?;
    Ok(())
}

/// A cluster with its nodes: one of ours, or a member of a replication group.
async fn describe_cluster(clients: &Clients, identifier: &str) -> Result<Option<CacheCluster>, ProviderError> {
    let request =
        clients.elasticache().describe_cache_clusters().cache_cluster_id(identifier).show_cache_node_info(true);
    let answer = request.send().await.map_err(failed(DESCRIBE_CLUSTERS)).or_absent()?;
    Ok(answer.and_then(|answer| answer.cache_clusters).into_iter().flatten().next())
}

/// All clusters with their nodes, by name.
async fn describe_clusters(clients: &Clients) -> Result<BTreeMap<String, CacheCluster>, ProviderError> {
    let request = clients.elasticache().describe_cache_clusters().show_cache_node_info(true);
    let clusters: Vec<_> =
        request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(DESCRIBE_CLUSTERS))?;
    let named = |cluster: CacheCluster| Some((cluster.cache_cluster_id()?.to_owned(), cluster));
    Ok(clusters.into_iter().filter_map(named).collect())
}

/// The settings that nodes have.
fn parameter_group(cluster: &CacheCluster) -> Option<&str> {
    cluster.cache_parameter_group()?.cache_parameter_group_name()
}

/// Where the nodes listen.
fn endpoint(cluster: &CacheCluster) -> Option<&Endpoint> {
    cluster.cache_nodes().first()?.endpoint()
}

/// The groups that nodes have or are getting, but not those they are losing.
fn security_groups(cluster: &CacheCluster) -> Vec<String> {
    let staying = cluster.security_groups().iter().filter(|membership| membership.status() != Some("removing"));
    staying.filter_map(|membership| membership.security_group_id()).map(str::to_owned).collect()
}

/// Only what changes and is not shown yet.
fn patch(update: &Update, shown: &Value) -> Known {
    let mut patch = changed(update);
    if let Known::Map(entries) = &mut patch {
        entries.retain(|name, wanted| wanted.plain().is_none_or(|wanted| !same(name, &wanted, shown.get(name))));
    }
    patch
}

/// Whether AWS shows what is wanted. Versions are shown longer than they are wanted, lists in any order.
fn same(name: &str, wanted: &Value, shown: Option<&Value>) -> bool {
    let texts = |value: &Value| -> Option<BTreeSet<String>> {
        value.as_list()?.iter().map(|item| item.as_text().map(str::to_owned)).collect()
    };
    match (wanted, shown) {
        (Value::Text(wanted), Some(Value::Text(shown))) => match name {
            "engine_version" => {
                shown.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
            "maintenance_window" => shown.eq_ignore_ascii_case(wanted),
            _ => shown == wanted,
        },
        (Value::List(_), Some(shown)) => texts(wanted) == texts(shown),
        (wanted, Some(shown)) => wanted == shown,
        (_, None) => false,
    }
}

/// Service updates that groups or clusters have not had yet.
async fn updates(
    request: DescribeUpdateActionsFluentBuilder,
    targets: &[&Target],
) -> Result<Vec<Announcement>, ProviderError> {
    let request = UNDONE.iter().fold(request, |request, status| request.update_action_status(status.clone()));
    let pages = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
    Ok(due(&pages.await.map_err(failed(UPDATES))?, targets))
}

/// Which updates are to be made to which target, and until when AWS recommends that.
fn due(updates: &[UpdateAction], targets: &[&Target]) -> Vec<Announcement> {
    let mut announcements = Vec::new();
    for update in updates {
        let name = update.replication_group_id().or(update.cache_cluster_id());
        let Some(target) = targets.iter().find(|target| name == Some(target.identity.as_str())) else { continue };
        let severity = update.service_update_severity().map(|severity| format!(", {}", severity.as_str()));
        let name = update.service_update_name().unwrap_or_default();
        let what = format!("service update {name}{}", severity.unwrap_or_default());
        let date = update.service_update_recommended_apply_by_date();
        let when = date.map(|date| format!("recommended until {}", announcement::moment(date)));
        announcements.push(announcement::maintenance(target, what, when));
    }
    announcements
}

/// What waits to be done to the nodes of a cluster.
fn waiting_for(pending: Option<&PendingModifiedValues>) -> (Report, bool) {
    let Some(pending) = pending else { return Default::default() };
    let report =
        Report::new().set_if("engine_version", pending.engine_version()).set_if("node_type", pending.cache_node_type());
    (report, pending.auth_token_status().is_some())
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticache::types::ServiceUpdateSeverity;
    use aws_smithy_types::DateTime;
    use serde_json::json;

    use super::super::announcement::tests::target;
    use super::*;

    #[test]
    fn service_updates_are_announced_for_whom_they_are() {
        let group = target("elasticache.replication_group.cache", "social");
        let cluster = target("elasticache.cluster.cache", "social");
        let update = || {
            UpdateAction::builder()
                .service_update_name("elasticache-20261101")
                .service_update_severity(ServiceUpdateSeverity::Important)
        };
        let dated = update().service_update_recommended_apply_by_date(DateTime::from_secs(1_796_094_000));
        let found = due(&[dated.replication_group_id("social").build()], &[&group]);
        assert_eq!(found[0].what, "service update elasticache-20261101, important");
        assert_eq!(found[0].when.as_deref(), Some("recommended until 2026-12-01T03:00:00Z"));
        assert_eq!(found[0].address, group.address);
        let found = due(&[update().cache_cluster_id("social").build()], &[&cluster]);
        assert_eq!((&found[0].address, found[0].when.as_ref()), (&cluster.address, None));
        assert_eq!(due(&[update().cache_cluster_id("another").build()], &[&cluster]), []);
    }

    #[test]
    fn what_is_shown_already_is_not_sent() {
        let same = |name, wanted: serde_json::Value, shown: serde_json::Value| {
            same(name, &Value::from_json(&wanted), Some(&Value::from_json(&shown)))
        };
        assert!(same("engine_version", json!("8"), json!("8.0.1")));
        assert!(!same("engine_version", json!("8"), json!("80.1")));
        assert!(!same("engine_version", json!("8.1"), json!("8.0.1")));
        assert!(same("security_groups", json!(["sg-1", "sg-2"]), json!(["sg-2", "sg-1"])));
        assert!(!same("security_groups", json!(["sg-1"]), json!(["sg-2", "sg-1"])));
        assert!(same("maintenance_window", json!("Sun:04:00-Sun:05:00"), json!("sun:04:00-sun:05:00")));
        assert!(!same("description", json!("Cache"), json!("cache")));
        assert!(same("snapshot_retention_days", json!(3), json!(3)));
        assert!(!super::same("snapshot_retention_days", &Value::from(3), None));
    }
}
