//! A key of the instance's own: how it comes, and how it goes without taking with it what it encrypts.

use mastoform::address::Address;
use mastoform::plan::Action;
use mastoform::provider::sim::Operation;
use mastoform::spec::types::Impact;
use mastoform::value::Value;

use super::{changed, completed};
use crate::support::instance::{EXAMPLE, Instance, example};

const KEY: &str = "kms.key.own";

/// The example without a key of its own.
fn without() -> String {
    example(&[("own_key = true", "own_key = false")])
}

fn recorded(instance: &Instance, address: &str, path: &[&str]) -> Option<Value> {
    let state = instance.state().expect("a state");
    let row = state.rows.get(&address.parse::<Address>().expect("an address"))?;
    path.iter().try_fold(row.recorded(), |value, name| value.get(name).cloned())
}

/// The places of the calls that do this to what is of a type, among all calls.
fn places(instance: &Instance, operation: Operation, types: &[&str]) -> Vec<usize> {
    let calls = instance.sim.calls().into_iter().enumerate();
    calls
        .filter(|(_, call)| call.operation == operation && types.contains(&&*call.address.type_name.to_string()))
        .map(|(place, _)| place)
        .collect()
}

#[tokio::test]
async fn a_key_comes_to_a_living_instance_in_place_and_goes_after_what_it_encrypts() {
    let instance = Instance::new();
    completed(instance.go(&without(), true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    assert_eq!(recorded(&instance, "secretsmanager.secret.rails", &["kms_key_id"]), None);

    let (plan, outcome) = instance.go(EXAMPLE, true).await.expect("applies");
    let mut found = changed(&plan);
    found.sort();
    let secrets = ["database", "encryption", "rails", "redis", "redis_url", "vapid"];
    let mut expected: Vec<String> = secrets.iter().map(|name| format!("update secretsmanager.secret.{name}")).collect();
    expected.extend(["create kms.key.own", "update iam.policy.boundary"].map(str::to_owned));
    expected.extend(["update iam.role.execution", "update logs.log_group.mastodon"].map(str::to_owned));
    expected.push("update logs.log_group.database".to_owned());
    expected.sort();
    assert_eq!(found, expected);
    assert!(plan.changes.iter().all(|change| change.impact == Impact::None), "{:#?}", plan.changes);
    completed(outcome);
    let arn = recorded(&instance, KEY, &["arn"]).expect("an ARN");
    for name in secrets {
        let key = recorded(&instance, &format!("secretsmanager.secret.{name}"), &["kms_key_id"]);
        assert_eq!(key.as_ref(), Some(&arn), "{name}");
    }
    assert_eq!(recorded(&instance, "logs.log_group.mastodon", &["kms_key_id"]), Some(arn));
    let (plan, _) = instance.go(EXAMPLE, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);

    // Nothing is encrypted with it any more when it goes.
    instance.sim.clear_calls();
    let (plan, outcome) = instance.go(&without(), true).await.expect("applies");
    let gone = plan.changes.iter().find(|change| change.address.to_string() == KEY).expect("a change");
    assert_eq!((&gone.action, gone.impact), (&Action::Delete, Impact::DataLoss));
    completed(outcome);
    let last = places(&instance, Operation::Update, &["secretsmanager.secret", "logs.log_group"]);
    assert_eq!(last.len(), secrets.len() + 2);
    assert!(places(&instance, Operation::Delete, &["kms.key"]) > last, "{last:?}");
    let (plan, _) = instance.go(&without(), false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);
}

/// Deleted secrets can be restored for 30 days, and are worth nothing without their key.
#[tokio::test]
async fn a_key_outlives_the_secrets_that_it_encrypts() {
    let forgetful = format!("{}\n", EXAMPLE.replace("[database]", "[database]\nfinal_snapshot = false"));
    for (text, days) in [(EXAMPLE, 30), (forgetful.as_str(), 7)] {
        let instance = Instance::new();
        completed(instance.go(text, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
        let window = |address: &str, name: &str| {
            recorded(&instance, address, &[name]).and_then(|days| days.as_integer()).expect("days")
        };
        let secrets = ["rails", "encryption", "vapid", "database"].map(|name| format!("secretsmanager.secret.{name}"));
        let longest = secrets.iter().map(|secret| window(secret, "recovery_window_days")).max().expect("secrets");
        let key = window(KEY, "deletion_window_days");
        assert_eq!(key, days);
        assert!(key >= longest, "{key} {longest}");
        instance.sim.clear_calls();
        completed(Some(instance.destroy().await.1));
        let (secrets, keys) = (
            places(&instance, Operation::Delete, &["secretsmanager.secret"]),
            places(&instance, Operation::Delete, &["kms.key"]),
        );
        assert!(keys.len() == 1 && keys > secrets, "{keys:?} {secrets:?}");
    }
}

#[tokio::test]
async fn with_protect_a_key_does_not_go() {
    let protected = |text: &str| text.replace("protect = false", "protect = true");
    let instance = Instance::new();
    completed(instance.go(&protected(EXAMPLE), true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    let (plan, outcome) = instance.go(&protected(&without()), true).await.expect("plans");
    assert!(outcome.is_none());
    assert!(plan.refusals.iter().any(|refusal| format!("{refusal:?}").contains(KEY)), "{:?}", plan.refusals);
}

/// Old versions go by a rule, also those that were kept before nothing was kept any more.
#[tokio::test]
async fn media_that_were_deleted_are_kept_for_as_long_as_the_file_says() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    let bucket = |path: &[&str]| recorded(&instance, "s3.bucket.media", path);
    assert_eq!(bucket(&["versioning"]), Some(Value::Bool(true)));
    assert_eq!(bucket(&["old_versions", "days"]), Some(Value::Integer(7)));
    assert_eq!(bucket(&["old_versions_below", "prefix"]), Some("cache/".into()));
    for (days, expected, versioning) in [(30, 30, true), (0, 1, false), (1, 1, true)] {
        let text = format!("{EXAMPLE}\n[media]\nkeep_deleted_days = {days}\n");
        let (plan, outcome) = instance.go(&text, true).await.expect("applies");
        assert_eq!(changed(&plan), ["update s3.bucket.media"]);
        assert_eq!(plan.changes[0].impact, Impact::None);
        completed(outcome);
        assert_eq!(bucket(&["versioning"]), Some(Value::Bool(versioning)));
        assert_eq!(bucket(&["old_versions", "days"]), Some(Value::Integer(expected)));
        assert_eq!(bucket(&["old_versions_below", "days"]), Some(Value::Integer(1)));
    }
}
