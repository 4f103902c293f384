//! A fleet: several instances in one run, each with its own file, state, lock and journal.
//!
//! `--file` given several times, a pattern such as `'instances/*.toml'`, or a folder make a fleet. One file does not:
//! then nothing of this module is used, and every command says what it always says.
//!
//! Specs are read once and connections to a cloud are opened once per region; what is done at once is divided among
//! the instances, and what several instances have in one region is read together. A plan, a drift and a validation go on after an instance that cannot be read; an apply and a destroy begin
//! only when every instance could be planned, and go in [`waves`], which stop at the first failure.
//!
//! # Guarantees
//!
//! - Instances come in the order of their files, and everything said of them in the same order.
//! - Every instance of the run is in the table at the end, whatever became of it.
//! - The exit code is that of the instance that fared worst.

mod cost;
mod drift;
mod plan;
mod table;
mod validate;
mod waves;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use glob::Pattern;
use serde_json::{Value as Json, json};

use super::files::{self, Library, Project};
use super::{Command, CommandError, Exit, Ui, cloud};
use crate::config;
use crate::diagnostic::Diagnostics;
use crate::document;
use crate::file;
use crate::ops::Settings;
use crate::provider::batch::batched;
use crate::provider::{Provider, Reader, read_only};
use crate::render::style::{Role, paint};
use crate::spec::{Blueprint, Types};

/// The version of the JSON of a fleet.
const FORMAT: u64 = 1;

/// Instances that are read and planned at once: their calls to a cloud are the same ones, as far as it reads several
/// resources in a call.
const PLANNED_AT_ONCE: usize = 100;

/// Instances that are taken down at once.
const DESTROYED_AT_ONCE: usize = 8;

/// What `--file` names.
#[derive(Debug, PartialEq, Eq)]
pub enum Files {
    One(PathBuf),
    /// In the order given, each once.
    Many(Vec<File>),
}

/// A file of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    pub path: PathBuf,
    /// It was found in a folder, and may be something else than an instance.
    pub found: bool,
}

/// Finds the files of a command.
///
/// # Errors
///
/// A pattern that is none, or that nothing matches; a folder without a file in it.
pub fn find(named: &[PathBuf]) -> Result<Files, CommandError> {
    let mut all: Vec<File> = Vec::new();
    let mut seen = BTreeSet::new();
    for path in named {
        let found = if path.is_dir() {
            let paths = files::toml_files(path)?;
            if paths.is_empty() {
                return Err(CommandError::failure(format!("there is no file *.toml in {}", path.display())));
            }
            paths.into_iter().map(|path| File { path, found: true }).collect()
        } else {
            matching(path)?
        };
        all.extend(found.into_iter().filter(|file| seen.insert(file.path.clone())));
    }
    match all.as_slice() {
        [only] => Ok(Files::One(only.path.clone())),
        _ => Ok(Files::Many(all)),
    }
}

/// The files a pattern matches; a path without wildcards is itself, whether it exists or not.
fn matching(path: &Path) -> Result<Vec<File>, CommandError> {
    let itself = || vec![File { path: path.to_owned(), found: false }];
    let Some(text) = path.to_str().filter(|text| text.contains(['*', '?', '['])) else { return Ok(itself()) };
    if path.exists() {
        return Ok(itself());
    }
    let matches = glob::glob(text)
        .map_err(|error| CommandError::failure(format!("{text} is not a pattern of files: {error}")))?;
    let paths = matches
        .collect::<Result<Vec<PathBuf>, _>>()
        .map_err(|error| CommandError::failure(format!("cannot look for {text}: {}", error.error())))?;
    // What a wildcard has found leads nowhere else than the folder that was typed.
    let typed: PathBuf =
        path.components().take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '['])).collect();
    for path in &paths {
        file::stays_inside(&typed, file::folder_of(path))?;
    }
    if paths.is_empty() {
        return Err(CommandError::failure(format!("no file matches {text}")));
    }
    Ok(paths.into_iter().map(|path| File { path, found: false }).collect())
}

