//! The network.

use serde_json::json;

use super::{Life, assert_error, default_subnets, default_vpc, look_up, make};
use crate::support::emulator::REGION;
use crate::support::moto;
use mastoform::provider::aws::Aws;
use mastoform::provider::{ErrorKind, Provider, Target};

#[tokio::test]
async fn the_default_network_is_found() {
    let aws = moto::start().aws();
    assert!(default_vpc(&aws).await.starts_with("vpc-"));
    let found = look_up(&aws, "ec2.vpc", json!({ "id": "vpc-0123456789abcdef0" })).await;
    assert_error(found, ErrorKind::NotFound, "ec2:DescribeVpcs");
}

#[tokio::test]
async fn several_networks_are_no_answer() {
    let aws = moto::start().aws();
    aws.clients(REGION).ec2().create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap();
    assert_error(look_up(&aws, "ec2.vpc", json!({})).await, ErrorKind::Invalid, "ec2:DescribeVpcs");
}

#[tokio::test]
async fn default_subnets_are_found() {
    let aws = moto::start().aws();
    assert!(default_subnets(&aws).await.len() >= 2);
    let none = look_up(&aws, "ec2.subnets", json!({ "vpc_id": "vpc-0123456789abcdef0" })).await;
    assert_error(none, ErrorKind::NotFound, "ec2:DescribeSubnets");
}

/// This answers the question about a network's subnets before the network is known.
#[tokio::test]
async fn subnets_tell_their_network_unless_they_are_of_several() {
    let aws = moto::start().aws();
    let vpc_id = default_vpc(&aws).await;
    let told = async || {
        let found = look_up(&aws, "ec2.subnets", json!({})).await.unwrap();
        found.get("vpc_id").and_then(|id| id.as_text().map(str::to_owned))
    };
    assert_eq!(told().await, Some(vpc_id));
    let clients = aws.clients(REGION);
    let other = clients.ec2().create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap();
    let other = other.vpc.and_then(|vpc| vpc.vpc_id).unwrap();
    clients.ec2().create_subnet().vpc_id(other).cidr_block("10.0.0.0/24").send().await.unwrap();
    assert_eq!(told().await, None);
}

#[tokio::test]
async fn subnets_of_some_zones_do_not_count() {
    let aws = moto::start().aws();
    let vpc_id = default_vpc(&aws).await;
    let all = default_subnets(&aws).await;
    let described = aws.clients(REGION).ec2().describe_subnets().send().await.unwrap();
    let subnet = described.subnets().iter().find(|subnet| subnet.subnet_id() == all.first().map(String::as_str));
    let zone = subnet.and_then(|subnet| subnet.availability_zone_id()).expect("a zone's id");
    let filters = json!({ "vpc_id": vpc_id, "default_for_az": true, "without_zones": [zone, "use1-az3"] });
    let found = look_up(&aws, "ec2.subnets", filters).await.unwrap();
    let ids: Vec<&str> =
        found.get("ids").and_then(|ids| ids.as_list()).unwrap().iter().flat_map(|id| id.as_text()).collect();
    assert_eq!(ids, all[1..]);
}

#[tokio::test]
async fn a_security_group_lives() {
    let aws = moto::start().aws();
    let vpc_id = default_vpc(&aws).await;
    let attributes = json!({ "group_name": "social-tasks", "description": "Web, streaming", "vpc_id": vpc_id });
    let group = Life::of("ec2.security_group").repeats().create(&aws, attributes).await;
    let rules = egress_rules(&aws, group.identity()).await;
    assert!(rules.is_empty(), "AWS's own rule is removed: {rules:?}");
    group.end().await;
}

/// A network that was looked up tells whether there is a second rule to remove.
#[tokio::test]
async fn what_a_group_is_made_with_is_removed_for_the_addresses_its_network_has() {
    let aws = moto::start().aws();
    let clients = aws.clients(REGION);
    let both = clients.ec2().create_vpc().cidr_block("10.7.0.0/16").amazon_provided_ipv6_cidr_block(true);
    let both = both.send().await.unwrap().vpc.and_then(|vpc| vpc.vpc_id).unwrap();
    let unknown = clients.ec2().create_vpc().cidr_block("10.8.0.0/16").send().await.unwrap();
    let unknown = unknown.vpc.and_then(|vpc| vpc.vpc_id).unwrap();
    look_up(&aws, "ec2.vpc", json!({ "id": both })).await.unwrap();
    for (vpc_id, expected) in [(default_vpc(&aws).await, 1), (both, 2), (unknown, 2)] {
        let before = aws.calls().snapshot().len();
        let attributes = json!({ "group_name": "social-tasks", "description": "Web", "vpc_id": vpc_id });
        let group = make(&aws, "ec2.security_group", attributes).await;
        let calls = aws.calls().snapshot().split_off(before);
        let revoked = calls.iter().filter(|call| call.operation == "ec2:RevokeSecurityGroupEgress");
        assert_eq!(revoked.count(), expected, "{vpc_id}");
        let rules = egress_rules(&aws, &group).await;
        assert!(rules.is_empty(), "{vpc_id}: {rules:?}");
    }
}

