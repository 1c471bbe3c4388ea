//! Merges that wait, in line for their base branch: `merge_queue`.
//!
//! A merge that waits has no job, so its lane goes on. It gets one to look at how things stand when an event may have
//! changed that, when it is its turn, and after a while anyway. A row counts as long as its effect waits: one whose
//! effect ended is in nobody's way, whether or not the row is gone already.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::audit::{EFFECT_COLUMNS, EndedEffect, append};
use super::columns::{Micros, clean, signed, to_json, unsigned};
use super::dialect::Tx;
use super::effects::finish_apply_job;
use super::jobs::JobId;
use super::{Db, StoreError};
use crate::core::audit::Actor;
use crate::core::event::{EventId, RepoName};
use crate::core::intent::{Intent, IntentId};
use crate::core::merge::{Line, News, PATIENCE, SLOW, Wait};

/// Looked at in one transaction, so that deliveries need not wait long for their turn.
const CHUNK: i64 = 100;

/// The rows of a line that others wait for, in their order. One that waited in vain for long is passed over.
const HOLDING: &str = "FROM merge_queue q JOIN effects e ON e.id = q.effect_id
    WHERE q.repository = $1 AND q.base = $2 AND q.holds_place AND (q.is_ready OR q.waits_since >= $3)
        AND e.state IN ('waiting', 'writing')";

/// An effect that is about to wait.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<'a> {
    pub owner: &'a str,
    pub job: JobId,
    pub intent: &'a Intent,
    pub line: &'a Line,
    pub wait: &'a Wait,
    /// Whether all it waits for is its turn.
    pub is_ready: bool,
}

fn lane(repository: &RepoName) -> String {
    repository.as_str().to_ascii_lowercase()
}

fn patient_since(now: DateTime<Utc>) -> Micros {
    (now - PATIENCE).into()
}

