//! `ecs.run`: a program that runs once, in a task of its own, to its end.
//!
//! # Never two at once
//!
//! A task carries the token of its creation in `startedBy`, and the call carries it as client token: AWS answers a
//! repeated request with the first task. Before a task is started, those of the same family are looked at, unless nothing
//! can carry its tags yet: one of the same address that has not ended is waited for.
//!
//! # Its outcome
//!
//! A task that has stopped has succeeded if the container that runs the program ended with 0. Otherwise the reason is the
//! exit code, or what AWS says where there is none, and the last lines of the log. AWS forgets a stopped task after about
//! an hour; it is gone then, and nobody knows how it ended.

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::operation::get_log_events::builders::GetLogEventsFluentBuilder;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, Container, ContainerOverride, DesiredStatus, KeyValuePair, LaunchType,
    ManagedAgentName, NetworkConfiguration, Task, TaskField, TaskOverride, TaskStopCode,
};

use super::{present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, recorded, wanted};
use crate::provider::aws::error::{OrAbsent, failed, incomplete, unanswered};
use crate::provider::aws::handler::{Handler, by_group, created, observation, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::try_wave;
use crate::provider::{
    Created, Creation, Deletion, ErrorKind, Observation, Observed, Printed, ProviderError, Target, Update,
};
use crate::secret::SecretText;

const DESCRIBE: &str = "ecs:DescribeTasks";
const LIST: &str = "ecs:ListTasks";
const LOG: &str = "logs:GetLogEvents";
const RUN: &str = "ecs:RunTask";
const STOP: &str = "ecs:StopTask";
const EXECUTE: &str = "ecs:ExecuteCommand";

/// How many tasks one call describes.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html>
const BATCH: usize = 100;

/// Lines of the log that say why a program failed.
const LAST_LINES: i32 = 30;

const RUNNING: &str = "RUNNING";
const STOPPED: &str = "STOPPED";

pub struct Run;

#[async_trait]
impl Handler for Run {
    fn type_name(&self) -> &'static str {
        "ecs.run"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let read = |cluster, targets| observe_batch(clients, cluster, targets);
        by_group(targets, BATCH, |target| cluster_of(target.identity.as_str()), read).await
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let statuses = [DesiredStatus::Running, DesiredStatus::Stopped];
        let lists = statuses.map(|status| family(clients, creation, status));
        let tasks = try_wave(lists.into_iter().collect()).await?.into_iter().flatten();
        let own = tasks.filter(|task| task.started_by() == Some(creation.token.as_str()));
        let mut found: Vec<Identity> = own.filter_map(|task| task.task_arn).map(Identity::new).collect();
        found.sort();
        found.dedup();
        Ok(found)
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let others = match creation.attempt.tags_are_new {
            true => Vec::new(),
            false => family(clients, creation, DesiredStatus::Running).await?,
        };
        let arn = match others.into_iter().find(|task| is_at_work(creation, task)) {
            Some(task) if task.started_by() == Some(creation.token.as_str()) => task.task_arn,
            Some(task) => {
                let message = format!("{} of an earlier run is still at work", task.task_arn().unwrap_or("a task"));
                return Err(ProviderError::new(ErrorKind::NotYet, RUN, message));
            }
            None => run(clients, creation).await?.task_arn,
        };
        let arn = arn.ok_or_else(|| unanswered(RUN, "ARN"))?;
        Ok(created(arn.clone(), Report::new().set("arn", arn)))
    }

    /// What runs already runs as it was started.
    async fn update(&self, _: &Clients, _: &Update) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        tag(clients, target.identity.as_str(), tags).await
    }

    async fn printed(&self, clients: &Clients, target: &Target, from: Option<&str>) -> Result<Printed, ProviderError> {
        let Some((group, stream)) = log(target)? else { return Ok(Printed::default()) };
        let request = log_events(clients, group, &stream).start_from_head(true).set_next_token(from.map(str::to_owned));
        // There is no stream before the first line.
        let answer = request.send().await.map_err(failed(LOG)).or_absent()?;
        let Some(answer) = answer else { return Ok(Printed { next: from.map(str::to_owned), ..Printed::default() }) };
        let lines = answer.events().iter().filter_map(|event| event.message()).map(str::to_owned).collect();
        Ok(Printed { lines, next: answer.next_forward_token })
    }

    async fn open(&self, clients: &Clients, target: &Target, command: &str) -> Result<Vec<SecretText>, ProviderError> {
        session(clients, target, command).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let arn = target.identity.as_str();
        let request = clients.ecs().stop_task().cluster(cluster_of(arn)).task(arn).reason("mastoform destroy");
        request.send().await.map_err(failed(STOP)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

/// Opens a session, as `aws ecs execute-command` does (awscli/customizations/ecs/executecommand.py): the program is told
/// the session with its token, the region, what is done, no profile, the container, and where AWS is.
async fn session(clients: &Clients, target: &Target, command: &str) -> Result<Vec<SecretText>, ProviderError> {
    let arn = target.identity.as_str();
    let (cluster, name) = (cluster_of(arn), recorded(target, EXECUTE).optional_text("container")?.unwrap_or_default());
    let not_yet = |what: &str| ProviderError::new(ErrorKind::NotYet, EXECUTE, what);
    let tasks = describe(clients, cluster, vec![arn.to_owned()]).await?;
    let task = tasks.first().ok_or_else(|| not_yet("the task is not there yet"))?;
    match outcome(task, name) {
        Outcome::Pending => return Err(not_yet("the task is starting")),
        Outcome::Running => {}
        Outcome::Stopping | Outcome::Succeeded => {
            return Err(ProviderError::new(ErrorKind::Invalid, EXECUTE, "the task has ended"));
        }
        Outcome::Failed(reason) | Outcome::Interrupted(reason) => {
            return Err(ProviderError::new(ErrorKind::Invalid, EXECUTE, reason));
        }
    }
    let container = program(task, name).ok_or_else(|| unanswered(DESCRIBE, "container"))?;
    let agents =
        container.managed_agents().iter().filter(|agent| agent.name() == Some(&ManagedAgentName::ExecuteCommandAgent));
    let is_ready = agents.into_iter().any(|agent| agent.last_status() == Some(RUNNING));
    let runtime = container.runtime_id().filter(|_| is_ready).ok_or_else(|| not_yet("the task is starting"))?;
    let request = clients.ecs().execute_command().cluster(cluster).task(arn).container(name);
    let answer = request.interactive(true).command(command).send().await.map_err(failed(EXECUTE))?;
    let session = answer.session.ok_or_else(|| unanswered(EXECUTE, "session"))?;
    let region = clients.region();
    let words = [
        serde_json::json!({
            "sessionId": session.session_id,
            "streamUrl": session.stream_url,
            "tokenValue": session.token_value,
        })
        .to_string(),
        region.to_owned(),
        "StartSession".to_owned(),
        String::new(),
        serde_json::json!({ "Target": format!("ecs:{cluster}_{}_{runtime}", last_part(arn)) }).to_string(),
        format!("https://ecs.{region}.amazonaws.com{}", if region.starts_with("cn-") { ".cn" } else { "" }),
    ];
    Ok(words.into_iter().map(SecretText::new).collect())
}

/// The cluster in the ARN of a task: `arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/ID`.
fn cluster_of(arn: &str) -> &str {
    let mut parts = arn.split(":task/").nth(1).unwrap_or_default().split('/');
    parts.next().unwrap_or_default()
}

/// The id in the ARN of a task, or the family and revision in that of a task definition.
fn last_part(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// Whether a task is that of the same address and instance, and has not ended.
fn is_at_work(creation: &Creation, task: &Task) -> bool {
    // What was started by this very call counts, however far it has come meanwhile.
    let is_own = task.started_by() == Some(creation.token.as_str());
    is_own || (tags::has_all(&creation.tags, present(task.tags())) && task.last_status() != Some(STOPPED))
}

/// The tasks of the family of what is to be run, in its cluster.
async fn family(clients: &Clients, creation: &Creation, status: DesiredStatus) -> Result<Vec<Task>, ProviderError> {
    let wanted = wanted(creation, LIST);
    let cluster = wanted.text("cluster")?;
    let definition = last_part(wanted.text("task_definition")?);
    let family = definition.split(':').next().unwrap_or_default();
    let request = clients.ecs().list_tasks().cluster(cluster).family(family).desired_status(status);
    let arns = request.into_paginator().items().send().collect::<Result<Vec<String>, _>>().await;
    let Some(arns) = arns.map_err(failed(LIST)).or_absent()? else { return Ok(Vec::new()) };
    let batches = arns.chunks(BATCH).map(|arns| describe(clients, cluster, arns.to_vec()));
    Ok(try_wave(batches.collect()).await?.into_iter().flatten().collect())
}

/// Reads tasks of one cluster. What AWS does not know any more is passed over.
async fn describe(clients: &Clients, cluster: &str, arns: Vec<String>) -> Result<Vec<Task>, ProviderError> {
    let request = clients.ecs().describe_tasks().cluster(cluster).set_tasks(Some(arns)).include(TaskField::Tags);
    let answer = request.send().await.map_err(failed(DESCRIBE)).or_absent()?;
    Ok(answer.and_then(|answer| answer.tasks).unwrap_or_default())
}

async fn run(clients: &Clients, creation: &Creation) -> Result<Task, ProviderError> {
    let wanted = wanted(creation, RUN);
    let environment = wanted.map_of_texts("environment")?.into_iter();
    let environment = environment.map(|(name, value)| KeyValuePair::builder().name(name).value(value).build());
    let container = ContainerOverride::builder()
        .name(wanted.text("container")?)
        .set_command(wanted.optional_texts("command")?)
        .set_environment(Some(environment.collect()))
        .build();
    let request = clients
        .ecs()
        .run_task()
        .cluster(wanted.text("cluster")?)
        .task_definition(wanted.text("task_definition")?)
        .count(1)
        .launch_type(LaunchType::Fargate)
        .client_token(&creation.token)
        .started_by(&creation.token)
        .set_network_configuration(Some(network(&wanted)?))
        .overrides(
            TaskOverride::builder()
                .container_overrides(container)
                .set_task_role_arn(wanted.optional_text("task_role_arn")?.map(str::to_owned))
                .build(),
        )
        .set_enable_execute_command(wanted.optional_flag("enable_execute_command")?)
        .set_tags(Some(super::listed(&creation.tags)));
    let answer = request.send().await.map_err(failed(RUN))?;
    let refusal = answer.failures().first().map(|failure| {
        let detail = failure.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        format!("{}{detail}", failure.reason().unwrap_or("no reason"))
    });
    match (answer.tasks.unwrap_or_default().pop(), refusal) {
        (Some(task), _) => Ok(task),
        // Capacity and the like: AWS asks for another try.
        (None, Some(refusal)) => Err(ProviderError::new(ErrorKind::NotYet, RUN, refusal)),
        (None, None) => Err(unanswered(RUN, "task")),
    }
}

fn network(wanted: &Attributes<'_>) -> Result<NetworkConfiguration, ProviderError> {
    let wanted = wanted.table("network")?;
    let is_public = wanted.optional_flag("assign_public_ip")?.unwrap_or_default();
    let network = AwsVpcConfiguration::builder()
        .set_subnets(wanted.optional_texts("subnets")?)
        .set_security_groups(wanted.optional_texts("security_groups")?)
        .assign_public_ip(if is_public { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled })
        .build()
        .map_err(incomplete(RUN))?;
    Ok(NetworkConfiguration::builder().awsvpc_configuration(network).build())
}

async fn observe_batch(clients: &Clients, cluster: &str, targets: Vec<&Target>) -> Vec<Observation> {
    let arns = targets.iter().map(|target| target.identity.as_str().to_owned()).collect();
    let tasks = describe(clients, cluster, arns).await;
    let mut observations = Vec::new();
    for target in targets {
        let answer = match &tasks {
            Ok(tasks) => match tasks.iter().find(|task| task.task_arn() == Some(target.identity.as_str())) {
                Some(task) => report(clients, target, task).await.map(Some),
                None => Ok(None),
            },
            Err(error) => Err(error.clone()),
        };
        observations.push(observation(answer));
    }
    observations
}

async fn report(clients: &Clients, target: &Target, task: &Task) -> Result<Observed, ProviderError> {
    let recorded = recorded(target, DESCRIBE);
    let container = recorded.optional_text("container")?.unwrap_or_default();
    let ended = outcome(task, container);
    let mut report = Report::new()
        .set_if("arn", task.task_arn())
        .set("outcome", ended.word())
        .set_if("exit_code", program(task, container).and_then(|program| program.exit_code()));
    if let Outcome::Failed(reason) | Outcome::Interrupted(reason) = ended {
        let lines = match log(target)? {
            Some((group, stream)) => last_lines(clients, group, &stream).await,
            None => None,
        };
        report = report.set("outcome_reason", lines.map_or(reason.clone(), |lines| format!("{reason}\n{lines}")));
    }
    Ok(tagged(observed(target.identity.as_str(), report), present(task.tags())))
}

/// The container that runs the program.
fn program<'task>(task: &'task Task, container: &str) -> Option<&'task Container> {
    task.containers().iter().find(|found| found.name() == Some(container))
}

/// Where the program prints to: a log group, and a stream in it.
fn log(target: &Target) -> Result<Option<(&str, String)>, ProviderError> {
    let recorded = recorded(target, LOG);
    let (group, prefix) = (recorded.optional_text("log_group")?, recorded.optional_text("log_prefix")?);
    let container = recorded.optional_text("container")?;
    let stream = |prefix, container| format!("{prefix}/{container}/{}", last_part(target.identity.as_str()));
    Ok(group.zip(prefix.zip(container)).map(|(group, (prefix, container))| (group, stream(prefix, container))))
}

fn log_events(clients: &Clients, group: &str, stream: &str) -> GetLogEventsFluentBuilder {
    clients.logs().get_log_events().log_group_name(group).log_stream_name(stream)
}

/// What has become of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Pending,
    Running,
    Stopping,
    Succeeded,
    Failed(String),
    /// AWS took its host away.
    Interrupted(String),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed(_) => "FAILED",
            Self::Interrupted(_) => "INTERRUPTED",
        }
    }
}

