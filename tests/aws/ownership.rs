//! Whose a resource is, as AWS tells it: by its tags, by an index of them, and by what is registered.
//!
//! That every type with tags tells them, and takes more of them, is part of every story that [`super::Life`] tells.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::{IpPermission, IpRange};
use aws_sdk_resourcegroupstagging::types::ResourceTagMapping;
use aws_sdk_s3::types::{Tag, Tagging};
use mastoform::address::{Address, Identity};
use mastoform::provider::aws::Aws;
use mastoform::provider::{
    Creation, ErrorKind, Observation, Observations, Owner, Provider, Registration, Tags, Target, read_only,
};
use mastoform::refresh;
use mastoform::spec::Specs;
use mastoform::state::{Intent, Journal, Paths, Record, State, Verb};
use serde_json::json;

use super::rds::{Answer, refused, scripted};
use super::whole::{own_with, program, ready, said};
use super::{LINEAGE, assert_error, creation, default_vpc, make, text, type_of};
use crate::support::emulator::{Emulator, REGION};
use crate::support::instance::example;
use crate::support::moto;
use crate::support::proxy::{Mishap, Proxy};

fn owner(lineage: &str, accepts_unmarked: bool) -> Arc<Owner> {
    Arc::new(Owner {
        instance: "test".to_owned(),
        region: REGION.to_owned(),
        lineage: lineage.to_owned(),
        account: None,
        accepts_unmarked,
    })
}

/// Makes something, and answers it as a target of its owner.
async fn made(aws: &Aws, type_name: &str, name: &str, attributes: serde_json::Value) -> Target {
    let mut creation = creation(&type_of(type_name), REGION, attributes);
    creation.address.name = name.to_owned();
    creation.tags.insert("mastoform:address".to_owned(), creation.address.to_string());
    target(&creation, aws.create(&creation).await.unwrap_or_else(|error| panic!("create: {error}")).identity)
}

fn target(creation: &Creation, identity: Identity) -> Target {
    Target {
        address: creation.address.clone(),
        region: creation.region.clone(),
        identity,
        recorded: creation.attributes.plain().unwrap_or_default(),
        owner: Some(owner(LINEAGE, false)),
    }
}

async fn parameter(aws: &Aws, name: &str) -> Target {
    made(aws, "ssm.parameter", name, json!({ "name": format!("/social/{name}"), "value": "x" })).await
}

async fn bucket(aws: &Aws, name: &str) -> Target {
    made(aws, "s3.bucket", "media", json!({ "bucket": name })).await
}

