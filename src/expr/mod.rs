//! `${...}`: templates whose expressions are CEL.
//!
//! A [`Template`] is a string as written in the specs, split into literal text and [`Expression`]s. An expression is
//! parsed once; its [`Reference`]s are read off the syntax tree and replaced there by numbered variables, so that
//! evaluating is: look every reference up, bind it, run.
//!
//! A string that is one whole `${...}` keeps the type of its value. `$${` is a literal `${`.

mod evaluate;
mod functions;
mod limits;
mod metered;
mod quick;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};

use crate::address::{Address, TypeName};
use crate::diagnostic::{Diagnostic, Location};
use crate::document::{Content, Node};
use crate::value::Tree;
use limits::Work;

pub use evaluate::{Evaluator, Late, Scope};
pub use functions::version;
pub use limits::{CODE as LIMIT, Limits};

/// A value as written: its extra leaves are templates.
pub type TemplateTree = Tree<Arc<Template>>;

/// A string with expressions in it.
#[derive(Debug, PartialEq)]
pub struct Template {
    /// As written, for example `${config.name}-tasks`.
    pub source: String,
    pub parts: Vec<Part>,
    pub location: Location,
}

/// A piece of a template.
#[derive(Debug, PartialEq)]
pub enum Part {
    Literal(String),
    Expression(Expression),
}

/// A CEL expression whose references are numbered variables `@0`, `@1`, ...
#[derive(Debug, PartialEq)]
pub struct Expression {
    pub source: String,
    pub references: Vec<Reference>,
    pub location: Location,
    tree: IdedExpr,
    work: Work,
}

/// What a reference starts from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Root {
    /// An input.
    Config,
    /// An input as it was at the last complete apply.
    Previous,
    Local,
    /// The entry of the `each` that the resource stands for: `each.key`, `each.value`.
    Each,
    /// A resource, or, without a key, all resources of an `each`.
    Resource {
        type_name: TypeName,
        name: String,
        key: Option<String>,
    },
    /// A word that only the rules of prices know: one of [`GIVEN`].
    Given(&'static str),
}

/// What rules of prices read: the resource that is priced, what it needs, and what a month brings.
pub const GIVEN: [&str; 3] = ["resource", "needs", "usage"];

/// A name in an expression that stands for a value from outside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub root: Root,
    /// What is selected of it, from the outside in.
    pub path: Vec<String>,
    pub location: Location,
}

impl Reference {
    /// The address, if this refers to a resource.
    pub fn address(&self) -> Option<Address> {
        match &self.root {
            Root::Resource { type_name, name, key } => Some(Address::new(type_name.clone(), name.clone(), key.clone())),
            _ => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Config => formatter.write_str("config")?,
            Root::Previous => formatter.write_str("previous")?,
            Root::Local => formatter.write_str("local")?,
            Root::Each => formatter.write_str("each")?,
            Root::Given(word) => formatter.write_str(word)?,
            Root::Resource { .. } => {
                if let Some(address) = self.address() {
                    write!(formatter, "{address}")?;
                }
            }
        }
        self.path.iter().try_for_each(|key| write!(formatter, ".{key}"))
    }
}

