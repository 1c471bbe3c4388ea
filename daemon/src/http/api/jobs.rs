//! `/api/jobs`: list, show, and what a person may do with a dead letter.

use chrono::Utc;
use uuid::Uuid;
use warp::Filter;
use warp::reply::Response;

use super::operator;
use super::query::{self, Query};
use crate::core::audit::Actor;
use crate::core::event::EventId;
use crate::http::error::{HttpError, answer};
use crate::http::routes::{Routes, either, with};
use crate::http::{App, reply};
use crate::store::jobs::{JobFilter, JobId, JobRow};

pub(super) fn routes(app: &App) -> Routes {
    let list_them = warp::path!("api" / "jobs")
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |query, app| answer(list(query, app).await))
        .boxed();
    let show_one = warp::path!("api" / "jobs" / String)
        .and(warp::get())
        .and(with(app))
        .then(async |id: String, app| answer(show(&id, app).await))
        .boxed();
    let retry_one = warp::path!("api" / "jobs" / String / "retry")
        .and(warp::post())
        .and(operator())
        .and(with(app))
        .then(async |id: String, by, app| answer(retry(&id, by, app).await))
        .boxed();
    let discard_one = warp::path!("api" / "jobs" / String / "discard")
        .and(warp::post())
        .and(operator())
        .and(with(app))
        .then(async |id: String, by, app| answer(discard(&id, by, app).await))
        .boxed();
    either(either(list_them, show_one), either(retry_one, discard_one))
}

async fn list(mut query: Query, app: App) -> Result<Response, HttpError> {
    let filter = JobFilter {
        among: crate::store::Among::All,
        state: query.word("state")?,
        lane: query.text("lane")?,
        event: query.parsed::<Uuid>("event")?.map(EventId),
        limit: query.limit()?,
        after: query.parsed("after")?,
    };
    query.finish()?;
    reply::json(&app.db.jobs(&filter).await?)
}

async fn show(id: &str, app: App) -> Result<Response, HttpError> {
    reply::json(&job(JobId(query::id(id)?), &app).await?)
}

async fn retry(id: &str, by: Actor, app: App) -> Result<Response, HttpError> {
    let id = JobId(query::id(id)?);
    let done = app.db.retry_dead(id, by, Utc::now()).await?;
    app.wake.notify_one();
    after_change(id, done, &app).await
}

async fn discard(id: &str, by: Actor, app: App) -> Result<Response, HttpError> {
    let id = JobId(query::id(id)?);
    let done = app.db.discard(id, by, Utc::now()).await?;
    after_change(id, done, &app).await
}

/// The job as it is now, or why nothing was done to it.
async fn after_change(id: JobId, done: bool, app: &App) -> Result<Response, HttpError> {
    let job = job(id, app).await?;
    if done {
        return reply::json(&job);
    }
    let state = serde_json::to_value(job.state).ok();
    let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or("in another state");
    Err(HttpError::Conflict(format!("the job is {state}: only a dead letter can be retried or discarded")))
}

async fn job(id: JobId, app: &App) -> Result<JobRow, HttpError> {
    app.db.job(id).await?.ok_or_else(|| HttpError::NotFound(format!("there is no job {}", id.0)))
}
