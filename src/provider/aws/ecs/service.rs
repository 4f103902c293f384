//! `ecs.service`: keeps tasks running.
//!
//! # When it is ready
//!
//! `rollout` tells how the newest deployment goes: `IN_PROGRESS`, `COMPLETED` or `FAILED`, and `DRAINING` while the
//! service is being deleted. AWS's own word for it is not enough in three cases:
//!
//! - After a change of `desired_count` alone there is no new deployment, and the old one stays completed. So it counts
//!   as completed only while enough tasks run.
//! - After a failure AWS may go back to an older revision, whose deployment then completes. If the service runs an
//!   older revision than the state remembers, the history of its deployments says whether AWS has gone back, or
//!   whether the answer is only older than the last change.
//! - Deployments that are not AWS's rolling ones tell nothing; then the number of running tasks counts.
//!
//! # Repeated creations
//!
//! ECS refuses a name that is taken with the code of a plain mistake, so `create` looks at the service of that name
//! after such a refusal.

use async_trait::async_trait;
use aws_sdk_ecs::types::{
    AssignPublicIp, AvailabilityZoneRebalancing, AwsVpcConfiguration, CapacityProviderStrategyItem, Deployment,
    DeploymentCircuitBreaker, DeploymentConfiguration, DeploymentRolloutState, LaunchType, LoadBalancer,
    NetworkConfiguration, PropagateTags, Service as Found, ServiceDeploymentStatus, ServiceField,
};

