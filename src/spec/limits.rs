//! Bounds of a scalar: a pattern, a range, a step, a length.

use std::fmt;
use std::sync::OnceLock;

use regex::Regex;

use super::reader::Reader;
use crate::value::Value;

/// A regular expression. It is compiled when it is first needed, which takes most of the time; no run needs them all.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    compiled: OnceLock<Option<Compiled>>,
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
            && let Ok(compiled) = regex_lite::Regex::new(pattern)
        {
            return Some(Self::Plain(compiled));
        }
        Regex::new(pattern).ok().map(Self::Full)
    }

    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Plain(pattern) => pattern.is_match(text),
            Self::Full(pattern) => pattern.is_match(text),
        }
    }
}

impl Pattern {
    /// `None` if it is not written as a regular expression is.
    pub fn new(text: String) -> Option<Self> {
        regex_syntax::parse(&text).ok()?;
        Some(Self { text, compiled: OnceLock::new() })
    }

    /// Whether it matches somewhere in a text. One that is too large to compile matches nothing.
    pub fn is_match(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| Compiled::new(&self.text));
        compiled.as_ref().is_some_and(|pattern| pattern.is_match(text))
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
            let pattern = Pattern::new(text);
            if pattern.is_none() {
                reader.wrong("pattern", "a regular expression");
            }
            pattern
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
        match &self.pattern {
            Some(pattern) if !pattern.is_match(text) => Some(match &self.form {
                Some(form) => format!("must be {form}"),
                None => format!("must match `{pattern}`"),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Specs;

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
            assert!(pattern.is_match(text), "{pattern}");
        }
    }
}
