//! `ses.configuration_set`: rules for mail on its way out.

use async_trait::async_trait;
use aws_sdk_sesv2::operation::get_configuration_set::GetConfigurationSetOutput;
use aws_sdk_sesv2::types::{DeliveryOptions, ReputationOptions, SuppressionListReason, SuppressionOptions, TlsPolicy};

use super::{is_own, present, tag};
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed};
use crate::provider::aws::handler::{Handler, adopt, created, observed, standing, tagged};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::Tags;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};
use crate::secret::SecretText;
use crate::value::Value;

const CREATE: &str = "ses:CreateConfigurationSet";
const DELETE: &str = "ses:DeleteConfigurationSet";
const GET: &str = "ses:GetConfigurationSet";
const PUT_DELIVERY: &str = "ses:PutConfigurationSetDeliveryOptions";
const PUT_REPUTATION: &str = "ses:PutConfigurationSetReputationOptions";
const PUT_SUPPRESSION: &str = "ses:PutConfigurationSetSuppressionOptions";
const TAG: &str = "ses:TagResource";

pub struct ConfigurationSet;

#[async_trait]
impl Handler for ConfigurationSet {
    fn type_name(&self) -> &'static str {
        "ses.configuration_set"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let name = target.identity.as_str();
        let found = get(clients, name).await?;
        Ok(found.map(|found| tagged(observed(name, report(&found)), present(found.tags()))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, GET).text("name")?;
        let own = get(clients, name).await?.filter(|found| is_own(&creation.tags, found.tags()));
        Ok(own.map(|_| Identity::new(name)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let reputation = ReputationOptions::builder().reputation_metrics_enabled(wanted.flag("reputation_metrics")?);
        let mut request = clients
            .ses()
            .create_configuration_set()
            .configuration_set_name(name)
            .delivery_options(DeliveryOptions::builder().tls_policy(tls_policy(&wanted)?).build())
            .reputation_options(reputation.build())
            .set_tags(Some(super::listed(&creation.tags)?));
        if let Some(reasons) = reasons(&wanted)? {
            let options = SuppressionOptions::builder().set_suppressed_reasons(Some(reasons)).build();
            request = request.suppression_options(options);
        }
        let answer = request.send().await.map_err(failed(CREATE)).map(|_| Identity::new(name));
        adopt(creation, answer, || standing(self, clients, creation)).await?;
        Ok(created(name, Report::new()))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let name = update.target.identity.as_str();
        let desired = desired(update, PUT_DELIVERY);
        if update.changed("tls_policy").is_some() {
            let request = clients.ses().put_configuration_set_delivery_options().configuration_set_name(name);
            request.tls_policy(tls_policy(&desired)?).send().await.map_err(failed(PUT_DELIVERY))?;
        }
        if update.changed("reputation_metrics").is_some() {
            let request = clients.ses().put_configuration_set_reputation_options().configuration_set_name(name);
            let is_on = desired.flag("reputation_metrics")?;
            request.reputation_metrics_enabled(is_on).send().await.map_err(failed(PUT_REPUTATION))?;
        }
        if update.changed("suppressed_reasons").is_some() {
            let request = clients.ses().put_configuration_set_suppression_options().configuration_set_name(name);
            request.set_suppressed_reasons(reasons(&desired)?).send().await.map_err(failed(PUT_SUPPRESSION))?;
        }
        Ok(())
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        tag(clients, TAG, "configuration-set", target.identity.as_str(), tags).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.ses().delete_configuration_set().configuration_set_name(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

async fn get(clients: &Clients, name: &str) -> Result<Option<GetConfigurationSetOutput>, ProviderError> {
    let request = clients.ses().get_configuration_set().configuration_set_name(name);
    request.send().await.map_err(failed(GET)).or_absent()
}

fn report(found: &GetConfigurationSetOutput) -> Report {
    let delivery = found.delivery_options().and_then(|options| options.tls_policy());
    let reputation = found.reputation_options().is_some_and(|options| options.reputation_metrics_enabled());
    let reasons = found.suppression_options().map(|options| {
        options.suppressed_reasons().iter().map(|reason| Value::from(reason.as_str())).collect::<Vec<_>>()
    });
    Report::new()
        .set("name", found.configuration_set_name())
        .set("tls_policy", delivery.unwrap_or(&TlsPolicy::Optional).as_str())
        .set("reputation_metrics", reputation)
        .set_if("suppressed_reasons", reasons)
}

fn tls_policy(attributes: &Attributes<'_, SecretText>) -> Result<TlsPolicy, ProviderError> {
    Ok(TlsPolicy::from(attributes.text("tls_policy")?))
}

fn reasons(attributes: &Attributes<'_, SecretText>) -> Result<Option<Vec<SuppressionListReason>>, ProviderError> {
    let reasons = attributes.optional_texts("suppressed_reasons")?;
    Ok(reasons.map(|reasons| reasons.iter().map(|reason| SuppressionListReason::from(reason.as_str())).collect()))
}
