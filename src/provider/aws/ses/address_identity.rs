//! `ses.address_identity`: a single address. AWS sends it a mail with a link, which is good for a day.
//! <https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html>

use async_trait::async_trait;

use super::{identity, is_own, present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Report, wanted};
use crate::provider::aws::error::failed;
use crate::provider::aws::handler::{Handler, adopt, created, observed, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};

const CREATE: &str = "ses:CreateEmailIdentity";
const DELETE: &str = "ses:DeleteEmailIdentity";
const GET: &str = "ses:GetEmailIdentity";
const TAG: &str = "ses:TagResource";

pub struct AddressIdentity;

#[async_trait]
impl Handler for AddressIdentity {
    fn type_name(&self) -> &'static str {
        "ses.address_identity"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let name = target.identity.as_str();
        let found = identity::get(clients, GET, name).await?;
        Ok(found.map(|found| tagged(observed(name, identity::report(name, &found)), present(found.tags()))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, GET).text("name")?;
        let own = identity::get(clients, GET, name).await?.filter(|found| is_own(&creation.tags, found.tags()));
        Ok(own.map(|_| Identity::new(name)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let name = wanted(creation, CREATE).text("name")?;
        let request = clients.ses().create_email_identity().email_identity(name);
        let answer = request.set_tags(Some(super::listed(&creation.tags)?)).send().await.map_err(failed(CREATE));
        let answer = answer.map(|answer| answer.dkim_attributes);
        adopt(creation, answer, || identity::holder(clients, GET, name, &creation.tags)).await?;
        Ok(created(name, Report::new()))
    }

    /// Nothing of an address can be changed.
    async fn update(&self, _: &Clients, _: &Update) -> Result<(), ProviderError> {
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
