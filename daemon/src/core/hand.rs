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

/// When it was changed by GitHub's clock, so that an event that comes late does not pass for news.
pub(super) fn changed_at(event: &Event) -> DateTime<Utc> {
    let updated =
        ["/issue/updated_at", "/pull_request/updated_at"].iter().find_map(|at| event.payload.pointer(at)?.as_str());
    let updated = updated.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|at| at.with_timezone(&Utc));
    updated.map_or(event.received_at, |at| at.min(event.received_at))
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
        at: changed_at(event),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::condition::properties::any_json;
    use crate::core::condition::table::event;

    fn change(name: &str, action: &str, sender: Value, more: Value) -> Option<HandChange> {
        let mut payload = json!({
            "action": action, "issue": {"number": 9}, "repository": {"full_name": "acme/site"}, "sender": sender,
        });
        for (key, value) in more.as_object().unwrap() {
            payload[key] = value.clone();
        }
        hand_change(&event(name, payload))
    }

    fn alice() -> Value {
        json!({"login": "alice", "type": "User"})
    }

    #[test]
    fn what_a_person_touched_and_which_way() {
        let label = || Thing::Label("bug".to_owned());
        let bob = || Thing::Assignee("bob".to_owned());
        for name in ["issues", "pull_request"] {
            for (action, thing, hand) in [
                ("labeled", label(), Hand::Put),
                ("unlabeled", label(), Hand::Taken),
                ("assigned", bob(), Hand::Put),
                ("unassigned", bob(), Hand::Taken),
                ("reopened", Thing::State, Hand::Put),
                ("closed", Thing::State, Hand::Taken),
            ] {
                let more = json!({"label": {"name": "bug"}, "assignee": {"login": "bob"}});
                let change = change(name, action, alice(), more).unwrap();
                assert_eq!((&change.thing, change.hand), (&thing, hand), "{name}.{action}");
                assert_eq!((change.repository.as_str(), change.number, change.by.as_str()), ("acme/site", 9, "alice"));
            }
        }
    }

    #[test]
    fn what_is_no_change_by_a_person() {
        let label = || json!({"label": {"name": "bug"}});
        let bot = json!({"login": "orchd[bot]", "type": "Bot"});
        for (name, action, sender, more) in [
            ("issues", "labeled", bot, label()),
            ("issues", "labeled", json!(null), label()),
            ("issues", "labeled", alice(), json!({})),
            ("issues", "labeled", alice(), json!({"label": {"name": 5}})),
            ("issues", "assigned", alice(), label()),
            ("issues", "edited", alice(), label()),
            ("label", "labeled", alice(), label()),
            ("issues", "closed", alice(), json!({"issue": {}})),
            ("issues", "closed", alice(), json!({"repository": {"full_name": "../etc"}})),
        ] {
            assert_eq!(change(name, action, sender, more.clone()), None, "{name}.{action} with {more}");
        }
    }

    proptest! {
        #[test]
        fn any_payload_is_read(name in "issues|pull_request", payload in any_json()) {
            hand_change(&event(&name, payload));
        }
    }
}
