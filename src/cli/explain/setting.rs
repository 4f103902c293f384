//! Explaining a setting of `mastodon.toml`.

use super::attribute::{bounds, shown};
use super::{Subject, consequences, offline};
use crate::cli::files::Project;
use crate::config::edit;
use crate::diagnostic::SourceFile;
use crate::plan::resolve::{deciding_inputs, resolve};
use crate::render::explain::{Sheet, columns};
use crate::spec::blueprint::{Input, InputShape};
use crate::value::{Tree, Value};

/// Other values of an enumeration that are tried at most.
const TRIED: usize = 4;
/// What makes another text of a text.
const OTHER: &str = "-other";

/// What a setting is, where it stands, what it decides, and what another value would do.
pub fn sheet(subject: &Subject<'_>, input: &Input) -> Sheet {
    let config = &subject.project.config;
    let mut sheet = Sheet::new(input.name(), input.doc.clone());
    let mut kind = input.shape.words().to_owned();
    kind.push_str(&bounds(&input.values, &input.limits));
    if input.required {
        kind.push_str("; required");
    }
    sheet.line("type", kind);
    if let Some(default) = &input.default {
        let text = match default {
            Tree::Leaf(template) => template.source.clone(),
            other => other.plain().map_or_else(|| "(made of other settings)".to_owned(), |plain| plain.to_string()),
        };
        sheet.line("default", text);
    }
    let value = config.values.at(&input.path).cloned().unwrap_or_default();
    let place = match config.origin(&input.path) {
        Some(location) => location.to_string(),
        None => format!("its default, {}", input.location),
    };
    let words = if value.is_null() { "(unset)".to_owned() } else { shown(&value.lift()) };
    sheet.lines("value", columns(&[(words, place)]));
    let applied = subject.state.settings.at(&input.path);
    if let Some(applied) = applied.filter(|applied| **applied != value) {
        sheet.line("applied", shown(&applied.lift()));
    }
    if input.frozen {
        sheet.line("for ever", "it can never be changed after the first apply");
    }
    sheet.lines("decides", decides(subject, input));
    if !input.frozen {
        sheet.lines("if it changes", change(subject, input, &value));
    }
    sheet
}

/// The attributes that a setting is part of.
fn decides(subject: &Subject<'_>, input: &Input) -> Vec<String> {
    let mut found = Vec::new();
    for desired in subject.graph.nodes.values() {
        for (name, tree) in desired.templates().iter() {
            // A table of its own parts tells which of them it is.
            let paths: Vec<Vec<String>> = match tree {
                Tree::Map(entries) => entries.keys().map(|key| vec![name.clone(), key.clone()]).collect(),
                _ => vec![vec![name.clone()]],
            };
            for path in paths {
                let inputs = deciding_inputs(desired, &subject.project.specs.blueprint, &path);
                let is_it = inputs.iter().any(|other| other.starts_with(&input.path) || input.path.starts_with(other));
                if is_it {
                    found.push(format!("{}.{}", desired.address, path.join(".")));
                }
            }
        }
    }
    found
}

/// What an apply would do with another value, planned with a copy of the file.
fn change(subject: &Subject<'_>, input: &Input, value: &Value) -> Vec<String> {
    let Some(before) = subject.plan().filter(|_| !subject.state.rows.is_empty()) else {
        return Vec::new();
    };
    let source = &subject.project.config.source;
    let mut lines = Vec::new();
    for other in others(input, value) {
        let Ok(text) = edit::set_input(&source.text, &input.path, &other) else { continue };
        let file = SourceFile::new(source.name.as_str(), text);
        let Ok((project, _)) = Project::from_source(subject.options, &file) else { continue };
        let state = subject.state;
        let Ok(graph) = resolve(&project.world(&state.lookups, &state.settings)) else { continue };
        let Some(after) = offline(&project, &graph, state) else { continue };
        let effects = consequences(before, &after);
        let is_made_up = other.as_text().is_some_and(|text| text.ends_with(OTHER));
        let words = if is_made_up { "another text".to_owned() } else { other.to_string() };
        lines.push(format!("to {words}{}", if effects.is_empty() { ": nothing" } else { ":" }));
        lines.extend(effects.into_iter().map(|line| format!("  {line}")));
    }
    lines
}

/// Values a setting could have instead, as examples.
fn others(input: &Input, value: &Value) -> Vec<Value> {
    if !input.values.is_empty() {
        return input.values.iter().filter(|other| *other != value).take(TRIED).cloned().collect();
    }
    let step = input.limits.step.unwrap_or(1.0);
    let fits = |number: &f64| input.limits.range.is_none_or(|(low, high)| (low..=high).contains(number));
    let number = value.as_number().and_then(|number| [number + step, number - step].into_iter().find(fits));
    match (&input.shape, value, number) {
        (InputShape::Bool, Tree::Bool(flag), _) => vec![Tree::Bool(!flag)],
        (InputShape::Integer, _, Some(number)) => vec![Tree::Integer(number as i64)],
        (InputShape::Number, _, Some(number)) => {
            vec![if number.fract() == 0.0 { Tree::Integer(number as i64) } else { Tree::Number(number) }]
        }
        (InputShape::Text, Tree::Text(text), _) => vec![Tree::Text(format!("{text}{OTHER}"))],
        _ => Vec::new(),
    }
}
