//! The policy that `iam-policy` prints is what the program needs, and all it needs: moto evaluates IAM policies here.
//!
//! moto's evaluation has gaps, and [`SCRIPT`] fills those that matter:
//!
//! - it asks with `*` for the resource nearly everywhere, which no policy that names resources allows. The script works
//!   out whose name a request has, for all services of which the policy names resources; elsewhere any resource will do
//! - it knows some requests to S3 by the action of another one
//! - it works out other signatures than AWS for forms, which is what many services are asked with. Whether a signature is
//!   right is not looked at, only whose key it names
//!
//! What it does not ask for at all stands in [`UNASKED`] and [`UNUSED`]: these are not proven here. All others are asked
//! for, and that asking matters is shown with one action of creating, one of reading and one of deleting taken away.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use aws_credential_types::Credentials;
use mastoform::provider::aws::Aws;
use serde_json::Value as Json;

use super::whole::{left, own, program, ready, said};
use crate::support::emulator::{Emulator, Server};
use crate::support::instance::example;
use crate::support::moto;

/// Writes each action that is asked for into the file `ASKED`, and whose resource is meant.
const SCRIPT: &str = r#"
import json, os
from moto.iam.access_control import IAMPolicyStatement, IAMRequestBase
from moto.s3.responses import ACTION_MAP

bucket = ACTION_MAP["BUCKET"]
bucket["HEAD"]["DEFAULT"] = "ListBucket"
for method, verb in [("GET", "Get"), ("PUT", "Put")]:
    bucket[method]["publicAccessBlock"] = verb + "BucketPublicAccessBlock"
    bucket[method]["encryption"] = verb + "EncryptionConfiguration"
    bucket[method]["ownershipControls"] = verb + "BucketOwnershipControls"

def named(request):
    "The resources a request names, by the service's own rules."
    service, account, region = request._service, request.account_id, request._region
    if service == "iam":
        role = request._data.get("RoleName")
        role = role[0] if isinstance(role, list) else role
        return [f"arn:aws:iam::{account}:role/{role}"] if role else ["*"]
    if service not in ("secretsmanager", "ssm", "logs"):
        return ["*"]
    body = json.loads(request._body or "{}")
    keys = ["Name", "SecretId", "Names", "ResourceId", "logGroupName", "resourceArn"]
    given = next((body[key] for key in keys if key in body), "*")
    given = given if isinstance(given, list) else [given]
    form = {"secretsmanager": "secret:{}-AbCdEf", "ssm": "parameter{}", "logs": "log-group:{}"}[service]
    arn = f"arn:aws:{service}:{region}:{account}:{form}"
    return [name if name == "*" or name.startswith("arn:") else arn.format(name) for name in given]

permitted = IAMRequestBase.check_action_permitted
def ask(self, resource):
    # IAM calls this service by another name than signatures do.
    self._action = self._action.replace("tagging:", "tag:")
    with open(os.environ["ASKED"], "a") as file:
        file.write(self._action + "\n")
    for name in named(self) if resource == "*" else [resource]:
        permitted(self, name)
IAMRequestBase.check_action_permitted = ask
IAMRequestBase.check_signature = lambda self: None

matches = IAMPolicyStatement._check_element_matches
def match(self, element, value):
    return (element == "Resource" and value == "*") or matches(self, element, value)
IAMPolicyStatement._check_element_matches = match

from moto.server import main
main(['-H', '127.0.0.1', '-p', str(PORT)])
"#;

/// What AWS asks for besides the action of a call, and moto does not.
const UNASKED: &[&str] = &[
    "cloudfront:CreateDistribution",
    "cloudfront:TagResource",
    "ec2:CreateTags",
    "ecs:TagResource",
    "elasticache:AddTagsToResource",
    "elasticloadbalancing:AddTags",
    "iam:CreateServiceLinkedRole",
    "iam:PassRole",
    "iam:TagRole",
    "logs:TagResource",
    "rds:AddTagsToResource",
    "rds:CreateDBClusterSnapshot",
    "s3:TagResource",
    "secretsmanager:TagResource",
    "ssm:AddTagsToResource",
];

