//! Clusters, task definitions, services.

use aws_sdk_ecs::types::ClusterSetting;
use serde_json::json;

use super::{Life, assert_error, creation, default_subnets, default_vpc, is_its_owners_alone, make, type_of};
use crate::support::emulator::REGION;
use crate::support::loopback::{Loopback, Reply};
use crate::support::{ministack, moto};
use mastoform::address::Identity;
use mastoform::provider::aws::Aws;
use mastoform::provider::{Creation, Deletion, ErrorKind, Observation, Provider, Target, Update};
use mastoform::value::{Tree, Value};

#[tokio::test]
async fn a_cluster_lives() {
    for emulator in [moto::start(), ministack::start()] {
        let aws = emulator.aws();
        let attributes = json!({ "name": "social", "capacity_providers": ["FARGATE", "FARGATE_SPOT"] });
        let mut cluster = Life::of("ecs.cluster").repeats().create(&aws, attributes).await;
        cluster.shows(json!({ "status": "ACTIVE", "container_insights": "disabled" })).await;
        cluster.update(json!({ "container_insights": "enhanced" })).await;
        cluster.update(json!({ "capacity_providers": ["FARGATE"] })).await;
        cluster.update(json!({ "capacity_providers": null })).await;
        cluster.shows(json!({ "capacity_providers": [] })).await;
        let clients = aws.clients(REGION);
        let insights = ClusterSetting::builder().name("containerInsights".into()).value("enabled").build();
        clients.ecs().update_cluster().cluster("social").settings(insights).send().await.unwrap();
        cluster.shows(json!({ "container_insights": "enabled" })).await;
        cluster.end().await;
    }
}

/// What is not ours of a cluster survives our changes.
#[tokio::test]
async fn a_default_strategy_stays() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = json!({ "name": "social", "capacity_providers": ["FARGATE", "FARGATE_SPOT"] });
    let mut cluster = Life::of("ecs.cluster").create(&aws, attributes).await;
    let clients = aws.clients(REGION);
    let item = |provider: &str| {
        aws_sdk_ecs::types::CapacityProviderStrategyItem::builder().capacity_provider(provider).build().unwrap()
    };
    let by_hand = clients.ecs().put_cluster_capacity_providers().cluster("social");
    let by_hand = by_hand.capacity_providers("FARGATE").capacity_providers("FARGATE_SPOT");
    let by_hand = by_hand.default_capacity_provider_strategy(item("FARGATE"));
    by_hand.default_capacity_provider_strategy(item("FARGATE_SPOT")).send().await.unwrap();
    cluster.update(json!({ "capacity_providers": ["FARGATE"] })).await;
    let answer = clients.ecs().describe_clusters().clusters("social").send().await.unwrap();
    let strategy = answer.clusters()[0].default_capacity_provider_strategy();
    assert_eq!(strategy.iter().map(|item| item.capacity_provider()).collect::<Vec<_>>(), ["FARGATE"]);
}

#[tokio::test]
async fn a_cluster_of_somebody_else_is_not_taken() {
    let moto = moto::start();
    let aws = moto.aws();
    aws.clients(REGION).ecs().create_cluster().cluster_name("social").send().await.unwrap();
    let creation = creation(&type_of("ecs.cluster"), REGION, json!({ "name": "social" }));
    assert_eq!(aws.find(&creation).await.unwrap(), []);
    assert_error(aws.create(&creation).await, ErrorKind::Conflict, "ecs:CreateCluster");
}

