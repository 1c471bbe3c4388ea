//! Shapes that leaves are written in: how each is read, and its JSON Schema beside it.

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::ConditionError;
use crate::core::pattern::{Case, Globs, NotAGlob};

pub(super) type Parsed<T> = Result<T, Vec<ConditionError>>;

/// Longest text and longest list a condition may hold.
const MAX_TEXT: usize = 4096;
const MAX_LIST: usize = 1000;
/// Compiled size of one regular expression, in bytes.
const MAX_REGEX: usize = 1 << 20;

pub(super) fn wrong(message: impl Into<String>) -> Vec<ConditionError> {
    vec![ConditionError { at: Vec::new(), message: message.into(), offset: None }]
}

/// The known name that was probably meant.
pub(super) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // What is longer than any name resembles none, and need not be measured.
    if name.len() > 60 {
        return None;
    }
    let name = name.to_lowercase();
    let near = |candidate: &str| strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
    let best = known.into_iter().map(|candidate| (near(candidate), candidate)).min_by_key(|(distance, _)| *distance)?;
    (best.0 <= name.chars().count().max(3) / 3 + usize::from(name.len() > 4)).then_some(best.1)
}

pub(super) fn text<'a>(written: &'a Value, what: &str) -> Parsed<&'a str> {
    match written {
        Value::String(text) if text.is_empty() => Err(wrong(format!("{what} is empty"))),
        Value::String(text) if text.len() > MAX_TEXT => Err(wrong(format!("{what} is longer than {MAX_TEXT} bytes"))),
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) => Err(wrong(format!("{what} is a text: write it in quotes"))),
        _ => Err(wrong(format!("{what} is a text"))),
    }
}

/// One text, or a list of them that is not empty.
pub(super) fn texts(written: &Value, what: &str) -> Parsed<Vec<String>> {
    let Value::Array(list) = written else {
        return match written {
            Value::Object(_) | Value::Null => Err(wrong(format!("expected {what}, or a list of them"))),
            _ => text(written, what).map(|one| vec![one.to_owned()]),
        };
    };
    if list.is_empty() || list.len() > MAX_LIST {
        return Err(wrong(format!("the list needs 1 to {MAX_LIST} entries")));
    }
    let mut texts = Vec::with_capacity(list.len());
    let mut errors = Vec::new();
    for (index, each) in list.iter().enumerate() {
        match text(each, what) {
            Ok(one) => texts.push(one.to_owned()),
            Err(more) => errors.extend(more.into_iter().map(|error| error.under(&index.to_string()))),
        }
    }
    if errors.is_empty() { Ok(texts) } else { Err(errors) }
}

pub(super) fn texts_schema() -> Value {
    json!({"anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]})
}

/// Paths, branches: letters' case matters.
pub(super) fn globs(written: &Value, what: &str) -> Parsed<Globs> {
    compiled(written, what, |texts| Globs::parse(texts, Case::Sensitive))
}

/// Labels, logins, milestones, checks: GitHub ignores letters' case, and `[` is a letter like others.
pub(super) fn names(written: &Value, what: &str) -> Parsed<Globs> {
    compiled(written, what, Globs::of_names)
}

fn compiled(written: &Value, what: &str, compile: impl Fn(&[String]) -> Result<Globs, NotAGlob>) -> Parsed<Globs> {
    let texts = texts(written, what)?;
    compile(&texts).map_err(|error| {
        let index = texts.iter().position(|text| *text == error.pattern).unwrap_or_default();
        let errors = wrong(error.to_string());
        match written {
            Value::Array(_) => errors.into_iter().map(|error| error.under(&index.to_string())).collect(),
            _ => errors,
        }
    })
}

/// A regular expression: linear time, no look-around, bounded size.
pub(super) fn regex(written: &Value) -> Parsed<Regex> {
    let pattern = text(written, "a regular expression")?;
    RegexBuilder::new(pattern).size_limit(MAX_REGEX).dfa_size_limit(MAX_REGEX).build().map_err(|error| {
        let reason = match error {
            regex::Error::Syntax(text) => {
                let last = text.lines().last().unwrap_or_default();
                last.strip_prefix("error: ").unwrap_or(last).to_owned()
            }
            regex::Error::CompiledTooBig(_) => format!("it is too big (over {MAX_REGEX} bytes compiled)"),
            other => other.to_string(),
        };
        wrong(format!("this is not a regular expression: {reason}"))
    })
}

pub(super) fn regex_schema() -> Value {
    json!({"type": "string", "format": "regex", "minLength": 1})
}

/// One of a few words.
pub(super) fn word<T: Copy>(written: &Value, choices: &[(&str, T)]) -> Parsed<T> {
    let found = written.as_str().and_then(|text| choices.iter().find(|(word, _)| *word == text));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        let near = written.as_str().and_then(|text| closest(text, choices.iter().map(|(word, _)| *word)));
        wrong(match near {
            Some(near) => format!("expected {}: did you mean `{near}`?", words.join(" or ")),
            None => format!("expected {}", words.join(" or ")),
        })
    })
}

pub(super) fn boolean(written: &Value) -> Parsed<bool> {
    written.as_bool().ok_or_else(|| wrong("expected `true` or `false`"))
}

/// The errors of keys that are not among the known ones.
pub(super) fn unknown_keys(map: &Map<String, Value>, known: &[&str]) -> Vec<ConditionError> {
    let strangers = map.keys().filter(|key| !known.contains(&key.as_str()));
    let error = |key: &String| {
        let short: String = key.chars().take(60).collect();
        let message = match closest(key, known.iter().copied()) {
            Some(near) => format!("unknown key `{short}`: did you mean `{near}`?"),
            None => format!("unknown key `{short}`: there are {}", known.join(", ")),
        };
        ConditionError { at: vec![key.clone()], message, offset: None }
    };
    strangers.map(error).collect()
}

/// Reads one key of a map with `read`, adding its errors to `errors`. `None`: absent or wrong.
pub(super) fn key<T>(
    map: &Map<String, Value>,
    name: &str,
    errors: &mut Vec<ConditionError>,
    read: impl FnOnce(&Value) -> Parsed<T>,
) -> Option<T> {
    match read(map.get(name)?) {
        Ok(value) => Some(value),
        Err(more) => {
            errors.extend(more.into_iter().map(|error| error.under(name)));
            None
        }
    }
}

/// The error of a map in which a key is missing, unless the map has other errors to tell first.
pub(super) fn missing(mut errors: Vec<ConditionError>, message: &str) -> Vec<ConditionError> {
    if errors.is_empty() {
        errors = wrong(message);
    }
    errors
}

/// Globs over names, or whether there is any at all.
#[derive(Clone, Debug)]
pub(super) enum NamesOrPresence {
    Names(Globs),
    Present(bool),
}

impl NamesOrPresence {
    pub(super) fn parse(written: &Value, what: &str) -> Parsed<Self> {
        let Value::Object(map) = written else {
            return names(written, what).map(Self::Names);
        };
        let mut errors = unknown_keys(map, &["present"]);
        let present = key(map, "present", &mut errors, boolean);
        match present {
            Some(present) if errors.is_empty() => Ok(Self::Present(present)),
            _ => Err(missing(errors, "write `present: true` or `present: false` here")),
        }
    }

    pub(super) fn schema() -> Value {
        json!({"anyOf": [
            texts_schema(),
            {
                "type": "object",
                "properties": {"present": {"type": "boolean"}},
                "required": ["present"],
                "additionalProperties": false,
            },
        ]})
    }
}
