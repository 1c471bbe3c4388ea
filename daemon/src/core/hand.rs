//! Changes people make by hand, as events tell them. What a person changed, no rule changes back (invariant 7).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::{Event, EventKind, RepoName};

/// The thing a person touched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "thing", content = "name")]
pub enum Thing {
    Label(String),
    Assignee(String),
    /// Open or closed.
    State,
}

/// Which way it was changed: put there (added, reopened) or taken away (removed, closed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    Put,
    Taken,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandChange {
    pub repository: RepoName,
    pub number: u64,
    #[serde(flatten)]
    pub thing: Thing,
    pub hand: Hand,
    /// Login of the person.
    pub by: String,
    pub at: DateTime<Utc>,
}

/// Whether an event of this kind can tell of a change by hand: all that needs no payload to say.
pub fn may_tell(kind: &EventKind) -> bool {
    const ACTIONS: [&str; 6] = ["labeled", "unlabeled", "assigned", "unassigned", "reopened", "closed"];
    matches!(kind.name.as_str(), "issues" | "pull_request")
        && kind.action.as_deref().is_some_and(|action| ACTIONS.contains(&action))
}

/// What an event tells that a person did. Bots' changes are not a person's: neither ours nor another's.
pub fn hand_change(event: &Event) -> Option<HandChange> {
    let actor = event.actor.as_ref().filter(|actor| !actor.is_bot)?;
    if !may_tell(&event.kind) {
        return None;
    }
    let text = |pointer: &str| event.payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (thing, hand) = match event.kind.action.as_deref()? {
        "labeled" => (Thing::Label(text("/label/name")?), Hand::Put),
        "unlabeled" => (Thing::Label(text("/label/name")?), Hand::Taken),
        "assigned" => (Thing::Assignee(text("/assignee/login")?), Hand::Put),
        "unassigned" => (Thing::Assignee(text("/assignee/login")?), Hand::Taken),
        "reopened" => (Thing::State, Hand::Put),
        "closed" => (Thing::State, Hand::Taken),
        _ => return None,
    };
    Some(HandChange {
        repository: event.repository.clone()?,
        number: event.item?,
        thing,
        hand,
        by: actor.login.clone(),
        at: event.received_at,
    })
}
