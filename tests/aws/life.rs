//! The whole life of an instance with everything on that an account has to do with: a zone of its own, certificates that are
//! requested, mail by SES, jobs, the owner, an upgrade by a patch and one by a minor version, and its end.
//!
//! moto issues every certificate and finds every record at once, runs no program, and looks into no DNS: nobody enters name
//! servers here. What it lacks of SES, of tasks that end and of references of zones is in
//! `tests/support/moto_additions.py`.

use std::path::Path;
use std::process::Output;

use aws_sdk_acm::types::CertificateStatus;
use mastoform::provider::aws::Aws;
use serde_json::Value as Json;

use super::whole::{left, own, program, said};
use crate::support::emulator::{Emulator, REGION};
use crate::support::instance::{EXAMPLE, example};
use crate::support::moto;

/// A file with everything on.
fn file(emulator: &Emulator, version: &str) -> String {
    let credentials = EXAMPLE.lines().find(|line| line.starts_with("credentials")).expect("a setting of mail");
    let mail = "provider = \"ses\"\nverified_addresses = [\"ada@example.org\"]\nproduction_access = true";
    let owner = "[owner]\nname = \"Ada\"\nemail = \"ada@example.org\"\n\n[database]";
    let name = format!("version = \"{version}\"\nregistrations = \"approved\"\nname   = ");
    let text = example(&[(credentials, mail), ("[database]", owner), ("name   = ", &name)]);
    // It ends with the table of DNS.
    format!("{}provider = \"route53\"\ncreate_zone = true\n", own(emulator, &text))
}

/// The program, with what it called, in order.
fn run(emulator: &Emulator, folder: &Path, words: &[&str], code: i32) -> (Output, Vec<String>) {
    let trace = folder.join("trace.jsonl");
    let _ = fs_err::remove_file(&trace);
    let output = program(emulator, folder, words).arg("--trace").arg(&trace).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", said(&output));
    let lines = fs_err::read_to_string(&trace).unwrap_or_default();
    let call = |line: &str| {
        let call: Json = serde_json::from_str(line).expect("a line of JSON");
        call["operation"].as_str().expect("an operation").to_owned()
    };
    (output, lines.lines().map(call).collect())
}

/// The commands of all tasks that have run in the cluster by themselves.
async fn commands(aws: &Aws) -> Vec<String> {
    let clients = aws.clients(REGION);
    let mut commands = Vec::new();
    for status in ["RUNNING", "STOPPED"] {
        let listed = clients.ecs().list_tasks().cluster("social").desired_status(status.into()).send().await;
        let arns = listed.expect("tasks").task_arns.unwrap_or_default();
        if arns.is_empty() {
            continue;
        }
        let tasks = clients.ecs().describe_tasks().cluster("social").set_tasks(Some(arns)).send().await.expect("tasks");
        for task in tasks.tasks() {
            let containers = task.overrides().map(|overrides| overrides.container_overrides()).unwrap_or_default();
            commands.extend(containers.iter().map(|container| container.command().join(" ")));
        }
    }
    commands
}

/// How many of these commands have this in them.
fn count(commands: &[String], part: &str) -> usize {
    commands.iter().filter(|command| command.contains(part)).count()
}

/// Whatever SES, Route 53 and IAM have of the instance: `left` has the rest.
async fn left_of_mail_and_names(aws: &Aws) -> Vec<String> {
    let clients = aws.clients(REGION);
    let zones = clients.route53().list_hosted_zones().send().await.expect("zones").hosted_zones;
    let users = clients.iam().list_users().send().await.expect("users").users;
    let mut found: Vec<String> = zones.iter().map(|zone| format!("zone {}", zone.name())).collect();
    found.extend(users.iter().map(|user| format!("user {}", user.user_name())));
    for name in ["social.example.org", "ada@example.org"] {
        let identity = clients.ses().get_email_identity().email_identity(name).send().await;
        found.extend(identity.is_ok().then(|| format!("identity {name}")));
    }
    let set = clients.ses().get_configuration_set().configuration_set_name("social-mail").send().await;
    found.extend(set.is_ok().then(|| "configuration set".to_owned()));
    found
}

