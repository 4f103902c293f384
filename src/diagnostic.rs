//! What is wrong, where, and what to do: collected as data, rendered the way rustc prints.
//!
//! A [`Diagnostic`] says what is wrong in one sentence without a period, points at places in files, and may carry
//! hints. Functions that check a document return all of them at once.
//!
//! Messages and the lines they point at quote files of strangers: [`Diagnostic::render`] shows them [`inert`], and in
//! time and room that depend on what is shown, not on how much is wrong.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::inert::{is_unseen, printable};

/// Problems of one kind that are told one by one, or shown at once.
pub const MANY: usize = 50;
/// Bytes of a word for which something similar is looked for.
const WORD: usize = 64;
/// Bytes of a line that are shown.
const LINE: usize = 2000;

/// A file as it was read: its name as the user knows it, and its text.
#[derive(Debug)]
pub struct SourceFile {
    pub name: String,
    pub text: String,
    /// Where lines begin, once somebody has asked.
    lines: OnceLock<Vec<usize>>,
    /// Bytes of its expressions that have been parsed.
    spent: AtomicUsize,
    /// Parts of the compiled patterns of this file and of those read before it.
    patterns: AtomicUsize,
}

impl PartialEq for SourceFile {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for SourceFile {}

impl SourceFile {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let (spent, patterns) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { name: name.into(), text: text.into(), lines: OnceLock::new(), spent, patterns })
    }

    /// Counts bytes that are going to be parsed once more, as expressions. False if that is more than `most` of the file.
    pub fn spend(&self, bytes: usize, most: usize) -> bool {
        self.spent.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= most
    }

    /// Counts what another pattern is compiled to. False if that is more than `most`.
    pub fn spend_on_patterns(&self, parts: usize, most: usize) -> bool {
        let before = self.patterns.fetch_add(parts.min(most), Ordering::Relaxed);
        before.saturating_add(parts) <= most
    }

    /// Goes on counting patterns where another file has ended: all are compiled by one program.
    pub fn counts_patterns_after(&self, other: &Self) {
        self.patterns.fetch_add(other.patterns.load(Ordering::Relaxed), Ordering::Relaxed);
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

/// Why something is not as it must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Why {
    /// It is wrong.
    #[default]
    Wrong,
    /// It depends on what is not known yet, so it is neither right nor wrong.
    Open,
    /// It depends on what is wrong, and that has a diagnostic of its own.
    Consequence,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Why it is one. Decisions are made by it; the code is for people.
    pub why: Why,
    /// A stable word for the kind of problem, for example `unknown-key`. `docs/errors/` has a page on each.
    pub code: &'static str,
    pub message: String,
    pub labels: Vec<Label>,
    pub hints: Vec<String>,
}

impl Diagnostic {
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { severity: Severity::Error, why: Why::Wrong, code, message, labels: Vec::new(), hints: Vec::new() }
    }

    /// Something that depends on what is not known yet.
    pub fn open(code: &'static str, message: impl Into<String>) -> Self {
        Self { why: Why::Open, ..Self::error(code, message) }
    }

    /// Something that depends on what is wrong and was told already.
    pub fn consequence(code: &'static str, message: impl Into<String>) -> Self {
        Self { why: Why::Consequence, ..Self::error(code, message) }
    }

    /// Whether it depends on what is not known yet.
    pub fn is_open(&self) -> bool {
        self.why == Why::Open
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
        if word.len() > WORD {
            return self;
        }
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
        let message = shown(&self.message);
        let mut group = Group::with_title(level.primary_title(&*message).id(self.code));
        let mut files: Vec<&Arc<SourceFile>> = Vec::new();
        for label in &self.labels {
            if !files.iter().any(|file| Arc::ptr_eq(file, &label.location.file)) {
                files.push(&label.location.file);
            }
        }
        for (file_index, file) in files.iter().enumerate() {
            let of_file = self.labels.iter().filter(|label| Arc::ptr_eq(file, &label.location.file));
            let labels: Vec<&Label> = of_file.collect();
            let excerpt = Excerpt::of(file, &labels);
            let mut snippet =
                Snippet::source(excerpt.text).line_start(excerpt.first_line).path(printable(&file.name).into_owned());
            for (index, (label, span)) in labels.iter().zip(excerpt.spans).enumerate() {
                let kind =
                    if file_index == 0 && index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                let annotation = kind.span(span);
                let text = shown(&label.text);
                snippet =
                    snippet.annotation(if text.is_empty() { annotation } else { annotation.label(text.into_owned()) });
            }
            group = group.element(snippet);
        }
        let mut text = Renderer::styled().decor_style(DecorStyle::Ascii).render(&[group]);
        for hint in &self.hints {
            text.push_str("\n\n");
            text.push_str("\u{1b}[36mhint\u{1b}[39m: ");
            text.push_str(&shown(hint));
        }
        text
    }
}

/// A message inert; of one that quotes something endless, its beginning and its end.
fn shown(message: &str) -> Cow<'_, str> {
    if message.len() <= LINE {
        return printable(message);
    }
    let beginning = printable(&message[..floor(message, LINE / 2)]).into_owned();
    let end = printable(&message[floor(message, message.len() - LINE / 4)..]).into_owned();
    Cow::Owned(format!("{beginning} ... {end}"))
}

/// The lines of a file that labels point at, inert, and where in them they point.
struct Excerpt {
    text: String,
    first_line: usize,
    spans: Vec<Range<usize>>,
}

