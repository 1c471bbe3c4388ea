//! What operators and functions take and give, by the evaluator of the CEL crate.

use cel::common::ast::operators;
use cel::common::value::CelVal;

use super::functions;
use crate::core::condition::phrase::Quoted;
use crate::core::vocabulary::{Kinds, Type};

const NUMBER: Kinds = Kinds::INT.or(Kinds::UINT).or(Kinds::FLOAT);
/// What has an order.
const ORDERED: Kinds = NUMBER.or(Kinds::TEXT).or(Kinds::BOOL).or(Kinds::TIME).or(Kinds::SPAN);
const SIZED: Kinds = Kinds::TEXT.or(Kinds::LIST).or(Kinds::MAP);

pub(super) fn literal(value: &CelVal) -> Type {
    Type::plain(match value {
        CelVal::Boolean(_) => Kinds::BOOL,
        CelVal::Int(_) => Kinds::INT,
        CelVal::UInt(_) => Kinds::UINT,
        CelVal::Double(_) => Kinds::FLOAT,
        CelVal::String(_) => Kinds::TEXT,
        CelVal::Null => Kinds::NULL,
        _ => Kinds::ANY,
    })
}

/// What an operator gives, or why it cannot take these; `None`: it is no operator with two sides.
pub(super) fn binary(name: &str, left: &Type, right: &Type) -> Option<Result<Type, String>> {
    let gives = |kinds: Kinds| if kinds.is_empty() { None } else { Some(Type::plain(kinds)) };
    let (sign, gives) = match name {
        functions::ADD => ("+", add(left, right)),
        operators::SUBSTRACT => ("-", gives(subtract(left.kinds, right.kinds))),
        operators::MULTIPLY => ("*", gives(same(left.kinds, right.kinds, NUMBER))),
        operators::DIVIDE => ("/", gives(same(left.kinds, right.kinds, NUMBER))),
        operators::MODULO => ("%", gives(same(left.kinds, right.kinds, Kinds::INT.or(Kinds::UINT)))),
        functions::NEGATE => return Some(negate(left)),
        operators::LESS => ("<", ordered(left, right)),
        operators::LESS_EQUALS => ("<=", ordered(left, right)),
        operators::GREATER => (">", ordered(left, right)),
        operators::GREATER_EQUALS => (">=", ordered(left, right)),
        functions::EQUALS => ("==", equal(left, right)),
        functions::DIFFERS => ("!=", equal(left, right)),
        functions::IN => ("in", contained(left, right)),
        _ => return None,
    };
    Some(gives.ok_or_else(|| refusal(sign, left, right)))
}

fn refusal(sign: &str, left: &Type, right: &Type) -> String {
    match sign {
        "==" | "!=" => format!("{} never equals {}", left.told(), right.told()),
        "in" => format!("{} is never in {}", left.told(), right.told()),
        _ => format!("`{sign}` does not take {} and {}", left.told(), right.told()),
    }
}

/// Kinds that both may have: there is no arithmetic between kinds.
fn same(left: Kinds, right: Kinds, among: Kinds) -> Kinds {
    left.and(right).and(among)
}

fn add(left: &Type, right: &Type) -> Option<Type> {
    let (one, other) = (left.kinds, right.kinds);
    let mut kinds = same(one, other, NUMBER.or(Kinds::TEXT).or(Kinds::SPAN));
    if one.meets(Kinds::TIME) && other.meets(Kinds::SPAN) || one.meets(Kinds::SPAN) && other.meets(Kinds::TIME) {
        kinds = kinds.or(Kinds::TIME);
    }
    let mut gives = Type::plain(kinds);
    if one.and(other).meets(Kinds::LIST) {
        gives = gives.or(Type::list(left.entry().or(right.entry())));
    }
    (!gives.kinds.is_empty()).then_some(gives)
}

fn subtract(left: Kinds, right: Kinds) -> Kinds {
    let mut kinds = same(left, right, NUMBER.or(Kinds::SPAN));
    if left.and(right).meets(Kinds::TIME) {
        kinds = kinds.or(Kinds::SPAN);
    }
    if left.meets(Kinds::TIME) && right.meets(Kinds::SPAN) {
        kinds = kinds.or(Kinds::TIME);
    }
    kinds
}

fn negate(of: &Type) -> Result<Type, String> {
    let kinds = of.kinds.and(Kinds::INT.or(Kinds::FLOAT));
    if kinds.is_empty() { Err(format!("{} has no negative", of.told())) } else { Ok(Type::plain(kinds)) }
}

fn ordered(left: &Type, right: &Type) -> Option<Type> {
    let (one, other) = (left.kinds, right.kinds);
    let numbers = one.meets(NUMBER) && other.meets(NUMBER);
    (numbers || !same(one, other, ORDERED).is_empty()).then(|| Type::plain(Kinds::BOOL))
}

