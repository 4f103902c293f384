//! The command line: arguments, terminal, exit codes.
//!
//! This is the edge of the program. Only here is a terminal, an environment and a clock; everything below takes values
//! and gives values. [`ui`] owns the streams, [`error`] the exit codes, [`files`] finds and reads what the user wrote,
//! [`progress`] shows a running apply. Each command is a file and does little itself.
//!
//! # Guarantees
//!
//! - Data goes to standard output, talk to standard error.
//! - The exit codes are those of [`Exit`]; wrong usage is 1.
//! - A reader that goes away (`mastoform plan | head`) ends the program quietly.

mod apply;
mod cloud;
mod completions;
mod cost;
mod destroy;
mod drift;
pub mod error;
mod events;
mod explain;
mod export;
pub mod files;
pub mod fleet;
mod git;
mod graph;
mod habits;
mod iam_policy;
mod init;
mod man;
pub mod output;
mod plan;
mod process;
pub mod progress;
mod proposal;
mod requests;
mod restore;
mod run;
mod schema;
mod shell;
mod show;
mod state;
mod status;
pub mod ui;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use error::{CommandError, Exit};
use fleet::{File, Files};
pub use ui::Ui;

use crate::file::{self, Kind};
use crate::ops::{Cloud, Sandbox, Settings};
use crate::provider::sim::Person;
use crate::provider::trace;

/// Run your own Mastodon server on AWS from one file
#[derive(Debug, Parser)]
#[command(
    name = "mastoform",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "A day with it: edit mastodon.toml · mastoform plan · mastoform apply · git commit"
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: GlobalOptions,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalOptions {
    /// The file that describes the instance; for a fleet several times, a quoted pattern, or a folder
    #[arg(short, long = "file", global = true, value_name = "FILE", default_value = "mastodon.toml")]
    pub files: Vec<PathBuf>,
    /// Of a fleet only the instances of this name, which may have wildcards; may be repeated
    #[arg(long, global = true, value_name = "NAME")]
    pub only: Vec<String>,
    /// The folder of the state files [default: `state` beside FILE]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// A folder of specs that lie over the built-in ones: DIR/*.toml, resource types in DIR/types/*.toml, and a table of
    /// prices in DIR/prices.toml
    #[arg(long, global = true, value_name = "DIR")]
    pub specs: Option<PathBuf>,
    /// Work on a simulated cloud instead of AWS, kept in the folder `sandbox` beside the state
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// How many times faster than AWS the simulated cloud is; 120 unless given
    #[arg(long, global = true, value_name = "N", value_parser = speed)]
    pub sandbox_speed: Option<f64>,
    /// How long the person in the sandbox takes for what waits for one: 5m, 2h, or never
    #[arg(long, global = true, value_name = "TIME", value_parser = person)]
    pub sandbox_person: Option<Person>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// Write every call to AWS into FILE, as lines of JSON: names and times, never what was sent
    #[arg(long, global = true, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Say more; twice: say also what is asked of AWS
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say only the result, and what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("not a number above 0".to_owned()),
    }
}

fn person(text: &str) -> Result<Person, String> {
    if text == "never" { Ok(Person::Never) } else { duration(text).map(Person::Takes) }
}

/// `15m`, `1h 30m`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()));
    let written = || text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    seconds.or_else(written).ok_or_else(|| "not a time such as 15m, 2h or 90s".to_owned())
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// In a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a first mastodon.toml
    Init(InitArguments),
    /// Say everything that is wrong with mastodon.toml, without asking AWS
    Validate,
    /// Show what apply would do
    Plan(PlanArguments),
    /// Show a saved plan
    Show(ShowArguments),
    /// Make AWS as mastodon.toml says
    Apply(ApplyArguments),
    /// Tell what somebody changed in AWS, what AWS changed by itself, and what you have not applied yet
    Drift(DriftArguments),
    /// Take the whole instance down
    Destroy(DestroyArguments),
    /// Show what you need to know of the instance: addresses, DNS records
    Output(OutputArguments),
    /// Tell whether the running instance works
    Status(StatusArguments),
    /// Run a command beside what runs, in a task of its own
    Run(RunArguments),
    /// Open a shell beside what runs, in a task of its own
    Shell,
    /// Open a console of the application beside what runs, in a task of its own
    Console,
    /// Open a client of the database beside what runs, in a task of its own
    Psql,
    /// Tell where a value comes from and what would happen if it changed, or what a code means
    Explain(ExplainArguments),
    /// Estimate what the instance costs a month, before anything is built
    Cost(CostArguments),
    /// Print the IAM policy that the other commands need for this file
    IamPolicy(IamPolicyArguments),
    /// Write the instance as files of another tool, to hand it over
    #[command(subcommand)]
    Export(ExportCommand),
    /// Look into the state
    #[command(subcommand)]
    State(StateCommand),
    /// Print the JSON Schema of mastodon.toml, for editors
    Schema,
    /// Print the graph of resources, for drawing programs
    Graph(GraphArguments),
    /// Print a script that completes commands in your shell
    Completions(CompletionsArguments),
    /// Print a manual page
    Man(ManArguments),
}

