//! `mastoform shell`, `console` and `psql`: a session in a task that is made for it and removed afterwards. What runs is
//! not touched.
//!
//! What the task is made of, and what is opened in it, is data: `[command.NAME]` of the blueprint. The way into it is a
//! program of the cloud's maker.
//!
//! # Guarantees
//!
//! - The task is removed however the session ends: by itself, by Ctrl-C while it is starting, by the end of the terminal,
//!   or because it could not be opened. When this program dies, the task ends by itself after its time.
//! - Only a program outside of the project is run, from a folder of `PATH` with an absolute path, and before anything was
//!   started it is known to be there.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::files::Project;
use super::git;
use super::run::{attributes, pause, start};
use super::ui::variable;
use super::{CommandError, Exit, Ui, cloud};
use crate::file;
use crate::ops::Settings;
use crate::provider::{Opener, Provider, Target};
use crate::secret::SecretText;
use crate::spec::blueprint::Door;
use crate::state::State;
use crate::value::Known;

/// How often it is looked whether a task has started, in the cloud's time two seconds apart.
const LOOKS: u32 = 300;

pub fn run(ui: &Ui, options: &Settings, name: &str) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let config = &project.config;
    let state = project.applied(ui)?;
    let Some(door) = project.specs.blueprint.doors.get(name) else {
        return Err(CommandError::failure(format!("these specs do not say what a session of `{name}` is")));
    };
    let search = variable("PATH").unwrap_or_else(|| git::USUAL.to_owned());
    let checkout = git::checkout(file::folder_of(&options.file))?;
    let runtime = cloud::runtime()?;
    let ended = runtime.block_on(async {
        let provider = cloud::connect(ui, options, &project.nature, &project.paths, &config.region).await?;
        let made_of = attributes(&provider, &project, &state, &door.resource);
        let session = Session { ui, state: &state, door, search: &search, checkout: &checkout };
        session.open(Arc::clone(&provider), made_of).await
    });
    // The program may still be there when the terminal has gone.
    runtime.shutdown_background();
    ended
}

/// What a session is made of.
struct Session<'a> {
    ui: &'a Ui,
    state: &'a State,
    door: &'a Door,
    /// Where programs are looked for.
    search: &'a str,
    /// Where none is run from.
    checkout: &'a Path,
}

