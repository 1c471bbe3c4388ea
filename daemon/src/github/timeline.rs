//! What happened on an issue or pull request, the oldest first; and what of it people did by hand before anybody listened.
//!
//! <https://docs.github.com/en/rest/issues/timeline>,
//! <https://docs.github.com/en/rest/using-the-rest-api/issue-event-types>

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::client::{Listed, Reader};
use super::{GitHubError, path};
use crate::core::event::RepoName;
use crate::core::hand::{Hand, HandChange, Thing};

/// 3,000 moments.
const MOST_PAGES: u32 = 30;

/// One of them, as far as it is known who did it and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// GitHub's word: `labeled`, `commented`, `committed`, …
    pub what: String,
    pub at: Option<DateTime<Utc>>,
    pub by: Option<Author>,
    /// The label, of `labeled` and `unlabeled`.
    pub label: Option<String>,
    /// Login, of `assigned` and `unassigned`.
    pub assignee: Option<String>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Author {
    pub login: String,
    #[serde(rename = "type", default)]
    kind: String,
}

impl Author {
    /// An App, which is no person.
    pub fn is_bot(&self) -> bool {
        self.kind == "Bot" || self.login.ends_with("[bot]")
    }
}

/// Reads up to 3,000 moments; says so when there are more.
///
/// # Errors
/// As [`Reader::get_all`].
pub async fn timeline(reader: &Reader, repository: &RepoName, number: u64) -> Result<Listed<Moment>, GitHubError> {
    let told = told(reader, repository, number).await?;
    Ok(Listed { items: told.items.iter().map(moment).collect(), complete: told.complete })
}

/// The changes that people made by hand, of the first 3,000 moments.
///
/// # Errors
/// As [`Reader::get_all`].
pub async fn hands(reader: &Reader, repository: &RepoName, number: u64) -> Result<Listed<HandChange>, GitHubError> {
    let Listed { items, complete } = told(reader, repository, number).await?;
    let items = items.iter().filter_map(|told| change(told, repository, number)).collect();
    Ok(Listed { items, complete })
}

async fn told(reader: &Reader, repository: &RepoName, number: u64) -> Result<Listed<Value>, GitHubError> {
    let path = path::repository(repository, format_args!("/issues/{number}/timeline"));
    reader.get_all::<Value>(&path, None, MOST_PAGES).await
}

/// Every kind of moment has another shape: what is not there is absent.
fn moment(told: &Value) -> Moment {
    let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str);
    let time = |pointer: &str| Some(DateTime::parse_from_rfc3339(text(pointer)?).ok()?.with_timezone(&Utc));
    let who = |field: &str| Author::deserialize(told.get(field)?).ok();
    Moment {
        what: text("/event").unwrap_or_default().to_owned(),
        at: time("/created_at").or_else(|| time("/submitted_at")).or_else(|| time("/committer/date")),
        // The actor of `assigned` may be the one who was assigned.
        by: who("assigner").or_else(|| who("actor")).or_else(|| who("user")),
        label: text("/label/name").map(str::to_owned),
        assignee: text("/assignee/login").map(str::to_owned),
    }
}

fn change(told: &Value, repository: &RepoName, number: u64) -> Option<HandChange> {
    let moment = moment(told);
    let (thing, hand) = touched(&moment, told, repository)?;
    let by = moment.by.filter(|by| !by.is_bot())?.login;
    Some(HandChange { repository: repository.clone(), number, thing, hand, by, at: moment.at? })
}

