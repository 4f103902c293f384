//! `mastoform plan`: what apply would do. Reads, and changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use super::files::{self, Project};
use super::proposal::{self, Proposal};
use super::{CommandError, Exit, FailOn, PlanArguments, Ui, cloud};
use crate::file::{self, Kind};
use crate::inert::printable;
use crate::ops::{Settings, newer};
use crate::plan::change::Widening;
use crate::plan::{Plan, owner};
use crate::provider::Registration;
use crate::refresh::Stranger;
use crate::render;
use crate::render::graph::Drawing;
use crate::session::{self, Gathered};
use crate::spec::Types;
use crate::spec::types::Impact;
use crate::state::State;
use crate::value::Value;

pub fn run(ui: &Ui, options: &Settings, arguments: &PlanArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let proposal = propose(ui, options, project, arguments.offline, arguments.adopt_own)?;
    let (plan, types) = (&proposal.plan, &proposal.project.specs.types);
    if let Some(path) = &arguments.html {
        write_page(ui, path, plan, types, &proposal.drawing(false))?;
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
        proposal::write(ui, options, path, &proposal.saved(options))?;
    }
    Ok(exit(ui, plan, types, arguments))
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
    options: &Settings,
    project: Project,
    offline: bool,
    takes_over: bool,
) -> Result<Proposal, CommandError> {
    let mut read = session::read_state_for_plan(&project.paths, &project.config, "", takes_over)?;
    if files::is_busy(ui, &project.paths)? {
        read = read.without_journal();
    }
    let proposal = if offline {
        let gathered = session::gather_offline(Some(&project.config), read)?;
        Proposal::of(project, gathered)?
    } else {
        cloud::runtime()?.block_on(async {
            let (nature, paths) = (&project.nature, &project.paths);
            let reader = cloud::connect_to_read(ui, options, nature, paths, &project.config.region).await?;
            let nothing = BTreeMap::new();
            // A simulated cloud knows nothing of the world.
            let asking = (!options.cloud.is_simulated())
                .then(|| session::news::ask(&reader, &project.world(&nothing, &Value::Null)));
            let proposal = Proposal::from(project, &reader, read).await?;
            for sentence in asking.unwrap_or_default().told().await {
                ui.say(&printable(&sentence));
            }
            if let Some(newer) = newer(&*reader, &proposal.gathered, &proposal.plan).await {
                say_newer(ui, &proposal.gathered.state, &newer);
            }
            Ok::<_, CommandError>(proposal)
        })?
    };
    say_notes(ui, &proposal.gathered);
    ui.diagnostics(&proposal.warnings);
    Ok(proposal)
}

/// Warns of a newer state.
pub(super) fn say_newer(ui: &Ui, state: &State, newer: &Registration) {
    ui.warn(&format!(
        "this is state {} of {}, and state {} was applied at {}: pull the newest one first, or this plan takes that work back",
        state.serial,
        state.instance,
        newer.serial,
        printable(&newer.applied)
    ));
}

pub(super) fn exit(ui: &Ui, plan: &Plan, types: &Types, arguments: &PlanArguments) -> Exit {
    if !plan.refusals.is_empty() {
        Exit::Refused
    } else if gated(ui, plan, types, &arguments.fail_on) {
        Exit::Gated
    } else if arguments.detailed_exitcode && !plan.is_empty() {
        Exit::Changes
    } else {
        Exit::Done
    }
}

/// Whether a plan does something that it may be stopped for, and says what.
pub(super) fn gated(ui: &Ui, plan: &Plan, types: &Types, fail_on: &[FailOn]) -> bool {
    let mut found: Vec<&str> = Vec::new();
    for gate in fail_on {
        let (does, words) = match gate {
            FailOn::Security => (plan.security() != Widening::Nothing, "security: it widens rights, or may"),
            FailOn::DataLoss => {
                let loses = plan.impact() == Impact::DataLoss || plan.losses(types).next().is_some();
                (loses, "data-loss: it deletes what people have stored")
            }
            FailOn::Deletion => (plan.deletions().next().is_some(), "deletion: it deletes something"),
            FailOn::Outage => (plan.impact() >= Impact::Outage, "outage: it takes a part of the instance down"),
        };
        if does && !found.contains(&words) {
            found.push(words);
        }
    }
    for words in &found {
        ui.error(&format!("--fail-on {words}"));
    }
    !found.is_empty()
}

/// Says that an instance was handed over: then nothing of what is shown is carried out.
pub(super) fn say_handed_over(ui: &Ui, state: &State) {
    if state.handed_over {
        ui.warn(&format!("{} was handed over: `apply` and `destroy` refuse to change it", state.instance));
    }
}

/// Tells what was found out about an interrupted run.
pub(super) fn say_notes(ui: &Ui, gathered: &Gathered) {
    say_handed_over(ui, &gathered.state);
    for note in &gathered.notes {
        ui.say(&format!("an earlier run was interrupted: {}: {}", note.address, note.text));
    }
    let owner = owner(&gathered.state);
    for stranger in &gathered.strangers {
        let Stranger { address, identity, holder } = stranger;
        let words = holder.words(&owner);
        ui.warn(&format!("{identity}, which the state calls left over of {address}, {words}; it is left alone"));
    }
    if !gathered.found.is_empty() {
        let (found, instance) = (gathered.found.len(), &gathered.state.instance);
        ui.say(&format!("{found} resources of {instance} were found in AWS, with lineage {}", gathered.state.lineage));
    }
}
