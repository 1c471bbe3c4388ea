//! The contract of people, their tokens, their sessions, and who is on the way to GitHub.

use std::time::Duration;

use chrono::{DateTime, Utc};
use orchd::core::audit::{Actor, Kind};
use orchd::store::audit::AuditFilter;
use orchd::store::pending_logins::PendingLogin;
use orchd::store::sessions::NewSession;
use orchd::store::users::{Person, SealedTokens, UserRow};
use orchd::store::{Db, StoreError};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, SqliteConnection};
use uuid::Uuid;

use super::{Place, noon, on_both, seconds};

const DAY: Duration = Duration::from_secs(86_400);

fn mona() -> Person {
    Person { github_id: 7, login: "mona".to_owned(), email: Some("mona@example.com".to_owned()), avatar_url: None }
}

fn tokens(word: &str, now: DateTime<Utc>) -> SealedTokens {
    SealedTokens {
        key: "0123abcd".to_owned(),
        access: format!("v1.0123abcd.{word}"),
        access_expires_at: Some(now + seconds(28_800)),
        refresh: Some(format!("v1.0123abcd.refresh-{word}")),
        refresh_expires_at: None,
    }
}

fn session(token: &str, now: DateTime<Utc>) -> NewSession {
    NewSession {
        id: Uuid::now_v7(),
        token_hash: token.to_owned(),
        expires_at: now + seconds(86_400),
        ends_at: now + seconds(3 * 86_400),
        address: Some("192.0.2.7".to_owned()),
        agent: Some("a browser\0".to_owned()),
    }
}

async fn sign_in(db: &Db, person: &Person, token: &str, now: DateTime<Utc>) -> UserRow {
    db.sign_in(person, |_| Ok(tokens(token, now)), &session(token, now), None, now).await.unwrap()
}

async fn told(db: &Db, kind: Kind) -> Vec<String> {
    let filter = AuditFilter { kind: Some(kind), limit: 100, ..AuditFilter::default() };
    let rows = db.audit_rows(&filter).await.unwrap().rows;
    rows.into_iter().map(|row| format!("{} {}", row.actor, row.note.unwrap_or_default())).collect()
}

