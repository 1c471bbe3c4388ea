//! An answer of GitHub, and what it means when it is a refusal. Pure.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode};
use regex::Regex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::GitHubError;

/// Longest wait that is believed: GitHub's windows are one hour.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// When a limit says nothing about how long. GitHub asks for at least one minute.
const UNKNOWN_WAIT: Duration = Duration::from_secs(60);
/// Characters of GitHub's message that are kept.
const LONGEST_MESSAGE: usize = 500;

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The answer itself when it is a success, else what the refusal means. `what` names the thing asked for.
    pub(super) fn accept(self, what: &str, now: DateTime<Utc>) -> Result<Self, GitHubError> {
        if self.status.is_success() { Ok(self) } else { Err(self.refusal(what, now)) }
    }

    /// The body as `T`; an empty one is `null`.
    pub(super) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, GitHubError> {
        let body: &[u8] = if self.body.iter().all(u8::is_ascii_whitespace) { b"null" } else { &self.body };
        serde_json::from_slice(body).map_err(|error| GitHubError::Unreadable(redact(&format!("{what}: {error}"))))
    }

    fn refusal(&self, what: &str, now: DateTime<Utc>) -> GitHubError {
        let message = self.message();
        if let Some(retry_after) = self.wait(&message, now) {
            return GitHubError::Limited { retry_after, message };
        }
        match self.status {
            StatusCode::NOT_FOUND | StatusCode::GONE => GitHubError::NotFound(redact(what)),
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                GitHubError::Unavailable(format!("{status}: {message}"))
            }
            status => GitHubError::Refused { status: status.as_u16(), message },
        }
    }

    /// GitHub's words when this is a refusal for a limit.
    pub(super) fn limit(&self, now: DateTime<Utc>) -> Option<String> {
        let message = self.message();
        self.wait(&message, now).map(|_| message)
    }

    /// GitHub's own words: `message` and those of `errors`.
    fn message(&self) -> String {
        let words = match serde_json::from_slice::<Value>(&self.body) {
            Ok(body) => {
                let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
                let each = errors.map(|error| {
                    let text = error.get("message").unwrap_or(error);
                    text.as_str().map_or_else(|| text.to_string(), str::to_owned)
                });
                let first = body.get("message").and_then(Value::as_str).unwrap_or_default();
                let all = std::iter::once(first.to_owned()).chain(each).filter(|words| !words.is_empty());
                all.collect::<Vec<_>>().join("; ")
            }
            Err(_) => String::from_utf8_lossy(&self.body).trim().to_owned(),
        };
        let words = if words.is_empty() {
            self.status.canonical_reason().unwrap_or("no reason given").to_owned()
        } else {
            words
        };
        redact(&words).chars().take(LONGEST_MESSAGE).collect()
    }

    /// How long a limit asks to wait; `None` when this is no limit.
    ///
    /// GitHub's order: `retry-after`, else `x-ratelimit-reset` when nothing remains, else at least a minute. A
    /// secondary limit may say so in its text only (docs.github.com, "Rate limits for the REST API").
    fn wait(&self, message: &str, now: DateTime<Utc>) -> Option<Duration> {
        if self.status != StatusCode::FORBIDDEN && self.status != StatusCode::TOO_MANY_REQUESTS {
            return None;
        }
        let number = |name: &str| self.header(name)?.trim().parse::<i64>().ok();
        let reset = number("x-ratelimit-reset").filter(|_| number("x-ratelimit-remaining") == Some(0));
        let seconds = number("retry-after").or_else(|| reset.map(|at| at.saturating_sub(now.timestamp())));
        let text = message.to_ascii_lowercase();
        let says_so = text.contains("rate limit") || text.contains("abuse detection");
        match seconds {
            Some(seconds) => {
                let wait = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                Some(wait.clamp(Duration::from_secs(1), LONGEST_WAIT))
            }
            None if says_so || self.status == StatusCode::TOO_MANY_REQUESTS => Some(UNKNOWN_WAIT),
            None => None,
        }
    }

    /// Path and query of the page after this one, from `Link`.
    pub(super) fn next_page(&self) -> Option<String> {
        let links = self.headers.get_all(http::header::LINK);
        let link =
            links.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).find(|link| {
                link.split(';').skip(1).any(|param| matches!(param.trim(), "rel=\"next\"" | "rel=next"))
            })?;
        let (_, rest) = link.split_once('<')?;
        let (url, _) = rest.split_once('>')?;
        let url: http::Uri = url.parse().ok()?;
        url.path_and_query().map(|path| path.as_str().to_owned())
    }
}

