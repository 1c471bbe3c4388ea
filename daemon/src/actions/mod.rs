//! What orchd can do to GitHub: one file an action, one registry.
//!
//! An action says how to read the state it cares about, what change (if any) its parameters ask for given that state
//! and what people did by hand, how to write that change, and how to take it back. Deciding is pure and separate from
//! writing; the engine stores the before-state between the two (invariant 5). Nothing else writes to GitHub
//! (invariant 4).

#[macro_use]
mod registry;
mod check_runs;
mod commit;
mod hands;
mod item;
mod names;
mod reviews;
mod stage;
mod sticky;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::core::event::Event;
use crate::core::hand::{HandChange, Move, Thing, told_move};
use crate::core::intent::{IntentId, Target};
use crate::core::merge::{Line, Wait};
use crate::core::rule::RuleName;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// Whose effect it is: comments carry it in a hidden marker.
#[derive(Clone, Debug)]
pub struct Origin {
    pub rule: RuleName,
    pub intent: IntentId,
    /// When it was decided: the only "now" that an action sees.
    pub at: DateTime<Utc>,
}

#[cfg(test)]
impl Origin {
    /// Of the rule's first effect, decided in 1970.
    fn of(rule: &str) -> Self {
        let Ok(rule) = RuleName::parse(rule) else { panic!("{rule} is no name of a rule") };
        Self { rule, intent: IntentId(uuid::Uuid::nil()), at: DateTime::UNIX_EPOCH }
    }
}

/// What an action wants, given the state it read.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan<C = Value> {
    /// It is already so; the text says what was seen.
    Nothing(String),
    /// A person changed it by hand, or the target cannot take it; the text says what and who.
    Held(String),
    /// Write this.
    Change(C),
    /// Write this, which is not all that was asked for; the text says what is held back and why, as of `Held`.
    Part(C, String),
    /// Not yet: looked at again when an event tells of a change. Only of an action that says where it waits
    /// (`Action::line`).
    Wait(Wait),
}

/// What an interrupted write came to, judged by the state now.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The state shows the change: it happened.
    Happened,
    /// The state shows that it did not happen, or not wholly: writing it again does no harm. What people did meanwhile
    /// is not judged here: plan again before writing.
    DidNot,
    /// Cannot be told; the text says why.
    CannotTell(String),
}

/// What taking an effect back asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Reversal<C = Value> {
    /// The state is already as before.
    Nothing,
    /// A person changed it since: left alone; the text says what.
    Refused(String),
    /// Write this change.
    Change(C),
}

pub use hands::phrase as hand_phrase;
pub use label::labels_of;
pub use sticky::left_alone;
pub use title::overwritten_title;

actions! {
    label, comment, assign, request_review, review, close, reopen, stale, lock, milestone, title, draft, ready_for_review,
    delete_branch, check, status, dispatch, create_issue, merge
    and check_config, react
}

/// What an action asks for, as what a person would have touched by hand. Nothing for what is no action.
pub fn asks_for(action: &str, params: &Value) -> Vec<Move> {
    parse(action, params).map(|action| action.asks_for()).unwrap_or_default()
}

/// What a person would do by hand in the place of an effect. Nothing where that cannot be told, and for what is no action.
pub fn would_move(action: &str, params: &Value) -> Vec<Move> {
    parse(action, params).map(|action| action.would_move()).unwrap_or_default()
}

/// An action of the registry with parsed parameters, bound to its target.
pub struct Bound {
    action: Box<dyn registry::Erased>,
    target: Target,
    origin: Origin,
}

/// A stored intent that no longer parses: the action is gone or its parameters changed meaning since.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct NotAnAction(pub String);

