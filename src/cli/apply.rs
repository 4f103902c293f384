//! `mastoform apply`: prints the plan, asks, does it, tells the outputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::error::{CommandError, Exit};
use super::files::Project;
use super::progress::Live;
use super::ui::variable;
use super::{ApplyArguments, GlobalOptions, Ui, cloud, output, plan::say_notes};
use crate::apply::{self, Outcome, Report, Run, Stop};
use crate::plan::order::Steps;
use crate::plan::resolve::{Graph, World, resolve};
use crate::plan::{Action, Plan};
use crate::provider::Provider;
use crate::render;
use crate::render::duration::exact;
use crate::session::{self, Gathered};
use crate::spec::Types;
use crate::state::{Holder, Lock, Paths};
use crate::value::Value;

pub fn run(ui: &Ui, options: &GlobalOptions, arguments: &ApplyArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    project.paths.make_folder()?;
    let _lock = Lock::acquire(&project.paths.lock(), &holder("mastoform apply"))?;
    let lineage = new_lineage()?;
    let read = session::read_state(&project.paths, &project.config.name, &project.config.region, &lineage)?;
    cloud::runtime()?.block_on(async {
        let types = &project.specs.types;
        let provider = cloud::connect(ui, options, types, &project.paths, &project.config.region).await?;
        let nothing = BTreeMap::new();
        let mut gathered = session::gather(&provider, Some(&project.world(&nothing)), read).await?;
        say_notes(ui, &gathered);
        let lookups = gathered.lookups.clone();
        let world = project.world(&lookups);
        let graph = resolve(&world, &project.specs)?;
        let (plan, warnings) = session::plan(&world, &graph, &gathered)?;
        ui.diagnostics(&warnings);
        ui.data(render::plan(&plan, types, &ui.render_options()).trim_end())?;
        if !plan.refusals.is_empty() {
            return Ok(Exit::Refused);
        }
        if plan.is_empty() {
            keep_what_was_folded(&project.paths, &mut gathered)?;
            return Ok(Exit::Done);
        }
        if !arguments.yes {
            let question = format!("\nDo this on {}? Only `yes` is accepted:", cloud::place(options));
            let sure = ui.confirm(&question, "yes").map_err(|error| error.hint("add --yes to go without asking"))?;
            if !sure {
                ui.say("Nothing was changed.");
                return Ok(Exit::Failure);
            }
        }
        let outcome =
            carry_out(ui, provider, types, &plan, Some((&world, &graph)), &project.paths, &mut gathered).await?;
        let exit = tell(ui, &outcome, &project.paths);
        if exit == Exit::Done {
            let outputs = session::outputs(&world, &graph, &outcome.report().state)?;
            if !outputs.is_empty() {
                ui.say("");
                ui.data(&output::list(&outputs, ui.width()))?;
            }
        }
        Ok(exit)
    })
}

/// Without anything to do, what an interrupted run left in the journal still belongs into the state.
pub(super) fn keep_what_was_folded(paths: &Paths, gathered: &mut Gathered) -> Result<(), CommandError> {
    if paths.journal().exists() {
        let journal = session::begin(paths, gathered)?;
        gathered.state.write(&paths.state())?;
        journal.remove()?;
    }
    Ok(())
}

/// Applies a plan with progress and signals.
pub(super) async fn carry_out<'a>(
    ui: &Ui,
    provider: Arc<dyn Provider>,
    types: &Types,
    plan: &Plan,
    desired: Option<(&'a World<'a>, &'a Graph<'a>)>,
    paths: &Paths,
    gathered: &mut Gathered,
) -> Result<Outcome, CommandError> {
    let journal = session::begin(paths, gathered)?;
    let steps = Steps::of(plan, &gathered.state, types).map_or(0, |steps| steps.len());
    let (sender, stop) = watch::channel(Stop::No);
    let signals = tokio::spawn(listen(sender));
    let live = Live::new(ui, steps);
    let run = Run {
        provider,
        types,
        plan,
        desired,
        state: gathered.state.clone(),
        settings: desired.map_or(Value::Null, |(world, _)| world.config.values.clone()),
        paths,
        journal,
        progress: &live,
        stop,
        at_once: cloud::AT_ONCE,
    };
    let outcome = apply::run(run).await;
    drop(live);
    signals.abort();
    Ok(outcome)
}

