//! The user's files: `mastodon.toml`, an overlay of specs, where the state is.
//!
//! Diagnostics name every file as the user typed it. A project is the folder of its `mastodon.toml`: what a checkout can
//! bring along, links above all, leads nowhere outside of it.

use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cloud;
use super::error::{CommandError, Exit};
use super::ui::Ui;
use crate::alphabet::is_instance;
use crate::config::{self, Config};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceFile};
use crate::document;
use crate::expr::Evaluator;
use crate::file;
pub use crate::ops::Project;
use crate::ops::{Nature, Settings, Source};
use crate::session;
use crate::spec::{Blueprint, OverlayFile, Specs};
use crate::state::{Entry, Holder, Journal, Lock, Paths, Record, State, history};

/// The specs as all instances of a command share them.
pub struct Library {
    specs: Arc<Specs>,
    /// What is wrong with them before any instance has patched them.
    problems: Diagnostics,
    evaluator: Arc<Evaluator>,
}

impl Library {
    /// Reads the specs and the overlay.
    ///
    /// # Errors
    ///
    /// An overlay that cannot be read, or specs whose form is wrong. What else is wrong is told with each instance.
    pub fn read(options: &Settings) -> Result<Self, CommandError> {
        Ok(Self::of(Specs::read(&overlay(options)?)?))
    }

    /// Inputs and resources before any instance has patched them.
    pub fn blueprint(&self) -> &Blueprint {
        &self.specs.blueprint
    }

    fn of(specs: Specs) -> Self {
        let problems = problems_of(&specs);
        let specs = Arc::new(specs);
        // They live as long as the process. Taking them apart at its end would take a tenth of a command's time.
        mem::forget(Arc::clone(&specs));
        Self { specs, problems, evaluator: Arc::new(Evaluator::new()) }
    }

    /// The instance that `source` describes, and the warnings about it.
    ///
    /// # Errors
    ///
    /// Every problem of the file and of the specs at once.
    pub fn project(
        &self,
        source: &Arc<SourceFile>,
        options: &Settings,
    ) -> Result<(Project, Diagnostics), CommandError> {
        let mut specs = Arc::clone(&self.specs);
        let shared = shared_settings(source)?;
        let read = config::read_over(source, shared.as_ref(), &mut specs, &self.evaluator);
        // Patches are part of the blueprint now, so that their names are checked like its own.
        let mut problems = if Arc::ptr_eq(&specs, &self.specs) { self.problems.clone() } else { specs.lint() };
        problems.extend(cloud::unsupported(options, &specs).0);
        let config = match read {
            Ok((config, warnings)) => {
                problems.0.splice(0..0, warnings.0);
                Some(config)
            }
            Err(more) => {
                problems.0.splice(0..0, more.0);
                None
            }
        };
        let Some(config) = config else { return Err(problems.into()) };
        let (config, warnings) = problems.finish(config)?;
        let paths = paths_of(options, &config.name)?;
        if let Some(twin) = twin(&config, &specs.blueprint, &paths)? {
            return Err(twin.into());
        }
        let nature = Nature::of(&specs);
        let learned = session::learned(&nature.types, &history::read(&paths)?);
        if !Arc::ptr_eq(&learned, &specs.types) {
            Arc::make_mut(&mut specs).types = learned;
        }
        Ok((Project { specs, config, evaluator: Arc::clone(&self.evaluator), paths, nature }, warnings))
    }
}

impl Project {
    /// Bytes of everything that is no part of the program.
    pub fn source_bytes(&self) -> usize {
        self.specs.own_bytes() + self.config.own_bytes()
    }

    /// Reads and checks everything, and prints the warnings.
    ///
    /// # Errors
    ///
    /// A missing file, or every problem of the file and of the specs at once.
    pub fn load(ui: &Ui, options: &Settings) -> Result<Self, CommandError> {
        let (project, warnings) = Self::read(options)?;
        ui.diagnostics(&warnings);
        Ok(project)
    }

    /// Reads and checks everything. The warnings come with it.
    ///
    /// # Errors
    ///
    /// As [`Project::load`].
    pub fn read(options: &Settings) -> Result<(Self, Diagnostics), CommandError> {
        Self::from_source(options, &read_file(&options.file)?)
    }

    /// As [`Project::read`], with another text for `mastodon.toml`.
    ///
    /// # Errors
    ///
    /// As [`Project::load`].
    pub fn from_source(options: &Settings, source: &Arc<SourceFile>) -> Result<(Self, Diagnostics), CommandError> {
        match Specs::read(&overlay(options)?) {
            Ok(specs) => Library::of(specs).project(source, options),
            Err(mut problems) => {
                // Against broken specs nothing can be checked but the form.
                if let Err(more) = document::parse(source) {
                    problems.extend(more.0);
                }
                Err(problems.into())
            }
        }
    }