impl Bound {
    /// # Errors
    /// When no action has the name, the parameters are not its, or it does not act on such a target.
    pub fn new(action: &str, params: &Value, target: Target, origin: Origin) -> Result<Self, NotAnAction> {
        let name = action;
        let action = parse(name, params).map_err(NotAnAction)?;
        let acts_on = action.acts_on();
        if target.subject.kind() != acts_on {
            return Err(NotAnAction(format!("`{name}` acts on {acts_on}, which {target} is not")));
        }
        Ok(Self { action, target, origin })
    }

    /// The state the action cares about, as it is now.
    ///
    /// # Errors
    /// As the requests fail.
    pub async fn read(&self, reader: &Reader) -> Result<Value, GitHubError> {
        self.action.read(&self.target, &self.origin, reader).await
    }

    /// Pure: the head commit in `state`, of an action that vouches for it: it must be the one that the event told of.
    pub fn vouches_for(&self, state: &Value) -> Option<String> {
        self.action.vouches_for(state)
    }

    /// Pure: what to write, if anything. `hands` are the changes people made to the target, in any order.
    pub fn plan(&self, state: &Value, hands: &[HandChange]) -> Plan {
        self.action.plan(&self.origin, state, hands)
    }

    /// Pure: where the effect stands in line, when it is one of those that wait and take turns.
    pub fn line(&self, state: &Value) -> Option<Line> {
        self.action.line(state)
    }

    /// Pure: what the effect waits for after `change` was written; `None`: it is done.
    pub fn goes_on(&self, change: &Value) -> Option<Wait> {
        self.action.goes_on(change)
    }

    /// Pure: after a crash, whether `change`, begun when the state was `before`, shows in `now`.
    pub fn settle(&self, before: &Value, change: &Value, now: &Value) -> Settled {
        self.action.settle(before, change, now)
    }

    /// # Errors
    /// As the requests fail; what was done of a change of several requests stays done.
    pub async fn write(&self, writer: &Writer, change: &Value) -> Result<(), GitHubError> {
        self.action.write(&self.target, writer, change).await
    }

    /// Whether each of its changes is one request: when GitHub refuses that, nothing was done.
    pub fn is_one_request(&self) -> bool {
        self.action.is_one_request()
    }

    /// Pure: how to get from `now` back to `before`, given what we made of it (`after`). The change is one that
    /// [`Bound::write`] can write.
    pub fn undo(&self, before: &Value, after: &Value, now: &Value) -> Reversal {
        self.action.undo(before, after, now)
    }

    /// Whether an effect of this action can be taken back at all.
    pub fn undoable(&self) -> bool {
        self.action.undoable()
    }

    /// Pure: of what changed between two states, the things on which people's hands are watched.
    pub fn touched(&self, before: &Value, after: &Value) -> Vec<Thing> {
        self.action.touched(before, after)
    }

    /// Pure: the item's labels, where the action reads them.
    pub fn labels_in(&self, state: &Value) -> Option<Vec<String>> {
        self.action.labels(state)
    }

    /// Pure: what a change, planned for the state `before`, puts on the item and takes off it.
    pub fn moves(&self, before: &Value, change: &Value) -> Vec<Move> {
        self.action.moves(before, change)
    }

    /// Pure: whether the event is one by which GitHub tells that `change` was written where `before` was.
    pub fn is_told_by(&self, (before, change): (&Value, &Value), event: &Event) -> bool {
        match told_move(event) {
            Some(told) => self.moves(before, change).iter().any(|each| each.is(&told)),
            None => self.action.told_by(change).contains(&event.kind.name.as_str()),
        }
    }
}

/// What a person last did to one of these things since a time, in words: "label `bug` was removed by alice on 2026-01-02".
pub fn hand_since(hands: &[HandChange], things: &[Thing], since: DateTime<Utc>) -> Option<String> {
    let ours = |change: &&HandChange| change.at >= since && things.iter().any(|thing| thing.is(&change.thing));
    hands.iter().filter(ours).max_by_key(|change| change.at).map(hands::phrase)
}

#[cfg(test)]
mod tests;
