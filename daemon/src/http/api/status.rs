//! `/api/status`: the daemon at a glance.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::call::Call;
use crate::core::access::Level;
use crate::http::error::HttpError;
use crate::http::health::Health;
use crate::http::health::{self, ConfigHealth, GitHubHealth, Queue, RecoveryHealth};
use crate::store::Among;
use crate::store::guards::TripRow;
use crate::store::installations::InstallationCount;
use crate::store::repository_configs::RepositoryConfigRow;

#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Status {
    pub(in crate::http) version: &'static str,
    pub(in crate::http) started_at: DateTime<Utc>,
    pub(in crate::http) uptime_seconds: i64,
    pub(in crate::http) listen: String,
    pub(in crate::http) config_path: String,
    pub(in crate::http) config: ConfigHealth,
    pub(in crate::http) rules: usize,
    pub(in crate::http) dry_run: bool,
    pub(in crate::http) read_only: bool,
    pub(in crate::http) queue: Queue,
    pub(in crate::http) github: GitHubHealth,
    pub(in crate::http) recovery: RecoveryHealth,
    pub(in crate::http) repositories: u64,
    pub(in crate::http) installations: InstallationCount,
    /// Rules that are stopped on an item.
    pub(in crate::http) guards: Vec<TripRow>,
    /// Files of repositories that are not used as they are now.
    pub(in crate::http) repository_configs: Vec<RepositoryConfigRow>,
}

/// Files that are told of: each is somebody else's to mend.
const MOST_BAD_CONFIGS: u32 = 20;

/// `GET /api/guards` has them all.
const MOST_TRIPPED: u32 = 20;

/// As `GET /health`; all of it for who may see the config.
pub(super) async fn health(mut call: Call) -> Result<Health, HttpError> {
    call.no_query()?;
    health::report(&call.app, call.caller.holds(Level::Viewer)).await
}

pub(super) async fn show(mut call: Call) -> Result<Status, HttpError> {
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
    Ok(Status {
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
