//! Effects as a list.

use std::sync::LazyLock;

use uuid::Uuid;

use super::{EffectRow, EffectSql, EffectState, SELECT};
use crate::core::event::{EventId, RepoName};
use crate::core::rule::RuleName;
use crate::store::among::{Among, Set, Share};
use crate::store::columns::{signed, word};
use crate::store::dialect::Bulk;
use crate::store::{Db, Page, StoreError, page_limit};

#[derive(Clone, Debug, Default)]
pub struct EffectFilter {
    pub repository: Option<RepoName>,
    pub number: Option<u64>,
    pub rule: Option<RuleName>,
    pub event: Option<EventId>,
    pub state: Option<EffectState>,
    pub limit: u32,
    pub after: Option<Uuid>,
    /// What whoever asks sees.
    pub among: Among,
}

/// Where in the order of arrival a page lies.
macro_rules! push_bounds {
    ($query:ident, $filter:ident) => {
        if let Some(after) = $filter.after {
            $query.push(" AND cursor < ").push_bind(after);
        }
    };
}

/// The conditions of a filter, for either database's builder.
macro_rules! push_conditions {
    ($query:ident, $filter:ident, $state:ident) => {
        if let Some(repository) = &$filter.repository {
            $query.push(" AND lower(repository) = ").push_bind(repository.as_str().to_ascii_lowercase());
        }
        if let Some(number) = $filter.number {
            $query.push(" AND number = ").push_bind(signed(number));
        }
        if let Some(rule) = &$filter.rule {
            $query.push(" AND rule = ").push_bind(rule.as_str().to_owned());
        }
        if let Some(event) = $filter.event {
            $query.push(" AND event_id = ").push_bind(event.0);
        }
        if let Some(state) = &$state {
            $query.push(" AND state = ").push_bind(state.clone());
        }
        push_bounds!($query, $filter);
    };
}

/// Effects of a few events that are read.
const MOST_OF_EVENTS: u32 = 10_000;

impl Db {
    /// Of these events, newest first, at most ten thousand.
    pub async fn effects_of(&self, events: &[EventId]) -> Result<Vec<EffectRow>, StoreError> {
        // effects_event.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| {
            let tail = format!(") ORDER BY cursor DESC LIMIT {MOST_OF_EVENTS}");
            Bulk::new(&format!("{SELECT} WHERE event_id IN ("), "#", &tail)
        });
        let mut rows: Vec<EffectRow> = Vec::new();
        for (sql, chunk) in SQL.chunks(self.dialect(), events) {
            let found: Vec<EffectSql> = on_db!(self, conn => {
                let mut query = sqlx::query_as(sql);
                for id in chunk {
                    query = query.bind(id.0);
                }
                query.fetch_all(conn).await
            })?;
            for row in found {
                rows.push(row.try_into()?);
            }
        }
        Ok(rows)
    }

    pub async fn effects(&self, filter: &EffectFilter) -> Result<Page<EffectRow>, StoreError> {
        let limit = page_limit(filter.limit);
        let state = filter.state.map(|state| word(&state)).transpose()?;
        let among = filter.among.narrowed(filter.repository.as_ref());
        let found = match among.names() {
            Some(set) => self.effects_among(filter, state, &set, limit + 1).await?,
            // One filter: effects_repository, _item, _rule, _event, _state; none: effects_cursor. An effect's id is a
            // hash, so the order of arrival has its own column.
            None => on_db!(self, conn => {
                let mut query = sqlx::QueryBuilder::new(format!("{SELECT} WHERE 1 = 1"));
                push_conditions!(query, filter, state);
                query.push(" ORDER BY cursor DESC LIMIT ").push_bind(limit + 1);
                query.build_query_as::<EffectSql>().fetch_all(conn).await
            })?,
        };
        let page = Page::cut(found, limit, |row: &EffectSql| row.cursor);
        let rows = page.rows.into_iter().map(EffectRow::try_from).collect::<Result<_, _>>()?;
        Ok(Page { rows, next: page.next })
    }

    async fn effects_among(
        &self,
        filter: &EffectFilter,
        state: Option<String>,
        set: &Set,
        rows: i64,
    ) -> Result<Vec<EffectSql>, StoreError> {
        let (dialect, oldest_first) = (self.dialect(), false);
        let (table, place, cursor) = ("effects effects", "lower(repository)", "cursor");
        let made_at = Some("created_at");
        let share = Share { set, dialect, table, place, cursor, oldest_first, rows, ends: false, made_at };
        let few = filter.event.is_some() || filter.repository.is_some();
        let mut found = Vec::new();
        for way in share.ways(few) {
            // effects_repository, then effects_cursor; a walk: effects_cursor; few: as above.
            found = on_db!(self, conn => {
                let mut query = sqlx::QueryBuilder::new(format!("{SELECT} WHERE 1 = 1"));
                let bounds = |query: &mut sqlx::QueryBuilder<_>| { push_bounds!(query, filter); };
                let conditions = |query: &mut sqlx::QueryBuilder<_>| { push_conditions!(query, filter, state); };
                share.push(&mut query, *way, bounds, conditions);
                query.push(" ORDER BY cursor DESC LIMIT ").push_bind(rows);
                query.build_query_as::<EffectSql>().fetch_all(conn).await
            })?;
            if share.is_filled(*way, found.len()) {
                break;
            }
        }
        Ok(found)
    }
}
