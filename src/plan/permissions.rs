//! What whoever runs this program must be allowed to do, for one file: an IAM policy, read off the types.
//!
//! An action stands on the resources of this instance where its type says how they are named (`permissions.scope`), under
//! the conditions its type says, and on everything in the instance's regions where AWS lets nobody narrow it down. What
//! the state knows and the file does not want any more counts too, for it is still to be deleted.
//!
//! There are two policies for changing. The daily one cannot give anybody more than its holder has. What could, because
//! AWS has no condition that tells a good use from a bad one, is in the other one: [`Half::Bootstrap`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::resolve::Graph;
use crate::address::{Address, TypeName};
use crate::provider::ownership::{Owner, is_named_after};
use crate::spec::Types;
use crate::spec::permissions::{BUILT_IN, Condition, Grant};
use crate::spec::types::{ResourceType, pieces, placeholders};
use crate::state::{Row, State};
use crate::value::{Missing, Planned, Tree, Unknown, Value};

/// Characters of a managed policy that AWS takes, white space apart.
pub const LONGEST: usize = 6144;

/// Names of one pattern beyond which what they have in common is named instead.
const NAMED: usize = 3;

/// The key of a condition that says where a call may go.
const REGION: &str = "aws:RequestedRegion";

/// Where AWS is asked about what stands in no region.
const FIRST_REGION: &str = "us-east-1";

/// A policy document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    pub version: &'static str,
    pub statement: Vec<Statement>,
}

/// Actions that are allowed on the same resources under the same conditions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    pub effect: &'static str,
    pub action: Vec<String>,
    pub resource: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "shortest")]
    pub condition: Condition,
}

/// One value stands by itself, several in a list.
fn shortest<S: Serializer>(condition: &Condition, serializer: S) -> Result<S::Ok, S::Error> {
    let value = |values: &[String]| match values {
        [only] => serde_json::Value::from(only.as_str()),
        several => serde_json::Value::from(several),
    };
    let written: BTreeMap<_, BTreeMap<_, _>> = condition
        .iter()
        .map(|(operator, keys)| (operator, keys.iter().map(|(key, values)| (key, value(values))).collect()))
        .collect();
    written.serialize(serializer)
}

impl Policy {
    fn of(statement: Vec<Statement>) -> Self {
        Self { version: "2012-10-17", statement }
    }

    /// Its size as AWS counts it.
    pub fn size(&self) -> usize {
        serde_json::to_string(self).map_or(0, |text| text.chars().count())
    }
}

/// Which instance it is, and where.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub instance: &'a str,
    pub region: &'a str,
    /// Any, while it is not known.
    pub account: Option<&'a str>,
}

impl Place<'_> {
    /// A pattern with the values of an object in the place of `{...}`. `None` if one of them is not known: then nothing is
    /// allowed, for a `*` there would mean the objects of everybody.
    ///
    /// [`ANY`] stands for an account that is not known yet, and for what AWS makes up where `origin` permits it.
    fn named(
        &self,
        pattern: &str,
        of: &ResourceType,
        region: &str,
        attributes: &Value,
        origin: Origin,
    ) -> Option<Name> {
        let mut text = String::new();
        let mut chosen = None;
        let (pieces, rest) = pieces(pattern);
        for (before, name) in pieces {
            text.push_str(before);
            let described = of.attributes.get(name);
            let default = || described?.default.as_ref()?.as_text();
            let is_made_up = origin == Origin::File && described.is_none_or(|one| one.computed);
            let value = match name {
                "region" if region.is_empty() => self.region,
                "region" => region,
                "account" => self.account.unwrap_or(ANY),
                "instance" => self.instance,
                name => {
                    chosen.get_or_insert(text.len());
                    match attributes.get(name) {
                        Some(Tree::Text(value)) => value,
                        None | Some(Tree::Null) => default().or(is_made_up.then_some(ANY))?,
                        Some(_) => return None,
                    }
                }
            };
            text.push_str(value);
        }
        text.push_str(rest);
        let chosen = chosen.unwrap_or(text.len());
        Some(Name { text, chosen })
    }
}

/// The name of an object in a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    text: String,
    /// Where the part begins that somebody has chosen for this object.
    chosen: usize,
}

impl Name {
    /// Tells whether the instance's whole name is in a beginning of this name that ends in a separator.
    fn is_of(&self, beginning: &str, instance: &str) -> bool {
        let Some(chosen) = beginning.get(self.chosen..) else { return false };
        !instance.is_empty()
            && chosen.match_indices(instance).any(|(at, _)| {
                let (before, after) = (&chosen[..at], &chosen[at + instance.len()..]);
                (before.is_empty() || before.ends_with(['/', ':'])) && after.starts_with(SEPARATORS)
            })
    }
}