/// Runs a command on those instances of a fleet whose names match one of `only`, if there are any.
pub fn run(
    ui: &Ui,
    options: &Settings,
    command: &Command,
    found: Vec<File>,
    only: &[String],
) -> Result<Exit, CommandError> {
    let for_one = match command {
        Command::Plan(arguments) => [
            ("--out", arguments.out.is_some()),
            ("--adopt-own", arguments.adopt_own),
            ("--html", arguments.html.is_some()),
            ("--markdown", arguments.markdown),
        ]
        .into_iter()
        .find(|(_, given)| *given),
        Command::Drift(arguments) => arguments.accept.then_some(("--accept", true)),
        Command::Apply(arguments) => [
            ("a saved plan", arguments.plan.is_some()),
            ("--json", arguments.json),
            ("--adopt-own", arguments.adopt_own),
        ]
        .into_iter()
        .find(|(_, given)| *given),
        Command::Cost(arguments) => [("--compare", !arguments.compare.is_empty()), ("--choices", arguments.choices)]
            .into_iter()
            .find(|(_, given)| *given),
        Command::Destroy(arguments) => [("--html", arguments.html.is_some())].into_iter().find(|(_, given)| *given),
        _ => None,
    };
    if let Some((what, _)) = for_one {
        return Err(CommandError::failure(format!("{what} is for one instance, and these files are a fleet"))
            .hint("name one file with --file"));
    }
    let fleet = Fleet::new(ui, options, without_shared(found), only)?;
    match command {
        Command::Plan(arguments) => plan::run(&fleet, arguments),
        Command::Drift(arguments) => drift::run(&fleet, arguments),
        Command::Cost(arguments) => cost::run(&fleet, arguments),
        Command::Validate => validate::run(&fleet),
        Command::Apply(arguments) => waves::apply(&fleet, arguments),
        Command::Destroy(arguments) => waves::destroy(&fleet, arguments),
        _ => fleet.alone(command),
    }
}

/// The files without those that were found beside others and that others share settings of.
fn without_shared(mut files: Vec<File>) -> Vec<File> {
    let named = |file: &File| {
        let source = files::read_file(&file.path).ok()?;
        let (name, _) = config::shared_file(&source)?;
        Some(file.path.with_file_name(name))
    };
    let shared: BTreeSet<PathBuf> = files.iter().filter_map(named).collect();
    files.retain(|file| !shared.contains(&file.path));
    files
}

/// The instances of a command, not yet read.
struct Fleet<'ui> {
    ui: &'ui Ui,
    options: Settings,
    library: Library,
    only: Vec<Pattern>,
    files: Vec<File>,
}

/// An instance.
struct Member {
    options: Settings,
    project: Project,
    warnings: Diagnostics,
}

impl Member {
    fn name(&self) -> &str {
        &self.project.config.name
    }

    fn types(&self) -> &Arc<Types> {
        &self.project.specs.types
    }
}

/// A file that could not be read as an instance.
struct Unreadable {
    path: PathBuf,
    error: CommandError,
}

impl<'ui> Fleet<'ui> {
    fn new(ui: &'ui Ui, options: &Settings, files: Vec<File>, names: &[String]) -> Result<Self, CommandError> {
        let pattern = |text: &String| {
            Pattern::new(text)
                .map_err(|error| CommandError::failure(format!("--only {text} is not a pattern of names: {error}")))
        };
        let only = names.iter().map(pattern).collect::<Result<_, _>>()?;
        Ok(Self { ui, options: options.clone(), library: Library::read(options)?, only, files })
    }

