//! Parameter Store.

use aws_sdk_ssm::types::ParameterType;
use serde_json::json;

use super::{Life, assert_error, creation, type_of};
use crate::support::emulator::REGION;
use crate::support::{ministack, moto};
use mastoform::provider::aws::Aws;
use mastoform::provider::{ErrorKind, Provider};

async fn lives(aws: &Aws) {
    let attributes = json!({ "name": "/social/domain", "value": "social.example", "description": "Where it is" });
    // Descriptions are never read.
    let mut parameter = Life::of("ssm.parameter").gap("description").repeats().create(aws, attributes).await;
    assert_eq!(described(aws).await.as_deref(), Some("Where it is"));
    parameter.update(json!({ "value": "other.example" })).await;
    parameter.shows(json!({ "kind": "String" })).await;
    assert_eq!(described(aws).await.as_deref(), Some("Where it is"), "it stays");
    parameter.update(json!({ "description": "Where it was" })).await;
    assert_eq!(described(aws).await.as_deref(), Some("Where it was"));
    parameter.shows(json!({ "value": "other.example" })).await;
    parameter.update(json!({ "kind": "StringList", "value": "a,b" })).await;
    parameter.update(json!({ "description": null })).await;
    assert_eq!(described(aws).await, None);
    let clients = aws.clients(REGION);
    let by_hand = clients.ssm().put_parameter().name("/social/domain").value("c").overwrite(true);
    by_hand.r#type(ParameterType::StringList).send().await.unwrap();
    parameter.shows(json!({ "value": "c" })).await;
    parameter.end().await;
}

/// The description of the only parameter.
async fn described(aws: &Aws) -> Option<String> {
    let answer = aws.clients(REGION).ssm().describe_parameters().send().await.unwrap();
    answer.parameters().first()?.description().filter(|text| !text.is_empty()).map(str::to_owned)
}

#[tokio::test]
async fn a_parameter_lives() {
    lives(&moto::start().aws()).await;
}

#[tokio::test]
async fn a_parameter_lives_in_ministack() {
    lives(&ministack::start().aws()).await;
}

/// More than one call holds, one of them missing.
#[tokio::test]
async fn many_parameters_are_read_at_once() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut targets = Vec::new();
    for number in 0..25 {
        let name = format!("/social/{number}");
        let mut creation = creation(&type_of("ssm.parameter"), REGION, json!({ "name": name, "value": "x" }));
        creation.address.key = Some(number.to_string());
        let created = aws.create(&creation).await.unwrap();
        targets.push(mastoform::provider::Target {
            address: creation.address,
            region: REGION.to_owned(),
            identity: created.identity,
            recorded: mastoform::value::Value::Null,
            owner: None,
        });
    }
    aws.clients(REGION).ssm().delete_parameter().name("/social/7").send().await.unwrap();
    let observations = aws.observe(&targets).await;
    let gone =
        |observation: &&mastoform::provider::Observation| matches!(observation, mastoform::provider::Observation::Gone);
    assert_eq!((observations.len(), observations.values().filter(gone).count()), (25, 1));
}

#[tokio::test]
async fn a_parameter_of_somebody_else_is_not_taken() {
    let moto = moto::start();
    let aws = moto.aws();
    let clients = aws.clients(REGION);
    let theirs = clients.ssm().put_parameter().name("/social/domain").value("theirs");
    theirs.r#type(ParameterType::String).send().await.unwrap();
    let attributes = json!({ "name": "/social/domain", "value": "ours" });
    let creation = creation(&type_of("ssm.parameter"), REGION, attributes);
    assert_eq!(aws.find(&creation).await.unwrap(), []);
    assert_error(aws.create(&creation).await, ErrorKind::Conflict, "ssm:PutParameter");
}
