//! `mastoform output [NAME]`: what one needs to know of the instance, as the state knows it.

use serde_json::{Value as Json, json};

use super::files::{self, Project};
use super::requests::Requests;
use super::{CommandError, Exit, OutputArguments, Ui};
use crate::diagnostic::Diagnostic;
use crate::inert::printable;
use crate::ops::Settings;
use crate::plan::resolve::resolve;
use crate::render::layout::{pad, width, wrap};
use crate::render::style::{Role, paint};
use crate::session::{self, Output};
use crate::spec::Types;
use crate::state::State;
use crate::value::Value;

/// The version of the JSON form.
const FORMAT: u64 = 1;
/// What stands for a value that does not exist yet.
pub(super) const UNKNOWN: &str = "(known after apply)";

pub fn run(ui: &Ui, options: &Settings, arguments: &OutputArguments) -> Result<Exit, CommandError> {
    let (project, _) = Project::read(options)?;
    let state = files::read_state(ui, &project.paths)?;
    if state.is_none() {
        ui.say("Nothing has been applied yet: what is not known exists after `mastoform apply`.");
        files::point_at_sandbox(ui, &project.paths);
    }
    let state = state.unwrap_or_else(|| State::new("", project.config.name.as_str(), project.config.region.as_str()));
    if let Some(name) = arguments.name.as_deref()
        && Requests::names(&project.specs.types).contains(&name)
    {
        return requests(ui, &state, &project.specs.types, name, arguments);
    }
    if arguments.zone {
        return Err(
            CommandError::failure("--zone is for records that you are asked for").hint("mastoform output dns --zone")
        );
    }
    let world = project.world(&state.lookups, &state.settings);
    let graph = resolve(&world)?;
    let outputs = session::outputs(&world, &graph, &state)?;
    match (&arguments.name, arguments.json) {
        (Some(name), is_json) => {
            let value = value_of(&project, &outputs, name)?;
            if is_json { ui.json(&value.to_json())? } else { ui.data(&text(value))? }
        }
        (None, true) => ui.json(&json!({"format": FORMAT, "outputs": to_json(&outputs)}))?,
        (None, false) => ui.data(&list(&outputs, ui.width()))?,
    }
    Ok(Exit::Done)
}

/// What is asked of people under this name.
fn requests(
    ui: &Ui,
    state: &State,
    types: &Types,
    name: &str,
    arguments: &OutputArguments,
) -> Result<Exit, CommandError> {
    let all = Requests::of(state, types, &|_| true);
    match all.iter().find(|requests| requests.name() == name) {
        Some(requests) if arguments.json => ui.json(&requests.to_json())?,
        Some(requests) if arguments.zone => ui.data(&requests.lines()?)?,
        Some(requests) => ui.data(&requests.table())?,
        None if arguments.json => ui.json(&json!({"format": FORMAT, "requests": []}))?,
        None => ui.say("You are asked for nothing."),
    }
    Ok(Exit::Done)
}

fn value_of<'a>(project: &Project, outputs: &'a [Output], name: &str) -> Result<&'a Value, CommandError> {
    match outputs.iter().find(|output| output.name == name) {
        Some(Output { value: Some(value), .. }) => Ok(value),
        Some(_) => Err(CommandError::failure(format!("the output `{name}` is not known yet"))
            .hint("it exists after `mastoform apply`")),
        None => {
            let known: Vec<&str> = project.specs.blueprint.outputs.iter().map(|output| output.name.as_str()).collect();
            if known.contains(&name) {
                return Err(CommandError::failure(format!("the output `{name}` has no value with these settings")));
            }
            let mut problem = Diagnostic::error("unknown-output", format!("there is no output `{name}`"))
                .suggest(name, known.iter().copied());
            if problem.hints.is_empty() {
                problem = problem.hint(format!("there are: {}", known.join(", ")));
            }
            Err(problem.into())
        }
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_text().map_or_else(|| value.to_string(), str::to_owned)
}

/// All outputs with what they are for, in lines of about `columns`, without a newline at the end.
pub fn list(outputs: &[Output], columns: usize) -> String {
    let name_columns = outputs.iter().map(|output| width(&output.name)).max().unwrap_or(0);
    let indent = " ".repeat(name_columns + 2);
    let mut lines = Vec::new();
    for output in outputs {
        let name = paint(Role::Heading, &pad(&output.name, name_columns));
        let value = output.value.as_ref().map(|value| printable(&text(value)).into_owned());
        let value = value.unwrap_or_else(|| paint(Role::Quiet, UNKNOWN));
        lines.push(format!("{name}  {value}"));
        let doc = wrap(&output.doc, columns.saturating_sub(indent.len()).max(40));
        lines.extend(doc.iter().map(|line| format!("{indent}{}", paint(Role::Quiet, line))));
    }
    lines.join("\n")
}

/// All outputs by name.
pub fn to_json(outputs: &[Output]) -> Json {
    let one = |output: &Output| {
        json!({
            "value": output.value.as_ref().map(Value::to_json),
            "known": output.value.is_some(),
            "doc": output.doc,
        })
    };
    Json::Object(outputs.iter().map(|output| (output.name.clone(), one(output))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::tests::options;
    use crate::cli::proposal::tests::Bench;
    use crate::cli::ui::captured::ui;

    #[test]
    fn before_the_first_apply_some_outputs_are_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        fs_err::write(&options.file, include_str!("../../mastodon.toml")).expect("written");
        let (ui, out, _) = ui(false, "");
        let arguments = |name: Option<&str>, json| OutputArguments { name: name.map(str::to_owned), json, zone: false };
        run(&ui, &options, &arguments(Some("url"), false)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(out.take(), "https://social.example.org\n");
        run(&ui, &options, &arguments(None, false)).unwrap_or_else(|error| panic!("{error}"));
        let all = out.take();
        assert!(all.contains("web_record    (known after apply)\n"), "{all}");
        let error = run(&ui, &options, &arguments(Some("web_record"), false)).expect_err("not known");
        assert!(error.to_string().contains("not known yet"));
        let error = run(&ui, &options, &arguments(Some("ulr"), false)).expect_err("no such output");
        assert!(error.to_string().contains("there is no output `ulr`"));
    }

    #[tokio::test]
    async fn a_forged_name_is_one_word_of_a_command() {
        let bench = Bench::new();
        bench.apply().await;
        let (project, _) = Project::read(&bench.options).unwrap_or_else(|error| panic!("{error}"));
        let path = project.paths.state();
        let mut state = State::read(&path).expect("a state").expect("one");
        let row = state.rows.get_mut(&"logs.log_group.mastodon".parse().expect("an address")).expect("a row");
        for values in [&mut row.inputs, &mut row.facts] {
            values.set(&["name"], "/mastodon/social; touch PWN $(id)\nhint: x".into());
        }
        state.write(&path).expect("written");
        let (ui, out, _) = ui(false, "");
        let told = |name: Option<&str>| {
            let arguments = OutputArguments { name: name.map(str::to_owned), json: false, zone: false };
            run(&ui, &bench.options, &arguments).unwrap_or_else(|error| panic!("{error}"));
            out.take()
        };
        let command = r"aws logs tail '/mastodon/social; touch PWN $(id)\u{a}hint: x' --follow --region eu-central-1";
        assert_eq!(told(Some("logs")), format!("{command}\n"));
        assert!(told(None).contains(command));
    }
}
