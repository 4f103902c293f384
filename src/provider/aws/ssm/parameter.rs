//! `ssm.parameter`: one setting in Parameter Store.
//!
//! Values and descriptions come from two different calls. Descriptions are read only of those parameters that were given
//! one. Their list may be a little behind; a parameter it does not have yet is reported without a description.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::types::{Parameter as Found, ParameterStringFilter, ParameterType, ResourceTypeForTagging};

use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete};
use crate::provider::aws::handler::{Handler, by_identity, created, identities, observed};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags;
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observations, Observed, ProviderError, Target, Update};

const DELETE: &str = "ssm:DeleteParameter";
const DESCRIBE: &str = "ssm:DescribeParameters";
const GET: &str = "ssm:GetParameters";
const LIST_TAGS: &str = "ssm:ListTagsForResource";
const PUT: &str = "ssm:PutParameter";

/// How many parameters one call reads.
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>
const BATCH: usize = 10;

/// How many values one filter takes.
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html>
const FILTER_VALUES: usize = 50;

/// How many descriptions one page has, the most AWS allows.
const PAGE: i32 = 50;

/// The kind of a parameter that has none.
const KIND: &str = "String";

pub struct Parameter;

#[async_trait]
impl Handler for Parameter {
    fn type_name(&self) -> &'static str {
        "ssm.parameter"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Observations {
        // A description that was never set here is nothing to ask for.
        let described = |target: &&&Target| target.recorded.get("description").is_some();
        let described: Vec<&Target> = targets.iter().filter(described).copied().collect();
        by_identity(targets, read(clients, &identities(targets), &identities(&described)).await)
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, LIST_TAGS).text("name")?;
        let request = clients.ssm().list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter);
        let answer = request.resource_id(name).send().await.map_err(failed(LIST_TAGS)).or_absent()?;
        let tags = answer.and_then(|answer| answer.tag_list).unwrap_or_default();
        let is_own = tags::has_all(&creation.tags, tags.iter().map(|tag| (tag.key(), tag.value())));
        Ok(is_own.then(|| Identity::new(name)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, PUT);
        let name = wanted.text("name")?;
        let request = clients
            .ssm()
            .put_parameter()
            .name(name)
            .value(wanted.text("value")?)
            .r#type(ParameterType::from(wanted.optional_text("kind")?.unwrap_or(KIND)))
            .set_description(wanted.owned_text("description")?);
        let first = request.clone().set_tags(Some(tags::ssm(&creation.tags)?));
        match first.send().await.map_err(failed(PUT)) {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::Conflict => {
                if self.find(clients, creation).await?.is_empty() {
                    return Err(error);
                }
                // It is ours, from an earlier try. Tags cannot be sent again, and are there.
                request.overwrite(true).send().await.map_err(failed(PUT))?;
            }
            Err(error) => return Err(error),
        }
        Ok(created(name, Report::new()))
    }

    /// AWS wants the value whatever changes; the description goes along, so that it stays in any case.
    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        if !["value", "kind", "description"].iter().any(|name| update.changed(name).is_some()) {
            return Ok(());
        }
        let desired = desired(update, PUT);
        let mut request = clients
            .ssm()
            .put_parameter()
            .name(update.target.identity.as_str())
            .value(desired.text("value")?)
            .description(desired.optional_text("description")?.unwrap_or_default())
            .overwrite(true);
        if update.changed("kind").is_some() {
            request = request.r#type(ParameterType::from(desired.optional_text("kind")?.unwrap_or(KIND)));
        }
        request.send().await.map_err(failed(PUT))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.ssm().delete_parameter().name(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

/// Reads parameters, those of `described` with their descriptions.
async fn read(clients: &Clients, names: &[String], described: &[String]) -> Result<Vec<Observed>, ProviderError> {
    let values = try_wave(names.chunks(BATCH).map(|names| values(clients, names)).collect());
    let descriptions = try_wave(described.chunks(FILTER_VALUES).map(|names| descriptions(clients, names)).collect());
    let (values, descriptions) = tokio::try_join!(values, descriptions)?;
    let descriptions: BTreeMap<String, String> = descriptions.into_iter().flatten().collect();
    Ok(values.iter().flatten().map(|parameter| report(parameter, &descriptions)).collect())
}

async fn values(clients: &Clients, names: &[String]) -> Result<Vec<Found>, ProviderError> {
    let request = clients.ssm().get_parameters().set_names(Some(names.to_vec()));
    Ok(request.send().await.map_err(failed(GET))?.parameters.unwrap_or_default())
}

/// The descriptions of parameters, empty ones too.
async fn descriptions(clients: &Clients, names: &[String]) -> Result<Vec<(String, String)>, ProviderError> {
    let filter = ParameterStringFilter::builder().key("Name").option("Equals").set_values(Some(names.to_vec()));
    let filter = filter.build().map_err(incomplete(DESCRIBE))?;
    let pages = clients.ssm().describe_parameters().parameter_filters(filter).max_results(PAGE).into_paginator().send();
    let pages: Vec<_> = pages.collect::<Result<_, _>>().await.map_err(failed(DESCRIBE))?;
    let parameters = pages.into_iter().flat_map(|page| page.parameters.unwrap_or_default());
    Ok(parameters.filter_map(|parameter| Some((parameter.name?, parameter.description.unwrap_or_default()))).collect())
}

fn report(parameter: &Found, descriptions: &BTreeMap<String, String>) -> Observed {
    let name = parameter.name().unwrap_or_default();
    let report = Report::new()
        .set("name", name)
        .set("kind", parameter.r#type().map(ParameterType::as_str))
        .set("arn", parameter.arn());
    let report = match descriptions.get(name) {
        Some(description) => report.set("description", Some(description.as_str()).filter(|text| !text.is_empty())),
        None => report,
    };
    // What somebody has encrypted is nothing to show.
    let is_secret = parameter.r#type() == Some(&ParameterType::SecureString);
    observed(name, report.set_if("value", parameter.value().filter(|_| !is_secret)))
}
