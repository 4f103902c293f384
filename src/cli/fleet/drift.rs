//! `mastoform drift` over a fleet: what is not as it was applied, instance by instance. Like the command for one, it is
//! handed clouds that can only be read.

use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use super::table;
use super::{Clouds, Fleet, Member, PLANNED_AT_ONCE, Waiting, document, worst};
use crate::cli::drift::{Examined, examine, remembered, title};
use crate::cli::{CommandError, DriftArguments, Exit, cloud};
use crate::render;
use crate::render::style::Role;

pub fn run(fleet: &Fleet<'_>, arguments: &DriftArguments) -> Result<Exit, CommandError> {
    let (members, unreadable) = fleet.members()?;
    let mut report = Report { fleet, arguments, rows: Vec::new(), json: Vec::new(), exits: Vec::new() };
    for problem in &unreadable {
        report.failed(&problem.path.display().to_string(), &problem.error);
    }
    cloud::runtime()?.block_on(async {
        let mut clouds = Clouds::default();
        for some in members.chunks(PLANNED_AT_ONCE) {
            let mut waiting: Vec<Waiting<'_, Result<Option<Examined>, CommandError>>> = Vec::new();
            for member in some {
                let project = &member.project;
                let read = remembered(fleet.ui, project);
                let reader = match &read {
                    Ok(Some(_)) => Some(clouds.for_reading(fleet.ui, member).await),
                    _ => None,
                };
                waiting.push(Box::pin(async move {
                    let (Some(read), Some(reader)) = (read?, reader) else { return Ok(None) };
                    examine(fleet.ui, project, &reader?, read).await.map(Some)
                }));
            }
            for (member, examined) in some.iter().zip(join_all(waiting).await) {
                report.take(member, examined)?;
            }
        }
        Ok::<_, CommandError>(())
    })?;
    report.end()
}

/// What is said of the instances, one after the other.
struct Report<'a> {
    fleet: &'a Fleet<'a>,
    arguments: &'a DriftArguments,
    rows: Vec<(String, Role, &'static str, String)>,
    json: Vec<Json>,
    exits: Vec<Exit>,
}

impl Report<'_> {
    fn failed(&mut self, name: &str, error: &CommandError) {
        self.fleet.complain(name, error);
        self.rows.push((name.to_owned(), Role::Error, "failed", String::new()));
        self.json.push(json!({ "instance": name, "error": error.to_string() }));
        self.exits.push(error.exit());
    }

    fn take(&mut self, member: &Member, examined: Result<Option<Examined>, CommandError>) -> Result<(), CommandError> {
        let (ui, name) = (self.fleet.ui, member.name().to_owned());
        self.fleet.warn(member);
        let examined = match examined {
            Ok(Some(examined)) => examined,
            Ok(None) => {
                self.rows.push((name.clone(), Role::Quiet, "not applied yet", String::new()));
                self.json.push(json!({ "instance": name, "drift": null }));
                return Ok(());
            }
            Err(error) => {
                self.failed(&name, &error);
                return Ok(());
            }
        };
        let Examined { gathered, found, .. } = &examined;
        let (config, serial) = (&member.project.config, gathered.state.serial);
        let numbers = render::drift::numbers(found);
        if self.arguments.json {
            let file = member.options.file.display().to_string();
            let drift = render::drift::drift_json(found, &config.name, &config.region, serial);
            self.json.push(json!({ "instance": name, "file": file, "drift": drift }));
        } else if !numbers.is_empty() {
            let title = title(ui, &member.project, serial);
            ui.data(&render::drift::drift(found, &title, member.types(), &ui.render_options()))?;
            ui.data("")?;
        }
        let (role, word) = if found.is_present() { (Role::Error, "drift") } else { (Role::Good, "no drift") };
        self.rows.push((name, role, word, numbers));
        let has_drifted = self.arguments.detailed_exitcode && found.is_present();
        self.exits.push(if has_drifted { Exit::Drift } else { Exit::Done });
        Ok(())
    }

    fn end(self) -> Result<Exit, CommandError> {
        let ui = self.fleet.ui;
        if self.arguments.json {
            ui.json(&document(self.json))?;
        } else {
            ui.data(&table::results(&self.rows))?;
            let count = |wanted| self.rows.iter().filter(|(_, _, word, _)| *word == wanted).count();
            let failed = match count("failed") {
                0 => String::new(),
                failed => format!("; {failed} failed"),
            };
            ui.data(&format!("\n{}; {} drifted{failed}.", table::counted(self.rows.len()), count("drift")))?;
        }
        Ok(worst(self.exits))
    }
}
