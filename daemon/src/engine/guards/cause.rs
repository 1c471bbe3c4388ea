//! Which effect of ours caused an event: our App's bot sent it, and we wrote just that to its item a moment before.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::bound;
use crate::core::event::{Actor, Event};
use crate::core::hand::changed_at;
use crate::engine::{Engine, JobError};
use crate::github::GitHubError;
use crate::store::causes::Cause;
use crate::store::effects::EffectRow;

/// How far GitHub's time of a change and ours of its write may be apart: GitHub does within seconds what it was asked,
/// and the two clocks differ.
const WITHIN: TimeDelta = TimeDelta::minutes(5);

/// The effect that caused the event, and how many effects in a row that makes. GitHub is asked who our App is once, and
/// only where something of ours fits.
pub(in crate::engine) async fn cause_of(engine: &Engine, event: &Event) -> Result<Option<Cause>, JobError> {
    let (Some(actor), Some(repository)) = (&event.actor, &event.repository) else { return Ok(None) };
    if !actor.is_bot {
        return Ok(None);
    }
    let at = begun_at(event);
    // An effect that began after the event had come in did not cause it.
    let (from, until) = (at - WITHIN, event.received_at.min(at + WITHIN));
    let of_item = match event.item {
        Some(number) => latest_told(engine.db.written_on(repository, number, from, until).await?, event),
        None => None,
    };
    // What acts on the repository or a commit is told of by events about something else, or about no item.
    let elsewhere = match of_item {
        Some(_) => None,
        None => latest_told(engine.db.written_in(repository, from, until).await?, event),
    };
    let Some(effect) = of_item.or(elsewhere) else { return Ok(None) };
    if !is_us(engine, actor).await? {
        return Ok(None);
    }
    let before = engine.db.cause_of(effect.intent.event).await?;
    Ok(Some(Cause { effect: effect.intent.id, depth: before.map_or(0, |cause| cause.depth) + 1 }))
}

/// When that began which the event tells of: a run of a workflow is told of long after it was started.
fn begun_at(event: &Event) -> DateTime<Utc> {
    let text = |pointer: &str| event.payload.pointer(pointer).and_then(Value::as_str);
    let run = ["/workflow_run/created_at", "/workflow_job/created_at"].into_iter().find_map(text);
    let begun = run.and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|at| at.with_timezone(&Utc));
    begun.unwrap_or_else(|| changed_at(event))
}

/// Of the effects that the event may tell of, the one that began last.
fn latest_told(written: Vec<EffectRow>, event: &Event) -> Option<EffectRow> {
    let told = |effect: &EffectRow| {
        let written = effect.before.as_ref().zip(effect.change.as_ref());
        bound(effect).zip(written).is_some_and(|(action, written)| action.is_told_by(written, event))
    };
    written.into_iter().filter(told).max_by_key(|effect| effect.started_at)
}

/// Whether the sender is our App's bot, and not merely a bot.
pub(super) async fn is_us(engine: &Engine, actor: &Actor) -> Result<bool, JobError> {
    let Some(slug) = actor.login.strip_suffix("[bot]").filter(|_| actor.is_bot) else { return Ok(false) };
    match engine.github.load_full().app_slug().await {
        Ok(ours) => Ok(ours.eq_ignore_ascii_case(slug)),
        Err(error @ (GitHubError::Unavailable(_) | GitHubError::Limited { .. } | GitHubError::Down { .. })) => {
            Err(error.into())
        }
        // A GitHub that does not tell the App who it is: nothing is ours then, and flip-flops are seen all the same.
        Err(error) => {
            tracing::warn!(%error, "GitHub does not tell who the App is: chains of effects cannot be followed");
            Ok(false)
        }
    }
}
