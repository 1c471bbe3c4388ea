//! `GET /metrics`: Prometheus text. Every label has a bounded set of values.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::Duration;

use ::metrics::{Counter, Histogram};
use http::StatusCode;
use http::header::HeaderValue;
use warp::Filter;
use warp::reply::Response;

use super::event_names;
use super::routes::{Routes, with};
use super::{App, reply};
use crate::store::installations::InstallationCount;
use crate::store::jobs::QueueDepth;

const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

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

/// `orchd_events_total` and `orchd_ingest_seconds`. Handles are looked up once: on the webhook's path the registry's
/// hashing would cost more than the counting.
pub(super) struct EventCounters {
    cells: Vec<[OnceLock<Counter>; OUTCOME_LABELS.len()]>,
    seconds: Histogram,
}

impl EventCounters {
    pub(super) fn new() -> Self {
        describe();
        Self {
            cells: (0..=crate::core::event_names::EVENTS.len()).map(|_| Default::default()).collect(),
            seconds: ::metrics::histogram!("orchd_ingest_seconds"),
        }
    }

    /// Counts a delivery, by the name in its header.
    pub(super) fn count(&self, event_name: &[u8], outcome: Outcome, took: Duration) {
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

fn describe() {
    ::metrics::describe_counter!("orchd_events_total", "Deliveries by event and by what became of them");
    ::metrics::describe_counter!("orchd_guards_tripped_total", "Breakers that tripped, by what tripped them");
    ::metrics::describe_counter!(
        "orchd_sign_in_failures_total",
        "People who came back from GitHub and were not signed in"
    );
    ::metrics::describe_histogram!("orchd_ingest_seconds", "From a delivery's headers to its answer");
}

pub(super) fn routes(app: &App) -> Routes {
    warp::path!("metrics").and(warp::get()).and(with(app)).then(scrape).boxed()
}

async fn scrape(app: App) -> Response {
    reply::with_type(StatusCode::OK, PROMETHEUS_TEXT, render(&app).await.into())
}

/// Everything that is measured, as Prometheus' text.
pub(super) async fn render(app: &App) -> String {
    let depth = app.queue_depth().await.ok();
    let mut text = app.metrics.render();
    if let Some(count) = app.installations().await {
        push_installations(&mut text, count);
    }
    if let Some(tripped) = app.tripped().await {
        text.push_str("# HELP orchd_guards_tripped Breakers that are tripped now\n# TYPE orchd_guards_tripped gauge\n");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "orchd_guards_tripped {tripped}");
    }
    if let Some(depth) = &depth {
        push_queue(&mut text, depth, chrono::Utc::now());
    }
    push_info(&mut text, app, depth.is_some());
    text
}

pub(super) fn age_seconds(then: chrono::DateTime<chrono::Utc>, now: chrono::DateTime<chrono::Utc>) -> f64 {
    (now - then).as_seconds_f64().max(0.0)
}

/// By hand, because a recorder would go on telling the last numbers while the store does not answer.
fn push_queue(text: &mut String, depth: &QueueDepth, now: chrono::DateTime<chrono::Utc>) {
    let states = [
        ("queued", depth.queued, depth.oldest_queued),
        ("running", depth.running, depth.oldest_running),
        ("dead", depth.dead, depth.oldest_dead),
    ];
    text.push_str("# HELP orchd_queue_jobs Jobs by state\n# TYPE orchd_queue_jobs gauge\n");
    // Writing to a String cannot fail.
    for (state, jobs, _) in states {
        let _ = writeln!(text, "orchd_queue_jobs{{state=\"{state}\"}} {jobs}");
    }
    text.push_str("# HELP orchd_queue_oldest_seconds Age of the oldest job by state; 0 when there is none\n");
    text.push_str("# TYPE orchd_queue_oldest_seconds gauge\n");
    for (state, _, oldest) in states {
        let age = oldest.map_or(0.0, |oldest| age_seconds(oldest, now));
        let _ = writeln!(text, "orchd_queue_oldest_seconds{{state=\"{state}\"}} {age}");
    }
}

fn push_installations(text: &mut String, count: InstallationCount) {
    text.push_str("# HELP orchd_installations Installations of the App by state\n# TYPE orchd_installations gauge\n");
    for (state, number) in [("active", count.active), ("suspended", count.suspended), ("deleted", count.deleted)] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "orchd_installations{{state=\"{state}\"}} {number}");
    }
}

/// What is true at this moment only: written by hand, because a recorder would keep every revision there ever was.
fn push_info(text: &mut String, app: &App, store_is_up: bool) {
    let live = app.config.status();
    let (version, revision) = (env!("CARGO_PKG_VERSION"), &live.revision.hash);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "# HELP orchd_info The running version and config revision\n# TYPE orchd_info gauge\n\
         orchd_info{{version=\"{version}\",config_revision=\"{revision}\"}} 1\n\
         # HELP orchd_config_error 1 while the config on disk is refused and an older one runs\n\
         # TYPE orchd_config_error gauge\norchd_config_error {}\n\
         # HELP orchd_config_held 1 while the config on disk waits for a person and an older one runs\n\
         # TYPE orchd_config_held gauge\norchd_config_held {}\n\
         # HELP orchd_config_loaded_timestamp_seconds When the running config was loaded\n\
         # TYPE orchd_config_loaded_timestamp_seconds gauge\norchd_config_loaded_timestamp_seconds {}\n\
         # HELP orchd_store_up 1 when the store answers\n# TYPE orchd_store_up gauge\norchd_store_up {}\n",
        u8::from(live.refused.is_some()),
        u8::from(live.held.is_some()),
        live.revision.loaded_at.timestamp(),
        u8::from(store_is_up),
    );
}
