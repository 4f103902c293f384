//! What the program remembers between two runs: the state file, the journal of what it is doing, and the lock.
//!
//! | file | in git | holds |
//! | --- | --- | --- |
//! | `<name>.json` | yes | [`State`]: what exists and with which attributes, as of the last checkpoint |
//! | `<name>.history.jsonl` | yes | [`history`]: when something was done, by whom, how long it took |
//! | `<name>.journal` | no | [`Journal`]: what was begun and finished since then |
//! | `<name>.lock` | no | [`Lock`]: who is at work right now |
//! | `<name>.json.backup` | no | the state as it was before the last command that changed something |
//!
//! This module owns these files: nothing else in the program reads or writes them. It knows nothing of clouds or
//! plans; ids, names and times come from its callers.
//!
//! # Guarantees
//!
//! - At every moment, also after a crash or a power cut, the state file is a whole one: the old or the new.
//! - A file that was cut off, edited, merged or written by a newer program is refused, with the place and a way out.
//!   A failing read never touches it.
//! - The same content is the same bytes. No time stamp, no secret (the types cannot hold one).
//! - What was recorded in the journal is on the disk when [`Journal::flush`] returns.
//! - One command at a time per instance and folder; the lock of a process that died is free.
//!
//! # Assumptions
//!
//! - Whoever writes holds the [`Lock`].
//! - The folder is on a local file system, where renaming is atomic and locks are kept by the kernel.

mod dependents;
mod file;
mod follow;
pub mod history;
pub mod journal;
mod ledger;
mod lock;
pub mod repository;

use std::io;
use std::path::{Path, PathBuf};

use crate::file::{make_folder, replace};

pub use dependents::Dependents;
pub use file::{FORMAT, Prepared, Row, State, StateError, Status, was_not_run};
pub use journal::{
    Entry, IllegalTransition, Intent, Journal, JournalError, Made, OtherState, Progress, Reading, Record, Torn, Verb,
    fold, held,
};
pub use ledger::{Ledger, LedgerError, Moment, Watch, Write};
pub use lock::{Holder, Lock, LockError};
use repository::Repository;

/// Where the files of one instance are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    folder: PathBuf,
    instance: String,
}

/// The folder of the simulated cloud, in the folder of states.
pub const SANDBOX: &str = "sandbox";

fn write_if_missing(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs_err::symlink_metadata(path) {
        Ok(_) => Ok(()),
        Err(_) => replace(path, content),
    }
}

impl Paths {
    /// The files of `instance` in `folder`. The name is one that the configuration has accepted: a plain file name.
    pub fn new(folder: impl Into<PathBuf>, instance: impl Into<String>) -> Self {
        Self { folder: folder.into(), instance: instance.into() }
    }

    /// The folder all files are in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files of the same instance in the sandbox beside these.
    #[must_use]
    pub fn in_sandbox(&self) -> Self {
        Self { folder: self.folder.join(SANDBOX), instance: self.instance.clone() }
    }

    /// `<name>.json`
    pub fn state(&self) -> PathBuf {
        self.file("json")
    }

    /// `<name>.journal`
    pub fn journal(&self) -> PathBuf {
        self.file("journal")
    }

    /// `<name>.lock`
    pub fn lock(&self) -> PathBuf {
        self.file("lock")
    }

    /// `<name>.json.backup`
    pub fn backup(&self) -> PathBuf {
        self.file("json.backup")
    }

    /// Makes the folder if it is missing, and in it, if these are missing, a `.gitignore` for what does not belong in
    /// git, and `.gitattributes` by which git keeps the lines of both sides where two branches have a history.
    pub fn make_folder(&self) -> io::Result<()> {
        if !self.folder.is_dir() {
            make_folder(&self.folder)?;
        }
        let files: [(&str, &[u8]); 2] = [
            (".gitignore", include_bytes!("../../state/.gitignore")),
            (".gitattributes", include_bytes!("../../state/.gitattributes")),
        ];
        for (name, content) in files {
            write_if_missing(&self.folder.join(name), content)?;
        }
        // What is tried out belongs in nobody's git, and the folder above says so.
        if self.folder.ends_with(SANDBOX)
            && let Some(above) = self.folder.parent()
        {
            write_if_missing(&above.join(".gitignore"), include_bytes!("../../state/.gitignore"))?;
        }
        Ok(())
    }

    /// Refuses a journal, a lock and a backup that git tracks: each says what one machine has begun or had, and must not
    /// come with a checkout. To be called before any of them is read.
    ///
    /// # Errors
    ///
    /// `Tracked`, and `Untold` where git's index cannot be read.
    pub fn refuse_tracked(&self) -> Result<(), StateError> {
        let own = [self.journal(), self.lock(), self.backup()];
        let there: Vec<&Path> =
            own.iter().map(PathBuf::as_path).filter(|path| fs_err::symlink_metadata(path).is_ok()).collect();
        match self.tracked(&there)?.first() {
            None => Ok(()),
            Some(path) => Err(StateError::Tracked { path: (*path).to_owned() }),
        }
    }

    fn tracked<'path>(&self, paths: &[&'path Path]) -> Result<Vec<&'path Path>, StateError> {
        let Some(path) = paths.first() else { return Ok(Vec::new()) };
        let found = Repository::around(&self.folder).and_then(|repository| match repository {
            Some(repository) => repository.tracked(paths),
            None => Ok(Vec::new()),
        });
        found.map_err(|source| StateError::Untold { path: (*path).to_owned(), source })
    }

    /// Refuses to go on without a state file where there must have been one: a backup, a history or git knows of it. A
    /// history that ends with a complete destroy is over.
    ///
    /// # Errors
    ///
    /// `Lost`, and as [`Paths::refuse_tracked`].
    pub fn refuse_lost(&self) -> Result<(), StateError> {
        let path = self.state();
        if fs_err::symlink_metadata(&path).is_ok() {
            return Ok(());
        }
        let history =
            history::read(self).map_err(|source| StateError::Io { action: "read", path: self.history(), source })?;
        if history.last().is_some_and(history::Entry::is_the_end) {
            return Ok(());
        }
        let mut traces = Vec::new();
        let mut remains = Vec::new();
        if self.backup().exists() {
            traces.push("a backup of it".to_owned());
            remains.push(self.backup());
        }
        if let Some(serial) = history.iter().map(|entry| entry.serial).max() {
            traces.push(format!("a history up to serial {serial}"));
            remains.push(self.history());
        }
        if !self.tracked(&[&path])?.is_empty() {
            traces.push("a version in git".to_owned());
            remains.push(path.clone());
        }
        if traces.is_empty() {
            return Ok(());
        }
        Err(StateError::Lost { path, traces: traces.join(" and "), remains, instance: self.instance.clone() })
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.instance))
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    base16ct::lower::encode_string(&sha2::Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_an_instance_stand_side_by_side() {
        let paths = Paths::new("state", "social");
        assert_eq!(paths.state(), Path::new("state/social.json"));
        assert_eq!(paths.journal(), Path::new("state/social.journal"));
        assert_eq!(paths.lock(), Path::new("state/social.lock"));
        assert_eq!(paths.backup(), Path::new("state/social.json.backup"));
    }
}
