//! What all types share: the account, the log of calls, errors of unknown types.

use mastoform::address::{Address, Identity};
use mastoform::provider::{ErrorKind, Observation, Provider, Target};
use mastoform::value::Value;
use serde_json::json;

use super::{Life, default_vpc};
use crate::support::emulator::REGION;
use crate::support::{ministack, moto};

#[tokio::test]
async fn the_account_is_asked_once() {
    let moto = moto::start();
    let aws = moto.aws();
    assert_eq!(aws.account().await.unwrap().id, "123456789012");
    assert_eq!(aws.account().await.unwrap().id, "123456789012");
    assert_eq!(aws.endpoint_override(), Some(moto.endpoint()));
    let calls = aws.calls().snapshot();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].operation.as_str(), calls[0].attempts, calls[0].status),
        ("sts:GetCallerIdentity", 1, Some(200))
    );
    assert!(calls[0].succeeded && calls[0].region == REGION && !calls[0].duration.is_zero());
}

#[tokio::test]
async fn both_emulators_start() {
    assert_eq!(ministack::start().aws().account().await.unwrap().id, "123456789012");
}

/// Calls grow with the number of types, not of resources.
#[tokio::test]
async fn targets_of_one_type_are_one_call() {
    let moto = moto::start();
    let aws = moto.aws();
    let vpc_id = default_vpc(&aws).await;
    let mut groups = Vec::new();
    for number in 0..4 {
        let attributes = json!({ "group_name": format!("group-{number}"), "description": "test", "vpc_id": vpc_id });
        groups.push(Life::of("ec2.security_group").create(&aws, attributes).await.target());
    }
    for (number, target) in groups.iter_mut().enumerate() {
        target.address.name = format!("group_{number}");
    }
    let missing = Identity::new("sg-0123456789abcdef0");
    groups.push(Target {
        identity: missing,
        address: "ec2.security_group.missing".parse().unwrap(),
        ..groups[0].clone()
    });
    let before = aws.calls().snapshot().len();
    let observations = aws.observe(&groups).await;
    assert_eq!(aws.calls().snapshot().len() - before, 1);
    assert_eq!(observations.values().filter(|answer| matches!(answer, Observation::Found(_))).count(), 4);
    assert!(matches!(observations[&groups[4].address], Observation::Gone));
}

#[tokio::test]
async fn an_unknown_type_is_an_answer_too() {
    let moto = moto::start();
    let address: Address = "games.chess.board".parse().unwrap();
    let target = Target {
        address: address.clone(),
        region: REGION.to_owned(),
        identity: Identity::new("one"),
        recorded: Value::Null,
    };
    let answer = moto.aws().observe(&[target]).await.remove(&address);
    assert!(matches!(answer, Some(Observation::Failed(error)) if error.kind == ErrorKind::Invalid));
}

#[tokio::test]
async fn no_answer_is_a_network_error() {
    let moto = moto::start();
    let aws = moto.aws();
    drop(moto);
    let error = aws.account().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Network, "{error}");
}
