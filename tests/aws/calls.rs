//! Which calls the example takes, operation by operation: one too many is seen here. And what becomes of each call that is
//! made twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mastoform::provider::aws::service::SERVICES;
use regex::Regex;

use self::floor::{Floor, sum};
use super::whole::{own_with, program, ready, said};
use crate::support::emulator::{Emulator, REGION};
use crate::support::instance::example;
use crate::support::moto;

/// What code written by hand would need, as the benchmark of the wave has it.
#[expect(dead_code, reason = "the benchmark needs more of it")]
#[path = "../../benches/wave/floor.rs"]
mod floor;

/// Runs the program; how often it called what.
fn calls(emulator: &Emulator, folder: &Path, words: &[&str]) -> BTreeMap<String, usize> {
    let trace = folder.join("trace.jsonl");
    let output = program(emulator, folder, words).arg("--trace").arg(&trace).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", said(&output));
    let mut calls = BTreeMap::new();
    for line in fs_err::read_to_string(&trace).expect("a trace").lines() {
        let call: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        *calls.entry(call["operation"].as_str().expect("an operation").to_owned()).or_default() += 1;
    }
    calls
}

fn table(calls: &BTreeMap<String, usize>) -> String {
    calls.iter().map(|(operation, count)| format!("{count} {operation}\n")).collect()
}

/// What a plan reads of one instance: in one call for each type, except where AWS reads one resource, or a part of one, in
/// a call.
const PLAN: &str = "\
2 acm:DescribeCertificate
1 cloudfront:GetCachePolicy
1 cloudfront:GetDistribution
1 cloudfront:GetOriginAccessControl
1 cloudfront:GetResponseHeadersPolicy
1 ec2:DescribeSecurityGroupRules
1 ec2:DescribeSecurityGroups
1 ec2:DescribeSubnets
1 ec2:DescribeVpcs
1 ecs:DescribeClusters
1 ecs:DescribeServices
3 ecs:DescribeTaskDefinition
1 elasticache:DescribeCacheClusters
1 elasticache:DescribeCacheParameterGroups
1 elasticache:DescribeCacheParameters
1 elasticache:DescribeCacheSubnetGroups
1 elasticache:DescribeReplicationGroups
1 elasticloadbalancing:DescribeListeners
1 elasticloadbalancing:DescribeLoadBalancerAttributes
1 elasticloadbalancing:DescribeLoadBalancers
1 elasticloadbalancing:DescribeRules
1 elasticloadbalancing:DescribeTags
2 elasticloadbalancing:DescribeTargetGroupAttributes
1 elasticloadbalancing:DescribeTargetGroups
1 iam:GetPolicy
1 iam:GetPolicyVersion
3 iam:GetRole
3 iam:GetRolePolicy
3 iam:ListAttachedRolePolicies
3 iam:ListRolePolicies
1 kms:DescribeKey
1 kms:GetKeyPolicy
1 kms:GetKeyRotationStatus
1 logs:DescribeLogGroups
1 rds:DescribeDBClusters
1 rds:DescribeDBInstances
1 rds:DescribeDBSubnetGroups
1 s3:GetBucketEncryption
1 s3:GetBucketLifecycleConfiguration
1 s3:GetBucketOwnershipControls
1 s3:GetBucketPolicy
1 s3:GetBucketVersioning
1 s3:GetPublicAccessBlock
1 secretsmanager:DescribeSecret
1 secretsmanager:ListSecrets
2 ssm:GetParameters
1 sts:GetCallerIdentity
2 tag:GetResources
";

