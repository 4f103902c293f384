//! What the printed policies allow and what they do not: the documents themselves are evaluated, on no cloud.
//!
//! A call is put together from AWS's own list of what it checks each action on (`tests/specs/authorization.toml`): the
//! resources, the tags that they carry, the tags of the request. `tests/aws/permissions.rs` puts the calls of a real life
//! before the same policies, and an emulator that enforces all of them but their conditions.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use mastoform::provider::sim::ACCOUNT;
use serde_json::Value as Json;

use crate::support::case::run;
use crate::support::instance::{EXAMPLE, example, fast_folder};
use crate::support::policy::{BY_ID, Call, Context, Party, REQUEST_TAG, Reference, actions, allows, makes};

/// What the program prints, in all its parts.
pub fn printed(folder: &Path, words: &[&str]) -> Vec<Json> {
    let mut parts = Vec::new();
    loop {
        let part = (parts.len() + 1).to_string();
        let output =
            run(folder, &[&["--sandbox", "--sandbox-speed", "10000", "iam-policy", "--part", &part], words].concat());
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(&format!("there are {} parts", parts.len())), "{said}");
            return parts;
        }
        parts.push(serde_json::from_slice(&output.stdout).expect("JSON"));
    }
}

struct Policies {
    daily: Vec<Json>,
    bootstrap: Vec<Json>,
    reading: Vec<Json>,
}

impl Policies {
    fn of(text: &str) -> Self {
        let folder = fast_folder();
        fs_err::write(folder.path().join("mastodon.toml"), text).expect("written");
        Self::printed(folder.path())
    }

    fn printed(folder: &Path) -> Self {
        let printed = |words: &[&str]| printed(folder, words);
        Self { daily: printed(&[]), bootstrap: printed(&["--bootstrap"]), reading: printed(&["--read-only"]) }
    }

    fn both(&self) -> Vec<Json> {
        [self.daily.as_slice(), self.bootstrap.as_slice()].concat()
    }
}

/// The policies of the example before its first apply.
fn first() -> &'static Policies {
    static FIRST: OnceLock<Policies> = OnceLock::new();
    FIRST.get_or_init(|| Policies::of(EXAMPLE))
}

fn ours() -> Party {
    Party {
        name: "social".to_owned(),
        account: ACCOUNT.to_owned(),
        region: "eu-central-1".to_owned(),
        bucket: "social-example-org-media".to_owned(),
        tag: Some("social".to_owned()),
    }
}

/// Somebody else in the same account: another instance, somebody without an instance, and one whose name begins with ours.
fn others() -> Vec<Party> {
    let other = |name: &str, tag: Option<&str>| Party {
        name: name.to_owned(),
        bucket: format!("{name}-media"),
        tag: tag.map(str::to_owned),
        ..ours()
    };
    vec![other("memo", Some("memo")), other("prod", None), other("social2", Some("social2"))]
}

/// Actions on types of CloudFront that have neither a name in their ARN nor tags.
fn is_nameless(action: &str) -> bool {
    action.contains("OriginAccess") || action.contains("CachePolicy") || action.contains("ResponseHeadersPolicy")
}

fn is_change(reference: &Reference, action: &str) -> bool {
    !["Read", "List"].contains(&reference.actions[action].level.as_str())
}

/// Changes that AWS lets nobody narrow down to their own, and why that can be borne.
const BEYOND: &[(&str, &str)] = &[
    ("ecs:DeregisterTaskDefinition", "services go on with what is deregistered, and it can be registered again"),
    ("acm:RequestCertificate", "makes something new"),
    ("cloudfront:CreateCachePolicy", "makes something new"),
    ("kms:CreateKey", "makes something new"),
    ("cloudfront:CreateOriginAccessControl", "makes something new"),
    ("cloudfront:CreateOriginAccessIdentity", "makes something new"),
    ("cloudfront:CreateResponseHeadersPolicy", "makes something new"),
    ("iam:CreateServiceLinkedRole", "makes a role that AWS itself defines, for the services an instance uses"),
];

