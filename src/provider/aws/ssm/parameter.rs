//! `ssm.parameter`: one setting in Parameter Store.
//!
//! Descriptions are written and never read: AWS tells them only in a list of all parameters of the account, which is a
//! permission and a call more, and a lost description harms nobody. The next change of the parameter restores it.

use async_trait::async_trait;
use aws_sdk_ssm::types::{Parameter as Found, ParameterType, ResourceTypeForTagging};

use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed};
use crate::provider::aws::handler::{
    Handler, TagSource, Told, adopt, by_identity, created, identities, observed, standing,
};
use crate::provider::aws::session::Clients;
use crate::provider::aws::tags::{self, Tags};
use crate::provider::aws::wave::try_wave;
use crate::provider::{Created, Creation, Deletion, Observation, Observed, ProviderError, Target, Update};

const ADD_TAGS: &str = "ssm:AddTagsToResource";
const DELETE: &str = "ssm:DeleteParameter";
const GET: &str = "ssm:GetParameters";
const LIST_TAGS: &str = "ssm:ListTagsForResource";
const PUT: &str = "ssm:PutParameter";

/// How many parameters one call reads.
/// <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html>
const BATCH: usize = 10;

pub struct Parameter;

#[async_trait]
impl Handler for Parameter {
    fn type_name(&self) -> &'static str {
        "ssm.parameter"
    }

    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let names = identities(targets);
        let values = try_wave(names.chunks(BATCH).map(|names| values(clients, names)).collect()).await;
        by_identity(targets, values.map(|values| values.iter().flatten().map(report).collect()))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let name = wanted(creation, LIST_TAGS).text("name")?;
        let present = list_tags(clients, name).await?;
        let is_own = present.is_some_and(|present| tags::has_all(&creation.tags, tags::pairs(&present)));
        Ok(is_own.then(|| Identity::new(name)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, PUT);
        let name = wanted.text("name")?;
        let request = clients
            .ssm()
            .put_parameter()
            .name(name)
            .value(wanted.text("value")?)
            .r#type(ParameterType::from(wanted.text("kind")?))
            .set_description(wanted.owned_text("description")?);
        let first = request.clone().set_tags(Some(super::listed(&creation.tags)?));
        let answer = first.send().await.map_err(failed(PUT)).map(|_| Identity::new(name));
        adopt(creation, answer, || standing(self, clients, creation)).await?;
        // No answer tells the ARN, which is made of what is known.
        let caller = clients.caller().await?;
        let arn = format!("arn:{}:ssm:{}:{}:parameter{name}", caller.partition, clients.region(), caller.account);
        Ok(created(name, Report::new().set("arn", arn)))
    }

    /// AWS wants the value whatever changes; the description goes along, so that it stays in any case.
    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        if !["value", "kind", "description"].iter().any(|name| update.changed(name).is_some()) {
            return Ok(());
        }
        let desired = desired(update, PUT);
        let mut request = clients
            .ssm()
            .put_parameter()
            .name(update.target.identity.as_str())
            .value(desired.text("value")?)
            .description(desired.optional_text("description")?.unwrap_or_default())
            .overwrite(true);
        if update.changed("kind").is_some() {
            request = request.r#type(ParameterType::from(desired.text("kind")?));
        }
        request.send().await.map_err(failed(PUT))?;
        Ok(())
    }

    fn tag_source(&self) -> TagSource {
        TagSource::Index("ssm")
    }

    async fn tags(&self, clients: &Clients, observed: &Observed) -> Result<Told, ProviderError> {
        Ok(list_tags(clients, observed.identity.as_str()).await?.map_or(Told::Gone, Told::Tags))
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let request = clients.ssm().add_tags_to_resource().resource_type(ResourceTypeForTagging::Parameter);
        let request = request.resource_id(target.identity.as_str()).set_tags(Some(super::listed(tags)?));
        request.send().await.map_err(failed(ADD_TAGS))?;
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.ssm().delete_parameter().name(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

/// The tags of a parameter; `None` if there is none of that name.
async fn list_tags(clients: &Clients, name: &str) -> Result<Option<Tags>, ProviderError> {
    let request = clients.ssm().list_tags_for_resource().resource_type(ResourceTypeForTagging::Parameter);
    let answer = request.resource_id(name).send().await.map_err(failed(LIST_TAGS)).or_absent()?;
    let present = answer.map(|answer| answer.tag_list.unwrap_or_default());
    Ok(present.map(|tags| tags::collected(tags.iter().map(|tag| (tag.key(), tag.value())))))
}

async fn values(clients: &Clients, names: &[String]) -> Result<Vec<Found>, ProviderError> {
    let request = clients.ssm().get_parameters().set_names(Some(names.to_vec()));
    Ok(request.send().await.map_err(failed(GET))?.parameters.unwrap_or_default())
}

fn report(parameter: &Found) -> Observed {
    let name = parameter.name().unwrap_or_default();
    let report = Report::new()
        .set("name", name)
        .set("kind", parameter.r#type().map(ParameterType::as_str))
        .set("arn", parameter.arn());
    // What somebody has encrypted is nothing to show.
    let is_secret = parameter.r#type() == Some(&ParameterType::SecureString);
    observed(name, report.set_if("value", parameter.value().filter(|_| !is_secret)))
}
