//! What differs within two documents: policies, lists of elements with names, anything that is a structure.
//!
//! A difference is told leaf by leaf, each with its way from the document's root, so that one more action in a policy
//! is one line and not a policy. Elements of lists are matched by what names them, where anything does.

use std::collections::{BTreeMap, BTreeSet};

use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::address::quoted;
use crate::plan::diff::marker_template;
use crate::spec::types::{Attribute, Compare, Shape};
use crate::value::{Planned, Tree, Unknown, Value};

/// What a leaf says.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// From what to what; `None` is not set.
    Values { before: Option<Planned>, after: Option<Planned> },
    /// Elements of a list: those that come are marked with true, those that go with false.
    Elements(Vec<(bool, Planned)>),
    /// What something new has.
    Given(Planned),
    /// It differs, and neither side may be shown.
    Secret,
}

/// One difference within a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf {
    /// The way from the root: `.Statement["Uploads"].Action`, `[1]`; empty for the root itself.
    pub suffix: String,
    pub content: Content,
}

/// The leaves in which two values of an attribute differ. At least one, unless they are equal.
pub fn leaves(before: Option<&Planned>, after: Option<&Planned>, attribute: Option<&Attribute>) -> Vec<Leaf> {
    let mut comparison = Comparison { leaves: Vec::new() };
    match (before, after) {
        (Some(before), Some(after)) => comparison.compare(String::new(), before, after, attribute),
        _ => comparison.values(String::new(), before, after),
    }
    comparison.leaves
}

struct Comparison {
    leaves: Vec<Leaf>,
}

impl Comparison {
    fn values(&mut self, suffix: String, before: Option<&Planned>, after: Option<&Planned>) {
        let content = Content::Values { before: before.cloned(), after: after.cloned() };
        self.leaves.push(Leaf { suffix, content });
    }

    fn compare(&mut self, suffix: String, before: &Planned, after: &Planned, attribute: Option<&Attribute>) {
        if before == after {
            return;
        }
        match (before, after) {
            (Tree::Map(was), Tree::Map(will_be)) if !is_secret(before) && !is_secret(after) => {
                let keys: BTreeSet<&String> = was.keys().chain(will_be.keys()).collect();
                for key in keys {
                    let below = format!("{suffix}{}", step(key, attribute));
                    let child = attribute.and_then(|attribute| attribute.child(key));
                    match (was.get(key), will_be.get(key)) {
                        (Some(was), Some(will_be)) => self.compare(below, was, will_be, child),
                        (was, will_be) => self.values(below, was, will_be),
                    }
                }
            }
            (Tree::List(was), Tree::List(will_be)) => self.lists(suffix, (was, will_be), (before, after), attribute),
            // In a policy, a text alone is a list of one.
            (Tree::List(was), Tree::Text(_)) if is_policy(attribute) => {
                self.set(suffix, was, std::slice::from_ref(after));
            }
            (Tree::Text(_), Tree::List(will_be)) if is_policy(attribute) => {
                self.set(suffix, std::slice::from_ref(before), will_be);
            }
            (Tree::Text(was), Tree::Text(will_be)) => match (document(was), document(will_be)) {
                (Some(was), Some(will_be)) => self.compare(suffix, &was, &will_be, None),
                _ => self.values(suffix, Some(before), Some(after)),
            },
            _ => self.values(suffix, Some(before), Some(after)),
        }
    }

    fn lists(
        &mut self,
        suffix: String,
        (was, will_be): (&[Planned], &[Planned]),
        whole: (&Planned, &Planned),
        attribute: Option<&Attribute>,
    ) {
        let is_structured = |items: &[Planned]| !items.is_empty() && items.iter().all(|item| item.as_map().is_some());
        if is_structured(was) && is_structured(will_be) {
            self.structures(&suffix, was, will_be, attribute);
        } else if is_policy(attribute) || attribute.is_some_and(|attribute| attribute.unordered) {
            self.set(suffix, was, will_be);
        } else {
            self.sequence(suffix, was, will_be, whole);
        }
    }

    /// Elements whose order means nothing.
    fn set(&mut self, suffix: String, was: &[Planned], will_be: &[Planned]) {
        if let ([was], [will_be]) = (was, will_be)
            && was != will_be
        {
            return self.values(suffix, Some(was), Some(will_be));
        }
        let elements: Vec<(bool, Planned)> = without(was, will_be)
            .map(|item| (false, item.clone()))
            .chain(without(will_be, was).map(|item| (true, item.clone())))
            .collect();
        if !elements.is_empty() {
            self.leaves.push(Leaf { suffix, content: Content::Elements(elements) });
        }
    }