async fn bucket_tags(aws: &Aws, bucket: &str) -> Tags {
    let answer = aws.clients(REGION).s3().get_bucket_tagging().bucket(bucket).send().await.expect("tags");
    answer.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

async fn put_bucket_tags(aws: &Aws, bucket: &str, tags: &Tags) {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build().expect("a tag");
    let tagging = Tagging::builder().set_tag_set(Some(tags.iter().map(tag).collect())).build().expect("tags");
    let request = aws.clients(REGION).s3().put_bucket_tagging().bucket(bucket).tagging(tagging);
    request.send().await.expect("tagged");
}

/// What the engine learns of targets.
async fn judged(emulator: &Emulator, targets: &[Target]) -> Observations {
    let provider: Arc<dyn Provider> = Arc::new(emulator.aws());
    let types = Specs::read(&[]).expect("valid specs").types;
    refresh::observe(&*read_only(&provider), &types, targets).await.expect("everything can be read")
}

fn operations(aws: &Aws, before: usize) -> Vec<String> {
    let calls = aws.calls().snapshot().split_off(before);
    let mut operations: Vec<String> = calls.into_iter().map(|call| call.operation).collect();
    operations.sort();
    operations
}

#[tokio::test]
async fn the_tags_of_several_types_are_one_more_call_and_none_if_nobody_asks() {
    let moto = moto::start();
    let aws = moto.aws();
    let group = made(&aws, "logs.log_group", "web", json!({ "name": "/social/web" })).await;
    let mut targets = vec![parameter(&aws, "one").await, parameter(&aws, "two").await, group];
    let before = aws.calls().snapshot().len();
    let observations = aws.observe(&targets).await;
    assert_eq!(operations(&aws, before), ["logs:DescribeLogGroups", "ssm:GetParameters", "tag:GetResources"]);
    for (address, observation) in &observations {
        let Observation::Found(observed) = observation else { panic!("{address}: {observation:?}") };
        let tags = observed.tags.as_ref().expect("its tags were asked for");
        assert_eq!(tags.get("mastoform:address"), Some(&address.to_string()));
        assert_eq!(tags.get("mastoform:lineage").map(String::as_str), Some(LINEAGE));
    }
    for target in &mut targets {
        target.owner = None;
    }
    let before = aws.calls().snapshot().len();
    let observations = aws.observe(&targets).await;
    assert_eq!(operations(&aws, before), ["logs:DescribeLogGroups", "ssm:GetParameters"]);
    for observation in observations.values() {
        assert!(matches!(observation, Observation::Found(observed) if observed.tags.is_none()), "{observation:?}");
    }
}

/// One list tells of all secrets of an owner. It may be behind, so whatever it shows differently than remembered, or does
/// not show, is read by itself: as the difference, the stranger or the gap that it is.
#[tokio::test]
async fn the_list_of_secrets_is_believed_only_where_it_shows_nothing_new() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut targets = Vec::new();
    for name in ["rails", "vapid", "redis"] {
        let attributes = json!({
            "name": format!("social/{name}"), "description": "Do not lose", "generate": { "key": "hex128" },
        });
        targets.push(made(&aws, "secretsmanager.secret", name, attributes).await);
    }
    let found = async |aws: &Aws, targets: &[Target]| {
        let before = aws.calls().snapshot().len();
        let observations = aws.observe(targets).await;
        let shown: Vec<Option<String>> = targets
            .iter()
            .map(|target| match &observations[&target.address] {
                Observation::Found(seen) => {
                    let lineage = seen.tags.as_ref().and_then(|tags| tags.get("mastoform:lineage")).cloned();
                    Some(format!("{} {}", text(&seen.attributes, "description"), lineage.unwrap_or_default()))
                }
                Observation::Gone => None,
                other => panic!("{other:?}"),
            })
            .collect();
        (operations(aws, before), shown)
    };
    let (list, describe) = ("secretsmanager:ListSecrets", "secretsmanager:DescribeSecret");
    let ours = Some(format!("Do not lose {LINEAGE}"));
    assert_eq!(found(&aws, &targets).await, (vec![list.to_owned()], vec![ours.clone(); 3]));
    assert_eq!(found(&aws, &targets[..1]).await, (vec![describe.to_owned()], vec![ours.clone()]));

    let clients = aws.clients(REGION);
    let id = |index: usize| targets[index].identity.as_str();
    clients.secretsmanager().update_secret().secret_id(id(0)).description("By hand").send().await.expect("changed");
    let theirs = aws_sdk_secretsmanager::types::Tag::builder().key("mastoform:lineage").value("another").build();
    clients.secretsmanager().tag_resource().secret_id(id(1)).tags(theirs).send().await.expect("tagged");
    clients.secretsmanager().delete_secret().secret_id(id(2)).send().await.expect("deleted");
    let shown = vec![Some(format!("By hand {LINEAGE}")), Some("Do not lose another".to_owned()), None];
    let operations = [[describe; 3].as_slice(), &[list]].concat().into_iter().map(str::to_owned).collect();
    assert_eq!(found(&aws, &targets).await, (operations, shown.clone()));

    // Whoever may not list secrets reads each.
    let refuse = |action: &str| (action == "ListSecrets").then_some(Mishap::Refuse("AccessDeniedException"));
    let proxy = Proxy::moody(moto.host(), Duration::ZERO, Box::new(refuse));
    assert_eq!(found(&moto.at(proxy.endpoint()).aws(), &targets).await.1, shown);
}

/// What the index does not have is asked for itself: what is new, what nobody has marked, and everything where the index
/// may not be read. If that may not be read either, nothing is believed.
#[tokio::test]
async fn without_the_index_everything_is_asked_for_itself() {
    let moto = moto::start();
    let aws = moto.aws();
    let (parameter, bucket) = (parameter(&aws, "one").await, bucket(&aws, "media-without-index").await);
    let targets = [parameter.clone(), bucket];
    let before_a_guard = |denied: &'static [&'static str]| {
        let refuse = |action: &str| denied.contains(&action).then_some(Mishap::Refuse("AccessDeniedException"));
        let proxy = Proxy::moody(moto.host(), Duration::ZERO, Box::new(refuse));
        moto.at(proxy.endpoint()).aws()
    };
    let observations = before_a_guard(&["GetResources"]).observe(&targets).await;
    for (address, observation) in &observations {
        let Observation::Found(observed) = observation else { panic!("{address}: {observation:?}") };
        assert_eq!(observed.tags.as_ref().and_then(|tags| tags.get("mastoform:lineage")).unwrap(), LINEAGE);
    }
    let guarded = before_a_guard(&["GetResources", "ListTagsForResource"]);
    let answer = guarded.observe(&targets).await.remove(&parameter.address);
    let Some(Observation::Failed(error)) = answer else { panic!("{answer:?}") };
    assert_eq!((error.kind, error.operation.as_str()), (ErrorKind::Denied, "ssm:ListTagsForResource"));
}

