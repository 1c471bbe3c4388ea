//! Breakers that tripped: `guard_trips`.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::among::Among;
use super::audit::append;
use super::columns::{Micros, clean, from_word, repo_name, signed, time, unsigned, word};
use super::repositories::since_named;
use super::{Db, StoreError};
use crate::core::audit::{Actor, Cause, Entry, Kind};
use crate::core::event::RepoName;
use crate::core::intent::Target;
use crate::core::rule::RuleName;

/// How long a breaker that is no longer tripped is remembered.
const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// Which guard stopped a rule on an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// Too many effects in a row of which each was set off by the one before.
    Depth,
    /// It put back again and again what another took off, or the other way round.
    FlipFlop,
}

/// A breaker of a rule on an item, or in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TripRow {
    pub id: Uuid,
    pub rule: RuleName,
    pub repository: RepoName,
    /// 0: the rule acts on the repository, and the event was about no item.
    pub number: u64,
    pub guard: Guard,
    /// What fights with whom.
    pub note: String,
    pub tripped_at: DateTime<Utc>,
    /// When it lets the rule go on; `None`: when it is reset.
    pub ends_at: Option<DateTime<Utc>>,
    pub reset_at: Option<DateTime<Utc>>,
}

impl TripRow {
    /// Since when it lets the rule go on; `None`: it does not.
    pub fn open_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.reset_at.or(self.ends_at.filter(|end| *end <= now))
    }

    /// `acme/api#12`, or `acme/api`.
    pub fn place(&self) -> String {
        let (repository, number) = (&self.repository, self.number);
        if number == 0 { repository.to_string() } else { format!("{repository}#{number}") }
    }
}

/// One row of `guard_trips`.
#[derive(sqlx::FromRow)]
struct TripSql {
    id: Uuid,
    rule: String,
    repository: String,
    number: i64,
    guard: String,
    note: String,
    tripped_at: Micros,
    ends_at: Option<Micros>,
    reset_at: Option<Micros>,
}

const SELECT: &str = "SELECT id, rule, repository, number, guard, note, tripped_at, ends_at, reset_at FROM guard_trips";

impl TryFrom<TripSql> for TripRow {
    type Error = StoreError;

    fn try_from(row: TripSql) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            rule: from_word("rule", row.rule)?,
            repository: repo_name(&row.repository)?,
            number: unsigned("number", row.number)?,
            guard: from_word("guard", row.guard)?,
            note: row.note,
            tripped_at: row.tripped_at.try_into()?,
            ends_at: time(row.ends_at)?,
            reset_at: time(row.reset_at)?,
        })
    }
}

impl Db {
    /// The breaker of a rule on an item, tripped or not; `None`: it never tripped.
    pub async fn trip_of(&self, rule: &RuleName, target: &Target) -> Result<Option<TripRow>, StoreError> {
        // guard_trips_place.
        let found: Option<TripSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE rule = $1 AND lower(repository) = $2 AND number = $3"));
            sqlx::query_as(sql)
                .bind(rule.as_str())
                .bind(target.repository.as_str().to_ascii_lowercase())
                .bind(signed(target.number))
                .fetch_optional(conn)
                .await
        })?;
        found.map(TripRow::try_from).transpose()
    }

    /// Trips a breaker, anew where it had been reset.
    pub async fn trip(&self, row: &TripRow) -> Result<(), StoreError> {
        let guard = word(&row.guard)?;
        let mut tx = self.begin().await?;
        // Reads the whole table, which is small and changes when something went wrong.
        on_tx!(tx, conn => {
            sqlx::query("DELETE FROM guard_trips WHERE reset_at < $1 OR ends_at < $1")
                .bind(Micros::from(row.tripped_at - KEPT_FOR))
                .execute(&mut *conn)
                .await?;
        });
        // guard_trips_place.
        on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO guard_trips (id, rule, repository, number, guard, note, tripped_at, ends_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                 ON CONFLICT (rule, lower(repository), number) DO UPDATE SET guard = excluded.guard,
                    note = excluded.note, tripped_at = excluded.tripped_at, ends_at = excluded.ends_at, reset_at = NULL",
            )
            .bind(row.id)
            .bind(row.rule.as_str())
            .bind(row.repository.as_str())
            .bind(signed(row.number))
            .bind(guard)
            .bind(clean(&row.note))
            .bind(Micros::from(row.tripped_at))
            .bind(row.ends_at.map(Micros::from))
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    pub async fn trip_row(&self, id: Uuid) -> Result<Option<TripRow>, StoreError> {
        // guard_trips: primary key.
        let found: Option<TripSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1"));
            sqlx::query_as(sql).bind(id).fetch_optional(conn).await
        })?;
        found.map(TripRow::try_from).transpose()
    }

    /// Breakers that are tripped now, the latest first; of them, those that whoever asks sees.
    pub async fn tripped(&self, now: DateTime<Utc>, among: &Among, limit: u32) -> Result<Vec<TripRow>, StoreError> {
        let (set, dialect) = (among.names(), self.dialect());
        // guard_trips_open: those that are tripped are few.
        let found: Vec<TripSql> = on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new(SELECT);
            query.push(" WHERE reset_at IS NULL AND (ends_at IS NULL OR ends_at > ").push_bind(Micros::from(now)).push(")");
            if let Some(set) = &set {
                query.push(" AND lower(repository) IN ");
                set.push(&mut query, dialect);
                query.push(since_named("lower(repository)", "tripped_at"));
            }
            query.push(" ORDER BY tripped_at DESC, id LIMIT ").push_bind(i64::from(limit));
            query.build_query_as().fetch_all(conn).await
        })?;
        found.into_iter().map(TripRow::try_from).collect()
    }

    pub async fn count_tripped(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        // guard_trips_open.
        let count: i64 = on_db!(self, conn => {
            sqlx::query_scalar(
                "SELECT COUNT(*) FROM guard_trips WHERE reset_at IS NULL AND (ends_at IS NULL OR ends_at > $1)",
            )
            .bind(Micros::from(now))
            .fetch_one(conn)
            .await
        })?;
        unsigned("count", count)
    }

    /// Resets one tripped breaker, or all of them (`None`). Returns how many there were.
    pub async fn reset_trips(&self, id: Option<Uuid>, by: Actor, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        // guard_trips_open: those that are tripped are few.
        let reset: Vec<(String, String, i64, String)> = on_tx!(tx, conn => {
            let tripped = "UPDATE guard_trips SET reset_at = $1
                WHERE reset_at IS NULL AND (ends_at IS NULL OR ends_at > $1)";
            let told = "RETURNING rule, repository, number, note";
            let query = match id {
                Some(_) => sqlx::AssertSqlSafe(format!("{tripped} AND id = $2 {told}")),
                None => sqlx::AssertSqlSafe(format!("{tripped} {told}")),
            };
            let query = sqlx::query_as(query).bind(Micros::from(now));
            let query = match id {
                Some(id) => query.bind(id),
                None => query,
            };
            query.fetch_all(&mut *conn).await?
        });
        let many = reset.len() as u64;
        let told = reset.into_iter().map(|(rule, repository, number, note)| Entry {
            cause: Cause { rule: Some(rule), ..Cause::default() },
            repository: Some(repository),
            number: Some(number),
            note: Some(note),
            ..Entry::new(Kind::GuardReset, by.clone(), now)
        });
        append(&mut tx, told.collect()).await?;
        tx.commit().await?;
        Ok(many)
    }
}
