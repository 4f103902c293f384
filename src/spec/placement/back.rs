//! The way back: what a tool shows of a resource, by our names.

use std::collections::BTreeMap;

use super::{Placed, Subject, join, paths, placed_into};
use crate::spec::counterpart::{Element, Path, Place, Segment, Tool, leaves, pascal};
use crate::spec::types::{Attribute, ResourceType, Shape};
use crate::value::{Tree, Value};

/// What is there, with some attributes as they are wanted: those that are set nowhere are taken away.
pub fn changed<L: Clone>(
    subject: &Subject<'_, L>,
    tool: Tool,
    present: &Tree<L>,
    is_changed: &dyn Fn(&str) -> bool,
) -> Tree<L> {
    let Placed { mut main, attributes, .. } = placed_into(subject, tool, present.clone(), is_changed);
    for (path, attribute) in leaves(subject.resource_type) {
        let is_meant = path.split('.').next().is_some_and(is_changed);
        // What is in a list comes and goes with the list.
        let is_whole = !path.contains("[]");
        let place = attribute.place(tool);
        if !is_meant || !is_whole || attribute.computed || place.is_absent || attributes.contains(&path) {
            continue;
        }
        for path in paths(place, &named(&path), subject.values) {
            remove(&mut main, &path.segments);
        }
    }
    main
}

/// What a tool shows of a resource, by our names. An attribute that it can show and does not is null; what it never shows
/// is left out.
pub fn reported(resource_type: &ResourceType, tool: Tool, shown: &Value) -> Value {
    let mut values = Value::Map(BTreeMap::new());
    // Where some attributes stand depends on the values of others.
    let (late, early): (Vec<_>, Vec<_>) =
        resource_type.attributes.iter().partition(|(_, attribute)| attribute.place(tool).is_decided());
    for (name, attribute) in early.into_iter().chain(late) {
        let seen = attribute_of(attribute, tool, shown, &pascal(name), &values);
        if let Some(value) = seen {
            values.set(&[name], value);
        }
    }
    values
}

/// CloudFormation's name of an attribute that does not say another one.
pub fn named(path: &str) -> String {
    path.split('.').map(pascal).collect::<Vec<_>>().join(".")
}

/// `None`: it is never shown.
fn attribute_of(attribute: &Attribute, tool: Tool, shown: &Value, theirs: &str, values: &Value) -> Option<Value> {
    let place = attribute.place(tool);
    if attribute.sensitive || attribute.write_only || place.is_absent {
        return None;
    }
    if let Shape::Object(children) = &attribute.shape {
        let parts = children.iter().filter_map(|(name, child)| {
            let theirs = join(theirs, ".", &pascal(name));
            Some((name.clone(), attribute_of(child, tool, shown, &theirs, values)?))
        });
        return Some(Tree::Map(parts.collect()));
    }
    let found = paths(place, theirs, values).iter().find_map(|path: &Path| read(shown, &path.segments));
    Some(match (found.filter(|found| !found.is_null()), &attribute.shape) {
        (Some(found), _) => ours(&found, attribute, place, tool),
        // Entries that are not there are a difference, one by one.
        (None, Shape::Map(_)) => Tree::Map(BTreeMap::new()),
        (None, _) => Tree::Null,
    })
}

