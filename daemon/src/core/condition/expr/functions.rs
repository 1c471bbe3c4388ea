//! The functions an expression may call: the CEL crate's own, and those that `compile` puts in place of operators
//! whose cost or failure must be bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cel::extractors::This;
use cel::objects::Key;
use cel::{Context, ExecutionError, FunctionContext, Value as Cel};

/// In place of `+`: refuses to grow a text or list without bound. No expression can spell this name.
pub(super) const ADD: &str = "@add";
/// In place of unary `-`: the smallest integer has no negative.
pub(super) const NEGATE: &str = "@negate";
/// Around what a loop goes over: counts steps, and puts a map's keys in order.
pub(super) const OVER: &str = "@over";

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
    "matches",
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

/// Steps all loops of one evaluation may take together. GitHub lists at most 3,000 files of a pull request.
const MAX_STEPS: usize = 10_000;
/// Longest text (bytes) or list (entries) that `+` may make.
const MAX_SUM: usize = 1 << 20;
/// Compiled size of a regular expression, in bytes.
const MAX_REGEX: usize = 1 << 18;

/// The functions; `steps` counts the loop steps of the evaluation they are made for.
pub(super) fn context(steps: Arc<AtomicUsize>) -> Context<'static> {
    let mut context = Context::default();
    context.add_function("matches", matches);
    context.add_function(ADD, add);
    context.add_function(NEGATE, negate);
    context.add_function(OVER, move |ftx: &FunctionContext<'_>, value: Cel, _: Cel| over(ftx, value, &steps));
    context
}

fn matches(
    ftx: &FunctionContext<'_>,
    This(this): This<Arc<String>>,
    pattern: Arc<String>,
) -> Result<bool, ExecutionError> {
    let built = regex::RegexBuilder::new(&pattern).size_limit(MAX_REGEX).build();
    built.map(|regex| regex.is_match(&this)).map_err(|_| ftx.error("this is not a regular expression, or a huge one"))
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
    let taken = steps.fetch_add(list.len(), Ordering::Relaxed) + list.len();
    if taken > MAX_STEPS { Err(ftx.error("the loops take too many steps")) } else { Ok(Cel::List(list)) }
}
