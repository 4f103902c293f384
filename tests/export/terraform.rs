//! The configuration of Terraform against the schema of its provider, as `tests/specs/terraform.toml` has it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use hcl::expr::{Expression, ObjectKey, TraversalOperator};
use hcl::template::Element;
use hcl::{Block, Body, Structure};
use mastoform::export::terraform;
use serde::Deserialize;

use super::{Made, ODD, REGIONS, all, made};
use crate::support::instance::fast_folder;
use crate::support::say;

const TABLE: &str = include_str!("../specs/terraform.toml");

/// What the provider says.
#[derive(Debug, Deserialize)]
struct Table {
    provider: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(flatten)]
    resources: BTreeMap<String, Schema>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Schema {
    required: BTreeSet<String>,
    optional: BTreeSet<String>,
    read: BTreeSet<String>,
}

impl Schema {
    /// Whether there is something of this name at the top, to be set or read.
    fn has(&self, name: &str) -> bool {
        self.required.contains(name) || self.optional.contains(name) || self.read.contains(name)
    }
}

fn table() -> Table {
    toml::from_str(TABLE).expect("a table")
}

/// The files of an export, by name.
fn files(made: &Made) -> BTreeMap<&'static str, String> {
    let files = terraform::files(&made.subject()).unwrap_or_else(|error| panic!("{error}"));
    files.into_iter().map(|file| (file.name, file.text)).collect()
}