/// A state that names what another instance has learns nothing of it.
#[tokio::test]
async fn what_another_lineage_has_is_foreign() {
    let moto = moto::start();
    let aws = moto.aws();
    let vpc_id = default_vpc(&aws).await;
    let group = json!({ "group_name": "tasks", "description": "theirs", "vpc_id": vpc_id });
    let mut targets = vec![
        made(&aws, "ec2.security_group", "tasks", group).await,
        parameter(&aws, "one").await,
        bucket(&aws, "media-of-others").await,
    ];
    for observation in judged(&moto, &targets).await.values() {
        assert!(matches!(observation, Observation::Found(_)), "{observation:?}");
    }
    for target in &mut targets {
        target.owner = Some(owner("another", true));
    }
    for (address, observation) in &judged(&moto, &targets).await {
        let Observation::Foreign(holder) = observation else { panic!("{address}: {observation:?}") };
        assert_eq!(holder.lineage.as_deref(), Some(LINEAGE));
    }
    // The right lineage at another address is no better.
    targets[1].owner = Some(owner(LINEAGE, false));
    targets[1].address = Address::new(type_of("ssm.parameter"), "two", None);
    let answer = judged(&moto, &targets[1..2]).await.remove(&targets[1].address);
    assert!(matches!(answer, Some(Observation::Foreign(_))), "{answer:?}");
}

/// S3 takes the tags of a bucket as a whole.
#[tokio::test]
async fn a_marked_bucket_keeps_the_tags_of_others() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut target = bucket(&aws, "media-unmarked").await;
    let name = target.identity.as_str().to_owned();
    let mut tags = bucket_tags(&aws, &name).await;
    tags.remove("mastoform:lineage");
    tags.insert("cost-center".to_owned(), "42".to_owned());
    put_bucket_tags(&aws, &name, &tags).await;
    let foreign = judged(&moto, std::slice::from_ref(&target)).await.remove(&target.address);
    assert!(matches!(foreign, Some(Observation::Foreign(_))), "{foreign:?}");
    target.owner = Some(owner(LINEAGE, true));
    let unmarked = judged(&moto, std::slice::from_ref(&target)).await.remove(&target.address);
    assert!(matches!(unmarked, Some(Observation::Found(_))), "{unmarked:?}");
    for _ in 0..2 {
        aws.mark(&target, &owner(LINEAGE, true).tags(&target.address)).await.expect("marked");
    }
    tags.insert("mastoform:lineage".to_owned(), LINEAGE.to_owned());
    assert_eq!(bucket_tags(&aws, &name).await, tags);
    // A bucket that never had a tag.
    let clients = aws.clients(REGION);
    clients.s3().delete_bucket_tagging().bucket(&name).send().await.expect("deleted");
    aws.mark(&target, &Tags::from([("a".to_owned(), "b".to_owned())])).await.expect("marked");
    assert_eq!(bucket_tags(&aws, &name).await.len(), 1);
}

/// moto's index does not have rules of security groups, listeners and their rules, and IAM.
#[tokio::test]
async fn a_census_finds_what_carries_the_tags() {
    let moto = moto::start();
    let aws = moto.aws();
    let vpc_id = default_vpc(&aws).await;
    let group = json!({ "group_name": "tasks", "description": "ours", "vpc_id": vpc_id });
    made(&aws, "ec2.security_group", "tasks", group).await;
    made(&aws, "logs.log_group", "web", json!({ "name": "/social/web" })).await;
    made(&aws, "ecs.cluster", "main", json!({ "name": "social" })).await;
    bucket(&aws, "media-of-the-census").await;
    // More than one page of the emulator.
    for number in 0..40 {
        parameter(&aws, &format!("p{number}")).await;
    }
    let mut foreign = creation(&type_of("ssm.parameter"), REGION, json!({ "name": "/other", "value": "x" }));
    foreign.tags.insert("mastoform:lineage".to_owned(), "another".to_owned());
    aws.create(&foreign).await.expect("created");
    let tags = |lineage: &str| {
        let pairs = [("mastoform:instance", "test"), ("mastoform:lineage", lineage)];
        Tags::from(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())))
    };
    let found = aws.census(REGION, &tags(LINEAGE)).await.expect("a census");
    let services: BTreeSet<&str> = found.iter().filter_map(|one| one.name.split(':').nth(2)).collect();
    assert_eq!(services, BTreeSet::from(["ec2", "ecs", "logs", "s3", "ssm"]));
    assert_eq!(found.len(), 44, "{found:#?}");
    assert!(found.iter().all(|one| one.region == REGION && one.tags.contains_key("mastoform:address")));
    assert_eq!(aws.census(REGION, &tags("another")).await.expect("a census").len(), 1);
    assert_eq!(aws.census(REGION, &tags("nobody's")).await, Ok(Vec::new()));
}