/// A value of the tool as we have it.
fn ours(theirs: &Value, attribute: &Attribute, place: &Place, tool: Tool) -> Value {
    let known = place.values.iter().find(|(_, value)| *value == theirs).map(|(ours, _)| Tree::Text(ours.clone()));
    let value = known.as_ref().unwrap_or(theirs);
    match (&attribute.shape, value) {
        (Shape::List(element), Tree::List(items)) => {
            Tree::List(items.iter().map(|item| element_of(item, element, tool)).collect())
        }
        (Shape::Map(element), Tree::Map(entries)) => {
            Tree::Map(entries.iter().map(|(key, entry)| (key.clone(), element_of(entry, element, tool))).collect())
        }
        (Shape::Json, Tree::Text(text)) => {
            serde_json::from_str(text).map_or_else(|_| value.clone(), |json| Value::from_json(&json))
        }
        // CloudFormation is not strict about numbers, flags and texts.
        (Shape::Integer, Tree::Text(text)) => text.parse().map_or_else(|_| value.clone(), Tree::Integer),
        (Shape::Number, Tree::Text(text)) => text.parse().map_or_else(|_| value.clone(), Tree::Number),
        (Shape::Bool, Tree::Text(text)) => text.to_ascii_lowercase().parse().map_or_else(|_| value.clone(), Tree::Bool),
        (Shape::Text, Tree::Integer(_) | Tree::Number(_) | Tree::Bool(_)) => Tree::Text(value.to_string()),
        _ => value.clone(),
    }
}

/// An element of a list, or an entry of a map.
fn element_of(shown: &Value, element: &Attribute, tool: Tool) -> Value {
    let Shape::Object(children) = &element.shape else { return ours(shown, element, element.place(tool), tool) };
    let parts = children.iter().filter_map(|(name, child)| {
        let value = attribute_of(child, tool, shown, &pascal(name), &Tree::Null)?;
        (!is_empty(&value)).then(|| (name.clone(), value))
    });
    Tree::Map(parts.collect())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Tree::Null => true,
        Tree::Map(entries) => entries.values().all(is_empty),
        _ => false,
    }
}

/// Whether an element of a list has all of these.
fn has_all<L: Clone>(item: &Tree<L>, constants: &[(Path, String)]) -> bool {
    let is = |path: &Path, text: &str| read(item, &path.segments).as_ref().and_then(Tree::as_text) == Some(text);
    constants.iter().all(|(path, text)| is(path, text))
}

/// The value at the end of a path: what [`put`](super::put) has written there.
pub fn read<L: Clone>(root: &Tree<L>, segments: &[Segment]) -> Option<Tree<L>> {
    let Some((first, rest)) = segments.split_first() else { return Some(root.clone()) };
    let next = root.get(&first.name)?;
    let items = || next.as_list().unwrap_or_default();
    match &first.element {
        Element::Plain | Element::Present | Element::With(_) => read(next, rest),
        Element::Nth(number) => read(items().get(*number)?, rest),
        Element::New => items().iter().find_map(|item| read(item, rest)),
        Element::One(constants) => {
            let is = |item: &Tree<L>, (path, text): &(Path, String)| {
                read(item, &path.segments).as_ref().and_then(Tree::as_text) == Some(text)
            };
            read(items().iter().find(|item| constants.iter().all(|constant| is(item, constant)))?, rest)
        }
        Element::EachEntry(key) => {
            let entry = |item: &Tree<L>| Some((item.get(key)?.as_text()?.to_owned(), read(item, rest)?));
            next.as_list().map(|items| Tree::Map(items.iter().filter_map(entry).collect()))
        }
        Element::EachItem => {
            next.as_list().map(|items| Tree::List(items.iter().filter_map(|item| read(item, rest)).collect()))
        }
    }
}