#[derive(Debug, Args)]
pub struct InitArguments {
    /// The domain in people's addresses: @someone@DOMAIN
    pub domain: Option<String>,
}

#[derive(Debug, Default, Args)]
pub struct PlanArguments {
    /// Compare with the state alone and ask AWS nothing
    #[arg(long)]
    pub offline: bool,
    /// Print the plan as JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print the plan as Markdown, for a comment on a pull request
    #[arg(long)]
    pub markdown: bool,
    /// Write the plan as a page for a browser, too
    #[arg(long, value_name = "PAGE")]
    pub html: Option<PathBuf>,
    /// Keep the plan in a file, for `mastoform apply FILE`
    #[arg(long, value_name = "FILE", conflicts_with = "offline")]
    pub out: Option<PathBuf>,
    /// Exit with 2 if there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Without a state: plan to go on with the instance of this name that lives in AWS
    #[arg(long, conflicts_with = "offline")]
    pub adopt_own: bool,
    /// Exit with 7 if the plan does any of these
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    pub fail_on: Vec<FailOn>,
}

/// What a plan may be stopped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// It widens rights, or may
    Security,
    /// It deletes what people have stored
    DataLoss,
    /// It deletes anything
    Deletion,
    /// It takes a part of the instance down, or loses data
    Outage,
}

#[derive(Debug, Args)]
pub struct ShowArguments {
    /// What `mastoform plan --out` wrote
    #[arg(value_name = "FILE")]
    pub plan: PathBuf,
    /// Print the plan as JSON
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print the plan as Markdown, for a comment on a pull request
    #[arg(long)]
    pub markdown: bool,
    /// Write the plan as a page for a browser, too
    #[arg(long, value_name = "PAGE")]
    pub html: Option<PathBuf>,
    /// Exit with 7 if the plan does any of these
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    pub fail_on: Vec<FailOn>,
}

#[derive(Debug, Default, Args)]
pub struct ApplyArguments {
    /// Do exactly what this saved plan says, or nothing if anything has changed since it was made
    #[arg(value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// The instance's name, for a plan that deletes what people have stored; of a fleet once for each
    #[arg(long, value_name = "NAME")]
    pub confirm: Vec<String>,
    /// Print what happens as JSON, a line per event
    #[arg(long, requires = "yes")]
    pub json: bool,
    /// Without a state: go on with the instance of this name that lives in AWS
    #[arg(long)]
    pub adopt_own: bool,
    /// How long to wait for what only a person can do, when nothing else is left: 15m unless told otherwise, 0: not at all
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub wait: Option<Duration>,
    /// Of a fleet these instances first, by name or number, and the others only if that went well
    #[arg(long, value_name = "NAME|N")]
    pub canary: Option<String>,
    /// Of a fleet at most so many instances at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub wave: u16,
}

#[derive(Debug, Args)]
pub struct DriftArguments {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 3 if somebody changed something, or something is not in order
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Write what somebody changed into mastodon.toml, where that can say it
    #[arg(long, conflicts_with_all = ["json", "detailed_exitcode"])]
    pub accept: bool,
}

#[derive(Debug, Default, Args)]
pub struct DestroyArguments {
    /// The instance's name, instead of typing it when asked; of a fleet once for each
    #[arg(long, value_name = "NAME")]
    pub confirm: Vec<String>,
    /// Write the plan as a page for a browser, too, before anything is asked
    #[arg(long, value_name = "PAGE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct OutputArguments {
    /// Only this one, and nothing but its value; dns: the records that you are asked for
    pub name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print the records of dns as lines of a zone file
    #[arg(long, conflicts_with = "json", requires = "name")]
    pub zone: bool,
}

#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Ask what only a task of its own can find out, too: it takes a minute, and costs less than a cent
    #[arg(long)]
    pub jobs: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// The instance's name, for a command that cannot be undone
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// The command with its arguments: mastoform run -- bin/tootctl media usage
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// An address, an attribute of it, a setting, or a code: rds.cluster.database, rds.cluster.database.port,
    /// input.run_mode, unknown-key
    #[arg(value_name = "WHAT")]
    pub what: String,
}

