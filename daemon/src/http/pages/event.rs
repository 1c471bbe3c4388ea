//! `/events/{id}`: what happened, what rules decided on it and why, what they did, and what came of that.

use askama::Template;
use http::StatusCode;
use serde_json::Value;
use warp::reply::Response;

use super::super::api::endpoints::{EventsReplay, EventsShow};
use super::super::assets::{icon, script, stylesheet};
use super::super::error::HttpError;
use super::super::page;
use super::events::Place;
use super::json::Json;
use super::parts::{Pill, When, span};
use super::story::{Decided, Manner, Room, RuleLink, goes_on};
use super::visit::query;
use super::{Layout, Visit, states};
use crate::core::access::Op;
use crate::core::text::{harmless, shortened};
use crate::engine::why::{Story, server_part};
use crate::store::causes::{CauseRow, CausedRow};
use crate::store::effects::EffectState;
use crate::store::events::{EventRow, Source};

/// Bytes of HTML for decisions and effects.
const ROOM: usize = 42_000;

/// Bytes of HTML for a payload.
const PAYLOAD_ROOM: usize = 45_000;

/// Events that this one led to which are shown.
const MOST_CAUSED: usize = 20;

/// Characters of what went wrong.
const LONGEST_ERROR: usize = 2_000;

#[derive(Template)]
#[template(path = "pages/event.html")]
struct EventPage<'e> {
    layout: Layout,
    head: Head,
    /// What of it is not over yet.
    goes_on: bool,
    /// Its item, or its repository.
    about: Option<Place>,
    repository: Option<Place>,
    delivery: String,
    source: &'static str,
    installation: Option<String>,
    error: Option<String>,
    tries: u32,
    told_at: Option<When>,
    by: Option<DecidedBy>,
    cause: Option<Cause>,
    caused: Vec<Link>,
    more_caused: usize,
    decided: Decided<'e>,
    may_replay: bool,
    /// Where all its effects may be taken back.
    take_back: Option<String>,
    has_payload: bool,
    kept: String,
}

/// What stands above an event and above its payload.
struct Head {
    id: String,
    kind: String,
    about: Option<String>,
    actor: String,
    when: When,
    state: Pill,
}

/// The config that decided, and when.
struct DecidedBy {
    when: When,
    revision: String,
    commit: Option<String>,
    /// The version of the repository's own file.
    own: Option<String>,
    url: Option<&'static str>,
}

/// The effect of ours that caused the event.
struct Cause {
    action: String,
    rule: RuleLink,
    url: String,
    depth: u32,
}

/// Another event.
struct Link {
    name: String,
    when: Option<When>,
    url: String,
}

#[derive(Template)]
#[template(path = "pages/payload.html")]
struct PayloadPage {
    layout: Layout,
    head: Head,
    /// `None`: it is not stored any more.
    payload: Option<Json>,
    kept: String,
}

impl Head {
    fn of(event: &EventRow) -> Self {
        Self {
            id: event.id.to_string(),
            kind: harmless(&event.kind()),
            about: event.about(),
            actor: shortened(&harmless(event.actor.as_deref().unwrap_or_default())),
            when: When::at(event.received_at),
            state: states::event(event.processing_status),
        }
    }
}

impl DecidedBy {
    fn of(story: &Story, visit: &Visit) -> Option<Self> {
        // All decisions on an event are made and replaced together.
        let decision = story.decisions.first()?;
        let revision = server_part(&decision.config_revision);
        let short = |text: &str| text.chars().take(12).collect::<String>();
        Some(Self {
            when: When::at(decision.decided_at),
            revision: revision.to_owned(),
            commit: story.commits.get(revision).map(|commit| short(commit)),
            own: decision.config_revision.split_once('+').map(|(_, file)| short(file)),
            url: visit.may(Op::ConfigShow).then_some("/config"),
        })
    }
}

