//! Types that no handler is written for: AWS is asked for them by its Cloud Control API.
//!
//! The API makes, reads, changes and deletes whatever CloudFormation knows, in CloudFormation's words. So what an
//! overlay says of a type, where CloudFormation keeps its attributes, is all that is needed: [`placement`] writes and
//! reads them. The identity of a resource is CloudFormation's primary identifier.
//!
//! | file | holds |
//! | --- | --- |
//! | `request.rs` | waiting for what AWS was asked for, and what became of it |
//! | `patch.rs` | a change as a patch document |
//!
//! # Guarantees
//!
//! - A call lasts until AWS has done what it was asked for: it says only then whether it accepts it.
//! - Nothing is made twice. A creation that is asked for again has the client token of the first time; whoever looks for
//!   what an interrupted creation has made waits for the creations of the type that are still under way.
//! - A change sends what differs from what is there, and beside it what AWS cannot read back: that would be lost otherwise.
//!
//! # Limits
//!
//! - Every resource is read by a call of its own.
//! - A write-only attribute whose value is a secret is sent only when it changes.
//! - A type that CloudFormation cannot list is found, after an interruption, among the requests of the last seven days.

mod patch;
mod request;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_cloudcontrol::types::{Operation, OperationStatus, ProgressEvent, ResourceRequestStatusFilter};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use self::patch::{difference, written};
use self::request::{Request, is_under_way};
use super::error::{OrAbsent, failed, missing, unanswered};
use super::handler::{Handler, created, observed};
use super::limits::class;
use super::service::{Second, Service};
use super::session::Clients;
use super::tags::Tags;
use crate::address::Identity;
use crate::provider::aws::wave::try_wave;
use crate::provider::ownership::{ADDRESS, INSTANCE, LINEAGE, RESERVED};
use crate::provider::{Created, Creation, Deletion, ErrorKind, Lookup, Observed, ProviderError, Target, Update};
use crate::secret::SecretText;
use crate::spec::counterpart::Tool;
use crate::spec::placement::{self, Subject};
use crate::spec::types::ResourceType;
use crate::value::{Known, Tree, Value};

/// The service.
pub static SERVICE: Service = Service {
    id: "CloudControl",
    prefix: "cloudformation",
    limits: &[class(&["Get", "List"], 20.0, 8.0), class(&[""], 10.0, 2.0)],
    makes: &[("CreateResource", Second::Token)],
    errors: &[
        // What it refers to was made a moment ago.
        ("CreateResource", "NotFound", ErrorKind::NotYet),
        // Neither the type of a resource nor what was asked for is the resource.
        ("*", "TypeNotFoundException", ErrorKind::Invalid),
        ("*", "RequestTokenNotFoundException", ErrorKind::Unknown),
        ("*", "ConcurrentOperation*", ErrorKind::NotYet),
        ("*", "ResourceConflict*", ErrorKind::NotYet),
        ("*", "NetworkFailure*", ErrorKind::Network),
        ("*", "InvalidCredentials*", ErrorKind::Credentials),
        ("*", "UnauthorizedTaggingOperation", ErrorKind::Denied),
        ("*", "InvalidRequest*", ErrorKind::Invalid),
        ("*", "NotUpdatable*", ErrorKind::Invalid),
        ("*", "PrivateTypeException", ErrorKind::Invalid),
        ("*", "UnsupportedActionException", ErrorKind::Invalid),
        // It may have been made all the same.
        ("*", "ClientTokenConflictException", ErrorKind::Unknown),
        ("*", "GeneralServiceException", ErrorKind::Unknown),
        ("*", "Handler*FailureException", ErrorKind::Unknown),
        ("*", "NotStabilized*", ErrorKind::Unknown),
        ("*", "ServiceInternalError*", ErrorKind::Unknown),
        ("*", "ServiceTimeout", ErrorKind::Unknown),
    ],
    ..Service::OTHER
};

const CREATE: &str = "cloudformation:CreateResource";
const DELETE: &str = "cloudformation:DeleteResource";
const GET: &str = "cloudformation:GetResource";
const LIST: &str = "cloudformation:ListResources";
const LIST_REQUESTS: &str = "cloudformation:ListResourceRequests";
const UPDATE: &str = "cloudformation:UpdateResource";

