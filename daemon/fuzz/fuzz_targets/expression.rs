//! Any text as a CEL expression: refused with a place inside the text, or compiled, checked and evaluated within its limits.
#![no_main]

use std::sync::LazyLock;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use orchd::core::condition::{Condition, Scene};
use orchd::core::event::{Event, EventId};
use orchd::core::facts::{Check, CheckState, Facts, Known, Review, ReviewState};
use orchd::core::role::Role;
use serde_json::json;
use uuid::Uuid;

static SEEN: LazyLock<(Event, Facts)> = LazyLock::new(|| {
    let payload = json!({
        "action": "opened",
        "pull_request": {"number": 7, "title": "x", "additions": 3, "labels": [{"name": "bug"}], "head": {}},
        "repository": {"full_name": "acme/web", "topics": ["a", "b"]},
        "sender": {"login": "mona"},
    });
    let event = Event::from_payload(EventId(Uuid::nil()), "pull_request", DateTime::UNIX_EPOCH, payload);
    let facts = Facts {
        files: Known::Is(vec!["a".to_owned(), "docs/b.md".to_owned()]),
        reviews: Known::Is(vec![Review { reviewer: "bob".to_owned(), state: ReviewState::Approved }]),
        checks: Known::Is(vec![Check { name: "build".to_owned(), state: CheckState::Passing }]),
        role: Known::Is(Role::Write),
        ..Facts::from_event(&event)
    };
    (event, facts)
});

fuzz_target!(|source: &str| {
    let (event, facts) = &*SEEN;
    match Condition::parse(&json!({"expr": source})) {
        Ok(condition) => {
            let evaluated = condition.evaluate(Scene { event, facts });
            assert!(evaluated.needs.is_empty(), "everything is known");
            condition.unseen_at(["push", "issues"]);
        }
        Err(errors) => {
            let most = source.chars().count();
            assert!(errors.iter().all(|error| error.offset.is_none_or(|offset| offset <= most)), "{errors:?}");
        }
    }
});
