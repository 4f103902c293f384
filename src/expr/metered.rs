//! Running an expression step by step, so that each step is paid for before it is made.
//!
//! The interpreter of the crate `cel` has no hook between two steps of a loop. Loops, names, branches and literals are
//! therefore walked here; operators and functions are left to the crate, one at a time, on values whose size is known.
//!
//! # Guarantees
//!
//! - The result is the one that [`cel::Value::resolve`] gives; a test holds the two beside each other.
//! - No step is made that the [`Meter`] has not paid for, and no value is larger than it allows.

use std::sync::Arc;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, operators};
use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, IdedExpr, Value as CelValue};

use super::limits::{Exceeded, Meter, size_of};

/// Steps that leaving something to the crate costs, besides the sizes of the values.
const HANDOVER: u64 = 4;

/// Why an expression came to no value.
pub(super) enum Stop {
    Cel(ExecutionError),
    Limit(Exceeded),
}

impl From<ExecutionError> for Stop {
    fn from(error: ExecutionError) -> Self {
        Self::Cel(error)
    }
}

impl From<Exceeded> for Stop {
    fn from(limit: Exceeded) -> Self {
        Self::Limit(limit)
    }
}

type Step = Result<CelValue, Stop>;

/// An expression while it runs.
pub(super) struct Run<'run, 'pass> {
    /// The functions.
    pub functions: &'run Context<'static, 'static>,
    pub meter: &'run mut Meter<'pass>,
    /// Variables, the innermost last.
    pub variables: Vec<(&'run str, CelValue)>,
}

impl<'run> Run<'run, '_> {
    pub fn value(&mut self, node: &'run IdedExpr) -> Step {
        self.meter.spend(1)?;
        match &node.expr {
            Expr::Literal(literal) => Ok(CelValue::try_from(literal.to_val().as_ref())?),
            Expr::Ident(name) => match self.variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => Ok(value.clone()),
                None => self.hand_over(node, Vec::new()),
            },
            Expr::Call(call) => self.call(call),
            Expr::Select(select) => {
                let operand = self.value(&select.operand)?;
                match &operand {
                    CelValue::Map(map) if select.test => {
                        Ok(CelValue::Bool(map.map.contains_key(&Key::from(select.field.as_str()))))
                    }
                    CelValue::Map(map) if map.map.contains_key(&Key::from(select.field.as_str())) => {
                        Ok(map.map.get(&Key::from(select.field.as_str())).cloned().unwrap_or(CelValue::Null))
                    }
                    _ => {
                        let mut select = select.clone();
                        *select.operand = stand_in(0);
                        self.hand_over(&IdedExpr { id: node.id, expr: Expr::Select(select) }, vec![operand])
                    }
                }
            }
            Expr::List(list) => {
                let mut items = Vec::with_capacity(list.elements.len());
                let mut size = 0;
                for element in &list.elements {
                    let item = self.value(element)?;
                    self.meter.add(&mut size, size_of(&item))?;
                    items.push(item);
                }
                Ok(CelValue::List(Arc::new(items)))
            }
            Expr::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries.len());
                let mut size = 0;
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let key = match self.value(&entry.key)? {
                        CelValue::String(text) => Key::String(text),
                        CelValue::Int(number) => Key::Int(number),
                        CelValue::UInt(number) => Key::Uint(number),
                        CelValue::Bool(flag) => Key::Bool(flag),
                        other => return Err(ExecutionError::UnsupportedKeyType(other).into()),
                    };
                    let value = self.value(&entry.value)?;
                    self.meter.add(&mut size, size_of(&value))?;
                    entries.push((key, value));
                }
                Ok(CelValue::Map(Map { map: Arc::new(entries.into_iter().collect()) }))
            }
            Expr::Comprehension(comprehension) => self.looped(comprehension),
            Expr::Struct(_) => self.hand_over(node, Vec::new()),
            Expr::Unspecified => Err(ExecutionError::InternalError("an empty expression".to_owned()).into()),
        }
    }

    fn call(&mut self, call: &'run CallExpr) -> Step {
        match (call.func_name.as_str(), &call.args[..]) {
            (operators::CONDITIONAL, [condition, yes, no]) => {
                let condition = self.value(condition)?;
                return if flag(condition)? { self.value(yes) } else { self.value(no) };
            }
            (name @ (operators::LOGICAL_AND | operators::LOGICAL_OR), [left, right]) => {
                let decides = name == operators::LOGICAL_OR;
                let left = self.value(left);
                match left {
                    Ok(CelValue::Bool(found)) if found == decides => return Ok(CelValue::Bool(found)),
                    Err(Stop::Limit(limit)) => return Err(limit.into()),
                    left => {
                        let right = self.value(right)?;
                        return match (left, right) {
                            (Ok(CelValue::Bool(_)), right @ CelValue::Bool(_)) => Ok(right),
                            (_, CelValue::Bool(found)) if found == decides => Ok(CelValue::Bool(found)),
                            (Err(stop), _) => Err(stop),
                            (Ok(left), right) => self.hand_over_call(call, None, vec![left, right]),
                        };
                    }
                }
            }
            (operators::NOT_STRICTLY_FALSE, [condition]) => {
                return match self.value(condition) {
                    Ok(CelValue::Bool(found)) => Ok(CelValue::Bool(found)),
                    Err(Stop::Limit(limit)) => Err(limit.into()),
                    _ => Ok(CelValue::Bool(true)),
                };
            }
            (operators::INDEX, [table, key]) => {
                let (table, key) = (self.value(table)?, self.value(key)?);
                let found = match (&table, &key) {
                    (CelValue::Map(map), CelValue::String(key)) => map.map.get(&Key::String(Arc::clone(key))),
                    (CelValue::List(items), CelValue::Int(index)) => {
                        usize::try_from(*index).ok().and_then(|index| items.get(index))
                    }
                    _ => None,
                };
                return match found {
                    Some(found) => Ok(found.clone()),
                    None => self.hand_over_call(call, None, vec![table, key]),
                };
            }
            (operators::IN, [key, table]) => {
                let (key, table) = (self.value(key)?, self.value(table)?);
                return match (&key, &table) {
                    (CelValue::String(key), CelValue::Map(map)) => {
                        Ok(CelValue::Bool(map.map.contains_key(&Key::String(Arc::clone(key)))))
                    }
                    _ => self.hand_over_call(call, None, vec![key, table]),
                };
            }
            _ => {}
        }
        let mut arguments = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            arguments.push(self.value(argument)?);
        }
        let target = call.target.as_ref().map(|target| self.value(target)).transpose()?;
        self.hand_over_call(call, target, arguments)
    }

    /// A loop: `map`, `filter`, `all`, `exists`, `exists_one`.
    fn looped(&mut self, comprehension: &'run ComprehensionExpr) -> Step {
        let start = self.value(&comprehension.accu_init)?;
        let range = self.value(&comprehension.iter_range)?;
        let items: Vec<CelValue> = match &range {
            CelValue::List(items) => items.iter().cloned().collect(),
            CelValue::Map(map) => map.map.keys().map(key_value).collect(),
            other => {
                let got = other.type_of().to_string();
                return Err(ExecutionError::UnexpectedType { got, want: "iterable".to_owned() }.into());
            }
        };
        self.meter.add(&mut 0, size_of(&range))?;
        let depth = self.variables.len();
        let result = match Growing::of(comprehension) {
            Some(growing) => self.grown(comprehension, &growing, items),
            None => self.folded(comprehension, start, items),
        };
        self.variables.truncate(depth);
        result
    }

    /// A loop that only ever adds to a list.
    fn grown(&mut self, comprehension: &'run ComprehensionExpr, growing: &Growing<'run>, items: Vec<CelValue>) -> Step {
        let depth = self.variables.len();
        let mut list = Vec::new();
        let mut size = 0;
        for item in items {
            self.variables.truncate(depth);
            self.variables.push((&comprehension.iter_var, item));
            if let Some(guard) = growing.guard
                && !flag(self.value(guard)?)?
            {
                continue;
            }
            for element in growing.elements {
                let element = self.value(element)?;
                self.meter.add(&mut size, size_of(&element))?;
                list.push(element);
            }
        }
        Ok(CelValue::List(Arc::new(list)))
    }

    fn folded(&mut self, comprehension: &'run ComprehensionExpr, start: CelValue, items: Vec<CelValue>) -> Step {
        let depth = self.variables.len();
        let absorbing = absorbing(comprehension);
        let mut sum = start;
        let mut pending = None;
        for item in items {
            self.variables.truncate(depth);
            self.variables.push((&comprehension.accu_var, sum.clone()));
            if !flag(self.value(&comprehension.loop_cond)?)? {
                break;
            }
            self.variables.push((&comprehension.iter_var, item));
            match self.value(&comprehension.loop_step) {
                Err(Stop::Cel(error)) if absorbing.is_some() => pending = Some(error),
                Err(stop) => return Err(stop),
                // An element that decides the result outweighs an error before it; no other does.
                Ok(step)
                    if pending.is_some()
                        && !matches!((&step, absorbing), (CelValue::Bool(found), Some(flag)) if *found == flag) => {}
                Ok(step) => {
                    pending = None;
                    sum = step;
                }
            }
        }
        if let Some(error) = pending {
            return Err(error.into());
        }
        self.variables.truncate(depth);
        self.variables.push((&comprehension.accu_var, sum));
        self.value(&comprehension.result)
    }

    /// Leaves one call to the crate.
    fn hand_over_call(&mut self, call: &CallExpr, target: Option<CelValue>, arguments: Vec<CelValue>) -> Step {
        let count = arguments.len();
        let node = Expr::Call(CallExpr {
            func_name: call.func_name.clone(),
            target: target.is_some().then(|| Box::new(stand_in(count))),
            args: (0..count).map(stand_in).collect(),
        });
        self.hand_over(&IdedExpr { id: 0, expr: node }, arguments.into_iter().chain(target).collect())
    }

    /// Leaves a node to the crate whose inner nodes are [`stand_in`]s for `values`.
    fn hand_over(&mut self, node: &IdedExpr, values: Vec<CelValue>) -> Step {
        self.meter.spend(HANDOVER)?;
        self.meter.add(&mut 0, values.iter().map(size_of).sum())?;
        let mut context = self.functions.new_inner_scope();
        for (number, value) in values.into_iter().enumerate() {
            context.add_variable_from_value(format!("@@{number}"), value);
        }
        let value = CelValue::resolve(node, &context)?;
        self.meter.add(&mut 0, size_of(&value))?;
        Ok(value)
    }
}

