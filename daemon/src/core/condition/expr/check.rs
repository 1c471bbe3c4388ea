//! The check of an expression against the vocabulary: every name is one that exists, every operator and function meets a
//! type it takes. What may be right at some event passes: a field that is text or null may be compared with a text.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, operators};
use cel::common::value::CelVal;

use super::functions;
use super::locate::offset_of;
use super::signatures::{binary, call, literal};
use crate::core::condition::ConditionError;
use crate::core::condition::phrase::Quoted;
use crate::core::condition::written::closest;
use crate::core::vocabulary::{Kinds, Payloads, Type, variable, variables};

/// What is wrong with an expression that is evaluated on events with these payloads.
pub(super) fn check(source: &str, expression: &IdedExpr, payloads: &Payloads) -> Vec<ConditionError> {
    let mut checker = Checker { source, payloads, bound: Vec::new(), errors: Vec::new() };
    let gives = checker.of(expression);
    if checker.errors.is_empty() && !gives.kinds.meets(Kinds::BOOL) {
        checker.refuse(expression, format!("the expression gives {}, not true or false", gives.told()));
    }
    checker.errors
}

/// The variable that is the whole payload. By a dot its fields are those that are known, in brackets any.
const PAYLOAD: &str = "payload";

struct Checker<'a> {
    source: &'a str,
    payloads: &'a Payloads,
    /// Variables of the loops around, the innermost last.
    bound: Vec<(String, Type)>,
    errors: Vec<ConditionError>,
}

