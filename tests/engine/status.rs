//! Whether a running instance works, as `status` finds it out: in a sandbox that answers as long as it has reason to.

use std::sync::Arc;
use std::time::Duration;

use mastoform::plan::resolve::{World, resolve};
use mastoform::plan::status::{Health, Report};
use mastoform::provider::sim::{Fault, Operation, Person, Rule, Subject};
use mastoform::provider::{ErrorKind, Provider, Silence, read_only};
use mastoform::session::status::{self, Found};
use mastoform::value::Value;
use serde_json::{Value as Json, json};

use super::completed;
use crate::support::instance::{EXAMPLE, Instance, Script, example};

/// What is found out about an instance, which the file describes.
async fn report(instance: &Instance, text: &str) -> Report {
    report_with(instance, text, None).await
}

/// The same with what jobs have found out.
async fn report_with(instance: &Instance, text: &str, jobs: Option<&Found>) -> Report {
    let Script { specs, config, evaluator } = &Script::read(&[], text).unwrap_or_else(|problems| panic!("{problems}"));
    let state = instance.state().expect("a state");
    let world = World { specs, config, lookups: &state.lookups, previous: &state.settings, evaluator };
    let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
    let provider: Arc<dyn Provider> = instance.sim.clone();
    let found = status::status(&read_only(&provider), &world, &graph, &state, jobs).await;
    found.unwrap_or_else(|error| panic!("{error}"))
}

/// Everything that is not good, but for what nobody has asked.
fn troubles(report: &Report) -> Vec<String> {
    let resources = report.resources.iter().filter(|found| found.health != Health::Good);
    let probes = report.probes.iter().filter(|found| ![Health::Good, Health::Unasked].contains(&found.health));
    let resources = resources.map(|found| format!("{}: {}", found.address, found.says));
    resources.chain(probes.map(|found| format!("{}: {}", found.name, found.says))).collect()
}

fn names(report: &Report) -> Vec<&str> {
    report.probes.iter().map(|probe| probe.name.as_str()).collect()
}

async fn living() -> Instance {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    instance.sim.clear_calls();
    instance
}

#[tokio::test]
async fn an_instance_that_was_applied_works_and_looking_changes_nothing() {
    let instance = living().await;
    let found = report(&instance, EXAMPLE).await;
    assert_eq!(troubles(&found), [""; 0]);
    assert!(found.is_good() && found.unread.is_none());
    let resources: Vec<String> = found.resources.iter().map(|found| found.address.to_string()).collect();
    for address in ["ecs.service.mastodon", "rds.cluster.database", "elasticache.replication_group.cache"] {
        assert!(resources.iter().any(|found| found == address), "{resources:?}");
    }
    assert!(
        resources.iter().all(|address| !address.starts_with("ecs.run.")),
        "what was done has no state: {resources:?}"
    );
    let probes =
        ["api", "web", "https", "webfinger", "streaming", "media", "queues", "web_certificate", "media_certificate"];
    assert_eq!(names(&found), probes);
    assert!(instance.sim.calls().iter().all(|call| call.operation == Operation::Observe));
}

#[tokio::test]
async fn the_version_that_runs_is_compared_with_the_one_of_the_file() {
    let instance = living().await;
    let newer = EXAMPLE.replacen("name   = ", "version = \"v4.7.7\"\nname   = ", 1);
    let found = report(&instance, &newer).await;
    assert_eq!(troubles(&found), ["api: version is v4.7.6 instead of v4.7.7"]);
    assert!(found.probes[0].hint.as_deref().is_some_and(|hint| hint.contains("aws logs tail /mastodon/social")));
    // A fork may count its versions as it likes.
    let fork = newer.replacen("name   = ", "image = \"ghcr.io/fork/mastodon:fork-7\"\nname   = ", 1);
    assert_eq!(troubles(&report(&instance, &fork).await), [""; 0]);
}

#[tokio::test]
async fn what_does_not_work_says_what_it_takes_with_it() {
    let instance = living().await;
    assert!(instance.sim.remove_behind_our_back("elb.listener_rule.streaming"));
    let found = report(&instance, EXAMPLE).await;
    assert_eq!(troubles(&found), ["elb.listener_rule.streaming: gone", "streaming: nobody answers"]);
    let instance = living().await;
    let stopped = Fault::StickIn("stopped".to_owned());
    let address = "rds.cluster.database".parse().expect("an address");
    instance.sim.add_fault(Rule::new(Operation::Observe, Subject::Address(address), stopped));
    let found = report(&instance, EXAMPLE).await;
    let down = ["api", "webfinger", "streaming"].map(|name| format!("{name}: nobody answers"));
    assert_eq!(troubles(&found), [&["rds.cluster.database: stopped".to_owned()][..], &down].concat());
    let database = found.resources.iter().find(|found| found.health == Health::Bad).expect("the database");
    assert!(database.hint.as_deref().is_some_and(|hint| hint.contains("start-db-cluster")), "{database:?}");
}

