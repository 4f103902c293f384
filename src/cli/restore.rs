//! `mastoform state restore`: takes back the last good state file, from the backup or from git.
//!
//! A state file that is damaged, half merged or gone is not mended by hand. This looks for whole ones: the copy that was
//! kept before the last command, and the versions git has of the file. Of these it takes the newest one that the
//! journal of an interrupted run goes on from, if there is such a journal, and otherwise the newest. What was in the
//! file is kept beside it.

use super::git::Git;
use super::{CommandError, Exit, RestoreArguments, Ui, files};
use crate::ops::{Settings, holder};
use crate::state::{Journal, Lock, Paths, State, held};
use crate::value::Value;

/// A state that could be taken back.
struct Candidate {
    source: String,
    state: State,
    /// The journal goes on from it.
    fits: bool,
}

pub fn run(ui: &Ui, options: &Settings, arguments: &RestoreArguments) -> Result<Exit, CommandError> {
    let paths = match &arguments.name {
        Some(name) => files::paths_of(options, instance(options, name)?)?,
        None => {
            files::recorded_paths(options).map_err(|error| error.hint("name the instance: `state restore NAME`"))?
        }
    };
    paths.make_folder()?;
    let _lock = Lock::acquire(&paths.lock(), &holder("mastoform state restore"))?;
    let path = paths.state();
    if let Ok(Some(state)) = State::read(&path) {
        let entries = Journal::read(&paths.journal())?.entries;
        if held(&entries, &state.lineage, state.serial, Some(&state.digest())).is_ok() {
            ui.say(&format!("{} is whole (serial {}); nothing is to be restored.", path.display(), state.serial));
            return Ok(Exit::Done);
        }
    }
    let mut candidates = candidates(&paths)?;
    // Equals keep their order: the backup first, then git's versions from the newest on.
    candidates.sort_by_key(|candidate| std::cmp::Reverse((candidate.fits, candidate.state.serial)));
    let Some(best) = candidates.first() else {
        return Err(CommandError::failure(format!("no whole state of {} was found", path.display()))
            .hint(format!("looked at {} and at what git has of the file", paths.backup().display())));
    };
    ui.say(&format!("Whole states of {}:", path.display()));
    for candidate in &candidates {
        let Candidate { source, state, fits } = candidate;
        let note = if *fits { ", the interrupted run goes on from it" } else { "" };
        ui.say(&format!("  serial {:>4}  {} resources  {source}{note}", state.serial, state.rows.len()));
    }
    if !arguments.yes {
        let question =
            format!("\nTake back serial {} from {}? Only `yes` is accepted:", best.state.serial, best.source);
        let sure = ui.confirm(&question, "yes").map_err(|error| error.hint("add --yes to go without asking"))?;
        if !sure {
            ui.say("Nothing was changed.");
            return Ok(Exit::Failure);
        }
    }
    if let Some(kept) = State::set_aside(&path)? {
        ui.say(&format!("What was in the file is kept in {}.", kept.display()));
    }
    best.state.write(&path)?;
    ui.say(&format!("{} is serial {} again, from {}.", path.display(), best.state.serial, best.source));
    ui.hint(
        "`mastoform plan` shows what has happened since; what the state does not know is found by its name and tags",
    );
    Ok(Exit::Done)
}

/// Every whole state that can be found.
fn candidates(paths: &Paths) -> Result<Vec<Candidate>, CommandError> {
    let entries = Journal::read(&paths.journal())?.entries;
    let path = paths.state();
    let mut found: Vec<Candidate> = Vec::new();
    let mut take = |source: String, state: State| {
        let fits = !entries.is_empty() && held(&entries, &state.lineage, state.serial, Some(&state.digest())).is_ok();
        if !found.iter().any(|other| other.state == state) {
            found.push(Candidate { source, state, fits });
        }
    };
    if let Ok(Some(state)) = State::read(&paths.backup()) {
        take(paths.backup().display().to_string(), state);
    }
    for (version, text) in versions(paths) {
        if let Ok(state) = State::parse(&path, &text) {
            take(format!("git {version}"), state);
        }
    }
    Ok(found)
}

/// What git has of the state, newest first; nothing where there is no git.
fn versions(paths: &Paths) -> Vec<(String, Vec<u8>)> {
    let (path, git) = (paths.state(), Git::around(paths.folder()));
    let name = path.file_name().and_then(|name| name.to_str());
    git.zip(name).map(|(git, name)| git.versions(name)).unwrap_or_default()
}

/// The name of an instance, if it can be one: files are called by it.
fn instance<'name>(options: &Settings, name: &'name str) -> Result<&'name str, CommandError> {
    let specs = files::read_specs(options)?;
    let input = specs.blueprint.inputs.iter().find(|input| input.name() == "name");
    match input.and_then(|input| input.limits.complaint(&Value::from(name))) {
        None => Ok(name),
        Some(complaint) => Err(CommandError::failure(format!("the name of an instance {complaint}: {name}"))),
    }
}
