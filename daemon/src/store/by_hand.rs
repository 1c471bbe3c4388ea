//! What a person does to jobs and events through the admin socket. Each leaves a row in the audit chain.

use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::audit::append;
use super::columns::Micros;
use super::dialect::Tx;
use super::events::Replay;
use super::ingest::requeue;
use super::jobs::{JobId, Work, work};
use super::plan::reopen_effect;
use super::{Db, StoreError};
use crate::core::audit::{Actor, Cause, Entry, Kind};
use crate::core::event::EventId;

/// A dead letter, and what it was about.
#[derive(sqlx::FromRow)]
struct DeadSql {
    kind: String,
    event_id: Uuid,
    effect_id: Option<Uuid>,
    last_error: Option<String>,
    repository: Option<String>,
    number: Option<i64>,
}

impl Db {
    /// A dead letter back to the queue with fresh attempts. False: no such dead letter.
    pub async fn retry_dead(&self, id: JobId, by: Actor, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let Some(dead) = dead_letter(&mut tx, id).await? else { return Ok(false) };
        let retried = match work(&dead.kind, dead.event_id, dead.effect_id)? {
            Work::Process { event } => requeue(&mut tx, event.0, now.into()).await?,
            Work::Apply { intent, .. } => {
                // jobs: primary key.
                let queued = on_tx!(tx, conn => {
                    sqlx::query(
                        "UPDATE jobs SET state = 'queued', attempts = 0, run_at = $2, finished_at = NULL
                         WHERE id = $1 AND state = 'dead'",
                    )
                    .bind(id.0)
                    .bind(Micros::from(now))
                    .execute(&mut *conn)
                    .await?
                    .rows_affected()
                });
                if queued > 0 {
                    reopen_effect(&mut tx, intent.0).await?;
                }
                queued > 0
            }
        };
        if retried {
            tx.notify().await?;
            append(&mut tx, vec![dead.entry(Kind::JobRetried, id, "queued", by, now)]).await?;
            tx.commit().await?;
        }
        Ok(retried)
    }

    /// Puts a dead letter away. False: no such dead letter.
    pub async fn discard(&self, id: JobId, by: Actor, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let Some(dead) = dead_letter(&mut tx, id).await? else { return Ok(false) };
        // jobs: primary key.
        let discarded = on_tx!(tx, conn => {
            sqlx::query("UPDATE jobs SET state = 'discarded', finished_at = $2 WHERE id = $1 AND state = 'dead'")
                .bind(id.0)
                .bind(Micros::from(now))
                .execute(&mut *conn)
                .await?
                .rows_affected()
        });
        if discarded > 0 {
            append(&mut tx, vec![dead.entry(Kind::JobDiscarded, id, "discarded", by, now)]).await?;
            tx.commit().await?;
        }
        Ok(discarded > 0)
    }

    /// Queues a stored event again (replay). One that is queued or running already stays so.
    pub async fn replay(&self, id: EventId, by: Actor, now: DateTime<Utc>) -> Result<Replay, StoreError> {
        // event_receipts, repositories, event_payloads: primary keys.
        type Found = (bool, String, Option<String>, Option<i64>);
        let found: Option<Found> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT e.payload_storage IS NOT NULL OR EXISTS (SELECT 1 FROM event_payloads p WHERE p.event_id = e.id),
                    e.processing_status, r.full_name, e.number
                 FROM event_receipts e LEFT JOIN repositories r ON r.id = e.repository_id WHERE e.id = $1",
            )
            .bind(id.0)
            .fetch_optional(conn)
            .await
        })?;
        let (status, repository, number) = match found {
            None => return Ok(Replay::NoEvent),
            Some((false, ..)) => return Ok(Replay::NoPayload),
            Some((true, status, repository, number)) => (status, repository, number),
        };
        let mut tx = self.begin().await?;
        if requeue(&mut tx, id.0, now.into()).await? {
            tx.notify().await?;
            let entry = Entry::new(Kind::EventReplayed, by, now)
                .states(Some(json!({"status": status})), Some(json!({"status": "received"})));
            let cause = Cause { event: Some(id.0), ..Cause::default() };
            append(&mut tx, vec![Entry { cause, repository, number, ..entry }]).await?;
            tx.commit().await?;
        }
        Ok(Replay::Queued)
    }
}

async fn dead_letter(tx: &mut Tx, id: JobId) -> Result<Option<DeadSql>, sqlx::Error> {
    // jobs, effects, event_receipts, repositories: primary keys. The job of an undo has the rollback's id as its event.
    on_tx!(tx, conn => {
        sqlx::query_as(
            "SELECT j.kind, COALESCE(f.event_id, j.event_id) AS event_id, j.effect_id, j.last_error,
                r.full_name AS repository, e.number FROM jobs j LEFT JOIN effects f ON f.id = j.effect_id
                LEFT JOIN event_receipts e ON e.id = COALESCE(f.event_id, j.event_id) LEFT JOIN repositories r ON r.id = e.repository_id
             WHERE j.id = $1 AND j.state = 'dead'",
        )
        .bind(id.0)
        .fetch_optional(&mut *conn)
        .await
    })
}

impl DeadSql {
    fn entry(self, kind: Kind, job: JobId, state: &str, by: Actor, now: DateTime<Utc>) -> Entry {
        let before = json!({"job": job, "state": "dead", "error": self.last_error});
        let entry = Entry::new(kind, by, now).states(Some(before), Some(json!({"job": job, "state": state})));
        let cause = Cause { event: Some(self.event_id), effect: self.effect_id, ..Cause::default() };
        Entry { cause, repository: self.repository, number: self.number, ..entry }
    }
}
