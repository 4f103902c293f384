//! An apply takes as long as the slowest chain of resources, and hardly more.
//!
//! On a paused clock, so that minutes of the simulated cloud pass in no time and every run is the same.

use std::sync::Arc;
use std::time::Duration;

use mastoform::apply::Outcome;
use mastoform::plan::Plan;
use mastoform::plan::order::{Steps, Verb};
use mastoform::provider::sim::{Options, Sim};
use mastoform::spec::types::Milestone;
use mastoform::spec::{Specs, Types};
use mastoform::state::State;

use crate::support::instance::{EXAMPLE, Instance};

/// The seconds the cloud needs for the longest chain of a first apply: no program can do it faster.
fn longest_chain(plan: &Plan, types: &Types) -> f64 {
    let steps = Steps::of(plan, &State::new("lineage", "social", "eu-central-1"), types).expect("no cycle");
    let own = |index: usize| {
        let step = steps.step(index);
        if step.verb == Verb::Skip {
            return Duration::ZERO;
        }
        assert_eq!(step.verb, Verb::Create, "a first apply only creates");
        let resource_type = types.get(&step.address.type_name).expect("a type");
        if resource_type.ready.is_some() { resource_type.expect.create } else { Duration::ZERO }
    };
    // Steps stand in the order of the plan, in which everything comes after what it needs.
    let mut ends: Vec<f64> = Vec::new();
    let mut starts: Vec<f64> = Vec::new();
    for index in 0..steps.len() {
        let start = steps.needs(index).map(|(needed, milestone)| match milestone {
            Milestone::Created => starts[needed],
            Milestone::Ready => ends[needed],
        });
        let start = start.fold(0.0, f64::max);
        starts.push(start);
        ends.push(start + own(index).as_secs_f64());
    }
    ends.into_iter().fold(0.0, f64::max)
}

/// Seconds of a first apply of the example, and of its longest chain.
pub async fn first_apply(at_once: usize) -> (f64, f64) {
    let specs = Specs::read(&[]).expect("valid specs");
    // What AWS takes, and calls that take as long as they do from the same continent.
    let options = Options { speed: 1.0, latency: Duration::from_millis(20), ..Options::default() };
    let sim = Sim::open(Arc::clone(&specs.types), None, options).expect("a cloud");
    let instance = Instance { at_once, ..Instance::with(sim) };
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    let before = tokio::time::Instant::now();
    let (_, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    assert!(matches!(outcome, Some(Outcome::Completed(_))), "{outcome:#?}");
    (before.elapsed().as_secs_f64(), longest_chain(&plan, &specs.types))
}

#[tokio::test(start_paused = true)]
async fn a_first_apply_is_as_fast_as_its_longest_chain() {
    for (at_once, most) in [(16, 1.02), (4, 1.10)] {
        let (took, chain) = first_apply(at_once).await;
        let ratio = took / chain;
        assert!(ratio <= most, "{at_once} at once: {took:.1} s for a chain of {chain:.1} s: {ratio:.3}");
    }
}
