//! Every call to AWS, counted and timed.
//!
//! Owns the log of calls and the interceptor that fills it. The log holds names and numbers only: neither inputs nor
//! answers, so nothing secret can be in it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_types::request_id::RequestId;

/// One call, with all its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// As IAM names it: `ec2:DescribeVpcs`.
    pub operation: String,
    pub region: String,
    /// From the first attempt to the last answer.
    pub duration: Duration,
    /// 1 if the first attempt was the last.
    pub attempts: u32,
    /// Whether AWS did what was asked.
    pub succeeded: bool,
    /// The HTTP status of the last answer; absent if there was none.
    pub status: Option<u16>,
    pub request_id: Option<String>,
}

/// A shared log of calls.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// All calls until now, in the order in which they ended.
    pub fn snapshot(&self) -> Vec<Call> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

/// Writes every call of one client into the log.
#[derive(Debug)]
pub(super) struct Tracer {
    /// The service as IAM names it: `ec2`.
    pub service: &'static str,
    pub region: String,
    pub calls: Calls,
}

#[derive(Debug)]
struct Started(Instant);

impl Storable for Started {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Tracer {
    fn name(&self) -> &'static str {
        "Tracer"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        configuration.interceptor_state().store_put(Started(Instant::now()));
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = configuration.load::<Metadata>().map_or("?", Metadata::name);
        let call = Call {
            operation: format!("{}:{operation}", self.service),
            region: self.region.clone(),
            duration: configuration.load::<Started>().map(|started| started.0.elapsed()).unwrap_or_default(),
            attempts: configuration.load::<RequestAttempts>().map_or(0, RequestAttempts::attempts),
            succeeded: matches!(context.output_or_error(), Some(Ok(_))),
            status: context.response().map(|response| response.status().as_u16()),
            request_id: context.response().and_then(|response| response.request_id()).map(str::to_owned),
        };
        tracing::debug!(
            operation = call.operation,
            region = call.region,
            milliseconds = u64::try_from(call.duration.as_millis()).unwrap_or(u64::MAX),
            attempts = call.attempts,
            status = call.status,
            succeeded = call.succeeded,
            request_id = call.request_id,
            "call"
        );
        self.calls.push(call);
        Ok(())
    }
}
