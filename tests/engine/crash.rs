//! Whatever moment the program dies at, the next command makes the same world of it.
//!
//! One undisturbed run of a story is watched, and at every moment what a crash would leave behind is kept: the files
//! of the state folder and the cloud. Moments are: before each call, after its effect and before its answer, after the
//! answer, and before and after every write of a journal record, of the state file and of the journal's removal. Then
//! each of these worlds is opened by a new process state, applied once, and compared with the undisturbed end. No
//! moment is left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mastoform::address::Identity;
use mastoform::apply::Outcome;
use mastoform::provider::sim::Sim;
use mastoform::provider::{
    Account, Announced, Belonging, Created, Creation, Deletion, Lookup, Observations, Provider, ProviderError,
    Registration, Tags, Target, Update,
};
use mastoform::secret::SecretText;
use mastoform::state::{Journal, Moment, State, Watch};
use mastoform::value::{Tree, Value};
use tokio::time::sleep;

use super::{changed, completed};
use crate::support::case::files;
use crate::support::instance::{EXAMPLE, Instance, Script, example};
use crate::support::say;

/// What a crash would leave behind.
pub(super) struct World {
    pub(super) label: String,
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
    pub(super) sim: Sim,
}

/// What is left of a creation once the resource exists, if anything.
pub(super) type Rest = Box<dyn Fn(Creation) -> Option<BoxFuture<'static, Result<(), ProviderError>>> + Send + Sync>;

/// Takes down a world at every moment of a run.
pub(super) struct Witness {
    sim: Arc<Sim>,
    folder: PathBuf,
    worlds: Mutex<Vec<World>>,
    rest: Option<Rest>,
}

impl Witness {
    pub(super) fn new(instance: &Instance) -> Arc<Self> {
        Self::of(instance, None)
    }

    /// In this cloud a creation tells that its resource exists before it goes on with `rest`.
    pub(super) fn of_long_creations(instance: &Instance, rest: Rest) -> Arc<Self> {
        Self::of(instance, Some(rest))
    }

    fn of(instance: &Instance, rest: Option<Rest>) -> Arc<Self> {
        let folder = instance.folder.path().to_owned();
        Arc::new(Self { sim: Arc::clone(&instance.sim), folder, worlds: Mutex::default(), rest })
    }

    fn note(&self, label: String) {
        let world = World { label, files: files(&self.folder).into_iter().collect(), sim: self.sim.copy() };
        self.worlds.lock().expect("no test panicked").push(world);
    }

    /// Everything that was taken down.
    pub(super) fn worlds(&self) -> Vec<World> {
        std::mem::take(&mut *self.worlds.lock().expect("no test panicked"))
    }

    pub(super) fn watch(self: &Arc<Self>) -> Watch {
        let witness = Arc::clone(self);
        Box::new(move |moment: Moment| {
            witness.note(format!("{moment:?}"));
            Ok(())
        })
    }

    async fn around<T>(&self, call: String, made: impl Future<Output = T>) -> T {
        self.note(format!("before {call}"));
        let answer = made.await;
        self.note(format!("after {call}"));
        answer
    }
}

#[async_trait]
impl Provider for Witness {
    async fn account(&self) -> Result<Account, ProviderError> {
        self.sim.account().await
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<Value, ProviderError> {
        self.sim.lookup(lookup).await
    }

    async fn observe(&self, targets: &[Target]) -> Observations {
        self.sim.observe(targets).await
    }

    async fn announced(&self, targets: &[Target]) -> Announced {
        self.sim.announced(targets).await
    }

    async fn find(&self, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        self.sim.find(creation).await
    }

    async fn create(&self, creation: &Creation) -> Result<Created, ProviderError> {
        let created = self.around(format!("create {}", creation.address), self.sim.create(creation)).await?;
        if let Some(rest) = self.rest.as_ref().and_then(|rest| rest(creation.clone())) {
            creation.attempt.herald.tell(&created);
            self.around(format!("the rest of {}", creation.address), rest).await?;
        }
        Ok(created)
    }

    async fn update(&self, update: &Update) -> Result<(), ProviderError> {
        self.around(format!("update {}", update.target.address), self.sim.update(update)).await
    }

    async fn mark(&self, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        self.around(format!("mark {}", target.address), self.sim.mark(target, tags)).await
    }

    async fn census(&self, region: &str, tags: &Tags) -> Result<Vec<Belonging>, ProviderError> {
        self.sim.census(region, tags).await
    }

    async fn registration(&self, region: &str, instance: &str) -> Result<Option<Registration>, ProviderError> {
        self.sim.registration(region, instance).await
    }

    async fn register(&self, registration: &Registration) -> Result<(), ProviderError> {
        self.sim.register(registration).await
    }

    async fn unregister(&self, registration: &Registration) -> Result<(), ProviderError> {
        self.sim.unregister(registration).await
    }

    async fn delete(&self, target: &Target) -> Result<Deletion, ProviderError> {
        self.around(format!("delete {} {}", target.address, target.identity), self.sim.delete(target)).await
    }

    async fn reveal(&self, target: &Target, path: &[String]) -> Result<SecretText, ProviderError> {
        self.sim.reveal(target, path).await
    }

    fn time_lapse(&self) -> f64 {
        self.sim.time_lapse()
    }
}

/// What is done in a story.
pub(super) struct Deed {
    script: Script,
    destroys: bool,
}

impl Deed {
    pub(super) fn apply(text: &str) -> Self {
        let script = Script::read(&[], text).unwrap_or_else(|problems| panic!("{problems}"));
        Self { script, destroys: false }
    }

