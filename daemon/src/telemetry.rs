//! Logs and metrics of the process: where they go and what is taken out of them.
//!
//! Invariant 11: whatever looks like a GitHub token leaves no log, also when it came in an error of a library.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::sync::{LazyLock, Mutex, PoisonError};

use log::Log;
use log::kv::{Error as KvError, Key, Source, Value, VisitSource};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use regex::bytes::{Captures, Regex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{LogFormat, Logging};

/// Environment variable with the level, as `info` or `orchd=debug,sqlx=warn`.
pub const LEVEL_VARIABLE: &str = "ORCHD_LOG";
/// Upper bounds, in seconds, of every histogram that ends in `_seconds`: 50 µs to 10 s.
const SECONDS_BUCKETS: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Where lines go.
enum Sink {
    /// Lines for people, on standard error.
    Text,
    /// One JSON object a line, on standard error.
    Json,
    /// systemd's journal, with fields as ORCHD_… journal fields.
    Journal,
}

impl Sink {
    fn of(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
            LogFormat::Auto if systemd_journal_logger::connected_to_journal() => Self::Journal,
            LogFormat::Auto if io::stderr().is_terminal() => Self::Text,
            LogFormat::Auto => Self::Json,
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("the log level cannot be read: {0}; write it as info or as orchd=debug,sqlx=warn")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    #[error("the journal cannot be reached: {0}; log as text or JSON instead")]
    Journal(io::Error),
    #[error("logging is set up already: {0}")]
    Twice(#[from] TryInitError),
}

/// Sets up logging for the process. Call once. `ORCHD_LOG` goes before the config's level.
pub fn install_logs(logging: &Logging) -> Result<(), TelemetryError> {
    let level = std::env::var(LEVEL_VARIABLE).unwrap_or_else(|_| logging.level.clone());
    let registry = tracing_subscriber::registry().with(EnvFilter::try_new(level)?);
    let stderr = || Redacting(io::stderr());
    match Sink::of(logging.format) {
        Sink::Text => {
            let lines = tracing_subscriber::fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(stderr);
            registry.with(lines).try_init()?;
        }
        Sink::Json => {
            let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(stderr);
            registry.with(lines).try_init()?;
        }
        Sink::Journal => {
            let journal = systemd_journal_logger::JournalLog::new().map_err(TelemetryError::Journal)?;
            registry.with(JournalLayer(journal)).try_init()?;
        }
    }
    Ok(())
}

/// Installs the recorder of the process's metrics. There is one for a process: a second call gets the same handle.
///
/// Whoever calls this must call `run_upkeep` of the handle every few seconds, else histograms grow until a scrape.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?
        .install_recorder()?;
    *installed = Some(handle.clone());
    Ok(handle)
}

/// What takes the place of a token.
const REDACTED: &[u8] = b"[redacted]";

/// GitHub's tokens: `ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_` and what may follow, up to some 520 characters; and
/// fine-grained personal ones. Our own keys, and tokens of the form that JWTs have. No word boundary is asked for before them: in JSON a line end stands as `\n`, whose `n`
/// would be part of the word.
static TOKENS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u)(?:gh[a-z]_[A-Za-z0-9._-]{36,}|github_pat_[A-Za-z0-9_]{36,}|orchd_[0-9A-Za-z]{40,}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})").ok()
});

/// The text without tokens.
fn redact(text: &[u8]) -> Cow<'_, [u8]> {
    match &*TOKENS {
        Some(tokens) => tokens.replace_all(text, |_: &Captures<'_>| REDACTED),
        None => Cow::Borrowed(REDACTED),
    }
}

fn redact_text(text: &str) -> String {
    String::from_utf8_lossy(&redact(text.as_bytes())).into_owned()
}

/// A writer that takes tokens out. Loggers write whole lines at once, so no token is split between two writes.
struct Redacting<W>(W);

impl<W: io::Write> io::Write for Redacting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(&redact(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Turns an event and the fields of its spans into one record for the journal's logger.
struct JournalLayer<L>(L);

/// Fields in the order they were given, named as the journal will show them in capitals.
#[derive(Default)]
struct Fields {
    message: String,
    named: Vec<(String, String)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            // A `log` record's own place, which the journal gets in fields of its own.
            name if name.starts_with("log.") => {}
            name => self.named.push((format!("orchd_{name}"), value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, redact_text(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = String::new();
        // Writing to a String fails only when the value's own Debug does.
        let _ = write!(text, "{value:?}");
        self.put(field, redact_text(&text));
    }
}

impl Source for Fields {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), KvError> {
        self.named
            .iter()
            .try_for_each(|(name, value)| visitor.visit_pair(Key::from(name.as_str()), Value::from(value.as_str())))
    }
}

impl<S, L> Layer<S> for JournalLayer<L>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    L: Log + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                // What is nearer to the event wins.
                let missing = of_span.named.iter().filter(|(name, _)| !fields.named.iter().any(|(own, _)| own == name));
                let missing: Vec<_> = missing.cloned().collect();
                fields.named.extend(missing);
            }
        }
        let metadata = event.metadata();
        self.0.log(
            &log::Record::builder()
                .level(level_of(metadata.level()))
                .target(metadata.target())
                .module_path(metadata.module_path())
                .file(metadata.file())
                .line(metadata.line())
                .key_values(&fields)
                .args(format_args!("{}", fields.message))
                .build(),
        );
    }
}

