//! The functions an expression may call: the CEL crate's own, and those that `compile` puts in place of operators
//! whose cost or failure must be bounded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cel::extractors::This;
use cel::objects::Key;
use cel::{Context, ExecutionError, FunctionContext, Value as Cel};
use regex::{Regex, RegexBuilder};

/// In place of `+`: refuses to grow a text or list without bound. No expression can spell this name.
pub(super) const ADD: &str = "@add";
/// In place of unary `-`: the smallest integer has no negative.
pub(super) const NEGATE: &str = "@negate";
/// Around what a loop goes over: counts steps, and puts a map's keys in order.
pub(super) const OVER: &str = "@over";

/// Whether a text fits a regular expression.
pub(super) const MATCHES: &str = "matches";

/// Regular expressions by their text, compiled.
pub(super) type Patterns = BTreeMap<String, Regex>;

/// Names an expression may call.
pub(super) const CALLABLE: [&str; 24] = [
    "contains",
    "size",
    "max",
    "min",
    "startsWith",
    "endsWith",
    "string",
    "double",
    "int",
    "uint",
    MATCHES,
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDayOfYear",
    "getDayOfMonth",
    "getDate",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "bytes",
];

/// Steps one evaluation may take in all its loops and for all patterns it compiles. GitHub lists at most 3,000 files of a pull request.
const MAX_STEPS: usize = 10_000;
/// Longest text (bytes) or list (entries) that `+` may make.
const MAX_SUM: usize = 1 << 20;
/// Compiled size of a regular expression, in bytes.
const MAX_REGEX: usize = 1 << 18;
/// Steps that compiling a regular expression counts for.
const REGEX_STEPS: usize = 200;

/// The functions, with the patterns compiled beforehand. They count steps and remember a pattern: unless the expression
/// does neither, they are made for one evaluation.
pub(super) fn context(patterns: Arc<Patterns>) -> Context<'static> {
    let steps = Arc::new(AtomicUsize::new(0));
    let mut context = Context::default();
    let (counted, last) = (steps.clone(), Mutex::new(None));
    context.add_function(
        MATCHES,
        move |ftx: &FunctionContext<'_>, This(this): This<Arc<String>>, pattern: Arc<String>| match patterns
            .get(pattern.as_str())
        {
            Some(regex) => Ok(regex.is_match(&this)),
            None => Ok(compiled(ftx, &pattern, &last, &counted)?.is_match(&this)),
        },
    );
    context.add_function(ADD, add);
    context.add_function(NEGATE, negate);
    context.add_function(OVER, move |ftx: &FunctionContext<'_>, value: Cel, _: Cel| over(ftx, value, &steps));
    context
}

/// `None`: it is not a regular expression, or a huge one.
pub(super) fn regex(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern).size_limit(MAX_REGEX).build().ok()
}

/// A pattern that is known only now: the last one is kept, since a loop mostly asks for the same again.
fn compiled(
    ftx: &FunctionContext<'_>,
    pattern: &str,
    last: &Mutex<Option<Regex>>,
    steps: &AtomicUsize,
) -> Result<Regex, ExecutionError> {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = last.as_ref().filter(|regex| regex.as_str() == pattern) {
        return Ok(regex.clone());
    }
    if !take(steps, REGEX_STEPS) {
        return Err(ftx.error("the regular expressions take too many steps"));
    }
    let regex = regex(pattern).ok_or_else(|| ftx.error("this is not a regular expression, or a huge one"))?;
    *last = Some(regex.clone());
    Ok(regex)
}

/// Whether so many more steps may be taken.
fn take(steps: &AtomicUsize, more: usize) -> bool {
    steps.fetch_add(more, Ordering::Relaxed) + more <= MAX_STEPS
}

fn add(ftx: &FunctionContext<'_>, left: Cel, right: Cel) -> Result<Cel, ExecutionError> {
    let sum = match (&left, &right) {
        (Cel::String(left), Cel::String(right)) => left.len() + right.len(),
        (Cel::List(left), Cel::List(right)) => left.len() + right.len(),
        _ => 0,
    };
    if sum > MAX_SUM { Err(ftx.error("the sum grows too large")) } else { left + right }
}

fn negate(value: Cel, _: Cel) -> Result<Cel, ExecutionError> {
    match value {
        Cel::Int(number) => {
            number.checked_neg().map(Cel::Int).ok_or(ExecutionError::Overflow("minus", Cel::Int(number), Cel::Null))
        }
        Cel::Float(number) => Ok(Cel::Float(-number)),
        other => Err(ExecutionError::UnsupportedUnaryOperator("minus", other)),
    }
}

fn over(ftx: &FunctionContext<'_>, value: Cel, steps: &AtomicUsize) -> Result<Cel, ExecutionError> {
    let list = match value {
        Cel::List(list) => list,
        Cel::Map(map) => {
            let mut keys: Vec<&Key> = map.map.keys().collect();
            keys.sort();
            Arc::new(keys.into_iter().map(Cel::from).collect())
        }
        other => return Err(ftx.error(format!("a loop needs a list or a map, not a {}", other.type_of()))),
    };
    if take(steps, list.len()) { Ok(Cel::List(list)) } else { Err(ftx.error("the loops take too many steps")) }
}
