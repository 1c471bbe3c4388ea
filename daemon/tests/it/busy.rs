//! More deliveries at once than may wait: the sender is told to come back, and nothing is lost.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use orchd::store::events::EventFilter;
use sqlx::Connection;

use crate::site::{Delivery, spawn_site};

#[tokio::test]
async fn a_busy_daemon_says_503_and_takes_the_delivery_on_the_next_try() {
    let site = spawn_site(&["max_pending: 1"]).await;
    let deliveries: Vec<Delivery> =
        (0..8).map(|n| Delivery::of(&format!("guid-{n}"), "push", format!(r#"{{"n":{n}}}"#))).collect();

    // Somebody else holds the database's write lock: no batch gets through, and only so many may wait.
    let database = site.socket.with_file_name("orchd.db");
    let mut other = sqlx::SqliteConnection::connect(&format!("sqlite://{}", database.display())).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let mut answers: FuturesUnordered<_> = deliveries
        .iter()
        .enumerate()
        .map(|(n, delivery)| {
            let site = &site;
            async move { (n, delivery.send(site).await) }
        })
        .collect();
    let (first, busy) = answers.next().await.unwrap();
    assert_eq!(busy.status, 503, "while nothing can be stored, nothing is acknowledged: {busy:?}");
    assert_eq!(busy.header("retry-after"), Some("5"));
    assert!(busy.detail().contains("too many deliveries"), "{busy:?}");

    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let mut refused = vec![first];
    while let Some((n, answer)) = answers.next().await {
        match answer.status {
            202 => {}
            503 => refused.push(n),
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert!(refused.len() < deliveries.len(), "those that could wait were stored");

    for n in refused {
        let answer = deliveries[n].send(&site).await;
        assert_eq!((answer.status, &answer.json()["status"]), (202, &"accepted".into()));
    }
    let stored = site.db.events(&EventFilter { limit: 100, ..EventFilter::default() }).await.unwrap().rows;
    assert_eq!(stored.len(), deliveries.len());
}
