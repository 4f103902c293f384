//! From blueprint and settings to the graph of desired resources.
//!
//! Which resources exist depends on settings and lookups alone; their attributes may depend on one another and are
//! evaluated later, by [`super::walk`] as far as a plan can and by `apply` completely.
//!
//! A graph shares with the specs what it needs of them and borrows nothing: it is made once, and kept with the plan that
//! is made from it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::address::{Address, TypeName};
use crate::config::Config;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::expr::{Evaluator, LIMIT, Late, Reference, Root, Scope, Template, TemplateTree};
use crate::provider::Lookup;
use crate::spec::blueprint::{Patch, Resource, ResourceName};
use crate::spec::lint::collect_resources;
use crate::spec::types::{Milestone, Order, ResourceType};
use crate::spec::{Blueprint, Specs};
use crate::value::{Missing, Tree, Unknown, Value};

/// One resource as the file and the specs want it.
#[derive(Debug)]
pub struct Desired {
    pub address: Address,
    pub resource: Arc<Resource>,
    /// The patches of `mastodon.toml` that are for it, in the order they are written.
    pub patches: Vec<Arc<Patch>>,
    pub resource_type: Arc<ResourceType>,
    /// Key and value of the `each` entry it stands for.
    pub each: Option<(String, Value)>,
    pub region: String,
    pub protect: bool,
    pub replace: Order,
    /// What it needs, and how far that must have come.
    pub depends_on: BTreeMap<Address, Milestone>,
}

impl Desired {
    /// The attributes as written, with the patches of `mastodon.toml` over them. Without patches nothing is copied.
    pub fn templates(&self) -> Cow<'_, BTreeMap<String, TemplateTree>> {
        let mut attributes = Cow::Borrowed(&self.resource.attributes);
        for patch in &self.patches {
            for (name, tree) in &patch.attributes {
                overlay(attributes.to_mut().entry(name.clone()).or_default(), tree);
            }
        }
        attributes
    }
}

/// Lays a patch over a tree: tables are merged, everything else is replaced.
fn overlay(base: &mut TemplateTree, patch: &TemplateTree) {
    match (base, patch) {
        (Tree::Map(base), Tree::Map(patch)) => {
            for (key, tree) in patch {
                overlay(base.entry(key.clone()).or_default(), tree);
            }
        }
        (base, patch) => *base = patch.clone(),
    }
}

/// All desired resources.
#[derive(Debug, Default)]
pub struct Graph {
    pub nodes: BTreeMap<Address, Desired>,
    /// Addresses such that everything comes after what it needs.
    pub order: Vec<Address>,
}

/// What stands behind references while something is evaluated.
pub struct World<'a> {
    pub specs: &'a Specs,
    pub config: &'a Config,
    /// Answers of lookups by address. One that is missing is not known.
    pub lookups: &'a BTreeMap<Address, Value>,
    /// The settings of the last complete apply. Null before the first, and where nobody remembers.
    pub previous: &'a Value,
    pub evaluator: &'a Evaluator,
}

