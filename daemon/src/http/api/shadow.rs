//! `/api/shadow/NAME`: what a rule in shadow would have done, and what people did.

use chrono::{TimeDelta, Utc};
use percent_encoding::percent_decode_str;
use warp::Filter;
use warp::path::Tail;
use warp::reply::Response;

use super::query::{self, Query};
use crate::core::rule::RuleName;
use crate::engine::shadow::report;
use crate::http::error::{HttpError, answer};
use crate::http::routes::{Routes, with};
use crate::http::{App, reply};

/// The window when nobody says since when.
const USUAL_WINDOW: TimeDelta = TimeDelta::days(30);

pub(super) fn routes(app: &App) -> Routes {
    // The name of a repository's own rule has a slash in it.
    warp::path!("api" / "shadow" / ..)
        .and(warp::path::tail())
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |name: Tail, query, app| answer(show(name.as_str(), query, app).await))
        .boxed()
}

async fn show(name: &str, mut query: Query, app: App) -> Result<Response, HttpError> {
    let since = query.parsed("since")?.unwrap_or_else(|| Utc::now() - USUAL_WINDOW);
    query.finish()?;
    let name = percent_decode_str(name).decode_utf8_lossy();
    let rule = RuleName::parse(&name).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let told = report(&app.db, &app.config(), &rule, since).await?;
    reply::json(&told.map_err(|unknown| HttpError::NotFound(unknown.to_string()))?)
}
