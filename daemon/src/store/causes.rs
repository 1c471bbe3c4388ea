//! Which effect of ours caused an event: `causes`.

use std::collections::HashMap;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::columns::{Micros, from_word, signed, unsigned};
use super::dialect::{Bulk, Tx};
use super::effects::{EffectRow, EffectSql, SELECT};
use super::events::EventRow;
use super::{Db, StoreError};
use crate::core::event::{EventId, RepoName};
use crate::core::intent::IntentId;
use crate::core::rule::RuleName;

/// Written effects of one item that are looked at, newest first.
const MOST_EFFECTS: i64 = 200;

/// That an effect of ours caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    pub effect: IntentId,
    /// Effects in a row that led to the event, this one included: at least 1.
    pub depth: u32,
}

/// The same, with what is known of the effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CauseRow {
    pub effect: IntentId,
    pub depth: u32,
    pub rule: RuleName,
    pub action: String,
    /// The event that the rule had met.
    pub event: EventId,
}

/// An event that an effect of another one caused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CausedRow {
    pub event: EventId,
    pub event_type: String,
    pub event_action: Option<String>,
    pub effect: IntentId,
}

/// Stores what processing found out; an event has one cause, however often it is decided on.
pub(super) async fn store_cause(tx: &mut Tx, event: EventId, cause: Cause) -> Result<(), sqlx::Error> {
    // causes: primary key.
    on_tx!(tx, conn => {
        sqlx::query(
            "INSERT INTO causes (event_id, effect_id, depth) VALUES ($1, $2, $3)
             ON CONFLICT (event_id) DO UPDATE SET effect_id = excluded.effect_id, depth = excluded.depth",
        )
        .bind(event.0)
        .bind(cause.effect.0)
        .bind(i64::from(cause.depth))
        .execute(&mut *conn)
        .await?;
    });
    Ok(())
}

impl Db {
    /// What caused the event, if an effect of ours did and is still stored.
    pub async fn cause_of(&self, event: EventId) -> Result<Option<CauseRow>, StoreError> {
        Ok(self.causes_of(&[event]).await?.remove(&event))
    }

    /// The same of several events.
    pub async fn causes_of(&self, events: &[EventId]) -> Result<HashMap<EventId, CauseRow>, StoreError> {
        type Found = (Uuid, Uuid, i64, String, String, Uuid);
        // causes, effects: primary keys.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| {
            Bulk::new(
                "SELECT c.event_id, c.effect_id, c.depth, e.rule, e.action, e.event_id FROM causes c
                 JOIN effects e ON e.id = c.effect_id WHERE c.event_id IN (",
                "#",
                ")",
            )
        });
        let mut causes = HashMap::new();
        for (sql, chunk) in SQL.chunks(self.dialect(), events) {
            let found: Vec<Found> = on_db!(self, conn => {
                let mut query = sqlx::query_as(sql);
                for id in chunk {
                    query = query.bind(id.0);
                }
                query.fetch_all(conn).await
            })?;
            for (caused, effect, depth, rule, action, event) in found {
                let cause = CauseRow {
                    effect: IntentId(effect),
                    depth: unsigned("depth", depth)?,
                    rule: from_word("rule", rule)?,
                    action,
                    event: EventId(event),
                };
                causes.insert(EventId(caused), cause);
            }
        }
        Ok(causes)
    }

    /// What the effects that followed from an event caused: events of its repository, and of its item where it has one,
    /// among the next 200 of these, in order of arrival.
    pub async fn caused_by(&self, event: &EventRow) -> Result<Vec<CausedRow>, StoreError> {
        type Found = (Uuid, String, Option<String>, Uuid);
        const NEXT: i64 = 200;
        if event.repository.is_none() {
            return Ok(Vec::new());
        }
        // event_receipts: primary key; then event_receipts_item, or event_receipts_repository; causes, effects: primary
        // keys.
        let item = if event.number.is_some() { "AND n.number = o.number" } else { "" };
        let found: Vec<Found> = on_db!(self, conn => {
            let sql = format!(
                "SELECT e.id, e.event_type, e.event_action, c.effect_id
                 FROM (SELECT n.id, n.event_type, n.event_action FROM event_receipts o
                        JOIN event_receipts n ON n.repository_id = o.repository_id {item} AND n.id > o.id
                        WHERE o.id = $1 ORDER BY n.id LIMIT {NEXT}) e
                 JOIN causes c ON c.event_id = e.id JOIN effects f ON f.id = c.effect_id
                 WHERE f.event_id = $1 ORDER BY e.id"
            );
            sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(event.id.0).fetch_all(conn).await
        })?;
        let caused = |(id, event_type, event_action, effect)| CausedRow {
            event: EventId(id),
            event_type,
            event_action,
            effect: IntentId(effect),
        };
        Ok(found.into_iter().map(caused).collect())
    }

    /// Effects anywhere in the repository whose write began between these times: those that began last come first, at most
    /// 200.
    pub async fn written_in(
        &self,
        repository: &RepoName,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<EffectRow>, StoreError> {
        // effects_written_at: a few minutes of all repositories.
        let found: Vec<EffectSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!(
                "{SELECT} WHERE started_at >= $2 AND started_at <= $3 AND state IN ('writing', 'applied', 'undone')
                    AND lower(repository) = $1 ORDER BY started_at DESC LIMIT $4"
            ));
            sqlx::query_as(sql)
                .bind(repository.as_str().to_ascii_lowercase())
                .bind(Micros::from(from))
                .bind(Micros::from(until))
                .bind(MOST_EFFECTS)
                .fetch_all(conn)
                .await
        })?;
        found.into_iter().map(EffectRow::try_from).collect()
    }

    /// Effects on the item whose write began between these times: those planned last come first, at most 200.
    pub async fn written_on(
        &self,
        repository: &RepoName,
        number: u64,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<EffectRow>, StoreError> {
        // effects_item.
        let found: Vec<EffectSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!(
                "{SELECT} WHERE lower(repository) = $1 AND number = $2 AND started_at >= $3 AND started_at <= $4
                    AND state IN ('writing', 'applied', 'undone', 'quarantined')
                 ORDER BY cursor DESC LIMIT $5"
            ));
            sqlx::query_as(sql)
                .bind(repository.as_str().to_ascii_lowercase())
                .bind(signed(number))
                .bind(Micros::from(from))
                .bind(Micros::from(until))
                .bind(MOST_EFFECTS)
                .fetch_all(conn)
                .await
        })?;
        found.into_iter().map(EffectRow::try_from).collect()
    }
}
