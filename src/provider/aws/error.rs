//! Errors of AWS, classified.
//!
//! Owns the table that says what an error code means. A code means the same in every operation unless its service says
//! otherwise; nothing is ever decided by the text of a message.
//!
//! # Guarantees
//!
//! - Every error names its operation as IAM does: `rds:CreateDBCluster`.
//! - Bodies of answers are never part of an error, so that nothing secret can be.
//!
//! # Known gaps
//!
//! ECS says "Unable to assume the service linked role" and "unable to assume role" as `InvalidParameterException` and
//! `ClientException`, the codes of plain mistakes. Without reading texts they cannot be told apart, so a role made a
//! moment ago may look like a mistake there. The blueprint lets services wait for their roles to be ready.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::error::operation::BuildError;
use aws_types::request_id::RequestId;
use glob::Pattern;

use super::service;
use crate::provider::{ErrorKind, ProviderError};

/// What a code means, whatever the service; the first line that matches holds. `*` stands for any text. A service that
/// means something else says so in its [`Service::errors`](super::service::Service::errors).
///
/// Sources: the error sections of each service's API reference.
const RULES: &[(&str, ErrorKind)] = &[
    // Credentials.
    ("AuthFailure", ErrorKind::Credentials),
    ("ExpiredToken", ErrorKind::Credentials),
    ("ExpiredTokenException", ErrorKind::Credentials),
    ("IncompleteSignature*", ErrorKind::Credentials),
    ("InvalidAccessKeyId", ErrorKind::Credentials),
    ("InvalidClientTokenId", ErrorKind::Credentials),
    ("InvalidIdentityToken*", ErrorKind::Credentials),
    ("InvalidSignatureException", ErrorKind::Credentials),
    ("InvalidToken", ErrorKind::Credentials),
    ("MissingAuthenticationToken*", ErrorKind::Credentials),
    ("RequestExpired", ErrorKind::Credentials),
    ("RequestTimeTooSkewed", ErrorKind::Credentials),
    ("SignatureDoesNotMatch", ErrorKind::Credentials),
    ("TokenRefreshRequired", ErrorKind::Credentials),
    ("UnrecognizedClientException", ErrorKind::Credentials),
    // Permissions.
    ("AccessDenied*", ErrorKind::Denied),
    ("AuthorizationError*", ErrorKind::Denied),
    ("Blocked", ErrorKind::Denied),
    ("NotAuthorized*", ErrorKind::Denied),
    ("OptInRequired", ErrorKind::Denied),
    ("PendingVerification", ErrorKind::Denied),
    ("SubscriptionRequiredException", ErrorKind::Denied),
    ("UnauthorizedOperation", ErrorKind::Denied),
    // Too many calls.
    ("BandwidthLimitExceeded", ErrorKind::Throttled),
    ("EC2ThrottledException", ErrorKind::Throttled),
    ("PriorRequestNotComplete", ErrorKind::Throttled),
    ("RequestLimitExceeded", ErrorKind::Throttled),
    ("RequestThrottled*", ErrorKind::Throttled),
    ("SlowDown", ErrorKind::Throttled),
    ("Throttl*", ErrorKind::Throttled),
    ("TooManyRequests*", ErrorKind::Throttled),
    ("TransactionInProgressException", ErrorKind::Throttled),
    // Not possible yet: it is being changed, or something uses it.
    ("*InUse*", ErrorKind::NotYet),
    ("ClusterContains*Exception", ErrorKind::NotYet),
    ("ConcurrentModification*", ErrorKind::NotYet),
    ("ConflictException", ErrorKind::NotYet),
    ("DeleteConflict*", ErrorKind::NotYet),
    ("DependencyViolation", ErrorKind::NotYet),
    ("DistributionNotDisabled", ErrorKind::NotYet),
    ("EntityTemporarilyUnmodifiable*", ErrorKind::NotYet),
    ("IncorrectState*", ErrorKind::NotYet),
    ("InvalidCacheClusterState*", ErrorKind::NotYet),
    ("InvalidCacheParameterGroupState*", ErrorKind::NotYet),
    ("InvalidDB*State", ErrorKind::NotYet),
    ("InvalidDB*StateFault", ErrorKind::NotYet),
    ("InvalidReplicationGroupState*", ErrorKind::NotYet),
    ("InvalidServerlessCacheState*", ErrorKind::NotYet),
    ("OperationAborted*", ErrorKind::NotYet),
    ("RequestInProgressException", ErrorKind::NotYet),
    ("ServiceNotActiveException", ErrorKind::NotYet),
    ("UpdateInProgressException", ErrorKind::NotYet),
    // It does not exist.
    ("*.NotFound", ErrorKind::NotFound),
    ("*NotFound", ErrorKind::NotFound),
    ("*NotFoundException", ErrorKind::NotFound),
    ("*NotFoundFault", ErrorKind::NotFound),
    ("NoSuch*", ErrorKind::NotFound),
    // The name is taken.
    ("*.Duplicate", ErrorKind::Conflict),
    ("*AlreadyExist*", ErrorKind::Conflict),
    ("BucketAlreadyOwnedByYou", ErrorKind::Conflict),
    ("ResourceExistsException", ErrorKind::Conflict),
    // Limits of the account.
    ("*LimitExceeded*", ErrorKind::Quota),
    ("*QuotaExceeded*", ErrorKind::Quota),
    ("InsufficientDB*Capacity*", ErrorKind::Quota),
    ("InsufficientStorageClusterCapacity*", ErrorKind::Quota),
    ("InsufficientCacheClusterCapacity*", ErrorKind::Quota),
    ("InsufficientInstanceCapacity", ErrorKind::Quota),
    ("TooMany*", ErrorKind::Quota),
    // AWS's own fault.
    ("InternalError*", ErrorKind::Unknown),
    ("InternalFailure*", ErrorKind::Unknown),
    ("InternalServerError*", ErrorKind::Unknown),
    ("InternalServiceError*", ErrorKind::Unknown),
    ("ServerException", ErrorKind::Unknown),
    ("ServiceFailure*", ErrorKind::Unknown),
    ("ServiceUnavailable*", ErrorKind::Unknown),
    ("Unavailable", ErrorKind::Unknown),
];

