//! `/api/installations`: what is known of the App's installations, and asking GitHub anew.

use std::collections::BTreeMap;

use serde::Serialize;

use super::call::Call;
use super::params::{LIMIT, Param, ParamKind, param};
use crate::actions;
use crate::core::event::{InstallationId, RepoName};
use crate::core::permission::{Missing, grants, missing};
use crate::core::rule::RuleName;
use crate::http::error::HttpError;
use crate::http::reply::{self, Reply};
use crate::store::installations::InstallationRow;

/// Repositories shown of one installation.
const MOST_REPOSITORIES: u32 = 1_000;

/// The list comes a moment later.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Refreshing {
    refreshing: bool,
}

/// One installation, with what it covers and what it lacks.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "InstallationShown")]
pub(super) struct Shown {
    installation: InstallationRow,
    /// The first thousand it covers.
    repositories: Vec<RepoName>,
    /// What the rules need and it does not grant.
    missing: Vec<Missing>,
}

pub(super) const LIST: &[Param] = &[
    LIMIT,
    param(
        "after",
        ParamKind::Count { least: 0, most: i64::MAX as u64 },
        "Where the page begins: `next` of the one before.",
    ),
];

pub(super) async fn list(call: Call) -> Result<Reply, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let (limit, after) = (query.limit()?, query.parsed("after")?);
    query.finish()?;
    reply::json(&app.db.installations(&among, limit, after).await?)
}

pub(super) async fn show(mut call: Call) -> Result<Reply, HttpError> {
    call.no_query()?;
    let id = call.named();
    let not_a_number = |_| HttpError::BadRequest(format!("`{id}` is not the number of an installation"));
    let id = InstallationId(id.parse().map_err(not_a_number)?);
    let app = &call.app;
    let unknown = || HttpError::NotFound(format!("there is no installation {id}"));
    let installation = app.db.installation(id).await?.ok_or_else(unknown)?;
    let among = call.among();
    if !app.db.is_installation_seen(id, &among).await? {
        return Err(unknown());
    }
    let mut repositories = app.db.covered_repositories(id, MOST_REPOSITORIES).await?;
    repositories.retain(|name| among.has(Some(name)));
    let config = app.config();
    let mut missing = missing(&config.rules, actions::kinds(), &installation.permissions);
    if config.repository_config.enabled {
        missing.extend(lacking_for_files(&installation.permissions));
    }
    reply::json(&Shown { installation, repositories, missing })
}

/// What reading repositories' own files, and checking them, takes.
fn lacking_for_files(granted: &BTreeMap<String, String>) -> impl Iterator<Item = Missing> {
    let needed = [("checks", "write"), ("contents", "read")];
    needed.into_iter().filter(|(permission, level)| !grants(granted, permission, level)).map(|(permission, level)| {
        Missing { permission: permission.to_owned(), level: level.to_owned(), rules: vec![RuleName::check_config()] }
    })
}

/// The list is asked for by the task that does so every hour; what it brings shows a moment later.
pub(super) async fn refresh(mut call: Call) -> Result<Reply, HttpError> {
    call.no_query()?;
    call.app.refresh.notify_one();
    reply::json(&Refreshing { refreshing: true })
}
