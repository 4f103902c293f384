//! How fast AWS may be asked.
//!
//! Owns a bucket of tokens per service and class of operations, in each region: a call takes a token, and where there is
//! none it waits for the next. The buckets are somewhat smaller than AWS's own, so that AWS has nothing to refuse. Where
//! it refuses all the same (somebody else asks too), the rate halves, and grows again a little with every success.
//!
//! # Guarantees
//!
//! - Calls of one class get their tokens in the order in which they ask.
//! - Refusals of calls that were on their way together halve the rate once.
//! - The arithmetic knows no clock: every instant is given, as the time since the session began.
//!
//! # Sources
//!
//! AWS publishes limits for EC2
//! (<https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>), ECS
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html>), Secrets Manager
//! (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html>) and, as quotas of requests per
//! second, for ACM, CloudWatch Logs and SSM (<https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html>).
//! For the others it does not, and their rates are careful guesses, which is what the halving is for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::service::{self, Service};

/// What may be asked of a class of operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Calls at once after a rest.
    pub burst: f64,
    /// Calls a second in the long run.
    pub per_second: f64,
}

/// Operations that share a bucket. A pattern is a beginning of the operation's name.
#[derive(Debug)]
pub struct Class {
    operations: &'static [&'static str],
    limit: Limit,
}

/// A class of a service's operations, with the calls at once after a rest and those a second in the long run.
pub const fn class(operations: &'static [&'static str], burst: f64, per_second: f64) -> Class {
    Class { operations, limit: Limit { burst, per_second } }
}

/// For operations that no class has.
const OTHER: Limit = Limit { burst: 10.0, per_second: 2.0 };

/// The lowest rate, as a part of the limit.
const SLOWEST: f64 = 1.0 / 32.0;
/// How much a success raises the rate, as a part of the limit.
const STEP: f64 = 1.0 / 20.0;

/// Which bucket a call takes its token from: the service, the number of the class among the service's (one past the last
/// for none), and the region, which is empty where the limits of a service hold for the whole account.
type Key = (&'static str, usize, String);

/// The bucket of an operation, and what may be asked of it.
fn bucket_of(operation: &str, region: &str) -> (Key, Limit) {
    let (prefix, action) = operation.split_once(':').unwrap_or((operation, ""));
    let service = service::of(prefix).unwrap_or(&Service::OTHER);
    let matches = |class: &Class| class.operations.iter().any(|beginning| action.starts_with(beginning));
    let class = service.limits.iter().position(matches).unwrap_or(service.limits.len());
    let limit = service.limits.get(class).map_or(OTHER, |class| class.limit);
    let region = if service.is_global { "" } else { region };
    ((service.prefix, class, region.to_owned()), limit)
}

/// The tokens of one class.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    limit: Limit,
    /// Tokens that come back in a second.
    rate: f64,
    /// Below zero: that many calls are waiting.
    tokens: f64,
    /// When the tokens were counted.
    counted: Duration,
    /// When the rate was halved last.
    halved: Option<Duration>,
}

impl Bucket {
    /// A full bucket.
    pub fn new(limit: Limit, now: Duration) -> Self {
        Self { limit, rate: limit.per_second, tokens: limit.burst, counted: now, halved: None }
    }

    /// Takes a token, and says how long to wait until it is there.
    pub fn take(&mut self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.counted).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.limit.burst) - 1.0;
        self.counted = self.counted.max(now);
        if self.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.tokens / self.rate) }
    }

    /// AWS has done what a call asked.
    pub fn succeeded(&mut self) {
        self.rate = (self.rate + self.limit.per_second * STEP).min(self.limit.per_second);
    }

    /// AWS has refused a call, sent at `sent`, because there were too many. What was saved up is gone, too: AWS's own
    /// bucket is empty.
    pub fn throttled(&mut self, sent: Duration, now: Duration) {
        if self.halved.is_some_and(|halved| sent < halved) {
            return;
        }
        self.halved = Some(now);
        self.rate = (self.rate / 2.0).max(self.limit.per_second * SLOWEST);
        self.tokens = self.tokens.min(0.0);
        self.counted = self.counted.max(now);
    }

    /// Calls a second at present.
    pub fn rate(&self) -> f64 {
        self.rate
    }
}

/// All buckets of a session.
#[derive(Debug, Default)]
pub struct Limits(Mutex<BTreeMap<Key, Bucket>>);

impl Limits {
    /// Takes a token for a call, and says how long to wait until it is there.
    pub fn take(&self, operation: &str, region: &str, now: Duration) -> Duration {
        self.with(operation, region, now, |bucket| bucket.take(now))
    }

