//! `mastoform apply` and `mastoform destroy` over a fleet: a canary first, then wave after wave.
//!
//! Every instance is locked, planned and shown, and the question is asked once. Then each wave runs its instances side by
//! side; the next begins only when all of the last are done. Each instance is planned again before anything of it is
//! changed. If its plan has become another than the one that was shown, the run says what has changed, leaves the
//! instance alone and stops.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use glob::Pattern;
use tokio::sync::watch;

use super::table::{self, Planned};
use super::{Clouds, DESTROYED_AT_ONCE, Fleet, Member, PLANNED_AT_ONCE, Waiting, worst};
use crate::apply::{Event, Outcome, Progress, Stop};
use crate::cli::apply::{WAIT, counted, listen, losses, person, say_unsaved};
use crate::cli::files::Project;
use crate::cli::plan::{say_newer, say_notes};
use crate::cli::progress::plain;
use crate::cli::{ApplyArguments, CommandError, DestroyArguments, Exit, Ui, cloud};
use crate::inert::printable;
use crate::ops::{Audience, Credits, Deed, Offer, Operation, Pace, Source};
use crate::plan::order::Steps;
use crate::provider::{Provider, Reader, read_only};
use crate::render;
use crate::render::style::Role;

/// The apply of a fleet, which takes over nothing.
const APPLY: Deed = Deed::Apply { adopts_own: false };

/// An instance with something to do, and what was shown of it.
struct Task<'a> {
    member: &'a Member,
    operation: Operation<Again<'a>>,
    offer: Offer,
}

impl Task<'_> {
    /// Whether only what an interrupted run left in the journal goes into the state file.
    fn is_quiet(&self) -> bool {
        self.offer.plan.is_empty()
    }
}

/// The file of a member, read anew: one that cannot be read any more is a changed one.
struct Again<'a> {
    fleet: &'a Fleet<'a>,
    member: &'a Member,
}

impl Source for Again<'_> {
    type Error = CommandError;

    fn read(&self) -> Result<Project, CommandError> {
        self.fleet.again(self.member).map_err(|error| error.with_exit(Exit::Stale))
    }
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
    let pace = Course { canary: canary.as_ref(), size: usize::from(arguments.wave), wait };
    let confirmed = named(&arguments.confirm);
    run(fleet, APPLY, pace, &confirmed, &|_| {
        if arguments.yes {
            return Ok(true);
        }
        let question = format!("\nDo this on {}? Only `yes` is accepted:", fleet.options.cloud.place());
        fleet.ui.confirm(&question, "yes").map_err(|error| error.hint("add --yes to go without asking"))
    })
}

pub fn destroy(fleet: &Fleet<'_>, arguments: &DestroyArguments) -> Result<Exit, CommandError> {
    let pace = Course { canary: None, size: DESTROYED_AT_ONCE, wait: Duration::ZERO };
    let confirmed = named(&arguments.confirm);
    run(fleet, Deed::Destroy, pace, &confirmed, &|names| {
        let expected: BTreeSet<&str> = names.iter().copied().collect();
        if confirmed == expected {
            return Ok(true);
        }
        let options = || names.iter().map(|name| format!("--confirm {name}")).collect::<Vec<_>>().join(" ");
        if !confirmed.is_empty() {
            let said = confirmed.iter().copied().collect::<Vec<_>>().join(", ");
            let message = format!("--confirm says {said}, but the instances are {}", names.join(", "));
            return Err(CommandError::failure(message).hint(options()));
        }
        let (names, place) = (names.join(" "), fleet.options.cloud.place());
        let question = format!("\nType the names ({names}) to destroy these instances on {place}:");
        let answer = fleet.ui.confirm(&question, &names);
        answer.map_err(|error| error.hint(format!("add {} to go without asking", options())))
    })
}

