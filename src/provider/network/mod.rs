//! The network, as people see an instance from outside: requests, WebSockets, certificates.
//!
//! The hosts come from files that somebody else may have written, and what answers may be anybody.
//!
//! # Guarantees
//!
//! - Only addresses of the public internet are called: none of this machine, of its network, or of the cloud that it may
//!   run in, whatever a name says ([`address`]). The address that was judged is the one that is called.
//! - An answer that sends on to another host is followed only to those that the question names, at most three times, and
//!   never from HTTPS to plain HTTP.
//! - TLS is verified with the roots that the system trusts.
//! - No more of an answer is read than [`MOST`], and no question takes longer than its patience.
//! - Requests carry no credentials and no cookies.

pub mod address;
mod certificate;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Position, Url};

use super::probe::{Asks, Question, Silence};
use crate::value::{Tree, Value};

/// The most bytes of an answer that are read: its head as well as its body.
pub const MOST: usize = 256 * 1024;

/// How often an answer may send on.
const HOPS: usize = 3;

/// How long one of several addresses of a host may take to answer at all.
const TO_CONNECT: Duration = Duration::from_secs(2);

/// What a WebSocket server puts behind the key before it hashes it (RFC 6455, section 1.3).
const ACCEPTED: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Which addresses may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of the public internet.
    Public,
    /// This machine too, for tests.
    Anywhere,
}

/// A way to the network.
pub struct Network {
    reach: Reach,
    tls: Arc<ClientConfig>,
}

type Answer<T> = Result<T, Silence>;

impl Network {
    /// The network, with the roots that the system trusts.
    pub fn public() -> Self {
        Self::new(Reach::Public, rustls_native_certs::load_native_certs().certs)
    }

    /// The network within reach, with these roots alone.
    pub fn new(reach: Reach, roots: Vec<CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(rustls::ALL_VERSIONS);
        // The versions are those of the provider itself.
        let builder = builder.unwrap_or_else(|error| unreachable!("{error}"));
        let mut tls = builder.with_root_certificates(store).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { reach, tls: Arc::new(tls) }
    }

