//! PostgreSQL keeps events, payloads and decisions by the month: a partition for each, dropped whole when its time is over.
//!
//! Which month a row is in says the time in its event's id (UUIDv7). A month is made before it begins; what no month takes
//! goes into the `rest`. SQLite has one table of each, and nothing to do here.

use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, PgPool};

use super::dialect::Pools;
use super::events::first_id;
use super::{Db, StoreError};

/// Months made ahead, this one included: a daemon that runs makes them daily, one that was off for weeks at its start.
const AHEAD: u32 = 3;

/// How long a change of the tables waits for those who use them. Whoever comes after it waits too, ingest included.
const PATIENCE: &str = "SET LOCAL lock_timeout = '200ms'";

/// Any number that nothing else locks: months are made by one daemon at a time.
const MAKING: i64 = 0x6f72_6368_0001;

/// A vacuum because of insertions would read the table again and again beside ingest, for the sake of index-only scans
/// that no query here makes; dead rows and old transaction ids still bring one.
const TENDED_LESS: &str = "autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 100000";

/// A table that is kept by the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Monthly {
    Events,
    Payloads,
    Decisions,
    /// Go with the decisions that they were had for.
    Facts,
}

impl Monthly {
    const ALL: [Self; 4] = [Self::Events, Self::Payloads, Self::Decisions, Self::Facts];

    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Events => "event_receipts",
            Self::Payloads => "event_payloads",
            Self::Decisions => "decisions",
            Self::Facts => "event_facts",
        }
    }
}

/// The first day of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Month(NaiveDate);

impl Month {
    fn of(at: DateTime<Utc>) -> Option<Self> {
        at.date_naive().with_day(1).map(Self)
    }

    fn after(self, months: u32) -> Option<Self> {
        self.0.checked_add_months(Months::new(months)).map(Self)
    }

    fn begin(self) -> DateTime<Utc> {
        self.0.and_time(chrono::NaiveTime::MIN).and_utc()
    }

    fn partition(self, table: &str) -> String {
        format!("{table}_{}", self.0.format("%Y_%m"))
    }

    fn of_partition(table: &str, name: &str) -> Option<Self> {
        let month = name.strip_prefix(table)?.strip_prefix('_')?;
        NaiveDate::parse_from_str(&format!("{month}_01"), "%Y_%m_%d").ok().map(Self)
    }
}

impl Db {
    /// Makes this month and the next ones where there are none.
    ///
    /// # Errors
    /// When a month cannot be made; its rows go into the `rest`, and are dropped from there one by one.
    pub async fn make_months(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(()) };
        let Some(first) = Month::of(now) else { return Ok(()) };
        for month in (0..AHEAD).filter_map(|months| first.after(months)) {
            for table in Monthly::ALL {
                make(pool, table.table(), month).await?;
            }
        }
        Ok(())
    }

    /// Drops the months that were over before a time; returns their names. SQLite has none.
    ///
    /// # Errors
    /// `Unavailable` also when the table was in use all the time: try again later.
    pub(super) async fn drop_months(&self, of: Monthly, before: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let Pools::Postgres(pool) = &self.pools else { return Ok(Vec::new()) };
        let table = of.table();
        // The catalogue's own indexes.
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = to_regclass($1) ORDER BY c.relname",
        )
        .bind(table)
        .fetch_all(pool)
        .await?;
        let mut dropped = Vec::new();
        for name in names {
            let over = Month::of_partition(table, &name).and_then(|month| month.after(1));
            if over.is_some_and(|over| over.begin() <= before) {
                let mut tx = pool.begin().await?;
                sqlx::query(PATIENCE).execute(&mut *tx).await?;
                // Nothing but a name that was parsed as one of ours.
                sqlx::query(AssertSqlSafe(format!("DROP TABLE IF EXISTS {name}"))).execute(&mut *tx).await?;
                tx.commit().await?;
                dropped.push(name);
            }
        }
        Ok(dropped)
    }
}

/// The beginning of the month that a time is in: what lies before it is dropped by the month.
pub(super) fn begin_of_month(at: DateTime<Utc>) -> DateTime<Utc> {
    Month::of(at).map_or(at, Month::begin)
}

async fn make(pool: &PgPool, table: &str, month: Month) -> Result<(), sqlx::Error> {
    let name = month.partition(table);
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(name.as_str()).fetch_one(pool).await?;
    let (false, Some(next)) = (there, month.after(1)) else { return Ok(()) };
    let (from, to) = (first_id(month.begin()), first_id(next.begin()));
    let mut tx = pool.begin().await?;
    sqlx::query(PATIENCE).execute(&mut *tx).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MAKING).execute(&mut *tx).await?;
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table} FOR VALUES FROM ('{from}') TO ('{to}') WITH ({TENDED_LESS})"
    );
    sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
    tx.commit().await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_partitions_name_says_its_month() {
        let month = Month::of("2026-12-31T23:59:59Z".parse().unwrap()).unwrap();
        assert_eq!(month.partition("decisions"), "decisions_2026_12");
        assert_eq!(Month::of_partition("decisions", "decisions_2026_12"), Some(month));
        assert_eq!(month.after(1).unwrap().begin(), "2027-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap());
        for other in
            ["decisions_rest", "decisions_2026_13", "decisions", "event_payloads_2026_12", "decisions_x_2026_12"]
        {
            assert_eq!(Month::of_partition("decisions", other), None, "{other}");
        }
    }
}
