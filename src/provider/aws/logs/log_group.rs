//! `logs.log_group`: what the containers print.
//!
//! The retention is a second call. A creation that stopped before it finds its group by name and tags and goes on.
//!
//! One group is read through its name as a prefix, several by a list of names: both pass over what does not exist.

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::LogGroup as Group;

use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, missing};
use crate::provider::aws::handler::{
    Handler, TagSource, Told, adopt, by_identity, created, identities, observed, required_arn, standing,
};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const ASSOCIATE_KEY: &str = "logs:AssociateKmsKey";
const CREATE: &str = "logs:CreateLogGroup";
const DELETE: &str = "logs:DeleteLogGroup";
const DELETE_RETENTION: &str = "logs:DeleteRetentionPolicy";
const DESCRIBE: &str = "logs:DescribeLogGroups";
const DISASSOCIATE_KEY: &str = "logs:DisassociateKmsKey";
const LIST_TAGS: &str = "logs:ListTagsForResource";
const PUT_RETENTION: &str = "logs:PutRetentionPolicy";
const TAG: &str = "logs:TagResource";

/// How many groups one call describes, by name and in one page.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html>
const BATCH: usize = 50;

pub struct LogGroup;

#[async_trait]
impl Handler for LogGroup {
    fn type_name(&self) -> &'static str {
        "logs.log_group"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let names = identities(targets);
        let groups = match &names[..] {
            [name] => named(clients, name).await.map(|group| group.into_iter().collect()),
            names => several(clients, names).await,
        };
        by_identity(targets, groups.map(|groups| groups.iter().map(report).collect()))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, DESCRIBE).text("name")?;
        let group = named(clients, name).await?;
        let Some(arn) = group.as_ref().and_then(arn) else { return Ok(Vec::new()) };
        let Some(present) = list_tags(clients, arn).await? else { return Ok(Vec::new()) };
        let is_own = tags::has_all(&creation.tags, tags::pairs(&present));
        Ok(is_own.then(|| Identity::new(name)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let tags = creation.tags.clone().into_iter().collect();
        let request = clients
            .logs()
            .create_log_group()
            .log_group_name(name)
            .set_kms_key_id(wanted.owned_text("kms_key_id")?)
            .set_tags(Some(tags));
        let answer = request.send().await.map_err(failed(CREATE)).map(|_| Identity::new(name));
        adopt(creation, answer, || standing(self, clients, creation)).await?;
        let caller = clients.caller().await?;
        let arn = format!("arn:{}:logs:{}:{}:log-group:{name}", caller.partition, clients.region(), caller.account);
        let created = created(name, Report::new().set("arn", arn));
        if let Some(days) = wanted.optional_integer("retention_days")? {
            creation.attempt.herald.tell(&created);
            put_retention(clients, name, days).await?;
        }
        Ok(created)
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let name = update.target.identity.as_str();
        if update.changed("retention_days").is_some() {
            match desired(update, PUT_RETENTION).optional_integer("retention_days")? {
                Some(days) => put_retention(clients, name, days).await?,
                None => {
                    let request = clients.logs().delete_retention_policy().log_group_name(name);
                    request.send().await.map_err(failed(DELETE_RETENTION))?;
                }
            }
        }
        if update.changed("kms_key_id").is_some() {
            match desired(update, ASSOCIATE_KEY).optional_text("kms_key_id")? {
                Some(key) => {
                    let request = clients.logs().associate_kms_key().log_group_name(name).kms_key_id(key);
                    request.send().await.map_err(failed(ASSOCIATE_KEY))?;
                }
                None => {
                    let request = clients.logs().disassociate_kms_key().log_group_name(name);
                    request.send().await.map_err(failed(DISASSOCIATE_KEY))?;
                }
            }
        }
        Ok(())
    }

    fn tag_source(&self) -> TagSource {
        TagSource::Index("logs")
    }

    async fn tags(&self, clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
        let tags = list_tags(clients, required_arn(observed, LIST_TAGS)?).await?;
        Ok(tags.map_or(Told::Gone, Told::Tags))
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let name = target.identity.as_str();
        let group = named(clients, name).await?;
        let arn = group.as_ref().and_then(arn).ok_or_else(|| missing(DESCRIBE, "log group", name))?;
        let tags = tags.clone().into_iter().collect();
        let request = clients.logs().tag_resource().resource_arn(arn).set_tags(Some(tags));
        request.send().await.map_err(failed(TAG))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.logs().delete_log_group().log_group_name(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

fn report(group: &Group) -> Observed {
    let name = group.log_group_name().unwrap_or_default();
    let report = Report::new().set("name", name).set("kms_key_id", group.kms_key_id()).set("arn", arn(group));
    // A policy of the whole account hides what was set for this group.
    let report = match group.retention_policy_name() {
        None => report.set("retention_days", group.retention_in_days()),
        Some(_) => report,
    };
    observed(name, report)
}

/// The tags of a group; `None` if it is gone.
async fn list_tags(clients: &Clients, arn: &str) -> Result<Option<Tags>, ProviderError> {
    let request = clients.logs().list_tags_for_resource().resource_arn(arn);
    let answer = request.send().await.map_err(failed(LIST_TAGS)).or_absent()?;
    Ok(answer.map(|answer| answer.tags.unwrap_or_default().into_iter().collect()))
}

/// Those of the groups that exist. Should AWS refuse a batch because of one that does not, they are read one by one.
async fn several(clients: &Clients, names: &[String]) -> Result<Vec<Group>, ProviderError> {
    let batch = async |names: &[String]| {
        let request = clients.logs().describe_log_groups().set_log_group_identifiers(Some(names.to_vec()));
        let groups = request.into_paginator().items().send();
        match groups.collect::<Result<Vec<_>, _>>().await.map_err(failed(DESCRIBE)).or_absent()? {
            Some(groups) => Ok(groups),
            None => {
                let groups = try_wave(names.iter().map(|name| named(clients, name)).collect()).await?;
                Ok(groups.into_iter().flatten().collect())
            }
        }
    };
    Ok(try_wave(names.chunks(BATCH).map(batch).collect()).await?.concat())
}

async fn put_retention(clients: &Clients, name: &str, days: i32) -> Result<(), ProviderError> {
    let request = clients.logs().put_retention_policy().log_group_name(name).retention_in_days(days);
    request.send().await.map_err(failed(PUT_RETENTION))?;
    Ok(())
}

/// The group of exactly that name. Groups come sorted by name, so it is the first of those with the prefix.
async fn named(clients: &Clients, name: &str) -> Result<Option<Group>, ProviderError> {
    let request = clients.logs().describe_log_groups().log_group_name_prefix(name);
    let mut groups = request.into_paginator().items().send();
    while let Some(group) = groups.next().await {
        let group = group.map_err(failed(DESCRIBE))?;
        if group.log_group_name() == Some(name) {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

/// The ARN of a group, without `:*` at its end, which stands for the group's streams.
fn arn(group: &Group) -> Option<&str> {
    group.log_group_arn().or(group.arn()).map(|arn| arn.strip_suffix(":*").unwrap_or(arn))
}
