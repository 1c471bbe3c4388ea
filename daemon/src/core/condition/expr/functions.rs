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

/// In place of `in`: counts what is looked through.
pub(super) const IN: &str = "@in";

/// In place of `==` and `!=`: count what is compared.
pub(super) const EQUALS: &str = "@equals";
pub(super) const DIFFERS: &str = "@differs";
/// Around what `max` and `min` choose from: counts it.
pub(super) const COUNTED: &str = "@counted";

/// Whether a text fits a regular expression.
pub(super) const MATCHES: &str = "matches";
/// Whether a text has another in it, a list an entry or a map a key.
pub(super) const CONTAINS: &str = "contains";

/// Regular expressions by their text, compiled.
pub(super) type Patterns = BTreeMap<String, Regex>;

/// Steps one evaluation may take in all its loops and for all patterns it compiles. GitHub lists at most 3,000 files of a pull request.
const MAX_STEPS: usize = 10_000;
/// Longest text (bytes) or list (entries) that `+` may make.
const MAX_SUM: usize = 1 << 20;
/// What one evaluation may copy and look through in its loops: entries of lists, and every eight bytes of text. A loop over
/// 3,000 files that makes a list copies four and a half million.
const MAX_WORK: usize = 8 << 20;
/// Bytes of text that count as one entry.
const BYTES_A_UNIT: usize = 8;
/// Compiled size of a regular expression, in bytes.
const MAX_REGEX: usize = 1 << 18;
/// Steps that compiling a regular expression counts for.
const REGEX_STEPS: usize = 200;

/// What an evaluation has done so far.
#[derive(Clone, Default)]
struct Spent {
    steps: Arc<AtomicUsize>,
    /// `None`: nothing loops, so the length of the expression bounds it.
    work: Option<Arc<AtomicUsize>>,
}

impl Spent {
    /// Whether so many more steps may be taken.
    fn step(&self, more: usize) -> bool {
        self.steps.fetch_add(more, Ordering::Relaxed) + more <= MAX_STEPS
    }

    /// # Errors
    /// When what is copied or looked through grows beyond its bound.
    fn work(&self, ftx: &FunctionContext<'_>, on: &Cel) -> Result<(), ExecutionError> {
        let Some(work) = &self.work else { return Ok(()) };
        let units = 1 + match on {
            Cel::String(text) => text.len() / BYTES_A_UNIT,
            Cel::List(list) => list.len(),
            _ => 0,
        };
        self.spend(ftx, work, units)
    }

    /// As [`Spent::work`], down to the last value: where all of it may be looked at.
    fn work_deep(&self, ftx: &FunctionContext<'_>, on: &Cel) -> Result<(), ExecutionError> {
        let Some(work) = &self.work else { return Ok(()) };
        self.spend(ftx, work, weight(on))
    }

    fn spend(&self, ftx: &FunctionContext<'_>, work: &AtomicUsize, units: usize) -> Result<(), ExecutionError> {
        let so_far = work.fetch_add(units, Ordering::Relaxed) + units;
        if so_far <= MAX_WORK { Ok(()) } else { Err(ftx.error("the loops copy or look through too much")) }
    }
}

/// Values in a value, and its text.
fn weight(of: &Cel) -> usize {
    1 + match of {
        Cel::String(text) => text.len() / BYTES_A_UNIT,
        Cel::List(list) => list.iter().map(weight).sum(),
        Cel::Map(map) => map.map.values().map(weight).sum(),
        _ => 0,
    }
}