impl Template {
    /// All references in all expressions.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.parts.iter().flat_map(|part| match part {
            Part::Literal(_) => [].iter(),
            Part::Expression(expression) => expression.references.iter(),
        })
    }

    /// The expression, if the template is one whole `${...}`.
    pub fn whole(&self) -> Option<&Expression> {
        match &self.parts[..] {
            [Part::Expression(expression)] => Some(expression),
            _ => None,
        }
    }

    /// Reads a string of the specs. `None` if there is no expression in it, and the text is what it says after
    /// `$${` has become `${`.
    pub fn parse(text: &str, location: &Location) -> Result<Result<Self, String>, Diagnostic> {
        Self::parse_within(&Limits::SPECS, text, location)
    }

    /// As [`Template::parse`], within other limits.
    fn parse_within(limits: &Limits, text: &str, location: &Location) -> Result<Result<Self, String>, Diagnostic> {
        if !text.contains("${") {
            return Ok(Err(text.to_owned()));
        }
        limits::check_template(text, limits).map_err(|exceeded| exceeded.at(location))?;
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = 0;
        while let Some(found) = text[rest..].find("${").map(|index| rest + index) {
            if found > rest && text.as_bytes()[found - 1] == b'$' {
                literal.push_str(&text[rest..found - 1]);
                literal.push_str("${");
                rest = found + 2;
                continue;
            }
            literal.push_str(&text[rest..found]);
            let start = found + 2;
            let Some(end) = closing_brace(text, start) else {
                return Err(Diagnostic::error("expression", "`${` without its `}`")
                    .at(&inside(location, text, found..text.len()), "starts here")
                    .hint("write `$${` for a literal `${`"));
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Expression(Expression::parse(
                limits,
                &text[start..end],
                &inside(location, text, start..end),
            )?));
            rest = end + 1;
        }
        literal.push_str(&text[rest..]);
        if parts.is_empty() {
            return Ok(Err(literal));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Ok(Self { source: text.to_owned(), parts, location: location.clone() }))
    }

    /// A bare expression, as `when` and `assert` hold it.
    pub fn bare(text: &str, location: &Location) -> Result<Self, Diagnostic> {
        Self::bare_within(&Limits::SPECS, text, location)
    }

    fn bare_within(limits: &Limits, text: &str, location: &Location) -> Result<Self, Diagnostic> {
        let expression = Expression::parse(limits, text, &inside(location, text, 0..text.len()))?;
        Ok(Self { source: text.to_owned(), parts: vec![Part::Expression(expression)], location: location.clone() })
    }

    /// Reads a value of the specs; problems are collected, and what has one becomes null.
    pub fn read_tree(node: &Node, problems: &mut impl Extend<Diagnostic>) -> TemplateTree {
        Self::read_tree_within(&Limits::SPECS, node, problems)
    }

    /// As [`Template::read_tree`], within other limits.
    pub fn read_tree_within(limits: &Limits, node: &Node, problems: &mut impl Extend<Diagnostic>) -> TemplateTree {
        match &node.content {
            Content::Bool(flag) => Tree::Bool(*flag),
            Content::Integer(number) => Tree::Integer(*number),
            Content::Number(number) => Tree::Number(*number),
            Content::Text(text) => match Self::parse_within(limits, text, &node.location) {
                Ok(Ok(template)) => Tree::Leaf(Arc::new(template)),
                Ok(Err(literal)) => Tree::Text(literal),
                Err(problem) => {
                    problems.extend([problem]);
                    Tree::Null
                }
            },
            Content::List(items) => {
                Tree::List(items.iter().map(|item| Self::read_item(limits, item, problems)).collect())
            }
            Content::Table(entries) => Tree::Map(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), Self::read_tree_within(limits, &entry.node, problems)))
                    .collect(),
            ),
        }
    }

    /// An element of a list; a table may carry `when`, which is a bare expression.
    fn read_item(limits: &Limits, node: &Node, problems: &mut impl Extend<Diagnostic>) -> TemplateTree {
        let mut tree = Self::read_tree_within(limits, node, problems);
        if let (Tree::Map(entries), Some(when)) = (&mut tree, node.get("when"))
            && let Some(text) = when.text()
        {
            match Self::bare_within(limits, text, &when.location) {
                Ok(template) => {
                    entries.insert("when".to_owned(), Tree::Leaf(Arc::new(template)));
                }
                Err(problem) => problems.extend([problem]),
            }
        }
        tree
    }
}

/// Where the closing brace of an expression is, skipping nested braces and quoted strings.
fn closing_brace(text: &str, start: usize) -> Option<usize> {
    let mut depth = 0;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (index, character) in text[start..].char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None => match character {
                '\'' | '"' => quote = Some(character),
                '{' => depth += 1,
                '}' if depth == 0 => return Some(start + index),
                '}' => depth -= 1,
                _ => {}
            },
        }
    }
    None
}

/// The place of a part of a TOML string: exact where the string is written without escapes, else the whole string.
fn inside(location: &Location, content: &str, range: Range<usize>) -> Location {
    let raw = location.file.text.get(location.span.clone()).unwrap_or_default();
    for quote in ["\"\"\"\n", "'''\n", "\"\"\"", "'''", "\"", "'", ""] {
        if let Some(body) = raw.strip_prefix(quote)
            && body.starts_with(content)
        {
            return location.part(quote.len() + range.start..quote.len() + range.end);
        }
    }
    location.clone()
}

