//! Room for writes is reserved with the write.

use chrono::DateTime;
use orchd::core::decide::Verdict;
use orchd::core::intent::Intent;
use orchd::core::rule::Mode;
use orchd::store::allowance::{Allowance, UsedUp};
use orchd::store::effects::Write;
use serde_json::json;

use super::decisions::{decision, planned, processed};
use super::*;

/// Without limits, since the beginning of time.
fn open(intent: &Intent) -> Allowance<'_> {
    Allowance { intent, since: DateTime::UNIX_EPOCH, of_rule: None, items: None, of_all: None }
}

async fn begin(db: &Db, job: JobId, allowance: Allowance<'_>) -> Option<UsedUp> {
    let (before, change) = (json!([]), json!({"add": ["bug"]}));
    let (effect, lease_until) = (allowance.intent.id, noon() + seconds(30));
    let allowance = Some(allowance);
    let write = Write { owner: "me", job, effect, before: &before, change: &change, lease_until, allowance };
    db.begin_write(&write, noon()).await.unwrap()
}

on_both! {
    async fn room_for_a_write_is_counted_and_reserved_in_one(place) {
        let db = place.open().await;
        let (_, first, job) = planned(&db).await;
        let first = db.effect(first).await.unwrap().unwrap().intent;
        assert_eq!(begin(&db, job, Allowance { of_rule: Some(1), ..open(&first) }).await, None);
        let again = Allowance { of_rule: Some(1), items: Some(1), of_all: Some(1), ..open(&first) };
        assert_eq!(begin(&db, job, again).await, None, "a write takes no room from itself");

        // Another effect of the rule, on another repository.
        let id = store(&db, vec![event("acme/api", 1)]).await[0];
        claim(&db, "me", noon()).await;
        let mut decided = decision(id, "bugs", Mode::Active, Verdict::Matched, &["bug"]);
        decided.intents[0].target.repository = name("acme/api");
        let second = decided.intents[0].clone();
        db.finish_processed("me", &[processed(id, vec![decided])], noon()).await.unwrap();
        let job = claim(&db, "me", noon()).await.remove(0).job.id;
        let none = open(&second);
        assert_eq!(begin(&db, job, Allowance { of_rule: Some(1), ..none }).await, Some(UsedUp::OfRule { most: 1, used: 1 }));
        assert_eq!(begin(&db, job, Allowance { items: Some(1), ..none }).await, Some(UsedUp::Items { most: 1, used: 1 }));
        assert_eq!(begin(&db, job, Allowance { of_all: Some(1), ..none }).await, Some(UsedUp::OfAll { most: 1, used: 1 }));
        let row = db.effect(second.id).await.unwrap().unwrap();
        assert_eq!((row.before, row.started_at), (None, None), "what is refused leaves no trace");

        let later = Allowance { since: noon() + seconds(1), of_rule: Some(1), ..none };
        assert_eq!(begin(&db, job, later).await, None, "what is older does not count");
    }
}
