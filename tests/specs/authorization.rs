//! The permissions in `specs/types` against AWS's own list of actions, as `authorization.toml` has it: a name in a scope
//! or a key in a condition that AWS does not know for an action would allow nothing, and one that is missing too much.

use std::collections::BTreeSet;

use mastoform::spec::Specs;
use mastoform::spec::permissions::Grant;
use mastoform::spec::types::ResourceType;

use crate::support::policy::{Action, Reference, like};

/// A pattern of ours, or an ARN of AWS, with something in the place of what is not fixed.
fn filled(pattern: &str, with: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before.trim_end_matches('$'));
        let (name, after) = after.split_once('}').expect("a closing brace");
        text.push_str(if name == "Partition" { "aws" } else { with });
        rest = after;
    }
    text + rest
}

/// The types of resource that a pattern names, of those that an action is checked on.
fn named<'a>(reference: &Reference, action: &str, described: &'a Action, pattern: &str) -> BTreeSet<&'a str> {
    let service = action.split(':').next().unwrap_or_default();
    let kinds = described.required.iter().chain(&described.optional).map(String::as_str);
    // AWS names a log group with and without a star for its streams.
    let pattern = if pattern.ends_with("{name}:*") { pattern.trim_end_matches(":*") } else { pattern };
    kinds
        .filter(|kind| {
            let arn = &reference.resources[&format!("{service}:{kind}")].arn;
            // Either may be the narrower one.
            like(&filled(pattern, "*"), &filled(arn, "x")) || like(&filled(arn, "*"), &filled(pattern, "x"))
        })
        .collect()
}

fn scope<'a>(
    resource_type: &'a ResourceType,
    action: &str,
    grant: Option<&'a Grant>,
    specs: &'a Specs,
) -> Vec<&'a str> {
    let own = &resource_type.permissions;
    let scope = match grant {
        Some(Grant { scope: Some(scope), .. }) => scope,
        Some(Grant { names_of: Some(other), .. }) => &specs.types[other].permissions.scope,
        _ if own.unscoped.contains(action) => return vec!["*"],
        _ => &own.scope,
    };
    if scope.is_empty() { vec!["*"] } else { scope.iter().map(String::as_str).collect() }
}

#[test]
fn every_permission_is_one_that_aws_knows() {
    let (specs, reference) = (Specs::read(&[]).expect("valid specs"), Reference::read());
    let mut wrong = Vec::new();
    for resource_type in specs.types.values() {
        let permissions = &resource_type.permissions;
        for action in permissions.actions() {
            let Some(described) = reference.actions.get(action) else {
                wrong.push(format!("AWS knows no {action}: run tests/specs/authorization.py"));
                continue;
            };
            let grants: Vec<&Grant> = permissions.grants_of(action).collect();
            let all: Vec<Option<&Grant>> =
                if grants.is_empty() { vec![None] } else { grants.into_iter().map(Some).collect() };
            let mut covered = BTreeSet::new();
            for grant in all {
                let mut names = BTreeSet::new();
                let patterns = scope(resource_type, action, grant, &specs);
                for pattern in &patterns {
                    let kinds = named(&reference, action, described, pattern);
                    let is_everything = *pattern == "*";
                    let is_reading = ["Read", "List"].contains(&described.level.as_str());
                    if is_everything && !is_reading && !kinds.is_empty() {
                        wrong.push(format!("{}: {action} is allowed on everything", resource_type.name));
                    }
                    names.extend(kinds);
                }
                if names.is_empty() && !patterns.contains(&"*") {
                    wrong.push(format!("{}: AWS does not check {action} on {patterns:?}", resource_type.name));
                }
                let service = action.split(':').next().unwrap_or_default();
                let keys = grant.into_iter().flat_map(|grant| grant.condition.values()).flat_map(|keys| keys.keys());
                for key in keys {
                    let name = key.split('/').next().unwrap_or_default();
                    let of_kind = |kind: &&str| {
                        described.keys_on.get(*kind).is_some_and(|keys| keys.iter().any(|other| other == name))
                            || (name == "aws:ResourceTag" && reference.resources[&format!("{service}:{kind}")].tagged)
                    };
                    let is_known = described.keys.iter().any(|other| other == name)
                        || (!names.is_empty() && names.iter().all(of_kind));
                    if !is_known {
                        wrong.push(format!("{}: AWS has no {key} for {action}", resource_type.name));
                    }
                }
                covered.extend(names);
            }
            for kind in described.required.iter().filter(|kind| !covered.contains(kind.as_str())) {
                wrong.push(format!("{}: AWS checks {action} on {kind} too", resource_type.name));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