impl Expression {
    /// The reference, if the expression is nothing else.
    pub fn as_reference(&self) -> Option<&Reference> {
        evaluate::variable(&self.tree, self)
    }

    fn parse(limits: &Limits, source: &str, location: &Location) -> Result<Self, Diagnostic> {
        if let Some(expression) = Self::parse_path(source, location) {
            return Ok(expression);
        }
        limits::check_source(source, limits, location).map_err(|exceeded| exceeded.at(location))?;
        if let Some(quick::Parsed { tree, starts }) = quick::parse(source) {
            let start = |id: u64| usize::try_from(id).ok().and_then(|id| starts.get(id)).copied().unwrap_or_default();
            return Self::of_tree(limits, source, location, tree, &start);
        }
        limits::with_stack(source, || Self::parse_cel(limits, source, location)).unwrap_or_else(|| {
            Err(Diagnostic::error("expression", "there is no memory to parse this expression").at(location, ""))
        })
    }

    /// Parses an expression of any form. Needs a stack for as much as `limits` allow.
    fn parse_cel(limits: &Limits, source: &str, location: &Location) -> Result<Self, Diagnostic> {
        let (tree, info) = cel::parser::Parser::new().parse_with_source_info(source).map_err(|errors| {
            let mut diagnostic = Diagnostic::error("expression", "this is not a CEL expression");
            for error in &errors.errors {
                let column = usize::try_from(error.pos.1 - 1).unwrap_or(0).min(source.len().saturating_sub(1));
                let message = error.msg.trim_start_matches("Syntax error: ");
                let short = message.split(" expecting ").next().unwrap_or(message);
                diagnostic = diagnostic.at(&narrowed(location, source, column..column + 1), short);
            }
            if errors.errors.is_empty() {
                diagnostic = diagnostic.at(location, "");
            }
            diagnostic
        })?;
        let start = |id: u64| info.offset_for(id).map_or(0, |(start, _)| start as usize);
        Self::of_tree(limits, source, location, tree, &start)
    }

    /// Makes an expression of its syntax tree. `start` says where the text of a node begins.
    fn of_tree(
        limits: &Limits,
        source: &str,
        location: &Location,
        mut tree: IdedExpr,
        start: &dyn Fn(u64) -> usize,
    ) -> Result<Self, Diagnostic> {
        let work = limits::weigh(&tree, limits).map_err(|exceeded| exceeded.at(location))?;
        let mut collector = Collector { source, location, start, references: Vec::new(), problem: None };
        collector.walk(&mut tree, &mut Vec::new());
        match collector.problem {
            Some(problem) => Err(problem),
            None => Ok(Self {
                source: source.to_owned(),
                references: collector.references,
                location: location.clone(),
                tree,
                work,
            }),
        }
    }

    /// The common case, read without a parser: `config.name`, `rds.cluster.database.endpoint`, `a.b.c["key"].d`.
    fn parse_path(source: &str, location: &Location) -> Option<Self> {
        let text = source.trim();
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let length = rest.find(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
            let (word, after) = rest.split_at(length.unwrap_or(rest.len()));
            if word.is_empty() || word.starts_with(|character: char| character.is_ascii_digit()) {
                return None;
            }
            segments.push(Segment::Field(word.to_owned()));
            rest = after;
            if let Some(quoted) = rest.strip_prefix("[\"") {
                let (key, after) = quoted.split_once("\"]")?;
                if key.contains(['\\', '"']) {
                    return None;
                }
                segments.push(Segment::Key(key.to_owned()));
                rest = after;
            }
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix('.')?;
        }
        if segments.len() < 2 {
            return None;
        }
        let reference = reference(&segments, location).ok()?;
        let tree = IdedExpr { id: 1, expr: Expr::Ident("@0".to_owned()) };
        let work = Work { nodes: 1, is_linear: true };
        Some(Self { source: source.to_owned(), references: vec![reference], location: location.clone(), tree, work })
    }
}

