//! `expr`: an expression in CEL over the event and its facts.
//!
//! Compiled and checked against the vocabulary when the config is loaded, within limits that keep parsing and evaluation
//! small (see `compile`). Only the fields an expression names are turned into CEL values, and only the facts it names are
//! fetched.

mod check;
mod compile;
mod functions;
mod locate;
mod signatures;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::parser::Expression;
use cel::{Context, ExecutionError, Value as Cel};
use serde_json::{Value, json};

use super::phrase::Quoted;
use super::sight::{Seen, Unseen, seen};
use super::written::{Parsed, text};
use super::{ConditionError, Look, Scene};
use crate::core::vocabulary::{Payloads, completions};
use compile::Wanted;
use functions::Patterns;

#[derive(Clone)]
pub(super) struct Expr(Arc<Compiled>);

struct Compiled {
    source: String,
    expression: Expression,
    /// Variables and the fields of them that the expression names.
    wanted: BTreeMap<String, Wanted>,
    /// Whether it may look at fields whose names end in `url`.
    sees_urls: bool,
    /// The regular expressions written in it.
    patterns: Arc<Patterns>,
    /// The functions, when they may be shared by evaluations; where steps are counted each has its own.
    shared: Option<Context<'static>>,
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.0.source).finish()
    }
}

impl Look for Expr {
    const NAME: &'static str = "expr";
    const HELP: &'static str = "An expression in CEL (the Common Expression Language) that gives true or false. \
        Variables: the facts (`event`, `item`, `labels`, `files`, `reviews`, `checks`, `role`), and every top-level key of \
        the payload, such as `pull_request`; a key that the payload lacks is an empty map. Names and types are checked \
        when the config is loaded: `pull_request.addtions` is an error of the config, as is a key that no event of `on` \
        brings. `payload[\"key\"]` looks at what GitHub added since. An error while evaluating, such as a missing key, \
        means false. At most 2,048 bytes long; loops take at most 10,000 steps, and what they make and look through is \
        bounded.";
    const EXAMPLE: &'static str = "expr: \"pull_request.additions + pull_request.deletions < 400\"";
    const DEAR: bool = true;

    fn parse(written: &Value) -> Parsed<Self> {
        let source = text(written, "an expression")?;
        let (expression, found) = compile::compile(source)?;
        let patterns = Arc::new(found.patterns);
        let shared = (!found.counts).then(|| functions::context(patterns.clone(), false));
        let (source, wanted) = (source.to_owned(), found.wanted);
        let sees_urls = compile::may_see_urls(&wanted);
        Ok(Self(Arc::new(Compiled { source, expression, wanted, sees_urls, patterns, shared })))
    }

    fn schema() -> Value {
        json!({
            "type": "string",
            "minLength": 1,
            "maxLength": compile::MAX_LENGTH,
            // What an editor offers; the facts themselves, with types and costs, stand in `$defs`.
            "examples": completions(),
        })
    }

    fn may_see_urls(&self) -> bool {
        self.0.sees_urls
    }

    fn unseen(&self, payloads: &Payloads) -> Vec<ConditionError> {
        check::check(&self.0.source, &self.0.expression, payloads)
    }

    fn look(&self, scene: Scene<'_>) -> Result<Seen, Unseen> {
        let source = Quoted(&self.0.source);
        let variables = match values::variables(&self.0.wanted, scene) {
            Ok(variables) => variables,
            Err(values::NoValues::Unseen(unseen)) => return Err(unseen),
            Err(values::NoValues::TooMuch(name)) => {
                return seen(false, format!("{source} is false: {} is too large to look into", Quoted(name)));
            }
        };
        // The crate panics on a few values (a duration beyond its range, for one). Nothing is shared with the
        // evaluation that a panic could leave half done.
        let result = catch_unwind(AssertUnwindSafe(|| self.run(&variables)));
        match result {
            Ok(Ok(Cel::Bool(holds))) => {
                seen(holds, format!("{source} is {holds}{}", values::shown(self.wanted(), &variables)))
            }
            Ok(Ok(other)) => {
                seen(false, format!("{source} is false: it gave a {}, not true or false", other.type_of()))
            }
            Ok(Err(error)) => seen(false, format!("{source} is false: {}", said(&error))),
            Err(_) => seen(false, format!("{source} is false: it could not be evaluated")),
        }
    }
}

impl Expr {
    fn wanted(&self) -> &BTreeMap<String, Wanted> {
        &self.0.wanted
    }

    fn run(&self, variables: &[(&str, Cel)]) -> Result<Cel, ExecutionError> {
        let own;
        let root = match &self.0.shared {
            Some(shared) => shared,
            None => {
                own = functions::context(self.0.patterns.clone(), true);
                &own
            }
        };
        let mut scope = root.new_inner_scope();
        for (name, value) in variables {
            scope.add_variable_from_value(*name, value.clone());
        }
        Cel::resolve(&self.0.expression, &scope)
    }
}

/// An evaluation error in words. Values are named by their type only: a map prints in no fixed order.
fn said(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no key {}", Quoted(key)),
        ExecutionError::UndeclaredReference(name) => format!("there is no {}", Quoted(name)),
        ExecutionError::NoSuchOverload => "an operator met a value of another type".to_owned(),
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("a {} cannot be compared with a {}", left.type_of(), right.type_of())
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            format!("`{operator}` does not take a {} and a {}", left.type_of(), right.type_of())
        }
        ExecutionError::UnexpectedType { got, want } => format!("a {want} is needed, not a {got}"),
        ExecutionError::UnsupportedTargetType { target } => format!("a {} has no such function", target.type_of()),
        ExecutionError::FunctionError { function, message } => format!("{}: {}", Quoted(function), Quoted(message)),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number grows too large".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "an index is beyond the list".to_owned(),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, not {actual}")
        }
        _ => "an operator or function met a value of another type".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