impl World<'_> {
    /// The value of a setting, or of a part of one. An instance that was made before there was a setting keeps what it
    /// has, as long as its file says nothing.
    pub fn setting(&self, path: &[String]) -> Option<&Value> {
        match self.kept_setting(path) {
            Some(kept) => Some(kept),
            None => self.config.values.at(path),
        }
    }

    /// Whether `when` leaves out a resource. One whose `when` waits for the answer of a lookup is not left out yet.
    ///
    /// # Errors
    ///
    /// A condition that cannot be evaluated.
    pub fn is_left_out(&self, resource: &Resource) -> Result<bool, Diagnostic> {
        let Some(when) = &resource.when else { return Ok(false) };
        let early = ResourceScope { world: self, each: None, facts: &NoFacts };
        match self.evaluator.condition(when, &early) {
            Ok(is_wanted) => Ok(!is_wanted),
            Err(problem) if problem.is_open() => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    fn kept_setting(&self, path: &[String]) -> Option<&Value> {
        if self.previous.is_null() {
            return None;
        }
        let mut with_before = self.specs.blueprint.inputs.iter().filter(|input| input.before.is_some());
        let input = with_before.find(|input| input.path == path)?;
        if self.config.origin(&input.path).is_some() {
            return None;
        }
        self.previous.at(&input.path).or(input.before.as_ref())
    }

    /// All settings, to remember.
    pub fn settings(&self) -> Value {
        let mut settings = self.config.values.clone();
        for input in &self.specs.blueprint.inputs {
            if let Some(kept) = self.kept_setting(&input.path) {
                settings.set(&input.path, kept.clone());
            }
        }
        settings
    }
}

/// Values of resources' attributes.
pub trait Facts {
    /// The value at `path` of a resource that exists in the graph; unknown leaves say what is not known.
    fn value(&self, address: &Address, path: &[String], reference: &Reference) -> Result<Tree<Late>, Diagnostic>;
    /// All addresses of a resource with `each`, or the one.
    fn instances(&self, name: &ResourceName) -> Vec<Address>;
    /// Whether locals may be remembered between evaluations.
    fn locals(&self) -> Option<&RefCell<BTreeMap<String, Tree<Late>>>>;
}

/// No resources are known: for settings, lookups, `when` and `each`.
pub struct NoFacts;

impl Facts for NoFacts {
    fn value(&self, address: &Address, path: &[String], reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
        Ok(unknown(address, path, reference, false))
    }

    fn instances(&self, _: &ResourceName) -> Vec<Address> {
        Vec::new()
    }

    fn locals(&self) -> Option<&RefCell<BTreeMap<String, Tree<Late>>>> {
        None
    }
}

/// The unknown that stands for an attribute.
pub fn unknown(address: &Address, path: &[String], reference: &Reference, sensitive: bool) -> Tree<Late> {
    Tree::Leaf(Late::Unknown(Unknown {
        template: format!("${{{reference}}}"),
        references: vec![Missing { address: address.clone(), attribute: path.into() }],
        sensitive,
    }))
}

/// Everything an expression of one resource may read.
pub struct ResourceScope<'a> {
    pub world: &'a World<'a>,
    pub each: Option<&'a (String, Value)>,
    pub facts: &'a dyn Facts,
}

impl Scope for ResourceScope<'_> {
    fn value(&self, reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
        match &reference.root {
            Root::Config => Ok(self.world.setting(&reference.path).map(Value::lift).unwrap_or_default()),
            Root::Previous => Ok(self.world.previous.at(&reference.path).map(Value::lift).unwrap_or_default()),
            Root::Each => Ok(match (self.each, reference.path.split_first()) {
                (Some((key, _)), Some((word, _))) if word == "key" => Tree::Text(key.clone()),
                (Some((_, value)), Some((_, rest))) => value.at(rest).map(Value::lift).unwrap_or_default(),
                _ => Tree::Null,
            }),
            Root::Local => self.local(reference),
            // Lint has refused it.
            Root::Given(_) => Ok(Tree::Null),
            Root::Resource { type_name, name, key } => {
                let resource_name = (type_name.clone(), name.clone());
                let address = Address::new(type_name.clone(), name.clone(), key.clone());
                if let Some(resource) = self.lookup(&resource_name) {
                    return Ok(match self.world.lookups.get(&address) {
                        // What `when` left out is null, also where it was asked for before.
                        _ if self.world.is_left_out(resource)? => Tree::Null,
                        Some(found) => found.at(&reference.path).map(Value::lift).unwrap_or_default(),
                        None => unknown(&address, &reference.path, reference, false),
                    });
                }
                let is_each =
                    self.world.specs.blueprint.resources.get(&resource_name).is_some_and(|r| r.each.is_some());
                if is_each && key.is_none() {
                    let mut all = BTreeMap::new();
                    for instance in self.facts.instances(&resource_name) {
                        let value = self.facts.value(&instance, &[], reference)?;
                        all.insert(instance.key.unwrap_or_default(), value);
                    }
                    return Ok(Tree::Map(all));
                }
                self.facts.value(&address, &reference.path, reference)
            }
        }
    }
}

