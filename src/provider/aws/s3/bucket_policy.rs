//! `s3.bucket_policy`: the one policy a bucket can have.
//!
//! Storing a policy replaces the one before, so creating and changing it are the same call and can be repeated. Whatever
//! policy the bucket has is the one `find` answers.

use async_trait::async_trait;

use super::Place;
use crate::address::Identity;
use crate::provider::aws::attributes::{Attributes, Report, desired, structure, wanted};
use crate::provider::aws::error::{OrAbsent, failed};
use crate::provider::aws::handler::{Handler, created, observed};
use crate::provider::aws::session::Clients;
use crate::provider::{Created, Creation, Deletion, Observed, ProviderError, Target, Update};

const DELETE: &str = "s3:DeleteBucketPolicy";
const GET: &str = "s3:GetBucketPolicy";
const PUT: &str = "s3:PutBucketPolicy";

pub struct BucketPolicy;

#[async_trait]
impl Handler for BucketPolicy {
    fn type_name(&self) -> &'static str {
        "s3.bucket_policy"
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        let bucket = target.identity.as_str();
        let place = Place::of_target(clients, target).await?;
        let policy = if place.is_named() { get(place).await? } else { None };
        let report = |policy: String| Report::new().set("bucket", bucket).set("policy", structure(&policy));
        Ok(policy.map(|policy| observed(bucket, report(policy))))
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let bucket = wanted(creation, GET).text("bucket")?;
        Ok(get(Place::of(clients, bucket).await?).await?.map(|_| Identity::new(bucket)).into_iter().collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let wanted = wanted(creation, PUT);
        let bucket = wanted.text("bucket")?;
        put(Place::of(clients, bucket).await?, &wanted).await?;
        Ok(created(bucket, Report::new()))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        put(Place::of(clients, update.target.identity.as_str()).await?, &desired(update, PUT)).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let place = Place::of(clients, target.identity.as_str()).await?;
        let request = place.s3().delete_bucket_policy().bucket(place.bucket).expected_bucket_owner(place.owner);
        request.send().await.map_err(failed(DELETE)).or_absent()?;
        Ok(Deletion::Accepted)
    }
}

async fn get(place: Place<'_>) -> Result<Option<String>, ProviderError> {
    let request = place.s3().get_bucket_policy().bucket(place.bucket).expected_bucket_owner(place.owner);
    let answer = request.send().await.map_err(failed(GET)).or_absent()?;
    Ok(answer.and_then(|answer| answer.policy))
}

async fn put(place: Place<'_>, attributes: &Attributes<'_>) -> Result<(), ProviderError> {
    let request = place.s3().put_bucket_policy().bucket(place.bucket).expected_bucket_owner(place.owner);
    request.policy(attributes.document("policy")?).send().await.map_err(failed(PUT))?;
    Ok(())
}
