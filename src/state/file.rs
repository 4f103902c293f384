//! The state file: what exists, and with which attributes.
//!
//! Owns the format of `<name>.json` and the only ways to read and write it, [`State::read`] and [`State::write`].
//!
//! # Guarantees
//!
//! - Canonical: header fields and the fields of a row in a fixed order, everything else sorted by name, one scalar per
//!   line, two spaces of indent, a newline at the end. The same content is the same bytes, so `git diff` shows changes
//!   of content only.
//! - Checked: the digest in the header is taken over all the rest. What was cut off, edited or merged is refused, and
//!   so is what no longer fits together (a dependency on nothing, one object at two addresses).
//! - Gated: [`State`] has no public `Deserialize`, so every way in passes the check of the format version.
//! - Atomic: a write goes to a new file in the same folder, is flushed to the disk, and takes the name of the old file
//!   in one step. A failing write leaves the old file as it was. A failing read never touches it.
//!
//! # Assumptions
//!
//! - Callers put no volatile values into facts, and the template instead of the value for sensitive attributes. Secrets
//!   themselves cannot get in: [`Value`] has no room for them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::address::{Address, Identity, TypeName};
use crate::alphabet;
use crate::diagnostic::Diagnostic;
use crate::file;
use crate::inert::{shell, shell_path};
use crate::state::sha256;
use crate::value::Value;

/// The newest version of the format this program reads and writes: that of states of what was handed over.
pub const FORMAT: u64 = 3;

/// The version of all other states, so that earlier versions of this program read them.
const MARKED: u64 = 2;

/// The version of states whose resources do not all carry the lineage as a tag yet.
const UNMARKED: u64 = 1;

/// The most objects that one row may have left over. Each is asked for before it is deleted.
const MOST_LEFTOVERS: usize = 64;

/// Everything remembered of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Chosen once, when the instance is first applied: two states with different lineages are different instances.
    pub lineage: String,
    /// Counts the commands that changed something.
    pub serial: u64,
    /// The digest of the state that this one came from; `None` for the first.
    pub parent: Option<String>,
    pub instance: String,
    /// The region of resources that name no other.
    pub region: String,
    /// The account, once it is known.
    pub account: Option<String>,
    /// The settings of the last apply that did everything: what differs from them now is what somebody has edited.
    pub settings: Value,
    /// Everything that can carry tags carries the lineage as one. States of earlier versions have format 1 until
    /// their resources do.
    pub marked: bool,
    /// The instance was handed over to another tool, so nobody here changes it. Such a state has format 3, which earlier
    /// versions refuse. It is always marked.
    pub handed_over: bool,
    pub rows: BTreeMap<Address, Row>,
    /// The last answers of lookups, so that a plan can be made without a network.
    pub lookups: BTreeMap<Address, Value>,
}

/// What is remembered of one resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub status: Status,
    /// The cloud's name of it; `None` until a creation has been answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Old objects that replacements have superseded and that are still to be deleted. In the file a single one is
    /// written without a list.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "one_or_many")]
    pub replaced: Vec<Identity>,
    pub region: String,
    /// Whether deleting and replacing it is refused, also when it is gone from the configuration.
    pub protect: bool,
    /// Why it is `failed`, in the cloud's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The attributes we set, and only those. A sensitive one is a marker, `{"secret": "<template>"}`.
    pub inputs: Value,
    /// Attributes the cloud set and others read. Nothing volatile.
    pub facts: Value,
    /// Resources and lookups that it was made from: it goes before they do.
    pub depends_on: BTreeSet<Address>,
}

impl Row {
    /// Whether it counts as done without having been run.
    pub fn is_skipped(&self) -> bool {
        self.identity.as_ref().is_some_and(was_not_run)
    }

    /// The row of something that counts as done without having been run.
    pub fn skipped(address: &Address, region: String, inputs: Value, depends_on: BTreeSet<Address>) -> Self {
        Self {
            status: Status::Ready,
            identity: Some(Identity::new(format!("{NOT_RUN}: {address}"))),
            replaced: Vec::new(),
            region,
            protect: false,
            problem: None,
            inputs,
            facts: Value::Null,
            depends_on,
        }
    }
}

/// Whether an identity is that of something that counts as done without having been run.
pub fn was_not_run(identity: &Identity) -> bool {
    identity.as_str().starts_with(NOT_RUN)
}

/// What the identity of something begins with that counts as done without having been run: the cloud has no name for it.
const NOT_RUN: &str = "not run";

