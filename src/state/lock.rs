//! The lock: one command at a time per instance and folder.
//!
//! Owns `<name>.lock`. The lock is the kernel's, on the open file; the text in the file only says who holds it. So a
//! lock cannot outlive its process: nobody ever has to remove one by hand.
//!
//! # Guarantees
//!
//! - Two live [`Lock`]s on one path never exist, between processes or within one.
//! - Whoever is refused learns who holds the lock and since when.
//! - The file is emptied, never deleted, on release: a file deleted under a waiting process would let two of them lock
//!   two different files of the same name. If somebody else deletes it, acquiring notices and starts again.
//!
//! # Assumptions
//!
//! - The file system keeps locks (local ones do). It guards one folder on one machine, not two machines with two
//!   checkouts: those meet in git.

use std::fs::TryLockError;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;
use crate::file::{self, Access};
use crate::inert::printable;

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    pub host: String,
    /// What it runs, for example `mastoform apply`.
    pub command: String,
    /// Since when, as people read it.
    pub started: String,
}

/// Why a lock was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else is at work; `None` if they have not said yet who they are.
    #[error("{}", held(path, holder.as_deref()))]
    Held { path: PathBuf, holder: Option<Box<Holder>> },
    #[error("cannot lock {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

fn held(path: &Path, holder: Option<&Holder>) -> String {
    let path = path.display();
    match holder {
        Some(Holder { pid, host, command, started }) => {
            format!("`{command}` is at work on this instance since {started} (process {pid} on {host}, {path})")
        }
        None => format!("another command is at work on this instance ({path})"),
    }
}

impl LockError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Held { .. } => {
                "wait until it has finished, or interrupt it with Ctrl-C; there is no lock to remove, it ends with its process"
            }
            Self::Io { .. } => "the folder must be writable and on a file system that keeps locks",
        }
    }
}

impl From<&LockError> for Diagnostic {
    fn from(error: &LockError) -> Self {
        Diagnostic::error("state-lock", error.to_string()).hint(error.hint())
    }
}

/// A held lock. Dropping it releases it.
#[derive(Debug)]
#[must_use = "the lock is released as soon as this is dropped"]
pub struct Lock {
    file: fs_err::File,
    abandoned: Option<Holder>,
}

impl Lock {
    /// Takes the lock at `path` or says who has it. Never waits.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] if somebody else has it, [`LockError::Io`] if the file cannot be opened, locked or written.
    pub fn acquire(path: &Path, holder: &Holder) -> Result<Self, LockError> {
        let error = |source| LockError::Io { path: path.to_owned(), source };
        loop {
            let mut file = file::open(path, Access::Update).map_err(error)?;
            match file.file().try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let holder = read_holder(&mut file).map(Box::new);
                    return Err(LockError::Held { path: path.to_owned(), holder });
                }
                Err(TryLockError::Error(source)) => return Err(error(source)),
            }
            // Between opening and locking, the file may have been deleted or replaced: then this locks nothing.
            if !is_file_at(&file, path).map_err(error)? {
                continue;
            }
            let abandoned = read_holder(&mut file);
            write_holder(&mut file, holder).map_err(error)?;
            return Ok(Self { file, abandoned });
        }
    }

    /// Who holds the lock at `path` right now; `None` if nobody does. Asks for nothing and keeps nobody waiting.
    ///
    /// # Errors
    ///
    /// [`LockError::Io`] if the file is there and cannot be asked.
    pub fn holder(path: &Path) -> Result<Option<Holder>, LockError> {
        let error = |source| LockError::Io { path: path.to_owned(), source };
        let mut file = match file::open(path, Access::Read) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(error(source)),
        };
        // Whoever holds it has written so; only then does asking the kernel say more. It is asked for a shared lock, and
        // for a moment only, so that those who just look never stand in each other's way.
        let Some(holder) = read_holder(&mut file) else { return Ok(None) };
        match file.file().try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(holder)),
            Err(TryLockError::Error(source)) => Err(error(source)),
        }
    }

    /// Who held the lock before and ended without releasing it: a crash, a power cut, a kill.
    pub fn abandoned(&self) -> Option<&Holder> {
        self.abandoned.as_ref()
    }
}

