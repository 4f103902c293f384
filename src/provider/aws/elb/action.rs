//! What listeners and their rules do with a request.
//!
//! AWS keeps a list of actions, of which all but the last only check who is asking. Ours have one.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, RedirectActionConfig, RedirectActionStatusCodeEnum,
};

use crate::provider::ProviderError;
use crate::provider::aws::attributes::{Attributes, Report};

/// An action as it is wanted.
pub fn wanted(attributes: &Attributes<'_>) -> Result<Action, ProviderError> {
    let kind = ActionTypeEnum::from(attributes.text("kind")?);
    let action = match kind {
        ActionTypeEnum::Forward => Action::builder().target_group_arn(attributes.text("target_group_arn")?),
        ActionTypeEnum::Redirect => {
            let redirect = attributes.table("redirect")?;
            let status_code = RedirectActionStatusCodeEnum::from(redirect.text("status_code")?);
            let redirect = RedirectActionConfig::builder()
                .set_protocol(redirect.owned_text("protocol")?)
                .set_host(redirect.owned_text("host")?)
                .set_port(redirect.owned_text("port")?)
                .status_code(status_code);
            Action::builder().redirect_config(redirect.build())
        }
        ActionTypeEnum::FixedResponse => {
            let response = attributes.table("fixed_response")?;
            let response = FixedResponseActionConfig::builder()
                .status_code(response.text("status_code")?)
                .set_content_type(response.owned_text("content_type")?)
                .set_message_body(response.owned_text("body")?);
            Action::builder().fixed_response_config(response.build())
        }
        _ => return Err(attributes.wrong("kind", "must be `forward`, `redirect` or `fixed-response`")),
    };
    Ok(action.r#type(kind).build())
}

/// The action that comes first: the only one, unless somebody has added another.
pub fn first(actions: &[Action]) -> Option<&Action> {
    actions.iter().min_by_key(|action| action.order())
}

/// Kind, target, redirect and response of an action; of these, what it has.
pub fn report(action: Option<&Action>) -> Report {
    Report::new()
        .set("kind", action.and_then(|action| action.r#type()).map(|kind| kind.as_str()))
        .set("target_group_arn", action.and_then(target_group_arn))
        .set("redirect", action.and_then(redirect))
        .set("fixed_response", action.and_then(fixed_response))
}

fn redirect(action: &Action) -> Option<Report> {
    let redirect = action.redirect_config()?;
    let report = Report::new()
        .set("protocol", redirect.protocol())
        .set("host", redirect.host())
        .set("port", redirect.port())
        .set("status_code", redirect.status_code().map(|code| code.as_str()));
    Some(report)
}

fn fixed_response(action: &Action) -> Option<Report> {
    let response = action.fixed_response_config()?;
    let report = Report::new()
        .set("status_code", response.status_code())
        .set("content_type", response.content_type())
        .set("body", response.message_body());
    Some(report)
}

/// The one target group of an action; none if it shares out requests among several.
fn target_group_arn(action: &Action) -> Option<&str> {
    let of_list = || match action.forward_config()?.target_groups() {
        [only] => only.target_group_arn(),
        _ => None,
    };
    action.target_group_arn().or_else(of_list)
}
