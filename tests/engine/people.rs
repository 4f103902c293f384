//! What only a person can do: an apply asks for it, goes on with everything else, waits, and comes back to it.

use std::time::Duration;

use mastoform::apply::Outcome;
use mastoform::plan::Cause;
use mastoform::provider::sim::Person;
use mastoform::spec::types::Impact;
use mastoform::value::Value;

use super::{changed, completed, nothing_to_do};
use crate::support::instance::{EXAMPLE, Instance, example};

/// The example with its zone at Route 53.
fn at_route53() -> String {
    format!("{EXAMPLE}\n[dns]\nprovider = \"route53\"\n")
}

/// The example with a zone of its own at Route 53.
fn with_own_zone() -> String {
    format!("{}create_zone = true\n", at_route53())
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

/// The records are there before anybody is led to them, and nothing that takes them goes on before somebody is.
#[tokio::test(start_paused = true)]
async fn a_zone_of_its_own_waits_until_its_name_servers_are_entered() {
    let instance = Instance { wait: Duration::ZERO, ..Instance::with_a_person(Person::Never) };
    let outcome = instance.go(&with_own_zone(), true).await.expect("runs").1;
    let report = outcome.as_ref().expect("a run").report();
    let done = |name: &str| report.done.iter().any(|done| done.address.to_string() == name);
    assert!(done("route53.record.web") && done("route53.record.web_certificate"), "{:?}", report.done);
    let waiting = waiting(outcome);
    let mut names: Vec<&str> = waiting.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let proofs = ["acm.certificate.requested_media", "acm.certificate.requested_web", "route53.zone.own"];
    assert_eq!(names, proofs, "certificates are not issued by records that nobody is led to");
    let zone = &waiting.iter().find(|(name, _)| name == "route53.zone.own").expect("asked").1;
    assert!(zone.starts_with("enter the name servers ns-"), "{zone}");
    assert!(
        zone.contains(", ns-") && zone.contains(" for social.example.org: where the domain is registered"),
        "{zone}"
    );
    assert!(!zone.contains(['{', '}', '[', '"']), "{zone}");

    // Nobody has done anything yet: the same is asked for again, and nothing is made twice.
    let before = instance.sim.objects().len();
    let (plan, outcome) = instance.go(&with_own_zone(), true).await.expect("runs");
    assert!(changed(&plan).contains(&"adopt route53.zone.own".to_owned()), "{:?}", changed(&plan));
    assert_eq!(self::waiting(outcome).len(), 3);
    assert_eq!(instance.sim.objects().len(), before);
}

#[tokio::test(start_paused = true)]
async fn one_apply_with_a_zone_of_its_own_comes_to_its_end_and_a_destroy_leaves_nothing() {
    let instance = Instance::with_a_person(Person::Takes(Duration::from_secs(20 * 60)));
    completed(instance.go(&with_own_zone(), true).await.expect("applies").1);
    nothing_else(&instance, &with_own_zone()).await;
    // It is the person's to lead on; as long as nobody does, the next plan says so.
    assert!(instance.sim.change_behind_our_back("route53.zone.own", &["status"], "missing".into()));
    let (plan, _) = instance.go(&with_own_zone(), false).await.expect("plans");
    assert_eq!(changed(&plan), ["adopt route53.zone.own"]);
    assert!(matches!(plan.changes[0].causes[..], [Cause::Waits { .. }]), "{:?}", plan.changes[0].causes);
    assert!(instance.sim.change_behind_our_back("route53.zone.own", &["status"], Value::Null));
    let (plan, outcome) = instance.destroy().await;
    completed(Some(outcome));
    let zone = plan.changes.iter().find(|change| change.address.to_string() == "route53.zone.own").expect("it goes");
    assert_eq!(zone.impact, Impact::Outage, "no name is found any more");
    assert_eq!(instance.sim.objects().iter().map(|object| object.type_name.to_string()).collect::<Vec<_>>(), [""; 0]);
}

/// A zone without tags says by its reference whose it is, and gets them back.
#[tokio::test(start_paused = true)]
async fn the_tags_of_a_zone_and_its_comment_are_kept() {
    let instance = Instance::on_virtual_time();
    completed(instance.go(&with_own_zone(), true).await.expect("applies").1);
    assert!(instance.sim.change_behind_our_back("route53.zone.own", &["tagged"], false.into()));
    assert!(instance.sim.change_behind_our_back("route53.zone.own", &["comment"], "by hand".into()));
    let (plan, outcome) = instance.go(&with_own_zone(), true).await.expect("applies");
    assert_eq!(changed(&plan), ["update route53.zone.own"]);
    assert_eq!(plan.changes[0].impact, Impact::None);
    completed(outcome);
    nothing_else(&instance, &with_own_zone()).await;
}

/// Another name is another zone, and every record goes with it.
#[tokio::test(start_paused = true)]
async fn another_name_is_another_zone() {
    let instance = Instance::on_virtual_time();
    completed(instance.go(&with_own_zone(), true).await.expect("applies").1);
    let wider = format!("{}zone = \"example.org\"\n", with_own_zone());
    let (plan, outcome) = instance.go(&wider, true).await.expect("applies");
    let replaced = changed(&plan).iter().filter(|what| what.starts_with("replace route53.")).count();
    assert_eq!(replaced, 6, "{:?}", changed(&plan));
    completed(outcome);
    nothing_else(&instance, &wider).await;
}

async fn nothing_else(instance: &Instance, text: &str) {
    let (plan, _) = instance.go(text, false).await.expect("plans");
    assert_eq!(changed(&plan), [""; 0]);
}
