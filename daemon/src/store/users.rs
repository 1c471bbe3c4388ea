//! People who signed in with GitHub, and their GitHub tokens: `users`.
//!
//! Tokens come and go encrypted: what is in them the store never learns.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::audit::append;
use super::columns::{Micros, clean, time};
use super::dialect::Tx;
use super::sessions::{self, NewSession};
use super::{Db, StoreError};
use crate::core::audit::{Actor, Entry, Kind};

/// What GitHub says of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Stays the same when they rename themselves.
    pub github_id: i64,
    pub login: String,
    pub email: Option<String>,
    pub avatar_url: Option<String>,
}

/// Somebody who signed in with GitHub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    pub id: Uuid,
    pub github_id: i64,
    pub login: String,
    pub email: Option<String>,
    pub avatar_url: Option<String>,
    pub created_at: DateTime<Utc>,
    /// When they last signed in, or had their tokens renewed.
    pub updated_at: DateTime<Utc>,
}

/// A person's GitHub tokens, encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedTokens {
    /// The id of the key they are encrypted with.
    pub key: String,
    pub access: String,
    /// `None`: it does not end by itself.
    pub access_expires_at: Option<DateTime<Utc>>,
    /// `None`: GitHub gave none, and a person has to sign in again when the other ends.
    pub refresh: Option<String>,
    pub refresh_expires_at: Option<DateTime<Utc>>,
}

/// One row of `users`, without what is secret.
#[derive(sqlx::FromRow)]
pub(super) struct UserSql {
    pub(super) id: Uuid,
    github_id: i64,
    username: String,
    email: Option<String>,
    avatar_url: Option<String>,
    created_at: Micros,
    updated_at: Micros,
}

/// The tokens of a row of `users`.
#[derive(sqlx::FromRow)]
struct TokensSql {
    id: Uuid,
    access_token: Option<String>,
    access_token_expires_at: Option<Micros>,
    refresh_token: Option<String>,
    refresh_token_expires_at: Option<Micros>,
    token_key: Option<String>,
}

const SELECT: &str = "SELECT id, github_id, username, email, avatar_url, created_at, updated_at FROM users";

const SELECT_TOKENS: &str = "SELECT id, access_token, access_token_expires_at, refresh_token,
    refresh_token_expires_at, token_key FROM users";

impl TryFrom<UserSql> for UserRow {
    type Error = StoreError;

    fn try_from(row: UserSql) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            github_id: row.github_id,
            login: row.username,
            email: row.email,
            avatar_url: row.avatar_url,
            created_at: row.created_at.try_into()?,
            updated_at: row.updated_at.try_into()?,
        })
    }
}

impl TokensSql {
    /// `None`: there are none any more.
    fn read(self) -> Result<Option<SealedTokens>, StoreError> {
        let (Some(key), Some(access)) = (self.token_key, self.access_token) else { return Ok(None) };
        Ok(Some(SealedTokens {
            key,
            access,
            access_expires_at: time(self.access_token_expires_at)?,
            refresh: self.refresh_token,
            refresh_expires_at: time(self.refresh_token_expires_at)?,
        }))
    }
}

impl Db {
    /// Somebody proved who they are: the person as GitHub describes them now, their tokens, and a new session, which takes
    /// the place of the one that the browser had before. `seal` is given the person's id here, which their tokens are
    /// bound to.
    ///
    /// # Errors
    /// What `seal` says, and when the store fails: then nobody is signed in.
    pub async fn sign_in(
        &self,
        person: &Person,
        seal: impl FnOnce(Uuid) -> Result<SealedTokens, StoreError>,
        session: &NewSession,
        before: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<UserRow, StoreError> {
        let mut tx = self.begin().await?;
        let user = UserRow::try_from(upsert(&mut tx, person, now).await?)?;
        let tokens = seal(user.id)?;
        write_tokens(&mut tx, user.id, &tokens, Some(now)).await?;
        if let Some(before) = before {
            // user_sessions_token.
            on_tx!(tx, conn => {
                sqlx::query("DELETE FROM user_sessions WHERE session_token = $1")
                    .bind(before)
                    .execute(&mut *conn)
                    .await?;
            });
        }
        sessions::insert(&mut tx, user.id, session, now).await?;
        let from = session.address.as_deref().unwrap_or("an unknown address");
        let told = Entry {
            note: Some(format!("from {from}")),
            ..Entry::new(Kind::SignedIn, Actor::Person(user.login.clone()), now)
        };
        append(&mut tx, vec![told]).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// `None`: nobody of that id signed in.
    pub async fn user(&self, id: Uuid) -> Result<Option<UserRow>, StoreError> {
        // users: primary key.
        let found: Option<UserSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1"));
            sqlx::query_as(sql).bind(id).fetch_optional(conn).await
        })?;
        found.map(UserRow::try_from).transpose()
    }

