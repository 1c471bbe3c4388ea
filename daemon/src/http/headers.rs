//! What every answer on the public listener tells a browser: what a page may load, and what is kept of it.

use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS,
};
use warp::reply::Response;

use super::App;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// For everybody who visits, a year.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Everything is ours, nothing is inline, and nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds them to an answer, where it has none of its own. No allocation but the map's: the webhook comes this way, too.
pub(super) fn on_answers(app: &App) -> impl Fn(Response) -> Response + Clone + Send + Sync + 'static {
    let app = app.clone();
    move |mut response| {
        let https = app.config.current().server.public_url.as_deref().is_some_and(|url| url.starts_with("https:"));
        add(response.headers_mut(), https);
        response
    }
}

/// `https`: people come that way.
pub(super) fn add(headers: &mut HeaderMap, https: bool) {
    let mut add = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    add(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    add(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    add(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    add(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    add(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if https {
        add(STRICT_TRANSPORT_SECURITY, HTTPS_ONLY);
    }
}

/// The policy of a page whose form leads to another site by a redirect, which browsers hold to `form-action`. `None`: the
/// origin is none.
pub(super) fn policy_leading_to(origin: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(&POLICY.replace("form-action 'self'", &format!("form-action 'self' {origin}"))).ok()
}

/// Takes headers over to an answer that stands in for another, where it has none of its own.
pub(super) fn carry_over(from: &HeaderMap, to: &mut HeaderMap) {
    for (name, value) in from {
        to.entry(name).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_keeps_what_it_says_itself() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        add(&mut headers, false);
        assert_eq!(headers[CACHE_CONTROL], "public");
        assert!(!headers.contains_key(STRICT_TRANSPORT_SECURITY));
        add(&mut headers, true);
        assert_eq!(headers[STRICT_TRANSPORT_SECURITY], "max-age=31536000");
        assert_eq!(headers.len(), 6);
    }

    #[test]
    fn a_form_may_lead_to_one_origin_more() {
        let policy = policy_leading_to("https://github.com").unwrap();
        assert!(policy.to_str().unwrap().contains("form-action 'self' https://github.com; base-uri 'none'"));
        assert!(policy_leading_to("https://a\r\nb").is_none());
    }
}
