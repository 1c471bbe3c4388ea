//! Repositories, learnt from payloads and from GitHub's lists: `repositories`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use uuid::Uuid;

use super::columns::{Micros, repo_name, time, unsigned};
use super::{Db, StoreError};
use crate::core::event::RepoName;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RepositoryRow {
    pub github_id: i64,
    pub name: RepoName,
    pub is_private: bool,
    pub default_branch: String,
    pub last_event_at: Option<DateTime<Utc>>,
    pub event_count: u64,
}

impl Db {
    /// By name.
    pub async fn repositories(&self) -> Result<Vec<RepositoryRow>, StoreError> {
        type Found = (i64, String, bool, String, Option<Micros>, i64);
        // repositories_full_name.
        let found: Vec<Found> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT github_id, full_name, is_private, default_branch, last_event_at, event_count
                 FROM repositories ORDER BY lower(full_name), id",
            )
            .fetch_all(conn)
            .await
        })?;
        let row = |(github_id, name, is_private, default_branch, last, count): Found| {
            Ok(RepositoryRow {
                github_id,
                name: repo_name(&name)?,
                is_private,
                default_branch,
                last_event_at: time(last)?,
                event_count: unsigned("event_count", count)?,
            })
        };
        found.into_iter().map(row).collect()
    }

    /// The row of the repository that has this name now, in any spelling of case. A deleted repository keeps its name:
    /// the one with the latest event counts.
    pub async fn repository_id(&self, name: &RepoName) -> Result<Option<Uuid>, StoreError> {
        // repositories_full_name.
        Ok(on_db!(self, conn => {
            sqlx::query_scalar(
                "SELECT id FROM repositories WHERE lower(full_name) = $1
                 ORDER BY COALESCE(last_event_at, 0) DESC, id DESC LIMIT 1",
            )
            .bind(name.as_str().to_ascii_lowercase())
            .fetch_optional(conn)
            .await
        })?)
    }
}
