//! What a type costs, as `[type.price]` in `specs/types` says it, and what an instance costs beside its resources, as
//! `[expense.NAME]` in the blueprint says it.
//!
//! Rules are expressions over a resource's attributes (`resource.cpu`), those of one it needs (`needs.task.cpu`) and what
//! a month brings (`usage.media_gb`), all numbers as fractions. Reading checks their form. They are parsed when
//! somebody asks what something costs, and checked by [`super::price_lint`], because that takes longer than all the rest.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::reader::Reader;
use crate::address::TypeName;
use crate::diagnostic::{Diagnostic, Diagnostics, Location};
use crate::document::{Content, Entry, Node};
use crate::expr::Template;
use crate::value::Value;

/// The table of `mastodon.toml` whose settings are `usage` in rules.
pub const USAGE: &str = "cost";

/// What a type says about its price.
#[derive(Clone, Debug)]
pub enum Pricing {
    /// It costs nothing, and why.
    Free(String),
    /// Nobody knows here what it costs, and why.
    Unknown(String),
    Items {
        /// Other resources whose attributes decide the price, by the name that rules give them.
        needs: BTreeMap<String, TypeName>,
        items: Vec<Item>,
        /// The lines of what its deletion leaves behind: a last snapshot.
        left: Vec<Item>,
    },
}

/// A line of the bill.
#[derive(Clone, Debug)]
pub struct Item {
    pub name: String,
    /// As people call it: `storage`.
    pub label: String,
    /// The group that it is shown in, by its name in `specs/prices.toml`.
    pub group: String,
    pub doc: String,
    /// It is there only if this is true.
    pub when: Option<Rule>,
    /// An expense that goes on after the instance has gone.
    pub stays: bool,
    pub charge: Charge,
    pub location: Location,
}

/// How the amount of a line comes to be.
#[derive(Clone, Debug)]
pub enum Charge {
    /// It is not known, and why.
    Unknown(String),
    Priced(Box<Priced>),
}

/// A price, and how many of what it is for.
#[derive(Clone, Debug)]
pub struct Priced {
    /// Keys of `specs/prices.toml`: texts with expressions in them.
    pub price: Spread<Rule>,
    pub quantity: Spread<Rule>,
    /// The quantity where what `quantity` reads is known only after apply.
    pub if_unknown: Option<Rule>,
    /// The free allowance it is taken from first.
    pub free: Option<String>,
    /// The quantity is that of the whole instance, divided among all resources of the type.
    pub shared: bool,
}

/// A low, a typical and a high one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spread<T> {
    pub low: T,
    pub typical: T,
    pub high: T,
}

impl<T> Spread<T> {
    /// The same three times.
    pub fn all(one: T) -> Self
    where
        T: Clone,
    {
        Self { low: one.clone(), typical: one.clone(), high: one }
    }

    /// From low to high.
    pub fn each(&self) -> [&T; 3] {
        [&self.low, &self.typical, &self.high]
    }

    /// From low to high.
    pub fn of([low, typical, high]: [T; 3]) -> Self {
        Self { low, typical, high }
    }
}

/// An expression, or a text with expressions in it, that is parsed when it is first needed.
#[derive(Clone, Debug)]
pub struct Rule {
    pub text: String,
    pub location: Location,
    /// Whether the text as a whole is an expression, without `${}`.
    is_bare: bool,
    parsed: OnceLock<Result<Arc<Parsed>, Diagnostic>>,
}

/// What a rule is once it is parsed.
#[derive(Debug)]
pub enum Parsed {
    /// A text without expressions.
    Text(String),
    Template(Template),
}

impl Rule {
    fn new(text: impl Into<String>, location: &Location, is_bare: bool) -> Self {
        Self { text: text.into(), location: location.clone(), is_bare, parsed: OnceLock::new() }
    }

    /// The rule, ready to be evaluated.
    ///
    /// # Errors
    ///
    /// It is no expression.
    pub fn parsed(&self) -> Result<Arc<Parsed>, Diagnostic> {
        let parse = || {
            let parsed = if self.is_bare {
                Parsed::Template(Template::bare(&self.text, &self.location)?)
            } else {
                match Template::parse(&self.text, &self.location)? {
                    Ok(template) => Parsed::Template(template),
                    Err(text) => Parsed::Text(text),
                }
            };
            Ok(Arc::new(parsed))
        };
        self.parsed.get_or_init(parse).clone()
    }
}

impl Pricing {
    /// The lines of a resource, and those of what its deletion leaves behind.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        let (items, left): (&[Item], &[Item]) = match self {
            Self::Items { items, left, .. } => (items, left),
            Self::Free(_) | Self::Unknown(_) => (&[], &[]),
        };
        items.iter().chain(left)
    }
}

impl Item {
    /// Every rule of it, and whether it is a key of a price.
    pub fn rules(&self) -> Vec<(&Rule, bool)> {
        let mut rules: Vec<(&Rule, bool)> = self.when.iter().map(|rule| (rule, false)).collect();
        if let Charge::Priced(priced) = &self.charge {
            rules.extend(priced.price.each().map(|rule| (rule, true)));
            rules.extend(priced.quantity.each().map(|rule| (rule, false)));
            rules.extend(priced.if_unknown.iter().map(|rule| (rule, false)));
        }
        rules
    }
}

