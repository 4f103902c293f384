//! Whatever is edited and whatever goes wrong: once it stops going wrong, one apply and nothing is left to do.

use mastoform::address::{Address, Identity};
use mastoform::apply::Outcome;
use mastoform::provider::ErrorKind;
use mastoform::provider::sim::{CrashPoint, Entry, Fault, Operation, Phase, Rule, Subject};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::changed;
use crate::support::instance::{EXAMPLE, Instance};
use crate::support::say;

/// An edit of the example: which choices are made.
#[derive(Clone, Debug)]
struct Edit {
    mode: &'static str,
    redis: bool,
    identity: bool,
    port: u16,
    capacity: u8,
    extra: bool,
    spot: bool,
}

impl Edit {
    fn text(&self, protect: bool) -> String {
        let mut text = EXAMPLE
            .replace("run_mode = \"production\"", &format!("run_mode = \"{}\"", self.mode))
            .replace("max_capacity = 1", &format!("max_capacity = {}", self.capacity))
            .replace("protect = false", &format!("protect = {protect}"));
        text.push_str(&format!("\n[web]\nport = {}\n", self.port));
        text.push_str(&format!("[task]\nspot = {}\n", self.spot));
        if self.redis {
            text.push_str("[redis]\nengine = \"redis\"\n");
        }
        if self.identity {
            text.push_str("[media]\norigin_access = \"identity\"\n");
        }
        if self.extra {
            text.push_str("[extra_env]\nMAX_SESSION_ACTIVATIONS = \"5\"\n");
        }
        text
    }
}

fn edits() -> impl Strategy<Value = Edit> {
    let mode = prop_oneof![Just("production"), Just("maintenance"), Just("debug")];
    (mode, any::<bool>(), any::<bool>(), 3000..3003u16, 1..5u8, any::<bool>(), any::<bool>()).prop_map(
        |(mode, redis, identity, port, capacity, extra, spot)| Edit {
            mode,
            redis,
            identity,
            port,
            capacity,
            extra,
            spot,
        },
    )
}

/// Something that goes wrong. As it is printed, it can be written into a test.
#[derive(Clone, Debug)]
struct Mishap {
    operation: Operation,
    /// A type, or nothing for any.
    of: &'static str,
    what: What,
    nth: usize,
    times: usize,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Throttle,
    LoseResponse,
    HideForTwo,
    FailLater,
    RefuseAccess,
    Falter,
    KillBefore,
    KillAfter,
}

impl Mishap {
    fn rule(&self) -> Rule {
        let subject = match self.of.split_once('.') {
            Some((service, kind)) => Subject::Type(mastoform::address::TypeName::new(service, kind)),
            None => Subject::Anything,
        };
        let fault = match self.what {
            What::Throttle => Fault::Throttle,
            What::LoseResponse => Fault::LoseResponse,
            What::HideForTwo => Fault::HideFor(2),
            What::FailLater => Fault::FailLater,
            What::RefuseAccess => Fault::Refuse { code: "AccessDenied".into(), kind: ErrorKind::Denied },
            What::Falter => Fault::Refuse { code: "InternalFailure".into(), kind: ErrorKind::Unknown },
            What::KillBefore => Fault::Crash(CrashPoint::BeforeTheEffect),
            What::KillAfter => Fault::Crash(CrashPoint::AfterTheEffect),
        };
        Rule::new(self.operation, subject, fault).nth(self.nth).times(self.times)
    }
}

fn mishaps() -> impl Strategy<Value = Mishap> {
    let operation = prop_oneof![Just(Operation::Create), Just(Operation::Update), Just(Operation::Delete)];
    let of = prop_oneof![
        Just(""),
        Just("ec2.security_group_rule"),
        Just("ecs.service"),
        Just("rds.cluster"),
        Just("elb.target_group"),
    ];
    let what = prop_oneof![
        Just(What::Throttle),
        Just(What::LoseResponse),
        Just(What::HideForTwo),
        Just(What::FailLater),
        Just(What::RefuseAccess),
        Just(What::Falter),
        Just(What::KillBefore),
        Just(What::KillAfter),
    ];
    (operation, of, what, 1..4usize, 1..4usize).prop_map(|(operation, of, what, nth, times)| Mishap {
        operation,
        of,
        what,
        nth,
        times,
    })
}

