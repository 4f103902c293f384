//! From graph, state and observations to a plan: one walk along the dependencies.
//!
//! Every resource is evaluated as far as its dependencies are known, then compared. What is made anew makes the values
//! read from it unknown, and so the consequences of a change find their way through the graph.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;

use super::cause::{attribute_change, edited_setting};
use super::change::{Action, AttributeChange, Cause, Change, Fingerprint, Plan, Purpose, Raised, Reasons, usual_file};
use super::condition::{self, Verdict};
use super::diff::{self, Course, Difference, Sides};
use super::gates::{self, Rights, Wishes};
use super::refusal::{
    foreign, held_back, lowered, protection_hint, protection_inputs, troubled, undeletable, unproven,
};
use super::resolve::{self, Desired, Facts, Graph, ResourceScope, World, unknown};
use super::validate::validate;
use super::{cost, keep, once, order, ties, twins};
use crate::address::Address;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expr::{Late, Reference};
use crate::provider::{Observation, Observations, ownership};
use crate::spec::blueprint::ResourceName;
use crate::spec::types::{Impact, Milestone, Order, ResourceType, Types};
use crate::state::{Row, State, Status};
use crate::value::{Planned, Tree, Value};

/// What is known of a resource once the walk has passed it.
pub(super) struct Settled<'a> {
    pub(super) resource_type: &'a ResourceType,
    /// The attributes we set, as far as they are known.
    pub(super) desired: Arc<Planned>,
    pub(super) facts: Computed<'a>,
    /// It is created or replaced by this plan.
    pub(super) is_new: bool,
    /// It is changed in any way by this plan.
    pub(super) is_changed: bool,
    /// What the file wants lower than the cloud allows.
    pub(super) lowered: Vec<Difference>,
    /// What the cloud has raised beyond the file.
    pub(super) raised: Vec<Difference>,
    /// It is run by this plan, or was run just as it would be now.
    pub(super) has_run: bool,
}

impl<'a> Settled<'a> {
    /// A resource that is made by this plan, until something else is known of it.
    pub(super) fn new(resource_type: &'a ResourceType, desired: &Arc<Planned>) -> Self {
        Self {
            resource_type,
            desired: Arc::clone(desired),
            facts: Computed::Nowhere,
            is_new: true,
            is_changed: true,
            lowered: Vec::new(),
            raised: Vec::new(),
            has_run: false,
        }
    }
}

/// Where the computed attributes of a resource come from.
pub(super) enum Computed<'a> {
    /// It is made anew.
    Nowhere,
    /// Nobody has asked the cloud.
    Recorded(&'a Row),
    Observed(Value),
}

impl Computed<'_> {
    fn at(&self, path: &[String]) -> Option<Tree<Late>> {
        match self {
            Self::Nowhere => None,
            // What is both set and computed is both in one; there is next to nothing of that kind.
            Self::Recorded(row) if path.first().is_some_and(|name| row.inputs.get(name).is_some()) => {
                row.recorded().at(path).map(Value::lift)
            }
            Self::Recorded(row) => row.facts.at(path).map(Value::lift),
            Self::Observed(facts) => facts.at(path).map(Value::lift),
        }
    }
}

#[derive(Default)]
pub(super) struct Walked<'a> {
    pub(super) settled: BTreeMap<Address, Settled<'a>>,
    /// The first of each resource's instances that is changed.
    pub(super) changed: BTreeMap<ResourceName, Address>,
    instances: BTreeMap<ResourceName, Vec<Address>>,
    /// Those whose attributes could not be evaluated. Nobody knows theirs, and that has been said.
    broken: BTreeSet<Address>,
    locals: RefCell<BTreeMap<String, Tree<Late>>>,
    /// Why resources of a name come or go, as far as it was asked.
    existence: RefCell<BTreeMap<ResourceName, Option<Cause>>>,
}

impl<'a> Walked<'a> {
    fn settle(&mut self, address: &Address, settled: Settled<'a>) {
        if settled.is_changed {
            let name = (address.type_name.clone(), address.name.clone());
            let first = self.changed.entry(name).or_insert_with(|| address.clone());
            if *address < *first {
                *first = address.clone();
            }
        }
        self.settled.insert(address.clone(), settled);
    }
}

