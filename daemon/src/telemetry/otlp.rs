//! Traces on their way to a collector: OTLP over HTTP, in batches, from a thread of their own.
//!
//! Nothing waits for the collector. A span that ends goes into a bounded queue, and is dropped when that is full; a batch
//! that the collector does not take after some tries is dropped; stopping waits for a moment only.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry::trace::{Link, SpanKind, Status, TraceId, TraceState, TracerProvider as _};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
    SpanData, SpanEvents, SpanExporter,
};
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;
use tracing::Metadata;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::dynamic_filter_fn;

use super::redact::redact_text;
use super::trace::{Ids, is_sampled, turn_on};
use super::{Output, TelemetryError};
use crate::config::Otlp;
use crate::github::connection::connector;

/// Spans that wait to be sent, at most; about 1 kB each.
const QUEUE: usize = 4_096;
/// Spans in one request.
const BATCH: usize = 512;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(2);
/// For one request, and for a batch with its further tries.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long stopping waits for what is left to be sent.
const FLUSH: Duration = Duration::from_millis(1_500);
/// Of a collector's answer, in bytes: it says little.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How often the log says that the collector does not take traces.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// The spans that are sent, by their names.
const SPANS: [&str; 3] = ["process", "apply", "github"];

/// What is sent of a span: no text that somebody else wrote, and no error's.
const ATTRIBUTES: [&str; 17] = [
    "action",
    "attempt",
    "delivery_id",
    "effect_id",
    "endpoint",
    "event",
    "event_id",
    "item",
    "job_id",
    "method",
    "outcome",
    "repository",
    "request_id",
    "rollback_id",
    "rule",
    "source",
    "status",
];

/// Outcomes of which a trace says that something went wrong.
const FAILURES: [&str; 6] = ["dead", "failed", "lease_lost", "none", "quarantined", "retried"];

/// What sends traces, if anything does.
#[derive(Debug, Default)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Within the runtime, which the requests are sent on.
    pub(super) fn start(wanted: Option<&Otlp>) -> Result<Self, TelemetryError> {
        let Some(wanted) = wanted else { return Ok(Self(None)) };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_endpoint(wanted.endpoint.to_string())
            .with_timeout(TIMEOUT)
            .with_http_client(Collector::new(wanted).map_err(TelemetryError::Traces)?)
            .build()
            .map_err(|error| TelemetryError::Traces(error.to_string()))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        // OTEL_RESOURCE_ATTRIBUTES adds to it, as everywhere.
        let resource = Resource::builder()
            .with_service_name("orchd")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_id_generator(Ids::default())
            .with_sampler(ByEvent(wanted.sample))
            .with_span_processor(BatchSpanProcessor::builder(Spare(exporter)).with_batch_config(batches).build())
            .build();
        turn_on(provider.tracer("orchd"));
        Ok(Self(Some(provider)))
    }

    /// What makes spans of orchd's own parts of traces. They come whatever the level of the log is.
    pub(super) fn layer(&self) -> Option<Output> {
        let tracer = self.0.as_ref()?.tracer("orchd");
        let spans = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false);
        // Asked anew for each span: what it said is remembered in the thread, and others change that (`install`).
        Some(spans.with_filter(dynamic_filter_fn(|of, _| is_sent(of))).boxed())
    }

    /// Whether there is a collector.
    pub(super) fn are_sent(&self) -> bool {
        self.0.is_some()
    }

    /// Sends what is left, for at most a second and a half.
    pub async fn finish(self) {
        let Some(provider) = self.0 else { return };
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last spans were not taken by the collector (`telemetry.otlp`)");
        }
    }
}

/// Whether it is a span for the collector.
pub(super) fn is_sent(of: &Metadata<'_>) -> bool {
    of.is_span() && of.target().starts_with("orchd") && SPANS.contains(&of.name())
}

/// Samples whole events, and nothing that is of none.
#[derive(Clone, Debug)]
struct ByEvent(f64);

