//! Plans as people see them and as programs read them: a folder per case, see `README.md` there.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anstream::adapter::strip_str;
use mastoform::plan::{Graph, Plan};
use mastoform::provider::ErrorKind;
use mastoform::provider::sim::{Clock, CrashPoint, Fault, Operation, Options, Rule, Sim, Subject, tokio_clock};
use mastoform::render;
use mastoform::render::graph::Drawing;
use mastoform::spec::{OverlayFile, Specs, Types};
use mastoform::value::Value;
use serde::Deserialize;

mod browser;
mod page;
mod schema;

use crate::support::case::{cases, compare, edited, files, folder_with, read};
use crate::support::instance::{EXAMPLE, Instance, Script, fast_folder};

cases! { "plans", tell:
    a_day
    first_apply
    first_apply_in_full
    nothing_to_do
    run_mode_maintenance
    variable_added
    variable_removed
    capacity
    replacement_create_first
    replacement_delete_first
    cascade
    drift
    drift_and_change
    deleted_in_aws
    deleted_in_aws_and_unwanted
    orphans
    interrupted
    failed
    refused_by_aws
    protected_replacement
    protected_destroy
    protection
    destroy
    patch
    order_of_a_list
    policy_statement
    policy_spelled_otherwise
    long_command
    narrow_ascii
    new_version
    policy_drift
    not_in_order
    policy_unknown
    policy_of_something_new
    text_of_many_lines
    every_action
    many_changes
    another_mail_port
}

/// A `story.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Story {
    #[expect(dead_code, reason = "for people")]
    about: String,
    /// Nothing is applied before the plan.
    #[serde(default)]
    from_nothing: bool,
    /// An edit of the example, which is applied then.
    #[serde(default)]
    before: String,
    /// What goes wrong while it is applied.
    #[serde(default)]
    fault: Vec<Mishap>,
    /// What somebody changes in AWS afterwards.
    #[serde(default)]
    change: Vec<Edit>,
    /// What somebody deletes in AWS afterwards.
    #[serde(default)]
    remove: Vec<Removal>,
    /// An edit of the file that was applied. It is planned then.
    #[serde(default)]
    after: String,
    /// Specs of one's own, which lie over the built-in ones when the plan is made.
    #[serde(default)]
    specs: String,
    /// Taking everything down is planned instead.
    #[serde(default)]
    destroy: bool,
    #[serde(default)]
    view: View,
    /// There is a `plan.json`, too. Not for plans with very many lines.
    #[serde(default = "yes")]
    json: bool,
    /// There is a `plan.md`, too.
    #[serde(default)]
    markdown: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mishap {
    of: String,
    what: What,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// The program dies while this is created.
    Crash,
    /// AWS refuses to create it.
    Refused,
    /// It is created, and fails while it starts.
    Fails,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    of: String,
    attribute: String,
    to: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    of: String,
}

/// How the plan is looked at.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct View {
    verbose: bool,
    ascii: bool,
    width: Option<usize>,
    height: Option<usize>,
}

static TYPES: LazyLock<Arc<Types>> = LazyLock::new(|| Arc::clone(&Specs::read(&[]).expect("valid specs").types));

/// Where most stories begin, made once: the example has been applied. The files are its cloud and its state.
static APPLIED: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(|| {
    block_on(async {
        let instance = instance(fast_folder());
        apply(&instance, EXAMPLE, &[]).await;
        files(instance.folder.path())
    })
});

/// On a paused clock AWS takes exactly as long as its types say, and no time of ours.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// An instance whose cloud and state are, and stay, in a folder. It is the next day there if there are any yet.
fn instance(folder: tempfile::TempDir) -> Instance {
    let cloud = folder.path().join("cloud.json");
    let (clock, day) = (tokio_clock(), Duration::from_hours(if cloud.exists() { 24 } else { 0 }));
    let clock: Clock = Arc::new(move || clock() + day);
    let options = Options { speed: 10_000.0, latency: Duration::ZERO, clock, ..Options::default() };
    let sim = Sim::open(Arc::clone(&TYPES), Some(cloud), options).expect("a cloud");
    Instance { folder, ..Instance::with(sim) }
}

