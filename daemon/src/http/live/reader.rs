//! One who reads: what they are told, and when they are told no more.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use super::feed::{News, Place, Told, tell, tell_state};
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

/// For so many heartbeats in a row what was known of a reader counts when nobody can say more: less than a role is kept.
const MOST_UNSURE: u32 = 3;

/// Rows sent at once, the newest. When more come, it is told that some are left out: nobody could read them.
const MOST_AT_ONCE: usize = 20;

/// Rows that somebody who comes back is caught up with; whoever missed more looks at the page again.
const CATCH_UP: u32 = 200;

/// Rows that a page shows, whose states may have changed before the reader was there.
const SHOWN: u32 = 50;

/// Looks at the store for somebody who comes back: with a filter that little fits, each finds few rows, or none.
const MOST_LOOKS: usize = 10;

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
    /// Heartbeats at which the store or GitHub did not say who they are, in a row.
    unsure: u32,
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
        Self { app, caller, place, filter: Some(filter), seen, next: Next::Greeting, unsure: 0 }
    }

    pub(super) fn of_changes(app: App, caller: Caller, place: Place) -> Self {
        Self { app, caller, place, filter: None, seen: None, next: Next::Greeting, unsure: 0 }
    }

    /// Starts to tell. It ends when nobody reads, when they are too slow, may not read any more, or the daemon stops.
    pub(super) fn start(mut self) -> mpsc::Receiver<Bytes> {
        let (frames, read) = mpsc::channel(WAITING_FRAMES);
        tokio::spawn(async move {
            let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
            heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let frame = tokio::select! {
                    () = frames.closed() => return,
                    frame = self.frame(&mut heartbeat) => frame,
                };
                let Some(frame) = frame else { return };
                if frames.send_timeout(frame, STALLED_AFTER).await.is_err() {
                    return;
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
                    self.look_at_caller().await?;
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

    /// `None`: they may read no more, or nobody could tell for too long.
    async fn look_at_caller(&mut self) -> Option<()> {
        match self.caller.again(&self.app).await {
            Ok(caller) => (self.caller, self.unsure) = (caller, 0),
            Err(HttpError::NotYet(_) | HttpError::Unavailable { .. }) if self.unsure < MOST_UNSURE => self.unsure += 1,
            Err(_) => return None,
        }
        Some(())
    }

    /// What of the news is for this reader.
    fn told(&mut self, news: &News) -> Option<Bytes> {
        let Some(filter) = &self.filter else { return Some(message("changed", None, "").into()) };
        let among = Among::of(&self.caller.sight);
        let seen = news.rows.iter().filter(|told| among.has(told.row.repository.as_ref()) && self.is_told(&told.row));
        let mut frames: Vec<Bytes> = seen.filter_map(|told| frame_for(filter, told)).collect();
        // Of what was left out nobody knows whether it was for this reader.
        if frames.len() > MOST_AT_ONCE || news.is_short {
            frames.drain(..frames.len().saturating_sub(MOST_AT_ONCE));
            frames.insert(0, message("skipped", None, "").into());
        }
        let mut all = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
        frames.iter().for_each(|frame| all.extend_from_slice(frame));
        (!all.is_empty()).then(|| all.freeze())
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

    /// What the page shows may be another by now; then what arrived since.
    async fn missed(&mut self) -> Result<Bytes, HttpError> {
        let (Some(filter), Some(seen)) = (&self.filter, self.seen.take()) else { return Ok(Bytes::new()) };
        let filter = EventFilter { among: Among::of(&self.caller.sight), ..filter.clone() };
        let shown = self.app.db.events(&EventFilter { limit: SHOWN, ..filter.clone() }).await?.rows;
        let shown = shown.into_iter().filter(|row| row.id.0 <= seen && self.is_told(row)).map(|row| tell_state(&row));
        let mut all: BytesMut =
            std::iter::once(Bytes::from_static(b": caught up\n\n")).chain(shown).flatten().collect();
        let (mut newer_than, mut rows) = (seen, 0);
        for _ in 0..MOST_LOOKS {
            let wanted = EventFilter { newer_than: Some(newer_than), limit: CATCH_UP, ..filter.clone() };
            let page = self.app.db.events(&wanted).await?;
            rows += page.rows.len();
            for row in page.rows.into_iter().filter(|row| self.is_told(row)) {
                all.extend_from_slice(&tell(row, None).frame);
            }
            match page.next {
                None => return Ok(all.freeze()),
                Some(_) if rows >= CATCH_UP as usize => break,
                Some(next) => newer_than = next,
            }
        }
        self.next = Next::Nothing;
        Ok(behind())
    }

    fn is_told(&self, row: &EventRow) -> bool {
        let sight = &self.caller.sight;
        let held = row.repository.as_ref().map_or(sight.site, |repository| sight.level_in(repository));
        held >= Some(level_to_see(&row.event_type))
    }
}

/// How an event is told to who filters so: `gone` when it was one of the list, and is no more.
fn frame_for(filter: &EventFilter, told: &Told) -> Option<Bytes> {
    if filter.fits(&told.row) {
        return Some(told.frame.clone());
    }
    let before = EventRow { processing_status: told.was?, ..told.row.clone() };
    filter.fits(&before).then(|| message("gone", None, &told.row.id.to_string()).into())
}

/// More was missed than is told row by row.
fn behind() -> Bytes {
    message("behind", None, "").into()
}
