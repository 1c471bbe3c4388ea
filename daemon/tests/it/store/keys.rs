use orchd::core::access::{KeyText, Level, Scope, Scopes};
use orchd::core::audit::Kind;
use orchd::store::api_keys::{Ended, KeyRow, KeyTerms, NewKey, Revoked};
use orchd::store::audit::AuditFilter;
use orchd::store::idempotent::{ANSWERS_ARE_KEPT_FOR, Begun, GIVEN_UP_AFTER, Once, Turn};

use super::*;

/// A key of the machine's owner, and its text.
fn key(byte: u8, expires_at: Option<DateTime<Utc>>) -> (KeyText, NewKey) {
    let text = KeyText::new([byte; 32]);
    let terms = KeyTerms {
        level: Level::Operator,
        scopes: [Scope::EventsRead, Scope::JobsWrite].into_iter().collect(),
        repositories: Some(vec![name("acme/web")]),
        expires_at,
    };
    let (hash, beginning) = (text.hash(), text.beginning());
    (text, NewKey { id: Uuid::now_v7(), owner: None, name: format!("ci {byte}"), hash, beginning, terms })
}

async fn told(db: &Db) -> Vec<(String, String)> {
    let page = db.audit_rows(&AuditFilter { limit: 50, ..AuditFilter::default() }).await.unwrap();
    page.rows.into_iter().map(|row| (row.kind.clone(), row.note.unwrap_or_default())).collect()
}

