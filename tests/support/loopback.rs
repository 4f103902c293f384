//! A server on this machine that answers as it is told, well or badly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivateSec1KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What becomes of a request.
pub enum Reply {
    /// These bytes, and the end.
    Text(String),
    /// These bytes, and then more of the same without an end.
    Endless(String),
    /// Nothing: the connection stays open.
    Silence,
}

/// A running server; its threads live as long as the program.
pub struct Loopback {
    pub port: u16,
    served: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

/// The certificate of `localhost`, which is its own root.
pub fn root() -> CertificateDer<'static> {
    CertificateDer::from(&include_bytes!("../aws/network/localhost.der")[..])
}

impl Loopback {
    /// Starts a server that answers each request by its head and its body.
    pub fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, answer)
    }

    /// The same with TLS, for the name `localhost`.
    pub fn secure(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let key = PrivateSec1KeyDer::from(&include_bytes!("../aws/network/localhost.key.der")[..]);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![root()], PrivateKeyDer::from(key))
            .expect("a certificate with its key");
        Self::listen(Some(Arc::new(config)), answer)
    }

    fn listen(tls: Option<Arc<ServerConfig>>, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { port, served: Arc::default(), heads: Arc::default() };
        let (served, heads, answer) = (Arc::clone(&server.served), Arc::clone(&server.heads), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                served.fetch_add(1, Ordering::SeqCst);
                let (tls, heads, answer) = (tls.clone(), Arc::clone(&heads), Arc::clone(&answer));
                thread::spawn(move || match tls {
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a connection");
                        converse(StreamOwned::new(connection, stream), &heads, &*answer);
                    }
                    None => converse(stream, &heads, &*answer),
                });
            }
        });
        server
    }

    /// How many connections were made.
    pub fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    /// All requests: first lines, headers and bodies.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }
}

fn converse(stream: impl Read + Write, heads: &Mutex<Vec<String>>, answer: &dyn Fn(&str) -> Reply) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        // Whoever only looks at the certificate sends nothing.
        if !matches!(reader.read_line(&mut line), Ok(length) if length > 0) {
            return;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length =
        lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    head.push_str("\r\n");
    head.push_str(&String::from_utf8_lossy(&body));
    heads.lock().expect("no panic").push(head.clone());
    let mut stream = reader.into_inner();
    match answer(&head) {
        Reply::Text(text) => {
            let _ = stream.write_all(text.as_bytes());
            let _ = stream.flush();
        }
        Reply::Endless(text) => while stream.write_all(text.as_bytes()).is_ok() {},
        Reply::Silence => {
            let _ = stream.read_to_end(&mut Vec::new());
        }
    }
}