impl Db {
    /// The effect waits, and its job is done: one transaction. A write that was begun and did not happen is taken back.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the job is no longer `owner`'s.
    pub async fn enter_queue(&self, waiting: &Waiting<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let Waiting { intent, line, .. } = *waiting;
        let mut tx = self.begin().await?;
        finish_apply_job(&mut tx, waiting.owner, waiting.job, intent.id, now.into()).await?;
        // effects: primary key.
        on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE effects SET state = 'waiting', note = $2, before_state = NULL, change = NULL, started_at = NULL,
                    finished_at = NULL WHERE id = $1",
            )
            .bind(intent.id.0)
            .bind(clean(&waiting.wait.reason))
            .execute(&mut *conn)
            .await?;
        });
        upsert(&mut tx, waiting, now).await?;
        advance(&mut tx, &lane(&intent.target.repository), &line.base, now).await?;
        tx.notify().await?;
        Ok(tx.commit().await?)
    }

    /// Holds the effects that wait on a pull request because of events before `event`, with a note that says who wants
    /// that. Returns how many.
    pub async fn call_off_merges(
        &self,
        repository: &RepoName,
        number: u64,
        event: EventId,
        note: &str,
        now: DateTime<Utc>,
    ) -> Result<usize, StoreError> {
        let mut tx = self.begin().await?;
        // merge_queue_line, effects: primary key.
        let ended: Vec<EndedEffect> = on_tx!(tx, conn => {
            let sql = format!(
                "UPDATE effects SET state = 'held', note = $3, finished_at = $4 WHERE state = 'waiting' AND event_id < $5
                    AND id IN (SELECT effect_id FROM merge_queue WHERE repository = $1 AND number = $2) RETURNING {EFFECT_COLUMNS}"
            );
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(lane(repository))
                .bind(signed(number))
                .bind(clean(note))
                .bind(Micros::from(now))
                .bind(event.0)
                .fetch_all(&mut *conn)
                .await?
        });
        let many = ended.len();
        for effect in &ended {
            leave(&mut tx, effect.id, now).await?;
            // jobs_of_effect. Nobody has to look at it any more.
            on_tx!(tx, conn => {
                sqlx::query("DELETE FROM jobs WHERE kind = 'apply' AND effect_id = $1 AND state = 'queued'")
                    .bind(effect.id)
                    .execute(&mut *conn)
                    .await?;
            });
        }
        append(&mut tx, ended.into_iter().filter_map(|effect| effect.entry(Actor::Orchd, now.into())).collect())
            .await?;
        tx.notify().await?;
        tx.commit().await?;
        Ok(many)
    }

    /// The pull request that goes before this one into the base branch.
    pub async fn goes_first(&self, intent: &Intent, base: &str, now: DateTime<Utc>) -> Result<Option<u64>, StoreError> {
        // merge_queue_line, effects: primary key. Who is not in line yet stands behind everybody.
        let sql = format!(
            "SELECT q.number {HOLDING} AND q.effect_id <> $4 AND q.number <> $5 AND (q.queued_at, q.effect_id) <
                (COALESCE((SELECT m.queued_at FROM merge_queue m WHERE m.effect_id = $4 AND m.base = $2), $6), $4)
             ORDER BY q.queued_at, q.effect_id LIMIT 1"
        );
        let found: Option<i64> = on_db!(self, conn => {
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(lane(&intent.target.repository))
                .bind(base)
                .bind(patient_since(now))
                .bind(intent.id.0)
                .bind(signed(intent.target.number))
                .bind(i64::MAX)
                .fetch_optional(conn)
                .await
        })?;
        found.map(|number| unsigned("number", number)).transpose()
    }

    /// Another effect of the same rule on the same pull request, with the same parameters, that is in line already.
    pub async fn twin_in_queue(&self, intent: &Intent) -> Result<Option<IntentId>, StoreError> {
        let params = to_json(&intent.params)?;
        // merge_queue_line, effects: primary key.
        let found: Option<Uuid> = on_db!(self, conn => {
            sqlx::query_scalar(
                "SELECT q.effect_id FROM merge_queue q JOIN effects e ON e.id = q.effect_id
                 WHERE q.repository = $1 AND q.number = $2 AND q.rule = $3 AND q.effect_id <> $4
                    AND e.state IN ('waiting', 'writing') AND e.params = $5 LIMIT 1",
            )
            .bind(lane(&intent.target.repository))
            .bind(signed(intent.target.number))
            .bind(intent.rule.as_str())
            .bind(intent.id.0)
            .bind(params)
            .fetch_optional(conn)
            .await
        })?;
        Ok(found.map(IntentId))
    }

    /// Has those looked at that an event may have changed something for. Returns how many.
    pub async fn hear_of_merges(
        &self,
        repository: &RepoName,
        news: &News,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let repository = lane(repository);
        // merge_queue_line. Nearly always nothing waits: then nothing is written.
        let found: Vec<(Uuid, bool)> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT effect_id, COALESCE(number = $2, FALSE) OR COALESCE(head = $3, FALSE) FROM merge_queue
                 WHERE repository = $1 AND (number = $2 OR head = $3 OR base = $4)",
            )
            .bind(repository.as_str())
            .bind(news.number.map(signed))
            .bind(news.head.as_deref())
            .bind(news.base.as_deref())
            .fetch_all(conn)
            .await
        })?;
        if found.is_empty() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        let mut concerned: Vec<Uuid> = found.into_iter().filter(|(_, itself)| *itself).map(|(id, _)| id).collect();
        // A push to the base matters to who goes next; the others hear of it when it is their turn.
        if let Some(base) = &news.base {
            concerned.extend(holding(&mut tx, &repository, base, now).await?.first().map(|(effect, ..)| *effect));
        }
        let mut jobs = 0;
        for effect in concerned {
            jobs += look(&mut tx, effect, now.into()).await?;
        }
        tx.notify().await?;
        tx.commit().await?;
        Ok(jobs)
    }

    /// Has those looked at that nobody told of for too long, and takes out those whose effect ended. Returns how many
    /// there were.
    pub async fn look_at_due_merges(&self, now: DateTime<Utc>) -> Result<usize, StoreError> {
        // All of merge_queue, which holds what waits at this moment; effects: primary key.
        let due: Vec<(Uuid, bool)> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT q.effect_id, e.id IS NULL FROM merge_queue q
                 LEFT JOIN effects e ON e.id = q.effect_id AND e.state IN ('planned', 'waiting', 'writing')
                 WHERE q.look_at <= $1 OR e.id IS NULL ORDER BY q.look_at LIMIT $2",
            )
            .bind(Micros::from(now))
            .bind(CHUNK)
            .fetch_all(conn)
            .await
        })?;
        if due.is_empty() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        for (effect, is_over) in &due {
            if *is_over {
                leave(&mut tx, *effect, now).await?;
            } else if postpone_look(&mut tx, *effect, now).await? {
                look(&mut tx, *effect, now.into()).await?;
            }
        }
        tx.notify().await?;
        tx.commit().await?;
        Ok(due.len())
    }
}

/// The next look comes after a while. False: another daemon was faster.
async fn postpone_look(tx: &mut Tx, effect: Uuid, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    // merge_queue: primary key.
    let postponed = on_tx!(tx, conn => {
        sqlx::query("UPDATE merge_queue SET look_at = $2 WHERE effect_id = $1 AND look_at <= $3")
            .bind(effect)
            .bind(Micros(Micros::from(now).0 + slow()))
            .bind(Micros::from(now))
            .execute(&mut *conn)
            .await?
            .rows_affected()
    });
    Ok(postponed > 0)
}

/// [`SLOW`] in microseconds.
fn slow() -> i64 {
    i64::try_from(SLOW.as_micros()).unwrap_or(i64::MAX)
}

