//! Answers that are not errors.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use warp::Reply as _;
use warp::reply::Response;

use super::error::HttpError;
use super::limits::Standing;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JSON_LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What is told beside an answer or an error. Travels to the edge in the response's extensions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beside {
    /// Of the key's limits.
    pub(super) standing: Option<Standing>,
    /// It was done before, and not again.
    pub(super) replayed: bool,
}

impl Beside {
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        if let Some(standing) = self.standing {
            standing.tell(headers);
        }
        if self.replayed {
            headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        }
    }
}

/// JSON documents, a line each, as they are made.
pub(super) type Lines = mpsc::Receiver<Bytes>;

/// What an operation answers.
#[derive(Debug)]
pub(super) enum Reply {
    Document { status: StatusCode, json: Bytes },
    Lines(Lines),
}

/// 200 with a JSON document.
pub(super) fn json<T: Serialize>(value: &T) -> Result<Reply, HttpError> {
    json_with(StatusCode::OK, value)
}

/// A JSON document with a status.
pub(super) fn json_with<T: Serialize>(status: StatusCode, value: &T) -> Result<Reply, HttpError> {
    let json = serde_json::to_vec(value)
        .map_err(|error| HttpError::Internal { cause: format!("an answer does not serialise: {error}") })?;
    Ok(Reply::Document { status, json: json.into() })
}

impl Reply {
    /// As a response to a request with these headers. What was read carries an `ETag`, and is not sent to who has it.
    pub(super) fn into_response(self, read: bool, asked: &HeaderMap) -> Response {
        match self {
            Self::Document { status: StatusCode::OK, json } if read => unless_known(json, asked),
            Self::Document { status, json } => json_bytes(status, json),
            Self::Lines(lines) => json_lines(lines),
        }
    }
}

fn unless_known(json: Bytes, asked: &HeaderMap) -> Response {
    let tag = entity_tag(&json);
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let is_known = known.flat_map(|tags| tags.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    });
    let mut response = match is_known {
        true => with_type(StatusCode::NOT_MODIFIED, JSON, Bytes::new()),
        false => json_bytes(StatusCode::OK, json),
    };
    // Hexadecimal digits in quotes are a value.
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// A strong one: the same bytes, the same tag.
fn entity_tag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let digits: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// JSON that is already written.
pub(super) fn json_bytes(status: StatusCode, body: impl Into<Bytes>) -> Response {
    with_type(status, JSON, body.into())
}

/// 200 with plain text.
pub(super) fn text(body: String) -> Response {
    with_type(StatusCode::OK, TEXT, body.into())
}

fn json_lines(mut lines: mpsc::Receiver<Bytes>) -> Response {
    let lines = stream::poll_fn(move |cx| lines.poll_recv(cx).map(|line| line.map(Ok::<_, Infallible>)));
    let mut response = warp::reply::stream(lines).into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON_LINES);
    response
}

/// A file to keep, as it is made. Its name are letters, digits, dots and dashes.
pub(super) fn download(
    name: &str,
    content_type: HeaderValue,
    content: impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static,
) -> Result<Response, HttpError> {
    let mut response = warp::reply::stream(content).into_response();
    let kept = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
        .map_err(|_| HttpError::Internal { cause: "the name of a file is no header".to_owned() })?;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response.headers_mut().insert(CONTENT_DISPOSITION, kept);
    Ok(response)
}

/// What this is, for a program that knocks at the front door.
pub(super) fn front() -> Response {
    text("orchd: GitHub webhooks go to POST /webhooks/github; see GET /health.\n".to_owned())
}

/// Plain text with a status.
pub(super) fn text_with(status: StatusCode, body: String) -> Response {
    with_type(status, TEXT, body.into())
}

/// A body of any type.
pub(super) fn with_type(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_sent_again() {
        let reply = || Reply::Document { status: StatusCode::OK, json: Bytes::from_static(b"{}") };
        let first = reply().into_response(true, &HeaderMap::new());
        let tag = first.headers().get(ETAG).cloned();
        assert_eq!((first.status(), tag.is_some()), (StatusCode::OK, true));
        let ask = |tags: String| HeaderMap::from_iter(HeaderValue::from_str(&tags).map(|tags| (IF_NONE_MATCH, tags)));
        let tag = tag.as_ref().and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        for known in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            assert_eq!(reply().into_response(true, &ask(known)).status(), StatusCode::NOT_MODIFIED);
        }
        assert_eq!(reply().into_response(true, &ask("\"other\"".to_owned())).status(), StatusCode::OK);
        assert_eq!(reply().into_response(false, &ask(tag.to_owned())).status(), StatusCode::OK, "it did something");
    }
}
