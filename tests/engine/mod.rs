//! The whole engine over the simulated cloud, without a command line.

mod blueprint;
mod convergence;
mod cost;
mod crash;
pub mod critical_path;
mod damage;
mod doings;
mod encryption;
mod failures;
mod gates;
mod herald;
mod jobs;
mod living;
mod mail;
mod names;
mod ownership;
mod people;
mod settings;
mod status;
mod wave;

use std::sync::Arc;
use std::time::Duration;

use mastoform::apply::Outcome;
use mastoform::plan::{Action, Cause, Plan};
use mastoform::provider::ErrorKind;
use mastoform::provider::sim::{Call, CrashPoint, Fault, Operation, Options, Rule, Sim, Subject};
use mastoform::spec::OverlayFile;
use mastoform::state::Status;
use mastoform::value::Value;

use crate::support::instance::{EXAMPLE, Instance, Script, example};

fn changed(plan: &Plan) -> Vec<String> {
    plan.changes
        .iter()
        .map(|change| {
            let verb = match &change.action {
                Action::Create => "create",
                Action::Update { .. } => "update",
                Action::Replace { .. } => "replace",
                Action::Delete => "delete",
                Action::Adopt => "adopt",
                Action::Forget => "forget",
                Action::Run => "run",
                Action::Skip => "skip",
            };
            format!("{verb} {}", change.address)
        })
        .collect()
}

async fn nothing_to_do(instance: &Instance) {
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);
}

fn completed(outcome: Option<Outcome>) {
    match outcome {
        Some(Outcome::Completed(_)) => {}
        Some(other) => {
            let report = other.report();
            panic!("not completed: {:#?} {:?} {:?}", report.failed, report.pending, report.waiting)
        }
        None => panic!("not applied"),
    }
}

#[tokio::test]
async fn apply_then_plan_is_empty() {
    let instance = Instance::new();
    let (plan, outcome) = instance.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    completed(outcome);
    assert!(plan.changes.len() > 45, "{}", plan.changes.len());
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
    assert!(!instance.paths().journal().exists(), "a finished run leaves no journal");
}

#[tokio::test]
async fn debug_changes_page_task_definition_service_and_role_and_nothing_else() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let debug = example(&[(r#"run_mode = "production""#, r#"run_mode = "debug""#)]);
    let (plan, outcome) = instance.go(&debug, true).await.expect("applies");
    let mut names = changed(&plan);
    names.sort();
    assert_eq!(
        names,
        [
            "create elb.listener_rule.maintenance",
            "replace ecs.task_definition.mastodon",
            "update ecs.service.mastodon",
            "update iam.role.tasks"
        ]
    );
    completed(outcome);
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

#[tokio::test]
async fn destroy_leaves_nothing() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let (_, outcome) = instance.destroy().await;
    completed(Some(outcome));
    // What a person has entered is theirs to remove.
    let left: Vec<String> = instance.sim.objects().iter().map(|object| object.type_name.to_string()).collect();
    assert_eq!(left, ["dns.record"; 4], "{:#?}", instance.sim.objects());
    assert_eq!(instance.state().map(|state| state.rows.len()), Some(0));
}

#[tokio::test]
async fn what_was_destroyed_is_made_again_beside_what_a_person_has_entered() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    completed(Some(instance.destroy().await.1));
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    nothing_to_do(&instance).await;
}

/// More steps than may be begun at once, none of which makes a call.
#[tokio::test]
async fn what_is_gone_already_is_forgotten_to_the_last() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    for object in instance.sim.objects() {
        assert!(instance.sim.remove_behind_our_back(object.identity.as_str()), "{object:?}");
    }
    let (plan, outcome) = instance.destroy().await;
    assert!(plan.changes.len() > instance.at_once && plan.changes.iter().all(|change| change.action == Action::Forget));
    completed(Some(outcome));
    assert_eq!(instance.state().map(|state| state.rows.len()), Some(0));
}

#[tokio::test]
async fn the_same_inputs_give_the_same_plan() {
    let instance = Instance::new();
    let bytes = async || {
        let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
        serde_json::to_string(&plan).expect("json")
    };
    assert_eq!(bytes().await, bytes().await);
}

#[tokio::test]
async fn drift_is_seen_told_apart_and_mended() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let found =
        instance.sim.change_behind_our_back("elb.target_group.web", &["health_check", "interval"], Value::Integer(10));
    assert!(found);
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    assert_eq!(changed(&plan), ["update elb.target_group.web"]);
    assert_eq!(plan.changes[0].causes, [Cause::Drift]);
    assert_eq!(plan.changes[0].attributes[0].path, ["health_check", "interval"]);
    completed(outcome);
    nothing_to_do(&instance).await;
}

