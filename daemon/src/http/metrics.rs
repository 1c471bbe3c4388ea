//! `GET /metrics`: Prometheus text. Every label has a bounded set of values.

mod process;
mod text;
mod words;

use std::sync::OnceLock;
use std::time::Duration;

use ::metrics::{Counter, Histogram};
use chrono::{DateTime, Utc};
use http::StatusCode;
use http::header::HeaderValue;
use warp::Filter;
use warp::reply::Response;

use self::process::Usage;
use self::text::Text;
use super::routes::{Routes, with};
use super::{App, event_names, health, reply};

const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// A file system that does not answer must not hold up everything else.
const MACHINE_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Duplicate,
    Requeued,
    BadSignature,
    BadEnvelope,
    Forbidden,
    TimedOut,
    TooLarge,
    Unsupported,
    Unavailable,
    Failed,
}

/// In the order of their discriminants.
const OUTCOME_LABELS: [&str; 11] = [
    "accepted",
    "duplicate",
    "requeued",
    "bad_signature",
    "bad_envelope",
    "forbidden",
    "timed_out",
    "too_large",
    "unsupported",
    "unavailable",
    "failed",
];

/// `orchd_events_total`, `orchd_deliveries_total` and `orchd_ingest_seconds`. Handles are looked up once: on the webhook's
/// path the registry's hashing would cost more than the counting.
pub(super) struct EventCounters {
    /// Without the event, each of them there from the start: of a counter that begins with its first count no rate tells
    /// that count, and an alert would miss it.
    outcomes: Vec<Counter>,
    cells: Vec<[OnceLock<Counter>; OUTCOME_LABELS.len()]>,
    seconds: Histogram,
}

impl EventCounters {
    pub(super) fn new() -> Self {
        words::describe();
        ::metrics::counter!("orchd_sign_in_failures_total").increment(0);
        for outcome in ["failed", "ok"] {
            ::metrics::counter!("orchd_oidc_key_fetches_total", "outcome" => outcome).increment(0);
        }
        let outcome = |word: &&'static str| ::metrics::counter!("orchd_deliveries_total", "outcome" => *word);
        let outcomes: Vec<Counter> = OUTCOME_LABELS.iter().map(outcome).collect();
        outcomes.iter().for_each(|counter| counter.increment(0));
        Self {
            outcomes,
            cells: (0..=crate::core::event_names::EVENTS.len()).map(|_| Default::default()).collect(),
            seconds: ::metrics::histogram!("orchd_ingest_seconds"),
        }
    }

    /// Counts a delivery, by the name in its header.
    pub(super) fn count(&self, event_name: &[u8], outcome: Outcome, took: Duration) {
        if let Some(counter) = self.outcomes.get(outcome as usize) {
            counter.increment(1);
        }
        let event = event_names::position(event_name);
        if let Some(cell) = self.cells.get(event).and_then(|row| row.get(outcome as usize)) {
            cell.get_or_init(|| {
                let (event, outcome) = (event_names::label(event), OUTCOME_LABELS[outcome as usize]);
                ::metrics::counter!("orchd_events_total", "event" => event, "outcome" => outcome)
            })
            .increment(1);
        }
        self.seconds.record(took);
    }
}

pub(super) fn routes(app: &App) -> Routes {
    warp::path!("metrics").and(warp::get()).and(with(app)).then(scrape).boxed()
}

async fn scrape(app: App) -> Response {
    reply::with_type(StatusCode::OK, PROMETHEUS_TEXT, render(&app).await.into())
}

/// Everything that is measured, as Prometheus' text. The store is asked everything at once, and may be silent.
pub(super) async fn render(app: &App) -> String {
    let (depth, installations, tripped, work) =
        tokio::join!(app.queue_depth(), app.installations(), app.tripped(), app.work());
    let machine = tokio::time::timeout(
        MACHINE_ANSWERS_WITHIN,
        tokio::task::spawn_blocking({
            let config = app.config();
            move || (health::free_space(&config), Usage::read())
        }),
    );
    let (free, usage) = machine.await.ok().and_then(Result::ok).unwrap_or_default();

    let mut text = Text(app.metrics.render());
    if let Some(count) = installations {
        text.installations(count);
    }
    if let Some(tripped) = tripped {
        text.gauge("orchd_guards_tripped", "Breakers that are tripped now", tripped);
    }
    if let Ok(depth) = &depth {
        text.queue(depth, Utc::now());
    }
    if let Some(work) = work {
        text.gauge("orchd_queue_lanes", "Lanes (repositories) in which jobs wait or run", work.lanes);
        push_recovery(&mut text, app, work.compared_until);
    }
    text.troubles(&app.github.load().troubles());
    text.gauge(
        "orchd_live_readers",
        "Browsers and scripts that are told what happens as it happens",
        app.feed().readers(),
    );
    if let Some(free) = free {
        text.gauge(
            "orchd_disk_free_bytes",
            "Free space where the database lies; with PostgreSQL, where large payloads do",
            free,
        );
    }
    text.info(app, depth.is_ok());
    let started = app.started_at.timestamp();
    text.gauge("process_start_time_seconds", "When the daemon started", started);
    if let Some(usage) = usage {
        usage.write(&mut text);
    }
    text.0
}

/// Only where recovery runs by itself: elsewhere nobody compares, and nothing is late.
fn push_recovery(text: &mut Text, app: &App, compared_until: Option<DateTime<Utc>>) {
    let Some(every) = app.config().recovery.every.filter(|_| app.github.load().has_app()) else { return };
    let until = compared_until.unwrap_or(app.started_at).timestamp();
    text.gauge(
        "orchd_recovery_compared_until_timestamp_seconds",
        "Up to when what GitHub delivered was compared with what is stored; before the first time, when the daemon started",
        until,
    );
    text.gauge("orchd_recovery_every_seconds", "How often GitHub's list is looked through", every.as_secs());
}

pub(super) fn age_seconds(then: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    (now - then).as_seconds_f64().max(0.0)
}
