//! The journal: what was begun, and what came of it, since the state file was last written.
//!
//! Owns `<name>.journal`: [`Record`]s in JSON lines, with sequence numbers and checksums. The first says which state it
//! goes on from. Before every call that changes the cloud an intent is recorded, after its answer a `did`, later `ready`,
//! `failed` or `gone`; before every write of the state file a `checkpoint` with the digest of what is about to be
//! written. So the state file itself tells how much of the journal it holds: everything up to the checkpoint with its
//! digest. A state file that no checkpoint knows is another one's, and is refused.
//!
//! A flush to the disk takes longer than everything else here, so what happens together is flushed together: records
//! gather in memory until [`Journal::flush`], which writes them as one line.
//!
//! # Guarantees
//!
//! - When [`Journal::flush`] returns, every record that was appended is on the disk. After a failed flush the journal
//!   takes no more.
//! - A line is there as a whole or not at all, and only the last one can be torn, since every line is flushed before the
//!   next. It is dropped and reported; it was never promised to anybody. Any other damaged, missing or repeated line is
//!   an error that names it.
//! - [`Progress::next`] says for every record whether it may follow; [`Journal::append`] refuses what may not, so a
//!   journal it wrote always folds.
//! - [`fold`] loses nothing: what the state file does not hold is in its result, also when the file was taken back to an
//!   earlier one of the same run.
//!
//! # Assumptions
//!
//! - Whoever appends holds the lock, makes no call before its intent is flushed, and lets nothing depend on an answer
//!   before its `did` is.
//! - The text of a failure holds no secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::address::{Address, Identity};
use crate::alphabet;
use crate::diagnostic::Diagnostic;
use crate::file::{self, Access, sync_folder};
use crate::state::sha256;
use crate::value::{Tree, Value};

/// What a call does to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    Create,
    Update,
    Delete,
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        })
    }
}

/// A call about to be made, with all that is needed to find out later whether it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    pub action: Verb,
    #[serde(deserialize_with = "alphabet::region")]
    pub region: String,
    /// The client token: the same for every attempt.
    #[serde(deserialize_with = "alphabet::token")]
    pub token: String,
    /// The object to update or delete; none for a creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The inputs as the state keeps them: enough to find the object by its name.
    pub natural: Value,
    pub protect: bool,
    pub depends_on: BTreeSet<Address>,
    /// What is deleted makes room for another object at the same address: the row stays.
    #[serde(default, skip_serializing_if = "is_false")]
    pub makes_room: bool,
    /// A creation takes the place of an object that does not exist any more. Without it, the object that is recorded
    /// becomes a leftover; journals of earlier versions never say it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub old_is_gone: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A command begins to change what this state describes. Always the first record.
    Begin {
        #[serde(deserialize_with = "alphabet::token")]
        lineage: String,
        /// The serial of the states this command writes.
        #[serde(deserialize_with = "alphabet::serial")]
        serial: u64,
        /// The digest of the state file that was there before; none if there was no file.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "alphabet::some_token")]
        base: Option<String>,
    },
    /// A call is about to be made.
    Intent {
        address: Address,
        #[serde(flatten)]
        intent: Intent,
    },
    /// The cloud has accepted the call. May come again with more facts.
    Did { address: Address, identity: Identity, facts: Value },
    /// What was created or updated is ready. With all facts that are known by now.
    Ready { address: Address, facts: Value },
    /// The call was refused, or what it began went wrong.
    Failed { address: Address, error: String },
    /// The object does not exist: deleted, or never made.
    Gone { address: Address },
    /// A state file with this digest holds everything up to here. Whether it was written, the file itself tells.
    Checkpoint {
        #[serde(deserialize_with = "alphabet::serial")]
        serial: u64,
        #[serde(deserialize_with = "alphabet::token")]
        digest: String,
    },
}

impl Record {
    /// The resource it is about; none for a beginning and a checkpoint.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Intent { address, .. }
            | Self::Did { address, .. }
            | Self::Ready { address, .. }
            | Self::Failed { address, .. }
            | Self::Gone { address } => Some(address),
            Self::Begin { .. } | Self::Checkpoint { .. } => None,
        }
    }

    /// As the journal spells its kind.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::Intent { .. } => "intent",
            Self::Did { .. } => "did",
            Self::Ready { .. } => "ready",
            Self::Failed { .. } => "failed",
            Self::Gone { .. } => "gone",
            Self::Checkpoint { .. } => "checkpoint",
        }
    }
}

/// A record with its number, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub seq: u64,
    pub record: Record,
}

