//! The audit chain on disk: `audit`.
//!
//! Owns how rows get into the chain, in the transaction that stores what they tell, how they are read, and how old ones lose
//! what is personal or go. Refuses to know how a row is hashed and what proves a chain: that is `core::audit`.
//!
//! Invariant 10: nothing here changes a row, but for dropping what is personal in it or, from the beginning, the row; both are
//! told by a row of their own.

mod append;
mod summary;
mod upkeep;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, Row as _};
use uuid::Uuid;

pub(super) use append::{EFFECT_COLUMNS, EndedEffect, append};

pub use summary::AuditSummary;

use super::among::{Among, Set, Share};
use super::columns::Micros;
use super::{Db, Page, StoreError, page_limit};
use crate::core::audit::{Cause, Cut, Digest, Kind, Personal, Row};
use crate::core::event::RepoName;

/// A row as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AuditRow {
    pub seq: i64,
    pub at: DateTime<Utc>,
    /// A word of [`Kind`], or of a later version's.
    pub kind: String,
    pub actor: String,
    pub actor_name: Option<String>,
    pub event: Option<Uuid>,
    pub rule: Option<String>,
    pub effect: Option<Uuid>,
    pub action: Option<String>,
    pub config_revision: Option<String>,
    pub repository: Option<String>,
    pub number: Option<i64>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub note: Option<String>,
    /// What is personal was dropped.
    pub pseudonymised: bool,
    pub hash: Digest,
}

/// Rows that a page looks at, when what is asked for may be rare: no index has them by actor.
const LOOKED_AT: i64 = 10_000;

/// Filters of a list; `None` filters nothing.
///
/// A page by actor looks at a bounded number of rows, so it may be short, or empty, though there is more: as long as it
/// names a next page, that one looks further.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
    pub repository: Option<RepoName>,
    /// The kind of actor (`orchd`, `operator`) or a name (`uid 1000`).
    pub actor: Option<String>,
    pub kind: Option<Kind>,
    pub limit: u32,
    /// Only what comes after this row in the list's order.
    pub after: Option<i64>,
    /// In the order of the chain; else newest first.
    pub oldest_first: bool,
    /// What whoever asks sees.
    pub among: Among,
}

impl AuditFilter {
    fn order(&self) -> &'static str {
        if self.oldest_first { " ORDER BY seq LIMIT " } else { " ORDER BY seq DESC LIMIT " }
    }
}

/// The newest rows that say something about the chain itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChainBounds {
    pub cut: Option<Cut>,
    /// What the newest row of kind `audit_pseudonymised` says.
    pub pseudonymised: Option<String>,
    /// Number of the last row; 0: there is none.
    pub last: i64,
}

/// One row of `audit`.
#[derive(sqlx::FromRow)]
struct AuditSql {
    seq: i64,
    at: i64,
    kind: String,
    actor: String,
    event_id: Option<Uuid>,
    rule: Option<String>,
    effect_id: Option<Uuid>,
    action: Option<String>,
    config_revision: Option<String>,
    repository: Option<String>,
    number: Option<i64>,
    actor_name: Option<String>,
    before_state: Option<String>,
    after_state: Option<String>,
    note: Option<String>,
    salt: Option<Vec<u8>>,
    personal_digest: Vec<u8>,
    hash: Vec<u8>,
}

const SELECT: &str =
    "SELECT seq, at, kind, actor, event_id, rule, effect_id, action, config_revision, repository, number,
    actor_name, before_state, after_state, note, salt, personal_digest, hash FROM audit";

fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes.try_into().map_err(|error| StoreError::Corrupt(format!("column hash: {error}")))
}

impl TryFrom<AuditSql> for Row {
    type Error = StoreError;

    fn try_from(row: AuditSql) -> Result<Self, StoreError> {
        let nothing_personal =
            [&row.actor_name, &row.before_state, &row.after_state, &row.note].iter().all(|text| text.is_none());
        let (digest, hash) = (digest(&row.personal_digest)?, digest(&row.hash)?);
        let personal = Personal {
            salt: row.salt.clone().unwrap_or_default(),
            actor_name: row.actor_name,
            before: row.before_state,
            after: row.after_state,
            note: row.note,
        };
        Ok(Self {
            seq: row.seq,
            at: row.at,
            kind: row.kind,
            actor: row.actor,
            cause: Cause {
                event: row.event_id,
                rule: row.rule,
                effect: row.effect_id,
                action: row.action,
                config_revision: row.config_revision,
            },
            repository: row.repository,
            number: row.number,
            personal: (row.salt.is_some() || !nothing_personal).then_some(personal),
            digest,
            hash,
        })
    }
}

