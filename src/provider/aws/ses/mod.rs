//! SES: identities, the rules that their mail follows, the user who sends it, and what AWS lets the account do.
//!
//! The API is that of version 2; IAM knows its actions by the prefix of version 1, `ses`.

pub mod account;
pub mod address_identity;
pub mod configuration_set;
pub mod domain_identity;
mod identity;
pub mod production_access;
mod smtp_password;
pub mod smtp_user;

use super::error::failed;
use super::limits::class;
use super::service::{Second, Service};
use super::session::Clients;
use super::tags::{self, Tags, tag_list};
use crate::provider::{ErrorKind, ProviderError};

/// The service. It takes one call of most actions in a second.
/// <https://docs.aws.amazon.com/ses/latest/dg/quotas.html>
pub static SERVICE: Service = Service {
    id: "SESv2",
    prefix: "ses",
    limits: &[
        class(&["GetAccount"], 2.0, 1.0),
        class(&["GetConfigurationSet"], 2.0, 1.0),
        class(&["GetEmailIdentity"], 2.0, 1.0),
        class(&[""], 2.0, 1.0),
    ],
    makes: &[("CreateConfigurationSet", Second::SameName), ("CreateEmailIdentity", Second::SameName)],
    errors: &[
        // The configuration set, or the identity itself, was made a moment ago.
        ("CreateEmailIdentity", "NotFoundException", ErrorKind::NotYet),
        ("Put*", "NotFoundException", ErrorKind::NotYet),
    ],
    handlers: &[
        &account::Account,
        &address_identity::AddressIdentity,
        &configuration_set::ConfigurationSet,
        &domain_identity::DomainIdentity,
        &production_access::ProductionAccess,
        &smtp_user::SmtpUser,
    ],
    ..Service::OTHER
};

tag_list!(aws_sdk_sesv2::types::Tag, "ses:TagResource");

/// Puts tags on something of SES, which its answers do not name by ARN: `kind` is `identity` or `configuration-set`.
async fn tag(
    clients: &Clients,
    operation: &'static str,
    kind: &str,
    name: &str,
    tags: &Tags,
) -> Result<(), ProviderError> {
    let caller = clients.caller().await?;
    let arn = format!("arn:{}:ses:{}:{}:{kind}/{name}", caller.partition, clients.region(), caller.account);
    let request = clients.ses().tag_resource().resource_arn(arn).set_tags(Some(listed(tags)?));
    request.send().await.map_err(failed(operation))?;
    Ok(())
}

/// Whether `tags` holds every ownership tag of `wanted`.
fn is_own(wanted: &Tags, tags: &[aws_sdk_sesv2::types::Tag]) -> bool {
    tags::has_all(wanted, present(tags))
}

fn present(tags: &[aws_sdk_sesv2::types::Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().map(|tag| (tag.key(), tag.value()))
}
