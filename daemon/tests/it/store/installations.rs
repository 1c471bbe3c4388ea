use std::collections::BTreeMap;

use orchd::core::installation::{CoveredRepository, Installation, Stop};
use orchd::store::StoreError;
use orchd::store::decisions::Processed;
use orchd::store::effects::{EffectState, Write};
use orchd::store::installations::{InstallationCount, Word};
use orchd::store::jobs::Work;
use orchd::store::repository_configs::{FileProblem, FileVersion, RepositoryConfigRow};

use super::decisions::planned;
use super::*;

const ID: InstallationId = InstallationId(9);

fn told(login: &str) -> Installation {
    Installation {
        id: ID,
        account_login: login.to_owned(),
        account_type: "Organization".to_owned(),
        target_type: "Organization".to_owned(),
        repository_selection: "selected".to_owned(),
        permissions: BTreeMap::from([("issues".to_owned(), "write".to_owned())]),
        events: vec!["push".to_owned()],
        suspended_at: None,
        updated_at: None,
    }
}

fn suspended(at: DateTime<Utc>) -> Installation {
    Installation { suspended_at: Some(at), ..told("acme") }
}

fn covered(github_id: i64, full: &str) -> CoveredRepository {
    CoveredRepository {
        github_id,
        name: name(full),
        is_private: true,
        description: None,
        url: None,
        default_branch: None,
    }
}

async fn names(db: &Db) -> Vec<String> {
    db.covered_repositories(ID, 100).await.unwrap().iter().map(ToString::to_string).collect()
}

