//! What an expression comes to, by GitHub's loose rules: texts are compared without regard to case, and what is not of one
//! kind is compared as numbers.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::{Expression, Operator};

/// Longest text that an expression may make.
const MAX_TEXT: usize = 1 << 20;

/// How it went so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::ci) enum Status {
    Success,
    Failure,
    Cancelled,
}

/// What an expression can look at.
pub(in crate::cli::ci) struct Scope<'a> {
    /// By the name of the context.
    pub(in crate::cli::ci) contexts: &'a Map<String, Value>,
    pub(in crate::cli::ci) status: Status,
}

impl Scope<'_> {
    pub(super) fn value(&self, expression: &Expression) -> Result<Value, String> {
        match expression {
            Expression::Value(value) => Ok(value.clone()),
            Expression::Name(name) => {
                self.contexts.get(name).cloned().ok_or_else(|| format!("`{name}` is not known here"))
            }
            Expression::Property(of, name) => Ok(property(&self.value(of)?, name)),
            Expression::Index(of, index) => {
                let (of, index) = (self.value(of)?, self.value(index)?);
                Ok(match (&of, &index) {
                    (Value::Array(items), Value::Number(at)) => {
                        let at = at.as_u64().and_then(|at| usize::try_from(at).ok());
                        at.and_then(|at| items.get(at)).cloned().unwrap_or_default()
                    }
                    _ => property(&of, &text_of(&index)),
                })
            }
            Expression::Each(of) => Ok(match self.value(of)? {
                Value::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
                Value::Array(items) => Value::Array(items),
                _ => Value::Array(Vec::new()),
            }),
            Expression::Not(of) => Ok(Value::Bool(!is_true(&self.value(of)?))),
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expression::Call(name, arguments) => self.call(name, arguments),
        }
    }

    /// Whether an `if` holds. One that does not ask how it went holds after success only.
    pub(in crate::cli::ci) fn holds(&self, condition: Option<&Expression>) -> Result<bool, String> {
        let fine = self.status == Status::Success;
        match condition {
            None => Ok(fine),
            Some(condition) if !condition.asks_for_status() && !fine => Ok(false),
            Some(condition) => self.value(condition).map(|value| is_true(&value)),
        }
    }

    fn binary(&self, operator: Operator, left: &Expression, right: &Expression) -> Result<Value, String> {
        let left = self.value(left)?;
        match operator {
            Operator::Or if is_true(&left) => return Ok(left),
            Operator::And if !is_true(&left) => return Ok(left),
            _ => {}
        }
        let right = self.value(right)?;
        let order = || order(&left, &right);
        Ok(Value::Bool(match operator {
            Operator::Or | Operator::And => return Ok(right),
            Operator::Equal => equal(&left, &right),
            Operator::NotEqual => !equal(&left, &right),
            Operator::Less => order() == Some(Ordering::Less),
            Operator::AtMost => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
            Operator::More => order() == Some(Ordering::Greater),
            Operator::AtLeast => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        }))
    }

    fn call(&self, name: &str, arguments: &[Expression]) -> Result<Value, String> {
        let values = arguments.iter().map(|argument| self.value(argument)).collect::<Result<Vec<_>, _>>()?;
        let lower = |value: &Value| text_of(value).to_lowercase();
        let flag = |flag: bool| Ok(Value::Bool(flag));
        match (name, values.as_slice()) {
            ("always", []) => flag(true),
            ("success", []) => flag(self.status == Status::Success),
            ("failure", []) => flag(self.status == Status::Failure),
            ("cancelled", []) => flag(self.status == Status::Cancelled),
            ("contains", [Value::Array(items), wanted]) => flag(items.iter().any(|item| equal(item, wanted))),
            ("contains", [text, wanted]) => flag(lower(text).contains(&lower(wanted))),
            ("startswith", [text, wanted]) => flag(lower(text).starts_with(&lower(wanted))),
            ("endswith", [text, wanted]) => flag(lower(text).ends_with(&lower(wanted))),
            ("format", [pattern, values @ ..]) => format(&text_of(pattern), values).map(Value::String),
            ("join", [list, rest @ ..]) if rest.len() < 2 => {
                let between = rest.first().map_or_else(|| ",".to_owned(), text_of);
                let items = list.as_array().map_or(std::slice::from_ref(list), Vec::as_slice);
                Ok(Value::String(items.iter().map(text_of).collect::<Vec<_>>().join(&between)))
            }
            ("tojson", [value]) => Ok(Value::String(format!("{value:#}"))),
            ("fromjson", [text]) => {
                serde_json::from_str(&text_of(text)).map_err(|error| format!("`fromJSON` was given no JSON: {error}"))
            }
            _ => Err(format!("`{name}` with {} values is not known here", values.len())),
        }
    }
}

