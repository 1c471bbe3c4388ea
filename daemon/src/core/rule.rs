//! Rules: on / if / then, already parsed: a `Rule` that exists is a rule that can run.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::condition::Condition;
use super::event::{EventKind, RepoName};
use super::intent::ActionSpec;
use super::pattern::Globs;

/// Name of a rule: unique in a config, 1 to 100 characters of `a-z A-Z 0-9 . _ -`.
///
/// A rule of a repository's own file has the repository before it, `acme/web:docs-label`, and orchd's own rules have
/// `orchd:`; a config cannot name a rule so, and no two of these ever meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct RuleName(String);

/// What stands before the names of orchd's own rules. No repository is called so: it has no slash.
const OURS: &str = "orchd";
/// What stands before the names of those that slash commands are.
const COMMAND: &str = "command.";
/// What stands behind that in the names of those that answer. No command is called so: it would have a dot.
const ANSWER: &str = "answer.";

/// Why a text is not a rule name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rule name: use 1 to 100 of the characters a-z A-Z 0-9 . _ -")]
pub struct NotARuleName(String);

impl RuleName {
    /// Any rule's name, wherever the rule stands.
    ///
    /// # Errors
    /// When the text is empty, longer than 100 characters or holds another character; or what stands before its `:` is
    /// neither a repository nor `orchd`.
    pub fn parse(text: &str) -> Result<Self, NotARuleName> {
        match text.split_once(':') {
            Some((OURS, name)) => Self::written(name).map(|name| Self(format!("{OURS}:{name}"))),
            Some((repository, name)) => {
                let repository = RepoName::parse(repository).map_err(|_| Self::refuse(text))?;
                Ok(Self::of_repository(&repository, &Self::written(name)?))
            }
            None => Self::written(text),
        }
    }

