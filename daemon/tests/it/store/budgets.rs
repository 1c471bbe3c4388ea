use futures_util::future::join_all;

use super::*;

on_both! {
    async fn steps_of_a_budget_never_overlap_and_outlive_the_daemon(place) {
        let dbs = [place.open().await];
        let count = |kept: Option<String>, _: DateTime<Utc>| {
            let next = kept.map_or(0, |text| text.parse::<u32>().unwrap()) + 1;
            Ok((Some(next.to_string()), next))
        };
        let steps = (0..50).map(|_| dbs[0].step_budget("github.test installation 5", count));
        let mut seen: Vec<u32> = join_all(steps).await.into_iter().map(Result::unwrap).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1..=50).collect::<Vec<_>>());
        assert_eq!(dbs[0].step_budget("github.test app", count).await.unwrap(), 1);
        let [db] = dbs;
        db.close().await;
        drop(db);
        assert_eq!(place.open().await.step_budget("github.test installation 5", count).await.unwrap(), 51);
    }

    async fn a_step_that_fails_changes_nothing_and_the_time_is_the_databases(place) {
        let db = place.open().await;
        db.step_budget("b", |_, _| Ok((Some("kept".to_owned()), ()))).await.unwrap();
        let failed = db.step_budget::<()>("b", |_, _| Err("no".to_owned())).await;
        assert!(matches!(failed, Err(orchd::store::StoreError::Failed(why)) if why == "no"));
        let (kept, now) = db.step_budget("b", |kept, now| Ok((None, (kept, now)))).await.unwrap();
        assert_eq!(kept.as_deref(), Some("kept"));
        assert!((now - Utc::now()).abs() < seconds(60));
    }
}
