//! Evaluating templates, as far as they can be known.
//!
//! If anything an expression reads is not known yet, the expression is not known yet. If it reads a secret, its result
//! is a secret. Four forms keep the structure of what they read, so that one unknown entry does not hide a whole table:
//! a plain reference, `merge(a, b)`, `condition ? a : b` and `table[key]`.

use std::collections::BTreeMap;

use cel::common::ast::{Expr, operators};
use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, IdedExpr, Value as CelValue};

use super::limits::{Exceeded, Meter, Pass, check_text, size_of, size_of_tree, steps_of};
use super::metered::{Run, Stop};
use super::{Expression, Part, Reference, Root, Template, TemplateTree, functions};
use crate::diagnostic::Diagnostic;
use crate::secret::SecretText;
use crate::value::{Missing, Tree, Unknown, Value};

/// What may stand in a tree while it is being evaluated.
#[derive(Clone, Debug)]
pub enum Late {
    Unknown(Unknown),
    Secret(SecretText),
}

/// Where references find their values.
pub trait Scope {
    /// The value of a reference. Its unknown leaves name what is not known.
    fn value(&self, reference: &Reference) -> Result<Tree<Late>, Diagnostic>;
}

/// Runs expressions. Made once per command: it holds CEL's functions, and the steps that are left for the pass over a
/// file that it is used for.
pub struct Evaluator {
    context: Context<'static, 'static>,
    pass: Pass,
}

impl Default for Evaluator {
    fn default() -> Self {
        Self::new()
    }
}

/// What an expression came to.
enum Outcome {
    Plain(Value),
    Unknown { references: Vec<Missing>, sensitive: bool },
    Secret(SecretText),
}

impl Evaluator {
    pub fn new() -> Self {
        Self { context: functions::context(), pass: Pass::default() }
    }

    /// Begins another pass over a file: reading it, planning it, completing one of its resources. Each has steps of its
    /// own, so that a long command does not run out of them and no file makes endless work.
    pub fn begin(&self) {
        self.pass.begin();
    }

    /// How many passes were begun. What is worked out twice shows here.
    pub fn passes(&self) -> u64 {
        self.pass.begun()
    }

