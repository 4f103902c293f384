//! ECS: clusters, task definitions, services, and programs that run once.

pub mod cluster;
pub mod run;
pub mod service;
pub mod task_definition;

use super::error::failed;
use super::handler::Handler;
use super::session::Clients;
use super::tags::{self, Tags};
use crate::provider::ProviderError;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] =
    &[&cluster::Cluster, &run::Run, &service::Service, &task_definition::TaskDefinition];

const TAG: &str = "ecs:TagResource";

/// Puts tags on anything of ECS, by its ARN.
async fn tag(clients: &Clients, arn: &str, tags: &Tags) -> Result<(), ProviderError> {
    let request = clients.ecs().tag_resource().resource_arn(arn).set_tags(Some(tags::ecs(tags)));
    request.send().await.map_err(failed(TAG))?;
    Ok(())
}

fn present(tags: &[aws_sdk_ecs::types::Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| tag.key().zip(tag.value()))
}