/// A creation that stopped before AWS's own rule was removed leaves it open: that is seen, and an update closes it. So
/// is what somebody has added. Rules of the instance stay.
#[tokio::test]
async fn an_adopted_security_group_is_completed() {
    let aws = moto::start().aws();
    let vpc_id = default_vpc(&aws).await;
    let attributes = json!({ "group_name": "social-tasks", "description": "Web, streaming", "vpc_id": vpc_id });
    let mut group = Life::of("ec2.security_group").create(&aws, attributes).await;
    let permission = aws_sdk_ec2::types::IpPermission::builder()
        .ip_protocol("-1")
        .ip_ranges(aws_sdk_ec2::types::IpRange::builder().cidr_ip("0.0.0.0/0").build())
        .build();
    let clients = aws.clients(REGION);
    let by_hand = clients.ec2().authorize_security_group_egress().group_id(group.identity());
    by_hand.ip_permissions(permission).send().await.unwrap();
    let shell = aws_sdk_ec2::types::IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22);
    let shell = shell.ip_ranges(aws_sdk_ec2::types::IpRange::builder().cidr_ip("203.0.113.5/32").build()).build();
    let by_hand = clients.ec2().authorize_security_group_ingress().group_id(group.identity());
    by_hand.ip_permissions(shell).send().await.unwrap();
    let added = "ingress tcp 22 203.0.113.5/32";
    group.shows(json!({ "unlisted_rules": ["egress all 0.0.0.0/0", added] })).await;
    group.update(json!({ "unlisted_rules": [added] })).await;
    assert_eq!(egress_rules(&aws, group.identity()).await, Vec::<String>::new());
    group.update(json!({ "unlisted_rules": [] })).await;
    let everywhere =
        json!({ "group_id": group.identity(), "direction": "egress", "protocol": "-1", "cidr_ipv4": "0.0.0.0/0" });
    let ours = make(&aws, "ec2.security_group_rule", everywhere).await;
    group.update(json!({ "unlisted_rules": [] })).await;
    assert_eq!(egress_rules(&aws, group.identity()).await, [ours]);
}

#[tokio::test]
async fn a_group_of_somebody_else_is_not_taken() {
    let aws = moto::start().aws();
    let vpc_id = default_vpc(&aws).await;
    let clients = aws.clients(REGION);
    let theirs = clients.ec2().create_security_group().group_name("social-tasks").description("theirs");
    theirs.vpc_id(&vpc_id).send().await.unwrap();
    let attributes = json!({ "group_name": "social-tasks", "description": "ours", "vpc_id": vpc_id });
    let creation = super::creation(&super::type_of("ec2.security_group"), REGION, attributes);
    let answer = aws.create(&creation).await;
    assert_error(answer, ErrorKind::Conflict, "ec2:CreateSecurityGroup");
}

#[tokio::test]
async fn a_security_group_rule_lives() {
    let aws = moto::start().aws();
    let vpc_id = default_vpc(&aws).await;
    let group = |name: &str| json!({ "group_name": name, "description": "test", "vpc_id": vpc_id });
    let tasks = make(&aws, "ec2.security_group", group("tasks")).await;
    let database = make(&aws, "ec2.security_group", group("database")).await;
    let sides = [
        json!({ "direction": "ingress", "referenced_group_id": tasks, "from_port": 5432, "to_port": 5432 }),
        json!({ "direction": "ingress", "cidr_ipv4": "10.0.0.0/8", "from_port": 5432, "to_port": 5433 }),
        json!({ "direction": "egress", "cidr_ipv4": "0.0.0.0/0", "from_port": 443, "to_port": 443 }),
        json!({ "direction": "egress", "cidr_ipv6": "::/0", "from_port": 443, "to_port": 443 }),
    ];
    for mut attributes in sides {
        attributes["group_id"] = json!(database);
        attributes["protocol"] = json!("tcp");
        attributes["description"] = json!("from tasks");
        let mut story = Life::of("ec2.security_group_rule");
        if attributes.get("referenced_group_id").is_some() {
            // moto describes such a rule without its description.
            story = story.gap("description");
        }
        let mut rule = story.create(&aws, attributes).await;
        rule.update(json!({ "description": "from web" })).await;
        change_by_hand(&aws, &rule.target()).await;
        rule.shows(json!({ "description": "by hand" })).await;
        rule.end().await;
    }
}

async fn change_by_hand(aws: &Aws, target: &Target) {
    let text = |name: &str| target.recorded.get(name).and_then(|value| value.as_text()).map(str::to_owned);
    let port = |name: &str| target.recorded.get(name).and_then(|value| value.as_integer()).unwrap() as i32;
    let rule = aws_sdk_ec2::types::SecurityGroupRuleRequest::builder()
        .set_ip_protocol(text("protocol"))
        .from_port(port("from_port"))
        .to_port(port("to_port"))
        .set_cidr_ipv4(text("cidr_ipv4"))
        .set_cidr_ipv6(text("cidr_ipv6"))
        .set_referenced_group_id(text("referenced_group_id"))
        .description("by hand")
        .build();
    let change = aws_sdk_ec2::types::SecurityGroupRuleUpdate::builder()
        .security_group_rule_id(target.identity.as_str())
        .security_group_rule(rule)
        .build();
    let clients = aws.clients(REGION);
    let request = clients.ec2().modify_security_group_rules().set_group_id(text("group_id"));
    request.security_group_rules(change).send().await.unwrap();
}

async fn egress_rules(aws: &Aws, group: &str) -> Vec<String> {
    let clients = aws.clients(REGION);
    let filter = aws_sdk_ec2::types::Filter::builder().name("group-id").values(group).build();
    let answer = clients.ec2().describe_security_group_rules().filters(filter).send().await.unwrap();
    let egress = answer.security_group_rules().iter().filter(|rule| rule.is_egress() == Some(true));
    egress.filter_map(|rule| rule.security_group_rule_id()).map(str::to_owned).collect()
}
