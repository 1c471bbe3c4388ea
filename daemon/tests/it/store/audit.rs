use orchd::core::audit::{Cause, Entry, Fault, Kind, Report};
use orchd::core::decide::Verdict;
use orchd::core::rule::Mode;
use orchd::engine::audit::{Anchors, Step, verify};
use orchd::store::StoreError;
use orchd::store::audit::{AuditFilter, AuditRow};
use orchd::store::config_revisions::ConfigRevisionRow;
use orchd::store::effects::EffectState;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use super::decisions::{begin, decision, outcome, planned, processed};
use super::*;

/// As somebody does who has the database and not the daemon.
async fn execute(place: &Place, sql: &str) {
    let (url, sql) = (place.options.url.expose_secret(), AssertSqlSafe(sql.to_owned()));
    if url.starts_with("sqlite") {
        sqlx::query(sql).execute(&mut SqliteConnection::connect(url).await.unwrap()).await.unwrap();
    } else {
        sqlx::query(sql).execute(&mut PgConnection::connect(url).await.unwrap()).await.unwrap();
    }
}

/// In the order of the chain.
pub(super) async fn rows(db: &Db) -> Vec<AuditRow> {
    let filter = AuditFilter { limit: 1_000, oldest_first: true, ..Default::default() };
    db.audit_rows(&filter).await.unwrap().rows
}

async fn kinds(db: &Db) -> Vec<String> {
    rows(db).await.into_iter().map(|row| row.kind).collect()
}

pub(super) async fn report(db: &Db) -> Report {
    verify(db, &Anchors::default(), &|_| std::future::ready(true)).await.unwrap().unwrap()
}

async fn faults(db: &Db) -> Vec<Fault> {
    report(db).await.faults
}

/// Nothing in it is absent.
fn full(seconds_ago: i64) -> Entry {
    let cause = Cause {
        event: Some(Uuid::from_u128(1)),
        rule: Some("docs".to_owned()),
        effect: Some(Uuid::from_u128(2)),
        action: Some("label".to_owned()),
        config_revision: Some("r1".to_owned()),
    };
    let entry = Entry::new(Kind::EffectApplied, OPERATOR, noon() - seconds(seconds_ago));
    let (repository, number, note) = (Some("Acme/web".to_owned()), Some(7), Some("a\0b".to_owned()));
    Entry { cause, repository, number, note, ..entry }.states(Some(json!(["a"])), Some(json!(["a", "b"])))
}

fn days(count: i64) -> TimeDelta {
    TimeDelta::days(count)
}

