//! Keys that scripts come with: `api_keys`. What is stored of a key is its hash.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::audit::append;
use super::columns::{Micros, clean, from_json, from_word, time, to_json, word};
use super::{Db, Page, StoreError, page_limit};
use crate::core::access::{KeyHash, Level, Scopes};
use crate::core::audit::{Actor, Entry, Kind};
use crate::core::event::RepoName;

/// How exactly it is known when a key was last used. A write for each request would cost more than most requests.
const USE_IS_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What a key may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyTerms {
    pub level: Level,
    pub scopes: Scopes,
    /// `None`: all that its owner sees.
    pub repositories: Option<Vec<RepoName>>,
    /// `None`: it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A key to store.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub id: Uuid,
    /// `None`: of the owner of the machine.
    pub owner: Option<Uuid>,
    /// For people.
    pub name: String,
    pub hash: KeyHash,
    pub beginning: String,
    pub terms: KeyTerms,
}

/// A key as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyRow {
    pub id: Uuid,
    /// `None`: it is bound to no person.
    pub owner: Option<KeyOwner>,
    pub name: String,
    pub beginning: String,
    #[serde(flatten)]
    pub terms: KeyTerms,
    /// To the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyOwner {
    pub id: Uuid,
    pub login: String,
}

/// Why a key is good for nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Revoked,
    Expired,
}

/// What revoking came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    Now,
    /// It was before.
    Already,
    /// There is no such key, or not for this owner.
    NotThere,
}

impl KeyRow {
    /// `None`: it is good.
    pub fn ended(&self, now: DateTime<Utc>) -> Option<Ended> {
        if self.revoked_at.is_some() {
            return Some(Ended::Revoked);
        }
        self.terms.expires_at.is_some_and(|end| end <= now).then_some(Ended::Expired)
    }

    /// As the audit chain names it.
    pub fn actor(&self) -> Actor {
        Actor::Key { name: self.name.clone(), owner: self.owner.as_ref().map(|owner| owner.login.clone()) }
    }
}

/// One row of `api_keys`, and the login of its owner.
#[derive(sqlx::FromRow)]
struct KeySql {
    id: Uuid,
    user_id: Option<Uuid>,
    username: Option<String>,
    name: String,
    beginning: String,
    level: String,
    scopes: String,
    repositories: Option<String>,
    expires_at: Option<Micros>,
    last_used_at: Option<Micros>,
    revoked_at: Option<Micros>,
    created_at: Micros,
}

const SELECT: &str = "SELECT k.id, k.user_id, u.username, k.name, k.beginning, k.level, k.scopes, k.repositories,
    k.expires_at, k.last_used_at, k.revoked_at, k.created_at FROM api_keys k LEFT JOIN users u ON u.id = k.user_id";

impl TryFrom<KeySql> for KeyRow {
    type Error = StoreError;

    fn try_from(row: KeySql) -> Result<Self, StoreError> {
        let terms = KeyTerms {
            level: from_word("level", row.level)?,
            scopes: from_json("scopes", &row.scopes)?,
            repositories: row.repositories.map(|names| from_json("repositories", &names)).transpose()?,
            expires_at: time(row.expires_at)?,
        };
        Ok(Self {
            id: row.id,
            owner: row.user_id.zip(row.username).map(|(id, login)| KeyOwner { id, login }),
            name: row.name,
            beginning: row.beginning,
            terms,
            last_used_at: time(row.last_used_at)?,
            revoked_at: time(row.revoked_at)?,
            created_at: row.created_at.try_into()?,
        })
    }
}

