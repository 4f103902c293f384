//! The history of an instance: one line per apply, in `<name>.history.jsonl`, committed to git beside the state.
//!
//! It is what the state must not hold, for the same content is to be the same bytes: when something was done, by whom,
//! and how long it took. Plans take their estimates from it, so that they become the instance's own.
//!
//! # Guarantees
//!
//! - Lines are only ever added, each in one write, so that two branches merge by keeping both sides.
//! - A line that cannot be read (a merge conflict's mark, a newer version's) is passed over. Nothing but estimates
//!   depends on this file.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Paths;
use crate::address::TypeName;
use crate::file::{self, Access};

/// The version of a line.
pub const FORMAT: u64 = 1;

/// Applies that an estimate is made from at most.
const REMEMBERED: usize = 5;

/// The command that takes everything down.
pub const DESTROY: &str = "destroy";

/// The outcome of a command that did everything.
pub const COMPLETED: &str = "completed";

/// One apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub format: u64,
    /// When it began, in UTC: `2026-03-01T10:00:00Z`.
    pub when: String,
    /// `apply` or [`DESTROY`].
    pub command: String,
    /// The serial of the state it wrote.
    pub serial: u64,
    /// Who did it, as git knows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The digest of the saved plan, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// [`COMPLETED`], `halted` or `interrupted`.
    pub outcome: String,
    /// How many resources were created, updated, ...; `failed` and `skipped` too.
    pub counts: BTreeMap<String, usize>,
    pub seconds: u64,
    pub expected_seconds: u64,
    /// Seconds by type and by verb: the median, where there were several. Not of simulated clouds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub durations: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Entry {
    /// Whether nothing was left after it: everything was destroyed.
    pub fn is_the_end(&self) -> bool {
        self.command == DESTROY && self.outcome == COMPLETED
    }
}

impl Paths {
    /// `<name>.history.jsonl`
    pub fn history(&self) -> PathBuf {
        self.file("history.jsonl")
    }
}

/// The median; of two in the middle the longer one.
pub fn median(mut seconds: Vec<u64>) -> Option<u64> {
    seconds.sort_unstable();
    seconds.get(seconds.len() / 2).copied()
}

/// Adds a line.
///
/// # Errors
///
/// The file cannot be written.
pub fn append(paths: &Paths, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_string(entry)?;
    line.push('\n');
    let mut file = file::open(&paths.history(), Access::Append)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}

/// Every line that can be read, oldest first.
///
/// # Errors
///
/// The file is there and cannot be read.
pub fn read(paths: &Paths) -> io::Result<Vec<Entry>> {
    match file::read(&paths.history(), file::RECORDS) {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> Vec<Entry> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Entry>(line).ok());
    let mut entries: Vec<Entry> = lines.filter(|entry| entry.format <= FORMAT).collect();
    // Two branches that were merged stand one below the other.
    entries.sort_by(|left, right| left.when.cmp(&right.when));
    entries
}

/// Seconds that nothing takes. A line that says so is wrong, or was made to be.
const TOO_LONG: u64 = 30 * 24 * 60 * 60;

/// How long something of a type took here: the median of the last few times.
pub fn usual(entries: &[Entry], type_name: &TypeName, verb: &str) -> Option<Duration> {
    let name = type_name.to_string();
    let seconds = entries
        .iter()
        .rev()
        .filter_map(|entry| entry.durations.get(&name)?.get(verb).copied())
        .filter(|seconds| *seconds <= TOO_LONG);
    median(seconds.take(REMEMBERED).collect()).map(Duration::from_secs)
}

/// Who is at work: `Name <address>`, from what `git config` answers.
pub fn person(name: Option<String>, email: Option<String>) -> Option<String> {
    let clean = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match (clean(name), clean(email)) {
        (Some(name), Some(email)) => Some(format!("{name} <{email}>")),
        (name, email) => name.or(email),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(when: &str, seconds: u64) -> Entry {
        let durations = BTreeMap::from([("create".to_owned(), seconds)]);
        Entry {
            format: FORMAT,
            when: when.to_owned(),
            command: "apply".to_owned(),
            outcome: "completed".to_owned(),
            durations: BTreeMap::from([("rds.cluster".to_owned(), durations)]),
            ..Entry::default()
        }
    }

    #[test]
    fn lines_are_added_and_read_back_in_their_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = Paths::new(folder.path(), "social");
        assert_eq!(read(&paths).expect("nothing yet"), []);
        let (first, second) = (entry("2026-03-01T10:00:00Z", 300), entry("2026-03-02T10:00:00Z", 200));
        append(&paths, &second).expect("added");
        append(&paths, &first).expect("added");
        assert_eq!(read(&paths).expect("read"), [first, second]);
        let text = fs_err::read_to_string(paths.history()).expect("a file");
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn what_git_leaves_behind_and_what_is_newer_is_passed_over() {
        let line = serde_json::to_string(&entry("2026-03-01T10:00:00Z", 300)).expect("JSON");
        let newer = line.replace("\"format\":1", "\"format\":2");
        let text = format!("<<<<<<< HEAD\n{line}\n=======\n{newer}\n>>>>>>> main\n{{\"cut");
        assert_eq!(parse(&text).len(), 1);
    }

    #[test]
    fn the_usual_time_is_the_median_of_the_last_few() {
        let cluster = TypeName::new("rds", "cluster");
        let all: Vec<Entry> = [9000, 100, 300, 200, 5000, 250].map(|seconds| entry("2026", seconds)).to_vec();
        assert_eq!(usual(&all, &cluster, "create"), Some(Duration::from_secs(250)), "9000 is forgotten");
        assert_eq!(usual(&all[..2], &cluster, "create"), Some(Duration::from_secs(9000)), "of two the longer");
        assert_eq!(usual(&all, &cluster, "delete"), None);
        assert_eq!(usual(&all, &TypeName::new("rds", "instance"), "create"), None);
    }

    #[test]
    fn a_time_that_cannot_be_is_ignored() {
        let cluster = TypeName::new("rds", "cluster");
        let all = [entry("2026", 300), entry("2027", u64::MAX), entry("2028", TOO_LONG + 1)];
        assert_eq!(usual(&all, &cluster, "create"), Some(Duration::from_secs(300)));
        assert_eq!(usual(&all[1..], &cluster, "create"), None);
    }

    #[test]
    fn people_are_named_as_far_as_git_knows_them() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(person(some("Eugen\n"), some("e@example.org\n")), some("Eugen <e@example.org>"));
        assert_eq!(person(None, some("e@example.org")), some("e@example.org"));
        assert_eq!(person(some("  "), None), None);
    }
}
