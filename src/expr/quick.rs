//! A parser for the common part of CEL.
//!
//! The parser of the crate `cel` is a general one, and takes most of the start of the program. Nearly all expressions
//! are comparisons, conditions, sums and calls of a few names; those are read here, and whatever else there is goes to
//! the crate: escapes, negative numbers, comments, messages, optional syntax, most macros, and every mistake.
//!
//! # Guarantees
//!
//! - The tree is the one that [`cel::parser::Parser`] makes, but for the numbers of its nodes; tests hold the two beside
//!   each other for every expression of the specs and for random ones.
//! - It needs little stack and makes no deep tree: it gives up beyond [`DEEPEST`] and [`MOST`].

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, ListExpr, LiteralValue, MapEntryExpr, MapExpr,
    SelectExpr, operators,
};

/// Brackets and conditions in each other.
const DEEPEST: usize = 40;
/// Nodes of a tree.
const MOST: usize = 250;

/// Words that are no names.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];
/// Macros. Of these only `all` and `exists` are read here.
const MACROS: [&str; 7] = ["has", "all", "exists", "exists_one", "existsOne", "map", "filter"];
/// The variable in which loops collect their result, as the crate calls it.
const RESULT: &str = "@result";

/// A tree, and where the text of each of its nodes begins, by number.
pub(super) struct Parsed {
    pub tree: IdedExpr,
    pub starts: Vec<usize>,
}

