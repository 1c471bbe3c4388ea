//! Received events and their payloads: `event_receipts`, `event_payloads`.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Db, Page, StoreError};
use crate::core::event::{EventId, InstallationId, RepoName};

/// How an event reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Webhook,
    Recovered,
    Forwarded,
}

/// Where an event is in its life. Stored in `processing_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    Received,
    Processing,
    Processed,
    Failed,
}

/// A repository as a payload described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRepository {
    pub github_id: i64,
    pub name: RepoName,
    pub description: Option<String>,
    pub url: String,
    pub is_private: bool,
    pub default_branch: String,
}

/// An installation as a payload described it. Most payloads carry only the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenInstallation {
    pub id: InstallationId,
    pub account_login: Option<String>,
    pub account_type: Option<String>,
}

/// An authenticated delivery, ready to be stored.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub id: EventId,
    /// GitHub's GUID, as sent (1 to 255 visible ASCII characters).
    pub delivery_id: String,
    pub source: Source,
    pub event_type: String,
    pub event_action: Option<String>,
    pub actor: Option<String>,
    /// Issue or pull request number.
    pub number: Option<u64>,
    /// What the event is about, as in the seed's data model: `{"issue_number": 5}`.
    pub target_object_ids: serde_json::Value,
    pub received_at: DateTime<Utc>,
    pub github_timestamp: Option<DateTime<Utc>>,
    pub repository: Option<SeenRepository>,
    pub installation: Option<SeenInstallation>,
    /// The payload as JSON text, uncompressed.
    pub payload: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngestStatus {
    /// New: stored, with a job.
    Accepted,
    /// Stored before and fine: nothing was done.
    Duplicate,
    /// Stored before, but its processing had failed: queued again.
    Requeued,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Of the row that is in the store: for a duplicate, the first one's.
    pub id: EventId,
    pub status: IngestStatus,
}

/// A stored event without its payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    pub id: EventId,
    pub delivery_id: String,
    pub source: Source,
    pub event_type: String,
    pub event_action: Option<String>,
    pub actor: Option<String>,
    pub number: Option<u64>,
    pub repository: Option<RepoName>,
    pub installation: Option<InstallationId>,
    pub target_object_ids: serde_json::Value,
    pub received_at: DateTime<Utc>,
    pub github_timestamp: Option<DateTime<Utc>>,
    pub processing_status: EventStatus,
    pub error_message: Option<String>,
    pub retry_count: u32,
}

/// Filters of a list; `None` filters nothing.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub repository: Option<RepoName>,
    pub event_type: Option<String>,
    pub event_action: Option<String>,
    pub actor: Option<String>,
    pub status: Option<EventStatus>,
    pub number: Option<u64>,
    /// Received at or after.
    pub since: Option<DateTime<Utc>>,
    /// Received before.
    pub until: Option<DateTime<Utc>>,
    /// Rows a page, at most 1,000.
    pub limit: u32,
    /// Only events older than this one (keyset cursor, newest first).
    pub after: Option<Uuid>,
    /// Only events newer than this one, oldest first (for `tail`). Excludes `after`.
    pub newer_than: Option<Uuid>,
}

impl Db {
    /// Stores a batch in one transaction: each event with its payload and its job, repositories and installations it
    /// names learnt. When this returns, all of it is on disk (invariant 1). One answer for each event, in order; the
    /// same delivery twice in one batch is one event.
    pub async fn ingest(&self, _batch: Vec<NewEvent>) -> Result<Vec<Ingested>, StoreError> {
        unimplemented!()
    }

    pub async fn event(&self, _id: EventId) -> Result<Option<EventRow>, StoreError> {
        unimplemented!()
    }

    /// The payload, decompressed, wherever it is kept. `None`: no such event, or retention has dropped it.
    pub async fn payload(&self, _id: EventId) -> Result<Option<Bytes>, StoreError> {
        unimplemented!()
    }

    pub async fn events(&self, _filter: &EventFilter) -> Result<Page<EventRow>, StoreError> {
        unimplemented!()
    }

    /// Queues a stored event again (replay). False: no such event.
    pub async fn replay(&self, _id: EventId, _now: DateTime<Utc>) -> Result<bool, StoreError> {
        unimplemented!()
    }
}
