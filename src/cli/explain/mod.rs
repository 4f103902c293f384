//! `mastoform explain WHAT`: where a value comes from and what would happen if it changed; what a setting decides; what a
//! section, a type or an output is; what a code means. Asks nobody: it reads the file, the specs, and the state if there is one.
//!
//! What would happen is not looked up in a table: it is planned, with a copy of the file or of the state in which the
//! one thing is another.

mod attribute;
mod pages;
mod setting;
mod several;

use std::cell::OnceCell;

use super::files::{self, Project};
use super::{CommandError, Exit, ExplainArguments, Ui};
use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::ops::Settings;
use crate::plan::resolve::{Graph, resolve};
use crate::plan::{Action, Change, Plan};
use crate::render;
use crate::session::{self, Gathered};
use crate::spec::types::Order;
use crate::state::State;

/// The word before the name of a setting.
const INPUT: &str = "input.";

pub fn run(ui: &Ui, options: &Settings, arguments: &ExplainArguments) -> Result<Exit, CommandError> {
    let what = arguments.what.as_str();
    if let Some(page) = pages::page(what) {
        ui.data(pages::told(page).trim_end())?;
        return Ok(Exit::Done);
    }
    let (project, _) = Project::read(options)?;
    let state = files::read_state(ui, &project.paths)?
        .unwrap_or_else(|| State::new("", project.config.name.as_str(), project.config.region.as_str()));
    let lookups = state.lookups.clone();
    let world = project.world(&lookups, &state.settings);
    let graph = resolve(&world)?;
    let subject = Subject { options, project: &project, state: &state, graph: &graph, plan: OnceCell::new() };
    let name = what.strip_prefix(INPUT).unwrap_or(what);
    let sheet = if let Some(input) = project.specs.blueprint.inputs.iter().find(|input| input.name() == name) {
        setting::sheet(&subject, input)
    } else if let Some((address, path)) = address(&graph, what) {
        if path.is_empty() {
            attribute::resource(&subject, &address)
        } else {
            attribute::sheet(&subject, &address, &path)?
        }
    } else if let Some(sheet) = what.parse().ok().and_then(|address| attribute::elsewhere(&subject, &address)) {
        sheet
    } else if let Some(sheet) = several::section(&subject, name).or_else(|| several::resource_type(&subject, what)) {
        sheet
    } else if let Some(sheet) = several::output(&subject, &world, what)? {
        sheet
    } else {
        return Err(unknown(&subject, what).into());
    };
    ui.data(&render::explain::sheet(&sheet, ui.width()))?;
    Ok(Exit::Done)
}

/// Everything that is known of the instance without asking.
struct Subject<'a> {
    options: &'a Settings,
    project: &'a Project,
    state: &'a State,
    graph: &'a Graph,
    plan: OnceCell<Option<Plan>>,
}

impl Subject<'_> {
    /// The offline plan. `None` if the file would not be valid.
    fn plan(&self) -> Option<&Plan> {
        self.plan.get_or_init(|| offline(self.project, self.graph, self.state)).as_ref()
    }
}

/// The resource a text begins with, and the path within it.
fn address(graph: &Graph, text: &str) -> Option<(Address, Vec<String>)> {
    let ends = text.match_indices('.').map(|(index, _)| index).chain([text.len()]);
    ends.filter_map(|end| Some((text[..end].parse::<Address>().ok()?, &text[end..])))
        .find(|(address, _)| graph.nodes.contains_key(address))
        .map(|(address, rest)| (address, rest.split('.').filter(|key| !key.is_empty()).map(str::to_owned).collect()))
}

fn unknown(subject: &Subject<'_>, what: &str) -> Diagnostic {
    let mut known: Vec<String> = subject.graph.nodes.keys().map(ToString::to_string).collect();
    known.extend(subject.state.rows.keys().chain(subject.state.lookups.keys()).map(ToString::to_string));
    known.extend(subject.project.specs.blueprint.inputs.iter().map(|input| format!("{INPUT}{}", input.name())));
    known.extend(pages::PAGES.iter().map(|(code, _)| (*code).to_owned()));
    let problem = Diagnostic::error("unknown-subject", format!("there is nothing named `{what}` to explain"))
        .suggest(what, known.iter().map(String::as_str));
    if problem.hints.is_empty() {
        problem.hint("name an address, an attribute of it, a type, a setting or a section of settings, output.NAME, or a code such as unknown-key")
    } else {
        problem
    }
}

/// The plan of a project over a state, without asking the cloud. `graph` is what the file comes to with the lookups and
/// the settings of the state. `None` if the file would not be valid.
fn offline(project: &Project, graph: &Graph, state: &State) -> Option<Plan> {
    let gathered = Gathered::offline(state.clone());
    let world = project.world(&gathered.lookups, &gathered.state.settings);
    session::plan(&world, graph, &gathered).ok().map(|(plan, _)| plan)
}

/// What a plan does that another does not, a line each.
fn consequences(before: &Plan, after: &Plan) -> Vec<String> {
    let is_new = |change: &&Change| {
        !before.changes.iter().any(|other| {
            other.address == change.address
                && other.action == change.action
                && other.attributes.len() == change.attributes.len()
        })
    };
    let rows: Vec<(String, String)> = after
        .changes
        .iter()
        .filter(is_new)
        .map(|change| {
            let verb = match &change.action {
                Action::Create => "is created",
                Action::Update { .. } | Action::Adopt => "is updated in place",
                Action::Replace { order: Order::CreateFirst, .. } => "is replaced, the new one first",
                Action::Replace { order: Order::DeleteFirst, .. } => "is replaced, the old one goes first",
                Action::Delete => "is deleted",
                Action::Forget => "is forgotten",
                Action::Run => "is run",
                Action::Skip => "counts as done",
            };
            let impact = match change.action {
                Action::Create | Action::Forget | Action::Run | Action::Skip => String::new(),
                _ => format!(": {}", change.impact.words()),
            };
            let time = render::duration::about(change.expected_seconds);
            (change.address.to_string(), format!("{verb}{impact}, {time}"))
        })
        .collect();
    render::explain::columns(&rows)
}