impl AuditRow {
    /// The repository it is about, when that is a name; a row about none is of the site.
    pub fn repository(&self) -> Option<RepoName> {
        RepoName::parse(self.repository.as_deref()?).ok()
    }
}

impl TryFrom<AuditSql> for AuditRow {
    type Error = StoreError;

    fn try_from(row: AuditSql) -> Result<Self, StoreError> {
        // Somebody may have written into it: it is shown all the same.
        let state = |text: Option<String>| text.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        Ok(Self {
            seq: row.seq,
            at: Micros(row.at).try_into()?,
            kind: row.kind,
            actor: row.actor,
            actor_name: row.actor_name,
            event: row.event_id,
            rule: row.rule,
            effect: row.effect_id,
            action: row.action,
            config_revision: row.config_revision,
            repository: row.repository,
            number: row.number,
            before: state(row.before_state),
            after: state(row.after_state),
            note: row.note,
            pseudonymised: row.salt.is_none(),
            hash: digest(&row.hash)?,
        })
    }
}

/// Where in the chain a page lies; `$end` is the last row that it looks at.
macro_rules! push_bounds {
    ($query:ident, $filter:ident, $end:ident) => {
        if let Some(end) = $end {
            $query.push(if $filter.oldest_first { " AND seq <= " } else { " AND seq >= " }).push_bind(end);
        }
        if let Some(after) = $filter.after {
            $query.push(if $filter.oldest_first { " AND seq > " } else { " AND seq < " }).push_bind(after);
        }
    };
}

/// The conditions of a filter, for either database's builder.
macro_rules! push_conditions {
    ($query:ident, $filter:ident, $end:ident) => {
        if let Some(since) = $filter.since {
            $query.push(" AND at >= ").push_bind(Micros::from(since));
        }
        if let Some(until) = $filter.until {
            $query.push(" AND at < ").push_bind(Micros::from(until));
        }
        if let Some(repository) = &$filter.repository {
            $query.push(" AND lower(repository) = ").push_bind(repository.as_str().to_ascii_lowercase());
        }
        if let Some(actor) = &$filter.actor {
            $query.push(" AND (actor = ").push_bind(actor.clone());
            $query.push(" OR actor_name = ").push_bind(actor.clone()).push(")");
        }
        if let Some(kind) = $filter.kind {
            $query.push(" AND kind = ").push_bind(kind.word());
        }
        push_bounds!($query, $filter, $end);
    };
}

