//! What is told of a creation before its answer, and what nobody need look for.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use mastoform::provider::{Creation, ProviderError};
use tokio::time::{sleep, timeout};

use super::crash::{Rest, Witness};
use super::*;

const BALANCER: &str = "elb.load_balancer.public";

fn is_balancer(creation: &Creation) -> bool {
    creation.address.to_string() == BALANCER
}

/// Two creations end only when there is what needs no more than their names: the listener of the load balancer, and the
/// database that writes into the log group.
#[tokio::test(start_paused = true)]
async fn what_needs_only_that_it_exists_is_made_before_its_creation_ends() {
    let instance = Instance::on_virtual_time();
    let sim = Arc::clone(&instance.sim);
    let seen = Arc::new(AtomicUsize::new(0));
    let waiting = Arc::clone(&seen);
    let rest: Rest = Box::new(move |creation| {
        let sim = Arc::clone(&sim);
        let dependent = match creation.address.to_string().as_str() {
            BALANCER => "elb.listener",
            "logs.log_group.database" => "rds.cluster",
            _ => return Some(async { Ok(()) }.boxed()),
        };
        waiting.fetch_add(1, Ordering::Relaxed);
        let is_there = async move {
            while !sim.objects().iter().any(|object| object.type_name.to_string() == dependent) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let rest = async move {
            assert!(timeout(Duration::from_secs(600), is_there).await.is_ok(), "{dependent} waits");
            Ok(())
        };
        Some(rest.boxed())
    });
    let provider = Witness::of_long_creations(&instance, rest);
    completed(instance.go_with(provider, EXAMPLE, true, None).await.expect("applies").1);
    assert_eq!(seen.load(Ordering::Relaxed), 2);
    nothing_to_do(&instance).await;
}

/// What waits for more than that it exists is skipped; the next run completes it.
#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_after_it_told_is_completed_by_the_next_run() {
    let instance = Instance::on_virtual_time();
    let sim = Arc::clone(&instance.sim);
    let rest: Rest = Box::new(move |creation| {
        let refused = is_balancer(&creation);
        if refused {
            assert!(sim.change_behind_our_back(BALANCER, &["drop_invalid_header_fields"], Value::Bool(false)));
        }
        let rest = async move {
            sleep(Duration::from_secs(1)).await;
            match refused {
                true => Err(ProviderError::new(ErrorKind::Denied, "elasticloadbalancing:Modify", "not allowed")),
                false => Ok(()),
            }
        };
        Some(rest.boxed())
    });
    let provider = Witness::of_long_creations(&instance, rest);
    let (_, outcome) = instance.go_with(provider, EXAMPLE, true, None).await.expect("runs");
    let Some(Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    let failed: Vec<String> = report.failed.iter().map(|failure| failure.address.to_string()).collect();
    assert_eq!(failed, [BALANCER]);
    assert!(report.done.iter().any(|done| done.address.to_string() == "elb.listener.http"), "{:?}", report.done);
    let row = &instance.state().expect("a state").rows[&BALANCER.parse().expect("an address")];
    assert_eq!(row.status, Status::Failed);
    assert!(row.identity.is_some());
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    assert!(changed(&plan).contains(&format!("update {BALANCER}")), "{:?}", changed(&plan));
    completed(outcome);
    nothing_to_do(&instance).await;
}

/// Another try may find what an earlier one has made: then the engine looks at it before anything else goes on.
#[tokio::test(start_paused = true)]
async fn only_a_first_try_knows_that_there_was_nothing_and_tells_of_itself() {
    let instance = Instance { lineage_is_new: true, ..Instance::on_virtual_time() };
    let subject = Subject::Address(BALANCER.parse().expect("an address"));
    instance.sim.add_fault(Rule::new(Operation::Create, subject, Fault::Throttle).times(1));
    let tries = Arc::new(Mutex::new(BTreeMap::new()));
    let rest: Rest = Box::new({
        let tries = Arc::clone(&tries);
        move |creation| {
            let hears = format!("{:?}", creation.attempt.herald);
            let what = (creation.attempt.is_first, creation.attempt.tags_are_new, hears);
            tries.lock().expect("no panic").insert(creation.address.to_string(), what);
            Some(async { Ok(()) }.boxed())
        }
    });
    let provider = Witness::of_long_creations(&instance, rest);
    completed(instance.go_with(provider, EXAMPLE, true, None).await.expect("applies").1);
    let tries = tries.lock().expect("no panic").clone();
    assert_eq!(tries[BALANCER], (false, false, "Herald(false)".to_owned()));
    assert_eq!(tries["elb.target_group.web"], (true, true, "Herald(true)".to_owned()));
}

/// Somebody deletes the load balancer before it has its settings, and another try makes a second one.
#[tokio::test(start_paused = true)]
async fn what_disappears_while_it_is_made_fails_by_itself() {
    let instance = Instance::on_virtual_time();
    let sim = Arc::clone(&instance.sim);
    let tries = AtomicUsize::new(0);
    let rest: Rest = Box::new(move |creation| {
        if !is_balancer(&creation) {
            return None;
        }
        let is_first = tries.fetch_add(1, Ordering::Relaxed) == 0;
        assert!(!is_first || sim.remove_behind_our_back(BALANCER));
        let lost = ProviderError::new(ErrorKind::NotYet, "elasticloadbalancing:Modify", "there is none");
        Some(async move { if is_first { Err(lost) } else { Ok(()) } }.boxed())
    });
    let provider = Witness::of_long_creations(&instance, rest);
    let (_, outcome) = instance.go_with(provider, EXAMPLE, true, None).await.expect("runs");
    let Some(Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    let failure = report.failed.iter().find(|failure| failure.address.to_string() == BALANCER).expect("it has failed");
    assert!(failure.message.contains("disappeared while it was made"), "{}", failure.message);
    assert!(report.unsaved.is_none());
    assert!(report.done.iter().any(|done| done.address.to_string() == "rds.instance.database"));
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    nothing_to_do(&instance).await;
}

/// A lineage that was chosen a moment ago is on nothing, so a first apply looks for nothing.
#[tokio::test(start_paused = true)]
async fn a_new_lineage_is_looked_for_nowhere() {
    for (lineage_is_new, looks) in [(true, false), (false, true)] {
        let instance = Instance { lineage_is_new, ..Instance::on_virtual_time() };
        let told = Arc::new(AtomicUsize::new(0));
        let rest: Rest = Box::new({
            let told = Arc::clone(&told);
            move |creation| {
                told.fetch_add(usize::from(creation.attempt.tags_are_new), Ordering::Relaxed);
                Some(async { Ok(()) }.boxed())
            }
        });
        let provider = Witness::of_long_creations(&instance, rest);
        completed(instance.go_with(provider, EXAMPLE, true, None).await.expect("applies").1);
        let found = instance.sim.calls().iter().filter(|call| call.operation == Operation::Find).count();
        assert_eq!(found > 0, looks, "{found}");
        assert_eq!(told.load(Ordering::Relaxed) > 0, lineage_is_new);
    }
}
