//! Mistakes and what is said about them: a folder per case, see `README.md` there. Each is the example, and the
//! documentation, of a diagnostic.

use std::path::Path;

use serde::Deserialize;

use crate::support::case::{cases, compare, files, folder_with, read, run};

cases! { "errors", tell:
    five_at_once
    missing_file
    syntax
    unknown_key
    wrong_type
    out_of_range
    not_one_of
    missing_setting
    failed_check
    warning
    unknown_patch_address
    unknown_patch_attribute
    patch_out_of_range
    part_of_others
    expression_limit
    expression_work
    secret_of_another_form
    very_many_unknown_keys
    text_that_moves_the_cursor
    state_of_another_alphabet
    secret_in_the_file
    overlay_broken_expression
    overlay_unknown_reference
    overlay_cycle
    overlay_reserved_name
    overlay_without_counterpart
    overlay_without_price
    overlay_missing
    state_truncated
    state_edited
    state_conflict
    state_newer
    state_of_another_instance
    state_of_another_region
    destroy_without_state
    state_lost
    twin
    usage
    usage_unknown_option
}

/// A `case.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[expect(dead_code, reason = "for people")]
    about: String,
    /// What is typed after `mastoform`.
    run: String,
    exit: i32,
}

fn tell(folder: &Path) {
    let case: Case = read(&folder.join("case.toml"));
    let before = files(folder);
    let copy = folder_with(&before);
    let words: Vec<&str> = case.run.split_whitespace().chain(["--color", "always"]).collect();
    let output = run(copy.path(), &words);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(case.exit), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "a mistake is nothing to pipe into another program");
    compare(said, &folder.join("stderr.term.svg"));
    assert!(files(copy.path()) == before, "no file is touched, a broken one least of all");
}