/// What is flushed at once, with the number of its first record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    seq: u64,
    records: Vec<Record>,
}

/// What the answer to a call told.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    pub identity: Identity,
    pub facts: Value,
}

/// How far one operation on one address has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Progress {
    /// Nothing was begun.
    #[default]
    Idle,
    /// The call may or may not have been made.
    Intended {
        intent: Intent,
    },
    /// The cloud has accepted the call.
    Done {
        intent: Intent,
        made: Made,
    },
    Ready {
        intent: Intent,
        made: Made,
    },
    /// Refused, or went wrong; with `made`, something exists.
    Failed {
        intent: Intent,
        made: Option<Made>,
        error: String,
    },
    /// The intent's object does not exist (any more); with `made`, the call had been accepted.
    Gone {
        intent: Intent,
        made: Option<Made>,
    },
}

/// A record that cannot follow what came before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {progress}, so `{record}` cannot follow")]
pub struct IllegalTransition {
    pub address: String,
    pub progress: String,
    pub record: &'static str,
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => formatter.write_str("idle"),
            Self::Intended { intent } => write!(formatter, "intended ({})", intent.action),
            Self::Done { intent, made } => write!(formatter, "done ({} {})", intent.action, made.identity),
            Self::Ready { intent, .. } => write!(formatter, "ready ({})", intent.action),
            Self::Failed { intent, .. } => write!(formatter, "failed ({})", intent.action),
            Self::Gone { intent, .. } => write!(formatter, "gone ({})", intent.action),
        }
    }
}

impl Progress {
    /// The progress after `record`, for every pair of the two.
    ///
    /// # Errors
    ///
    /// The record cannot follow: no answer without an intent, no second intent before the first is settled, no second
    /// object for one intent, nothing after the end, and what is being deleted never becomes ready.
    pub fn next(self, record: &Record) -> Result<Self, IllegalTransition> {
        match (self, record) {
            (same, Record::Begin { .. } | Record::Checkpoint { .. }) => Ok(same),
            (
                Self::Idle | Self::Ready { .. } | Self::Failed { .. } | Self::Gone { .. },
                Record::Intent { intent, .. },
            ) => Ok(Self::Intended { intent: intent.clone() }),
            (Self::Intended { intent }, Record::Did { identity, facts, .. }) => {
                Ok(Self::Done { intent, made: Made { identity: identity.clone(), facts: facts.clone() } })
            }
            (Self::Done { intent, made }, Record::Did { identity, facts, .. }) if made.identity == *identity => {
                Ok(Self::Done { intent, made: made.with(facts) })
            }
            (Self::Done { intent, made }, Record::Ready { facts, .. }) if intent.action != Verb::Delete => {
                Ok(Self::Ready { intent, made: made.with(facts) })
            }
            (Self::Intended { intent }, Record::Failed { error, .. }) => {
                Ok(Self::Failed { intent, made: None, error: error.clone() })
            }
            (Self::Done { intent, made }, Record::Failed { error, .. }) => {
                Ok(Self::Failed { intent, made: Some(made), error: error.clone() })
            }
            (Self::Intended { intent }, Record::Gone { .. }) => Ok(Self::Gone { intent, made: None }),
            (Self::Done { intent, made }, Record::Gone { .. }) => Ok(Self::Gone { intent, made: Some(made) }),
            (from @ Self::Intended { .. }, Record::Intent { .. } | Record::Ready { .. })
            | (from @ Self::Done { .. }, Record::Intent { .. } | Record::Did { .. } | Record::Ready { .. })
            | (
                from @ (Self::Idle | Self::Ready { .. } | Self::Failed { .. } | Self::Gone { .. }),
                Record::Did { .. } | Record::Ready { .. } | Record::Failed { .. } | Record::Gone { .. },
            ) => Err(IllegalTransition {
                address: record.address().map(Address::to_string).unwrap_or_default(),
                progress: from.to_string(),
                record: record.word(),
            }),
        }
    }

    /// The intent it began with.
    pub fn intent(&self) -> Option<&Intent> {
        match self {
            Self::Idle => None,
            Self::Intended { intent }
            | Self::Done { intent, .. }
            | Self::Ready { intent, .. }
            | Self::Failed { intent, .. }
            | Self::Gone { intent, .. } => Some(intent),
        }
    }

    /// Whether the operation is still under way.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Intended { .. } | Self::Done { .. } => true,
            Self::Idle | Self::Ready { .. } | Self::Failed { .. } | Self::Gone { .. } => false,
        }
    }
}

