//! `mastoform state list` and `mastoform state show ADDRESS`. Needs no valid `mastodon.toml`.

use super::{CommandError, Exit, GlobalOptions, StateCommand, Ui, files, restore};
use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::render::state as text;
use crate::state::State;

pub fn run(ui: &Ui, options: &GlobalOptions, command: &StateCommand) -> Result<Exit, CommandError> {
    if let StateCommand::Restore(arguments) = command {
        return restore::run(ui, options, arguments);
    }
    let paths = files::recorded_paths(options)?;
    let state = files::read_state(ui, &paths)?;
    let missing = || {
        CommandError::failure(format!("there is no {}", paths.state().display()))
            .hint("it is written by the first `mastoform apply`")
    };
    match command {
        StateCommand::List { json: true } => {
            let state = state.ok_or_else(missing)?;
            ui.json(&text::list_json(&state))?;
        }
        StateCommand::List { json: false } => match state {
            Some(state) if !state.rows.is_empty() => ui.data(text::list(&state).trim_end())?,
            _ => ui.say("Nothing exists yet."),
        },
        StateCommand::Restore(_) => {}
        StateCommand::Show { address, json } => {
            let state = state.ok_or_else(missing)?;
            let address = find(&state, address)?;
            let Some(row) = state.rows.get(&address) else { return Err(missing()) };
            if *json {
                ui.json(&text::show_json(&address, row))?;
            } else {
                ui.data(text::show(&address, row).trim_end())?;
            }
        }
    }
    Ok(Exit::Done)
}

/// The address a text means, if there is such a resource.
fn find(state: &State, text: &str) -> Result<Address, CommandError> {
    let known: Vec<String> = state.rows.keys().map(ToString::to_string).collect();
    match text.parse::<Address>() {
        Ok(address) if state.rows.contains_key(&address) => Ok(address),
        _ => {
            let mut problem = Diagnostic::error("unknown-resource", format!("the state knows no resource `{text}`"))
                .suggest(text, known.iter().map(String::as_str));
            if problem.hints.is_empty() {
                problem = problem.hint("`mastoform state list` lists all of them");
            }
            Err(problem.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::tests::options;
    use crate::cli::ui::captured::ui;

    #[test]
    fn a_state_is_shown_without_a_valid_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        let (ui, out, err) = ui(false, "");
        fs_err::create_dir_all(folder.path().join("state")).expect("made");
        let example = include_str!("../../state/example.json");
        fs_err::write(folder.path().join("state/example.json"), example).expect("written");
        run(&ui, &options, &StateCommand::List { json: false }).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(out.take().lines().count(), 2);
        let show = StateCommand::Show { address: "rds.cluster.databas".into(), json: false };
        let error = run(&ui, &options, &show).expect_err("no such resource");
        error.print(&ui);
        assert!(err.take().contains("did you mean `rds.cluster.database`?"));
    }
}