/// Makes a [`ProviderError`] of what the SDK answered: `.send().await.map_err(failed("ec2:CreateSecurityGroup"))?`.
pub fn failed<E>(operation: &'static str) -> impl FnOnce(SdkError<E, HttpResponse>) -> ProviderError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    move |error| {
        let request_id = error.request_id().map(str::to_owned);
        let (kind, code, message) = match &error {
            SdkError::ServiceError(service) => {
                let code = service.err().code().filter(|code| !code.is_empty());
                let status = service.raw().status().as_u16();
                let kind = code.and_then(|code| classify(operation, code)).unwrap_or_else(|| by_status(status));
                let message =
                    service.err().message().map_or_else(|| format!("answered {status} without a message"), one_line);
                (kind, code.map(str::to_owned), message)
            }
            SdkError::ConstructionFailure(_) => (ErrorKind::Invalid, None, chain(&error)),
            SdkError::ResponseError(response) => {
                (by_status(response.raw().status().as_u16()), None, "the answer could not be understood".to_owned())
            }
            _ if has_source::<CredentialsError>(&error) => (ErrorKind::Credentials, None, chain(&error)),
            _ => (ErrorKind::Network, None, chain(&error)),
        };
        ProviderError { kind, operation: operation.to_owned(), code, message, request_id, attribute: None }
    }
}

/// Makes a [`ProviderError`] of a request that lacks something: `Tag::builder()...build().map_err(incomplete(..))?`.
pub fn incomplete(operation: &'static str) -> impl FnOnce(BuildError) -> ProviderError {
    move |error| ProviderError::new(ErrorKind::Invalid, operation, chain(&error))
}

/// AWS's answer lacks something it always has.
pub fn unanswered(operation: &'static str, what: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Unknown, operation, format!("the answer has no {what}"))
}

/// Something that was there a moment ago.
pub fn missing(operation: &'static str, what: &str, name: &str) -> ProviderError {
    ProviderError::new(ErrorKind::NotFound, operation, format!("there is no {what} {name}"))
}

/// The same failure, as one that may pass.
pub fn not_yet(error: ProviderError) -> ProviderError {
    ProviderError { kind: ErrorKind::NotYet, ..error }
}

/// A type that has no such action.
pub fn unsupported(type_name: &str, action: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Invalid, type_name, format!("a {type_name} has no action `{action}`"))
}

/// Turns "it does not exist" into a value.
pub trait OrAbsent<T> {
    /// `None` where the error is of kind [`ErrorKind::NotFound`].
    fn or_absent(self) -> Result<Option<T>, ProviderError>;
}