/// The signs that divide names.
const SEPARATORS: [char; 3] = ['/', ':', '-'];

/// Where an object is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The file wants it. AWS has yet to make up its ids.
    File,
    /// Only the state has it, so that what it does not say is nobody's.
    State,
}

/// Which of the permissions are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Reading alone.
    Reading,
    /// Applying and destroying, as far as it can be held all the time.
    Daily,
    /// The rest: with it whoever holds it could widen what others may do.
    Bootstrap,
}

/// Everything that permissions are read off.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub graph: &'a Graph,
    pub desired: &'a BTreeMap<Address, Arc<Planned>>,
    pub state: &'a State,
    pub types: &'a Types,
    /// The types that are looked up, with the regions they are looked up in.
    pub looked_up: &'a BTreeMap<TypeName, BTreeSet<String>>,
    pub place: Place<'a>,
}

/// Stands for the `*` of what is not known, until a policy is written. Names of files and states have none in them.
const ANY: &str = "\u{0}";

/// An object of the instance.
struct Object {
    region: String,
    /// As far as they are known. Signs that mean something in a policy are spelled as those that mean themselves.
    attributes: Value,
    /// Attributes whose value only the state has, and which do not name the instance: nobody shows that they are ours.
    doubtful: BTreeSet<String>,
    origin: Origin,
}

impl Object {
    /// The texts that an attribute holds: itself, or the entries of a list.
    fn texts(&self, name: &str) -> Vec<String> {
        match self.attributes.get(name) {
            _ if self.doubtful.contains(name) => Vec::new(),
            Some(Tree::Text(text)) => vec![text.clone()],
            Some(Tree::List(items)) => items.iter().filter_map(Tree::as_text).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether a pattern names an attribute that is doubtful.
    fn is_doubtful(&self, pattern: &str) -> bool {
        placeholders(pattern).any(|name| self.doubtful.contains(name))
    }
}

/// A value whose texts mean themselves in a policy: `${*}` is the sign `*`, and no pattern.
fn literal(value: &Value) -> Value {
    match value {
        Tree::Text(text) => Tree::Text(literal_text(text)),
        Tree::List(items) => Tree::List(items.iter().map(literal).collect()),
        Tree::Map(entries) => Tree::Map(entries.iter().map(|(name, value)| (name.clone(), literal(value))).collect()),
        other => other.clone(),
    }
}

fn literal_text(text: &str) -> String {
    let mut spelled = String::new();
    for character in text.replace(ANY, "").chars() {
        match character {
            '*' | '?' | '$' => spelled.extend(['$', '{', character, '}']),
            _ => spelled.push(character),
        }
    }
    spelled
}

/// As it stands in a policy.
fn written(text: &str) -> String {
    text.replace(ANY, "*")
}

/// Where an action is allowed, and when.
type Granted = (BTreeSet<String>, Condition);

/// What is allowed.
pub fn statements(wanted: &Wanted<'_>, half: Half) -> Vec<Statement> {
    let used = wanted.used();
    let mut granted: BTreeMap<&str, Vec<Granted>> = BTreeMap::new();
    let mut regions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, objects) in &used {
        let Some(resource_type) = wanted.types.get(*name) else { continue };
        let permissions = &resource_type.permissions;
        // A type with lookups alone is only read.
        let reads_only = half == Half::Reading || objects.is_empty();
        let verbs = permissions.verbs.iter().filter(|(verb, _)| !reads_only || *verb == "read");
        for action in verbs.flat_map(|(_, actions)| actions) {
            let found = wanted.granted(action, resource_type, half, &used);
            if !found.is_empty() {
                granted.entry(action).or_default().extend(found);
                let service = action.split(':').next().unwrap_or_default();
                regions.entry(service).or_default().extend(wanted.regions(resource_type, &used));
            }
        }
        // AWS does what such a type takes on behalf of whoever asks, so its own actions are needed, too.
        let is_indirect = resource_type.is_generic() && half != Half::Bootstrap;
        for (action, _) in INDIRECT_ACTIONS.iter().filter(|(_, reads)| is_indirect && (*reads || half == Half::Daily)) {
            granted.entry(action).or_default().push((BTreeSet::from(["*".to_owned()]), Condition::new()));
            regions.entry("cloudformation").or_default().extend(wanted.regions(resource_type, &used));
        }
    }
    for (action, everywhere, reads) in OWN_ACTIONS {
        if half == Half::Bootstrap || (half == Half::Reading && !*reads) {
            continue;
        }
        let account = wanted.place.account.unwrap_or("*");
        let note =
            format!("arn:aws:ssm:{}:{account}:parameter/mastoform/{}", wanted.place.region, wanted.place.instance);
        let resource = if *everywhere { "*".to_owned() } else { note };
        granted.entry(action).or_default().push((BTreeSet::from([resource]), Condition::new()));
        // Global types have their tags in AWS's first region.
        let service = action.split(':').next().unwrap_or_default();
        regions.entry(service).or_default().extend([wanted.place.region, FIRST_REGION]);
    }
    let mut grouped: BTreeMap<Granted, BTreeSet<&str>> = BTreeMap::new();
    for (action, grants) in granted {
        for (resources, mut condition) in simplest(grants) {
            if resources.contains("*") {
                let service = action.split(':').next().unwrap_or_default();
                let allowed = regions.get(service).into_iter().flatten().map(|region| (*region).to_owned()).collect();
                condition.entry("StringEquals".to_owned()).or_default().insert(REGION.to_owned(), allowed);
            }
            grouped.entry((resources, condition)).or_default().insert(action);
        }
    }
    let mut statements: Vec<Statement> = grouped
        .into_iter()
        .map(|((resources, condition), actions)| Statement {
            effect: "Allow",
            action: actions.into_iter().map(str::to_owned).collect(),
            resource: resources.into_iter().collect(),
            condition,
        })
        .collect();
    statements.sort();
    statements
}

impl Wanted<'_> {
    /// The objects of every type that is made, remembered or looked up.
    fn used(&self) -> BTreeMap<&TypeName, Vec<Object>> {
        let mut used: BTreeMap<&TypeName, Vec<Object>> = BTreeMap::new();
        for type_name in self.looked_up.keys() {
            used.entry(type_name).or_default();
        }
        for (address, node) in &self.graph.nodes {
            let planned = self.desired.get(address);
            let attributes = planned.map(|planned| self.known(&address.type_name, planned)).unwrap_or_default();
            let region = node.region.clone();
            let object = Object { region, attributes, doubtful: BTreeSet::new(), origin: Origin::File };
            used.entry(&address.type_name).or_default().push(object);
        }
        for (address, row) in &self.state.rows {
            let attributes = literal(&row.recorded());
            let doubtful = self.doubtful(address, row);
            let object = Object { region: row.region.clone(), attributes, doubtful, origin: Origin::State };
            used.entry(&address.type_name).or_default().push(object);
        }
        used
    }