/// What other lives of an instance than this one take: other updates, buckets that are not empty, crashes.
const UNUSED: &[&str] = &[
    "acm:DescribeCertificate",
    "cloudfront:GetDistributionConfig",
    "cloudfront:ListDistributions",
    "cloudfront:ListTagsForResource",
    "cloudfront:UntagResource",
    "cloudfront:UpdateOriginAccessControl",
    "ec2:ModifySecurityGroupRules",
    "ecs:ListServiceDeployments",
    "ecs:PutClusterCapacityProviders",
    "ecs:UntagResource",
    "ecs:UpdateCluster",
    "elasticache:ModifyReplicationGroup",
    "elasticache:RemoveTagsFromResource",
    "elasticloadbalancing:ModifyListener",
    "elasticloadbalancing:ModifyRule",
    "elasticloadbalancing:ModifyTargetGroup",
    "elasticloadbalancing:RemoveTags",
    "elasticloadbalancing:SetIpAddressType",
    "elasticloadbalancing:SetRulePriorities",
    "elasticloadbalancing:SetSecurityGroups",
    "elasticloadbalancing:SetSubnets",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
    "logs:DeleteRetentionPolicy",
    "logs:ListTagsForResource",
    "logs:UntagResource",
    "rds:ModifyDBInstance",
    "rds:RemoveTagsFromResource",
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetBucketLocation",
    "s3:GetBucketTagging",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:UntagResource",
    "secretsmanager:UpdateSecret",
    "ssm:GetParameter",
    "ssm:ListTagsForResource",
    "ssm:RemoveTagsFromResource",
];

/// An account whose users may do what their policies say.
struct Guarded {
    server: Server,
    owner: Emulator,
}

impl Guarded {
    /// From now on everybody needs permission, or nobody.
    fn guard(&self, on: bool) {
        let answer = self.server.http("POST /moto-api/reset-auth", "", if on { "0" } else { "inf" });
        assert!(answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200")), "moto does not listen");
    }

    /// A new user with these policies.
    async fn user(&self, aws: &Aws, name: &str, policies: &[Json]) -> Emulator {
        let iam = aws.clients("us-east-1").iam().clone();
        iam.create_user().user_name(name).send().await.expect("a user");
        for (number, policy) in policies.iter().enumerate() {
            let create =
                iam.create_policy().policy_name(format!("{name}-{number}")).policy_document(policy.to_string());
            let created = create.send().await.expect("a policy").policy.and_then(|policy| policy.arn);
            let attach = iam.attach_user_policy().user_name(name).policy_arn(created.expect("an ARN"));
            attach.send().await.expect("attached");
        }
        let key = iam.create_access_key().user_name(name).send().await.expect("a key").access_key.expect("a key");
        let credentials = Credentials::new(key.access_key_id, key.secret_access_key, None, None, "test");
        self.server.account(self.owner.account(), credentials)
    }
}

fn run(who: &Emulator, folder: &Path, words: &[&str]) -> Output {
    program(who, folder, words).output().expect("the program runs")
}

/// All parts of the policy that the program prints.
fn printed(who: &Emulator, folder: &Path) -> Vec<Json> {
    let mut parts = Vec::new();
    loop {
        let part = (parts.len() + 1).to_string();
        let output = run(who, folder, &["iam-policy", "--part", &part]);
        if !output.status.success() {
            assert!(said(&output).contains(&format!("there are {} parts", parts.len())), "{}", said(&output));
            return parts;
        }
        parts.push(serde_json::from_slice(&output.stdout).expect("JSON"));
    }
}

/// Every action of the policies.
fn actions(policies: &[Json]) -> BTreeSet<String> {
    let statements = policies.iter().flat_map(|policy| policy["Statement"].as_array().expect("statements"));
    let actions = statements.flat_map(|statement| statement["Action"].as_array().expect("actions"));
    actions.map(|action| action.as_str().expect("an action").to_owned()).collect()
}

/// The policies without one action.
fn without(policies: &[Json], action: &str) -> Vec<Json> {
    let mut rest = policies.to_vec();
    for statement in rest.iter_mut().flat_map(|policy| policy["Statement"].as_array_mut().expect("statements")) {
        statement["Action"].as_array_mut().expect("actions").retain(|other| other != action);
    }
    assert_ne!(rest, policies, "the policy has no {action}");
    rest
}

/// That it failed because this action is not allowed, and said so. moto refuses some services in the words of another
/// one, of which only the status can be understood.
fn denied(output: &Output, code: i32, action: &str) {
    assert_eq!(output.status.code(), Some(code), "without {action}: {}", said(output));
    let text = said(output);
    let names = |line: &str| {
        line.ends_with(&format!("lack the permission {action}"))
            || (line.starts_with("error: ")
                && [": AccessDenied", ": answered 403"].iter().any(|how| line.contains(&format!("{action}{how}"))))
    };
    assert!(text.lines().any(names), "without {action}: {text}");
}

#[tokio::test]
async fn the_printed_policy_is_enough_and_what_is_taken_from_it_is_missed() {
    let beside = tempfile::tempdir().expect("a folder");
    let asked = beside.path().join("asked");
    let server = moto::server_with(SCRIPT, &[("ASKED", asked.to_str().expect("a path"))]);
    let owner = moto::account_in(&server);
    let guarded = Guarded { server, owner };
    let aws = guarded.owner.aws();
    let folder = ready(&guarded.owner).await;
    let file = folder.path().join("mastodon.toml");

    let policies = printed(&guarded.owner, folder.path());
    let operator = guarded.user(&aws, "operator", &policies).await;
    let mut lesser = Vec::new();
    for (number, action) in
        ["elasticache:CreateReplicationGroup", "ssm:GetParameters", "s3:DeleteBucket"].into_iter().enumerate()
    {
        let policies = without(&policies, action);
        lesser.push((action, guarded.user(&aws, &format!("lesser-{number}"), &policies).await));
    }
    let before = left(&aws).await;
    guarded.guard(true);

    let (action, lesser_one) = &lesser[0];
    denied(&run(lesser_one, folder.path(), &["apply", "--yes"]), 6, action);
    let applied = run(&operator, folder.path(), &["apply", "--yes"]);
    assert_eq!(applied.status.code(), Some(0), "{}", said(&applied));

    let (action, lesser_one) = &lesser[1];
    denied(&run(lesser_one, folder.path(), &["plan"]), 1, action);
    let planned = run(&operator, folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));