/// What a first apply takes: each call makes or changes something, looks for what AWS would not refuse to make twice, or
/// waits for what is under way.
const APPLY: &str = "\
2 acm:RequestCertificate
1 cloudfront:CreateCachePolicy
1 cloudfront:CreateDistributionWithTags
1 cloudfront:CreateOriginAccessControl
1 cloudfront:CreateResponseHeadersPolicy
1 cloudfront:GetDistribution
7 ec2:AuthorizeSecurityGroupEgress
6 ec2:AuthorizeSecurityGroupIngress
4 ec2:CreateSecurityGroup
1 ec2:DescribeSubnets
1 ec2:DescribeVpcs
4 ec2:RevokeSecurityGroupEgress
1 ecs:CreateCluster
1 ecs:CreateService
1 ecs:DescribeClusters
3 ecs:RegisterTaskDefinition
2 ecs:RunTask
1 elasticache:CreateCacheParameterGroup
1 elasticache:CreateCacheSubnetGroup
1 elasticache:CreateReplicationGroup
1 elasticache:DescribeCacheClusters
1 elasticache:DescribeReplicationGroups
1 elasticache:ModifyCacheParameterGroup
2 elasticloadbalancing:CreateListener
1 elasticloadbalancing:CreateLoadBalancer
1 elasticloadbalancing:CreateRule
2 elasticloadbalancing:CreateTargetGroup
1 elasticloadbalancing:DescribeLoadBalancerAttributes
2 elasticloadbalancing:DescribeLoadBalancers
2 elasticloadbalancing:DescribeTargetGroups
1 elasticloadbalancing:ModifyLoadBalancerAttributes
2 elasticloadbalancing:ModifyTargetGroupAttributes
1 iam:CreatePolicy
3 iam:CreateRole
3 iam:PutRolePolicy
1 kms:CreateKey
1 kms:EnableKeyRotation
1 kms:PutKeyPolicy
2 logs:CreateLogGroup
2 logs:PutRetentionPolicy
1 rds:CreateDBCluster
1 rds:CreateDBInstance
1 rds:CreateDBSubnetGroup
1 s3:CreateBucket
1 s3:PutBucketLifecycleConfiguration
1 s3:PutBucketOwnershipControls
1 s3:PutBucketPolicy
1 s3:PutBucketTagging
1 s3:PutBucketVersioning
1 s3:PutPublicAccessBlock
6 secretsmanager:CreateSecret
1 secretsmanager:DescribeSecret
1 ssm:GetParameter
15 ssm:PutParameter
1 sts:GetCallerIdentity
2 tag:GetResources
";