    /// Reads one file. `None` if it is no instance.
    fn member(&self, file: &File) -> Result<Option<Member>, Unreadable> {
        let unreadable = |error| Unreadable { path: file.path.clone(), error };
        let options = Settings { file: file.path.clone(), ..self.options.clone() };
        let source = files::read_file(&file.path).map_err(unreadable)?;
        match self.library.project(&source, &options) {
            Ok((project, warnings)) => Ok(Some(Member { options, project, warnings })),
            Err(_) if file.found && document::parse(&source).is_ok_and(|document| !self.is_instance(&document)) => {
                Ok(None)
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    /// An instance as its file is now. The specs of an overlay are read again; those of the program stay what they are.
    fn again(&self, member: &Member) -> Result<Project, CommandError> {
        let source = files::read_file(&member.options.file)?;
        let (project, _) = match member.options.specs {
            Some(_) => Library::read(&member.options)?.project(&source, &member.options)?,
            None => self.library.project(&source, &member.options)?,
        };
        Ok(project)
    }

    /// Runs a command that works on one instance, on the one that `--only` leaves. What they are told about is for
    /// people, so outputs may be those of several.
    fn alone(&self, command: &Command) -> Result<Exit, CommandError> {
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        for file in &self.files {
            match self.member(file) {
                Ok(Some(member)) if self.wants(member.name()) => {
                    found.push((member.name().to_owned(), file.path.clone()));
                }
                // The state needs no valid file.
                Err(problem) if !self.only.is_empty() && self.may_want(&problem.path) => {
                    let name = problem.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    found.push((name, problem.path));
                }
                _ => {}
            }
        }
        let of = |file: &PathBuf| Settings { file: file.clone(), ..self.options.clone() };
        match &found[..] {
            [] => Err(self.nobody()),
            [(_, file)] => super::run_one(self.ui, &of(file), command),
            several => match command {
                Command::Output(arguments) if !arguments.json && !arguments.zone => {
                    for (number, (name, file)) in several.iter().enumerate() {
                        let space = if number == 0 { "" } else { "\n" };
                        self.ui.data(&format!("{space}{}", paint(Role::Heading, name)))?;
                        super::run_one(self.ui, &of(file), command)?;
                    }
                    Ok(Exit::Done)
                }
                _ => {
                    let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
                    let message = format!("this command works on one instance, and these are {}", names.join(", "));
                    Err(CommandError::failure(message).hint(format!("choose one with --only {}", names[0])))
                }
            },
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|pattern| pattern.matches(name))
    }

    /// Whether a file that cannot be read may be one of those wanted: most files are called as their instance.
    fn may_want(&self, path: &Path) -> bool {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        self.wants(&stem)
    }

    /// Whether a document has anything of an instance: a setting or a section that the blueprint knows.
    fn is_instance(&self, document: &document::Node) -> bool {
        let blueprint: &Blueprint = self.library.blueprint();
        let known: BTreeSet<&str> =
            blueprint.inputs.iter().filter_map(|input| input.path.first().map(String::as_str)).collect();
        document.entries().iter().any(|entry| known.contains(entry.key.as_str()))
    }

    /// Reads everything, and says what is wrong with what cannot be read. Instances that would share a state file are
    /// refused.
    fn members(&self) -> Result<(Vec<Member>, Vec<Unreadable>), CommandError> {
        let mut members = Vec::new();
        let mut unreadable = Vec::new();
        for file in &self.files {
            match self.member(file) {
                Ok(member) => members.extend(member),
                Err(problem) if self.may_want(&problem.path) => unreadable.push(problem),
                Err(problem) => {
                    self.ui.warn(&format!("{} cannot be read, and is left out", problem.path.display()));
                }
            }
        }
        if members.is_empty() && unreadable.is_empty() {
            return Err(self.nobody());
        }
        must_differ(&members)?;
        members.retain(|member| self.wants(member.name()));
        if members.is_empty() && unreadable.is_empty() {
            return Err(self.nobody());
        }
        let mut states: BTreeMap<PathBuf, &Member> = BTreeMap::new();
        for member in &members {
            if let Some(other) = states.insert(member.project.paths.state(), member) {
                return Err(CommandError::failure(format!(
                    "{} and {} are both the instance {:?}",
                    other.options.file.display(),
                    member.options.file.display(),
                    member.name()
                ))
                .hint("give one of them another `name`, or keep them in folders of their own"));
            }
        }
        Ok((members, unreadable))
    }

    fn nobody(&self) -> CommandError {
        if self.only.is_empty() {
            CommandError::failure("none of these files is an instance")
        } else {
            CommandError::failure(format!(
                "no instance is called {}",
                self.only.iter().map(Pattern::as_str).collect::<Vec<_>>().join(" or ")
            ))
            .hint("the name of an instance is its `name`")
        }
    }

    /// Says the warnings about an instance.
    fn warn(&self, member: &Member) {
        self.ui.diagnostics(&member.warnings);
    }

    /// Says why something did not work with an instance or a file.
    fn complain(&self, whose: &str, error: &CommandError) {
        self.ui.tell(&format!("{}:", paint(Role::Heading, whose)));
        error.print(self.ui);
        self.ui.tell("");
    }
}

/// Refuses two instances with the same value of a setting that is unique.
fn must_differ(members: &[Member]) -> Result<(), CommandError> {
    let mut seen: BTreeMap<(String, String), &Member> = BTreeMap::new();
    for member in members {
        let Project { specs, config, .. } = &member.project;
        for input in specs.blueprint.inputs.iter().filter(|input| input.unique) {
            let Some(value) = config.values.at(&input.path).filter(|value| !value.is_null()) else { continue };
            let (setting, value) = (input.name(), value.to_string());
            let Some(other) = seen.insert((setting.clone(), value.clone()), member) else { continue };
            // Two files of one name are one instance, which is a mistake of its own.
            if other.name() == member.name() {
                continue;
            }
            let (first, second) = (other.options.file.display(), member.options.file.display());
            return Err(CommandError::failure(format!("{first} and {second} have the same {setting}, {value}"))
                .hint(format!("no two instances can have the same `{setting}`")));
        }
    }
    Ok(())
}

/// Clouds that are connected already, one for each region and each folder of a sandbox.
#[derive(Default)]
struct Clouds {
    connected: BTreeMap<(PathBuf, String), Cloud>,
}

/// A cloud, and the way in which all instances there read it together.
#[derive(Clone)]
struct Cloud {
    provider: Arc<dyn Provider>,
    reader: Arc<dyn Reader>,
}

impl Clouds {
    /// The cloud of an instance, for changing it.
    async fn of(&mut self, ui: &Ui, member: &Member) -> Result<Arc<dyn Provider>, CommandError> {
        Ok(self.cloud(ui, member).await?.provider)
    }

    /// The same for whoever only wants to look.
    async fn for_reading(&mut self, ui: &Ui, member: &Member) -> Result<Arc<dyn Reader>, CommandError> {
        Ok(self.cloud(ui, member).await?.reader)
    }

    async fn cloud(&mut self, ui: &Ui, member: &Member) -> Result<Cloud, CommandError> {
        let (paths, region) = (&member.project.paths, &member.project.config.region);
        let key = if member.options.cloud.is_simulated() {
            (paths.folder().to_owned(), String::new())
        } else {
            (PathBuf::new(), region.clone())
        };
        if let Some(cloud) = self.connected.get(&key) {
            return Ok(cloud.clone());
        }
        let provider = cloud::connect(ui, &member.options, &member.project.nature, paths, region).await?;
        let cloud = Cloud { reader: batched(read_only(&provider)), provider };
        self.connected.insert(key, cloud.clone());
        Ok(cloud)
    }
}

/// What `--json` prints of a fleet: something of every instance, or why there is nothing.
fn document(instances: Vec<Json>) -> Json {
    json!({ "format": FORMAT, "instances": instances })
}

/// Something to wait for, among others.
type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The exit code of a run: that of the instance that fared worst.
fn worst(exits: impl IntoIterator<Item = Exit>) -> Exit {
    let rank = |exit: &Exit| match exit {
        Exit::Done => 0,
        Exit::Changes => 1,
        Exit::Drift => 2,
        Exit::Gated => 3,
        Exit::Refused => 4,
        Exit::Stale => 5,
        Exit::Partial => 6,
        Exit::Failure => 7,
        Exit::Interrupted | Exit::Program(_) => 8,
    };
    exits.into_iter().max_by_key(rank).unwrap_or(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::files::tests::options;
    use crate::cli::proposal::tests::meanwhile;
    use crate::cli::ui::captured::{Text, ui, ui_reading};
    use crate::cli::{
        ApplyArguments, CostArguments, DestroyArguments, DriftArguments, IamPolicyArguments, OutputArguments,
        PlanArguments, StateCommand,
    };
    use crate::diagnostic::SourceFile;
    use crate::ops::{Cloud, Sandbox};
    use crate::state::{Holder, Lock, Paths, State};

    const EXAMPLE: &str = include_str!("../../../mastodon.toml");

    /// What was printed, which is as the schema says.
    fn printed(out: &Text) -> Json {
        let schema = include_str!("../../../docs/schemas/fleet.schema.json");
        let schema = serde_json::from_str(schema).expect("JSON");
        let json = serde_json::from_str(&out.take()).expect("JSON");
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{error}"));
        validator.validate(&json).unwrap_or_else(|error| panic!("{error} in {json}"));
        json
    }

    /// A folder with an instance of each name.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.expect("a folder");
        for name in names {
            let path = folder.path().join(format!("{name}.toml"));
            fs_err::write(path, EXAMPLE.replace("social", name)).expect("written");
        }
        folder
    }

    /// Where to work, and the instances to work on.
    type Chosen = (Settings, Vec<String>);

    fn real(folder: &Path) -> Chosen {
        (options(folder), Vec::new())
    }

    fn sandbox(folder: &Path, only: &[&str]) -> Chosen {
        let cloud = Cloud::Sandbox(Sandbox { speed: Some(100_000.0), person: None });
        (Settings { cloud, ..options(folder) }, only.iter().map(|name| (*name).to_owned()).collect())
    }

    fn go(chosen: &Chosen, folder: &Path, command: &Command) -> (Result<Exit, CommandError>, Text, Text) {
        let (ui, out, err) = ui(false, "");
        (go_with(&ui, chosen, folder, command), out, err)
    }

    fn go_with(ui: &Ui, (options, only): &Chosen, folder: &Path, command: &Command) -> Result<Exit, CommandError> {
        let Files::Many(files) = find(&[folder.to_owned()]).expect("found") else { panic!("one file") };
        run(ui, options, command, files, only)
    }

    fn apply(canary: Option<&str>, wave: u16) -> Command {
        Command::Apply(ApplyArguments {
            yes: true,
            canary: canary.map(str::to_owned),
            wave,
            ..ApplyArguments::default()
        })
    }

    fn plan() -> Command {
        Command::Plan(PlanArguments { offline: true, detailed_exitcode: true, ..PlanArguments::default() })
    }

    fn rows(folder: &Path, name: &str) -> usize {
        let state = Paths::new(folder.join("state/sandbox"), name).state();
        State::read(&state).expect("readable").map_or(0, |state| state.rows.len())
    }

    #[test]
    fn files_are_named_by_folder_by_pattern_or_one_by_one() {
        let folder = folder(&["alpha", "beta"]);
        let path = |name: &str| folder.path().join(format!("{name}.toml"));
        let paths = |found: Result<Files, CommandError>| match found.unwrap_or_else(|error| panic!("{error}")) {
            Files::One(path) => vec![path],
            Files::Many(files) => files.into_iter().map(|file| file.path).collect(),
        };
        let both = [path("alpha"), path("beta")];
        assert_eq!(paths(find(&[folder.path().to_owned()])), both);
        assert_eq!(paths(find(&[folder.path().join("*.toml")])), both);
        assert_eq!(paths(find(&[path("beta"), folder.path().to_owned()])), [path("beta"), path("alpha")], "each once");
        assert_eq!(find(&[path("nowhere")]).ok(), Some(Files::One(path("nowhere"))), "the command complains, not we");
        let error = find(&[folder.path().join("*.yaml")]).expect_err("nothing there");
        assert!(error.to_string().starts_with("no file matches "), "{error}");
    }

    #[test]
    fn a_folder_may_hold_other_files() {
        let folder = folder(&["alpha"]);
        fs_err::write(folder.path().join("other.toml"), "[package]\nname = 'x'\n").expect("written");
        let (exit, out, err) = go(&real(folder.path()), folder.path(), &Command::Validate);
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        assert_eq!(
            (out.take().as_str(), err.take().as_str()),
            ("alpha  valid  78 resources\n\n1 instance; 0 invalid.\n", "")
        );
    }

    #[test]
    fn what_a_fleet_costs_is_the_sum_and_goes_on_after_a_file_that_is_wrong() {
        let folder = folder(&["alpha", "beta", "gamma"]);
        fs_err::write(folder.path().join("beta.toml"), "domain = 5\n").expect("written");
        let cost = |json| Command::Cost(CostArguments { json, ..CostArguments::default() });
        let (exit, out, _) = go(&real(folder.path()), folder.path(), &cost(true));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Failure);
        let json = printed(&out);
        let total = |at: usize| json["instances"][at]["cost"]["total"]["typical"].as_f64();
        let instances = json["instances"].as_array().expect("instances");
        assert!(instances[0]["error"].is_string(), "{json}");
        assert_eq!(total(1), total(2));
        assert_eq!(json["total"]["typical"].as_f64(), total(1).map(|total| total * 2.0));
        let (_, out, _) = go(&real(folder.path()), folder.path(), &cost(false));
        assert!(out.take().contains("Total of 2 "));
        let compare = CostArguments { choices: true, ..CostArguments::default() };
        let (refused, ..) = go(&real(folder.path()), folder.path(), &Command::Cost(compare));
        assert!(refused.expect_err("for one").to_string().starts_with("--choices is for one instance"));
    }

    #[test]
    fn a_plan_goes_on_after_a_file_that_is_wrong_and_an_apply_does_not_begin() {
        let folder = folder(&["alpha", "beta", "gamma"]);
        fs_err::write(folder.path().join("beta.toml"), "domain = 5\n").expect("written");
        let (exit, out, err) = go(&sandbox(folder.path(), &[]), folder.path(), &plan());
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Failure, "worse than changes");
        assert!(err.take().contains("`domain` must be a string"));
        let text = out.take();
        assert!(
            text.ends_with(
                "146 to create, 0 to update, 0 to replace, 0 to delete, 4 to run; 0 unchanged; 1 failed; + $284.64 a month.\n"
            ),
            "{text}"
        );
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &apply(None, 10));
        assert!(exit.expect_err("refused").to_string().starts_with("nothing was changed, because 1 instance"));
        assert_eq!(rows(folder.path(), "alpha"), 0);
        // One that is not wanted does no harm.
        let (exit, ..) = go(&sandbox(folder.path(), &["a*"]), folder.path(), &apply(None, 10));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        assert_eq!((rows(folder.path(), "alpha"), rows(folder.path(), "gamma")), (78, 0));
    }