#[tokio::test]
async fn one_resource_that_cannot_be_read_hides_no_other() {
    let instance = living().await;
    let denied = Fault::Refuse { code: "AccessDenied".into(), kind: ErrorKind::Denied };
    let address = "ecs.service.mastodon".parse().expect("an address");
    instance.sim.add_fault(Rule::new(Operation::Observe, Subject::Address(address), denied).times(1));
    let found = report(&instance, EXAMPLE).await;
    let troubles = troubles(&found);
    assert_eq!(troubles.len(), 1, "{troubles:?}");
    assert!(troubles[0].starts_with("ecs.service.mastodon: could not be read: "), "{troubles:?}");
    assert_eq!(found.resources.len(), 14);
}

#[tokio::test]
async fn an_apply_that_has_not_come_to_its_end_is_told() {
    let instance = Instance::new();
    let address = "ecs.run.prepare".parse().expect("an address");
    let fails = Rule::new(Operation::Create, Subject::Address(address), Fault::FailLater);
    instance.sim.add_fault(fails);
    instance.go(EXAMPLE, true).await.expect("plans");
    instance.sim.clear_faults();
    let found = report(&instance, EXAMPLE).await;
    let troubles = troubles(&found);
    assert!(troubles.iter().any(|trouble| trouble.starts_with("ecs.run.prepare: failed: ")), "{troubles:?}");
    assert!(troubles.contains(&"web: nobody answers".to_owned()), "{troubles:?}");
    assert!(!troubles.iter().any(|trouble| trouble.starts_with("media")), "{troubles:?}");
}

/// While an apply waits for a person, whoever looks sees what it waits for.
#[tokio::test(start_paused = true)]
async fn what_an_apply_waits_for_is_named() {
    let instance = Instance { wait: Duration::ZERO, ..Instance::with_a_person(Person::Never) };
    instance.go(EXAMPLE, true).await.expect("plans");
    let found = report(&instance, EXAMPLE).await;
    let record = found.resources.iter().find(|found| found.address.to_string() == "dns.record.web_certificate");
    let record = record.expect("it was asked for");
    assert_eq!((record.health, record.says.as_str()), (Health::Bad, "missing"));
    let hint = record.hint.as_deref().unwrap_or_default();
    assert!(hint.starts_with("create the DNS record _") && hint.contains(".social.example.org CNAME _"), "{hint}");
    // One domain has nobody else to send requests on.
    let webfinger = found.probes.iter().find(|probe| probe.name == "webfinger").expect("a probe");
    let hint = webfinger.hint.as_deref().unwrap_or_default();
    assert_eq!(hint, "if AWS shows no fault, see whether the DNS record is there: mastoform output dns");
}

#[tokio::test]
async fn the_days_of_a_certificate_are_those_until_its_end() {
    let found = report(&living().await, EXAMPLE).await;
    for name in ["web_certificate", "media_certificate"] {
        let probe = found.probes.iter().find(|probe| probe.name == name).expect("a probe");
        let (days, end) = probe.says.split_once(" days left, until ").expect("days and a day");
        let end: jiff::civil::Date = end.parse().expect("a day");
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let until = today.until(end).expect("an end").get_days();
        // A day may have ended meanwhile.
        let days: i32 = days.parse().expect("a number");
        assert!((days - 1..=days).contains(&until), "{}", probe.says);
    }
}

