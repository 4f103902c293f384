//! The services of AWS, one entry each.
//!
//! A service is a folder with a [`Service`] in its `mod.rs`, and a line in [`services!`] below. Everything that the rest
//! of this provider must know of it, from the rate of its calls to what its error codes mean, stands there.
//!
//! # Guarantees
//!
//! - Clients are made when first used and live as long as the session.

use super::handler::Handler;
use super::limits::Class;
use crate::provider::ErrorKind;

/// What the program knows of a service, beside the way to talk to it.
pub struct Service {
    /// As `aws-config` names it in `AWS_ENDPOINT_URL_<SERVICE>` and in the section of a profile; empty for one that AWS
    /// does not have.
    pub id: &'static str,
    /// As IAM writes it before the names of actions: `ec2`.
    pub prefix: &'static str,
    /// Its resources stand in no region, and its limits hold for the whole account.
    pub is_global: bool,
    /// How fast it may be asked; the first class that matches holds.
    pub limits: &'static [Class],
    /// Every operation that makes something, and what a repeated call of it does. Sources: the API reference of each.
    pub makes: &'static [(&'static str, Second)],
    /// What a code means in an operation, where it is not what it means elsewhere; the first line that matches holds. `*`
    /// stands for any text. Sources: the error sections of the API reference.
    pub errors: &'static [(&'static str, &'static str, ErrorKind)],
    /// Its types, by name.
    pub handlers: &'static [&'static dyn Handler],
}

impl Service {
    /// A service of which nothing is known.
    pub const OTHER: Self =
        Self { id: "", prefix: "", is_global: false, limits: &[], makes: &[], errors: &[], handlers: &[] };
}

/// Why the second request of a creation makes nothing new.
///
/// An answer can be lost after AWS has done the work. The SDK would repeat the request at once, without looking. So its
/// retries are switched off for every operation that makes something: the engine repeats a creation itself, and a handler
/// looks first where AWS would make a second one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// The request carries a client token, by which AWS knows it again.
    Token,
    /// AWS refuses a second one of the same name, or gives back the first.
    SameName,
    /// AWS would make a second one: the handler looks for the first before it asks again.
    LookedUp,
}

/// Whether an operation, as IAM names it, makes something. The SDK has one of its own for a distribution with tags.
pub fn makes(operation: &str) -> bool {
    let Some((prefix, action)) = operation.split_once(':') else { return false };
    let action = action.strip_suffix("WithTags").unwrap_or(action);
    of(prefix).is_some_and(|service| service.makes.iter().any(|(making, _)| *making == action))
}

/// The service whose actions IAM writes with this prefix.
pub fn of(prefix: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.prefix == prefix).copied()
}

/// One line for each service: its folder, and the crate that talks to it. The session makes its clients of them.
macro_rules! services {
    ($with:path) => {
        $with! {
            acm: aws_sdk_acm;
            cloudcontrol: aws_sdk_cloudcontrol;
            cloudfront: aws_sdk_cloudfront;
            dns;
            ec2: aws_sdk_ec2;
            ecs: aws_sdk_ecs;
            elasticache: aws_sdk_elasticache;
            elb: aws_sdk_elasticloadbalancingv2;
            iam: aws_sdk_iam;
            index: aws_sdk_resourcegroupstagging;
            kms: aws_sdk_kms;
            logs: aws_sdk_cloudwatchlogs;
            rds: aws_sdk_rds;
            route53: aws_sdk_route53;
            s3: aws_sdk_s3, path_style_at_other_endpoints;
            secretsmanager: aws_sdk_secretsmanager;
            ses: aws_sdk_sesv2;
            ssm: aws_sdk_ssm;
            sts: aws_sdk_sts;
        }
    };
}

pub(super) use services;

macro_rules! table {
    ($($service:ident $(: $sdk:ident $(, $adjust:expr)?)?;)*) => {
        /// All services, by the name of their folder.
        pub static SERVICES: &[&Service] = &[$(&super::$service::SERVICE,)*];
    };
}

services!(table);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_repeated_and_what_makes_is_not() {
        for making in ["ecs:RegisterTaskDefinition", "cloudfront:CreateDistributionWithTags", "iam:CreatePolicyVersion"]
        {
            assert!(makes(making), "{making}");
        }
        for other in ["ecs:DescribeClusters", "s3:PutBucketPolicy", "ec2:CreateTags", "nothing"] {
            assert!(!makes(other), "{other}");
        }
    }

    #[test]
    fn a_prefix_is_one_service() {
        for service in SERVICES {
            assert!(std::ptr::eq(*service, of(service.prefix).expect("a service")), "{}", service.prefix);
        }
    }

    #[test]
    fn handlers_are_sorted_and_unique() {
        let handlers = SERVICES.iter().flat_map(|service| service.handlers);
        let names: Vec<_> = handlers.map(|handler| handler.type_name()).collect();
        assert!(names.is_sorted_by(|left, right| left < right), "{names:?}");
    }
}