impl Cause {
    fn of(cause: &CauseRow) -> Self {
        Self {
            action: harmless(&cause.action),
            rule: RuleLink::of(&cause.rule),
            url: format!("/events/{}", cause.event),
            depth: cause.depth,
        }
    }
}

impl Link {
    fn to(caused: &CausedRow) -> Self {
        let kind = match &caused.event_action {
            Some(action) => format!("{}.{action}", caused.event_type),
            None => caused.event_type.clone(),
        };
        Self { name: harmless(&kind), when: When::maybe(caused.event.at()), url: format!("/events/{}", caused.event) }
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Webhook => "a webhook from GitHub",
        Source::Recovered => "pulled from GitHub's list of deliveries: it never arrived by itself",
        Source::Forwarded => "forwarded by the Action",
        Source::Swept => "made up by a sweep: the item had changed and no delivery told it",
        Source::Scheduled => "told by orchd itself, because it is time",
    }
}

/// How long payloads are kept.
fn kept(visit: &Visit) -> String {
    span(i64::try_from(visit.app.config().retention.payloads.as_secs()).unwrap_or(i64::MAX))
}

pub(super) async fn show(visit: Visit) -> Result<Response, HttpError> {
    let shown = visit.ask(EventsShow, &[visit.named(0)], Vec::new()).await?;
    let (story, event) = (&shown.story, &shown.story.event);
    let manner = Manner { visit: &visit, is_whole: true };
    let may = |op| visit.may_in(op, event.repository.as_ref());
    let was_applied = story.effects.iter().any(|effect| effect.state == EffectState::Applied);
    let drawn = EventPage {
        layout: visit.layout("Events"),
        head: Head::of(event),
        goes_on: goes_on(story),
        about: Place::of(event).filter(|_| event.number.is_some()),
        repository: event
            .repository
            .as_ref()
            .map(|name| Place { name: name.to_string(), url: format!("/repositories/{name}") }),
        delivery: harmless(&event.delivery_id),
        source: source(event.source),
        installation: event.installation.map(|id| id.to_string()),
        error: event
            .error_message
            .as_deref()
            .map(|error| harmless(&error.chars().take(LONGEST_ERROR).collect::<String>())),
        tries: event.retry_count,
        told_at: When::maybe(event.github_timestamp),
        by: DecidedBy::of(story, &visit),
        cause: story.cause.as_ref().map(Cause::of),
        caused: shown.caused.iter().take(MOST_CAUSED).map(Link::to).collect(),
        more_caused: shown.caused.len().saturating_sub(MOST_CAUSED),
        decided: Decided::of(story, &manner, &mut Room(ROOM)),
        may_replay: may(Op::EventsReplay) && shown.has_payload,
        take_back: (was_applied && may(Op::RollbacksPlan)).then(|| format!("/rollbacks/new?event={}", event.id)),
        has_payload: shown.has_payload,
        kept: kept(&visit),
    };
    page::html(StatusCode::OK, &drawn)
}

pub(super) async fn payload(visit: Visit) -> Result<Response, HttpError> {
    let shown = visit.ask(EventsShow, &[visit.named(0)], query([("payload", "true")])).await?;
    let unreadable = |error| HttpError::Internal { cause: format!("a stored payload is not JSON: {error}") };
    let payload: Option<Value> =
        shown.payload.flatten().map(|raw| serde_json::from_str(raw.get())).transpose().map_err(unreadable)?;
    let drawn = PayloadPage {
        layout: visit.layout("Events"),
        head: Head::of(&shown.story.event),
        payload: payload.map(|payload| Json::of(&payload, PAYLOAD_ROOM)),
        kept: kept(&visit),
    };
    page::html(StatusCode::OK, &drawn)
}

pub(super) async fn replay(visit: Visit) -> Result<Response, HttpError> {
    let replayed = visit.ask(EventsReplay, &[visit.named(0)], Vec::new()).await?;
    visit.done(&format!("/events/{}", replayed.event_id), "replayed")
}
