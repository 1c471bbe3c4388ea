//! Decides on stored events: loads them, fetches the facts that still matter, stores decisions and intents together.

use std::collections::HashMap;

use bytes::Bytes;
use tracing::{Instrument as _, Span};

use super::{Engine, JobError, awaited, commands, guards, installations, login, repository_config, story, turns};
use crate::config::Config;
use crate::core::decide::{Decision, Verdict};
use crate::core::event::{Event, EventId, EventKind};
use crate::core::facts::{FactKinds, Facts};
use crate::core::hand;
use crate::core::rule::Mode;
use crate::github;
use crate::github::rounds::{Asks, decide_with};
use crate::store::decisions::Processed;
use crate::store::events::EventRow;
use crate::store::jobs::{Claim, JobRow, Work};

/// Decides on the claimed event and, while nothing has to be carried out, on those behind it in the lane; stores
/// everything in one transaction.
pub async fn process(engine: &Engine, claim: &Claim) -> Result<(), JobError> {
    let config = engine.config.current();
    let mut jobs: Vec<&JobRow> = std::iter::once(&claim.job).chain(&claim.following).collect();
    let mut stored = match load(engine, &config, &jobs).await {
        // One of those behind may be unreadable: the head must not suffer for it.
        Err(JobError::Hopeless(_)) if jobs.len() > 1 => {
            jobs.truncate(1);
            load(engine, &config, &jobs).await?
        }
        loaded => loaded?,
    };
    let mut processed = Vec::with_capacity(jobs.len());
    for job in jobs {
        // An error of a job behind the head is its own: it will meet it when it is claimed, with its own attempts.
        let is_head = job.id == claim.job.id;
        match decide_job(engine, &config, (job, is_head), &mut stored).await {
            Ok(decided) => processed.push(decided),
            Err(error) if processed.is_empty() => return Err(error),
            Err(_) => break,
        }
        // The effects of an event come before the next event.
        if processed.last().is_some_and(|last| wants_effects(&last.decisions)) {
            break;
        }
    }
    engine.db.finish_processed(&engine.owner, &processed, (engine.clock)()).await?;
    for decision in processed.iter().flat_map(|event| &event.decisions) {
        metrics::counter!("orchd_decisions_total", "verdict" => serde_label(&decision.verdict)).increment(1);
    }
    Ok(())
}

fn wants_effects(decisions: &[Decision]) -> bool {
    decisions.iter().any(|decision| decision.mode == Mode::Active && !decision.intents.is_empty())
}

/// Rows of the events that jobs are about, and the payloads of those that need one.
struct Stored {
    rows: HashMap<EventId, EventRow>,
    payloads: HashMap<EventId, Bytes>,
}

async fn load(engine: &Engine, config: &Config, jobs: &[&JobRow]) -> Result<Stored, JobError> {
    let ids: Vec<EventId> = jobs.iter().filter_map(|job| event_of(job)).collect();
    let rows: HashMap<_, _> = engine.db.events_by_id(&ids).await?.into_iter().map(|row| (row.id, row)).collect();
    let matters = |id: &EventId| rows.get(id).is_some_and(|row| is_awaited(config, row));
    let wanted: Vec<EventId> = ids.iter().copied().filter(matters).collect();
    let payloads = engine.db.payloads(&wanted).await?.into_iter().collect();
    Ok(Stored { rows, payloads })
}

fn event_of(job: &JobRow) -> Option<EventId> {
    match job.work {
        Work::Process { event } => Some(event),
        Work::Apply { .. } => None,
    }
}

fn is_awaited(config: &Config, row: &EventRow) -> bool {
    let kind = EventKind { name: row.event_type.clone(), action: row.event_action.clone() };
    awaited(config, &kind, row.repository.as_ref(), row.number)
}

