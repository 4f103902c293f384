//! A small evaluator of IAM policies, and calls to put before it.
//!
//! The emulators know actions and resources but not conditions, so tests look at the documents themselves. The evaluator
//! knows `Effect`, `Action`, `NotAction`, `Resource`, `NotResource` and `Condition`, with the operators that the policies
//! here use; it panics at any other, so that no condition passes unread. Which resources and condition keys AWS checks a
//! call on is read off `tests/specs/authorization.toml`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;

const TABLE: &str = include_str!("../specs/authorization.toml");

/// Condition keys and their values.
pub type Context = BTreeMap<String, Vec<String>>;

pub const RESOURCE_TAG: &str = "aws:ResourceTag/mastoform:instance";
pub const REQUEST_TAG: &str = "aws:RequestTag/mastoform:instance";

/// Whether the policies allow an action on one resource.
pub fn allows(policies: &[Json], action: &str, resource: &str, context: &Context) -> bool {
    let mut allowed = false;
    for statement in policies.iter().flat_map(|policy| each(&policy["Statement"])) {
        if concerns(statement, action, resource, context) {
            match statement["Effect"].as_str() {
                Some("Deny") => return false,
                Some("Allow") => allowed = true,
                other => panic!("no effect: {other:?}"),
            }
        }
    }
    allowed
}

fn concerns(statement: &Json, action: &str, resource: &str, context: &Context) -> bool {
    let folded = action.to_lowercase();
    let element = |name: &str, value: &str, fold: bool| {
        let patterns = each(&statement[name]).into_iter().map(|pattern| pattern.as_str().expect("a string"));
        patterns.into_iter().any(|pattern| match fold {
            true => like(&pattern.to_lowercase(), value),
            false => like(pattern, value),
        })
    };
    let either = |name: &str, not: &str, value: &str, fold: bool| match statement.get(not) {
        Some(_) => !element(not, value, fold),
        None => element(name, value, fold),
    };
    either("Action", "NotAction", &folded, true)
        && either("Resource", "NotResource", resource, false)
        && statement["Condition"].as_object().is_none_or(|condition| {
            condition.iter().all(|(operator, keys)| {
                keys.as_object().expect("keys").iter().all(|(key, values)| holds(operator, key, values, context))
            })
        })
}

/// Whether one comparison of a condition holds.
fn holds(operator: &str, key: &str, values: &Json, context: &Context) -> bool {
    let values: Vec<&str> = each(values).into_iter().map(|value| value.as_str().expect("a string")).collect();
    // The names of keys have no case, except for what comes after a slash.
    let fold = |key: &str| match key.split_once('/') {
        Some((name, tag)) => format!("{}/{tag}", name.to_lowercase()),
        None => key.to_lowercase(),
    };
    let found = context.iter().find(|(name, _)| fold(name) == fold(key)).map(|(_, found)| found.as_slice());
    if operator == "Null" {
        return values.iter().any(|value| (*value == "true") == found.is_none());
    }
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let (quantifier, operator) = operator.split_once(':').map_or(("", operator), |(set, operator)| (set, operator));
    let compare = |found: &str| {
        let any = |matches: &dyn Fn(&str, &str) -> bool| values.iter().any(|value| matches(value, found));
        match operator {
            "StringEquals" => any(&|value, found| value == found),
            "StringNotEquals" => !any(&|value, found| value == found),
            "StringLike" => any(&like),
            "ArnEquals" | "ArnLike" => any(&arn_like),
            other => panic!("this evaluator knows no {other}"),
        }
    };
    match (found, quantifier) {
        (None, "ForAllValues") => true,
        (None, "ForAnyValue") => false,
        (None, _) => if_exists || operator == "StringNotEquals",
        (Some(found), "ForAnyValue") => found.iter().any(|found| compare(found)),
        (Some(found), "ForAllValues") => found.iter().all(|found| compare(found)),
        (Some(found), _) => found.iter().all(|found| compare(found)),
    }
}

