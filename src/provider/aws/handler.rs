//! What one resource type must know of AWS, and what handlers share.
//!
//! A handler is a unit struct in `src/provider/aws/<service>/<kind>.rs`, listed in its
//! [`Service`](super::service::Service). It turns attributes named as in `specs/types` into calls and answers into
//! attributes, and keeps no state.
//!
//! # Guarantees a handler gives
//!
//! Those of [`crate::provider::Provider`]. A creation made of several calls may stop after any of them, so the first
//! call must make the resource findable (by name or tags), and every later one must be safe to repeat.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::error::{not_yet, unanswered, unsupported};
use super::index::Index;
use super::session::Clients;
use super::tags::{self, Tags};
use crate::address::Identity;
use crate::provider::aws::wave::wave;
use crate::provider::{
    Announced, Created, Creation, Deletion, ErrorKind, Lookup, Observation, Observed, Printed, ProviderError, Target,
    Update,
};
use crate::secret::SecretText;
use crate::value::{Tree, Value};

/// What one resource type must know of AWS.
#[async_trait]
pub trait Handler: Send + Sync {
    /// As in `specs/types`: `ec2.security_group`.
    fn type_name(&self) -> &str;

    /// Reads something this program does not own.
    async fn lookup(&self, _: &Clients, _: &Lookup) -> Result<Value, ProviderError> {
        Err(unsupported(self.type_name(), "lookup"))
    }

    /// Reads targets of one region, which may be those of several instances: an answer for each, in their order. Types
    /// whose API takes several at once answer with one call; see [`by_identity`].
    async fn observe_all(&self, clients: &Clients, targets: &[&Target]) -> Vec<Observation> {
        let answers = wave(targets.iter().map(|target| self.observe(clients, target)).collect()).await;
        answers.into_iter().map(observation).collect()
    }

    /// Reads one target; `None` if it is gone. Types without a batch call write this and leave `observe_all` alone.
    async fn observe(&self, _: &Clients, _: &Target) -> Result<Option<Observed>, ProviderError> {
        Err(unsupported(self.type_name(), "observe"))
    }

    /// What AWS has announced for targets of one region.
    async fn announced(&self, _: &Clients, _: &[&Target]) -> Announced {
        Announced::default()
    }

    /// Finds what an interrupted creation may have made.
    async fn find(&self, _: &Clients, _: &Creation) -> Result<Vec<Identity>, ProviderError> {
        Err(unsupported(self.type_name(), "find"))
    }

    /// Whether a first try of a creation is refused where there is one already, though no name of its identity says so: by AWS,
    /// which has given the name away, or by the handler, which has looked.
    fn refuses_second(&self) -> bool {
        false
    }

    async fn create(&self, _: &Clients, _: &Creation) -> Result<Created, ProviderError> {
        Err(unsupported(self.type_name(), "create"))
    }

    async fn update(&self, _: &Clients, _: &Update) -> Result<(), ProviderError> {
        Err(unsupported(self.type_name(), "update"))
    }

    async fn delete(&self, _: &Clients, _: &Target) -> Result<Deletion, ProviderError> {
        Err(unsupported(self.type_name(), "delete"))
    }

    /// Where the tags of this type come from.
    fn tag_source(&self) -> TagSource {
        TagSource::Answers
    }

    /// Reads the tags of what exists of these, beside the resources themselves: for types that have [`TagSource::Arns`].
    /// They may be of any type under the same service.
    async fn tags_by_arn(&self, _: &Clients, _: &[String]) -> Result<Index, ProviderError> {
        Err(unsupported(self.type_name(), "tags_by_arn"))
    }

    /// Reads the tags of what was just read, in its order: for what its [`TagSource`] does not have. It may be of any
    /// type under the same service. Types whose API takes several at once write this.
    async fn tags_of_all(&self, clients: &Clients, observed: &[&Observed]) -> Vec<Result<Told, ProviderError>> {
        wave(observed.iter().map(|observed| self.tags(clients, observed)).collect()).await
    }

    /// Reads the tags of what was just read.
    async fn tags(&self, _: &Clients, _: &Observed) -> Result<Told, ProviderError> {
        Err(unsupported(self.type_name(), "tags"))
    }

