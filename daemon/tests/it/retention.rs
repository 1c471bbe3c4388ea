//! What is over its age goes while the daemon runs.

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use orchd::core::event::EventId;
use orchd::store::events::{NewEvent, Source};
use orchd::store::{Db, StoreOptions};
use uuid::{NoContext, Timestamp, Uuid};

use crate::on_both_databases;
use crate::story::{Database, Story};

fn days_ago(days: i64, awaited: bool) -> NewEvent {
    let at = Utc::now() - TimeDelta::days(days);
    let time = Timestamp::from_unix(NoContext, u64::try_from(at.timestamp()).unwrap(), 0);
    NewEvent {
        id: EventId(Uuid::new_v7(time)),
        delivery_id: Uuid::now_v7().to_string(),
        source: Source::Webhook,
        event_type: "star".to_owned(),
        event_action: Some("created".to_owned()),
        actor: None,
        number: None,
        target_object_ids: serde_json::json!({}),
        received_at: at,
        github_timestamp: None,
        repository: None,
        installation: None,
        payload: Bytes::from_static(br#"{"action":"created"}"#),
        awaited,
    }
}

on_both_databases!(a_running_daemon_drops_what_is_over_its_age, |database: Database| async move {
    let mut story = Story::prepare(database, "  []", "retention: {events: 300d, payloads: 30d, every: 1s}").await;
    let options = StoreOptions { url: story.database().into(), objects: story.path("objects") };
    let db = Db::open(&options).await.unwrap();
    db.make_months(Utc::now() - TimeDelta::days(400)).await.unwrap();
    // One in a month, one in the rest, one whose payload alone is too old, one of today.
    let events = [days_ago(400, false), days_ago(3_000, false), days_ago(100, false), days_ago(0, false)];
    let ids: Vec<String> = events.iter().map(|event| event.id.to_string()).collect();
    db.ingest(events.to_vec()).await.unwrap();
    db.close().await;
    drop(db);

    story.start();
    story.wait_for("it says what it dropped", |story| story.log().contains("dropped what is over its age"));
    let left = story.json_lines(&["events", "list"]);
    assert_eq!([&left[0]["id"], &left[1]["id"]], [ids[3].as_str(), ids[2].as_str()]);
    let refused = story.cli(&["events", "replay", &ids[2]]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("retention.payloads"), "{refused:?}");
    assert!(story.cli(&["events", "replay", &ids[3]]).status.success());
    let (_, metrics) = story.get("/metrics").await;
    assert!(metrics.contains(r#"orchd_retention_dropped_total{what="events"} 2"#), "{metrics}");
});
