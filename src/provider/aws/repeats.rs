//! What a repeated call does, for every operation that makes something.
//!
//! An answer can be lost after AWS has done the work. The SDK would repeat the request at once, without looking. So its
//! retries are switched off for everything listed here: the engine repeats a creation itself, and a handler looks first
//! where AWS would make a second one.

/// Why the second request of a creation makes nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// The request carries a client token, by which AWS knows it again.
    Token,
    /// AWS refuses a second one of the same name, or gives back the first.
    SameName,
    /// AWS would make a second one: the handler looks for the first before it asks again.
    LookedUp,
}

/// Every operation that makes something, as IAM names it. Sources: the API reference of each operation.
pub const MAKING: &[(&str, Second)] = &[
    ("acm:RequestCertificate", Second::Token),
    ("cloudformation:CreateResource", Second::Token),
    ("cloudfront:CreateCloudFrontOriginAccessIdentity", Second::Token),
    ("cloudfront:CreateDistribution", Second::Token),
    ("cloudfront:CreateOriginAccessControl", Second::SameName),
    ("cloudfront:CreateResponseHeadersPolicy", Second::SameName),
    ("ec2:AuthorizeSecurityGroupEgress", Second::SameName),
    ("ec2:AuthorizeSecurityGroupIngress", Second::SameName),
    ("ec2:CreateSecurityGroup", Second::SameName),
    ("ecs:CreateCluster", Second::SameName),
    ("ecs:CreateService", Second::Token),
    ("ecs:RegisterTaskDefinition", Second::LookedUp),
    ("ecs:RunTask", Second::Token),
    ("elasticache:CreateCacheCluster", Second::SameName),
    ("elasticache:CreateReplicationGroup", Second::SameName),
    ("elasticloadbalancing:CreateListener", Second::SameName),
    ("elasticloadbalancing:CreateLoadBalancer", Second::SameName),
    ("elasticloadbalancing:CreateRule", Second::SameName),
    ("elasticloadbalancing:CreateTargetGroup", Second::SameName),
    ("iam:CreateGroup", Second::SameName),
    ("iam:CreatePolicy", Second::SameName),
    ("iam:CreatePolicyVersion", Second::LookedUp),
    ("iam:CreateRole", Second::SameName),
    ("logs:CreateLogGroup", Second::SameName),
    ("rds:CreateDBCluster", Second::SameName),
    ("rds:CreateDBClusterSnapshot", Second::SameName),
    ("rds:CreateDBInstance", Second::SameName),
    ("route53:ChangeResourceRecordSets", Second::SameName),
    ("s3:CreateBucket", Second::SameName),
    ("secretsmanager:CreateSecret", Second::Token),
];

/// Whether an operation makes something. The SDK has one of its own for a distribution with tags.
pub fn makes(operation: &str) -> bool {
    let operation = operation.strip_suffix("WithTags").unwrap_or(operation);
    MAKING.iter().any(|(making, _)| *making == operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_is_repeated_and_what_makes_is_not() {
        for making in ["ecs:RegisterTaskDefinition", "cloudfront:CreateDistributionWithTags", "iam:CreatePolicyVersion"]
        {
            assert!(makes(making), "{making}");
        }
        for other in ["ecs:DescribeClusters", "s3:PutBucketPolicy", "ec2:CreateTags"] {
            assert!(!makes(other), "{other}");
        }
    }
}
