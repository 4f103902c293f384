//! What AWS does by itself: versions it raises, backups it takes, failures and stops it reports.
//!
//! Nobody edits the file here. So a plan and a drift have one question to answer, and give one answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use mastoform::address::TypeName;
use mastoform::plan::change::Plan;
use mastoform::plan::drift::{Drift, What, drift};
use mastoform::plan::resolve::{World, resolve};
use mastoform::plan::{Action, Cause};
use mastoform::provider::sim::{Fault, Operation, Rule, Subject};
use mastoform::provider::{ErrorKind, Provider, read_only};
use mastoform::session;
use mastoform::spec::Specs;
use mastoform::spec::types::{Condition, Impact, Remedy};
use mastoform::value::Value;
use proptest::prelude::*;

use super::{changed, completed, nothing_to_do};
use crate::support::instance::{EXAMPLE, Instance, Script, example};

/// The plan for a text of the file, and the drift, from one look.
async fn look(instance: &Instance, text: &str) -> (Plan, Drift) {
    let script = Script::read(&[], text).unwrap_or_else(|problems| panic!("{problems}"));
    look_by(instance, &script).await
}

async fn look_by(instance: &Instance, Script { specs, config, evaluator }: &Script) -> (Plan, Drift) {
    let nothing = BTreeMap::new();
    let early = World { specs, config, lookups: &nothing, previous: &Value::Null, evaluator };
    let reader: Arc<dyn Provider> = instance.sim.clone();
    let read = session::read_state(&instance.paths(), &config.name, &config.region, "lineage").expect("a state");
    let gathered = session::gather(&read_only(&reader), &specs.types, Some(&early), read).await;
    let gathered = gathered.unwrap_or_else(|error| panic!("{error}"));
    let world = World { lookups: &gathered.lookups, ..early };
    let graph = resolve(&world).unwrap_or_else(|problems| panic!("{problems}"));
    let (plan, _) = session::plan(&world, &graph, &gathered).unwrap_or_else(|problems| panic!("{problems}"));
    let observations = gathered.observations.clone().unwrap_or_default();
    let drift = drift(&plan, &gathered.state, &observations, &[], &specs.types);
    (plan, drift)
}

async fn living() -> Instance {
    let instance = Instance::on_virtual_time();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    instance
}

fn set(instance: &Instance, address: &str, name: &str, value: Value) {
    assert!(instance.sim.change_behind_our_back(address, &[name], value), "{address}");
}

fn refusals(plan: &Plan) -> Vec<String> {
    plan.refusals.iter().map(|refusal| format!("{}; {}", refusal.reason, refusal.hint)).collect()
}

/// The addresses of the example whose type has a status, with the attribute that holds it and all that it can be.
fn statuses() -> Vec<(String, String, Vec<String>)> {
    let types = Specs::read(&[]).expect("valid specs").types;
    let addresses = [
        "rds.cluster.database",
        "rds.instance.database",
        "elasticache.replication_group.cache",
        "elb.load_balancer.public",
        "ecs.cluster.mastodon",
        "ecs.service.mastodon",
        "cloudfront.distribution.media",
        "acm.certificate.requested_web",
        "dns.record.web",
    ];
    let described = addresses.into_iter().map(|address| {
        let parsed: mastoform::address::Address = address.parse().expect("an address");
        let ready = types[&parsed.type_name].ready.as_ref().expect("a type with a status");
        (address.to_owned(), ready.attribute.clone(), ready.classified().cloned().collect())
    });
    described.collect()
}

