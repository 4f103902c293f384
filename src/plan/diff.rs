//! Comparing one resource: what is wanted, what was recorded, what is there.
//!
//! Only what was set is compared: the attributes written now and those written at the last apply, and those that their
//! type watches. What else AWS filled in by itself never shows, and an attribute removed from the file goes back to AWS's
//! default. There is one equality,
//! [`same`], used wherever two values are compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::spec::types::{Attribute, Compare, Impact, ResourceType, Security, Shape};
use crate::value::{Planned, Tree, Value};

/// Key of the marker that stands for a secret in recorded attributes: `{"secret": "${...}"}`.
pub const SECRET: &str = "secret";

/// The marker for a secret that comes from `template`.
pub fn secret_marker(template: &str) -> Value {
    Tree::Map(BTreeMap::from([(SECRET.to_owned(), Tree::Text(template.to_owned()))]))
}

/// The template of a marker.
pub fn marker_template(value: &Value) -> Option<&str> {
    match value {
        Tree::Map(entries) if entries.len() == 1 => entries.get(SECRET)?.as_text(),
        _ => None,
    }
}

/// A difference at one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub path: Vec<String>,
    /// What is there; `None` if it is not set.
    pub before: Option<Value>,
    /// What is wanted; `None` if it is to be unset.
    pub after: Option<Planned>,
    /// The wish has not changed since the last apply, so somebody else changed the resource.
    pub is_drift: bool,
    /// It is both: the wish has changed, and what is there is not what was recorded either.
    pub also_drifted: bool,
    pub course: Course,
    pub immutable: bool,
    pub sensitive: bool,
    pub impact: Impact,
}

/// What a difference is about, of versions that the cloud raises by itself and never lowers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// The cloud can be asked for it.
    Change,
    /// The cloud is beyond a wish that was met before. There is nothing to ask for.
    Raised,
    /// The wish is below what is there, and below what was recorded. The cloud would refuse.
    Lowered,
}

/// Flags that a nested attribute takes over from what it is part of.
#[derive(Clone, Copy)]
struct Inherited {
    immutable: bool,
    sensitive: bool,
    write_only: bool,
    impact: Impact,
    /// What it does to people if it is taken away.
    unset: Option<Impact>,
}

impl Inherited {
    fn with(self, attribute: &Attribute) -> Self {
        Self {
            immutable: self.immutable || attribute.immutable,
            sensitive: self.sensitive || attribute.sensitive,
            write_only: self.write_only || attribute.write_only,
            impact: self.impact.max(attribute.impact),
            unset: self.unset.max(attribute.impact_of(None)),
        }
    }
}

/// The three sides of a comparison.
pub struct Sides<'a> {
    pub desired: &'a Planned,
    pub recorded: &'a Value,
    /// `None`: not asked, as in an offline plan; what is recorded counts as observed.
    pub observed: Option<&'a Value>,
    /// The last change of it came to its end. Otherwise that may have done what is wanted and not recorded yet.
    pub is_settled: bool,
}

/// Compares a resource. `is_changing` says whether an unknown value will differ from what is recorded: whether
/// anything it refers to is made anew.
pub fn diff(
    resource_type: &ResourceType,
    sides: &Sides<'_>,
    ignore: &[String],
    is_changing: &dyn Fn(&Planned) -> bool,
) -> Vec<Difference> {
    let mut names: BTreeSet<&String> = BTreeSet::new();
    names.extend(sides.desired.as_map().into_iter().flat_map(BTreeMap::keys));
    names.extend(sides.recorded.as_map().into_iter().flat_map(BTreeMap::keys));
    names.extend(resource_type.attributes.iter().filter(|(_, attribute)| attribute.watched).map(|(name, _)| name));
    let is_settled = sides.is_settled;
    let mut comparison = Comparison { differences: Vec::new(), path: Vec::new(), is_settled, is_changing };
    for name in names {
        let Some(attribute) = resource_type.attributes.get(name) else { continue };
        if ignore.contains(name) || attribute.computed {
            continue;
        }
        let inherited =
            Inherited { immutable: false, sensitive: false, write_only: false, impact: Impact::None, unset: None };
        let observed = match sides.observed {
            Some(observed) => observed.get(name),
            None => sides.recorded.get(name),
        };
        comparison.path.push(name.clone());
        comparison.attribute(attribute, inherited, sides.desired.get(name), sides.recorded.get(name), observed);
        comparison.path.pop();
    }
    comparison.differences
}

