//! Rollbacks: which effects a person wants taken back, and how each was judged: `rollbacks`,
//! `rollback_items`, `rollback_repositories`.
//!
//! A plan is made of what the store knows, then judged effect by effect by whoever can ask GitHub, and carried out when
//! a person says so: each undo becomes an effect with a job in its repository's lane, newest first, all in one
//! transaction. From there on it is work like any other. Refuses to know how an effect is judged. Invariant: an undo is
//! stored only for an effect that is applied, and what an undo took back changes its state together with the receipt.

mod write;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(in crate::store) use self::write::{drop_rollbacks, take_back};
use super::among::Among;
use super::columns::{Micros, from_json, from_word, repo_name, time, unsigned};
use super::effects::EffectState;
use super::{Db, Page, StoreError, page_limit};
use crate::core::event::{EventId, RepoName};
use crate::core::intent::IntentId;
use crate::core::rule::RuleName;

/// Id of a rollback. UUIDv7: sorts by when it was planned. Its jobs have it where others have their event's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct RollbackId(pub Uuid);

impl fmt::Display for RollbackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which effects to take back: those that fit all that is given.
///
/// What rollbacks did is taken back only when it is named, by `effect`, by `rollback` or by the rule `orchd:rollback`:
/// asking twice for the same must not bring back what the first time took away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RollbackFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<IntentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Config revision that decided, or how its hash begins; with whatever version of a repository's own file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
    /// Decided at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Decided before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<RepoName>,
    /// What this rollback did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackId>,
}

/// How an effect of a plan was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// To be taken back.
    Undo,
    /// Nothing to take back any more: left alone.
    AsBefore,
    /// A person changed it since: left alone.
    Changed,
    /// Cannot be taken back.
    Cannot,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RollbackRow {
    pub id: RollbackId,
    pub filter: RollbackFilter,
    /// Effects that the plan might hold at most.
    pub most_effects: u32,
    /// There are more effects than the plan holds: the newest are in it.
    pub cut_off: bool,
    /// What the planning waits for.
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    /// When every effect had been judged.
    pub planned_at: Option<DateTime<Utc>>,
    /// When a person had it carried out.
    pub executed_at: Option<DateTime<Utc>>,
}

/// How many effects of a rollback are how far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RollbackCounts {
    pub effects: u64,
    /// Not looked at yet.
    pub unjudged: u64,
    pub undo: u64,
    pub as_before: u64,
    pub changed: u64,
    pub cannot: u64,
    /// Undos by the state of the effect that carries them out; empty before the rollback is carried out.
    pub undos: BTreeMap<String, u64>,
}

impl RollbackCounts {
    /// Undos that are still to be done.
    pub fn left(&self) -> u64 {
        ["planned", "writing"].iter().filter_map(|state| self.undos.get(*state)).sum()
    }
}

/// An effect of a rollback.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RollbackItem {
    pub effect: IntentId,
    pub action: String,
    pub repository: RepoName,
    pub number: u64,
    pub rule: RuleName,
    /// None: not judged yet.
    pub verdict: Option<Verdict>,
    /// Why it is left alone or cannot be taken back.
    pub note: Option<String>,
    /// The effect that takes it back: its id is known before there is one.
    pub undo: IntentId,
    /// How far that one is; none: there is none.
    pub undo_state: Option<EffectState>,
    pub undo_note: Option<String>,
}

/// What judging an effect of a plan came to.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub undo: IntentId,
    pub verdict: Verdict,
    pub note: Option<String>,
}

#[derive(sqlx::FromRow)]
struct RollbackSql {
    id: Uuid,
    filter: String,
    most_effects: i64,
    cut_off: bool,
    note: Option<String>,
    created_at: Micros,
    planned_at: Option<Micros>,
    executed_at: Option<Micros>,
}

const SELECT: &str =
    "SELECT id, filter, most_effects, cut_off, note, created_at, planned_at, executed_at FROM rollbacks";

