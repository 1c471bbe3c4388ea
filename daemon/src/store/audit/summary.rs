//! How many rows of which kind, and of whom.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::store::columns::{Micros, time, unsigned};
use crate::store::repositories::named_since;
use crate::store::{Among, Db, StoreError};

/// Rows that are counted at most, the newest of the chain.
const MOST: i64 = 10_000;

/// What the chain holds since a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AuditSummary {
    pub rows: u64,
    /// By the word of their kind.
    pub kinds: BTreeMap<String, u64>,
    /// By the kind of actor: `orchd`, `operator`, `person`, `key`.
    pub actors: BTreeMap<String, u64>,
    /// Later than what was asked for, when there were more than are counted: then what came before is not.
    pub since: DateTime<Utc>,
}

impl Db {
    /// Counts what whoever asks sees of the newest 10,000 rows since a time.
    pub async fn audit_summary(&self, since: DateTime<Utc>, among: &Among) -> Result<AuditSummary, StoreError> {
        let (set, dialect) = (among.names(), self.dialect());
        // audit_at.
        let found: Vec<(String, String, i64)> = on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new(
                "WITH a AS MATERIALIZED (SELECT kind, actor, lower(repository) AS place, at FROM audit WHERE at >= ",
            );
            query.push_bind(Micros::from(since)).push(" ORDER BY at DESC, seq DESC LIMIT ").push_bind(MOST).push(")");
            if let Some(set) = &set {
                // What is asked of a repository is asked once, and not of each row. repositories_full_name.
                query.push(format_args!(
                    ", seen AS MATERIALIZED (SELECT d.place, {} AS since FROM (SELECT DISTINCT place FROM a) d WHERE (d.place IN ",
                    named_since("d.place")
                ));
                set.push(&mut query, dialect);
                query.push(") IS TRUE)");
            }
            query.push(" SELECT a.kind, a.actor, COUNT(*) FROM a");
            if set.is_some() {
                query.push(" JOIN seen ON seen.place = a.place AND a.at >= seen.since");
            }
            query.push(" GROUP BY a.kind, a.actor");
            query.build_query_as().fetch_all(conn).await
        })?;
        // audit_at, nothing but.
        let first_left_out: Option<Micros> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT at FROM audit WHERE at >= $1 ORDER BY at DESC, seq DESC LIMIT 1 OFFSET $2")
                .bind(Micros::from(since))
                .bind(MOST)
                .fetch_optional(conn)
                .await
        })?;
        let since = time(first_left_out)?.unwrap_or(since);
        let mut summary = AuditSummary { rows: 0, kinds: BTreeMap::new(), actors: BTreeMap::new(), since };
        for (kind, actor, count) in found {
            let count: u64 = unsigned("count", count)?;
            summary.rows += count;
            *summary.kinds.entry(kind).or_default() += count;
            *summary.actors.entry(actor).or_default() += count;
        }
        Ok(summary)
    }
}
