//! Group commit: whatever deliveries wait are stored together, in one transaction, and answered together.
//!
//! A delivery is answered only after its batch is on disk (invariant 1). One batch is under way at a time and events get
//! their ids here, so ids grow in the order of commits: whoever reads on from an id misses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use uuid::Uuid;

use super::awaited;
use super::pulse::Pulse;
use super::sight::Changes;
use super::story::Arrival;
use crate::config::live::LiveConfig;
use crate::core::event::{EventId, EventKind, RepoName};
use crate::github::heard::Heard;
use crate::github::webhook::{Envelope, Headers};
use crate::store::events::{Ingested, NewEvent, SeenInstallation, SeenRepository, Source};
use crate::store::{Db, Packed, StoreError};

/// Most deliveries in one transaction: large enough that one disk sync serves all connections that wait, small enough
/// that the first of them does not wait long.
const BATCH: usize = 256;

/// A batch of so many says that deliveries come faster than one by one: processing steps aside.
const PRESSURE: usize = 16;

/// How long after such a batch it is still busy: longer than from one batch to the next.
const CALM: Duration = Duration::from_millis(25);

/// The longest that processing steps aside.
const YIELD: Duration = Duration::from_millis(250);

/// How far GitHub's clock may be ahead of ours. With more, GitHub does not believe the App's signature either.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(10);

/// Why a delivery was not stored. The sender should come back: GitHub lists it as failed, and recovery finds it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IngestError {
    #[error("more deliveries are waiting than `server.max_pending` allows")]
    Busy,
    #[error(transparent)]
    Store(Arc<StoreError>),
}

type Waiting = (Packed, oneshot::Sender<Result<Ingested, IngestError>>);

/// Where deliveries go in. Cheap to clone.
#[derive(Clone)]
pub struct Ingest {
    queue: mpsc::Sender<Waiting>,
    stored: Arc<watch::Sender<u64>>,
    busy: Busy,
    pulse: Pulse,
    config: Arc<LiveConfig>,
    heard: Heard,
    sights: Changes,
    db: Db,
}

/// When there was last pressure, in milliseconds since this was made; 0: never.
#[derive(Clone)]
struct Busy {
    began: Instant,
    last: Arc<AtomicU64>,
}

impl Busy {
    fn new() -> Self {
        Self { began: Instant::now(), last: Arc::default() }
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn mark(&self) {
        self.last.store(self.elapsed().max(1), Ordering::Relaxed);
    }

    fn now(&self) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last > 0 && u128::from(self.elapsed().saturating_sub(last)) < CALM.as_millis()
    }
}

impl Ingest {
    /// Starts the ingest task. `wake` is rung after every batch with something new in it. The task ends when the last
    /// handle is gone and everything handed in is answered.
    pub fn start(db: Db, config: Arc<LiveConfig>, wake: Arc<Notify>, heard: Heard) -> Self {
        let (queue, waiting) = mpsc::channel(config.current().server.max_pending.max(1));
        let stored = Arc::new(watch::Sender::new(0));
        let (busy, pulse) = (Busy::new(), Pulse::default());
        tokio::spawn(store_batches(db.clone(), waiting, Arc::clone(&stored), busy.clone(), pulse.clone(), wake));
        Self { queue, stored, busy, pulse, config, heard, sights: Changes::default(), db }
    }

    /// Stores one delivery; returns when it is on disk.
    ///
    /// # Errors
    /// `Busy` when too many wait; `Store` when the batch could not be written. Neither loses what was stored before.
    pub async fn submit(&self, mut event: NewEvent) -> Result<Ingested, IngestError> {
        let kind = EventKind { name: event.event_type.clone(), action: event.event_action.clone() };
        let repository = event.repository.as_ref().map(|seen| &seen.name);
        event.awaited = awaited(&self.config.current(), &kind, repository, event.number);
        if let Some(repository) = &event.repository {
            self.heard.hear(&repository.name, event.number, &event.event_type);
        }
        self.sights.hear(&event, &self.db).await;
        let arrival = Arrival::of(&event);
        // Here and not in the task that writes: connections are served in parallel, batches are not.
        let packed = Packed::new(event).map_err(|error| IngestError::Store(Arc::new(error)))?;
        let (answer, answered) = oneshot::channel();
        self.queue.try_send((packed, answer)).map_err(|_| IngestError::Busy)?;
        let gone = || Err(IngestError::Store(Arc::new(StoreError::Unavailable("the daemon is stopping".into()))));
        let ingested = answered.await.unwrap_or_else(|_| gone())?;
        if let Some(arrival) = arrival {
            arrival.stored(ingested);
        }
        Ok(ingested)
    }

