//! The API: JSON over the admin socket and the public listener. What can be asked is the table of
//! [`OPERATIONS`]; `endpoints` says for each who answers it.
//!
//! Every request goes the same way: operation → caller → may they → body → handler → answer. Invariant 12: a handler
//! is given the caller's sight, and answers "not found" about what lies beyond it.

mod audit;
mod automation;
mod backtests;
mod call;
mod config;
mod config_file;
mod decisions;
mod effects;
pub(super) mod endpoints;
mod events;
mod guards;
mod idempotency;
mod installations;
mod issues;
mod jobs;
mod keys;
mod me;
mod metrics;
mod openapi;
mod params;
mod people;
mod query;
mod recover;
pub(super) mod repositories;
mod rollbacks;
mod rules;
mod sessions;
mod shadow;
mod status;
mod tail;
mod token;
mod why;

use std::pin::pin;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use http::header::{HeaderValue, VARY};
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use warp::Filter;
use warp::path::FullPath;

use self::call::Call;
pub(super) use self::endpoints::Ask;
pub(super) use self::openapi::describe;
pub(super) use self::params::Param;
use self::query::Query;
pub(super) use self::rules::{MOST_COVERED, Shown as RuleShown};
use super::arrival::Arrival;
use super::body::{self, Share};
use super::caller::Caller;
use super::error::HttpError;
use super::reply::{Beside, Reply};
use super::routes::{Routes, with};
use super::session;
use super::{App, error};
use crate::core::access::{Needs, OPERATIONS, Op, Operation};
use crate::store::events::EventFilter;

/// An answer is for whoever asked.
const BY_WHO_ASKS: HeaderValue = HeaderValue::from_static("Authorization, Cookie");

/// Largest body, in bytes: rules of a thousand lines are a tenth of it.
const LARGEST_BODY: u64 = 4 << 20;

pub(super) fn routes(app: &App) -> Routes {
    warp::path("api")
        .and(warp::path::full())
        .and(warp::method())
        .and(warp::ext::optional::<Arrival>())
        .and(warp::header::headers_cloned())
        .and(query::query())
        .and(warp::body::stream())
        .and(with(app))
        .then(async |path: FullPath, method: Method, arrival: Option<Arrival>, headers: HeaderMap, query, body, app| {
            let asked = Asked { path: path.as_str(), method, arrival, headers: &headers, query };
            let mut beside = Beside::default();
            let mut response = match answer(asked, body, app, &mut beside).await {
                Ok((operation, reply)) => reply.into_response(!operation.writes(), &headers),
                Err(error) => error::answer(Err(error)),
            };
            response.headers_mut().insert(VARY, BY_WHO_ASKS);
            response.extensions_mut().insert(beside);
            response
        })
        .boxed()
}

/// What may stand in the query of an operation.
pub(super) fn parameters(op: Op) -> &'static [Param] {
    endpoints::endpoint(op).query
}

/// Asks as whoever visits a page: by the same table, and answered by the same code. `path` are the path's parameters,
/// `query` what stands in the URL's.
///
/// # Errors
/// As over HTTP.
pub(super) async fn ask<A: Ask>(_: A, app: &App, caller: &Caller, asked: Told) -> Result<A::Answer, HttpError> {
    let operation = A::OP.operation();
    permit(operation, caller)?;
    let Told { path, query, body } = asked;
    let query = Query::of(query);
    A::answer(Call { app: app.clone(), caller: caller.clone(), operation, query, body, path }).await
}

/// Whether whoever visits is offered an operation: what it takes is held somewhere.
pub(super) fn is_offered(operation: &Operation, caller: &Caller) -> bool {
    permit(operation, caller).is_ok()
}

/// The filters of the list of events, and where it goes on.
pub(super) fn events_filter(query: Vec<(String, String)>) -> Result<(EventFilter, Option<uuid::Uuid>), HttpError> {
    let mut query = Query::of(query);
    let (filter, after) = (events::filter(&mut query)?, query.parsed("after")?);
    query.finish()?;
    Ok((filter, after))
}

/// What a page says when it asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// The path's parameters, in order.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    /// JSON.
    pub(super) body: Bytes,
}

/// A request before anything was made of it.
struct Asked<'a> {
    path: &'a str,
    method: Method,
    arrival: Option<Arrival>,
    headers: &'a HeaderMap,
    query: Query,
}

