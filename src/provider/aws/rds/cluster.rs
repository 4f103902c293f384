//! `rds.cluster`: an Aurora cluster, which holds the data.
//!
//! # Deleting
//!
//! Unless `skip_final_snapshot` says otherwise, AWS takes a last snapshot first. Its name ends with the time of the
//! call, so that a cluster of the same name can be made and deleted again. A second call while the cluster is being
//! deleted takes no second snapshot: AWS refuses it, and that counts as success.
//!
//! # Changing
//!
//! - Whoever writes another version means it, so major upgrades are always allowed.
//! - The scaling limits of Serverless v2 can be changed, but AWS has no way to take them away again.

use async_trait::async_trait;
use aws_sdk_rds::operation::create_db_cluster::builders::CreateDBClusterFluentBuilder;
use aws_sdk_rds::operation::modify_db_cluster::builders::ModifyDBClusterFluentBuilder;
use aws_sdk_rds::types::{
    CloudwatchLogsExportConfiguration, DbCluster, ServerlessV2ScalingConfiguration,
    ServerlessV2ScalingConfigurationInfo,
};

use super::{DELETING, FILTER_VALUES, filter, is_tagged, maintenance, present, security_groups, tag};
use crate::address::Identity;
use crate::provider::aws::announcement;
use crate::provider::aws::attributes::{Attributes, Report, changed, desired, recorded, wanted};
use crate::provider::aws::error::{OrAbsent, failed, not_yet, unanswered};
use crate::provider::aws::flat::flat;
use crate::provider::aws::handler::{Handler, Standing, adopt, by_identity, created, identities, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::aws::wave::try_wave;
use crate::provider::{
    Announced, Announcement, Created, Creation, Deletion, ErrorKind, Observation, Observed, ProviderError, Target,
    Update,
};

const CREATE: &str = "rds:CreateDBCluster";
const DELETE: &str = "rds:DeleteDBCluster";
const DESCRIBE: &str = "rds:DescribeDBClusters";
const MODIFY: &str = "rds:ModifyDBCluster";

/// The longest name of a snapshot.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBCluster.html>
const SNAPSHOT_NAME: usize = 255;
/// What AWS answers while it makes the role that RDS works with, and to many a mistake.
const NO_ROLE: &str = "InvalidParameterValue";

// AWS is known to forget some of what it was told, `database_name` for one: what is missing is not shown.
flat! {
    creation: CreateDBClusterFluentBuilder;
    update: ModifyDBClusterFluentBuilder;
    shown: |cluster: &DbCluster|;
    (identifier, needed_text, set_db_cluster_identifier, -, cluster.db_cluster_identifier()),
    (engine, needed_text, set_engine, -, cluster.engine()),
    (engine_version, needed_text, set_engine_version, =, cluster.engine_version()),
    (database_name, text, set_database_name, -, cluster.database_name()),
    (master_username, needed_text, set_master_username, -, cluster.master_username()),
    (master_password, secret, set_master_user_password, =, -),
    (port, integer, set_port, =, cluster.port()),
    (serverless_v2, scaling, set_serverless_v2_scaling_configuration, =,
        Some(cluster.serverless_v2_scaling_configuration().map(limits))),
    (security_groups, texts, set_vpc_security_group_ids, =, Some(security_groups(cluster.vpc_security_groups()))),
    (subnet_group, text, set_db_subnet_group_name, -, cluster.db_subnet_group()),
    (parameter_group, text, set_db_cluster_parameter_group_name, =, cluster.db_cluster_parameter_group()),
    (storage_encrypted, flag, set_storage_encrypted, -, cluster.storage_encrypted()),
    (kms_key_id, text, set_kms_key_id, -, cluster.kms_key_id()),
    (backup_retention_days, integer, set_backup_retention_period, =, cluster.backup_retention_period()),
    (preferred_backup_window, text, set_preferred_backup_window, =, cluster.preferred_backup_window()),
    (preferred_maintenance_window, text, set_preferred_maintenance_window, =, cluster.preferred_maintenance_window()),
    (log_exports, texts, set_enable_cloudwatch_logs_exports, *,
        Some(cluster.enabled_cloudwatch_logs_exports().to_vec())),
    (copy_tags_to_snapshot, flag, set_copy_tags_to_snapshot, =, cluster.copy_tags_to_snapshot()),
    (deletion_protection, flag, set_deletion_protection, =, cluster.deletion_protection()),
    (engine_lifecycle_support, text, set_engine_lifecycle_support, =, cluster.engine_lifecycle_support()),
    (arn, -, -, -, cluster.db_cluster_arn()),
    (endpoint, -, -, -, cluster.endpoint()),
    (reader_endpoint, -, -, -, cluster.reader_endpoint()),
    (resource_id, -, -, -, cluster.db_cluster_resource_id()),
    (status, -, -, -, cluster.status()),
}

pub struct Cluster;

#[async_trait]
impl Handler for Cluster {
    fn type_name(&self) -> &'static str {
        "rds.cluster"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let clusters = describe_all(clients, &identities(targets)).await;
        by_identity(targets, clusters.map(|clusters| clusters.iter().map(report).collect()))
    }

    async fn announced(&self, clients: &Clients, targets: &[&Target]) -> Announced {
        let names = identities(targets);
        let (clusters, maintenance) =
            tokio::join!(describe_all(clients, &names), maintenance(clients, filter("db-cluster-id", &names), targets));
        let mut announced = Announced::default();
        announced.add(clusters.map(|clusters| modifications(&clusters, targets)));
        announced.add(maintenance);
        announced
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let identifier = wanted(creation, DESCRIBE).text("identifier")?;
        let cluster = describe_one(clients, identifier).await?;
        let own = cluster
            .filter(|cluster| is_tagged(&creation.tags, cluster.tag_list()) && cluster.status() != Some(DELETING));
        Ok(own.map(|_| Identity::new(identifier)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let identifier = wanted.text("identifier")?;
        let request = fill_creation(clients.rds().create_db_cluster(), &wanted)?;
        let request = request.set_tags(Some(super::listed(&creation.tags)));
        let answer = request.send().await.map_err(failed(CREATE));
        let answer = answer.and_then(|answer| answer.db_cluster.ok_or_else(|| unanswered(CREATE, "cluster")));
        let look = || async {
            let found = describe_one(clients, identifier).await?;
            let Some(cluster) = found.filter(|found| found.status() != Some(DELETING)) else {
                return Ok(Standing::Leaving);
            };
            let is_ours = is_tagged(&creation.tags, cluster.tag_list());
            Ok(Standing::of(is_ours.then_some(cluster)))
        };
        let cluster = match adopt(creation, answer, look).await {
            Err(error) if error.code.as_deref() == Some(NO_ROLE) && is_first(clients).await? => {
                return Err(not_yet(error));
            }
            cluster => cluster?,
        };
        let report = Report::new()
            .set_if("arn", cluster.db_cluster_arn())
            .set_if("endpoint", cluster.endpoint())
            .set_if("reader_endpoint", cluster.reader_endpoint())
            .set_if("resource_id", cluster.db_cluster_resource_id());
        Ok(created(identifier, report))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let changed = changed(update);
        let changed = Attributes::new(&changed, MODIFY);
        let log_exports = match update.changed("log_exports") {
            Some(_) => {
                let found = describe_one(clients, update.target.identity.as_str()).await?;
                exports(&changed.texts("log_exports")?, found.as_ref().map(DbCluster::enabled_cloudwatch_logs_exports))
            }
            None => None,
        };
        let nothing = clients.rds().modify_db_cluster().db_cluster_identifier(update.target.identity.as_str());
        let request = fill_update(nothing.clone(), &changed)?
            .set_allow_major_version_upgrade(changed.optional_text("engine_version")?.map(|_| true))
            .set_cloudwatch_logs_export_configuration(log_exports);
        // AWS refuses a modification that modifies nothing.
        if request.as_input() == nothing.as_input() {
            return Ok(());
        }
        let request = request.apply_immediately(desired(update, MODIFY).flag("apply_immediately")?);
        request.send().await.map_err(failed(MODIFY))?;
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let found = describe_one(clients, target.identity.as_str()).await?;
        tag(clients, target, found.and_then(|cluster| cluster.db_cluster_arn), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let recorded = recorded(target, DELETE);
        let identifier = target.identity.as_str();
        let request = clients.rds().delete_db_cluster().db_cluster_identifier(identifier);
        let request = if recorded.flag("skip_final_snapshot")? {
            request.skip_final_snapshot(true)
        } else {
            let prefix = recorded.optional_text("final_snapshot_prefix")?.unwrap_or(identifier);
            let name = snapshot_name(prefix, jiff::Timestamp::now());
            request.skip_final_snapshot(false).final_db_snapshot_identifier(name)
        };
        match request.send().await.map_err(failed(DELETE)) {
            // A repeated call whose first answer was lost: the cluster or the name of the snapshot is taken by itself.
            Err(error) if matches!(error.kind, ErrorKind::NotYet | ErrorKind::Conflict) => {
                match describe_one(clients, identifier).await? {
                    Some(cluster) if cluster.status() != Some(DELETING) => Err(error),
                    _ => Ok(Deletion::Accepted),
                }
            }
            answer => answer.or_absent().map(|_| Deletion::Accepted),
        }
    }
}

/// The limits of Serverless v2, if any are given.
fn scaling(attributes: &Attributes<'_>) -> Result<Option<ServerlessV2ScalingConfiguration>, ProviderError> {
    let limits = attributes.table("serverless_v2")?;
    if !limits.is_present() {
        return Ok(None);
    }
    let scaling = ServerlessV2ScalingConfiguration::builder()
        .set_min_capacity(limits.optional_number("min")?)
        .set_max_capacity(limits.optional_number("max")?);
    Ok(Some(scaling.build()))
}

/// The name of a last snapshot: letters, digits and single hyphens, the first one a letter, the last one no hyphen.
fn snapshot_name(prefix: &str, now: jiff::Timestamp) -> String {
    let time = now.strftime("%Y%m%d-%H%M%S").to_string();
    let words: Vec<&str> = prefix.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-");
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        name.insert_str(0, if name.is_empty() { "final" } else { "final-" });
    }
    name.truncate(SNAPSHOT_NAME - 1 - time.len());
    format!("{}-{time}", name.trim_end_matches('-'))
}

/// Reads clusters through a filter: a filter passes over names that do not exist, where a name itself would fail.
/// Who wants the same at the same time gets the same answer: a look at what is there, and one at what AWS has announced.
async fn describe_all(clients: &Clients, names: &[String]) -> Result<Vec<DbCluster>, ProviderError> {
    let ask = || async move {
        let batches = names.chunks(FILTER_VALUES).map(|names| describe(clients, names)).collect();
        Ok::<_, ProviderError>(try_wave(batches).await?.into_iter().flatten().collect())
    };
    clients.db_clusters.ask(&names.join(" "), ask).await
}

async fn describe(clients: &Clients, names: &[String]) -> Result<Vec<DbCluster>, ProviderError> {
    let request = clients.rds().describe_db_clusters().filters(filter("db-cluster-id", names));
    request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(DESCRIBE))
}

async fn describe_one(clients: &Clients, identifier: &str) -> Result<Option<DbCluster>, ProviderError> {
    let request = clients.rds().describe_db_clusters().db_cluster_identifier(identifier);
    let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.db_clusters).into_iter().flatten().next())
}

