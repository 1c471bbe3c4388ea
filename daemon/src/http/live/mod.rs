//! What happens, as it happens: server-sent events for the dashboard.
//!
//! | URL | what |
//! |---|---|
//! | `GET /live/events?…` | `row`: an event that arrived, `state`: one that changed, as a row of HTML; `gone`: the id of one that the filters no longer let through; the filters of the list of events |
//! | | `skipped`: more came than is told; `behind`: more was missed than is told, the page should be looked at anew |
//! | `GET /live/changes` | `changed`: something happened since; at most once a second |
//!
//! Owns the streams and how much waits for them. One task reads the store for all readers, and only while there are some;
//! ingest knows nothing of it.
//!
//! Invariants: a reader is told of nothing that a list would not show them (12); nobody waits for a slow reader: one that
//! falls behind is dropped, comes back with the last id it saw, and is caught up from the store.

mod feed;
mod reader;

use std::convert::Infallible;

use futures_util::stream;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use warp::Filter;
use warp::Reply as _;
use warp::reply::Response;

pub(super) use self::feed::Feed;
use self::feed::NoPlace;
use self::reader::Reader;
use super::App;
use super::api;
use super::asked::{Asked, asked, done};
use super::caller::Caller;
use super::error::HttpError;
use super::routes::Routes;
use crate::core::access::Op;

/// Readers at a time: each is a connection and a few kilobytes.
pub const MOST_READERS: usize = 2_000;

/// Of these, for each person or key.
pub const MOST_OF_ONE: usize = 64;

/// When there may be a place again.
const COME_BACK_SECONDS: u64 = 30;

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Proxies that gather what they pass on are told not to: nginx reads this.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Where a reader stopped, as browsers send it when they come back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) fn routes(app: &App) -> Routes {
    let events = warp::path!("live" / "events").and(warp::get()).and(asked(app));
    let events = events.then(|asked| done(listen(asked, true)));
    let changes = warp::path!("live" / "changes").and(warp::get()).and(asked(app));
    let changes = changes.then(|asked| done(listen(asked, false)));
    events.or(changes).unify().boxed()
}

/// `rows`: of events; else only that something changed.
async fn listen(asked: Asked, rows: bool) -> Result<Response, HttpError> {
    let Asked { app, arrival, headers, query, .. } = asked;
    let arrival = arrival.ok_or_else(|| HttpError::Internal { cause: "a request came from nowhere".to_owned() })?;
    let caller = Caller::of(&app, &arrival, &headers).await?;
    if caller.is_nobody() {
        return Err(HttpError::Unauthorised("sign in to see what happens".to_owned()));
    }
    if !api::is_offered(Op::EventsTail.operation(), &caller) {
        return Err(HttpError::Forbidden("this key is not for events".to_owned()));
    }
    let place = app.feed().place(caller.account()).await.map_err(|no| match no {
        NoPlace::Now => {
            HttpError::NotYet(format!("{MOST_READERS} pages are live already, or the store does not answer"))
        }
        NoPlace::ForOne => {
            let detail = format!("you have {MOST_OF_ONE} live pages open: close some");
            HttpError::TooMany { detail, retry_after: COME_BACK_SECONDS }
        }
    })?;
    let reader = match rows {
        true => {
            let (filter, after) = api::events_filter(query.filled())?;
            let seen = last_seen(&headers).or(after);
            Reader::of_rows(app, caller, place, filter, seen)
        }
        false => Reader::of_changes(app, caller, place),
    };
    let mut frames = reader.start();
    let frames = stream::poll_fn(move |cx| frames.poll_recv(cx).map(|frame| frame.map(Ok::<_, Infallible>)));
    let mut response = warp::reply::stream(frames).into_response();
    response.headers_mut().insert(CONTENT_TYPE, EVENT_STREAM);
    response.headers_mut().insert(BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

fn last_seen(headers: &HeaderMap) -> Option<uuid::Uuid> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.parse().ok()
}

/// A message: lines of text end nothing but themselves.
fn message(name: &str, id: Option<uuid::Uuid>, data: &str) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    let data = data.replace(['\r', '\n'], " ");
    format!("{id}event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_message_or_begins_another() {
        let told = message("row", None, "<tr>\n\nevent: behind\r\ndata: x\n\n");
        assert_eq!(told.matches("\n\n").count(), 1);
        assert_eq!(told.lines().filter(|line| line.starts_with("event:")).count(), 1);
    }
}