    /// The state of an instance that was applied, for commands that work with what runs.
    ///
    /// # Errors
    ///
    /// As [`read_state`], if nothing was applied from here, and if the state is another instance's.
    pub fn applied(&self, ui: &Ui) -> Result<State, CommandError> {
        let state = read_state(ui, &self.paths)?.ok_or_else(|| {
            let error = CommandError::failure(format!("there is no {}", self.paths.state().display()));
            error.hint(sandbox_hint(&self.paths).unwrap_or("nothing was applied from here yet"))
        })?;
        session::check_identity(&state, Some(&self.config), None)?;
        Ok(state)
    }
}

/// The file of an instance, for an operation that reads it again: one that cannot be read any more is a changed one.
pub struct Written<'a>(pub &'a Settings);

impl Source for Written<'_> {
    type Error = CommandError;

    fn read(&self) -> Result<Project, CommandError> {
        let read = Project::read(self.0).map_err(|error| error.with_exit(Exit::Stale))?;
        Ok(read.0)
    }
}

/// The problems of specs. The program's own have none: its tests lint them.
fn problems_of(specs: &Specs) -> Diagnostics {
    if specs.has_overlay() { specs.lint() } else { Diagnostics::default() }
}

/// The specs alone, for commands that need no `mastodon.toml`.
///
/// # Errors
///
/// Every problem of the specs at once.
pub fn read_specs(options: &Settings) -> Result<Specs, CommandError> {
    let specs = Specs::read(&overlay(options)?)?;
    let problems = problems_of(&specs);
    Ok(problems.finish(specs)?.0)
}

/// The file of an instance.
///
/// # Errors
///
/// If it is not there, or not text.
pub fn read_file(path: &Path) -> Result<Arc<SourceFile>, CommandError> {
    match file::read_text(path, file::SETTINGS) {
        Ok(text) => Ok(SourceFile::new(path.display().to_string(), text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(CommandError::failure(format!("there is no {}", path.display()))
                .hint("write a first one with `mastoform init`, or say where it is with `--file`"))
        }
        Err(error) => Err(error.into()),
    }
}

/// The settings that a file shares with others, if it names a file with them: one in its own folder, since what a checkout
/// brings along leads nowhere else, and no link is followed.
fn shared_settings(source: &Arc<SourceFile>) -> Result<Option<Arc<SourceFile>>, CommandError> {
    let Some((named, location)) = config::shared_file(source) else { return Ok(None) };
    let refuse = |text: String| Err(Diagnostic::error("shared-settings", text).at(&location, "").into());
    if Path::new(&named).components().count() != 1 || named.contains(['/', '\\']) || named.starts_with('.') {
        return refuse("shared settings are in a file of the same folder: `shared` is its name alone".to_owned());
    }
    let path = Path::new(&source.name).with_file_name(&named);
    match read_file(&path) {
        Ok(shared) => Ok(Some(shared)),
        Err(_) if !path.exists() => refuse(format!("there is no file {} with shared settings", path.display())),
        Err(error) => Err(error),
    }
}

/// The files of the overlay: `DIR/*.toml` describe the instance, `DIR/types/*.toml` resource types, and `DIR/prices.toml`
/// what AWS charges.
fn overlay(options: &Settings) -> Result<Vec<OverlayFile>, CommandError> {
    let Some(folder) = &options.specs else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for path in toml_files(folder)? {
        files.push(OverlayFile {
            name: path.display().to_string(),
            types_of: None,
            text: file::read_text(&path, file::SETTINGS)?,
        });
    }
    let types = folder.join("types");
    file::stays_inside(folder, &types)?;
    if types.is_dir() {
        for path in toml_files(&types)? {
            let service = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            files.push(OverlayFile {
                name: path.display().to_string(),
                types_of: service,
                text: file::read_text(&path, file::SETTINGS)?,
            });
        }
    }
    Ok(files)
}

/// The files of a folder that end in `.toml`, by name.
pub fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    with_extension(folder, "toml")
}

