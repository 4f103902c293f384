//! Load balancers.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, LoadBalancerAttribute, ProtocolEnum, RedirectActionConfig,
    RedirectActionStatusCodeEnum, RulePriorityPair, TargetGroupAttribute, TargetTypeEnum,
};
use serde_json::{Value, json};

use super::{Life, assert_error, creation, default_subnets, default_vpc, make, type_of};
use crate::support::emulator::REGION;
use crate::support::{ministack, moto};
use mastoform::address::Address;
use mastoform::provider::aws::Aws;
use mastoform::provider::{ErrorKind, Observation, Provider};

#[tokio::test]
async fn a_load_balancer_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let subnets = default_subnets(&aws).await;
    let (first, second) = (security_group(&aws, "first").await, security_group(&aws, "second").await);
    let attributes = json!({
        "name": "social",
        "kind": "application",
        "scheme": "internet-facing",
        "ip_address_type": "ipv4",
        "subnets": subnets[..2],
        "security_groups": [first],
        "idle_timeout_seconds": 120,
        "deletion_protection": false,
        "drop_invalid_header_fields": true,
    });
    let mut balancer = Life::of("elb.load_balancer").repeats().create(&aws, attributes).await;
    balancer.shows(json!({ "status": "active" })).await;
    balancer.update(json!({ "idle_timeout_seconds": 90, "deletion_protection": true })).await;
    balancer.update(json!({ "subnets": subnets, "security_groups": [first, second] })).await;
    balancer.update(json!({ "ip_address_type": "dualstack" })).await;
    let clients = aws.clients(REGION);
    let idle_timeout = LoadBalancerAttribute::builder().key("idle_timeout.timeout_seconds").value("30").build();
    let by_hand = clients.elb().modify_load_balancer_attributes().load_balancer_arn(balancer.identity());
    by_hand.attributes(idle_timeout).send().await.unwrap();
    balancer
        .shows(json!({ "idle_timeout_seconds": 30, "deletion_protection": true, "drop_invalid_header_fields": true }))
        .await;
    balancer
        .update(json!({
            "idle_timeout_seconds": null, "deletion_protection": null, "drop_invalid_header_fields": null,
            "ip_address_type": null,
        }))
        .await;
    let defaults = json!({
        "idle_timeout_seconds": 60, "deletion_protection": false, "drop_invalid_header_fields": false,
        "ip_address_type": "ipv4",
    });
    balancer.shows(defaults).await;
    balancer.end().await;
}