    /// The attributes of a row that somebody has chosen, that the file does not say, and that do not name the instance.
    /// A forged state could name anything.
    fn doubtful(&self, address: &Address, row: &Row) -> BTreeSet<String> {
        let chosen = self.types.get(&address.type_name).map(|found| &found.attributes);
        let is_chosen = |name: &String| chosen.and_then(|all| all.get(name)).is_none_or(|one| !one.computed);
        let desired = self.desired.get(address);
        let owner = Owner {
            instance: self.place.instance.to_owned(),
            region: self.place.region.to_owned(),
            lineage: String::new(),
            account: None,
            accepts_unmarked: false,
        };
        let is_ours = |text: &str| text.split('/').any(|part| is_named_after(part, &owner));
        let recorded = row.recorded();
        let entries = recorded.as_map().into_iter().flatten().filter(|(name, _)| is_chosen(name));
        let doubtful = entries.filter(|(name, value)| {
            let is_said = desired.and_then(|all| all.get(name)).is_some_and(|wanted| wanted.is(value));
            let are_ours = match value {
                Tree::Text(text) => is_ours(text),
                Tree::List(items) => items.iter().all(|item| item.as_text().is_none_or(is_ours)),
                _ => true,
            };
            !is_said && !are_ours
        });
        doubtful.map(|(name, _)| name.clone()).collect()
    }