impl TryFrom<RollbackSql> for RollbackRow {
    type Error = StoreError;

    fn try_from(row: RollbackSql) -> Result<Self, StoreError> {
        Ok(Self {
            id: RollbackId(row.id),
            filter: from_json("filter", &row.filter)?,
            most_effects: unsigned("most_effects", row.most_effects)?,
            cut_off: row.cut_off,
            note: row.note,
            created_at: row.created_at.try_into()?,
            planned_at: time(row.planned_at)?,
            executed_at: time(row.executed_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ItemSql {
    undo_id: Uuid,
    verdict: Option<String>,
    note: Option<String>,
    effect_id: Uuid,
    action: String,
    repository: String,
    number: i64,
    rule: String,
    undo_state: Option<String>,
    undo_note: Option<String>,
}

impl TryFrom<ItemSql> for RollbackItem {
    type Error = StoreError;

    fn try_from(row: ItemSql) -> Result<Self, StoreError> {
        Ok(Self {
            effect: IntentId(row.effect_id),
            action: row.action,
            repository: repo_name(&row.repository)?,
            number: unsigned("number", row.number)?,
            rule: from_word("rule", row.rule)?,
            verdict: row.verdict.map(|verdict| from_word("verdict", verdict)).transpose()?,
            note: row.note,
            undo: IntentId(row.undo_id),
            undo_state: row.undo_state.map(|state| from_word("state", state)).transpose()?,
            undo_note: row.undo_note,
        })
    }
}

impl Db {
    pub async fn rollback(&self, id: RollbackId) -> Result<Option<RollbackRow>, StoreError> {
        // rollbacks: primary key.
        let found: Option<RollbackSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE id = $1"));
            sqlx::query_as(sql).bind(id.0).fetch_optional(conn).await
        })?;
        found.map(RollbackRow::try_from).transpose()
    }

    /// Newest first; of them, those that touch only repositories that whoever asks sees.
    pub async fn rollbacks(
        &self,
        among: &Among,
        limit: u32,
        after: Option<Uuid>,
    ) -> Result<Page<RollbackRow>, StoreError> {
        let limit = page_limit(limit);
        let (set, dialect) = (among.names(), self.dialect());
        // rollbacks, rollback_repositories: primary keys; repositories_full_name. People make them: they are few.
        let found: Vec<RollbackSql> = on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new(format!("{SELECT} WHERE id < "));
            query.push_bind(after.unwrap_or(Uuid::max()));
            if let Some(set) = &set {
                query.push(" AND EXISTS (SELECT 1 FROM rollback_repositories t WHERE t.rollback_id = rollbacks.id)
                    AND NOT EXISTS (SELECT 1 FROM rollback_repositories t WHERE t.rollback_id = rollbacks.id
                        AND t.repository NOT IN ");
                set.push(&mut query, dialect);
                query.push(")").push(" AND NOT EXISTS (SELECT 1 FROM rollback_repositories t
                    JOIN repositories h ON lower(h.full_name) = t.repository
                    WHERE t.rollback_id = rollbacks.id AND h.created_at > rollbacks.created_at)");
            }
            query.push(" ORDER BY id DESC LIMIT ").push_bind(limit + 1);
            query.build_query_as().fetch_all(conn).await
        })?;
        let page = Page::cut(found, limit, |row: &RollbackSql| row.id);
        let rows = page.rows.into_iter().map(RollbackRow::try_from).collect::<Result<_, _>>()?;
        Ok(Page { rows, next: page.next })
    }

    /// The repositories that a rollback was asked for or touches, by name. None: it is of the site, for it touches nothing
    /// and was asked for no repository.
    pub async fn rollback_repositories(&self, id: RollbackId) -> Result<Vec<RepoName>, StoreError> {
        // rollback_repositories: primary key.
        let found: Vec<String> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT repository FROM rollback_repositories WHERE rollback_id = $1 ORDER BY repository")
                .bind(id.0)
                .fetch_all(conn)
                .await
        })?;
        found.iter().map(|name| repo_name(name)).collect()
    }

    /// Plans that are not wholly judged, oldest first.
    pub async fn unplanned_rollbacks(&self) -> Result<Vec<RollbackId>, StoreError> {
        // rollbacks_unplanned.
        let found: Vec<Uuid> = on_db!(self, conn => {
            sqlx::query_scalar("SELECT id FROM rollbacks WHERE planned_at IS NULL ORDER BY id").fetch_all(conn).await
        })?;
        Ok(found.into_iter().map(RollbackId).collect())
    }

    pub async fn rollback_counts(&self, id: RollbackId) -> Result<RollbackCounts, StoreError> {
        // rollback_items, effects: primary keys.
        let found: Vec<(Option<String>, Option<String>, i64)> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT i.verdict, u.state, COUNT(*) FROM rollback_items i LEFT JOIN effects u ON u.id = i.undo_id
                 WHERE i.rollback_id = $1 GROUP BY i.verdict, u.state",
            )
            .bind(id.0)
            .fetch_all(conn)
            .await
        })?;
        let mut counts = RollbackCounts::default();
        for (verdict, state, count) in found {
            let count: u64 = unsigned("count", count)?;
            counts.effects += count;
            let verdict = verdict.map(|verdict| from_word::<Verdict>("verdict", verdict)).transpose()?;
            *match verdict {
                None => &mut counts.unjudged,
                Some(Verdict::Undo) => &mut counts.undo,
                Some(Verdict::AsBefore) => &mut counts.as_before,
                Some(Verdict::Changed) => &mut counts.changed,
                Some(Verdict::Cannot) => &mut counts.cannot,
            } += count;
            if let Some(state) = state {
                *counts.undos.entry(state).or_default() += count;
            }
        }
        Ok(counts)
    }

    /// Rules whose effects are to be taken back, by name.
    pub async fn rules_of_rollback(&self, id: RollbackId) -> Result<Vec<RuleName>, StoreError> {
        // rollback_items, effects: primary keys.
        let found: Vec<String> = on_db!(self, conn => {
            sqlx::query_scalar(
                "SELECT DISTINCT e.rule FROM rollback_items i JOIN effects e ON e.id = i.effect_id
                 WHERE i.rollback_id = $1 AND i.verdict = 'undo' ORDER BY e.rule",
            )
            .bind(id.0)
            .fetch_all(conn)
            .await
        })?;
        found.into_iter().map(|rule| from_word("rule", rule)).collect()
    }

    /// The effects of a rollback in its order, the newest first; those that are over their age by now are left out.
    /// `after` is the undo where the last page ended.
    pub async fn rollback_items(
        &self,
        id: RollbackId,
        limit: u32,
        after: Option<Uuid>,
    ) -> Result<Page<RollbackItem>, StoreError> {
        let limit = page_limit(limit);
        // rollback_items, effects: primary keys.
        let found: Vec<ItemSql> = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT i.undo_id, i.verdict, i.note, e.id AS effect_id, e.action, e.repository, e.number, e.rule,
                    u.state AS undo_state, u.note AS undo_note
                 FROM rollback_items i JOIN effects e ON e.id = i.effect_id LEFT JOIN effects u ON u.id = i.undo_id
                 WHERE i.rollback_id = $1 AND i.undo_id > $2 ORDER BY i.undo_id LIMIT $3",
            )
            .bind(id.0)
            .bind(after.unwrap_or(Uuid::nil()))
            .bind(limit + 1)
            .fetch_all(conn)
            .await
        })?;
        let page = Page::cut(found, limit, |row: &ItemSql| row.undo_id);
        let rows = page.rows.into_iter().map(RollbackItem::try_from).collect::<Result<_, _>>()?;
        Ok(Page { rows, next: page.next })
    }
}
