//! What GitHub says of the App's installations: `installations`.
//!
//! What GitHub was asked and what events told come in any order. Each word carries the time as of which it is so
//! (`known_at`), and an older word never replaces a newer one. Nothing is removed: what GitHub no longer lists is marked.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::among::Among;
use super::columns::{Micros, clean, from_json, time, to_json, unsigned};
use super::{Db, Page, StoreError, page_limit};
use crate::core::event::InstallationId;
use crate::core::installation::{Installation, Stop};

/// An installation as it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InstallationRow {
    pub id: InstallationId,
    pub account_login: String,
    pub account_type: String,
    pub target_type: String,
    pub repository_selection: String,
    pub permissions: BTreeMap<String, String>,
    pub events: Vec<String>,
    pub is_suspended: bool,
    pub suspended_at: Option<DateTime<Utc>>,
    pub deleted_at: Option<DateTime<Utc>>,
    /// As of when GitHub said so; `None`: it is known from other events only.
    pub known_at: Option<DateTime<Utc>>,
    pub repositories: u64,
    /// Of its repositories.
    pub last_event_at: Option<DateTime<Utc>>,
}

/// How many installations there are, by what they may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct InstallationCount {
    pub active: u64,
    pub suspended: u64,
    pub deleted: u64,
}

/// Where a word about an installation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// GitHub was asked at that time.
    Asked,
    /// An event told it. An id that was deleted never comes back, so no event undoes that.
    Told,
}

/// One row of [`SELECT`].
#[derive(sqlx::FromRow)]
struct InstallationSql {
    id: Uuid,
    installation_id: i64,
    account_login: String,
    account_type: String,
    target_type: String,
    repository_selection: String,
    permissions: String,
    events: String,
    is_suspended: bool,
    suspended_at: Option<Micros>,
    deleted_at: Option<Micros>,
    known_at: Micros,
    repositories: i64,
    last_event_at: Option<Micros>,
}

const SELECT: &str = "SELECT i.id, i.installation_id, i.account_login, i.account_type, i.target_type,
        i.repository_selection, i.permissions, i.events, i.is_suspended, i.suspended_at, i.deleted_at, i.known_at,
        (SELECT COUNT(*) FROM installation_repositories l WHERE l.installation_id = i.id AND l.removed_at IS NULL)
            AS repositories,
        (SELECT MAX(r.last_event_at) FROM installation_repositories l JOIN repositories r ON r.id = l.repository_id
            WHERE l.installation_id = i.id) AS last_event_at
    FROM installations i";

impl TryFrom<InstallationSql> for InstallationRow {
    type Error = StoreError;

    fn try_from(row: InstallationSql) -> Result<Self, StoreError> {
        Ok(Self {
            id: InstallationId(row.installation_id),
            account_login: row.account_login,
            account_type: row.account_type,
            target_type: row.target_type,
            repository_selection: row.repository_selection,
            permissions: from_json("permissions", &row.permissions)?,
            events: from_json("events", &row.events)?,
            is_suspended: row.is_suspended,
            suspended_at: time(row.suspended_at)?,
            deleted_at: time(row.deleted_at)?,
            known_at: time(Some(row.known_at).filter(|at| at.0 > 0))?,
            repositories: unsigned("repositories", row.repositories)?,
            last_event_at: time(row.last_event_at)?,
        })
    }
}

