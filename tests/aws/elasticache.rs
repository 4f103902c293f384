//! Clusters and replication groups.

use mastoform::address::Identity;
use mastoform::provider::aws::Aws;
use mastoform::provider::{Creation, Deletion, ErrorKind, Observation, Provider, Target, Update};
use serde_json::{Value, json};

use super::rds::{Answer, refused, scripted};
use super::{Life, assert_error, creation, type_of};
use crate::support::emulator::REGION;
use crate::support::{ministack, moto};

/// moto cannot change or delete clusters.
#[tokio::test]
async fn a_cluster_lives() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let attributes = json!({
        "identifier": "social-redis",
        "engine": "redis",
        "engine_version": "7.1",
        "node_type": "cache.t4g.micro",
        "nodes": 1,
        "parameter_group": "default.redis7",
        "port": 6379,
        "security_groups": ["sg-0123456789abcdef0"],
        "snapshot_retention_days": 3,
        "auto_minor_version_upgrade": true,
        "maintenance_window": "sun:04:00-sun:05:00",
        "apply_immediately": true,
    });
    let mut life = Life::of("elasticache.cluster")
        // ministack forgets both.
        .gap("security_groups")
        .gap("auto_minor_version_upgrade")
        .repeats()
        .create(&aws, attributes.clone())
        .await;
    let observed = life.shows(json!({ "status": "available", "subnet_group": "default" })).await;
    assert!(observed.attributes.get("endpoint").is_some());
    life.update(json!({
        "engine_version": "7.2",
        "node_type": "cache.t4g.small",
        "parameter_group": "social",
        "security_groups": ["sg-0123456789abcdef1"],
        "snapshot_retention_days": 7,
        "auto_minor_version_upgrade": false,
        "maintenance_window": "mon:04:00-mon:05:00",
    }))
    .await;
    life.update(json!({ "snapshot_retention_days": null, "node_type": "cache.t4g.small" })).await;
    life.shows(json!({ "snapshot_retention_days": 0 })).await;
    let by_hand = aws.clients(REGION).elasticache().modify_cache_cluster().cache_cluster_id(life.identity());
    by_hand.cache_node_type("cache.t4g.medium").send().await.unwrap();
    life.shows(json!({ "node_type": "cache.t4g.medium" })).await;
    let theirs = of_others(creation(&type_of("elasticache.cluster"), REGION, attributes));
    assert_eq!(aws.find(&theirs).await, Ok(vec![]));
    assert_error(aws.create(&theirs).await, ErrorKind::Conflict, "elasticache:CreateCacheCluster");
    life.end().await;
}

/// A modification that AWS shows already is not sent: AWS would refuse it.
#[tokio::test]
async fn a_repeated_update_is_no_call() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let attributes = json!({
        "identifier": "social-redis", "engine": "redis", "engine_version": "7.1.0", "node_type": "cache.t4g.micro",
        "nodes": 1, "snapshot_retention_days": 3,
    });
    let mut life = Life::of("elasticache.cluster").create(&aws, attributes).await;
    let repeated = json!({ "snapshot_retention_days": 3, "node_type": "cache.t4g.micro", "apply_immediately": true });
    life.update(repeated).await;
    assert_eq!(modifications(&aws), 0);
    life.update(json!({ "snapshot_retention_days": 4, "node_type": "cache.t4g.micro" })).await;
    assert_eq!(modifications(&aws), 1);
    life.end().await;
}

