//! An event: what happened on GitHub, normalised from a delivery's payload.
//!
//! Payloads are untrusted and vary: nothing here fails on a missing or oddly typed field, it is simply absent.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// Our id of a stored event. UUIDv7: sorts by arrival, and is the page cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl EventId {
    /// When the event arrived, to the millisecond; `None`: it is no id of ours.
    pub fn at(self) -> Option<DateTime<Utc>> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// GitHub's id of a GitHub App installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct InstallationId(pub i64);

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `owner/name` of a repository, as GitHub spells it. Both halves hold only what GitHub allows in them
/// (letters, digits, `-`, `_`, `.`), so the name is safe in a URL path and in a log line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct RepoName {
    full: String,
    slash: usize,
}

/// Why a text is not a repository name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a repository name: write it as owner/name")]
pub struct NotARepoName(String);

impl RepoName {
    /// Parses `owner/name`.
    ///
    /// # Errors
    /// When there is not exactly one slash, a half is empty, is `.` or `..`, or holds a character GitHub does not allow.
    pub fn parse(text: &str) -> Result<Self, NotARepoName> {
        let refuse = || NotARepoName(text.chars().take(140).collect());
        let (owner, name) = text.split_once('/').ok_or_else(refuse)?;
        let fits = |half: &str| {
            !half.is_empty()
                && half.len() <= 100
                && half != "."
                && half != ".."
                && half.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if fits(owner) && fits(name) { Ok(Self { full: text.to_owned(), slash: owner.len() }) } else { Err(refuse()) }
    }

    pub fn owner(&self) -> &str {
        &self.full[..self.slash]
    }

    pub fn name(&self) -> &str {
        &self.full[self.slash + 1..]
    }

    pub fn as_str(&self) -> &str {
        &self.full
    }
}

impl TryFrom<String> for RepoName {
    type Error = NotARepoName;
    fn try_from(text: String) -> Result<Self, NotARepoName> {
        Self::parse(&text)
    }
}

impl From<RepoName> for String {
    fn from(name: RepoName) -> Self {
        name.full
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full)
    }
}

/// `pull_request.opened`: GitHub's event name and, where the payload has one, its action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EventKind {
    pub name: String,
    pub action: Option<String>,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Some(action) => write!(f, "{}.{action}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Who caused the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Actor {
    pub login: String,
    /// True when GitHub says the sender is not a person (`sender.type` is `Bot`).
    pub is_bot: bool,
}

/// An event, ready to be decided on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub kind: EventKind,
    pub repository: Option<RepoName>,
    pub installation: Option<InstallationId>,
    pub actor: Option<Actor>,
    /// Number of the issue or pull request the event is about.
    pub item: Option<u64>,
    /// When we received it: the only "now" a rule ever sees, so that deciding again later gives the same answer.
    pub received_at: DateTime<Utc>,
    /// GitHub's payload, untouched.
    pub payload: Value,
}

impl Event {
    /// Normalises a payload. Never fails: what is missing or of another type than GitHub documents is absent.
    pub fn from_payload(id: EventId, name: &str, received_at: DateTime<Utc>, payload: Value) -> Self {
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
        Self {
            id,
            kind: EventKind { name: name.to_owned(), action: text("/action").map(str::to_owned) },
            repository: text("/repository/full_name").and_then(|full| RepoName::parse(full).ok()),
            installation: payload.pointer("/installation/id").and_then(Value::as_i64).map(InstallationId),
            actor: text("/sender/login")
                .map(|login| Actor { login: login.to_owned(), is_bot: text("/sender/type") == Some("Bot") }),
            item: item_number(&payload),
            received_at,
            payload,
        }
    }

    /// The run of a workflow that the event is about, and which attempt at it.
    pub fn run(&self) -> Option<(u64, u64)> {
        RUN_POINTERS.iter().find_map(|(run, attempt)| {
            let number = |pointer: &str| self.payload.pointer(pointer).and_then(Value::as_u64).filter(|id| *id > 0);
            Some((number(run)?, number(attempt).unwrap_or(1)))
        })
    }

    /// The head commit that the event told of; `None`: it is about none (a comment).
    pub fn head_commit(&self) -> Option<&str> {
        HEAD_POINTERS.iter().find_map(|pointer| self.payload.pointer(pointer).and_then(Value::as_str))
    }

    /// What to say where the head is another commit by now than the one that was decided on. An event that tells of no
    /// commit was about whatever is the head.
    pub fn pushed_since(&self, head: &str) -> Option<String> {
        let seen = self.head_commit().filter(|seen| *seen != head)?;
        let told = format!("the event told of the commit {seen:.10}, and {head:.10} was pushed since");
        Some(format!("{told}, which has its own event"))
    }
}

/// Where GitHub puts the head commit of the pull request an event is about.
const HEAD_POINTERS: [&str; 4] =
    ["/pull_request/head/sha", "/check_run/head_sha", "/check_suite/head_sha", "/workflow_run/head_sha"];

/// Where the id of a workflow's run is, and the number of its attempt.
const RUN_POINTERS: [(&str, &str); 3] = [
    ("/workflow_context/run_id", "/workflow_context/run_attempt"),
    ("/workflow_run/id", "/workflow_run/run_attempt"),
    ("/workflow_job/run_id", "/workflow_job/run_attempt"),
];

/// Where GitHub puts the number of the issue or pull request an event is about, most specific first.
/// Check and workflow events name the pull requests of their head commit; the first one is the item.
/// A discussion is neither, though it has a number.
const ITEM_POINTERS: [&str; 6] = [
    "/pull_request/number",
    "/issue/number",
    "/check_run/pull_requests/0/number",
    "/check_suite/pull_requests/0/number",
    "/workflow_run/pull_requests/0/number",
    "/workflow_context/number",
];

fn item_number(payload: &Value) -> Option<u64> {
    ITEM_POINTERS
        .iter()
        .find_map(|pointer| payload.pointer(pointer).and_then(Value::as_u64))
        .filter(|number| *number > 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_round_trip_or_are_refused() {
        let name: RepoName = serde_json::from_str("\"acme/site.io\"").unwrap();
        assert_eq!((name.owner(), name.name(), name.to_string().as_str()), ("acme", "site.io", "acme/site.io"));
        for refused in ["", "acme", "/", "a/", "/b", "a/b/c", "a/..", "./b", "a b/c", "a/b?x", "é/b"] {
            assert!(RepoName::parse(refused).is_err(), "{refused}");
        }
    }
}
