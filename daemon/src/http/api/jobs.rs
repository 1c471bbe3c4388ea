//! `/api/jobs`: list, show, and what a person may do with a dead letter.

use chrono::Utc;
use uuid::Uuid;

use super::call::Call;
use super::params::ParamKind::{Text, Words};
use super::params::{AFTER, EVENT, LIMIT, Param, param};
use crate::core::event::EventId;
use crate::http::error::HttpError;
use crate::store::Page;
use crate::store::jobs::{JobFilter, JobId, JobRow};

pub(super) const LIST: &[Param] = &[
    param("state", Words(&["queued", "running", "done", "dead", "discarded"]), "In this state."),
    param("lane", Text, "Of this lane: what is done one after the other."),
    EVENT,
    LIMIT,
    AFTER,
];

pub(super) async fn list(call: Call) -> Result<Page<JobRow>, HttpError> {
    let among = call.among();
    let Call { app, mut query, .. } = call;
    let filter = JobFilter {
        among,
        state: query.word("state")?,
        lane: query.text("lane")?,
        event: query.parsed::<Uuid>("event")?.map(EventId),
        limit: query.limit()?,
        after: query.parsed("after")?,
    };
    query.finish()?;
    Ok(app.db.jobs(&filter).await?)
}

pub(super) async fn show(mut call: Call) -> Result<JobRow, HttpError> {
    call.no_query()?;
    seen(&call).await
}

pub(super) async fn retry(mut call: Call) -> Result<JobRow, HttpError> {
    call.no_query()?;
    let id = seen(&call).await?.id;
    let done = call.app.db.retry_dead(id, call.by(), Utc::now()).await?;
    call.app.wake.notify_one();
    after_change(done, &call).await
}

pub(super) async fn discard(mut call: Call) -> Result<JobRow, HttpError> {
    call.no_query()?;
    let id = seen(&call).await?.id;
    let done = call.app.db.discard(id, call.by(), Utc::now()).await?;
    after_change(done, &call).await
}

/// The job as it is now, or why nothing was done to it.
async fn after_change(done: bool, call: &Call) -> Result<JobRow, HttpError> {
    let job = seen(call).await?;
    if done {
        return Ok(job);
    }
    let state = serde_json::to_value(job.state).ok();
    let state = state.as_ref().and_then(|state| state.as_str()).unwrap_or("in another state");
    Err(HttpError::Conflict(format!("the job is {state}: only a dead letter can be retried or discarded")))
}

/// The job, if whoever asks may do this with it.
async fn seen(call: &Call) -> Result<JobRow, HttpError> {
    let id = JobId(call.id()?);
    let missing = || HttpError::NotFound(format!("there is no job {}", id.0));
    let job = call.app.db.job(id).await?.ok_or_else(missing)?;
    call.check_made(job.repository().as_ref(), job.created_at, missing).await?;
    Ok(job)
}
