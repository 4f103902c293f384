//! How long the engine takes, from 60 to 60,000 resources, and how fast that grows.
//!
//! `cargo bench --no-default-features --bench engine` measures with criterion and prints at the end, for every part,
//! the exponent of growth from 600 to 60,000 resources: 1 is linear, 2 quadratic. What counts is the time of the
//! processor, so that a busy machine does not look like slow growth; only the disk's part of a write is not in it.

mod sized;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use mastoform::plan::order::Steps;
use mastoform::render;
use mastoform::state::State;
use rustix::time::{ClockId, clock_gettime};
use sized::{Sized, edited};

const SIZES: [usize; 4] = [60, 600, 6_000, 60_000];
/// Between these the growth is measured: below, what does not grow at all counts for too much.
const GROWTH: (usize, usize) = (600, 60_000);

/// Seconds of the fastest run, by what was measured and how many resources it had.
type Fastest = BTreeMap<(&'static str, usize), f64>;

fn main() {
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let mut fastest = Fastest::new();
    for size in SIZES {
        measure(&mut criterion, &mut fastest, size);
    }
    criterion.final_summary();
    print_growth(&fastest);
}

fn measure(criterion: &mut Criterion, fastest: &mut Fastest, size: usize) {
    let instance = Sized::new(size);
    let types = &instance.specs.types;
    let graph = instance.graph();
    let (nothing, complete) = (instance.nothing(), instance.complete());
    let changed = edited(&complete);
    let first = instance.plan(&graph, &nothing);
    let update = instance.plan(&graph, &changed);
    let text = complete.state.text();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sized.json");
    let mut bench = |name: &'static str, run: &mut dyn FnMut()| {
        one(criterion, fastest, name, size, run);
    };
    bench("resolve", &mut || {
        black_box(instance.graph());
    });
    bench("plan: nothing to do", &mut || {
        black_box(instance.plan(&graph, &complete));
    });
    bench("plan: update", &mut || {
        black_box(instance.plan(&graph, &changed));
    });
    bench("plan: first apply", &mut || {
        black_box(instance.plan(&graph, &nothing));
    });
    bench("order", &mut || {
        black_box(Steps::of(&first, &nothing.state, types).expect("no cycle"));
    });
    bench("render: update", &mut || {
        black_box(render::plan(&update, types, &render::Options::default()));
    });
    bench("render: first apply", &mut || {
        black_box(render::plan(&first, types, &render::Options::default()));
    });
    bench("render: first apply, -v", &mut || {
        black_box(render::plan(&first, types, &render::Options { verbose: true, ..render::Options::default() }));
    });
    bench("render: JSON", &mut || {
        black_box(render::plan_json(&first, types).to_string());
    });
    bench("state: load", &mut || {
        black_box(State::parse(&path, text.as_bytes()).expect("a state"));
    });
    let mut state = complete.state.clone();
    bench("state: write", &mut || {
        // The same bytes would not be written again.
        state.serial += 1;
        black_box(state.write(&path).expect("written"));
    });
}

fn one(criterion: &mut Criterion, fastest: &mut Fastest, name: &'static str, size: usize, run: &mut dyn FnMut()) {
    let mut group = criterion.benchmark_group(name);
    group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
        bencher.iter_custom(|times| {
            let mut total = Duration::ZERO;
            for _ in 0..times {
                let start = processor_time();
                run();
                let took = processor_time().saturating_sub(start);
                total += took;
                let best = fastest.entry((name, size)).or_insert(f64::INFINITY);
                *best = best.min(took.as_secs_f64());
            }
            total
        });
    });
    group.finish();
}

/// The processor time that this program has used.
fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap_or_default(), now.tv_nsec.try_into().unwrap_or_default())
}

/// The slope between two sizes, where both axes count digits.
fn exponent(fastest: &Fastest, name: &'static str) -> Option<f64> {
    let (small, large) = GROWTH;
    let growth = fastest.get(&(name, large))? / fastest.get(&(name, small))?;
    Some(growth.ln() / (large as f64 / small as f64).ln())
}

#[expect(clippy::disallowed_macros, reason = "a benchmark has no other way to tell its result")]
fn print_growth(fastest: &Fastest) {
    let names: std::collections::BTreeSet<&'static str> = fastest.keys().map(|(name, _)| *name).collect();
    println!("\nfastest run in milliseconds, and the exponent of growth from {} to {} resources", GROWTH.0, GROWTH.1);
    let heads: String = SIZES.iter().map(|size| format!("{size:>12}")).collect();
    println!("{:<20}{heads}{:>12}", "", "exponent");
    for name in names {
        let times: String = SIZES
            .iter()
            .map(|size| match fastest.get(&(name, *size)) {
                Some(seconds) => format!("{:>12.3}", seconds * 1000.0),
                None => format!("{:>12}", "-"),
            })
            .collect();
        let growth = exponent(fastest, name).map_or_else(|| "-".to_owned(), |exponent| format!("{exponent:.2}"));
        println!("{name:<20}{times}{growth:>12}");
    }
}
