//! What git tracks, read from its index without running git.
//!
//! Commands that only look run no program, since a checkout can bring along configuration that git would obey. The index
//! is a list of names behind a small header, in formats 2 to 4; only the names are read.
//!
//! # Guarantees
//!
//! - No program is run, and nothing but the index and the file `.git` of a linked checkout is read.
//! - An index that cannot be read is an error, never an empty list.
//! - Names are compared without regard to the case of ASCII letters: some file systems do not tell them apart.
//!
//! # Assumptions
//!
//! - The repository is the one around the folder: `GIT_DIR` and `GIT_INDEX_FILE` are not looked at.
//! - A name that a split index has dropped since its last rewrite still counts as tracked.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::file;

/// The largest index that is read. In bytes.
const LARGEST: u64 = 256 << 20;

/// The largest file `.git` that is read. In bytes.
const LARGEST_LINK: u64 = 1 << 16;

/// The lengths of SHA-1 and SHA-256 in bytes. The index does not say which one it uses.
const HASHES: [usize; 2] = [20, 32];

/// A checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its topmost folder.
    top: PathBuf,
    /// Where git keeps the index.
    git: PathBuf,
    /// A folder on the way to the top may be a repository itself, without being a checkout.
    hides_another: bool,
}

impl Repository {
    /// The checkout that a folder, which need not exist, is in.
    ///
    /// # Errors
    ///
    /// The folder or a file `.git` cannot be read.
    pub fn around(folder: &Path) -> io::Result<Option<Self>> {
        let mut hides_another = false;
        for top in real(folder)?.ancestors() {
            let entry = top.join(".git");
            if entry.is_dir() && file::is_there(&entry.join("HEAD"))? {
                // No checkout brings `.git` along, so it may be a link to wherever its owner keeps it.
                let git = fs_err::canonicalize(&entry)?;
                return Ok(Some(Self { top: top.to_owned(), git, hides_another }));
            }
            if entry.is_file() {
                let text = file::read_text(&entry, LARGEST_LINK)?;
                if let Some(target) = text.strip_prefix("gitdir: ") {
                    let git = top.join(target.trim_end_matches(['\n', '\r']));
                    return Ok(Some(Self { top: top.to_owned(), git, hides_another }));
                }
            }
            // A repository has a `HEAD`, whatever else it has: objects and references may be elsewhere, and `HEAD` itself a
            // link to a branch without a commit.
            hides_another |= file::is_there(&top.join("HEAD"))?;
        }
        Ok(None)
    }

    /// Whether git, run in the folder, would take another repository for this one: a bare one in the checkout.
    pub fn hides_another(&self) -> bool {
        self.hides_another
    }

    /// The topmost folder of the checkout.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Which of `paths` are tracked.
    ///
    /// # Errors
    ///
    /// The index cannot be read.
    pub fn tracked<'path>(&self, paths: &[&'path Path]) -> io::Result<Vec<&'path Path>> {
        let mut open: Vec<(Vec<u8>, &Path)> = Vec::new();
        for path in paths {
            let folder = real(file::folder_of(path))?;
            if let (Ok(inside), Some(name)) = (folder.strip_prefix(&self.top), path.file_name()) {
                open.push((git_name(&inside.join(name)), path));
            }
        }
        let mut found = Vec::new();
        self.each_name("index", &mut |name| {
            open.retain(|(wanted, path)| {
                let is_tracked = wanted.eq_ignore_ascii_case(name);
                if is_tracked {
                    found.push(*path);
                }
                !is_tracked
            });
        })?;
        Ok(found)
    }

    /// Calls `visit` with every name in an index, and in the shared index it goes on from.
    fn each_name(&self, index: &str, visit: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let path = self.git.join(index);
        let bytes = match file::read(&path, LARGEST) {
            Ok(bytes) => bytes,
            // Nothing was ever added.
            Err(error) if error.kind() == io::ErrorKind::NotFound && index == "index" => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut problem = "it is empty";
        for hash in HASHES {
            match Index::parse(&bytes, hash) {
                Ok(read) => {
                    read.names.iter().for_each(|name| visit(name));
                    return match read.shared {
                        Some(_) if index != "index" => Err(damaged(&path, "a shared index goes on from another")),
                        Some(shared) => self.each_name(&format!("sharedindex.{shared}"), visit),
                        None => Ok(()),
                    };
                }
                Err(found) => problem = found,
            }
        }
        Err(damaged(&path, problem))
    }
}

