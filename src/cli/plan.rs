//! `mastoform plan`: what apply would do. Reads, and changes nothing.

use std::collections::BTreeMap;

use super::files::Project;
use super::{CommandError, Exit, GlobalOptions, PlanArguments, Ui, cloud};
use crate::plan::Plan;
use crate::plan::resolve::resolve;
use crate::render;
use crate::session::{self, Gathered};

pub fn run(ui: &Ui, options: &GlobalOptions, arguments: &PlanArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let read = session::read_state(&project.paths, &project.config.name, &project.config.region, "")?;
    let gathered = if arguments.offline {
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
    let world = project.world(&gathered.lookups);
    let graph = resolve(&world, &project.specs)?;
    let (plan, warnings) = session::plan(&world, &graph, &gathered)?;
    ui.diagnostics(&warnings);
    if arguments.json {
        ui.json(&render::plan_json(&plan, &project.specs.types))?;
    } else {
        ui.data(render::plan(&plan, &project.specs.types, &ui.render_options()).trim_end())?;
    }
    Ok(exit(&plan, arguments.detailed_exitcode))
}

pub(super) fn exit(plan: &Plan, detailed: bool) -> Exit {
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
