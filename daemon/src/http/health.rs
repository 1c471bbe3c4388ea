//! `GET /health`: 200 while orchd can do its work, 503 when it cannot, and why.

use std::path::{Path, PathBuf};

use chrono::Utc;
use futures_util::future::join3;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use warp::Filter;
use warp::reply::Response;

use super::arrival::{Arrival, Peer};
use super::error::{HttpError, answer};
use super::reply::Reply;
use super::routes::{Routes, with};
use super::{App, StoreSilence, metrics, reply};
use crate::config::Config;
use crate::config::hold::Hold;
use crate::engine::recover::Outcome;
use crate::github::limits::PartyState;
use crate::store::installations::InstallationCount;
use crate::store::jobs::QueueDepth;

/// Less free space than this is worth a warning. Bytes.
pub const DISK_WARNING: u64 = 500_000_000;
/// With less free space than this orchd will soon have to refuse deliveries. Bytes.
pub const DISK_FAILING: u64 = 50_000_000;
/// A queued job older than this says that the queue does not move.
const QUEUE_WARNING_SECONDS: f64 = 600.0;

/// From good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Ok,
    /// Works, and a person should look.
    Degraded,
    /// Does not work.
    Failing,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Health {
    pub(super) status: Status,
    pub(super) database: Database,
    pub(super) config: ConfigHealth,
    pub(super) queue: Option<Queue>,
    /// How many may act, and how many may not. A suspension is a person's wish: it is shown, and no fault.
    pub(super) installations: Option<InstallationCount>,
    pub(super) recovery: RecoveryHealth,
    pub(super) github: GitHubHealth,
    pub(super) guards: GuardsHealth,
    pub(super) disk: Disk,
}

/// How the last run of recovery in this process went.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct RecoveryHealth {
    pub(super) status: Status,
    /// When it runs: `no App is configured`, `when asked`, or how often.
    pub(super) runs: String,
    #[serde(flatten)]
    pub(super) last: Option<LastRun>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct LastRun {
    pub(super) last_run_at: chrono::DateTime<Utc>,
    pub(super) outcome: &'static str,
    pub(super) missing: u64,
    pub(super) recovered: u64,
    pub(super) unrecoverable: u64,
    pub(super) left: u64,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Database {
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<&'static str>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct ConfigHealth {
    pub(super) status: Status,
    pub(super) revision: String,
    pub(super) git_commit: Option<String>,
    pub(super) loaded_at: chrono::DateTime<Utc>,
    /// Why the config on disk was refused.
    pub(super) error: Option<String>,
    /// The config on disk that waits for a person.
    pub(super) held: Option<Hold>,
    /// Keys whose new value waits for a restart.
    pub(super) needs_restart: Vec<&'static str>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Queue {
    pub(super) status: Status,
    #[serde(flatten)]
    pub(super) depth: QueueDepth,
    pub(super) oldest_queued_seconds: f64,
}

/// Open circuit breakers and budgets that are used up. Jobs wait for them, so they never make orchd fail.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct GitHubHealth {
    pub(super) status: Status,
    pub(super) troubles: Vec<PartyState>,
}

/// Rules that are stopped on some item: a person should look.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct GuardsHealth {
    pub(super) status: Status,
    pub(super) tripped: Option<u64>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Disk {
    pub(super) status: Status,
    pub(super) free_bytes: Option<u64>,
}

pub(super) fn routes(app: &App) -> Routes {
    warp::path!("health")
        .and(warp::get())
        .and(warp::ext::optional::<Arrival>())
        .and(with(app))
        .then(async |arrival, app| answer(show(arrival, app).await))
        .boxed()
}

async fn show(arrival: Option<Arrival>, app: App) -> Result<Response, HttpError> {
    let is_local = matches!(arrival, Some(Arrival { peer: Peer::Local { .. }, .. }));
    Ok(report(&app, is_local).await?.into_reply()?.into_response(false, &HeaderMap::new()))
}

/// `whole`: with what is nobody's business who may not see the config.
pub(super) async fn report(app: &App, whole: bool) -> Result<Health, HttpError> {
    let failing = |error| (Database { status: Status::Failing, error: Some(error) }, None);
    // Side by side: a store that hangs is waited for once.
    let (depth, installations, tripped) = join3(app.queue_depth(), app.installations(), app.tripped()).await;
    let (database, queue) = match depth {
        Ok(depth) => (Database { status: Status::Ok, error: None }, Some(Queue::of(depth))),
        Err(StoreSilence::Fails) => failing("the store fails; the log says why"),
        Err(StoreSilence::Hangs) => failing("the store does not answer"),
    };
    let mut config = ConfigHealth::of(app);
    // The problems quote the config and name its files.
    if !whole {
        config.error = config.error.map(|_| "the config on disk is refused; `orchd status` says why".to_owned());
        config.held = config.held.map(|held| Hold { rules: Vec::new(), ..held });
    }
    let running = app.config();
    let disk = tokio::task::spawn_blocking(move || Disk::of(free_space(&running)))
        .await
        .map_err(|error| HttpError::Internal { cause: error.to_string() })?;

    let recovery = RecoveryHealth::of(app);
    let queue_status = queue.as_ref().map_or(Status::Ok, |queue| queue.status);
    let github = GitHubHealth::of(app);
    let stopped = if tripped.is_some_and(|count| count > 0) { Status::Degraded } else { Status::Ok };
    let guards = GuardsHealth { status: stopped, tripped };
    let parts = [database.status, config.status, queue_status, recovery.status, github.status, stopped, disk.status];
    let status = parts.into_iter().max().unwrap_or(Status::Ok);
    Ok(Health { status, database, config, queue, installations, recovery, github, guards, disk })
}

