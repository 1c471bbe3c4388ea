//! What GitHub delivered to the App, or tried to: its list, the payload of one, and asking for one once more.
//!
//! GitHub keeps deliveries for three days (an Enterprise Server for seven) and never repeats one by itself. All three
//! requests need the App's own signature, not an installation's token (docs.github.com, "REST API endpoints for GitHub App
//! webhooks").

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::GitHubError;
use super::client::Reader;
use super::transport::Outgoing;
use super::webhook::{BadEnvelope, Encoding, Envelope, Headers, Verified, read_envelope};

/// Deliveries a page: the most that GitHub gives.
pub const A_PAGE: usize = 100;

/// Longest cursor that is believed; GitHub's have some twenty characters.
const LONGEST_CURSOR: usize = 255;

/// GitHub's id of one attempt at a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct AttemptId(pub u64);

/// One attempt at a delivery, as the list tells it. Attempts at the same delivery have the same GUID.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Attempt {
    pub id: AttemptId,
    /// `X-GitHub-Delivery`, as GitHub has it: not checked yet.
    pub guid: String,
    /// `X-GitHub-Event`, likewise.
    pub event: String,
    /// When GitHub tried.
    pub delivered_at: DateTime<Utc>,
    /// Somebody asked for this attempt.
    #[serde(default)]
    pub redelivery: bool,
}

/// Where in the list a page begins, in GitHub's words. Safe in a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// `None`: it holds what GitHub's do not.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'%' | b'=');
        let short = (1..=LONGEST_CURSOR).contains(&text.len());
        (short && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page of the list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub attempts: Vec<Attempt>,
    /// Entries that are not what GitHub documents. They are left out, lest one of them hide all others.
    pub unreadable: usize,
    /// Where older ones are; `None`: there are none.
    pub next: Option<Cursor>,
}

/// A page of all deliveries: without a cursor the newest. Not those only that GitHub calls failed: its filter misses
/// time-outs, refused connections, and a proxy that answered for us.
///
/// # Errors
/// As [`Reader::get`]; `Refused` or `NotFound` when GitHub no longer knows the cursor.
pub async fn list(app: &Reader, from: Option<&Cursor>) -> Result<Page, GitHubError> {
    let cursor = from.map(|cursor| format!("&cursor={}", cursor.as_str())).unwrap_or_default();
    let path = format!("/app/hook/deliveries?per_page={A_PAGE}{cursor}");
    let answer = app.call(&Outgoing::get(path.as_str())).await?;
    let entries: Vec<Box<RawValue>> = answer.json(&path)?;
    let attempts: Vec<Attempt> = entries.iter().filter_map(|entry| serde_json::from_str(entry.get()).ok()).collect();
    let next = match answer.next_page() {
        None => None,
        Some(next) => {
            let cursor = cursor_in(&next).filter(|cursor| Some(cursor) != from);
            Some(cursor.ok_or_else(|| GitHubError::Unreadable(format!("{path}: the next page cannot be told")))?)
        }
    };
    Ok(Page { unreadable: entries.len() - attempts.len(), attempts, next })
}

fn cursor_in(path: &str) -> Option<Cursor> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("cursor=")).and_then(Cursor::parse)
}

/// What GitHub still has of a delivery.
#[derive(Clone, Debug)]
pub enum Pulled {
    /// What would have come in over HTTP, read the same way.
    Event { named: Headers, envelope: Box<Envelope>, payload: Bytes },
    /// No payload: it may be asked for once more.
    NoPayload,
    /// A payload that would have been refused over HTTP too.
    Unusable(BadEnvelope),
}

#[derive(Deserialize)]
struct Whole {
    guid: String,
    event: String,
    request: Option<Sent>,
}

#[derive(Deserialize)]
struct Sent {
    /// As GitHub wrote it: not built and written anew.
    payload: Option<Box<RawValue>>,
}

