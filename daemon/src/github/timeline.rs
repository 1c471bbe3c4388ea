//! What people did to an issue or pull request before anybody listened: its timeline.
//!
//! <https://docs.github.com/en/rest/issues/timeline>,
//! <https://docs.github.com/en/rest/using-the-rest-api/issue-event-types>

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::client::Reader;
use super::{GitHubError, path};
use crate::core::event::RepoName;
use crate::core::hand::{Hand, HandChange, Thing};

/// A hundred entries each. Of a longer timeline the first thousand entries are read.
const MOST_PAGES: u32 = 10;

/// An entry that tells of a change; others lack some of this, or have it otherwise.
#[derive(Deserialize)]
struct Entry {
    event: String,
    actor: User,
    /// Who assigned: the actor of such an entry may be the one who was assigned.
    assigner: Option<User>,
    created_at: DateTime<Utc>,
    label: Option<Label>,
    assignee: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

/// The changes that people made by hand, the oldest first. An entry that is not what GitHub documents is passed over.
///
/// # Errors
/// As [`Reader::get_all`].
pub async fn hands(reader: &Reader, repository: &RepoName, number: u64) -> Result<Vec<HandChange>, GitHubError> {
    let url = path::repository(repository, format_args!("/issues/{number}/timeline"));
    let entries = reader.get_all::<Value>(&url, None, MOST_PAGES).await?.items;
    let read = |entry: Value| change(Entry::deserialize(entry).ok()?, repository, number);
    Ok(entries.into_iter().filter_map(read).collect())
}

fn change(entry: Entry, repository: &RepoName, number: u64) -> Option<HandChange> {
    let label = || entry.label.as_ref().map(|label| Thing::Label(label.name.clone()));
    let assignee = || entry.assignee.as_ref().map(|user| Thing::Assignee(user.login.clone()));
    let (thing, hand) = match entry.event.as_str() {
        "labeled" => (label()?, Hand::Put),
        "unlabeled" => (label()?, Hand::Taken),
        "assigned" => (assignee()?, Hand::Put),
        "unassigned" => (assignee()?, Hand::Taken),
        "reopened" => (Thing::State, Hand::Put),
        "closed" => (Thing::State, Hand::Taken),
        _ => return None,
    };
    let by = entry.assigner.unwrap_or(entry.actor);
    let is_bot = by.kind.as_deref() == Some("Bot") || by.login.ends_with("[bot]");
    (!is_bot).then(|| HandChange {
        repository: repository.clone(),
        number,
        thing,
        hand,
        by: by.login,
        at: entry.created_at,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_are_told_from_bots_and_what_is_no_change_is_passed_over() {
        let repository = RepoName::parse("acme/web").unwrap();
        let alice = || json!({"login": "alice", "type": "User"});
        let told = |entry: Value| {
            let change = change(Entry::deserialize(entry).ok()?, &repository, 7)?;
            Some((change.thing, change.hand, change.by))
        };
        let at = "2026-03-10T12:00:00Z";
        let label = json!({"event": "labeled", "actor": alice(), "created_at": at, "label": {"name": "bug"}});
        assert_eq!(told(label), Some((Thing::Label("bug".to_owned()), Hand::Put, "alice".to_owned())));
        let assigned = json!({"event": "assigned", "actor": {"login": "bob", "type": "User"}, "assigner": alice(),
            "assignee": {"login": "bob"}, "created_at": at});
        assert_eq!(told(assigned), Some((Thing::Assignee("bob".to_owned()), Hand::Put, "alice".to_owned())));
        let closed = json!({"event": "closed", "actor": alice(), "created_at": at});
        assert_eq!(told(closed), Some((Thing::State, Hand::Taken, "alice".to_owned())));
        for other in [
            json!({"event": "closed", "actor": {"login": "tidy[bot]", "type": "Bot"}, "created_at": at}),
            json!({"event": "labeled", "actor": alice(), "created_at": at}),
            json!({"event": "renamed", "actor": alice(), "created_at": at}),
            json!({"event": "closed", "actor": null, "created_at": at}),
            json!({"event": "committed", "sha": "abc"}),
            json!(7),
        ] {
            assert_eq!(told(other.clone()), None, "{other}");
        }
    }
}