async fn decide_job(
    engine: &Engine,
    config: &Config,
    (job, is_head): (&JobRow, bool),
    stored: &mut Stored,
) -> Result<Processed, JobError> {
    let id = event_of(job).ok_or_else(|| JobError::Hopeless("the job is not about deciding".into()))?;
    let gone = || JobError::Hopeless(format!("event {id} is no longer stored"));
    let row = stored.rows.remove(&id).ok_or_else(gone)?;
    let mut processed = Processed {
        job: job.id,
        event: id,
        decisions: Vec::new(),
        config_revision: config.revision.hash.clone(),
        hand_changes: Vec::new(),
        cause: None,
        facts: None,
    };
    if is_awaited(config, &row) {
        // The job that was claimed has its span already; those behind it are other events' stories.
        let span = if is_head { Span::current() } else { story::of_job(job) };
        story::met(&span, job, &row);
        let event = event_from(&row, stored.payloads.remove(&id))?;
        judge(engine, config, &event, &mut processed).instrument(span).await?;
    }
    Ok(processed)
}

/// What there is to decide about an event, and what it tells beside that.
async fn judge(engine: &Engine, config: &Config, event: &Event, processed: &mut Processed) -> Result<(), JobError> {
    installations::follow(engine, event).await?;
    login::follow(engine, event).await?;
    processed.cause = guards::cause_of(engine, event).await?;
    turns::hear(engine, config, event).await?;
    let own = repository_config::rules_of(engine, config, event).await?;
    let check = repository_config::check_rules(config, event.repository.as_ref());
    let told = commands::hear(engine, config, event).await?;
    processed.config_revision.push_str(&own.revision());
    let rules: [&[_]; 4] = [&config.rules, &own.rules, &check, &told.rules];
    let again = || JobError::Hopeless("facts were asked for again and again".into());
    let (decisions, facts) = decide_with(&rules, event, engine).await?.ok_or_else(again)?;
    (processed.decisions, processed.facts) = (decisions, facts.beside(event));
    told.complete(&mut processed.decisions);
    commands::call_off(engine, event, &processed.decisions).await?;
    processed.hand_changes = commands::hands_of(event, &processed.decisions);
    processed.hand_changes.extend(hand::merge_change(event));
    if let Some(change) = hand::hand_change(event) {
        processed.decisions.extend(guards::person::wins(engine, event, &change).await?);
        processed.hand_changes.push(change);
    }
    tell_matches(&processed.decisions);
    Ok(())
}

/// At debug: what comes of a match is told when it is done.
fn tell_matches(decisions: &[Decision]) {
    let matched = || decisions.iter().filter(|decision| decision.verdict == Verdict::Matched);
    for Decision { rule, mode, intents, .. } in matched() {
        let (actions, mode) = (intents.len(), serde_label(mode));
        tracing::debug!(rule = rule.as_str(), actions, mode, "rule `{rule}` matched");
    }
    story::ended(if matched().next().is_some() { "matched" } else { "not_matched" });
}

pub(super) fn event_from(row: &EventRow, payload: Option<Bytes>) -> Result<Event, JobError> {
    let payload = payload
        .ok_or_else(|| JobError::Hopeless("the event's payload is no longer stored (`retention.payloads`)".into()))?;
    let payload = serde_json::from_slice(&payload)
        .map_err(|error| JobError::Hopeless(format!("the stored payload is not JSON: {error}")))?;
    Ok(Event::from_payload(row.id, &row.event_type, row.received_at, payload))
}

impl Asks for Engine {
    type Error = JobError;

    /// Asks GitHub for facts, as the event's installation. One that may not act is not asked as: then the event is decided
    /// anew once it may.
    async fn ask(&self, event: &Event, needs: &FactKinds, facts: &mut Facts) -> Result<(), JobError> {
        if let Some(stop) = installations::stop_of(self, event.installation).await? {
            github::facts::withhold(needs, facts, &stop.to_string());
            return Ok(installations::decide_later(self, event).await?);
        }
        let reader = self.github.load().reader(event.installation).recent();
        github::facts::fetch(&reader, event, needs, facts).await?;
        if facts.refusals().any(installations::says_suspended) {
            installations::look(self, event.installation).await?;
            installations::decide_later(self, event).await?;
        }
        Ok(())
    }
}

/// The snake_case name that serde gives a unit variant: one spelling in the database, in JSON and in metrics.
pub(crate) fn serde_label(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => "other".to_owned(),
    }
}
