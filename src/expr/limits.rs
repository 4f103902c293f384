//! How large an expression may be, and how much work it may make.
//!
//! Expressions come from files that strangers may have written, so each stage has its bound, and each bound is checked
//! before the stage that it protects: the source before it is parsed, the syntax tree before it is walked, the size of
//! values before they are copied, the steps while they are counted.
//!
//! # Guarantees
//!
//! - The parser and everything that walks a new syntax tree run on a stack whose size is known here, so that no
//!   source can use up the stack of the caller.
//! - A tree that has passed [`weigh`] is at most [`Limits::depth`] deep: the caller's stack holds every later walk.
//! - Work is counted in steps. A step is a node evaluated, or [`BYTES_PER_STEP`] bytes looked at.

use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::ast::{EntryExpr, Expr};
use cel::{IdedExpr, Value as CelValue};

use super::Late;
use crate::diagnostic::{Diagnostic, Location};
use crate::value::Tree;

/// The code of every diagnostic about a limit.
pub const CODE: &str = crate::document::LIMIT_CODE;

/// How large an expression may be. They differ by who writes the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one expression.
    pub(super) source: usize,
    /// Bytes of all expressions of a file together.
    pub(super) file: usize,
    /// Brackets in each other, in the source.
    pub(super) brackets: usize,
    /// Nodes of the syntax tree.
    pub(super) nodes: usize,
    /// Nodes in each other.
    pub(super) depth: usize,
    /// Loops (`map`, `filter`, `all`, ...) in each other.
    pub(super) loops: usize,
}

impl Limits {
    /// For `mastodon.toml`.
    pub const INSTANCE: Self = Self { source: 4096, file: 65_536, brackets: 30, nodes: 500, depth: 50, loops: 1 };
    /// For the specs and what lies over them.
    pub const SPECS: Self = Self { source: 8192, file: 262_144, brackets: 40, nodes: 1000, depth: 60, loops: 2 };
}

/// The stack of the parser. A source within the limits needs less than a quarter of it.
const STACK: usize = 64 * 1024 * 1024;
/// Sources with fewer signs than this are parsed where the caller is.
const FEW_SIGNS: usize = 12;

/// Steps of one expression.
const STEPS: u64 = 300_000;
/// Steps of all expressions of a file in one pass over it.
const STEPS_OF_PASS: u64 = 3_000_000;
/// Bytes that cost as much as a node.
const BYTES_PER_STEP: u64 = 32;
/// Bytes of a value; each element counts as [`ELEMENT`] bytes more.
const VALUE: u64 = 512 * 1024;
/// Bytes that an element of a list or table counts as.
const ELEMENT: u64 = 32;

/// A limit that was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exceeded(String);

impl Exceeded {
    pub fn at(self, location: &Location) -> Diagnostic {
        Diagnostic::error(CODE, self.0)
            .at(location, "")
            .hint("compute the value elsewhere and write down the result; `mastoform explain expression-limit` has the limits")
    }
}

/// Checks a string with expressions before they are looked for.
pub(super) fn check_template(text: &str, limits: &Limits) -> Result<(), Exceeded> {
    let most = 4 * limits.source;
    if text.len() <= most {
        return Ok(());
    }
    Err(Exceeded(format!("a string with expressions has {} bytes, and the limit is {most}", text.len())))
}

/// Checks a source before it is parsed.
pub(super) fn check_source(source: &str, limits: &Limits, location: &Location) -> Result<(), Exceeded> {
    if source.len() > limits.source {
        return Err(Exceeded(format!(
            "this expression has {} bytes, and the limit is {}",
            source.len(),
            limits.source
        )));
    }
    let depth = brackets(source);
    if depth > limits.brackets {
        return Err(Exceeded(format!(
            "the brackets of this expression stand {depth} deep in each other, and the limit is {}",
            limits.brackets
        )));
    }
    if !location.file.spend(source.len(), limits.file) {
        return Err(Exceeded(format!("the expressions of this file have more than {} bytes together", limits.file)));
    }
    Ok(())
}

/// How deep brackets stand in each other, outside of quoted strings.
fn brackets(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut quote = None;
    let mut escaped = false;
    for character in source.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None => match character {
                '\'' | '"' => quote = Some(character),
                '(' | '[' | '{' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
    }
    deepest
}