struct Comparison<'a> {
    differences: Vec<Difference>,
    path: Vec<String>,
    is_settled: bool,
    is_changing: &'a dyn Fn(&Planned) -> bool,
}

impl Comparison<'_> {
    fn attribute(
        &mut self,
        attribute: &Attribute,
        inherited: Inherited,
        desired: Option<&Planned>,
        recorded: Option<&Value>,
        observed: Option<&Value>,
    ) {
        let inherited = inherited.with(attribute);
        // Nobody can read it back, or this answer did not mention it: what was recorded is the best there is.
        let observed = if inherited.write_only || inherited.sensitive { recorded } else { observed.or(recorded) };
        // Mostly all sides say the same, and then there is nothing to take apart.
        if let (Some(desired), Some(recorded), Some(observed)) = (desired, recorded, observed)
            && desired.is(recorded)
            && (std::ptr::eq(recorded, observed) || desired.is(observed))
        {
            return;
        }
        let default: Option<Planned> = match desired {
            Some(_) => None,
            None => attribute.default.as_ref().map(Value::lift),
        };
        if desired.is_none() && default.is_none() && attribute.default_from_aws {
            return;
        }
        let desired = desired.or(default.as_ref());
        if let Some(wanted) = desired
            && self.accepts(attribute, inherited, wanted, recorded, observed)
        {
            let recorded = recorded.or(attribute.default.as_ref());
            self.push(attribute, inherited, Some(wanted.clone()), recorded, recorded);
            return;
        }
        match (&attribute.shape, desired) {
            (Shape::Object(attributes), Some(Tree::Map(_)) | None) => {
                let mut names: BTreeSet<&String> = BTreeSet::new();
                names.extend(desired.and_then(Tree::as_map).into_iter().flat_map(BTreeMap::keys));
                names.extend(recorded.and_then(Tree::as_map).into_iter().flat_map(BTreeMap::keys));
                for name in names {
                    let Some(child) = attributes.get(name) else { continue };
                    self.path.push(name.clone());
                    self.attribute(
                        child,
                        inherited,
                        desired.and_then(|desired| desired.get(name)),
                        recorded.and_then(|recorded| recorded.get(name)),
                        observed.and_then(|observed| observed.get(name)),
                    );
                    self.path.pop();
                }
            }
            (Shape::Map(element), Some(Tree::Map(_)) | None) => {
                let desired = desired.and_then(Tree::as_map).map(as_references).unwrap_or_default();
                let recorded = recorded.and_then(Tree::as_map).map(as_references).unwrap_or_default();
                let observed = observed.and_then(Tree::as_map).map(as_references);
                self.elements(element, inherited, &desired, &recorded, observed.as_ref());
            }
            (Shape::List(element), Some(Tree::List(_)) | None) if attribute.keyed_by.is_some() => {
                let key = attribute.keyed_by.as_deref().unwrap_or_default();
                let desired = desired.map(|list| by_key(list, key)).unwrap_or_default();
                let recorded = recorded.map(|list| by_key(list, key)).unwrap_or_default();
                let observed = observed.map(|list| by_key(list, key));
                self.elements(element, inherited, &desired, &recorded, observed.as_ref());
            }
            (Shape::Json, Some(Tree::Map(_))) => {
                self.document(attribute, inherited, desired, recorded, observed);
            }
            _ => self.leaf(attribute, inherited, desired, recorded, observed),
        }
    }

    /// Whether the wish is new and fulfilled already, of something that may widen rights: somebody has done it by hand, and
    /// the file accepts it. Nothing needs to be done, but nobody may say yes to it unseen.
    fn accepts(
        &self,
        attribute: &Attribute,
        inherited: Inherited,
        wanted: &Planned,
        recorded: Option<&Value>,
        observed: Option<&Value>,
    ) -> bool {
        if !self.is_settled
            || attribute.security == Security::No
            || inherited.immutable
            || inherited.sensitive
            || inherited.write_only
        {
            return false;
        }
        let (Some(wanted), Some(observed)) = (wanted.plain(), observed) else { return false };
        let Some(was) = recorded.or(attribute.default.as_ref()) else { return false };
        same(&wanted, observed, attribute) && !same(&wanted, was, attribute)
    }

    /// Elements by key: of a map, or of a list keyed by an attribute. All of them are ours, so one that somebody
    /// added is a difference too.
    fn elements(
        &mut self,
        element: &Attribute,
        inherited: Inherited,
        desired: &BTreeMap<String, &Planned>,
        recorded: &BTreeMap<String, &Value>,
        observed: Option<&BTreeMap<String, &Value>>,
    ) {
        let observed = observed.unwrap_or(recorded);
        let keys: BTreeSet<&String> = desired.keys().chain(observed.keys()).collect();
        for key in keys {
            self.path.push(key.clone());
            let (wanted, was, is) = (desired.get(key).copied(), recorded.get(key).copied(), observed.get(key).copied());
            if wanted.is_some() && is.is_some() {
                self.attribute(element, inherited, wanted, was, is);
            } else {
                let inherited = inherited.with(element);
                if wanted.is_some() || is.is_some_and(|value| !value.is_null()) {
                    self.push(element, inherited, wanted.cloned(), was, is);
                }
            }
            self.path.pop();
        }
    }

    /// Documents are compared key by key, so that a plan shows the leaf that changed.
    fn document(
        &mut self,
        attribute: &Attribute,
        inherited: Inherited,
        desired: Option<&Planned>,
        recorded: Option<&Value>,
        observed: Option<&Value>,
    ) {
        if attribute.compare == Some(Compare::Policy)
            && let (Some(wanted), Some(is)) = (desired.and_then(Tree::plain), observed)
        {
            let key = self.path.last().map_or("", String::as_str);
            if policy_form(&wanted) == policy_form(is) || policy_part(key, &wanted) == policy_part(key, is) {
                return;
            }
        }
        match (desired, observed) {
            (Some(Tree::Map(wanted)), Some(Tree::Map(is))) => {
                let keys: BTreeSet<&String> = wanted.keys().chain(is.keys()).collect();
                for key in keys {
                    self.path.push(key.clone());
                    let was = recorded.and_then(|recorded| recorded.get(key));
                    self.document(attribute, inherited, wanted.get(key), was, is.get(key));
                    self.path.pop();
                }
            }
            _ => self.leaf(attribute, inherited, desired, recorded, observed),
        }
    }

    fn leaf(
        &mut self,
        attribute: &Attribute,
        inherited: Inherited,
        desired: Option<&Planned>,
        recorded: Option<&Value>,
        observed: Option<&Value>,
    ) {
        let null = Value::Null;
        let is = observed.unwrap_or(&null);
        let Some(wanted) = desired else {
            if !is.is_null() {
                self.push(attribute, inherited, None, recorded, observed);
            }
            return;
        };
        let equal = wanted.is(is)
            || match wanted.plain() {
                Some(plain) => {
                    same(&plain, is, attribute)
                        || (is.is_null()
                            && attribute.default.as_ref().is_some_and(|default| same(&plain, default, attribute)))
                }
                None => !(self.is_changing)(wanted) && unknown_same(wanted, is),
            };
        if equal {
            return;
        }
        let is_below = |other: &Value| wanted.plain().is_some_and(|plain| attribute.is_raised(&plain, other));
        let course = match (is_below(is), recorded.is_some_and(is_below)) {
            (true, false) => Course::Raised,
            (true, true) => Course::Lowered,
            (false, _) => Course::Change,
        };
        self.push(attribute, inherited, Some(wanted.clone()), recorded, observed);
        if let Some(difference) = self.differences.last_mut() {
            difference.course = course;
        }
    }

    fn push(
        &mut self,
        attribute: &Attribute,
        inherited: Inherited,
        after: Option<Planned>,
        recorded: Option<&Value>,
        before: Option<&Value>,
    ) {
        let was = recorded.cloned().unwrap_or_default();
        let by_value = match &after {
            None => inherited.unset,
            Some(after) => attribute.impact_of(Some(after)),
        };
        let wish_unchanged = match &after {
            None => was.is_null(),
            // To set nothing and to set AWS's default is one wish.
            Some(after) => after
                .plain()
                .is_some_and(|plain| plain == was || (was.is_null() && attribute.default.as_ref() == Some(&plain))),
        };
        self.differences.push(Difference {
            path: self.path.clone(),
            before: before.filter(|value| !value.is_null()).cloned(),
            after: after.filter(|value| !value.is_null()),
            is_drift: wish_unchanged,
            also_drifted: !wish_unchanged
                && recorded.zip(before).is_some_and(|(recorded, before)| !same(recorded, before, attribute)),
            course: Course::Change,
            immutable: inherited.immutable,
            sensitive: inherited.sensitive,
            impact: by_value.unwrap_or(inherited.impact),
        });
    }
}