fn registration(lineage: &str, serial: u64) -> Registration {
    Registration {
        instance: "social".to_owned(),
        title: "social.example.org".to_owned(),
        region: REGION.to_owned(),
        lineage: lineage.to_owned(),
        serial,
        applied: "2026-11-28T12:00:00Z".to_owned(),
    }
}

#[tokio::test]
async fn an_instance_is_registered_until_its_own_lineage_takes_it_back() {
    let moto = moto::start();
    let aws = moto.aws();
    assert_eq!(aws.registration(REGION, "social").await, Ok(None));
    aws.unregister(&registration("l1", 1)).await.expect("nothing to take back");
    for serial in 1..=2 {
        aws.register(&registration("l1", serial)).await.expect("registered");
        assert_eq!(aws.registration(REGION, "social").await, Ok(Some(registration("l1", serial))));
    }
    assert_eq!(aws.registration("eu-west-1", "social").await, Ok(None), "each region has its own");
    let tags = Tags::from([
        ("mastoform:instance".to_owned(), "social".to_owned()),
        ("mastoform:lineage".to_owned(), "l1".to_owned()),
    ]);
    let found = aws.census(REGION, &tags).await.expect("a census");
    assert!(found[0].name.ends_with(":parameter/mastoform/social"), "{found:?}");

    // Whose it is not can do nothing with it, whether it has looked or not.
    for other in [&aws, &moto.aws()] {
        for (answer, operation) in [
            (other.unregister(&registration("l2", 2)).await, "ssm:DeleteParameter"),
            (other.register(&registration("l2", 3)).await, "ssm:PutParameter"),
        ] {
            let error = answer.expect_err("it is another's");
            assert_eq!((error.kind, error.operation.as_str()), (ErrorKind::Conflict, operation));
            assert_eq!(
                error.message,
                "the parameter /mastoform/social in eu-central-1 is not of this instance's lineage and stays as it is"
            );
        }
        assert_eq!(other.registration(REGION, "social").await, Ok(Some(registration("l1", 2))));
        assert!(other.register(&registration("l2", 3)).await.is_err(), "it has looked");
        assert_eq!(aws.census(REGION, &tags).await.expect("a census").len(), 1, "the tags stay, too");
    }
    aws.unregister(&registration("l1", 1)).await.expect("its own");
    assert_eq!(aws.registration(REGION, "social").await, Ok(None));
}

/// Where nothing is registered, tags can go along. Who has not looked, or was overtaken, writes them beside.
#[tokio::test]
async fn a_first_registration_is_one_call() {
    let moto = moto::start();
    let (get, put, tag) = ("ssm:GetParameter", "ssm:PutParameter", "ssm:AddTagsToResource");
    let registered = async |aws: &Aws, serial: u64, expected: &[&str]| {
        let before = aws.calls().snapshot().len();
        aws.register(&registration("l1", serial)).await.expect("registered");
        assert_eq!(operations(aws, before), expected);
        let tags = Tags::from([("mastoform:lineage".to_owned(), "l1".to_owned())]);
        assert_eq!(aws.census(REGION, &tags).await.expect("a census").len(), 1);
        assert_eq!(aws.registration(REGION, "social").await, Ok(Some(registration("l1", serial))));
    };
    let (aws, other) = (moto.aws(), moto.aws());
    for one in [&aws, &other] {
        assert_eq!(one.registration(REGION, "social").await, Ok(None));
    }
    registered(&aws, 1, &[put]).await;
    registered(&aws, 2, &[tag, put]).await;
    registered(&other, 3, &[tag, get, put, put]).await;
    aws.unregister(&registration("l1", 3)).await.expect("taken back");
    // Tags find nothing to be put on, until the parameter is there.
    aws.register(&registration("l1", 4)).await.expect("registered");
    let tags = Tags::from([("mastoform:lineage".to_owned(), "l1".to_owned())]);
    assert_eq!(aws.census(REGION, &tags).await.expect("a census").len(), 1);
}

#[tokio::test]
async fn a_parameter_with_something_else_is_no_registration() {
    let moto = moto::start();
    let aws = moto.aws();
    let name = "/mastoform/social";
    make(&aws, "ssm.parameter", json!({ "name": name, "value": "{\"instance\": 1}" })).await;
    assert_eq!(aws.registration(REGION, "social").await, Ok(None));
    assert_error(aws.unregister(&registration("l1", 1)).await, ErrorKind::Conflict, "ssm:DeleteParameter");
    assert_error(aws.register(&registration("l1", 1)).await, ErrorKind::Conflict, "ssm:PutParameter");
    let parameter = aws.clients(REGION).ssm().get_parameter().name(name).send().await.expect("it stays");
    let value = parameter.parameter.and_then(|parameter| parameter.value);
    assert_eq!(value.as_deref(), Some("{\"instance\": 1}"));
    let tags = Tags::from([("mastoform:lineage".to_owned(), "l1".to_owned())]);
    assert_eq!(aws.census(REGION, &tags).await, Ok(Vec::new()), "it gets no tags of ours");
}

