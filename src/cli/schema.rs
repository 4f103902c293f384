//! `mastoform schema`

use super::{CommandError, Exit, GlobalOptions, Ui, files};
use crate::config::schema::schema;

pub fn run(ui: &Ui, options: &GlobalOptions) -> Result<Exit, CommandError> {
    let specs = files::read_specs(options)?;
    ui.json(&schema(&specs.blueprint))?;
    Ok(Exit::Done)
}
