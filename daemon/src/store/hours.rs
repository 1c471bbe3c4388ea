//! How much happened between two times, by repository and rule: what charts are drawn from.

use chrono::{DateTime, Utc};

use super::events::first_id;
use super::{Db, StoreError};
use crate::core::event::RepoName;
use crate::core::rule::RuleName;

/// Rows that a count looks at: beyond it, a chart tells at least so many.
pub const COUNTED: i64 = 200_000;

/// Events of a repository; `None`: of none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCount {
    pub repository: Option<RepoName>,
    pub events: u64,
}

/// What a rule came to in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    pub rule: RuleName,
    pub repository: Option<RepoName>,
    /// Events that it matched, or effects that were made.
    pub count: u64,
}

type EventSql = (Option<String>, i64);
type RuleSql = (String, Option<String>, i64);

impl Db {
    /// Events whose ids were given in this time, by repository.
    pub async fn count_events(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<EventCount>, StoreError> {
        // event_receipts: primary key; repositories: primary key.
        let rows: Vec<EventSql> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT r.full_name, c.events FROM (
                     SELECT repository_id, count(*) AS events FROM (
                         SELECT repository_id FROM event_receipts WHERE id >= $1 AND id < $2 LIMIT $3) taken
                     GROUP BY repository_id) c
                 LEFT JOIN repositories r ON r.id = c.repository_id",
            )
            .bind(first_id(from))
            .bind(first_id(to))
            .bind(COUNTED)
            .fetch_all(conn)
            .await
        })?;
        let count = |(name, events): EventSql| {
            Ok(EventCount { repository: repository(name)?, events: u64::try_from(events).unwrap_or(0) })
        };
        rows.into_iter().map(count).collect()
    }

    /// Events of this time that rules matched, by rule and repository.
    pub async fn count_matches(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<RuleCount>, StoreError> {
        // decisions: primary key; event_receipts and repositories: primary key.
        const SQL: &str = "SELECT d.rule, r.full_name, count(*) FROM (
                 SELECT rule, event_id FROM (
                     SELECT rule, event_id, verdict FROM decisions WHERE event_id >= $1 AND event_id < $2 LIMIT $3) taken
                 WHERE verdict = 'matched') d
             JOIN event_receipts e ON e.id = d.event_id
             LEFT JOIN repositories r ON r.id = e.repository_id
             GROUP BY d.rule, r.full_name";
        self.count_by_rule(SQL, from, to).await
    }

    /// Effects that were made in this time and written to GitHub, by rule and repository.
    pub async fn count_effects(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<RuleCount>, StoreError> {
        // effects: effects_cursor.
        const SQL: &str = "SELECT rule, repository, count(*) FROM (
                 SELECT rule, repository, state FROM effects WHERE cursor >= $1 AND cursor < $2 LIMIT $3) taken
             WHERE state IN ('applied', 'undone')
             GROUP BY rule, repository";
        self.count_by_rule(SQL, from, to).await
    }

    async fn count_by_rule(
        &self,
        sql: &'static str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Vec<RuleCount>, StoreError> {
        let (first, end) = (first_id(from), first_id(to));
        let rows: Vec<RuleSql> = on_db!(self, conn => {
            sqlx::query_as(sql).bind(first).bind(end).bind(COUNTED).fetch_all(conn).await
        })?;
        rows.into_iter().map(rule_count).collect()
    }
}

fn rule_count((rule, name, count): RuleSql) -> Result<RuleCount, StoreError> {
    let rule = RuleName::parse(&rule).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(RuleCount { rule, repository: repository(name)?, count: u64::try_from(count).unwrap_or(0) })
}

fn repository(name: Option<String>) -> Result<Option<RepoName>, StoreError> {
    name.map(|name| RepoName::parse(&name)).transpose().map_err(|error| StoreError::Corrupt(error.to_string()))
}
