//! What the engine asks of a cloud, and nothing else.
//!
//! A provider knows how to call a cloud; it knows nothing of plans, of the state file or of `mastodon.toml`. Two exist:
//! [`sim`], a simulated cloud interpreted from `specs/types`, and `aws` (cargo feature `aws`).
//!
//! Whoever must not change anything is handed a [`Reader`] instead, on which there is nothing to do it with.
//!
//! # Guarantees a provider gives
//!
//! - [`Provider::create`], [`Provider::update`] and [`Provider::delete`] return as soon as the cloud has accepted the
//!   call. They never wait for a resource to become ready: waiting is a predicate over [`Provider::observe`], kept by
//!   the engine.
//! - `update` sends only what its patch holds. `delete` of something that is gone is a success.
//! - A resource that does not exist is [`Observation::Gone`], never an error.
//! - Everything that can carry tags carries the tags it was created with, and an observation of a target with an
//!   `owner` reports them.
//! - Errors are classified by the cloud's error code, never by its text.
//! - Observed attributes have the names and shapes of `specs/types`. An attribute the cloud did not report is absent;
//!   one it reports as unset is null. Secrets are never observed.
//!
//! # Assumptions
//!
//! - The engine calls at most one mutation per address at a time, and records its intent before each.
//! - Identities come from the provider itself, by way of the state file.
//!
//! # Cancellation
//!
//! Every `.await` may be the last one: a call that was sent may have had its effect even though its answer was never
//! seen. The engine finds out by [`Provider::find`].

pub mod batch;
pub mod endpoint;
pub mod generate;
pub mod ownership;
pub mod probe;
mod reader;
pub mod sim;
pub mod trace;

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "aws")]
pub mod network;

pub use ownership::{Holder, Owner, Tags};
pub use probe::{Question, Silence};
pub use reader::{Reader, read_only};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::address::{Address, Identity, TypeName};
use crate::inert::printable;
use crate::secret::{SecretText, masked};
use crate::value::{Known, Value};

/// One existing resource.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: Address,
    pub region: String,
    pub identity: Identity,
    /// What the state remembers: the attributes we set and the facts others need.
    pub recorded: Value,
    /// On whose behalf it is asked for. `None`: nobody needs to know whose it is, and its tags are not read.
    pub owner: Option<Arc<Owner>>,
}

/// A resource as the cloud shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    pub identity: Identity,
    pub attributes: Value,
    /// Its tags; `None` if the type has none, or nobody asked for them.
    pub tags: Option<Tags>,
}

/// The answer for one [`Target`].
#[derive(Clone, Debug)]
pub enum Observation {
    Found(Observed),
    /// It exists and is not this instance's. Nothing else about it is known, and nothing may be done to it.
    Foreign(Holder),
    /// It does not exist, or only as a tombstone.
    Gone,
    /// It could not be asked.
    Failed(ProviderError),
}

/// Answers by address.
pub type Observations = BTreeMap<Address, Observation>;

/// A question for something that exists outside this program's care.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    pub address: Address,
    pub region: String,
    /// Attributes the wanted thing has.
    pub filters: Value,
    /// Filters are missing, because what they want is not known yet: the answer counts only if it tells what they want. A
    /// simulated cloud, which makes up whatever it is asked for, tells nothing where it has nothing like it.
    pub is_part: bool,
}

impl Lookup {
    /// Tells whether `answer`, which this question got, is the answer to `whole`, too. It is if both are the same; or if
    /// `whole` asks for the same and more, and `answer` tells that all that was found has the rest.
    pub fn settles(&self, whole: &Self, answer: &Result<Value, ProviderError>) -> bool {
        if !self.is_part {
            return self == whole;
        }
        let (Ok(answer), Some(asked), Some(wanted)) = (answer, self.filters.as_map(), whole.filters.as_map()) else {
            return false;
        };
        self.address == whole.address
            && self.region == whole.region
            && asked.keys().all(|name| wanted.contains_key(name))
            && asked.len() < wanted.len()
            && wanted.iter().all(|(name, value)| asked.get(name).or_else(|| answer.get(name)) == Some(value))
    }
}

/// A resource to make.
#[derive(Clone, Debug)]
pub struct Creation {
    pub address: Address,
    pub region: String,
    pub attributes: Known,
    /// Ownership tags, for everything that can carry tags.
    pub tags: Tags,
    /// The same for every attempt at this one creation: 32 hexadecimal characters, for APIs with client tokens.
    pub token: String,
    pub attempt: Attempt,
}

