//! What is wrong, where, and what to do: collected as data, rendered the way rustc prints.
//!
//! A [`Diagnostic`] says what is wrong in one sentence without a period, points at places in files, and may carry
//! hints. Functions that check a document return all of them at once.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A file as it was read: its name as the user knows it, and its text.
#[derive(Debug)]
pub struct SourceFile {
    pub name: String,
    pub text: String,
    /// Where lines begin, once somebody has asked.
    lines: OnceLock<Vec<usize>>,
}

impl PartialEq for SourceFile {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for SourceFile {}

impl SourceFile {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into(), lines: OnceLock::new() })
    }

    /// The line that `offset` is in, from 0, and where it begins.
    fn line(&self, offset: usize) -> (usize, usize) {
        let starts = self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect()
        });
        let line = starts.partition_point(|start| *start <= offset).saturating_sub(1);
        (line, starts.get(line).copied().unwrap_or_default())
    }
}

/// A range of bytes in a file. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    pub file: Arc<SourceFile>,
    pub span: Range<usize>,
}

impl Location {
    pub fn new(file: &Arc<SourceFile>, span: Range<usize>) -> Self {
        Self { file: Arc::clone(file), span }
    }

    /// Line and column of the start, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let text = &self.file.text;
        let at = if text.is_char_boundary(self.span.start) { self.span.start } else { text.len() };
        let (line, start) = self.file.line(at);
        (line + 1, text[start..at].chars().count() + 1)
    }

    /// A part of this location, given by offsets from its start.
    pub fn part(&self, range: Range<usize>) -> Self {
        Self { file: Arc::clone(&self.file), span: self.span.start + range.start..self.span.start + range.end }
    }
}

/// `mastodon.toml:11`
impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.name, self.line_column().0)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{:?}", self.file.name, self.span)
    }
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// A place a diagnostic points at, with a few words beside it. The first label is the primary one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub location: Location,
    pub text: String,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// A stable word for the kind of problem, for example `unknown-key`. `docs/errors/` has a page on each.
    pub code: &'static str,
    pub message: String,
    pub labels: Vec<Label>,
    pub hints: Vec<String>,
}

impl Diagnostic {
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), labels: Vec::new(), hints: Vec::new() }
    }

    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place with a few words (which may be empty).
    #[must_use]
    pub fn at(mut self, location: &Location, text: impl Into<String>) -> Self {
        self.labels.push(Label { location: location.clone(), text: text.into() });
        self
    }

    /// Adds a hint: a sentence that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds "did you mean" if one of the candidates is close to `word`.
    #[must_use]
    pub fn suggest<'a>(self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        let best = candidates
            .into_iter()
            .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
            .filter(|(score, _)| *score > 0.8)
            .max_by(|left, right| left.0.total_cmp(&right.0));
        match best {
            Some((_, candidate)) => self.hint(format!("did you mean `{candidate}`?")),
            None => self,
        }
    }

    /// The diagnostic as text with colours (ANSI), to be stripped at the stream where they are not wanted.
    pub fn render(&self) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(self.message.as_str()).id(self.code);
        let mut group = Group::with_title(title);
        let mut files: Vec<&Arc<SourceFile>> = Vec::new();
        for label in &self.labels {
            if !files.iter().any(|file| Arc::ptr_eq(file, &label.location.file)) {
                files.push(&label.location.file);
            }
        }
        for (file_index, file) in files.iter().enumerate() {
            let mut snippet = Snippet::source(file.text.as_str()).path(file.name.as_str());
            let of_file = self.labels.iter().filter(|label| Arc::ptr_eq(file, &label.location.file));
            for (index, label) in of_file.enumerate() {
                let kind =
                    if file_index == 0 && index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                let end = label.location.span.end.min(file.text.len());
                let annotation = kind.span(label.location.span.start.min(end)..end);
                snippet = snippet.annotation(if label.text.is_empty() {
                    annotation
                } else {
                    annotation.label(label.text.as_str())
                });
            }
            group = group.element(snippet);
        }
        let mut text = Renderer::styled().decor_style(DecorStyle::Ascii).render(&[group]);
        for hint in &self.hints {
            text.push_str("\n\n");
            text.push_str("\u{1b}[36mhint\u{1b}[39m: ");
            text.push_str(hint);
        }
        text
    }
}

/// `mastodon.toml:3:1: unknown key ...`: one line, without colours.
impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = self.labels.first() {
            let (line, column) = label.location.line_column();
            write!(formatter, "{}:{line}:{column}: ", label.location.file.name)?;
        }
        formatter.write_str(&self.message)
    }
}

/// A failed check of a document: every problem found, errors and warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// `value` with the warnings, or all problems if one of them is an error.
    pub fn finish<T>(self, value: T) -> Result<(T, Diagnostics), Diagnostics> {
        if self.has_errors() { Err(self) } else { Ok((value, self)) }
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, items: I) {
        self.0.extend(items);
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(formatter, "{newline}{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let file = SourceFile::new("a.toml", "x = 1\nä = 'b'\n");
        let start = file.text.find("'b'").unwrap_or_default();
        assert_eq!(Location::new(&file, start..start + 3).line_column(), (2, 5));
    }

    #[test]
    fn suggestions_need_to_be_close() {
        let near = Diagnostic::error("c", "m").suggest("run_mod", ["run_mode", "region"]);
        assert_eq!(near.hints, ["did you mean `run_mode`?"]);
        let far = Diagnostic::error("c", "m").suggest("zzz", ["run_mode", "region"]);
        assert!(far.hints.is_empty());
    }
}
