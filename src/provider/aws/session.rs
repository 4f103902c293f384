//! The connection to AWS: configuration, and one client per service and region.
//!
//! Owns what is the same for every call: region, credentials, retries, timeouts, the trace. Everything the AWS
//! command line honours (profiles, SSO, `AWS_ENDPOINT_URL`, proxies) is read by `aws-config`, never here.
//!
//! # Guarantees
//!
//! - Clients are made when first used and live as long as the session. All share one pool of connections.
//! - Retries and timeouts do not depend on the SDK's version: all are set here.
//! - IAM and CloudFront are global; the SDK finds their one endpoint from any region.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_acm::types::CertificateSummary;
use aws_sdk_ec2::types::SecurityGroupRule;
use aws_sdk_elasticache::types::CacheCluster;
use aws_sdk_rds::types::{DbCluster, DbInstance};
use aws_sdk_route53::types::HostedZone;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::ServiceConfigKey;
use tokio::sync::OnceCell;

use super::connections::{self, Connections};
use super::dns::Dns;
use super::ec2::Networks;
use super::elasticache::replication_group::Seen;
use super::error::{failed, unanswered};
use super::limits::Limits;
use super::secretsmanager::Stored;
use super::service::{SERVICES, services};
use super::trace::{Calls, Tracer};
use crate::provider::ProviderError;
use crate::provider::aws::wave::Together;

/// Attempts of one call, the first included, before its failure is handed to the engine.
const ATTEMPTS: u32 = 4;
const LONGEST_BACKOFF: Duration = Duration::from_secs(20);
/// Of all attempts, with their waits for a turn.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3100);

/// Services that only the search for credentials asks, as `aws-config` names them.
const SIGNING_IN: [&str; 2] = ["SSO", "SSO OIDC"];

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Twelve digits.
    pub account: String,
    /// `aws`, or `aws-cn` and the like: the second part of every ARN.
    pub partition: String,
}

/// Configuration and clients.
pub struct Session {
    config: SdkConfig,
    log: Log,
    caller: Arc<OnceCell<Caller>>,
    dns: Arc<Dns>,
    clients: Mutex<BTreeMap<String, Arc<Clients>>>,
}

/// What every call leaves its mark in.
#[derive(Clone)]
struct Log {
    calls: Calls,
    limits: Arc<Limits>,
    began: Instant,
}

impl Session {
    /// Reads the configuration as the AWS command line does. No call is made.
    pub async fn load(profile: Option<String>, region: String, calls: Calls) -> Self {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .region(Region::new(region))
            // Credentials come from calls, too.
            .http_client(SharedHttpClient::new(connections::Client::default()));
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        Self::new(loader.load().await, calls)
    }

    /// A session over a given configuration. Sets application name, retries and timeouts.
    pub fn new(config: SdkConfig, calls: Calls) -> Self {
        let log = Log { calls, limits: Arc::default(), began: Instant::now() };
        let connections = Connections::new(config.http_client(), Arc::clone(&log.limits), log.began);
        // The attempts are timed by the connections: waiting for a turn does not count.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .disable_operation_attempt_timeout()
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut config = config.into_builder();
        config.set_app_name(AppName::new("mastoform").ok());
        let config = config
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_max_backoff(LONGEST_BACKOFF))
            .timeout_config(timeouts)
            // No request or answer here is a stream, and a call that waits for its turn would count as a stalled one.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(SharedHttpClient::new(connections))
            .build();
        Self { config, log, caller: Arc::default(), dns: Arc::default(), clients: Mutex::default() }
    }

    /// Asks DNS of these servers alone, for tests.
    #[must_use]
    pub fn with_dns(mut self, dns: Dns) -> Self {
        self.dns = Arc::new(dns);
        self
    }

    /// The region the session was made for.
    pub fn region(&self) -> &str {
        self.config.region().map_or("", Region::as_ref)
    }

    /// Other addresses than AWS's own that calls go to, for every service or for some of them, each once.
    pub fn endpoint_overrides(&self) -> BTreeSet<String> {
        let known = SERVICES.iter().map(|service| service.id).filter(|id| !id.is_empty());
        known.chain(SIGNING_IN).filter_map(|service| endpoint_override(&self.config, service)).collect()
    }

    /// The log of calls.
    pub fn calls(&self) -> &Calls {
        &self.log.calls
    }

    /// The clients of a region.
    pub fn clients(&self, region: &str) -> Arc<Clients> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(region.to_owned()).or_insert_with(|| Arc::new(self.make_clients(region))).clone()
    }

    fn make_clients(&self, region: &str) -> Clients {
        let config = self.config.to_builder().region(Region::new(region.to_owned())).build();
        Clients::new(self, region.to_owned(), config)
    }
}

