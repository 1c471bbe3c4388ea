use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use orchd::store::StoreError;
use orchd::store::decisions::Processed;
use orchd::store::events::EventStatus;
use orchd::store::jobs::{JobFilter, JobState};

use super::*;

fn nothing_triggered(job: JobId) -> Processed {
    Processed {
        job,
        event: EventId(job.0),
        decisions: Vec::new(),
        config_revision: "r1".to_owned(),
        hand_changes: Vec::new(),
        cause: None,
        facts: None,
    }
}

on_both! {
    async fn invariant_6_one_running_job_a_lane_in_order_of_arrival(place) {
        let db = place.open().await;
        let web = store(&db, (1..=3).map(|n| event("acme/web", n)).collect()).await;
        let api = store(&db, vec![event("acme/api", 1)]).await;

        let claims = db.claim("me", noon(), TERMS, 10, 1).await.unwrap();
        assert_eq!(claims.iter().map(|it| it.job.id).collect::<Vec<_>>(), [job_of(web[0]), job_of(api[0])]);
        assert_eq!(claims[0].following.iter().map(|it| it.id).collect::<Vec<_>>(), [job_of(web[1])]);
        assert!(claim(&db, "you", noon()).await.is_empty(), "both lanes are at work");
        assert_eq!(db.event(web[0]).await.unwrap().unwrap().processing_status, EventStatus::Processing);

        db.finish_processed("me", &[nothing_triggered(job_of(web[0])), nothing_triggered(job_of(web[1]))], noon())
            .await
            .unwrap();
        assert_eq!(db.event(web[1]).await.unwrap().unwrap().processing_status, EventStatus::Processed);
        assert_eq!(db.job(job_of(web[1])).await.unwrap().unwrap().state, JobState::Done);
        let next = claim(&db, "you", noon()).await;
        assert_eq!(next.iter().map(|it| it.job.id).collect::<Vec<_>>(), [job_of(web[2])]);
    }

    async fn an_older_event_that_came_late_waits_for_the_running_one(place) {
        let db = place.open().await;
        let late = event("acme/web", 1);
        let early = store(&db, vec![event("acme/web", 2)]).await;
        assert_eq!(claim(&db, "me", noon()).await.len(), 1);
        store(&db, vec![late.clone()]).await;
        assert!(claim(&db, "you", noon()).await.is_empty());
        db.finish_processed("me", &[nothing_triggered(job_of(early[0]))], noon()).await.unwrap();
        assert_eq!(claim(&db, "you", noon()).await[0].job.id, job_of(late.id));
    }

    async fn a_lease_that_ran_out_gives_the_job_to_another(place) {
        let db = place.open().await;
        let id = store(&db, vec![event("acme/web", 1)]).await[0];
        let job = job_of(id);
        let start = noon();
        claim(&db, "gone", start).await;
        assert!(db.renew("gone", &[job], start + seconds(20), LEASE).await.unwrap().is_empty());
        assert!(claim(&db, "me", start + seconds(40)).await.is_empty(), "renewed until 50");
        let taken = claim(&db, "me", start + seconds(51)).await;
        assert_eq!((taken[0].job.id, taken[0].job.attempts), (job, 2));
        assert_eq!(taken[0].job.lease_owner.as_deref(), Some("me"));

        let now = start + seconds(52);
        assert_eq!(db.renew("gone", &[job], now, LEASE).await.unwrap(), [job]);
        let lost = |done: Result<(), StoreError>| assert!(matches!(done, Err(StoreError::LeaseLost)), "{done:?}");
        lost(db.finish_processed("gone", &[nothing_triggered(job)], now).await);
        lost(db.retry_later("gone", job, "late", now, now).await);
        lost(db.bury("gone", job, "late", now).await);
        db.give_back("gone", &[job], now).await.unwrap();
        let row = db.job(job).await.unwrap().unwrap();
        assert_eq!((row.state, row.lease_owner.as_deref()), (JobState::Running, Some("me")));
        db.finish_processed("me", &[nothing_triggered(job)], now).await.unwrap();
    }

    async fn a_job_that_kills_its_daemon_each_time_is_buried(place) {
        let db = place.open().await;
        let ids = store(&db, vec![event("acme/web", 1), event("acme/web", 2)]).await;
        let mut now = noon();
        loop {
            let job = claim(&db, "crashing", now).await.remove(0).job;
            if job.id == job_of(ids[1]) {
                break;
            }
            now += seconds(31);
        }
        let poison = db.job(job_of(ids[0])).await.unwrap().unwrap();
        assert_eq!((poison.state, poison.attempts), (JobState::Dead, poison.max_attempts));
        assert_eq!(db.event(ids[0]).await.unwrap().unwrap().processing_status, EventStatus::Failed);
    }

    async fn a_retry_holds_its_lane_and_a_dead_letter_frees_it(place) {
        let db = place.open().await;
        let ids = store(&db, vec![event("acme/web", 1), event("acme/web", 2)]).await;
        let (job, start) = (job_of(ids[0]), noon());
        claim(&db, "me", start).await;
        db.retry_later("me", job, "GitHub said 502", start + seconds(10), start).await.unwrap();
        let row = db.event(ids[0]).await.unwrap().unwrap();
        assert_eq!((row.error_message.as_deref(), row.retry_count), (Some("GitHub said 502"), 1));
        assert!(claim(&db, "me", start + seconds(9)).await.is_empty());
        assert_eq!(db.next_run_at(start).await.unwrap(), Some(start + seconds(10)));

        assert_eq!(claim(&db, "me", start + seconds(10)).await[0].job.attempts, 2);
        assert_eq!(db.next_run_at(start).await.unwrap(), None);
        db.bury("me", job, "gave up", start + seconds(11)).await.unwrap();
        assert_eq!(claim(&db, "me", start + seconds(12)).await[0].job.id, job_of(ids[1]));

        let dead = JobFilter { state: Some(JobState::Dead), limit: 10, ..Default::default() };
        assert_eq!(db.jobs(&dead).await.unwrap().rows[0].last_error.as_deref(), Some("gave up"));
        assert_eq!(db.queue_depth().await.unwrap().dead, 1);
        assert!(db.retry_dead(job, OPERATOR, start).await.unwrap());
        assert!(!db.retry_dead(job, OPERATOR, start).await.unwrap());
        let row = db.job(job).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempts), (JobState::Queued, 0));
        assert_eq!(db.event(ids[0]).await.unwrap().unwrap().processing_status, EventStatus::Received);
    }

    async fn a_dead_letter_can_be_put_away(place) {
        let db = place.open().await;
        let job = job_of(store(&db, vec![event("acme/web", 1)]).await[0]);
        assert!(!db.discard(job, OPERATOR, noon()).await.unwrap(), "it is not dead");
        claim(&db, "me", noon()).await;
        db.bury("me", job, "no", noon()).await.unwrap();
        assert!(db.discard(job, OPERATOR, noon()).await.unwrap());
        assert_eq!(db.job(job).await.unwrap().unwrap().state, JobState::Discarded);
        assert_eq!(db.queue_depth().await.unwrap().dead, 0);
    }

    async fn a_job_given_back_is_as_it_was(place) {
        let db = place.open().await;
        let job = job_of(store(&db, vec![event("acme/web", 1)]).await[0]);
        claim(&db, "me", noon()).await;
        db.give_back("me", &[job], noon()).await.unwrap();
        let row = db.job(job).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempts, row.lease_owner), (JobState::Queued, 0, None));
        assert_eq!(claim(&db, "you", noon()).await.len(), 1);
    }

    async fn the_depth_of_the_queue_is_told(place) {
        let db = place.open().await;
        assert_eq!(db.queue_depth().await.unwrap(), Default::default());
        store(&db, vec![event("acme/web", 1), event("acme/web", 2), event("acme/api", 1)]).await;
        db.claim("me", noon(), TERMS, 1, 0).await.unwrap();
        let depth = db.queue_depth().await.unwrap();
        assert_eq!((depth.queued, depth.running, depth.dead), (2, 1, 0));
        assert!(depth.oldest_queued.is_some());
        for (state, count) in [(JobState::Queued, 2), (JobState::Running, 1), (JobState::Done, 0)] {
            let filter = JobFilter { state: Some(state), limit: 10, ..Default::default() };
            assert_eq!(db.jobs(&filter).await.unwrap().rows.len(), count, "{state:?}");
        }
    }

    async fn many_workers_never_share_a_lane_and_do_each_job_once(place) {
        let db = place.open().await;
        let ids = store(&db, (0..200).map(|n| event(&format!("acme/r{}", n % 9), n)).collect()).await;
        let busy = Arc::new(Mutex::new(HashSet::new()));
        let done = Arc::new(Mutex::new(Vec::new()));
        let workers: Vec<_> = (0..6).map(|worker| {
            let (db, busy, done) = (db.clone(), busy.clone(), done.clone());
            tokio::spawn(async move {
                let owner = format!("worker {worker}");
                let mut idle = 0;
                while idle < 50 {
                    let claims = db.claim(&owner, noon(), TERMS, 3, 4).await.unwrap();
                    idle = if claims.is_empty() { idle + 1 } else { 0 };
                    for claim in claims {
                        assert!(busy.lock().unwrap().insert(claim.job.lane.clone()), "two in one lane");
                        let jobs: Vec<_> = std::iter::once(&claim.job).chain(&claim.following).map(|it| it.id).collect();
                        tokio::task::yield_now().await;
                        done.lock().unwrap().extend(jobs.iter().map(|job| (claim.job.lane.clone(), *job)));
                        busy.lock().unwrap().remove(&claim.job.lane);
                        let processed: Vec<_> = jobs.into_iter().map(nothing_triggered).collect();
                        db.finish_processed(&owner, &processed, noon()).await.unwrap();
                    }
                }
            })
        }).collect();
        for worker in workers {
            worker.await.unwrap();
        }
        let done = done.lock().unwrap();
        assert_eq!(done.len(), ids.len());
        for lane in (0..9).map(|n| format!("acme/r{n}")) {
            let order: Vec<_> = done.iter().filter(|(each, _)| *each == lane).map(|(_, job)| *job).collect();
            assert!(order.is_sorted(), "{lane} out of order");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn daemons_on_postgresql_wake_each_other() {
    let place = Place::postgres().await;
    let (here, there) = (place.open().await, place.open().await);
    let mut wakeups = there.listen().await.unwrap();
    store(&here, vec![event("acme/web", 1)]).await;
    tokio::time::timeout(Duration::from_secs(10), wakeups.next()).await.expect("a wake-up").unwrap();
    assert_eq!(claim(&there, "there", noon()).await.len(), 1);
    drop(wakeups);
    place.drop().await;
}
