//! Questions to a running instance, from where its people are: by its public address.
//!
//! A real cloud answers them by way of the network. A simulated one answers what the blueprint says, as long as what
//! that takes is there and works.

use std::time::Duration;

use super::Target;
use crate::value::Value;

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The name of the probe.
    pub name: String,
    pub asks: Asks,
    /// How long an answer may take.
    pub patience: Duration,
    pub rehearsal: Rehearsal,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Answers `status`, `headers`, `text`, and `json` if the text is that.
    Http {
        url: String,
        /// Hosts to which an answer may send on. To all others it is not followed.
        follow: Vec<String>,
    },
    /// Answers `status` and `headers`; 101 only for a handshake that is right.
    WebSocket { url: String, protocol: Option<String> },
    /// Answers `days` until the certificate ends, and that day as `not_after`. One that no browser would take is no
    /// answer.
    Certificate { host: String },
}

/// What a simulated cloud goes by.
#[derive(Clone, Debug, Default)]
pub struct Rehearsal {
    /// What must be there and work.
    pub needs: Vec<Target>,
    /// Something that is needed was never made.
    pub lacks: bool,
    pub answer: Value,
}

/// Why there was no answer, in a sentence without its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Silence(pub String);

impl Silence {
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
