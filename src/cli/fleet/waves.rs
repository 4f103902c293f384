//! `mastoform apply` and `mastoform destroy` over a fleet: a canary first, then wave after wave.
//!
//! Every instance is locked, planned and shown, and the question is asked once. Then each wave runs its instances side by
//! side; the next begins only when all of the last are done. Each instance is planned again before anything of it is
//! changed. If its plan has become another than the one that was shown, the run says what has changed, leaves the
//! instance alone and stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use glob::Pattern;
use tokio::sync::watch;

use super::table::{self, Planned};
use super::{Clouds, DESTROYED_AT_ONCE, Fleet, Member, PLANNED_AT_ONCE, Waiting, worst};
use crate::apply::{self, Event, Outcome, Progress, Run, Stop};
use crate::cli::apply::{
    Episode, WAIT, counted, give_lineage, go_beyond, holder, keep_what_was_folded, listen, losses, register,
    say_unsaved,
};
use crate::cli::files::{self, Project};
use crate::cli::plan::{newer, say_newer, say_notes};
use crate::cli::progress::plain;
use crate::cli::proposal::{self, Proposal};
use crate::cli::{ApplyArguments, CommandError, DestroyArguments, Exit, Ui, cloud};
use crate::diagnostic::Diagnostics;
use crate::inert::printable;
use crate::plan::resolve::resolve;
use crate::plan::saved::Basis;
use crate::plan::{Plan, stale};
use crate::provider::{Provider, Reader, Registration, read_only};
use crate::render;
use crate::render::style::Role;
use crate::session::{self, Gathered};
use crate::state::{Lock, State, history};
use crate::value::Value;

/// What is done to the instances.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Apply,
    Destroy,
}

impl Deed {
    fn word(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Destroy => history::DESTROY,
        }
    }
}

/// An instance with something to do, and what was shown of it.
struct Task<'a> {
    member: &'a Member,
    /// The plan that was shown, and the basis it was made from.
    plan: Plan,
    basis: Basis,
    /// The note about a newer state that was applied elsewhere.
    newer: Option<Registration>,
    /// Held from before the plan was made until the run ends.
    _lock: Lock,
    /// Only what an interrupted run left in the journal goes into the state file.
    is_quiet: bool,
}

/// How it went with an instance: a line of the last table.
struct Line {
    name: String,
    exit: Exit,
    role: Role,
    word: &'static str,
    note: String,
}

pub fn apply(fleet: &Fleet<'_>, arguments: &ApplyArguments) -> Result<Exit, CommandError> {
    let canary = arguments.canary.as_deref().map(Canary::parse).transpose()?;
    let wait = arguments.wait.unwrap_or(WAIT);
    let pace = Pace { canary: canary.as_ref(), size: usize::from(arguments.wave), wait };
    run(fleet, Deed::Apply, pace, &|_| {
        if arguments.yes {
            return Ok(true);
        }
        let question = format!("\nDo this on {}? Only `yes` is accepted:", cloud::place(&fleet.options));
        fleet.ui.confirm(&question, "yes").map_err(|error| error.hint("add --yes to go without asking"))
    })
}

pub fn destroy(fleet: &Fleet<'_>, arguments: &DestroyArguments) -> Result<Exit, CommandError> {
    let pace = Pace { canary: None, size: DESTROYED_AT_ONCE, wait: Duration::ZERO };
    run(fleet, Deed::Destroy, pace, &|names| {
        let expected = names.join(" ");
        match &arguments.confirm {
            Some(given) if *given == expected => Ok(true),
            Some(given) => {
                Err(CommandError::failure(format!("--confirm says {given:?}, but the instances are {expected:?}")))
            }
            None => {
                let place = cloud::place(&fleet.options);
                let question = format!("\nType the names ({expected}) to destroy these instances on {place}:");
                let answer = fleet.ui.confirm(&question, &expected);
                answer.map_err(|error| error.hint(format!("add --confirm {expected:?} to go without asking")))
            }
        }
    })
}

/// Which instances go first.
enum Canary {
    Number(usize),
    Named(Pattern, String),
}

impl Canary {
    fn parse(text: &str) -> Result<Self, CommandError> {
        if let Ok(number) = text.parse::<usize>() {
            return Ok(Self::Number(number));
        }
        let pattern = Pattern::new(text).map_err(|error| {
            CommandError::failure(format!("--canary {text} is neither a number nor a pattern of names: {error}"))
        })?;
        Ok(Self::Named(pattern, text.to_owned()))
    }