/// Whether a text is like a pattern, in which `*` stands for any characters and `?` for one.
pub fn like(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| like(rest, &text[at..]))
        }
        Some(first) => match text.chars().next() {
            Some(found) if first == '?' || first == found => {
                like(&pattern[first.len_utf8()..], &text[found.len_utf8()..])
            }
            _ => false,
        },
    }
}

/// As [`like`], for each of the six parts of an ARN by itself.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let (patterns, parts): (Vec<_>, Vec<_>) = (pattern.splitn(6, ':').collect(), arn.splitn(6, ':').collect());
    patterns.len() == parts.len() && patterns.iter().zip(parts).all(|(pattern, part)| like(pattern, part))
}

/// A list, or the one that stands without a list.
fn each(value: &Json) -> Vec<&Json> {
    match value {
        Json::Null => Vec::new(),
        Json::Array(all) => all.iter().collect(),
        one => vec![one],
    }
}

/// Every action of the policies.
pub fn actions(policies: &[Json]) -> BTreeSet<String> {
    let statements = policies.iter().flat_map(|policy| each(&policy["Statement"]));
    let actions = statements.flat_map(|statement| each(&statement["Action"]));
    actions.map(|action| action.as_str().expect("an action").to_owned()).collect()
}

/// What AWS says of actions and of types of resource.
#[derive(Debug, Deserialize)]
pub struct Reference {
    pub actions: BTreeMap<String, Action>,
    pub resources: BTreeMap<String, Resource>,
}

#[derive(Debug, Deserialize)]
pub struct Action {
    pub level: String,
    pub keys: Vec<String>,
    pub required: Vec<String>,
    pub optional: Vec<String>,
    #[serde(default)]
    pub keys_on: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub struct Resource {
    pub arn: String,
    pub tagged: bool,
}

impl Reference {
    pub fn read() -> Self {
        toml::from_str(TABLE).expect("a table")
    }
}

/// One call, as AWS checks it: on each of its resources.
#[derive(Clone, Debug)]
pub struct Call {
    pub action: String,
    pub on: Vec<(String, Context)>,
}

impl Call {
    pub fn is_allowed(&self, policies: &[Json]) -> bool {
        self.on.iter().all(|(resource, context)| allows(policies, &self.action, resource, context))
    }
}

/// An instance, or somebody else with something that looks like it.
#[derive(Clone, Debug)]
pub struct Party {
    pub name: String,
    pub account: String,
    pub region: String,
    pub bucket: String,
    /// The value of the tag that says whose it is, if there is one.
    pub tag: Option<String>,
}

/// Types of resource that a call names and leaves as they are.
const USED: [&str; 7] = [
    "ec2:vpc",
    "elasticache:securitygroup",
    "elasticache:usergroup",
    "rds:cluster-pg",
    "rds:og",
    "rds:pg",
    "rds:secgrp",
];

/// Types of resource that the instance has, which calls about databases and caches name and leave as they are.
const GROUPS: [&str; 3] = ["elasticache:parametergroup", "elasticache:subnetgroup", "rds:subgrp"];

/// Whether a call names a resource of a type and leaves it as it is.
fn is_used(action: &str, kind: &str) -> bool {
    let about = ["Cluster", "ReplicationGroup", "DBInstance"];
    USED.contains(&kind) || GROUPS.contains(&kind) && about.iter().any(|word| action.contains(word))
}

/// Types of resource that no call of an instance names, though AWS would check them: nodes and snapshots get their tags
/// from what they belong to.
const UNNAMED: [(&str, &str); 16] = [
    // Answers have the tags of everything else in RDS.
    ("rds:ListTagsForResource", "rds:cluster"),
    ("rds:ListTagsForResource", "rds:cluster-pg"),
    ("rds:ListTagsForResource", "rds:cluster-snapshot"),
    ("rds:ListTagsForResource", "rds:db"),
    ("rds:ListTagsForResource", "rds:og"),
    ("rds:ListTagsForResource", "rds:pg"),
    ("rds:ListTagsForResource", "rds:secgrp"),
    ("elasticache:AddTagsToResource", "elasticache:cluster"),
    ("elasticache:ListTagsForResource", "elasticache:cluster"),
    ("elasticache:RemoveTagsFromResource", "elasticache:cluster"),
    ("rds:AddTagsToResource", "rds:cluster-snapshot"),
    ("rds:RemoveTagsFromResource", "rds:cluster-snapshot"),
    ("rds:CreateDBCluster", "rds:db"),
    ("ecs:TagResource", "ecs:container-instance"),
    ("ecs:UntagResource", "ecs:container-instance"),
    ("ecs:UntagResource", "ecs:task"),
];

/// Types whose ARNs hold nothing that their creator chose.
pub const BY_ID: [&str; 7] = [
    "acm:certificate",
    "cloudfront:distribution",
    "cloudfront:origin-access-control",
    "cloudfront:origin-access-identity",
    "ec2:security-group",
    "ec2:security-group-rule",
    "kms:key",
];

pub fn region_of<'a>(action: &str, home: &'a str) -> &'a str {
    match action.split(':').next() {
        Some("cloudfront" | "iam" | "route53") => "us-east-1",
        _ => home,
    }
}

