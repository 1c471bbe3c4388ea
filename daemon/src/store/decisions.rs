//! Decisions with their explanation: `decisions`.

use std::collections::HashSet;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::among::one_of;
use super::audit::append;
use super::causes::{self, store_cause};
use super::columns::{Micros, from_json, from_word, signed, to_json, word};
use super::dialect::{Bulk, Tx};
use super::facts::replace_facts;
use super::hand_changes::store_hand;
use super::jobs::JobId;
use super::plan::{Plan, plan_effects};
use super::rows::Column::{Id, Int, Text};
use super::rows::{Cell, Rows};
use super::{Db, StoreError};
use crate::core::audit::{Actor, Cause, Entry, Kind};
use crate::core::decide::{Decision, Verdict};
use crate::core::event::{EventId, RepoName};
use crate::core::explain::Explanation;
use crate::core::facts::Beside;
use crate::core::intent::IntentId;
use crate::core::rule::{Mode, RuleName};

/// What processing an event came to.
#[derive(Clone, Debug)]
pub struct Processed {
    pub job: JobId,
    pub event: EventId,
    pub decisions: Vec<Decision>,
    /// Hash of the config that decided.
    pub config_revision: String,
    /// What the event tells that a person did by hand.
    pub hand_changes: Vec<super::hand_changes::HandChange>,
    /// The effect of ours that caused the event.
    pub cause: Option<causes::Cause>,
    /// What was known beside the payload.
    pub facts: Option<Beside>,
}

/// A stored decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DecisionRow {
    pub id: Uuid,
    pub event: EventId,
    pub rule: RuleName,
    pub mode: Mode,
    pub verdict: Verdict,
    pub explanation: Explanation,
    pub config_revision: String,
    pub decided_at: DateTime<Utc>,
}

/// One row of `decisions`.
#[derive(sqlx::FromRow)]
pub(super) struct DecisionSql {
    id: Uuid,
    event_id: Uuid,
    pub(super) rule: String,
    mode: String,
    verdict: String,
    explanation: String,
    config_revision: String,
    decided_at: Micros,
}

/// The newest events about an item, among which its decisions are looked for.
const EVENTS_LOOKED_AT: i64 = 1_000;

pub(super) const SELECT: &str =
    "SELECT d.id, d.event_id, d.rule, d.mode, d.verdict, d.explanation, d.config_revision, d.decided_at
    FROM decisions d";

impl TryFrom<DecisionSql> for DecisionRow {
    type Error = StoreError;

    fn try_from(row: DecisionSql) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            event: EventId(row.event_id),
            rule: from_word("rule", row.rule)?,
            mode: from_word("mode", row.mode)?,
            verdict: from_word("verdict", row.verdict)?,
            explanation: from_json("explanation", &row.explanation)?,
            config_revision: row.config_revision,
            decided_at: row.decided_at.try_into()?,
        })
    }
}

impl Db {
    /// Finishes `Process` jobs of one claim in one transaction: decisions, the effects of matched active rules (state
    /// `planned`) with an `Apply` job each in the event's lane, hand changes; each event becomes `processed` and its job
    /// `done`. Decisions of an earlier attempt or replay of the event are replaced; an effect whose id exists is left
    /// as it is (and gets no second job unless it is `failed`). Shadow rules' intents are stored as effects in state
    /// `shadow`, without a job.
    ///
    /// A claim may be finished in parts: its head keeps the lane, so it belongs into the last one.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when a job is neither `owner`'s nor behind one of `owner`'s in its lane; then none is
    /// finished.
    pub async fn finish_processed(
        &self,
        owner: &str,
        processed: &[Processed],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let now = Micros::from(now);
        let rows = decision_rows(processed)?;
        let mut tx = self.begin().await?;
        finish_jobs(&mut tx, owner, processed, now).await?;
        finish_events(&mut tx, processed, now).await?;
        forget_decisions(&mut tx, processed).await?;
        insert_decisions(&mut tx, &rows, now).await?;
        replace_facts(&mut tx, processed).await?;
        let planned = plan_effects(&mut tx, &plans(processed), now).await?;
        for each in processed {
            for change in &each.hand_changes {
                store_hand(&mut tx, each.event, change).await?;
            }
            if let Some(cause) = each.cause {
                store_cause(&mut tx, each.event, cause).await?;
            }
        }
        if !planned.is_empty() {
            tx.notify().await?;
        }
        append(&mut tx, told(processed, &planned, now)).await?;
        Ok(tx.commit().await?)
    }

