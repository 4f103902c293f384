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

use std::collections::BTreeMap;
use std::future::Future;

use aws_sdk_elasticloadbalancingv2::types::TagDescription;

use super::attributes::{Attributes, Report};
use super::error::{OrAbsent, failed};
use super::handler::{TagSource, Told, required_arn};
use super::index::Index;
use super::limits::class;
use super::service::{Second, Service};
use super::session::Clients;
use super::tags::{self, Tags, has_all, tag_list};
use super::wave::wave;
use crate::provider::{ErrorKind, Observed, ProviderError, Target};
use crate::value::{Tree, Value};

/// The service.
pub static SERVICE: Service = Service {
    id: "Elastic Load Balancing v2",
    prefix: "elasticloadbalancing",
    limits: &[class(&["Describe"], 40.0, 8.0), class(&[""], 20.0, 4.0)],
    makes: &[
        ("CreateListener", Second::SameName),
        ("CreateLoadBalancer", Second::SameName),
        ("CreateRule", Second::SameName),
        ("CreateTargetGroup", Second::SameName),
    ],
    errors: &[
        ("DeleteLoadBalancer", "OperationNotPermitted", ErrorKind::Invalid),
        ("*", "PriorityInUse", ErrorKind::Conflict),
        ("*", "TargetGroupAssociationLimit", ErrorKind::NotYet),
        ("CreateListener", "CertificateNotFound", ErrorKind::NotYet),
        ("CreateListener", "LoadBalancerNotFound", ErrorKind::NotYet),
        ("CreateLoadBalancer", "InvalidSecurityGroup", ErrorKind::NotYet),
        ("CreateRule", "ListenerNotFound", ErrorKind::NotYet),
        ("Create*", "TargetGroupNotFound", ErrorKind::NotYet),
        ("Modify*Attributes", "*NotFound", ErrorKind::NotYet),
        ("ModifyListener", "TargetGroupNotFound", ErrorKind::NotYet),
        ("ModifyRule", "TargetGroupNotFound", ErrorKind::NotYet),
        ("*", "Duplicate*", ErrorKind::Conflict),
    ],
    handlers: &[
        &listener::Listener,
        &listener_rule::ListenerRule,
        &load_balancer::LoadBalancer,
        &target_group::TargetGroup,
    ],
    ..Service::OTHER
};

tag_list!(aws_sdk_elasticloadbalancingv2::types::Tag);

const ADD_TAGS: &str = "elasticloadbalancing:AddTags";
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

/// All types of this service have their tags from one call, by ARN. The index of tags lags behind, and does not have
/// listeners and rules everywhere.
const TAGS: TagSource = TagSource::Arns("elasticloadbalancing");

/// Reads the tags of what was just read, in its order.
async fn told(clients: &Clients, observed: &[&Observed]) -> Vec<Result<Told, ProviderError>> {
    let arns = observed.iter().map(|observed| required_arn(observed, DESCRIBE_TAGS).map(str::to_owned));
    let arns: Vec<String> = match arns.collect() {
        Ok(arns) => arns,
        Err(error) => return vec![Err(error); observed.len()],
    };
    match tags_of(clients, &arns).await {
        Ok(tags) => arns.iter().map(|arn| Ok(tags.get(arn).cloned().map_or(Told::Gone, Told::Tags))).collect(),
        Err(error) => vec![Err(error); arns.len()],
    }
}

/// The tags of those of `arns` that exist, whatever types they are of.
async fn tags_of(clients: &Clients, arns: &[String]) -> Result<Index, ProviderError> {
    let descriptions = describe_existing(arns, |arns| describe_tags(clients, arns)).await?;
    let entry = |description: TagDescription| {
        let present = description.tags().iter().filter_map(|tag| tag.key().zip(tag.value()));
        let present = tags::collected(present);
        Some((description.resource_arn?, present))
    };
    Ok(descriptions.into_iter().filter_map(entry).collect())
}

async fn describe_tags(clients: &Clients, arns: Vec<String>) -> Result<Vec<TagDescription>, ProviderError> {
    let answer = clients.elb().describe_tags().set_resource_arns(Some(arns)).send().await;
    Ok(answer.map_err(failed(DESCRIBE_TAGS))?.tag_descriptions.unwrap_or_default())
}

/// Puts tags on anything of this service.
async fn tag(clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
    let request = clients.elb().add_tags().resource_arns(target.identity.as_str()).set_tags(Some(listed(tags)));
    request.send().await.map_err(failed(ADD_TAGS))?;
    Ok(())
}

/// A setting of a load balancer or of a target group, which AWS calls an attribute. It is a text with a key, with calls of its
/// own for writing and reading, and one of our attributes: a number or a flag.
#[derive(Clone, Copy)]
struct Setting {
    attribute: &'static str,
    key: &'static str,
}

/// The texts of those settings whose attributes are `chosen`, by key.
fn texts(
    settings: &[Setting],
    attributes: &Attributes<'_>,
    chosen: impl Fn(&str) -> bool,
) -> Result<Vec<(&'static str, String)>, ProviderError> {
    let text = |setting: &Setting| match attributes.get(setting.attribute) {
        Some(Tree::Integer(number)) => Ok((setting.key, number.to_string())),
        Some(Tree::Bool(flag)) => Ok((setting.key, flag.to_string())),
        Some(_) => Err(attributes.wrong(setting.attribute, "must be an integer or a boolean")),
        None => Err(attributes.wrong(setting.attribute, "is missing")),
    };
    settings.iter().filter(|setting| chosen(setting.attribute)).map(text).collect()
}

/// A report with what the texts say. Nothing is known of a setting without a text.
fn with_settings(report: Report, settings: &[Setting], texts: Option<&BTreeMap<String, String>>) -> Report {
    let value = |text: &String| {
        let number = text.parse::<i64>().map(Value::from);
        number.ok().or_else(|| text.parse::<bool>().ok().map(Value::from))
    };
    settings.iter().fold(report, |report, setting| {
        let text = texts.and_then(|texts| texts.get(setting.key));
        report.set_if(setting.attribute, text.and_then(value))
    })
}

/// The name of what shall be created belongs to something else.
fn taken(operation: &'static str, what: &str, name: &str) -> ProviderError {
    let message = format!("there is a {what} `{name}` already, which is not the wanted one");
    ProviderError::new(ErrorKind::Conflict, operation, message)
}