    /// The answer to a question.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn ask(&self, question: &Question) -> Answer<Value> {
        let asked = async {
            match &question.asks {
                Asks::Http { url, follow } => self.http(url, follow).await,
                Asks::WebSocket { url, protocol } => self.websocket(url, protocol.as_deref()).await,
                Asks::Certificate { host } => self.certificate(host).await,
            }
        };
        let seconds = question.patience.as_secs();
        timeout(question.patience, asked)
            .await
            .unwrap_or_else(|_| Err(Silence::new(format!("no answer within {seconds} seconds"))))
    }

    async fn http(&self, url: &str, follow: &[String]) -> Answer<Value> {
        let mut place = Place::of(url)?;
        for hop in 0.. {
            let request = self.request(&place)?;
            let (head, body) = self.exchange(&place, request).await?;
            let next = place.sent_on(head.status(), head.headers());
            match next.filter(|next| hop < HOPS && follow.contains(&next.host)) {
                Some(next) => place = next,
                None => return Ok(shown(&head, Some(&body))),
            }
        }
        unreachable!("the last hop answers")
    }

    async fn websocket(&self, url: &str, protocol: Option<&str>) -> Answer<Value> {
        let place = Place::of(url)?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Silence::new(format!("there is no randomness: {error}")))?;
        let key = STANDARD.encode(random);
        let mut request = self.request(&place)?;
        let mut told = |name: HeaderName, value: &str| -> Answer<()> {
            let value = value.parse().map_err(|_| Silence::new(format!("{name} cannot be {value}")))?;
            request.headers_mut().insert(name, value);
            Ok(())
        };
        told(header::CONNECTION, "Upgrade")?;
        told(header::UPGRADE, "websocket")?;
        told(header::SEC_WEBSOCKET_VERSION, "13")?;
        told(header::SEC_WEBSOCKET_KEY, &key)?;
        if let Some(protocol) = protocol {
            told(header::SEC_WEBSOCKET_PROTOCOL, protocol)?;
        }
        let (head, _) = self.exchange(&place, request).await?;
        let accepts = STANDARD.encode(Sha1::digest(format!("{key}{ACCEPTED}")));
        let is_right = head.headers().get(header::SEC_WEBSOCKET_ACCEPT).is_some_and(|found| *found == *accepts);
        if head.status() == StatusCode::SWITCHING_PROTOCOLS && !is_right {
            return Err(Silence::new(format!("{} takes a WebSocket and fails at the handshake", place.host)));
        }
        Ok(shown(&head, None))
    }

    async fn certificate(&self, host: &str) -> Answer<Value> {
        let place = Place::of(&format!("https://{host}/"))?;
        let stream = self.secure(&place).await?;
        let (_, session) = stream.get_ref();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        let end = shown
            .and_then(|certificate| certificate::not_after(certificate))
            .ok_or_else(|| Silence::new(format!("the certificate of {} does not say when it ends", place.host)))?;
        let left = end.as_second().saturating_sub(jiff::Timestamp::now().as_second());
        let mut answer = Value::default();
        answer.set(&["days"], Tree::Integer(left.div_euclid(24 * 60 * 60)));
        answer.set(&["not_after"], Tree::Text(end.strftime("%Y-%m-%d").to_string()));
        Ok(answer)
    }

    fn request(&self, place: &Place) -> Answer<Request<Empty<Bytes>>> {
        let built = Request::get(&place.url[Position::BeforePath..Position::AfterQuery])
            .header(header::HOST, &place.url[Position::BeforeHost..Position::AfterPort])
            .header(header::USER_AGENT, concat!("mastoform/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "*/*")
            .body(Empty::new());
        built.map_err(|error| Silence::new(format!("{} cannot be asked: {error}", place.url)))
    }

    /// Sends a request on a connection of its own, and reads the answer. An answer to an upgrade has no body.
    async fn exchange(&self, place: &Place, request: Request<Empty<Bytes>>) -> Answer<(Response<()>, Bytes)> {
        match place.is_secure {
            true => exchanged(&place.host, self.secure(place).await?, request).await,
            false => exchanged(&place.host, self.connect(place).await?, request).await,
        }
    }

    async fn secure(&self, place: &Place) -> Answer<TlsStream<TcpStream>> {
        let host = &place.host;
        let name =
            ServerName::try_from(host.clone()).map_err(|_| Silence::new(format!("{host} is no name of a host")))?;
        let stream = self.connect(place).await?;
        TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|error| Silence::new(format!("no secure connection to {host}: {error}")))
    }

    /// Connects to the first address of a host that answers.
    async fn connect(&self, place: &Place) -> Answer<TcpStream> {
        let host = &place.host;
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, place.port)],
            Err(_) => lookup_host((host.as_str(), place.port))
                .await
                .map_err(|error| Silence::new(format!("{host} has no address: {error}")))?
                .collect(),
        };
        let mut why = Silence::new(format!("{host} has no address"));
        for address in found {
            if self.reach == Reach::Public && !address::is_public(address.ip()) {
                why = Silence::new(format!("{host} is {}, which is not called: it is not public", address.ip()));
                continue;
            }
            match timeout(TO_CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => why = Silence::new(format!("no connection to {host}: {error}")),
                Err(_) => why = Silence::new(format!("no connection to {host}: {} does not answer", address.ip())),
            }
        }
        Err(why)
    }
}

/// Where a request goes.
struct Place {
    url: Url,
    host: String,
    port: u16,
    is_secure: bool,
}

impl Place {
    fn of(url: &str) -> Answer<Self> {
        let url = Url::parse(url).map_err(|error| Silence::new(format!("{url} is no address: {error}")))?;
        Self::at(url)
    }

    fn at(url: Url) -> Answer<Self> {
        let is_secure = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(Silence::new(format!("{other}:// is not asked"))),
        };
        let host = match url.host() {
            Some(url::Host::Domain(name)) => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            None => return Err(Silence::new(format!("{url} names no host"))),
        };
        let port = url.port_or_known_default().unwrap_or_default();
        Ok(Self { url, host, port, is_secure })
    }

    /// Where an answer sends on to, unless that would be less safe.
    fn sent_on(&self, status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let to = headers.get(header::LOCATION).filter(|_| status.is_redirection())?.to_str().ok()?;
        let next = Self::at(self.url.join(to).ok()?).ok()?;
        (next.is_secure || !self.is_secure).then_some(next)
    }
}

async fn exchanged<S>(host: &str, stream: S, request: Request<Empty<Bytes>>) -> Answer<(Response<()>, Bytes)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let failed = |error: hyper::Error| Silence::new(format!("{host} gives no answer that can be read: {error}"));
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(MOST);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(failed)?;
    // Ends with this function, whatever it has come to.
    let mut driver = JoinSet::new();
    driver.spawn(connection.with_upgrades());
    let response: Response<Incoming> = sender.send_request(request).await.map_err(failed)?;
    let (head, body) = response.into_parts();
    let head = Response::from_parts(head, ());
    if head.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok((head, Bytes::new()));
    }
    let body = Limited::new(body, MOST).collect().await.map_err(|error| match error.is::<LengthLimitError>() {
        true => Silence::new(format!("the answer of {host} is longer than {} KiB", MOST / 1024)),
        false => Silence::new(format!("the answer of {host} breaks off: {error}")),
    })?;
    Ok((head, body.to_bytes()))
}

/// An answer as the blueprint speaks of it.
fn shown(head: &Response<()>, body: Option<&[u8]>) -> Value {
    let mut answer = Value::default();
    answer.set(&["status"], Tree::Integer(head.status().as_u16().into()));
    let mut headers = Value::Map(std::collections::BTreeMap::new());
    for name in head.headers().keys() {
        let values = head.headers().get_all(name).iter();
        let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        headers.set(&[name.as_str()], Tree::Text(values.join(", ")));
    }
    answer.set(&["headers"], headers);
    if let Some(body) = body {
        if let Ok(json) = serde_json::from_slice(body) {
            answer.set(&["json"], Value::from_json(&json));
        }
        answer.set(&["text"], Tree::Text(String::from_utf8_lossy(body).into_owned()));
    }
    answer
}
