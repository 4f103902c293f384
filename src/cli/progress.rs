//! What is seen of a running apply.
//!
//! [`Board`] is what is in flight and how it is shown: no clock, no terminal. [`Live`] feeds it and draws it: in a
//! terminal a line per resource in flight with what waits for it, redrawn in place, and a line that stays for everything
//! that came to its end; elsewhere a plain line per event, with how far it has come.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ui::Ui;
use crate::address::{Address, Identity};
use crate::apply::forecast::Forecast;
use crate::apply::{Event, Progress};
use crate::inert::printable;
use crate::plan::order::Steps;
use crate::render::duration::{about, exact};
use crate::render::layout::{cut, pad, width};
use crate::render::style::{Role, Signs, paint};

/// The least time between two drawings.
const PAUSE: Duration = Duration::from_millis(100);
/// Lines in flight that are shown at most.
const SHOWN: usize = 16;
/// Lines in flight below which it is shown what waits for each.
const TREE: usize = 6;
/// Columns the longest word for something going on takes.
const DOING: usize = 10;

/// Forms of a verb: what is going on, what was done.
fn forms(verb: &'static str) -> (&'static str, &'static str) {
    match verb {
        "create" => ("creating", "created"),
        "update" => ("updating", "updated"),
        "replace" => ("replacing", "replaced"),
        "delete" => ("deleting", "deleted"),
        "adopt" => ("waiting for", "adopted"),
        "find" => ("looking at", "found"),
        "forget" => ("forgetting", "forgotten"),
        "run" => ("running", "run"),
        "skip" => ("recording", "done already"),
        other => (other, other),
    }
}

fn role(verb: &str) -> Role {
    match verb {
        "create" => Role::Create,
        "update" => Role::Update,
        "replace" => Role::Replace,
        "delete" => Role::Delete,
        "adopt" | "find" => Role::Adopt,
        "run" => Role::Run,
        _ => Role::Forget,
    }
}

/// A step in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
struct InFlight {
    address: Address,
    verb: &'static str,
    expected: Duration,
    /// When it started, since the apply did.
    since: Duration,
    status: Option<String>,
}

/// What is in flight, in the order it was started, what waits, and how many steps came to their end.
pub struct Board<'steps> {
    flying: Vec<InFlight>,
    forecast: Forecast<'steps>,
    done: usize,
    failed: usize,
    skipped: usize,
    stopping: bool,
}

impl<'steps> Board<'steps> {
    /// A board on which nothing has happened yet. `lapse`: how much faster than the estimates the cloud lives.
    pub fn new(steps: &'steps Steps, lapse: f64) -> Self {
        let forecast = Forecast::new(steps, lapse);
        Self { flying: Vec::new(), forecast, done: 0, failed: 0, skipped: 0, stopping: false }
    }

    /// Takes an event into account; `now` is the time since the apply started. Returns what stays of it on a terminal.
    pub fn take(&mut self, event: &Event, now: Duration, signs: &Signs) -> Option<String> {
        self.forecast.take(event, now);
        match event {
            Event::Started { address, verb, expected, .. } => {
                self.flying.retain(|flying| flying.address != *address);
                self.flying.push(InFlight {
                    address: address.clone(),
                    verb,
                    expected: *expected,
                    since: now,
                    status: None,
                });
                None
            }
            Event::Status { address, status } => {
                self.set_status(address, status);
                None
            }
            Event::Waits { address, advice } => {
                self.set_status(address, &format!("waits for you: {advice}"));
                Some(format!("  {} {address} waits for you: {advice}", paint(Role::Warning, signs.adopt)))
            }
            Event::Printed { address, line } => Some(format!("    {}", paint(Role::Quiet, &printed(address, line)))),
            Event::Created { address } => {
                self.set_status(address, "accepted");
                None
            }
            Event::Retrying { address, reason, after } => {
                self.set_status(address, &format!("again in {}: {reason}", exact(*after)));
                None
            }
            Event::Finished { address, verb, object, elapsed } => {
                self.land(address);
                self.done += 1;
                let time = if elapsed.as_secs() >= 1 { format!(" in {}", exact(*elapsed)) } else { String::new() };
                let done = paint(role(verb), forms(verb).1);
                Some(format!("  {} {done} {address}{}{time}", paint(Role::Good, signs.good), called(object.as_ref())))
            }
            Event::Failed { address, message } => {
                self.land(address);
                self.failed += 1;
                Some(format!("  {} {address}: {message}", paint(Role::Error, signs.bad)))
            }
            Event::Skipped { address, because } => {
                self.skipped += 1;
                let because = paint(Role::Quiet, &format!("skipped, because {because} failed"));
                Some(format!("  {} {address} {because}", paint(Role::Quiet, signs.delete)))
            }
            Event::Stopping { now } => {
                self.stopping = true;
                Some(stopping(*now).to_owned())
            }
        }
    }

