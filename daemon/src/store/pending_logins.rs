//! People who went to GitHub to sign in and have not come back yet: `pending_logins`.

use chrono::{DateTime, Utc};

use super::columns::{Micros, clean};
use super::{Db, StoreError};

/// Somebody on the way to GitHub and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingLogin {
    /// SHA-256 of `state`, as hexadecimal digits.
    pub state_hash: String,
    /// SHA-256 of the cookie of the browser that went, likewise.
    pub browser_hash: String,
    /// The PKCE verifier, encrypted.
    pub verifier: String,
    /// A path of our own.
    pub return_to: String,
    pub expires_at: DateTime<Utc>,
}

/// One row of `pending_logins`.
#[derive(sqlx::FromRow)]
struct PendingSql {
    state: String,
    browser: String,
    verifier: String,
    return_to: String,
    expires_at: Micros,
}

impl Db {
    pub async fn store_pending_login(&self, pending: &PendingLogin) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // pending_logins: primary key.
        on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO pending_logins (state, browser, verifier, return_to, expires_at)
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(pending.state_hash.as_str())
            .bind(pending.browser_hash.as_str())
            .bind(pending.verifier.as_str())
            .bind(clean(&pending.return_to))
            .bind(Micros::from(pending.expires_at))
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// Takes out who comes back with this state: each comes back once. `None`: nobody left with it, they took too long, or
    /// they have been back.
    pub async fn take_pending_login(
        &self,
        state_hash: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<PendingLogin>, StoreError> {
        let mut tx = self.begin().await?;
        // pending_logins: primary key.
        let found: Option<PendingSql> = on_tx!(tx, conn => {
            sqlx::query_as(
                "DELETE FROM pending_logins WHERE state = $1
                 RETURNING state, browser, verifier, return_to, expires_at",
            )
            .bind(state_hash)
            .fetch_optional(&mut *conn)
            .await?
        });
        tx.commit().await?;
        let found = found.map(|row| {
            Ok::<_, StoreError>(PendingLogin {
                state_hash: row.state,
                browser_hash: row.browser,
                verifier: row.verifier,
                return_to: row.return_to,
                expires_at: row.expires_at.try_into()?,
            })
        });
        Ok(found.transpose()?.filter(|pending| pending.expires_at > now))
    }

    /// Drops those who took too long, at most `limit` of them; returns how many.
    pub async fn drop_late_logins(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        // pending_logins_expires.
        let sql = "DELETE FROM pending_logins WHERE state IN
                (SELECT state FROM pending_logins WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        self.drop_some(sql, now, limit).await
    }
}