    /// Elements whose order matters, such as the words of a command.
    fn sequence(
        &mut self,
        suffix: String,
        was: &[Planned],
        will_be: &[Planned],
        (before, after): (&Planned, &Planned),
    ) {
        let (old, new): (Vec<String>, Vec<String>) =
            (was.iter().map(spelled).collect(), will_be.iter().map(spelled).collect());
        let operations = capture_diff_slices(Algorithm::Myers, &old, &new);
        let keeps_anything = operations.iter().any(|operation| matches!(operation, DiffOp::Equal { .. }));
        let is_short = spelled(before).len() + spelled(after).len() <= 60;
        if !keeps_anything || is_short {
            return self.values(suffix, Some(before), Some(after));
        }
        let mut elements = Vec::new();
        for operation in operations {
            let (gone, come) = (operation.old_range(), operation.new_range());
            match operation {
                DiffOp::Equal { .. } => {}
                DiffOp::Replace { .. } if gone.len() == come.len() => {
                    for (index, (was, will_be)) in come.clone().zip(was[gone].iter().zip(&will_be[come])) {
                        self.values(format!("{suffix}[{index}]"), Some(was), Some(will_be));
                    }
                }
                _ => {
                    elements.extend(was[gone].iter().map(|item| (false, item.clone())));
                    elements.extend(will_be[come].iter().map(|item| (true, item.clone())));
                }
            }
        }
        if !elements.is_empty() {
            self.leaves.push(Leaf { suffix, content: Content::Elements(elements) });
        }
    }

    /// Elements that are maps: matched by name, or else by being the same, or else by their place.
    fn structures(&mut self, suffix: &str, was: &[Planned], will_be: &[Planned], attribute: Option<&Attribute>) {
        let element = attribute.and_then(|attribute| attribute.child("0"));
        let declared = attribute.and_then(|attribute| attribute.keyed_by.as_deref());
        if let Some(key) = naming_key(was, will_be, declared) {
            let (old, new) = (by_name(was, &key), by_name(will_be, &key));
            let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
            for name in names {
                let below = format!("{suffix}[{name:?}]");
                match (old.get(name), new.get(name)) {
                    (Some(was), Some(will_be)) => self.compare(below, was, will_be, element),
                    (was, will_be) => self.values(below, was.copied(), will_be.copied()),
                }
            }
            return;
        }
        let place = |items: &[Planned], item: &Planned| items.iter().position(|other| std::ptr::eq(other, item));
        let gone: Vec<&Planned> = without(was, will_be).collect();
        let come: Vec<&Planned> = without(will_be, was).collect();
        let below = |items: &[Planned], item: &Planned| format!("{suffix}[{}]", place(items, item).unwrap_or_default());
        if gone.len() == come.len() {
            for (was, item) in gone.into_iter().zip(come) {
                self.compare(below(will_be, item), was, item, element);
            }
        } else {
            gone.into_iter().for_each(|item| self.values(below(was, item), Some(item), None));
            come.into_iter().for_each(|item| self.values(below(will_be, item), None, Some(item)));
        }
    }
}

/// A key as the next step of a way.
fn step(key: &str, attribute: Option<&Attribute>) -> String {
    let is_word = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match attribute.map(|attribute| &attribute.shape) {
        Some(Shape::Map(_)) => format!("[{}]", quoted(key)),
        _ if is_word => format!(".{key}"),
        _ => format!("[{}]", quoted(key)),
    }
}

fn is_policy(attribute: Option<&Attribute>) -> bool {
    attribute.is_some_and(|attribute| attribute.compare == Some(Compare::Policy))
}

/// The marker that stands for a secret is no structure to look into.
fn is_secret(value: &Planned) -> bool {
    value.plain().as_ref().and_then(marker_template).is_some()
}

/// The document that a text is, if it is one.
fn document(text: &str) -> Option<Planned> {
    let json: serde_json::Value = match text.trim_start().chars().next() {
        Some('{' | '[') => serde_json::from_str(text).ok()?,
        _ => return None,
    };
    (json.is_object() || json.is_array()).then(|| Value::from_json(&json).lift::<Unknown>())
}

/// Equal values have equal spellings.
fn spelled(value: &Planned) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The items of one list that another one lacks, counting repeated ones.
fn without<'a>(items: &'a [Planned], others: &[Planned]) -> impl Iterator<Item = &'a Planned> {
    let mut left: BTreeMap<String, usize> = BTreeMap::new();
    for other in others {
        *left.entry(spelled(other)).or_default() += 1;
    }
    items.iter().filter(move |item| match left.get_mut(&spelled(item)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    })
}

/// The key whose text tells the elements of both lists apart: the declared one, or the one that most elements of both
/// have in common.
fn naming_key(was: &[Planned], will_be: &[Planned], declared: Option<&str>) -> Option<String> {
    let tells_apart = |key: &str| {
        [was, will_be].into_iter().all(|items| !items.is_empty() && by_name(items, key).len() == items.len())
    };
    if let Some(key) = declared.filter(|key| tells_apart(key)) {
        return Some(key.to_owned());
    }
    let candidates = was.first()?.as_map()?.keys().filter(|key| tells_apart(key));
    let in_common = |key: &String| {
        let new = by_name(will_be, key);
        by_name(was, key).keys().filter(|name| new.contains_key(*name)).count()
    };
    let mut best: Option<(usize, &String)> = None;
    for key in candidates {
        let count = in_common(key);
        if count > best.map_or(0, |(most, _)| most) {
            best = Some((count, key));
        }
    }
    best.map(|(_, key)| key.clone())
}

