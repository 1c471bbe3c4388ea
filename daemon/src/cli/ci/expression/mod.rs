//! Expressions of workflows, `${{ … }}`, read into a tree. What they come to is in `evaluate`.

mod evaluate;
mod tokens;

use serde_json::Value;

pub(super) use self::evaluate::{Scope, Status, is_true, text_of};
use self::tokens::{Token, tokens};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 40;
/// Functions that are known, in small letters.
const FUNCTIONS: [&str; 11] = [
    "always",
    "success",
    "failure",
    "cancelled",
    "contains",
    "startswith",
    "endswith",
    "format",
    "join",
    "tojson",
    "fromjson",
];

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Value(Value),
    /// A context: `github`.
    Name(String),
    Property(Box<Self>, String),
    Index(Box<Self>, Box<Self>),
    /// `.*`
    Each(Box<Self>),
    Call(String, Vec<Self>),
    Not(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// A text with expressions in it, as most values of a workflow are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Expression(Expression),
}

impl Template {
    /// # Errors
    /// What cannot be read, and which expression it is.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${{") {
            let end = tokens::end_of(after).ok_or("a `${{` without its `}}`")?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Expression(Expression::read(&after[..end])?));
            rest = &after[end + 2..];
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.0.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The text, with what the expressions come to in their places.
    pub(super) fn text(&self, scope: &Scope<'_>) -> Result<String, String> {
        let part = |part: &Part| match part {
            Part::Text(text) => Ok(text.clone()),
            Part::Expression(expression) => Ok(text_of(&scope.value(expression)?)),
        };
        self.0.iter().map(part).collect()
    }

    /// The value of one expression that stands alone, else the text.
    pub(super) fn value(&self, scope: &Scope<'_>) -> Result<Value, String> {
        match self.0.as_slice() {
            [Part::Expression(expression)] => scope.value(expression),
            _ => self.text(scope).map(Value::String),
        }
    }
}

/// What `if:` says; the `${{ }}` may be left out there.
///
/// # Errors
/// What cannot be read.
pub(super) fn condition(text: &str) -> Result<Expression, String> {
    let text = text.trim();
    match text.strip_prefix("${{").and_then(|rest| Some((rest, tokens::end_of(rest)?))) {
        Some((rest, end)) if rest[end + 2..].trim().is_empty() => Expression::read(&rest[..end]),
        _ if text.contains("${{") => Err("an `if` is one expression".to_owned()),
        _ => Expression::read(text),
    }
}

