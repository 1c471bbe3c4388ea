//! What is over its age is dropped: in batches small enough that ingest hardly notices, on PostgreSQL by whole months.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::columns::Micros;
use super::dialect::{Bulk, Dialect, Tx};
use super::events::first_id;
use super::months::{Monthly, begin_of_month};
use super::rollbacks::drop_rollbacks;
use super::{Db, StoreError};

/// What has an age of its own, in the order in which it has to be dropped: what belongs to an event before the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Payloads, in rows and in files.
    Payloads,
    /// With the facts that they were taken on.
    Decisions,
    /// Events with their delivery ids, jobs and effects; and rollbacks.
    Events,
}

/// What one batch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Rows, of events, payloads or decisions.
    pub rows: u64,
    /// Pass as `after` to go on; `None`: nothing is left.
    pub next: Option<Uuid>,
}

const DONE: Dropped = Dropped { rows: 0, next: None };

impl Db {
    /// Drops what one statement names, which takes a time and how many rows at most; returns how many there were.
    pub(super) async fn drop_some(
        &self,
        sql: &'static str,
        before: DateTime<Utc>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let dropped = on_tx!(tx, conn => {
            let query = sqlx::query(sql).bind(Micros::from(before)).bind(i64::from(limit));
            query.execute(&mut *conn).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(dropped)
    }

    /// When the oldest event arrived that still has work to be done. Nothing from there on may be dropped.
    pub async fn oldest_unfinished(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        // jobs_active: reads all that waits, once a run.
        let oldest: Option<Uuid> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT event_id FROM jobs WHERE state IN ('queued', 'running') ORDER BY event_id LIMIT 1")
                .fetch_optional(conn)
                .await
        })?;
        let time = oldest.and_then(|id| id.get_timestamp()).map(|time| time.to_unix());
        Ok(time.and_then(|(seconds, nanos)| DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)))
    }

    /// Drops up to `limit` of what belongs to events that arrived before a time, oldest first, from `after` on.
    ///
    /// On PostgreSQL what lies in a month is left to [`Db::drop_whole_months`]; of its events this drops what lies in other
    /// tables, once the month is over.
    pub async fn drop_older(
        &self,
        what: Kept,
        before: DateTime<Utc>,
        after: Uuid,
        limit: u32,
    ) -> Result<Dropped, StoreError> {
        let end = first_id(before);
        match what {
            Kept::Payloads => {
                let files = self.drop_files(end, limit).await?;
                let rows = self.drop_rows(Monthly::Payloads, end, limit).await?;
                Ok(Dropped { rows: files + rows, next: (files + rows > 0).then_some(after) })
            }
            Kept::Decisions => {
                let facts = self.drop_rows(Monthly::Facts, end, limit).await?;
                let rows = self.drop_rows(Monthly::Decisions, end, limit).await?;
                Ok(Dropped { rows, next: (rows + facts > 0).then_some(after) })
            }
            Kept::Events => match self.dialect() {
                Dialect::Sqlite => self.drop_events(end, after, limit).await,
                Dialect::Postgres => self.drop_events(first_id(begin_of_month(before)), after, limit).await,
            },
        }
    }

    /// PostgreSQL: drops the months that ended before a time, after [`Db::drop_older`] has nothing left. Their names.
    ///
    /// # Errors
    /// `Unavailable` also when a table was in use all the time: try again later.
    pub async fn drop_whole_months(&self, what: Kept, before: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let tables: &[Monthly] = match what {
            Kept::Payloads => &[Monthly::Payloads],
            Kept::Decisions => &[Monthly::Decisions, Monthly::Facts],
            Kept::Events => &[Monthly::Events],
        };
        let mut dropped = Vec::new();
        for table in tables {
            dropped.extend(self.drop_months(*table, before).await?);
        }
        Ok(dropped)
    }

    /// Payloads, decisions or facts of the oldest `limit` events that have some.
    async fn drop_rows(&self, of: Monthly, before: Uuid, limit: u32) -> Result<u64, StoreError> {
        let table = self.kept_in_rows(of);
        // event_payloads, decisions, event_facts: primary key.
        let sql = format!(
            "DELETE FROM {table} WHERE event_id IN
                (SELECT DISTINCT event_id FROM {table} WHERE event_id < $1 ORDER BY event_id LIMIT $2)"
        );
        let mut tx = self.begin().await?;
        let rows = on_tx!(tx, conn => {
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(before)
                .bind(i64::from(limit))
                .execute(&mut *conn)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(rows)
    }

    /// Payloads that lie in files. The file goes first: should the daemon end in between, its row leads here again.
    async fn drop_files(&self, before: Uuid, limit: u32) -> Result<u64, StoreError> {
        static SQL: LazyLock<Bulk> =
            LazyLock::new(|| Bulk::new("UPDATE event_receipts SET payload_storage = NULL WHERE id IN (", "#", ")"));
        // event_receipts_objects.
        let found: Vec<(Uuid, String)> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT id, payload_storage FROM event_receipts WHERE payload_storage IS NOT NULL AND id < $1
                 ORDER BY id LIMIT $2",
            )
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await
        })?;
        for (_, object) in &found {
            self.shared.objects.discard(object).await;
        }
        if !found.is_empty() {
            let ids: Vec<Uuid> = found.iter().map(|(id, _)| *id).collect();
            let mut tx = self.begin().await?;
            change(&mut tx, &SQL, &ids).await?;
            tx.commit().await?;
        }
        Ok(found.len() as u64)
    }

    async fn drop_events(&self, before: Uuid, after: Uuid, limit: u32) -> Result<Dropped, StoreError> {
        // By primary keys (of causes too), jobs_of_event and effects_event. A job that a replay has queued meanwhile stays, finds no event,
        // and ends in the dead letters.
        static OF_EVENT: LazyLock<[Bulk; 4]> = LazyLock::new(|| {
            [
                "DELETE FROM jobs WHERE state NOT IN ('queued', 'running') AND id IN (",
                "DELETE FROM jobs WHERE kind = 'apply' AND state NOT IN ('queued', 'running') AND event_id IN (",
                "DELETE FROM effects WHERE event_id IN (",
                "DELETE FROM causes WHERE event_id IN (",
            ]
            .map(|head| Bulk::new(head, "#", ")"))
        });
        static EVENTS: LazyLock<Bulk> =
            LazyLock::new(|| Bulk::new("DELETE FROM event_receipts WHERE id IN (", "#", ")"));
        static REST: LazyLock<Bulk> =
            LazyLock::new(|| Bulk::new("DELETE FROM event_receipts_rest WHERE id IN (", "#", ")"));
        // event_receipts: primary key.
        let found: Vec<(Uuid, String)> = on_db!(self, conn => {
            sqlx::query_as("SELECT id, delivery_id FROM event_receipts WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3")
                .bind(after)
                .bind(before)
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await
        })?;
        let Some((last, _)) = found.last() else {
            let mut tx = self.begin().await?;
            drop_rollbacks(&mut tx, before).await?;
            tx.commit().await?;
            return Ok(DONE);
        };
        let ids: Vec<Uuid> = found.iter().map(|(id, _)| *id).collect();
        let rows = match self.dialect() {
            Dialect::Sqlite => &EVENTS,
            Dialect::Postgres => &REST,
        };
        let mut tx = self.begin().await?;
        for statement in OF_EVENT.iter() {
            change(&mut tx, statement, &ids).await?;
        }
        delete_delivery_ids(&mut tx, &found, before).await?;
        change(&mut tx, rows, &ids).await?;
        tx.commit().await?;
        Ok(Dropped { rows: found.len() as u64, next: Some(*last) })
    }

    /// The table whose rows are dropped one by one.
    fn kept_in_rows(&self, of: Monthly) -> String {
        match self.dialect() {
            Dialect::Sqlite => of.table().to_owned(),
            Dialect::Postgres => format!("{}_rest", of.table()),
        }
    }
}

async fn change(tx: &mut Tx, statement: &Bulk, ids: &[Uuid]) -> Result<(), sqlx::Error> {
    for (sql, chunk) in statement.chunks(tx.dialect(), ids) {
        on_tx!(tx, conn => {
            let mut query = sqlx::query(sql);
            for id in chunk {
                query = query.bind(*id);
            }
            query.execute(&mut *conn).await?;
        });
    }
    Ok(())
}

/// Only of old events: a delivery that was stored anew has another one.
async fn delete_delivery_ids(tx: &mut Tx, found: &[(Uuid, String)], before: Uuid) -> Result<(), sqlx::Error> {
    // delivery_ids: primary key.
    static SQL: LazyLock<Bulk> =
        LazyLock::new(|| Bulk::new("DELETE FROM delivery_ids WHERE event_id < # AND delivery_id IN (", "#", ")"));
    for (sql, chunk) in SQL.chunks(tx.dialect(), found) {
        on_tx!(tx, conn => {
            let mut query = sqlx::query(sql).bind(before);
            for (_, delivery) in chunk {
                query = query.bind(delivery.as_str());
            }
            query.execute(&mut *conn).await?;
        });
    }
    Ok(())
}
