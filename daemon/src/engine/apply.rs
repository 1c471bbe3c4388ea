//! Carries out an effect: intent stored → read → before-state stored → write → read back → receipt stored.
//!
//! A crash anywhere in between leads back here with the state that was stored last, and an effect that was `writing` is
//! settled by looking at GitHub before anything is written again (invariant 5).

mod allowed;

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use self::allowed::{allowance, guarded, rule_of, terms};
use super::process::{event_from, serde_label};
use super::turns::{self, Waits};
use super::{Engine, JobError, commands, guards, installations, rollback, story};
use crate::actions::{self, Bound, Plan, Reversal, Settled};
use crate::core::hand::{HandChange, hand_change};
use crate::core::intent::{Intent, IntentId, Target};
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};
use crate::github::limits::Priority;
use crate::store::allowance::{Allowance, UsedUp};
use crate::store::effects::{EffectOutcome, EffectRow, EffectState, Write};
use crate::store::jobs::JobId;

/// Webhooks of a repository or an organisation tell what happened, but not as which installation the App may act on it.
pub(super) const NO_INSTALLATION: &str = "the event names no installation of the GitHub App, so nothing can be done as it: \
    let the App's own webhook deliver such events, not one of the repository or the organisation";

/// Runs one `Apply` job to its receipt.
pub async fn apply(engine: &Engine, job: JobId, id: IntentId) -> Result<(), JobError> {
    let Some(effect) = engine.db.effect(id).await? else {
        return Err(JobError::Hopeless(format!("effect {id} is no longer stored")));
    };
    story::met_effect(&effect);
    let outcome = match effect.state {
        EffectState::Planned | EffectState::Waiting | EffectState::Failed | EffectState::Writing => {
            if hold(engine, job, &effect).await? {
                return Ok(());
            }
            let ended = match carry_out(engine, job, &effect).await {
                // The event that says so is still on its way.
                Err(JobError::Hopeless(text)) if installations::says_suspended(&text) => {
                    installations::look(engine, effect.intent.target.installation).await?;
                    return if hold(engine, job, &effect).await? { Ok(()) } else { Err(JobError::Retry(text)) };
                }
                done => done?,
            };
            match ended {
                Ended::Receipt(outcome) => outcome,
                Ended::Waits(waits) => match turns::wait(engine, job, &effect, &waits).await? {
                    Some(outcome) => outcome,
                    None => return Ok(()),
                },
            }
        }
        // The receipt is there: the crash came after it, and only the job was left.
        state => EffectOutcome {
            state,
            before: effect.before.clone(),
            after: effect.after.clone(),
            note: effect.note.clone(),
        },
    };
    engine.db.finish_effect(&engine.owner, job, id, &outcome, (engine.clock)()).await?;
    if actions::may_wait(&effect.intent.action) {
        // Who waited for it has a job now.
        engine.wake.notify_one();
    }
    report(&effect.intent, engine.delivery_of(effect.intent.event).await.as_deref(), &outcome);
    Ok(())
}

/// Holds an effect whose installation may not act: GitHub is asked nothing as it. True: it waits now, and the job is done.
async fn hold(engine: &Engine, job: JobId, effect: &EffectRow) -> Result<bool, JobError> {
    let intent = &effect.intent;
    let Some(installation) = intent.target.installation else { return Ok(false) };
    let Some(stop) = engine.db.stop_of(installation).await? else { return Ok(false) };
    let note = stop.to_string();
    let held = engine.db.hold_effect(&engine.owner, job, (intent.id, installation), &note, (engine.clock)()).await?;
    if held {
        let outcome = EffectOutcome { state: EffectState::Held, before: None, after: None, note: Some(note) };
        report(intent, engine.delivery_of(intent.event).await.as_deref(), &outcome);
    }
    Ok(held)
}

fn report(intent: &Intent, delivery_id: Option<&str>, outcome: &EffectOutcome) {
    let state = serde_label(&outcome.state);
    metrics::counter!("orchd_effects_total", "action" => intent.action.clone(), "state" => state.clone()).increment(1);
    story::ended(&state);
    let note = outcome.note.as_deref();
    let told = story::in_words(intent, outcome.state, note);
    match outcome.state {
        EffectState::Failed | EffectState::Quarantined => {
            tracing::warn!(delivery_id, outcome = state, note, "{told}");
        }
        _ => tracing::info!(delivery_id, outcome = state, note, "{told}"),
    }
}

