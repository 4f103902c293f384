//! `mastoform completions SHELL`

use clap::CommandFactory;

use super::{Arguments, CommandError, CompletionsArguments, Exit, Ui};

pub fn run(ui: &Ui, arguments: &CompletionsArguments) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "mastoform", &mut script);
    ui.data(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}
