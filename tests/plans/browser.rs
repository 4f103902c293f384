//! The page of a plan in a real browser: what can be seen, read and used there, in light and in dark, on a wide and on a
//! narrow screen, from a file and without a network.
//!
//! Not part of a plain `cargo test`, which needs no browser. `.ci/run` runs it, and there a missing Chromium is a
//! failure:
//!
//! ```text
//! cargo test --no-default-features browser -- --ignored
//! ```
//!
//! Chromium is driven over its debugging pipe. The pictures it takes are in `target/tmp/pages/`, for a look at them.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mastoform::render;
use serde_json::{Value as Json, json};

use super::{APPLIED, Story, TYPES, block_on, plan_of};
use crate::support::case::read;

/// By what name Chromium may be there.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is looked for in the page itself.
const CHECKS: &str = include_str!("checks.js");

/// Roles that must have a name for those who do not see.
const NAMED: [&str; 8] = ["button", "link", "image", "img", "region", "table", "DisclosureTriangle", "textbox"];

/// A width of a telephone and one of a desk.
const WIDTHS: [u64; 2] = [360, 1280];

/// A page with everything that must not be.
const BAD: &str = "<!DOCTYPE html><html><head></head><body><h2>No</h2><h4>title</h4>\
    <p style='color: #aaaaaa; background: #bbbbbb'>pale</p><button></button>\
    <div style='width: 2000px'>wide</div><img src='http://127.0.0.1:9/picture.png'>\
    <script>undefinedFunction()</script></body></html>";

struct Browser {
    process: Child,
    commands: ChildStdin,
    answers: Receiver<Json>,
    last: u64,
    session: Option<String>,
    /// What it told without being asked.
    events: Vec<Json>,
    folder: tempfile::TempDir,
}

impl Browser {
    fn start() -> Self {
        let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success());
        let program = PROGRAMS.into_iter().find(is_there).expect(
            "this test looks at pages in a browser and needs Chromium: install chromium, or leave the test out by \
             leaving out `--ignored`",
        );
        let folder = tempfile::tempdir().expect("a folder");
        // The debugging pipe is the descriptors 3 and 4.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null", "sh", program])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let commands = process.stdin.take().expect("a pipe");
        let mut stream = BufReader::new(process.stdout.take().expect("a pipe"));
        let (send, answers) = channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            while stream.read_until(0, &mut bytes).is_ok_and(|length| length > 0) {
                let message = serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes));
                if message.is_ok_and(|message| send.send(message).is_err()) {
                    return;
                }
                bytes.clear();
            }
        });
        let mut browser = Self { process, commands, answers, last: 0, session: None, events: Vec::new(), folder };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            browser.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Network", "Log", "Runtime", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Asks it something and waits for the answer.
    fn call(&mut self, method: &str, parameters: Json) -> Json {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        write!(self.commands, "{message}\0").expect("the browser listens");
        loop {
            let answer = self.next(method);
            if answer["id"] == self.last {
                assert_eq!(answer["error"], Json::Null, "{method}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn next(&self, what: &str) -> Json {
        self.answers.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the browser does not answer: {what}"))
    }

    /// Opens a page and says everything that is wrong with it.
    fn complaints(&mut self, page: &Path, scheme: &str, width: u64) -> Vec<String> {
        let metrics = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features);
        self.events.clear();
        let address = format!("file://{}", page.display());
        self.call("Page.navigate", json!({ "url": address }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next("a loaded page");
            self.events.push(event);
        }
        let told = self.call("Runtime.evaluate", json!({ "expression": CHECKS, "returnByValue": true }));
        let told = &told["result"]["value"];
        let told = told.as_array().unwrap_or_else(|| panic!("the checks do not run: {told}"));
        let mut complaints: Vec<String> = told.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        for node in tree["nodes"].as_array().into_iter().flatten() {
            let role = node["role"]["value"].as_str().unwrap_or_default();
            let name = node["name"]["value"].as_str().unwrap_or_default();
            if NAMED.contains(&role) && name.trim().is_empty() && node["ignored"] != true {
                complaints.push(format!("a {role} has no name"));
            }
        }
        for event in &self.events {
            let parameters = &event["params"];
            match event["method"].as_str() {
                Some("Network.requestWillBeSent") if parameters["request"]["url"] != address.as_str() => {
                    complaints.push(format!("it asks for {}", parameters["request"]["url"]));
                }
                Some("Log.entryAdded") => complaints.push(format!("it says {}", parameters["entry"]["text"])),
                Some("Runtime.exceptionThrown") => complaints.push("its script fails".to_owned()),
                _ => {}
            }
        }
        complaints
    }

    /// A picture of what can be seen.
    fn picture(&mut self) -> Vec<u8> {
        let taken = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        STANDARD.decode(taken["data"].as_str().expect("a picture")).expect("a picture")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "needs Chromium; .ci/run runs it"]
fn pages_can_be_seen_read_and_used_in_a_browser() {
    let mut browser = Browser::start();
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs_err::create_dir_all(&pictures).expect("a folder");
    for name in ["every_action", "first_apply", "long_command", "many_changes", "nothing_to_do", "protected_destroy"] {
        let story: Story =
            read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans").join(name).join("story.toml"));
        let is_usual = !story.from_nothing && story.before.is_empty() && story.fault.is_empty();
        let given: &[_] = if is_usual { &APPLIED } else { &[] };
        let (plan, drawing) = block_on(plan_of(&story, given));
        let page = browser.folder.path().join(format!("{name}.html"));
        fs_err::write(&page, render::plan_html(&plan, &TYPES, &drawing)).expect("written");
        for width in WIDTHS {
            let [light, dark] = ["light", "dark"].map(|scheme| {
                let complaints = browser.complaints(&page, scheme, width);
                assert_eq!(complaints, Vec::<String>::new(), "{name}, {scheme}, {width} pixels");
                let picture = browser.picture();
                fs_err::write(pictures.join(format!("{name}-{scheme}-{width}.png")), &picture).expect("written");
                picture
            });
            // A picture of nothing has some hundred bytes.
            assert!(light.len() > 5_000 && dark.len() > 5_000, "{name} looks empty at {width} pixels");
            assert_ne!(light, dark, "{name} looks the same in the dark");
        }
    }
}

#[test]
#[ignore = "needs Chromium; .ci/run runs it"]
fn a_bad_page_is_noticed_in_a_browser() {
    let mut browser = Browser::start();
    let page = browser.folder.path().join("bad.html");
    fs_err::write(&page, BAD).expect("written");
    let complaints = browser.complaints(&page, "light", 360);
    for part in [
        "the page does not say its language",
        "the page has no title",
        "there is not one h1 at the top",
        "an h4 follows an h2",
        "pale: a contrast of 1.",
        "the page is 2",
        "a button has no name",
        "it asks for \"http://127.0.0.1:9/picture.png\"",
        "its script fails",
    ] {
        assert!(complaints.iter().any(|complaint| complaint.starts_with(part)), "{part}: {complaints:?}");
    }
}