impl ResourceScope<'_> {
    /// The resource of this name, if it is looked up.
    fn lookup(&self, name: &ResourceName) -> Option<&Resource> {
        let resource = self.world.specs.blueprint.resources.get(name).map(Arc::as_ref);
        resource.filter(|resource| resource.lookup.is_some())
    }

    fn local(&self, reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
        let Some((name, rest)) = reference.path.split_first() else { return Ok(Tree::Null) };
        if let Some(locals) = self.facts.locals()
            && let Some(cached) = locals.borrow().get(name)
        {
            return Ok(cached.at(rest).cloned().unwrap_or_default());
        }
        let Some(local) = self.world.specs.blueprint.locals.get(name) else { return Ok(Tree::Null) };
        let scope = ResourceScope { each: None, ..*self };
        let value = self.world.evaluator.tree(&local.tree, &scope)?;
        let part = value.at(rest).cloned().unwrap_or_default();
        if let Some(locals) = self.facts.locals() {
            locals.borrow_mut().insert(name.clone(), value);
        }
        Ok(part)
    }
}

/// Lookups that can be asked now: everything they read is known, and they have no answer yet.
pub fn wanted_lookups(world: &World<'_>) -> Result<Vec<Lookup>, Diagnostics> {
    world.evaluator.begin();
    let mut wanted = Vec::new();
    let mut problems = Diagnostics::default();
    for (address, resource, filters) in unanswered(world) {
        let scope = ResourceScope { world, each: None, facts: &NoFacts };
        let filters = || Ok(world.evaluator.tree(filters, &scope)?.into_plain());
        match question(world, address, resource, &scope, filters) {
            Ok(lookup) => wanted.extend(lookup),
            // It waits for another lookup's answer.
            Err(problem) if problem.is_open() => {}
            Err(problem) => problems.push(problem),
        }
    }
    problems.finish(wanted).map(|(wanted, _)| wanted)
}

/// Lookups that wait for another one's answer, asked without the filters that need it: see [`known_filters`].
pub fn early_lookups(world: &World<'_>) -> Vec<Lookup> {
    world.evaluator.begin();
    let early = unanswered(world).filter_map(|(address, resource, filters)| {
        let scope = ResourceScope { world, each: None, facts: &NoFacts };
        let filters = || Ok(known_filters(world, resource, filters, &scope));
        // A mistake in the specs shows when they are evaluated for certain.
        question(world, address, resource, &scope, filters).ok().flatten()
    });
    early.map(|lookup| Lookup { is_part: true, ..lookup }).collect()
}

/// The filters that are known already. An answer can tell computed attributes, so it can show whether it has what a missing
/// filter wants. None where no filter is missing, or one of another kind, or all of them; and none for a generic type, since
/// answering takes a call for each resource there is.
fn known_filters(
    world: &World<'_>,
    resource: &Resource,
    filters: &TemplateTree,
    scope: &ResourceScope<'_>,
) -> Option<Value> {
    let (filters, resource_type) = (filters.as_map()?, world.specs.types.get(&resource.type_name)?);
    if resource_type.is_generic() {
        return None;
    }
    let (mut known, mut is_part) = (BTreeMap::new(), false);
    for (name, filter) in filters {
        let value = match world.evaluator.tree(filter, scope) {
            Ok(value) => value.into_plain(),
            Err(problem) if problem.is_open() => None,
            Err(_) => return None,
        };
        match value {
            Some(Tree::Null) => {}
            Some(value) => {
                known.insert(name.clone(), value);
            }
            None if resource_type.is_computed(&[name]) => is_part = true,
            None => return None,
        }
    }
    (is_part && !known.is_empty()).then_some(Tree::Map(known))
}

/// The resources that are looked up and have no answer yet, with their filters.
fn unanswered<'a>(world: &World<'a>) -> impl Iterator<Item = (Address, &'a Resource, &'a TemplateTree)> {
    let (specs, lookups) = (world.specs, world.lookups);
    specs.blueprint.resources.values().filter_map(|resource| {
        let filters = resource.lookup.as_ref()?;
        let address = Address::new(resource.type_name.clone(), resource.name.clone(), None);
        (!lookups.contains_key(&address)).then_some((address, &**resource, filters))
    })
}

/// The question that a lookup asks with these filters; none where `when` leaves it out, or the filters are not known.
fn question(
    world: &World<'_>,
    address: Address,
    resource: &Resource,
    scope: &ResourceScope<'_>,
    filters: impl FnOnce() -> Result<Option<Value>, Diagnostic>,
) -> Result<Option<Lookup>, Diagnostic> {
    if let Some(when) = &resource.when
        && !world.evaluator.condition(when, scope)?
    {
        return Ok(None);
    }
    let filters = filters()?;
    let region = region(world, resource, scope)?;
    Ok(filters.map(|filters| Lookup { address, region, filters, is_part: false }))
}

