//! How many calls a read takes, and how many of them one after the other.

use mastoform::provider::aws::Aws;
use mastoform::provider::trace::Summary;
use mastoform::provider::{Observation, Provider, Target};
use serde_json::{Value, json};

use super::{Life, creation, look_up, make, text, type_of};
use crate::support::emulator::REGION;
use crate::support::moto;

/// Observes, and answers the number of calls, the longest chain of them, and how many were found.
async fn cost(aws: &Aws, targets: &[Target]) -> (usize, usize, usize) {
    let before = aws.calls().snapshot().len();
    let observations = aws.observe(targets).await;
    assert_eq!(observations.len(), targets.len());
    for (address, observation) in &observations {
        assert!(!matches!(observation, Observation::Failed(_)), "{address}: {observation:?}");
    }
    let calls = aws.calls().snapshot().split_off(before);
    let summary = Summary::of(&calls).expect("some calls");
    let found = observations.values().filter(|observation| matches!(observation, Observation::Found(_))).count();
    (summary.calls, summary.chain, found)
}

fn allow(action: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": action, "Resource": "*" }] })
}

/// Three resources of one type, and one that does not exist.
async fn several(aws: &Aws, type_name: &str, attributes: impl Fn(usize) -> Value, missing: &str) -> Vec<Target> {
    resources(aws, type_name, 3, attributes, missing).await
}

async fn resources(
    aws: &Aws,
    type_name: &str,
    many: usize,
    attributes: impl Fn(usize) -> Value,
    missing: &str,
) -> Vec<Target> {
    let mut targets = Vec::new();
    for number in 0..many {
        let mut creation = creation(&type_of(type_name), REGION, attributes(number));
        creation.address.key = Some(number.to_string());
        creation.token = format!("{number:032}");
        let created = aws.create(&creation).await.unwrap_or_else(|error| panic!("create {type_name}: {error}"));
        targets.push(Target {
            address: creation.address,
            region: REGION.to_owned(),
            identity: created.identity,
            recorded: creation.attributes.plain().expect("no secrets"),
            owner: None,
        });
    }
    let mut gone = targets[0].clone();
    gone.address.key = Some("missing".to_owned());
    gone.identity.0 = missing.to_owned();
    targets.push(gone);
    targets
}

#[tokio::test]
async fn what_can_be_read_together_is() {
    let moto = moto::start();
    let aws = moto.aws();
    let group = |number| json!({ "name": format!("/social/{number}"), "retention_days": 7 });
    let groups = several(&aws, "logs.log_group", group, "/social/missing").await;
    assert_eq!(cost(&aws, &groups).await, (1, 1, 3));
    let control = |number| {
        json!({
            "name": format!("media-{number}"), "origin_kind": "s3", "signing_behavior": "always",
            "signing_protocol": "sigv4",
        })
    };
    let controls = several(&aws, "cloudfront.origin_access_control", control, "EMISSING").await;
    assert_eq!(cost(&aws, &controls).await, (1, 1, 3));
    let cache = |number| json!({ "identifier": format!("social-{number}"), "engine": "redis", "node_type": "cache.t4g.micro", "nodes": 1 });
    let caches = several(&aws, "elasticache.cluster", cache, "missing").await;
    assert_eq!(cost(&aws, &caches).await, (1, 1, 3));
    let group = |number| {
        json!({
            "identifier": format!("valkey-{number}"), "description": "Cache", "engine": "valkey",
            "node_type": "cache.t4g.micro", "nodes": 1, "transit_encryption": true,
        })
    };
    let groups = several(&aws, "elasticache.replication_group", group, "missing").await;
    assert_eq!(cost(&aws, &groups).await, (2, 1, 3));
    let parameter = |number| json!({ "name": format!("/social/{number}"), "value": "x" });
    let parameters = several(&aws, "ssm.parameter", parameter, "/social/missing").await;
    assert_eq!(cost(&aws, &parameters).await, (1, 1, 3));
}

