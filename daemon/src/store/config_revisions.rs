//! Which configs ran, and when: `config_revisions`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::append;
use super::columns::{Micros, from_json, to_json};
use super::{Db, StoreError};
use crate::core::audit::{Actor, Cause, Entry, Kind};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigRevisionRow {
    /// SHA-256 of the loaded files, hexadecimal, first 16 digits.
    pub revision: String,
    /// Commit of the checkout the config lies in, when it lies in one.
    pub git_commit: Option<String>,
    pub path: String,
    /// The effective config as JSON, secrets masked.
    pub effective: serde_json::Value,
    pub loaded_at: DateTime<Utc>,
}

type Found = (String, Option<String>, String, String, Micros);

fn row((revision, git_commit, path, effective, loaded_at): Found) -> Result<ConfigRevisionRow, StoreError> {
    Ok(ConfigRevisionRow {
        revision,
        git_commit,
        path,
        effective: from_json("effective", &effective)?,
        loaded_at: loaded_at.try_into()?,
    })
}

impl Db {
    /// Records that a revision was loaded (again), in the audit chain too.
    pub async fn record_config(&self, row: &ConfigRevisionRow) -> Result<(), StoreError> {
        let effective = to_json(&row.effective)?;
        let mut tx = self.begin().await?;
        // config_revisions_loaded_at; primary key.
        let before: Option<String> = on_tx!(tx, conn => {
            sqlx::query_scalar("SELECT revision FROM config_revisions ORDER BY loaded_at DESC LIMIT 1")
                .fetch_optional(&mut *conn)
                .await?
        });
        on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO config_revisions (revision, git_commit, path, effective, loaded_at)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (revision) DO UPDATE SET git_commit = excluded.git_commit, path = excluded.path,
                    effective = excluded.effective, loaded_at = excluded.loaded_at",
            )
            .bind(row.revision.as_str())
            .bind(row.git_commit.as_deref())
            .bind(row.path.as_str())
            .bind(effective)
            .bind(Micros::from(row.loaded_at))
            .execute(&mut *conn)
            .await?;
        });
        let after = json!({"revision": row.revision, "git_commit": row.git_commit, "path": row.path});
        let entry = Entry::new(Kind::ConfigLoaded, Actor::Orchd, row.loaded_at)
            .states(before.map(|revision| json!({"revision": revision})), Some(after));
        let cause = Cause { config_revision: Some(row.revision.clone()), ..Cause::default() };
        append(&mut tx, vec![Entry { cause, ..entry }]).await?;
        Ok(tx.commit().await?)
    }

    /// The commit of the checkout that a revision lay in, when it lay in one.
    pub async fn commit_of_config(&self, revision: &str) -> Result<Option<String>, StoreError> {
        // config_revisions: primary key.
        let found: Option<Option<String>> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT git_commit FROM config_revisions WHERE revision = $1")
                .bind(revision)
                .fetch_optional(conn)
                .await
        })?;
        Ok(found.flatten())
    }

    /// What ran last from that file.
    pub async fn last_config(&self, path: &str) -> Result<Option<ConfigRevisionRow>, StoreError> {
        // config_revisions_loaded_at.
        let found: Option<Found> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT revision, git_commit, path, effective, loaded_at FROM config_revisions WHERE path = $1
                 ORDER BY loaded_at DESC LIMIT 1",
            )
            .bind(path)
            .fetch_optional(conn)
            .await
        })?;
        found.map(row).transpose()
    }

    /// Newest first.
    pub async fn config_revisions(&self, limit: u32) -> Result<Vec<ConfigRevisionRow>, StoreError> {
        // config_revisions_loaded_at.
        let found: Vec<Found> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT revision, git_commit, path, effective, loaded_at FROM config_revisions
                 ORDER BY loaded_at DESC LIMIT $1",
            )
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await
        })?;
        found.into_iter().map(row).collect()
    }
}