    fn is(&self, index: usize, name: &str) -> bool {
        match self {
            Self::Number(number) => index < *number,
            Self::Named(pattern, _) => pattern.matches(name),
        }
    }
}

/// The numbers of the instances of each wave: canaries in waves of their own, then the others.
fn waves(names: &[&str], canary: Option<&Canary>, size: usize) -> Vec<Vec<usize>> {
    let (first, rest): (Vec<usize>, Vec<usize>) =
        (0..names.len()).partition(|index| canary.is_some_and(|canary| canary.is(*index, names[*index])));
    first.chunks(size.max(1)).chain(rest.chunks(size.max(1))).map(<[usize]>::to_vec).collect()
}

/// How an apply goes through a fleet.
struct Pace<'a> {
    /// What goes first.
    canary: Option<&'a Canary>,
    /// How many instances are at work at once.
    size: usize,
    /// How long to wait for a person when nothing else is left to do, for each instance.
    wait: Duration,
}

fn run(
    fleet: &Fleet<'_>,
    deed: Deed,
    pace: Pace<'_>,
    confirm: &dyn Fn(&[&str]) -> Result<bool, CommandError>,
) -> Result<Exit, CommandError> {
    let Pace { canary, size, wait } = pace;
    let ui = fleet.ui;
    let (members, unreadable) = fleet.members()?;
    for problem in &unreadable {
        fleet.complain(&problem.path.display().to_string(), &problem.error);
    }
    if !unreadable.is_empty() {
        return Err(CommandError::failure(format!(
            "nothing was changed, because {} cannot be read",
            table::counted(unreadable.len())
        ))
        .hint("mend them, or leave them out with --only"));
    }
    if let Some(Canary::Named(pattern, text)) = canary
        && !members.iter().any(|member| pattern.matches(member.name()))
    {
        return Err(CommandError::failure(format!("no instance of this run is called {text}, as --canary says")));
    }
    cloud::runtime()?.block_on(async {
        let mut clouds = Clouds::default();
        let tasks = match show(fleet, deed, &members, &mut clouds).await? {
            Shown::Tasks(tasks) => tasks,
            Shown::End(exit) => return Ok(exit),
        };
        let names: Vec<&str> = tasks.iter().map(|task| task.member.name()).collect();
        if !tasks.iter().all(|task| task.is_quiet) && !confirm(&names)? {
            ui.say("Nothing was changed.");
            return Ok(Exit::Failure);
        }
        let waves = waves(&names, canary, size);
        if canary.is_some_and(|canary| !names.iter().enumerate().any(|(index, name)| canary.is(index, name))) {
            ui.warn("the canary has nothing to do, so it proves nothing");
        }
        let (sender, stop) = watch::channel(Stop::No);
        let signals = tokio::spawn(listen(sender));
        let mut lines: Vec<Line> = Vec::new();
        for (number, wave) in waves.iter().enumerate() {
            let is_stopped = *stop.borrow() != Stop::No;
            if is_stopped || lines.iter().any(|line| line.exit != Exit::Done) {
                let exit = if is_stopped { Exit::Interrupted } else { Exit::Done };
                lines.extend(wave.iter().map(|index| not_begun(names[*index], exit)));
                continue;
            }
            if waves.len() > 1 {
                let names: Vec<&str> = wave.iter().map(|index| names[*index]).collect();
                ui.say(&format!("\nWave {} of {}: {}", number + 1, waves.len(), names.join(", ")));
            }
            let at_once = (cloud::AT_ONCE / wave.len()).max(2);
            let mut waiting: Vec<Waiting<'_, Line>> = Vec::new();
            for index in wave {
                let task = &tasks[*index];
                let provider = clouds.of(ui, task.member).await?;
                let stop = stop.clone();
                waiting.push(Box::pin(async move {
                    let name = task.member.name();
                    let done = carry_out(fleet, deed, task, provider, stop, (at_once, wait)).await;
                    done.unwrap_or_else(|error| {
                        fleet.complain(name, &error);
                        Line {
                            name: name.to_owned(),
                            exit: error.exit(),
                            role: Role::Error,
                            word: "failed",
                            note: String::new(),
                        }
                    })
                }));
            }
            lines.extend(join_all(waiting).await);
        }
        signals.abort();
        let rows: Vec<_> =
            lines.iter().map(|line| (line.name.clone(), line.role, line.word, line.note.clone())).collect();
        ui.say("");
        ui.data(&table::results(&rows))?;
        let exit = worst(lines.iter().map(|line| line.exit));
        match (exit, deed) {
            (Exit::Done, Deed::Apply) => {
                ui.hint("`mastoform --file FILE output` tells the addresses and DNS records of one of them");
            }
            (Exit::Done, Deed::Destroy) => {}
            _ => ui.hint("fix the cause and run the command again; it continues from here"),
        }
        Ok(exit)
    })
}

