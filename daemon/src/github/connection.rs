//! The connection to GitHub's host, and what a failure of it says.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
#[cfg(feature = "server")]
use http::HeaderName;
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use octocrab::OctoBody;
use rustls::{ClientConfig, RootCertStore};

use super::GitHubError;
use super::answer::redact;
use super::gate::NoPermit;

/// What kept a request from an answer, in the words of the innermost errors.
pub(super) fn explain(error: &octocrab::Error) -> GitHubError {
    let mut words: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(refused) = cause.downcast_ref::<NoPermit>() {
            return GitHubError::Refused { status: 0, message: refused.to_string() };
        }
        let text = cause.to_string();
        if words.last() != Some(&text) {
            words.push(text);
        }
        next = cause.source();
    }
    GitHubError::Unavailable(redact(&words.join(": ")))
}

/// Longest answer that is read outside the client, in bytes: GitHub's there are some hundred, a user's some thousand.
const LONGEST_ANSWER: usize = 256 * 1024;

pub(super) const AGENT: HeaderValue = HeaderValue::from_static(concat!("orchd/", env!("CARGO_PKG_VERSION")));
#[cfg(feature = "server")]
pub(super) const GITHUB_JSON: HeaderValue = HeaderValue::from_static("application/vnd.github+json");
#[cfg(feature = "server")]
pub(super) const API_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-github-api-version"), HeaderValue::from_static("2022-11-28"));

pub(super) type Connection = Client<HttpsConnector<HttpConnector>, OctoBody>;

/// As octocrab's own default client, with what it cannot be told: no delay for small writes.
pub(super) fn connection(tls: bool) -> Result<Connection, GitHubError> {
    let refuse = |error: String| GitHubError::Unavailable(format!("TLS cannot be set up: {error}"));
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_timer(TokioTimer::new())
        .build(connector(tls).map_err(refuse)?))
}

/// One request outside the client, and its answer read whole, within so long.
///
/// # Errors
/// Why there is none, without tokens.
pub(super) async fn whole(
    connection: &Connection,
    request: Request<OctoBody>,
    within: Duration,
) -> Result<Response<Bytes>, String> {
    let asked = async {
        let unavailable = |error: &dyn std::fmt::Display| redact(&error.to_string());
        let answer = connection.request(request).await.map_err(|error| unavailable(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        Ok(Response::from_parts(head, body.map_err(|error| unavailable(&error))?.to_bytes()))
    };
    match tokio::time::timeout(within, asked).await {
        Ok(answered) => answered,
        Err(_elapsed) => Err(format!("no answer within {within:?}")),
    }
}

/// A connection for what is not GitHub's API: a daemon, or who makes out tokens to a run.
#[derive(Clone, Debug)]
pub struct Plain(Connection);

impl Plain {
    /// # Errors
    /// When TLS is wanted and cannot be set up.
    pub fn new(tls: bool) -> Result<Self, GitHubError> {
        connection(tls).map(Self)
    }

    /// One request, and its answer read whole, within so long. Follows no redirect.
    ///
    /// # Errors
    /// Why there is no answer, without tokens.
    pub async fn send(&self, mut request: Request<Bytes>, within: Duration) -> Result<Response<Bytes>, String> {
        request.headers_mut().insert(USER_AGENT, AGENT);
        whole(&self.0, request.map(OctoBody::from), within).await
    }
}

/// What connects to a host. The machine's certificates are read only when they can be needed, so that plain `http://` works
/// without any.
///
/// # Errors
/// When they are needed and there are none.
pub fn connector(tls: bool) -> Result<HttpsConnector<HttpConnector>, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = if tls {
        config.with_native_roots().map_err(|error| format!("the machine's certificates: {error}"))?
    } else {
        config.with_root_certificates(RootCertStore::empty())
    };
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(false);
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(config.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(http))
}
