//! Roles, policies, groups.

use mastoform::provider::{ErrorKind, Provider};
use serde_json::{Value, json};

use super::{Life, assert_error, creation, make, text, type_of};
use crate::support::emulator::REGION;
use crate::support::{ministack, moto};

const EXECUTION: &str = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

fn trust(service: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Principal": { "Service": [service] }, "Action": "sts:AssumeRole" },
        ],
    })
}

fn allow(action: &str) -> Value {
    let resource = "arn:aws:s3:::media-100%/*";
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": [action], "Resource": resource }] })
}

fn task_role() -> Value {
    json!({
        "name": "social-tasks",
        "path": "/social/",
        "description": "What containers may do",
        "assume_role_policy": trust("ecs-tasks.amazonaws.com"),
        "managed_policy_arns": [EXECUTION],
        "policies": { "media": allow("s3:PutObject"), "secrets": allow("s3:GetObject") },
    })
}

#[tokio::test]
async fn a_role_lives() {
    let aws = moto::start().aws();
    let mut role = Life::of("iam.role").repeats().create(&aws, task_role()).await;
    role.update(json!({ "description": "What tasks may do", "max_session_duration": 7200 })).await;
    role.update(json!({ "description": null })).await;
    role.shows(json!({ "description": "", "max_session_duration": 7200 })).await;
    role.update(json!({ "assume_role_policy": trust("ecs.amazonaws.com") })).await;
    role.update(json!({ "policies": { "media": allow("s3:DeleteObject"), "mail": allow("ses:SendRawEmail") } })).await;
    let shown = role.observe().await.attributes.get("policies").and_then(|policies| policies.as_map().cloned());
    assert_eq!(shown.unwrap().keys().collect::<Vec<_>>(), ["mail", "media"], "what is not wanted any more is gone");
    role.update(json!({ "managed_policy_arns": [READ_ONLY] })).await;

    let clients = aws.clients(REGION);
    let by_hand = clients.iam().attach_role_policy().role_name("social-tasks").policy_arn(EXECUTION);
    by_hand.send().await.unwrap();
    let by_hand = clients.iam().put_role_policy().role_name("social-tasks").policy_name("more");
    by_hand.policy_document(allow("s3:*").to_string()).send().await.unwrap();
    role.shows(json!({ "managed_policy_arns": [EXECUTION, READ_ONLY], "policies": { "more": allow("s3:*") } })).await;
    role.end().await;
}

/// A creation that stopped after its first call is completed when it is repeated.
#[tokio::test]
async fn a_role_without_its_policies_is_completed() {
    let aws = moto::start().aws();
    let role = Life::of("iam.role").create(&aws, task_role()).await;
    let clients = aws.clients(REGION);
    let undo = clients.iam().delete_role_policy().role_name("social-tasks").policy_name("secrets");
    undo.send().await.unwrap();
    aws.create(&creation(&type_of("iam.role"), REGION, task_role())).await.unwrap();
    role.shows(task_role()).await;
    role.end().await;
}

/// A role that was made without a boundary gets one before anything else is changed.
#[tokio::test]
async fn a_role_is_bounded() {
    let aws = moto::start().aws();
    let boundary = make(&aws, "iam.policy", json!({ "name": "social-boundary", "policy": allow("s3:*") })).await;
    let mut role = Life::of("iam.role").create(&aws, task_role()).await;
    role.shows(json!({ "permissions_boundary": null })).await;
    let before = aws.calls().snapshot().len();
    role.update(json!({ "permissions_boundary": boundary, "policies": { "mail": allow("ses:SendRawEmail") } })).await;
    let calls = aws.calls().snapshot().split_off(before);
    let changes: Vec<&str> =
        calls.iter().map(|call| call.operation.as_str()).filter(|name| name.contains("iam:Put")).collect();
    assert_eq!(changes, ["iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"]);
    role.shows(json!({ "permissions_boundary": boundary })).await;
    role.update(json!({ "permissions_boundary": null })).await;
    role.end().await;

    let mut bounded = task_role();
    bounded["permissions_boundary"] = json!(boundary);
    let role = Life::of("iam.role").repeats().create(&aws, bounded).await;
    role.shows(json!({ "permissions_boundary": boundary })).await;
    role.end().await;
}

