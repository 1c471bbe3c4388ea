//! `GET /events`: what arrived, as it arrives.

use askama::Template;
use chrono::Utc;
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::EventsList;
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::form::{self, Field};
use super::parts::{Pager, Pill, When};
use super::visit::{query, url};
use super::{Layout, Visit, states};
use crate::core::text::{harmless, shortened};
use crate::store::events::{EventRow, Source};

/// Names that the API's list takes, and the form has fields for.
const FILTERS: [&str; 8] = ["repo", "type", "action", "actor", "status", "number", "since", "until"];

/// States to pick; the first is any of them.
const STATES: [&str; 5] = ["", "received", "processing", "processed", "failed"];

#[derive(Template)]
#[template(path = "pages/events.html")]
struct EventsPage {
    layout: Layout,
    fields: Vec<Field>,
    is_filtered: bool,
    rows: Vec<EventLine>,
    /// `None`: this is not the newest page.
    stream: Option<String>,
    pager: Pager,
}

/// An event as a row. The live list sends the same.
#[derive(Template)]
#[template(path = "pages/event_row.html")]
pub(super) struct EventLine {
    id: String,
    when: When,
    kind: String,
    about: Option<Place>,
    actor: String,
    state: Pill,
    /// Not a webhook: found later, or made by orchd itself.
    source: Option<&'static str>,
}

/// What an event is about, and where that is shown.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) url: String,
}

impl EventLine {
    pub(super) fn of(row: &EventRow) -> Self {
        Self {
            id: row.id.to_string(),
            when: When::at(row.received_at),
            kind: harmless(&row.kind()),
            about: Place::of(row),
            actor: shortened(&harmless(row.actor.as_deref().unwrap_or_default())),
            state: states::event(row.processing_status),
            source: source(row.source),
        }
    }
}

impl Place {
    pub(super) fn of(row: &EventRow) -> Option<Self> {
        let repository = row.repository.as_ref()?;
        let url = match row.number {
            Some(number) => format!("/items/{repository}/{number}"),
            None => format!("/repositories/{repository}"),
        };
        Some(Self { name: row.about()?, url })
    }
}

fn source(source: Source) -> Option<&'static str> {
    match source {
        Source::Webhook => None,
        Source::Recovered => Some("recovered"),
        Source::Forwarded => Some("forwarded"),
        Source::Swept => Some("swept"),
        Source::Scheduled => Some("scheduled"),
    }
}

/// The row of the live list.
pub(in crate::http) fn event_row(row: &EventRow) -> String {
    EventLine::of(row).to_string()
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let filters = form::filters(&visit, &FILTERS);
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    // Times such as `2h` are fixed here: the live list goes on from the same moment.
    let exact = form::asked(&filters, Utc::now());
    let mut asked = exact.clone();
    asked.extend(after.map(|after| ("after".to_owned(), after.to_owned())));
    // Of all that is seen, and before the list is read: the live list goes on from there, whatever the filters.
    let newest = visit.ask(EventsList, &[], query([("limit", "1")])).await?;
    let newest = newest.rows.first().map_or_else(|| uuid::Uuid::nil().to_string(), |row| row.id.to_string());
    let found = visit.ask(EventsList, &[], asked).await?;
    let stream = after.is_none().then(|| {
        let mut query = exact;
        query.push(("after".to_owned(), newest));
        url("/live/events", &query)
    });
    let pager = Pager::new("/events", &filters, after, found.next.map(|next| next.to_string()));
    let shown = EventsPage {
        layout: visit.layout("Events"),
        is_filtered: !filters.is_empty(),
        fields: fields(&visit),
        rows: found.rows.iter().map(EventLine::of).collect(),
        stream,
        pager,
    };
    page::html(StatusCode::OK, &shown)
}

fn fields(visit: &Visit) -> Vec<Field> {
    let value = |name| visit.query.get(name).unwrap_or_default();
    let text = |name, label, hint| Field::text(name, label, value(name), hint);
    let states = STATES.map(|state| (state, if state.is_empty() { "any".to_owned() } else { state.to_owned() }));
    vec![
        text("repo", "Repository", "acme/web"),
        text("type", "Event", "issues"),
        text("action", "Action", "opened"),
        text("actor", "By", "login"),
        text("number", "Number", "12"),
        Field::choice("status", "State", value("status"), states),
        text("since", "Since", "2026-01-31 or 2h"),
        text("until", "Until", "2026-02-01"),
    ]
}
