//! `rds.subnet_group`: where instances may run.
//!
//! Its description has no tags: they are listed by its ARN.

use async_trait::async_trait;
use aws_sdk_rds::operation::create_db_subnet_group::builders::CreateDBSubnetGroupFluentBuilder;
use aws_sdk_rds::operation::modify_db_subnet_group::builders::ModifyDBSubnetGroupFluentBuilder;
use aws_sdk_rds::types::DbSubnetGroup as Group;

use super::{is_tagged, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::flat::flat;
use crate::provider::aws::handler::{
    Handler, Standing, TagSource, Told, adopt, by_identity, created, observation, observed, required_arn,
};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "rds:CreateDBSubnetGroup";
const DELETE: &str = "rds:DeleteDBSubnetGroup";
const DESCRIBE: &str = "rds:DescribeDBSubnetGroups";
const LIST_TAGS: &str = "rds:ListTagsForResource";
const MODIFY: &str = "rds:ModifyDBSubnetGroup";

/// The service under which the index of tags has this type.
const INDEXED_UNDER: &str = "rds";

flat! {
    creation: CreateDBSubnetGroupFluentBuilder;
    update: ModifyDBSubnetGroupFluentBuilder;
    shown: |group: &Group|;
    (name, needed_text, set_db_subnet_group_name, -, group.db_subnet_group_name()),
    (description, needed_text, set_db_subnet_group_description, =, group.db_subnet_group_description()),
    (subnets, needed_texts, set_subnet_ids, =, Some(subnets(group))),
    (arn, -, -, -, group.db_subnet_group_arn()),
}

pub struct SubnetGroup;

#[async_trait]
impl Handler for SubnetGroup {
    fn type_name(&self) -> &'static str {
        "rds.subnet_group"
    }

    /// Several come from the list of all, for there is no filter.
    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        if let [target] = targets {
            return vec![observation(self.observe(clients, target).await)];
        }
        let request = clients.rds().describe_db_subnet_groups();
        let all =
            request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.map_err(failed(DESCRIBE));
        by_identity(targets, all.map(|all| all.iter().map(report).collect()))
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        Ok(describe(clients, target.identity.as_str()).await?.as_ref().map(report))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, DESCRIBE).text("name")?;
        match describe(clients, name).await? {
            Some(group) if carries(clients, &group, &creation.tags).await? => Ok(vec![Identity::new(name)]),
            _ => Ok(Vec::new()),
        }
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let request = fill_creation(clients.rds().create_db_subnet_group(), &wanted)?;
        let request = request.set_tags(Some(super::listed(&creation.tags)));
        let answer = request.send().await.map_err(failed(CREATE));
        let answer = answer.and_then(|answer| answer.db_subnet_group.ok_or_else(|| unanswered(CREATE, "subnet group")));
        let look = || async {
            let Some(group) = describe(clients, name).await? else { return Ok(Standing::Leaving) };
            let is_ours = carries(clients, &group, &creation.tags).await?;
            Ok(Standing::of(is_ours.then_some(group)))
        };
        let group = adopt(creation, answer, look).await?;
        Ok(created(name, Report::new().set_if("arn", group.db_subnet_group_arn())))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let request = clients.rds().modify_db_subnet_group();
        let request = request.db_subnet_group_name(update.target.identity.as_str());
        let request = fill_update(request, &desired(update, MODIFY))?;
        request.send().await.map_err(failed(MODIFY))?;
        Ok(())
    }

    fn tag_source(&self) -> TagSource {
        TagSource::Index(INDEXED_UNDER)
    }

    async fn tags(&self, clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
        let tags = list_tags(clients, required_arn(observed, LIST_TAGS)?).await?;
        Ok(Told::of(tags.as_ref().map(|tags| super::present(tags))))
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let group = describe(clients, target.identity.as_str()).await?;
        tag(clients, target, group.and_then(|group| group.db_subnet_group_arn), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.rds().delete_db_subnet_group().db_subnet_group_name(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

async fn describe(clients: &Clients, name: &str) -> Result<Option<Group>, ProviderError> {
    let request = clients.rds().describe_db_subnet_groups().db_subnet_group_name(name);
    let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.db_subnet_groups).into_iter().flatten().next())
}

/// The tags of a group; `None` if it is gone.
async fn list_tags(clients: &Clients, arn: &str) -> Result<Option<Vec<aws_sdk_rds::types::Tag>>, ProviderError> {
    let request = clients.rds().list_tags_for_resource().resource_name(arn);
    let answer = request.send().await.map_err(failed(LIST_TAGS)).or_absent()?;
    Ok(answer.map(|answer| answer.tag_list.unwrap_or_default()))
}

/// Whether a group has all tags of a creation.
async fn carries(clients: &Clients, group: &Group, wanted: &Tags) -> Result<bool, ProviderError> {
    let arn = group.db_subnet_group_arn().ok_or_else(|| unanswered(DESCRIBE, "arn"))?;
    Ok(list_tags(clients, arn).await?.is_some_and(|present| is_tagged(wanted, &present)))
}

fn subnets(group: &Group) -> Vec<String> {
    group.subnets().iter().filter_map(|subnet| subnet.subnet_identifier()).map(str::to_owned).collect()
}

fn report(group: &Group) -> Observed {
    observed(group.db_subnet_group_name().unwrap_or_default(), show(group))
}
