//! `create_issue`: opens an issue, one for each rule and key, so that what fails every night does not open one every night.
//!
//! A hidden line in the text tells our issues: the rule, a sum of the key, and the intent that opened it. People can copy
//! that line, so an issue counts as ours only when the App opened it.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::core::hand::{Hand, HandChange, Move, Thing};
use crate::core::intent::{IntentId, Target};
use crate::core::permission::Needs;
use crate::core::subject::SubjectKind;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

/// The newest 1,000 that the App opened are looked through for this very one, and 3,000 open ones for one of the rule.
const MOST_PAGES: u32 = 10;
const MOST_OPEN_PAGES: u32 = 30;
const LONGEST_TITLE: usize = 256;
/// GitHub takes 65,536 characters; the hidden line needs some.
const LONGEST_BODY: usize = 65_000;
const LONGEST_KEY: usize = 200;
const LONGEST_LABEL: usize = 50;
/// GitHub assigns no more people.
const MOST_ASSIGNEES: usize = 10;
const MARKER: &str = "<!-- orchd:issue ";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Once {
    PerEvent,
    #[default]
    WhileOpen,
}

/// The issue to open.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// One line, 1 to 256 characters.
    title: String,
    /// Markdown, up to 65,000 characters.
    #[serde(default)]
    body: String,
    #[serde(default)]
    labels: Vec<String>,
    /// Logins, at most 10.
    #[serde(default)]
    assignees: Vec<String>,
    /// `while_open`, the default: no second one as long as the one before is open. `per_event`: one for each event.
    #[serde(default)]
    once: Once,
    /// Which of the rule's issues it is; the title when left out.
    #[serde(default)]
    key: Option<String>,
}

/// An issue that the App opened for this rule and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ours {
    number: u64,
    /// The intent that opened it.
    intent: String,
    open: bool,
    /// GitHub's `state_reason` of a closed issue.
    reason: Option<String>,
    /// Whether a person commented on it.
    people: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Open { intent: String, title: String, body: String, labels: Vec<String>, assignees: Vec<String> },
    Close { number: u64 },
    Reopen { number: u64 },
}

/// An issue as GitHub lists it; pull requests are among them.
#[derive(Debug, Deserialize)]
struct Listed {
    number: u64,
    state: String,
    state_reason: Option<String>,
    body: Option<String>,
    user: Option<User>,
    #[serde(default)]
    comments: u64,
}

#[derive(Debug, Deserialize)]
struct User {
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Comment {
    user: Option<User>,
}

fn sum(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// What the hidden line says.
#[derive(Debug, PartialEq, Eq)]
struct Hidden<'a> {
    rule: &'a str,
    key: &'a str,
    intent: &'a str,
}

fn hidden(body: &str) -> Option<Hidden<'_>> {
    let line = body.lines().map(str::trim).rev().find(|line| line.starts_with(MARKER))?;
    let words = line.strip_prefix(MARKER)?.strip_suffix(" -->")?;
    let word = |key: &str| words.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    Some(Hidden { rule: word("rule")?, key: word("key")?, intent: word("intent")? })
}

/// What the App opened, as a list of GitHub's told it.
struct Opened {
    issues: Vec<Listed>,
    complete: bool,
}

impl Opened {
    async fn list(target: &Target, reader: &Reader, state: &str, most_pages: u32) -> Result<Self, GitHubError> {
        let bot = reader.own_login().await?;
        let query = format!("/issues?state={state}&creator={}&sort=created&direction=desc", path::segment(&bot));
        let listed = reader.get_all::<Listed>(&path::repository(&target.repository, query), None, most_pages).await?;
        let by_us = |issue: &Listed| issue.user.as_ref().is_some_and(|user| user.login.eq_ignore_ascii_case(&bot));
        Ok(Self { complete: listed.complete, issues: listed.items.into_iter().filter(by_us).collect() })
    }

