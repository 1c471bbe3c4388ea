//! What waits until an installation may act again: `stopped_work`.
//!
//! A held effect keeps no job, so its lane goes on and the queue does not look stuck. When the installation is
//! unsuspended, effects get a new job and events are decided anew.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::audit::{EFFECT_COLUMNS, EndedEffect, append};
use super::columns::{Micros, clean};
use super::dialect::Tx;
use super::effects::finish_apply_job;
use super::ingest::requeue;
use super::jobs::JobId;
use super::plan::reopen_effect;
use super::{Db, StoreError};
use crate::core::audit::Actor;
use crate::core::event::{EventId, InstallationId};
use crate::core::intent::IntentId;

/// Resumed in one transaction, so that deliveries need not wait long for their turn.
const CHUNK: i64 = 100;

impl Db {
    /// Ends an apply job whose installation may not act: the effect is `held`, and waits for the installation. False:
    /// the installation may act (again), and nothing changed.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the job is no longer `owner`'s.
    pub async fn hold_effect(
        &self,
        owner: &str,
        job: JobId,
        effect: (IntentId, InstallationId),
        note: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let ((id, installation), now) = (effect, Micros::from(now));
        let mut tx = self.begin().await?;
        if !is_stopped(&mut tx, installation).await? {
            return Ok(false);
        }
        finish_apply_job(&mut tx, owner, job, id, now).await?;
        // effects: primary key. A write that was begun keeps its `started_at`: it goes on as one to settle.
        let held: Option<EndedEffect> = on_tx!(tx, conn => {
            let sql = format!(
                "UPDATE effects SET state = 'held', note = $2, finished_at = $3 WHERE id = $1 RETURNING {EFFECT_COLUMNS}"
            );
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.0)
                .bind(clean(note))
                .bind(now)
                .fetch_optional(&mut *conn)
                .await?
        });
        insert(&mut tx, id.0, "effect", installation, now).await?;
        let told = held.and_then(|effect| effect.entry(Actor::Orchd, now));
        append(&mut tx, told.into_iter().collect()).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// An event is to be decided anew once the installation may act again.
    pub async fn hold_event(
        &self,
        event: EventId,
        installation: InstallationId,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        insert(&mut tx, event.0, "event", installation, now.into()).await?;
        Ok(tx.commit().await?)
    }

    /// Installations that may act and for which something waits.
    pub async fn resumable(&self) -> Result<Vec<InstallationId>, StoreError> {
        // stopped_work_installation, once for each installation: they are few.
        let found: Vec<i64> = on_db!(self, conn => {
            sqlx::query_scalar(
                "SELECT i.installation_id FROM installations i WHERE NOT i.is_suspended AND i.deleted_at IS NULL
                    AND EXISTS (SELECT 1 FROM stopped_work s WHERE s.installation = i.installation_id)",
            )
            .fetch_all(conn)
            .await
        })?;
        Ok(found.into_iter().map(InstallationId).collect())
    }

    /// Gives what waits for an installation its jobs. Returns how many there are.
    pub async fn resume(&self, installation: InstallationId, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut resumed = 0;
        let mut after = Uuid::nil();
        loop {
            let mut tx = self.begin().await?;
            if is_stopped(&mut tx, installation).await? {
                return Ok(resumed);
            }
            // stopped_work_installation.
            let waiting: Vec<(Uuid, String)> = on_tx!(tx, conn => {
                sqlx::query_as(
                    "SELECT id, kind FROM stopped_work WHERE installation = $1 AND id > $2 ORDER BY id LIMIT $3",
                )
                .bind(installation.0)
                .bind(after)
                .bind(CHUNK)
                .fetch_all(&mut *conn)
                .await?
            });
            let Some((last, _)) = waiting.last() else { return Ok(resumed) };
            after = *last;
            for (id, kind) in &waiting {
                resumed += u64::from(resume_one(&mut tx, *id, kind, now.into()).await?);
            }
            tx.notify().await?;
            tx.commit().await?;
        }
    }
}

async fn is_stopped(tx: &mut Tx, installation: InstallationId) -> Result<bool, sqlx::Error> {
    // installations_installation_id.
    let stopped: Option<i32> = on_tx!(tx, conn => {
        sqlx::query_scalar(
            "SELECT 1 FROM installations WHERE installation_id = $1 AND (is_suspended OR deleted_at IS NOT NULL)",
        )
        .bind(installation.0)
        .fetch_optional(&mut *conn)
        .await?
    });
    Ok(stopped.is_some())
}

async fn insert(
    tx: &mut Tx,
    id: Uuid,
    kind: &str,
    installation: InstallationId,
    now: Micros,
) -> Result<(), sqlx::Error> {
    on_tx!(tx, conn => {
        sqlx::query(
            "INSERT INTO stopped_work (id, kind, installation, stopped_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(kind)
        .bind(installation.0)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    });
    Ok(())
}

/// Whether there is a job for it now. Its note is dropped, unless its event is being decided at this moment: then the
/// next look finds it.
async fn resume_one(tx: &mut Tx, id: Uuid, kind: &str, now: Micros) -> Result<bool, sqlx::Error> {
    let resumed = match kind {
        "event" => requeue(tx, id, now).await?,
        _ => requeue_effect(tx, id, now).await?,
    };
    // stopped_work, jobs: primary keys. A process job has its event's id.
    on_tx!(tx, conn => {
        sqlx::query(
            "DELETE FROM stopped_work WHERE id = $1
                AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = $1 AND j.state = 'running')",
        )
        .bind(id)
        .execute(&mut *conn)
        .await?;
    });
    Ok(resumed)
}

/// A new apply job for an effect that is still held: a replay may have been faster.
async fn requeue_effect(tx: &mut Tx, id: Uuid, now: Micros) -> Result<bool, sqlx::Error> {
    // effects: primary key.
    let queued = on_tx!(tx, conn => {
        sqlx::query(
            "INSERT INTO jobs (id, kind, event_id, effect_id, lane, run_at, created_at)
             SELECT $1, 'apply', COALESCE(e.rollback_id, e.event_id), e.id, lower(e.repository), $3, $3 FROM effects e
             WHERE e.id = $2 AND e.state = 'held'",
        )
        .bind(Uuid::now_v7())
        .bind(id)
        .bind(now)
        .execute(&mut *conn)
        .await?
        .rows_affected()
    });
    if queued > 0 {
        reopen_effect(tx, id).await?;
    }
    Ok(queued > 0)
}