/// What the state says must not be deleted.
fn protected(instance: &Instance) -> Vec<(Address, Identity)> {
    let rows = instance.state().map(|state| state.rows).unwrap_or_default();
    rows.into_iter()
        .filter(|(_, row)| row.protect)
        .filter_map(|(address, row)| Some((address, row.identity?)))
        .collect()
}

/// Plays the rounds, each an edit and what goes wrong while it is applied; then one apply undisturbed. What is wrong
/// afterwards.
async fn play(protect: bool, rounds: &[(Edit, Vec<Mishap>)], last: &Edit) -> Result<(), String> {
    let instance = Instance::new();
    let mut guarded: Vec<(Address, Identity)> = Vec::new();
    for (edit, mishaps) in rounds {
        instance.sim.clear_faults();
        for mishap in mishaps {
            instance.sim.add_fault(mishap.rule());
        }
        // It may fail or be killed; it may not lose anything.
        let text = edit.text(protect);
        tokio::select! {
            _ = instance.go(&text, true) => {}
            () = instance.sim.crashed() => {}
        }
        instance.sim.revive();
        guarded.extend(protected(&instance));
    }
    instance.sim.clear_faults();
    let text = last.text(protect);
    let (plan, outcome) = instance.go(&text, true).await.map_err(|problems| problems.to_string())?;
    let objects = instance.sim.objects();
    for (address, identity) in &guarded {
        let lives = objects.iter().any(|object| object.identity == *identity);
        if !lives {
            return Err(format!("{address} was protected, and {identity} is gone"));
        }
    }
    let Some(outcome) = outcome else {
        let refused = protect && !plan.refusals.is_empty();
        return if refused { Ok(()) } else { Err("it was not applied".to_owned()) };
    };
    let report = outcome.report();
    if !matches!(outcome, Outcome::Completed(_)) {
        return Err(format!("{:?} {:?} {:?}", report.failed, report.not_started, report.unsaved));
    }
    let (plan, _) = instance.go(&text, false).await.map_err(|problems| problems.to_string())?;
    if !plan.is_empty() {
        return Err(format!("left to do: {:?}", changed(&plan)));
    }
    // Everything in the cloud is known to the state: no orphan.
    let state = instance.state().ok_or("no state")?;
    let known: Vec<_> = state.rows.values().filter_map(|row| row.identity.clone()).collect();
    let alive = |entry: &&Entry| entry.object.phase != Phase::Deleting;
    match objects.iter().filter(alive).find(|object| !known.contains(&object.identity)) {
        Some(orphan) => Err(format!("orphan {} {}", orphan.type_name, orphan.identity)),
        None => Ok(()),
    }
}

fn played(protect: bool, rounds: &[(Edit, Vec<Mishap>)], last: &Edit) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(play(protect, rounds, last))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        max_shrink_iters: 60,
        failure_persistence: None,
        // The same cases every time; another PROPTEST_RNG_SEED and more PROPTEST_CASES look further.
        rng_seed: match ProptestConfig::default().rng_seed {
            RngSeed::Random => RngSeed::Fixed(20_261_126),
            given => given,
        },
        ..ProptestConfig::default()
    })]

    #[test]
    fn after_the_faults_stop_one_apply_leaves_nothing_to_do(
        protect in any::<bool>(),
        rounds in prop::collection::vec((edits(), prop::collection::vec(mishaps(), 0..3)), 1..4),
        last in edits(),
    ) {
        if let Err(problem) = played(protect, &rounds, &last) {
            let rounds: Vec<String> =
                rounds.iter().map(|(edit, mishaps)| format!("({edit:?}, vec!{mishaps:?})")).collect();
            say(&format!(
                "{problem}; as a test:\n    use Operation::*;\n    use What::*;\n    let rounds = [{}];\n    \
                 assert_eq!(played({protect}, &rounds, &{last:?}), Ok(()));",
                rounds.join(", ")
            ));
            prop_assert!(false, "{}", problem);
        }
    }
}