impl Health {
    pub(super) fn into_reply(self) -> Result<Reply, HttpError> {
        let fails = self.status == Status::Failing;
        reply::json_with(if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, &self)
    }
}

impl ConfigHealth {
    pub(super) fn of(app: &App) -> Self {
        let live = app.config.status();
        let error = live.refused.map(|refused| refused.problems.to_string());
        Self {
            status: if error.is_some() || live.held.is_some() { Status::Degraded } else { Status::Ok },
            revision: live.revision.hash,
            git_commit: live.revision.git_commit,
            loaded_at: live.revision.loaded_at,
            error,
            held: live.held,
            needs_restart: live.needs_restart,
        }
    }
}

impl GitHubHealth {
    pub(super) fn of(app: &App) -> Self {
        let troubles = app.github.load().troubles();
        Self { status: if troubles.is_empty() { Status::Ok } else { Status::Degraded }, troubles }
    }
}

impl Queue {
    pub(super) fn of(depth: QueueDepth) -> Self {
        let age = depth.oldest_queued.map_or(0.0, |oldest| metrics::age_seconds(oldest, Utc::now()));
        let status = if age > QUEUE_WARNING_SECONDS { Status::Degraded } else { Status::Ok };
        Self { status, depth, oldest_queued_seconds: age }
    }
}

impl RecoveryHealth {
    /// Nothing that was said by others is in it: the log has the reasons.
    pub(super) fn of(app: &App) -> Self {
        let (config, seen) = (app.config(), app.recovery.seen());
        let no_app =
            config.github.private_key.is_none() || matches!(&seen.last, Some(last) if last.outcome == Outcome::NoApp);
        let runs = match config.recovery.every {
            _ if no_app => "never: no App is configured".to_owned(),
            None => "when asked: recovery.every is 0s".to_owned(),
            Some(every) => format!("every {} s", every.as_secs()),
        };
        let last = seen.last.as_ref().map(|last| LastRun {
            last_run_at: last.finished_at,
            outcome: last.outcome.word(),
            missing: last.missing,
            recovered: last.recovered,
            unrecoverable: last.unrecoverable,
            left: last.left,
        });
        let status = if seen.keeps_failing() { Status::Degraded } else { Status::Ok };
        Self { status, runs, last }
    }
}

impl Disk {
    fn of(free_bytes: Option<u64>) -> Self {
        let status = match free_bytes {
            Some(free) if free < DISK_FAILING => Status::Failing,
            Some(free) if free < DISK_WARNING => Status::Degraded,
            Some(_) => Status::Ok,
            None => Status::Degraded,
        };
        Self { status, free_bytes }
    }
}

/// Free bytes where the database lies. Asks the file system, which may take its time.
pub(super) fn free_space(config: &Config) -> Option<u64> {
    free_bytes(&database_directory(config))
}

/// Where the SQLite file lies; with PostgreSQL, where large payloads do.
fn database_directory(config: &Config) -> PathBuf {
    let file = config.database.sqlite_file();
    let directory = file.as_ref().and_then(|file| file.parent());
    directory.map_or_else(|| config.database.objects.clone(), Path::to_owned)
}

/// Free bytes for an unprivileged user on the file system of the directory, or of the nearest one above it that exists.
fn free_bytes(directory: &Path) -> Option<u64> {
    let stat = directory.ancestors().find_map(|place| rustix::fs::statvfs(place).ok())?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_space_is_a_warning_and_none_a_failure() {
        assert_eq!(Disk::of(Some(10_000_000_000)).status, Status::Ok);
        assert_eq!(Disk::of(Some(499_999_999)).status, Status::Degraded);
        assert_eq!(Disk::of(Some(49_999_999)).status, Status::Failing);
        assert_eq!(Disk::of(None).status, Status::Degraded);
    }

    #[test]
    fn a_directory_that_does_not_exist_yet_has_the_space_of_the_one_above() {
        assert!(free_bytes(Path::new("/does/not/exist")).is_some());
    }
}
