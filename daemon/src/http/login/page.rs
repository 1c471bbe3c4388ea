//! The pages about signing in, and what they look like.

use askama::Template;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, SET_COOKIE};
use warp::reply::Response;

use super::assets;
use crate::core::text;
use crate::http::error::HttpError;
use crate::http::headers::policy_leading_to;
use crate::http::reply;
use crate::store::sessions::SessionRow;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// `GET /login`.
#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage<'a> {
    pub(super) return_to: &'a str,
    /// What nobody can sign in without; empty: they can.
    pub(super) missing: &'a [&'static str],
    pub(super) broken: Option<&'a str>,
    pub(super) signed_out: bool,
}

/// Why somebody is not signed in, and what to do.
#[derive(Template)]
#[template(path = "problem.html")]
pub(super) struct ProblemPage<'a> {
    pub(super) title: &'a str,
    pub(super) happened: &'a str,
    pub(super) advice: &'a str,
}

/// `GET /account`.
#[derive(Template)]
#[template(path = "account.html")]
pub(super) struct AccountPage<'a> {
    pub(super) login: &'a str,
    pub(super) csrf: &'a str,
    pub(super) sessions: &'a [SessionLine],
}

/// A session as its owner sees it.
pub(super) struct SessionLine {
    pub(super) id: String,
    pub(super) this: bool,
    pub(super) browser: String,
    pub(super) agent: String,
    pub(super) address: String,
    pub(super) since: String,
    pub(super) used: String,
}

impl SessionLine {
    pub(super) fn of(row: &SessionRow, this: bool) -> Self {
        let agent = text::harmless(row.agent.as_deref().unwrap_or_default());
        Self {
            id: row.id.to_string(),
            this,
            browser: browser(&agent),
            address: row.address.clone().unwrap_or_else(|| "unknown".to_owned()),
            since: text::time(row.created_at),
            used: text::time(row.last_activity_at),
            agent,
        }
    }
}

/// A browser's name and system as far as its `User-Agent` tells them. The order matters: many claim to be others, too.
fn browser(agent: &str) -> String {
    let first =
        |table: &[(&str, &'static str)]| table.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name);
    let name = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chromium/", "Chromium"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = first(&[
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "An unknown browser".to_owned(),
    }
}

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

/// For templates: the URL of the stylesheet.
fn stylesheet() -> &'static str {
    &assets::STYLESHEET_URL
}

/// For templates: the URL of the icon.
fn icon() -> &'static str {
    &assets::ICON_URL
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_as_people_call_it() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
        assert_eq!(browser(chrome), "Chrome on Linux");
        assert_eq!(
            browser("Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"),
            "Firefox on Windows"
        );
        assert_eq!(browser("curl/8.9"), "curl");
        assert_eq!(browser(""), "An unknown browser");
    }
}
