//! `mastoform cost`: what the instance costs a month, as the file describes it. Asks AWS nothing and needs no state, so
//! it answers before anything is built.

use super::files::{Library, Project};
use super::{CommandError, CostArguments, Exit, Ui};
use crate::config::edit;
use crate::cost::Estimate;
use crate::diagnostic::SourceFile;
use crate::document;
use crate::ops::Settings;
use crate::plan::resolve::resolve;
use crate::render::estimate::{self, Alternative, Assumption, Bill, Form};
use crate::session;
use crate::spec::pricing::USAGE;
use crate::state::State;
use crate::value::Value;

pub fn run(ui: &Ui, options: &Settings, arguments: &CostArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let estimate = estimated(&project, &project.config.region)?;
    let alternatives = alternatives(options, &project, arguments)?;
    tell(ui, &project, &estimate, &alternatives, arguments.json)?;
    Ok(Exit::Done)
}

/// The estimate of an instance. The answers of AWS that its state remembers hold in `home`, the region of its file.
pub(super) fn estimated(project: &Project, home: &str) -> Result<Estimate, CommandError> {
    let state = State::read(&project.paths.state())?;
    let at_home = state.filter(|_| project.config.region == home);
    let lookups = at_home.map(|state| state.lookups).unwrap_or_default();
    let world = project.world(&lookups, &Value::Null);
    let graph = resolve(&world)?;
    Ok(session::cost(&world, &graph)?)
}