    let drifted = run(&operator, folder.path(), &["drift", "--detailed-exitcode"]);
    assert_eq!(drifted.status.code(), Some(0), "{}", said(&drifted));
    // What AWS has announced is asked for, but moto knows of no announcements.
    assert!(said(&drifted).contains("No drift"), "{}", said(&drifted));

    let edits =
        [(r#"run_mode = "production""#, r#"run_mode = "maintenance""#), ("max_capacity = 1", "max_capacity = 4")];
    let text = own(&guarded.owner, &example(&edits)) + "\n[logs]\nretention_days = 60\n";
    fs_err::write(&file, text).expect("written");
    let changed = run(&operator, folder.path(), &["apply", "--yes"]);
    assert_eq!(changed.status.code(), Some(0), "{}", said(&changed));
    let planned = run(&operator, folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));

    let (action, lesser_one) = &lesser[2];
    denied(&run(lesser_one, folder.path(), &["destroy", "--confirm", "social"]), 6, action);
    let destroyed = run(&operator, folder.path(), &["destroy", "--confirm", "social"]);
    assert_eq!(destroyed.status.code(), Some(0), "{}", said(&destroyed));

    guarded.guard(false);
    assert_eq!(left(&aws).await, before);

    // What is allowed is what was asked for: there is no action too many, and none that nobody knows of.
    let text = fs_err::read_to_string(&asked).expect("what was asked for");
    let used: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let allowed = actions(&policies);
    // Nobody needs a permission for that, and nobody can take it away.
    let identity = "sts:GetCallerIdentity".to_owned();
    assert_eq!(used.difference(&allowed).collect::<Vec<_>>(), [&identity]);
    let known: BTreeSet<String> = UNASKED.iter().chain(UNUSED).map(|action| (*action).to_owned()).collect();
    let idle: BTreeSet<String> = allowed.difference(&used).cloned().collect();
    assert_eq!(idle, known);
}