impl Facts for Walked<'_> {
    fn value(&self, address: &Address, path: &[String], reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
        if self.broken.contains(address) {
            return Ok(unknown(address, path, reference, false));
        }
        // What `when` left out is null.
        let Some(settled) = self.settled.get(address) else { return Ok(Tree::Null) };
        let Some((name, _)) = path.split_first() else {
            return Ok(late(&settled.desired));
        };
        let attribute = settled.resource_type.attributes.get(name);
        if attribute.is_some_and(|attribute| attribute.sensitive) {
            return Ok(unknown(address, path, reference, true));
        }
        if attribute.is_some_and(|attribute| attribute.computed) {
            return Ok(settled.facts.at(path).unwrap_or_else(|| unknown(address, path, reference, false)));
        }
        match settled.desired.at(path) {
            Some(value) => Ok(late(value)),
            None => Ok(attribute.and_then(|attribute| attribute.default.as_ref()).map(Value::lift).unwrap_or_default()),
        }
    }

    fn instances(&self, name: &ResourceName) -> Vec<Address> {
        self.instances.get(name).cloned().unwrap_or_default()
    }

    fn locals(&self) -> Option<&RefCell<BTreeMap<String, Tree<Late>>>> {
        Some(&self.locals)
    }
}

impl Walked<'_> {
    /// Whether a value will be another one once this plan is carried out. A secret stays what it is unless it is made anew;
    /// what else is unknown will be another value.
    pub(super) fn is_changing(&self, value: &Planned) -> bool {
        let mut changing = false;
        value.each_leaf(&mut |missing| {
            changing |= missing
                .references
                .iter()
                .any(|missing| self.settled.get(&missing.address).is_some_and(|settled| settled.is_new));
        });
        changing
    }

    /// The edit of the file because of which a resource comes or goes; `None` if there is none, or the specs do not
    /// know the resource. Asked once for all of an `each`.
    pub(super) fn existence_cause(&self, world: &World<'_>, address: &Address, settings: &Value) -> Option<Cause> {
        let name = (address.type_name.clone(), address.name.clone());
        if let Some(known) = self.existence.borrow().get(&name) {
            return known.clone();
        }
        let blueprint = &world.specs.blueprint;
        let resource = blueprint.resources.get(&name);
        let inputs = resource.map(|resource| resolve::existence_inputs(resource, blueprint)).unwrap_or_default();
        let cause = edited_setting(world, &inputs, settings);
        self.existence.borrow_mut().insert(name, cause.clone());
        cause
    }
}

/// A planned value where values are still being evaluated: the way back from [`planned`].
fn late(value: &Planned) -> Tree<Late> {
    let lifted = value.try_map(&mut |missing| Ok::<_, Infallible>(Tree::Leaf(Late::Unknown(missing.clone()))));
    match lifted {
        Ok(tree) => tree,
        Err(never) => match never {},
    }
}

/// Attributes as far as a plan knows them. A secret cannot occur: plans never read one.
fn planned(tree: Tree<Late>) -> Planned {
    let plain = tree.try_convert(&mut |late| match late {
        Late::Unknown(missing) => Ok::<_, Infallible>(Tree::Leaf(missing)),
        Late::Secret(_) => Ok(Tree::Null),
    });
    match plain {
        Ok(planned) => planned,
        Err(never) => match never {},
    }
}

/// What a plan is made of besides the world.
pub struct Situation<'a> {
    pub state: &'a State,
    /// `None`: offline; what is recorded counts as observed.
    pub observations: Option<&'a Observations>,
    pub made_from: Fingerprint,
}

