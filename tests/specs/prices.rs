//! The script that brings the table of prices up to date, on a small sample of AWS's price files.

use std::path::Path;
use std::process::Command;

use mastoform::diagnostic::SourceFile;
use mastoform::spec::Prices;
use mastoform::spec::prices::Trust;

use crate::support::python;

#[test]
fn the_script_rewrites_what_aws_says_and_leaves_the_rest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a folder");
    let table = folder.path().join("prices.toml");
    let before = fs_err::read_to_string(root.join("specs/prices.toml")).expect("the table");
    fs_err::write(&table, &before).expect("written");
    let output = Command::new(python::environment("prices", ""))
        .arg(root.join("tests/specs/prices.py"))
        .arg("--from")
        .arg(root.join("tests/specs/prices"))
        .arg("--table")
        .arg(&table)
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stderr).replace('\r', "");
    assert!(output.status.success(), "{said}");
    let after = fs_err::read_to_string(&table).expect("the table");
    let changed: Vec<&str> =
        before.lines().zip(after.lines()).filter(|(was, is)| was != is).map(|(_, is)| is).collect();
    assert_eq!(
        changed,
        [
            "collected       = \"2027-02\"",
            "eu-central-1 = { usd = 0.04656, at = \"2027-02-03\", trust = \"confirmed\", from = \"AWS\" }",
            "eu-central-1 = { usd = 0.0052, at = \"2027-02-03\", trust = \"single\", from = \"AWS\" }",
            "eu-central-1 = { usd = 0.0144, at = \"2027-01-20\", trust = \"confirmed\", from = \"AWS\" }",
            "eu-central-1 = { usd = 0.018, at = \"2027-01-20\", trust = \"confirmed\", from = \"AWS\" }",
            "eu-central-1 = { usd = 0.025, at = \"2027-02-01\", trust = \"single\", from = \"AWS\" }",
            "eu-central-1 = { usd = 0.0054, at = \"2027-02-01\", trust = \"confirmed\", from = \"AWS\" }",
        ]
    );
    assert_eq!(before.lines().count(), after.lines().count());
    assert!(said.contains("fargate.x86.gb_hour in eu-central-1: 0.00511 -> 0.0052"), "{said}");
    let prices = Prices::own(SourceFile::new("prices.toml", after));
    let read = prices.table().unwrap_or_else(|problems| panic!("{problems}"));
    let price = read.price("s3.put_1000").expect("there");
    assert_eq!(read.row(price, "eu-central-1").map(|row| (row.nanos, row.trust)), Some((5_400_000, Trust::Confirmed)));
}