/// The region that a resource stands in.
pub fn region(world: &World<'_>, resource: &Resource, scope: &ResourceScope<'_>) -> Result<String, Diagnostic> {
    match &resource.region {
        None => Ok(world.config.region.clone()),
        Some(tree) => match world.evaluator.tree(tree, scope)? {
            Tree::Text(text) => Ok(text),
            _ => Err(Diagnostic::error("wrong-type", "`region` must be a string known before apply")
                .at(&resource.location, "")),
        },
    }
}

/// The most resources of one instance.
const MOST_RESOURCES: usize = 100_000;
/// So many resources may be made of files however small: a table of a few lines and a few resources for `each` of them.
const FEW_RESOURCES: usize = 5_000;
/// Bytes of the files for each resource more.
const BYTES_OF_RESOURCE: usize = 16;

/// The most resources that are made of these files. Tables multiply, so that a small file could make as many as there is
/// memory for; where each one is written out, there are always enough.
fn most_resources(world: &World<'_>) -> usize {
    let bytes = world.specs.own_bytes() + world.config.own_bytes();
    (FEW_RESOURCES + bytes / BYTES_OF_RESOURCE).min(MOST_RESOURCES)
}

fn too_many_resources(most: usize, resource: &Resource) -> Diagnostic {
    let message =
        format!("these are more resources than the {most} that an instance made of files of this size may have");
    Diagnostic::error(LIMIT, message)
        .at(&resource.location, "")
        .hint(format!("shorten the tables of `each`; `mastoform explain {LIMIT}` has the limits"))
}

/// Makes the graph.
pub fn resolve(world: &World<'_>) -> Result<Graph, Diagnostics> {
    let specs = world.specs;
    world.evaluator.begin();
    let mut problems = Diagnostics::default();
    let mut nodes: BTreeMap<Address, Desired> = BTreeMap::new();
    let mut instances: BTreeMap<ResourceName, Vec<Address>> = BTreeMap::new();
    let most = most_resources(world);
    for (name, resource) in &specs.blueprint.resources {
        if resource.lookup.is_some() {
            continue;
        }
        match expand(world, resource, true, most) {
            Ok(expanded) => {
                if nodes.len() + expanded.len() > most {
                    problems.push(too_many_resources(most, resource));
                    return Err(problems);
                }
                instances.insert(name.clone(), expanded.iter().map(|desired| desired.address.clone()).collect());
                nodes.extend(expanded.into_iter().map(|desired| (desired.address.clone(), desired)));
            }
            Err(problem) => problems.push(problem),
        }
    }
    let needs = Needs::of(&specs.blueprint, specs);
    for desired in nodes.values_mut() {
        let name = (desired.address.type_name.clone(), desired.address.name.clone());
        for (target, key, milestone) in needs.of_resource(&name) {
            let all = instances.get(target).map_or(&[][..], Vec::as_slice);
            // Instances stand in the order of their keys.
            let needed = match key {
                None => all,
                Some(key) => match all.binary_search_by(|address| address.key.as_deref().cmp(&Some(key))) {
                    Ok(index) => &all[index..=index],
                    Err(_) => &[],
                },
            };
            for address in needed {
                let entry = desired.depends_on.entry(address.clone()).or_insert(*milestone);
                *entry = (*entry).max(*milestone);
            }
        }
        desired.depends_on.remove(&desired.address);
    }
    for patch in specs.blueprint.resources.values().flat_map(|r| r.patches.iter().map(move |patch| (r, patch))) {
        let (resource, patch) = patch;
        let name = (resource.type_name.clone(), resource.name.clone());
        let known = || {
            let address = Address::new(name.0.clone(), name.1.clone(), patch.key.clone());
            nodes.contains_key(&address)
        };
        if patch.key.is_some() && !known() {
            problems.push(
                Diagnostic::error(
                    "unknown-patch",
                    format!(
                        "there is no {}.{}[{:?}] to patch",
                        name.0,
                        name.1,
                        patch.key.as_deref().unwrap_or_default()
                    ),
                )
                .at(&patch.node.location, ""),
            );
        }
    }
    let order = topological(&nodes);
    problems.finish(Graph { nodes, order }).map(|(graph, _)| graph)
}

