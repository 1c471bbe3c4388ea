//! Jobs at work: claiming, leases, and how an attempt ends when it did not succeed.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::audit::append;
use super::columns::{Micros, clean, unsigned};
use super::dialect::{Bulk, Tx};
use super::error::is_collision;
use super::jobs::{COLUMNS, Claim, JobId, JobRow, JobSql, Terms, Work, work};
use super::plan::fail_effect;
use super::{Db, StoreError};
use crate::core::audit::Entry;

/// How often a claim that met another daemon's is started over before it comes back empty-handed.
const ATTEMPTS: u32 = 3;

/// The head of every lane, found by jumping from lane to lane in the index instead of reading all that waits.
const HEADS: &str = "WITH RECURSIVE lanes (lane) AS (
        SELECT (SELECT a.lane FROM jobs a WHERE a.state IN ('queued', 'running') ORDER BY a.lane LIMIT 1)
        UNION ALL
        SELECT (SELECT a.lane FROM jobs a WHERE a.state IN ('queued', 'running') AND a.lane > lanes.lane
            ORDER BY a.lane LIMIT 1)
        FROM lanes WHERE lanes.lane IS NOT NULL
    )";

/// An error text in a column: enough to understand, not a whole page.
fn short(error: &str) -> String {
    clean(error).chars().take(2_000).collect()
}

fn after(now: DateTime<Utc>, lease: Duration) -> Micros {
    Micros(Micros::from(now).0.saturating_add(i64::try_from(lease.as_micros()).unwrap_or(i64::MAX)))
}

impl Db {
    /// Takes up to `limit` jobs that may run now, at most one a lane, oldest first, each under a lease of `owner`.
    /// Leases that ran out count as free, except that a job whose last attempt ended so goes to the dead letters.
    /// Raises `attempts`.
    pub async fn claim(
        &self,
        owner: &str,
        now: DateTime<Utc>,
        terms: Terms,
        limit: u32,
        following: u32,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut attempt = 1;
        let heads = loop {
            match self.try_claim(owner, now, terms, limit).await {
                // Another daemon made one of these lanes run since we looked.
                Err(error) if is_collision(&error) && attempt < ATTEMPTS => attempt += 1,
                Err(error) if is_collision(&error) => break Vec::new(),
                done => break done?,
            }
        };
        let mut claims = Vec::with_capacity(heads.len());
        for head in heads {
            // The heads run from here on: what goes wrong with one must not cost the others their turn.
            let job = match JobRow::try_from(head) {
                Ok(job) => job,
                Err(error) => {
                    tracing::error!(%error, "a job's row cannot be read; its lease will run out");
                    continue;
                }
            };
            // Read after the commit: the running head keeps its lane, nobody takes what stands behind it. A head that
            // failed before goes alone, so that it never answers for those behind it.
            let following = match job.work {
                Work::Process { .. } if following > 0 && job.attempts <= 1 => {
                    self.behind(&job, now, following).await.unwrap_or_default()
                }
                _ => Vec::new(),
            };
            claims.push(Claim { job, following });
        }
        Ok(claims)
    }

