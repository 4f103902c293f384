//! A refresh is one wave: everything is asked at once, and nothing twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mastoform::address::Address;
use mastoform::apply::Outcome;
use mastoform::provider::ErrorKind;
use mastoform::provider::sim::{Fault, Operation, Options, Rule, Sim, Subject};
use mastoform::provider::trace::{Call, Calls, Summary};
use mastoform::spec::{OverlayFile, Specs};
use mastoform::state::State;
use mastoform::value::Value;

use crate::support::instance::{EXAMPLE, Instance, Script};

/// The example, applied on a cloud in which every call takes 100 ms of virtual time, and the log of its calls.
async fn applied() -> (Instance, Calls) {
    let specs = Specs::read(&[]).unwrap_or_else(|problems| panic!("{problems}"));
    let trace = Calls::new();
    let latency = Duration::from_millis(100);
    let options = Options { speed: 10_000.0, latency, trace: trace.clone(), ..Options::default() };
    let sim = Sim::open(Arc::clone(&specs.types), None, options).expect("a cloud");
    let instance = Instance::with(sim);
    let (_, outcome) = instance.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(matches!(outcome, Some(Outcome::Completed(_))), "{outcome:?}");
    (instance, trace)
}

/// What a plan asks.
async fn asked_by_a_plan(instance: &Instance, trace: &Calls) -> Vec<Call> {
    let before = trace.snapshot().len();
    let (plan, _) = instance.go(EXAMPLE, false).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(plan.changes.is_empty(), "{:#?}", plan.changes);
    trace.snapshot().split_off(before)
}

fn chain(calls: &[Call]) -> usize {
    Summary::of(calls).expect("some calls").chain
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_changes_is_one_round_and_one_call_per_type() {
    let (instance, trace) = applied().await;
    let calls = asked_by_a_plan(&instance, &trace).await;
    assert_eq!(chain(&calls), 1, "{calls:#?}");
    let mut names: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| !call.operation.contains(":Lookup")) {
        *names.entry((&call.operation, &call.region)).or_default() += 1;
    }
    assert!(names.len() > 15 && names.values().all(|count| *count == 1), "{names:#?}");
}

/// Changes the answers that the state remembers.
fn remember(instance: &Instance, change: impl FnOnce(&mut BTreeMap<Address, Value>)) {
    let path = instance.paths().state();
    let mut state = State::read(&path).expect("a state").expect("there is one");
    change(&mut state.lookups);
    state.write(&path).expect("written");
}

/// Lets the state remember another network than the cloud has.
fn misremember(instance: &Instance) {
    remember(instance, |answers| {
        let network: Address = "ec2.vpc.default".parse().expect("an address");
        let remembered = answers.get_mut(&network).expect("it was looked up");
        remembered.set(&["id"], Value::from("vpc-00000000000000000"));
    });
}

/// Lets the state remember no answers.
fn forget(instance: &Instance) {
    remember(instance, BTreeMap::clear);
}

fn subnets() -> Address {
    "ec2.subnets.default".parse().expect("an address")
}

fn denied() -> Fault {
    Fault::Refuse { code: "UnauthorizedOperation".to_owned(), kind: ErrorKind::Denied }
}

fn count(calls: &[Call], operation: &str) -> usize {
    calls.iter().filter(|call| call.operation == operation).count()
}

/// The subnets are asked for by the network's id, which is remembered. Where that was wrong, they are asked again.
#[tokio::test(start_paused = true)]
async fn a_wrong_memory_costs_one_more_round_and_nothing_else() {
    let (instance, trace) = applied().await;
    misremember(&instance);
    let calls = asked_by_a_plan(&instance, &trace).await;
    assert_eq!((count(&calls, "ec2:LookupVpc"), count(&calls, "ec2:LookupSubnets")), (1, 2), "{calls:#?}");
    assert_eq!(chain(&calls), 2, "{calls:#?}");
}

/// The answer to a wrong question is of no interest, not even that there is none.
#[tokio::test(start_paused = true)]
async fn a_guess_that_is_refused_is_no_failure() {
    let (instance, trace) = applied().await;
    misremember(&instance);
    instance.sim.add_fault(Rule::new(Operation::Lookup, Subject::Address(subnets()), Fault::nothing_found()));
    let calls = asked_by_a_plan(&instance, &trace).await;
    assert_eq!(count(&calls, "ec2:LookupSubnets"), 2, "{calls:#?}");
}