    /// Evaluates every template in a tree. Null entries of tables and null elements of lists are left out; elements
    /// whose `when` is false too.
    pub fn tree(&self, tree: &TemplateTree, scope: &dyn Scope) -> Result<Tree<Late>, Diagnostic> {
        Ok(match tree {
            Tree::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    if let Some(Tree::Leaf(when)) = item.get("when")
                        && !self.condition(when, scope)?
                    {
                        continue;
                    }
                    let mut value = self.tree(item, scope)?;
                    if let Tree::Map(entries) = &mut value {
                        entries.remove("when");
                    }
                    if !value.is_null() {
                        list.push(value);
                    }
                }
                Tree::List(list)
            }
            Tree::Map(entries) => Tree::Map(self.entries(entries, scope)?),
            Tree::Leaf(template) => self.template(template, scope)?,
            Tree::Null => Tree::Null,
            Tree::Bool(flag) => Tree::Bool(*flag),
            Tree::Integer(number) => Tree::Integer(*number),
            Tree::Number(number) => Tree::Number(*number),
            Tree::Text(text) => Tree::Text(text.clone()),
        })
    }

    /// Evaluates the entries of a table, as [`Evaluator::tree`] does.
    pub fn entries(
        &self,
        entries: &BTreeMap<String, TemplateTree>,
        scope: &dyn Scope,
    ) -> Result<BTreeMap<String, Tree<Late>>, Diagnostic> {
        let mut map = BTreeMap::new();
        for (key, entry) in entries {
            if key == "when" {
                continue;
            }
            let value = self.tree(entry, scope)?;
            if !value.is_null() {
                map.insert(key.clone(), value);
            }
        }
        Ok(map)
    }

    /// Evaluates one template.
    pub fn template(&self, template: &Template, scope: &dyn Scope) -> Result<Tree<Late>, Diagnostic> {
        if let Some(expression) = template.whole() {
            return self.structural(&expression.tree, expression, template, scope);
        }
        let mut text = String::new();
        let mut unknown: Vec<Missing> = Vec::new();
        let (mut secret, mut sensitive) = (false, false);
        for part in &template.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Expression(expression) => match self.run(&expression.tree, expression, scope)? {
                    Outcome::Plain(value) => match &value {
                        Tree::Text(piece) => text.push_str(piece),
                        Tree::Integer(_) | Tree::Number(_) | Tree::Bool(_) => text.push_str(&value.to_string()),
                        other => {
                            return Err(Diagnostic::error(
                                "expression",
                                format!("{} cannot stand in the middle of a string", other.kind()),
                            )
                            .at(&expression.location, ""));
                        }
                    },
                    Outcome::Unknown { references, sensitive: is_sensitive } => {
                        sensitive |= is_sensitive;
                        unknown.extend(references);
                    }
                    Outcome::Secret(piece) => {
                        secret = true;
                        text.push_str(piece.reveal());
                    }
                },
            }
            check_text(&text).map_err(|exceeded| exceeded.at(&template.location))?;
        }
        Ok(if unknown.is_empty() {
            if secret { Tree::Leaf(Late::Secret(SecretText::new(text))) } else { Tree::Text(text) }
        } else {
            Tree::Leaf(Late::Unknown(Unknown {
                template: template.source.clone(),
                references: unknown,
                sensitive: sensitive || secret,
            }))
        })
    }

    /// Evaluates a template that must come to true or false.
    pub fn condition(&self, template: &Template, scope: &dyn Scope) -> Result<bool, Diagnostic> {
        match self.template(template, scope)? {
            Tree::Bool(flag) => Ok(flag),
            Tree::Leaf(Late::Unknown(unknown)) => Err(Diagnostic::open(
                "condition-unknown",
                format!(
                    "this condition depends on {}, which is known only after apply",
                    unknown.references.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                ),
            )
            .at(&template.location, "")),
            other => {
                Err(Diagnostic::error("condition", format!("a condition must be a boolean, not {}", other.kind()))
                    .at(&template.location, ""))
            }
        }
    }

    fn structural(
        &self,
        node: &IdedExpr,
        expression: &Expression,
        template: &Template,
        scope: &dyn Scope,
    ) -> Result<Tree<Late>, Diagnostic> {
        if let Some(reference) = variable(node, expression) {
            let value = scope.value(reference)?;
            self.pay_for(&value, expression)?;
            return Ok(value);
        }
        if let Expr::Call(call) = &node.expr {
            match (call.func_name.as_str(), &call.args[..]) {
                ("merge", [left, right]) => {
                    let left = self.structural(left, expression, template, scope)?;
                    let right = self.structural(right, expression, template, scope)?;
                    match (left, right) {
                        (Tree::Map(mut left), Tree::Map(right)) => {
                            left.extend(right);
                            return Ok(Tree::Map(left));
                        }
                        (Tree::Null, other) | (other, Tree::Null) => return Ok(other),
                        _ => {}
                    }
                }
                (operators::CONDITIONAL, [condition, yes, no]) => {
                    if let Outcome::Plain(Tree::Bool(flag)) = self.run(condition, expression, scope)? {
                        return self.structural(if flag { yes } else { no }, expression, template, scope);
                    }
                }
                (operators::INDEX, [table, key]) => {
                    if let Some(reference) = variable(table, expression)
                        && let Some(found) = self.entry(reference, key, expression, scope)?
                    {
                        return Ok(found);
                    }
                    if let (Tree::Map(mut entries), Outcome::Plain(Tree::Text(key))) =
                        (self.structural(table, expression, template, scope)?, self.run(key, expression, scope)?)
                    {
                        return entries.remove(&key).ok_or_else(|| {
                            Diagnostic::error("expression", format!("there is no entry `{key}`"))
                                .at(&expression.location, "")
                                .suggest(&key, entries.keys().map(String::as_str))
                        });
                    }
                }
                _ => {}
            }
        }
        Ok(match self.run(node, expression, scope)? {
            Outcome::Plain(value) => value.into_lifted(),
            Outcome::Unknown { references, sensitive } => {
                Tree::Leaf(Late::Unknown(Unknown { template: template.source.clone(), references, sensitive }))
            }
            Outcome::Secret(secret) => Tree::Leaf(Late::Secret(secret)),
        })
    }

    /// The entry of a table of settings or a local, without a copy of the whole table. `None`: it takes a closer look.
    fn entry(
        &self,
        table: &Reference,
        key: &IdedExpr,
        expression: &Expression,
        scope: &dyn Scope,
    ) -> Result<Option<Tree<Late>>, Diagnostic> {
        if !matches!(table.root, Root::Config | Root::Local) {
            return Ok(None);
        }
        let Outcome::Plain(Tree::Text(key)) = self.run(key, expression, scope)? else { return Ok(None) };
        let mut entry = table.clone();
        entry.path.push(key);
        Ok(Some(scope.value(&entry)?).filter(|found| !found.is_null()))
    }

    /// Counts the copy of a value among the steps of the pass.
    fn pay_for(&self, value: &Tree<Late>, expression: &Expression) -> Result<(), Diagnostic> {
        self.pass.spend(steps_of(value)).map_err(|exceeded| exceeded.at(&expression.location))
    }

    fn run(&self, node: &IdedExpr, expression: &Expression, scope: &dyn Scope) -> Result<Outcome, Diagnostic> {
        // Most expressions are a reference and nothing else, and need no interpreter.
        if let Some(reference) = variable(node, expression) {
            let value = scope.value(reference)?;
            self.pay_for(&value, expression)?;
            return alone(value, expression);
        }
        let limit = |limit: Exceeded| limit.at(&expression.location);
        let mut used = Vec::new();
        variables(node, &mut used);
        let mut read = Read::default();
        let mut meter = Meter::new(&self.pass);
        let mut size = 0;
        let mut known: Vec<(String, CelValue)> = Vec::with_capacity(used.len());
        for index in used {
            let Some(reference) = expression.references.get(index) else { continue };
            let value = scope.value(reference)?;
            read.note(&value);
            meter.add(&mut size, size_of_tree(&value)).map_err(limit)?;
            if read.unknown.is_empty() {
                known.push((format!("@{index}"), to_cel(&value)));
            }
        }
        if !read.unknown.is_empty() {
            return Ok(read.not_known());
        }
        let result = if expression.work.is_linear {
            meter.whole(expression.work.nodes, size).map_err(limit)?;
            let mut context = self.context.new_inner_scope();
            for (name, value) in known {
                context.add_variable_from_value(name, value);
            }
            CelValue::resolve(node, &context).map_err(Stop::Cel)
        } else {
            let variables = known.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            Run { functions: &self.context, meter: &mut meter, variables }.value(node)
        };
        let result = result.map_err(|stop| match stop {
            Stop::Limit(exceeded) => limit(exceeded),
            // Errors of CEL quote the values they stumbled over, so a secret's error says nothing more.
            Stop::Cel(_) if read.tainted => {
                Diagnostic::error("expression", "this expression over a secret failed").at(&expression.location, "")
            }
            Stop::Cel(error) => Diagnostic::error("expression", short(&words(&error))).at(&expression.location, ""),
        })?;
        meter.add(&mut 0, size_of(&result)).map_err(limit)?;
        let value = from_cel(&result)
            .map_err(|message| Diagnostic::error("expression", message).at(&expression.location, ""))?;
        match value {
            plain if !read.tainted => Ok(Outcome::Plain(plain)),
            Tree::Text(text) => Ok(Outcome::Secret(SecretText::new(text))),
            _ => Err(no_text(expression)),
        }
    }
}

