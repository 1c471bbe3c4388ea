//! Installations of the GitHub App, as GitHub's answers and its events describe them, and what one may do.
//!
//! Answers and payloads are untrusted and vary: what is missing or oddly typed is absent, and every list has a bound.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::{Event, EventKind, InstallationId, RepoName};

/// GitHub knows some sixty permissions and as many events: more than this is not GitHub.
const MOST_WORDS: usize = 500;
/// Longest word or name that is kept, in characters.
const LONGEST: usize = 255;
/// Repositories that one event is believed to name. GitHub sends 25 MB at most, which is far more than this.
const MOST_REPOSITORIES: usize = 10_000;

/// What GitHub says of an installation: the same in `GET /app/installations` and in the events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    pub id: InstallationId,
    pub account_login: String,
    /// `Organization`, `User` or `Enterprise`.
    pub account_type: String,
    pub target_type: String,
    /// `all` or `selected`.
    pub repository_selection: String,
    /// Permission to `read`, `write` or `admin`.
    pub permissions: BTreeMap<String, String>,
    /// Names of the events it subscribes to.
    pub events: Vec<String>,
    pub suspended_at: Option<DateTime<Utc>>,
    pub updated_at: Option<DateTime<Utc>>,
}

/// A repository that an installation covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredRepository {
    pub github_id: i64,
    pub name: RepoName,
    pub is_private: bool,
    /// Events name less than the list does; what they leave out stays as it is known.
    pub description: Option<String>,
    pub url: Option<String>,
    pub default_branch: Option<String>,
}

/// What an event tells of an installation, for when GitHub cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    pub id: InstallationId,
    /// `None`: the event names it without describing it.
    pub installation: Option<Installation>,
    pub deleted: bool,
    pub renamed: Option<String>,
    pub added: Vec<CoveredRepository>,
    /// GitHub's ids.
    pub removed: Vec<i64>,
    /// When it was so, by GitHub's clock.
    pub at: DateTime<Utc>,
}

/// Why an installation can do nothing, for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    Suspended { account: String, since: Option<DateTime<Utc>> },
    Deleted { account: String, since: DateTime<Utc> },
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let day = |at: &DateTime<Utc>| at.format("%Y-%m-%d %H:%M UTC").to_string();
        match self {
            Self::Suspended { account, since } => {
                let since = since.as_ref().map(|at| format!(" since {}", day(at))).unwrap_or_default();
                write!(f, "the App's installation on {account} is suspended{since}; this goes on when it no longer is")
            }
            Self::Deleted { account, since } => {
                write!(f, "the App is no longer installed on {account} ({})", day(since))
            }
        }
    }
}

/// Whether an event of this kind tells of installations. Such an event is looked at although no rule waits for it.
pub fn is_news(kind: &EventKind) -> bool {
    matches!(kind.name.as_str(), "installation" | "installation_repositories" | "installation_target")
}

impl Installation {
    /// `None`: there is no id, or nobody it is installed on.
    pub fn read(value: &Value) -> Option<Self> {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(short);
        let permissions = value.get("permissions").and_then(Value::as_object).into_iter().flatten();
        let events = value.get("events").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            id: InstallationId(value.get("id")?.as_i64()?),
            // An enterprise has no login.
            account_login: text("/account/login").or_else(|| text("/account/slug"))?,
            account_type: text("/account/type").or_else(|| text("/target_type")).unwrap_or_default(),
            target_type: text("/target_type").unwrap_or_default(),
            repository_selection: text("/repository_selection").unwrap_or_default(),
            permissions: permissions
                .filter_map(|(name, level)| Some((short(name), short(level.as_str()?))))
                .take(MOST_WORDS)
                .collect(),
            events: events.filter_map(Value::as_str).map(short).take(MOST_WORDS).collect(),
            suspended_at: value.get("suspended_at").and_then(time),
            updated_at: value.get("updated_at").and_then(time),
        })
    }
}

impl CoveredRepository {
    /// `None`: there is no id, or no name that GitHub would allow.
    pub fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            github_id: value.get("id")?.as_i64()?,
            name: RepoName::parse(value.get("full_name")?.as_str()?).ok()?,
            is_private: value.get("private").and_then(Value::as_bool).unwrap_or(false),
            description: text("description"),
            url: text("html_url"),
            default_branch: text("default_branch"),
        })
    }
}

