//! Secrets Manager: secrets.

pub mod secret;
pub mod versions;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::handler::Handler;
use crate::secret::SecretText;

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] = &[&secret::Secret, &versions::Versions];

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
