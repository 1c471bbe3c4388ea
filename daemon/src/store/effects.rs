//! Effects: intents, and what became of them: `effects`.

mod list;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use self::list::EffectFilter;
use super::allowance::{Allowance, UsedUp};
use super::audit::{EFFECT_COLUMNS, EndedEffect, append};
use super::columns::{Micros, clean, from_json, from_word, repo_name, time, to_json, unsigned, word};
use super::dialect::Tx;
use super::jobs::JobId;
use super::merge_queue;
use super::rollbacks::{RollbackId, take_back};
use super::{Db, StoreError};
use crate::core::audit::{Actor, Entry};
use crate::core::event::{EventId, InstallationId};
use crate::core::intent::{Intent, IntentId, Target};
use crate::core::subject::{CommitId, Subject};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// Intent stored, nothing done yet.
    Planned,
    /// Before-state stored, the write may or may not have happened.
    Writing,
    /// Written and read back.
    Applied,
    /// It was already so: nothing was written.
    Unchanged,
    /// Not yet: it waits for people, for GitHub or for its turn, and has no job meanwhile; `note` says for what.
    Waiting,
    /// A guard held it back (a person's hand, a limit); `note` says which.
    Held,
    /// The write gate was closed (dry run, read-only); `note` says why.
    Gated,
    /// A shadow rule's: what would have been done.
    Shadow,
    /// Gave up; `note` says why.
    Failed,
    /// Cannot be told whether it happened: a person must look.
    Quarantined,
    /// Taken back.
    Undone,
}

impl EffectState {
    /// As they are written, in the order above.
    pub const WORDS: [&'static str; 11] = [
        "planned",
        "writing",
        "applied",
        "unchanged",
        "waiting",
        "held",
        "gated",
        "shadow",
        "failed",
        "quarantined",
        "undone",
    ];
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EffectRow {
    pub intent: Intent,
    /// The rollback that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackId>,
    pub state: EffectState,
    pub config_revision: String,
    /// What was to be written.
    pub change: Option<Value>,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub note: Option<String>,
    /// A person looked after it was quarantined, and asked for it to be done: what cannot be told is taken for "it did
    /// not happen", once.
    #[serde(default)]
    pub write_again: bool,
    pub created_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

/// A write that is about to begin.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    pub owner: &'a str,
    pub job: JobId,
    pub effect: IntentId,
    pub before: &'a Value,
    pub change: &'a Value,
    /// The job's lease from now on: long enough for the write to be answered.
    pub lease_until: DateTime<Utc>,
    /// `None`: there is no limit to what may be written.
    pub allowance: Option<Allowance<'a>>,
}

/// What an attempt came to.
#[derive(Clone, Debug)]
pub struct EffectOutcome {
    pub state: EffectState,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub note: Option<String>,
}

/// One row of `effects`.
#[derive(sqlx::FromRow)]
pub(super) struct EffectSql {
    id: Uuid,
    cursor: Uuid,
    event_id: Uuid,
    rule: String,
    action: String,
    repository: String,
    installation: Option<i64>,
    number: i64,
    subject: Option<String>,
    params: String,
    undoes: Option<Uuid>,
    rollback_id: Option<Uuid>,
    state: String,
    config_revision: String,
    change: Option<String>,
    before_state: Option<String>,
    after_state: Option<String>,
    note: Option<String>,
    write_again: bool,
    created_at: Micros,
    started_at: Option<Micros>,
    finished_at: Option<Micros>,
}

pub(super) const SELECT: &str = "SELECT id, cursor, event_id, rule, action, repository, installation, number, subject, params,
    undoes, rollback_id, state, config_revision, change, before_state, after_state, note, write_again, created_at, started_at, finished_at
    FROM effects";

const REPOSITORY: &str = "repository";

/// What stands in the column `subject`: nothing for an item, the id of a commit, or the word for the repository as such.
pub(super) fn subject_text(subject: &Subject) -> Option<&str> {
    match subject {
        Subject::Item => None,
        Subject::Commit(id) => Some(id.as_str()),
        Subject::Repository => Some(REPOSITORY),
    }
}

pub(super) fn read_subject(text: Option<&str>) -> Result<Subject, StoreError> {
    match text {
        None => Ok(Subject::Item),
        Some(REPOSITORY) => Ok(Subject::Repository),
        Some(id) => CommitId::parse(id).map(Subject::Commit).map_err(|error| StoreError::Corrupt(error.to_string())),
    }
}

impl TryFrom<EffectSql> for EffectRow {
    type Error = StoreError;

