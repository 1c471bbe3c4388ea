//! Events as a list.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{EventRow, EventSql, EventStatus, SELECT, first_id};
use crate::core::event::RepoName;
use crate::store::among::{Among, Set, Share, one_of};
use crate::store::columns::{Micros, signed};
use crate::store::{Db, Page, StoreError, page_limit};

/// Events that a page looks at, when what is asked for may be rare: no index has them by type, action, actor, number
/// alone, or as processed.
const LOOKED_AT: i64 = 10_000;

/// Filters of a list; `None` filters nothing.
///
/// A page looks at a bounded number of events, so it may be short, or empty, though there is more: as long as it names a
/// next page, that one looks further.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub repository: Option<RepoName>,
    pub event_type: Option<String>,
    pub event_action: Option<String>,
    pub actor: Option<String>,
    pub status: Option<EventStatus>,
    pub number: Option<u64>,
    /// Received at or after.
    pub since: Option<DateTime<Utc>>,
    /// Received before.
    pub until: Option<DateTime<Utc>>,
    /// Rows a page, at most 1,000.
    pub limit: u32,
    /// Only events older than this one (keyset cursor, newest first).
    pub after: Option<Uuid>,
    /// Only events newer than this one, oldest first (for `tail`). Excludes `after`.
    pub newer_than: Option<Uuid>,
    /// What whoever asks sees.
    pub among: Among,
}

impl EventFilter {
    /// Whether the rows that fit may lie far apart in the index that finds them.
    fn is_sparse(&self) -> bool {
        let is_few = self.status.is_some_and(|status| status != EventStatus::Processed);
        let is_rare = self.event_type.is_some()
            || self.event_action.is_some()
            || self.actor.is_some()
            || self.status.is_some()
            || (self.number.is_some() && self.repository.is_none());
        is_rare && !is_few
    }

    /// Whether a row is one of the list, wherever its pages begin and whatever is seen: for rows that were read by
    /// another way.
    pub fn fits(&self, row: &EventRow) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, found: Option<&T>) -> bool {
            wanted.as_ref().is_none_or(|wanted| found == Some(wanted))
        }
        is(&self.repository, row.repository.as_ref())
            && is(&self.event_type, Some(&row.event_type))
            && is(&self.event_action, row.event_action.as_ref())
            && is(&self.actor, row.actor.as_ref())
            && is(&self.status, Some(&row.processing_status))
            && is(&self.number, row.number.as_ref())
            && self.since.is_none_or(|since| row.received_at >= since)
            && self.until.is_none_or(|until| row.received_at < until)
    }

    fn order(&self) -> &'static str {
        if self.newer_than.is_some() { "ASC" } else { "DESC" }
    }
}

/// Where in the order of ids a page lies; `$end` is the last event that it looks at.
macro_rules! push_bounds {
    ($query:ident, $filter:ident, $end:ident) => {
        if let Some(end) = $end {
            $query.push(if $filter.newer_than.is_some() { " AND e.id <= " } else { " AND e.id >= " }).push_bind(end);
        }
        if let Some(since) = $filter.since {
            $query.push(" AND e.id >= ").push_bind(first_id(since - ID_SLACK));
        }
        if let Some(until) = $filter.until {
            $query.push(" AND e.id < ").push_bind(first_id(until + ID_SLACK));
        }
        if let Some(after) = $filter.after {
            $query.push(" AND e.id < ").push_bind(after);
        }
        if let Some(newer) = $filter.newer_than {
            $query.push(" AND e.id > ").push_bind(newer);
        }
    };
}

/// The conditions of a filter, for either database's builder. `$repository` is the row id of `$filter.repository`.
macro_rules! push_conditions {
    ($query:ident, $filter:ident, $end:ident, $repository:ident) => {
        if let Some(id) = $repository {
            $query.push(" AND e.repository_id = ").push_bind(id);
        }
        if let Some(number) = $filter.number {
            $query.push(" AND e.number = ").push_bind(signed(number));
        }
        if let Some(name) = &$filter.event_type {
            $query.push(" AND e.event_type = ").push_bind(name.clone());
        }
        if let Some(action) = &$filter.event_action {
            $query.push(" AND e.event_action = ").push_bind(action.clone());
        }
        if let Some(actor) = &$filter.actor {
            $query.push(" AND e.actor = ").push_bind(actor.clone());
        }
        if let Some(status) = $filter.status {
            $query.push(status_condition(status));
        }
        if let Some(since) = $filter.since {
            $query.push(" AND e.received_at >= ").push_bind(Micros::from(since));
        }
        if let Some(until) = $filter.until {
            $query.push(" AND e.received_at < ").push_bind(Micros::from(until));
        }
        push_bounds!($query, $filter, $end);
    };
}

/// Received and processing events are found by their active jobs: an index on their status would be written twice for
/// each event, for the sake of rows that soon are no longer there.
fn status_condition(status: EventStatus) -> &'static str {
    match status {
        EventStatus::Received => {
            " AND e.processing_status = 'received' AND e.id IN (SELECT a.event_id FROM jobs a
                WHERE a.state IN ('queued', 'running') AND a.state = 'queued' AND a.kind = 'process')"
        }
        EventStatus::Processing => {
            " AND e.processing_status = 'received' AND e.id IN (SELECT a.event_id FROM jobs a
                WHERE a.state = 'running' AND a.kind = 'process')"
        }
        EventStatus::Processed => " AND e.processing_status = 'processed'",
        EventStatus::Failed => " AND e.processing_status = 'failed'",
    }
}