    fn take(&mut self, fits: impl Fn(&Listed, &Hidden<'_>) -> bool) -> Option<Listed> {
        let fits = |issue: &Listed| issue.body.as_deref().and_then(hidden).is_some_and(|hidden| fits(issue, &hidden));
        let place = self.issues.iter().position(fits)?;
        Some(self.issues.swap_remove(place))
    }
}

impl Params {
    fn key(&self) -> String {
        sum(self.key.as_deref().unwrap_or(&self.title))
    }

    fn with_marker(&self, origin: &Origin) -> String {
        let hidden = format!("{MARKER}rule={} key={} intent={} -->", origin.rule, self.key(), origin.intent);
        match self.body.trim_end() {
            "" => hidden,
            text => format!("{text}\n\n{hidden}"),
        }
    }

    /// The issue of this very intent, else an open one that stands in its way.
    async fn find(&self, target: &Target, origin: &Origin, reader: &Reader) -> Result<Option<Listed>, GitHubError> {
        let intent = origin.intent.to_string();
        let key = self.key();
        let in_the_way = |issue: &Listed, hidden: &Hidden<'_>| {
            issue.state == "open" && hidden.rule == origin.rule.as_str() && hidden.key == key
        };
        let mut newest = Opened::list(target, reader, "all", MOST_PAGES).await?;
        if let Some(this) = newest.take(|_, hidden| hidden.intent == intent) {
            return Ok(Some(this));
        }
        match self.once {
            Once::PerEvent => Ok(None),
            Once::WhileOpen if newest.complete => Ok(newest.take(in_the_way)),
            Once::WhileOpen => {
                let mut open = Opened::list(target, reader, "open", MOST_OPEN_PAGES).await?;
                match open.take(in_the_way) {
                    None if !open.complete => {
                        let count = open.issues.len();
                        let message = format!("GitHub lists only the first {count} open issues, and there may be more");
                        Err(GitHubError::Refused { status: 0, message })
                    }
                    found => Ok(found),
                }
            }
        }
    }
}

/// Whether somebody other than a bot commented; more comments than one page count as that.
async fn people_commented(target: &Target, number: u64, reader: &Reader) -> Result<bool, GitHubError> {
    let path = path::repository(&target.repository, format_args!("/issues/{number}/comments"));
    let comments = reader.get_all::<Comment>(&path, None, 1).await?;
    let by_bot = |comment: &Comment| comment.user.as_ref().is_some_and(|user| user.kind.as_deref() == Some("Bot"));
    Ok(!comments.complete || !comments.items.iter().all(by_bot))
}

impl Action for Params {
    type State = Option<Ours>;
    type Change = Change;

    const NAME: &'static str = "create_issue";
    const HELP: &'static str = "Opens an issue. With `once: while_open` (the default) there is no second one of the rule \
        and key while the one before is open, so that what fails every night opens one issue; `per_event` opens one for \
        each event. Taken back, it is closed as not planned, unless people have commented on it.";
    const EXAMPLE: &'static str = "{title: \"The nightly build fails\", labels: [bug], once: while_open}";
    const UNDOABLE: bool = true;
    const ACTS_ON: SubjectKind = SubjectKind::Repository;
    const NEEDS: Needs = Needs::Write("issues");

    fn check(&self) -> Result<(), String> {
        let one_line = |text: &str, longest: usize| {
            !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
        };
        if !one_line(&self.title, LONGEST_TITLE) {
            return Err(format!("`title` must have 1 to {LONGEST_TITLE} characters on one line"));
        }
        if self.body.chars().count() > LONGEST_BODY || self.body.contains(MARKER) {
            return Err(format!("`body` must have at most {LONGEST_BODY} characters and must not hold `{MARKER}`"));
        }
        if let Some(label) = self.labels.iter().find(|label| !one_line(label, LONGEST_LABEL)) {
            return Err(format!("`{label}` is no label: it has 1 to {LONGEST_LABEL} characters on one line"));
        }
        if self.assignees.len() > MOST_ASSIGNEES || !self.assignees.iter().all(|login| one_line(login, 100)) {
            return Err(format!("`assignees` must be at most {MOST_ASSIGNEES} logins"));
        }
        match &self.key {
            Some(key) if !one_line(key, LONGEST_KEY) => {
                Err(format!("`key` must have 1 to {LONGEST_KEY} characters on one line"))
            }
            _ => Ok(()),
        }
    }