pub(super) fn mastodon() -> serde_json::Value {
    json!({
        "family": "social",
        "requires_compatibilities": ["FARGATE"],
        "network_mode": "awsvpc",
        "cpu": 512,
        "memory": 1024,
        "cpu_architecture": "ARM64",
        "execution_role_arn": "arn:aws:iam::123456789012:role/social-execution",
        "task_role_arn": "arn:aws:iam::123456789012:role/social-tasks",
        "containers": [
            {
                "name": "web",
                "image": "ghcr.io/mastodon/mastodon:v4.5.0",
                "essential": true,
                "command": ["bundle", "exec", "puma"],
                "cpu": 256,
                "memory": 768,
                "environment": { "LOCAL_DOMAIN": "social.example", "S3_PERMISSION": "" },
                "secrets": { "DB_PASS": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:social:password::" },
                "stop_timeout": 60,
                "init_process": true,
                "log": {
                    "driver": "awslogs", "group": "/social", "group_region": REGION, "stream_prefix": "mastodon",
                },
                "port_mappings": [{ "container_port": 3000, "protocol": "tcp" }],
                "health_check": {
                    "command": ["CMD-SHELL", "true"],
                    "interval": 30, "timeout": 10, "retries": 3, "start_period": 120,
                },
            },
            {
                "name": "psql",
                "image": "postgres:17",
                "memory_reservation": 128,
                "labels": { "mastoform.secrets": "0123456789abcdef" },
                "essential": false,
            },
        ],
    })
}

#[tokio::test]
async fn a_task_definition_lives() {
    for emulator in [moto::start(), ministack::start()] {
        let aws = emulator.aws();
        let mut definition = Life::of("ecs.task_definition").repeats().create(&aws, mastodon()).await;
        assert!(definition.identity().ends_with("task-definition/social:1"), "{}", definition.identity());
        definition.update(json!({ "cpu": 512 })).await;
        definition.end().await;
    }
}

/// The next revision carries the same ownership tags as the one it replaces.
#[tokio::test]
async fn revisions_are_told_apart() {
    for emulator in [moto::start(), ministack::start()] {
        let aws = emulator.aws();
        let first = creation(&type_of("ecs.task_definition"), REGION, mastodon());
        let mut second = first.clone();
        second.token = "f".repeat(32);
        second.attributes.set(&["memory"], Tree::Integer(2048));
        let one = aws.create(&first).await.unwrap().identity;
        assert_eq!(aws.find(&second).await.unwrap(), []);
        let two = aws.create(&second).await.unwrap();
        assert_eq!(two.attributes.get("revision"), Some(&Value::Integer(2)));
        assert_eq!(aws.find(&first).await.unwrap(), [one]);
        assert_eq!(aws.find(&second).await.unwrap(), [two.identity]);
    }
}

struct Neighbours {
    first: String,
    second: String,
    target_group: &'static str,
}

/// What a service refers to. Emulators do not look at the target group.
async fn neighbours(aws: &Aws) -> Neighbours {
    make(aws, "ecs.cluster", json!({ "name": "social", "capacity_providers": ["FARGATE", "FARGATE_SPOT"] })).await;
    let first = creation(&type_of("ecs.task_definition"), REGION, mastodon());
    let mut second = first.clone();
    second.token = "f".repeat(32);
    Neighbours {
        first: aws.create(&first).await.unwrap().identity.0,
        second: aws.create(&second).await.unwrap().identity.0,
        target_group: "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/social-web/0123456789abcdef",
    }
}

async fn service(aws: &Aws, task_definition: &str, target_group: &str) -> serde_json::Value {
    let group = json!({ "group_name": "tasks", "description": "tasks", "vpc_id": default_vpc(aws).await });
    json!({
        "name": "social",
        "cluster": "social",
        "task_definition": task_definition,
        "desired_count": 1,
        "network": {
            "subnets": default_subnets(aws).await,
            "security_groups": [make(aws, "ec2.security_group", group).await],
            "assign_public_ip": true,
        },
        "enable_execute_command": true,
        "deployment": {
            "minimum_healthy_percent": 0, "maximum_percent": 100, "circuit_breaker": true, "rollback": true,
        },
        "health_check_grace_period_seconds": 120,
        "availability_zone_rebalancing": "DISABLED",
        "platform_version": "LATEST",
        "capacity_provider_strategy": [{ "capacity_provider": "FARGATE", "weight": 1 }],
        "load_balancers": [{ "container_name": "web", "container_port": 3000, "target_group_arn": target_group }],
    })
}

#[tokio::test]
async fn a_service_lives() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let Neighbours { first, second, target_group } = neighbours(&aws).await;
    let attributes = service(&aws, &first, target_group).await;
    // ministack does not know it.
    let story = Life::of("ecs.service").gap("availability_zone_rebalancing").repeats();
    let mut service = story.create(&aws, attributes).await;
    service.shows(json!({ "rollout": "COMPLETED" })).await;
    service.update(json!({ "task_definition": second })).await;
    service.shows(json!({ "rollout": "COMPLETED" })).await;
    service.update(json!({ "desired_count": 2, "enable_execute_command": false })).await;
    let spot = json!([{ "capacity_provider": "FARGATE_SPOT", "weight": 1 }]);
    service.update(json!({ "capacity_provider_strategy": spot })).await;
    service.update(json!({ "deployment": { "maximum_percent": 200 } })).await;
    let whole = json!({ "minimum_healthy_percent": 100, "maximum_percent": 200, "circuit_breaker": false });
    service.shows(json!({ "deployment": whole })).await;
    service.update(json!({ "load_balancers": null, "health_check_grace_period_seconds": null })).await;
    service.shows(json!({ "load_balancers": [] })).await;
    let clients = aws.clients(REGION);
    let by_hand = clients.ecs().update_service().cluster("social").service("social");
    by_hand.desired_count(0).send().await.unwrap();
    service.shows(json!({ "desired_count": 0 })).await;
    service.end().await;
}

