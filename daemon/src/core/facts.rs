//! Facts: everything a rule may look at, and whether we know it yet.
//!
//! A payload carries most of an item; the rest (files, reviews, checks, sometimes the pull request itself) costs a
//! request. A condition that needs such a fact answers "unknown, fetch this", so that the engine fetches only what can
//! still change a verdict.

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::Event;

/// A fact that may have to be fetched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Known<T> {
    /// Nobody has asked GitHub yet.
    #[default]
    NotYet,
    Is(T),
    /// GitHub was asked and would not say; the text says why, in words for a person.
    Unavailable(String),
}

/// A fact the engine can fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// The pull request, when the payload names it without describing it. One request.
    Item,
    /// Paths changed by the pull request. One request for each 100 files, at most 3,000 files (GitHub's limit).
    Files,
    /// Latest review of each reviewer. One request for each 100 reviews.
    Reviews,
    /// Check runs and commit statuses of the head commit. Two requests.
    Checks,
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Item => "the pull request",
            Self::Files => "the changed files",
            Self::Reviews => "the reviews",
            Self::Checks => "the checks",
        })
    }
}

pub type FactKinds = BTreeSet<FactKind>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    Issue,
    PullRequest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemState {
    Open,
    Closed,
    Merged,
}

/// An issue or pull request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub kind: ItemKind,
    pub number: u64,
    pub title: String,
    pub body: String,
    pub state: ItemState,
    pub author: String,
    /// GitHub's word: `OWNER`, `MEMBER`, `CONTRIBUTOR`, `FIRST_TIME_CONTRIBUTOR`, `NONE`, …
    pub author_association: String,
    pub labels: Vec<String>,
    pub assignees: Vec<String>,
    pub milestone: Option<String>,
    pub created_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
    /// What only a pull request has. `NotYet` on a pull request whose payload did not describe it.
    pub pull: Known<Pull>,
}

/// The part of an item that only a pull request has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pull {
    pub draft: bool,
    pub base: String,
    pub head: String,
    pub head_sha: String,
    /// False when the head branch lives in another repository (a fork).
    pub same_repository: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    Approved,
    ChangesRequested,
    Commented,
    Dismissed,
}

/// The latest review of one reviewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub reviewer: String,
    pub state: ReviewState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    Pending,
    Failing,
    Passing,
}

/// A check run or a commit status on the head commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub state: CheckState,
}

/// What is known when a decision is taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// `None`: the event is about no issue or pull request.
    pub item: Option<Known<Item>>,
    pub files: Known<Vec<String>>,
    pub reviews: Known<Vec<Review>>,
    pub checks: Known<Vec<Check>>,
}

impl Facts {
    /// What the payload itself tells.
    pub fn from_event(event: &Event) -> Self {
        let item = event.item.map(|number| item_from_payload(&event.payload, number));
        Self { item, ..Self::default() }
    }

    /// The item, when it is known.
    pub fn known_item(&self) -> Option<&Item> {
        match &self.item {
            Some(Known::Is(item)) => Some(item),
            _ => None,
        }
    }
}

fn item_from_payload(payload: &Value, number: u64) -> Known<Item> {
    if let Some(pull) = payload.get("pull_request").filter(|pull| pull.get("head").is_some()) {
        return Known::Is(item_from_pull(pull));
    }
    match payload.get("issue") {
        Some(issue) => {
            let mut item = item_from_issue(issue);
            item.number = number;
            Known::Is(item)
        }
        None => Known::NotYet,
    }
}

/// Reads GitHub's pull request object (a payload's `pull_request`, or the answer of `GET …/pulls/N`).
pub fn item_from_pull(pull: &Value) -> Item {
    let mut item = item_from_issue(pull);
    item.kind = ItemKind::PullRequest;
    let merged = pull.get("merged").and_then(Value::as_bool).unwrap_or(false)
        || pull.get("merged_at").is_some_and(|at| !at.is_null());
    if merged {
        item.state = ItemState::Merged;
    }
    let repo_of = |side: &str| pull.pointer(&format!("/{side}/repo/full_name")).and_then(Value::as_str);
    item.pull = Known::Is(Pull {
        draft: pull.get("draft").and_then(Value::as_bool).unwrap_or(false),
        base: text(pull, "/base/ref"),
        head: text(pull, "/head/ref"),
        head_sha: text(pull, "/head/sha"),
        same_repository: repo_of("head").is_some() && repo_of("head") == repo_of("base"),
    });
    item
}

/// Reads GitHub's issue object (a payload's `issue`, or the answer of `GET …/issues/N`). A pull request seen as an
/// issue has `pull_request` in it, and its branches are not yet known.
pub fn item_from_issue(issue: &Value) -> Item {
    let names = |field: &str, key: &str| -> Vec<String> {
        let list = issue.get(field).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|each| each.get(key)?.as_str().map(str::to_owned)).collect()
    };
    let is_pull = issue.get("pull_request").is_some_and(|pull| !pull.is_null());
    let merged = issue.pointer("/pull_request/merged_at").is_some_and(|at| !at.is_null());
    let state = match issue.get("state").and_then(Value::as_str) {
        Some("closed") if merged => ItemState::Merged,
        Some("closed") => ItemState::Closed,
        _ => ItemState::Open,
    };
    Item {
        kind: if is_pull { ItemKind::PullRequest } else { ItemKind::Issue },
        number: issue.get("number").and_then(Value::as_u64).unwrap_or_default(),
        title: text(issue, "/title"),
        body: text(issue, "/body"),
        state,
        author: text(issue, "/user/login"),
        author_association: text(issue, "/author_association"),
        labels: names("labels", "name"),
        assignees: names("assignees", "login"),
        milestone: issue.pointer("/milestone/title").and_then(Value::as_str).map(str::to_owned),
        created_at: time(issue, "/created_at"),
        updated_at: time(issue, "/updated_at"),
        pull: Known::NotYet,
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn time(value: &Value, pointer: &str) -> Option<DateTime<Utc>> {
    let text = value.pointer(pointer)?.as_str()?;
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}
