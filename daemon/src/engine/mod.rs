//! The road's middle: events in (`ingest`), jobs run lane by lane (`work`), decided (`process`), carried out (`apply`);
//! beside it, what never arrived is found and fetched (`recover`), what waits for time to pass is told of every day
//! (`schedule`), the audit chain is kept and proved (`audit`), and other rules are tried on the past (`backtest`).
//!
//! Owns when things happen: batching, leases, retries, draining; and what has to be true before: which installations may
//! act (`installations`), which rules a repository has of its own (`repository_config`), whose turn it is (`turns`), who
//! people are (`login`) and what they see (`sight`); and the first run, before any of this (`setup`). Refuses to know HTTP, and leaves
//! every decision to `core` and every change of GitHub to `actions`.
//!
//! Invariants: nothing is acknowledged before it is stored (1); an effect's intent and before-state are stored before
//! its write, and an interrupted write is checked, never repeated blindly (5); a lane runs one job at a time, in order (6).

pub mod apply;
pub mod audit;
pub mod backtest;
pub mod backup;
mod commands;
pub mod config_file;
pub mod forward;
pub mod guards;
pub mod ingest;
pub mod installations;
pub mod login;
pub mod process;
pub mod pulse;
pub mod recover;
pub mod repository_config;
pub mod retention;
pub mod rollback;
pub mod schedule;
pub mod setup;
pub mod shadow;
pub mod sight;
mod story;
pub mod turns;
pub mod why;
pub mod work;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::config::Config;
use crate::config::live::LiveConfig;
use crate::core::decide::any_triggered;
use crate::core::event::{EventId, EventKind, RepoName};
use crate::core::{hand, installation};
use crate::github::GitHubError;
use crate::github::client::GitHub;
use crate::store::{Db, StoreError};

/// Where the engine reads the time: the system's clock, or a test's.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(Utc::now)
}

/// What every job needs. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub db: Db,
    pub config: Arc<LiveConfig>,
    /// Replaced whole when a reload changes how GitHub is reached.
    pub github: Arc<ArcSwap<GitHub>>,
    pub ingest: ingest::Ingest,
    pub clock: Clock,
    /// Names this process in leases: unique for each start.
    pub owner: Arc<str>,
    /// Rung when a job may have become ready: on ingest, on a retry asked for, on another daemon's word.
    pub wake: Arc<Notify>,
    /// Rung when the App's installations are to be listed anew.
    pub refresh: Arc<Notify>,
    /// Rules of repositories' own files, compiled.
    pub own_rules: repository_config::Compiled,
}

impl Engine {
    /// GitHub's name for the delivery of an event, for the log: a log line does without it when the store does not tell.
    async fn delivery_of(&self, event: EventId) -> Option<String> {
        let rows = self.db.events_by_id(&[event]).await.ok()?;
        rows.into_iter().next().map(|row| row.delivery_id)
    }
}

/// Whether an event of this kind has to be looked at: a rule or an effect may wait for it, it may tell of a person's hand,
/// it tells of an installation or of a person's consent, it may hold a command, or the repository may have rules of its own. Most events of an
/// organisation are none of these.
fn awaited(config: &Config, kind: &EventKind, repository: Option<&RepoName>, number: Option<u64>) -> bool {
    any_triggered(&config.rules, kind)
        || hand::may_tell(kind)
        || installation::is_news(kind)
        || login::is_news(kind)
        || turns::may_matter(config, kind)
        || repository_config::may_matter(config, kind, repository, number)
        || commands::may_tell(config, kind, repository)
}

/// Why a job did not finish, by what happens to it next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// May work later: back to the queue with a growing wait, and to the dead letters in the end.
    #[error("{0}")]
    Retry(String),
    /// GitHub named a time, or does not answer at all: back to the queue until then, and the attempt is not counted.
    #[error("{reason}")]
    Wait { wait: Duration, reason: String },
    /// Will never work as it is: to the dead letters at once.
    #[error("{0}")]
    Hopeless(String),
    /// Another daemon took the job over when our lease ran out: nothing to do, it is theirs.
    #[error("the lease ran out and the job is another's")]
    LeaseLost,
}

impl From<GitHubError> for JobError {
    fn from(error: GitHubError) -> Self {
        let text = error.to_string();
        match error {
            GitHubError::NotFound(_) | GitHubError::Refused { .. } => Self::Hopeless(text),
            GitHubError::Limited { retry_after, .. } | GitHubError::Down { retry_after, .. } => {
                Self::Wait { wait: retry_after, reason: text }
            }
            GitHubError::Unavailable(_) | GitHubError::Unreadable(_) | GitHubError::Credentials(_) => Self::Retry(text),
        }
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost => Self::LeaseLost,
            StoreError::Corrupt(_) => Self::Hopeless(error.to_string()),
            StoreError::Unavailable(_) | StoreError::Failed(_) => Self::Retry(error.to_string()),
        }
    }
}
