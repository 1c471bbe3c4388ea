//! `POST /events/forward`: a running workflow tells what it is at.
//!
//! In this order, cheapest refusal first, and nothing of the body parsed before whoever sends it has proved who they are
//! (invariant 2): content type, one proof, a token with what it may do, size, body, a signature, the repository, the body's
//! content, whether the token was used, store. The 202 is sent when the event is on disk (invariant 1). Addresses are not
//! looked at: runners are anywhere.

use std::pin::{Pin, pin};
use std::time::Instant;

use bytes::Buf;
use chrono::Utc;
use futures_util::Stream;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tracing::Instrument as _;
use warp::Filter;
use warp::reply::Response;

use super::arrival::Arrival;
use super::body::Share;
use super::error::HttpError;
use super::routes::{Routes, with};
use super::webhook::{accepted, is_json, outcome_of};
use super::{App, body};
use crate::core::event_names::WORKFLOW_CONTEXT;
use crate::engine::forward::{Refused, by_signature, by_token, take};
use crate::github::webhook::Signature;
use crate::store::events::Ingested;

/// Longest token that is looked at: GitHub's have some 2,000 characters.
const LONGEST_TOKEN: usize = 16 * 1024;

pub(super) fn routes(app: &App) -> Routes {
    warp::path!("events" / "forward")
        .and(warp::post())
        .and(warp::ext::optional::<Arrival>())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and(with(app))
        .then(answer)
        .boxed()
}

async fn answer<S, B>(arrival: Option<Arrival>, headers: HeaderMap, body: S, app: App) -> Response
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let began = Instant::now();
    let mut body = pin!(body);
    if !app.config().forward.is_on() {
        body::discard(body, &headers).await;
        let detail = "nothing may be forwarded here: `forward` is not in orchd's config";
        return HttpError::NotFound(detail.to_owned()).into_response();
    }
    // Lines of the store about it carry the request's id.
    let span =
        tracing::debug_span!("forward", request_id = arrival.as_ref().map(|arrival| arrival.request_id.as_str()));
    let taken = receive(&headers, body.as_mut(), &app).instrument(span).await;
    if !matches!(taken, Ok(_) | Err(HttpError::Timeout)) {
        body::discard(body, &headers).await;
    }
    app.events().count(WORKFLOW_CONTEXT.as_bytes(), outcome_of(&taken), began.elapsed());
    taken.map_or_else(HttpError::into_response, accepted)
}

/// How a sender proves who it is.
enum Shown<'h> {
    Token(&'h str),
    Signature(Signature),
}

async fn receive<S, B>(headers: &HeaderMap, body: Pin<&mut S>, app: &App) -> Result<Ingested, HttpError>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let config = app.config();
    if !is_json(headers) {
        return Err(HttpError::UnsupportedMedia("send application/json".to_owned()));
    }
    let shown = shown(headers)?;
    let by_now = match &shown {
        Shown::Token(token) => Some(by_token(&config, app.token_keys(), token, Utc::now()).await?),
        Shown::Signature(_) => None,
    };
    let mut share = Share::of(&app.large().memory);
    let body = body::read(body, headers, config.forward.max_body, config.server.read_timeout, &mut share).await?;
    let sender = match (by_now, shown) {
        (Some(sender), _) => sender,
        (None, Shown::Signature(signature)) => by_signature(&config, signature, &body, Utc::now())?,
        (None, Shown::Token(_)) => return Err(unproved()),
    };
    Ok(take(&app.db, &app.ingest, sender, &body, Utc::now()).await?)
}

/// Exactly one proof, so that nobody is in doubt which one counted.
fn shown(headers: &HeaderMap) -> Result<Shown<'_>, HttpError> {
    let malformed = |error: &dyn std::fmt::Display| HttpError::Unauthorised(error.to_string());
    match (headers.get(AUTHORIZATION), headers.get("x-hub-signature-256")) {
        (Some(_), Some(_)) => {
            let detail = "send one proof, a token (Authorization) or a signature (X-Hub-Signature-256), and not both";
            Err(HttpError::BadRequest(detail.to_owned()))
        }
        (Some(_), None) if headers.get_all(AUTHORIZATION).iter().count() > 1 => Err(unproved()),
        (Some(value), None) => {
            let token = value.to_str().ok().and_then(|value| value.split_once(' '));
            let token =
                token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
            token.filter(|token| token.len() <= LONGEST_TOKEN).map(Shown::Token).ok_or_else(unproved)
        }
        (None, Some(value)) => {
            Signature::from_header(Some(value.as_bytes())).map(Shown::Signature).map_err(|error| malformed(&error))
        }
        (None, None) => Err(unproved()),
    }
}

fn unproved() -> HttpError {
    let detail = "send the run's OIDC token as `Authorization: Bearer …`, or sign the body (X-Hub-Signature-256)";
    HttpError::Unauthorised(detail.to_owned())
}

impl From<Refused> for HttpError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unproved(detail) => Self::Unauthorised(detail),
            Refused::NotAllowed(detail) => Self::Forbidden(detail),
            Refused::Unreadable(detail) => Self::BadRequest(detail),
            Refused::Later(detail) => Self::NotYet(detail),
            Refused::Store(error) => {
                Self::Unavailable { detail: "the store is not available".to_owned(), cause: Some(error.to_string()) }
            }
            Refused::Ingest(error) => error.into(),
        }
    }
}
