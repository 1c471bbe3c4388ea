//! The tower layers between octocrab and the connection, innermost first: time limit, measuring, write gate, headers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use octocrab::OctoBody;
use tower::{BoxError, Layer, Service};
use tracing::Instrument;
use uuid::Uuid;

use super::path;
use crate::core::event::InstallationId;

/// The version of GitHub's REST API that orchd was written against (docs.github.com, "API versions").
const API_VERSION: &str = "2022-11-28";

/// What `x-ratelimit-resource` says of the requests that orchd sends (docs.github.com, "Rate limits for the REST API").
const QUOTAS: [&str; 3] = ["core", "search", "graphql"];

const USER_AGENT: &str = concat!("orchd/", env!("CARGO_PKG_VERSION"));

/// Whose quota a request uses: travels with the request for the metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuotaOf(pub Option<InstallationId>);

/// Sets what every request carries.
pub(super) fn add_headers(mut request: Request<OctoBody>) -> Request<OctoBody> {
    let headers = request.headers_mut();
    headers.insert("x-github-api-version", HeaderValue::from_static(API_VERSION));
    headers.insert(http::header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
    if let Ok(id) = HeaderValue::from_str(&Uuid::now_v7().to_string()) {
        headers.insert("x-request-id", id);
    }
    request
}

/// Counts, times and traces each request that is really sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measure;

impl<S> Layer<S> for Measure {
    type Service = Measured<S>;
    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Measured<S> {
    inner: S,
}

impl<S> Service<Request<OctoBody>> for Measured<S>
where
    S: Service<Request<OctoBody>, Response = Response<Incoming>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<OctoBody>) -> Self::Future {
        let method = request.method().to_string();
        let endpoint = path::class(request.uri().path());
        let quota_of = request.extensions().get::<QuotaOf>().and_then(|of| of.0);
        let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let span = tracing::debug_span!(
            "github", %method, path = request.uri().path(), endpoint, request_id = id, status = tracing::field::Empty
        );
        let start = Instant::now();
        let sent = self.inner.call(request);
        let measured = async move {
            let result = sent.await;
            let status = result.as_ref().map_or_else(|_| "none".to_owned(), |a| a.status().as_u16().to_string());
            tracing::Span::current().record("status", status.as_str());
            tracing::debug!(elapsed_ms = start.elapsed().as_millis(), "answered");
            metrics::histogram!("orchd_github_request_seconds", "method" => method.clone(), "endpoint" => endpoint.clone())
                .record(start.elapsed());
            metrics::counter!(
                "orchd_github_requests_total", "method" => method, "endpoint" => endpoint, "status" => status
            )
            .increment(1);
            if let Ok(answer) = &result {
                note_quota(quota_of, answer.headers());
            }
            result
        };
        Box::pin(measured.instrument(span))
    }
}

/// Of an installation; `none` is everybody else, whose quotas mix.
fn note_quota(of: Option<InstallationId>, headers: &HeaderMap) {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
    let Some(remaining) = number("x-ratelimit-remaining") else { return };
    let installation = of.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let named = headers.get("x-ratelimit-resource").and_then(|name| name.to_str().ok()).unwrap_or("core");
    // GitHub has some more, and what stands between may write what it likes.
    let resource = QUOTAS.iter().copied().find(|known| *known == named).unwrap_or("other");
    let labels = [("installation", installation), ("resource", resource.to_owned())];
    metrics::gauge!("orchd_github_quota_remaining", &labels).set(f64::from(remaining));
    if let Some(limit) = number("x-ratelimit-limit") {
        metrics::gauge!("orchd_github_quota_limit", &labels).set(f64::from(limit));
    }
    if let Some(reset) = number("x-ratelimit-reset") {
        metrics::gauge!("orchd_github_quota_reset_timestamp_seconds", &labels).set(f64::from(reset));
    }
}
