//! The state as text and JSON.

use serde_json::{Value as Json, json};

use super::layout::{pad, width};
use super::style::{Role, UNICODE, paint, role_of_status};
use super::values::Words;
use crate::address::Address;
use crate::inert::printable;
use crate::spec::Types;
use crate::state::{Row, State, Status};

/// The version of the JSON forms.
pub const FORMAT: u64 = 1;

/// A status in a word, as in the state file.
pub fn status_word(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::Ready => "ready",
        Status::Updating => "updating",
        Status::Replacing => "replacing",
        Status::Deleting => "deleting",
        Status::Failed => "failed",
    }
}

/// All resources: address, status, identity; a line each, with a newline at its end.
pub fn list(state: &State) -> String {
    let address_columns = state.rows.keys().map(|address| width(&address.to_string())).max().unwrap_or(0);
    let status_columns = state.rows.values().map(|row| status_word(row.status).len()).max().unwrap_or(0);
    let mut text = String::new();
    for (address, row) in &state.rows {
        let word = pad(status_word(row.status), status_columns);
        let identity = row.identity.as_ref().map_or("(not made yet)".into(), |identity| printable(identity.as_str()));
        text.push_str(&format!(
            "{}  {}  {identity}\n",
            pad(&address.to_string(), address_columns),
            paint(role_of_status(row.status), &word)
        ));
    }
    text
}

/// As [`list`], for programs.
pub fn list_json(state: &State) -> Json {
    let resources: Vec<Json> = state
        .rows
        .iter()
        .map(|(address, row)| {
            json!({
                "address": address,
                "status": row.status,
                "identity": row.identity,
                "region": row.region,
                "protect": row.protect,
            })
        })
        .collect();
    json!({
        "format": FORMAT,
        "instance": state.instance,
        "region": state.region,
        "serial": state.serial,
        "resources": resources,
    })
}

/// Everything remembered of one resource.
pub fn show(address: &Address, row: &Row) -> String {
    let mut text = format!("{}\n", paint(Role::Heading, &address.to_string()));
    let mut facts =
        vec![("identity", row.identity.as_ref().map_or_else(|| "(not made yet)".to_owned(), ToString::to_string))];
    if let Some(problem) = &row.problem {
        facts.push(("problem", problem.clone()));
    }
    for replaced in &row.replaced {
        facts.push(("replaced", format!("{replaced}, still to be deleted")));
    }
    facts.push(("region", row.region.clone()));
    facts.push(("protect", row.protect.to_string()));
    text.push_str(&format!("  {}  {}\n", pad("status", 8), paint(role_of_status(row.status), status_word(row.status))));
    for (name, value) in facts {
        text.push_str(&format!("  {}  {}\n", pad(name, 8), printable(&value)));
    }
    // Nothing in a state is unknown, so that no type is asked.
    let types = Types::new();
    let words = Words { types: &types, signs: &UNICODE };
    for (title, tree) in [("set by us", &row.inputs), ("set by AWS", &row.facts)] {
        let Some(entries) = tree.as_map().filter(|entries| !entries.is_empty()) else { continue };
        text.push_str(&format!("\n{}\n", paint(Role::Quiet, title)));
        let columns = entries.keys().map(|key| width(&printable(key))).max().unwrap_or(0);
        for (key, value) in entries {
            let key = printable(key);
            let lines = words.lines(&value.lift());
            let (first, rest) =
                lines.split_once('\n').map_or((lines.as_str(), None), |(first, rest)| (first, Some(rest)));
            text.push_str(&format!("  {}  {first}\n", pad(&key, columns)));
            for line in rest.into_iter().flat_map(str::lines) {
                text.push_str(&format!("  {}  {line}\n", pad("", columns)));
            }
        }
    }
    if !row.depends_on.is_empty() {
        text.push_str(&format!("\n{}\n", paint(Role::Quiet, "made from")));
        for needed in &row.depends_on {
            text.push_str(&format!("  {needed}\n"));
        }
    }
    text
}

/// As [`show`], for programs: the row as it stands in the state file, which holds no secret.
pub fn show_json(address: &Address, row: &Row) -> Json {
    let mut json = serde_json::to_value(row).unwrap_or_default();
    json["format"] = FORMAT.into();
    json["address"] = address.to_string().into();
    json
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::stripped;
    use super::*;

    fn example() -> State {
        State::parse(Path::new("example.json"), include_bytes!("../../state/example.json")).expect("the example")
    }

    #[test]
    fn a_list_has_a_line_per_resource() {
        assert_eq!(
            stripped(&list(&example())),
            "ec2.security_group.database  ready      sg-0aa11bb22cc33dd44\n\
             rds.cluster.database         replacing  example-2\n"
        );
        assert_eq!(list_json(&example())["resources"][1]["identity"], "example-2");
    }

    #[test]
    fn a_row_shows_where_its_secrets_come_from() {
        let state = example();
        let address: Address = "rds.cluster.database".parse().expect("an address");
        assert_eq!(
            stripped(&show(&address, &state.rows[&address])),
            r#"rds.cluster.database
  status    replacing
  identity  example-2
  replaced  example, still to be deleted
  region    eu-central-1
  protect   true

set by us
  engine_version   "17"
  identifier       example-2
  master_password  (secret from ${secretsmanager.secret.database.value})
  security_groups  ["sg-0aa11bb22cc33dd44"]
  serverless_v2    {max: 2, min: 0.5}
  tags             {}

set by AWS
  endpoint       example-2.cluster-abc.eu-central-1.rds.amazonaws.com
  serverless_v2  {seconds: 300}

made from
  ec2.security_group.database
"#
        );
        assert_eq!(show_json(&address, &state.rows[&address])["inputs"]["engine_version"], "17");
    }
}