#[tokio::test]
async fn a_load_balancer_of_somebody_else_is_not_taken() {
    let moto = moto::start();
    let aws = moto.aws();
    let subnets = default_subnets(&aws).await;
    let clients = aws.clients(REGION);
    let theirs = clients.elb().create_load_balancer().name("social").set_subnets(Some(subnets.clone()));
    theirs.send().await.unwrap();
    let creation = creation(&type_of("elb.load_balancer"), REGION, json!({ "name": "social", "subnets": subnets }));
    assert_error(aws.create(&creation).await, ErrorKind::Conflict, "elasticloadbalancing:CreateLoadBalancer");
    assert_eq!(aws.find(&creation).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_target_group_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = json!({
        "name": "social-web-3000",
        "target_type": "ip",
        "protocol": "HTTP",
        "port": 3000,
        "vpc_id": default_vpc(&aws).await,
        "health_check": { "path": "/health", "interval": 30, "timeout": 10 },
        "deregistration_delay_seconds": 30,
    });
    let mut group = Life::of("elb.target_group").repeats().create(&aws, attributes).await;
    let check = json!({ "matcher": "200", "healthy_threshold": 5, "unhealthy_threshold": 2 });
    group.shows(json!({ "health_check": check })).await;
    let check = json!({
        "path": "/", "matcher": "200-399", "interval": 15, "timeout": 6, "healthy_threshold": 2,
        "unhealthy_threshold": 3,
    });
    group.update(json!({ "health_check": check })).await;
    group.update(json!({ "deregistration_delay_seconds": 60 })).await;
    let clients = aws.clients(REGION);
    let delay = TargetGroupAttribute::builder().key("deregistration_delay.timeout_seconds").value("5").build();
    let by_hand = clients.elb().modify_target_group_attributes().target_group_arn(group.identity());
    by_hand.attributes(delay).send().await.unwrap();
    let by_hand = clients.elb().modify_target_group().target_group_arn(group.identity()).health_check_path("/ready");
    by_hand.send().await.unwrap();
    group.shows(json!({ "health_check": { "path": "/ready" }, "deregistration_delay_seconds": 5 })).await;
    group.update(json!({ "health_check": null, "deregistration_delay_seconds": null })).await;
    let check = json!({
        "path": "/", "matcher": "200", "interval": 30, "timeout": 5, "healthy_threshold": 5,
        "unhealthy_threshold": 2,
    });
    group.shows(json!({ "health_check": check, "deregistration_delay_seconds": 300 })).await;
    group.end().await;
}

/// A replacement is made before its predecessor goes, and must not be mistaken for it.
#[tokio::test]
async fn a_target_group_with_another_port_is_another() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut attributes = target_group(&aws, "social-web").await;
    make(&aws, "elb.target_group", attributes.clone()).await;
    attributes["port"] = json!(3001);
    let creation = creation(&type_of("elb.target_group"), REGION, attributes);
    assert_error(aws.create(&creation).await, ErrorKind::Conflict, "elasticloadbalancing:CreateTargetGroup");
    assert_eq!(aws.find(&creation).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_target_group_of_somebody_else_is_not_taken() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = target_group(&aws, "social-web").await;
    let clients = aws.clients(REGION);
    let theirs = clients.elb().create_target_group().name("social-web").port(3000).protocol(ProtocolEnum::Http);
    let theirs = theirs.vpc_id(default_vpc(&aws).await).target_type(TargetTypeEnum::Ip);
    theirs.send().await.unwrap();
    let creation = creation(&type_of("elb.target_group"), REGION, attributes);
    assert_error(aws.create(&creation).await, ErrorKind::Conflict, "elasticloadbalancing:CreateTargetGroup");
}

/// AWS refuses to describe several if one is gone; the others are seen all the same.
#[tokio::test]
async fn one_that_is_gone_does_not_hide_the_others() {
    let moto = moto::start();
    let aws = moto.aws();
    let mut targets = Vec::new();
    for name in ["one", "two", "three"] {
        let group = Life::of("elb.target_group").create(&aws, target_group(&aws, name).await).await;
        let mut target = group.target();
        target.address = Address::new(type_of("elb.target_group"), name, None);
        targets.push(target);
    }
    aws.delete(&targets[1]).await.unwrap();
    let observations = aws.observe(&targets).await;
    let seen: Vec<bool> =
        targets.iter().map(|target| matches!(observations[&target.address], Observation::Found(_))).collect();
    assert_eq!(seen, [true, false, true]);
    assert!(matches!(observations[&targets[1].address], Observation::Gone));
}

#[tokio::test]
async fn listeners_live() {
    let moto = moto::start();
    let aws = moto.aws();
    let balancer = load_balancer(&aws).await;
    let web = make(&aws, "elb.target_group", target_group(&aws, "web").await).await;
    let streaming = make(&aws, "elb.target_group", target_group(&aws, "streaming").await).await;
    let (certificate, other_certificate) = (certificate(&aws, "a.example").await, certificate(&aws, "b.example").await);

    let attributes = json!({
        "load_balancer_arn": balancer,
        "port": 80,
        "protocol": "HTTP",
        "default_action": redirect("443", "HTTP_301"),
    });
    let mut plain = Life::of("elb.listener").create(&aws, attributes).await;
    plain.update(json!({ "port": 8080 })).await;
    plain.update(json!({ "default_action": redirect("8443", "HTTP_302") })).await;
    plain.update(json!({ "default_action": { "kind": "forward", "target_group_arn": web } })).await;
    let encrypted = json!({
        "protocol": "HTTPS", "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06", "certificate_arn": certificate,
    });
    plain.update(encrypted).await;
    plain.end().await;

    let attributes = json!({
        "load_balancer_arn": balancer,
        "port": 443,
        "protocol": "HTTPS",
        "ssl_policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "certificate_arn": certificate,
        "default_action": { "kind": "forward", "target_group_arn": web },
    });
    let mut encrypted = Life::of("elb.listener").create(&aws, attributes).await;
    encrypted.update(json!({ "ssl_policy": "ELBSecurityPolicy-2016-08" })).await;
    encrypted.update(json!({ "certificate_arn": other_certificate })).await;
    encrypted.update(json!({ "default_action": { "kind": "forward", "target_group_arn": streaming } })).await;
    let clients = aws.clients(REGION);
    let elsewhere = RedirectActionConfig::builder().port("444").status_code(RedirectActionStatusCodeEnum::Http302);
    let elsewhere = Action::builder().r#type(ActionTypeEnum::Redirect).redirect_config(elsewhere.build()).build();
    let by_hand = clients.elb().modify_listener().listener_arn(encrypted.identity()).default_actions(elsewhere);
    by_hand.send().await.unwrap();
    encrypted.shows(json!({ "default_action": { "kind": "redirect", "redirect": { "port": "444" } } })).await;
    encrypted.end().await;
}

/// Who deletes a target group before its listener has gone is told to try again.
#[tokio::test]
async fn a_target_group_in_use_stays() {
    let moto = moto::start();
    let aws = moto.aws();
    let group = Life::of("elb.target_group").create(&aws, target_group(&aws, "web").await).await;
    let listener = make(&aws, "elb.listener", listener(&load_balancer(&aws).await, group.identity())).await;
    let refused = aws.delete(&group.target()).await;
    assert_error(refused, ErrorKind::NotYet, "elasticloadbalancing:DeleteTargetGroup");
    aws.clients(REGION).elb().delete_listener().listener_arn(listener).send().await.unwrap();
    group.end().await;
}

#[tokio::test]
async fn a_listener_rule_lives() {
    let moto = moto::start();
    let aws = moto.aws();
    rule_lives(&aws, true).await;
}

/// A second emulator tells conditions as AWS does, in both places.
#[tokio::test]
async fn a_listener_rule_lives_in_ministack() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    // It accepts a second rule of the same priority.
    rule_lives(&aws, false).await;
}

