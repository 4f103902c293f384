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
mod destroy;
pub mod error;
pub mod files;
mod graph;
mod init;
pub mod output;
mod plan;
pub mod progress;
mod schema;
mod state;
pub mod ui;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub use error::{CommandError, Exit};
pub use ui::Ui;

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
    /// The file that describes the instance
    #[arg(short, long, global = true, value_name = "FILE", default_value = "mastodon.toml")]
    pub file: PathBuf,
    /// The folder of the state files [default: `state` beside FILE]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// A folder of specs that lie over the built-in ones: DIR/*.toml, and resource types in DIR/types/*.toml
    #[arg(long, global = true, value_name = "DIR")]
    pub specs: Option<PathBuf>,
    /// Work on a simulated cloud instead of AWS, kept in the folder `sandbox` beside the state
    #[arg(long, global = true)]
    pub sandbox: bool,
    /// How many times faster than AWS the simulated cloud is
    #[arg(long, global = true, value_name = "N", value_parser = speed)]
    pub sandbox_speed: Option<f64>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    pub color: ColorChoice,
    /// Write every call to AWS into FILE, as lines of JSON: names and times, never what was sent
    #[arg(long, global = true, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Say more; twice: say also what is asked of AWS
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say only what went wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("not a number above 0".to_owned()),
    }
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
    /// Make AWS as mastodon.toml says
    Apply(ApplyArguments),
    /// Take the whole instance down
    Destroy(DestroyArguments),
    /// Show what you need to know of the instance: addresses, DNS records
    Output(OutputArguments),
    /// Look into the state
    #[command(subcommand)]
    State(StateCommand),
    /// Print the JSON Schema of mastodon.toml, for editors
    Schema,
    /// Print the graph of resources, for drawing programs
    Graph(GraphArguments),
    /// Print a script that completes commands in your shell
    Completions(CompletionsArguments),
}

#[derive(Debug, Args)]
pub struct InitArguments {
    /// The domain in people's addresses: @someone@DOMAIN
    pub domain: Option<String>,
}

#[derive(Debug, Args)]
pub struct PlanArguments {
    /// Compare with the state alone and ask AWS nothing
    #[arg(long)]
    pub offline: bool,
    /// Print the plan as JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 2 if there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
}

#[derive(Debug, Args)]
pub struct ApplyArguments {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct DestroyArguments {
    /// The instance's name, instead of typing it when asked
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

#[derive(Debug, Args)]
pub struct OutputArguments {
    /// Only this one, and nothing but its value
    pub name: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
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
}

#[derive(Debug, Args)]
pub struct GraphArguments {
    #[arg(long, value_enum, default_value_t = GraphFormat::Mermaid)]
    pub format: GraphFormat,
}

/// Languages of graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Shown by GitHub, GitLab and many editors
    Mermaid,
    /// For Graphviz
    Dot,
}

#[derive(Debug, Args)]
pub struct CompletionsArguments {
    pub shell: clap_complete::Shell,
}

/// Parses the arguments, runs the command, says what went wrong.
pub fn main() -> ExitCode {
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

/// Opens the file that calls are written into.
fn start_trace(global: &GlobalOptions, ui: &Ui) -> Result<(), CommandError> {
    if let Some(path) = &global.trace {
        ui.calls().write_to(Box::new(fs_err::File::create(path)?));
    }
    Ok(())
}

/// Says what was asked of the cloud, however the command ended.
fn tell_calls(global: &GlobalOptions, ui: &Ui) {
    if let (Some(path), Some(error)) = (&global.trace, ui.calls().lost()) {
        ui.warn(&format!("{} has an early end: {error}", path.display()));
    }
    if let Some(summary) = ui.calls().summary() {
        ui.detail(&summary.to_string());
    }
}

/// Help and versions are data; everything else clap says is a mistake of the user's.
fn usage(problem: &clap::Error) -> ExitCode {
    let ui = Ui::plain();
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

fn run(arguments: &Arguments, ui: &Ui) -> Result<Exit, CommandError> {
    let global = &arguments.global;
    if global.sandbox_speed.is_some() && !global.sandbox {
        return Err(CommandError::failure("--sandbox-speed is the speed of the sandbox").hint("add --sandbox"));
    }
    match &arguments.command {
        Command::Init(arguments) => init::run(ui, global, arguments),
        Command::Validate => validate::run(ui, global),
        Command::Plan(arguments) => plan::run(ui, global, arguments),
        Command::Apply(arguments) => apply::run(ui, global, arguments),
        Command::Destroy(arguments) => destroy::run(ui, global, arguments),
        Command::Output(arguments) => output::run(ui, global, arguments),
        Command::State(command) => state::run(ui, global, command),
        Command::Schema => schema::run(ui, global),
        Command::Graph(arguments) => graph::run(ui, global, arguments),
        Command::Completions(arguments) => completions::run(ui, arguments),
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
        assert_eq!(arguments.global.file, PathBuf::from("x.toml"));
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