/// The facts that a provider may rely on at this attempt at a creation. After the first attempt there are none: an earlier
/// one may have made the resource.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// Nothing can have been made with the creation's token yet: a provider need not look for it.
    pub is_first: bool,
    /// Nothing can carry the creation's tags yet, since the lineage in them was chosen a moment ago: a provider need not
    /// look for what carries them.
    pub tags_are_new: bool,
    /// Told as soon as the resource exists, if its creation goes on then.
    pub herald: Herald,
}

/// Hears that a resource exists while its creation still goes on, so that others need not wait for the rest.
///
/// A creation of several calls tells it after the first of them, with the identity and everything that is known of a
/// resource when it is created. It tells nothing where the cloud refuses what refers to the resource until a later call
/// was made, or treats it in another way.
#[derive(Clone, Default)]
pub struct Herald(Option<Arc<dyn Fn(Created) + Send + Sync>>);

impl Herald {
    pub fn new(hear: impl Fn(Created) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    /// The resource exists.
    pub fn tell(&self, created: &Created) {
        if let Self(Some(hear)) = self {
            hear(created.clone());
        }
    }
}

impl fmt::Debug for Herald {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Herald").field(&self.0.is_some()).finish()
    }
}

/// What a creation's answer told.
#[derive(Clone, Debug)]
pub struct Created {
    pub identity: Identity,
    /// Computed attributes the answer held; may be empty. With a status that says so, it is ready and not looked at again.
    pub attributes: Value,
}

/// A change of an existing resource.
#[derive(Clone, Debug)]
pub struct Update {
    pub target: Target,
    /// The complete desired attributes, for APIs that want neighbours of what changes.
    pub desired: Known,
    /// Names of the top-level attributes that change. Only these may be sent, with what the API demands beside them.
    pub changed: Vec<String>,
}

impl Update {
    /// The desired value of `attribute` if it changes. Null means: back to the cloud's default.
    pub fn changed(&self, attribute: &str) -> Option<&Known> {
        static NULL: Known = Known::Null;
        self.changed.iter().any(|name| name == attribute).then(|| self.desired.get(attribute).unwrap_or(&NULL))
    }
}

/// A note in the cloud about an instance that lives there: whose it is, and the last apply. It is for people; nothing is
/// decided by it but whether to stop. A later version may write more into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    pub instance: String,
    /// What people call it, such as its domain.
    pub title: String,
    pub region: String,
    pub lineage: String,
    /// The serial of the state after the last apply.
    pub serial: u64,
    /// When that was, as RFC 3339 in UTC.
    pub applied: String,
}

/// Something in a cloud that carries tags of this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// The cloud's full name of it: an ARN.
    pub name: String,
    pub region: String,
    pub tags: Tags,
}

impl Belonging {
    /// The region in the full name; empty for what stands in no region.
    pub fn place(&self) -> &str {
        self.name.split(':').nth(3).unwrap_or_default()
    }
}

/// Something that will happen to a resource, and that the cloud tells of before it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    pub address: Address,
    /// What, in a few words.
    pub what: String,
    /// When, in words, as far as the cloud says.
    pub when: Option<String>,
    /// Attributes that will have another value then, and which.
    #[serde(default)]
    pub attributes: BTreeMap<String, Value>,
}

/// What a cloud has announced, as far as it could be asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Announced {
    pub announcements: Vec<Announcement>,
    pub failures: Vec<ProviderError>,
}

impl Announced {
    /// With the answer to another question.
    pub fn add(&mut self, answer: Result<Vec<Announcement>, ProviderError>) {
        match answer {
            Ok(announcements) => self.announcements.extend(announcements),
            Err(failure) => self.failures.push(failure),
        }
    }
}

/// How a deletion goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The cloud is deleting it, or has.
    Accepted,
    /// A first step was accepted (for example: disabled); `delete` must be called again.
    Again,
}

/// The account of a simulated cloud. It is nobody's: AWS's own examples have it.
pub const NOBODYS_ACCOUNT: &str = "123456789012";

/// The account behind the credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub id: String,
    /// Nobody's: of a simulated cloud.
    #[serde(default)]
    pub is_simulated: bool,
}

