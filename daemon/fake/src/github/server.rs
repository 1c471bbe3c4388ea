//! HTTP in, HTTP out: the journal, the gate, faults, and the headers every answer carries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

use super::Inner;
use super::call::{Answer, Call};
use super::deliveries;
use super::faults::{self, Ending, Fault};
use super::graphql;
use super::journal::Request;
use super::limits::Verdict;
use super::routes::{self, Caller};
use super::signing_in::PAGES;
use super::world::{Quota, World};
use crate::key::sign_webhook;

/// Asking for the limits costs nothing of them.
const FREE: &str = "/rate_limit";
const GRAPHQL: &str = "/graphql";
const PRIMARY: &str = "API rate limit exceeded for installation. If you reach out to GitHub Support for help, please include the request ID.";
const SECONDARY: &str = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Hangup;

impl std::fmt::Display for Hangup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed by a fault")
    }
}

impl std::error::Error for Hangup {}

/// How often a fake that comes back tries to get its port again.
const BIND_AGAIN: Duration = Duration::from_millis(20);

/// Serves until dropped, while GitHub is up.
pub(crate) async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut up = inner.up.subscribe();
    let mut listener = Some(listener);
    loop {
        if let Some(listener) = listener.take() {
            tokio::select! {
                () = accept(listener, Arc::clone(&inner)) => {}
                _ = up.wait_for(|up| !*up) => {}
            }
        }
        let _ = up.wait_for(|up| *up).await;
        match TcpListener::bind(address).await {
            Ok(bound) => listener = Some(bound),
            Err(_) => tokio::time::sleep(BIND_AGAIN).await,
        }
    }
}

/// Accepts until dropped. Connections end with it.
async fn accept(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&inner)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, inner: Arc<Inner>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(Arc::clone(&inner), request));
    // A connection that breaks is the client's affair, or a fault that was asked for.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Sends deliveries one after the other, as long as a webhook is known and they are not held.
pub(crate) async fn send_deliveries(inner: Arc<Inner>) {
    loop {
        let next = inner.world().deliveries.next_to_send();
        match next {
            Some((webhook, delivery)) => {
                let attempt = deliveries::post(&inner.client, &webhook.url, &delivery).await;
                inner.world().deliveries.record(attempt);
                inner.news.send_modify(|count| *count += 1);
            }
            None => inner.to_send.notified().await,
        }
    }
}

async fn answer(inner: Arc<Inner>, request: http::Request<Incoming>) -> Result<Response<Full<Bytes>>, Hangup> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Hangup)?.to_bytes();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let seq = arrive(&inner, head.method.as_str(), &target, &head.headers, &body);
    let parsed = read_body(&head.headers, &body);
    let call = Call::new(seq, head.method.as_str(), &target, head.headers, parsed);

    let mut gate = inner.open.subscribe();
    let _ = gate.wait_for(|open| *open).await;
    let (fault, latency) = {
        let mut world = inner.world();
        let fault = faults::strike(&mut world.faults, &call.method, &call.path);
        let latency = world.latency + fault.as_ref().map_or(Duration::ZERO, |fault| fault.latency);
        (fault, latency)
    };
    if let Some(fault) = &fault {
        // Nothing to wait for, nothing between: a client that gives up just then would take the fault with it, unnoticed.
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        if let Some(meanwhile) = &fault.meanwhile {
            (meanwhile.0)();
        }
    }
    let answer = match fault {
        None => metered(&inner, &call, latency).await,
        Some(fault) => fail(&inner, &call, fault).await?,
    };
    let clock = inner.update(|world| {
        note_answer(world, seq, answer.status);
        world.clock()
    });
    Ok(respond(answer, seq, clock))
}

/// JSON, or a form as an object of texts.
fn read_body(headers: &HeaderMap, body: &Bytes) -> Value {
    match headers.get("content-type") {
        Some(kind) if kind == "application/x-www-form-urlencoded" => {
            form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), Value::from(value))).collect()
        }
        _ => serde_json::from_slice(body).unwrap_or(Value::Null),
    }
}