#[tokio::test]
async fn a_role_of_somebody_else_is_not_taken() {
    let aws = moto::start().aws();
    let clients = aws.clients(REGION);
    let theirs = clients.iam().create_role().role_name("social-tasks");
    theirs.assume_role_policy_document(trust("ec2.amazonaws.com").to_string()).send().await.unwrap();
    let creation = creation(&type_of("iam.role"), REGION, task_role());
    assert_eq!(aws.find(&creation).await, Ok(Vec::new()));
    assert_error(aws.create(&creation).await, ErrorKind::Conflict, "iam:CreateRole");
}

#[tokio::test]
async fn a_policy_lives() {
    let aws = moto::start().aws();
    let attributes = json!({ "name": "social-operator", "description": "Operates", "policy": allow("s3:ListBucket") });
    let mut policy = Life::of("iam.policy").create(&aws, attributes).await;
    // More changes than AWS keeps versions.
    for action in ["s3:A", "s3:B", "s3:C", "s3:D", "s3:E", "s3:F"] {
        policy.update(json!({ "policy": allow(action) })).await;
    }
    let clients = aws.clients(REGION);
    let old = clients.iam().list_policy_versions().policy_arn(policy.identity()).send().await.unwrap().versions;
    let old = old.unwrap().into_iter().find(|version| !version.is_default_version()).unwrap().version_id;
    let by_hand = clients.iam().set_default_policy_version().policy_arn(policy.identity());
    by_hand.set_version_id(old).send().await.unwrap();
    let shown = policy.observe().await.attributes.get("policy").unwrap().to_string();
    assert!(!shown.contains("s3:F"), "the default version is what counts: {shown}");
    policy.end().await;
}

#[tokio::test]
async fn a_policy_in_use_is_not_deleted_yet() {
    // moto deletes it.
    let aws = ministack::start().aws();
    let attributes = json!({ "name": "social-operator", "policy": allow("s3:ListBucket") });
    let policy = Life::of("iam.policy").create(&aws, attributes).await;
    let group = make(&aws, "iam.group", json!({ "name": "operators" })).await;
    let attachment = json!({ "group": group, "policy_arn": policy.identity() });
    let attachment = Life::of("iam.group_policy_attachment").create(&aws, attachment).await;
    assert_error(aws.delete(&policy.target()).await, ErrorKind::NotYet, "iam:DeletePolicy");
    attachment.end().await;
    policy.end().await;
}

#[tokio::test]
async fn a_group_lives() {
    let aws = moto::start().aws();
    // moto changes a path only together with the name; ministack has no UpdateGroup.
    let story = Life::of("iam.group").gap("path");
    let mut group = story.create(&aws, json!({ "name": "operators", "path": "/social/" })).await;
    assert_eq!(text(&group.observe().await.attributes, "path"), "/social/");
    group.update(json!({ "path": "/people/" })).await;
    let calls = aws.calls().snapshot();
    assert!(calls.iter().any(|call| call.operation == "iam:UpdateGroup" && call.succeeded));
    group.end().await;
}

#[tokio::test]
async fn a_group_policy_attachment_lives() {
    let aws = moto::start().aws();
    let group = make(&aws, "iam.group", json!({ "name": "operators" })).await;
    let story = Life::of("iam.group_policy_attachment").repeats();
    let attachment = story.create(&aws, json!({ "group": group, "policy_arn": READ_ONLY })).await;
    assert_eq!(attachment.identity(), format!("operators|{READ_ONLY}"));
    attachment.end().await;
}
