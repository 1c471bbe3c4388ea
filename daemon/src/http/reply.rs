//! Answers that are not errors.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use tokio::sync::mpsc;
use warp::Reply;
use warp::reply::Response;

use super::error::HttpError;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const JSON_LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// 200 with a JSON document.
pub(super) fn json<T: Serialize>(value: &T) -> Result<Response, HttpError> {
    let body = serde_json::to_vec(value)
        .map_err(|error| HttpError::Internal { cause: format!("an answer does not serialise: {error}") })?;
    Ok(json_bytes(StatusCode::OK, body))
}

/// JSON that is already written.
pub(super) fn json_bytes(status: StatusCode, body: impl Into<Bytes>) -> Response {
    with_type(status, JSON, body.into())
}

/// 200 with plain text.
pub(super) fn text(body: String) -> Response {
    with_type(StatusCode::OK, TEXT, body.into())
}

/// 200 with JSON documents, a line each, as they are made.
pub(super) fn json_lines(mut lines: mpsc::Receiver<Bytes>) -> Response {
    let lines = stream::poll_fn(move |cx| lines.poll_recv(cx).map(|line| line.map(Ok::<_, Infallible>)));
    let mut response = warp::reply::stream(lines).into_response();
    response.headers_mut().insert(CONTENT_TYPE, JSON_LINES);
    response
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
