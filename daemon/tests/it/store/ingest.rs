use orchd::core::event::InstallationId;
use orchd::store::events::{EventFilter, EventStatus, IngestStatus};
use orchd::store::jobs::JobState;

use super::*;

on_both! {
    async fn invariant_1_what_was_answered_is_there_after_a_crash(place) {
        let db = place.open().await;
        let delivery = event("acme/web", 1);
        let id = store(&db, vec![delivery.clone()]).await[0];
        // No close: as if the process had ended here.
        drop(db);

        let db = place.open().await;
        let row = db.event(id).await.unwrap().unwrap();
        assert_eq!(row.delivery_id, delivery.delivery_id);
        assert_eq!(db.payload(id).await.unwrap().unwrap(), delivery.payload);
        assert_eq!(db.job(job_of(id)).await.unwrap().unwrap().state, JobState::Queued);
        assert_eq!(db.ingest(vec![delivery]).await.unwrap()[0].status, IngestStatus::Duplicate);
    }

    async fn every_column_comes_back(place) {
        let db = place.open().await;
        let mut delivery = event("Acme/Web.site", 7);
        delivery.actor = Some("mona-ünïcödé-🦀".to_owned());
        delivery.github_timestamp = Some(noon() - seconds(3));
        delivery.installation = Some(installation(99, None));
        delivery.payload = r#"{"title":"日本語 \u0000 🦀"}"#.into();
        let id = store(&db, vec![delivery.clone()]).await[0];

        let row = db.event(id).await.unwrap().unwrap();
        assert_eq!(row.id, delivery.id);
        assert_eq!(row.source, delivery.source);
        assert_eq!((row.event_type, row.event_action), (delivery.event_type, delivery.event_action));
        assert_eq!((row.actor, row.number), (delivery.actor, Some(7)));
        assert_eq!(row.repository, Some(name("Acme/Web.site")));
        assert_eq!(row.installation, Some(InstallationId(99)));
        assert_eq!(row.target_object_ids, delivery.target_object_ids);
        assert_eq!((row.received_at, row.github_timestamp), (delivery.received_at, delivery.github_timestamp));
        assert_eq!((row.processing_status, row.error_message, row.retry_count), (EventStatus::Received, None, 0));
        assert_eq!(db.payload(id).await.unwrap().unwrap(), delivery.payload);
        assert_eq!(db.job(job_of(id)).await.unwrap().unwrap().lane, "acme/web.site");
    }

    async fn an_event_that_nothing_waits_for_is_done_when_stored_and_can_be_replayed(place) {
        let db = place.open().await;
        let mut nobodys = event("Acme/Web", 1);
        nobodys.awaited = false;
        let mut about_nothing = bare_event();
        about_nothing.awaited = false;
        let awaited = event("acme/web", 2);
        let ids = store(&db, vec![nobodys.clone(), about_nothing, awaited.clone()]).await;

        let row = db.event(ids[0]).await.unwrap().unwrap();
        assert_eq!(row.processing_status, EventStatus::Processed);
        assert_eq!(db.payload(ids[0]).await.unwrap().unwrap(), nobodys.payload);
        assert_eq!(db.job(job_of(ids[0])).await.unwrap(), None);
        assert_eq!(db.job(job_of(ids[2])).await.unwrap().unwrap().state, JobState::Queued);
        let again = db.ingest(vec![nobodys]).await.unwrap();
        assert_eq!((again[0].id, again[0].status), (ids[0], IngestStatus::Duplicate));

        for (id, lane) in [(ids[0], "acme/web"), (ids[1], "-")] {
            assert_eq!(db.replay(id, OPERATOR, noon()).await.unwrap(), Replay::Queued);
            let job = db.job(job_of(id)).await.unwrap().unwrap();
            assert_eq!((job.lane.as_str(), job.state), (lane, JobState::Queued));
            assert_eq!(db.event(id).await.unwrap().unwrap().processing_status, EventStatus::Received);
        }
    }

    async fn an_event_about_nothing_is_stored_too(place) {
        let db = place.open().await;
        let id = store(&db, vec![bare_event()]).await[0];
        let row = db.event(id).await.unwrap().unwrap();
        assert_eq!((row.repository, row.installation, row.actor), (None, None, None));
        assert_eq!(db.job(job_of(id)).await.unwrap().unwrap().lane, "-");
    }

    async fn a_nul_character_in_a_payload_loses_nothing(place) {
        let db = place.open().await;
        let mut delivery = event("acme/web", 1);
        delivery.actor = Some("a\0b".to_owned());
        delivery.repository.as_mut().unwrap().description = Some("\0".to_owned());
        let id = store(&db, vec![delivery]).await[0];
        assert_eq!(db.event(id).await.unwrap().unwrap().actor.unwrap(), "a\u{fffd}b");
    }

    async fn the_same_delivery_is_stored_once(place) {
        let db = place.open().await;
        let first = event("acme/web", 1);
        let mut twin = event("acme/web", 1);
        twin.delivery_id = first.delivery_id.clone();
        let other = event("acme/web", 2);

        let in_one_batch = db.ingest(vec![first.clone(), twin.clone(), other.clone()]).await.unwrap();
        assert_eq!(in_one_batch.iter().map(|it| it.id).collect::<Vec<_>>(), [first.id, first.id, other.id]);
        assert_eq!(
            in_one_batch.iter().map(|it| it.status).collect::<Vec<_>>(),
            [IngestStatus::Accepted, IngestStatus::Duplicate, IngestStatus::Accepted]
        );

        let fresh = event("acme/web", 3);
        let later = db.ingest(vec![twin, fresh.clone()]).await.unwrap();
        assert_eq!((later[0].id, later[0].status), (first.id, IngestStatus::Duplicate));
        assert_eq!((later[1].id, later[1].status), (fresh.id, IngestStatus::Accepted));
        assert_eq!(db.repositories().await.unwrap()[0].event_count, 3);
        assert_eq!(db.queue_depth().await.unwrap().queued, 3);
    }

    async fn a_redelivery_of_a_failed_event_is_queued_again(place) {
        let db = place.open().await;
        let delivery = event("acme/web", 1);
        let id = store(&db, vec![delivery.clone()]).await[0];
        claim(&db, "me", noon()).await;
        db.bury("me", job_of(id), "it broke", noon()).await.unwrap();
        let failed = db.event(id).await.unwrap().unwrap();
        assert_eq!((failed.processing_status, failed.error_message.as_deref()), (EventStatus::Failed, Some("it broke")));

        let mut redelivery = delivery.clone();
        redelivery.id = bare_event().id;
        let again = db.ingest(vec![redelivery.clone(), redelivery]).await.unwrap();
        assert_eq!((again[0].id, again[0].status), (id, IngestStatus::Requeued));
        assert_eq!((again[1].id, again[1].status), (id, IngestStatus::Duplicate));
        let row = db.event(id).await.unwrap().unwrap();
        assert_eq!((row.processing_status, row.error_message), (EventStatus::Received, None));
        let claims = claim(&db, "me", noon() + seconds(1)).await;
        assert_eq!((claims[0].job.id, claims[0].job.attempts), (job_of(id), 1));
    }

    async fn a_payload_of_two_mebibytes_goes_to_the_object_store_and_comes_back(place) {
        let db = place.open().await;
        let mut big = event("acme/web", 1);
        big.payload = format!(r#"{{"body":"{}"}}"#, "long text ".repeat(210_000)).into();
        let id = store(&db, vec![big.clone(), event("acme/web", 2)]).await[0];
        let objects = || std::fs::read_dir(place.directory.path().join("objects")).unwrap().count();
        assert_eq!(objects(), 1);
        assert_eq!(db.payload(id).await.unwrap().unwrap(), big.payload);

        big.id = bare_event().id;
        assert_eq!(db.ingest(vec![big]).await.unwrap()[0].status, IngestStatus::Duplicate);
        assert_eq!(objects(), 1, "the duplicate's object is not kept");
    }

    async fn a_batch_of_five_thousand_is_one_transaction(place) {
        let db = place.open().await;
        let batch: Vec<_> = (0..5_000).map(|n| event(&format!("acme/r{}", n % 150), n)).collect();
        let ids = store(&db, batch).await;
        assert_eq!(db.queue_depth().await.unwrap().queued, 5_000);
        assert_eq!(db.repositories().await.unwrap().len(), 150);
        assert_eq!(db.repositories().await.unwrap().iter().map(|it| it.event_count).sum::<u64>(), 5_000);
        assert_eq!(db.events_by_id(&ids).await.unwrap().len(), 5_000);
        assert_eq!(db.payloads(&ids[..300]).await.unwrap().len(), 300);
    }

    async fn repositories_and_installations_are_learnt_and_renamed(place) {
        let db = place.open().await;
        let mut first = event("acme/web", 1);
        first.repository = Some(repository(5, "acme/web"));
        first.installation = Some(installation(9, None));
        store(&db, vec![first.clone()]).await;
        assert_eq!(db.installations(&orchd::store::Among::All, 10, None).await.unwrap().rows[0].account_login, "acme");

        let mut renamed = event("acme/web", 2);
        renamed.repository = Some(SeenRepository { is_private: true, ..repository(5, "acme/site") });
        renamed.installation = Some(installation(9, Some("Acme-Corp")));
        let id = store(&db, vec![renamed]).await[0];
        let repositories = db.repositories().await.unwrap();
        assert_eq!(repositories.len(), 1);
        assert_eq!((&repositories[0].name, repositories[0].is_private), (&name("acme/site"), true));
        assert_eq!(repositories[0].event_count, 2);
        assert!(repositories[0].last_event_at.is_some());
        assert_eq!(db.installations(&orchd::store::Among::All, 10, None).await.unwrap().rows[0].account_login, "Acme-Corp");

        // All of its events, under its new name.
        let filter = EventFilter { repository: Some(name("ACME/Site")), limit: 10, ..Default::default() };
        let events = db.events(&filter).await.unwrap().rows;
        assert_eq!(events.iter().map(|it| it.id).collect::<Vec<_>>(), [id, first.id]);
    }

    async fn two_that_ingest_the_same_at_once_store_it_once(place) {
        let db = place.open().await;
        let batch: Vec<_> = (0..60).map(|n| event(&format!("acme/r{}", n % 7), n)).collect();
        let mut tasks = Vec::new();
        for turn in 0..4 {
            let mut batch = batch.clone();
            batch.rotate_left(turn * 13);
            for each in &mut batch {
                each.id = bare_event().id;
            }
            let db = db.clone();
            tasks.push(tokio::spawn(async move { db.ingest(batch).await.unwrap() }));
        }
        let mut accepted = 0;
        for task in tasks {
            accepted += task.await.unwrap().iter().filter(|it| it.status == IngestStatus::Accepted).count();
        }
        assert_eq!(accepted, 60);
        assert_eq!(db.queue_depth().await.unwrap().queued, 60);
    }

    async fn a_replayed_event_is_queued_once(place) {
        let db = place.open().await;
        let id = store(&db, vec![event("acme/web", 1)]).await[0];
        assert_eq!(db.replay(id, OPERATOR, noon()).await.unwrap(), Replay::Queued, "it is queued anyway");
        claim(&db, "me", noon()).await;
        db.bury("me", job_of(id), "no", noon()).await.unwrap();
        assert_eq!(db.replay(id, OPERATOR, noon()).await.unwrap(), Replay::Queued);
        assert_eq!(db.queue_depth().await.unwrap().queued, 1);
        assert_eq!(db.replay(bare_event().id, OPERATOR, noon()).await.unwrap(), Replay::NoEvent);
    }
}