/// A part of `location`, if that is exactly `source`.
fn narrowed(location: &Location, source: &str, range: Range<usize>) -> Location {
    if location.span.len() == source.len() { location.part(range) } else { location.clone() }
}

/// One step of a chain such as `a.b["c"]`.
#[derive(Clone, Debug)]
enum Segment {
    Field(String),
    Key(String),
}

impl Segment {
    fn text(&self) -> &str {
        match self {
            Self::Field(text) | Self::Key(text) => text,
        }
    }
}

/// Makes a reference of a chain. The error is what is wrong with it.
fn reference(segments: &[Segment], location: &Location) -> Result<Reference, String> {
    let texts = |from: usize| segments[from..].iter().map(|segment| segment.text().to_owned()).collect();
    let make = |root: Root, from: usize| Reference { root, path: texts(from), location: location.clone() };
    if let [Segment::Field(root), ..] = segments
        && let Some(word) = GIVEN.into_iter().find(|word| word == root)
    {
        return Ok(make(Root::Given(word), 1));
    }
    match segments {
        [Segment::Field(root), ..] if root == "config" => Ok(make(Root::Config, 1)),
        [Segment::Field(root), ..] if root == "previous" => Ok(make(Root::Previous, 1)),
        [Segment::Field(root), ..] if root == "local" => Ok(make(Root::Local, 1)),
        [Segment::Field(root), ..] if root == "each" => Ok(make(Root::Each, 1)),
        [Segment::Field(service), Segment::Field(kind), Segment::Field(name), rest @ ..] => {
            let key = match rest {
                [Segment::Key(key), ..] => Some(key.clone()),
                _ => None,
            };
            let from = 3 + usize::from(key.is_some());
            let type_name = TypeName::new(service.as_str(), kind.as_str());
            Ok(make(Root::Resource { type_name, name: name.clone(), key }, from))
        }
        [first, ..] => Err(format!("unknown name `{}`", first.text())),
        [] => Err("empty expression".to_owned()),
    }
}

/// Collects the references of a syntax tree and replaces them by numbered variables.
struct Collector<'source> {
    source: &'source str,
    location: &'source Location,
    start: &'source dyn Fn(u64) -> usize,
    references: Vec<Reference>,
    problem: Option<Diagnostic>,
}

