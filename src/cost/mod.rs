//! The monthly cost of resources: an estimate, line by line.
//!
//! [`estimate`] is a pure function of a set of resources, the rules of their types, the list prices, and what the settings
//! say a month brings. It knows no resource and no price by itself: rules are `specs/types` ([`crate::spec::pricing`]),
//! prices are `specs/prices.toml` ([`crate::spec::prices`]).
//!
//! # Guarantees
//!
//! - The total is the sum of the lines, to the cent; the amount of a group is the sum of its lines ([`money`]).
//! - What has no price, or none in its region, or depends on what is known only after apply, is a [`Gap`] with its reason.
//!   Nothing is guessed.
//! - Free allowances are taken off in the order of the lines and said apart. They are an account's: what other instances
//!   of the account use of them is not known.

pub mod money;
mod rules;

use std::collections::BTreeMap;

use crate::address::Address;
use crate::expr::{Evaluator, Late};
use crate::spec::prices::{Per, Row, Table};
use crate::spec::pricing::{Charge, Item, Priced, Pricing, Spread, USAGE};
use crate::spec::types::{ResourceType, Types};
use crate::spec::{Blueprint, Specs};
use crate::value::{Planned, Tree, Value};
pub use money::{Amounts, Money};
use rules::Rules;

/// A resource to be priced.
#[derive(Clone, Debug)]
pub struct Resource<'a> {
    pub region: &'a str,
    pub attributes: Attributes<'a>,
    /// The resources it was made from, or will be.
    pub needs: Vec<&'a Address>,
}

/// The attributes of a resource, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub enum Attributes<'a> {
    Desired(&'a Planned),
    Recorded { inputs: &'a Value, facts: &'a Value },
}

/// The resources to be priced, by address.
pub type Resources<'a> = BTreeMap<&'a Address, Resource<'a>>;

/// Prices, rules and settings that an estimate is made with.
pub struct Market<'a> {
    pub types: &'a Types,
    pub blueprint: &'a Blueprint,
    pub table: &'a Table,
    pub evaluator: &'a Evaluator,
    /// All settings of the instance. Those of `[cost]` say what a month brings.
    pub settings: &'a Value,
    pub region: &'a str,
}

/// A line of the bill.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The resource; `None` for what is none.
    pub address: Option<Address>,
    pub item: String,
    pub label: String,
    pub group: String,
    pub doc: String,
    pub quantity: Spread<f64>,
    /// The unit of the quantity: `GB-month`.
    pub unit: String,
    pub per: Per,
    /// The keys of the prices.
    pub prices: Spread<String>,
    pub rows: Spread<Row>,
    /// Some of the prices are no list prices: they go up and down. What AWS calls that.
    pub floats: Option<String>,
    /// The quantity is assumed, because what it depends on is known only after apply.
    pub assumed: bool,
    pub amount: Amounts,
    /// The free allowance of an account by name, and the amount it took off.
    pub free: Option<(String, Amounts)>,
}

/// Something that has no price here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The resource; `None` for what is none.
    pub address: Option<Address>,
    pub label: String,
    pub why: String,
}

/// The monthly cost of some resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimate {
    pub lines: Vec<Line>,
    pub gaps: Vec<Gap>,
    /// The month of the prices.
    pub collected: String,
}

impl Estimate {
    /// The sum of all lines.
    pub fn total(&self) -> Amounts {
        self.lines.iter().map(|line| line.amount).sum()
    }

    /// The sum of the lines of a group.
    pub fn of_group(&self, group: &str) -> Amounts {
        self.lines.iter().filter(|line| line.group == group).map(|line| line.amount).sum()
    }

    /// The sum of the lines of each resource; that of what is none has no address.
    pub fn by_resource(&self) -> BTreeMap<Option<&Address>, Amounts> {
        let mut sums: BTreeMap<Option<&Address>, Amounts> = BTreeMap::new();
        for line in &self.lines {
            let sum = sums.entry(line.address.as_ref()).or_default();
            *sum = *sum + line.amount;
        }
        sums
    }
}

