//! The policies that `iam-policy` prints are what the program needs, and all it needs: moto evaluates IAM policies here.
//!
//! moto evaluates no conditions of such policies. So each call that it sees is written down, with whether it gave our tag, where it went,
//! and which boundary the role had, and is put before the documents themselves ([`crate::support::policy`]); the tags of
//! what exists are taken to be ours there. `tests/privilege.rs` does the same with calls that should be refused.
//!
//! moto's evaluation has other gaps, and [`SCRIPT`] fills those that matter:
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
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::whole::{left, own, program, ready, said};
use crate::support::emulator::{Emulator, REGION, Server};
use crate::support::instance::example;
use crate::support::moto;
use crate::support::policy::{Context, Party, Reference, actions, allows, region_of};

/// Writes each call that is asked for into the file `ASKED`: the action, whose resource is meant, and what conditions ask.
const SCRIPT: &str = r#"
import json, os
from urllib.parse import unquote_plus
from moto.iam.access_control import IAMPolicyStatement, IAMRequestBase
from moto.iam.models import iam_backends
from moto.s3.responses import ACTION_MAP

bucket = ACTION_MAP["BUCKET"]
bucket["HEAD"]["DEFAULT"] = "ListBucket"
for method, verb in [("GET", "Get"), ("PUT", "Put")]:
    bucket[method]["publicAccessBlock"] = verb + "BucketPublicAccessBlock"
    bucket[method]["encryption"] = verb + "EncryptionConfiguration"
    bucket[method]["ownershipControls"] = verb + "BucketOwnershipControls"

def given(request, key):
    value = request._data.get(key)
    return value[0] if isinstance(value, list) else value

def named(request):
    "The resources a request names, by the service's own rules."
    service, account, region = request._service, request.account_id, request._region
    if service == "iam":
        role, policy, name = (given(request, key) for key in ["RoleName", "PolicyArn", "PolicyName"])
        user = given(request, "UserName")
        if role:
            return [f"arn:aws:iam::{account}:role/{role}"]
        if user:
            return [f"arn:aws:iam::{account}:user/{user}"]
        return [policy or f"arn:aws:iam::{account}:policy/{name}"] if policy or name else ["*"]
    if service == "rds":
        verb = request._action.split(":")[1]
        if verb.startswith("Describe"):
            return ["*"]
        kind, key = ("db", "DBInstanceIdentifier") if verb.endswith("DBInstance") else ("cluster", "DBClusterIdentifier")
        name = given(request, key)
        return [f"arn:aws:rds:{region}:{account}:{kind}:{name}"] if name else ["*"]
    if service == "ecs":
        body = json.loads(request._body or "{}")
        cluster, service = body.get("cluster"), body.get("service", body.get("serviceName"))
        if request._action.split(":")[1] in ["CreateService", "UpdateService", "DeleteService"]:
            return [f"arn:aws:ecs:{region}:{account}:service/{cluster}/{service}"]
        return ["*"]
    if service not in ("secretsmanager", "ssm", "logs"):
        return ["*"]
    body = json.loads(request._body or "{}")
    keys = ["Name", "SecretId", "Names", "ResourceId", "logGroupName", "resourceArn"]
    names = next((body[key] for key in keys if key in body), "*")
    names = names if isinstance(names, list) else [names]
    form = {"secretsmanager": "secret:{}-AbCdEf", "ssm": "parameter{}", "logs": "log-group:{}"}[service]
    arn = f"arn:aws:{service}:{region}:{account}:{form}"
    return [name if name == "*" or name.startswith("arn:") else arn.format(name) for name in names]

def boundary(request):
    "The boundary that a role gets, or has."
    role, wanted = given(request, "RoleName"), given(request, "PermissionsBoundary")
    if wanted or not role:
        return wanted
    try:
        return iam_backends[request.account_id]["aws"].get_role(role).permissions_boundary_arn
    except Exception:
        return None

permitted = IAMRequestBase.check_action_permitted
def ask(self, resource):
    # A distribution that is made with its tags takes the same permission as one that is made without.
    self._action = self._action.replace("CreateDistributionWithTags", "CreateDistribution")
    # IAM calls this service by another name than signatures do.
    self._action = self._action.replace("tagging:", "tag:")
    names = named(self) if resource == "*" else [resource]
    body = self._body if isinstance(self._body, str) else (self._body or b"").decode("utf-8", "replace")
    call = {
        "action": self._action,
        "resources": names,
        "region": self._region,
        "tagged": "mastoform:instance" in unquote_plus(body) or "mastoform:instance" in str(self._data),
    }
    if self._service == "iam":
        call |= {"boundary": boundary(self), "policy": given(self, "PolicyArn")}
    with open(os.environ["ASKED"], "a") as file:
        file.write(json.dumps(call) + "\n")
    for name in names:
        permitted(self, name)
