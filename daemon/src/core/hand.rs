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
    /// Whose review is requested: a login, or a team as `org/slug`.
    Reviewer(String),
    /// Open or closed.
    State,
    /// Whether its conversation is locked.
    Lock,
    Milestone(String),
    /// A title that it had until a person gave it another: always taken, never put.
    Title(String),
    /// A draft, or ready for review.
    Draft,
    /// Whether a pull request was closed with a merge (put) or without one (taken). No rule changes either back: it is kept
    /// for comparison with what a rule would have done.
    Merged,
}

/// Which way it was changed: put there (added, requested, reopened, locked, made a draft) or taken away (removed, closed, unlocked,
/// marked ready).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    Put,
    Taken,
}

impl Thing {
    /// Whether it is the same thing: GitHub tells neither labels nor logins apart by case.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Label(a), Self::Label(b))
            | (Self::Assignee(a), Self::Assignee(b))
            | (Self::Reviewer(a), Self::Reviewer(b))
            | (Self::Milestone(a), Self::Milestone(b)) => same_name(a, b),
            _ => self == other,
        }
    }
}

/// GitHub tells neither labels nor logins apart by case.
pub fn same_name(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

/// A thing that was put there or taken away, by whomever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub thing: Thing,
    pub hand: Hand,
}

impl Move {
    pub fn is(&self, other: &Self) -> bool {
        self.hand == other.hand && self.thing.is(&other.thing)
    }

    /// The move that takes this one back.
    pub fn back(&self) -> Self {
        let hand = match self.hand {
            Hand::Put => Hand::Taken,
            Hand::Taken => Hand::Put,
        };
        Self { thing: self.thing.clone(), hand }
    }
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
    matches!(kind.name.as_str(), "issues" | "pull_request")
        && kind.action.as_deref().is_some_and(|action| TELLING.contains(&action))
}

/// Actions of `issues` and `pull_request` that can tell of a change by hand. `edited` tells of one when the title changed.
pub const TELLING: [&str; 15] = [
    "labeled",
    "unlabeled",
    "assigned",
    "unassigned",
    "reopened",
    "closed",
    "locked",
    "unlocked",
    "milestoned",
    "demilestoned",
    "edited",
    "converted_to_draft",
    "ready_for_review",
    "review_requested",
    "review_request_removed",
];

/// When it was changed by GitHub's clock, so that an event that comes late does not pass for news.
pub fn changed_at(event: &Event) -> DateTime<Utc> {
    let updated =
        ["/issue/updated_at", "/pull_request/updated_at"].iter().find_map(|at| event.payload.pointer(at)?.as_str());
    let updated = updated.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|at| at.with_timezone(&Utc));
    updated.map_or(event.received_at, |at| at.min(event.received_at))
}

/// The person or team of a review request. Teams are of the organisation that owns the repository.
fn reviewer(event: &Event) -> Option<String> {
    let text = |pointer: &str| event.payload.pointer(pointer).and_then(Value::as_str);
    match text("/requested_reviewer/login") {
        Some(login) => Some(login.to_owned()),
        None => Some(format!("{}/{}", event.repository.as_ref()?.owner(), text("/requested_team/slug")?)),
    }
}

/// What an event tells that was put there or taken away, whoever did it.
pub fn told_move(event: &Event) -> Option<Move> {
    if !may_tell(&event.kind) {
        return None;
    }
    let text = |pointer: &str| event.payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    // Of a pull request the milestone stands beside it only since 2023.
    let milestone = || {
        let places = ["/milestone/title", "/issue/milestone/title", "/pull_request/milestone/title"];
        places.into_iter().find_map(text).map(Thing::Milestone)
    };
    let (thing, hand) = match event.kind.action.as_deref()? {
        "labeled" => (Thing::Label(text("/label/name")?), Hand::Put),
        "unlabeled" => (Thing::Label(text("/label/name")?), Hand::Taken),
        "assigned" => (Thing::Assignee(text("/assignee/login")?), Hand::Put),
        "unassigned" => (Thing::Assignee(text("/assignee/login")?), Hand::Taken),
        "reopened" => (Thing::State, Hand::Put),
        "closed" => (Thing::State, Hand::Taken),
        "locked" => (Thing::Lock, Hand::Put),
        "unlocked" => (Thing::Lock, Hand::Taken),
        "milestoned" => (milestone()?, Hand::Put),
        "demilestoned" => (milestone()?, Hand::Taken),
        "edited" => (Thing::Title(text("/changes/title/from")?), Hand::Taken),
        "converted_to_draft" => (Thing::Draft, Hand::Put),
        "ready_for_review" => (Thing::Draft, Hand::Taken),
        "review_requested" => (Thing::Reviewer(reviewer(event)?), Hand::Put),
        "review_request_removed" => (Thing::Reviewer(reviewer(event)?), Hand::Taken),
        _ => return None,
    };
    Some(Move { thing, hand })
}