/// The most requests that one page tells of.
const PAGE: i32 = 100;

/// How often a creation is asked for anew in one call, because its client token stands for a request that has failed.
const RENEWALS: u32 = 3;

/// The code for a client token that stands for another request.
const TAKEN_TOKEN: &str = "ClientTokenConflictException";

/// A type that Cloud Control carries out.
pub struct CloudControl {
    name: String,
    resource_type: ResourceType,
    /// How many client tokens of a creation stand for requests that have failed.
    spent: Mutex<BTreeMap<String, u32>>,
}

/// Where one resource is: CloudFormation's name of its type, and its identifier.
#[derive(Clone, Copy)]
struct Place<'a> {
    clients: &'a Clients,
    kind: &'a str,
    identifier: &'a str,
}

impl CloudControl {
    /// `resource_type` is [generic](ResourceType::is_generic).
    pub fn new(resource_type: ResourceType) -> Self {
        Self { name: resource_type.name.to_string(), resource_type, spent: Mutex::default() }
    }

    /// CloudFormation's name of the type of a resource with these attributes.
    fn kind(&self, attributes: &Value) -> Result<&str, ProviderError> {
        self.resource_type.cfn.name(|name| placement::text(attributes, name)).ok_or_else(|| {
            let message = "what it is in CloudFormation depends on an attribute that is not known";
            ProviderError::new(ErrorKind::Invalid, &self.name, message)
        })
    }