/// What an attempt came to.
enum Ended {
    Receipt(EffectOutcome),
    /// It is not over.
    Waits(Waits),
}

async fn carry_out(engine: &Engine, job: JobId, effect: &EffectRow) -> Result<Ended, JobError> {
    let intent = &effect.intent;
    let config = engine.config.current();
    let github = engine.github.load_full();
    let action = rollback::bind(engine, effect).await?.map_err(|error| JobError::Hopeless(error.to_string()))?;
    if intent.target.installation.is_none() {
        return Err(JobError::Hopeless(NO_INSTALLATION.to_owned()));
    }
    let asked = intent.rule.is_of_command() || effect.intent.undoes.is_some();
    let priority = if asked { Priority::Command } else { Priority::Event };
    let reader = github.reader(intent.target.installation).at(priority);
    let now = match action.read(&reader).await {
        // Nothing to take back any more: told where the rollback is told of, and no dead letter to look at.
        Err(gone @ GitHubError::NotFound(_)) if effect.intent.undoes.is_some() => {
            return Ok(Ended::Receipt(EffectOutcome {
                state: EffectState::Failed,
                before: None,
                after: None,
                note: Some(gone.to_string()),
            }));
        }
        read => read?,
    };
    if let Some(outcome) = what_became_of_it(engine, effect, job, &action, &now).await? {
        return Ok(Ended::Receipt(outcome));
    }
    let over = |state, note| without_write(&action, effect, &now, state, note);
    let (wanted, hands) = plan(engine, effect, &action, &reader, &now).await?;
    let (wanted, note) = match wanted {
        Plan::Nothing(note) => return Ok(over(EffectState::Unchanged, note)),
        Plan::Held(note) => return Ok(over(EffectState::Held, note)),
        Plan::Change(change) => (Ok(change), None),
        Plan::Part(change, held) => (Ok(change), Some(format!("held back: {held}"))),
        Plan::Wait(wait) => (Err(wait), None),
    };
    let rule = rule_of(engine, &config, intent).await?;
    if let Some(note) = turns::given_up(engine, effect, rule.as_ref(), &hands).await? {
        return Ok(over(EffectState::Held, note));
    }
    let writer = match github.open_gate(intent.target.installation, terms(&config, rule.as_ref(), effect)) {
        Ok(writer) => writer.at(priority),
        Err(closed) => return Ok(over(EffectState::Gated, closed.to_string())),
    };
    let change = match wanted {
        Ok(change) => change,
        Err(wait) => return Waits::new(&action, &now, wait).map(Ended::Waits),
    };
    let allowance = allowance(engine, &config, rule.as_ref(), effect);
    let step = Step { action: &action, writer: &writer, before: &now, change: &change, allowance };
    if let Some(note) = guarded(engine, &config, intent, &step).await? {
        return Ok(over(EffectState::Held, note));
    }
    if let Some(waits) = turns::turn(engine, &action, intent, &now).await? {
        return Ok(Ended::Waits(waits));
    }
    match write(engine, job, effect, step).await? {
        Written::Yes => {}
        Written::UsedUp(used_up) => return Ok(over(EffectState::Held, allowed::over(used_up))),
        Written::Refused(refusal) => {
            return Ok(match turns::judge_anew(&action, &writer, &hands, &change, &refusal).await? {
                Ok(waits) => Ended::Waits(waits),
                Err((state, seen, note)) => ended(state, seen, note),
            });
        }
    }
    if let Some(wait) = action.goes_on(&change) {
        return Waits::new(&action, &now, wait).map(Ended::Waits);
    }
    let after = action.read(&writer).await?;
    let before = effect.before.clone().unwrap_or(now);
    commands::keep_hands(engine, intent, action.moves(&before, &change)).await?;
    Ok(Ended::Receipt(EffectOutcome { state: EffectState::Applied, before: Some(before), after: Some(after), note }))
}

