//! Secrets Manager: secrets.

pub mod secret;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::limits::class;
use super::service::{Second, Service};
use super::tags::tag_list;
use crate::provider::ErrorKind;
use crate::secret::SecretText;

/// The service.
pub static SERVICE: Service = Service {
    id: "Secrets Manager",
    prefix: "secretsmanager",
    limits: &[class(&["DescribeSecret", "GetSecretValue"], 500.0, 500.0), class(&[""], 40.0, 40.0)],
    makes: &[("CreateSecret", Second::Token)],
    errors: &[
        // A secret of this name is still being deleted.
        ("CreateSecret", "InvalidRequestException", ErrorKind::NotYet),
        // The value of a new secret may not be visible yet.
        ("GetSecretValue", "ResourceNotFoundException", ErrorKind::NotYet),
        // The key was made a moment ago, or taken back.
        ("*", "DecryptionFailure*", ErrorKind::NotYet),
        ("*", "EncryptionFailure*", ErrorKind::NotYet),
    ],
    handlers: &[&secret::Secret, &versions::Versions],
    ..Service::OTHER
};

tag_list!(pub(super) aws_sdk_secretsmanager::types::Tag);

/// Values that this session has put into new secrets, by ARN. What needs one a moment later has it from here; they go
/// with the session.
#[derive(Debug, Default)]
pub(super) struct Stored(Mutex<BTreeMap<String, SecretText>>);

impl Stored {
    fn keep(&self, arn: &str, value: SecretText) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(arn.to_owned(), value);
    }

    fn forget(&self, arn: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(arn);
    }

    fn value(&self, arn: &str) -> Option<SecretText> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(arn).cloned()
    }
}
