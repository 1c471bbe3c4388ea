//! `comment`: one comment of a rule on an item, written once and then kept up to date.
//!
//! A hidden last line tells our comment from others: the rule, the intent that last wrote it, and a sum of the text, by
//! which an edit by hand shows. People can copy that line, so a comment counts as ours only when the App wrote it:
//! its author is `SLUG[bot]`. What a person or another App wrote is never edited.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::registry::Action;
use super::{Origin, Plan, Reversal, Settled};
use crate::core::hand::HandChange;
use crate::core::intent::Target;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

/// 3,000 comments are looked through, the oldest first.
const MOST_PAGES: u32 = 30;
/// GitHub takes 65,536 characters; the hidden line needs some.
pub(super) const LONGEST_BODY: usize = 65_000;
pub(super) const MARKER: &str = "<!-- orchd:rule=";

/// What to say. A rule has one comment on an item: when it fires again the comment is changed, not written anew.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    /// Markdown, 1 to 65,000 characters.
    body: String,
}

/// Our comment, its hidden line included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) body: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Post { body: String },
    Edit { id: u64, body: String },
    Delete { id: u64 },
}

/// A comment as GitHub lists it.
#[derive(Debug, Deserialize)]
struct Listed {
    id: u64,
    body: Option<String>,
    user: Option<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    login: String,
}

