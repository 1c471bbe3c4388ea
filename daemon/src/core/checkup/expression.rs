//! GitHub's expressions, `${{ … }}`: which of a workflow's contexts can end up in the text that one becomes.
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/expressions>

/// Deepest nesting of an expression that is understood.
const MAX_DEPTH: usize = 40;
/// Longest expression that is understood, in bytes; GitHub takes less.
const MAX_LENGTH: usize = 21_000;

/// An expression in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression<'t> {
    /// As written, `${{` and `}}` included.
    pub(super) written: &'t str,
    /// How many of the same stand before it.
    pub(super) nth: usize,
}

impl<'t> Expression<'t> {
    /// Every expression of a text.
    pub(super) fn all(text: &'t str) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        let mut rest = text;
        while let Some(begin) = rest.find("${{") {
            let Some(end) = end_of(&rest[begin + 3..]) else { break };
            let written = &rest[begin..begin + 3 + end];
            let nth = found.iter().filter(|other| other.written == written).count();
            found.push(Self { written, nth });
            rest = &rest[begin + 3 + end..];
        }
        found
    }

    /// The contexts (`github.event.issue.title`, in small letters) whose value can become part of what this becomes. What
    /// is only compared, or only asked about, cannot. Of an expression that is not understood: every context in it.
    pub(super) fn flows(&self) -> Vec<String> {
        let inside = self.written.trim_start_matches("${{").trim_end_matches("}}");
        flows(inside)
    }
}

/// The same of an expression without its `${{ }}`.
fn flows(inside: &str) -> Vec<String> {
    let tokens = if inside.len() <= MAX_LENGTH { tokens(inside) } else { Vec::new() };
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0 };
    match reader.or() {
        Some(flows) if reader.at == tokens.len() => flows,
        _ => every_context(&tokens),
    }
}

/// Where an expression ends, behind its `}}`; not within a quoted text.
fn end_of(text: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b'}' if !quoted && text[at..].starts_with("}}") => return Some(at + 2),
            _ => {}
        }
    }
    None
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A context, a function or a property; `*` too.
    Name(String),
    /// A number, or quoted text.
    Number,
    Text(String),
    Sign(&'static str),
    Unknown,
}

const SIGNS: [&str; 15] = ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ".", ","];

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first == '\'' {
            quoted(rest)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(sign), sign.len())
        } else if first == '*' {
            (Token::Name("*".to_owned()), 1)
        } else if first.is_ascii_alphabetic() || first == '_' {
            let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
            let end = rest.find(ends).unwrap_or(rest.len());
            (Token::Name(rest[..end].to_ascii_lowercase()), end)
        } else if first.is_ascii_digit() || matches!(first, '-' | '+') {
            let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-'));
            (Token::Number, rest.find(ends).unwrap_or(rest.len()))
        } else {
            (Token::Unknown, first.len_utf8())
        };
        found.push(token);
        rest = rest[length..].trim_start();
    }
    found
}

/// A quoted text at the start of `rest`; a quote in it is doubled.
fn quoted(rest: &str) -> (Token, usize) {
    let mut inside = String::new();
    let mut letters = rest.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' if letters.next_if(|(_, next)| *next == '\'').is_some() => inside.push('\''),
            '\'' => return (Token::Text(inside), at + 1),
            letter => inside.push(letter),
        }
    }
    (Token::Unknown, rest.len())
}

/// Contexts wherever they stand.
fn every_context(tokens: &[Token]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let property = at > 0 && tokens[at - 1] == Token::Sign(".");
        if let (Token::Name(_), false) = (token, property) {
            let mut reader = Reader { tokens, at, depth: 0 };
            found.extend(reader.context());
        }
    }
    found
}

