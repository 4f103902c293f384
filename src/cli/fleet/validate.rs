//! `mastoform validate` over a fleet.

use super::{Fleet, Unreadable, table, worst};
use crate::cli::validate::check;
use crate::cli::{CommandError, Exit};
use crate::render::style::Role;

pub fn run(fleet: &Fleet<'_>) -> Result<Exit, CommandError> {
    let (members, unreadable) = fleet.members()?;
    let mut rows = Vec::new();
    let mut exits = Vec::new();
    let mut invalid = |name: String, error: &CommandError| {
        fleet.complain(&name, error);
        rows.push((name, Role::Error, "invalid", String::new()));
        exits.push(error.exit());
    };
    for Unreadable { path, error } in &unreadable {
        invalid(path.display().to_string(), error);
    }
    let mut valid = Vec::new();
    for member in &members {
        match check(&member.project) {
            Ok((resources, warnings)) => {
                fleet.warn(member);
                fleet.ui.diagnostics(&warnings);
                let note = resources.map_or_else(
                    || "as far as can be said without asking AWS what exists".to_owned(),
                    |count| format!("{count} resources"),
                );
                valid.push((member.name().to_owned(), Role::Good, "valid", note));
            }
            Err(error) => invalid(member.name().to_owned(), &error),
        }
    }
    rows.extend(valid);
    fleet.ui.data(&table::results(&rows))?;
    fleet.ui.data(&format!("\n{}; {} invalid.", table::counted(rows.len()), exits.len()))?;
    Ok(worst(exits))
}