/// Links and other things that are no folders are among them: whoever reads them says what is wrong with that.
fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, CommandError> {
    let mut paths = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if !entry.file_type()?.is_dir() && path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The folder of the state files. The sandbox has its own.
pub fn state_folder(options: &Settings) -> PathBuf {
    let folder = options
        .state_dir
        .clone()
        .unwrap_or_else(|| options.file.parent().unwrap_or_else(|| Path::new("")).join("state"));
    if options.cloud.is_simulated() { folder.join(crate::state::SANDBOX) } else { folder }
}

/// Where the files of an instance are.
///
/// # Errors
///
/// A link leads out of the project, or of the folder that was named on the command line; git tracks a file that belongs
/// to one machine.
pub fn paths_of(options: &Settings, name: &str) -> Result<Paths, CommandError> {
    let folder = state_folder(options);
    let base = options.state_dir.as_deref().unwrap_or_else(|| file::folder_of(&options.file));
    file::stays_inside(base, &folder)?;
    let paths = Paths::new(folder, name);
    paths.refuse_tracked()?;
    Ok(paths)
}

/// The refusal of a new instance that has a unique setting of one that exists in the same folder: as a rule that is the
/// same instance under another name.
fn twin(config: &Config, blueprint: &Blueprint, paths: &Paths) -> Result<Option<Diagnostic>, CommandError> {
    if paths.state().exists() || !paths.folder().is_dir() {
        return Ok(None);
    }
    for path in with_extension(paths.folder(), "json")? {
        // Other files, and damaged ones, are nobody's twin.
        let Ok(Some(state)) = State::read(&path) else { continue };
        if state.rows.is_empty() {
            continue;
        }
        for input in blueprint.inputs.iter().filter(|input| input.unique) {
            let (setting, value) = (input.name(), config.values.at(&input.path));
            let Some(value) = value.filter(|value| state.settings.at(&input.path) == Some(value)) else { continue };
            let message = format!("the instance `{}` has the {setting} {value} already", state.instance);
            let mut problem = Diagnostic::error("twin", message);
            if let Some(location) = config.origin(&input.path) {
                problem = problem.at(location, format!("as in {}", path.display()));
            }
            return Ok(Some(problem.hint(format!(
                "set `name` back to {:?}; for another instance choose another `{setting}`",
                state.instance
            ))));
        }
    }
    Ok(None)
}

/// Where the state of the instance is, for commands that need no valid `mastodon.toml`: named by the file if that can
/// be read, otherwise the only one in the folder.
///
/// # Errors
///
/// If there is none, or more than one.
pub fn recorded_paths(options: &Settings) -> Result<Paths, CommandError> {
    let unreadable = match Project::read(options) {
        Ok((project, _)) => return Ok(project.paths),
        Err(error) => error,
    };
    let folder = state_folder(options);
    let states: Vec<PathBuf> = if folder.is_dir() {
        file::stays_inside(options.state_dir.as_deref().unwrap_or_else(|| file::folder_of(&options.file)), &folder)?;
        let is_state = |path: &PathBuf| matches!(State::read(path), Ok(Some(_)));
        let mut all = with_extension(&folder, "json")?;
        if options.cloud.is_simulated() {
            // The simulated cloud itself is beside the state, maybe under its earlier name.
            all.retain(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let stem = name.strip_suffix(".json").unwrap_or_default();
                is_instance(stem) && (name != cloud::EARLIER || is_state(path))
            });
        }
        if all.len() == 1 { all } else { all.into_iter().filter(is_state).collect() }
    } else {
        Vec::new()
    };
    match states.as_slice() {
        [] => Err(unreadable),
        [only] => {
            let name = only.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            paths_of(options, &name)
        }
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            Err(CommandError::failure(format!(
                "{} cannot be read, and there is more than one state: {}",
                options.file.display(),
                names.join(", ")
            ))
            .hint(
                "mend mastodon.toml (`mastoform validate` says what is wrong), or point at another one with `--file`",
            ))
        }
    }
}

/// The state, if there is one. Says so if a command is at work on it, or was interrupted.
///
/// # Errors
///
/// As [`State::read`], [`Paths::refuse_lost`] and [`Journal::read`].
pub fn read_state(ui: &Ui, paths: &Paths) -> Result<Option<State>, CommandError> {
    let state = State::read(&paths.state())?;
    if state.is_none() {
        paths.refuse_lost()?;
    }
    if !is_busy(ui, paths)? {
        let entries = Journal::read(&paths.journal())?.entries;
        let has_begun = entries.iter().any(|entry| entry.record.address().is_some());
        // A run that ended while something was under way, such as waiting for a person, has saved all it knew.
        let is_saved = matches!(entries.last().map(|entry| &entry.record), Some(Record::Checkpoint { serial, .. })
            if state.as_ref().is_some_and(|state| state.serial == *serial));
        if has_begun && !is_saved {
            ui.warn("a command was interrupted; what it has done since is not shown");
        }
    }
    Ok(state)
}

