//! Keys.

use serde_json::{Value as Json, json};

use super::{Life, assert_error, creation, make, text, type_of};
use crate::support::emulator::{Emulator, REGION};
use crate::support::{ministack, moto};
use mastoform::provider::aws::Aws;
use mastoform::provider::{Attempt, Creation, ErrorKind, Observation, Provider, Target};

fn both() -> [Emulator; 2] {
    [moto::start(), ministack::start()]
}

/// What the blueprint writes: the account may do everything, and CloudWatch may use the key for one log group.
pub fn policy(account: &str, group: &str) -> Json {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Account",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "Log",
                "Effect": "Allow",
                "Principal": { "Service": format!("logs.{REGION}.amazonaws.com") },
                "Action": ["kms:Decrypt", "kms:Encrypt"],
                "Resource": "*",
                "Condition": {
                    "ArnEquals": {
                        "kms:EncryptionContext:aws:logs:arn":
                            format!("arn:aws:logs:{REGION}:{account}:log-group:{group}"),
                    },
                },
            },
        ],
    })
}

fn own(emulator: &Emulator) -> Json {
    json!({
        "description": "Encrypts the secrets",
        "rotation": true,
        "policy": policy(emulator.account(), "/mastodon/social"),
        "deletion_window_days": 7,
    })
}

#[tokio::test]
async fn a_key_lives() {
    for emulator in both() {
        let aws = emulator.aws();
        let mut key = Life::of("kms.key").repeats().create(&aws, own(&emulator)).await;
        let seen = key.shows(json!({ "status": "Enabled", "id": key.identity() })).await;
        let arn = format!("arn:aws:kms:{REGION}:{}:key/{}", emulator.account(), key.identity());
        assert_eq!(text(&seen.attributes, "arn"), arn);

        key.update(json!({ "description": "Encrypts the secrets and the log" })).await;
        key.update(json!({ "rotation": null })).await;
        key.shows(json!({ "rotation": false })).await;
        key.update(json!({ "rotation": true, "policy": policy(emulator.account(), "/mastodon/other") })).await;
        let kms = aws.clients(REGION).kms().clone();
        kms.disable_key_rotation().key_id(key.identity()).send().await.unwrap();
        kms.disable_key().key_id(key.identity()).send().await.unwrap();
        key.shows(json!({ "rotation": false, "status": "Disabled" })).await;
        let target = key.target();
        key.end().await;

        // AWS waits for as long as the file says.
        let answer = kms.describe_key().key_id(target.identity.as_str()).send().await.unwrap();
        let days = answer.key_metadata.and_then(|key| key.deletion_date).map(|date| date.secs()).expect("a date");
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert_eq!((days - i64::try_from(now).unwrap() + 43_200) / 86_400, 7);
    }
}

/// What was encrypted with a key can be read again as soon as the key is wanted again.
#[tokio::test]
async fn a_key_that_waits_for_its_deletion_is_taken_back() {
    for emulator in both() {
        let aws = emulator.aws();
        let creation = creation(&type_of("kms.key"), REGION, own(&emulator));
        let identity = aws.create(&creation).await.unwrap().identity;
        let target = Target {
            address: creation.address.clone(),
            region: REGION.to_owned(),
            identity: identity.clone(),
            recorded: creation.attributes.plain().unwrap(),
            owner: None,
        };
        aws.delete(&target).await.unwrap();
        let observed = aws.observe(std::slice::from_ref(&target)).await.remove(&target.address);
        assert!(matches!(observed, Some(Observation::Gone)), "{observed:?}");
        assert_eq!(aws.find(&creation).await, Ok(Vec::new()));

        assert_eq!(aws.create(&creation).await.unwrap().identity, identity);
        let observed = aws.observe(std::slice::from_ref(&target)).await.remove(&target.address);
        let Some(Observation::Found(observed)) = observed else { panic!("{observed:?}") };
        assert_eq!(text(&observed.attributes, "status"), "Enabled");
    }
}

/// A key that is there at the first try is refused, as a name is that somebody has: the engine compares it then.
#[tokio::test]
async fn a_second_key_of_one_address_is_refused_at_first() {
    for emulator in both() {
        let aws = emulator.aws();
        let creation = creation(&type_of("kms.key"), REGION, own(&emulator));
        let identity = aws.create(&creation).await.unwrap().identity;
        let first = Creation { attempt: Attempt { is_first: true, ..Attempt::default() }, ..creation.clone() };
        assert_error(aws.create(&first).await, ErrorKind::Conflict, "kms:CreateKey");
        assert_eq!(aws.create(&creation).await.unwrap().identity, identity, "a later try completes it");
        assert_eq!(aws.find(&creation).await, Ok(vec![identity]));
    }
}

/// Keys have no names, so only tags tell whose one is.
#[tokio::test]
async fn a_key_of_somebody_else_is_left_alone() {
    for emulator in both() {
        let aws = emulator.aws();
        let kms = aws.clients(REGION).kms().clone();
        let theirs = kms.create_key().description("Encrypts the secrets").send().await.unwrap().key_metadata.unwrap();
        kms.schedule_key_deletion().key_id(theirs.key_id()).pending_window_in_days(7).send().await.unwrap();
        let made = make(&aws, "kms.key", own(&emulator)).await;
        assert_ne!(made, theirs.key_id());
        let left = kms.describe_key().key_id(theirs.key_id()).send().await.unwrap().key_metadata.unwrap();
        assert_eq!(left.key_state().map(|state| state.as_str()), Some("PendingDeletion"));
    }
}

/// The ARN of a new key whose policy is for this log group.
pub async fn arn(aws: &Aws, emulator: &Emulator, group: &str) -> String {
    let attributes = json!({ "policy": policy(emulator.account(), group) });
    let id = make(aws, "kms.key", attributes).await;
    format!("arn:aws:kms:{REGION}:{}:key/{id}", emulator.account())
}