/// What a plan calls nothing to do is what a drift calls clean, where nobody has edited anything.
fn must_agree(plan: &Plan, drift: &Drift, story: &str) {
    assert_eq!(drift.yours, [], "{story}");
    assert_eq!(plan.is_empty(), !drift.is_present(), "{story}: {:?} {:?} {drift:?}", changed(plan), plan.refusals);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_aws_raised_is_never_set_back() {
    let instance = living().await;
    for (address, raised) in [
        ("rds.cluster.database", "17.10"),
        ("rds.cluster.database", "18.1"),
        ("elasticache.replication_group.cache", "9.0"),
    ] {
        set(&instance, address, "engine_version", raised.into());
        let (plan, drift) = look(&instance, EXAMPLE).await;
        assert!(plan.is_empty(), "{address}: {:?} {:?}", changed(&plan), plan.refusals);
        assert!(!drift.is_present(), "{drift:?}");
        assert!(drift.aws.iter().any(|finding| finding.address.to_string() == address), "{drift:?}");
    }
    // Another change of the same resource does not bring the version back.
    let larger = example(&[("max_capacity = 1", "max_capacity = 4")]);
    let (plan, outcome) = instance.go(&larger, true).await.expect("applies");
    assert_eq!(changed(&plan), ["update rds.cluster.database"]);
    let Action::Update { attributes } = &plan.changes[0].action else { panic!("{:?}", plan.changes[0]) };
    assert_eq!(attributes, &["serverless_v2"]);
    completed(outcome);
}

#[tokio::test(start_paused = true)]
async fn a_version_below_the_one_that_runs_is_refused_before_anything_runs() {
    let instance = living().await;
    let lower = example(&[("max_capacity = 1", "max_capacity = 1\nengine_version = \"16.8\"")]);
    let (plan, outcome) = instance.go(&lower, true).await.expect("plans");
    assert!(outcome.is_none(), "a refused plan is not applied");
    let [said] = &refusals(&plan)[..] else { panic!("{:?}", plan.refusals) };
    assert!(said.starts_with("rds.cluster.database has engine_version 17.9, and AWS never lowers it to 16.8; say 17.9 or more in mastodon.toml:"), "{said}");
    // A wish between the recorded version and the one that AWS has reached is met.
    set(&instance, "rds.cluster.database", "engine_version", "17.12".into());
    let between = example(&[("max_capacity = 1", "max_capacity = 1\nengine_version = \"17.10\"")]);
    let (plan, _) = instance.go(&between, false).await.expect("plans");
    assert!(plan.is_empty(), "{:?} {:?}", changed(&plan), plan.refusals);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_somebody_set_lower_is_drift_and_is_raised_again() {
    let instance = living().await;
    set(&instance, "rds.cluster.database", "engine_version", "17.7".into());
    let (plan, drift) = look(&instance, EXAMPLE).await;
    must_agree(&plan, &drift, "17.7");
    assert_eq!(changed(&plan), ["update rds.cluster.database"]);
}

#[tokio::test(start_paused = true)]
async fn every_status_means_the_same_to_a_plan_and_to_a_drift() {
    let instance = living().await;
    let script = Script::read(&[], EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    let types = &script.specs.types;
    for (address, attribute, statuses) in statuses() {
        let parsed: mastoform::address::Address = address.parse().expect("an address");
        let resource_type = &types[&parsed.type_name];
        for status in statuses.iter().chain([&"a-word-of-tomorrow".to_owned()]) {
            set(&instance, &address, &attribute, status.as_str().into());
            let (plan, drift) = look_by(&instance, &script).await;
            let story = format!("{address} is {status}");
            must_agree(&plan, &drift, &story);
            let condition = resource_type.ready.as_ref().expect("a status").condition(status);
            match condition {
                Condition::Good => assert_eq!(drift, Drift::default(), "{story}"),
                Condition::Passing => {
                    assert!(plan.is_empty(), "{story}: {:?}", changed(&plan));
                    assert!(matches!(drift.aws[0].what, What::Busy { .. }), "{story}: {drift:?}");
                }
                Condition::Waits(_) => {
                    assert_eq!(changed(&plan), [format!("adopt {address}")], "{story}");
                    let [Cause::Waits { advice }] = &plan.changes[0].causes[..] else { panic!("{plan:?}") };
                    assert!(!advice.contains(['{', '}']), "{advice}");
                }
                Condition::Failed(Remedy::Again | Remedy::AtOnce) => {
                    assert_eq!(changed(&plan), [format!("update {address}")], "{story}");
                    let [Cause::Reported { status: said }] = &plan.changes[0].causes[..] else { panic!("{plan:?}") };
                    assert!(said.starts_with(status), "{said}");
                }
                Condition::Failed(Remedy::Anew) if !resource_type.loses_data() => {
                    assert!(changed(&plan).contains(&format!("replace {address}")), "{story}: {:?}", changed(&plan));
                }
                Condition::Failed(_) | Condition::Stopped(_) | Condition::Going => {
                    assert_eq!(changed(&plan), Vec::<String>::new(), "{story}");
                    let said = refusals(&plan).join("\n");
                    assert!(said.starts_with(&format!("AWS reports {address} as {status}; ")), "{story}: {said}");
                    assert!(!said.contains(['{', '}']), "{said}");
                }
            }
            if !matches!(condition, Condition::Good | Condition::Passing) {
                let [finding] = &drift.failing[..] else { panic!("{story}: {drift:?}") };
                assert_eq!(finding.address.to_string(), address);
            }
            set(&instance, &address, &attribute, Value::Null);
        }
    }
    nothing_to_do(&instance).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_aws_does_by_itself_a_plan_and_a_drift_agree(
        picked in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..5),
        database in prop::sample::select(vec!["17.9", "17.10", "17.8", "18.0"]),
        cache in prop::sample::select(vec!["8.2", "8.3", "9.0"]),
        group in prop::sample::select(vec![0, 1, 10]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let instance = living().await;
            let all = statuses();
            let mut story = BTreeMap::new();
            for (which, status) in &picked {
                let (address, attribute, statuses) = which.get(&all);
                let status = status.get(statuses).as_str();
                set(&instance, address, attribute, status.into());
                story.insert(address, status);
            }
            set(&instance, "rds.cluster.database", "engine_version", database.into());
            set(&instance, "elasticache.replication_group.cache", "engine_version", cache.into());
            if group > 0 {
                set(&instance, "logs.log_group.mastodon", "retention_days", Value::Integer(group));
            }
            let (plan, drift) = look(&instance, EXAMPLE).await;
            must_agree(&plan, &drift, &format!("{story:?} {database} {cache} {group}"));
        });
    }
}

/// What goes wrong in an account that is new or slow, or that has the names already.
#[derive(Clone, Copy, Debug)]
enum Account {
    /// Reads do not show yet what was made.
    Slow(u32),
    /// A role or a group that a call needs is not known yet.
    Fresh(usize),
    /// Somebody else has something of that name.
    Taken,
    /// AWS accepts it, and it comes to nothing.
    Failing,
}

impl Account {
    fn fault(self) -> Fault {
        let refuse = |code: &str, kind| Fault::Refuse { code: code.to_owned(), kind };
        match self {
            Self::Slow(reads) => Fault::HideFor(reads),
            Self::Fresh(_) => refuse("ServiceLinkedRoleNotFoundFault", ErrorKind::NotYet),
            Self::Taken => refuse("AlreadyExists", ErrorKind::Conflict),
            Self::Failing => Fault::FailLater,
        }
    }

    fn times(self) -> usize {
        match self {
            Self::Fresh(times) => times,
            _ => 1,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn whatever_becomes_of_a_first_apply_a_plan_and_a_drift_agree(
        troubles in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "ec2.security_group", "rds.cluster", "rds.subnet_group", "elasticache.replication_group", "iam.role",
                    "elb.target_group", "ecs.service", "s3.bucket", "cloudfront.distribution",
                ]),
                prop_oneof![
                    (1..4u32).prop_map(Account::Slow),
                    (1..4usize).prop_map(Account::Fresh),
                    Just(Account::Taken),
                    Just(Account::Failing),
                ],
                1..3usize,
            ),
            1..4,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let story = format!("{troubles:?}");
            let instance = Instance::on_virtual_time();
            for (of, account, nth) in &troubles {
                let (service, kind) = of.split_once('.').expect("a type");
                let subject = Subject::Type(TypeName::new(service, kind));
                let rule = Rule::new(Operation::Create, subject, account.fault());
                instance.sim.add_fault(rule.nth(*nth).times(account.times()));
            }
            let (_, outcome) = instance.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{story}: {problems}"));
            let is_complete = matches!(outcome, Some(mastoform::apply::Outcome::Completed(_)));
            // What reads do not show at first they show after a while.
            for _ in 0..3 {
                instance.go(EXAMPLE, false).await.expect("a plan");
            }
            let (plan, drift) = look(&instance, EXAMPLE).await;
            // Nobody has done anything: what is not as it should be has failed, and the plan mends or refuses it.
            assert_eq!((&drift.somebody, &drift.left_over), (&vec![], &vec![]), "{story}");
            assert_eq!(plan.is_empty(), is_complete, "{story}: {:?} {:?}", changed(&plan), plan.refusals);
            for finding in &drift.failing {
                let is_planned = plan.changes.iter().any(|change| change.address == finding.address)
                    || plan.refusals.iter().any(|refusal| refusal.address == finding.address);
                assert!(is_planned, "{story}: {finding:?}");
            }
            instance.sim.clear_faults();
            completed(instance.go(EXAMPLE, true).await.expect("applies").1);
            let (plan, drift) = look(&instance, EXAMPLE).await;
            assert!(plan.is_empty(), "{story}: {:?}", changed(&plan));
            must_agree(&plan, &drift, &story);
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_whose_first_deployment_failed_is_deployed_again_and_not_replaced() {
    let instance = Instance::on_virtual_time();
    let address = Subject::Address("ecs.service.mastodon".parse().expect("an address"));
    instance.sim.add_fault(Rule::new(Operation::Create, address, Fault::FailLater));
    let (_, outcome) = instance.go(EXAMPLE, true).await.expect("runs");
    let Some(mastoform::apply::Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    let said = &report.failed[0].message;
    assert_eq!(said, "AWS reports it as FAILED: ECS deployment circuit breaker: tasks failed to start");
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    assert!(changed(&plan).contains(&"update ecs.service.mastodon".to_owned()), "{:?}", changed(&plan));
    completed(outcome);
    nothing_to_do(&instance).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_is_not_destroyed_before_somebody_starts_it() {
    let instance = living().await;
    set(&instance, "rds.cluster.database", "status", "stopped".into());
    let plan = instance.plan_destroy().await;
    let [said] = &refusals(&plan)[..] else { panic!("{:?}", plan.refusals) };
    assert_eq!(
        said,
        "AWS reports rds.cluster.database as stopped; start it with `aws rds start-db-cluster --region eu-central-1 \
         --db-cluster-identifier social-database`"
    );
}

#[tokio::test(start_paused = true)]
async fn what_stops_while_it_is_waited_for_fails_at_once() {
    let instance = Instance::on_virtual_time();
    let address = Subject::Address("rds.cluster.database".parse().expect("an address"));
    instance.sim.add_fault(Rule::new(Operation::Create, address, Fault::StickIn("stopped".to_owned())));
    let (_, outcome) = instance.go(EXAMPLE, true).await.expect("runs");
    let Some(mastoform::apply::Outcome::Halted(report)) = outcome else { panic!("{outcome:#?}") };
    let said = &report.failed[0].message;
    assert!(said.starts_with("AWS reports it as stopped; start it with `aws rds start-db-cluster"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn the_order_of_statements_in_a_policy_means_nothing() {
    let instance = living().await;
    let of_bucket = |object: &mastoform::provider::sim::Object| object.attributes.get("policy").cloned();
    let policies = instance.sim.objects();
    let found = policies.iter().filter(|entry| entry.type_name.to_string() == "s3.bucket_policy");
    let mut changed_any = false;
    for entry in found {
        let Some(Value::Map(mut policy)) = of_bucket(&entry.object) else { continue };
        let Some(Value::List(statements)) = policy.get_mut("Statement") else { continue };
        statements.reverse();
        changed_any |= statements.len() > 1;
        set(&instance, entry.identity.as_str(), "policy", Value::Map(policy));
    }
    assert!(changed_any, "no policy with two statements");
    nothing_to_do(&instance).await;
}

/// How bad a plan is, and what people notice of it.
async fn noticed(instance: &Instance, text: &str) -> (Impact, Vec<String>) {
    let (plan, _) = instance.go(text, false).await.expect("plans");
    let types = Specs::read(&[]).expect("valid specs").types;
    let worst = plan.changes.iter().filter(|change| change.impact == plan.impact());
    let notices = worst.filter_map(|change| types[&change.address.type_name].notice(change.impact));
    (plan.impact(), notices.map(str::to_owned).collect())
}

#[tokio::test(start_paused = true)]
async fn what_lasts_is_an_outage_until_it_is_undone() {
    let instance = living().await;
    let none = format!("{EXAMPLE}\n[task]\ncount = 0\n");
    let maintenance = example(&[(r#"run_mode = "production""#, r#"run_mode = "maintenance""#)]);
    let disabled = format!("{EXAMPLE}\n[patch.\"cloudfront.distribution.media\"]\nenabled = false\n");
    for text in [&none, &maintenance, &disabled] {
        let (impact, notices) = noticed(&instance, text).await;
        assert_eq!(impact, Impact::Lasting, "{text}");
        assert!(notices.iter().all(|notice| notice.contains("until this is undone")), "{notices:?}");
    }
    // Undoing it is none.
    for text in [none, maintenance] {
        completed(instance.go(&text, true).await.expect("applies").1);
        assert!(noticed(&instance, EXAMPLE).await.0 < Impact::Outage);
        completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    }
}