/// Reads an expression; `None` if that takes another parser.
pub(super) fn parse(source: &str) -> Option<Parsed> {
    // No node has the number 0.
    let mut parser = Parser { source, at: 0, token: Token::End, token_at: 0, starts: vec![0], depth: 0 };
    parser.advance()?;
    let tree = parser.condition()?;
    (parser.token == Token::End).then_some(Parsed { tree, starts: parser.starts })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'source> {
    End,
    Name(&'source str),
    Text(&'source str),
    Integer(i64),
    Number(f64),
    Sign(&'static str),
}

struct Parser<'source> {
    source: &'source str,
    /// Where the text after the token begins.
    at: usize,
    token: Token<'source>,
    token_at: usize,
    starts: Vec<usize>,
    depth: usize,
}

/// Signs, longer ones first.
const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",", "(", ")", "[", "]",
    "{", "}",
];

impl<'source> Parser<'source> {
    /// Goes on to the next token.
    fn advance(&mut self) -> Option<()> {
        let rest = self.source.get(self.at..)?;
        let blanks = rest.bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0c)).count();
        let rest = &rest[blanks..];
        self.token_at = self.at + blanks;
        let (token, length) = match rest.bytes().next() {
            None => (Token::End, 0),
            Some(quote @ (b'\'' | b'"')) => text(rest, quote)?,
            Some(b'0'..=b'9') => number(rest)?,
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
                // A raw string, or one of bytes.
                let is_prefix = matches!(rest.as_bytes().get(length), Some(b'\'' | b'"'));
                if is_prefix {
                    return None;
                }
                (Token::Name(&rest[..length]), length)
            }
            Some(_) => {
                let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign))?;
                if rest.starts_with("//") {
                    return None;
                }
                (Token::Sign(sign), sign.len())
            }
        };
        self.token = token;
        self.at = self.token_at + length;
        Some(())
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.token, Token::Sign(found) if found == sign)
    }

    /// Passes a sign, if it stands here.
    fn pass(&mut self, sign: &str) -> Option<bool> {
        let is_here = self.is(sign);
        if is_here {
            self.advance()?;
        }
        Some(is_here)
    }

    /// Passes a sign that must stand here.
    fn expect(&mut self, sign: &str) -> Option<()> {
        self.pass(sign)?.then_some(())
    }

    /// The number of a new node whose text begins at `start`.
    fn number(&mut self, start: usize) -> Option<u64> {
        let id = self.starts.len();
        self.starts.push(start);
        (id <= MOST).then_some(id as u64)
    }

    fn node(&mut self, start: usize, expr: Expr) -> Option<IdedExpr> {
        Some(IdedExpr { id: self.number(start)?, expr })
    }

    fn call(&mut self, start: usize, function: &str, args: Vec<IdedExpr>) -> Option<IdedExpr> {
        self.node(start, Expr::Call(CallExpr { func_name: function.to_owned(), target: None, args }))
    }

    /// `a ? b : c`, or what binds closer.
    fn condition(&mut self) -> Option<IdedExpr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let condition = self.either()?;
        let start = self.token_at;
        let whole = if self.pass("?")? {
            let yes = self.either()?;
            self.expect(":")?;
            let no = self.condition()?;
            self.call(start, operators::CONDITIONAL, vec![condition, yes, no])?
        } else {
            condition
        };
        self.depth -= 1;
        Some(whole)
    }

    fn either(&mut self) -> Option<IdedExpr> {
        self.chain("||", operators::LOGICAL_OR, Self::both)
    }

    fn both(&mut self) -> Option<IdedExpr> {
        self.chain("&&", operators::LOGICAL_AND, Self::relation)
    }

    /// Terms with one sign between them. They become a tree that is as flat as can be.
    fn chain(&mut self, sign: &str, function: &str, term: fn(&mut Self) -> Option<IdedExpr>) -> Option<IdedExpr> {
        let mut terms = vec![Some(term(self)?)];
        let mut starts = Vec::new();
        while self.is(sign) {
            starts.push(self.token_at);
            self.advance()?;
            terms.push(Some(term(self)?));
        }
        match starts.len() {
            0 => terms.pop()?,
            _ => self.balanced(function, &mut terms, &starts, 0, starts.len() - 1),
        }
    }

    /// The tree of the signs from `low` to `high`, as the crate balances it.
    fn balanced(
        &mut self,
        function: &str,
        terms: &mut [Option<IdedExpr>],
        starts: &[usize],
        low: usize,
        high: usize,
    ) -> Option<IdedExpr> {
        let middle = (low + high).div_ceil(2);
        let left = if middle == low {
            terms[middle].take()?
        } else {
            self.balanced(function, terms, starts, low, middle - 1)?
        };
        let right = if middle == high {
            terms[middle + 1].take()?
        } else {
            self.balanced(function, terms, starts, middle + 1, high)?
        };
        self.call(starts[middle], function, vec![left, right])
    }

    fn relation(&mut self) -> Option<IdedExpr> {
        self.operation(Self::sum, |token| match token {
            Token::Sign("==") => Some(operators::EQUALS),
            Token::Sign("!=") => Some(operators::NOT_EQUALS),
            Token::Sign("<=") => Some(operators::LESS_EQUALS),
            Token::Sign(">=") => Some(operators::GREATER_EQUALS),
            Token::Sign("<") => Some(operators::LESS),
            Token::Sign(">") => Some(operators::GREATER),
            Token::Name("in") => Some(operators::IN),
            _ => None,
        })
    }

    fn sum(&mut self) -> Option<IdedExpr> {
        self.operation(Self::product, |token| match token {
            Token::Sign("+") => Some(operators::ADD),
            Token::Sign("-") => Some(operators::SUBSTRACT),
            _ => None,
        })
    }

    fn product(&mut self) -> Option<IdedExpr> {
        self.operation(Self::negation, |token| match token {
            Token::Sign("*") => Some(operators::MULTIPLY),
            Token::Sign("/") => Some(operators::DIVIDE),
            Token::Sign("%") => Some(operators::MODULO),
            _ => None,
        })
    }

    /// Operands with signs between them that bind alike, from left to right.
    fn operation(
        &mut self,
        operand: fn(&mut Self) -> Option<IdedExpr>,
        function: fn(Token<'source>) -> Option<&'static str>,
    ) -> Option<IdedExpr> {
        let mut left = operand(self)?;
        while let Some(function) = function(self.token) {
            let start = self.token_at;
            self.advance()?;
            let right = operand(self)?;
            left = self.call(start, function, vec![left, right])?;
        }
        Some(left)
    }

    fn negation(&mut self) -> Option<IdedExpr> {
        let start = self.token_at;
        if !self.pass("!")? {
            return self.member();
        }
        // Several of them cancel each other.
        if self.is("!") {
            return None;
        }
        let negated = self.member()?;
        self.call(start, operators::LOGICAL_NOT, vec![negated])
    }

    /// Something, and what is selected of it or called on it.
    fn member(&mut self) -> Option<IdedExpr> {
        let mut operand = self.primary()?;
        loop {
            let start = self.token_at;
            if self.pass(".")? {
                let name = self.name(|name| !matches!(name, "in" | "true" | "false" | "null"))?;
                let open = self.token_at;
                operand = if self.pass("(")? {
                    let args = self.list(")", false)?;
                    self.method(open, operand, name, args)?
                } else {
                    let select = SelectExpr { operand: Box::new(operand), field: name.to_owned(), test: false };
                    self.node(start, Expr::Select(select))?
                };
            } else if self.pass("[")? {
                let index = self.condition()?;
                self.expect("]")?;
                operand = self.call(start, operators::INDEX, vec![operand, index])?;
            } else {
                return Some(operand);
            }
        }
    }

    fn name(&mut self, fits: fn(&str) -> bool) -> Option<&'source str> {
        let Token::Name(name) = self.token else { return None };
        self.advance()?;
        fits(name).then_some(name)
    }

    fn method(&mut self, start: usize, target: IdedExpr, name: &str, args: Vec<IdedExpr>) -> Option<IdedExpr> {
        if !MACROS.contains(&name) {
            let call = CallExpr { func_name: name.to_owned(), target: Some(Box::new(target)), args };
            return self.node(start, Expr::Call(call));
        }
        let [variable, test]: [IdedExpr; 2] = args.try_into().ok()?;
        let Expr::Ident(variable) = variable.expr else { return None };
        let is_all = match name {
            "all" => true,
            "exists" => false,
            _ => return None,
        };
        let begun = self.node(start, Expr::Literal(LiteralValue::Boolean(is_all.into())))?;
        let mut going = self.node(start, Expr::Ident(RESULT.to_owned()))?;
        if !is_all {
            going = self.call(start, operators::LOGICAL_NOT, vec![going])?;
        }
        let going = self.call(start, operators::NOT_STRICTLY_FALSE, vec![going])?;
        let so_far = self.node(start, Expr::Ident(RESULT.to_owned()))?;
        let joined = if is_all { operators::LOGICAL_AND } else { operators::LOGICAL_OR };
        let step = self.call(start, joined, vec![so_far, test])?;
        let result = self.node(start, Expr::Ident(RESULT.to_owned()))?;
        let comprehension = ComprehensionExpr {
            iter_range: target,
            iter_var: variable,
            iter_var2: None,
            accu_var: RESULT.to_owned(),
            accu_init: begun,
            loop_cond: going,
            loop_step: step,
            result,
        };
        self.node(start, Expr::Comprehension(Box::new(comprehension)))
    }

    fn primary(&mut self) -> Option<IdedExpr> {
        let start = self.token_at;
        let literal = match self.token {
            Token::Text(text) => LiteralValue::String(text.to_owned().into()),
            Token::Integer(number) => LiteralValue::Int(number.into()),
            Token::Number(number) => LiteralValue::Double(number.into()),
            Token::Name("true") => LiteralValue::Boolean(true.into()),
            Token::Name("false") => LiteralValue::Boolean(false.into()),
            Token::Name("null") => LiteralValue::Null,
            Token::Name(_) => return self.named(),
            Token::Sign("(") => {
                self.advance()?;
                let inner = self.condition()?;
                self.expect(")")?;
                return Some(inner);
            }
            Token::Sign("[") => {
                self.advance()?;
                let id = self.number(start)?;
                let elements = self.list("]", true)?;
                return Some(IdedExpr { id, expr: Expr::List(ListExpr::new(elements)) });
            }
            Token::Sign("{") => return self.table(),
            Token::Sign(_) | Token::End => return None,
        };
        self.advance()?;
        self.node(start, Expr::Literal(literal))
    }

    /// A variable, or the call of a function.
    fn named(&mut self) -> Option<IdedExpr> {
        let start = self.token_at;
        let name = self.name(|name| !RESERVED.contains(&name))?;
        let open = self.token_at;
        if !self.pass("(")? {
            return self.node(start, Expr::Ident(name.to_owned()));
        }
        if MACROS.contains(&name) {
            return None;
        }
        let args = self.list(")", false)?;
        self.call(open, name, args)
    }

    /// Expressions up to a closing sign. After the last one may stand a comma, if it says so.
    fn list(&mut self, close: &str, may_trail: bool) -> Option<Vec<IdedExpr>> {
        let mut items = Vec::new();
        while !self.pass(close)? {
            if !items.is_empty() {
                self.expect(",")?;
                if may_trail && self.pass(close)? {
                    break;
                }
            }
            items.push(self.condition()?);
        }
        Some(items)
    }

    fn table(&mut self) -> Option<IdedExpr> {
        let id = self.number(self.token_at)?;
        self.expect("{")?;
        let mut entries = Vec::new();
        while !self.pass("}")? {
            if !entries.is_empty() {
                self.expect(",")?;
                if self.pass("}")? {
                    break;
                }
            }
            let key = self.condition()?;
            let start = self.token_at;
            self.expect(":")?;
            let value = self.condition()?;
            let expr = EntryExpr::MapEntry(MapEntryExpr { key, value, optional: false });
            entries.push(IdedEntryExpr { id: self.number(start)?, expr });
        }
        Some(IdedExpr { id, expr: Expr::Map(MapExpr { entries }) })
    }
}