async fn apply(instance: &Instance, text: &str, faults: &[Mishap]) {
    for mishap in faults {
        instance.sim.add_fault(mishap.rule());
    }
    tokio::select! {
        biased;
        () = instance.sim.crashed() => {}
        result = instance.go(text, true) => {
            let (_, outcome) = result.unwrap_or_else(|problems| panic!("{problems}"));
            let failed = outcome.expect("applied").report().failed.clone();
            assert_eq!(failed.is_empty(), faults.is_empty(), "{failed:?}");
        }
    }
    instance.sim.clear_faults();
    instance.sim.revive();
}

fn tell(folder: &Path) {
    let story: Story = read(&folder.join("story.toml"));
    let is_usual = !story.from_nothing && story.before.is_empty() && story.fault.is_empty();
    let given: &[_] = if is_usual { &APPLIED } else { &[] };
    let (plan, drawing) = block_on(plan_of(&story, given));
    let usual = render::Options::default();
    let View { verbose, ascii, width, height } = story.view;
    let options = render::Options { verbose, ascii, width: width.unwrap_or(usual.width), height };
    let text = render::plan(&plan, &TYPES, &options);
    let widest = text.lines().map(|line| render::layout::width(&strip_str(line).to_string())).max();
    assert!(widest <= Some(options.width), "a line is {widest:?} columns wide");
    assert!(!ascii || strip_str(&text).to_string().is_ascii(), "not ASCII");
    compare(text + "\n", &folder.join("plan.term.svg"));
    page::check(&plan, &render::plan_html(&plan, &TYPES, &drawing));
    if story.markdown {
        compare(render::plan_markdown(&plan, &TYPES), &folder.join("plan.md"));
    }
    let mut json = render::plan_json(&plan, &TYPES);
    schema::check(&json);
    if !story.json {
        return;
    }
    // These differ after every change of the specs, and say nothing here.
    for hash in ["file", "specs", "state"] {
        json["made_from"][hash] = "...".into();
    }
    compare(format!("{json:#}\n"), &folder.join("plan.json"));
}

async fn plan_of(story: &Story, given: &[(PathBuf, Vec<u8>)]) -> (Plan, Drawing) {
    let instance = instance(folder_with(given));
    let before = edited(EXAMPLE, &story.before);
    if !story.from_nothing && given.is_empty() {
        apply(&instance, &before, &story.fault).await;
    }
    for Edit { of, attribute, to } in &story.change {
        let path: Vec<&str> = attribute.split('.').collect();
        assert!(instance.sim.change_behind_our_back(of, &path, Value::from_json(to)), "there is no {of}");
    }
    for Removal { of } in &story.remove {
        assert!(instance.sim.remove_behind_our_back(of), "there is no {of}");
    }
    if story.destroy {
        let plan = instance.plan_destroy().await;
        let drawing = Drawing::new(&Graph::default(), Some(&plan), false);
        return (plan, drawing);
    }
    let after = edited(&before, &story.after);
    let overlay = OverlayFile { name: "own.toml".into(), types_of: None, text: story.specs.clone() };
    let script = Script::read(&[overlay], &after).unwrap_or_else(|problems| panic!("{problems}"));
    let planned = instance.go_by(instance.sim.clone(), &script, false, None).await;
    let (plan, _, drawing) = planned.unwrap_or_else(|problems| panic!("{problems}"));
    (plan, drawing)
}

impl Mishap {
    fn rule(&self) -> Rule {
        let subject = Subject::Address(self.of.parse().expect("an address"));
        let fault = match self.what {
            What::Crash => Fault::Crash(CrashPoint::AfterTheEffect),
            What::Refused => Fault::Refuse { code: "AccessDenied".into(), kind: ErrorKind::Denied },
            What::Fails => Fault::FailLater,
        };
        Rule::new(Operation::Create, subject, fault)
    }
}