/// The resources of these names as the file and the specs would have them, also those that `when` leaves out. What cannot
/// be said of any is left out.
pub fn imagined(world: &World<'_>, names: &BTreeSet<ResourceName>) -> BTreeMap<Address, Desired> {
    let blueprint = &world.specs.blueprint;
    let resources = names.iter().filter_map(|name| blueprint.resources.get(name));
    let most = most_resources(world);
    let expanded = resources.filter_map(|resource| expand(world, resource, false, most).ok());
    expanded.flatten().map(|desired| (desired.address.clone(), desired)).collect()
}

fn expand(
    world: &World<'_>,
    resource: &Arc<Resource>,
    heeds_when: bool,
    most: usize,
) -> Result<Vec<Desired>, Diagnostic> {
    let Some(resource_type) = world.specs.types.get(&resource.type_name) else { return Ok(Vec::new()) };
    let outer = ResourceScope { world, each: None, facts: &NoFacts };
    let entries: Vec<Option<(String, Value)>> = match &resource.each {
        None => vec![None],
        Some(tree) => match world.evaluator.tree(tree, &outer)?.into_plain() {
            Some(Tree::Map(entries)) => entries.into_iter().map(Some).collect(),
            Some(Tree::Null) => Vec::new(),
            _ => {
                return Err(Diagnostic::error("wrong-type", "`each` must be a table known before apply")
                    .at(&resource.location, ""));
            }
        },
    };
    if entries.len() > most {
        return Err(too_many_resources(most, resource));
    }
    let mut patches: BTreeMap<Option<&str>, Vec<(usize, &Arc<Patch>)>> = BTreeMap::new();
    for (number, patch) in resource.patches.iter().enumerate() {
        patches.entry(patch.key.as_deref()).or_default().push((number, patch));
    }
    let patches_of = |key: Option<&str>| {
        let for_all = patches.get(&None).into_iter().flatten();
        let for_one = key.and_then(|key| patches.get(&Some(key))).into_iter().flatten();
        let mut found: Vec<&(usize, &Arc<Patch>)> = for_all.chain(for_one).collect();
        found.sort_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, patch)| Arc::clone(patch)).collect()
    };
    let mut expanded = Vec::new();
    for each in entries {
        let scope = ResourceScope { world, each: each.as_ref(), facts: &NoFacts };
        if let Some(when) = resource.when.as_ref().filter(|_| heeds_when)
            && !world.evaluator.condition(when, &scope)?
        {
            continue;
        }
        let protect = match &resource.protect {
            None => false,
            Some(tree) => world.evaluator.tree(tree, &scope)?.as_bool().ok_or_else(|| {
                Diagnostic::error("wrong-type", "`lifecycle.protect` must be true or false").at(&resource.location, "")
            })?,
        };
        expanded.push(Desired {
            address: Address::new(
                resource.type_name.clone(),
                resource.name.clone(),
                each.as_ref().map(|(key, _)| key.clone()),
            ),
            resource: Arc::clone(resource),
            patches: patches_of(each.as_ref().map(|(key, _)| key.as_str())),
            resource_type: Arc::clone(resource_type),
            region: region(world, resource, &scope)?,
            each,
            protect,
            replace: resource.replace.unwrap_or(resource_type.replace),
            depends_on: BTreeMap::new(),
        });
    }
    Ok(expanded)
}

/// A resource that is needed, the key of the one instance (none: all of them), and how far it must have come.
type Need = (ResourceName, Option<String>, Milestone);

/// What each resource reads of others, read off its templates once.
struct Needs {
    by_resource: BTreeMap<ResourceName, Vec<Need>>,
}

impl Needs {
    fn of(blueprint: &Blueprint, specs: &Specs) -> Self {
        let mut by_resource = BTreeMap::new();
        for (name, resource) in &blueprint.resources {
            let mut needs = Vec::new();
            for template in resource.templates() {
                collect(blueprint, specs, template, &mut BTreeSet::new(), &mut needs);
            }
            needs.extend(resource.after.iter().map(|after| {
                let milestone = match &after.path[..] {
                    [] => Milestone::Ready,
                    path => milestone(specs, &after.name.0, path),
                };
                (after.name.clone(), None, milestone)
            }));
            by_resource.insert(name.clone(), needs);
        }
        Self { by_resource }
    }

