//! What a database that is to be backed up says of itself.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use crate::core::audit::Anchor;
use crate::store::dialect::Pools;
use crate::store::{Db, StoreError};

/// Rows of the main tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromRow)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    #[sqlx(try_from = "i64")]
    pub events: u64,
    /// Of those in rows; larger ones are files.
    #[sqlx(try_from = "i64")]
    pub payloads: u64,
    #[sqlx(try_from = "i64")]
    pub jobs: u64,
    #[sqlx(try_from = "i64")]
    pub decisions: u64,
    #[sqlx(try_from = "i64")]
    pub effects: u64,
    #[sqlx(try_from = "i64")]
    pub repositories: u64,
}

/// Index: none; each table is read through once.
const COUNTS: &str = "SELECT
    (SELECT COUNT(*) FROM event_receipts) AS events,
    (SELECT COUNT(*) FROM event_payloads) AS payloads,
    (SELECT COUNT(*) FROM jobs) AS jobs,
    (SELECT COUNT(*) FROM decisions) AS decisions,
    (SELECT COUNT(*) FROM effects) AS effects,
    (SELECT COUNT(*) FROM repositories) AS repositories";

/// The step that made the table `audit`.
const AUDIT_SINCE: i64 = 5;

/// Names of large payloads that are read at once.
const PAGE: i64 = 1_000;

impl Db {
    pub(in crate::store) async fn counts(&self) -> Result<Counts, StoreError> {
        Ok(on_db!(self, conn => sqlx::query_as(COUNTS).fetch_one(conn).await)?)
    }

    /// The last row of the audit chain; `schema`: the latest step that the tables have taken.
    pub(in crate::store) async fn audit_anchor(&self, schema: i64) -> Result<Option<Anchor>, StoreError> {
        if schema < AUDIT_SINCE {
            return Ok(None);
        }
        Ok(self.audit_head().await?.map(|(seq, hash)| Anchor { at: None, seq, hash }))
    }

    /// Names of large payloads, of events after `after`, and the event to go on from.
    pub(in crate::store) async fn object_names(&self, after: Uuid) -> Result<Vec<(Uuid, String)>, StoreError> {
        // event_receipts_objects.
        let found = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT id, payload_storage FROM event_receipts WHERE payload_storage IS NOT NULL AND id > $1
                 ORDER BY id LIMIT $2",
            )
            .bind(after)
            .bind(PAGE)
            .fetch_all(conn)
            .await
        })?;
        Ok(found)
    }

    /// Whether an event is there and says that its payload is a file.
    pub(in crate::store) async fn names_object(&self, event: Uuid) -> Result<bool, StoreError> {
        // event_receipts: primary key.
        let found: Option<bool> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT payload_storage IS NOT NULL FROM event_receipts WHERE id = $1")
                .bind(event)
                .fetch_optional(conn)
                .await
        })?;
        Ok(found.unwrap_or(false))
    }

    /// PostgreSQL's major version; 0 on SQLite, which needs no programs.
    pub(in crate::store) async fn server_version(&self) -> Result<u32, StoreError> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(0) };
        let number: i32 =
            sqlx::query_scalar("SELECT current_setting('server_version_num')::integer").fetch_one(pool).await?;
        Ok(u32::try_from(number / 10_000).unwrap_or(0))
    }

    /// Bytes that a copy of the database takes at most, what was dropped from it aside.
    pub(in crate::store) async fn size_of_copy(&self) -> Result<u64, StoreError> {
        let bytes: i64 = match &self.pools {
            Pools::Sqlite { read, .. } => {
                sqlx::query_scalar(
                    "SELECT (page_count - freelist_count) * page_size
                     FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
                )
                .fetch_one(read)
                .await?
            }
            Pools::Postgres(pool) => {
                sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(pool).await?
            }
        };
        Ok(u64::try_from(bytes).unwrap_or(0))
    }
}
