//! What is registered about an instance in its region: one parameter of Parameter Store, `/mastoform/<instance>`.
//!
//! # Guarantees
//!
//! - Registering the same twice is the same as once.
//! - A parameter is written over, tagged and deleted only after its content was read and has the lineage. Any other of that
//!   name, be it another instance's or somebody's for something else, stays as it is, and that is an error that names it.
//! - A parameter of that name that holds something else counts as no registration.
//! - A registration by a later version, with more in it, is read as far as this one knows it.

use aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder;
use aws_sdk_ssm::types::{ParameterType, ResourceTypeForTagging};

use super::error::{OrAbsent, failed};
use super::session::Clients;
use super::ssm;
use super::tags::{INSTANCE, LINEAGE, Tags};
use crate::provider::{ErrorKind, ProviderError, Registration};

const ADD_TAGS: &str = "ssm:AddTagsToResource";
const DELETE: &str = "ssm:DeleteParameter";
const GET: &str = "ssm:GetParameter";
const PUT: &str = "ssm:PutParameter";

/// Tells people who meet the parameter where it comes from.
const DESCRIPTION: &str = "Written by mastoform: whose instance this is, and when it was last applied";

fn name(instance: &str) -> String {
    format!("/mastoform/{instance}")
}

/// What the parameter of an instance holds.
enum Held {
    Nothing,
    Registration(Registration),
    /// Something that this program has not written.
    Other,
}

impl Held {
    fn is_of(&self, lineage: &str) -> bool {
        matches!(self, Self::Registration(held) if held.lineage == lineage)
    }
}

async fn held(clients: &Clients, instance: &str) -> Result<Held, ProviderError> {
    let name = name(instance);
    let answer = clients.ssm().get_parameter().name(&name).send().await.map_err(failed(GET)).or_absent()?;
    let Some(text) = answer.and_then(|answer| answer.parameter).and_then(|parameter| parameter.value) else {
        return Ok(Held::Nothing);
    };
    match serde_json::from_str(&text) {
        Ok(registration) => Ok(Held::Registration(registration)),
        Err(error) => {
            tracing::warn!(parameter = name, %error, "the parameter holds no registration");
            Ok(Held::Other)
        }
    }
}

/// The registration of an instance; `None` if there is none.
pub async fn read(clients: &Clients, instance: &str) -> Result<Option<Registration>, ProviderError> {
    Ok(match held(clients, instance).await? {
        Held::Registration(registration) => Some(registration),
        Held::Nothing | Held::Other => None,
    })
}

/// Registers what was applied where nothing is registered, as far as that is known. What is registered nevertheless is
/// written over if it is of this lineage.
pub async fn write_first(clients: &Clients, registration: &Registration) -> Result<(), ProviderError> {
    let request = put(clients, registration)?.set_tags(Some(ssm::listed(&marks(registration))?));
    match request.send().await.map_err(failed(PUT)) {
        Err(error) if error.kind == ErrorKind::Conflict => {
            if !held(clients, &registration.instance).await?.is_of(&registration.lineage) {
                return Err(foreign(registration, PUT));
            }
            write(clients, registration).await
        }
        answer => answer.map(drop),
    }
}

/// Registers what was applied, over what was registered before and was found to be of this lineage.
pub async fn write(clients: &Clients, registration: &Registration) -> Result<(), ProviderError> {
    let put = async { put(clients, registration)?.overwrite(true).send().await.map_err(failed(PUT)) };
    // AWS takes no tags together with `overwrite`.
    let (written, tagged) = tokio::join!(put, tag(clients, registration));
    written?;
    match tagged {
        Err(error) if error.kind == ErrorKind::NotFound => tag(clients, registration).await,
        tagged => tagged,
    }
}

/// What is said of a parameter that stays as it is.
fn foreign(registration: &Registration, operation: &str) -> ProviderError {
    let message = format!(
        "the parameter {} in {} is not of this instance's lineage and stays as it is",
        name(&registration.instance),
        registration.region
    );
    ProviderError::new(ErrorKind::Conflict, operation, message)
}

fn put(clients: &Clients, registration: &Registration) -> Result<PutParameterFluentBuilder, ProviderError> {
    let text = serde_json::to_string(registration)
        .map_err(|error| ProviderError::new(ErrorKind::Unknown, PUT, error.to_string()))?;
    let request = clients.ssm().put_parameter().name(name(&registration.instance)).value(text);
    Ok(request.r#type(ParameterType::String).description(DESCRIPTION))
}

async fn tag(clients: &Clients, registration: &Registration) -> Result<(), ProviderError> {
    let request = clients.ssm().add_tags_to_resource().resource_type(ResourceTypeForTagging::Parameter);
    let request = request.resource_id(name(&registration.instance)).set_tags(Some(ssm::listed(&marks(registration))?));
    request.send().await.map_err(failed(ADD_TAGS))?;
    Ok(())
}

fn marks(registration: &Registration) -> Tags {
    Tags::from([
        (INSTANCE.to_owned(), registration.instance.clone()),
        (LINEAGE.to_owned(), registration.lineage.clone()),
    ])
}

/// Takes a registration back, if it is still the one of this lineage.
pub async fn withdraw(clients: &Clients, registration: &Registration) -> Result<(), ProviderError> {
    match held(clients, &registration.instance).await? {
        Held::Nothing => Ok(()),
        held if held.is_of(&registration.lineage) => {
            let request = clients.ssm().delete_parameter().name(name(&registration.instance));
            request.send().await.map_err(failed(DELETE)).or_absent()?;
            Ok(())
        }
        Held::Registration(_) | Held::Other => Err(foreign(registration, DELETE)),
    }
}