/// Reads by descending; `None`: it is no expression. Each answer is what flows through.
struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn takes(&mut self, signs: &[&str]) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Sign(sign)) if signs.contains(sign));
        self.at += usize::from(found);
        found
    }

    /// `a || b` is either.
    fn or(&mut self) -> Option<Vec<String>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut flows = self.and()?;
        while self.takes(&["||"]) {
            flows.extend(self.and()?);
        }
        self.depth -= 1;
        Some(flows)
    }

    /// `a && b` is `b`, or an `a` that is as good as empty.
    fn and(&mut self) -> Option<Vec<String>> {
        let mut flows = self.compared()?;
        while self.takes(&["&&"]) {
            flows = self.compared()?;
        }
        Some(flows)
    }

    /// A comparison is true or false.
    fn compared(&mut self) -> Option<Vec<String>> {
        let mut flows = self.not()?;
        while self.takes(&["==", "!=", "<=", ">=", "<", ">"]) {
            self.not()?;
            flows = Vec::new();
        }
        Some(flows)
    }

    fn not(&mut self) -> Option<Vec<String>> {
        let mut turned = false;
        while self.takes(&["!"]) {
            turned = true;
        }
        let flows = self.value()?;
        Some(if turned { Vec::new() } else { flows })
    }

    fn value(&mut self) -> Option<Vec<String>> {
        if self.takes(&["("]) {
            let flows = self.or()?;
            return self.takes(&[")"]).then_some(flows);
        }
        match self.tokens.get(self.at)? {
            Token::Number | Token::Text(_) => {
                self.at += 1;
                Some(Vec::new())
            }
            Token::Name(name) if self.tokens.get(self.at + 1) == Some(&Token::Sign("(")) => {
                let name = name.clone();
                self.at += 2;
                self.call(&name)
            }
            Token::Name(_) => self.context().map(|path| vec![path]),
            Token::Sign(_) | Token::Unknown => None,
        }
    }

    fn call(&mut self, name: &str) -> Option<Vec<String>> {
        const TELL_LITTLE: [&str; 8] =
            ["contains", "startswith", "endswith", "hashfiles", "success", "failure", "always", "cancelled"];
        let mut flows = Vec::new();
        if !self.takes(&[")"]) {
            loop {
                flows.extend(self.or()?);
                if self.takes(&[")"]) {
                    break;
                }
                if !self.takes(&[","]) {
                    return None;
                }
            }
        }
        // `fromJSON(…).a` is a part of what went in.
        self.properties(&mut String::new())?;
        Some(if TELL_LITTLE.contains(&name) { Vec::new() } else { flows })
    }

    fn context(&mut self) -> Option<String> {
        let Some(Token::Name(name)) = self.tokens.get(self.at) else { return None };
        let mut path = name.clone();
        self.at += 1;
        self.properties(&mut path)?;
        Some(path)
    }

    /// `.name`, `['name']`, `[0]`, `.*`
    fn properties(&mut self, path: &mut String) -> Option<()> {
        loop {
            if self.takes(&["."]) {
                let Some(Token::Name(name)) = self.tokens.get(self.at) else { return None };
                path.push('.');
                path.push_str(name);
                self.at += 1;
            } else if self.takes(&["["]) {
                let named = match self.tokens.get(self.at) {
                    Some(Token::Text(name)) => name.to_ascii_lowercase(),
                    _ => "*".to_owned(),
                };
                self.or_star()?;
                path.push('.');
                path.push_str(&named);
                if !self.takes(&["]"]) {
                    return None;
                }
            } else {
                return Some(());
            }
        }
    }

    fn or_star(&mut self) -> Option<()> {
        if self.tokens.get(self.at) == Some(&Token::Name("*".to_owned())) {
            self.at += 1;
            return Some(());
        }
        self.or().map(|_| ())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_only_compared_does_not_flow() {
        for (expression, expected) in [
            ("github.event.issue.title", &["github.event.issue.title"][..]),
            ("GitHub.Event['issue'].title", &["github.event.issue.title"]),
            ("github.event.commits[0].message", &["github.event.commits.*.message"]),
            ("github.event.commits.*.message", &["github.event.commits.*.message"]),
            ("toJSON(github.event)", &["github.event"]),
            ("format('a {0}', github.head_ref)", &["github.head_ref"]),
            ("fromJSON(github.event.comment.body).name", &["github.event.comment.body"]),
            ("github.head_ref || github.ref_name", &["github.head_ref", "github.ref_name"]),
            ("contains(github.event.issue.title, 'x')", &[]),
            ("github.event.issue.title == 'x' && 'yes' || 'no'", &[]),
            ("github.event.issue.title && 'yes'", &[]),
            ("!github.event.issue.title", &[]),
            (
                "(github.event_name == 'push') && github.sha || github.event.issue.body",
                &["github.sha", "github.event.issue.body"],
            ),
            ("'it''s github.event.issue.title'", &[]),
            ("1.5e3 < 0xff", &[]),
            // Not understood: all that is named.
            ("github.event.issue.title ++ contains(", &["github.event.issue.title", "contains"]),
        ] {
            assert_eq!(flows(expression), expected, "{expression}");
        }
    }

    #[test]
    fn expressions_of_a_text() {
        let all = Expression::all("a ${{ x.y }} b ${{ '}}' }} ${{ x.y }} ${{ open");
        let told: Vec<_> = all.iter().map(|one| (one.written, one.nth)).collect();
        assert_eq!(told, [("${{ x.y }}", 0), ("${{ '}}' }}", 0), ("${{ x.y }}", 1)]);
        assert_eq!(all[0].flows(), ["x.y"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(\\$\\{\\{|\\}\\}|[a-z.*\\[\\]()'!<>=&| é0-9-]){0,40}") {
            for expression in Expression::all(&text) {
                expression.flows();
            }
            flows(&text);
        }
    }

    #[test]
    fn a_deep_one_is_not_understood() {
        assert_eq!(flows(&format!("{}github.head_ref{}", "(".repeat(10_000), ")".repeat(10_000))), ["github.head_ref"]);
        assert_eq!(flows(&"!".repeat(20_000)), [] as [&str; 0]);
    }
}
