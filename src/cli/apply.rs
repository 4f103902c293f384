//! `mastoform apply`: prints the plan, asks, does it, tells the outputs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;

use super::error::{self, CommandError, Exit};
use super::events::{self, Stream};
use super::files::{self, Project};
use super::git::Git;
use super::progress::Live;
use super::proposal::{self, Proposal};
use super::requests::Requests;
use super::{
    ApplyArguments, GlobalOptions, Ui, cloud, output,
    plan::{newer, say_newer, say_notes},
};
use crate::address::Address;
use crate::apply::{self, Failure, Outcome, Report, Run, Stop};
use crate::diagnostic::Diagnostic;
use crate::inert::printable;
use crate::plan::order::Steps;
use crate::plan::resolve::{Graph, World, resolve};
use crate::plan::{Plan, Purpose, stale};
use crate::provider::{Provider, Registration, read_only};
use crate::render;
use crate::render::duration::exact;
use crate::session::{self, Gathered};
use crate::spec::Types;
use crate::state::{Holder, Lock, Paths, history};
use crate::value::Value;

/// How long a person is waited for unless the user says otherwise.
pub(super) const WAIT: Duration = Duration::from_secs(15 * 60);

pub fn run(ui: &Ui, options: &GlobalOptions, arguments: &ApplyArguments) -> Result<Exit, CommandError> {
    let saved = arguments.plan.as_deref().map(proposal::read).transpose()?;
    if let Some(saved) = &saved {
        let place = proposal::cloud_word(options);
        if saved.cloud != place {
            let hint = if options.sandbox { "leave --sandbox away" } else { "add --sandbox" };
            return Err(CommandError::failure(format!("this plan is for {}, not for {place}", saved.cloud)).hint(hint));
        }
    }
    // With a saved plan, a file that is wrong now was changed since.
    let loaded = Project::load(ui, options);
    let project = if saved.is_some() { loaded.map_err(|error| error.with_exit(Exit::Stale))? } else { loaded? };
    project.paths.make_folder()?;
    let paths = project.paths.clone();
    let _lock = Lock::acquire(&paths.lock(), &holder("mastoform apply"))?;
    files::refuse_handed_over(&paths)?;
    cloud::runtime()?.block_on(async {
        let region = project.config.region.clone();
        let provider = cloud::connect(ui, options, &project.nature, &paths, &region).await?;
        let mut proposal = Proposal::make(project, &read_only(&provider), arguments.adopt_own).await?;
        say_notes(ui, &proposal.gathered);
        let newer = newer(&*read_only(&provider), &proposal.gathered, &proposal.plan).await;
        if let Some(newer) = &newer {
            say_newer(ui, &proposal.gathered.state, newer);
        }
        ui.diagnostics(&proposal.warnings);
        let plan = match &saved {
            Some(saved) => {
                let then = stale::Proposal { plan: &saved.plan, basis: &saved.basis };
                proposal.must_confirm(then, None)?;
                saved.plan.clone()
            }
            None => proposal.plan.clone(),
        };
        if arguments.json {
            events::write(ui, "plan", json!({"plan": render::plan_json(&plan, &proposal.project.specs.types)}))?;
        } else {
            ui.data(render::plan(&plan, &proposal.project.specs.types, &ui.render_options()).trim_end())?;
        }
        if !plan.refusals.is_empty() {
            ended(ui, arguments, "refused")?;
            return Ok(Exit::Refused);
        }
        if plan.is_empty() {
            ended(ui, arguments, "nothing")?;
            keep_what_was_folded(&paths, &mut proposal.gathered)?;
            return Ok(Exit::Done);
        }
        let name = proposal.project.config.name.clone();
        let lost = losses(&plan, &proposal.project.specs.types);
        say_lost(ui, &lost);
        confirm_name(arguments.confirm.as_deref(), &name)?;
        if !lost.is_empty() && arguments.yes && arguments.confirm.is_none() {
            return Err(CommandError::new(
                Exit::Refused,
                "this plan deletes what people have stored, and --yes does not cover that",
            )
            .hint(format!("look at it once more, and add --confirm {name} if it is what you want")));
        }
        if !arguments.yes {
            let (question, word) = if lost.is_empty() {
                (format!("\nDo this on {}? Only `yes` is accepted:", cloud::place(options)), "yes")
            } else {
                let gone = deletes(&plan);
                (
                    format!("\n{gone} Type the name of the instance to do this on {}:", cloud::place(options)),
                    name.as_str(),
                )
            };
            let sure = ui.confirm(&question, word).map_err(|error| error.hint("add --yes to go without asking"))?;
            if !sure {
                ui.say("Nothing was changed.");
                return Ok(Exit::Failure);
            }
            // Whoever answers may have taken an hour over it.
            let now = Proposal::again(options, &read_only(&provider), arguments.adopt_own).await?;
            now.must_confirm(proposal.parts(), Some(&proposal.project.config.source.text))?;
            proposal = now;
        }
        let Proposal { project, mut gathered, .. } = proposal;
        give_lineage(&mut gathered)?;
        go_beyond(&mut gathered, newer.as_ref());
        let (lookups, previous) = (gathered.lookups.clone(), gathered.state.settings.clone());
        let world = project.world(&lookups, &previous);
        let graph = resolve(&world, &project.specs)?;
        let types = &project.specs.types;
        let work = Work {
            command: "apply",
            provider,
            types,
            plan: &plan,
            digest: saved.map(|saved| saved.digest()),
            desired: Some((&world, &graph)),
            paths: &paths,
            json: arguments.json,
            wait: arguments.wait.unwrap_or(WAIT),
        };
        let ran = carry_out(ui, work, &mut gathered).await?;
        let exit = tell(ui, &ran, &paths, types);
        let outputs = match exit {
            Exit::Done => session::outputs(&world, &graph, &ran.outcome.report().state)?,
            _ => Vec::new(),
        };
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

/// Says what will be gone.
pub(super) fn say_lost(ui: &Ui, lost: &[String]) {
    if !lost.is_empty() {
        ui.warn(&format!("what people have stored here will be gone: {}", lost.join(", ")));
    }
}

/// Refuses a `--confirm` that names another instance.
pub(super) fn confirm_name(given: Option<&str>, name: &str) -> Result<(), CommandError> {
    match given {
        Some(given) if given != name => {
            Err(CommandError::failure(format!("--confirm says {given:?}, but the instance is {name:?}")))
        }
        _ => Ok(()),
    }
}

/// The last line of a stream in which nothing happened.
fn ended(ui: &Ui, arguments: &ApplyArguments, outcome: &str) -> Result<(), CommandError> {
    if arguments.json { events::write(ui, "summary", json!({"outcome": outcome})) } else { Ok(()) }
}

/// A state that is about to be written for the first time gets a name of its own.
pub(super) fn give_lineage(gathered: &mut Gathered) -> Result<(), CommandError> {
    if gathered.on_disk.is_none() && gathered.state.lineage.is_empty() {
        gathered.state.lineage = new_lineage()?;
    }
    Ok(())
}

/// Goes on from the newest serial, so that whoever has the newer state is told in turn.
pub(super) fn go_beyond(gathered: &mut Gathered, newer: Option<&Registration>) {
    if let Some(newer) = newer {
        gathered.state.serial = gathered.state.serial.max(newer.serial);
    }
}

/// Without anything to do, what an interrupted run left in the journal still belongs in the state.
pub(super) fn keep_what_was_folded(paths: &Paths, gathered: &mut Gathered) -> Result<(), CommandError> {
    if gathered.is_folded {
        give_lineage(gathered)?;
        let ledger = session::begin(paths, gathered, None)?;
        ledger.close(&gathered.state)?;
    }
    Ok(())
}

/// A plan to be carried out, and everything that takes.
pub(super) struct Work<'a> {
    /// As it is typed, for the history.
    pub command: &'static str,
    pub provider: Arc<dyn Provider>,
    pub types: &'a Types,
    pub plan: &'a Plan,
    /// The digest of the file the plan was kept in.
    pub digest: Option<String>,
    pub desired: Option<(&'a World<'a>, &'a Graph<'a>)>,
    pub paths: &'a Paths,
    /// Tell it as a stream of JSON instead.
    pub json: bool,
    /// How long to wait for a person when nothing else is left to do.
    pub wait: Duration,
}

/// What came of a plan, how long it took, and how long it should have taken.
pub(super) struct Ran {
    pub outcome: Outcome,
    pub elapsed: Duration,
    pub expected: Duration,
}

/// Applies a plan with progress and signals, and adds a line to the history.
pub(super) async fn carry_out(ui: &Ui, work: Work<'_>, gathered: &mut Gathered) -> Result<Ran, CommandError> {
    let ledger = session::begin(work.paths, gathered, None)?;
    let steps = Steps::of(work.plan, &gathered.state, work.types).unwrap_or_default();
    let lapse = work.provider.time_lapse();
    let (sender, stop) = watch::channel(Stop::No);
    let signals = tokio::spawn(listen(sender));
    let live = Live::new(ui, &steps, lapse);
    let stream = Stream::new(ui);
    let (when, started) = (jiff::Timestamp::now(), Instant::now());
    let run = Run {
        provider: Arc::clone(&work.provider),
        types: work.types,
        plan: work.plan,
        desired: work.desired,
        state: gathered.state.clone(),
        settings: work.desired.map_or(Value::Null, |(world, _)| world.settings()),
        ledger,
        progress: if work.json { &stream } else { &live },
        stop,
        at_once: cloud::AT_ONCE,
        wait: work.wait,
    };
    let outcome = apply::run(run).await;
    drop(live);
    signals.abort();
    let elapsed = started.elapsed();
    let episode = Episode { command: work.command, when, elapsed, lapse, plan: work.plan, digest: work.digest };
    episode.remember(ui, &outcome, work.paths);
    register(ui, &*work.provider, work.plan, &outcome, when).await;
    let expected = Duration::from_secs(work.plan.expected_seconds).div_f64(lapse);
    Ok(Ran { outcome, elapsed, expected })
}

/// Leaves a note in the cloud of what was applied, for whoever has no state: or takes it back when nothing is left.
pub(super) async fn register(ui: &Ui, provider: &dyn Provider, plan: &Plan, outcome: &Outcome, when: jiff::Timestamp) {
    let state = &outcome.report().state;
    let registration = Registration {
        instance: state.instance.clone(),
        title: plan.title.clone(),
        region: state.region.clone(),
        lineage: state.lineage.clone(),
        serial: state.serial,
        applied: when.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    };
    let noted = match plan.purpose {
        _ if outcome.report().failed.iter().any(|failure| failure.credentials) => return,
        Purpose::Apply if !state.rows.is_empty() => provider.register(&registration).await,
        Purpose::Destroy if state.rows.is_empty() => provider.unregister(&registration).await,
        Purpose::Apply | Purpose::Destroy => return,
    };
    if let Err(error) = noted {
        ui.warn(&format!("the note about this instance in AWS could not be written: {error}"));
    }
}

/// What the history is told of a plan that was carried out.
pub(super) struct Episode<'a> {
    pub command: &'static str,
    pub when: jiff::Timestamp,
    pub elapsed: Duration,
    /// How much faster than the clock the cloud lives.
    pub lapse: f64,
    pub plan: &'a Plan,
    /// The digest of the file the plan was kept in.
    pub digest: Option<String>,
}

impl Episode<'_> {
    /// Adds a line to the history of the instance.
    pub fn remember(self, ui: &Ui, outcome: &Outcome, paths: &Paths) {
        let report = outcome.report();
        let entry = history::Entry {
            format: history::FORMAT,
            when: self.when.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            command: self.command.to_owned(),
            serial: report.state.serial,
            who: person(paths),
            plan: self.digest,
            outcome: events::word(outcome).to_owned(),
            counts: counts(report),
            seconds: self.elapsed.as_secs(),
            expected_seconds: Duration::from_secs(self.plan.expected_seconds).div_f64(self.lapse).as_secs(),
            durations: if self.lapse == 1.0 { durations(report) } else { BTreeMap::new() },
        };
        if let Err(error) = history::append(paths, &entry) {
            ui.warn(&format!("the history could not be written: {error}"));
        }
    }
}