/// moto keeps less of a service than ministack, but refuses networks that do not exist.
#[tokio::test]
async fn a_service_lives_in_moto() {
    let moto = moto::start();
    let aws = moto.aws();
    let Neighbours { first, second, target_group } = neighbours(&aws).await;
    let mut attributes = service(&aws, &first, target_group).await;
    attributes["propagate_tags"] = json!("SERVICE");
    let story = Life::of("ecs.service")
        // moto drops them when a service is created.
        .gap("availability_zone_rebalancing")
        .gap("capacity_provider_strategy")
        .gap("deployment")
        .gap("enable_execute_command")
        .gap("health_check_grace_period_seconds")
        .repeats();
    let mut service = story.create(&aws, attributes).await;
    service.shows(json!({ "rollout": "COMPLETED" })).await;
    service.update(json!({ "task_definition": second })).await;
    service.update(json!({ "propagate_tags": null })).await;
    service.update(json!({ "desired_count": 2 })).await;
    service.end().await;
}

#[tokio::test]
async fn a_service_of_somebody_else_is_not_taken() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let Neighbours { first, target_group, .. } = neighbours(&aws).await;
    let clients = aws.clients(REGION);
    let theirs = clients.ecs().create_service().cluster("social").service_name("social").task_definition(&first);
    theirs.desired_count(0).send().await.unwrap();
    let creation = creation(&type_of("ecs.service"), REGION, service(&aws, &first, target_group).await);
    assert_eq!(aws.find(&creation).await.unwrap(), []);
    assert_error(aws.create(&creation).await, ErrorKind::Conflict, "ecs:CreateService");
}