fn as_references<L>(entries: &BTreeMap<String, Tree<L>>) -> BTreeMap<String, &Tree<L>> {
    entries.iter().map(|(key, entry)| (key.clone(), entry)).collect()
}

/// The elements of a list by the value of their attribute `key`.
pub(super) fn by_key<'tree, L>(list: &'tree Tree<L>, key: &str) -> BTreeMap<String, &'tree Tree<L>> {
    let mut map = BTreeMap::new();
    for (index, item) in list.as_list().unwrap_or_default().iter().enumerate() {
        let name = match item.get(key) {
            Some(Tree::Text(text)) => text.clone(),
            Some(Tree::Integer(number)) => number.to_string(),
            _ => index.to_string(),
        };
        map.insert(name, item);
    }
    map
}

/// Whether an unknown wish stands for what is recorded: a secret by its marker, anything else piece by piece.
fn unknown_same(wanted: &Planned, recorded: &Value) -> bool {
    match (wanted, recorded) {
        (Tree::Leaf(unknown), recorded) if unknown.sensitive => {
            marker_template(recorded) == Some(unknown.template.as_str())
        }
        (Tree::Leaf(_), _) => false,
        (Tree::Map(wanted), Tree::Map(recorded)) => {
            wanted.len() == recorded.len()
                && wanted.iter().all(|(key, value)| recorded.get(key).is_some_and(|other| unknown_same(value, other)))
        }
        (Tree::List(wanted), Tree::List(recorded)) => {
            wanted.len() == recorded.len()
                && wanted.iter().zip(recorded).all(|(value, other)| unknown_same(value, other))
        }
        (wanted, recorded) => wanted.plain().as_ref() == Some(recorded),
    }
}

