//! `ecs.task_definition`: one revision of what a task consists of.
//!
//! Revisions cannot be changed and AWS has no client token for registering one, so a repeated creation would make a
//! second revision. Every revision therefore carries the token of its creation as one more tag, by which `create` and
//! `find` tell it from older revisions of the same family, whose ownership tags are the same.
//!
//! Variables and secrets are maps here and lists of pairs at AWS.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput;
use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, CpuArchitecture, HealthCheck, KeyValuePair, LinuxParameters, LogConfiguration,
    LogDriver, NetworkMode, OsFamily, PortMapping, RuntimePlatform, Secret, SortOrder, TaskDefinition as Found,
    TaskDefinitionField, TaskDefinitionStatus, TransportProtocol,
};

use super::{present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete, unanswered};
use crate::provider::aws::handler::{Handler, created, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};
use crate::value::Value;

const DELETE: &str = "ecs:DeleteTaskDefinitions";
const DEREGISTER: &str = "ecs:DeregisterTaskDefinition";
const DESCRIBE: &str = "ecs:DescribeTaskDefinition";
const LIST: &str = "ecs:ListTaskDefinitions";
const REGISTER: &str = "ecs:RegisterTaskDefinition";

/// The tag that holds the token of a creation.
const CREATION: &str = "mastoform:creation";

/// How many of the newest revisions may be ours: more than one only if others register some as well.
const NEWEST: i32 = 10;

const GROUP: &str = "awslogs-group";
const GROUP_REGION: &str = "awslogs-region";
const STREAM_PREFIX: &str = "awslogs-stream-prefix";

pub struct TaskDefinition;

#[async_trait]
impl Handler for TaskDefinition {
    fn type_name(&self) -> &'static str {
        "ecs.task_definition"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let arn = target.identity.as_str();
        let Some(answer) = describe(clients, arn).await? else { return Ok(None) };
        let active = answer.task_definition().filter(|found| found.status() == Some(&TaskDefinitionStatus::Active));
        Ok(active.map(|definition| tagged(observed(arn, report(definition)), present(answer.tags()))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let own = own_revisions(clients, creation).await?;
        Ok(own.into_iter().filter_map(|definition| definition.task_definition_arn).map(Identity::new).collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let own = if creation.attempt.is_first { None } else { own_revisions(clients, creation).await?.pop() };
        let definition = match own {
            Some(definition) => definition,
            None => register(clients, creation).await?,
        };
        let arn = definition.task_definition_arn.ok_or_else(|| unanswered(REGISTER, "ARN"))?;
        Ok(created(arn.clone(), Report::new().set("arn", arn).set("revision", definition.revision)))
    }

    /// Nothing of a revision can be changed.
    async fn update(&self, _: &Clients, _: &Update) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        tag(clients, target.identity.as_str(), tags).await
    }

    /// A deregistered revision is as good as gone: it can only go on serving what runs already. That it disappears
    /// from lists as well is worth a second call, but no failure.
    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let arn = target.identity.as_str();
        let found = describe(clients, arn).await?.and_then(|answer| answer.task_definition);
        match found.as_ref().and_then(|definition| definition.status()) {
            Some(TaskDefinitionStatus::Active) => {
                let request = clients.ecs().deregister_task_definition().task_definition(arn);
                request.send().await.map_err(failed(DEREGISTER)).or_absent()?;
            }
            Some(TaskDefinitionStatus::Inactive) => {}
            _ => return Ok(Deletion::Accepted),
        }
        let answer = clients.ecs().delete_task_definitions().task_definitions(arn).send().await;
        match answer.map_err(failed(DELETE)) {
            Err(error) if error.kind.is_transient() => Err(error),
            _ => Ok(Deletion::Accepted),
        }
    }
}

async fn describe(clients: &Clients, arn: &str) -> Result<Option<DescribeTaskDefinitionOutput>, ProviderError> {
    let request = clients.ecs().describe_task_definition().task_definition(arn);
    request.include(TaskDefinitionField::Tags).send().await.map_err(failed(DESCRIBE)).or_absent()
}

