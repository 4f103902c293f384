//! Arguments, terminal, run, exit code: all of it is in [`mastoform::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    mastoform::cli::main()
}
