//! References instead of one another's names: an ARN of the state becomes `database.arn` again.
//!
//! A resource refers only to those it was made from, which the state has recorded. Of these, values that the cloud has
//! chosen are found wherever they stand in a text, whole. Names that somebody has chosen stand for other things too, so
//! they count only in an attribute that says what it refers to.

use crate::address::Address;
use crate::diagnostic::{Location, SourceFile};
use crate::expr::{self, Template};
use crate::plan::diff::marker_template;
use crate::spec::counterpart::Tool;
use crate::spec::types::{Attribute, ResourceType, Shape};
use crate::value::{Tree, Value};

use super::{Item, Leaf, Written};

/// The fewest letters of a value that is looked for in texts.
const FEWEST_LETTERS: usize = 6;

/// A value of another resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub address: Address,
    /// The attribute, and what is selected of it.
    pub path: Vec<String>,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Literal(String),
    Reference(Reference),
}

/// A value to be found, and what it is.
struct Candidate {
    text: String,
    reference: Reference,
}

/// The values to be found, in an order in which all that a text begins with are near each other.
struct Candidates {
    /// By their texts.
    sorted: Vec<Candidate>,
    /// For each, the longest other one that it begins with.
    shorter: Vec<Option<usize>>,
}

impl Candidates {
    /// Of several with the same text, the first one counts.
    fn of(mut all: Vec<Candidate>) -> Self {
        all.sort_by(|left, right| left.text.cmp(&right.text));
        all.dedup_by(|later, first| later.text == first.text);
        let mut shorter: Vec<Option<usize>> = Vec::with_capacity(all.len());
        for (index, candidate) in all.iter().enumerate() {
            let mut before = index.checked_sub(1);
            while let Some(at) = before.filter(|at| !candidate.text.starts_with(&all[*at].text)) {
                before = shorter[at];
            }
            shorter.push(before);
        }
        Self { sorted: all, shorter }
    }

    /// Those that a text may begin with, the longest first: whatever it begins with is among them.
    fn near(&self, text: &str) -> impl Iterator<Item = &Candidate> {
        let last = self.sorted.partition_point(|candidate| candidate.text.as_str() <= text).checked_sub(1);
        let chain = std::iter::successors(last, |at| self.shorter[*at]);
        chain.map(|at| &self.sorted[at])
    }
}

/// The attributes of an item that somebody sets, with references to what it needs.
pub fn written(item: &Item<'_>, needed: &[(&Address, &Item<'_>)], tool: Tool) -> Written {
    let chosen = chosen(needed, tool);
    let mut all = std::collections::BTreeMap::new();
    for (name, attribute) in &item.resource_type.attributes {
        if attribute.computed {
            continue;
        }
        if let Some(value) = item.values.get(name) {
            let scope = Scope { chosen: &chosen, needed, tool };
            all.insert(name.clone(), scope.value(value, attribute, attribute));
        }
    }
    Tree::Map(all)
}

/// The values that the cloud has chosen for what is needed.
fn chosen(needed: &[(&Address, &Item<'_>)], tool: Tool) -> Candidates {
    let mut all = Vec::new();
    let mut others = Vec::new();
    for (address, item) in needed {
        for (name, attribute) in &item.resource_type.attributes {
            let is_there = attribute.computed && !attribute.sensitive && !attribute.volatile;
            let Some(text) = item.values.get(name).and_then(Tree::as_text) else { continue };
            if is_there && !attribute.place(tool).is_absent && text.len() >= FEWEST_LETTERS {
                let reference = Reference { address: (*address).clone(), path: vec![name.clone()] };
                // Of two that are the same, the one that is part of the identity.
                let is_identity = item.resource_type.identity == reference.path;
                let found = if is_identity { &mut all } else { &mut others };
                found.push(Candidate { text: text.to_owned(), reference });
            }
        }
    }
    all.append(&mut others);
    Candidates::of(all)
}

struct Scope<'a> {
    chosen: &'a Candidates,
    needed: &'a [(&'a Address, &'a Item<'a>)],
    tool: Tool,
}