fn one_or_many<S: serde::Serializer>(identities: &[Identity], serializer: S) -> Result<S::Ok, S::Error> {
    match identities {
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

/// How far a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Creating,
    Ready,
    Updating,
    Replacing,
    Deleting,
    Failed,
}

impl Row {
    /// Inputs and facts in one tree; where both know a value, the fact, which is the cloud's word.
    pub fn recorded(&self) -> Value {
        let mut recorded = self.inputs.clone();
        overlay(&mut recorded, &self.facts);
        recorded
    }

    /// The same, with what the cloud shows now over it.
    pub fn shown(&self, observed: &Value) -> Value {
        let mut shown = self.recorded();
        overlay(&mut shown, observed);
        shown
    }
}

fn overlay(below: &mut Value, above: &Value) {
    match (below, above) {
        (_, Value::Null) => {}
        (Value::Map(below), Value::Map(above)) => {
            for (key, value) in above {
                overlay(below.entry(key.clone()).or_default(), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

/// Why a state file was not read or written. Every one names the file; [`StateError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{}:{line}:{column}: the state file ends in the middle", path.display())]
    Truncated { path: PathBuf, line: usize, column: usize },
    #[error("{}:{line}: the state file holds a merge conflict", path.display())]
    Conflict { path: PathBuf, line: usize },
    #[error("{}:{line}:{column}: the state file is not JSON: {problem}", path.display())]
    NotJson { path: PathBuf, line: usize, column: usize, problem: String },
    #[error("{}:{line}:{column}: not a state file: {problem}", path.display())]
    NotState { path: PathBuf, line: usize, column: usize, problem: String },
    #[error("{} was written by a newer mastoform: format {format}, this one knows formats up to {FORMAT}", path.display())]
    Newer { path: PathBuf, format: u64 },
    #[error("{} was edited by hand or merged: its content is {found}, its header says {expected}", path.display())]
    Edited { path: PathBuf, expected: String, found: String },
    #[error("{}: {address} depends on {dependency}, which is not in the state", path.display())]
    Dangling { path: PathBuf, address: Box<Address>, dependency: Box<Address> },
    #[error("{}: {first} and {second} are the same object, {identity} in {region}", path.display())]
    Twice { path: PathBuf, first: Box<Address>, second: Box<Address>, identity: Identity, region: String },
    #[error(
        "{}: {address} has {count} objects that are still to be deleted, and a resource has at most {MOST_LEFTOVERS}",
        path.display()
    )]
    Leftovers { path: PathBuf, address: Box<Address>, count: usize },
    #[error("{}: the state would not read back as it was written", path.display())]
    Unfaithful { path: PathBuf },
    #[error("there is no {}, but {traces}", path.display())]
    Lost { path: PathBuf, traces: String, remains: Vec<PathBuf>, instance: String },
    #[error("git tracks {}, which belongs to one machine only", path.display())]
    Tracked { path: PathBuf },
    #[error("cannot find out whether git tracks {}", path.display())]
    Untold { path: PathBuf, source: io::Error },
}

impl StateError {
    /// The file it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::Truncated { path, .. }
            | Self::Conflict { path, .. }
            | Self::NotJson { path, .. }
            | Self::NotState { path, .. }
            | Self::Newer { path, .. }
            | Self::Edited { path, .. }
            | Self::Dangling { path, .. }
            | Self::Twice { path, .. }
            | Self::Leftovers { path, .. }
            | Self::Unfaithful { path }
            | Self::Lost { path, .. }
            | Self::Tracked { path }
            | Self::Untold { path, .. } => path,
        }
    }

    /// A stable word for the kind of problem.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "state-file",
            Self::Truncated { .. } => "state-truncated",
            Self::Conflict { .. } => "state-conflict",
            Self::NotJson { .. } | Self::NotState { .. } => "state-malformed",
            Self::Newer { .. } => "state-newer",
            Self::Edited { .. } => "state-edited",
            Self::Dangling { .. } | Self::Twice { .. } | Self::Leftovers { .. } => "state-inconsistent",
            Self::Unfaithful { .. } => "state-unfaithful",
            Self::Lost { .. } => "state-lost",
            Self::Tracked { .. } | Self::Untold { .. } => "state-tracked",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        let path = shell_path(self.path());
        match self {
            Self::Io { .. } => "the folder must exist and be writable; the file is as it was".to_owned(),
            Self::Newer { .. } => "use the version of mastoform that wrote it, or a later one".to_owned(),
            Self::Conflict { .. } => {
                format!("take one side whole, `git checkout --ours {path}` or `--theirs`, then run `mastoform plan`")
            }
            Self::Unfaithful { .. } => "this is a mistake in mastoform; the file is as it was".to_owned(),
            Self::Lost { remains, instance, .. } => {
                let remains: Vec<String> = remains.iter().map(|path| path.display().to_string()).collect();
                let word = shell(instance);
                format!(
                    "`mastoform state restore {word}` takes back the last good one; if it is lost for good, \
                     `mastoform apply --adopt-own` goes on with what lives; if nothing of {instance} exists any more, \
                     remove {} first (from git, too)",
                    remains.join(" and ")
                )
            }
            Self::Tracked { .. } => {
                format!(
                    "somebody committed it, and it is not to be believed: remove it with `git rm {path}`, or keep your own \
                     with `git rm --cached {path}`"
                )
            }
            Self::Untold { .. } => "`git status` shows the problem with the index".to_owned(),
            _ => format!(
                "`mastoform state restore` takes back the last good one, from {}.backup or from git; then run `mastoform plan`",
                self.path().display()
            ),
        }
    }
}

