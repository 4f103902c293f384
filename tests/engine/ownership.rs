//! Nothing that is not ours is touched, shown or trusted: look-alikes, forged states and journals, instances of one name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mastoform::address::{Address, Identity};
use mastoform::apply::Outcome;
use mastoform::plan::{Action, Cause, Change, Plan, drift};
use mastoform::provider::ownership::{INSTANCE, LINEAGE};
use mastoform::provider::sim::{Entry, Options, Sim};
use mastoform::provider::{
    Account, Announced, Belonging, Creation, ErrorKind, Lookup, Observations, Provider, ProviderError, Question,
    Reader, Registration, Silence, Tags, Target, read_only,
};
use mastoform::render;
use mastoform::session::{SessionError, neighbours};
use mastoform::spec::Specs;
use mastoform::state::{Intent, Journal, Record, State, Verb};
use mastoform::value::{Tree, Value};
use proptest::prelude::*;

use super::{changed, completed, nothing_to_do};
use crate::support::instance::{EXAMPLE, Instance, example, fast_folder};

/// A text that stands only in attributes of somebody else's resources.
const CANARY: &str = "canary-of-prod";

fn of_others() -> String {
    example(&[
        ("name   = \"social\"", "name   = \"prod\""),
        ("social.example.org", "prod.example.org"),
        ("max_capacity = 1", "max_capacity = 8"),
        ("social/mail", CANARY),
    ])
}

/// A cloud in which an instance of ours lives beside one of others that looks like ours: every tag of theirs but the
/// lineage is what ours has.
async fn look_alikes() -> Instance {
    let folder = fast_folder();
    let path = folder.path().join("cloud.json");
    let types = Specs::read(&[]).expect("valid specs").types;
    let options = || Options { speed: 10_000.0, latency: Duration::ZERO, ..Options::default() };
    let sim = Sim::open(Arc::clone(&types), Some(path.clone()), options()).expect("a cloud");
    let ours = Instance::with(sim);
    completed(ours.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    completed(ours.beside("foreign").go(&of_others(), true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    let text = ours.sim.saved();
    fs_err::write(&path, text.replace("\"mastoform:instance\": \"prod\"", "\"mastoform:instance\": \"social\""))
        .expect("written");
    let sim = Sim::open(types, Some(path), options()).expect("a cloud");
    // Jobs that have ended end once more in a cloud that is loaded, whose clock starts anew.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let sim = sim.copy();
    assert!(sim.objects().iter().any(|entry| is_theirs(&entry.object.tags)), "nobody looks like us");
    Instance { sim: Arc::new(sim), ..ours }
}

fn is_theirs(tags: &BTreeMap<String, String>) -> bool {
    tags.get(INSTANCE).is_some_and(|name| name == "social") && tags.get(LINEAGE).is_some_and(|l| l == "foreign")
}

/// Everything of others, as it is.
fn theirs(instance: &Instance) -> Vec<Entry> {
    let objects = instance.sim.objects().into_iter();
    objects.filter(|entry| is_theirs(&entry.object.tags) || entry.identity.as_str().contains("prod")).collect()
}

/// Fails for the first object of others that is not as it was.
fn unharmed(instance: &Instance, before: &[Entry], story: &str) {
    let now = theirs(instance);
    for entry in before {
        let found = now.iter().find(|other| (&other.type_name, &other.identity) == (&entry.type_name, &entry.identity));
        assert_eq!(
            found.map(|found| &found.object),
            Some(&entry.object),
            "{story}: {} {}",
            entry.type_name,
            entry.identity
        );
    }
}

fn identity_of(theirs: &[Entry], address: &Address) -> Option<Identity> {
    let found = theirs.iter().find(|entry| entry.object.address.as_ref() == Some(address));
    found.map(|entry| entry.identity.clone())
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
    /// The row calls an object of others left over.
    LeftOver,
    /// A row that no file wants names an object of others.
    Unwanted,
    /// A journal says that an interrupted creation made an object of others.
    Journal,
}

const FORGERIES: [Forgery; 4] = [Forgery::Swapped, Forgery::LeftOver, Forgery::Unwanted, Forgery::Journal];

fn forge(instance: &Instance, address: &Address, identity: Identity, forgery: Forgery) {
    let mut state = instance.state().expect("a state");
    let Some(row) = state.rows.get_mut(address) else { panic!("{address} is not in the state") };
    row.protect = false;
    match forgery {
        Forgery::Swapped => row.identity = Some(identity),
        Forgery::LeftOver => row.replaced = vec![identity],
        Forgery::Unwanted => {
            let row = mastoform::state::Row { identity: Some(identity), ..row.clone() };
            state.rows.insert(Address::new(address.type_name.clone(), "unwanted", None), row);
        }
        Forgery::Journal => {
            let intent = Intent {
                action: Verb::Create,
                region: row.region.clone(),
                token: "0123456789abcdef0123456789abcdef".to_owned(),
                identity: None,
                natural: row.inputs.clone(),
                protect: false,
                depends_on: row.depends_on.clone(),
                makes_room: false,
                old_is_gone: false,
            };
            let base = Some(state.write(&instance.paths().state()).expect("written"));
            let (mut journal, _) = Journal::open(&instance.paths().journal()).expect("a journal");
            let (lineage, serial) = (state.lineage.clone(), state.serial + 1);
            journal.append(Record::Begin { lineage, serial, base }).expect("appended");
            journal.append(Record::Intent { address: address.clone(), intent }).expect("appended");
            journal.append(Record::Did { address: address.clone(), identity, facts: Value::Null }).expect("appended");
            journal.flush().expect("flushed");
            return;
        }
    }
    state.write(&instance.paths().state()).expect("written");
}

/// Plans, applies and destroys with a forged state: nothing of others may be different afterwards, or have been shown.
async fn holds(instance: &Instance, address: &Address, forgery: Forgery) {
    let theirs_before = theirs(instance);
    let Some(identity) = identity_of(&theirs_before, address) else { return };
    let for_apply = instance.copy();
    forge(&for_apply, address, identity.clone(), forgery);
    let (plan, _) = for_apply.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    unharmed(&for_apply, &theirs_before, &format!("apply with {forgery:?} {address}"));
    let text = told(&plan);
    assert!(!text.contains(CANARY), "{forgery:?} {address}: {text}");
    let for_destroy = instance.copy();
    forge(&for_destroy, address, identity, forgery);
    let (plan, _) = for_destroy.destroy().await;
    unharmed(&for_destroy, &theirs_before, &format!("destroy with {forgery:?} {address}"));
    assert!(!told(&plan).contains(CANARY), "destroy with {forgery:?} {address}");
}

#[tokio::test]
async fn no_forged_row_or_journal_touches_or_shows_what_is_not_ours() {
    let instance = look_alikes().await;
    let mut addresses: Vec<Address> = instance.state().expect("a state").rows.into_keys().collect();
    // What holds for one of a type holds for the others.
    addresses.dedup_by(|one, other| one.type_name == other.type_name);
    let mut tried = 0;
    for address in &addresses {
        for forgery in FORGERIES {
            holds(&instance, address, forgery).await;
            tried += 1;
        }
    }
    assert!(tried > 80, "{tried}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// Several forgeries at once, in any combination.
    #[test]
    fn no_combination_of_forged_rows_touches_what_is_not_ours(
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..3usize), 1..6)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let instance = look_alikes().await;
            let before = theirs(&instance);
            let addresses: Vec<Address> = instance.state().expect("a state").rows.into_keys().collect();
            let mut used = std::collections::BTreeSet::new();
            for (index, forgery) in picks {
                let address = index.get(&addresses);
                let Some(identity) = identity_of(&before, address) else { continue };
                if used.insert(identity.clone()) {
                    forge(&instance, address, identity, FORGERIES[forgery]);
                }
            }
            let applied = instance.copy();
            let (plan, _) = applied.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
            unharmed(&applied, &before, "apply");
            assert!(!told(&plan).contains(CANARY));
            let destroyed = instance.copy();
            let (plan, _) = destroyed.destroy().await;
            unharmed(&destroyed, &before, "destroy");
            assert!(!told(&plan).contains(CANARY));
        });
    }
}