#[tokio::test]
async fn the_example_takes_no_call_too_many() {
    let emulator = moto::start();
    let folder = ready(&emulator);
    let mut applied = calls(&emulator, folder.path(), &["apply", "--yes"]);
    // How often is looked at what is under way depends on how fast the machine is.
    let looks = |operation: &str| {
        [
            "acm:DescribeCertificate",
            "rds:DescribeDBInstances",
            "rds:DescribeDBClusters",
            "ecs:DescribeServices",
            "ecs:DescribeTasks",
        ]
        .contains(&operation)
    };
    applied.retain(|operation, _| !looks(operation));
    assert_eq!(table(&applied), APPLY);
    let planned = calls(&emulator, folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(table(&planned), PLAN);

    // Beside the floor: who is calling, and what keeps strangers out.
    let state = fs_err::read_to_string(folder.path().join("state/social.json")).expect("a state");
    let floor = Floor::of(&[state]);
    assert_eq!(sum(&planned), sum(&floor.plan) + 1 + sum(&floor.strangers), "{:?}", floor.plan);
    let most = sum(&floor.apply) * 13 / 10;
    assert!(sum(&applied) <= most, "{} of {most}: {:?}", sum(&applied), floor.apply);
}

/// `drift` looks at what is there and at what AWS has announced. Both want some of the same answers.
#[tokio::test]
async fn drift_reads_nothing_twice() {
    let emulator = moto::start();
    let folder = ready(&emulator);
    calls(&emulator, folder.path(), &["apply", "--yes"]);
    let plan = calls(&emulator, folder.path(), &["plan", "--detailed-exitcode"]);
    let drift = calls(&emulator, folder.path(), &["drift", "--detailed-exitcode"]);
    let more: Vec<(&String, usize)> = drift
        .iter()
        .map(|(operation, count)| (operation, count - plan.get(operation).copied().unwrap_or_default().min(*count)))
        .filter(|(_, more)| *more > 0)
        .collect();
    let announced = [
        "elasticache:DescribeUpdateActions",
        "rds:DescribePendingMaintenanceActions",
        // What is left over, by the tags of the instance, here and where global things have theirs.
        "tag:GetResources",
    ];
    let asked: BTreeSet<&str> = more.iter().map(|(operation, _)| operation.as_str()).collect();
    assert_eq!(asked, BTreeSet::from(announced), "{more:?}");
}

/// Every operation that changes something and makes nothing: the second request leaves what the first has left, since it
/// sets, marks or takes away the same once more. So the SDK may repeat it.
///
/// Two of them leave a trace of the second request that nobody meets: a parameter, one more entry of its history; a
/// session, one that nobody enters and that ends by itself. A value of a secret carries a token of the SDK's own.
const SETTLING: &[&str] = &[
    "acm:AddTagsToCertificate",
    "acm:DeleteCertificate",
    "cloudformation:DeleteResource",
    "cloudformation:UpdateResource",
    "cloudfront:DeleteCachePolicy",
    "cloudfront:DeleteCloudFrontOriginAccessIdentity",
    "cloudfront:DeleteDistribution",
    "cloudfront:DeleteOriginAccessControl",
    "cloudfront:DeleteResponseHeadersPolicy",
    "cloudfront:TagResource",
    "cloudfront:UpdateCachePolicy",
    "cloudfront:UpdateCloudFrontOriginAccessIdentity",
    "cloudfront:UpdateDistribution",
    "cloudfront:UpdateOriginAccessControl",
    "cloudfront:UpdateResponseHeadersPolicy",
    "ec2:CreateTags",
    "ec2:DeleteSecurityGroup",
    "ec2:ModifySecurityGroupRules",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
    "ecs:DeleteCluster",
    "ecs:DeleteService",
    "ecs:DeleteTaskDefinitions",
    "ecs:DeregisterTaskDefinition",
    "ecs:ExecuteCommand",
    "ecs:PutClusterCapacityProviders",
    "ecs:StopTask",
    "ecs:TagResource",
    "ecs:UpdateCluster",
    "ecs:UpdateService",
    "elasticache:AddTagsToResource",
    "elasticache:DecreaseReplicaCount",
    "elasticache:DeleteCacheCluster",
    "elasticache:DeleteCacheParameterGroup",
    "elasticache:DeleteCacheSubnetGroup",
    "elasticache:DeleteReplicationGroup",
    "elasticache:IncreaseReplicaCount",
    "elasticache:ModifyCacheCluster",
    "elasticache:ModifyCacheParameterGroup",
    "elasticache:ModifyCacheSubnetGroup",
    "elasticache:ModifyReplicationGroup",
    "elasticache:ResetCacheParameterGroup",
    "elasticloadbalancing:AddTags",
    "elasticloadbalancing:DeleteListener",
    "elasticloadbalancing:DeleteLoadBalancer",
    "elasticloadbalancing:DeleteRule",
    "elasticloadbalancing:DeleteTargetGroup",
    "elasticloadbalancing:ModifyListener",
    "elasticloadbalancing:ModifyLoadBalancerAttributes",
    "elasticloadbalancing:ModifyRule",
    "elasticloadbalancing:ModifyTargetGroup",
    "elasticloadbalancing:ModifyTargetGroupAttributes",
    "elasticloadbalancing:SetIpAddressType",
    "elasticloadbalancing:SetRulePriorities",
    "elasticloadbalancing:SetSecurityGroups",
    "elasticloadbalancing:SetSubnets",
    "iam:AttachGroupPolicy",
    "iam:AttachRolePolicy",
    "iam:DeleteAccessKey",
    "iam:DeleteGroup",
    "iam:DeletePolicy",
    "iam:DeletePolicyVersion",
    "iam:DeleteRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DeleteUser",
    "iam:DeleteUserPolicy",
    "iam:DetachGroupPolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:PutUserPermissionsBoundary",
    "iam:PutUserPolicy",
    "iam:TagPolicy",
    "iam:TagRole",
    "iam:TagUser",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateGroup",
    "iam:UpdateRole",
    "kms:CancelKeyDeletion",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UpdateKeyDescription",
    "logs:AssociateKmsKey",
    "logs:DeleteLogGroup",
    "logs:DeleteRetentionPolicy",
    "logs:DisassociateKmsKey",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
    "rds:AddTagsToResource",
    "rds:DeleteDBCluster",
    "rds:DeleteDBInstance",
    "rds:DeleteDBSubnetGroup",
    "rds:ModifyDBCluster",
    "rds:ModifyDBInstance",
    "rds:ModifyDBSubnetGroup",
    "route53:ChangeTagsForResource",
    "route53:DeleteHostedZone",
    "route53:UpdateHostedZoneComment",
    "s3:AbortMultipartUpload",
    "s3:DeleteBucket",
    "s3:DeleteBucketPolicy",
    "s3:DeleteObjectVersion",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "secretsmanager:DeleteSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:TagResource",
    "secretsmanager:UpdateSecret",
    "ses:DeleteConfigurationSet",
    "ses:DeleteEmailIdentity",
    "ses:PutAccountDetails",
    "ses:PutConfigurationSetDeliveryOptions",
    "ses:PutConfigurationSetReputationOptions",
    "ses:PutConfigurationSetSuppressionOptions",
    "ses:PutEmailIdentityConfigurationSetAttributes",
    "ses:PutEmailIdentityMailFromAttributes",
    "ses:TagResource",
    "ssm:AddTagsToResource",
    "ssm:DeleteParameter",
    "ssm:PutParameter",
];

/// What makes something stands in the table of its service, with the reason why a second request makes nothing; everything
/// else that changes something, above. No operation is missing.
#[test]
fn every_operation_that_changes_something_says_what_a_second_request_does() {
    let constant = Regex::new(r#"const [A-Z_]+: &str = "([a-z0-9]+:[A-Z]\w+)""#).expect("a pattern");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/aws");
    let mut used = BTreeSet::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs_err::read_to_string(path).expect("text");
                used.extend(constant.captures_iter(&text).map(|found| found[1].to_owned()));
            }
        }
    }
    let reads = |operation: &String| {
        let (_, action) = operation.split_once(':').expect("a service and an action");
        ["Describe", "Get", "List"].iter().any(|beginning| action.starts_with(beginning))
    };
    used.retain(|operation| !reads(operation));
    let making = SERVICES
        .iter()
        .flat_map(|service| service.makes.iter().map(|(action, _)| format!("{}:{action}", service.prefix)));
    let listed: Vec<String> = making.chain(SETTLING.iter().map(|operation| (*operation).to_owned())).collect();
    assert_eq!(used, listed.iter().cloned().collect());
    assert_eq!(used.len(), listed.len(), "no operation is listed twice");
}