on_both! {
    async fn a_key_is_found_by_its_hash_until_it_is_dropped(place) {
        let (db, now) = (place.open().await, noon());
        let (text, new) = key(1, None);
        db.create_key(&new, OPERATOR, now).await.unwrap();
        let found = db.key_by_hash(&text.hash()).await.unwrap().unwrap();
        assert_eq!((found.id, &found.name, &found.beginning, &found.terms), (new.id, &new.name, &new.beginning, &new.terms));
        assert_eq!((found.owner.as_ref(), found.created_at, found.ended(now)), (None, now, None));
        assert_eq!(db.key(new.id).await.unwrap(), Some(found));
        assert_eq!(db.key_by_hash(&KeyText::new([2; 32]).hash()).await.unwrap(), None);

        assert_eq!(db.revoke_key(new.id, None, OPERATOR, now + seconds(1)).await.unwrap(), Revoked::Now);
        assert_eq!(db.revoke_key(new.id, None, OPERATOR, now + seconds(2)).await.unwrap(), Revoked::Already);
        assert_eq!(db.revoke_key(Uuid::now_v7(), None, OPERATOR, now).await.unwrap(), Revoked::NotThere);
        let revoked = db.key_by_hash(&text.hash()).await.unwrap().unwrap();
        assert_eq!((revoked.revoked_at, revoked.ended(now)), (Some(now + seconds(1)), Some(Ended::Revoked)));

        let note = format!("key `ci 1` ({})", new.id);
        let (created, ended) = (Kind::KeyCreated.word().to_owned(), Kind::KeyRevoked.word().to_owned());
        assert_eq!(told(&db).await, [(ended, note.clone()), (created, note)], "each is told once");
        db.close().await;
    }

    async fn nobody_revokes_or_lists_anothers_key(place) {
        let (db, now) = (place.open().await, noon());
        let (_, new) = key(1, None);
        db.create_key(&new, OPERATOR, now).await.unwrap();
        let somebody = Some(Uuid::now_v7());
        assert_eq!(db.revoke_key(new.id, somebody, OPERATOR, now).await.unwrap(), Revoked::NotThere);
        assert_eq!(db.key(new.id).await.unwrap().unwrap().revoked_at, None);
        assert!(db.keys(somebody, None, 10).await.unwrap().rows.is_empty());
        db.close().await;
    }

    async fn keys_are_listed_page_by_page_the_newest_first(place) {
        let (db, now) = (place.open().await, noon());
        for byte in 1..=5 {
            db.create_key(&key(byte, None).1, OPERATOR, now).await.unwrap();
        }
        let names = |rows: &[KeyRow]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        let first = db.keys(None, None, 3).await.unwrap();
        assert_eq!(names(&first.rows), ["ci 5", "ci 4", "ci 3"]);
        let rest = db.keys(None, first.next, 3).await.unwrap();
        assert_eq!((names(&rest.rows), rest.next), (vec!["ci 2".to_owned(), "ci 1".to_owned()], None));
        db.close().await;
    }

    async fn the_last_use_of_a_key_is_known_to_the_minute(place) {
        let (db, now) = (place.open().await, noon());
        let (_, new) = key(1, Some(now + seconds(600)));
        db.create_key(&new, OPERATOR, now).await.unwrap();
        let unused = db.key(new.id).await.unwrap().unwrap();
        db.note_key_use(&unused, now).await.unwrap();
        // Another request read the row before the first was noted.
        db.note_key_use(&unused, now + seconds(30)).await.unwrap();
        let used = db.key(new.id).await.unwrap().unwrap();
        assert_eq!(used.last_used_at, Some(now));
        db.note_key_use(&used, now + seconds(59)).await.unwrap();
        assert_eq!(db.key(new.id).await.unwrap().unwrap().last_used_at, Some(now));
        db.note_key_use(&used, now + seconds(60)).await.unwrap();
        assert_eq!(db.key(new.id).await.unwrap().unwrap().last_used_at, Some(now + seconds(60)));
        assert_eq!(used.ended(now + seconds(600)), Some(Ended::Expired));
        db.close().await;
    }

    async fn keys_that_ended_long_ago_are_dropped_in_batches(place) {
        let (db, now) = (place.open().await, noon());
        let (lives, expired, revoked) = (key(1, None).1, key(2, Some(now - seconds(50))).1, key(3, None).1);
        // Revoked late: how long ago that was counts, and not when it would have expired.
        let late = key(4, Some(now - seconds(99))).1;
        for new in [&lives, &expired, &revoked, &late] {
            db.create_key(new, OPERATOR, now - seconds(100)).await.unwrap();
        }
        db.revoke_key(revoked.id, None, OPERATOR, now - seconds(60)).await.unwrap();
        db.revoke_key(late.id, None, OPERATOR, now - seconds(5)).await.unwrap();
        assert_eq!(db.drop_ended_keys(now - seconds(20), 1).await.unwrap(), 1);
        assert_eq!(db.key(revoked.id).await.unwrap(), None, "the longest ago first");
        assert_eq!(db.drop_ended_keys(now - seconds(20), 10).await.unwrap(), 1);
        assert_eq!(db.drop_ended_keys(now - seconds(20), 10).await.unwrap(), 0);
        let left: Vec<_> = db.keys(None, None, 10).await.unwrap().rows.iter().map(|row| row.id).collect();
        assert_eq!(left, [late.id, lives.id]);
        db.close().await;
    }

    async fn scopes_and_no_repositories_are_kept(place) {
        let (db, now) = (place.open().await, noon());
        let (text, mut new) = key(1, None);
        new.terms = KeyTerms { level: Level::Admin, scopes: Scopes::all(), repositories: None, expires_at: None };
        new.name = "odd\0name".to_owned();
        db.create_key(&new, OPERATOR, now).await.unwrap();
        let found = db.key_by_hash(&text.hash()).await.unwrap().unwrap();
        assert_eq!((found.terms, found.name.as_str()), (new.terms, "odd\u{fffd}name"));
        db.close().await;
    }
}

fn once(caller: &str, key: &str, request: &str) -> Once {
    Once { caller: caller.to_owned(), key: key.to_owned(), request: request.to_owned() }
}

async fn fresh(db: &Db, once: &Once, now: DateTime<Utc>) -> Turn {
    match db.begin_once(once, now).await.unwrap() {
        Begun::Fresh(turn) => turn,
        other => panic!("{once:?} is not fresh: {other:?}"),
    }
}

