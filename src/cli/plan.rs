//! `mastoform plan`: what apply would do. Reads, and changes nothing.

use std::path::Path;

use super::files::{self, Project};
use super::proposal::{self, Proposal};
use super::{CommandError, Exit, GlobalOptions, PlanArguments, Ui, cloud};
use crate::file::{self, Kind};
use crate::plan::Plan;
use crate::render;
use crate::render::graph::Drawing;
use crate::session::{self, Gathered};
use crate::spec::Types;

pub fn run(ui: &Ui, options: &GlobalOptions, arguments: &PlanArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let proposal = propose(ui, options, project, arguments.offline)?;
    let (plan, types) = (&proposal.plan, &proposal.project.specs.types);
    if let Some(path) = &arguments.html {
        write_page(ui, path, plan, types, &proposal.drawing(false)?)?;
    }
    if arguments.json {
        ui.json(&render::plan_json(plan, types))?;
    } else if arguments.markdown {
        ui.data(render::plan_markdown(plan, types).trim_end())?;
    } else {
        ui.data(render::plan(plan, types, &ui.render_options()).trim_end())?;
    }
    // A plan that may not be applied is not kept for it either.
    if let Some(path) = arguments.out.as_ref().filter(|_| plan.refusals.is_empty()) {
        proposal::write(ui, path, &proposal.saved(options))?;
    }
    Ok(exit(plan, arguments.detailed_exitcode))
}

/// A page.
const PAGE: Kind =
    Kind { name: "a page of a plan", option: "--html", telling: 1 << 12, is_ours: |bytes| render::is_page(bytes) };

/// Writes the plan as a page for a browser.
pub(super) fn write_page(
    ui: &Ui,
    path: &Path,
    plan: &Plan,
    types: &Types,
    drawing: &Drawing,
) -> Result<(), CommandError> {
    file::write_own(path, &PAGE, render::plan_html(plan, types, drawing).as_bytes())?;
    ui.say(&format!("the plan as a page is in {}", path.display()));
    Ok(())
}

/// What would be done: as AWS is now, or offline as the state knows it.
pub(super) fn propose(
    ui: &Ui,
    options: &GlobalOptions,
    project: Project,
    offline: bool,
) -> Result<Proposal, CommandError> {
    let mut read = session::read_state(&project.paths, &project.config.name, &project.config.region, "")?;
    if files::is_busy(ui, &project.paths)? {
        read = read.without_journal();
    }
    let proposal = if offline {
        let gathered = session::gather_offline(Some(&project.config), read)?;
        Proposal::of(project, gathered)?
    } else {
        cloud::runtime()?.block_on(async {
            let provider =
                cloud::connect(ui, options, &project.types_of_cloud, &project.paths, &project.config.region).await?;
            Proposal::from(project, &provider, read).await
        })?
    };
    say_notes(ui, &proposal.gathered);
    ui.diagnostics(&proposal.warnings);
    Ok(proposal)
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