    async fn read(&self, target: &Target, origin: &Origin, reader: &Reader) -> Result<Option<Ours>, GitHubError> {
        let Some(issue) = self.find(target, origin, reader).await? else { return Ok(None) };
        let people = issue.comments > 0 && people_commented(target, issue.number, reader).await?;
        let open = issue.state == "open";
        let intent = issue.body.as_deref().and_then(hidden).map(|hidden| hidden.intent.to_owned()).unwrap_or_default();
        Ok(Some(Ours { number: issue.number, intent, open, reason: issue.state_reason.filter(|_| !open), people }))
    }

    fn plan(&self, origin: &Origin, state: &Option<Ours>, _: &[HandChange]) -> Plan<Change> {
        match state {
            Some(ours) if is_of(ours, origin.intent) => Plan::Nothing(format!("it is issue #{}", ours.number)),
            Some(ours) => Plan::Nothing(format!("issue #{} is open already", ours.number)),
            None => Plan::Change(Change::Open {
                intent: origin.intent.to_string(),
                title: self.title.trim().to_owned(),
                body: self.with_marker(origin),
                labels: self.labels.clone(),
                assignees: self.assignees.clone(),
            }),
        }
    }

    fn settle(&self, _: &Option<Ours>, change: &Change, now: &Option<Ours>) -> Settled {
        let happened = match change {
            Change::Open { intent, .. } => now.as_ref().is_some_and(|ours| ours.intent == *intent),
            Change::Close { number } => now.as_ref().is_none_or(|ours| ours.number == *number && !ours.open),
            Change::Reopen { number } => now.as_ref().is_some_and(|ours| ours.number == *number && ours.open),
        };
        if happened { Settled::Happened } else { Settled::DidNot }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let (method, below, body) = match change {
            Change::Open { title, body, labels, assignees, .. } => (
                Method::POST,
                "/issues".to_owned(),
                json!({"title": title, "body": body, "labels": labels, "assignees": assignees}),
            ),
            Change::Close { number } => {
                (Method::PATCH, format!("/issues/{number}"), json!({"state": "closed", "state_reason": "not_planned"}))
            }
            Change::Reopen { number } => (Method::PATCH, format!("/issues/{number}"), json!({"state": "open"})),
        };
        writer.send::<Value>(method, &path::repository(&target.repository, below), &body).await?;
        Ok(())
    }

    /// What was opened is closed, and, when that is taken back in turn, opened again.
    fn undo(&self, before: &Option<Ours>, after: &Option<Ours>, now: &Option<Ours>) -> Reversal<Change> {
        let was_open = before.as_ref().is_some_and(|ours| ours.open);
        let (Some(after), Some(now)) = (after, now) else {
            // Deleted, or moved elsewhere: then there is no issue, as before.
            return if was_open { Reversal::Refused("the issue is gone".to_owned()) } else { Reversal::Nothing };
        };
        let number = now.number;
        if now.open == was_open {
            Reversal::Nothing
        } else if now.reason != after.reason {
            Reversal::Refused(format!("issue #{number} was opened and closed again since"))
        } else if was_open {
            Reversal::Change(Change::Reopen { number })
        } else if now.people {
            Reversal::Refused(format!("people have commented on issue #{number}"))
        } else {
            Reversal::Change(Change::Close { number })
        }
    }

    /// GitHub tells each label and assignee of the new issue.
    fn moves(&self, _: &Option<Ours>, change: &Change) -> Vec<Move> {
        let put = |thing| Move { thing, hand: Hand::Put };
        match change {
            Change::Open { labels, assignees, .. } => {
                let labels = labels.iter().cloned().map(Thing::Label);
                labels.chain(assignees.iter().cloned().map(Thing::Assignee)).map(put).collect()
            }
            Change::Reopen { .. } => vec![put(Thing::State)],
            Change::Close { .. } => vec![Move { thing: Thing::State, hand: Hand::Taken }],
        }
    }

