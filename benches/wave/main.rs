//! How close the program comes to the least time AWS allows.
//!
//! Runs the real binary on the example, against an emulator of AWS at a distance (see `proxy.rs`), and compares the time
//! of a first apply, of plans without changes and of a destroy with the lower bound: the longest chain of calls that
//! follow one another, times the time of a round trip; and calls and time with the floor, what code written by hand for
//! just these resources would need. See `benches/README.md`.

mod floor;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/support/proxy.rs"]
mod proxy;
mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use floor::{Floor, sum};
use proxy::{Exchange, Proxy};
use support::emulator::Emulator;
use support::moto;

/// How many instances of a fleet come up at the same time.
const SIDE_BY_SIDE: usize = 4;

const EXAMPLE: &str = include_str!("../../mastodon.toml");

/// The emulator, in which everything gets ready at the first look: the floor leaves out what anything needs to run.
const AT_ONCE: &str = "
from moto.moto_api import state_manager
for kind in ('ecs::task', 'cloudfront::distribution'):
    state_manager.set_transition(kind, {'progression': 'immediate'})

from moto.server import main
main(['-H', '127.0.0.1', '-p', str(PORT)])
";

/// What may be said after `--`.
struct Options {
    delay: Duration,
    plans: usize,
    applies: usize,
    /// Instances of a fleet beside the one that is measured first; none is no fleet.
    fleet: usize,
    program: PathBuf,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            delay: Duration::from_millis(100),
            plans: 10,
            applies: 3,
            fleet: 0,
            program: PathBuf::from(env!("CARGO_BIN_EXE_mastoform")),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                "--delay" => options.delay = Duration::from_millis(value().parse().expect("milliseconds")),
                "--plans" => options.plans = value().parse().expect("a number"),
                "--applies" => options.applies = value().parse().expect("a number"),
                "--fleet" => options.fleet = value().parse().expect("a number"),
                "--program" => options.program = value().into(),
                // cargo says this to every benchmark.
                "--bench" => {}
                _ => {
                    panic!(
                        "{word} is not one of --delay MILLISECONDS, --plans, --applies, --fleet NUMBER, --program PATH"
                    )
                }
            }
        }
        options
    }
}

/// One run of the program.
struct Run {
    wall: Duration,
    exchanges: Vec<Exchange>,
    /// How long the calls of each operation took, as the program's own trace tells it.
    operations: BTreeMap<String, Vec<Duration>>,
    attempts: u64,
}

impl Run {
    fn calls(&self) -> usize {
        self.operations.values().map(Vec::len).sum()
    }

    /// The time of the fastest call of an operation, if there was any. A star at the end of its name stands for anything.
    fn took(&self, operation: &str) -> Option<Duration> {
        let is_meant = |name: &str| match operation.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == operation,
        };
        let meant = self.operations.iter().filter(|(name, _)| is_meant(name));
        meant.flat_map(|(_, times)| times).min().copied()
    }

    fn chain(&self) -> u32 {
        let mut by_end = self.exchanges.clone();
        by_end.sort_by_key(|exchange| exchange.answered);
        let mut chain = 0;
        let mut free = None;
        for exchange in by_end {
            if free.is_none_or(|free| exchange.arrived >= free) {
                chain += 1;
                free = Some(exchange.answered);
            }
        }
        chain
    }

    /// When nothing was asked although the program ran: its own work, and its waits between polls.
    fn idle(&self) -> Duration {
        let mut by_start = self.exchanges.clone();
        by_start.sort_by_key(|exchange| exchange.arrived);
        let mut busy = Duration::ZERO;
        let mut until: Option<Instant> = None;
        for exchange in by_start {
            let from = until.map_or(exchange.arrived, |until| until.max(exchange.arrived));
            busy += exchange.answered.saturating_duration_since(from);
            until = Some(until.map_or(exchange.answered, |until| until.max(exchange.answered)));
        }
        self.wall.saturating_sub(busy)
    }
}

/// The program in a folder, with the credentials of an account in the emulator.
fn command(options: &Options, emulator: &Emulator, folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(&options.program);
    command.args(words).current_dir(folder).env_clear().env("HOME", folder).envs(emulator.environment());
    command
}

