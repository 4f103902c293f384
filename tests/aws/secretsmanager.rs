//! Secrets.

use aws_sdk_secretsmanager::types::Tag;
use serde_json::json;

use super::{Life, assert_error, creation, look_up, type_of};
use crate::support::emulator::{Emulator, REGION};
use crate::support::{ministack, moto};
use mastoform::provider::aws::Aws;
use mastoform::provider::{Creation, ErrorKind, Observation, Provider, ProviderError, Target};
use mastoform::value::Value;

async fn reveal(aws: &Aws, target: &Target, path: &[&str]) -> Result<String, ProviderError> {
    let path: Vec<String> = path.iter().map(|&key| key.to_owned()).collect();
    aws.reveal(target, &path).await.map(|secret| secret.reveal().to_owned())
}

fn secret(attributes: serde_json::Value) -> Creation {
    creation(&type_of("secretsmanager.secret"), REGION, attributes)
}

fn database() -> serde_json::Value {
    json!({ "name": "social/database", "generate": { "password": "alphanumeric32" }, "recovery_window_days": 7 })
}

async fn make(aws: &Aws, creation: &Creation) -> Target {
    Target {
        address: creation.address.clone(),
        region: REGION.to_owned(),
        identity: aws.create(creation).await.unwrap_or_else(|error| panic!("create: {error}")).identity,
        recorded: creation.attributes.plain().unwrap(),
        owner: None,
    }
}

fn emulators() -> [Emulator; 2] {
    [moto::start(), ministack::start()]
}

#[tokio::test]
async fn a_generated_secret_lives() {
    for emulator in emulators() {
        let aws = emulator.aws();
        let attributes = json!({
            "name": "social/encryption",
            "description": "Encrypts parts of the database",
            "generate": { "primary_key": "alphanumeric32", "salt": "hex128", "vapid": "vapid" },
            "recovery_window_days": 0,
        });
        let mut secret = Life::of("secretsmanager.secret").repeats().create(&aws, attributes).await;
        let target = secret.target();
        let before = reveal(&aws, &target, &["value"]).await.unwrap();
        assert_eq!(reveal(&aws, &target, &["values", "primary_key"]).await.unwrap().len(), 32);
        assert_eq!(reveal(&aws, &target, &["values", "salt"]).await.unwrap().len(), 128);
        assert_eq!(reveal(&aws, &target, &["values", "private_key"]).await.unwrap().len(), 44);
        assert_error(
            reveal(&aws, &target, &["values", "vapid"]).await,
            ErrorKind::Invalid,
            "secretsmanager:GetSecretValue",
        );
        let observed = secret.observe().await.attributes.to_string();
        assert!(!observed.contains(&reveal(&aws, &target, &["values", "primary_key"]).await.unwrap()));

        secret.update(json!({ "description": "Do not lose" })).await;
        secret.update(json!({ "description": null })).await;
        let everything = json!({ "generate": { "primary_key": "hex128" }, "name": "social/encryption" });
        secret.update(everything).await;
        let clients = aws.clients(REGION);
        let by_hand = clients.secretsmanager().update_secret().secret_id(secret.identity()).description("by hand");
        by_hand.send().await.unwrap();
        secret.shows(json!({ "description": "by hand" })).await;
        assert_eq!(reveal(&aws, &target, &["value"]).await.unwrap(), before, "nothing of this made it anew");
        secret.end().await;
    }
}

#[tokio::test]
async fn a_given_secret_changes_with_its_value() {
    for emulator in emulators() {
        let aws = emulator.aws();
        let attributes = json!({ "name": "social/redis-url", "value": "rediss://one", "recovery_window_days": 0 });
        let mut secret = Life::of("secretsmanager.secret").repeats().create(&aws, attributes).await;
        let target = secret.target();
        assert_eq!(reveal(&aws, &target, &["value"]).await.unwrap(), "rediss://one");
        secret.update(json!({ "value": "rediss://two" })).await;
        assert_eq!(reveal(&aws, &target, &["value"]).await.unwrap(), "rediss://two");
        secret.end().await;
    }
}

/// Another key encrypts the value anew, and the value stays.
#[tokio::test]
async fn a_secret_gets_a_key_and_another_one_and_loses_it() {
    for emulator in emulators() {
        let aws = emulator.aws();
        let key = |id: &str| format!("arn:aws:kms:{REGION}:{}:key/{id}", emulator.account());
        let attributes = json!({
            "name": "social/rails",
            "generate": { "secret_key_base": "hex128" },
            "kms_key_id": key("1234abcd-12ab-34cd-56ef-1234567890ab"),
            "recovery_window_days": 7,
        });
        let mut secret = Life::of("secretsmanager.secret").repeats().create(&aws, attributes.clone()).await;
        let target = secret.target();
        let before = reveal(&aws, &target, &["value"]).await.unwrap();
        let other = key("4321abcd-12ab-34cd-56ef-1234567890ab");
        secret.update(json!({ "kms_key_id": other })).await;
        let seen = secret.update(json!({ "kms_key_id": null })).await;
        assert!(seen.attributes.get("kms_key_id").is_some_and(Value::is_null), "{:?}", seen.attributes);

        // A deleted one comes back with the key that is wanted now.
        secret.end().await;
        let again = Life::of("secretsmanager.secret").create(&aws, attributes).await;
        assert_eq!(reveal(&aws, &again.target(), &["value"]).await.unwrap(), before);
    }
}