impl Made {
    /// With newer facts laid over the older ones, by attribute.
    fn with(mut self, newer: &Value) -> Self {
        // Facts are a map, or nothing.
        if let Tree::Map(entries) = newer {
            entries.iter().for_each(|(name, fact)| self.facts.set(&[name], fact.clone()));
        }
        self
    }
}

/// How many of a journal's entries the state file with this digest holds; `None` for a state without a file. Without
/// entries nothing has to fit.
///
/// # Errors
///
/// The state is not one that the journal goes on from, nor one that it has written.
pub fn held(entries: &[Entry], lineage: &str, serial: u64, digest: Option<&str>) -> Result<usize, OtherState> {
    let Some(first) = entries.first() else { return Ok(0) };
    let Record::Begin { lineage: own, serial: next, base } = &first.record else {
        return Err(OtherState("it does not say which state it goes on from".to_owned()));
    };
    let Some(digest) = digest else {
        return match base {
            None => Ok(1),
            Some(_) => Err(OtherState(format!("it goes on to serial {next}, and there is no state file"))),
        };
    };
    if own != lineage {
        return Err(OtherState(format!("it is of the instance with the lineage {own}, and the state is of {lineage}")));
    }
    let written = |entry: &Entry| matches!(&entry.record, Record::Checkpoint { digest: known, .. } if known == digest);
    match entries.iter().rposition(written) {
        Some(index) => Ok(index + 1),
        None if base.as_deref() == Some(digest) => Ok(1),
        None => {
            Err(OtherState(format!("it goes on to serial {next} from another state than this one of serial {serial}")))
        }
    }
}

/// A journal and a state file that do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OtherState(pub String);

/// What a state does not know that holds the first `held` entries: by address, the operations that got a record after
/// them, oldest first, and those among them whose call was never answered. No list is empty, and only the last
/// operation of a list can be open.
///
/// # Errors
///
/// The entries do not follow from each other.
pub fn fold(entries: &[Entry], held: usize) -> Result<BTreeMap<Address, Vec<Progress>>, IllegalTransition> {
    struct Operation {
        progress: Progress,
        news: bool,
    }
    let mut by_address: BTreeMap<&Address, Vec<Operation>> = BTreeMap::new();
    for (index, Entry { record, .. }) in entries.iter().enumerate() {
        let Some(address) = record.address() else { continue };
        let news = index >= held;
        let operations = by_address.entry(address).or_default();
        let progress = match record {
            Record::Intent { .. } => operations.last().map(|last| last.progress.clone()),
            _ => operations.pop().map(|last| last.progress),
        };
        let progress = progress.unwrap_or_default().next(record)?;
        if !news {
            operations.clear();
        }
        // A state file answers no question: what was only intended may or may not exist.
        let news = news || matches!(progress, Progress::Intended { .. });
        operations.push(Operation { progress, news });
    }
    let news = |operations: Vec<Operation>| -> Vec<Progress> {
        operations.into_iter().filter(|operation| operation.news).map(|operation| operation.progress).collect()
    };
    Ok(by_address
        .into_iter()
        .map(|(address, operations)| (address.clone(), news(operations)))
        .filter(|(_, operations)| !operations.is_empty())
        .collect())
}

/// Why a journal was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{}:{line}: the journal is damaged: {problem}", path.display())]
    Damaged { path: PathBuf, line: usize, problem: String },
    #[error("{}:{line}: the record is whole, but this version of mastoform does not know it", path.display())]
    Foreign { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("{}:{line}: {illegal}", path.display())]
    Illegal { path: PathBuf, line: usize, illegal: IllegalTransition },
    #[error("{} takes no more records, because an earlier one could not be written", path.display())]
    Closed { path: PathBuf },
    #[error("the journal {} does not fit the state file: {problem}", path.display())]
    OtherState { path: PathBuf, problem: OtherState },
}

impl JournalError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Closed { .. } => {
                "the folder must be writable and have room; nothing that was recorded is lost, and the next run continues"
            }
            Self::Foreign { .. } => "use the version of mastoform that was interrupted",
            Self::OtherState { .. } => {
                "bring back the state file that the interrupted run left (`mastoform state restore`), or move the journal \
                 away to go on without it; what it alone knew is then found by its name and its ownership tags. Without any \
                 state, `apply --adopt-own` then goes on with what lives"
            }
            Self::Damaged { .. } | Self::Illegal { .. } => {
                "move the journal away to go on without it; what it alone knew is then found by its name and its ownership tags"
            }
        }
    }
}

