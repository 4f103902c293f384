//! The way of a call out of the program.
//!
//! Owns the one pool of connections of a session: all clients of all services and regions share it, so that TLS is set
//! up once and a connection that one call has opened is there for the next. Before a call goes out it waits for its
//! turn, see `limits.rs`.
//!
//! # Guarantees
//!
//! - The time limit of an attempt starts when its turn has come.
//! - Proxies of the environment are honoured as the SDK's own client does, but for calls that stay on this machine or are
//!   not encrypted: those never go to one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use super::limits::Limits;
use crate::provider::endpoint::is_direct;

/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// What one call tells the connections of itself, and they of it.
#[derive(Clone, Debug)]
pub(super) struct Turn(Arc<Times>);

#[derive(Debug)]
struct Times {
    operation: String,
    region: String,
    /// Nanoseconds, over all attempts.
    waited: AtomicU64,
    /// Nanoseconds since the session began; of the last attempt.
    sent: AtomicU64,
}

impl Storable for Turn {
    type Storer = StoreReplace<Self>;
}

impl Turn {
    pub(super) fn new(operation: String, region: String) -> Self {
        Self(Arc::new(Times { operation, region, waited: AtomicU64::new(0), sent: AtomicU64::new(0) }))
    }

    pub(super) fn operation(&self) -> &str {
        &self.0.operation
    }

    pub(super) fn region(&self) -> &str {
        &self.0.region
    }

    pub(super) fn waited(&self) -> Duration {
        Duration::from_nanos(self.0.waited.load(Ordering::Relaxed))
    }

    pub(super) fn sent(&self) -> Duration {
        Duration::from_nanos(self.0.sent.load(Ordering::Relaxed))
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The pool, and whose turn it is.
#[derive(Debug)]
pub(super) struct Connections {
    client: SharedHttpClient,
    pool: OnceLock<SharedHttpConnector>,
    limits: Arc<Limits>,
    began: Instant,
}

impl Connections {
    /// `given`: the client of the configuration, if it brings one.
    pub(super) fn new(given: Option<SharedHttpClient>, limits: Arc<Limits>, began: Instant) -> Self {
        let client = given.unwrap_or_else(|| SharedHttpClient::new(Client::default()));
        Self { client, pool: OnceLock::new(), limits, began }
    }
}

impl HttpClient for Connections {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        // The settings are the session's, the same for all clients.
        let pool = self.pool.get_or_init(|| self.client.http_connector(settings, components));
        SharedHttpConnector::new(InTurn { pool: pool.clone(), limits: Arc::clone(&self.limits), began: self.began })
    }
}

/// How long a connection and an answer may take.
type Patience = (Option<Duration>, Option<Duration>);

/// The way out for the clients of a session, and for those that get its credentials.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// By patience: those that get credentials have their own.
    ways: Mutex<Vec<(Patience, SharedHttpConnector)>>,
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let patience = (settings.connect_timeout(), settings.read_timeout());
        let mut all = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, ways)) = all.iter().find(|(known, _)| *known == patience) {
            return ways.clone();
        }
        let ways = SharedHttpConnector::new(Ways {
            by_proxy: OnceLock::new(),
            straight: OnceLock::new(),
            settings: settings.clone(),
            components: components.clone(),
        });
        all.push((patience, ways.clone()));
        ways
    }
}

/// Connections that may go by a proxy, and connections that never do. Each is opened when it is first needed.
#[derive(Debug)]
struct Ways {
    by_proxy: OnceLock<SharedHttpConnector>,
    straight: OnceLock<SharedHttpConnector>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Ways {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (way, proxy): (_, fn() -> ProxyConfig) = match is_direct(request.uri()) {
            true => (&self.straight, ProxyConfig::disabled),
            false => (&self.by_proxy, ProxyConfig::from_env),
        };
        way.get_or_init(|| open(&self.settings, &self.components, proxy())).call(request)
    }
}

fn open(settings: &HttpConnectorSettings, components: &RuntimeComponents, proxy: ProxyConfig) -> SharedHttpConnector {
    let mut connector = Connector::builder()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .connector_settings(settings.clone())
        .proxy_config(proxy);
    connector.set_sleep_impl(components.sleep_impl());
    SharedHttpConnector::new(connector.build())
}

/// Sends a request when its turn has come.
#[derive(Debug)]
struct InTurn {
    pool: SharedHttpConnector,
    limits: Arc<Limits>,
    began: Instant,
}

impl HttpConnector for InTurn {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (pool, limits, began) = (self.pool.clone(), Arc::clone(&self.limits), self.began);
        HttpConnectorFuture::new(async move {
            if let Some(turn) = request.extension::<Turn>().cloned() {
                let wait = limits.take(turn.operation(), turn.region(), began.elapsed());
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                    turn.0.waited.fetch_add(nanoseconds(wait), Ordering::Relaxed);
                }
                turn.0.sent.store(nanoseconds(began.elapsed()), Ordering::Relaxed);
            }
            match tokio::time::timeout(ATTEMPT_TIMEOUT, pool.call(request)).await {
                Ok(answer) => answer,
                Err(elapsed) => Err(ConnectorError::timeout(elapsed.into())),
            }
        })
    }
}