/// Each role is read by itself, side by side: nobody needs the right to list all roles of an account. Whatever
/// is attached to one is asked for, and policies of its own whose names are remembered are read beside the list of their
/// names.
#[tokio::test]
async fn roles_are_read_one_by_one_side_by_side() {
    let moto = moto::start();
    let aws = moto.aws();
    let role = |number| {
        json!({
            "name": format!("social-{number}"), "description": "Tasks", "max_session_duration": 7200,
            "assume_role_policy": allow("sts:AssumeRole"), "policies": { "media": allow("s3:PutObject") },
        })
    };
    let mut roles = resources(&aws, "iam.role", 2, role, "missing").await;
    roles.pop();
    assert_eq!(cost(&aws, &roles).await, (2 * 4, 1, 2));
    let calls = aws.calls().snapshot();
    let listed = calls
        .iter()
        .filter(|call| ["iam:ListRoles", "iam:GetAccountAuthorizationDetails"].contains(&call.operation.as_str()));
    assert_eq!(listed.count(), 0);
}

/// What would have to be known first is guessed, and the guess is checked.
#[tokio::test]
async fn what_depends_on_another_answer_is_guessed() {
    let moto = moto::start();
    let aws = moto.aws();
    let attributes = json!({
        "name": "social-tasks",
        "assume_role_policy": allow("sts:AssumeRole"),
        "policies": { "media": allow("s3:PutObject"), "mail": allow("ses:SendRawEmail") },
    });
    let role = Life::of("iam.role").create(&aws, attributes).await;
    assert_eq!(cost(&aws, &[role.target()]).await, (5, 1, 1), "two policies of its own, and what is attached");
    let mut nothing_known = role.target();
    nothing_known.recorded = mastoform::value::Value::Null;
    assert_eq!(cost(&aws, &[nothing_known]).await, (5, 2, 1));

    let attributes = json!({ "name": "social-operator", "policy": allow("s3:ListBucket") });
    let mut policy = Life::of("iam.policy").create(&aws, attributes).await;
    assert_eq!(cost(&aws, &[policy.target()]).await, (2, 1, 1));
    policy.update(json!({ "policy": allow("s3:GetObject") })).await;
    assert_eq!(cost(&aws, &[policy.target()]).await, (3, 2, 1));

    let attributes = json!({
        "identifier": "social-cache", "description": "Cache", "engine": "valkey", "node_type": "cache.t4g.micro",
        "nodes": 1, "transit_encryption": true,
    });
    make(&aws, "elasticache.replication_group", attributes.clone()).await;
    let creation = creation(&type_of("elasticache.replication_group"), REGION, attributes);
    let target = Target {
        address: creation.address,
        region: REGION.to_owned(),
        identity: mastoform::address::Identity::new("social-cache"),
        recorded: mastoform::value::Value::Null,
        owner: None,
    };
    assert_eq!(cost(&aws, &[target]).await, (2, 1, 1));
}

/// Two certificates of one region are one list, and the same network is looked up once.
#[tokio::test]
async fn what_several_ask_at_once_is_asked_once() {
    let moto = moto::start();
    let aws = moto.aws();
    let by_domain = |domain: &str| look_up(&aws, "acm.certificate", json!({ "domain_name": domain }));
    let request = |domain: &str| aws.clients(REGION).acm().request_certificate().domain_name(domain).send();
    let (web, media) = tokio::join!(request("social.example"), request("media.example"));
    web.and(media).expect("both are requested");
    let before = aws.calls().snapshot().len();
    let network = || look_up(&aws, "ec2.vpc", json!({ "is_default": true }));
    let (web, media, one, two) =
        tokio::join!(by_domain("social.example"), by_domain("media.example"), network(), network());
    assert_ne!(text(&web.unwrap(), "arn"), text(&media.unwrap(), "arn"));
    assert_eq!(one.unwrap(), two.unwrap());
    let calls = aws.calls().snapshot().split_off(before);
    let mut operations: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    operations.sort_unstable();
    assert_eq!(operations, ["acm:ListCertificates", "ec2:DescribeVpcs"]);
}

/// The log names what went wrong by AWS's own code.
#[tokio::test]
async fn the_code_of_a_refusal_is_in_the_log() {
    let moto = moto::start();
    let aws = moto.aws();
    let clients = aws.clients(REGION);
    clients.iam().get_role().role_name("nobody").send().await.unwrap_err();
    clients.ssm().get_parameter().name("/nothing").send().await.unwrap_err();
    clients.s3().get_bucket_policy().bucket("nowhere").send().await.unwrap_err();
    let outcomes: Vec<String> = aws.calls().snapshot().iter().map(|call| call.outcome().to_owned()).collect();
    assert_eq!(outcomes, ["NoSuchEntity", "ParameterNotFound", "NoSuchBucket"]);
}
