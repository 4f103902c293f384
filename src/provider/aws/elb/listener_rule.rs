//! `elb.listener_rule`: an exception to what a listener does.

use async_trait::async_trait;
use aws_sdk_elasticloadbalancingv2::types::{
    HostHeaderConditionConfig, PathPatternConditionConfig, Rule, RuleCondition, RulePriorityPair,
};

use super::{TAGS, action, carries, describe_existing, tag, tags_of, told};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{
    Handler, TagSource, Told, adopt, by_identity, created, identities, observed, standing,
};
use crate::provider::aws::index::Index;
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const CREATE: &str = "elasticloadbalancing:CreateRule";
const DELETE: &str = "elasticloadbalancing:DeleteRule";
const DESCRIBE: &str = "elasticloadbalancing:DescribeRules";
const MODIFY: &str = "elasticloadbalancing:ModifyRule";
const SET_PRIORITIES: &str = "elasticloadbalancing:SetRulePriorities";

const HOST_HEADER: &str = "host-header";
const PATH_PATTERN: &str = "path-pattern";

pub struct ListenerRule;

#[async_trait]
impl Handler for ListenerRule {
    fn type_name(&self) -> &'static str {
        "elb.listener_rule"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let rules = describe_existing(&identities(targets), |arns| describe(clients, arns)).await;
        by_identity(targets, rules.map(|rules| rules.iter().map(report).collect()))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let wanted = wanted(creation, DESCRIBE);
        let priority = wanted.integer("priority")?.to_string();
        let request = clients.elb().describe_rules().listener_arn(wanted.text("listener_arn")?);
        let rules = request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let rules = rules.map_err(failed(DESCRIBE)).or_absent()?.unwrap_or_default();
        let mut found = Vec::new();
        for rule in rules.into_iter().filter(|rule| rule.priority() == Some(&priority)) {
            let arn = rule.rule_arn.unwrap_or_default();
            if carries(clients, &arn, &creation.tags).await? {
                found.push(Identity::new(arn));
            }
        }
        Ok(found)
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let request = clients
            .elb()
            .create_rule()
            .listener_arn(wanted.text("listener_arn")?)
            .priority(wanted.integer("priority")?)
            .set_conditions(Some(conditions(&wanted)?))
            .actions(action::wanted(&wanted.table("action")?)?)
            .set_tags(Some(super::listed(&creation.tags)));
        let answer = request.send().await.map_err(failed(CREATE)).and_then(|answer| {
            let made = answer.rules.into_iter().flatten().next();
            made.and_then(|rule| rule.rule_arn).map(Identity::new).ok_or_else(|| unanswered(CREATE, "arn"))
        });
        let arn = adopt(creation, answer, || standing(self, clients, creation)).await?.0;
        Ok(created(arn.clone(), Report::new().set("arn", arn)))
    }

    /// AWS wants all conditions again when one of them changes, and the priority in a call of its own.
    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let desired = desired(update, MODIFY);
        let arn = update.target.identity.as_str();
        let other_conditions = update.changed("path_patterns").is_some() || update.changed("host_headers").is_some();
        let other_action = update.changed("action").is_some();
        if other_conditions || other_action {
            let mut request = clients.elb().modify_rule().rule_arn(arn);
            if other_conditions {
                request = request.set_conditions(Some(conditions(&desired)?));
            }
            if other_action {
                request = request.actions(action::wanted(&desired.table("action")?)?);
            }
            request.send().await.map_err(failed(MODIFY))?;
        }
        if update.changed("priority").is_some() {
            let priority = RulePriorityPair::builder().rule_arn(arn).priority(desired.integer("priority")?).build();
            let request = clients.elb().set_rule_priorities().rule_priorities(priority);
            request.send().await.map_err(failed(SET_PRIORITIES))?;
        }
        Ok(())
    }

    fn tag_source(&self) -> TagSource {
        TAGS
    }

    async fn tags_by_arn(&self, clients: &Clients, arns: &[String]) -> Result<Index, ProviderError> {
        tags_of(clients, arns).await
    }

    async fn tags_of_all(&self, clients: &Clients, observed: &[&Observed]) -> Vec<Result<Told, ProviderError>> {
        told(clients, observed).await
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        tag(clients, target, tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.elb().delete_rule().rule_arn(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

fn conditions(attributes: &Attributes<'_>) -> Result<Vec<RuleCondition>, ProviderError> {
    let mut conditions = Vec::new();
    let paths = attributes.texts("path_patterns")?;
    if !paths.is_empty() {
        let paths = PathPatternConditionConfig::builder().set_values(Some(paths)).build();
        conditions.push(RuleCondition::builder().field(PATH_PATTERN).path_pattern_config(paths).build());
    }
    let hosts = attributes.texts("host_headers")?;
    if !hosts.is_empty() {
        let hosts = HostHeaderConditionConfig::builder().set_values(Some(hosts)).build();
        conditions.push(RuleCondition::builder().field(HOST_HEADER).host_header_config(hosts).build());
    }
    if conditions.is_empty() {
        return Err(attributes.wrong("path_patterns", "is empty, and so is `host_headers`: a rule needs one of them"));
    }
    Ok(conditions)
}

/// The values of a condition; none if the rule has no such condition.
fn values(rule: &Rule, field: &str) -> Option<Vec<String>> {
    let condition = rule.conditions().iter().find(|condition| condition.field() == Some(field))?;
    let paths = condition.path_pattern_config().map(|config| config.values());
    let hosts = condition.host_header_config().map(|config| config.values());
    // AWS tells the values twice: in the field's own table, and in a list that once was the only place for them.
    let values = paths.or(hosts).filter(|values| !values.is_empty()).unwrap_or(condition.values());
    Some(values.to_vec())
}

async fn describe(clients: &Clients, arns: Vec<String>) -> Result<Vec<Rule>, ProviderError> {
    let request = clients.elb().describe_rules().set_rule_arns(Some(arns));
    Ok(request.send().await.map_err(failed(DESCRIBE))?.rules.unwrap_or_default())
}

fn report(rule: &Rule) -> Observed {
    let arn = rule.rule_arn().unwrap_or_default();
    let report = Report::new()
        .set_if("listener_arn", listener_of(arn))
        .set("priority", rule.priority().and_then(|priority| priority.parse::<i64>().ok()))
        .set("path_patterns", values(rule, PATH_PATTERN))
        .set("host_headers", values(rule, HOST_HEADER))
        .set("action", action::report(action::first(rule.actions())))
        .set("arn", arn);
    observed(arn, report)
}

/// A rule does not tell its listener, but its ARN is the listener's with one more part.
fn listener_of(arn: &str) -> Option<String> {
    let (listener, _) = arn.rsplit_once('/')?;
    Some(listener.replacen(":listener-rule/", ":listener/", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_tells_its_listener() {
        let rule = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener-rule/app/social/50dc/f2f7/9683";
        let listener = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/social/50dc/f2f7";
        assert_eq!(listener_of(rule).as_deref(), Some(listener));
    }

    #[test]
    fn values_are_found_in_either_place() {
        let old = RuleCondition::builder().field(PATH_PATTERN).values("/old").build();
        let hosts = HostHeaderConditionConfig::builder().values("social.example").build();
        let new = RuleCondition::builder().field(HOST_HEADER).host_header_config(hosts).build();
        let rule = Rule::builder().conditions(old).conditions(new).build();
        assert_eq!(values(&rule, PATH_PATTERN), Some(vec!["/old".to_owned()]));
        assert_eq!(values(&rule, HOST_HEADER), Some(vec!["social.example".to_owned()]));
        assert_eq!(values(&rule, "source-ip"), None);
    }
}