/// An instance of a wave that was not begun, because the user stopped the run or an earlier wave went wrong.
fn not_begun(name: &str, exit: Exit) -> Line {
    Line { name: name.to_owned(), exit, role: Role::Quiet, word: "not begun", note: String::new() }
}

/// What there is to do.
enum Shown<'a> {
    Tasks(Vec<Task<'a>>),
    /// Nothing, or nothing that may be done.
    End(Exit),
}

/// Plans every instance and shows the plans and their table.
async fn show<'a>(
    fleet: &Fleet<'_>,
    deed: Deed,
    members: &'a [Member],
    clouds: &mut Clouds,
) -> Result<Shown<'a>, CommandError> {
    let ui = fleet.ui;
    let mut tasks = Vec::new();
    let mut rows = Vec::new();
    let (mut refused, mut failed) = (false, 0);
    for some in members.chunks(PLANNED_AT_ONCE) {
        let mut waiting: Vec<Waiting<'_, Result<Option<Looked>, CommandError>>> = Vec::new();
        for member in some {
            let reader = clouds.for_reading(ui, member).await;
            waiting.push(Box::pin(async move { look(deed, member, &reader?).await }));
        }
        for (member, looked) in some.iter().zip(join_all(waiting).await) {
            let name = member.name().to_owned();
            fleet.warn(member);
            let planned = match looked {
                // Nothing was ever made of it.
                Ok(None) => continue,
                Ok(Some(Looked { lock, gathered, planned, newer })) => {
                    say_notes(ui, &gathered);
                    planned.map(|planned| (lock, gathered.state, planned, newer))
                }
                Err(error) => Err(error),
            };
            let (lock, state, (plan, basis, warnings), newer) = match planned {
                Ok(planned) => planned,
                Err(error) => {
                    fleet.complain(&name, &error);
                    rows.push((name, Planned::Failed));
                    failed += 1;
                    continue;
                }
            };
            ui.diagnostics(&warnings);
            if let Some(newer) = &newer {
                say_newer(ui, &state, newer);
            }
            refused |= !plan.refusals.is_empty();
            if !plan.is_empty() {
                ui.data(render::plan(&plan, member.types(), &ui.render_options()).trim_end())?;
                ui.data("")?;
            }
            let lost = losses(&plan, member.types());
            if !lost.is_empty() {
                ui.warn(&format!("{name}: what people have stored here will be gone: {}", lost.join(", ")));
            }
            if deed == Deed::Apply && !lost.is_empty() {
                ui.error(&format!(
                    "{name} must be applied by itself, with its name typed: --file {}",
                    member.options.file.display()
                ));
                refused = true;
            }
            rows.push((name, Planned::of(&plan)));
            if !plan.is_empty() || member.project.paths.journal().exists() {
                tasks.push(Task { member, is_quiet: plan.is_empty(), plan, basis, newer, _lock: lock });
            }
        }
    }
    if rows.is_empty() {
        ui.say("There is nothing left of these instances.");
        return Ok(Shown::End(Exit::Done));
    }
    ui.data(&table::plans(&rows))?;
    if failed > 0 {
        return Err(CommandError::failure(format!(
            "nothing was changed, because {} could not be planned",
            table::counted(failed)
        ))
        .hint("mend them, or leave them out with --only"));
    }
    Ok(match (refused, tasks.is_empty()) {
        (true, _) => Shown::End(Exit::Refused),
        (false, true) => Shown::End(Exit::Done),
        (false, false) => Shown::Tasks(tasks),
    })
}

/// Locks an instance; nothing if it is to be destroyed and was never made.
fn lock(deed: Deed, member: &Member) -> Result<Option<Lock>, CommandError> {
    let paths = &member.project.paths;
    match deed {
        Deed::Apply => paths.make_folder()?,
        Deed::Destroy if State::read(&paths.state())?.is_none() => {
            paths.refuse_lost()?;
            return Ok(None);
        }
        Deed::Destroy => {}
    }
    let lock = Lock::acquire(&paths.lock(), &holder(&format!("mastoform {}", deed.word())))?;
    files::refuse_handed_over(paths)?;
    Ok(Some(lock))
}

