//! An HTTP proxy in front of an emulator: the distance to AWS, and its moods.
//!
//! It counts calls, holds every answer back until the call is as old as a round trip takes, and lets calls go wrong as
//! it is told: refused before the emulator hears of them, or answered to nobody after it did its work.
//!
//! One that remembers gives the emulator's answer again where the same is asked the same way: what is measured then has
//! nothing of the emulator's pace in it, however many calls come at once.
//!
//! The emulator works while an answer is held back, so what is measured is the program and not how fast Python is: only
//! an answer that takes longer than a round trip comes later.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// One call as the proxy saw it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    pub arrived: Instant,
    pub answered: Instant,
    /// How long the emulator took.
    pub worked: Duration,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It is refused with this code, and has no effect. The status is that of the code: 500, 503, or else 400.
    Refuse(&'static str),
    /// It is refused with a message that repeats everything that was sent.
    Echo,
    /// It has its effect, and the connection ends without an answer.
    LoseAnswer,
}

/// Decides what goes wrong, call by call. It is given the name of the action: `CreateDBCluster`, or for an API without
/// such names the method and the path.
pub type Mood = Box<dyn FnMut(&str) -> Option<Mishap> + Send>;

/// Decides what goes wrong by the first line and the headers of a call.
pub type Guard = Box<dyn FnMut(&str) -> Option<Mishap> + Send>;

/// A running proxy; its threads live as long as the program.
pub struct Proxy {
    port: u16,
    log: Arc<Mutex<Vec<Exchange>>>,
}

/// What becomes of a message; `None`: it goes on its way.
type Decide = Box<dyn FnMut(&Message) -> Option<Mishap> + Send>;

/// Answers by what was asked.
type Memory = BTreeMap<Vec<u8>, Vec<u8>>;

struct Shared {
    upstream: String,
    delay: Duration,
    log: Arc<Mutex<Vec<Exchange>>>,
    decide: Mutex<Decide>,
    /// If answers are kept.
    memory: Option<Mutex<Memory>>,
}

impl Proxy {
    /// Starts one in front of `upstream`, a `host:port`, in which nothing goes wrong.
    pub fn start(upstream: String, delay: Duration) -> Self {
        Self::moody(upstream, delay, Box::new(|_| None))
    }

    /// Starts one that lets things go wrong.
    pub fn moody(upstream: String, delay: Duration, mut mood: Mood) -> Self {
        Self::deciding(upstream, delay, None, Box::new(move |request| mood(&request.action())))
    }

    /// Starts one that gives an answer again where the same is asked again later. Only for calls that change nothing.
    pub fn remembering(upstream: String, delay: Duration) -> Self {
        Self::deciding(upstream, delay, Some(Mutex::default()), Box::new(|_| None))
    }

    /// Starts one that sees how calls are made.
    pub fn guarded(upstream: String, mut guard: Guard) -> Self {
        Self::deciding(upstream, Duration::ZERO, None, Box::new(move |request| guard(&request.head)))
    }

    fn deciding(upstream: String, delay: Duration, memory: Option<Mutex<Memory>>, decide: Decide) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new(Shared { upstream, delay, log: Arc::clone(&log), decide: Mutex::new(decide), memory });
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that goes away ends its thread; that is no error.
                thread::spawn(move || serve(&client, &shared));
            }
        });
        Self { port, log }
    }

    /// For `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The calls since the last time.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *self.log.lock().expect("no thread panics with it"))
    }
}

fn serve(client: &TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reader = BufReader::new(client);
    let mut writer = client;
    while let Some(request) = Message::read(&mut reader, false)? {
        let arrived = Instant::now();
        let mishap = (*shared.decide.lock().expect("no thread panics with it"))(&request);
        let refusal = match mishap {
            Some(Mishap::Refuse(code)) => Some(request.refusal(code, "not now")),
            Some(Mishap::Echo) => {
                let sent = String::from_utf8_lossy(&request.body).replace('&', " ");
                Some(request.refusal("InvalidParameterValue", &format!("cannot use {sent}")))
            }
            Some(Mishap::LoseAnswer) | None => None,
        };
        if let Some(refusal) = refusal {
            writer.write_all(&refusal)?;
            continue;
        }
        let Some(answer) = shared.answer(&request)? else { return Ok(()) };
        if mishap == Some(Mishap::LoseAnswer) {
            return Ok(());
        }
        let worked = arrived.elapsed();
        thread::sleep(shared.delay.saturating_sub(worked));
        let exchange = Exchange { arrived, answered: Instant::now(), worked };
        shared.log.lock().expect("no thread panics with it").push(exchange);
        writer.write_all(&answer)?;
    }
    Ok(())
}