    /// The lines to redraw: one per step in flight, and the numbers.
    pub fn lines(&self, now: Duration, columns: usize, signs: &Signs) -> Vec<String> {
        if self.flying.is_empty() && self.done + self.failed + self.skipped >= self.forecast.total() {
            return Vec::new();
        }
        let address_columns =
            self.flying.iter().map(|flying| width(&flying.address.to_string())).max().unwrap_or(0).min(columns / 2);
        let mut lines = Vec::new();
        for flying in self.flying.iter().take(SHOWN) {
            let elapsed = now.saturating_sub(flying.since);
            let mut time = exact(elapsed);
            if flying.expected.as_secs() >= 60 {
                time = format!("{time} of {}", about(flying.expected.as_secs()));
            }
            let address = pad(&cut(&flying.address.to_string(), address_columns, signs.ellipsis), address_columns);
            let doing = forms(flying.verb).0;
            let used = 4 + width(&address) + 2 + width(doing).max(DOING) + 2 + width(&time) + 2;
            let status =
                cut(flying.status.as_deref().unwrap_or_default(), columns.saturating_sub(used), signs.ellipsis);
            let line = format!(
                "    {address}  {}{}  {time}  {}",
                paint(role(flying.verb), doing),
                " ".repeat(DOING.saturating_sub(width(doing))),
                paint(Role::Quiet, &status)
            );
            lines.push(line.trim_end().to_owned());
            lines.extend(self.waiting(&flying.address, columns, signs));
        }
        if self.flying.len() > SHOWN {
            lines.push(paint(Role::Quiet, &format!("    and {} more", self.flying.len() - SHOWN)));
        }
        lines.push(format!("  {}", self.numbers(now)));
        lines
    }

    /// What waits for a step in flight, while there is room for it.
    fn waiting(&self, address: &Address, columns: usize, signs: &Signs) -> Option<String> {
        if self.flying.len() > TREE {
            return None;
        }
        let waiting = self.forecast.waiting_for(address);
        let (first, others) = waiting.split_first()?;
        let others = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let text = format!("then {first}{others}");
        Some(format!("      {}", paint(Role::Quiet, &cut(&text, columns.saturating_sub(6), signs.ellipsis))))
    }

    fn numbers(&self, now: Duration) -> String {
        let mut text = format!("{} of {} done", self.done, self.forecast.total());
        if !self.flying.is_empty() {
            text.push_str(&format!(", {} running", self.flying.len()));
        }
        if self.forecast.waiting() > 0 {
            text.push_str(&format!(", {} waiting", self.forecast.waiting()));
        }
        if self.failed > 0 {
            text.push_str(&format!(", {} failed", self.failed));
        }
        if self.skipped > 0 {
            text.push_str(&format!(", {} skipped", self.skipped));
        }
        text.push_str(&format!(", {}", exact(now)));
        if self.stopping {
            text.push_str(", stopping");
        } else if !self.flying.is_empty() {
            text.push_str(&left(self.forecast.remaining(now)));
        }
        text
    }

    /// How far it has come, in short.
    fn come(&self, now: Duration) -> String {
        let left = if self.flying.is_empty() { String::new() } else { left(self.forecast.remaining(now)) };
        format!("{} of {} done{left}", self.done, self.forecast.total())
    }

    fn set_status(&mut self, address: &Address, status: &str) {
        if let Some(flying) = self.flying.iter_mut().find(|flying| flying.address == *address) {
            flying.status = Some(status.to_owned());
        }
    }

    fn land(&mut self, address: &Address) {
        self.flying.retain(|flying| flying.address != *address);
    }
}

/// The time that remains, in words: nobody knows it to the second.
fn left(remaining: Duration) -> String {
    match remaining.as_secs() {
        0 => ", longer than expected".to_owned(),
        seconds @ 1..60 => format!(", about {} s left", seconds.div_ceil(10) * 10),
        seconds => format!(", {} left", about(seconds)),
    }
}