/// What this creation has registered already.
async fn own_revisions(clients: &Clients, creation: &Creation) -> Result<Vec<Found>, ProviderError> {
    let family = wanted(creation, LIST).text("family")?;
    let request = clients.ecs().list_task_definitions().family_prefix(family);
    let newest = request.sort(SortOrder::Desc).max_results(NEWEST).send().await.map_err(failed(LIST))?;
    let arns = newest.task_definition_arns();
    let revisions = try_wave(arns.iter().map(|arn| describe(clients, arn)).collect()).await?;
    let wanted = marked(creation);
    let own = revisions.into_iter().flatten().filter(|answer| tags::has_all(&wanted, present(answer.tags())));
    let active = own.filter_map(|answer| answer.task_definition);
    Ok(active.filter(|definition| definition.status() == Some(&TaskDefinitionStatus::Active)).collect())
}

/// The tags of a revision.
fn marked(creation: &Creation) -> Tags {
    let mut tags = creation.tags.clone();
    tags.insert(CREATION.to_owned(), creation.token.clone());
    tags
}

async fn register(clients: &Clients, creation: &Creation) -> Result<Found, ProviderError> {
    let wanted = wanted(creation, REGISTER);
    let compatibilities = wanted.optional_texts("requires_compatibilities")?;
    let platform = wanted.optional_text("cpu_architecture")?.map(|architecture| {
        RuntimePlatform::builder()
            .cpu_architecture(CpuArchitecture::from(architecture))
            .operating_system_family(OsFamily::Linux)
            .build()
    });
    let containers = wanted.tables("containers")?;
    let request = clients
        .ecs()
        .register_task_definition()
        .family(wanted.text("family")?)
        .set_requires_compatibilities(
            compatibilities.map(|names| names.iter().map(|name| Compatibility::from(name.as_str())).collect()),
        )
        .set_network_mode(wanted.optional_text("network_mode")?.map(NetworkMode::from))
        .set_cpu(wanted.optional_integer("cpu")?.map(|units| units.to_string()))
        .set_memory(wanted.optional_integer("memory")?.map(|mebibytes| mebibytes.to_string()))
        .set_runtime_platform(platform)
        .set_execution_role_arn(wanted.owned_text("execution_role_arn")?)
        .set_task_role_arn(wanted.owned_text("task_role_arn")?)
        .set_container_definitions(Some(containers.iter().map(container).collect::<Result<_, _>>()?))
        .set_tags(Some(super::listed(&marked(creation))));
    let answer = request.send().await.map_err(failed(REGISTER))?;
    answer.task_definition.ok_or_else(|| unanswered(REGISTER, "task definition"))
}

fn container(wanted: &Attributes<'_>) -> Result<ContainerDefinition, ProviderError> {
    let environment = wanted.map_of_texts("environment")?.into_iter();
    let environment = environment.map(|(name, value)| KeyValuePair::builder().name(name).value(value).build());
    let secrets = wanted.map_of_texts("secrets")?.into_iter();
    let secrets = secrets
        .map(|(name, source)| Secret::builder().name(name).value_from(source).build().map_err(incomplete(REGISTER)))
        .collect::<Result<Vec<_>, _>>()?;
    let ports = wanted.tables("port_mappings")?;
    let linux = wanted.optional_flag("init_process")?;
    let labels = wanted.map_of_texts("labels")?;
    let container = ContainerDefinition::builder()
        .name(wanted.text("name")?)
        .image(wanted.text("image")?)
        .set_essential(wanted.optional_flag("essential")?)
        .set_command(wanted.optional_texts("command")?)
        .set_cpu(wanted.optional_integer("cpu")?)
        .set_memory(wanted.optional_integer("memory")?)
        .set_memory_reservation(wanted.optional_integer("memory_reservation")?)
        .set_docker_labels((!labels.is_empty()).then(|| labels.into_iter().collect()))
        .set_environment(Some(environment.collect()))
        .set_secrets(Some(secrets))
        .set_stop_timeout(wanted.optional_integer("stop_timeout")?)
        .set_linux_parameters(linux.map(|init| LinuxParameters::builder().init_process_enabled(init).build()))
        .set_log_configuration(log(&wanted.table("log")?)?)
        .set_port_mappings(Some(ports.iter().map(port).collect::<Result<_, _>>()?))
        .set_health_check(health_check(&wanted.table("health_check")?)?);
    Ok(container.build())
}

fn port(wanted: &Attributes<'_>) -> Result<PortMapping, ProviderError> {
    Ok(PortMapping::builder()
        .container_port(wanted.integer("container_port")?)
        .set_protocol(wanted.optional_text("protocol")?.map(TransportProtocol::from))
        .build())
}