    /// In the order of the config.
    pub async fn decisions_of(&self, event: EventId) -> Result<Vec<DecisionRow>, StoreError> {
        // decisions: primary key.
        let found: Vec<DecisionSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE d.event_id = $1 ORDER BY d.id"));
            sqlx::query_as(sql).bind(event.0).fetch_all(conn).await
        })?;
        found.into_iter().map(DecisionRow::try_from).collect()
    }

    /// Decisions on one item, of one rule or of all, newest first.
    pub async fn decisions_on(
        &self,
        repository: &RepoName,
        number: u64,
        rule: Option<&RuleName>,
        limit: u32,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        let Some(id) = self.repository_id(repository).await? else {
            return Ok(Vec::new());
        };
        // event_receipts_item, then decisions: primary key. A join would lead PostgreSQL to read all decisions.
        let (head, tail) = one_of(self.dialect());
        let found: Vec<DecisionSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!(
                "{SELECT} WHERE d.event_id{head}SELECT e.id FROM event_receipts e WHERE e.repository_id = $1
                    AND e.number = $2 ORDER BY e.id DESC LIMIT {EVENTS_LOOKED_AT}{tail}
                    AND ($4 = '' OR d.rule = $4)
                 ORDER BY d.event_id DESC, d.id DESC LIMIT $3"
            ));
            let rule = rule.map(RuleName::as_str).unwrap_or_default();
            sqlx::query_as(sql)
                .bind(id)
                .bind(signed(number))
                .bind(i64::from(limit))
                .bind(rule)
                .fetch_all(conn)
                .await
        })?;
        found.into_iter().map(DecisionRow::try_from).collect()
    }
}

/// Ends the jobs. The head of a lane is running and ours; what stands behind it is still queued.
async fn finish_jobs(tx: &mut Tx, owner: &str, processed: &[Processed], now: Micros) -> Result<(), StoreError> {
    // jobs_one_running_a_lane: what runs; jobs: primary key.
    static BEHIND: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "UPDATE jobs SET state = 'done', finished_at = # WHERE state = 'queued' AND kind = 'process'
                AND lane IN (SELECT r.lane FROM jobs r WHERE r.state = 'running' AND r.lease_owner = #) AND id IN (",
            "#",
            ")",
        )
    });
    static HEADS: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "UPDATE jobs SET state = 'done', finished_at = #, lease_owner = NULL, lease_until = NULL
             WHERE state = 'running' AND kind = 'process' AND lease_owner = # AND id IN (",
            "#",
            ")",
        )
    });
    let running: Vec<Uuid> = on_tx!(tx, conn => {
        sqlx::query_scalar("SELECT id FROM jobs WHERE state = 'running' AND lease_owner = $1")
            .bind(owner)
            .fetch_all(&mut *conn)
            .await?
    });
    let (heads, behind): (Vec<Uuid>, Vec<Uuid>) =
        processed.iter().map(|each| each.job.0).partition(|job| running.contains(job));
    for (bulk, jobs) in [(&*BEHIND, behind), (&*HEADS, heads)] {
        for (sql, chunk) in bulk.chunks(tx.dialect(), &jobs) {
            let done = on_tx!(tx, conn => {
                let mut query = sqlx::query(sql).bind(now).bind(owner);
                for job in chunk {
                    query = query.bind(*job);
                }
                query.execute(&mut *conn).await?.rows_affected()
            });
            if done != chunk.len() as u64 {
                return Err(StoreError::LeaseLost);
            }
        }
    }
    Ok(())
}

