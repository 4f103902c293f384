//! The whole example instance through the program, over HTTP: apply, nothing to do, a change, destroy, nothing left.

use std::path::Path;
use std::process::{Command, Output};

use aws_sdk_ecs::types::TaskDefinitionStatus;
use aws_sdk_iam::types::PolicyScopeType;
use mastoform::provider::aws::Aws;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::emulator::{Emulator, REGION};
use crate::support::instance::{EXAMPLE, example};
use crate::support::moto;

fn mastoform(emulator: &Emulator, folder: &Path, words: &[&str]) -> Output {
    program(emulator, folder, words).output().expect("the program runs")
}

/// The program in a folder, with the credentials of an account in an emulator and nothing else.
pub fn program(emulator: &Emulator, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mastoform"));
    command
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("NO_COLOR", "1")
        .envs(emulator.environment());
    command
}

/// A `mastodon.toml` with secrets of the account and a bucket of its own: the names of buckets are the same for everybody.
pub fn own(emulator: &Emulator, text: &str) -> String {
    own_with(emulator, text, "media")
}

/// The same with another bucket. Nothing of a test is looked up in DNS.
pub fn own_with(emulator: &Emulator, text: &str, bucket: &str) -> String {
    let account = emulator.account();
    format!(
        "{}\n[media]\nbucket = \"{bucket}-of-{account}\"\n[dns]\ncheck = false\n",
        text.replace("123456789012", account)
    )
}

/// Everything it said, for a failing test.
pub fn said(output: &Output) -> String {
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An account in which the example can be brought up, and a folder with its file.
pub fn ready(emulator: &Emulator) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs_err::write(folder.path().join("mastodon.toml"), own(emulator, EXAMPLE)).expect("written");
    folder
}

/// What can be found in the account by names that begin with the instance's.
pub async fn left(aws: &Aws) -> Vec<String> {
    left_in(aws, REGION).await
}

