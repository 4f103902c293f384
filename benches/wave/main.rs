//! How close the program comes to the least time AWS allows.
//!
//! Runs the real binary on the example, against an emulator of AWS at a distance (see `proxy.rs`), and compares the time
//! of a first apply, of plans without changes and of a destroy with the lower bound: the longest chain of calls that
//! follow one another, times the time of a round trip. See `benches/README.md`.

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../../tests/support/proxy.rs"]
mod proxy;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use proxy::{Exchange, Proxy};
use support::emulator::Emulator;
use support::moto;

const EXAMPLE: &str = include_str!("../../mastodon.toml");

/// Types of which AWS reads one resource, or a part of one, in a call.
const ONE_BY_ONE: [&str; 16] = [
    "cloudfront.cache_policy",
    "cloudfront.distribution",
    "cloudfront.origin_access_control",
    "cloudfront.origin_access_identity",
    "cloudfront.response_headers_policy",
    "ecs.task_definition",
    "elasticache.parameter_group",
    "elasticache.replication_group",
    "elb.load_balancer",
    "elb.target_group",
    "iam.group",
    "iam.group_policy_attachment",
    "iam.policy",
    "iam.role",
    "s3.bucket",
    "s3.bucket_policy",
];

/// What may be said after `--`.
struct Options {
    delay: Duration,
    plans: usize,
    program: PathBuf,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            delay: Duration::from_millis(100),
            plans: 10,
            program: PathBuf::from(env!("CARGO_BIN_EXE_mastoform")),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                "--delay" => options.delay = Duration::from_millis(value().parse().expect("milliseconds")),
                "--plans" => options.plans = value().parse().expect("a number"),
                "--program" => options.program = value().into(),
                // cargo says this to every benchmark.
                "--bench" => {}
                _ => panic!("{word} is not one of --delay MILLISECONDS, --plans NUMBER, --program PATH"),
            }
        }
        options
    }
}

/// One run of the program.
struct Run {
    wall: Duration,
    exchanges: Vec<Exchange>,
    /// Calls by operation, as the program's own trace tells them.
    operations: BTreeMap<String, usize>,
    attempts: u64,
}

impl Run {
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

fn run(options: &Options, emulator: &Emulator, proxy: &Proxy, folder: &Path, words: &[&str]) -> Run {
    let trace = folder.join("trace.jsonl");
    proxy.take();
    let started = Instant::now();
    let output = Command::new(&options.program)
        .args(words)
        .arg("--trace")
        .arg(&trace)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(emulator.environment())
        .env("AWS_ENDPOINT_URL", proxy.endpoint())
        .output()
        .expect("the program runs");
    let wall = started.elapsed();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    let mut operations = BTreeMap::new();
    let mut attempts = 0;
    for line in fs_err::read_to_string(&trace).expect("a trace").lines() {
        let call: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        *operations.entry(call["operation"].as_str().unwrap_or("?").to_owned()).or_default() += 1;
        attempts += call["attempts"].as_u64().unwrap_or_default();
    }
    Run { wall, exchanges: proxy.take(), operations, attempts }
}

/// How many calls a plan may make: one per type and region in use, and one per resource that AWS reads one by one.
fn most_calls(folder: &Path) -> (usize, usize) {
    let text = fs_err::read_to_string(folder.join("state/social.json")).expect("a state");
    let state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let names = |key: &str| -> Vec<String> {
        state[key].as_object().expect("a table").keys().map(|address| type_of(address)).collect()
    };
    let resources = names("resources");
    let mut types: BTreeSet<String> = resources.iter().cloned().collect();
    types.extend(names("lookups"));
    let single = resources.iter().filter(|name| ONE_BY_ONE.contains(&name.as_str())).count();
    (types.len(), single)
}

fn type_of(address: &str) -> String {
    address.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}

fn tell(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn report(name: &str, runs: &[Run], delay: Duration) {
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
        median.operations.values().sum::<usize>(),
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
    for (operation, count) in &median.operations {
        tell(&format!("    {count:>4}  {operation}"));
    }
}

fn main() {
    let options = Options::read();
    let emulator = moto::start();
    let proxy = Proxy::start(emulator.host(), options.delay);
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // Secrets must be of the account that the instance lives in.
    let example = EXAMPLE.replace("123456789012", emulator.account());
    let example = format!("{example}\n[dns]\ncheck = false\n");
    fs_err::write(folder.join("mastodon.toml"), example).expect("written");
    tell(&format!(
        "{} in account {}, {} ms a round trip",
        options.program.display(),
        emulator.account(),
        milliseconds(options.delay)
    ));

    let apply = run(&options, &emulator, &proxy, folder, &["apply", "--yes"]);
    report("First apply", &[apply], options.delay);

    let plan = || run(&options, &emulator, &proxy, folder, &["plan"]);
    let plans: Vec<Run> = (0..options.plans.max(1)).map(|_| plan()).collect();
    report("Plan without changes", &plans, options.delay);
    let (types, single) = most_calls(folder);
    let calls = plans[0].operations.values().sum::<usize>();
    tell(&format!("  calls {calls}, allowed {} = {types} types + {single} resources read one by one", types + single));
    let allowed = options.delay * plans[0].chain() * 3 / 2 + Duration::from_millis(150);
    let within = plans.iter().filter(|plan| plan.wall <= allowed).count();
    tell(&format!("  {within} of {} within 1.5 x lower bound + 150 ms = {} ms", plans.len(), milliseconds(allowed)));

    let destroy = run(&options, &emulator, &proxy, folder, &["destroy", "--confirm", "social"]);
    report("Destroy", &[destroy], options.delay);
}
