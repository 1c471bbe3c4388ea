//! Repositories, learnt from payloads and from GitHub's lists: `repositories`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use uuid::Uuid;

use super::among::Among;
use super::columns::{Micros, repo_name, time, unsigned};
use super::{Db, Page, StoreError, page_limit};
use crate::core::event::{EventId, RepoName};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RepositoryRow {
    pub github_id: i64,
    pub name: RepoName,
    pub is_private: bool,
    pub default_branch: String,
    pub last_event_at: Option<DateTime<Utc>>,
    pub event_count: u64,
}

/// Which repositories, by name.
#[derive(Clone, Debug, Default)]
pub struct RepositoryFilter {
    pub limit: u32,
    /// Only those whose name in small letters comes after this one.
    pub after: Option<String>,
    /// What whoever asks sees.
    pub among: Among,
}

type Found = (i64, String, bool, String, Option<Micros>, i64);

const COLUMNS: &str = "r.github_id, r.full_name, r.is_private, r.default_branch, r.last_event_at, r.event_count";

/// When `r` was heard of last under its name, by an event or from GitHub's lists.
pub(super) const HEARD_OF: &str = "CASE WHEN r.last_event_at > r.updated_at THEN r.last_event_at ELSE r.updated_at END";

/// A deleted repository keeps its name: of several with one name the one counts that was heard of last.
const NAMED_NOW: &str = "NOT EXISTS (SELECT 1 FROM repositories o WHERE lower(o.full_name) = lower(r.full_name)
    AND (CASE WHEN o.last_event_at > o.updated_at THEN o.last_event_at ELSE o.updated_at END, o.id)
        > (CASE WHEN r.last_event_at > r.updated_at THEN r.last_event_at ELSE r.updated_at END, r.id))";

/// The condition that a row is not from before the repository that has its name now: `place` is the name in small letters,
/// `made_at` when the row was made.
pub(super) fn since_named(place: &str, made_at: &str) -> String {
    format!(" AND {made_at} >= {}", named_since(place))
}

/// Since when the repository of this name has it; 0: nobody has it.
pub(super) fn named_since(place: &str) -> String {
    // repositories_full_name.
    format!("COALESCE((SELECT MAX(h.created_at) FROM repositories h WHERE lower(h.full_name) = {place}), 0)")
}

fn row((github_id, name, is_private, default_branch, last, count): Found) -> Result<RepositoryRow, StoreError> {
    Ok(RepositoryRow {
        github_id,
        name: repo_name(&name)?,
        is_private,
        default_branch,
        last_event_at: time(last)?,
        event_count: unsigned("event_count", count)?,
    })
}

impl Db {
    /// By name, those too whose name another has now.
    pub async fn repositories(&self) -> Result<Vec<RepositoryRow>, StoreError> {
        // repositories_full_name.
        let found: Vec<Found> = on_db!(self, conn => {
            let sql = format!("SELECT {COLUMNS} FROM repositories r ORDER BY lower(r.full_name), r.id");
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(conn).await
        })?;
        found.into_iter().map(row).collect()
    }

    /// As many as [`Db::repositories`] gives.
    pub async fn count_repositories(&self) -> Result<u64, StoreError> {
        // All of some index.
        let count: i64 = on_db!(self, conn => {
            sqlx::query_scalar("SELECT COUNT(*) FROM repositories").fetch_one(conn).await
        })?;
        unsigned("count", count)
    }

    /// Those that have a name now, by name.
    pub async fn repositories_seen(
        &self,
        filter: &RepositoryFilter,
    ) -> Result<Page<RepositoryRow, String>, StoreError> {
        let limit = page_limit(filter.limit);
        let (set, dialect) = (filter.among.names(), self.dialect());
        // repositories_full_name.
        let found: Vec<Found> = on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new(format!("SELECT {COLUMNS} FROM repositories r WHERE {NAMED_NOW}"));
            if let Some(set) = &set {
                query.push(" AND lower(r.full_name) IN ");
                set.push(&mut query, dialect);
            }
            if let Some(after) = &filter.after {
                query.push(" AND lower(r.full_name) > ").push_bind(after.clone());
            }
            query.push(" ORDER BY lower(r.full_name) LIMIT ").push_bind(limit + 1);
            query.build_query_as().fetch_all(conn).await
        })?;
        let rows = found.into_iter().map(row).collect::<Result<_, _>>()?;
        Ok(Page::cut(rows, limit, |row: &RepositoryRow| row.name.as_str().to_ascii_lowercase()))
    }

    /// The one that has this name now.
    pub async fn repository(&self, name: &RepoName) -> Result<Option<RepositoryRow>, StoreError> {
        let filter = RepositoryFilter { limit: 1, after: None, among: Among::only([name]) };
        Ok(self.repositories_seen(&filter).await?.rows.pop())
    }

    /// Whether something made at this time in a repository of this name is of the one that has the name now. See `store::among`.
    pub async fn is_since_named(&self, repository: &RepoName, made_at: DateTime<Utc>) -> Result<bool, StoreError> {
        // repositories_full_name.
        Ok(on_db!(self, conn => {
            sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM repositories WHERE lower(full_name) = $1 AND created_at > $2)")
                .bind(repository.as_str().to_ascii_lowercase())
                .bind(Micros::from(made_at))
                .fetch_one(conn)
                .await
        })?)
    }

    /// Whether an event is of a repository that has its name now, or of none.
    pub async fn is_of_named_now(&self, event: EventId) -> Result<bool, StoreError> {
        // event_receipts, repositories: primary keys; repositories_full_name.
        Ok(on_db!(self, conn => {
            let sql = format!(
                "SELECT NOT EXISTS (SELECT 1 FROM event_receipts e JOIN repositories r ON r.id = e.repository_id
                    WHERE e.id = $1 AND NOT ({NAMED_NOW}))"
            );
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(event.0).fetch_one(conn).await
        })?)
    }

    /// The row of the repository that has this name now, in any spelling of case. A deleted repository keeps its name:
    /// the one counts that was heard of last.
    pub async fn repository_id(&self, name: &RepoName) -> Result<Option<Uuid>, StoreError> {
        // repositories_full_name.
        Ok(on_db!(self, conn => {
            let sql = format!("SELECT r.id FROM repositories r WHERE lower(r.full_name) = $1 AND {NAMED_NOW}");
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(name.as_str().to_ascii_lowercase())
                .fetch_optional(conn)
                .await
        })?)
    }
}
