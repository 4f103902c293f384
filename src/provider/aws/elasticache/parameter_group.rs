//! `elasticache.parameter_group`: settings of Redis or Valkey.
//!
//! AWS tells of each parameter where its value comes from: those of the user are ours. The values are a second call. A
//! creation that stopped before it finds its group by name and tags and goes on.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_elasticache::types::{CacheParameterGroup as Group, ParameterNameValue};

use super::{INDEXED_UNDER, is_tagged, still_ours, tag, told};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, Standing, TagSource, Told, adopt, created, observed};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};
use crate::value::Value;

const CREATE: &str = "elasticache:CreateCacheParameterGroup";
const DELETE: &str = "elasticache:DeleteCacheParameterGroup";
const DESCRIBE: &str = "elasticache:DescribeCacheParameterGroups";
const MODIFY: &str = "elasticache:ModifyCacheParameterGroup";
const PARAMETERS: &str = "elasticache:DescribeCacheParameters";
const RESET: &str = "elasticache:ResetCacheParameterGroup";

/// The source of parameters that somebody has set.
const USER: &str = "user";

/// How many parameters one call changes.
/// <https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_ModifyCacheParameterGroup.html>
const BATCH: usize = 20;

pub struct ParameterGroup;

#[async_trait]
impl Handler for ParameterGroup {
    fn type_name(&self) -> &'static str {
        "elasticache.parameter_group"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let name = target.identity.as_str();
        let (group, parameters) = tokio::join!(describe(clients, name), parameters(clients, name));
        match (group?, parameters?) {
            (Some(group), Some(parameters)) => Ok(Some(report(&group, parameters))),
            _ => Ok(None),
        }
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
        let request = clients
            .elasticache()
            .create_cache_parameter_group()
            .cache_parameter_group_name(name)
            .cache_parameter_group_family(wanted.text("family")?)
            .description(wanted.text("description")?)
            .set_tags(Some(super::listed(&creation.tags)));
        let answer = request.send().await.map_err(failed(CREATE));
        let answer =
            answer.and_then(|answer| answer.cache_parameter_group.ok_or_else(|| unanswered(CREATE, "parameter group")));
        let look = || async {
            let Some(group) = describe(clients, name).await? else { return Ok(Standing::Leaving) };
            let is_ours = is_tagged(clients, group.arn(), &creation.tags).await?;
            Ok(Standing::of(is_ours.then_some(group)))
        };
        let group = adopt(creation, answer, look).await?;
        modify(clients, name, &wanted.map_of_texts("parameters")?).await?;
        Ok(created(name, Report::new().set_if("arn", group.arn())))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        if update.changed("parameters").is_none() {
            return Ok(());
        }
        let name = update.target.identity.as_str();
        if let Some(group) = describe(clients, name).await? {
            still_ours(clients, &update.target, group.arn()).await?;
        }
        let wanted = desired(update, MODIFY).map_of_texts("parameters")?;
        let shown = parameters(clients, name).await?.unwrap_or_default();
        let gone: Vec<ParameterNameValue> = shown
            .keys()
            .filter(|name| !wanted.contains_key(*name))
            .map(|name| ParameterNameValue::builder().parameter_name(name).build())
            .collect();
        for some in gone.chunks(BATCH) {
            let request = clients.elasticache().reset_cache_parameter_group().cache_parameter_group_name(name);
            let request = request.reset_all_parameters(false).set_parameter_name_values(Some(some.to_vec()));
            request.send().await.map_err(failed(RESET))?;
        }
        let other: BTreeMap<String, String> =
            wanted.into_iter().filter(|(name, value)| shown.get(name) != Some(value)).collect();
        modify(clients, name, &other).await
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
        let request = clients.elasticache().delete_cache_parameter_group().cache_parameter_group_name(name);
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

async fn describe(clients: &Clients, name: &str) -> Result<Option<Group>, ProviderError> {
    let request = clients.elasticache().describe_cache_parameter_groups().cache_parameter_group_name(name);
    let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.cache_parameter_groups).into_iter().flatten().next())
}

/// The values that somebody has set, by name; `None` if the group is gone.
async fn parameters(clients: &Clients, name: &str) -> Result<Option<BTreeMap<String, String>>, ProviderError> {
    let request = clients.elasticache().describe_cache_parameters().cache_parameter_group_name(name).source(USER);
    let pages = request.into_paginator().send().collect::<Result<Vec<_>, _>>().await;
    let Some(pages) = pages.map_err(failed(PARAMETERS)).or_absent()? else { return Ok(None) };
    let parameters = pages.iter().flat_map(|page| page.parameters());
    let parameters = parameters.filter(|parameter| parameter.source() == Some(USER));
    let pair = |parameter: &aws_sdk_elasticache::types::Parameter| {
        Some((parameter.parameter_name()?.to_owned(), parameter.parameter_value()?.to_owned()))
    };
    Ok(Some(parameters.filter_map(pair).collect()))
}

async fn modify(clients: &Clients, name: &str, wanted: &BTreeMap<String, String>) -> Result<(), ProviderError> {
    let pair = |(name, value): (&String, &String)| {
        ParameterNameValue::builder().parameter_name(name).parameter_value(value).build()
    };
    let wanted: Vec<ParameterNameValue> = wanted.iter().map(pair).collect();
    for some in wanted.chunks(BATCH) {
        let request = clients.elasticache().modify_cache_parameter_group().cache_parameter_group_name(name);
        request.set_parameter_name_values(Some(some.to_vec())).send().await.map_err(failed(MODIFY))?;
    }
    Ok(())
}

fn report(group: &Group, parameters: BTreeMap<String, String>) -> Observed {
    let name = group.cache_parameter_group_name().unwrap_or_default();
    let parameters = parameters.into_iter().map(|(name, value)| (name, value.into())).collect();
    let report = Report::new()
        .set("name", name)
        .set_if("family", group.cache_parameter_group_family())
        .set_if("description", group.description())
        .set("parameters", Value::Map(parameters))
        .set_if("arn", group.arn());
    observed(name, report)
}