on_both! {
    async fn a_request_that_is_sent_twice_is_carried_out_once(place) {
        let (db, now) = (place.open().await, noon());
        let request = once("key 1", "abc", "POST /x");
        let turn = fresh(&db, &request, now).await;
        assert_eq!(db.begin_once(&request, now).await.unwrap(), Begun::UnderWay);
        db.finish_once(&request, turn, 201, Some(b"{}")).await.unwrap();
        let replay = Begun::Replay { status: 201, body: Some(b"{}".to_vec()) };
        assert_eq!(db.begin_once(&request, now).await.unwrap(), replay);
        assert_eq!(db.begin_once(&once("key 1", "abc", "POST /y"), now).await.unwrap(), Begun::Different);
        fresh(&db, &once("key 2", "abc", "POST /y"), now).await;
        fresh(&db, &once("key 1", "abd", "POST /y"), now).await;

        let secret = once("key 1", "secret", "POST /keys");
        let turn = fresh(&db, &secret, now).await;
        db.finish_once(&secret, turn, 200, None).await.unwrap();
        assert_eq!(db.begin_once(&secret, now).await.unwrap(), Begun::Replay { status: 200, body: None });
        db.close().await;
    }

    async fn of_many_at_once_one_is_fresh(place) {
        let (db, now) = (place.open().await, noon());
        let request = once("key 1", "abc", "POST /x");
        let begun = futures_util::future::join_all((0..10).map(|_| db.begin_once(&request, now))).await;
        let fresh = begun.into_iter().filter(|begun| matches!(begun.as_ref().unwrap(), Begun::Fresh(_))).count();
        assert_eq!(fresh, 1);
        db.close().await;
    }

    async fn a_request_that_was_abandoned_or_died_is_free_again(place) {
        let (db, now) = (place.open().await, noon());
        let request = once("key 1", "abc", "POST /x");
        let turn = fresh(&db, &request, now).await;
        db.abandon_once(&request, turn).await.unwrap();
        let died = fresh(&db, &request, now + seconds(1)).await;
        let later = now + seconds(1) + GIVEN_UP_AFTER;
        assert_eq!(db.begin_once(&request, later - seconds(1)).await.unwrap(), Begun::UnderWay);
        let next = fresh(&db, &request, later).await;
        // The one that was given up wakes up after all: its turn is over.
        db.finish_once(&request, died, 500, Some(b"late")).await.unwrap();
        db.abandon_once(&request, died).await.unwrap();
        assert_eq!(db.begin_once(&request, later).await.unwrap(), Begun::UnderWay);
        db.finish_once(&request, next, 200, Some(b"done")).await.unwrap();
        let replay = Begun::Replay { status: 200, body: Some(b"done".to_vec()) };
        assert_eq!(db.begin_once(&request, later).await.unwrap(), replay);
        db.close().await;
    }

    async fn a_request_that_takes_long_is_not_given_up_while_it_is_renewed(place) {
        let (db, now) = (place.open().await, noon());
        let request = once("key 1", "abc", "POST /x");
        let begun = fresh(&db, &request, now).await;
        let later = now + GIVEN_UP_AFTER - seconds(1);
        let renewed = db.renew_once(&request, begun, later).await.unwrap().unwrap();
        assert_eq!(db.begin_once(&request, now + GIVEN_UP_AFTER * 2 - seconds(2)).await.unwrap(), Begun::UnderWay);
        // The turn that counts is the renewed one.
        db.finish_once(&request, begun, 500, None).await.unwrap();
        assert_eq!(db.renew_once(&request, begun, later).await.unwrap(), None);
        db.finish_once(&request, renewed, 200, Some(b"done")).await.unwrap();
        let replay = Begun::Replay { status: 200, body: Some(b"done".to_vec()) };
        assert_eq!(db.begin_once(&request, later).await.unwrap(), replay);
        assert_eq!(db.renew_once(&request, renewed, later).await.unwrap(), None, "it is answered");
        db.close().await;
    }

    async fn answers_are_kept_for_a_day(place) {
        let (db, now) = (place.open().await, noon());
        for key in ["a", "b", "c"] {
            let request = once("key 1", key, "POST /x");
            let turn = fresh(&db, &request, now).await;
            db.finish_once(&request, turn, 200, None).await.unwrap();
        }
        let end = now + ANSWERS_ARE_KEPT_FOR;
        assert_eq!(db.drop_old_answers(end - seconds(1), 10).await.unwrap(), 0);
        fresh(&db, &once("key 1", "a", "POST /other"), end).await;
        assert_eq!(db.drop_old_answers(end, 1).await.unwrap(), 1);
        assert_eq!(db.drop_old_answers(end, 10).await.unwrap(), 1);
        assert_eq!(db.drop_old_answers(end, 10).await.unwrap(), 0);
        assert_eq!(db.begin_once(&once("key 1", "a", "POST /other"), end).await.unwrap(), Begun::UnderWay);
        db.close().await;
    }
}
