//! Received events and their payloads: `event_receipts`, `event_payloads`.

mod list;

use std::sync::LazyLock;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::list::EventFilter;
use super::columns::{Micros, from_json, from_word, repo_name, time, unsigned};
use super::dialect::Bulk;
use super::{Db, StoreError};
use crate::core::event::{EventId, InstallationId, RepoName};

/// How an event reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Webhook,
    /// Pulled from GitHub's list of deliveries, because it never arrived.
    Recovered,
    Forwarded,
    /// Made up from an item that changed without a delivery that told it.
    Swept,
    /// Told by orchd itself, because it is time.
    Scheduled,
}

/// Where an event is in its life. Stored in `processing_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
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
    /// When it was so, by GitHub's clock. A late event that tells an older state changes nothing; one that does not tell
    /// when changes nothing that was told with a time.
    pub told_at: Option<DateTime<Utc>>,
}

/// An installation as a payload described it. Most payloads carry only the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenInstallation {
    pub id: InstallationId,
    pub account_login: Option<String>,
    pub account_type: Option<String>,
    /// As of [`SeenRepository`].
    pub told_at: Option<DateTime<Utc>>,
}

/// An authenticated delivery, ready to be stored.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Made when the delivery arrived: lists by time look for it within a day of `received_at`.
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
    /// Whether a job has to look at it. One that nothing waits for is processed as soon as it is stored.
    pub awaited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngestStatus {
    /// New: stored, with a job if it is awaited.
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

/// What came of asking for a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// It is queued, or was already.
    Queued,
    NoEvent,
    /// Retention has dropped its payload: there is nothing left to decide on.
    NoPayload,
}

/// A stored event without its payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
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

impl EventRow {
    /// `pull_request.opened`.
    pub fn kind(&self) -> String {
        match &self.event_action {
            Some(action) => format!("{}.{action}", self.event_type),
            None => self.event_type.clone(),
        }
    }

    /// `acme/api#12`, or `acme/api` when it is about no issue or pull request.
    pub fn about(&self) -> Option<String> {
        let repository = self.repository.as_ref()?;
        Some(self.number.map_or_else(|| repository.to_string(), |number| format!("{repository}#{number}")))
    }
}

/// One row of [`SELECT`].
#[derive(sqlx::FromRow)]
struct EventSql {
    id: Uuid,
    delivery_id: String,
    source: String,
    event_type: String,
    event_action: Option<String>,
    actor: Option<String>,
    number: Option<i64>,
    repository: Option<String>,
    installation: Option<i64>,
    target_object_ids: String,
    received_at: Micros,
    github_timestamp: Option<Micros>,
    processing_status: String,
    error_message: Option<String>,
    retry_count: i64,
}

/// `processing` is not written anywhere: an event is being processed while its job runs, also after a crash.
const SELECT: &str = "SELECT e.id, e.delivery_id, e.source, e.event_type, e.event_action, e.actor, e.number,
        r.full_name AS repository, i.installation_id AS installation, e.target_object_ids, e.received_at,
        e.github_timestamp, e.error_message, e.retry_count,
        CASE WHEN e.processing_status = 'received' AND j.state = 'running' THEN 'processing'
            ELSE e.processing_status END AS processing_status
    FROM event_receipts e LEFT JOIN repositories r ON r.id = e.repository_id
        LEFT JOIN installations i ON i.id = e.installation_id LEFT JOIN jobs j ON j.id = e.id";

impl TryFrom<EventSql> for EventRow {
    type Error = StoreError;

    fn try_from(row: EventSql) -> Result<Self, StoreError> {
        Ok(Self {
            id: EventId(row.id),
            delivery_id: row.delivery_id,
            source: from_word("source", row.source)?,
            event_type: row.event_type,
            event_action: row.event_action,
            actor: row.actor,
            number: row.number.map(|number| unsigned("number", number)).transpose()?,
            repository: row.repository.as_deref().map(repo_name).transpose()?,
            installation: row.installation.map(InstallationId),
            target_object_ids: from_json("target_object_ids", &row.target_object_ids)?,
            received_at: row.received_at.try_into()?,
            github_timestamp: time(row.github_timestamp)?,
            processing_status: from_word("processing_status", row.processing_status)?,
            error_message: row.error_message,
            retry_count: unsigned("retry_count", row.retry_count)?,
        })
    }
}

/// The smallest UUIDv7 of a time: ids carry milliseconds in their first 48 bits.
pub(super) fn first_id(at: DateTime<Utc>) -> Uuid {
    let millis = u128::try_from(at.timestamp_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
    Uuid::from_u128(millis << 80)
}

impl Db {
    pub async fn event(&self, id: EventId) -> Result<Option<EventRow>, StoreError> {
        Ok(self.events_by_id(&[id]).await?.pop())
    }

    /// The events that exist, in order of arrival.
    pub async fn events_by_id(&self, ids: &[EventId]) -> Result<Vec<EventRow>, StoreError> {
        // event_receipts, repositories, installations, jobs: primary keys.
        static SQL: LazyLock<Bulk> =
            LazyLock::new(|| Bulk::new(&format!("{SELECT} WHERE e.id IN ("), "#", ") ORDER BY e.id"));
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        let mut rows: Vec<EventRow> = Vec::with_capacity(ids.len());
        for (sql, chunk) in SQL.chunks(self.dialect(), &sorted) {
            let found = on_db!(self, conn => {
                let mut query = sqlx::query_as::<_, EventSql>(sql);
                for id in chunk {
                    query = query.bind(id.0);
                }
                query.fetch_all(conn).await
            })?;
            for row in found {
                rows.push(row.try_into()?);
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_id_of_a_time_is_not_after_ids_made_then() {
        let id = Uuid::now_v7();
        let now = Utc::now();
        assert!(first_id(now - chrono::TimeDelta::seconds(1)) < id);
        assert!(id < first_id(now + chrono::TimeDelta::seconds(1)));
    }
}