fn damaged(path: &Path, problem: &str) -> io::Error {
    let message = format!("{} is not an index that can be read: {problem}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Where a path leads, whether or not its end exists.
fn real(path: &Path) -> io::Result<PathBuf> {
    match fs_err::canonicalize(file::openable(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(real(parent)?.join(name)),
            _ => Err(error),
        },
        other => other,
    }
}

/// A path below the top as git spells it.
fn git_name(path: &Path) -> Vec<u8> {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.as_encoded_bytes()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join(&b'/')
}

/// What is wanted of an index.
#[derive(Debug, PartialEq, Eq)]
struct Index {
    names: Vec<Vec<u8>>,
    /// The checksum of the shared index it goes on from, in hexadecimal.
    shared: Option<String>,
}

impl Index {
    /// Reads an index whose hashes have so many bytes.
    fn parse(bytes: &[u8], hash: usize) -> Result<Self, &'static str> {
        const CUT: &str = "it is cut off";
        /// Times, device, inode, mode, owner and size.
        const FACTS: usize = 40;
        const FLAGS: usize = 2;
        /// Another two bytes of flags follow.
        const EXTENDED: u16 = 0x4000;
        let number = |at: usize| -> Result<u32, &'static str> {
            let four = bytes.get(at..at + 4).and_then(|four| <[u8; 4]>::try_from(four).ok());
            four.map(u32::from_be_bytes).ok_or(CUT)
        };
        if bytes.get(..4) != Some(b"DIRC") {
            return Err("it does not begin as one");
        }
        let version = number(4)?;
        if !(2..=4).contains(&version) {
            return Err("it has a newer format");
        }
        let count = number(8)?;
        // The checksum of all the rest.
        let end = bytes.len().checked_sub(hash).ok_or(CUT)?;
        let mut at = 12;
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut last: Vec<u8> = Vec::new();
        for _ in 0..count {
            let start = at;
            let flags_at = start + FACTS + hash;
            let flags =
                bytes.get(flags_at..flags_at + FLAGS).and_then(|two| <[u8; 2]>::try_from(two).ok()).ok_or(CUT)?;
            at = flags_at + FLAGS;
            if u16::from_be_bytes(flags) & EXTENDED != 0 && version > 2 {
                at += FLAGS;
            }
            let mut name = Vec::new();
            if version == 4 {
                let kept = last.len().checked_sub(varint(bytes, &mut at).ok_or(CUT)?).ok_or("a name does not fit")?;
                name.extend_from_slice(last.get(..kept).unwrap_or_default());
            }
            let rest = bytes.get(at..end).ok_or(CUT)?;
            let length = rest.iter().position(|byte| *byte == 0).ok_or(CUT)?;
            name.extend_from_slice(rest.get(..length).unwrap_or_default());
            // In a split index, entries that replace others have no name.
            if !name.is_empty() && name < last {
                return Err("its names are not in order");
            }
            at = if version == 4 { at + length + 1 } else { start + ((at - start + length + 8) & !7) };
            if !name.is_empty() {
                names.push(name.clone());
                last = name;
            }
        }
        if at > end {
            return Err(CUT);
        }
        let mut shared = None;
        while at + 8 <= end {
            let size = usize::try_from(number(at + 4)?).map_err(|_| CUT)?;
            let content = bytes.get(at + 8..end).and_then(|rest| rest.get(..size)).ok_or(CUT)?;
            if bytes.get(at..at + 4) == Some(b"link") {
                let checksum = content.get(..hash).ok_or(CUT)?;
                if checksum.iter().any(|byte| *byte != 0) {
                    shared = Some(base16ct::lower::encode_string(checksum));
                }
            }
            at += 8 + size;
        }
        if at == end { Ok(Self { names, shared }) } else { Err(CUT) }
    }
}

