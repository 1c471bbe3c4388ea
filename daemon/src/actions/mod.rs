//! What orchd can do to GitHub: one file an action, one registry.
//!
//! An action says how to read the state it cares about, what change (if any) its parameters ask for given that state
//! and what people did by hand, how to write that change, and how to take it back. Deciding is pure and separate from
//! writing; the engine stores the before-state between the two (invariant 5). Nothing else writes to GitHub
//! (invariant 4).

use serde_json::Value;

use crate::core::hand::HandChange;
use crate::core::intent::{ActionKind, IntentId, Target};
use crate::core::rule::RuleName;
use crate::github::GitHubError;
use crate::github::client::{Reader, Writer};

/// Whose effect it is: comments carry it in a hidden marker.
#[derive(Clone, Debug)]
pub struct Origin {
    pub rule: RuleName,
    pub intent: IntentId,
}

/// What an action wants, given the state it read.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// It is already so; the text says what was seen.
    Nothing(String),
    /// A person changed it by hand, or the target cannot take it; the text says what and who.
    Held(String),
    /// Write this.
    Change(Value),
}

/// What an interrupted write came to, judged by the state now.
#[derive(Clone, Debug, PartialEq)]
pub enum Settled {
    /// The state shows the change: it happened.
    Happened,
    /// The state shows that it did not happen: safe to write.
    DidNot,
    /// Cannot be told; the text says why.
    CannotTell(String),
}

/// What taking an effect back asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Reversal {
    /// The state is already as before.
    Nothing,
    /// A person changed it since: left alone; the text says what.
    Refused(String),
    /// Write this change.
    Change(Value),
}

/// Every action, for the config loader, the schema and the docs.
pub fn kinds() -> &'static [ActionKind] {
    &[]
}

/// An action of the registry with parsed parameters, bound to its target.
pub struct Bound {}

/// A stored intent that no longer parses: the action is gone or its parameters changed meaning since.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct NotAnAction(pub String);

impl Bound {
    pub fn new(_action: &str, _params: &Value, _target: Target, _origin: Origin) -> Result<Self, NotAnAction> {
        unimplemented!()
    }

    /// The state the action cares about, as it is now.
    pub async fn read(&self, _reader: &Reader) -> Result<Value, GitHubError> {
        unimplemented!()
    }

    /// Pure: what to write, if anything.
    pub fn plan(&self, _state: &Value, _hands: &[HandChange]) -> Plan {
        unimplemented!()
    }

    /// Pure: after a crash, whether `change`, begun when the state was `before`, shows in `now`.
    pub fn settle(&self, _before: &Value, _change: &Value, _now: &Value) -> Settled {
        unimplemented!()
    }

    pub async fn write(&self, _writer: &Writer, _change: &Value) -> Result<(), GitHubError> {
        unimplemented!()
    }

    /// Pure: how to get from `now` back to `before`, given what we made of it (`after`).
    pub fn undo(&self, _before: &Value, _after: &Value, _now: &Value) -> Reversal {
        unimplemented!()
    }
}
