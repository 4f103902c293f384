//! `elasticache.subnet_group`: where nodes may run.

use async_trait::async_trait;
use aws_sdk_elasticache::operation::create_cache_subnet_group::builders::CreateCacheSubnetGroupFluentBuilder;
use aws_sdk_elasticache::operation::modify_cache_subnet_group::builders::ModifyCacheSubnetGroupFluentBuilder;
use aws_sdk_elasticache::types::CacheSubnetGroup as Group;

use super::{INDEXED_UNDER, is_tagged, still_ours, tag, told};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::flat::flat;
use crate::provider::aws::handler::{
    Handler, Standing, TagSource, Told, adopt, by_identity, created, observation, observed,
};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "elasticache:CreateCacheSubnetGroup";
const DELETE: &str = "elasticache:DeleteCacheSubnetGroup";
const DESCRIBE: &str = "elasticache:DescribeCacheSubnetGroups";
const MODIFY: &str = "elasticache:ModifyCacheSubnetGroup";

flat! {
    creation: CreateCacheSubnetGroupFluentBuilder;
    update: ModifyCacheSubnetGroupFluentBuilder;
    shown: |group: &Group|;
    (name, needed_text, set_cache_subnet_group_name, -, group.cache_subnet_group_name()),
    (description, needed_text, set_cache_subnet_group_description, =, group.cache_subnet_group_description()),
    (subnets, needed_texts, set_subnet_ids, =, Some(subnets(group))),
    (arn, -, -, -, group.arn()),
}

pub struct SubnetGroup;

#[async_trait]
impl Handler for SubnetGroup {
    fn type_name(&self) -> &'static str {
        "elasticache.subnet_group"
    }

    /// Several come from the list of all, for there is no filter.
    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        if let [target] = targets {
            return vec![observation(self.observe(clients, target).await)];
        }
        let request = clients.elasticache().describe_cache_subnet_groups();
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
            Some(group) if is_tagged(clients, group.arn(), &creation.tags).await? => Ok(vec![Identity::new(name)]),
            _ => Ok(Vec::new()),
        }
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let request = fill_creation(clients.elasticache().create_cache_subnet_group(), &wanted)?;
        let request = request.set_tags(Some(super::listed(&creation.tags)));
        let answer = request.send().await.map_err(failed(CREATE));
        let answer =
            answer.and_then(|answer| answer.cache_subnet_group.ok_or_else(|| unanswered(CREATE, "subnet group")));
        let look = || async {
            let Some(group) = describe(clients, name).await? else { return Ok(Standing::Leaving) };
            let is_ours = is_tagged(clients, group.arn(), &creation.tags).await?;
            Ok(Standing::of(is_ours.then_some(group)))
        };
        let group = adopt(creation, answer, look).await?;
        Ok(created(name, Report::new().set_if("arn", group.arn())))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let name = update.target.identity.as_str();
        if let Some(group) = describe(clients, name).await? {
            still_ours(clients, &update.target, group.arn()).await?;
        }
        let request = clients.elasticache().modify_cache_subnet_group().cache_subnet_group_name(name);
        let request = fill_update(request, &desired(update, MODIFY))?;
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
        let group = describe(clients, target.identity.as_str()).await?;
        tag(clients, target, group.and_then(|group| group.arn), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let name = target.identity.as_str();
        let request = clients.elasticache().delete_cache_subnet_group().cache_subnet_group_name(name);
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

async fn describe(clients: &Clients, name: &str) -> Result<Option<Group>, ProviderError> {
    let request = clients.elasticache().describe_cache_subnet_groups().cache_subnet_group_name(name);
    let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.cache_subnet_groups).into_iter().flatten().next())
}

fn subnets(group: &Group) -> Vec<String> {
    group.subnets().iter().filter_map(|subnet| subnet.subnet_identifier()).map(str::to_owned).collect()
}

fn report(group: &Group) -> Observed {
    observed(group.cache_subnet_group_name().unwrap_or_default(), show(group))
}