/// A refusal of the right question is told at once.
#[tokio::test(start_paused = true)]
async fn a_right_guess_that_is_refused_is_a_failure_and_asked_once() {
    let (instance, trace) = applied().await;
    assert_eq!(refused(&instance, &trace).await, 1);
}

/// A refusal of a part of the question says nothing of the whole.
#[tokio::test(start_paused = true)]
async fn a_part_of_a_question_that_is_refused_is_asked_as_a_whole() {
    let (instance, trace) = applied().await;
    forget(&instance);
    assert_eq!(refused(&instance, &trace).await, 2);
}

/// Counts how often a plan asks for subnets that it may not see.
async fn refused(instance: &Instance, trace: &Calls) -> usize {
    instance.sim.add_fault(Rule::new(Operation::Lookup, Subject::Address(subnets()), denied()).times(10));
    let before = trace.snapshot().len();
    let error = instance.gather(EXAMPLE, false).await.expect_err("nobody may see them").to_string();
    assert!(error.contains("ec2.subnets.default"), "{error}");
    count(&trace.snapshot().split_off(before), "ec2:LookupSubnets")
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_guess_when_something_has_failed() {
    let (instance, _) = applied().await;
    let network = Subject::Address("ec2.vpc.default".parse().expect("an address"));
    instance.sim.add_fault(Rule::new(Operation::Lookup, network, denied()));
    instance.sim.add_fault(Rule::new(Operation::Lookup, Subject::Address(subnets()), Fault::NeverAnswer));
    let asked = tokio::time::timeout(Duration::from_secs(60), instance.gather(EXAMPLE, false));
    let error = asked.await.expect("an end").expect_err("a refusal").to_string();
    assert!(error.contains("ec2.vpc.default"), "{error}");
}

/// The question about the subnets needs the network's id. Without it, it has an answer that tells the network.
#[tokio::test(start_paused = true)]
async fn a_question_is_asked_before_all_of_it_is_known() {
    let (instance, trace) = applied().await;
    forget(&instance);
    let calls = asked_by_a_plan(&instance, &trace).await;
    assert_eq!((count(&calls, "ec2:LookupVpc"), count(&calls, "ec2:LookupSubnets")), (1, 1), "{calls:#?}");
    assert_eq!(chain(&calls), 1, "{calls:#?}");
}

/// An answer that tells another network is of no interest. The whole question is asked.
#[tokio::test(start_paused = true)]
async fn an_answer_to_a_part_of_a_question_counts_only_if_it_has_the_rest() {
    let (instance, trace) = applied().await;
    let state = instance.state().expect("a state");
    forget(&instance);
    let mut elsewhere = state.lookups[&subnets()].clone();
    elsewhere.set(&["vpc_id"], Value::from("vpc-00000000000000000"));
    instance.sim.put(&subnets().type_name, &state.region, elsewhere, BTreeMap::new());
    let calls = asked_by_a_plan(&instance, &trace).await;
    assert_eq!(count(&calls, "ec2:LookupSubnets"), 2, "{calls:#?}");
    assert_eq!(chain(&calls), 2, "{calls:#?}");
}

/// Nothing would narrow down the first, and no answer tells what the second wants.
#[tokio::test(start_paused = true)]
async fn a_question_that_would_say_too_little_waits() {
    let (instance, trace) = applied().await;
    forget(&instance);
    let text = r#"
        [ec2.subnets.all]
        lookup = { vpc_id = "${ec2.vpc.default.id}" }

        [ec2.subnets.some]
        lookup = { default_for_az = true, without_zones = ["${ec2.vpc.default.id}"] }
    "#;
    let overlay = OverlayFile { name: "own.toml".into(), types_of: None, text: text.into() };
    let script = Script::read(&[overlay], EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    let before = trace.snapshot().len();
    instance.go_by(instance.sim.clone(), &script, false, None).await.unwrap_or_else(|problems| panic!("{problems}"));
    let calls = trace.snapshot().split_off(before);
    let start = |operation: &str| calls.iter().find(|call| call.operation == operation).map(|call| call.start);
    let networks = start("ec2:LookupVpc").expect("networks are looked up");
    let (early, late): (Vec<_>, Vec<_>) =
        calls.iter().filter(|call| call.operation == "ec2:LookupSubnets").partition(|call| call.start == networks);
    assert_eq!((early.len(), late.len()), (1, 2), "{calls:#?}");
}