async fn rule_lives(aws: &Aws, repeats: bool) {
    let web = make(aws, "elb.target_group", target_group(aws, "web").await).await;
    let streaming = make(aws, "elb.target_group", target_group(aws, "streaming").await).await;
    let listener = make(aws, "elb.listener", listener(&load_balancer(aws).await, &web)).await;
    let attributes = json!({
        "listener_arn": listener,
        "priority": 1,
        "path_patterns": ["/api/v1/streaming", "/api/v1/streaming/*"],
        "action": { "kind": "forward", "target_group_arn": streaming },
    });
    let story = Life::of("elb.listener_rule");
    let story = if repeats { story.repeats() } else { story };
    let mut rule = story.create(aws, attributes).await;
    rule.update(json!({ "path_patterns": ["/api/v1/streaming"], "host_headers": ["social.example"] })).await;
    rule.update(json!({ "priority": 7 })).await;
    rule.update(json!({ "action": { "kind": "forward", "target_group_arn": web } })).await;
    let seen = rule.update(json!({ "host_headers": null })).await;
    assert!(seen.attributes.get("host_headers").is_some_and(mastoform::value::Value::is_null));
    let elsewhere =
        json!({ "protocol": "HTTPS", "host": "www.social.example", "port": "443", "status_code": "HTTP_301" });
    rule.update(json!({ "action": { "kind": "redirect", "redirect": elsewhere } })).await;
    // ministack writes a page into its answer without escaping it.
    let body = if repeats { "<h1>Back soon</h1>" } else { "Back soon" };
    let page = json!({ "status_code": "503", "content_type": "text/html", "body": body });
    rule.update(json!({ "action": { "kind": "fixed-response", "fixed_response": page } })).await;
    let clients = aws.clients(REGION);
    let other = FixedResponseActionConfig::builder().status_code("500").content_type("text/plain").message_body("no");
    let other = Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(other.build()).build();
    clients.elb().modify_rule().rule_arn(rule.identity()).actions(other).send().await.unwrap();
    let seen = json!({ "status_code": "500", "content_type": "text/plain", "body": "no" });
    rule.shows(json!({ "action": { "kind": "fixed-response", "fixed_response": seen } })).await;
    let priority = RulePriorityPair::builder().rule_arn(rule.identity()).priority(9).build();
    clients.elb().set_rule_priorities().rule_priorities(priority).send().await.unwrap();
    rule.shows(json!({ "priority": 9 })).await;
    rule.end().await;
}

#[tokio::test]
async fn a_load_balancer_lives_in_ministack() {
    let ministack = ministack::start();
    let aws = ministack.aws();
    let attributes = json!({
        "name": "social",
        "subnets": default_subnets(&aws).await,
        "security_groups": [security_group(&aws, "first").await],
        "idle_timeout_seconds": 120,
    });
    let mut balancer = Life::of("elb.load_balancer").repeats().create(&aws, attributes).await;
    balancer.update(json!({ "idle_timeout_seconds": 90 })).await;
    balancer.end().await;
}

async fn security_group(aws: &Aws, name: &str) -> String {
    let attributes = json!({ "group_name": name, "description": "test", "vpc_id": default_vpc(aws).await });
    make(aws, "ec2.security_group", attributes).await
}

async fn load_balancer(aws: &Aws) -> String {
    make(aws, "elb.load_balancer", json!({ "name": "social", "subnets": default_subnets(aws).await })).await
}

async fn target_group(aws: &Aws, name: &str) -> Value {
    let vpc_id = default_vpc(aws).await;
    json!({ "name": name, "target_type": "ip", "protocol": "HTTP", "port": 3000, "vpc_id": vpc_id })
}

fn listener(balancer: &str, group: &str) -> Value {
    json!({
        "load_balancer_arn": balancer,
        "port": 80,
        "protocol": "HTTP",
        "default_action": { "kind": "forward", "target_group_arn": group },
    })
}

fn redirect(port: &str, status_code: &str) -> Value {
    let redirect = json!({ "protocol": "HTTPS", "port": port, "status_code": status_code });
    json!({ "kind": "redirect", "redirect": redirect })
}

async fn certificate(aws: &Aws, domain: &str) -> String {
    let answer = aws.clients(REGION).acm().request_certificate().domain_name(domain).send().await.unwrap();
    answer.certificate_arn.unwrap()
}