/// Only a deployment waits for good health: tasks that come back after there were none get one.
#[tokio::test]
async fn tasks_that_come_back_come_in_a_deployment() {
    let answered = Loopback::start(|_| {
        let kind = "Content-Type: application/x-amz-json-1.1\r\nConnection: close\r\n";
        Reply::Text(format!("HTTP/1.1 200 OK\r\n{kind}Content-Length: 2\r\n\r\n{{}}"))
    });
    let aws = moto::start().at(format!("http://127.0.0.1:{}", answered.port)).aws();
    for (before, after, forces) in [(0, 1, true), (1, 0, false), (1, 2, false)] {
        let attributes = |count: i64| json!({ "cluster": "social", "name": "social", "desired_count": count });
        let creation = creation(&type_of("ecs.service"), REGION, attributes(after));
        let recorded = Value::from_json(&attributes(before));
        let target = Target { recorded, ..target_of(&creation, &Identity::new("social|social")) };
        let changed = vec!["desired_count".to_owned()];
        aws.update(&Update { target, desired: creation.attributes, changed }).await.expect("an update");
        let asked = answered.heads().last().and_then(|request| request.lines().last().map(str::to_owned));
        let asked: serde_json::Value = serde_json::from_str(&asked.expect("a body")).expect("JSON");
        assert_eq!(asked["desiredCount"], json!(after));
        assert_eq!(asked["forceNewDeployment"] == json!(true), forces, "{before} to {after}: {asked}");
    }
}

/// The first request of a creation can have no predecessor, so it makes a revision at once. A repeated one looks first.
#[tokio::test]
async fn only_a_repeated_registration_looks_for_the_first() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = json!({
        "family": "social", "containers": [{ "name": "web", "image": "ghcr.io/mastodon/mastodon:v4.7.6", "memory": 512 }],
    });
    let mut wanted = creation(&type_of("ecs.task_definition"), REGION, attributes);
    wanted.attempt.is_first = true;
    let first = aws.create(&wanted).await.unwrap();
    let operations: Vec<String> = aws.calls().snapshot().into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["ecs:RegisterTaskDefinition"]);
    wanted.attempt.is_first = false;
    assert_eq!(aws.create(&wanted).await.unwrap().identity, first.identity);
}

/// As after a failed deployment: the service runs an older revision than the one that was asked for.
#[tokio::test]
async fn going_back_to_an_older_revision_is_a_failure() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let Neighbours { first, second, target_group } = neighbours(&aws).await;
    let attributes = service(&aws, &second, target_group).await;
    let service = Life::of("ecs.service").gap("availability_zone_rebalancing").create(&aws, attributes).await;
    let clients = aws.clients(REGION);
    let back = clients.ecs().update_service().cluster("social").service("social").task_definition(&first);
    back.send().await.unwrap();
    service.shows(json!({ "task_definition": first, "rollout": "FAILED" })).await;
}

#[tokio::test]
async fn services_without_their_cluster_are_gone() {
    let moto = moto::start();
    let aws = moto.aws();
    make(&aws, "ecs.cluster", json!({ "name": "social" })).await;
    let targets: Vec<Target> = (0..12)
        .map(|number| {
            let mut address = creation(&type_of("ecs.service"), REGION, json!({})).address;
            address.key = Some(number.to_string());
            let cluster = if number == 0 { "nowhere" } else { "social" };
            let identity = mastoform::address::Identity::new(format!("{cluster}|service-{number}"));
            Target { address, region: REGION.to_owned(), identity, recorded: Value::Null, owner: None }
        })
        .collect();
    let observations = aws.observe(&targets).await;
    assert_eq!(observations.len(), 12);
    assert!(observations.values().all(|observation| matches!(observation, Observation::Gone)), "{observations:?}");
}

/// A program with its network, as the blueprint makes it.
async fn program(aws: &Aws, command: &[&str]) -> serde_json::Value {
    make(aws, "ecs.cluster", json!({ "name": "social", "capacity_providers": ["FARGATE"] })).await;
    let definition = json!({
        "family": "social-job", "requires_compatibilities": ["FARGATE"], "network_mode": "awsvpc",
        "cpu": 256, "memory": 512, "cpu_architecture": "X86_64",
        "containers": [{ "name": "job", "image": "ghcr.io/mastodon/mastodon:v4.7.6", "memory": 512 }],
    });
    let group = json!({ "group_name": "jobs", "description": "Jobs", "vpc_id": default_vpc(aws).await });
    json!({
        "cluster": "social",
        "task_definition": make(aws, "ecs.task_definition", definition).await,
        "container": "job",
        "command": command,
        "environment": { "SKIP_POST_DEPLOYMENT_MIGRATIONS": "true" },
        "network": {
            "subnets": default_subnets(aws).await,
            "security_groups": [make(aws, "ec2.security_group", group).await],
            "assign_public_ip": true,
        },
        "log_group": "/mastodon/social",
        "log_prefix": "job",
        "triggers": { "image": "a" },
    })
}