/// Whether a call makes something, which has no tags yet.
pub fn makes(action: &str, kind: &str) -> bool {
    let verb = action.split(':').next_back().unwrap_or_default();
    match action {
        "rds:CreateDBClusterSnapshot" | "rds:DeleteDBCluster" => kind == "rds:cluster-snapshot",
        "ec2:AuthorizeSecurityGroupIngress" | "ec2:AuthorizeSecurityGroupEgress" => kind == "ec2:security-group-rule",
        "elasticloadbalancing:CreateListener" | "elasticloadbalancing:CreateRule" => false,
        "ec2:CreateTags" => false,
        "iam:CreatePolicyVersion" => false,
        _ => verb.starts_with("Create") || verb.starts_with("Register"),
    }
}

impl Party {
    /// Names of the party's objects. Those of a type that has none are missing.
    pub fn arns(&self, kind: &str) -> Vec<String> {
        let Self { name, account, region, bucket, .. } = self;
        let arn = |service: &str, rest: String| format!("arn:aws:{service}:{region}:{account}:{rest}");
        let global = |service: &str, rest: String| format!("arn:aws:{service}::{account}:{rest}");
        let elb = |rest: String| arn("elasticloadbalancing", rest);
        match kind {
            "acm:certificate" => vec![arn("acm", format!("certificate/{name}"))],
            "route53:hostedzone" => vec![format!("arn:aws:route53:::hostedzone/Z{name}")],
            "cloudfront:distribution" => vec![global("cloudfront", format!("distribution/E{name}"))],
            "cloudfront:origin-access-control" => vec![global("cloudfront", format!("origin-access-control/E{name}"))],
            "cloudfront:origin-access-identity" => {
                vec![global("cloudfront", format!("origin-access-identity/E{name}"))]
            }
            "ec2:security-group" => vec![arn("ec2", format!("security-group/sg-{name}"))],
            "ec2:security-group-rule" => vec![arn("ec2", format!("security-group-rule/sgr-{name}"))],
            "ec2:vpc" => vec![arn("ec2", "vpc/vpc-1".to_owned())],
            "ecs:cluster" => vec![arn("ecs", format!("cluster/{name}"))],
            "ecs:service" => vec![arn("ecs", format!("service/{name}/{name}"))],
            "ecs:task" => vec![arn("ecs", format!("task/{name}/0123456789abcdef"))],
            "ecs:container-instance" => vec![arn("ecs", format!("container-instance/{name}/0123456789abcdef"))],
            "ecs:task-definition" => vec![arn("ecs", format!("task-definition/{name}:7"))],
            "elasticache:replicationgroup" => vec![arn("elasticache", format!("replicationgroup:{name}-cache"))],
            "elasticache:cluster" => vec![arn("elasticache", format!("cluster:{name}-cache-001"))],
            "elasticache:parametergroup" => vec![arn("elasticache", format!("parametergroup:{name}-valkey8"))],
            "elasticache:subnetgroup" => vec![arn("elasticache", format!("subnetgroup:{name}-cache"))],
            "elasticache:securitygroup" | "elasticache:usergroup" => {
                let word = kind.rsplit(':').next().unwrap_or_default();
                vec![arn("elasticache", format!("{word}:default"))]
            }
            "elasticloadbalancing:loadbalancer/app/" => vec![elb(format!("loadbalancer/app/{name}/50dc6c49"))],
            "elasticloadbalancing:listener/app" => vec![elb(format!("listener/app/{name}/50dc6c49/f2f7dc8e"))],
            "elasticloadbalancing:listener-rule/app" => {
                vec![elb(format!("listener-rule/app/{name}/50dc6c49/f2f7dc8e/9683b2d0"))]
            }
            "elasticloadbalancing:targetgroup" => {
                ["web-3000", "streaming-4000"].map(|part| elb(format!("targetgroup/{name}-{part}/6d0ecf83"))).to_vec()
            }
            "iam:role" => {
                ["execution", "tasks"].map(|part| global("iam", format!("role/{name}-{region}-{part}"))).to_vec()
            }
            "iam:policy" => vec![global("iam", format!("policy/{name}-{region}-boundary"))],
            "iam:group" => vec![global("iam", format!("group/{name}-{region}-media"))],
            "kms:key" => vec![arn("kms", format!("key/1234abcd-{name}"))],
            "logs:log-stream" => vec![arn("logs", format!("log-group:/mastodon/{name}:log-stream:job/job/0123"))],
            "logs:log-group" => vec![arn("logs", format!("log-group:/mastodon/{name}"))],
            "rds:cluster" => vec![arn("rds", format!("cluster:{name}-database"))],
            "rds:db" => vec![arn("rds", format!("db:{name}-database-1"))],
            "rds:cluster-snapshot" => vec![arn("rds", format!("cluster-snapshot:{name}-database-final-2026"))],
            "rds:cluster-pg" => vec![arn("rds", "cluster-pg:default.aurora-postgresql17".to_owned())],
            "rds:og" => vec![arn("rds", "og:default:aurora-postgresql-17".to_owned())],
            "rds:pg" => vec![arn("rds", "pg:default.aurora-postgresql17".to_owned())],
            "rds:secgrp" => vec![arn("rds", "secgrp:default".to_owned())],
            "rds:subgrp" => vec![arn("rds", format!("subgrp:{name}-database"))],
            "s3:bucket" => vec![format!("arn:aws:s3:::{bucket}")],
            "s3:object" => vec![format!("arn:aws:s3:::{bucket}/a/b.png")],
            "secretsmanager:Secret" => vec![arn("secretsmanager", format!("secret:{name}/rails-AbCdEf"))],
            "ssm:parameter" => vec![arn("ssm", format!("parameter/{name}/domain"))],
            _ => Vec::new(),
        }
    }