/// What to say of logs: which are exported from now on, and which no longer are. `None`: nothing changes.
fn exports(wanted: &[String], shown: Option<&[String]>) -> Option<CloudwatchLogsExportConfiguration> {
    let shown = shown.unwrap_or_default();
    let without = |some: &[String], others: &[String]| -> Vec<String> {
        some.iter().filter(|name| !others.contains(name)).cloned().collect()
    };
    let (more, less) = (without(wanted, shown), without(shown, wanted));
    let some = |names: Vec<String>| (!names.is_empty()).then_some(names);
    let configuration = CloudwatchLogsExportConfiguration::builder()
        .set_enable_log_types(some(more.clone()))
        .set_disable_log_types(some(less.clone()));
    (!more.is_empty() || !less.is_empty()).then(|| configuration.build())
}

/// The limits of Serverless v2, as AWS shows them.
fn limits(scaling: &ServerlessV2ScalingConfigurationInfo) -> Report {
    Report::new().set("min", scaling.min_capacity()).set("max", scaling.max_capacity())
}

fn report(cluster: &DbCluster) -> Observed {
    let identifier = cluster.db_cluster_identifier().unwrap_or_default();
    tagged(observed(identifier, show(cluster)), present(cluster.tag_list()))
}

/// What waits to be done to clusters.
fn modifications(clusters: &[DbCluster], targets: &[&Target]) -> Vec<Announcement> {
    let mut announcements = Vec::new();
    for cluster in clusters {
        let target = targets.iter().find(|target| cluster.db_cluster_identifier() == Some(target.identity.as_str()));
        let (Some(target), Some(pending)) = (target, cluster.pending_modified_values()) else { continue };
        let attributes = Report::new()
            .set_if("engine_version", pending.engine_version())
            .set_if("backup_retention_days", pending.backup_retention_period());
        let others = [
            ("the master password", pending.master_user_password().is_some()),
            ("the name", pending.db_cluster_identifier().is_some()),
            ("the logs", pending.pending_cloudwatch_logs_exports().is_some()),
            ("the kind of storage", pending.storage_type().is_some()),
            ("the certificate", pending.certificate_details().is_some()),
            ("the use of IAM", pending.iam_database_authentication_enabled().is_some()),
        ];
        let window = cluster.preferred_maintenance_window();
        announcements.extend(announcement::waiting(target, cluster.status(), window, attributes, &others));
    }
    announcements
}

