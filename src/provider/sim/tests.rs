use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::synthesis::Forge;
use super::*;
use crate::diagnostic::{Diagnostics, SourceFile};
use crate::provider::{Attempt, Known, Observation};
use crate::value::Tree;

/// Types of an invented cloud.
const TYPES: &str = r#"
[network]
doc = "A network."
identity = ["id"]
lookup_only = true

[network.attributes]
main  = { type = "bool" }
state = { type = "string", values = ["open", "shut"] }
id    = { type = "string", computed = true, known = "created", format = "net-{hex17}" }
parts = { type = "list", of = "string", computed = true, format = "{region}{index}" }

[group]
doc = "A group: no status, an identity the cloud chooses."
identity = ["id"]

[group.attributes]
title = { type = "string", required = true, immutable = true, pattern = "^[a-z]+$", length = [1, 8] }
id    = { type = "string", computed = true, known = "created", format = "grp-{hex17}" }

[rule]
doc = "A rule: neither tags nor a name."
identity = ["id"]
taggable = false
proof = { parent = "group" }
unique = ["group", "port"]

[rule.attributes]
group = { type = "string", required = true, refers_to = "toy.group" }
port  = { type = "integer", range = [1, 100] }
id    = { type = "string", computed = true, known = "created", format = "rule-{hex8}" }

[store]
doc = "A store: named, slow, with a status."
identity = ["name"]
expect = { create = "4m", update = "2m", delete = "6m" }
ready = { attribute = "status", good = ["available"], passing = ["creating", "updating"], failed.anew = ["broken"], stopped = { asleep = "wake it" }, going = ["deleting"], gone = ["deleting"] }

[store.attributes]
name       = { type = "string", required = true, immutable = true }
size       = { type = "number", range = [0, 8], step = 0.5, default = 1.0 }
mode       = { type = "string", values = ["fast", "safe"] }
groups     = { type = "list", of = "string", unordered = true, refers_to = "toy.group" }
limits.low = { type = "integer", default = 3 }
limits.arn = { type = "string", computed = true, format = "{arn}/limits" }
version    = { type = "string", compare = "version_prefix", changed_by_aws = true }
password   = { type = "string", sensitive = true, write_only = true }
generate   = { type = "map", of = "string", immutable = true, write_only = true }
values     = { type = "map", of = "string", computed = true, known = "created", sensitive = true }
arn        = { type = "string", computed = true, known = "created", format = "arn:toy:{region}:{account}:store/{name}" }
endpoint   = { type = "string", computed = true, format = "{name}.{hex8}.example" }
status     = { type = "string", computed = true, volatile = true, values = ["available", "creating", "updating", "broken", "asleep", "deleting"] }

[errand]
doc = "Something that is done."
identity = ["id"]
once = true
expect = { create = "2m" }
ready = { attribute = "outcome", good = ["done"], passing = ["running"], failed.again = ["failed"], reason = "why" }

[errand.attributes]
group    = { type = "string", refers_to = "toy.group" }
triggers = { type = "map", of = "string", immutable = true }
id       = { type = "string", computed = true, known = "created", format = "errand-{hex17}" }
outcome  = { type = "string", computed = true, volatile = true, values = ["done", "running", "failed"] }
why      = { type = "string", computed = true, volatile = true, format = "it ended with 1" }

[definition]
doc = "Numbered revisions of a family."
identity = ["arn"]

[definition.attributes]
family   = { type = "string", required = true, immutable = true }
arn      = { type = "string", computed = true, known = "created", format = "arn:toy:{region}:{account}:definition/{family}:{revision}" }
revision = { type = "integer", computed = true, known = "created" }

[policy]
doc = "A policy."
identity = ["arn"]

[policy.attributes]
name = { type = "string", required = true }
arn  = { type = "string", computed = true, known = "created", format = "arn:toy::{account}:policy/{name}" }

[banner]
doc = "One of each name, wherever it is."
identity = ["name"]
global = true

[banner.attributes]
name  = { type = "string", required = true }
store = { type = "string", refers_to = "toy.store" }

[holder]
doc = "Holds a policy."
identity = ["name"]

[holder.attributes]
name     = { type = "string", required = true }
policies = { type = "list", of = { type = "string", refers_to = "toy.policy" } }
"#;