fn arrive(inner: &Inner, method: &str, target: &str, headers: &HeaderMap, body: &Bytes) -> u64 {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()?.split_once(' '));
    inner.update(|world| {
        let seq = world.journal.len() as u64 + 1;
        let token = bearer.and_then(|(_, token)| world.tokens.get(token));
        let request = Request {
            seq,
            at: Utc::now(),
            method: method.to_owned(),
            path: target.to_owned(),
            installation: token.map(|token| token.installation),
            body: serde_json::from_slice(body).unwrap_or(Value::Null),
            answered: None,
        };
        world.journal.push(request);
        seq
    })
}

fn note_answer(world: &mut World, seq: u64, status: u16) {
    let place = usize::try_from(seq - 1).unwrap_or(usize::MAX);
    if let Some(request) = world.journal.get_mut(place) {
        request.answered = Some(status);
    }
}

/// Carries a request out within the limits; it is under way for as long as the answer takes.
async fn metered(inner: &Inner, call: &Call, latency: Duration) -> Answer {
    let (verdict, who) = inner.update(|world| {
        let who = match routes::caller(world, call) {
            Ok(Caller::Installation { id, .. }) if call.path != FREE && call.path != GRAPHQL => Some(id),
            _ => None,
        };
        let meter = who.and_then(|id| world.installations.get_mut(&id)?.meter.as_mut());
        let verdict = meter.map(|meter| meter.begin(Utc::now().timestamp_millis(), &call.method, &call.path));
        (verdict, who)
    });
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    inner.update(|world| {
        let retry_after = who.and_then(|id| world.installations.get(&id)?.meter.as_ref()?.rules.retry_after);
        let mut answer = match verdict {
            None | Some(Verdict::Allowed) => handle(world, call),
            Some(Verdict::Primary) => Answer::error(403, PRIMARY),
            Some(Verdict::Secondary(_)) => {
                let mut answer = Answer::error(403, SECONDARY);
                answer.headers.extend(retry_after.map(|wait| ("retry-after".to_owned(), wait.as_secs().to_string())));
                answer
            }
        };
        let meter = who.and_then(|id| world.installations.get_mut(&id)?.meter.as_mut());
        if let Some(meter) = meter {
            meter.end();
            if answer.status == 304 {
                meter.give_back();
            }
            let headerless = matches!(verdict, Some(Verdict::Secondary(_))) && retry_after.is_none();
            answer.headers.retain(|(name, _)| !name.starts_with("x-ratelimit"));
            if !headerless {
                let left = meter.rules.quota - meter.used();
                note_quota(&mut answer, call, meter.rules.quota, left, meter.reset() / 1_000);
            }
        }
        answer
    })
}

async fn fail(inner: &Inner, call: &Call, fault: Fault) -> Result<Answer, Hangup> {
    let usual = match (&fault.ending, fault.after) {
        (Ending::Normal, _) | (_, true) => Some(inner.update(|world| handle(world, call))),
        _ => None,
    };
    match fault.ending {
        Ending::Normal => usual.ok_or(Hangup),
        Ending::Status { code, headers, message } => {
            let mut answer = Answer::error(code, &message);
            answer.headers = headers;
            Ok(answer)
        }
        Ending::Hang => std::future::pending().await,
        Ending::Close => Err(Hangup),
    }
}