impl Session<'_> {
    /// `made_of`: what the task is made of, which is asked for only when the program is there.
    async fn open(
        &self,
        provider: Arc<dyn Provider>,
        made_of: impl Future<Output = Result<Known, CommandError>>,
    ) -> Result<Exit, CommandError> {
        let Some(opener) = provider.opener() else {
            return Err(CommandError::failure("there is no shell in a sandbox: nothing runs in it"));
        };
        let program = self.program(opener)?;
        let attributes = made_of.await?;
        // From here on Ctrl-C is for whoever works in the session.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (mut terminate, mut hang_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
        let target = start(self.ui, &*provider, self.state, &self.door.resource, attributes).await?;
        self.ui.say(&format!("{} is starting, which takes about a minute; Ctrl-C stops it", target.address));
        let work = async {
            let arguments = tokio::select! {
                arguments = self.arguments(&*provider, &target) => arguments?,
                _ = interrupt.recv() => return Ok(Exit::Interrupted),
            };
            work_in(program, arguments).await
        };
        let ended = until(work, async {
            tokio::select! { _ = terminate.recv() => {} _ = hang_up.recv() => {} }
        })
        .await;
        self.remove(&*provider, &target).await;
        ended
    }

    fn program(&self, opener: Opener) -> Result<PathBuf, CommandError> {
        git::program(opener.program, self.search, self.checkout)
            .ok_or_else(|| CommandError::failure(format!("there is no {} on PATH", opener.program)).hint(opener.advice))
    }

    /// Waits until a session can be opened, and opens it.
    async fn arguments(&self, provider: &dyn Provider, target: &Target) -> Result<Vec<SecretText>, CommandError> {
        let mut looks = 0;
        loop {
            match provider.open(target, &self.door.opens).await {
                Ok(arguments) => return Ok(arguments),
                Err(error) if looks < LOOKS && error.kind.is_transient() => {
                    looks += 1;
                    pause(provider).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes the task. One that cannot be removed ends by itself.
    async fn remove(&self, provider: &dyn Provider, target: &Target) {
        let mut tries = 0;
        while let Err(error) = provider.delete(target).await {
            tries += 1;
            if tries > 3 || !error.kind.is_transient() {
                let task = target.identity.as_str();
                self.ui.warn(&format!("{error}: {task} still runs, and ends by itself"));
                return;
            }
            pause(provider).await;
        }
        self.ui.say(&format!("{} was removed", target.address));
    }
}

/// What comes of work, unless something ends it before.
async fn until(
    work: impl Future<Output = Result<Exit, CommandError>>,
    end: impl Future<Output = ()>,
) -> Result<Exit, CommandError> {
    tokio::select! {
        done = work => done,
        () = end => Ok(Exit::Interrupted),
    }
}

/// Lets a person work by way of a program, to its end. It has the terminal meanwhile.
async fn work_in(program: PathBuf, arguments: Vec<SecretText>) -> Result<Exit, CommandError> {
    let mut command = Command::new(program);
    command.args(arguments.iter().map(SecretText::reveal));
    let mut child = command.spawn()?;
    let ended = tokio::task::spawn_blocking(move || child.wait()).await;
    let ended = ended.map_err(std::io::Error::other)??;
    Ok(if ended.success() { Exit::Done } else { Exit::Failure })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::address::Identity;
    use crate::cli::ui::captured::ui;
    use crate::provider::{
        Account, Announced, Belonging, Created, Creation, Deletion, ErrorKind, Lookup, Observations, ProviderError,
        Registration, Tags, Update,
    };
    use crate::spec::Specs;
    use crate::value::{Tree, Value};

    /// A cloud that opens sessions when a task has started, and keeps what it was asked.
    #[derive(Default)]
    struct Stage {
        told: Mutex<Vec<String>>,
        /// How often a task is still starting.
        starting: Mutex<u32>,
        refuses: bool,
    }

    impl Stage {
        fn note(&self, what: String) {
            self.told.lock().expect("no panic").push(what);
        }
    }

    #[async_trait]
    impl Provider for Stage {
        async fn account(&self) -> Result<Account, ProviderError> {
            Ok(Account { id: "123456789012".to_owned(), is_simulated: false })
        }

        async fn lookup(&self, _: &Lookup) -> Result<Value, ProviderError> {
            Ok(Value::Null)
        }

        async fn observe(&self, _: &[Target]) -> Observations {
            Observations::new()
        }

        async fn announced(&self, _: &[Target]) -> Announced {
            Announced::default()
        }

        async fn find(&self, _: &Creation) -> Result<Vec<Identity>, ProviderError> {
            Ok(Vec::new())
        }

        async fn create(&self, creation: &Creation) -> Result<Created, ProviderError> {
            self.note(format!("create {}", creation.address.name));
            Ok(Created { identity: Identity::new("a-task"), attributes: Value::Null })
        }

        async fn update(&self, _: &Update) -> Result<(), ProviderError> {
            Ok(())
        }

        async fn mark(&self, _: &Target, _: &Tags) -> Result<(), ProviderError> {
            Ok(())
        }

        async fn census(&self, _: &str, _: &Tags) -> Result<Vec<Belonging>, ProviderError> {
            Ok(Vec::new())
        }

        async fn registration(&self, _: &str, _: &str) -> Result<Option<Registration>, ProviderError> {
            Ok(None)
        }

        async fn register(&self, _: &Registration) -> Result<(), ProviderError> {
            Ok(())
        }

        async fn unregister(&self, _: &Registration) -> Result<(), ProviderError> {
            Ok(())
        }

        async fn delete(&self, target: &Target) -> Result<Deletion, ProviderError> {
            self.note(format!("delete {}", target.identity));
            Ok(Deletion::Accepted)
        }

        async fn reveal(&self, _: &Target, _: &[String]) -> Result<SecretText, ProviderError> {
            Err(ProviderError::new(ErrorKind::NotFound, "secret:Read", "there is none"))
        }

        fn opener(&self) -> Option<Opener> {
            Some(Opener { program: "way-in", advice: "get it" })
        }

        async fn open(&self, target: &Target, command: &str) -> Result<Vec<SecretText>, ProviderError> {
            self.note(format!("open {command} in {}", target.identity));
            if self.refuses {
                return Err(ProviderError::new(ErrorKind::Denied, "session:Open", "not you"));
            }
            let mut starting = self.starting.lock().expect("no panic");
            if *starting > 0 {
                *starting -= 1;
                return Err(ProviderError::new(ErrorKind::NotYet, "session:Open", "the task is starting"));
            }
            Ok(["a secret token", "StartSession"].map(SecretText::new).into())
        }

        fn time_lapse(&self) -> f64 {
            10_000.0
        }
    }

    /// A session with a program in a folder of `PATH`; what it came to, what was said, and what the program was told.
    async fn go(stage: Arc<Stage>, script: Option<&str>) -> (Result<Exit, String>, String, Option<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let top = fs_err::canonicalize(folder.path()).expect("there");
        let (bin, checkout, told) = (top.join("bin"), top.join("project"), top.join("told"));
        for folder in [&bin, &checkout] {
            fs_err::create_dir(folder).expect("made");
        }
        if let Some(script) = script {
            let program = bin.join("way-in");
            let text = format!("#!/bin/sh\nprintf '%s|' \"$@\" > '{}'\n{script}\n", told.display());
            fs_err::write(&program, text).expect("written");
            fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("runs");
        }
        let specs = Specs::read(&[]).expect("valid specs");
        let state = State::new("lineage", "social", "eu-central-1");
        let (ui, _, err) = ui(false, "");
        let search = bin.to_string_lossy().into_owned();
        let door = &specs.blueprint.doors["psql"];
        let session = Session { ui: &ui, state: &state, door, search: &search, checkout: &checkout };
        let ended = session.open(stage, async { Ok(Tree::Null) }).await.map_err(|error| error.to_string());
        (ended, err.take(), fs_err::read_to_string(&told).ok())
    }

    #[tokio::test]
    async fn a_session_is_opened_by_another_program_and_its_task_removed() {
        let stage = Arc::new(Stage { starting: Mutex::new(2), ..Stage::default() });
        let (ended, said, told) = go(Arc::clone(&stage), Some("exit 0")).await;
        assert_eq!(ended, Ok(Exit::Done));
        assert_eq!(told.as_deref(), Some("a secret token|StartSession|"));
        assert!(!said.contains("secret"), "{said}");
        let asked = stage.told.lock().expect("no panic").clone();
        let open = "open psql in a-task";
        assert_eq!(asked, ["create psql", open, open, open, "delete a-task"]);
        let (ended, ..) = go(Arc::new(Stage::default()), Some("exit 3")).await;
        assert_eq!(ended, Ok(Exit::Failure));
    }

    #[tokio::test]
    async fn the_task_is_removed_when_no_session_can_be_opened() {
        let stage = Arc::new(Stage { refuses: true, ..Stage::default() });
        let (ended, _, told) = go(Arc::clone(&stage), Some("exit 0")).await;
        assert!(ended.expect_err("refused").contains("not you"));
        assert_eq!(told, None);
        assert_eq!(stage.told.lock().expect("no panic").last().map(String::as_str), Some("delete a-task"));
    }

    #[tokio::test]
    async fn nothing_is_started_without_the_program() {
        let stage = Arc::new(Stage::default());
        let (ended, ..) = go(Arc::clone(&stage), None).await;
        assert_eq!(ended, Err("there is no way-in on PATH\nhint: get it".to_owned()));
        assert_eq!(*stage.told.lock().expect("no panic"), [""; 0]);
    }

    #[tokio::test]
    async fn the_end_of_the_terminal_ends_the_session() {
        let forever = std::future::pending();
        assert_eq!(until(forever, async {}).await.map_err(|error| error.to_string()), Ok(Exit::Interrupted));
    }
}
