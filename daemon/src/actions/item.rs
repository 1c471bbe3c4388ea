//! An issue or pull request as actions read it, and its state: open or closed, which `close` and `reopen` share.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Reversal, Settled};
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

fn below(target: &Target, collection: &str) -> String {
    path::repository(&target.repository, format_args!("/{collection}/{}", target.number))
}

/// Reads the item as an issue, which a pull request is too. A server that keeps them apart is asked for the pull
/// request next.
pub(super) async fn read(target: &Target, reader: &Reader) -> Result<Item, GitHubError> {
    match reader.get::<Value>(&below(target, "issues")).await {
        Ok(issue) => {
            let pull = issue.get("pull_request").is_some_and(|pull| !pull.is_null());
            Ok(parse(&issue, pull))
        }
        Err(absent @ GitHubError::NotFound(_)) => match reader.get::<Value>(&below(target, "pulls")).await {
            Ok(pull) => Ok(parse(&pull, true)),
            Err(GitHubError::NotFound(_)) => Err(absent),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    }
}

fn parse(item: &Value, pull: bool) -> Item {
    let assignees = item.get("assignees").and_then(Value::as_array).into_iter().flatten();
    let merged_at = item.get("merged_at").or_else(|| item.pointer("/pull_request/merged_at"));
    let closed = item.get("state").and_then(Value::as_str) == Some("closed");
    let reason = item.get("state_reason").and_then(Value::as_str).filter(|_| closed && !pull);
    Item {
        assignees: assignees.filter_map(|user| user.get("login")?.as_str().map(str::to_owned)).collect(),
        state: State {
            state: if closed { Open::Closed } else { Open::Open },
            reason: reason.map(str::to_owned),
            pull,
            merged: merged_at.is_some_and(|at| !at.is_null()),
        },
    }
}

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