impl<'a> Market<'a> {
    /// The market of an instance.
    ///
    /// # Errors
    ///
    /// The table of prices is not sound.
    pub fn of(
        specs: &'a Specs,
        evaluator: &'a Evaluator,
        settings: &'a Value,
        region: &'a str,
    ) -> Result<Self, crate::diagnostic::Diagnostics> {
        let table = specs.prices.table()?;
        Ok(Self { types: &specs.types, blueprint: &specs.blueprint, table, evaluator, settings, region })
    }

    /// The usage of a month by name, as the settings say it.
    fn usage(&self, name: &[String]) -> Option<&'a Value> {
        self.settings.get(USAGE)?.at(name)
    }
}

/// The cost of the resources and the expenses of an instance beside them. Without resources there is no instance.
pub fn estimate(market: &Market<'_>, resources: &Resources<'_>) -> Estimate {
    after_deleting(market, resources, &Resources::new())
}

/// As [`estimate`], after the deletion of the resources that are `gone`: with what they leave behind, and with the
/// expenses that go on without an instance.
pub fn after_deleting(market: &Market<'_>, resources: &Resources<'_>, gone: &Resources<'_>) -> Estimate {
    let mut work = Work::new(market, resources);
    let goes_on = |item: &&Item| !resources.is_empty() || (item.stays && !gone.is_empty());
    for item in market.blueprint.expenses.iter().filter(goes_on) {
        work.item(None, market.region, item, &BTreeMap::new());
    }
    work.resources();
    work.left_by(gone);
    work.done()
}

/// The cost of the resources alone, without the expenses of an instance beside them.
pub fn of_resources(market: &Market<'_>, resources: &Resources<'_>) -> Estimate {
    let mut work = Work::new(market, resources);
    work.resources();
    work.done()
}

struct Work<'a> {
    market: &'a Market<'a>,
    resources: &'a Resources<'a>,
    /// The number of resources of each type.
    counts: BTreeMap<&'a crate::address::TypeName, u32>,
    /// The rest of each free allowance.
    free: BTreeMap<&'a str, [f64; 3]>,
    estimate: Estimate,
}

impl<'a> Work<'a> {
    fn new(market: &'a Market<'a>, resources: &'a Resources<'a>) -> Self {
        market.evaluator.begin();
        let free = market.table.free.iter().map(|(name, amount)| (name.as_str(), [*amount; 3])).collect();
        let estimate = Estimate { collected: market.table.collected.clone(), ..Estimate::default() };
        Self { market, resources, counts: counts(resources), free, estimate }
    }

    fn resources(&mut self) {
        for (address, resource) in self.resources {
            let pricing = self.market.types.get(&address.type_name).and_then(|found| found.pricing.as_ref());
            match pricing {
                Some(Pricing::Free(_)) => {}
                Some(Pricing::Unknown(why)) => self.gap(Some(address), "everything", why),
                Some(Pricing::Items { needs, items, .. }) => {
                    for item in items {
                        self.item(Some((address, resource)), resource.region, item, needs);
                    }
                }
                None => self.gap(Some(address), "everything", "its type does not say what it costs"),
            }
        }
    }

    /// The lines of what deleted resources leave behind.
    fn left_by(&mut self, gone: &'a Resources<'a>) {
        (self.resources, self.counts) = (gone, counts(gone));
        for (address, resource) in gone {
            let pricing = self.market.types.get(&address.type_name).and_then(|found| found.pricing.as_ref());
            if let Some(Pricing::Items { needs, left, .. }) = pricing {
                for item in left {
                    self.item(Some((address, resource)), resource.region, item, needs);
                }
            }
        }
    }

    fn done(mut self) -> Estimate {
        let groups = &self.market.table.groups;
        let place = |line: &Line| groups.iter().position(|(name, _)| *name == line.group).unwrap_or(groups.len());
        self.estimate.lines.sort_by_key(place);
        self.estimate
    }

    fn gap(&mut self, address: Option<&Address>, label: &str, why: &str) {
        self.estimate.gaps.push(Gap { address: address.cloned(), label: label.to_owned(), why: why.to_owned() });
    }