/// Takes away what stands at the end of a path, and what is empty then.
fn remove<L: Clone>(root: &mut Tree<L>, segments: &[Segment]) {
    let Some((first, rest)) = segments.split_first() else { return };
    let Tree::Map(entries) = root else { return };
    let Some(next) = entries.get_mut(&first.name) else { return };
    let is_empty = match (&first.element, &mut *next) {
        (Element::One(constants), Tree::List(items)) if !rest.is_empty() => {
            let bare = |item: &Tree<L>| item.as_map().is_some_and(|map| map.len() <= constants.len());
            if let Some(at) = items.iter().position(|item| has_all(item, constants))
                && let Some(item) = items.get_mut(at)
            {
                remove(item, rest);
                if bare(item) {
                    items.remove(at);
                }
            }
            items.is_empty()
        }
        // Of several elements none is told from the others, so they go together.
        (Element::One(_) | Element::New | Element::EachEntry(_) | Element::EachItem, _) => true,
        (_, next) if !rest.is_empty() => {
            remove(next, rest);
            let constants = if let Element::With(constants) = &first.element { constants.len() } else { 0 };
            next.as_map().is_some_and(|map| map.len() <= constants)
        }
        _ => true,
    };
    if is_empty {
        entries.remove(&first.name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::address::TypeName;
    use crate::spec::placement::placed;
    use crate::spec::{OverlayFile, Specs};

    const TYPES: &str = r#"
[store]
doc = "A store with something at every kind of place."
cfn = "AWS::Toy::Store"
terraform = false
identity = ["name"]
price.free = "It is a toy."
[store.attributes]
name = { type = "string", cfn = "StoreName", doc = "Its name." }
way = { type = "string", doc = "In or out." }
side = { type = "string", cfn = { by = "way", in = "Source", out = "Destination" }, doc = "The other side." }
size = { type = "integer", cfn = { path = "Attributes[Key=size].Value", text = true }, doc = "Its size." }
open = { type = "bool", cfn = { path = "Attributes[Key=open].Value", values = { true = "YES", false = "NO" } }, doc = "Whether it is open." }
check.path = { type = "string", doc = "Where it is checked." }
check.every = { type = "integer", doc = "How often." }
low = { type = "number", cfn = "Bounds{Kind=plain}.Low", doc = "The least." }
late = { type = "integer", cfn = "Bounds?.Late", doc = "After how long." }
rules = { type = "map", of = "json", cfn = "Rules[Name=*].Document", doc = "Its rules." }
names = { type = "list", of = "string", cfn = "Others[*].Name", doc = "Others." }
only = { type = "string", cfn = "Only[].Name", doc = "The only one." }
policy = { type = "json", doc = "Who may." }
key = { type = "string", write_only = true, doc = "Its key." }
id = { type = "string", computed = true, cfn = "Ids[0]", doc = "Its id." }
[store.attributes.parts]
type = "list"
doc = "Parts."
[store.attributes.parts.of]
what = { type = "string", doc = "What." }
count = { type = "integer", doc = "How many." }
"#;

    fn store() -> Arc<ResourceType> {
        let overlay = OverlayFile { name: "types/toy.toml".into(), types_of: Some("toy".into()), text: TYPES.into() };
        let specs = Specs::read(&[overlay]).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(specs.lint().to_string(), "");
        specs.types[&TypeName::new("toy", "store")].clone()
    }

    fn value(json: serde_json::Value) -> Value {
        Value::from_json(&json)
    }

    fn subject<'a>(resource_type: &'a ResourceType, attributes: &'a Value) -> Subject<'a, crate::value::Never> {
        let document = |document| document;
        Subject { resource_type, attributes, values: attributes, tags: None, writes_defaults: false, document }
    }

    fn all() -> Value {
        value(serde_json::json!({
            "name": "a", "way": "out", "side": "b", "size": 3, "open": false, "check": { "path": "/x", "every": 30 },
            "low": 1.5, "late": 7, "rules": { "r": { "Allow": ["x"] } }, "names": ["c", "d"], "only": "e",
            "parts": [{ "what": "f", "count": 2 }, { "what": "g" }], "policy": { "Who": "h" }, "key": "secret",
        }))
    }

    #[test]
    fn what_was_placed_is_read_back() {
        let (store, mut all) = (store(), all());
        let mut properties = placed(&subject(&store, &all), Tool::CloudFormation).main;
        let expected = serde_json::json!({
            "StoreName": "a", "Way": "out", "Destination": "b", "Check": { "Path": "/x", "Every": 30 },
            "Attributes": [{ "Key": "open", "Value": "NO" }, { "Key": "size", "Value": "3" }],
            "Bounds": { "Kind": "plain", "Low": 1.5, "Late": 7 }, "Key": "secret", "Policy": { "Who": "h" },
            "Rules": [{ "Name": "r", "Document": { "Allow": ["x"] } }], "Others": [{ "Name": "c" }, { "Name": "d" }],
            "Only": [{ "Name": "e" }], "Parts": [{ "What": "f", "Count": 2 }, { "What": "g" }],
        });
        assert_eq!(properties.to_json(), expected);
        properties.set(&["Ids"], value(serde_json::json!(["one", "two"])));
        all.set(&["id"], "one".into());
        // What AWS never tells is neither there nor said to be unset.
        if let Tree::Map(entries) = &mut all {
            entries.remove("key");
        }
        assert_eq!(reported(&store, Tool::CloudFormation, &properties), all);
    }

    #[test]
    fn texts_numbers_and_flags_are_told_apart_by_the_type() {
        let properties = value(serde_json::json!({
            "StoreName": 4, "Check": { "Every": "30" }, "Bounds": { "Low": "0.5" }, "Policy": "{\"Who\": \"h\"}",
        }));
        let seen = reported(&store(), Tool::CloudFormation, &properties);
        assert_eq!(seen.get("name"), Some(&"4".into()));
        assert_eq!(seen.at(&["check", "every"]), Some(&Value::Integer(30)));
        assert_eq!(seen.get("low"), Some(&Value::Number(0.5)));
        assert_eq!(seen.at(&["policy", "Who"]), Some(&"h".into()));
    }

    #[test]
    fn what_a_tool_does_not_show_is_unset() {
        let seen = reported(&store(), Tool::CloudFormation, &value(serde_json::json!({})));
        assert_eq!(seen.at(&["check", "path"]), Some(&Value::Null), "a part of a table, too");
        assert_eq!(seen.get("rules"), Some(&Value::Map(BTreeMap::new())));
        assert_eq!(seen.get("names"), Some(&Value::Null));
        assert_eq!(seen.get("key"), None);
    }

    #[test]
    fn a_change_touches_what_it_is_about_and_nothing_beside_it() {
        let (store, all) = (store(), all());
        let mut present = placed(&subject(&store, &all), Tool::CloudFormation).main;
        present.set(&["Foreign"], "stays".into());
        let mut wanted = all.clone();
        let as_it_is = changed(&subject(&store, &wanted), Tool::CloudFormation, &present, &|_| true);
        assert_eq!(as_it_is, present, "nothing has changed");
        wanted.set(&["size"], Value::Null);
        wanted.set(&["low"], Value::Null);
        wanted.set(&["check"], value(serde_json::json!({ "every": 60 })));
        wanted.set(&["only"], Value::Null);
        wanted.set(&["name"], "not now".into());
        let is_meant = |name: &str| ["size", "low", "check", "only", "parts"].contains(&name);
        let after = changed(&subject(&store, &wanted), Tool::CloudFormation, &present, &is_meant);
        let mut expected = present.clone();
        expected.set(&["Attributes"], value(serde_json::json!([{ "Key": "open", "Value": "NO" }])));
        expected.set(&["Bounds"], value(serde_json::json!({ "Kind": "plain", "Late": 7 })));
        expected.set(&["Check"], value(serde_json::json!({ "Every": 60 })));
        if let Tree::Map(entries) = &mut expected {
            entries.remove("Only");
        }
        assert_eq!(after, expected);
        for gone in ["check", "late"] {
            wanted.set(&[gone], Value::Null);
        }
        let after = changed(&subject(&store, &wanted), Tool::CloudFormation, &present, &|name| {
            ["check", "late", "low"].contains(&name)
        });
        assert_eq!((after.get("Check"), after.get("Bounds")), (None, None), "no empty tables stay behind");
    }
}
