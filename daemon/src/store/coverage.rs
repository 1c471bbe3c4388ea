//! Which repositories an installation covers: `installation_repositories`, and what GitHub says of them.
//!
//! As in [`super::installations`]: a word older than what is known changes nothing, and nothing is removed.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::columns::{Micros, clean, repo_name};
use super::dialect::Tx;
use super::rows::Column::{Id, Int, Text};
use super::rows::{Cell, Rows};
use super::{Db, StoreError};
use crate::core::event::{InstallationId, RepoName};
use crate::core::installation::CoveredRepository;

/// Repositories written in one transaction, so that deliveries need not wait long for their turn.
const CHUNK: usize = 200;

impl Db {
    /// Takes over which repositories an installation covers, as of `at`; `whole`: these are all, and it covers no other.
    pub async fn take_over_repositories(
        &self,
        id: InstallationId,
        repositories: &[CoveredRepository],
        whole: bool,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let Some(installation) = self.installation_row_id(id).await? else { return Ok(()) };
        let mut sorted: Vec<&CoveredRepository> = repositories.iter().collect();
        // In the order in which ingest writes them, so that two daemons cannot wait for each other.
        sorted.sort_by_key(|repository| repository.github_id);
        sorted.dedup_by_key(|repository| repository.github_id);
        for chunk in sorted.chunks(CHUNK) {
            let mut tx = self.begin().await?;
            store_repositories(&mut tx, chunk, at.into()).await?;
            link_repositories(&mut tx, installation, chunk, at.into()).await?;
            tx.commit().await?;
        }
        if whole {
            let mut tx = self.begin().await?;
            // installation_repositories_pair.
            on_tx!(tx, conn => {
                sqlx::query(
                    "UPDATE installation_repositories SET removed_at = $2, known_at = $2
                     WHERE installation_id = $1 AND removed_at IS NULL AND known_at < $2 AND created_at < $2",
                )
                .bind(installation)
                .bind(Micros::from(at))
                .execute(&mut *conn)
                .await?;
            });
            tx.commit().await?;
        }
        Ok(())
    }