    fn place<'a>(&'a self, clients: &'a Clients, target: &'a Target) -> Result<Place<'a>, ProviderError> {
        Ok(Place { clients, kind: self.kind(&target.recorded)?, identifier: target.identity.as_str() })
    }

    fn request<'a>(&'a self, clients: &'a Clients, operation: &'static str) -> Request<'a> {
        let timeout = &self.resource_type.timeout;
        let longest = match operation {
            CREATE | LIST_REQUESTS => timeout.create,
            DELETE => timeout.delete,
            _ => timeout.update,
        };
        Request { clients, operation, resource_type: &self.resource_type, longest }
    }

    /// The properties of a resource; `None` if there is none.
    async fn properties(&self, place: Place<'_>) -> Result<Option<Value>, ProviderError> {
        let request = place.clients.cloudcontrol().get_resource().type_name(place.kind).identifier(place.identifier);
        let Some(answer) = request.send().await.map_err(failed(GET)).or_absent()? else { return Ok(None) };
        let properties = answer.resource_description.and_then(|description| description.properties);
        let properties = properties.ok_or_else(|| unanswered(GET, "properties"))?;
        let json: Json = serde_json::from_str(&properties)
            .map_err(|_| ProviderError::new(ErrorKind::Unknown, GET, "the properties could not be understood"))?;
        Ok(Some(Value::from_json(&json)))
    }

    /// The properties of a resource that must be there.
    async fn present(&self, place: Place<'_>) -> Result<Value, ProviderError> {
        self.properties(place).await?.ok_or_else(|| missing(GET, place.kind, place.identifier))
    }

    async fn seen(&self, place: Place<'_>) -> Result<Option<Observed>, ProviderError> {
        Ok(self.properties(place).await?.map(|properties| self.report(place.identifier, properties)))
    }

    /// What properties tell of a resource. An attribute that holds its tags tells of those alone that somebody has chosen.
    fn report(&self, identifier: &str, mut properties: Value) -> Observed {
        let tags = self.tags_of(&properties);
        if let (Some(path), Some(tags)) = (&self.resource_type.cfn.tags, &tags) {
            let chosen = tags.iter().filter(|(key, _)| !is_ours(key) && !key.starts_with(RESERVED));
            let chosen: BTreeMap<_, _> = chosen.map(|(key, value)| (key.clone(), Tree::Text(value.clone()))).collect();
            if !tags.is_empty() {
                placement::put(&mut properties, &path.segments, Tree::Map(chosen));
            }
        }
        let attributes = placement::reported(&self.resource_type, Tool::CloudFormation, &properties);
        Observed { tags, ..observed(identifier, attributes) }
    }

    /// The tags in properties; `None` if the type has none.
    fn tags_of<L: Clone>(&self, properties: &Tree<L>) -> Option<Tags> {
        let path = self.resource_type.cfn.tags.as_ref().filter(|_| self.resource_type.taggable)?;
        let found = placement::read(properties, &path.segments);
        let entries = found.as_ref().and_then(Tree::as_map).into_iter().flatten();
        Some(entries.filter_map(|(key, value)| Some((key.clone(), value.as_text()?.to_owned()))).collect())
    }

    /// Asks for a change that makes one of the other; for none if they are the same.
    async fn change<L: Clone>(
        &self,
        place: Place<'_>,
        before: &Value,
        after: &Tree<L>,
        json: impl Fn(&Tree<L>) -> Json,
    ) -> Result<(), ProviderError> {
        let patch = difference(&before.to_json(), &json(after));
        if patch.is_empty() {
            return Ok(());
        }
        let request = place.clients.cloudcontrol().update_resource().type_name(place.kind).identifier(place.identifier);
        let answer = request.patch_document(Json::Array(patch).to_string()).send().await.map_err(failed(UPDATE))?;
        self.request(place.clients, UPDATE).ended(answer.progress_event).await?;
        Ok(())
    }

    /// Asks for a creation, with a client token that no failed request stands for.
    async fn asked(
        &self,
        clients: &Clients,
        kind: &str,
        creation: &Creation,
        wanted: &Json,
    ) -> Result<ProgressEvent, ProviderError> {
        // What is secret is no part of it: tokens are logged.
        let content = [creation.token.as_str(), kind, &plain(&creation.attributes).to_string()].join("\n");
        let mut renewals = 0;
        loop {
            let token = self.token(&content);
            let request = clients.cloudcontrol().create_resource().type_name(kind).desired_state(wanted.to_string());
            let answer = request.client_token(&token).send().await.map_err(failed(CREATE));
            let is_spent = match &answer {
                Ok(answer) => answer.progress_event.as_ref().is_some_and(request::has_failed),
                Err(error) => error.code.as_deref() == Some(TAKEN_TOKEN),
            };
            if is_spent {
                self.spend(&content);
                renewals += 1;
                // The request that failed may be one of an earlier run, so it says nothing of now.
                if renewals < RENEWALS {
                    continue;
                }
            }
            let event = answer?.progress_event;
            let ended = self.request(clients, CREATE).ended(event).await;
            // Where the request itself has failed, and not the question what became of it, the next one is another.
            if ended.as_ref().is_err_and(|error| error.operation == CREATE) && !is_spent {
                self.spend(&content);
            }
            return ended;
        }
    }

    fn token(&self, content: &str) -> String {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let number = spent.get(content).copied().unwrap_or_default();
        let digest = Sha256::digest(format!("{content}\n{number}"));
        base16ct::lower::encode_string(&digest[..16])
    }

    fn spend(&self, content: &str) {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner).entry(content.to_owned()).or_default() += 1;
    }

    /// The identifiers of everything of a type that can be asked for one by one. `model`: properties that AWS may want to
    /// know of them.
    async fn listed(&self, clients: &Clients, kind: &str, model: &Json) -> Result<BTreeSet<String>, ProviderError> {
        let list = |model: Option<String>| {
            let request = clients.cloudcontrol().list_resources().type_name(kind).set_resource_model(model);
            async { request.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.map_err(failed(LIST)) }
        };
        let listed = match list(None).await {
            // Some are listed only within what they are part of.
            Err(error) if error.kind == ErrorKind::Invalid => list(Some(model.to_string())).await,
            other => other,
        };
        Ok(listed?.into_iter().filter_map(|description| description.identifier).collect())
    }

    /// The identifiers of what AWS was asked to make in the last days, once none of it is under way any more.
    async fn made(&self, clients: &Clients, kind: &str) -> Result<BTreeSet<String>, ProviderError> {
        let request = self.request(clients, LIST_REQUESTS);
        let mut pause = request.pauses();
        loop {
            let filter = ResourceRequestStatusFilter::builder()
                .operations(Operation::Create)
                .operation_statuses(OperationStatus::Pending)
                .operation_statuses(OperationStatus::InProgress)
                .operation_statuses(OperationStatus::Success)
                .operation_statuses(OperationStatus::Failed)
                .build();
            let pages = clients.cloudcontrol().list_resource_requests().resource_request_status_filter(filter);
            let pages = pages.max_results(PAGE).into_paginator().send();
            let pages: Vec<_> = pages.collect::<Result<_, _>>().await.map_err(failed(LIST_REQUESTS))?;
            let events = pages.into_iter().flat_map(|page| page.resource_request_status_summaries.unwrap_or_default());
            let events: Vec<_> = events.filter(|event| event.type_name() == Some(kind)).collect();
            if !events.iter().any(is_under_way) {
                return Ok(events.into_iter().filter_map(|event| event.identifier).collect());
            }
            pause.wait().await?;
        }
    }

    /// Whether something that was found is what a creation was to make.
    fn is_wanted(&self, creation: &Creation, found: &Observed) -> bool {
        if let Some(tags) = found.tags.as_ref().filter(|_| !creation.tags.is_empty()) {
            return creation.tags.iter().all(|(key, value)| tags.get(key) == Some(value));
        }
        let names = self.resource_type.naming();
        let wanted = plain(&creation.attributes);
        let is_named = |name: &&str| wanted.get(name).is_some_and(|name_| Some(name_) == found.attributes.get(name));
        !names.is_empty() && names.iter().all(is_named)
    }

    /// Reads resources of one type, each by itself.
    async fn read_all(
        &self,
        clients: &Clients,
        kind: &str,
        identifiers: impl IntoIterator<Item = &String>,
    ) -> Result<Vec<Observed>, ProviderError> {
        let places = identifiers.into_iter().map(|identifier| Place { clients, kind, identifier });
        let seen = try_wave(places.map(|place| self.seen(place)).collect()).await?;
        Ok(seen.into_iter().flatten().collect())
    }

    fn subject<'a>(
        &'a self,
        attributes: &'a Known,
        values: &'a Value,
        tags: Option<&'a Tags>,
    ) -> Subject<'a, SecretText> {
        Subject {
            resource_type: &self.resource_type,
            attributes,
            values,
            tags,
            // A new one gets AWS's defaults by itself; one that is there goes back to them by being told.
            writes_defaults: tags.is_none(),
            document: |document| document,
        }
    }
}

