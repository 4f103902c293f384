//! The types against AWS's own schemas, as `cloudformation.toml` has them.

mod authorization;
mod handlers;
#[cfg(feature = "aws")]
mod prices;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mastoform::address::TypeName;
use mastoform::diagnostic::SourceFile;
use mastoform::document::{self, Content, Node};
use mastoform::spec::Specs;
use mastoform::spec::counterpart::{leaves, pascal};
use mastoform::spec::types::{Attribute, Impact, ResourceType, Security, Shape};
use mastoform::value::Value;

const TABLE: &str = include_str!("cloudformation.toml");

struct Schema {
    create_only: BTreeSet<String>,
    /// Replaced in some cases only: being immutable here needs a reason.
    conditional: BTreeSet<String>,
    properties: BTreeSet<String>,
    /// The values that AWS takes, by property.
    values: BTreeMap<String, BTreeSet<String>>,
}

struct Schemas {
    by_name: BTreeMap<String, Schema>,
    deviations: BTreeSet<String>,
    /// The versions that AWS offers, by engine.
    versions: BTreeMap<String, BTreeSet<String>>,
    /// The types of nodes that AWS offers somewhere, by service.
    nodes: BTreeMap<String, BTreeSet<String>>,
}

fn texts(node: &Node, key: &str) -> BTreeSet<String> {
    match node.get(key).map(|node| &node.content) {
        Some(Content::List(items)) => items.iter().filter_map(|item| item.text().map(str::to_owned)).collect(),
        _ => panic!("{}: no list `{key}`", node.location),
    }
}

fn schemas() -> Schemas {
    let document = document::parse(&SourceFile::new("cloudformation.toml", TABLE)).expect("valid");
    let mut by_name = BTreeMap::new();
    let mut deviations = BTreeSet::new();
    let (mut versions, mut nodes) = (BTreeMap::new(), BTreeMap::new());
    let all = |node: Option<&Node>| -> BTreeMap<String, BTreeSet<String>> {
        let tables = node.iter().flat_map(|node| node.entries().iter().map(move |entry| (entry, *node)));
        tables.map(|(entry, node)| (entry.key.clone(), texts(node, &entry.key))).collect()
    };
    for entry in document.entries() {
        if entry.key == "deviation" {
            for deviation in entry.node.entries() {
                assert!(deviation.node.get("why").is_some(), "{} has no reason", deviation.key);
                deviations.insert(deviation.key.clone());
            }
        } else if entry.key == "versions" {
            versions = all(Some(&entry.node));
        } else if entry.key == "nodes" {
            nodes = all(Some(&entry.node));
        } else if entry.node.is_table() {
            let create_only = texts(&entry.node, "create_only");
            let conditional = texts(&entry.node, "conditional_create_only");
            let properties = texts(&entry.node, "properties");
            let values = all(entry.node.get("values"));
            by_name.insert(entry.key.clone(), Schema { create_only, conditional, properties, values });
        }
    }
    Schemas { by_name, deviations, versions, nodes }
}

/// Calls `visit` with every attribute that CloudFormation has: our path, its path, and whether ours is immutable.
fn visit(path: &str, cfn: &str, attribute: &Attribute, immutable: bool, found: &mut Vec<(String, String, bool)>) {
    let immutable = immutable || attribute.immutable;
    match &attribute.shape {
        Shape::Object(children) => {
            for (name, child) in children {
                if !child.cfn.is_absent {
                    // A nested name that gives its whole way is not prefixed again.
                    let own = child.cfn.plain().unwrap_or_else(|| pascal(name));
                    visit(&format!("{path}.{name}"), &own, child, immutable, found);
                }
            }
        }
        _ => found.push((path.to_owned(), cfn.to_owned(), immutable)),
    }
}

fn attributes(resource_type: &ResourceType) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    for (name, attribute) in resource_type.attributes.iter().filter(|(_, attribute)| !attribute.cfn.is_absent) {
        let cfn = attribute.cfn.plain().unwrap_or_else(|| pascal(name));
        if !attribute.computed {
            visit(name, &cfn, attribute, false, &mut found);
        }
    }
    found
}

