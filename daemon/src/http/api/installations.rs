//! `/api/installations`: what is known of the App's installations, and asking GitHub anew.

use serde::Serialize;

use super::call::Call;
use super::params::{AFTER, LIMIT, Param};
use super::rules::config_for;
use crate::actions;
use crate::core::event::{InstallationId, RepoName};
use crate::core::permission::{Missing, missing, missing_for_files};
use crate::http::error::HttpError;
use crate::store::Among;
use crate::store::Page;
use crate::store::installations::InstallationRow;

/// Repositories shown of one installation.
const MOST_REPOSITORIES: u32 = 1_000;

/// The list comes a moment later.
#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Refreshing {
    pub(in crate::http) refreshing: bool,
}

/// One installation, with what it covers and what it lacks.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "InstallationShown")]
pub(in crate::http) struct Shown {
    pub(in crate::http) installation: InstallationRow,
    /// The first thousand it covers.
    pub(in crate::http) repositories: Vec<RepoName>,
    /// What the rules need and it does not grant.
    pub(in crate::http) missing: Vec<Missing>,
}

pub(super) const LIST: &[Param] = &[LIMIT, AFTER];

pub(super) async fn list(mut call: Call) -> Result<Page<InstallationRow>, HttpError> {
    let among = call.among();
    let mut query = std::mem::take(&mut call.query);
    let (limit, after) = (query.limit()?, query.parsed("after")?);
    query.finish()?;
    let mut page = call.app.db.installations(&among, limit, after).await?;
    for row in &mut page.rows {
        if among != Among::All {
            only_seen(row, covered(&call, row.id, &among).await?.len());
        }
    }
    Ok(page)
}

/// Those of its repositories that whoever asks sees.
async fn covered(call: &Call, id: InstallationId, among: &Among) -> Result<Vec<RepoName>, HttpError> {
    let mut repositories = call.app.db.covered_repositories(id, MOST_REPOSITORIES).await?;
    repositories.retain(|name| among.has(Some(name)));
    Ok(repositories)
}

/// Tells nothing of the others.
fn only_seen(row: &mut InstallationRow, seen: usize) {
    row.repositories = seen as u64;
    row.last_event_at = None;
}

pub(super) async fn show(mut call: Call) -> Result<Shown, HttpError> {
    call.no_query()?;
    let id = call.named();
    let not_a_number = |_| HttpError::BadRequest(format!("`{id}` is not the number of an installation"));
    let id = InstallationId(id.parse().map_err(not_a_number)?);
    let app = &call.app;
    let unknown = || HttpError::NotFound(format!("there is no installation {id}"));
    let mut installation = app.db.installation(id).await?.ok_or_else(unknown)?;
    let among = call.among();
    if !app.db.is_installation_seen(id, &among).await? {
        return Err(unknown());
    }
    let repositories = covered(&call, id, &among).await?;
    if among != Among::All {
        only_seen(&mut installation, repositories.len());
    }
    let config = config_for(&call).await?;
    let mut missing = missing(config.rules.iter(), actions::kinds(), &installation.permissions);
    if config.repository_config.enabled {
        missing.extend(missing_for_files(&installation.permissions));
    }
    Ok(Shown { installation, repositories, missing })
}

/// The list is asked for by the task that does so every hour; what it brings shows a moment later.
pub(super) async fn refresh(mut call: Call) -> Result<Refreshing, HttpError> {
    call.no_query()?;
    call.app.refresh.notify_one();
    Ok(Refreshing { refreshing: true })
}
