//! `mastoform apply`: prints the plan, asks, does it, tells the outputs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::error::{self, CommandError, Exit};
use super::events::{self, Stream};
use super::files::{Project, Written};
use super::git::Git;
use super::progress::Live;
use super::proposal;
use super::requests::Requests;
use super::{
    ApplyArguments, Ui, cloud, output,
    plan::{say_newer, say_notes},
};
use crate::address::Address;
use crate::apply::{Failure, Outcome, Progress, Report, Stop};
use crate::diagnostic::Diagnostic;
use crate::inert::printable;
use crate::ops::{Audience, Credits, Deed, Offer, Operation, Pace, Ran, Settings, Source};
use crate::plan::order::Steps;
use crate::plan::{Plan, stale};
use crate::provider::{Provider, Reader, read_only};
use crate::render;
use crate::render::duration::exact;
use crate::spec::Types;
use crate::state::{Paths, history};

/// How long a person is waited for unless the user says otherwise.
pub(super) const WAIT: Duration = Duration::from_secs(15 * 60);

pub fn run(ui: &Ui, options: &Settings, arguments: &ApplyArguments) -> Result<Exit, CommandError> {
    let saved = arguments.plan.as_deref().map(proposal::read).transpose()?;
    if let Some(saved) = &saved {
        let place = options.cloud.word();
        if saved.cloud != place {
            let hint = if options.cloud.is_simulated() { "leave --sandbox away" } else { "add --sandbox" };
            return Err(CommandError::failure(format!("this plan is for {}, not for {place}", saved.cloud)).hint(hint));
        }
    }
    // With a saved plan, a file that is wrong now was changed since.
    let loaded = Project::load(ui, options);
    let project = if saved.is_some() { loaded.map_err(|error| error.with_exit(Exit::Stale))? } else { loaded? };
    let paths = project.paths.clone();
    let deed = Deed::Apply { adopts_own: arguments.adopt_own };
    let begun = Operation::begin(deed, &paths, &project.specs, Written(options))?;
    cloud::runtime()?.block_on(async {
        let region = project.config.region.clone();
        let provider = cloud::connect(ui, options, &project.nature, &paths, &region).await?;
        let reader = read_only(&provider);
        let Some((operation, mut offer)) = offered(begun, Some(project), &reader).await? else {
            return Ok(Exit::Done);
        };
        say_notes(ui, &offer.gathered);
        if let Some(newer) = &offer.newer {
            say_newer(ui, &offer.gathered.state, newer);
        }
        ui.diagnostics(&offer.warnings);
        if let Some(saved) = &saved {
            offer.must_confirm(stale::Proposal { plan: &saved.plan, basis: &saved.basis }, None)?;
            offer.plan = saved.plan.clone();
        }
        let types = Arc::clone(&offer.specs.types);
        if arguments.json {
            events::write(ui, "plan", json!({"plan": render::plan_json(&offer.plan, &types)}))?;
        } else {
            ui.data(render::plan(&offer.plan, &types, &ui.render_options()).trim_end())?;
        }
        if !offer.plan.refusals.is_empty() {
            ended(ui, arguments, "refused")?;
            return Ok(Exit::Refused);
        }
        if offer.plan.is_empty() {
            ended(ui, arguments, "nothing")?;
            operation.keep_what_was_folded(offer)?;
            return Ok(Exit::Done);
        }
        let name = offer.gathered.state.instance.clone();
        let lost = losses(&offer.plan, &types);
        say_lost(ui, &lost);
        confirm_name(&arguments.confirm, &name)?;
        if !lost.is_empty() && arguments.yes && arguments.confirm.is_empty() {
            return Err(CommandError::new(
                Exit::Refused,
                "this plan deletes what people have stored, and --yes does not cover that",
            )
            .hint(format!("look at it once more, and add --confirm {name} if it is what you want")));
        }
        if !arguments.yes {
            let place = options.cloud.place();
            let (question, word) = if lost.is_empty() {
                (format!("\nDo this on {place}? Only `yes` is accepted:"), "yes")
            } else {
                let gone = deletes(&offer.plan);
                (format!("\n{gone} Type the name of the instance to do this on {place}:"), name.as_str())
            };
            let sure = ui.confirm(&question, word).map_err(|error| error.hint("add --yes to go without asking"))?;
            let again = if sure { operation.again(&offer, &reader).await? } else { None };
            let Some(again) = again else {
                ui.say("Nothing was changed.");
                return Ok(Exit::Failure);
            };
            offer = again;
        }
        let audience = Terminal { ui, json: arguments.json };
        let wait = arguments.wait.unwrap_or(WAIT);
        let credits = Credits { who: person(&paths), plan: saved.map(|saved| saved.digest()) };
        let ran = carry_out(operation, offer, &provider, &audience, wait, credits).await?;
        let exit = tell(ui, &ran, &paths, &types);
        let outputs = ran.outputs?;
        if arguments.json {
            let outputs = output::to_json(&outputs);
            events::write(ui, "summary", events::summary(&ran.outcome, ran.elapsed, ran.expected, &outputs))?;
        } else if !outputs.is_empty() {
            ui.say("");
            ui.data(&output::list(&outputs, ui.width()))?;
        }
        Ok(exit)
    })
}