/// The functions, with the patterns compiled beforehand. Where the expression loops or compiles patterns (`counts`) they
/// count what is spent, and are made for one evaluation.
pub(super) fn context(patterns: Arc<Patterns>, counts: bool) -> Context<'static> {
    let spent = Spent { work: counts.then(Arc::default), ..Spent::default() };
    let mut context = Context::default();
    let (counted, last) = (spent.clone(), Mutex::new(None));
    context.add_function(
        MATCHES,
        move |ftx: &FunctionContext<'_>, This(this): This<Arc<String>>, pattern: Arc<String>| {
            counted.work(ftx, &Cel::String(this.clone()))?;
            match patterns.get(pattern.as_str()) {
                Some(regex) => Ok(regex.is_match(&this)),
                None => Ok(compiled(ftx, &pattern, &last, &counted)?.is_match(&this)),
            }
        },
    );
    let counted = spent.clone();
    context.add_function(CONTAINS, move |ftx: &FunctionContext<'_>, This(this): This<Cel>, part: Cel| {
        counted.work_deep(ftx, &this)?;
        within(ftx, part, this, false)
    });
    let counted = spent.clone();
    context.add_function(IN, move |ftx: &FunctionContext<'_>, part: Cel, whole: Cel| {
        counted.work_deep(ftx, &whole)?;
        within(ftx, part, whole, true)
    });
    let counted = spent.clone();
    context.add_function(ADD, move |ftx: &FunctionContext<'_>, left: Cel, right: Cel| {
        counted.work(ftx, &left)?;
        counted.work(ftx, &right)?;
        add(ftx, left, right)
    });
    let counted = spent.clone();
    context.add_function(EQUALS, move |ftx: &FunctionContext<'_>, left: Cel, right: Cel| {
        counted.work_deep(ftx, &left).map(|()| left == right)
    });
    let counted = spent.clone();
    context.add_function(DIFFERS, move |ftx: &FunctionContext<'_>, left: Cel, right: Cel| {
        counted.work_deep(ftx, &left).map(|()| left != right)
    });
    let counted = spent.clone();
    context.add_function(COUNTED, move |ftx: &FunctionContext<'_>, value: Cel, _: Cel| {
        counted.work_deep(ftx, &value).map(|()| value)
    });
    context.add_function(NEGATE, negate);
    context.add_function(OVER, move |ftx: &FunctionContext<'_>, value: Cel, _: Cel| over(ftx, value, &spent));
    context
}

/// Whether a text, list or map has something in it. `in` refuses what is none of them, `contains` says no.
fn within(ftx: &FunctionContext<'_>, part: Cel, whole: Cel, strict: bool) -> Result<bool, ExecutionError> {
    Ok(match (part, whole) {
        (Cel::String(part), Cel::String(whole)) => whole.contains(part.as_str()),
        (part, Cel::List(list)) => list.contains(&part),
        (part, Cel::Map(map)) => TryInto::<Key>::try_into(part).is_ok_and(|key| map.get(&key).is_some()),
        (_, whole) if strict => return Err(ftx.error(format!("nothing is in a {}", whole.type_of()))),
        _ => false,
    })
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
    spent: &Spent,
) -> Result<Regex, ExecutionError> {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(regex) = last.as_ref().filter(|regex| regex.as_str() == pattern) {
        return Ok(regex.clone());
    }
    if !spent.step(REGEX_STEPS) {
        return Err(ftx.error("the regular expressions take too many steps"));
    }
    let regex = regex(pattern).ok_or_else(|| ftx.error("this is not a regular expression, or a huge one"))?;
    *last = Some(regex.clone());
    Ok(regex)
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

fn over(ftx: &FunctionContext<'_>, value: Cel, spent: &Spent) -> Result<Cel, ExecutionError> {
    let list = match value {
        Cel::List(list) => list,
        Cel::Map(map) => {
            let mut keys: Vec<&Key> = map.map.keys().collect();
            keys.sort();
            Arc::new(keys.into_iter().map(Cel::from).collect())
        }
        other => return Err(ftx.error(format!("a loop needs a list or a map, not a {}", other.type_of()))),
    };
    if spent.step(list.len()) { Ok(Cel::List(list)) } else { Err(ftx.error("the loops take too many steps")) }
}