    fn told_by(_: &Change) -> &'static [&'static str] {
        &["issues"]
    }
}

fn is_of(ours: &Ours, intent: IntentId) -> bool {
    ours.intent == intent.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn params(title: &str) -> Params {
        serde_json::from_value(json!({"title": title, "body": "See the log.\n"})).unwrap()
    }

    fn origin(nth: u128) -> Origin {
        Origin { intent: IntentId(uuid::Uuid::from_u128(nth)), ..Origin::of("acme/web:nightly") }
    }

    fn ours(nth: u128, open: bool) -> Ours {
        let reason = (!open).then(|| "not_planned".to_owned());
        Ours { number: 7, intent: origin(nth).intent.to_string(), open, reason, people: false }
    }

    #[test]
    fn the_hidden_line_says_whose_issue_it_is() {
        let nightly = params("The nightly build fails");
        let body = nightly.with_marker(&origin(1));
        assert!(body.starts_with("See the log.\n\n<!-- orchd:issue "));
        let (key, intent) = (nightly.key(), origin(1).intent.to_string());
        let expected = Hidden { rule: "acme/web:nightly", key: &key, intent: &intent };
        assert_eq!(hidden(&body), Some(expected));
        assert!(hidden(&format!("{}\r\n\r\nI add a word.", body.replace('\n', "\r\n"))).is_some());
        assert_eq!(hidden("No line."), None);
        assert_eq!(Params { key: Some("nightly".to_owned()), ..params("A") }.key(), sum("nightly"));
        assert_ne!(params("A").key(), params("B").key());
    }

    #[test]
    fn an_interrupted_write_is_found_by_its_intent() {
        let Plan::Change(change) = params("A").plan(&origin(1), &None, &[]) else { panic!("it is opened") };
        let settle = |now| params("A").settle(&None, &change, &now);
        assert_eq!(settle(None), Settled::DidNot);
        assert_eq!(settle(Some(ours(1, true))), Settled::Happened);
        assert_eq!(settle(Some(ours(1, false))), Settled::Happened, "somebody closed it meanwhile");
        assert_eq!(settle(Some(ours(2, true))), Settled::DidNot, "and the plan then says that one is open");
        assert!(matches!(params("A").plan(&origin(1), &Some(ours(2, true)), &[]), Plan::Nothing(_)));
    }

    #[test]
    fn undo_closes_and_undo_of_that_opens_again() {
        let undo = |before: Option<Ours>, after: Option<Ours>, now| params("A").undo(&before, &after, &now);
        let (open, closed) = (|| Some(ours(1, true)), || Some(ours(1, false)));
        assert_eq!(undo(None, open(), open()), Reversal::Change(Change::Close { number: 7 }));
        assert_eq!(undo(None, open(), closed()), Reversal::Nothing);
        assert_eq!(undo(None, open(), None), Reversal::Nothing);
        let talked = Some(Ours { people: true, ..ours(1, true) });
        assert!(matches!(undo(None, open(), talked), Reversal::Refused(why) if why.contains("people have commented")));
        assert_eq!(undo(open(), closed(), closed()), Reversal::Change(Change::Reopen { number: 7 }));
        assert_eq!(undo(open(), closed(), open()), Reversal::Nothing);
        let by_hand = Some(Ours { reason: Some("completed".to_owned()), ..ours(1, false) });
        assert!(matches!(undo(open(), closed(), by_hand), Reversal::Refused(_)));
    }

    #[test]
    fn what_github_would_refuse_is_refused_at_once() {
        assert!(params("A").check().is_ok());
        assert!(params("\n").check().is_err());
        assert!(params(&"x".repeat(257)).check().is_err());
        assert!(Params { labels: vec!["x".repeat(51)], ..params("A") }.check().is_err());
        assert!(Params { assignees: vec!["a".to_owned(); 11], ..params("A") }.check().is_err());
        assert!(Params { body: format!("{MARKER}rule=x -->"), ..params("A") }.check().is_err());
    }
}
