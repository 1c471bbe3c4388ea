//! What GitHub is about, as far as the fake goes: plain data that both the fake's state and the payload generator use.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::seed::Seed;

pub type Time = DateTime<Utc>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserKind {
    User,
    Bot,
    Organization,
}

impl UserKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Bot => "Bot",
            Self::Organization => "Organization",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: i64,
    pub login: String,
    pub kind: UserKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub id: i64,
    pub name: String,
    pub color: String,
    pub description: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Milestone {
    pub id: i64,
    pub number: u64,
    pub title: String,
}

#[derive(Clone, Debug)]
pub struct Comment {
    pub id: i64,
    pub author: User,
    pub body: String,
    pub created_at: Time,
    pub updated_at: Time,
}

/// A reaction to a comment.
#[derive(Clone, Debug)]
pub struct Reaction {
    pub id: i64,
    pub comment: i64,
    pub by: User,
    /// `+1`, `confused`, …
    pub content: String,
}

#[derive(Clone, Debug)]
pub struct Review {
    pub id: i64,
    pub author: User,
    /// `APPROVED`, `CHANGES_REQUESTED`, `COMMENTED` or `DISMISSED`.
    pub state: String,
    pub body: String,
    pub commit: String,
    pub submitted_at: Time,
}

/// A team of an organisation, which may write to all of its repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    pub id: i64,
    pub organization: String,
    pub slug: String,
    /// Logins.
    pub members: Vec<String>,
}

impl Team {
    /// `org/slug`
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.organization, self.slug)
    }
}

/// A file of a pull request.
#[derive(Clone, Debug)]
pub struct File {
    pub path: String,
    /// `added`, `modified`, `removed` or `renamed`.
    pub status: String,
    pub additions: u64,
    pub deletions: u64,
}

impl File {
    pub fn modified(path: impl Into<String>) -> Self {
        Self { path: path.into(), status: "modified".to_owned(), additions: 7, deletions: 2 }
    }
}

#[derive(Clone, Debug)]
pub struct CheckRun {
    pub id: i64,
    pub name: String,
    pub sha: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    pub conclusion: Option<String>,
    /// What the App that made it calls it.
    pub external_id: Option<String>,
    pub started_at: Time,
    /// What an App said with it; `None`: GitHub's own CI made it.
    pub output: Option<serde_json::Value>,
}

#[derive(Clone, Debug)]
pub struct Status {
    pub id: i64,
    pub context: String,
    pub sha: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: String,
    pub description: String,
    pub target_url: Option<String>,
    pub at: Time,
}

/// A run of a workflow that somebody started by hand or by the API.
#[derive(Clone, Debug)]
pub struct WorkflowRun {
    pub id: i64,
    pub file: String,
    /// Branch or tag.
    pub branch: String,
    pub sha: String,
    pub actor: User,
    pub at: Time,
}

/// GitHub Actions of a repository.
#[derive(Clone, Debug, Default)]
pub struct Actions {
    /// Files that have an `on: workflow_dispatch`.
    pub workflows: BTreeSet<String>,
    /// Oldest first.
    pub runs: Vec<WorkflowRun>,
    /// Runs that a test describes, with their `jobs`: by id and attempt.
    pub described: BTreeMap<(u64, u64), (serde_json::Value, serde_json::Value)>,
    /// Runs are not listed yet.
    pub late: bool,
    /// What was dispatched, workflows and events, as it was asked for.
    pub dispatched: Vec<serde_json::Value>,
}

/// What only a pull request has.
#[derive(Clone, Debug)]
pub struct Pull {
    pub id: i64,
    pub draft: bool,
    pub base_ref: String,
    pub base_sha: String,
    pub head_ref: String,
    pub head_sha: String,
    /// Owner of the fork the head branch lives in; `None`: the same repository.
    pub fork_owner: Option<User>,
    pub merged_at: Option<Time>,
    pub merged_by: Option<User>,
    /// The commit on the base branch that the merge made.
    pub merge_sha: Option<String>,
    /// Whether the branches conflict.
    pub conflicts: bool,
    /// How often GitHub is asked before it has worked out whether the branches can be merged.
    pub unknown: u32,
    pub commits: u64,
    pub files: Vec<File>,
    pub reviews: Vec<Review>,
    pub requested_reviewers: Vec<User>,
    pub requested_teams: Vec<Team>,
}

