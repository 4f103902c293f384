//! Bounds of a scalar: a pattern, a range, a step, a length.
//!
//! Patterns come from files that strangers may have written, and a short one can be compiled to very much. So what a pattern
//! comes to is counted before it is compiled, in [parts](weight), and all files of the specs have so many parts together.

use std::fmt;
use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};
use regex_lite::RegexBuilder as PlainBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

use super::reader::Reader;
use crate::diagnostic::{Diagnostic, Location};
use crate::expr::LIMIT;
use crate::value::Value;

/// Bytes of a pattern as it is written.
const LONGEST: usize = 2048;
/// Parts of one pattern.
const LARGEST: usize = 30_000;
/// Parts of all patterns of the specs, with the bytes in which they are written.
const ALL: usize = 150_000;
/// Parts of a pattern times bytes of a text that it is held against.
const WORK: usize = 32_000_000;
/// Bytes of a pattern that was compiled. One within the limits needs less.
const COMPILED: usize = 4 << 20;

/// A regular expression. It is compiled when it is first needed, which takes most of the time; no run needs them all.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    /// How many parts it has.
    weight: usize,
    compiled: OnceLock<Option<Compiled>>,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPattern {
    /// It is not written as a regular expression is.
    Malformed,
    TooLarge,
    /// It is the one with which all patterns together become too large.
    TooMany,
}

impl NoPattern {
    /// The problem with a pattern at a place, which must be `expected`.
    pub fn at(self, location: &Location, expected: &str) -> Diagnostic {
        let (code, message) = match self {
            Self::Malformed => ("wrong-type", expected.to_owned()),
            Self::TooLarge => {
                (LIMIT, format!("this pattern is too large: {LONGEST} bytes and {LARGEST} parts are the limits"))
            }
            Self::TooMany => {
                (LIMIT, format!("the patterns of these specs are too large together: {ALL} parts are the limit"))
            }
        };
        let problem = Diagnostic::error(code, message).at(location, "");
        match self {
            Self::Malformed => problem,
            Self::TooLarge | Self::TooMany => {
                problem.hint(format!("repeat less, use sets such as [a-z0-9] instead of \\w and \\pL, or `length`; `mastoform explain {LIMIT}` has the limits"))
            }
        }
    }
}

/// A pattern that was compiled.
#[derive(Clone, Debug)]
enum Compiled {
    /// Of ASCII and sets that are written out. Compiling it takes a tenth of the time.
    Plain(regex_lite::Regex),
    Full(Regex),
}

impl Compiled {
    /// `None` for one that is too large.
    fn new(pattern: &str) -> Option<Self> {
        // Both crates understand the same by these. A class such as `\w` is larger in `regex`, which knows all scripts.
        let has_class = pattern.split('\\').skip(1).any(|rest| rest.starts_with(|first: char| first.is_alphanumeric()));
        if pattern.is_ascii()
            && !has_class
            && let Ok(compiled) = PlainBuilder::new(pattern).size_limit(COMPILED).build()
        {
            return Some(Self::Plain(compiled));
        }
        RegexBuilder::new(pattern).size_limit(COMPILED).build().ok().map(Self::Full)
    }

    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Plain(pattern) => pattern.is_match(text),
            Self::Full(pattern) => pattern.is_match(text),
        }
    }
}

/// The most parts that a pattern is compiled to: a byte of each text of a few that a set consists of, as often as it is
/// repeated.
fn weight(pattern: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().map(weight).fold(1, usize::saturating_add);
    match pattern.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len().max(1),
        HirKind::Class(Class::Unicode(class)) => {
            let bytes = |range: &regex_syntax::hir::ClassUnicodeRange| -> usize {
                Utf8Sequences::new(range.start(), range.end()).map(|sequence| sequence.len()).sum()
            };
            class.ranges().iter().map(bytes).sum::<usize>().max(1)
        }
        HirKind::Repetition(repetition) => {
            let often = repetition.max.unwrap_or_else(|| repetition.min.saturating_add(1)).max(1);
            weight(&repetition.sub).saturating_add(1).saturating_mul(usize::try_from(often).unwrap_or(usize::MAX))
        }
        HirKind::Capture(capture) => weight(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
    }
}

impl Pattern {
    /// A pattern that stands by itself.
    ///
    /// # Errors
    ///
    /// `Malformed` or `TooLarge`.
    pub fn new(text: String) -> Result<Self, NoPattern> {
        if text.len() > LONGEST {
            return Err(NoPattern::TooLarge);
        }
        let weight = regex_syntax::parse(&text).map(|parsed| weight(&parsed)).map_err(|_| NoPattern::Malformed)?;
        if weight > LARGEST {
            return Err(NoPattern::TooLarge);
        }
        Ok(Self { text, weight, compiled: OnceLock::new() })
    }

