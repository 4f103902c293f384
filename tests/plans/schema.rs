//! The JSON form of plans is what `docs/plan.schema.json` says: no less, and nothing that it does not describe.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

static SCHEMA: LazyLock<Json> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plan.schema.json");
    serde_json::from_str(&fs_err::read_to_string(path).expect("the schema")).expect("JSON")
});

/// For readers, unknown fields are allowed; we are stricter with ourselves.
static STRICT: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let mut schema = SCHEMA.clone();
    close(&mut schema);
    jsonschema::validator_for(&schema).expect("a valid schema")
});

/// Forbids what is not described. Alternatives are described together with what they are alternatives of, so that only
/// the whole can say what is left over.
fn close(schema: &mut Json) {
    match schema {
        Json::Object(entries) => {
            if entries.get("type") == Some(&json!("object")) && !entries.contains_key("additionalProperties") {
                entries.insert("unevaluatedProperties".to_owned(), json!(false));
            }
            entries.values_mut().for_each(close);
        }
        Json::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[track_caller]
pub fn check(plan: &Json) {
    let problems: Vec<String> =
        STRICT.iter_errors(plan).map(|problem| format!("{}: {problem}", problem.instance_path())).collect();
    assert!(problems.is_empty(), "docs/plan.schema.json does not describe this plan: {problems:#?}");
}

#[test]
fn the_schema_is_valid_and_refuses_what_it_does_not_describe() {
    assert!(jsonschema::meta::is_valid(&SCHEMA));
    let open = jsonschema::validator_for(&SCHEMA).expect("a valid schema");
    let made_from = json!({ "file": "", "specs": "", "lineage": "", "serial": 1, "state": "" });
    let counts = json!({ "create": 0, "update": 0, "replace": 0, "delete": 0, "forget": 0, "unchanged": 1 });
    let mut plan = json!({
        "version": 1, "purpose": "apply", "instance": "s", "title": "s", "region": "r", "made_from": made_from,
        "counts": counts, "expected_seconds": 0, "critical_path": [], "impact": "none", "notices": [],
        "changes": [], "refusals": [],
    });
    check(&plan);
    plan["new_field"] = json!(1);
    assert!(open.is_valid(&plan), "readers must be able to read later plans");
    assert!(!STRICT.is_valid(&plan), "we must describe what we print");
    plan["version"] = json!(2);
    assert!(!open.is_valid(&plan));
}
