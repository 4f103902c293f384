//! Packages of npm, installed once under `target/`, as [`python`](super::python) does it for Python.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder in which the packages of `package` (the text of a `package.json`) are, installed if they are not there yet.
/// `None`: there is no npm, and these tests can do without.
pub fn modules(name: &str, package: &str) -> Option<PathBuf> {
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !is_there("npm") || !is_there("node") {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    package.hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{:016x}", hasher.finish()));
    fs_err::create_dir_all(&folder).unwrap();
    let lock = fs_err::OpenOptions::new().create(true).append(true).open(folder.join("lock")).unwrap();
    let (lock, _) = lock.into_parts();
    lock.lock().unwrap();
    let complete = folder.join("complete");
    if !complete.exists() {
        fs_err::write(folder.join("package.json"), package).unwrap();
        let output = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&folder)
            .output()
            .unwrap();
        let talk = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "npm install failed, and these tests cannot run without it:\n{talk}");
        fs_err::write(&complete, "").unwrap();
    }
    Some(folder)
}