#[async_trait]
impl Handler for CloudControl {
    fn type_name(&self) -> &str {
        &self.name
    }

    async fn lookup(&self, clients: &Clients, lookup: &Lookup) -> Result<Value, ProviderError> {
        let kind = self.kind(&lookup.filters)?;
        let listed = self.listed(clients, kind, &Json::Object(Default::default())).await?;
        let mut found = self.read_all(clients, kind, &listed).await?;
        let filters = lookup.filters.as_map();
        found.retain(|one| filters.into_iter().flatten().all(|(name, value)| one.attributes.get(name) == Some(value)));
        let filters = lookup.filters.to_string();
        match (found.pop(), found.len()) {
            (None, _) => Err(missing(LIST, &self.name, &filters)),
            (Some(only), 0) => Ok(only.attributes),
            (Some(_), others) => {
                let message = format!("there are {} {} {filters}, and one is wanted", others + 1, self.name);
                Err(ProviderError::new(ErrorKind::Invalid, LIST, message))
            }
        }
    }

    async fn observe(&self, clients: &Clients, target: &Target) -> Result<Option<Observed>, ProviderError> {
        self.seen(self.place(clients, target)?).await
    }

    async fn find(&self, clients: &Clients, creation: &Creation) -> Result<Vec<Identity>, ProviderError> {
        let values = plain(&creation.attributes);
        let kind = self.kind(&values)?;
        let mut candidates = self.made(clients, kind).await?;
        let subject = self.subject(&creation.attributes, &values, Some(&creation.tags));
        let model = written(&placement::placed(&subject, Tool::CloudFormation).main);
        match self.listed(clients, kind, &model).await {
            Ok(listed) => candidates.extend(listed),
            Err(error) if error.kind == ErrorKind::Invalid => {
                tracing::debug!(kind, %error, "the type cannot be listed");
            }
            Err(error) => return Err(error),
        }
        let found = self.read_all(clients, kind, &candidates).await?;
        Ok(found.into_iter().filter(|one| self.is_wanted(creation, one)).map(|one| one.identity).collect())
    }