/// Whether two values of an attribute mean the same.
pub fn same(wanted: &Value, is: &Value, attribute: &Attribute) -> bool {
    match attribute.compare {
        Some(Compare::VersionPrefix) => {
            return match (wanted.as_text(), is.as_text()) {
                (Some(wanted), Some(is)) => {
                    is == wanted || is.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.'))
                }
                _ => wanted == is,
            };
        }
        Some(Compare::CaseInsensitive) => {
            if let (Some(wanted), Some(is)) = (wanted.as_text(), is.as_text()) {
                return wanted.eq_ignore_ascii_case(is);
            }
        }
        Some(Compare::Policy) => return policy_form(wanted) == policy_form(is),
        None => {}
    }
    match (&attribute.shape, wanted, is) {
        (_, Tree::Integer(_) | Tree::Number(_), Tree::Integer(_) | Tree::Number(_)) => {
            wanted.as_number() == is.as_number()
        }
        (Shape::List(element), Tree::List(wanted), Tree::List(is)) => {
            if wanted.len() != is.len() {
                return false;
            }
            if !attribute.unordered {
                return wanted.iter().zip(is).all(|(wanted, is)| same(wanted, is, element));
            }
            let mut left: Vec<&Value> = is.iter().collect();
            wanted.iter().all(|wanted| {
                let found = left.iter().position(|is| same(wanted, is, element));
                found.map(|index| left.swap_remove(index)).is_some()
            })
        }
        (Shape::List(_), Tree::List(list), Tree::Null) | (Shape::List(_), Tree::Null, Tree::List(list)) => {
            list.is_empty()
        }
        (Shape::Object(attributes), Tree::Map(wanted), Tree::Map(is)) => wanted.iter().all(|(key, value)| {
            let null = Value::Null;
            let other = is.get(key).unwrap_or(&null);
            match attributes.get(key) {
                Some(attribute) => {
                    same(value, other, attribute) || (other.is_null() && attribute.default.as_ref() == Some(value))
                }
                None => value == other,
            }
        }),
        (Shape::Map(_), Tree::Map(map), Tree::Null) | (Shape::Map(_), Tree::Null, Tree::Map(map)) => map.is_empty(),
        _ => wanted == is,
    }
}