IAMRequestBase.check_action_permitted = ask
IAMRequestBase.check_signature = lambda self: None
# It knows the conditions of trust policies only, and takes all others for not met.
IAMPolicyStatement._check_conditions = lambda self, values: True

matches = IAMPolicyStatement._check_element_matches
def match(self, element, value):
    return (element == "Resource" and value == "*") or matches(self, element, value)
IAMPolicyStatement._check_element_matches = match

from moto.server import main
main(['-H', '127.0.0.1', '-p', str(PORT)])
"#;

/// What AWS asks for besides the action of a call, and moto does not.
const UNASKED: &[&str] = &[
    "acm:AddTagsToCertificate",
    "cloudfront:TagResource",
    "ec2:CreateTags",
    "ecs:TagResource",
    "elasticache:AddTagsToResource",
    "elasticloadbalancing:AddTags",
    "iam:CreateServiceLinkedRole",
    "iam:PassRole",
    "iam:TagPolicy",
    "iam:TagRole",
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:TagResource",
    "logs:TagResource",
    "rds:AddTagsToResource",
    "rds:CreateDBClusterSnapshot",
    "s3:TagResource",
    "secretsmanager:TagResource",
];

/// Actions for other lives of an instance than this one: other updates, buckets that are not empty, crashes, what is made
/// after the first apply, and an index of tags that lags behind.
const UNUSED: &[&str] = &[
    "acm:ListCertificates",
    "acm:ListTagsForCertificate",
    "cloudfront:GetDistributionConfig",
    "cloudfront:ListCachePolicies",
    "cloudfront:ListDistributions",
    "cloudfront:ListOriginAccessControls",
    "cloudfront:ListResponseHeadersPolicies",
    "cloudfront:ListTagsForResource",
    "cloudfront:UntagResource",
    "cloudfront:UpdateCachePolicy",
    "cloudfront:UpdateOriginAccessControl",
    "cloudfront:UpdateResponseHeadersPolicy",
    "ec2:ModifySecurityGroupRules",
    "ecs:ExecuteCommand",
    "ecs:ListServiceDeployments",
    "ecs:ListTaskDefinitions",
    "ecs:PutClusterCapacityProviders",
    "ecs:StopTask",
    "ecs:UntagResource",
    "ecs:UpdateCluster",
    "elasticache:DecreaseReplicaCount",
    "elasticache:IncreaseReplicaCount",
    "elasticache:ModifyCacheSubnetGroup",
    "elasticache:ModifyReplicationGroup",
    "elasticache:RemoveTagsFromResource",
    "elasticache:ResetCacheParameterGroup",
    "elasticloadbalancing:ModifyListener",
    "elasticloadbalancing:ModifyRule",
    "elasticloadbalancing:ModifyTargetGroup",
    "elasticloadbalancing:RemoveTags",
    "elasticloadbalancing:SetIpAddressType",
    "elasticloadbalancing:SetRulePriorities",
    "elasticloadbalancing:SetSecurityGroups",
    "elasticloadbalancing:SetSubnets",
    "iam:DeletePolicyVersion",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:UntagPolicy",
    "iam:UntagRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateRole",
    "kms:CancelKeyDeletion",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:ListKeys",
    "kms:ListResourceTags",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
    "logs:AssociateKmsKey",
    "logs:DeleteRetentionPolicy",
    "logs:DisassociateKmsKey",
    "logs:GetLogEvents",
    "logs:ListTagsForResource",
    "logs:UntagResource",
    "rds:DescribeDBClusterSnapshots",
    "rds:ListTagsForResource",
    "rds:ModifyDBInstance",
    "rds:ModifyDBSubnetGroup",
    "rds:RemoveTagsFromResource",
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetBucketLocation",
    "s3:GetBucketTagging",
    "s3:ListBucket",
    "s3:ListBucketMultipartUploads",
    "s3:ListBucketVersions",
    "s3:PutEncryptionConfiguration",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:UntagResource",
    "secretsmanager:UpdateSecret",
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
fn printed(who: &Emulator, folder: &Path, words: &[&str]) -> Vec<Json> {
    let mut parts = Vec::new();
    loop {
        let part = (parts.len() + 1).to_string();
        let output = run(who, folder, &[&["iam-policy", "--part", &part], words].concat());
        if !output.status.success() {
            assert!(said(&output).contains(&format!("there are {} parts", parts.len())), "{}", said(&output));
            return parts;
        }
        parts.push(serde_json::from_slice(&output.stdout).expect("JSON"));
    }
}

/// A call that moto was asked for.
#[derive(Debug, Deserialize)]
struct Asked {
    action: String,
    resources: Vec<String>,
    region: String,
    tagged: bool,
    boundary: Option<String>,
    policy: Option<String>,
}

impl Asked {
    /// That the documents allow it, with what it really said.
    fn check(&self, reference: &Reference, party: &Party, policies: &[Json]) {
        let conditions = |context: &Context| {
            let mut context = context.clone();
            let mut say = |key: &str, value: Option<&String>| {
                context.remove(key);
                context.extend(value.map(|value| (key.to_owned(), vec![value.clone()])));
            };
            // At an address of its own a global service is asked in any region; at AWS in its one.
            say("aws:RequestedRegion", Some(&region_of(&self.action, &self.region).to_owned()));
            say("iam:PermissionsBoundary", self.boundary.as_ref());
            say("iam:PolicyARN", self.policy.as_ref());
            context
        };
        // `arn:aws:rds:eu-central-1:1:cluster` of a name.
        let kind = |arn: &str| -> String {
            let parts: Vec<&str> = arn.splitn(6, ':').collect();
            let rest = parts.last().and_then(|rest| rest.split([':', '/']).next()).unwrap_or_default();
            [parts.get(2).copied().unwrap_or_default(), rest].join(":")
        };
        let tag = self.tagged.then_some(party.name.as_str());
        // Where several types of resource will do, those it did not name are no matter.
        let mut reasons = Vec::new();
        let is_allowed = party.calls(reference, &self.action, tag).iter().any(|call| {
            call.on.iter().all(|(own, context)| {
                let named = self.resources.iter().filter(|arn| *arn != "*" && kind(arn) == kind(own));
                let mut named: Vec<&String> = named.collect();
                if named.is_empty() {
                    named.push(own);
                }
                named.into_iter().all(|arn| {
                    let context = conditions(context);
                    let is_allowed = allows(policies, &self.action, arn, &context);
                    if !is_allowed {
                        reasons.push(format!("{arn} {context:?}"));
                    }
                    is_allowed
                })
            })
        });
        assert!(is_allowed, "{self:?}: {reasons:#?}");
    }
}

/// The policies without one action.
fn without(policies: &[Json], action: &str) -> Vec<Json> {
    let mut rest = policies.to_vec();
    for statement in rest.iter_mut().flat_map(|policy| policy["Statement"].as_array_mut().expect("statements")) {
        statement["Action"].as_array_mut().expect("actions").retain(|other| other != action);
    }
    for policy in &mut rest {
        let statements = policy["Statement"].as_array_mut().expect("statements");
        statements.retain(|statement| statement["Action"].as_array().is_some_and(|actions| !actions.is_empty()));
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
    let folder = ready(&guarded.owner);
    let file = folder.path().join("mastodon.toml");

    let daily = printed(&guarded.owner, folder.path(), &[]);
    let policies = [daily.clone(), printed(&guarded.owner, folder.path(), &["--bootstrap"])].concat();
    let reading = printed(&guarded.owner, folder.path(), &["--read-only"]);
    let operator = guarded.user(&aws, "operator", &policies).await;
    let day = guarded.user(&aws, "day", &daily).await;
    let reader = guarded.user(&aws, "reader", &reading).await;
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
    let planned = run(&reader, folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));

    let drifted = run(&reader, folder.path(), &["drift", "--detailed-exitcode"]);
    assert_eq!(drifted.status.code(), Some(0), "{}", said(&drifted));
    // What AWS has announced is asked for, but moto knows of no announcements.
    assert!(said(&drifted).contains("No drift"), "{}", said(&drifted));

    let edits = [(r#"run_mode = "production""#, r#"run_mode = "debug""#), ("max_capacity = 1", "max_capacity = 4")];
    let text = own(&guarded.owner, &example(&edits)) + "\n[logs]\nretention_days = 60\n";
    fs_err::write(&file, text).expect("written");
    let changed = run(&day, folder.path(), &["apply", "--yes"]);
    assert_eq!(changed.status.code(), Some(0), "{}", said(&changed));
    let planned = run(&day, folder.path(), &["plan", "--detailed-exitcode"]);
    assert_eq!(planned.status.code(), Some(0), "{}", said(&planned));
    let lived = fs_err::read_to_string(&asked).expect("what was asked for");
    escape(&day, &reader, guarded.owner.account()).await;
    fs_err::write(&asked, lived).expect("written");

    // The boundary is not the daily policy's to write.
    let text = fs_err::read_to_string(&file).expect("the file");
    let wider = format!(
        "{text}\n[extra_secrets]\nTOKEN = \"arn:aws:secretsmanager:{REGION}:{}:secret:more-AbCdEf\"\n",
        guarded.owner.account()
    );
    fs_err::write(&file, &wider).expect("written");
    let widened = run(&day, folder.path(), &["apply", "--yes"]);
    denied(&widened, 1, "iam:CreatePolicyVersion");
    fs_err::write(&file, &text).expect("written");
    let narrowed = run(&operator, folder.path(), &["apply", "--yes"]);
    assert_eq!(narrowed.status.code(), Some(0), "{}", said(&narrowed));

    let (action, lesser_one) = &lesser[2];
    denied(&run(lesser_one, folder.path(), &["destroy", "--confirm", "social"]), 6, action);
    let destroyed = run(&operator, folder.path(), &["destroy", "--confirm", "social"]);
    assert_eq!(destroyed.status.code(), Some(0), "{}", said(&destroyed));

    guarded.guard(false);
    assert_eq!(left(&aws).await, before);

    // What is allowed is what was asked for: there is no action too many, and none that nobody knows of.
    let text = fs_err::read_to_string(&asked).expect("what was asked for");
    let calls: Vec<Asked> = text.lines().map(|line| serde_json::from_str(line).expect("a call")).collect();
    let used: BTreeSet<String> = calls.iter().map(|call| call.action.clone()).collect();
    let allowed = actions(&policies);
    // Nobody needs a permission for that, and nobody can take it away.
    let identity = "sts:GetCallerIdentity".to_owned();
    assert_eq!(used.difference(&allowed).collect::<Vec<_>>(), [&identity]);
    let known: BTreeSet<String> = UNASKED.iter().chain(UNUSED).map(|action| (*action).to_owned()).collect();
    let idle: BTreeSet<String> = allowed.difference(&used).cloned().collect();
    assert_eq!(idle, known);

    // The conditions hold for each of these calls, with the tags and boundaries they really came with.
    let reference = Reference::read();
    let account = guarded.owner.account();
    let party = Party {
        name: "social".to_owned(),
        account: account.to_owned(),
        region: REGION.to_owned(),
        bucket: format!("media-of-{account}"),
        tag: Some("social".to_owned()),
    };
    for call in calls.iter().filter(|call| call.action != identity) {
        call.check(&reference, &party, &policies);
    }
}

/// Ways out that moto can refuse by action and name; `privilege::known_ways_out_are_closed` has those by condition, too.
async fn escape(day: &Emulator, reader: &Emulator, account: &str) {
    let aws = day.aws();
    let clients = aws.clients(REGION);
    let (iam, role) = (clients.iam(), "social-eu-central-1-tasks");
    let administrator = "arn:aws:iam::aws:policy/AdministratorAccess";
    let boundary = format!("arn:aws:iam::{account}:policy/social-eu-central-1-boundary");
    let everything =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] });
    let everything = everything.to_string();
    let mut refused: Vec<(&str, Option<String>)> = Vec::new();
    macro_rules! tried {
        ($what:literal, $request:expr) => {
            refused.push(($what, $request.send().await.err().map(|error| format!("{error:?}"))));
        };
    }
    tried!("attaching AdministratorAccess", iam.attach_role_policy().role_name(role).policy_arn(administrator));
    tried!("rewriting a trust policy", iam.update_assume_role_policy().role_name(role).policy_document(&everything));
    let create = iam.create_role().role_name("another").assume_role_policy_document(&everything);
    tried!("making another role", create);
    tried!("taking the boundary away", iam.delete_role_permissions_boundary().role_name(role));
    let version = iam.create_policy_version().policy_arn(&boundary).policy_document(&everything).set_as_default(true);
    tried!("rewriting the boundary", version);
    tried!("deleting the boundary", iam.delete_policy().policy_arn(&boundary));
    tried!("making a policy", iam.create_policy().policy_name("mine").policy_document(&everything));
    tried!("making a user", iam.create_user().user_name("me"));
    tried!("making a key", iam.create_access_key().user_name("operator"));
    let password = clients.rds().modify_db_cluster().db_cluster_identifier("prod").master_user_password("mine-at-last");
    tried!("changing another's database", password);
    tried!("deleting another's service", clients.ecs().delete_service().cluster("prod").service("prod").force(true));
    tried!("reading another's secret", clients.secretsmanager().get_secret_value().secret_id("prod/database"));
    let reading = reader.aws();
    let reading = reading.clients(REGION);
    tried!("reading a secret to plan", reading.secretsmanager().get_secret_value().secret_id("social/rails"));
    tried!("reading all roles", reading.iam().get_account_authorization_details());
    for (what, error) in refused {
        let error = error.unwrap_or_else(|| panic!("{what} was allowed"));
        let is_denied = ["AccessDenied", "status: 403", "StatusCode(403)"].iter().any(|sign| error.contains(sign));
        assert!(is_denied, "{what}: {error}");
    }
}