    /// What [`statements`] leaves out, in sentences: names of which nothing shows that they are this instance's, and names
    /// that are not known.
    pub fn left_out(&self) -> Vec<String> {
        let used = self.used();
        let naming: BTreeMap<&TypeName, BTreeSet<&str>> =
            used.keys().filter_map(|name| Some((*name, self.naming(self.types.get(*name)?)))).collect();
        let naming = |name: &TypeName| naming.get(name).into_iter().flatten().copied();
        let mut all = Vec::new();
        for (address, planned) in self.desired {
            let Some(resource_type) = self.types.get(&address.type_name) else { continue };
            let known = self.known(&address.type_name, planned);
            for name in naming(&address.type_name) {
                let is_said = planned.get(name).is_some_and(|value| !matches!(value, Tree::Null));
                if is_said && known.get(name).and_then(Tree::as_text).is_none() {
                    let what = format!("the {name} of {address} is known only after an apply");
                    all.push(format!("{what}, so nothing is allowed there: the policy is for names that are known"));
                }
            }
            let object =
                Object { region: String::new(), attributes: known, doubtful: BTreeSet::new(), origin: Origin::File };
            let bounds: BTreeSet<&String> =
                resource_type.permissions.grants.iter().flat_map(|grant| &grant.own).collect();
            for name in bounds {
                let own = self.own_names(resource_type, name, &used);
                let foreign = object.texts(name).into_iter().filter(|text| !own.contains(text));
                for value in foreign {
                    let what = format!("{address} has the {name} {}", Value::from(written(&value).as_str()));
                    all.push(format!("{what}, which this instance does not make, so nothing is allowed with it"));
                }
            }
        }
        for (address, row) in &self.state.rows {
            let Some(resource_type) = self.types.get(&address.type_name) else { continue };
            let doubtful = self.doubtful(address, row);
            let recorded = row.recorded();
            for name in naming(&address.type_name) {
                let value = recorded.get(name).filter(|value| !matches!(value, Tree::Null));
                if doubtful.contains(name) {
                    let value = value.map(ToString::to_string).unwrap_or_default();
                    let what = format!("{address} has the {name} {value} in the state alone");
                    all.push(format!("{what}, so nothing is allowed there: the policy is for what the file names"));
                    continue;
                }
                let described = resource_type.attributes.get(name);
                // An id that AWS made up for an object of the file stands open there.
                let matters = match described {
                    Some(one) if one.computed => !self.desired.contains_key(address),
                    Some(one) => one.required || value.is_some(),
                    None => value.is_some(),
                };
                if matters && row.identity.is_some() && value.and_then(Tree::as_text).is_none() {
                    let what = format!("{address} has no {name} in the state");
                    all.push(format!("{what}, so nothing is allowed there: the policy is for names that are known"));
                }
            }
        }
        all
    }

    /// The attributes that names of a type's objects are made of, in its own patterns and in those of others.
    fn naming<'a>(&'a self, of: &'a ResourceType) -> BTreeSet<&'a str> {
        let mut all = BTreeSet::new();
        for other in self.types.values() {
            let permissions = &other.permissions;
            let own = permissions.names_of.as_ref();
            let scopes = permissions.grants.iter().filter_map(|grant| {
                let patterns = grant.scope.as_ref()?;
                Some((patterns, grant.names_of.as_ref().or(own)))
            });
            for (patterns, names_of) in scopes.chain([(&permissions.scope, own)]) {
                if *names_of.unwrap_or(&other.name) == of.name {
                    all.extend(patterns.iter().flat_map(|pattern| placeholders(pattern)));
                }
            }
        }
        all.retain(|name| !BUILT_IN.contains(name));
        all
    }

    /// The names of this instance's objects that an attribute may refer to.
    fn own_names(
        &self,
        resource_type: &ResourceType,
        attribute: &str,
        used: &BTreeMap<&TypeName, Vec<Object>>,
    ) -> BTreeSet<String> {
        let target = resource_type.attributes.get(attribute).and_then(|described| described.refers_to.as_ref());
        let Some(target) = target.and_then(|target| self.types.get(target)) else { return BTreeSet::new() };
        let formats: Vec<&str> =
            target.identity.iter().filter_map(|name| target.attributes.get(name)?.format.as_deref()).collect();
        let mut all = BTreeSet::new();
        for object in used.get(&target.name).into_iter().flatten() {
            for format in formats.iter().filter(|format| !object.is_doubtful(format)) {
                let name = self.place.named(format, target, &object.region, &object.attributes, Origin::State);
                all.extend(name.map(|name| name.text));
            }
        }
        all
    }

