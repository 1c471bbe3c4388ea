//! People as those see them who look after the site: `users` and `user_sessions`.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::audit::append;
use super::columns::{Micros, unsigned};
use super::users::signed_out;
use super::{Db, Page, StoreError, page_limit, sessions};
use crate::core::audit::Actor;

/// Somebody who signed in with GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    pub id: Uuid,
    pub github_id: i64,
    pub login: String,
    /// When they signed in for the first time.
    pub created_at: DateTime<Utc>,
    /// When they last signed in, had their tokens renewed, or used a session that has not ended; to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// Sessions that have not ended.
    pub sessions: u64,
}

#[derive(sqlx::FromRow)]
struct PersonSql {
    id: Uuid,
    github_id: i64,
    username: String,
    created_at: Micros,
    updated_at: Micros,
    sessions: i64,
    last_activity_at: Option<Micros>,
}

impl TryFrom<PersonSql> for PersonRow {
    type Error = StoreError;

    fn try_from(row: PersonSql) -> Result<Self, StoreError> {
        let renewed: DateTime<Utc> = row.updated_at.try_into()?;
        let used = row.last_activity_at.map(DateTime::<Utc>::try_from).transpose()?;
        Ok(Self {
            id: row.id,
            github_id: row.github_id,
            login: row.username,
            created_at: row.created_at.try_into()?,
            last_seen_at: used.map_or(renewed, |used| used.max(renewed)),
            sessions: unsigned("sessions", row.sessions)?,
        })
    }
}

impl Db {
    /// Everybody who ever signed in, whoever did so first the last.
    pub async fn people(
        &self,
        after: Option<Uuid>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Page<PersonRow>, StoreError> {
        let limit = page_limit(limit);
        // users: primary key; user_sessions_user.
        let found: Vec<PersonSql> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT u.id, u.github_id, u.username, u.created_at, u.updated_at, COUNT(s.id) AS sessions,
                    MAX(s.last_activity_at) AS last_activity_at
                 FROM (SELECT id, github_id, username, created_at, updated_at FROM users WHERE id < $1
                    ORDER BY id DESC LIMIT $2) u
                 LEFT JOIN user_sessions s ON s.user_id = u.id AND s.expires_at > $3
                 GROUP BY u.id, u.github_id, u.username, u.created_at, u.updated_at ORDER BY u.id DESC",
            )
            .bind(after.unwrap_or(Uuid::max()))
            .bind(limit + 1)
            .bind(Micros::from(now))
            .fetch_all(conn)
            .await
        })?;
        let page = Page::cut(found, limit, |row: &PersonSql| row.id);
        let rows = page.rows.into_iter().map(PersonRow::try_from).collect::<Result<_, _>>()?;
        Ok(Page { rows, next: page.next })
    }

    /// Ends all sessions of somebody because another said so; returns how many there were. `None`: nobody of that id ever
    /// signed in.
    pub async fn sign_out(&self, user: Uuid, by: Actor, now: DateTime<Utc>) -> Result<Option<u64>, StoreError> {
        let mut tx = self.begin().await?;
        // users: primary key.
        let login: Option<String> = on_tx!(tx, conn => {
            sqlx::query_scalar("SELECT username FROM users WHERE id = $1").bind(user).fetch_optional(&mut *conn).await?
        });
        let Some(login) = login else { return Ok(None) };
        let ended = sessions::delete_all_of(&mut tx, user, None).await?;
        if ended > 0 {
            append(&mut tx, vec![signed_out(login, by, "an administrator ended them", ended, now)]).await?;
        }
        tx.commit().await?;
        Ok(Some(ended))
    }
}
