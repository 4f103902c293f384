//! What a domain and an address have in common: to AWS they are one type.

use aws_sdk_sesv2::operation::get_email_identity::GetEmailIdentityOutput;
use aws_sdk_sesv2::types::DkimAttributes;

use super::is_own;
use crate::provider::ProviderError;
use crate::provider::aws::attributes::Report;
use crate::provider::aws::error::{OrAbsent, failed};
use crate::provider::aws::handler::Standing;
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;

/// Reads an identity; `None` if there is none of this name.
pub(super) async fn get(
    clients: &Clients,
    operation: &'static str,
    name: &str,
) -> Result<Option<GetEmailIdentityOutput>, ProviderError> {
    clients.ses().get_email_identity().email_identity(name).send().await.map_err(failed(operation)).or_absent()
}

/// What both kinds tell of themselves.
pub(super) fn report(name: &str, found: &GetEmailIdentityOutput) -> Report {
    // A domain is the same in any case, and SES does not say which one it has. The file has it in lower case.
    let name = if name.contains('@') { name.to_owned() } else { name.to_ascii_lowercase() };
    Report::new().set("name", name).set_if("status", found.verification_status().map(|status| status.as_str()))
}

/// Who has the name of an identity that AWS refuses to make.
pub(super) async fn holder(
    clients: &Clients,
    operation: &'static str,
    name: &str,
    tags: &Tags,
) -> Result<Standing<Option<DkimAttributes>>, ProviderError> {
    Ok(match get(clients, operation, name).await? {
        Some(found) if is_own(tags, found.tags()) => Standing::Ours(found.dkim_attributes),
        Some(_) => {
            let message = format!("SES knows {name} in this region already, and it was not made for this instance");
            Standing::Taken(Some(message))
        }
        None => Standing::Taken(None),
    })
}

/// Deletes an identity.
pub(super) async fn delete(clients: &Clients, operation: &'static str, name: &str) -> Result<(), ProviderError> {
    let request = clients.ses().delete_email_identity().email_identity(name);
    request.send().await.map_err(failed(operation)).or_absent()?;
    Ok(())
}