/// An IAM document in one spelling: every single string a list, a single statement a list, lists sorted.
fn policy_form(value: &Value) -> Value {
    policy_part("", value)
}

/// The part of an IAM document that stands under `key`.
fn policy_part(key: &str, value: &Value) -> Value {
    let form = match value {
        Tree::Map(entries) => {
            Tree::Map(entries.iter().map(|(key, entry)| (key.clone(), policy_part(key, entry))).collect())
        }
        Tree::List(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| policy_part("", item)).collect();
            // Nor does the order of statements mean anything. No other list of an IAM document has one.
            items.sort_by_cached_key(ToString::to_string);
            Tree::List(items)
        }
        // Conditions may be written as booleans; AWS gives them back as strings.
        Tree::Bool(flag) if !key.is_empty() => Tree::Text(flag.to_string()),
        other => other.clone(),
    };
    let is_single = match key {
        "" | "Version" | "Effect" | "Sid" | "Id" => false,
        "Statement" => matches!(form, Tree::Map(_)),
        _ => matches!(form, Tree::Text(_)),
    };
    if is_single { Tree::List(vec![form]) } else { form }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Diagnostics, SourceFile};
    use crate::secret::SecretText;
    use crate::spec::types::{self, Types};
    use crate::value::{AttributePath, Missing, Unknown};

    const TYPE: &str = r#"
