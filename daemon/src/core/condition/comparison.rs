//! Comparisons with a number (`>= 2`) or a length of time (`> 7d`), parsed once.

use std::fmt;

use serde_json::Value;

use super::written::{Parsed, wrong};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Is,
    IsNot,
    AtLeast,
    More,
}

/// Longest first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 8] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("!=", Operator::IsNot),
    ("==", Operator::Is),
    (">", Operator::More),
    ("<", Operator::Less),
    ("=", Operator::Is),
    ("", Operator::Is),
];

/// Longest length of time, in seconds: 36,500 days.
const LONGEST: i64 = 36_500 * 86_400;

/// An operator and what to compare with. A number alone means exactly that number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comparison {
    operator: Operator,
    with: i64,
    text: String,
}

impl Comparison {
    /// `">= 2"`, `"< 3"`, `"!= 0"`, `"2"` or `2`.
    pub(super) fn number(written: &Value) -> Parsed<Self> {
        let refuse = || wrong("expected a comparison with a whole number, like `\">= 2\"`");
        let text = match written {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(refuse()),
        };
        let (operator, rest) = split(&text);
        match rest.parse::<u32>() {
            Ok(number) => Ok(Self { operator, with: i64::from(number), text: text.trim().to_owned() }),
            Err(_) => Err(refuse()),
        }
    }

    /// `"> 7d"`, `"<= 12h"`, `">= 30m"`, `"< 2w"`: in seconds. At most 36,500 days.
    pub(super) fn duration(written: &Value) -> Parsed<Self> {
        let refuse = || wrong("expected a comparison with a length of time, like `\"> 7d\"` (units: m, h, d, w)");
        let text = written.as_str().ok_or_else(refuse)?;
        let (operator, rest) = split(text);
        if matches!(operator, Operator::Is | Operator::IsNot) {
            return Err(wrong("say whether older or younger: `\"> 7d\"` or `\"< 7d\"`"));
        }
        let with = seconds(rest).ok_or_else(refuse)?;
        if with > LONGEST {
            return Err(wrong("expected a length of time of at most 36500d"));
        }
        Ok(Self { operator, with, text: text.trim().to_owned() })
    }

    pub(super) fn at_least_one() -> Self {
        Self { operator: Operator::AtLeast, with: 1, text: ">= 1".to_owned() }
    }

    pub(super) fn holds(&self, value: i64) -> bool {
        match self.operator {
            Operator::Less => value < self.with,
            Operator::AtMost => value <= self.with,
            Operator::Is => value == self.with,
            Operator::IsNot => value != self.with,
            Operator::AtLeast => value >= self.with,
            Operator::More => value > self.with,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split(text: &str) -> (Operator, &str) {
    let text = text.trim();
    let found = OPERATORS.iter().find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?.trim_start())));
    found.unwrap_or((Operator::Is, text))
}

fn seconds(text: &str) -> Option<i64> {
    let unit = match text.bytes().last()? {
        b'm' => 60,
        b'h' => 3600,
        b'd' => 86_400,
        b'w' => 7 * 86_400,
        _ => return None,
    };
    let number = text[..text.len() - 1].trim_end();
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    // A number of any length is one: what is too long is told by its length.
    is_number.then(|| number.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(unit))
}

/// A length of time as a person says it: the two largest units.
pub(super) fn spoken(seconds: i64) -> String {
    let (sign, seconds) = if seconds < 0 { ("-", seconds.unsigned_abs()) } else { ("", seconds.unsigned_abs()) };
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds}s"),
        (0, 0, minutes) => format!("{sign}{minutes}m"),
        (0, hours, minutes) => format!("{sign}{hours}h {minutes}m"),
        (days, hours, _) => format!("{sign}{days}d {hours}h"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_compare_as_written() {
        for (written, value, holds) in [
            (json!(">= 2"), 2, true),
            (json!(">=2"), 1, false),
            (json!("< 3"), 2, true),
            (json!("<= 3"), 4, false),
            (json!("!= 0"), 0, false),
            (json!("> 3"), 4, true),
            (json!("2"), 2, true),
            (json!("== 2"), 3, false),
            (json!(2), 2, true),
        ] {
            assert_eq!(Comparison::number(&written).unwrap().holds(value), holds, "{written} {value}");
        }
        for refused in [json!(">"), json!(">= x"), json!("=> 2"), json!(-1), json!(1.5), json!(null), json!("")] {
            assert!(Comparison::number(&refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (written, value, holds) in [
            (json!("> 7d"), 7 * 86_400 + 1, true),
            (json!("> 7d"), 7 * 86_400, false),
            (json!("<= 12h"), 43_200, true),
            (json!("< 30 m"), 1800, false),
            (json!(">= 2w"), 1_209_600, true),
        ] {
            assert_eq!(Comparison::duration(&written).unwrap().holds(value), holds, "{written} {value}");
        }
        for refused in ["7d", "= 7d", "> 7", "> 7y", "> d", "> -7d", "> 4000000000w", "", "> 7é"] {
            assert!(Comparison::duration(&json!(refused)).is_err(), "{refused}");
        }
        assert!(Comparison::duration(&json!("> 36500d")).is_ok());
        for long in ["> 36501d", "> 99999d", "< 99999999999999999999m"] {
            let told = Comparison::duration(&json!(long)).unwrap_err();
            assert!(told[0].message.contains("at most 36500d"), "{long}: {told:?}");
        }
        assert_eq!(spoken(90_061), "1d 1h");
        assert_eq!(spoken(3_661), "1h 1m");
        assert_eq!(spoken(-120), "-2m");
        assert_eq!(spoken(5), "5s");
    }
}