/// What puts a tag on something that AWS does not tell from what is just being made: only the bootstrap policy has it.
const CLAIMS: [&str; 3] = ["cloudfront:TagResource", "acm:AddTagsToCertificate", "kms:TagResource"];

#[test]
fn everything_an_instance_takes_is_allowed() {
    let reference = Reference::read();
    let folder = fast_folder();
    fs_err::write(folder.path().join("mastodon.toml"), EXAMPLE).expect("written");
    let applied = run(folder.path(), &["--sandbox", "--sandbox-speed", "10000", "apply", "--yes"]);
    assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    let mut refused = BTreeSet::new();
    for policies in [first(), &Policies::printed(folder.path())] {
        let both = policies.both();
        for action in actions(&both) {
            for call in ours().calls(&reference, &action, Some("social")) {
                // A control of CloudFront that exists has an id that AWS has made up.
                let is_made_up = is_nameless(&action) && call.on.iter().any(|(arn, _)| arn.contains("/Esocial"));
                if !call.is_allowed(&both) && !is_made_up {
                    refused.insert(format!("{call:?}"));
                }
            }
        }
        for action in actions(&policies.reading) {
            for call in ours().calls(&reference, &action, None) {
                assert!(call.is_allowed(&policies.reading), "{call:?}");
            }
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Whoever holds the daily policy, or both, can change nothing that is not the instance's, whatever tags they send along.
#[test]
fn nothing_of_anybody_else_can_be_changed() {
    let reference = Reference::read();
    let policies = first();
    let both = policies.both();
    let mut beyond = BTreeSet::new();
    let mut tried = 0;
    for action in actions(&both).iter().filter(|action| is_change(&reference, action)) {
        let service = action.split(':').next().unwrap_or_default();
        for party in others() {
            for call in party.calls(&reference, action, Some("social")) {
                // What has no name of its own and is made with our tag is ours.
                let kinds = reference.actions[action].required.iter().chain(&reference.actions[action].optional);
                let mut kinds = kinds.map(|kind| format!("{service}:{kind}"));
                let is_made = kinds.any(|kind| BY_ID.contains(&kind.as_str()) && makes(action, &kind));
                let is_made =
                    is_made && !action.starts_with("ec2:Authorize") || action == "cloudfront:CreateDistribution";
                if is_made {
                    continue;
                }
                tried += 1;
                // With --bootstrap, what nobody has tagged can be claimed where AWS cannot tell.
                let is_claim = CLAIMS.contains(&action.as_str());
                let policies = if is_claim { &policies.daily } else { &both };
                if call.is_allowed(policies) {
                    let is_known = BEYOND.iter().any(|(known, _)| known == action);
                    assert!(is_known || is_nameless(action), "{call:?}");
                    beyond.insert(action.clone());
                }
            }
        }
    }
    assert!(tried > 200, "{tried}");
    beyond.retain(|action| !is_nameless(action));
    let known: BTreeSet<String> =
        BEYOND.iter().map(|(action, _)| (*action).to_owned()).filter(|action| !is_nameless(action)).collect();
    assert_eq!(beyond, known);
    // The daily policy has no power over what has neither a name nor tags.
    let daily = actions(&policies.daily);
    let powers: Vec<&String> = daily.iter().filter(|action| is_nameless(action)).collect();
    assert!(powers.iter().all(|action| !action.contains("Update") && !action.contains("Delete")), "{powers:?}");
}

/// Whatever can carry tags is made with ours.
#[test]
fn nothing_is_made_without_the_instances_tag() {
    let reference = Reference::read();
    let both = first().both();
    let mut tried = 0;
    for action in actions(&both).iter().filter(|action| is_change(&reference, action)) {
        let verb = action.split(':').next_back().unwrap_or_default();
        let is_making = ["Create", "Register", "Authorize"].iter().any(|start| verb.starts_with(start));
        // The last snapshot carries the tags of its cluster. Buckets get theirs in a call of its own.
        let is_tagged_later =
            ["ec2:CreateTags", "rds:CreateDBClusterSnapshot", "s3:CreateBucket"].contains(&action.as_str());
        for tag in [None, Some("memo")] {
            for call in ours().calls(&reference, action, tag) {
                let described = &reference.actions[action];
                let mut keys = described.keys.iter().chain(described.keys_on.values().flatten());
                let names_a_tag = keys.any(|key| key == "aws:RequestTag");
                // A replication group is looked at where a call names one.
                let is_looked_at = action.starts_with("elasticache:") || action.starts_with("ec2:Authorize");
                let is_partial = is_looked_at
                    && !call
                        .on
                        .iter()
                        .any(|(arn, _)| arn.contains("replicationgroup:") || arn.contains("security-group-rule/"));
                if is_making && names_a_tag && !is_tagged_later && !is_partial {
                    tried += 1;
                    assert!(!call.is_allowed(&both), "{call:?}");
                }
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

fn call(action: &str, resource: &str, context: &[(&str, &str)]) -> Call {
    let mut all: Context = context.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
    all.entry("aws:RequestedRegion".to_owned()).or_insert_with(|| vec!["eu-central-1".to_owned()]);
    Call { action: action.to_owned(), on: vec![(resource.to_owned(), all)] }
}

fn iam(action: &str, resource: &str, context: &[(&str, &str)]) -> Call {
    let region = [("aws:RequestedRegion", "us-east-1")];
    call(action, &format!("arn:aws:iam::{ACCOUNT}:{resource}"), &[&region[..], context].concat())
}

#[test]
fn known_ways_out_are_closed() {
    let policies = first();
    let (bounds, tag) = ("iam:PermissionsBoundary", "aws:ResourceTag/mastoform:instance");
    let boundary = format!("arn:aws:iam::{ACCOUNT}:policy/social-eu-central-1-boundary");
    let boundary = boundary.as_str();
    let admin = ("iam:PolicyARN", "arn:aws:iam::aws:policy/AdministratorAccess");
    let (tasks, tasks_definition) = ("role/social-eu-central-1-tasks", "ecs-tasks.amazonaws.com");
    let eu = |service: &str, rest: &str| format!("arn:aws:{service}:eu-central-1:{ACCOUNT}:{rest}");
    let via = "kms:ViaService";
    let by_secrets = (via, "secretsmanager.eu-central-1.amazonaws.com");
    let escapes = [
        (
            "attaching AdministratorAccess",
            iam("iam:AttachRolePolicy", tasks, &[(bounds, boundary), (tag, "social"), admin]),
        ),
        ("attaching anything to another role", iam("iam:AttachRolePolicy", "role/prod", &[(bounds, boundary), admin])),
        ("rewriting a trust policy", iam("iam:UpdateAssumeRolePolicy", tasks, &[(bounds, boundary), (tag, "social")])),
        (
            "passing a role to another service",
            iam("iam:PassRole", tasks, &[("iam:PassedToService", "lambda.amazonaws.com")]),
        ),
        ("passing another role", iam("iam:PassRole", "role/prod", &[("iam:PassedToService", tasks_definition)])),
        ("making a role without the boundary", iam("iam:CreateRole", tasks, &[(REQUEST_TAG, "social")])),
        (
            "making a role with another boundary",
            iam(
                "iam:CreateRole",
                tasks,
                &[(REQUEST_TAG, "social"), (bounds, "arn:aws:iam::aws:policy/AdministratorAccess")],
            ),
        ),
        ("making another role", iam("iam:CreateRole", "role/other", &[(REQUEST_TAG, "social"), (bounds, boundary)])),
        ("writing a policy into a role without the boundary", iam("iam:PutRolePolicy", tasks, &[(tag, "social")])),
        ("another boundary", iam("iam:PutRolePermissionsBoundary", tasks, &[(bounds, admin.1), (tag, "social")])),
        ("no boundary", iam("iam:DeleteRolePermissionsBoundary", tasks, &[(bounds, boundary), (tag, "social")])),
        (
            "rewriting the boundary",
            iam("iam:CreatePolicyVersion", "policy/social-eu-central-1-boundary", &[(tag, "social")]),
        ),
        (
            "an older boundary",
            iam("iam:SetDefaultPolicyVersion", "policy/social-eu-central-1-boundary", &[(tag, "social")]),
        ),
        (
            "making the boundary anew",
            iam("iam:DeletePolicy", "policy/social-eu-central-1-boundary", &[(tag, "social")]),
        ),
        ("a policy of one's own", iam("iam:CreatePolicy", "policy/other", &[(REQUEST_TAG, "social")])),
        ("a user", iam("iam:CreateUser", "user/me", &[(REQUEST_TAG, "social")])),
        ("a key of a user", iam("iam:CreateAccessKey", "user/admin", &[])),
        (
            "a linked role of another service",
            iam(
                "iam:CreateServiceLinkedRole",
                "role/aws-service-role/x",
                &[("iam:AWSServiceName", "organizations.amazonaws.com")],
            ),
        ),
        ("another's database", call("rds:ModifyDBCluster", &eu("rds", "cluster:prod"), &[(tag, "social")])),
        (
            "a database of our name that is not ours",
            call("rds:DeleteDBCluster", &eu("rds", "cluster:social-database"), &[]),
        ),
        ("another's service", call("ecs:DeleteService", &eu("ecs", "service/memo/memo"), &[(tag, "memo")])),
        (
            "tagging another's group",
            call("ec2:CreateTags", &eu("ec2", "security-group/sg-1"), &[(REQUEST_TAG, "social")]),
        ),
        (
            "tagging a machine",
            call("ec2:CreateTags", &eu("ec2", "instance/i-1"), &[("ec2:CreateAction", "RunInstances")]),
        ),
        (
            "opening another's group",
            call("ec2:AuthorizeSecurityGroupIngress", &eu("ec2", "security-group/sg-1"), &[(tag, "memo")]),
        ),
        (
            "claiming a distribution",
            call(
                "cloudfront:TagResource",
                &format!("arn:aws:cloudfront::{ACCOUNT}:distribution/E1"),
                &[("aws:RequestedRegion", "us-east-1"), (REQUEST_TAG, "social")],
            ),
        ),
        (
            "claiming a certificate",
            call("acm:AddTagsToCertificate", &eu("acm", "certificate/1"), &[(REQUEST_TAG, "social")]),
        ),
        (
            "another's secret",
            call("secretsmanager:GetSecretValue", &eu("secretsmanager", "secret:prod/db-AbCdEf"), &[]),
        ),
        ("claiming a key", call("kms:TagResource", &eu("kms", "key/1"), &[(REQUEST_TAG, "social")])),
        ("opening another's key", call("kms:PutKeyPolicy", &eu("kms", "key/1"), &[(tag, "memo")])),
        ("opening a key of nobody", call("kms:PutKeyPolicy", &eu("kms", "key/1"), &[])),
        ("decrypting by oneself", call("kms:Decrypt", &eu("kms", "key/1"), &[(tag, "social")])),
        ("decrypting with another's key", call("kms:Decrypt", &eu("kms", "key/1"), &[(tag, "memo"), by_secrets])),
        (
            "decrypting by way of another service",
            call("kms:Decrypt", &eu("kms", "key/1"), &[(tag, "social"), (via, "s3.eu-central-1.amazonaws.com")]),
        ),
        ("another region", call("rds:DescribeDBClusters", "*", &[("aws:RequestedRegion", "eu-west-1")])),
        ("all roles", iam("iam:GetAccountAuthorizationDetails", "*", &[])),
    ];
    for (what, escape) in &escapes {
        assert!(!escape.is_allowed(&policies.daily), "{what}: {escape:?}");
    }
    // With what --bootstrap adds, nobody becomes an administrator by way of a role without its boundary, or of a user.
    for (what, escape) in escapes.iter().filter(|(_, escape)| {
        let action = escape.action.as_str();
        !["iam:UpdateAssumeRolePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy"].contains(&action)
            && !CLAIMS.contains(&action)
    }) {
        assert!(!escape.is_allowed(&policies.both()), "with --bootstrap, {what}: {escape:?}");
    }
    // The same calls as they should be are allowed, so what closes the ways out is what the calls differ in.
    let managed = Policies::of(&format!(
        "{EXAMPLE}\n[patch.\"iam.role.tasks\"]\nmanaged_policy_arns = [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]\n"
    ));
    let read_only = ("iam:PolicyARN", "arn:aws:iam::aws:policy/ReadOnlyAccess");
    assert!(iam("iam:AttachRolePolicy", tasks, &[(bounds, boundary), read_only]).is_allowed(&managed.daily));
    assert!(!iam("iam:AttachRolePolicy", tasks, &[(bounds, boundary), admin]).is_allowed(&managed.daily));
    assert!(!iam("iam:AttachRolePolicy", tasks, &[read_only]).is_allowed(&managed.daily));
    let proper = [
        iam("iam:PassRole", tasks, &[("iam:PassedToService", tasks_definition)]),
        iam("iam:CreateRole", tasks, &[(REQUEST_TAG, "social"), (bounds, boundary)]),
        iam("iam:PutRolePolicy", tasks, &[(tag, "social"), (bounds, boundary)]),
        iam("iam:PutRolePermissionsBoundary", tasks, &[(bounds, boundary)]),
        call("rds:ModifyDBCluster", &eu("rds", "cluster:social-database"), &[(tag, "social")]),
        call("ecs:DeleteService", &eu("ecs", "service/social/social"), &[(tag, "social")]),
        call("ec2:CreateTags", &eu("ec2", "security-group/sg-1"), &[("ec2:CreateAction", "CreateSecurityGroup")]),
        call("ec2:CreateTags", &eu("ec2", "security-group/sg-1"), &[(tag, "social")]),
        call("kms:Decrypt", &eu("kms", "key/1"), &[(tag, "social"), by_secrets]),
        call("kms:PutKeyPolicy", &eu("kms", "key/1"), &[(tag, "social")]),
        call("kms:TagResource", &eu("kms", "key/1"), &[(tag, "social"), (REQUEST_TAG, "social")]),
    ];
    // Not even with --bootstrap is another instance's key claimed.
    let claim = call("kms:TagResource", &eu("kms", "key/1"), &[(tag, "memo"), (REQUEST_TAG, "social")]);
    assert!(!claim.is_allowed(&policies.both()), "{claim:?}");
    for call in proper {
        assert!(call.is_allowed(&policies.daily), "{call:?}");
    }
}

/// With mail by SES there is a user. Nobody gets more by it than mail from addresses of the domain.
#[test]
fn known_ways_out_by_the_user_that_sends_mail_are_closed() {
    let text = example(&[(
        "credentials = \"arn:aws:secretsmanager:eu-central-1:123456789012:secret:social/mail-AbCdEf\"",
        "provider = \"ses\"",
    )]);
    let policies = Policies::of(&text);
    let (bounds, tag) = ("iam:PermissionsBoundary", "aws:ResourceTag/mastoform:instance");
    let boundary = format!("arn:aws:iam::{ACCOUNT}:policy/social-eu-central-1-boundary");
    let (boundary, user) = (boundary.as_str(), "user/social-eu-central-1-mail");
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    let eu = |service: &str, rest: &str| format!("arn:aws:{service}:eu-central-1:{ACCOUNT}:{rest}");
    let ses = |action: &str, rest: &str, context: &[(&str, &str)]| call(action, &eu("ses", rest), context);
    let escapes = [
        ("another user", iam("iam:CreateUser", "user/me", &[(REQUEST_TAG, "social"), (bounds, boundary)])),
        ("a user without the boundary", iam("iam:CreateUser", user, &[(REQUEST_TAG, "social")])),
        ("a user with another one", iam("iam:CreateUser", user, &[(REQUEST_TAG, "social"), (bounds, admin)])),
        ("a user that nobody knows to be ours", iam("iam:CreateUser", user, &[(bounds, boundary)])),
        ("a policy beyond the boundary", iam("iam:PutUserPolicy", user, &[(tag, "social")])),
        ("a policy of another user", iam("iam:PutUserPolicy", "user/admin", &[(bounds, boundary)])),
        ("another boundary", iam("iam:PutUserPermissionsBoundary", user, &[(bounds, admin), (tag, "social")])),
        ("no boundary", iam("iam:DeleteUserPermissionsBoundary", user, &[(bounds, boundary), (tag, "social")])),
        ("AdministratorAccess", iam("iam:AttachUserPolicy", user, &[(bounds, boundary), ("iam:PolicyARN", admin)])),
        ("a password for the console", iam("iam:CreateLoginProfile", user, &[(tag, "social")])),
        ("a group", iam("iam:AddUserToGroup", "group/admins", &[(tag, "social")])),
        ("a key of another user", iam("iam:CreateAccessKey", "user/admin", &[(tag, "social")])),
        ("a key of a user of our name that is not ours", iam("iam:CreateAccessKey", user, &[])),
        ("the key of another instance", iam("iam:DeleteAccessKey", user, &[(tag, "memo")])),
        ("claiming a user", iam("iam:TagUser", user, &[(tag, "memo"), (REQUEST_TAG, "social")])),
        ("sending mail", ses("ses:SendRawEmail", "identity/social.example.org", &[(tag, "social")])),
        ("another domain", ses("ses:DeleteEmailIdentity", "identity/example.com", &[(tag, "social")])),
        ("our domain of another", ses("ses:DeleteEmailIdentity", "identity/social.example.org", &[(tag, "memo")])),
        ("an untagged domain", ses("ses:CreateEmailIdentity", "identity/social.example.org", &[])),
        ("other rules", ses("ses:DeleteConfigurationSet", "configuration-set/memo-mail", &[(tag, "social")])),
        ("leaving the sandbox unasked", ses("ses:PutAccountDetails", "*", &[])),
        (
            "another's secret",
            call("secretsmanager:PutSecretValue", &eu("secretsmanager", "secret:prod/db-AbCdEf"), &[(tag, "social")]),
        ),
        (
            "the mail secret of another",
            call("secretsmanager:DeleteSecret", &eu("secretsmanager", "secret:social/mail-AbCdEf"), &[(tag, "memo")]),
        ),
    ];
    for (what, escape) in &escapes {
        assert!(!escape.is_allowed(&policies.both()), "{what}: {escape:?}");
    }
    let secret = eu("secretsmanager", "secret:social/mail-AbCdEf");
    let domain = "identity/social.example.org";
    for proper in [
        iam("iam:CreateUser", user, &[(REQUEST_TAG, "social"), (bounds, boundary)]),
        iam("iam:TagUser", user, &[(REQUEST_TAG, "social")]),
        iam("iam:PutUserPolicy", user, &[(bounds, boundary)]),
        iam("iam:CreateAccessKey", user, &[(tag, "social")]),
        iam("iam:DeleteAccessKey", user, &[(tag, "social")]),
        iam("iam:DeleteUserPolicy", user, &[(bounds, boundary)]),
        iam("iam:DeleteUser", user, &[(tag, "social")]),
        ses("ses:CreateEmailIdentity", domain, &[(REQUEST_TAG, "social")]),
        ses("ses:PutEmailIdentityMailFromAttributes", domain, &[(tag, "social")]),
        ses("ses:PutEmailIdentityConfigurationSetAttributes", "configuration-set/social-mail", &[(tag, "social")]),
        ses("ses:DeleteEmailIdentity", domain, &[(tag, "social")]),
        ses("ses:CreateConfigurationSet", "configuration-set/social-mail", &[(REQUEST_TAG, "social")]),
        ses("ses:GetAccount", "*", &[]),
        call("secretsmanager:CreateSecret", &secret, &[(REQUEST_TAG, "social")]),
        call("secretsmanager:PutSecretValue", &secret, &[(tag, "social")]),
        call("secretsmanager:RestoreSecret", &secret, &[(tag, "social")]),
        call("secretsmanager:DeleteSecret", &secret, &[(tag, "social")]),
    ] {
        assert!(proper.is_allowed(&policies.daily), "{proper:?}");
    }
    for (action, on) in [
        ("iam:GetUser", format!("arn:aws:iam::{ACCOUNT}:{user}")),
        ("iam:ListAccessKeys", format!("arn:aws:iam::{ACCOUNT}:{user}")),
        ("ses:GetEmailIdentity", eu("ses", domain)),
        ("ses:GetAccount", "*".to_owned()),
        ("secretsmanager:DescribeSecret", secret),
    ] {
        assert!(call(action, &on, &[]).is_allowed(&policies.reading), "{action}");
    }
}

#[test]
fn reading_reads_no_secret_and_changes_nothing() {
    let reference = Reference::read();
    for text in [EXAMPLE.to_owned(), format!("{EXAMPLE}\n[redis]\nengine = \"redis\"\n")] {
        let reading = Policies::of(&text).reading;
        for action in actions(&reading) {
            assert!(!is_change(&reference, &action), "{action}");
        }
        for action in ["GetSecretValue", "BatchGetSecretValue"] {
            let action = format!("secretsmanager:{action}");
            for arn in ours().arns("secretsmanager:Secret").into_iter().chain(["*".to_owned()]) {
                assert!(!allows(&reading, &action, &arn, &Context::new()), "{action}");
            }
        }
        for action in ["iam:ListRoles", "iam:GetAccountAuthorizationDetails"] {
            assert!(!actions(&reading).contains(action), "{action}");
        }
    }
}

/// An instance that was made before there were boundaries gets one in place, and the policies allow that.
#[test]
fn an_instance_without_a_boundary_gets_one_in_place() {
    let folder = fast_folder();
    let file = folder.path().join("mastodon.toml");
    let managed = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";
    let before = format!(
        "{EXAMPLE}\n[patch.\"iam.role.execution\"]\npermissions_boundary = \"${{null}}\"\nmanaged_policy_arns = [\"{managed}\"]\n\
         [patch.\"iam.role.tasks\"]\npermissions_boundary = \"${{null}}\"\n"
    );
    fs_err::write(&file, before).expect("written");
    let go = |words: &[&str]| {
        let output = run(folder.path(), &[&["--sandbox", "--sandbox-speed", "10000"], words].concat());
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    go(&["apply", "--yes"]);
    fs_err::write(&file, EXAMPLE).expect("written");
    let plan = go(&["plan"]);
    assert!(plan.contains("Plan: 0 to create, 2 to update, 0 to replace, 0 to delete"), "{plan}");
    let policies = Policies::printed(folder.path());
    let boundary = format!("arn:aws:iam::{ACCOUNT}:policy/social-eu-central-1-boundary");
    let bounded = [("iam:PermissionsBoundary", boundary.as_str()), ("iam:PolicyARN", managed)];
    for call in [
        iam("iam:PutRolePermissionsBoundary", "role/social-eu-central-1-execution", &bounded[..1]),
        iam("iam:DetachRolePolicy", "role/social-eu-central-1-execution", &bounded),
    ] {
        assert!(call.is_allowed(&policies.daily), "{call:?}");
    }
    // One that goes before it has got its boundary is taken down with the other policy.
    let unbounded = [("aws:ResourceTag/mastoform:instance", "social"), ("iam:PolicyARN", managed)];
    let detach = iam("iam:DetachRolePolicy", "role/social-eu-central-1-execution", &unbounded);
    assert!(!detach.is_allowed(&policies.daily) && detach.is_allowed(&policies.both()));
    go(&["apply", "--yes"]);
    assert!(go(&["plan", "--detailed-exitcode"]).contains("othing"), "nothing is left to do");
}

/// Without a state and without anybody to ask, the policy is good for any account, and says so.
#[test]
fn the_account_is_asked_for_or_left_open() {
    let folder = fast_folder();
    fs_err::write(folder.path().join("mastodon.toml"), EXAMPLE).expect("written");
    let of = |words: &[&str]| {
        let output = run(folder.path(), &[&["--sandbox", "iam-policy", "--part", "1"], words].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    };
    let (policy, said) = of(&[]);
    assert!(policy.contains(ACCOUNT) && !policy.contains(":*:"), "{policy}");
    assert_eq!(said, "");
    let (policy, said) = of(&["--offline"]);
    assert!(!policy.contains(ACCOUNT), "{policy}");
    assert_eq!(said, "whose account this is for is not known, so the policy names any with `*`\n");
}