/// What an event tells that a person did. Bots' changes are not a person's: neither ours nor another's.
pub fn hand_change(event: &Event) -> Option<HandChange> {
    let actor = event.actor.as_ref().filter(|actor| !actor.is_bot)?;
    let Move { thing, hand } = told_move(event)?;
    Some(HandChange {
        repository: event.repository.clone()?,
        number: event.item?,
        thing,
        hand,
        by: actor.login.clone(),
        at: changed_at(event),
    })
}

/// Whether a person who closed a pull request merged it, beside [`hand_change`], which tells that it was closed.
pub fn merge_change(event: &Event) -> Option<HandChange> {
    let merged = event.payload.pointer("/pull_request/merged").and_then(Value::as_bool)?;
    let closed = hand_change(event).filter(|change| change.thing == Thing::State && change.hand == Hand::Taken)?;
    let hand = if merged { Hand::Put } else { Hand::Taken };
    Some(HandChange { thing: Thing::Merged, hand, ..closed })
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
        let next = || Thing::Milestone("2.0".to_owned());
        for name in ["issues", "pull_request"] {
            for (action, thing, hand) in [
                ("labeled", label(), Hand::Put),
                ("unlabeled", label(), Hand::Taken),
                ("assigned", bob(), Hand::Put),
                ("unassigned", bob(), Hand::Taken),
                ("reopened", Thing::State, Hand::Put),
                ("closed", Thing::State, Hand::Taken),
                ("locked", Thing::Lock, Hand::Put),
                ("unlocked", Thing::Lock, Hand::Taken),
                ("milestoned", next(), Hand::Put),
                ("demilestoned", next(), Hand::Taken),
                ("edited", Thing::Title("Old".to_owned()), Hand::Taken),
                ("converted_to_draft", Thing::Draft, Hand::Put),
                ("ready_for_review", Thing::Draft, Hand::Taken),
            ] {
                assert!(TELLING.contains(&action), "{action}");
                let more = json!({
                    "label": {"name": "bug"}, "assignee": {"login": "bob"}, "milestone": {"title": "2.0"},
                    "changes": {"title": {"from": "Old"}},
                });
                let change = change(name, action, alice(), more).unwrap();
                assert_eq!((&change.thing, change.hand), (&thing, hand), "{name}.{action}");
                assert_eq!((change.repository.as_str(), change.number, change.by.as_str()), ("acme/site", 9, "alice"));
            }
        }
    }

    #[test]
    fn whose_review_a_person_requested_or_did_without() {
        for (action, hand) in [("review_requested", Hand::Put), ("review_request_removed", Hand::Taken)] {
            let asked =
                change("pull_request", action, alice(), json!({"requested_reviewer": {"login": "bob"}})).unwrap();
            assert_eq!((asked.thing, asked.hand), (Thing::Reviewer("bob".to_owned()), hand));
            let team = change("pull_request", action, alice(), json!({"requested_team": {"slug": "docs"}})).unwrap();
            assert_eq!((team.thing, team.hand), (Thing::Reviewer("acme/docs".to_owned()), hand));
            assert_eq!(change("pull_request", action, alice(), json!({})), None);
        }
    }

    #[test]
    fn a_person_who_closes_a_pull_request_merges_it_or_not() {
        let closed = |action: &str, sender: Value, more: Value| {
            let mut payload = json!({"action": action, "repository": {"full_name": "acme/site"}, "sender": sender});
            payload["pull_request"] = more;
            merge_change(&event("pull_request", payload)).map(|change| (change.thing, change.hand))
        };
        let bot = json!({"login": "orchd[bot]", "type": "Bot"});
        for (action, sender, pull, told) in [
            ("closed", alice(), json!({"number": 9, "merged": true}), Some((Thing::Merged, Hand::Put))),
            ("closed", alice(), json!({"number": 9, "merged": false}), Some((Thing::Merged, Hand::Taken))),
            ("closed", alice(), json!({"number": 9}), None),
            ("reopened", alice(), json!({"number": 9, "merged": false}), None),
            ("closed", bot, json!({"number": 9, "merged": true}), None),
        ] {
            assert_eq!(closed(action, sender, pull.clone()), told, "{action} {pull}");
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
            ("issues", "edited", alice(), json!({"changes": {"body": {"from": "Old"}}})),
            ("issues", "milestoned", alice(), label()),
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
