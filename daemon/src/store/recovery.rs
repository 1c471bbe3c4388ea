//! What recovery asks the ledger, and how far it has looked: `recoveries`.

use std::collections::HashSet;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};

use super::columns::{Micros, time};
use super::dialect::Bulk;
use super::{Db, StoreError};

/// What recovery looks through, one row each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// GitHub's list of deliveries.
    Deliveries,
    /// The issues and pull requests of the repository with this GitHub id.
    Items(i64),
}

impl Scope {
    fn column(&self) -> String {
        match self {
            Self::Deliveries => "deliveries".to_owned(),
            Self::Items(repository) => format!("items {repository}"),
        }
    }
}

/// How far a scope was looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Nothing before this is missing, except what was told as lost.
    pub seen_until: DateTime<Utc>,
    /// A list that was too long for one run: where to go on.
    pub resume: Option<Resume>,
    pub lost: Option<Lost>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// GitHub's.
    pub cursor: String,
    /// What is newer than the cursor is seen up to here.
    pub top: DateTime<Utc>,
}

/// A span in which something could not be recovered, or could no longer be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub noticed_at: DateTime<Utc>,
}

impl Db {
    /// Those of these GUIDs that no event is stored under.
    pub async fn unknown_deliveries(&self, guids: &[&str]) -> Result<HashSet<String>, StoreError> {
        // event_receipts_delivery_id.
        static SQL: LazyLock<Bulk> =
            LazyLock::new(|| Bulk::new("SELECT delivery_id FROM event_receipts WHERE delivery_id IN (", "#", ")"));
        let mut unknown: HashSet<String> = guids.iter().map(|&guid| guid.to_owned()).collect();
        for (sql, chunk) in SQL.chunks(self.dialect(), guids) {
            let known: Vec<String> = on_db!(self, conn => {
                let mut query = sqlx::query_scalar(sql);
                for guid in chunk {
                    query = query.bind(*guid);
                }
                query.fetch_all(conn).await
            })?;
            for guid in known {
                unknown.remove(&guid);
            }
        }
        Ok(unknown)
    }

    /// When the first event that is still kept was received.
    pub async fn first_event_at(&self) -> Result<Option<DateTime<Utc>>, StoreError> {
        // event_receipts: primary key.
        let first: Option<Micros> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT received_at FROM event_receipts ORDER BY id LIMIT 1").fetch_optional(conn).await
        })?;
        time(first)
    }

    pub async fn recovery_progress(&self, scope: &Scope) -> Result<Option<Progress>, StoreError> {
        type Found = (Micros, Option<String>, Option<Micros>, Option<Micros>, Option<Micros>, Option<Micros>);
        // recoveries: primary key.
        let found: Option<Found> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT seen_until, resume_cursor, resume_top, lost_from, lost_until, lost_noticed_at FROM recoveries
                 WHERE scope = $1",
            )
            .bind(scope.column())
            .fetch_optional(conn)
            .await
        })?;
        let Some((seen_until, cursor, top, from, until, noticed_at)) = found else { return Ok(None) };
        let resume = cursor.zip(time(top)?).map(|(cursor, top)| Resume { cursor, top });
        let lost = match (time(from)?, time(until)?, time(noticed_at)?) {
            (Some(from), Some(until), Some(noticed_at)) => Some(Lost { from, until, noticed_at }),
            _ => None,
        };
        Ok(Some(Progress { seen_until: seen_until.try_into()?, resume, lost }))
    }

    /// Keeps how far a scope was looked through. What was seen stays seen: an older `seen_until` leaves the newer one.
    pub async fn save_recovery(
        &self,
        scope: &Scope,
        progress: &Progress,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        // recoveries: primary key.
        const SQL: &str = "INSERT INTO recoveries (scope, seen_until, resume_cursor, resume_top, lost_from, lost_until,
                lost_noticed_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (scope) DO UPDATE SET
                seen_until = CASE WHEN excluded.seen_until > recoveries.seen_until THEN excluded.seen_until
                    ELSE recoveries.seen_until END,
                resume_cursor = excluded.resume_cursor, resume_top = excluded.resume_top,
                lost_from = excluded.lost_from, lost_until = excluded.lost_until,
                lost_noticed_at = excluded.lost_noticed_at, updated_at = excluded.updated_at";
        let (resume, lost) = (progress.resume.as_ref(), progress.lost.as_ref());
        let mut tx = self.begin().await?;
        on_tx!(tx, conn => {
            sqlx::query(SQL)
                .bind(scope.column())
                .bind(Micros::from(progress.seen_until))
                .bind(resume.map(|resume| resume.cursor.as_str()))
                .bind(resume.map(|resume| Micros::from(resume.top)))
                .bind(lost.map(|lost| Micros::from(lost.from)))
                .bind(lost.map(|lost| Micros::from(lost.until)))
                .bind(lost.map(|lost| Micros::from(lost.noticed_at)))
                .bind(Micros::from(now))
                .execute(&mut *conn)
                .await?;
        });
        Ok(tx.commit().await?)
    }
}