impl From<&StateError> for Diagnostic {
    fn from(error: &StateError) -> Self {
        Diagnostic::error(error.code(), error.to_string()).hint(error.hint())
    }
}

/// The start of the line after the digest's.
const AFTER_DIGEST: &str = "\n  \"instance\": ";

fn digest_of(bare_text: &str) -> String {
    format!("sha256:{}", sha256(bare_text.as_bytes()))
}

fn digest_line(digest: &str) -> String {
    format!("  \"digest\": \"{digest}\",\n")
}

/// A state as it is going to be in its file.
#[derive(Debug)]
#[must_use = "nothing is written yet"]
pub struct Prepared {
    text: String,
    digest: String,
}

impl Prepared {
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// In bytes.
    pub fn size(&self) -> usize {
        self.text.len()
    }

    /// Writes it to `path`, atomically and durably. Keeps the mode of the file, and does nothing if the file holds the
    /// same bytes already. A symbolic link is refused. The folder must exist.
    ///
    /// # Errors
    ///
    /// `Io`. The old file is whole then.
    pub fn write(&self, path: &Path) -> Result<(), StateError> {
        replace(path, self.text.as_bytes()).map_err(|source| StateError::Io {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }
}

/// The file as it is written, without the digest, which is taken over all of it.
#[derive(Serialize)]
struct Written<'state> {
    format: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    handed_over: bool,
    lineage: &'state str,
    serial: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'state str>,
    instance: &'state str,
    region: &'state str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'state str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    settings: &'state Value,
    resources: &'state BTreeMap<Address, Row>,
    lookups: &'state BTreeMap<Address, Value>,
}

/// The file as it is read, once its format version is known: all have the same fields, but that 3 says `handed_over`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(rename = "format")]
    _format: u64,
    #[serde(default)]
    handed_over: bool,
    #[serde(deserialize_with = "alphabet::token")]
    lineage: String,
    #[serde(deserialize_with = "alphabet::serial")]
    serial: u64,
    #[serde(default, deserialize_with = "alphabet::some_token")]
    parent: Option<String>,
    digest: String,
    #[serde(deserialize_with = "alphabet::instance")]
    instance: String,
    #[serde(deserialize_with = "alphabet::region")]
    region: String,
    #[serde(default, deserialize_with = "alphabet::some_account")]
    account: Option<String>,
    #[serde(default)]
    settings: Value,
    resources: BTreeMap<Address, ReadRow>,
    lookups: BTreeMap<Address, Value>,
}

/// A row as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadRow {
    status: Status,
    identity: Option<Identity>,
    #[serde(default)]
    replaced: Replaced,
    #[serde(deserialize_with = "alphabet::region")]
    region: String,
    protect: bool,
    problem: Option<String>,
    inputs: Value,
    facts: Value,
    depends_on: BTreeSet<Address>,
}

/// The first look at a file: only its version.
#[derive(Deserialize)]
struct Gate {
    format: u64,
}

/// One identity, or several.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Replaced {
    #[default]
    None,
    One(Identity),
    Many(Vec<Identity>),
}

impl From<Replaced> for Vec<Identity> {
    fn from(replaced: Replaced) -> Self {
        match replaced {
            Replaced::None => Self::new(),
            Replaced::One(identity) => vec![identity],
            Replaced::Many(identities) => identities,
        }
    }
}

impl From<ReadRow> for Row {
    fn from(row: ReadRow) -> Self {
        let ReadRow { status, identity, replaced, region, protect, problem, inputs, facts, depends_on } = row;
        let replaced = replaced.into();
        Self { status, identity, replaced, region, protect, problem, inputs, facts, depends_on }
    }
}

