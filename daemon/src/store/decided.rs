//! Decisions as a list, and which issues and pull requests events were about: both read along the events.
//!
//! Neither has a place of its own on disk. A page looks through a bounded number of events, newest first, so one may be
//! short, or empty, though there is more: as long as it names a next page, that one looks further back.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::among::Among;
use super::columns::unsigned;
use super::decisions::{DecisionRow, DecisionSql, SELECT};
use super::dialect::Bulk;
use super::events::{EventFilter, EventRow};
use super::{Db, Page, StoreError, page_limit};
use crate::core::decide::Verdict;
use crate::core::event::{EventId, RepoName};
use crate::core::rule::RuleName;

/// Events that one page looks through.
const LOOKED_THROUGH: u32 = 500;

/// The same for a page of so many rows that is cut to some repositories, whose events are gathered one by one: times that.
const A_ROW: u32 = 4;

/// An item's events are counted up to here.
pub const COUNTED: u64 = 50;

/// Names a decision: `EVENT.ID`. Also where a page of decisions ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct DecisionKey {
    pub event: EventId,
    pub id: Uuid,
}

/// Why a text does not name a decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that names no decision: write it as EVENT.ID, both UUIDs")]
pub struct NotADecision;

impl FromStr for DecisionKey {
    type Err = NotADecision;

    fn from_str(text: &str) -> Result<Self, NotADecision> {
        let (event, id) = text.split_once('.').ok_or(NotADecision)?;
        let uuid = |text: &str| Uuid::try_parse(text).map_err(|_| NotADecision);
        Ok(Self { event: EventId(uuid(event)?), id: uuid(id)? })
    }
}

impl TryFrom<String> for DecisionKey {
    type Error = NotADecision;

    fn try_from(text: String) -> Result<Self, NotADecision> {
        text.parse()
    }
}

impl From<DecisionKey> for String {
    fn from(key: DecisionKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for DecisionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.event, self.id)
    }
}

/// A decision, and what it was on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DecidedRow {
    pub key: DecisionKey,
    pub repository: Option<RepoName>,
    pub number: Option<u64>,
    /// `issues.opened`.
    pub on: String,
    #[serde(flatten)]
    pub decision: DecisionRow,
}

impl DecidedRow {
    fn new(event: &EventRow, decision: DecisionRow) -> Self {
        Self {
            key: DecisionKey { event: event.id, id: decision.id },
            repository: event.repository.clone(),
            number: event.number,
            on: event.kind(),
            decision,
        }
    }
}

/// Filters of a list; `None` filters nothing.
#[derive(Clone, Debug, Default)]
pub struct DecisionFilter {
    pub repository: Option<RepoName>,
    pub number: Option<u64>,
    pub rule: Option<RuleName>,
    pub event: Option<EventId>,
    pub matched: Option<bool>,
    /// Of events received at or after.
    pub since: Option<DateTime<Utc>>,
    /// Of events received before.
    pub until: Option<DateTime<Utc>>,
    pub limit: u32,
    pub after: Option<DecisionKey>,
    /// What whoever asks sees.
    pub among: Among,
}

impl DecisionFilter {
    fn takes(&self, row: &DecisionRow) -> bool {
        let comes = self.after.is_none_or(|after| (row.event, row.id) < (after.event, after.id));
        comes
            && self.rule.as_ref().is_none_or(|rule| *rule == row.rule)
            && self.matched.is_none_or(|matched| matched == (row.verdict == Verdict::Matched))
    }
}

/// An issue or pull request, by the last event about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ItemRow {
    pub repository: RepoName,
    pub number: u64,
    /// How many events are stored about it, at most [`COUNTED`].
    pub events: u64,
    pub last: EventRow,
}

#[derive(Clone, Debug, Default)]
pub struct ItemFilter {
    pub repository: Option<RepoName>,
    pub number: Option<u64>,
    pub limit: u32,
    /// Only items whose last event is older than this one.
    pub after: Option<Uuid>,
    /// What whoever asks sees.
    pub among: Among,
}