    /// The person has this login on GitHub now.
    pub async fn rename_user(&self, id: Uuid, login: &str) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // users: primary key. When they consented is told by `updated_at`, which stays.
        on_tx!(tx, conn => {
            sqlx::query("UPDATE users SET username = $1 WHERE id = $2")
                .bind(clean(login))
                .bind(id)
                .execute(&mut *conn)
                .await?;
        });
        Ok(tx.commit().await?)
    }

    /// `None`: there are none any more, or never were.
    pub async fn tokens_of(&self, user: Uuid) -> Result<Option<SealedTokens>, StoreError> {
        // users: primary key.
        let found: Option<TokensSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT_TOKENS} WHERE id = $1"));
            sqlx::query_as(sql).bind(user).fetch_optional(conn).await
        })?;
        found.map_or(Ok(None), TokensSql::read)
    }

    /// Takes the turn at renewing these tokens until `until`. False: another has it, or they are others by now.
    pub async fn take_refresh_turn(
        &self,
        user: Uuid,
        tokens: &SealedTokens,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        // users: primary key.
        let taken = on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE users SET refreshing_until = $1
                 WHERE id = $2 AND access_token = $3 AND (refreshing_until IS NULL OR refreshing_until <= $4)",
            )
            .bind(Micros::from(until))
            .bind(user)
            .bind(tokens.access.as_str())
            .bind(Micros::from(now))
            .execute(&mut *conn)
            .await?
            .rows_affected()
        });
        tx.commit().await?;
        Ok(taken > 0)
    }

    /// Gives the turn back that ends at `until`, the tokens being as they were.
    pub async fn give_refresh_turn_back(&self, user: Uuid, until: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // users: primary key.
        on_tx!(tx, conn => {
            sqlx::query("UPDATE users SET refreshing_until = NULL WHERE id = $1 AND refreshing_until = $2")
                .bind(user)
                .bind(Micros::from(until))
                .execute(&mut *conn)
                .await?;
        });
        Ok(tx.commit().await?)
    }

    /// Puts tokens in the place of others, and ends a turn at renewing them. False: those others are no longer there, since
    /// the person signed in anew or took the authorisation back, and nothing was changed. `given_at`: when GitHub gave the new
    /// ones; `None`: they are the old ones, encrypted anew.
    pub async fn replace_tokens(
        &self,
        user: Uuid,
        old: &SealedTokens,
        new: &SealedTokens,
        given_at: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        // users: primary key.
        let lock = tx.lock_rows();
        let found: Option<TokensSql> = on_tx!(tx, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT_TOKENS} WHERE id = $1{lock}"));
            sqlx::query_as(sql).bind(user).fetch_optional(&mut *conn).await?
        });
        let found = found.map_or(Ok(None), TokensSql::read)?;
        if found.as_ref() != Some(old) {
            return Ok(false);
        }
        write_tokens(&mut tx, user, new, given_at).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// GitHub takes these tokens no longer: they go, and with them all sessions of the person, who has to sign in again.
    /// Returns how many sessions ended; `None`: the tokens are others by now, and nothing was changed.
    pub async fn give_tokens_up(
        &self,
        user: Uuid,
        tokens: &SealedTokens,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<u64>, StoreError> {
        let mut tx = self.begin().await?;
        // users: primary key.
        let login: Option<String> = on_tx!(tx, conn => {
            sqlx::query_scalar(
                "UPDATE users SET access_token = NULL, access_token_expires_at = NULL, refresh_token = NULL,
                    refresh_token_expires_at = NULL, token_key = NULL, refreshing_until = NULL, updated_at = $1
                 WHERE id = $2 AND access_token = $3 RETURNING username",
            )
            .bind(Micros::from(now))
            .bind(user)
            .bind(tokens.access.as_str())
            .fetch_optional(&mut *conn)
            .await?
        });
        let Some(login) = login else { return Ok(None) };
        let ended = sessions::delete_all_of(&mut tx, user, None).await?;
        append(&mut tx, vec![signed_out(login, Actor::Orchd, why, ended, now)]).await?;
        tx.commit().await?;
        Ok(Some(ended))
    }

    /// A person took back, at that time, what they had allowed the App: as [`Db::give_tokens_up`], unless they have signed
    /// in anew since. Returns how many sessions ended.
    pub async fn revoke_user(
        &self,
        github_id: i64,
        at: DateTime<Utc>,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        // users_github_id. Tokens that are newer than the event are of a later consent.
        let found: Option<(Uuid, String)> = on_tx!(tx, conn => {
            sqlx::query_as(
                "UPDATE users SET access_token = NULL, access_token_expires_at = NULL, refresh_token = NULL,
                    refresh_token_expires_at = NULL, token_key = NULL, refreshing_until = NULL
                 WHERE github_id = $1 AND updated_at <= $2 RETURNING id, username",
            )
            .bind(github_id)
            .bind(Micros::from(at))
            .fetch_optional(&mut *conn)
            .await?
        });
        let Some((user, login)) = found else { return Ok(0) };
        let ended = sessions::delete_all_of(&mut tx, user, Some(at)).await?;
        let person = Actor::Person(login.clone());
        append(&mut tx, vec![signed_out(login, person, why, ended, now)]).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// People after `after` whose tokens are encrypted with another key, by id, at most `limit`.
    pub async fn sealed_otherwise(
        &self,
        key: &str,
        after: Uuid,
        limit: u32,
    ) -> Result<Vec<(Uuid, SealedTokens)>, StoreError> {
        // users: primary key, from `after` on.
        let found: Vec<TokensSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT_TOKENS} WHERE id > $1 AND token_key <> $2 ORDER BY id LIMIT $3"));
            sqlx::query_as(sql).bind(after).bind(key).bind(i64::from(limit)).fetch_all(conn).await
        })?;
        let read = found.into_iter().map(|row| {
            let id = row.id;
            Ok(row.read()?.map(|tokens| (id, tokens)))
        });
        read.filter_map(Result::transpose).collect()
    }
}