async fn finish_events(tx: &mut Tx, processed: &[Processed], now: Micros) -> Result<(), sqlx::Error> {
    // event_receipts: primary key.
    static SQL: LazyLock<Bulk> = LazyLock::new(|| {
        Bulk::new(
            "UPDATE event_receipts SET processing_status = 'processed', error_message = NULL, updated_at = #
             WHERE id IN (",
            "#",
            ")",
        )
    });
    for (sql, chunk) in SQL.chunks(tx.dialect(), processed) {
        on_tx!(tx, conn => {
            let mut query = sqlx::query(sql).bind(now);
            for each in chunk {
                query = query.bind(each.event.0);
            }
            query.execute(&mut *conn).await?;
        });
    }
    Ok(())
}

async fn forget_decisions(tx: &mut Tx, processed: &[Processed]) -> Result<(), sqlx::Error> {
    // decisions: primary key.
    static SQL: LazyLock<Bulk> = LazyLock::new(|| Bulk::new("DELETE FROM decisions WHERE event_id IN (", "#", ")"));
    for (sql, chunk) in SQL.chunks(tx.dialect(), processed) {
        on_tx!(tx, conn => {
            let mut query = sqlx::query(sql);
            for each in chunk {
                query = query.bind(each.event.0);
            }
            query.execute(&mut *conn).await?;
        });
    }
    Ok(())
}

/// A decision as its row wants it.
struct NewRow<'a> {
    event: EventId,
    decision: &'a Decision,
    mode: String,
    verdict: String,
    explanation: String,
    revision: &'a str,
}

fn decision_rows(processed: &[Processed]) -> Result<Vec<NewRow<'_>>, StoreError> {
    let mut rows = Vec::new();
    for each in processed {
        for decision in &each.decisions {
            rows.push(NewRow {
                event: each.event,
                decision,
                mode: word(&decision.mode)?,
                verdict: word(&decision.verdict)?,
                explanation: to_json(&decision.explanation)?,
                revision: &each.config_revision,
            });
        }
    }
    Ok(rows)
}

async fn insert_decisions(tx: &mut Tx, rows: &[NewRow<'_>], now: Micros) -> Result<(), sqlx::Error> {
    static SQL: LazyLock<Rows<8>> = LazyLock::new(|| {
        Rows::new(
            "INSERT INTO decisions (id, event_id, rule, mode, verdict, explanation, config_revision, decided_at)
             SELECT * FROM {rows} AS v WHERE v.column1 IS NOT NULL",
            [Id, Id, Text, Text, Text, Text, Text, Int],
        )
    });
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            [
                Cell::Id(Some(Uuid::now_v7())),
                Cell::Id(Some(row.event.0)),
                Cell::Text(Some(row.decision.rule.as_str())),
                Cell::Text(Some(&row.mode)),
                Cell::Text(Some(&row.verdict)),
                Cell::Text(Some(&row.explanation)),
                Cell::Text(Some(row.revision)),
                Cell::Int(Some(now.0)),
            ]
        })
        .collect();
    SQL.execute(tx, &cells).await.map(|_| ())
}

/// What matched rules want done, each intent once.
fn plans(processed: &[Processed]) -> Vec<Plan<'_>> {
    let mut seen = HashSet::new();
    let mut plans = Vec::new();
    for each in processed {
        for decision in each.decisions.iter().filter(|decision| decision.verdict == Verdict::Matched) {
            let shadow = match decision.mode {
                Mode::Active => false,
                Mode::Shadow => true,
                Mode::Off => continue,
            };
            for intent in decision.intents.iter().filter(|intent| seen.insert(intent.id)) {
                plans.push(Plan { intent, shadow, job: each.job, config_revision: &each.config_revision });
            }
        }
    }
    plans
}

/// The audit rows of decisions that led to an effect; one that found its effects there already led to none.
fn told(processed: &[Processed], planned: &HashSet<IntentId>, now: Micros) -> Vec<Entry> {
    let mut told = Vec::new();
    for each in processed {
        for decision in &each.decisions {
            let effects: Vec<_> = decision.intents.iter().filter(|intent| planned.contains(&intent.id)).collect();
            let Some(target) = effects.first().map(|intent| &intent.target) else { continue };
            let named = effects.iter().map(|it| json!({"id": it.id, "action": it.action, "params": it.params}));
            let after = json!({"mode": decision.mode, "effects": named.collect::<Vec<_>>()});
            told.push(Entry {
                kind: Kind::Decision,
                actor: Actor::Orchd,
                at: now.0,
                cause: Cause {
                    event: Some(each.event.0),
                    rule: Some(decision.rule.as_str().to_owned()),
                    config_revision: Some(each.config_revision.clone()),
                    ..Cause::default()
                },
                repository: Some(target.repository.as_str().to_owned()),
                number: Some(signed(target.number)),
                before: None,
                after: Some(after.to_string()),
                note: Some(decision.explanation.reason().to_owned()),
            });
        }
    }
    told
}