    /// Where the calls for a type go.
    fn regions<'a>(
        &'a self,
        resource_type: &'a ResourceType,
        used: &'a BTreeMap<&TypeName, Vec<Object>>,
    ) -> BTreeSet<&'a str> {
        if let Some(region) = &resource_type.permissions.region {
            return BTreeSet::from([region.as_str()]);
        }
        let made = used.get(&resource_type.name).into_iter().flatten().map(|object| object.region.as_str());
        let looked_up = self.looked_up.get(&resource_type.name).into_iter().flatten().map(String::as_str);
        made.chain(looked_up).map(|region| if region.is_empty() { self.place.region } else { region }).collect()
    }

    /// Where a type's action is allowed.
    fn granted(
        &self,
        action: &str,
        resource_type: &ResourceType,
        half: Half,
        used: &BTreeMap<&TypeName, Vec<Object>>,
    ) -> Vec<Granted> {
        let permissions = &resource_type.permissions;
        if permissions.withheld.contains(action) {
            return Vec::new();
        }
        let is_kept_apart = permissions.bootstrap.contains(action);
        let is_meant = |is_bootstrap: bool| half == Half::Reading || is_bootstrap == (half == Half::Bootstrap);
        let everything = BTreeSet::from(["*".to_owned()]);
        let own_names = permissions.names_of.as_ref();
        let own = || match permissions.unscoped.contains(action) || permissions.scope.is_empty() {
            true => everything.clone(),
            false => self.scope(&permissions.scope, own_names, resource_type, used),
        };
        let grants: Vec<&Grant> = permissions.grants_of(action).collect();
        if grants.is_empty() {
            let granted = if is_meant(is_kept_apart) { own() } else { BTreeSet::new() };
            return if granted.is_empty() { Vec::new() } else { vec![(granted, Condition::new())] };
        }
        let meant = grants.into_iter().filter(|grant| is_meant(is_kept_apart || grant.bootstrap));
        let granted = meant.filter_map(|grant| {
            let names_of = grant.names_of.as_ref();
            let resources = match &grant.scope {
                Some(patterns) => self.scope(patterns, names_of.or(own_names), resource_type, used),
                None => match names_of.and_then(|other| self.types.get(other)) {
                    Some(other) => self.scope(&other.permissions.scope, names_of, other, used),
                    None => own(),
                },
            };
            if resources.is_empty() {
                return None;
            }
            Some((resources, self.condition(grant, resource_type, used)?))
        });
        granted.collect()
    }

    /// The names of all objects, as the patterns spell them.
    fn scope(
        &self,
        patterns: &[String],
        names_of: Option<&TypeName>,
        own: &ResourceType,
        used: &BTreeMap<&TypeName, Vec<Object>>,
    ) -> BTreeSet<String> {
        let of = names_of.and_then(|name| self.types.get(name)).map_or(own, Arc::as_ref);
        let objects = used.get(&of.name).map_or(&[][..], Vec::as_slice);
        let mut all = BTreeSet::new();
        for pattern in patterns {
            // Which objects a lookup finds, AWS says.
            if objects.is_empty() && self.looked_up.contains_key(&of.name) {
                all.insert(written(&self.open(pattern)));
                continue;
            }
            let known = objects.iter().filter(|object| !object.is_doubtful(pattern));
            let names: BTreeSet<Name> = known
                .filter_map(|object| self.place.named(pattern, of, &object.region, &object.attributes, object.origin))
                .collect();
            all.extend(fewest(&names, self.place.instance).iter().map(|name| written(name)));
        }
        all
    }

    /// A pattern for whatever name.
    fn open(&self, pattern: &str) -> String {
        let (pieces, rest) = pieces(pattern);
        let filled = pieces.into_iter().map(|(before, name)| {
            let value = match name {
                "region" => self.place.region,
                "account" => self.place.account.unwrap_or(ANY),
                "instance" => self.place.instance,
                _ => ANY,
            };
            before.to_owned() + value
        });
        filled.collect::<String>() + rest
    }

    /// A condition with values in the place of `{...}`. `None` if an attribute that it names is set nowhere: then there
    /// is nothing that it could allow.
    fn condition(
        &self,
        grant: &Grant,
        own: &ResourceType,
        used: &BTreeMap<&TypeName, Vec<Object>>,
    ) -> Option<Condition> {
        let objects = used.get(&own.name).map_or(&[][..], Vec::as_slice);
        let mut filled = Condition::new();
        for (operator, keys) in &grant.condition {
            for (key, patterns) in keys {
                let mut values = BTreeSet::new();
                for pattern in patterns {
                    match pattern.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                        Some(name) if own.attributes.contains_key(name) => {
                            let texts = objects.iter().flat_map(|object| object.texts(name));
                            match grant.own.iter().any(|other| other == name) {
                                true => {
                                    let ours = self.own_names(own, name, used);
                                    values.extend(texts.filter(|text| ours.contains(text)));
                                }
                                false => values.extend(texts),
                            }
                        }
                        _ => {
                            let name = self.place.named(pattern, own, "", &Value::Null, Origin::State);
                            values.extend(name.map(|name| name.text));
                        }
                    }
                }
                if values.is_empty() {
                    return None;
                }
                // What stands for an account that is not known yet is a pattern.
                let operator = match operator.strip_prefix("StringEquals") {
                    Some(rest) if values.iter().any(|value| value.contains(ANY)) => format!("StringLike{rest}"),
                    _ => operator.clone(),
                };
                let values = values.iter().map(|value| written(value)).collect();
                filled.entry(operator).or_default().insert(key.clone(), values);
            }
        }
        Some(filled)
    }

    /// What is known of attributes. An attribute of another resource that is not known yet is spelled as its type says
    /// such values look. What AWS makes up in them is open only where the attribute is meant to name such a resource.
    fn known(&self, type_name: &TypeName, planned: &Planned) -> Value {
        let attributes = self.types.get(type_name).map(|found| &found.attributes);
        let spelled = |name: &str, value: &Planned| {
            let refers_to = attributes.and_then(|all| all.get(name)?.refers_to.as_ref());
            let known = value.try_map(&mut |unknown: &Unknown| match unknown.references.as_slice() {
                [missing] if !unknown.sensitive && unknown.template == format!("${{{missing}}}") => {
                    let is_meant = refers_to == Some(&missing.address.type_name);
                    self.spelled(missing).filter(|text| is_meant || !text.contains(ANY)).map(Tree::Text).ok_or(())
                }
                _ => Err(()),
            });
            known.ok()
        };
        let plain = |value: &Planned| Some(literal(&value.plain()?));
        let entries = planned.as_map().into_iter().flatten();
        Tree::Map(
            entries
                .filter_map(|(name, value)| Some((name.clone(), plain(value).or_else(|| spelled(name, value))?)))
                .collect(),
        )
    }

    fn spelled(&self, missing: &Missing) -> Option<String> {
        let resource_type = self.types.get(&missing.address.type_name)?;
        let [attribute] = &missing.attribute[..] else { return None };
        let format = resource_type.attributes.get(attribute)?.format.as_deref()?;
        let region = self.graph.nodes.get(&missing.address).map_or("", |node| node.region.as_str());
        let planned = self.desired.get(&missing.address)?.as_map()?;
        let known = planned.iter().filter_map(|(name, value)| Some((name.clone(), literal(&value.plain()?)))).collect();
        self.place.named(format, resource_type, region, &Tree::Map(known), Origin::File).map(|name| name.text)
    }
}

