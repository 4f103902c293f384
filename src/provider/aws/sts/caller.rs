//! `sts.caller`: the account that the credentials belong to, looked up and never changed.
//!
//! It is what [`Provider::account`](crate::provider::Provider::account) asks for, with the same answer: no further call.

use async_trait::async_trait;

use crate::provider::aws::attributes::Report;
use crate::provider::aws::handler::Handler;
use crate::provider::aws::session::Clients;
use crate::provider::{Lookup, ProviderError};
use crate::value::Value;

pub struct Caller;

#[async_trait]
impl Handler for Caller {
    fn type_name(&self) -> &'static str {
        "sts.caller"
    }

    async fn lookup(&self, clients: &Clients, _: &Lookup) -> Result<Value, ProviderError> {
        let caller = clients.caller().await?;
        let report = Report::new().set("account", caller.account.as_str());
        Ok(report.set("partition", caller.partition.as_str()).value())
    }
}