    fn try_from(row: EffectSql) -> Result<Self, StoreError> {
        let json = |column: &str, text: Option<String>| text.map(|text| from_json(column, &text)).transpose();
        Ok(Self {
            intent: Intent {
                id: IntentId(row.id),
                event: EventId(row.event_id),
                rule: from_word("rule", row.rule)?,
                action: row.action,
                target: Target {
                    repository: repo_name(&row.repository)?,
                    installation: row.installation.map(InstallationId),
                    number: unsigned("number", row.number)?,
                    subject: read_subject(row.subject.as_deref())?,
                },
                params: from_json("params", &row.params)?,
                undoes: row.undoes.map(IntentId),
            },
            rollback: row.rollback_id.map(RollbackId),
            state: from_word("state", row.state)?,
            config_revision: row.config_revision,
            change: json("change", row.change)?,
            before: json("before_state", row.before_state)?,
            after: json("after_state", row.after_state)?,
            note: row.note,
            write_again: row.write_again,
            created_at: row.created_at.try_into()?,
            started_at: time(row.started_at)?,
            finished_at: time(row.finished_at)?,
        })
    }
}

impl Db {
    pub async fn effect(&self, id: IntentId) -> Result<Option<EffectRow>, StoreError> {
        // effects: primary key.
        let found: Option<EffectSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1"));
            sqlx::query_as(sql).bind(id.0).fetch_optional(conn).await
        })?;
        found.map(EffectRow::try_from).transpose()
    }

    /// Before the write: state `writing`, with what was read and what will be written, unless what may be written is used
    /// up: then nothing changes.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the effect neither waits to be written nor is being written: another finished it.
    pub async fn begin_write(&self, write: &Write<'_>, now: DateTime<Utc>) -> Result<Option<UsedUp>, StoreError> {
        let (before, change) = (to_json(write.before)?, to_json(write.change)?);
        let mut tx = self.begin().await?;
        if let Some(allowance) = &write.allowance
            && let Some(used_up) = allowance.used_up(&mut tx).await?
        {
            return Ok(Some(used_up));
        }
        // jobs, effects: primary keys.
        let begun = on_tx!(tx, conn => {
            let ours = sqlx::query(
                "UPDATE jobs SET lease_until = $4
                 WHERE id = $1 AND effect_id = $2 AND state = 'running' AND lease_owner = $3",
            )
            .bind(write.job.0)
            .bind(write.effect.0)
            .bind(write.owner)
            .bind(Micros::from(write.lease_until))
            .execute(&mut *conn)
            .await?
            .rows_affected();
            // What was there before the first try is what undo goes back to.
            let begun = sqlx::query(
                "UPDATE effects SET state = 'writing', before_state = COALESCE(before_state, $2), change = $3,
                    started_at = $4, write_again = FALSE
                 WHERE id = $1 AND state IN ('planned', 'waiting', 'writing')",
            )
            .bind(write.effect.0)
            .bind(before)
            .bind(change)
            .bind(Micros::from(now))
            .execute(&mut *conn)
            .await?
            .rows_affected();
            ours.min(begun)
        });
        if begun == 0 {
            return Err(StoreError::LeaseLost);
        }
        tx.commit().await?;
        Ok(None)
    }

    /// Takes back [`Db::begin_write`] where GitHub refused and reading back showed that nothing was written.
    pub async fn abandon_write(&self, id: IntentId) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // effects: primary key.
        on_tx!(tx, conn => {
            sqlx::query(
                "UPDATE effects SET state = 'planned', before_state = NULL, change = NULL, started_at = NULL
                 WHERE id = $1 AND state = 'writing'",
            )
            .bind(id.0)
            .execute(&mut *conn)
            .await?;
        });
        Ok(tx.commit().await?)
    }

    /// The receipt, the job done, its place in a merge queue left, what it takes back if it is an undo, and the audit
    /// rows, in one transaction. A before-state that the outcome leaves out stays.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when the job is no longer `owner`'s.
    pub async fn finish_effect(
        &self,
        owner: &str,
        job: JobId,
        id: IntentId,
        outcome: &EffectOutcome,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let (before, after) = (outcome.before.as_ref().map(to_json), outcome.after.as_ref().map(to_json));
        let (before, after, state) = (before.transpose()?, after.transpose()?, word(&outcome.state)?);
        let mut tx = self.begin().await?;
        finish_apply_job(&mut tx, owner, job, id, now.into()).await?;
        // effects: primary key.
        let ended: Option<EndedEffect> = on_tx!(tx, conn => {
            let sql = format!(
                "UPDATE effects SET state = $2, before_state = COALESCE($3, before_state), after_state = $4, note = $5,
                    finished_at = $6 WHERE id = $1 RETURNING {EFFECT_COLUMNS}"
            );
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id.0)
                .bind(state)
                .bind(before)
                .bind(after)
                .bind(outcome.note.as_deref().map(clean))
                .bind(Micros::from(now))
                .fetch_optional(&mut *conn)
                .await?
        });
        if merge_queue::leave(&mut tx, id.0, now).await? {
            tx.notify().await?;
        }
        let undoes = ended.as_ref().and_then(|effect| effect.undoes);
        let mut told: Vec<Entry> =
            ended.and_then(|effect| effect.entry(Actor::Orchd, now.into())).into_iter().collect();
        if let (EffectState::Applied, Some(taken_back)) = (outcome.state, undoes) {
            told.extend(take_back(&mut tx, id, taken_back, now.into()).await?);
        }
        append(&mut tx, told).await?;
        Ok(tx.commit().await?)
    }
}

/// Ends an apply job within the transaction that stores what it came to.
///
/// # Errors
/// [`StoreError::LeaseLost`] when the job is no longer `owner`'s.
pub(super) async fn finish_apply_job(
    tx: &mut Tx,
    owner: &str,
    job: JobId,
    effect: IntentId,
    now: Micros,
) -> Result<(), StoreError> {
    // jobs: primary key.
    let done = on_tx!(tx, conn => {
        sqlx::query(
            "UPDATE jobs SET state = 'done', finished_at = $4, lease_owner = NULL, lease_until = NULL
             WHERE id = $1 AND effect_id = $2 AND state = 'running' AND lease_owner = $3",
        )
        .bind(job.0)
        .bind(effect.0)
        .bind(owner)
        .bind(now)
        .execute(&mut *conn)
        .await?
        .rows_affected()
    });
    if done == 0 { Err(StoreError::LeaseLost) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_that_are_stored() {
        for word in EffectState::WORDS {
            let state: EffectState = serde_json::from_value(word.into()).unwrap();
            assert_eq!(serde_json::to_value(state).unwrap(), word);
        }
        assert_eq!(EffectState::Undone as usize + 1, EffectState::WORDS.len(), "all of them");
    }
}