impl Db {
    pub async fn audit_row(&self, seq: i64) -> Result<Option<AuditRow>, StoreError> {
        // audit: primary key.
        let found: Option<AuditSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE seq = $1"));
            sqlx::query_as(sql).bind(seq).fetch_optional(conn).await
        })?;
        found.map(AuditRow::try_from).transpose()
    }

    pub async fn audit_rows(&self, filter: &AuditFilter) -> Result<Page<AuditRow, i64>, StoreError> {
        let limit = page_limit(filter.limit);
        let among = filter.among.narrowed(filter.repository.as_ref());
        let end = if filter.actor.is_some() { self.end_of_audit_look(filter).await? } else { None };
        let found = match among.names() {
            Some(set) if set.is_empty() => return Ok(Page { rows: Vec::new(), next: None }),
            Some(set) => self.audit_among(filter, &set, end, limit + 1).await?,
            // audit_repository, audit_kind; times: audit_at; else the primary key: an actor reads along the chain.
            None => on_db!(self, conn => {
                let mut query = sqlx::QueryBuilder::new(format!("{SELECT} WHERE 1 = 1"));
                push_conditions!(query, filter, end);
                query.push(filter.order()).push_bind(limit + 1);
                query.build_query_as::<AuditSql>().fetch_all(conn).await
            })?,
        };
        let page = Page::cut(found, limit, |row: &AuditSql| row.seq);
        let rows = page.rows.into_iter().map(AuditRow::try_from).collect::<Result<_, _>>()?;
        Ok(Page { rows, next: page.next.or(end) })
    }

    /// The last row that a page looks at; `None`: it comes to the end of the chain.
    async fn end_of_audit_look(&self, filter: &AuditFilter) -> Result<Option<i64>, StoreError> {
        // audit: primary key. Rows are numbered one by one, so nothing needs to be counted.
        let sql = match filter.oldest_first {
            true => {
                "SELECT seq FROM audit WHERE seq >= COALESCE($1, (SELECT MIN(seq) - 1 FROM audit)) + $2
                 ORDER BY seq LIMIT 1"
            }
            false => {
                "SELECT seq FROM audit WHERE seq <= COALESCE($1, (SELECT MAX(seq) + 1 FROM audit)) - $2
                 ORDER BY seq DESC LIMIT 1"
            }
        };
        Ok(on_db!(self, conn => {
            sqlx::query_scalar(sql).bind(filter.after).bind(LOOKED_AT).fetch_optional(conn).await
        })?)
    }

    async fn audit_among(
        &self,
        filter: &AuditFilter,
        set: &Set,
        end: Option<i64>,
        rows: i64,
    ) -> Result<Vec<AuditSql>, StoreError> {
        let (dialect, oldest_first) = (self.dialect(), filter.oldest_first);
        let order = filter.order();
        let (table, place, cursor, made_at) = ("audit audit", "lower(repository)", "seq", Some("at"));
        let share = Share { set, dialect, table, place, cursor, oldest_first, rows, ends: end.is_some(), made_at };
        let mut found = Vec::new();
        for way in share.ways(filter.repository.is_some()) {
            // audit_repository, then the primary key; a walk: primary key.
            found = on_db!(self, conn => {
                let mut query = sqlx::QueryBuilder::new(format!("{SELECT} WHERE 1 = 1"));
                let bounds = |query: &mut sqlx::QueryBuilder<_>| { push_bounds!(query, filter, end); };
                let conditions = |query: &mut sqlx::QueryBuilder<_>| { push_conditions!(query, filter, end); };
                share.push(&mut query, *way, bounds, conditions);
                query.push(order).push_bind(rows);
                query.build_query_as::<AuditSql>().fetch_all(conn).await
            })?;
            if share.is_filled(*way, found.len()) {
                break;
            }
        }
        Ok(found)
    }

    /// Rows to verify, in the order of the chain: those numbered above `after` and up to `until`. One that cannot be read is
    /// given by its number.
    pub async fn audit_chain(&self, after: i64, until: i64, limit: u32) -> Result<Vec<Result<Row, i64>>, StoreError> {
        // audit: primary key.
        let sql = format!("{SELECT} WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3");
        on_db!(self, conn => {
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(after).bind(until).bind(i64::from(limit));
            let rows = query.fetch_all(conn).await?;
            let read = rows.iter().map(|row| match AuditSql::from_row(row).map_err(StoreError::from).and_then(Row::try_from) {
                Ok(read) => Ok(Ok(read)),
                Err(_) => row.try_get("seq").map(Err).map_err(StoreError::from),
            });
            read.collect()
        })
    }

    /// Number and hash of the last row.
    pub async fn audit_head(&self) -> Result<Option<(i64, Digest)>, StoreError> {
        // audit: primary key.
        let found: Option<(i64, Vec<u8>)> = on_db!(self, conn => {
            sqlx::query_as("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetch_optional(conn).await
        })?;
        found.map(|(seq, hash)| Ok((seq, digest(&hash)?))).transpose()
    }

    pub async fn audit_bounds(&self) -> Result<ChainBounds, StoreError> {
        let cut = self.newest_after_state(Kind::AuditCut).await?.and_then(|text| serde_json::from_str(&text).ok());
        let pseudonymised = self.newest_after_state(Kind::AuditPseudonymised).await?;
        // audit: primary key.
        let last: Option<i64> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT MAX(seq) FROM audit").fetch_one(conn).await
        })?;
        Ok(ChainBounds { cut, pseudonymised, last: last.unwrap_or(0) })
    }

    async fn newest_after_state(&self, kind: Kind) -> Result<Option<String>, StoreError> {
        // audit_kind.
        let found: Option<Option<String>> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT after_state FROM audit WHERE kind = $1 ORDER BY seq DESC LIMIT 1")
                .bind(kind.word())
                .fetch_optional(conn)
                .await
        })?;
        Ok(found.flatten())
    }
}
