//! `GET /events`: what arrived, as it arrives.

use askama::Template;
use http::StatusCode;
use warp::reply::Response;

use super::super::api::endpoints::EventsList;
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::parts::{Pager, Pill, Tone, When};
use super::visit::url;
use super::{Layout, Visit};
use crate::core::text::{harmless, shortened};
use crate::store::events::{EventRow, EventStatus, Source};

/// Names that the API's list takes, and the form has fields for.
const FILTERS: [&str; 8] = ["repo", "type", "action", "actor", "status", "number", "since", "until"];

#[derive(Template)]
#[template(path = "pages/events.html")]
struct EventsPage {
    layout: Layout,
    filters: Vec<Field>,
    is_filtered: bool,
    rows: Vec<EventLine>,
    /// `None`: this is not the newest page.
    stream: Option<String>,
    pager: Pager,
}

/// A field of the form.
struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
    hint: &'static str,
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
            state: state(row.processing_status),
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

pub(super) fn state(status: EventStatus) -> Pill {
    match status {
        EventStatus::Received => Pill::new(Tone::Busy, "received"),
        EventStatus::Processing => Pill::new(Tone::Busy, "processing"),
        EventStatus::Processed => Pill::new(Tone::Good, "processed"),
        EventStatus::Failed => Pill::new(Tone::Bad, "failed"),
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
    let filters: Vec<_> =
        visit.query.filled().into_iter().filter(|(name, _)| FILTERS.contains(&name.as_str())).collect();
    let after = visit.query.get("after").filter(|after| !after.is_empty());
    let mut asked = filters.clone();
    asked.extend(after.map(|after| ("after".to_owned(), after.to_owned())));
    let found = visit.ask(EventsList, &[], asked).await?;
    let newest = found.rows.first().map_or_else(|| uuid::Uuid::nil().to_string(), |row| row.id.to_string());
    let stream = after.is_none().then(|| {
        let mut query = filters.clone();
        query.push(("after".to_owned(), newest));
        url("/live/events", &query)
    });
    let pager = Pager::new("/events", &filters, after, found.next.map(|next| next.to_string()));
    let shown = EventsPage {
        layout: visit.layout("Events"),
        is_filtered: !filters.is_empty(),
        filters: fields(&visit),
        rows: found.rows.iter().map(EventLine::of).collect(),
        stream,
        pager,
    };
    page::html(StatusCode::OK, &shown)
}

fn fields(visit: &Visit) -> Vec<Field> {
    let field = |name: &'static str, label, hint| Field {
        name,
        label,
        value: visit.query.get(name).unwrap_or_default().to_owned(),
        hint,
    };
    vec![
        field("repo", "Repository", "acme/web"),
        field("type", "Event", "issues"),
        field("action", "Action", "opened"),
        field("actor", "By", "login"),
        field("number", "Number", "12"),
        field("status", "State", ""),
        field("since", "Since", "2026-01-31T00:00:00Z"),
        field("until", "Until", "2026-02-01T00:00:00Z"),
    ]
}

impl Field {
    /// Values of which one is picked; empty: anything may be written.
    fn choices(&self) -> &'static [&'static str] {
        if self.name == "status" { &["received", "processing", "processed", "failed"] } else { &[] }
    }
}