/// With another token, as in another run: the state was lost, the secret was not.
#[tokio::test]
async fn an_adopted_secret_keeps_its_value() {
    for emulator in emulators() {
        let aws = emulator.aws();
        let mut creation = secret(database());
        let target = make(&aws, &creation).await;
        let before = reveal(&aws, &target, &["values", "password"]).await.unwrap();
        creation.token = "f".repeat(32);
        assert_eq!(make(&aws, &creation).await.identity, target.identity);
        assert_eq!(reveal(&aws, &target, &["values", "password"]).await.unwrap(), before);
        let more = json!({ "password": "alphanumeric32", "token": "hex128" });
        creation.attributes.set(&["generate"], Value::from_json(&more).lift());
        assert_error(aws.create(&creation).await, ErrorKind::Conflict, "secretsmanager:CreateSecret");
        assert_eq!(reveal(&aws, &target, &["values", "password"]).await.unwrap(), before);
    }
}

/// What needs a secret that was made a moment ago has it from whoever made it. What was stored since then is read.
#[tokio::test]
async fn a_new_secret_is_not_read_back() {
    let moto = moto::start();
    let aws = moto.aws();
    let target = make(&aws, &secret(database())).await;
    let value = reveal(&aws, &target, &["values", "password"]).await.unwrap();
    let count = |aws: &Aws| {
        let calls = aws.calls().snapshot();
        calls.iter().filter(|call| call.operation == "secretsmanager:GetSecretValue").count()
    };
    assert_eq!(count(&aws), 0);
    let later = moto.aws();
    assert_eq!(reveal(&later, &target, &["values", "password"]).await.unwrap(), value);
    assert_eq!(count(&later), 1);

    let given = json!({ "name": "social/redis-url", "value": "rediss://one", "recovery_window_days": 0 });
    let mut url = Life::of("secretsmanager.secret").create(&aws, given).await;
    url.update(json!({ "value": "rediss://two" })).await;
    assert_eq!(reveal(&aws, &url.target(), &["value"]).await.unwrap(), "rediss://two");
}

#[tokio::test]
async fn an_own_secret_without_a_value_gets_one() {
    let moto = moto::start();
    let aws = moto.aws();
    let creation = secret(database());
    let clients = aws.clients(REGION);
    let empty = clients.secretsmanager().create_secret().name("social/database");
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    empty.set_tags(Some(creation.tags.iter().map(tag).collect())).send().await.unwrap();
    let target = make(&aws, &creation).await;
    assert_eq!(reveal(&aws, &target, &["values", "password"]).await.unwrap().len(), 32);
}

#[tokio::test]
async fn a_deleted_secret_is_gone_and_comes_back() {
    for emulator in emulators() {
        let aws = emulator.aws();
        let mut creation = secret(database());
        let target = make(&aws, &creation).await;
        let before = reveal(&aws, &target, &["values", "password"]).await.unwrap();
        for _ in 0..2 {
            aws.delete(&target).await.unwrap();
            let observations = aws.observe(std::slice::from_ref(&target)).await;
            assert!(matches!(observations[&target.address], Observation::Gone), "{observations:?}");
            assert_eq!(aws.find(&creation).await.unwrap(), []);
        }
        creation.token = "f".repeat(32);
        assert_eq!(make(&aws, &creation).await.identity, target.identity);
        assert_eq!(reveal(&aws, &target, &["values", "password"]).await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_not_taken() {
    for emulator in emulators() {
        let aws = emulator.aws();
        let clients = aws.clients(REGION);
        let theirs = clients.secretsmanager().create_secret().name("social/database").secret_string("theirs");
        let theirs = theirs.send().await.unwrap().arn.unwrap();
        let creation = secret(database());
        assert_eq!(aws.find(&creation).await.unwrap(), []);
        assert_error(aws.create(&creation).await, ErrorKind::Conflict, "secretsmanager:CreateSecret");
        clients.secretsmanager().delete_secret().secret_id(theirs).recovery_window_in_days(7).send().await.unwrap();
        let refused = aws.create(&creation).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Conflict, "{refused}");
        assert!(refused.message.contains("waits for its deletion"), "{refused}");
    }
}

#[tokio::test]
async fn exactly_one_kind_of_content_is_wanted() {
    let moto = moto::start();
    let aws = moto.aws();
    for attributes in [
        json!({ "name": "social/none" }),
        json!({ "name": "social/both", "value": "x", "generate": { "x": "hex128" } }),
        json!({ "name": "social/unknown", "generate": { "x": "hex7" } }),
    ] {
        assert_error(aws.create(&secret(attributes)).await, ErrorKind::Invalid, "secretsmanager:CreateSecret");
    }
}

/// Only whether a secret has another value is told, never which.
#[tokio::test]
async fn another_value_of_a_secret_is_seen_by_its_version() {
    for emulator in emulators() {
        let aws = emulator.aws();
        let client = aws.clients(REGION).secretsmanager().clone();
        let mut arns = Vec::new();
        for name in ["social/mail", "social/deepl"] {
            let made = client.create_secret().name(name).secret_string("hunter2").send().await.unwrap();
            arns.push(made.arn.unwrap());
        }
        let fingerprint = async |arns: &[String]| {
            let found = look_up(&aws, "secretsmanager.versions", json!({ "secrets": arns })).await;
            let found = found.unwrap_or_else(|error| panic!("{error}"));
            found.get("fingerprint").and_then(Value::as_text).map(str::to_owned).unwrap()
        };
        let before = fingerprint(&arns).await;
        assert_eq!(fingerprint(&arns).await, before);
        assert_eq!(fingerprint(&[arns[1].clone(), arns[0].clone()]).await, before);
        client.put_secret_value().secret_id(&arns[0]).secret_string("hunter3").send().await.unwrap();
        assert_ne!(fingerprint(&arns).await, before);
        let missing = json!({ "secrets": ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:none-AbCdEf"] });
        let found = look_up(&aws, "secretsmanager.versions", missing).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.get("fingerprint"), None, "{found}");
    }
}
