//! What people did on the items on which a rule has effects in shadow.

use chrono::{DateTime, Utc};

use super::columns::{Micros, repo_name, unsigned};
use super::events::first_id;
use super::hand_changes::{HandChange, hand_change};
use super::{Db, StoreError};
use crate::core::rule::RuleName;

/// One change by hand, with the name that the repository had when the effect was recorded.
#[derive(sqlx::FromRow)]
struct HandSql {
    repository: String,
    number: i64,
    thing: String,
    name: String,
    hand: String,
    changed_by: String,
    changed_at: Micros,
}

impl Db {
    /// The latest change by hand of each thing on items on which the rule has effects in shadow since a time.
    pub async fn hands_beside_shadow(
        &self,
        rule: &RuleName,
        since: DateTime<Utc>,
    ) -> Result<Vec<HandChange>, StoreError> {
        // effects_rule; event_receipts, hand_changes: primary keys. By the event's repository, so that a rename loses nothing.
        const SQL: &str = "SELECT f.repository, h.number, h.thing, h.name, h.hand, h.changed_by, h.changed_at
             FROM (SELECT DISTINCT w.repository, w.number, e.repository_id
                FROM effects w JOIN event_receipts e ON e.id = w.event_id
                WHERE w.rule = $1 AND w.cursor >= $2 AND w.state = 'shadow' AND w.number > 0) f
             JOIN hand_changes h ON h.repository_id = f.repository_id AND h.number = f.number
             ORDER BY f.repository, h.number, h.thing, h.name";
        let found: Vec<HandSql> = on_db!(self, conn => {
            sqlx::query_as(SQL).bind(rule.as_str()).bind(first_id(since)).fetch_all(conn).await
        })?;
        let read = |row: HandSql| {
            let HandSql { repository, number, thing, name, hand, changed_by, changed_at } = row;
            hand_change(
                (repo_name(&repository)?, unsigned("number", number)?),
                (&thing, name),
                hand,
                (changed_by, changed_at),
            )
        };
        found.into_iter().map(read).collect()
    }
}