/// An instance, locked and planned.
struct Looked {
    lock: Lock,
    gathered: Gathered,
    planned: Result<Planning, CommandError>,
    newer: Option<Registration>,
}

/// The plan of an instance, the basis it was made from, and warnings.
type Planning = (Plan, Basis, Diagnostics);

/// Locks an instance, learns everything about it and plans it; nothing if it is to be destroyed and was never made.
async fn look(deed: Deed, member: &Member, reader: &Arc<dyn Reader>) -> Result<Option<Looked>, CommandError> {
    let Some(lock) = lock(deed, member)? else { return Ok(None) };
    let Some(gathered) = gather(deed, member, reader).await? else { return Ok(None) };
    let planned = plan(deed, member, &gathered);
    let newer = match &planned {
        Ok((plan, ..)) => newer(&**reader, &gathered, plan).await,
        Err(_) => None,
    };
    Ok(Some(Looked { lock, gathered, planned, newer }))
}

/// Learns everything about an instance; nothing if it is to be destroyed and has no state.
async fn gather(deed: Deed, member: &Member, reader: &Arc<dyn Reader>) -> Result<Option<Gathered>, CommandError> {
    if deed == Deed::Apply {
        return Ok(Some(super::plan::gather(member, reader).await?));
    }
    let project = &member.project;
    let Some(recorded) = State::read(&project.paths.state())? else { return Ok(None) };
    let read = session::read_state(&project.paths, &recorded.instance, &recorded.region, &recorded.lineage)?;
    Ok(Some(session::gather(reader, &project.specs.types, None, read).await?))
}

/// Plans an instance.
fn plan(deed: Deed, member: &Member, gathered: &Gathered) -> Result<Planning, CommandError> {
    let project = &member.project;
    let world = project.world(&gathered.lookups, &gathered.state.settings);
    let basis = |desired| {
        let observations = gathered.observations.as_ref();
        Basis::of(&project.specs, desired, &gathered.state, &gathered.lookups, observations)
    };
    match deed {
        Deed::Apply => {
            let graph = resolve(&world, &project.specs)?;
            let (plan, warnings) = session::plan(&world, &graph, gathered)?;
            Ok((plan, basis(Some((&project.config, &graph))), warnings))
        }
        Deed::Destroy => {
            let plan = session::plan_destroy(&project.specs, gathered, member.name(), Some(&world))?;
            Ok((plan, basis(None), Diagnostics::default()))
        }
    }
}

/// An instance as it is now, and its plan, which is the one that was shown.
struct Confirmed {
    /// The file as it is now; `None` where it does not decide what is done.
    project: Option<Project>,
    gathered: Gathered,
    plan: Plan,
}

/// Looks at an instance once more. `None` if it is to be destroyed and has no state any more.
///
/// # Errors
///
/// With exit code 5 and everything that has changed since the plan was shown.
async fn confirm(
    fleet: &Fleet<'_>,
    deed: Deed,
    task: &Task<'_>,
    provider: &Arc<dyn Provider>,
) -> Result<Option<Confirmed>, CommandError> {
    let member = task.member;
    let then = stale::Proposal { plan: &task.plan, basis: &task.basis };
    if deed == Deed::Apply {
        // A file that cannot be read any more is a changed one.
        let project = fleet.again(member).map_err(|error| error.with_exit(Exit::Stale))?;
        let now = Proposal::make(project, &read_only(provider), false).await?;
        now.must_confirm(then, Some(&member.project.config.source.text))?;
        let Proposal { project, gathered, plan, .. } = now;
        return Ok(Some(Confirmed { project: Some(project), gathered, plan }));
    }
    let Some(gathered) = gather(deed, member, &read_only(provider)).await? else { return Ok(None) };
    let (plan, basis, _) = self::plan(deed, member, &gathered)?;
    let now = stale::Proposal { plan: &plan, basis: &basis };
    proposal::destroy_must_hold(then, now, &gathered.state, member.types())?;
    Ok(Some(Confirmed { project: None, gathered, plan }))
}

