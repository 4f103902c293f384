//! The one table of colours and signs.
//!
//! Everything that is coloured anywhere is coloured here, by what it means. Texts carry ANSI codes; the stream they are
//! written to strips them where they are not wanted. No meaning depends on colour alone.

use owo_colors::{OwoColorize, Style};

use crate::plan::Action;
use crate::spec::types::Impact;
use crate::state::Status;

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Create,
    Update,
    Replace,
    Delete,
    Adopt,
    Forget,
    Run,
    /// Something is as it should be.
    Good,
    Heading,
    /// Where something comes from, what can be skipped while reading.
    Quiet,
    Before,
    After,
    /// The part of a text that differs.
    Differs,
    Secret,
    Error,
    Warning,
    Hint,
}

/// The table.
const fn style(role: Role) -> Style {
    match role {
        Role::Create | Role::After | Role::Good => Style::new().green(),
        Role::Update | Role::Warning => Style::new().yellow(),
        Role::Replace => Style::new().magenta(),
        Role::Delete | Role::Before => Style::new().red(),
        Role::Adopt | Role::Hint => Style::new().cyan(),
        Role::Run => Style::new().blue(),
        Role::Forget | Role::Quiet => Style::new().dimmed(),
        Role::Heading => Style::new().bold(),
        Role::Differs => Style::new().bold().underline(),
        Role::Secret => Style::new().italic().dimmed(),
        Role::Error => Style::new().red().bold(),
    }
}

/// The text in the colours of what it means.
pub fn paint(role: Role, text: &str) -> String {
    if text.is_empty() { String::new() } else { text.style(style(role)).to_string() }
}

/// The text in the colours of what it means, and marked as the part that differs.
pub fn paint_difference(role: Role, text: &str) -> String {
    if text.is_empty() { String::new() } else { text.style(style(role).bold().underline()).to_string() }
}

/// What a kind of change means.
pub fn role_of(action: &Action) -> Role {
    match action {
        Action::Create => Role::Create,
        Action::Update { .. } => Role::Update,
        Action::Replace { .. } => Role::Replace,
        Action::Delete => Role::Delete,
        Action::Adopt => Role::Adopt,
        Action::Forget | Action::Skip => Role::Forget,
        Action::Run => Role::Run,
    }
}

/// What fills a box of a kind of change where no theme decides, and the colour of the text in it.
pub fn fill_of(action: &Action) -> (&'static str, &'static str) {
    match action {
        Action::Create => ("#1a7f37", "#ffffff"),
        Action::Update { .. } => ("#d4a72c", "#000000"),
        Action::Replace { .. } => ("#8250df", "#ffffff"),
        Action::Delete => ("#cf222e", "#ffffff"),
        Action::Adopt => ("#0969da", "#ffffff"),
        Action::Forget | Action::Skip => ("#59636e", "#ffffff"),
        Action::Run => ("#1b5e78", "#ffffff"),
    }
}

/// How an impact is coloured; `None` if it is nothing to look at.
pub fn role_of_impact(impact: Impact) -> Option<Role> {
    match impact {
        Impact::None | Impact::Rolling => None,
        Impact::Brief => Some(Role::Warning),
        Impact::Outage | Impact::Lasting | Impact::DataLoss => Some(Role::Error),
    }
}

/// How a status of the state file is coloured.
pub fn role_of_status(status: Status) -> Role {
    match status {
        Status::Ready => Role::Good,
        Status::Failed => Role::Error,
        Status::Creating | Status::Updating | Status::Replacing | Status::Deleting => Role::Warning,
    }
}

/// The signs, in Unicode or in ASCII.
#[derive(Debug, PartialEq, Eq)]
pub struct Signs {
    pub create: &'static str,
    pub update: &'static str,
    pub replace: &'static str,
    pub delete: &'static str,
    pub adopt: &'static str,
    pub run: &'static str,
    pub good: &'static str,
    pub bad: &'static str,
    /// Nobody has looked.
    pub unasked: &'static str,
    pub arrow: &'static str,
    pub dot: &'static str,
    pub ellipsis: &'static str,
    /// Before how many there are of something.
    pub times: &'static str,
}

pub const UNICODE: Signs = Signs {
    create: "+",
    update: "~",
    replace: "±",
    delete: "-",
    adopt: "←",
    run: "▸",
    good: "✓",
    bad: "✗",
    arrow: "→",
    unasked: "·",
    dot: "·",
    ellipsis: "…",
    times: "×",
};

pub const ASCII: Signs = Signs {
    create: "+",
    update: "~",
    replace: "-/+",
    delete: "-",
    adopt: "<-",
    run: ">",
    good: "ok",
    bad: "!!",
    arrow: "->",
    unasked: "--",
    dot: "|",
    ellipsis: "...",
    times: "x",
};

impl Signs {
    pub fn table(ascii: bool) -> &'static Self {
        if ascii { &ASCII } else { &UNICODE }
    }

    /// The sign of a kind of change.
    pub fn of(&self, action: &Action) -> &'static str {
        match action {
            Action::Create => self.create,
            Action::Update { .. } => self.update,
            Action::Replace { .. } => self.replace,
            Action::Delete | Action::Forget => self.delete,
            Action::Adopt => self.adopt,
            Action::Run => self.run,
            Action::Skip => self.dot,
        }
    }

    /// Columns that the widest sign of a kind of change takes.
    pub fn width(&self) -> usize {
        [self.create, self.update, self.replace, self.delete, self.adopt, self.run, self.dot]
            .iter()
            .map(|sign| super::layout::width(sign))
            .max()
            .unwrap_or(1)
    }
}
