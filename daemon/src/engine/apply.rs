//! Carries out an effect: intent stored → read → before-state stored → write → read back → receipt stored.
//!
//! A crash anywhere in between leads back here with the state that was stored last, and an effect that was `writing` is
//! settled by looking at GitHub before anything is written again (invariant 5).

use chrono::TimeDelta;
use serde_json::Value;

use super::process::serde_label;
use super::{Engine, JobError};
use crate::actions::{Bound, Origin, Plan, Settled};
use crate::config::Config;
use crate::core::intent::{Intent, IntentId};
use crate::core::rule::{Mode, RuleName};
use crate::store::effects::{EffectOutcome, EffectRow, EffectState};
use crate::store::jobs::JobId;

/// Webhooks of a repository or an organisation tell what happened, but not as which installation the App may act on it.
const NO_INSTALLATION: &str = "the event names no installation of the GitHub App, so nothing can be done as it: \
    let the App's own webhook deliver such events, not one of the repository or the organisation";

/// Runs one `Apply` job to its receipt.
pub async fn apply(engine: &Engine, job: JobId, id: IntentId) -> Result<(), JobError> {
    let Some(effect) = engine.db.effect(id).await? else {
        return Err(JobError::Hopeless(format!("effect {id} is no longer stored")));
    };
    let outcome = match effect.state {
        EffectState::Planned | EffectState::Failed | EffectState::Writing => carry_out(engine, &effect).await?,
        // The receipt is there: the crash came after it, and only the job was left.
        state => EffectOutcome {
            state,
            before: effect.before.clone(),
            after: effect.after.clone(),
            note: effect.note.clone(),
        },
    };
    engine.db.finish_effect(&engine.owner, job, id, &outcome, (engine.clock)()).await?;
    report(&effect.intent, engine.delivery_of(effect.intent.event).await.as_deref(), &outcome);
    Ok(())
}

fn report(intent: &Intent, delivery_id: Option<&str>, outcome: &EffectOutcome) {
    let state = serde_label(&outcome.state);
    metrics::counter!("orchd_effects_total", "action" => intent.action.clone(), "state" => state.clone()).increment(1);
    tracing::info!(
        event_id = %intent.event,
        delivery_id,
        repository = %intent.target.repository,
        item = intent.target.number,
        rule = %intent.rule,
        action = intent.action,
        effect_id = %intent.id,
        state,
        note = outcome.note.as_deref().unwrap_or_default(),
        "effect"
    );
}

async fn carry_out(engine: &Engine, effect: &EffectRow) -> Result<EffectOutcome, JobError> {
    let intent = &effect.intent;
    let config = engine.config.current();
    let github = engine.github.load_full();
    let origin = Origin { rule: intent.rule.clone(), intent: intent.id };
    let action = Bound::new(&intent.action, &intent.params, intent.target.clone(), origin)
        .map_err(|error| JobError::Hopeless(error.to_string()))?;

    if intent.target.installation.is_none() {
        return Err(JobError::Hopeless(NO_INSTALLATION.to_owned()));
    }
    let reader = github.reader(intent.target.installation);
    let now = action.read(&reader).await?;
    if effect.state == EffectState::Writing
        && let Some(outcome) = settle(&action, effect, &now)
    {
        return Ok(outcome);
    }

    let hands = engine.db.hands_on(&intent.target.repository, intent.target.number).await?;
    let (change, note) = match action.plan(&now, &hands) {
        Plan::Nothing(note) => return Ok(ended(EffectState::Unchanged, now, note)),
        Plan::Held(note) => return Ok(ended(EffectState::Held, now, note)),
        Plan::Change(change) => (change, None),
        Plan::Part(change, held) => (change, Some(format!("held back: {held}"))),
    };
    let mode = mode_of(&config, &intent.rule);
    let writer = match github.open_gate(intent.target.installation, mode) {
        Ok(writer) => writer,
        Err(closed) => return Ok(ended(EffectState::Gated, now, closed.to_string())),
    };
    if let Some(note) = over_limit(engine, &config, &intent.rule).await? {
        return Ok(ended(EffectState::Held, now, note));
    }
    engine.db.begin_write(intent.id, &now, &change, (engine.clock)()).await?;
    action.write(&writer, &change).await?;
    let after = action.read(&writer).await?;
    Ok(EffectOutcome { state: EffectState::Applied, before: Some(now), after: Some(after), note })
}

/// What an interrupted write came to; `None`: it did not happen, so plan anew from the state as it is.
fn settle(action: &Bound, effect: &EffectRow, now: &Value) -> Option<EffectOutcome> {
    let (before, change) = (effect.before.as_ref()?, effect.change.as_ref()?);
    let outcome = |state, note: String| EffectOutcome {
        state,
        before: Some(before.clone()),
        after: Some(now.clone()),
        note: Some(note),
    };
    match action.settle(before, change, now) {
        Settled::DidNot => None,
        Settled::Happened => {
            Some(outcome(EffectState::Applied, "an interruption hid the answer; read back, it had happened".into()))
        }
        Settled::CannotTell(why) => Some(outcome(EffectState::Quarantined, why)),
    }
}

fn ended(state: EffectState, seen: Value, note: String) -> EffectOutcome {
    EffectOutcome { state, before: Some(seen), after: None, note: Some(note) }
}

/// The rule's mode in the config that runs now: a rule that was removed since it decided may not act any more.
fn mode_of(config: &Config, rule: &RuleName) -> Mode {
    config.rules.iter().find(|known| known.name == *rule).map_or(Mode::Off, |known| known.mode)
}

async fn over_limit(engine: &Engine, config: &Config, rule: &RuleName) -> Result<Option<String>, JobError> {
    let limits = config.rules.iter().find(|known| known.name == *rule).map(|known| known.limits);
    let Some(most) = limits.and_then(|limits| limits.actions_per_hour) else { return Ok(None) };
    let written = engine.db.count_written(rule, (engine.clock)() - TimeDelta::hours(1)).await?;
    Ok((written >= u64::from(most))
        .then(|| format!("the rule's `limits.actions_per_hour` of {most} is used up ({written} in the last hour)")))
}