/// Runs the parser, and what walks its result, on a stack of known size. A source with few signs cannot nest deeply and
/// needs no stack of its own.
pub(super) fn with_stack<T: Send>(source: &str, work: impl FnOnce() -> T + Send) -> Option<T> {
    let is_sign = |byte: &u8| byte.is_ascii_punctuation() && !matches!(byte, b'.' | b'_' | b'\'' | b'"' | b',');
    if source.bytes().filter(|byte| is_sign(byte)).take(FEW_SIGNS).count() < FEW_SIGNS {
        return Some(work());
    }
    std::thread::scope(|scope| {
        let thread =
            std::thread::Builder::new().name("parser".to_owned()).stack_size(STACK).spawn_scoped(scope, work).ok()?;
        match thread.join() {
            Ok(result) => Some(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The shape of a syntax tree.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    depth: usize,
    loops: usize,
    /// It calls a function that is not [`LINEAR`].
    grows: bool,
}

/// What is known of the work of a syntax tree before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub nodes: u64,
    /// Each node looks at what it reads once, and its result is no larger than that.
    pub is_linear: bool,
}

/// Functions whose result is about as large as what they read, however often they are applied. All operators are.
const LINEAR: [&str; 12] = [
    "merge",
    "values",
    "keys",
    "table",
    "first",
    "shorten",
    "slug",
    "string",
    "size",
    "contains",
    "startsWith",
    "endsWith",
];

/// Checks a syntax tree.
pub(super) fn weigh(tree: &IdedExpr, limits: &Limits) -> Result<Work, Exceeded> {
    let weight = weight(tree);
    let too_many = |what: &str, limit: usize| Err(Exceeded(format!("this expression has more than {limit} {what}")));
    if weight.nodes > limits.nodes {
        return too_many("parts", limits.nodes);
    }
    if weight.depth > limits.depth {
        return too_many("parts in each other", limits.depth);
    }
    if weight.loops > limits.loops {
        let limit = limits.loops;
        return Err(Exceeded(format!(
            "the loops of this expression stand {} deep in each other, and the limit is {limit}",
            weight.loops
        )));
    }
    Ok(Work { nodes: weight.nodes as u64, is_linear: weight.loops == 0 && !weight.grows })
}

fn weight(node: &IdedExpr) -> Weight {
    let mut total = Weight { nodes: 1, depth: 0, loops: 0, grows: false };
    if let Expr::Call(call) = &node.expr {
        let is_operator = !call.func_name.starts_with(|character: char| character.is_ascii_alphabetic());
        total.grows = !is_operator && !LINEAR.contains(&call.func_name.as_str());
    }
    let mut add = |child: &IdedExpr, inner: usize| {
        let weight = weight(child);
        total.nodes += weight.nodes;
        total.depth = total.depth.max(weight.depth);
        total.loops = total.loops.max(weight.loops + inner);
        total.grows |= weight.grows;
    };
    match &node.expr {
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).for_each(|child| add(child, 0)),
        Expr::Comprehension(comprehension) => {
            add(&comprehension.iter_range, 0);
            add(&comprehension.accu_init, 0);
            add(&comprehension.loop_cond, 1);
            add(&comprehension.loop_step, 1);
            add(&comprehension.result, 0);
        }
        Expr::List(list) => list.elements.iter().for_each(|child| add(child, 0)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| children(&entry.expr).for_each(|child| add(child, 0))),
        Expr::Struct(message) => {
            message.entries.iter().for_each(|entry| children(&entry.expr).for_each(|child| add(child, 0)));
        }
        Expr::Select(select) => add(&select.operand, 0),
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
    total.depth += 1;
    total
}

fn children(entry: &EntryExpr) -> impl Iterator<Item = &IdedExpr> {
    let (key, value) = match entry {
        EntryExpr::MapEntry(entry) => (Some(&entry.key), &entry.value),
        EntryExpr::StructField(field) => (None, &field.value),
    };
    key.into_iter().chain([value])
}

/// The steps that are left for a pass over a file.
#[derive(Debug)]
pub(super) struct Pass {
    left: AtomicU64,
    begun: AtomicU64,
}

impl Default for Pass {
    fn default() -> Self {
        Self { left: AtomicU64::new(STEPS_OF_PASS), begun: AtomicU64::new(0) }
    }
}

impl Pass {
    pub fn begin(&self) {
        self.left.store(STEPS_OF_PASS, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    /// How many passes were begun.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    pub fn spend(&self, steps: u64) -> Result<(), Exceeded> {
        let left = self.left.load(Ordering::Relaxed).checked_sub(steps);
        self.left.store(left.unwrap_or(0), Ordering::Relaxed);
        left.map(|_| ()).ok_or_else(|| {
            Exceeded(format!("the expressions of this file need more than {STEPS_OF_PASS} steps together"))
        })
    }
}

/// The steps that are left for one expression, and for the pass it belongs to.
pub(super) struct Meter<'pass> {
    pass: &'pass Pass,
    left: u64,
}

impl<'pass> Meter<'pass> {
    pub fn new(pass: &'pass Pass) -> Self {
        Self { pass, left: STEPS }
    }

    pub fn spend(&mut self, steps: u64) -> Result<(), Exceeded> {
        self.pass.spend(steps)?;
        self.left = self
            .left
            .checked_sub(steps)
            .ok_or_else(|| Exceeded(format!("this expression needs more than {STEPS} steps")))?;
        Ok(())
    }

    /// Pays for looking at `size` bytes, and adds them to a value, which may not become too large.
    pub fn add(&mut self, total: &mut u64, size: u64) -> Result<(), Exceeded> {
        grow(total, size)?;
        self.spend(1 + size / BYTES_PER_STEP)
    }

    /// Pays for an expression that the crate runs as a whole: each of its nodes may copy all that it reads.
    pub fn whole(&mut self, nodes: u64, size: u64) -> Result<(), Exceeded> {
        self.spend(nodes.saturating_mul(1 + size / (4 * BYTES_PER_STEP)))
    }
}

/// Checks a string that expressions are put together to.
pub(super) fn check_text(text: &str) -> Result<(), Exceeded> {
    let mut total = 0;
    grow(&mut total, text.len() as u64)
}

/// Adds to the size of a value, which may not become too large.
fn grow(total: &mut u64, size: u64) -> Result<(), Exceeded> {
    *total = total.saturating_add(size);
    if *total > VALUE {
        return Err(Exceeded(format!("the values of this expression are larger than {} KiB", VALUE / 1024)));
    }
    Ok(())
}

/// Steps that a look at all of a value costs.
pub(super) fn steps_of(value: &Tree<Late>) -> u64 {
    1 + size_of_tree(value) / BYTES_PER_STEP
}

/// The size of a value that an expression reads.
pub(super) fn size_of_tree(value: &Tree<Late>) -> u64 {
    let inside = match value {
        Tree::Text(text) => text.len() as u64,
        Tree::Leaf(Late::Secret(secret)) => secret.reveal().len() as u64,
        Tree::List(items) => items.iter().map(size_of_tree).sum(),
        Tree::Map(entries) => entries.iter().map(|(key, entry)| key.len() as u64 + size_of_tree(entry)).sum(),
        Tree::Null | Tree::Bool(_) | Tree::Integer(_) | Tree::Number(_) | Tree::Leaf(Late::Unknown(_)) => 0,
    };
    ELEMENT + inside
}

/// The size of a value of CEL's.
pub(super) fn size_of(value: &CelValue) -> u64 {
    let inside = match value {
        CelValue::String(text) => text.len() as u64,
        CelValue::Bytes(bytes) => bytes.len() as u64,
        CelValue::List(items) => items.iter().map(size_of).sum(),
        CelValue::Map(map) => map
            .map
            .iter()
            .map(|(key, entry)| {
                let key = if let cel::objects::Key::String(text) = key { text.len() as u64 } else { 0 };
                key + size_of(entry)
            })
            .sum(),
        _ => 0,
    };
    ELEMENT + inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_do_not_count() {
        assert_eq!(brackets("a(b[c{d}])"), 3);
        assert_eq!(brackets(r"'((((' + x('\'((')"), 1);
        assert_eq!(brackets(")))("), 1);
    }

    #[test]
    fn a_pass_ends_when_its_steps_are_spent_and_the_next_has_all_of_them() {
        let pass = Pass::default();
        assert_eq!(pass.spend(STEPS_OF_PASS), Ok(()));
        assert!(pass.spend(1).is_err());
        pass.begin();
        assert_eq!(pass.spend(1), Ok(()));
    }
}