    /// What came that tells of a change of who sees what.
    pub fn sights(&self) -> Changes {
        self.sights.clone()
    }

    /// Counts stored batches: changes whenever there is something new to read.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.stored.subscribe()
    }

    /// Whether the task that stores still moves.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Whether deliveries come in batches right now.
    pub fn is_busy(&self) -> bool {
        self.busy.now()
    }

    /// Waits while deliveries come in batches, at most a quarter of a second: ingest goes before processing, and
    /// processing never starves.
    pub async fn give_way(&self) {
        let since = Instant::now();
        while self.busy.now() && since.elapsed() < YIELD {
            tokio::time::sleep(CALM).await;
        }
    }
}

/// A delivery whose signature was verified, as ingest takes it, however it came.
///
/// Its id, and whether it is awaited, are settled when it is stored.
pub fn new_event(
    named: Headers,
    envelope: Envelope,
    payload: Bytes,
    source: Source,
    received_at: DateTime<Utc>,
) -> NewEvent {
    NewEvent {
        id: EventId(Uuid::nil()),
        delivery_id: named.delivery_id,
        source,
        event_type: named.event_type,
        event_action: envelope.action,
        actor: envelope.actor,
        number: envelope.number,
        target_object_ids: envelope.target_object_ids,
        received_at,
        github_timestamp: envelope.github_timestamp,
        // A repository whose name GitHub would not allow is not learnt; the event is stored all the same.
        repository: envelope.repository.and_then(|seen| {
            Some(SeenRepository {
                github_id: seen.github_id,
                name: RepoName::parse(&seen.full_name).ok()?,
                description: seen.description,
                url: seen.url,
                is_private: seen.is_private,
                default_branch: seen.default_branch,
                told_at: told_at(seen.updated_at, received_at),
            })
        }),
        installation: envelope.installation.map(|seen| SeenInstallation {
            id: seen.id,
            account_login: seen.account_login,
            account_type: seen.account_type,
            told_at: told_at(seen.updated_at, received_at),
        }),
        payload,
        awaited: true,
    }
}

/// When a state was true. A time from the future would make everything that follows look late.
fn told_at(updated_at: Option<DateTime<Utc>>, received_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    updated_at.map(|at| at.min(received_at + CLOCKS_DIFFER))
}

async fn store_batches(
    db: Db,
    mut waiting: mpsc::Receiver<Waiting>,
    stored: Arc<watch::Sender<u64>>,
    busy: Busy,
    pulse: Pulse,
    wake: Arc<Notify>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        if batch.len() >= PRESSURE {
            busy.mark();
        }
        let now = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
        let step = pulse.step();
        store_batch(&db, now).await;
        drop(step);
        stored.send_modify(|batches| *batches += 1);
        wake.notify_one();
    }
}

async fn store_batch(db: &Db, batch: Vec<Waiting>) {
    let (mut events, answers): (Vec<Packed>, Vec<_>) = batch.into_iter().unzip();
    for event in &mut events {
        event.identify(EventId(Uuid::now_v7()));
    }
    let result = db.ingest_packed(&events).await;
    metrics::histogram!("orchd_ingest_batch_size").record(answers.len() as f64);
    match result {
        Ok(ingested) => {
            for (answer, ingested) in answers.into_iter().zip(ingested) {
                let _ = answer.send(Ok(ingested));
            }
        }
        // One event the database will not take must not cost its neighbours theirs.
        Err(StoreError::Failed(reason)) if events.len() > 1 => {
            tracing::warn!(reason, "a batch failed and is stored one by one");
            for (event, answer) in events.chunks(1).zip(answers) {
                let result = db.ingest_packed(event).await;
                let one = result.and_then(|all| all.first().copied().ok_or_else(no_answer));
                let _ = answer.send(one.map_err(|error| IngestError::Store(Arc::new(error))));
            }
        }
        Err(error) => {
            tracing::error!(%error, deliveries = answers.len(), "deliveries could not be stored; GitHub is told to come back");
            let error = Arc::new(error);
            for answer in answers {
                let _ = answer.send(Err(IngestError::Store(Arc::clone(&error))));
            }
        }
    }
}

fn no_answer() -> StoreError {
    StoreError::Failed("the store gave no answer for an event".to_owned())
}