    fn of_resource(&self, name: &ResourceName) -> impl Iterator<Item = &Need> {
        self.by_resource.get(name).into_iter().flatten()
    }
}

fn collect<'specs>(
    blueprint: &'specs Blueprint,
    specs: &Specs,
    template: &'specs Template,
    seen: &mut BTreeSet<&'specs str>,
    needs: &mut Vec<Need>,
) {
    for reference in template.references() {
        match &reference.root {
            Root::Resource { type_name, name, key } => {
                needs.push((
                    (type_name.clone(), name.clone()),
                    key.clone(),
                    milestone(specs, type_name, &reference.path),
                ));
            }
            Root::Local => {
                if let Some(local_name) = reference.path.first()
                    && seen.insert(local_name)
                    && let Some(local) = blueprint.locals.get(local_name)
                {
                    let mut templates = Vec::new();
                    local.tree.each_leaf(&mut |template| templates.push(template));
                    for template in templates {
                        collect(blueprint, specs, template, seen, needs);
                    }
                }
            }
            Root::Config | Root::Previous | Root::Each | Root::Given(_) => {}
        }
    }
}

/// How far a resource must have come for an attribute of it to be readable. What we set ourselves is known once it
/// is created.
fn milestone(specs: &Specs, type_name: &TypeName, path: &[String]) -> Milestone {
    let attribute = specs.types.get(type_name).and_then(|resource_type| resource_type.attribute(path));
    match attribute {
        Some(attribute) if attribute.computed => attribute.known,
        _ => Milestone::Created,
    }
}

/// Kahn's algorithm over ordered maps: the order depends on nothing but the graph. Lint has refused cycles.
fn topological(nodes: &BTreeMap<Address, Desired>) -> Vec<Address> {
    let mut waiting: BTreeMap<&Address, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<&Address, Vec<&Address>> = BTreeMap::new();
    for (address, desired) in nodes {
        waiting.insert(address, desired.depends_on.len());
        for needed in desired.depends_on.keys() {
            dependents.entry(needed).or_default().push(address);
        }
    }
    let mut ready: BTreeSet<&Address> =
        waiting.iter().filter(|(_, count)| **count == 0).map(|(address, _)| *address).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(address) = ready.pop_first() {
        order.push(address.clone());
        for dependent in dependents.get(address).into_iter().flatten() {
            if let Some(count) = waiting.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(dependent);
                }
            }
        }
    }
    order
}

/// The settings that decide the value at `path` of a resource, by path.
pub fn deciding_inputs(desired: &Desired, blueprint: &Blueprint, path: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let templates = desired.templates();
    if let Some((name, rest)) = path.split_first()
        && let Some(tree) = templates.get(name)
    {
        inputs_under(tree, rest, blueprint, desired, &mut BTreeSet::new(), &mut found);
    }
    found.sort();
    found.dedup();
    found
}

fn inputs_under<'specs>(
    tree: &TemplateTree,
    path: &[String],
    blueprint: &'specs Blueprint,
    desired: &Desired,
    seen: &mut BTreeSet<&'specs str>,
    found: &mut Vec<Vec<String>>,
) {
    match (tree, path.split_first()) {
        (Tree::Map(entries), Some((key, rest))) => {
            if let Some(Tree::Leaf(when)) = entries.get("when") {
                inputs_of(when, &[], blueprint, desired, seen, found);
            }
            match entries.get(key) {
                Some(entry) => inputs_under(entry, rest, blueprint, desired, seen, found),
                None => entries.values().for_each(|entry| inputs_under(entry, &[], blueprint, desired, seen, found)),
            }
        }
        (Tree::List(items), Some((key, rest))) => {
            // An element of a keyed list: the one that carries the key as the value of some attribute.
            let carries = |item: &&TemplateTree| {
                item.as_map().is_some_and(|entries| {
                    entries.values().any(|entry| match entry {
                        Tree::Text(text) => text == key,
                        Tree::Integer(number) => number.to_string() == *key,
                        _ => false,
                    })
                })
            };
            match items.iter().find(carries) {
                Some(Tree::Map(entries)) => {
                    if let Some(Tree::Leaf(when)) = entries.get("when") {
                        inputs_of(when, &[], blueprint, desired, seen, found);
                    }
                    // A whole element that comes or goes does so because of its condition.
                    if !rest.is_empty() || !entries.contains_key("when") {
                        let item = Tree::Map(entries.clone());
                        inputs_under(&item, rest, blueprint, desired, seen, found);
                    }
                }
                _ => items.iter().for_each(|item| inputs_under(item, rest, blueprint, desired, seen, found)),
            }
        }
        (Tree::Map(entries), None) => {
            entries.values().for_each(|entry| inputs_under(entry, &[], blueprint, desired, seen, found));
        }
        (Tree::List(items), None) => {
            items.iter().for_each(|item| inputs_under(item, &[], blueprint, desired, seen, found));
        }
        (Tree::Leaf(template), _) => inputs_of(template, path, blueprint, desired, seen, found),
        _ => {}
    }
}

