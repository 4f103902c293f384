//! A refresh is one wave: everything is asked at once, and nothing twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mastoform::address::Address;
use mastoform::apply::Outcome;
use mastoform::provider::sim::{Fault, Operation, Options, Rule, Sim, Subject};
use mastoform::provider::trace::{Call, Calls, Summary};
use mastoform::spec::Specs;
use mastoform::state::State;
use mastoform::value::Value;

use crate::support::instance::{EXAMPLE, Instance};

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

/// Lets the state remember another network than the cloud has.
fn misremember(instance: &Instance) {
    let path = instance.paths().state();
    let mut state = State::read(&path).expect("a state").expect("there is one");
    let network: Address = "ec2.vpc.default".parse().expect("an address");
    let remembered = state.lookups.get_mut(&network).expect("it was looked up");
    remembered.set(&["id"], Value::from("vpc-00000000000000000"));
    state.write(&path).expect("written");
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
    let subnets = Subject::Address("ec2.subnets.default".parse().expect("an address"));
    instance.sim.add_fault(Rule::new(Operation::Lookup, subnets, Fault::nothing_found()));
    let calls = asked_by_a_plan(&instance, &trace).await;
    assert_eq!(count(&calls, "ec2:LookupSubnets"), 2, "{calls:#?}");
}