    fn boundary(&self) -> String {
        self.arns("iam:policy").remove(0)
    }

    /// The condition keys of a call on a resource of a type, for as far as AWS has them.
    fn context(
        &self,
        action: &str,
        described: &Action,
        kind: &str,
        is_tagged: bool,
        request_tag: Option<&str>,
    ) -> Context {
        let mut context = Context::new();
        context.insert("aws:RequestedRegion".to_owned(), vec![region_of(action, &self.region).to_owned()]);
        let on = described.keys_on.get(kind.split_once(':').map_or(kind, |(_, kind)| kind));
        let has = |key: &str| described.keys.iter().chain(on.into_iter().flatten()).any(|other| other == key);
        if let Some(tag) = &self.tag
            && is_tagged
            && !is_used(action, kind)
            && !makes(action, kind)
        {
            context.insert(RESOURCE_TAG.to_owned(), vec![tag.clone()]);
        }
        if let Some(tag) = request_tag
            && has("aws:RequestTag")
        {
            context.insert(REQUEST_TAG.to_owned(), vec![tag.to_owned()]);
        }
        if has("iam:PermissionsBoundary") {
            context.insert("iam:PermissionsBoundary".to_owned(), vec![self.boundary()]);
        }
        if has("iam:PassedToService") {
            context.insert("iam:PassedToService".to_owned(), vec!["ecs-tasks.amazonaws.com".to_owned()]);
        }
        // Keys are used by way of Secrets Manager; everything else of them is asked for by ourselves.
        if ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"].contains(&action) {
            let service = format!("secretsmanager.{}.amazonaws.com", self.region);
            context.insert("kms:ViaService".to_owned(), vec![service]);
        }
        if has("iam:AWSServiceName") {
            context.insert("iam:AWSServiceName".to_owned(), vec!["ecs.amazonaws.com".to_owned()]);
        }
        context
    }

    /// Calls of an action on the party's own objects, with a tag in the request: one with all the resources that it is
    /// always checked on, and those it names; one for each resource if it takes one of several types.
    pub fn calls(&self, reference: &Reference, action: &str, request_tag: Option<&str>) -> Vec<Call> {
        let described = reference.actions.get(action).unwrap_or_else(|| panic!("AWS knows no {action}"));
        let service = action.split(':').next().unwrap_or_default();
        let kinds =
            |kinds: &[String]| -> Vec<String> { kinds.iter().map(|kind| format!("{service}:{kind}")).collect() };
        let (required, mut optional) = (kinds(&described.required), kinds(&described.optional));
        optional.retain(|kind| !UNNAMED.contains(&(action, kind.as_str())));
        let checked = |kind: &str, arn: String| {
            let is_tagged = reference.resources.get(kind).is_some_and(|resource| resource.tagged);
            (arn, self.context(action, described, kind, is_tagged, request_tag))
        };
        let call = |on: Vec<(String, Context)>| Call { action: action.to_owned(), on };
        if action == "iam:CreateServiceLinkedRole" {
            let arn =
                format!("arn:aws:iam::{}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS", self.account);
            return vec![call(vec![checked("iam:role", arn)])];
        }
        if action == "ssm:GetParameter" {
            // One parameter is read by itself: the note about the instance.
            let arn = format!("arn:aws:ssm:{}:{}:parameter/mastoform/{}", self.region, self.account, self.name);
            return vec![call(vec![checked("ssm:parameter", arn)])];
        }
        if required.is_empty() {
            let own = optional.iter().filter(|kind| !is_used(action, kind));
            let alone = own.flat_map(|kind| self.arns(kind).into_iter().map(|arn| (kind.clone(), arn)));
            let calls: Vec<Call> = alone.map(|(kind, arn)| call(vec![checked(&kind, arn)])).collect();
            return if calls.is_empty() { vec![call(vec![checked("", "*".to_owned())])] } else { calls };
        }
        let all = |kinds: &[String]| -> Vec<(String, Context)> {
            kinds.iter().flat_map(|kind| self.arns(kind).into_iter().map(|arn| checked(kind, arn))).collect()
        };
        let alone = all(&required);
        let named = [alone.clone(), all(&optional)].concat();
        // What only uses others' things is no call by itself.
        let is_whole = required.iter().any(|kind| !is_used(action, kind));
        match named.len() == alone.len() || !is_whole {
            true => vec![call(named)],
            false => vec![call(alone), call(named)],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(statement: Json) -> [Json; 1] {
        [json!({ "Version": "2012-10-17", "Statement": statement })]
    }

    fn context(entries: &[(&str, &str)]) -> Context {
        entries.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect()
    }

    #[test]
    fn actions_and_resources_are_patterns() {
        let one =
            policy(json!({ "Effect": "Allow", "Action": ["s3:Get*", "S3:putobject"], "Resource": "arn:aws:s3:::a/*" }));
        let nothing = Context::new();
        assert!(allows(&one, "s3:GetObject", "arn:aws:s3:::a/b/c", &nothing));
        assert!(allows(&one, "s3:PutObject", "arn:aws:s3:::a/", &nothing));
        assert!(!allows(&one, "s3:GetObject", "arn:aws:s3:::b/a", &nothing));
        assert!(!allows(&one, "s3:DeleteObject", "arn:aws:s3:::a/b", &nothing));
        assert!(like("a?c*", "abcde") && !like("a?c", "ac") && like("*", ""));
        let not = policy(json!([
            { "Effect": "Allow", "NotAction": "iam:*", "Resource": "*" },
            { "Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s3:::a/*" },
        ]));
        assert!(!allows(&not, "iam:CreateUser", "arn:aws:s3:::a/b", &nothing));
        assert!(allows(&not, "s3:GetObject", "arn:aws:s3:::a/b", &nothing));
        assert!(!allows(&not, "s3:GetObject", "arn:aws:s3:::b/b", &nothing), "what is denied is denied");
    }

    #[test]
    fn conditions_hold_or_not() {
        let check = |condition: Json, entries: &[(&str, &str)]| {
            let one = policy(json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition }));
            allows(&one, "a:B", "r", &context(entries))
        };
        let equals = json!({ "StringEquals": { "aws:ResourceTag/Key": ["x", "y"] } });
        assert!(check(equals.clone(), &[("aws:resourcetag/Key", "y")]), "names of keys have no case");
        assert!(!check(equals.clone(), &[("aws:ResourceTag/key", "y")]), "names of tags have");
        assert!(!check(equals.clone(), &[("aws:ResourceTag/Key", "z")]));
        assert!(!check(equals, &[]), "a key that is missing is not equal");
        let if_exists = json!({ "StringEqualsIfExists": { "k": "x" } });
        assert!(check(if_exists.clone(), &[]) && check(if_exists.clone(), &[("k", "x")]));
        assert!(!check(if_exists, &[("k", "y")]));
        assert!(check(json!({ "StringLike": { "k": "a*" } }), &[("k", "abc")]));
        assert!(!check(json!({ "StringEquals": { "k": "a*" } }), &[("k", "abc")]), "equals knows no stars");
        let arn = json!({ "ArnLike": { "k": "arn:aws:ecs:*:1:*" } });
        assert!(check(arn.clone(), &[("k", "arn:aws:ecs:eu:1:task/a:b")]));
        assert!(!check(arn, &[("k", "arn:aws:ecs:eu:2:x:1:y")]), "a star does not reach over a part");
        assert!(
            check(json!({ "Null": { "k": "true" } }), &[]) && !check(json!({ "Null": { "k": "true" } }), &[("k", "x")])
        );
        assert!(check(json!({ "ForAllValues:StringEquals": { "k": ["x"] } }), &[]));
        assert!(!check(json!({ "ForAllValues:StringEquals": { "k": ["x"] } }), &[("k", "y")]));
        assert!(check(json!({ "ForAnyValue:StringEquals": { "k": ["x"] } }), &[("k", "x")]));
        let both = json!({ "StringEquals": { "k": "x", "l": "y" }, "Null": { "m": "false" } });
        assert!(check(both.clone(), &[("k", "x"), ("l", "y"), ("m", "")]), "all of them hold");
        assert!(!check(both, &[("k", "x"), ("l", "y")]));
    }

    #[test]
    #[should_panic(expected = "knows no DateGreaterThan")]
    fn a_condition_that_cannot_be_evaluated_never_passes() {
        let condition = json!({ "DateGreaterThan": { "k": "2026" } });
        let one = policy(json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition }));
        allows(&one, "a:B", "r", &context(&[("k", "2026")]));
    }
}