/// Makes the plan for an apply: one pass over all expressions of the file.
pub fn plan(world: &World<'_>, graph: &Graph, situation: &Situation<'_>) -> Result<Plan, Diagnostics> {
    world.evaluator.begin();
    let mut instances: BTreeMap<ResourceName, Vec<Address>> = BTreeMap::new();
    for address in graph.nodes.keys() {
        instances.entry((address.type_name.clone(), address.name.clone())).or_default().push(address.clone());
    }
    let mut walked = Walked { instances, ..Walked::default() };
    let owner = super::owner(situation.state);
    let mut problems = Diagnostics::default();
    let mut changes: Vec<Change> = Vec::with_capacity(graph.order.len());
    let mut orders: BTreeMap<Address, Order> = BTreeMap::new();
    let mut refusals = Vec::new();
    let mut unchanged = 0;
    let mut raised = Vec::new();
    for address in &graph.order {
        let Some(desired) = graph.nodes.get(address) else { continue };
        let scope = ResourceScope { world, each: desired.each.as_ref(), facts: &walked };
        let attributes = match attributes(world, desired, &scope) {
            Ok(attributes) => attributes,
            Err(problem) => {
                problems.push(problem);
                walked.broken.insert(address.clone());
                continue;
            }
        };
        let foreign = foreign(address, situation, &owner);
        let is_foreign = foreign.is_some();
        refusals.extend(foreign);
        let kept = keep::kept(world, desired, &attributes, situation.state);
        let settle = |attributes| match desired.resource_type.once {
            true => once::settle(world, desired, &attributes, situation, &walked),
            false => settle(world, desired, attributes, situation, &walked, &orders),
        };
        let (settled, change) = match kept.map(settle) {
            Some((settled, change)) if !change.as_ref().is_some_and(makes_anew) => (settled, change),
            _ => settle(Arc::new(attributes)),
        };
        problems.extend(validate(desired, &settled.desired));
        let stays = change.as_ref().is_none_or(|change| {
            !matches!(change.action, Action::Create | Action::Replace { order: Order::DeleteFirst, .. })
        });
        if stays {
            refusals.extend(held_back(address, &desired.resource_type, situation.state, &orders));
        }
        let troubled = troubled(address, &desired.resource_type, situation, change.as_ref());
        let is_troubled = troubled.is_some();
        refusals.extend(troubled);
        refusals.extend(change.as_ref().and_then(|change| lowered(change, &settled.lowered)));
        raised.extend(settled.raised.iter().filter_map(|difference| Raised::of(address, difference)));
        if let Some(mut change) = change {
            gates::complete(&mut change, &Rights::of(world.specs, desired), situation.state.rows.is_empty());
            refusals.extend(once::refusal(&change, &desired.resource_type));
            refusals.extend(unproven(&change, &desired.resource_type, &owner));
            if let Action::Replace { order, .. } = &change.action {
                orders.insert(address.clone(), *order);
            }
            if desired.protect {
                refusals.extend(gates::refusal(&change, &protection_hint(world, address)));
            }
            changes.push(change);
        } else if !is_foreign && !is_troubled {
            unchanged += 1;
        }
        walked.settle(address, settled);
    }
    let settled = walked.settled.iter().map(|(address, settled)| (address, settled.resource_type, &*settled.desired));
    problems.extend(twins::twins(graph, settled));
    let orphans = || situation.state.rows.iter().rev().filter(|(address, _)| !graph.nodes.contains_key(*address));
    let wishes = Wishes::of(Some(world), orphans().map(|(address, _)| address));
    for (address, row) in orphans() {
        let mut change = removal(address, row, situation, &world.specs.types, Cause::Orphan);
        if change.causes == [Cause::Orphan] {
            change.causes.extend(walked.existence_cause(world, address, &situation.state.settings));
        }
        let resource_type = world.specs.types.get(&address.type_name).map(Arc::as_ref);
        gates::complete_removal(&mut change, row, resource_type, &wishes);
        refusals.extend(undeletable(&change, resource_type, row, situation));
        if change.protect {
            refusals.extend(gates::refusal(&change, &protection_hint(world, address)));
        }
        changes.push(change);
    }
    let plan = Plan {
        purpose: Purpose::Apply,
        instance: world.config.name.clone(),
        title: world.config.title.clone(),
        region: world.config.region.clone(),
        file: world.config.source.name.clone(),
        made_from: situation.made_from.clone(),
        changes,
        unchanged,
        refusals,
        expected_seconds: 0,
        critical_path: Vec::new(),
        cost: None,
        raised,
        notes: Vec::new(),
    };
    let mut plan = order::with_duration(plan, situation.state, &world.specs.types);
    if !plan.is_empty() && !problems.has_errors() {
        let settled = walked.settled.iter().map(|(address, settled)| (address, &*settled.desired));
        match cost::of(world, situation.state, &cost::desired(graph, settled)) {
            Ok(cost) => plan.cost = Some(cost),
            Err(wrong) => problems.extend(wrong.0),
        }
    }
    problems.finish(plan).map(|(plan, _)| plan)
}