impl Expression {
    /// # Errors
    /// What cannot be read.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let shown = crate::core::text::shortened(text.trim());
        let tokens = tokens(text).map_err(|why| format!("the expression `{shown}` cannot be read: {why}"))?;
        let mut reader = Reader { tokens: &tokens, at: 0, depth: 0 };
        let read = reader.binary(0).and_then(|expression| match reader.peek() {
            None => Ok(expression),
            Some(token) => Err(format!("`{token}` is not expected there")),
        });
        read.map_err(|why| format!("the expression `{shown}` cannot be read: {why}"))
    }

    /// Whether it asks how things went itself, so that nothing is added to it.
    pub(super) fn asks_for_status(&self) -> bool {
        let mut asks = false;
        self.visit(&mut |each| {
            asks |= matches!(each, Self::Call(name, _) if matches!(name.as_str(), "always" | "success" | "failure" | "cancelled"));
        });
        asks
    }

    /// Contexts with the names that follow them, as far as these are written out: `steps.build.outputs.version`.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        self.visit(&mut |each| paths.extend(each.path()));
        // Each shorter one is part of a longer one.
        let all = paths.clone();
        paths.retain(|path| !all.iter().any(|other| other.len() > path.len() && other.starts_with(path)));
        paths
    }

    /// Functions in it that nobody here knows.
    pub(super) fn unknown_functions(&self) -> Vec<String> {
        let mut unknown = Vec::new();
        self.visit(&mut |each| match each {
            Self::Call(name, _) if !FUNCTIONS.contains(&name.as_str()) => unknown.push(name.clone()),
            _ => {}
        });
        unknown
    }

    fn path(&self) -> Option<Vec<String>> {
        match self {
            Self::Name(name) => Some(vec![name.clone()]),
            Self::Property(of, name) => Some([of.path()?, vec![name.to_lowercase()]].concat()),
            Self::Index(of, index) => match index.as_ref() {
                Self::Value(Value::String(name)) => Some([of.path()?, vec![name.to_lowercase()]].concat()),
                _ => of.path(),
            },
            Self::Each(of) => of.path(),
            _ => None,
        }
    }

    fn visit<'e>(&'e self, with: &mut impl FnMut(&'e Self)) {
        with(self);
        match self {
            Self::Value(_) | Self::Name(_) => {}
            Self::Property(of, _) | Self::Each(of) | Self::Not(of) => of.visit(with),
            Self::Index(left, right) | Self::Binary(_, left, right) => {
                left.visit(with);
                right.visit(with);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|argument| argument.visit(with)),
        }
    }
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(there);
        there
    }

    fn want(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(format!("`{sign}` is missing")) }
    }

    /// What binds at least as tightly as `least`.
    fn binary(&mut self, least: u8) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let mut left = self.unary()?;
        while let Some((operator, binds)) = self.peek().and_then(operator).filter(|(_, binds)| *binds >= least) {
            self.at += 1;
            let right = self.binary(binds + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        if !self.take("!") {
            return self.postfix();
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let negated = Expression::Not(Box::new(self.unary()?));
        self.depth -= 1;
        Ok(negated)
    }

    fn postfix(&mut self) -> Result<Expression, String> {
        let mut expression = self.primary()?;
        loop {
            expression = if self.take("[") {
                if self.take("*") {
                    self.want("]")?;
                    Expression::Each(Box::new(expression))
                } else {
                    let index = self.binary(0)?;
                    self.want("]")?;
                    Expression::Index(Box::new(expression), Box::new(index))
                }
            } else if self.take(".") {
                match self.peek() {
                    Some(Token::Word(name)) => {
                        self.at += 1;
                        Expression::Property(Box::new(expression), name.clone())
                    }
                    _ if self.take("*") => Expression::Each(Box::new(expression)),
                    _ => return Err("a name is missing behind a dot".to_owned()),
                }
            } else {
                return Ok(expression);
            };
        }
    }

    fn primary(&mut self) -> Result<Expression, String> {
        if self.take("(") {
            let inner = self.binary(0)?;
            return self.want(")").map(|()| inner);
        }
        let token = self.peek().ok_or("it ends too early")?;
        self.at += 1;
        match token {
            Token::Value(value) => Ok(Expression::Value(value.clone())),
            Token::Word(word) => match word.as_str() {
                "true" => Ok(Expression::Value(Value::Bool(true))),
                "false" => Ok(Expression::Value(Value::Bool(false))),
                "null" => Ok(Expression::Value(Value::Null)),
                name if self.take("(") => Ok(Expression::Call(name.to_lowercase(), self.arguments()?)),
                name => Ok(Expression::Name(name.to_lowercase())),
            },
            Token::Sign(sign) => Err(format!("`{sign}` is not expected there")),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, String> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.binary(0)?);
            if !self.take(",") {
                return self.want(")").map(|()| arguments);
            }
        }
    }
}

fn operator(token: &Token) -> Option<(Operator, u8)> {
    let Token::Sign(sign) = token else { return None };
    Some(match *sign {
        "||" => (Operator::Or, 0),
        "&&" => (Operator::And, 1),
        "==" => (Operator::Equal, 2),
        "!=" => (Operator::NotEqual, 2),
        "<" => (Operator::Less, 3),
        "<=" => (Operator::AtMost, 3),
        ">" => (Operator::More, 3),
        ">=" => (Operator::AtLeast, 3),
        _ => return None,
    })
}