fn endpoint_override(config: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let for_service = || config.service_config().zip(key.ok()).and_then(|(services, key)| services.load_config(key));
    config.endpoint_url().map(str::to_owned).or_else(for_service)
}

macro_rules! clients {
    ($($service:ident $(: $sdk:ident $(, $adjust:expr)?)?;)*) => {
        /// The clients of one region, made when first asked for.
        pub struct Clients {
            region: String,
            config: SdkConfig,
            log: Log,
            caller: Arc<OnceCell<Caller>>,
            /// Lists of certificates: every lookup of one reads them all.
            pub(super) certificates: Together<Vec<CertificateSummary>>,
            /// The zones of the account: every lookup of one reads them all.
            pub(super) zones: Together<Vec<HostedZone>>,
            /// Databases and caches: a look at what is there and one at what AWS has announced want the same.
            pub(super) db_clusters: Together<Vec<DbCluster>>,
            pub(super) db_instances: Together<Vec<DbInstance>>,
            pub(super) cache_clusters: Together<BTreeMap<String, CacheCluster>>,
            pub(super) replication_groups: Together<Seen>,
            dns: Arc<Dns>,
            /// Rules of security groups: both the groups and their rules want them.
            pub(super) rules: Together<Vec<SecurityGroupRule>>,
            /// What lookups have seen of networks.
            pub(super) networks: Networks,
            /// Secrets that were made a moment ago.
            pub(super) stored: Stored,
            $($($service: OnceLock<$sdk::Client>,)?)*
        }

        impl Clients {
            fn new(session: &Session, region: String, config: SdkConfig) -> Self {
                let (log, caller, dns) = (session.log.clone(), session.caller.clone(), Arc::clone(&session.dns));
                let (certificates, rules, zones, networks, stored) = Default::default();
                let (db_clusters, db_instances, cache_clusters, replication_groups) = Default::default();
                Self {
                    region,
                    config,
                    log,
                    caller,
                    certificates,
                    rules,
                    zones,
                    db_clusters,
                    db_instances,
                    cache_clusters,
                    replication_groups,
                    dns,
                    networks,
                    stored,
                    $($($service: OnceLock::<$sdk::Client>::new(),)?)*
                }
            }

            $($(
                /// The client of this service.
                pub fn $service(&self) -> &$sdk::Client {
                    self.$service.get_or_init(|| {
                        let tracer = Tracer {
                            service: super::$service::SERVICE.prefix,
                            region: self.region.clone(),
                            calls: self.log.calls.clone(),
                            limits: Arc::clone(&self.log.limits),
                            began: self.log.began,
                        };
                        let builder = $sdk::config::Builder::from(&self.config).interceptor(tracer);
                        $(let builder = ($adjust)(builder, &self.config);)?
                        $sdk::Client::from_conf(builder.build())
                    })
                }
            )?)*
        }
    };
}

services!(clients);

impl Clients {
    /// What DNS says.
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    /// Who is calling; asked once per session.
    pub async fn caller(&self) -> Result<&Caller, ProviderError> {
        const OPERATION: &str = "sts:GetCallerIdentity";
        self.caller
            .get_or_try_init(|| async {
                let identity = self.sts().get_caller_identity().send().await.map_err(failed(OPERATION))?;
                let account = identity.account.ok_or_else(|| unanswered(OPERATION, "account"))?;
                let arn = identity.arn.unwrap_or_default();
                let partition = arn.split(':').nth(1).unwrap_or("aws").to_owned();
                Ok(Caller { account, partition })
            })
            .await
    }
}

/// Emulators and other stores have no DNS name per bucket.
fn path_style_at_other_endpoints(
    builder: aws_sdk_s3::config::Builder,
    config: &SdkConfig,
) -> aws_sdk_s3::config::Builder {
    builder.force_path_style(endpoint_override(config, "S3").is_some())
}
