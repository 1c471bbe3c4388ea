//! One who reads: what they are told, and when they are told no more.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::feed::{News, Place, tell};
use super::message;
use crate::core::access::level_to_see;
use crate::http::App;
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::store::Among;
use crate::store::events::{EventFilter, EventRow};

/// How often something is sent at least, so that proxies keep the connection; and whoever reads is looked at anew: a
/// session may have ended, a role changed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What waits for the connection; what waits for the reader is in the feed.
const WAITING_FRAMES: usize = 2;

/// Whoever takes nothing for so long is dropped.
const STALLED_AFTER: Duration = Duration::from_secs(30);

/// Rows sent at once, the newest. When more come, it is told that some are left out: nobody could read them.
const MOST_AT_ONCE: usize = 50;

/// Rows that somebody who comes back is caught up with; whoever missed more looks at the page again.
const CATCH_UP: u32 = 200;

/// Milliseconds after which a browser comes back.
const COME_BACK: &str = "retry: 2000\n\n";

pub(super) struct Reader {
    app: App,
    caller: Caller,
    place: Place,
    /// `None`: only told that something changed.
    filter: Option<EventFilter>,
    /// The last event that was seen: there is something to be caught up with.
    seen: Option<Uuid>,
    next: Next,
}

/// What comes next.
enum Next {
    Greeting,
    CatchingUp,
    News,
    Nothing,
}

impl Reader {
    pub(super) fn of_rows(app: App, caller: Caller, place: Place, filter: EventFilter, seen: Option<Uuid>) -> Self {
        Self { app, caller, place, filter: Some(filter), seen, next: Next::Greeting }
    }

    pub(super) fn of_changes(app: App, caller: Caller, place: Place) -> Self {
        Self { app, caller, place, filter: None, seen: None, next: Next::Greeting }
    }

    /// Starts to tell. It ends when nobody reads, when they are too slow, may not read any more, or the daemon stops.
    pub(super) fn start(mut self) -> mpsc::Receiver<Bytes> {
        let (frames, read) = mpsc::channel(WAITING_FRAMES);
        tokio::spawn(async move {
            let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
            heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while let Some(frame) = self.frame(&mut heartbeat).await {
                if frames.send_timeout(frame, STALLED_AFTER).await.is_err() {
                    break;
                }
            }
        });
        read
    }

    async fn frame(&mut self, heartbeat: &mut tokio::time::Interval) -> Option<Bytes> {
        match self.next {
            Next::Greeting => {
                self.next = if self.seen.is_some() { Next::CatchingUp } else { Next::News };
                Some(Bytes::from_static(COME_BACK.as_bytes()))
            }
            Next::CatchingUp => {
                self.next = Next::News;
                self.catch_up().await
            }
            Next::News => self.wait(heartbeat).await,
            Next::Nothing => None,
        }
    }

    async fn wait(&mut self, heartbeat: &mut tokio::time::Interval) -> Option<Bytes> {
        let stopping = self.app.stopping.clone();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return None,
                _ = heartbeat.tick() => {
                    self.caller = self.caller.again(&self.app).await.ok()?;
                    return Some(Bytes::from_static(b": still there\n\n"));
                }
                news = self.place.news.recv() => match news {
                    Ok(news) => {
                        if let Some(frame) = self.told(&news) {
                            return Some(frame);
                        }
                    }
                    // They come back with the last id they saw.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                }
            }
        }
    }

    /// What of the news is for this reader.
    fn told(&mut self, news: &News) -> Option<Bytes> {
        let Some(filter) = &self.filter else { return Some(message("changed", None, "").into()) };
        let among = Among::of(&self.caller.sight);
        let fits = |row: &EventRow| among.has(row.repository.as_ref()) && filter.fits(row) && self.is_told(row);
        let mut frames: Vec<&Bytes> = news.rows.iter().filter(|told| fits(&told.row)).map(|told| &told.frame).collect();
        if frames.is_empty() {
            return None;
        }
        let skipped = message("skipped", None, "").into();
        if frames.len() > MOST_AT_ONCE || news.is_short {
            frames.drain(..frames.len().saturating_sub(MOST_AT_ONCE));
            frames.insert(0, &skipped);
        }
        let mut all = BytesMut::with_capacity(frames.iter().map(|frame| frame.len()).sum());
        frames.into_iter().for_each(|frame| all.extend_from_slice(frame));
        Some(all.freeze())
    }

    /// What arrived while they were away.
    async fn catch_up(&mut self) -> Option<Bytes> {
        match self.missed().await {
            Ok(frame) => Some(frame),
            Err(error) => {
                tracing::warn!(?error, "a live page is not caught up");
                None
            }
        }
    }

    async fn missed(&mut self) -> Result<Bytes, HttpError> {
        let (Some(filter), Some(seen)) = (&self.filter, self.seen.take()) else { return Ok(Bytes::new()) };
        let among = Among::of(&self.caller.sight);
        let filter = EventFilter { newer_than: Some(seen), limit: CATCH_UP, among, ..filter.clone() };
        let page = self.app.db.events(&filter).await?;
        if page.next.is_some() {
            self.next = Next::Nothing;
            return Ok(behind());
        }
        let mut all = BytesMut::from(": caught up\n\n");
        for row in page.rows.into_iter().filter(|row| self.is_told(row)) {
            all.extend_from_slice(&tell(row, true).frame);
        }
        Ok(all.freeze())
    }

    fn is_told(&self, row: &EventRow) -> bool {
        let sight = &self.caller.sight;
        let held = row.repository.as_ref().map_or(sight.site, |repository| sight.level_in(repository));
        held >= Some(level_to_see(&row.event_type))
    }
}

/// More was missed than is told row by row.
fn behind() -> Bytes {
    message("behind", None, "").into()
}
