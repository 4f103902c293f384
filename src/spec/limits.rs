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
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// `None` if it is not written as a regular expression is.
    pub fn new(text: String) -> Option<Self> {
        regex_syntax::parse(&text).ok()?;
        Some(Self { text, compiled: OnceLock::new() })
    }

    /// Whether it matches somewhere in a text. One that is too large to compile matches nothing.
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref().is_some_and(|pattern| pattern.is_match(text))
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
