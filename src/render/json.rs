//! A plan as JSON, for programs: `docs/plan.schema.json` says what is in it.

use serde_json::{Value as Json, json};

use super::outline::Outline;
use super::paths;
use crate::plan::{AttributeChange, Change, Plan};
use crate::spec::Types;
use crate::spec::types::ResourceType;
use crate::value::Planned;

/// The version of this form. Fields may be added without a new one.
pub const FORMAT: u64 = 1;

/// The plan as JSON. What is sensitive is null and marked; what is not known yet is `{"$unknown": {...}}`.
pub fn plan_json(plan: &Plan, types: &Types) -> Json {
    let counts = plan.counts();
    let outline = Outline::new(plan, types);
    json!({
        "version": FORMAT,
        "purpose": plan.purpose,
        "instance": plan.instance,
        "title": plan.title,
        "region": plan.region,
        "made_from": plan.made_from,
        "counts": {
            "create": counts.create,
            "update": counts.update,
            "replace": counts.replace,
            "delete": counts.delete,
            "forget": counts.forget,
            "unchanged": plan.unchanged,
        },
        "expected_seconds": plan.expected_seconds,
        "critical_path": plan.critical_path,
        "impact": plan.impact(),
        "notices": outline.notices(),
        "changes": plan.changes.iter().map(|change| change_json(change, &outline)).collect::<Vec<_>>(),
        "refusals": plan.refusals,
    })
}

fn change_json(change: &Change, outline: &Outline<'_>) -> Json {
    let resource_type = outline.type_of(change);
    json!({
        "address": change.address,
        "region": change.region,
        "action": change.action,
        "causes": change.causes,
        "attributes":
            change.attributes.iter().map(|attribute| attribute_json(attribute, resource_type)).collect::<Vec<_>>(),
        "unchanged_attributes": change.unchanged_attributes,
        "impact": change.impact,
        "notice": outline.notice(change),
        "expected_seconds": change.expected_seconds,
        "protect": change.protect,
        "was_protected": change.was_protected,
        "identity": change.identity,
        "leftovers": change.leftovers,
        "marks": change.marks,
        "depends_on": change.depends_on,
    })
}

fn attribute_json(change: &AttributeChange, resource_type: Option<&ResourceType>) -> Json {
    let is_secret = change.sensitive || paths::is_sensitive(&change.path, resource_type);
    let attribute = resource_type.and_then(|found| found.attribute(&change.path));
    let shown = |value: Option<&Planned>| match value {
        Some(value) if !is_secret => to_json(&paths::redacted(value, attribute, &Planned::Null)),
        _ => Json::Null,
    };
    let before = change.before.as_ref().map(crate::value::Value::lift);
    json!({
        "path": change.path,
        "name": paths::display(&change.path, resource_type),
        "before": shown(before.as_ref()),
        "after": shown(change.after.as_ref()),
        "cause": change.cause,
        "also_drifted": change.also_drifted,
        "forces_replacement": change.forces_replacement,
        "sensitive": is_secret,
        "impact": change.impact,
    })
}

fn to_json(value: &Planned) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}
