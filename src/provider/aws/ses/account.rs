//! `ses.account`: what SES lets the account do in a region, looked up and never changed.

use async_trait::async_trait;
use aws_sdk_sesv2::operation::get_account::GetAccountOutput;
use aws_sdk_sesv2::types::SendQuota;

use crate::provider::aws::attributes::Report;
use crate::provider::aws::error::failed;
use crate::provider::aws::handler::Handler;
use crate::provider::aws::session::Clients;
use crate::provider::{Lookup, ProviderError};
use crate::value::Value;

const GET: &str = "ses:GetAccount";

/// More than anybody sends in a day.
const UNLIMITED: f64 = 1e9;

pub struct Account;

#[async_trait]
impl Handler for Account {
    fn type_name(&self) -> &'static str {
        "ses.account"
    }

    async fn lookup(&self, clients: &Clients, _: &Lookup) -> Result<Value, ProviderError> {
        let account = clients.ses().get_account().send().await.map_err(failed(GET))?;
        let quota = account.send_quota();
        Ok(Report::new()
            .set("production", account.production_access_enabled())
            .set("sending", account.sending_enabled())
            .set("mails_a_day", quota.map(|quota| quota.max24_hour_send()))
            .set("mails_a_second", quota.map(|quota| quota.max_send_rate()))
            .set("mails_sent", quota.map(|quota| quota.sent_last24_hours()))
            .set("mails_left", quota.map(left))
            .set("reputation", account.enforcement_status())
            .set("review", review(&account))
            .value())
    }
}

/// How many mails may still be sent today. AWS writes -1 where there is no limit.
fn left(quota: &SendQuota) -> f64 {
    match quota.max24_hour_send() {
        most if most < 0.0 => UNLIMITED,
        most => (most - quota.sent_last24_hours()).max(0.0),
    }
}

/// What has become of the request to leave the sandbox; `NONE` if nobody has made one.
pub(super) fn review(account: &GetAccountOutput) -> &str {
    let review = account.details().and_then(|details| details.review_details()).and_then(|review| review.status());
    match review {
        Some(review) => review.as_str(),
        None if account.production_access_enabled() => "GRANTED",
        None => "NONE",
    }
}
