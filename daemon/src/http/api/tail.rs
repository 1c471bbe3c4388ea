//! `/api/events/tail`: new events as they are stored, by long poll.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::call::Call;
use super::events;
use crate::http::App;
use crate::http::error::HttpError;
use crate::http::reply::{self, Reply};
use crate::store::Page;
use crate::store::events::{EventFilter, EventRow};

/// Seconds a poll waits when the client does not say, and at most.
const USUAL_WAIT: u64 = 25;
const LONGEST_WAIT: u64 = 60;
/// Looks again at least this often: on a database shared with other daemons, what they store wakes nobody here.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Looks at most this often, however many events arrive that the filters hide.
const BREATH: Duration = Duration::from_millis(50);

/// Events oldest first, and where to go on.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Tail {
    rows: Vec<EventRow>,
    /// Pass as `newer_than` next time.
    next: Uuid,
}

/// Without `newer_than`: no rows, and the newest event as the place to begin.
pub(super) async fn tail(call: Call) -> Result<Reply, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let filter = events::filter(&mut query)?;
    let newer_than = query.parsed::<Uuid>("newer_than")?;
    let wait = query.parsed("wait")?.unwrap_or(USUAL_WAIT).min(LONGEST_WAIT);
    query.finish()?;
    let Some(newer_than) = newer_than else {
        let newest = app.db.events(&EventFilter { limit: 1, among, ..EventFilter::default() }).await?;
        let next = newest.rows.first().map_or(Uuid::nil(), |event| event.id.0);
        return reply::json(&Tail { rows: Vec::new(), next });
    };
    let filter = EventFilter { newer_than: Some(newer_than), among, ..filter };
    let Page { rows, next } = wait_for_rows(&app, &filter, Duration::from_secs(wait)).await?;
    let next = rows.last().map(|event| event.id.0).or(next).unwrap_or(newer_than);
    reply::json(&Tail { rows, next })
}

/// Rows as soon as there are some; none when the time is over, the daemon stops, or many that the filters hide were passed.
async fn wait_for_rows(app: &App, filter: &EventFilter, wait: Duration) -> Result<Page<EventRow>, HttpError> {
    let until = Instant::now() + wait;
    // Subscribed before the first look: what is stored in between is not missed.
    let mut stored = app.ingest.subscribe();
    loop {
        stored.mark_unchanged();
        let page = app.db.events(filter).await?;
        if !page.rows.is_empty() || page.next.is_some() || Instant::now() >= until || app.stopping.is_cancelled() {
            return Ok(page);
        }
        tokio::select! {
            () = app.stopping.cancelled() => {}
            () = tokio::time::sleep_until(until.min(Instant::now() + LOOK_AGAIN)) => {}
            _ = stored.changed() => tokio::time::sleep(BREATH).await,
        }
    }
}
