//! An emulator of AWS in a process of its own.
//!
//! The process lives as long as the value: it is killed when the value is dropped, also by a panic, and it ends by
//! itself when its standard input closes, which happens even when the test process is killed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use mastoform::provider::aws::Aws;
use mastoform::provider::aws::trace::Calls;

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

/// A running emulator.
pub struct Emulator {
    process: Child,
    port: u16,
}

impl Emulator {
    /// Starts it on a free port and waits until it is ready.
    pub fn start(program: &Program<'_>) -> Self {
        for _ in 0..3 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
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
            let mut emulator = Self { process, port };
            if emulator.wait(program.ready) {
                return emulator;
            }
        }
        panic!("the emulator does not start: {}", program.script);
    }

    /// Whether it became ready; not, if it ended: another process took the port.
    fn wait(&mut self, ready: &str) -> bool {
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT && self.process.try_wait().unwrap().is_none() {
            if self.http("GET", ready).is_some_and(|answer| answer.contains(" 200 ")) {
                return true;
            }
            sleep(Duration::from_millis(50));
        }
        false
    }

    /// The first line of its answer to a request without a body.
    pub fn http(&self, method: &str, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let host = format!("127.0.0.1:{}", self.port);
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.lines().next().map(str::to_owned)
    }

    /// Its address, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The SDK's configuration for it, without a look at this machine's own.
    pub fn config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(self.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")))
            .build()
    }

    /// The provider over it.
    pub fn aws(&self) -> Aws {
        Aws::with_config(self.config(), Calls::new())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
