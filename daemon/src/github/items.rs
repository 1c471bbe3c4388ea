//! Issues and pull requests that changed lately, and one of them told as a webhook would tell it.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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
    whole: Box<RawValue>,
}

#[derive(Deserialize)]
struct Fields {
    number: u64,
    state: State,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    pull_request: Option<Box<RawValue>>,
}

/// Items that changed at or after `since`, the one longest ago first: one page, counted from 1.
///
/// # Errors
/// As [`Reader::get`]; `Unreadable` also when an item is not what GitHub documents.
pub async fn changed_since(
    reader: &Reader,
    name: &RepoName,
    since: DateTime<Utc>,
    page: u32,
) -> Result<Vec<Item>, GitHubError> {
    let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let query = format!("state=all&sort=updated&direction=asc&since={since}&per_page={A_PAGE}&page={page}");
    let path = repository(name, format_args!("/issues?{query}"));
    let items: Vec<Box<RawValue>> = reader.get(&path).await?;
    let read = |whole: Box<RawValue>| {
        let fields: Fields = serde_json::from_str(whole.get())
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
pub async fn described(reader: &Reader, name: &RepoName) -> Result<Box<RawValue>, GitHubError> {
    reader.get(&repository(name, "")).await
}

/// A pull request in whole; in a list it is told as an issue, without its branches.
///
/// # Errors
/// As [`Reader::get`].
pub async fn pull_request(reader: &Reader, name: &RepoName, number: u64) -> Result<Box<RawValue>, GitHubError> {
    let path = repository(name, format_args!("/pulls/{number}"));
    reader.get(&path).await
}

/// What a webhook that nobody sent would have told.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    pub action: &'a str,
    pub item: &'a Item,
    /// Of [`pull_request`], when it is one.
    pub pull: Option<&'a RawValue>,
    /// Of [`described`].
    pub repository: &'a RawValue,
    pub installation: InstallationId,
    /// In the place of GitHub's GUID.
    pub delivery_id: &'a str,
}

#[derive(Serialize)]
struct Payload<'a> {
    action: &'a str,
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    issue: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_request: Option<&'a RawValue>,
    repository: &'a RawValue,
    installation: Installation,
}

#[derive(Serialize)]
struct Installation {
    id: InstallationId,
}

impl Telling<'_> {
    /// The payload and its envelope, read as those of a webhook are. Without `sender`: nobody knows who it was.
    ///
    /// # Errors
    /// When what GitHub gave does not make a payload.
    pub fn told(&self) -> Result<(Headers, Envelope, Bytes), BadEnvelope> {
        let (event, issue) = match self.pull {
            Some(_) => ("pull_request", None),
            None => ("issues", Some(&*self.item.whole)),
        };
        let payload = Payload {
            action: self.action,
            number: self.item.number,
            issue,
            pull_request: self.pull,
            repository: self.repository,
            installation: Installation { id: self.installation },
        };
        let body = serde_json::to_vec(&payload).map_err(|error| BadEnvelope(error.to_string()))?;
        let (envelope, payload) = read_envelope(&Verified::read_from_github(Bytes::from(body)), Encoding::Json)?;
        Ok((Headers::named(self.delivery_id, event)?, envelope, payload))
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
    Item { number, state, created_at, updated_at, is_pull: false, whole: Box::default() }
}