impl From<&JournalError> for Diagnostic {
    fn from(error: &JournalError) -> Self {
        Diagnostic::error("state-journal", error.to_string()).hint(error.hint())
    }
}

/// What a journal held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub entries: Vec<Entry>,
    /// The end of the file that was dropped.
    pub torn: Option<Torn>,
    /// How many lines of the file are whole, and their bytes.
    lines: usize,
    whole: usize,
    /// Where they leave every address.
    progress: BTreeMap<Address, Progress>,
}

/// A last line that was not written completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    pub line: usize,
    pub bytes: usize,
}

impl Reading {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, JournalError> {
        let mut reading = Self::default();
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let number = index + 1;
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            let Some(json) = verified(content) else {
                if reading.whole + line.len() == bytes.len() {
                    reading.torn = Some(Torn { line: number, bytes: line.len() });
                    break;
                }
                let problem = "the line does not match its checksum".to_owned();
                return Err(JournalError::Damaged { path: path.to_owned(), line: number, problem });
            };
            let Line { seq, records } = serde_json::from_str(&json).map_err(|source| JournalError::Foreign {
                path: path.to_owned(),
                line: number,
                source,
            })?;
            let expected = reading.next();
            if seq != expected {
                let problem = format!("record {seq} stands where record {expected} should");
                return Err(JournalError::Damaged { path: path.to_owned(), line: number, problem });
            }
            for (seq, record) in (seq..).zip(records) {
                read_on(&mut reading.progress, &record).map_err(|illegal| JournalError::Illegal {
                    path: path.to_owned(),
                    line: number,
                    illegal,
                })?;
                reading.entries.push(Entry { seq, record });
            }
            reading.lines = number;
            reading.whole += line.len();
        }
        Ok(reading)
    }

    /// The number of the next record.
    fn next(&self) -> u64 {
        self.entries.last().map_or(1, |entry| entry.seq + 1)
    }
}

/// As [`follow`], where an error is the end: the progress of an address is moved on, not copied, for there may be very
/// many records behind one of any size.
fn read_on(progress: &mut BTreeMap<Address, Progress>, record: &Record) -> Result<(), IllegalTransition> {
    if let Some(address) = record.address() {
        let next = progress.remove(address).unwrap_or_default().next(record)?;
        progress.insert(address.clone(), next);
    }
    Ok(())
}

/// Lets one record follow in the progress of all addresses.
fn follow(progress: &mut BTreeMap<Address, Progress>, record: &Record) -> Result<(), IllegalTransition> {
    if let Some(address) = record.address() {
        let next = progress.get(address).cloned().unwrap_or_default().next(record)?;
        progress.insert(address.clone(), next);
    }
    Ok(())
}

const CHECK: &str = "{\"check\":\"";
const CHECK_LENGTH: usize = 8;

/// A line as it is written: its JSON with the first digits of the JSON's own SHA-256 as its first member.
fn written(line: &Line) -> serde_json::Result<String> {
    let json = serde_json::to_string(line)?;
    let members = json.strip_prefix('{').unwrap_or(&json);
    Ok(format!("{CHECK}{}\",{members}\n", checksum(&json)))
}

/// The JSON of a line if its checksum is right.
fn verified(line: &[u8]) -> Option<String> {
    let rest = std::str::from_utf8(line).ok()?.strip_prefix(CHECK)?;
    let (check, members) = (rest.get(..CHECK_LENGTH)?, rest.get(CHECK_LENGTH..)?);
    let json = format!("{{{}", members.strip_prefix("\",")?);
    (check == checksum(&json)).then_some(json)
}

fn checksum(json: &str) -> String {
    let mut digits = sha256(json.as_bytes());
    digits.truncate(CHECK_LENGTH);
    digits
}

/// A journal open for appending.
#[derive(Debug)]
pub struct Journal {
    file: fs_err::File,
    /// The number of the line that is written next, counted from 1.
    line: usize,
    /// What it is going to hold.
    gathered: Line,
    progress: BTreeMap<Address, Progress>,
    closed: bool,
}

impl Journal {
    /// The records in the file at `path`; none if there is no file. Changes nothing.
    ///
    /// # Errors
    ///
    /// `Io`, `Damaged`, `Foreign` or `Illegal`.
    pub fn read(path: &Path) -> Result<Reading, JournalError> {
        match file::read(path, file::RECORDS) {
            Ok(bytes) => Reading::parse(path, &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Reading::default()),
            Err(source) => Err(JournalError::Io { action: "read", path: path.to_owned(), source }),
        }
    }

