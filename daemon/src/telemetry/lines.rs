//! One JSON object a line: what an event says, and the fields of its spans beside those of its own, so that every line
//! about an event of GitHub can be found by the same field.

use std::fmt;

use chrono::{SecondsFormat, Utc};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

struct Line<'a> {
    level: &'static str,
    message: Value,
    fields: Vec<(String, Value)>,
    /// The module.
    target: &'a str,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("timestamp", &Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true))?;
        line.serialize_entry("level", self.level)?;
        line.serialize_entry("message", &self.message)?;
        for (name, value) in &self.fields {
            line.serialize_entry(name, value)?;
        }
        line.serialize_entry("target", self.target)?;
        line.end()
    }
}

/// As tracing-subscriber's own JSON, without spans within spans: what is nearer to the event wins.
pub(super) struct Flat;

impl<S> FormatEvent<S, JsonFields> for Flat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut told = Told::default();
        event.record(&mut told);
        let Told { message, mut fields, log_target } = told;
        for span in context.event_scope().into_iter().flatten() {
            let extensions = span.extensions();
            let of_span = extensions.get::<FormattedFields<JsonFields>>();
            let of_span = of_span.and_then(|text| serde_json::from_str::<Map<_, _>>(text).ok());
            for (name, value) in of_span.into_iter().flatten() {
                if !fields.iter().any(|(nearer, _)| *nearer == name) {
                    fields.push((name, value));
                }
            }
        }
        let metadata = event.metadata();
        let line = Line {
            level: metadata.level().as_str(),
            message,
            fields,
            target: log_target.as_deref().unwrap_or(metadata.target()),
        };
        writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
    }
}

/// What an event says.
#[derive(Default)]
struct Told {
    message: Value,
    fields: Vec<(String, Value)>,
    /// Of a library that uses `log`: all of those have one callsite.
    log_target: Option<String>,
}

impl Told {
    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = value,
            "log.target" => self.log_target = value.as_str().map(str::to_owned),
            name if name.starts_with("log.") => {}
            name => self.fields.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Told {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    /// A writer that keeps what was written.
    #[derive(Clone, Default)]
    pub(in crate::telemetry) struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        pub(in crate::telemetry) fn written(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn fields_of_spans_stand_beside_those_of_the_event_and_the_nearest_wins() {
        let lines = Lines::default();
        let into = lines.clone();
        let layer = || {
            let into = into.clone();
            tracing_subscriber::fmt::layer().json().event_format(Flat).with_writer(move || into.clone())
        };
        // Two outputs, as standard error and a file: what is recorded later is in both once.
        let subscriber = tracing_subscriber::registry().with(vec![layer(), layer()]);
        tracing::subscriber::with_default(subscriber, || {
            let outer = tracing::error_span!("job", event_id = "e1", rule = "outer", item = tracing::field::Empty);
            let _outer = outer.enter();
            outer.record("item", 7);
            let inner = tracing::error_span!("inner", rule = "docs-label");
            let _inner = inner.enter();
            tracing::info!(attempt = 2, fine = true, "label on {}", "acme/web#7");
        });
        let written = lines.written();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 2, "{written}");
        for line in lines {
            assert!(line.starts_with(r#"{"timestamp":""#), "{line}");
            let mut line: Map<String, Value> = serde_json::from_str(line).unwrap();
            line.remove("timestamp");
            let expected = serde_json::json!({
                "level": "INFO", "message": "label on acme/web#7", "event_id": "e1", "rule": "docs-label", "item": 7,
                "attempt": 2, "fine": true, "target": "orchd::telemetry::lines::tests",
            });
            assert_eq!(Value::Object(line), expected);
        }
    }
}