/// The elements that have a text under `key`, by that text.
fn by_name<'a>(items: &'a [Planned], key: &str) -> BTreeMap<&'a str, &'a Planned> {
    items.iter().filter_map(|item| Some((item.get(key)?.as_text()?, item))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap as Map;

    use super::*;
    use crate::spec::{OverlayFile, Specs};

    const IAM: &str = r#"
[role]
doc = "A role."
identity = ["name"]
[role.attributes]
name = { type = "string", doc = "Name." }
policy = { type = "json", compare = "policy", keyed_by = "Sid", doc = "Policy." }
command = { type = "list", of = "string", doc = "Command." }
groups = { type = "list", of = "string", unordered = true, doc = "Groups." }
"#;

    fn attribute(name: &str) -> Attribute {
        let file = OverlayFile { name: "iam.toml".into(), types_of: Some("iam".into()), text: IAM.into() };
        let types = Specs::from_files([file]).expect("valid types").types;
        types.values().next().expect("a type").attributes[name].clone()
    }

    fn planned(json: &str) -> Planned {
        Value::from_json(&serde_json::from_str(json).expect("JSON")).lift()
    }

    fn told(name: &str, before: &str, after: &str) -> Vec<String> {
        let (before, after) = (planned(before), planned(after));
        leaves(Some(&before), Some(&after), Some(&attribute(name))).iter().map(tell).collect()
    }

    fn tell(leaf: &Leaf) -> String {
        let side = |value: &Option<Planned>| value.as_ref().map_or("-".to_owned(), spelled);
        match &leaf.content {
            Content::Values { before, after } => format!("{} {} > {}", leaf.suffix, side(before), side(after)),
            Content::Elements(elements) => {
                let words: Vec<String> =
                    elements.iter().map(|(comes, item)| format!("{comes}:{}", spelled(item))).collect();
                format!("{} {}", leaf.suffix, words.join(" "))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_statement_is_found_by_its_name_and_an_action_is_one_leaf() {
        let before = r#"{"Statement": [{"Sid": "A", "Action": ["x", "y"]}, {"Sid": "B", "Action": "z"}]}"#;
        let after = r#"{"Statement": [{"Sid": "B", "Action": ["z"]}, {"Sid": "A", "Action": ["y", "w"]}]}"#;
        assert_eq!(
            told("policy", before, after),
            [r#".Statement["A"].Action false:"x" true:"w""#],
            "one action and a list of it are the same"
        );
    }

    #[test]
    fn statements_without_names_are_matched_by_what_most_have_in_common() {
        let before = r#"{"Statement": [{"Action": "a", "Resource": "1"}, {"Action": "b", "Resource": "2"}]}"#;
        let after = r#"{"Statement": [{"Action": "a", "Resource": "3"}, {"Action": "b", "Resource": "2"}]}"#;
        assert_eq!(told("policy", before, after), [r#".Statement["a"].Resource "1" > "3""#]);
        let after = r#"{"Statement": [{"Resource": "2", "Action": "b"}]}"#;
        assert_eq!(
            told("policy", before, after),
            [r#".Statement["a"] {"Action":"a","Resource":"1"} > -"#],
            "the other one only moved"
        );
    }

    #[test]
    fn one_word_of_a_command_is_one_leaf_and_another_command_is_another_command() {
        let before = r#"["CMD-SHELL", "curl -s localhost:3000/health | grep -q OK"]"#;
        let after = before.replace("3000", "3001");
        assert_eq!(
            told("command", before, &after),
            [r#"[1] "curl -s localhost:3000/health | grep -q OK" > "curl -s localhost:3001/health | grep -q OK""#]
        );
        assert_eq!(told("command", r#"["a", "b"]"#, r#"["c"]"#), [r#" ["a","b"] > ["c"]"#]);
        assert_eq!(told("groups", r#"["a", "b"]"#, r#"["b", "c", "c"]"#), [r#" false:"a" true:"c" true:"c""#]);
    }

    #[test]
    fn a_text_that_is_a_document_is_looked_into_and_a_secret_is_not() {
        let (before, after) = (Planned::Text(r#"{"a": {"b": 1}}"#.into()), Planned::Text(r#"{"a": {"b": 2}}"#.into()));
        let found = leaves(Some(&before), Some(&after), None);
        assert_eq!(found.iter().map(tell).collect::<Vec<_>>(), [".a.b 1 > 2"]);
        let secret = |from: &str| Planned::Map(Map::from([("secret".to_owned(), Planned::Text(from.to_owned()))]));
        assert_eq!(leaves(Some(&secret("${a}")), Some(&secret("${b}")), None)[0].suffix, "");
    }
}