on_both! {
    async fn a_decision_and_what_became_of_its_effect_are_in_the_chain(place) {
        let db = place.open().await;
        let (event, effect, job) = planned(&db).await;
        let lost = db.finish_effect("you", job, effect, &outcome(EffectState::Applied), noon()).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost)));
        begin(&db, "me", job, effect, &json!({"add": "bug"})).await.unwrap();
        db.finish_effect("me", job, effect, &outcome(EffectState::Applied), noon()).await.unwrap();

        let rows = rows(&db).await;
        assert_eq!(rows.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(), ["decision", "effect_applied"]);
        assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [1, 2]);
        for row in &rows {
            assert_eq!((row.actor.as_str(), row.event, row.rule.as_deref()), ("orchd", Some(event.0), Some("bugs")));
            assert_eq!((row.repository.as_deref(), row.number), (Some("acme/web"), Some(1)));
            assert_eq!(row.config_revision.as_deref(), Some("r1"));
        }
        let after = rows[0].after.as_ref().unwrap();
        assert_eq!(after["effects"][0], json!({"id": effect, "action": "label", "params": {"add": ["bug"]}}));
        assert_eq!(rows[0].note.as_deref(), Some("title is `a\u{fffd}b`"));
        assert_eq!((rows[1].effect, rows[1].action.as_deref()), (Some(effect.0), Some("label")));
        assert_eq!((&rows[1].before, &rows[1].after), (&Some(json!([])), &Some(json!(["bug"]))));
        assert_eq!(db.audit_row(2).await.unwrap().as_ref(), Some(&rows[1]));
        assert!(db.audit_row(3).await.unwrap().is_none());
        assert!(report(&db).await.is_proved());
    }

    async fn only_decisions_that_led_to_something_are_told(place) {
        let db = place.open().await;
        let ids = store(&db, vec![event("acme/web", 1), event("acme/web", 1)]).await;
        claim(&db, "me", noon()).await;
        let decisions = vec![
            decision(ids[0], "other", Mode::Active, Verdict::NotMatched, &[]),
            decision(ids[0], "shadow", Mode::Shadow, Verdict::Matched, &["c"]),
        ];
        db.finish_processed("me", &[processed(ids[0], decisions.clone())], noon()).await.unwrap();
        assert_eq!(rows(&db).await.len(), 1);
        assert_eq!(rows(&db).await[0].after.as_ref().unwrap()["mode"], "shadow");
        // Decided again: the effects are there.
        db.replay(ids[0], OPERATOR, noon()).await.unwrap();
        claim(&db, "me", noon()).await;
        db.finish_processed("me", &[processed(ids[0], decisions)], noon()).await.unwrap();
        assert_eq!(kinds(&db).await, ["decision", "event_replayed"]);
    }

    async fn what_died_is_told_as_failed_or_quarantined(place) {
        let db = place.open().await;
        let (_, effect, job) = planned(&db).await;
        db.bury("me", job, "no", noon()).await.unwrap();
        assert!(db.retry_dead(job, OPERATOR, noon()).await.unwrap());
        // The daemon that writes goes away for good.
        let terms = orchd::store::jobs::Terms { max_attempts: 1, ..TERMS };
        db.claim("me", noon(), terms, 100, 100).await.unwrap();
        begin(&db, "me", job, effect, &json!({})).await.unwrap();
        claim(&db, "you", noon() + seconds(3_600)).await;
        assert!(db.discard(job, OPERATOR, noon()).await.unwrap());

        let rows = rows(&db).await;
        let told: Vec<_> = rows.iter().map(|row| row.kind.as_str()).collect();
        assert_eq!(told, ["decision", "effect_failed", "job_retried", "effect_quarantined", "job_discarded"]);
        assert_eq!(rows[1].note.as_deref(), Some("no"));
        assert_eq!((rows[2].actor.as_str(), rows[2].actor_name.as_deref()), ("operator", Some("uid 1000")));
        assert_eq!(rows[2].before, Some(json!({"job": job, "state": "dead", "error": "no"})));
        assert_eq!((rows[4].effect, rows[4].number), (Some(effect.0), Some(1)));
        assert!(report(&db).await.is_proved());
    }

    async fn each_config_that_was_loaded_is_told_with_the_one_before(place) {
        let db = place.open().await;
        for (revision, after) in [("one", 0), ("two", 1)] {
            let row = ConfigRevisionRow {
                revision: revision.to_owned(),
                git_commit: None,
                path: "/etc/orchd.yaml".to_owned(),
                effective: json!({}),
                loaded_at: noon() + seconds(after),
            };
            db.record_config(&row).await.unwrap();
        }
        let rows = rows(&db).await;
        assert_eq!((&rows[0].before, rows[0].config_revision.as_deref()), (&None, Some("one")));
        assert_eq!(rows[1].before, Some(json!({"revision": "one"})));
        assert_eq!(rows[1].after.as_ref().unwrap()["revision"], "two");
    }

    async fn every_filter_filters_and_pages_go_both_ways(place) {
        let db = place.open().await;
        let mut entries: Vec<Entry> = (0..7).map(|number| full(100 - number)).collect();
        entries[3].kind = Kind::EffectHeld;
        entries[4].actor = Actor::Orchd;
        entries[5].repository = Some("acme/api".to_owned());
        db.audit(entries).await.unwrap();
        let seqs = async |filter: AuditFilter| -> Vec<i64> {
            let page = db.audit_rows(&AuditFilter { limit: 100, ..filter }).await.unwrap();
            page.rows.iter().map(|row| row.seq).collect()
        };
        let none = AuditFilter::default;
        assert_eq!(seqs(none()).await, [7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(seqs(AuditFilter { kind: Some(Kind::EffectHeld), ..none() }).await, [4]);
        assert_eq!(seqs(AuditFilter { actor: Some("orchd".to_owned()), ..none() }).await, [5]);
        assert_eq!(seqs(AuditFilter { actor: Some("uid 1000".to_owned()), ..none() }).await, [7, 6, 4, 3, 2, 1]);
        assert_eq!(seqs(AuditFilter { repository: Some(name("ACME/api")), ..none() }).await, [6]);
        let third = db.audit_row(3).await.unwrap().unwrap().at;
        assert_eq!(seqs(AuditFilter { since: Some(third), ..none() }).await, [7, 6, 5, 4, 3]);
        assert_eq!(seqs(AuditFilter { until: Some(third), oldest_first: true, ..none() }).await, [1, 2]);
        for oldest_first in [true, false] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let filter = AuditFilter { limit: 3, after, oldest_first, ..none() };
                let page = db.audit_rows(&filter).await.unwrap();
                seen.extend(page.rows.iter().map(|row| row.seq));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, seqs(AuditFilter { oldest_first, ..none() }).await);
        }
    }

    async fn daemons_that_append_at_once_make_one_chain(place) {
        let db = place.open().await;
        // On SQLite a second daemon is refused: there it is the tasks of one.
        let other = match place.options.url.expose_secret().starts_with("sqlite") {
            true => db.clone(),
            false => place.open().await,
        };
        let append = async |db: Db| {
            for number in 0..100 {
                db.audit(vec![full(number), full(number)]).await.unwrap();
            }
        };
        let tasks = [db.clone(), other.clone(), db.clone(), other].map(|db| tokio::spawn(append(db)));
        for task in tasks {
            task.await.unwrap();
        }
        let report = report(&db).await;
        assert!(report.is_proved(), "{report:?}");
        assert_eq!((report.rows, report.first, report.last), (800, Some(1), Some(800)));
    }

    async fn invariant_10_a_changed_byte_in_any_column_names_its_row(place) {
        let db = place.open().await;
        db.audit((0..6).map(full).collect()).await.unwrap();
        assert!(faults(&db).await.is_empty());
        execute(place, "CREATE TABLE kept AS SELECT * FROM audit").await;
        for change in [
            "at = at + 1",
            "kind = 'effect_failed'",
            "actor = 'orchd'",
            "event_id = effect_id",
            "rule = 'docz'",
            "effect_id = event_id",
            "action = NULL",
            "config_revision = ''",
            "repository = 'acme/web'",
            "number = number + 1",
            "actor_name = 'uid 0'",
            "before_state = '[]'",
            "after_state = '[\"a\",\"c\"]'",
            "note = NULL",
            "salt = hash",
            "personal_digest = hash",
            "hash = personal_digest",
        ] {
            execute(place, &format!("UPDATE audit SET {change} WHERE seq = 3")).await;
            assert_eq!(faults(&db).await, [Fault::Changed { seq: 3 }], "{change}");
            assert_eq!(rows(&db).await.len(), 6, "it is shown all the same");
            execute(place, "DELETE FROM audit").await;
            execute(place, "INSERT INTO audit SELECT * FROM kept").await;
        }
        execute(place, "UPDATE audit SET actor_name = NULL, before_state = NULL, after_state = NULL, note = NULL, salt = NULL WHERE seq = 3").await;
        assert_eq!(faults(&db).await, [Fault::Erased { seq: 3 }]);
        execute(place, "UPDATE audit SET hash = salt WHERE seq = 5").await;
        assert_eq!(faults(&db).await, [Fault::Erased { seq: 3 }, Fault::Changed { seq: 5 }], "sixteen bytes are no hash");
    }

    async fn invariant_10_removed_and_swapped_rows_are_named_in_a_long_chain(place) {
        let db = place.open().await;
        // Several pages of the proof.
        for _ in 0..20 {
            db.audit((0..1_000).map(full).collect()).await.unwrap();
        }
        let steps = std::sync::Mutex::new(Vec::new());
        let tell = |step| {
            steps.lock().unwrap().push(step);
            std::future::ready(true)
        };
        let whole = verify(&db, &Anchors::default(), &tell).await.unwrap().unwrap();
        assert!(whole.is_proved() && whole.rows == 20_000, "{whole:?}");
        let steps = steps.into_inner().unwrap();
        assert_eq!((steps.len(), steps.last()), (5, Some(&Step::Progress { rows: 20_000, of: 20_000 })));
        let nobody = verify(&db, &Anchors::default(), &|_| std::future::ready(false)).await.unwrap();
        assert_eq!(nobody, None, "who asked has gone");
        execute(place, "DELETE FROM audit WHERE seq IN (4096, 4097, 9000)").await;
        for (from, to) in [(12_288, 0), (12_289, 12_288), (0, 12_289)] {
            execute(place, &format!("UPDATE audit SET seq = {to} WHERE seq = {from}")).await;
        }
        execute(place, "UPDATE audit SET note = 'nothing happened' WHERE seq = 20000").await;
        let told = [
            Fault::Missing { from: 4_096, to: 4_097 },
            Fault::Missing { from: 9_000, to: 9_000 },
            Fault::Swapped { first: 12_288, second: 12_289 },
            Fault::Changed { seq: 20_000 },
        ];
        assert_eq!(faults(&db).await, told);
    }

    async fn what_is_personal_goes_and_the_chain_still_holds(place) {
        let db = place.open().await;
        // The third is of a daemon whose clock is behind: it waits for the second.
        let age = |days: i64| Entry { at: (noon() - TimeDelta::days(days)).timestamp_micros(), ..full(0) };
        db.audit([500, 100, 400, 10].map(age).into()).await.unwrap();
        let whole = rows(&db).await;
        assert_eq!(db.audit_pseudonymise(days(600), noon()).await.unwrap(), None);
        let until = db.audit_pseudonymise(days(90), noon()).await.unwrap();
        assert_eq!(until, Some(3));
        assert!(faults(&db).await.is_empty(), "told, and not yet done");
        let mut after = Some(0);
        while let Some(from) = after {
            after = db.audit_forget(from, 3).await.unwrap();
        }
        let left = rows(&db).await;
        for (row, before) in left[..3].iter().zip(&whole) {
            assert!(row.pseudonymised && row.before.is_none() && row.actor_name.is_none() && row.note.is_none());
            assert_eq!((&row.kind, &row.actor, row.at, row.hash), (&before.kind, &before.actor, before.at, before.hash));
        }
        assert_eq!(left[3], whole[3]);
        let report = report(&db).await;
        assert!(report.is_proved() && report.pseudonymised == 3, "{report:?}");
        assert_eq!(db.audit_pseudonymise(days(90), noon()).await.unwrap(), None, "nothing is left to do");
        execute(place, "UPDATE audit SET kind = 'effect_failed' WHERE seq = 2").await;
        assert_eq!(faults(&db).await, [Fault::Changed { seq: 2 }]);
    }

    async fn the_oldest_rows_go_and_the_chain_says_so(place) {
        let db = place.open().await;
        let age = |days: i64| Entry { at: (noon() - TimeDelta::days(days)).timestamp_micros(), ..full(0) };
        let old: Vec<Entry> = (0..1_200).map(|_| age(900)).collect();
        db.audit(old).await.unwrap();
        db.audit([500, 100, 1].map(age).into()).await.unwrap();
        assert_eq!(db.audit_cut(days(1_000), noon()).await.unwrap(), None);
        let cut = db.audit_cut(days(600), noon()).await.unwrap().unwrap();
        assert_eq!((cut.until, cut.rows, cut.rows_in_all), (1_200, 1_200, 1_200));
        assert!(faults(&db).await.is_empty(), "told, and not yet done");
        assert_eq!(db.audit_cut(days(600), noon()).await.unwrap(), None, "and not told twice");
        while db.audit_drop().await.unwrap() > 0 {}
        let report = report(&db).await;
        assert!(report.is_proved(), "{report:?}");
        assert_eq!((report.first, report.last, report.cut), (Some(1_201), Some(1_204), Some(cut)));

        // Later everything is old, the row about the first cut too.
        let later = noon() + days(2_000);
        let cut = db.audit_cut(days(600), later).await.unwrap().unwrap();
        while db.audit_drop().await.unwrap() > 0 {}
        assert_eq!((cut.until, cut.rows, cut.rows_in_all), (1_204, 4, 1_204));
        db.audit(vec![full(0)]).await.unwrap();
        let report = verify(&db, &Anchors::default(), &|_| std::future::ready(true)).await.unwrap().unwrap();
        assert!(report.is_proved(), "{report:?}");
        assert_eq!((report.first, report.rows), (Some(1_205), 2));
        // Whoever drops more than the chain says is found out.
        execute(place, "DELETE FROM audit WHERE seq = 1205").await;
        assert!(!faults(&db).await.is_empty());
    }
}

#[tokio::test]
async fn what_no_type_allows_is_named_too() {
    let place = Place::sqlite().await;
    let db = place.open().await;
    db.audit((0..4).map(full).collect()).await.unwrap();
    execute(&place, "UPDATE audit SET at = 'yesterday' WHERE seq = 2").await;
    assert_eq!(faults(&db).await, [Fault::Changed { seq: 2 }]);
    let state: Value = db.audit_row(3).await.unwrap().unwrap().after.unwrap();
    assert_eq!(state, json!(["a", "b"]));
}