    /// Puts tags on a resource, beside those it has.
    async fn mark(&self, _: &Clients, _: &Target, _: &Tags) -> Result<(), ProviderError> {
        Err(unsupported(self.type_name(), "mark"))
    }

    /// Reads what a program has printed, from where an earlier answer ended.
    async fn printed(&self, _: &Clients, _: &Target, _: Option<&str>) -> Result<Printed, ProviderError> {
        Err(unsupported(self.type_name(), "printed"))
    }

    /// Opens a session with what runs; gives the arguments of the program that goes on with it.
    async fn open(&self, _: &Clients, _: &Target, _: &str) -> Result<Vec<SecretText>, ProviderError> {
        Err(unsupported(self.type_name(), "open"))
    }

    /// Reads a sensitive attribute.
    async fn reveal(&self, _: &Clients, _: &Target, _: &[String]) -> Result<SecretText, ProviderError> {
        Err(unsupported(self.type_name(), "reveal"))
    }
}

/// Who has the name that AWS refused to give a second time.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing<T> {
    /// An earlier try of the same creation, which has made this.
    Ours(T),
    /// Something that is being deleted: the name will be free.
    Leaving,
    /// Something else; what to say of it, where AWS's own words do not tell.
    Taken(Option<String>),
}

impl<T> Standing<T> {
    /// What was found and is ours.
    pub fn of(own: Option<T>) -> Self {
        own.map_or(Self::Taken(None), Self::Ours)
    }
}

/// The answer to a creation. Where AWS refuses because the name is taken, `look` says by whom, and what an earlier try
/// has made takes the place of the answer; then the creation goes on as if it had just been made. A name that will be
/// free is an error of kind [`ErrorKind::NotYet`].
///
/// At the first try what is there stays refused: it may differ from what is wanted, and only the engine, which finds it
/// by itself, compares.
pub async fn adopt<T, F>(
    creation: &Creation,
    answer: Result<T, ProviderError>,
    look: impl FnOnce() -> F,
) -> Result<T, ProviderError>
where
    F: Future<Output = Result<Standing<T>, ProviderError>>,
{
    match answer {
        Err(refusal) if refusal.kind == ErrorKind::Conflict => match look().await? {
            Standing::Ours(own) if !creation.attempt.is_first => Ok(own),
            Standing::Leaving => Err(not_yet(refusal)),
            Standing::Ours(_) | Standing::Taken(None) => Err(refusal),
            Standing::Taken(Some(message)) => Err(ProviderError { message, ..refusal }),
        },
        answer => answer,
    }
}

/// Who has the name, for types that find what an interrupted creation has made.
pub async fn standing(
    handler: &dyn Handler,
    clients: &Clients,
    creation: &Creation,
) -> Result<Standing<Identity>, ProviderError> {
    let mut found = handler.find(clients, creation).await?;
    Ok(Standing::of(found.pop().filter(|_| found.is_empty())))
}

/// Where the tags of a type's resources come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagSource {
    /// The answers of [`Handler::observe_all`] have them, or the type has none.
    Answers,
    /// The index of tags has them, under this service.
    Index(&'static str),
    /// The identity is the ARN, and one call tells the tags of many ARNs of this service.
    Arns(&'static str),
}

impl TagSource {
    /// The service, for types whose own answers have no tags.
    pub fn service(self) -> Option<&'static str> {
        match self {
            Self::Answers => None,
            Self::Index(service) | Self::Arns(service) => Some(service),
        }
    }
}

/// What AWS tells of the tags of a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Tags(Tags),
    /// It has gone meanwhile.
    Gone,
    /// It is on its way to exist or to be gone, and AWS keeps its tags to itself until then. Only this may be shown of it.
    Nothing {
        shown: Value,
    },
}

impl Told {
    /// The tags of an answer; [`Told::Gone`] for none.
    pub fn of<'tag>(present: Option<impl IntoIterator<Item = (&'tag str, &'tag str)>>) -> Self {
        present.map_or(Self::Gone, |present| Self::Tags(tags::collected(present)))
    }
}