    #[test]
    fn nothing_begins_while_a_command_is_at_work_on_one_of_them() {
        let folder = folder(&["alpha", "beta"]);
        let paths = Paths::new(folder.path().join("state/sandbox"), "beta");
        paths.make_folder().expect("made");
        let holder =
            Holder { pid: 1, host: "elsewhere".into(), command: "mastoform apply".into(), started: "now".into() };
        let lock = Lock::acquire(&paths.lock(), &holder).expect("free");
        let (exit, _, err) = go(&sandbox(folder.path(), &[]), folder.path(), &apply(None, 10));
        let error = exit.expect_err("nothing is done").to_string();
        assert!(error.contains("nothing was changed, because 1 instance could not be planned"), "{error}");
        assert!(err.take().contains("elsewhere"), "whose work it is");
        assert_eq!(rows(folder.path(), "alpha"), 0);
        drop(lock);
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &apply(None, 10));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
    }

    #[test]
    fn the_first_failure_is_the_last_and_says_what_has_changed() {
        let folder = folder(&["alpha", "beta", "omega"]);
        let here = folder.path().to_owned();
        // While the question waits, nobody else can begin, and somebody edits a file.
        let edit = move || {
            for name in ["alpha", "beta", "omega"] {
                let paths = Paths::new(here.join("state/sandbox"), name);
                let holder = Holder { pid: 2, host: "h".into(), command: "c".into(), started: "now".into() };
                Lock::acquire(&paths.lock(), &holder).expect_err("it is locked before it is planned");
            }
            let file = here.join("beta.toml");
            let text = fs_err::read_to_string(&file).expect("a file");
            fs_err::write(&file, text.replace("max_capacity = 1", "max_capacity = 2")).expect("written");
        };
        let ask = |canary| {
            let Command::Apply(arguments) = apply(canary, 1) else { panic!("an apply") };
            Command::Apply(ApplyArguments { yes: false, ..arguments })
        };
        let (ui, out, err) = ui_reading(true, meanwhile("yes\n", edit));
        let exit = go_with(&ui, &sandbox(folder.path(), &[]), folder.path(), &ask(Some("alpha")));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Stale);
        let (out, err) = (out.take(), err.take());
        assert!(
            err.contains("Wave 1 of 3: alpha\n") && err.contains("Wave 2 of 3: beta\n") && !err.contains("Wave 3"),
            "{err}"
        );
        assert!(err.contains("database.max_capacity was 1 and is 2 now"), "{err}");
        let table: Vec<&str> = out.lines().rev().take(3).filter_map(|line| line.split_whitespace().nth(1)).collect();
        assert_eq!(table, ["not", "failed", "done"], "{out}");
        assert_eq!((rows(folder.path(), "beta"), rows(folder.path(), "omega")), (0, 0));
        // The same command does the rest.
        let (exit, out, _) = go(&sandbox(folder.path(), &[]), folder.path(), &apply(Some("alpha"), 2));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let text = out.take();
        assert!(text.contains("beta   done  73 created") && text.contains("omega  done  73 created"), "{text}");
        assert!(!text.contains("alpha  done"), "it was done before: {text}");
    }

    #[test]
    fn the_drift_of_an_instance_that_was_never_applied_is_none() {
        let folder = folder(&["alpha", "beta"]);
        let (exit, ..) = go(&sandbox(folder.path(), &["alpha"]), folder.path(), &apply(None, 10));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let drift = |json| Command::Drift(DriftArguments { json, detailed_exitcode: true, accept: false });
        let (exit, out, _) = go(&sandbox(folder.path(), &[]), folder.path(), &drift(false));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        assert_eq!(out.take(), "alpha  no drift\nbeta   not applied yet\n\n2 instances; 0 drifted.\n");
        let (_, out, _) = go(&sandbox(folder.path(), &[]), folder.path(), &drift(true));
        let json = printed(&out);
        assert_eq!(json["instances"][0]["drift"]["instance"], "alpha", "{json}");
        assert_eq!(json["instances"][1], json!({ "instance": "beta", "drift": null }));
        fs_err::write(folder.path().join("beta.toml"), "domain = 5\n").expect("written");
        let (exit, out, _) = go(&sandbox(folder.path(), &[]), folder.path(), &drift(false));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Failure, "a file that is wrong is worse");
        assert!(out.take().ends_with("2 instances; 0 drifted; 1 failed.\n"));
        let plan = PlanArguments { offline: true, json: true, ..PlanArguments::default() };
        let (_, out, _) = go(&sandbox(folder.path(), &[]), folder.path(), &Command::Plan(plan));
        let json = printed(&out);
        assert_eq!(json["instances"][0]["error"].as_str().map(str::is_empty), Some(false), "{json}");
        assert_eq!(json["instances"][1]["plan"]["instance"], "alpha", "{json}");
    }

    #[test]
    fn a_command_for_one_instance_works_on_the_one_that_only_leaves() {
        let folder = folder(&["alpha", "beta"]);
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &apply(None, 10));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let output = |name: Option<&str>| {
            let name = name.map(str::to_owned);
            Command::Output(OutputArguments { name, json: false, zone: false })
        };
        let list = Command::State(StateCommand::List { json: false });
        let policy = Command::IamPolicy(IamPolicyArguments { part: Some(1), ..IamPolicyArguments::default() });
        for command in [&output(None), &list, &policy] {
            let (exit, out, _) = go(&sandbox(folder.path(), &["beta"]), folder.path(), command);
            assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
            let said = out.take();
            assert!(!said.is_empty() && !said.contains("alpha"), "{said}");
        }
        // What several have to tell is told one after the other; anything else wants to know which one.
        let (exit, out, _) = go(&sandbox(folder.path(), &[]), folder.path(), &output(Some("url")));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let said = anstream::adapter::strip_str(&out.take()).to_string();
        assert_eq!(said, "alpha\nhttps://alpha.example.org\n\nbeta\nhttps://beta.example.org\n");
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &list);
        let error = exit.expect_err("which one").to_string();
        assert!(error.starts_with("this command works on one instance, and these are alpha, beta"), "{error}");
        assert!(error.ends_with("choose one with --only alpha"), "{error}");
    }

    #[test]
    fn every_instance_that_is_destroyed_is_confirmed_by_its_name() {
        let folder = folder(&["alpha", "beta"]);
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &apply(None, 10));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let destroy = |names: &[&str]| {
            let confirm = names.iter().map(|name| (*name).to_owned()).collect();
            Command::Destroy(DestroyArguments { confirm, html: None })
        };
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &destroy(&["alpha"]));
        let error = exit.expect_err("one is missing").to_string();
        assert!(error.contains("--confirm says alpha, but the instances are alpha, beta"), "{error}");
        assert!(error.ends_with("--confirm alpha --confirm beta"), "{error}");
        assert!(rows(folder.path(), "alpha") > 0);
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &destroy(&["beta", "alpha"]));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        assert_eq!((rows(folder.path(), "alpha"), rows(folder.path(), "beta")), (0, 0));
    }

    #[test]
    fn what_people_have_stored_goes_in_a_fleet_only_with_the_name_of_the_instance() {
        let folder = folder(&["alpha", "beta"]);
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &apply(None, 10));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let path = folder.path().join("beta.toml");
        let text = fs_err::read_to_string(&path).expect("a file") + "\n[redis]\nengine = \"redis\"\n";
        fs_err::write(&path, text).expect("written");
        let with = |confirm: &[&str]| {
            let confirm = confirm.iter().map(|name| (*name).to_owned()).collect();
            Command::Apply(ApplyArguments { yes: true, confirm, wave: 10, ..ApplyArguments::default() })
        };
        let (exit, _, err) = go(&sandbox(folder.path(), &[]), folder.path(), &with(&["alpha"]));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Refused);
        let said = err.take();
        assert!(said.contains("beta: what people have stored goes only with the name"), "{said}");
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &with(&["beta"]));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
    }

    #[test]
    fn settings_that_instances_share_are_in_a_file_beside_them() {
        let folder = folder(&["alpha", "beta"]);
        for name in ["alpha", "beta"] {
            let path = folder.path().join(format!("{name}.toml"));
            let text = fs_err::read_to_string(&path).expect("a file");
            fs_err::write(&path, format!("shared = \"all.toml\"\n{text}")).expect("written");
        }
        let shared = folder.path().join("all.toml");
        fs_err::write(&shared, "locale = \"de\"\n").expect("written");
        let (exit, out, err) = go(&real(folder.path()), folder.path(), &Command::Validate);
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done, "{}", err.take());
        assert!(out.take().ends_with("2 instances; 0 invalid.\n"), "it is no instance itself");
        let options = Settings { file: folder.path().join("alpha.toml"), ..options(folder.path()) };
        let (project, _) = Project::read(&options).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(project.config.values.at(&["locale"]).and_then(|locale| locale.as_text()), Some("de"));
        // A mistake in it is one of everybody, and what leads out of the folder is not read.
        fs_err::write(&shared, "locale = 5\n").expect("written");
        let error = Project::read(&options).err().expect("wrong").to_string();
        assert!(error.contains("all.toml:1") && error.contains("`locale` must be a string"), "{error}");
        for elsewhere in ["../all.toml", "/etc/hostname", ".git", "none.toml"] {
            let source =
                SourceFile::new(options.file.display().to_string(), format!("shared = \"{elsewhere}\"\n{EXAMPLE}"));
            let error = Project::from_source(&options, &source).err().expect("refused").to_string();
            assert!(error.contains("shared settings"), "{elsewhere}: {error}");
        }
    }

    #[test]
    fn messages_name_the_file_of_the_instance() {
        let folder = folder(&["alpha", "beta"]);
        let (exit, ..) = go(&sandbox(folder.path(), &[]), folder.path(), &apply(None, 10));
        assert_eq!(exit.unwrap_or_else(|error| panic!("{error}")), Exit::Done);
        let one = Command::Plan(PlanArguments { offline: true, ..PlanArguments::default() });
        let options = Settings { file: folder.path().join("beta.toml"), ..sandbox(folder.path(), &[]).0 };
        let (ui, out, _) = ui(false, "");
        crate::cli::run_one(&ui, &options, &one).unwrap_or_else(|error| panic!("{error}"));
        let said = out.take();
        assert!(said.contains("beta is as ") && said.contains("beta.toml says"), "{said}");
    }

    #[test]
    fn what_is_for_one_instance_is_refused() {
        let folder = folder(&["alpha", "beta"]);
        let page = Command::Plan(PlanArguments { html: Some("plan.html".into()), ..PlanArguments::default() });
        let (exit, ..) = go(&real(folder.path()), folder.path(), &page);
        let error = exit.expect_err("refused").to_string();
        assert!(error.starts_with("--html is for one instance"), "{error}");
        let page = Command::Destroy(DestroyArguments { html: Some("plan.html".into()), ..DestroyArguments::default() });
        let (exit, ..) = go(&real(folder.path()), folder.path(), &page);
        assert!(exit.expect_err("refused").to_string().starts_with("--html is for one instance"));
        let saved = ApplyArguments { plan: Some("social.plan".into()), ..ApplyArguments::default() };
        let (exit, ..) = go(&real(folder.path()), folder.path(), &Command::Apply(saved));
        assert!(exit.expect_err("refused").to_string().starts_with("a saved plan is for one instance"));
    }

    #[test]
    fn two_files_cannot_be_the_same_instance() {
        let folder = folder(&["alpha"]);
        fs_err::copy(folder.path().join("alpha.toml"), folder.path().join("copy.toml")).expect("copied");
        let (exit, ..) = go(&real(folder.path()), folder.path(), &plan());
        let error = exit.expect_err("refused").to_string();
        assert!(
            error.contains("alpha.toml and ") && error.contains("copy.toml are both the instance \"alpha\""),
            "{error}"
        );
    }
}
