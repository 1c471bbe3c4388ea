//! Sessions of people in a browser: `user_sessions`.
//!
//! A session is found by the SHA-256 of its cookie: whoever reads the database can use none of them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::audit::append;
use super::columns::{Micros, clean};
use super::dialect::Tx;
use super::users::{UserRow, UserSql};
use super::{Db, StoreError};
use crate::core::audit::{Actor, Entry, Kind};

/// How often the use of a session is written down, at most.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Sessions of one person that are listed.
const MOST_LISTED: i64 = 1_000;

/// A session that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    pub id: Uuid,
    /// SHA-256 of the cookie, as hexadecimal digits.
    pub token_hash: String,
    pub expires_at: DateTime<Utc>,
    /// However much it is used.
    pub ends_at: DateTime<Utc>,
    pub address: Option<String>,
    pub agent: Option<String>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    pub id: Uuid,
    /// When it ends unless it is used.
    pub expires_at: DateTime<Utc>,
    /// When it ends however much it is used.
    pub ends_at: DateTime<Utc>,
    /// To the minute.
    pub last_activity_at: DateTime<Utc>,
    pub address: Option<String>,
    pub agent: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// One row of `user_sessions`.
#[derive(sqlx::FromRow)]
struct SessionSql {
    session_id: Uuid,
    expires_at: Micros,
    ends_at: Micros,
    last_activity_at: Micros,
    ip_address: Option<String>,
    user_agent: Option<String>,
    began_at: Micros,
}

/// One row of both tables.
#[derive(sqlx::FromRow)]
struct SignedInSql {
    #[sqlx(flatten)]
    session: SessionSql,
    #[sqlx(flatten)]
    user: UserSql,
}

const COLUMNS: &str = "s.id AS session_id, s.expires_at, s.ends_at, s.last_activity_at, s.ip_address, s.user_agent,
    s.created_at AS began_at";

impl TryFrom<SessionSql> for SessionRow {
    type Error = StoreError;

    fn try_from(row: SessionSql) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.session_id,
            expires_at: row.expires_at.try_into()?,
            ends_at: row.ends_at.try_into()?,
            last_activity_at: row.last_activity_at.try_into()?,
            address: row.ip_address,
            agent: row.user_agent,
            created_at: row.began_at.try_into()?,
        })
    }
}