/// Who is at work, as git knows them where the state is.
fn person(paths: &Paths) -> Option<String> {
    let git = Git::around(paths.folder())?;
    history::person(git.setting("user.name"), git.setting("user.email"))
}

/// How many steps of each kind were done, and what became of the others.
fn counts(report: &Report) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for done in &report.done {
        *counts.entry(done.verb.to_owned()).or_default() += 1;
    }
    for (word, number) in [("failed", report.failed.len()), ("skipped", report.skipped.len())] {
        if number > 0 {
            counts.insert(word.to_owned(), number);
        }
    }
    counts
}

/// How long each type took, by what was done with it. What took no time was no call.
fn durations(report: &Report) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut all: BTreeMap<(String, &str), Vec<u64>> = BTreeMap::new();
    for done in report.done.iter().filter(|done| done.elapsed >= Duration::from_millis(50)) {
        let verb = match done.verb {
            "create" | "replace" => "create",
            verb @ ("update" | "delete") => verb,
            _ => continue,
        };
        let seconds = (done.elapsed.as_secs_f64().round() as u64).max(1);
        all.entry((done.address.type_name.to_string(), verb)).or_default().push(seconds);
    }
    let mut durations: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for ((name, verb), seconds) in all {
        if let Some(seconds) = history::median(seconds) {
            durations.entry(name).or_default().insert(verb.to_owned(), seconds);
        }
    }
    durations
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

