//! Lines for systemd's journal: the fields of an event and of its spans become ORCHD_… fields of the journal.

use std::fmt::Write as _;

use log::Log;
use log::kv::{Error as KvError, Key, Source, Value, VisitSource};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::redact::redact_text;

/// Turns an event and the fields of its spans into one record for the journal's logger.
pub(super) struct JournalLayer<L>(pub(super) L);

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
            name => {
                let name = format!("orchd_{name}");
                // What is recorded again takes the place of what was.
                match self.named.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, known)) => *known = value,
                    None => self.named.push((name, value)),
                }
            }
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
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    const TOKEN: &str = "ghs_0123456789abcdefghijABCDEFGHIJ0123456789";

    type Lines = Arc<Mutex<Vec<(String, BTreeMap<String, String>)>>>;

    struct Collect(Lines);

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
}