/// The value of a key, whose case does not matter.
fn property(of: &Value, name: &str) -> Value {
    match of {
        Value::Object(map) => {
            let found =
                map.get(name).or_else(|| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v));
            found.cloned().unwrap_or_default()
        }
        // Of each, behind a `.*`.
        Value::Array(items) => items.iter().map(|item| property(item, name)).filter(|value| !value.is_null()).collect(),
        _ => Value::Null,
    }
}

pub(in crate::cli::ci) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0 && !number.is_nan()),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

pub(in crate::cli::ci) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => short(number),
        Value::Array(_) => "Array".to_owned(),
        Value::Object(_) => "Object".to_owned(),
        Value::Bool(flag) => flag.to_string(),
    }
}

/// `3`, not `3.0`.
fn short(number: &Number) -> String {
    number.as_f64().filter(|_| number.is_f64()).map_or_else(|| number.to_string(), |number| number.to_string())
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Null => 0.0,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) if text.trim().is_empty() => 0.0,
        Value::String(text) => text.trim().parse().unwrap_or(f64::NAN),
        Value::Array(_) | Value::Object(_) => f64::NAN,
    }
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.to_lowercase() == right.to_lowercase(),
        (Value::Array(_) | Value::Object(_), _) => left == right,
        _ => number(left) == number(right),
    }
}

fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.to_lowercase().cmp(&right.to_lowercase())),
        _ => number(left).partial_cmp(&number(right)),
    }
}