/// How many events a page looks through.
fn looked_through(repository: Option<&RepoName>, among: &Among, limit: u32) -> u32 {
    if repository.is_some() || *among == Among::All { LOOKED_THROUGH } else { limit.saturating_mul(A_ROW) }
}

impl Db {
    /// Newest events first, and of each the decisions from the last to the first. See above for short pages.
    pub async fn decisions(&self, filter: &DecisionFilter) -> Result<Page<DecidedRow, DecisionKey>, StoreError> {
        let limit = page_limit(filter.limit);
        // Decisions of the event where the last page ended may be left.
        let after = filter.after.map(|after| match after.id {
            id if id.is_nil() => after.event.0,
            _ => Uuid::from_u128(after.event.0.as_u128().saturating_add(1)),
        });
        let looked = self.looked(filter, after).await?;
        let ids: Vec<EventId> = looked.rows.iter().map(|event| event.id).collect();
        let events: HashMap<EventId, &EventRow> = looked.rows.iter().map(|event| (event.id, event)).collect();
        let taken =
            self.decided_on(&ids, filter.rule.as_ref()).await?.into_iter().filter(|decision| filter.takes(decision));
        let rows = taken.filter_map(|decision| Some(DecidedRow::new(events.get(&decision.event)?, decision))).collect();
        let page = Page::cut(rows, limit, |row| row.key);
        let further = looked.next.map(|event| DecisionKey { event: EventId(event), id: Uuid::nil() });
        Ok(Page { next: page.next.or(further), rows: page.rows })
    }

    async fn looked(&self, filter: &DecisionFilter, after: Option<Uuid>) -> Result<Page<EventRow>, StoreError> {
        if let Some(id) = filter.event {
            let fits = |event: &EventRow| {
                let asked = filter.repository.as_ref().map(|name| name.as_str().to_ascii_lowercase());
                let found = event.repository.as_ref().map(|name| name.as_str().to_ascii_lowercase());
                filter.among.has(event.repository.as_ref())
                    && (asked.is_none() || asked == found)
                    && filter.number.is_none_or(|number| event.number == Some(number))
            };
            let mut rows: Vec<EventRow> = self.event(id).await?.into_iter().filter(fits).collect();
            if filter.among != Among::All && !self.is_of_named_now(id).await? {
                rows.clear();
            }
            return Ok(Page { rows, next: None });
        }
        let wanted = EventFilter {
            repository: filter.repository.clone(),
            number: filter.number,
            since: filter.since,
            until: filter.until,
            limit: looked_through(filter.repository.as_ref(), &filter.among, filter.limit),
            after,
            among: filter.among.clone(),
            ..EventFilter::default()
        };
        self.events(&wanted).await
    }

    pub async fn decision(&self, key: DecisionKey) -> Result<Option<DecidedRow>, StoreError> {
        let Some(event) = self.event(key.event).await? else { return Ok(None) };
        let found = self.decisions_of(key.event).await?.into_iter().find(|decision| decision.id == key.id);
        Ok(found.map(|decision| DecidedRow::new(&event, decision)))
    }

    /// Of these events, from the last to the first. Those of other rules than `rule` are left out before their
    /// explanations are read, which takes longer than all else.
    pub async fn decided_on(
        &self,
        events: &[EventId],
        rule: Option<&RuleName>,
    ) -> Result<Vec<DecisionRow>, StoreError> {
        // decisions: primary key.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| Bulk::new(&format!("{SELECT} WHERE d.event_id IN ("), "#", ")"));
        let mut rows: Vec<DecisionRow> = Vec::new();
        for (sql, chunk) in SQL.chunks(self.dialect(), events) {
            let found: Vec<DecisionSql> = on_db!(self, conn => {
                let mut query = sqlx::query_as(sql);
                for id in chunk {
                    query = query.bind(id.0);
                }
                query.fetch_all(conn).await
            })?;
            for row in found.into_iter().filter(|row| rule.is_none_or(|rule| row.rule == rule.as_str())) {
                rows.push(row.try_into()?);
            }
        }
        rows.sort_unstable_by_key(|row| std::cmp::Reverse((row.event, row.id)));
        Ok(rows)
    }

