//! What every line of the log about one event says beside its message: the fields of the spans here, which are the spans
//! of the event's trace as well. An operator who looks for an event, a repository or a rule finds by them all that was
//! done, and why not more.
//!
//! The spans are of level error: whatever level of lines is wanted, their fields come with them.

use std::time::Instant;

use tracing::Span;
use tracing::field::Empty;

use super::process::serde_label;
use crate::core::event::{EventId, RepoName};
use crate::core::intent::Intent;
use crate::store::effects::{EffectRow, EffectState};
use crate::store::events::{EventRow, IngestStatus, Ingested, NewEvent, Source};
use crate::store::jobs::{JobRow, Work};
use crate::telemetry::trace::{self, Step};

/// A delivery on its way into the store.
pub(super) struct Arrival {
    began: Instant,
    delivery_id: String,
    event: String,
    repository: Option<RepoName>,
    item: Option<u64>,
    source: Source,
}

impl Arrival {
    /// `None`: nobody wants to be told, as is usual; that costs next to nothing.
    pub(super) fn of(event: &NewEvent) -> Option<Self> {
        if !tracing::enabled!(tracing::Level::DEBUG) && !trace::is_on() {
            return None;
        }
        let action = event.event_action.as_deref().map_or_else(String::new, |action| format!(".{action}"));
        Some(Self {
            began: Instant::now(),
            delivery_id: event.delivery_id.clone(),
            event: format!("{}{action}", event.event_type),
            repository: event.repository.as_ref().map(|seen| seen.name.clone()),
            item: event.number,
            source: event.source,
        })
    }

    /// It is on disk.
    pub(super) fn stored(&self, ingested: Ingested) {
        let Self { delivery_id, event, item, .. } = self;
        let (repository, source) = (self.repository.as_ref().map(RepoName::as_str), serde_label(&self.source));
        let outcome = serde_label(&ingested.status);
        tracing::debug!(event_id = %ingested.id, delivery_id, event, repository, item, source, outcome, "a delivery was stored");
        let step = Step {
            name: "ingest",
            event: ingested.id,
            // A webhook has a span of its own around this one.
            is_root: self.source != Source::Webhook && ingested.status == IngestStatus::Accepted,
            took: self.began.elapsed(),
        };
        let item = item.map(|item| item.to_string());
        step.record([
            ("delivery_id", Some(delivery_id)),
            ("event", Some(event)),
            ("repository", repository),
            ("item", item.as_deref()),
            ("source", Some(&source)),
            ("outcome", Some(&outcome)),
        ]);
    }
}

/// The span of a job, as far as the job tells: the rest is recorded by [`met`] and [`met_effect`].
pub(super) fn of_job(job: &JobRow) -> Span {
    let (job_id, repository) = (job.id.0, job.repository());
    let repository = repository.as_ref().map(RepoName::as_str);
    let (span, event) = match job.work {
        Work::Process { event } => {
            let span = tracing::error_span!(
                parent: None, "process", %job_id, event_id = %event, repository, item = Empty, delivery_id = Empty, outcome = Empty
            );
            (span, event)
        }
        Work::Apply { event, intent } => {
            let span = tracing::error_span!(
                parent: None, "apply", %job_id, event_id = %event, effect_id = %intent, repository, item = Empty, rule = Empty,
                action = Empty, rollback_id = Empty, outcome = Empty
            );
            (span, event)
        }
    };
    trace::join(&span, event);
    span
}

/// The event of a job is known, whose span is `span`.
pub(super) fn met(span: &Span, job: &JobRow, row: &EventRow) {
    span.record("delivery_id", row.delivery_id.as_str());
    if let Some(number) = row.number {
        span.record("item", number);
    }
    record_repository(span, job.repository().as_ref(), row.repository.as_ref());
}

/// The effect of the job is known that this is told within.
pub(super) fn met_effect(effect: &EffectRow) {
    let (span, intent) = (Span::current(), &effect.intent);
    span.record("rule", intent.rule.as_str());
    span.record("action", intent.action.as_str());
    if intent.target.number > 0 {
        span.record("item", intent.target.number);
    }
    if let Some(rollback) = effect.rollback {
        span.record("rollback_id", tracing::field::display(rollback));
    }
    let in_lane = intent.target.repository.as_str().to_ascii_lowercase();
    record_repository(&span, RepoName::parse(&in_lane).ok().as_ref(), Some(&intent.target.repository));
}

/// A lane is named in small letters.
fn record_repository(span: &Span, in_lane: Option<&RepoName>, named: Option<&RepoName>) {
    if let Some(named) = named
        && in_lane.is_none_or(|lane| lane.as_str() != named.as_str())
    {
        span.record("repository", named.as_str());
    }
}

/// What the job or the effect came to that this is told within: no line follows that would say so, but a trace does.
pub(super) fn ended(outcome: &str) {
    if trace::is_on() {
        Span::current().record("outcome", outcome);
    }
}

/// What became of an effect, in words: `label on acme/web#12: applied, as rule `docs-label` asked`.
pub(super) fn in_words(intent: &Intent, state: EffectState, note: Option<&str>) -> String {
    let Intent { action, target, rule, undoes, .. } = intent;
    let what = if undoes.is_some() { format!("taking back {action}") } else { action.clone() };
    let became = match state {
        EffectState::Applied if undoes.is_some() => "done",
        EffectState::Applied => "applied",
        EffectState::Unchanged => "it was so already",
        EffectState::Waiting => "waits",
        EffectState::Held => "held back",
        EffectState::Gated => "not written",
        EffectState::Failed => "failed",
        EffectState::Quarantined => "nobody can tell whether it happened",
        EffectState::Undone => "taken back",
        EffectState::Planned => "planned",
        EffectState::Writing => "being written",
        EffectState::Shadow => "it would have been done",
    };
    let note = note.map_or_else(String::new, |note| format!(": {note}"));
    format!("{what} on {target}: {became}, as rule `{rule}` asked{note}")
}

/// What failed, in words.
pub(super) fn failed_in_words(intent: Option<&Intent>, event: EventId) -> String {
    match intent {
        Some(intent) if intent.undoes.is_some() => format!("taking back {} on {} failed", intent.action, intent.target),
        Some(intent) => {
            format!("{} on {}, which rule `{}` asked for, failed", intent.action, intent.target, intent.rule)
        }
        None => format!("deciding on event {event} failed"),
    }
}