    /// A pattern of a file of the specs.
    ///
    /// # Errors
    ///
    /// Any.
    pub fn of_file(text: String, location: &Location) -> Result<Self, NoPattern> {
        // Reading it takes time too, so that it is paid for beforehand.
        if !location.file.spend_on_patterns(text.len(), ALL) {
            return Err(NoPattern::TooMany);
        }
        let pattern = Self::new(text);
        let weight = pattern.as_ref().map_or(LARGEST, |pattern| pattern.weight);
        let is_paid = location.file.spend_on_patterns(weight, ALL);
        pattern.and_then(|pattern| is_paid.then_some(pattern).ok_or(NoPattern::TooMany))
    }

    /// Whether it matches somewhere in a text. `None`: finding out would take too long.
    pub fn is_match(&self, text: &str) -> Option<bool> {
        if self.weight.saturating_mul(text.len()) > WORK {
            return None;
        }
        let compiled = self.compiled.get_or_init(|| Compiled::new(&self.text));
        Some(compiled.as_ref()?.is_match(text))
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Bounds of a scalar, shared by attributes and inputs.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub pattern: Option<Pattern>,
    /// The pattern in words: what a value must be.
    pub form: Option<String>,
    pub range: Option<(f64, f64)>,
    pub step: Option<f64>,
    pub length: Option<(usize, usize)>,
}

impl Limits {
    /// Reads `pattern`, `form`, `range`, `step` and `length` of a table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let pattern = reader.text("pattern").and_then(|text| {
            let location = reader.table.get("pattern").map_or(&reader.table.location, |node| &node.location);
            let pattern = Pattern::of_file(text, location);
            pattern
                .map_err(|wrong| reader.diagnostics.push(wrong.at(location, "`pattern` must be a regular expression")))
                .ok()
        });
        let range = reader.numbers("range").and_then(|numbers| match numbers[..] {
            [low, high] => Some((low, high)),
            _ => {
                reader.wrong("range", "two numbers");
                None
            }
        });
        let length = reader.numbers("length").and_then(|numbers| match numbers[..] {
            [low, high] => Some((low as usize, high as usize)),
            _ => {
                reader.wrong("length", "two numbers");
                None
            }
        });
        reader.used.push("step");
        let step = reader.table.get("step").and_then(|node| node.value().as_number());
        let form = reader.text("form");
        Self { pattern, form, range, step, length }
    }

    /// What is wrong with `value`, as the end of a sentence: "must be between 0 and 256".
    pub fn complaint(&self, value: &Value) -> Option<String> {
        if let (Some((low, high)), Some(number)) = (self.range, value.as_number())
            && !(low..=high).contains(&number)
        {
            return Some(format!("must be between {low} and {high}"));
        }
        if let (Some(step), Some(number)) = (self.step, value.as_number())
            && (number / step).fract() != 0.0
        {
            return Some(format!("must be a multiple of {step}"));
        }
        let text = value.as_text()?;
        let count = text.chars().count();
        if let Some((low, high)) = self.length
            && !(low..=high).contains(&count)
        {
            return Some(format!("must have {low} to {high} characters, and has {count}"));
        }
        let pattern = self.pattern.as_ref()?;
        match pattern.is_match(text) {
            Some(true) => None,
            Some(false) => Some(match &self.form {
                Some(form) => format!("must be {form}"),
                None => format!("must match `{pattern}`"),
            }),
            None => Some(format!("is too long for its pattern: it has {} bytes", text.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{OverlayFile, Specs};

    /// Whatever a pattern is compiled by, it means the same.
    #[test]
    fn patterns_of_the_specs_are_plain_and_others_keep_their_meaning() {
        let specs = Specs::read(&[]).expect("valid specs");
        let inputs = specs.blueprint.inputs.iter().filter_map(|input| input.limits.pattern.as_ref());
        let attributes = specs.types.values().flat_map(|one| one.attributes.values());
        let all: Vec<&Pattern> = inputs.chain(attributes.filter_map(|one| one.limits.pattern.as_ref())).collect();
        assert!(all.len() > 40, "{}", all.len());
        let texts =
            ["", "a", "social", "a-b", "a--b", "Ä", "a@b.c", "v4.7.7", "10.0.0.0/16", "sun:04:00-sun:05:00", "/a/\n"];
        for pattern in all {
            let compiled = Compiled::new(pattern.as_str()).expect("it is small");
            assert!(matches!(compiled, Compiled::Plain(_)), "{pattern}");
            let full = Regex::new(pattern.as_str()).expect("a pattern");
            for text in texts {
                assert_eq!(compiled.is_match(text), full.is_match(text), "{pattern}: {text:?}");
            }
        }
        for (pattern, text) in
            [(r"^\w+$", "ä"), (r"^\p{L}+$", "ä"), ("^ä$", "ä"), (r"^\d$", "٣"), ("^[a-z&&[^b]]$", "a")]
        {
            let pattern = Pattern::new(pattern.to_owned()).expect("a pattern");
            assert_eq!(pattern.is_match(text), Some(true), "{pattern}");
        }
    }

    /// What is wrong with an overlay in which inputs have these patterns: code and line.
    fn problems(patterns: &[&str]) -> Vec<(&'static str, String)> {
        let input = |(number, pattern): (usize, &&str)| {
            format!("[input.x{number}]\ntype = \"string\"\ndefault = \"a\"\npattern = '{pattern}'\ndoc = \"X.\"\n")
        };
        let text = patterns.iter().enumerate().map(input).collect();
        let file = OverlayFile { name: "own.toml".into(), types_of: None, text };
        let Err(problems) = Specs::read(&[file]) else { return Vec::new() };
        problems.0.into_iter().map(|problem| (problem.code, problem.to_string())).collect()
    }

    #[test]
    fn a_pattern_that_is_compiled_to_much_is_an_error_at_its_place() {
        assert_eq!(problems(&["^[a-z]{1,63}$", r"^\w{1,3}$"]), []);
        let long = format!("^{}$", "a".repeat(LONGEST));
        let large =
            [r"^\pL{1,90}[\w\d]{3,60}$", "((a{0,1000}){0,1000}){0,1000}", "(a|){900000}", "[^a]{5000}", long.as_str()];
        for pattern in large {
            let found = problems(&["a", pattern]);
            let [(code, problem)] = &found[..] else { panic!("{pattern}: {found:?}") };
            assert_eq!(*code, LIMIT);
            assert!(problem.starts_with("own.toml:9:11: this pattern is too large: "), "{problem}");
        }
    }

    #[test]
    fn the_patterns_of_all_files_have_one_limit_together() {
        let file = |name: &str, count: usize| {
            let input = |number| {
                format!(
                    "[input.{name}{number}]\ntype = \"string\"\ndefault = \"a\"\npattern = '[a-z]{{1,4000}}'\ndoc = \"X.\"\n"
                )
            };
            OverlayFile { name: format!("{name}.toml"), types_of: None, text: (0..count).map(input).collect() }
        };
        let read = |files: &[OverlayFile]| Specs::read(files).err().map(|problems| problems.0[0].to_string());
        assert_eq!(read(&[file("a", 8)]), None);
        assert_eq!(read(&[file("b", 8)]), None);
        let problem = read(&[file("a", 8), file("b", 12)]).expect("they are too many");
        assert!(problem.starts_with("b.toml:"), "{problem}");
        assert!(problem.contains("the patterns of these specs are too large together"), "{problem}");
        let many = read(&[file("a", 5_000)]).expect("they are too many");
        assert!(many.contains("too large together"), "{many}");
    }

    /// What is within the limits is compiled, so that it never matches nothing in silence.
    #[test]
    fn the_largest_pattern_is_compiled() {
        for pattern in [r"\w", "[^a]", "[a-z]", "(a|b)", r"[\x{10000}-\x{10ffff}]", "(a|)", "a*"] {
            let times = |times: usize| Pattern::new(format!("^(?:{pattern}){{0,{times}}}$"));
            let (mut low, mut high) = (1, LARGEST + 1);
            while low + 1 < high {
                let middle = low.midpoint(high);
                if times(middle).is_ok() { low = middle } else { high = middle }
            }
            assert_eq!(times(high).err(), Some(NoPattern::TooLarge), "{pattern}");
            let largest = times(low).expect("within the limits");
            assert!(largest.weight > LARGEST / 2, "{pattern}: {}", largest.weight);
            assert!(Compiled::new(largest.as_str()).is_some(), "{pattern}{{0,{low}}}");
        }
    }

    #[test]
    fn a_text_is_not_held_against_a_pattern_for_ever() {
        let pattern = Pattern::new("^(?:[a-z]{1,100}-?)+$".to_owned()).expect("a pattern");
        let limits = Limits { pattern: Some(pattern), ..Limits::default() };
        assert_eq!(limits.complaint(&"a".repeat(50_000).as_str().into()), None);
        let complaint = limits.complaint(&"a".repeat(1_000_000).as_str().into());
        assert_eq!(complaint.as_deref(), Some("is too long for its pattern: it has 1000000 bytes"));
    }
}