/// A cloud.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The account that would be changed.
    async fn account(&self) -> Result<Account, ProviderError>;

    /// Reads something this program does not own: its attributes. No match, or several where one is wanted, is an
    /// error of kind [`ErrorKind::NotFound`] or [`ErrorKind::Invalid`].
    async fn lookup(&self, lookup: &Lookup) -> Result<Value, ProviderError>;

    /// Reads many resources at once; the provider groups them by type and region. Answers every target.
    async fn observe(&self, targets: &[Target]) -> Observations;

    /// Reads what several instances have, all at once; answers in their order.
    async fn observe_each(&self, instances: &[Vec<Target>]) -> Vec<Observations> {
        let mut answers = Vec::new();
        for targets in instances {
            answers.push(self.observe(targets).await);
        }
        answers
    }

    /// What the cloud has announced for resources: maintenance, and changes that wait for a better moment. Not asked for
    /// a plan, which is about now.
    async fn announced(&self, targets: &[Target]) -> Announced;

    /// Finds what an interrupted creation may have made: by natural name or ownership tags.
    async fn find(&self, creation: &Creation) -> Result<Vec<Identity>, ProviderError>;

    /// Whether the cloud refuses a second resource like one that this creation has made or found before, as one that exists
    /// already. Then nobody need look for it first.
    fn refuses_second(&self, _: &TypeName) -> bool {
        false
    }

    /// Makes a resource.
    async fn create(&self, creation: &Creation) -> Result<Created, ProviderError>;

    /// Changes a resource in place.
    async fn update(&self, update: &Update) -> Result<(), ProviderError>;

    /// Puts tags on a resource, beside those it has. Repeating it changes nothing.
    async fn mark(&self, target: &Target, tags: &Tags) -> Result<(), ProviderError>;

    /// Everything in a region that carries these tags, as far as the cloud has an index of tags. The index may lag
    /// behind by some minutes, in both directions, and does not know every type.
    async fn census(&self, region: &str, tags: &Tags) -> Result<Vec<Belonging>, ProviderError>;

    /// What is registered in a region about the instance of this name; `None`: nothing.
    async fn registration(&self, region: &str, instance: &str) -> Result<Option<Registration>, ProviderError>;

    /// Registers what was applied, over what was registered before by the same lineage. Anything else is left as it is, which
    /// is an error of kind [`ErrorKind::Conflict`] that names it.
    async fn register(&self, registration: &Registration) -> Result<(), ProviderError>;

    /// Takes a registration back, if there is one. One of another lineage is left as it is, which is an error as with
    /// [`Provider::register`].
    async fn unregister(&self, registration: &Registration) -> Result<(), ProviderError>;

    /// Deletes a resource.
    async fn delete(&self, target: &Target) -> Result<Deletion, ProviderError>;

    /// Reads a sensitive attribute, by its path of keys, at the moment it is needed.
    async fn reveal(&self, target: &Target, path: &[String]) -> Result<SecretText, ProviderError>;

    /// What a program has printed, from where an earlier answer ended. A cloud that runs no programs has nothing.
    async fn printed(&self, _: &Target, _: Option<&str>) -> Result<Printed, ProviderError> {
        Ok(Printed::default())
    }

    /// The program by which a session with something that runs is opened. A cloud in which nothing runs has none.
    fn opener(&self) -> Option<Opener> {
        None
    }

    /// Opens a session with something that runs, of [`ErrorKind::NotYet`] as long as it is starting. Gives the arguments
    /// with which the [`Provider::opener`] goes on.
    async fn open(&self, target: &Target, _command: &str) -> Result<Vec<SecretText>, ProviderError> {
        let message = format!("nothing runs in {}", target.address);
        Err(ProviderError::new(ErrorKind::Invalid, "session:Open", message))
    }

    /// Asks the running instance, by its public address. Changes nothing. A cloud in which nothing runs has no answer.
    async fn ask(&self, _: &Question) -> Result<Value, Silence> {
        Err(Silence::new("nothing runs in this cloud"))
    }

    /// How much faster than the wall clock this cloud lives: waits are divided by it. 1 for real clouds.
    fn time_lapse(&self) -> f64 {
        1.0
    }

    /// How often a call to this cloud may be tried again when it is throttled beyond the provider's own retries.
    fn patience(&self) -> Duration {
        Duration::from_secs(120)
    }
}

/// A program of the cloud's maker that leads a person into a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opener {
    pub program: &'static str,
    /// How to get it.
    pub advice: &'static str,
}

/// What a program has printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    pub lines: Vec<String>,
    /// From where to ask for more; `None`: from the beginning.
    pub next: Option<String>,
}

