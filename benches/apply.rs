//! What an apply of many resources writes, and what its journal costs.
//!
//! `cargo bench --no-default-features --bench apply` applies 600, 6,000 and 60,000 resources on the simulated cloud, on a
//! clock that jumps, with state file and journal on the disk of the folder for temporary files (`TMPDIR`). Then it does
//! the same with 600 and 6,000 resources in a cloud that is kept there too, as the sandbox is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mastoform::apply::{self, Outcome, Run, Silent, Stop};
use mastoform::config;
use mastoform::diagnostic::SourceFile;
use mastoform::expr::Evaluator;
use mastoform::plan::resolve::{World, resolve};
use mastoform::provider::sim::{Options, Sim};
use mastoform::provider::{Provider, read_only};
use mastoform::session;
use mastoform::spec::{OverlayFile, Specs};
use mastoform::state::{Moment, Paths, Write};
use mastoform::value::Value;
use tokio::sync::watch;

const EXAMPLE: &str = include_str!("../mastodon.toml");
const SIZES: [usize; 3] = [600, 6_000, 60_000];
/// Of a cloud that is kept on the disk.
const KEPT: [usize; 2] = [600, 6_000];

/// What was written.
#[derive(Default)]
struct Written {
    records: u32,
    /// Records that happen together are flushed to the disk together.
    flushes: u32,
    /// Time spent in writing and flushing records.
    journal_time: Duration,
    journal_bytes: u64,
    states: u32,
    state_bytes: u64,
    began: Option<Instant>,
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    print(&format!(
        "{:>9} {:>9} {:>9} {:>9} {:>10} {:>12} {:>7} {:>12} {:>12}",
        "resources", "apply s", "records", "flushes", "us/record", "journal MB", "states", "states MB", "KB/resource"
    ));
    for size in SIZES {
        let (resources, seconds, written) = measured(size, None).await;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        print(&format!(
            "{resources:>9} {seconds:>9.2} {:>9} {:>9} {:>10.1} {:>12.2} {:>7} {:>12.2} {:>12.2}",
            written.records,
            written.flushes,
            written.journal_time.as_secs_f64() * 1e6 / f64::from(written.records.max(1)),
            megabytes(written.journal_bytes),
            written.states,
            megabytes(written.state_bytes),
            (written.journal_bytes + written.state_bytes) as f64 / 1e3 / resources as f64,
        ));
    }
    print(&format!("\n{:>9} {:>9} {:>9} {:>9} {:>12}", "resources", "apply s", "CPU s", "exponent", "cloud MB"));
    let mut before: Option<(usize, f64)> = None;
    for size in KEPT {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cloud.json");
        let begun = processor_time();
        let (resources, seconds, _) = measured(size, Some(&path)).await;
        let processor = processor_time().saturating_sub(begun).as_secs_f64();
        let exponent = before.map_or_else(String::new, |(fewer, less)| {
            format!("{:.2}", (processor / less).ln() / (resources as f64 / fewer as f64).ln())
        });
        let megabytes = fs_err::metadata(&path).expect("a cloud").len() as f64 / 1e6;
        print(&format!("{resources:>9} {seconds:>9.2} {processor:>9.2} {exponent:>9} {megabytes:>12.2}"));
        before = Some((resources, processor));
    }
}

/// The processor time that this program has used.
fn processor_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

/// Applies an instance with about so many resources, in a cloud that may be kept in a file: how many they are, how long it
/// took, what was written.
async fn measured(size: usize, kept: Option<&Path>) -> (usize, f64, Written) {
    let mut overlay = "[ssm.parameter.many]\nname = \"/many/${each.key}\"\nvalue = \"${each.value}\"\n".to_owned();
    overlay.push_str("[ssm.parameter.many.each]\n");
    for number in 0..size.saturating_sub(57) {
        let _ = writeln!(overlay, "\"n{number}\" = \"value {number}\"");
    }
    let overlay = OverlayFile { name: "many.toml".to_owned(), types_of: None, text: overlay };
    let mut specs = Specs::read(&[overlay]).expect("valid specs");
    let evaluator = Evaluator::new();
    let source = SourceFile::new("mastodon.toml", EXAMPLE);
    let (config, _) = config::read(&source, &mut specs.blueprint, &evaluator).expect("a valid file");
    // Calls on their way at once are flushed to the disk together; on a clock that jumps the way takes no time.
    let latency = kept.map_or(Duration::ZERO, |_| Duration::from_millis(20));
    let options = Options { speed: 10_000.0, latency, ..Options::default() };
    let sim = Sim::open(Arc::clone(&specs.types), kept.map(Path::to_owned), options).expect("a cloud");
    let provider: Arc<dyn Provider> = Arc::new(sim);
    let folder = tempfile::tempdir().expect("a folder");
    let paths = Paths::new(folder.path(), "many");
    let nothing = BTreeMap::new();
    let early =
        World { specs: &specs, config: &config, lookups: &nothing, previous: &Value::Null, evaluator: &evaluator };
    let read = session::read_state(&paths, &config.name, &config.region, "lineage").expect("a state");
    let mut gathered = session::gather(&read_only(&provider), &specs.types, Some(&early), read).await.expect("answers");
    let lookups = gathered.lookups.clone();
    let world = World { lookups: &lookups, ..early };
    let graph = resolve(&world).expect("a graph");
    let (plan, _) = session::plan(&world, &graph, &gathered).expect("a plan");
    let written = Arc::new(Mutex::new(Written::default()));
    let watched = Arc::clone(&written);
    let (journal, state) = (paths.journal(), paths.state());
    let watch = Box::new(move |moment| {
        let mut written = watched.lock().expect("no panic");
        match moment {
            Moment::Before(Write::Records(_)) => written.began = Some(Instant::now()),
            Moment::After(Write::Records(count)) => {
                written.records += u32::try_from(count).unwrap_or(u32::MAX);
                written.flushes += 1;
                let took = written.began.take().map(|began| began.elapsed()).unwrap_or_default();
                written.journal_time += took;
            }
            Moment::After(Write::State) => {
                written.states += 1;
                written.state_bytes += fs_err::metadata(&state)?.len();
            }
            Moment::Before(Write::Remove) => written.journal_bytes = fs_err::metadata(&journal)?.len(),
            Moment::Before(Write::State) | Moment::After(Write::Remove) => {}
        }
        Ok(())
    });
    let ledger = session::begin(&paths, &mut gathered, Some(watch)).expect("begun");
    let (_keep, stop) = watch::channel(Stop::No);
    let run = Run {
        provider,
        types: &specs.types,
        plan: &plan,
        desired: Some((&world, &graph)),
        state: gathered.state.clone(),
        lineage_is_new: false,
        settings: config.values.clone(),
        ledger,
        progress: &Silent,
        stop,
        at_once: 16,
        wait: Duration::ZERO,
    };
    let began = Instant::now();
    let outcome = apply::run(run).await;
    let seconds = began.elapsed().as_secs_f64();
    assert!(matches!(outcome, Outcome::Completed(_)), "{:?}", outcome.report().failed);
    let written = std::mem::take(&mut *written.lock().expect("no panic"));
    (plan.changes.len(), seconds, written)
}

#[expect(clippy::disallowed_macros, reason = "a benchmark has no other way to tell its result")]
fn print(line: &str) {
    println!("{line}");
}
