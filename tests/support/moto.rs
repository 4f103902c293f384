//! moto: the emulator most tests run against.
//!
//! What it answers differently from AWS is written where a test meets it, as a gap of that test.

use std::path::PathBuf;
use std::sync::OnceLock;

use super::emulator::{Emulator, Program};
use super::python;

const SCRIPT: &str = "from moto.server import main
main(['-H', '127.0.0.1', '-p', str(PORT)])
";

/// Services become steady with this many tasks; certificates are issued after a second; AWS's own policies exist.
const ENVIRONMENT: &[(&str, &str)] =
    &[("MOTO_ECS_SERVICE_RUNNING", "1"), ("MOTO_ACM_VALIDATION_WAIT", "1"), ("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")];

/// Starts an empty moto.
pub fn start() -> Emulator {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let python = PYTHON.get_or_init(|| python::environment("moto", include_str!("requirements.txt")));
    Emulator::start(&Program { python, script: SCRIPT, environment: ENVIRONMENT, ready: "/moto-api/" })
}
