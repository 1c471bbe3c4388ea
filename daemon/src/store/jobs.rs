//! The durable queue: `jobs`.
//!
//! A lane (a repository, or `-` for events without one) has at most one running job (a unique partial index says so),
//! and its jobs run in order of their event's arrival, an event's effects before the next event. A job that waits for
//! its retry holds its lane; a dead letter frees it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::among::{Among, Set, Share};
use super::columns::{Micros, from_word, time, unsigned};
use super::{Db, Page, StoreError, page_limit};
use crate::core::event::{EventId, RepoName};
use crate::core::intent::IntentId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

/// What a job does. Stored as `kind` and its reference columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Work {
    /// Decide on an event.
    Process { event: EventId },
    /// Carry out an effect.
    Apply { event: EventId, intent: IntentId },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    Queued,
    Running,
    Done,
    /// Dead letter: gave up after `max_attempts`, or cannot succeed.
    Dead,
    /// A dead letter that a person put away.
    Discarded,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct JobRow {
    pub id: JobId,
    #[serde(flatten)]
    pub work: Work,
    pub lane: String,
    pub state: JobState,
    /// Attempts begun.
    pub attempts: u32,
    pub max_attempts: u32,
    /// Not before.
    pub run_at: DateTime<Utc>,
    pub lease_owner: Option<String>,
    pub lease_until: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

impl JobRow {
    /// The repository it works in, in small letters; `None`: its event was about none.
    pub fn repository(&self) -> Option<RepoName> {
        RepoName::parse(&self.lane).ok()
    }
}

/// On what terms jobs are claimed.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub lease: Duration,
    /// Attempts a job may begin; the count in force when it is claimed is the one that holds.
    pub max_attempts: u32,
}

/// A job this daemon runs now, and what stands behind it in its lane.
#[derive(Clone, Debug)]
pub struct Claim {
    pub job: JobRow,
    /// Queued `Process` jobs directly behind it in the lane, in order, at most the number asked for. They stay queued:
    /// the running head keeps the lane, so whoever holds the claim may finish them too (`finish_processed`).
    pub following: Vec<JobRow>,
}

#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    pub state: Option<JobState>,
    pub lane: Option<String>,
    pub event: Option<EventId>,
    pub limit: u32,
    pub after: Option<Uuid>,
    /// What whoever asks sees.
    pub among: Among,
}

/// How deep the queue is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct QueueDepth {
    pub queued: u64,
    pub running: u64,
    pub dead: u64,
    /// When the oldest queued job was created; below the same of the others.
    pub oldest_queued: Option<DateTime<Utc>>,
    pub oldest_running: Option<DateTime<Utc>>,
    pub oldest_dead: Option<DateTime<Utc>>,
}

/// One row of `jobs`.
#[derive(sqlx::FromRow)]
pub(super) struct JobSql {
    pub(super) id: Uuid,
    kind: String,
    event_id: Uuid,
    effect_id: Option<Uuid>,
    lane: String,
    state: String,
    attempts: i64,
    max_attempts: i64,
    run_at: Micros,
    lease_owner: Option<String>,
    lease_until: Option<Micros>,
    last_error: Option<String>,
    created_at: Micros,
    finished_at: Option<Micros>,
}

pub(super) const COLUMNS: &str = "j.id, j.kind, j.event_id, j.effect_id, j.lane, j.state, j.attempts, j.max_attempts,
    j.run_at, j.lease_owner, j.lease_until, j.last_error, j.created_at, j.finished_at";

/// What the columns `kind`, `event_id` and `effect_id` say.
pub(super) fn work(kind: &str, event: Uuid, effect: Option<Uuid>) -> Result<Work, StoreError> {
    let event = EventId(event);
    match (kind, effect) {
        ("process", None) => Ok(Work::Process { event }),
        ("apply", Some(intent)) => Ok(Work::Apply { event, intent: IntentId(intent) }),
        _ => Err(StoreError::Corrupt(format!("`{kind}` is not the kind of a job"))),
    }
}

impl TryFrom<JobSql> for JobRow {
    type Error = StoreError;

    fn try_from(row: JobSql) -> Result<Self, StoreError> {
        Ok(Self {
            id: JobId(row.id),
            work: work(&row.kind, row.event_id, row.effect_id)?,
            lane: row.lane,
            state: from_word("state", row.state)?,
            attempts: unsigned("attempts", row.attempts)?,
            max_attempts: unsigned("max_attempts", row.max_attempts)?,
            run_at: row.run_at.try_into()?,
            lease_owner: row.lease_owner,
            lease_until: time(row.lease_until)?,
            last_error: row.last_error,
            created_at: row.created_at.try_into()?,
            finished_at: time(row.finished_at)?,
        })
    }
}

/// Where in the order of ids a page lies.
macro_rules! push_bounds {
    ($query:ident, $filter:ident) => {
        if let Some(after) = $filter.after {
            $query.push(" AND j.id < ").push_bind(after);
        }
    };
}

/// The conditions of a filter, for either database's builder.
macro_rules! push_conditions {
    ($query:ident, $filter:ident) => {
        if let Some(state) = $filter.state {
            $query.push(state_condition(state));
        }
        if let Some(lane) = &$filter.lane {
            $query.push(" AND j.lane = ").push_bind(lane.clone());
        }
        if let Some(event) = $filter.event {
            $query.push(" AND (j.id = ").push_bind(event.0);
            $query.push(" OR j.kind = 'apply' AND j.event_id = ").push_bind(event.0).push(")");
        }
        push_bounds!($query, $filter);
    };
}