/// `{0}` becomes the first value; `{{` is a brace.
fn format(pattern: &str, values: &[Value]) -> Result<String, String> {
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            text.push_str(&rest[..1]);
            rest = &rest[2..];
            continue;
        }
        let inner = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let value = inner.and_then(|(at, _)| values.get(at.parse::<usize>().ok()?));
        let (Some((_, after)), Some(value)) = (inner, value) else {
            return Err("`format` names a value that it was not given".to_owned());
        };
        text.push_str(&text_of(value));
        rest = after;
        if text.len() > MAX_TEXT {
            return Err("`format` makes too long a text".to_owned());
        }
    }
    Ok(text + rest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::{Template, condition};
    use super::*;

    fn contexts() -> Map<String, Value> {
        let contexts = json!({
            "env": {"NAME": "Web", "EMPTY": ""},
            "matrix": {"os": "ubuntu-24.04", "rust": 1.5, "list": ["a", "b"]},
            "steps": {"one": {"outputs": {"version": "1.2"}, "outcome": "success"}, "two": {"outputs": {}, "outcome": "failure"}},
            "github": {"ref": "refs/heads/main", "event_name": "push"},
        });
        contexts.as_object().unwrap().clone()
    }

    fn comes_to(text: &str) -> Value {
        let contexts = contexts();
        let scope = Scope { contexts: &contexts, status: Status::Success };
        Expression::read(text)
            .and_then(|expression| scope.value(&expression))
            .unwrap_or_else(|why| json!({ "wrong": why }))
    }

    /// After GitHub's own documentation of operators and functions.
    #[test]
    fn expressions_come_to_what_github_says() {
        for (text, value) in [
            ("env.NAME", json!("Web")),
            ("ENV.name", json!("Web")),
            ("env['NAME'] == 'web'", json!(true)),
            ("env.NOTHING", json!(null)),
            ("matrix.rust", json!(1.5)),
            ("matrix.list[1]", json!("b")),
            ("matrix.list[7]", json!(null)),
            ("steps.*.outcome", json!(["success", "failure"])),
            ("contains(steps.*.outcome, 'failure')", json!(true)),
            ("contains('Hello world', 'LLO')", json!(true)),
            ("startsWith(github.ref, 'refs/heads/')", json!(true)),
            ("endsWith('a.rs', '.py') || 'no'", json!("no")),
            ("format('Hello {0} {1} {{x}}', 'Mona', 3)", json!("Hello Mona 3 {x}")),
            ("join(matrix.list, ', ')", json!("a, b")),
            ("fromJSON('[1, 2]')[0] == 1", json!(true)),
            ("toJSON('a')", json!("\"a\"")),
            ("'it''s'", json!("it's")),
            ("!env.EMPTY && 'x'", json!("x")),
            ("1 == '1'", json!(true)),
            ("null == 0", json!(true)),
            ("true == 'true'", json!(false)),
            ("'' == 0", json!(true)),
            ("'abc' == 0", json!(false)),
            ("0x10 > 15 && -1 < 0", json!(true)),
            ("false || true && false", json!(false)),
            ("(false || true) && 'b' >= 'A'", json!(true)),
            ("github.event_name == 'push' && 'p' || 'q'", json!("p")),
            ("success()", json!(true)),
            ("always() && failure()", json!(false)),
        ] {
            assert_eq!(comes_to(text), value, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_is_not_known_is_told() {
        for (text, why) in [
            ("", "it ends too early"),
            ("a b", "`b` is not expected there"),
            ("'a", "a quote is not closed"),
            ("\"a\"", "is not expected there"),
            ("a.", "a name is missing behind a dot"),
            ("f(1", "`)` is missing"),
            ("1x", "`1x` is no number"),
            ("secrets.TOKEN", "`secrets` is not known here"),
            ("hashFiles('a')", "`hashfiles` with 1 values is not known here"),
            ("format('{1}', 'a')", "that it was not given"),
            ("fromJSON('{')", "was given no JSON"),
        ] {
            let told = comes_to(text).to_string();
            assert!(told.contains(why), "{text}: {told}");
        }
        assert!(comes_to(&"a.".repeat(5_000)).to_string().contains("more than 1000 words"));
        assert!(comes_to(&"(".repeat(500)).to_string().contains("nested deeper"));
        assert!(comes_to(&"!".repeat(500)).to_string().contains("nested deeper"));
    }

    #[test]
    fn an_if_is_after_success_unless_it_asks() {
        let contexts = contexts();
        let holds = |text: Option<&str>, status| {
            let condition = text.map(|text| condition(text).unwrap());
            Scope { contexts: &contexts, status }.holds(condition.as_ref()).unwrap()
        };
        assert!(holds(None, Status::Success) && !holds(None, Status::Failure));
        assert!(holds(Some("${{ env.NAME == 'web' }}"), Status::Success));
        assert!(!holds(Some("env.NAME == 'web'"), Status::Failure));
        assert!(holds(Some("always()"), Status::Failure) && holds(Some("always()"), Status::Cancelled));
        assert!(holds(Some("failure() && env.NAME != ''"), Status::Failure));
        assert!(!holds(Some("failure()"), Status::Success));
    }

    #[test]
    fn a_text_has_its_expressions_replaced() {
        let contexts = contexts();
        let scope = Scope { contexts: &contexts, status: Status::Success };
        let text = |text: &str| Template::read(text).and_then(|template| template.text(&scope));
        assert_eq!(text("v${{ steps.one.outputs.version }}-${{ '}}' }}!").unwrap(), "v1.2-}}!");
        assert_eq!(text("").unwrap(), "");
        assert_eq!(text("a ${{ b").unwrap_err(), "a `${{` without its `}}`");
        let paths = |text: &str| Expression::read(text).unwrap().paths();
        assert_eq!(paths("steps.One.outputs.v == env['A']"), [vec!["steps", "one", "outputs", "v"], vec!["env", "a"]]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z0-9'{}$().,*!<>=&| \\[\\]\"-]{0,60}") {
            let contexts = contexts();
            let scope = Scope { contexts: &contexts, status: Status::Failure };
            let _ = Template::read(&text).and_then(|template| template.text(&scope));
            let _ = condition(&text).and_then(|condition| scope.holds(Some(&condition)));
        }
    }
}
