//! What the blueprint builds where AWS's own choice would do harm: zones, settings of the cache, how long media stay in
//! CloudFront. A new instance gets it; one that exists goes on as it is, and its owner can choose.

use mastoform::plan::{Action, Plan};
use mastoform::spec::types::Impact;
use mastoform::value::{Tree, Value};

use super::living::{FILE as LIVING, living};
use super::{changed, completed};
use crate::support::instance::{EXAMPLE, Instance};

/// What an instance has of a resource.
fn input(instance: &Instance, address: &str, attribute: &str) -> Value {
    let state = instance.state().expect("a state");
    let address = address.parse().expect("an address");
    state.rows.get(&address).and_then(|row| row.inputs.get(attribute)).cloned().unwrap_or_default()
}

fn has(instance: &Instance, address: &str) -> bool {
    instance.state().expect("a state").rows.contains_key(&address.parse().expect("an address"))
}

fn number_of(list: &Value) -> usize {
    list.as_list().map_or(0, <[Value]>::len)
}

async fn apply(instance: &Instance, text: &str) -> Plan {
    let (plan, outcome) = instance.go(text, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    completed(outcome);
    let (after, _) = instance.go(text, false).await.expect("plans");
    assert_eq!(changed(&after), Vec::<String>::new(), "{:#?}", after.changes);
    plan
}

#[tokio::test]
async fn a_new_instance_is_in_two_zones_and_its_data_may_run_nowhere_else() {
    let instance = Instance::new();
    apply(&instance, EXAMPLE).await;
    for (address, attribute) in [
        ("elb.load_balancer.public", "subnets"),
        ("rds.subnet_group.database", "subnets"),
        ("elasticache.subnet_group.cache", "subnets"),
    ] {
        assert_eq!(number_of(&input(&instance, address, attribute)), 2, "{address}");
    }
    let tasks = input(&instance, "ecs.service.mastodon", "network");
    assert_eq!(tasks.get("subnets").map(number_of), Some(2));
    assert_eq!(input(&instance, "rds.cluster.database", "subnet_group"), "social-database".into());
    assert_eq!(input(&instance, "elasticache.replication_group.cache", "subnet_group"), "social-cache".into());

    let problems = instance.go(&format!("network.zones = 1\n{EXAMPLE}"), false).await.expect_err("refused");
    assert!(problems.to_string().contains("two zones at least"), "{problems}");
    let three = apply(&instance, &format!("network.zones = 3\n{EXAMPLE}")).await;
    assert!(three.changes.iter().all(|change| matches!(change.action, Action::Update { .. })), "{:?}", changed(&three));
    assert_eq!(number_of(&input(&instance, "rds.subnet_group.database", "subnets")), 3);
}

#[tokio::test]
async fn an_instance_that_exists_stays_in_its_zones_until_its_file_says_otherwise() {
    let instance = living();
    apply(&instance, LIVING).await;
    assert!(number_of(&input(&instance, "elb.load_balancer.public", "subnets")) > 2);
    for address in ["rds.subnet_group.database", "elasticache.subnet_group.cache"] {
        assert!(!has(&instance, address), "{address}");
    }
    // AWS cannot move what holds data: it stays where it is, and everything else moves.
    let plan = apply(&instance, &format!("network.zones = 2\n{LIVING}")).await;
    let kept = |change: &mastoform::plan::Change| matches!(change.action, Action::Update { .. } | Action::Create);
    assert!(plan.changes.iter().all(kept), "{:?}", changed(&plan));
    assert_eq!(number_of(&input(&instance, "elb.load_balancer.public", "subnets")), 2);
    assert_eq!(input(&instance, "rds.cluster.database", "subnet_group"), Tree::Null);
}

#[tokio::test]
async fn the_cache_of_a_new_instance_throws_nothing_away() {
    let instance = Instance::new();
    apply(&instance, EXAMPLE).await;
    let settings = input(&instance, "elasticache.parameter_group.cache", "parameters");
    assert_eq!(settings.get("maxmemory-policy"), Some(&"noeviction".into()));
    assert_eq!(input(&instance, "elasticache.replication_group.cache", "parameter_group"), "social-valkey8".into());

    // Settings are for one family of versions: those of the next one are there before the cache is raised.
    let raised = apply(&instance, &format!("redis.version = \"9.0\"\n{EXAMPLE}")).await;
    let mut names = changed(&raised);
    names.retain(|name| name.contains("elasticache"));
    assert_eq!(
        names,
        ["replace elasticache.parameter_group.cache", "update elasticache.replication_group.cache"],
        "{:?}",
        changed(&raised)
    );
    assert_eq!(input(&instance, "elasticache.replication_group.cache", "parameter_group"), "social-valkey9".into());

    let text = format!("redis.version = \"9.0\"\nredis.parameter_group = \"mine\"\n{EXAMPLE}");
    let plan = apply(&instance, &text).await;
    assert!(changed(&plan).contains(&"delete elasticache.parameter_group.cache".to_owned()), "{:?}", changed(&plan));
    assert_eq!(input(&instance, "elasticache.replication_group.cache", "parameter_group"), "mine".into());
}

#[tokio::test]
async fn a_cache_that_evicts_is_warned_of_and_changed_in_place() {
    let instance = living();
    apply(&instance, LIVING).await;
    assert!(!has(&instance, "elasticache.parameter_group.cache"));
    let plan = apply(&instance, &format!("redis.when_full = \"refuse\"\n{LIVING}")).await;
    assert_eq!(
        changed(&plan),
        ["create elasticache.parameter_group.cache", "update elasticache.replication_group.cache"]
    );
}

#[tokio::test]
async fn more_nodes_of_the_cache_are_no_replacement() {
    let instance = Instance::new();
    apply(&instance, EXAMPLE).await;
    for (nodes, failover) in [(2, true), (1, false)] {
        let plan = apply(&instance, &format!("redis.nodes = {nodes}\n{EXAMPLE}")).await;
        let [change] = &plan.changes[..] else { panic!("{:?}", changed(&plan)) };
        assert!(matches!(change.action, Action::Update { .. }), "{change:?}");
        assert!(change.impact < Impact::Outage, "{:?}", change.impact);
        let shown = input(&instance, "elasticache.replication_group.cache", "automatic_failover");
        assert_eq!(shown, failover.into());
    }
    let problems = Instance::new().go(&format!("redis = {{ engine = \"redis\", nodes = 2 }}\n{EXAMPLE}"), false).await;
    assert!(problems.expect_err("refused").to_string().contains("redis.nodes is for valkey"));
}

#[tokio::test]
async fn deleted_media_disappear_from_the_network_within_days() {
    let instance = Instance::new();
    apply(&instance, EXAMPLE).await;
    let longest = || input(&instance, "cloudfront.cache_policy.media", "max_ttl_seconds");
    assert_eq!(longest(), Value::Integer(7 * 86_400));
    let plan = apply(&instance, &format!("media.cache_days = 1\n{EXAMPLE}")).await;
    assert_eq!(changed(&plan), ["update cloudfront.cache_policy.media"]);
    assert_eq!(longest(), Value::Integer(86_400));

    const OWN: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";
    let plan = apply(&instance, &format!("media.cache_policy = \"{OWN}\"\n{EXAMPLE}")).await;
    let mut names = changed(&plan);
    names.sort();
    assert_eq!(names, ["delete cloudfront.cache_policy.media", "update cloudfront.distribution.media"]);
}

#[tokio::test]
async fn the_log_of_a_new_database_is_kept_for_a_while() {
    let instance = Instance::new();
    apply(&instance, EXAMPLE).await;
    assert_eq!(input(&instance, "rds.cluster.database", "log_exports"), Value::List(vec!["postgresql".into()]));
    assert_eq!(input(&instance, "logs.log_group.database", "retention_days"), Value::Integer(14));
    let living = living();
    apply(&living, LIVING).await;
    assert!(!has(&living, "logs.log_group.database"), "its owner decides");
    let plan = apply(&living, &LIVING.replace("[database]", "[database]\nlogs = true")).await;
    assert!(plan.changes.iter().all(|change| change.impact == Impact::None), "{:?}", changed(&plan));
}

/// A boot of ninety seconds, and as many checks as it takes: the grace of a new task outlasts both.
#[test]
fn a_slow_boot_outlasts_neither_its_grace_nor_its_checks() {
    const BOOT: i64 = 90;
    let script = crate::support::instance::Script::read(&[], EXAMPLE).unwrap_or_else(|problems| panic!("{problems}"));
    let number = |resource: &str, path: &[&str]| -> i64 {
        let (type_name, name) = resource.rsplit_once('.').expect("an address");
        let (service, kind) = type_name.split_once('.').expect("a type");
        let type_name = mastoform::address::TypeName::new(service, kind);
        let resource = &script.specs.blueprint.resources[&(type_name, name.to_owned())];
        let (first, rest) = path.split_first().expect("a path");
        resource.attributes[*first].at(rest).and_then(Tree::as_integer).expect("a number")
    };
    let check = |what| number("elb.target_group.web", &["health_check", what]);
    let until_healthy = BOOT + check("interval") * (check("healthy_threshold") + 1);
    let grace = script.config.values.at(&["web", "grace_period"]).and_then(Tree::as_integer).expect("a grace");
    assert!(until_healthy * 2 <= grace, "{until_healthy} of {grace}");
}

/// A snapshot is worth little without the keys that parts of it are encrypted with.
#[tokio::test]
async fn keys_can_be_restored_for_as_long_as_a_last_snapshot_stays() {
    let instance = Instance::new();
    apply(&instance, EXAMPLE).await;
    for name in ["encryption", "rails", "vapid"] {
        let days = input(&instance, &format!("secretsmanager.secret.{name}"), "recovery_window_days");
        assert_eq!(days, Value::Integer(30), "{name}");
    }
    apply(&instance, &EXAMPLE.replace("[database]", "[database]\nfinal_snapshot = false")).await;
    assert_eq!(input(&instance, "secretsmanager.secret.encryption", "recovery_window_days"), Value::Integer(0));
}
