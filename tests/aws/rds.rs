//! Clusters and instances.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use mastoform::address::Identity;
use mastoform::provider::aws::Aws;
use mastoform::provider::aws::trace::Calls;
use mastoform::provider::{Creation, Deletion, ErrorKind, Observation, Provider, Target, Update};
use serde_json::{Value, json};

use super::{Life, assert_error, creation, default_subnets, default_vpc, is_its_owners_alone, make, type_of};
use crate::support::emulator::{REGION, types};
use crate::support::{ministack, moto};

#[tokio::test]
async fn a_cluster_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let vpc_id = default_vpc(&aws).await;
    let group = |name: &str| json!({ "group_name": name, "description": "test", "vpc_id": vpc_id });
    let old_group = make(&aws, "ec2.security_group", group("old")).await;
    let new_group = make(&aws, "ec2.security_group", group("new")).await;
    let mut attributes = cluster();
    let more = json!({
        "port": 5433,
        "serverless_v2": { "min": 0.5, "max": 4 },
        "security_groups": [old_group],
        "parameter_group": "default.aurora-postgresql17",
        "storage_encrypted": true,
        "backup_retention_days": 7,
        "preferred_backup_window": "02:00-03:00",
        "preferred_maintenance_window": "sun:04:00-sun:05:00",
        "copy_tags_to_snapshot": true,
        "engine_lifecycle_support": "open-source-rds-extended-support-disabled",
        "apply_immediately": true,
        "skip_final_snapshot": true,
    });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    // moto does not know the extended support.
    let mut life = Life::of("rds.cluster").gap("engine_lifecycle_support").create(&aws, attributes).await;
    life.shows(json!({ "status": "available" })).await;
    life.update(json!({
        "engine_version": "17.5",
        "master_password": "another-password",
        "port": 5434,
        "serverless_v2": { "min": 0, "max": 8.5 },
        "security_groups": [new_group],
        "parameter_group": "social",
        "backup_retention_days": 14,
        "preferred_backup_window": "01:00-02:00",
        "preferred_maintenance_window": "mon:04:00-mon:05:00",
        "copy_tags_to_snapshot": false,
        "deletion_protection": true,
    }))
    .await;
    let nothing = json!({
        "port": null, "backup_retention_days": null, "copy_tags_to_snapshot": null, "deletion_protection": null,
        "engine_lifecycle_support": null, "security_groups": null, "preferred_backup_window": null,
    });
    life.update(nothing).await;
    let defaults = json!({ "port": 5432, "backup_retention_days": 1, "deletion_protection": false });
    let observed = life.shows(defaults).await;
    assert_eq!(
        observed.attributes.get("preferred_backup_window").and_then(|window| window.as_text()),
        Some("01:00-02:00")
    );
    let by_hand = aws.clients(REGION).rds().modify_db_cluster().db_cluster_identifier(life.identity());
    by_hand.backup_retention_period(30).send().await.unwrap();
    life.shows(json!({ "backup_retention_days": 30 })).await;
    life.end().await;
    assert_eq!(snapshots(&aws).await, Vec::<String>::new());
}

/// ministack refuses a second cluster of the same name, where moto puts it in the place of the first.
#[tokio::test]
async fn a_repeated_creation_finds_its_own_cluster() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let life = Life::of("rds.cluster").repeats().create(&aws, cluster()).await;
    let theirs = creation(&type_of("rds.cluster"), REGION, cluster());
    let theirs =
        mastoform::provider::Creation { tags: [("mastoform:instance".into(), "other".into())].into(), ..theirs };
    assert_eq!(aws.find(&theirs).await, Ok(vec![]));
    assert_error(aws.create(&theirs).await, ErrorKind::Conflict, "rds:CreateDBCluster");
    life.end().await;
}