async fn left_in(aws: &Aws, region: &str) -> Vec<String> {
    let clients = aws.clients(region);
    let mut found = Vec::new();
    let groups = clients.ec2().describe_security_groups().send().await.expect("groups");
    found.extend(groups.security_groups().iter().filter_map(|group| group.group_name()).map(str::to_owned));
    found.retain(|name| name != "default");
    for place in [region, "us-east-1"] {
        let listed = aws.clients(place).acm().list_certificates().send().await.expect("certificates");
        let names = listed.certificate_summary_list().iter().filter_map(|one| one.domain_name());
        found.extend(names.map(|name| format!("certificate {name}")));
    }
    let clusters = clients.rds().describe_db_clusters().send().await.expect("clusters");
    found.extend(clusters.db_clusters().iter().filter_map(|one| one.db_cluster_identifier()).map(str::to_owned));
    let instances = clients.rds().describe_db_instances().send().await.expect("instances");
    found.extend(instances.db_instances().iter().filter_map(|one| one.db_instance_identifier()).map(str::to_owned));
    let rules = clients.ec2().describe_security_group_rules().send().await.expect("rules");
    let ours = rules.security_group_rules().iter().filter(|rule| !rule.tags().is_empty());
    found.extend(ours.map(|rule| {
        // What a rule is, without what the account made up: a second one like it is seen.
        let ports = (rule.from_port(), rule.to_port(), rule.is_egress());
        format!("rule {ports:?} {:?} {}", rule.cidr_ipv4(), rule.description().unwrap_or_default())
    }));
    let balancers = clients.elb().describe_load_balancers().send().await.expect("load balancers");
    found.extend(balancers.load_balancers().iter().filter_map(|one| one.load_balancer_name()).map(str::to_owned));
    for balancer in balancers.load_balancers() {
        let arn = balancer.load_balancer_arn().unwrap_or_default();
        let listeners = clients.elb().describe_listeners().load_balancer_arn(arn).send().await.expect("listeners");
        found.extend(listeners.listeners().iter().map(|listener| format!("listener {:?}", listener.port())));
    }
    let targets = clients.elb().describe_target_groups().send().await.expect("target groups");
    found.extend(targets.target_groups().iter().filter_map(|one| one.target_group_name()).map(str::to_owned));
    let services = clients.ecs().list_clusters().send().await.expect("clusters");
    for arn in services.cluster_arns() {
        let described = clients.ecs().describe_clusters().clusters(arn).send().await.expect("a cluster");
        let alive = described.clusters().iter().filter(|cluster| cluster.status() != Some("INACTIVE"));
        found.extend(alive.filter_map(|cluster| cluster.cluster_name()).map(str::to_owned));
    }
    let definitions = clients.ecs().list_task_definitions();
    let active = definitions.status(TaskDefinitionStatus::Active).send().await.expect("task definitions");
    // Revisions are counted from the first one the account ever had.
    let family = |arn: &String| arn.rsplit('/').next().and_then(|name| name.split(':').next()).map(str::to_owned);
    found.extend(active.task_definition_arns().iter().filter_map(family));
    let policies = clients.iam().list_policies().scope(PolicyScopeType::Local).send().await.expect("policies");
    found.extend(policies.policies().iter().filter_map(|policy| policy.policy_name()).map(str::to_owned));
    let roles = clients.iam().list_roles().send().await.expect("roles");
    let ours = roles.roles().iter().map(|role| role.role_name()).filter(|name| name.starts_with("social"));
    found.extend(ours.map(str::to_owned));
    let buckets = clients.s3().list_buckets().send().await.expect("buckets");
    found.extend(
        buckets.buckets().iter().filter_map(|bucket| bucket.name()?.rsplit_once('-')).map(|(kind, _)| kind.to_owned()),
    );
    let secrets = clients.secretsmanager().list_secrets().send().await.expect("secrets");
    found.extend(secrets.secret_list().iter().filter_map(|secret| secret.name()).map(str::to_owned));
    // The emulator's pages have ten.
    let mut pages = clients.ssm().describe_parameters().into_paginator().send();
    while let Some(page) = pages.next().await {
        found.extend(page.expect("parameters").parameters().iter().filter_map(|one| one.name()).map(str::to_owned));
    }
    // One that waits for its deletion is gone as far as AWS lets it be.
    let keys = clients.kms().list_keys().send().await.expect("keys");
    for id in keys.keys().iter().filter_map(|key| key.key_id()) {
        let key = clients.kms().describe_key().key_id(id).send().await.expect("a key").key_metadata.expect("a key");
        found.extend(key.deletion_date.is_none().then(|| format!("key {:?}", key.description)));
    }
    let logs = clients.logs().describe_log_groups().send().await.expect("log groups");
    found.extend(logs.log_groups().iter().filter_map(|group| group.log_group_name()).map(str::to_owned));
    let distributions = clients.cloudfront().list_distributions().send().await.expect("distributions");
    let list = distributions.distribution_list();
    found.extend(
        list.into_iter()
            .flat_map(|list| list.items())
            .map(|distribution| format!("distribution {:?}", distribution.comment())),
    );
    let controls = clients.cloudfront().list_origin_access_controls().send().await.expect("access controls");
    let list = controls.origin_access_control_list();
    found.extend(list.into_iter().flat_map(|list| list.items()).map(|control| control.name().to_owned()));
    let policies = clients.cloudfront().list_response_headers_policies().send().await.expect("headers policies");
    let list = policies.response_headers_policy_list();
    found.extend(
        list.into_iter()
            .flat_map(|list| list.items())
            .filter_map(|summary| summary.response_headers_policy()?.response_headers_policy_config())
            .map(|config| format!("headers policy {}", config.name())),
    );
    // moto never lets go of a replication group it deletes.
    let groups = clients.elasticache().describe_replication_groups().send().await.expect("replication groups");
    let alive = groups.replication_groups().iter().filter(|group| group.status() != Some("deleting"));
    found.extend(alive.filter_map(|group| group.replication_group_id()).map(str::to_owned));
    found.sort();
    found
}