/// What to do where the instance that was looked for lives in the sandbox.
pub fn sandbox_hint(paths: &Paths) -> Option<&'static str> {
    let is_there = paths.in_sandbox().state().exists();
    is_there.then_some("there is an instance of this name in the sandbox: add --sandbox")
}

/// Says that an instance lives in the sandbox, to whoever looked for it in AWS.
pub fn point_at_sandbox(ui: &Ui, paths: &Paths) {
    if let Some(hint) = sandbox_hint(paths) {
        ui.hint(hint);
    }
}

/// Refuses to go on from a state that does not have what an interrupted command did. `then`: what to do after that is
/// finished.
///
/// # Errors
///
/// As [`Journal::read`], and if there is such a command.
pub fn refuse_interrupted(paths: &Paths, then: &str) -> Result<(), CommandError> {
    let is_begun = |entry: &Entry| entry.record.address().is_some();
    match Journal::read(&paths.journal())?.entries.iter().any(is_begun) {
        true => Err(CommandError::failure("a command was interrupted, and the state does not have what it did")
            .hint(format!("`mastoform apply` finishes what was begun; {then} after that"))),
        false => Ok(()),
    }
}

/// Refuses to change an instance that was handed over. The caller holds the lock.
///
/// # Errors
///
/// As [`State::read`] and [`session::refuse_handed_over`].
pub fn refuse_handed_over(paths: &Paths) -> Result<(), CommandError> {
    match State::read(&paths.state())? {
        Some(state) => Ok(session::refuse_handed_over(&state)?),
        None => Ok(()),
    }
}

/// Whether a command is at work on the instance right now; says so, because what is shown may change at any moment.
///
/// # Errors
///
/// As [`Lock::holder`].
pub fn is_busy(ui: &Ui, paths: &Paths) -> Result<bool, CommandError> {
    let Some(Holder { pid, host, command, started }) = Lock::holder(&paths.lock())? else { return Ok(false) };
    ui.warn(&format!(
        "`{command}` is at work on this instance since {started} (process {pid} on {host}); what it does now is not shown"
    ));
    Ok(true)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ops::{Cloud, Sandbox};

    pub fn options(folder: &Path) -> Settings {
        Settings { cloud: Cloud::Aws, file: folder.join("mastodon.toml"), state_dir: None, specs: None }
    }

    /// A simulated cloud in which nothing takes long.
    pub fn fast_sandbox() -> Cloud {
        Cloud::Sandbox(Sandbox { speed: Some(10_000.0), person: None })
    }

    const EXAMPLE: &str = include_str!("../../mastodon.toml");

    #[test]
    fn a_missing_file_leads_to_init() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = Project::read(&options(folder.path())).err().expect("an error").to_string();
        assert!(error.contains("there is no ") && error.contains("mastoform init"), "{error}");
    }

    #[test]
    fn the_state_stands_beside_the_file_and_the_sandbox_apart() {
        let mut options = options(Path::new(""));
        assert_eq!(state_folder(&options), Path::new("state"));
        options.cloud = fast_sandbox();
        assert_eq!(state_folder(&options), Path::new("state/sandbox"));
        options.state_dir = Some("elsewhere".into());
        assert_eq!(state_folder(&options), Path::new("elsewhere/sandbox"));
    }

    #[test]
    fn an_overlay_adds_to_the_specs_and_its_mistakes_have_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = options(folder.path());
        fs_err::write(&options.file, EXAMPLE).expect("written");
        let specs = folder.path().join("more");
        fs_err::create_dir_all(specs.join("types")).expect("made");
        fs_err::write(specs.join("bucket.toml"), "[s3.bucket.more]\nbucke = 'x'\n").expect("written");
        options.specs = Some(specs);
        let error = Project::read(&options).err().expect("an error").to_string();
        assert!(error.contains("more/bucket.toml:2:1: `s3.bucket` has no attribute `bucke`"), "{error}");
    }

    #[test]
    fn a_state_is_found_without_a_valid_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = options(folder.path());
        fs_err::create_dir_all(folder.path().join("state")).expect("made");
        let example = include_str!("../../state/example.json");
        fs_err::write(folder.path().join("state/example.json"), example).expect("written");
        fs_err::write(&options.file, "name = ").expect("written");
        let paths = recorded_paths(&options).expect("found");
        assert_eq!(paths.state(), folder.path().join("state/example.json"));
    }
}