#[tokio::test]
async fn a_deleted_cluster_leaves_a_snapshot() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut attributes = cluster();
    attributes["final_snapshot_prefix"] = json!("social-database-final");
    Life::of("rds.cluster").create(&aws, attributes).await.end().await;
    let names = snapshots(&aws).await;
    let [name] = &names[..] else { panic!("{names:?}") };
    let time = name.strip_prefix("social-database-final-").unwrap();
    assert!(time.len() == "20261122-140413".len() && time.starts_with("20"), "{name}");
}

#[tokio::test]
async fn a_protected_cluster_stays() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut attributes = cluster();
    attributes["deletion_protection"] = json!(true);
    let mut life = Life::of("rds.cluster").create(&aws, attributes).await;
    assert_error(aws.delete(&life.target()).await, ErrorKind::Invalid, "rds:DeleteDBCluster");
    life.update(json!({ "deletion_protection": false })).await;
    life.end().await;
}

#[tokio::test]
async fn what_concerns_only_us_is_no_call() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut life = Life::of("rds.cluster").create(&aws, cluster()).await;
    life.update(json!({ "apply_immediately": true, "skip_final_snapshot": true, "database_name": null })).await;
    let calls = aws.calls().snapshot();
    assert!(!calls.iter().any(|call| call.operation == "rds:ModifyDBCluster"), "{calls:?}");
    life.end().await;
}

#[tokio::test]
async fn an_instance_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let cluster = Life::of("rds.cluster").create(&aws, cluster()).await;
    let attributes = json!({
        "identifier": "social-database-1",
        "cluster_identifier": cluster.identity(),
        "instance_class": "db.serverless",
        "engine": "aurora-postgresql",
        "publicly_accessible": false,
        "auto_minor_version_upgrade": true,
        "promotion_tier": 0,
        "performance_insights": true,
        "preferred_maintenance_window": "sun:04:00-sun:05:00",
        "apply_immediately": true,
    });
    // moto does not know performance insights.
    let story = Life::of("rds.instance").gap("performance_insights").repeats();
    let mut life = story.create(&aws, attributes.clone()).await;
    life.shows(json!({ "status": "available" })).await;
    life.update(json!({
        "instance_class": "db.r8g.large",
        "publicly_accessible": true,
        "auto_minor_version_upgrade": false,
        "promotion_tier": 2,
        "preferred_maintenance_window": "mon:04:00-mon:05:00",
    }))
    .await;
    life.update(json!({ "auto_minor_version_upgrade": null, "promotion_tier": null, "publicly_accessible": null }))
        .await;
    let observed = life
        .shows(json!({ "auto_minor_version_upgrade": true, "promotion_tier": 1, "publicly_accessible": false }))
        .await;
    assert!(observed.attributes.get("endpoint").is_some());
    let by_hand = aws.clients(REGION).rds().modify_db_instance().db_instance_identifier(life.identity());
    by_hand.db_instance_class("db.r8g.xlarge").apply_immediately(true).send().await.unwrap();
    life.shows(json!({ "instance_class": "db.r8g.xlarge" })).await;

    let theirs = creation(&type_of("rds.instance"), REGION, attributes);
    let theirs =
        mastoform::provider::Creation { tags: [("mastoform:instance".into(), "other".into())].into(), ..theirs };
    assert_eq!(aws.find(&theirs).await, Ok(vec![]));
    assert_error(aws.create(&theirs).await, ErrorKind::Conflict, "rds:CreateDBInstance");

    assert_error(aws.delete(&cluster.target()).await, ErrorKind::NotYet, "rds:DeleteDBCluster");
    life.end().await;
    cluster.end().await;
}

#[tokio::test]
async fn an_instance_waits_for_its_cluster() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = json!({
        "identifier": "social-database-1",
        "cluster_identifier": "social-database",
        "instance_class": "db.serverless",
        "engine": "aurora-postgresql",
    });
    let early = aws.create(&creation(&type_of("rds.instance"), REGION, attributes)).await;
    assert_error(early, ErrorKind::NotYet, "rds:CreateDBInstance");
}

