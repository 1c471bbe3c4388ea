//! What an action acts on: an issue or pull request, a commit, or the repository as such; and which events name one.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::Event;

/// Git's id of a commit: 40 or 64 hexadecimal digits, so it is safe in a path. Never the null id, which stands for "none".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

/// Why a text is not the id of a commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a commit: it has 40 or 64 hexadecimal digits")]
pub struct NotACommit(String);

impl CommitId {
    /// # Errors
    /// When it has another length or another character, or is all zeros.
    pub fn parse(text: &str) -> Result<Self, NotACommit> {
        let hexadecimal = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hexadecimal && text.bytes().any(|byte| byte != b'0') {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NotACommit(text.chars().take(64).collect()))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CommitId {
    type Error = NotACommit;
    fn try_from(text: String) -> Result<Self, NotACommit> {
        Self::parse(&text)
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> Self {
        id.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an effect is about, within its repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The issue or pull request whose number the target has.
    #[default]
    Item,
    Commit(CommitId),
    /// The repository as such.
    Repository,
}

impl Subject {
    pub fn is_item(&self) -> bool {
        *self == Self::Item
    }

    pub fn kind(&self) -> SubjectKind {
        match self {
            Self::Item => SubjectKind::Item,
            Self::Commit(_) => SubjectKind::Commit,
            Self::Repository => SubjectKind::Repository,
        }
    }
}

/// What an action needs to know of an event before it can act.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// An issue or pull request.
    #[default]
    Item,
    Commit,
    Repository,
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Item => "an issue or pull request",
            Self::Commit => "a commit",
            Self::Repository => "a repository",
        })
    }
}

/// Events that can name an issue or pull request, sorted; see `Event::item`.
const ABOUT_ITEMS: [&str; 14] = [
    "check_run",
    "check_suite",
    "deployment",
    "deployment_review",
    "deployment_status",
    "issue_comment",
    "issues",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_review_thread",
    "schedule",
    "workflow_context",
    "workflow_run",
];

/// Where GitHub puts the commit that an event is about. Of a pull request it is the head.
/// <https://docs.github.com/en/webhooks/webhook-events-and-payloads>
const ABOUT_COMMITS: [(&str, &str); 16] = [
    ("check_run", "/check_run/head_sha"),
    ("check_suite", "/check_suite/head_sha"),
    ("commit_comment", "/comment/commit_id"),
    ("deployment", "/deployment/sha"),
    ("deployment_protection_rule", "/deployment/sha"),
    ("deployment_status", "/deployment/sha"),
    ("merge_group", "/merge_group/head_sha"),
    ("pull_request", "/pull_request/head/sha"),
    ("pull_request_review", "/pull_request/head/sha"),
    ("pull_request_review_comment", "/pull_request/head/sha"),
    ("pull_request_review_thread", "/pull_request/head/sha"),
    ("push", "/after"),
    ("status", "/sha"),
    ("workflow_context", "/workflow_context/sha"),
    ("workflow_job", "/workflow_job/head_sha"),
    ("workflow_run", "/workflow_run/head_sha"),
];

/// Events of accounts and installations, which name no repository, sorted.
const ABOUT_NO_REPOSITORY: [&str; 12] = [
    "github_app_authorization",
    "installation",
    "installation_repositories",
    "installation_target",
    "marketplace_purchase",
    "org_block",
    "personal_access_token_request",
    "projects_v2",
    "projects_v2_item",
    "projects_v2_status_update",
    "security_advisory",
    "sponsorship",
];

/// Whether events of this name can be about such a thing. `None` is any event. An event of which that is not known can.
pub fn can_be_about(event: Option<&str>, kind: SubjectKind) -> bool {
    let Some(name) = event else { return true };
    match kind {
        SubjectKind::Item => ABOUT_ITEMS.binary_search(&name).is_ok(),
        SubjectKind::Commit => commit_pointer(name).is_some(),
        SubjectKind::Repository => ABOUT_NO_REPOSITORY.binary_search(&name).is_err(),
    }
}

