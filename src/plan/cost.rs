//! The effect of a plan on the bill: the cost of the resources before it and after it.
//!
//! Both sides are estimates of [`crate::cost`], with the same prices and the same usage: what a month brings is not
//! what a plan changes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::change::Plan;
use super::drift::LeftOver;
use super::resolve::{Graph, World};
use crate::address::Address;
use crate::cost::{self, Amounts, Attributes, Estimate, Market, Resource, Resources};
use crate::diagnostic::Diagnostics;
use crate::spec::pricing::Pricing;
use crate::state::State;
use crate::value::Planned;

/// The effect of a plan on the bill, a month.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// The month of the prices: `2026-10`.
    pub collected: String,
    pub before: Amounts,
    pub after: Amounts,
    /// In the order in which they are shown; those that cost nothing before or after are left out.
    pub groups: Vec<Share>,
    /// The resources whose cost changes. What is no resource has no name.
    pub resources: Vec<Share>,
    /// Resources without a price, of those before and after the plan.
    pub gaps: Vec<cost::Gap>,
}

/// A part of the bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The title of a group, or the address of a resource; empty for what is no resource.
    pub name: String,
    pub before: Amounts,
    pub after: Amounts,
}

impl Cost {
    /// The effect of one estimate taking the place of another.
    pub fn between(market: &Market<'_>, before: &Estimate, after: &Estimate) -> Self {
        let share = |name: &str, before, after| Share { name: name.to_owned(), before, after };
        let groups = market.table.groups.iter();
        let groups = groups.map(|(name, title)| share(title, before.of_group(name), after.of_group(name)));
        let (old, new) = (before.by_resource(), after.by_resource());
        let addresses: BTreeSet<Option<&Address>> = old.keys().chain(new.keys()).copied().collect();
        let resources = addresses.into_iter().map(|address| {
            let name = address.map(ToString::to_string).unwrap_or_default();
            let of = |side: &BTreeMap<Option<&Address>, Amounts>| side.get(&address).copied().unwrap_or_default();
            share(&name, of(&old), of(&new))
        });
        Self {
            collected: market.table.collected.clone(),
            before: before.total(),
            after: after.total(),
            groups: groups.filter(|share| share.before != share.after || share.after != Amounts::default()).collect(),
            resources: resources.filter(|share| share.before != share.after).collect(),
            gaps: {
                let gone = before.gaps.iter().filter(|gap| !after.gaps.contains(gap));
                after.gaps.iter().chain(gone).cloned().collect()
            },
        }
    }

    /// The amount that is added to the bill; below zero if it gets smaller.
    pub fn difference(&self) -> Amounts {
        self.after - self.before
    }
}

/// The resources that the state remembers and that exist.
pub fn recorded(state: &State) -> Resources<'_> {
    let existing = state.rows.iter().filter(|(_, row)| row.identity.is_some());
    let resources = existing.map(|(address, row)| {
        let attributes = Attributes::Recorded { inputs: &row.inputs, facts: &row.facts };
        (address, Resource { region: &row.region, attributes, needs: row.depends_on.iter().collect() })
    });
    resources.collect()
}

/// The resources that the file wants, with their attributes as far as they are known.
pub fn desired<'a>(
    graph: &'a Graph,
    attributes: impl IntoIterator<Item = (&'a Address, &'a Planned)>,
) -> Resources<'a> {
    let resources = attributes.into_iter().filter_map(|(address, planned)| {
        let node = graph.nodes.get(address)?;
        let attributes = Attributes::Desired(planned);
        Some((address, Resource { region: &node.region, attributes, needs: node.depends_on.keys().collect() }))
    });
    resources.collect()
}

/// The effect on the bill of a plan that makes `after` of the resources in the state.
///
/// # Errors
///
/// The table of prices is not sound.
pub fn of(world: &World<'_>, state: &State, after: &Resources<'_>) -> Result<Cost, Diagnostics> {
    let market = Market::of(world.specs, world.evaluator, &world.config.values, &world.config.region)?;
    let mut recorded = recorded(state);
    let before = cost::estimate(&market, &recorded);
    recorded.retain(|address, _| !after.contains_key(address));
    Ok(Cost::between(&market, &before, &cost::after_deleting(&market, after, &recorded)))
}

/// Says of what is left over what it costs: nothing where its type is free, else as much as what has its address now, in the
/// state or in the plan.
///
/// # Errors
///
/// The table of prices is not sound.
pub fn price_left_over(
    world: &World<'_>,
    state: &State,
    plan: &Plan,
    left_over: &mut [LeftOver],
) -> Result<(), Diagnostics> {
    let market = Market::of(world.specs, world.evaluator, &world.config.values, &world.config.region)?;
    let mut resources = recorded(state);
    for change in &plan.changes {
        let Some(planned) = change.desired.as_deref() else { continue };
        let attributes = Attributes::Desired(planned);
        let needs = change.depends_on.keys().collect();
        resources.entry(&change.address).or_insert(Resource { region: &change.region, attributes, needs });
    }
    let estimate = cost::of_resources(&market, &resources);
    let costs = estimate.by_resource();
    for thing in left_over {
        let Some(Ok(address)) = thing.address.as_ref().map(|address| address.parse::<Address>()) else { continue };
        let pricing = world.specs.types.get(&address.type_name).and_then(|found| found.pricing.as_ref());
        let is_known = !estimate.gaps.iter().any(|gap| gap.address.as_ref() == Some(&address));
        thing.usd_a_month = match pricing {
            Some(Pricing::Free(_)) => Some(0.0),
            Some(Pricing::Items { .. }) if is_known => {
                costs.get(&Some(&address)).map(|amounts| amounts.typical.dollars())
            }
            _ => None,
        };
    }
    Ok(())
}