/// What no emulator does: a deletion takes its time, and whatever is called meanwhile is refused.
#[tokio::test]
async fn what_is_being_deleted_is_deleted_but_not_adopted() {
    let described = |status: &str| {
        let cluster = format!(
            "<DBCluster><DBClusterIdentifier>social-database</DBClusterIdentifier><Status>{status}</Status></DBCluster>"
        );
        let result = format!("<DescribeDBClustersResult><DBClusters>{cluster}</DBClusters></DescribeDBClustersResult>");
        ("DescribeDBClusters", 200, format!("<DescribeDBClustersResponse>{result}</DescribeDBClustersResponse>"))
    };
    let refusals = [
        refused("DeleteDBCluster", "InvalidDBClusterStateFault"),
        refused("CreateDBCluster", "DBClusterAlreadyExistsFault"),
    ];
    let target = |aws| async move {
        let creation = creation(&type_of("rds.cluster"), REGION, cluster());
        let target = mastoform::provider::Target {
            address: creation.address.clone(),
            region: REGION.to_owned(),
            identity: mastoform::address::Identity::new("social-database"),
            recorded: creation.attributes.plain().unwrap(),
            owner: None,
        };
        let aws: Aws = aws;
        (aws.delete(&target).await, aws.find(&creation).await, aws.create(&creation).await)
    };
    let deleting = scripted(refusals.iter().cloned().chain([described("deleting")]).collect());
    let (deleted, found, created) = target(deleting).await;
    assert_eq!((deleted, found), (Ok(Deletion::Accepted), Ok(vec![])));
    assert_error(created, ErrorKind::NotYet, "rds:CreateDBCluster");
    let modifying = scripted(refusals.into_iter().chain([described("modifying")]).collect());
    let (deleted, found, created) = target(modifying).await;
    assert_error(deleted, ErrorKind::NotYet, "rds:DeleteDBCluster");
    assert_eq!(found, Ok(vec![]), "it has not our tags");
    assert_error(created, ErrorKind::Conflict, "rds:CreateDBCluster");
}

fn cluster() -> Value {
    json!({
        "identifier": "social-database",
        "engine": "aurora-postgresql",
        "engine_version": "17.4",
        "database_name": "mastodon",
        "master_username": "mastodon",
        "master_password": "correct-horse-battery",
    })
}

async fn snapshots(aws: &Aws) -> Vec<String> {
    let answer = aws.clients(REGION).rds().describe_db_cluster_snapshots().send().await.unwrap();
    let manual = answer.db_cluster_snapshots().iter().filter(|snapshot| snapshot.snapshot_type() != Some("automated"));
    manual.filter_map(|snapshot| snapshot.db_cluster_snapshot_identifier()).map(str::to_owned).collect()
}

/// An answer to an action of a query API.
pub type Answer = (&'static str, u16, String);

/// A refusal.
pub fn refused(action: &'static str, code: &str) -> Answer {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error>");
    (action, 400, format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"))
}

/// A cloud that has one answer to each action of a query API, and knows no other action.
pub fn scripted(answers: Vec<Answer>) -> Aws {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(&mut stream.unwrap(), &answers);
        }
    });
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")))
        .build();
    Aws::with_config(config, Calls::new()).with_types(types())
}

fn answer(stream: &mut TcpStream, answers: &[Answer]) {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    let action = loop {
        let length = stream.read(&mut chunk).unwrap();
        request.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&request);
        let action = text.split_once("Action=").and_then(|(_, rest)| rest.split_once('&'));
        if let Some((action, _)) = action {
            break action.to_owned();
        }
        // Services with JSON name the action in a header.
        if let (Some((_, rest)), true) = (text.split_once("x-amz-target: "), text.contains("\r\n\r\n")) {
            break rest.lines().next().and_then(|name| name.split('.').next_back()).unwrap_or_default().to_owned();
        }
        assert!(length > 0, "no action in {text}");
    };
    let unknown = refused("", "InvalidAction");
    let (_, status, body) = answers.iter().find(|(name, _, _)| *name == action).unwrap_or(&unknown);
    let head = format!("HTTP/1.1 {status} Answer\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n", body.len());
    write!(stream, "{head}Connection: close\r\n\r\n{body}").unwrap();
}

