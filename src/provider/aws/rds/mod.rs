//! RDS: Aurora clusters, their instances, their subnets, and snapshots.
//!
//! Clusters and instances are named by their owner, and their names stay taken while what they name is being deleted. So nothing that is
//! being deleted is ever adopted: a creation that meets it is told to try again.

pub mod cluster;
pub mod cluster_snapshot;
pub mod instance;
pub mod subnet_group;

use aws_sdk_rds::types::{Filter, PendingMaintenanceAction, ResourcePendingMaintenanceActions};
use aws_smithy_types::DateTime;

use super::announcement;
use super::error::{failed, missing};
use super::limits::class;
use super::service::{Second, Service};
use super::session::Clients;
use super::tags::{self, Tags, tag_list};
use crate::provider::{Announcement, ErrorKind, ProviderError, Target};

/// The service.
pub static SERVICE: Service = Service {
    id: "RDS",
    prefix: "rds",
    limits: &[class(&["Describe", "List"], 20.0, 8.0), class(&[""], 10.0, 2.0)],
    makes: &[
        ("CreateDBCluster", Second::SameName),
        ("CreateDBClusterSnapshot", Second::SameName),
        ("CreateDBInstance", Second::SameName),
        ("CreateDBSubnetGroup", Second::SameName),
    ],
    errors: &[
        ("CreateDB*", "DBSubnetGroupNotFoundFault", ErrorKind::NotYet),
        ("CreateDBInstance", "DBClusterNotFoundFault", ErrorKind::NotYet),
        // No waiting takes an instance out of the subnet that it runs in.
        ("ModifyDBSubnetGroup", "SubnetAlreadyInUse", ErrorKind::Invalid),
    ],
    handlers: &[&cluster::Cluster, &cluster_snapshot::ClusterSnapshot, &instance::Instance, &subnet_group::SubnetGroup],
    ..Service::OTHER
};

tag_list!(aws_sdk_rds::types::Tag);

/// How many values one filter is given. RDS does not say how many it takes.
const FILTER_VALUES: usize = 50;

const DELETING: &str = "deleting";

const ADD_TAGS: &str = "rds:AddTagsToResource";
const MAINTENANCE: &str = "rds:DescribePendingMaintenanceActions";

fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

/// Whether something has all tags of a creation.
fn is_tagged(wanted: &Tags, tags: &[aws_sdk_rds::types::Tag]) -> bool {
    tags::has_all(wanted, present(tags))
}

fn present(tags: &[aws_sdk_rds::types::Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| tag.key().zip(tag.value()))
}

/// Puts tags on anything of RDS, by its ARN, which a description of it has just told.
async fn tag(clients: &Clients, target: &Target, arn: Option<String>, tags: &Tags) -> Result<(), ProviderError> {
    let arn = arn.ok_or_else(|| missing(ADD_TAGS, "resource", target.identity.as_str()))?;
    let request = clients.rds().add_tags_to_resource().resource_name(arn).set_tags(Some(listed(tags)));
    request.send().await.map_err(failed(ADD_TAGS))?;
    Ok(())
}

/// The groups that something has or is getting, but not those it is losing.
fn security_groups(memberships: &[aws_sdk_rds::types::VpcSecurityGroupMembership]) -> Vec<String> {
    let staying = memberships.iter().filter(|membership| membership.status() != Some("removing"));
    staying.filter_map(|membership| membership.vpc_security_group_id()).map(str::to_owned).collect()
}

/// What RDS itself has in store for targets, which are clusters or instances: `filter` says which.
async fn maintenance(
    clients: &Clients,
    filter: Filter,
    targets: &[&Target],
) -> Result<Vec<Announcement>, ProviderError> {
    let request = clients.rds().describe_pending_maintenance_actions().filters(filter);
    let pages = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>();
    Ok(planned(&pages.await.map_err(failed(MAINTENANCE))?, targets))
}

/// What is planned for targets. It is told by ARN, and an ARN ends with the name.
fn planned(resources: &[ResourcePendingMaintenanceActions], targets: &[&Target]) -> Vec<Announcement> {
    let mut announcements = Vec::new();
    for resource in resources {
        let name = resource.resource_identifier().and_then(|arn| arn.rsplit(':').next()).unwrap_or_default();
        let Some(target) = targets.iter().find(|target| target.identity.as_str() == name) else { continue };
        for action in resource.pending_maintenance_action_details() {
            let what = [action.action(), action.description()].into_iter().flatten().collect::<Vec<_>>().join(": ");
            announcements.push(announcement::maintenance(target, what, due(action)));
        }
    }
    announcements
}

/// When it happens. Without any date it happens when somebody asks for it.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_PendingMaintenanceAction.html>
fn due(action: &PendingMaintenanceAction) -> Option<String> {
    let at = |words: &str, date: Option<&DateTime>| Some(format!("{words} {}", announcement::moment(date?)));
    at("on", action.current_apply_date())
        .or_else(|| at("in the first maintenance window after", action.auto_applied_after_date()))
        .or_else(|| at("at the latest on", action.forced_apply_date()))
}

#[cfg(test)]
mod tests {
    use super::super::announcement::tests::target;
    use super::*;

    #[test]
    fn what_is_planned_is_told_with_the_time_at_which_it_happens() {
        let action = || PendingMaintenanceAction::builder().action("system-update").description("A new kernel");
        let date = DateTime::from_secs(1_796_094_000);
        let planned_for = |name: &str, action: PendingMaintenanceAction| {
            let resource = ResourcePendingMaintenanceActions::builder()
                .resource_identifier(format!("arn:aws:rds:eu-central-1:123456789012:cluster:{name}"))
                .pending_maintenance_action_details(action)
                .build();
            planned(&[resource], &[&target("rds.cluster.database", "social")])
        };
        let when = |action: PendingMaintenanceAction| planned_for("social", action).remove(0).when;
        assert_eq!(when(action().build()), None);
        assert_eq!(
            when(action().forced_apply_date(date).build()).as_deref(),
            Some("at the latest on 2026-12-01T03:00:00Z")
        );
        assert_eq!(
            when(action().forced_apply_date(date).auto_applied_after_date(date).build()).as_deref(),
            Some("in the first maintenance window after 2026-12-01T03:00:00Z")
        );
        let found = planned_for("social", action().forced_apply_date(date).current_apply_date(date).build());
        assert_eq!(found[0].when.as_deref(), Some("on 2026-12-01T03:00:00Z"));
        assert_eq!(found[0].what, "system-update: A new kernel");
        assert_eq!(found[0].address.to_string(), "rds.cluster.database");
        assert_eq!(planned_for("another", action().build()), []);
    }
}