    fn item(
        &mut self,
        owner: Option<(&Address, &Resource<'_>)>,
        region: &str,
        item: &Item,
        needs: &BTreeMap<String, crate::address::TypeName>,
    ) {
        let address = owner.map(|(address, _)| address);
        let rules = Rules { market: self.market, resources: self.resources, owner, needs };
        let line = match rules.holds(item.when.as_ref()) {
            Ok(false) => return,
            Err(why) => Err(why),
            Ok(true) => match &item.charge {
                Charge::Unknown(why) => Err(why.clone()),
                Charge::Priced(priced) => self.line(&rules, region, item, priced),
            },
        };
        match line {
            Ok(line) => self.estimate.lines.push(line),
            Err(why) => self.gap(address, &item.label, &why),
        }
    }

    fn line(&mut self, rules: &Rules<'_>, region: &str, item: &Item, priced: &Priced) -> Result<Line, String> {
        let table = self.market.table;
        let names = rules.texts(&priced.price)?;
        let found = names.each().map(|name| {
            let price = table.price(name).ok_or_else(|| format!("there is no price of {name}"))?;
            let row =
                table.row(price, region).ok_or_else(|| format!("there is no price of {} in {region}", price.name))?;
            Ok::<_, String>((price, row))
        });
        let [low, typical, high] = found;
        let prices = [low?, typical?, high?];
        let (quantity, assumed) = rules.quantities(&priced.quantity, priced.if_unknown.as_ref())?;
        let share = match rules.owner {
            Some((address, _)) if priced.shared => self.counts.get(&address.type_name).copied().unwrap_or(1),
            _ => 1,
        };
        let quantity = quantity.map(|quantity| quantity / f64::from(share));
        let allowance = priced.free.as_deref();
        let (mut amounts, mut taken) = ([Money::NOTHING; 3], [Money::NOTHING; 3]);
        for (index, (price, row)) in prices.iter().enumerate() {
            let left = allowance.and_then(|name| self.free.get_mut(name)).map(|left| &mut left[index]);
            let free = left.map_or(0.0, |left| {
                let free = left.min(quantity[index]);
                *left -= free;
                free
            });
            let charge = |quantity| {
                Money::charge(row.nanos, price.per, quantity, table.hours)
                    .ok_or_else(|| format!("{quantity} is no quantity"))
            };
            amounts[index] = charge(quantity[index] - free)?;
            taken[index] = charge(quantity[index])? - amounts[index];
        }
        let typical = prices[1].0;
        Ok(Line {
            address: rules.owner.map(|(address, _)| address.clone()),
            item: item.name.clone(),
            label: item.label.clone(),
            group: item.group.clone(),
            doc: item.doc.clone(),
            quantity: Spread::of(quantity),
            unit: typical.unit.clone(),
            per: typical.per,
            prices: Spread::of(prices.map(|(price, _)| price.name.clone())),
            rows: Spread::of(prices.map(|(_, row)| row.clone())),
            floats: prices.iter().find_map(|(price, _)| price.floats.clone()),
            assumed,
            amount: Spread::of(amounts),
            free: allowance.map(|name| (name.to_owned(), Spread::of(taken))),
        })
    }
}

/// The number of resources of each type.
fn counts<'a>(resources: &'a Resources<'a>) -> BTreeMap<&'a crate::address::TypeName, u32> {
    let mut counts = BTreeMap::new();
    for address in resources.keys() {
        *counts.entry(&address.type_name).or_default() += 1;
    }
    counts
}

impl Attributes<'_> {
    /// The value at a path; `None` if it is not set.
    fn at(&self, path: &[String]) -> Option<Tree<Late>> {
        let value = match self {
            Self::Desired(planned) => {
                let mut open = *planned;
                for key in path {
                    // A value that is unknown as a whole is unknown in its parts.
                    if let Tree::Leaf(unknown) = open {
                        return Some(Tree::Leaf(Late::Unknown(unknown.clone())));
                    }
                    open = open.get(key)?;
                }
                rules::late(open)
            }
            Self::Recorded { inputs, facts } => inputs.at(path).or_else(|| facts.at(path))?.lift(),
        };
        (!value.is_null()).then_some(value)
    }
}

/// The value of an attribute that nobody sets.
fn default_of(resource_type: &ResourceType, path: &[String]) -> Tree<Late> {
    let attribute = resource_type.attribute(path);
    match attribute {
        Some(attribute) => match (&attribute.default, &attribute.shape) {
            (Some(default), _) => default.lift(),
            (None, crate::spec::types::Shape::List(_)) => Tree::List(Vec::new()),
            _ => Tree::Null,
        },
        None => Tree::Null,
    }
}

#[cfg(test)]
mod tests;
