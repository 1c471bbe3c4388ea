//! A delivery at the door: what is let in, what is turned away, and that nothing a sender does loses or breaks more
//! than its own request.

use std::time::Duration;

use orchd::http::listen::Limits;
use orchd::store::events::EventFilter;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::site::{Delivery, Running, exchange, read_answer, signature, spawn_site, spawn_site_with};

const OPENED: &str = r#"{"action":"opened","number":7,"pull_request":{"number":7},
    "repository":{"id":1,"full_name":"acme/api","name":"api","owner":{"login":"acme"},"private":false,
    "html_url":"https://github.com/acme/api","default_branch":"main"},
    "sender":{"login":"mona","type":"User"},"installation":{"id":5}}"#;

async fn stored(site: &Running) -> usize {
    site.db.events(&EventFilter { limit: 100, ..EventFilter::default() }).await.unwrap().rows.len()
}

#[tokio::test]
async fn invariant_1_the_event_is_in_the_store_when_the_answer_comes() {
    let site = spawn_site(&[]).await;
    let answer = Delivery::of("guid-1", "pull_request", OPENED).send(&site).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let told = answer.json();
    assert_eq!(told["status"], "accepted");
    let rows = site.db.events(&EventFilter { limit: 10, ..EventFilter::default() }).await.unwrap().rows;
    assert_eq!(rows[0].id.to_string(), told["event_id"].as_str().unwrap());
    assert_eq!(rows[0].delivery_id, "guid-1");
    assert_eq!(rows[0].event_action.as_deref(), Some("opened"));
}

#[tokio::test]
async fn a_redelivery_of_what_is_stored_is_a_duplicate() {
    let site = spawn_site(&[]).await;
    let delivery = Delivery::of("guid-1", "pull_request", OPENED);
    let first = delivery.send(&site).await.json();
    let second = delivery.send(&site).await;
    assert_eq!((second.status, &second.json()["status"]), (202, &"duplicate".into()));
    assert_eq!(second.json()["event_id"], first["event_id"]);
    assert_eq!(stored(&site).await, 1);
}

#[tokio::test]
async fn a_form_is_taken_like_json() {
    let site = spawn_site(&[]).await;
    let form: String = form_urlencoded::Serializer::new(String::new()).append_pair("payload", OPENED).finish();
    let answer = Delivery::of("guid-1", "pull_request", form)
        .with("Content-Type", "application/x-www-form-urlencoded")
        .send(&site)
        .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let rows = site.db.events(&EventFilter { limit: 10, ..EventFilter::default() }).await.unwrap().rows;
    assert_eq!(rows[0].repository.as_ref().map(|name| name.as_str()), Some("acme/api"));
}

#[tokio::test]
async fn invariant_2_the_signature_comes_before_any_parsing() {
    let site = spawn_site(&[]).await;
    let good = || Delivery::of("guid-1", "push", OPENED);
    // Each of these would be a 400 if anything but the signature were looked at first.
    let wrong = signature(b"another body");
    for (spoilt, reason) in [
        (good().without("X-Hub-Signature-256"), "is missing"),
        (good().with("X-Hub-Signature-256", "sha1=00"), "is not sha256="),
        (good().with("X-Hub-Signature-256", wrong.clone()), "does not fit"),
        (good().with("X-Hub-Signature-256", wrong.clone()).without("X-GitHub-Event"), "does not fit"),
        (good().with("X-Hub-Signature-256", wrong.clone()).without("X-GitHub-Delivery"), "does not fit"),
        (Delivery::of("g", "push", "{not json").with("X-Hub-Signature-256", wrong), "does not fit"),
    ] {
        let answer = spoilt.send(&site).await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.detail().contains(reason), "{answer:?}");
    }
    assert_eq!(stored(&site).await, 0);
}

