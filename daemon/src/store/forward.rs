//! What forwarding needs: tokens that were used (`forward_tokens`), and repositories by GitHub's id.

use chrono::{DateTime, Utc};

use super::columns::{Micros, repo_name};
use super::{Db, StoreError};
use crate::core::event::{InstallationId, RepoName};
use crate::core::forward::Known;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Never used, or for this delivery before.
    Good,
    /// Used for another delivery.
    Spent,
}

type Found = (String, Option<String>, String, bool, String, Option<i64>);

impl Db {
    /// Uses a token for a delivery. One that was used for the same delivery is good for it again: the answer may not have
    /// arrived.
    pub async fn use_token(&self, jti: &str, delivery_id: &str, expires_at: DateTime<Utc>) -> Result<Use, StoreError> {
        let mut tx = self.begin().await?;
        // forward_tokens: primary key. On PostgreSQL the insert waits for another daemon's of the same token.
        let used_for: String = on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO forward_tokens (jti, delivery_id, expires_at) VALUES ($1, $2, $3)
                 ON CONFLICT (jti) DO NOTHING",
            )
            .bind(jti)
            .bind(delivery_id)
            .bind(Micros::from(expires_at))
            .execute(&mut *conn)
            .await?;
            sqlx::query_scalar("SELECT delivery_id FROM forward_tokens WHERE jti = $1")
                .bind(jti)
                .fetch_one(&mut *conn)
                .await?
        });
        tx.commit().await?;
        Ok(if used_for == delivery_id { Use::Good } else { Use::Spent })
    }

    /// Drops tokens that are over anyway, at most `limit` of them; returns how many.
    pub async fn drop_spent_tokens(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        // forward_tokens_expires.
        let sql = "DELETE FROM forward_tokens WHERE jti IN
                (SELECT jti FROM forward_tokens WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        self.drop_some(sql, now, limit).await
    }

    /// The repository with this id of GitHub's: the name it has here, and what is known of it. Of several installations the
    /// newest counts.
    pub async fn repository_by_github_id(&self, id: i64) -> Result<Option<(RepoName, Known)>, StoreError> {
        // repositories_github_id, installation_repositories_repository, installations: primary key.
        let found: Option<Found> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT r.full_name, r.description, r.url, r.is_private, r.default_branch,
                    (SELECT MAX(i.installation_id) FROM installation_repositories l
                     JOIN installations i ON i.id = l.installation_id
                     WHERE l.repository_id = r.id AND l.removed_at IS NULL AND i.deleted_at IS NULL)
                 FROM repositories r WHERE r.github_id = $1",
            )
            .bind(id)
            .fetch_optional(conn)
            .await
        })?;
        let known = |(name, description, url, is_private, default_branch, installation): Found| {
            let installation = installation.map(InstallationId);
            let known = Known { description, url, is_private, default_branch, installation };
            Ok((repo_name(&name)?, known))
        };
        found.map(known).transpose()
    }
}