    /// Lanes in which jobs wait or run.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn count_lanes(&self) -> Result<u64, StoreError> {
        // jobs_active, one jump a lane.
        let sql = format!("{HEADS} SELECT COUNT(lanes.lane) FROM lanes");
        let count: i64 = on_db!(self, conn => sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(conn).await)?;
        unsigned("count", count)
    }

    async fn try_claim(
        &self,
        owner: &str,
        now: DateTime<Utc>,
        terms: Terms,
        limit: u32,
    ) -> Result<Vec<JobSql>, sqlx::Error> {
        let until = after(now, terms.lease);
        let now = Micros::from(now);
        let mut tx = self.begin().await?;
        let (expired, told) = free_expired(&mut tx, now).await?;
        // jobs_active (lanes, heads), jobs_one_running_a_lane, then the primary key.
        let sql = format!(
            "{HEADS} SELECT j.id FROM lanes JOIN jobs j ON j.id = (SELECT h.id FROM jobs h
                WHERE h.state IN ('queued', 'running') AND h.lane = lanes.lane ORDER BY h.event_id, h.id LIMIT 1)
             WHERE j.state = 'queued' AND j.run_at <= $1
                AND NOT EXISTS (SELECT 1 FROM jobs r WHERE r.lane = lanes.lane AND r.state = 'running')
             ORDER BY j.event_id, j.id LIMIT $2{}",
            tx.lock_free_rows()
        );
        let ids: Vec<Uuid> = on_tx!(tx, conn => {
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(now).bind(i64::from(limit)).fetch_all(&mut *conn).await?
        });
        if ids.is_empty() && !expired {
            return Ok(Vec::new());
        }
        let mut heads = take(&mut tx, owner, until, terms.max_attempts, &ids).await?;
        append(&mut tx, told).await?;
        tx.commit().await?;
        heads.sort_unstable_by_key(|head| ids.iter().position(|id| *id == head.id));
        Ok(heads)
    }

    async fn behind(&self, head: &JobRow, now: DateTime<Utc>, limit: u32) -> Result<Vec<JobRow>, StoreError> {
        let Work::Process { event } = head.work else {
            return Ok(Vec::new());
        };
        // jobs_active, from the head on.
        let sql = format!(
            "SELECT {COLUMNS} FROM jobs j WHERE j.state IN ('queued', 'running') AND j.lane = $1
                AND (j.event_id, j.id) > ($2, $3) ORDER BY j.event_id, j.id LIMIT $4"
        );
        let found: Vec<JobSql> = on_db!(self, conn => {
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(head.lane.as_str())
                .bind(event.0)
                .bind(head.id.0)
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await
        })?;
        let mut rows = Vec::with_capacity(found.len());
        for row in found {
            let row = JobRow::try_from(row)?;
            if !matches!(row.work, Work::Process { .. }) || row.run_at > now {
                break;
            }
            rows.push(row);
        }
        Ok(rows)
    }

    /// Renews leases; returns the jobs that are no longer ours.
    pub async fn renew(
        &self,
        owner: &str,
        jobs: &[JobId],
        now: DateTime<Utc>,
        lease: Duration,
    ) -> Result<Vec<JobId>, StoreError> {
        // jobs: primary key.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| {
            let head = "UPDATE jobs SET lease_until = # WHERE state = 'running' AND lease_owner = # AND id IN (";
            Bulk::new(head, "#", ") RETURNING id")
        });
        let mut ours: Vec<Uuid> = Vec::with_capacity(jobs.len());
        let mut tx = self.begin().await?;
        for (sql, chunk) in SQL.chunks(tx.dialect(), jobs) {
            ours.extend(on_tx!(tx, conn => {
                let mut query = sqlx::query_scalar::<_, Uuid>(sql).bind(after(now, lease)).bind(owner);
                for job in chunk {
                    query = query.bind(job.0);
                }
                query.fetch_all(&mut *conn).await?
            }));
        }
        tx.commit().await?;
        Ok(jobs.iter().filter(|job| !ours.contains(&job.0)).copied().collect())
    }

    /// A failed attempt: back to the queue, not before `run_at`. The event shows the error.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the job is no longer `owner`'s.
    pub async fn retry_later(
        &self,
        owner: &str,
        job: JobId,
        error: &str,
        run_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.put_back(owner, job, error, run_at, now, 0).await
    }

    /// As [`Db::retry_later`], the attempt not counted: GitHub said when to come back, nothing is wrong with the job.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the job is no longer `owner`'s.
    pub async fn postpone(
        &self,
        owner: &str,
        job: JobId,
        reason: &str,
        run_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.put_back(owner, job, reason, run_at, now, 1).await
    }

    async fn put_back(
        &self,
        owner: &str,
        job: JobId,
        error: &str,
        run_at: DateTime<Utc>,
        now: DateTime<Utc>,
        forgiven: i64,
    ) -> Result<(), StoreError> {
        let error = short(error);
        let mut tx = self.begin().await?;
        // jobs, event_receipts: primary keys.
        let ended: Option<(Uuid, i64)> = on_tx!(tx, conn => {
            sqlx::query_as(
                "UPDATE jobs SET state = 'queued', attempts = attempts - $5, run_at = $3, last_error = $4,
                    lease_owner = NULL, lease_until = NULL
                 WHERE id = $1 AND state = 'running' AND lease_owner = $2 RETURNING event_id, attempts",
            )
            .bind(job.0)
            .bind(owner)
            .bind(Micros::from(run_at))
            .bind(error.as_str())
            .bind(forgiven)
            .fetch_optional(&mut *conn)
            .await?
        });
        let (event, attempts) = ended.ok_or(StoreError::LeaseLost)?;
        on_tx!(tx, conn => {
            sqlx::query("UPDATE event_receipts SET error_message = $2, retry_count = $3, updated_at = $4 WHERE id = $1")
                .bind(event)
                .bind(error.as_str())
                .bind(attempts)
                .bind(Micros::from(now))
                .execute(&mut *conn)
                .await?;
        });
        Ok(tx.commit().await?)
    }

    /// To the dead letters; a `Process` job's event becomes `failed`, an `Apply` job's effect `failed`, or
    /// `quarantined` when its write had begun. Frees the lane.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the job is no longer `owner`'s.
    pub async fn bury(&self, owner: &str, job: JobId, error: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let error = short(error);
        let now = Micros::from(now);
        let mut tx = self.begin().await?;
        // jobs: primary key.
        let ended: Option<(String, Uuid, Option<Uuid>)> = on_tx!(tx, conn => {
            sqlx::query_as(
                "UPDATE jobs SET state = 'dead', last_error = $3, finished_at = $4, lease_owner = NULL,
                    lease_until = NULL
                 WHERE id = $1 AND state = 'running' AND lease_owner = $2 RETURNING kind, event_id, effect_id",
            )
            .bind(job.0)
            .bind(owner)
            .bind(error.as_str())
            .bind(now)
            .fetch_optional(&mut *conn)
            .await?
        });
        let (kind, event, effect) = ended.ok_or(StoreError::LeaseLost)?;
        let told = mourn(&mut tx, work(&kind, event, effect)?, &error, now).await?;
        append(&mut tx, told.into_iter().collect()).await?;
        Ok(tx.commit().await?)
    }

    /// Gives claimed jobs back unharmed at shutdown: queued again, the attempt not counted. Those that are no longer
    /// `owner`'s are left alone.
    pub async fn give_back(&self, owner: &str, jobs: &[JobId], now: DateTime<Utc>) -> Result<(), StoreError> {
        // jobs: primary key.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| {
            Bulk::new(
                "UPDATE jobs SET state = 'queued', attempts = attempts - 1, run_at = #, lease_owner = NULL,
                    lease_until = NULL
                 WHERE state = 'running' AND lease_owner = # AND id IN (",
                "#",
                ")",
            )
        });
        let mut tx = self.begin().await?;
        for (sql, chunk) in SQL.chunks(tx.dialect(), jobs) {
            on_tx!(tx, conn => {
                let mut query = sqlx::query(sql).bind(Micros::from(now)).bind(owner);
                for job in chunk {
                    query = query.bind(job.0);
                }
                query.execute(&mut *conn).await?;
            });
        }
        tx.notify().await?;
        Ok(tx.commit().await?)
    }
}

