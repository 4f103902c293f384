//! An emulator of AWS in a process of its own.
//!
//! One process serves all tests of a test binary: the first answers of a new one take seconds. Tests do not see each
//! other, because each works in an account of its own. The process ends when its standard input closes, which happens
//! however the test process ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use mastoform::provider::aws::Aws;
use mastoform::provider::aws::trace::Calls;
use mastoform::spec::{Specs, Types};

/// The region tests live in.
pub const REGION: &str = "eu-central-1";

/// Ends the process when its standard input closes.
const WATCH: &str = "import os, sys, threading
def watch():
    sys.stdin.buffer.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
";

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How an emulator is started and asked whether it is ready.
pub struct Program<'text> {
    pub python: &'text Path,
    /// Python that never returns; `PORT` is a number there.
    pub script: &'text str,
    pub environment: &'text [(&'text str, &'text str)],
    /// A path that answers 200 when it is ready.
    pub ready: &'text str,
}

/// A running process.
pub struct Server {
    process: Child,
    port: u16,
}

/// An account in an emulator.
#[derive(Clone)]
pub struct Emulator {
    endpoint: String,
    account: String,
    credentials: Credentials,
}

impl Server {
    /// Starts it on a free port and waits until it is ready.
    pub fn start(program: &Program<'_>) -> Self {
        for _ in 0..3 {
            let port = free_port();
            let script = format!("{WATCH}PORT = {port}\n{}", program.script);
            let process = Command::new(program.python)
                .args(["-c", &script])
                .envs(program.environment.iter().copied())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .current_dir(env!("CARGO_TARGET_TMPDIR"))
                .spawn()
                .unwrap();
            let mut server = Self { process, port };
            if server.wait(program.ready) {
                return server;
            }
        }
        panic!("the emulator does not start: {}", program.script);
    }

    /// Whether it became ready; not, if it ended: another process took the port.
    fn wait(&mut self, ready: &str) -> bool {
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT && self.process.try_wait().unwrap().is_none() {
            if self.http(&format!("GET {ready}"), "", "").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return true;
            }
            sleep(Duration::from_millis(50));
        }
        false
    }

    /// The whole answer to a request.
    pub fn http(&self, request: &str, headers: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(300))).ok()?;
        let host = format!("Host: 127.0.0.1:{}\r\n", self.port);
        let length = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
        write!(stream, "{request} HTTP/1.1\r\n{host}{length}{headers}\r\n{body}").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// An account with these credentials.
    pub fn account(&self, account: &str, credentials: Credentials) -> Emulator {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        Emulator { endpoint, account: account.to_owned(), credentials }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Emulator {
    /// Its address, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where it listens, a `host:port`.
    pub fn host(&self) -> String {
        self.endpoint.trim_start_matches("http://").to_owned()
    }

    /// The same account by way of another address.
    pub fn at(&self, endpoint: String) -> Self {
        Self { endpoint, ..self.clone() }
    }

    /// The number of the account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// What a program needs in its environment to use it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", self.credentials.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", self.credentials.secret_access_key().to_owned()),
        ];
        environment.extend(self.credentials.session_token().map(|token| ("AWS_SESSION_TOKEN", token.to_owned())));
        environment
    }

    /// The SDK's configuration for it, without a look at this machine's own.
    pub fn config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .credentials_provider(SharedCredentialsProvider::new(self.credentials.clone()))
            .build()
    }

    /// The provider over it.
    pub fn aws(&self) -> Aws {
        Aws::with_config(self.config(), Calls::new()).with_types(types())
    }
}

/// The types of the program's own specs.
pub fn types() -> &'static Arc<Types> {
    static TYPES: LazyLock<Arc<Types>> = LazyLock::new(|| Specs::read(&[]).expect("valid specs").types);
    &TYPES
}

/// A port nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The number of an account that no other test of this process uses.
pub fn fresh_account() -> String {
    static LAST: AtomicU64 = AtomicU64::new(100_000_000_000);
    (LAST.fetch_add(1, Ordering::Relaxed) + 1).to_string()
}
