#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and shows what it measured")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::core::event::{InstallationId, RepoName};
use crate::core::rule::Mode;
use crate::github::client::{GitHub, Reader, Settings, WriteTerms};
use crate::github::heard::Heard;
use crate::github::stand_in::{StandIn, reply, with_tokens};

const FILES: &str = "/repos/acme/web/pulls/7/files";

/// A GitHub on which the version of everything can be raised; 304 to who knows it.
async fn versioned() -> (StandIn, Arc<AtomicU32>) {
    let version = Arc::new(AtomicU32::new(1));
    let now = Arc::clone(&version);
    let server = StandIn::start(with_tokens(move |seen| {
        let etag = format!("W/\"{}\"", now.load(Ordering::SeqCst));
        if seen.headers.get("if-none-match").is_some_and(|known| known == etag.as_str()) {
            return reply(304, &Value::Null).with("etag", &etag);
        }
        let link = "<https://h/next?page=2>; rel=\"next\"";
        let answer = reply(200, &json!({"version": now.load(Ordering::SeqCst), "text": "x".repeat(1_000)}));
        answer.with("etag", &etag).with("link", link)
    }))
    .await;
    (server, version)
}

async fn version(reader: &Reader, path: &str) -> u64 {
    reader.get::<Value>(path).await.unwrap()["version"].as_u64().unwrap()
}

fn client(server: &StandIn, heard: &Heard) -> GitHub {
    GitHub::new(Settings { heard: heard.clone(), ..server.settings() }).unwrap()
}

fn web() -> RepoName {
    RepoName::parse("Acme/web").unwrap()
}

#[tokio::test]
async fn what_is_known_is_asked_for_with_its_etag_and_comes_from_memory() {
    let (server, now) = versioned().await;
    let reader = client(&server, &Heard::new()).reader(Some(InstallationId(5)));
    assert_eq!((version(&reader, "/x").await, version(&reader, "/x").await), (1, 1));
    let sent = server.requests();
    assert_eq!(sent.len(), 3, "a token, and two reads");
    assert!(!sent[1].headers.contains_key("if-none-match"));
    assert_eq!(sent[2].headers["if-none-match"], "W/\"1\"");
    now.store(2, Ordering::SeqCst);
    assert_eq!(version(&reader, "/x").await, 2);
    // A list goes on from a remembered page as from one that was sent.
    let listed = reader.get_all::<Value>("/list", Some("none"), 1).await;
    assert!(listed.is_err());
    let other = client(&server, &Heard::new()).reader(Some(InstallationId(6)));
    other.get::<Value>("/x").await.unwrap();
    assert!(!server.requests().last().unwrap().headers.contains_key("if-none-match"), "to each installation its own");
}

#[tokio::test]
async fn no_stale_read_after_the_event_that_changed_the_thing() {
    let (server, now) = versioned().await;
    let heard = Heard::new();
    let github = client(&server, &heard);
    let (reader, recent) = (github.reader(None), github.reader(None).recent());
    let asked = || server.requests().len();

    // As long as no such event has ever come, none would tell of a change: GitHub is asked.
    assert_eq!((version(&recent, FILES).await, version(&recent, FILES).await, asked()), (1, 1, 2));
    heard.hear(&web(), Some(7), "pull_request");
    assert_eq!((version(&recent, FILES).await, version(&recent, FILES).await, asked()), (1, 1, 3));
    // What decides a write is asked for.
    assert_eq!((version(&reader, FILES).await, asked()), (1, 4));

    now.store(2, Ordering::SeqCst);
    assert_eq!((version(&recent, FILES).await, asked()), (1, 4), "nobody has told");
    heard.hear(&web(), Some(8), "pull_request");
    assert_eq!((version(&recent, FILES).await, asked()), (1, 4), "another item");
    heard.hear(&web(), Some(7), "issue_comment");
    assert_eq!((version(&recent, FILES).await, asked()), (2, 5), "told");

    // What nothing tells of, and what orchd does itself.
    for _ in 0..2 {
        version(&recent, "/repos/acme/web/commits/abc/check-runs").await;
    }
    assert_eq!(asked(), 7);
    version(&recent, FILES).await;
    assert_eq!(asked(), 7);
    let writer = github.open_gate(None, WriteTerms::of(Mode::Active)).unwrap();
    let _: Value = writer.send(http::Method::POST, "/repos/acme/web/issues/7/labels", &json!({})).await.unwrap();
    now.store(3, Ordering::SeqCst);
    assert_eq!((version(&recent, FILES).await, asked()), (3, 9));
    heard.hear(&web(), None, "repository");
    version(&recent, FILES).await;
    assert_eq!(asked(), 10, "an event about the repository is about all of it");

    let deaf = client(&server, &Heard::nothing()).reader(None).recent();
    version(&deaf, FILES).await;
    version(&deaf, FILES).await;
    assert_eq!(asked(), 12, "where events may go to another daemon nothing is fresh");
}

#[tokio::test]
async fn memory_is_bounded_and_what_is_off_keeps_nothing() {
    let answers = Answers::new(200_000);
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, HeaderValue::from_static("\"1\""));
    for n in 0..1_000 {
        // Does not compress.
        let body: Vec<u8> = (0..5_000).map(|_| rand::random()).collect();
        let answer = Answer { status: StatusCode::OK, headers: headers.clone(), body: body.into() };
        answers.keep(Identity::App, &format!("https://h/{n}"), &answer, 1).await;
    }
    let cache = answers.0.as_ref().unwrap();
    cache.run_pending_tasks().await;
    assert!(cache.weighted_size() <= 200_000, "{}", cache.weighted_size());
    assert!(cache.entry_count() > 20);

    let large = Answer { status: StatusCode::OK, headers: headers.clone(), body: vec![0; LONGEST + 1].into() };
    assert!(Kept::of(&large, 1).is_none());
    let off = Answers::new(0);
    let small = Answer { status: StatusCode::OK, headers, body: Bytes::from_static(b"[]") };
    off.keep(Identity::App, "https://h/", &small, 1).await;
    assert!(off.find(Identity::App, "https://h/").await.is_none());
}

#[tokio::test]
async fn a_hit_takes_less_than_a_millisecond() {
    let answers = Answers::new(64 << 20);
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, HeaderValue::from_static("\"1\""));
    let file = |n| json!({"filename": format!("src/module_{n}/file.rs"), "status": "modified", "patch": "@@ -1,5 +1,6 @@ a line\n"});
    let body = Value::Array((0..100).map(file).collect()).to_string();
    let answer = Answer { status: StatusCode::OK, headers, body: body.into() };
    answers.keep(Identity::App, "https://h/files", &answer, 1).await;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..500 {
        let began = Instant::now();
        let found = answers.find(Identity::App, "https://h/files").await.unwrap().answer().unwrap();
        times.push(began.elapsed());
        assert_eq!(found.body, answer.body);
    }
    times.sort_unstable();
    println!("a hit of {} bytes: p50 {:?}, p99 {:?}", answer.body.len(), times[250], times[495]);
    assert!(times[250] < Duration::from_millis(1), "{:?}", times[250]);
}
