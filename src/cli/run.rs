//! `mastoform run -- COMMAND`: a command in a task of its own, beside what runs. What it prints is shown as it comes, and its
//! exit code is the command's.
//!
//! What it is made of is data: `[command.run]` of the blueprint. Nothing of it is remembered: a task that runs when this
//! program dies comes to its end by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::files::Project;
use super::{CommandError, Exit, RunArguments, Ui, cloud};
use crate::address::Address;
use crate::inert::printable;
use crate::ops::{Settings, new_lineage};
use crate::plan;
use crate::provider::{Attempt, Creation, Observation, Printed, Provider, ProviderError, Target, read_only};
use crate::session::errand;
use crate::spec::blueprint::Resource;
use crate::spec::types::{Condition, ResourceType};
use crate::state::State;
use crate::value::{Known, Tree, Value};

/// The name of the command in the blueprint.
const NAME: &str = "run";
/// Between two looks at what runs, in the cloud's time.
const PAUSE: Duration = Duration::from_secs(2);
/// How often a start is tried that may succeed later.
const TRIES: u32 = 20;

pub fn run(ui: &Ui, options: &Settings, arguments: &RunArguments) -> Result<Exit, CommandError> {
    let project = Project::load(ui, options)?;
    let config = &project.config;
    let state = project.applied(ui)?;
    let Some(tool) = project.specs.blueprint.commands.get(NAME) else {
        return Err(CommandError::failure("these specs do not say what a command is run with"));
    };
    let danger = tool.dangers.iter().find(|danger| arguments.command.iter().any(|word| has_danger(word, danger)));
    if let Some(danger) = danger.filter(|_| arguments.confirm.as_deref() != Some(&config.name)) {
        return Err(CommandError::failure(format!("`{danger}` cannot be undone"))
            .with_exit(Exit::Refused)
            .hint(format!("if it is meant, add --confirm {}", config.name)));
    }
    cloud::runtime()?.block_on(async {
        let provider = cloud::connect(ui, options, &project.nature, &project.paths, &config.region).await?;
        let mut attributes = attributes(&provider, &project, &state, &tool.resource).await?;
        let words = arguments.command.iter().map(|word| Tree::Text(word.clone())).collect();
        attributes.set(&[&tool.takes], Tree::List(words));
        let target = start(ui, &*provider, &state, &tool.resource, attributes).await?;
        let work = Work { ui, provider, resource_type: &project.nature.types[&tool.resource.type_name] };
        let mut show = |line: &str| ui.data(printable(line.trim_end()).as_ref());
        tokio::select! {
            ended = work.follow(&target, &mut show) => work.exit(&ended?, &tool.exit_code),
            _ = tokio::signal::ctrl_c() => {
                work.provider.delete(&target).await?;
                ui.warn("it was stopped");
                Ok(Exit::Interrupted)
            }
        }
    })
}

/// Whether a word of a command, or a word in one, is a dangerous one. Programs take `_` for `-`, and a beginning of a word
/// for all of it where no other begins like that: as far as the first part of the dangerous word at least.
fn has_danger(text: &str, danger: &str) -> bool {
    let same = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let danger = same(danger);
    let first = danger.split('-').next().unwrap_or_default();
    let text = same(text);
    // A shell puts a word together that is written in pieces: `self-'destruct'`, `self\-destruct`.
    let joined: String = text.chars().filter(|letter| !matches!(letter, '\'' | '"' | '\\')).collect();
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let is_one = |word: &str| word.len() >= first.len() && danger.starts_with(word);
    [text, joined].iter().any(|text| text.split(|letter| !is_part(letter)).any(is_one))
}