async fn shown(aws: &Aws, target: &Target) -> Value {
    match aws.observe(std::slice::from_ref(target)).await.remove(&target.address) {
        Some(Observation::Found(observed)) => observed.attributes,
        other => panic!("{other:?}"),
    }
}

/// The tasks of moto end because a test lets them: see `tests/support/moto_additions.py`.
#[tokio::test]
async fn a_program_runs_once_and_says_how_it_ended() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = program(&aws, &["exit", "3"]).await;
    let wanted = creation(&type_of("ecs.run"), REGION, attributes.clone());
    let made = aws.create(&wanted).await.unwrap();
    let again = aws.create(&wanted).await.expect("a lost answer is asked for again");
    assert_eq!(again.identity, made.identity, "and starts no second task");
    assert_eq!(aws.find(&wanted).await.unwrap(), std::slice::from_ref(&made.identity));
    let other = Creation { token: "another".to_owned(), ..wanted.clone() };
    assert_eq!(aws.find(&other).await.unwrap(), [], "what an earlier run has started is not found");

    let stream = format!("job/job/{}", made.identity.as_str().rsplit('/').next().unwrap());
    let logs = aws.clients(REGION);
    logs.logs().create_log_group().log_group_name("/mastodon/social").send().await.unwrap();
    logs.logs().create_log_stream().log_group_name("/mastodon/social").log_stream_name(&stream).send().await.unwrap();
    let now = jiff::Timestamp::now().as_millisecond();
    let event = |text: &str, at: i64| {
        aws_sdk_cloudwatchlogs::types::InputLogEvent::builder().message(text).timestamp(now + at).build().unwrap()
    };
    let lines = logs.logs().put_log_events().log_group_name("/mastodon/social").log_stream_name(&stream);
    lines.log_events(event("first", 0)).log_events(event("PG::Error: no", 1)).send().await.unwrap();

    let target = Target {
        address: wanted.address.clone(),
        region: REGION.to_owned(),
        identity: made.identity.clone(),
        recorded: Value::from_json(&attributes),
        owner: None,
    };
    is_its_owners_alone(&aws, &target).await;
    let ended = shown(&aws, &target).await;
    assert_eq!(ended.get("outcome"), Some(&"FAILED".into()));
    assert_eq!(ended.get("exit_code"), Some(&Value::Integer(3)));
    assert_eq!(ended.get("outcome_reason"), Some(&"the program ended with 3\nfirst\nPG::Error: no".into()));
    let printed = aws.printed(&target, None).await.unwrap();
    assert_eq!(printed.lines, ["first", "PG::Error: no"]);
    assert_eq!(aws.printed(&target, printed.next.as_deref()).await.unwrap().lines, [""; 0]);
    // One that has ended keeps nobody from running the next.
    assert_ne!(aws.create(&other).await.unwrap().identity, made.identity);
}

#[tokio::test]
async fn a_program_runs_on_fargate_and_can_be_stopped() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = program(&aws, &["bin/tootctl", "version"]).await;
    let wanted = creation(&type_of("ecs.run"), REGION, attributes);
    let clients = aws.clients(REGION);
    let made = aws.create(&wanted).await.unwrap();
    let described =
        clients.ecs().describe_tasks().cluster("social").tasks(made.identity.as_str()).send().await.unwrap();
    assert_eq!(described.tasks()[0].started_by(), Some(wanted.token.as_str()));
    assert_eq!(described.tasks()[0].launch_type(), Some(&"FARGATE".into()), "never on spare capacity");
    assert_eq!(described.tasks()[0].containers()[0].exit_code(), Some(0));
    assert_eq!(aws.delete(&target_of(&wanted, &made.identity)).await.unwrap(), Deletion::Accepted);
}

