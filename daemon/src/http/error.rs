//! The only place where an error becomes a response.
//!
//! A handler returns an [`HttpError`]; it travels to the edge in the response's extensions, where the request's id and
//! what the client accepts are known, and is rendered there. The cause goes to the log, never into the answer.

use askama::Template;
use http::StatusCode;
use http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use schemars::JsonSchema;
use serde::Serialize;
use warp::Rejection;
use warp::reply::Response;

use super::arrival::{RequestId, Wanted};
use super::assets::{icon, script, stylesheet};
use super::{page, reply};
use crate::config::{self, Problems};
use crate::store::StoreError;

/// Seconds after which a client may try again after a 503.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// Longest delivery id that is logged; GitHub's are GUIDs.
const LONGEST_DELIVERY_ID: usize = 255;

/// Why a request did not get what it asked for. Texts are for the client: nothing in them is secret.
#[derive(Clone, Debug)]
pub(super) enum HttpError {
    BadRequest(String),
    Unauthorised(String),
    Forbidden(String),
    NotFound(String),
    /// What the URL takes, as `Allow` lists it.
    MethodNotAllowed(HeaderValue),
    /// The body did not arrive in time.
    Timeout,
    /// What is asked for does not fit the state of the thing.
    Conflict(String),
    /// Bytes that are allowed.
    TooLarge(u64),
    UnsupportedMedia(String),
    /// It can be read, and cannot be done.
    Unprocessable(String),
    /// A config with these mistakes in it.
    Invalid(Problems),
    /// Too much in too short a time; seconds until it may be tried again.
    TooMany {
        detail: String,
        retry_after: u64,
    },
    /// Trying again later will help, and nobody needs to look: anybody can cause it.
    NotYet(String),
    /// Trying again later may help.
    Unavailable {
        detail: String,
        cause: Option<String>,
    },
    Internal {
        cause: String,
    },
}

/// RFC 9457, with the request's id beside. There is no page about each type of problem, so `type` is not written.
#[derive(Serialize, JsonSchema)]
pub(super) struct Problem<'a> {
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// The mistakes in a config, each with its place; `detail` tells them too.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'a [config::Problem]>,
    /// The log has more under it.
    request_id: &'a str,
}

/// The same for a person.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    detail: Option<&'a str>,
    request_id: &'a str,
}

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// How one proves who one is, for programs.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

impl HttpError {
    /// What no area wanted.
    pub(super) fn from_rejection(rejection: &Rejection) -> Self {
        if rejection.is_not_found() {
            Self::NotFound("there is nothing at this URL".to_owned())
        } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
            Self::MethodNotAllowed(HeaderValue::from_static("GET, POST"))
        } else {
            Self::BadRequest("the request could not be read".to_owned())
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorised(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unprocessable(_) | Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotYet(_) | Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "bad request",
            Self::Unauthorised(_) => "not authenticated",
            Self::Forbidden(_) => "not allowed",
            Self::NotFound(_) => "not found",
            Self::MethodNotAllowed(_) => "method not allowed",
            Self::Timeout => "request timed out",
            Self::Conflict(_) => "conflict",
            Self::TooLarge(_) => "body too large",
            Self::UnsupportedMedia(_) => "unsupported media type",
            Self::Unprocessable(_) | Self::Invalid(_) => "cannot be done",
            Self::TooMany { .. } => "too many requests",
            Self::NotYet(_) | Self::Unavailable { .. } => "not available now",
            Self::Internal { .. } => "internal error",
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::BadRequest(detail)
            | Self::Unauthorised(detail)
            | Self::Forbidden(detail)
            | Self::NotFound(detail)
            | Self::Conflict(detail)
            | Self::UnsupportedMedia(detail)
            | Self::Unprocessable(detail)
            | Self::TooMany { detail, .. }
            | Self::NotYet(detail)
            | Self::Unavailable { detail, .. } => Some(detail.clone()),
            Self::Invalid(problems) => Some(format!("the config has errors:\n{problems}")),
            Self::MethodNotAllowed(_) => Some("this URL takes another method".to_owned()),
            Self::Timeout => Some("the body did not arrive in time".to_owned()),
            Self::TooLarge(most) => Some(format!("a body may have at most {most} bytes")),
            Self::Internal { .. } => Some("the log has the cause under this request_id".to_owned()),
        }
    }

    /// Whether nothing was done, for sure: what was asked was refused, or never begun.
    pub(super) fn did_nothing(&self) -> bool {
        self.status().is_client_error() || matches!(self, Self::NotYet(_))
    }

    /// A response that carries the error to the edge.
    pub(super) fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }

    /// The final response.
    pub(super) fn render(&self, wanted: Wanted, request_id: &RequestId) -> Response {
        let mut response = self.told(wanted, request_id);
        match self {
            Self::NotYet(_) | Self::Unavailable { .. } => {
                response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
            }
            Self::TooMany { retry_after, .. } => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*retry_after));
            }
            Self::MethodNotAllowed(allowed) => {
                response.headers_mut().insert(ALLOW, allowed.clone());
            }
            Self::Unauthorised(_) => {
                response.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
            }
            _ => {}
        }
        response
    }

    fn told(&self, wanted: Wanted, request_id: &RequestId) -> Response {
        let (status, title, detail) = (self.status(), self.title(), self.detail());
        let as_text = || {
            let detail = detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            reply::text_with(status, format!("{title}{detail} (request {request_id})\n"))
        };
        match wanted {
            Wanted::Text => as_text(),
            Wanted::Page => {
                let page = ErrorPage { title, detail: detail.as_deref(), request_id: request_id.as_str() };
                page::html(status, &page).unwrap_or_else(|_| as_text())
            }
            Wanted::Json => {
                let request_id = request_id.as_str();
                let problems = match self {
                    Self::Invalid(problems) => Some(problems.0.as_slice()),
                    _ => None,
                };
                let (status_code, detail) = (status.as_u16(), detail.as_deref());
                let problem = Problem { title, status: status_code, detail, problems, request_id };
                // Strings and a number always serialise.
                let mut body = serde_json::to_vec(&problem).unwrap_or_default();
                body.push(b'\n');
                reply::with_type(status, PROBLEM, body.into())
            }
        }
    }

    /// Writes what a person must know about to the log. `delivery_id` is as the request's header has it.
    pub(super) fn log(&self, request_id: &RequestId, delivery_id: Option<&HeaderValue>) {
        let delivery_id = delivery_id.and_then(|id| id.to_str().ok()).filter(|id| id.len() <= LONGEST_DELIVERY_ID);
        match self {
            Self::Internal { cause } => tracing::error!(%request_id, delivery_id, cause, "a request failed"),
            Self::Unavailable { detail, cause } => {
                let cause = cause.as_deref().unwrap_or(detail);
                tracing::warn!(%request_id, delivery_id, cause, "a request was turned away for now");
            }
            other => {
                let (status, detail) = (other.status().as_u16(), other.detail());
                tracing::debug!(%request_id, delivery_id, status, detail, "a request was refused");
            }
        }
    }
}

impl From<StoreError> for HttpError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => {
                Self::Unavailable { detail: "the store is not available".to_owned(), cause: Some(cause) }
            }
            other => Self::Internal { cause: other.to_string() },
        }
    }
}

/// What a handler came to, as a response.
pub(super) fn answer(result: Result<Response, HttpError>) -> Response {
    result.unwrap_or_else(HttpError::into_response)
}
