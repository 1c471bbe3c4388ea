//! The session of a person in a browser, and the proof that a form is one of ours.

use chrono::{DateTime, Utc};
use http::header::{COOKIE, HeaderName, ORIGIN, REFERER};
use http::{HeaderMap, Uri};
use secrecy::{ExposeSecret as _, SecretString};

use super::App;
use super::error::HttpError;
use crate::config::Config;
use crate::engine::login::token::Token;
use crate::engine::login::{csrf_token, same};
use crate::store::sessions::SessionRow;
use crate::store::users::UserRow;

/// Of a session. `__Host-`: only this host can have set it, over https, for all its paths.
pub(super) const COOKIE_NAME: &str = "__Host-orchd";

/// Header that carries what forms have in their field `csrf`.
const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Somebody who signed in, in the browser that asks.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) row: SessionRow,
    pub(super) user: UserRow,
    /// What its forms have to carry.
    pub(super) csrf: SecretString,
}

/// The session that a request belongs to; `None`: none, or one that has ended.
pub(super) async fn of(app: &App, headers: &HeaderMap, now: DateTime<Utc>) -> Result<Option<Session>, HttpError> {
    let Some(token) = cookie(headers, COOKIE_NAME) else { return Ok(None) };
    let lasting = app.config().login.session;
    let Some((row, user)) = app.db.use_session(&token.hash(), lasting, now).await? else { return Ok(None) };
    let csrf = csrf_token(&token).map_err(|error| HttpError::Internal { cause: error.to_string() })?;
    Ok(Some(Session { row, user, csrf }))
}

/// The cookie of that name. Of two nobody knows which is ours, and one of another form is none of ours: both count as none.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<Token> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let value = found.next()?;
    if found.next().is_some() { None } else { Token::parse(value) }
}

/// Whether a request that changes something was made by a page of ours, in this session. `form_token` is the form's field
/// `csrf`; without it the header `X-CSRF-Token` counts.
///
/// # Errors
/// 403.
pub(super) fn check_csrf(
    headers: &HeaderMap,
    form_token: Option<&str>,
    session: &Session,
    config: &Config,
) -> Result<(), HttpError> {
    check_origin(headers, config)?;
    let sent = form_token.map(str::as_bytes).or_else(|| headers.get(CSRF).map(|value| value.as_bytes()));
    match sent {
        None => Err(HttpError::Forbidden("the token against forged requests is missing".to_owned())),
        Some(sent) if same(sent, session.csrf.expose_secret().as_bytes()) => Ok(()),
        Some(_) => Err(HttpError::Forbidden("the token against forged requests is not this session's".to_owned())),
    }
}

/// Whether a page under `server.public_url` made the request, by what the browser says and no page can change.
///
/// # Errors
/// 403.
pub(super) fn check_origin(headers: &HeaderMap, config: &Config) -> Result<(), HttpError> {
    let own = config.server.public_url.as_deref().and_then(|url| origin_of(url.as_bytes()));
    let Some(own) = own else {
        return Err(HttpError::Forbidden("`server.public_url` is not set, so no page is ours".to_owned()));
    };
    let is_own = |value: &http::HeaderValue| origin_of(value.as_bytes()).as_ref() == Some(&own);
    let mut origins = headers.get_all(ORIGIN).iter();
    let fits = match (origins.next(), headers.get(FETCH_SITE)) {
        (Some(origin), _) => origins.next().is_none() && is_own(origin),
        (None, Some(site)) => site == "same-origin",
        (None, None) => headers.get(REFERER).is_some_and(is_own),
    };
    if fits { Ok(()) } else { Err(HttpError::Forbidden("the request comes from another site".to_owned())) }
}

/// Scheme, host and port of a URL: what a browser calls its origin. A port that goes without saying is left out.
pub(super) fn origin_of(url: &[u8]) -> Option<String> {
    let uri: Uri = std::str::from_utf8(url).ok()?.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    if authority.as_str().contains('@') {
        return None;
    }
    let port = match (scheme, authority.port_u16()) {
        ("https", Some(443)) | ("http", Some(80)) | (_, None) => String::new(),
        (_, Some(port)) => format!(":{port}"),
    };
    Some(format!("{scheme}://{}{port}", authority.host().to_ascii_lowercase()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with_cookies(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, line.parse().unwrap())).collect()
    }

    #[test]
    fn one_cookie_of_the_name_counts_and_no_other() {
        let (token, other) = (Token::random(), Token::random());
        let pair = |token: &Token| format!("{COOKIE_NAME}={}", token.secret().expose_secret());
        let found = |lines: &[&str]| cookie(&with_cookies(lines), COOKIE_NAME).map(|found| found.hash());
        assert_eq!(found(&[&format!("a=b; {}; c=d", pair(&token))]), Some(token.hash()));
        assert_eq!(found(&["a=b", &pair(&token)]), Some(token.hash()));
        for none in [
            vec![],
            vec!["a=b".to_owned()],
            vec![format!("{}; {}", pair(&token), pair(&other))],
            vec![pair(&token), pair(&token)],
            vec![format!("x{}", pair(&token))],
            vec![format!("{COOKIE_NAME}=short")],
            vec![format!("{COOKIE_NAME}=")],
        ] {
            assert_eq!(found(&none.iter().map(String::as_str).collect::<Vec<_>>()), None, "{none:?}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |url: &str| origin_of(url.as_bytes());
        let own = Some("https://orchd.example.com".to_owned());
        for same in ["https://orchd.example.com", "https://ORCHD.example.com:443/", "https://orchd.example.com/a?b"] {
            assert_eq!(origin(same), own, "{same}");
        }
        for other in [
            "http://orchd.example.com",
            "https://orchd.example.com:8443",
            "https://orchd.example.com.evil.test",
            "https://orchd.example.com@evil.test",
            "null",
            "",
            "orchd.example.com",
        ] {
            assert_ne!(origin(other), own, "{other}");
        }
    }
}
