//! The index of tags: what carries certain tags in a region, whatever its type.
//!
//! AWS calls it the Resource Groups Tagging API. One call to it answers for all types whose own answers have no tags.
//!
//! # Limits
//!
//! - It lags behind by some minutes, in both directions. What it does not have yet is asked for itself; what it has
//!   still is believed. So a resource that somebody deletes and makes again under the same ARN (a parameter, a log
//!   group) passes for ours for these minutes.
//! - It does not know every type: rules of security groups and roles are not in it everywhere.
//! - The tags of global types are in the index of one region, [`GLOBAL_REGION`].

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_resourcegroupstagging::types::TagFilter;

use super::error::failed;
use super::limits::class;
use super::service::Service;
use super::session::Clients;
use super::tags::{self, Tags};
use crate::provider::ProviderError;
use crate::provider::aws::wave::try_wave;

/// The service.
pub static SERVICE: Service =
    Service { id: "Resource Groups Tagging API", prefix: "tag", limits: &[class(&[""], 10.0, 5.0)], ..Service::OTHER };

const GET: &str = "tag:GetResources";

/// How many resources one page has, the most AWS allows.
const PAGE: i32 = 100;

/// The region whose index has the tags of global types.
pub const GLOBAL_REGION: &str = "us-east-1";

/// Resources by ARN, each with all its tags.
pub type Index = BTreeMap<String, Tags>;

/// How many values one filter is given: an instance has about twenty resources of these types, so all that such a call
/// finds are on one page, and the calls of a fleet go side by side. A filter takes twenty.
/// <https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_TagFilter.html>
const FILTER_VALUES: usize = 5;

/// Everything in a region that carries all of `wanted`.
pub async fn carrying(clients: &Clients, wanted: &Tags) -> Result<Index, ProviderError> {
    let filters = wanted.iter().map(|(key, value)| TagFilter::builder().key(key).values(value).build());
    filtered(clients, filters.collect(), Vec::new()).await
}

/// Everything of some services in a region that carries a tag with one of `values`.
pub async fn with_one_of(
    clients: &Clients,
    key: &str,
    values: &BTreeSet<&str>,
    services: &BTreeSet<&'static str>,
) -> Result<Index, ProviderError> {
    let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    let read = values.chunks(FILTER_VALUES).map(|values| {
        let filter = TagFilter::builder().key(key).set_values(Some(values.to_vec())).build();
        filtered(clients, vec![filter], services.iter().map(|service| (*service).to_owned()).collect())
    });
    Ok(try_wave(read.collect()).await?.into_iter().flatten().collect())
}

async fn filtered(clients: &Clients, filters: Vec<TagFilter>, services: Vec<String>) -> Result<Index, ProviderError> {
    let request = clients
        .index()
        .get_resources()
        .set_tag_filters(Some(filters))
        .set_resource_type_filters(Some(services).filter(|services| !services.is_empty()))
        .resources_per_page(PAGE);
    let found: Vec<_> = request.into_paginator().items().send().collect::<Result<_, _>>().await.map_err(failed(GET))?;
    let entry = |resource: aws_sdk_resourcegroupstagging::types::ResourceTagMapping| {
        let tags = tags::collected(resource.tags().iter().map(|tag| (tag.key(), tag.value())));
        Some((resource.resource_arn?, tags))
    };
    Ok(found.into_iter().filter_map(entry).collect())
}