/// The first signal stops gently, the second at once.
pub(super) async fn listen(stop: watch::Sender<Stop>) {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
    let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) else { return };
    for wish in [Stop::Gently, Stop::Now] {
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => {
                if interrupted.is_err() {
                    return;
                }
            }
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        if stop.send(wish).is_err() {
            return;
        }
    }
}

/// Says how it ended.
pub(super) fn tell(ui: &Ui, outcome: &Outcome, paths: &Paths) -> Exit {
    let report = outcome.report();
    if let Some(text) = &report.unsaved {
        ui.error(&format!("{} could not be written; this should be in it:", paths.state().display()));
        ui.tell(text);
    }
    match outcome {
        Outcome::Completed(report) => {
            ui.say(&format!("\nDone: {}.", counted(report)));
            Exit::Done
        }
        Outcome::Halted(report) => {
            ui.say("");
            for failure in &report.failed {
                ui.error(&format!("{}: {}", failure.address, failure.message));
            }
            for (skipped, because) in &report.skipped {
                ui.say(&format!("not tried: {skipped}, because {because} failed"));
            }
            ui.say(&format!(
                "\nDone in part: {}. What is done is recorded in {}.",
                counted(report),
                paths.state().display()
            ));
            if report.failed.iter().any(|failure| failure.credentials) {
                ui.hint("log in to AWS again (`aws sso login`) and run the command once more; it goes on from here");
            } else {
                ui.hint("mend the cause and run the command once more; it goes on from here");
            }
            if report.done.is_empty() { Exit::Failure } else { Exit::Partial }
        }
        Outcome::Interrupted(report) => {
            ui.say(&format!("\nStopped: {}.", counted(report)));
            if !report.pending.is_empty() {
                let names: Vec<String> = report.pending.iter().map(ToString::to_string).collect();
                ui.say(&format!("Still going on by itself: {}.", names.join(", ")));
            }
            ui.hint("run the command once more; it goes on from here");
            Exit::Interrupted
        }
    }
}

pub(super) fn counted(report: &Report) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for done in &report.done {
        *counts.entry(done.verb).or_default() += 1;
    }
    let mut parts: Vec<String> = [
        ("create", "created"),
        ("update", "updated"),
        ("replace", "replaced"),
        ("delete", "deleted"),
        ("adopt", "resumed"),
        ("forget", "forgotten"),
    ]
    .into_iter()
    .filter_map(|(verb, word)| counts.get(verb).map(|count| format!("{count} {word}")))
    .collect();
    if !report.failed.is_empty() {
        parts.push(format!("{} failed", report.failed.len()));
    }
    if !report.skipped.is_empty() {
        parts.push(format!("{} not tried", report.skipped.len()));
    }
    if !report.not_started.is_empty() {
        parts.push(format!("{} not begun", report.not_started.len()));
    }
    if parts.is_empty() {
        parts.push("nothing was done".to_owned());
    }
    if let Some(longest) = report.done.iter().max_by_key(|done| done.elapsed)
        && longest.elapsed.as_secs() > 0
    {
        parts.push(format!("the longest was {} with {}", longest.address, exact(longest.elapsed)));
    }
    parts.join(", ")
}

/// Who holds the lock.
pub(super) fn holder(command: &str) -> Holder {
    let host = fs_err::read_to_string("/proc/sys/kernel/hostname").map(|text| text.trim().to_owned());
    Holder {
        pid: std::process::id(),
        host: host.ok().or_else(|| variable("HOSTNAME")).unwrap_or_else(|| "this machine".to_owned()),
        command: command.to_owned(),
        started: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// A random name for a new state: two states with the same instance name are still told apart.
pub(super) fn new_lineage() -> Result<String, CommandError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| CommandError::failure(format!("no randomness: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a plan deletes anything that holds what users stored.
pub(super) fn loses_data(plan: &Plan, types: &Types) -> Vec<String> {
    plan.changes
        .iter()
        .filter(|change| matches!(change.action, Action::Delete | Action::Replace { .. }))
        .filter(|change| types.get(&change.address.type_name).is_some_and(|found| found.data_bearing))
        .map(|change| change.address.to_string())
        .collect()
}
