//! What recovery asks the store, and what late events may not undo.

use orchd::store::recovery::{Lost, Progress, Resume, Scope};
use secrecy::ExposeSecret;

use super::*;

on_both! {
    async fn the_ledger_knows_which_deliveries_are_not_in_it(place) {
        let db = place.open().await;
        let events: Vec<_> = (0..150).map(|number| event("acme/web", number)).collect();
        let known: Vec<String> = events.iter().map(|event| event.delivery_id.clone()).collect();
        store(&db, events).await;
        let asked: Vec<&str> = known.iter().map(String::as_str).chain(["nobody's", "nobody else's"]).collect();
        let mut unknown: Vec<String> = db.unknown_deliveries(&asked).await.unwrap().into_iter().collect();
        unknown.sort();
        assert_eq!(unknown, ["nobody else's", "nobody's"]);
        assert!(db.unknown_deliveries(&[]).await.unwrap().is_empty());
    }

    async fn how_far_recovery_looked_never_goes_back(place) {
        let db = place.open().await;
        assert_eq!(db.recovery_progress(&Scope::Deliveries).await.unwrap(), None);
        assert_eq!(db.first_event_at().await.unwrap(), None);
        let now = noon();
        let first = Progress {
            seen_until: now,
            resume: Some(Resume { cursor: "v1_7".to_owned(), top: now + seconds(5) }),
            lost: Some(Lost { from: now - seconds(9), until: now, noticed_at: now }),
        };
        db.save_recovery(&Scope::Deliveries, &first, now).await.unwrap();
        assert_eq!(db.recovery_progress(&Scope::Deliveries).await.unwrap(), Some(first.clone()));
        let older = Progress { seen_until: now - seconds(60), resume: None, lost: None };
        db.save_recovery(&Scope::Deliveries, &older, now).await.unwrap();
        let kept = db.recovery_progress(&Scope::Deliveries).await.unwrap().unwrap();
        assert_eq!(kept, Progress { seen_until: now, resume: None, lost: None });
        assert_eq!(db.recovery_progress(&Scope::Items(7)).await.unwrap(), None, "each scope has its own");

        let event = event("acme/web", 1);
        store(&db, vec![event.clone()]).await;
        assert_eq!(db.first_event_at().await.unwrap(), Some(event.received_at));
    }

    async fn one_daemon_at_a_time_takes_a_turn(place) {
        let db = place.open().await;
        let turn = db.alone_at("recovery").await.unwrap().expect("nobody else");
        let sqlite = place.options.url.expose_secret().starts_with("sqlite");
        // On SQLite a second daemon does not get as far as this.
        assert_eq!(db.alone_at("recovery").await.unwrap().is_some(), sqlite);
        let other = db.alone_at("something else").await.unwrap().expect("another turn");
        turn.end().await;
        let again = db.alone_at("recovery").await.unwrap().expect("it is free again");
        again.end().await;
        other.end().await;
    }

    async fn a_late_event_does_not_undo_what_a_newer_one_told(place) {
        let db = place.open().await;
        let now = noon();
        let told = |full: &str, number: u64, at: Option<DateTime<Utc>>| {
            let mut event = event(full, number);
            event.repository = Some(SeenRepository { told_at: at, ..repository(5, full) });
            event
        };
        let name_now = async || db.repositories().await.unwrap()[0].name.as_str().to_owned();
        store(&db, vec![told("acme/new", 1, Some(now))]).await;
        // Late: its own transaction, after a restart too, and with no time at all.
        let late = store(&db, vec![told("acme/old", 2, Some(now - seconds(1)))]).await[0];
        assert_eq!(name_now().await, "acme/new");
        drop(db);
        let db = place.open().await;
        let name_now = async || db.repositories().await.unwrap()[0].name.as_str().to_owned();
        store(&db, vec![told("acme/old", 3, Some(now - seconds(2))), told("acme/older", 4, None)]).await;
        assert_eq!(name_now().await, "acme/new");
        // Within one batch the newest counts, wherever it stands.
        store(&db, vec![told("acme/newest", 5, Some(now + seconds(2))), told("acme/newer", 6, Some(now + seconds(1)))]).await;
        assert_eq!(name_now().await, "acme/newest");
        // As new: GitHub's clock has seconds, so what arrives last counts.
        store(&db, vec![told("acme/same", 7, Some(now + seconds(2)))]).await;
        assert_eq!(name_now().await, "acme/same");
        // Told once more, it is as new as that: what lies between came late.
        store(&db, vec![told("acme/same", 8, Some(now + seconds(5)))]).await;
        store(&db, vec![told("acme/between", 9, Some(now + seconds(4)))]).await;
        assert_eq!(name_now().await, "acme/same");
        let rows = db.repositories().await.unwrap();
        assert_eq!((rows.len(), rows[0].event_count), (1, 9));
        assert_eq!(db.event(late).await.unwrap().unwrap().repository, Some(name("acme/same")), "it is the same repository");
    }

    async fn a_late_event_does_not_undo_what_an_installation_became(place) {
        let db = place.open().await;
        let now = noon();
        let told = |login: Option<&str>, at: Option<DateTime<Utc>>| {
            let mut event = bare_event();
            event.installation = Some(SeenInstallation { told_at: at, ..installation(9, login) });
            event
        };
        store(&db, vec![told(Some("acme-corp"), Some(now))]).await;
        store(&db, vec![told(Some("acme"), Some(now - seconds(1)))]).await;
        // What almost every event tells: the id.
        let plain = store(&db, vec![told(None, None)]).await[0];
        let rows = db.installations(&orchd::store::Among::All, 10, None).await.unwrap().rows;
        assert_eq!((rows.len(), rows[0].account_login.as_str()), (1, "acme-corp"));
        assert_eq!(db.event(plain).await.unwrap().unwrap().installation, Some(InstallationId(9)));
        store(&db, vec![told(Some("acme-inc"), Some(now + seconds(1)))]).await;
        assert_eq!(db.installations(&orchd::store::Among::All, 10, None).await.unwrap().rows[0].account_login, "acme-inc");
    }

    async fn what_a_sweep_asks_is_known_by_item(place) {
        let db = place.open().await;
        let now = noon();
        let told = |number: u64, kind: &str, at: i64| {
            let mut event = event("acme/web", number);
            event.event_type = kind.to_owned();
            event.github_timestamp = Some(now + seconds(at));
            event.installation = Some(installation(9, None));
            event
        };
        let github_id = event("acme/web", 1).repository.unwrap().github_id;
        let ids = store(&db, vec![
            told(1, "issues", 5),
            told(1, "issue_comment", 9),
            // Late.
            told(1, "issues", 7),
            told(2, "pull_request", 1),
            // Newer, and says nothing about the pull request itself.
            told(2, "check_run", 60),
        ]).await;
        let told = db.told_items(github_id, &[1, 2, 3]).await.unwrap();
        assert_eq!(told.len(), 2);
        assert_eq!((told[&1].at, told[&1].event), (now + seconds(9), ids[1]));
        assert_eq!((told[&2].at, told[&2].event), (now + seconds(1), ids[3]));
        assert!(db.told_items(1, &[1]).await.unwrap().is_empty(), "of another repository");

        // Without an installation nobody may look.
        store(&db, vec![event("acme/api", 1)]).await;
        let swept = db.swept_repositories().await.unwrap();
        assert_eq!(swept.len(), 1);
        assert_eq!((swept[0].github_id, swept[0].name.as_str(), swept[0].installation.0), (github_id, "acme/web", 9));
    }
}