#[tokio::test]
async fn a_replication_group_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut life = Life::of("elasticache.replication_group")
        // AWS keeps these with the nodes; moto has no nodes.
        .gap("engine_version")
        .gap("parameter_group")
        .gap("security_groups")
        .gap("subnet_group")
        .gap("maintenance_window")
        .repeats()
        .create(&aws, group())
        .await;
    let observed = life.shows(json!({ "status": "available" })).await;
    let endpoint = observed.attributes.get("primary_endpoint").and_then(|endpoint| endpoint.as_text()).unwrap();
    assert!(endpoint.starts_with("master.social-cache."), "{endpoint}");
    life.update(json!({
        "description": "Queues",
        "node_type": "cache.t4g.small",
        "automatic_failover": true,
        "snapshot_retention_days": 7,
        "auth_token": "another-token-0123456789",
    }))
    .await;
    life.update(json!({ "automatic_failover": null, "snapshot_retention_days": null })).await;
    life.shows(json!({ "automatic_failover": false, "snapshot_retention_days": 0 })).await;
    let by_hand = aws.clients(REGION).elasticache().modify_replication_group().replication_group_id(life.identity());
    by_hand.replication_group_description("by hand").send().await.unwrap();
    life.shows(json!({ "description": "by hand" })).await;
    let theirs = of_others(creation(&type_of("elasticache.replication_group"), REGION, group()));
    assert_eq!(aws.find(&theirs).await, Ok(vec![]));
    assert_error(aws.create(&theirs).await, ErrorKind::Conflict, "elasticache:CreateReplicationGroup");
    // In moto a deletion never ends: the group is seen with its status, and deleting it again is a success.
    life.delete().await;
    life.shows(json!({ "status": "deleting" })).await;
    life.delete().await;
    let creation = creation(&type_of("elasticache.replication_group"), REGION, group());
    assert_eq!(aws.find(&creation).await, Ok(vec![]));
    assert_error(aws.create(&creation).await, ErrorKind::NotYet, "elasticache:CreateReplicationGroup");
}

#[tokio::test]
async fn a_replication_group_shows_what_its_nodes_have() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let mut attributes = group();
    attributes["nodes"] = json!(2);
    attributes["automatic_failover"] = json!(true);
    // ministack writes the list of groups in a form no SDK reads.
    let story = Life::of("elasticache.replication_group").gap("security_groups").repeats();
    let mut life = story.create(&aws, attributes).await;
    life.shows(json!({ "subnet_group": "default", "status": "available" })).await;
    life.update(json!({ "description": "Queues", "auth_token": "another-token-0123456789" })).await;
    assert_eq!(modifications(&aws), 2, "the token is a call of its own");
    life.update(json!({ "apply_immediately": true })).await;
    assert_eq!(modifications(&aws), 2);
    life.end().await;
}

#[tokio::test]
async fn a_token_stays() {
    let moto = moto::start();
    let aws = moto.aws();
    let creation = creation(&type_of("elasticache.replication_group"), REGION, group());
    aws.create(&creation).await.unwrap();
    let mut desired = creation.attributes.clone();
    desired.set(&["auth_token"], mastoform::value::Known::Null);
    let update = Update { target: target(&creation), desired, changed: vec!["auth_token".to_owned()] };
    let refused = aws.update(&update).await;
    assert_eq!(refused.as_ref().unwrap_err().attribute.as_deref(), Some("auth_token"));
    assert_error(refused, ErrorKind::Invalid, "elasticache:ModifyReplicationGroup");
    assert_eq!(modifications(&aws), 0);
}

/// What no emulator does: AWS refuses the token that a group has, and whatever is asked of a busy one.
#[tokio::test]
async fn a_repeated_token_is_done() {
    let creation = creation(&type_of("elasticache.replication_group"), REGION, group());
    let update = Update {
        target: target(&creation),
        desired: creation.attributes.clone(),
        changed: vec!["auth_token".to_owned(), "description".to_owned()],
    };
    let unmodified = || refused("ModifyReplicationGroup", "InvalidParameterCombination");
    let with_token = scripted(vec![described("available", true), unmodified()]);
    assert_eq!(with_token.update(&update).await, Ok(()));
    assert_eq!(modifications(&with_token), 1, "the description is shown already");
    let without_token = scripted(vec![described("available", false), unmodified()]);
    assert_error(without_token.update(&update).await, ErrorKind::Invalid, "elasticache:ModifyReplicationGroup");
    let busy = refused("ModifyReplicationGroup", "InvalidReplicationGroupState");
    let busy = scripted(vec![described("modifying", true), busy]);
    assert_error(busy.update(&update).await, ErrorKind::NotYet, "elasticache:ModifyReplicationGroup");
}