impl ShouldSample for ByEvent {
    fn should_sample(
        &self,
        _: Option<&Context>,
        trace: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let sampled = is_sampled(trace, self.0);
        SamplingResult {
            decision: if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

/// Sends of each span no more than it should, without tokens.
#[derive(Debug)]
struct Spare<E>(E);

impl<E: SpanExporter> SpanExporter for Spare<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let sent = self.0.export(batch.into_iter().map(spare).collect()).await;
        let outcome = if sent.is_ok() { "sent" } else { "dropped" };
        metrics::counter!("orchd_spans_total", "outcome" => outcome).increment(spans);
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn spare(mut span: SpanData) -> SpanData {
    span.events = SpanEvents::default();
    span.attributes.retain(|attribute| ATTRIBUTES.contains(&attribute.key.as_str()));
    for attribute in &mut span.attributes {
        if let Value::String(text) = &attribute.value {
            attribute.value = Value::String(redact_text(text.as_str()).into());
        }
    }
    let went_wrong = |attribute: &KeyValue| match (attribute.key.as_str(), &attribute.value) {
        ("outcome" | "status", Value::String(text)) => {
            FAILURES.contains(&text.as_str()) || text.as_str().starts_with('5')
        }
        _ => false,
    };
    span.status = if span.attributes.iter().any(went_wrong) { Status::error("") } else { Status::Unset };
    span
}

/// The collector, asked over a connection like that to GitHub: one TLS stack.
struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    headers: HeaderMap,
    /// The thread that sends batches is none of the runtime's.
    runtime: Handle,
    said: Mutex<Said>,
}

/// Its headers are secret.
impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

/// What the log was told of the collector.
#[derive(Default)]
struct Said {
    is_failing: bool,
    last: Option<Instant>,
}

impl Collector {
    fn new(wanted: &Otlp) -> Result<Self, String> {
        let connector = connector(wanted.endpoint.scheme_str() == Some("https"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &wanted.headers {
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|error| error.to_string())?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        let user_agent = HeaderValue::from_static(concat!("orchd/", env!("CARGO_PKG_VERSION")));
        headers.entry(header::USER_AGENT).or_insert(user_agent);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client, headers, runtime: Handle::current(), said: Mutex::default() })
    }

    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        request.headers_mut().extend(self.headers.clone());
        let client = self.client.clone();
        let answered = self.runtime.spawn(async move {
            let asked = async {
                let answer = client.request(request.map(Full::new)).await.map_err(|error| innermost(&error))?;
                let (head, body) = answer.into_parts();
                let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| error.to_string())?;
                Ok(Response::from_parts(head, body.to_bytes()))
            };
            let late = |_| Err(format!("no answer within {} s", TIMEOUT.as_secs()));
            tokio::time::timeout(TIMEOUT, asked).await.unwrap_or_else(late)
        });
        answered.await.unwrap_or_else(|_| Err("orchd stops".to_owned()))
    }

    fn say(&self, failure: Option<&str>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        match failure {
            None if said.is_failing => {
                *said = Said::default();
                tracing::info!("the collector takes traces again");
            }
            None => {}
            Some(error) => {
                said.is_failing = true;
                if said.last.is_none_or(|last| last.elapsed() >= SAY_EVERY) {
                    said.last = Some(Instant::now());
                    tracing::warn!(
                        error,
                        "the collector (`telemetry.otlp`) takes no traces; they are dropped until it does"
                    );
                }
            }
        }
    }
}

impl HttpClient for Collector {
    fn send_bytes<'a, 'sent>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'sent>>
    where
        'a: 'sent,
        Self: 'sent,
    {
        Box::pin(async move {
            let answered = self.send(request).await;
            match &answered {
                Ok(answer) if answer.status().is_success() => self.say(None),
                Ok(answer) => self.say(Some(&format!("it answered {}", answer.status()))),
                Err(error) => self.say(Some(error)),
            }
            answered.map_err(Into::into)
        })
    }
}

/// What went wrong, without the layers around it.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string()
}