#[derive(Debug, Default, Args)]
pub struct CostArguments {
    /// Say also what it would cost with another setting: 'database.max_capacity=2'; may be repeated
    #[arg(long, value_name = "SETTING=VALUE")]
    pub compare: Vec<String>,
    /// Say also what choices would cost that are worth knowing
    #[arg(long)]
    pub choices: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Default, Args)]
pub struct IamPolicyArguments {
    /// Only what `plan` and `drift` need: no secret can be read with it
    #[arg(long)]
    pub read_only: bool,
    /// Only what the first apply and `destroy` need besides: with it rights can be widened, so take it away again
    #[arg(long, conflicts_with = "read_only")]
    pub bootstrap: bool,
    /// Ask nobody: if the state does not know the account, the policy is for any
    #[arg(long)]
    pub offline: bool,
    /// Which of several policies, if one would be too long
    #[arg(long, value_name = "N")]
    pub part: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// As a template of CloudFormation, and the list of resources to import
    #[command(name = "cloudformation")]
    CloudFormation(ExportArguments),
    /// As a configuration of Terraform or OpenTofu, with import blocks
    Terraform(ExportArguments),
}

#[derive(Debug, Args)]
pub struct ExportArguments {
    /// The folder to write; it is made, and none of the files may be there
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Write the values of the state and ask AWS nothing
    #[arg(long)]
    pub offline: bool,
}

#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// List all resources
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show everything remembered of a resource
    Show {
        /// Such as rds.cluster.database
        address: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take back the last good state file, from the backup or from git
    Restore(RestoreArguments),
    /// Leave the instance to another tool: from then on apply and destroy refuse to change it
    HandOver {
        /// Make it mastoform's again
        #[arg(long)]
        take_back: bool,
    },
}

#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The instance, if mastodon.toml cannot say it
    pub name: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct GraphArguments {
    #[arg(long, value_enum, default_value_t = GraphFormat::Mermaid)]
    pub format: GraphFormat,
    /// Every resource by itself, and every arrow, even if it follows from others
    #[arg(long)]
    pub all: bool,
    /// Colour what the plan changes, and mark what takes longest
    #[arg(long)]
    pub plan: bool,
    /// With --plan: compare with the state alone and ask AWS nothing
    #[arg(long, requires = "plan")]
    pub offline: bool,
}

/// Languages of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A picture
    Svg,
    /// Shown by GitHub, GitLab and many editors
    Mermaid,
    /// For Graphviz
    Dot,
}

#[derive(Debug, Args)]
pub struct CompletionsArguments {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArguments {
    /// The command that the page is about; mastoform itself unless given
    pub command: Option<String>,
    /// Print the names of all commands that have a page
    #[arg(long, conflicts_with = "command")]
    pub list: bool,
}

/// Parses the arguments, runs the command, says what went wrong.
pub fn main() -> ExitCode {
    // A stack of a size that does not depend on the shell: what is read from files is walked on it.
    let program = std::thread::Builder::new().stack_size(STACK).spawn(program);
    match program.map(std::thread::JoinHandle::join) {
        Ok(Ok(exit)) => exit,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(error) => {
            CommandError::from(error).print(&Ui::plain());
            Exit::Failure.into()
        }
    }
}

/// Bytes of the stack that the program runs on.
const STACK: usize = 16 * 1024 * 1024;

fn program() -> ExitCode {
    process::keep_memory_private();
    process::open_many_files();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(problem) => return usage(&problem),
    };
    let ui = Ui::new(&arguments.global);
    let exit = start_trace(&arguments.global, &ui).and_then(|()| run(&arguments, &ui)).unwrap_or_else(|error| {
        error.print(&ui);
        error.exit()
    });
    tell_calls(&arguments.global, &ui);
    exit.into()
}

/// A file of calls.
const TRACE: Kind = Kind { name: "a trace of calls", option: "--trace", telling: 1 << 16, is_ours: trace::is_trace };

/// Opens the file that calls are written into.
fn start_trace(global: &GlobalOptions, ui: &Ui) -> Result<(), CommandError> {
    if let Some(path) = &global.trace {
        ui.calls().write_to(Box::new(file::write_own(path, &TRACE, b"")?));
    }
    Ok(())
}

/// Says what was asked of the cloud, however the command ended.
fn tell_calls(global: &GlobalOptions, ui: &Ui) {
    if let (Some(path), Some(error)) = (&global.trace, ui.calls().lost()) {
        ui.warn(&format!("{} is incomplete: {error}", path.display()));
    }
    if let Some(summary) = ui.calls().summary() {
        ui.detail(&summary.to_string());
    }
}

