//! How an instance is asked over the network, against servers on this machine that answer well and badly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mastoform::address::Identity;
use mastoform::plan::resolve::World;
use mastoform::plan::status::{self, Expectation, Health};
use mastoform::provider::network::{Network, Reach};
use mastoform::provider::probe::{Asks, Rehearsal};
use mastoform::provider::{
    Account, Announced, Belonging, Creation, Lookup, Observations, ProviderError, Question, Reader, Registration,
    Silence, Tags, Target,
};
use mastoform::session::news;
use mastoform::spec::Specs;
use mastoform::value::{Tree, Value};
use sha1::{Digest, Sha1};

use crate::support::instance::{EXAMPLE, Script};
use crate::support::loopback::{Loopback, Reply, root};

fn network() -> Network {
    Network::new(Reach::Anywhere, vec![root()])
}

async fn ask_within(network: &Network, asks: Asks, seconds: u64) -> Result<Value, Silence> {
    let patience = Duration::from_secs(seconds);
    let question = Question { name: "probe".to_owned(), asks, patience, rehearsal: Rehearsal::default() };
    network.ask(&question).await
}

async fn ask(asks: Asks) -> Result<Value, Silence> {
    ask_within(&network(), asks, 10).await
}

fn http(url: impl Into<String>) -> Asks {
    Asks::Http { url: url.into(), follow: Vec::new() }
}

fn replies(text: &str) -> impl Fn(&str) -> Reply + Send + Sync + 'static {
    let text = text.to_owned();
    move |_| Reply::Text(text.clone())
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn number(answer: &Value, path: &[&str]) -> i64 {
    answer.at(path).and_then(Tree::as_integer).unwrap_or_else(|| panic!("{path:?} in {answer}"))
}

fn text<'a>(answer: &'a Value, path: &[&str]) -> &'a str {
    answer.at(path).and_then(Tree::as_text).unwrap_or_else(|| panic!("{path:?} in {answer}"))
}