fn parsed(text: &str) -> Body {
    hcl::parse(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// The blocks of a name, with their labels.
fn blocks<'a>(body: &'a Body, name: &str) -> Vec<(Vec<&'a str>, &'a Block)> {
    let found = body.blocks().filter(|block| block.identifier.as_str() == name);
    found.map(|block| (block.labels.iter().map(|label| label.as_str()).collect(), block)).collect()
}

/// Every argument that is set, with the blocks around it, and every block.
fn arguments(body: &Body, prefix: &str, found: &mut Vec<(String, Option<Expression>)>) {
    for structure in body.iter() {
        match structure {
            Structure::Attribute(attribute) => {
                found.push((format!("{prefix}{}", attribute.key.as_str()), Some(attribute.expr.clone())));
            }
            Structure::Block(block) if block.identifier.as_str() != "lifecycle" => {
                let path = format!("{prefix}{}", block.identifier.as_str());
                found.push((path.clone(), None));
                arguments(&block.body, &format!("{path}."), found);
            }
            Structure::Block(_) => {}
        }
    }
}

/// What is required of a block and not in it.
fn missing(body: &Body, prefix: &str, schema: &Schema) -> Vec<String> {
    let own: BTreeSet<&str> = body
        .iter()
        .map(|structure| match structure {
            Structure::Attribute(attribute) => attribute.key.as_str(),
            Structure::Block(block) => block.identifier.as_str(),
        })
        .collect();
    let here = schema.required.iter().filter_map(|path| path.strip_prefix(prefix)).filter(|rest| !rest.contains('.'));
    let mut missing: Vec<String> =
        here.filter(|name| !own.contains(name)).map(|name| format!("{prefix}{name}")).collect();
    for block in body.blocks() {
        let prefix = format!("{prefix}{}.", block.identifier.as_str());
        missing.extend(self::missing(&block.body, &prefix, schema));
    }
    missing
}

/// Every reference in an expression: `aws_lb.public.arn`.
fn references(expression: &Expression, found: &mut Vec<String>) {
    match expression {
        Expression::Array(items) => items.iter().for_each(|item| references(item, found)),
        Expression::Object(entries) => {
            for (key, value) in entries.iter() {
                if let ObjectKey::Expression(key) = key {
                    references(key, found);
                }
                references(value, found);
            }
        }
        Expression::FuncCall(call) => call.args.iter().for_each(|argument| references(argument, found)),
        Expression::Traversal(traversal) => {
            let mut text = traversal.expr.to_string();
            for operator in &traversal.operators {
                match operator {
                    TraversalOperator::GetAttr(name) => text.push_str(&format!(".{}", name.as_str())),
                    _ => text.push_str("[]"),
                }
            }
            found.push(text);
        }
        Expression::TemplateExpr(template) => {
            let template = hcl::Template::from_expr(template).expect("a template");
            for element in template.elements() {
                if let Element::Interpolation(inside) = element {
                    references(&inside.expr, found);
                }
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn every_name_is_one_of_the_provider_and_nothing_required_is_missing() {
    let table = table();
    assert!(table.provider.starts_with("6."), "{}", terraform::PROVIDER);
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, text, overlay) in all() {
        let files = files(&made(text, &overlay, REGIONS[0]).await);
        let main = parsed(&files["main.tf"]);
        let resources = blocks(&main, "resource");
        let own: BTreeSet<String> = resources.iter().map(|(labels, _)| labels.join(".")).collect();
        assert_eq!(own.len(), resources.len(), "{name}: two of one name");
        for (labels, block) in &resources {
            let Some(schema) = table.resources.get(labels[0]) else {
                wrong.push(format!("{name}: there is no {}", labels[0]));
                continue;
            };
            seen.insert(labels[0].to_owned());
            let mut set = Vec::new();
            arguments(&block.body, "", &mut set);
            for (path, value) in set {
                if !schema.required.contains(&path) && !schema.optional.contains(&path) && path != "provider" {
                    wrong.push(format!("{name}: {} has no {path}", labels.join(".")));
                }
                let mut found = Vec::new();
                value.iter().for_each(|value| references(value, &mut found));
                for reference in found {
                    if path == "provider" {
                        continue;
                    }
                    let words: Vec<&str> = reference.trim_end_matches("[]").split('.').collect();
                    let [kind, label, attribute, ..] = words[..] else { panic!("{reference}") };
                    let attribute = attribute.trim_end_matches("[]");
                    let is_there = table.resources.get(kind).is_some_and(|schema| schema.has(attribute));
                    if !own.contains(&format!("{kind}.{label}")) || !is_there {
                        wrong.push(format!("{name}: {} refers to {reference}", labels.join(".")));
                    }
                }
            }
            wrong.extend(
                missing(&block.body, "", schema)
                    .into_iter()
                    .map(|path| format!("{name}: {} lacks {path}", labels.join("."))),
            );
        }
        let imports = parsed(&files["imports.tf"]);
        let mut imported = BTreeSet::new();
        for (_, block) in blocks(&imports, "import") {
            let value = |key: &str| block.body.attributes().find(|attribute| attribute.key.as_str() == key);
            let to = value("to").expect("a resource").expr.to_string();
            let Expression::String(id) = &value("id").expect("an id").expr else { panic!("{to}") };
            assert!(!id.is_empty() && !id.contains('{'), "{to}: {id}");
            assert!(imported.insert(to.clone()), "{to} is imported twice");
        }
        assert_eq!(imported, own, "{name}: each resource is imported");
    }
    assert_eq!(wrong, Vec::<String>::new(), "{wrong:#?}");
    let unseen: Vec<&String> = table.resources.keys().filter(|name| !seen.contains(*name)).collect();
    assert!(unseen.is_empty(), "no instance has these: {unseen:?}");
}

/// The ids are those of the provider's documentation: each in its own form.
#[tokio::test]
async fn every_resource_is_imported_by_the_id_that_its_provider_wants() {
    let made = made(ODD, &[], REGIONS[0]).await;
    let instance = mastoform::export::Instance::new(&made.subject(), mastoform::spec::counterpart::Tool::Terraform);
    let identifiers = terraform::export(&instance.expect("an instance")).identifiers;
    for (address, expected) in [
        ("aws_ecs_cluster.mastodon", "odd"),
        ("aws_ecs_cluster_capacity_providers.mastodon", "odd"),
        ("aws_ecs_service.mastodon", "odd/odd"),
        ("aws_iam_role_policy.execution_start", "odd-eu-central-1-execution:start"),
        (
            "aws_iam_group_policy_attachment.media",
            "odd-eu-central-1-media/arn:aws:iam::123456789012:policy/odd-eu-central-1-media",
        ),
        ("aws_iam_policy.boundary", "arn:aws:iam::123456789012:policy/odd-eu-central-1-boundary"),
        ("aws_rds_cluster.database", "odd-database"),
        ("aws_elasticache_cluster.cache", "odd-redis"),
        ("aws_s3_bucket_lifecycle_configuration.media", "odd-example-files"),
        ("aws_ssm_parameter.setting_mail_from", "/odd/mail/from"),
        ("aws_cloudwatch_log_group.mastodon", "/mastodon/odd"),
    ] {
        assert_eq!(identifiers.get(address).map(String::as_str), Some(expected), "{address}");
    }
    let prefix = |address: &str, start: &str| {
        let found = identifiers.get(address).unwrap_or_else(|| panic!("no {address}: {identifiers:#?}"));
        assert!(found.starts_with(start), "{address}: {found}");
    };
    prefix("aws_ecs_task_definition.mastodon", "arn:aws:ecs:eu-central-1:123456789012:task-definition/odd:");
    prefix("aws_vpc_security_group_egress_rule.tasks_egress_smtp", "sgr-");
    prefix("aws_security_group.tasks", "sg-");
    prefix("aws_lb_listener.https", "arn:aws:elasticloadbalancing:");
    prefix("aws_secretsmanager_secret.database", "arn:aws:secretsmanager:");
}

/// What Terraform has to say of the layout, where there is one.
#[tokio::test]
async fn the_files_are_laid_out_as_terraform_does() {
    if Command::new("terraform").arg("version").output().is_err() {
        say("terraform is not installed here, so it was not asked about the layout of its files");
        return;
    }
    let folder = fast_folder();
    for (name, text, overlay) in all() {
        for (file, text) in files(&made(text, &overlay, REGIONS[0]).await) {
            if file.ends_with(".tf") {
                fs_err::write(folder.path().join(format!("{name}-{file}")), text).expect("written");
            }
        }
    }
    let output = Command::new("terraform")
        .args(["fmt", "-check", "-diff", "-no-color"])
        .arg(folder.path())
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