/// What no emulator does: tags cannot be listed while a group is being made, and a deletion takes its time.
#[tokio::test]
async fn a_busy_group_is_left_for_later() {
    let creation = creation(&type_of("elasticache.replication_group"), REGION, group());
    let refusals = |group: Answer| {
        scripted(vec![
            group,
            refused("CreateReplicationGroup", "ReplicationGroupAlreadyExists"),
            refused("DeleteReplicationGroup", "InvalidReplicationGroupState"),
            refused("ListTagsForResource", "CacheClusterNotFound"),
        ])
    };
    let creating = refusals(described("creating", true));
    assert_error(creating.find(&creation).await, ErrorKind::NotYet, "elasticache:ListTagsForResource");
    assert_error(creating.create(&creation).await, ErrorKind::NotYet, "elasticache:ListTagsForResource");
    assert_error(creating.delete(&target(&creation)).await, ErrorKind::NotYet, "elasticache:DeleteReplicationGroup");
    let deleting = refusals(described("deleting", true));
    assert_eq!(deleting.find(&creation).await, Ok(vec![]));
    assert_error(deleting.create(&creation).await, ErrorKind::NotYet, "elasticache:CreateReplicationGroup");
    assert_eq!(deleting.delete(&target(&creation)).await, Ok(Deletion::Accepted));
    let observations = deleting.observe(&[target(&creation)]).await;
    let [Observation::Found(observed)] = &observations.values().collect::<Vec<_>>()[..] else {
        panic!("{observations:?}")
    };
    assert_eq!(observed.attributes.get("status").and_then(|status| status.as_text()), Some("deleting"));
}

fn group() -> Value {
    json!({
        "identifier": "social-cache",
        "description": "Queues and feeds of Mastodon",
        "engine": "valkey",
        "engine_version": "8.0",
        "node_type": "cache.t4g.micro",
        "nodes": 1,
        "automatic_failover": false,
        "parameter_group": "default.valkey8",
        "port": 6379,
        "security_groups": ["sg-0123456789abcdef0"],
        "transit_encryption": true,
        "at_rest_encryption": true,
        "auth_token": "a-token-of-twenty-letters",
        "snapshot_retention_days": 3,
        "auto_minor_version_upgrade": true,
        "maintenance_window": "sun:04:00-sun:05:00",
        "apply_immediately": true,
    })
}

fn described(status: &str, token: bool) -> Answer {
    let group = format!(
        "<ReplicationGroupId>social-cache</ReplicationGroupId><Description>Queues and feeds of Mastodon</Description>\
         <Status>{status}</Status><AuthTokenEnabled>{token}</AuthTokenEnabled><ARN>arn:aws:elasticache:::group</ARN>"
    );
    let groups = format!("<ReplicationGroups><ReplicationGroup>{group}</ReplicationGroup></ReplicationGroups>");
    let result = format!("<DescribeReplicationGroupsResult>{groups}</DescribeReplicationGroupsResult>");
    let body = format!("<DescribeReplicationGroupsResponse>{result}</DescribeReplicationGroupsResponse>");
    ("DescribeReplicationGroups", 200, body)
}

fn target(creation: &Creation) -> Target {
    Target {
        address: creation.address.clone(),
        region: REGION.to_owned(),
        identity: Identity::new("social-cache"),
        recorded: creation.attributes.plain().unwrap(),
        owner: None,
    }
}

fn of_others(creation: Creation) -> Creation {
    Creation { tags: [("mastoform:instance".to_owned(), "other".to_owned())].into(), ..creation }
}

/// How many calls changed something.
fn modifications(aws: &Aws) -> usize {
    let calls = aws.calls().snapshot();
    calls.iter().filter(|call| call.operation.starts_with("elasticache:Modify")).count()
}
