//! Waiting for what Cloud Control was asked for, and what became of it.

use std::time::Duration;

use aws_sdk_cloudcontrol::types::{OperationStatus, ProgressEvent};
use tokio::time::{Instant, sleep};

use crate::provider::aws::error::{classify, failed, one_line, unanswered};
use crate::provider::aws::session::Clients;
use crate::provider::{ErrorKind, ProviderError};
use crate::spec::counterpart::leaves;
use crate::spec::types::ResourceType;

const STATUS: &str = "cloudformation:GetResourceRequestStatus";

/// The first look at a request, and the longest time between two.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(10);

/// Something that Cloud Control was asked for.
pub struct Request<'a> {
    pub clients: &'a Clients,
    pub operation: &'static str,
    pub resource_type: &'a ResourceType,
    /// When to give up.
    pub longest: Duration,
}

/// Whether a request has not come to its end.
pub fn is_under_way(event: &ProgressEvent) -> bool {
    !matches!(
        event.operation_status(),
        Some(OperationStatus::Success | OperationStatus::Failed | OperationStatus::CancelComplete)
    )
}

/// Whether a request has come to a bad end.
pub fn has_failed(event: &ProgressEvent) -> bool {
    matches!(event.operation_status(), Some(OperationStatus::Failed | OperationStatus::CancelComplete))
}

/// Pauses between looks: a tenth of the time that has passed.
pub struct Pauses<'a> {
    request: &'a Request<'a>,
    began: Instant,
}

impl Pauses<'_> {
    /// # Errors
    ///
    /// It has taken too long.
    pub async fn wait(&mut self) -> Result<(), ProviderError> {
        let passed = self.began.elapsed();
        if passed > self.request.longest {
            let message = "AWS is still at it, longer than the timeout of its type";
            return Err(ProviderError::new(ErrorKind::Unknown, STATUS, message));
        }
        sleep((passed / 10).clamp(SHORTEST, LONGEST)).await;
        Ok(())
    }
}

impl Request<'_> {
    pub fn pauses(&self) -> Pauses<'_> {
        Pauses { request: self, began: Instant::now() }
    }

    /// Waits for its end, from what its answer told.
    ///
    /// # Errors
    ///
    /// With the operation that was asked for: it has failed. With another one: what became of it is not known.
    pub async fn ended(&self, told: Option<ProgressEvent>) -> Result<ProgressEvent, ProviderError> {
        let mut event = told.ok_or_else(|| unanswered(self.operation, "progress event"))?;
        let mut pauses = self.pauses();
        while is_under_way(&event) {
            pauses.wait().await?;
            let token = event.request_token().ok_or_else(|| unanswered(self.operation, "request token"))?;
            let request = self.clients.cloudcontrol().get_resource_request_status().request_token(token);
            let answer = request.send().await.map_err(failed(STATUS))?;
            event = answer.progress_event.ok_or_else(|| unanswered(STATUS, "progress event"))?;
        }
        if has_failed(&event) { Err(self.refusal(&event)) } else { Ok(event) }
    }

    /// Why a request has failed.
    fn refusal(&self, event: &ProgressEvent) -> ProviderError {
        let code = event.error_code().map(|code| code.as_str().to_owned());
        let kind = code.as_deref().and_then(|code| classify(self.operation, code)).unwrap_or(ErrorKind::Unknown);
        let message = event.status_message().map_or_else(|| "failed without a message".to_owned(), one_line);
        let attribute = blamed(self.resource_type, &message);
        ProviderError { code, attribute, ..ProviderError::new(kind, self.operation, message) }
    }
}

/// The attribute that a message points at: AWS's schemas say `#/Subscription/0/Protocol`.
fn blamed(resource_type: &ResourceType, message: &str) -> Option<String> {
    let pointer = message.split_once("#/")?.1;
    let end = pointer.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '/').unwrap_or(pointer.len());
    let names: Vec<&str> =
        pointer[..end].split('/').filter(|name| name.parse::<usize>().is_err() && !name.is_empty()).collect();
    // The deepest attribute that stands on the way.
    let candidates = leaves(resource_type).into_iter().filter(|(path, _)| !path.contains("[]"));
    let fitting = candidates.filter_map(|(path, attribute)| {
        let place = attribute.cfn.plain().unwrap_or_else(|| crate::spec::placement::named(&path));
        let steps: Vec<&str> = place.split('.').collect();
        names.starts_with(&steps).then_some((steps.len(), path))
    });
    fitting.max().map(|(_, path)| path)
}
