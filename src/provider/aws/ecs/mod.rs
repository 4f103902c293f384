//! ECS: clusters, task definitions, services.

pub mod cluster;
pub mod service;
pub mod task_definition;

use super::handler::Handler;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&cluster::Cluster, &service::Service, &task_definition::TaskDefinition];
