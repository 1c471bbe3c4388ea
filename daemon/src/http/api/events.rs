//! `/api/events`: list, show, replay.

use bytes::Bytes;
use chrono::Utc;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;
use warp::Filter;
use warp::reply::Response;

use super::operator;
use super::query::{self, Query};
use crate::core::audit::Actor;
use crate::core::event::EventId;
use crate::core::facts::Beside;
use crate::engine::why::{Story, story_of};
use crate::http::error::{HttpError, answer};
use crate::http::routes::{Routes, either, with};
use crate::http::{App, reply};
use crate::store::events::{EventFilter, Replay};

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    story: Story,
    /// What was known beside the payload when the event was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<Beside>,
    /// Only when asked for; `null` when retention has dropped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Option<Box<RawValue>>>,
}

#[derive(Serialize)]
struct Replayed {
    event_id: EventId,
    status: &'static str,
}

pub(super) fn routes(app: &App) -> Routes {
    let list_them = warp::path!("api" / "events")
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |query, app| answer(list(query, app).await))
        .boxed();
    let show_one = warp::path!("api" / "events" / String)
        .and(warp::get())
        .and(query::query())
        .and(with(app))
        .then(async |id: String, query, app| answer(show(&id, query, app).await))
        .boxed();
    let replay_one = warp::path!("api" / "events" / String / "replay")
        .and(warp::post())
        .and(operator())
        .and(with(app))
        .then(async |id: String, by, app| answer(replay(&id, by, app).await))
        .boxed();
    either(either(list_them, show_one), replay_one)
}

/// Every filter of a list of events, but not where the page begins.
pub(super) fn filter(query: &mut Query) -> Result<EventFilter, HttpError> {
    Ok(EventFilter {
        among: crate::store::Among::All,
        repository: query.repository("repo")?,
        event_type: query.text("type")?,
        event_action: query.text("action")?,
        actor: query.text("actor")?,
        status: query.word("status")?,
        number: query.parsed("number")?,
        since: query.parsed("since")?,
        until: query.parsed("until")?,
        limit: query.limit()?,
        after: None,
        newer_than: None,
    })
}

async fn list(mut query: Query, app: App) -> Result<Response, HttpError> {
    let filter = EventFilter { after: query.parsed::<Uuid>("after")?, ..filter(&mut query)? };
    query.finish()?;
    reply::json(&app.db.events(&filter).await?)
}

async fn show(id: &str, mut query: Query, app: App) -> Result<Response, HttpError> {
    let id = EventId(query::id(id)?);
    let with_payload = query.parsed::<bool>("payload")?.unwrap_or(false);
    query.finish()?;
    let event = app.db.event(id).await?.ok_or_else(|| no_event(id))?;
    let story = story_of(&app.db, event).await?;
    let payload = match with_payload {
        true => Some(app.db.payload(id).await?.map(raw_json).transpose()?),
        false => None,
    };
    let facts = app.db.facts_of(id).await?;
    reply::json(&Shown { story, facts, payload })
}

pub(super) fn no_event(id: EventId) -> HttpError {
    HttpError::NotFound(format!("there is no event {id}"))
}

/// The stored text as it is, without building the document.
fn raw_json(payload: Bytes) -> Result<Box<RawValue>, HttpError> {
    serde_json::from_slice(&payload)
        .map_err(|error| HttpError::Internal { cause: format!("a stored payload is not JSON: {error}") })
}

async fn replay(id: &str, by: Actor, app: App) -> Result<Response, HttpError> {
    let id = EventId(query::id(id)?);
    match app.db.replay(id, by, Utc::now()).await? {
        Replay::Queued => {}
        Replay::NoEvent => return Err(no_event(id)),
        Replay::NoPayload => {
            let told = "its payload is no longer stored (`retention.payloads`), so there is nothing to decide on";
            return Err(HttpError::Conflict(told.to_owned()));
        }
    }
    app.wake.notify_one();
    reply::json(&Replayed { event_id: id, status: "queued" })
}