use super::{present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, recorded, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete, missing, unanswered};
use crate::provider::aws::handler::{Handler, by_group, created, observation, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::{Created, Creation, Deletion, ErrorKind, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "ecs:CreateService";
const DELETE: &str = "ecs:DeleteService";
const DESCRIBE: &str = "ecs:DescribeServices";
const LIST_DEPLOYMENTS: &str = "ecs:ListServiceDeployments";
const UPDATE: &str = "ecs:UpdateService";

/// How many services one call describes.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html>
const BATCH: usize = 10;

/// How many deployments one call lists, the most AWS allows.
const DEPLOYMENTS: i32 = 100;

const DELETED: &str = "INACTIVE";
const DRAINING: &str = "DRAINING";
const PRIMARY: &str = "PRIMARY";

const COMPLETED: &str = "COMPLETED";
const FAILED: &str = "FAILED";
const IN_PROGRESS: &str = "IN_PROGRESS";

/// What an update can send.
const CHANGEABLE: [&str; 11] = [
    "task_definition",
    "desired_count",
    "network",
    "enable_execute_command",
    "deployment",
    "health_check_grace_period_seconds",
    "availability_zone_rebalancing",
    "platform_version",
    "propagate_tags",
    "capacity_provider_strategy",
    "load_balancers",
];

pub struct Service;

#[async_trait]
impl Handler for Service {
    fn type_name(&self) -> &'static str {
        "ecs.service"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let read = |cluster, targets| observe_batch(clients, cluster, targets);
        by_group(targets, BATCH, |target| target.identity.pair().0, read).await
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let wanted = wanted(creation, DESCRIBE);
        let (cluster, name) = (wanted.text("cluster")?, wanted.text("name")?);
        let services = describe(clients, cluster, vec![name.to_owned()]).await?;
        let own = services.iter().filter(|service| is_own(creation, service) && service.status() != Some(DRAINING));
        Ok(own.map(|_| identity(cluster, name)).collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let (cluster, name) = (wanted.text("cluster")?, wanted.text("name")?);
        let deployment = wanted.table("deployment")?;
        let strategy = strategy(&wanted)?;
        let load_balancers = load_balancers(&wanted)?;
        let rebalancing = wanted.optional_text("availability_zone_rebalancing")?;
        let request = clients
            .ecs()
            .create_service()
            .cluster(cluster)
            .service_name(name)
            .client_token(&creation.token)
            .task_definition(wanted.text("task_definition")?)
            .desired_count(wanted.integer("desired_count")?)
            .set_network_configuration(network(&wanted)?)
            .set_enable_execute_command(wanted.optional_flag("enable_execute_command")?)
            .set_deployment_configuration(if deployment.is_present() {
                Some(configuration(&deployment)?)
            } else {
                None
            })
            .set_health_check_grace_period_seconds(grace_period(&wanted, &load_balancers)?)
            .set_availability_zone_rebalancing(rebalancing.map(AvailabilityZoneRebalancing::from))
            .set_platform_version(wanted.owned_text("platform_version")?)
            .set_propagate_tags(wanted.optional_text("propagate_tags")?.map(PropagateTags::from))
            .set_launch_type(strategy.is_empty().then_some(LaunchType::Fargate))
            .set_capacity_provider_strategy(Some(strategy).filter(|items| !items.is_empty()))
            .set_load_balancers(Some(load_balancers).filter(|items| !items.is_empty()))
            .set_tags(Some(super::listed(&creation.tags)));
        let service = match request.send().await.map_err(failed(CREATE)) {
            Ok(answer) => answer.service.ok_or_else(|| unanswered(CREATE, "service"))?,
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::Invalid) => {
                namesake(clients, creation, cluster, name, error).await?
            }
            Err(error) => return Err(error),
        };
        let arn = service.service_arn.ok_or_else(|| unanswered(CREATE, "ARN"))?;
        Ok(created(identity(cluster, name).0, Report::new().set("arn", arn)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let has_changed = |name: &str| update.changed(name).is_some();
        if !CHANGEABLE.iter().any(|name| has_changed(name)) {
            return Ok(());
        }
        let desired = desired(update, UPDATE);
        let (cluster, name) = update.target.identity.pair();
        let load_balancers = load_balancers(&desired)?;
        let mut request = clients.ecs().update_service().cluster(cluster).service(name);
        if has_changed("task_definition") {
            request = request.task_definition(desired.text("task_definition")?);
        }
        if has_changed("desired_count") {
            let wanted = desired.integer("desired_count")?;
            let recorded = recorded(&update.target, UPDATE).optional_integer("desired_count")?;
            request = request.desired_count(wanted);
            if recorded == Some(0) && wanted > 0 {
                // Only a deployment waits for good health, and gives up.
                request = request.force_new_deployment(true);
            }
        }
        if has_changed("network") {
            request = request.set_network_configuration(network(&desired)?);
        }
        if has_changed("enable_execute_command") {
            let enable = desired.flag("enable_execute_command")?;
            // Tasks that run already would never notice.
            request = request.enable_execute_command(enable).force_new_deployment(true);
        }
        if has_changed("deployment") {
            request = request.deployment_configuration(configuration(&desired.table("deployment")?)?);
        }
        if has_changed("health_check_grace_period_seconds") {
            request = request.set_health_check_grace_period_seconds(grace_period(&desired, &load_balancers)?);
        }
        if has_changed("availability_zone_rebalancing") {
            let rebalancing = desired.text("availability_zone_rebalancing")?;
            request = request.availability_zone_rebalancing(rebalancing.into());
        }
        if has_changed("platform_version") {
            request = request.platform_version(desired.text("platform_version")?);
        }
        if has_changed("propagate_tags") {
            let source = desired.optional_text("propagate_tags")?;
            request = request.propagate_tags(source.map_or(PropagateTags::None, Into::into));
        }
        if has_changed("capacity_provider_strategy") {
            // AWS moves running tasks only in a new deployment.
            request = request.set_capacity_provider_strategy(Some(strategy(&desired)?)).force_new_deployment(true);
        }
        if has_changed("load_balancers") {
            request = request.set_load_balancers(Some(load_balancers));
        }
        request.send().await.map_err(failed(UPDATE))?;
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let (cluster, name) = target.identity.pair();
        let found = describe(clients, cluster, vec![name.to_owned()]).await?.pop();
        let arn = found.and_then(|service| service.service_arn).ok_or_else(|| missing(DESCRIBE, "service", name))?;
        tag(clients, &arn, tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let (cluster, name) = target.identity.pair();
        let found = describe(clients, cluster, vec![name.to_owned()]).await?.pop();
        if found.is_some_and(|service| service.status() != Some(DRAINING)) {
            let request = clients.ecs().delete_service().cluster(cluster).service(name).force(true);
            request.send().await.map_err(failed(DELETE)).or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

fn identity(cluster: &str, name: &str) -> Identity {
    Identity::new(format!("{cluster}|{name}"))
}

fn is_own(creation: &Creation, service: &Found) -> bool {
    tags::has_all(&creation.tags, present(service.tags()))
}

/// The service that has the name already, if it is ours; otherwise why there can be no other.
async fn namesake(
    clients: &Clients,
    creation: &Creation,
    cluster: &str,
    name: &str,
    error: ProviderError,
) -> Result<Found, ProviderError> {
    let Some(service) = describe(clients, cluster, vec![name.to_owned()]).await?.pop() else { return Err(error) };
    if service.status() == Some(DRAINING) {
        let message = format!("the former service {name} is still being deleted");
        Err(ProviderError { kind: ErrorKind::NotYet, message, ..error })
    } else if is_own(creation, &service) {
        Ok(service)
    } else {
        let message = format!("there is a service {name} already, and it was not made for this instance");
        Err(ProviderError { kind: ErrorKind::Conflict, message, ..error })
    }
}

/// Reads services of one cluster, without deleted ones. What does not exist is passed over, the cluster too.
async fn describe(clients: &Clients, cluster: &str, names: Vec<String>) -> Result<Vec<Found>, ProviderError> {
    let request = clients.ecs().describe_services().cluster(cluster).set_services(Some(names));
    let answer = request.include(ServiceField::Tags).send().await.map_err(failed(DESCRIBE)).or_absent()?;
    let services = answer.and_then(|answer| answer.services).unwrap_or_default();
    Ok(services.into_iter().filter(|service| service.status() != Some(DELETED)).collect())
}

async fn observe_batch(clients: &Clients, cluster: &str, targets: Vec<&Target>) -> Vec<Observation> {
    let names = targets.iter().map(|target| target.identity.pair().1.to_owned()).collect();
    let services = describe(clients, cluster, names).await;
    let mut observations = Vec::new();
    for target in targets {
        let answer = match &services {
            Ok(services) => {
                let name = Some(target.identity.pair().1);
                match services.iter().find(|service| service.service_name() == name) {
                    Some(service) => report(clients, target, service).await.map(Some),
                    None => Ok(None),
                }
            }
            Err(error) => Err(error.clone()),
        };
        observations.push(observation(answer));
    }
    observations
}

fn network(attributes: &Attributes<'_>) -> Result<Option<NetworkConfiguration>, ProviderError> {
    let wanted = attributes.table("network")?;
    if !wanted.is_present() {
        return Ok(None);
    }
    let public = wanted.optional_flag("assign_public_ip")?;
    let assign = |public| if public { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled };
    let network = AwsVpcConfiguration::builder()
        .set_subnets(wanted.optional_texts("subnets")?)
        .set_security_groups(wanted.optional_texts("security_groups")?)
        .set_assign_public_ip(public.map(assign))
        .build()
        .map_err(incomplete(CREATE))?;
    Ok(Some(NetworkConfiguration::builder().awsvpc_configuration(network).build()))
}

/// The grace period. AWS refuses one where no load balancer checks anything, even of no length.
fn grace_period(wanted: &Attributes<'_>, load_balancers: &[LoadBalancer]) -> Result<Option<i32>, ProviderError> {
    let seconds = wanted.integer("health_check_grace_period_seconds")?;
    Ok((seconds > 0 || !load_balancers.is_empty()).then_some(seconds))
}

/// The whole of it, also when only a part changes: AWS takes it as one.
fn configuration(wanted: &Attributes<'_>) -> Result<DeploymentConfiguration, ProviderError> {
    let breaker = DeploymentCircuitBreaker::builder()
        .enable(wanted.flag("circuit_breaker")?)
        .rollback(wanted.flag("rollback")?)
        .build();
    Ok(DeploymentConfiguration::builder()
        .minimum_healthy_percent(wanted.integer("minimum_healthy_percent")?)
        .maximum_percent(wanted.integer("maximum_percent")?)
        .deployment_circuit_breaker(breaker)
        .build())
}

fn strategy(attributes: &Attributes<'_>) -> Result<Vec<CapacityProviderStrategyItem>, ProviderError> {
    let item = |wanted: &Attributes<'_>| {
        CapacityProviderStrategyItem::builder()
            .capacity_provider(wanted.text("capacity_provider")?)
            .weight(wanted.optional_integer("weight")?.unwrap_or_default())
            .base(wanted.optional_integer("base")?.unwrap_or_default())
            .build()
            .map_err(incomplete(CREATE))
    };
    attributes.tables("capacity_provider_strategy")?.iter().map(item).collect()
}

fn load_balancers(attributes: &Attributes<'_>) -> Result<Vec<LoadBalancer>, ProviderError> {
    let item = |wanted: &Attributes<'_>| {
        Ok(LoadBalancer::builder()
            .container_name(wanted.text("container_name")?)
            .container_port(wanted.integer("container_port")?)
            .target_group_arn(wanted.text("target_group_arn")?)
            .build())
    };
    attributes.tables("load_balancers")?.iter().map(item).collect()
}

async fn report(clients: &Clients, target: &Target, service: &Found) -> Result<Observed, ProviderError> {
    let network = service.network_configuration().and_then(|network| network.awsvpc_configuration()).map(|network| {
        let public = network.assign_public_ip().map(|assign| *assign == AssignPublicIp::Enabled);
        Report::new()
            .set("subnets", network.subnets().to_vec())
            .set("security_groups", network.security_groups().to_vec())
            .set("assign_public_ip", public)
    });
    let deployment = service.deployment_configuration().map(|deployment| {
        let breaker = deployment.deployment_circuit_breaker();
        Report::new()
            .set("minimum_healthy_percent", deployment.minimum_healthy_percent())
            .set("maximum_percent", deployment.maximum_percent())
            .set("circuit_breaker", breaker.is_some_and(|breaker| breaker.enable))
            .set("rollback", breaker.is_some_and(|breaker| breaker.rollback))
    });
    // AWS tells the strategy of every service that has one.
    let strategy = service.capacity_provider_strategy.as_ref().map(|items| {
        let item = |item: &CapacityProviderStrategyItem| {
            Report::new()
                .set("capacity_provider", item.capacity_provider())
                .set("weight", item.weight)
                .set("base", item.base)
        };
        items.iter().map(item).collect::<Vec<_>>()
    });
    let load_balancers = service.load_balancers().iter().map(|target| {
        Report::new()
            .set("container_name", target.container_name())
            .set("container_port", target.container_port())
            .set("target_group_arn", target.target_group_arn())
    });
    let rebalancing = service.availability_zone_rebalancing().map(AvailabilityZoneRebalancing::as_str);
    let propagate = service.propagate_tags().filter(|source| **source != PropagateTags::None);
    let report = Report::new()
        .set("name", service.service_name())
        .set("cluster", service.cluster_arn().and_then(|arn| arn.rsplit('/').next()))
        .set("task_definition", service.task_definition())
        .set("desired_count", service.desired_count)
        .set_if("network", network)
        .set("enable_execute_command", service.enable_execute_command)
        .set_if("deployment", deployment)
        .set_if("health_check_grace_period_seconds", service.health_check_grace_period_seconds())
        .set_if("availability_zone_rebalancing", rebalancing)
        .set_if("platform_version", service.platform_version())
        .set("propagate_tags", propagate.map(PropagateTags::as_str))
        .set_if("capacity_provider_strategy", strategy)
        .set("load_balancers", load_balancers.collect::<Vec<_>>())
        .set("arn", service.service_arn())
        .set("rollout", rollout(clients, target, service).await?)
        .set_if("rollout_reason", reason(service));
    Ok(tagged(observed(target.identity.as_str(), report), present(service.tags())))
}

/// How the newest deployment goes; see the top of this file.
async fn rollout(clients: &Clients, target: &Target, service: &Found) -> Result<&'static str, ProviderError> {
    if service.status() == Some(DRAINING) {
        return Ok(DRAINING);
    }
    let told = told(service);
    let remembered = recorded(target, DESCRIBE).optional_text("task_definition")?;
    if told != FAILED && is_older(service.task_definition(), remembered) {
        return Ok(if has_gone_back(clients, target).await? { FAILED } else { IN_PROGRESS });
    }
    Ok(told)
}

fn primary(service: &Found) -> Option<&Deployment> {
    service.deployments().iter().find(|deployment| deployment.status() == Some(PRIMARY))
}

/// Why the newest deployment is as it is; if ECS does not say, its last message about the service.
fn reason(service: &Found) -> Option<String> {
    let of_deployment = primary(service).and_then(|deployment| deployment.rollout_state_reason());
    of_deployment.or_else(|| service.events().first()?.message()).map(str::to_owned)
}

fn told(service: &Found) -> &'static str {
    match primary(service).and_then(|deployment| deployment.rollout_state()) {
        Some(DeploymentRolloutState::Failed) => FAILED,
        Some(DeploymentRolloutState::Completed) if service.running_count >= service.desired_count => COMPLETED,
        None if service.running_count == service.desired_count && service.deployments().len() == 1 => COMPLETED,
        _ => IN_PROGRESS,
    }
}

/// Whether `running` is an earlier revision than `remembered`, of the same family.
fn is_older(running: Option<&str>, remembered: Option<&str>) -> bool {
    let revision = |arn: &str| {
        let (family, revision) = arn.rsplit_once(':')?;
        Some((family.to_owned(), revision.parse::<u64>().ok()?))
    };
    match (running.and_then(revision), remembered.and_then(revision)) {
        (Some((running, older)), Some((remembered, newer))) => running == remembered && older < newer,
        _ => false,
    }
}

/// Whether the latest deployment was given up. Where AWS does not tell, the older revision speaks for itself.
async fn has_gone_back(clients: &Clients, target: &Target) -> Result<bool, ProviderError> {
    let (cluster, name) = target.identity.pair();
    let request = clients.ecs().list_service_deployments().cluster(cluster).service(name);
    let answer = match request.max_results(DEPLOYMENTS).send().await.map_err(failed(LIST_DEPLOYMENTS)) {
        Err(error) if error.kind.is_transient() => return Err(error),
        answer => answer.ok(),
    };
    let deployments = answer.and_then(|answer| answer.service_deployments).unwrap_or_default();
    let latest = deployments.into_iter().max_by_key(|deployment| deployment.created_at);
    Ok(match latest.and_then(|deployment| deployment.status) {
        Some(status) => !matches!(
            status,
            ServiceDeploymentStatus::Pending
                | ServiceDeploymentStatus::InProgress
                | ServiceDeploymentStatus::Successful
        ),
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(desired: i32, running: i32, deployments: &[(&str, Option<DeploymentRolloutState>)]) -> Found {
        let deployments = deployments
            .iter()
            .map(|(status, state)| Deployment::builder().status(*status).set_rollout_state(state.clone()).build());
        Found::builder()
            .desired_count(desired)
            .running_count(running)
            .set_deployments(Some(deployments.collect()))
            .build()
    }

    #[test]
    fn a_deployment_is_complete_when_aws_says_so_and_tasks_run() {
        let state = |state| Some(state);
        let completed = || state(DeploymentRolloutState::Completed);
        for (service, expected) in [
            (service(1, 1, &[(PRIMARY, completed())]), COMPLETED),
            (service(1, 0, &[(PRIMARY, completed())]), IN_PROGRESS),
            (service(1, 2, &[(PRIMARY, completed())]), COMPLETED),
            (
                service(1, 1, &[(PRIMARY, state(DeploymentRolloutState::InProgress)), ("ACTIVE", completed())]),
                IN_PROGRESS,
            ),
            (service(1, 0, &[("ACTIVE", completed()), (PRIMARY, state(DeploymentRolloutState::Failed))]), FAILED),
            (service(1, 1, &[(PRIMARY, None)]), COMPLETED),
            (service(1, 1, &[(PRIMARY, None), ("ACTIVE", None)]), IN_PROGRESS),
            (service(1, 0, &[(PRIMARY, None)]), IN_PROGRESS),
        ] {
            assert_eq!(told(&service), expected, "{service:?}");
        }
    }

    #[test]
    fn revisions_are_compared_as_numbers() {
        let arn =
            |family: &str, revision: u64| format!("arn:aws:ecs:eu-central-1:1:task-definition/{family}:{revision}");
        let older = |running: &str, remembered: &str| is_older(Some(running), Some(remembered));
        assert!(older(&arn("social", 9), &arn("social", 10)));
        assert!(!older(&arn("social", 10), &arn("social", 10)));
        assert!(!older(&arn("social", 11), &arn("social", 10)));
        assert!(!older(&arn("other", 9), &arn("social", 10)));
        assert!(!is_older(Some(&arn("social", 9)), None));
    }
}