    async fn create(&self, clients: &Clients, creation: &Creation) -> Result<Created, ProviderError> {
        let values = plain(&creation.attributes);
        let kind = self.kind(&values)?;
        let subject = self.subject(&creation.attributes, &values, Some(&creation.tags));
        let wanted = written(&placement::placed(&subject, Tool::CloudFormation).main);
        let event = self.asked(clients, kind, creation, &wanted).await?;
        let identifier = event.identifier.ok_or_else(|| unanswered(CREATE, "identifier"))?;
        Ok(created(identifier, Value::Map(BTreeMap::new())))
    }

    async fn update(&self, clients: &Clients, update: &Update) -> Result<(), ProviderError> {
        let place = self.place(clients, &update.target)?;
        let present = self.present(place).await?;
        let values = plain(&update.desired);
        let hidden = |name: &str| self.resource_type.attributes.get(name).is_some_and(|found| found.write_only);
        let goes_along = |name: &str| hidden(name) && update.desired.get(name).is_some_and(|value| !value.is_null());
        let is_sent = |name: &str| goes_along(name) || update.changed.iter().any(|changed| changed == name);
        let subject = self.subject(&update.desired, &values, None);
        let mut wanted = placement::changed(&subject, Tool::CloudFormation, &present.lift(), &is_sent);
        // An attribute that holds tags holds none of ours.
        if let (Some(path), Some(before), Some(after)) =
            (&self.resource_type.cfn.tags, self.tags_of(&present), self.tags_of(&wanted))
        {
            let lost = before.into_iter().filter(|(key, _)| is_ours(key) && !after.contains_key(key));
            let lost: Tags = lost.collect();
            if !lost.is_empty() {
                placement::put(&mut wanted, &path.segments, tree(after.into_iter().chain(lost)));
            }
        }
        self.change(place, &present, &wanted, written).await
    }

    async fn mark(&self, clients: &Clients, target: &Target, tags: &Tags) -> Result<(), ProviderError> {
        let place = self.place(clients, target)?;
        let present = self.present(place).await?;
        let (Some(path), Some(mut all)) = (&self.resource_type.cfn.tags, self.tags_of(&present)) else {
            return Err(super::error::unsupported(&self.name, "mark"));
        };
        if tags.iter().all(|(key, value)| all.get(key) == Some(value)) {
            return Ok(());
        }
        all.extend(tags.clone());
        all.retain(|key, _| !key.starts_with(RESERVED));
        let mut marked = present.clone();
        placement::put(&mut marked, &path.segments, tree(all));
        self.change(place, &present, &marked, Value::to_json).await
    }

    async fn delete(&self, clients: &Clients, target: &Target) -> Result<Deletion, ProviderError> {
        let place = self.place(clients, target)?;
        let request = clients.cloudcontrol().delete_resource().type_name(place.kind).identifier(place.identifier);
        let asked = request.send().await.map_err(failed(DELETE)).or_absent()?;
        if let Some(answer) = asked {
            self.request(clients, DELETE).ended(answer.progress_event).await.or_absent()?;
        }
        Ok(Deletion::Accepted)
    }
}

/// Whether a tag says whose a resource is.
fn is_ours(key: &str) -> bool {
    [INSTANCE, ADDRESS, LINEAGE].contains(&key)
}

fn tree<L>(tags: impl IntoIterator<Item = (String, String)>) -> Tree<L> {
    Tree::Map(tags.into_iter().map(|(key, value)| (key, Tree::Text(value))).collect())
}

/// Attributes without what is secret in them.
fn plain(attributes: &Known) -> Value {
    attributes.try_map(&mut |_| Ok::<_, std::convert::Infallible>(Tree::Null)).unwrap_or_default()
}