#[tokio::test]
async fn a_foreign_object_in_a_wanted_row_is_refused_by_its_identity() {
    let instance = look_alikes().await;
    let address: Address = "rds.cluster.database".parse().expect("an address");
    let identity = identity_of(&theirs(&instance), &address).expect("theirs");
    forge(&instance, &address, identity, Forgery::Swapped);
    let (plan, outcome) = instance.go(EXAMPLE, true).await.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(outcome.is_none());
    let [refusal] = &plan.refusals[..] else { panic!("{:?}", plan.refusals) };
    assert_eq!(
        refusal.reason,
        "prod-database, recorded as rds.cluster.database, is not this instance's: it belongs to another instance of \
         this name, with lineage foreign"
    );
}

#[tokio::test]
async fn destroy_forgets_a_foreign_object_and_deletes_the_rest() {
    let instance = look_alikes().await;
    let address: Address = "rds.cluster.database".parse().expect("an address");
    let identity = identity_of(&theirs(&instance), &address).expect("theirs");
    forge(&instance, &address, identity, Forgery::Swapped);
    let (plan, _) = instance.destroy().await;
    let change = plan.changes.iter().find(|change| change.address == address).expect("a change");
    assert_eq!((&change.action, &change.causes[..]), (&Action::Forget, &[Cause::Foreign][..]));
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
    first.sim.unregister(&others).await.expect("asked");
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

/// A cloud that lets nobody read its index of tags.
struct Unindexed(Arc<dyn Reader>);

#[async_trait]
impl Reader for Unindexed {
    async fn account(&self) -> Result<Account, ProviderError> {
        self.0.account().await
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Value, ProviderError> {
        self.0.lookup(lookup).await
    }

    async fn observe(&self, targets: &[Target]) -> Observations {
        self.0.observe(targets).await
    }

    async fn announced(&self, targets: &[Target]) -> Announced {
        self.0.announced(targets).await
    }

    async fn find(&self, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        self.0.find(creation).await
    }

    async fn census(&self, region: &str, _tags: &Tags) -> Result<Vec<Belonging>, ProviderError> {
        Err(ProviderError::new(ErrorKind::Denied, "tag:GetResources", format!("not in {region}")))
    }

    async fn registration(&self, region: &str, instance: &str) -> Result<Option<Registration>, ProviderError> {
        self.0.registration(region, instance).await
    }

    async fn ask(&self, question: &Question) -> Result<Value, Silence> {
        self.0.ask(question).await
    }

    fn time_lapse(&self) -> f64 {
        self.0.time_lapse()
    }

    fn patience(&self) -> Duration {
        self.0.patience()
    }
}

/// `drift` and `destroy` go on and say so; a first apply does not, since it could build over somebody else's instance.
#[tokio::test]
async fn without_an_index_left_overs_are_unknown_and_a_first_apply_stops() {
    let instance = Instance::new();
    completed(instance.go(EXAMPLE, true).await.expect("plans").1);
    let provider: Arc<dyn Provider> = instance.sim.clone();
    let reader = Unindexed(read_only(&provider));
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
    // Without a state nobody knows that it looked its certificates up, so the file says it.
    let text = format!("certificates = \"existing\"\n{}", before());
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