impl Excerpt {
    fn of(file: &SourceFile, labels: &[&Label]) -> Self {
        let whole = file.text.as_str();
        let span = |label: &Label| {
            let end = label.location.span.end.min(whole.len());
            label.location.span.start.min(end)..end
        };
        let start = labels.iter().map(|label| span(label).start).min().unwrap_or(0);
        let end = labels.iter().map(|label| span(label).end).max().unwrap_or(0).max(start);
        let (line, from) = file.line(start);
        let to = whole[floor(whole, end)..].find('\n').map_or(whole.len(), |length| floor(whole, end) + length);
        // Where each label begins and ends, in the order of the file.
        let mut marks: Vec<(usize, usize)> =
            labels.iter().flat_map(|label| [(span(label).start, 0), (span(label).end, 0)]).collect();
        marks.sort_unstable();
        let mut text = String::new();
        let mut next = 0;
        let mut at = from;
        for piece in whole[from..to].split_inclusive('\n') {
            let ends = at + piece.len();
            // Of a line of any length, the part at the first label.
            let label = marks.iter().map(|(mark, _)| *mark).find(|mark| (at..=ends).contains(mark)).unwrap_or(at);
            let shown = if piece.len() > 2 * LINE {
                floor(whole, label.saturating_sub(LINE / 2).max(at))..floor(whole, label + LINE).min(ends)
            } else {
                at..ends
            };
            for (offset, character) in piece.char_indices() {
                let offset = at + offset;
                while let Some(mark) = marks.get_mut(next).filter(|(mark, _)| *mark <= offset) {
                    mark.1 = text.len();
                    next += 1;
                }
                let is_end_of_line = character == '\n' || character == '\r' && piece[offset - at..] == *"\r\n";
                match character {
                    '\n' => text.push('\n'),
                    _ if is_end_of_line || !shown.contains(&offset) => {}
                    '\t' => text.push('\t'),
                    unseen if is_unseen(unseen) => text.push_str(&printable(unseen.encode_utf8(&mut [0; 4]))),
                    other => text.push(other),
                }
            }
            at = ends;
        }
        for mark in marks.iter_mut().skip(next) {
            mark.1 = text.len();
        }
        let place =
            |offset: usize| marks.iter().find(|(mark, _)| *mark == offset).map_or(text.len(), |(_, place)| *place);
        let spans = labels.iter().map(|label| place(span(label).start)..place(span(label).end)).collect();
        Self { text, first_line: line + 1, spans }
    }
}

/// The start of the character that `at` is in.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// `mastodon.toml:3:1: unknown key ...`: one line, without colours.
impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = self.labels.first() {
            let (line, column) = label.location.line_column();
            write!(formatter, "{}:{line}:{column}: ", label.location.file.name)?;
        }
        formatter.write_str(&shown(&self.message))
    }
}

/// A failed check of a document: every problem found, errors and warnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// The first of the problems as texts, and how many more there are in the last one.
    pub fn render(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.0.iter().take(MANY).map(Diagnostic::render).collect();
        if self.0.len() > MANY {
            texts.push(format!("and {} more", self.0.len() - MANY));
        }
        texts
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
    fn a_line_of_a_file_is_shown_inert_and_its_label_stays_in_its_place() {
        let file = SourceFile::new("a\u{1b}.toml", "x = 1\r\ny = \"\u{202e}\u{1b}[1A\" # \u{9b}\r\nz = 2\n");
        let at = file.text.find("# ").expect("there");
        let problem = Diagnostic::error("c", "m\n::error::x \u{1b}[2K").at(&Location::new(&file, at..at + 1), "l\u{7}");
        let text = anstream::adapter::strip_str(&problem.hint("h\r").render()).to_string();
        assert!(!text.contains(|character| is_unseen(character) && character != '\n'), "{text:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        let source = lines.iter().position(|line| line.starts_with("2 |")).expect("the second line");
        assert_eq!(lines[source].find('#'), lines[source + 1].find('^'), "{text}");
        assert!(text.contains(r#"y = "\u{202e}\u{1b}[1A" # \u{9b}"#), "{text}");
    }

    #[test]
    fn of_a_long_line_its_part_at_the_label_is_shown() {
        let file = SourceFile::new("a.toml", format!("{}HERE{}\nb\n", "ä".repeat(500_000), "y".repeat(500_000)));
        let problem = Diagnostic::error("c", "m").at(&Location::new(&file, 1_000_000..1_000_004), "");
        let text = problem.render();
        assert!(text.contains("HERE") && text.len() < 10_000, "{}", text.len());
    }

    #[test]
    fn of_very_many_problems_the_first_are_shown() {
        let many = Diagnostics((0..1000).map(|number| Diagnostic::error("c", number.to_string())).collect());
        assert_eq!(many.render().len(), MANY + 1);
        assert_eq!(many.render().last().map(String::as_str), Some("and 950 more"));
    }

    #[test]
    fn nothing_similar_is_looked_for_to_an_endless_word() {
        let long = Diagnostic::error("c", "m").suggest(&"run_mode".repeat(100_000), ["run_mode"]);
        assert!(long.hints.is_empty());
    }

    #[test]
    fn suggestions_need_to_be_close() {
        let near = Diagnostic::error("c", "m").suggest("run_mod", ["run_mode", "region"]);
        assert_eq!(near.hints, ["did you mean `run_mode`?"]);
        let far = Diagnostic::error("c", "m").suggest("zzz", ["run_mode", "region"]);
        assert!(far.hints.is_empty());
    }
}
