//! `POST /webhooks/github` of the first run: sees whether deliveries arrive and their signature fits.
//!
//! A `ping` is answered with 200. An event is not: nothing keeps it here, and nothing that is not kept is acknowledged
//! (invariant 1). GitHub still has it when the daemon starts, which recovers it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use futures_util::Stream;
use http::HeaderMap;
use warp::Filter;
use warp::reply::Response;

use super::{Door, with};
use crate::engine::setup::Heard;
use crate::github::webhook::{Headers, Signature};
use crate::http::body::{self, Share};
use crate::http::error::{HttpError, answer};
use crate::http::reply;
use crate::http::routes::Routes;

/// Bytes of a body: a ping has some thousand, and a large event may wait for the daemon.
const LARGEST: u64 = 1024 * 1024;

/// For a body to arrive.
const WITHIN: Duration = Duration::from_secs(10);

pub(super) fn routes(door: &Arc<Door>) -> Routes {
    warp::path!("webhooks" / "github")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and(with(door))
        .then(|headers, body, door| async move { answer(receive(headers, body, door).await) })
        .boxed()
}

async fn receive<S, B>(headers: HeaderMap, body: S, door: Arc<Door>) -> Result<Response, HttpError>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut body = pin!(body);
    let result = take(&headers, body.as_mut(), &door).await;
    if !matches!(result, Ok(_) | Err(HttpError::Timeout)) {
        body::discard(body, &headers).await;
    }
    result
}

async fn take<S, B>(headers: &HeaderMap, body: std::pin::Pin<&mut S>, door: &Door) -> Result<Response, HttpError>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let unauthorised = |error: &dyn std::fmt::Display| HttpError::Unauthorised(error.to_string());
    let signature = Signature::from_header(headers.get("x-hub-signature-256").map(|value| value.as_bytes()))
        .map_err(|error| unauthorised(&error))?;
    let named = Headers::parse(headers).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let mut share = Share::of(&door.large.memory);
    let body = body::read(body, headers, LARGEST, WITHIN, &mut share).await?;
    match door.setup.hear(signature, &named.event_type, body) {
        Heard::Ping => Ok(reply::text("orchd heard the ping.\n".to_owned())),
        Heard::Wrong => Err(unauthorised(&crate::github::webhook::SignatureError::Wrong)),
        Heard::NotYet | Heard::Event => {
            Err(HttpError::NotYet("orchd is being set up; it fetches this from GitHub once it runs".to_owned()))
        }
    }
}
