//! What is done, not kept: jobs that run once, again when something triggers them, and never two at a time.

use std::sync::{Arc, Mutex};

use mastoform::apply::{Event, Outcome, Progress};
use mastoform::plan::change::Plan;
use mastoform::plan::{Action, Cause};
use mastoform::provider::sim::{Fault, Operation, Rule, Sim, Subject};
use mastoform::state::Status;

use super::crash::{Deed, Witness, put_back};
use super::{changed, completed};
use crate::support::instance::{EXAMPLE, Instance};

/// The example with a version of Mastodon.
fn version(version: &str) -> String {
    EXAMPLE.replacen("name   = ", &format!("version = \"{version}\"\nname   = "), 1)
}

/// The jobs that the cloud was asked to run, in order.
fn runs(instance: &Instance) -> Vec<String> {
    let calls = instance.sim.calls().into_iter().filter(|call| call.operation == Operation::Create);
    let addresses = calls.map(|call| call.address.to_string());
    addresses.filter(|address| address.starts_with("ecs.run.") || address.contains("snapshot")).collect()
}

/// What a plan says of jobs.
fn jobs(plan: &Plan) -> Vec<String> {
    changed(plan).into_iter().filter(|change| change.starts_with("run ") || change.starts_with("skip ")).collect()
}

async fn living(text: &str) -> Instance {
    let instance = Instance::on_virtual_time();
    completed(instance.go(text, true).await.expect("applies").1);
    instance.sim.clear_calls();
    instance
}

/// Strikes the migrations before an upgrade.
fn migration(fault: Fault) -> Rule {
    let address = "ecs.run.migrate_before".parse().expect("an address");
    Rule::new(Operation::Create, Subject::Address(address), fault)
}

/// Whether another apply would do nothing.
async fn is_done(instance: &Instance, text: &str) -> bool {
    let (plan, _) = instance.go(text, false).await.expect("plans");
    assert_eq!(changed(&plan), [""; 0]);
    plan.is_empty()
}

