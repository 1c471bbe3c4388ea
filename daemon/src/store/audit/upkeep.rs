//! What is old in the chain: it loses what is personal in it, and goes in the end.

use chrono::{DateTime, TimeDelta, Utc};

use super::digest;
use crate::core::audit::{Cut, Entry, Kind};
use crate::store::columns::Micros;
use crate::store::{Db, StoreError};

/// Rows in one transaction: some milliseconds, which a delivery may have to wait for.
const BATCH: i64 = 500;

impl Db {
    /// Tells in the chain that rows older than `age` lose what is personal in them, when there are such. Returns up to where.
    /// [`Db::audit_forget`] then does it.
    pub async fn audit_pseudonymise(&self, age: TimeDelta, now: DateTime<Utc>) -> Result<Option<i64>, StoreError> {
        let Some(until) = self.last_row_before(now - age).await? else { return Ok(None) };
        if self.personal_rows(0, until).await?.is_none() {
            return Ok(None);
        }
        self.audit(vec![Entry::pseudonymised(until, age, now)]).await?;
        Ok(Some(until))
    }

    /// Drops what is personal in a batch of the rows numbered above `after` and up to `until`. Returns where to go on.
    pub async fn audit_forget(&self, after: i64, until: i64) -> Result<Option<i64>, StoreError> {
        let Some((first, last)) = self.personal_rows(after, until).await? else { return Ok(None) };
        let [one, other] = Kind::OF_THE_CHAIN.map(Kind::word);
        let mut tx = self.begin().await?;
        // audit: primary key.
        on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE audit SET actor_name = NULL, before_state = NULL, after_state = NULL, note = NULL, salt = NULL
                 WHERE seq >= $1 AND seq <= $2 AND kind NOT IN ($3, $4)",
            )
            .bind(first)
            .bind(last)
            .bind(one)
            .bind(other)
            .execute(&mut *conn)
            .await?;
        });
        tx.commit().await?;
        Ok(Some(last))
    }

    /// The first and last of a batch of rows that hold something personal.
    async fn personal_rows(&self, after: i64, until: i64) -> Result<Option<(i64, i64)>, StoreError> {
        let [one, other] = Kind::OF_THE_CHAIN.map(Kind::word);
        // audit: primary key; passes over what was pseudonymised before, without the write lock.
        let (first, last): (Option<i64>, Option<i64>) = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT MIN(p.seq), MAX(p.seq) FROM (SELECT seq FROM audit
                    WHERE seq > $1 AND seq <= $2 AND salt IS NOT NULL AND kind NOT IN ($3, $4) ORDER BY seq LIMIT $5) p",
            )
            .bind(after)
            .bind(until)
            .bind(one)
            .bind(other)
            .bind(BATCH)
            .fetch_one(conn)
            .await
        })?;
        Ok(first.zip(last))
    }

    /// Tells in the chain that rows older than `age` are dropped, when there are such: where it begins from now on.
    /// [`Db::audit_drop`] then does it.
    pub async fn audit_cut(&self, age: TimeDelta, now: DateTime<Utc>) -> Result<Option<Cut>, StoreError> {
        let Some(until) = self.last_row_before(now - age).await? else { return Ok(None) };
        // audit: primary key.
        let (first, hash): (i64, Vec<u8>) = on_db!(self, conn => {
            sqlx::query_as("SELECT (SELECT MIN(seq) FROM audit), hash FROM audit WHERE seq = $1")
                .bind(until)
                .fetch_one(conn)
                .await
        })?;
        let before = self.audit_bounds().await?.cut;
        // What a run that was interrupted left behind is counted already.
        let counted = before.as_ref().map_or(0, |cut| cut.until);
        let rows = until - counted.max(first - 1);
        if rows <= 0 {
            return Ok(None);
        }
        let rows_in_all = rows + before.map_or(0, |cut| cut.rows_in_all);
        let cut = Cut { until, hash: digest(&hash)?, rows, rows_in_all, older_than_days: age.num_days(), at: now };
        self.audit(vec![Entry::cut(&cut)]).await?;
        Ok(Some(cut))
    }

    /// Drops a batch of the rows before the newest cut. Returns how many.
    pub async fn audit_drop(&self) -> Result<u64, StoreError> {
        let Some(cut) = self.audit_bounds().await?.cut else { return Ok(0) };
        let mut tx = self.begin().await?;
        // audit: primary key.
        let rows = on_tx!(tx, conn => {
            sqlx::query("DELETE FROM audit WHERE seq <= $1 AND seq < (SELECT MIN(seq) FROM audit) + $2")
                .bind(cut.until)
                .bind(BATCH)
                .execute(&mut *conn)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(rows)
    }

    /// The last row of those from the beginning on that are all older. Clocks differ: an old row after a newer one waits.
    async fn last_row_before(&self, time: DateTime<Utc>) -> Result<Option<i64>, StoreError> {
        // audit: primary key; reads past what is older, once a day. The sum keeps audit_at out of it, by which all that is
        // newer would be sorted.
        let newer: Option<i64> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT seq FROM audit WHERE at + 0 >= $1 ORDER BY seq LIMIT 1")
                .bind(Micros::from(time))
                .fetch_optional(conn)
                .await
        })?;
        let newer = newer.unwrap_or(i64::MAX);
        Ok(on_db!(self, conn => {
            sqlx::query_scalar("SELECT seq FROM audit WHERE seq < $1 ORDER BY seq DESC LIMIT 1")
                .bind(newer)
                .fetch_optional(conn)
                .await
        })?)
    }
}