/// The receipt of a write that was interrupted and happened all the same. `None`: nothing was begun, or it surely did not
/// happen, or not wholly.
async fn what_became_of_it(
    engine: &Engine,
    effect: &EffectRow,
    job: JobId,
    action: &Bound,
    now: &Value,
) -> Result<Option<EffectOutcome>, JobError> {
    if effect.state != EffectState::Writing {
        return Ok(None);
    }
    let Some(outcome) = settle(action, effect, job, now)? else {
        wait_until_settled(effect, engine.config.current().github.timeout, (engine.clock)())?;
        return Ok(None);
    };
    if let (Some(before), Some(change)) = (&effect.before, &effect.change) {
        commands::keep_hands(engine, &effect.intent, action.moves(before, change)).await?;
    }
    Ok(Some(outcome))
}

/// What the action wants, and what people did to the item: before it may write, known from the item's beginning.
async fn plan(
    engine: &Engine,
    effect: &EffectRow,
    action: &Bound,
    reader: &Reader,
    now: &Value,
) -> Result<(Plan, Vec<HandChange>), JobError> {
    let intent = &effect.intent;
    if let Some(taken_back) = effect.intent.undoes {
        return Ok((rollback::plan_undo(engine, action, effect, taken_back, (reader, now)).await?, Vec::new()));
    }
    if let Some(note) = pushed_since(engine, intent, action.vouches_for(now)).await? {
        return Ok((Plan::Held(note), Vec::new()));
    }
    let mut hands = hands(engine, intent).await?;
    let wanted = action.plan(now, &hands);
    let of_rule = intent.target.subject.is_item() && !intent.rule.is_of_command();
    if !of_rule || matches!(wanted, Plan::Nothing(_) | Plan::Held(_) | Plan::Wait(_)) {
        return Ok((wanted, hands));
    }
    let Some(learnt) = guards::learn(engine, intent, reader).await? else { return Ok((wanted, hands)) };
    hands.extend(learnt);
    Ok((action.plan(now, &hands), hands))
}

/// As [`Event::pushed_since`](crate::core::event::Event::pushed_since), of the intent's event.
async fn pushed_since(engine: &Engine, intent: &Intent, head: Option<String>) -> Result<Option<String>, JobError> {
    let Some(head) = head else { return Ok(None) };
    let rows = engine.db.events_by_id(&[intent.event]).await?;
    let payload = engine.db.payloads(&[intent.event]).await?.into_iter().next().map(|(_, payload)| payload);
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(event_from(row, payload)?.pushed_since(&head))
}

/// What people did to the item: what was learnt, and what events tell that are stored and wait behind this effect. Nothing
/// where a person asks for it: that is a hand too, and the newest. What is taken back was there before others touched it.
pub(super) async fn hands(engine: &Engine, intent: &Intent) -> Result<Vec<HandChange>, JobError> {
    let Target { repository, number, subject, .. } = &intent.target;
    if intent.rule.is_of_command() && intent.undoes.is_none() || !subject.is_item() {
        return Ok(Vec::new());
    }
    let mut hands = engine.db.hands_on(repository, *number).await?;
    let waiting = engine.db.undecided_hands(repository, *number).await?;
    if waiting.is_empty() {
        return Ok(hands);
    }
    let mut payloads: HashMap<_, _> = engine.db.payloads(&waiting).await?.into_iter().collect();
    for row in engine.db.events_by_id(&waiting).await? {
        let told = event_from(&row, payloads.remove(&row.id))?;
        if let Some(change) = hand_change(&told) {
            hands.retain(|known| known.thing != change.thing);
            hands.push(change);
        }
    }
    Ok(hands)
}

/// What a write came to that did not fail.
enum Written {
    Yes,
    /// What may be written is used up: nothing was.
    UsedUp(UsedUp),
    /// GitHub refused it, nothing shows, and the effect may wait: it is to be judged anew.
    Refused(GitHubError),
}

