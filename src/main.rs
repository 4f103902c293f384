//! Arguments, terminal, run, exit code: all of it is in [`mastoform::cli`].

use std::process::ExitCode;

/// Planning makes and drops some hundred thousand small objects: with the allocator of the C library they are a third of
/// an offline plan.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mastoform::cli::main()
}