impl Checker<'_> {
    fn of(&mut self, node: &IdedExpr) -> Type {
        match &node.expr {
            Expr::Literal(value) => literal(value),
            Expr::Ident(name) => self.variable(node, name),
            Expr::Select(select) => {
                let operand = self.of(&select.operand);
                let field = self.field(node, &select.operand, &operand, &select.field);
                if select.test { Type::plain(Kinds::BOOL) } else { field }
            }
            Expr::Call(call) => self.call(node, call),
            Expr::List(list) => {
                let entries = list.elements.iter().map(|each| self.of(each)).collect::<Vec<_>>();
                Type::list(entries.into_iter().reduce(Type::or).unwrap_or_default())
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.of(&entry.key);
                        self.of(&entry.value);
                    }
                }
                Type::any()
            }
            Expr::Comprehension(looping) => self.looping(looping),
            Expr::Struct(_) | Expr::Unspecified => Type::any(),
        }
    }

    fn variable(&mut self, node: &IdedExpr, name: &str) -> Type {
        if let Some((_, of)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return of.clone();
        }
        if name == PAYLOAD {
            return self.payloads.whole();
        }
        if let Some(known) = variable(name).or_else(|| self.payloads.key(name)) {
            return known;
        }
        let message = if Payloads::described().key(name).is_some() {
            format!("no event of `on` brings {}", Quoted(name))
        } else {
            let keys = Payloads::described().keys();
            let hint = match closest(name, variables().chain(keys)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write `payload[\"{name}\"]` for a key of the payload that orchd does not know"),
            };
            format!("there is no {}: {hint}", Quoted(name))
        };
        self.refuse(node, message);
        Type::any()
    }

    fn field(&mut self, node: &IdedExpr, operand: &IdedExpr, of: &Type, name: &str) -> Type {
        if let Some(field) = of.field(name) {
            return field;
        }
        let whose = written(operand);
        let message = if of.kinds.meets(Kinds::MAP) {
            let hint = match closest(name, of.field_names()) {
                Some(near) => format!(": did you mean `{near}`?"),
                None => format!(" that orchd knows: write `{whose}[\"{name}\"]` if GitHub has it"),
            };
            format!("`{whose}` has no field {}{hint}", Quoted(name))
        } else {
            format!("`{whose}` is {}: it has no fields", of.told())
        };
        self.refuse(node, message);
        Type::any()
    }

    fn call(&mut self, node: &IdedExpr, call_: &CallExpr) -> Type {
        let target = call_.target.as_ref().map(|target| self.of(target));
        let args: Vec<Type> = call_.args.iter().map(|each| self.of(each)).collect();
        let name = call_.func_name.as_str();
        match (name, args.as_slice()) {
            // What `compile` puts around what a loop goes over.
            (functions::OVER | functions::COUNTED, [inner, _]) => inner.clone(),
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.must_be_bool(&call_.args[0], condition);
                yes.clone().or(no.clone())
            }
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
                self.must_be_bool(&call_.args[0], left);
                self.must_be_bool(&call_.args[1], right);
                Type::plain(Kinds::BOOL)
            }
            (operators::LOGICAL_NOT | operators::NOT_STRICTLY_FALSE, [of]) => {
                self.must_be_bool(&call_.args[0], of);
                Type::plain(Kinds::BOOL)
            }
            (operators::INDEX, [of, _]) => self.index(node, of, &args[1]),
            (_, [left, right]) if target.is_none() => match binary(name, left, right) {
                Some(Ok(gives)) => gives,
                Some(Err(reason)) => {
                    self.refuse(node, reason);
                    Type::any()
                }
                None => self.function(node, name, None, &args),
            },
            _ => self.function(node, name, target, &args),
        }
    }

    fn function(&mut self, node: &IdedExpr, name: &str, target: Option<Type>, args: &[Type]) -> Type {
        match call(name, target.as_ref(), args) {
            Ok(gives) => gives,
            Err(reason) => {
                self.refuse(node, reason);
                Type::any()
            }
        }
    }

    fn index(&mut self, node: &IdedExpr, of: &Type, by: &Type) -> Type {
        let number = Kinds::INT.or(Kinds::UINT);
        let entry = of.kinds.meets(Kinds::LIST) && by.kinds.meets(number);
        let field = of.kinds.meets(Kinds::MAP);
        if !entry && !field {
            self.refuse(node, format!("{} has no entry by {}", of.told(), by.told()));
            return Type::any();
        }
        // A field by its name in brackets is one that may not be listed.
        if field || of.is_any() { Type::any() } else { of.entry() }
    }

    fn must_be_bool(&mut self, node: &IdedExpr, of: &Type) {
        if !of.kinds.meets(Kinds::BOOL) {
            self.refuse(node, format!("`{}` is {}, where true or false is needed", written(node), of.told()));
        }
    }

    fn looping(&mut self, looping: &ComprehensionExpr) -> Type {
        let over = self.of(&looping.iter_range);
        if !over.kinds.meets(Kinds::LIST.or(Kinds::MAP)) {
            let told = format!("a loop needs a list or a map, not {}", over.told());
            self.refuse(&looping.iter_range, told);
        }
        let mut each = over.entry();
        if over.kinds.meets(Kinds::MAP) && !over.is_any() {
            each = each.or(Type::plain(Kinds::TEXT));
        }
        if each.kinds.is_empty() {
            each = Type::any();
        }
        let mut so_far = self.of(&looping.accu_init);
        let outside = self.bound.len();
        self.bound.push((looping.iter_var.clone(), each));
        self.bound.push((looping.accu_var.clone(), so_far.clone()));
        self.of(&looping.loop_cond);
        so_far = so_far.or(self.of(&looping.loop_step));
        self.bound.truncate(outside);
        self.bound.push((looping.accu_var.clone(), so_far));
        let gives = self.of(&looping.result);
        self.bound.truncate(outside);
        gives
    }

    fn refuse(&mut self, node: &IdedExpr, message: String) {
        let error = ConditionError { at: Vec::new(), message, offset: offset_of(self.source, node) };
        // A macro may write an operand twice.
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }
}

/// An operand as it was written, when that is a name.
fn written(node: &IdedExpr) -> String {
    match &node.expr {
        Expr::Ident(name) => name.clone(),
        Expr::Select(select) => format!("{}.{}", written(&select.operand), select.field),
        Expr::Literal(CelVal::String(text)) => format!("{text:?}"),
        _ => "this".to_owned(),
    }
}
