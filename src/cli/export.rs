//! `mastoform export`: the instance as files of another tool. Needs the state, not a valid `mastodon.toml`.

use std::path::Path;

use super::error::CommandError;
use super::{Exit, ExportCommand, Ui, cloud, files};
use crate::export::{self, File, Subject};
use crate::file;
use crate::ops::{Nature, Settings};
use crate::session;
use crate::spec::counterpart::Tool;
use crate::state::State;

pub fn run(ui: &Ui, options: &Settings, command: &ExportCommand) -> Result<Exit, CommandError> {
    let (arguments, tool) = match command {
        ExportCommand::CloudFormation(arguments) => (arguments, Tool::CloudFormation),
        ExportCommand::Terraform(arguments) => (arguments, Tool::Terraform),
    };
    let specs = files::read_specs(options)?;
    let (types, nature) = (&specs.types, Nature::of(&specs));
    let paths = files::recorded_paths(options)?;
    let Some(state) = State::read(&paths.state())? else {
        paths.refuse_lost()?;
        return Err(CommandError::failure(format!("there is no {}", paths.state().display()))
            .hint("it is written by the first `mastoform apply`"));
    };
    if files::is_busy(ui, &paths)? {
        return Err(CommandError::failure("a command is changing this instance").hint("export when it is done"));
    }
    files::refuse_interrupted(&paths, "export")?;
    let observations = if arguments.offline {
        None
    } else {
        Some(cloud::runtime()?.block_on(async {
            let reader = cloud::connect_to_read(ui, options, &nature, &paths, &state.region).await?;
            Ok::<_, CommandError>(session::inspect(&reader, types, &state).await?)
        })?)
    };
    let subject = Subject { state: &state, observations: observations.as_ref(), types };
    let files = match tool {
        Tool::CloudFormation => export::cloudformation::files(&subject),
        Tool::Terraform => export::terraform::files(&subject),
    };
    let files = files.map_err(|error| CommandError::failure(error.to_string()).hint(error.hint()))?;
    let written = write_files(&arguments.folder, &files)?;
    for (path, bytes) in written {
        ui.data(&format!("{path}  {bytes} bytes"))?;
    }
    if options.cloud.is_simulated() {
        ui.warn("this is the sandbox: nothing of it exists in AWS");
    }
    ui.say(&format!(
        "\nRead {} next: it says what to do with these files.",
        arguments.folder.join("README.md").display()
    ));
    Ok(Exit::Done)
}

/// Writes files that are not there yet.
fn write_files(folder: &Path, files: &[File]) -> Result<Vec<(String, usize)>, CommandError> {
    let paths: Vec<_> = files.iter().map(|file| (folder.join(file.name), &file.text)).collect();
    if let Some((path, _)) = paths.iter().find(|(path, _)| fs_err::symlink_metadata(path).is_ok()) {
        return Err(CommandError::failure(format!("{} is there already", path.display()))
            .hint("an export never writes over a file: remove it, or name another folder"));
    }
    file::make_folder(folder)?;
    let mut written = Vec::new();
    for (path, text) in paths {
        file::create_new(&path, text.as_bytes())?;
        written.push((path.display().to_string(), text.len()));
    }
    Ok(written)
}