#[tokio::test]
async fn the_example_comes_up_changes_and_goes_without_a_trace() {
    let emulator = moto::start();
    let aws = emulator.aws();
    let folder = ready(&emulator);
    let file = folder.path().join("mastodon.toml");

    let applied = mastoform(&emulator, folder.path(), &["apply", "--yes"]);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));
    assert!(text(&applied.stdout).contains("Plan: 73 to create"), "{}", text(&applied.stdout));
    assert!(left(&aws).await.len() > 20, "the account is full of it");

    let again = mastoform(&emulator, folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));

    // AWS reports that all of it works; the domain is nobody's, so nobody answers.
    let status = mastoform(&emulator, folder.path(), &["status", "--json"]);
    assert_eq!(status.status.code(), Some(1), "{}", said(&status));
    let status: Json =
        serde_json::from_slice(&status.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&status)));
    let healths = |list: &str| -> Vec<Json> {
        status[list].as_array().expect("a list").iter().map(|found| found["health"].clone()).collect()
    };
    assert_eq!((&status["unread"], healths("resources")), (&Json::Null, vec![Json::from("good"); 14]), "{status}");
    let mut probes = healths("probes");
    probes.retain(|health| health != "unasked");
    assert_eq!(probes, vec![Json::from("bad"); 8], "{status}");

    for (mode, summary) in [
        ("debug", "Plan: 1 to create, 2 to update, 1 to replace, 1 to delete (1 replaced)"),
        ("maintenance", "Plan: 0 to create, 2 to update, 1 to replace, 1 to delete (1 replaced)"),
    ] {
        let edited = example(&[(r#"run_mode = "production""#, &format!(r#"run_mode = "{mode}""#))]);
        fs_err::write(&file, own(&emulator, &edited)).expect("written");
        let changed = mastoform(&emulator, folder.path(), &["apply", "--yes"]);
        assert_eq!(changed.status.code(), Some(0), "{}", said(&changed));
        assert!(text(&changed.stdout).contains(summary), "{}", text(&changed.stdout));
    }

    let verbose = mastoform(&emulator, folder.path(), &["destroy", "--confirm", "social", "-vv"]);
    assert_eq!(verbose.status.code(), Some(0), "{}", said(&verbose));
    assert_eq!(left(&aws).await, Vec::<String>::new());
    let snapshots = aws.clients(REGION).rds().describe_db_cluster_snapshots().send().await.expect("snapshots");
    assert!(!snapshots.db_cluster_snapshots().is_empty(), "the last snapshot stays");
}

/// IAM and CloudFront are the same for all regions of an account.
#[tokio::test]
async fn two_instances_of_one_name_live_and_die_in_two_regions() {
    const OTHER: &str = "us-west-2";
    let emulator = moto::start();
    let aws = emulator.aws();
    let first = ready(&emulator);
    let second = tempfile::tempdir().expect("a folder");
    let text = example(&[(REGION, OTHER), ("social.example.org", "social.example.net")]);
    fs_err::write(second.path().join("mastodon.toml"), own_with(&emulator, &text, "elsewhere")).expect("written");
    let run = |folder: &TempDir, words: &[&str]| {
        let output = mastoform(&emulator, folder.path(), words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
    };
    run(&first, &["apply", "--yes"]);
    run(&second, &["apply", "--yes"]);
    run(&first, &["plan", "--detailed-exitcode"]);
    run(&second, &["plan", "--detailed-exitcode"]);
    run(&first, &["destroy", "--confirm", "social"]);
    run(&second, &["plan", "--detailed-exitcode"]);
    run(&second, &["destroy", "--confirm", "social"]);
    assert_eq!(left_in(&aws, REGION).await, Vec::<String>::new());
    assert_eq!(left_in(&aws, OTHER).await, Vec::<String>::new());
}