/// How far an id's time and `received_at` may lie apart.
const ID_SLACK: chrono::TimeDelta = chrono::TimeDelta::days(1);

impl Db {
    pub async fn events(&self, filter: &EventFilter) -> Result<Page<EventRow>, StoreError> {
        let nothing = Ok(Page { rows: Vec::new(), next: None });
        let repository = match &filter.repository {
            Some(name) if !filter.among.has(Some(name)) => return nothing,
            None => None,
            Some(name) => match self.repository_id(name).await? {
                None => return nothing,
                id => id,
            },
        };
        let limit = page_limit(filter.limit);
        let cut = if repository.is_some() { None } else { self.ids_among(&filter.among).await? };
        if cut.as_ref().is_some_and(Set::is_empty) {
            return nothing;
        }
        let end = if filter.is_sparse() { self.end_of_look(filter, repository).await? } else { None };
        let found = match &cut {
            None => self.events_of(filter, repository, end, limit + 1).await?,
            Some(set) => self.events_among(filter, set, end, limit + 1).await?,
        };
        let rows = found.into_iter().map(EventRow::try_from).collect::<Result<_, _>>()?;
        let page = Page::cut(rows, limit, |row: &EventRow| row.id.0);
        Ok(Page { next: page.next.or(end), rows: page.rows })
    }

    /// The last event that a page looks at; `None`: it comes to the end of them all.
    async fn end_of_look(&self, filter: &EventFilter, repository: Option<Uuid>) -> Result<Option<Uuid>, StoreError> {
        let none: Option<Uuid> = None;
        // event_receipts: primary key; by repository: event_receipts_repository.
        Ok(on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new("SELECT e.id FROM event_receipts e WHERE 1 = 1");
            if let Some(id) = repository {
                query.push(" AND e.repository_id = ").push_bind(id);
            }
            push_bounds!(query, filter, none);
            query.push(format_args!(" ORDER BY e.id {} LIMIT 1 OFFSET {}", filter.order(), LOOKED_AT - 1));
            query.build_query_scalar().fetch_optional(conn).await
        })?)
    }

    async fn events_of(
        &self,
        filter: &EventFilter,
        repository: Option<Uuid>,
        end: Option<Uuid>,
        rows: i64,
    ) -> Result<Vec<EventSql>, StoreError> {
        let order = filter.order();
        let (head, tail) = one_of(self.dialect());
        // By repository: event_receipts_repository, or _item with a number; failed ones: event_receipts_failed. Each
        // holds the ids in order, so a page costs its own rows. All else reads the primary key back through time until
        // the page is full, or to its end.
        Ok(on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new(SELECT);
            query.push(format_args!(" WHERE e.id{head}SELECT e.id FROM event_receipts e WHERE 1 = 1"));
            push_conditions!(query, filter, end, repository);
            query.push(format_args!(" ORDER BY e.id {order} LIMIT {rows}{tail} ORDER BY e.id {order}"));
            query.build_query_as().fetch_all(conn).await
        })?)
    }

    async fn events_among(
        &self,
        filter: &EventFilter,
        set: &Set,
        end: Option<Uuid>,
        rows: i64,
    ) -> Result<Vec<EventSql>, StoreError> {
        let (dialect, oldest_first) = (self.dialect(), filter.newer_than.is_some());
        let (table, place, cursor) = ("event_receipts e", "e.repository_id", "e.id");
        let share =
            Share { set, dialect, table, place, cursor, oldest_first, rows, ends: end.is_some(), made_at: None };
        let order = filter.order();
        // Failed ones: event_receipts_failed; received ones: jobs_active.
        let few = filter.status.is_some_and(|status| status != EventStatus::Processed);
        let none: Option<Uuid> = None;
        let mut found = Vec::new();
        for way in share.ways(few) {
            // event_receipts_repository, then the primary key; a walk: primary key.
            found = on_db!(self, conn => {
                let mut query = sqlx::QueryBuilder::new(SELECT);
                query.push(" WHERE 1 = 1");
                let bounds = |query: &mut sqlx::QueryBuilder<_>| { push_bounds!(query, filter, end); };
                let conditions = |query: &mut sqlx::QueryBuilder<_>| { push_conditions!(query, filter, end, none); };
                share.push(&mut query, *way, bounds, conditions);
                query.push(" ORDER BY e.id ").push(order).push(" LIMIT ").push_bind(rows);
                query.build_query_as::<EventSql>().fetch_all(conn).await
            })?;
            if share.is_filled(*way, found.len()) || !self.are_there_further(filter, end, &share).await? {
                break;
            }
        }
        Ok(found)
    }

    /// Whether a walk left events out.
    async fn are_there_further(
        &self,
        filter: &EventFilter,
        end: Option<Uuid>,
        share: &Share<'_>,
    ) -> Result<bool, StoreError> {
        // event_receipts: primary key.
        Ok(on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new("");
            share.push_further(&mut query, |query| { push_bounds!(query, filter, end); });
            query.build_query_scalar().fetch_one(conn).await
        })?)
    }
}
