//! Environment variables: Mastodon must read what the blueprint sets.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

const READ: &str = include_str!("mastodon-env-4.7.txt");

/// Variables that Mastodon itself does not read, and who does.
const OTHERS: [(&str, &str); 13] = [
    ("MALLOC_ARENA_MAX", "the C library, for the memory of many threads"),
    ("OWNER_EMAIL", "the job that makes the owner's account"),
    ("OWNER_NAME", "the same"),
    ("OWNER_PASSWORD", "the same"),
    ("PGDATABASE", "psql"),
    ("PGHOST", "psql"),
    ("PGPASSWORD", "psql"),
    ("PGPORT", "psql"),
    ("PGSSLMODE", "psql"),
    ("PGUSER", "psql"),
    ("REGISTRATIONS", "the job that makes the settings of the first day"),
    ("REMOTE_MEDIA_DAYS", "the same"),
    ("SECRET_KEY_BASE", "Rails"),
];

#[test]
fn mastodon_reads_every_variable_that_is_set() {
    let read: BTreeSet<&str> = READ.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(read.len() > 300, "{}", read.len());
    let others: BTreeMap<&str, &str> = OTHERS.into();
    let folder = format!("{}/specs/mastodon", env!("CARGO_MANIFEST_DIR"));
    let key = Regex::new(r"(?m)(?:^|[{,]) *([A-Z][A-Z0-9_]{3,}) *=").expect("a pattern");
    let mut set = BTreeSet::new();
    for entry in fs_err::read_dir(folder).expect("a folder") {
        let text = fs_err::read_to_string(entry.expect("an entry").path()).expect("a file");
        set.extend(key.captures_iter(&text).map(|found| found[1].to_owned()));
    }
    assert!(set.len() > 50, "{}", set.len());
    let unknown: Vec<&String> =
        set.iter().filter(|name| !read.contains(name.as_str()) && !others.contains_key(name.as_str())).collect();
    assert!(unknown.is_empty(), "Mastodon reads none of {unknown:?}");
    let unset: Vec<&&str> = others.keys().filter(|name| !set.contains(**name)).collect();
    assert!(unset.is_empty(), "nobody sets {unset:?} any more");
}