#[test]
fn every_attribute_is_one_of_cloudformation() {
    let schemas = schemas();
    let specs = Specs::read(&[]).expect("valid specs");
    let mut wrong = Vec::new();
    for resource_type in specs.types.values() {
        let [cfn, ..] = resource_type.cfn.names()[..] else { continue };
        let schema = schemas.by_name.get(cfn).unwrap_or_else(|| panic!("no schema of {cfn}"));
        let ends = |name: &str| {
            schema.properties.iter().any(|property| {
                property.eq_ignore_ascii_case(name)
                    || property.to_lowercase().ends_with(&format!(".{}", name.to_lowercase()))
            })
        };
        // A map of texts, of which AWS's schema names no keys.
        let is_free = |name: &str| {
            let free = |(map, _): (&str, &str)| {
                let below = format!(".{map}.");
                ends(map) && !schema.properties.iter().any(|property| format!(".{property}").contains(&below))
            };
            name.rsplit_once('.').is_some_and(free)
        };
        for (path, name, _) in attributes(resource_type) {
            if !ends(&name) && !is_free(&name) {
                wrong.push(format!("{}.{path}: {cfn} has no {name}", resource_type.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_immutable_here_is_create_only_there() {
    let schemas = schemas();
    let specs = Specs::read(&[]).expect("valid specs");
    let mut wrong = BTreeSet::new();
    for resource_type in specs.types.values().filter(|resource_type| !resource_type.lookup_only) {
        let Some(schema) = resource_type.cfn.names().first().and_then(|cfn| schemas.by_name.get(*cfn)) else {
            continue;
        };
        for (path, name, immutable) in attributes(resource_type) {
            let is_in = |list: &BTreeSet<String>| {
                list.iter().any(|property| {
                    property.eq_ignore_ascii_case(&name)
                        || name.to_lowercase().starts_with(&format!("{}.", property.to_lowercase()))
                })
            };
            let differs = if is_in(&schema.conditional) { immutable } else { immutable != is_in(&schema.create_only) };
            if differs {
                wrong.insert(format!("{}.{path}", resource_type.name));
            }
        }
    }
    let unexplained: Vec<&String> = wrong
        .iter()
        .filter(|path| {
            !schemas.deviations.iter().any(|deviation| *path == deviation || path.starts_with(&format!("{deviation}.")))
        })
        .collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
    let idle: Vec<&String> = schemas
        .deviations
        .iter()
        .filter(|deviation| !wrong.iter().any(|path| path == *deviation || path.starts_with(&format!("{deviation}."))))
        .collect();
    assert!(idle.is_empty(), "these deviations deviate from nothing: {idle:#?}");
}

/// What the specs let through AWS takes: no value is one that AWS has never had, or has no more.
#[test]
fn every_value_is_one_that_aws_takes() {
    let schemas = schemas();
    let specs = Specs::read(&[]).expect("valid specs");
    let (mut compared, mut wrong) = (0, Vec::new());
    for resource_type in specs.types.values() {
        for schema in resource_type.cfn.names().iter().filter_map(|cfn| schemas.by_name.get(*cfn)) {
            for (path, attribute) in leaves(resource_type) {
                let element = match &attribute.shape {
                    Shape::List(element) => element,
                    _ => attribute,
                };
                let place = &attribute.cfn;
                let ours = element.values.iter().filter_map(|value| {
                    let printed = value.as_text().map_or_else(|| value.to_string(), str::to_owned);
                    if place.values.is_empty() {
                        return Some(printed);
                    }
                    place.values.get(&printed)?.as_text().map(str::to_owned)
                });
                let ours: BTreeSet<String> = ours.collect();
                // The table has whole paths; those of entries of lists count from the entry.
                let own = place.plain().unwrap_or_else(|| path.split('.').map(pascal).collect::<Vec<_>>().join("."));
                let is_it = |listed: &str| listed == own || listed.ends_with(&format!(".{own}")) && path.contains('[');
                let Some((_, theirs)) = schema.values.iter().find(|(listed, _)| is_it(listed)) else { continue };
                if ours.is_empty() {
                    continue;
                }
                compared += 1;
                let strange: Vec<_> = ours.difference(theirs).collect();
                if !strange.is_empty() {
                    wrong.push(format!("{}.{path}: {strange:?}", resource_type.name));
                }
            }
        }
    }
    assert!(compared > 15, "only {compared} lists are compared");
    assert_eq!(wrong, Vec::<String>::new());
}

/// The blueprint warns of versions that AWS does not offer, so it has to know those that AWS does.
#[test]
fn the_versions_of_the_blueprint_are_those_that_aws_offers() {
    let schemas = schemas();
    let specs = Specs::read(&[]).expect("valid specs");
    let known = specs.blueprint.locals["versions"].tree.plain().expect("no templates");
    for (engine, offered) in &schemas.versions {
        let known = known.get(engine).and_then(Value::as_list).expect("a list").iter();
        let known: BTreeSet<String> = known.filter_map(|version| version.as_text().map(str::to_owned)).collect();
        let gone: Vec<_> = known.difference(offered).collect();
        assert!(gone.is_empty(), "AWS offers no {engine} {gone:?} any more");
        let major = |version: &String| version.split('.').next().and_then(|part| part.parse::<u32>().ok()).unwrap_or(0);
        let oldest = known.iter().map(major).min().expect("a version");
        let new: Vec<_> = offered.difference(&known).filter(|version| major(version) >= oldest).collect();
        assert!(new.is_empty(), "specs/mastodon/checks.toml does not know {engine} {new:?}");
    }
}

/// A node type that AWS has nowhere is warned of, with the most similar one.
#[test]
fn the_node_types_of_the_blueprint_are_those_that_aws_offers() {
    let specs = Specs::read(&[]).expect("valid specs");
    let input = specs.blueprint.inputs.iter().find(|input| input.name() == "redis.node_type").expect("a setting");
    assert_eq!(input.known.iter().cloned().collect::<BTreeSet<String>>(), schemas().nodes["elasticache"]);
}

#[test]
fn every_type_of_the_blueprint_has_what_the_engine_needs() {
    let specs = Specs::read(&[]).expect("valid specs");
    let in_aws = |found: &&Arc<ResourceType>| !found.lookup_only && !found.is_asked_for();
    for resource_type in specs.types.values().filter(in_aws) {
        assert!(!resource_type.identity.is_empty(), "{} has no identity", resource_type.name);
        for verb in ["create", "read", "delete"] {
            assert!(
                resource_type.permissions.verbs.contains_key(verb),
                "{} has no permission to {verb}",
                resource_type.name
            );
        }
    }
}

/// What `mastoform iam-policy` prints is enough: every operation that the code of a type names is among the permissions
/// of the type. The names are read off the source, so that this needs no AWS crate.
#[test]
fn every_call_of_the_provider_is_among_the_permissions_of_its_type() {
    let specs = Specs::read(&[]).expect("valid specs");
    let operation = regex::Regex::new(r#""([a-z0-9]+:[A-Z][A-Za-z0-9]+)""#).expect("a pattern");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/aws");
    let (mut calls, mut missing) = (0, Vec::new());
    for resource_type in specs.types.values() {
        let (service, kind) = (&resource_type.name.service, &resource_type.name.kind);
        let source = fs_err::read_to_string(folder.join(&**service).join(format!("{kind}.rs"))).expect("its handler");
        let allowed = resource_type.permissions.actions();
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        for found in operation.captures_iter(code) {
            calls += 1;
            if !allowed.contains(&found[1]) {
                missing.push(format!("{}: {}", resource_type.name, &found[1]));
            }
        }
    }
    assert!(calls > 100, "only {calls} operations are named");
    assert!(missing.is_empty(), "{missing:#?}");
}

/// What a deletion reads of what is remembered is marked in the specs, so that it comes from the file; and nothing is
/// marked that no deletion reads.
/// Attributes that sound as if rights depended on them and are not marked, and why.
const UNMARKED: &[(&str, &str)] = &[
    ("acm.certificate.key_algorithm", "AWS takes only strong ones"),
    ("cloudfront.distribution.default_cache_behavior.cache_policy_id", "says how long something is kept, not for whom"),
    ("cloudfront.distribution.default_cache_behavior.target_origin_id", "names one of `origins`, which are marked"),
    ("cloudfront.origin_access_control.origin_kind", "AWS knows S3 here"),
    ("cloudfront.response_headers_policy.security.referrer_policy", "where somebody came from is no right"),
    ("elb.listener_rule.host_headers", "says which requests are meant; where they go is marked"),
    ("elb.target_group.target_type", "what is registered is one's own address"),
    ("ses.smtp_user.secret", "mastoform writes this secret, and reads nothing from it"),
];

/// The attributes of a type with their paths and the marks of what they are part of.
fn marks(path: &str, attribute: &Attribute, is_marked: bool, found: &mut Vec<(String, bool)>) {
    let is_marked = is_marked || attribute.security != Security::No;
    match &attribute.shape {
        Shape::Object(children) => {
            children.iter().for_each(|(name, child)| marks(&format!("{path}.{name}"), child, is_marked, found));
        }
        Shape::List(element) | Shape::Map(element) if matches!(element.shape, Shape::Object(_)) => {
            marks(path, element, is_marked, found);
        }
        _ if !attribute.computed => found.push((path.to_owned(), is_marked)),
        _ => {}
    }
}

/// A change of who may do what, of what runs, of where requests go and of what encrypts shows in a plan as such.
#[test]
fn whatever_sounds_like_a_right_is_marked_or_says_why_not() {
    let specs = Specs::read(&[]).expect("valid specs");
    let words = [
        "command",
        "entry_point",
        "environment",
        "kms",
        "key",
        "encrypt",
        "target_group",
        "target",
        "policy",
        "policies",
        "principal",
        "image",
        "role",
        "secret",
        "secrets",
        "boundary",
        "public",
        "origin",
        "auth",
        "permission",
        "host",
    ];
    let mut wrong = Vec::new();
    let mut unmarked = std::collections::BTreeSet::new();
    let mut looked = 0;
    for (name, resource_type) in specs.types.iter().filter(|(_, found)| !found.lookup_only) {
        let mut found = Vec::new();
        for (attribute, described) in &resource_type.attributes {
            marks(attribute, described, false, &mut found);
        }
        for (path, is_marked) in found {
            let last = path.rsplit('.').next().unwrap_or_default();
            let is_said = last.split('_').any(|part| words.contains(&part))
                || words.iter().any(|word| word.contains('_') && last.contains(word))
                || last.contains("encrypt");
            let whole = format!("{name}.{path}");
            looked += usize::from(is_said);
            if is_said && !is_marked {
                if !UNMARKED.iter().any(|(known, _)| *known == whole) {
                    wrong.push(whole.clone());
                }
                unmarked.insert(whole);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(looked > 30, "{looked}");
    let left: Vec<&str> = UNMARKED.iter().map(|(name, _)| *name).filter(|name| !unmarked.contains(*name)).collect();
    assert!(left.is_empty(), "no reason is needed: {left:?}");
}

#[test]
fn whatever_a_deletion_reads_decides_it() {
    let specs = Specs::read(&[]).expect("valid specs");
    let read = regex::Regex::new(r#"recorded(?:\(target, DELETE\))?\s*\.[a-z_]+\("([a-z_]+)"\)"#).expect("a pattern");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/aws");
    let mut all = 0;
    for resource_type in specs.types.values() {
        let (service, kind) = (&resource_type.name.service, &resource_type.name.kind);
        let source = fs_err::read_to_string(folder.join(&**service).join(format!("{kind}.rs"))).expect("its handler");
        let body =
            source.split("async fn delete(").nth(1).and_then(|rest| rest.split("\n    }\n").next()).unwrap_or_default();
        let found: BTreeSet<&str> = read.captures_iter(body).filter_map(|found| Some(found.get(1)?.as_str())).collect();
        // What can never change says which object it is, not how it goes.
        let found: BTreeSet<&str> =
            found.into_iter().filter(|name| !resource_type.attributes[*name].immutable).collect();
        let decides = resource_type.attributes.iter().filter(|(_, attribute)| attribute.deletion.is_some());
        let decides: BTreeSet<&str> = decides.map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, decides, "{}", resource_type.name);
        all += found.len();
    }
    assert!(all > 3, "{all}");
}

/// A type with tags tells them in its answers or says where else they are, and takes more of them. What its code must
/// have for that is read off the source, so that this needs no AWS crate.
#[test]
fn every_type_with_tags_tells_them_and_can_be_marked() {
    let specs = Specs::read(&[]).expect("valid specs");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/provider/aws");
    let mut types = 0;
    for resource_type in specs.types.values().filter(|found| found.taggable && !found.lookup_only) {
        types += 1;
        let (service, kind) = (&resource_type.name.service, &resource_type.name.kind);
        let source = fs_err::read_to_string(folder.join(&**service).join(format!("{kind}.rs"))).expect("its handler");
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        assert!(code.contains("async fn mark("), "{} cannot be marked", resource_type.name);
        let tells = code.contains("tagged(") || (code.contains("fn tag_source(") && code.contains("async fn tags"));
        assert!(tells, "{} does not tell its tags", resource_type.name);
    }
    assert!(types >= 20, "only {types} types have tags");
}

/// What a change of this attribute, or of a part of it, may do to people.
fn impacts(attribute: &Attribute, found: &mut BTreeSet<Impact>) {
    found.insert(attribute.impact);
    found.extend(attribute.impact_by_value.values().copied());
    match &attribute.shape {
        Shape::List(element) | Shape::Map(element) => impacts(element, found),
        Shape::Object(attributes) => attributes.values().for_each(|attribute| impacts(attribute, found)),
        _ => {}
    }
}

#[test]
fn whatever_disturbs_people_says_what_they_notice() {
    let specs = Specs::read(&[]).expect("valid specs");
    let mut wrong = Vec::new();
    for resource_type in specs.types.values().filter(|resource_type| !resource_type.lookup_only) {
        let mut possible: BTreeSet<Impact> = resource_type.impact.delete.possible().collect();
        resource_type.attributes.values().for_each(|attribute| impacts(attribute, &mut possible));
        possible.insert(match resource_type.data_bearing {
            true => Impact::DataLoss,
            false => resource_type.impact.replace.unwrap_or(Impact::Brief),
        });
        possible.retain(|impact| *impact >= Impact::Brief);
        let told: BTreeSet<Impact> = resource_type.notice.keys().copied().collect();
        if told != possible {
            wrong.push(format!("{}: notices for {told:?}, possible are {possible:?}", resource_type.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_message_about_a_setting_is_a_regular_expression() {
    let specs = Specs::read(&[]).expect("valid specs");
    for input in &specs.blueprint.inputs {
        let in_words = input.limits.pattern.is_none() || input.limits.form.is_some();
        assert!(in_words, "{} has a pattern and no form", input.path.join("."));
    }
    for resource_type in specs.types.values() {
        resource_type.attributes.values().for_each(|attribute| must_say_in_words(&resource_type.name, attribute));
    }
}

fn must_say_in_words(name: &TypeName, attribute: &Attribute) {
    let in_words = attribute.limits.pattern.is_none() || attribute.limits.form.is_some();
    assert!(in_words, "{name} has a pattern and no form: {}", attribute.doc);
    match &attribute.shape {
        Shape::List(element) | Shape::Map(element) => must_say_in_words(name, element),
        Shape::Object(attributes) => attributes.values().for_each(|attribute| must_say_in_words(name, attribute)),
        _ => {}
    }
}

/// What AWS's models and its guides say that each attribute can be. The models of botocore 1.44.8 list some of them
/// (`LoadBalancerStateEnum`, `DeploymentRolloutState`) and name others in words. RDS's are in its guides, which may have
/// grown since:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Status.html>
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html>
const STATUSES: &[(&str, &[&str])] = &[
    (
        // CertificateStatus in the model of ACM.
        "acm.certificate",
        &["PENDING_VALIDATION", "ISSUED", "INACTIVE", "EXPIRED", "VALIDATION_TIMED_OUT", "REVOKED", "FAILED"],
    ),
    ("elb.load_balancer", &["active", "provisioning", "active_impaired", "failed"]),
    ("ecs.cluster", &["ACTIVE", "PROVISIONING", "DEPROVISIONING", "FAILED", "INACTIVE"]),
    ("ecs.service", &["COMPLETED", "FAILED", "IN_PROGRESS", "DRAINING"]),
    (
        "elasticache.replication_group",
        &["creating", "available", "modifying", "deleting", "create-failed", "snapshotting"],
    ),
    (
        "elasticache.cluster",
        &[
            "available",
            "creating",
            "deleted",
            "deleting",
            "incompatible-network",
            "modifying",
            "rebooting cluster nodes",
            "restore-failed",
            "snapshotting",
        ],
    ),
    // VerificationStatus in the model of SES.
    ("ses.domain_identity", &["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]),
    ("ses.address_identity", &["PENDING", "SUCCESS", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"]),
    // ReviewStatus there.
    ("ses.production_access", &["PENDING", "FAILED", "GRANTED", "DENIED"]),
    (
        // KeyState in the model of KMS.
        "kms.key",
        &[
            "Creating",
            "Enabled",
            "Disabled",
            "PendingDeletion",
            "PendingImport",
            "PendingReplicaDeletion",
            "Unavailable",
            "Updating",
        ],
    ),
    ("rds.cluster_snapshot", &["available", "copying", "creating"]),
    (
        "rds.cluster",
        &[
            "available",
            "backing-up",
            "backtracking",
            "cloning-failed",
            "creating",
            "deleting",
            "failing-over",
            "inaccessible-encryption-credentials",
            "maintenance",
            "migrating",
            "migration-failed",
            "modifying",
            "promoting",
            "renaming",
            "resetting-master-credentials",
            "starting",
            "stopped",
            "stopping",
            "update-iam-db-auth",
            "upgrading",
        ],
    ),
    (
        "rds.instance",
        &[
            "available",
            "backing-up",
            "configuring-enhanced-monitoring",
            "configuring-iam-database-auth",
            "configuring-log-exports",
            "converting-to-vpc",
            "creating",
            "deleting",
            "failed",
            "inaccessible-encryption-credentials",
            "incompatible-network",
            "incompatible-option-group",
            "incompatible-parameters",
            "incompatible-restore",
            "insufficient-capacity",
            "maintenance",
            "modifying",
            "moving-to-vpc",
            "rebooting",
            "renaming",
            "resetting-master-credentials",
            "restore-error",
            "starting",
            "stopped",
            "stopping",
            "storage-full",
            "storage-optimization",
            "upgrading",
        ],
    ),
];

/// A job's outcome, a distribution's, what DNS says of a record at another provider or of a zone, and whether a user has the
/// key that its secret holds are made here, of several answers.
const MADE_HERE: [&str; 5] = ["cloudfront.distribution", "dns.record", "ecs.run", "route53.zone", "ses.smtp_user"];

#[test]
fn every_status_that_aws_names_is_classified() {
    let specs = Specs::read(&[]).expect("valid specs");
    for resource_type in specs.types.values() {
        let (name, Some(ready)) = (resource_type.name.to_string(), &resource_type.ready) else { continue };
        if MADE_HERE.contains(&name.as_str()) {
            continue;
        }
        let known = STATUSES.iter().find(|(found, _)| *found == name);
        let (_, statuses) = known.unwrap_or_else(|| panic!("{name}: say which statuses AWS names, and where"));
        let classified: BTreeSet<&str> = ready.classified().map(String::as_str).collect();
        for status in *statuses {
            assert!(classified.contains(status), "{name}: {status}");
        }
    }
}