/// The statuses of a task, from its start to its end:
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html>
fn outcome(task: &Task, container: &str) -> Outcome {
    match task.last_status().unwrap_or_default() {
        RUNNING => return Outcome::Running,
        "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" => return Outcome::Stopping,
        STOPPED | "DELETED" => {}
        _ => return Outcome::Pending,
    }
    let program = program(task, container);
    // A program that is told to leave may still end, with a code of its own.
    let is_taken_away =
        matches!(task.stop_code(), Some(TaskStopCode::SpotInterruption | TaskStopCode::TerminationNotice));
    match program.and_then(|program| program.exit_code()) {
        Some(0) => Outcome::Succeeded,
        _ if is_taken_away => {
            let why = task.stopped_reason().filter(|why| !why.is_empty()).unwrap_or("AWS does not say why");
            Outcome::Interrupted(format!("the host of the program was taken away: {why}"))
        }
        Some(code) => Outcome::Failed(format!("the program ended with {code}")),
        None => {
            let why = [task.stopped_reason(), program.and_then(|program| program.reason())];
            let why: Vec<&str> = why.into_iter().flatten().filter(|why| !why.is_empty()).collect();
            let why = if why.is_empty() { "AWS does not say why".to_owned() } else { why.join("; ") };
            Outcome::Failed(format!("the program never came to its end: {why}"))
        }
    }
}