struct Bench {
    sim: Sim,
    clock: Arc<AtomicU64>,
}

fn types() -> Arc<Types> {
    let mut types = Types::new();
    let mut diagnostics = Diagnostics::default();
    let document = crate::document::parse(&SourceFile::new("toy.toml", TYPES)).expect("TOML");
    crate::spec::types::read("toy", &document, &mut types, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{diagnostics:?}");
    Arc::new(types)
}

fn options(clock: &Arc<AtomicU64>) -> Options {
    let clock = Arc::clone(clock);
    Options {
        seed: 7,
        speed: 60.0,
        latency: Duration::ZERO,
        clock: Arc::new(move || Duration::from_millis(clock.load(Ordering::SeqCst))),
        person: Person::Usual,
        prints: BTreeMap::new(),
        laws: vec![Law {
            resource: (TypeName::new("toy", "store"), "lawful".to_owned()),
            without: (TypeName::new("toy", "errand"), "first".to_owned()),
            reason: "the first errand was not done".to_owned(),
            location: crate::diagnostic::Location::new(&SourceFile::new("toy.toml", ""), 0..0),
        }],
        trace: Calls::new(),
    }
}

fn bench() -> Bench {
    let clock = Arc::new(AtomicU64::new(1_000));
    Bench { sim: Sim::open(types(), None, options(&clock)).expect("opens"), clock }
}

fn json(text: &str) -> Known {
    Value::from_json(&serde_json::from_str(text).expect("JSON")).lift()
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn creation(name: &str, attributes: &str) -> Creation {
    let tags = [("mastoform:instance", "social"), ("mastoform:address", name)];
    Creation {
        address: address(name),
        region: "eu-central-1".to_owned(),
        attributes: json(attributes),
        tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        token: format!("token of {name}"),
        attempt: Attempt::default(),
    }
}

fn target(name: &str, identity: &Identity) -> Target {
    Target {
        address: address(name),
        region: "eu-central-1".to_owned(),
        identity: identity.clone(),
        recorded: Value::Null,
        owner: None,
    }
}

impl Bench {
    fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    async fn create(&self, name: &str, attributes: &str) -> Result<Created, ProviderError> {
        self.sim.create(&creation(name, attributes)).await
    }

    async fn made(&self, name: &str, attributes: &str) -> Target {
        target(name, &self.create(name, attributes).await.expect("created").identity)
    }

    async fn shown(&self, target: &Target) -> Option<Value> {
        match self.sim.observe(std::slice::from_ref(target)).await.remove(&target.address) {
            Some(Observation::Found(observed)) => Some(observed.attributes),
            Some(Observation::Gone) => None,
            other => panic!("{other:?}"),
        }
    }

    async fn status(&self, target: &Target) -> Option<String> {
        self.shown(target).await?.get("status").and_then(Tree::as_text).map(str::to_owned)
    }

    async fn update(&self, target: &Target, desired: &str, changed: &[&str]) -> Result<(), ProviderError> {
        let changed = changed.iter().map(|name| (*name).to_owned()).collect();
        self.sim.update(&Update { target: target.clone(), desired: json(desired), changed }).await
    }

    async fn lookup(&self, filters: &str) -> Result<Value, ProviderError> {
        self.ask(filters, false).await
    }

    async fn part(&self, filters: &str) -> Result<Value, ProviderError> {
        self.ask(filters, true).await
    }

    async fn ask(&self, filters: &str, is_part: bool) -> Result<Value, ProviderError> {
        let lookup = Lookup {
            address: address("toy.network.main"),
            region: "eu-central-1".to_owned(),
            filters: json(filters).plain().expect("plain"),
            is_part,
        };
        self.sim.lookup(&lookup).await
    }

    fn fault(&self, operation: Operation, fault: Fault) {
        self.sim.add_fault(Rule::new(operation, Subject::Anything, fault));
    }
}

fn code(result: Result<impl std::fmt::Debug, ProviderError>) -> (ErrorKind, String) {
    let error = result.expect_err("refused");
    (error.kind, error.code.unwrap_or_default())
}

#[tokio::test]
async fn a_slow_resource_becomes_ready_after_its_time_divided_by_the_speed() {
    let bench = bench();
    let created = bench.create("toy.store.a", r#"{"name": "a", "version": "17"}"#).await.expect("created");
    assert_eq!(created.attributes.to_string(), r#"{"arn": "arn:toy:eu-central-1:123456789012:store/a"}"#);
    let store = target("toy.store.a", &created.identity);
    let early = bench.shown(&store).await.expect("there");
    assert_eq!(
        early.to_string(),
        r#"{"arn": "arn:toy:eu-central-1:123456789012:store/a", "limits": {"low": 3}, "name": "a", "size": 1.0, "status": "creating", "version": "17.1"}"#
    );
    bench.pass(4);
    let late = bench.shown(&store).await.expect("there");
    assert_eq!(late.get("status"), Some(&"available".into()));
    assert!(late.get("endpoint").and_then(Tree::as_text).is_some_and(|text| text.ends_with(".example")));
    assert_eq!(late.at(&["limits", "arn"]), Some(&"arn:toy:eu-central-1:123456789012:store/a/limits".into()));
    bench.update(&store, r#"{"size": 2}"#, &["size"]).await.expect("updated");
    assert_eq!(bench.status(&store).await.as_deref(), Some("updating"));
    assert_eq!(code(bench.update(&store, "{}", &["size"]).await).0, ErrorKind::NotYet);
    bench.pass(2);
    bench.update(&store, "{}", &["size"]).await.expect("updated");
    assert_eq!(bench.shown(&store).await.and_then(|shown| shown.get("size").cloned()), Some(Tree::Number(1.0)));
    assert_eq!(bench.sim.delete(&store).await, Ok(Deletion::Accepted));
    assert_eq!(bench.status(&store).await.as_deref(), Some("deleting"));
    let taken = code(bench.create("toy.store.a", r#"{"name": "a"}"#).await);
    assert_eq!(taken, (ErrorKind::NotYet, "AlreadyExists".to_owned()), "its name is taken until it is gone");
    bench.pass(6);
    assert_eq!(bench.shown(&store).await, None);
    assert_eq!(bench.sim.delete(&store).await, Ok(Deletion::Accepted));
}

#[tokio::test]
async fn an_errand_ends_and_lets_go_and_never_runs_twice_at_once() {
    let bench = bench();
    let group = bench.made("toy.group.g", r#"{"title": "people"}"#).await;
    let attributes = format!(r#"{{"group": "{}"}}"#, group.identity);
    let first = creation("toy.errand.first", &attributes);
    let made = bench.sim.create(&first).await.expect("created");
    let again = bench.sim.create(&first).await.expect("the same by its token");
    assert_eq!(again.identity, made.identity);
    let other = Creation { token: "another run".to_owned(), ..first.clone() };
    assert_eq!(code(bench.sim.create(&other).await), (ErrorKind::NotYet, "AlreadyRunning".to_owned()));
    assert_eq!(code(bench.sim.delete(&group).await).0, ErrorKind::NotYet, "it is in use");
    assert_eq!(bench.sim.find(&other).await, Ok(Vec::new()), "what others have run is not found");
    assert_eq!(bench.sim.find(&first).await, Ok(vec![made.identity.clone()]));
    bench.pass(2);
    let errand = target("toy.errand.first", &made.identity);
    assert_eq!(bench.shown(&errand).await.and_then(|shown| shown.get("outcome").cloned()), Some("done".into()));
    assert_ne!(bench.sim.create(&other).await.expect("free").identity, made.identity);
    bench.pass(2);
    assert!(bench.sim.objects().iter().all(|entry| &*entry.type_name.kind != "errand"), "nothing lives on of it");
    bench.sim.delete(&group).await.expect("nobody uses it any more");
}

#[tokio::test]
async fn what_a_law_names_fails_until_its_errand_is_done() {
    let bench = bench();
    let store = bench.made("toy.store.lawful", r#"{"name": "a"}"#).await;
    bench.pass(4);
    assert_eq!(bench.status(&store).await.as_deref(), Some("broken"));
    let errand = bench.made("toy.errand.first", "{}").await;
    let early = bench.made("toy.store.lawful", r#"{"name": "b"}"#).await;
    bench.pass(4);
    assert_eq!(bench.status(&early).await.as_deref(), Some("broken"), "it was still running");
    let store = bench.made("toy.store.lawful", r#"{"name": "c"}"#).await;
    let free = bench.made("toy.store.other", r#"{"name": "d"}"#).await;
    bench.pass(4);
    assert_eq!(bench.status(&store).await.as_deref(), Some("available"));
    assert_eq!(bench.status(&free).await.as_deref(), Some("available"));
    // What works goes on working.
    assert!(bench.sim.remove_behind_our_back(errand.identity.as_str()));
    bench.update(&store, r#"{"size": 2}"#, &["size"]).await.expect("updated");
    bench.pass(4);
    assert_eq!(bench.status(&store).await.as_deref(), Some("available"));
}

/// AWS knows a database of one name in each region, and a role of one name in all of them.
#[tokio::test]
async fn a_name_is_free_in_another_region_unless_its_type_is_global() {
    let bench = bench();
    let elsewhere = |name: &str, attributes: &str| Creation {
        region: "eu-west-1".to_owned(),
        token: "elsewhere".to_owned(),
        ..creation(name, attributes)
    };
    let far = |target: &Target| Target { region: "eu-west-1".to_owned(), ..target.clone() };
    let here = bench.made("toy.store.a", r#"{"name": "a", "size": 2.5}"#).await;
    let second =
        bench.sim.create(&elsewhere("toy.store.a", r#"{"name": "a", "size": 3.5}"#)).await.expect("free there");
    assert_eq!(second.identity, here.identity);
    let there = far(&here);
    bench.pass(4);
    let size = async |target: &Target| bench.shown(target).await.and_then(|shown| shown.get("size").cloned());
    assert_eq!((size(&here).await, size(&there).await), (Some(Tree::Number(2.5)), Some(Tree::Number(3.5))));
    bench.update(&there, r#"{"size": 4.5}"#, &["size"]).await.expect("updated");
    bench.pass(2);
    assert_eq!((size(&here).await, size(&there).await), (Some(Tree::Number(2.5)), Some(Tree::Number(4.5))));
    // What is in one region is used there alone.
    let banner = bench.made("toy.banner.x", r#"{"name": "x", "store": "a"}"#).await;
    assert_eq!(code(bench.sim.create(&elsewhere("toy.banner.x", r#"{"name": "x"}"#)).await).0, ErrorKind::Conflict);
    assert!(bench.shown(&far(&banner)).await.is_some(), "it is the same one, wherever it is asked for");
    bench.sim.delete(&banner).await.expect("deleted");
    bench.sim.delete(&there).await.expect("accepted");
    bench.pass(6);
    assert_eq!((size(&here).await, size(&there).await), (Some(Tree::Number(2.5)), None));
    let group = bench.made("toy.group.a", r#"{"title": "abc"}"#).await;
    let using = format!(r#"{{"name": "b", "groups": ["{}"]}}"#, group.identity);
    let missing = code(bench.sim.create(&elsewhere("toy.store.b", &using)).await);
    assert_eq!(missing, (ErrorKind::NotYet, "DependencyNotFound".to_owned()), "the group is in another region");
}

#[tokio::test]
async fn wrong_requests_are_refused_as_the_type_says() {
    let bench = bench();
    let cases = [
        (r#"{}"#, "MissingParameter", "name"),
        (r#"{"name": null}"#, "MissingParameter", "name"),
        (r#"{"name": "a", "colour": 1}"#, "UnknownParameter", "colour"),
        (r#"{"name": "a", "limits": {"high": 1}}"#, "UnknownParameter", "limits.high"),
        (r#"{"name": 3}"#, "InvalidParameterType", "name"),
        (r#"{"name": "a", "arn": "x"}"#, "InvalidParameterCombination", "arn"),
        (r#"{"name": "a", "size": 9}"#, "InvalidParameterValue", "size"),
        (r#"{"name": "a", "size": 0.3}"#, "InvalidParameterValue", "size"),
        (r#"{"name": "a", "mode": "slow"}"#, "InvalidParameterValue", "mode"),
        (r#"{"name": "a", "groups": [1]}"#, "InvalidParameterType", "groups[0]"),
    ];
    for (attributes, code, attribute) in cases {
        let error = bench.create("toy.store.a", attributes).await.expect_err(attributes);
        assert_eq!((error.code.as_deref(), error.attribute.as_deref()), (Some(code), Some(attribute)), "{attributes}");
        assert_eq!((error.kind, error.operation.as_str()), (ErrorKind::Invalid, "toy:CreateStore"));
    }
    for title in ["Upper", "muchtoolong"] {
        let result = bench.create("toy.group.a", &format!(r#"{{"title": "{title}"}}"#)).await;
        assert_eq!(code(result).1, "InvalidParameterValue");
    }
    assert_eq!(code(bench.create("toy.network.a", "{}").await).1, "InvalidAction");
    assert_eq!(code(bench.create("toy.nothing.a", "{}").await).1, "InvalidAction");
}

#[tokio::test]
async fn what_is_immutable_stays() {
    let bench = bench();
    let group = bench.made("toy.group.a", r#"{"title": "abc"}"#).await;
    assert_eq!(code(bench.update(&group, r#"{"title": "xyz"}"#, &["title"]).await).1, "NotUpdatable");
    assert_eq!(code(bench.update(&group, r#"{}"#, &["title"]).await).1, "MissingParameter");
    assert_eq!(bench.update(&group, r#"{"title": "abc"}"#, &["title"]).await, Ok(()));
    let missing = target("toy.group.b", &Identity::new("grp-0"));
    assert_eq!(code(bench.update(&missing, "{}", &[]).await).0, ErrorKind::NotFound);
}

#[tokio::test]
async fn references_must_exist_and_protect_what_they_name() {
    let bench = bench();
    let wrong = bench.create("toy.rule.a", r#"{"group": "grp-00000000000000000"}"#).await.expect_err("refused");
    assert_eq!((wrong.kind, wrong.attribute.as_deref()), (ErrorKind::NotYet, Some("group")));
    let group = bench.made("toy.group.a", r#"{"title": "abc"}"#).await;
    let store = format!(r#"{{"name": "a", "groups": ["{}"]}}"#, group.identity);
    let store = bench.made("toy.store.a", &store).await;
    assert_eq!(code(bench.sim.delete(&group).await), (ErrorKind::NotYet, "DependencyViolation".to_owned()));
    bench.sim.delete(&store).await.expect("accepted");
    assert_eq!(code(bench.sim.delete(&group).await).1, "DependencyViolation");
    bench.pass(6);
    assert_eq!(bench.sim.delete(&group).await, Ok(Deletion::Accepted));
    assert!(bench.sim.objects().is_empty());
    // Objects of the cloud itself exist without being here; those of this account do not.
    let foreign = r#"{"name": "h", "policies": ["arn:toy::toy:policy/Basic"]}"#;
    assert!(bench.create("toy.holder.a", foreign).await.is_ok());
    let ours = r#"{"name": "i", "policies": ["arn:toy::123456789012:policy/Basic"]}"#;
    assert_eq!(code(bench.create("toy.holder.b", ours).await).0, ErrorKind::NotYet);
}

#[tokio::test]
async fn nothing_is_made_twice() {
    let bench = bench();
    let first = bench.made("toy.group.a", r#"{"title": "abc"}"#).await;
    let again = bench.made("toy.group.a", r#"{"title": "abc"}"#).await;
    assert_eq!(first.identity, again.identity);
    bench.made("toy.policy.a", r#"{"name": "p"}"#).await;
    assert_eq!(code(bench.create("toy.policy.b", r#"{"name": "p"}"#).await).0, ErrorKind::Conflict);
    assert_eq!(bench.sim.objects().len(), 2);
    let mut creation = creation("toy.definition.a", r#"{"family": "web"}"#);
    let one = bench.sim.create(&creation).await.expect("created");
    creation.token = "another".to_owned();
    let two = bench.sim.create(&creation).await.expect("created");
    assert_eq!(one.attributes.get("revision"), Some(&Tree::Integer(1)));
    assert_eq!(two.identity.as_str(), "arn:toy:eu-central-1:123456789012:definition/web:2");
}

#[tokio::test]
async fn an_interrupted_creation_is_found_by_its_tags_or_by_what_it_is() {
    let bench = bench();
    let group = bench.made("toy.group.a", r#"{"title": "abc"}"#).await;
    let rule = format!(r#"{{"group": "{}", "port": 5}}"#, group.identity);
    let made = bench.made("toy.rule.a", &rule).await;
    bench.made("toy.policy.a", r#"{"name": "p"}"#).await;
    let found = async |name, attributes: &str| bench.sim.find(&creation(name, attributes)).await.expect("asked");
    assert_eq!(found("toy.group.a", r#"{"title": "abc"}"#).await, std::slice::from_ref(&group.identity));
    assert_eq!(found("toy.group.b", r#"{"title": "abc"}"#).await, []);
    assert_eq!(found("toy.rule.a", &rule).await, [made.identity]);
    let twin = code(bench.create("toy.rule.b", &rule).await);
    assert_eq!(twin, (ErrorKind::Conflict, "Duplicate".to_owned()), "a rule is what it allows");
    assert_eq!(found("toy.policy.a", r#"{"name": "p"}"#).await.len(), 1);
    // Somebody else has the name.
    assert_eq!(found("toy.policy.other", r#"{"name": "p"}"#).await, []);
    bench.sim.remove_behind_our_back("toy.group.a");
    assert_eq!(found("toy.group.a", r#"{"title": "abc"}"#).await, []);
}

#[tokio::test]
async fn lookups_find_what_was_put_or_invent_it_once() {
    let bench = bench();
    let nothing = bench.part(r#"{"main": true}"#).await.expect("an answer");
    assert_eq!(nothing.to_string(), "{}", "a part of a question brings nothing into being");
    let invented = bench.lookup(r#"{"main": true}"#).await.expect("found");
    assert_eq!(invented, bench.lookup(r#"{"main": true}"#).await.expect("found"));
    assert_eq!(invented, bench.part(r#"{"main": true}"#).await.expect("found"));
    assert_eq!(
        invented.get("parts").map(ToString::to_string).as_deref(),
        Some(r#"["eu-central-1a", "eu-central-1b", "eu-central-1c"]"#)
    );
    assert_eq!((invented.get("main"), invented.get("state")), (Some(&true.into()), Some(&"open".into())));
    assert!(bench.sim.objects().is_empty());
    let network = address("toy.network.main").type_name;
    let mine = json(r#"{"main": true, "id": "net-mine"}"#).plain().expect("plain");
    bench.sim.put(&network, "eu-central-1", mine.clone(), BTreeMap::new());
    let found = bench.lookup(r#"{"main": true}"#).await.expect("found");
    assert_eq!(found.get("id"), Some(&"net-mine".into()));
    let another = json(r#"{"main": true, "id": "net-other"}"#).plain().expect("plain");
    bench.sim.put(&network, "eu-central-1", another, BTreeMap::new());
    assert_eq!(code(bench.lookup(r#"{"main": true}"#).await), (ErrorKind::Invalid, "AmbiguousLookup".to_owned()));
    bench.fault(Operation::Lookup, Fault::nothing_found());
    assert_eq!(code(bench.lookup(r#"{"main": true}"#).await).0, ErrorKind::NotFound);
    assert_eq!(code(bench.lookup(r#"{"colour": 1}"#).await).1, "UnknownParameter");
}

#[tokio::test]
async fn faults_strike_the_calls_they_are_for() {
    let bench = bench();
    bench
        .sim
        .add_fault(Rule::new(Operation::Create, Subject::Address(address("toy.group.b")), Fault::Throttle).times(2));
    let group = r#"{"title": "abc"}"#;
    assert!(bench.create("toy.group.a", group).await.is_ok());
    for _ in 0..2 {
        assert_eq!(code(bench.create("toy.group.b", group).await).0, ErrorKind::Throttled);
    }
    assert!(bench.create("toy.group.b", group).await.is_ok());

    bench.fault(Operation::Create, Fault::LoseResponse);
    assert_eq!(code(bench.create("toy.group.c", group).await).0, ErrorKind::Network);
    assert_eq!(bench.sim.find(&creation("toy.group.c", group)).await.map(|found| found.len()), Ok(1));

    bench.fault(Operation::Create, Fault::HideFor(2));
    let hidden = bench.made("toy.group.d", group).await;
    let seen = [bench.shown(&hidden).await, bench.shown(&hidden).await, bench.shown(&hidden).await];
    assert_eq!(seen.map(|shown| shown.is_some()), [false, false, true]);

    bench.fault(Operation::Create, Fault::FailLater);
    let failing = bench.made("toy.store.a", r#"{"name": "a"}"#).await;
    assert_eq!(bench.status(&failing).await.as_deref(), Some("creating"));
    bench.pass(4);
    assert_eq!(bench.status(&failing).await.as_deref(), Some("broken"));
    assert_eq!(code(bench.update(&failing, "{}", &[]).await).0, ErrorKind::Invalid);

    let raised = bench.made("toy.store.d", r#"{"name": "d", "version": "17.9"}"#).await;
    bench.pass(4);
    let lowered = bench.update(&raised, r#"{"name": "d", "version": "17.8"}"#, &["version"]).await;
    assert_eq!(code(lowered), (ErrorKind::Invalid, "InvalidParameterCombination".to_owned()));

    bench.fault(Operation::Create, Fault::StickIn("asleep".to_owned()));
    let asleep = bench.made("toy.store.c", r#"{"name": "c"}"#).await;
    let refused = bench.sim.delete(&asleep).await.expect_err("it is asleep");
    assert_eq!(refused.kind, ErrorKind::NotYet);

    bench.fault(Operation::Create, Fault::StickIn("pondering".to_owned()));
    let stuck = bench.made("toy.store.b", r#"{"name": "b"}"#).await;
    bench.pass(600);
    assert_eq!(bench.status(&stuck).await.as_deref(), Some("pondering"));
    bench.sim.delete(&stuck).await.expect("accepted");
    bench.pass(600);
    assert_eq!(bench.shown(&stuck).await, None);

    bench.sim.add_fault(Rule::new(Operation::Observe, Subject::Anything, Fault::Throttle).nth(2));
    assert!(bench.shown(&hidden).await.is_some());
    let observed = bench.sim.observe(std::slice::from_ref(&hidden)).await.remove(&hidden.address);
    assert!(matches!(observed, Some(Observation::Failed(error)) if error.kind == ErrorKind::Throttled));
}

#[tokio::test]
async fn a_crash_answers_nobody_until_the_program_is_started_again() {
    for (point, made) in [(CrashPoint::BeforeTheEffect, 0), (CrashPoint::AfterTheEffect, 1)] {
        let bench = bench();
        bench.fault(Operation::Create, Fault::Crash(point));
        tokio::select! {
            biased;
            result = bench.create("toy.group.a", r#"{"title": "abc"}"#) => panic!("answered: {result:?}"),
            () = bench.sim.crashed() => {}
        }
        tokio::select! {
            biased;
            result = bench.sim.account() => panic!("answered: {result:?}"),
            () = bench.sim.crashed() => {}
        }
        bench.sim.revive();
        assert_eq!(bench.sim.account().await.map(|account| account.id).as_deref(), Ok(ACCOUNT));
        assert_eq!(bench.sim.objects().len(), made, "{point:?}");
    }
}

#[tokio::test]
async fn secrets_are_revealed_and_never_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sandbox/cloud.json");
    let clock = Arc::new(AtomicU64::new(5_000));
    let open = |clock: &Arc<AtomicU64>| Sim::open(types(), Some(path.clone()), options(clock)).expect("opens");
    let bench = Bench { sim: open(&clock), clock: Arc::clone(&clock) };
    let mut creation = creation("toy.store.a", r#"{"name": "a", "generate": {"password": "hex128"}}"#);
    creation.attributes.set(&["password"], Tree::Leaf(SecretText::new("hunter2")));
    let store = target("toy.store.a", &bench.sim.create(&creation).await.expect("created").identity);
    let path_of_keys = ["values".to_owned(), "password".to_owned()];
    let secret = bench.sim.reveal(&store, &path_of_keys).await.expect("revealed");
    assert!(secret.reveal().starts_with(SECRET_MARK) && secret.reveal().len() == 32);
    assert_eq!(code(bench.sim.reveal(&store, &["name".to_owned()]).await).0, ErrorKind::Invalid);
    let shown = bench.shown(&store).await.expect("there").to_string();
    let text = fs_err::read_to_string(&path).expect("saved");
    for forbidden in ["hunter2", "hex128", SECRET_MARK] {
        assert!(!text.contains(forbidden) && !shown.contains(forbidden), "{forbidden}");
    }

    // Another run of the program, one second later: half the world's work is done.
    clock.fetch_add(1_000, Ordering::SeqCst);
    let again = Bench { sim: open(&clock), clock: Arc::clone(&clock) };
    assert_eq!(again.sim.reveal(&store, &path_of_keys).await.map(|again| again.reveal() == secret.reveal()), Ok(true));
    assert_eq!(again.status(&store).await.as_deref(), Some("creating"));
    again.pass(3);
    assert_eq!(again.status(&store).await.as_deref(), Some("available"));
    assert_eq!(again.sim.snapshot(false), { bench.sim.snapshot(false) });

    // A clock that starts anew does not make anything take longer.
    let anew = Bench { sim: open(&Arc::new(AtomicU64::new(0))), clock: Arc::new(AtomicU64::new(0)) };
    assert_eq!(anew.sim.objects()[0].object.settles_at, Duration::from_secs(4));
    fs_err::write(&path, "{").expect("written");
    assert!(Sim::open(types(), Some(path.clone()), options(&clock)).is_err());
}

#[tokio::test]
async fn worlds_compare_by_what_was_asked_for() {
    let worlds = [bench(), bench()];
    for (turns, bench) in worlds.iter().enumerate() {
        for _ in 0..turns {
            bench.made("toy.group.a", r#"{"title": "abc"}"#).await;
            bench.sim.remove_behind_our_back("toy.group.a");
        }
        let group = bench.made("toy.group.a", r#"{"title": "abc"}"#).await;
        bench.made("toy.rule.a", &format!(r#"{{"group": "{}"}}"#, group.identity)).await;
    }
    let [one, two] = worlds;
    assert_ne!(one.sim.snapshot(false), two.sim.snapshot(false));
    assert_eq!(one.sim.snapshot(true), two.sim.snapshot(true));
    assert!(one.sim.snapshot(true).contains("<toy.group.a.id>"));
    assert!(two.sim.change_behind_our_back("toy.rule.a", &["port"], Tree::Integer(9)));
    assert_ne!(one.sim.snapshot(true), two.sim.snapshot(true));
    assert!(!two.sim.change_behind_our_back("toy.rule.z", &["port"], Tree::Integer(9)));
    let calls: Vec<_> = one.sim.calls().into_iter().map(|call| (call.operation, call.address.to_string())).collect();
    assert_eq!(calls, [(Operation::Create, "toy.group.a".to_owned()), (Operation::Create, "toy.rule.a".to_owned())]);
}

/// The real types: whatever has them, the cloud can make one of each that needs nothing else.
#[test]
fn the_real_types_are_made_without_open_placeholders() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("specs/types");
    let mut types = Types::new();
    for file in fs_err::read_dir(folder).expect("the folder") {
        let path = file.expect("a file").path();
        let service = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = fs_err::read_to_string(&path).expect("text");
        let document = crate::document::parse(&SourceFile::new(service.clone(), text)).expect("TOML");
        crate::spec::types::read(&service, &document, &mut types, &mut Diagnostics::default());
    }
    for resource_type in types.values() {
        let forge =
            Forge { resource_type, region: "eu-central-1", seed: 1, subject: "some.thing.here", birth: 0, revision: 1 };
        let mut given = Value::Null;
        for name in &resource_type.identity {
            if resource_type.attributes.get(name).is_some_and(|attribute| !attribute.computed) {
                given.set(&[name], "name".into());
            }
        }
        let made = forge.complete(given);
        assert!(cloud::identity(resource_type, &made).is_some(), "{}: {made}", resource_type.name);
        for (name, attribute) in resource_type.attributes.iter().filter(|(_, attribute)| attribute.computed) {
            let names: Vec<&str> =
                attribute.format.as_deref().map(crate::spec::types::placeholders).into_iter().flatten().collect();
            for placeholder in names {
                let built_in = ["region", "account", "revision", "index"].contains(&placeholder)
                    || placeholder.strip_prefix("hex").is_some_and(|digits| digits.parse::<usize>().is_ok());
                let keys: Vec<&str> = placeholder.split('.').collect();
                let known = built_in || resource_type.attribute(&keys).is_some();
                assert!(known, "{}.{name}: {{{placeholder}}}", resource_type.name);
            }
        }
    }
}