async fn answer<S, B>(
    asked: Asked<'_>,
    body: S,
    app: App,
    beside: &mut Beside,
) -> Result<(&'static Operation, Reply), HttpError>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let mut body = pin!(body);
    let prepared = prepare(&asked, &app, beside).await;
    let (operation, path, caller, once) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            body::discard(body, asked.headers).await;
            return Err(error);
        }
    };
    let body = match operation.writes() {
        true => {
            let mut share = Share::of(&app.large().memory);
            let within = app.config().server.read_timeout;
            body::read(body.as_mut(), asked.headers, LARGEST_BODY, within, &mut share).await?
        }
        false => Bytes::new(),
    };
    let endpoint = endpoints::endpoint(operation.op);
    let call = Call { app, caller, operation, query: asked.query, body, path };
    let reply = match once {
        None => (endpoint.handle)(call).await?,
        Some(once) => {
            let (reply, replayed) = idempotency::carry_out(once, call, endpoint).await?;
            beside.replayed = replayed;
            reply
        }
    };
    Ok((operation, reply))
}

/// What is asked for, the path's parameters, who asks, and the `Idempotency-Key`.
type Prepared = (&'static Operation, Vec<String>, Caller, Option<String>);

/// Nobody who may not comes further.
async fn prepare(asked: &Asked<'_>, app: &App, beside: &mut Beside) -> Result<Prepared, HttpError> {
    let (operation, path) = find(&asked.method, asked.path)?;
    let arrival = asked.arrival.as_ref();
    let arrival = arrival.ok_or_else(|| HttpError::Internal { cause: "a request came from nowhere".to_owned() })?;
    let caller = Caller::of(app, arrival, asked.headers).await?;
    count(operation, &caller, app, beside)?;
    permit(operation, &caller)?;
    if let Some(session) = caller.session().filter(|_| operation.writes()) {
        session::check_csrf(asked.headers, None, session, &app.config())?;
    }
    let once = idempotency::key(operation, asked.headers)?;
    Ok((operation, path, caller, once))
}

/// The first path of the table that fits is meant, whatever the method: `/api/keys/rotate` is never the key `rotate`.
fn find(method: &Method, path: &str) -> Result<(&'static Operation, Vec<String>), HttpError> {
    let meant = OPERATIONS.iter().find_map(|operation| Some((operation.path, operation.fits(path)?)));
    let (meant, parameters) = meant.ok_or_else(|| HttpError::NotFound("there is nothing at this URL".to_owned()))?;
    let there = || OPERATIONS.iter().filter(|operation| operation.path == meant);
    let Some(operation) = there().find(|operation| operation.method == method.as_str()) else {
        let allowed: Vec<&str> = there().map(|operation| operation.method).collect();
        // Methods are letters.
        let allowed = HeaderValue::from_str(&allowed.join(", ")).unwrap_or(HeaderValue::from_static("GET"));
        return Err(HttpError::MethodNotAllowed(allowed));
    };
    let decode = |text: &str| percent_decode_str(text).decode_utf8().map(|text| text.into_owned());
    let decoded: Result<Vec<_>, _> = parameters.into_iter().map(decode).collect();
    let decoded = decoded.map_err(|_| HttpError::BadRequest("the URL's path is not UTF-8".to_owned()))?;
    Ok((operation, decoded))
}

/// Counts a request of a key; a token counts on its key.
fn count(operation: &Operation, caller: &Caller, app: &App, beside: &mut Beside) -> Result<(), HttpError> {
    let Some(bearer) = caller.key() else { return Ok(()) };
    match app.limits().admit(&app.config().api, operation.name, bearer.key.id) {
        Ok(standing) => beside.standing = Some(standing),
        Err(too_many) => {
            beside.standing = too_many.standing;
            let detail = format!("the key's limit is reached: wait {} s", too_many.retry_after);
            return Err(HttpError::TooMany { detail, retry_after: too_many.retry_after });
        }
    }
    Ok(())
}

/// Refuses whoever may not do this anywhere, and keys that are not for it.
fn permit(operation: &Operation, caller: &Caller) -> Result<(), HttpError> {
    if operation.needs == Needs::Nothing {
        return Ok(());
    }
    if caller.is_nobody() {
        return Err(HttpError::Unauthorised("sign in, or send a key: `Authorization: Bearer orchd_…`".to_owned()));
    }
    if let (Some(scopes), Some(needed)) = (&caller.scopes, operation.scope)
        && !scopes.has(needed)
    {
        return Err(HttpError::Forbidden(format!("the key lacks the scope `{needed}`")));
    }
    let refused = match operation.needs {
        Needs::Site(level) if !caller.holds(level) => format!("it takes the level {level} in orchd as a whole"),
        // Whoever sees nothing sees empty lists.
        Needs::Repository(level) if operation.writes() && caller.sight.highest() < Some(level) => {
            format!("it takes the level {level} in some repository")
        }
        _ => return Ok(()),
    };
    Err(HttpError::Forbidden(refused))
}
