//! Virtual environments of Python, made once under `target/`.
//!
//! An environment is named after its requirements, so that a changed version makes a new one. Several test processes
//! may ask for the same one: a file lock lets one of them make it while the others wait. Without Python 3 the tests
//! fail; they are never passed over.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python of an environment that has `requirements` (the text of a requirements file), made if it is not there yet.
pub fn environment(name: &str, requirements: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    requirements.hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{:016x}", hasher.finish()));
    fs_err::create_dir_all(&folder).unwrap();
    let lock = fs_err::OpenOptions::new().create(true).append(true).open(folder.join("lock")).unwrap();
    let (lock, _) = lock.into_parts();
    lock.lock().unwrap();
    let environment = folder.join("environment");
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let complete = folder.join("complete");
    if !complete.exists() {
        let list = folder.join("requirements.txt");
        fs_err::write(&list, requirements).unwrap();
        run(Command::new(system_python()).args(["-m", "venv", "--clear"]).arg(&environment));
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(&list));
        fs_err::write(&complete, "").unwrap();
    }
    python
}

/// The system's Python 3.
fn system_python() -> &'static str {
    let is_python_3 = |name: &&str| {
        let check = "import sys, venv; sys.exit(sys.version_info < (3, 10))";
        Command::new(name).args(["-c", check]).output().is_ok_and(|output| output.status.success())
    };
    ["python3", "python"].into_iter().find(is_python_3).expect(
        "these tests run emulators of AWS and need Python 3.10 or later with its `venv` module: install python3 and \
         python3-venv, or leave the AWS tests out with `cargo test --no-default-features`",
    )
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed, and these tests cannot run without it:\n{talk}");
}
