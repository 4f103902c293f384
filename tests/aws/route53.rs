//! Records at Route 53.

use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use serde_json::json;

use super::{Life, assert_error, creation, look_up, text, type_of};
use crate::support::emulator::REGION;
use crate::support::moto;
use mastoform::provider::aws::Aws;
use mastoform::provider::{ErrorKind, Provider, Target};
use mastoform::value::Value;

/// A zone of this name, and its id.
async fn zone(aws: &Aws, name: &str) -> String {
    let clients = aws.clients(REGION);
    let request = clients.route53().create_hosted_zone().name(name).caller_reference(name);
    let zone = request.send().await.unwrap().hosted_zone.unwrap();
    zone.id().rsplit('/').next().unwrap().to_owned()
}

/// Everything in a zone but what Route 53 puts there itself: name, kind, and values.
async fn all(aws: &Aws, zone: &str) -> Vec<(String, String, Vec<String>)> {
    let clients = aws.clients(REGION);
    let answer = clients.route53().list_resource_record_sets().hosted_zone_id(zone).send().await.unwrap();
    let sets = answer.resource_record_sets.into_iter().filter(|set| !["NS", "SOA"].contains(&set.r#type().as_str()));
    sets.map(|set| {
        let values = set.resource_records().iter().map(|record| record.value().to_owned()).collect();
        (set.name().to_owned(), set.r#type().as_str().to_owned(), values)
    })
    .collect()
}

/// Makes a record as somebody else would.
async fn by_hand(aws: &Aws, zone: &str, name: &str, value: &str, action: ChangeAction) {
    let value = ResourceRecord::builder().value(value).build().unwrap();
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::Cname).ttl(60).resource_records(value);
    let change = Change::builder().action(action).resource_record_set(set.build().unwrap()).build().unwrap();
    let batch = ChangeBatch::builder().changes(change).build().unwrap();
    let clients = aws.clients(REGION);
    clients.route53().change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await.unwrap();
}

#[tokio::test]
async fn a_record_lives_with_the_text_that_says_whose_it_is() {
    let moto = moto::start();
    let aws = moto.aws();
    let zone = zone(&aws, "example.org").await;
    let attributes = json!({
        "zone_id": zone, "name": "_proof.social.example.org", "kind": "CNAME", "ttl": 300, "values": ["one.example.net"]
    });
    let mut record = Life::of("route53.record").create(&aws, attributes).await;
    let names: Vec<String> =
        all(&aws, &zone).await.into_iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
    assert_eq!(
        names,
        ["_proof.social.example.org. CNAME", "_mastoform-cname._proof.social.example.org. TXT"],
        "{names:?}"
    );
    record.update(json!({ "values": ["two.example.net"], "ttl": 60 })).await;
    by_hand(&aws, &zone, "_proof.social.example.org", "three.example.net", ChangeAction::Upsert).await;
    record.shows(json!({ "values": ["three.example.net"], "ttl": 60 })).await;
    record.end().await;
    assert_eq!(all(&aws, &zone).await, []);
}

#[tokio::test]
async fn an_alias_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let zone = zone(&aws, "example.org").await;
    let alias = json!({ "name": "d1.cloudfront.net", "zone_id": "Z2FDTNDATAQYW2", "evaluate": false });
    let attributes = json!({ "zone_id": zone, "name": "media.example.org", "kind": "A", "alias": alias });
    let mut record = Life::of("route53.record").create(&aws, attributes).await;
    let other = json!({ "name": "d2.cloudfront.net", "zone_id": "Z2FDTNDATAQYW2", "evaluate": false });
    record.update(json!({ "alias": other })).await;
    record.end().await;
    assert_eq!(all(&aws, &zone).await, []);
}

#[tokio::test]
async fn a_record_of_somebody_else_is_never_overwritten() {
    let moto = moto::start();
    let aws = moto.aws();
    let zone = zone(&aws, "example.org").await;
    by_hand(&aws, &zone, "social.example.org", "theirs.example.net", ChangeAction::Create).await;
    let attributes = json!({ "zone_id": zone, "name": "social.example.org", "kind": "CNAME", "ttl": 60, "values": ["ours.example.net"] });
    let refused = aws.create(&creation(&type_of("route53.record"), REGION, attributes)).await;
    let said = refused.as_ref().unwrap_err().to_string();
    assert!(said.contains("has a record social.example.org CNAME already, theirs.example.net"), "{said}");
    assert_error(refused, ErrorKind::Conflict, "route53:ChangeResourceRecordSets");
    let there = all(&aws, &zone).await;
    assert_eq!(there.len(), 1, "{there:?}");
    assert_eq!(there[0].2, ["theirs.example.net"]);
}

#[tokio::test]
async fn the_second_answer_to_a_lost_one_finds_the_record() {
    let moto = moto::start();
    let aws = moto.aws();
    let zone = zone(&aws, "example.org").await;
    let attributes = json!({ "zone_id": zone, "name": "social.example.org", "kind": "CNAME", "ttl": 60, "values": ["ours.example.net"] });
    let creation = creation(&type_of("route53.record"), REGION, attributes);
    let first = aws.create(&creation).await.unwrap();
    let second = aws.create(&creation).await.unwrap();
    assert_eq!(first.identity, second.identity);
    assert_eq!(all(&aws, &zone).await.len(), 2);
}

#[tokio::test]
async fn a_record_in_a_zone_that_is_gone_is_gone() {
    let moto = moto::start();
    let aws = moto.aws();
    let target = Target {
        address: "route53.record.web".parse().unwrap(),
        region: REGION.to_owned(),
        identity: mastoform::address::Identity::new("Z0123456789|social.example.org|CNAME"),
        recorded: Value::Null,
        owner: None,
    };
    let seen = aws.observe(std::slice::from_ref(&target)).await.remove(&target.address);
    assert!(matches!(seen, Some(mastoform::provider::Observation::Gone)), "{seen:?}");
}

#[tokio::test]
async fn the_zone_with_the_longest_name_is_taken() {
    let moto = moto::start();
    let aws = moto.aws();
    zone(&aws, "example.org").await;
    let inner = zone(&aws, "social.example.org").await;
    let found = look_up(&aws, "route53.zone", json!({ "name": "media.social.example.org" })).await.unwrap();
    assert_eq!((text(&found, "id"), text(&found, "zone")), (inner.as_str(), "social.example.org"));
    let missing = look_up(&aws, "route53.zone", json!({ "name": "example.net" })).await;
    assert!(missing.as_ref().unwrap_err().to_string().contains("no public zone at Route 53 that holds example.net"));
    assert_error(missing, ErrorKind::NotFound, "route53:ListHostedZones");
}