/// What kind of failure an error is: decides what the engine does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request is wrong and will stay so.
    Invalid,
    /// The credentials do not allow it.
    Denied,
    /// The credentials are missing or expired.
    Credentials,
    /// The account has not enabled the region, or the credentials are wrong: the cloud answers the same to both.
    Region,
    /// A limit of the account.
    Quota,
    /// Something with that name exists already.
    Conflict,
    /// It does not exist.
    NotFound,
    /// Too many calls.
    Throttled,
    /// Not possible yet: something it needs is not visible, or something that uses it still lives. Worth another try.
    NotYet,
    /// No answer.
    Network,
    /// The cloud's own fault, or a code nobody knows. Worth a few more tries, and no long wait.
    Unknown,
}

impl ErrorKind {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled | Self::NotYet | Self::Network)
    }

    /// Whether no other call will succeed before somebody logs in or enables the region.
    pub fn locks_out(self) -> bool {
        matches!(self, Self::Credentials | Self::Region)
    }
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderError {
    pub kind: ErrorKind,
    /// The API operation, for example `rds:CreateDBCluster`.
    pub operation: String,
    /// The cloud's error code.
    pub code: Option<String>,
    pub message: String,
    pub request_id: Option<String>,
    /// The attribute the cloud complained about, where it says so.
    pub attribute: Option<String>,
}

impl ProviderError {
    pub fn new(kind: ErrorKind, operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            operation: operation.into(),
            code: None,
            message: message.into(),
            request_id: None,
            attribute: None,
        }
    }

    /// Code and message without the number that every answer has of its own: the same text for the same refusal.
    #[must_use]
    pub fn without_number(&self) -> String {
        format!("{:?} {}", self.code, self.message)
    }

    /// The error as it may be said and written down: the cloud may repeat what it was sent, and some of that is secret.
    #[must_use]
    pub fn without(self, secrets: &[&SecretText]) -> Self {
        let clean = |text: &str| masked(text, secrets.iter().copied());
        Self {
            kind: self.kind,
            operation: self.operation,
            code: self.code.as_deref().map(clean),
            message: clean(&self.message),
            request_id: self.request_id.as_deref().map(clean),
            attribute: self.attribute.as_deref().map(clean),
        }
    }

    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.operation)?;
        if let Some(code) = &self.code {
            write!(formatter, "{}: ", printable(code))?;
        }
        formatter.write_str(&printable(&self.message))?;
        if let Some(request_id) = &self.request_id {
            write!(formatter, " (request {})", printable(request_id))?;
        }
        Ok(())
    }
}

impl std::error::Error for ProviderError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        Value::from_json(&serde_json::from_str(json).expect("JSON"))
    }

    fn question(filters: &str) -> Lookup {
        let address = "toy.parts.main".parse().expect("an address");
        Lookup { address, region: "eu-central-1".to_owned(), filters: value(filters), is_part: false }
    }

    #[test]
    fn an_answer_settles_what_it_has_all_of() {
        let whole = question(r#"{"network": "n-1", "main": true}"#);
        for (part, answer, is_settled) in [
            (r#"{"main": true}"#, r#"{"network": "n-1"}"#, true),
            (r#"{"main": true}"#, r#"{"network": "n-2"}"#, false),
            (r#"{"main": true}"#, r#"{"parts": ["p-1"]}"#, false),
            (r#"{"main": true}"#, "{}", false),
            (r#"{"main": false}"#, r#"{"network": "n-1", "main": true}"#, false),
            (r#"{"main": true, "without": ["z"]}"#, r#"{"network": "n-1"}"#, false),
            (r#"{"network": "n-1", "main": true}"#, r#"{"network": "n-1", "main": true}"#, false),
        ] {
            let part = Lookup { is_part: true, ..question(part) };
            assert_eq!(part.settles(&whole, &Ok(value(answer))), is_settled, "{part:?} {answer}");
            let elsewhere = Lookup { region: "us-east-1".to_owned(), ..part.clone() };
            assert!(!elsewhere.settles(&whole, &Ok(value(answer))));
            let other = Lookup { address: "toy.parts.other".parse().expect("an address"), ..part };
            assert!(!other.settles(&whole, &Ok(value(answer))));
        }
    }

    #[test]
    fn the_same_question_has_the_same_answer_and_the_same_refusal() {
        let whole = question(r#"{"network": "n-1", "main": true}"#);
        let part = Lookup { is_part: true, ..question(r#"{"main": true}"#) };
        let refusal = || Err(ProviderError::new(ErrorKind::Denied, "toy:DescribeParts", "no"));
        assert!(whole.settles(&whole, &Ok(value("{}"))) && whole.settles(&whole, &refusal()));
        assert!(!part.settles(&whole, &refusal()));
    }
}