/// The grants of one action, without those that another one holds already.
fn simplest(grants: Vec<Granted>) -> Vec<Granted> {
    let mut by_condition: BTreeMap<Condition, BTreeSet<String>> = BTreeMap::new();
    for (resources, condition) in grants {
        by_condition.entry(condition).or_default().extend(resources);
    }
    let always = by_condition.remove(&Condition::new()).unwrap_or_default();
    if always.contains("*") {
        return vec![(BTreeSet::from(["*".to_owned()]), Condition::new())];
    }
    let mut by_resources: BTreeMap<BTreeSet<String>, Vec<Condition>> = BTreeMap::new();
    for (condition, mut resources) in by_condition {
        resources.retain(|resource| !always.contains(resource));
        if resources.contains("*") {
            resources = BTreeSet::from(["*".to_owned()]);
        }
        if !resources.is_empty() {
            unite(by_resources.entry(resources).or_default(), condition);
        }
    }
    let mut left: Vec<Granted> = by_resources
        .into_iter()
        .flat_map(|(resources, all)| all.into_iter().map(move |condition| (resources.clone(), condition)))
        .collect();
    if !always.is_empty() {
        left.push((always, Condition::new()));
    }
    left
}

/// Adds a condition. Two that compare one and the same key are one with the values of both.
fn unite(all: &mut Vec<Condition>, condition: Condition) {
    let only = |condition: &Condition| match condition.iter().next() {
        Some((operator, keys)) if condition.len() == 1 && keys.len() == 1 => {
            Some((operator.clone(), keys.keys().next().cloned()))
        }
        _ => None,
    };
    let compared = only(&condition);
    match all.iter_mut().find(|other| compared.is_some() && only(other) == compared) {
        Some(other) => {
            for (mine, theirs) in other.values_mut().zip(condition.into_values()) {
                for (mine, theirs) in mine.values_mut().zip(theirs.into_values()) {
                    mine.extend(theirs);
                    mine.sort();
                    mine.dedup();
                }
            }
        }
        None => all.push(condition),
    }
}

/// The list by which a statement is cut: its actions or, where it has one alone, what they are allowed on.
fn listed(statement: &mut Statement) -> &mut Vec<String> {
    if statement.action.len() > 1 { &mut statement.action } else { &mut statement.resource }
}

/// As many policies as it takes for each to be short enough. A statement that is too long for one is cut in two.
pub fn policies(statements: Vec<Statement>) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    let mut left: Vec<Statement> = statements.into_iter().rev().collect();
    while let Some(statement) = left.pop() {
        let is_too_long = Policy::of(vec![statement.clone()]).size() > LONGEST;
        if is_too_long && (statement.action.len() > 1 || statement.resource.len() > 1) {
            let mut first = statement;
            let mut second = first.clone();
            let half = listed(&mut first).len() / 2;
            listed(&mut first).truncate(half);
            listed(&mut second).drain(..half);
            left.extend([second, first]);
            continue;
        }
        if let Some(last) = policies.last_mut() {
            last.statement.push(statement);
            if last.size() <= LONGEST {
                continue;
            }
            let statement = last.statement.pop();
            policies.extend(statement.map(|statement| Policy::of(vec![statement])));
        } else {
            policies.push(Policy::of(vec![statement]));
        }
    }
    policies
}

