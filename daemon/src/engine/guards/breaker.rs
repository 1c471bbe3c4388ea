//! The breaker of a rule on an item: trips when effects set each other off, or when a rule fights with another.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::fight::{self, Fight};
use crate::config::Guards;
use crate::core::event::EventId;
use crate::core::hand::Move;
use crate::core::intent::Intent;
use crate::engine::process::serde_label;
use crate::engine::{Engine, JobError};
use crate::store::guards::{Guard, TripRow};

/// Rules of a chain that a note names.
const MOST_NAMED: usize = 10;

/// Why the effect may not be written, when its rule's breaker on the item has tripped, or does so now. `moves` are what
/// it would put and take.
pub(in crate::engine) async fn stopped(
    engine: &Engine,
    guards: &Guards,
    intent: &Intent,
    moves: &[Move],
) -> Result<Option<String>, JobError> {
    let now = (engine.clock)();
    let known = engine.db.trip_of(&intent.rule, &intent.target).await?;
    let closed_since = match &known {
        Some(trip) => match trip.open_since(now) {
            None => return Ok(Some(told(trip))),
            since => since,
        },
        None => None,
    };
    let found = match too_deep(engine, guards, intent, closed_since).await? {
        Some(note) => Some((Guard::Depth, note)),
        None => fights(engine, guards, intent, moves, closed_since).await?.map(|note| (Guard::FlipFlop, note)),
    };
    let Some((guard, note)) = found else { return Ok(None) };
    let ends_at = guards.reset_after.and_then(|after| now.checked_add_signed(TimeDelta::from_std(after).ok()?));
    let trip = TripRow {
        id: known.map_or_else(Uuid::now_v7, |known| known.id),
        rule: intent.rule.clone(),
        repository: intent.target.repository.clone(),
        number: intent.target.number,
        guard,
        note,
        tripped_at: now,
        ends_at,
        reset_at: None,
    };
    engine.db.trip(&trip).await?;
    let guard = serde_label(&guard);
    tracing::warn!(
        repository = %trip.repository,
        item = trip.number,
        rule = %trip.rule,
        guard,
        guard_id = %trip.id,
        note = trip.note,
        "a breaker tripped: the rule is stopped on this item"
    );
    metrics::counter!("orchd_guards_tripped_total", "guard" => guard).increment(1);
    Ok(Some(told(&trip)))
}

fn told(trip: &TripRow) -> String {
    let until =
        trip.ends_at.map_or_else(String::new, |at| format!(" (it ends by itself at {})", at.format("%F %T UTC")));
    format!("stopped: {}; `orchd guards reset {}` lets the rule go on here{until}", trip.note, trip.id)
}

/// The chain of effects that led here, when it is as long as it may be. One that had begun when the breaker was reset
/// may go on: its next event is the next to be stopped.
async fn too_deep(
    engine: &Engine,
    guards: &Guards,
    intent: &Intent,
    reset_at: Option<DateTime<Utc>>,
) -> Result<Option<String>, JobError> {
    let Some(cause) = engine.db.cause_of(intent.event).await? else { return Ok(None) };
    if cause.depth < guards.max_depth {
        return Ok(None);
    }
    let received = engine.db.event(intent.event).await?.map(|event| event.received_at);
    if received < reset_at {
        return Ok(None);
    }
    let mut rules = vec![intent.rule.to_string()];
    let mut event: EventId = intent.event;
    while rules.len() < MOST_NAMED
        && let Some(cause) = engine.db.cause_of(event).await?
    {
        rules.push(cause.rule.to_string());
        event = cause.event;
    }
    let chain: Vec<String> = rules.iter().rev().map(|rule| format!("`{rule}`")).collect();
    Ok(Some(format!(
        "rules set each other off, {} effects in a row ({}); `guards.max_depth` is {}",
        cause.depth,
        chain.join(" → "),
        guards.max_depth
    )))
}

async fn fights(
    engine: &Engine,
    guards: &Guards,
    intent: &Intent,
    moves: &[Move],
    reset_at: Option<DateTime<Utc>>,
) -> Result<Option<String>, JobError> {
    if moves.is_empty() {
        return Ok(None);
    }
    let now = (engine.clock)();
    let window = TimeDelta::from_std(guards.window).unwrap_or(TimeDelta::MAX);
    let since = now.checked_sub_signed(window).into_iter().chain(reset_at).max().unwrap_or(now);
    let target = &intent.target;
    let earlier = engine.db.written_on(&target.repository, target.number, since, now).await?;
    let Some(Fight { times, about }) = fight::fight(intent, moves, &earlier, guards.flip_flops) else {
        return Ok(None);
    };
    let opponent = fight::opponent(engine, intent, &about, &earlier, since).await?;
    Ok(Some(format!(
        "it {} {times} times since {} and each time {opponent} undid it; `guards.flip_flops` is {}",
        fight::deed(&about),
        since.format("%T UTC"),
        guards.flip_flops
    )))
}