    /// Opens the journal at `path` for appending, makes it if it is missing, and cuts off a torn end. Returns what it
    /// holds.
    ///
    /// # Errors
    ///
    /// As [`Journal::read`].
    pub fn open(path: &Path) -> Result<(Self, Reading), JournalError> {
        let reading = Self::read(path)?;
        let error = |source| JournalError::Io { action: "open", path: path.to_owned(), source };
        let file = file::open(path, Access::Append).map_err(error)?;
        let gathered = Line { seq: reading.next(), records: Vec::new() };
        let mut journal =
            Self { file, line: reading.lines + 1, gathered, progress: reading.progress.clone(), closed: false };
        journal.mend(path, &reading).map_err(error)?;
        Ok((journal, reading))
    }

    /// Leaves nothing but whole lines in the file, and makes it findable after a power cut.
    fn mend(&mut self, path: &Path, reading: &Reading) -> io::Result<()> {
        let length = u64::try_from(reading.whole).unwrap_or(u64::MAX);
        if self.file.metadata()?.len() > length {
            self.file.set_len(length)?;
        }
        // A last record may be whole but for its newline.
        let bytes = file::read(path, file::RECORDS)?;
        if bytes.last().is_some_and(|byte| *byte != b'\n') {
            self.file.write_all(b"\n")?;
        }
        self.file.sync_all()?;
        sync_folder(path)
    }

    /// Adds a record to those that are flushed next.
    ///
    /// # Errors
    ///
    /// `Illegal` if it cannot follow what is recorded of its address: it is not added then. `Closed` after a failure.
    pub fn append(&mut self, record: Record) -> Result<(), JournalError> {
        follow(&mut self.progress, &record).map_err(|illegal| JournalError::Illegal {
            path: self.file.path().to_owned(),
            line: self.line,
            illegal,
        })?;
        // Progress goes on: what happens is still told, even if nobody can write it down any more.
        if self.closed {
            return Err(JournalError::Closed { path: self.file.path().to_owned() });
        }
        self.gathered.records.push(record);
        Ok(())
    }

    /// How many records are not flushed yet.
    pub fn gathered(&self) -> usize {
        self.gathered.records.len()
    }

    /// Brings all records to the disk, and returns how many bytes they took.
    ///
    /// # Errors
    ///
    /// `Io` if they could not be written; from then on everything is refused as `Closed`, since nobody knows what the
    /// file's end looks like.
    pub fn flush(&mut self) -> Result<usize, JournalError> {
        if self.closed {
            return Err(JournalError::Closed { path: self.file.path().to_owned() });
        }
        if self.gathered.records.is_empty() {
            return Ok(0);
        }
        let flushed = written(&self.gathered).map_err(io::Error::from).and_then(|line| {
            self.file.write_all(line.as_bytes())?;
            self.file.sync_data()?;
            Ok(line.len())
        });
        let length = flushed.map_err(|source| self.cannot("write", source))?;
        self.gathered.seq += self.gathered.records.len() as u64;
        self.gathered.records.clear();
        self.line += 1;
        Ok(length)
    }

    /// Takes no more records, since nobody knows what the file's end looks like, and makes the error that says so.
    pub(super) fn cannot(&mut self, action: &'static str, source: io::Error) -> JournalError {
        self.closed = true;
        JournalError::Io { action, path: self.file.path().to_owned(), source }
    }

    /// How far the last operation on an address has come.
    pub fn progress(&self, address: &Address) -> &Progress {
        static IDLE: Progress = Progress::Idle;
        self.progress.get(address).unwrap_or(&IDLE)
    }

    /// Whether some operation is still under way: then the journal must stay.
    pub fn has_open(&self) -> bool {
        self.progress.values().any(Progress::is_open)
    }