#[tokio::test]
async fn a_snapshot_is_taken_once_and_stays() {
    let moto = moto::start();
    let aws = moto.aws();
    let cluster = json!({
        "identifier": "social-database", "engine": "aurora-postgresql", "engine_version": "17.9",
        "master_username": "mastodon", "master_password": "correct-horse-battery",
    });
    let cluster = make(&aws, "rds.cluster", cluster).await;
    let attributes = json!({ "cluster": cluster, "prefix": "social-before-upgrade", "triggers": { "image": "a" } });
    let wanted = creation(&type_of("rds.cluster_snapshot"), REGION, attributes);
    let made = aws.create(&wanted).await.unwrap();
    assert_eq!(made.identity.as_str(), "social-before-upgrade-0123456789ab");
    assert_eq!(aws.create(&wanted).await.unwrap().identity, made.identity, "a lost answer is asked for again");
    assert_eq!(aws.find(&wanted).await.unwrap(), std::slice::from_ref(&made.identity));
    let target = Target {
        address: wanted.address.clone(),
        region: REGION.to_owned(),
        identity: made.identity.clone(),
        recorded: mastoform::value::Value::Null,
        owner: None,
    };
    is_its_owners_alone(&aws, &target).await;
    aws.delete(&target).await.unwrap();
    let there = aws.observe(std::slice::from_ref(&target)).await.remove(&target.address);
    let Some(Observation::Found(found)) = there else { panic!("{there:?}") };
    assert_eq!(found.attributes.get("status"), Some(&"available".into()), "what was copied stays");
    // The next one has another name, and nobody else's is taken.
    let next = Creation { token: "f".repeat(32), ..wanted.clone() };
    assert_eq!(aws.create(&next).await.unwrap().identity.as_str(), "social-before-upgrade-ffffffffffff");
    let foreign = Creation { tags: BTreeMap::from([("mastoform:lineage".to_owned(), "x".to_owned())]), ..wanted };
    assert_error(aws.create(&foreign).await, ErrorKind::Conflict, "rds:CreateDBClusterSnapshot");
}

/// moto lets nobody use a group of subnets, so it is never in use there.
#[tokio::test]
async fn a_subnet_group_lives() {
    let aws = moto::start().aws();
    let subnets = default_subnets(&aws).await;
    let attributes = json!({ "name": "social-database", "description": "Database", "subnets": subnets[..2] });
    let mut group = Life::of("rds.subnet_group").repeats().create(&aws, attributes.clone()).await;
    group.update(json!({ "description": "Database of Mastodon", "subnets": subnets })).await;
    let mut theirs = creation(&type_of("rds.subnet_group"), REGION, attributes);
    theirs.tags = [("mastoform:instance".to_owned(), "other".to_owned())].into();
    assert_eq!(aws.find(&theirs).await, Ok(vec![]));
    assert_error(aws.create(&theirs).await, ErrorKind::Conflict, "rds:CreateDBSubnetGroup");
    group.end().await;
}

/// No waiting takes an instance out of the subnet that it runs in.
#[tokio::test]
async fn a_subnet_in_use_cannot_be_taken_away() {
    let aws = scripted(vec![refused("ModifyDBSubnetGroup", "SubnetAlreadyInUse")]);
    let attributes = json!({ "name": "social-database", "description": "Database", "subnets": ["subnet-1"] });
    let creation = creation(&type_of("rds.subnet_group"), REGION, attributes);
    let target = Target {
        address: creation.address.clone(),
        region: REGION.to_owned(),
        identity: Identity::new("social-database"),
        recorded: creation.attributes.plain().unwrap(),
        owner: None,
    };
    let update = Update { target, desired: creation.attributes, changed: vec!["subnets".to_owned()] };
    assert_error(aws.update(&update).await, ErrorKind::Invalid, "rds:ModifyDBSubnetGroup");
}
