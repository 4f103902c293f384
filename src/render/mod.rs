//! Plans, graphs and states as text, JSON, Markdown, pages and pictures: pure functions from values to a `String`.
//!
//! Texts carry ANSI colours from the one table in [`style`]; whoever writes them strips the colours where they are not
//! wanted. Nothing here reads a clock, the environment or the size of a terminal: all of that comes in [`Options`].
//!
//! # Guarantees
//!
//! - The same values give the same bytes.
//! - No secret is shown: sensitive attributes are `(secret)` in text and null in JSON.
//! - Without colours nothing is lost.

pub mod cost;
mod documents;
pub mod drift;
pub mod duration;
pub mod estimate;
pub mod explain;
pub mod graph;
mod html;
mod json;
pub mod layout;
mod markdown;
mod markup;
mod outline;
mod paths;
pub mod plan;
pub mod state;
pub mod status;
pub mod style;
mod values;

pub use html::{is_page, plan_html};
pub use json::{FORMAT, plan_json};
pub use markdown::plan_markdown;
pub use plan::plan;

/// The narrowest text we make.
pub const MINIMUM_WIDTH: usize = 80;

/// How a text should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Columns; less than [`MINIMUM_WIDTH`] counts as that.
    pub width: usize,
    /// Lines of the terminal: a plan with more lines says its summary first, too.
    pub height: Option<usize>,
    /// Show all attributes of what is created, and long values in full.
    pub verbose: bool,
    pub ascii: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { width: 100, height: None, verbose: false, ascii: false }
    }
}

impl Options {
    fn columns(&self) -> usize {
        self.width.max(MINIMUM_WIDTH)
    }

    fn signs(&self) -> &'static style::Signs {
        style::Signs::table(self.ascii)
    }
}

/// Text without colours.
#[cfg(test)]
fn stripped(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
