//! `/api/installations`: what is known of the App's installations, and asking GitHub anew.

use std::collections::BTreeMap;

use serde::Serialize;
use warp::Filter;
use warp::reply::Response;

use super::query::{self, Query};
use crate::actions;
use crate::core::event::{InstallationId, RepoName};
use crate::core::permission::{Missing, grants, missing};
use crate::core::rule::RuleName;
use crate::http::error::{HttpError, answer};
use crate::http::routes::{Routes, either, with};
use crate::http::{App, reply};
use crate::store::installations::InstallationRow;

/// Repositories shown of one installation.
const MOST_REPOSITORIES: u32 = 1_000;

/// One installation, with what it covers and what it lacks.
#[derive(Serialize)]
struct Shown {
    installation: InstallationRow,
    /// The first thousand it covers.
    repositories: Vec<RepoName>,
    /// What the rules need and it does not grant.
    missing: Vec<Missing>,
}

pub(super) fn routes(app: &App) -> Routes {
    let list_them = warp::path!("api" / "installations")
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |query, app| answer(list(query, app).await))
        .boxed();
    let ask_anew = warp::path!("api" / "installations" / "refresh")
        .and(warp::post())
        .and(with(app))
        .then(async |app| answer(refresh(&app)))
        .boxed();
    let show_one = warp::path!("api" / "installations" / i64)
        .and(warp::get())
        .and(with(app))
        .then(async |id, app| answer(show(InstallationId(id), app).await))
        .boxed();
    either(list_them, either(ask_anew, show_one))
}

async fn list(mut query: Query, app: App) -> Result<Response, HttpError> {
    let (limit, after) = (query.limit()?, query.parsed("after")?);
    query.finish()?;
    reply::json(&app.db.installations(&crate::store::Among::All, limit, after).await?)
}

async fn show(id: InstallationId, app: App) -> Result<Response, HttpError> {
    let unknown = || HttpError::NotFound(format!("there is no installation {id}"));
    let installation = app.db.installation(id).await?.ok_or_else(unknown)?;
    let repositories = app.db.covered_repositories(id, MOST_REPOSITORIES).await?;
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
fn refresh(app: &App) -> Result<Response, HttpError> {
    app.refresh.notify_one();
    reply::json(&serde_json::json!({"refreshing": true}))
}
