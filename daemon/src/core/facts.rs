//! Facts: everything a rule may look at, and whether we know it yet.
//!
//! A payload carries most of an item; the rest (files, reviews, checks, sometimes the pull request itself) costs a
//! request. A condition that needs such a fact answers "unknown, fetch this", so that the engine fetches only what can
//! still change a verdict.

mod beside;

pub use beside::Beside;

use std::collections::BTreeSet;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::Event;
use super::role::Role;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// The role of whoever caused the event. One request.
    Role,
    /// The run of a workflow, with its jobs. One request, and one for each 100 jobs.
    Run,
}

impl FactKind {
    pub const ALL: [Self; 6] = [Self::Item, Self::Files, Self::Reviews, Self::Checks, Self::Role, Self::Run];

    /// What asking for it costs.
    pub fn cost(self) -> &'static str {
        match self {
            Self::Item => "a request, when the payload does not describe the pull request",
            Self::Files => "a request for each 100 files",
            Self::Reviews => "a request for each 100 reviews",
            Self::Checks => "two requests, and one when the head commit is not known",
            Self::Role => "a request",
            Self::Run => "a request, and one for each 100 jobs",
        }
    }
}

impl fmt::Display for FactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Item => "the pull request",
            Self::Files => "the changed files",
            Self::Reviews => "the reviews",
            Self::Checks => "the checks",
            Self::Role => "the role of whoever did it",
            Self::Run => "the workflow run",
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

/// A run of a workflow, as GitHub tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// `queued`, `in_progress`, `completed`, …
    pub status: String,
    /// Once it is completed: `success`, `failure`, `cancelled`, …
    pub conclusion: Option<String>,
    /// What started it: `push`, `pull_request`, …
    pub event: String,
    /// Of a pull request the head, and not the merge commit that is tested.
    pub head_sha: String,
    pub head_branch: Option<String>,
    pub attempt: u64,
    /// Of that attempt.
    pub jobs: Vec<Job>,
}

/// A job of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub name: String,
    pub status: String,
    pub conclusion: Option<String>,
}

/// What is known when a decision is taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// `None`: the event is about no issue or pull request.
    pub item: Option<Known<Item>>,
    pub files: Known<Vec<String>>,
    pub reviews: Known<Vec<Review>>,
    pub checks: Known<Vec<Check>>,
    /// Of whoever caused the event.
    pub role: Known<Role>,
    pub run: Known<Run>,
}

impl Facts {
    /// What the payload itself tells.
    pub fn from_event(event: &Event) -> Self {
        let item = event.item.map(|number| item_from_payload(&event.payload, number));
        Self { item, ..Self::default() }
    }

