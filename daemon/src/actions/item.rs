//! An issue or pull request as actions read it, and its state: open or closed, which `close` and `reopen` share.

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Reversal, Settled};
use crate::core::hand::{Hand, Move, Thing};
use crate::core::intent::Target;
use crate::github::client::{Reader, Writer};
use crate::github::{GitHubError, path};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Open {
    Open,
    Closed,
}

/// What the receipt of `close` and `reopen` keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub state: Open,
    /// GitHub's `state_reason` of a closed issue; never of a pull request.
    pub reason: Option<String>,
    pub pull: bool,
    pub merged: bool,
}

/// What `close` and `reopen` write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StateChange {
    pub state: Open,
    pub reason: Option<String>,
    pub pull: bool,
}

pub(super) struct Item {
    pub assignees: Vec<String>,
    pub state: State,
}

/// An issue or a pull request as GitHub answers. What a change is planned on must be there: an answer without it is not
/// taken for "open, and nobody assigned".
#[derive(Deserialize)]
struct Shown {
    state: Open,
    state_reason: Option<String>,
    assignees: Vec<User>,
    /// Of a pull request that was asked for as an issue.
    pull_request: Option<PullPart>,
    /// Of a pull request that was asked for as such.
    merged_at: Option<String>,
}

#[derive(Deserialize)]
struct PullPart {
    merged_at: Option<String>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

impl Shown {
    fn into_item(self, pull: bool) -> Item {
        let merged = self.merged_at.is_some() || self.pull_request.is_some_and(|pull| pull.merged_at.is_some());
        let reason = self.state_reason.filter(|_| self.state == Open::Closed && !pull);
        Item {
            assignees: self.assignees.into_iter().map(|user| user.login).collect(),
            state: State { state: self.state, reason, pull, merged },
        }
    }
}

/// Path of the item, which is an `issues` and, when it is a pull request, a `pulls` too.
pub(super) fn below(target: &Target, collection: &str) -> String {
    path::repository(&target.repository, format_args!("/{collection}/{}", target.number))
}

pub(super) async fn read(target: &Target, reader: &Reader) -> Result<Item, GitHubError> {
    let (shown, pull) = get::<Shown>(target, reader).await?;
    Ok(shown.into_item(pull))
}

/// Reads the item as an issue, which a pull request is too, and says whether it is one. A server that keeps them apart
/// is asked for the pull request next.
pub(super) async fn get<T: DeserializeOwned>(target: &Target, reader: &Reader) -> Result<(T, bool), GitHubError> {
    let (told, pull) = match reader.get::<Value>(&below(target, "issues")).await {
        Ok(issue) => {
            let pull = issue.get("pull_request").is_some_and(Value::is_object);
            (issue, pull)
        }
        Err(absent @ GitHubError::NotFound(_)) => match reader.get(&below(target, "pulls")).await {
            Ok(pull) => (pull, true),
            Err(GitHubError::NotFound(_)) => return Err(absent),
            Err(error) => return Err(error),
        },
        Err(error) => return Err(error),
    };
    let unreadable = |error| GitHubError::Unreadable(format!("{}: {error}", below(target, "issues")));
    Ok((T::deserialize(told).map_err(unreadable)?, pull))
}

/// Reads the item as a pull request; `None`: it is none, or the App may not see it.
pub(super) async fn get_pull<T: DeserializeOwned>(target: &Target, reader: &Reader) -> Result<Option<T>, GitHubError> {
    match reader.get(&below(target, "pulls")).await {
        Ok(pull) => Ok(Some(pull)),
        Err(GitHubError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Said of what only a pull request has, when [`get_pull`] found none.
pub(super) const NO_PULL: &str = "it is no pull request, or the App may not see it";

pub(super) fn settle(change: &StateChange, now: &State) -> Settled {
    if now.state == change.state { Settled::Happened } else { Settled::DidNot }
}

pub(super) async fn write(target: &Target, writer: &Writer, change: &StateChange) -> Result<(), GitHubError> {
    let collection = if change.pull { "pulls" } else { "issues" };
    let mut body = json!({"state": change.state});
    if let Some(reason) = change.reason.as_ref().filter(|_| !change.pull) {
        body["state_reason"] = json!(reason);
    }
    writer.send::<Value>(Method::PATCH, &below(target, collection), &body).await?;
    Ok(())
}

/// Whether it is open is what hands are laid on; the reason alone is not.
pub(super) fn touched(before: &State, after: &State) -> Vec<Thing> {
    if before.state == after.state { Vec::new() } else { vec![Thing::State] }
}

pub(super) fn moves(change: &StateChange) -> Vec<Move> {
    let hand = match change.state {
        Open::Open => Hand::Put,
        Open::Closed => Hand::Taken,
    };
    vec![Move { thing: Thing::State, hand }]
}

/// Only when it is still as we left it: a reason that changed means that a person opened and closed it again.
pub(super) fn undo(before: &State, after: &State, now: &State) -> Reversal<StateChange> {
    if now.state == before.state || before.state == after.state {
        Reversal::Nothing
    } else if now.merged {
        Reversal::Refused("it was merged since".to_owned())
    } else if now.reason != after.reason {
        Reversal::Refused("it was opened and closed again since".to_owned())
    } else {
        Reversal::Change(StateChange { state: before.state, reason: before.reason.clone(), pull: now.pull })
    }
}