/// A number in seven bits per byte, in git's own way.
fn varint(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut next = || {
        let byte = usize::from(*bytes.get(*at)?);
        *at += 1;
        Some(byte)
    };
    let mut byte = next()?;
    let mut value = byte & 0x7f;
    while byte & 0x80 != 0 {
        byte = next()?;
        value = value.checked_add(1)?.checked_mul(0x80)?.checked_add(byte & 0x7f)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, words: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=x", "-c", "user.email=x"]).args(words).current_dir(folder);
        let output = command.env("GIT_CONFIG_GLOBAL", "/dev/null").output().expect("git");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A checkout with tracked files in it, of which one has a long name.
    fn checkout(init: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        git(folder.path(), &[&["init", "-q"], init].concat());
        for name in ["a.toml", "state/social.json", "state/social.lock", "state/z.json", "z"] {
            let path = folder.path().join(name);
            fs_err::create_dir_all(file::folder_of(&path)).expect("made");
            fs_err::write(&path, name).expect("written");
        }
        fs_err::write(folder.path().join("state").join("n".repeat(250)), "x").expect("written");
        git(folder.path(), &["add", "."]);
        fs_err::write(folder.path().join("state/social.journal"), "x").expect("written");
        folder
    }

    fn tracked(folder: &Path) -> Vec<String> {
        let repository = Repository::around(&folder.join("state")).expect("readable").expect("a checkout");
        let paths = ["social.json", "social.lock", "social.journal", "SOCIAL.LOCK"];
        let paths: Vec<PathBuf> = paths.iter().map(|name| folder.join("state").join(name)).collect();
        let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
        let found = repository.tracked(&paths).expect("readable");
        found.iter().map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn every_format_of_the_index_tells_what_is_tracked() {
        let expected = ["social.json", "social.lock", "SOCIAL.LOCK"];
        for init in [&[][..], &["--object-format=sha256"]] {
            let folder = checkout(init);
            for version in ["2", "3", "4"] {
                // Only an entry with extended flags makes git write format 3.
                git(folder.path(), &["add", "-N", "state/social.journal"]);
                git(folder.path(), &["rm", "-q", "--cached", "state/social.journal"]);
                git(folder.path(), &["update-index", "--index-version", version]);
                assert_eq!(tracked(folder.path()), expected, "{init:?} {version}");
            }
            fs_err::write(folder.path().join("later"), "x").expect("written");
            git(folder.path(), &["add", "-N", "later"]);
            assert_eq!(tracked(folder.path()), expected, "{init:?}, an entry that is only announced");
            git(folder.path(), &["update-index", "--split-index"]);
            fs_err::write(folder.path().join("last"), "x").expect("written");
            git(folder.path(), &["add", "last", "z"]);
            assert_eq!(tracked(folder.path()), expected, "{init:?}, a split index");
        }
    }

    #[test]
    fn a_linked_checkout_has_an_index_of_its_own() {
        let folder = checkout(&[]);
        git(folder.path(), &["commit", "-q", "-m", "x"]);
        let linked = folder.path().join("linked");
        git(folder.path(), &["worktree", "add", "-q", "linked"]);
        assert_eq!(tracked(&linked), ["social.json", "social.lock", "SOCIAL.LOCK"]);
    }

    #[test]
    fn a_bare_repository_in_the_checkout_hides_nothing() {
        let head = "ref: refs/heads/main\n";
        let forms: [&dyn Fn(&Path); 3] = [
            &|state| {
                for name in ["objects", "refs"] {
                    fs_err::create_dir(state.join(name)).unwrap();
                }
                fs_err::write(state.join("HEAD"), head).unwrap();
            },
            // Objects and references are elsewhere.
            &|state| {
                fs_err::write(state.join("HEAD"), head).unwrap();
                fs_err::write(state.join("commondir"), "../elsewhere\n").unwrap();
            },
            // It stands on a branch that does not exist.
            &|state| {
                for name in ["objects", "refs"] {
                    fs_err::create_dir(state.join(name)).unwrap();
                }
                fs_err::os::unix::fs::symlink("refs/heads/main", state.join("HEAD")).unwrap();
            },
        ];
        for (number, make) in forms.iter().enumerate() {
            let folder = checkout(&[]);
            let state = folder.path().join("state");
            assert!(!Repository::around(&state).unwrap().unwrap().hides_another());
            make(&state);
            assert!(Repository::around(&state).unwrap().unwrap().hides_another(), "{number}");
            assert!(Repository::around(&state.join("deeper")).unwrap().unwrap().hides_another(), "{number}");
            assert_eq!(tracked(folder.path()).len(), 3);
        }
    }

    #[test]
    fn a_folder_that_does_not_exist_is_in_the_checkout_too() {
        let folder = checkout(&[]);
        fs_err::remove_dir_all(folder.path().join("state")).unwrap();
        assert_eq!(tracked(folder.path()).len(), 3);
    }

    #[test]
    fn an_index_cut_off_anywhere_or_of_a_newer_format_is_an_error() {
        let folder = checkout(&[]);
        let index = folder.path().join(".git/index");
        for version in ["2", "4"] {
            git(folder.path(), &["update-index", "--index-version", version]);
            let whole = fs_err::read(&index).unwrap();
            let hash = HASHES[0];
            assert_eq!(Index::parse(&whole, hash).unwrap().names.len(), 6);
            for length in 0..whole.len() {
                for hash in HASHES {
                    assert!(Index::parse(&whole[..length], hash).is_err(), "{version}: {length}");
                }
            }
        }
        fs_err::write(&index, b"DIRC\0\0\0\x05\0\0\0\0").unwrap();
        let repository = Repository::around(folder.path()).unwrap().unwrap();
        let error = repository.tracked(&[&folder.path().join("a.toml")]).unwrap_err().to_string();
        assert!(error.ends_with("is not an index that can be read: it has a newer format"), "{error}");
        fs_err::remove_file(&index).unwrap();
        assert!(repository.tracked(&[&folder.path().join("a.toml")]).unwrap().is_empty());
    }
}