/// Says what could not be written, and what should be in the file.
pub(super) fn say_unsaved(ui: &Ui, report: &Report, paths: &Paths) {
    let Some(unsaved) = &report.unsaved else { return };
    ui.error(&format!("what was done could not be recorded: {}", unsaved.because));
    match &unsaved.content {
        Some(content) => {
            ui.say(&format!("This should be in {}:", paths.state().display()));
            ui.tell(content);
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
            ui.say(&format!(
                "\nDone in part: {}. {time} What is done is recorded in {}.",
                counted(report),
                paths.state().display()
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

/// Who holds the lock.
pub(super) fn holder(command: &str) -> Holder {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Holder {
        pid: std::process::id(),
        host: if host.is_empty() { "this machine".to_owned() } else { host },
        command: command.to_owned(),
        started: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// A random name for a new state: two states with the same instance name are still told apart.
pub(super) fn new_lineage() -> Result<String, CommandError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| CommandError::failure(format!("no randomness: {error}")))?;
    Ok(base16ct::lower::encode_string(&bytes))
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
    use crate::apply::Done;
    use crate::cli::ui::captured::ui;
    use crate::diagnostic::SourceFile;
    use crate::document;
    use crate::state::State;

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    fn report() -> Report {
        let done = |name: &str, verb: &'static str, seconds: u64| Done {
            address: address(name),
            verb,
            elapsed: Duration::from_secs(seconds),
        };
        Report {
            state: State::new("l", "social", "eu-central-1"),
            done: vec![
                done("rds.cluster.database", "create", 250),
                done("rds.cluster.other", "replace", 200),
                done("rds.cluster.third", "create", 900),
                done("rds.cluster.old", "delete", 60),
                done("ecs.service.web", "adopt", 60),
                Done { elapsed: Duration::from_millis(2), ..done("rds.cluster.protected", "update", 0) },
            ],
            failed: vec![Failure {
                address: address("elb.listener.https"),
                message: "elasticloadbalancing:CreateListener: TooManyListeners: the limit is 50".to_owned(),
                credentials: false,
                location: None,
            }],
            skipped: vec![(address("ecs.service.mastodon"), address("elb.listener.https"))],
            pending: Vec::new(),
            waiting: Vec::new(),
            not_started: Vec::new(),
            unsaved: None,
        }
    }

    #[test]
    fn the_end_tells_what_was_done_how_long_it_took_and_what_failed_why() {
        let (ui, _, err) = ui(false, "");
        let ran = Ran {
            outcome: Outcome::Halted(report()),
            elapsed: Duration::from_secs(960),
            expected: Duration::from_secs(720),
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
        let ran = Ran { outcome: Outcome::Halted(report), elapsed: time, expected: time };
        tell(&ui, &ran, &Paths::new("state", "social"), &Types::new());
        let said = err.take();
        assert!(said.contains("error[refused]: elb.listener.https: elasticloadbalancing:CreateListener"), "{said}");
        assert!(said.contains("--> mastodon.toml:2:16") && said.contains("max_capacity = 300"), "{said}");
    }

    #[test]
    fn only_what_took_its_whole_time_is_remembered() {
        let durations = durations(&report());
        let cluster = BTreeMap::from([("create".to_owned(), 250), ("delete".to_owned(), 60)]);
        assert_eq!(durations, BTreeMap::from([("rds.cluster".to_owned(), cluster)]));
        assert_eq!(counts(&report())["failed"], 1);
    }
}