/// Operations that AWS has for one resource, or a part of one, and those that read a page or a batch of ten.
const ONE_BY_ONE: [&str; 26] = [
    "acm:DescribeCertificate",
    "cloudfront:GetDistribution",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "elasticache:DescribeCacheParameterGroups",
    "elasticache:DescribeCacheParameters",
    "elasticloadbalancing:DescribeLoadBalancerAttributes",
    "elasticloadbalancing:DescribeTargetGroupAttributes",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "kms:DescribeKey",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "s3:GetBucketEncryption",
    "s3:GetBucketLifecycleConfiguration",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketVersioning",
    "s3:GetPublicAccessBlock",
    "secretsmanager:DescribeSecret",
    "ssm:GetParameters",
    "tag:GetResources",
];

/// What AWS reads in one call is one call for all instances of an account and region.
#[tokio::test]
async fn three_instances_of_a_region_are_read_together() {
    const NAMES: [&str; 3] = ["social", "forum", "club"];
    let emulator = moto::start();
    let folder = ready(&emulator);
    let fleet = folder.path().join("fleet");
    fs_err::create_dir(&fleet).expect("a folder");
    for name in NAMES {
        let text = own_with(&emulator, &example(&[("social", name)]), name);
        fs_err::write(fleet.join(format!("{name}.toml")), text).expect("written");
    }
    let run = |files: &str, words: &[&str]| calls(&emulator, folder.path(), &[&["--file", files], words].concat());
    run("fleet", &["apply", "--yes"]);
    let one = run("fleet/forum.toml", &["plan", "--detailed-exitcode"]);
    let all = run("fleet", &["plan", "--detailed-exitcode"]);
    for (operation, count) in &all {
        let of_one = one.get(operation).copied().unwrap_or(1);
        let most = if ONE_BY_ONE.contains(&operation.as_str()) { of_one * NAMES.len() } else { of_one };
        assert!(*count <= most, "{operation}: {count} of {most}\n{}", table(&all));
    }
    // The floor lists the groups of cache parameters. The policy of `iam-policy` names one group at a time.
    let state = |name: &str| fs_err::read_to_string(folder.path().join(format!("fleet/state/{name}.json")));
    let states = NAMES.map(|name| state(name).expect("a state"));
    let floor = Floor::of(&states);
    let least = sum(&floor.plan) + 1 + sum(&floor.strangers);
    assert_eq!(sum(&all), least + NAMES.len() - 1, "{:?}\n{}", floor.plan, table(&all));
    // Somebody changes something of one of them, and the plan tells whose it is.
    let role = "forum-eu-central-1-tasks";
    let request = emulator.aws().clients(REGION).iam().update_role().role_name(role).description("By hand");
    request.send().await.expect("changed");
    let output = program(&emulator, folder.path(), &["--file", "fleet", "plan", "--detailed-exitcode"]).output();
    let output = output.expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(said(&output).matches("By hand").count(), 1, "{}", said(&output));
}
