//! `mastoform man [COMMAND]`

use clap::CommandFactory;
use clap_mangen::Man;

use super::{Arguments, CommandError, Exit, ManArguments, Ui};

/// # Errors
///
/// There is no such command.
pub fn run(ui: &Ui, arguments: &ManArguments) -> Result<Exit, CommandError> {
    let mut program = Arguments::command().disable_help_subcommand(true);
    // Gives every command its whole name and the options that all share.
    program.build();
    if arguments.list {
        ui.data(&names(&program, "").join("\n"))?;
        return Ok(Exit::Done);
    }
    let of = match &arguments.command {
        None => program,
        Some(name) => find(&program, name).ok_or_else(|| {
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

/// The names of all commands below one, as their pages are called: `state-list`.
fn names(of: &clap::Command, prefix: &str) -> Vec<String> {
    let below = of.get_subcommands().filter(|command| command.get_name() != "help");
    let named = below.flat_map(|command| {
        let name = format!("{prefix}{}", command.get_name());
        let deeper = names(command, &format!("{name}-"));
        std::iter::once(name).chain(deeper)
    });
    named.collect()
}

/// The command below one whose page is called so.
fn find(of: &clap::Command, name: &str) -> Option<clap::Command> {
    of.get_subcommands().find_map(|command| match name.strip_prefix(command.get_name())? {
        "" => Some(command.clone()),
        rest => find(command, rest.strip_prefix('-')?),
    })
}