[thing]
doc = "A thing."
identity = ["name"]
[thing.attributes]
name = { type = "string", immutable = true }
version = { type = "string", compare = "version_prefix", changed_by_aws = true, impact = "outage" }
count = { type = "integer", default = 1, impact = { 0 = "lasting", "*" = "rolling" } }
size = { type = "number" }
flag = { type = "bool", default = false }
limits.min = { type = "number", immutable = true }
limits.max = { type = "number" }
groups = { type = "list", of = "string", unordered = true }
subnet = { type = "string", default_from_aws = true }
others = { type = "list", of = "string", unordered = true, default = [], watched = true }
labels = { type = "map", of = "string" }
policy = { type = "json", compare = "policy" }
password = { type = "string", sensitive = true, write_only = true }
[thing.attributes.parts]
type = "list"
keyed_by = "name"
impact = { unset = "lasting", "*" = "brief" }
[thing.attributes.parts.of]
name = { type = "string" }
port = { type = "integer" }
"#;

    fn differences(desired: &str, recorded: &str, observed: Option<&str>) -> Vec<Difference> {
        let mut types = Types::new();
        let mut problems = Diagnostics::default();
        let document = crate::document::parse(&SourceFile::new("x.toml", TYPE)).expect("valid");
        types::read("x", &document, &mut types, &mut problems);
        assert!(problems.0.is_empty(), "{problems}");
        let value = |text: &str| Value::from_json(&serde_json::from_str(text).expect("json"));
        let observed = observed.map(value);
        let thing = types.values().next().expect("one type");
        let desired = value(desired).lift();
        let sides =
            Sides { desired: &desired, recorded: &value(recorded), observed: observed.as_ref(), is_settled: true };
        diff(thing, &sides, &[], &|_| false)
    }

    fn paths(desired: &str, recorded: &str, observed: Option<&str>) -> Vec<String> {
        differences(desired, recorded, observed).iter().map(|difference| difference.path.join(".")).collect()
    }

    #[test]
    fn the_order_of_statements_means_nothing() {
        let policy =
            |statements: [&str; 2]| format!(r#"{{"policy": {{"Statement": [{}, {}]}}}}"#, statements[0], statements[1]);
        let (allow, deny) = (r#"{"Sid": "a", "Effect": "Allow"}"#, r#"{"Sid": "b", "Effect": "Deny"}"#);
        let (one, other) = (policy([allow, deny]), policy([deny, allow]));
        assert_eq!(paths(&one, &one, Some(&other)), Vec::<String>::new());
        assert_eq!(paths(&one, &one, Some(&policy([deny, deny]))), ["policy.Statement"]);
    }

    #[test]
    fn what_a_change_does_to_people_may_depend_on_the_value() {
        let impact = |desired: &str, recorded: &str| {
            let differences = differences(desired, recorded, None);
            differences.iter().map(|difference| difference.impact).collect::<Vec<_>>()
        };
        assert_eq!(impact(r#"{"count": 0}"#, r#"{"count": 1}"#), [Impact::Lasting]);
        assert_eq!(impact(r#"{"count": 2}"#, r#"{"count": 1}"#), [Impact::Rolling]);
        assert_eq!(impact("{}", r#"{"count": 2}"#), [Impact::Rolling], "back to the default");
        let part = r#"{"parts": [{"name": "web", "port": 80}]}"#;
        assert_eq!(impact(part, r#"{"parts": [{"name": "web", "port": 81}]}"#), [Impact::Brief]);
        assert_eq!(impact(part, r#"{"parts": []}"#), [Impact::Brief]);
        assert_eq!(impact(r#"{"parts": []}"#, part), [Impact::Lasting]);
        assert_eq!(impact("{}", part), [Impact::Lasting]);
    }

    #[test]
    fn a_version_that_the_cloud_raised_stays_and_none_is_lowered() {
        let courses = |wanted: &str, recorded: &str, is: &str| {
            let version = |version: &str| format!(r#"{{"version": "{version}"}}"#);
            let recorded = if recorded.is_empty() { "{}".to_owned() } else { version(recorded) };
            let differences = differences(&version(wanted), &recorded, Some(&version(is)));
            differences.iter().map(|difference| difference.course).collect::<Vec<_>>()
        };
        for (wanted, recorded, is, expected) in [
            ("17.9", "17.9", "17.10", Some(Course::Raised)),
            ("17.9", "17.9", "18.1", Some(Course::Raised)),
            ("17.10", "17.9", "17.12", Some(Course::Raised)),
            ("17.9", "", "17.10", Some(Course::Raised)),
            ("17", "17", "17.10", None),
            ("17", "17.9", "17.10", None),
            ("17.10", "17.9", "17.10", None),
            ("17.9", "17.9", "17.7", Some(Course::Change)),
            ("18.1", "17.9", "17.10", Some(Course::Change)),
            ("16.8", "17.9", "17.9", Some(Course::Lowered)),
            ("17.8", "17.9", "17.10", Some(Course::Lowered)),
            ("16", "17", "17.9", Some(Course::Lowered)),
            ("17.x", "17.x", "17.9", Some(Course::Change)),
        ] {
            let found = courses(wanted, recorded, is);
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{wanted} {recorded} {is}");
        }
    }

    #[test]
    fn what_nobody_wrote_never_shows() {
        assert!(
            paths(r#"{"size": 1}"#, r#"{"size": 1}"#, Some(r#"{"size": 1.0, "flag": true, "subnet": "s"}"#)).is_empty()
        );
    }

    #[test]
    fn a_watched_attribute_shows_although_nobody_wrote_it() {
        let found = differences("{}", "{}", Some(r#"{"others": ["a"]}"#));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].path.as_slice(), found[0].is_drift), (&["others".to_owned()][..], true));
        assert!(paths("{}", "{}", Some(r#"{"others": []}"#)).is_empty());
        assert!(paths("{}", "{}", Some("{}")).is_empty(), "an answer that does not mention it");
        assert!(paths("{}", "{}", None).is_empty(), "nobody was asked");
        assert!(paths(r#"{"others": ["a"]}"#, "{}", Some(r#"{"others": ["a"]}"#)).is_empty(), "it is tolerated");
    }

    #[test]
    fn a_removed_attribute_goes_back_to_its_default() {
        assert_eq!(paths("{}", r#"{"flag": true}"#, Some(r#"{"flag": true}"#)), ["flag"]);
        assert!(paths("{}", r#"{"flag": true}"#, Some(r#"{"flag": false}"#)).is_empty());
        assert!(paths("{}", r#"{"subnet": "s"}"#, Some(r#"{"subnet": "s"}"#)).is_empty(), "AWS chose it");
    }

    #[test]
    fn drift_is_told_from_a_new_wish() {
        let drift = differences(r#"{"size": 1}"#, r#"{"size": 1}"#, Some(r#"{"size": 2}"#));
        assert!(drift[0].is_drift);
        let wish = differences(r#"{"size": 3}"#, r#"{"size": 1}"#, Some(r#"{"size": 1}"#));
        assert!(!wish[0].is_drift && !wish[0].also_drifted);
        let both = differences(r#"{"size": 3}"#, r#"{"size": 1}"#, Some(r#"{"size": 2}"#));
        assert!(!both[0].is_drift && both[0].also_drifted);
        let newer = differences(r#"{"version": "18"}"#, r#"{"version": "17"}"#, Some(r#"{"version": "17.4"}"#));
        assert!(!newer[0].also_drifted, "17.4 is 17");
    }

    #[test]
    fn an_answer_that_does_not_mention_an_attribute_is_no_drift() {
        assert!(paths(r#"{"size": 1}"#, r#"{"size": 1}"#, Some("{}")).is_empty());
        assert_eq!(paths(r#"{"size": 1}"#, r#"{"size": 1}"#, Some(r#"{"size": null}"#)), ["size"]);
    }

    #[test]
    fn two_spellings_of_the_same_are_equal() {
        assert!(paths(r#"{"version": "17"}"#, "{}", Some(r#"{"version": "17.5"}"#)).is_empty());
        assert_eq!(paths(r#"{"version": "17"}"#, "{}", Some(r#"{"version": "170.1"}"#)), ["version"]);
        assert!(paths(r#"{"groups": ["a", "b"]}"#, "{}", Some(r#"{"groups": ["b", "a"]}"#)).is_empty());
        assert_eq!(paths(r#"{"groups": ["a", "a"]}"#, "{}", Some(r#"{"groups": ["b", "a"]}"#)), ["groups"]);
        assert!(
            paths(
                r#"{"policy": {"Statement": {"Effect": "Allow", "Action": ["b", "a"], "Resource": "*"}}}"#,
                "{}",
                Some(r#"{"policy": {"Statement": [{"Effect": "Allow", "Action": ["a", "b"], "Resource": ["*"]}]}}"#)
            )
            .is_empty()
        );
    }

    #[test]
    fn elements_are_matched_by_their_key() {
        let before = r#"{"parts": [{"name": "web", "port": 3000}, {"name": "psql", "port": 5432}]}"#;
        let after = r#"{"parts": [{"name": "streaming", "port": 4000}, {"name": "web", "port": 3001}]}"#;
        assert_eq!(paths(after, before, Some(before)), ["parts.psql", "parts.streaming", "parts.web.port"]);
        let labels = paths(
            r#"{"labels": {"a": "1"}}"#,
            r#"{"labels": {"a": "1"}}"#,
            Some(r#"{"labels": {"a": "1", "b": "2"}}"#),
        );
        assert_eq!(labels, ["labels.b"], "a table is ours as a whole");
    }

    #[test]
    fn nested_flags_are_kept_apart() {
        let found = differences(
            r#"{"limits": {"min": 1, "max": 2}}"#,
            r#"{"limits": {"min": 0, "max": 1}}"#,
            Some(r#"{"limits": {"min": 0, "max": 1}}"#),
        );
        let immutable: Vec<bool> = found.iter().map(|difference| difference.immutable).collect();
        assert_eq!(immutable, [false, true], "max, then min");
    }

    #[test]
    fn a_secret_is_compared_by_where_it_comes_from() {
        let unknown = Unknown {
            template: "${a.b.c.values.password}".to_owned(),
            references: vec![Missing {
                address: "a.b.c".parse().expect("address"),
                attribute: AttributePath::parse("values.password"),
            }],
            sensitive: true,
        };
        let wanted: Planned = Tree::Leaf(unknown);
        assert!(unknown_same(&wanted, &secret_marker("${a.b.c.values.password}")));
        assert!(!unknown_same(&wanted, &secret_marker("${a.b.d.values.password}")));
        let known: crate::value::Known = Tree::Leaf(SecretText::new("x"));
        assert_eq!(known.plain(), None);
    }
}