/// Starts a task of its own for a command. A lost answer is asked for again: the token makes the second one the first.
pub(super) async fn start(
    ui: &Ui,
    provider: &dyn Provider,
    state: &State,
    resource: &Resource,
    attributes: Known,
) -> Result<Target, CommandError> {
    let token: String = new_lineage()?;
    let key = token.chars().take(8).collect();
    let address = Address::new(resource.type_name.clone(), resource.name.as_str(), Some(key));
    let tags = plan::owner(state).tags(&address);
    let creation =
        Creation { address, region: state.region.clone(), attributes, tags, token, attempt: Attempt::default() };
    let mut tries = 0;
    let identity = loop {
        match provider.create(&creation).await {
            Ok(created) => break created.identity,
            Err(error) if tries < TRIES && error.kind.is_transient() => {
                tries += 1;
                ui.warn(&format!("{error}; it is tried again"));
                pause(provider).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    let Creation { address, region, attributes, .. } = creation;
    let recorded = attributes.plain().unwrap_or_default();
    Ok(Target { address, region, identity, recorded, owner: None })
}

/// Waits a moment before another look.
pub(super) async fn pause(provider: &dyn Provider) {
    sleep(PAUSE.div_f64(provider.time_lapse())).await;
}

/// The attributes of a task, made of this instance's resources as the cloud shows them.
pub(super) async fn attributes(
    provider: &Arc<dyn Provider>,
    project: &Project,
    state: &State,
    resource: &Resource,
) -> Result<Known, CommandError> {
    let world = project.world(&state.lookups, &state.settings);
    Ok(errand::attributes(&read_only(provider), &world, state, resource).await?)
}

/// Something that is run, while somebody waits for its end.
pub(super) struct Work<'a> {
    pub ui: &'a Ui,
    pub provider: Arc<dyn Provider>,
    pub resource_type: &'a ResourceType,
}

/// Takes each printed line.
pub(super) type Sink<'a> = &'a mut (dyn FnMut(&str) -> Result<(), CommandError> + Send);

impl Work<'_> {
    async fn pause(&self) {
        pause(&*self.provider).await;
    }

    /// Hands on what it prints until it ends, and gives what the cloud shows of it then.
    pub(super) async fn follow(&self, target: &Target, sink: Sink<'_>) -> Result<Value, CommandError> {
        let mut next = None;
        let mut status = String::new();
        loop {
            let shown = match self.provider.observe(std::slice::from_ref(target)).await.remove(&target.address) {
                Some(Observation::Found(observed)) => observed.attributes,
                Some(Observation::Failed(error)) if error.kind.is_transient() => Value::Null,
                Some(Observation::Failed(error)) => return Err(error.into()),
                // What was just started may not be visible yet.
                Some(Observation::Gone | Observation::Foreign(_)) | None => Value::Null,
            };
            self.print(target, &mut next, sink).await?;
            let now = self.resource_type.ready.as_ref().and_then(|ready| ready.status(&shown)).unwrap_or_default();
            if now != status {
                self.ui.say(&format!("{} is {now}", target.address));
                now.clone_into(&mut status);
            }
            match self.resource_type.condition(&shown) {
                Some(condition) if condition.is_final() => {
                    // The last lines come a moment after the end.
                    self.pause().await;
                    self.print(target, &mut next, sink).await?;
                    return Ok(shown);
                }
                _ => self.pause().await,
            }
        }
    }

    async fn print(&self, target: &Target, next: &mut Option<String>, sink: Sink<'_>) -> Result<(), CommandError> {
        loop {
            let Printed { lines, next: later } = match self.provider.printed(target, next.as_deref()).await {
                Ok(printed) => printed,
                Err(ProviderError { kind, .. }) if kind.is_transient() => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let is_all = lines.is_empty();
            for line in lines {
                sink(&line)?;
            }
            *next = later;
            if is_all {
                return Ok(());
            }
        }
    }

    /// The exit code of a program that has ended.
    fn exit(&self, shown: &Value, exit_code: &str) -> Result<Exit, CommandError> {
        match (self.resource_type.condition(shown), shown.get(exit_code).and_then(Value::as_number)) {
            (Some(Condition::Good), _) => Ok(Exit::Done),
            (_, Some(code)) => Ok(Exit::Program(code.clamp(0.0, 255.0) as u8)),
            _ => Err(CommandError::failure(self.report(shown))),
        }
    }

    /// How the cloud reports it.
    pub(super) fn report(&self, shown: &Value) -> String {
        self.resource_type.ready.as_ref().and_then(|ready| ready.report(shown)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Identity;
    use crate::cli::files::tests::fast_sandbox;
    use crate::cli::proposal::tests::Bench;
    use crate::cli::ui::captured::ui;
    use crate::state::Row;

    fn go(folder: &std::path::Path, confirm: Option<&str>, command: &[&str]) -> (Result<Exit, String>, String) {
        let mut options = crate::cli::files::tests::options(folder);
        options.cloud = fast_sandbox();
        let (ui, _, err) = ui(false, "");
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        let arguments = RunArguments { confirm: confirm.map(str::to_owned), command };
        let outcome = run(&ui, &options, &arguments).map_err(|error| error.to_string());
        (outcome, err.take())
    }

    #[test]
    fn a_danger_is_found_however_it_is_written() {
        for text in [
            "self-destruct",
            "self_destruct",
            "SELF-DESTRUCT",
            "self",
            "self-",
            "self_destr",
            "bin/tootctl self-destruct",
            "RAILS_ENV=production bin/tootctl self_d; true",
            "$(bin/tootctl 'self-destruct')",
            "tootctl self-'destruct'",
            r"tootctl self\-destruct",
        ] {
            assert!(has_danger(text, "self-destruct"), "{text}");
        }
        for text in ["", "sel", "-", "self-service", "myself", "selfie", "destruct", "--self-test", "production"] {
            assert!(!has_danger(text, "self-destruct"), "{text}");
        }
    }

    /// A state that somebody has written into starts nothing but what is this instance's, and nowhere else.
    #[tokio::test]
    async fn what_it_runs_with_is_what_the_cloud_shows() {
        let bench = Bench::new();
        bench.apply().await;
        let (project, _) = Project::read(&bench.options).unwrap_or_else(|error| panic!("{error}"));
        let honest = State::read(&project.paths.state()).expect("a state").expect("one");
        let tool = &project.specs.blueprint.commands[NAME];
        let made_of = async |forge: fn(&mut State)| {
            let mut state = honest.clone();
            forge(&mut state);
            let made = attributes(&bench.provider, &project, &state, &tool.resource).await;
            let text = |made: &Known, name: &str| made.get(name).and_then(Tree::as_text).unwrap_or_default().to_owned();
            made.map(|made| (text(&made, "cluster"), text(&made, "task_definition"))).map_err(|error| error.to_string())
        };
        fn row<'state>(state: &'state mut State, address: &str) -> &'state mut Row {
            state.rows.get_mut(&address.parse::<Address>().expect("an address")).expect("a row")
        }
        fn text(text: &str) -> Value {
            Value::Text(text.to_owned())
        }
        let (cluster, definition) = made_of(|_| {}).await.expect("it is there");
        assert_eq!(cluster, "social");
        assert!(definition.ends_with("task-definition/social-job:1"), "{definition}");

        let forged = made_of(|state| {
            row(state, "ecs.cluster.mastodon").inputs.set(&["name"], text("theirs"));
            row(state, "ecs.task_definition.job").facts.set(&["arn"], text("arn:theirs:1"));
        });
        assert_eq!(forged.await, Ok((cluster, definition)));
        let gone = made_of(|state| {
            row(state, "ecs.task_definition.job").identity = Some(Identity::new("arn:theirs:1"));
        });
        assert!(gone.await.expect_err("it is not there").starts_with("ecs.task_definition.job is not there"));
        let foreign = made_of(|state| "of-others".clone_into(&mut state.lineage)).await.expect_err("it is not ours");
        assert!(foreign.contains("is not this instance's: "), "{foreign}");
    }

    #[test]
    fn nothing_runs_before_an_apply_and_nothing_dangerous_without_the_name() {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("mastodon.toml"), include_str!("../../mastodon.toml")).expect("written");
        let (before, _) = go(folder.path(), None, &["bin/tootctl", "version"]);
        assert!(before.expect_err("nothing is there").starts_with("there is no "));
        let mut options = crate::cli::files::tests::options(folder.path());
        options.cloud = fast_sandbox();
        let (silent, ..) = ui(false, "");
        let arguments = crate::cli::ApplyArguments { yes: true, ..Default::default() };
        let applied = crate::cli::apply::run(&silent, &options, &arguments);
        assert_eq!(applied.map_err(|error| error.to_string()), Ok(Exit::Done));
        let (done, said) = go(folder.path(), None, &["bin/tootctl", "version"]);
        assert_eq!(done, Ok(Exit::Done), "{said}");
        let file = folder.path().join("mastodon.toml");
        let text = fs_err::read_to_string(&file).expect("a file");
        fs_err::write(&file, text.replace("eu-central-1", "us-east-1")).expect("written");
        let (elsewhere, _) = go(folder.path(), None, &["bin/tootctl", "version"]);
        assert_eq!(
            elsewhere,
            Err(
                "the state belongs to region eu-central-1, and mastodon.toml says us-east-1\nhint: an instance cannot \
                 move: set `region` back, or destroy it and begin anew"
                    .to_owned()
            )
        );
        fs_err::write(&file, text).expect("written");
        for command in [
            &["bin/tootctl", "self-destruct"][..],
            &["bin/tootctl", "self_destruct"],
            &["bin/tootctl", "self"],
            &["sh", "-c", "bin/tootctl self-destruct"],
        ] {
            let (refused, _) = go(folder.path(), None, command);
            let refused = refused.expect_err("the name is missing");
            assert!(refused.starts_with("`self-destruct` cannot be undone"), "{command:?}: {refused}");
        }
        let (meant, _) = go(folder.path(), Some("social"), &["bin/tootctl", "self-destruct"]);
        assert_eq!(meant, Ok(Exit::Done));
    }
}