/// Names in as few patterns as say no more than that they are the instance's. Many that begin with its name become their
/// common beginning. All others stand for themselves: what they have in common, others have as well.
fn fewest(names: &BTreeSet<Name>, instance: &str) -> BTreeSet<String> {
    let texts = |names: &[&Name]| names.iter().map(|name| name.text.clone()).collect::<BTreeSet<_>>();
    let (ours, others): (Vec<&Name>, Vec<&Name>) = names.iter().partition(|name| name.is_of(&name.text, instance));
    let shared = common(&ours);
    let is_shared = ours.len() > NAMED && ours.iter().all(|name| name.is_of(&shared, instance));
    let mut all = if is_shared { BTreeSet::from([shared + ANY]) } else { texts(&ours) };
    all.extend(texts(&others));
    all
}

/// The common beginning of names, up to the last sign that divides them.
fn common(names: &[&Name]) -> String {
    let mut shared = names.first().map(|name| name.text.clone()).unwrap_or_default();
    for name in names {
        let common = shared.chars().zip(name.text.chars()).take_while(|(left, right)| left == right);
        shared.truncate(common.map(|(character, _)| character.len_utf8()).sum());
    }
    let end = shared.rfind(SEPARATORS).map_or(0, |at| at + 1);
    shared.truncate(end);
    shared
}

/// What the program asks for on its own behalf, whatever the types: the action, whether AWS allows it on everything only
/// (otherwise it is about the registration of the instance), and whether it only reads.
///
/// The index of tags answers about everything in a region at once, so that it cannot be narrowed down.
const OWN_ACTIONS: &[(&str, bool, bool)] = &[
    ("tag:GetResources", true, true),
    ("ssm:GetParameter", false, true),
    ("ssm:PutParameter", false, false),
    ("ssm:AddTagsToResource", false, false),
    ("ssm:DeleteParameter", false, false),
];

