//! What the SDK tells of its calls: the log of calls and the limits are fed from here.
//!
//! The log is [`crate::provider::trace`]'s. An error's code is read from the answer; nothing else of it is. Here is also
//! the first place that knows the operation, so here the SDK is told what it may not repeat.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, Metadata};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::retry::RetryConfig;
use aws_types::request_id::RequestId;

use super::connections::Turn;
use super::error::classify;
use super::limits::Limits;
use super::service;
use crate::provider::ErrorKind;
pub use crate::provider::trace::{Call, Calls};

/// Writes every call of one client into the log, and tells the limits what became of each attempt.
#[derive(Debug)]
pub(super) struct Tracer {
    /// The service as IAM names it: `ec2`.
    pub service: &'static str,
    pub region: String,
    pub calls: Calls,
    pub limits: Arc<Limits>,
    /// When the session began.
    pub began: Instant,
}

impl Tracer {
    /// The operation as IAM names it.
    fn operation(&self, configuration: &ConfigBag) -> String {
        format!("{}:{}", self.service, configuration.load::<Metadata>().map_or("?", Metadata::name))
    }
}

#[derive(Debug)]
struct Started(Duration);

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
        configuration.interceptor_state().store_put(Started(self.began.elapsed()));
        Ok(())
    }

    /// The first moment at which the operation is known.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = self.operation(configuration);
        if service::makes(&operation) {
            configuration.interceptor_state().store_put(RetryConfig::disabled());
        }
        let turn = Turn::new(operation, self.region.clone());
        configuration.interceptor_state().store_put(turn);
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(turn) = configuration.load::<Turn>() {
            context.request_mut().add_extension(turn.clone());
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(turn), Some(response)) = (configuration.load::<Turn>(), context.response()) {
            let throttled = is_throttled(turn.operation(), response);
            self.limits.tell(turn.operation(), turn.region(), turn.sent(), self.began.elapsed(), throttled);
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        configuration: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let start = configuration.load::<Started>().map_or(Duration::ZERO, |started| started.0);
        let succeeded = matches!(context.output_or_error(), Some(Ok(_)));
        let call = Call {
            operation: self.operation(configuration),
            region: self.region.clone(),
            start,
            duration: self.began.elapsed().saturating_sub(start),
            waited: configuration.load::<Turn>().map(Turn::waited).unwrap_or_default(),
            attempts: configuration.load::<RequestAttempts>().map_or(0, RequestAttempts::attempts),
            succeeded,
            code: context.response().filter(|_| !succeeded).and_then(code),
            status: context.response().map(|response| response.status().as_u16()),
            request_id: context.response().and_then(|response| response.request_id()).map(str::to_owned),
        };
        tracing::debug!(
            operation = call.operation,
            region = call.region,
            milliseconds = u64::try_from(call.duration.as_millis()).unwrap_or(u64::MAX),
            attempts = call.attempts,
            status = call.status,
            outcome = call.outcome(),
            request_id = call.request_id,
            "call"
        );
        self.calls.push(call);
        Ok(())
    }
}

fn is_throttled(operation: &str, response: &HttpResponse) -> bool {
    if response.status().is_success() {
        return false;
    }
    response.status().as_u16() == 429
        || code(response).is_some_and(|code| classify(operation, &code) == Some(ErrorKind::Throttled))
}

/// The code of an error: from the header of the JSON protocols, or from the body of the others.
fn code(response: &HttpResponse) -> Option<String> {
    let header = response.headers().get("x-amzn-errortype");
    let body = || std::str::from_utf8(response.body().bytes()?).ok();
    let found = header.or_else(|| {
        let body = body()?;
        between(body, "<Code>", "<").or_else(|| {
            let (_, rest) = body.split_once("\"__type\"")?;
            between(rest, "\"", "\"")
        })
    })?;
    // `namespace#Code:address`
    let name = found.rsplit('#').next()?.split(':').next()?.trim();
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    (!name.is_empty() && name.len() <= 100 && name.chars().all(is_name)).then(|| name.to_owned())
}

fn between<'text>(text: &'text str, before: &str, after: &str) -> Option<&'text str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn answer(status: u16, header: Option<&'static str>, body: &str) -> HttpResponse {
        let mut response = HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body));
        if let Some(header) = header {
            response.headers_mut().insert("x-amzn-errortype", header);
        }
        response
    }

    #[test]
    fn codes_are_read_in_every_protocol() {
        for (header, body, expected) in [
            (None, "<Response><Errors><Error><Code>InvalidGroup.NotFound</Code>", Some("InvalidGroup.NotFound")),
            (None, "<ErrorResponse><Error><Type>Sender</Type>\n<Code>Throttling</Code>", Some("Throttling")),
            (None, r#"{"__type": "com.amazonaws.ssm#ParameterNotFound", "message": "x"}"#, Some("ParameterNotFound")),
            (Some("ThrottlingException:http://internal/"), "{}", Some("ThrottlingException")),
            (None, "<html>Bad gateway</html>", None),
            (None, "<Code>not a code but a text</Code>", None),
            (None, "", None),
        ] {
            assert_eq!(code(&answer(400, header, body)).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn refusals_for_too_many_calls_are_told_apart() {
        let throttled = |response| is_throttled("ec2:DescribeVpcs", &response);
        assert!(throttled(answer(503, None, "<Code>RequestLimitExceeded</Code>")));
        assert!(throttled(answer(400, Some("ThrottlingException"), "")));
        assert!(throttled(answer(429, None, "")));
        assert!(!throttled(answer(400, None, "<Code>InvalidVpcID.NotFound</Code>")));
        assert!(!throttled(answer(200, None, "<Code>Throttling</Code>")));
    }
}