/// Reads `[type.price]`. `None` if the type says nothing.
pub fn read(reader: &mut Reader<'_>) -> Option<Pricing> {
    reader.used.push("price");
    let node = reader.table.get("price")?;
    let mut price = Reader {
        diagnostics: &mut *reader.diagnostics,
        table: node,
        what: "`price`",
        used: vec!["needs", "items", "left"],
    };
    let (free, unknown) = (price.text("free"), price.text("unknown"));
    price.refuse_others();
    let mut lines = |key: &str| -> Vec<Item> {
        let entries = node.get(key).map(Node::entries).unwrap_or_default();
        entries.iter().filter_map(|entry| item(entry, reader.diagnostics)).collect()
    };
    let (items, left) = (lines("items"), lines("left"));
    let needs = needs(node, reader.diagnostics);
    match (free, unknown, node.get("items")) {
        (Some(why), None, None) => Some(Pricing::Free(why)),
        (None, Some(why), None) => Some(Pricing::Unknown(why)),
        (None, None, Some(_)) => Some(Pricing::Items { needs, items, left }),
        _ => {
            reader.diagnostics.push(
                Diagnostic::error("price-rule", "a price has `items`, or is `free`, or is `unknown`")
                    .at(&node.location, "exactly one of the three"),
            );
            None
        }
    }
}

fn needs(node: &Node, diagnostics: &mut Diagnostics) -> BTreeMap<String, TypeName> {
    let mut found = BTreeMap::new();
    for entry in node.get("needs").map(Node::entries).unwrap_or_default() {
        match entry.node.text().and_then(|text| text.split_once('.')) {
            Some((service, kind)) => {
                found.insert(entry.key.clone(), TypeName::new(service, kind));
            }
            None => diagnostics.push(
                Diagnostic::error("price-rule", "`needs` are types by name: { task = \"ecs.task_definition\" }")
                    .at(&entry.node.location, "no type"),
            ),
        }
    }
    found
}

/// Reads one line of a bill: of a type, or of the blueprint.
pub fn item(entry: &Entry, diagnostics: &mut Diagnostics) -> Option<Item> {
    let node = &entry.node;
    let mut reader = Reader { diagnostics, table: node, what: "an item of a price", used: Vec::new() };
    let (label, group, doc) = (reader.text("label"), reader.text("group"), reader.text("doc"));
    let (unknown, free) = (reader.text("unknown"), reader.text("free"));
    let (shared, stays) = (reader.flag("shared", false), reader.flag("stays", false));
    for key in ["when", "price", "quantity", "if_unknown"] {
        reader.used.push(key);
    }
    let mut rule = |key: &str, is_bare: bool| spread(reader.table.get(key)?, key, is_bare, reader.diagnostics);
    let when = rule("when", true).map(|rule| rule.typical);
    let (price, quantity) = (rule("price", false), rule("quantity", true));
    let if_unknown = rule("if_unknown", true).map(|rule| rule.typical);
    reader.refuse_others();
    let charge = match (price, quantity, unknown) {
        (Some(price), Some(quantity), None) => {
            Some(Charge::Priced(Box::new(Priced { price, quantity, if_unknown, free, shared })))
        }
        (None, None, Some(why)) => Some(Charge::Unknown(why)),
        _ => None,
    };
    match (label, group, doc, charge) {
        (Some(label), Some(group), Some(doc), Some(charge)) => Some(Item {
            name: entry.key.clone(),
            label,
            group,
            doc,
            when,
            stays,
            charge,
            location: entry.key_location.clone(),
        }),
        _ => {
            diagnostics.push(
                Diagnostic::error("price-rule", format!("the item `{}` of a price is not complete", entry.key))
                    .at(&entry.key_location, "")
                    .hint("it needs `label`, `group` and `doc`, and either `price` and `quantity` or `unknown`"),
            );
            None
        }
    }
}

/// One rule for all three, or a table of three.
fn spread(node: &Node, key: &str, is_bare: bool, diagnostics: &mut Diagnostics) -> Option<Spread<Rule>> {
    let one = |node: &Node| match &node.content {
        Content::Text(text) => Some(Rule::new(text, &node.location, is_bare)),
        Content::Integer(_) | Content::Number(_) if is_bare => {
            let number = node.value().as_number().unwrap_or_default();
            Some(Rule::new(Value::Number(number).to_string(), &node.location, true))
        }
        _ => None,
    };
    let found = match &node.content {
        Content::Table(_) => {
            let part = |key: &str| node.get(key).and_then(one);
            match (part("low"), part("typical"), part("high"), node.entries().len()) {
                (Some(low), Some(typical), Some(high), 3) => Some(Spread { low, typical, high }),
                _ => None,
            }
        }
        _ => one(node).map(Spread::all),
    };
    if found.is_none() {
        let message = format!("`{key}` must be a text, or a table of `low`, `typical` and `high`");
        diagnostics.push(Diagnostic::error("wrong-type", message).at(&node.location, ""));
    }
    found
}