/// One thing that happened on an item, for its timeline.
#[derive(Clone, Debug)]
pub struct Moment {
    pub id: i64,
    /// GitHub's word: `labeled`, `unlabeled`, `assigned`, `closed`, …
    pub event: String,
    pub actor: User,
    /// What the event is about: a label, a login, a comment id, a commit.
    pub subject: Option<String>,
    pub at: Time,
}

/// An issue or a pull request.
#[derive(Clone, Debug)]
pub struct Item {
    pub id: i64,
    pub number: u64,
    pub title: String,
    pub body: Option<String>,
    pub open: bool,
    pub state_reason: Option<String>,
    pub author: User,
    pub author_association: String,
    pub labels: Vec<Label>,
    pub assignees: Vec<User>,
    pub milestone: Option<Milestone>,
    pub locked: bool,
    /// `off-topic`, `too heated`, `resolved` or `spam`.
    pub lock_reason: Option<String>,
    pub comments: Vec<Comment>,
    pub timeline: Vec<Moment>,
    pub created_at: Time,
    pub updated_at: Time,
    pub closed_at: Option<Time>,
    pub pull: Option<Pull>,
}

impl Item {
    pub fn is_pull(&self) -> bool {
        self.pull.is_some()
    }
}

#[derive(Clone, Debug)]
pub struct Repository {
    pub id: i64,
    pub owner: User,
    pub name: String,
    pub private: bool,
    pub description: Option<String>,
    pub homepage: Option<String>,
    pub language: Option<String>,
    pub topics: Vec<String>,
    pub default_branch: String,
    pub stars: u64,
    pub size: u64,
    pub created_at: Time,
    pub labels: BTreeMap<String, Label>,
    pub milestones: Vec<Milestone>,
    /// Logins that may be assigned.
    pub collaborators: BTreeSet<String>,
    /// Roles of logins, where a collaborator has another one than `write`.
    pub roles: BTreeMap<String, String>,
    pub reactions: Vec<Reaction>,
    pub items: BTreeMap<u64, Item>,
    pub checks: Vec<CheckRun>,
    pub statuses: Vec<Status>,
    /// The latest commit of each branch that a pull request named or somebody pushed to.
    pub branches: BTreeMap<String, String>,
    pub actions: Actions,
    /// By branch or commit, then by path.
    pub files: BTreeMap<String, BTreeMap<String, String>>,
    /// What has to be so before something is merged into a branch.
    pub rules: BTreeMap<String, BranchRules>,
}

/// Rules of a branch, as far as merging goes.
#[derive(Clone, Debug, Default)]
pub struct BranchRules {
    /// Names of checks that have to pass.
    pub checks: Vec<String>,
    pub approvals: usize,
    /// Whether the head has to have every commit of the base.
    pub up_to_date: bool,
}

impl Repository {
    /// An empty repository with GitHub's usual labels.
    pub fn new(seed: &mut Seed, owner: User, name: &str, created_at: Time) -> Self {
        let mut repository = Self {
            id: seed.id(),
            owner,
            name: name.to_owned(),
            private: false,
            description: None,
            homepage: None,
            language: Some("Rust".to_owned()),
            topics: Vec::new(),
            default_branch: "main".to_owned(),
            stars: seed.below(900),
            size: seed.below(90_000),
            created_at,
            labels: BTreeMap::new(),
            milestones: Vec::new(),
            collaborators: BTreeSet::new(),
            roles: BTreeMap::new(),
            reactions: Vec::new(),
            items: BTreeMap::new(),
            checks: Vec::new(),
            statuses: Vec::new(),
            branches: BTreeMap::new(),
            actions: Actions::default(),
            files: BTreeMap::new(),
            rules: BTreeMap::new(),
        };
        for (name, color) in USUAL_LABELS {
            let label = Label { id: seed.id(), name: name.to_owned(), color: color.to_owned(), description: None };
            repository.labels.insert(name.to_lowercase(), label);
        }
        repository
    }

    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner.login, self.name)
    }

    pub fn open_items(&self) -> u64 {
        self.items.values().filter(|item| item.open).count() as u64
    }

    pub fn next_number(&self) -> u64 {
        self.items.keys().next_back().map_or(1, |last| last + 1)
    }
}

const USUAL_LABELS: [(&str, &str); 7] = [
    ("bug", "d73a4a"),
    ("documentation", "0075ca"),
    ("duplicate", "cfd3d7"),
    ("enhancement", "a2eeef"),
    ("good first issue", "7057ff"),
    ("help wanted", "008672"),
    ("question", "d876e3"),
];
