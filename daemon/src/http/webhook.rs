//! `POST /webhooks/github`: a delivery comes in.
//!
//! In this order, cheapest refusal first, and nothing parsed before the signature was verified (invariant 2): address,
//! content type, a signature of the right form, size, body, signature, headers, envelope, store. The 202 is sent when the event is on disk
//! (invariant 1).

use std::pin::{Pin, pin};
use std::time::Instant;

use bytes::{Buf, Bytes};
use chrono::Utc;
use futures_util::Stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use tracing::Instrument as _;
use warp::Filter;
use warp::reply::Response;

use super::allowlist::{Judgement, client_address};
use super::arrival::{Arrival, Peer};
use super::body::Share;
use super::error::HttpError;
use super::metrics::Outcome;
use super::routes::{Routes, with};
use super::{App, body, reply};
use crate::engine::ingest::{IngestError, new_event};
use crate::github::webhook::{self, Encoding, Headers, Signature};
use crate::store::events::{IngestStatus, Ingested, NewEvent, Source};
use crate::telemetry::trace::{self, Step};

/// From this size on, hashing and reading a body would hold up other requests: it goes to a thread of its own.
const LARGE_BODY: usize = 1024 * 1024;

pub(super) fn routes(app: &App) -> Routes {
    warp::path!("webhooks" / "github")
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
    let taken = receive(arrival.as_ref(), &headers, body.as_mut(), &app).await;
    if !matches!(taken, Ok(_) | Err(HttpError::Timeout)) {
        body::discard(body, &headers).await;
    }
    let event_name = headers.get("x-github-event").map_or(&b""[..], |name| name.as_bytes());
    app.events().count(event_name, outcome_of(&taken), began.elapsed());
    match taken {
        Ok(ingested) => {
            record(arrival.as_ref(), &headers, ingested, began);
            accepted(ingested)
        }
        Err(error) => error.into_response(),
    }
}

/// The root of the event's trace, where traces are sent: from the request's head to the commit.
fn record(arrival: Option<&Arrival>, headers: &HeaderMap, ingested: Ingested, began: Instant) {
    if !trace::is_on() {
        return;
    }
    let is_root = ingested.status == IngestStatus::Accepted;
    let step = Step { name: "webhook", event: ingested.id, is_root, took: began.elapsed() };
    step.record([
        ("delivery_id", headers.get("x-github-delivery").and_then(|id| id.to_str().ok())),
        ("request_id", arrival.map(|arrival| arrival.request_id.as_str())),
        ("event", headers.get("x-github-event").and_then(|name| name.to_str().ok())),
        ("outcome", Some(status_of(ingested))),
    ]);
}

/// What was requeued is "accepted": it will be processed.
fn status_of(ingested: Ingested) -> &'static str {
    match ingested.status {
        IngestStatus::Accepted | IngestStatus::Requeued => "accepted",
        IngestStatus::Duplicate => "duplicate",
    }
}

pub(super) fn accepted(ingested: Ingested) -> Response {
    let body = format!(r#"{{"event_id":"{}","status":"{}"}}"#, ingested.id, status_of(ingested));
    reply::json_bytes(StatusCode::ACCEPTED, body)
}

async fn receive<S, B>(
    arrival: Option<&Arrival>,
    headers: &HeaderMap,
    body: Pin<&mut S>,
    app: &App,
) -> Result<Ingested, HttpError>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let config = app.config();
    check_address(arrival, headers, app, &config.server)?;
    let encoding = encoding_of(headers)?;
    let signature = Signature::from_header(headers.get("x-hub-signature-256").map(|value| value.as_bytes()))
        .map_err(|error| HttpError::Unauthorised(error.to_string()))?;
    let mut share = Share::of(&app.large().memory);
    let body = body::read(body, headers, config.server.max_body, config.server.read_timeout, &mut share).await?;
    let event = if body.len() < LARGE_BODY {
        authenticate(&config.github.webhook_secrets, signature, headers, body, encoding)?
    } else {
        let gone = |error: tokio::sync::AcquireError| HttpError::Internal { cause: error.to_string() };
        let _turn = app.large().turns.acquire().await.map_err(gone)?;
        let headers = headers.clone();
        let read = move || authenticate(&config.github.webhook_secrets, signature, &headers, body, encoding);
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|error| HttpError::Internal { cause: format!("reading a large delivery failed: {error}") })??
    };
    // Lines of the store about it carry the request's id.
    let span = tracing::debug_span!("webhook", request_id = arrival.map(|arrival| arrival.request_id.as_str()));
    Ok(app.ingest.submit(event).instrument(span).await?)
}