/// An operation that has begun, with its plan; `None` if there is nothing left of the instance.
pub(super) async fn offered<'a>(
    begun: Option<Operation<Written<'a>>>,
    project: Option<Project>,
    reader: &Arc<dyn Reader>,
) -> Result<Option<(Operation<Written<'a>>, Offer)>, CommandError> {
    let Some(operation) = begun else { return Ok(None) };
    let offer = operation.offer(project, reader).await?;
    Ok(offer.map(|offer| (operation, offer)))
}

/// Says what will be gone.
pub(super) fn say_lost(ui: &Ui, lost: &[String]) {
    if !lost.is_empty() {
        ui.warn(&format!("what people have stored here will be gone: {}", lost.join(", ")));
    }
}

/// Refuses a `--confirm` that names another instance.
pub(super) fn confirm_name(given: &[String], name: &str) -> Result<(), CommandError> {
    match given.iter().find(|given| *given != name) {
        Some(given) => Err(CommandError::failure(format!("--confirm says {given:?}, but the instance is {name:?}"))),
        None => Ok(()),
    }
}

/// The last line of a stream in which nothing happened.
fn ended(ui: &Ui, arguments: &ApplyArguments, outcome: &str) -> Result<(), CommandError> {
    if arguments.json { events::write(ui, "summary", json!({"outcome": outcome})) } else { Ok(()) }
}

/// Who looks on at a terminal: people, or a program that reads a stream of JSON.
pub(super) struct Terminal<'ui> {
    pub ui: &'ui Ui,
    pub json: bool,
}

impl Audience for Terminal<'_> {
    fn watch<'a>(&'a self, steps: &'a Steps, lapse: f64) -> Box<dyn Progress + 'a> {
        match self.json {
            true => Box::new(Stream::new(self.ui)),
            false => Box::new(Live::new(self.ui, steps, lapse)),
        }
    }
}

/// Carries a plan out, with signals that stop it, and says what could not be remembered.
pub(super) async fn carry_out<S: Source<Error = CommandError>>(
    operation: Operation<S>,
    offer: Offer,
    provider: &Arc<dyn Provider>,
    audience: &Terminal<'_>,
    wait: Duration,
    credits: Credits,
) -> Result<Ran, CommandError> {
    let (sender, stop) = watch::channel(Stop::No);
    let signals = tokio::spawn(listen(sender));
    let pace = Pace { stop, at_once: cloud::AT_ONCE, wait };
    let ran = operation.carry_out(offer, provider, audience, pace, credits).await;
    signals.abort();
    let ran = ran?;
    for warning in &ran.warnings {
        audience.ui.warn(warning);
    }
    Ok(ran)
}

