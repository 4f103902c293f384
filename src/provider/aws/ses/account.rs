//! `ses.account`: what SES lets the account do in a region, looked up and never changed.

use async_trait::async_trait;
use aws_sdk_sesv2::operation::get_account::GetAccountOutput;

use crate::provider::aws::attributes::Report;
use crate::provider::aws::error::failed;
use crate::provider::aws::handler::Handler;
use crate::provider::aws::session::Clients;
use crate::provider::{Lookup, ProviderError};
use crate::value::Value;

const GET: &str = "ses:GetAccount";

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
            .set("review", review(&account))
            .value())
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