fn level_of(level: &Level) -> log::Level {
    match *level {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        Level::DEBUG => log::Level::Debug,
        Level::TRACE => log::Level::Trace,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Write;
    use std::sync::Arc;

    const TOKEN: &str = "ghs_0123456789abcdefghijABCDEFGHIJ0123456789";

    type Lines = Arc<Mutex<Vec<(String, BTreeMap<String, String>)>>>;

    struct Collect(Lines);

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log for Collect {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            struct Into<'a>(&'a mut BTreeMap<String, String>);
            impl<'kvs> VisitSource<'kvs> for Into<'_> {
                fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), KvError> {
                    self.0.insert(key.as_str().to_owned(), value.to_string());
                    Ok(())
                }
            }
            let mut fields = BTreeMap::new();
            record.key_values().visit(&mut Into(&mut fields)).unwrap();
            self.0.lock().unwrap().push((record.args().to_string(), fields));
        }
        fn flush(&self) {}
    }

    #[test]
    fn invariant_11_tokens_leave_no_line() {
        let mut written = Vec::new();
        let line = format!("GET /x failed: Bearer {TOKEN}, retrying with ghs_short\n");
        Redacting(&mut written).write_all(line.as_bytes()).unwrap();
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, "GET /x failed: Bearer [redacted], retrying with ghs_short\n");
    }

    #[test]
    fn a_token_after_a_line_end_leaves_no_json_line() {
        let fine = format!("github_pat_{}", "0aB_".repeat(20));
        let lines: Arc<Mutex<Vec<u8>>> = Arc::default();
        let into = lines.clone();
        let writer = move || Redacting(Shared(into.clone()));
        let json = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(json), || {
            tracing::info!(field = format!("tokens:\n{TOKEN}\n{fine}"), "sent\n{TOKEN}\r\n{fine}");
        });
        let written = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
        assert_eq!(written.matches("[redacted]").count(), 4, "{written}");
        assert!(!written.contains("0123456789abc") && !written.contains("0aB_"), "{written}");
        serde_json::from_str::<serde_json::Value>(&written).unwrap();
    }

    #[test]
    fn our_own_keys_and_tokens_are_taken_out_too() {
        let key = crate::core::access::KeyText::new([7; 32]).expose().to_owned();
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJvcmNoZCJ9.c2lnbmF0dXJlLW9m";
        assert_eq!(redact_text(&format!("a {key} b {token} c")), "a [redacted] b [redacted] c");
        assert_eq!(redact_text("the header orchd_events_total is none"), "the header orchd_events_total is none");
    }

    #[test]
    fn the_journal_gets_the_fields_of_event_and_spans() {
        let lines = Lines::default();
        let subscriber = tracing_subscriber::registry().with(JournalLayer(Collect(lines.clone())));
        tracing::subscriber::with_default(subscriber, || {
            let outer = tracing::info_span!("process", event_id = "e1", repository = "acme/api", rule = "outer");
            let _outer = outer.enter();
            let inner = tracing::info_span!("rule", rule = tracing::field::Empty);
            inner.record("rule", "docs-label");
            let _inner = inner.enter();
            tracing::info!(request_id = "r1", token = TOKEN, "sent {TOKEN}");
        });
        let lines = lines.lock().unwrap();
        let (message, fields) = &lines[0];
        assert_eq!(message, "sent [redacted]");
        let expected = [
            ("orchd_event_id", "e1"),
            ("orchd_repository", "acme/api"),
            ("orchd_request_id", "r1"),
            ("orchd_rule", "docs-label"),
            ("orchd_token", "[redacted]"),
        ];
        assert_eq!(*fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn metrics_have_one_recorder_however_often_they_are_installed() {
        let first = install_metrics().unwrap();
        install_metrics().unwrap();
        metrics::histogram!("orchd_test_seconds").record(0.002);
        assert!(first.render().contains("orchd_test_seconds_bucket{le=\"0.0025\"} 1"));
    }
}