    /// Issues and pull requests that events were about, the one with the latest event first. See above for short pages.
    pub async fn items(&self, filter: &ItemFilter) -> Result<Page<ItemRow>, StoreError> {
        let limit = page_limit(filter.limit);
        let wanted = EventFilter {
            repository: filter.repository.clone(),
            number: filter.number,
            limit: looked_through(filter.repository.as_ref(), &filter.among, filter.limit),
            after: filter.after,
            among: filter.among.clone(),
            ..EventFilter::default()
        };
        let looked = self.events(&wanted).await?;
        let mut seen = HashSet::new();
        let mut items: Vec<ItemRow> = Vec::new();
        for last in looked.rows {
            let (Some(repository), Some(number)) = (last.repository.clone(), last.number) else { continue };
            if seen.insert((repository.clone(), number)) {
                items.push(ItemRow { repository, number, events: 0, last });
            }
        }
        // Those with a newer event stand on an earlier page.
        let ids: Vec<EventId> = items.iter().map(|item| item.last.id).collect();
        let latest = self.latest_about(&ids).await?;
        items.retain(|item| latest.contains(&item.last.id.0));
        let mut page = Page::cut(items, limit, |item| item.last.id.0);
        let ids: Vec<EventId> = page.rows.iter().map(|item| item.last.id).collect();
        let counts = self.count_about(&ids).await?;
        for item in &mut page.rows {
            let counted = counts.get(&item.last.id.0).copied().unwrap_or(0);
            item.events = unsigned("count", counted)?;
        }
        Ok(Page { next: page.next.or(looked.next), rows: page.rows })
    }

    /// Which of these events are the last about their items.
    async fn latest_about(&self, events: &[EventId]) -> Result<HashSet<Uuid>, StoreError> {
        // event_receipts: primary key; event_receipts_item.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| {
            Bulk::new(
                "SELECT e.id FROM event_receipts e WHERE NOT EXISTS (SELECT 1 FROM event_receipts n
                    WHERE n.repository_id = e.repository_id AND n.number = e.number AND n.id > e.id) AND e.id IN (",
                "#",
                ")",
            )
        });
        let mut latest = HashSet::new();
        for (sql, chunk) in SQL.chunks(self.dialect(), events) {
            let found: Vec<Uuid> = on_db!(self, conn => {
                let mut query = sqlx::query_scalar(sql);
                for id in chunk {
                    query = query.bind(id.0);
                }
                query.fetch_all(conn).await
            })?;
            latest.extend(found);
        }
        Ok(latest)
    }

    /// How many events there are about the same items as these.
    async fn count_about(&self, events: &[EventId]) -> Result<HashMap<Uuid, i64>, StoreError> {
        // event_receipts: primary key; event_receipts_item.
        static SQL: LazyLock<Bulk> = LazyLock::new(|| {
            let head = format!(
                "SELECT e.id, (SELECT COUNT(*) FROM (SELECT 1 FROM event_receipts n WHERE n.repository_id = e.repository_id
                    AND n.number = e.number LIMIT {COUNTED}) c) FROM event_receipts e WHERE e.id IN ("
            );
            Bulk::new(&head, "#", ")")
        });
        let mut counts = HashMap::with_capacity(events.len());
        for (sql, chunk) in SQL.chunks(self.dialect(), events) {
            let found: Vec<(Uuid, i64)> = on_db!(self, conn => {
                let mut query = sqlx::query_as(sql);
                for id in chunk {
                    query = query.bind(id.0);
                }
                query.fetch_all(conn).await
            })?;
            counts.extend(found);
        }
        Ok(counts)
    }
}
