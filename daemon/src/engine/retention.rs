//! Drops what is over its age, a little at a time: ingest goes before, and hardly notices.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Engine, login};
use crate::config::Retention;
use crate::store::StoreError;
use crate::store::retention::Kept;

/// Events in one transaction: some milliseconds, which a delivery may have to wait for.
const BATCH: u32 = 100;

/// After a batch it rests for so many times as long as the batch took: half of the one writer's time while little comes in,
/// a fifth while deliveries come in batches.
const REST: u32 = 1;
const REST_BUSY: u32 = 4;

/// The least rest, for batches that took no time at all.
const LEAST_REST: Duration = Duration::from_millis(2);

/// How soon after its start a daemon looks for the first time: not while it has better things to do.
const FIRST: Duration = Duration::from_secs(60);

/// A key that was revoked or expired is shown for so long. The audit chain remembers it longer.
const ENDED_KEYS_ARE_KEPT_FOR: TimeDelta = TimeDelta::days(90);

/// What one run dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub payloads: u64,
    pub decisions: u64,
    pub events: u64,
    /// Tables of whole months, on PostgreSQL.
    pub months: Vec<String>,
}

/// Looks every `retention.every`, until told to stop.
pub async fn keep(engine: Engine, stop: CancellationToken) {
    let mut pause = FIRST.min(engine.config.current().retention.every);
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        let began = Instant::now();
        match sweep(&engine, &stop).await {
            Ok(Some(swept)) if swept != Swept::default() => tracing::info!(
                payloads = swept.payloads,
                decisions = swept.decisions,
                events = swept.events,
                months = swept.months.join(", "),
                seconds = began.elapsed().as_secs(),
                "dropped what is over its age"
            ),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "what is over its age could not be dropped; trying again later"),
        }
        pause = engine.config.current().retention.every;
    }
}

/// One run: what belongs to events before the events, oldest first. `None`: another daemon is at it.
///
/// # Errors
/// When the store fails; what was dropped by then is dropped.
pub async fn sweep(engine: &Engine, stop: &CancellationToken) -> Result<Option<Swept>, StoreError> {
    let Some(alone) = engine.db.alone_at("retention").await? else { return Ok(None) };
    let swept = drop_expired(engine, stop).await;
    alone.end().await;
    swept.map(Some)
}

async fn drop_expired(engine: &Engine, stop: &CancellationToken) -> Result<Swept, StoreError> {
    let now = (engine.clock)();
    engine.db.make_months(now).await?;
    let ages = engine.config.current().retention.clone();
    let unfinished = engine.db.oldest_unfinished().await?;
    let mut swept = Swept::default();
    for what in [Kept::Payloads, Kept::Decisions, Kept::Events] {
        let over = now - TimeDelta::from_std(age(&ages, what)).unwrap_or(TimeDelta::MAX);
        // However old it is, an event that waits for something to be done keeps all it has.
        let before = unfinished.map_or(over, |oldest| over.min(oldest));
        let (total, name) = match what {
            Kept::Payloads => (&mut swept.payloads, "payloads"),
            Kept::Decisions => (&mut swept.decisions, "decisions"),
            Kept::Events => (&mut swept.events, "events"),
        };
        let counter = metrics::counter!("orchd_retention_dropped_total", "what" => name);
        *total = drop_all(engine, what, before, &counter, stop).await?;
        if !stop.is_cancelled() {
            swept.months.extend(engine.db.drop_whole_months(what, before).await?);
        }
    }
    drop_ended(engine, now, stop).await?;
    login::drop_ended(&engine.db, now).await?;
    metrics::gauge!("orchd_retention_last_run_timestamp_seconds").set(now.timestamp() as f64);
    Ok(swept)
}

/// Keys that ended long ago, answers that nobody asks for again, and tokens of workflows that are over.
async fn drop_ended(engine: &Engine, now: DateTime<Utc>, stop: &CancellationToken) -> Result<(), StoreError> {
    loop {
        let keys = engine.db.drop_ended_keys(now - ENDED_KEYS_ARE_KEPT_FOR, BATCH).await?;
        let answers = engine.db.drop_old_answers(now, BATCH).await?;
        let tokens = engine.db.drop_spent_tokens(now, BATCH).await?;
        if keys.max(answers).max(tokens) < u64::from(BATCH) || stop.is_cancelled() {
            return Ok(());
        }
        engine.ingest.give_way().await;
        tokio::time::sleep(LEAST_REST).await;
    }
}

/// A payload and a decision go with their event at the latest.
fn age(ages: &Retention, what: Kept) -> Duration {
    match what {
        Kept::Payloads => ages.payloads.min(ages.events),
        Kept::Decisions => ages.decisions.min(ages.events),
        Kept::Events => ages.events,
    }
}

async fn drop_all(
    engine: &Engine,
    what: Kept,
    before: DateTime<Utc>,
    counter: &metrics::Counter,
    stop: &CancellationToken,
) -> Result<u64, StoreError> {
    let (mut rows, mut after) = (0, Some(Uuid::nil()));
    while let (Some(from), false) = (after, stop.is_cancelled()) {
        engine.ingest.give_way().await;
        let began = Instant::now();
        let dropped = engine.db.drop_older(what, before, from, BATCH).await?;
        rows += dropped.rows;
        counter.increment(dropped.rows);
        after = dropped.next;
        if after.is_some() {
            let rest = if engine.ingest.is_busy() { REST_BUSY } else { REST };
            tokio::time::sleep((began.elapsed() * rest).max(LEAST_REST)).await;
        }
    }
    Ok(rows)
}
