//! `/api/events/tail`: new events as they are stored, by long poll.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::call::Call;
use super::events;
use crate::http::error::HttpError;
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
pub(in crate::http) struct Tail {
    pub(in crate::http) rows: Vec<EventRow>,
    /// Pass as `newer_than` next time.
    pub(in crate::http) next: Uuid,
}

/// Without `newer_than`: no rows, and the newest event as the place to begin.
pub(super) async fn tail(mut call: Call) -> Result<Tail, HttpError> {
    let among = call.among();
    let mut query = std::mem::take(&mut call.query);
    let filter = events::filter(&mut query)?;
    let newer_than = query.parsed::<Uuid>("newer_than")?;
    let wait = query.parsed("wait")?.unwrap_or(USUAL_WAIT).min(LONGEST_WAIT);
    query.finish()?;
    let Some(newer_than) = newer_than else {
        let newest = call.app.db.events(&EventFilter { limit: 1, among, ..EventFilter::default() }).await?;
        let next = newest.rows.first().map_or(Uuid::nil(), |event| event.id.0);
        return Ok(Tail { rows: Vec::new(), next });
    };
    let mut poll = Poll { call, filter, next: newer_than };
    let rows = poll.wait_for_rows(Duration::from_secs(wait)).await?;
    Ok(Tail { rows, next: poll.next })
}

/// Somebody who waits for events, and how far they have come.
struct Poll {
    call: Call,
    filter: EventFilter,
    next: Uuid,
}

impl Poll {
    /// Rows as soon as there are some; none when the time is over or the daemon stops.
    async fn wait_for_rows(&mut self, wait: Duration) -> Result<Vec<EventRow>, HttpError> {
        let until = Instant::now() + wait;
        // Subscribed before the first look: what is stored in between is not missed.
        let mut stored = self.call.app.ingest.subscribe();
        loop {
            stored.mark_unchanged();
            let (rows, has_more) = self.look().await?;
            if !rows.is_empty() || Instant::now() >= until || self.call.app.stopping.is_cancelled() {
                return Ok(rows);
            }
            if has_more {
                continue;
            }
            let stopping = self.call.app.stopping.clone();
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep_until(until.min(Instant::now() + LOOK_AGAIN)) => {}
                _ = stored.changed() => tokio::time::sleep(BREATH).await,
            }
            // What they may see can change while they wait.
            self.call.caller = self.call.caller.again(&self.call.app).await?;
        }
    }

    /// Rows, and whether there are more behind them: a look ends early when the filters hide many.
    async fn look(&mut self) -> Result<(Vec<EventRow>, bool), HttpError> {
        let filter = EventFilter { newer_than: Some(self.next), among: self.call.among(), ..self.filter.clone() };
        let Page { mut rows, next } = self.call.app.db.events(&filter).await?;
        self.next = rows.last().map(|event| event.id.0).or(next).unwrap_or(self.next);
        rows.retain(|event| self.call.is_told(&event.event_type, event.repository.as_ref()));
        Ok((rows, next.is_some()))
    }
}