#[tokio::test]
async fn what_was_deleted_in_aws_is_made_again_and_what_needs_it_follows() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    assert!(instance.sim.remove_behind_our_back("elb.listener_rule.streaming"));
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    assert_eq!(changed(&plan)[0], "create elb.listener_rule.streaming");
    assert_eq!(plan.changes[0].causes, [Cause::Drift]);
    completed(outcome);
    nothing_to_do(&instance).await;
}

#[tokio::test]
async fn another_cache_engine_removes_the_old_one() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let redis = format!("{EXAMPLE}\n[redis]\nengine = \"redis\"\n");
    let (plan, outcome) = instance.go(&redis, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    let names = changed(&plan);
    assert!(names.contains(&"create elasticache.cluster.cache".to_owned()), "{names:?}");
    assert!(names.contains(&"delete elasticache.replication_group.cache".to_owned()), "{names:?}");
    completed(outcome);
    let (plan, _) = instance.go(&redis, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

#[tokio::test]
async fn one_failure_skips_its_dependents_and_the_next_apply_goes_on() {
    let instance = Instance::new();
    let address = "elb.listener.https".parse().expect("address");
    let refuse = Fault::Refuse { code: "TooManyListeners".into(), kind: ErrorKind::Quota };
    instance.sim.add_fault(Rule::new(Operation::Create, Subject::Address(address), refuse));
    let (_, outcome) = instance.go(EXAMPLE, true).await.expect("runs");
    let Some(Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    assert_eq!(report.failed.len(), 1);
    assert!(report.failed[0].message.contains("TooManyListeners"), "{:?}", report.failed);
    let mut skipped: Vec<String> = report.skipped.iter().map(|(address, _)| address.to_string()).collect();
    skipped.sort();
    assert_eq!(skipped, ["ecs.run.migrate_after", "ecs.service.mastodon", "elb.listener_rule.streaming"]);
    assert!(report.done.iter().any(|done| done.address.to_string() == "rds.instance.database"));
    instance.sim.clear_faults();
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    assert_eq!(plan.changes.len(), 4, "{:?}", changed(&plan));
    completed(outcome);
    nothing_to_do(&instance).await;
}

#[tokio::test]
async fn a_lost_answer_makes_nothing_twice() {
    let instance = Instance::new();
    instance.sim.add_fault(Rule::new(Operation::Create, Subject::Anything, Fault::LoseResponse).times(200));
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    instance.sim.clear_faults();
    assert!(instance.go(EXAMPLE, false).await.expect("plans").0.is_empty());
    let undisturbed = Instance::new();
    completed(undisturbed.go(EXAMPLE, true).await.expect("applies").1);
    assert_eq!(instance.sim.objects().len(), undisturbed.sim.objects().len());
}

/// The SDK repeats no creation, so that the engine does, as it does a change.
#[tokio::test(start_paused = true)]
async fn a_fault_of_the_cloud_is_outlasted_and_one_that_stays_is_said() {
    let address = "rds.cluster.database";
    let bigger = example(&[("max_capacity = 1", "max_capacity = 3")]);
    for (operation, text) in [(Operation::Create, EXAMPLE), (Operation::Update, bigger.as_str())] {
        for (times, ends_well) in [(3, true), (100, false)] {
            let instance = Instance::on_virtual_time();
            if operation == Operation::Update {
                completed(instance.go(EXAMPLE, true).await.expect("applies").1);
            }
            let subject = Subject::Address(address.parse().expect("an address"));
            let fault = Fault::Refuse { code: "InternalFailure".into(), kind: ErrorKind::Unknown };
            instance.sim.add_fault(Rule::new(operation, subject, fault).times(times));
            let before = asked(&instance, operation, address);
            let outcome = instance.go(text, true).await.expect("runs").1;
            let tries = asked(&instance, operation, address) - before;
            if ends_well {
                completed(outcome);
                assert_eq!(tries, times + 1, "{operation:?}");
                continue;
            }
            let Some(Outcome::Halted(report)) = outcome else { panic!("{operation:?}: {outcome:#?}") };
            assert!(report.failed[0].message.contains("InternalFailure"), "{:?}", report.failed);
            assert_eq!(tries, 5, "{operation:?}");
        }
    }
}

/// The database is still being made when the next run wants it bigger, and takes no change for minutes.
#[tokio::test(start_paused = true)]
async fn a_change_waits_for_what_an_interrupted_run_is_still_making() {
    let instance = Instance::on_virtual_time();
    let subject = Subject::Address("rds.instance.database".parse().expect("an address"));
    let crash = Fault::Crash(CrashPoint::BeforeTheEffect);
    instance.sim.add_fault(Rule::new(Operation::Create, subject, crash));
    tokio::select! {
        result = instance.go(EXAMPLE, true) => panic!("it did not crash: {result:?}"),
        () = instance.sim.crashed() => {}
    }
    instance.sim.clear_faults();
    instance.sim.revive();
    // Long after the first refusals something else goes wrong once.
    for (nth, fault) in
        [(8, Fault::Refuse { code: "InternalFailure".into(), kind: ErrorKind::Unknown }), (14, Fault::LoseResponse)]
    {
        let subject = Subject::Address("rds.cluster.database".parse().expect("an address"));
        instance.sim.add_fault(Rule::new(Operation::Update, subject, fault).nth(nth));
    }
    let bigger = example(&[("max_capacity = 1", "max_capacity = 3")]);
    let (plan, outcome) = instance.go(&bigger, true).await.expect("applies");
    assert!(changed(&plan).contains(&"update rds.cluster.database".to_owned()), "{:?}", changed(&plan));
    completed(outcome);
    assert!(asked(&instance, Operation::Update, "rds.cluster.database") > 14, "it was refused for a while");
    assert!(instance.go(&bigger, false).await.expect("plans").0.is_empty());
}

/// Only what is refused for now is worth the time that a resource may take; without an answer nobody waits as long.
#[tokio::test(start_paused = true)]
async fn a_change_without_an_answer_ends_after_the_usual_patience() {
    let instance = Instance::on_virtual_time();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let subject = Subject::Address("rds.cluster.database".parse().expect("an address"));
    instance.sim.add_fault(Rule::new(Operation::Update, subject, Fault::LoseResponse).times(1000));
    let bigger = example(&[("max_capacity = 1", "max_capacity = 3")]);
    let started = tokio::time::Instant::now();
    let outcome = instance.go(&bigger, true).await.expect("runs").1;
    assert!(matches!(outcome, Some(Outcome::Halted(_))), "{outcome:#?}");
    let minutes = started.elapsed().as_secs() / 60;
    assert_eq!(minutes, 2, "the patience of a provider");
}

/// How often something was asked for.
fn asked(instance: &Instance, operation: Operation, address: &str) -> usize {
    let is_it = |call: &&Call| call.operation == operation && call.address.to_string() == address;
    instance.sim.calls().iter().filter(is_it).count()
}

#[tokio::test]
async fn a_crash_around_a_call_is_recovered() {
    for (operation, address) in [
        (Operation::Create, "rds.cluster.database"),
        (Operation::Create, "ec2.security_group_rule.tasks_egress[\"smtp\"]"),
        (Operation::Create, "secretsmanager.secret.encryption"),
        (Operation::Create, "ecs.service.mastodon"),
    ] {
        for point in [CrashPoint::BeforeTheEffect, CrashPoint::AfterTheEffect] {
            let instance = Instance::new();
            let subject = Subject::Address(address.parse().expect("address"));
            instance.sim.add_fault(Rule::new(operation, subject, Fault::Crash(point)));
            tokio::select! {
                result = instance.go(EXAMPLE, true) => panic!("it did not crash: {result:?}"),
                () = instance.sim.crashed() => {}
            }
            instance.sim.clear_faults();
            instance.sim.revive();
            completed(instance.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
            let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
            assert!(plan.is_empty(), "{address} {point:?}: {:?}", changed(&plan));
            let undisturbed = Instance::new();
            completed(undisturbed.go(EXAMPLE, true).await.expect("applies").1);
            assert_eq!(instance.sim.snapshot(true), undisturbed.sim.snapshot(true), "{address} {point:?}");
        }
    }
}

#[tokio::test]
async fn what_is_protected_is_neither_replaced_nor_deleted() {
    let instance = Instance::new();
    let protected = example(&[("protect = false", "protect = true")]);
    completed(instance.go(&protected, true).await.expect("applies").1);
    let plan = instance.plan_destroy().await;
    let refused: Vec<String> = plan.refusals.iter().map(|refusal| refusal.address.to_string()).collect();
    assert!(refused.contains(&"rds.cluster.database".to_owned()), "{refused:?}");
    assert!(refused.contains(&"s3.bucket.media".to_owned()), "{refused:?}");
    let renamed = example(&[("protect = false", "protect = true"), ("[database]", "[database]\nname = \"other\"")]);
    let (plan, _) = instance.go(&renamed, false).await.expect("plans");
    assert_eq!(plan.refusals.len(), 1, "{:?}", plan.refusals);
    assert!(plan.refusals[0].reason.contains("would be replaced"));
}

#[tokio::test]
async fn no_secret_reaches_a_file_or_a_plan() {
    let instance = Instance::new();
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    completed(outcome);
    let mut texts = vec![serde_json::to_string(&plan).expect("json")];
    for entry in fs_err::read_dir(instance.folder.path()).expect("readable") {
        texts.push(fs_err::read_to_string(entry.expect("entry").path()).expect("text"));
    }
    assert!(texts.len() > 1);
    for text in texts {
        assert!(!text.contains(mastoform::provider::sim::SECRET_MARK), "a secret leaked");
    }
}

#[tokio::test]
async fn what_can_never_change_is_refused() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let moved = example(&[(r#"domain = "social.example.org""#, r#"domain = "other.example.org""#)]);
    let problems = instance.go(&moved, false).await.expect_err("refused");
    assert!(problems.to_string().contains("`domain` can never be changed"), "{problems}");
}

#[tokio::test]
async fn a_change_points_at_the_line_that_was_edited() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let edited = format!("{EXAMPLE}\n[web]\nport = 3001\n");
    let line = edited.lines().position(|line| line == "port = 3001").expect("there") + 1;
    let (plan, outcome) = instance.go(&edited, true).await.expect("applies");
    for change in &plan.changes {
        for cause in &change.causes {
            if let Cause::Written { location } = cause {
                assert_eq!(*location, format!("mastodon.toml:{line}"), "{}", change.address);
            }
        }
    }
    assert!(plan.changes.iter().any(|change| change.address.to_string() == "elb.target_group.web"));
    completed(outcome);
    let (plan, _) = instance.go(&edited, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

#[tokio::test]
async fn what_reads_do_not_show_yet_is_not_made_twice() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let edited = format!("{EXAMPLE}\n[web]\nport = 3001\n");
    instance.sim.add_fault(Rule::new(Operation::Create, Subject::Anything, Fault::HideFor(2)).times(2));
    completed(instance.go(&edited, true).await.expect("applies").1);
    instance.sim.clear_faults();
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    completed(outcome);
    let state = instance.state().expect("a state");
    let known: Vec<_> = state.rows.values().filter_map(|row| row.identity.clone()).collect();
    for object in instance.sim.objects() {
        assert!(known.contains(&object.identity), "orphan {} {:?}", object.identity, changed(&plan));
    }
    nothing_to_do(&instance).await;
}

/// What was asked of the cloud that changes something, in the words of a plan.
fn made_calls(instance: &Instance) -> Vec<String> {
    let mut calls: Vec<String> = instance
        .sim
        .calls()
        .into_iter()
        .filter_map(|call| match call.operation {
            Operation::Create => Some(format!("create {}", call.address)),
            Operation::Update => Some(format!("update {}", call.address)),
            Operation::Delete => Some(format!("delete {}", call.address)),
            Operation::Mark => Some(format!("mark {}", call.address)),
            Operation::Lookup | Operation::Observe | Operation::Find | Operation::Reveal => None,
        })
        .collect();
    calls.sort();
    calls.dedup();
    calls
}

#[tokio::test]
async fn an_apply_makes_the_calls_of_its_plan_and_no_other() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    for edited in [
        example(&[(r#"run_mode = "production""#, r#"run_mode = "maintenance""#)]),
        example(&[(r#"run_mode = "production""#, r#"run_mode = "debug""#)]),
        format!("{EXAMPLE}\n[web]\nport = 3001\n"),
        example(&[("[database]", "[database]\nname = \"other\"")]),
    ] {
        instance.sim.clear_calls();
        let (plan, outcome) = instance.go(&edited, true).await.expect("applies");
        completed(outcome);
        let mut said: Vec<String> = plan
            .changes
            .iter()
            .flat_map(|change| match &change.action {
                Action::Create | Action::Run => vec![format!("create {}", change.address)],
                Action::Update { attributes } if attributes.is_empty() => Vec::new(),
                Action::Update { .. } => vec![format!("update {}", change.address)],
                Action::Replace { .. } => {
                    vec![format!("create {}", change.address), format!("delete {}", change.address)]
                }
                Action::Delete => vec![format!("delete {}", change.address)],
                Action::Adopt | Action::Forget | Action::Skip => Vec::new(),
            })
            .collect();
        said.sort();
        assert_eq!(made_calls(&instance), said);
    }
}

#[tokio::test]
async fn a_failure_hides_no_other_result() {
    let instance = Instance::new();
    for address in ["elb.listener.https", "rds.cluster.database", "ssm.parameter.setting[\"mail/from\"]"] {
        let refuse = Fault::Refuse { code: format!("No {address}"), kind: ErrorKind::Quota };
        let subject = Subject::Address(address.parse().expect("an address"));
        instance.sim.add_fault(Rule::new(Operation::Create, subject, refuse));
    }
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("runs");
    let Some(Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    let mut failed: Vec<String> = report.failed.iter().map(|failure| failure.address.to_string()).collect();
    failed.sort();
    let wanted = ["elb.listener.https", "rds.cluster.database", "ssm.parameter.setting[\"mail/from\"]"];
    assert_eq!(failed, wanted);
    for failure in &report.failed {
        assert!(failure.message.contains(&format!("No {}", failure.address)), "{}", failure.message);
    }
    // Every change has come to an end of its own: done, failed, or skipped because of one that failed.
    assert_eq!(report.done.len() + report.failed.len() + report.skipped.len(), plan.changes.len());
    for (skipped, because) in &report.skipped {
        assert!(wanted.contains(&because.to_string().as_str()), "{skipped} because of {because}");
    }
}

#[tokio::test]
async fn everything_made_carries_the_tags_of_its_owner_or_has_no_tags() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let types = mastoform::spec::Specs::read(&[]).expect("valid specs").types;
    let mut tagged = 0;
    for entry in instance.sim.objects() {
        let address = entry.object.address.expect("made by us").to_string();
        if types.get(&entry.type_name).is_some_and(|found| found.taggable) {
            assert_eq!(entry.object.tags.get("mastoform:instance").map(String::as_str), Some("social"), "{address}");
            assert_eq!(entry.object.tags.get("mastoform:address"), Some(&address));
            tagged += 1;
        }
    }
    assert!(tagged > 40, "{tagged}");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_run_out_stop_everything_and_nothing_is_lost() {
    for operation in [Operation::Create, Operation::Observe] {
        let instance = Instance::on_virtual_time();
        let expired = Fault::Refuse { code: "ExpiredToken".into(), kind: ErrorKind::Credentials };
        instance.sim.add_fault(Rule::new(operation, Subject::Anything, expired).nth(20).times(10_000));
        let (_, outcome) = instance.go(EXAMPLE, true).await.expect("runs");
        let Some(Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
        assert!(report.failed.iter().all(|failure| failure.credentials), "{:?}", report.failed);
        let left = [report.not_started.len(), report.pending.len()];
        assert!(left.iter().sum::<usize>() > 0, "it goes on without credentials");
        let asked = instance.sim.calls().len();
        assert!(asked < 120, "it keeps asking: {asked} calls");
        instance.sim.clear_faults();
        completed(instance.go(EXAMPLE, true).await.expect("applies").1);
        let undisturbed = Instance::on_virtual_time();
        completed(undisturbed.go(EXAMPLE, true).await.expect("applies").1);
        assert_eq!(instance.sim.snapshot(true), undisturbed.sim.snapshot(true), "{operation:?}");
        nothing_to_do(&instance).await;
    }
}

#[tokio::test]
async fn what_ends_in_a_failed_status_is_replaced_by_the_next_apply() {
    let instance = Instance::new();
    let address = "rds.cluster.database".parse().expect("an address");
    instance.sim.add_fault(Rule::new(Operation::Create, Subject::Address(address), Fault::FailLater));
    let (_, outcome) = instance.go(EXAMPLE, true).await.expect("runs");
    let Some(Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    assert!(report.failed[0].message.contains("AWS reports it as"), "{:?}", report.failed);
    let row = &report.state.rows[&"rds.cluster.database".parse().expect("an address")];
    assert_eq!((row.status, row.problem.as_deref()), (Status::Failed, Some(report.failed[0].message.as_str())));
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    let cluster = plan.changes.iter().find(|change| change.address.to_string() == "rds.cluster.database");
    let Some(Action::Replace { because, .. }) = cluster.map(|change| &change.action) else { panic!("{cluster:#?}") };
    assert!(because.all().iter().any(|reason| reason.contains("AWS reports it as")), "{because:?}");
    completed(outcome);
    nothing_to_do(&instance).await;
}

#[tokio::test]
async fn a_protection_stays_when_its_block_leaves_the_file() {
    let instance = Instance::new();
    let text = "[s3.bucket.archive]\nbucket = \"social-archive\"\nlifecycle = { protect = true }\n";
    let overlay = OverlayFile { name: "own.toml".into(), types_of: None, text: text.into() };
    let script = Script::read(&[overlay], EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    completed(instance.go_by(instance.sim.clone(), &script, true, None).await.expect("applies").1);
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("plans");
    assert_eq!(changed(&plan), ["delete s3.bucket.archive"]);
    assert!(outcome.is_none(), "a refused plan is not applied");
    assert_eq!(plan.refusals.len(), 1, "{:?}", plan.refusals);
    assert!(plan.refusals[0].reason.contains("s3.bucket.archive is protected"), "{:?}", plan.refusals);
    assert!(instance.sim.objects().iter().any(|object| object.identity.as_str() == "social-archive"));
}

/// Nobody waits two seconds for what is ready at once. The clock of this test jumps, so times are exact.
#[tokio::test(start_paused = true)]
async fn what_is_ready_at_once_is_seen_at_once() {
    const QUICK: &str = r#"
[thing]
doc = "A thing that is ready at once."
identity = ["name"]
cfn = false
terraform = false
expect = { create = "0s", update = "0s", delete = "0s" }
ready = { attribute = "status", good = ["active"] }
[thing.price]
free = "It is not real."
[thing.permissions]
unscoped = ["x:CreateThing"]
create = ["x:CreateThing"]
[thing.attributes]
name = { type = "string", required = true, immutable = true, doc = "Its name." }
status = { type = "string", computed = true, volatile = true, values = ["active"], doc = "How it is." }
"#;
    let types = OverlayFile { name: "types/quick.toml".into(), types_of: Some("quick".into()), text: QUICK.into() };
    let own = "[quick.thing.one]\nname = \"one\"\n";
    let own = OverlayFile { name: "own.toml".into(), types_of: None, text: own.into() };
    let script = Script::read(&[types, own], EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    let sim = Sim::open(Arc::clone(&script.specs.types), None, Options::default()).expect("a cloud");
    let instance = Instance::with(sim);
    let outcome = instance.go_by(instance.sim.clone(), &script, true, None).await.expect("applies").1;
    let Some(Outcome::Completed(report)) = &outcome else { panic!("{outcome:#?}") };
    let done = report.done.iter().find(|done| done.address.to_string() == "quick.thing.one").expect("done");
    assert!(done.elapsed < Duration::from_secs(1), "{:?}", done.elapsed);
}

/// The blueprint leads from what was refused to the setting that decides it.
#[tokio::test]
async fn a_refusal_knows_the_line_of_the_file_that_asks_for_it() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let larger = example(&[("max_capacity = 1", "max_capacity = 4")]);
    let line = larger.lines().position(|line| line.contains("max_capacity = 4")).expect("a line") + 1;
    let address = Subject::Address("rds.cluster.database".parse().expect("an address"));
    let refusal = Fault::Refuse { code: "InvalidParameterValue".to_owned(), kind: ErrorKind::Invalid };
    instance.sim.add_fault(Rule::new(Operation::Update, address, refusal));
    let (_, outcome) = instance.go(&larger, true).await.expect("runs");
    let Some(Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    let location = report.failed[0].location.as_ref().map(ToString::to_string).unwrap_or_default();
    assert_eq!(location, format!("mastodon.toml:{line}"));
}

#[tokio::test]
async fn a_change_that_failed_is_asked_for_once_more() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let larger = example(&[("max_capacity = 1", "max_capacity = 4")]);
    let address = Subject::Address("rds.cluster.database".parse().expect("an address"));
    instance.sim.add_fault(Rule::new(Operation::Update, address, Fault::FailLater));
    let (_, outcome) = instance.go(&larger, true).await.expect("runs");
    assert!(matches!(outcome, Some(Outcome::Halted(_))), "{outcome:#?}");
    let (plan, outcome) = instance.go(&larger, true).await.expect("applies");
    assert_eq!(changed(&plan), ["update rds.cluster.database"]);
    assert_eq!(plan.changes[0].causes, [Cause::Interrupted]);
    completed(outcome);
    let (plan, _) = instance.go(&larger, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}