impl Drop for Lock {
    /// Releases the lock. Failures do not matter: the kernel releases it with the file.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.file().unlock();
    }
}

/// The longest text about a holder that is read. In bytes.
const LONGEST: u64 = 1 << 16;

/// Who the file says holds it; `None` while nobody does, or they are just writing it.
fn read_holder(file: &mut fs_err::File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    let Holder { pid, host, command, started } = serde_json::from_str(&text).ok()?;
    // Whoever can write the file can write anything into it.
    let inert = |text: String| printable(&text).into_owned();
    Some(Holder { pid, host: inert(host), command: inert(command), started: inert(started) })
}

fn write_holder(file: &mut fs_err::File, holder: &Holder) -> io::Result<()> {
    let mut text = serde_json::to_string(holder)?;
    text.push('\n');
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

/// Whether `path` still leads to the open `file`.
fn is_file_at(file: &fs_err::File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match fs_err::symlink_metadata(path) {
        Ok(there) => Ok((open.dev(), open.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(command: &str) -> Holder {
        Holder { pid: 4711, host: "laptop".into(), command: command.into(), started: "2025-01-02 03:04:05 UTC".into() }
    }

    #[test]
    fn the_second_is_told_about_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.lock");
        let first = Lock::acquire(&path, &holder("mastoform apply")).unwrap();
        let refused = Lock::acquire(&path, &holder("mastoform destroy")).unwrap_err();
        let message = refused.to_string();
        assert!(message.starts_with(
            "`mastoform apply` is at work on this instance since 2025-01-02 03:04:05 UTC (process 4711 on laptop, "
        ));
        assert!(message.contains("social.lock"));
        drop(first);
        let second = Lock::acquire(&path, &holder("mastoform destroy")).unwrap();
        assert_eq!(second.abandoned(), None);
    }

    #[test]
    fn looking_at_a_lock_tells_who_holds_it_and_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.lock");
        assert_eq!(Lock::holder(&path).unwrap(), None, "there is no file");
        let lock = Lock::acquire(&path, &holder("mastoform apply")).unwrap();
        assert_eq!(Lock::holder(&path).unwrap(), Some(holder("mastoform apply")));
        drop(lock);
        assert_eq!(Lock::holder(&path).unwrap(), None, "released");
        fs_err::write(&path, serde_json::to_string(&holder("mastoform apply")).unwrap()).unwrap();
        assert_eq!(Lock::holder(&path).unwrap(), None, "its holder is dead");
        drop(Lock::acquire(&path, &holder("mastoform plan")).unwrap());
    }

    #[test]
    fn release_empties_the_file_and_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.lock");
        drop(Lock::acquire(&path, &holder("mastoform apply")).unwrap());
        assert_eq!(fs_err::read(&path).unwrap(), b"");
    }

    #[test]
    fn the_lock_of_the_dead_is_free_and_names_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.lock");
        fs_err::write(&path, serde_json::to_string(&holder("mastoform apply")).unwrap()).unwrap();
        let lock = Lock::acquire(&path, &holder("mastoform plan")).unwrap();
        assert_eq!(lock.abandoned(), Some(&holder("mastoform apply")));
    }

    #[test]
    fn nonsense_in_the_file_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.lock");
        fs_err::write(&path, b"\xff not a holder").unwrap();
        let lock = Lock::acquire(&path, &holder("mastoform plan")).unwrap();
        assert_eq!(lock.abandoned(), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_deleted_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("social.lock");
        let file = fs_err::File::create(&path).unwrap();
        assert!(is_file_at(&file, &path).unwrap());
        fs_err::remove_file(&path).unwrap();
        assert!(!is_file_at(&file, &path).unwrap());
        fs_err::write(&path, "").unwrap();
        assert!(!is_file_at(&file, &path).unwrap());
    }

    #[test]
    fn a_missing_folder_is_an_error_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let error = Lock::acquire(&folder.path().join("missing/social.lock"), &holder("x")).unwrap_err();
        assert!(error.to_string().ends_with("missing/social.lock"), "{error}");
    }
}