/// Makes the plan that takes everything down. Needs neither `mastodon.toml` nor a graph; a file that can be read, which
/// is `world` then, protects what it says, and decides how things are deleted.
pub fn destroy(types: &Types, situation: &Situation<'_>, title: &str, world: Option<&World<'_>>) -> Plan {
    let mut changes = Vec::new();
    let mut refusals = Vec::new();
    let wishes = Wishes::of(world, situation.state.rows.keys());
    for (address, row) in &situation.state.rows {
        let mut change = removal(address, row, situation, types, Cause::Destroy);
        let resource_type = types.get(&address.type_name).map(Arc::as_ref);
        gates::complete_removal(&mut change, row, resource_type, &wishes);
        refusals.extend(undeletable(&change, resource_type, row, situation));
        if change.protect {
            let place = world.map_or_else(|| "mastodon.toml".to_owned(), |world| protection_hint(world, address));
            refusals.extend(gates::refusal(&change, &place));
        }
        changes.push(change);
    }
    let plan = Plan {
        purpose: Purpose::Destroy,
        instance: situation.state.instance.clone(),
        title: title.to_owned(),
        region: situation.state.region.clone(),
        file: world.map_or_else(usual_file, |world| world.config.source.name.clone()),
        made_from: situation.made_from.clone(),
        changes,
        unchanged: 0,
        refusals,
        expected_seconds: 0,
        critical_path: Vec::new(),
        cost: None,
        raised: Vec::new(),
        notes: Vec::new(),
    };
    let mut plan = order::with_duration(plan, situation.state, types);
    // What a month brings is in the file; without one nobody knows.
    if let Some(world) = world.filter(|_| !plan.is_empty()) {
        plan.cost = cost::of(world, situation.state, &BTreeMap::new()).ok();
    }
    plan
}

fn makes_anew(change: &Change) -> bool {
    matches!(change.action, Action::Create | Action::Replace { .. })
}

/// The attributes of a resource as far as they are known.
pub fn attributes(world: &World<'_>, desired: &Desired, scope: &ResourceScope<'_>) -> Result<Planned, Diagnostic> {
    world.evaluator.entries(&desired.templates(), scope).map(|entries| planned(Tree::Map(entries)))
}