/// What went wrong, for people who do not know how CEL is built.
fn words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
        error => error.to_string(),
    }
}

/// The beginning of a message, for it may quote values of any length.
fn short(message: &str) -> String {
    const MOST: usize = 300;
    if message.chars().count() <= MOST {
        return message.to_owned();
    }
    message.chars().take(MOST).chain("...".chars()).collect()
}

/// What the values an expression reads have in them besides what is known.
#[derive(Default)]
struct Read {
    unknown: Vec<Missing>,
    sensitive: bool,
    tainted: bool,
}

impl Read {
    fn note(&mut self, value: &Tree<Late>) {
        value.each_leaf(&mut |leaf| match leaf {
            Late::Unknown(missing) => {
                self.sensitive |= missing.sensitive;
                self.unknown.extend(missing.references.iter().cloned());
            }
            Late::Secret(_) => self.tainted = true,
        });
    }

    fn not_known(self) -> Outcome {
        Outcome::Unknown { references: self.unknown, sensitive: self.sensitive || self.tainted }
    }
}

/// What a reference that is the whole expression comes to.
fn alone(value: Tree<Late>, expression: &Expression) -> Result<Outcome, Diagnostic> {
    let mut read = Read::default();
    read.note(&value);
    if !read.unknown.is_empty() {
        return Ok(read.not_known());
    }
    match value {
        Tree::Leaf(Late::Secret(secret)) => Ok(Outcome::Secret(secret)),
        _ if read.tainted => Err(no_text(expression)),
        known => Ok(Outcome::Plain(known.into_plain().unwrap_or_default())),
    }
}

