//! ministack: a second emulator that shares no code with moto, for what moto answers wrongly.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::emulator::{Emulator, Program};
use super::python;

const SCRIPT: &str = "import os, runpy
os.environ['GATEWAY_PORT'] = str(PORT)
sys.argv = ['hypercorn', 'ministack.app:app', '--bind', f'127.0.0.1:{PORT}']
runpy.run_module('hypercorn', run_name='__main__')
";

/// The account is moto's.
const ENVIRONMENT: &[(&str, &str)] = &[("MINISTACK_ACCOUNT_ID", "123456789012")];

/// Starts an empty ministack.
pub fn start() -> Emulator {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let python = PYTHON.get_or_init(|| python::environment("ministack", include_str!("requirements-ministack.txt")));
    Emulator::start(&Program { python, script: SCRIPT, environment: ENVIRONMENT, ready: "/_ministack/health" })
}
