//! Signing in and out, and the page about oneself.
//!
//! | URL | what |
//! |---|---|
//! | `GET /login`, `POST /login` | the button, and off to GitHub |
//! | `GET /login/callback` | back from GitHub |
//! | `GET /account` | one's own sessions |
//! | `POST /account/sessions/ID/end` | ends one of them |
//! | `POST /logout`, `POST /logout/everywhere` | signs out |
//!
//! Owns cookies and pages; who people are is `engine::login`'s affair. Whatever changes something takes a token of the
//! session and an origin of ours; signing in, where there is no session yet, takes the origin, and a cookie on the way back.

mod account;
mod arriving;
mod failures;
mod leaving;
mod page;
mod return_to;

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;

use bytes::Buf;
use futures_util::Stream;
use http::HeaderMap;
use http::header::USER_AGENT;
use uuid::Uuid;
use warp::Filter;
use warp::reply::Response;

use super::App;
use super::allowlist::counted_address;
use super::arrival::Arrival;
use super::body::{self, Share};
use super::error::{HttpError, answer};
use super::routes::{Routes, with};

/// Cookie of a browser on its way to GitHub and back.
const LEAVING_COOKIE: &str = "__Host-orchd-login";

/// Bytes of a form: ours hold a path and a token.
const LARGEST_FORM: u64 = 8 * 1024;

/// Characters of a `User-Agent` that are kept.
const LONGEST_AGENT: usize = 512;

pub(super) fn routes(app: &App) -> Routes {
    let show = warp::path!("login").and(warp::get()).and(asked(app)).then(|asked| done(leaving::show(asked)));
    let arrive = warp::path!("login" / "callback").and(warp::get()).and(asked(app));
    let arrive = arrive.then(|asked| done(arriving::arrive(asked)));
    let account = warp::path!("account").and(warp::get()).and(asked(app)).then(|asked| done(account::show(asked)));

    let leave = warp::path!("login").and(warp::post()).and(form(app)).then(|sent| taken(sent, leaving::leave));
    let out = warp::path!("logout").and(warp::post()).and(form(app)).then(|sent| taken(sent, account::sign_out));
    let everywhere = warp::path!("logout" / "everywhere").and(warp::post()).and(form(app));
    let everywhere = everywhere.then(|sent| taken(sent, account::sign_out_everywhere));
    let end = warp::path!("account" / "sessions" / Uuid / "end").and(warp::post()).and(form(app));
    let end = end.then(|id, sent| taken(sent, move |asked, form| account::end(asked, form, id)));

    let shown = show.or(arrive).unify().or(account).unify();
    shown.or(leave).unify().or(out).unify().or(everywhere).unify().or(end).unify().boxed()
}

/// A request, and what answers it.
struct Asked {
    app: App,
    headers: HeaderMap,
    query: Form,
    /// The client's, or the peer's where that cannot be told.
    address: Option<IpAddr>,
}

/// Names and values of a query or of a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// `None`: it is not there, or twice.
    fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value.as_str())
    }
}

impl Asked {
    fn new(arrival: Option<Arrival>, headers: HeaderMap, query: &str, app: App) -> Self {
        let counted = |arrival: Arrival| counted_address(arrival.peer, &headers, &app.config().server.trusted_proxies);
        let address = arrival.and_then(counted);
        Self { app, headers, query: Form::read(query.as_bytes()), address }
    }

    /// What is kept of the browser.
    fn agent(&self) -> Option<String> {
        let agent = String::from_utf8_lossy(self.headers.get(USER_AGENT)?.as_bytes());
        Some(agent.chars().take(LONGEST_AGENT).collect())
    }
}

fn asked(app: &App) -> impl Filter<Extract = (Asked,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::ext::optional::<Arrival>()
        .and(warp::header::headers_cloned())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(with(app))
        .map(|arrival, headers, query: String, app| Asked::new(arrival, headers, &query, app))
}

type Sent = Result<(Asked, Form), HttpError>;

/// With a body.
fn form(app: &App) -> impl Filter<Extract = (Sent,), Error = warp::Rejection> + Clone + Send + Sync + 'static {
    asked(app).and(warp::body::stream()).then(read_form)
}

async fn read_form<S, B>(asked: Asked, body: S) -> Sent
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let within = asked.app.config().server.read_timeout;
    let mut share = Share::of(&asked.app.large().memory);
    let read = body::read(pin!(body), &asked.headers, LARGEST_FORM, within, &mut share).await;
    let form = Form::read(&read?);
    drop(share);
    Ok((asked, form))
}

async fn done(result: impl Future<Output = Result<Response, HttpError>>) -> Response {
    answer(result.await)
}

async fn taken<F, R>(sent: Sent, handle: F) -> Response
where
    F: FnOnce(Asked, Form) -> R,
    R: Future<Output = Result<Response, HttpError>>,
{
    match sent {
        Ok((asked, form)) => answer(handle(asked, form).await),
        Err(error) => error.into_response(),
    }
}