impl Collector<'_> {
    fn walk(&mut self, node: &mut IdedExpr, bound: &mut Vec<String>) {
        if let Expr::Select(select) = &node.expr
            && select.test
            && let Some((root, mut segments)) = chain(&select.operand, bound)
        {
            segments.push(Segment::Field(select.field.clone()));
            let operand = IdedExpr { id: node.id, expr: self.variable(&segments, root) };
            let null = IdedExpr { id: node.id, expr: Expr::Literal(LiteralValue::Null) };
            node.expr = Expr::Call(cel::common::ast::CallExpr {
                func_name: operators::NOT_EQUALS.to_owned(),
                target: None,
                args: vec![operand, null],
            });
            return;
        }
        if let Some((root, segments)) = chain(node, bound) {
            node.expr = self.variable(&segments, root);
            return;
        }
        match &mut node.expr {
            Expr::Call(call) => {
                if let Some(target) = &mut call.target {
                    self.walk(target, bound);
                }
                call.args.iter_mut().for_each(|argument| self.walk(argument, bound));
            }
            Expr::Comprehension(comprehension) => {
                self.walk(&mut comprehension.iter_range, bound);
                self.walk(&mut comprehension.accu_init, bound);
                let depth = bound.len();
                bound.push(comprehension.iter_var.clone());
                bound.extend(comprehension.iter_var2.clone());
                bound.push(comprehension.accu_var.clone());
                self.walk(&mut comprehension.loop_cond, bound);
                self.walk(&mut comprehension.loop_step, bound);
                self.walk(&mut comprehension.result, bound);
                bound.truncate(depth);
            }
            Expr::List(list) => list.elements.iter_mut().for_each(|element| self.walk(element, bound)),
            Expr::Map(map) => map.entries.iter_mut().for_each(|entry| self.walk_entry(&mut entry.expr, bound)),
            Expr::Struct(message) => {
                message.entries.iter_mut().for_each(|entry| self.walk_entry(&mut entry.expr, bound));
            }
            Expr::Select(select) => self.walk(&mut select.operand, bound),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn walk_entry(&mut self, entry: &mut EntryExpr, bound: &mut Vec<String>) {
        match entry {
            EntryExpr::MapEntry(entry) => {
                self.walk(&mut entry.key, bound);
                self.walk(&mut entry.value, bound);
            }
            EntryExpr::StructField(field) => self.walk(&mut field.value, bound),
        }
    }

    fn variable(&mut self, segments: &[Segment], root: u64) -> Expr {
        let start = (self.start)(root);
        let length: usize = segments.iter().map(|segment| segment.text().len()).sum::<usize>() + segments.len() - 1;
        let end = (start + length).min(self.source.len());
        let location = narrowed(self.location, self.source, start.min(end)..end);
        match reference(segments, &location) {
            Ok(found) => {
                self.references.push(found);
                Expr::Ident(format!("@{}", self.references.len() - 1))
            }
            Err(message) => {
                self.problem
                    .get_or_insert_with(|| Diagnostic::error("unknown-reference", message).at(&location, "not known"));
                Expr::Literal(LiteralValue::Null)
            }
        }
    }
}

/// The chain of names a node spells, with the node of its root; `None` if it starts from a variable of a macro.
fn chain(node: &IdedExpr, bound: &[String]) -> Option<(u64, Vec<Segment>)> {
    match &node.expr {
        Expr::Ident(name) if bound.contains(name) || name.starts_with('@') => None,
        Expr::Ident(name) => Some((node.id, vec![Segment::Field(name.clone())])),
        Expr::Select(select) if !select.test => {
            let (root, mut segments) = chain(&select.operand, bound)?;
            segments.push(Segment::Field(select.field.clone()));
            Some((root, segments))
        }
        Expr::Call(call) if call.func_name == operators::INDEX => match &call.args[..] {
            [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(key)), .. }] => {
                let (root, mut segments) = chain(operand, bound)?;
                segments.push(Segment::Key(key.inner().to_owned()));
                Some((root, segments))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceFile;

    fn template(text: &str) -> Result<Template, Diagnostic> {
        let file = SourceFile::new("specs/x.toml", format!("a = \"{text}\""));
        let location = Location::new(&file, 4..file.text.len());
        Template::parse(text, &location).map(|parsed| parsed.expect("has an expression"))
    }

    fn names(text: &str) -> Vec<String> {
        template(text).expect("parses").references().map(ToString::to_string).collect()
    }

    #[test]
    fn references_are_read_off_the_tree() {
        assert_eq!(names("${config.name}-x"), ["config.name"]);
        assert_eq!(
            names("${ec2.security_group_rule.tasks['smtp'].id + string(config.smtp.port)}"),
            ["ec2.security_group_rule.tasks[\"smtp\"].id", "config.smtp.port"]
        );
        assert_eq!(names("${local.commands[config.run_mode]}"), ["local.commands", "config.run_mode"]);
        assert_eq!(names("${has(config.media.domain) ? 1 : 2}"), ["config.media.domain"]);
        assert_eq!(names("${config.names.filter(name, name != config.name).size()}"), ["config.names", "config.name"]);
    }

    #[test]
    fn dollar_dollar_is_a_literal() {
        let file = SourceFile::new("x", "");
        let parsed = Template::parse("a $${b}", &Location::new(&file, 0..0)).expect("parses");
        assert_eq!(parsed, Err("a ${b}".to_owned()));
    }

    #[test]
    fn braces_and_quotes_nest() {
        assert_eq!(names("${merge({'a': '}'}, config.x)}"), ["config.x"]);
    }

    #[test]
    fn syntax_errors_point_into_the_string() {
        let problem = template("ab ${config.x +}").expect_err("broken");
        assert_eq!(problem.labels[0].location.line_column().0, 1);
        assert!(problem.labels[0].location.span.start >= 7, "{problem:?}");
        assert_eq!(template("${config.x").expect_err("open").message, "`${` without its `}`");
        assert_eq!(template("${foo + 1}").expect_err("unknown").message, "unknown name `foo`");
    }
}