fn inputs_of<'specs>(
    template: &Template,
    path: &[String],
    blueprint: &'specs Blueprint,
    desired: &Desired,
    seen: &mut BTreeSet<&'specs str>,
    found: &mut Vec<Vec<String>>,
) {
    for reference in template.references() {
        match &reference.root {
            Root::Config => {
                let mut whole = reference.path.clone();
                if template.whole().is_some_and(|expression| expression.references.len() == 1) {
                    whole.extend(path.iter().cloned());
                }
                found.push(whole);
            }
            Root::Each => {
                for template in &desired.resource.each_templates {
                    inputs_of(template, &[], blueprint, desired, seen, found);
                }
            }
            Root::Local => {
                if let Some((name, rest)) = reference.path.split_first()
                    && let Some((name, local)) = blueprint.locals.get_key_value(name)
                    && seen.insert(name)
                {
                    let mut inner: Vec<String> = rest.to_vec();
                    inner.extend(path.iter().cloned());
                    let known = local.tree.at(&inner).is_some();
                    inputs_under(&local.tree, if known { &inner } else { rest }, blueprint, desired, seen, found);
                    seen.remove(name.as_str());
                }
            }
            Root::Previous | Root::Given(_) => {}
            Root::Resource { type_name, name, .. } => {
                // Whether it exists at all is decided by settings too.
                let resource = blueprint.resources.get(&(type_name.clone(), name.clone()));
                if let Some(when) = resource.and_then(|resource| resource.when.as_ref()) {
                    inputs_of(when, &[], blueprint, desired, seen, found);
                }
            }
        }
    }
}

/// The settings that decide whether a resource exists, and how often, by path.
pub fn existence_inputs(resource: &Resource, blueprint: &Blueprint) -> Vec<Vec<String>> {
    let mut templates: Vec<&Template> = resource.when.as_deref().into_iter().collect();
    if let Some(each) = &resource.each {
        each.each_leaf(&mut |template| templates.push(template));
    }
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    while let Some(template) = templates.pop() {
        for reference in template.references() {
            match (&reference.root, reference.path.first()) {
                (Root::Config, _) => {
                    found.insert(reference.path.clone());
                }
                (Root::Local, Some(name)) if seen.insert(name) => {
                    if let Some(local) = blueprint.locals.get(name) {
                        local.tree.each_leaf(&mut |template| templates.push(template));
                    }
                }
                _ => {}
            }
        }
    }
    found.into_iter().collect()
}

/// The resources a template of `desired` reads, for causes.
pub fn read_resources(desired: &Desired, blueprint: &Blueprint, name: &str) -> BTreeSet<ResourceName> {
    let mut found = BTreeSet::new();
    if let Some(tree) = desired.templates().get(name) {
        tree.each_leaf(&mut |template| {
            for reference in template.references() {
                if let Root::Resource { type_name, name, .. } = &reference.root {
                    found.insert((type_name.clone(), name.clone()));
                }
                if let (Root::Local, Some(local)) =
                    (&reference.root, reference.path.first().and_then(|name| blueprint.locals.get(name)))
                {
                    local.tree.each_leaf(&mut |template| {
                        collect_resources(blueprint, template, &mut BTreeSet::new(), &mut |target, _| {
                            found.insert(target.clone());
                        });
                    });
                }
            }
        });
    }
    found
}