/// The last lines that a program has printed; `None` if nobody can read them. The program has failed, and that its log
/// cannot be read must not hide why.
async fn last_lines(clients: &Clients, group: &str, stream: &str) -> Option<String> {
    let request = log_events(clients, group, stream).start_from_head(false).limit(LAST_LINES);
    let answer = request.send().await.map_err(failed(LOG)).ok()?;
    let lines: Vec<&str> = answer.events().iter().filter_map(|event| event.message()).map(str::trim_end).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(status: &str, exit_code: Option<i32>) -> Task {
        let container = Container::builder().name("job").set_exit_code(exit_code).reason("CannotPullContainerError");
        Task::builder().last_status(status).stopped_reason("Task failed to start").containers(container.build()).build()
    }

    fn stopped(code: TaskStopCode, exit_code: Option<i32>) -> Task {
        let mut task = task("STOPPED", exit_code);
        task.stop_code = Some(code);
        task
    }

    #[test]
    fn the_end_of_a_task_is_the_end_of_its_program() {
        let words = |status, code| outcome(&task(status, code), "job").word();
        for status in ["PROVISIONING", "PENDING", "ACTIVATING", "SOMETHING_NEW"] {
            assert_eq!(words(status, None), "PENDING", "{status}");
        }
        assert_eq!(words("RUNNING", None), "RUNNING");
        for status in ["DEACTIVATING", "STOPPING", "DEPROVISIONING"] {
            assert_eq!(words(status, Some(0)), "STOPPING", "{status}: its end is not certain yet");
        }
        assert_eq!(outcome(&task("STOPPED", Some(0)), "job"), Outcome::Succeeded);
        let failed = |code, name| match outcome(&task("STOPPED", code), name) {
            Outcome::Failed(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(Some(137), "job"), "the program ended with 137");
        assert_eq!(
            failed(None, "job"),
            "the program never came to its end: Task failed to start; CannotPullContainerError"
        );
        assert_eq!(failed(Some(0), "other"), "the program never came to its end: Task failed to start");
    }

    /// AWS says so by the code of the stop; a program that is told to leave may end with a code of its own.
    #[test]
    fn whose_host_is_taken_away_has_not_failed() {
        for code in [TaskStopCode::SpotInterruption, TaskStopCode::TerminationNotice] {
            let stopped = |exit_code| stopped(code.clone(), exit_code);
            let expected = "the host of the program was taken away: Task failed to start";
            for exit_code in [None, Some(143)] {
                assert_eq!(outcome(&stopped(exit_code), "job"), Outcome::Interrupted(expected.to_owned()));
            }
            assert_eq!(outcome(&stopped(Some(0)), "job"), Outcome::Succeeded, "it came to its end in time");
        }
        let stopped = stopped(TaskStopCode::UserInitiated, None);
        assert!(matches!(outcome(&stopped, "job"), Outcome::Failed(_)), "somebody wanted that");
    }

    #[test]
    fn arns_of_tasks_name_their_cluster() {
        let arn = "arn:aws:ecs:eu-central-1:123456789012:task/social/0123456789abcdef0123456789abcdef";
        assert_eq!((cluster_of(arn), last_part(arn)), ("social", "0123456789abcdef0123456789abcdef"));
        assert_eq!(last_part("arn:aws:ecs:eu-central-1:123456789012:task-definition/social-job:7"), "social-job:7");
    }
}
