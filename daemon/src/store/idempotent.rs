//! Requests that may be sent twice and are carried out once: `idempotent_requests`.

use chrono::{DateTime, TimeDelta, Utc};

use super::columns::{Micros, clean, unsigned};
use super::{Db, StoreError};

/// How long an answer is kept.
pub const ANSWERS_ARE_KEPT_FOR: TimeDelta = TimeDelta::hours(24);

/// A request that was not renewed for so long is carried out by nobody any more: the daemon that began it ended.
pub const GIVEN_UP_AFTER: TimeDelta = TimeDelta::minutes(5);

/// Which request it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Whose key it is: two callers never meet.
    pub caller: String,
    /// The header's value.
    pub key: String,
    /// SHA-256 of what is asked and of what the caller may, as hexadecimal digits.
    pub request: String,
}

/// How a request with a key begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// To be carried out, and then finished or abandoned under this turn.
    Fresh(Turn),
    /// It was; so it was answered.
    Replay {
        status: u16,
        /// `None`: the answer held a secret, and was not kept.
        body: Option<Vec<u8>>,
    },
    /// The key was used for another request.
    Different,
    /// It is being carried out now.
    UnderWay,
}

/// The right to finish a request: when it began or was renewed, which a later one that took its place was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(Micros);

/// One row of `idempotent_requests`.
#[derive(sqlx::FromRow)]
struct AnswerSql {
    request_hash: String,
    status: Option<i64>,
    body: Option<Vec<u8>>,
}

impl Db {
    /// Begins a request, or tells what became of it.
    pub async fn begin_once(&self, once: &Once, now: DateTime<Utc>) -> Result<Begun, StoreError> {
        let turn = Turn(now.into());
        let mut tx = self.begin().await?;
        // idempotent_requests: primary key, here and below. Who comes second at the same moment waits for the first.
        let fresh = on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO idempotent_requests (caller, idempotency_key, request_hash, created_at)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (caller, idempotency_key) DO UPDATE SET request_hash = excluded.request_hash,
                    status = NULL, body = NULL, created_at = excluded.created_at
                    WHERE idempotent_requests.created_at <= $5
                        OR idempotent_requests.created_at <= $6 AND idempotent_requests.status IS NULL",
            )
            .bind(&once.caller)
            .bind(clean(&once.key))
            .bind(&once.request)
            .bind(turn.0)
            .bind(Micros::from(now - ANSWERS_ARE_KEPT_FOR))
            .bind(Micros::from(now - GIVEN_UP_AFTER))
            .execute(&mut *conn)
            .await?
            .rows_affected()
        });
        if fresh > 0 {
            tx.commit().await?;
            return Ok(Begun::Fresh(turn));
        }
        let known: Option<AnswerSql> = on_tx!(tx, conn => {
            sqlx::query_as(
                "SELECT request_hash, status, body FROM idempotent_requests
                 WHERE caller = $1 AND idempotency_key = $2",
            )
            .bind(&once.caller)
            .bind(clean(&once.key))
            .fetch_optional(&mut *conn)
            .await?
        });
        Ok(match known {
            Some(row) if row.request_hash != once.request => Begun::Different,
            Some(AnswerSql { status: Some(status), body, .. }) => {
                Begun::Replay { status: unsigned("status", status)?, body }
            }
            // None: abandoned at this very moment. Trying again is right, as after one that is under way.
            Some(_) | None => Begun::UnderWay,
        })
    }

    /// Tells that the request is still being carried out, and gives the turn that counts from now on. `None`: another
    /// took its place.
    pub async fn renew_once(&self, once: &Once, turn: Turn, now: DateTime<Utc>) -> Result<Option<Turn>, StoreError> {
        let renewed = Turn(now.into());
        let mut tx = self.begin().await?;
        // idempotent_requests: primary key.
        let renewals = on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE idempotent_requests SET created_at = $1
                 WHERE caller = $2 AND idempotency_key = $3 AND created_at = $4 AND status IS NULL",
            )
            .bind(renewed.0)
            .bind(&once.caller)
            .bind(clean(&once.key))
            .bind(turn.0)
            .execute(&mut *conn)
            .await?
            .rows_affected()
        });
        tx.commit().await?;
        Ok((renewals > 0).then_some(renewed))
    }

    /// Keeps the answer; `None`: it held a secret.
    pub async fn finish_once(
        &self,
        once: &Once,
        turn: Turn,
        status: u16,
        body: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // idempotent_requests: primary key.
        on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE idempotent_requests SET status = $1, body = $2
                 WHERE caller = $3 AND idempotency_key = $4 AND created_at = $5 AND status IS NULL",
            )
            .bind(i64::from(status))
            .bind(body)
            .bind(&once.caller)
            .bind(clean(&once.key))
            .bind(turn.0)
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// Frees the key: nothing was done.
    pub async fn abandon_once(&self, once: &Once, turn: Turn) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // idempotent_requests: primary key.
        on_tx!(tx, conn => {
            sqlx::query(
                "DELETE FROM idempotent_requests
                 WHERE caller = $1 AND idempotency_key = $2 AND created_at = $3 AND status IS NULL",
            )
            .bind(&once.caller)
            .bind(clean(&once.key))
            .bind(turn.0)
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// Drops up to `limit` answers that are no longer kept. Returns how many.
    pub async fn drop_old_answers(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        // idempotent_requests_created, then the primary key.
        let sql = "DELETE FROM idempotent_requests WHERE (caller, idempotency_key) IN
                (SELECT caller, idempotency_key FROM idempotent_requests WHERE created_at <= $1
                 ORDER BY created_at LIMIT $2) AND created_at <= $1";
        self.drop_some(sql, now - ANSWERS_ARE_KEPT_FOR, limit).await
    }
}
