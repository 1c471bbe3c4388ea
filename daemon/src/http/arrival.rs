//! What is known about a request before its URL is looked at: who sends it, and its id.

use std::fmt;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::{ACCEPT, HeaderName, HeaderValue};

/// Header that carries a request's id, in and out.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from a request.
const LONGEST_REQUEST_ID: usize = 128;

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Network(IpAddr),
    /// A process of this machine that may open the Unix socket, and whose it is.
    Local {
        uid: Option<u32>,
    },
}

/// Put into a request's extensions by the listener.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) peer: Peer,
    pub(super) request_id: RequestId,
}

/// Id of a request: the client's `X-Request-Id` when it is a harmless word, else 16 random hexadecimal digits.
#[derive(Clone, Debug)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match headers.get(X_REQUEST_ID) {
            Some(sent) if is_harmless(sent.as_bytes()) => Self(sent.clone()),
            _ => Self::random(),
        }
    }

    pub(super) fn random() -> Self {
        let id = format!("{:016x}", rand::random::<u64>());
        Self(HeaderValue::from_maybe_shared(bytes::Bytes::from(id)).unwrap_or(HeaderValue::from_static("-")))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }

    pub(super) fn into_header(self) -> HeaderValue {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_harmless(id: &[u8]) -> bool {
    !id.is_empty()
        && id.len() <= LONGEST_REQUEST_ID
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'='))
}

/// How an error is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Json,
    Text,
    Page,
}

/// Programs talk to these, whatever they say that they accept.
const FOR_PROGRAMS: [&str; 5] = ["/api/", "/events/forward", "/webhooks/", "/health", "/metrics"];

impl Wanted {
    /// JSON unless the client names text and not JSON; a page for browsers.
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Self {
        if FOR_PROGRAMS.iter().all(|programs| !path.starts_with(programs)) && wants_page(headers) {
            return Self::Page;
        }
        let accept = accepted(headers);
        if accept.contains("text/") && !accept.contains("json") { Self::Text } else { Self::Json }
    }
}

/// Browsers name HTML; other clients do not.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    accepted(headers).contains("text/html")
}

fn accepted(headers: &HeaderMap) -> &str {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_harmless_request_id_is_taken_over_and_another_replaced() {
        assert_eq!(RequestId::of(&headers(X_REQUEST_ID, "build-7:42")).as_str(), "build-7:42");
        for odd in ["", "two words", "a\"quote", "<b>"] {
            let id = RequestId::of(&headers(X_REQUEST_ID, odd));
            assert_eq!(id.as_str().len(), 16, "{odd:?} became {id}");
        }
    }

    #[test]
    fn an_error_is_told_as_the_client_reads() {
        let wanted = |path, accept| Wanted::of(path, &headers(ACCEPT, accept));
        assert_eq!(Wanted::of("/", &HeaderMap::new()), Wanted::Json);
        assert_eq!(wanted("/events", "*/*"), Wanted::Json);
        assert_eq!(wanted("/events", "application/json, text/plain"), Wanted::Json);
        assert_eq!(wanted("/events", "text/plain"), Wanted::Text);
        assert_eq!(wanted("/events", "text/html,application/xhtml+xml,*/*;q=0.8"), Wanted::Page);
        assert_eq!(wanted("/api/events", "text/html"), Wanted::Text);
    }
}
