//! `mastoform status`: whether the running instance works, on one screen. It is handed a cloud that can only be read, and
//! asks the instance as anybody could.
//!
//! What takes a job of the blueprint to be found out is asked with `--jobs` alone: a task of its own, which is removed when
//! it has ended or nobody waits for it any more.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::timeout;

use super::drift::title;
use super::files::Project;
use super::run::{Work, attributes, start};
use super::{CommandError, Exit, StatusArguments, Ui, cloud};
use crate::ops::Settings;
use crate::plan::resolve::resolve;
use crate::provider::{Provider, Silence, read_only};
use crate::render;
use crate::session::status::{self, Found};
use crate::spec::types::Condition;
use crate::state::State;
use crate::value::{Tree, Value};

/// How long a job may take, in the cloud's time: most of it passes until a task has started.
const LONGEST: Duration = Duration::from_secs(10 * 60);

pub fn run(ui: &Ui, options: &Settings, arguments: &StatusArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let config = &project.config;
    let state = project.applied(ui)?;
    let world = project.world(&state.lookups, &state.settings);
    let graph = resolve(&world)?;
    let jobs = if arguments.jobs { status::jobs(&world, &graph, &state)? } else { Vec::new() };
    let runtime = cloud::runtime()?;
    let report = runtime.block_on(async {
        let (nature, paths) = (&project.nature, &project.paths);
        let reader = match jobs.is_empty() {
            true => cloud::connect_to_read(ui, options, nature, paths, &config.region).await?,
            false => {
                let provider = cloud::connect(ui, options, nature, paths, &config.region).await?;
                let found = inquire(ui, &provider, &project, &state, &jobs).await?;
                let reader = read_only(&provider);
                return Ok(status::status(&reader, &world, &graph, &state, Some(&found)).await?);
            }
        };
        let found = arguments.jobs.then(Found::new);
        Ok::<_, CommandError>(status::status(&reader, &world, &graph, &state, found.as_ref()).await?)
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

/// Runs jobs of the blueprint one after the other, and takes down what they have found out.
async fn inquire(
    ui: &Ui,
    provider: &Arc<dyn Provider>,
    project: &Project,
    state: &State,
    jobs: &[String],
) -> Result<Found, CommandError> {
    let mut found = Found::new();
    for job in jobs {
        let answer = tokio::select! {
            answer = one(ui, provider, project, state, job) => answer,
            _ = tokio::signal::ctrl_c() => return Err(CommandError::silent(Exit::Interrupted)),
        };
        found.insert(job.clone(), answer.map_err(|error| Silence::new(error.to_string())));
    }
    Ok(found)
}

/// Runs a job to its end.
async fn one(
    ui: &Ui,
    provider: &Arc<dyn Provider>,
    project: &Project,
    state: &State,
    job: &str,
) -> Result<Value, CommandError> {
    let inquiry = &project.specs.blueprint.inquiries[job];
    let attributes = attributes(provider, project, state, &inquiry.resource).await?;
    let target = start(ui, &**provider, state, &inquiry.resource, attributes).await?;
    let resource_type = &project.nature.types[&inquiry.resource.type_name];
    let work = Work { ui, provider: Arc::clone(provider), resource_type };
    let mut lines = Vec::new();
    let mut keep = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    let longest = LONGEST.div_f64(provider.time_lapse()).max(Duration::from_secs(10));
    let ended = tokio::select! {
        ended = timeout(longest, work.follow(&target, &mut keep)) => ended,
        _ = tokio::signal::ctrl_c() => {
            provider.delete(&target).await?;
            return Err(CommandError::failure("it was stopped"));
        }
    };
    let Ok(shown) = ended else {
        provider.delete(&target).await?;
        return Err(CommandError::failure("the task had not ended after ten minutes, and was stopped"));
    };
    let shown = shown?;
    if resource_type.condition(&shown) != Some(Condition::Good) {
        let last = lines.last().map(|line| format!(": {}", line.trim())).unwrap_or_default();
        return Err(CommandError::failure(format!("the task ended as {}{last}", work.report(&shown))));
    }
    let code = shown.get(&inquiry.exit_code).cloned().unwrap_or_default();
    Ok(Tree::Map([("exit_code".to_owned(), code), ("json".to_owned(), answer(&lines))].into()))
}

/// The last line that is a table in JSON: programs print other things, too.
fn answer(lines: &[String]) -> Value {
    let parsed = lines.iter().rev().filter_map(|line| serde_json::from_str::<Json>(line.trim()).ok());
    parsed.filter(Json::is_object).map(|json| Value::from_json(&json)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::tests::{fast_sandbox, options};
    use crate::cli::ui::captured::ui;

    /// The task of its own is nowhere remembered, and gone when it has told what it found out.
    #[test]
    fn a_job_tells_what_nobody_sees_from_outside() {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("mastodon.toml"), include_str!("../../mastodon.toml")).expect("written");
        let mut options = options(folder.path());
        options.cloud = fast_sandbox();
        let (silent, ..) = ui(false, "");
        let arguments = crate::cli::ApplyArguments { yes: true, ..Default::default() };
        let applied = crate::cli::apply::run(&silent, &options, &arguments);
        assert_eq!(applied.map_err(|error| error.to_string()), Ok(Exit::Done));
        let state = || fs_err::read_to_string(folder.path().join("state/sandbox/social.json")).expect("a state");
        let before = state();
        for (jobs, line) in [
            (false, "· queues                               not asked, since it takes a task of its own"),
            (true, "✓ queues                               0 jobs wait, the oldest for 0 s: default 0, push 0"),
        ] {
            let (ui, out, _) = ui(false, "");
            let outcome = run(&ui, &options, &StatusArguments { jobs, json: false });
            assert_eq!(outcome.map_err(|error| error.to_string()), Ok(Exit::Done));
            let said = out.take();
            assert!(said.contains(line), "{said}");
        }
        assert_eq!(state(), before);
    }

    #[test]
    fn the_last_table_that_a_job_prints_is_its_answer() {
        let lines = ["I, [2026] INFO -- : booted", r#"{"waiting": 3}"#, r#"{"waiting": 4}"#, "7", "bye"];
        let lines: Vec<String> = lines.map(str::to_owned).to_vec();
        assert_eq!(answer(&lines).to_string(), r#"{"waiting": 4}"#);
        assert_eq!(answer(&lines[..1]), Value::Null);
    }
}
