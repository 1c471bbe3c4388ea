//! Which events end what is known of whom: in this daemon, and in the others on the same database.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::events::NewEvent;
use crate::store::{Db, StoreError};

/// People and owners of whom it is remembered when an event last told of them. Beyond, all answers end.
const MOST_TOLD_OF: usize = 10_000;

/// How long after the connection to the database broke it is tried again.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// Whose answers an event ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Touched {
    Person(String),
    /// Everybody who sees something of this account.
    Owner(String),
    Everybody,
}

/// When events last told of a change of who sees what. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    /// Grows with every such event.
    count: u64,
    last: HashMap<Touched, u64>,
}

impl Changes {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event has come. To be called before it is acknowledged. What it means is told to the other daemons on a shared
    /// database; one that cannot be told goes by `access.cache`.
    pub async fn hear(&self, event: &NewEvent, db: &Db) {
        let touched = touched(&event.event_type, event.event_action.as_deref(), || {
            serde_json::from_slice(&event.payload).unwrap_or(Value::Null)
        });
        let Some(touched) = touched else { return };
        self.note(touched.clone());
        let told = match serde_json::to_string(&touched) {
            Ok(told) => db.tell_of_sight(&told).await,
            Err(_) => Ok(()),
        };
        if let Err(error) = told {
            tracing::warn!(%error, "other daemons are not told that somebody's access has changed: they see it later");
        }
    }

    /// Notes what daemons on a shared database tell each other, until dropped.
    pub async fn follow(self, db: Db) {
        loop {
            match self.follow_until_lost(&db).await {
                Ok(never) => match never {},
                Err(error) => tracing::warn!(%error, "changes of who sees what are not heard of from other daemons"),
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    async fn follow_until_lost(&self, db: &Db) -> Result<Infallible, StoreError> {
        let mut news = db.listen_for_sight().await?;
        // Nobody listened before.
        self.note(Touched::Everybody);
        loop {
            let told = news.next().await?;
            let touched = told.and_then(|told| serde_json::from_str(&told).ok());
            self.note(touched.unwrap_or(Touched::Everybody));
        }
    }

    fn note(&self, touched: Touched) {
        let mut told = self.lock();
        told.count += 1;
        let count = told.count;
        let touched = if told.last.len() < MOST_TOLD_OF { touched } else { Touched::Everybody };
        if touched == Touched::Everybody {
            told.last.clear();
        }
        told.last.insert(touched, count);
    }

    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    /// The last event that touches an answer about this person.
    pub(super) fn last(&self, login: &str, owners: &BTreeSet<String>) -> u64 {
        let told = self.lock();
        let named = owners.iter().cloned().map(Touched::Owner);
        let all = named.chain([Touched::Person(login.to_ascii_lowercase()), Touched::Everybody]);
        all.filter_map(|touched| told.last.get(&touched)).max().copied().unwrap_or(0)
    }
}

/// Whose answers an event ends, if any. What can give somebody something of an account of which they had nothing ends
/// all, since no answer names the account.
fn touched(event: &str, action: Option<&str>, payload: impl FnOnce() -> Value) -> Option<Touched> {
    let person = |payload: Value, pointer: &str| {
        let login = payload.pointer(pointer).and_then(Value::as_str);
        Some(login.map_or(Touched::Everybody, |login| Touched::Person(login.to_ascii_lowercase())))
    };
    match (event, action) {
        ("member" | "membership", _) => person(payload(), "/member/login"),
        ("organization", Some("member_added" | "member_removed")) => person(payload(), "/membership/user/login"),
        ("github_app_authorization", _) => person(payload(), "/sender/login"),
        (
            "repository",
            Some("renamed" | "privatized" | "publicized" | "deleted" | "archived" | "unarchived" | "edited"),
        ) => {
            let payload = payload();
            let owner = payload.pointer("/repository/owner/login").and_then(Value::as_str);
            Some(owner.map_or(Touched::Everybody, |owner| Touched::Owner(owner.to_ascii_lowercase())))
        }
        ("repository", Some("transferred" | "created"))
        | ("organization", Some("renamed" | "deleted"))
        | ("team" | "team_add" | "installation" | "installation_repositories" | "installation_target", _) => {
            Some(Touched::Everybody)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(event: &str, action: Option<&str>, payload: &Value) -> Option<Touched> {
        touched(event, action, || payload.clone())
    }

    #[test]
    fn events_touch_one_person_an_owner_or_everybody() {
        let alice = Some(Touched::Person("alice".to_owned()));
        let member = json!({"member": {"login": "Alice"}, "membership": {"user": {"login": "Alice"}}, "sender": {"login": "Alice"}});
        assert_eq!(of("member", Some("edited"), &member), alice);
        assert_eq!(of("membership", Some("removed"), &member), alice);
        assert_eq!(of("organization", Some("member_removed"), &member), alice);
        assert_eq!(of("github_app_authorization", Some("revoked"), &member), alice);
        assert_eq!(of("member", Some("added"), &json!({})), Some(Touched::Everybody), "nobody is named");
        let renamed = json!({"repository": {"owner": {"login": "Acme"}}});
        assert_eq!(of("repository", Some("renamed"), &renamed), Some(Touched::Owner("acme".to_owned())));
        assert_eq!(of("installation", Some("created"), &json!({})), Some(Touched::Everybody));
        assert_eq!(of("team_add", None, &json!({})), Some(Touched::Everybody));
        assert_eq!(of("organization", Some("member_invited"), &member), None);
        assert_eq!(of("push", None, &json!({})), None);
    }

    #[test]
    fn an_answer_is_as_old_as_the_last_event_that_touches_it() {
        let changes = Changes::default();
        let owners = BTreeSet::from(["acme".to_owned()]);
        assert_eq!(changes.last("alice", &owners), 0);
        changes.note(Touched::Person("alice".to_owned()));
        changes.note(Touched::Owner("other".to_owned()));
        assert_eq!((changes.last("Alice", &owners), changes.last("bob", &owners)), (1, 0));
        changes.note(Touched::Owner("acme".to_owned()));
        assert_eq!(changes.last("bob", &owners), 3);
        changes.note(Touched::Everybody);
        assert_eq!(changes.last("bob", &BTreeSet::new()), 4);
    }

    #[test]
    fn too_many_names_end_all_answers() {
        let changes = Changes::default();
        for number in 0..=MOST_TOLD_OF {
            changes.note(Touched::Person(format!("person-{number}")));
        }
        assert_eq!(changes.last("nobody", &BTreeSet::new()), MOST_TOLD_OF as u64 + 1);
    }
}