impl Db {
    /// Stores a key, and says so in the audit chain.
    pub async fn create_key(&self, key: &NewKey, by: Actor, now: DateTime<Utc>) -> Result<(), StoreError> {
        let terms = &key.terms;
        let (level, scopes) = (word(&terms.level)?, to_json(&terms.scopes)?);
        let repositories = terms.repositories.as_ref().map(to_json).transpose()?;
        let mut tx = self.begin().await?;
        on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO api_keys (id, user_id, name, key_hash, beginning, level, scopes, repositories, expires_at,
                    created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(key.id)
            .bind(key.owner)
            .bind(clean(&key.name))
            .bind(key.hash.to_string())
            .bind(&key.beginning)
            .bind(level)
            .bind(scopes)
            .bind(repositories)
            .bind(terms.expires_at.map(Micros::from))
            .bind(Micros::from(now))
            .execute(&mut *conn)
            .await?;
        });
        let entry = Entry { note: Some(told(&key.name, key.id)), ..Entry::new(Kind::KeyCreated, by, now) };
        append(&mut tx, vec![entry.states(None, Some(serde_json::json!(terms)))]).await?;
        Ok(tx.commit().await?)
    }

    /// The key of which this is the hash, ended or not.
    ///
    /// The database compares hashes byte by byte, and may be the quicker the earlier they differ. That tells nothing:
    /// nobody can choose the hash of a key they do not know, so how much of a hash was right says nothing of the key.
    pub async fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<KeyRow>, StoreError> {
        // api_keys_hash; users: primary key.
        let found: Option<KeySql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE k.key_hash = $1"));
            sqlx::query_as(sql).bind(hash.to_string()).fetch_optional(conn).await
        })?;
        found.map(KeyRow::try_from).transpose()
    }

    /// A key, ended or not.
    pub async fn key(&self, id: Uuid) -> Result<Option<KeyRow>, StoreError> {
        // api_keys, users: primary keys.
        let found: Option<KeySql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE k.id = $1"));
            sqlx::query_as(sql).bind(id).fetch_optional(conn).await
        })?;
        found.map(KeyRow::try_from).transpose()
    }

    /// Keys of one owner, or everybody's (`None`), ended ones too, the newest first.
    pub async fn keys(&self, owner: Option<Uuid>, after: Option<Uuid>, limit: u32) -> Result<Page<KeyRow>, StoreError> {
        let limit = page_limit(limit);
        let after = after.unwrap_or(Uuid::max());
        // api_keys_user, or the primary key; users: primary key.
        let found: Vec<KeySql> = on_db!(self, conn => {
            let newest = "ORDER BY k.id DESC LIMIT $2";
            let sql = match owner {
                Some(_) => format!("{SELECT} WHERE k.id < $1 AND k.user_id = $3 {newest}"),
                None => format!("{SELECT} WHERE k.id < $1 {newest}"),
            };
            let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(after).bind(limit + 1);
            let query = match owner {
                Some(owner) => query.bind(owner),
                None => query,
            };
            query.fetch_all(conn).await
        })?;
        let rows = found.into_iter().map(KeyRow::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(rows, limit, |row| row.id))
    }

    /// Ends a key for good, of one owner or of anybody (`None`). Once more changes nothing.
    pub async fn revoke_key(
        &self,
        id: Uuid,
        owner: Option<Uuid>,
        by: Actor,
        now: DateTime<Utc>,
    ) -> Result<Revoked, StoreError> {
        let mut tx = self.begin().await?;
        // api_keys: primary key, here and below.
        let revoked: Option<String> = on_tx!(tx, conn => {
            let revoke = "UPDATE api_keys SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
            let sql = match owner {
                Some(_) => format!("{revoke} AND user_id = $3 RETURNING name"),
                None => format!("{revoke} RETURNING name"),
            };
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(Micros::from(now)).bind(id);
            let query = match owner {
                Some(owner) => query.bind(owner),
                None => query,
            };
            query.fetch_optional(&mut *conn).await?
        });
        let Some(name) = revoked else {
            let of: Option<Option<Uuid>> = on_tx!(tx, conn => {
                sqlx::query_scalar("SELECT user_id FROM api_keys WHERE id = $1").bind(id).fetch_optional(&mut *conn).await?
            });
            let there = of.is_some_and(|of| owner.is_none() || of == owner);
            return Ok(if there { Revoked::Already } else { Revoked::NotThere });
        };
        let entry = Entry { note: Some(told(&name, id)), ..Entry::new(Kind::KeyRevoked, by, now) };
        append(&mut tx, vec![entry]).await?;
        tx.commit().await?;
        Ok(Revoked::Now)
    }

    /// Remembers that a key was used, unless that is known to the minute already.
    pub async fn note_key_use(&self, key: &KeyRow, now: DateTime<Utc>) -> Result<(), StoreError> {
        let stale = now - USE_IS_NOTED_EVERY;
        if key.last_used_at.is_some_and(|last| last > stale) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        // api_keys: primary key. Of many requests at once the first writes.
        on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE api_keys SET last_used_at = $1 WHERE id = $2 AND (last_used_at IS NULL OR last_used_at <= $3)",
            )
            .bind(Micros::from(now))
            .bind(key.id)
            .bind(Micros::from(stale))
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// Drops up to `limit` keys that were revoked or expired before a time. Returns how many.
    pub async fn drop_ended_keys(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        // api_keys_ended.
        let sql = "DELETE FROM api_keys WHERE id IN
                (SELECT id FROM api_keys WHERE COALESCE(revoked_at, expires_at) < $1
                 ORDER BY COALESCE(revoked_at, expires_at) LIMIT $2)";
        self.drop_some(sql, before, limit).await
    }
}

/// What an audit row says of a key.
fn told(name: &str, id: Uuid) -> String {
    format!("key `{name}` ({id})")
}
