//! `iam.group`: a group of users, who are added to it by hand. AWS has no tags for groups.

use async_trait::async_trait;
use aws_sdk_iam::types::Group as Answer;

use crate::address::Identity;
use crate::provider::aws::attributes::{Report, desired, wanted};
use crate::provider::aws::error::{OrAbsent, failed, unanswered};
use crate::provider::aws::handler::{Handler, created, observed};
use crate::provider::aws::session::Clients;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};

const CREATE: &str = "iam:CreateGroup";
const DELETE: &str = "iam:DeleteGroup";
const GET: &str = "iam:GetGroup";
const UPDATE: &str = "iam:UpdateGroup";

pub struct Group;

#[async_trait]
impl Handler for Group {
    fn type_name(&self) -> &'static str {
        "iam.group"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let Some(group) = get(clients, target.identity.as_str()).await? else { return Ok(None) };
        let report = Report::new().set("name", group.group_name()).set("path", group.path()).set("arn", group.arn());
        Ok(Some(observed(target.identity.as_str(), report)))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let group = get(clients, wanted(creation, GET).text("name")?).await?;
        Ok(group.map(|group| Identity::new(group.group_name)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, CREATE);
        let name = wanted.text("name")?;
        let request = clients.iam().create_group().group_name(name).set_path(wanted.owned_text("path")?);
        let answer = request.send().await.map_err(failed(CREATE))?;
        let group = answer.group.ok_or_else(|| unanswered(CREATE, "group"))?;
        Ok(created(name, Report::new().set("arn", group.arn)))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        if update.changed("path").is_some() {
            let path = desired(update, UPDATE).text("path")?;
            let request = clients.iam().update_group().group_name(update.target.identity.as_str()).new_path(path);
            request.send().await.map_err(failed(UPDATE))?;
        }
        Ok(())
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let request = clients.iam().delete_group().group_name(target.identity.as_str());
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

/// The group itself; its users are of no interest, so one page is enough.
async fn get(clients: &Clients, name: &str) -> Result<Option<Answer>, ProviderError> {
    let answer =
        clients.iam().get_group().group_name(name).max_items(1).send().await.map_err(failed(GET)).or_absent()?;
    Ok(answer.and_then(|answer| answer.group))
}