fn settle<'a>(
    world: &World<'_>,
    desired: &'a Desired,
    attributes: Arc<Planned>,
    situation: &Situation<'a>,
    walked: &Walked<'a>,
    orders: &BTreeMap<Address, Order>,
) -> (Settled<'a>, Option<Change>) {
    let address = &desired.address;
    let resource_type = &*desired.resource_type;
    let row = situation.state.rows.get(address);
    let begun = || begun(desired, &attributes, row);
    let mut settled = Settled::new(resource_type, &attributes);
    let observation = situation.observations.and_then(|all| all.get(address));
    let row = match row {
        None => {
            let mut change = created(begun(), &attributes, resource_type, Cause::New);
            // Where everything is new, no setting is the reason.
            if !situation.state.rows.is_empty() {
                change.causes.extend(walked.existence_cause(world, address, &situation.state.settings));
            }
            return (settled, Some(change));
        }
        Some(row) if row.identity.is_none() => {
            return (settled, Some(created(begun(), &attributes, resource_type, Cause::Interrupted)));
        }
        // It is refused, so nothing is planned for it.
        Some(row) if matches!(observation, Some(Observation::Foreign(_))) => {
            return (Settled { facts: Computed::Recorded(row), is_new: false, is_changed: false, ..settled }, None);
        }
        Some(_) if matches!(observation, Some(Observation::Gone)) => {
            return (settled, Some(created(begun(), &attributes, resource_type, Cause::Drift)));
        }
        Some(row) => row,
    };
    let observed = match observation {
        Some(Observation::Found(observed)) => Some(&observed.attributes),
        _ => None,
    };
    let marks = matches!(observation, Some(Observation::Found(observed))
        if observed.tags.as_ref().is_some_and(ownership::is_unmarked));
    let facts = match observed {
        Some(observed) => Computed::Observed(merged(&row.facts, observed, resource_type)),
        None => Computed::Recorded(row),
    };
    let sides =
        Sides { desired: &attributes, recorded: &row.inputs, observed, is_settled: row.status == Status::Ready };
    let is_changing = |value: &Planned| walked.is_changing(value);
    let mut differences = diff::diff(resource_type, &sides, &desired.resource.ignore, &is_changing);
    settled.raised = differences.extract_if(.., |difference| difference.course == Course::Raised).collect();
    let lowered = differences.iter().filter(|difference| difference.course == Course::Lowered);
    settled.lowered = lowered.cloned().collect();
    let verdict = condition::verdict(resource_type, row, observed);
    let left_off = left_off(row.status, resource_type, observed);
    let unfinished = left_off != LeftOff::Nowhere;
    let mut ties = ties::ties(resource_type, row, orders, situation.state);
    ties.retain(|tie| tie.is_fixed);
    let is_failed = matches!(verdict, Verdict::Again | Verdict::Anew);
    let waits = matches!(verdict, Verdict::Waits(_));
    let is_settled = !marks && !is_failed && !waits && !unfinished && row.replaced.is_empty() && ties.is_empty();
    if differences.is_empty() && is_settled && row.protect == desired.protect {
        return (Settled { facts, is_new: false, is_changed: false, ..settled }, None);
    }
    let mut change = begun();
    let total = attributes.as_map().map_or(0, BTreeMap::len);
    let touched: BTreeSet<String> =
        differences.iter().filter_map(|difference| difference.path.first().cloned()).collect();
    change.unchanged_attributes = total.saturating_sub(touched.len());
    let settings = &situation.state.settings;
    change.attributes = differences
        .into_iter()
        .map(|difference| attribute_change(world, desired, difference, walked, settings))
        .collect();
    let mut reasons: Vec<String> = change
        .attributes
        .iter()
        .filter(|attribute| attribute.forces_replacement)
        .map(|attribute| attribute.path.join("."))
        .collect();
    let failure = || match row.status {
        Status::Ready => {
            let report = resource_type.ready.as_ref().zip(observed).and_then(|(ready, shown)| ready.report(shown));
            Cause::Reported { status: report.unwrap_or_default() }
        }
        _ => Cause::Interrupted,
    };
    if verdict == Verdict::Anew {
        reasons.push(condition::report(resource_type, observed));
        change.causes.push(failure());
    }
    for tie in ties {
        if !reasons.contains(&tie.attribute) {
            reasons.push(tie.attribute);
        }
        change.causes.push(Cause::Cascade { address: Box::new(tie.to) });
    }
    if left_off == LeftOff::Leaving {
        reasons.push("an interrupted run was deleting it".to_owned());
        change.causes.push(Cause::Interrupted);
    }
    if row.status == Status::Replacing && row.replaced.is_empty() && reasons.is_empty() {
        change.causes.push(Cause::Interrupted);
    }
    for attribute in &change.attributes {
        if !change.causes.contains(&attribute.cause) {
            change.causes.push(attribute.cause.clone());
        }
    }
    change.causes.sort();
    change.impact = change.attributes.iter().map(|attribute| attribute.impact).max().unwrap_or_default();
    if let Some(because) = Reasons::from_list(reasons) {
        let order = match left_off {
            LeftOff::Leaving => Order::DeleteFirst,
            LeftOff::Nowhere | LeftOff::Unfinished => replace_order(desired, &attributes, &sides, orders),
        };
        change.expected_seconds = (resource_type.expect.create + resource_type.expect.delete).as_secs();
        if resource_type.data_bearing {
            change.impact = Impact::DataLoss;
        } else if order == Order::DeleteFirst {
            change.impact = change.impact.max(resource_type.impact.replace.unwrap_or(Impact::Brief));
        }
        change.action = Action::Replace { because, order };
        return (settled, Some(change));
    }
    settled.is_new = false;
    settled.facts = facts;
    change.marks = marks;
    change.expected_seconds = resource_type.expect.update.as_secs();
    if !change.attributes.is_empty() {
        change.action = Action::Update { attributes: touched.into_iter().collect() };
        return (settled, Some(change));
    }
    if verdict == Verdict::Again {
        // The last change was accepted and went wrong: asking for the same once more is what can mend it.
        let again = changeable(resource_type, &attributes);
        let worst = again.iter().filter_map(|name| resource_type.attributes.get(name)).map(|found| found.impact).max();
        // Nothing gets another value, but what depends on these values may start anew.
        change.impact = worst.unwrap_or_default().min(Impact::Brief);
        change.action = Action::Update { attributes: again };
        change.causes = vec![failure()];
        return (settled, Some(change));
    }
    if marks {
        // Waits for it as well, should an earlier run have left it unfinished.
        change.action = Action::Update { attributes: Vec::new() };
        change.causes = vec![Cause::Unmarked];
        change.expected_seconds = 0;
        settled.is_changed = false;
        return (settled, Some(change));
    }
    if unfinished || waits || !row.replaced.is_empty() {
        change.action = Action::Adopt;
        change.causes = vec![match verdict {
            Verdict::Waits(advice) => Cause::Waits { advice },
            _ => Cause::Interrupted,
        }];
        return (settled, Some(change));
    }
    // Only the guard against deletion changes.
    change.action = Action::Update { attributes: Vec::new() };
    let edited = edited_setting(world, &protection_inputs(world, address), settings);
    let written = || Cause::Written { location: desired.resource.location.to_string() };
    change.causes = vec![edited.unwrap_or_else(written)];
    change.expected_seconds = 0;
    settled.is_changed = false;
    (settled, Some(change))
}