/// A later version may write more than this one knows.
#[tokio::test]
async fn a_registration_of_a_later_version_is_read() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut note = serde_json::to_value(registration("l1", 7)).expect("JSON");
    note["colour"] = "green".into();
    make(&aws, "ssm.parameter", json!({ "name": "/mastoform/social", "value": note.to_string() })).await;
    assert_eq!(aws.registration(REGION, "social").await, Ok(Some(registration("l1", 7))));
    aws.register(&registration("l1", 8)).await.expect("its own");
    assert_eq!(aws.registration(REGION, "social").await, Ok(Some(registration("l1", 8))));
}

/// AWS has each rule once, so an equal one of somebody else is in the way, and is not taken over.
#[tokio::test]
async fn an_equal_rule_of_somebody_else_is_not_taken() {
    let moto = moto::start();
    let aws = moto.aws();
    let vpc_id = default_vpc(&aws).await;
    let group = json!({ "group_name": "database", "description": "ours", "vpc_id": vpc_id });
    let group = make(&aws, "ec2.security_group", group).await;
    let clients = aws.clients(REGION);
    let permission = IpPermission::builder().ip_protocol("tcp").from_port(443).to_port(443);
    let permission = permission.ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build()).build();
    let by_hand = clients.ec2().authorize_security_group_ingress().group_id(&group).ip_permissions(permission);
    let theirs = by_hand.send().await.expect("allowed").security_group_rules.and_then(|mut rules| rules.pop());
    let theirs = theirs.and_then(|rule| rule.security_group_rule_id).expect("an id");
    let attributes = json!({
        "group_id": group, "direction": "ingress", "protocol": "tcp", "from_port": 443, "to_port": 443,
        "cidr_ipv4": "10.0.0.0/8",
    });
    let creation = creation(&type_of("ec2.security_group_rule"), REGION, attributes);
    assert_eq!(aws.find(&creation).await, Ok(Vec::new()));
    let answer = aws.create(&creation).await;
    let message = answer.as_ref().expect_err("it is in the way").message.clone();
    assert_error(answer, ErrorKind::Conflict, "ec2:AuthorizeSecurityGroupIngress");
    assert_eq!(message, format!("an equal rule, {theirs}, exists in the group and is not this instance's"));
    // Once it carries our tags it is ours, as after a lost answer.
    aws.mark(&target(&creation, Identity::new(&*theirs)), &creation.tags).await.expect("marked");
    assert_eq!(aws.create(&creation).await.expect("found").identity.as_str(), theirs);
}

/// Without tags to compare, whoever has the name is found, and nobody where there is nothing.
#[tokio::test]
async fn by_name_alone_what_has_the_name_is_found() {
    let moto = moto::start();
    let aws = moto.aws();
    let clients = aws.clients(REGION);
    let cases = [
        ("ssm.parameter", json!({ "name": "/social/x", "value": "x" }), "/social/x"),
        ("s3.bucket", json!({ "bucket": "media-by-name" }), "media-by-name"),
        ("logs.log_group", json!({ "name": "/social/web" }), "/social/web"),
    ];
    let by_name = |type_name: &str, attributes: &serde_json::Value| Creation {
        tags: Tags::new(),
        ..creation(&type_of(type_name), REGION, attributes.clone())
    };
    for (type_name, attributes, _) in &cases {
        assert_eq!(aws.find(&by_name(type_name, attributes)).await, Ok(Vec::new()), "{type_name}");
    }
    clients.ssm().put_parameter().name("/social/x").value("x").r#type("String".into()).send().await.expect("put");
    clients.logs().create_log_group().log_group_name("/social/web").send().await.expect("made");
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(REGION.into()).build();
    let request = clients.s3().create_bucket().bucket("media-by-name").create_bucket_configuration(place);
    request.send().await.expect("made");
    for (type_name, attributes, identity) in cases {
        let found = aws.find(&by_name(type_name, &attributes)).await;
        assert_eq!(found, Ok(vec![Identity::new(identity)]), "{type_name}");
        let tagged = creation(&type_of(type_name), REGION, attributes);
        assert_eq!(aws.find(&tagged).await, Ok(Vec::new()), "{type_name} does not carry our tags");
    }
}

