//! The durable queue: `jobs`.
//!
//! A lane (a repository, or `-` for events without one) has at most one running job (a unique partial index says so),
//! and its jobs run in order of their event's arrival, an event's effects before the next event. A job that waits for
//! its retry holds its lane; a dead letter frees it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Db, Page, StoreError};
use crate::core::event::EventId;
use crate::core::intent::IntentId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

/// What a job does. Stored as `kind` and its reference columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Work {
    /// Decide on an event.
    Process { event: EventId },
    /// Carry out an effect.
    Apply { event: EventId, intent: IntentId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Queued,
    Running,
    Done,
    /// Dead letter: gave up after `max_attempts`, or cannot succeed.
    Dead,
    /// A dead letter that a person put away.
    Discarded,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    pub id: JobId,
    #[serde(flatten)]
    pub work: Work,
    pub lane: String,
    pub state: JobState,
    /// Attempts begun.
    pub attempts: u32,
    pub max_attempts: u32,
    /// Not before.
    pub run_at: DateTime<Utc>,
    pub lease_owner: Option<String>,
    pub lease_until: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// A job this daemon runs now, and what stands behind it in its lane.
#[derive(Clone, Debug)]
pub struct Claim {
    pub job: JobRow,
    /// Queued `Process` jobs directly behind it in the lane, in order, at most the number asked for. They stay queued:
    /// the running head keeps the lane, so whoever holds the claim may finish them too (`finish_processed`).
    pub following: Vec<JobRow>,
}

#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    pub state: Option<JobState>,
    pub lane: Option<String>,
    pub event: Option<EventId>,
    pub limit: u32,
    pub after: Option<Uuid>,
}

/// How deep the queue is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueDepth {
    pub queued: u64,
    pub running: u64,
    pub dead: u64,
    /// When the oldest queued job was created.
    pub oldest_queued: Option<DateTime<Utc>>,
}

impl Db {
    /// Takes up to `limit` jobs that may run now, at most one a lane, oldest first, each under a lease of `owner`.
    /// Leases that ran out count as free. Raises `attempts`.
    pub async fn claim(
        &self,
        _owner: &str,
        _now: DateTime<Utc>,
        _lease: Duration,
        _limit: u32,
        _following: u32,
    ) -> Result<Vec<Claim>, StoreError> {
        unimplemented!()
    }

    /// When the earliest queued job that waits for its time may run; `None`: nothing waits.
    pub async fn next_run_at(&self, _now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
        unimplemented!()
    }

    /// Renews leases; returns the jobs that are no longer ours.
    pub async fn renew(
        &self,
        _owner: &str,
        _jobs: &[JobId],
        _now: DateTime<Utc>,
        _lease: Duration,
    ) -> Result<Vec<JobId>, StoreError> {
        unimplemented!()
    }

    /// A failed attempt: back to the queue, not before `run_at`. The event shows the error.
    pub async fn retry_later(
        &self,
        _owner: &str,
        _job: JobId,
        _error: &str,
        _run_at: DateTime<Utc>,
        _now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// To the dead letters; a `Process` job's event becomes `failed`. Frees the lane.
    pub async fn bury(&self, _owner: &str, _job: JobId, _error: &str, _now: DateTime<Utc>) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Gives claimed jobs back unharmed at shutdown: queued again, the attempt not counted.
    pub async fn give_back(&self, _owner: &str, _jobs: &[JobId], _now: DateTime<Utc>) -> Result<(), StoreError> {
        unimplemented!()
    }

    pub async fn job(&self, _id: JobId) -> Result<Option<JobRow>, StoreError> {
        unimplemented!()
    }

    pub async fn jobs(&self, _filter: &JobFilter) -> Result<Page<JobRow>, StoreError> {
        unimplemented!()
    }

    /// A dead letter back to the queue with fresh attempts. False: no such dead letter.
    pub async fn retry_dead(&self, _id: JobId, _now: DateTime<Utc>) -> Result<bool, StoreError> {
        unimplemented!()
    }

    /// Puts a dead letter away. False: no such dead letter.
    pub async fn discard(&self, _id: JobId, _now: DateTime<Utc>) -> Result<bool, StoreError> {
        unimplemented!()
    }

    pub async fn queue_depth(&self) -> Result<QueueDepth, StoreError> {
        unimplemented!()
    }
}