    pub(super) fn destroy() -> Self {
        Self { destroys: true, ..Self::apply(EXAMPLE) }
    }

    /// What another run would still do.
    pub(super) async fn remains(&self, of: &Instance) -> Vec<String> {
        match self.destroys {
            true => changed(&of.plan_destroy().await),
            false => {
                let planned = of.go_by(of.sim.clone(), &self.script, false, None).await;
                changed(&planned.unwrap_or_else(|problems| panic!("{problems}")).0)
            }
        }
    }

    pub(super) async fn happens(&self, to: &Instance, by: Arc<dyn Provider>, watch: Option<Watch>) -> Outcome {
        if self.destroys {
            return to.destroy_by(by, &self.script.specs, watch).await.1;
        }
        let done = to.go_by(by, &self.script, true, watch).await.unwrap_or_else(|problems| panic!("{problems}"));
        done.1.expect("it was applied")
    }
}

/// The state without what counts runs.
pub(super) fn remembered(instance: &Instance) -> Option<State> {
    let mut state = instance.state()?;
    (state.serial, state.parent) = (0, None);
    Some(state)
}

pub(super) fn put_back(files: &BTreeMap<PathBuf, Vec<u8>>, folder: &Path) {
    for (name, bytes) in files {
        fs_err::write(folder.join(name), bytes).expect("written");
    }
}

/// A story under the eyes of a witness: every world on its way, and the one at its end.
pub(super) struct Watched {
    pub(super) worlds: Vec<World>,
    pub(super) cloud: String,
    pub(super) state: Option<State>,
}

/// Plays `before` undisturbed, then `deed` under the eyes of a witness.
pub(super) async fn watched(before: &[&str], deed: &Deed) -> Watched {
    watched_with(Instance::on_virtual_time(), before, deed).await
}

async fn watched_with(instance: Instance, before: &[&str], deed: &Deed) -> Watched {
    for text in before {
        completed(instance.go(text, true).await.unwrap_or_else(|problems| panic!("{problems}")).1);
    }
    let witness = Witness::new(&instance);
    watched_by(&witness, instance, deed).await
}

async fn watched_by(witness: &Arc<Witness>, instance: Instance, deed: &Deed) -> Watched {
    completed(Some(deed.happens(&instance, witness.clone(), Some(witness.watch())).await));
    Watched { worlds: witness.worlds(), cloud: instance.sim.snapshot(false), state: remembered(&instance) }
}

/// Recovers from every moment of a story, in which all that can happens at once, and so is recorded together.
async fn recover_from_every_moment(story: &str, before: &[&str], deed: Deed) {
    let watched = watched(before, &deed).await;
    recover(story, watched, deed).await;
}

/// The same where one thing happens after the other.
async fn recover_from_every_moment_one_by_one(story: &str, before: &[&str], deed: Deed) {
    let instance = Instance { at_once: 1, ..Instance::on_virtual_time() };
    let watched = watched_with(instance, before, &deed).await;
    recover(&format!("{story}, one by one"), watched, deed).await;
}

async fn recover(story: &str, watched: Watched, deed: Deed) {
    let Watched { worlds, cloud, state } = watched;
    let points = worlds.len();
    assert!(points > 20, "{points}");
    for (number, world) in worlds.into_iter().enumerate() {
        let label = format!("{story}: moment {number} of {points}, {}", world.label);
        let _name = NameIfItPanics(&label);
        let after = Instance::with(world.sim);
        put_back(&world.files, after.folder.path());
        let call = world.label.strip_prefix("before ").filter(|call| !call.starts_with("the rest of "));
        if let Some(address) = call.and_then(|call| call.split(' ').nth(1)) {
            assert_eq!(last_record_of(&after, address).as_deref(), Some("intent"), "{label}");
        }
        completed(Some(deed.happens(&after, after.sim.clone(), None).await));
        // The same state over the same cloud gives the same plan, and the undisturbed one's is empty.
        assert_eq!(after.sim.snapshot(false), cloud, "{label}");
        assert_eq!(remembered(&after), state, "{label}");
        assert!(!after.paths().journal().exists(), "{label}");
    }
    say(&format!("crash points tried: {points} ({story})"));
}

/// The kind of the last record on the disk about an address.
fn last_record_of(instance: &Instance, address: &str) -> Option<String> {
    let entries = Journal::read(&instance.paths().journal()).expect("whole").entries;
    let mut records = entries.iter().rev().map(|entry| &entry.record);
    let last = records.find(|record| record.address().is_some_and(|of| of.to_string() == address))?;
    Some(last.word().to_owned())
}

/// Says at which moment a recovery panicked.
struct NameIfItPanics<'a>(&'a str);

