//! The words of an expression.

use std::fmt;

use serde_json::{Number, Value};

/// Longest expression that is read, in bytes; GitHub's own limit.
const MAX_LENGTH: usize = 21_000;
/// Most words of one: what follows from it nests as deep as this at most.
const MAX_TOKENS: usize = 1_000;
/// The longer before those they begin with.
const SIGNS: [&str; 17] = ["||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ".", ",", "*", "}"];

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A number or a text.
    Value(Value),
    Word(String),
    Sign(&'static str),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Word(word) => f.write_str(word),
            Self::Sign(sign) => f.write_str(sign),
        }
    }
}

/// Where the `}}` of an expression begins; not within a quoted text.
pub(super) fn end_of(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.bytes().enumerate().find_map(|(at, byte)| {
        quoted ^= byte == b'\'';
        (!quoted && text.as_bytes()[at..].starts_with(b"}}")).then_some(at)
    })
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("it is longer than {MAX_LENGTH} bytes"));
    }
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first == '\'' {
            quoted(rest)?
        } else if first.is_ascii_digit()
            || (matches!(first, '-' | '+') && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            number(rest)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))).unwrap_or(rest.len());
            (Token::Word(rest[..length].to_owned()), length)
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("`{}` is not expected there", first.escape_default()))?;
            (Token::Sign(sign), sign.len())
        };
        if tokens.len() == MAX_TOKENS {
            return Err(format!("it has more than {MAX_TOKENS} words"));
        }
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// A text in single quotes; two of them within it are one.
fn quoted(text: &str) -> Result<(Token, usize), String> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        match (c, characters.peek()) {
            ('\'', Some((_, '\''))) => {
                characters.next();
                value.push('\'');
            }
            ('\'', _) => return Ok((Token::Value(Value::String(value)), at + 1)),
            (c, _) => value.push(c),
        }
    }
    Err("a quote is not closed (texts stand in single quotes)".to_owned())
}

fn number(text: &str) -> Result<(Token, usize), String> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let length = text.find(|c: char| !part(c)).unwrap_or(text.len());
    let written = &text[..length];
    let value = match written.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok().map(Number::from),
        None => written.parse::<i64>().ok().map(Number::from).or_else(|| Number::from_f64(written.parse().ok()?)),
    };
    value.map(|value| (Token::Value(Value::Number(value)), length)).ok_or_else(|| format!("`{written}` is no number"))
}
