//! `/api/status`: the daemon at a glance.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::call::Call;
use crate::core::access::Level;
use crate::http::error::HttpError;
use crate::http::health::{self, ConfigHealth, GitHubHealth, Queue, RecoveryHealth};
use crate::http::reply::{self, Reply};
use crate::store::Among;
use crate::store::guards::TripRow;
use crate::store::installations::InstallationCount;
use crate::store::repository_configs::RepositoryConfigRow;

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Status {
    version: &'static str,
    started_at: DateTime<Utc>,
    uptime_seconds: i64,
    listen: String,
    config_path: String,
    config: ConfigHealth,
    rules: usize,
    dry_run: bool,
    read_only: bool,
    queue: Queue,
    github: GitHubHealth,
    recovery: RecoveryHealth,
    repositories: u64,
    installations: InstallationCount,
    /// Rules that are stopped on an item.
    guards: Vec<TripRow>,
    /// Files of repositories that are not used as they are now.
    repository_configs: Vec<RepositoryConfigRow>,
}

/// Files that are told of: each is somebody else's to mend.
const MOST_BAD_CONFIGS: u32 = 20;

/// `GET /api/guards` has them all.
const MOST_TRIPPED: u32 = 20;

/// As `GET /health`; all of it for who may see the config.
pub(super) async fn health(mut call: Call) -> Result<Reply, HttpError> {
    call.no_query()?;
    health::report(&call.app, call.caller.holds(Level::Viewer)).await?.into_reply()
}

pub(super) async fn show(mut call: Call) -> Result<Reply, HttpError> {
    call.no_query()?;
    let app = &call.app;
    let queue = Queue::of(app.db.queue_depth().await?);
    let repositories = app.db.count_repositories().await?;
    let installations = app.db.count_installations().await?;
    let config = app.config();
    let repository_configs = match config.repository_config.enabled {
        true => app.db.bad_repository_configs(MOST_BAD_CONFIGS).await?,
        false => Vec::new(),
    };
    reply::json(&Status {
        version: env!("CARGO_PKG_VERSION"),
        started_at: app.started_at,
        uptime_seconds: (Utc::now() - app.started_at).num_seconds(),
        listen: app.listens_on.map_or_else(|| "a socket from systemd".to_owned(), |address| address.to_string()),
        config_path: config.revision.path.display().to_string(),
        config: ConfigHealth::of(app),
        rules: config.rules.len(),
        dry_run: config.github.dry_run,
        read_only: config.github.read_only,
        queue,
        github: GitHubHealth::of(app),
        recovery: RecoveryHealth::of(app),
        repositories,
        installations,
        guards: app.db.tripped(Utc::now(), &Among::All, MOST_TRIPPED).await?,
        repository_configs,
    })
}
