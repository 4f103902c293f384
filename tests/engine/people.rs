//! What only a person can do: an apply asks for it, goes on with everything else, waits, and comes back to it.

use std::time::Duration;

use mastoform::apply::Outcome;
use mastoform::plan::Cause;
use mastoform::provider::sim::Person;
use mastoform::value::Value;

use super::{changed, completed, nothing_to_do};
use crate::support::instance::{EXAMPLE, Instance, example};

/// The example with its zone at Route 53.
fn at_route53() -> String {
    format!("{EXAMPLE}\n[dns]\nprovider = \"route53\"\n")
}

/// What a run left waiting: addresses, and what to do.
fn waiting(outcome: Option<Outcome>) -> Vec<(String, String)> {
    let Some(Outcome::Waiting(report)) = outcome else { panic!("{outcome:#?}") };
    report.waiting.into_iter().map(|(address, advice)| (address.to_string(), advice)).collect()
}

#[tokio::test(start_paused = true)]
async fn one_apply_waits_for_the_person_and_comes_to_its_end() {
    let instance = Instance::with_a_person(Person::Takes(Duration::from_secs(20 * 60)));
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    nothing_to_do(&instance).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_person_everything_else_is_done_and_the_next_apply_goes_on() {
    let instance = Instance { wait: Duration::ZERO, ..Instance::with_a_person(Person::Never) };
    let outcome = instance.go(EXAMPLE, true).await.expect("runs").1;
    let report = outcome.as_ref().expect("a run").report();
    let done = |name: &str| report.done.iter().any(|done| done.address.to_string() == name);
    assert!(done("rds.instance.database") && done("ecs.run.prepare"));
    let mut not_begun: Vec<String> = report.not_started.iter().map(ToString::to_string).collect();
    not_begun.sort();
    let expected = [
        "cloudfront.distribution.media",
        "dns.record.media",
        "ecs.run.migrate_after",
        "ecs.service.mastodon",
        "elb.listener.https",
        "elb.listener_rule.streaming",
        "s3.bucket_policy.media",
    ];
    assert_eq!(not_begun, expected);
    let waiting = waiting(outcome);
    let names: Vec<&str> = waiting.iter().map(|(name, _)| name.as_str()).collect();
    let mut names_sorted = names.clone();
    names_sorted.sort_unstable();
    assert_eq!(
        names_sorted,
        [
            "acm.certificate.requested_media",
            "acm.certificate.requested_web",
            "dns.record.media_certificate",
            "dns.record.web",
            "dns.record.web_certificate"
        ]
    );
    let record = &waiting.iter().find(|(name, _)| name == "dns.record.web").expect("asked").1;
    assert!(record.starts_with("create the DNS record social.example.org CNAME social-"), "{record}");
    assert!(!record.contains(['{', '}']), "{record}");

    // Nobody has done anything yet: the same is asked for again, and nothing is made twice.
    let before = instance.sim.objects().len();
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("runs");
    let adopted = changed(&plan).iter().filter(|what| what.starts_with("adopt ")).count();
    assert_eq!(adopted, 5, "{:?}", changed(&plan));
    let asked = |change: &&mastoform::plan::Change| matches!(change.causes[..], [Cause::Waits { .. }]);
    assert_eq!(plan.changes.iter().filter(asked).count(), 5, "{:#?}", plan.changes);
    assert_eq!(self::waiting(outcome).len(), 5);
    assert_eq!(instance.sim.objects().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_zone_at_route_53_needs_nobody() {
    let instance = Instance { wait: Duration::ZERO, ..Instance::with_a_person(Person::Never) };
    completed(instance.go(&at_route53(), true).await.expect("applies").1);
    let (plan, _) = instance.go(&at_route53(), false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_has_gone_is_waited_for_again() {
    let instance = Instance { wait: Duration::ZERO, ..Instance::on_virtual_time() };
    let instance = Instance { wait: Duration::from_secs(3600), ..instance };
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let missing = Value::from("missing");
    assert!(instance.sim.change_behind_our_back("dns.record.web_certificate", &["status"], missing));
    let instance = Instance { wait: Duration::ZERO, ..instance };
    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("runs");
    assert_eq!(changed(&plan), ["adopt dns.record.web_certificate"]);
    assert!(matches!(plan.changes[0].causes[..], [Cause::Waits { .. }]), "{:?}", plan.changes[0].causes);
    let waiting = waiting(outcome);
    assert_eq!(waiting.len(), 1);
    assert!(waiting[0].1.starts_with("create the DNS record _"), "{waiting:?}");
    assert!(instance.sim.change_behind_our_back("dns.record.web_certificate", &["status"], Value::Null));
    nothing_to_do(&instance).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_provider_moves_records_and_asks_for_none() {
    let instance = Instance::on_virtual_time();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let (plan, outcome) = instance.go(&at_route53(), true).await.expect("applies");
    let forgotten = changed(&plan).iter().filter(|what| what.starts_with("forget dns.record.")).count();
    let created = changed(&plan).iter().filter(|what| what.starts_with("create route53.record.")).count();
    assert_eq!((forgotten, created), (4, 5), "{:?}", changed(&plan));
    assert_eq!(plan.deletions().count(), 0, "a record of somebody's own zone is not deleted");
    completed(outcome);
}

#[tokio::test(start_paused = true)]
async fn with_certificates_of_ones_own_and_records_unchecked_nobody_is_waited_for() {
    let instance = Instance { wait: Duration::ZERO, ..Instance::with_a_person(Person::Never) };
    let own = example(&[("run_mode = ", "certificates = \"existing\"\nrun_mode = ")]);
    let (plan, outcome) = instance.go(&own, false).await.expect("plans");
    assert!(!changed(&plan).iter().any(|what| what.contains("acm.certificate")), "{:?}", changed(&plan));
    assert!(outcome.is_none());
    let own = format!("{own}\n[dns]\ncheck = false\n");
    completed(instance.go(&own, true).await.expect("applies").1);
}
