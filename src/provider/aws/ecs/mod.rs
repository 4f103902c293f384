//! ECS: clusters, task definitions, services, and programs that run once.

pub mod cluster;
pub mod run;
pub mod service;
pub mod task_definition;

use super::error::failed;
use super::limits::class;
use super::service::{Second, Service};
use super::session::Clients;
use super::tags::{Tags, tag_list};
use crate::provider::{ErrorKind, ProviderError};

/// The service.
pub static SERVICE: Service = Service {
    id: "ECS",
    prefix: "ecs",
    limits: &[
        class(&["DescribeServices", "ListServiceDeployments"], 80.0, 16.0),
        class(&["DescribeTaskDefinition", "ListTaskDefinitions"], 40.0, 16.0),
        class(&["Describe", "List"], 40.0, 16.0),
        class(&["CreateService", "UpdateService", "DeleteService"], 40.0, 4.0),
        class(&["RegisterTaskDefinition", "DeregisterTaskDefinition", "DeleteTaskDefinitions"], 16.0, 0.8),
        class(&[""], 16.0, 0.8),
    ],
    makes: &[
        ("CreateCluster", Second::SameName),
        ("CreateService", Second::Token),
        ("RegisterTaskDefinition", Second::LookedUp),
        ("RunTask", Second::Token),
    ],
    errors: &[
        // The first cluster of an account makes the role that ECS works with, which cannot be assumed at once.
        ("CreateCluster", "InvalidParameterException", ErrorKind::NotYet),
        ("CreateService", "ClusterNotFoundException", ErrorKind::NotYet),
        // The cluster was made a moment ago, or a role that the task takes on. Other mistakes stay for as long as it is tried.
        ("RunTask", "ClusterNotFoundException", ErrorKind::NotYet),
        // Nothing but a task by its ARN is asked for: AWS has forgotten it.
        ("StopTask", "InvalidParameterException", ErrorKind::NotFound),
        // A deployment is under way; name and cluster are all that could be wrong otherwise.
        ("DeleteService", "InvalidParameterException", ErrorKind::NotYet),
        // Nothing but its name is asked for.
        ("DescribeTaskDefinition", "ClientException", ErrorKind::NotFound),
    ],
    handlers: &[&cluster::Cluster, &run::Run, &service::Service, &task_definition::TaskDefinition],
    ..Service::OTHER
};

tag_list!(aws_sdk_ecs::types::Tag);

const TAG: &str = "ecs:TagResource";

/// Puts tags on anything of ECS, by its ARN.
async fn tag(clients: &Clients, arn: &str, tags: &Tags) -> Result<(), ProviderError> {
    let request = clients.ecs().tag_resource().resource_arn(arn).set_tags(Some(listed(tags)));
    request.send().await.map_err(failed(TAG))?;
    Ok(())
}

fn present(tags: &[aws_sdk_ecs::types::Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| tag.key().zip(tag.value()))
}
