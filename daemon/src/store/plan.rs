//! From intents to effects with their jobs, and what becomes of an effect whose job died.

use std::collections::hash_map;
use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::StoreError;
use super::audit::{EFFECT_COLUMNS, EndedEffect};
use super::columns::{Micros, signed, to_json};
use super::dialect::Tx;
use super::effects::subject_text;
use super::jobs::JobId;
use crate::core::audit::{Actor, Entry};
use crate::core::intent::{Intent, IntentId};

/// An intent to store, with the process job that wants it.
pub(super) struct Plan<'a> {
    pub(super) intent: &'a Intent,
    pub(super) shadow: bool,
    pub(super) job: JobId,
    pub(super) config_revision: &'a str,
}

/// Stores intents as effects, and an apply job for each that is to be carried out. One whose id exists is left as it is,
/// unless it never came to a write (it failed, or was held back by the gate, a limit, a hand or shadow mode): decided
/// again, it is tried again. Returns those that are planned now, or recorded for a shadow rule.
pub(super) async fn plan_effects(
    tx: &mut Tx,
    plans: &[Plan<'_>],
    now: Micros,
) -> Result<HashSet<IntentId>, StoreError> {
    let mut planned = HashSet::new();
    let mut lanes: HashMap<JobId, String> = HashMap::new();
    for plan in plans {
        let state = effect_state(tx, plan.intent.id).await?;
        match (state.as_deref(), plan.shadow) {
            (None, shadow) => {
                insert_effect(tx, plan, now).await?;
                planned.insert(plan.intent.id);
                if shadow {
                    continue;
                }
            }
            (Some("failed" | "gated" | "held" | "shadow"), false) => {
                reopen_effect(tx, plan.intent.id.0).await?;
                put_away_dead(tx, plan.intent.id, now).await?;
            }
            (Some(_), _) => continue,
        }
        let lane = match lanes.entry(plan.job) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(new) => new.insert(lane_of(tx, plan.job).await?),
        };
        insert_apply_job(tx, plan.intent, lane, now).await?;
        planned.insert(plan.intent.id);
    }
    Ok(planned)
}

async fn effect_state(tx: &mut Tx, id: IntentId) -> Result<Option<String>, sqlx::Error> {
    // effects: primary key.
    on_tx!(tx, conn => {
        sqlx::query_scalar("SELECT state FROM effects WHERE id = $1").bind(id.0).fetch_optional(&mut *conn).await
    })
}

async fn lane_of(tx: &mut Tx, job: JobId) -> Result<String, sqlx::Error> {
    // jobs: primary key.
    on_tx!(tx, conn => {
        sqlx::query_scalar("SELECT lane FROM jobs WHERE id = $1").bind(job.0).fetch_one(&mut *conn).await
    })
}

async fn insert_effect(tx: &mut Tx, plan: &Plan<'_>, now: Micros) -> Result<(), StoreError> {
    let intent = plan.intent;
    let params = to_json(&intent.params)?;
    on_tx!(tx, conn => {
        sqlx::query(
            "INSERT INTO effects (id, cursor, event_id, rule, action, repository, installation, number, subject, params,
                undoes, state, config_revision, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(intent.id.0)
        .bind(Uuid::now_v7())
        .bind(intent.event.0)
        .bind(intent.rule.as_str())
        .bind(intent.action.as_str())
        .bind(intent.target.repository.as_str())
        .bind(intent.target.installation.map(|id| id.0))
        .bind(signed(intent.target.number))
        .bind(subject_text(&intent.target.subject))
        .bind(params)
        .bind(intent.undoes.map(|id| id.0))
        .bind(if plan.shadow { "shadow" } else { "planned" })
        .bind(plan.config_revision)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    });
    Ok(())
}

async fn insert_apply_job(tx: &mut Tx, intent: &Intent, lane: &str, now: Micros) -> Result<(), sqlx::Error> {
    on_tx!(tx, conn => {
        sqlx::query(
            "INSERT INTO jobs (id, kind, event_id, effect_id, lane, run_at, created_at)
             VALUES ($1, 'apply', $2, $3, $4, $5, $5)",
        )
        .bind(Uuid::now_v7())
        .bind(intent.event.0)
        .bind(intent.id.0)
        .bind(lane)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    });
    Ok(())
}

/// The dead letters of an effect that gets a new job.
async fn put_away_dead(tx: &mut Tx, id: IntentId, now: Micros) -> Result<(), sqlx::Error> {
    // jobs_of_effect.
    on_tx!(tx, conn => {
        sqlx::query(
            "UPDATE jobs SET state = 'discarded', finished_at = $2
             WHERE kind = 'apply' AND effect_id = $1 AND state = 'dead'",
        )
        .bind(id.0)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    });
    Ok(())
}

/// An effect that was given up or held back is to be tried again. One whose write had begun goes on as `writing`: whoever carries it out must
/// first check whether it happened (invariant 5). Only a person's word brings a quarantined one here.
pub(super) async fn reopen_effect(tx: &mut Tx, id: Uuid) -> Result<(), sqlx::Error> {
    // effects: primary key.
    on_tx!(tx, conn => {
        sqlx::query(
            "UPDATE effects SET state = CASE WHEN started_at IS NULL THEN 'planned' ELSE 'writing' END,
                write_again = (state = 'quarantined'), finished_at = NULL
             WHERE id = $1 AND state IN ('failed', 'quarantined', 'gated', 'held', 'shadow')",
        )
        .bind(id)
        .execute(&mut *conn)
        .await?;
    });
    Ok(())
}

/// Its job died. Whether a begun write happened cannot be told. Returns the audit row to append.
pub(super) async fn fail_effect(
    tx: &mut Tx,
    id: IntentId,
    error: &str,
    now: Micros,
) -> Result<Option<Entry>, sqlx::Error> {
    // effects: primary key.
    let failed: Option<EndedEffect> = on_tx!(tx, conn => {
        let sql = format!(
            "UPDATE effects SET state = CASE WHEN state = 'writing' THEN 'quarantined' ELSE 'failed' END, note = $2,
                finished_at = $3 WHERE id = $1 AND state IN ('planned', 'waiting', 'writing') RETURNING {EFFECT_COLUMNS}"
        );
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.0).bind(error).bind(now).fetch_optional(&mut *conn).await?
    });
    Ok(failed.and_then(|effect| effect.entry(Actor::Orchd, now)))
}
