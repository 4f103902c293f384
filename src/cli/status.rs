//! `mastoform status`: whether the running instance works, on one screen. It is handed a cloud that can only be read, and
//! asks the instance as anybody could.

use super::drift::title;
use super::files::Project;
use super::{CommandError, Exit, StatusArguments, Ui, cloud};
use crate::ops::Settings;
use crate::plan::resolve::resolve;
use crate::render;
use crate::session::status;

pub fn run(ui: &Ui, options: &Settings, arguments: &StatusArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let config = &project.config;
    let state = project.applied(ui)?;
    let world = project.world(&state.lookups, &state.settings);
    let graph = resolve(&world)?;
    let runtime = cloud::runtime()?;
    let report = runtime.block_on(async {
        let (nature, paths) = (&project.nature, &project.paths);
        let reader = cloud::connect_to_read(ui, options, nature, paths, &config.region).await?;
        Ok::<_, CommandError>(status::status(&reader, &world, &graph, &state).await?)
    });
    // The system may still look for the address of a host that nobody waits for any more.
    runtime.shutdown_background();
    let report = report?;
    if arguments.json {
        ui.json(&render::status::status_json(&report, &config.name, &config.region, state.serial))?;
    } else {
        ui.data(&render::status::status(&report, &title(ui, &project, state.serial), &ui.render_options()))?;
    }
    Ok(if report.is_good() { Exit::Done } else { Exit::Failure })
}
