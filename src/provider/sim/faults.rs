//! Faults on command.
//!
//! A [`Rule`] says which call goes wrong, and how. Rules are tried in the order they were added; every rule counts the
//! calls it matches, and strikes from its `nth` one on, `times` times. The first rule that strikes decides; the others
//! still count the call.

use crate::address::{Address, TypeName};
use crate::provider::ErrorKind;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Lookup,
    Observe,
    Find,
    Create,
    Update,
    Delete,
    Reveal,
    Mark,
}

impl Operation {
    /// As an error names it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Lookup => "Lookup",
            Self::Observe => "Describe",
            Self::Find => "Find",
            Self::Create => "Create",
            Self::Update => "Modify",
            Self::Delete => "Delete",
            Self::Reveal => "Reveal",
            Self::Mark => "Tag",
        }
    }
}

/// Whose calls a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Anything,
    Type(TypeName),
    Address(Address),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call is refused because there are too many.
    Throttle,
    /// The call is refused with this code.
    Refuse { code: String, kind: ErrorKind },
    /// The call has its effect, but its answer is lost.
    LoseResponse,
    /// The call has no effect and is never answered.
    NeverAnswer,
    /// The object is invisible to the next so many looks at it: reads, and checks that something it is named by exists.
    HideFor(u32),
    /// The object shows this status for ever instead of becoming ready.
    StickIn(String),
    /// The call is accepted and ends in a failed status, if the type has one.
    FailLater,
    /// The program dies: neither this call nor any later one is ever answered, until [`super::Sim::revive`].
    Crash(CrashPoint),
}

/// When a crash strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    BeforeTheEffect,
    AfterTheEffect,
}

impl Fault {
    /// A lookup that finds nothing.
    pub fn nothing_found() -> Self {
        Self::Refuse { code: "NotFound".to_owned(), kind: ErrorKind::NotFound }
    }
}

/// One fault, and the calls it strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    operation: Option<Operation>,
    subject: Subject,
    nth: usize,
    times: usize,
    fault: Fault,
    seen: usize,
}

impl Rule {
    /// Strikes the first `operation` on `subject`, once.
    pub fn new(operation: Operation, subject: Subject, fault: Fault) -> Self {
        Self { operation: Some(operation), subject, nth: 1, times: 1, fault, seen: 0 }
    }

    /// Strikes the first call of any kind, once.
    pub fn any_call(subject: Subject, fault: Fault) -> Self {
        Self { operation: None, subject, nth: 1, times: 1, fault, seen: 0 }
    }

    /// Strikes from the `nth` matching call on; the first is 1.
    #[must_use]
    pub fn nth(mut self, nth: usize) -> Self {
        self.nth = nth;
        self
    }

    /// Strikes so many matching calls in a row.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn strikes(&mut self, operation: Operation, address: &Address) -> bool {
        let matches = self.operation.is_none_or(|wanted| wanted == operation)
            && match &self.subject {
                Subject::Anything => true,
                Subject::Type(type_name) => *type_name == address.type_name,
                Subject::Address(wanted) => wanted == address,
            };
        if !matches {
            return false;
        }
        self.seen += 1;
        (self.nth..self.nth.saturating_add(self.times)).contains(&self.seen)
    }
}

/// The rules of one simulated cloud.
#[derive(Clone, Debug, Default)]
pub struct Faults(Vec<Rule>);

impl Faults {
    pub fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with this call. Counts it.
    pub fn strike(&mut self, operation: Operation, address: &Address) -> Option<Fault> {
        let mut struck = None;
        for rule in &mut self.0 {
            if rule.strikes(operation, address) && struck.is_none() {
                struck = Some(rule.fault.clone());
            }
        }
        struck
    }
}