#[tokio::test]
async fn an_answer_is_its_status_its_headers_and_its_text() {
    let server = Loopback::start(replies(&answer("200 OK", "X-One: 1\r\n", r#"{"version": "4.7.6"}"#)));
    let found = ask(http(format!("http://127.0.0.1:{}/a/b?c=d", server.port))).await.expect("an answer");
    assert_eq!(number(&found, &["status"]), 200);
    assert_eq!(text(&found, &["headers", "x-one"]), "1");
    assert_eq!(text(&found, &["json", "version"]), "4.7.6");
    assert_eq!(text(&found, &["text"]), r#"{"version": "4.7.6"}"#);
    let head = &server.heads()[0];
    assert!(head.starts_with("GET /a/b?c=d HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains(&format!("host: 127.0.0.1:{}\r\n", server.port)), "{head}");
    let broken = Loopback::start(replies(&answer("500 Internal Server Error", "", "PG::ConnectionBad")));
    let found = ask(http(format!("http://127.0.0.1:{}/", broken.port))).await.expect("an answer");
    assert_eq!((number(&found, &["status"]), text(&found, &["text"])), (500, "PG::ConnectionBad"));
    assert!(found.get("json").is_none(), "{found}");
}

/// The probe of the blueprint, with another address.
#[tokio::test]
async fn another_version_than_the_one_of_the_file_is_no_good_answer() {
    let specs = Specs::read(&[]).expect("valid specs");
    let probe = specs.blueprint.probes.iter().find(|probe| probe.name == "api").expect("a probe");
    let mut wanted = Value::default();
    wanted.set(&["version"], "v4.7.6".into());
    let values = [("status".to_owned(), Value::Integer(200)), ("json.version".to_owned(), wanted)].into();
    let expected = Expectation { values, hint: "look at the logs".to_owned() };
    for (version, health, says) in [
        ("4.7.6", Health::Good, "Mastodon 4.7.6 answers"),
        ("4.7.5", Health::Bad, "version is 4.7.5 instead of v4.7.6"),
    ] {
        let server = Loopback::start(replies(&answer("200 OK", "", &format!(r#"{{"version": "{version}"}}"#))));
        let found = ask(http(format!("http://127.0.0.1:{}/", server.port))).await;
        let report = status::probe(probe, &expected, &found);
        assert_eq!((report.health, report.says.as_str()), (health, says));
        assert_eq!(report.hint.is_some(), health == Health::Bad);
    }
}

#[tokio::test]
async fn whoever_does_not_answer_in_time_has_not_answered() {
    let server = Loopback::start(|_| Reply::Silence);
    let found = ask_within(&network(), http(format!("http://127.0.0.1:{}/", server.port)), 1).await;
    assert_eq!(found, Err(Silence::new("no answer within 1 seconds")));
    // Nobody listens at a port that was given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let found = ask(http(format!("http://127.0.0.1:{port}/"))).await.expect_err("nobody");
    assert!(found.0.starts_with("no connection to 127.0.0.1: "), "{found}");
}

#[tokio::test]
async fn no_answer_is_read_without_an_end() {
    let line = "x".repeat(1000);
    let body = Loopback::start(move |_| Reply::Endless(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{line}")));
    let found = ask(http(format!("http://127.0.0.1:{}/", body.port))).await;
    assert_eq!(found, Err(Silence::new("the answer of 127.0.0.1 is longer than 256 KiB")));
    let head = Loopback::start(|_| Reply::Endless(format!("HTTP/1.1 200 OK\r\nX-{}: ", "x".repeat(1000))));
    let found = ask(http(format!("http://127.0.0.1:{}/", head.port))).await.expect_err("no end");
    assert!(found.0.starts_with("127.0.0.1 gives no answer that can be read: "), "{found}");
    let words = Loopback::start(replies("SSH-2.0-OpenSSH_9.6\r\n"));
    let found = ask(http(format!("http://127.0.0.1:{}/", words.port))).await.expect_err("another language");
    assert!(found.0.starts_with("127.0.0.1 gives no answer that can be read: "), "{found}");
}

#[tokio::test]
async fn an_answer_that_leads_elsewhere_is_followed_only_where_the_question_says() {
    let there = Loopback::start(replies(&answer("200 OK", "", "there")));
    let to = format!("Location: http://127.0.0.1:{}/there\r\n", there.port);
    let here = Loopback::start(replies(&answer("302 Found", &to, "")));
    let url = format!("http://localhost:{}/", here.port);
    for follow in [vec![], vec!["localhost".to_owned()], vec!["127.0.0.1.example".to_owned()]] {
        let found = ask(Asks::Http { url: url.clone(), follow }).await.expect("an answer");
        assert_eq!(number(&found, &["status"]), 302);
        assert_eq!(there.served(), 0);
    }
    let follow = vec!["127.0.0.1".to_owned()];
    let found = ask(Asks::Http { url, follow: follow.clone() }).await.expect("an answer");
    assert_eq!((number(&found, &["status"]), text(&found, &["text"])), (200, "there"));
    assert!(there.heads()[0].starts_with("GET /there "), "{:?}", there.heads());
    let circle = Loopback::start(replies(&answer("301 Moved", "Location: /again\r\n", "")));
    let found = ask(Asks::Http { url: format!("http://127.0.0.1:{}/", circle.port), follow }).await.expect("an answer");
    assert_eq!((number(&found, &["status"]), circle.served()), (301, 4));
}

#[tokio::test]
async fn nothing_leads_from_https_to_plain_http() {
    let plain = Loopback::start(replies(&answer("200 OK", "", "plain")));
    let to = format!("Location: http://localhost:{}/\r\n", plain.port);
    let secure = Loopback::secure(replies(&answer("302 Found", &to, "")));
    let follow = vec!["localhost".to_owned()];
    let url = format!("https://localhost:{}/", secure.port);
    let found = ask(Asks::Http { url, follow }).await.expect("an answer");
    assert_eq!((number(&found, &["status"]), plain.served()), (302, 0));
}

#[tokio::test]
async fn only_a_certificate_for_the_name_from_a_trusted_root_is_taken() {
    let server = Loopback::secure(replies(&answer("200 OK", "", "secure")));
    let url = format!("https://localhost:{}/", server.port);
    let found = ask(http(url.clone())).await.expect("an answer");
    assert_eq!(text(&found, &["text"]), "secure");
    let untrusting = Network::new(Reach::Anywhere, Vec::new());
    let found = ask_within(&untrusting, http(url), 10).await.expect_err("no root");
    assert!(found.0.starts_with("no secure connection to localhost: "), "{found}");
    let found = ask(http(format!("https://127.0.0.1:{}/", server.port))).await.expect_err("another name");
    assert!(found.0.starts_with("no secure connection to 127.0.0.1: "), "{found}");
    assert_eq!(server.heads().len(), 1, "nothing is sent to whom nobody trusts");
    let found = ask(Asks::Certificate { host: format!("localhost:{}", server.port) }).await.expect("a certificate");
    assert_eq!(text(&found, &["not_after"]), "2126-11-05");
    assert!(number(&found, &["days"]) > 10_000, "{found}");
}

fn websocket(port: u16) -> Asks {
    let url = format!("http://127.0.0.1:{port}/api/v1/streaming");
    Asks::WebSocket { url, protocol: Some("nobodys-token".to_owned()) }
}

/// The value of a header.
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).unwrap_or_default()
}

#[tokio::test]
async fn a_websocket_is_asked_for_and_its_handshake_checked() {
    let accept = |key: &str| STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
    let switch = |accept: String| {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        Reply::Text(format!("HTTP/1.1 101 Switching Protocols\r\n{upgrade}Sec-WebSocket-Accept: {accept}\r\n\r\n"))
    };
    let server = Loopback::start(move |head| switch(accept(header(head, "sec-websocket-key"))));
    let found = ask(websocket(server.port)).await.expect("an answer");
    assert_eq!(number(&found, &["status"]), 101);
    let head = &server.heads()[0];
    assert!(head.starts_with("GET /api/v1/streaming HTTP/1.1"), "{head}");
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "nobodys-token"),
    ] {
        assert_eq!(header(head, name), value, "{head}");
    }
    assert_eq!(STANDARD.decode(header(head, "sec-websocket-key")).map(|key| key.len()), Ok(16));
    let pretender = Loopback::start(move |_| switch(accept("another key")));
    let found = ask(websocket(pretender.port)).await;
    assert_eq!(found, Err(Silence::new("127.0.0.1 takes a WebSocket and fails at the handshake")));
    let refusal = answer("401 Unauthorized", "X-Error-Message: Invalid access token\r\nConnection: close\r\n", "");
    let refusing = Loopback::start(replies(&refusal));
    let found = ask(websocket(refusing.port)).await.expect("an answer");
    assert_eq!(number(&found, &["status"]), 401);
    assert_eq!(text(&found, &["headers", "x-error-message"]), "Invalid access token");
}

/// A file may name any host, and a name may lead anywhere: to this machine, or to where a cloud keeps the credentials of
/// its machines.
#[tokio::test]
async fn nothing_that_is_not_public_is_called() {
    let server = Loopback::start(replies(&answer("200 OK", "", "secret")));
    let public = Network::new(Reach::Public, vec![root()]);
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1"] {
        let url = format!("http://{host}:{}/", server.port);
        let websocket = Asks::WebSocket { url: url.clone(), protocol: None };
        let certificate = Asks::Certificate { host: format!("{host}:{}", server.port) };
        for asks in [http(url), websocket, certificate] {
            let found = ask_within(&public, asks, 10).await.expect_err("not public");
            assert!(found.0.ends_with("which is not called: it is not public"), "{host}: {found}");
        }
    }
    let found = ask_within(&public, http("http://169.254.169.254/latest/meta-data/"), 10).await;
    let refusal = "169.254.169.254 is 169.254.169.254, which is not called: it is not public";
    assert_eq!(found, Err(Silence::new(refusal)));
    assert_eq!(server.served(), 0);
    let found = ask_within(&public, http("file:///etc/passwd"), 10).await;
    assert_eq!(found, Err(Silence::new("file:// is not asked")));
}

/// A cloud that is asked for nothing but what others publish, and finds that at a port of this machine.
struct Elsewhere(u16);

#[async_trait]
impl Reader for Elsewhere {
    async fn account(&self) -> Result<Account, ProviderError> {
        unreachable!("nobody asks for the account")
    }
    async fn lookup(&self, _: &Lookup) -> Result<Value, ProviderError> {
        unreachable!("nobody looks anything up")
    }
    async fn observe(&self, _: &[Target]) -> Observations {
        unreachable!("nobody looks at resources")
    }
    async fn announced(&self, _: &[Target]) -> Announced {
        unreachable!("nobody asks for announcements")
    }
    async fn find(&self, _: &Creation) -> Result<Vec<Identity>, ProviderError> {
        unreachable!("nobody looks for anything")
    }
    async fn census(&self, _: &str, _: &Tags) -> Result<Vec<Belonging>, ProviderError> {
        unreachable!("nobody counts")
    }
    async fn registration(&self, _: &str, _: &str) -> Result<Option<Registration>, ProviderError> {
        unreachable!("nobody asks who lives there")
    }
    async fn ask(&self, question: &Question) -> Result<Value, Silence> {
        let Asks::Http { url, follow } = &question.asks else { panic!("{question:?}") };
        let path = url.strip_prefix("https://api.joinmastodon.org").expect("who publishes releases");
        let asks = Asks::Http { url: format!("http://127.0.0.1:{}{path}", self.0), follow: follow.clone() };
        network().ask(&Question { asks, ..question.clone() }).await
    }
    fn time_lapse(&self) -> f64 {
        1.0
    }
    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}

/// What a plan says of newer releases when this server publishes them.
async fn published(server: &Loopback, lines: &str) -> Vec<String> {
    let script = Script::read(&[], &format!("{lines}\n{EXAMPLE}")).unwrap_or_else(|problems| panic!("{problems}"));
    let Script { specs, config, evaluator } = &script;
    let nothing = BTreeMap::new();
    let world = World { specs, config, lookups: &nothing, previous: &Value::Null, evaluator };
    let reader: Arc<dyn Reader> = Arc::new(Elsewhere(server.port));
    news::ask(&reader, &world).told().await
}

const NEWER: &str = r#"{"updatesAvailable": [
    {"version": "4.7.7", "urgent": true, "type": "patch", "releaseNotes": "https://github.com/mastodon/mastodon/releases/v4.7.7"},
    {"version": "4.7.5", "urgent": true, "type": "patch", "releaseNotes": "https://github.com/mastodon/mastodon/releases/v4.7.5"}
]}"#;

#[tokio::test]
async fn mastodon_is_asked_for_newer_releases_by_the_version_alone() {
    let server = Loopback::start(replies(&answer("200 OK", "", NEWER)));
    let told = published(&server, "version = \"v4.7.6\"").await;
    let expected = "Mastodon 4.7.7 is there, and it closes holes. \
                    Notes: https://github.com/mastodon/mastodon/releases/tag/v4.7.7";
    assert_eq!(told, [expected]);
    let heads = server.heads();
    assert!(heads[0].starts_with("GET /update-check?version=4.7.6 HTTP/1.1\r\n"), "{heads:?}");
    assert!(!heads[0].contains("social"), "nothing else is told: {heads:?}");
    assert_eq!(published(&server, "version = \"v4.7.7\"").await, [""; 0], "the newest is no news");
}

#[tokio::test]
async fn whoever_does_not_want_to_be_known_asks_nobody() {
    let server = Loopback::start(replies(&answer("200 OK", "", NEWER)));
    assert_eq!(published(&server, "upgrade.check = false").await, [""; 0]);
    assert_eq!(server.served(), 0);
}

/// A plan says nothing when it cannot know, and does not wait for it.
#[tokio::test]
async fn news_that_do_not_come_are_not_missed() {
    let long = answer("200 OK", "", &format!("{{\"updatesAvailable\": [], \"x\": \"{}\"}}", "x".repeat(300 * 1024)));
    let moved = answer("302 Found", "Location: https://elsewhere.example/\r\n", "");
    for reply in
        ["", "nonsense\r\n\r\n", &answer("500 Oops", "", NEWER), &answer("200 OK", "", "<html>"), &moved, &long]
    {
        let server = Loopback::start(replies(reply));
        assert_eq!(published(&server, "").await, [""; 0], "{}", &reply[..reply.len().min(80)]);
        assert_eq!(server.served(), 1, "an answer is not followed, and nobody asks twice");
    }
    for reply in [|| Reply::Silence, || Reply::Endless("HTTP/1.1 200 OK\r\n\r\n[".to_owned())] {
        let server = Loopback::start(move |_| reply());
        assert_eq!(published(&server, "").await, [""; 0]);
    }
}