/// Who is at work, as git knows them where the state is.
pub(super) fn person(paths: &Paths) -> Option<String> {
    let git = Git::around(paths.folder())?;
    history::person(git.setting("user.name"), git.setting("user.email"))
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

/// Says what could not be written, and where it is instead. What should be in the file is long, and the journal has it.
pub(super) fn say_unsaved(ui: &Ui, report: &Report, paths: &Paths) {
    let Some(unsaved) = &report.unsaved else { return };
    ui.error(&format!("what was done could not be recorded: {}", unsaved.because));
    match &unsaved.content {
        Some(content) => {
            let (state, journal) = (paths.state(), paths.journal());
            ui.say(&format!(
                "{} has it, and the next command takes it from there. `-v` prints what should be in {}.",
                journal.display(),
                state.display()
            ));
            ui.detail(content);
        }
        None => ui.say(&format!("In the end {} was written after all.", paths.state().display())),
    }
}

/// The shortest time of a step that is named as the longest.
const WORTH_A_WORD: Duration = Duration::from_secs(60);

/// Says what has failed, with the line that asks for it where that is known.
fn say_failure(ui: &Ui, failure: &Failure) {
    let message = format!("{}: {}", failure.address, failure.message);
    match &failure.location {
        Some(location) => {
            let problem = Diagnostic::error("refused", message).at(location, "what comes of this is refused");
            ui.diagnostics(&problem.into());
        }
        None => ui.error(&message),
    }
}

/// Says how it ended.
pub(super) fn tell(ui: &Ui, ran: &Ran, paths: &Paths, types: &Types) -> Exit {
    let outcome = &ran.outcome;
    let report = outcome.report();
    let time = time(ran);
    say_unsaved(ui, report, paths);
    match outcome {
        Outcome::Completed(report) => {
            ui.say(&format!("\nDone: {}. {time}", counted(report)));
            Exit::Done
        }
        Outcome::Halted(report) => {
            ui.say("");
            for failure in &report.failed {
                say_failure(ui, failure);
            }
            for (skipped, because) in &report.skipped {
                ui.say(&format!("not tried: {skipped}, because {because} failed"));
            }
            let is_lost = report.unsaved.as_ref().is_some_and(|unsaved| unsaved.content.is_some());
            let record = if is_lost { paths.journal() } else { paths.state() };
            ui.say(&format!(
                "\nDone in part: {}. {time} What is done is recorded in {}.",
                counted(report),
                record.display()
            ));
            if report.failed.iter().any(|failure| failure.credentials) {
                ui.hint(&format!("{} and run the command again; it continues from here", error::log_in_again()));
            } else {
                ui.hint("fix the cause and run the command again; it continues from here");
            }
            say_waiting(ui, report, types);
            if report.done.is_empty() { Exit::Failure } else { Exit::Partial }
        }
        Outcome::Waiting(report) => {
            ui.say(&format!("\nDone so far: {}. {time}", counted(report)));
            say_waiting(ui, report, types);
            ui.hint("do this, then run the command again; it continues from here");
            Exit::Partial
        }
        Outcome::Interrupted(report) => {
            ui.say(&format!("\nStopped: {}. {time}", counted(report)));
            let waits = |address: &&Address| report.waiting.iter().any(|(waiting, _)| waiting == *address);
            let going: Vec<String> = report.pending.iter().filter(|one| !waits(one)).map(ToString::to_string).collect();
            if !going.is_empty() {
                ui.say(&format!("Still going on by itself: {}.", going.join(", ")));
            }
            say_waiting(ui, report, types);
            ui.hint("run the command again; it continues from here");
            Exit::Interrupted
        }
    }
}

/// Says what waits for a person, and what to do: a table of what is asked for, and a sentence of everything else.
fn say_waiting(ui: &Ui, report: &Report, types: &Types) {
    let is_waiting = |address: &Address| report.waiting.iter().any(|(waiting, _)| waiting == address);
    for requests in Requests::of(&report.state, types, &is_waiting) {
        ui.tell(&format!("\n{}:\n\n{}", requests.title(), requests.table()));
    }
    let is_asked_for = |address: &Address| types.get(&address.type_name).is_some_and(|found| found.request.is_some());
    let others: Vec<String> = report
        .waiting
        .iter()
        .filter(|(address, _)| !is_asked_for(address))
        .map(|(address, advice)| format!("  {address}: {}", printable(advice)))
        .collect();
    if !others.is_empty() {
        ui.tell(&format!("\nWaiting for you:\n{}", others.join("\n")));
    }
}

/// How long it took, against the estimate.
fn time(ran: &Ran) -> String {
    format!("It took {}; {} were expected.", exact(ran.elapsed), exact(ran.expected))
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
        ("adopt", "adopted"),
        ("find", "found"),
        ("forget", "forgotten"),
        ("run", "run"),
        ("skip", "done already"),
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
        && longest.elapsed >= WORTH_A_WORD
    {
        parts.push(format!("the longest was {} with {}", longest.address, exact(longest.elapsed)));
    }
    parts.join(", ")
}

/// What a plan deletes that holds what people have stored, by address and by AWS's name.
pub(super) fn losses(plan: &Plan, types: &Types) -> Vec<String> {
    plan.losses(types).map(|deletion| format!("{} ({})", deletion.address, deletion.identity)).collect()
}

/// How many objects a plan deletes, in a sentence.
pub(super) fn deletes(plan: &Plan) -> String {
    match plan.deletions().count() {
        1 => "One object is deleted in AWS.".to_owned(),
        number => format!("{number} objects are deleted in AWS."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::tests::report;
    use crate::cli::ui::captured::ui;
    use crate::diagnostic::SourceFile;
    use crate::document;

    /// The journal has it, and a screen full of JSON would hide that.
    #[test]
    fn what_could_not_be_recorded_is_in_the_journal_and_not_on_the_screen() {
        let (ui, out, err) = ui(false, "");
        let unsaved = crate::apply::Unsaved {
            because: "cannot write state/social.json: No space left on device (os error 28)".to_owned(),
            content: Some("{ \"everything\": 1 }".to_owned()),
        };
        let outcome = Outcome::Halted(Report { unsaved: Some(unsaved), ..report() });
        let ran = Ran {
            outcome,
            elapsed: Duration::from_secs(960),
            expected: Duration::from_secs(720),
            outputs: Ok(Vec::new()),
            warnings: Vec::new(),
        };
        tell(&ui, &ran, &Paths::new("state", "social"), &Types::new());
        let said = err.take();
        assert!(said.contains("could not be recorded: cannot write state/social.json: No space left"), "{said}");
        assert!(said.contains("state/social.journal has it, and the next command takes it from there"), "{said}");
        assert!(said.contains("What is done is recorded in state/social.journal."), "{said}");
        assert!(!said.contains("everything") && !out.take().contains("everything"), "{said}");
    }

    #[test]
    fn the_end_tells_what_was_done_how_long_it_took_and_what_failed_why() {
        let (ui, _, err) = ui(false, "");
        let ran = Ran {
            outcome: Outcome::Halted(report()),
            elapsed: Duration::from_secs(960),
            expected: Duration::from_secs(720),
            outputs: Ok(Vec::new()),
            warnings: Vec::new(),
        };
        let exit = tell(&ui, &ran, &Paths::new("state", "social"), &Types::new());
        assert_eq!(exit, Exit::Partial);
        assert_eq!(
            err.take(),
            "\nerror: elb.listener.https: elasticloadbalancing:CreateListener: TooManyListeners: the limit is 50\n\
             not tried: ecs.service.mastodon, because elb.listener.https failed\n\n\
             Done in part: 2 created, 1 updated, 1 replaced, 1 deleted, 1 adopted, 1 failed, 1 not tried, the longest was \
             rds.cluster.third with 15 min. It took 16 min; 12 min were expected. What is done is recorded in \
             state/social.json.\n\n\
             hint: fix the cause and run the command again; it continues from here\n"
        );
    }

    #[test]
    fn a_refusal_points_at_the_line_that_asks_for_it() {
        let (ui, _, err) = ui(false, "");
        let file = SourceFile::new("mastodon.toml", "[database]\nmax_capacity = 300\n");
        let document = document::parse(&file).expect("TOML");
        let location = document.get("database").and_then(|table| table.get("max_capacity")).expect("a setting");
        let mut report = report();
        report.failed[0].location = Some(location.location.clone());
        let time = Duration::from_secs(1);
        let (outputs, warnings) = (Ok(Vec::new()), Vec::new());
        let ran = Ran { outcome: Outcome::Halted(report), elapsed: time, expected: time, outputs, warnings };
        tell(&ui, &ran, &Paths::new("state", "social"), &Types::new());
        let said = err.take();
        assert!(said.contains("error[refused]: elb.listener.https: elasticloadbalancing:CreateListener"), "{said}");
        assert!(said.contains("--> mastodon.toml:2:16") && said.contains("max_capacity = 300"), "{said}");
    }
}