/// What is asked of AWS for types that it is asked for in CloudFormation's words, and whether it only reads. AWS lets nobody
/// narrow it down: what may be done to which resource, the actions of the type decide.
const INDIRECT_ACTIONS: &[(&str, bool)] = &[
    ("cloudformation:CreateResource", false),
    ("cloudformation:DeleteResource", false),
    ("cloudformation:GetResource", true),
    ("cloudformation:GetResourceRequestStatus", true),
    ("cloudformation:ListResourceRequests", true),
    ("cloudformation:ListResources", true),
    ("cloudformation:UpdateResource", false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_out_as_far_as_they_are_known() {
        let specs = crate::spec::Specs::read(&[]).expect("valid specs");
        let of = |service: &str, kind: &str| &specs.types[&TypeName::new(service, kind)];
        let place = Place { instance: "social", region: "eu-central-1", account: Some("123456789012") };
        let json = |attributes: serde_json::Value| Value::from_json(&attributes);
        let spelled = |place: Place<'_>, pattern: &str, of: &ResourceType, attributes: &Value, origin: Origin| {
            place.named(pattern, of, "", attributes, origin).map(|name| written(&name.text))
        };
        let pattern = "arn:aws:ssm:{region}:{account}:parameter{name}";
        let parameter = of("ssm", "parameter");
        let named = json(serde_json::json!({"name": "/social/db"}));
        let name = place.named(pattern, parameter, "us-east-1", &named, Origin::File).expect("known");
        assert_eq!(name.text, "arn:aws:ssm:us-east-1:123456789012:parameter/social/db");
        assert_eq!(&name.text[name.chosen..], "/social/db");
        let nobody = Place { account: None, ..place };
        let found = spelled(nobody, pattern, parameter, &named, Origin::State);
        assert_eq!(found.as_deref(), Some("arn:aws:ssm:eu-central-1:*:parameter/social/db"));
        let role = json(serde_json::json!({"name": "tasks"}));
        let found = spelled(place, "arn:aws:iam::{account}:role{path}{name}", of("iam", "role"), &role, Origin::State);
        assert_eq!(
            found.as_deref(),
            Some("arn:aws:iam::123456789012:role/tasks"),
            "a path that is not set is AWS's own"
        );
        // What is not said is nobody's, and what AWS makes up is open where the file wants it.
        for origin in [Origin::File, Origin::State] {
            for nameless in [json(serde_json::json!({})), json(serde_json::json!({"name": 5})), Value::Null] {
                assert_eq!(spelled(place, pattern, parameter, &nameless, origin), None, "{nameless:?}");
            }
        }
        let zone = "arn:aws:route53:::hostedzone/{id}";
        let found = spelled(place, zone, of("route53", "zone"), &Value::Null, Origin::File);
        assert_eq!(found.as_deref(), Some("arn:aws:route53:::hostedzone/*"));
        assert_eq!(spelled(place, zone, of("route53", "zone"), &Value::Null, Origin::State), None);
    }

    fn condition(key: &str, values: &[&str]) -> Condition {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        BTreeMap::from([("StringEquals".to_owned(), BTreeMap::from([(key.to_owned(), values)]))])
    }

    #[test]
    fn grants_of_one_action_become_as_few_as_say_the_same() {
        let on = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let always = Condition::new();
        let granted = vec![(on(&["a"]), always.clone()), (on(&["b"]), always.clone())];
        assert_eq!(simplest(granted), [(on(&["a", "b"]), always.clone())]);
        let granted = vec![(on(&["*"]), always.clone()), (on(&["b"]), condition("k", &["x"]))];
        assert_eq!(simplest(granted), [(on(&["*"]), always.clone())], "what is always allowed has no conditions");
        let granted = vec![(on(&["a"]), always.clone()), (on(&["a", "b"]), condition("k", &["x"]))];
        assert_eq!(simplest(granted), [(on(&["b"]), condition("k", &["x"])), (on(&["a"]), always)]);
        let granted = vec![(on(&["a"]), condition("k", &["x"])), (on(&["a"]), condition("k", &["y"]))];
        assert_eq!(simplest(granted), [(on(&["a"]), condition("k", &["x", "y"]))], "one of several values will do");
        let granted = vec![(on(&["a"]), condition("k", &["x"])), (on(&["a"]), condition("l", &["y"]))];
        assert_eq!(simplest(granted).len(), 2, "either of two keys will do");
    }

    #[test]
    fn many_names_become_a_common_beginning_only_where_it_names_the_instance() {
        let start = "arn:aws:x:r:1:p/";
        let few = |all: &[&str], instance: &str| {
            let name = |name: &&str| Name { text: format!("{start}{name}"), chosen: start.len() };
            let few = fewest(&all.iter().map(name).collect(), instance);
            few.iter().map(|text| written(text).replace(start, "")).collect::<Vec<_>>()
        };
        assert_eq!(few(&["social/a", "social/b", "social/c", "social/cd"], "social"), ["social/*"]);
        assert_eq!(few(&["social-a", "social-b", "social-c", "social-d"], "social"), ["social-*"]);
        assert_eq!(few(&["social-a", "social-b", "social-c"], "social"), ["social-a", "social-b", "social-c"]);
        let one_of_others = ["social/a", "social/b", "social/c", "social/d", "x"];
        assert_eq!(few(&one_of_others, "social"), ["social/*", "x"], "one other name is itself");
        for others in [
            &["social", "social.b", "social_c", "social-d"][..],
            &["a", "b", "c", "d"],
            &["asocial-a", "asocial-b", "asocial-c", "asocial-d"],
            &["social2-a", "social2-b", "social2-c", "social2-d"],
            &["social-a", "social-b", "social/c", "social/d"],
        ] {
            let mut wanted = others.to_vec();
            wanted.sort_unstable();
            assert_eq!(few(others, "social"), wanted);
        }
        // What every name of the type begins with names nobody, whatever the instance is called.
        assert_eq!(few(&["a", "b", "c", "d"], "x"), ["a", "b", "c", "d"]);
        assert_eq!(few(&["a", "b", "c", "d"], "p"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn what_is_too_long_for_one_policy_becomes_several() {
        let statement = |resource: &str, count: usize| Statement {
            effect: "Allow",
            action: (0..count).map(|number| format!("service:SomeRatherLongAction{number:04}")).collect(),
            resource: vec![resource.to_owned()],
            condition: condition("aws:RequestedRegion", &["eu-central-1"]),
        };
        let many = Statement {
            resource: (0..300).map(|number| format!("arn:aws:s3:::social-example-org-{number:04}")).collect(),
            ..statement("", 1)
        };
        let statements =
            vec![statement("*", 300), statement("arn:aws:s3:::x", 10), statement("arn:aws:s3:::y", 100), many];
        let pairs = |statement: &Statement| {
            let Statement { action, resource, .. } = statement.clone();
            let on = move |action: String| resource.clone().into_iter().map(move |on| (action.clone(), on));
            action.into_iter().flat_map(on).collect::<Vec<_>>()
        };
        let mut wanted: Vec<(String, String)> = statements.iter().flat_map(pairs).collect();
        let policies = policies(statements);
        assert!(policies.len() > 1);
        let mut found: Vec<(String, String)> = Vec::new();
        for policy in &policies {
            assert!(policy.size() <= LONGEST, "{}", policy.size());
            found.extend(policy.statement.iter().flat_map(pairs));
        }
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
    }
}
