//! Whether a rule does again what others took back, and who they are.

use chrono::{DateTime, Utc};

use super::bound;
use super::cause::is_us;
use crate::core::event::EventKind;
use crate::core::hand::{Hand, Move, Thing, may_tell, told_move};
use crate::core::intent::Intent;
use crate::engine::process::event_from;
use crate::engine::{Engine, JobError};
use crate::store::effects::{EffectRow, EffectState};
use crate::store::events::EventFilter;

/// Events on the item that are searched for the opponent, newest first.
const MOST_EVENTS: u32 = 50;

/// A move that a rule makes once too often.
pub(super) struct Fight {
    /// How often it was made already.
    pub(super) times: u32,
    pub(super) about: Move,
}

/// The move of `moves` that the rule made most often among these effects, where that is `most` times or more. A person
/// who takes it back holds the effect before this is asked.
pub(super) fn fight(intent: &Intent, moves: &[Move], earlier: &[EffectRow], most: u32) -> Option<Fight> {
    let ours = |effect: &&EffectRow| {
        effect.intent.rule == intent.rule && effect.intent.id != intent.id && effect.state != EffectState::Undone
    };
    let made: Vec<Move> = earlier.iter().filter(ours).flat_map(moves_of).collect();
    let count = |each: &Move| made.iter().filter(|other| other.is(each)).count();
    let (times, about) = moves.iter().map(|each| (count(each), each)).max_by_key(|(times, _)| *times)?;
    let times = u32::try_from(times).unwrap_or(u32::MAX);
    (times >= most).then(|| Fight { times, about: about.clone() })
}

fn moves_of(effect: &EffectRow) -> Vec<Move> {
    let written = effect.before.as_ref().zip(effect.change.as_ref());
    bound(effect).zip(written).map_or_else(Vec::new, |(action, (before, change))| action.moves(before, change))
}

/// Who made the opposite move, in words: another rule of ours, or whom events name.
pub(super) async fn opponent(
    engine: &Engine,
    intent: &Intent,
    about: &Move,
    earlier: &[EffectRow],
    since: DateTime<Utc>,
) -> Result<String, JobError> {
    let back = about.back();
    let other = earlier.iter().find(|effect| moves_of(effect).iter().any(|each| each.is(&back)));
    if let Some(effect) = other {
        return Ok(format!("the rule `{}`", effect.intent.rule));
    }
    let filter = EventFilter {
        repository: Some(intent.target.repository.clone()),
        number: Some(intent.target.number),
        since: Some(since),
        limit: MOST_EVENTS,
        ..EventFilter::default()
    };
    for row in engine.db.events(&filter).await?.rows {
        let kind = EventKind { name: row.event_type.clone(), action: row.event_action.clone() };
        if !may_tell(&kind) {
            continue;
        }
        let Some(payload) = engine.db.payload(row.id).await? else { continue };
        let event = event_from(&row, Some(payload))?;
        if let (Some(told), Some(actor)) = (told_move(&event), &event.actor)
            && told.is(&back)
            && !is_us(engine, actor).await?
        {
            return Ok(format!("`{}`", actor.login));
        }
    }
    Ok("somebody".to_owned())
}

/// "put label `bug` there", as of a rule.
pub(super) fn deed(each: &Move) -> String {
    match (&each.thing, each.hand) {
        (Thing::Label(name), Hand::Put) => format!("put label `{name}` there"),
        (Thing::Label(name), Hand::Taken) => format!("took label `{name}` off"),
        (Thing::Assignee(login), Hand::Put) => format!("assigned `{login}`"),
        (Thing::Assignee(login), Hand::Taken) => format!("unassigned `{login}`"),
        (Thing::State, Hand::Put) => "reopened it".to_owned(),
        (Thing::State, Hand::Taken) => "closed it".to_owned(),
        (Thing::Reviewer(name), Hand::Put) => format!("asked `{name}` for a review"),
        (Thing::Reviewer(name), Hand::Taken) => format!("took the review request for `{name}` back"),
        (Thing::Lock, Hand::Put) => "locked it".to_owned(),
        (Thing::Lock, Hand::Taken) => "unlocked it".to_owned(),
        (Thing::Milestone(title), Hand::Put) => format!("set milestone `{title}`"),
        (Thing::Milestone(title), Hand::Taken) => format!("took milestone `{title}` off"),
        (Thing::Title(title), _) => format!("changed the title `{title}`"),
        (Thing::Draft, Hand::Put) => "made it a draft".to_owned(),
        (Thing::Draft, Hand::Taken) => "marked it ready for review".to_owned(),
        (Thing::Merged, Hand::Put) => "merged it".to_owned(),
        (Thing::Merged, Hand::Taken) => "closed it without a merge".to_owned(),
    }
}