/// The row of the audit chain about sessions that ended before their time.
pub(super) fn signed_out(login: String, actor: Actor, why: &str, sessions: u64, now: DateTime<Utc>) -> Entry {
    let told = format!("{login}, {sessions} sessions: {why}");
    Entry { note: Some(told), ..Entry::new(Kind::SignedOut, actor, now) }
}

async fn upsert(tx: &mut Tx, person: &Person, now: DateTime<Utc>) -> Result<UserSql, sqlx::Error> {
    // users_github_id.
    on_tx!(tx, conn => {
        sqlx::query_as(
            "INSERT INTO users (id, github_id, username, email, avatar_url, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6)
             ON CONFLICT (github_id) DO UPDATE SET username = excluded.username, email = excluded.email,
                avatar_url = excluded.avatar_url, updated_at = excluded.updated_at
             RETURNING id, github_id, username, email, avatar_url, created_at, updated_at",
        )
        .bind(Uuid::now_v7())
        .bind(person.github_id)
        .bind(clean(&person.login))
        .bind(person.email.as_deref().map(clean))
        .bind(person.avatar_url.as_deref().map(clean))
        .bind(Micros::from(now))
        .fetch_one(&mut *conn)
        .await
    })
}

async fn write_tokens(
    tx: &mut Tx,
    user: Uuid,
    tokens: &SealedTokens,
    given_at: Option<DateTime<Utc>>,
) -> Result<(), sqlx::Error> {
    // users: primary key.
    on_tx!(tx, conn => {
        sqlx::query(
            "UPDATE users SET access_token = $1, access_token_expires_at = $2, refresh_token = $3,
                refresh_token_expires_at = $4, token_key = $5, refreshing_until = NULL,
                updated_at = COALESCE($6, updated_at)
             WHERE id = $7",
        )
        .bind(tokens.access.as_str())
        .bind(tokens.access_expires_at.map(Micros::from))
        .bind(tokens.refresh.as_deref())
        .bind(tokens.refresh_expires_at.map(Micros::from))
        .bind(tokens.key.as_str())
        .bind(given_at.map(Micros::from))
        .bind(user)
        .execute(&mut *conn)
        .await
        .map(|_| ())
    })
}
