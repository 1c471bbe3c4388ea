//! Live pages: what is told, to whom, and what becomes of those who do not listen.

use std::time::Duration;

use orchd::http::listen::Limits;
use reqwest::{Response, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;
use uuid::Uuid;

use crate::login::{Browser, Stage};
use crate::site::{Delivery, Running, spawn_site_with};

/// What a reader was told: names and data of messages.
struct Listener {
    response: Response,
    text: String,
}

#[derive(Debug)]
struct Message {
    name: String,
    id: Option<Uuid>,
    data: String,
}

impl Listener {
    async fn at(browser: &Browser, path: &str, last: Option<Uuid>) -> Self {
        let mut request = browser.with_cookies(browser.request(reqwest::Method::GET, path));
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut listener = Self { response, text: String::new() };
        // What is told from now on is heard.
        assert_eq!(listener.piece().await.as_deref(), Some("retry: 2000"));
        listener
    }

    /// The next piece; `None`: it is over.
    async fn piece(&mut self) -> Option<String> {
        loop {
            if let Some((piece, rest)) = self.text.split_once("\n\n") {
                let (piece, rest) = (piece.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(piece);
            }
            let chunk = timeout(Duration::from_secs(60), self.response.chunk()).await.expect("nothing is told");
            self.text += std::str::from_utf8(&chunk.unwrap()?).unwrap();
        }
    }

    async fn message(&mut self) -> Option<Message> {
        loop {
            let piece = self.piece().await?;
            if piece.starts_with(':') {
                continue;
            }
            let field = |name: &str| piece.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            return Some(Message {
                name: field("event: ").unwrap(),
                id: field("id: ").map(|id| id.parse().unwrap()),
                data: field("data: ").unwrap(),
            });
        }
    }

    async fn row_about(&mut self, about: &str) -> Message {
        loop {
            let message = self.message().await.expect("it goes on");
            if message.name == "row" && message.data.contains(about) {
                return message;
            }
        }
    }
}

fn guid() -> String {
    Uuid::new_v4().to_string()
}

async fn opened(site: &Running, repository: &str, number: u64, by: &str) {
    let body = json!({
        "action": "opened", "issue": {"number": number, "title": "It crashes"}, "sender": {"login": by, "id": 7},
        "repository": {"id": repository.len(), "full_name": repository, "private": false, "default_branch": "main"},
    });
    let answer = Delivery::of(&guid(), "issues", body.to_string()).send(site).await;
    assert_eq!(answer.status, 202, "{answer:?}");
}

/// mona sees `acme/web` and not `acme/secret`.
async fn stage() -> (Stage, Browser) {
    let stage = Stage::set().await;
    stage.github.install("acme", &["acme/web", "acme/api", "acme/secret"]);
    stage.github.add_collaborator_as("acme/web", "mona", "maintain");
    let mona = stage.signed_in("mona").await;
    (stage, mona)
}

#[tokio::test]
async fn what_arrives_is_told_to_who_may_know_it_and_to_nobody_else() {
    let (stage, mona) = stage().await;
    let mut all = Listener::at(&mona, "/live/events", None).await;
    let mut bobs = Listener::at(&mona, "/live/events?actor=bob&type=issues", None).await;
    let mut changes = Listener::at(&mona, "/live/changes", None).await;
    opened(&stage.site, "acme/secret", 1, "eve").await;
    opened(&stage.site, "acme/web", 2, "alice").await;
    opened(&stage.site, "acme/web", 3, "bob").await;
    let first = all.message().await.unwrap();
    assert_eq!(first.name, "row");
    assert!(first.data.contains("acme/web#2") && first.id.is_some(), "the secret one is not told: {first:?}");
    all.row_about("acme/web#3").await;
    let only = bobs.message().await.unwrap();
    assert!(only.data.contains("acme/web#3"), "{only:?}");
    assert_eq!(changes.message().await.unwrap().name, "changed");
    let nobody = stage.browser();
    assert_eq!(nobody.request(reqwest::Method::GET, "/live/events").send().await.unwrap().status(), 401);
    let odd = mona.with_cookies(mona.request(reqwest::Method::GET, "/live/events?actr=bob"));
    assert_eq!(odd.send().await.unwrap().status(), 400, "a mistyped filter does not show everything");
}

#[tokio::test]
async fn who_comes_back_is_told_what_they_missed_and_who_missed_too_much_looks_again() {
    let (stage, mona) = stage().await;
    let mut reader = Listener::at(&mona, "/live/events", None).await;
    opened(&stage.site, "acme/web", 1, "alice").await;
    let last = reader.row_about("acme/web#1").await.id;
    drop(reader);
    for number in 2..=6 {
        opened(&stage.site, "acme/web", number, "alice").await;
        opened(&stage.site, "acme/secret", number, "eve").await;
    }
    let mut back = Listener::at(&mona, "/live/events", last).await;
    for number in 2..=6 {
        let missed = back.row_about("acme/").await;
        assert!(missed.data.contains(&format!("acme/web#{number}")) && missed.id.is_some(), "{missed:?}");
    }
    for number in 10..220 {
        opened(&stage.site, "acme/web", number, "alice").await;
    }
    let mut late = Listener::at(&mona, "/live/events", last).await;
    assert_eq!(late.message().await.unwrap().name, "behind", "and no row before it");
    assert!(late.message().await.is_none(), "and that is all");
}

/// More arrives than anybody reads: what is left out is told, to those who see only some of it, too.
#[tokio::test]
async fn who_is_not_told_of_all_is_told_that_something_is_left_out() {
    let (stage, mona) = stage().await;
    let mut all = Listener::at(&mona, "/live/events", None).await;
    let mut bobs = Listener::at(&mona, "/live/events?actor=bob", None).await;
    let flood = async {
        for number in 1.. {
            let at_once = (0..300).map(|more| opened(&stage.site, "acme/web", number * 1_000 + more, "alice"));
            futures_util::future::join_all(at_once).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let told = async {
        while all.message().await.unwrap().name != "skipped" {}
        assert_eq!(bobs.message().await.unwrap().name, "skipped", "not one of the rows was for this one");
    };
    tokio::select! {
        () = flood => {}
        told = timeout(Duration::from_secs(60), told) => told.expect("it is told"),
    }
}

#[tokio::test]
async fn whose_session_is_ended_is_told_no_more() {
    let (_stage, mut mona) = stage().await;
    let mut reader = Listener::at(&mona, "/live/changes", None).await;
    while reader.piece().await.as_deref() != Some(": still there") {}
    let csrf = mona.csrf().await;
    assert_eq!(mona.post("/logout/everywhere", &[("csrf", &csrf)]).await.status, 303);
    // It ends at the next heartbeat.
    while let Some(message) = reader.message().await {
        assert_eq!(message.name, "changed");
    }
}

/// Whoever takes nothing is dropped, and nobody waits for them.
#[tokio::test]
async fn a_reader_that_stalls_is_dropped_and_ingest_never_waits() {
    let limits = Limits { write_timeout: Duration::from_millis(500), ..Limits::default() };
    let site = spawn_site_with(&[], limits).await;
    let mut stalled = UnixStream::connect(&site.narrow).await.unwrap();
    stalled.write_all(b"GET /live/events HTTP/1.1\r\nhost: orchd\r\n\r\n").await.unwrap();
    let mut greeting = [0; 16];
    stalled.read_exact(&mut greeting).await.unwrap();
    let mut number = 0;
    let over = timeout(Duration::from_secs(90), async {
        loop {
            for _ in 0..40 {
                number += 1;
                opened(&site, "acme/web", number, &"a".repeat(70)).await;
            }
            // Half closed by us: what is written there fails only when the other side is gone.
            if stalled.write_all(b"x").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    over.await.expect("the stalled reader is dropped");
    assert!(number > 40, "it took some rows: {number}");
    // Back again, from the beginning: there is more than is told row by row.
    let mut back = UnixStream::connect(&site.narrow).await.unwrap();
    let last = format!("GET /live/events HTTP/1.1\r\nhost: orchd\r\nlast-event-id: {}\r\n\r\n", Uuid::nil());
    back.write_all(last.as_bytes()).await.unwrap();
    let mut told = String::new();
    let mut piece = [0; 1_024];
    while !told.contains("event: ") {
        let count = back.read(&mut piece).await.unwrap();
        told += std::str::from_utf8(&piece[..count]).unwrap();
    }
    assert!(told.contains(if number > 200 { "event: behind" } else { "event: row" }), "{told}");
}
