//! How close a first apply of the example comes to the longest chain of resources, which nothing can beat.
//!
//! `cargo bench --no-default-features --bench critical_path` runs it on the simulated cloud with the durations of the
//! specs, on a clock that jumps: it takes no time, and gives the same numbers everywhere.

#[path = "../tests/engine/critical_path.rs"]
mod critical_path;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/support/instance.rs"]
mod instance;

/// Where the measurement looks for the simulated instance.
mod support {
    pub(crate) use crate::instance;
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() {
    for at_once in [1, 2, 4, 8, 16] {
        let (took, chain) = critical_path::first_apply(at_once).await;
        print(at_once, took, chain);
    }
}

#[expect(clippy::disallowed_macros, reason = "a benchmark has no other way to tell its result")]
fn print(at_once: usize, took: f64, chain: f64) {
    println!("{at_once:>2} at once: makespan {took:.1} s / critical path {chain:.1} s = {:.4}", took / chain);
}
