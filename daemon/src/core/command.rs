//! Slash commands: what people ask for in a comment, a line each.

use serde_json::Value;

use super::role::Role;

/// Commands of one comment that are listened to.
const MOST: usize = 10;
/// Arguments of one command.
const MOST_WORDS: usize = 50;

/// A command as an action offers it.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// What stands after the slash.
    pub word: &'static str,
    /// How it is written: `/label NAME…`.
    pub usage: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Who may.
    pub least: Role,
    /// Whether only a pull request can take it.
    pub of_pulls: bool,
    /// The action's parameters from what was asked; the text says what is wrong with it.
    pub read: fn(Asked<'_>) -> Result<Value, String>,
}

/// Answered with what was decided here, and why. Its parameters: the rule to tell of, or null.
pub const WHY: Command = Command {
    word: "why",
    usage: "/why [RULE]",
    help: "Answers with what orchd decided here lately, and why; of one rule if it is named.",
    least: Role::Triage,
    of_pulls: false,
    read: |asked| rule_name(asked.arguments),
};

/// Takes back what an event caused. Its parameters: the rule that did it, or null.
pub const UNDO: Command = Command {
    word: "undo",
    usage: "/undo [RULE]",
    help: "Takes back what orchd did here last; what that rule did last if one is named. What people changed since stays.",
    least: Role::Write,
    of_pulls: false,
    read: |asked| rule_name(asked.arguments),
};

/// Ends the waiting of merges.
pub const DEQUEUE: Command = Command {
    word: "dequeue",
    usage: "/dequeue",
    help: "Calls off a merge that waits.",
    least: Role::Write,
    of_pulls: true,
    read: |asked| nothing(asked.arguments).map(|()| Value::Null),
};

/// Answered with what commands there are.
pub const HELP: Command = Command {
    word: "help",
    usage: "/help",
    help: "Answers with this list.",
    least: Role::Triage,
    of_pulls: false,
    read: |asked| nothing(asked.arguments).map(|()| Value::Null),
};

/// The commands that no action offers.
pub const OWN: [&Command; 4] = [&WHY, &UNDO, &DEQUEUE, &HELP];

fn rule_name(arguments: &str) -> Result<Value, String> {
    match words(arguments)?.as_slice() {
        [] => Ok(Value::Null),
        [one] => Ok(Value::from(one.as_str())),
        _ => Err("name one rule at most".to_owned()),
    }
}

/// What a command is about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What stands after the word.
    pub arguments: &'a str,
    /// Login of the person who asks.
    pub by: &'a str,
}

/// A line that may be a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    pub word: &'a str,
    pub arguments: &'a str,
}

/// The lines of a comment that begin with a slash and a word, outside quotations and blocks of code.
pub fn said(comment: &str) -> Vec<Said<'_>> {
    let mut fence: Option<&str> = None;
    let mut said = Vec::new();
    for line in comment.lines() {
        let text = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| text.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => said.extend(command_in(line)),
            _ => {}
        }
    }
    said.truncate(MOST);
    said
}

fn command_in(line: &str) -> Option<Said<'_>> {
    let rest = line.strip_prefix('/')?;
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (word, arguments) = rest.split_at(end);
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    is_word.then(|| Said { word, arguments: arguments.trim() })
}

/// Arguments parted by blanks; one with blanks in it stands in quotes.
///
/// # Errors
/// A quote that is not closed, or too many words.
pub fn words(arguments: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = arguments.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = if first == '"' {
            let end = rest[1..].find('"').ok_or_else(|| "a quote is not closed".to_owned())? + 1;
            let word = &rest[1..end];
            rest = &rest[end + 1..];
            word
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let word = &rest[..end];
            rest = &rest[end..];
            word
        };
        words.push(word.to_owned());
        rest = rest.trim_start();
    }
    if words.len() > MOST_WORDS { Err(format!("more than {MOST_WORDS} words")) } else { Ok(words) }
}

/// As [`words`], at least one; `what` is what is missing otherwise ("a label").
///
/// # Errors
/// As [`words`], and when there is none.
pub fn some_words(arguments: &str, what: &str) -> Result<Vec<String>, String> {
    let words = words(arguments)?;
    if words.is_empty() { Err(format!("name {what}")) } else { Ok(words) }
}

/// Nothing may stand after the word.
///
/// # Errors
/// When something does.
pub fn nothing(arguments: &str) -> Result<(), String> {
    if arguments.is_empty() { Ok(()) } else { Err("it takes nothing after it".to_owned()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_that_are_commands() {
        let comment = "Thanks!\r\n/label bug \"good first issue\"\r\n > /close\n /close\n/usr/bin/env is a path\n/Close\n\
            ```\n/merge\n~~~\n```\n~~~sh\n/merge\n~~~\n/why";
        let found: Vec<_> = said(comment).into_iter().map(|said| (said.word, said.arguments)).collect();
        assert_eq!(found, [("label", "bug \"good first issue\""), ("why", "")]);
        assert_eq!(said(&"/why\n".repeat(100)).len(), MOST);
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(words(" a  \"b c\" d\"e ").unwrap(), ["a", "b c", "d\"e"]);
        assert_eq!(words("\"a\"b").unwrap(), ["a", "b"]);
        assert!(words("a \"b").is_err() && words(&"a ".repeat(51)).is_err());
        assert!(some_words("  ", "a label").is_err() && nothing("x").is_err());
    }

    proptest! {
        #[test]
        fn any_comment_is_read(comment in "(/|`|~|\"|[a-z]|\\s|\\PC){0,200}") {
            for each in said(&comment) {
                let _ = words(each.arguments);
            }
        }
    }
}
