//! A change as a patch document (RFC 6902).

use serde_json::{Map, Value as Json, json};

use crate::value::{Known, Tree};

/// The operations that make `after` of `before`. Tables are compared entry by entry; everything else is replaced whole.
pub fn difference(before: &Json, after: &Json) -> Vec<Json> {
    let mut operations = Vec::new();
    compare("", before, after, &mut operations);
    operations
}

fn compare(path: &str, before: &Json, after: &Json, operations: &mut Vec<Json>) {
    let (Json::Object(old), Json::Object(new)) = (before, after) else {
        if before != after {
            operations.push(json!({ "op": "replace", "path": path, "value": after }));
        }
        return;
    };
    let below = |key: &str| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"));
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        operations.push(json!({ "op": "remove", "path": below(key) }));
    }
    for (key, value) in new {
        match old.get(key) {
            Some(before) => compare(&below(key), before, value, operations),
            None => operations.push(json!({ "op": "add", "path": below(key), "value": value })),
        }
    }
}

/// Properties as they are sent, secrets too. What is null is not there.
pub fn written(tree: &Known) -> Json {
    match tree {
        Tree::Leaf(secret) => secret.reveal().into(),
        Tree::List(items) => items.iter().filter(|item| !item.is_null()).map(written).collect(),
        Tree::Map(entries) => {
            let entries = entries.iter().filter(|(_, entry)| !entry.is_null());
            Json::Object(entries.map(|(key, entry)| (key.clone(), written(entry))).collect::<Map<_, _>>())
        }
        plain => plain.plain().map_or(Json::Null, |value| value.to_json()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretText;
    use crate::value::Value;

    #[test]
    fn only_what_differs_is_in_a_patch() {
        let before = json!({ "a": 1, "b": { "c": [1, 2], "d": "x", "e": true }, "f": "gone" });
        assert_eq!(difference(&before, &before), Vec::<Json>::new());
        let after = json!({ "a": 1, "b": { "c": [2], "d": "x", "g/h~i": 4 }, "j": {} });
        assert_eq!(
            Json::Array(difference(&before, &after)),
            json!([
                { "op": "remove", "path": "/f" },
                { "op": "remove", "path": "/b/e" },
                { "op": "replace", "path": "/b/c", "value": [2] },
                { "op": "add", "path": "/b/g~1h~0i", "value": 4 },
                { "op": "add", "path": "/j", "value": {} },
            ])
        );
    }

    #[test]
    fn secrets_are_sent_and_nulls_are_not() {
        let mut known: Known = Value::from_json(&json!({ "a": null, "b": [{ "c": 1.5 }] })).lift();
        known.set(&["password"], Tree::Leaf(SecretText::new("hunter2")));
        assert_eq!(written(&known), json!({ "b": [{ "c": 1.5 }], "password": "hunter2" }));
    }
}
