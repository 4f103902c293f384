//! Elastic Load Balancing: load balancers, listeners, their rules, target groups.
//!
//! AWS answers the creation of a load balancer or target group whose name and settings exist already with the existing
//! one, whoever made it. So the handlers of both look for the name before they create, and take only what carries our
//! tags.

pub mod listener;
pub mod listener_rule;
pub mod load_balancer;
pub mod target_group;

mod action;

use std::future::Future;

use super::error::{OrAbsent, failed};
use super::handler::Handler;
use super::session::Clients;
use super::tags::{Tags, has_all};
use super::wave::wave;
use crate::provider::{ErrorKind, ProviderError};

/// The types of this service, by name.
pub static HANDLERS: &[&dyn Handler] =
    &[&listener::Listener, &listener_rule::ListenerRule, &load_balancer::LoadBalancer, &target_group::TargetGroup];

const DESCRIBE_TAGS: &str = "elasticloadbalancing:DescribeTags";

/// How many resources one call describes.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeLoadBalancers.html>
const BATCH: usize = 20;

/// Describes those of `arns` that exist. AWS refuses a call if one of its ARNs does not exist; those of such a call
/// are asked for one by one.
async fn describe_existing<T, F>(arns: &[String], describe: impl Fn(Vec<String>) -> F) -> Result<Vec<T>, ProviderError>
where
    F: Future<Output = Result<Vec<T>, ProviderError>>,
{
    let mut existing = Vec::new();
    let answers = wave(arns.chunks(BATCH).map(|batch| describe(batch.to_vec())).collect()).await;
    for (batch, answer) in arns.chunks(BATCH).zip(answers) {
        match answer.or_absent()? {
            Some(answer) => existing.extend(answer),
            None if batch.len() > 1 => {
                for answer in wave(batch.iter().map(|arn| describe(vec![arn.clone()])).collect()).await {
                    existing.extend(answer.or_absent()?.into_iter().flatten());
                }
            }
            None => {}
        }
    }
    Ok(existing)
}

/// Whether a resource carries all of `tags`. One that has gone meanwhile carries none.
async fn carries(clients: &Clients, arn: &str, tags: &Tags) -> Result<bool, ProviderError> {
    let request = clients.elb().describe_tags().resource_arns(arn);
    let Some(answer) = request.send().await.map_err(failed(DESCRIBE_TAGS)).or_absent()? else { return Ok(false) };
    let present = answer.tag_descriptions().iter().flat_map(|description| description.tags());
    Ok(has_all(tags, present.filter_map(|tag| tag.key().zip(tag.value()))))
}

/// The name of what shall be created belongs to something else.
fn taken(operation: &'static str, what: &str, name: &str) -> ProviderError {
    let message = format!("there is a {what} `{name}` already, which is not the wanted one");
    ProviderError::new(ErrorKind::Conflict, operation, message)
}
