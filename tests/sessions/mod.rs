//! Whole stories in the sandbox, as they look on the screen: each `*.md` runs in a folder of its own.
//!
//! `TRYCMD=overwrite cargo test sessions` writes what the program says into them anew.

use std::path::Path;

use trycmd::TestCases;

#[test]
fn sessions() {
    // Every step of an apply flushes to the disk, which is much faster in memory.
    if Path::new("/dev/shm").is_dir() {
        let _ = tempfile::env::override_temp_dir(Path::new("/dev/shm"));
    }
    let cases = TestCases::new();
    cases.register_bin("mastoform", Path::new(env!("CARGO_BIN_EXE_mastoform")));
    // The editor of these stories, in the dialect that every `sed` understands.
    let sed = ["/usr/bin/sed", "/bin/sed"].map(Path::new).into_iter().find(|path| path.exists());
    cases.register_bin("sed", sed.ok_or("there is no sed"));
    // An environment that says nothing.
    for (name, value) in [
        ("LC_ALL", "C.UTF-8"),
        ("COLUMNS", "100"),
        ("NO_COLOR", "1"),
        ("CLICOLOR_FORCE", ""),
        ("AWS_REGION", ""),
        ("AWS_DEFAULT_REGION", ""),
    ] {
        cases.env(name, value);
    }
    cases.case(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sessions/*.md"));
    cases.run();
}