/// A variable for a value that is known already.
fn stand_in(number: usize) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Ident(format!("@@{number}")) }
}

fn flag(value: CelValue) -> Result<bool, Stop> {
    match value {
        CelValue::Bool(flag) => Ok(flag),
        other => {
            let got = other.type_of().to_string();
            Err(ExecutionError::UnexpectedType { got, want: "bool".to_owned() }.into())
        }
    }
}

fn key_value(key: &Key) -> CelValue {
    match key {
        Key::String(text) => CelValue::String(Arc::clone(text)),
        Key::Int(number) => CelValue::Int(*number),
        Key::Uint(number) => CelValue::UInt(*number),
        Key::Bool(flag) => CelValue::Bool(*flag),
    }
}

fn is_variable(node: &IdedExpr, name: &str) -> bool {
    matches!(&node.expr, Expr::Ident(found) if found == name)
}

/// What decides an `all` or `exists` whatever else its elements come to.
fn absorbing(comprehension: &ComprehensionExpr) -> Option<bool> {
    let Expr::Call(call) = &comprehension.loop_step.expr else { return None };
    if !call.args.first().is_some_and(|first| is_variable(first, &comprehension.accu_var)) {
        return None;
    }
    match call.func_name.as_str() {
        operators::LOGICAL_AND => Some(false),
        operators::LOGICAL_OR => Some(true),
        _ => None,
    }
}

/// The step of `map` and `filter`: `list + [element]`, perhaps under a condition.
struct Growing<'run> {
    guard: Option<&'run IdedExpr>,
    elements: &'run [IdedExpr],
}

impl<'run> Growing<'run> {
    fn of(comprehension: &'run ComprehensionExpr) -> Option<Self> {
        let sum = comprehension.accu_var.as_str();
        let elements = |step: &'run IdedExpr| match &step.expr {
            Expr::Call(call) if call.func_name == operators::ADD => match &call.args[..] {
                [list, IdedExpr { expr: Expr::List(added), .. }] if is_variable(list, sum) => Some(&added.elements[..]),
                _ => None,
            },
            _ => None,
        };
        if !is_variable(&comprehension.result, sum) || !matches!(comprehension.loop_cond.expr, Expr::Literal(_)) {
            return None;
        }
        match &comprehension.loop_step.expr {
            Expr::Call(call) if call.func_name == operators::CONDITIONAL => match &call.args[..] {
                [guard, step, otherwise] if is_variable(otherwise, sum) => {
                    Some(Self { guard: Some(guard), elements: elements(step)? })
                }
                _ => None,
            },
            _ => Some(Self { guard: None, elements: elements(&comprehension.loop_step)? }),
        }
    }
}