fn run(options: &Options, emulator: &Emulator, proxy: &Proxy, folder: &Path, words: &[&str]) -> Run {
    let trace = folder.join("trace.jsonl");
    proxy.take();
    let started = Instant::now();
    let output = command(options, emulator, folder, words)
        .arg("--trace")
        .arg(&trace)
        .env("AWS_ENDPOINT_URL", proxy.endpoint())
        .output()
        .expect("the program runs");
    let wall = started.elapsed();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut operations: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    let mut attempts = 0;
    for line in fs_err::read_to_string(&trace).expect("a trace").lines() {
        let call: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        let milliseconds = |name: &str| call[name].as_f64().expect("milliseconds");
        let took = Duration::from_secs_f64((milliseconds("duration_ms") - milliseconds("waited_ms")) / 1e3);
        operations.entry(call["operation"].as_str().unwrap_or("?").to_owned()).or_default().push(took);
        attempts += call["attempts"].as_u64().unwrap_or_default();
    }
    Run { wall, exchanges: proxy.take(), operations, attempts }
}

/// The state of an instance, as text.
fn state(folder: &Path, instance: &str) -> String {
    fs_err::read_to_string(folder.join("state").join(instance).with_extension("json")).expect("a state")
}

/// The example as the file of an instance, with secrets of the account it lives in and a bucket of its own.
fn file(emulator: &Emulator, instance: &str) -> String {
    let example = EXAMPLE.replace("123456789012", emulator.account()).replace("social", instance);
    format!("{example}\n[media]\nbucket = \"{instance}-of-{}\"\n[dns]\ncheck = false\n", emulator.account())
}

/// Brings up a fleet, several instances at a time, each by a process of its own and at no distance. Their names.
fn bring_up(options: &Options, emulator: &Emulator, folder: &Path) -> Vec<String> {
    let fleet = folder.join("fleet");
    fs_err::create_dir_all(&fleet).expect("a folder");
    let names: Vec<String> = (1..=options.fleet).map(|number| format!("instance{number}")).collect();
    for name in &names {
        fs_err::write(fleet.join(name).with_extension("toml"), file(emulator, name)).expect("written");
    }
    for some in names.chunks(SIDE_BY_SIDE) {
        let start = |name: &String| {
            let file = format!("fleet/{name}.toml");
            let mut command = command(options, emulator, folder, &["--file", &file, "apply", "--yes"]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs")
        };
        let running: Vec<_> = some.iter().map(start).collect();
        for mut child in running {
            assert!(child.wait().expect("a child").success(), "{some:?}");
        }
    }
    names
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}

fn tell(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints what runs have in common, and gives the median of them.
fn report<'run>(name: &str, runs: &'run [Run], delay: Duration) -> &'run Run {
    let mut walls: Vec<Duration> = runs.iter().map(|run| run.wall).collect();
    walls.sort();
    let median = runs.iter().find(|run| run.wall == walls[walls.len() / 2]).expect("the median is one of them");
    let bound = delay * median.chain();
    let slowest = median.exchanges.iter().map(|exchange| exchange.worked).max().unwrap_or_default();
    tell(&format!("\n{name}"));
    tell(&format!(
        "  wall         {} ms (median of {}; {} to {})",
        milliseconds(median.wall),
        runs.len(),
        milliseconds(walls[0]),
        milliseconds(walls[walls.len() - 1])
    ));
    tell(&format!(
        "  calls        {} in {} operations; the proxy saw {} requests of {} attempts",
        median.calls(),
        median.operations.len(),
        median.exchanges.len(),
        median.attempts
    ));
    tell(&format!(
        "  lower bound  {} ms = longest chain {} x {} ms",
        milliseconds(bound),
        median.chain(),
        milliseconds(delay)
    ));
    tell(&format!("  ratio        {:.2}", median.wall.as_secs_f64() / bound.as_secs_f64()));
    tell(&format!(
        "  in between   {} ms without a call in flight; the emulator's slowest answer took {} ms",
        milliseconds(median.idle()),
        milliseconds(slowest)
    ));
    for (operation, times) in &median.operations {
        tell(&format!("    {:>4}  {operation}", times.len()));
    }
    median
}

/// Compares a run with the floor: so many calls, so many of them one after the other.
fn compare(run: &Run, calls: usize, chain: u32, delay: Duration) {
    let bound = delay * chain;
    tell(&format!("  floor        {calls} calls, {chain} of them one after the other: {} ms", milliseconds(bound)));
    tell(&format!(
        "  to the floor {:.2} in calls, {:.2} in wall",
        run.calls() as f64 / calls as f64,
        run.wall.as_secs_f64() / bound.as_secs_f64()
    ));
}