    /// Deletes the journal, because the state file holds everything. It takes no more records.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn remove(&mut self) -> Result<(), JournalError> {
        let path = self.file.path().to_owned();
        self.closed = true;
        fs_err::remove_file(&path).and_then(|()| sync_folder(&path)).map_err(|source| JournalError::Io {
            action: "remove",
            path,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(name: &str) -> Address {
        format!("rds.cluster.{name}").parse().unwrap()
    }

    fn intent(name: &str, action: Verb) -> Record {
        let identity = (action != Verb::Create).then(|| Identity::new(name));
        let natural = Value::from_json(&serde_json::json!({"identifier": name, "min": 0.5, "big": 1e20}));
        Record::Intent {
            address: address(name),
            intent: Intent {
                action,
                region: "eu-central-1".to_owned(),
                token: "00112233445566778899aabbccddeeff".to_owned(),
                identity,
                natural,
                protect: false,
                depends_on: ["ec2.vpc.default".parse().unwrap()].into(),
                makes_room: false,
                old_is_gone: false,
            },
        }
    }

    fn did(name: &str, identity: &str) -> Record {
        let facts = Value::from_json(&serde_json::json!({"endpoint": "ä.example", "port": 5432}));
        Record::Did { address: address(name), identity: Identity::new(identity), facts }
    }

    fn ready(name: &str) -> Record {
        Record::Ready { address: address(name), facts: Value::Null }
    }

    fn gone(name: &str) -> Record {
        Record::Gone { address: address(name) }
    }

    fn failed(name: &str) -> Record {
        Record::Failed { address: address(name), error: "rds:CreateDBCluster: Quota".to_owned() }
    }

    fn checkpoint(serial: u64) -> Record {
        Record::Checkpoint { serial, digest: format!("sha256:{serial}") }
    }

    fn begin(base: Option<&str>) -> Record {
        Record::Begin { lineage: "l".to_owned(), serial: 7, base: base.map(str::to_owned) }
    }

    fn story() -> Vec<Record> {
        vec![
            begin(Some("sha256:0")),
            intent("a", Verb::Create),
            intent("b", Verb::Create),
            did("a", "a"),
            ready("a"),
            checkpoint(1),
            failed("b"),
            intent("a", Verb::Delete),
            did("a", "a"),
            gone("a"),
            intent("a", Verb::Create),
            did("a", "a-2"),
        ]
    }

    fn entries(records: &[Record]) -> Vec<Entry> {
        (1..).zip(records).map(|(seq, record)| Entry { seq, record: record.clone() }).collect()
    }

    /// A journal in which every record was flushed by itself.
    fn text(records: &[Record]) -> String {
        (1..).zip(records).map(|(seq, record)| written(&Line { seq, records: vec![record.clone()] }).unwrap()).collect()
    }

    fn record(journal: &mut Journal, record: Record) -> Result<usize, JournalError> {
        journal.append(record)?;
        journal.flush()
    }

    #[test]
    fn what_is_appended_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.journal");
        assert_eq!(Journal::read(&path).unwrap(), Reading::default());
        let (mut journal, _) = Journal::open(&path).unwrap();
        let mut length = 0;
        for (number, record) in (1..).zip(story()) {
            length += super::tests::record(&mut journal, record).unwrap();
            assert_eq!(Journal::read(&path).unwrap().entries.len(), number, "there when it returns");
            assert_eq!(fs_err::metadata(&path).unwrap().len() as usize, length);
        }
        drop(journal);
        let (mut journal, reading) = Journal::open(&path).unwrap();
        assert_eq!(reading.entries, entries(&story()));
        assert_eq!(reading.torn, None);
        assert!(journal.has_open());
        record(&mut journal, ready("a")).unwrap();
        assert_eq!(Journal::read(&path).unwrap().entries.last().map(|last| last.seq), Some(13));
        assert!(!journal.has_open());
        journal.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_is_flushed_together_is_one_line_there_as_a_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.journal");
        let (mut journal, _) = Journal::open(&path).unwrap();
        assert_eq!(journal.flush().unwrap(), 0, "nothing is no line");
        let story = story();
        let (first, second) = story.split_at(5);
        first.iter().for_each(|record| journal.append(record.clone()).unwrap());
        assert_eq!((journal.gathered(), Journal::read(&path).unwrap().entries.len()), (5, 0));
        journal.flush().unwrap();
        assert_eq!(journal.gathered(), 0);
        let before = fs_err::read(&path).unwrap();
        second.iter().for_each(|record| journal.append(record.clone()).unwrap());
        let length = journal.flush().unwrap();
        assert_eq!(Journal::read(&path).unwrap().entries, entries(&story));
        let after = fs_err::read(&path).unwrap();
        assert_eq!((after.len(), after.iter().filter(|byte| **byte == b'\n').count()), (before.len() + length, 2));
        // A power cut may leave any part of the last line, and holes in it.
        for cut in before.len()..after.len() - 1 {
            assert_eq!(Reading::parse(&path, &after[..cut]).unwrap().entries, entries(first), "{cut}");
            let mut hole = after.clone();
            hole[before.len()..cut].fill(0);
            if cut > before.len() {
                assert_eq!(Reading::parse(&path, &hole).unwrap().entries, entries(first), "{cut}");
            }
        }
        drop(journal);
        let (mut journal, _) = Journal::open(&path).unwrap();
        assert_eq!(record(&mut journal, ready("a")).map(|_| journal.line).unwrap(), 4);
        assert_eq!(Journal::read(&path).unwrap().entries.last().map(|last| last.seq), Some(13));
    }

    #[test]
    fn a_line_is_plain_json() {
        assert_eq!(
            text(&[gone("a")]),
            "{\"check\":\"84be2aa5\",\"seq\":1,\"records\":[{\"record\":\"gone\",\"address\":\"rds.cluster.a\"}]}\n"
        );
    }

    #[test]
    fn a_journal_cut_off_anywhere_gives_its_whole_records_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.journal");
        let whole = text(&story());
        for length in 0..=whole.len() {
            let reading = Reading::parse(&path, &whole.as_bytes()[..length]).unwrap();
            let lines = whole.as_bytes()[..length].iter().filter(|byte| **byte == b'\n').count();
            // A record that lacks only its newline is whole.
            let unended = whole.as_bytes().get(length) == Some(&b'\n');
            assert_eq!(reading.entries, entries(&story()[..lines + usize::from(unended)]), "{length}");
            let at_end = length == 0 || whole.as_bytes()[length - 1] == b'\n';
            assert_eq!(reading.torn.is_some(), !at_end && !unended, "{length}");
            fold(&reading.entries, 0).unwrap();
        }
        // Opening mends the file: around the end of a line, and in the middle of one.
        let end = whole.trim_end().len();
        for length in [0, 1, end - 40, end - 1, end, end + 1] {
            fs_err::write(&path, &whole.as_bytes()[..length]).unwrap();
            let (mut journal, before) = Journal::open(&path).unwrap();
            record(&mut journal, checkpoint(2)).unwrap();
            let after = Journal::read(&path).unwrap();
            assert_eq!((after.entries.len(), after.torn), (before.entries.len() + 1, None), "{length}");
        }
    }