/// The place in line stays, unless it is another line by now. What is waited for in vain is looked at ever more rarely.
async fn upsert(tx: &mut Tx, waiting: &Waiting<'_>, now: DateTime<Utc>) -> Result<(), StoreError> {
    // merge_queue: primary key.
    const SQL: &str =
        "INSERT INTO merge_queue AS q (effect_id, repository, number, rule, base, head, reason, holds_place,
            is_ready, look_at, queued_at, waits_since) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
         ON CONFLICT (effect_id) DO UPDATE SET base = excluded.base, head = excluded.head, reason = excluded.reason,
            holds_place = excluded.holds_place, is_ready = excluded.is_ready,
            look_at = CASE WHEN q.head <> excluded.head OR q.reason <> excluded.reason THEN excluded.look_at
                WHEN excluded.look_at - q.waits_since < $12 THEN excluded.look_at + excluded.waits_since - q.waits_since
                ELSE excluded.waits_since + $12 END,
            queued_at = CASE WHEN q.base = excluded.base THEN q.queued_at ELSE excluded.queued_at END,
            waits_since = CASE WHEN q.head = excluded.head AND q.reason = excluded.reason THEN q.waits_since
                ELSE excluded.waits_since END";
    let Waiting { intent, line, wait, .. } = *waiting;
    let look_at = now + TimeDelta::from_std(wait.again).unwrap_or(TimeDelta::MAX);
    on_tx!(tx, conn => {
        sqlx::query(SQL)
            .bind(intent.id.0)
            .bind(lane(&intent.target.repository))
            .bind(signed(intent.target.number))
            .bind(intent.rule.as_str())
            .bind(clean(&line.base))
            .bind(clean(&line.head))
            .bind(clean(&wait.reason))
            .bind(wait.holds_place)
            .bind(waiting.is_ready)
            .bind(Micros::from(look_at))
            .bind(Micros::from(now))
            .bind(slow())
            .execute(&mut *conn)
            .await?;
    });
    Ok(())
}

/// Takes an effect that ended out of its line; whose turn it is then is looked at. True: it was in one.
pub(super) async fn leave(tx: &mut Tx, effect: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
    // merge_queue: primary key.
    let left: Option<(String, String)> = on_tx!(tx, conn => {
        sqlx::query_as("DELETE FROM merge_queue WHERE effect_id = $1 RETURNING repository, base")
            .bind(effect)
            .fetch_optional(&mut *conn)
            .await?
    });
    let Some((repository, base)) = left else { return Ok(false) };
    advance(tx, &repository, &base, now).await?;
    Ok(true)
}

/// Effect, number and readiness of those in a line that others wait for.
async fn holding(
    tx: &mut Tx,
    repository: &str,
    base: &str,
    now: DateTime<Utc>,
) -> Result<Vec<(Uuid, i64, bool)>, sqlx::Error> {
    // merge_queue_line, effects: primary key.
    let sql = format!("SELECT q.effect_id, q.number, q.is_ready {HOLDING} ORDER BY q.queued_at, q.effect_id");
    on_tx!(tx, conn => {
        sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(repository)
            .bind(base)
            .bind(patient_since(now))
            .fetch_all(&mut *conn)
            .await
    })
}

/// Something changed in a line: who is first and ready goes, and the others say whom they wait for.
async fn advance(tx: &mut Tx, repository: &str, base: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    let line = holding(tx, repository, base, now).await?;
    let Some(((first, number, is_ready), behind)) = line.split_first() else { return Ok(()) };
    if *is_ready {
        look(tx, *first, now.into()).await?;
    }
    let reason = Wait::for_turn(base, unsigned("number", *number)?).reason;
    for (effect, ..) in behind.iter().filter(|(_, _, is_ready)| *is_ready) {
        // effects: primary key.
        on_tx!(tx, conn => {
            sqlx::query("UPDATE effects SET note = $2 WHERE id = $1 AND state = 'waiting' AND note <> $2")
                .bind(effect)
                .bind(clean(&reason))
                .execute(&mut *conn)
                .await?;
        });
    }
    Ok(())
}

/// An apply job for an effect that waits and has none. Returns how many jobs that makes.
async fn look(tx: &mut Tx, effect: Uuid, now: Micros) -> Result<u64, sqlx::Error> {
    // effects: primary key; jobs_of_effect. Of two daemons that look at once, one waits for the other's row and sees its job.
    on_tx!(tx, conn => {
        sqlx::query("UPDATE effects SET state = state WHERE id = $1 AND state = 'waiting'")
            .bind(effect)
            .execute(&mut *conn)
            .await?;
        sqlx::query(
            "INSERT INTO jobs (id, kind, event_id, effect_id, lane, run_at, created_at)
             SELECT $1, 'apply', e.event_id, e.id, lower(e.repository), $3, $3 FROM effects e
             WHERE e.id = $2 AND e.state = 'waiting' AND NOT EXISTS (SELECT 1 FROM jobs j
                WHERE j.kind = 'apply' AND j.effect_id = e.id AND j.state IN ('queued', 'running'))",
        )
        .bind(Uuid::now_v7())
        .bind(effect)
        .bind(now)
        .execute(&mut *conn)
        .await
        .map(|done| done.rows_affected())
    })
}