/// Help and versions are data; everything else clap says is a mistake of the user's.
fn usage(problem: &clap::Error) -> ExitCode {
    let ui = Ui::plain();
    let typed: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some((message, sentence)) = habits::advice(problem, &typed) {
        CommandError::failure(message).hint(sentence).print(&ui);
        return Exit::Failure.into();
    }
    let text = problem.render().ansi().to_string();
    if problem.use_stderr() {
        ui.tell(text.trim_end());
        Exit::Failure.into()
    } else {
        match ui.data(text.trim_end()) {
            Ok(()) => Exit::Done.into(),
            Err(error) => error.exit().into(),
        }
    }
}

impl GlobalOptions {
    /// What they come to for a command on one file.
    fn settings(&self, file: PathBuf) -> Settings {
        let cloud = match self.sandbox {
            true => Cloud::Sandbox(Sandbox { speed: self.sandbox_speed, person: self.sandbox_person }),
            false => Cloud::Aws,
        };
        Settings { cloud, file, state_dir: self.state_dir.clone(), specs: self.specs.clone() }
    }
}

fn run(arguments: &Arguments, ui: &Ui) -> Result<Exit, CommandError> {
    let global = &arguments.global;
    if global.sandbox_speed.is_some() && !global.sandbox {
        return Err(CommandError::failure("--sandbox-speed is the speed of the sandbox").hint("add --sandbox"));
    }
    if global.sandbox_person.is_some() && !global.sandbox {
        return Err(CommandError::failure("--sandbox-person is the person in the sandbox").hint("add --sandbox"));
    }
    let files = match fleet::find(&global.files)? {
        Files::One(file) if global.only.is_empty() => return run_one(ui, &global.settings(file), &arguments.command),
        Files::One(file) => vec![File { path: file, found: false }],
        Files::Many(files) => files,
    };
    fleet::run(ui, &global.settings(PathBuf::new()), &arguments.command, files, &global.only)
}

/// Runs a command that works on one instance.
fn run_one(ui: &Ui, settings: &Settings, command: &Command) -> Result<Exit, CommandError> {
    match command {
        Command::Init(arguments) => init::run(ui, settings, arguments),
        Command::Validate => validate::run(ui, settings),
        Command::Plan(arguments) => plan::run(ui, settings, arguments),
        Command::Show(arguments) => show::run(ui, settings, arguments),
        Command::Apply(arguments) => apply::run(ui, settings, arguments),
        Command::Drift(arguments) => drift::run(ui, settings, arguments),
        Command::Destroy(arguments) => destroy::run(ui, settings, arguments),
        Command::Output(arguments) => output::run(ui, settings, arguments),
        Command::Status(arguments) => status::run(ui, settings, arguments),
        Command::Run(arguments) => run::run(ui, settings, arguments),
        Command::Shell => shell::run(ui, settings, "shell"),
        Command::Console => shell::run(ui, settings, "console"),
        Command::Psql => shell::run(ui, settings, "psql"),
        Command::Explain(arguments) => explain::run(ui, settings, arguments),
        Command::Cost(arguments) => cost::run(ui, settings, arguments),
        Command::IamPolicy(arguments) => iam_policy::run(ui, settings, arguments),
        Command::Export(command) => export::run(ui, settings, command),
        Command::State(command) => state::run(ui, settings, command),
        Command::Schema => schema::run(ui, settings),
        Command::Graph(arguments) => graph::run(ui, settings, arguments),
        Command::Completions(arguments) => completions::run(ui, arguments),
        Command::Man(arguments) => man::run(ui, arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_may_stand_after_the_command() {
        let arguments = Arguments::try_parse_from(["mastoform", "plan", "-f", "x.toml", "--offline", "-vv"]);
        let arguments = arguments.expect("valid arguments");
        assert_eq!(arguments.global.files, [PathBuf::from("x.toml")]);
        assert_eq!(arguments.global.verbose, 2);
        assert!(matches!(arguments.command, Command::Plan(PlanArguments { offline: true, json: false, .. })));
    }

    #[test]
    fn a_speed_needs_a_sandbox_and_a_positive_number() {
        let parse = |words: &[&str]| Arguments::try_parse_from([&["mastoform"], words].concat());
        assert!(parse(&["--sandbox", "plan", "--sandbox-speed", "60"]).is_ok());
        assert!(parse(&["plan", "--sandbox", "--sandbox-speed", "0"]).is_err());
        let arguments = parse(&["schema", "--sandbox-speed", "60"]).expect("parses");
        let (ui, _, _) = ui::captured::ui(false, "");
        let error = run(&arguments, &ui).expect_err("refused");
        assert_eq!(error.to_string(), "--sandbox-speed is the speed of the sandbox\nhint: add --sandbox");
    }
}
