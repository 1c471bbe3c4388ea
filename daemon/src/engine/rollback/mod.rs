//! Rollbacks: what rules did is taken back because a person asked for it.
//!
//! A plan is judged here, effect by effect, against GitHub as it is (`plan`); carried out it is effects and jobs like any
//! other, which `apply` brings to their receipts: `plan_undo` stands there in the place of the action's own plan, and
//! judges anew right before each write. Owns what an undo may do and what keeps it away. Refuses to know HTTP, and how
//! an action is taken back. Invariant: what a person changed since is left alone, and whoever asked is told so.

mod judge;
mod plan;

use serde_json::Value;

use self::judge::{Judged, judge};
pub use self::plan::run;
use super::{Engine, JobError, apply};
use crate::actions::{Bound, NotAnAction, Origin, Plan};
use crate::core::hand::{HandChange, Thing};
use crate::core::intent::{Intent, IntentId, Target};
use crate::github::client::Reader;
use crate::github::{GitHubError, timeline};
use crate::store::StoreError;
use crate::store::effects::{EffectRow, EffectState};

/// The action of an effect. An undo has that of the effect it takes back in the end, by whose rule and intent the action
/// knows its own mark again.
pub async fn bind(engine: &Engine, effect: &EffectRow) -> Result<Result<Bound, NotAnAction>, StoreError> {
    let Intent { rule, id, .. } = &effect.intent;
    let mut origin = Origin { rule: rule.clone(), intent: *id, at: effect.created_at };
    let mut undoes = effect.intent.undoes;
    while let Some(id) = undoes {
        let Some(row) = engine.db.effect(id).await? else { break };
        origin = Origin { rule: row.intent.rule, intent: row.intent.id, at: row.created_at };
        undoes = row.intent.undoes;
    }
    let Intent { action, params, target, .. } = &effect.intent;
    Ok(Bound::new(action, params, target.clone(), origin))
}

/// What an undo has to write, in the place of the action's own plan: hands that would hold a rule back do not, those laid
/// on what it is about to take back do.
pub async fn plan_undo(
    engine: &Engine,
    action: &Bound,
    undo: &EffectRow,
    taken_back: IntentId,
    (reader, now): (&Reader, &Value),
) -> Result<Plan, JobError> {
    let Some(effect) = engine.db.effect(taken_back).await? else {
        return Err(JobError::Hopeless(format!("effect {taken_back}, which it takes back, is no longer stored")));
    };
    if effect.state != EffectState::Applied {
        return Ok(Plan::Nothing(not_applied(effect.state)));
    }
    let hands = apply::hands(engine, &undo.intent).await?;
    let judged = match (judge(action, &effect, now, &hands), &undo.before) {
        (Judged::Changed(why), Some(begun)) if undo.state == EffectState::Writing => {
            half_taken_back((action, &effect), reader, (begun, hands), why).await?
        }
        (judged, _) => judged,
    };
    Ok(match judged {
        Judged::Undo(change) => Plan::Change(change),
        Judged::AsBefore(why) => Plan::Nothing(why),
        Judged::Changed(why) | Judged::Cannot(why) => Plan::Held(why),
    })
}

/// An undo of several requests that was interrupted between them looks as if somebody had changed things since. Where
/// neither events nor the item's timeline tell of anybody, it was the undo itself, which is judged by the state in which
/// it began.
async fn half_taken_back(
    (action, effect): (&Bound, &EffectRow),
    reader: &Reader,
    (begun, mut hands): (&Value, Vec<HandChange>),
    changed: String,
) -> Result<Judged, JobError> {
    let (Some(before), Some(after)) = (&effect.before, &effect.after) else { return Ok(Judged::Changed(changed)) };
    let touched = action.touched(before, after);
    // Of anything else a timeline does not tell who did it.
    let is_told = |thing: &Thing| matches!(thing, Thing::Label(_) | Thing::Assignee(_) | Thing::State);
    if touched.is_empty() || !touched.iter().all(is_told) {
        return Ok(Judged::Changed(changed));
    }
    let Target { repository, number, .. } = &effect.intent.target;
    match timeline::hands(reader, repository, *number).await {
        Ok(told) if told.complete => {
            hands.extend(told.items);
            Ok(judge(action, effect, begun, &hands))
        }
        Ok(_) => Ok(Judged::Changed(changed)),
        Err(GitHubError::NotFound(_) | GitHubError::Refused { .. } | GitHubError::Unreadable(_)) => {
            Ok(Judged::Changed(changed))
        }
        Err(error) => Err(error.into()),
    }
}

/// Why an effect in this state is not taken back.
fn not_applied(state: EffectState) -> String {
    match state {
        EffectState::Undone => "it is taken back already".to_owned(),
        EffectState::Planned | EffectState::Writing => "it is not done yet: plan again later".to_owned(),
        EffectState::Quarantined => "whether it happened cannot be told: look at it first".to_owned(),
        state => format!("nothing was written: it is {}", super::process::serde_label(&state)),
    }
}
