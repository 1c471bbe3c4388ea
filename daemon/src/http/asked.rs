//! A request of a browser, and the form it sent.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;

use bytes::Buf;
use futures_util::Stream;
use http::HeaderMap;
use http::header::USER_AGENT;
use warp::Filter;
use warp::reply::Response;

use super::App;
use super::allowlist::counted_address;
use super::arrival::Arrival;
use super::body::{self, Share};
use super::error::{HttpError, answer};
use super::routes::with;

/// Characters of a `User-Agent` that are kept.
const LONGEST_AGENT: usize = 512;

/// A request, and what answers it.
pub(super) struct Asked {
    pub(super) app: App,
    pub(super) arrival: Option<Arrival>,
    pub(super) headers: HeaderMap,
    pub(super) query: Form,
    /// The client's, or the peer's where that cannot be told.
    pub(super) address: Option<IpAddr>,
}

/// Names and values of a query or of a form.
#[derive(Clone, Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    fn read(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// `None`: it is not there, or twice.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value.as_str())
    }

    /// What was given for one of several: `scope=a&scope=b`.
    pub(super) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Those that are filled in, in order.
    pub(super) fn filled(&self) -> Vec<(String, String)> {
        self.0.iter().filter(|(_, value)| !value.trim().is_empty()).cloned().collect()
    }
}

impl Asked {
    fn new(arrival: Option<Arrival>, headers: HeaderMap, query: &str, app: App) -> Self {
        let counted = |arrival: &Arrival| counted_address(arrival.peer, &headers, &app.config().server.trusted_proxies);
        let address = arrival.as_ref().and_then(counted);
        Self { app, arrival, headers, query: Form::read(query.as_bytes()), address }
    }

    /// What is kept of the browser.
    pub(super) fn agent(&self) -> Option<String> {
        let agent = String::from_utf8_lossy(self.headers.get(USER_AGENT)?.as_bytes());
        Some(agent.chars().take(LONGEST_AGENT).collect())
    }
}

pub(super) fn asked(app: &App) -> impl Filter<Extract = (Asked,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::ext::optional::<Arrival>()
        .and(warp::header::headers_cloned())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(with(app))
        .map(|arrival, headers, query: String, app| Asked::new(arrival, headers, &query, app))
}

/// Reads a form of so many bytes at most.
pub(super) async fn read_form<S, B>(asked: Asked, body: S, most: u64) -> Result<(Asked, Form), HttpError>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let within = asked.app.config().server.read_timeout;
    let mut share = Share::of(&asked.app.large().memory);
    let read = body::read(pin!(body), &asked.headers, most, within, &mut share).await;
    let form = Form::read(&read?);
    drop(share);
    Ok((asked, form))
}

/// What a handler came to.
pub(super) async fn done(result: impl Future<Output = Result<Response, HttpError>>) -> Response {
    answer(result.await)
}
