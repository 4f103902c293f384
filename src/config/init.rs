//! A first `mastodon.toml`: every setting with its documentation and default, commented out unless it must be set.

use std::fmt::Write;

use crate::spec::Blueprint;
use crate::spec::blueprint::Input;
use crate::value::{Tree, Value};

/// The text of a new file. `given` holds values for inputs by path joined with dots, for example the domain.
pub fn init(blueprint: &Blueprint, given: &[(&str, &str)]) -> String {
    let mut text = String::from("#:schema ./mastodon.schema.json\n");
    let mut section: &[String] = &[];
    // Settings without a section come first: after a `[section]` TOML would take them as part of it.
    let (top, nested): (Vec<&Input>, Vec<&Input>) = blueprint.inputs.iter().partition(|input| input.path.len() == 1);
    for input in top.into_iter().chain(nested) {
        let Some((key, parents)) = input.path.split_last() else { continue };
        if parents != section {
            section = parents;
            let _ = write!(text, "\n[{}]\n", section.join("."));
        } else if section.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "# {}", describe(input));
        let name = input.name();
        let given = given.iter().find(|(path, _)| *path == name).map(|(_, value)| Value::Text((*value).to_owned()));
        let written = given.or_else(|| input.example.clone().filter(|_| input.required));
        match written {
            Some(value) => {
                let _ = writeln!(text, "{key} = {}", toml_value(&value));
            }
            None => {
                let value = input.default.as_ref().and_then(Tree::plain).or_else(|| input.example.clone());
                let value = value.map_or_else(|| "\"\"".to_owned(), |value| toml_value(&value));
                let _ = writeln!(text, "# {key} = {value}");
            }
        }
    }
    text
}

fn describe(input: &Input) -> String {
    let mut text = input.doc.clone();
    if !input.values.is_empty() {
        let values: Vec<String> = input.values.iter().map(ToString::to_string).collect();
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    if let Some((low, high)) = input.limits.range {
        let _ = write!(text, " {low} to {high}.");
    }
    if let Some(template) = input.default.as_ref()
        && template.plain().is_none()
    {
        template.each_leaf(&mut |leaf| {
            let _ = write!(text, " Default: {}.", leaf.source);
        });
    }
    text
}

/// A value as TOML writes it on one line.
pub fn toml_value(value: &Value) -> String {
    match value {
        Tree::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Tree::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, entry)| format!("{} = {}", Value::from(key.as_str()), toml_value(entry)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Tree::List(items) => format!("[{}]", items.iter().map(toml_value).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}