/// SQLite uses a partial index only for a query that repeats the index's own condition.
fn state_condition(state: JobState) -> &'static str {
    match state {
        JobState::Queued => {
            " AND j.id IN (SELECT a.id FROM jobs a WHERE a.state IN ('queued', 'running') AND a.state = 'queued')"
        }
        JobState::Running => " AND j.state = 'running'",
        JobState::Done => " AND j.state = 'done'",
        JobState::Dead => " AND j.state IN ('dead', 'discarded') AND j.state = 'dead'",
        JobState::Discarded => " AND j.state IN ('dead', 'discarded') AND j.state = 'discarded'",
    }
}

impl Db {
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        // jobs: primary key.
        let found: Option<JobSql> = on_db!(self, conn => {
            let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM jobs j WHERE j.id = $1"));
            sqlx::query_as(sql).bind(id.0).fetch_optional(conn).await
        })?;
        found.map(JobRow::try_from).transpose()
    }

    pub async fn jobs(&self, filter: &JobFilter) -> Result<Page<JobRow>, StoreError> {
        let limit = page_limit(filter.limit);
        let found = match filter.among.lanes() {
            None => self.jobs_of(filter, limit + 1).await?,
            Some(set) => self.jobs_among(filter, &set, limit + 1).await?,
        };
        let rows = found.into_iter().map(JobRow::try_from).collect::<Result<_, _>>()?;
        Ok(Page::cut(rows, limit, |row: &JobRow| row.id.0))
    }

    async fn jobs_of(&self, filter: &JobFilter, rows: i64) -> Result<Vec<JobSql>, StoreError> {
        // State: jobs_active, jobs_one_running_a_lane, jobs_state; lane: jobs_lane; event: primary key and jobs_of_event;
        // else the primary key.
        Ok(on_db!(self, conn => {
            let mut query = sqlx::QueryBuilder::new(format!("SELECT {COLUMNS} FROM jobs j WHERE 1 = 1"));
            push_conditions!(query, filter);
            query.push(" ORDER BY j.id DESC LIMIT ").push_bind(rows);
            query.build_query_as().fetch_all(conn).await
        })?)
    }

    async fn jobs_among(&self, filter: &JobFilter, set: &Set, rows: i64) -> Result<Vec<JobSql>, StoreError> {
        let (dialect, oldest_first) = (self.dialect(), false);
        let (table, place, cursor, made_at) = ("jobs j", "j.lane", "j.id", Some("j.created_at"));
        let share = Share { set, dialect, table, place, cursor, oldest_first, rows, ends: false, made_at };
        // Those that are done are the many.
        let few = filter.event.is_some() || filter.state.is_some_and(|state| state != JobState::Done);
        let mut found = Vec::new();
        for way in share.ways(few) {
            // jobs_lane, then the primary key; a walk: primary key; few: as above.
            found = on_db!(self, conn => {
                let mut query = sqlx::QueryBuilder::new(format!("SELECT {COLUMNS} FROM jobs j WHERE 1 = 1"));
                let bounds = |query: &mut sqlx::QueryBuilder<_>| { push_bounds!(query, filter); };
                let conditions = |query: &mut sqlx::QueryBuilder<_>| { push_conditions!(query, filter); };
                share.push(&mut query, *way, bounds, conditions);
                query.push(" ORDER BY j.id DESC LIMIT ").push_bind(rows);
                query.build_query_as::<JobSql>().fetch_all(conn).await
            })?;
            if share.is_filled(*way, found.len()) {
                break;
            }
        }
        Ok(found)
    }

    /// When the earliest queued job that waits for its time may run; `None`: nothing waits.
    pub async fn next_run_at(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
        // jobs_waiting. Only a job that failed or was told to come back later waits, and such a job says why.
        let found: Option<Micros> = on_db!(self, conn => {
            sqlx::query_scalar(
                "SELECT run_at FROM jobs WHERE state = 'queued' AND last_error IS NOT NULL AND run_at > $1
                 ORDER BY run_at LIMIT 1",
            )
            .bind(Micros::from(now))
            .fetch_optional(conn)
            .await
        })?;
        time(found)
    }

    pub async fn queue_depth(&self) -> Result<QueueDepth, StoreError> {
        // jobs_state, jobs_one_running_a_lane; jobs_active, all of it, for the queue.
        type Row = (i64, Option<Micros>, i64, Option<Micros>, i64, Option<Micros>);
        // Ids are made in the order of time: the first of the dead letters is the oldest, and the index has it first.
        let (queued, oldest_queued, running, oldest_running, dead, oldest_dead): Row = on_db!(self, conn => {
            sqlx::query_as(
                "SELECT COUNT(*), MIN(a.created_at),
                    (SELECT COUNT(*) FROM jobs r WHERE r.state = 'running'),
                    (SELECT MIN(r.created_at) FROM jobs r WHERE r.state = 'running'),
                    (SELECT COUNT(*) FROM jobs d WHERE d.state IN ('dead', 'discarded') AND d.state = 'dead'),
                    (SELECT d.created_at FROM jobs d WHERE d.state IN ('dead', 'discarded') AND d.state = 'dead'
                        ORDER BY d.id LIMIT 1)
                 FROM jobs a WHERE a.state IN ('queued', 'running') AND a.state = 'queued'",
            )
            .fetch_one(conn)
            .await
        })?;
        Ok(QueueDepth {
            queued: unsigned("queued", queued)?,
            running: unsigned("running", running)?,
            dead: unsigned("dead", dead)?,
            oldest_queued: time(oldest_queued)?,
            oldest_running: time(oldest_running)?,
            oldest_dead: time(oldest_dead)?,
        })
    }
}
