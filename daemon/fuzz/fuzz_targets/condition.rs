//! Any JSON as a condition, and any text as a CEL expression, on any payload: parsed or refused, and then evaluated.
//! The input is the condition, a NUL, the payload.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use orchd::core::condition::{Condition, Scene};
use orchd::core::event::{Event, EventId};
use orchd::core::facts::Facts;
use serde_json::{Value, json};
use uuid::Uuid;

fuzz_target!(|input: &[u8]| {
    let mut halves = input.splitn(2, |byte| *byte == 0);
    let (condition, payload) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    let payload = serde_json::from_slice(payload).unwrap_or_else(|_| {
        json!({"action": "opened", "pull_request": {"number": 7, "title": "x", "labels": [{"name": "bug"}], "head": {}}})
    });
    let event = Event::from_payload(EventId(Uuid::nil()), "pull_request", DateTime::UNIX_EPOCH, payload);
    let facts = Facts::from_event(&event);
    let written = serde_json::from_slice::<Value>(condition).ok();
    let expression = std::str::from_utf8(condition).ok().map(|text| json!({"expr": text}));
    for condition in [written, expression].into_iter().flatten() {
        if let Ok(condition) = Condition::parse(&condition) {
            condition.evaluate(Scene { event: &event, facts: &facts });
        }
    }
});