impl<T> OrAbsent<T> for Result<T, ProviderError> {
    fn or_absent(self) -> Result<Option<T>, ProviderError> {
        match self {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What `code` means in `operation`; `None` for a code nobody knows.
pub fn classify(operation: &str, code: &str) -> Option<ErrorKind> {
    let (prefix, action) = operation.split_once(':').unwrap_or((operation, ""));
    let special = service::of(prefix).and_then(|service| {
        let of_operation = |(actions, codes, _): &&(&str, &str, _)| matches(actions, action) && matches(codes, code);
        service.errors.iter().find(of_operation).map(|(_, _, kind)| *kind)
    });
    let general = || RULES.iter().find(|(codes, _)| matches(codes, code)).map(|(_, kind)| *kind);
    special.or_else(general)
}

/// What an answer without a known code means.
fn by_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Credentials,
        403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        429 => ErrorKind::Throttled,
        400..=499 => ErrorKind::Invalid,
        _ => ErrorKind::Unknown,
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(text))
}

fn has_source<S: Error + 'static>(error: &dyn Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<S>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// An error and its sources on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    one_line(&text)
}

pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        let special = service::SERVICES.iter().flat_map(|service| service.errors);
        let patterns = special.flat_map(|(actions, codes, _)| [*actions, *codes]);
        for pattern in patterns.chain(RULES.iter().map(|(codes, _)| *codes)) {
            assert!(Pattern::new(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn codes_are_classified() {
        for (operation, code, kind) in [
            ("ec2:CreateSecurityGroup", "InvalidGroup.Duplicate", ErrorKind::Conflict),
            ("ec2:DeleteSecurityGroup", "DependencyViolation", ErrorKind::NotYet),
            ("ec2:DescribeSecurityGroups", "InvalidGroup.NotFound", ErrorKind::NotFound),
            ("ec2:AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound", ErrorKind::NotYet),
            ("ec2:RevokeSecurityGroupEgress", "InvalidGroup.NotFound", ErrorKind::NotYet),
            ("ec2:RevokeSecurityGroupEgress", "InvalidPermission.NotFound", ErrorKind::NotFound),
            ("ec2:DescribeVpcs", "RequestLimitExceeded", ErrorKind::Throttled),
            ("ec2:AuthorizeSecurityGroupIngress", "RulesPerSecurityGroupLimitExceeded", ErrorKind::Quota),
            ("elasticache:CreateReplicationGroup", "ServiceLinkedRoleNotFoundFault", ErrorKind::NotYet),
            ("iam:DeleteRole", "DeleteConflict", ErrorKind::NotYet),
            ("iam:GetRole", "NoSuchEntity", ErrorKind::NotFound),
            ("iam:AttachRolePolicy", "NoSuchEntity", ErrorKind::NotYet),
            ("rds:DeleteDBCluster", "InvalidDBClusterStateFault", ErrorKind::NotYet),
            ("rds:DeleteDBInstance", "InvalidDBInstanceState", ErrorKind::NotYet),
            ("rds:DescribeDBClusters", "DBClusterNotFoundFault", ErrorKind::NotFound),
            ("rds:CreateDBInstance", "DBInstanceAlreadyExists", ErrorKind::Conflict),
            ("elasticloadbalancing:DeleteTargetGroup", "ResourceInUse", ErrorKind::NotYet),
            ("elasticloadbalancing:CreateRule", "TooManyRules", ErrorKind::Quota),
            ("elasticloadbalancing:CreateRule", "PriorityInUse", ErrorKind::Conflict),
            ("cloudfront:DeleteOriginAccessControl", "OriginAccessControlInUse", ErrorKind::NotYet),
            ("cloudfront:UpdateDistribution", "CNAMEAlreadyExists", ErrorKind::Conflict),
            ("logs:CreateLogGroup", "ResourceAlreadyExistsException", ErrorKind::Conflict),
            ("ecs:DescribeServices", "ClusterNotFoundException", ErrorKind::NotFound),
            ("sts:GetCallerIdentity", "ExpiredToken", ErrorKind::Credentials),
            ("sts:GetCallerIdentity", "InvalidClientTokenId", ErrorKind::Credentials),
        ] {
            assert_eq!(classify(operation, code), Some(kind), "{operation} {code}");
        }
        assert_eq!(classify("ecs:CreateService", "InvalidParameterException"), None);
    }

    #[test]
    fn stars_stand_for_any_text() {
        assert!(matches("InvalidDB*StateFault", "InvalidDBClusterStateFault"));
        assert!(matches("*NotFound", "InvalidGroup.NotFound"));
        assert!(matches("Throttl*", "Throttling"));
        assert!(!matches("*.InUse", "ResourceInUse"));
        assert!(!matches("NotFound", "NotFoundFault"));
    }
}
