//! Issues and pull requests that changed lately, and one of them told as a webhook would tell it.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::GitHubError;
use super::client::Reader;
use super::path::repository;
use super::webhook::{BadEnvelope, Encoding, Envelope, Headers, Verified, read_envelope};
use crate::core::event::{InstallationId, RepoName};

/// Items a page: the most that GitHub gives.
pub const A_PAGE: usize = 100;

/// GitHub stamps a comment and the issue it is on one after the other: a difference this small is no news.
pub const SAME_MOMENT: Duration = Duration::from_secs(5);

/// Open or closed; a merged pull request is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Open,
    Closed,
}

/// An issue or pull request as a list tells it.
#[derive(Clone, Debug)]
pub struct Item {
    pub number: u64,
    pub state: State,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub is_pull: bool,
    whole: Value,
}

#[derive(Deserialize)]
struct Fields {
    number: u64,
    state: State,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    pull_request: Option<serde::de::IgnoredAny>,
}

/// A place in the list of a repository's items, the one that changed longest ago first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Items that changed then or later.
    pub since: DateTime<Utc>,
    /// Counted from 1.
    page: u32,
}

impl Place {
    pub fn since(since: DateTime<Utc>) -> Self {
        Self { since, page: 1 }
    }

    /// Where the list goes on after this page; `None`: it was the last.
    ///
    /// From the last one's time on rather than by the next page: what changes meanwhile moves to the end, and all that follows
    /// it a place forward. Only when a whole page changed in one second must it be pages.
    pub fn after(self, items: &[Item]) -> Option<Self> {
        let last = items.last().filter(|_| items.len() >= A_PAGE)?;
        let on = last.updated_at > self.since;
        Some(if on { Self::since(last.updated_at) } else { Self { page: self.page + 1, ..self } })
    }
}

/// Which items a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    Open,
}

/// One page of items.
///
/// # Errors
/// As [`Reader::get`]; `Unreadable` also when an item is not what GitHub documents.
pub async fn page(reader: &Reader, name: &RepoName, which: Which, place: Place) -> Result<Vec<Item>, GitHubError> {
    let state = if which == Which::All { "all" } else { "open" };
    let since = place.since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let page = place.page;
    let query = format!("state={state}&sort=updated&direction=asc&since={since}&per_page={A_PAGE}&page={page}");
    let path = repository(name, format_args!("/issues?{query}"));
    let items: Vec<Value> = reader.get(&path).await?;
    let read = |whole: Value| {
        let fields = Fields::deserialize(&whole)
            .map_err(|error| GitHubError::Unreadable(format!("an item of {name}: {error}")))?;
        Ok(Item {
            number: fields.number,
            state: fields.state,
            created_at: fields.created_at,
            updated_at: fields.updated_at,
            is_pull: fields.pull_request.is_some(),
            whole,
        })
    };
    items.into_iter().map(read).collect()
}

/// The repository as webhooks show it.
///
/// # Errors
/// As [`Reader::get`].
pub async fn described(reader: &Reader, name: &RepoName) -> Result<Value, GitHubError> {
    reader.get(&repository(name, "")).await
}

/// A pull request in whole; in a list it is told as an issue, without its branches.
///
/// # Errors
/// As [`Reader::get`].
pub async fn pull_request(reader: &Reader, name: &RepoName, number: u64) -> Result<Value, GitHubError> {
    let path = repository(name, format_args!("/pulls/{number}"));
    reader.get(&path).await
}

/// What a webhook that nobody sent would have told.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// Name of the event; `None`: the one that GitHub sends of such an item.
    pub event: Option<&'a str>,
    pub action: &'a str,
    pub item: &'a Item,
    /// Of [`pull_request`], when it is one.
    pub pull: Option<&'a Value>,
    /// Of [`described`].
    pub repository: &'a Value,
    pub installation: InstallationId,
    /// In the place of GitHub's GUID.
    pub delivery_id: &'a str,
}

/// What the API tells and no webhook does: a token that clones a private repository.
const SECRET_FIELD: &str = "temp_clone_token";

/// Takes secrets out of what will be stored (invariant 11), however deep.
fn forget_secrets(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove(SECRET_FIELD);
            fields.values_mut().for_each(forget_secrets);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_secrets),
        _ => {}
    }
}

impl Telling<'_> {
    /// The payload and its envelope, read as those of a webhook are. Without `sender`: nobody knows who it was.
    ///
    /// # Errors
    /// When what GitHub gave does not make a payload.
    pub fn told(&self) -> Result<(Headers, Envelope, Bytes), BadEnvelope> {
        let (event, name, item) = match self.pull {
            Some(pull) => ("pull_request", "pull_request", pull),
            None => ("issues", "issue", &self.item.whole),
        };
        let mut payload = json!({
            "action": self.action,
            "number": self.item.number,
            name: item,
            "repository": self.repository,
            "installation": {"id": self.installation},
        });
        forget_secrets(&mut payload);
        let body = payload.to_string();
        let (envelope, payload) = read_envelope(&Verified::read_from_github(Bytes::from(body)), Encoding::Json)?;
        Ok((Headers::named(self.delivery_id, self.event.unwrap_or(event))?, envelope, payload))
    }
}

/// What an event's payload says about the state of its item.
pub fn state_in(payload: &[u8]) -> Option<State> {
    #[derive(Deserialize)]
    struct Told {
        issue: Option<Stated>,
        pull_request: Option<Stated>,
    }
    #[derive(Deserialize)]
    struct Stated {
        state: State,
    }
    let told: Told = serde_json::from_slice(payload).ok()?;
    told.pull_request.or(told.issue).map(|item| item.state)
}

#[cfg(test)]
pub(crate) fn stand_in(number: u64, state: State, created_at: DateTime<Utc>, updated_at: DateTime<Utc>) -> Item {
    Item { number, state, created_at, updated_at, is_pull: false, whole: Value::Null }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn invariant_11_no_token_of_githubs_answer_is_stored() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let item = stand_in(7, State::Open, now, now);
        let repository = json!({"id": 5, "full_name": "acme/web", "temp_clone_token": "HUSH"});
        let pull = json!({"number": 7, "state": "open", "head": {"repo": repository}});
        let telling = Telling {
            event: None,
            action: "edited",
            item: &item,
            pull: Some(&pull),
            repository: &repository,
            installation: InstallationId(9),
            delivery_id: "sweep:5:7:1",
        };
        let (named, envelope, payload) = telling.told().unwrap();
        assert_eq!((named.event_type.as_str(), envelope.number), ("pull_request", Some(7)));
        assert_eq!(envelope.installation.unwrap().id, InstallationId(9));
        let payload = std::str::from_utf8(&payload).unwrap();
        assert!(payload.contains("acme/web") && !payload.contains("HUSH"), "{payload}");
        assert_eq!(state_in(payload.as_bytes()), Some(State::Open));
    }
}
