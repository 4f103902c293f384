//! `ses.domain_identity`: a domain that mail may be sent from, signed with keys that AWS keeps (Easy DKIM).
//!
//! Three CNAME records lead to the keys. AWS names them in the answer to the creation, and looks for them by itself.
//! <https://docs.aws.amazon.com/ses/latest/dg/send-email-authentication-dkim-easy.html>
//!
//! The subdomain for mail that comes back is a second call. A creation that stopped before it finds its identity by name
//! and tags and goes on.

use async_trait::async_trait;
use aws_sdk_sesv2::operation::get_email_identity::GetEmailIdentityOutput;
use aws_sdk_sesv2::types::{BehaviorOnMxFailure, DkimAttributes};

use super::{identity, is_own, present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::failed;
use crate::provider::aws::handler::{Handler, adopt, created, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};
use crate::secret::SecretText;

const CREATE: &str = "ses:CreateEmailIdentity";
const DELETE: &str = "ses:DeleteEmailIdentity";
const GET: &str = "ses:GetEmailIdentity";
const PUT_MAIL_FROM: &str = "ses:PutEmailIdentityMailFromAttributes";
const PUT_SET: &str = "ses:PutEmailIdentityConfigurationSetAttributes";
const TAG: &str = "ses:TagResource";

/// Where the keys are, unless an answer says otherwise.
const DKIM_ZONE: &str = "dkim.amazonses.com";

pub struct DomainIdentity;

#[async_trait]
impl Handler for DomainIdentity {
    fn type_name(&self) -> &'static str {
        "ses.domain_identity"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let name = target.identity.as_str();
        let found = identity::get(clients, GET, name).await?;
        Ok(found.map(|found| tagged(observed(name, report(name, &found)), present(found.tags()))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, GET).text("name")?;
        let own = identity::get(clients, GET, name).await?.filter(|found| is_own(&creation.tags, found.tags()));
        Ok(own.map(|_| Identity::new(name)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let request = clients
            .ses()
            .create_email_identity()
            .email_identity(name)
            .set_configuration_set_name(wanted.owned_text("configuration_set")?)
            .set_tags(Some(super::listed(&creation.tags)?));
        let answer = request.send().await.map_err(failed(CREATE)).map(|answer| answer.dkim_attributes);
        let dkim = adopt(creation, answer, || identity::holder(clients, GET, name, &creation.tags)).await?;
        return_to(clients, name, &wanted).await?;
        Ok(created(name, records(Report::new(), name, dkim.as_ref())))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let name = update.target.identity.as_str();
        let desired = desired(update, PUT_SET);
        if update.changed("configuration_set").is_some() {
            let request = clients.ses().put_email_identity_configuration_set_attributes().email_identity(name);
            let request = request.set_configuration_set_name(desired.owned_text("configuration_set")?);
            request.send().await.map_err(failed(PUT_SET))?;
        }
        if update.changed("mail_from").is_some() {
            return_to(clients, name, &desired).await?;
        }
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        tag(clients, TAG, "identity", target.identity.as_str(), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        identity::delete(clients, DELETE, target.identity.as_str()).await?;
        Ok(Deletion::Accepted)
    }
}

/// Says where mail comes back to. Without a domain it is AWS's own again.
async fn return_to(
    clients: &Clients,
    name: &str,
    attributes: &Attributes<'_, SecretText>,
) -> Result<(), ProviderError> {
    let mail_from = attributes.table("mail_from")?;
    let request = clients
        .ses()
        .put_email_identity_mail_from_attributes()
        .email_identity(name)
        .set_mail_from_domain(mail_from.owned_text("domain")?)
        .set_behavior_on_mx_failure(mail_from.optional_text("on_failure")?.map(BehaviorOnMxFailure::from));
    request.send().await.map_err(failed(PUT_MAIL_FROM))?;
    Ok(())
}

fn report(name: &str, found: &GetEmailIdentityOutput) -> Report {
    let mail_from = found.mail_from_attributes().map(|attributes| {
        Report::new()
            .set("domain", Some(attributes.mail_from_domain()).filter(|domain| !domain.is_empty()))
            .set("on_failure", attributes.behavior_on_mx_failure().as_str())
            .value()
    });
    let dkim = found.dkim_attributes();
    let failure = found.verification_info().and_then(|info| info.error_type());
    let report = identity::report(name, found)
        .set("configuration_set", found.configuration_set_name())
        .set("mail_from", mail_from.unwrap_or_default())
        .set_if("failure", failure.map(|failure| failure.as_str()));
    records(report, name, dkim)
}

/// The records that prove the domain, in the order in which AWS tells them.
fn records(report: Report, name: &str, dkim: Option<&DkimAttributes>) -> Report {
    let zone = dkim.and_then(|dkim| dkim.signing_hosted_zone()).unwrap_or(DKIM_ZONE);
    let tokens = dkim.map(DkimAttributes::tokens).unwrap_or_default();
    (1..).zip(tokens).fold(report, |report, (number, token)| {
        report
            .set(&format!("dkim_name_{number}"), format!("{token}._domainkey.{name}"))
            .set(&format!("dkim_value_{number}"), format!("{token}.{zone}"))
    })
}
