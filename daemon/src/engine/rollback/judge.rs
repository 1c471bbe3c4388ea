//! Judges whether an effect can be taken back now. Pure.

use chrono::TimeDelta;
use serde_json::Value;

use crate::actions::{Bound, Reversal, hand_since};
use crate::core::hand::HandChange;
use crate::store::effects::EffectRow;

/// GitHub tells times in whole seconds: what a person did right after an effect may look older by that much.
const BLUR: TimeDelta = TimeDelta::seconds(1);

/// What taking an effect back comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Judged {
    /// Write this change.
    Undo(Value),
    /// There is nothing to take back any more; the text says why.
    AsBefore(String),
    /// A person changed it since; the text says what.
    Changed(String),
    /// The text says why it cannot be taken back.
    Cannot(String),
}

/// Why no state of GitHub would change anything.
pub(super) fn hopeless(action: &Bound, effect: &EffectRow) -> Option<String> {
    let (Some(before), Some(after)) = (&effect.before, &effect.after) else {
        return Some("its receipt lacks the state before or after".to_owned());
    };
    match action.undo(before, after, after) {
        _ if action.undoable() => None,
        Reversal::Refused(why) => Some(why),
        Reversal::Nothing | Reversal::Change(_) => Some("this action cannot be undone".to_owned()),
    }
}

/// What a person did since to what the effect changed.
pub(super) fn hand_on(action: &Bound, effect: &EffectRow, hands: &[HandChange]) -> Option<String> {
    let (before, after) = (effect.before.as_ref()?, effect.after.as_ref()?);
    let begun = effect.started_at? - BLUR;
    // Whoever asked for it in a comment had a hand in it, of the time of the comment.
    let since = if effect.intent.rule.is_of_command() { begun.max(effect.created_at) } else { begun };
    hand_since(hands, &action.touched(before, after), since)
}

/// `now` is what the action reads, `hands` is what people did to the item.
pub(super) fn judge(action: &Bound, effect: &EffectRow, now: &Value, hands: &[HandChange]) -> Judged {
    if let Some(why) = hopeless(action, effect) {
        return Judged::Cannot(why);
    }
    let (Some(before), Some(after)) = (&effect.before, &effect.after) else {
        return Judged::Cannot("its receipt is not whole".to_owned());
    };
    match (action.undo(before, after, now), hand_on(action, effect, hands)) {
        (Reversal::Change(change), None) => Judged::Undo(change),
        (Reversal::Nothing, why) => Judged::AsBefore(why.unwrap_or_else(|| "it is as it was before".to_owned())),
        (Reversal::Change(_) | Reversal::Refused(_), Some(hand)) => Judged::Changed(hand),
        (Reversal::Refused(why), None) => Judged::Changed(why),
    }
}