/// Whether they may be equal. That something is not null may always be asked.
fn equal(left: &Type, right: &Type) -> Option<Type> {
    let (one, other) = (left.kinds, right.kinds);
    let asks = one == Kinds::NULL || other == Kinds::NULL;
    let numbers = one.meets(NUMBER) && other.meets(NUMBER);
    // Two that may both be null are told apart by what else they may be.
    let both = one.and(other);
    let common = both != Kinds::NULL && !both.is_empty();
    (asks || numbers || common).then(|| Type::plain(Kinds::BOOL))
}

fn contained(left: &Type, right: &Type) -> Option<Type> {
    let within = right.kinds;
    let text = left.kinds.and(within).meets(Kinds::TEXT);
    let entry = right.entry();
    let listed = within.meets(Kinds::LIST) && (entry.kinds.is_empty() || equal(left, &entry).is_some());
    (text || listed || within.meets(Kinds::MAP)).then(|| Type::plain(Kinds::BOOL))
}

/// A function: what it takes, the first of them before the dot or in the brackets, and what it gives.
struct Signature {
    name: &'static str,
    takes: &'static [Kinds],
    gives: Kinds,
}

const fn signature(name: &'static str, takes: &'static [Kinds], gives: Kinds) -> Signature {
    Signature { name, takes, gives }
}

const TEXTS: &[Kinds] = &[Kinds::TEXT, Kinds::TEXT];
const CONVERTED: &[Kinds] = &[NUMBER.or(Kinds::TEXT)];
const A_TIME: &[Kinds] = &[Kinds::TIME];

static SIGNATURES: [Signature; 21] = [
    signature(functions::CONTAINS, &[SIZED, Kinds::ANY], Kinds::BOOL),
    signature("size", &[SIZED], Kinds::INT),
    signature("startsWith", TEXTS, Kinds::BOOL),
    signature("endsWith", TEXTS, Kinds::BOOL),
    signature(functions::MATCHES, TEXTS, Kinds::BOOL),
    signature("string", &[NUMBER.or(Kinds::TEXT).or(Kinds::TIME).or(Kinds::SPAN)], Kinds::TEXT),
    signature("double", CONVERTED, Kinds::FLOAT),
    signature("int", CONVERTED, Kinds::INT),
    signature("uint", CONVERTED, Kinds::UINT),
    signature("duration", &[Kinds::TEXT], Kinds::SPAN),
    signature("timestamp", &[Kinds::TEXT], Kinds::TIME),
    signature("getFullYear", A_TIME, Kinds::INT),
    signature("getMonth", A_TIME, Kinds::INT),
    signature("getDayOfYear", A_TIME, Kinds::INT),
    signature("getDayOfMonth", A_TIME, Kinds::INT),
    signature("getDate", A_TIME, Kinds::INT),
    signature("getDayOfWeek", A_TIME, Kinds::INT),
    signature("getHours", A_TIME, Kinds::INT),
    signature("getMinutes", A_TIME, Kinds::INT),
    signature("getSeconds", A_TIME, Kinds::INT),
    signature("getMilliseconds", A_TIME, Kinds::INT),
];

/// Functions that take as many as they are given, and give one of them.
const OF_MANY: [&str; 2] = ["max", "min"];

/// The names that an expression may call.
pub(super) fn callable() -> impl Iterator<Item = &'static str> {
    SIGNATURES.iter().map(|signature| signature.name).chain(OF_MANY)
}

/// What a function gives, or why it cannot take these.
pub(super) fn call(name: &str, target: Option<&Type>, args: &[Type]) -> Result<Type, String> {
    let given: Vec<&Type> = target.into_iter().chain(args).collect();
    if OF_MANY.contains(&name) {
        let several =
            given.iter().map(|each| if each.kinds.meets(Kinds::LIST) { each.entry() } else { (**each).clone() });
        return several.reduce(Type::or).ok_or_else(|| format!("`{name}` needs something to choose from"));
    }
    let Some(Signature { takes, gives, .. }) = SIGNATURES.iter().find(|signature| signature.name == name) else {
        // Only the expression's own operators are left, and what `compile` refuses.
        return Ok(Type::any());
    };
    if given.len() != takes.len() {
        let arguments = if takes.len() == 1 { "value" } else { "values" };
        return Err(format!("{} takes {} {arguments}, not {}", Quoted(name), takes.len(), given.len()));
    }
    if let (functions::CONTAINS, [whole, part]) = (name, given.as_slice()) {
        return contained(part, whole).ok_or_else(|| refusal("in", part, whole));
    }
    match given.iter().zip(*takes).find(|(given, takes)| !given.kinds.meets(**takes)) {
        Some((given, takes)) => Err(format!("{} needs {takes}, not {}", Quoted(name), given.told())),
        None => Ok(Type::plain(*gives)),
    }
}