/// The write itself, its before-state stored first.
async fn write(engine: &Engine, job: JobId, effect: &EffectRow, step: Step<'_>) -> Result<Written, JobError> {
    let now = (engine.clock)();
    let config = engine.config.current();
    let lease = config.queue.lease.max(config.github.timeout * 2);
    let begun = Write {
        owner: &engine.owner,
        job,
        effect: effect.intent.id,
        before: step.before,
        change: step.change,
        lease_until: now + TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX),
        allowance: step.allowance,
    };
    if let Some(used_up) = engine.db.begin_write(&begun, now).await? {
        return Ok(Written::UsedUp(used_up));
    }
    let Err(error) = step.action.write(step.writer, step.change).await else { return Ok(Written::Yes) };
    let may_wait = actions::may_wait(&effect.intent.action);
    // An earlier try that nobody has settled may still show.
    let settled = may_wait || effect.state != EffectState::Writing || effect.write_again;
    let refused = matches!(error, GitHubError::Refused { .. } | GitHubError::NotFound(_));
    if settled && is_untouched(&step, &error, refused).await {
        engine.db.abandon_write(effect.intent.id).await?;
        if may_wait && refused {
            return Ok(Written::Refused(error));
        }
    }
    Err(error.into())
}

/// Whether a failed write has surely changed nothing: a definite no leaves nothing to settle later. A limit is one too,
/// and so is a sign-in that failed before.
async fn is_untouched(step: &Step<'_>, error: &GitHubError, refused: bool) -> bool {
    if step.action.is_one_request() {
        return refused || matches!(error, GitHubError::Limited { .. } | GitHubError::Credentials(_));
    }
    // Of several requests the first may have been carried out.
    refused
        && match step.action.read(step.writer).await {
            Ok(seen) => step.action.settle(step.before, step.change, &seen) == Settled::DidNot,
            Err(_) => false,
        }
}

/// A write, ready to go.
struct Step<'a> {
    action: &'a Bound,
    writer: &'a Writer,
    before: &'a Value,
    change: &'a Value,
    allowance: Option<Allowance<'a>>,
}

/// What an interrupted write came to; `None`: it does not show, or a person says that it did not happen.
fn settle(action: &Bound, effect: &EffectRow, job: JobId, now: &Value) -> Result<Option<EffectOutcome>, JobError> {
    let (Some(before), Some(change)) = (&effect.before, &effect.change) else { return Ok(None) };
    match action.settle(before, change, now) {
        Settled::DidNot => Ok(None),
        Settled::Happened => Ok(Some(EffectOutcome {
            state: EffectState::Applied,
            before: Some(before.clone()),
            after: Some(now.clone()),
            note: Some("an interruption hid the answer; read back, it had happened".into()),
        })),
        // The dead letters are where a person settles it; the effect shows as quarantined.
        Settled::CannotTell(_) if effect.write_again => Ok(None),
        Settled::CannotTell(why) => Err(JobError::Hopeless(format!(
            "{why}; look at GitHub: if it happened, `orchd jobs discard {0}`, if not, `orchd jobs retry {0}` does it",
            job.0
        ))),
    }
}

/// GitHub ends a request after ten seconds, and we give up on one after `github.timeout`: a write that does not show by
/// then never will. Before that it may still be on its way, and a second one would be one too many.
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#timeouts>
fn wait_until_settled(effect: &EffectRow, timeout: Duration, now: DateTime<Utc>) -> Result<(), JobError> {
    let grace = TimeDelta::from_std(timeout).unwrap_or(TimeDelta::MAX) + TimeDelta::seconds(1);
    let left = effect.started_at.map_or(TimeDelta::zero(), |started| started + grace - now);
    match left.to_std() {
        Ok(wait) if !wait.is_zero() => {
            Err(JobError::Wait { wait, reason: "a write without an answer may still arrive at GitHub".into() })
        }
        _ => Ok(()),
    }
}

/// How an attempt ends that writes nothing. One that an earlier attempt had begun to write may show in part: then that
/// part is what happened, and can be taken back.
fn without_write(action: &Bound, effect: &EffectRow, now: &Value, state: EffectState, note: String) -> Ended {
    let begun = effect.before.as_ref().filter(|_| effect.state == EffectState::Writing);
    match begun {
        Some(before) if !action.is_one_request() && matches!(action.undo(before, now, now), Reversal::Change(_)) => {
            Ended::Receipt(EffectOutcome {
                state: EffectState::Applied,
                before: Some(before.clone()),
                after: Some(now.clone()),
                note: Some(format!("an interruption cut it short; the rest: {note}")),
            })
        }
        begun => ended(state, begun.unwrap_or(now).clone(), note),
    }
}

fn ended(state: EffectState, seen: Value, note: String) -> Ended {
    Ended::Receipt(EffectOutcome { state, before: Some(seen), after: None, note: Some(note) })
}