impl Drop for NameIfItPanics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say(&format!("at {}", self.0));
        }
    }
}

pub(super) const DEBUG: (&str, &str) = (r#"run_mode = "production""#, r#"run_mode = "debug""#);

/// The load balancer is told of before it has its settings, so that its listeners are made meanwhile.
#[tokio::test(start_paused = true)]
async fn a_first_apply_survives_a_crash_at_every_moment() {
    const BALANCER: &str = "elb.load_balancer.public";
    const SETTING: &[&str] = &["drop_invalid_header_fields"];
    let instance = Instance::on_virtual_time();
    let sim = Arc::clone(&instance.sim);
    let rest: Rest = Box::new(move |creation| {
        if creation.address.to_string() != BALANCER {
            return None;
        }
        assert!(matches!(creation.attributes.get(SETTING[0]), Some(Tree::Bool(true))));
        let sim = Arc::clone(&sim);
        assert!(sim.change_behind_our_back(BALANCER, SETTING, Value::Bool(false)));
        let rest = async move {
            sleep(Duration::from_secs(5)).await;
            assert!(sim.change_behind_our_back(BALANCER, SETTING, Value::Bool(true)));
            Ok(())
        };
        Some(rest.boxed())
    });
    let witness = Witness::of_long_creations(&instance, rest);
    let deed = Deed::apply(EXAMPLE);
    let watched = watched_by(&witness, instance, &deed).await;
    let position = |label: &str| watched.worlds.iter().position(|world| world.label == label).expect(label);
    assert!(position("before create elb.listener.http") < position(&format!("after the rest of {BALANCER}")));
    recover("first apply", watched, deed).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_mode_survives_a_crash_at_every_moment() {
    recover_from_every_moment("mode change", &[EXAMPLE], Deed::apply(&example(&[DEBUG]))).await;
    recover_from_every_moment_one_by_one("mode change", &[EXAMPLE], Deed::apply(&example(&[DEBUG]))).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_creates_first_survives_a_crash_at_every_moment() {
    let edited = format!("{EXAMPLE}\n[web]\nport = 3001\n");
    recover_from_every_moment("replacement, new one first", &[EXAMPLE], Deed::apply(&edited)).await;
    recover_from_every_moment_one_by_one("replacement, new one first", &[EXAMPLE], Deed::apply(&edited)).await;
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_deletes_first_survives_a_crash_at_every_moment() {
    let edited = example(&[("[database]", "[database]\nname = \"other\"")]);
    recover_from_every_moment("replacement, old one first", &[EXAMPLE], Deed::apply(&edited)).await;
    recover_from_every_moment_one_by_one("replacement, old one first", &[EXAMPLE], Deed::apply(&edited)).await;
}

#[tokio::test(start_paused = true)]
async fn a_destroy_survives_a_crash_at_every_moment() {
    recover_from_every_moment("destroy", &[EXAMPLE], Deed::destroy()).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_survives_a_crash_at_every_moment() {
    let upgraded = EXAMPLE.replacen("name   = ", "version = \"v4.7.7\"\nname   = ", 1);
    recover_from_every_moment("upgrade", &[EXAMPLE], Deed::apply(&upgraded)).await;
    recover_from_every_moment_one_by_one("upgrade", &[EXAMPLE], Deed::apply(&upgraded)).await;
}

/// A version that only the next minor version may follow.
fn version(version: &str) -> String {
    EXAMPLE.replacen("name   = ", &format!("version = \"{version}\"\nname   = "), 1)
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_to_the_next_minor_version_survives_a_crash_at_every_moment() {
    let (old, new) = (version("v4.6.5"), version("v4.7.6"));
    recover_from_every_moment("minor upgrade", &[&old], Deed::apply(&new)).await;
    recover_from_every_moment_one_by_one("minor upgrade", &[&old], Deed::apply(&new)).await;
}

/// Mail by SES, and a zone of the instance's own, beside everything else.
const WITH_OWN_ZONE: &str = "\n[dns]\nprovider = \"route53\"\ncreate_zone = true\n";

fn with_own_zone() -> String {
    let credentials = EXAMPLE.lines().find(|line| line.starts_with("credentials")).expect("a setting of mail");
    format!("{}{WITH_OWN_ZONE}", example(&[(credentials, "provider = \"ses\"")]))
}

#[tokio::test(start_paused = true)]
async fn a_zone_of_its_own_and_mail_come_and_go_whatever_dies_meanwhile() {
    let text = with_own_zone();
    recover_from_every_moment("own zone and mail", &[EXAMPLE], Deed::apply(&text)).await;
    recover_from_every_moment("without an own zone and mail", &[&text], Deed::apply(EXAMPLE)).await;
}
