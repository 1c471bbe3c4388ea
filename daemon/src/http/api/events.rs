//! `/api/events`: list, show, replay.

use bytes::Bytes;
use chrono::Utc;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::call::Call;
use super::params::ParamKind::{Count, Flag, Id, Text, Words};
use super::params::{AFTER, LIMIT, NUMBER, Param, REPO, SINCE, UNTIL, param};
use super::query::Query;
use crate::core::event::EventId;
use crate::core::facts::Beside;
use crate::engine::why::{Story, story_of};
use crate::http::error::HttpError;
use crate::store::Among;
use crate::store::Page;
use crate::store::causes::CausedRow;
use crate::store::events::{EventFilter, EventRow, Replay};

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "EventShown")]
pub(in crate::http) struct Shown {
    #[serde(flatten)]
    pub(in crate::http) story: Story,
    /// Events that these effects caused, in order of arrival, as far as they came soon after this one.
    pub(in crate::http) caused: Vec<CausedRow>,
    /// Whether the payload is stored: retention drops it before the event.
    pub(in crate::http) has_payload: bool,
    /// What was known beside the payload when the event was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    pub(in crate::http) facts: Option<Beside>,
    /// Only when asked for; `null` when retention has dropped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    pub(in crate::http) payload: Option<Option<Box<RawValue>>>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub(in crate::http) struct Replayed {
    pub(in crate::http) event_id: EventId,
    pub(in crate::http) status: &'static str,
}

/// The parameters of every list of events, and more.
macro_rules! filters {
    ($($more:expr),*) => {
        &[
            REPO,
            param("type", Text, "Of this event, as GitHub names it: `issues`."),
            param("action", Text, "Of this action: `opened`."),
            param("actor", Text, "Set off by this login."),
            param("status", Words(&["received", "processing", "processed", "failed"]), "In this state."),
            NUMBER,
            SINCE,
            UNTIL,
            LIMIT,
            $($more),*
        ]
    };
}

pub(super) const LIST: &[Param] = filters![AFTER];

pub(super) const TAIL: &[Param] = filters![
    param("newer_than", Id, "`next` of the answer before; without it, the answer says where to begin."),
    param("wait", Count { least: 0, most: 60 }, "Seconds to wait for something new.")
];

pub(super) const SHOW: &[Param] = &[param("payload", Flag, "With the payload as it was stored.")];

/// Every filter of a list of events, but not where the page begins, and who asks.
pub(super) fn filter(query: &mut Query) -> Result<EventFilter, HttpError> {
    Ok(EventFilter {
        among: Among::All,
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

impl Replayed {
    pub(super) fn queued(event_id: EventId) -> Self {
        Self { event_id, status: "queued" }
    }
}

pub(super) async fn list(mut call: Call) -> Result<Page<EventRow>, HttpError> {
    let after = call.query.parsed::<Uuid>("after")?;
    let filter = EventFilter { after, among: call.among(), ..filter(&mut call.query)? };
    std::mem::take(&mut call.query).finish()?;
    let mut page = call.app.db.events(&filter).await?;
    page.rows.retain(|event| call.is_told(&event.event_type, event.repository.as_ref()));
    Ok(page)
}

pub(super) async fn show(mut call: Call) -> Result<Shown, HttpError> {
    let id = EventId(call.id()?);
    let with_payload = call.query.parsed::<bool>("payload")?.unwrap_or(false);
    std::mem::take(&mut call.query).finish()?;
    let event = seen(&call, id).await?;
    let app = &call.app;
    let story = story_of(&app.db, event).await?.cut_to(&call.among());
    let payload = match with_payload {
        true => Some(app.db.payload(id).await?.map(raw_json).transpose()?),
        false => None,
    };
    let (facts, has_payload) = (app.db.facts_of(id).await?, app.db.has_payload(id).await?);
    let mut caused = app.db.caused_by(&story.event).await?;
    caused.retain(|each| call.is_told(&each.event_type, story.event.repository.as_ref()));
    Ok(Shown { story, caused, has_payload, facts, payload })
}

pub(super) fn no_event(id: EventId) -> HttpError {
    HttpError::NotFound(format!("there is no event {id}"))
}

/// The stored text as it is, without building the document.
fn raw_json(payload: Bytes) -> Result<Box<RawValue>, HttpError> {
    serde_json::from_slice(&payload)
        .map_err(|error| HttpError::Internal { cause: format!("a stored payload is not JSON: {error}") })
}

/// The event, if whoever asks may do this with it.
pub(super) async fn seen(call: &Call, id: EventId) -> Result<EventRow, HttpError> {
    let event = call.app.db.event(id).await?.ok_or_else(|| no_event(id))?;
    call.check_event(id, event.repository.as_ref(), || no_event(id)).await?;
    if !call.is_told(&event.event_type, event.repository.as_ref()) {
        return Err(no_event(id));
    }
    Ok(event)
}

pub(super) async fn replay(mut call: Call) -> Result<Replayed, HttpError> {
    let id = EventId(call.id()?);
    call.no_query()?;
    seen(&call, id).await?;
    match call.app.db.replay(id, call.by(), Utc::now()).await? {
        Replay::Queued => {}
        Replay::NoEvent => return Err(no_event(id)),
        Replay::NoPayload => {
            let told = "its payload is no longer stored (`retention.payloads`), so there is nothing to decide on";
            return Err(HttpError::Conflict(told.to_owned()));
        }
    }
    call.app.wake.notify_one();
    Ok(Replayed::queued(id))
}