on_both! {
    async fn whoever_signs_in_again_is_the_same_person(place) {
        let (db, now) = (place.open().await, noon());
        let first = sign_in(&db, &mona(), "one", now).await;
        let renamed = Person { login: "mona-lisa".to_owned(), email: None, ..mona() };
        let again = sign_in(&db, &renamed, "two", now + seconds(5)).await;
        assert_eq!((again.id, again.login.as_str(), again.email), (first.id, "mona-lisa", None));
        assert_eq!((again.created_at, again.updated_at), (now, now + seconds(5)));
        assert_eq!(db.user(first.id).await.unwrap().map(|user| user.login), Some("mona-lisa".to_owned()));
        assert_eq!(db.tokens_of(first.id).await.unwrap(), Some(tokens("two", now + seconds(5))));
        assert_eq!(db.sessions_of(first.id, now).await.unwrap().len(), 2);
        assert_eq!(told(&db, Kind::SignedIn).await, ["person from 192.0.2.7", "person from 192.0.2.7"]);
        db.rename_user(first.id, "lisa").await.unwrap();
        let renamed = db.user(first.id).await.unwrap().unwrap();
        assert_eq!((renamed.login.as_str(), renamed.updated_at), ("lisa", now + seconds(5)), "that is no new consent");
    }

    async fn tokens_that_are_not_sealed_sign_nobody_in(place) {
        let (db, now) = (place.open().await, noon());
        let refused = |_| Err(StoreError::Failed("no key".to_owned()));
        assert!(db.sign_in(&mona(), refused, &session("one", now), None, now).await.is_err());
        assert_eq!(db.use_session("one", DAY, now).await.unwrap(), None);
    }

    async fn a_session_slides_while_it_is_used_and_ends_at_its_cap(place) {
        let (db, now) = (place.open().await, noon());
        sign_in(&db, &mona(), "one", now).await;
        let used = |at| db.use_session("one", DAY, at);
        assert_eq!(used(now + seconds(30)).await.unwrap().unwrap().0.expires_at, now + seconds(86_400), "not yet written");
        let later = now + seconds(80_000);
        let (row, user) = used(later).await.unwrap().unwrap();
        assert_eq!((row.expires_at, row.last_activity_at), (later + seconds(86_400), later));
        assert_eq!((user.login.as_str(), row.agent.as_deref()), ("mona", Some("a browser\u{fffd}")));
        let later = later + seconds(86_000);
        used(later).await.unwrap().unwrap();
        let later = later + seconds(86_000);
        assert_eq!(used(later).await.unwrap().unwrap().0.expires_at, now + seconds(3 * 86_400), "never beyond the cap");
        assert_eq!(used(now + seconds(3 * 86_400)).await.unwrap(), None);
        assert_eq!(db.use_session("another", DAY, now).await.unwrap(), None);
    }

    async fn a_session_that_is_not_used_ends_and_is_dropped(place) {
        let (db, now) = (place.open().await, noon());
        let user = sign_in(&db, &mona(), "one", now).await;
        sign_in(&db, &mona(), "two", now + seconds(100)).await;
        let end = now + seconds(86_400);
        assert_eq!(db.use_session("one", DAY, end).await.unwrap(), None);
        assert_eq!(db.sessions_of(user.id, end).await.unwrap().len(), 1);
        assert_eq!(db.drop_ended_sessions(end, 10).await.unwrap(), 1);
        assert_eq!(db.drop_ended_sessions(end, 10).await.unwrap(), 0);
        assert!(db.use_session("two", DAY, end).await.unwrap().is_some());
    }

    async fn one_ends_ones_own_sessions_and_nobody_elses(place) {
        let (db, now) = (place.open().await, noon());
        let person = |login: &str| Actor::Person(login.to_owned());
        let mona = sign_in(&db, &mona(), "one", now).await;
        sign_in(&db, &self::mona(), "two", now + seconds(1)).await;
        let hubot = sign_in(&db, &Person { github_id: 8, login: "hubot".to_owned(), ..self::mona() }, "three", now).await;
        let listed = db.sessions_of(mona.id, now).await.unwrap();
        assert_eq!(listed[0].created_at, now + seconds(1), "the latest used first");
        assert!(!db.end_session(hubot.id, listed[0].id, person("hubot"), now).await.unwrap());
        assert!(db.end_session(mona.id, listed[0].id, person("mona"), now).await.unwrap());
        assert!(!db.end_session(mona.id, listed[0].id, person("mona"), now).await.unwrap());
        assert_eq!(db.use_session("two", DAY, now).await.unwrap(), None);
        assert_eq!(db.end_sessions(mona.id, person("mona"), now).await.unwrap(), 1);
        assert_eq!(db.end_sessions(mona.id, person("mona"), now).await.unwrap(), 0);
        assert!(db.use_session("three", DAY, now).await.unwrap().is_some());
        assert_eq!(told(&db, Kind::SignedOut).await, ["person everywhere: 1 sessions", "person one session"]);
    }

    async fn the_session_a_browser_had_before_ends_when_it_signs_in(place) {
        let (db, now) = (place.open().await, noon());
        sign_in(&db, &mona(), "old", now).await;
        db.sign_in(&mona(), |_| Ok(tokens("t", now)), &session("new", now), Some("old"), now).await.unwrap();
        assert_eq!(db.use_session("old", DAY, now).await.unwrap(), None);
        assert!(db.use_session("new", DAY, now).await.unwrap().is_some());
    }

    async fn one_daemon_at_a_time_renews_tokens(place) {
        let (db, now) = (place.open().await, noon());
        let user = sign_in(&db, &mona(), "one", now).await.id;
        let (old, new) = (tokens("one", now), tokens("two", now));
        let until = now + seconds(60);
        assert!(db.take_refresh_turn(user, &old, until, now).await.unwrap());
        assert!(!db.take_refresh_turn(user, &old, until, now + seconds(59)).await.unwrap());
        db.give_refresh_turn_back(user, now + seconds(7)).await.unwrap();
        assert!(!db.take_refresh_turn(user, &old, until, now).await.unwrap(), "the turn of another is not given back");
        db.give_refresh_turn_back(user, until).await.unwrap();
        assert!(db.take_refresh_turn(user, &old, until, now).await.unwrap());
        assert!(db.take_refresh_turn(user, &old, until + seconds(60), until).await.unwrap(), "its time is over");
        assert!(db.replace_tokens(user, &old, &new, Some(now)).await.unwrap());
        assert!(!db.replace_tokens(user, &old, &new, Some(now)).await.unwrap());
        assert!(!db.take_refresh_turn(user, &old, until, now).await.unwrap(), "those are gone");
        assert_eq!(db.tokens_of(user).await.unwrap(), Some(new));
    }

    async fn tokens_that_are_given_up_take_the_sessions_along(place) {
        let (db, now) = (place.open().await, noon());
        let user = sign_in(&db, &mona(), "one", now).await.id;
        assert_eq!(db.give_tokens_up(user, &tokens("another", now), "why", now).await.unwrap(), None);
        assert_eq!(db.give_tokens_up(user, &tokens("one", now), "GitHub refused", now).await.unwrap(), Some(1));
        assert_eq!(db.tokens_of(user).await.unwrap(), None);
        assert_eq!(db.use_session("one", DAY, now).await.unwrap(), None);
        assert_eq!(told(&db, Kind::SignedOut).await, ["orchd mona, 1 sessions: GitHub refused"]);
    }

    async fn a_revocation_ends_what_is_older_than_it(place) {
        let (db, now) = (place.open().await, noon());
        let user = sign_in(&db, &mona(), "one", now).await.id;
        assert_eq!(db.revoke_user(7, now - seconds(1), "why", now).await.unwrap(), 0, "they have consented since");
        assert!(db.use_session("one", DAY, now).await.unwrap().is_some());
        assert_eq!(db.revoke_user(9, now, "why", now).await.unwrap(), 0);
        assert_eq!(db.revoke_user(7, now + seconds(1), "why", now + seconds(2)).await.unwrap(), 1);
        assert_eq!(db.tokens_of(user).await.unwrap(), None);
        assert_eq!(db.use_session("one", DAY, now).await.unwrap(), None);
    }

    async fn people_are_listed_the_last_first_and_signed_out_by_others(place) {
        let (db, now) = (place.open().await, noon());
        let mut ids = Vec::new();
        for github_id in 1..=3 {
            let person = Person { github_id, login: format!("user-{github_id}"), ..mona() };
            ids.push(sign_in(&db, &person, &format!("a{github_id}"), now).await.id);
            sign_in(&db, &person, &format!("b{github_id}"), now + seconds(5)).await;
        }
        db.use_session("b1", DAY, now + seconds(600)).await.unwrap().unwrap();
        let first = db.people(None, 2, now).await.unwrap();
        assert_eq!(first.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
        let rest = db.people(first.next, 2, now).await.unwrap();
        let [row] = &rest.rows[..] else { panic!("{rest:?}") };
        assert_eq!((row.id, row.login.as_str(), row.sessions, rest.next), (ids[0], "user-1", 2, None));
        assert_eq!((row.created_at, row.last_seen_at), (now, now + seconds(600)));
        assert_eq!(db.people(None, 1, now + seconds(100 * 86_400)).await.unwrap().rows[0].sessions, 0, "they have ended");

        let admin = || Actor::Person("admin".to_owned());
        assert_eq!(db.sign_out(ids[0], admin(), now).await.unwrap(), Some(2));
        assert_eq!(db.sign_out(ids[0], admin(), now).await.unwrap(), Some(0), "once more is no error");
        assert_eq!(db.sign_out(Uuid::nil(), admin(), now).await.unwrap(), None);
        assert_eq!(db.use_session("a1", DAY, now).await.unwrap(), None);
        assert!(db.use_session("a2", DAY, now).await.unwrap().is_some());
        assert_eq!(told(&db, Kind::SignedOut).await, ["person user-1, 2 sessions: an administrator ended them"]);
        assert!(db.tokens_of(ids[0]).await.unwrap().is_some(), "keys go on");
    }

    async fn whose_tokens_are_under_another_key_is_listed_by_id(place) {
        let (db, now) = (place.open().await, noon());
        let mut all = Vec::new();
        for github_id in 1..=5 {
            let person = Person { github_id, login: format!("user-{github_id}"), ..mona() };
            all.push(sign_in(&db, &person, &format!("t{github_id}"), now).await.id);
        }
        all.sort_unstable();
        let found = db.sealed_otherwise("feedbeef", Uuid::nil(), 3).await.unwrap();
        assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), all[..3]);
        let rest = db.sealed_otherwise("feedbeef", all[2], 3).await.unwrap();
        assert_eq!(rest.iter().map(|(id, _)| *id).collect::<Vec<_>>(), all[3..]);
        assert!(db.sealed_otherwise("0123abcd", Uuid::nil(), 3).await.unwrap().is_empty());
    }

    async fn whoever_went_to_github_comes_back_once_and_in_time(place) {
        let (db, now) = (place.open().await, noon());
        let pending = |state: &str| PendingLogin {
            state_hash: state.to_owned(),
            browser_hash: "b".to_owned(),
            verifier: "v1.0123abcd.x".to_owned(),
            return_to: "/account".to_owned(),
            expires_at: now + seconds(600),
        };
        for state in ["one", "two", "three"] {
            db.store_pending_login(&pending(state)).await.unwrap();
        }
        assert_eq!(db.take_pending_login("one", now).await.unwrap(), Some(pending("one")));
        assert_eq!(db.take_pending_login("one", now).await.unwrap(), None);
        assert_eq!(db.take_pending_login("two", now + seconds(600)).await.unwrap(), None, "too late");
        assert_eq!(db.drop_late_logins(now + seconds(599), 10).await.unwrap(), 0);
        assert_eq!(db.drop_late_logins(now + seconds(600), 10).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_session_is_good_while_the_store_takes_no_writes() {
    let place = Place::sqlite().await;
    let (db, now) = (place.open().await, noon());
    sign_in(&db, &mona(), "one", now).await;
    let mut other = SqliteConnection::connect(place.options.url.expose_secret()).await.unwrap();
    let refuse = "CREATE TRIGGER full BEFORE UPDATE ON user_sessions BEGIN SELECT RAISE(FAIL, 'disk is full'); END";
    sqlx::query(refuse).execute(&mut other).await.unwrap();
    let later = now + seconds(600);
    let (row, user) = db.use_session("one", DAY, later).await.unwrap().unwrap();
    assert_eq!((row.last_activity_at, user.login.as_str()), (now, "mona"), "told as it is stored");
    sqlx::query("DROP TRIGGER full").execute(&mut other).await.unwrap();
    assert_eq!(db.use_session("one", DAY, later).await.unwrap().unwrap().0.last_activity_at, later);
}