/// Where events of this name have the commit that they are about, as a JSON pointer into the payload.
pub fn commit_pointer(event: &str) -> Option<&'static str> {
    ABOUT_COMMITS.iter().find(|(name, _)| *name == event).map(|(_, pointer)| *pointer)
}

/// The thing of that kind that the event is about, if it names one.
pub fn subject_of(event: &Event, kind: SubjectKind) -> Option<Subject> {
    event.repository.as_ref()?;
    match kind {
        SubjectKind::Item => event.item.map(|_| Subject::Item),
        SubjectKind::Commit => {
            let id = event.payload.pointer(commit_pointer(&event.kind.name)?).and_then(Value::as_str)?;
            CommitId::parse(id).ok().map(Subject::Commit)
        }
        SubjectKind::Repository => Some(Subject::Repository),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::condition::table::event;
    use crate::core::event_names::is_known;

    const SHA: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

    #[test]
    fn the_tables_are_sorted_and_name_events_that_exist() {
        assert!(ABOUT_ITEMS.is_sorted() && ABOUT_COMMITS.is_sorted() && ABOUT_NO_REPOSITORY.is_sorted());
        let commits = ABOUT_COMMITS.iter().map(|(name, _)| name);
        assert!(ABOUT_ITEMS.iter().chain(commits).chain(&ABOUT_NO_REPOSITORY).all(|name| is_known(name)));
    }

    #[test]
    fn an_event_is_about_what_its_payload_names() {
        let about = |name: &str, mut payload: Value| {
            payload["repository"] = json!({"full_name": "acme/site"});
            let event = event(name, payload);
            let kinds = [SubjectKind::Item, SubjectKind::Commit, SubjectKind::Repository];
            kinds.map(|kind| subject_of(&event, kind))
        };
        let commit = || Some(Subject::Commit(CommitId::parse(SHA).unwrap()));
        let repository = || Some(Subject::Repository);
        let item = || Some(Subject::Item);
        assert_eq!(about("push", json!({"after": SHA})), [None, commit(), repository()]);
        assert_eq!(about("push", json!({"after": "0".repeat(40)})), [None, None, repository()], "a deleted branch");
        assert_eq!(about("push", json!({"after": "../../evil"})), [None, None, repository()]);
        assert_eq!(about("release", json!({"action": "published"})), [None, None, repository()]);
        assert_eq!(about("issues", json!({"issue": {"number": 7}})), [item(), None, repository()]);
        let pull = json!({"pull_request": {"number": 7, "head": {"sha": SHA}}});
        assert_eq!(about("pull_request", pull), [item(), commit(), repository()]);
        let run = |pulls: Value| json!({"workflow_run": {"head_sha": SHA, "pull_requests": pulls}});
        assert_eq!(about("workflow_run", run(json!([{"number": 7}]))), [item(), commit(), repository()]);
        assert_eq!(about("workflow_run", run(json!([]))), [None, commit(), repository()]);
        let nowhere = event("push", json!({"after": SHA}));
        assert_eq!(subject_of(&nowhere, SubjectKind::Commit), None, "there is no repository");
    }

    #[test]
    fn what_an_event_can_never_be_about_is_known_beforehand() {
        for (name, item, commit, repository) in [
            (Some("issues"), true, false, true),
            (Some("pull_request"), true, true, true),
            (Some("push"), false, true, true),
            (Some("release"), false, false, true),
            (Some("installation"), false, false, false),
            (None, true, true, true),
        ] {
            let can = |kind| can_be_about(name, kind);
            let found = (can(SubjectKind::Item), can(SubjectKind::Commit), can(SubjectKind::Repository));
            assert_eq!(found, (item, commit, repository), "{name:?}");
        }
    }

    #[test]
    fn the_id_of_a_commit_is_nothing_else() {
        assert_eq!(CommitId::parse(&SHA.to_uppercase()).unwrap().as_str(), SHA);
        assert!(CommitId::parse(&"ab".repeat(32)).is_ok());
        for refused in ["", "main", &SHA[1..], &"0".repeat(64), &"g".repeat(40)] {
            assert!(CommitId::parse(refused).is_err(), "{refused}");
        }
    }
}