fn no_text(expression: &Expression) -> Diagnostic {
    Diagnostic::error("expression", "an expression over a secret must give a string").at(&expression.location, "")
}

/// The reference a node stands for, if it is nothing else.
pub(super) fn variable<'expression>(
    node: &IdedExpr,
    expression: &'expression Expression,
) -> Option<&'expression Reference> {
    match &node.expr {
        Expr::Ident(name) => expression.references.get(name.strip_prefix('@')?.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Numbers of the variables under a node.
fn variables(node: &IdedExpr, found: &mut Vec<usize>) {
    use cel::common::ast::EntryExpr;
    match &node.expr {
        Expr::Ident(name) => found.extend(name.strip_prefix('@').and_then(|number| number.parse::<usize>().ok())),
        Expr::Call(call) => {
            call.target.iter().for_each(|target| variables(target, found));
            call.args.iter().for_each(|argument| variables(argument, found));
        }
        Expr::Comprehension(comprehension) => {
            for part in [
                &comprehension.iter_range,
                &comprehension.accu_init,
                &comprehension.loop_cond,
                &comprehension.loop_step,
                &comprehension.result,
            ] {
                variables(part, found);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(|element| variables(element, found)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => {
                variables(&entry.key, found);
                variables(&entry.value, found);
            }
            EntryExpr::StructField(field) => variables(&field.value, found),
        }),
        Expr::Struct(_) | Expr::Literal(_) | Expr::Unspecified => {}
        Expr::Select(select) => variables(&select.operand, found),
    }
}

fn to_cel(tree: &Tree<Late>) -> CelValue {
    match tree {
        Tree::Null | Tree::Leaf(Late::Unknown(_)) => CelValue::Null,
        Tree::Bool(flag) => CelValue::Bool(*flag),
        Tree::Integer(number) => CelValue::Int(*number),
        Tree::Number(number) => CelValue::Float(*number),
        Tree::Text(text) => CelValue::from(text.as_str()),
        Tree::List(items) => CelValue::List(items.iter().map(to_cel).collect::<Vec<_>>().into()),
        Tree::Map(entries) => CelValue::Map(Map {
            map: std::sync::Arc::new(
                entries.iter().map(|(key, entry)| (Key::from(key.as_str()), to_cel(entry))).collect(),
            ),
        }),
        Tree::Leaf(Late::Secret(secret)) => CelValue::from(secret.reveal()),
    }
}

/// A CEL value as ours. The error says what it is instead.
pub(super) fn from_cel(value: &CelValue) -> Result<Value, String> {
    Ok(match value {
        CelValue::Null => Tree::Null,
        CelValue::Bool(flag) => Tree::Bool(*flag),
        CelValue::Int(number) => Tree::Integer(*number),
        CelValue::UInt(number) => Tree::Integer(i64::try_from(*number).map_err(|_| "a number is too large")?),
        CelValue::Float(number) => Tree::Number(*number),
        CelValue::String(text) => Tree::Text(text.to_string()),
        CelValue::List(items) => Tree::List(items.iter().map(from_cel).collect::<Result<_, _>>()?),
        CelValue::Map(map) => {
            let mut entries = BTreeMap::new();
            for (key, entry) in map.map.iter() {
                let key = match key {
                    Key::String(text) => text.to_string(),
                    Key::Int(number) => number.to_string(),
                    Key::Uint(number) => number.to_string(),
                    Key::Bool(flag) => flag.to_string(),
                };
                entries.insert(key, from_cel(entry)?);
            }
            Tree::Map(entries)
        }
        _ => return Err("the result is neither a scalar nor a list nor a table".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Location, SourceFile};
    use crate::expr::{Limits, limits};

    struct Fixed(Value);

    impl Scope for Fixed {
        fn value(&self, reference: &Reference) -> Result<Tree<Late>, Diagnostic> {
            if let Root::Resource { .. } = reference.root {
                return Ok(if reference.path == ["secret"] {
                    Tree::Leaf(Late::Secret(SecretText::new("s3cret")))
                } else {
                    Tree::Leaf(Late::Unknown(Unknown {
                        template: format!("${{{reference}}}"),
                        references: reference
                            .address()
                            .map(|address| Missing { address, attribute: reference.path.as_slice().into() })
                            .into_iter()
                            .collect(),
                        sensitive: false,
                    }))
                });
            }
            Ok(self.0.at(&reference.path).cloned().unwrap_or_default().lift())
        }
    }

    fn evaluate(text: &str) -> Result<Tree<Late>, Diagnostic> {
        let file = SourceFile::new("x.toml", text);
        let template = Template::parse(text, &Location::new(&file, 0..text.len()))?.expect("an expression");
        let json = serde_json::json!({
            "name": "social", "port": 587, "half": 0.5, "mode": "debug",
            "commands": {"debug": ["sleep"], "production": ["puma"]}, "names": ["a", "b"],
        });
        Evaluator::new().template(&template, &Fixed(Value::from_json(&json)))
    }

    fn plain(text: &str) -> String {
        evaluate(text).expect("evaluates").plain().expect("known").to_string()
    }

    #[test]
    fn whole_expressions_keep_their_type() {
        assert_eq!(plain("${config.port}"), "587");
        assert_eq!(plain("${config.half}"), "0.5");
        assert_eq!(plain("${config.commands[config.mode]}"), r#"["sleep"]"#);
        assert_eq!(plain("${config.port == 587 ? 'yes' : 'no'}"), r#""yes""#);
        assert_eq!(plain("${config.names.map(name, name + '!')}"), r#"["a!", "b!"]"#);
        assert_eq!(plain("${merge({'x': 1}, {'x': 2, 'y': config.port})}"), r#"{"x": 2, "y": 587}"#);
        assert_eq!(plain("${has(config.nothing) ? 1 : 2}"), "2");
    }

    #[test]
    fn parts_become_text() {
        assert_eq!(plain("${config.name}-${config.port}"), r#""social-587""#);
    }

    #[test]
    fn an_unknown_reference_makes_the_expression_unknown() {
        let Tree::Leaf(Late::Unknown(unknown)) = evaluate("arn:${s3.bucket.media.arn}/x").expect("evaluates") else {
            panic!("known");
        };
        assert_eq!(unknown.references[0].to_string(), "s3.bucket.media.arn");
        assert_eq!(unknown.template, "arn:${s3.bucket.media.arn}/x");
    }

    #[test]
    fn the_branch_not_taken_is_not_read() {
        assert_eq!(plain("${config.port == 1 ? s3.bucket.media.arn : 'none'}"), r#""none""#);
    }

    #[test]
    fn what_reads_a_secret_is_a_secret() {
        let value = evaluate("redis://:${a.b.c.secret}@host").expect("evaluates");
        let Tree::Leaf(Late::Secret(secret)) = &value else { panic!("not a secret: {value:?}") };
        assert_eq!(secret.reveal(), "redis://:s3cret@host");
        assert!(!format!("{value:?}").contains("s3cret"));
        let error = evaluate("${int(a.b.c.secret)}").expect_err("not a number");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    /// The result, and the code of the error if there is none.
    fn outcome(limits: &Limits, text: &str) -> Result<String, (&'static str, String)> {
        let file = SourceFile::new("mastodon.toml", text);
        let location = Location::new(&file, 0..text.len());
        let fail = |problem: Diagnostic| (problem.code, problem.message);
        let template = Template::parse_within(limits, text, &location).map_err(fail)?.expect("an expression");
        let scope = Fixed(Value::from_json(&serde_json::json!({"names": ["a", "b"], "long": "x".repeat(2000)})));
        let value = Evaluator::new().template(&template, &scope).map_err(fail)?;
        Ok(value.plain().expect("known").to_string())
    }

    fn refused(text: &str) -> String {
        match outcome(&Limits::INSTANCE, text) {
            Err(("expression-limit", message)) => message,
            other => panic!("{text:.80}: {other:?}"),
        }
    }

    #[test]
    fn an_expression_has_limits_of_source_and_shape() {
        let terms = |count: usize| format!("${{{}}}", vec!["'a'"; count].join(" + "));
        assert!(refused(&terms(20_000)).contains("a string with expressions has"), "{}", refused(&terms(20_000)));
        assert!(refused(&terms(800)).contains("4096"), "{}", refused(&terms(800)));
        assert_eq!(refused(&terms(200)), "this expression has more than 50 parts in each other");
        assert_eq!(refused(&format!("${{[{}]}}", vec!["1"; 600].join(","))), "this expression has more than 500 parts");
        for depth in [31, 100, 2000] {
            let text = format!("${{{}1{}}}", "(".repeat(depth), ")".repeat(depth));
            assert!(refused(&text).contains("brackets"), "{}", refused(&text));
        }
        let loops = "${[1].map(a, [1].map(b, [1].map(c, a + b + c)))}";
        assert!(refused(loops).contains("stand 3 deep in each other, and the limit is 1"), "{}", refused(loops));
        assert_eq!(outcome(&Limits::INSTANCE, &terms(40)).map(|text| text.len()), Ok(42));
    }

    #[test]
    fn nothing_uses_up_the_stack_of_the_caller() {
        let shapes: [(&str, &str, &str); 8] = [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("!", "true", ""),
            ("- ", "1", ""),
            ("1 ? 1 : ", "1", ""),
            ("'a' + ", "'a'", ""),
            ("{'a': ", "1", "}"),
            ("'", "(", "' + ("),
        ];
        for (open, middle, close) in shapes {
            for count in [20, 29, 60, 400, 1000] {
                let source = format!("${{{}{middle}{}}}", open.repeat(count), close.repeat(count));
                // Whatever it is, it ends, also for a caller with the stack that a thread has.
                let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
                let outcome = thread.spawn(move || outcome(&Limits::INSTANCE, &source).is_ok()).expect("a thread");
                outcome.join().expect("no panic");
            }
        }
    }

    #[test]
    fn the_work_of_an_expression_is_bounded() {
        // Each doubles what the one inside it has made.
        let doubled = (0..24).fold("'abcdefgh'".to_owned(), |inner, _| format!("[{inner}].map(x, x + x)[0]"));
        assert!(refused(&format!("${{{doubled}}}")).contains("parts in each other"));
        let doubled = (0..14).fold("config.long".to_owned(), |inner, _| format!("[{inner}].map(x, x + x)[0]"));
        assert!(refused(&format!("${{{doubled}}}")).contains("larger than 512 KiB"));
        let quoted = (0..20).fold("'\"'".to_owned(), |inner, _| format!("json({inner})"));
        assert!(refused(&format!("${{{quoted}}}")).contains("larger than 512 KiB"));
        let items = |count: usize| vec!["1"; count].join(",");
        let chained = (0..9).fold(format!("[{}]", items(9)), |inner, _| format!("[{inner}].map(x, x + x + x + x)[0]"));
        assert!(refused(&format!("${{{chained}}}")).contains("larger than 512 KiB"));
        let six = (0..6).fold("1".to_owned(), |inner, depth| format!("[{}].map(x{depth}, {inner})", items(30)));
        assert!(refused(&format!("${{{six}}}")).contains("stand 6 deep"));
        let two = format!("${{[{0}].map(a, [{0}].map(b, [{0}].filter(c, a + b + c == 0)))}}", items(90));
        assert!(
            matches!(outcome(&Limits { loops: 3, ..Limits::SPECS }, &two), Err((limits::CODE, _))),
            "too many steps"
        );
    }

    #[test]
    fn all_expressions_of_a_file_share_their_limits() {
        let text = format!("${{'{}' + config.x}}", "y".repeat(4000));
        let file = SourceFile::new("mastodon.toml", text.clone());
        let location = Location::new(&file, 0..text.len());
        let parsed = |_: &usize| Template::parse_within(&Limits::INSTANCE, &text, &location).is_ok();
        assert_eq!((0..100).filter(parsed).count(), 16);

        let template = Template::parse_within(&Limits::INSTANCE, "${[1, 2, 3].map(x, [x, x])}", &location);
        let template = template.err().map(|problem| problem.message).expect("nothing is left of the file");
        assert!(template.contains("65536"), "{template}");

        let file = SourceFile::new("specs/x.toml", "");
        let template = Template::parse("${config.long}", &Location::new(&file, 0..0)).expect("valid").expect("one");
        let (evaluator, scope) =
            (Evaluator::new(), Fixed(Value::from_json(&serde_json::json!({"long": "x".repeat(100_000)}))));
        let runs = (0..1_000_000).take_while(|_| evaluator.template(&template, &scope).is_ok()).count();
        assert!((500..10_000).contains(&runs), "{runs}");
        evaluator.begin();
        assert!(evaluator.template(&template, &scope).is_ok(), "another pass has its own steps");
    }

    #[test]
    fn an_expression_that_is_metered_comes_to_what_the_crate_says() {
        let sources = [
            "[1, 2, 3].map(x, x * 2)",
            "[1, 2, 3].map(x, x > 1, x * 2)",
            "[3, 1, 2].filter(x, x != 1)",
            "[1, 2].all(x, x > 0)",
            "[1, 2].exists(x, x > 1)",
            "[1, 2].exists_one(x, x > 1)",
            "[1, 0].exists(x, 1 / x == 1)",
            "[0, 1].exists(x, 1 / x == 1)",
            "[0, 1].all(x, 1 / x == 1)",
            "[0, 1].all(x, 1 / x == 2)",
            "['a', 1].all(x, x == 'b')",
            "{'a': 1, 'b': 2}.all(key, key in ['a', 'b'])",
            "{'a': {'b': 2}}.a.b",
            "{'a': 1}['b']",
            "{'a': 1}.b",
            "has({'a': 1}.a) && !has({'a': 1}.b)",
            "[1, 2][1]",
            "[1, 2][2]",
            "[1][-1]",
            "[[1], [2]].map(x, x[0] + size(x))",
            "[1, 2].map(x, [x].map(y, y + x))",
            "true || 1 / 0 == 1",
            "1 / 0 == 1 || true",
            "1 / 0 == 1 && false",
            "1 / 0 == 1 && true",
            "'a' && true",
            "true && 'a'",
            "false || 'a'",
            "1 ? 2 : 3",
            "true ? 'a' + 'b' : 1",
            "json({'b': [1, 2.5, null], 'a': 'x'})",
            "sha256('a')",
            "merge({'a': 1}, {'b': 2})",
            "keys({'b': 1, 'a': 2}) + values({'b': 1, 'a': 2})",
            "'abc'.startsWith('a') && 'abc'.contains('b') && 'abc'.size() == 3",
            "string(12) + 'x'",
            "int('12') + 1",
            "-(1) + 2 - 3 * 4 % 5",
            "1.5 < 2.0 && 1 <= 2 && 'a' > 'A' && 2u >= 1u",
            "type(1) == int",
            "1 + 'a'",
            "[1] + [2]",
            "'x' in {'x': 1}",
            "5.map(x, x)",
            "nothing.map(x, x)",
            "nothing(1)",
            "cidr_subnet('10.0.0.0/16', 8, 2)",
            "dyn([1, 'a']).map(x, x)",
            "{1: 'a', true: 'b', 2u: 'c'}[1]",
            "{[1]: 2}",
            "b'abc' == bytes('abc')",
        ];
        let (pass, functions) = (Pass::default(), functions::context());
        for source in sources {
            let Ok(tree) = cel::parser::Parser::new().parse(source) else { panic!("{source}") };
            let expected = CelValue::resolve(&tree, &functions);
            let run = Run { functions: &functions, meter: &mut Meter::new(&pass), variables: Vec::new() }.value(&tree);
            match (run, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{source}"),
                (Err(Stop::Cel(_)), Err(_)) => {}
                (Err(Stop::Limit(_)), _) => panic!("{source}: a limit"),
                (found, expected) => panic!("{source}: {:?} is not {expected:?}", found.ok()),
            }
        }
    }

    #[test]
    fn errors_name_what_went_wrong() {
        assert!(evaluate("${config.name + 1}").is_err());
        let missing = evaluate("${config.commands['prod' + 'uctio']}").expect_err("no such entry");
        assert_eq!(missing.hints, ["did you mean `production`?"]);
    }
}