fn check_address(
    arrival: Option<&Arrival>,
    headers: &HeaderMap,
    app: &App,
    server: &crate::config::Server,
) -> Result<(), HttpError> {
    if server.webhook_allow.is_empty() {
        return Ok(());
    }
    let refused = || HttpError::Forbidden("webhooks are not taken from this address (server.webhook_allow)".to_owned());
    let Some(Arrival { peer: Peer::Network(peer), .. }) = arrival else { return Err(refused()) };
    let client = client_address(*peer, headers, &server.trusted_proxies).ok_or_else(refused)?;
    match app.allowlist.judge(&server.webhook_allow, client) {
        Judgement::Allowed => Ok(()),
        Judgement::Refused => Err(refused()),
        Judgement::NotYetKnown => {
            Err(HttpError::NotYet("GitHub's address ranges are not known yet; deliver again later".to_owned()))
        }
    }
}

/// What a body says that it is.
fn essence(headers: &HeaderMap) -> &str {
    let written = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    written.split(';').next().unwrap_or_default().trim()
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    essence(headers).eq_ignore_ascii_case("application/json")
}

fn encoding_of(headers: &HeaderMap) -> Result<Encoding, HttpError> {
    if is_json(headers) {
        Ok(Encoding::Json)
    } else if essence(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(Encoding::Form)
    } else {
        Err(HttpError::UnsupportedMedia(
            "send application/json or application/x-www-form-urlencoded with a payload field".to_owned(),
        ))
    }
}

/// Signature, then headers, then envelope.
fn authenticate(
    secrets: &[secrecy::SecretString],
    signature: Signature,
    headers: &HeaderMap,
    body: Bytes,
    encoding: Encoding,
) -> Result<NewEvent, HttpError> {
    let verified =
        webhook::verify(secrets, signature, body).map_err(|error| HttpError::Unauthorised(error.to_string()))?;
    let named = Headers::parse(headers).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let (envelope, payload) =
        webhook::read_envelope(&verified, encoding).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    Ok(new_event(named, envelope, payload, Source::Webhook, Utc::now()))
}

impl From<IngestError> for HttpError {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Busy => {
                Self::Unavailable { detail: "too many deliveries are waiting to be stored".to_owned(), cause: None }
            }
            IngestError::Store(error) => {
                Self::Unavailable { detail: "the store is not writable".to_owned(), cause: Some(error.to_string()) }
            }
        }
    }
}

pub(super) fn outcome_of(taken: &Result<Ingested, HttpError>) -> Outcome {
    match taken {
        Ok(ingested) => match ingested.status {
            IngestStatus::Accepted => Outcome::Accepted,
            IngestStatus::Duplicate => Outcome::Duplicate,
            IngestStatus::Requeued => Outcome::Requeued,
        },
        Err(error) => match error {
            HttpError::Unauthorised(_) => Outcome::BadSignature,
            HttpError::BadRequest(_) => Outcome::BadEnvelope,
            HttpError::Forbidden(_) => Outcome::Forbidden,
            HttpError::Timeout => Outcome::TimedOut,
            HttpError::TooLarge(_) => Outcome::TooLarge,
            HttpError::UnsupportedMedia(_) => Outcome::Unsupported,
            HttpError::NotYet(_) | HttpError::Unavailable { .. } => Outcome::Unavailable,
            HttpError::NotFound(_)
            | HttpError::MethodNotAllowed(_)
            | HttpError::Conflict(_)
            | HttpError::Unprocessable(_)
            | HttpError::Invalid(_)
            | HttpError::TooMany { .. }
            | HttpError::Internal { .. } => Outcome::Failed,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn json_and_forms_are_taken_and_nothing_else() {
        let of = |value: &'static [u8]| encoding_of(&headers(&[("content-type", value)]));
        assert_eq!(of(b"application/json").unwrap(), Encoding::Json);
        assert_eq!(of(b"Application/JSON; charset=utf-8").unwrap(), Encoding::Json);
        assert_eq!(of(b"application/x-www-form-urlencoded").unwrap(), Encoding::Form);
        for odd in [&b"text/plain"[..], b"application/jsonp", b"multipart/form-data; boundary=x", b"\xff"] {
            assert!(matches!(of(odd), Err(HttpError::UnsupportedMedia(_))), "{odd:?}");
        }
        assert!(matches!(encoding_of(&HeaderMap::new()), Err(HttpError::UnsupportedMedia(_))));
    }
}