/// No emulator keeps the tags of a cache to itself while it is being made, as AWS does.
#[tokio::test]
async fn of_a_cache_in_creation_only_the_status_is_seen() {
    let identity = Identity::new("social-cache");
    let creation = creation(&type_of("elasticache.replication_group"), REGION, json!({}));
    let target = target(&creation, identity);
    let group = |status: &str| -> Answer {
        let group = format!(
            "<ReplicationGroupId>social-cache</ReplicationGroupId><Description>secret plans</Description>\
             <Status>{status}</Status><ARN>arn:aws:elasticache:eu-central-1:1:replicationgroup:social-cache</ARN>"
        );
        let groups = format!("<ReplicationGroups><ReplicationGroup>{group}</ReplicationGroup></ReplicationGroups>");
        let result = format!("<DescribeReplicationGroupsResult>{groups}</DescribeReplicationGroupsResult>");
        let body = format!("<DescribeReplicationGroupsResponse>{result}</DescribeReplicationGroupsResponse>");
        ("DescribeReplicationGroups", 200, body)
    };
    let clusters = (
        "DescribeCacheClusters",
        200,
        "<DescribeCacheClustersResponse><DescribeCacheClustersResult/></DescribeCacheClustersResponse>".to_owned(),
    );
    let tags = |pairs: &[(&str, &str)]| -> Answer {
        let tags: String =
            pairs.iter().map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")).collect();
        let result = format!("<ListTagsForResourceResult><TagList>{tags}</TagList></ListTagsForResourceResult>");
        let body = format!("<ListTagsForResourceResponse>{result}</ListTagsForResourceResponse>");
        ("ListTagsForResource", 200, body)
    };
    let untold = || refused("ListTagsForResource", "CacheClusterNotFound");
    let observe = async |answers: Vec<Answer>| {
        scripted(answers).observe(std::slice::from_ref(&target)).await.remove(&target.address).expect("an answer")
    };
    for status in ["creating", "deleting"] {
        let observation = observe(vec![group(status), clusters.clone(), untold()]).await;
        let Observation::Found(observed) = observation else { panic!("{observation:?}") };
        assert_eq!(observed.attributes.to_json(), json!({ "status": status }));
        assert_eq!(observed.tags, Some(owner(LINEAGE, false).tags(&target.address)));
    }
    let observation = observe(vec![group("modifying"), clusters.clone(), untold()]).await;
    assert!(
        matches!(&observation, Observation::Failed(error) if error.kind == ErrorKind::NotYet),
        "nothing else is shown without its tags: {observation:?}"
    );
    // By the time it can be deleted its tags are told, and they are looked at once more.
    let delete = || refused("DeleteReplicationGroup", "InvalidParameterValue");
    let foreign = tags(&[("mastoform:instance", "other")]);
    let aws = scripted(vec![group("available"), foreign, delete()]);
    assert_error(aws.delete(&target).await, ErrorKind::Invalid, "elasticache:ListTagsForResource");
    let aws = scripted(vec![group("creating"), untold(), delete()]);
    assert_error(aws.delete(&target).await, ErrorKind::NotYet, "elasticache:ListTagsForResource");
    let (instance, address) = (("mastoform:instance", "test"), target.address.to_string());
    let ours = tags(&[instance, ("mastoform:address", address.as_str()), ("mastoform:lineage", LINEAGE)]);
    let aws = scripted(vec![group("available"), ours, delete()]);
    assert_error(aws.delete(&target).await, ErrorKind::Invalid, "elasticache:DeleteReplicationGroup");
}

fn run(emulator: &Emulator, folder: &Path, words: &[&str]) -> Output {
    program(emulator, folder, words).output().expect("the program runs")
}