/// Answers a request as GitHub would: who asks, what is left of the quota, the route, then the `ETag`.
fn handle(world: &mut World, call: &Call) -> Answer {
    if call.path.starts_with(PAGES) {
        return world.sign_in_page(call);
    }
    if let Some(answer) = world.app_page(call) {
        return answer;
    }
    if call.header("user-agent").is_none() {
        return Answer::error(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        );
    }
    let version = call.header("x-github-api-version").unwrap_or("2022-11-28");
    if version != "2022-11-28" && version != "2026-03-10" {
        return Answer::error(400, "The specified API version is not supported");
    }
    let caller = match routes::caller(world, call) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let (taken, quota) = match call.path.as_str() {
        FREE => (true, *quota_of(world, call, &caller)),
        _ => take_quota(world, call, &caller),
    };
    let mut answer = match call.path.as_str() {
        _ if taken => routes::handle(world, call, &caller),
        GRAPHQL => graphql::refused("RATE_LIMITED", PRIMARY),
        _ => Answer::error(403, PRIMARY),
    };
    if answer.status == 200 && call.method == "GET" {
        note_etag(&mut answer, call);
    }
    note_quota(&mut answer, call, quota.limit, quota.limit - quota.used, quota.reset.timestamp());
    if answer.status == 304 {
        give_back(world, call, &caller);
    }
    answer
}

fn note_quota(answer: &mut Answer, call: &Call, limit: u32, remaining: u32, reset: i64) {
    for (name, value) in [("limit", limit), ("remaining", remaining), ("used", limit - remaining)] {
        answer.headers.push((format!("x-ratelimit-{name}"), value.to_string()));
    }
    answer.headers.push(("x-ratelimit-reset".to_owned(), reset.to_string()));
    let resource = if call.path == GRAPHQL { "graphql" } else { "core" };
    answer.headers.push(("x-ratelimit-resource".to_owned(), resource.to_owned()));
}

fn quota_of<'a>(world: &'a mut World, call: &Call, caller: &Caller) -> &'a mut Quota {
    match caller {
        Caller::Installation { id, .. } => match world.installations.get_mut(id) {
            Some(installation) if call.path == GRAPHQL => &mut installation.graphql,
            Some(installation) => &mut installation.quota,
            None => &mut world.app_quota,
        },
        Caller::App | Caller::Person(_) | Caller::Nobody => &mut world.app_quota,
    }
}

fn take_quota(world: &mut World, call: &Call, caller: &Caller) -> (bool, Quota) {
    let metered = |id| world.installations.get(id).is_some_and(|installation| installation.meter.is_some());
    let counts = !matches!(caller, Caller::Installation { id, .. } if metered(id));
    let quota = quota_of(world, call, caller);
    // The meter stands in for it, and has counted already.
    if !counts {
        return (true, *quota);
    }
    let taken = quota.take();
    (taken, *quota)
}

/// A 304 is free.
fn give_back(world: &mut World, call: &Call, caller: &Caller) {
    let quota = quota_of(world, call, caller);
    quota.used = quota.used.saturating_sub(1);
}

fn note_etag(answer: &mut Answer, call: &Call) {
    let text = answer.body.as_ref().map(Value::to_string).unwrap_or_default();
    let digest = sign_webhook("etag", text.as_bytes());
    let etag = format!("W/\"{}\"", digest.trim_start_matches("sha256="));
    let known = call
        .header("if-none-match")
        .is_some_and(|known| known.trim_start_matches("W/") == etag.trim_start_matches("W/"));
    if known {
        answer.status = 304;
        answer.body = None;
    }
    answer.headers.push(("etag".to_owned(), etag));
}

fn respond(answer: Answer, seq: u64, clock: DateTime<Utc>) -> Response<Full<Bytes>> {
    let body = answer.body.map(|body| body.to_string()).unwrap_or_default();
    let mut builder = Response::builder()
        .status(answer.status)
        .header("server", "github.com")
        .header("date", clock.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .header("content-type", "application/json; charset=utf-8")
        .header("x-github-media-type", "github.v3; format=json")
        .header("x-github-api-version-selected", "2022-11-28")
        .header("x-github-request-id", format!("FA4E:{seq:06X}:1A2B3C:4D5E6F:{seq:08X}"));
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    // Fails only on a header that is no header, which would be this fake's mistake; a test sees the 500.
    builder.body(Full::new(Bytes::from(body))).unwrap_or_else(|_| {
        let mut answer = Response::new(Full::new(Bytes::from_static(b"the fake made a bad header")));
        *answer.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        answer
    })
}
