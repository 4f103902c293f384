//! `mastoform man [COMMAND]`

use clap::CommandFactory;
use clap_mangen::Man;

use super::{Arguments, CommandError, Exit, ManArguments, Ui};

/// # Errors
///
/// There is no such command.
pub fn run(ui: &Ui, arguments: &ManArguments) -> Result<Exit, CommandError> {
    let mut program = Arguments::command();
    // Gives every command its whole name and the options that all share.
    program.build();
    if arguments.list {
        let names: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
        ui.data(&names.join("\n"))?;
        return Ok(Exit::Done);
    }
    let of = match &arguments.command {
        None => program,
        Some(name) => program.find_subcommand(name).cloned().ok_or_else(|| {
            CommandError::failure(format!("there is no command {name:?}"))
                .hint("`mastoform man --list` prints the names of all commands")
        })?,
    };
    let title = of.get_display_name().unwrap_or(of.get_name()).to_owned();
    let mut page = Vec::new();
    Man::new(of.display_name(title)).render(&mut page)?;
    ui.data(String::from_utf8_lossy(&page).trim_end())?;
    Ok(Exit::Done)
}