on_both! {
    async fn an_older_word_about_an_installation_changes_nothing(place) {
        let (db, now) = (place.open().await, noon());
        assert!(db.take_over_installation(&told("acme"), Word::Asked, now).await.unwrap());
        assert!(!db.take_over_installation(&suspended(now), Word::Told, now - seconds(1)).await.unwrap());
        assert_eq!(db.stop_of(ID).await.unwrap(), None);
        assert!(db.take_over_installation(&suspended(now), Word::Told, now + seconds(1)).await.unwrap());
        let stop = Stop::Suspended { account: "acme".to_owned(), since: Some(now) };
        assert_eq!(db.stop_of(ID).await.unwrap(), Some(stop));
        db.rename_account(ID, "older", now).await.unwrap();
        db.rename_account(ID, "newer", now + seconds(2)).await.unwrap();

        let row = db.installation(ID).await.unwrap().unwrap();
        assert_eq!((row.account_login.as_str(), row.is_suspended), ("newer", true));
        assert_eq!((row.permissions, row.known_at), (told("acme").permissions, Some(now + seconds(2))));
        assert_eq!(db.count_installations().await.unwrap(), InstallationCount { active: 0, suspended: 1, deleted: 0 });
        assert_eq!(db.installation(InstallationId(10)).await.unwrap(), None);
        // What a payload says by the way does not replace what GitHub was asked.
        store(&db, vec![NewEvent { installation: Some(installation(9, Some("stale"))), ..event("acme/web", 1) }]).await;
        assert_eq!(db.installation(ID).await.unwrap().unwrap().account_login, "newer");
    }

    async fn a_deletion_is_final_unless_github_lists_it_again(place) {
        let (db, now) = (place.open().await, noon());
        db.take_over_installation(&told("acme"), Word::Asked, now).await.unwrap();
        db.mark_installation_deleted(ID, now - seconds(60)).await.unwrap();
        assert!(matches!(db.stop_of(ID).await.unwrap(), Some(Stop::Deleted { .. })));
        assert!(!db.take_over_installation(&told("acme"), Word::Told, now + seconds(1)).await.unwrap());
        assert!(db.take_over_installation(&told("acme"), Word::Asked, now + seconds(1)).await.unwrap());
        assert_eq!(db.stop_of(ID).await.unwrap(), None);
    }

    async fn what_the_list_leaves_out_is_marked_and_what_is_newer_is_not(place) {
        let (db, now) = (place.open().await, noon());
        for id in [1, 2, 3] {
            let each = Installation { id: InstallationId(id), ..told("acme") };
            db.take_over_installation(&each, Word::Asked, now + seconds(id)).await.unwrap();
        }
        // A list of the second two, in which only the second stood; the third was told of afterwards.
        assert_eq!(db.mark_unlisted_deleted(now + seconds(2)).await.unwrap(), 1);
        assert_eq!(db.mark_unlisted_deleted(now + seconds(2)).await.unwrap(), 0);
        let page = db.installations(&orchd::store::Among::All, 2, None).await.unwrap();
        assert_eq!(page.rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [3, 2], "newest first");
        let rest = db.installations(&orchd::store::Among::All, 2, page.next).await.unwrap();
        assert_eq!((rest.rows[0].id.0, rest.rows[0].deleted_at), (1, Some(now + seconds(2))));
        assert!(rest.next.is_none());
    }

    async fn repositories_come_and_go_in_any_order(place) {
        let (db, now) = (place.open().await, noon());
        let many: Vec<_> = (1..=450).map(|id| covered(id, &format!("acme/r{id:03}"))).collect();
        db.take_over_repositories(ID, &many, true, now).await.unwrap();
        assert!(db.repositories().await.unwrap().is_empty(), "of an installation that is not known");
        db.take_over_installation(&told("acme"), Word::Asked, now).await.unwrap();
        db.take_over_repositories(ID, &many, true, now).await.unwrap();
        assert_eq!(db.installation(ID).await.unwrap().unwrap().repositories, 450);

        let few = [covered(1, "acme/renamed"), covered(2, "acme/r002"), covered(2, "acme/r002")];
        db.take_over_repositories(ID, &few, true, now + seconds(5)).await.unwrap();
        assert_eq!(names(&db).await, ["acme/r002", "acme/renamed"]);
        db.take_over_repositories(ID, &[covered(3, "acme/r003")], false, now + seconds(4)).await.unwrap();
        assert_eq!(names(&db).await, ["acme/r002", "acme/renamed"], "an older word");
        db.take_over_repositories(ID, &[covered(3, "acme/r003")], false, now + seconds(6)).await.unwrap();
        db.unlink_repositories(ID, &[3], now + seconds(5)).await.unwrap();
        db.unlink_repositories(ID, &[2, 77], now + seconds(6)).await.unwrap();
        assert_eq!(names(&db).await, ["acme/r003", "acme/renamed"]);
    }

    async fn a_short_word_about_a_repository_keeps_what_is_known(place) {
        let (db, now) = (place.open().await, noon());
        store(&db, vec![event("acme/web", 1)]).await;
        let known = db.repositories().await.unwrap().remove(0);
        db.take_over_installation(&told("acme"), Word::Asked, now).await.unwrap();
        db.take_over_repositories(ID, &[covered(known.github_id, "acme/site")], false, now).await.unwrap();
        let row = db.repositories().await.unwrap().remove(0);
        assert_eq!((row.name.as_str(), row.default_branch.as_str(), row.is_private), ("acme/site", "main", true));
        let whole = CoveredRepository {
            default_branch: Some("trunk".to_owned()),
            url: Some("https://github.com/acme/site".to_owned()),
            ..covered(known.github_id, "acme/site")
        };
        db.take_over_repositories(ID, &[whole], true, now).await.unwrap();
        assert_eq!(db.repositories().await.unwrap()[0].default_branch, "trunk");
    }

    async fn a_held_effect_goes_on_with_its_installation(place) {
        let (db, now) = (place.open().await, noon());
        let (event, effect, job) = planned(&db).await;
        db.take_over_installation(&told("acme"), Word::Asked, now).await.unwrap();
        let hold = async || db.hold_effect("me", job, (effect, ID), "suspended", now).await;
        assert!(!hold().await.unwrap(), "it may act");
        db.take_over_installation(&suspended(now), Word::Asked, now).await.unwrap();
        let others = db.hold_effect("another", job, (effect, ID), "suspended", now).await;
        assert!(matches!(others, Err(StoreError::LeaseLost)));
        assert!(hold().await.unwrap());
        assert_eq!(db.effect(effect).await.unwrap().unwrap().state, EffectState::Held);
        assert_eq!(db.queue_depth().await.unwrap().queued, 0, "a held effect keeps no job");
        assert!(db.resumable().await.unwrap().is_empty());
        assert_eq!(db.resume(ID, now).await.unwrap(), 0);

        db.take_over_installation(&told("acme"), Word::Asked, now + seconds(1)).await.unwrap();
        assert_eq!(db.resumable().await.unwrap(), [ID]);
        assert_eq!(db.resume(ID, now).await.unwrap(), 1);
        assert_eq!(db.resume(ID, now).await.unwrap(), 0, "once");
        assert_eq!(db.effect(effect).await.unwrap().unwrap().state, EffectState::Planned);
        assert_eq!(claim(&db, "me", now).await[0].job.work, Work::Apply { event, intent: effect });
    }

    async fn a_write_under_way_is_settled_when_its_installation_goes_on(place) {
        let (db, now) = (place.open().await, noon());
        let (_, effect, job) = planned(&db).await;
        let (before, change) = (serde_json::json!([]), serde_json::json!({"add": ["bug"]}));
        let write = Write { owner: "me", job, effect, before: &before, change: &change, lease_until: now + seconds(30), allowance: None };
        db.begin_write(&write, now).await.unwrap();
        db.take_over_installation(&suspended(now), Word::Asked, now).await.unwrap();
        assert!(db.hold_effect("me", job, (effect, ID), "suspended", now).await.unwrap());
        db.take_over_installation(&told("acme"), Word::Asked, now + seconds(1)).await.unwrap();
        assert_eq!(db.resume(ID, now).await.unwrap(), 1);
        let row = db.effect(effect).await.unwrap().unwrap();
        assert_eq!((row.state, row.before, row.change), (EffectState::Writing, Some(before), Some(change)));
    }

    async fn a_held_event_is_decided_anew_and_not_while_it_is_being_decided(place) {
        let (db, now) = (place.open().await, noon());
        let id = store(&db, vec![event("acme/web", 1)]).await[0];
        assert_eq!(claim(&db, "me", noon()).await.len(), 1);
        db.take_over_installation(&told("acme"), Word::Asked, now).await.unwrap();
        db.hold_event(id, ID, now).await.unwrap();
        db.hold_event(id, ID, now).await.unwrap();
        assert_eq!(db.resume(ID, now).await.unwrap(), 0, "its job runs");
        assert_eq!(db.resumable().await.unwrap(), [ID], "so it is looked at again");
        let done = Processed { job: job_of(id), event: id, decisions: vec![], config_revision: "r".to_owned(), hand_changes: vec![], cause: None, facts: None };
        db.finish_processed("me", &[done], now).await.unwrap();
        assert_eq!(db.resume(ID, now).await.unwrap(), 1);
        assert!(db.resumable().await.unwrap().is_empty());
        assert_eq!(claim(&db, "me", noon()).await[0].job.id, job_of(id));
    }

    async fn the_config_of_a_repository_is_kept_with_its_last_good_version(place) {
        let (db, now) = (place.open().await, noon());
        let good = FileVersion { sha: "a".repeat(40), text: "rules: []\0".to_owned() };
        let row = RepositoryConfigRow {
            repository: name("acme/web"),
            path: ".github/orchd.yml".to_owned(),
            blob_sha: Some("b".repeat(40)),
            problems: vec![FileProblem { line: 2, column: 3, message: "no".to_owned() }],
            good: Some(FileVersion { text: "rules: []".to_owned(), ..good }),
            checked_at: now,
        };
        db.store_repository_config(&row).await.unwrap();
        assert_eq!(db.repository_config(&row.repository).await.unwrap(), None, "of a repository that is not known");
        store(&db, vec![event("acme/web", 1), event("acme/api", 1)]).await;
        db.store_repository_config(&row).await.unwrap();
        let older = RepositoryConfigRow { problems: vec![], checked_at: now - seconds(1), ..row.clone() };
        db.store_repository_config(&older).await.unwrap();
        assert_eq!(db.repository_config(&name("Acme/WEB")).await.unwrap(), Some(row.clone()));
        assert_eq!(db.repository_config(&name("acme/api")).await.unwrap(), None);
        assert_eq!(db.bad_repository_configs(10).await.unwrap(), std::slice::from_ref(&row));
        let mended = RepositoryConfigRow { problems: vec![], good: None, blob_sha: None, ..row.clone() };
        db.store_repository_config(&mended).await.unwrap();
        assert_eq!(db.repository_config(&row.repository).await.unwrap(), Some(mended));
        assert!(db.bad_repository_configs(10).await.unwrap().is_empty());
    }
}
