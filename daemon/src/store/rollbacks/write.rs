//! What changes a rollback: planned, judged, carried out, and forgotten.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Judgement, RollbackFilter, RollbackId};
use crate::core::audit::{Actor, Cause, Entry, Kind};
use crate::core::intent::IntentId;
use crate::core::rule::RuleName;
use crate::store::among::Among;
use crate::store::audit::{EFFECT_COLUMNS, EndedEffect, append};
use crate::store::columns::{Micros, clean, from_json, to_json, word};
use crate::store::dialect::Tx;
use crate::store::events::first_id;
use crate::store::repositories::since_named;
use crate::store::rows::Column::Id;
use crate::store::rows::{Cell, Rows};
use crate::store::{Db, StoreError};

/// The conditions of a filter, for either database's builder.
macro_rules! push_conditions {
    ($query:ident, $filter:ident) => {
        let names_undos = $filter.effect.is_some()
            || $filter.rollback.is_some()
            || $filter.rule.as_ref().is_some_and(|rule| *rule == RuleName::rollback());
        if !names_undos {
            $query.push(" AND undoes IS NULL");
        }
        if let Some(effect) = $filter.effect {
            $query.push(" AND id = ").push_bind(effect.0);
        }
        if let Some(rule) = &$filter.rule {
            $query.push(" AND rule = ").push_bind(rule.as_str().to_owned());
        }
        if let Some(event) = $filter.event {
            $query.push(" AND event_id = ").push_bind(event.0);
        }
        if let Some(config) = &$filter.config {
            $query.push(" AND substr(config_revision, 1, ").push_bind(config.chars().count() as i32);
            $query.push(") = ").push_bind(config.clone());
        }
        if let Some(since) = $filter.since {
            $query.push(" AND cursor >= ").push_bind(first_id(since));
        }
        if let Some(until) = $filter.until {
            $query.push(" AND cursor < ").push_bind(first_id(until));
        }
        if let Some(repository) = &$filter.repo {
            $query.push(" AND lower(repository) = ").push_bind(repository.as_str().to_ascii_lowercase());
        }
        if let Some(rollback) = $filter.rollback {
            $query.push(" AND rollback_id = ").push_bind(rollback.0);
        }
    };
}

impl Db {
    /// Begins a plan: the effects that fit and that are in these repositories, newest first, at most so many.
    pub async fn begin_rollback(
        &self,
        filter: &RollbackFilter,
        among: &Among,
        most_effects: u32,
        by: Actor,
        now: DateTime<Utc>,
    ) -> Result<RollbackId, StoreError> {
        static ITEMS: LazyLock<Rows<3>> = LazyLock::new(|| {
            Rows::new(
                "INSERT INTO rollback_items (rollback_id, undo_id, effect_id)
                 SELECT * FROM {rows} AS v WHERE v.column1 IS NOT NULL",
                [Id, Id, Id],
            )
        });
        let id = Uuid::now_v7();
        let mut found = self.fitting(filter, among, i64::from(most_effects) + 1).await?;
        let cut_off = found.len() > most_effects as usize;
        found.truncate(most_effects as usize);
        let items: Vec<[Cell<'_>; 3]> =
            found.into_iter().map(|effect| [Some(id), Some(Uuid::now_v7()), Some(effect)].map(Cell::Id)).collect();
        let text = to_json(filter)?;
        let mut tx = self.begin().await?;
        on_tx!(tx, conn => {
            sqlx::query(
                "INSERT INTO rollbacks (id, filter, most_effects, cut_off, created_at) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(id)
            .bind(text)
            .bind(i64::from(most_effects))
            .bind(cut_off)
            .bind(Micros::from(now))
            .execute(&mut *conn)
            .await?;
        });
        ITEMS.execute(&mut tx, &items).await?;
        store_repositories(&mut tx, id, filter).await?;
        let after = json!({"rollback": id, "filter": filter, "effects": items.len(), "cut_off": cut_off});
        append(&mut tx, vec![entry(Kind::RollbackPlanned, by, now, filter, after)]).await?;
        tx.commit().await?;
        Ok(RollbackId(id))
    }

    async fn fitting(&self, filter: &RollbackFilter, among: &Among, limit: i64) -> Result<Vec<Uuid>, StoreError> {
        let (set, dialect) = (among.names(), self.dialect());
        // effects: primary key, effects_rule, _event, _repository, _rollback, else _cursor; a config alone reads them all.
        Ok(on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new("SELECT id FROM effects WHERE 1 = 1");
            push_conditions!(query, filter);
            if let Some(set) = &set {
                query.push(" AND lower(repository) IN ");
                set.push(&mut query, dialect);
                query.push(since_named("lower(repository)", "created_at"));
            }
            query.push(" ORDER BY cursor DESC LIMIT ").push_bind(limit);
            query.build_query_scalar::<Uuid>().fetch_all(conn).await
        })?)
    }