fn edit(mode: &'static str, port: u16, capacity: u8, spot: bool) -> Edit {
    Edit { mode, redis: false, identity: false, port, capacity, extra: false, spot }
}

/// Found by the search above. A failed change leaves the old of two replaced objects behind; then the file goes back to
/// what it was, and the name of the wanted object is that of the leftover.
#[test]
fn a_leftover_that_is_wanted_again_is_taken_back() {
    let fails = Mishap { operation: Operation::Update, of: "", what: What::FailLater, nth: 2, times: 2 };
    let rounds = [
        (edit("production", 3001, 1, false), vec![]),
        (edit("production", 3002, 2, false), vec![fails]),
        (edit("production", 3001, 1, false), vec![]),
    ];
    assert_eq!(played(false, &rounds, &edit("maintenance", 3000, 3, true)), Ok(()));
}

/// Found by the search above. Two objects were left behind at one address: they go one after the other.
#[test]
fn several_leftovers_of_one_address_all_go() {
    let refused = Mishap { operation: Operation::Create, of: "", what: What::RefuseAccess, nth: 2, times: 1 };
    let fails = Mishap { operation: Operation::Update, of: "", what: What::FailLater, nth: 1, times: 2 };
    let rounds = [
        (edit("production", 3001, 1, false), vec![]),
        (edit("production", 3002, 1, false), vec![refused]),
        (edit("production", 3000, 1, false), vec![fails]),
    ];
    assert_eq!(played(false, &rounds, &edit("production", 3000, 1, false)), Ok(()));
}

/// Found by the search above. Two objects were left behind at one address, and the name of one of them is wanted again.
#[test]
fn of_several_leftovers_the_one_with_the_wanted_name_is_taken_back() {
    let fails = || Mishap { operation: Operation::Update, of: "ecs.service", what: What::FailLater, nth: 1, times: 2 };
    let rounds = [
        (edit("production", 3000, 1, false), vec![]),
        (edit("production", 3002, 1, false), vec![fails()]),
        (edit("production", 3001, 1, false), vec![fails()]),
    ];
    assert_eq!(played(false, &rounds, &edit("production", 3000, 1, false)), Ok(()));
}

/// Found by the search above. What ended in a failed status is replaced by another of the same name, which is taken until
/// the old one is really gone.
#[test]
fn the_name_of_what_failed_is_waited_for() {
    let fails = Mishap { operation: Operation::Create, of: "", what: What::FailLater, nth: 1, times: 2 };
    let with_redis = Edit { redis: true, ..edit("production", 3001, 1, false) };
    let rounds = [(with_redis, vec![]), (edit("production", 3001, 1, false), vec![fails])];
    let last = Edit { extra: true, ..edit("production", 3000, 3, false) };
    assert_eq!(played(false, &rounds, &last), Ok(()));
}

/// Found by the search above. Where `deleting` counts as gone, because AWS never takes a deletion back, the simulated cloud
/// takes none back either; and its name is free again after a while.
#[test]
fn what_counts_as_gone_goes() {
    let fails = Mishap { operation: Operation::Delete, of: "", what: What::FailLater, nth: 1, times: 2 };
    let with_redis = || Edit { redis: true, ..edit("production", 3000, 1, false) };
    let rounds = [(with_redis(), vec![]), (edit("production", 3000, 1, false), vec![fails])];
    assert_eq!(played(false, &rounds, &with_redis()), Ok(()));
}

/// Found by the search above. A type without a failed status never fails.
#[test]
fn what_cannot_fail_does_not() {
    let fails = Mishap { operation: Operation::Update, of: "", what: What::FailLater, nth: 3, times: 3 };
    let with_identity = Edit { identity: true, ..edit("production", 3000, 1, false) };
    let with_redis = Edit { redis: true, ..edit("debug", 3001, 2, true) };
    let rounds = [(with_identity, vec![]), (with_redis, vec![fails])];
    assert_eq!(played(false, &rounds, &edit("debug", 3002, 2, false)), Ok(()));
}
