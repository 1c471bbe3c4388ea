//! The proxies' configs that come with orchd, each in the real proxy before a real daemon, over TLS.

mod client;
mod server;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::client::Client;
use self::server::{Front, Kind};
use crate::story::{Database, Story};

const RULES: &str = "  - {name: watch, mode: shadow, on: [\"*\"], then: [{label: {add: [seen]}}]}";

/// Runs the story before each proxy.
macro_rules! before_each_proxy {
    ($name:ident, $story:expr) => {
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn nginx() {
                ($story)(Kind::Nginx).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn caddy() {
                ($story)(Kind::Caddy).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn haproxy() {
                ($story)(Kind::Haproxy).await;
            }
        }
    };
}

/// A daemon with these lines in `server:`, and a proxy before it. The proxy ends first.
struct Stage {
    front: Front,
    story: Story,
}

async fn begin(kind: Kind, server: &str) -> Stage {
    let mut story = Story::prepare(Database::Sqlite, RULES, "").await;
    story.server = format!("  public_url: https://{}\n  trusted_proxies: [127.0.0.1]\n{server}", server::NAME);
    story.write_rules(RULES);
    story.start();
    let front = Front::start(kind, story.port).await;
    Stage { front, story }
}

/// A payload about a repository, with so many bytes more.
fn payload(number: u64, more: usize) -> String {
    let body = json!({
        "action": "opened", "issue": {"number": number, "title": "It crashes", "body": "x".repeat(more)},
        "sender": {"login": "alice", "id": 7},
        "repository": {"id": 1, "full_name": "acme/web", "private": false, "default_branch": "main"},
    });
    body.to_string()
}

before_each_proxy!(what_github_sends_at_most_gets_through_and_more_is_refused, |kind: Kind| async move {
    let stage = begin(kind, "").await;
    let github = Client::from(&stage.front, 2);
    assert_eq!(github.delivers(payload(1, 24_000_000), &[]).await, 202);
    assert_eq!(github.delivers_too_much(payload(2, 26 << 20), true).await, Some(413), "it is said how large it is");
    assert_eq!(github.delivers_too_much(payload(3, 26 << 20), false).await, Some(413), "and it is not");
    assert_eq!(github.delivers(payload(4, 0), &[]).await, 202, "the next one is taken");
    stage.story.settles().await;
    let stored = stage.story.json_lines(&["events", "list"]);
    let mut numbers: Vec<_> = stored.iter().map(|event| event["number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 4]);
});

before_each_proxy!(the_clients_own_address_counts_and_none_that_it_makes_up, |kind: Kind| async move {
    let stage = begin(kind, "  webhook_allow: [127.0.0.2]\n").await;
    let (github, stranger) = (Client::from(&stage.front, 2), Client::from(&stage.front, 3));
    assert_eq!(github.delivers(payload(1, 0), &[]).await, 202);
    assert_eq!(stranger.delivers(payload(2, 0), &[]).await, 403);
    for forged in [
        &[("x-forwarded-for", "127.0.0.2")][..],
        &[("x-forwarded-for", "127.0.0.2, 127.0.0.1")],
        &[("x-forwarded-for", "127.0.0.2"), ("x-forwarded-for", "127.0.0.1")],
        &[("X-FORWARDED-FOR", "127.0.0.2,")],
        &[("x-forwarded-for", "127.0.0.2"), ("connection", "close, x-forwarded-for")],
        &[("x_forwarded_for", "127.0.0.2")],
        &[("forwarded", "for=127.0.0.2"), ("x-real-ip", "127.0.0.2")],
    ] {
        assert_eq!(stranger.delivers(payload(3, 0), forged).await, 403, "{forged:?}");
        assert_eq!(github.delivers(payload(4, 0), forged).await, 202, "nor does it harm: {forged:?}");
    }
});

before_each_proxy!(what_people_need_is_there_and_what_they_do_not_is_not, |kind: Kind| async move {
    let stage = begin(kind, "").await;
    let somebody = Client::from(&stage.front, 2);
    let (status, health) = somebody.get("/health").await;
    assert_eq!(status, 200);
    assert!(serde_json::from_str::<Value>(&health).unwrap()["database"].is_object(), "{health}");
    assert_eq!(somebody.get("/api/openapi.json").await.0, 200);
    assert_eq!(somebody.get("/metrics").await.0, 404);
    assert_eq!(somebody.get("/metrics?x=1").await.0, 404);
    assert_eq!(client::agreed_protocol(&stage.front).await.as_deref(), Some(&b"h2"[..]));
});

before_each_proxy!(a_live_page_is_told_at_once, |kind: Kind| async move {
    let stage = begin(kind, "").await;
    let made = stage.story.json(&["keys", "create", "reader", "--scope", "events:read"]);
    let github = Client::from(&stage.front, 2);
    let mut page = Client::from(&stage.front, 3).listens("/live/events", made["key"].as_str().unwrap()).await;
    page.until("retry: ").await;
    for number in 1..=3 {
        let began = Instant::now();
        assert_eq!(github.delivers(payload(number, 0), &[]).await, 202);
        page.until(&format!("acme/web#{number}")).await;
        // The next thing that is said by itself, and pushes out what was held back, may be 15 s away.
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
});

before_each_proxy!(who_sends_too_slowly_is_cut_off, |kind: Kind| async move {
    let stage = begin(kind, "  read_timeout: 1s\n").await;
    let slow = Client::from(&stage.front, 2);
    let began = Instant::now();
    let status = slow.drips(payload(1, 100_000).as_bytes()).await;
    assert!(matches!(status, None | Some(408)), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(slow.delivers(payload(2, 0), &[]).await, 202);
    stage.story.settles().await;
    let stored = stage.story.json_lines(&["events", "list"]);
    assert!(stored.len() == 1 && stored[0]["number"] == 2, "{stored:?}");
});