/// What an event tells of an installation; `None`: nothing, or not of which.
pub fn news(event: &Event) -> Option<News> {
    if !is_news(&event.kind) {
        return None;
    }
    let action = event.kind.action.as_deref().unwrap_or_default();
    let payload = &event.payload;
    let installation = payload.get("installation").and_then(Installation::read);
    let list = |key: &str| payload.get(key).and_then(Value::as_array).into_iter().flatten().take(MOST_REPOSITORIES);
    let updated = installation.as_ref().and_then(|told| told.updated_at);
    let suspended = installation.as_ref().and_then(|told| told.suspended_at);
    let removed = match event.kind.name.as_str() {
        "installation_repositories" => {
            list("repositories_removed").filter_map(|each| each.get("id")?.as_i64()).collect()
        }
        _ => Vec::new(),
    };
    let added = match (event.kind.name.as_str(), action) {
        ("installation_repositories", _) => "repositories_added",
        ("installation", "created" | "unsuspend" | "new_permissions_accepted") => "repositories",
        _ => "",
    };
    let login = || payload.pointer("/account/login").and_then(Value::as_str).map(short);
    Some(News {
        id: event.installation?,
        deleted: event.kind.name == "installation" && action == "deleted",
        renamed: if event.kind.name == "installation_target" { login() } else { None },
        added: list(added).filter_map(CoveredRepository::read).collect(),
        removed,
        at: told_at(updated.max(suspended), event.received_at),
        installation,
    })
}

/// GitHub tells whole seconds: the end of one is when it surely was so. Ours only when it names none, and never one that
/// lies ahead of us.
fn told_at(named: Option<DateTime<Utc>>, received_at: DateTime<Utc>) -> DateTime<Utc> {
    named.map_or(received_at, |at| (at + TimeDelta::milliseconds(999)).min(received_at))
}

/// GitHub writes a time as text, and in some events as seconds since 1970.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc)),
        Value::Number(seconds) => DateTime::from_timestamp(seconds.as_i64()?, 0),
        _ => None,
    }
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::condition::properties::any_json;
    use crate::core::condition::table::event;

    fn shown() -> Value {
        json!({
            "id": 5, "account": {"login": "acme", "type": "Organization"}, "target_type": "Organization",
            "repository_selection": "all", "permissions": {"issues": "write", "odd": 5}, "events": ["push", 7],
            "suspended_at": null, "updated_at": 1_700_000_000,
        })
    }

    #[test]
    fn an_installation_is_read_and_oddities_are_left_out() {
        let read = Installation::read(&shown()).unwrap();
        assert_eq!((read.id, read.account_login.as_str()), (InstallationId(5), "acme"));
        assert_eq!(read.permissions, BTreeMap::from([("issues".to_owned(), "write".to_owned())]));
        assert_eq!(read.events, ["push"]);
        assert_eq!(read.updated_at.unwrap().timestamp(), 1_700_000_000);
        assert_eq!(Installation::read(&json!({"id": 5})), None);
        let enterprise = json!({"id": 6, "account": {"slug": "megacorp"}, "target_type": "Enterprise"});
        assert_eq!(Installation::read(&enterprise).unwrap().account_type, "Enterprise");
    }

    #[test]
    fn what_events_tell() {
        let mut payload = json!({
            "action": "suspend", "installation": shown(),
            "repositories": [{"id": 1, "full_name": "acme/web", "private": true}, {"id": 2, "full_name": "../x"}],
        });
        payload["installation"]["suspended_at"] = "2024-01-01T00:00:00Z".into();
        let told = news(&event("installation", payload.clone())).unwrap();
        assert!(!told.deleted && told.added.is_empty());
        assert_eq!(told.at.to_rfc3339(), "2024-01-01T00:00:00.999+00:00", "the later of the two times");
        payload["action"] = "created".into();
        let told = news(&event("installation", payload.clone())).unwrap();
        assert_eq!(told.added.iter().map(|each| each.name.as_str()).collect::<Vec<_>>(), ["acme/web"]);
        payload["action"] = "deleted".into();
        assert!(news(&event("installation", payload)).unwrap().deleted);
        let moved = json!({"action": "removed", "installation": {"id": 5}, "repositories_removed": [{"id": 9}]});
        assert_eq!(news(&event("installation_repositories", moved)).unwrap().removed, [9]);
        let renamed = json!({"action": "renamed", "installation": {"id": 5}, "account": {"login": "acme-corp"}});
        let told = news(&event("installation_target", renamed)).unwrap();
        assert_eq!((told.renamed.as_deref(), told.installation), (Some("acme-corp"), None));
        assert_eq!(news(&event("push", json!({"installation": {"id": 5}}))), None);
    }

    proptest! {
        #[test]
        fn any_payload_is_read(name in "installation|installation_repositories|installation_target", payload in any_json()) {
            news(&event(&name, payload));
        }
    }
}
