//! Records at Route 53.

use std::sync::Arc;

use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};
use serde_json::json;

use super::{LINEAGE, Life, assert_error, care_of, creation, look_up, text, type_of};
use crate::support::emulator::REGION;
use crate::support::loopback::{Loopback, Reply};
use crate::support::moto;
use mastoform::provider::aws::Aws;
use mastoform::provider::ownership::Care;
use mastoform::provider::{ErrorKind, Observation, Owner, Provider, Tags, Target, Update};
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

/// Answers as Route 53 does, in one of its two forms, where the zone has a record of somebody else: moto's `CREATE` takes its place instead.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
fn taken(is_wrapped: bool) -> Loopback {
    Loopback::start(move |request| {
        let namespace = "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";
        let (status, body) = if request.starts_with("POST") {
            let message = "[Tried to create resource record set [name='social.example.org.', type='CNAME'] but it already exists]";
            let problem = match is_wrapped {
                true => format!(
                    "<ErrorResponse {namespace}><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
                ),
                false => format!(
                    "<InvalidChangeBatch {namespace}><Messages><Message>{message}</Message></Messages><RequestId>1</RequestId></InvalidChangeBatch>"
                ),
            };
            ("400 Bad Request", problem)
        } else {
            let value = "<ResourceRecord><Value>theirs.example.net</Value></ResourceRecord>";
            let set = format!(
                "<ResourceRecordSet><Name>social.example.org.</Name><Type>CNAME</Type><TTL>60</TTL><ResourceRecords>{value}</ResourceRecords></ResourceRecordSet>"
            );
            let list = format!(
                "<ResourceRecordSets>{set}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>300</MaxItems>"
            );
            ("200 OK", format!("<ListResourceRecordSetsResponse {namespace}>{list}</ListResourceRecordSetsResponse>"))
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nConnection: close\r\n");
        Reply::Text(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
    })
}

#[tokio::test]
async fn a_record_of_somebody_else_is_never_overwritten() {
    for is_wrapped in [true, false] {
        let server = taken(is_wrapped);
        let aws = moto::start().at(format!("http://127.0.0.1:{}", server.port)).aws();
        let attributes = json!({ "zone_id": "Z1", "name": "social.example.org", "kind": "CNAME", "ttl": 60, "values": ["ours.example.net"] });
        let refused = aws.create(&creation(&type_of("route53.record"), REGION, attributes)).await;
        let said = refused.as_ref().unwrap_err().to_string();
        assert!(said.contains("has a record social.example.org CNAME already, theirs.example.net"), "{said}");
        assert_error(refused, ErrorKind::Conflict, "route53:ChangeResourceRecordSets");
        let asked = server.heads();
        let actions = asked.iter().filter(|request| request.starts_with("POST")).collect::<Vec<_>>();
        assert_eq!(actions.len(), 1, "{asked:?}");
        assert!(!actions[0].contains("UPSERT") && !actions[0].contains("DELETE"), "{actions:?}");
        assert_eq!(actions[0].matches("<Action>CREATE</Action>").count(), 2, "{actions:?}");
    }
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
    assert_eq!((text(&found, "id"), text(&found, "zone")), (inner, "social.example.org".to_owned()));
    let missing = look_up(&aws, "route53.zone", json!({ "name": "example.net" })).await;
    assert!(missing.as_ref().unwrap_err().to_string().contains("no public zone at Route 53 that holds example.net"));
    assert_error(missing, ErrorKind::NotFound, "route53:ListHostedZones");
}

/// A record that yields leaves one of somebody else in its place, and takes it once that one is gone.
#[tokio::test]
async fn a_record_that_yields_leaves_the_one_of_somebody_else_alone() {
    for is_wrapped in [true, false] {
        let server = taken(is_wrapped);
        let aws = moto::start().at(format!("http://127.0.0.1:{}", server.port)).aws();
        let attributes = json!({
            "zone_id": "Z1", "name": "social.example.org", "kind": "CNAME", "ttl": 300,
            "values": ["ours.example.net"], "yields": true,
        });
        let creation = creation(&type_of("route53.record"), REGION, attributes);
        let made = aws.create(&creation).await.expect("it counts as made");
        let owner = Owner {
            instance: "test".to_owned(),
            region: REGION.to_owned(),
            lineage: LINEAGE.to_owned(),
            account: None,
            accepts_unmarked: false,
        };
        let target = Target {
            address: creation.address.clone(),
            region: REGION.to_owned(),
            identity: made.identity,
            recorded: creation.attributes.plain().expect("no secrets"),
            owner: Some(Arc::new(owner.clone())),
        };
        let seen = aws.observe(std::slice::from_ref(&target)).await.remove(&target.address);
        let Some(Observation::Found(seen)) = seen else { panic!("{seen:?}") };
        assert_eq!(seen.attributes, target.recorded, "there is nothing to change");
        assert_eq!(seen.tags, Some(owner.tags(&target.address)));
        let before = server.heads().iter().filter(|request| request.starts_with("POST")).count();
        aws.delete(&target).await.expect("deleted");
        let changed = vec!["values".to_owned()];
        let update = Update { target, desired: creation.attributes.clone(), changed };
        aws.update(&update).await.expect("updated");
        let after = server.heads().iter().filter(|request| request.starts_with("POST")).count();
        assert_eq!(before, after, "nothing was sent to change it");
    }
}

/// A state can say that a record yields, so that one of somebody else counts as ours. It is never changed.
#[tokio::test]
async fn a_record_that_yields_by_the_state_alone_is_not_changed() {
    let server = taken(true);
    let aws = moto::start().at(format!("http://127.0.0.1:{}", server.port)).aws();
    let attributes = |yields: bool| {
        json!({
            "zone_id": "Z1", "name": "social.example.org", "kind": "CNAME", "ttl": 300,
            "values": ["ours.example.net"], "yields": yields,
        })
    };
    let record = type_of("route53.record");
    let (forged, wanted) = (creation(&record, REGION, attributes(true)), creation(&record, REGION, attributes(false)));
    let target = owned_by(&forged, "Z1|social.example.org|CNAME", LINEAGE);
    let changed = vec!["yields".to_owned()];
    let update = Update { target: target.clone(), desired: wanted.attributes, changed };
    let refused = aws.update(&update).await;
    assert!(refused.as_ref().unwrap_err().to_string().contains("is somebody else's"), "{refused:?}");
    assert_error(refused, ErrorKind::Conflict, "route53:ChangeResourceRecordSets");
    let honest = Target { recorded: update.desired.plain().expect("no secrets"), ..target };
    aws.mark(&honest, &Tags::from([("team".to_owned(), "operations".to_owned())])).await.expect_err("it is not there");
    aws.delete(&honest).await.expect("there is nothing to delete");
    let asked = server.heads();
    assert!(!asked.iter().any(|request| request.starts_with("POST")), "{asked:?}");
}

/// What a zone is made with. Nobody looks into DNS.
fn own_zone(comment: &str) -> serde_json::Value {
    json!({ "name": "social.example.org", "comment": comment, "check": false })
}

/// The zones of the account, by id.
async fn zones(aws: &Aws) -> Vec<String> {
    let listed = aws.clients(REGION).route53().list_hosted_zones().send().await.unwrap();
    let mut ids: Vec<String> =
        listed.hosted_zones.iter().map(|zone| zone.id().rsplit('/').next().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

async fn untag(aws: &Aws, zone: &str) {
    let clients = aws.clients(REGION);
    let request = clients.route53().change_tags_for_resource().resource_id(zone);
    let request = request.resource_type(aws_sdk_route53::types::TagResourceType::Hostedzone);
    let keys = ["mastoform:instance", "mastoform:lineage", "mastoform:address"].map(str::to_owned);
    request.set_remove_tag_keys(Some(keys.to_vec())).send().await.unwrap();
}

/// A target as the engine names it, on behalf of whoever has made it.
fn owned_by(creation: &mastoform::provider::Creation, zone: &str, lineage: &str) -> Target {
    let owner = Owner {
        instance: "test".to_owned(),
        region: REGION.to_owned(),
        lineage: lineage.to_owned(),
        account: None,
        accepts_unmarked: false,
    };
    Target {
        address: creation.address.clone(),
        region: REGION.to_owned(),
        identity: mastoform::address::Identity::new(zone),
        recorded: creation.attributes.plain().expect("no secrets"),
        owner: Some(Arc::new(owner)),
    }
}

#[tokio::test]
async fn a_zone_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut zone = Life::of("route53.zone").repeats().create(&aws, own_zone("Mastodon")).await;
    let observed = zone.observe().await;
    let servers = observed.attributes.get("name_servers").and_then(Value::as_list).expect("name servers").len();
    assert!(servers >= 2, "{observed:?}");
    assert_eq!(text(&observed.attributes, "status"), "unchecked");
    zone.update(json!({ "comment": "Other words" })).await;
    let clients = aws.clients(REGION);
    let by_hand = clients.route53().update_hosted_zone_comment().id(zone.identity()).comment("by hand");
    by_hand.send().await.unwrap();
    zone.shows(json!({ "comment": "by hand" })).await;
    zone.end().await;
    assert_eq!(zones(&aws).await, [""; 0]);
}

/// The answer was lost, or the program died before it could tag the zone: the reference says whose it is.
#[tokio::test]
async fn no_second_zone_is_made_whatever_became_of_the_first_answer() {
    let moto = moto::start();
    let aws = moto.aws();
    let creation = creation(&type_of("route53.zone"), REGION, own_zone("Mastodon"));
    let made = aws.create(&creation).await.unwrap();
    let id = made.identity.as_str();
    untag(&aws, id).await;
    assert_eq!(aws.find(&creation).await.unwrap(), std::slice::from_ref(&made.identity));
    let target = owned_by(&creation, id, LINEAGE);
    let seen = aws.observe(std::slice::from_ref(&target)).await.remove(&target.address);
    let Some(Observation::Found(seen)) = seen else { panic!("{seen:?}") };
    assert_eq!(seen.tags, Some(target.owner.as_ref().unwrap().tags(&target.address)));
    assert_eq!(seen.attributes.get("tagged"), Some(&Value::from(false)));
    // The same request again, as after a lost answer, puts them on; so does a change.
    assert_eq!(aws.create(&creation).await.unwrap().identity, made.identity);
    assert!(tagged(&aws, &target).await);
    untag(&aws, id).await;
    let changed = vec!["tagged".to_owned()];
    let update = Update { target: target.clone(), desired: creation.attributes.clone(), changed };
    aws.update(&update).await.unwrap();
    assert!(tagged(&aws, &target).await);
    // A later run has another token, and looks first.
    let later = mastoform::provider::Creation { token: "f".repeat(32), ..creation.clone() };
    assert_eq!(aws.find(&later).await.unwrap(), std::slice::from_ref(&made.identity));
    assert_eq!(zones(&aws).await, [id]);
}

async fn tagged(aws: &Aws, target: &Target) -> bool {
    match aws.observe(std::slice::from_ref(target)).await.remove(&target.address) {
        Some(Observation::Found(seen)) => seen.attributes.get("tagged") == Some(&Value::from(true)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_zone_of_somebody_else_with_the_same_name_is_neither_taken_nor_touched() {
    let moto = moto::start();
    let aws = moto.aws();
    let theirs = zone(&aws, "social.example.org").await;
    let creation = creation(&type_of("route53.zone"), REGION, own_zone("Mastodon"));
    assert_eq!(aws.find(&creation).await.unwrap(), []);
    let made = aws.create(&creation).await.unwrap();
    assert_ne!(made.identity.as_str(), theirs);
    assert_eq!(aws.find(&creation).await.unwrap(), std::slice::from_ref(&made.identity));
    // Not even a state that names it makes it ours, nor ours that of another lineage.
    for (id, lineage) in [(theirs.as_str(), LINEAGE), (made.identity.as_str(), "lineage-of-others")] {
        let care = care_of(&aws, &owned_by(&creation, id, lineage)).await;
        assert!(matches!(care, Care::Foreign(_)), "{id}: {care:?}");
    }
    aws.delete(&owned_by(&creation, made.identity.as_str(), LINEAGE)).await.unwrap();
    assert_eq!(zones(&aws).await, [theirs]);
}

#[tokio::test]
async fn a_zone_with_records_of_others_is_not_emptied() {
    let moto = moto::start();
    let aws = moto.aws();
    let creation = creation(&type_of("route53.zone"), REGION, own_zone("Mastodon"));
    let made = aws.create(&creation).await.unwrap();
    let id = made.identity.as_str();
    for number in 1..=7 {
        let name = format!("host{number}.social.example.org");
        by_hand(&aws, id, &name, "theirs.example.net", ChangeAction::Create).await;
    }
    let target = owned_by(&creation, id, LINEAGE);
    let refused = aws.delete(&target).await;
    let said = refused.as_ref().unwrap_err().to_string();
    assert!(said.contains("the zone holds records that mastoform has not made, and is not emptied for that"), "{said}");
    assert!(said.contains("host1.social.example.org CNAME, ") && said.contains(" and 2 more."), "{said}");
    assert_error(refused, ErrorKind::Invalid, "route53:DeleteHostedZone");
    assert_eq!(all(&aws, id).await.len(), 7);
    for number in 1..=7 {
        let name = format!("host{number}.social.example.org");
        by_hand(&aws, id, &name, "theirs.example.net", ChangeAction::Delete).await;
    }
    aws.delete(&target).await.unwrap();
    aws.delete(&target).await.expect("gone already");
    assert_eq!(zones(&aws).await, [""; 0]);
}