/// A string without escapes at the beginning of `rest`.
fn text(rest: &str, quote: u8) -> Option<(Token<'_>, usize)> {
    let inside = rest.get(1..)?;
    let end = inside.bytes().position(|byte| byte == quote || matches!(byte, b'\\' | b'\n' | b'\r'))?;
    let is_end = inside.as_bytes().get(end) == Some(&quote);
    // Three quotes begin another kind of string.
    let is_tripled = end == 0 && inside.as_bytes().get(1) == Some(&quote);
    (is_end && !is_tripled).then_some((Token::Text(&inside[..end]), end + 2))
}

/// A plain number at the beginning of `rest`.
fn number(rest: &str) -> Option<(Token<'_>, usize)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(rest);
    let after = &rest[whole..];
    let (token, length) = match after.strip_prefix('.').map(digits) {
        None => (Token::Integer(rest[..whole].parse().ok()?), whole),
        Some(0) => return None,
        Some(fraction) => {
            let length = whole + 1 + fraction;
            (Token::Number(rest[..length].parse::<f64>().ok().filter(|number| number.is_finite())?), length)
        }
    };
    // An exponent, an unsigned or hexadecimal number, or a mistake.
    let goes_on = rest[length..].starts_with(|next: char| next.is_ascii_alphanumeric() || matches!(next, '_' | '.'));
    (!goes_on).then_some((token, length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::spec::Specs;

    /// A tree without the numbers of its nodes.
    fn bare(mut tree: IdedExpr) -> IdedExpr {
        fn strip(node: &mut IdedExpr) {
            node.id = 0;
            match &mut node.expr {
                Expr::Call(call) => call.target.iter_mut().map(AsMut::as_mut).chain(&mut call.args).for_each(strip),
                Expr::Comprehension(inner) => {
                    [
                        &mut inner.iter_range,
                        &mut inner.accu_init,
                        &mut inner.loop_cond,
                        &mut inner.loop_step,
                        &mut inner.result,
                    ]
                    .into_iter()
                    .for_each(strip);
                }
                Expr::List(list) => list.elements.iter_mut().for_each(strip),
                Expr::Map(map) => map.entries.iter_mut().for_each(|entry| {
                    entry.id = 0;
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        strip(&mut entry.key);
                        strip(&mut entry.value);
                    }
                }),
                Expr::Select(select) => strip(&mut select.operand),
                Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
            }
        }
        strip(&mut tree);
        tree
    }

    /// Compares with the crate; whether the expression was read here.
    fn agrees(source: &str) -> bool {
        let Some(Parsed { tree, starts }) = parse(source) else { return false };
        let expected = cel::parser::Parser::new().parse_with_source_info(source);
        let Ok((expected, info)) = expected else { panic!("{source:?} is no expression, says the crate") };
        same_starts(&tree, &starts, &expected, &info, source);
        assert_eq!(bare(tree), bare(expected), "{source:?}");
        true
    }

    /// Names begin where the crate says; columns of other nodes nobody asks for.
    fn same_starts(
        ours: &IdedExpr,
        starts: &[usize],
        theirs: &IdedExpr,
        info: &cel::common::ast::SourceInfo,
        source: &str,
    ) {
        match (&ours.expr, &theirs.expr) {
            (Expr::Ident(name), Expr::Ident(_)) if !name.starts_with('@') => {
                let start = starts[usize::try_from(ours.id).unwrap()];
                assert!(source[start..].starts_with(name.as_str()), "{name} in {source:?}");
                let expected = info.offset_for(theirs.id).map(|(start, _)| start as usize);
                assert!(!source.is_ascii() || expected == Some(start), "{name} in {source:?}");
            }
            (Expr::Call(one), Expr::Call(two)) => {
                let parts = |call: &CallExpr| -> Vec<IdedExpr> {
                    call.target.iter().map(|target| (**target).clone()).chain(call.args.iter().cloned()).collect()
                };
                parts(one).iter().zip(&parts(two)).for_each(|(one, two)| same_starts(one, starts, two, info, source));
            }
            (Expr::Select(one), Expr::Select(two)) => same_starts(&one.operand, starts, &two.operand, info, source),
            (Expr::Comprehension(one), Expr::Comprehension(two)) => {
                same_starts(&one.iter_range, starts, &two.iter_range, info, source);
                same_starts(&one.loop_step, starts, &two.loop_step, info, source);
            }
            (Expr::List(one), Expr::List(two)) => {
                one.elements
                    .iter()
                    .zip(&two.elements)
                    .for_each(|(one, two)| same_starts(one, starts, two, info, source));
            }
            _ => {}
        }
    }

    /// Every expression of the specs, but for references alone.
    fn of_the_specs() -> Vec<String> {
        let specs = Specs::read(&[]).expect("valid specs");
        let mut found = Vec::new();
        for resource in specs.blueprint.resources.values() {
            for template in resource.templates() {
                found.extend(template.parts.iter().filter_map(|part| match part {
                    super::super::Part::Expression(expression) => Some(expression.source.clone()),
                    super::super::Part::Literal(_) => None,
                }));
            }
        }
        found.extend(specs.blueprint.checks.iter().map(|check| check.assert.source.clone()));
        for local in specs.blueprint.locals.values() {
            local.tree.each_leaf(&mut |template| {
                found.extend(template.parts.iter().filter_map(|part| match part {
                    super::super::Part::Expression(expression) => Some(expression.source.clone()),
                    super::super::Part::Literal(_) => None,
                }));
            });
        }
        found
    }

    #[test]
    fn the_expressions_of_the_specs_are_read_here_as_the_crate_reads_them() {
        let all = of_the_specs();
        assert!(all.len() > 300, "{}", all.len());
        let others: Vec<&String> = all.iter().filter(|source| !agrees(source)).collect();
        assert!(others.is_empty(), "left to the crate: {others:#?}");
    }

    #[test]
    fn what_is_read_here_is_what_the_crate_reads() {
        for source in [
            "a",
            "a.b",
            "a . b [ 'c' ] . d",
            "a['x'][0]",
            "!a",
            "!a.b == c",
            "!(a || b) && c",
            "a || b || c || d || e",
            "a && b && c",
            "a && b || c && d || e",
            "a ? b : c ? d : e",
            "(a ? b : c) ? d : e",
            "a ? b || c : d",
            "a + b - c + d",
            "a - b * c / d % e",
            "(a - b) * c",
            "a == b == c",
            "a in [1, 2]",
            "1 in a == true",
            "a < b",
            "a <= b",
            "a > b",
            "a >= b",
            "a != null",
            "'x' + \"y\"",
            "''",
            "'ü' + a",
            "[]",
            "[1,]",
            "[1, 'a',]",
            "{}",
            "{'a': 1}",
            "{'a': 1, 2: b,}",
            "f()",
            "f(a, 1.5, true, false)",
            "a.f()",
            "a.f(b).g(c)",
            "'a'.size()",
            "[1, 2].exists(x, x == a)",
            "a.all(x, x.exists(y, y in x))",
            "window(a).start",
            "(((a)))",
            "0",
            "00",
            "1.50",
            "a\n\t? 'b'\r\n: c\x0c",
            "a.if",
            "a.as(b)",
            "in_a",
            "trueish",
            "a.map",
            "a.exists",
        ] {
            assert!(agrees(source), "{source:?} is left to the crate");
        }
    }

    #[test]
    fn whatever_else_there_is_is_left_to_the_crate() {
        let deep = "(".repeat(60) + "a" + &")".repeat(60);
        let long = vec!["a"; 300].join(" + ");
        for source in [
            "",
            " ",
            "a b",
            "a.",
            ".a",
            "a..b",
            "a[",
            "a]",
            "(a",
            "a)",
            "f(a,)",
            "[,]",
            "{,}",
            "[1,,]",
            "a ? b",
            "a ? b : ",
            "-1",
            "-a",
            "a - -1",
            "!!a",
            "!-a",
            "1u",
            "0x1f",
            "1e3",
            "1.",
            "1.e3",
            ".5",
            "1.5.a",
            "1a",
            "r'a'",
            "b'a'",
            "'''a'''",
            "'a",
            "'a\\n'",
            "'a\nb'",
            "a // b",
            "has(a.b)",
            "a.map(x, x)",
            "a.filter(x, x)",
            "a.exists_one(x, x)",
            "a.exists(x)",
            "exists(a, b)",
            "filter(a)",
            "a.exists(x.y, z)",
            "a.all(1, b)",
            "a.in",
            "a.true",
            "if",
            "as(a)",
            "for + 1",
            "a{b: 1}",
            "a.?b",
            "a[?b]",
            "a & b",
            "a | b",
            "a = b",
            "a @ b",
            "`a`",
            "ä",
            "99999999999999999999",
            "a ? b ? c : d : e",
            deep.as_str(),
            long.as_str(),
        ] {
            assert!(parse(source).is_none(), "{source:?}");
        }
    }

    fn expressions() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "a",
            "b.c",
            "d['e']",
            "1",
            "2.5",
            "'x'",
            "\"y z\"",
            "true",
            "null",
            "[]",
            "{}",
            "local.a[config.b]",
            "in_",
            "-1",
            "1u",
            "!",
            "f",
            "''",
        ]);
        let leaf = leaf.prop_map(str::to_owned);
        leaf.prop_recursive(5, 60, 4, |inner| {
            let signs = vec![
                "==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%", "&&", "||", " ? b : ", "&", ",", ".",
                "",
            ];
            prop_oneof![
                4 => (inner.clone(), prop::sample::select(signs), inner.clone())
                    .prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
                2 => inner.clone().prop_map(|inner| format!("({inner})")),
                1 => inner.clone().prop_map(|inner| format!("!{inner}")),
                1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("{a} ? {b} : {c}")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("f({a}, {b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}.g({b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}.exists(x, {b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}.all(x, {b} == x)")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
                1 => (inner.clone(), inner).prop_map(|(a, b)| format!("{a}[{b}]")),
            ]
        })
    }

    proptest! {
        #[test]
        fn random_expressions_are_read_as_the_crate_reads_them(source in expressions()) {
            agrees(&source);
        }

        #[test]
        fn random_signs_are_read_as_the_crate_reads_them(source in "[a-c1'\"!?:.,()\\[\\]{}+*/%&|=<> -]{0,16}") {
            agrees(&source);
        }
    }
}