/// Compares a first apply with the floor, also where the floor's calls take as long as those of the run did.
fn compare_apply(run: &Run, floor: &Floor, delay: Duration) {
    compare(run, sum(&floor.apply), floor.chain(), delay);
    let takes = floor.apply_takes(|operation| run.took(operation).unwrap_or(delay));
    tell(&format!(
        "  in its time  {} ms if the floor's calls take as long as those of the run; {:.2} in wall",
        milliseconds(takes),
        run.wall.as_secs_f64() / takes.as_secs_f64()
    ));
    for operation in floor.apply.keys().filter(|operation| run.took(operation).is_none()) {
        tell(&format!("    the run did not call {operation}, which counts as {} ms", milliseconds(delay)));
    }
}

/// Compares a plan without changes with the floor, and tells what it asks besides.
fn compare_plan(run: &Run, floor: &Floor, delay: Duration) {
    compare(run, sum(&floor.plan), 1, delay);
    tell(&format!(
        "  beside it    1 call that says who is calling, {} that keep strangers out: together {}",
        sum(&floor.strangers),
        sum(&floor.plan) + 1 + sum(&floor.strangers)
    ));
}

fn main() {
    let options = Options::read();
    let server = moto::server_with(AT_ONCE, &[("MOTO_ACM_VALIDATION_WAIT", "0")]);
    let first_apply = || {
        let emulator = moto::account_in(&server);
        let proxy = Proxy::start(emulator.host(), options.delay);
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("mastodon.toml"), file(&emulator, "social")).expect("written");
        // The emulator takes most of a second to set an account up when it is asked about it the first time.
        run(&options, &emulator, &proxy, folder.path(), &["plan"]);
        let apply = run(&options, &emulator, &proxy, folder.path(), &["apply", "--yes"]);
        (emulator, proxy, folder, apply)
    };
    // The emulator reads its models when it is asked the first time: nobody measures that.
    let (emulator, proxy, folder, _) = first_apply();
    let folder = folder.path();
    tell(&format!("{}, {} ms a round trip", options.program.display(), milliseconds(options.delay)));

    let applies: Vec<Run> = (0..options.applies.max(1)).map(|_| first_apply().3).collect();
    let median = report("First apply", &applies, options.delay);
    let floor = Floor::of(&[state(folder, "social")]);
    compare_apply(median, &floor, options.delay);

    let repeated = |proxy: &Proxy, words: &[&str]| {
        let plan = |_| run(&options, &emulator, proxy, folder, words);
        (0..options.plans.max(1)).map(plan).collect::<Vec<_>>()
    };
    let plans = repeated(&proxy, &["plan"]);
    let one = report("Plan without changes", &plans, options.delay);
    compare_plan(one, &floor, options.delay);
    let allowed = options.delay * one.chain() * 3 / 2 + Duration::from_millis(150);
    let within = plans.iter().filter(|plan| plan.wall <= allowed).count();
    tell(&format!("  {within} of {} within 1.5 x lower bound + 150 ms = {} ms", plans.len(), milliseconds(allowed)));

    if options.fleet > 0 {
        let names = bring_up(&options, &emulator, folder);
        let states: Vec<String> = names.iter().map(|name| state(&folder.join("fleet"), name)).collect();
        let floor = Floor::of(&states);
        let remembering = Proxy::remembering(emulator.host(), options.delay);
        // Two runs that nobody measures fill the memory.
        run(&options, &emulator, &remembering, folder, &["plan"]);
        run(&options, &emulator, &remembering, folder, &["--file", "fleet", "plan"]);
        for (proxy, how) in [(&proxy, ""), (&remembering, ", of answers that are remembered")] {
            let ones = repeated(proxy, &["plan"]);
            let fleets = repeated(proxy, &["--file", "fleet", "plan"]);
            let fleet = report(&format!("Plan of a fleet of {}{how}", options.fleet), &fleets, options.delay);
            compare_plan(fleet, &floor, options.delay);
            let one = report(&format!("Plan of one{how}"), &ones, options.delay);
            tell(&format!("  fleet to one {:.2} in wall", fleet.wall.as_secs_f64() / one.wall.as_secs_f64()));
            if options.fleet > 1 {
                let each = (fleet.calls() as f64 - one.calls() as f64) / (options.fleet as f64 - 1.0);
                tell(&format!("  each more    {each:.1} calls"));
            }
        }
    }

    let destroy = run(&options, &emulator, &proxy, folder, &["destroy", "--confirm", "social"]);
    report("Destroy", &[destroy], options.delay);
}
