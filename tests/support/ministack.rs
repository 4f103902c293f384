//! ministack: a second emulator that shares no code with moto, for what moto answers wrongly.

use std::sync::OnceLock;

use aws_credential_types::Credentials;

use super::emulator::{Emulator, Program, Server, fresh_account};
use super::python;

/// In this one process: its own command starts workers, which would outlive it.
const SCRIPT: &str = "import asyncio
os.environ['GATEWAY_PORT'] = str(PORT)
from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app
config = Config()
config.bind = [f'127.0.0.1:{PORT}']
asyncio.run(serve(app, config))
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
