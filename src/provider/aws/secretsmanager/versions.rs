//! `secretsmanager.versions`: whether secrets still have the values that they had.
//!
//! No value is read, only the name of the version that is in use: AWS gives each value one of its own.

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::secret::{CURRENT, DESCRIBE};
use crate::provider::aws::attributes::{Report, filters};
use crate::provider::aws::error::{failed, missing};
use crate::provider::aws::handler::Handler;
use crate::provider::aws::session::Clients;
use crate::provider::aws::wave::wave;
use crate::provider::{ErrorKind, Lookup, ProviderError};
use crate::value::Value;

/// Bytes of a digest that are told.
const BYTES: usize = 8;

pub struct Versions;

#[async_trait]
impl Handler for Versions {
    fn type_name(&self) -> &'static str {
        "secretsmanager.versions"
    }

    /// Nothing is told where one of the secrets may not be described, since an earlier version of mastoform did not ask for
    /// that permission, nor where one is missing: a task that reads it says so, and everything else can still be planned.
    async fn lookup(&self, clients: &Clients, lookup: &Lookup) -> Result<Value, ProviderError> {
        let mut secrets = filters(lookup, DESCRIBE).optional_texts("secrets")?.unwrap_or_default();
        secrets.sort();
        let versions = wave(secrets.iter().map(|arn| version(clients, arn)).collect()).await;
        let report = Report::new().set("secrets", secrets.clone());
        let mut told = String::new();
        for (arn, version) in secrets.iter().zip(versions) {
            match version {
                Ok(version) => told.push_str(&format!("{arn} {version}\n")),
                Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::NotFound) => {
                    tracing::debug!(arn, %error, "nobody sees when this secret changes");
                    return Ok(report.value());
                }
                Err(error) => return Err(error),
            }
        }
        let digest = Sha256::digest(told.as_bytes());
        let fingerprint = base16ct::lower::encode_string(&digest[..BYTES]);
        Ok(report.set("fingerprint", fingerprint).value())
    }
}

/// The name of the version that is in use.
async fn version(clients: &Clients, arn: &str) -> Result<String, ProviderError> {
    let secret = clients.secretsmanager().describe_secret().secret_id(arn).send().await.map_err(failed(DESCRIBE))?;
    let mut versions = secret.version_ids_to_stages().into_iter().flatten();
    let current = versions.find(|(_, stages)| stages.iter().any(|stage| stage == CURRENT));
    current.map(|(version, _)| version.clone()).ok_or_else(|| missing(DESCRIBE, "value in the secret", arn))
}