    /// What became of a call that was sent at `sent`: whether it was one too many.
    pub fn tell(&self, operation: &str, region: &str, sent: Duration, now: Duration, throttled: bool) {
        self.with(operation, region, now, |bucket| match throttled {
            true => bucket.throttled(sent, now),
            false => bucket.succeeded(),
        });
    }

    fn with<T>(&self, operation: &str, region: &str, now: Duration, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let (key, limit) = bucket_of(operation, region);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(buckets.entry(key).or_insert_with(|| Bucket::new(limit, now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { burst: 3.0, per_second: 2.0 };

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_one_by_one() {
        let mut bucket = Bucket::new(LIMIT, at(0));
        let waits: Vec<Duration> = (0..6).map(|_| bucket.take(at(0))).collect();
        assert_eq!(waits, [at(0), at(0), at(0), at(500), at(1000), at(1500)]);
        // Whoever comes later waits behind them.
        assert_eq!(bucket.take(at(1000)), at(1000));
        // After a rest the bucket is full, and not more than that.
        let waits: Vec<Duration> = (0..4).map(|_| bucket.take(at(60_000))).collect();
        assert_eq!(waits, [at(0), at(0), at(0), at(500)]);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_no_tokens() {
        let mut bucket = Bucket::new(LIMIT, at(1000));
        for _ in 0..3 {
            assert_eq!(bucket.take(at(1000)), at(0));
        }
        assert_eq!(bucket.take(at(500)), at(500));
        assert_eq!(bucket.take(at(1000)), at(1000));
    }

    #[test]
    fn a_refusal_halves_the_rate_and_successes_bring_it_back() {
        let mut bucket = Bucket::new(LIMIT, at(0));
        bucket.take(at(0));
        bucket.throttled(at(0), at(100));
        assert_eq!(bucket.rate(), 1.0);
        // What was saved up is gone.
        assert_eq!(bucket.take(at(100)), at(1000));
        for _ in 0..9 {
            bucket.succeeded();
        }
        assert!((bucket.rate() - 1.9).abs() < 1e-9, "{}", bucket.rate());
        for _ in 0..9 {
            bucket.succeeded();
        }
        assert_eq!(bucket.rate(), LIMIT.per_second, "never above the limit");
    }

    #[test]
    fn refusals_of_one_wave_count_once() {
        let mut bucket = Bucket::new(LIMIT, at(0));
        for _ in 0..5 {
            bucket.throttled(at(10), at(100));
        }
        assert_eq!(bucket.rate(), 1.0);
        bucket.throttled(at(150), at(200));
        assert_eq!(bucket.rate(), 0.5);
        for round in 3..40 {
            bucket.throttled(at(round * 100), at(round * 100));
        }
        assert_eq!(bucket.rate(), LIMIT.per_second * SLOWEST, "it never stops");
    }

    #[test]
    fn classes_and_regions_have_buckets_of_their_own() {
        let limits = Limits::default();
        let first_wait = |operation: &str, region: &str| {
            (1..1000).find(|_| !limits.take(operation, region, at(0)).is_zero()).expect("an end")
        };
        assert_eq!(first_wait("ec2:CreateSecurityGroup", "eu-central-1"), 41);
        assert_eq!(first_wait("ec2:RevokeSecurityGroupEgress", "eu-central-1"), 1, "the same class");
        assert_eq!(first_wait("ec2:CreateSecurityGroup", "us-east-1"), 41);
        assert_eq!(first_wait("ec2:DescribeVpcs", "eu-central-1"), 81);
        assert_eq!(first_wait("iam:GetRole", "eu-central-1"), 151);
        assert_eq!(first_wait("iam:GetRole", "us-east-1"), 1, "one for the whole account");
        assert_eq!(first_wait("games:Play", "us-east-1"), 11);
    }

    #[test]
    fn a_refusal_reaches_its_own_class_alone() {
        let limits = Limits::default();
        limits.take("rds:DescribeDBClusters", "eu-central-1", at(0));
        limits.tell("rds:DescribeDBClusters", "eu-central-1", at(0), at(50), true);
        assert!(!limits.take("rds:DescribeDBInstances", "eu-central-1", at(50)).is_zero());
        assert!(limits.take("rds:CreateDBCluster", "eu-central-1", at(50)).is_zero());
    }

    #[test]
    fn every_class_can_be_reached() {
        let of_service = |service: &&'static Service| {
            let service = *service;
            service.limits.iter().enumerate().map(move |(number, class)| (service, number, class))
        };
        for (service, number, class) in service::SERVICES.iter().flat_map(of_service) {
            for beginning in class.operations {
                let ((prefix, found, _), _) = bucket_of(&format!("{}:{beginning}Something", service.prefix), "");
                assert_eq!((prefix, found), (service.prefix, number), "{beginning}");
            }
            assert!(class.limit.burst >= 1.0 && class.limit.per_second > 0.0);
        }
    }
}