impl Db {
    /// The session of a cookie and whose it is; `None`: there is none, or it has ended. Its use puts its end off, to
    /// `lasting` from now, and never beyond [`SessionRow::ends_at`]; while the store takes no writes its end stays.
    pub async fn use_session(
        &self,
        token_hash: &str,
        lasting: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<(SessionRow, UserRow)>, StoreError> {
        // user_sessions_token, then users: primary key.
        let found: Option<SignedInSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!(
                "SELECT {COLUMNS}, u.id, u.github_id, u.username, u.email, u.avatar_url, u.created_at, u.updated_at
                 FROM user_sessions s JOIN users u ON u.id = s.user_id
                 WHERE s.session_token = $1 AND s.expires_at > $2 AND s.ends_at > $2"
            ));
            sqlx::query_as(sql).bind(token_hash).bind(Micros::from(now)).fetch_optional(conn).await
        })?;
        let Some(found) = found else { return Ok(None) };
        let (session, user) = (SessionRow::try_from(found.session)?, UserRow::try_from(found.user)?);
        if session.last_activity_at + NOTED_EVERY <= now {
            let used = SessionRow {
                expires_at: slide(lasting, session.ends_at, now),
                last_activity_at: now,
                ..session.clone()
            };
            match self.note_use(&used).await {
                Ok(()) => return Ok(Some((used, user))),
                // To put its end off is not worth a request: what can be read can still be shown.
                Err(error) => tracing::warn!(%error, "the last use of a session was not noted"),
            }
        }
        Ok(Some((session, user)))
    }

    async fn note_use(&self, session: &SessionRow) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // user_sessions: primary key. Requests of one moment write it once.
        on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE user_sessions SET expires_at = $1, last_activity_at = $2
                 WHERE id = $3 AND last_activity_at <= $4",
            )
            .bind(Micros::from(session.expires_at))
            .bind(Micros::from(session.last_activity_at))
            .bind(session.id)
            .bind(Micros::from(session.last_activity_at - NOTED_EVERY))
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// The sessions of a person that have not ended, the latest used first: at most 1,000.
    pub async fn sessions_of(&self, user: Uuid, now: DateTime<Utc>) -> Result<Vec<SessionRow>, StoreError> {
        // user_sessions_user.
        let found: Vec<SessionSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!(
                "SELECT {COLUMNS} FROM user_sessions s WHERE s.user_id = $1 AND s.expires_at > $2
                 ORDER BY s.last_activity_at DESC, s.id DESC LIMIT $3"
            ));
            sqlx::query_as(sql).bind(user).bind(Micros::from(now)).bind(MOST_LISTED).fetch_all(conn).await
        })?;
        found.into_iter().map(SessionRow::try_from).collect()
    }

    /// Ends a session of that person. False: they have no such session.
    pub async fn end_session(
        &self,
        user: Uuid,
        session: Uuid,
        by: Actor,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        // user_sessions: primary key.
        let ended = on_tx!(tx, conn => {
            sqlx::query("DELETE FROM user_sessions WHERE id = $1 AND user_id = $2")
                .bind(session)
                .bind(user)
                .execute(&mut *conn)
                .await?
                .rows_affected()
        });
        if ended == 0 {
            return Ok(false);
        }
        let told = Entry { note: Some("one session".to_owned()), ..Entry::new(Kind::SignedOut, by, now) };
        append(&mut tx, vec![told]).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Signs a person out everywhere; returns of how many sessions.
    pub async fn end_sessions(&self, user: Uuid, by: Actor, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        let ended = delete_all_of(&mut tx, user, None).await?;
        if ended > 0 {
            let told =
                Entry { note: Some(format!("everywhere: {ended} sessions")), ..Entry::new(Kind::SignedOut, by, now) };
            append(&mut tx, vec![told]).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }

    /// Drops sessions that have ended by themselves, at most `limit` of them; returns how many.
    pub async fn drop_ended_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        // user_sessions_expires: a session never expires later than it ends.
        let sql = "DELETE FROM user_sessions WHERE id IN
                (SELECT id FROM user_sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        self.drop_some(sql, now, limit).await
    }
}

/// When a session ends that is used now.
pub(super) fn slide(lasting: Duration, ends_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    let lasting = TimeDelta::from_std(lasting).unwrap_or(TimeDelta::MAX);
    now.checked_add_signed(lasting).map_or(ends_at, |end| end.min(ends_at))
}

pub(super) async fn insert(
    tx: &mut Tx,
    user: Uuid,
    session: &NewSession,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    // user_sessions_token.
    on_tx!(tx, conn => {
        sqlx::query(
            "INSERT INTO user_sessions (id, user_id, session_token, expires_at, ends_at, last_activity_at, ip_address,
                user_agent, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $6)",
        )
        .bind(session.id)
        .bind(user)
        .bind(session.token_hash.as_str())
        .bind(Micros::from(session.expires_at.min(session.ends_at)))
        .bind(Micros::from(session.ends_at))
        .bind(Micros::from(now))
        .bind(session.address.as_deref().map(clean))
        .bind(session.agent.as_deref().map(clean))
        .execute(&mut *conn)
        .await
        .map(|_| ())
    })
}

/// Those that began at `until` or before; `None`: all. Returns how many there were.
pub(super) async fn delete_all_of(tx: &mut Tx, user: Uuid, until: Option<DateTime<Utc>>) -> Result<u64, sqlx::Error> {
    // user_sessions_user.
    on_tx!(tx, conn => {
        sqlx::query("DELETE FROM user_sessions WHERE user_id = $1 AND created_at <= $2")
            .bind(user)
            .bind(until.map_or(Micros(i64::MAX), Micros::from))
            .execute(&mut *conn)
            .await
            .map(|done| done.rows_affected())
    })
}