/// GitHub may keep line ends as `\r\n`.
pub(super) fn unix(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn sum(text: &str) -> String {
    Sha256::digest(unix(text)).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text can be a comment of ours; `name` is the parameter it stands in.
pub(super) fn check_body(text: &str, name: &str) -> Result<(), String> {
    match text.chars().count() {
        _ if text.trim().is_empty() => Err(format!("`{name}` is empty")),
        length if length > LONGEST_BODY => Err(format!("`{name}` has {length} characters, at most {LONGEST_BODY}")),
        _ if text.contains(MARKER) => Err(format!("`{name}` must not hold `{MARKER}`")),
        _ => Ok(()),
    }
}

/// Whether a comment's text is that of the rule.
pub(super) fn is_of(body: &str, rule: &str) -> bool {
    split(body).is_some_and(|(_, of, _)| of == rule)
}

pub(super) fn says(comment: &Comment, body: &str) -> bool {
    unix(&comment.body) == unix(body)
}

pub(super) fn with_marker(text: &str, origin: &Origin) -> String {
    let text = text.trim_end();
    format!("{text}\n\n{MARKER}{} intent={} sum={} -->", origin.rule, origin.intent, sum(text))
}

/// The text above the hidden line, the rule and the sum in it.
pub(super) fn split(body: &str) -> Option<(&str, &str, &str)> {
    let body = body.trim_end();
    let start = body.rfind('\n').map_or(0, |end| end + 1);
    let (text, last) = body.split_at(start);
    let mut words = last.strip_prefix(MARKER)?.strip_suffix(" -->")?.split(' ');
    let rule = words.next()?;
    let sum = words.find_map(|word| word.strip_prefix("sum="))?;
    Some((text.trim_end(), rule, sum))
}

/// The login that we write with.
pub(super) async fn bot(reader: &Reader) -> Result<String, GitHubError> {
    reader.own_login().await.map_err(|error| match error {
        // Without its name nothing that the App wrote is known: a person must mend that, and then it works.
        GitHubError::Refused { .. } | GitHubError::NotFound(_) => {
            GitHubError::Credentials(format!("the App's name cannot be learnt: {error}"))
        }
        error => error,
    })
}

/// The first comment on the item that the App wrote and whose text fits.
pub(super) async fn find(
    target: &Target,
    reader: &Reader,
    fits: impl Fn(&str) -> bool,
) -> Result<Option<Comment>, GitHubError> {
    let bot = bot(reader).await?;
    let path = path::repository(&target.repository, format_args!("/issues/{}/comments", target.number));
    let listed = reader.get_all(&path, None, MOST_PAGES).await?;
    match ours(&listed.items, &bot, fits) {
        Some(ours) => Ok(Some(ours)),
        // Ours may stand among those that were not read: a second one must not be written.
        None => listed.whole("comments").map(|_| None),
    }
}

/// `bot` is the App's login.
fn ours(listed: &[Listed], bot: &str, fits: impl Fn(&str) -> bool) -> Option<Comment> {
    let by_us = |user: &User| user.login.eq_ignore_ascii_case(bot);
    listed.iter().find_map(|listed| {
        let body = listed.body.as_deref()?;
        let fits = listed.user.as_ref().is_some_and(by_us) && fits(body);
        fits.then(|| Comment { id: listed.id, body: body.to_owned() })
    })
}

fn same(a: &Comment, b: &Comment) -> bool {
    a.id == b.id && unix(&a.body) == unix(&b.body)
}

impl Action for Params {
    type State = Option<Comment>;
    type Change = Change;

    const NAME: &'static str = "comment";
    const HELP: &'static str =
        "Writes a comment, one for each rule and item, and changes it when the rule fires again.";
    const EXAMPLE: &'static str = "{body: \"Thank you. A maintainer will look at this soon.\"}";
    const UNDOABLE: bool = true;

    fn check(&self) -> Result<(), String> {
        check_body(&self.body, "body")
    }

    async fn read(&self, target: &Target, origin: &Origin, reader: &Reader) -> Result<Option<Comment>, GitHubError> {
        let rule = origin.rule.as_str();
        find(target, reader, |body| is_of(body, rule)).await
    }

    fn plan(&self, origin: &Origin, state: &Option<Comment>, _: &[HandChange]) -> Plan<Change> {
        let body = with_marker(&self.body, origin);
        let Some(comment) = state else { return Plan::Change(Change::Post { body }) };
        let Some((text, _, written)) = split(&comment.body) else {
            return Plan::Held("the comment of this rule lost its hidden line".to_owned());
        };
        if unix(text) == unix(self.body.trim_end()) {
            Plan::Nothing("the comment says so already".to_owned())
        } else if sum(text) != written {
            Plan::Held("the comment of this rule was edited by hand".to_owned())
        } else {
            Plan::Change(Change::Edit { id: comment.id, body })
        }
    }

    fn settle(&self, before: &Option<Comment>, change: &Change, now: &Option<Comment>) -> Settled {
        let says = |body: &str| now.as_ref().is_some_and(|now| says(now, body));
        match (change, now) {
            (Change::Post { body } | Change::Edit { body, .. }, _) if says(body) => Settled::Happened,
            (Change::Post { .. }, None) => Settled::DidNot,
            (Change::Post { .. }, Some(_)) => Settled::CannotTell("another comment of this rule is there".to_owned()),
            (Change::Edit { .. }, Some(now)) if before.as_ref().is_some_and(|before| same(before, now)) => {
                Settled::DidNot
            }
            (Change::Edit { .. }, Some(_)) => Settled::CannotTell("the comment was changed meanwhile".to_owned()),
            (Change::Edit { .. }, None) => Settled::CannotTell("the comment was deleted meanwhile".to_owned()),
            (Change::Delete { id }, Some(now)) if now.id == *id => Settled::DidNot,
            (Change::Delete { .. }, _) => Settled::Happened,
        }
    }

    async fn write(&self, target: &Target, writer: &Writer, change: &Change) -> Result<(), GitHubError> {
        let issues = |rest: String| path::repository(&target.repository, format_args!("/issues/{rest}"));
        let (method, path, body) = match change {
            Change::Post { body } => {
                (Method::POST, issues(format!("{}/comments", target.number)), json!({"body": body}))
            }
            Change::Edit { id, body } => (Method::PATCH, issues(format!("comments/{id}")), json!({"body": body})),
            Change::Delete { id } => (Method::DELETE, issues(format!("comments/{id}")), Value::Null),
        };
        match writer.send::<Value>(method, &path, &body).await {
            // Somebody deleted it in the same moment.
            Err(GitHubError::NotFound(_)) if matches!(change, Change::Delete { .. }) => Ok(()),
            result => result.map(|_| ()),
        }
    }

    fn undo(&self, before: &Option<Comment>, after: &Option<Comment>, now: &Option<Comment>) -> Reversal<Change> {
        // By the text alone, which names the intent that wrote it: one that was deleted and posted again has another id.
        let says = |one: &Comment, other: &Comment| unix(&one.body) == unix(&other.body);
        match (before, after, now) {
            (None, None, _) | (None, _, None) => Reversal::Nothing,
            (Some(before), _, Some(now)) if says(before, now) => Reversal::Nothing,
            (Some(_), Some(_), None) => Reversal::Refused("the comment was deleted since".to_owned()),
            (Some(before), None, None) => Reversal::Change(Change::Post { body: before.body.clone() }),
            (Some(_), None, Some(_)) => Reversal::Refused("another comment of this rule is there".to_owned()),
            (_, Some(after), Some(now)) if !says(after, now) => {
                Reversal::Refused("the comment was edited since".to_owned())
            }
            (None, Some(_), Some(now)) => Reversal::Change(Change::Delete { id: now.id }),
            (Some(before), Some(_), Some(now)) => {
                Reversal::Change(Change::Edit { id: now.id, body: before.body.clone() })
            }
        }
    }

    fn told_by(_: &Change) -> &'static [&'static str] {
        &["issue_comment"]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::core::intent::IntentId;
    use crate::core::rule::RuleName;

    fn origin(rule: &str) -> Origin {
        Origin {
            rule: RuleName::parse(rule).unwrap(),
            intent: IntentId(uuid::Uuid::nil()),
            at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    fn say(text: &str) -> Params {
        Params { body: text.to_owned() }
    }

    /// The comment of the rule `greet` as it stands after it said `text`.
    fn said(text: &str) -> Option<Comment> {
        Some(Comment { id: 9, body: with_marker(text, &origin("greet")) })
    }

    fn plan(text: &str, state: &Option<Comment>) -> Plan<Change> {
        say(text).plan(&origin("greet"), state, &[])
    }

    fn listed(login: &str, body: &str) -> Listed {
        let user = User { login: login.to_owned() };
        Listed { id: 1, body: Some(body.to_owned()), user: Some(user) }
    }

    #[test]
    fn it_is_written_once_and_then_kept_up_to_date() {
        let Plan::Change(Change::Post { body }) = plan("Hi", &None) else { panic!("posts") };
        assert_eq!(split(&body), Some(("Hi", "greet", sum("Hi").as_str())));
        assert!(matches!(plan("Hi\n", &said("Hi")), Plan::Nothing(_)));
        assert!(matches!(plan("Hello", &said("Hi")), Plan::Change(Change::Edit { id: 9, .. })));
    }

    #[test]
    fn line_ends_of_windows_are_no_edit() {
        let kept = said("a\nb").map(|comment| Comment { body: comment.body.replace('\n', "\r\n"), ..comment });
        assert!(matches!(plan("a\nb", &kept), Plan::Nothing(_)));
        assert!(matches!(plan("c", &kept), Plan::Change(Change::Edit { .. })));
    }

    #[test]
    fn invariant_7_what_a_person_changed_no_rule_changes_back() {
        let edited = said("Hi").map(|comment| Comment { body: comment.body.replace("Hi", "Hi there"), ..comment });
        assert!(matches!(plan("Hello", &edited), Plan::Held(why) if why.contains("edited by hand")));
    }

    #[test]
    fn a_copied_hidden_line_does_not_make_a_persons_comment_ours() {
        let body = with_marker("Hi", &origin("greet"));
        let of = |rule: &'static str| move |body: &str| is_of(body, rule);
        let find = |login: &str| ours(&[listed(login, &body)], "orchd[bot]", of("greet")).is_some();
        assert!(find("orchd[bot]"));
        assert!(!find("orchd"));
        assert!(!find("mallory"));
        assert!(!find("mallory[bot]"));
        let quoted = format!("> {}\n\nI agree", body.replace('\n', "\n> "));
        assert_eq!(ours(&[listed("orchd[bot]", &quoted)], "orchd[bot]", of("greet")), None);
        assert_eq!(ours(&[listed("orchd[bot]", &body)], "orchd[bot]", of("gre")), None);
    }

    #[test]
    fn an_interrupted_write_is_judged_by_what_is_there() {
        let body = |text: &str| said(text).unwrap().body;
        let post = Change::Post { body: body("Hi") };
        let edit = Change::Edit { id: 9, body: body("New") };
        let settle = |before: Option<Comment>, change: &Change, now| say("x").settle(&before, change, &now);
        assert_eq!(settle(None, &post, said("Hi")), Settled::Happened);
        assert_eq!(settle(None, &post, None), Settled::DidNot);
        assert!(matches!(settle(None, &post, said("Other")), Settled::CannotTell(_)));
        assert_eq!(settle(said("Old"), &edit, said("New")), Settled::Happened);
        assert_eq!(settle(said("Old"), &edit, said("Old")), Settled::DidNot);
        assert!(matches!(settle(said("Old"), &edit, said("Third")), Settled::CannotTell(_)));
        assert!(matches!(settle(said("Old"), &edit, None), Settled::CannotTell(_)));
        assert_eq!(settle(said("Hi"), &Change::Delete { id: 9 }, None), Settled::Happened);
        assert_eq!(settle(said("Hi"), &Change::Delete { id: 9 }, said("Hi")), Settled::DidNot);
    }

    #[test]
    fn undo_deletes_or_restores_and_leaves_what_was_edited() {
        let undo = |before: Option<Comment>, after: Option<Comment>, now| say("x").undo(&before, &after, &now);
        assert_eq!(undo(None, said("Hi"), said("Hi")), Reversal::Change(Change::Delete { id: 9 }));
        assert_eq!(undo(None, said("Hi"), None), Reversal::Nothing);
        assert!(matches!(undo(None, said("Hi"), said("Edited")), Reversal::Refused(_)));
        let old = said("Old").unwrap().body;
        assert_eq!(undo(said("Old"), said("New"), said("New")), Reversal::Change(Change::Edit { id: 9, body: old }));
        assert_eq!(undo(said("Old"), said("New"), said("Old")), Reversal::Nothing);
        assert!(matches!(undo(said("Old"), said("New"), said("Third")), Reversal::Refused(_)));
        assert!(matches!(undo(said("Old"), said("New"), None), Reversal::Refused(_)));
    }

    #[test]
    fn an_undo_is_taken_back_by_posting_the_comment_again() {
        let undo = |now| say("x").undo(&said("Hi"), &None, &now);
        assert_eq!(undo(None), Reversal::Change(Change::Post { body: said("Hi").unwrap().body }));
        assert_eq!(undo(said("Hi")), Reversal::Nothing);
        assert!(matches!(undo(said("Other")), Reversal::Refused(_)));
        // Posted again it is another comment to GitHub, and the same to us.
        let again = said("Hi").map(|comment| Comment { id: 12, ..comment });
        assert_eq!(say("x").undo(&None, &said("Hi"), &again), Reversal::Change(Change::Delete { id: 12 }));
    }

    #[test]
    fn an_empty_giant_or_forged_body_is_refused() {
        assert!(say(" \n").check().is_err());
        assert!(say(&"x".repeat(65_001)).check().is_err());
        assert!(say("a <!-- orchd:rule=other -->").check().is_err());
        assert!(say("Hello").check().is_ok());
    }
}