    /// Why facts cannot be had, of those that GitHub was asked for and would not tell.
    pub fn refusals(&self) -> impl Iterator<Item = &str> {
        fn refusal<T>(fact: &Known<T>) -> Option<&str> {
            if let Known::Unavailable(reason) = fact { Some(reason) } else { None }
        }
        let pull = self.known_item().and_then(|item| refusal(&item.pull));
        let item = self.item.as_ref().and_then(refusal);
        let others = [refusal(&self.files), refusal(&self.reviews), refusal(&self.checks)];
        others.into_iter().chain([refusal(&self.role), refusal(&self.run), item, pull]).flatten()
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::condition::properties::any_json;
    use crate::core::condition::table::event;

    fn pull(changes: Value) -> Value {
        let mut pull = json!({
            "number": 7, "title": "Docs", "body": null, "state": "open", "draft": true, "user": {"login": "alice"},
            "author_association": "MEMBER", "labels": [{"name": "bug"}, {"id": 1}, "odd"],
            "assignees": [{"login": "bob"}], "milestone": {"title": "v2"}, "created_at": "2026-01-01T12:00:00Z",
            "updated_at": "yesterday", "merged": false, "merged_at": null,
            "base": {"ref": "main", "repo": {"full_name": "acme/site"}},
            "head": {"ref": "docs", "sha": "abc", "repo": {"full_name": "acme/site"}},
        });
        for (key, value) in changes.as_object().unwrap() {
            pull[key] = value.clone();
        }
        pull
    }

    #[test]
    fn a_pull_request_is_read_and_what_is_odd_in_it_is_absent() {
        let facts = Facts::from_event(&event("pull_request", json!({"pull_request": pull(json!({}))})));
        let item = facts.known_item().unwrap();
        assert_eq!((item.kind, item.number, item.state), (ItemKind::PullRequest, 7, ItemState::Open));
        assert_eq!((item.title.as_str(), item.body.as_str(), item.author.as_str()), ("Docs", "", "alice"));
        assert_eq!((item.labels.as_slice(), item.assignees.as_slice()), (&["bug".into()][..], &["bob".into()][..]));
        assert_eq!(item.milestone.as_deref(), Some("v2"));
        assert_eq!(item.created_at.map(|at| at.timestamp()), Some(1_767_268_800));
        assert_eq!(item.updated_at, None);
        let (base, head, head_sha) = ("main".to_owned(), "docs".to_owned(), "abc".to_owned());
        assert_eq!(item.pull, Known::Is(Pull { draft: true, base, head, head_sha, same_repository: true }));
        assert_eq!((facts.files, facts.reviews, facts.checks), (Known::NotYet, Known::NotYet, Known::NotYet));
    }

    #[test]
    fn the_state_of_a_pull_request() {
        for (changes, state) in [
            (json!({}), ItemState::Open),
            (json!({"state": 1}), ItemState::Open),
            (json!({"state": "closed"}), ItemState::Closed),
            (json!({"state": "closed", "merged": true}), ItemState::Merged),
            (json!({"state": "closed", "merged_at": "2026-01-02T00:00:00Z"}), ItemState::Merged),
        ] {
            assert_eq!(item_from_pull(&pull(changes.clone())).state, state, "{changes}");
        }
    }

    #[test]
    fn a_head_elsewhere_or_gone_is_not_of_the_same_repository() {
        for repo in [json!({"full_name": "alice/site"}), json!(null)] {
            let item = item_from_pull(&pull(json!({"head": {"ref": "docs", "sha": "abc", "repo": repo}})));
            assert!(matches!(item.pull, Known::Is(Pull { same_repository: false, .. })), "{repo}");
        }
    }

    #[test]
    fn which_payloads_describe_their_item() {
        let issue = json!({"number": 9, "state": "closed"});
        let seen_as_issue =
            json!({"number": 9, "state": "closed", "pull_request": {"merged_at": "2026-01-02T00:00:00Z"}});
        let kind_and_state = |payload: Value| {
            let facts = Facts::from_event(&event("any", payload));
            facts.known_item().map(|item| (item.kind, item.state, item.pull == Known::NotYet))
        };
        assert_eq!(kind_and_state(json!({"issue": issue})), Some((ItemKind::Issue, ItemState::Closed, true)));
        let merged = Some((ItemKind::PullRequest, ItemState::Merged, true));
        assert_eq!(kind_and_state(json!({"issue": seen_as_issue})), merged);
        // A check names its pull request without describing it; a push is about none.
        let check = event("check_run", json!({"check_run": {"pull_requests": [{"number": 3}]}}));
        assert_eq!(Facts::from_event(&check).item, Some(Known::NotYet));
        assert_eq!(Facts::from_event(&event("push", json!({"ref": "refs/heads/main"}))).item, None);
    }

    proptest! {
        #[test]
        fn any_payload_becomes_an_event_and_facts(name in "\\PC{0,20}", payload in any_json()) {
            Facts::from_event(&event(&name, payload));
        }

        #[test]
        fn a_described_pull_request_of_any_shape_is_read(mut about in any_json(), number in any::<u64>()) {
            if let Some(map) = about.as_object_mut() {
                map.insert("number".to_owned(), json!(number));
                map.insert("head".to_owned(), json!({}));
            }
            Facts::from_event(&event("pull_request", json!({"pull_request": about, "issue": about})));
            item_from_pull(&about);
            item_from_issue(&about);
        }
    }
}