/// The ARN of what was just read: from AWS's answer, never from the state, which could name another one.
pub fn arn_of(observed: &Observed) -> Option<&str> {
    observed.attributes.get("arn").and_then(Tree::as_text)
}

/// The ARN of what was just read, where it must have one.
pub fn required_arn<'answer>(
    observed: &'answer Observed,
    operation: &'static str,
) -> Result<&'answer str, ProviderError> {
    arn_of(observed).ok_or_else(|| unanswered(operation, "ARN"))
}

/// One answer as the engine wants it.
pub fn observation(answer: Result<Option<Observed>, ProviderError>) -> Observation {
    match answer {
        Ok(Some(observed)) => Observation::Found(observed),
        Ok(None) => Observation::Gone,
        Err(error) => Observation::Failed(error),
    }
}

/// Reads one target by itself, and several from a list that tells everything of all that there are.
pub async fn one_or_listed(
    handler: &dyn Handler,
    clients: &Clients,
    targets: &[&Target],
    list: impl Future<Output = Result<Vec<Observed>, ProviderError>>,
) -> Vec<Observation> {
    match targets {
        [target] => vec![observation(handler.observe(clients, target).await)],
        _ => by_identity(targets, list.await),
    }
}

/// The answers of a batch: a target whose identity is not among `answers` is gone; an error is every target's.
pub fn by_identity(targets: &[&Target], answers: Result<Vec<Observed>, ProviderError>) -> Vec<Observation> {
    let answers = answers.map(|answers| {
        answers.into_iter().map(|observed| (observed.identity.clone(), observed)).collect::<BTreeMap<_, _>>()
    });
    let answer = |target: &&Target| match &answers {
        Ok(answers) => Ok(answers.get(&target.identity).cloned()),
        Err(error) => Err(error.clone()),
    };
    targets.iter().map(|target| observation(answer(target))).collect()
}

/// Reads the targets of each group with a call of its own, all at once; answers in the order of `targets`. `group` says
/// which group a target belongs to, and `most` how many one call reads.
pub async fn by_group<'target, F>(
    targets: &[&'target Target],
    most: usize,
    group: impl Fn(&'target Target) -> &'target str,
    read: impl Fn(&'target str, Vec<&'target Target>) -> F,
) -> Vec<Observation>
where
    F: Future<Output = Vec<Observation>>,
{
    let mut groups: BTreeMap<&str, Vec<(usize, &Target)>> = BTreeMap::new();
    for (position, target) in targets.iter().enumerate() {
        groups.entry(group(target)).or_default().push((position, target));
    }
    let batches = groups.iter().flat_map(|(group, members)| members.chunks(most).map(|some| (*group, some)));
    let answers = batches.map(|(group, some)| {
        let answers = read(group, some.iter().map(|(_, target)| *target).collect());
        async move { some.iter().map(|(position, _)| *position).zip(answers.await).collect::<Vec<_>>() }
    });
    let mut answers: Vec<(usize, Observation)> = wave(answers.collect()).await.into_iter().flatten().collect();
    answers.sort_by_key(|(position, _)| *position);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// The identities of a batch of targets, for a call or filter that takes many, without repetitions.
pub fn identities(targets: &[&Target]) -> Vec<String> {
    let mut identities: Vec<String> = targets.iter().map(|target| target.identity.0.clone()).collect();
    identities.sort();
    identities.dedup();
    identities
}

/// A resource that was found, or made.
pub fn observed(identity: impl Into<String>, attributes: impl Into<Value>) -> Observed {
    Observed { identity: Identity::new(identity), attributes: attributes.into(), tags: None }
}

/// A resource with the tags that the same answer told.
pub fn tagged<'tag>(observed: Observed, tags: impl IntoIterator<Item = (&'tag str, &'tag str)>) -> Observed {
    Observed { tags: Some(tags::collected(tags)), ..observed }
}

/// A resource that was made, with what the answer told.
pub fn created(identity: impl Into<String>, attributes: impl Into<Value>) -> Created {
    Created { identity: Identity::new(identity), attributes: attributes.into() }
}