#[tokio::test]
async fn everything_at_once_comes_up_is_upgraded_and_goes_but_for_what_must_stay() {
    let emulator = moto::start();
    let aws = emulator.aws();
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let settings = folder.join("mastodon.toml");
    fs_err::write(&settings, file(&emulator, "v4.6.5")).expect("written");

    // One apply, and everything is there.
    let (applied, calls) = run(&emulator, folder, &["apply", "--yes"], 0);
    assert!(!calls.contains(&"rds:CreateDBClusterSnapshot".to_owned()), "nothing is upgraded: {}", said(&applied));
    let clients = aws.clients(REGION);
    let zones = clients.route53().list_hosted_zones().send().await.expect("zones").hosted_zones;
    let [zone] = &zones[..] else { panic!("{zones:?}") };
    let records =
        clients.route53().list_resource_record_sets().hosted_zone_id(zone.id()).send().await.expect("records");
    let records: Vec<String> =
        records.resource_record_sets.iter().map(|set| format!("{} {}", set.name(), set.r#type().as_str())).collect();
    for record in ["social.example.org. A", "media.social.example.org. AAAA", "bounce.social.example.org. MX"] {
        assert!(records.contains(&record.to_owned()), "{record}: {records:?}");
    }
    for region in [REGION, "us-east-1"] {
        let listed = aws.clients(region).acm().list_certificates().send().await.expect("certificates");
        let statuses: Vec<_> = listed.certificate_summary_list().iter().map(|one| one.status().cloned()).collect();
        assert_eq!(statuses, [Some(CertificateStatus::Issued)], "{region}");
    }
    let identity = clients.ses().get_email_identity().email_identity("social.example.org").send().await.expect("one");
    assert!(identity.verified_for_sending_status());
    let ran = commands(&aws).await;
    assert_eq!(count(&ran, "db:prepare"), 1, "{ran:?}");
    assert_eq!(count(&ran, "tootctl accounts create"), 1, "{ran:?}");
    assert_eq!(count(&ran, "registrations_mode"), 1, "{ran:?}");
    assert_eq!(ran.len(), 3, "{ran:?}");
    run(&emulator, folder, &["plan", "--detailed-exitcode"], 0);
    let (status, _) = run(&emulator, folder, &["status", "--json"], 1);
    let status: Json = serde_json::from_slice(&status.stdout).expect("JSON");
    let of =
        |name: &str| status["probes"].as_array().expect("a list").iter().find(|probe| probe["name"] == name).cloned();
    let mail = of("mail").expect("a probe");
    assert_eq!(mail["says"], "0 of 200 mails in 24 hours; reputation HEALTHY; out of the sandbox: false", "{mail}");
    assert_eq!((&mail["health"], &of("queues").expect("a probe")["health"]), (&"good".into(), &"unasked".into()));

    // The order of an upgrade, each step once.
    const ORDER: [&str; 4] = ["rds:CreateDBClusterSnapshot", "ecs:RunTask", "ecs:UpdateService", "ecs:RunTask"];
    for (number, version) in ["v4.6.6", "v4.7.6"].into_iter().enumerate() {
        fs_err::write(&settings, file(&emulator, version)).expect("written");
        let (_, calls) = run(&emulator, folder, &["apply", "--yes"], 0);
        let order: Vec<&str> = calls.iter().map(String::as_str).filter(|call| ORDER.contains(call)).collect();
        assert_eq!(order, ORDER, "{version}");
        let ran = commands(&aws).await;
        assert_eq!((count(&ran, "db:migrate"), ran.len()), (2 * (number + 1), 3 + 2 * (number + 1)), "{ran:?}");
        run(&emulator, folder, &["plan", "--detailed-exitcode"], 0);
    }
    fs_err::write(&settings, file(&emulator, "v4.6.6")).expect("written");
    let (lowered, calls) = run(&emulator, folder, &["apply", "--yes"], 1);
    assert!(said(&lowered).contains("it cannot go back to v4.6.6"), "{}", said(&lowered));
    assert!(!calls.iter().any(|call| ORDER.contains(&call.as_str())), "{calls:?}");
    fs_err::write(&settings, file(&emulator, "v4.7.6")).expect("written");

    // Nothing is left but what people have written, and what it takes to read it.
    run(&emulator, folder, &["destroy", "--confirm", "social"], 0);
    assert_eq!(left(&aws).await, [""; 0]);
    assert_eq!(left_of_mail_and_names(&aws).await, [""; 0]);
    let snapshots = clients.rds().describe_db_cluster_snapshots().send().await.expect("snapshots");
    let names = snapshots.db_cluster_snapshots().iter().filter_map(|one| one.db_cluster_snapshot_identifier());
    let (mut before, mut last) = (0, 0);
    for name in names {
        before += usize::from(name.starts_with("social-before-upgrade-"));
        last += usize::from(name.starts_with("social-database-final-"));
    }
    assert_eq!((before, last), (2, 1));
    let secrets = clients.secretsmanager().list_secrets().include_planned_deletion(true).send().await.expect("secrets");
    let encryption = secrets.secret_list().iter().find(|secret| secret.name() == Some("social/encryption"));
    let ends = encryption.and_then(|secret| secret.deleted_date()).expect("it can be had back").secs();
    let days = (ends - jiff::Timestamp::now().as_second()) / (24 * 60 * 60);
    assert!((29..=30).contains(&days), "its keys can be had back for {days} days");
}
