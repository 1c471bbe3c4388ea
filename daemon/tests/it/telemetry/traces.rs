//! Traces of events, and a collector that is not at its best.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;
use orchd_fake::NewItem;

use super::collector::{Collector, Manner, attribute, hex};
use super::prepare;
use crate::port::free_port;
use crate::road::DOCS_RULE;
use crate::story::{Story, WEB};

const HEADER: &str = "Bearer the-secret-of-the-collector";

async fn traced(url: &str, sample: &str) -> Story {
    let mut story = prepare(DOCS_RULE, "", "orchd=debug,info").await;
    std::fs::write(story.path("collector"), HEADER).unwrap();
    let header = story.path("collector").display().to_string();
    story.replace_more(&format!(
        "telemetry:\n  otlp: {{endpoint: \"{url}\", headers: {{authorization: {{file: {header}}}}}, sample: {sample}}}\n"
    ));
    story.write_rules(DOCS_RULE);
    story.start();
    story
}

fn named<'a>(trace: &'a [Span], name: &str) -> Vec<&'a Span> {
    trace.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn the_spans_of_an_event_are_one_trace_whose_id_is_the_events() {
    let collector = Collector::start(Manner::Takes).await;
    let mut story = traced(&collector.url, "1").await;
    let number = story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/guide.md"));
    story.settles().await;
    let events = story.json_lines(&["events", "list", "--limit", "100"]);
    let event =
        events.iter().find(|event| event["event_action"] == "opened").unwrap()["id"].as_str().unwrap().to_owned();
    let stopping = tokio::task::spawn_blocking(move || (story.stop(), story));
    let (code, story) = stopping.await.unwrap();
    assert_eq!(code, Some(0));

    let trace = collector.trace(&event);
    let names: Vec<&str> = trace.iter().map(|span| span.name.as_str()).collect();
    let one = |name: &str| *named(&trace, name).first().unwrap_or_else(|| panic!("no {name} in {names:?}"));
    let (webhook, ingest, process, apply) = (one("webhook"), one("ingest"), one("process"), one("apply"));
    assert!(webhook.parent_span_id.is_empty(), "the delivery is the root");
    for below in [ingest, process, apply] {
        assert_eq!(hex(&below.parent_span_id), hex(&webhook.span_id), "{}", below.name);
    }
    assert!(webhook.start_time_unix_nano <= process.start_time_unix_nano);
    let requests = named(&trace, "github");
    for parent in [process, apply] {
        let below = requests.iter().filter(|span| span.parent_span_id == parent.span_id).count();
        assert!(below > 0, "no request below {}: {names:?}", parent.name);
    }
    assert!(requests.iter().any(|span| attribute(span, "method").as_deref() == Some("POST")));
    let expected = [
        ("event_id", event.clone()),
        ("repository", WEB.to_owned()),
        ("item", number.to_string()),
        ("rule", "docs-label".to_owned()),
        ("action", "label".to_owned()),
        ("outcome", "applied".to_owned()),
    ];
    for (name, value) in expected {
        assert_eq!(attribute(apply, name), Some(value), "{name}");
    }
    assert_eq!(attribute(process, "outcome").as_deref(), Some("matched"));

    // What was sent has no payload, no path, no token; the header is the collector's to know and nobody else's.
    let sent = collector.with(|got| String::from_utf8_lossy(&got.raw).into_owned());
    assert!(sent.contains(HEADER));
    for never in ["ghs_", "docs/guide.md", "/repos/acme", crate::story::SECRET] {
        assert!(!sent.contains(never), "{never}");
    }
    assert!(!story.log().contains("the-secret-of-the-collector"));
}

#[tokio::test]
async fn a_sample_of_nothing_sends_nothing() {
    let collector = Collector::start(Manner::Takes).await;
    let mut story = traced(&collector.url, "0").await;
    story.github.person("alice").opens_pull(WEB, NewItem::titled("Docs").file("docs/guide.md"));
    story.settles().await;
    let stopping = tokio::task::spawn_blocking(move || story.stop());
    assert_eq!(stopping.await.unwrap(), Some(0));
    assert!(collector.with(|got| got.raw.is_empty()));
}

async fn suffers_nothing(url: &str) -> Story {
    let mut story = traced(url, "1").await;
    let alice = story.github.person("alice");
    let began = Instant::now();
    for n in 0..20 {
        let number = alice.opens_pull(WEB, NewItem::titled("Docs").head(&format!("p{n}")).file("docs/guide.md"));
        story.github.until_delivered().await;
        assert!(number > 0);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    story.settles().await;
    assert!((1..=20).all(|number| story.github.issue(WEB, number).has_label("documentation")));
    let began = Instant::now();
    assert_eq!(story.stop(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    story
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_a_warning() {
    let story = suffers_nothing(&format!("http://127.0.0.1:{}", free_port())).await;
    assert_eq!(story.log().matches("takes no traces").count(), 1, "{}", story.log());
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_nothing_up() {
    let collector = Collector::start(Manner::Hangs).await;
    let story = suffers_nothing(&collector.url).await;
    story.until("it was asked", |_| collector.with(|got| !got.raw.is_empty())).await;
}