    /// Stores how effects of a plan were judged.
    pub async fn judge_rollback(&self, id: RollbackId, judged: &[Judgement]) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        for each in judged {
            let verdict = word(&each.verdict)?;
            // rollback_items: primary key.
            on_tx!(tx, conn => {
                sqlx::query("UPDATE rollback_items SET verdict = $3, note = $4 WHERE rollback_id = $1 AND undo_id = $2")
                    .bind(id.0)
                    .bind(each.undo.0)
                    .bind(verdict)
                    .bind(each.note.as_deref().map(clean))
                    .execute(&mut *conn)
                    .await?;
            });
        }
        Ok(tx.commit().await?)
    }

    /// What the planning waits for; none: it goes on.
    pub async fn note_rollback(&self, id: RollbackId, note: Option<&str>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // rollbacks: primary key.
        on_tx!(tx, conn => {
            sqlx::query("UPDATE rollbacks SET note = $2 WHERE id = $1")
                .bind(id.0)
                .bind(note.map(clean))
                .execute(&mut *conn)
                .await?;
        });
        Ok(tx.commit().await?)
    }

    /// Every effect of the plan was judged.
    pub async fn finish_plan(&self, id: RollbackId, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        // rollbacks: primary key.
        on_tx!(tx, conn => {
            sqlx::query("UPDATE rollbacks SET planned_at = $2, note = NULL WHERE id = $1 AND planned_at IS NULL")
                .bind(id.0)
                .bind(Micros::from(now))
                .execute(&mut *conn)
                .await?;
        });
        Ok(tx.commit().await?)
    }

    /// Has a plan carried out: an effect and a job for each undo, in the repositories' lanes, newest first. Returns how
    /// many there are; `None`: it is not planned yet, or was carried out before.
    pub async fn execute_rollback(
        &self,
        id: RollbackId,
        config_revision: &str,
        by: Actor,
        now: DateTime<Utc>,
    ) -> Result<Option<u64>, StoreError> {
        let at = Micros::from(now);
        let mut tx = self.begin().await?;
        // rollbacks, rollback_items, effects: primary keys; effects_rollback. Of an effect that is not applied any more nothing is undone.
        const WANTED: &str = "FROM rollback_items i JOIN effects e ON e.id = i.effect_id
             WHERE i.rollback_id = $1 AND i.verdict = 'undo' AND e.state = 'applied' ORDER BY i.undo_id";
        let effects = format!(
            "INSERT INTO effects (id, cursor, event_id, rule, action, repository, installation, number, subject,
                params, undoes, rollback_id, state, config_revision, created_at)
             SELECT i.undo_id, i.undo_id, e.event_id, $2, e.action, e.repository, e.installation, e.number, e.subject,
                e.params, e.id, i.rollback_id, 'planned', $3, $4 {WANTED}"
        );
        const JOBS: &str = "INSERT INTO jobs (id, kind, event_id, effect_id, lane, run_at, created_at)
             SELECT u.id, 'apply', u.rollback_id, u.id, lower(u.repository), $2, $2 FROM effects u
             WHERE u.rollback_id = $1";
        let begun: Option<(String, u64)> = on_tx!(tx, conn => {
            let filter: Option<String> = sqlx::query_scalar(
                "UPDATE rollbacks SET executed_at = $2
                 WHERE id = $1 AND planned_at IS NOT NULL AND executed_at IS NULL RETURNING filter",
            )
            .bind(id.0)
            .bind(at)
            .fetch_optional(&mut *conn)
            .await?;
            let Some(filter) = filter else { return Ok(None) };
            sqlx::query(sqlx::AssertSqlSafe(effects))
                .bind(id.0)
                .bind(RuleName::rollback().as_str())
                .bind(config_revision)
                .bind(at)
                .execute(&mut *conn)
                .await?;
            let queued = sqlx::query(JOBS).bind(id.0).bind(at).execute(&mut *conn).await?.rows_affected();
            Some((filter, queued))
        });
        let Some((filter, queued)) = begun else { return Ok(None) };
        let filter: RollbackFilter = from_json("filter", &filter)?;
        tx.notify().await?;
        let after = json!({"rollback": id, "filter": filter, "undos": queued});
        let mut told = entry(Kind::RollbackExecuted, by, now, &filter, after);
        told.cause.config_revision = Some(config_revision.to_owned());
        append(&mut tx, vec![told]).await?;
        tx.commit().await?;
        Ok(Some(queued))
    }
}

