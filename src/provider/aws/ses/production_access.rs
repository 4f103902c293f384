//! `ses.production_access`: a request to AWS to let the account out of the sandbox of SES.
//!
//! An account has one such request in a region, and no tags for it. An account that is out already is asked for nothing:
//! what AWS knows of it stays as it is.

use async_trait::async_trait;
use aws_sdk_sesv2::operation::get_account::GetAccountOutput;
use aws_sdk_sesv2::types::{ContactLanguage, MailType};

use super::account::review;
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, wanted};
use crate::provider::aws::error::failed;
use crate::provider::aws::handler::{Handler, created, observed};
use crate::provider::aws::session::Clients;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};

const GET: &str = "ses:GetAccount";
const PUT: &str = "ses:PutAccountDetails";

pub struct ProductionAccess;

#[async_trait]
impl Handler for ProductionAccess {
    fn type_name(&self) -> &'static str {
        "ses.production_access"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let domain = target.identity.as_str();
        let account = get(clients).await?;
        let report = Report::new().set("domain", domain).set("status", review(&account));
        Ok(Some(observed(domain, report)))
    }

    /// A second request changes nothing while AWS looks at the first one, so it need not be found.
    async fn find(&self, _: &Clients, _: &Creation) -> Result<Vec<Identity>, ProviderError> {
        Ok(Vec::new())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, PUT);
        let domain = wanted.text("domain")?;
        if !get(clients).await?.production_access_enabled() {
            let request = clients
                .ses()
                .put_account_details()
                .mail_type(MailType::Transactional)
                .website_url(wanted.text("website")?)
                .contact_language(ContactLanguage::En)
                .use_case_description(wanted.text("use_case")?)
                .set_additional_contact_email_addresses(
                    wanted.optional_texts("contacts")?.filter(|contacts| !contacts.is_empty()),
                )
                .production_access_enabled(true);
            match request.send().await.map_err(failed(PUT)) {
                Ok(_) => {}
                // AWS looks at an earlier request.
                Err(error) if error.code.as_deref() == Some("ConflictException") => {}
                Err(error) => return Err(error),
            }
        }
        Ok(created(domain, Report::new()))
    }

    async fn update(&self, _: &Clients, _: &Update) -> Result<(), ProviderError> {
        Ok(())
    }

    /// What AWS was told cannot be taken back.
    async fn delete(&self, _: &Clients, _: &Target) -> Result<Deletion, ProviderError> {
        Ok(Deletion::Accepted)
    }
}

async fn get(clients: &Clients) -> Result<GetAccountOutput, ProviderError> {
    clients.ses().get_account().send().await.map_err(failed(GET))
}
