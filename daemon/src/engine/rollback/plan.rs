//! Judges the effects of a plan against GitHub as it is now, newest first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::judge::{Judged, hand_on, hopeless, judge};
use super::{bind, not_applied};
use crate::actions::Bound;
use crate::core::hand::{HandChange, Thing};
use crate::engine::{Engine, JobError, apply};
use crate::github::GitHubError;
use crate::github::limits::Priority;
use crate::store::StoreError;
use crate::store::effects::{EffectRow, EffectState};
use crate::store::rollbacks::{Judgement, RollbackId, RollbackItem, Verdict};

/// Effects that are read together, and stored together once they are judged.
const PAGE: u32 = 50;

/// Questions to GitHub on their way at once.
const AT_ONCE: usize = 8;

/// How often GitHub is asked again where it failed, and how long to wait before.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// How long until it is looked whether another daemon left a plan unfinished.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Judges plans until told to stop. `asked` is rung when there is a new one.
pub async fn run(engine: Engine, asked: Arc<Notify>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // The work of one page is lost when told to stop: the plan goes on from there at the next start.
        let planned = tokio::select! {
            planned = plan_all(&engine) => planned,
            () = stop.cancelled() => return,
        };
        if let Err(error) = planned {
            tracing::warn!(%error, "rollbacks could not be planned; trying again later");
        }
        tokio::select! {
            () = asked.notified() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// One daemon at a time. Two would only read twice.
async fn plan_all(engine: &Engine) -> Result<(), JobError> {
    if engine.db.unplanned_rollbacks().await?.is_empty() {
        return Ok(());
    }
    let Some(alone) = engine.db.alone_at("rollback plans").await? else { return Ok(()) };
    let unplanned = engine.db.unplanned_rollbacks().await;
    for id in unplanned.iter().flatten() {
        // One that cannot be planned keeps none of the others waiting.
        if let Err(error) = plan(engine, *id).await {
            tracing::warn!(rollback_id = %id, %error, "the rollback could not be planned; trying again later");
        }
    }
    alone.end().await;
    Ok(unplanned.map(|_| ())?)
}

/// An effect that is to be taken back before those that are older.
struct Newer {
    action: String,
    touched: Vec<Thing>,
    before: Value,
    after: Value,
}

/// What is to be taken back of each item so far.
type ByItem = HashMap<(String, u64), Vec<Newer>>;

async fn plan(engine: &Engine, id: RollbackId) -> Result<(), JobError> {
    let (mut newer, mut after) = (ByItem::new(), None);
    loop {
        let page = engine.db.rollback_items(id, PAGE, after).await?;
        let looks: Vec<_> = page.rows.iter().map(|item| look(engine, id, item)).collect();
        let looks: Vec<Result<Look, StoreError>> = stream::iter(looks).buffered(AT_ONCE).collect().await;
        let mut judged = Vec::with_capacity(looks.len());
        for (item, look) in page.rows.iter().zip(looks) {
            judged.extend(conclude(item, look?, &mut newer));
        }
        engine.db.judge_rollback(id, &judged).await?;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    engine.db.finish_plan(id, (engine.clock)()).await?;
    tracing::info!(rollback_id = %id, "rollback planned");
    Ok(())
}

/// What there is to judge an effect by.
enum Look {
    /// It was judged before a restart: to be taken back, or not.
    Known(Option<Box<(Bound, EffectRow)>>),
    Cannot(String),
    Seen(Box<Seen>),
}

struct Seen {
    action: Bound,
    effect: EffectRow,
    now: Value,
    hands: Vec<HandChange>,
}

async fn look(engine: &Engine, id: RollbackId, item: &RollbackItem) -> Result<Look, StoreError> {
    let Some(effect) = engine.db.effect(item.effect).await? else {
        return Ok(Look::Cannot("it is no longer stored".to_owned()));
    };
    let action = match bind(engine, &effect).await? {
        Ok(action) => action,
        Err(error) => return Ok(Look::Cannot(error.to_string())),
    };
    if item.verdict.is_some() {
        return Ok(Look::Known((item.verdict == Some(Verdict::Undo)).then(|| Box::new((action, effect)))));
    }
    if effect.state != EffectState::Applied {
        return Ok(Look::Cannot(not_applied(effect.state)));
    }
    if let Some(why) = hopeless(&action, &effect) {
        return Ok(Look::Cannot(why));
    }
    let Some(installation) = effect.intent.target.installation else {
        return Ok(Look::Cannot(apply::NO_INSTALLATION.to_owned()));
    };
    if let Some(stop) = engine.db.stop_of(installation).await? {
        return Ok(Look::Cannot(stop.to_string()));
    }
    let now = match read(engine, id, &action, &effect).await? {
        Ok(now) => now,
        Err(why) => return Ok(Look::Cannot(why)),
    };
    match apply::hands(engine, &effect.intent).await {
        Ok(hands) => Ok(Look::Seen(Box::new(Seen { action, effect, now, hands }))),
        Err(error) => Ok(Look::Cannot(format!("what people did to it cannot be told: {error}"))),
    }
}

/// The state as it is, however long GitHub's limits make that take; or why it cannot be read.
async fn read(
    engine: &Engine,
    id: RollbackId,
    action: &Bound,
    effect: &EffectRow,
) -> Result<Result<Value, String>, StoreError> {
    let mut tries = 0;
    loop {
        let reader = engine.github.load_full().reader(effect.intent.target.installation).at(Priority::Command);
        let error = match action.read(&reader).await {
            Ok(now) => return Ok(Ok(now)),
            Err(error) => error,
        };
        let pause = match &error {
            GitHubError::Limited { retry_after, .. } | GitHubError::Down { retry_after, .. } => *retry_after,
            GitHubError::NotFound(_) | GitHubError::Refused { .. } => return Ok(Err(error.to_string())),
            GitHubError::Unavailable(_) | GitHubError::Unreadable(_) | GitHubError::Credentials(_) => {
                tries += 1;
                if tries > TRIES {
                    return Ok(Err(format!("{error}; plan again when that is mended")));
                }
                PAUSE
            }
        };
        engine.db.note_rollback(id, Some(&error.to_string())).await?;
        tokio::time::sleep(pause).await;
        engine.db.note_rollback(id, None).await?;
    }
}

/// Judges an effect as it will be once those that are newer are taken back.
fn conclude(item: &RollbackItem, look: Look, newer: &mut ByItem) -> Option<Judgement> {
    let judgement = |verdict, note| Some(Judgement { undo: item.undo, verdict, note });
    let seen = match look {
        Look::Known(None) => return None,
        Look::Known(Some(known)) => {
            let (action, effect) = *known;
            remember(&action, effect, newer);
            return None;
        }
        Look::Cannot(why) => return judgement(Verdict::Cannot, Some(why)),
        Look::Seen(seen) => *seen,
    };
    let Seen { action, effect, mut now, hands } = seen;
    let sure = foresee(&action, &effect, &mut now, newer);
    let judged = judge(&action, &effect, &now, &hands);
    let by_hand = hand_on(&action, &effect, &hands).is_some();
    match judged {
        Judged::Cannot(why) => judgement(Verdict::Cannot, Some(why)),
        Judged::Changed(why) if sure || by_hand => judgement(Verdict::Changed, Some(why)),
        Judged::AsBefore(why) if sure || by_hand => judgement(Verdict::AsBefore, Some(why)),
        judged => {
            remember(&action, effect, newer);
            let unsure = "judged again once newer effects on the same thing are taken back";
            judgement(Verdict::Undo, (!matches!(judged, Judged::Undo(_))).then(|| unsure.to_owned()))
        }
    }
}

fn key(effect: &EffectRow) -> (String, u64) {
    (effect.intent.target.repository.as_str().to_ascii_lowercase(), effect.intent.target.number)
}

fn remember(action: &Bound, effect: EffectRow, newer: &mut ByItem) {
    let key = key(&effect);
    if let (Some(before), Some(after)) = (effect.before, effect.after) {
        let touched = action.touched(&before, &after);
        newer.entry(key).or_default().push(Newer { action: effect.intent.action, touched, before, after });
    }
}

/// Makes of `now` what it will be once newer effects on the item are taken back. False: that cannot be told.
fn foresee(action: &Bound, effect: &EffectRow, now: &mut Value, newer: &ByItem) -> bool {
    let (Some(before), Some(after)) = (&effect.before, &effect.after) else { return true };
    let touched = action.touched(before, after);
    let mut sure = true;
    for each in newer.get(&key(effect)).into_iter().flatten() {
        let meet = each.touched.iter().any(|thing| touched.contains(thing));
        if (meet || each.action == effect.intent.action) && each.after == *now {
            now.clone_from(&each.before);
        } else if meet {
            sure = false;
        }
    }
    sure
}