/// Does what was shown of one instance.
async fn carry_out(
    fleet: &Fleet<'_>,
    deed: Deed,
    task: &Task<'_>,
    provider: Arc<dyn Provider>,
    stop: watch::Receiver<Stop>,
    (at_once, wait): (usize, Duration),
) -> Result<Line, CommandError> {
    let (ui, member) = (fleet.ui, task.member);
    let name = member.name().to_owned();
    let line = |exit, role, word, note: String| Line { name: name.clone(), exit, role, word, note };
    let Some(Confirmed { project, mut gathered, plan }) = confirm(fleet, deed, task, &provider).await? else {
        return Ok(line(Exit::Done, Role::Quiet, "nothing to do", String::new()));
    };
    let project = project.as_ref().unwrap_or(&member.project);
    give_lineage(&mut gathered)?;
    go_beyond(&mut gathered, task.newer.as_ref());
    let (lookups, previous) = (gathered.lookups.clone(), gathered.state.settings.clone());
    let world = project.world(&lookups, &previous);
    let graph = match deed {
        Deed::Apply => Some(resolve(&world, &project.specs)?),
        Deed::Destroy => None,
    };
    if plan.is_empty() {
        keep_what_was_folded(&project.paths, &mut gathered)?;
        return Ok(line(Exit::Done, Role::Quiet, "nothing to do", String::new()));
    }
    let progress = Told { ui, name: &name };
    let lapse = provider.time_lapse();
    let (when, started) = (jiff::Timestamp::now(), Instant::now());
    let run = Run {
        provider: Arc::clone(&provider),
        types: member.types(),
        plan: &plan,
        desired: graph.as_ref().map(|graph| (&world, graph)),
        ledger: session::begin(&project.paths, &mut gathered, None)?,
        state: gathered.state.clone(),
        settings: if graph.is_some() { world.settings() } else { Value::Null },
        progress: &progress,
        stop,
        at_once,
        wait,
    };
    let outcome = apply::run(run).await;
    let episode = Episode { command: deed.word(), when, elapsed: started.elapsed(), lapse, plan: &plan, digest: None };
    episode.remember(ui, &outcome, &project.paths);
    register(ui, &*provider, &plan, &outcome, when).await;
    let report = outcome.report();
    say_unsaved(ui, report, &project.paths);
    let note = counted(report);
    ui.say(&format!("{name}: {note}"));
    Ok(match &outcome {
        Outcome::Completed(_) => line(Exit::Done, Role::Good, "done", note),
        Outcome::Halted(report) if report.done.is_empty() => line(Exit::Failure, Role::Error, "failed", note),
        Outcome::Halted(_) => line(Exit::Partial, Role::Error, "in part", note),
        Outcome::Waiting(report) => {
            let waiting: Vec<String> =
                report.waiting.iter().map(|(address, advice)| format!("{address}: {}", printable(advice))).collect();
            line(Exit::Partial, Role::Warning, "waits for you", format!("{note}; {}", waiting.join("; ")))
        }
        Outcome::Interrupted(_) => line(Exit::Interrupted, Role::Warning, "stopped", note),
    })
}

/// What is seen of an instance among others: what takes long and what goes wrong; with `-v` everything.
struct Told<'a> {
    ui: &'a Ui,
    name: &'a str,
}

impl Progress for Told<'_> {
    fn event(&self, event: &Event) {
        let Some(text) = plain(event) else { return };
        let text = format!("{}: {text}", self.name);
        match event {
            Event::Failed { .. } => self.ui.error(&text),
            Event::Started { expected, .. } if expected.as_secs() >= 60 => self.ui.say(&text),
            Event::Waits { .. } | Event::Skipped { .. } | Event::Retrying { .. } | Event::Stopping { .. } => {
                self.ui.say(&text)
            }
            Event::Started { .. } | Event::Status { .. } | Event::Created { .. } | Event::Finished { .. } => {
                self.ui.detail(&text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_go_first_and_alone() {
        let names = ["alpha", "beta", "gamma", "delta", "epsilon"];
        let number = Canary::parse("1").expect("a number");
        assert_eq!(waves(&names, Some(&number), 2), [vec![0], vec![1, 2], vec![3, 4]]);
        let named = Canary::parse("*ta").expect("a pattern");
        assert_eq!(waves(&names, Some(&named), 10), [vec![1, 3], vec![0, 2, 4]]);
        assert_eq!(waves(&names, None, 3), [vec![0, 1, 2], vec![3, 4]]);
        assert!(Canary::parse("[").is_err());
    }
}
