//! JSON Schema of `mastodon.toml`, for editors: made from the blueprint's inputs.

use serde_json::{Map, Value as Json, json};

use crate::spec::Blueprint;
use crate::spec::blueprint::{Input, InputShape};
use crate::value::Tree;

/// The schema as a JSON document (draft 2020-12).
pub fn schema(blueprint: &Blueprint) -> Json {
    let mut root = section();
    for input in &blueprint.inputs {
        let mut node = &mut root;
        if let Some((name, parents)) = input.path.split_last() {
            for parent in parents {
                node = &mut node["properties"][parent];
                if node.is_null() {
                    *node = section();
                }
            }
            node["properties"][name] = property(input);
        }
    }
    let required: Vec<Json> = blueprint
        .inputs
        .iter()
        .filter(|input| input.required && input.path.len() == 1)
        .map(|input| input.name().into())
        .collect();
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    root["title"] = "mastodon.toml".into();
    root["required"] = required.into();
    root["properties"][super::SHARED] = json!({
        "type": "string",
        "description": "The name of a file in the same folder, whose settings hold where this one says nothing.",
    });
    root["properties"]["patch"] = json!({
        "type": "object",
        "description": "Changes of single attributes of resources, by address, for example [patch.\"rds.cluster.database\"].",
        "additionalProperties": { "type": "object" },
    });
    root
}

fn section() -> Json {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

fn property(input: &Input) -> Json {
    let mut property = Map::new();
    property.insert("description".into(), input.doc.as_str().into());
    if input.shape == InputShape::Spread {
        property.insert("anyOf".into(), spread(input));
    } else {
        shape(&input.shape, &mut property);
    }
    if !input.values.is_empty() {
        property.insert("enum".into(), input.values.iter().map(Tree::to_json).collect());
    }
    if let Some((low, high)) = input.limits.range.filter(|_| input.shape != InputShape::Spread) {
        property.insert("minimum".into(), low.into());
        property.insert("maximum".into(), high.into());
    }
    if let Some(step) = input.limits.step {
        property.insert("multipleOf".into(), step.into());
    }
    if let Some((low, high)) = input.limits.length {
        property.insert("minLength".into(), low.into());
        property.insert("maxLength".into(), high.into());
    }
    if let Some(pattern) = &input.limits.pattern {
        property.insert("pattern".into(), pattern.as_str().into());
    }
    if let Some(default) = input.default.as_ref().and_then(Tree::plain) {
        property.insert("default".into(), default.to_json());
    }
    if let Some(example) = &input.example {
        property.insert("examples".into(), Json::Array(vec![example.to_json()]));
    }
    if input.deprecated.is_some() {
        property.insert("deprecated".into(), true.into());
    }
    Json::Object(property)
}

/// One number, or three.
fn spread(input: &Input) -> Json {
    let mut number = json!({ "type": "number" });
    if let Some((low, high)) = input.limits.range {
        number["minimum"] = low.into();
        number["maximum"] = high.into();
    }
    json!([number.clone(), { "type": "array", "items": number, "minItems": 3, "maxItems": 3 }])
}

fn shape(shape_of: &InputShape, property: &mut Map<String, Json>) {
    let name = match shape_of {
        InputShape::Text | InputShape::Enum => "string",
        InputShape::Integer => "integer",
        InputShape::Number | InputShape::Spread => "number",
        InputShape::Bool => "boolean",
        InputShape::List(element) => {
            let mut items = Map::new();
            shape(element, &mut items);
            property.insert("items".into(), Json::Object(items));
            "array"
        }
        InputShape::Map(element) => {
            let mut values = Map::new();
            shape(element, &mut values);
            property.insert("additionalProperties".into(), Json::Object(values));
            "object"
        }
    };
    property.insert("type".into(), name.into());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Specs;

    #[test]
    fn a_spread_is_one_number_or_three() {
        let schema = schema(&Specs::read(&[]).expect("specs").blueprint);
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
        let file = |media: Json| json!({ "name": "social", "domain": "social.example.org", "region": "eu-central-1", "cost": { "media_gb": media } });
        for fine in [json!(20), json!([5, 20.5, 100])] {
            assert!(validator.is_valid(&file(fine.clone())), "{fine}");
        }
        for wrong in [json!([5, 20]), json!(-1), json!([1, 2, -3]), json!("many")] {
            assert!(!validator.is_valid(&file(wrong.clone())), "{wrong}");
        }
    }
}