/// Takes tokens out of a text that goes to a log or an error.
pub(super) fn redact(text: &str) -> String {
    #[expect(clippy::expect_used, reason = "the pattern is a constant, and a test uses it")]
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new("gh[a-z]_[A-Za-z0-9._-]{36,}|github_pat_[A-Za-z0-9_]{36,}").expect("a valid pattern")
    });
    TOKEN.replace_all(text, "[redacted token]").into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: map, body: Bytes::from(body.to_owned()) }
    }

    fn refusal(status: u16, headers: &[(&'static str, &str)], body: &str) -> GitHubError {
        answer(status, headers, body).accept("/thing", DateTime::from_timestamp(1_000, 0).unwrap()).unwrap_err()
    }

    #[test]
    fn a_limit_says_how_long_to_wait() {
        let secondary = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        for (status, headers, body, seconds) in [
            (403, vec![("retry-after", "17")], "", 17),
            (429, vec![("retry-after", "17"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1900")], "", 17),
            (403, vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1900")], "", 900),
            (403, vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "900")], "", 1),
            (403, vec![("retry-after", "999999")], "", 3600),
            (403, vec![("x-ratelimit-remaining", "12"), ("x-ratelimit-reset", "1900")], secondary, 60),
            (429, vec![], "", 60),
        ] {
            match refusal(status, &headers, body) {
                GitHubError::Limited { retry_after, .. } => assert_eq!(retry_after.as_secs(), seconds, "{headers:?}"),
                other => panic!("{headers:?}: {other}"),
            }
        }
    }

    #[test]
    fn a_refusal_is_told_by_what_can_be_done_about_it() {
        let plain = r#"{"message":"Resource not accessible by integration"}"#;
        assert!(matches!(refusal(403, &[("x-ratelimit-remaining", "12")], plain), GitHubError::Refused { .. }));
        assert!(matches!(refusal(404, &[], ""), GitHubError::NotFound(what) if what == "/thing"));
        assert!(matches!(refusal(410, &[], ""), GitHubError::NotFound(_)));
        assert!(matches!(refusal(502, &[], "<html>"), GitHubError::Unavailable(_)));
        let invalid = r#"{"message":"Validation Failed","errors":[{"message":"too long"},"odd",{"code":"missing"}]}"#;
        assert_eq!(
            refusal(422, &[], invalid).to_string(),
            "GitHub refused (422): Validation Failed; too long; odd; {\"code\":\"missing\"}"
        );
        assert_eq!(refusal(409, &[], "").to_string(), "GitHub refused (409): Conflict");
    }

    #[test]
    fn invariant_11_no_token_in_an_error() {
        let token = format!("ghs_{}", "1234.abc-DEF_".repeat(40));
        let said = refusal(422, &[], &format!(r#"{{"message":"bad token {token}."}}"#)).to_string();
        assert!(said.contains("[redacted token]") && !said.contains("DEF_"), "{said}");
        let unread = answer(200, &[], "{}").json::<Vec<u8>>(&token).unwrap_err().to_string();
        assert!(!unread.contains("DEF_"), "{unread}");
        assert_eq!(redact("ghs_short is no token"), "ghs_short is no token");
        assert_eq!(redact(&format!("a github_pat_{} b", "1A_z".repeat(20))), "a [redacted token] b");
    }

    #[test]
    fn the_next_page_is_named_by_the_link_header() {
        let next = |link: &str| answer(200, &[("link", link)], "").next_page();
        let both = r#"<https://h/x?page=9>; rel="last", <https://h/api/v3/x?page=2&q=a>; rel="next""#;
        assert_eq!(next(both).as_deref(), Some("/api/v3/x?page=2&q=a"));
        assert_eq!(next(r#"<https://h/x?page=9>; rel="last""#), None);
        assert_eq!(next("nonsense"), None);
        assert_eq!(answer(200, &[], "").next_page(), None);
    }

    #[test]
    fn an_empty_body_is_null() {
        assert_eq!(answer(204, &[], "").json::<Value>("/x").unwrap(), Value::Null);
    }
}