fn stopping(now: bool) -> &'static str {
    if now {
        "Stopping now. AWS goes on with what it has begun; the next run resumes."
    } else {
        "Stopping: nothing new is started, what runs comes to its end. Ctrl-C again leaves at once."
    }
}

/// A line of a program.
fn printed(address: &Address, line: &str) -> String {
    format!("{address}: {}", printable(line.trim_end()))
}

/// `: social-database`, of what is deleted.
fn called(object: Option<&Identity>) -> String {
    object.map(|object| format!(": {object}")).unwrap_or_default()
}

/// An event as a line of its own, for logs.
pub fn plain(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started { address, verb, object, expected } => {
            let time = match expected.as_secs() {
                seconds @ 60.. => format!(" ({})", about(seconds)),
                _ => String::new(),
            };
            format!("{} {address}{}{time} ...", forms(verb).0, called(object.as_ref()))
        }
        Event::Status { address, status } => format!("{address} is {status}"),
        Event::Waits { address, advice } => format!("{address} waits for you: {advice}"),
        Event::Printed { address, line } => printed(address, line),
        Event::Created { .. } => return None,
        Event::Finished { address, verb, object, elapsed } => {
            format!("{} {address}{} in {}", forms(verb).1, called(object.as_ref()), exact(*elapsed))
        }
        Event::Retrying { address, reason, after } => {
            format!("{address}: {reason}; again in {}", exact(*after))
        }
        Event::Failed { address, message } => format!("failed {address}: {message}"),
        Event::Skipped { address, because } => format!("skipped {address}, because {because} failed"),
        Event::Stopping { now } => stopping(*now).to_owned(),
    })
}

/// Shows an apply on the terminal while it runs. Takes its lines away when dropped.
pub struct Live<'ui> {
    ui: &'ui Ui,
    started: Instant,
    inner: Mutex<Inner<'ui>>,
}

struct Inner<'steps> {
    board: Board<'steps>,
    drawn: Option<Instant>,
    retries: Retries,
}

/// Why something is asked for again, as it was told last: the same words are told once.
#[derive(Default)]
struct Retries(BTreeMap<Address, String>);

impl Retries {
    /// Whether an event says what was said of the same resource before.
    fn repeats(&mut self, event: &Event) -> bool {
        match event {
            Event::Retrying { address, reason, .. } => {
                self.0.insert(address.clone(), reason.clone()).is_some_and(|told| told == *reason)
            }
            _ => false,
        }
    }
}