    #[test]
    fn a_damaged_last_line_is_torn_even_with_its_newline() {
        let whole = text(&story());
        let damaged = whole.replace("a-2", "a-3");
        let reading = Reading::parse(Path::new("social.journal"), damaged.as_bytes()).unwrap();
        assert_eq!(reading.entries.len(), story().len() - 1);
        assert_eq!(reading.torn.map(|torn| torn.line), Some(story().len()));
    }

    #[test]
    fn any_other_damage_names_its_line() {
        let whole = text(&story());
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        for index in 0..lines.len() - 1 {
            let mut damaged = lines.clone();
            let changed = damaged[index].replace("\"seq\"", "\"sEq\"");
            damaged[index] = &changed;
            let error = Reading::parse(Path::new("social.journal"), damaged.concat().as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(&format!("social.journal:{}: ", index + 1)), "{error}");

            let mut missing = lines.clone();
            missing.remove(index);
            let error = Reading::parse(Path::new("social.journal"), missing.concat().as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(&format!("social.journal:{}: ", index + 1)), "{error}");
        }
    }

    #[test]
    fn a_record_of_another_version_is_named() {
        let json = "{\"seq\":1,\"records\":[{\"record\":\"novelty\"}]}";
        let line = format!("{CHECK}{}\",{}\n", checksum(json), &json[1..]);
        let error = Reading::parse(Path::new("social.journal"), line.as_bytes()).unwrap_err();
        assert!(matches!(error, JournalError::Foreign { line: 1, .. }), "{error}");
    }

    /// The whole table: every record after every progress.
    #[test]
    fn every_transition_is_decided() {
        let after = |records: &[Record]| records.iter().try_fold(Progress::Idle, Progress::next).unwrap();
        let (create, delete) = (intent("a", Verb::Create), intent("a", Verb::Delete));
        let records =
            [create.clone(), did("a", "a"), did("a", "other"), ready("a"), failed("a"), gone("a"), checkpoint(1)];
        // Which of `records` may follow: i intent, d did, o did of another object, r ready, f failed, g gone, c checkpoint.
        let table = [
            (vec![], "i.....c"),
            (vec![create.clone()], ".do.fgc"),
            (vec![create.clone(), did("a", "a")], ".d.rfgc"),
            (vec![create.clone(), did("a", "a"), ready("a")], "i.....c"),
            (vec![create.clone(), failed("a")], "i.....c"),
            (vec![create.clone(), did("a", "a"), failed("a")], "i.....c"),
            (vec![create.clone(), gone("a")], "i.....c"),
            (vec![delete.clone()], ".do.fgc"),
            (vec![delete, did("a", "a")], ".d..fgc"),
        ];
        for (before, expected) in table {
            let progress = after(&before);
            let allowed: String = "idorfgc"
                .chars()
                .zip(&records)
                .map(|(letter, record)| if progress.clone().next(record).is_ok() { letter } else { '.' })
                .collect();
            assert_eq!(allowed, expected, "{progress}");
        }
    }