fn failed(outcome: Option<Outcome>) -> Vec<String> {
    match outcome {
        Some(Outcome::Halted(report)) => {
            report.failed.iter().map(|failure| format!("{}: {}", failure.address, failure.message)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_instance_is_prepared_before_its_service_and_migrates_nothing() {
    let instance = Instance::on_virtual_time();
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    completed(outcome);
    let said = [
        "run ecs.run.prepare",
        "skip rds.cluster_snapshot.before_upgrade",
        "skip ecs.run.migrate_before",
        "skip ecs.run.migrate_after",
        "run ecs.run.settings",
    ];
    let mut told = jobs(&plan);
    told.sort();
    let mut expected = said.map(str::to_owned);
    expected.sort();
    assert_eq!(told, expected);
    let mut ran = runs(&instance);
    ran.sort();
    assert_eq!(ran, ["ecs.run.prepare", "ecs.run.settings"]);
    let calls: Vec<String> = instance
        .sim
        .calls()
        .iter()
        .filter(|call| call.operation == Operation::Create)
        .map(|call| call.address.to_string())
        .collect();
    let place = |name: &str| calls.iter().position(|call| call == name).expect("made");
    assert!(place("rds.instance.database") < place("ecs.run.prepare"));
    assert!(place("ecs.run.prepare") < place("ecs.service.mastodon"));
    assert!(is_done(&instance, EXAMPLE).await);
}

/// Raises of the version: a patch, and the next minor version.
const UPGRADES: [(&str, &str); 2] = [("v4.7.3", "v4.7.4"), ("v4.6.5", "v4.7.6")];

/// The upgrade in its order: each of these is asked for once.
#[tokio::test(start_paused = true)]
async fn an_upgrade_takes_a_snapshot_and_migrates_before_and_after_the_service() {
    for (old, new) in UPGRADES {
        let instance = living(&version(old)).await;
        let upgraded = version(new);
        let (plan, outcome) = instance.go(&upgraded, true).await.expect("applies");
        assert_eq!(jobs(&plan).len(), 3, "{:?}", changed(&plan));
        completed(outcome);
        const STEPS: [&str; 4] = [
            "rds.cluster_snapshot.before_upgrade",
            "ecs.run.migrate_before",
            "ecs.service.mastodon",
            "ecs.run.migrate_after",
        ];
        let calls = instance.sim.calls().into_iter();
        let calls = calls.filter(|call| matches!(call.operation, Operation::Create | Operation::Update));
        let order: Vec<String> = calls.map(|call| call.address.to_string()).collect();
        let order: Vec<&str> = order.iter().map(String::as_str).filter(|name| STEPS.contains(name)).collect();
        assert_eq!(order, STEPS, "{old} to {new}");
        assert_eq!(runs(&instance).len(), 3, "no other job: {:?}", runs(&instance));
        assert!(is_done(&instance, &upgraded).await);
        for change in plan.changes.iter().filter(|change| change.action == Action::Run) {
            assert!(change.causes.iter().any(|cause| matches!(cause, Cause::Written { .. })), "{:?}", change.causes);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_migration_that_fails_leaves_the_old_version_serving_and_says_why() {
    for (old, new) in UPGRADES {
        let instance = living(&version(old)).await;
        let serving = |instance: &Instance| {
            let objects = instance.sim.objects().into_iter();
            let mut services = objects.filter(|entry| entry.type_name.to_string() == "ecs.service");
            services.next().expect("a service").shown.get("task_definition").map(ToString::to_string)
        };
        let before = serving(&instance);
        let upgraded = version(new);
        instance.sim.add_fault(migration(Fault::FailLater));
        let printed: Vec<String> = (1..=40).map(|number| format!("line {number} of the migration")).collect();
        instance.sim.print("ecs.run.migrate_before", &printed.iter().map(String::as_str).collect::<Vec<_>>());
        let (_, outcome) = instance.go(&upgraded, true).await.expect("plans");
        let said = failed(outcome);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("ecs.run.migrate_before: AWS reports it as FAILED"), "{said:?}");
        assert!(said[0].contains("line 11 of") && said[0].contains("line 40 of"), "the last thirty lines: {said:?}");
        assert!(!said[0].contains("line 10 of"), "{said:?}");
        let touched = instance.sim.calls().iter().any(|call| {
            matches!(call.operation, Operation::Update | Operation::Delete)
                && call.address.to_string() == "ecs.service.mastodon"
        });
        assert!(!touched && serving(&instance) == before, "the old version serves");
        assert!(!runs(&instance).contains(&"ecs.run.migrate_after".to_owned()), "{:?}", runs(&instance));
        // The next apply runs it again, and does not take a second snapshot.
        instance.sim.clear_faults();
        instance.sim.clear_calls();
        let (plan, outcome) = instance.go(&upgraded, true).await.expect("applies");
        assert!(jobs(&plan).contains(&"run ecs.run.migrate_before".to_owned()), "{:?}", changed(&plan));
        completed(outcome);
        assert_eq!(runs(&instance), ["ecs.run.migrate_before", "ecs.run.migrate_after"]);
        assert_ne!(serving(&instance), before);
        assert!(is_done(&instance, &upgraded).await);
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_been_done_is_no_drift_once_it_is_gone() {
    let instance = living(EXAMPLE).await;
    assert!(instance.sim.remove_behind_our_back("ecs.run.prepare"));
    assert!(is_done(&instance, EXAMPLE).await);
    let looked = instance.sim.calls().iter().any(|call| call.address.to_string() == "ecs.run.prepare");
    assert!(!looked, "nobody asks for it");
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_end_nobody_knows_runs_again() {
    let instance = living(&version("v4.7.3")).await;
    let upgraded = version("v4.7.4");
    instance.sim.add_fault(migration(Fault::FailLater));
    failed(instance.go(&upgraded, true).await.expect("plans").1);
    instance.sim.clear_faults();
    // AWS forgets a task an hour after its end.
    assert!(instance.sim.remove_behind_our_back("ecs.run.migrate_before"));
    let (plan, outcome) = instance.go(&upgraded, true).await.expect("applies");
    assert!(jobs(&plan).contains(&"run ecs.run.migrate_before".to_owned()), "{:?}", changed(&plan));
    completed(outcome);
    assert!(is_done(&instance, &upgraded).await);
}

#[tokio::test(start_paused = true)]
async fn two_jobs_of_one_address_never_run_at_once() {
    let instance = living(&version("v4.7.3")).await;
    let stuck = migration(Fault::StickIn("RUNNING".to_owned()));
    instance.sim.add_fault(stuck);
    failed(instance.go(&version("v4.7.4"), true).await.expect("plans").1);
    let state = instance.state().expect("a state");
    let row = &state.rows[&"ecs.run.migrate_before".parse().expect("an address")];
    assert_eq!(row.status, Status::Failed);
    instance.sim.clear_faults();
    instance.sim.clear_calls();
    // The same apply waits for it; another version would need another one beside it.
    let (plan, _) = instance.go(&version("v4.7.4"), false).await.expect("plans");
    assert!(changed(&plan).contains(&"adopt ecs.run.migrate_before".to_owned()), "{:?}", changed(&plan));
    let (plan, outcome) = instance.go(&version("v4.7.5"), true).await.expect("plans");
    assert!(outcome.is_none());
    let reasons: Vec<&str> = plan.refusals.iter().map(|refusal| refusal.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["ecs.run.migrate_before is still running since an apply that was interrupted, with another triggers.image"]
    );
    assert_eq!(runs(&instance), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_destroy_forgets_what_has_been_done() {
    let instance = living(EXAMPLE).await;
    let (plan, outcome) = instance.destroy().await;
    completed(Some(outcome));
    let forgotten = plan
        .changes
        .iter()
        .filter(|change| change.address.to_string().starts_with("ecs.run."))
        .all(|change| change.action == Action::Forget && change.causes == [Cause::Destroy]);
    assert!(forgotten, "{:?}", changed(&plan));
    assert!(instance.sim.objects().iter().all(|object| object.type_name.to_string() == "dns.record"));
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_database_nobody_has_prepared_fails_and_the_next_apply_mends_it() {
    let instance = living(EXAMPLE).await;
    // As after a first apply of a version that ran no jobs: the service has failed, and no job stands in the state.
    let paths = instance.paths();
    let mut state = instance.state().expect("a state");
    state.rows.retain(|address, _| {
        address.type_name.to_string() != "ecs.run" && &*address.type_name.kind != "cluster_snapshot"
    });
    let known: std::collections::BTreeSet<_> = state.rows.keys().chain(state.lookups.keys()).cloned().collect();
    state.rows.values_mut().for_each(|row| row.depends_on.retain(|needed| known.contains(needed)));
    fs_err::write(paths.state(), state.text()).expect("written");
    assert!(instance.sim.remove_behind_our_back("ecs.run.prepare"));
    assert!(instance.sim.remove_behind_our_back("ecs.service.mastodon"));
    let broken = format!("{EXAMPLE}\n[patch.\"ecs.service.mastodon\"]\ndesired_count = 1\n");
    let (plan, outcome) = instance.go(&broken, true).await.expect("applies");
    completed(outcome);
    assert!(
        jobs(&plan).contains(&"run ecs.run.prepare".to_owned()),
        "a service that is gone proves nothing: {:?}",
        jobs(&plan)
    );
    assert!(is_done(&instance, &broken).await);
}

#[tokio::test(start_paused = true)]
async fn a_version_may_go_up_by_one_minor_and_never_down() {
    let instance = living(&version("v4.6.5")).await;
    let refused = |to: &str| {
        let (instance, text) = (&instance, version(to));
        async move { instance.go(&text, false).await.err().map(|problems| problems.to_string()).unwrap_or_default() }
    };
    let lowered = refused("v4.5.9").await;
    let line = version("v4.5.9").lines().position(|line| line.starts_with("version = ")).expect("a line") + 1;
    let at = format!("mastodon.toml:{line}:");
    assert!(lowered.starts_with(&at), "{at} {lowered}");
    assert!(lowered.contains("brought to v4.6.5, and it cannot go back to v4.5.9"), "{lowered}");
    let skipped = refused("v4.8.0").await;
    assert!(skipped.starts_with(&at), "{at} {skipped}");
    assert!(skipped.contains("from v4.6.5 to v4.8.0 leaves out a minor version"), "{skipped}");
    assert!(refused("v5.1.0").await.contains("leaves out a minor version"));
    for fine in ["v4.6.4", "v4.6.9", "v4.7.6", "v5.0.0"] {
        assert_eq!(refused(fine).await, "", "{fine}");
    }
}

/// Somebody who listens to one job, which prints a last line when it has ended.
struct Listener {
    sim: Arc<Sim>,
    job: &'static str,
    heard: Mutex<Vec<String>>,
}

impl Progress for Listener {
    fn event(&self, event: &Event) {
        let line = match event {
            Event::Printed { address, line } => format!("{address}: {line}"),
            Event::Finished { address, .. } | Event::Failed { address, .. } if address.to_string() == self.job => {
                self.sim.print(self.job, &["the last line"]);
                "the end".to_owned()
            }
            _ => return,
        };
        self.heard.lock().expect("nobody panics").push(line);
    }

    fn listens(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_job_prints_is_heard_as_it_comes_and_to_its_last_line() {
    const JOB: &str = "ecs.run.migrate_before";
    for fault in [None, Some(Fault::FailLater)] {
        let mut instance = living(&version("v4.7.3")).await;
        let fails = fault.is_some();
        fault.into_iter().for_each(|fault| instance.sim.add_fault(migration(fault)));
        let listener = Arc::new(Listener { sim: Arc::clone(&instance.sim), job: JOB, heard: Mutex::default() });
        instance.progress = listener.clone();
        instance.sim.print(JOB, &["== 20260702144128 MoveKeys: migrating", "== MoveKeys: migrated"]);
        let (_, outcome) = instance.go(&version("v4.7.4"), true).await.expect("plans");
        assert_eq!(matches!(outcome, Some(Outcome::Completed(_))), !fails);
        let heard = listener.heard.lock().expect("nobody panics").clone();
        assert_eq!(
            heard,
            [
                "ecs.run.migrate_before: == 20260702144128 MoveKeys: migrating",
                "ecs.run.migrate_before: == MoveKeys: migrated",
                "the end",
                "ecs.run.migrate_before: the last line",
            ]
        );
    }
}

/// The host of the migrations before an upgrade is taken away so many times.
fn taken_away(times: usize) -> Rule {
    migration(Fault::StickIn("INTERRUPTED".to_owned())).times(times)
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_host_is_taken_away_is_begun_once_more_and_not_for_ever() {
    let instance = living(&version("v4.7.3")).await;
    instance.sim.add_fault(taken_away(2));
    completed(instance.go(&version("v4.7.4"), true).await.expect("applies").1);
    let before = "ecs.run.migrate_before";
    let expected = ["rds.cluster_snapshot.before_upgrade", before, before, before, "ecs.run.migrate_after"];
    assert_eq!(runs(&instance), expected);
    assert!(is_done(&instance, &version("v4.7.4")).await);

    instance.sim.clear_calls();
    instance.sim.add_fault(taken_away(100));
    let said = failed(instance.go(&version("v4.7.5"), true).await.expect("plans").1);
    assert!(said[0].starts_with("ecs.run.migrate_before: AWS reports it as INTERRUPTED"), "{said:?}");
    assert_eq!(runs(&instance).iter().filter(|job| *job == before).count(), 4, "{:?}", runs(&instance));
    instance.sim.clear_faults();
    completed(instance.go(&version("v4.7.5"), true).await.expect("applies").1);
    assert!(is_done(&instance, &version("v4.7.5")).await);
}

/// The worst of worlds: an upgrade one of whose jobs was taken away dies at any moment, and before the next one looks, AWS
/// has forgotten every job that has ended. What is recorded as done is not done again, what runs is waited for, everything
/// else runs, each once, and never beside another one of its kind: the simulated cloud would refuse that.
#[tokio::test(start_paused = true)]
async fn no_job_is_lost_or_begun_twice_whenever_an_upgrade_dies_and_whatever_aws_has_forgotten() {
    for (old, new) in UPGRADES {
        dies_at_any_moment(old, new).await;
    }
}

async fn dies_at_any_moment(old: &str, new: &str) {
    const JOBS: [&str; 3] = ["rds.cluster_snapshot.before_upgrade", "ecs.run.migrate_before", "ecs.run.migrate_after"];
    let upgraded = version(new);
    let instance = living(&version(old)).await;
    instance.sim.add_fault(taken_away(1));
    let witness = Witness::new(&instance);
    let deed = Deed::apply(&upgraded);
    completed(Some(deed.happens(&instance, witness.clone(), Some(witness.watch())).await));
    let worlds = witness.worlds();
    assert!(worlds.len() > 20, "{}", worlds.len());
    for world in worlds {
        let label = world.label;
        let after = Instance::with(world.sim);
        put_back(&world.files, after.folder.path());
        let (mut is_done, mut is_at_work) = (Vec::new(), Vec::new());
        for job in JOBS {
            let address = job.parse().expect("an address");
            let row = after.state().and_then(|state| state.rows.get(&address).cloned());
            let is_new = |trigger: &str| trigger.ends_with(new);
            let trigger = row.as_ref().and_then(|row| row.inputs.at(&["triggers", "image"]).cloned());
            if row.as_ref().is_some_and(|row| row.status == Status::Ready)
                && trigger.as_ref().and_then(|trigger| trigger.as_text()).is_some_and(is_new)
            {
                is_done.push(job);
            }
            // Jobs that have ended are no objects any more.
            let objects = after.sim.objects();
            if objects.iter().any(|entry| entry.object.address.as_ref() == Some(&address)) {
                is_at_work.push(job);
            }
        }
        after.sim.forget_what_has_ended();
        completed(Some(deed.happens(&after, after.sim.clone(), None).await));
        let ran = runs(&after);
        for job in JOBS {
            let times = ran.iter().filter(|ran| *ran == job).count();
            let is_over = is_done.contains(&job) || is_at_work.contains(&job);
            assert!(times <= 1, "{label}: {job} ran {times} times");
            assert!(!is_over || times == 0, "{label}: {job} ran again");
        }
        assert!(self::is_done(&after, &upgraded).await, "{label}");
    }
}
