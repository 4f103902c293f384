//! The language of Terraform, laid out as `terraform fmt` does.

use crate::inert::is_unseen;

/// Columns of a line.
const WIDTH: usize = 110;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Bool(bool),
    Number(String),
    /// A text in quotes: literals, and expressions to be filled in.
    Text(Vec<Piece>),
    /// A reference, as it is written.
    Bare(String),
    List(Vec<Expression>),
    Object(Vec<(String, Expression)>),
    /// A function of one argument.
    Call(&'static str, Box<Expression>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Literal(String),
    Reference(String),
}

/// What stands between braces: attributes, then blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    pub attributes: Vec<(String, Expression)>,
    pub blocks: Vec<Block>,
}

/// A block: `resource "aws_lb" "public" { ... }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub name: String,
    pub labels: Vec<String>,
    pub body: Body,
}

impl Expression {
    /// A text without references.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(vec![Piece::Literal(text.into())])
    }

    fn line(&self) -> String {
        match self {
            Self::Bool(flag) => flag.to_string(),
            Self::Number(number) => number.clone(),
            Self::Bare(reference) => reference.clone(),
            Self::Text(pieces) => {
                let pieces = pieces.iter().map(|piece| match piece {
                    Piece::Literal(text) => escaped(text),
                    Piece::Reference(reference) => format!("${{{reference}}}"),
                });
                format!("\"{}\"", pieces.collect::<String>())
            }
            Self::List(items) => format!("[{}]", items.iter().map(Self::line).collect::<Vec<_>>().join(", ")),
            Self::Object(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Object(entries) => {
                let entries = entries.iter().map(|(key, entry)| format!("{} = {}", word(key), entry.line()));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
            Self::Call(name, argument) => format!("{name}({})", argument.line()),
        }
    }

    /// As it stands at an indent, with `before` columns taken.
    fn laid_out(&self, indent: usize, before: usize) -> String {
        let short = self.line();
        if before + short.chars().count() <= WIDTH {
            return short;
        }
        let inner = " ".repeat(indent + 2);
        let outer = " ".repeat(indent);
        match self {
            Self::List(items) => {
                let items = items.iter().map(|item| format!("{inner}{},\n", item.laid_out(indent + 2, indent + 3)));
                format!("[\n{}{outer}]", items.collect::<String>())
            }
            Self::Object(entries) => format!("{{\n{}{outer}}}", assignments(entries, indent + 2)),
            Self::Call(name, argument) => {
                format!("{name}({})", argument.laid_out(indent, before + name.len() + 2))
            }
            _ => short,
        }
    }
}

/// Lines of `key = value`. Those that follow one another and are one line each have their signs below one another.
fn assignments(entries: &[(String, Expression)], indent: usize) -> String {
    let lines: Vec<(String, String)> = entries
        .iter()
        .map(|(key, value)| {
            let key = word(key);
            let value = value.laid_out(indent, indent + key.chars().count() + 3);
            (key, value)
        })
        .collect();
    let mut text = String::new();
    for run in lines.chunk_by(|(_, before), (_, after)| !before.contains('\n') && !after.contains('\n')) {
        let width = run.iter().map(|(key, _)| key.chars().count()).max().unwrap_or_default();
        for (key, value) in run {
            text.push_str(&format!("{}{key:width$} = {value}\n", " ".repeat(indent)));
        }
    }
    text
}

impl Block {
    /// As text, at an indent.
    pub fn text(&self, indent: usize) -> String {
        let outer = " ".repeat(indent);
        let labels: String = self.labels.iter().map(|label| format!(" \"{label}\"")).collect();
        let mut text = format!("{outer}{}{labels} {{", self.name);
        let Body { attributes, blocks } = &self.body;
        if attributes.is_empty() && blocks.is_empty() {
            return text + "}\n";
        }
        text.push('\n');
        text.push_str(&assignments(attributes, indent + 2));
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 || !attributes.is_empty() {
                text.push('\n');
            }
            text.push_str(&block.text(indent + 2));
        }
        text + &outer + "}\n"
    }
}

/// A key, in quotes if it is not a name.
fn word(key: &str) -> String {
    let is_name = key.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && key.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'));
    if is_name { key.to_owned() } else { format!("\"{}\"", escaped(key)) }
}

/// A literal between quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => safe.push_str("\\\\"),
            '"' => safe.push_str("\\\""),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            // The beginning of a template.
            '$' | '%' if letters.peek() == Some(&'{') => {
                safe.push(letter);
                safe.push(letter);
            }
            unseen if is_unseen(unseen) => match u32::from(unseen) {
                code @ ..=0xffff => safe.push_str(&format!("\\u{code:04x}")),
                code => safe.push_str(&format!("\\U{code:08x}")),
            },
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_stand_below_one_another_where_lines_follow() {
        let long = Expression::List(vec![Expression::text("x".repeat(60)), Expression::text("y".repeat(60))]);
        let body = Body {
            attributes: vec![
                ("name".to_owned(), Expression::text("a")),
                ("is_open".to_owned(), Expression::Bool(true)),
                ("long".to_owned(), long),
                ("it".to_owned(), Expression::Bare("aws_a.b.arn".to_owned())),
            ],
            blocks: vec![Block { name: "empty".to_owned(), labels: Vec::new(), body: Body::default() }],
        };
        let block = Block { name: "resource".to_owned(), labels: vec!["aws_x".to_owned(), "y".to_owned()], body };
        let expected = format!(
            "resource \"aws_x\" \"y\" {{\n  name    = \"a\"\n  is_open = true\n  long = [\n    \"{}\",\n    \"{}\",\n  ]\n  \
             it = aws_a.b.arn\n\n  empty {{}}\n}}\n",
            "x".repeat(60),
            "y".repeat(60)
        );
        assert_eq!(block.text(0), expected);
    }

    #[test]
    fn a_literal_stays_one() {
        let text = Expression::Text(vec![
            Piece::Literal("\"\\ ${a} %{b} $c\n\u{1b}\u{e0041}/".to_owned()),
            Piece::Reference("aws_a.b.arn".to_owned()),
        ]);
        assert_eq!(text.line(), r#""\"\\ $${a} %%{b} $c\n\u001b\U000e0041/${aws_a.b.arn}""#);
        let object = Expression::Object(vec![("aws:x".to_owned(), Expression::Bool(true)), ("b".to_owned(), text)]);
        assert!(object.line().starts_with(r#"{ "aws:x" = true, b = "#));
    }
}
