//! The config files of repositories, as they were last read: `repository_configs`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::columns::{Micros, clean, from_json, repo_name, to_json};
use super::{Db, StoreError};
use crate::core::event::RepoName;

/// One thing wrong in a file. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileProblem {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

/// A version of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FileVersion {
    /// Git's id of its content.
    pub sha: String,
    pub text: String,
}

/// What is known of a repository's config file on its default branch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RepositoryConfigRow {
    pub repository: RepoName,
    pub path: String,
    /// Of the version that was seen last, good or bad; `None`: there is no such file.
    pub blob_sha: Option<String>,
    /// Why that version is not used, or why GitHub would not show it.
    pub problems: Vec<FileProblem>,
    /// The last version that validated: the one in use.
    pub good: Option<FileVersion>,
    pub checked_at: DateTime<Utc>,
}

/// One row, with the repository's name.
#[derive(sqlx::FromRow)]
struct ConfigSql {
    full_name: String,
    path: String,
    blob_sha: Option<String>,
    problems: String,
    good_sha: Option<String>,
    good_text: Option<String>,
    checked_at: Micros,
}

const SELECT: &str = "SELECT r.full_name, c.path, c.blob_sha, c.problems, c.good_sha, c.good_text, c.checked_at
    FROM repository_configs c JOIN repositories r ON r.id = c.repository_id";

impl TryFrom<ConfigSql> for RepositoryConfigRow {
    type Error = StoreError;

    fn try_from(row: ConfigSql) -> Result<Self, StoreError> {
        Ok(Self {
            repository: repo_name(&row.full_name)?,
            path: row.path,
            blob_sha: row.blob_sha,
            problems: from_json("problems", &row.problems)?,
            good: row.good_sha.zip(row.good_text).map(|(sha, text)| FileVersion { sha, text }),
            checked_at: row.checked_at.try_into()?,
        })
    }
}

impl Db {
    /// `None`: nobody looked at the repository's file yet.
    pub async fn repository_config(&self, name: &RepoName) -> Result<Option<RepositoryConfigRow>, StoreError> {
        let Some(id) = self.repository_id(name).await? else { return Ok(None) };
        // repository_configs, repositories: primary keys.
        let found: Option<ConfigSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE c.repository_id = $1"));
            sqlx::query_as(sql).bind(id).fetch_optional(conn).await
        })?;
        found.map(RepositoryConfigRow::try_from).transpose()
    }

    /// Keeps what was seen of a repository's file. A repository that is not known keeps none. An older look never
    /// replaces a newer one.
    pub async fn store_repository_config(&self, row: &RepositoryConfigRow) -> Result<(), StoreError> {
        let Some(id) = self.repository_id(&row.repository).await? else { return Ok(()) };
        let problems = to_json(&row.problems)?;
        let mut tx = self.begin().await?;
        // repository_configs: primary key.
        on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO repository_configs (repository_id, path, blob_sha, problems, good_sha, good_text, checked_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (repository_id) DO UPDATE SET path = excluded.path, blob_sha = excluded.blob_sha,
                    problems = excluded.problems, good_sha = excluded.good_sha, good_text = excluded.good_text,
                    checked_at = excluded.checked_at
                 WHERE repository_configs.checked_at <= excluded.checked_at",
            )
            .bind(id)
            .bind(clean(&row.path))
            .bind(row.blob_sha.as_deref())
            .bind(problems)
            .bind(row.good.as_ref().map(|good| good.sha.as_str()))
            .bind(row.good.as_ref().map(|good| clean(&good.text)))
            .bind(Micros::from(row.checked_at))
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// Files that are not used as they are now, at most `limit`.
    pub async fn bad_repository_configs(&self, limit: u32) -> Result<Vec<RepositoryConfigRow>, StoreError> {
        // repository_configs_bad, repositories: primary key.
        let found: Vec<ConfigSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!(
                "{SELECT} WHERE c.problems <> '[]' ORDER BY c.repository_id LIMIT $1"
            ));
            sqlx::query_as(sql).bind(i64::from(limit)).fetch_all(conn).await
        })?;
        found.into_iter().map(RepositoryConfigRow::try_from).collect()
    }
}