/// The change of a resource, as far as it does not depend on what is done with it.
pub(super) fn begun(desired: &Desired, attributes: &Arc<Planned>, row: Option<&Row>) -> Change {
    Change {
        address: desired.address.clone(),
        region: desired.region.clone(),
        action: Action::Create,
        causes: Vec::new(),
        attributes: Vec::new(),
        unchanged_attributes: 0,
        impact: Impact::None,
        expected_seconds: desired.resource_type.expect.create.as_secs(),
        protect: desired.protect,
        was_protected: row.is_some_and(|row| row.protect),
        identity: row.and_then(|row| row.identity.clone()),
        leftovers: row.map(|row| row.replaced.clone()).unwrap_or_default(),
        marks: false,
        desired: Some(Arc::clone(attributes)),
        depends_on: desired.depends_on.clone(),
        deletion: Value::Null,
        security: Vec::new(),
    }
}

/// The change of something that does not exist, or no more.
pub(super) fn created(change: Change, attributes: &Planned, resource_type: &ResourceType, cause: Cause) -> Change {
    Change {
        attributes: all_attributes(attributes, resource_type, &cause),
        causes: vec![cause],
        identity: None,
        ..change
    }
}

/// Creating first needs another name than the old one's, and nothing below that is deleted first.
fn replace_order(
    desired: &Desired,
    attributes: &Planned,
    sides: &Sides<'_>,
    orders: &BTreeMap<Address, Order>,
) -> Order {
    let resource_type = &*desired.resource_type;
    let is = |name: &str| sides.observed.and_then(|shown| shown.get(name)).or_else(|| sides.recorded.get(name));
    let is_same = |name: &str| attributes.get(name).and_then(Tree::plain).as_ref() == is(name);
    // A name counts even where it is not the identity: AWS gives the new one an ARN of its own, and refuses its name.
    let same_name = resource_type.is_named() && resource_type.naming().into_iter().all(is_same);
    let alike = !resource_type.unique.is_empty() && resource_type.unique.iter().all(|name| is_same(name));
    let below_is_deleted_first =
        desired.depends_on.keys().any(|needed| orders.get(needed) == Some(&Order::DeleteFirst));
    if same_name || alike || below_is_deleted_first { Order::DeleteFirst } else { desired.replace }
}

/// What the last run that touched a resource left to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeftOff {
    /// Nothing: it came to its end.
    Nowhere,
    /// It has to be waited for, or looked at again.
    Unfinished,
    /// The cloud is deleting it.
    Leaving,
}

