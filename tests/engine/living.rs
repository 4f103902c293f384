//! An instance that an earlier version made goes on with this one: better defaults replace and restart nothing in it.
//!
//! `living/` has the state and the cloud that the version before left behind.

use std::time::Duration;

use mastoform::plan::Action;
use mastoform::provider::sim::{Options, Sim};
use mastoform::spec::Specs;
use mastoform::spec::types::Impact;
use mastoform::value::{Tree, Value};

use super::{changed, completed};
use crate::support::instance::{Instance, fast_folder};

pub(super) const FILE: &str = include_str!("living/mastodon.toml");

pub(super) fn living() -> Instance {
    let folder = fast_folder();
    let path = folder.path().join("cloud.json");
    fs_err::write(&path, include_str!("living/cloud.json")).expect("written");
    let types = Specs::read(&[]).expect("valid specs").types;
    let options = Options { speed: 10_000.0, latency: Duration::ZERO, ..Options::default() };
    let instance = Instance::with(Sim::open(types, Some(path), options).expect("a cloud").copy());
    fs_err::write(instance.paths().state(), include_str!("living/social.json")).expect("written");
    instance
}

#[tokio::test]
async fn nothing_of_a_living_instance_is_replaced_or_interrupted_by_a_newer_blueprint() {
    let instance = living();
    let (plan, outcome) = instance.go(FILE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    for change in &plan.changes {
        let is_harmless = matches!(change.action, Action::Update { .. } | Action::Create | Action::Skip);
        assert!(is_harmless && change.impact == Impact::None, "{} {:?}", change.address, change.action);
    }
    assert!(changed(&plan).contains(&"update s3.bucket.media".to_owned()), "it keeps versions from now on");
    completed(outcome);
    let (plan, _) = instance.go(FILE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);
}

/// The version before could only look certificates up. The instance keeps those, apply after apply, until its file says
/// otherwise.
#[tokio::test]
async fn looked_up_certificates_stay_until_the_file_asks_for_others() {
    let instance = living();
    for _ in 0..2 {
        let (plan, outcome) = instance.go(FILE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(!changed(&plan).iter().any(|what| what.contains("certificate")), "{:?}", changed(&plan));
        completed(outcome);
    }
    let requested = FILE.replacen("name", "certificates = \"request\"\nname", 1);
    let (plan, outcome) = instance.go(&requested, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    let changes = changed(&plan);
    for expected in [
        "create acm.certificate.requested_web",
        "create dns.record.web_certificate",
        "update elb.listener.https",
        "update cloudfront.distribution.media",
    ] {
        assert!(changes.contains(&expected.to_owned()), "{changes:?}");
    }
    completed(outcome);
}

/// A setting that the version before did not have is nobody's edit.
#[tokio::test]
async fn a_setting_that_is_new_is_not_the_cause_of_a_change() {
    let (plan, _) = living().go(FILE, false).await.unwrap_or_else(|problems| panic!("{problems}"));
    for change in &plan.changes {
        let said = format!("{:?}", change.causes);
        assert!(!said.contains("at its default"), "{}: {said}", change.address);
    }
}

/// What restarts Mastodon waits for the next change that restarts it anyway, and comes with that.
#[tokio::test]
async fn better_defaults_of_containers_come_with_the_next_revision() {
    let instance = living();
    completed(instance.go(FILE, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    let before = containers(&instance);
    assert!(before.iter().all(|container| container.get("memory_reservation").is_none()), "{before:?}");

    let larger = format!("{FILE}\n[sidekiq]\nconcurrency = 6\n");
    completed(instance.go(&larger, true).await.expect("applies").1);
    for name in ["web", "sidekiq"] {
        let container = named(&instance, name);
        assert_eq!(container.get("memory"), None, "{container}");
        assert_eq!(container.get("memory_reservation"), Some(&Value::Integer(1536)), "{container}");
        assert!(container.get("labels").is_some(), "{container}");
    }
    assert_eq!(named(&instance, "streaming").get("memory"), Some(&Value::Integer(512)));
    let (plan, _) = instance.go(&larger, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);
}

/// Containers read a secret when they start.
#[tokio::test]
async fn a_new_value_in_a_secret_starts_anew_what_reads_it() {
    let instance = Instance::new();
    completed(instance.go(FILE, true).await.expect("applies").1);
    let (plan, _) = instance.go(FILE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());

    let state = instance.state().expect("a state");
    let seen =
        state.lookups.values().find_map(|found| found.get("fingerprint")).and_then(Tree::as_text).map(str::to_owned);
    assert!(instance.sim.change_behind_our_back(&seen.expect("a version"), &["fingerprint"], "another".into()));
    let (plan, outcome) = instance.go(FILE, true).await.expect("applies");
    assert_eq!(changed(&plan), ["replace ecs.task_definition.mastodon", "update ecs.service.mastodon"]);
    completed(outcome);
    let labels = named(&instance, "web").get("labels").map(ToString::to_string).unwrap_or_default();
    assert!(labels.contains("another"), "{labels}");
    let (plan, _) = instance.go(FILE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());

    // Without secrets of the user there is nothing to look at.
    let without = FILE.replace("credentials = ", "# credentials = ");
    completed(instance.go(&without, true).await.expect("applies").1);
    assert!(
        named(&instance, "web").get("labels").is_none_or(|labels| labels.as_map().is_some_and(|map| map.is_empty()))
    );
}

fn containers(instance: &Instance) -> Vec<Value> {
    let row = instance.state().expect("a state").rows
        ["ecs.task_definition.mastodon".parse().as_ref().expect("an address")]
    .clone();
    match row.inputs.get("containers") {
        Some(Tree::List(containers)) => containers.clone(),
        other => panic!("{other:?}"),
    }
}

fn named(instance: &Instance, name: &str) -> Value {
    let all = containers(instance);
    all.into_iter().find(|container| container.get("name").and_then(Tree::as_text) == Some(name)).expect("a container")
}