#[tokio::test]
async fn a_signed_delivery_with_a_bad_envelope_is_told_why() {
    let site = spawn_site(&[]).await;
    let deep = format!("{}{}", r#"{"a":"#.repeat(200_000), "}".repeat(200_000));
    let cases = [
        Delivery::of("g", "push", OPENED).without("X-GitHub-Event"),
        Delivery::of("g", "push", OPENED).without("X-GitHub-Delivery"),
        Delivery::of("g", "Push!", OPENED),
        Delivery::of("g", "push", ""),
        Delivery::of("g", "push", "[1, 2]"),
        Delivery::of("g", "push", r#"{"action":"#),
        Delivery::of("g", "push", b"{\"action\":\"\xff\xfe\"}".to_vec()),
        Delivery::of("g", "push", deep),
        Delivery::of("g", "push", "other=1").with("Content-Type", "application/x-www-form-urlencoded"),
    ];
    for delivery in cases {
        let answer = delivery.send(&site).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(!answer.detail().is_empty() && answer.json()["request_id"].is_string(), "{answer:?}");
    }
    assert_eq!(stored(&site).await, 0);
    assert_eq!(Delivery::of("g", "push", OPENED).send(&site).await.status, 202, "and the next one is fine");
}

#[tokio::test]
async fn an_event_nobody_knows_is_stored_all_the_same() {
    let site = spawn_site(&[]).await;
    let answer = Delivery::of("guid-1", "brand_new_event", r#"{"hello":"world"}"#).send(&site).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(stored(&site).await, 1);
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let site = spawn_site(&[]).await;
    for odd in ["text/plain", "application/xml", "multipart/form-data; boundary=x"] {
        assert_eq!(Delivery::of("g", "push", OPENED).with("Content-Type", odd).send(&site).await.status, 415);
    }
    assert_eq!(Delivery::of("g", "push", OPENED).without("Content-Type").send(&site).await.status, 415);
}

#[tokio::test]
async fn a_giant_is_refused_whether_it_says_so_or_not() {
    let site = spawn_site(&["max_body: 10000B"]).await;
    let giant = vec![b'x'; 20_000];
    let announced = Delivery::of("g", "push", OPENED).with("Content-Length", "99000000").but_sending(Vec::new());
    assert_eq!(announced.send(&site).await.status, 413, "before a byte of it was read");
    assert_eq!(Delivery::of("g", "push", giant.clone()).send(&site).await.status, 413);
    assert_eq!(Delivery::of("g", "push", giant).chunked().send(&site).await.status, 413);
    assert_eq!(Delivery::of("g", "push", OPENED).chunked().send(&site).await.status, 202, "chunks as such are fine");
}

#[tokio::test]
async fn a_slow_body_times_out() {
    let site = spawn_site(&["read_timeout: 1s"]).await;
    let mut bytes = Delivery::of("g", "push", OPENED).bytes();
    bytes.truncate(bytes.len() - 1);
    let answer = exchange_open(&site, &bytes).await;
    assert_eq!(answer.status, 408, "{answer:?}");
}

#[tokio::test]
async fn slow_headers_end_the_connection() {
    let limits = Limits { header_timeout: Duration::from_millis(200), ..Limits::default() };
    let site = spawn_site_with(&[], limits).await;
    let answer = exchange_open(&site, b"POST /webhooks/github HTTP/1.1\r\nHost: orchd").await;
    assert_ne!(answer.status, 202, "{answer:?}");
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off() {
    let limits = Limits { write_timeout: Duration::from_millis(200), ..Limits::default() };
    let site = spawn_site_with(&[], limits).await;
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let requests = b"GET /metrics HTTP/1.1\r\nHost: orchd\r\n\r\n".repeat(1000);
    let flood = async { while stream.write_all(&requests).await.is_ok() {} };
    // Writing fails once the server has closed the connection; as long as it is open, the server is stuck or reads.
    tokio::time::timeout(Duration::from_secs(30), flood).await.unwrap();
}

#[tokio::test]
async fn what_is_asked_over_an_open_connection_while_the_daemon_stops_is_answered() {
    let limits = Limits { linger: Duration::from_secs(20), ..Limits::default() };
    let site = spawn_site_with(&[], limits).await;
    let mut fresh = TcpStream::connect(site.address).await.unwrap();
    let mut used = TcpStream::connect(site.address).await.unwrap();
    // As a proxy that keeps its connections. Its answer says that the other one was accepted before it.
    used.write_all(b"GET /health HTTP/1.1\r\nHost: orchd\r\n\r\n").await.unwrap();
    let mut answered = Vec::new();
    while !answered.ends_with(b"}") {
        assert!(used.read_buf(&mut answered).await.unwrap() > 0, "the server closed it");
    }
    site.stop.cancel();
    while TcpStream::connect(site.address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for (guid, stream) in [("a", &mut fresh), ("b", &mut used)] {
        let delivery = String::from_utf8(Delivery::of(guid, "push", OPENED).bytes()).unwrap();
        stream.write_all(delivery.replace("Connection: close\r\n", "").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(10), read_answer(stream)).await.unwrap();
        assert_eq!((answer.status, answer.header("connection")), (202, Some("close")), "{guid}: {answer:?}");
    }
    assert_eq!(stored(&site).await, 2);
}

#[tokio::test]
async fn a_body_without_a_signature_is_not_waited_for() {
    let site = spawn_site(&[]).await;
    let unsigned = Delivery::of("g", "push", OPENED).without("X-Hub-Signature-256");
    let announced = unsigned.with("Content-Length", "20000000").but_sending(Vec::new());
    let answer = exchange_open(&site, &announced.bytes()).await;
    assert_eq!(answer.status, 401, "before a byte of it was read: {answer:?}");
}

/// Sends bytes, leaves the connection open, and waits for what the server does.
async fn exchange_open(site: &Running, bytes: &[u8]) -> crate::site::Answer {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let (mut reading, _writing) = stream.split();
    tokio::time::timeout(Duration::from_secs(20), read_answer(&mut reading)).await.unwrap()
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let site = spawn_site(&[]).await;
    let mut bytes = Delivery::of("g", "push", OPENED).bytes();
    bytes.truncate(bytes.len() - 10);
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert_ne!(answer.status, 202, "{answer:?}");
    assert_eq!(stored(&site).await, 0);
}

#[tokio::test]
async fn a_flood_of_headers_is_cut_off() {
    let site = spawn_site(&[]).await;
    let many: String = (0..200).map(|n| format!("X-Flood-{n}: 1\r\n")).collect();
    let large = format!("X-Flood: {}\r\n", "a".repeat(20_000));
    for flood in [many, large] {
        let request = format!("POST /webhooks/github HTTP/1.1\r\nHost: orchd\r\n{flood}\r\n");
        assert_eq!(exchange(site.address, request.as_bytes()).await.status, 431);
    }
}

#[tokio::test]
async fn the_allow_list_looks_through_trusted_proxies_only() {
    let site = spawn_site(&["webhook_allow: [192.0.2.0/24]", "trusted_proxies: [127.0.0.0/8]"]).await;
    let from = |forwarded: &str| Delivery::of("g", "push", OPENED).with("X-Forwarded-For", forwarded);
    assert_eq!(from("192.0.2.7").send(&site).await.status, 202);
    assert_eq!(from("192.0.2.7, 203.0.113.9").send(&site).await.status, 403, "the left part is the client's invention");
    assert_eq!(from("nonsense").send(&site).await.status, 403);

    let untrusting = spawn_site(&["webhook_allow: [192.0.2.0/24]"]).await;
    assert_eq!(from("192.0.2.7").send(&untrusting).await.status, 403);
}

#[tokio::test]
async fn github_alone_is_closed_until_its_addresses_are_known() {
    let site = spawn_site(&["webhook_allow: [github]"]).await;
    let delivery = Delivery::of("g", "push", OPENED);
    let answer = delivery.send(&site).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    site.allowlist.set_github(vec!["127.0.0.0/8".parse().unwrap()]);
    assert_eq!(delivery.send(&site).await.status, 202);
}

#[tokio::test]
async fn an_error_is_json_or_text_with_the_request_id_and_no_cause() {
    let site = spawn_site(&[]).await;
    let get = |accept: &str| {
        format!(
            "GET /nowhere HTTP/1.1\r\nHost: o\r\nX-Request-Id: r-1\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        )
    };
    let answer = exchange(site.address, get("application/json").as_bytes()).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (404, Some("r-1")));
    assert_eq!(answer.json()["request_id"], "r-1");
    let answer = exchange(site.address, get("text/plain").as_bytes()).await;
    assert_eq!(answer.body, "not found: there is nothing at this URL (request r-1)\n");

    let wrong_method =
        exchange(site.address, b"GET /webhooks/github HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n").await;
    assert_eq!(wrong_method.status, 405);
    let admin_only = exchange(site.address, b"GET /api/status HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n").await;
    assert_eq!(admin_only.status, 401, "the API takes a person or a key");
}

#[tokio::test]
async fn health_and_metrics_tell_how_it_is() {
    let site = spawn_site(&[]).await;
    Delivery::of("g", "push", OPENED).send(&site).await;
    let health = exchange(site.address, b"GET /health HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n").await;
    assert_eq!(health.status, 200, "{health:?}");
    assert_eq!((&health.json()["database"]["status"], &health.json()["queue"]["queued"]), (&"ok".into(), &1.into()));
    let metrics = exchange(site.address, b"GET /metrics HTTP/1.1\r\nHost: o\r\nConnection: close\r\n\r\n").await;
    assert_eq!(metrics.status, 200);
    for line in [
        "orchd_events_total{event=\"push\",outcome=\"accepted\"}",
        "orchd_ingest_seconds_bucket",
        "orchd_store_up 1",
        "orchd_queue_oldest_seconds{state=\"dead\"} 0",
    ] {
        assert!(metrics.body.contains(line), "{line} is missing in {}", metrics.body);
    }
}

#[tokio::test]
async fn the_admin_socket_answers_what_the_cli_asks() {
    let site = spawn_site(&[]).await;
    let told = Delivery::of("g", "pull_request", OPENED).send(&site).await.json();
    let id = told["event_id"].as_str().unwrap();
    let events = admin(&site, "GET", "/api/events?repo=acme/api&type=pull_request&number=7").await;
    assert_eq!(events.json()["rows"][0]["id"], id);
    let story = admin(&site, "GET", &format!("/api/events/{id}?payload=true")).await;
    assert_eq!(story.json()["payload"]["sender"]["login"], "mona");
    assert_eq!(admin(&site, "GET", "/api/events/12").await.status, 400);
    assert_eq!(admin(&site, "GET", "/api/events?colour=red").await.status, 400);
    assert_eq!(admin(&site, "GET", "/api/jobs/01980a2b-7c4d-7e5f-8a9b-0c1d2e3f4a5b").await.status, 404);
    assert_eq!(admin(&site, "GET", "/api/why?item=acme/api%2399").await.status, 404);
    let job = admin(&site, "GET", "/api/jobs").await.json()["rows"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(admin(&site, "POST", &format!("/api/jobs/{job}/retry")).await.status, 409, "it is no dead letter");
    assert_eq!(admin(&site, "GET", "/api/status").await.json()["queue"]["queued"], 1);
}

#[tokio::test]
async fn a_tail_answers_as_soon_as_something_is_stored() {
    let site = spawn_site(&[]).await;
    let start = admin(&site, "GET", "/api/events/tail").await.json();
    let poll = format!("/api/events/tail?newer_than={}&wait=30", start["next"].as_str().unwrap());
    let (tail, _) =
        tokio::join!(admin(&site, "GET", &poll), async { Delivery::of("g", "push", OPENED).send(&site).await });
    assert_eq!(tail.json()["rows"][0]["delivery_id"], "g");
}

#[tokio::test]
async fn a_stop_ends_long_polls() {
    let site = spawn_site(&[]).await;
    let start = admin(&site, "GET", "/api/events/tail").await.json();
    let newest = start["next"].as_str().unwrap();
    let mut stream = tokio::net::UnixStream::connect(&site.socket).await.unwrap();
    let requests = format!(
        "GET / HTTP/1.1\r\nHost: orchd\r\n\r\n\
         GET /api/events/tail?newer_than={newest}&wait=60 HTTP/1.1\r\nHost: orchd\r\n\r\n"
    );
    stream.write_all(requests.as_bytes()).await.unwrap();
    // The first answer says that the connection is served; the long poll stands right behind it.
    stream.readable().await.unwrap();
    site.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), read_answer(&mut stream)).await;
    assert_eq!(ended.unwrap().status, 200);
}

async fn admin(site: &Running, method: &str, target: &str) -> crate::site::Answer {
    let mut stream = tokio::net::UnixStream::connect(&site.socket).await.unwrap();
    let request = format!("{method} {target} HTTP/1.1\r\nHost: orchd\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(&mut stream).await
}
