//! `mastoform show FILE`: a saved plan as it was. Needs no cloud, no state and no `mastodon.toml`.

use super::{CommandError, Exit, GlobalOptions, ShowArguments, Ui, files, proposal};
use crate::render;

pub fn run(ui: &Ui, options: &GlobalOptions, arguments: &ShowArguments) -> Result<Exit, CommandError> {
    let saved = proposal::read(&arguments.plan)?;
    let types = files::read_specs(options)?.types;
    if arguments.json {
        ui.json(&render::plan_json(&saved.plan, &types))?;
    } else {
        ui.data(render::plan(&saved.plan, &types, &ui.render_options()).trim_end())?;
        ui.detail(&format!("\nmade by mastoform {} for {}, {}", saved.program, saved.cloud, saved.digest()));
    }
    Ok(Exit::Done)
}
