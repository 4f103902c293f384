//! Cases: folders with a story and what comes of it, so that a reader needs no Rust.
//!
//! `SNAPSHOTS=overwrite cargo test` writes what comes of the stories anew. Look at the difference before you commit it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::de::DeserializeOwned;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};

use super::instance::fast_folder;

/// Makes a test of each folder in `tests/<kind>/`, and one that no folder is forgotten.
macro_rules! cases {
    ($kind:literal, $run:path: $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $run(&crate::support::case::folder($kind, stringify!($name)));
            }
        )*

        #[test]
        fn every_folder_is_a_case() {
            let mut folders = crate::support::case::folders($kind);
            folders.retain(|name| ![$(stringify!($name)),*].contains(&name.as_str()));
            assert!(folders.is_empty(), "forgotten in tests/{}/mod.rs: {folders:?}", $kind);
        }
    };
}
pub(crate) use cases;

pub fn folder(kind: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(kind).join(name)
}

/// The names of the folders in `tests/<kind>/`.
pub fn folders(kind: &str) -> Vec<String> {
    let entries = fs_err::read_dir(folder(kind, "")).expect("cases").map(|entry| entry.expect("an entry").path());
    let mut names: Vec<String> = entries
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A TOML file of a case.
pub fn read<T: DeserializeOwned>(path: &Path) -> T {
    let text = fs_err::read_to_string(path).expect("a story");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A text with an edit, written like a diff: lines that begin with `-` go, lines that begin with `+` come, others stay
/// and show the place. A blank line begins another edit. Only `+`: these lines come at the end.
pub fn edited(text: &str, edit: &str) -> String {
    let mut text = text.to_owned();
    for hunk in edit.split("\n\n").map(str::trim_end).filter(|hunk| !hunk.is_empty()) {
        let side = |gone: char| -> String {
            hunk.trim_start_matches('\n')
                .lines()
                .filter(|line| !line.starts_with(gone))
                .map(|line| format!("{}\n", line.get(1..).unwrap_or_default()))
                .collect()
        };
        let (before, after) = (side('+'), side('-'));
        if before.is_empty() {
            text.push_str(&after);
        } else {
            assert_eq!(text.matches(&before).count(), 1, "this must be in mastodon.toml, once:\n{before}");
            text = text.replacen(&before, &after, 1);
        }
    }
    text
}

/// Compares a text with a file, to the letter; in `*.term.svg` it is a picture of a terminal.
#[track_caller]
pub fn compare(actual: String, path: &Path) {
    let is_picture = path.extension().is_some_and(|extension| extension == "svg");
    let format = if is_picture { DataFormat::TermSvg } else { DataFormat::Text };
    let expected = match Data::try_read_from(path, is_picture.then_some(DataFormat::Text)) {
        Ok(data) => data.is(format),
        Err(_) => Data::read_from(path, Some(format)),
    };
    Assert::new().action_env(snapbox::assert::DEFAULT_ACTION_ENV).eq(actual, expected.raw());
}

/// The program in a folder, with nothing of the environment it could depend on.
pub fn program(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mastoform"));
    command.args(words).current_dir(folder).env_clear().envs([("LC_ALL", "C.UTF-8"), ("COLUMNS", "100")]);
    command
}

/// What the program says in a folder.
pub fn run(folder: &Path, words: &[&str]) -> Output {
    program(folder, words).output().expect("it starts")
}

/// Standard output of a run that must do what it is asked.
#[track_caller]
pub fn data(folder: &Path, words: &[&str]) -> String {
    let output = run(folder, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A folder of its own with these files.
pub fn folder_with(files: &[(PathBuf, Vec<u8>)]) -> tempfile::TempDir {
    let folder = fast_folder();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs_err::write(path, bytes).expect("written");
    }
    folder
}

/// All files below a folder with their content, by their path in it.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs_err::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below the folder").to_owned();
                found.push((name, fs_err::read(&path).expect("a file")));
            }
        }
    }
    found.sort();
    found
}