    #[test]
    fn an_illegal_record_names_both_sides_and_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.journal");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(intent("a", Verb::Create)).unwrap();
        let error = journal.append(ready("a")).unwrap_err();
        assert!(error.to_string().contains("social.journal:1: "), "{error}");
        assert!(error.to_string().ends_with("rds.cluster.a is intended (create), so `ready` cannot follow"), "{error}");
        record(&mut journal, did("a", "a")).unwrap();
        assert_eq!(Journal::read(&path).unwrap().entries.len(), 2);
        assert_eq!(journal.progress(&address("b")), &Progress::Idle);
    }

    #[test]
    fn later_facts_join_earlier_ones() {
        let more = Record::Did {
            address: address("a"),
            identity: Identity::new("a"),
            facts: Value::from_json(&serde_json::json!({"arn": "arn:a", "port": 5433})),
        };
        let progress = [intent("a", Verb::Create), did("a", "a"), more].iter().try_fold(Progress::Idle, Progress::next);
        let Ok(Progress::Done { made, .. }) = progress else { panic!("{progress:?}") };
        assert_eq!(made.facts.to_string(), r#"{"arn": "arn:a", "endpoint": "ä.example", "port": 5433}"#);
    }

    fn words(records: &[Record], held: usize) -> Vec<(String, Vec<String>)> {
        let folded = fold(&entries(records), held).unwrap();
        folded
            .iter()
            .map(|(address, all)| (address.name.clone(), all.iter().map(Progress::to_string).collect()))
            .collect()
    }

    fn expect(expected: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        expected.iter().map(|(name, all)| ((*name).to_owned(), owned(all))).collect()
    }

    #[test]
    fn folding_gives_what_the_state_does_not_hold() {
        let story = story();
        assert_eq!(words(&[], 0), []);
        // Nothing is held: everything.
        assert_eq!(words(&story[..5], 1), expect(&[("a", &["ready (create)"]), ("b", &["intended (create)"])]));
        // A state file answers no question: `b` may or may not exist.
        assert_eq!(words(&story[..6], 6), expect(&[("b", &["intended (create)"])]));
        assert_eq!(words(&story[..7], 6), expect(&[("b", &["failed (create)"])]));
        // Two operations on one address since then: neither is lost.
        assert_eq!(
            words(&story, 6),
            expect(&[("a", &["gone (delete)", "done (create a-2)"]), ("b", &["failed (create)"])])
        );
        // A state file taken back to the one before: three operations.
        assert_eq!(
            words(&story, 1),
            expect(&[("a", &["ready (create)", "gone (delete)", "done (create a-2)"]), ("b", &["failed (create)"])])
        );
        // An answer after the checkpoint comes with the intent from before it.
        let records = [begin(None), intent("a", Verb::Create), did("a", "a"), checkpoint(1), ready("a")];
        assert_eq!(words(&records[..4], 4), []);
        assert_eq!(words(&records, 4), expect(&[("a", &["ready (create)"])]));
    }

    #[test]
    fn the_state_file_says_how_much_of_the_journal_it_holds() {
        let entries = entries(&story());
        let held = |digest| held(&entries, "l", 7, digest).map_err(|problem| problem.to_string());
        assert_eq!(held(Some("sha256:0")), Ok(1), "what was there before");
        assert_eq!(held(Some("sha256:1")), Ok(6), "what was written on the way");
        assert!(held(Some("sha256:2")).unwrap_err().contains("from another state"));
        assert!(held(None).unwrap_err().contains("there is no state file"));
        assert!(super::held(&entries, "m", 7, Some("sha256:0")).unwrap_err().to_string().contains("lineage"));
        assert!(super::held(&entries[1..], "l", 7, Some("sha256:0")).is_err(), "a journal without a beginning");
        assert_eq!(super::held(&[], "l", 7, Some("sha256:0")), Ok(0));
    }

    #[test]
    fn a_first_apply_begins_without_a_state_file() {
        let entries = entries(&[begin(None), intent("a", Verb::Create)]);
        assert_eq!(held(&entries, "whatever", 0, None), Ok(1));
        assert!(held(&entries, "l", 7, Some("sha256:1")).is_err());
    }
}