impl Db {
    /// Takes over what GitHub says of an installation, as of `at`. False: a newer word is known, and nothing changed.
    pub async fn take_over_installation(
        &self,
        told: &Installation,
        word: Word,
        at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        // installations_installation_id.
        const SQL: &str = "INSERT INTO installations (id, installation_id, account_login, account_type, target_type,
                permissions, events, is_suspended, suspended_at, repository_selection, known_at, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $11)
             ON CONFLICT (installation_id) DO UPDATE SET account_login = excluded.account_login,
                account_type = excluded.account_type, target_type = excluded.target_type,
                permissions = excluded.permissions, events = excluded.events, is_suspended = excluded.is_suspended,
                suspended_at = excluded.suspended_at, repository_selection = excluded.repository_selection,
                known_at = excluded.known_at, updated_at = excluded.updated_at, deleted_at = NULL
             WHERE installations.known_at <= excluded.known_at AND ($12 OR installations.deleted_at IS NULL)";
        let (permissions, events) = (to_json(&told.permissions)?, to_json(&told.events)?);
        let mut tx = self.begin().await?;
        let changed = on_tx!(tx, conn => {
            sqlx::query(SQL)
                .bind(Uuid::now_v7())
                .bind(told.id.0)
                .bind(clean(&told.account_login))
                .bind(clean(&told.account_type))
                .bind(clean(&told.target_type))
                .bind(permissions)
                .bind(events)
                .bind(told.suspended_at.is_some())
                .bind(told.suspended_at.map(Micros::from))
                .bind(clean(&told.repository_selection))
                .bind(Micros::from(at))
                .bind(word == Word::Asked)
                .execute(&mut *conn)
                .await?
                .rows_affected()
        });
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// The account has another login since `at`.
    pub async fn rename_account(&self, id: InstallationId, login: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // installations_installation_id.
        on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE installations SET account_login = $2, known_at = $3, updated_at = $3
                 WHERE installation_id = $1 AND known_at <= $3",
            )
            .bind(id.0)
            .bind(clean(login))
            .bind(Micros::from(at))
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// The App is no longer installed there. Once deleted an id never comes back, so this needs no newer time.
    pub async fn mark_installation_deleted(&self, id: InstallationId, at: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // installations_installation_id.
        on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE installations SET deleted_at = $2, updated_at = $2,
                    known_at = CASE WHEN known_at > $2 THEN known_at ELSE $2 END
                 WHERE installation_id = $1 AND deleted_at IS NULL",
            )
            .bind(id.0)
            .bind(Micros::from(at))
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// After the whole list of `at` was taken over: marks what it did not name. Returns how many those were.
    pub async fn mark_unlisted_deleted(&self, at: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        // All of installations: they are few. One that was learnt while GitHub was asked is not judged.
        let marked = on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE installations SET deleted_at = $1, known_at = $1, updated_at = $1
                 WHERE deleted_at IS NULL AND known_at < $1 AND created_at < $1",
            )
            .bind(Micros::from(at))
            .execute(&mut *conn)
            .await?
            .rows_affected()
        });
        tx.commit().await?;
        Ok(marked)
    }

    /// Why the installation can do nothing; `None`: nothing is known against it.
    pub async fn stop_of(&self, id: InstallationId) -> Result<Option<Stop>, StoreError> {
        type Found = (String, Option<Micros>, Option<Micros>);
        // installations_installation_id.
        let found: Option<Found> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT account_login, suspended_at, deleted_at FROM installations
                 WHERE installation_id = $1 AND (is_suspended OR deleted_at IS NOT NULL)",
            )
            .bind(id.0)
            .fetch_optional(conn)
            .await
        })?;
        found
            .map(|(account, suspended, deleted)| {
                Ok(match time(deleted)? {
                    Some(since) => Stop::Deleted { account, since },
                    None => Stop::Suspended { account, since: time(suspended)? },
                })
            })
            .transpose()
    }

    /// Newest first, deleted ones too; of them, those that cover a repository that whoever asks sees.
    pub async fn installations(
        &self,
        among: &Among,
        limit: u32,
        after: Option<Uuid>,
    ) -> Result<Page<InstallationRow>, StoreError> {
        let limit = page_limit(limit);
        let (set, dialect) = (self.ids_among(among).await?, self.dialect());
        // installations: primary key; installation_repositories_pair, repositories: primary key. Those that are seen:
        // installation_repositories_repository.
        let found: Vec<InstallationSql> = on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new(format!("{SELECT} WHERE 1 = 1"));
            if let Some(set) = &set {
                query.push(" AND i.id IN (SELECT l.installation_id FROM installation_repositories l
                    WHERE l.removed_at IS NULL AND l.repository_id IN ");
                set.push(&mut query, dialect);
                query.push(")");
            }
            if let Some(after) = after {
                query.push(" AND i.id < ").push_bind(after);
            }
            query.push(" ORDER BY i.id DESC LIMIT ").push_bind(limit + 1);
            query.build_query_as().fetch_all(conn).await
        })?;
        let page = Page::cut(found, limit, |row| row.id);
        let rows = page.rows.into_iter().map(InstallationRow::try_from).collect::<Result<_, _>>()?;
        Ok(Page { rows, next: page.next })
    }

    /// Whether it covers a repository that whoever asks sees.
    pub async fn is_installation_seen(&self, id: InstallationId, among: &Among) -> Result<bool, StoreError> {
        let (set, dialect) = (self.ids_among(among).await?, self.dialect());
        // installations_installation_id, installation_repositories_pair.
        Ok(on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new("SELECT EXISTS (SELECT 1 FROM installations i WHERE i.installation_id = ");
            query.push_bind(id.0);
            if let Some(set) = &set {
                query.push(" AND EXISTS (SELECT 1 FROM installation_repositories l
                    WHERE l.installation_id = i.id AND l.removed_at IS NULL AND l.repository_id IN ");
                set.push(&mut query, dialect);
                query.push(")");
            }
            query.push(")");
            query.build_query_scalar::<bool>().fetch_one(conn).await
        })?)
    }

    pub async fn installation(&self, id: InstallationId) -> Result<Option<InstallationRow>, StoreError> {
        // installations_installation_id, installation_repositories_pair, repositories: primary key.
        let found: Option<InstallationSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE i.installation_id = $1"));
            sqlx::query_as(sql).bind(id.0).fetch_optional(conn).await
        })?;
        found.map(InstallationRow::try_from).transpose()
    }

    pub async fn count_installations(&self) -> Result<InstallationCount, StoreError> {
        // All of installations: they are few.
        let (all, suspended, deleted): (i64, i64, i64) = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT COUNT(*), COUNT(CASE WHEN is_suspended AND deleted_at IS NULL THEN 1 END), COUNT(deleted_at)
                 FROM installations",
            )
            .fetch_one(conn)
            .await
        })?;
        Ok(InstallationCount {
            active: unsigned("active", all - suspended - deleted)?,
            suspended: unsigned("suspended", suspended)?,
            deleted: unsigned("deleted", deleted)?,
        })
    }
}
