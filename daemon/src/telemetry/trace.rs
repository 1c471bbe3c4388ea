//! The trace of an event: its id is the event's id, so that spans on both sides of the queue find each other and nothing
//! about them has to be stored.
//!
//! Its root is what brought the event in. That ends when the event is stored; what is done about it later are the root's
//! children all the same. A `traceparent` that came with a request is not looked at: whoever can reach the port could
//! write it.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SdkTracer};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::core::event::EventId;

/// Set once, where traces are sent.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

thread_local! {
    /// The event whose root is being made in this thread.
    static ROOT_OF: Cell<Option<EventId>> = const { Cell::new(None) };
}

/// Whether traces are sent at all.
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

pub(super) fn turn_on(tracer: SdkTracer) {
    // A second call is a test's, and the first tracer goes on.
    let _ = TRACER.set(tracer);
}

/// Makes a new span, which was not entered yet, part of the event's trace.
pub fn join(span: &tracing::Span, event: EventId) {
    if is_on() {
        // It fails where the span is in no trace.
        let _ = span.set_parent(beneath_root(event));
    }
}

/// What is known only once it is over: which event it was about.
#[derive(Debug)]
pub struct Step {
    pub name: &'static str,
    pub event: EventId,
    /// Whether it brought the event in, and all else is beneath it.
    pub is_root: bool,
    pub took: Duration,
}

impl Step {
    /// Records it, when traces are sent. Empty values are left out.
    pub fn record<const N: usize>(self, attributes: [(&'static str, Option<&str>); N]) {
        let Some(tracer) = TRACER.get() else { return };
        let given = attributes.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, value?.to_owned())));
        let ended = SystemTime::now();
        let builder = tracer
            .span_builder(self.name)
            .with_kind(if self.is_root { SpanKind::Server } else { SpanKind::Internal })
            .with_start_time(ended.checked_sub(self.took).unwrap_or(ended))
            .with_attributes(given.chain([KeyValue::new("event_id", self.event.to_string())]));
        let mut span = if self.is_root {
            ROOT_OF.set(Some(self.event));
            let span = tracer.build_with_context(builder, &Context::new());
            ROOT_OF.set(None);
            span
        } else {
            tracer.build_with_context(builder, &beneath_root(self.event))
        };
        span.end_with_timestamp(ended);
    }
}

fn beneath_root(event: EventId) -> Context {
    let root = SpanContext::new(trace_of(event), root_of(event), TraceFlags::SAMPLED, true, TraceState::default());
    Context::new().with_remote_span_context(root)
}

fn trace_of(event: EventId) -> TraceId {
    TraceId::from(event.0.as_u128())
}

/// The second half of the event's id. It is never 0: it begins with the variant's bits.
fn root_of(event: EventId) -> SpanId {
    SpanId::from(event.0.as_u64_pair().1)
}

/// Gives roots the ids of their event. What is of no event gets no trace, so that it is not sent.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        ROOT_OF.get().map_or(TraceId::INVALID, trace_of)
    }

    fn new_span_id(&self) -> SpanId {
        ROOT_OF.get().map_or_else(|| self.0.new_span_id(), root_of)
    }
}

/// Whether an event's trace is among the part that is sent: for every span the same answer, in every daemon.
///
/// By the last four bytes of the id. Those are random in a UUIDv7; OpenTelemetry's own sampler takes the last eight for
/// random, of which the first bits always are the same.
pub(super) fn is_sampled(trace: TraceId, share: f64) -> bool {
    let [.., a, b, c, d] = trace.to_bytes();
    trace != TraceId::INVALID && f64::from(u32::from_be_bytes([a, b, c, d])) < share * (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn the_part_that_is_sampled_is_as_large_as_asked_for() {
        let traces: Vec<TraceId> = (0..20_000).map(|_| trace_of(EventId(Uuid::now_v7()))).collect();
        let part = |share| traces.iter().filter(|trace| is_sampled(**trace, share)).count();
        assert_eq!((part(0.0), part(1.0)), (0, 20_000));
        let tenth = part(0.1);
        assert!((1_600..2_400).contains(&tenth), "{tenth} of 20000");
    }

    #[test]
    fn what_is_of_no_event_is_in_no_trace() {
        let ids = Ids::default();
        assert!(!is_sampled(ids.new_trace_id(), 1.0));
        assert_ne!(ids.new_span_id(), SpanId::INVALID);
        let event = EventId(Uuid::now_v7());
        assert_eq!(trace_of(event).to_string(), event.0.simple().to_string());
        assert_ne!(root_of(event), SpanId::INVALID);
    }
}
