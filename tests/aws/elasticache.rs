//! Clusters and replication groups.

use mastoform::address::Identity;
use mastoform::provider::aws::Aws;
use mastoform::provider::{Creation, Deletion, ErrorKind, Observation, Provider, Target, Update};
use serde_json::{Value, json};

use super::rds::{Answer, refused, scripted};
use super::{Life, assert_error, creation, default_subnets, type_of};
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

/// AWS adds and removes replicas by calls of their own, and a group with one node has nobody to take over.
#[tokio::test]
async fn replicas_come_and_go_in_place() {
    let changed = |nodes: i64, failover: bool, there: i64| {
        let mut attributes = group();
        attributes["nodes"] = json!(nodes);
        attributes["automatic_failover"] = json!(failover);
        let creation = creation(&type_of("elasticache.replication_group"), REGION, attributes);
        let changed = vec!["nodes".to_owned(), "automatic_failover".to_owned()];
        let update = Update { target: target(&creation), desired: creation.attributes, changed };
        (update, scripted(members(there)))
    };
    let calls = |aws: &Aws| -> Vec<String> {
        let changing = ["Increase", "Decrease", "Modify"];
        let calls = aws.calls().snapshot().into_iter().map(|call| call.operation);
        calls.filter(|call| changing.iter().any(|verb| call.contains(&format!(":{verb}")))).collect()
    };
    let (update, aws) = changed(3, true, 1);
    assert_eq!(aws.update(&update).await, Ok(()));
    assert_eq!(calls(&aws), ["elasticache:IncreaseReplicaCount", "elasticache:ModifyReplicationGroup"]);
    let (update, aws) = changed(1, false, 3);
    assert_eq!(aws.update(&update).await, Ok(()));
    assert_eq!(calls(&aws), ["elasticache:ModifyReplicationGroup", "elasticache:DecreaseReplicaCount"]);
    let (update, aws) = changed(2, true, 2);
    assert_eq!(aws.update(&update).await, Ok(()));
    assert_eq!(calls(&aws), Vec::<String>::new(), "all of it is there already");
}

#[tokio::test]
async fn a_parameter_group_lives() {
    for emulator in [moto::start(), ministack::start()] {
        let aws = emulator.aws();
        let attributes = json!({
            "name": "social-valkey8", "family": "valkey8", "description": "Queues and feeds of Mastodon",
            "parameters": { "maxmemory-policy": "noeviction" },
        });
        let mut group = Life::of("elasticache.parameter_group").repeats().create(&aws, attributes.clone()).await;
        group.update(json!({ "parameters": { "maxmemory-policy": "volatile-lru", "timeout": "60" } })).await;
        group.update(json!({ "parameters": { "timeout": "60" } })).await;
        let observed = group.observe().await;
        let parameters = observed.attributes.get("parameters").map(ToString::to_string);
        assert_eq!(parameters.as_deref(), Some(r#"{"timeout": "60"}"#), "what is not asked for is AWS's again");
        let theirs = of_others(creation(&type_of("elasticache.parameter_group"), REGION, attributes));
        assert_eq!(aws.find(&theirs).await, Ok(vec![]));
        assert_error(aws.create(&theirs).await, ErrorKind::Conflict, "elasticache:CreateCacheParameterGroup");
        group.end().await;
    }
}

#[tokio::test]
async fn a_subnet_group_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let subnets = default_subnets(&aws).await;
    let attributes = json!({ "name": "social-cache", "description": "Queues and feeds", "subnets": subnets[..2] });
    let mut group = Life::of("elasticache.subnet_group").repeats().create(&aws, attributes.clone()).await;
    group.update(json!({ "description": "Queues", "subnets": subnets })).await;
    let theirs = of_others(creation(&type_of("elasticache.subnet_group"), REGION, attributes));
    assert_eq!(aws.find(&theirs).await, Ok(vec![]));
    assert_error(aws.create(&theirs).await, ErrorKind::Conflict, "elasticache:CreateCacheSubnetGroup");
    group.end().await;
}

#[tokio::test]
async fn what_a_cache_uses_is_not_deleted() {
    let moto = moto::start();
    let aws = moto.aws();
    let subnets = default_subnets(&aws).await;
    let settings = json!({ "name": "social-valkey8", "family": "valkey8", "description": "Queues" });
    let settings = Life::of("elasticache.parameter_group").create(&aws, settings).await;
    let places = json!({ "name": "social-cache", "description": "Queues", "subnets": subnets });
    let places = Life::of("elasticache.subnet_group").create(&aws, places).await;
    let mut attributes = group();
    attributes["parameter_group"] = json!(settings.identity());
    attributes["subnet_group"] = json!(places.identity());
    let creation = creation(&type_of("elasticache.replication_group"), REGION, attributes);
    aws.create(&creation).await.unwrap();
    let refused = aws.delete(&settings.target()).await;
    assert_error(refused, ErrorKind::NotYet, "elasticache:DeleteCacheParameterGroup");
    assert_error(aws.delete(&places.target()).await, ErrorKind::NotYet, "elasticache:DeleteCacheSubnetGroup");
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

/// A group of so many nodes, and whatever may be asked of it.
fn members(number: i64) -> Vec<Answer> {
    let members: String = (1..=number).map(|it| format!("<ClusterId>social-cache-00{it}</ClusterId>")).collect();
    let failover = if number > 1 { "enabled" } else { "disabled" };
    let group = format!(
        "<ReplicationGroupId>social-cache</ReplicationGroupId><Status>available</Status>\
         <AutomaticFailover>{failover}</AutomaticFailover><MemberClusters>{members}</MemberClusters>"
    );
    let done = |action: &'static str, result: &str| {
        let result = format!("<{action}Result>{result}</{action}Result>");
        (action, 200, format!("<{action}Response>{result}</{action}Response>"))
    };
    let one = format!("<ReplicationGroup>{group}</ReplicationGroup>");
    vec![
        done("DescribeReplicationGroups", &format!("<ReplicationGroups>{one}</ReplicationGroups>")),
        done("DescribeCacheClusters", ""),
        done("IncreaseReplicaCount", &one),
        done("DecreaseReplicaCount", &one),
        done("ModifyReplicationGroup", &one),
    ]
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
