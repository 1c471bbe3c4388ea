//! Answers that are pages, and what browsers are given beside them.

use askama::Template;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, SET_COOKIE};
use warp::reply::Response;

use super::error::HttpError;
use super::headers::policy_leading_to;
use super::reply;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A page with a status.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Result<Response, HttpError> {
    let text = page.render().map_err(|error| HttpError::Internal { cause: format!("a page is not drawn: {error}") })?;
    Ok(reply::with_type(status, HTML, text.into()))
}

/// A page whose form leads to `origin`.
pub(super) fn html_leading_to(origin: &str, page: &impl Template) -> Result<Response, HttpError> {
    let mut response = html(StatusCode::OK, page)?;
    if let Some(policy) = policy_leading_to(origin) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// On to another page, which is asked for by GET.
pub(super) fn see_other(to: &str) -> Result<Response, HttpError> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to =
        HeaderValue::from_str(to).map_err(|_| HttpError::Internal { cause: "a path that is no header".to_owned() })?;
    response.headers_mut().insert(LOCATION, to);
    Ok(response)
}

/// Gives the browser a cookie for so many seconds; zero takes it away.
pub(super) fn set_cookie(response: &mut Response, name: &str, value: &str, seconds: i64) {
    let cookie = format!("{name}={value}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age={seconds}");
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// A file that never changes under its name.
pub(super) fn asset(content_type: &'static str, content: &'static str) -> Response {
    let mut response = reply::with_type(StatusCode::OK, HeaderValue::from_static(content_type), content.into());
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(CACHE_CONTROL, forever);
    response
}
