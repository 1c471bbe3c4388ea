use chrono::Datelike;
use orchd::core::decide::Verdict;
use orchd::core::rule::Mode;
use orchd::store::effects::{EffectFilter, EffectState};
use orchd::store::retention::Kept;
use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection};
use uuid::{NoContext, Timestamp};

use super::decisions::{decision, outcome, processed};
use super::*;

/// An event that came so many days ago.
fn days_ago(days: i64, number: u64) -> NewEvent {
    let at = noon() - TimeDelta::days(days);
    let time = Timestamp::from_unix(NoContext, u64::try_from(at.timestamp()).unwrap(), 0);
    NewEvent { id: EventId(Uuid::new_v7(time)), received_at: at, ..event("acme/web", number) }
}

/// Stores an event and has it decided, with one effect applied.
async fn live_through(db: &Db, event: NewEvent) -> EventId {
    let id = store(db, vec![event]).await[0];
    claim(db, "me", noon()).await;
    let decisions = vec![decision(id, "bugs", Mode::Active, Verdict::Matched, &["bug"])];
    let effect = decisions[0].intents[0].id;
    db.finish_processed("me", &[processed(id, decisions)], noon()).await.unwrap();
    let job = claim(db, "me", noon()).await.remove(0).job;
    db.finish_effect("me", job.id, effect, &outcome(EffectState::Applied), noon()).await.unwrap();
    id
}

/// Everything that is over this age, in batches of one event.
async fn drop_older_than(db: &Db, what: Kept, days: i64) {
    let before = noon() - TimeDelta::days(days);
    let mut after = Some(Uuid::nil());
    while let Some(from) = after {
        after = db.drop_older(what, before, from, 1).await.unwrap().next;
    }
    db.drop_whole_months(what, before).await.unwrap();
}

async fn effects_of(db: &Db, event: EventId) -> usize {
    db.effects(&EffectFilter { event: Some(event), limit: 10, ..Default::default() }).await.unwrap().rows.len()
}

on_both! {
    async fn what_is_over_its_age_goes_and_the_rest_stays(place) {
        let db = place.open().await;
        for days in [430, 130] {
            db.make_months(noon() - TimeDelta::days(days)).await.unwrap();
        }
        let mut large = days_ago(429, 2);
        large.payload = format!(r#"{{"body":"{}"}}"#, "x".repeat(2 << 20)).into();
        let deliveries = [days_ago(430, 1), large, days_ago(130, 3), days_ago(0, 4)];
        let mut ids = Vec::new();
        for delivery in &deliveries {
            ids.push(live_through(&db, delivery.clone()).await);
        }
        let files = || std::fs::read_dir(&place.options.objects).unwrap().count();
        assert_eq!(files(), 1);

        drop_older_than(&db, Kept::Payloads, 90).await;
        for (id, there) in ids.iter().zip([false, false, false, true]) {
            assert_eq!(db.payload(*id).await.unwrap().is_some(), there);
            assert_eq!(db.decisions_of(*id).await.unwrap().len(), 1);
        }
        assert_eq!(files(), 0);
        assert_eq!(db.replay(ids[2], OPERATOR, noon()).await.unwrap(), Replay::NoPayload);
        assert_eq!(db.replay(ids[3], OPERATOR, noon()).await.unwrap(), Replay::Queued);

        drop_older_than(&db, Kept::Decisions, 365).await;
        assert_eq!(db.decisions_of(ids[0]).await.unwrap().len(), 0);
        assert_eq!(db.decisions_of(ids[2]).await.unwrap().len(), 1);

        drop_older_than(&db, Kept::Events, 365).await;
        for (id, there) in ids.iter().zip([false, false, true, true]) {
            assert_eq!(db.event(*id).await.unwrap().is_some(), there);
            assert_eq!(db.job(job_of(*id)).await.unwrap().is_some(), there);
            assert_eq!(effects_of(&db, *id).await, usize::from(there));
        }
        // Who comes again after so long is new; who is still known is not.
        let again = db.ingest(vec![days_ago(0, 1), deliveries[2].clone()]).await.unwrap();
        assert_eq!(again.iter().map(|it| it.status).collect::<Vec<_>>(), [IngestStatus::Accepted, IngestStatus::Duplicate]);
        let anew = NewEvent { id: EventId(Uuid::now_v7()), ..deliveries[0].clone() };
        assert_eq!(db.ingest(vec![anew]).await.unwrap()[0].status, IngestStatus::Accepted);
    }

    async fn what_no_month_takes_is_dropped_all_the_same(place) {
        let db = place.open().await;
        let old = live_through(&db, days_ago(1000, 1)).await;
        let recent = live_through(&db, days_ago(200, 2)).await;
        for what in [Kept::Payloads, Kept::Decisions, Kept::Events] {
            drop_older_than(&db, what, 365).await;
        }
        assert!(db.event(old).await.unwrap().is_none());
        assert!(db.payload(old).await.unwrap().is_none() && db.decisions_of(old).await.unwrap().is_empty());
        assert!(db.event(recent).await.unwrap().is_some());
        assert!(db.payload(recent).await.unwrap().is_some() && !db.decisions_of(recent).await.unwrap().is_empty());
    }

    async fn the_oldest_event_with_work_to_do_bounds_what_may_be_dropped(place) {
        let db = place.open().await;
        assert_eq!(db.oldest_unfinished().await.unwrap(), None);
        live_through(&db, days_ago(500, 1)).await;
        assert_eq!(db.oldest_unfinished().await.unwrap(), None);
        let waiting = days_ago(400, 2);
        store(&db, vec![days_ago(300, 3), waiting.clone()]).await;
        let oldest = db.oldest_unfinished().await.unwrap().unwrap();
        assert_eq!(oldest.timestamp(), waiting.received_at.timestamp());
    }

    async fn months_are_made_ahead_and_only_once(place) {
        let db = place.open().await;
        db.make_months(noon()).await.unwrap();
        db.make_months(noon()).await.unwrap();
        let next = noon() + TimeDelta::days(31);
        let time = Timestamp::from_unix(NoContext, u64::try_from(next.timestamp()).unwrap(), 0);
        let id = store(&db, vec![NewEvent { id: EventId(Uuid::new_v7(time)), ..event("acme/web", 1) }]).await[0];
        assert!(db.event(id).await.unwrap().is_some());
        if place.options.url.expose_secret().starts_with("postgres") {
            let mut connection = PgConnection::connect(place.options.url.expose_secret()).await.unwrap();
            let table: String = sqlx::query_scalar("SELECT tableoid::regclass::text FROM event_receipts")
                .fetch_one(&mut connection).await.unwrap();
            assert_eq!(table, format!("event_receipts_{}_{:02}", next.year(), next.month()));
        }
    }
}