fn succeeds(emulator: &Emulator, folder: &Path, words: &[&str]) {
    let output = run(emulator, folder, words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
}

fn has_nothing_to_do(emulator: &Emulator, folder: &Path) {
    succeeds(emulator, folder, &["plan", "--detailed-exitcode"]);
}

/// Everything in the index of a region that carries tags of mastoform.
async fn indexed(aws: &Aws, region: &str) -> Vec<ResourceTagMapping> {
    let filter = aws_sdk_resourcegroupstagging::types::TagFilter::builder().key("mastoform:instance").build();
    let request = aws.clients(region).index().get_resources().tag_filters(filter);
    request.into_paginator().items().send().collect::<Result<_, _>>().await.expect("an index")
}

/// Two instances in two regions of one account, and a second project that takes itself for the first one.
#[tokio::test]
async fn instances_live_and_die_beside_each_other() {
    const CANARY: &str = "canary-of-the-first";
    let emulator = moto::start();
    let first = ready(&emulator);
    let file = first.path().join("mastodon.toml");
    let text = fs_err::read_to_string(&file).expect("there") + &format!("\n[extra_env]\nCANARY = \"{CANARY}\"\n");
    fs_err::write(&file, text).expect("written");
    succeeds(&emulator, first.path(), &["apply", "--yes"]);

    let second = tempfile::tempdir().expect("a folder");
    let text = example(&[
        (r#"name   = "social""#, r#"name   = "forum""#),
        (r#"domain = "social.example.org""#, r#"domain = "other.example.org""#),
        (r#"region = "eu-central-1""#, r#"region = "eu-west-1""#),
        ("secretsmanager:eu-central-1:", "secretsmanager:eu-west-1:"),
    ]);
    fs_err::write(second.path().join("mastodon.toml"), own_with(&emulator, &text, "forum")).expect("written");
    succeeds(&emulator, second.path(), &["apply", "--yes"]);
    has_nothing_to_do(&emulator, first.path());
    has_nothing_to_do(&emulator, second.path());

    // States and journals that name what the other one has, and its plan: nothing of it is shown or touched.
    let theirs = State::read(&first.path().join("state/social.json")).expect("a state").expect("there");
    let saved = first.path().join("a.plan");
    run(&emulator, first.path(), &["plan", "--out", "a.plan"]);
    for how in ["left over", "journal", "swapped"] {
        let copy = forged(second.path(), &theirs, how);
        let reading = [&["plan", "-v"][..], &["drift"], &["status"]];
        // A plan with something of others is refused, so nothing is applied.
        let changing = [&["apply", "--yes", "--confirm", "forum"][..], &["destroy", "--confirm", "forum"]];
        for words in reading.iter().chain(changing.iter().filter(|_| how == "swapped")) {
            let output = run(&emulator, copy.path(), words);
            assert!(!said(&output).contains(CANARY), "{how} {words:?}: {}", said(&output));
        }
        has_nothing_to_do(&emulator, first.path());
    }
    fs_err::copy(&saved, second.path().join("a.plan")).expect("copied");
    let applied = run(&emulator, second.path(), &["apply", "a.plan", "--yes"]);
    assert_eq!(applied.status.code(), Some(5), "{}", said(&applied));
    has_nothing_to_do(&emulator, first.path());

    // The state is lost, and a copy of the project starts anew: it meets its own names and takes nothing over.
    let copy = tempfile::tempdir().expect("a folder");
    fs_err::copy(first.path().join("mastodon.toml"), copy.path().join("mastodon.toml")).expect("copied");
    let applied = run(&emulator, copy.path(), &["apply", "--yes"]);
    assert_ne!(applied.status.code(), Some(0), "{}", said(&applied));
    has_nothing_to_do(&emulator, first.path());
    // It takes back only what it has made itself, if it has made anything.
    run(&emulator, copy.path(), &["destroy", "--confirm", "social"]);
    has_nothing_to_do(&emulator, first.path());

    succeeds(&emulator, second.path(), &["destroy", "--confirm", "forum"]);
    has_nothing_to_do(&emulator, first.path());
    succeeds(&emulator, first.path(), &["destroy", "--confirm", "social"]);
}

/// A copy of a project whose state says that it has what another instance has.
fn forged(folder: &Path, theirs: &State, how: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    let paths = Paths::new(copy.path().join("state"), "forum");
    paths.make_folder().expect("made");
    fs_err::copy(folder.join("mastodon.toml"), copy.path().join("mastodon.toml")).expect("copied");
    let mut state = State::read(&folder.join("state/forum.json")).expect("a state").expect("there");
    for (address, row) in &mut state.rows {
        let Some((identity, region)) =
            theirs.rows.get(address).and_then(|row| Some((row.identity.clone()?, &row.region)))
        else {
            continue;
        };
        // A job that counts as done has nothing in AWS, whoever says so.
        if row.identity.as_ref() == Some(&identity) {
            continue;
        }
        row.protect = false;
        row.region.clone_from(region);
        match how {
            "swapped" => row.identity = Some(identity),
            "left over" => row.replaced.push(identity),
            _ => {}
        }
    }
    let base = Some(state.write(&paths.state()).expect("written"));
    if how == "journal" {
        let (mut journal, _) = Journal::open(&paths.journal()).expect("a journal");
        let (lineage, serial) = (state.lineage.clone(), state.serial + 1);
        journal.append(Record::Begin { lineage, serial, base }).expect("appended");
        for (address, row) in &state.rows {
            let Some(identity) = theirs.rows.get(address).and_then(|row| row.identity.clone()) else { continue };
            let intent = Intent {
                action: Verb::Create,
                region: row.region.clone(),
                token: "0123456789abcdef0123456789abcdef".to_owned(),
                identity: None,
                natural: row.inputs.clone(),
                protect: false,
                depends_on: row.depends_on.clone(),
                makes_room: false,
                old_is_gone: false,
            };
            journal.append(Record::Intent { address: address.clone(), intent }).expect("appended");
            let facts = mastoform::value::Value::Null;
            journal.append(Record::Did { address: address.clone(), identity, facts }).expect("appended");
        }
        journal.flush().expect("flushed");
    }
    copy
}

/// An instance from before there was a tag for the lineage: its resources have the other two tags, and its state says
/// that. One apply marks everything, and then there is nothing to do.
#[tokio::test]
async fn an_instance_from_before_is_marked_in_one_apply() {
    let emulator = moto::start();
    let aws = emulator.aws();
    let folder = ready(&emulator);
    succeeds(&emulator, folder.path(), &["apply", "--yes"]);

    unmark(&aws).await;
    let path = folder.path().join("state/social.json");
    let mut state = State::read(&path).expect("a state").expect("a state");
    state.marked = false;
    state.write(&path).expect("written");
    assert!(fs_err::read_to_string(&path).expect("text").contains("\"format\": 1,"));

    let planned = run(&emulator, folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(planned.status.code(), Some(2), "{}", said(&planned));
    succeeds(&emulator, folder.path(), &["apply", "--yes"]);
    for region in [REGION, "us-east-1"] {
        for resource in indexed(&aws, region).await {
            // Snapshots that AWS takes by itself have the tags of their moment, and tasks that have ended keep theirs.
            if resource.resource_arn().is_some_and(|arn| arn.contains(":cluster-snapshot:") || arn.contains(":task/")) {
                continue;
            }
            assert!(resource.tags().iter().any(|tag| tag.key() == "mastoform:lineage"), "{resource:?}");
        }
    }
    has_nothing_to_do(&emulator, folder.path());
    succeeds(&emulator, folder.path(), &["destroy", "--confirm", "social"]);
}

/// Takes the tag with the lineage off everything.
async fn unmark(aws: &Aws) {
    const KEY: &str = "mastoform:lineage";
    let clients = aws.clients(REGION);
    for region in [REGION, "us-east-1"] {
        for resource in indexed(aws, region).await {
            let arn = resource.resource_arn().expect("an ARN").to_owned();
            let service = arn.split(':').nth(2).expect("a service").to_owned();
            let name = arn.rsplit(':').next().expect("a name");
            match service.as_str() {
                "elasticloadbalancing" => {
                    clients.elb().remove_tags().resource_arns(&arn).tag_keys(KEY).send().await.map(drop).expect("gone");
                }
                "ssm" => {
                    let request = clients.ssm().remove_tags_from_resource().resource_type("Parameter".into());
                    let name = name.trim_start_matches("parameter");
                    request.resource_id(name).tag_keys(KEY).send().await.map(drop).expect("gone");
                }
                "s3" => {
                    let mut tags = bucket_tags(aws, name).await;
                    tags.remove(KEY);
                    put_bucket_tags(aws, name, &tags).await;
                }
                _ => {
                    let request = aws.clients(region).index().untag_resources().resource_arn_list(&arn);
                    let answer = request.tag_keys(KEY).send().await.expect("untagged");
                    assert!(answer.failed_resources_map().is_none_or(|failed| failed.is_empty()), "{arn}: {answer:?}");
                }
            }
        }
    }
    // What the emulator's index does not have.
    let rules = clients.ec2().describe_security_group_rules().into_paginator().items().send();
    let rules: Vec<_> = rules.collect::<Result<_, _>>().await.expect("rules");
    let tagged = rules.iter().filter(|rule| rule.tags().iter().any(|tag| tag.key() == Some(KEY)));
    for id in tagged.filter_map(|rule| rule.security_group_rule_id()) {
        let tag = aws_sdk_ec2::types::Tag::builder().key(KEY).build();
        clients.ec2().delete_tags().resources(id).tags(tag).send().await.expect("gone");
    }
    let balancers = clients.elb().describe_load_balancers().send().await.expect("load balancers");
    for arn in balancers.load_balancers().iter().filter_map(|balancer| balancer.load_balancer_arn()) {
        let listeners = clients.elb().describe_listeners().load_balancer_arn(arn).send().await.expect("listeners");
        for listener in listeners.listeners().iter().filter_map(|listener| listener.listener_arn()) {
            let rules = clients.elb().describe_rules().listener_arn(listener).send().await.expect("rules");
            let own = rules.rules().iter().filter(|rule| rule.is_default() != Some(true));
            for arn in own.filter_map(|rule| rule.rule_arn()).chain([listener]) {
                clients.elb().remove_tags().resource_arns(arn).tag_keys(KEY).send().await.expect("gone");
            }
        }
    }
    let roles = clients.iam().list_roles().send().await.expect("roles");
    for role in roles.roles().iter().filter(|role| role.role_name().starts_with("social")) {
        clients.iam().untag_role().role_name(role.role_name()).tag_keys(KEY).send().await.expect("gone");
    }
    let policies = clients.iam().list_policies().scope("Local".into()).send().await.expect("policies");
    for arn in policies.policies().iter().filter_map(|policy| policy.arn()) {
        clients.iam().untag_policy().policy_arn(arn).tag_keys(KEY).send().await.expect("gone");
    }
}