    /// The installation covers these (GitHub's ids) no longer, as of `at`.
    pub async fn unlink_repositories(
        &self,
        id: InstallationId,
        github_ids: &[i64],
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        // repositories_github_id, installation_repositories_pair.
        static SQL: LazyLock<Rows<3>> = LazyLock::new(|| {
            Rows::new(
                "UPDATE installation_repositories SET removed_at = v.column3, known_at = v.column3
                 FROM {rows} AS v JOIN repositories r ON r.github_id = v.column2
                 WHERE installation_repositories.installation_id = v.column1
                    AND installation_repositories.repository_id = r.id AND installation_repositories.known_at <= v.column3",
                [Id, Int, Int],
            )
        });
        let Some(installation) = self.installation_row_id(id).await? else { return Ok(()) };
        for chunk in github_ids.chunks(CHUNK) {
            let at = Cell::Int(Some(Micros::from(at).0));
            let cells: Vec<_> =
                chunk.iter().map(|id| [Cell::Id(Some(installation)), Cell::Int(Some(*id)), at]).collect();
            let mut tx = self.begin().await?;
            SQL.execute(&mut tx, &cells).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// The first repositories it covers, by name.
    pub async fn covered_repositories(&self, id: InstallationId, limit: u32) -> Result<Vec<RepoName>, StoreError> {
        // installations_installation_id, installation_repositories_pair, repositories: primary key.
        let found: Vec<String> = on_db!(self, conn => {
            sqlx::query_scalar(
                "SELECT r.full_name FROM installations i
                 JOIN installation_repositories l ON l.installation_id = i.id AND l.removed_at IS NULL
                 JOIN repositories r ON r.id = l.repository_id
                 WHERE i.installation_id = $1 ORDER BY lower(r.full_name), r.id LIMIT $2",
            )
            .bind(id.0)
            .bind(i64::from(limit))
            .fetch_all(conn)
            .await
        })?;
        found.iter().map(|name| repo_name(name)).collect()
    }

    async fn installation_row_id(&self, id: InstallationId) -> Result<Option<Uuid>, StoreError> {
        // installations_installation_id.
        Ok(on_db!(self, conn => {
            sqlx::query_scalar("SELECT id FROM installations WHERE installation_id = $1")
                .bind(id.0)
                .fetch_optional(conn)
                .await
        })?)
    }
}

/// What an event leaves out of a repository stays as it is known.
async fn store_repositories(tx: &mut Tx, chunk: &[&CoveredRepository], now: Micros) -> Result<(), sqlx::Error> {
    // repositories_github_id. Unchanged rows are not written.
    static SQL: LazyLock<Rows<10>> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO repositories (id, github_id, owner, name, full_name, description, url, is_private,
                default_branch, created_at, updated_at)
             SELECT v.column1, v.column2, v.column3, v.column4, v.column5, v.column6, COALESCE(v.column7, ''),
                v.column8 = 1, COALESCE(v.column9, ''), v.column10, v.column10 FROM {rows} AS v
             WHERE v.column1 IS NOT NULL
             ON CONFLICT (github_id) DO UPDATE SET owner = excluded.owner, name = excluded.name,
                full_name = excluded.full_name,
                description = CASE WHEN excluded.url = '' THEN repositories.description ELSE excluded.description END,
                url = CASE WHEN excluded.url = '' THEN repositories.url ELSE excluded.url END,
                is_private = excluded.is_private,
                default_branch = CASE WHEN excluded.default_branch = '' THEN repositories.default_branch
                    ELSE excluded.default_branch END,
                updated_at = excluded.updated_at
             WHERE repositories.full_name <> excluded.full_name OR repositories.is_private <> excluded.is_private
                OR (excluded.url <> '' AND (repositories.url <> excluded.url
                    OR COALESCE(repositories.description, '') <> COALESCE(excluded.description, '')))
                OR (excluded.default_branch <> '' AND repositories.default_branch <> excluded.default_branch)",
            [Id, Int, Text, Text, Text, Text, Text, Int, Text, Int],
        )
    });
    let kept = |text: &Option<String>| text.as_deref().map(|text| clean(text).into_owned());
    let texts: Vec<_> =
        chunk.iter().map(|each| (kept(&each.description), kept(&each.url), kept(&each.default_branch))).collect();
    let cells: Vec<_> = chunk
        .iter()
        .zip(&texts)
        .map(|(each, (description, url, branch))| {
            [
                Cell::Id(Some(Uuid::now_v7())),
                Cell::Int(Some(each.github_id)),
                Cell::Text(Some(each.name.owner())),
                Cell::Text(Some(each.name.name())),
                Cell::Text(Some(each.name.as_str())),
                Cell::Text(description.as_deref()),
                Cell::Text(url.as_deref()),
                Cell::Int(Some(i64::from(each.is_private))),
                Cell::Text(branch.as_deref()),
                Cell::Int(Some(now.0)),
            ]
        })
        .collect();
    SQL.execute(tx, &cells).await.map(|_| ())
}

async fn link_repositories(
    tx: &mut Tx,
    installation: Uuid,
    chunk: &[&CoveredRepository],
    at: Micros,
) -> Result<(), sqlx::Error> {
    // repositories_github_id, installation_repositories_pair.
    static SQL: LazyLock<Rows<4>> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO installation_repositories (id, installation_id, repository_id, created_at, known_at)
             SELECT v.column1, v.column2, r.id, v.column4, v.column4
             FROM {rows} AS v JOIN repositories r ON r.github_id = v.column3 WHERE v.column1 IS NOT NULL
             ON CONFLICT (installation_id, repository_id) DO UPDATE SET removed_at = NULL, known_at = excluded.known_at
             WHERE installation_repositories.known_at <= excluded.known_at",
            [Id, Id, Int, Int],
        )
    });
    let cells: Vec<_> = chunk
        .iter()
        .map(|each| {
            [
                Cell::Id(Some(Uuid::now_v7())),
                Cell::Id(Some(installation)),
                Cell::Int(Some(each.github_id)),
                Cell::Int(Some(at.0)),
            ]
        })
        .collect();
    SQL.execute(tx, &cells).await.map(|_| ())
}