/// Answers as ECS does, one call per connection. moto opens no sessions.
fn executing(agent: &'static str, status: &'static str) -> Loopback {
    Loopback::start(move |request| {
        let answer = if request.contains("AmazonEC2ContainerServiceV20141113.ExecuteCommand") {
            json!({ "session": { "sessionId": "s-1", "streamUrl": "wss://ssmmessages.example/", "tokenValue": "a-token" } })
        } else {
            json!({ "tasks": [{
                "taskArn": TASK, "lastStatus": status, "stoppedReason": "the host has gone",
                "containers": [{
                    "name": "psql", "runtimeId": "0123-456",
                    "managedAgents": [{ "name": "ExecuteCommandAgent", "lastStatus": agent }],
                }],
            }] })
        };
        let body = answer.to_string();
        let kind = "Content-Type: application/x-amz-json-1.1\r\nConnection: close\r\n";
        Reply::Text(format!("HTTP/1.1 200 OK\r\n{kind}Content-Length: {}\r\n\r\n{body}", body.len()))
    })
}

const TASK: &str = "arn:aws:ecs:eu-central-1:123456789012:task/social/0123456789abcdef";

/// The Session Manager plugin is told what the AWS command line tells it.
#[tokio::test]
async fn a_session_is_opened_in_a_task_whose_agent_runs() {
    let target = |name: &str| {
        let address = creation(&type_of("ecs.run"), REGION, json!({})).address;
        let recorded = Value::from_json(&json!({ "container": name }));
        Target { address, region: REGION.to_owned(), identity: Identity::new(TASK), recorded, owner: None }
    };
    let server = executing("RUNNING", "RUNNING");
    let aws = moto::start().at(format!("http://127.0.0.1:{}", server.port)).aws();
    let arguments = aws.open(&target("psql"), "psql").await.expect("opened");
    assert_eq!(format!("{arguments:?}"), "[***, ***, ***, ***, ***, ***]", "the token is a secret");
    let words: Vec<&str> = arguments.iter().map(|argument| argument.reveal()).collect();
    let session = r#"{"sessionId":"s-1","streamUrl":"wss://ssmmessages.example/","tokenValue":"a-token"}"#;
    let container = r#"{"Target":"ecs:social_0123456789abcdef_0123-456"}"#;
    let endpoint = "https://ecs.eu-central-1.amazonaws.com";
    assert_eq!(words, [session, REGION, "StartSession", "", container, endpoint]);
    let requests = server.heads();
    let asked = requests.last().and_then(|request| request.lines().last()).expect("a body");
    let asked: serde_json::Value = serde_json::from_str(asked).expect("JSON");
    let wanted =
        json!({ "cluster": "social", "task": TASK, "container": "psql", "interactive": true, "command": "psql" });
    assert_eq!(asked, wanted);

    for (agent, status, kind, says) in [
        ("PENDING", "RUNNING", ErrorKind::NotYet, "the task is starting"),
        ("PENDING", "PROVISIONING", ErrorKind::NotYet, "the task is starting"),
        ("STOPPED", "STOPPED", ErrorKind::Invalid, "the program never came to its end: the host has gone"),
        ("STOPPED", "DEPROVISIONING", ErrorKind::Invalid, "the task has ended"),
    ] {
        let server = executing(agent, status);
        let aws = moto::start().at(format!("http://127.0.0.1:{}", server.port)).aws();
        let error = aws.open(&target("psql"), "psql").await.expect_err("not open");
        assert_eq!((error.kind, error.message.as_str()), (kind, says), "{agent} {status}");
    }
}

fn target_of(creation: &Creation, identity: &Identity) -> Target {
    Target {
        address: creation.address.clone(),
        region: creation.region.clone(),
        identity: identity.clone(),
        recorded: Value::Null,
        owner: None,
    }
}
