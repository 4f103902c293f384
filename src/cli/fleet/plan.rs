//! `mastoform plan` over a fleet: what apply would do, instance by instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use super::table::{self, Planned};
use super::{Clouds, Fleet, Member, PLANNED_AT_ONCE, Waiting, document, worst};
use crate::cli::plan::{exit, say_notes};
use crate::cli::{CommandError, Exit, PlanArguments, cloud};
use crate::diagnostic::Diagnostics;
use crate::plan::Plan;
use crate::plan::resolve::resolve;
use crate::provider::Reader;
use crate::render;
use crate::session::{self, Gathered, Remembered, SessionError};

pub fn run(fleet: &Fleet<'_>, arguments: &PlanArguments) -> Result<Exit, CommandError> {
    let (members, unreadable) = fleet.members()?;
    let mut report = Report { fleet, arguments, rows: Vec::new(), json: Vec::new(), exits: Vec::new() };
    for problem in &unreadable {
        report.failed(&problem.path.display().to_string(), &problem.error);
    }
    if arguments.offline {
        for member in &members {
            let gathered = read_state(member)
                .and_then(|read| session::gather_offline(Some(&member.project.config), read))
                .map_err(CommandError::from);
            report.take(member, gathered)?;
        }
    } else {
        cloud::runtime()?.block_on(async {
            let mut clouds = Clouds::default();
            for some in members.chunks(PLANNED_AT_ONCE) {
                let mut waiting: Vec<Waiting<'_, Result<Gathered, CommandError>>> = Vec::new();
                for member in some {
                    let reader = clouds.for_reading(fleet.ui, member).await;
                    waiting.push(Box::pin(async move { gather(member, &reader?).await }));
                }
                for (member, gathered) in some.iter().zip(join_all(waiting).await) {
                    report.take(member, gathered)?;
                }
            }
            Ok::<_, CommandError>(())
        })?;
    }
    report.end()
}

/// Learns everything about an instance.
pub(super) async fn gather(member: &Member, reader: &Arc<dyn Reader>) -> Result<Gathered, CommandError> {
    let nothing = BTreeMap::new();
    let read = read_state(member)?;
    Ok(session::gather(
        reader,
        &member.project.specs.types,
        Some(&member.project.world(&nothing, &crate::value::Value::Null)),
        read,
    )
    .await?)
}

/// A state that does not exist yet has no lineage: an apply chooses one.
fn read_state(member: &Member) -> Result<Remembered, SessionError> {
    let config = &member.project.config;
    session::read_state(&member.project.paths, &config.name, &config.region, "")
}

/// The plan of an instance, and the warnings of its checks.
pub(super) fn plan(member: &Member, gathered: &Gathered) -> Result<(Plan, Diagnostics), CommandError> {
    let world = member.project.world(&gathered.lookups, &gathered.state.settings);
    let graph = resolve(&world)?;
    Ok(session::plan(&world, &graph, gathered)?)
}

/// What is said of the instances, one after the other.
struct Report<'a> {
    fleet: &'a Fleet<'a>,
    arguments: &'a PlanArguments,
    rows: Vec<(String, Planned)>,
    json: Vec<Json>,
    exits: Vec<Exit>,
}

impl Report<'_> {
    fn failed(&mut self, name: &str, error: &CommandError) {
        self.fleet.complain(name, error);
        self.rows.push((name.to_owned(), Planned::Failed));
        if self.arguments.json {
            self.json.push(json!({ "instance": name, "error": error.to_string() }));
        }
        self.exits.push(error.exit());
    }

    fn take(&mut self, member: &Member, gathered: Result<Gathered, CommandError>) -> Result<(), CommandError> {
        let ui = self.fleet.ui;
        self.fleet.warn(member);
        let planned = gathered.and_then(|gathered| {
            say_notes(ui, &gathered);
            plan(member, &gathered)
        });
        let (plan, warnings) = match planned {
            Ok(planned) => planned,
            Err(error) => {
                self.failed(member.name(), &error);
                return Ok(());
            }
        };
        ui.diagnostics(&warnings);
        if self.arguments.json {
            let file = member.options.file.display().to_string();
            let plan = render::plan_json(&plan, member.types());
            self.json.push(json!({ "instance": member.name(), "file": file, "plan": plan }));
        } else if !plan.is_empty() {
            ui.data(render::plan(&plan, member.types(), &ui.render_options()).trim_end())?;
            ui.data("")?;
        }
        self.rows.push((member.name().to_owned(), Planned::of(&plan)));
        self.exits.push(exit(ui, &plan, member.types(), self.arguments));
        Ok(())
    }

    fn end(self) -> Result<Exit, CommandError> {
        if self.arguments.json {
            self.fleet.ui.json(&document(self.json))?;
        } else {
            self.fleet.ui.data(&table::plans(&self.rows))?;
        }
        Ok(worst(self.exits))
    }
}
