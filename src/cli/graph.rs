//! `mastoform graph`

use super::files::Project;
use super::{CommandError, Exit, GraphArguments, GraphFormat, Ui, plan};
use crate::ops::Settings;
use crate::plan::resolve::resolve;
use crate::render::graph::{Drawing, svg};
use crate::state::State;

pub fn run(ui: &Ui, options: &Settings, arguments: &GraphArguments) -> Result<Exit, CommandError> {
    if arguments.plan {
        let proposal = plan::propose(ui, options, Project::load(ui, options)?, arguments.offline, false)?;
        return print(ui, arguments, &proposal.drawing(arguments.all), &proposal.project.config.name);
    }
    let (project, _) = Project::read(options)?;
    let lookups = State::read(&project.paths.state())?.map(|state| state.lookups).unwrap_or_default();
    let resolved = resolve(&project.world(&lookups, &crate::value::Value::Null))?;
    print(ui, arguments, &Drawing::new(&resolved, None, arguments.all), &project.config.name)
}

fn print(ui: &Ui, arguments: &GraphArguments, drawing: &Drawing, name: &str) -> Result<Exit, CommandError> {
    let text = match arguments.format {
        GraphFormat::Svg => {
            let description =
                format!("{} resources, from left to right in the order of the work.", drawing.nodes.len());
            svg::document(drawing, &format!("The resources of {name}"), &description)
        }
        GraphFormat::Mermaid => drawing.mermaid(),
        GraphFormat::Dot => drawing.dot(),
    };
    ui.data(text.trim_end())?;
    Ok(Exit::Done)
}