impl Shared {
    /// The emulator's answer, of now or of an earlier time; nothing if it gives none.
    fn answer(&self, request: &Message) -> io::Result<Option<Vec<u8>>> {
        let Some(memory) = &self.memory else { return self.asked(request) };
        let question = request.question();
        if let Some(answer) = memory.lock().expect("no thread panics with it").get(&question) {
            return Ok(Some(answer.clone()));
        }
        let answer = self.asked(request)?;
        // A refusal for the moment is not the answer of all times.
        if let Some(answer) = answer.as_ref().filter(|answer| !is_passing(answer)) {
            memory.lock().expect("no thread panics with it").insert(question, answer.clone());
        }
        Ok(answer)
    }

    fn asked(&self, request: &Message) -> io::Result<Option<Vec<u8>>> {
        let mut server = TcpStream::connect(&self.upstream)?;
        server.set_nodelay(true)?;
        server.write_all(&request.bytes())?;
        let is_head = request.head.starts_with("HEAD ");
        let answer = Message::read(&mut BufReader::new(&server), is_head)?;
        Ok(answer.map(|answer| answer.bytes()))
    }
}

/// Whether an answer says that the emulator cannot just now.
fn is_passing(answer: &[u8]) -> bool {
    let status = answer.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    status == b"429" || status.starts_with(b"5")
}

/// A request or an answer, with its body in one piece.
struct Message {
    /// The first line and the headers, without those about the connection and the length of the body.
    head: String,
    body: Vec<u8>,
    /// An answer to `HEAD`: it speaks of a body that it does not have.
    bodiless: bool,
}

impl Message {
    /// Reads the next one; nothing at the end of the stream.
    fn read(reader: &mut impl BufRead, bodiless: bool) -> io::Result<Option<Self>> {
        let mut head = String::new();
        let (mut length, mut chunked) = (None, false);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            if line == "\r\n" {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((line.as_str(), ""));
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse::<usize>().ok(),
                "transfer-encoding" => chunked = value.contains("chunked"),
                "connection" | "keep-alive" => {}
                _ => head.push_str(&line),
            }
        }
        let is_answer = head.starts_with("HTTP/");
        let has_none = bodiless || head.contains(" 204 ") || head.contains(" 304 ");
        let mut body = Vec::new();
        match length {
            _ if has_none => {}
            _ if chunked => read_chunks(reader, &mut body)?,
            Some(length) => {
                body.resize(length, 0);
                reader.read_exact(&mut body)?;
            }
            // An answer without a length ends with its connection.
            None if is_answer => {
                reader.read_to_end(&mut body)?;
            }
            None => {}
        }
        Ok(Some(Self { head, body, bodiless }))
    }

    fn header(&self, wanted: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    }

    /// What is asked for.
    fn action(&self) -> String {
        if let Some(target) = self.header("x-amz-target") {
            return target.rsplit('.').next().unwrap_or(target).to_owned();
        }
        let body = String::from_utf8_lossy(&self.body);
        let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
        let line = self.head.lines().next().unwrap_or_default();
        action.map_or_else(|| line.rsplit_once(' ').map_or(line, |(asked, _)| asked).to_owned(), str::to_owned)
    }

    /// All that tells it from other requests: not when it was made, nor its number.
    fn question(&self) -> Vec<u8> {
        let line = self.head.lines().next().unwrap_or_default();
        // Who asks which service of which region.
        let authorization = self.header("authorization").unwrap_or_default();
        let scope = authorization.split([',', ' ']).find(|part| part.starts_with("Credential=")).unwrap_or_default();
        let target = self.header("x-amz-target").unwrap_or_default();
        let mut question = format!("{line} {scope} {target} ").into_bytes();
        question.extend_from_slice(&self.body);
        question
    }

    /// A refusal as the API that is asked would word it.
    fn refusal(&self, code: &str, message: &str) -> Vec<u8> {
        let (kind, body) = if self.header("x-amz-target").is_some() {
            ("application/x-amz-json-1.1", format!("{{\"__type\":\"{code}\",\"message\":\"{message}\"}}"))
        } else if self.header("authorization").is_some_and(|value| value.contains("/ec2/")) {
            let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            ("text/xml", format!("<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>"))
        } else if self.header("authorization").is_some_and(|value| value.contains("/s3/")) {
            ("application/xml", format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
        } else {
            let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
            ("text/xml", format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"))
        };
        let length = body.len();
        let status = match code {
            "InternalFailure" => "500 Internal Server Error",
            "ServiceUnavailable" => "503 Service Unavailable",
            _ => "400 Bad Request",
        };
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    }

    fn bytes(&self) -> Vec<u8> {
        // The emulator speaks HTTP/1.0, in which connections do not last; the program's shall.
        let head = self.head.replacen("HTTP/1.0 ", "HTTP/1.1 ", 1);
        let length = if self.bodiless { String::new() } else { format!("Content-Length: {}\r\n", self.body.len()) };
        let mut bytes = format!("{head}{length}\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = line.trim().split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
        if size == 0 {
            while reader.read_line(&mut line)? > 2 {
                line.clear();
            }
            return Ok(());
        }
        reader.by_ref().take(size).read_to_end(body)?;
        line.clear();
        reader.read_line(&mut line)?;
    }
}