/// Every status is recovered; a new one does not compile until it is decided here what it means for a plan.
fn left_off(status: Status, resource_type: &ResourceType, observed: Option<&Value>) -> LeftOff {
    match status {
        Status::Ready => LeftOff::Nowhere,
        Status::Creating | Status::Updating | Status::Replacing | Status::Failed => LeftOff::Unfinished,
        // A type without a status is gone at once: if it is there, the deletion never happened.
        Status::Deleting if not_ready(resource_type, observed) => LeftOff::Leaving,
        Status::Deleting => LeftOff::Unfinished,
    }
}

/// The attributes that are set and can be changed in place.
fn changeable(resource_type: &ResourceType, attributes: &Planned) -> Vec<String> {
    let set = attributes.as_map().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let fits = |name: &&String| {
        resource_type.attributes.get(*name).is_some_and(|attribute| {
            let is_settable = !attribute.immutable && !attribute.computed;
            // A version is only sent when it is raised.
            is_settable && !attribute.sensitive && !attribute.write_only && !attribute.changed_by_aws
        })
    };
    set.map(|(name, _)| name).filter(fits).cloned().collect()
}

/// Whether its status is neither a good nor a failed one. A type without a status is always ready.
fn not_ready(resource_type: &ResourceType, observed: Option<&Value>) -> bool {
    let condition = observed.and_then(|observed| resource_type.condition(observed));
    condition.is_some_and(|condition| !condition.is_final())
}

/// Computed attributes: those observed now over those recorded.
pub fn merged(recorded: &Value, observed: &Value, resource_type: &ResourceType) -> Value {
    let mut facts = recorded.as_map().cloned().unwrap_or_default();
    for (name, value) in observed.as_map().into_iter().flatten() {
        let computed = resource_type.attributes.get(name).is_some_and(|attribute| attribute.computed);
        if computed && !value.is_null() {
            facts.insert(name.clone(), value.clone());
        }
    }
    Tree::Map(facts)
}

/// Every attribute of something new, for the plan to show.
fn all_attributes(attributes: &Planned, resource_type: &ResourceType, cause: &Cause) -> Vec<AttributeChange> {
    attributes
        .as_map()
        .into_iter()
        .flatten()
        .map(|(name, value)| AttributeChange {
            path: vec![name.clone()],
            before: None,
            after: Some(value.clone()),
            cause: cause.clone(),
            also_drifted: false,
            forces_replacement: false,
            sensitive: resource_type.attributes.get(name).is_some_and(|attribute| attribute.sensitive),
            impact: Impact::None,
            security: false,
        })
        .collect()
}

fn removal(address: &Address, row: &Row, situation: &Situation<'_>, types: &Types, cause: Cause) -> Change {
    let resource_type = types.get(&address.type_name);
    let observation = situation.observations.and_then(|all| all.get(address));
    let is_foreign = matches!(observation, Some(Observation::Foreign(_)));
    let is_over = resource_type.is_some_and(|found| once::is_over(found, row, observation));
    let gone = is_foreign || matches!(observation, Some(Observation::Gone)) || row.identity.is_none() || is_over;
    Change {
        address: address.clone(),
        region: row.region.clone(),
        action: if gone && row.replaced.is_empty() { Action::Forget } else { Action::Delete },
        causes: vec![match gone {
            _ if is_foreign => Cause::Foreign,
            true if !is_over => Cause::Drift,
            _ => cause,
        }],
        attributes: Vec::new(),
        unchanged_attributes: 0,
        impact: match resource_type {
            Some(resource_type) if !gone && resource_type.data_bearing => Impact::DataLoss,
            Some(resource_type) if !gone => resource_type.impact.delete.of(&row.inputs),
            _ => Impact::None,
        },
        expected_seconds: if gone { 0 } else { resource_type.map_or(0, |found| found.expect.delete.as_secs()) },
        protect: row.protect,
        was_protected: row.protect,
        identity: row.identity.clone(),
        leftovers: row.replaced.clone(),
        marks: false,
        desired: None,
        depends_on: row.depends_on.iter().map(|needed| (needed.clone(), Milestone::Created)).collect(),
        deletion: Value::Null,
        security: Vec::new(),
    }
}
