//! `mastoform graph`

use super::files::Project;
use super::{CommandError, Exit, GlobalOptions, GraphArguments, GraphFormat, Ui};
use crate::plan::resolve::resolve;
use crate::render::graph;
use crate::state::State;

pub fn run(ui: &Ui, options: &GlobalOptions, arguments: &GraphArguments) -> Result<Exit, CommandError> {
    let (project, _) = Project::read(options)?;
    let lookups = State::read(&project.paths.state())?.map(|state| state.lookups).unwrap_or_default();
    let resolved = resolve(&project.world(&lookups), &project.specs)?;
    let text = match arguments.format {
        GraphFormat::Mermaid => graph::mermaid(&resolved),
        GraphFormat::Dot => graph::dot(&resolved),
    };
    ui.data(text.trim_end())?;
    Ok(Exit::Done)
}
