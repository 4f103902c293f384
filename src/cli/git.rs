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

/// Everything that a checkout has brought along: the topmost folder of the one that a folder is in, or the folder itself.
pub(super) fn checkout(folder: &Path) -> std::io::Result<PathBuf> {
    match Repository::around(folder)? {
        Some(repository) => Ok(repository.top().to_owned()),
        None => Ok(fs_err::canonicalize(folder)?),
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

    /// A careless git runs a program for each of three questions; ours runs none, whatever it is asked.
    #[test]
    fn what_a_repository_configures_is_not_run() {
        use std::io::Write;
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a folder");
        let top = fs_err::canonicalize(folder.path()).expect("there");
        let (project, canary, mark) = (top.join("project"), top.join("canary"), top.join("sung"));
        fs_err::create_dir(&project).expect("made");
        fs_err::write(&canary, format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\n", mark.display())).expect("written");
        fs_err::set_permissions(&canary, std::fs::Permissions::from_mode(0o755)).expect("runs");
        let careless = |words: &[&str], input: &str| -> String {
            let mut command = Command::new("git");
            command.args(words).current_dir(&project).env("HOME", &top).env("GIT_CONFIG_NOSYSTEM", "1");
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut child = command.spawn().expect("there is git");
            child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("fed");
            String::from_utf8(child.wait_with_output().expect("it ends").stdout).expect("text").trim_end().to_owned()
        };
        careless(&["init", "-q", "-b", "main"], "");
        // The tree names a file of which the content is not there.
        let missing = careless(&["hash-object", "--stdin"], "somewhere else");
        let tree = careless(&["mktree", "--missing"], &format!("100644 blob {missing}\tsocial.json\n"));
        let person = "Ada <ada@example.org> 1700000000 +0000";
        let signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n";
        let commit = format!("tree {tree}\nauthor {person}\ncommitter {person}\n{signature}\nstate\n");
        let commit = careless(&["hash-object", "-t", "commit", "-w", "--stdin"], &commit);
        careless(&["update-ref", "refs/heads/main", &commit], "");
        let program = canary.display();
        let configuration = format!(
            "[core]\n\trepositoryformatversion = 1\n\tfsmonitor = {program}\n[extensions]\n\tpartialClone = origin\n\
             [log]\n\tshowSignature = true\n[gpg]\n\tprogram = {program}\n[protocol]\n\tallow = always\n\
             [remote \"origin\"]\n\turl = ext::{program}\n\tpromisor = true\n"
        );
        let path = project.join(".git/config");
        let honest = fs_err::read_to_string(&path).expect("there");
        fs_err::write(&path, honest + &configuration).expect("written");
        let search = variable("PATH").unwrap_or_else(|| USUAL.to_owned());
        let git =
            Git { program: super::program("git", &search, &project).expect("there is git"), folder: project.clone() };
        for words in [&["log", "-1"][..], &["status"], &["cat-file", "blob", &missing]] {
            careless(words, "");
            assert!(mark.exists(), "a careless git would run it for {words:?}");
            fs_err::remove_file(&mark).expect("removed");
            git.ask(words);
            assert!(!mark.exists(), "{words:?}: {}", fs_err::read_to_string(&mark).unwrap_or_default());
        }
        assert_eq!(git.versions("social.json"), []);
        assert!(!mark.exists());
    }

    /// A project is often a folder of a checkout, and its neighbours come from the same stranger.
    #[test]
    fn a_program_beside_the_project_is_part_of_the_checkout() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = fs_err::canonicalize(folder.path()).expect("there");
        let project = top.join("deploy/eu");
        fs_err::create_dir_all(&project).expect("made");
        assert_eq!(checkout(&project).expect("a folder"), project);
        fs_err::create_dir(top.join(".git")).expect("made");
        fs_err::write(top.join(".git/HEAD"), "ref: refs/heads/main").expect("written");
        assert_eq!(checkout(&project).expect("a checkout"), top);
    }

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
