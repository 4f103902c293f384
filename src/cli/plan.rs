//! `mastoform plan`: what apply would do. Reads, and changes nothing.

use std::collections::BTreeMap;

use super::files::Project;
use super::{CommandError, Exit, GlobalOptions, PlanArguments, Ui, cloud};
use crate::plan::Plan;
use crate::plan::resolve::resolve;
use crate::render;
use crate::render::graph::Drawing;
use crate::session::{self, Gathered};

pub fn run(ui: &Ui, options: &GlobalOptions, arguments: &PlanArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let gathered = gather(ui, options, &project, arguments.offline)?;
    let world = project.world(&gathered.lookups);
    let graph = resolve(&world, &project.specs)?;
    let (plan, warnings) = session::plan(&world, &graph, &gathered)?;
    ui.diagnostics(&warnings);
    let types = &project.specs.types;
    if let Some(path) = &arguments.html {
        let drawing = Drawing::new(&graph, Some(&plan), false);
        fs_err::write(path, render::plan_html(&plan, types, &drawing))
            .map_err(|error| CommandError::caused(Exit::Failure, error))?;
        ui.say(&format!("the plan as a page is in {}", path.display()));
    }
    if arguments.json {
        ui.json(&render::plan_json(&plan, types))?;
    } else if arguments.markdown {
        ui.data(render::plan_markdown(&plan, types).trim_end())?;
    } else {
        ui.data(render::plan(&plan, types, &ui.render_options()).trim_end())?;
    }
    Ok(exit(&plan, arguments.detailed_exitcode))
}

/// What is known of the instance: what AWS says, or offline what the state says.
pub(super) fn gather(
    ui: &Ui,
    options: &GlobalOptions,
    project: &Project,
    offline: bool,
) -> Result<Gathered, CommandError> {
    let read = session::read_state(&project.paths, &project.config.name, &project.config.region, "")?;
    let gathered = if offline {
        session::gather_offline(Some(&project.config), read)?
    } else {
        cloud::runtime()?.block_on(async {
            let types = &project.specs.types;
            let provider = cloud::connect(ui, options, types, &project.paths, &project.config.region).await?;
            let nothing = BTreeMap::new();
            let gathered = session::gather(&provider, Some(&project.world(&nothing)), read).await?;
            Ok::<_, CommandError>(gathered)
        })?
    };
    say_notes(ui, &gathered);
    Ok(gathered)
}

fn exit(plan: &Plan, detailed: bool) -> Exit {
    if !plan.refusals.is_empty() {
        Exit::Refused
    } else if detailed && !plan.is_empty() {
        Exit::Changes
    } else {
        Exit::Done
    }
}

/// Tells what was found out about an interrupted run.
pub(super) fn say_notes(ui: &Ui, gathered: &Gathered) {
    for note in &gathered.notes {
        ui.say(&format!("an earlier run was interrupted: {}: {}", note.address, note.text));
    }
}
