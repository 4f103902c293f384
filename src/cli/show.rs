//! `mastoform show FILE`: a saved plan as it was. Needs no cloud, no state and no `mastodon.toml`.

use super::{CommandError, Exit, ShowArguments, Ui, files, plan, proposal};
use crate::ops::Settings;
use crate::render;
use crate::render::graph::Drawing;

pub fn run(ui: &Ui, options: &Settings, arguments: &ShowArguments) -> Result<Exit, CommandError> {
    let saved = proposal::read(&arguments.plan)?;
    let specs = files::read_specs(options)?;
    let types = &specs.types;
    if let Some(path) = &arguments.html {
        let drawing = Drawing::of_plan(&saved.plan, &specs.blueprint.resources);
        plan::write_page(ui, path, &saved.plan, types, &drawing)?;
    }
    if arguments.json {
        ui.json(&render::plan_json(&saved.plan, types))?;
    } else if arguments.markdown {
        ui.data(render::plan_markdown(&saved.plan, types).trim_end())?;
    } else {
        ui.data(render::plan(&saved.plan, types, &ui.render_options()).trim_end())?;
        ui.detail(&format!("\nmade by mastoform {} for {}, {}", saved.program, saved.cloud, saved.digest()));
    }
    let is_gated = plan::gated(ui, &saved.plan, types, &arguments.fail_on);
    Ok(if is_gated { Exit::Gated } else { Exit::Done })
}
