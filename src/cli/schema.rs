//! `mastoform schema`

use super::{CommandError, Exit, Ui, files};
use crate::config::schema::schema;
use crate::ops::Settings;

pub fn run(ui: &Ui, options: &Settings) -> Result<Exit, CommandError> {
    let specs = files::read_specs(options)?;
    ui.json(&schema(&specs.blueprint))?;
    Ok(Exit::Done)
}