impl<'ui> Live<'ui> {
    /// For an apply of these steps that starts now, on a cloud that lives `lapse` times faster than its estimates.
    pub fn new(ui: &'ui Ui, steps: &'ui Steps, lapse: f64) -> Self {
        let inner = Inner { board: Board::new(steps, lapse), drawn: None, retries: Retries::default() };
        Self { ui, started: Instant::now(), inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<'ui>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self, inner: &mut Inner<'_>, line: Option<&str>) {
        inner.drawn = Some(Instant::now());
        self.ui.live(line, inner.board.lines(self.started.elapsed(), self.ui.width(), self.ui.signs()));
    }
}

impl Progress for Live<'_> {
    fn event(&self, event: &Event) {
        let mut inner = self.inner();
        if !self.ui.is_live() {
            let now = self.started.elapsed();
            let _ = inner.board.take(event, now, self.ui.signs());
            let repeats = inner.retries.repeats(event);
            if let Some(line) = plain(event).filter(|_| !repeats) {
                let is_end = matches!(event, Event::Finished { .. } | Event::Failed { .. });
                let come = if is_end { format!(" ({})", inner.board.come(now)) } else { String::new() };
                self.ui.say(&format!("{line}{come}"));
            }
            return;
        }
        let line = inner.board.take(event, self.started.elapsed(), self.ui.signs());
        if line.is_some() || inner.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE) {
            self.draw(&mut inner, line.as_deref());
        }
    }

    fn listens(&self) -> bool {
        self.ui.is_verbose()
    }

    fn interval(&self) -> Option<Duration> {
        self.ui.is_live().then_some(PAUSE)
    }

    fn tick(&self) {
        if !self.ui.is_live() {
            return;
        }
        let mut inner = self.inner();
        if inner.drawn.is_none_or(|drawn| drawn.elapsed() >= PAUSE) {
            self.draw(&mut inner, None);
        }
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        if self.ui.is_live() {
            self.ui.live(None, Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;
    use crate::apply::forecast::tests::creations;
    use crate::cli::ui::captured::ui;
    use crate::render::style::UNICODE;
    use crate::spec::types::Milestone;

    fn address(text: &str) -> Address {
        text.parse().expect("an address")
    }

    /// Three steps: two of them at once, and one after the database.
    fn steps() -> Steps {
        let types = crate::spec::Specs::read(&[]).expect("valid specs").types;
        let after: &[(&str, Milestone)] = &[("rds.cluster.database", Milestone::Ready)];
        creations(
            &types,
            &[("rds.cluster.database", &[]), ("ec2.security_group.tasks", &[]), ("ecs.service.web", after)],
        )
    }

    fn events() -> Vec<Event> {
        let (database, group) = (address("rds.cluster.database"), address("ec2.security_group.tasks"));
        let seconds = Duration::from_secs;
        vec![
            Event::Started { address: database.clone(), verb: "create", object: None, expected: seconds(240) },
            Event::Started { address: group.clone(), verb: "create", object: None, expected: seconds(2) },
            Event::Created { address: group.clone() },
            Event::Finished { address: group, verb: "create", object: None, elapsed: seconds(3) },
            Event::Status { address: database.clone(), status: "creating".into() },
            Event::Failed { address: database.clone(), message: "rds:CreateDBCluster: no".into() },
            Event::Skipped { address: address("ecs.service.web"), because: database },
        ]
    }

    #[test]
    fn the_board_shows_what_is_in_flight() {
        let steps = steps();
        let mut board = Board::new(&steps, 1.0);
        let mut stays = Vec::new();
        for event in &events()[..5] {
            stays.extend(board.take(event, Duration::from_secs(10), &UNICODE));
        }
        let strip = |lines: Vec<String>| lines.iter().map(|line| strip_str(line).to_string()).collect::<Vec<_>>();
        assert_eq!(strip(stays), ["  ✓ created ec2.security_group.tasks in 3 s"]);
        assert_eq!(
            strip(board.lines(Duration::from_secs(85), 80, &UNICODE)),
            [
                "    rds.cluster.database  creating    1 min 15 s of about 4 min  creating",
                "      then ecs.service.web",
                "  1 of 3 done, 1 running, 1 waiting, 1 min 25 s, about 7 min left"
            ]
        );
        for event in &events()[5..] {
            board.take(event, Duration::from_secs(90), &UNICODE);
        }
        assert_eq!(board.lines(Duration::from_secs(90), 80, &UNICODE), Vec::<String>::new());
    }

    #[test]
    fn without_a_terminal_every_event_is_a_line() {
        let (ui, _, err) = ui(false, "");
        let steps = steps();
        let live = Live::new(&ui, &steps, 1.0);
        events().iter().for_each(|event| live.event(event));
        live.tick();
        drop(live);
        assert_eq!(
            err.take(),
            "creating rds.cluster.database (about 4 min) ...\n\
             creating ec2.security_group.tasks ...\n\
             created ec2.security_group.tasks in 3 s (1 of 3 done, about 8 min left)\n\
             rds.cluster.database is creating\n\
             failed rds.cluster.database: rds:CreateDBCluster: no (1 of 3 done)\n\
             skipped ecs.service.web, because rds.cluster.database failed\n"
        );
    }

    #[test]
    fn in_a_terminal_lines_are_taken_away_at_the_end() {
        let (ui, _, err) = ui(true, "");
        let steps = steps();
        let live = Live::new(&ui, &steps, 1.0);
        live.event(&events()[0]);
        drop(live);
        let written = err.take();
        assert!(written.contains("rds.cluster.database  creating    0 s of about 4 min"), "{written:?}");
        assert!(written.ends_with("\x1b[3A\r\x1b[J"), "{written:?}");
    }

    #[test]
    fn the_same_reason_to_ask_again_is_told_once() {
        let mut retries = Retries::default();
        let retrying = |name: &str, reason: &str| Event::Retrying {
            address: name.parse().expect("an address"),
            reason: reason.to_owned(),
            after: Duration::from_secs(1),
        };
        let first = retrying("a.b.c", "in use");
        assert_eq!([retries.repeats(&first), retries.repeats(&first), retries.repeats(&first)], [false, true, true]);
        assert!(!retries.repeats(&retrying("a.b.d", "in use")), "another resource");
        assert!(!retries.repeats(&retrying("a.b.c", "too many calls")), "another reason");
        assert!(!retries.repeats(&first), "and the first one again");
    }
}