#[tokio::test]
async fn in_maintenance_the_page_is_asked_for_and_nobody_who_cannot_answer() {
    let text = example(&[(r#"run_mode = "production""#, r#"run_mode = "maintenance""#)]);
    let instance = Instance::new();
    completed(instance.go(&text, true).await.expect("applies").1);
    let found = report(&instance, &text).await;
    assert_eq!(names(&found), ["https", "page", "media", "web_certificate", "media_certificate"]);
    assert!(found.is_good(), "{:?}", troubles(&found));
    // Without its rule, the load balancer would say something of its own.
    assert!(instance.sim.remove_behind_our_back("elb.listener_rule.maintenance"));
    let found = report(&instance, &text).await;
    assert!(troubles(&found).iter().any(|trouble| trouble.starts_with("page: ")), "{:?}", troubles(&found));
}

#[tokio::test]
async fn the_owner_is_looked_for_by_name() {
    let text = format!("{EXAMPLE}\n[owner]\nname = \"Ada\"\nemail = \"ada@example.org\"\n");
    let instance = Instance::new();
    completed(instance.go(&text, true).await.expect("applies").1);
    let found = report(&instance, &text).await;
    let webfinger = found.probes.iter().find(|probe| probe.name == "webfinger").expect("a probe");
    assert_eq!(webfinger.says, "acct:Ada@social.example.org is found");
}

fn said<'a>(report: &'a Report, name: &str) -> (Health, &'a str) {
    let probe = report.probes.iter().find(|probe| probe.name == name).expect("a probe");
    (probe.health, &probe.says)
}

/// What a job has found out.
fn found(json: Json) -> Found {
    let answer = json!({ "exit_code": 0, "json": json });
    [("queues".to_owned(), Ok(Value::from_json(&answer)))].into()
}

fn queues(latency: u64, processes: u64) -> Found {
    let (queues, waiting) = ("default 2 (7 s), push 0", 2);
    found(
        json!({ "waiting": waiting, "latency": latency, "queues": queues, "retries": 3, "dead": 1, "processes": processes }),
    )
}

/// What waits in the queues nobody can see from outside: a job tells it, to whoever asks.
#[tokio::test]
async fn queues_are_asked_for_by_a_job_and_only_then_count() {
    let instance = living().await;
    let unasked = report(&instance, EXAMPLE).await;
    assert_eq!(said(&unasked, "queues"), (Health::Unasked, "not asked, since it takes a task of its own"));
    let hint = unasked.probes.iter().find(|probe| probe.name == "queues").and_then(|probe| probe.hint.as_deref());
    assert_eq!(hint, Some("mastoform status --jobs"));
    let told = report_with(&instance, EXAMPLE, Some(&queues(7, 1))).await;
    let line = "2 jobs wait, the oldest for 7 s: default 2 (7 s), push 0; 3 are tried again later, 1 were given up";
    assert_eq!(said(&told, "queues"), (Health::Good, line));
    assert!(told.is_good() && told.counts().0 == unasked.counts().0 + 1);
    for (jobs, says) in [
        (queues(301, 1), "latency is 301 and should be at most 300"),
        (queues(0, 0), "processes is 0 and should be at least 1"),
        (found(Json::Null), "the answer has no latency"),
        ([("queues".to_owned(), Err(Silence::new("the task ended as FAILED")))].into(), "the task ended as FAILED"),
        (Found::new(), "it was not run"),
    ] {
        let told = report_with(&instance, EXAMPLE, Some(&jobs)).await;
        assert_eq!(said(&told, "queues"), (Health::Bad, says));
        assert!(!told.is_good());
    }
}

/// The example with mail by SES, and more settings of it.
fn by_ses(more: &str) -> String {
    let line = EXAMPLE.lines().find(|line| line.starts_with("credentials")).expect("a setting of mail");
    example(&[(line, &format!("provider = \"ses\"\n{more}"))])
}

#[tokio::test]
async fn what_ses_lets_the_account_send_is_told() {
    let instance = Instance::new();
    let verified = by_ses("verified_addresses = [\"ada@example.org\"]");
    completed(instance.go(&verified, true).await.expect("applies").1);
    let fine = report(&instance, &verified).await;
    let line = "0 of 200 mails in 24 hours; reputation HEALTHY; out of the sandbox: false";
    assert_eq!(said(&fine, "mail"), (Health::Good, line));
    assert!(fine.is_good(), "{:?}", troubles(&fine));
    // Without addresses that are verified, nobody gets any mail in the sandbox of SES.
    let open = report(&instance, &by_ses("")).await;
    assert_eq!(said(&open, "mail"), (Health::Bad, "production is false instead of true"));
    for (attribute, before, value, says) in [
        ("sending", Value::from(true), Value::from(false), "sending is false instead of true"),
        ("reputation", "HEALTHY".into(), "SHUTDOWN".into(), "reputation is SHUTDOWN instead of HEALTHY or PROBATION"),
        ("mails_left", Value::from(200), Value::from(0), "mails_left is 0 and should be at least 1"),
    ] {
        assert!(instance.sim.change_behind_our_back("false", &[attribute], value));
        assert_eq!(said(&report(&instance, &verified).await, "mail"), (Health::Bad, says));
        assert!(instance.sim.change_behind_our_back("false", &[attribute], before));
    }
    // A day's mail is nothing that a plan has to do with.
    assert!(instance.sim.change_behind_our_back("false", &["mails_sent"], Value::from(150)));
    let (plan, _) = instance.go(&verified, false).await.expect("plans");
    assert_eq!(super::changed(&plan), [""; 0]);
    assert!(!instance.state().expect("a state").text().contains("mails_sent"));
    assert!(!names(&report(&living().await, EXAMPLE).await).contains(&"mail"), "another's server sends the mail");
}
