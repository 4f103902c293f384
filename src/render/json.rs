//! A plan as JSON, for programs: `docs/plan.schema.json` says what is in it.

use serde_json::{Value as Json, json};

use super::cost::cost_json;
use super::outline::Outline;
use super::paths;
use crate::address::Address;
use crate::plan::change::{Deletion, Why, Widening};
use crate::plan::{Action, AttributeChange, Change, Plan};
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
        // `update` and `delete` are numbers of changes, as they always were; `deletions` counts every object that goes.
        "counts": {
            "create": counts.create,
            "update": counts.update + counts.adopt,
            "adopt": counts.adopt,
            "replace": counts.replace,
            "delete": plan.changes.iter().filter(|change| matches!(change.action, Action::Delete)).count(),
            "forget": counts.forget,
            "run": counts.run,
            "skip": counts.skip,
            "unchanged": plan.unchanged,
            "deletions": counts.delete,
        },
        "expected_seconds": plan.expected_seconds,
        "critical_path": plan.critical_path,
        "impact": plan.impact(),
        "notices": outline.notices(),
        "notes": plan.notes,
        "security": security_json(plan),
        "cost": cost_json(plan),
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
        "deletions": change.deletions().map(|deletion| deletion_json(&deletion, resource_type)).collect::<Vec<_>>(),
        "security": change.security,
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
        "security": change.security,
    })
}

/// What of a plan widens rights, or may.
fn security_json(plan: &Plan) -> Json {
    match plan.security() {
        Widening::Nothing => json!({ "first_apply": false, "changes": [] }),
        Widening::Everything => json!({ "first_apply": true, "changes": [] }),
        Widening::Changes(changes) => {
            let changes: Vec<&Address> = changes.iter().map(|change| &change.address).collect();
            json!({ "first_apply": false, "changes": changes })
        }
    }
}

/// An object that goes, and how.
fn deletion_json(deletion: &Deletion<'_>, resource_type: Option<&ResourceType>) -> Json {
    let identity = deletion.identity.as_str();
    let why = match deletion.why {
        Why::Unwanted => "unwanted",
        Why::Replaced => "replaced",
        Why::LeftOver => "left_over",
    };
    let loses_data = resource_type.is_some_and(ResourceType::loses_data);
    let how = resource_type.map(|found| found.manner(deletion.decided, identity)).unwrap_or_default();
    json!({ "identity": identity, "why": why, "how": how, "loses_data": loses_data })
}

fn to_json(value: &Planned) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}