impl State {
    /// The state of an instance of which nothing exists yet. `lineage` is a fresh unique text.
    pub fn new(lineage: impl Into<String>, instance: impl Into<String>, region: impl Into<String>) -> Self {
        Self {
            lineage: lineage.into(),
            serial: 0,
            parent: None,
            instance: instance.into(),
            region: region.into(),
            account: None,
            settings: Value::Null,
            marked: true,
            handed_over: false,
            rows: BTreeMap::new(),
            lookups: BTreeMap::new(),
        }
    }

    /// The state in the file at `path`; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// Any [`StateError`] but `Unfaithful`. The file is left as it is.
    pub fn read(path: &Path) -> Result<Option<Self>, StateError> {
        Ok(Self::read_with_digest(path)?.map(|(state, _)| state))
    }

    /// The same, with the digest in its header, which it was found to have.
    ///
    /// # Errors
    ///
    /// As [`State::read`].
    pub fn read_with_digest(path: &Path) -> Result<Option<(Self, String)>, StateError> {
        match file::read(path, file::RECORDS) {
            Ok(bytes) => Self::parse_with_digest(path, &bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StateError::Io { action: "read", path: path.to_owned(), source }),
        }
    }

    /// The state in a text; `path` is its name in errors.
    ///
    /// # Errors
    ///
    /// As [`State::read`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, StateError> {
        Self::parse_with_digest(path, bytes).map(|(state, _)| state)
    }

    fn parse_with_digest(path: &Path, bytes: &[u8]) -> Result<(Self, String), StateError> {
        let text = decode(path, bytes)?;
        let gate: Gate = serde_json::from_str(text).map_err(|error| misread(path, text, &error))?;
        if gate.format > FORMAT {
            return Err(StateError::Newer { path: path.to_owned(), format: gate.format });
        }
        if gate.format < UNMARKED {
            let problem = format!("format {} never existed", gate.format);
            return Err(StateError::NotState { path: path.to_owned(), line: 1, column: 1, problem });
        }
        let read: Read = serde_json::from_str(text).map_err(|error| misread(path, text, &error))?;
        if !text.ends_with('\n') {
            let (line, column) = end_of(text);
            return Err(StateError::Truncated { path: path.to_owned(), line, column });
        }
        let state = Self {
            lineage: read.lineage,
            serial: read.serial,
            parent: read.parent,
            instance: read.instance,
            region: read.region,
            account: read.account,
            settings: read.settings,
            marked: gate.format > UNMARKED,
            handed_over: read.handed_over,
            rows: read.resources.into_iter().map(|(address, row)| (address, row.into())).collect(),
            lookups: read.lookups,
        };
        // As a rule the bytes themselves are what the digest was taken over; a checkout with other line ends is not.
        let as_written = text.replacen(&digest_line(&read.digest), "", 1);
        let found = match digest_of(&as_written) {
            found if found == read.digest => found,
            _ => state.digest(),
        };
        if found != read.digest {
            return Err(StateError::Edited { path: path.to_owned(), expected: read.digest, found });
        }
        state.check(path)?;
        Ok((state, read.digest))
    }

    /// The exact content of the file at `path`, proven to read back as this state.
    ///
    /// # Errors
    ///
    /// `Dangling`, `Twice`, `Leftovers` and `Unfaithful`.
    pub fn prepare(&self, path: &Path) -> Result<Prepared, StateError> {
        self.check(path)?;
        let (text, digest) = self.encode();
        match Self::parse(path, text.as_bytes()) {
            Ok(read_back) if read_back == *self => Ok(Prepared { text, digest }),
            _ => Err(StateError::Unfaithful { path: path.to_owned() }),
        }
    }

    /// Writes the state to `path`, as [`State::prepare`] and [`Prepared::write`], and returns its digest.
    ///
    /// # Errors
    ///
    /// `Dangling`, `Twice`, `Leftovers` and `Unfaithful` before anything is written; `Io` if writing failed. The old file is
    /// whole in either case.
    pub fn write(&self, path: &Path) -> Result<String, StateError> {
        let prepared = self.prepare(path)?;
        prepared.write(path)?;
        Ok(prepared.digest)
    }

    /// Keeps a copy of the file at `path` as `backup`, before a command changes it. Without a file, does nothing.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn back_up(path: &Path, backup: &Path) -> Result<(), StateError> {
        match file::read(path, file::RECORDS) {
            Ok(bytes) => replace(backup, &bytes).map_err(|source| StateError::Io {
                action: "write",
                path: backup.to_owned(),
                source,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(StateError::Io { action: "read", path: path.to_owned(), source }),
        }
    }

    /// Keeps whatever is in the file at `path` beside it, as `<file>.broken`, before another state takes its place.
    /// `None`: there is no file.
    ///
    /// # Errors
    ///
    /// `Io`.
    pub fn set_aside(path: &Path) -> Result<Option<PathBuf>, StateError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".broken");
        let aside = PathBuf::from(name);
        Self::back_up(path, &aside)?;
        Ok(aside.exists().then_some(aside))
    }

    /// Makes this the successor of itself: the next serial, with its digest until now as the parent. To be called once
    /// by a command that is about to change something, so that the parent is what the last command left (and what git
    /// knows), however often this command writes.
    pub fn advance(&mut self) {
        self.parent = Some(self.digest());
        self.serial = self.serial.saturating_add(1).min(alphabet::LAST_SERIAL);
    }

    /// The canonical text: the exact content of the file.
    pub fn text(&self) -> String {
        self.encode().0
    }

    /// `sha256:` and the SHA-256 of the canonical text without the digest itself.
    pub fn digest(&self) -> String {
        digest_of(&self.bare_text())
    }

    /// The canonical text with the digest in its place, and the digest.
    fn encode(&self) -> (String, String) {
        let mut text = self.bare_text();
        let digest = digest_of(&text);
        // The field that follows the digest; before it stand only texts and a number, in which no line ends.
        let at = text.find(AFTER_DIGEST).map_or(0, |at| at + 1);
        text.insert_str(at, &digest_line(&digest));
        (text, digest)
    }

    /// The canonical text without the digest.
    fn bare_text(&self) -> String {
        let written = Written {
            format: match (self.handed_over, self.marked) {
                (true, _) => FORMAT,
                (false, true) => MARKED,
                (false, false) => UNMARKED,
            },
            handed_over: self.handed_over,
            lineage: &self.lineage,
            serial: self.serial,
            parent: self.parent.as_deref(),
            instance: &self.instance,
            region: &self.region,
            account: self.account.as_deref(),
            settings: &self.settings,
            resources: &self.rows,
            lookups: &self.lookups,
        };
        #[expect(clippy::expect_used, reason = "keys are texts and nothing in a state can fail to serialize")]
        let mut text = serde_json::to_string_pretty(&written).expect("a state serializes");
        text.push('\n');
        text
    }

    /// Whether everything fits together.
    fn check(&self, path: &Path) -> Result<(), StateError> {
        let mut seen: BTreeMap<(&TypeName, &str, &Identity), &Address> = BTreeMap::new();
        for (address, row) in &self.rows {
            for dependency in &row.depends_on {
                if !self.rows.contains_key(dependency) && !self.lookups.contains_key(dependency) {
                    return Err(StateError::Dangling {
                        path: path.to_owned(),
                        address: Box::new(address.clone()),
                        dependency: Box::new(dependency.clone()),
                    });
                }
            }
            if row.replaced.len() > MOST_LEFTOVERS {
                return Err(StateError::Leftovers {
                    path: path.to_owned(),
                    address: Box::new(address.clone()),
                    count: row.replaced.len(),
                });
            }
            for identity in row.identity.iter().chain(&row.replaced) {
                if let Some(first) = seen.insert((&address.type_name, &row.region, identity), address) {
                    return Err(StateError::Twice {
                        path: path.to_owned(),
                        first: Box::new(first.clone()),
                        second: Box::new(address.clone()),
                        identity: identity.clone(),
                        region: row.region.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The bytes as text. What is cut off inside a character is truncated; anything else that is no text is no JSON.
fn decode<'bytes>(path: &Path, bytes: &'bytes [u8]) -> Result<&'bytes str, StateError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let (line, column) = end_of(&String::from_utf8_lossy(valid));
        let path = path.to_owned();
        match error.error_len() {
            None => StateError::Truncated { path, line, column },
            Some(_) => StateError::NotJson { path, line, column, problem: "this is not UTF-8".to_owned() },
        }
    })
}

/// What a parser's error means for a state file.
fn misread(path: &Path, text: &str, error: &serde_json::Error) -> StateError {
    let path = path.to_owned();
    let (line, column) = (error.line(), error.column());
    let message = error.to_string();
    let problem = message.rsplit_once(" at line ").map_or(message.as_str(), |(problem, _)| problem).to_owned();
    // A number cut off after its point is a mistake of syntax to the parser, but it stands at the very end.
    let last = text.lines().count();
    let at_end = line == last && text.lines().last().is_some_and(|text| column >= text.len());
    let cut = at_end && !text.ends_with('\n');
    let conflict = text.lines().position(|line| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> "));
    match (conflict, error.classify()) {
        (Some(index), _) => StateError::Conflict { path, line: index + 1 },
        (None, serde_json::error::Category::Eof) => StateError::Truncated { path, line, column },
        _ if cut => StateError::Truncated { path, line, column },
        (None, serde_json::error::Category::Data) => StateError::NotState { path, line, column, problem },
        (None, serde_json::error::Category::Syntax | serde_json::error::Category::Io) => {
            StateError::NotJson { path, line, column, problem }
        }
    }
}

/// Line and column of the end of a text, both from 1.
fn end_of(text: &str) -> (usize, usize) {
    let last = text.rsplit('\n').next().unwrap_or_default();
    (text.matches('\n').count() + 1, last.chars().count() + 1)
}

/// Gives the file at `path` the content `bytes`, unless it has it already.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match file::read(path, file::RECORDS) {
        Ok(existing) if existing == bytes => Ok(()),
        Err(error) if file::Refused::of(&error).is_none() && error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => file::replace(path, bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a file is one word of a command that people paste.
    #[test]
    fn a_hint_runs_nothing_that_a_name_says() {
        let path = PathBuf::from("state/a;touch PWN;b.json");
        let word = "'state/a;touch PWN;b.json'";
        let hint = StateError::Tracked { path: path.clone() }.hint();
        assert!(hint.contains(&format!("`git rm {word}`")) && hint.contains(&format!("--cached {word}`")), "{hint}");
        let (traces, instance) = (String::new(), "$(touch PWN)".to_owned());
        let hint = StateError::Lost { path, traces, remains: Vec::new(), instance }.hint();
        assert!(hint.contains("`mastoform state restore '$(touch PWN)'`"), "{hint}");
    }

    /// The state in `state/example.json`: two rows, one of them in the middle of a replacement, and a lookup.
    fn example() -> State {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let value = |json: serde_json::Value| Value::from_json(&json);
        let mut state = State::new("6f1d0c52a7e94b0f", "example", "eu-central-1");
        state.advance();
        state.account = Some("123456789012".to_owned());
        state.lookups.insert(
            address("ec2.vpc.default"),
            value(serde_json::json!({"id": "vpc-0a1b2c3d", "cidr_block": "172.31.0.0/16"})),
        );
        state.rows.insert(
            address("ec2.security_group.database"),
            Row {
                status: Status::Ready,
                identity: Some(Identity::new("sg-0aa11bb22cc33dd44")),
                replaced: Vec::new(),
                region: "eu-central-1".to_owned(),
                protect: false,
                problem: None,
                inputs: value(serde_json::json!({
                    "group_name": "example-database",
                    "description": "Aurora, reached by the tasks – and nobody else",
                    "vpc_id": "vpc-0a1b2c3d",
                })),
                facts: value(serde_json::json!({"id": "sg-0aa11bb22cc33dd44"})),
                depends_on: [address("ec2.vpc.default")].into(),
            },
        );
        state.rows.insert(
            address("rds.cluster.database"),
            Row {
                status: Status::Replacing,
                identity: Some(Identity::new("example-2")),
                replaced: vec![Identity::new("example")],
                region: "eu-central-1".to_owned(),
                protect: true,
                problem: None,
                inputs: value(serde_json::json!({
                    "engine_version": "17",
                    "identifier": "example-2",
                    "master_password": {"secret": "${secretsmanager.secret.database.value}"},
                    "security_groups": ["sg-0aa11bb22cc33dd44"],
                    "serverless_v2": {"min": 0.5, "max": 2},
                    "tags": {},
                })),
                facts: value(
                    serde_json::json!({"endpoint": "example-2.cluster-abc.eu-central-1.rds.amazonaws.com", "serverless_v2": {"seconds": 300}}),
                ),
                depends_on: [address("ec2.security_group.database")].into(),
            },
        );
        state
    }

    fn parse(text: &str) -> Result<State, StateError> {
        State::parse(Path::new("social.json"), text.as_bytes())
    }

    /// Every error has to name the file and carry a hint.
    fn refusal(text: &str) -> StateError {
        let error = parse(text).expect_err(text);
        assert!(error.to_string().starts_with("social.json"), "{error}");
        assert!(!error.hint().is_empty());
        error
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.json");
        assert_eq!(State::read(&path).unwrap(), None);
        let digest = example().write(&path).unwrap();
        let (state, found) = State::read_with_digest(&path).unwrap().unwrap();
        assert_eq!(state, example());
        assert_eq!((&state.digest(), &found), (&digest, &digest));
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn the_example_in_the_state_folder_is_what_is_written() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("state/example.json");
        assert_eq!(example().text(), fs_err::read_to_string(path).unwrap());
    }

    #[test]
    fn the_text_is_canonical() {
        let text = example().text();
        let scalars = |line: &str| line.matches("\": ").count() <= 1;
        assert!(text.lines().all(scalars) && text.ends_with("}\n"));
        assert!(text.contains("\"tags\": {}\n") && !text.contains('\t') && !text.contains(" \n"));
        let order = ["format", "lineage", "serial", "parent", "digest", "instance", "region", "account", "resources"];
        let places: Vec<_> = order.map(|key| text.find(&format!("\n  \"{key}\": ")).unwrap()).into();
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!(parse(&text).unwrap().text(), text);
        assert_eq!(parse(&text.replace('\n', "\r\n")).unwrap().text(), text, "what git does to line ends is harmless");
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused() {
        let text = example().text();
        for length in 0..text.len() {
            let error = State::parse(Path::new("social.json"), &text.as_bytes()[..length]).unwrap_err();
            assert!(matches!(error, StateError::Truncated { .. }), "{length}: {error}");
        }
    }

    #[test]
    fn a_file_without_any_one_line_is_refused() {
        let text = example().text();
        for missing in 0..text.lines().count() {
            let rest: String =
                text.split_inclusive('\n').enumerate().filter(|(i, _)| *i != missing).map(|(_, l)| l).collect();
            refusal(&rest);
        }
    }

    #[test]
    fn an_edit_is_noticed_and_said() {
        let error = refusal(&example().text().replace("\"min\": 0.5", "\"min\": 1.5"));
        assert!(matches!(error, StateError::Edited { .. }));
        assert!(error.to_string().contains("edited by hand"));
        assert!(error.hint().contains("mastoform state restore"));
    }

    #[test]
    fn a_newer_format_is_named_whatever_else_it_holds() {
        let error = refusal("{\"format\": 4, \"novelty\": []}\n");
        assert!(error.to_string().contains("written by a newer mastoform: format 4"), "{error}");
        assert!(matches!(refusal("{\"format\": 0}\n"), StateError::NotState { .. }));
        assert!(matches!(refusal("{}\n"), StateError::NotState { .. }));
    }

    /// Earlier versions refuse what was handed over, for they would change it, and read all the rest.
    #[test]
    fn only_what_was_handed_over_has_the_newest_format() {
        let state = example();
        assert!(state.text().starts_with("{\n  \"format\": 2,\n  \"lineage\""), "{}", state.text());
        let handed_over = State { handed_over: true, ..state.clone() };
        let text = handed_over.text();
        assert!(text.starts_with("{\n  \"format\": 3,\n  \"handed_over\": true,\n  \"lineage\""), "{text}");
        let read = parse(&text).expect("a state");
        assert_eq!(read, handed_over);
        assert_eq!(State { handed_over: false, ..read }, state);
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        let error = refusal(&example().text().replace("\"protect\": true", "\"protect\": yes"));
        let StateError::NotJson { line, .. } = error else { panic!("{error}") };
        assert_eq!(example().text().lines().nth(line - 1).unwrap().trim(), "\"protect\": true,");
        let error = refusal(&example().text().replace("\"protect\": true", "\"protect\": 1"));
        assert!(matches!(error, StateError::NotState { .. }), "{error}");
        let error = refusal(&example().text().replace("  \"serial\"", "<<<<<<< HEAD\n  \"serial\""));
        assert!(matches!(error, StateError::Conflict { line: 4, .. }), "{error}");
        let error = State::parse(Path::new("social.json"), b"{\n \xff}\n").unwrap_err();
        assert!(matches!(error, StateError::NotJson { line: 2, column: 2, .. }), "{error}");
    }

    #[test]
    fn what_does_not_fit_together_is_neither_written_nor_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.json");
        let mut state = example();
        state.lookups.clear();
        assert!(matches!(state.write(&path), Err(StateError::Dangling { .. })));
        assert!(matches!(parse(&state.text()), Err(StateError::Dangling { .. })));

        let mut state = example();
        let row = state.rows[&"rds.cluster.database".parse::<Address>().unwrap()].clone();
        state.rows.insert(
            "rds.cluster.copy".parse().unwrap(),
            Row { identity: row.replaced.first().cloned(), replaced: Vec::new(), ..row.clone() },
        );
        assert!(matches!(state.write(&path), Err(StateError::Twice { .. })));
        let elsewhere = Row { region: "us-east-1".to_owned(), ..row };
        state.rows.insert("rds.cluster.copy".parse().unwrap(), elsewhere);
        state.write(&path).unwrap();
    }

    #[test]
    fn a_row_has_only_so_many_leftovers() {
        let mut state = example();
        let address: Address = "rds.cluster.database".parse().unwrap();
        let mut leave = |count: usize| {
            let left = (0..count).map(|number| Identity::new(format!("old-{number}"))).collect();
            state.rows.get_mut(&address).unwrap().replaced = left;
            state.text()
        };
        parse(&leave(64)).unwrap();
        let error = refusal(&leave(65));
        assert_eq!(
            error.to_string(),
            "social.json: rds.cluster.database has 65 objects that are still to be deleted, and a resource has at most 64"
        );
        assert_eq!(error.code(), "state-inconsistent");
    }

    #[test]
    fn what_json_cannot_hold_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.json");
        example().write(&path).unwrap();
        let mut state = example();
        state.lookups.insert("a.b.c".parse().unwrap(), Value::Number(f64::NAN));
        assert!(matches!(state.write(&path), Err(StateError::Unfaithful { .. })));
        assert_eq!(State::read(&path).unwrap().unwrap(), example());
    }

    #[cfg(unix)]
    #[test]
    fn the_same_content_is_not_written_again() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.json");
        let mut state = example();
        state.write(&path).unwrap();
        let before = fs_err::metadata(&path).unwrap().ino();
        state.write(&path).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().ino(), before);
        state.advance();
        state.write(&path).unwrap();
        assert_ne!(fs_err::metadata(&path).unwrap().ino(), before);
    }

    #[test]
    fn a_linked_state_is_neither_read_nor_written() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("real")).unwrap();
        let (link, real) = (folder.path().join("social.json"), folder.path().join("real/social.json"));
        fs_err::os::unix::fs::symlink("real/social.json", &link).unwrap();
        let state = example();
        state.write(&real).unwrap();
        let mut next = state.clone();
        next.advance();
        let aside = folder.path().join("social.json.backup");
        let refused = [
            State::read(&link).map(drop),
            next.write(&link).map(drop),
            State::back_up(&link, &aside),
            State::back_up(&real, &link),
        ];
        for error in refused.map(Result::unwrap_err) {
            let StateError::Io { source, .. } = &error else { panic!("{error}") };
            assert!(matches!(file::Refused::of(source), Some(file::Refused::Link { .. })), "{source}");
        }
        assert!(fs_err::symlink_metadata(&link).unwrap().is_symlink() && !aside.exists());
        assert_eq!(State::read(&real).unwrap().unwrap(), state);
    }

    #[test]
    fn a_failing_write_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/social.json");
        let error = example().write(&missing).unwrap_err();
        assert!(error.to_string().ends_with("missing/social.json"), "{error}");
        let occupied = folder.path().join("social.json");
        fs_err::create_dir(&occupied).unwrap();
        fs_err::write(occupied.join("inside"), "x").unwrap();
        assert!(matches!(example().write(&occupied), Err(StateError::Io { .. })));
        assert!(occupied.join("inside").exists());
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failing_read_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.json");
        fs_err::write(&path, "{\"format\": 1,").unwrap();
        assert!(State::read(&path).is_err());
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "{\"format\": 1,");
    }

    #[test]
    fn the_backup_is_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("social.json"), folder.path().join("social.json.backup"));
        State::back_up(&path, &backup).unwrap();
        assert!(!backup.exists());
        let mut state = example();
        state.write(&path).unwrap();
        State::back_up(&path, &backup).unwrap();
        state.advance();
        state.write(&path).unwrap();
        assert_eq!(State::read(&backup).unwrap().unwrap(), example());
    }

    #[test]
    fn a_successor_names_its_parent() {
        let mut state = example();
        let parent = state.digest();
        state.advance();
        assert_eq!((state.serial, state.parent), (2, Some(parent)));
    }

    #[test]
    fn recorded_is_inputs_and_facts() {
        let row = &example().rows[&"rds.cluster.database".parse::<Address>().unwrap()];
        let recorded = row.recorded();
        assert_eq!(recorded.get("serverless_v2").unwrap().to_string(), r#"{"max": 2, "min": 0.5, "seconds": 300}"#);
        assert_eq!(recorded.get("engine_version"), Some(&Value::from("17")));
    }
}