/// Whether the account has no cluster in the region: then RDS may still be making its role.
async fn is_first(clients: &Clients) -> Result<bool, ProviderError> {
    let answer = clients.rds().describe_db_clusters().send().await.map_err(failed(DESCRIBE))?;
    Ok(answer.db_clusters().is_empty())
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::ClusterPendingModifiedValues;

    use super::super::super::announcement::tests::target;
    use super::*;

    #[test]
    fn of_logs_only_what_changes_is_said() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let said = |wanted: &[&str], shown: &[&str]| {
            let found = exports(&list(wanted), Some(&list(shown)))?;
            Some((found.enable_log_types().to_vec(), found.disable_log_types().to_vec()))
        };
        assert_eq!(said(&["postgresql"], &[]), Some((list(&["postgresql"]), list(&[]))));
        assert_eq!(said(&[], &["postgresql"]), Some((list(&[]), list(&["postgresql"]))));
        assert_eq!(said(&["a", "b"], &["b", "c"]), Some((list(&["a"]), list(&["c"]))));
        assert_eq!(said(&["a"], &["a"]), None);
    }

    #[test]
    fn what_waits_for_the_maintenance_window_is_announced() {
        let cluster = |pending: Option<ClusterPendingModifiedValues>| {
            DbCluster::builder()
                .db_cluster_identifier("social")
                .status("available")
                .preferred_maintenance_window("sun:03:00-sun:04:00")
                .set_pending_modified_values(pending)
                .build()
        };
        let target = target("rds.cluster.database", "social");
        let pending = ClusterPendingModifiedValues::builder().engine_version("17.10").master_user_password("****");
        let found = modifications(&[cluster(Some(pending.build()))], &[&target]);
        assert_eq!(
            found,
            [Announcement {
                address: target.address.clone(),
                what: "a modification of the master password waits".to_owned(),
                when: Some("in the maintenance window, sun:03:00-sun:04:00".to_owned()),
                attributes: [("engine_version".to_owned(), "17.10".into())].into(),
            }]
        );
        let empty = ClusterPendingModifiedValues::builder().build();
        assert_eq!(modifications(&[cluster(Some(empty)), cluster(None)], &[&target]), []);
    }

    #[test]
    fn names_of_snapshots_follow_the_rules_of_aws() {
        let now: jiff::Timestamp = "2026-11-22T14:04:13.9Z".parse().unwrap();
        assert_eq!(snapshot_name("social-database-final", now), "social-database-final-20261122-140413");
        assert_eq!(snapshot_name("-so__cial.é-", now), "so-cial-20261122-140413");
        assert_eq!(snapshot_name("1st", now), "final-1st-20261122-140413");
        assert_eq!(snapshot_name("--", now), "final-20261122-140413");
        let long = snapshot_name(&format!("{}-b", "a".repeat(238)), now);
        assert_eq!(long, format!("{}-20261122-140413", "a".repeat(238)));
        assert_eq!(snapshot_name(&"a".repeat(300), now).len(), SNAPSHOT_NAME);
    }
}
