//! JSON for people: what fits on a line is on one line.

use serde_json::Value as Json;

use crate::inert::json_guarded;

/// Columns of a line.
const WIDTH: usize = 110;

/// The key that says what a table is. It comes first.
const FIRST: &str = "Type";

/// A document as text, with a newline at the end.
pub fn json(document: &Json) -> String {
    let mut text = String::new();
    write(document, 0, 0, &mut text);
    text.push('\n');
    json_guarded(&text)
}

/// `before` is how much of the line is taken.
fn write(value: &Json, indent: usize, before: usize, text: &mut String) {
    let short = line(value);
    if before + short.chars().count() <= WIDTH {
        text.push_str(&short);
        return;
    }
    let inner = indent + 2;
    let begin = |text: &mut String, is_first: bool| {
        text.push_str(if is_first { "\n" } else { ",\n" });
        text.extend(std::iter::repeat_n(' ', inner));
    };
    let end = |text: &mut String, bracket: char| {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', indent));
        text.push(bracket);
    };
    match value {
        Json::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                begin(text, index == 0);
                write(item, inner, inner, text);
            }
            end(text, ']');
        }
        Json::Object(_) => {
            text.push('{');
            for (index, (key, entry)) in entries(value).into_iter().enumerate() {
                begin(text, index == 0);
                let key = Json::from(key).to_string();
                text.push_str(&key);
                text.push_str(": ");
                write(entry, inner, inner + key.chars().count() + 2, text);
            }
            end(text, '}');
        }
        _ => text.push_str(&short),
    }
}

fn line(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", ")),
        Json::Object(table) if table.is_empty() => "{}".to_owned(),
        Json::Object(_) => {
            let entries = entries(value).into_iter();
            let entries: Vec<String> =
                entries.map(|(key, entry)| format!("{}: {}", Json::from(key), line(entry))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

fn entries(value: &Json) -> Vec<(&str, &Json)> {
    let mut entries: Vec<(&str, &Json)> =
        value.as_object().into_iter().flatten().map(|(key, entry)| (key.as_str(), entry)).collect();
    entries.sort_by_key(|(key, _)| (*key != FIRST, *key));
    entries
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn what_fits_on_a_line_is_on_one() {
        let long = "x".repeat(100);
        let document = json!({"A": [1, 2], "Type": "T", "B": {"C": long, "D": {}}, "E": [long, null]});
        let text = super::json(&document);
        assert_eq!(
            text,
            format!(
                "{{\n  \"Type\": \"T\",\n  \"A\": [1, 2],\n  \"B\": {{\n    \"C\": \"{long}\",\n    \"D\": {{}}\n  }},\n  \
                 \"E\": [\n    \"{long}\",\n    null\n  ]\n}}\n"
            )
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), document);
    }
}