/// Makes heads run. On PostgreSQL the unique index may refuse, when another daemon was faster: a collision.
async fn take(
    tx: &mut Tx,
    owner: &str,
    until: Micros,
    max_attempts: u32,
    ids: &[Uuid],
) -> Result<Vec<JobSql>, sqlx::Error> {
    static SQL: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "UPDATE jobs AS j SET state = 'running', attempts = attempts + 1, lease_owner = #, lease_until = #,
                max_attempts = #
             WHERE id IN (",
            "#",
            ") RETURNING id, kind, event_id, effect_id, lane, state, attempts, max_attempts, run_at, lease_owner,
                lease_until, last_error, created_at, finished_at",
        )
    });
    let mut heads = Vec::with_capacity(ids.len());
    for (sql, chunk) in SQL.chunks(tx.dialect(), ids) {
        heads.extend(on_tx!(tx, conn => {
            let mut query = sqlx::query_as::<_, JobSql>(sql).bind(owner).bind(until).bind(i64::from(max_attempts));
            for id in chunk {
                query = query.bind(*id);
            }
            query.fetch_all(&mut *conn).await?
        }));
    }
    Ok(heads)
}

/// Frees jobs whose daemon went away. A job that was on its last attempt is what kills daemons: it is buried.
/// True: there were some; with the audit rows to append.
async fn free_expired(tx: &mut Tx, now: Micros) -> Result<(bool, Vec<Entry>), sqlx::Error> {
    const ERROR: &str = "the daemon that ran it went away during its last attempt";
    // jobs_one_running_a_lane: only what runs.
    let expired: Vec<(String, String, Uuid, Option<Uuid>)> = on_tx!(tx, conn => {
        sqlx::query_as(
            "UPDATE jobs SET state = CASE WHEN attempts >= max_attempts THEN 'dead' ELSE 'queued' END,
                last_error = CASE WHEN attempts >= max_attempts THEN $2 ELSE last_error END,
                finished_at = CASE WHEN attempts >= max_attempts THEN $1 ELSE NULL END,
                lease_owner = NULL, lease_until = NULL
             WHERE state = 'running' AND lease_until <= $1 RETURNING state, kind, event_id, effect_id",
        )
        .bind(now)
        .bind(ERROR)
        .fetch_all(&mut *conn)
        .await?
    });
    let mut told = Vec::new();
    for (state, kind, event, effect) in &expired {
        if let ("dead", Ok(work)) = (state.as_str(), work(kind, *event, *effect)) {
            told.extend(mourn(tx, work, ERROR, now).await?);
        }
    }
    Ok((!expired.is_empty(), told))
}

/// What a dead job's event or effect shows. Returns the audit row to append.
async fn mourn(tx: &mut Tx, work: Work, error: &str, now: Micros) -> Result<Option<Entry>, sqlx::Error> {
    match work {
        Work::Apply { intent, .. } => fail_effect(tx, intent, error, now).await,
        // event_receipts: primary key.
        Work::Process { event } => on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE event_receipts SET processing_status = 'failed', error_message = $2, updated_at = $3
                 WHERE id = $1",
            )
            .bind(event.0)
            .bind(error)
            .bind(now)
            .execute(&mut *conn)
            .await
            .map(|_| None)
        }),
    }
}