/// <https://docs.github.com/en/rest/using-the-rest-api/issue-event-types>
fn touched(moment: &Moment, told: &Value, repository: &RepoName) -> Option<(Thing, Hand)> {
    let text = |pointer: &str| told.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let label = || moment.label.clone().map(Thing::Label);
    let assignee = || moment.assignee.clone().map(Thing::Assignee);
    let milestone = || text("/milestone/title").map(Thing::Milestone);
    let reviewer = || {
        let team = || Some(format!("{}/{}", repository.owner(), text("/requested_team/slug")?));
        text("/requested_reviewer/login").or_else(team).map(Thing::Reviewer)
    };
    Some(match moment.what.as_str() {
        "labeled" => (label()?, Hand::Put),
        "unlabeled" => (label()?, Hand::Taken),
        "assigned" => (assignee()?, Hand::Put),
        "unassigned" => (assignee()?, Hand::Taken),
        "milestoned" => (milestone()?, Hand::Put),
        "demilestoned" => (milestone()?, Hand::Taken),
        "review_requested" => (reviewer()?, Hand::Put),
        "review_request_removed" => (reviewer()?, Hand::Taken),
        "renamed" => (Thing::Title(text("/rename/from")?), Hand::Taken),
        "reopened" => (Thing::State, Hand::Put),
        "closed" => (Thing::State, Hand::Taken),
        "locked" => (Thing::Lock, Hand::Put),
        "unlocked" => (Thing::Lock, Hand::Taken),
        "convert_to_draft" => (Thing::Draft, Hand::Put),
        "ready_for_review" => (Thing::Draft, Hand::Taken),
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::condition::properties::any_json;

    const AT: &str = "2026-03-10T12:00:00Z";

    fn alice() -> Value {
        json!({"login": "alice", "type": "User"})
    }

    #[test]
    fn moments_of_several_shapes() {
        let bot = json!({"login": "orchd[bot]", "type": "Bot"});
        let labeled = moment(&json!({"event": "labeled", "created_at": AT, "actor": bot, "label": {"name": "stale"}}));
        assert!(labeled.by.unwrap().is_bot());
        assert_eq!((labeled.label.as_deref(), labeled.at.is_some()), (Some("stale"), true));
        let reviewed = moment(&json!({"event": "reviewed", "submitted_at": AT, "user": alice()}));
        assert_eq!((reviewed.by.unwrap().login.as_str(), reviewed.at.is_some()), ("alice", true));
        let committed = moment(&json!({"event": "committed", "committer": {"name": "Alice", "date": AT}}));
        assert_eq!((committed.by, committed.at.is_some()), (None, true));
    }

    #[test]
    fn people_are_told_from_bots_and_what_is_no_change_is_passed_over() {
        let repository = RepoName::parse("acme/web").unwrap();
        let told = |entry: Value| {
            let change = change(&entry, &repository, 7)?;
            Some((change.thing, change.hand, change.by))
        };
        let label = json!({"event": "labeled", "actor": alice(), "created_at": AT, "label": {"name": "bug"}});
        assert_eq!(told(label), Some((Thing::Label("bug".to_owned()), Hand::Put, "alice".to_owned())));
        let assigned = json!({"event": "assigned", "actor": {"login": "bob", "type": "User"}, "assigner": alice(),
            "assignee": {"login": "bob"}, "created_at": AT});
        assert_eq!(told(assigned), Some((Thing::Assignee("bob".to_owned()), Hand::Put, "alice".to_owned())));
        let closed = json!({"event": "closed", "actor": alice(), "created_at": AT});
        assert_eq!(told(closed), Some((Thing::State, Hand::Taken, "alice".to_owned())));
        let by_alice = |what: &str, more: Value| {
            let mut entry = json!({"event": what, "actor": alice(), "created_at": AT});
            more.as_object().unwrap().iter().for_each(|(key, value)| entry[key] = value.clone());
            told(entry).map(|(thing, hand, _)| (thing, hand))
        };
        let team = json!({"requested_team": {"slug": "docs"}});
        for (what, more, thing, hand) in [
            ("milestoned", json!({"milestone": {"title": "2.0"}}), Thing::Milestone("2.0".to_owned()), Hand::Put),
            ("renamed", json!({"rename": {"from": "Old", "to": "New"}}), Thing::Title("Old".to_owned()), Hand::Taken),
            ("review_request_removed", team, Thing::Reviewer("acme/docs".to_owned()), Hand::Taken),
            ("unlocked", json!({}), Thing::Lock, Hand::Taken),
            ("convert_to_draft", json!({}), Thing::Draft, Hand::Put),
        ] {
            assert_eq!(by_alice(what, more), Some((thing, hand)), "{what}");
        }
        for other in [
            json!({"event": "closed", "actor": {"login": "tidy[bot]", "type": "Bot"}, "created_at": AT}),
            json!({"event": "labeled", "actor": alice(), "created_at": AT}),
            json!({"event": "renamed", "actor": alice(), "created_at": AT}),
            json!({"event": "closed", "actor": null, "created_at": AT}),
            json!({"event": "committed", "sha": "abc"}),
            json!(7),
        ] {
            assert_eq!(told(other.clone()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_moment_is_read(told in any_json()) {
            let repository = RepoName::parse("acme/web").unwrap();
            change(&told, &repository, 7);
        }
    }
}