/// The names that `--confirm` says: one or several in each.
fn named(confirm: &[String]) -> BTreeSet<&str> {
    confirm.iter().flat_map(|names| names.split_whitespace()).collect()
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
struct Course<'a> {
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
    pace: Course<'_>,
    confirmed: &BTreeSet<&str>,
    confirm: &dyn Fn(&[&str]) -> Result<bool, CommandError>,
) -> Result<Exit, CommandError> {
    let Course { canary, size, wait } = pace;
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
        let tasks = match show(fleet, deed, &members, confirmed, &mut clouds).await? {
            Shown::Tasks(tasks) => tasks,
            Shown::End(exit) => return Ok(exit),
        };
        let names: Vec<&str> = tasks.iter().map(|task| task.member.name()).collect();
        if !tasks.iter().all(Task::is_quiet) && !confirm(&names)? {
            ui.say("Nothing was changed.");
            return Ok(Exit::Failure);
        }
        let waves = waves(&names, canary, size);
        if canary.is_some_and(|canary| !names.iter().enumerate().any(|(index, name)| canary.is(index, name))) {
            ui.warn("the canary has nothing to do, so it proves nothing");
        }
        let mut tasks: Vec<Option<Task<'_>>> = tasks.into_iter().map(Some).collect();
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
                let Some(task) = tasks[*index].take() else { continue };
                let provider = clouds.of(ui, task.member).await?;
                let pace = Pace { stop: stop.clone(), at_once, wait };
                waiting.push(Box::pin(async move {
                    let name = task.member.name();
                    let done = carry_out(fleet, task, &provider, pace).await;
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
            (Exit::Done, Deed::Apply { .. }) => {
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
    fleet: &'a Fleet<'a>,
    deed: Deed,
    members: &'a [Member],
    confirmed: &BTreeSet<&str>,
    clouds: &mut Clouds,
) -> Result<Shown<'a>, CommandError> {
    let ui = fleet.ui;
    let mut tasks = Vec::new();
    let mut rows = Vec::new();
    let (mut refused, mut failed) = (false, 0);
    for some in members.chunks(PLANNED_AT_ONCE) {
        let mut waiting: Vec<Waiting<'_, Result<Option<Task<'a>>, CommandError>>> = Vec::new();
        for member in some {
            let reader = clouds.for_reading(ui, member).await;
            waiting.push(Box::pin(async move { look(fleet, deed, member, &reader?).await }));
        }
        for (member, looked) in some.iter().zip(join_all(waiting).await) {
            let name = member.name().to_owned();
            fleet.warn(member);
            let task = match looked {
                // Nothing was ever made of it.
                Ok(None) => continue,
                Ok(Some(task)) => task,
                Err(error) => {
                    fleet.complain(&name, &error);
                    rows.push((name, Planned::Failed));
                    failed += 1;
                    continue;
                }
            };
            let Offer { gathered, plan, warnings, newer, .. } = &task.offer;
            say_notes(ui, gathered);
            ui.diagnostics(warnings);
            if let Some(newer) = newer {
                say_newer(ui, &gathered.state, newer);
            }
            refused |= !plan.refusals.is_empty();
            if !plan.is_empty() {
                ui.data(render::plan(plan, member.types(), &ui.render_options()).trim_end())?;
                ui.data("")?;
            }
            let lost = losses(plan, member.types());
            if !lost.is_empty() {
                ui.warn(&format!("{name}: what people have stored here will be gone: {}", lost.join(", ")));
            }
            if deed == APPLY && !lost.is_empty() && !confirmed.contains(name.as_str()) {
                ui.error(&format!("{name}: what people have stored goes only with the name of the instance"));
                ui.hint(&format!("look at it once more, and add --confirm {name} if it is what you want"));
                refused = true;
            }
            rows.push((name, Planned::of(plan)));
            if !plan.is_empty() || member.project.paths.journal().exists() {
                tasks.push(task);
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

/// Locks an instance, learns everything about it and plans it; nothing if it is to be destroyed and was never made.
async fn look<'a>(
    fleet: &'a Fleet<'a>,
    deed: Deed,
    member: &'a Member,
    reader: &Arc<dyn Reader>,
) -> Result<Option<Task<'a>>, CommandError> {
    let project = &member.project;
    let begun = Operation::begin(deed, &project.paths, &project.specs, Again { fleet, member })?;
    let Some(operation) = begun else { return Ok(None) };
    let offer = operation.offer(Some(project.clone()), reader).await?;
    Ok(offer.map(|offer| Task { member, operation, offer }))
}

/// Does what was shown of one instance, if that still holds.
async fn carry_out(
    fleet: &Fleet<'_>,
    task: Task<'_>,
    provider: &Arc<dyn Provider>,
    pace: Pace,
) -> Result<Line, CommandError> {
    let Task { member, operation, offer } = task;
    let (ui, paths) = (fleet.ui, &member.project.paths);
    let name = member.name().to_owned();
    let line = |exit, role, word, note: String| Line { name: name.clone(), exit, role, word, note };
    let Some(offer) = operation.again(&offer, &read_only(provider)).await? else {
        return Ok(line(Exit::Done, Role::Quiet, "nothing to do", String::new()));
    };
    if offer.plan.is_empty() {
        operation.keep_what_was_folded(offer)?;
        return Ok(line(Exit::Done, Role::Quiet, "nothing to do", String::new()));
    }
    let credits = Credits { who: person(paths), plan: None };
    let ran = operation.carry_out(offer, provider, &Among { ui, name: &name }, pace, credits).await?;
    for warning in &ran.warnings {
        ui.warn(warning);
    }
    let outcome = &ran.outcome;
    let report = outcome.report();
    say_unsaved(ui, report, paths);
    let note = counted(report);
    ui.say(&format!("{name}: {note}"));
    Ok(match outcome {
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

/// Who looks on at one instance among others.
struct Among<'a> {
    ui: &'a Ui,
    name: &'a str,
}

impl Audience for Among<'_> {
    fn watch<'a>(&'a self, _: &'a Steps, _: f64) -> Box<dyn Progress + 'a> {
        Box::new(Told { ui: self.ui, name: self.name })
    }
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
            Event::Started { .. }
            | Event::Status { .. }
            | Event::Printed { .. }
            | Event::Created { .. }
            | Event::Finished { .. } => {
                self.ui.detail(&text);
            }
        }
    }

    fn listens(&self) -> bool {
        self.ui.is_verbose()
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