/// Calls `shown` with everything there is to say.
pub(super) fn with_bill<T>(
    project: &Project,
    estimate: &Estimate,
    alternatives: &[Alternative],
    shown: impl FnOnce(&Bill<'_>) -> T,
) -> Result<T, CommandError> {
    let config = &project.config;
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    Ok(shown(&Bill {
        instance: &config.name,
        title: &config.title,
        region: &config.region,
        estimate,
        table: project.specs.prices.table()?,
        assumptions: &assumptions(project),
        alternatives,
        today: &today,
    }))
}

fn tell(
    ui: &Ui,
    project: &Project,
    estimate: &Estimate,
    alternatives: &[Alternative],
    is_json: bool,
) -> Result<(), CommandError> {
    if is_json {
        return ui.json(&with_bill(project, estimate, alternatives, estimate::json)?);
    }
    let options = ui.render_options();
    let form = Form { columns: options.width.clamp(80, 120), verbose: options.verbose, ascii: options.ascii };
    ui.data(&with_bill(project, estimate, alternatives, |bill| estimate::text(bill, form))?)
}

/// Everything that the settings say of a month, in the order of the specs.
fn assumptions(project: &Project) -> Vec<Assumption> {
    let inputs = &project.specs.blueprint.inputs;
    let of_month = inputs.iter().filter(|input| input.path.first().is_some_and(|table| table == USAGE));
    let assumption = |input: &crate::spec::blueprint::Input| Assumption {
        setting: input.path.get(1..).unwrap_or_default().join("."),
        value: project.config.values.at(&input.path).cloned().unwrap_or_default(),
        is_written: project.config.origin(&input.path).is_some(),
        doc: input.doc.clone(),
    };
    of_month.map(assumption).collect()
}

/// The amounts with other settings: those that were asked for, and the choices of the blueprint.
fn alternatives(
    options: &Settings,
    project: &Project,
    arguments: &CostArguments,
) -> Result<Vec<Alternative>, CommandError> {
    if arguments.compare.is_empty() && !arguments.choices {
        return Ok(Vec::new());
    }
    let is_so = |(setting, value): &(String, Value)| {
        let path: Vec<&str> = setting.split('.').collect();
        project.config.values.at(&path) == Some(value)
    };
    let choices = project.specs.blueprint.choices.iter().filter(|_| arguments.choices);
    let choices: Vec<_> = choices.filter(|choice| !choice.set.iter().all(is_so)).collect();
    within(project.source_bytes(), arguments.compare.len() + choices.len())?;
    let library = Library::read(options)?;
    let priced = |name: String, doc: &str, set: &[(String, Value)]| {
        let mut text = project.config.source.text.clone();
        for (setting, value) in set {
            let path: Vec<String> = setting.split('.').map(str::to_owned).collect();
            text = edit::set_input(&text, &path, value)
                .map_err(|error| CommandError::failure(format!("{setting} cannot be set: {error}")))?;
        }
        let source = SourceFile::new(format!("{} with {name}", project.config.source.name), text);
        let (other, _) = library.project(&source, options)?;
        let estimate = estimated(&other, &project.config.region)?;
        let (total, gaps) = (estimate.total(), estimate.gaps.len());
        Ok::<_, CommandError>(Alternative { name, doc: doc.to_owned(), total, gaps })
    };
    let mut found = Vec::new();
    for asked in &arguments.compare {
        let set = setting(asked)?;
        found.push(priced(format!("{}={}", set.0, set.1), "", std::slice::from_ref(&set))?);
    }
    for choice in choices {
        let name: Vec<String> = choice.set.iter().map(|(setting, value)| format!("{setting}={value}")).collect();
        found.push(priced(name.join(" "), &choice.doc, &choice.set)?);
    }
    Ok(found)
}

/// The most bytes of settings and overlays that are planned for other settings, all of them together.
const BYTES_OF_ALTERNATIVES: usize = 2 << 20;

/// Refuses what would take long: each alternative takes a plan of its own over all files.
fn within(bytes: usize, alternatives: usize) -> Result<(), CommandError> {
    let all = bytes.saturating_mul(alternatives);
    if all <= BYTES_OF_ALTERNATIVES {
        return Ok(());
    }
    let message = format!(
        "these files have {bytes} bytes, so {alternatives} other settings would take plans over {all} bytes, and the \
         limit is {BYTES_OF_ALTERNATIVES}"
    );
    Err(CommandError::failure(message).hint("ask for fewer at a time: `--compare` takes one setting"))
}

/// `database.max_capacity=2` as a setting and its value. What is no value of TOML is a text.
fn setting(asked: &str) -> Result<(String, Value), CommandError> {
    let wrong = || {
        CommandError::failure(format!("--compare {asked} is no setting with a value"))
            .hint("write it as in `--compare database.max_capacity=2`")
    };
    let (name, text) = asked.split_once('=').ok_or_else(wrong)?;
    let (name, text) = (name.trim(), text.trim());
    if name.is_empty() || text.is_empty() || text.contains('\n') {
        return Err(wrong());
    }
    let source = SourceFile::new("--compare", format!("value = {text}\n"));
    let parsed = document::parse(&source).ok().and_then(|document| Some(document.get("value")?.value()));
    Ok((name.to_owned(), parsed.unwrap_or_else(|| Value::Text(text.to_owned()))))
}

/// Everything about an instance's cost for the JSON of a fleet.
pub(super) fn to_json(project: &Project, estimate: &Estimate) -> Result<serde_json::Value, CommandError> {
    with_bill(project, estimate, &[], estimate::json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::tests::options;
    use crate::cli::ui::captured::ui;

    fn told(text: &str, arguments: &CostArguments) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        fs_err::write(&options.file, text).expect("written");
        let (ui, out, _) = ui(false, "");
        run(&ui, &options, arguments).map(|_| out.take()).map_err(|error| error.to_string())
    }

    const EXAMPLE: &str = include_str!("../../mastodon.toml");

    #[test]
    fn a_setting_and_its_value_are_told_apart() {
        let set = |asked: &str| setting(asked).map(|(name, value)| format!("{name}: {value}")).ok();
        assert_eq!(set("database.max_capacity=2").as_deref(), Some("database.max_capacity: 2"));
        assert_eq!(set("task.spot = false").as_deref(), Some("task.spot: false"));
        assert_eq!(set("redis.node_type=cache.t4g.small").as_deref(), Some("redis.node_type: \"cache.t4g.small\""));
        assert_eq!(set("task.spot"), None);
        assert_eq!(set("=2"), None);
    }

    #[test]
    fn the_json_is_as_its_schema_says() {
        let schema = serde_json::from_str(include_str!("../../docs/schemas/cost.schema.json")).expect("JSON");
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
        let arguments = CostArguments { compare: vec!["task.spot=false".to_owned()], choices: true, json: true };
        for text in [EXAMPLE.to_owned(), EXAMPLE.replace("eu-central-1\"", "eu-south-2\"")] {
            let json = serde_json::from_str(&told(&text, &arguments).expect("a bill")).expect("JSON");
            validator.validate(&json).unwrap_or_else(|error| panic!("{error} in {json}"));
        }
    }

    #[test]
    fn other_settings_are_compared_and_wrong_ones_point_at_the_mistake() {
        let compare = |asked: &str| {
            let arguments = CostArguments { compare: vec![asked.to_owned()], ..CostArguments::default() };
            told(EXAMPLE, &arguments)
        };
        let text = compare("task.spot=false").expect("a bill");
        assert!(text.contains("task.spot=false") && text.contains("+ $33."), "{text}");
        let wrong = compare("task.spott=false").expect_err("no such setting");
        assert!(wrong.contains("mastodon.toml with task.spott=false") && wrong.contains("unknown key"), "{wrong}");
        assert!(compare("task.spot").expect_err("no value").contains("is no setting with a value"));
    }

    #[test]
    fn alternatives_end_within_limits() {
        assert!(within(BYTES_OF_ALTERNATIVES / 4, 4).is_ok() && within(usize::MAX, 0).is_ok());
        for (bytes, alternatives) in [(BYTES_OF_ALTERNATIVES / 4 + 1, 4), (usize::MAX, 2)] {
            let said = within(bytes, alternatives).expect_err("too much").to_string();
            assert!(said.contains("the limit is 2097152"), "{said}");
        }
        let long = format!("{EXAMPLE}\n# {}\n", "x".repeat(BYTES_OF_ALTERNATIVES / 3));
        let arguments = CostArguments { choices: true, ..CostArguments::default() };
        let said = told(&long, &arguments).expect_err("too much");
        assert!(said.contains("other settings would take plans over"), "{said}");
        assert!(told(&long, &CostArguments::default()).is_ok());
    }

    #[test]
    fn usage_of_ones_own_is_marked() {
        let text = told(&format!("{EXAMPLE}[cost]\nmedia_gb = 40\n"), &CostArguments::default()).expect("a bill");
        assert!(text.contains("media_gb = 40") && text.contains("Yours. GB of media"), "{text}");
        for wrong in ["[1, 2]", "[3, 2, 1]", "-1", "[1, 2, -3]", "'many'"] {
            let file = format!("{EXAMPLE}[cost]\nmedia_gb = {wrong}\n");
            let problems = told(&file, &CostArguments::default()).expect_err(wrong);
            assert!(problems.contains("`cost.media_gb` must be"), "{wrong}: {problems}");
        }
    }
}
