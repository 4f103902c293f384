//! git, run so that a repository cannot make it run anything else.
//!
//! A checkout may hold a bare repository as plain files, with configuration of its own, and one that was unpacked from an
//! archive has configuration and hooks from elsewhere. So git is asked for facts and contents by its plumbing, with
//! every setting that names a program overridden. Commands that only look do not run git at all: they read the index, in
//! [`crate::state::repository`].
//!
//! # Guarantees
//!
//! - No hook, filter, pager, alias, signature check, file system monitor or transport of a repository is run.
//! - A bare repository inside of the checkout is never used: git is not run beside one, whatever its version.
//! - Only a git outside of the checkout is run, from a folder of `PATH` with an absolute path.
//! - Nothing is written into the repository, and nothing is fetched.
//! - Answers are cut off at a limit.
//!
//! # Assumptions
//!
//! - The user's own configuration, outside of the repository, is trusted.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ui::variable;
use crate::file;
use crate::state::repository::Repository;

/// Settings that name programs, or lead to some; each with a value that names none.
const HARMLESS: [&str; 18] = [
    "safe.bareRepository=explicit",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.pager=cat",
    "core.editor=false",
    "core.askPass=false",
    "core.sshCommand=false",
    "core.gitProxy=false",
    "core.alternateRefsCommand=false",
    "credential.helper=",
    "diff.external=",
    "gpg.program=false",
    "gpg.ssh.program=false",
    "gpg.x509.program=false",
    "log.showSignature=false",
    "protocol.allow=never",
    "uploadpack.packObjectsHook=",
];

/// What the environment says to git.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("GIT_NO_LAZY_FETCH", "1"),
    // A list of transports that may be used, whatever a repository says: there is none of this name.
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("LC_ALL", "C"),
];

/// Variables of git that only say where the user's own configuration is.
const KEPT: [&str; 3] = ["GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"];

/// Where programs are without a search path.
pub(super) const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";

/// How many versions of a file are looked at.
const VERSIONS: &str = "--max-count=30";

/// git in a folder of a checkout.
pub struct Git {
    program: PathBuf,
    folder: PathBuf,
}

impl Git {
    /// git for the checkout that a folder is in. `None`: there is no checkout, no git, or none that is safe to run.
    pub fn around(folder: &Path) -> Option<Self> {
        let repository = Repository::around(folder).ok()??;
        if repository.hides_another() {
            return None;
        }
        let search = variable("PATH").unwrap_or_else(|| USUAL.to_owned());
        let program = program("git", &search, repository.top())?;
        Some(Self { program, folder: file::openable(folder).to_owned() })
    }

    /// Runs a command of git's plumbing. `None`: it failed, or has too much to say.
    fn ask(&self, words: &[&str]) -> Option<Vec<u8>> {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let is_kept = KEPT.iter().any(|kept| name == *kept);
            if name.as_encoded_bytes().starts_with(b"GIT_") && !is_kept {
                command.env_remove(name);
            }
        }
        command.envs(ENVIRONMENT).args(["--no-pager", "--literal-pathspecs"]);
        for setting in HARMLESS {
            command.args(["-c", setting]);
        }
        let mut child = command.args(words).spawn().ok()?;
        let mut answer = Vec::new();
        let read = child.stdout.take()?.take(file::RECORDS + 1).read_to_end(&mut answer);
        let is_whole = read.is_ok() && answer.len() as u64 <= file::RECORDS;
        if !is_whole {
            // It may have ended by itself already.
            let _ = child.kill();
        }
        (child.wait().ok()?.success() && is_whole).then_some(answer)
    }

    /// A setting, as the user or the repository has it.
    pub fn setting(&self, key: &str) -> Option<String> {
        let answer = self.ask(&["config", "--get", key])?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The versions of a file in the folder, newest first, each with its commit and its day.
    pub fn versions(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let Some(commits) = self.ask(&["rev-list", VERSIONS, "--format=%h %cs", "HEAD", "--", name]) else {
            return Vec::new();
        };
        let commits = String::from_utf8_lossy(&commits).into_owned();
        let lines = commits.lines().filter(|line| !line.starts_with("commit "));
        let of_line = |line: &str| {
            let (hash, _) = line.split_once(' ')?;
            Some((line.to_owned(), self.ask(&["cat-file", "blob", &format!("{hash}:./{name}")])?))
        };
        lines.filter_map(of_line).collect()
    }
}

/// The first program of this name on a search path that does not lie in the checkout.
pub(super) fn program(name: &str, search: &str, checkout: &Path) -> Option<PathBuf> {
    let folders = std::env::split_paths(search).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(name)).find(|program| {
        let there = fs_err::canonicalize(program);
        there.is_ok_and(|there| there.is_file() && !there.starts_with(checkout)) && !program.starts_with(checkout)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_in_the_checkout_is_not_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = fs_err::canonicalize(folder.path()).expect("there");
        let (inside, outside) = (top.join("project"), top.join("bin"));
        for folder in [&inside, &outside] {
            fs_err::create_dir(folder).expect("made");
        }
        fs_err::write(inside.join("git"), "").expect("written");
        let search = |folders: &[&Path]| {
            let path = std::env::join_paths(folders).expect("a search path");
            program("git", &path.to_string_lossy(), &inside)
        };
        assert_eq!(search(&[&inside, Path::new(""), Path::new("."), Path::new("project"), &outside]), None);
        fs_err::os::unix::fs::symlink(inside.join("git"), outside.join("git")).expect("linked");
        assert_eq!(search(&[&outside]), None, "a link into the checkout");
        fs_err::remove_file(outside.join("git")).expect("removed");
        fs_err::write(outside.join("git"), "").expect("written");
        assert_eq!(search(&[&inside, &outside]), Some(outside.join("git")));
    }
}