    /// A name as a config writes it.
    ///
    /// # Errors
    /// As [`RuleName::parse`], and when there is anything before it.
    pub fn written(text: &str) -> Result<Self, NotARuleName> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !text.is_empty() && text.len() <= 100 && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Self::refuse(text))
        }
    }

    fn refuse(text: &str) -> NotARuleName {
        NotARuleName(text.chars().take(100).collect())
    }

    /// The name of a rule in a repository's own file.
    pub fn of_repository(repository: &RepoName, name: &Self) -> Self {
        Self(format!("{repository}:{name}"))
    }

    /// The rule by which orchd checks the config that a pull request proposes.
    pub fn check_config() -> Self {
        Self(format!("{OURS}:check-config"))
    }

    /// In the name of which a rollback that a person asked for is carried out.
    pub fn rollback() -> Self {
        Self(format!("{OURS}:rollback"))
    }

    /// The rule that a slash command is.
    pub fn command(word: &str) -> Self {
        Self(format!("{OURS}:{COMMAND}{word}"))
    }

    /// The rule by which what a comment asks is answered: one answer for each comment.
    pub fn answer(comment: u64) -> Self {
        Self(format!("{OURS}:{COMMAND}{ANSWER}{comment}"))
    }

    /// Whether it answers a comment.
    pub fn is_answer(&self) -> bool {
        self.is_of_command() && self.0[OURS.len() + 1 + COMMAND.len()..].starts_with(ANSWER)
    }

    /// The rule by which whoever may not command is told so.
    pub fn refusal() -> Self {
        Self(format!("{OURS}:{COMMAND}refused"))
    }

    /// Whether a comment is behind it, and a person behind that.
    pub fn is_of_command(&self) -> bool {
        self.is_ours() && self.0[OURS.len() + 1..].starts_with(COMMAND)
    }

    /// The rule by which orchd puts back what a person wanted and an effect of a rule overwrote at the same moment.
    pub fn person_wins() -> Self {
        Self(format!("{OURS}:person-wins"))
    }

    /// The repository whose own file has the rule.
    pub fn repository(&self) -> Option<RepoName> {
        RepoName::parse(self.0.split_once(':')?.0).ok()
    }

    /// Whether orchd itself brings the rule.
    pub fn is_ours(&self) -> bool {
        self.0.split_once(':').is_some_and(|(before, _)| before == OURS)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RuleName {
    type Error = NotARuleName;
    fn try_from(text: String) -> Result<Self, NotARuleName> {
        Self::parse(&text)
    }
}

impl From<RuleName> for String {
    fn from(name: RuleName) -> Self {
        name.0
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `pull_request.opened`, `pull_request.*`, `pull_request` (the same) or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Trigger {
    /// `None`: any event.
    name: Option<String>,
    /// `None`: any action, also none.
    action: Option<String>,
}

/// Why a text is not a trigger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a trigger: write event.action, event.* or *, for example pull_request.opened")]
pub struct NotATrigger(String);

impl Trigger {
    /// # Errors
    /// When a part is empty or holds a character that GitHub's event names do not have.
    pub fn parse(text: &str) -> Result<Self, NotATrigger> {
        let refuse = || NotATrigger(text.chars().take(100).collect());
        let (name, action) = text.split_once('.').unwrap_or((text, "*"));
        let part = |part: &str| match part {
            "*" => Ok(None),
            word if !word.is_empty()
                && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') =>
            {
                Ok(Some(word.to_owned()))
            }
            _ => Err(refuse()),
        };
        let (name, action) = (part(name)?, part(action)?);
        if name.is_none() && action.is_some() {
            return Err(refuse());
        }
        Ok(Self { name, action })
    }

    pub fn fires_on(&self, kind: &EventKind) -> bool {
        let name_fits = self.name.as_ref().is_none_or(|name| *name == kind.name);
        let action_fits = self.action.as_ref().is_none_or(|action| Some(action) == kind.action.as_ref());
        name_fits && action_fits
    }

    /// The event name the trigger waits for; `None` for `*`.
    pub fn event_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The action the trigger waits for; `None` for any.
    pub fn action(&self) -> Option<&str> {
        self.action.as_deref()
    }
}

impl TryFrom<String> for Trigger {
    type Error = NotATrigger;
    fn try_from(text: String) -> Result<Self, NotATrigger> {
        Self::parse(&text)
    }
}

impl From<Trigger> for String {
    fn from(trigger: Trigger) -> Self {
        trigger.to_string()
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, &self.action) {
            (None, _) => f.write_str("*"),
            (Some(name), None) => write!(f, "{name}.*"),
            (Some(name), Some(action)) => write!(f, "{name}.{action}"),
        }
    }
}

/// Whether a matched rule may act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    #[default]
    Active,
    /// Decides and records, never writes.
    Shadow,
    /// Is not evaluated.
    Off,
}

/// Which repositories a rule looks at: globs over `owner/name`, `!` excludes, the last pattern that fits wins.
#[derive(Clone, Debug)]
pub struct Repositories(pub Globs);

impl Repositories {
    pub fn includes(&self, repository: &RepoName) -> bool {
        self.0.selects(repository.as_str())
    }
}

/// How much a rule may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Effects an hour; `None`: as many as it likes.
    pub actions_per_hour: Option<u32>,
    /// Different items in the last hour; `None`: as many as it likes.
    pub items_per_run: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub name: RuleName,
    pub repositories: Repositories,
    pub on: Vec<Trigger>,
    /// `None`: whenever it is triggered.
    pub when: Option<Condition>,
    pub then: Vec<ActionSpec>,
    pub mode: Mode,
    pub limits: Limits,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn triggers_fire_on_what_they_name_and_print_as_they_parse() {
        let kind =
            |name: &str, action: Option<&str>| EventKind { name: name.to_owned(), action: action.map(str::to_owned) };
        for (text, printed, opened, push) in [
            ("pull_request.opened", "pull_request.opened", true, false),
            ("pull_request.closed", "pull_request.closed", false, false),
            ("pull_request.*", "pull_request.*", true, false),
            ("pull_request", "pull_request.*", true, false),
            ("push", "push.*", false, true),
            ("*", "*", true, true),
        ] {
            let trigger = Trigger::parse(text).unwrap();
            assert_eq!(trigger.to_string(), printed);
            assert_eq!(Trigger::parse(printed).unwrap(), trigger);
            assert_eq!(trigger.fires_on(&kind("pull_request", Some("opened"))), opened, "{text}");
            assert_eq!(trigger.fires_on(&kind("push", None)), push, "{text}");
        }
        for refused in ["", ".", "a.", "*.opened", "Pull", "a.b.c", "a b"] {
            assert!(Trigger::parse(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn names_round_trip_or_are_refused() {
        let name: RuleName = serde_json::from_str("\"docs-label.v2\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"docs-label.v2\"");
        for refused in ["", "a b", "é", &"x".repeat(101), ":a", "acme:a", "acme/web:", "orchd:", "a/b:c:d"] {
            assert!(RuleName::parse(refused).is_err(), "{refused}");
        }
        let own = RuleName::parse("acme/web:docs").unwrap();
        assert_eq!(own.repository().unwrap().as_str(), "acme/web");
        assert!(RuleName::parse("orchd:config").unwrap().is_ours() && !own.is_ours());
        assert_eq!((name.repository(), name.is_ours()), (None, false));
        for spelt in ["acme/web:docs", "orchd:config"] {
            assert!(RuleName::written(spelt).is_err(), "a config cannot take the place of {spelt}");
        }
    }
}