impl Scope<'_> {
    /// `whole` is the attribute of the type that the value is part of: what it refers to counts for all of it.
    fn value(&self, value: &Value, attribute: &Attribute, whole: &Attribute) -> Written {
        if attribute.sensitive {
            return marker_template(value)
                .map(|template| Tree::Leaf(Leaf::Secret(parts(template))))
                .unwrap_or_default();
        }
        match (value, &attribute.shape) {
            (Tree::Map(entries), shape) => {
                let child = |key: &str| match shape {
                    Shape::Object(children) => children.get(key),
                    _ => attribute.child(key),
                };
                let entries = entries.iter().map(|(key, entry)| {
                    let child = child(key).unwrap_or(attribute);
                    (key.clone(), self.value(entry, child, child))
                });
                Tree::Map(entries.collect())
            }
            (Tree::List(items), _) => {
                let element = attribute.child("").unwrap_or(attribute);
                Tree::List(items.iter().map(|item| self.value(item, element, whole)).collect())
            }
            (Tree::Text(text), _) => self.named(text, whole).unwrap_or_else(|| self.text(text)),
            (plain, _) => plain.lift(),
        }
    }

    /// The resource that an attribute says it refers to, if `text` is the identity of one that is needed.
    fn named(&self, text: &str, attribute: &Attribute) -> Option<Written> {
        let refers_to = attribute.refers_to.as_ref()?;
        let of_type = |(address, _): &&(&Address, &Item<'_>)| address.type_name == *refers_to;
        let (address, item) = self.needed.iter().filter(of_type).find(|(_, item)| item.identity.as_str() == text)?;
        let [own] = &item.resource_type.identity[..] else { return None };
        let name = attribute.place(self.tool).reference.as_ref().unwrap_or(own);
        let reference = Reference { address: (*address).clone(), path: vec![name.clone()] };
        Some(Tree::Leaf(Leaf::Text(vec![Part::Reference(reference)])))
    }

    /// A text with what the cloud has chosen for others in it.
    fn text(&self, text: &str) -> Written {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        let mut before = None;
        while let Some(letter) = rest.chars().next() {
            // Within a word nothing is looked for.
            let mut near = is_border(before).then(|| self.chosen.near(rest)).into_iter().flatten();
            let found = near.find(|candidate| {
                let after = rest.strip_prefix(candidate.text.as_str());
                after.is_some_and(|after| is_border(after.chars().next()))
            });
            match found {
                Some(candidate) => {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Reference(candidate.reference.clone()));
                    rest = &rest[candidate.text.len()..];
                    before = candidate.text.chars().next_back();
                }
                None => {
                    literal.push(letter);
                    before = Some(letter);
                    rest = &rest[letter.len_utf8()..];
                }
            }
        }
        if parts.is_empty() {
            return Tree::Text(literal);
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Tree::Leaf(Leaf::Text(parts))
    }
}

/// Whether a name may end, or begin, beside this letter.
fn is_border(letter: Option<char>) -> bool {
    letter.is_none_or(|letter| !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_' | '.'))
}

/// The template of a secret in pieces. One that cannot be read is empty: then the secret is left out.
fn parts(template: &str) -> Vec<Part> {
    let location = Location::new(&SourceFile::new("the state", template), 0..template.len());
    let Ok(Ok(template)) = Template::parse(template, &location) else { return Vec::new() };
    let parts = template.parts.iter().map(|part| match part {
        expr::Part::Literal(text) => Some(Part::Literal(text.clone())),
        expr::Part::Expression(expression) => match &expression.references[..] {
            [only] if only.to_string() == expression.source.trim() => {
                Some(Part::Reference(Reference { address: only.address()?, path: only.path.clone() }))
            }
            _ => None,
        },
    });
    parts.collect::<Option<_>>().unwrap_or_default()
}

/// The attribute that a reference names.
pub fn attribute<'a>(resource_type: &'a ResourceType, reference: &Reference) -> Option<&'a Attribute> {
    resource_type.attributes.get(reference.path.first()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(texts: &[String]) -> Candidates {
        let one = |(number, text): (usize, &String)| Candidate {
            text: text.clone(),
            reference: Reference {
                address: format!("a.b.c{number}").parse().expect("an address"),
                path: vec!["id".to_owned()],
            },
        };
        Candidates::of(texts.iter().enumerate().map(one).collect())
    }

    #[test]
    fn whatever_a_text_begins_with_is_near_it_the_longest_first() {
        let texts = ["ab", "abc", "abcd", "abd", "b", "abc", "ac"].map(str::to_owned);
        let all = candidates(&texts);
        for text in ["abcde", "abce", "abd", "ab", "a", "b", "c", "abz", ""] {
            let found: Vec<&str> =
                all.near(text).map(|one| one.text.as_str()).filter(|one| text.starts_with(one)).collect();
            let mut wanted: Vec<&str> = texts.iter().map(String::as_str).filter(|one| text.starts_with(one)).collect();
            wanted.sort_by_key(|one| std::cmp::Reverse(one.len()));
            wanted.dedup();
            assert_eq!(found, wanted, "{text}");
        }
        let first = all.near("abc").next().expect("one");
        assert_eq!(first.reference.address.to_string(), "a.b.c1", "the first of the same text");
    }

    /// The work at a place in a text does not grow with the number of values.
    #[test]
    fn few_of_many_values_are_near_a_text() {
        let texts: Vec<String> = (0..5_000).map(|number| format!("arn:aws:x:{number:05}")).collect();
        let all = candidates(&texts);
        assert_eq!(all.near("arn:aws:x:02500:y").count(), 1);
        assert!(all.near("arn:aws:x:").count() <= 1 && all.near("zzz").count() <= 1);
    }
}