fn log(wanted: &Attributes<'_>) -> Result<Option<LogConfiguration>, ProviderError> {
    if !wanted.is_present() {
        return Ok(None);
    }
    let mut log = LogConfiguration::builder().log_driver(LogDriver::from(wanted.text("driver")?));
    for (name, option) in [("group", GROUP), ("group_region", GROUP_REGION), ("stream_prefix", STREAM_PREFIX)] {
        if let Some(value) = wanted.optional_text(name)? {
            log = log.options(option, value);
        }
    }
    log.build().map(Some).map_err(incomplete(REGISTER))
}

fn health_check(wanted: &Attributes<'_>) -> Result<Option<HealthCheck>, ProviderError> {
    if !wanted.is_present() {
        return Ok(None);
    }
    let check = HealthCheck::builder()
        .set_command(wanted.optional_texts("command")?)
        .set_interval(wanted.optional_integer("interval")?)
        .set_timeout(wanted.optional_integer("timeout")?)
        .set_retries(wanted.optional_integer("retries")?)
        .set_start_period(wanted.optional_integer("start_period")?);
    check.build().map(Some).map_err(incomplete(REGISTER))
}

fn report(definition: &Found) -> Report {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let architecture = definition.runtime_platform().and_then(|platform| platform.cpu_architecture());
    let compatibilities = definition.requires_compatibilities().iter().map(|name| name.as_str().to_owned());
    Report::new()
        .set("family", definition.family())
        .set("requires_compatibilities", compatibilities.collect::<Vec<_>>())
        .set("network_mode", definition.network_mode().map(NetworkMode::as_str))
        .set_if("cpu", number(definition.cpu()))
        .set_if("memory", number(definition.memory()))
        .set("cpu_architecture", architecture.map(CpuArchitecture::as_str))
        .set("execution_role_arn", definition.execution_role_arn())
        .set("task_role_arn", definition.task_role_arn())
        .set("containers", definition.container_definitions().iter().map(container_report).collect::<Vec<_>>())
        .set("arn", definition.task_definition_arn())
        .set("revision", definition.revision)
}

fn container_report(container: &ContainerDefinition) -> Report {
    let environment = container.environment().iter();
    let environment = environment.filter_map(|pair| Some((pair.name()?, pair.value().unwrap_or_default())));
    let secrets = container.secrets().iter().map(|secret| (secret.name(), secret.value_from()));
    let ports = container.port_mappings().iter().map(|port| {
        let protocol = port.protocol().map(TransportProtocol::as_str);
        Report::new().set("container_port", port.container_port()).set("protocol", protocol)
    });
    let labels = container.docker_labels().filter(|labels| !labels.is_empty());
    let labels = labels.map(|labels| labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let init = container.linux_parameters().and_then(|linux| linux.init_process_enabled());
    Report::new()
        .set("name", container.name())
        .set("image", container.image())
        .set("essential", container.essential())
        .set("command", container.command.clone())
        .set("cpu", container.cpu())
        .set("memory", container.memory())
        .set("memory_reservation", container.memory_reservation())
        .set_if("labels", labels.map(map))
        .set("environment", map(environment))
        .set("secrets", map(secrets))
        .set("stop_timeout", container.stop_timeout())
        .set("init_process", init)
        .set("log", container.log_configuration().map(log_report))
        .set("port_mappings", ports.collect::<Vec<_>>())
        .set("health_check", container.health_check().map(health_check_report))
}

fn map<'text>(pairs: impl Iterator<Item = (&'text str, &'text str)>) -> Value {
    Value::Map(pairs.map(|(name, value)| (name.to_owned(), value.into())).collect::<BTreeMap<_, _>>())
}

fn log_report(log: &LogConfiguration) -> Report {
    let option = |name: &str| log.options().and_then(|options| options.get(name)).map(String::as_str);
    Report::new()
        .set("driver", log.log_driver().as_str())
        .set("group", option(GROUP))
        .set("group_region", option(GROUP_REGION))
        .set("stream_prefix", option(STREAM_PREFIX))
}

fn health_check_report(check: &HealthCheck) -> Report {
    Report::new()
        .set("command", check.command().to_vec())
        .set("interval", check.interval())
        .set("timeout", check.timeout())
        .set("retries", check.retries())
        .set("start_period", check.start_period())
}
