//! `rds.instance`: one instance of an Aurora cluster, which computes.
//!
//! Its data belongs to the cluster, so deleting it takes no snapshot. A cluster may lose its last instance.

use async_trait::async_trait;
use aws_sdk_rds::operation::create_db_instance::builders::CreateDBInstanceFluentBuilder;
use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder;
use aws_sdk_rds::types::DbInstance;

use super::{DELETING, FILTER_VALUES, filter, is_tagged, maintenance, present, tag};
use crate::address::Identity;
use crate::provider::aws::announcement;
use crate::provider::aws::attributes::{Attributes, Report, changed, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::flat::flat;
use crate::provider::aws::handler::{Handler, Standing, adopt, by_identity, created, identities, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::aws::wave::try_wave;
use crate::provider::{
    Announced, Announcement, Created, Creation, Deletion, ErrorKind, Observation, Observed, ProviderError, Target,
    Update,
};

const CREATE: &str = "rds:CreateDBInstance";
const DELETE: &str = "rds:DeleteDBInstance";
const DESCRIBE: &str = "rds:DescribeDBInstances";
const MODIFY: &str = "rds:ModifyDBInstance";

flat! {
    creation: CreateDBInstanceFluentBuilder;
    update: ModifyDBInstanceFluentBuilder;
    shown: |instance: &DbInstance|;
    (identifier, needed_text, set_db_instance_identifier, -, instance.db_instance_identifier()),
    (cluster_identifier, needed_text, set_db_cluster_identifier, -, instance.db_cluster_identifier()),
    (instance_class, needed_text, set_db_instance_class, =, instance.db_instance_class()),
    (engine, needed_text, set_engine, -, instance.engine()),
    (publicly_accessible, flag, set_publicly_accessible, =, instance.publicly_accessible()),
    (auto_minor_version_upgrade, flag, set_auto_minor_version_upgrade, =, instance.auto_minor_version_upgrade()),
    (promotion_tier, integer, set_promotion_tier, =, instance.promotion_tier()),
    (performance_insights, flag, set_enable_performance_insights, =, instance.performance_insights_enabled()),
    (preferred_maintenance_window, text, set_preferred_maintenance_window, =, instance.preferred_maintenance_window()),
    (arn, -, -, -, instance.db_instance_arn()),
    (endpoint, -, -, -, instance.endpoint().and_then(|endpoint| endpoint.address())),
    (status, -, -, -, instance.db_instance_status()),
}

pub struct Instance;

#[async_trait]
impl Handler for Instance {
    fn type_name(&self) -> &'static str {
        "rds.instance"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let instances = describe_all(clients, &identities(targets)).await;
        by_identity(targets, instances.map(|instances| instances.iter().map(report).collect()))
    }

    async fn announced(&self, clients: &Clients, targets: &[&Target]) -> Announced {
        let names = identities(targets);
        let (instances, maintenance) = tokio::join!(
            describe_all(clients, &names),
            maintenance(clients, filter("db-instance-id", &names), targets)
        );
        let mut announced = Announced::default();
        announced.add(instances.map(|instances| modifications(&instances, targets)));
        announced.add(maintenance);
        announced
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let identifier = wanted(creation, DESCRIBE).text("identifier")?;
        let instance = describe_one(clients, identifier).await?;
        let own = instance.filter(|instance| {
            is_tagged(&creation.tags, instance.tag_list()) && instance.db_instance_status() != Some(DELETING)
        });
        Ok(own.map(|_| Identity::new(identifier)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let identifier = wanted.text("identifier")?;
        let request = fill_creation(clients.rds().create_db_instance(), &wanted)?;
        let request = request.set_tags(Some(super::listed(&creation.tags)));
        let answer = request.send().await.map_err(failed(CREATE));
        let answer = answer.and_then(|answer| answer.db_instance.ok_or_else(|| unanswered(CREATE, "instance")));
        let look = || async {
            let found = describe_one(clients, identifier).await?;
            let Some(instance) = found.filter(|found| found.db_instance_status() != Some(DELETING)) else {
                return Ok(Standing::Leaving);
            };
            let is_ours = is_tagged(&creation.tags, instance.tag_list());
            Ok(Standing::of(is_ours.then_some(instance)))
        };
        let instance = adopt(creation, answer, look).await?;
        Ok(created(identifier, Report::new().set_if("arn", instance.db_instance_arn())))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let changed = changed(update);
        let nothing = clients.rds().modify_db_instance().db_instance_identifier(update.target.identity.as_str());
        let request = fill_update(nothing.clone(), &Attributes::new(&changed, MODIFY))?;
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
        tag(clients, target, found.and_then(|instance| instance.db_instance_arn), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let identifier = target.identity.as_str();
        let request = clients.rds().delete_db_instance().db_instance_identifier(identifier).skip_final_snapshot(true);
        match request.send().await.map_err(failed(DELETE)) {
            // It is busy, perhaps with an earlier call of the same.
            Err(error) if error.kind == ErrorKind::NotYet => match describe_one(clients, identifier).await? {
                Some(instance) if instance.db_instance_status() != Some(DELETING) => Err(error),
                _ => Ok(Deletion::Accepted),
            },
            answer => answer.or_absent().map(|_| Deletion::Accepted),
        }
    }
}

/// Reads instances through a filter: a filter passes over names that do not exist, where a name itself would fail.
/// Who wants the same at the same time gets the same answer: a look at what is there, and one at what AWS has announced.
async fn describe_all(clients: &Clients, names: &[String]) -> Result<Vec<DbInstance>, ProviderError> {
    let ask = || async move {
        let batches = names.chunks(FILTER_VALUES).map(|names| describe(clients, names)).collect();
        Ok::<_, ProviderError>(try_wave(batches).await?.into_iter().flatten().collect())
    };
    clients.db_instances.ask(&names.join(" "), ask).await
}

async fn describe(clients: &Clients, names: &[String]) -> Result<Vec<DbInstance>, ProviderError> {
    let request = clients.rds().describe_db_instances().filters(filter("db-instance-id", names));
    request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(DESCRIBE))
}

async fn describe_one(clients: &Clients, identifier: &str) -> Result<Option<DbInstance>, ProviderError> {
    let request = clients.rds().describe_db_instances().db_instance_identifier(identifier);
    let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.db_instances).into_iter().flatten().next())
}

fn report(instance: &DbInstance) -> Observed {
    let identifier = instance.db_instance_identifier().unwrap_or_default();
    tagged(observed(identifier, show(instance)), present(instance.tag_list()))
}

/// What waits to be done to instances.
fn modifications(instances: &[DbInstance], targets: &[&Target]) -> Vec<Announcement> {
    let mut announcements = Vec::new();
    for instance in instances {
        let target = targets.iter().find(|target| instance.db_instance_identifier() == Some(target.identity.as_str()));
        let (Some(target), Some(pending)) = (target, instance.pending_modified_values()) else { continue };
        let attributes = Report::new().set_if("instance_class", pending.db_instance_class());
        let others = [
            ("the name", pending.db_instance_identifier().is_some()),
            ("the version", pending.engine_version().is_some()),
            ("the port", pending.port().is_some()),
            ("the master password", pending.master_user_password().is_some()),
            ("the certificate", pending.ca_certificate_identifier().is_some()),
        ];
        let (status, window) = (instance.db_instance_status(), instance.preferred_maintenance_window());
        announcements.extend(announcement::waiting(target, status, window, attributes, &others));
    }
    announcements
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::PendingModifiedValues;

    use super::super::super::announcement::tests::target;
    use super::*;

    #[test]
    fn what_waits_for_the_maintenance_window_is_announced() {
        let instance = |pending: PendingModifiedValues| {
            DbInstance::builder()
                .db_instance_identifier("social-1")
                .db_instance_status("available")
                .preferred_maintenance_window("sun:03:00-sun:04:00")
                .pending_modified_values(pending)
                .build()
        };
        let target = target("rds.instance.database", "social-1");
        let pending = PendingModifiedValues::builder().db_instance_class("db.r8g.large");
        let pending = pending.ca_certificate_identifier("rds-ca-rsa2048-g1").build();
        let found = modifications(&[instance(pending)], &[&target]);
        assert_eq!(
            found,
            [Announcement {
                address: target.address.clone(),
                what: "a modification of the certificate waits".to_owned(),
                when: Some("in the maintenance window, sun:03:00-sun:04:00".to_owned()),
                attributes: [("instance_class".to_owned(), "db.r8g.large".into())].into(),
            }]
        );
        assert_eq!(modifications(&[instance(PendingModifiedValues::builder().build())], &[&target]), []);
    }
}