/// Who may see a rollback is told by the repositories that it was asked for or touches.
async fn store_repositories(tx: &mut Tx, id: Uuid, filter: &RollbackFilter) -> Result<(), sqlx::Error> {
    // rollback_items, effects, rollback_repositories: primary keys.
    on_tx!(tx, conn => {
        sqlx::query(
            "INSERT INTO rollback_repositories (rollback_id, repository)
             SELECT DISTINCT i.rollback_id, lower(e.repository) FROM rollback_items i
             JOIN effects e ON e.id = i.effect_id WHERE i.rollback_id = $1",
        )
        .bind(id)
        .execute(&mut *conn)
        .await?;
    });
    let Some(asked) = &filter.repo else { return Ok(()) };
    on_tx!(tx, conn => {
        sqlx::query(
            "INSERT INTO rollback_repositories (rollback_id, repository) VALUES ($1, $2)
             ON CONFLICT (rollback_id, repository) DO NOTHING",
        )
        .bind(id)
        .bind(asked.as_str().to_ascii_lowercase())
        .execute(&mut *conn)
        .await?;
    });
    Ok(())
}

/// The audit row of what a person asked for. Its cause is what the filter names: that stays when `after` is dropped by age.
fn entry(kind: Kind, by: Actor, now: DateTime<Utc>, filter: &RollbackFilter, after: Value) -> Entry {
    let cause = Cause {
        event: filter.event.map(|event| event.0),
        rule: filter.rule.as_ref().map(|rule| rule.as_str().to_owned()),
        effect: filter.effect.map(|effect| effect.0),
        ..Cause::default()
    };
    let repository = filter.repo.as_ref().map(|repository| repository.as_str().to_owned());
    Entry { cause, repository, ..Entry::new(kind, by, now).states(None, Some(after)) }
}

/// The effect that was taken back is `undone`. If that was an undo itself, what it had undone stands again, and so on
/// down the line. Returns the audit rows to append.
pub(in crate::store) async fn take_back(
    tx: &mut Tx,
    by: IntentId,
    taken_back: Uuid,
    now: Micros,
) -> Result<Vec<Entry>, sqlx::Error> {
    let mut told = Vec::new();
    let (mut next, mut ways) = (Some(taken_back), [("applied", "undone"), ("undone", "applied")].into_iter().cycle());
    while let (Some(id), Some((from, to))) = (next, ways.next()) {
        // effects: primary key.
        let turned: Option<EndedEffect> = on_tx!(tx, conn => {
            let sql = format!(
                "UPDATE effects SET state = $2, note = $4 WHERE id = $1 AND state = $3 RETURNING {EFFECT_COLUMNS}"
            );
            sqlx::query_as(sqlx::AssertSqlSafe(sql))
                .bind(id)
                .bind(to)
                .bind(from)
                .bind(format!("{} by effect {by}", if to == "undone" { "taken back" } else { "put back" }))
                .fetch_optional(&mut *conn)
                .await?
        });
        next = turned.as_ref().and_then(|effect| effect.undoes);
        told.extend(turned.and_then(|effect| effect.entry(Actor::Orchd, now)));
    }
    Ok(told)
}

/// Drops rollbacks that are over their age, with their jobs.
pub(in crate::store) async fn drop_rollbacks(tx: &mut Tx, before: Uuid) -> Result<(), sqlx::Error> {
    // By primary keys and jobs_of_event.
    for sql in [
        "DELETE FROM jobs WHERE kind = 'apply' AND state NOT IN ('queued', 'running')
            AND event_id IN (SELECT id FROM rollbacks WHERE id < $1)",
        "DELETE FROM rollback_items WHERE rollback_id < $1",
        "DELETE FROM rollback_repositories WHERE rollback_id < $1",
        "DELETE FROM rollbacks WHERE id < $1",
    ] {
        on_tx!(tx, conn => {
            sqlx::query(sql).bind(before).execute(&mut *conn).await?;
        });
    }
    Ok(())
}