/// Reads a delivery with its payload. It is not signed as a body is: GitHub gives it to nobody but the App.
///
/// # Errors
/// As [`Reader::get`]; `NotFound` when GitHub has dropped it.
pub async fn pull(app: &Reader, attempt: &Attempt) -> Result<Pulled, GitHubError> {
    let path = format!("/app/hook/deliveries/{}", attempt.id.0);
    let whole: Whole = app.get(&path).await?;
    if whole.guid != attempt.guid {
        return Err(GitHubError::Unreadable(format!("{path}: another delivery than the one that was listed")));
    }
    let payload = whole.request.and_then(|sent| sent.payload);
    // GitHub shows a payload that it sent as a form as an object too. Text would be a body that it did not keep whole.
    let Some(payload) = payload.filter(|payload| payload.get().starts_with('{')) else { return Ok(Pulled::NoPayload) };
    let body = Verified::read_from_github(Bytes::from(Box::<str>::from(payload).into_boxed_bytes()));
    let read = Headers::named(&whole.guid, &whole.event)
        .and_then(|named| read_envelope(&body, Encoding::Json).map(|(envelope, payload)| (named, envelope, payload)));
    Ok(match read {
        Ok((named, envelope, payload)) => Pulled::Event { named, envelope: Box::new(envelope), payload },
        Err(bad) => Pulled::Unusable(bad),
    })
}

/// Asks GitHub to deliver once more, under the same GUID. That changes nothing on GitHub that people see, so it is open
/// to whoever may read; the write gate lets this path pass, and no other.
///
/// # Errors
/// As [`Reader::get`], but never sent twice; after `Unavailable` GitHub may have been asked or not.
pub async fn ask_again(app: &Reader, id: AttemptId) -> Result<(), GitHubError> {
    let outgoing =
        Outgoing { method: Method::POST, ..Outgoing::get(format!("/app/hook/deliveries/{}/attempts", id.0)) };
    app.call(&outgoing).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::github::client::GitHub;
    use crate::github::stand_in::{Reply, Seen, StandIn, reply};

    fn entry(id: u64, guid: &str) -> Value {
        json!({"id": id, "guid": guid, "event": "issues", "delivered_at": "2026-03-01T12:00:00Z", "redelivery": false})
    }

    async fn reader(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> (StandIn, Reader) {
        let server = StandIn::start(answer).await;
        let reader = GitHub::new(server.settings()).unwrap().reader(None);
        (server, reader)
    }

    #[tokio::test]
    async fn an_entry_that_cannot_be_read_hides_no_other() {
        let (_server, reader) = reader(|_| reply(200, &json!([entry(2, "b"), {"id": null}, "x", entry(1, "a")]))).await;
        let page = list(&reader, None).await.unwrap();
        assert_eq!(page.attempts.iter().map(|each| each.guid.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!((page.unreadable, page.next), (2, None));
    }

    #[tokio::test]
    async fn a_page_is_told_by_its_cursor() {
        let link = "<https://api.github.com/app/hook/deliveries?per_page=100&cursor=v1_12077215967>; rel=\"next\"";
        let (server, reader) = reader(move |_| reply(200, &json!([entry(1, "a")])).with("link", link)).await;
        let next = list(&reader, None).await.unwrap().next.unwrap();
        assert_eq!(next.as_str(), "v1_12077215967");
        // The same page again would be read for ever.
        assert!(matches!(list(&reader, Some(&next)).await, Err(GitHubError::Unreadable(_))));
        assert_eq!(server.seen()[1], "GET /app/hook/deliveries?per_page=100&cursor=v1_12077215967");
    }

    #[tokio::test]
    async fn a_payload_is_read_as_a_webhooks_body_is() {
        let whole = |payload: Value, event: &str| {
            let mut whole = entry(7, "g-1");
            whole["event"] = event.into();
            whole["request"] = json!({"headers": null, "payload": payload});
            whole
        };
        for (payload, event, expected) in [
            (json!({"action": "opened", "issue": {"number": 5}}), "issues", "event"),
            (Value::Null, "issues", "nothing"),
            (json!("payload=%7B%7D"), "issues", "nothing"),
            (json!({"action": "opened"}), "Not A Name", "unusable"),
        ] {
            let answer = whole(payload, event);
            let (_server, reader) = reader(move |_| reply(200, &answer)).await;
            let attempt: Attempt = serde_json::from_value(entry(7, "g-1")).unwrap();
            let found = match pull(&reader, &attempt).await.unwrap() {
                Pulled::Event { named, envelope, payload } => {
                    assert_eq!((named.delivery_id.as_str(), envelope.number), ("g-1", Some(5)));
                    assert_eq!(&payload[..], br#"{"action":"opened","issue":{"number":5}}"#);
                    "event"
                }
                Pulled::NoPayload => "nothing",
                Pulled::Unusable(_) => "unusable",
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_cursor_cannot_reach_another_query() {
        assert!(Cursor::parse("v1_12077215967").is_some());
        for odd in ["", "a&status=failure", "a b", "a#b", "a?b", "a/b"] {
            assert!(Cursor::parse(odd).is_none(), "{odd}");
        }
    }
}
