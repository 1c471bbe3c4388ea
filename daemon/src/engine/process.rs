//! Decides on stored events: loads them, fetches the facts that still matter, stores decisions and intents together.

use super::{Engine, JobError};
use crate::config::Config;
use crate::core::decide::{Decision, Outcome, any_triggered, decide};
use crate::core::event::{Event, EventId};
use crate::core::facts::Facts;
use crate::core::hand::hand_change;
use crate::core::rule::Mode;
use crate::github;
use crate::store::decisions::Processed;
use crate::store::jobs::{Claim, JobRow, Work};

/// Facts are asked for in rounds, since one answer can make another question matter. There are four kinds of facts, so
/// a fifth round means that a fetch left its fact unset: a bug, which must not become a loop.
const MAX_ROUNDS: usize = 5;

/// Decides on the claimed event and, while nothing has to be carried out, on those behind it in the lane; stores
/// everything in one transaction.
pub async fn process(engine: &Engine, claim: &Claim) -> Result<(), JobError> {
    let config = engine.config.current();
    let mut processed = Vec::with_capacity(1 + claim.following.len());
    processed.push(decide_event(engine, &config, &claim.job).await?);
    for job in &claim.following {
        // The effects of an event come before the next event.
        if processed.last().is_some_and(|last| wants_effects(&last.decisions)) {
            break;
        }
        // An error here is that job's own: it will meet it when it is claimed, with its own attempts.
        match decide_event(engine, &config, job).await {
            Ok(decided) => processed.push(decided),
            Err(_) => break,
        }
    }
    engine.db.finish_processed(&engine.owner, &processed, (engine.clock)()).await?;
    for event in &processed {
        for decision in &event.decisions {
            let verdict = serde_label(&decision.verdict);
            metrics::counter!("orchd_decisions_total", "verdict" => verdict).increment(1);
        }
    }
    Ok(())
}

fn wants_effects(decisions: &[Decision]) -> bool {
    decisions.iter().any(|decision| decision.mode == Mode::Active && !decision.intents.is_empty())
}

async fn decide_event(engine: &Engine, config: &Config, job: &JobRow) -> Result<Processed, JobError> {
    let Work::Process { event: id } = job.work else {
        return Err(JobError::Hopeless("the job is not about deciding".into()));
    };
    let event = load_event(engine, id).await?;
    let decisions = if any_triggered(&config.rules, &event.kind) {
        decide_with_facts(engine, config, &event).await?
    } else {
        Vec::new()
    };
    Ok(Processed {
        job: job.id,
        event: id,
        decisions,
        config_revision: config.revision.hash.clone(),
        hand_changes: hand_change(&event).into_iter().collect(),
    })
}

async fn load_event(engine: &Engine, id: EventId) -> Result<Event, JobError> {
    let gone = || JobError::Hopeless(format!("event {id} is no longer stored"));
    let row = engine.db.event(id).await?.ok_or_else(gone)?;
    let payload =
        engine.db.payload(id).await?.ok_or_else(|| {
            JobError::Hopeless("the event's payload is no longer stored (`retention.payloads`)".into())
        })?;
    let payload = serde_json::from_slice(&payload)
        .map_err(|error| JobError::Hopeless(format!("the stored payload is not JSON: {error}")))?;
    Ok(Event::from_payload(id, &row.event_type, row.received_at, payload))
}

async fn decide_with_facts(engine: &Engine, config: &Config, event: &Event) -> Result<Vec<Decision>, JobError> {
    let mut facts = Facts::from_event(event);
    for _ in 0..MAX_ROUNDS {
        match decide(&config.rules, event, &facts) {
            Outcome::Decided(decisions) => return Ok(decisions),
            Outcome::Needs(needs) => {
                let reader = engine.github.load().reader(event.installation);
                github::facts::fetch(&reader, event, &needs, &mut facts).await?;
            }
        }
    }
    Err(JobError::Hopeless("facts were asked for again and again".into()))
}

/// The snake_case name that serde gives a unit variant: one spelling in the database, in JSON and in metrics.
pub(crate) fn serde_label(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => "other".to_owned(),
    }
}
