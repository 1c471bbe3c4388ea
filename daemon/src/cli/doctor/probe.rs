//! One HTTP request as a stranger would send it, and what kept it from an answer, told apart by what mends it.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, USER_AGENT};
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::MaybeHttpsStream;
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use tower::ServiceExt as _;

use crate::cli::connection::exchange;
use crate::github::connection::connector;

/// For a name to resolve.
pub(super) const RESOLVES_WITHIN: Duration = Duration::from_secs(8);
/// For a connection, TLS with it.
const CONNECTS_WITHIN: Duration = Duration::from_secs(8);
/// For the request to go out and its answer to come, once connected: a body of 1 MiB over a slow line.
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);
/// Of an answer, in bytes: what orchd and GitHub answer here is far shorter.
const LONGEST_ANSWER: usize = 256 * 1024;

/// What kept a request from an answer.
#[derive(Debug)]
pub(super) enum Unreached {
    /// Nobody takes the connection.
    Connection(String),
    /// The certificate is not one that can be trusted.
    Certificate(CertificateError),
    /// TLS fails for another reason.
    Tls(String),
    /// It broke off, or what came is not HTTP.
    Answer(String),
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// By this machine's clock, when the answer began.
    pub(super) at: DateTime<Utc>,
}

impl Reached {
    pub(super) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Who answered, as far as it says so.
    pub(super) fn server(&self) -> &str {
        self.header(http::header::SERVER).unwrap_or("a server without a name")
    }
}

/// Host and port of a URL.
pub(super) fn host_and_port(url: &Uri) -> Option<(String, u16)> {
    let host = url.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let usual = if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    Some((host, url.port_u16().unwrap_or(usual)))
}

/// The addresses of a host.
pub(super) async fn resolve(host: &str, port: u16) -> Result<Vec<std::net::IpAddr>, String> {
    let found = tokio::time::timeout(RESOLVES_WITHIN, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_elapsed| "the name servers do not answer".to_owned())?;
    let mut addresses: Vec<_> = found.map_err(|error| error.to_string())?.map(|address| address.ip()).collect();
    addresses.dedup();
    if addresses.is_empty() { Err("it has no address".to_owned()) } else { Ok(addresses) }
}

/// The certificate that a host shows, if it is one to trust; `None` over plain HTTP.
pub(super) async fn certificate(url: &Uri) -> Result<Option<CertificateDer<'static>>, Unreached> {
    match connect(url).await? {
        MaybeHttpsStream::Http(_) => Ok(None),
        MaybeHttpsStream::Https(stream) => {
            let shown = stream.inner().get_ref().1.peer_certificates().and_then(<[_]>::first);
            Ok(shown.map(|shown| shown.clone().into_owned()))
        }
    }
}

type Stream = MaybeHttpsStream<hyper_util::rt::TokioIo<tokio::net::TcpStream>>;

async fn connect(url: &Uri) -> Result<Stream, Unreached> {
    let connector = connector(url.scheme() == Some(&Scheme::HTTPS)).map_err(Unreached::Tls)?;
    match tokio::time::timeout(CONNECTS_WITHIN, connector.oneshot(url.clone())).await {
        Ok(connected) => connected.map_err(|error| reason(&*error)),
        Err(_elapsed) => Err(Unreached::Connection(format!("no connection within {} s", CONNECTS_WITHIN.as_secs()))),
    }
}

/// Asks `url`, and follows no redirect. A body is sent as JSON.
pub(super) async fn ask(method: Method, url: &Uri, body: Bytes) -> Result<Reached, Unreached> {
    let stream = connect(url).await?;
    let host = url.authority().map_or("", |authority| authority.as_str());
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, host)
        .header(USER_AGENT, concat!("orchd-doctor/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "application/json");
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(body)).map_err(|error| error.to_string());
    let answered = async {
        let answer = exchange(stream, request).await?;
        let at = Utc::now();
        let (head, body, _connection) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok::<_, String>(Reached { status: head.status, headers: head.headers, body, at })
    };
    let answered = tokio::time::timeout(ANSWERS_WITHIN, answered).await;
    let answered = answered.unwrap_or_else(|_elapsed| Err(format!("no answer within {} s", ANSWERS_WITHIN.as_secs())));
    answered.map_err(Unreached::Answer)
}

/// What lies in an `io::Error` is not among its sources.
fn inside(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().or_else(|| inside(inner.downcast_ref::<io::Error>()?))
}

/// What the outer errors only wrap.
fn reason(error: &(dyn Error + 'static)) -> Unreached {
    let mut next = Some(error);
    let mut deepest = error.to_string();
    while let Some(cause) = next {
        deepest = cause.to_string();
        let inside = cause.downcast_ref::<io::Error>().and_then(inside);
        match inside.or_else(|| cause.downcast_ref()) {
            Some(rustls::Error::InvalidCertificate(why)) => return Unreached::Certificate(why.clone()),
            Some(other) => return Unreached::Tls(other.to_string()),
            None => next = cause.source(),
        }
    }
    Unreached::Connection(deepest)
}
