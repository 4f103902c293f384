//! ministack: a second emulator that shares no code with moto, for what moto answers wrongly.

use std::sync::OnceLock;

use aws_credential_types::Credentials;

use super::emulator::{Emulator, Program, Server, fresh_account};
use super::python;

const SCRIPT: &str = "import runpy
os.environ['GATEWAY_PORT'] = str(PORT)
sys.argv = ['hypercorn', 'ministack.app:app', '--bind', f'127.0.0.1:{PORT}']
runpy.run_module('hypercorn', run_name='__main__')
";

/// An empty account in ministack, which is started if it does not run yet.
///
/// ministack has an account for every access key of twelve digits.
pub fn start() -> Emulator {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let python = python::environment("ministack", include_str!("requirements-ministack.txt"));
        Server::start(&Program { python: &python, script: SCRIPT, environment: &[], ready: "/_ministack/health" })
    });
    let account = fresh_account();
    server.account(&account, Credentials::new(&account, "test", None, None, "test"))
}
