//! What recovery asks the ledger, and how far it has looked: `recoveries`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use chrono::{DateTime, Utc};

use uuid::Uuid;

use super::columns::{Micros, repo_name, signed, time};
use super::dialect::Bulk;
use super::{Db, StoreError};
use crate::core::event::{EventId, InstallationId, RepoName};

/// What recovery looks through, one row each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// GitHub's list of deliveries.
    Deliveries,
    /// The issues and pull requests of the repository with this GitHub id.
    Items(i64),
    /// Its open ones, once a day.
    Daily(i64),
}

impl Scope {
    fn column(&self) -> String {
        match self {
            Self::Deliveries => "deliveries".to_owned(),
            Self::Items(repository) => format!("items {repository}"),
            Self::Daily(repository) => format!("daily {repository}"),
        }
    }
}

/// A repository that can be swept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweptRepository {
    pub github_id: i64,
    pub name: RepoName,
    pub installation: InstallationId,
    /// When its first event was stored.
    pub known_since: DateTime<Utc>,
}

/// What is stored about an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// When it was last told about, by GitHub's clock.
    pub at: DateTime<Utc>,
    /// The event that told it.
    pub event: EventId,
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
        // delivery_ids: primary key.
        static SQL: LazyLock<Bulk> =
            LazyLock::new(|| Bulk::new("SELECT delivery_id FROM delivery_ids WHERE delivery_id IN (", "#", ")"));
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

    /// The repositories that an installation covers, by name. Of several installations the newest counts.
    pub async fn swept_repositories(&self) -> Result<Vec<SweptRepository>, StoreError> {
        // All of repositories, by installation_repositories_repository and the primary key of installations.
        let found: Vec<(i64, String, Micros, i64)> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT r.github_id, r.full_name, r.created_at, MAX(i.installation_id) FROM repositories r
                 JOIN installation_repositories l ON l.repository_id = r.id
                 JOIN installations i ON i.id = l.installation_id
                 WHERE NOT i.is_suspended
                 GROUP BY r.github_id, r.full_name, r.created_at ORDER BY r.full_name, r.github_id",
            )
            .fetch_all(conn)
            .await
        })?;
        let row = |(github_id, name, known_since, installation): (i64, String, Micros, i64)| {
            Ok(SweptRepository {
                github_id,
                name: repo_name(&name)?,
                installation: InstallationId(installation),
                known_since: known_since.try_into()?,
            })
        };
        found.into_iter().map(row).collect()
    }

    /// For each of these items that events tell of, the one that told the newest state. Only events that show the whole
    /// item count: a check of its head says nothing about it.
    pub async fn told_items(&self, repository: i64, numbers: &[u64]) -> Result<HashMap<u64, Told>, StoreError> {
        // repositories_github_id, event_receipts_item: all events of each item.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| {
            Bulk::new(
                "SELECT e.number, e.id, e.github_timestamp FROM repositories r
                 JOIN event_receipts e ON e.repository_id = r.id AND e.number IS NOT NULL
                 WHERE r.github_id = # AND e.github_timestamp IS NOT NULL AND e.event_type IN ('issues', 'pull_request',
                    'issue_comment', 'pull_request_review', 'pull_request_review_comment') AND e.number IN (",
                "#",
                ") ORDER BY e.number, e.github_timestamp, e.id",
            )
        });
        let mut told = HashMap::new();
        for (sql, chunk) in SQL.chunks(self.dialect(), numbers) {
            let found: Vec<(i64, Uuid, Micros)> = on_db!(self, conn => {
                let mut query = sqlx::query_as(sql).bind(repository);
                for number in chunk {
                    query = query.bind(signed(*number));
                }
                query.fetch_all(conn).await
            })?;
            // In order of time: of each item the last one stays.
            for (number, event, at) in found {
                told.insert(number.unsigned_abs(), Told { at: at.try_into()?, event: EventId(event) });
            }
        }
        Ok(told)
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
