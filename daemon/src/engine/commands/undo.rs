//! `/undo`: which effects it takes back.

use crate::actions;
use crate::core::command::UNDO;
use crate::core::event::{Event, EventId};
use crate::core::intent::Intent;
use crate::core::rule::RuleName;
use crate::store::effects::{EffectFilter, EffectRow, EffectState};
use crate::store::{Db, StoreError};

/// How far back it is looked, and how many effects of one event are taken back.
const MOST: u32 = 200;

/// What the newest event that still shows caused on the item, by `rule` or any, as intents to take it back; or what to
/// answer. Told again, the event takes back the same.
pub(super) async fn latest(
    db: &Db,
    event: &Event,
    rule: Option<&str>,
) -> Result<Result<Vec<Intent>, String>, StoreError> {
    let (Some(repository), Some(number)) = (&event.repository, event.item) else { return Ok(Ok(Vec::new())) };
    let by = RuleName::command(UNDO.word);
    let known = of_event(db, event.id, &by).await?;
    if !known.is_empty() {
        return Ok(Ok(known));
    }
    let Ok(rule) = rule.map(RuleName::parse).transpose() else {
        return Ok(Err(format!("There is no rule `{}`.", rule.unwrap_or_default().replace('`', "'"))));
    };
    let filter = EffectFilter {
        repository: Some(repository.clone()),
        number: Some(number),
        rule,
        state: Some(EffectState::Applied),
        limit: MOST,
        ..EffectFilter::default()
    };
    let tried = EffectFilter { rule: Some(by.clone()), state: None, ..filter.clone() };
    let tried: Vec<_> = db.effects(&tried).await?.rows.iter().filter_map(|effect| effect.intent.undoes).collect();
    // What an earlier word left alone stays; and neither an answer nor an undo is what orchd did.
    let stand = db.effects(&filter).await?.rows.into_iter().filter(|effect| {
        let Intent { id, rule, undoes, .. } = &effect.intent;
        undoes.is_none() && !rule.is_answer() && !tried.contains(id)
    });
    let kind = |effect: &EffectRow| actions::kinds().iter().find(|kind| kind.name == effect.intent.action);
    // Reactions and checks of orchd's own are nothing that anybody asked for.
    let stand: Vec<EffectRow> = stand.filter(|effect| kind(effect).is_some()).collect();
    let Some(newest) = stand.first().map(|effect| effect.intent.event) else {
        return Ok(Err("orchd did nothing here that is left to be taken back.".to_owned()));
    };
    let (undoable, not): (Vec<_>, Vec<_>) = stand
        .into_iter()
        .filter(|effect| effect.intent.event == newest)
        .partition(|effect| kind(effect).is_some_and(|kind| kind.undoable));
    if undoable.is_empty() {
        let names: Vec<String> = not.iter().map(|effect| format!("`{}`", effect.intent.action)).collect();
        return Ok(Err(format!("What orchd did here last cannot be taken back: {}.", names.join(", "))));
    }
    Ok(Ok(undoable.iter().map(|effect| Intent::undo(event.id, &by, &effect.intent)).collect()))
}

/// What this very event takes back already.
async fn of_event(db: &Db, event: EventId, by: &RuleName) -> Result<Vec<Intent>, StoreError> {
    let filter = EffectFilter { event: Some(event), rule: Some(by.clone()), limit: MOST, ..EffectFilter::default() };
    let known = db.effects(&filter).await?.rows.into_iter().map(|effect| effect.intent);
    Ok(known.filter(|intent| intent.undoes.is_some()).collect())
}
