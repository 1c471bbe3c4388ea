//! `/api/shadow/NAME`: what a rule in shadow would have done, and what people did.

use chrono::{TimeDelta, Utc};

use super::call::Call;
use super::params::{Param, SINCE};
use crate::core::rule::RuleName;
pub(super) use crate::engine::shadow::Report;
use crate::engine::shadow::report;
use crate::http::error::HttpError;

/// The window when nobody says since when.
const USUAL_WINDOW: TimeDelta = TimeDelta::days(30);

pub(super) const QUERY: &[Param] = &[SINCE];

/// The name of a repository's own rule has a slash in it.
pub(super) async fn show(call: Call) -> Result<Report, HttpError> {
    let Call { app, mut query, path, .. } = call;
    let since = query.parsed("since")?.unwrap_or_else(|| Utc::now() - USUAL_WINDOW);
    query.finish()?;
    let rule = RuleName::parse(path.first().map_or("", String::as_str))
        .map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let told = report(&app.db, &app.config(), &rule, since).await?;
    told.map_err(|unknown| HttpError::NotFound(unknown.to_string()))
}
