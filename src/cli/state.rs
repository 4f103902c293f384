//! `mastoform state list` and `mastoform state show ADDRESS`. Needs no valid `mastodon.toml`.

use super::{CommandError, Exit, StateCommand, Ui, files, restore};
use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::ops::{Settings, holder};
use crate::render::state as text;
use crate::state::{Lock, Paths, State};

pub fn run(ui: &Ui, options: &Settings, command: &StateCommand) -> Result<Exit, CommandError> {
    if let StateCommand::Restore(arguments) = command {
        return restore::run(ui, options, arguments);
    }
    let paths = files::recorded_paths(options)?;
    if let StateCommand::HandOver { take_back } = command {
        return hand_over(ui, &paths, !take_back);
    }
    let state = files::read_state(ui, &paths)?;
    let missing = || missing(&paths);
    match command {
        StateCommand::List { json: true } => {
            let state = state.ok_or_else(missing)?;
            ui.json(&text::list_json(&state))?;
        }
        StateCommand::List { json: false } => match state {
            Some(state) if !state.rows.is_empty() => ui.data(text::list(&state).trim_end())?,
            _ => {
                ui.say("Nothing exists yet.");
                files::point_at_sandbox(ui, &paths);
            }
        },
        StateCommand::Restore(_) | StateCommand::HandOver { .. } => {}
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

/// Marks the state as that of an instance which another tool has now, or takes the mark away.
fn hand_over(ui: &Ui, paths: &Paths, handed_over: bool) -> Result<Exit, CommandError> {
    let path = paths.state();
    let Some(_) = State::read(&path)? else {
        paths.refuse_lost()?;
        return Err(missing(paths));
    };
    let command = if handed_over { "mastoform state hand-over" } else { "mastoform state hand-over --take-back" };
    let _lock = Lock::acquire(&paths.lock(), &holder(command))?;
    let Some(mut state) = State::read(&path)? else { return Err(missing(paths)) };
    let name = state.instance.clone();
    if state.handed_over == handed_over {
        let how = if handed_over { "handed over already" } else { "not handed over" };
        ui.say(&format!("{name} is {how}; nothing was changed."));
        return Ok(Exit::Done);
    }
    files::refuse_interrupted(paths, "hand over")?;
    if !state.marked {
        return Err(CommandError::failure(format!("not every resource of {name} carries its lineage as a tag yet"))
            .hint("`mastoform apply` marks them; hand over after that"));
    }
    state.advance();
    state.handed_over = handed_over;
    state.write(&path)?;
    ui.say(&if handed_over {
        format!("{name} is handed over: `apply` and `destroy` refuse to change it. `plan`, `drift` and `export` go on.")
    } else {
        format!("{name} is mastoform's again.")
    });
    ui.hint(&format!("commit {}, so that everybody knows", path.display()));
    if !handed_over {
        ui.hint("`mastoform plan` says what was changed meanwhile");
    }
    Ok(Exit::Done)
}

fn missing(paths: &Paths) -> CommandError {
    CommandError::failure(format!("there is no {}", paths.state().display()))
        .hint(files::sandbox_hint(paths).unwrap_or("it is written by the first `mastoform apply`"))
}

/// The address a text means, if there is such a resource.
fn find(state: &State, text: &str) -> Result<Address, CommandError> {
    let known: Vec<String> = state.rows.keys().map(ToString::to_string).collect();
    match text.parse::<Address>() {
        Ok(address) if state.rows.contains_key(&address) => Ok(address),
        _ => {
            let mut problem = Diagnostic::error("unknown-resource", format!("the state knows no resource `{text}`"));
            // Of something that there is several times, the name alone is no address.
            let several: Vec<String> = known
                .iter()
                .filter(|known| known.starts_with(&format!("{text}[")))
                .map(|it| format!("`{it}`"))
                .collect();
            problem = if several.is_empty() {
                problem.suggest(text, known.iter().map(String::as_str))
            } else {
                problem.hint(format!("there are {}", several.join(", ")))
            };
            if problem.hints.is_empty() {
                problem = problem.hint("`mastoform state list` lists all of them");
            }
            Err(problem.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::files::tests::options;
    use crate::cli::ui::captured::ui;
    use crate::session::{self, Gathered, SessionError};
    use crate::state::{Intent, Journal, Record, Verb};
    use crate::value::Value;

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

    /// A folder with a state, changed by `change`.
    fn project(change: fn(&mut State)) -> (tempfile::TempDir, Settings, Paths) {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        let paths = Paths::new(folder.path().join("state"), "example");
        paths.make_folder().expect("made");
        let mut state = State::parse(&paths.state(), include_bytes!("../../state/example.json")).expect("a state");
        change(&mut state);
        state.write(&paths.state()).expect("written");
        (folder, options, paths)
    }

    #[test]
    fn what_is_handed_over_is_taken_back_as_it_was() {
        let (_folder, options, paths) = project(|state| state.marked = true);
        let read = || State::read(&paths.state()).expect("a state").expect("it is there");
        let before = read();
        let go = |take_back| {
            let (ui, _, err) = ui(false, "");
            let exit =
                run(&ui, &options, &StateCommand::HandOver { take_back }).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(exit, Exit::Done);
            err.take()
        };
        assert!(go(false).contains("is handed over: `apply` and `destroy` refuse"));
        let handed_over = read();
        assert!(handed_over.handed_over);
        assert_eq!((handed_over.serial, &handed_over.rows), (before.serial + 1, &before.rows));
        assert!(go(false).contains("is handed over already; nothing was changed"));
        // Whatever led there: nothing is begun.
        let begun = session::begin(&paths, &mut Gathered::offline(handed_over.clone()), None);
        assert!(matches!(begun, Err(SessionError::HandedOver { .. })));
        assert_eq!(read(), handed_over);
        assert!(go(true).contains("is mastoform's again"));
        assert_eq!(State { serial: before.serial, parent: before.parent.clone(), ..read() }, before);
    }

    #[test]
    fn nothing_is_handed_over_that_is_under_way_or_has_no_lineage() {
        let hand_over = |options: &Settings| {
            let (ui, ..) = ui(false, "");
            run(&ui, options, &StateCommand::HandOver { take_back: false }).expect_err("refused").to_string()
        };
        let (_unmarked, options, paths) = project(|state| state.marked = false);
        let before = fs_err::read(paths.state()).expect("a state");
        assert!(hand_over(&options).contains("not every resource of example carries its lineage"));
        assert_eq!(fs_err::read(paths.state()).expect("a state"), before);
        let (folder, options, paths) = project(|state| state.marked = true);
        let lock = Lock::acquire(&paths.lock(), &holder("mastoform apply")).expect("a lock");
        assert!(hand_over(&options).contains("`mastoform apply` is at work"));
        drop(lock);
        let (mut journal, _) = Journal::open(&paths.journal()).expect("a journal");
        let begin = Record::Begin { lineage: "6f1d0c52a7e94b0f".to_owned(), serial: 1, base: None };
        let intent = Intent {
            action: Verb::Create,
            region: "eu-central-1".to_owned(),
            token: "token".to_owned(),
            identity: None,
            natural: Value::Null,
            protect: false,
            depends_on: BTreeSet::new(),
            makes_room: false,
            old_is_gone: false,
        };
        let address = "s3.bucket.new".parse().expect("an address");
        for record in [begin, Record::Intent { address, intent }] {
            journal.append(record).expect("taken");
        }
        journal.flush().expect("written");
        let refused = hand_over(&options);
        assert!(refused.contains("a command was interrupted") && refused.contains("hand over after that"), "{refused}");
        journal.remove().expect("removed");
        fs_err::remove_file(paths.state()).expect("removed");
        assert!(hand_over(&options).contains("there is no"), "{}", folder.path().display());
    }
}
