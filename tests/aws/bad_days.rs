//! After a bad day, one more run leaves the account as if the day had been good: tags or not, every rule, revision and
//! attribute that the emulator keeps.
//!
//! `MASTOFORM_BAD_DAYS` says how many days of each kind there are; one each unless it does.

use std::collections::BTreeSet;
use std::env;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::Duration;

use super::kill::{Numbers, reads, tag_as_aws_would};
use super::whole::{program, ready, said};
use crate::support::emulator::Emulator;
use crate::support::moto;
use crate::support::proxy::{Mishap, Mood, Proxy};
use crate::support::say;

/// What a first apply meets.
#[derive(Clone, Copy, Debug)]
enum Day {
    /// The program is killed at some call.
    Kill,
    /// Of twenty calls one has its effect, and its answer is lost.
    LostAnswers,
    /// Of ten calls one is refused, fails or loses its answer.
    Mixed,
}

/// About as many calls by which a first apply changes something.
const CHANGES: u64 = 90;

impl Day {
    fn mood(self, mut numbers: Numbers, changes: Arc<AtomicUsize>) -> Mood {
        Box::new(move |action: &str| {
            changes.fetch_add(usize::from(!reads(action)), Ordering::Relaxed);
            match (self, numbers.below(40)) {
                // An answer that says who is asking is lost to nobody.
                _ if action == "GetCallerIdentity" => None,
                (Self::LostAnswers, 0 | 1) | (Self::Mixed, 0) => Some(Mishap::LoseAnswer),
                (Self::Mixed, 1) => Some(Mishap::Refuse("Throttling")),
                (Self::Mixed, 2) => Some(Mishap::Refuse("InternalFailure")),
                (Self::Mixed, 3) => Some(Mishap::Refuse("ServiceUnavailable")),
                _ => None,
            }
        })
    }
}

/// Everything in an account, tags or not, as sorted lines: how often, where, and what. See `inventory.py`.
fn inventory(emulator: &Emulator) -> Vec<String> {
    let path = format!("/moto-api/inventory/{}", emulator.account());
    let answer = moto::server().http(&format!("GET {path}"), "", "").expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer with a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// What an account looks like after an undisturbed apply.
fn undisturbed() -> Vec<String> {
    let emulator = moto::start();
    let folder = ready(&emulator);
    let output = program(&emulator, folder.path(), &["apply", "--yes"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    inventory(&emulator)
}

/// The same, for all tests that compare with it.
fn expected() -> &'static [String] {
    static EXPECTED: OnceLock<Vec<String>> = OnceLock::new();
    EXPECTED.get_or_init(undisturbed)
}

/// What is there once and not the other time.
fn difference(expected: &[String], found: &[String]) -> Vec<String> {
    let (expected, found): (BTreeSet<&String>, BTreeSet<&String>) = (expected.iter().collect(), found.iter().collect());
    let missing = expected.difference(&found).map(|line| format!("missing: {line}"));
    missing.chain(found.difference(&expected).map(|line| format!("extra: {line}"))).collect()
}

/// One day and the run after it; what differs then.
async fn ends(day: Day, number: u64, expected: &[String]) -> Vec<String> {
    let emulator = moto::start();
    let folder = ready(&emulator);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15 ^ (number << 8) ^ day as u64);
    let last = 1 + usize::try_from(numbers.below(CHANGES)).expect("small");
    let changes = Arc::new(AtomicUsize::new(0));
    let mood = day.mood(numbers, Arc::clone(&changes));
    let proxy = Proxy::moody(emulator.host(), Duration::ZERO, mood);
    let log = folder.path().join("stderr.txt");
    let mut command = program(&emulator.at(proxy.endpoint()), folder.path(), &["apply", "--yes"]);
    command.stdout(Stdio::null()).stderr(fs_err::File::create(&log).expect("a file").into_parts().0);
    let mut running = command.spawn().expect("it starts");
    while running.try_wait().expect("a child").is_none() {
        if matches!(day, Day::Kill) && changes.load(Ordering::Relaxed) >= last {
            running.kill().expect("killed");
        }
        sleep(Duration::from_millis(1));
    }
    let status = running.wait().expect("a child");
    tag_as_aws_would(&emulator, folder.path()).await;
    say(&format!("{day:?} {number}: {status}"));
    for words in [&["apply", "--yes"][..], &["plan", "--detailed-exitcode"]] {
        let output = program(&emulator, folder.path(), words).output().expect("it runs");
        let first = fs_err::read_to_string(&log).expect("text");
        assert_eq!(output.status.code(), Some(0), "{day:?} {number}: {words:?}: {}\nbefore: {first}", said(&output));
    }
    difference(expected, &inventory(&emulator))
}

#[expect(clippy::disallowed_methods, reason = "it is a test that is asked for more")]
async fn all_end_well(day: Day) {
    let days = env::var("MASTOFORM_BAD_DAYS").map_or(1, |days| days.parse().expect("a number"));
    let expected = expected();
    assert!(expected.len() > 500, "the emulator tells little: {expected:#?}");
    let mut well = 0;
    for number in 1..=days {
        let left = ends(day, number, expected).await;
        assert_eq!(left, Vec::<String>::new(), "{day:?} {number}");
        well += 1;
    }
    say(&format!("{day:?}: {well} of {days} days end well"));
}

#[test]
fn two_undisturbed_applies_look_the_same() {
    assert_eq!(difference(expected(), &undisturbed()), Vec::<String>::new());
}

#[tokio::test]
async fn a_kill_leaves_no_trace() {
    all_end_well(Day::Kill).await;
}

#[tokio::test]
async fn lost_answers_leave_no_trace() {
    all_end_well(Day::LostAnswers).await;
}

#[tokio::test]
async fn mixed_faults_leave_no_trace() {
    all_end_well(Day::Mixed).await;
}
